// SPDX-License-Identifier: MIT
/*
 * The fault backend: an engine that misbehaves on demand, for tests of everything that has to survive one.
 * Otherwise it does what null with spin=1 does.
 *
 * By option, to every Nth job (every=N, default 1): error=ERRNO completes it with that error; slow_us=N adds
 * that to each of its ops; hang=1 never comes back (hang_ms=N: after so long) and heeds neither preemption nor abort;
 * deaf=1 heeds no preemption; crash=1 kills the process.
 *
 * By program, whatever the options: a SPIN of 9999000 + ERRNO us completes with that error; of 9998001 us hangs; of
 * 9998002 us kills the process; of 9998003 us spins until it is aborted, deaf to preemption; of 9998004 us gives the engine up.
 */
#include <drm/dseek_drm.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "backend.h"
#include "dseek_program.h"
#include "option.h"

#define SPIN_ERROR	9999000u
#define SPIN_HANG	9998001u
#define SPIN_CRASH	9998002u
#define SPIN_DEAF	9998003u
#define SPIN_LOST	9998004u

struct fault_state {
	uint64_t every, error, slow_us, hang, hang_ms, deaf, crash, threads;
	uint64_t jobs;
	int lost;
};

static int fault_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	struct fault_state parsed = { .every = 1 }, *state;
	const struct executor_option table[] = {
		{ "every", &parsed.every, 1000000000 },
		{ "error", &parsed.error, 4095 },
		{ "slow_us", &parsed.slow_us, 1000000000 },
		{ "hang", &parsed.hang, 1 },
		{ "hang_ms", &parsed.hang_ms, 1000000000 },
		{ "deaf", &parsed.deaf, 1 },
		{ "crash", &parsed.crash, 1 },
		{ "threads", &parsed.threads, 1024 },
		{ NULL },
	};
	int r;

	r = executor_options_parse(options, "fault", table, err, err_size);
	if (r)
		return r;
	if (parsed.every == 0) {
		snprintf(err, err_size, "fault: every=0 is no interval");
		return -EINVAL;
	}
	state = malloc(sizeof(*state));
	if (!state) {
		snprintf(err, err_size, "fault: no memory");
		return -ENOMEM;
	}
	*state = parsed;
	*ret_state = state;
	return 0;
}

static void fault_close(void *state)
{
	free(state);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void hang(const struct fault_state *state)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	uint64_t until = now_ns() + state->hang_ms * 1000000;

	while (!state->hang_ms || now_ns() < until)
		nanosleep(&tick, NULL);
}

static int spin(struct dseek_run *run, uint64_t us)
{
	uint64_t until = now_ns() + us * 1000;

	while (us == SPIN_DEAF || now_ns() < until)
		if (run->poll(run->poll_arg) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static int run_op(struct fault_state *state, struct dseek_run *run, const struct dseek_program_op *op)
{
	uint64_t us;

	if (op->code != DSEEK_OP_SPIN)
		return 0;
	us = op->i_param & 1 ? run->params[op->i[0]] : op->i[0];
	if (us > SPIN_ERROR && us <= SPIN_ERROR + 999)
		return -(int)(us - SPIN_ERROR);
	if (us == SPIN_CRASH)
		raise(SIGKILL);
	if (us == SPIN_LOST) {
		state->lost = 1;
		return -EIO;
	}
	if (us == SPIN_HANG) {
		hang(state);
		return 0;
	}
	return spin(run, us);
}

static int fault_run(void *arg, struct dseek_run *run)
{
	struct fault_state *state = arg;
	int chosen = ++state->jobs % state->every == 0;
	int r;

	if (chosen && state->crash)
		raise(SIGKILL);
	if (chosen && state->hang)
		hang(state);
	if (chosen && state->error)
		return -(int)state->error;
	for (; run->cursor < run->program->header->n_ops; run->cursor++) {
		r = run->poll(run->poll_arg);
		if (r && !(r == -EAGAIN && state->deaf))
			return r;
		r = run_op(state, run, &run->program->ops[run->cursor]);
		if (!r && chosen && state->slow_us)
			r = spin(run, state->slow_us);
		if (r)
			return r;
	}
	return 0;
}

static int fault_lost(void *arg)
{
	const struct fault_state *state = arg;

	return state->lost;
}

const struct dseek_backend dseek_backend_fault = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_NULL,
	.name = "fault",
	.summary = "misbehaves on demand, for tests [every=, error=, slow_us=, hang=, hang_ms=, deaf=, crash=]",
	.open = fault_open,
	.close = fault_close,
	.run = fault_run,
	.lost = fault_lost,
};
