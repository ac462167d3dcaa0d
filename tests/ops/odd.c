// SPDX-License-Identifier: MIT
/*
 * Numbers that are none. One token's activations are infinite, NaN or tiny beyond what 8 bits can scale: its own results may
 * be anything; its neighbours', in the same tile and perhaps of another tenant's text, are the same bits as without it.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "one_op.h"

#define TOKENS	7
#define ODD	3
#define WIDE	64
#define OUT	20

static const struct dseek_backend *cpu = &dseek_backend_cpu;
static const float values[] = { NAN, -INFINITY, INFINITY, 3e38f, -3e38f, 1e-40f, 0 };

static void fill(float *x, uint64_t n)
{
	while (n--)
		*x++ = test_random();
}

/* Token ODD of @x: all of one value, or only some elements. */
static void spoil(float *x, float value, int every)
{
	for (int i = 0; i < WIDE; i += every)
		x[ODD * WIDE + i] = value;
}

/* Runs with the token as it is, and spoilt; do the other rows of @width floats in slot @out agree? */
static bool neighbours_agree(struct one_op *o, void *state, int out, uint32_t width)
{
	float before[TOKENS * OUT], *x = o->data[0], keep[TOKENS * WIDE];
	bool good = true;

	memcpy(keep, x, sizeof(keep));
	good &= !one_op_run(o, cpu, state);
	memcpy(before, o->data[out], TOKENS * width * sizeof(float));
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		for (int every = 1; every < 40; every += 19) {
			memcpy(x, keep, sizeof(keep));
			spoil(x, values[v], every);
			good &= !one_op_run(o, cpu, state);
			for (int t = 0; t < TOKENS; t++)
				good &= t == ODD || !memcmp(before + t * width, (float *)o->data[out] + t * width, width * sizeof(float));
		}
	}
	memcpy(x, keep, sizeof(keep));
	return good;
}

static void test_products(void *state, const char *isa, uint32_t dtype, int layout)
{
	bool linear, glu, moe;
	struct one_op o;
	int32_t *ids;

	one_op_init(&o, DSEEK_OP_LINEAR, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, WIDE, TOKENS, 1), WIDE * TOKENS);
	one_op_weight(&o, 1, dtype, layout, WIDE, OUT, 1, NULL);
	one_op_tensor(&o, 4, DSEEK_F32, OUT, TOKENS, 1);
	linear = neighbours_agree(&o, state, 4, OUT);
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_GLU, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, WIDE, TOKENS, 1), WIDE * TOKENS);
	one_op_weight(&o, 1, dtype, layout, WIDE, OUT, 1, NULL);
	one_op_weight(&o, 2, dtype, layout, WIDE, OUT, 1, NULL);
	one_op_tensor(&o, 3, DSEEK_F32, OUT, TOKENS, 1);
	glu = neighbours_agree(&o, state, 3, OUT);
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, WIDE, TOKENS, 1), WIDE * TOKENS);
	ids = one_op_tensor(&o, 1, DSEEK_I32, 2, TOKENS, 1);
	fill(one_op_tensor(&o, 2, DSEEK_F32, 2, TOKENS, 1), 2 * TOKENS);
	for (int i = 0; i < 2 * TOKENS; i++)
		ids[i] = i % 3;
	one_op_weight(&o, 3, dtype, layout, WIDE, WIDE, 3, NULL);
	one_op_weight(&o, 4, dtype, layout, WIDE, WIDE, 3, NULL);
	one_op_weight(&o, 5, dtype, layout, WIDE, OUT, 3, NULL);
	one_op_tensor(&o, 6, DSEEK_F32, OUT, TOKENS, 1);
	one_op_tensor(&o, 7, DSEEK_F32, WIDE, 2, TOKENS);
	moe = neighbours_agree(&o, state, 6, OUT);
	one_op_free(&o);

	tap_ok(linear, "%s linear %s, layout %d", isa, dseek_dtype_name(dtype), layout);
	tap_ok(glu, "%s glu %s, layout %d", isa, dseek_dtype_name(dtype), layout);
	tap_ok(moe, "%s moe_ffn %s, layout %d", isa, dseek_dtype_name(dtype), layout);
}

int main(void)
{
	static const uint32_t types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_F8_E4M3 };
	static const char *const isas[] = { "scalar", "avx2", "avx512", "avx512bf16" };
	char options[64], err[200];
	void *state;

	for (int i = 0; i < 4; i++) {
		snprintf(options, sizeof(options), "isa=%s,threads=1", isas[i]);
		if (cpu->open(options, &state, err, sizeof(err))) {
			tap_skip(isas[i], err);
			continue;
		}
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
			for (int layout = 0; layout < 2; layout++)
				test_products(state, isas[i], types[t], layout);
		cpu->close(state);
	}
	return tap_end();
}
