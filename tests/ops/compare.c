// SPDX-License-Identifier: MIT
/*
 * Every fast op against the oracle, for each instruction set of this machine: dtypes, layouts, edge sizes; and
 * the same bits for every number of threads, layout and neighbour. Where a product takes q8 activations the oracle
 * gets the rounded ones, so that what is left to differ is the order of float32 sums.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "one_op.h"
#include "../tap.h"

static const struct dseek_backend *cpu = &dseek_backend_cpu;
static void *oracle, *fast, *fast3;	/* scalar; the set under test with 1 and with 3 threads */
static const char *isa;
static uint64_t digest;		/* of all results of the set under test, in order */

static const uint32_t weight_types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_Q4_K, DSEEK_Q6_K,
	DSEEK_F8_E4M3, DSEEK_MXFP4 };
#define N_TYPES	(sizeof(weight_types) / sizeof(*weight_types))

/* What products with @dtype that may do so make of activations: q8 where weights are quantised, bf16 where they are fp8 and the set has it. */
enum rounding { AS_THEY_ARE, TO_Q8, TO_BF16 };

static enum rounding rounding_of(uint32_t dtype, int precise)
{
	if (precise || dtype == DSEEK_F32 || dtype == DSEEK_F16 || dtype == DSEEK_BF16)
		return AS_THEY_ARE;
	return dtype != DSEEK_F8_E4M3 ? TO_Q8 : strcmp(isa, "avx512bf16") ? AS_THEY_ARE : TO_BF16;
}

static void fill(float *x, uint64_t n)
{
	while (n--)
		*x++ = test_random();
}

/* What a q8 tile makes of x. */
static void round_q8(float *x, uint64_t n)
{
	uint64_t b;
	int i;

	for (b = 0; b < n / 16; b++, x += 16) {
		float max = 0, d, inverse;

		for (i = 0; i < 16; i++)
			max = fmaxf(max, fabsf(x[i]));
		d = max / 127;
		inverse = max > 0 ? 127 / max : 0;
		for (i = 0; i < 16; i++)
			x[i] = rintf(x[i] * inverse) * d;
	}
}

static void round_as(enum rounding rounding, float *x, uint64_t n)
{
	uint16_t *halves = malloc(n * sizeof(*halves) + 1);

	if (rounding == TO_Q8)
		round_q8(x, n);
	if (rounding == TO_BF16) {
		dseek_row_from_f32(DSEEK_BF16, x, n, halves);
		dseek_row_to_f32(DSEEK_BF16, halves, n, x);
	}
	free(halves);
}

/* Largest difference in units of the wanted values' root mean square. */
static double distance(const float *got, const float *want, uint64_t n)
{
	double square = 0, worst = 0;
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (isnan(got[i]) != isnan(want[i]))
			return INFINITY;
		square += (double)want[i] * want[i];
		worst = fmax(worst, fabs((double)got[i] - want[i]));
	}
	return n ? worst / (sqrt(square / n) + 1e-30) : 0;
}

static void *copy_of(const void *p, uint64_t bytes)
{
	void *copy = malloc(bytes + 1);

	return memcpy(copy, p, bytes);
}

static void digest_add(const void *p, uint64_t bytes)
{
	const uint8_t *b = p;

	while (bytes--)
		digest = (digest ^ *b++) * 0x100000001b3ull;
}

/*
 * Outputs in slot @out of @n floats: the oracle's on @exact (NULL: the op's own x in slot 0), then the fast ones. @tolerance
 * INFINITY: the caller knows better than the oracle what they should be.
 */
static bool check(struct one_op *o, int out, uint64_t n, const float *exact, uint64_t x_n, double tolerance, const char *what)
{
	float *x = copy_of(o->data[0], x_n * 4), *before = copy_of(o->data[out], n * 4), *want = NULL, *got;
	double off = 0;
	bool good;
	int ret = 0;

	if (tolerance < INFINITY) {
		if (exact)
			memcpy(o->data[0], exact, x_n * 4);
		ret = one_op_run(o, cpu, oracle);
		want = copy_of(o->data[out], n * 4);
		memcpy(o->data[0], x, x_n * 4);
		memcpy(o->data[out], before, n * 4);
		if (out == 0)
			memcpy(o->data[0], x, x_n * 4);
	}
	good = !ret && !one_op_run(o, cpu, fast);
	got = copy_of(o->data[out], n * 4);
	digest_add(got, n * 4);
	if (want)
		off = distance(got, want, n);
	if (!(off <= tolerance)) {
		printf("# %s: off by %g (allowed %g), %d\n", what, off, tolerance, ret);
		good = false;
	}
	memcpy(o->data[0], x, x_n * 4);
	memcpy(o->data[out], before, n * 4);
	if (one_op_run(o, cpu, fast3) || memcmp(got, o->data[out], n * 4)) {
		printf("# %s: other bits with three threads\n", what);
		good = false;
	}
	free(x);
	free(before);
	free(want);
	free(got);
	return good;
}

static void test_linear(uint32_t dtype, int layout, int precise)
{
	static const uint32_t tokens[] = { 0, 1, 2, 3, 5, 7, 8, 11, 16, 17, 45, 150 }, rows[] = { 1, 16, 37 };
	uint32_t block = dseek_dtype_block(dtype), ks[3] = { block == 1 ? 6 : block, 2 * block, block == 1 ? 600 : 3 * block };
	char what[200];
	bool good = true;
	size_t i, j, m;

	if (block == 1 && dtype != DSEEK_BF16 && layout == DSEEK_LAYOUT_ROWS)
		ks[1] = 7;
	for (i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		for (j = 0; j < sizeof(rows) / sizeof(*rows); j++) {
			uint32_t k = ks[(i + j) % 3], t = tokens[i];
			struct one_op o;
			float *x, *exact;

			one_op_init(&o, DSEEK_OP_LINEAR, precise ? DSEEK_PROGRAM_PRECISE : 0);
			x = one_op_tensor(&o, 0, DSEEK_F32, k, t, 1);
			fill(x, (uint64_t)k * t);
			exact = copy_of(x, 4ul * k * t);
			round_as(rounding_of(dtype, precise), exact, (uint64_t)k * t);
			one_op_weight(&o, 1, dtype, layout, k, rows[j], 1, NULL);
			one_op_weight(&o, 3, dtype, layout, k, 5, 1, NULL);
			for (m = 4; m < 7; m += 2)
				fill(one_op_tensor(&o, m, DSEEK_F32, m == 4 ? rows[j] : 5, t, 1), (m == 4 ? rows[j] : 5) * t);
			if (i % 2)
				fill(one_op_tensor(&o, 7, DSEEK_F32, rows[j], 1, 1), rows[j]);
			o.op.flags = i % 3 ? 0 : DSEEK_OPF_ACCUMULATE;
			snprintf(what, sizeof(what), "k %u, %u rows, %u tokens", k, rows[j], t);
			/* few outputs: their own size says little, so the sum of k products of about 1/3 is the yardstick */
			good &= check(&o, 4, (uint64_t)rows[j] * t, exact, (uint64_t)k * t, rows[j] * t < 50 ? 1e-3 : 5e-5, what);
			good &= check(&o, 6, 5ul * t, exact, (uint64_t)k * t, t < 20 ? 1e-3 : 5e-5, what);
			free(exact);
			one_op_free(&o);
		}
	}
	tap_ok(good, "%s linear %s, layout %d%s", isa, dseek_dtype_name(dtype), layout, precise ? ", precise" : "");
}

static void test_head_linear(uint32_t dtype, int layout, int precise)
{
	static const uint32_t sizes[][3] = { { 1, 1, 37 }, { 5, 1, 16 }, { 3, 19, 37 }, { 2, 150, 9 }, { 4, 0, 5 } };	/* heads, tokens, rows */
	uint32_t block = dseek_dtype_block(dtype), i;
	bool good = true;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint32_t k = block > 1 ? (1 + i % 2) * block : dtype == DSEEK_BF16 || layout ? 70 : 37, h = sizes[i][0], t = sizes[i][1];
		struct one_op o;
		float *x, *exact;

		one_op_init(&o, DSEEK_OP_HEAD_LINEAR, precise ? DSEEK_PROGRAM_PRECISE : 0);
		x = one_op_tensor(&o, 0, DSEEK_F32, k, h, t);
		fill(x, (uint64_t)k * h * t);
		exact = copy_of(x, 4ul * k * h * t);
		round_as(rounding_of(dtype, precise), exact, (uint64_t)k * h * t);
		one_op_weight(&o, 1, dtype, layout, k, sizes[i][2], h, NULL);
		one_op_tensor(&o, 2, DSEEK_F32, sizes[i][2], h, t);
		good &= check(&o, 2, (uint64_t)sizes[i][2] * h * t, exact, (uint64_t)k * h * t, 2e-4, "head_linear");
		free(exact);
		one_op_free(&o);
	}
	tap_ok(good, "%s head_linear %s, layout %d%s", isa, dseek_dtype_name(dtype), layout, precise ? ", precise" : "");
}

static void test_glu(uint32_t dtype, int layout, int precise)
{
	uint32_t k = dseek_dtype_block(dtype) == 1 ? 70 : 2 * dseek_dtype_block(dtype), act, t;
	bool good = true;

	for (act = 0; act < DSEEK_ACT_COUNT; act++) {
		for (t = 1; t < 40; t += 19) {
			struct one_op o;
			float *x, *exact;

			one_op_init(&o, DSEEK_OP_GLU, precise ? DSEEK_PROGRAM_PRECISE : 0);
			x = one_op_tensor(&o, 0, DSEEK_F32, k, t, 1);
			fill(x, k * t);
			exact = copy_of(x, 4 * k * t);
			round_as(rounding_of(dtype, precise), exact, k * t);
			one_op_weight(&o, 1, dtype, layout, k, 39, 1, NULL);
			one_op_weight(&o, 2, dtype, layout, k, 39, 1, NULL);
			one_op_tensor(&o, 3, DSEEK_F32, 39, t, 1);
			o.op.i[0] = act;
			good &= check(&o, 3, 39 * t, exact, k * t, 1e-4, "glu");
			free(exact);
			one_op_free(&o);
		}
	}
	tap_ok(good, "%s glu %s, layout %d%s", isa, dseek_dtype_name(dtype), layout, precise ? ", precise" : "");
}

/* @pattern 0: at random, expert 2 idle; 1: all to one; 2: each token both ends */
static void moe_ids(int32_t *ids, uint32_t n, uint32_t per_token, uint32_t experts, int pattern)
{
	uint32_t i, e;

	for (i = 0; i < n * per_token; i++) {
		e = i % per_token ? (uint32_t)(ids[i - 1] + 1) % experts : (uint32_t)((test_random() + 1) * 0.5f * (experts - 1));
		ids[i] = pattern == 1 ? 3 : pattern == 2 ? (i % per_token ? experts - 1 : 0) : e == 2 ? 4 : e;
	}
}

/*
 * The second half of MOE_FFN on the inner activations in slot 7, which the op has left there, rounded as a tile is:
 * the oracle's are not, which alone is worth up to 1.7 % of one token's outputs.
 */
static double moe_down_distance(const struct one_op *o, const int32_t *ids, uint32_t per_token, uint32_t t, uint32_t f,
				uint32_t rows, const float *down, enum rounding rounding)
{
	const float *bias = o->data[10];
	float *inner = copy_of(o->data[7], 4ul * f * per_token * t), *want = malloc(4ul * rows * t + 1);
	const float *weights = o->data[2];
	uint32_t i, r, j, c;
	double off;

	round_as(rounding, inner, (uint64_t)f * per_token * t);
	for (i = 0; i < t; i++) {
		for (r = 0; r < rows; r++) {
			double sum = 0;

			for (j = i * per_token; j < (i + 1) * per_token; j++)
				for (c = 0; c < f; c++)
					sum += (double)weights[j] * down[((uint64_t)ids[j] * rows + r) * f + c] * inner[(uint64_t)j * f + c];
			for (j = i * per_token; j < (i + 1) * per_token && bias; j++)
				sum += (double)weights[j] * bias[(uint64_t)ids[j] * rows + r];
			want[i * rows + r] = sum;
		}
	}
	off = distance(o->data[6], want, (uint64_t)rows * t);
	free(inner);
	free(want);
	return off;
}

static void test_moe(uint32_t dtype, int layout, int precise)
{
	uint32_t k = dseek_dtype_block(dtype) == 1 ? 64 : dseek_dtype_block(dtype), f = dseek_dtype_block(dtype) == 256 ? 256 : 96;
	static const uint32_t tokens[] = { 0, 1, 2, 33, 150 };
	float *down = malloc(sizeof(*down) * f * 50 * 6);
	enum rounding rounded = rounding_of(dtype, precise);
	bool good = true;
	int32_t *ids;
	size_t i;
	int pattern, j;

	for (i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		for (pattern = 0; pattern < 3; pattern++) {
			uint32_t t = tokens[i], per_token = i == 3 ? 1 : 2;
			struct one_op o;
			float *x, *exact;
			double off;

			one_op_init(&o, DSEEK_OP_MOE_FFN, precise ? DSEEK_PROGRAM_PRECISE : 0);
			x = one_op_tensor(&o, 0, DSEEK_F32, k, t, 1);
			fill(x, k * t);
			exact = copy_of(x, 4 * k * t);
			round_as(rounded, exact, k * t);
			ids = one_op_tensor(&o, 1, DSEEK_I32, per_token, t, 1);
			moe_ids(ids, t, per_token, 6, pattern);
			fill(one_op_tensor(&o, 2, DSEEK_F32, per_token, t, 1), per_token * t);
			one_op_weight(&o, 3, dtype, layout, k, f, 6, NULL);
			one_op_weight(&o, 4, dtype, layout, k, f, 6, NULL);
			one_op_weight(&o, 5, dtype, layout, f, 50, 6, down);
			one_op_tensor(&o, 6, DSEEK_F32, 50, t, 1);
			one_op_tensor(&o, 7, DSEEK_F32, f, per_token, t);
			/* gpt-oss's form, or some of the biases */
			o.op.i[0] = pattern ? DSEEK_ACT_SWIGLU_CLAMPED : DSEEK_ACT_SILU;
			for (j = 8; j < 11 && pattern; j++)
				if (pattern == 1 || j != 8 + (int)i % 3)
					fill(one_op_tensor(&o, j, DSEEK_F32, j == 10 ? 50 : f, 6, 1), 6 * (j == 10 ? 50 : f));
			good &= check(&o, 7, (uint64_t)f * per_token * t, exact, k * t, 1e-4, "moe_ffn, inner");
			good &= check(&o, 6, 50 * t, exact, k * t, rounded ? INFINITY : 1e-4, "moe_ffn");
			off = rounded ? moe_down_distance(&o, ids, per_token, t, f, 50, down, rounded) : 0;
			if (!(off <= 1e-4)) {
				printf("# moe_ffn, down: off by %g (allowed 1e-4)\n", off);
				good = false;
			}
			if (t) {
				ids[per_token * t - 1] = 6;
				good &= one_op_run(&o, cpu, fast) == -ERANGE;
				ids[per_token * t - 1] = -1;
				good &= one_op_run(&o, cpu, fast) == -ERANGE;
			}
			free(exact);
			one_op_free(&o);
		}
	}
	free(down);
	tap_ok(good, "%s moe_ffn %s, layout %d%s", isa, dseek_dtype_name(dtype), layout, precise ? ", precise" : "");
}

struct attention_case {
	uint32_t dk, dv, heads, kv_heads, tokens, slots, window, dtype;
	int32_t last;		/* position of the last token */
	float softcap;
	bool sinks;
	bool inside;		/* values are a part of the keys' rows */
};

static void test_attention(void)
{
	static const struct attention_case cases[] = {
		{ 64, 64, 9, 3, 1, 700, 0, DSEEK_F16, 650, 0, false },
		{ 64, 64, 9, 3, 1, 700, 0, DSEEK_F16, 0, 0, false },
		{ 64, 64, 9, 3, 45, 100, 0, DSEEK_F16, 99, 0, false },
		{ 64, 64, 9, 3, 120, 512, 0, DSEEK_F32, 300, 0, false },
		{ 80, 40, 4, 4, 37, 200, 0, DSEEK_BF16, 130, 0, false },
		{ 20, 12, 32, 1, 7, 300, 0, DSEEK_F16, 290, 0, false },
		{ 64, 64, 8, 2, 90, 400, 32, DSEEK_F16, 380, 0, false },
		{ 64, 64, 8, 2, 2, 400, 1, DSEEK_F16, 380, 0, false },
		{ 32, 32, 8, 2, 50, 64, 128, DSEEK_F32, 60, 0, true },
		{ 32, 32, 8, 2, 3, 600, 128, DSEEK_F16, 599, 0, true },
		{ 64, 64, 6, 2, 20, 64, 0, DSEEK_F16, 63, 2, false },
		{ 64, 64, 6, 2, 1, 1, 0, DSEEK_F16, 0, 0, true },
		{ 64, 64, 6, 2, 1, 700, 0, DSEEK_Q8_0, 650, 0, true },
		{ 64, 32, 9, 3, 2, 300, 70, DSEEK_Q8_0, 299, 0, false },
		{ 96, 64, 4, 4, 40, 200, 0, DSEEK_Q8_0, 130, 2, false },
		{ 64, 64, 6, 2, 0, 8, 0, DSEEK_F16, 0, 0, false },
		{ 576, 512, 16, 1, 1, 700, 0, DSEEK_F16, 650, 0, false, true },
		{ 576, 512, 40, 1, 2, 300, 0, DSEEK_BF16, 290, 0, false, true },
		{ 96, 64, 4, 1, 1, 300, 0, DSEEK_F32, 290, 0, false, true },
		{ 96, 64, 4, 1, 21, 100, 16, DSEEK_F16, 99, 0, true, true },
		{ 36, 20, 4, 2, 9, 100, 0, DSEEK_F16, 99, 2, false, true },
		{ 576, 512, 16, 1, 2, 300, 0, DSEEK_Q8_0, 290, 0, false, true },
		{ 96, 64, 4, 1, 1, 300, 0, DSEEK_Q8_0, 290, 0, true, true },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct attention_case *c = cases + i;
		struct one_op o;
		int32_t *positions;
		float *row = malloc(1024 * sizeof(*row));
		uint32_t t, n, s;
		bool good;

		one_op_init(&o, DSEEK_OP_ATTENTION, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, c->dk, c->heads, c->tokens), c->dk * c->heads * c->tokens);
		for (n = 1; n < 3; n++) {
			uint32_t d = n == 1 ? c->dk : c->dv;
			uint8_t *cache;

			if (n == 2 && c->inside) {
				one_op_inside(&o, 2, 1, c->dv);
				continue;
			}
			cache = one_op_tensor(&o, n, c->dtype, d, c->kv_heads, c->slots);
			for (s = 0; s < c->kv_heads * c->slots; s++) {
				fill(row, d);
				/* what no token sees is no number */
				if (s / c->kv_heads > (uint32_t)c->last)
					row[0] = c->dtype == DSEEK_Q8_0 ? 0 : NAN;
				dseek_row_from_f32(c->dtype, row, d, cache + s * dseek_row_bytes(c->dtype, d));
				if (c->dtype == DSEEK_Q8_0 && s / c->kv_heads > (uint32_t)c->last)
					memset(cache + s * dseek_row_bytes(c->dtype, d), 0xff, 2);	/* its first scale */
			}
		}
		positions = one_op_tensor(&o, 3, DSEEK_I32, c->tokens, 1, 1);
		for (t = 0; t < c->tokens; t++)
			positions[t] = c->last - (int32_t)(c->tokens - 1 - t) < 0 ? 0 : c->last - (int32_t)(c->tokens - 1 - t);
		one_op_tensor(&o, 4, DSEEK_F32, c->dv, c->heads, c->tokens);
		if (c->sinks)
			fill(one_op_tensor(&o, 5, DSEEK_F32, c->heads, 1, 1), c->heads);
		o.op.i[0] = c->window;
		o.op.f[0] = 1;
		o.op.f[1] = c->softcap;
		good = check(&o, 4, (uint64_t)c->dv * c->heads * c->tokens, NULL, (uint64_t)c->dk * c->heads * c->tokens, 1e-4, "attention");
		if (c->tokens) {
			positions[c->tokens / 2] = c->slots;
			good &= one_op_run(&o, cpu, fast) == -ERANGE;
			positions[c->tokens / 2] = -1;
			good &= one_op_run(&o, cpu, fast) == -ERANGE;
		}
		tap_ok(good, "%s attention: d %u/%u, %u/%u heads, %u tokens up to %d, window %u, %s%s%s%s", isa, c->dk, c->dv, c->heads,
		       c->kv_heads, c->tokens, c->last, c->window, dseek_dtype_name(c->dtype), c->sinks ? ", sinks" : "",
		       c->softcap ? ", soft-cap" : "", c->inside ? ", values in the keys" : "");
		free(row);
		one_op_free(&o);
	}
}

/* A ring that holds no more than it must gives the bits of the cache that holds all, whoever runs it. */
static void test_ring(void)
{
	static const struct attention_case cases[] = {
		{ 64, 64, 8, 2, 1, 700, 128, DSEEK_F16, 650, 0, true },
		{ 64, 64, 8, 2, 1, 700, 1, DSEEK_F32, 699, 0, false },
		{ 64, 64, 6, 2, 45, 300, 33, DSEEK_F16, 299, 0, true },
		{ 48, 64, 8, 2, 3, 1000, 600, DSEEK_BF16, 900, 5, false },
		{ 64, 32, 4, 1, 2, 300, 70, DSEEK_Q8_0, 299, 0, true },
		{ 64, 64, 8, 2, 30, 300, 128, DSEEK_F16, 29, 0, true },	/* not yet full */
	};
	void *const engines[] = { fast, fast3, oracle };
	size_t i, e;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct attention_case *c = cases + i;
		uint32_t ring = c->window - 1 + c->tokens, s, n, t;
		uint64_t bytes = 4ul * c->dv * c->heads * c->tokens;
		float *row = malloc(1024 * sizeof(*row));
		struct one_op full, o;
		bool good = true;

		one_op_init(&full, DSEEK_OP_ATTENTION, 0);
		fill(one_op_tensor(&full, 0, DSEEK_F32, c->dk, c->heads, c->tokens), c->dk * c->heads * c->tokens);
		one_op_tensor(&full, 3, DSEEK_I32, c->tokens, 1, 1);
		for (t = 0; t < c->tokens; t++)
			((int32_t *)full.data[3])[t] = c->last - (int32_t)(c->tokens - 1 - t);
		one_op_tensor(&full, 4, DSEEK_F32, c->dv, c->heads, c->tokens);
		if (c->sinks)
			fill(one_op_tensor(&full, 5, DSEEK_F32, c->heads, 1, 1), c->heads);
		full.op.i[0] = c->window;
		full.op.f[0] = 1;
		full.op.f[1] = c->softcap;
		o = full;
		for (n = 1; n < 3; n++) {
			uint32_t d = n == 1 ? c->dk : c->dv, row_bytes = dseek_row_bytes(c->dtype, d) * c->kv_heads;
			uint8_t *all = one_op_tensor(&full, n, c->dtype, d, c->kv_heads, c->slots);
			uint8_t *few = one_op_tensor(&o, n, c->dtype, d, c->kv_heads, ring);

			for (s = 0; s <= (uint32_t)c->last; s++) {
				fill(row, d * c->kv_heads);
				dseek_row_from_f32(c->dtype, row, d * c->kv_heads, all + s * row_bytes);
				memcpy(few + s % ring * row_bytes, all + s * row_bytes, row_bytes);
			}
		}
		o.op.flags = DSEEK_OPF_RING;
		o.data[4] = malloc(bytes + 1);
		for (e = 0; e < 3; e++)
			good &= !one_op_run(&full, cpu, engines[e]) && !one_op_run(&o, cpu, engines[e]) &&
				!memcmp(full.data[4], o.data[4], bytes);
		one_op_run(&o, cpu, fast);
		digest_add(o.data[4], bytes);
		((int32_t *)o.data[3])[0] = DSEEK_RING_POSITIONS;
		good &= one_op_run(&o, cpu, fast) == -ERANGE && one_op_run(&o, cpu, oracle) == -ERANGE;
		((int32_t *)o.data[3])[0] = -1;
		good &= one_op_run(&o, cpu, fast) == -ERANGE && one_op_run(&o, cpu, oracle) == -ERANGE;
		tap_ok(good, "%s attention: a ring of %u slots gives the bits of all %u, %s", isa, ring, c->slots, dseek_dtype_name(c->dtype));
		for (n = 0; n < DSEEK_OP_TENSORS; n++)	/* what they share is freed with @full */
			if (o.data[n] == full.data[n])
				o.data[n] = NULL;
		one_op_free(&o);
		one_op_free(&full);
		free(row);
	}
}

static void test_rows(void)
{
	static const uint32_t sizes[][2] = { { 1, 1 }, { 7, 3 }, { 64, 27 }, { 576, 1 }, { 577, 60 }, { 16, 0 } };
	bool norm = true, binary = true, best = true;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint32_t e = sizes[i][0], t = sizes[i][1], j;
		struct one_op o;
		float *x;

		one_op_init(&o, DSEEK_OP_RMSNORM, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, e, t, 1), e * t);
		fill(one_op_tensor(&o, 1, DSEEK_F32, e, 1, 1), e);
		one_op_tensor(&o, 2, DSEEK_F32, e, t, 1);
		o.op.f[0] = 1e-5f;
		norm &= check(&o, 2, e * t, NULL, e * t, 1e-5, "rmsnorm");
		o.op.t[1] = DSEEK_NO_TENSOR;
		norm &= check(&o, 2, e * t, NULL, e * t, 1e-5, "rmsnorm without weight");
		o.op.t[2] = 0;
		norm &= check(&o, 0, e * t, NULL, e * t, 1e-5, "rmsnorm in place");
		one_op_free(&o);

		one_op_init(&o, DSEEK_OP_ADD, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, e, t, 1), e * t);
		fill(one_op_tensor(&o, 1, DSEEK_F32, e, t, 1), e * t);
		one_op_tensor(&o, 2, DSEEK_F32, e, t, 1);
		binary &= check(&o, 2, e * t, NULL, e * t, 0, "add");
		o.op.code = DSEEK_OP_MUL;
		binary &= check(&o, 2, e * t, NULL, e * t, 0, "mul");
		one_op_free(&o);

		one_op_init(&o, DSEEK_OP_ARGMAX, 0);
		x = one_op_tensor(&o, 0, DSEEK_F32, e, t, 1);
		for (j = 0; j < e * t; j++)
			x[j] = j % 11 ? floorf(test_random() * 8) : NAN;
		one_op_tensor(&o, 1, DSEEK_I32, t, 1, 1);
		best &= check(&o, 1, t, NULL, e * t, 0, "argmax");
		for (j = 0; j < e * t; j++)
			x[j] = NAN;
		best &= check(&o, 1, t, NULL, e * t, 0, "argmax of no numbers");
		for (j = 0; j < e * t; j++)
			x[j] = -INFINITY;
		best &= check(&o, 1, t, NULL, e * t, 0, "argmax of -inf");
		one_op_free(&o);
	}
	tap_ok(norm, "%s rmsnorm", isa);
	tap_ok(binary, "%s add, mul", isa);
	tap_ok(best, "%s argmax", isa);
}

static void test_rope(void)
{
	static const uint32_t sizes[][4] = { { 64, 9, 1, 64 }, { 64, 3, 40, 64 }, { 80, 2, 5, 20 }, { 6, 1, 2, 6 }, { 64, 2, 0, 64 } };
	bool good = true;
	size_t i;
	int rope, factors;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes) * 4; i++) {
		const uint32_t *s = sizes[i / 4];
		uint32_t n = s[0] * s[1] * s[2], t;
		struct one_op o;
		int32_t *positions;
		float *f = NULL;

		rope = i % 2;
		factors = i / 2 % 2;
		one_op_init(&o, DSEEK_OP_ROPE, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, s[0], s[1], s[2]), n);
		positions = one_op_tensor(&o, 1, DSEEK_I32, s[2], 1, 1);
		for (t = 0; t < s[2]; t++)
			positions[t] = t * 37 + 5;
		if (factors) {
			f = one_op_tensor(&o, 2, DSEEK_F32, s[3] / 2, 1, 1);
			for (t = 0; t < s[3] / 2; t++)
				f[t] = 1 + t * 0.1f;
		}
		o.op.i[0] = s[3];
		o.op.i[1] = rope;
		o.op.f[0] = 10000;
		o.op.f[1] = 0.5f;
		good &= check(&o, 0, n, NULL, n, 1e-5, "rope");
		/* the table of the last call must not outlive what it was made of */
		for (t = 0; t < s[2]; t++)
			positions[t]++;
		good &= check(&o, 0, n, NULL, n, 1e-5, "rope, other positions");
		o.op.f[0] = 500000;
		good &= check(&o, 0, n, NULL, n, 1e-5, "rope, other base");
		if (factors) {
			f[0] = 3;
			good &= check(&o, 0, n, NULL, n, 1e-5, "rope, other factors");
		}
		o.op.f[2] = 1.25f;
		good &= check(&o, 0, n, NULL, n, 1e-5, "rope, other magnitude");
		one_op_free(&o);
	}
	tap_ok(good, "%s rope", isa);
}

static void test_kv_store(void)
{
	static const uint32_t types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0 };
	size_t i;

	for (i = 0; i < 4; i++) {
		uint32_t d = types[i] == DSEEK_Q8_0 ? 64 : 20;
		uint64_t bytes = dseek_row_bytes(types[i], d) * 3 * 9;
		struct one_op o;
		int32_t *slots;
		void *want;
		bool good;

		one_op_init(&o, DSEEK_OP_KV_STORE, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, d, 3, 4), 12 * d);
		fill(one_op_tensor(&o, 1, DSEEK_F32, d, 3, 4), 12 * d);
		one_op_tensor(&o, 2, types[i], d, 3, 9);
		one_op_tensor(&o, 3, types[i], d, 3, 9);
		slots = one_op_tensor(&o, 4, DSEEK_I32, 4, 1, 1);
		memcpy(slots, (int32_t[]){ 8, 0, 3, 2 }, 16);
		good = !one_op_run(&o, cpu, oracle);
		want = copy_of(o.data[3], bytes);
		memset(o.data[3], 0, bytes);
		good &= !one_op_run(&o, cpu, fast) && !memcmp(want, o.data[3], bytes);
		o.op.flags = DSEEK_OPF_RING;	/* the same slots */
		memcpy(slots, (int32_t[]){ 17, 9, 9 * 1000 + 3, 2 }, 16);
		memset(o.data[3], 0, bytes);
		good &= !one_op_run(&o, cpu, fast) && !memcmp(want, o.data[3], bytes);
		memset(o.data[3], 0, bytes);
		good &= !one_op_run(&o, cpu, oracle) && !memcmp(want, o.data[3], bytes);
		slots[1] = DSEEK_RING_POSITIONS;
		good &= one_op_run(&o, cpu, fast) == -ERANGE && one_op_run(&o, cpu, oracle) == -ERANGE;
		o.op.flags = 0;
		slots[0] = 8;
		slots[2] = 3;
		slots[1] = 9;
		good &= one_op_run(&o, cpu, fast) == -ERANGE;
		slots[1] = -1;
		good &= one_op_run(&o, cpu, fast) == -ERANGE;
		free(want);
		o.op.t[1] = o.op.t[3] = DSEEK_NO_TENSOR;
		good &= one_op_run(&o, cpu, fast) == -ERANGE;
		slots[1] = 4;
		memset(o.data[2], 0, bytes);
		good &= !one_op_run(&o, cpu, oracle);
		want = copy_of(o.data[2], bytes);
		memset(o.data[2], 0, bytes);
		good &= !one_op_run(&o, cpu, fast) && !memcmp(want, o.data[2], bytes);
		tap_ok(good, "%s kv_store %s, with and without values", isa, dseek_dtype_name(types[i]));
		free(want);
		one_op_free(&o);
	}
}

/* A token's outputs are the same bits alone, among others, and from either layout. */
static void test_alone(uint32_t dtype, int precise)
{
	uint32_t k = dseek_dtype_block(dtype) == 1 ? 300 : 2 * dseek_dtype_block(dtype), t, n = 45, i;
	struct one_op o;
	float *all, *x, *out;
	uint8_t *packed, *rows;
	bool good;

	one_op_init(&o, DSEEK_OP_LINEAR, precise ? DSEEK_PROGRAM_PRECISE : 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, k, n, 1), k * n);
	packed = one_op_weight(&o, 1, dtype, DSEEK_LAYOUT_PACKED, k, 40, 1, NULL);
	one_op_tensor(&o, 4, DSEEK_F32, 40, n, 1);
	good = !one_op_run(&o, cpu, fast);
	all = copy_of(o.data[4], 40 * n * 4);
	x = copy_of(o.data[0], k * n * 4);
	rows = malloc(dseek_row_bytes(dtype, k) * 40);
	dseek_tensor_unpack(dtype, k, 40, packed, rows);
	memcpy(one_op_tensor(&o, 1, dtype, k, 40, 1), rows, dseek_row_bytes(dtype, k) * 40);
	good &= !one_op_run(&o, cpu, fast) && !memcmp(all, o.data[4], 40 * n * 4);
	for (t = 1; t < 18; t++) {
		memcpy(one_op_tensor(&o, 0, DSEEK_F32, k, t, 1), x + k * (n - t), k * t * 4);
		out = one_op_tensor(&o, 4, DSEEK_F32, 40, t, 1);
		good &= !one_op_run(&o, cpu, fast3);
		for (i = 0; i < t; i++)
			good &= !memcmp(out + 40 * i, all + 40 * (n - t + i), 40 * 4);
	}
	tap_ok(good, "%s %s%s: the same bits alone, in a batch, in both layouts", isa, dseek_dtype_name(dtype), precise ? ", precise" : "");
	free(all);
	free(x);
	free(rows);
	one_op_free(&o);
}

/* Every code as a weight, at each place in a word, by itself: what it is, a NaN too, with the number of tokens that asks for each width. */
static void test_codes(int precise)
{
	enum { K = 12, ROWS = 256 };
	static const uint32_t tokens[] = { 1, 2, 3, 4, 6, 8 };
	bool good = true;
	float *want;

	for (uint32_t at = 4; at < 8; at++)
		for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
			struct one_op o;
			uint8_t *w;
			float *x;

			one_op_init(&o, DSEEK_OP_LINEAR, precise ? DSEEK_PROGRAM_PRECISE : 0);
			x = one_op_tensor(&o, 0, DSEEK_F32, K, tokens[i], 1);
			w = one_op_tensor(&o, 1, DSEEK_F8_E4M3, K, ROWS, 1);
			one_op_tensor(&o, 4, DSEEK_F32, ROWS, tokens[i], 1);
			for (uint32_t t = 0; t < tokens[i]; t++)
				x[t * K + at] = ldexpf(1.5f, (int)t);
			for (uint32_t r = 0; r < ROWS; r++) {
				w[r * (K + 4) + at] = r;
				memcpy(w + r * (K + 4) + K, &(float){ 0.375f }, 4);
			}
			good &= !one_op_run(&o, cpu, oracle);
			want = copy_of(o.data[4], ROWS * tokens[i] * 4);
			memset(o.data[4], 0, ROWS * tokens[i] * 4);
			good &= !one_op_run(&o, cpu, fast);
			for (uint32_t r = 0; r < ROWS * tokens[i]; r++) {
				const float *got = o.data[4];

				good &= isnan(want[r]) ? isnan(got[r]) && (r & 0x7f) == 0x7f : got[r] == want[r] && (r & 0x7f) != 0x7f;
			}
			free(want);
			one_op_free(&o);
		}
	tap_ok(good, "%s F8_E4M3%s: each code is what the oracle takes it for", isa, precise ? ", precise" : "");
}

/* MXFP4's products are the bits of Q8_0's, which holds the same numbers where half precision has their scales; any scale is near the oracle. */
static void test_mxfp4(void)
{
	uint32_t k = 96, n = 37, tokens = 21, r, b;
	uint8_t *rows = malloc(dseek_row_bytes(DSEEK_MXFP4, k) * n), *same = malloc(dseek_row_bytes(DSEEK_Q8_0, k) * n);
	bool bits = true, good = true;
	struct one_op o;
	float *got;
	int precise, i;

	for (precise = 0; precise < 2; precise++) {
		one_op_init(&o, DSEEK_OP_LINEAR, precise ? DSEEK_PROGRAM_PRECISE : 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, k, tokens, 1), (uint64_t)k * tokens);
		for (r = 0; r < n; r++)
			for (b = 0; b < 3; b++)
				for (i = 0; i < 17; i++)
					rows[(3 * r + b) * 17 + i] = i ? (uint32_t)(int32_t)(test_random() * 128) & 255 : 128 - 24 + (r + 7 * b) % 40;
		one_op_tensor(&o, 4, DSEEK_F32, n, tokens, 1);
		dseek_tensor_pack(DSEEK_MXFP4, k, n, rows, one_op_weight(&o, 1, DSEEK_MXFP4, DSEEK_LAYOUT_PACKED, k, n, 1, NULL));
		bits &= !one_op_run(&o, cpu, fast);
		got = copy_of(o.data[4], 4ul * n * tokens);
		for (r = 0; r < n; r++)
			bits &= !dseek_row_mxfp4_to_q8_0(rows + 51 * r, k, same + dseek_row_bytes(DSEEK_Q8_0, k) * r);
		dseek_tensor_pack(DSEEK_Q8_0, k, n, same, one_op_weight(&o, 1, DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, k, n, 1, NULL));
		bits &= !one_op_run(&o, cpu, fast) && !memcmp(got, o.data[4], 4ul * n * tokens);
		free(got);
		one_op_free(&o);
	}
	for (i = 0; i < 250; i++) {	/* each scale whose sums are numbers, the smallest too */
		float x[32], want[16];

		one_op_init(&o, DSEEK_OP_LINEAR, DSEEK_PROGRAM_PRECISE);
		fill(one_op_tensor(&o, 0, DSEEK_F32, 32, 1, 1), 32);
		one_op_tensor(&o, 4, DSEEK_F32, 16, 1, 1);
		for (r = 0; r < 16; r++) {
			rows[17 * r] = i;
			for (b = 0; b < 16; b++)
				rows[17 * r + 1 + b] = (b + r) % 16 | (b * 7 + 3 * r) % 16 << 4;
			dseek_row_to_f32(DSEEK_MXFP4, rows + 17 * r, 32, x);
			for (b = 0, want[r] = 0; b < 32; b++)
				want[r] += ldexpf(x[b], i < 20 ? 40 : -40) * ((float *)o.data[0])[b];
		}
		dseek_tensor_pack(DSEEK_MXFP4, 32, 16, rows, one_op_weight(&o, 1, DSEEK_MXFP4, DSEEK_LAYOUT_PACKED, 32, 16, 1, NULL));
		good &= !one_op_run(&o, cpu, fast);
		for (r = 0; r < 16; r++)
			((float *)o.data[4])[r] = ldexpf(((float *)o.data[4])[r], i < 20 ? 40 : -40);
		good &= distance(o.data[4], want, 16) < (i < 20 ? 1e-3 : 1e-5);
		one_op_free(&o);
	}
	free(rows);
	free(same);
	tap_ok(bits, "%s MXFP4: the bits of Q8_0", isa);
	tap_ok(good, "%s MXFP4: all scales", isa);
}

static bool test_isa(const char *name)
{
	char options[100], err[200];
	size_t i;
	int layout, precise;

	isa = name;
	snprintf(options, sizeof(options), "isa=%s,threads=1", name);
	if (cpu->open(options, &fast, err, sizeof(err))) {
		tap_skip(name, err);
		return false;
	}
	snprintf(options, sizeof(options), "isa=%s,threads=3", name);
	if (!tap_ok(!cpu->open(options, &fast3, err, sizeof(err)), "%s opens with three threads", name))
		return false;
	test_seed(3);
	digest = 0;
	for (i = 0; i < N_TYPES; i++) {
		for (precise = 0; precise < 2; precise++) {
			for (layout = 0; layout < DSEEK_LAYOUT_COUNT; layout++) {
				test_linear(weight_types[i], layout, precise);
				test_head_linear(weight_types[i], layout, precise);
				test_glu(weight_types[i], layout, precise);
				test_moe(weight_types[i], layout, precise);
			}
			test_alone(weight_types[i], precise);
		}
	}
	for (precise = 0; precise < 2; precise++)
		test_codes(precise);
	test_mxfp4();
	test_attention();
	test_rows();
	test_rope();
	test_kv_store();
	test_ring();
	cpu->close(fast);
	cpu->close(fast3);
	return true;
}

int main(void)
{
	char err[200];
	uint64_t narrow;
	bool both;

	setlinebuf(stdout);
	if (!tap_ok(!cpu->open("isa=scalar", &oracle, err, sizeof(err)), "oracle"))
		return tap_end();
	both = test_isa("avx2");
	narrow = digest;
	if (test_isa("avx512") && both)
		tap_ok(narrow == digest, "avx2 and avx512 give the same bits");
	else
		tap_skip("avx2 and avx512 give the same bits", "this machine lacks one of them");
	test_isa("avx512bf16");
	cpu->close(oracle);
	return tap_end();
}
