// SPDX-License-Identifier: MIT
/* Two samples to shares and sums. What is new since the first has used what it says; counters that fell count as unmoved. */
#include "top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const top_sort_names[TOP_SORT_COUNT] = { "share", "name", "memory", "queues", "jobs", "pid" };

static double moved(uint64_t before, uint64_t now, double seconds)
{
	return now > before && seconds > 0 ? (now - before) / 1e9 / seconds : 0;
}

static const struct top_client *find_client(const struct top_sample *sample, uint64_t id)
{
	size_t i;

	for (i = 0; i < sample->client_count; i++)
		if (sample->clients[i].id == id)
			return &sample->clients[i];
	return NULL;
}

/*
 * Used and entitled are counters of the tenant, told by each of its clients: what its closed files used is in them. Its clients
 * were read one after the other, so the largest is the latest. False: it has no client.
 */
static bool tenant_counters(const struct top_sample *sample, const char *name, uint64_t *ret_used, uint64_t *ret_entitled)
{
	bool found = false;
	size_t i;

	for (i = 0; i < sample->client_count; i++) {
		const struct top_client *c = &sample->clients[i];

		if (strcmp(c->tenant, name))
			continue;
		if (!found || c->tenant_used_ns > *ret_used)
			*ret_used = c->tenant_used_ns;
		if (!found || c->tenant_entitled_ns > *ret_entitled)
			*ret_entitled = c->tenant_entitled_ns;
		found = true;
	}
	return found;
}

static void engine_rates(const struct top_sample *before, const struct top_sample *now, struct top_rates *r)
{
	uint32_t i, k;

	for (i = 0; i < now->engine_count; i++) {
		uint64_t busy = now->engines[i].busy_ns;

		for (k = 0; k < before->engine_count; k++)
			if (!strcmp(before->engines[k].name, now->engines[i].name))
				busy = before->engines[k].busy_ns;
		r->engines[i] = (struct top_engine_rate) {
			.engine = &now->engines[i], .busy = moved(busy, now->engines[i].busy_ns, r->seconds),
		};
	}
	r->engine_count = now->engine_count;
}

static struct top_row *tenant_row(struct top_rates *r, const struct top_sample *before, const struct top_sample *now,
				  const struct top_client *client)
{
	uint64_t used[2], entitled[2];
	struct top_row *row;
	size_t i;

	for (i = 0; i < r->tenant_count; i++)
		if (!strcmp(r->tenants[i].name, client->tenant))
			return &r->tenants[i];
	row = &r->tenants[r->tenant_count++];
	*row = (struct top_row){ 0 };
	strcpy(row->name, client->tenant);
	if (tenant_counters(before, client->tenant, &used[0], &entitled[0]) &&
	    tenant_counters(now, client->tenant, &used[1], &entitled[1])) {
		row->share = moved(used[0], used[1], r->seconds);
		row->entitled = moved(entitled[0], entitled[1], r->seconds);
	}
	return row;
}

int top_rates(const struct top_sample *before, const struct top_sample *now, struct top_rates *ret_rates)
{
	struct top_rates r = { .seconds = (now->ns - before->ns) / 1e9, .unreadable = now->unreadable };
	size_t i;

	r.tenants = calloc(now->client_count + 1, sizeof(*r.tenants));
	r.clients = calloc(now->client_count + 1, sizeof(*r.clients));
	if (!r.tenants || !r.clients) {
		top_rates_free(&r);
		return -ENOMEM;
	}
	engine_rates(before, now, &r);
	for (i = 0; i < now->client_count; i++) {
		const struct top_client *c = &now->clients[i], *old = find_client(before, c->id);
		struct top_row *row = &r.clients[r.client_count++], *tenant = tenant_row(&r, before, now, c);

		*row = (struct top_row) {
			.pid = c->pid, .id = c->id, .share = moved(old ? old->engine_ns : 0, c->engine_ns, r.seconds),
			.memory = c->resident, .purgeable = c->purgeable, .queues = c->queues, .jobs = c->jobs,
		};
		strcpy(row->name, c->tenant);
		strcpy(row->comm, c->comm);
		tenant->clients++;
		tenant->memory += c->resident;
		tenant->purgeable += c->purgeable;
		tenant->queues += c->queues;
		tenant->jobs += c->jobs;
	}
	*ret_rates = r;
	return 0;
}

static int order(enum top_sort by, const struct top_row *x, const struct top_row *y)
{
	switch (by) {
	case TOP_SORT_SHARE:
		return (x->share < y->share) - (x->share > y->share);
	case TOP_SORT_MEMORY:
		return (x->memory < y->memory) - (x->memory > y->memory);
	case TOP_SORT_QUEUES:
		return (x->queues < y->queues) - (x->queues > y->queues);
	case TOP_SORT_JOBS:
		return (x->jobs < y->jobs) - (x->jobs > y->jobs);
	case TOP_SORT_NAME:
		return strcmp(x->name, y->name);
	default:
		return (x->pid > y->pid) - (x->pid < y->pid);
	}
}

struct order {
	enum top_sort by;
	bool reverse;
};

/* Equals keep one order from sample to sample: by name, process and file. */
static int compare(const void *a, const void *b, void *arg)
{
	const struct top_row *x = a, *y = b;
	const struct order *o = arg;
	int r = order(o->by, x, y);

	if (r)
		return o->reverse ? -r : r;
	r = strcmp(x->name, y->name);
	if (r)
		return r;
	r = (x->pid > y->pid) - (x->pid < y->pid);
	return r ? r : (x->id > y->id) - (x->id < y->id);
}

void top_rates_sort(struct top_rates *rates, enum top_sort by, bool reverse)
{
	struct order o = { by, reverse };

	qsort_r(rates->tenants, rates->tenant_count, sizeof(struct top_row), compare, &o);
	qsort_r(rates->clients, rates->client_count, sizeof(struct top_row), compare, &o);
}

void top_rates_free(struct top_rates *rates)
{
	free(rates->tenants);
	free(rates->clients);
	memset(rates, 0, sizeof(*rates));
}
