/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Intrusive doubly linked list with a head, circular. */
#ifndef DSEEK_ARB_LIST_H
#define DSEEK_ARB_LIST_H

#include "arb_env.h"

struct arb_list {
	struct arb_list *prev, *next;
};

static inline void arb_list_init(struct arb_list *head)
{
	head->prev = head;
	head->next = head;
}

static inline int arb_list_empty(const struct arb_list *head)
{
	return head->next == head;
}

static inline void arb_list_add_before(struct arb_list *entry, struct arb_list *where)
{
	entry->prev = where->prev;
	entry->next = where;
	where->prev->next = entry;
	where->prev = entry;
}

static inline void arb_list_del(struct arb_list *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	entry->prev = NULL;
	entry->next = NULL;
}

#endif /* DSEEK_ARB_LIST_H */
