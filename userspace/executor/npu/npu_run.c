// SPDX-License-Identifier: MIT
/* Programs on an NPU: one op after the other, each to its end; between them, and while one is waited for, the loop is asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../backend.h"
#include "npu_state.h"

#define TICK_NS		1000000ull	/* between two looks at whether the job was aborted */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int npu_program_prepare(void *arg, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size)
{
	void *bindings[DSEEK_PROGRAM_MAX_BINDINGS];
	uint32_t params[DSEEK_PROGRAM_MAX_PARAMS], i;
	const struct npu_state *state = arg;
	char room[300];

	/* Addresses that aren't NULL, so that operands which are there show; nothing is at them. */
	for (i = 0; i < DSEEK_PROGRAM_MAX_BINDINGS; i++)
		bindings[i] = (void *)64;
	for (i = 0; i < view->header->n_params; i++)
		params[i] = view->params[i].max;
	for (i = 0; i < view->header->n_ops; i++) {
		const char *why = "the NPU does int8 products (linear) alone";
		struct cpu_op op;

		cpu_op_resolve(view, i, params, bindings, &op);
		if (op.code == DSEEK_OP_NOP || op.code == DSEEK_OP_SPIN)
			continue;
		if (op.code == DSEEK_OP_LINEAR)
			why = npu_linear_refuse(state, &op, room, sizeof(room));
		if (why) {
			snprintf(err, err_size, "op %u, %s: %s", i, dseek_op_name(op.code), why);
			return -ENOTSUP;
		}
	}
	*ret_prepared = NULL;
	return 0;
}

struct job {
	struct npu_state *state;
	struct dseek_run *run;
};

static int poll_job(const struct job *job)
{
	return job->run->poll ? job->run->poll(job->run->poll_arg) : 0;
}

/* A wish for preemption waits for the op's end. */
static int look(void *arg)
{
	return poll_job(arg) == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* Destroying a context cancels what runs in it, or the driver would not return: after that nothing has the tenant's memory. */
static int make_anew(struct npu_state *state, char *err, size_t err_size)
{
	char why[200];
	int r = npu_context_close(&state->device, why, sizeof(why));

	if (!r)
		r = npu_context_open(&state->device, &state->context, why, sizeof(why));
	if (!r)
		return 0;
	state->lost = 1;
	snprintf(err, err_size, "%s: the NPU is given up", why);
	return -EIO;
}

/* Until the batch is done. An abort gives it the grace, then takes its context away. */
static int wait_batch(void *arg, const struct npu_batch *batch, char *err, size_t err_size)
{
	const struct job *job = arg;
	uint64_t aborted = 0;
	char why[200];
	int r;

	for (;;) {
		r = npu_batch_wait(job->state, batch, TICK_NS, err, err_size);
		if (r != -ETIME)
			break;
		if (!aborted && poll_job(job) == -ETIMEDOUT)
			aborted = now_ns();
		if (aborted && now_ns() - aborted >= job->state->grace_ns) {
			r = make_anew(job->state, err, err_size);
			return r ? r : -ETIMEDOUT;
		}
	}
	/* A context in which something failed isn't trusted with the next job; what it was doing ends with it. */
	if (r && make_anew(job->state, why, sizeof(why)))
		snprintf(err, err_size, "%s", why);
	return r ? r : aborted ? -ETIMEDOUT : 0;
}

static int spin(const struct job *job, uint32_t us)
{
	uint64_t until = now_ns() + us * 1000ull;

	while (now_ns() < until)
		if (poll_job(job) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static int run_op(struct job *job, char *err, size_t err_size)
{
	const struct npu_wait wait = { look, wait_batch, job };
	const struct dseek_run *run = job->run;
	char why[300] = "";
	struct cpu_op op;
	int r = 0;

	cpu_op_resolve(run->program, (uint32_t)run->cursor, run->params, run->bindings, &op);
	if (op.code == DSEEK_OP_SPIN)
		r = spin(job, op.i[0]);
	else if (op.code == DSEEK_OP_LINEAR)
		r = npu_linear_run(job->state, &op, &wait, why, sizeof(why));
	if (r && *why)
		snprintf(err, err_size, "op %llu, %s: %s", (unsigned long long)run->cursor, dseek_op_name(op.code), why);
	return r;
}

int npu_run(void *arg, struct dseek_run *run)
{
	struct job job = { arg, run };
	char unused[8], *err = run->err ? run->err : unused;
	size_t err_size = run->err ? run->err_size : sizeof(unused);
	int r;

	for (; run->cursor < run->program->header->n_ops; run->cursor++) {
		if (job.state->lost) {
			snprintf(err, err_size, "the NPU was given up: restart the executor");
			return -EIO;
		}
		r = poll_job(&job);
		if (!r)
			r = run_op(&job, err, err_size);
		if (r)
			return r;
	}
	return 0;
}
