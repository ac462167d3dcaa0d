// SPDX-License-Identifier: MIT
/* Calls are counted by name, and fail where HIP_STANDIN_FAIL says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

#define MAX_NAMES	64

static struct {
	const char *name;
	unsigned int calls;
} counts[MAX_NAMES];

unsigned int standin_live;

void hip_standin_reset(void)
{
	memset(counts, 0, sizeof(counts));
	standin_log_reset();
}

unsigned int hip_standin_calls(const char *name)
{
	int i;

	for (i = 0; i < MAX_NAMES && counts[i].name; i++)
		if (!strcmp(counts[i].name, name))
			return counts[i].calls;
	return 0;
}

unsigned int hip_standin_live(void)
{
	return standin_live;
}

static unsigned int count(const char *name)
{
	int i;

	for (i = 0; counts[i].name && strcmp(counts[i].name, name); i++)
		if (i == MAX_NAMES - 1)
			abort();
	counts[i].name = name;
	return ++counts[i].calls;
}

int standin_call(const char *name)
{
	unsigned int calls = count(name);
	const char *at = getenv("HIP_STANDIN_FAIL");

	for (; at && *at; at += strcspn(at, ","), at += *at == ',') {
		char which[64], plus[2] = "";
		unsigned int n;
		int code;

		if (sscanf(at, "%63[^:,]:%u:%d", which, &n, &code) == 3)
			plus[0] = 0;
		else if (sscanf(at, "%63[^:,]:%u%1[+]:%d", which, &n, plus, &code) != 4)
			abort();	/* a test that is wrong */
		if (!strcmp(which, name) && (calls == n || (*plus && calls > n)))
			return code;
	}
	return 0;
}
