// SPDX-License-Identifier: MIT
#include "program_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/lib/program_ops.h"
#include "../random.h"

static int32_t whole(uint64_t *state, int32_t most)	/* -most..most */
{
	return (int32_t)random_below(state, 2 * most + 1) - most;
}

/* ---- indexes */

/* Indexes of operand @n are below this; 0: they may be any. */
static uint32_t index_limit(const struct cpu_op *op, int n)
{
	switch (op->code) {
	case DSEEK_OP_EMBED:
		return op->t[1].ne[1];
	case DSEEK_OP_KV_STORE:
		return cpu_positions(op, op->t + 2);
	case DSEEK_OP_ATTENTION:
	case DSEEK_OP_LATENT_ATTENTION:
		return cpu_positions(op, op->t + 1);
	case DSEEK_OP_MOE_FFN:
		return op->t[5].ne[2];
	case DSEEK_OP_ROWS:
		return op->t[0].ne[1];
	default:
		return 0;
	}
}

static void fill_indexes(const struct cpu_op *op, int n, uint64_t *state)
{
	const struct cpu_tensor *t = &op->t[n];
	static const int32_t odd[] = { -1, INT32_MIN, INT32_MAX };
	uint32_t limit = index_limit(op, n), bad = random_below(state, 64), few = 1 + random_below(state, 3), base = 0, within = limit;
	uint64_t rows = cpu_rows(t), r;

	if (op->flags & DSEEK_OPF_RING && random_below(state, 4)) {	/* mostly of one run: less apart than the ring is long */
		base = random_below(state, DSEEK_RING_POSITIONS / 2);
		within = op->t[2].ne[2] - (op->code == DSEEK_OP_ATTENTION ? op->i[0] - 1 : 0);
	}
	for (r = 0; r < rows; r++) {
		int32_t *row = cpu_row(t, r);

		for (uint32_t i = 0; i < t->ne[0]; i++) {
			row[i] = limit ? base + random_below(state, within) : random_below(state, 4096);
			if (few == 1)	/* the same for all: one expert, one row */
				row[i] = limit ? limit - 1 : 7;
		}
	}
	if (!bad || !limit)
		((int32_t *)cpu_row(t, random_below(state, rows)))[random_below(state, t->ne[0])] =
			limit && random_below(state, 2) ? (int32_t)limit : odd[random_below(state, 3)];
}

/* ---- numbers */

static void half(uint8_t *to, float v)
{
	dseek_row_from_f32(DSEEK_F16, &v, 1, to);
}

/* A row of a weight as ROWS bytes. */
static void make_row(uint32_t dtype, uint32_t ne0, uint8_t *row, uint64_t *state)
{
	static const float scales[] = { 1, 1, 0.5f, 2 };
	uint32_t block = dseek_dtype_block(dtype), bytes = dseek_dtype_block_bytes(dtype), i, b;

	if (block == 1) {
		for (i = 0; i < ne0; i++, row += bytes) {
			float v = whole(state, 4);

			dseek_row_from_f32(dtype, &v, 1, row);
		}
		return;
	}
	if (dtype == DSEEK_F8_E4M3) {
		static const uint8_t codes[] = { 0, 0x80, 0x38, 0xb8, 0x40, 0xc0, 0x44, 0xc4 };	/* +-0, 1, 2, 3 */

		for (i = 0; i < ne0; i++)
			row[i] = codes[random_below(state, 8)];
		memcpy(row + ne0, &scales[random_below(state, 4)], sizeof(*scales));
		return;
	}
	for (b = 0; b < ne0 / block; b++, row += bytes) {
		for (i = 0; i < bytes; i++)
			row[i] = splitmix64(state);
		switch (dtype) {
		case DSEEK_MXFP4:
			row[0] = 127 + random_below(state, 2);	/* halves are exact, too */
			continue;
		case DSEEK_Q4_1:
			half(row + 2, whole(state, 3));
			break;
		case DSEEK_Q4_K:
			half(row, 1);
			half(row + 2, 1);
			continue;
		case DSEEK_Q6_K:
			for (i = 192; i < 208; i++)
				row[i] = (int8_t)row[i] / 2;	/* sums stay below 2^24 */
			half(row + 208, 1);
			continue;
		}
		half(row, scales[random_below(state, 4)]);
	}
}

static void fill_weight(const struct cpu_tensor *t, uint64_t *state)
{
	uint8_t *row = malloc(dseek_row_bytes(t->dtype, t->ne[0]));

	if (!row)
		abort();
	for (uint32_t m = 0; m < t->ne[2]; m++) {
		for (uint32_t r = 0; r < t->ne[1]; r++) {
			make_row(t->dtype, t->ne[0], row, state);
			if (t->layout == DSEEK_LAYOUT_PACKED)
				dseek_tensor_pack_row(t->dtype, t->ne[0], r, row, t->data + m * t->stride[2]);
			else
				memcpy(cpu_at(t, r, m, 0), row, dseek_row_bytes(t->dtype, t->ne[0]));
		}
	}
	free(row);
}

static void fill_cache(const struct cpu_op *op, const struct cpu_tensor *t, uint64_t *state)
{
	const struct cpu_tensor *positions = &op->t[op->code == DSEEK_OP_ATTENTION ? 3 : 4];
	int32_t most = 0, i;

	for (i = 0; i < (int32_t)positions->ne[0]; i++)
		most = cpu_index(positions, i) > most ? cpu_index(positions, i) : most;
	for (uint32_t slot = 0; slot < t->ne[2] && slot <= (uint32_t)most; slot++)
		for (uint32_t h = 0; h < t->ne[1]; h++) {
			int8_t *row = cpu_at(t, h, slot, 0);

			make_row(t->dtype, t->ne[0], (uint8_t *)row, state);
			for (i = 0; t->dtype == DSEEK_Q8_0 && i < (int32_t)t->ne[0]; i++)	/* to 4, as the others */
				row[i / 32 * 34 + 2 + i % 32] /= 64;
		}
}

static void fill_activations(const struct cpu_tensor *t, uint64_t *state)
{
	uint64_t rows = cpu_rows(t), r;

	for (r = 0; r < rows; r++) {
		float *row = cpu_row(t, r);

		for (uint32_t i = 0; i < t->ne[0]; i += 16) {
			uint32_t n = t->ne[0] - i < 16 ? t->ne[0] - i : 16, zeros = !random_below(state, 8);

			for (uint32_t e = i; e < i + n; e++)
				row[e] = zeros ? 0 : whole(state, 3);
			if (!zeros)
				row[i + random_below(state, n)] = random_below(state, 2) ? 127 : -127;
		}
	}
}

void program_data_fill(const struct cpu_op *op, int n, uint64_t *state)
{
	const struct dseek_op_operand *o = &dseek_op_info(op->code)->t[n];
	const struct cpu_tensor *t = &op->t[n];
	uint64_t rows = cpu_rows(t);

	if (t->dtype == DSEEK_I32)
		fill_indexes(op, n, state);
	else if (o->types == OP_T_WEIGHT)
		fill_weight(t, state);
	else if ((op->code == DSEEK_OP_ATTENTION && (n == 1 || n == 2)) || (op->code == DSEEK_OP_LATENT_ATTENTION && n == 1))
		fill_cache(op, t, state);
	else if (t->dtype == DSEEK_F32)
		fill_activations(t, state);
	else
		for (uint64_t r = 0; r < rows; r++)
			make_row(t->dtype, t->ne[0], cpu_row(t, r), state);
}

/* ---- how near */

/*
 * Sum over the selected experts of |weight| |down| (error of h): what 8 bits do to a block of h is half a step of its
 * largest, what bf16 does a part of itself; what order does to a sum is relative.
 */
static double moe_tolerance(const struct cpu_op *op, uint64_t i, uint64_t token)
{
	const struct cpu_tensor *ids = &op->t[1], *weights = &op->t[2], *down = &op->t[5], *inner = &op->t[7], *bias = &op->t[10];
	bool q8 = !op->precise && dseek_dtype_block(down->dtype) >= 32, f8 = !op->precise && down->dtype == DSEEK_F8_E4M3;
	float *row = malloc(down->ne[0] * sizeof(*row));
	uint8_t *bytes = malloc(dseek_row_bytes(down->dtype, down->ne[0]));
	double sum = 0;

	if (!row || !bytes)
		abort();
	for (uint32_t j = 0; j < ids->ne[0]; j++) {
		const uint8_t *matrix = down->data + ((int32_t *)cpu_at(ids, token, 0, 0))[j] * down->stride[2];
		const float *h = cpu_at(inner, j, token, 0);
		double weight = fabs(((float *)cpu_at(weights, token, 0, 0))[j]);

		if (down->layout == DSEEK_LAYOUT_PACKED) {
			dseek_tensor_row(down->dtype, down->layout, down->ne[0], i, matrix, bytes);
			dseek_row_to_f32(down->dtype, bytes, down->ne[0], row);
		} else {
			dseek_row_to_f32(down->dtype, matrix + i * down->stride[1], down->ne[0], row);
		}
		if (bias->data)
			sum += 1e-5 * weight * fabs(((float *)cpu_at(bias, ((int32_t *)cpu_at(ids, token, 0, 0))[j], 0, 0))[i]);
		for (uint32_t f = 0; f < down->ne[0]; f++) {
			double error = 1e-5 * fabs(h[f]) + 1e-6, most = 0;

			for (uint32_t b = f / 32 * 32; q8 && b < f / 32 * 32 + 32; b++)
				most = fmax(most, fabs(h[b]));
			sum += weight * fabs(row[f]) * (error + most / 254 + (f8 ? 0x1p-8 * fabs(h[f]) : 0));
		}
	}
	free(row);
	free(bytes);
	return 1.01 * sum;
}

double program_data_tolerance(const struct cpu_op *op, int n, uint64_t i, uint64_t row, double want)
{
	switch (op->code) {
	case DSEEK_OP_RMSNORM:
	case DSEEK_OP_MOE_ROUTE:
		return 1e-5 * fabs(want) + 1e-6;
	case DSEEK_OP_GLU:
		return op->i[0] == DSEEK_ACT_RELU ? 0 : 1e-5 * fabs(want) + 1e-6;
	case DSEEK_OP_ROPE:		/* of numbers up to 127 */
		return 1e-4 * fmax(op->f[2], 1);
	case DSEEK_OP_ATTENTION:	/* of values up to 4 */
		return 1e-4;
	case DSEEK_OP_LATENT_ATTENTION:	/* scores are sums of sums, whose rounding the softmax enlarges: tests/ops/latent.c */
		return INFINITY;
	case DSEEK_OP_MOE_FFN:
		return n == 7 ? INFINITY : 1e-5 * fabs(want) + moe_tolerance(op, i, row);
	default:
		return 0;
	}
}
