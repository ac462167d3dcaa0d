// SPDX-License-Identifier: MIT
/*
 * Fused ops of the cpu engine against the ops that they are made of, in one run, in turn: the least time of each counts. Separate GLU lacks
 * the activation, for which there is no op: its ratio is what fusion saves at least. One thread; shapes of SmolLM2-135M, Q8_0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../ops/one_op.h"

#define E	576
#define KV	192
#define FF	1536
#define TURNS	40

static const struct dseek_backend *const cpu = &dseek_backend_cpu;
static void *state;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void activations(struct one_op *o, int slot, uint32_t n, uint32_t tokens)
{
	float *x = one_op_tensor(o, slot, DSEEK_F32, n, tokens, 1);

	for (uint32_t i = 0; i < n * tokens; i++)
		x[i] = test_random();
}

/* out_j = W_j x for so many widths. */
static void linear(struct one_op *o, uint32_t tokens, const uint32_t *widths, int n)
{
	one_op_init(o, DSEEK_OP_LINEAR, 0);
	activations(o, 0, E, tokens);
	for (int j = 0; j < n; j++) {
		one_op_weight(o, 1 + j, DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, E, widths[j], 1, NULL);
		one_op_tensor(o, 4 + j, DSEEK_F32, widths[j], tokens, 1);
	}
}

/* Seconds of each of two lists of ops, the least of all turns. */
static int compare(const char *what, uint32_t tokens, struct one_op *fused, struct one_op *separate, int n)
{
	double least[2] = { 1e9, 1e9 };

	for (int turn = 0; turn < TURNS; turn++) {
		double start = now(), middle;

		if (one_op_run(fused, cpu, state))
			return 1;
		middle = now();
		for (int i = 0; i < n; i++)
			if (one_op_run(&separate[i], cpu, state))
				return 1;
		least[0] = middle - start < least[0] ? middle - start : least[0];
		least[1] = now() - middle < least[1] ? now() - middle : least[1];
	}
	printf("%-24s %4u tokens: %9.1f us, separate %9.1f us: -%.0f %%\n", what, tokens, least[0] * 1e6, least[1] * 1e6, 100 - 100 * least[0] / least[1]);
	return 0;
}

int main(void)
{
	static const uint32_t tokens[] = { 1, 16, 128 }, qkv[3] = { E, KV, KV }, one = FF;
	char err[256];
	int failed = 0;

	if (cpu->open("threads=1", &state, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	for (int i = 0; i < 3 && !failed; i++) {
		struct one_op fused, separate[3];

		linear(&fused, tokens[i], qkv, 3);
		for (int j = 0; j < 3; j++)
			linear(&separate[j], tokens[i], &qkv[j], 1);
		failed |= compare("q, k and v", tokens[i], &fused, separate, 3);
		one_op_free(&fused);
		for (int j = 0; j < 3; j++)
			one_op_free(&separate[j]);

		one_op_init(&fused, DSEEK_OP_GLU, 0);
		activations(&fused, 0, E, tokens[i]);
		one_op_weight(&fused, 1, DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, E, FF, 1, NULL);
		one_op_weight(&fused, 2, DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, E, FF, 1, NULL);
		one_op_tensor(&fused, 3, DSEEK_F32, FF, tokens[i], 1);
		linear(&separate[0], tokens[i], &one, 1);
		linear(&separate[1], tokens[i], &one, 1);
		one_op_init(&separate[2], DSEEK_OP_MUL, 0);
		activations(&separate[2], 0, FF, tokens[i]);
		activations(&separate[2], 1, FF, tokens[i]);
		one_op_tensor(&separate[2], 2, DSEEK_F32, FF, tokens[i], 1);
		failed |= compare("gate, up and GLU", tokens[i], &fused, separate, 3);
		one_op_free(&fused);
		for (int j = 0; j < 3; j++)
			one_op_free(&separate[j]);
	}
	cpu->close(state);
	if (failed)
		fprintf(stderr, "an op failed\n");
	return failed;
}
