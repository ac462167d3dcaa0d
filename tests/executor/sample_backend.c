// SPDX-License-Identifier: MIT
/* A backend as others would write it: a shared object. Variants that must be refused come by -D. */
#include <errno.h>
#include <stdio.h>
#include "../../userspace/executor/backend.h"

static int sample_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	static int state;

	if (options) {
		snprintf(err, err_size, "sample takes no options");
		return -EINVAL;
	}
	*ret_state = &state;
	return 0;
}

static int sample_run(void *state, struct dseek_run *run)
{
	++*(int *)state;
	run->engine_ns = 4242;
	return 0;
}

static void sample_describe(void *state, char *buf, size_t size)
{
	snprintf(buf, size, "%d jobs so far", *(int *)state);
}

#ifdef SAMPLE_LOST	/* its engine hangs from the beginning, and whatever is to be done about it hangs, too */
#include <unistd.h>

static int sample_lost(void *state)
{
	return 1;
}

static void sample_close(void *state)
{
	pause();
}

static void at_exit(void) __attribute__((destructor));
static void at_exit(void)
{
	pause();
}
#endif

#ifndef SAMPLE_ABI
#define SAMPLE_ABI DSEEK_BACKEND_ABI
#endif

#ifndef SAMPLE_TYPE
#define SAMPLE_TYPE 3
#endif

#ifndef SAMPLE_SYMBOL
#define SAMPLE_SYMBOL dseek_backend
#endif

__attribute__((visibility("default"))) const struct dseek_backend SAMPLE_SYMBOL = {
	.abi = SAMPLE_ABI, .type = SAMPLE_TYPE, .name = "sample", .summary = "accounts 4242 ns", .open = sample_open,
	.describe = sample_describe,
#ifdef SAMPLE_LOST
	.lost = sample_lost, .close = sample_close,
#endif
#ifndef SAMPLE_NO_RUN
	.run = sample_run,
#endif
};

int (*sample_keep(void))(void *, struct dseek_run *);
int (*sample_keep(void))(void *, struct dseek_run *)
{
	return sample_run;
}
