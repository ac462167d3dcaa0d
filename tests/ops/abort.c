// SPDX-License-Identifier: MIT
/*
 * A job that is aborted within an op: every op of the cpu backend is left, by each of its forms, and the next job is none the worse. What an op
 * that was left would have gone on with is not made anything of: it may be what the op before it, another tenant's, had there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../tap.h"
#include "one_op.h"

#define TOKENS	40

static const struct dseek_backend *cpu = &dseek_backend_cpu;

struct asked {
	int times, abort_at;
	uint64_t after_ns;		/* of the first time, instead */
	uint64_t first_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int ask(void *arg)
{
	struct asked *asked = arg;

	if (!asked->times++)
		asked->first_ns = now_ns();
	if (asked->after_ns)
		return now_ns() - asked->first_ns < asked->after_ns ? 0 : -ETIMEDOUT;
	return asked->times < asked->abort_at ? 0 : -ETIMEDOUT;
}

static float *fill(void *data, uint64_t n)
{
	float *x = data;

	while (n--)
		*x++ = test_random();
	return data;
}

/* An op of each code, of some rows. */
static void build(struct one_op *o, uint16_t code)
{
	static const uint16_t weights[] = { [DSEEK_OP_LINEAR] = 1, [DSEEK_OP_GLU] = 2, [DSEEK_OP_EMBED] = 1 };
	int32_t *ids;
	int i;

	one_op_init(o, code, 0);
	switch (code) {
	case DSEEK_OP_SPIN:
		o->op.i[0] = 60000000;
		break;
	case DSEEK_OP_COPY:
	case DSEEK_OP_ADD:
	case DSEEK_OP_MUL:
	case DSEEK_OP_RMSNORM:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 1, DSEEK_F32, 64, code == DSEEK_OP_RMSNORM ? 1 : TOKENS, 1);
		one_op_tensor(o, 2, DSEEK_F32, 64, TOKENS, 1);
		break;
	case DSEEK_OP_ARGMAX:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 1, DSEEK_I32, TOKENS, 1, 1);
		break;
	case DSEEK_OP_ROWS:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 1, DSEEK_I32, TOKENS, 1, 1);
		one_op_tensor(o, 2, DSEEK_F32, 64, TOKENS, 1);
		break;
	case DSEEK_OP_EMBED:
		one_op_tensor(o, 0, DSEEK_I32, TOKENS, 1, 1);
		one_op_weight(o, 1, DSEEK_Q8_0, 0, 64, 20, 1, NULL);
		one_op_tensor(o, 2, DSEEK_F32, 64, TOKENS, 1);
		break;
	case DSEEK_OP_LINEAR:
	case DSEEK_OP_GLU:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		for (i = 1; i <= weights[code]; i++)
			one_op_weight(o, i, DSEEK_Q8_0, 0, 64, 48, 1, NULL);
		one_op_tensor(o, code == DSEEK_OP_GLU ? 3 : 4, DSEEK_F32, 48, TOKENS, 1);
		break;
	case DSEEK_OP_HEAD_LINEAR:
		one_op_tensor(o, 0, DSEEK_F32, 64, 4, TOKENS);
		one_op_weight(o, 1, DSEEK_Q8_0, 0, 64, 48, 4, NULL);
		one_op_tensor(o, 2, DSEEK_F32, 48, 4, TOKENS);
		break;
	case DSEEK_OP_ROPE:
		fill(one_op_tensor(o, 0, DSEEK_F32, 64, 4, TOKENS), 64 * 4 * TOKENS);
		ids = one_op_tensor(o, 1, DSEEK_I32, TOKENS, 1, 1);
		for (i = 0; i < TOKENS; i++)
			ids[i] = i;
		o->op.i[0] = 64;
		o->op.f[0] = 10000;
		o->op.f[1] = 1;
		break;
	case DSEEK_OP_KV_STORE:
		one_op_tensor(o, 0, DSEEK_F32, 64, 4, TOKENS);
		one_op_tensor(o, 2, DSEEK_F16, 64, 4, TOKENS);
		one_op_tensor(o, 4, DSEEK_I32, TOKENS, 1, 1);
		break;
	case DSEEK_OP_ATTENTION:	/* of one token, and so by parts of the slots, which are merged */
		one_op_tensor(o, 0, DSEEK_F32, 64, 8, 1);
		one_op_tensor(o, 1, DSEEK_F16, 64, 2, 2000);
		one_op_tensor(o, 2, DSEEK_F16, 64, 2, 2000);
		*(int32_t *)one_op_tensor(o, 3, DSEEK_I32, 1, 1, 1) = 1999;
		one_op_tensor(o, 4, DSEEK_F32, 64, 8, 1);
		o->op.f[0] = 0.125f;
		break;
	case DSEEK_OP_MOE_ROUTE:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 1, DSEEK_I32, 2, TOKENS, 1);
		one_op_tensor(o, 2, DSEEK_F32, 2, TOKENS, 1);
		o->op.i[0] = 2;
		break;
	case DSEEK_OP_MOE_FFN:
		one_op_tensor(o, 0, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 1, DSEEK_I32, 2, TOKENS, 1);
		one_op_tensor(o, 2, DSEEK_F32, 2, TOKENS, 1);
		one_op_weight(o, 3, DSEEK_Q8_0, 0, 64, 32, 4, NULL);
		one_op_weight(o, 4, DSEEK_Q8_0, 0, 64, 32, 4, NULL);
		one_op_weight(o, 5, DSEEK_Q8_0, 0, 32, 64, 4, NULL);
		one_op_tensor(o, 6, DSEEK_F32, 64, TOKENS, 1);
		one_op_tensor(o, 7, DSEEK_F32, 32, 2, TOKENS);
		break;
	case DSEEK_OP_LATENT_ATTENTION:
		one_op_tensor(o, 0, DSEEK_F32, 48, 4, TOKENS);
		one_op_tensor(o, 1, DSEEK_F16, 80, 1, 200);
		one_op_weight(o, 2, DSEEK_Q8_0, 0, 32, 64, 4, NULL);
		one_op_weight(o, 3, DSEEK_Q8_0, 0, 64, 32, 4, NULL);
		ids = one_op_tensor(o, 4, DSEEK_I32, TOKENS, 1, 1);
		for (i = 0; i < TOKENS; i++)
			ids[i] = 160 + i;
		one_op_tensor(o, 5, DSEEK_F32, 32, 4, TOKENS);
		one_op_weight(o, 6, DSEEK_Q8_0, 0, 64, 32, 4, NULL);
		one_op_tensor(o, 7, DSEEK_F32, 80, 4, TOKENS);
		one_op_tensor(o, 8, DSEEK_F32, 64, 4, TOKENS);
		o->op.f[0] = 0.125f;
		break;
	}
}

/* Asked once before the op and once in it, if other threads haven't done it all before. */
static void test_ops(const char *options)
{
	char err[200] = "";
	uint16_t code;
	void *state;

	if (!tap_ok(!cpu->open(options, &state, err, sizeof(err)), "cpu: %s", options)) {
		printf("# %s\n", err);
		return;
	}
	for (code = DSEEK_OP_NOP + 1; code < DSEEK_OP_COUNT; code++) {
		struct asked asked;
		struct one_op o;
		int r, tries = 0;

		build(&o, code);
		o.poll = ask;
		o.poll_arg = &asked;
		do {
			asked = (struct asked){ .abort_at = 2 };
			r = one_op_run(&o, cpu, state);
		} while (!r && tries++ < 100);
		if (!tap_ok(r == -ETIMEDOUT && asked.times == 2, "%s: %s is left", options, dseek_op_name(code)))
			printf("# %d, asked %d times\n", r, asked.times);
		asked = (struct asked){ .abort_at = 1000000 };
		if (code != DSEEK_OP_SPIN && one_op_run(&o, cpu, state))
			tap_ok(0, "%s: %s by the next job", options, dseek_op_name(code));
		one_op_free(&o);
	}
	cpu->close(state);
}

/* Parts of attention are merged in what was another op's memory: of those that weren't made nothing may be seen. */
static void test_nothing_merged(void)
{
	struct asked asked = { .abort_at = 2 };
	struct one_op o;
	int i, kept = 1, r;
	float *out;
	void *state;

	build(&o, DSEEK_OP_ATTENTION);
	out = o.data[4];
	for (i = 0; i < 64 * 8; i++)
		out[i] = 7;
	if (!tap_ok(!cpu->open("threads=2", &state, NULL, 0), "two threads"))
		return;
	o.poll = ask;
	o.poll_arg = &asked;
	r = one_op_run(&o, cpu, state);
	for (i = 0; i < 64 * 8; i++)
		kept &= out[i] == 7;
	tap_ok(r == -ETIMEDOUT && kept, "attention that is left has not written its results");
	cpu->close(state);
	one_op_free(&o);
}

/* Angles are kept from one job to the next: not those that were not made. */
static void test_rope_after_abort(void)
{
	struct asked asked = { .abort_at = 2 };
	float x[64 * 4 * TOKENS], want[64 * 4 * TOKENS];
	struct one_op o;
	void *state;
	int r, good = 1;
	size_t i;

	build(&o, DSEEK_OP_ROPE);
	memcpy(x, o.data[0], sizeof(x));
	if (!tap_ok(!cpu->open("threads=1", &state, NULL, 0), "one thread"))
		return;
	o.poll = ask;
	o.poll_arg = &asked;
	r = one_op_run(&o, cpu, state);
	o.poll = NULL;
	memcpy(o.data[0], x, sizeof(x));
	good &= !one_op_run(&o, cpu, state);
	memcpy(want, o.data[0], sizeof(x));
	cpu->close(state);
	good &= !cpu->open("isa=scalar", &state, NULL, 0);
	memcpy(o.data[0], x, sizeof(x));
	good &= !one_op_run(&o, cpu, state);
	for (i = 0; i < sizeof(x) / sizeof(*x); i++)
		good &= ((float *)o.data[0])[i] - want[i] < 1e-3 && want[i] - ((float *)o.data[0])[i] < 1e-3;
	tap_ok(r == -ETIMEDOUT && good, "the next job's angles are right");
	cpu->close(state);
	one_op_free(&o);
}

/* One op of many seconds. */
static void test_long(const char *options)
{
	struct asked asked = { .after_ns = 50000000 };
	struct one_op o;
	void *state;
	uint64_t ns;
	int r;

	if (!tap_ok(!cpu->open(options, &state, NULL, 0), "cpu: %s", options))
		return;
	one_op_init(&o, DSEEK_OP_LINEAR, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2048, 2048, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 2048, 8192, 1);
	one_op_tensor(&o, 4, DSEEK_F32, 8192, 2048, 1);
	o.poll = ask;
	o.poll_arg = &asked;
	r = one_op_run(&o, cpu, state);
	ns = now_ns() - asked.first_ns - asked.after_ns;
	tap_ok(r == -ETIMEDOUT && ns < 500000000, "%s: a long product is left %u ms after the abort, asked %d times", options, (unsigned int)(ns / 1000000),
	       asked.times);
	tap_ok(asked.times < 100, "and was asked once a millisecond at most");
	one_op_free(&o);
	cpu->close(state);
}

int main(void)
{
	test_ops("isa=scalar");
	test_ops("threads=1");
	test_ops("threads=3");
	test_ops("threads=2,latent=absorbed");
	test_ops("threads=2,latent=expanded");
	test_nothing_merged();
	test_rope_after_abort();
	test_long("isa=scalar");
	test_long("threads=1");
	test_long("threads=2");
	return tap_end();
}
