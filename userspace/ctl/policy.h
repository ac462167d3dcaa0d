/* SPDX-License-Identifier: MIT */
/*
 * A policy file: what limits tenants and settings engines are to have. YAML:
 *
 *	all:
 *	  pinned_limit: 24G
 *	tenants:
 *	  - tenant: cgroup:/system.slice/inference.service
 *	    pinned_limit: 16G
 *	    class_limit: [interactive, batch]
 *	engines:
 *	  - engine: gpu0
 *	    depth: 4
 *
 * Of a tenant that it names the file says all: what isn't there is the module's default (of "all": max). Of an engine it
 * says what is there.
 */
#ifndef DSEEK_CTL_POLICY_H
#define DSEEK_CTL_POLICY_H

#include "ctl.h"

#include <stdio.h>

struct policy_entry {
	char *name;
	bool engine;
	size_t line;
	char value[CTL_MAX_FIELDS][CTL_VALUE];	/* by index into ctl_limits or ctl_settings; "": not given */
};

struct policy {
	struct policy_entry *entries;
	size_t count;
};

/* Every mistake is told on @errors with its line; -EINVAL if there were any, -errno of opening and reading. */
int policy_read(const char *path, FILE *errors, struct policy *ret_policy);
void policy_clear(struct policy *policy);

#endif /* DSEEK_CTL_POLICY_H */
