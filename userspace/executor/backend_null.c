// SPDX-License-Identifier: MIT
/*
 * The null backend: completes programs without computing anything. For tests of everything above
 * it, for measuring what the path to an engine costs, and as the template of a new backend: copy this file, rename the
 * symbol, and make run() do something.
 *
 * A backend is one struct dseek_backend. Built in, it is listed in registry.c; loaded, it is the symbol
 * "dseek_backend" of a shared object. The executor's loop (loop.c) does all that has to do with tenants:
 * it maps buffers, validates programs, checks that a job's bindings and parameters fit, measures time. What
 * reaches run() is safe to follow; only values *in* the tenant's memory are not, for they can
 * change at any moment: read each once, check it, and return -ERANGE.
 */
#include <drm/dseek_drm.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "backend.h"
#include "dseek_program.h"
#include "option.h"

/*
 * cost_us=N    engine time an op is accounted, SPIN excepted (default 0: the time it took, which is next to none)
 * spin=1       SPIN ops burn their time; default: they are only accounted, so that hours of load pass in seconds
 * threads=N    taken and not used, so that specs written for cpu work here too
 */
struct null_state {
	uint64_t cost_us, spin, threads;
};

static int null_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	struct null_state parsed = { 0 }, *state;
	const struct executor_option table[] = {
		{ "cost_us", &parsed.cost_us, 1000000000 },
		{ "spin", &parsed.spin, 1 },
		{ "threads", &parsed.threads, 1024 },
		{ NULL },
	};
	int r;

	r = executor_options_parse(options, "null", table, err, err_size);
	if (r)
		return r;
	state = malloc(sizeof(*state));
	if (!state) {
		snprintf(err, err_size, "null: no memory");
		return -ENOMEM;
	}
	*state = parsed;
	*ret_state = state;
	return 0;
}

static void null_close(void *state)
{
	free(state);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* An integer argument of an op is the number itself, or names the parameter that has it. */
static uint32_t op_int(const struct dseek_run *run, const struct dseek_program_op *op, unsigned int n)
{
	return op->i_param & 1u << n ? run->params[op->i[n]] : op->i[n];
}

/* Busy, not asleep: an engine that is occupied. An abort ends it, a wish for preemption waits for the op's end. */
static int spin(struct dseek_run *run, uint64_t ns)
{
	uint64_t until = now_ns() + ns;

	while (now_ns() < until)
		if (run->poll(run->poll_arg) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static int null_run(void *arg, struct dseek_run *run)
{
	const struct dseek_program_view *program = run->program;
	const struct null_state *state = arg;
	uint64_t total_ns = 0, cost_ns;
	int r;

	/* From the cursor: a job that yielded goes on where it left off. */
	for (; run->cursor < program->header->n_ops; run->cursor++) {
		const struct dseek_program_op *op = &program->ops[run->cursor];

		/*
		 * Between ops, ask whether to go on. -EAGAIN: something better waits; run->cursor says where to
		 * go on and everything before it has been done. A backend that has launched ahead
		 * waits for what it launched first.
		 */
		r = run->poll(run->poll_arg);
		if (r)
			return r;
		cost_ns = op->code == DSEEK_OP_SPIN ? op_int(run, op, 0) * 1000ull : state->cost_us * 1000;
		if (op->code == DSEEK_OP_SPIN && state->spin) {
			r = spin(run, cost_ns);
			if (r)
				return r;
		}
		total_ns += cost_ns;
		/* Only a backend whose engine keeps its own clock sets this; else the loop measures. */
		run->engine_ns = total_ns;
	}
	return 0;
}

/*
 * A backend whose engine can hang has .lost, too: where what was started doesn't end some time after an abort, run() returns -EIO and lost() is
 * not 0 from then on. The job that did it fails, all others go back, and the executor ends: who takes its place opens the engine anew. One that
 * stayed would fail everybody's jobs. This engine never hangs.
 */

const struct dseek_backend dseek_backend_null = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_NULL,
	.name = "null",
	.summary = "completes jobs without running them [cost_us=, spin=, threads=]",
	.open = null_open,
	.close = null_close,
	.run = null_run,
};
