// SPDX-License-Identifier: MIT
/*
 * Every op that the hip backend takes, on the stand-in, against the oracle, by its fast kernels where it has some for the shape and by the
 * plain ones (plain=1), and those that it doesn't take refused by name (which shapes are fast: forms.c). All get
 * the same bits; what differs is float sums, exp2 and angles: 2e-5 of the results' root mean square, 1e-4 by matrix
 * instructions of bf16, which programs that want float32 everywhere don't get.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/cpu/op.h"
#include "../../userspace/executor/hip/hip_state.h"
#include "../ops/one_op.h"
#include "../tap.h"
#include "device.h"

static const uint32_t weight_types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_Q4_K, DSEEK_Q6_K, DSEEK_MXFP4,
	DSEEK_F8_E4M3 };
static const uint32_t float_types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16 };
#define COUNT(a)	(sizeof(a) / sizeof(*(a)))

static void *hip, *plain;
static const char *arch;
static char err[300];

static uint64_t bytes_of(const struct one_op *o, int slot)
{
	return o->data[slot] ? o->tensors[slot].stride[2] : 0;
}

static void fill(void *data, uint64_t n)
{
	float *x = data;

	while (n--)
		*x++ = test_random();
}

static int run_on(void *state, struct one_op *o)
{
	struct dseek_program_view view = { .header = &o->header, .tensors = o->tensors, .bindings = o->bindings, .ops = &o->op };
	struct dseek_run run = { .program = &view, .bindings = o->data, .err = err, .err_size = sizeof(err), .depth = 2 };
	void *bindings[DSEEK_OP_TENSORS];
	int i, r;

	/* Those that aren't there are still bound to something. */
	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		bindings[i] = o->data[i] ? o->data[i] : o->data[0];
	run.bindings = bindings;
	*err = 0;
	r = dseek_backend_hip.program_prepare(state, &view, &run.prepared, err, sizeof(err));
	if (r)
		return r;
	for (i = 0; i < DSEEK_OP_TENSORS && !r; i++)
		if (bytes_of(o, i))
			r = dseek_backend_hip.buffer_map(state, o->data[i], bytes_of(o, i), 1, err, sizeof(err));
	if (!r)
		r = dseek_backend_hip.run(state, &run);
	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		if (bytes_of(o, i))
			dseek_backend_hip.buffer_unmap(state, o->data[i]);
	dseek_backend_hip.program_release(state, run.prepared);
	return r;
}

static int run_hip(struct one_op *o)
{
	return run_on(hip, o);
}

static int run_oracle(struct one_op *o)
{
	struct dseek_program_view view = { .header = &o->header, .tensors = o->tensors, .bindings = o->bindings, .ops = &o->op };
	struct cpu_op op;

	cpu_op_resolve(&view, 0, NULL, o->data, &op);
	return cpu_op_ref(&op);
}

/* Largest difference in units of the wanted values' root mean square; I32: how many differ. */
static double distance(uint32_t dtype, const void *got, const void *want, uint64_t bytes)
{
	uint64_t n = bytes / dseek_dtype_block_bytes(dtype) * dseek_dtype_block(dtype), i;
	float *g = malloc(n * 4 + 4), *w = malloc(n * 4 + 4);
	double square = 0, worst = 0, off = 0;

	if (dtype == DSEEK_I32) {
		for (i = 0; i < n; i++)
			off += ((const int32_t *)got)[i] != ((const int32_t *)want)[i];
	} else {
		dseek_row_to_f32(dtype, got, n, g);
		dseek_row_to_f32(dtype, want, n, w);
		for (i = 0; i < n; i++) {
			square += (double)w[i] * w[i];
			worst = isnan(g[i]) != isnan(w[i]) ? INFINITY : fmax(worst, fabs((double)g[i] - w[i]));
		}
		off = n ? worst / (sqrt(square / n) + 1e-30) : 0;
	}
	free(g);
	free(w);
	return off;
}

/* The same result in all tensors as @want. */
static bool agree(void *state, struct one_op *o, void *const *want, double tolerance, const char *what)
{
	bool good;
	int i, r = run_on(state, o);

	if (r)
		printf("# %s: %d, %s\n", what, r, err);
	good = !r;
	for (i = 0; i < DSEEK_OP_TENSORS && !r; i++) {
		uint32_t dtype = o->tensors[i].dtype;
		double off = 0;

		if (o->data[i] && (dseek_dtype_block(dtype) > 1 || o->tensors[i].layout))
			off = memcmp(o->data[i], want[i], bytes_of(o, i)) ? INFINITY : 0;	/* weights: nothing writes there */
		else if (o->data[i])
			off = distance(dtype, o->data[i], want[i], bytes_of(o, i));
		if (!(off <= (dtype == DSEEK_I32 ? 0 : tolerance))) {
			printf("# %s%s: tensor %d is off by %g\n", state == plain ? "plain " : "", what, i, off);
			good = false;
		}
	}
	return good;
}

/* Has a fast form that keeps 16 bits of its operands. */
static bool rounds(const struct one_op *o)
{
	const struct dseek_program_tensor *t = o->tensors;

	if (o->header.flags & DSEEK_PROGRAM_PRECISE)
		return false;
	switch (o->op.code) {
	case DSEEK_OP_LINEAR:
	case DSEEK_OP_GLU:
	case DSEEK_OP_HEAD_LINEAR:
	case DSEEK_OP_LATENT_ATTENTION:	/* has heads' products */
		return true;
	case DSEEK_OP_MOE_FFN:
		return t[3].dtype == t[4].dtype && t[3].layout == t[4].layout;
	default:
		return o->op.code == DSEEK_OP_ATTENTION && t[1].dtype == DSEEK_BF16;
	}
}

/* All run, with the same result in all tensors. */
static bool same(struct one_op *o, double tolerance, const char *what)
{
	void *before[DSEEK_OP_TENSORS] = { 0 }, *want[DSEEK_OP_TENSORS] = { 0 };
	bool good;
	int i, form;

	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		if (o->data[i])
			before[i] = memcpy(malloc(bytes_of(o, i) + 1), o->data[i], bytes_of(o, i));
	good = !run_oracle(o);
	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		if (o->data[i])
			want[i] = memcpy(malloc(bytes_of(o, i) + 1), o->data[i], bytes_of(o, i));
	for (form = 0; form < 2; form++) {
		for (i = 0; i < DSEEK_OP_TENSORS; i++)
			if (o->data[i])
				memcpy(o->data[i], before[i], bytes_of(o, i));
		good &= agree(form ? hip : plain, o, want, form && rounds(o) ? 1e-4 : tolerance, what);
	}
	for (i = 0; i < DSEEK_OP_TENSORS; i++) {
		free(before[i]);
		free(want[i]);
	}
	return good;
}

static void out_of_range(struct one_op *o, int slot, int32_t limit, const char *what)
{
	int32_t *index = o->data[slot];

	index[1] = -1;
	tap_ok(run_hip(o) == -ERANGE && strstr(err, "an index in the job's memory is out of range"), "%s: %s of -1 is out of range", arch, what);
	index[1] = limit;
	tap_ok(run_hip(o) == -ERANGE, "%s: %s of %d is out of range", arch, what, limit);
	index[1] = 0;
	tap_ok(!run_hip(o), "%s: and the next job is well", arch);
}

static void test_weights(uint32_t dtype, int layout, uint16_t flags)
{
	static const int32_t ids[] = { 36, 0, 17, 16, 5 };
	uint32_t block = dseek_dtype_block(dtype), k = block == 1 ? 70 : 2 * block, act;
	struct one_op o;
	bool good;

	one_op_init(&o, DSEEK_OP_EMBED, 0);
	memcpy(one_op_tensor(&o, 0, DSEEK_I32, 5, 1, 1), ids, sizeof(ids));
	one_op_weight(&o, 1, dtype, layout, k, 37, 1, NULL);
	one_op_tensor(&o, 2, DSEEK_F32, k, 5, 1);
	o.op.f[0] = layout ? 3 : 0;
	good = same(&o, 2e-6, "embed");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_LINEAR, flags);
	fill(one_op_tensor(&o, 0, DSEEK_F32, k, 3, 1), 3 * k);
	one_op_weight(&o, 1, dtype, layout, k, 37, 1, NULL);
	one_op_weight(&o, 2, DSEEK_F32, 0, k, 5, 1, NULL);
	one_op_weight(&o, 3, dtype, layout, k, 70, 1, NULL);
	fill(one_op_tensor(&o, 4, DSEEK_F32, 37, 3, 1), 3 * 37);
	fill(one_op_tensor(&o, 5, DSEEK_F32, 5, 3, 1), 3 * 5);
	fill(one_op_tensor(&o, 6, DSEEK_F32, 70, 3, 1), 3 * 70);
	fill(one_op_tensor(&o, 8, DSEEK_F32, 5, 1, 1), 5);
	o.op.flags = layout ? DSEEK_OPF_ACCUMULATE : 0;
	good &= same(&o, 2e-5, "linear");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, flags);
	fill(one_op_tensor(&o, 0, DSEEK_F32, k, 5, 3), 15 * k);
	one_op_weight(&o, 1, dtype, layout, k, 67, 5, NULL);
	one_op_tensor(&o, 2, DSEEK_F32, 67, 5, 3);
	good &= same(&o, 2e-5, "head_linear");
	one_op_free(&o);

	for (act = 0; act < DSEEK_ACT_COUNT; act++) {
		one_op_init(&o, DSEEK_OP_GLU, flags);
		fill(one_op_tensor(&o, 0, DSEEK_F32, k, 2, 1), 2 * k);
		one_op_weight(&o, 1, dtype, layout, k, 39, 1, NULL);
		one_op_weight(&o, 2, block == 256 ? dtype : DSEEK_BF16, !layout && block != 256, k, 39, 1, NULL);
		one_op_tensor(&o, 3, DSEEK_F32, 39, 2, 1);
		o.op.i[0] = act;
		good &= same(&o, 2e-5, "glu");
		one_op_free(&o);
	}
	tap_ok(good, "%s: embed, linear, head_linear, glu of %s%s%s", arch, dseek_dtype_name(dtype), layout ? ", packed" : "",
	       flags ? ", precise" : "");
}

/* Experts' tiles of 16 rows and of 64, of experts without rows and with more than a tile has; more products than the scratch has room for. */
static void test_grouped(void)
{
	static const struct {
		uint32_t tokens, choices, experts, k, out, ids;		/* @ids: of how many of the experts */
	} cases[] = { { 2, 1, 40, 33, 40, 3 }, { 20, 2, 5, 33, 70, 2 }, { 70, 2, 3, 34, 37, 3 }, { 4000, 16, 2, 2, 70, 2 } };
	struct one_op o;
	uint32_t i, j;
	int32_t *ids;

	for (i = 0; i < COUNT(cases); i++) {
		uint32_t pairs = cases[i].tokens * cases[i].choices, n;

		one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, cases[i].k, cases[i].tokens, 1), cases[i].k * cases[i].tokens);
		ids = one_op_tensor(&o, 1, DSEEK_I32, cases[i].choices, cases[i].tokens, 1);
		for (j = 0; j < pairs; j++)
			ids[j] = (int32_t)((j * 7 + j / 5) % cases[i].ids);
		fill(one_op_tensor(&o, 2, DSEEK_F32, cases[i].choices, cases[i].tokens, 1), pairs);
		for (n = 3; n < 5; n++)
			one_op_weight(&o, (int)n, DSEEK_F16, 0, cases[i].k, cases[i].k, cases[i].experts, NULL);
		one_op_weight(&o, 5, DSEEK_F16, i % 2 && !(cases[i].k % 2), cases[i].k, cases[i].out, cases[i].experts, NULL);
		one_op_tensor(&o, 6, DSEEK_F32, cases[i].out, cases[i].tokens, 1);
		one_op_tensor(&o, 7, DSEEK_F32, cases[i].k, cases[i].choices, cases[i].tokens);
		fill(one_op_tensor(&o, 10, DSEEK_F32, cases[i].out, cases[i].experts, 1), cases[i].out * cases[i].experts);
		tap_ok(same(&o, 2e-5, "moe_ffn"), "%s: moe_ffn, %u tokens, %u of %u experts", arch, cases[i].tokens, cases[i].choices, cases[i].experts);
		one_op_free(&o);
	}
}

/* More tokens than one group has, by two matrices that are alike. */
static void test_many(void)
{
	static const uint32_t tokens[] = { 16, 17, 70 };
	struct one_op o;
	bool good = true;
	size_t i;

	for (i = 0; i < COUNT(tokens); i++) {
		one_op_init(&o, DSEEK_OP_LINEAR, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, 64, tokens[i], 1), 64 * tokens[i]);
		one_op_weight(&o, 1, DSEEK_Q8_0, 1, 64, 67, 1, NULL);
		one_op_tensor(&o, 4, DSEEK_F32, 67, tokens[i], 1);
		good &= same(&o, 2e-5, "linear");
		one_op_free(&o);
		one_op_init(&o, DSEEK_OP_GLU, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, 64, tokens[i], 1), 64 * tokens[i]);
		one_op_weight(&o, 1, DSEEK_F16, 0, 64, 39, 1, NULL);
		one_op_weight(&o, 2, DSEEK_F16, 0, 64, 39, 1, NULL);
		one_op_tensor(&o, 3, DSEEK_F32, 39, tokens[i], 1);
		good &= same(&o, 2e-5, "glu");
		one_op_free(&o);
	}
	tap_ok(good, "%s: linear and glu of 16, 17 and 70 tokens", arch);
}

static void test_norm(void)
{
	struct one_op o;
	int gaps, weight;
	bool good = true;

	for (gaps = 0; gaps < 3; gaps++)
		for (weight = 0; weight < 2; weight++) {
			one_op_init(&o, DSEEK_OP_RMSNORM, 0);
			fill(one_op_tensor(&o, 0, DSEEK_F32, 67, 4, 3), 67 * 12);
			if (weight)
				fill(one_op_tensor(&o, 1, DSEEK_F32, 67, 1, 1), 67);
			one_op_tensor(&o, 2, DSEEK_F32, 67, 4, 3);
			o.tensors[0].ne[1] = o.tensors[2].ne[1] = gaps == 1 ? 3 : 4;	/* a row between the matrices is left out */
			o.tensors[0].ne[2] = o.tensors[2].ne[2] = gaps == 2 ? 1 : 3;
			o.op.f[0] = 1e-5f;
			good &= same(&o, 2e-5, "rmsnorm");
			one_op_free(&o);
		}
	tap_ok(good, "%s: rmsnorm, with gaps, with and without weights", arch);
}

static void test_rope(void)
{
	static const int32_t positions[] = { 0, 7, 100003 };
	uint32_t mode, dims;
	int factors, i;
	struct one_op o;
	bool good = true;

	for (mode = 0; mode < DSEEK_ROPE_COUNT; mode++)
		for (dims = 2; dims <= 64; dims += 62)
			for (factors = 0; factors < 2; factors++) {
				one_op_init(&o, DSEEK_OP_ROPE, 0);
				fill(one_op_tensor(&o, 0, DSEEK_F32, 64, 9, 3), 64 * 27);
				memcpy(one_op_tensor(&o, 1, DSEEK_I32, 3, 1, 1), positions, sizeof(positions));
				if (factors)
					for (i = 0; i < (int)dims / 2; i++)
						((float *)(i ? o.data[2] : one_op_tensor(&o, 2, DSEEK_F32, dims / 2, 1, 1)))[i] = 1 + i * 0.37f;
				o.op.i[0] = dims;
				o.op.i[1] = mode;
				o.op.f[0] = 10000;
				o.op.f[1] = 0.25f;
				o.op.f[2] = factors ? 1.35f : 0;
				good &= same(&o, 2e-5, "rope");
				one_op_free(&o);
			}
	tap_ok(good, "%s: rope, both orders, part of a head, factors and magnitude", arch);
}

/* Latent attention in its absorbed form: operand 6 is for the other. @row: for k * 160 numbers. */
static bool same_latent(uint32_t dtype, uint32_t k, uint32_t window, float *row)
{
	static const int32_t positions[] = { 79, 0, 64 };
	uint32_t rotated = dtype == DSEEK_Q8_0 ? 32 : 6, n = k + rotated;
	struct one_op o;
	bool good;

	one_op_init(&o, DSEEK_OP_LATENT_ATTENTION, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, 20 + rotated, 5, 3), (20 + rotated) * 15);
	fill(row, n * 80);
	dseek_row_from_f32(dtype, row, n * 80, one_op_tensor(&o, 1, dtype, n, 1, 80));
	one_op_weight(&o, 2, DSEEK_F16, window > 0, 20, k, 5, NULL);
	one_op_weight(&o, 3, k % 32 ? DSEEK_BF16 : DSEEK_Q8_0, !window, k, 18, 5, NULL);
	memcpy(one_op_tensor(&o, 4, DSEEK_I32, 3, 1, 1), positions, sizeof(positions));
	one_op_tensor(&o, 5, DSEEK_F32, 18, 5, 3);
	one_op_weight(&o, 6, DSEEK_F32, 0, k, 20, 5, NULL);
	one_op_tensor(&o, 7, DSEEK_F32, n, 5, 3);
	one_op_tensor(&o, 8, DSEEK_F32, k, 5, 3);
	o.op.i[0] = window;
	o.op.f[0] = 0.3f;
	good = same(&o, 2e-5, "latent_attention");
	if (dtype == DSEEK_F32 && !window)
		out_of_range(&o, 4, 80, "a position of latent attention");
	one_op_free(&o);
	return good;
}

static void test_cache(uint32_t dtype)
{
	static const int32_t slots[] = { 79, 0, 64 }, positions[] = { 81, 80, 79 }, far[] = { 1000001, 1000003, 1000002 };
	uint32_t k = dtype == DSEEK_Q8_0 ? 64 : 40;
	float *row = malloc((k + 32) * 160 * sizeof(*row));
	struct one_op o;
	uint32_t window;
	bool good = true;
	int n;

	for (n = 0; n < 2; n++) {
		one_op_init(&o, DSEEK_OP_KV_STORE, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, k, 2, 3), k * 6);
		fill(one_op_tensor(&o, 1, DSEEK_F32, 24, 2, 3), 24 * 6);
		one_op_tensor(&o, 2, dtype, k, 2, 80);
		one_op_tensor(&o, 3, DSEEK_F16, 24, 2, 80);
		memcpy(one_op_tensor(&o, 4, DSEEK_I32, 3, 1, 1), n ? far : slots, sizeof(slots));
		o.op.flags = n ? DSEEK_OPF_RING : 0;
		good &= same(&o, dtype == DSEEK_Q8_0 ? 2e-2 : 1e-30, "kv_store");	/* one step of 127 */
		if (dtype == DSEEK_F32)
			out_of_range(&o, 4, n ? DSEEK_RING_POSITIONS : 80, n ? "a slot of a ring" : "a slot");
		one_op_free(&o);
	}
	for (window = 0; window < 5; window++) {
		one_op_init(&o, DSEEK_OP_ATTENTION, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, k, 6, 3), k * 18);
		for (n = 1; n < 3; n++) {
			uint32_t d = n == 1 || dtype == DSEEK_Q8_0 ? k : 24;

			fill(row, d * 160);
			dseek_row_from_f32(dtype, row, d * 160, one_op_tensor(&o, n, dtype, d, 2, 80));
		}
		memcpy(one_op_tensor(&o, 3, DSEEK_I32, 3, 1, 1), window == 3 ? positions : window == 4 ? far : slots, sizeof(slots));
		one_op_tensor(&o, 4, DSEEK_F32, dtype == DSEEK_Q8_0 ? k : 24, 6, 3);
		if (window)
			fill(one_op_tensor(&o, 5, DSEEK_F32, 6, 1, 1), 6);
		o.op.i[0] = window == 1 ? 7 : window == 2 ? 70 : window ? 78 : 0;
		o.op.f[0] = 0.3f;
		o.op.f[1] = window == 2 ? 2 : 0;
		o.op.flags = window > 2 ? DSEEK_OPF_RING : 0;
		good &= same(&o, 2e-5, "attention");
		if (dtype == DSEEK_F32 && !window)
			out_of_range(&o, 3, 80, "a position");
		if (dtype == DSEEK_F32 && window == 4)
			out_of_range(&o, 3, DSEEK_RING_POSITIONS, "a position of a ring");
		one_op_free(&o);
	}
	for (window = 0; window < 20; window += 19)
		good &= same_latent(dtype, k, window, row);
	free(row);
	tap_ok(good, "%s: kv_store and attention, window, ring, soft cap, sinks, latent attention, of %s", arch, dseek_dtype_name(dtype));
}

/* Heads of sizes that matrix instructions are for: many queries, one, whose tokens are split in parts, rings, a position out of range. */
static void test_heads(uint32_t dtype, uint32_t d)
{
	static const struct { uint32_t heads, kv_heads, slots, tokens, window, ring; } cases[] = {
		{ 6, 2, 90, 27, 0, 0 }, { 8, 2, 700, 1, 0, 0 }, { 4, 1, 300, 3, 280, 0 }, { 8, 2, 40, 5, 33, 1 }, { 2, 2, 64, 64, 0, 0 },
	};
	struct one_op o;
	bool good = true;
	size_t c, i;

	for (c = 0; c < COUNT(cases); c++) {
		uint64_t n = (uint64_t)d * cases[c].kv_heads * cases[c].slots;
		float *row = malloc(n * sizeof(*row));

		one_op_init(&o, DSEEK_OP_ATTENTION, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, d, cases[c].heads, cases[c].tokens), (uint64_t)d * cases[c].heads * cases[c].tokens);
		for (i = 1; i < 3; i++) {
			fill(row, n);
			dseek_row_from_f32(dtype, row, n, one_op_tensor(&o, (int)i, dtype, d, cases[c].kv_heads, cases[c].slots));
		}
		one_op_tensor(&o, 3, DSEEK_I32, cases[c].tokens, 1, 1);
		for (i = 0; i < cases[c].tokens; i++)
			((int32_t *)o.data[3])[i] = (int32_t)(cases[c].slots - cases[c].tokens + i + (cases[c].ring ? 100000 : 0));
		one_op_tensor(&o, 4, DSEEK_F32, d, cases[c].heads, cases[c].tokens);
		if (c % 2)
			fill(one_op_tensor(&o, 5, DSEEK_F32, cases[c].heads, 1, 1), cases[c].heads);
		o.op.i[0] = cases[c].window;
		o.op.f[0] = 0.3f;
		o.op.f[1] = c == 2 ? 2 : 0;
		o.op.flags = cases[c].ring ? DSEEK_OPF_RING : 0;
		good &= same(&o, 2e-5, "attention");
		if (c == 0)
			out_of_range(&o, 3, (int32_t)cases[c].slots, "a position");
		if (c == 3)
			out_of_range(&o, 3, DSEEK_RING_POSITIONS, "a position of a ring");
		one_op_free(&o);
		free(row);
	}
	tap_ok(good, "%s: attention of heads of %u, %s", arch, d, dseek_dtype_name(dtype));
}

static void test_route(void)
{
	struct one_op o;
	bool good = true;
	uint32_t gate;
	int more;

	/* 1: all there is; 2, 3: in ten groups of seven, in 14 of five */
	for (gate = 0; gate < DSEEK_GATE_COUNT; gate++)
		for (more = 0; more < 4; more++) {
			one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
			fill(one_op_tensor(&o, 0, DSEEK_F32, 70, 5, 1), 350);
			one_op_tensor(&o, 1, DSEEK_I32, 6, 5, 1);
			one_op_tensor(&o, 2, DSEEK_F32, 6, 5, 1);
			if (more)
				fill(one_op_tensor(&o, 3, DSEEK_F32, 70, 1, 1), 70);
			o.op.i[0] = 6;
			o.op.i[1] = gate;
			o.op.f[0] = more ? 2.5f : 0;
			o.op.f[1] = 6.1e-5f;
			o.op.flags = more ? DSEEK_OPF_NORMALISE : 0;
			if (more > 1) {
				o.op.i[2] = more == 2 ? 10 : 14;
				o.op.i[3] = more == 2 ? 1 : 4;
			}
			good &= same(&o, 2e-5, "moe_route");
			one_op_free(&o);
		}
	tap_ok(good, "%s: moe_route, all gates, bias, normalised, groups", arch);
}

static void test_moe(uint32_t dtype, int layout)
{
	static const int32_t ids[] = { 5, 0, 2, 3, 3, 2, 1, 4 };
	uint32_t k = dseek_dtype_block(dtype) == 1 ? 66 : 2 * dseek_dtype_block(dtype), act;
	struct one_op o;
	bool good = true;
	int n;

	for (act = 0; act < DSEEK_ACT_COUNT; act++) {
		one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, k, 4, 1), 4 * k);
		memcpy(one_op_tensor(&o, 1, DSEEK_I32, 2, 4, 1), ids, sizeof(ids));
		fill(one_op_tensor(&o, 2, DSEEK_F32, 2, 4, 1), 8);
		one_op_weight(&o, 3, dtype, layout, k, k, 6, NULL);
		one_op_weight(&o, 4, DSEEK_F16, !layout, k, k, 6, NULL);
		one_op_weight(&o, 5, dtype, layout, k, 37, 6, NULL);
		one_op_tensor(&o, 6, DSEEK_F32, 37, 4, 1);
		one_op_tensor(&o, 7, DSEEK_F32, k, 2, 4);
		for (n = 8; n < 11; n++)	/* of the forms all, none, one, two biases */
			if (act == DSEEK_ACT_SWIGLU_CLAMPED || (act == DSEEK_ACT_GELU_TANH && n == 8 + layout) || (act == DSEEK_ACT_RELU && n > 8))
				fill(one_op_tensor(&o, n, DSEEK_F32, n == 10 ? 37 : k, 6, 1), 6 * (n == 10 ? 37 : k));
		o.op.i[0] = act;
		good &= same(&o, 2e-5, "moe_ffn");
		if (dtype == DSEEK_F32 && !act)
			out_of_range(&o, 1, 6, "an expert");
		one_op_free(&o);
	}
	tap_ok(good, "%s: moe_ffn of %s%s", arch, dseek_dtype_name(dtype), layout ? ", packed" : "");
}

static void test_simple(void)
{
	struct one_op o;
	bool good = true;
	int n, i;

	for (n = 0; n < 2; n++) {
		one_op_init(&o, n ? DSEEK_OP_MUL : DSEEK_OP_ADD, 0);
		for (i = 0; i < 3; i++)
			fill(one_op_tensor(&o, i, DSEEK_F32, 65, 4, 3), 65 * 12);
		o.tensors[0].ne[1] = o.tensors[1].ne[1] = o.tensors[2].ne[1] = 3;
		good &= same(&o, 1e-6, "add, mul");
		one_op_free(&o);
	}
	for (n = 0; n < 9; n++) {
		float x[65 * 12];

		one_op_init(&o, DSEEK_OP_COPY, 0);
		fill(x, 65 * 12);
		dseek_row_from_f32(float_types[n / 3], x, 65 * 12, one_op_tensor(&o, 0, float_types[n / 3], 65, 4, 3));
		one_op_tensor(&o, 1, float_types[n % 3], 65, 4, 3);
		good &= same(&o, 1e-30, "copy");
		one_op_free(&o);
	}
	tap_ok(good, "%s: add, mul, copy between all types", arch);

	one_op_init(&o, DSEEK_OP_ARGMAX, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, 1000, 7, 1), 7000);
	one_op_tensor(&o, 1, DSEEK_I32, 7, 1, 1);
	good = same(&o, 0, "argmax");
	one_op_free(&o);
	one_op_init(&o, DSEEK_OP_ROWS, 0);
	fill(one_op_tensor(&o, 0, DSEEK_F32, 33, 4, 1), 132);
	memcpy(one_op_tensor(&o, 1, DSEEK_I32, 2, 1, 1), (int32_t[]){ 3, 1 }, 8);
	one_op_tensor(&o, 2, DSEEK_F32, 33, 2, 1);
	good &= same(&o, 0, "rows");
	out_of_range(&o, 1, 4, "a row");
	one_op_free(&o);
	tap_ok(good, "%s: argmax, rows", arch);
}

/* RMSNORM whose rows are not of one stride: as many launches as the smaller dimension has, or one. */
static void test_norms(void)
{
	static const struct { uint32_t heads, gap, tokens; unsigned int launches; } cases[] = {
		{ 4, 0, 50, 1 }, { 1, 1, 300, 1 }, { 3, 1, 50, 3 }, { 50, 1, 3, 3 }, { 1, 0, 300, 1 }, { 300, 0, 1, 1 },
	};
	struct one_op o;
	unsigned int n;
	uint64_t before;
	bool good;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		uint32_t rows = cases[i].heads + cases[i].gap;

		one_op_init(&o, DSEEK_OP_RMSNORM, 0);
		fill(one_op_tensor(&o, 0, DSEEK_F32, 8, rows, cases[i].tokens), 8 * rows * cases[i].tokens);
		one_op_tensor(&o, 2, DSEEK_F32, 8, rows, cases[i].tokens);
		o.op.f[0] = 1e-5f;
		o.tensors[0].ne[1] = o.tensors[2].ne[1] = cases[i].heads;
		good = same(&o, 2e-5, "rmsnorm");
		before = ((struct hip_state *)hip)->kernels.launches;
		good &= !run_hip(&o);
		n = (unsigned int)(((struct hip_state *)hip)->kernels.launches - before);
		tap_ok(good && n == cases[i].launches, "%s: rmsnorm of %u rows by %u%s: %u launches", arch, cases[i].heads, cases[i].tokens,
		       cases[i].gap ? " with gaps" : "", n);
		one_op_free(&o);
	}
}

/* What no kernel takes. */
static void refused(struct one_op *o, const char *sentence)
{
	int r = run_hip(o);

	tap_ok(r == -ENOTSUP && strstr(err, sentence), "refused: %s", r ? err : "it was not");
	one_op_free(o);
}

static void test_refusals(void)
{
	struct one_op o;

	one_op_init(&o, DSEEK_OP_COUNT, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 8, 1, 1);
	refused(&o, "there is no kernel for it");
	one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 8, 1, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 65, 2, 1);
	refused(&o, "op 0, moe_ffn: more than 64 experts a token");
	one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 8, 1, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 32768, 1);
	refused(&o, "op 0, moe_ffn: more than 65535 pairs of tokens and experts");
	one_op_init(&o, DSEEK_OP_MOE_FFN, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 8, 1, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 2, 1);
	one_op_tensor(&o, 4, DSEEK_Q8_0, 32, 8, 2);
	o.tensors[4].stride[1] = 1ull << 32;
	refused(&o, "op 0, moe_ffn: experts' weights are 4 GiB apart or more, or an odd number of bytes");

	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 513, 1, 1);
	refused(&o, "op 0, moe_route: more than 512 experts");
	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 64, 1, 1);
	o.op.i[0] = 17;
	refused(&o, "op 0, moe_route: more than 16 experts a token");
	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 66, 1, 1);
	o.op.i[0] = 2;
	o.op.i[2] = o.op.i[3] = 33;
	refused(&o, "op 0, moe_route: more than 32 groups of experts");
	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 64, 2, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 3, 2, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	o.op.i[0] = o.tensors[1].ne[0] = 2;
	refused(&o, "op 0, moe_route: ids or weights with gaps between tokens");

	one_op_init(&o, DSEEK_OP_ROPE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1026, 1, 1);
	o.op.i[0] = 1026;
	refused(&o, "op 0, rope: more than 1024 dimensions are rotated");
	one_op_init(&o, DSEEK_OP_ATTENTION, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1025, 1, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 8, 1, 1);
	refused(&o, "op 0, attention: a head has more than 1024 elements");
	one_op_init(&o, DSEEK_OP_ATTENTION, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 1, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 8, 1, 1);
	o.tensors[0].ne[1] = 1024;
	o.tensors[0].ne[2] = 16384;
	refused(&o, "op 0, attention: 2^24 rows of queries or more");

	one_op_init(&o, DSEEK_OP_ATTENTION, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 1, 1);
	one_op_tensor(&o, 1, DSEEK_Q8_0, 32, 1, 2);
	one_op_tensor(&o, 2, DSEEK_Q8_0, 32, 1, 2);
	o.tensors[2].stride[1] = 36;
	refused(&o, "op 0, attention: strides of a cache are not whole blocks, or 2^31 of them");
	one_op_init(&o, DSEEK_OP_KV_STORE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 1, 1);
	one_op_tensor(&o, 2, DSEEK_Q8_0, 32, 1, 2);
	one_op_tensor(&o, 3, DSEEK_Q8_0, 32, 2, 1);
	o.tensors[3].stride[0] = 36;
	refused(&o, "op 0, kv_store: strides of a cache are not whole blocks, or 2^31 of them");

	one_op_init(&o, DSEEK_OP_LATENT_ATTENTION, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 24, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F16, 1028, 1, 2);
	one_op_weight(&o, 2, DSEEK_F16, 0, 20, 1024, 2, NULL);
	one_op_weight(&o, 3, DSEEK_F16, 0, 1024, 8, 2, NULL);
	one_op_tensor(&o, 4, DSEEK_I32, 1, 1, 1);
	one_op_tensor(&o, 5, DSEEK_F32, 8, 2, 1);
	one_op_tensor(&o, 7, DSEEK_F32, 1028, 2, 1);
	one_op_tensor(&o, 8, DSEEK_F32, 1024, 2, 1);
	refused(&o, "op 0, attention: a head has more than 1024 elements");
	one_op_init(&o, DSEEK_OP_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 65536, 1);
	refused(&o, "op 0, linear: more than 65535 tokens");
	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 1, 65536);
	one_op_tensor(&o, 1, DSEEK_F16, 1, 1, 1);
	refused(&o, "op 0, head_linear: more than 65535 tokens");
	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 2, 1);
	one_op_tensor(&o, 1, DSEEK_Q8_0, 32, 8, 2);
	o.tensors[1].stride[1] = 1ull << 32;
	refused(&o, "op 0, head_linear: heads' weights are 4 GiB apart or more, or an odd number of bytes");
	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 2, 1);
	one_op_tensor(&o, 1, DSEEK_MXFP4, 32, 9, 2);
	refused(&o, "op 0, head_linear: heads' weights are 4 GiB apart or more, or an odd number of bytes");
	one_op_init(&o, DSEEK_OP_KV_STORE, 0);
	one_op_tensor(&o, 4, DSEEK_I32, 65536, 1, 1);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 1, 1);
	refused(&o, "op 0, kv_store: more than 65535 tokens");
	one_op_init(&o, DSEEK_OP_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F16, 2, 2, 1);
	o.tensors[1].stride[0] = 1ull << 31;
	refused(&o, "op 0, linear: rows of a weight are 2 GiB apart or more");
	one_op_init(&o, DSEEK_OP_ADD, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 1);
	o.tensors[0].stride[0] = 1ull << 33;
	refused(&o, "op 0, add: a stride of 2^31 elements or more");
	one_op_init(&o, DSEEK_OP_ADD, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 1, 1);
	o.tensors[0].ne[3] = 65536;
	refused(&o, "op 0, add: the last dimension has more than 65535");
	one_op_init(&o, DSEEK_OP_COPY, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 1, 1);
	o.tensors[0].ne[1] = o.tensors[0].ne[2] = 4096;
	refused(&o, "op 0, copy: 2^24 rows or more");
	one_op_init(&o, DSEEK_OP_RMSNORM, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 1, 1);
	o.tensors[0].ne[1] = o.tensors[1].ne[1] = 1u << 24;
	refused(&o, "op 0, rmsnorm: 2^24 rows or more");
	one_op_init(&o, DSEEK_OP_ARGMAX, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 1);
	o.tensors[0].ne[1] = 1u << 24;
	refused(&o, "op 0, argmax: 2^24 rows or more");
	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 64, 2, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 2, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	o.op.i[0] = 2;
	o.tensors[0].ne[1] = o.tensors[1].ne[1] = o.tensors[2].ne[1] = 1u << 26;
	refused(&o, "op 0, moe_route: 2^26 tokens or more");
	one_op_init(&o, DSEEK_OP_ROPE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1024, 2, 1);
	o.op.i[0] = 1024;
	o.tensors[0].ne[1] = 1u << 22;
	refused(&o, "op 0, rope: 2^31 pairs of a token or more");
	one_op_init(&o, DSEEK_OP_KV_STORE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 1, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 1, 1, 1);
	o.tensors[0].ne[1] = 1u << 26;
	refused(&o, "op 0, kv_store: 2^26 heads or more");
	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 32, 2, 1);
	one_op_tensor(&o, 1, DSEEK_Q8_0, 32, 8, 2);
	o.tensors[1].ne[1] = 1u << 22;
	o.tensors[1].ne[2] = 1u << 10;
	refused(&o, "op 0, head_linear: 2^26 groups of heads' rows or more");
	one_op_init(&o, DSEEK_OP_LINEAR, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 1);
	one_op_tensor(&o, 1, DSEEK_F16, 2, 2, 1);
	o.tensors[1].ne[1] = 1u << 30;
	refused(&o, "op 0, linear: 2^30 rows of a weight or more");
}

static void test_target(const char *name)
{
	char why[400];
	size_t i;

	arch = name;
	setenv("HIP_STANDIN_ARCH", arch, 1);
	if (!tap_ok(!hip_device_open(NULL, &hip, why, sizeof(why)) && !hip_device_open("plain=1,scrub=0", &plain, why, sizeof(why)), "%s is opened", arch)) {
		printf("# %s\n", why);
		return;
	}
	for (i = 0; i < 2 * COUNT(weight_types); i++)
		test_weights(weight_types[i / 2], i % 2, 0);
	test_weights(DSEEK_F32, 0, DSEEK_PROGRAM_PRECISE);
	test_weights(DSEEK_Q8_0, 1, DSEEK_PROGRAM_PRECISE);
	test_many();
	for (i = 0; i < COUNT(weight_types); i++)
		test_moe(weight_types[i], i % 2);
	for (i = 0; i < COUNT(float_types); i++)
		test_cache(float_types[i]);
	test_cache(DSEEK_Q8_0);
	for (i = 32; i <= 128; i *= 2) {
		test_heads(DSEEK_F16, (uint32_t)i);
		test_heads(DSEEK_BF16, (uint32_t)i);
	}
	test_norm();
	test_norms();
	test_rope();
	test_route();
	test_simple();
	test_grouped();
	test_refusals();
	dseek_backend_hip.close(hip);
	dseek_backend_hip.close(plain);
	tap_ok(hip_device_live() == 0, "%s: nothing is left on the device: %u", arch, hip_device_live());
}

int main(void)
{
	if (hip_device_why_not()) {
		tap_skip("the ops of the hip backend", hip_device_why_not());
		return tap_end();
	}
	test_target("gfx942:sramecc+:xnack-");
	test_target("gfx1100");
	return tap_end();
}
