// SPDX-License-Identifier: MIT
/* Ops that are a loop over rows: RMSNORM, ROPE, KV_STORE, ADD, MUL, ARGMAX. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fast.h"

struct simple_job {
	const struct cpu_ctx *ctx;
	const struct cpu_op *op;
};

/* @fn over the rows of t[0], by threads if there is enough to do. */
static int over_rows(struct cpu_ctx *ctx, const struct cpu_op *op, uint64_t rows, uint32_t length, cpu_loop_fn fn)
{
	struct simple_job job = { ctx, op };

	return cpu_pool_run(ctx->pool, rows, rows * length < 16384 ? rows : 0, fn, &job);
}

static void rmsnorm_rows(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct simple_job *job = arg;
	const struct cpu_op *op = job->op;
	uint32_t r;

	for (r = first; r < last; r++)
		job->ctx->kernels->rmsnorm(cpu_row(op->t, r), (const float *)op->t[1].data, cpu_row(op->t + 2, r),
					   op->t[0].ne[0], op->f[0]);
}

int cpu_rmsnorm(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	return over_rows(ctx, op, cpu_rows(op->t), op->t[0].ne[0], rmsnorm_rows);
}

static void binary_rows(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct simple_job *job = arg;
	const struct cpu_op *op = job->op;
	uint32_t r, i, n = op->t[0].ne[0];

	for (r = first; r < last; r++) {
		const float *a = cpu_row(op->t, r), *b = cpu_row(op->t + 1, r);
		float *out = cpu_row(op->t + 2, r);

		if (op->code == DSEEK_OP_ADD)
			for (i = 0; i < n; i++)
				out[i] = a[i] + b[i];
		else
			for (i = 0; i < n; i++)
				out[i] = a[i] * b[i];
	}
}

int cpu_binary(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	return over_rows(ctx, op, cpu_rows(op->t), op->t[0].ne[0], binary_rows);
}

static void argmax_rows(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct simple_job *job = arg;
	const struct cpu_tensor *x = job->op->t, *out = job->op->t + 1;
	uint32_t r;

	for (r = first; r < last; r++)
		*(int32_t *)(out->data + r * out->stride[0]) = job->ctx->kernels->argmax(cpu_row(x, r), x->ne[0]);
}

int cpu_argmax(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	return over_rows(ctx, op, op->t[0].ne[1], op->t[0].ne[0], argmax_rows);
}

/*
 * Sines and cosines of the last ROPE: a model's layers, and its q and k, ask for the same ones. The
 * key is what they were made of, positions and factors by value, as their memory is the tenant's.
 */
struct cpu_rope_table {
	uint32_t tokens, dims;
	float base, scale, magnitude;
	int32_t *positions;
	float *factors;		/* [dims / 2], 1 where the op has none */
	double *frequency;	/* [dims / 2] */
	float *cosine, *sine;	/* [tokens][dims / 2] */
};

void cpu_rope_free(struct cpu_rope_table *table)
{
	if (!table)
		return;
	free(table->positions);
	free(table->factors);
	free(table->frequency);
	free(table->cosine);
	free(table->sine);
	free(table);
}

static bool same_rope(const struct cpu_rope_table *table, const struct cpu_op *op, const int32_t *positions, const float *factors)
{
	return table && table->tokens == op->t[0].ne[2] && table->dims == op->i[0] && table->base == op->f[0] &&
	       table->scale == op->f[1] && table->magnitude == op->f[2] &&
	       !memcmp(table->positions, positions, table->tokens * sizeof(*positions)) &&
	       !memcmp(table->factors, factors, table->dims / 2 * sizeof(*factors));
}

static void rope_angles(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct cpu_rope_table *table = arg;
	double magnitude = table->magnitude ? table->magnitude : 1;
	uint32_t pairs = table->dims / 2, t, p;

	for (t = first; t < last; t++) {
		for (p = 0; p < pairs; p++) {
			double angle = (double)table->positions[t] * table->scale * table->frequency[p] / table->factors[p];

			table->cosine[(uint64_t)t * pairs + p] = magnitude * cos(angle);
			table->sine[(uint64_t)t * pairs + p] = magnitude * sin(angle);
		}
	}
}

static int make_rope(struct cpu_ctx *ctx, const struct cpu_op *op, const int32_t *positions, const float *factors,
		     struct cpu_rope_table **ret_table)
{
	uint32_t tokens = op->t[0].ne[2], pairs = op->i[0] / 2, p;
	struct cpu_rope_table *table = calloc(1, sizeof(*table));
	int ret;

	if (!table)
		return -ENOMEM;
	*table = (struct cpu_rope_table){
		.tokens = tokens, .dims = op->i[0], .base = op->f[0], .scale = op->f[1], .magnitude = op->f[2],
	};
	table->positions = malloc(tokens * sizeof(*table->positions) + 1);
	table->factors = malloc(pairs * sizeof(*table->factors) + 1);
	table->frequency = malloc(pairs * sizeof(*table->frequency) + 1);
	table->cosine = malloc((uint64_t)tokens * pairs * sizeof(float) + 1);
	table->sine = malloc((uint64_t)tokens * pairs * sizeof(float) + 1);
	if (!table->positions || !table->factors || !table->frequency || !table->cosine || !table->sine) {
		cpu_rope_free(table);
		return -ENOMEM;
	}
	memcpy(table->positions, positions, tokens * sizeof(*positions));
	memcpy(table->factors, factors, pairs * sizeof(*factors));
	for (p = 0; p < pairs; p++)
		table->frequency[p] = pow(op->f[0], -2.0 * p / op->i[0]);
	ret = cpu_pool_run(ctx->pool, tokens, tokens < 16 ? tokens : 0, rope_angles, table);
	if (ret)	/* half a table is no one's */
		cpu_rope_free(table);
	else
		*ret_table = table;
	return ret;
}

static void rope_tokens(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct simple_job *job = arg;
	const struct cpu_op *op = job->op;
	const struct cpu_rope_table *table = job->ctx->rope;
	uint32_t pairs = table->dims / 2, t, h;

	for (t = first; t < last; t++)
		for (h = 0; h < op->t[0].ne[1]; h++)
			job->ctx->kernels->rotate(cpu_at(op->t, h, t, 0), table->cosine + (uint64_t)t * pairs,
						  table->sine + (uint64_t)t * pairs, pairs, op->i[1]);
}

int cpu_rope(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	uint32_t tokens = op->t[0].ne[2], pairs = op->i[0] / 2, n;
	struct cpu_alloc alloc;
	int32_t *positions;
	float *factors;
	int ret;

	ret = cpu_arena(ctx, tokens * 4ul + pairs * 4ul + 128, &alloc);
	if (ret)
		return ret;
	positions = cpu_take(&alloc, tokens * sizeof(*positions));
	factors = cpu_take(&alloc, pairs * sizeof(*factors));
	for (n = 0; n < tokens; n++)
		positions[n] = cpu_index(op->t + 1, n);
	for (n = 0; n < pairs; n++)
		factors[n] = op->t[2].data ? ((const volatile float *)op->t[2].data)[n] : 1;
	if (!same_rope(ctx->rope, op, positions, factors)) {
		cpu_rope_free(ctx->rope);
		ctx->rope = NULL;
		ret = make_rope(ctx, op, positions, factors, &ctx->rope);
		if (ret)
			return ret;
	}
	return over_rows(ctx, op, tokens, op->t[0].ne[1] * op->i[0], rope_tokens);
}

int cpu_kv_store(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	const struct cpu_tensor *slots = op->t + 4;
	uint32_t t, h, n;

	for (t = 0; t < slots->ne[0]; t++) {
		int32_t slot = cpu_index(slots, t);

		if (cpu_watch_look(op->watch))
			return -ETIMEDOUT;
		if (slot < 0 || (uint32_t)slot >= cpu_positions(op, op->t + 2))
			return -ERANGE;
		if (op->flags & DSEEK_OPF_RING)
			slot %= op->t[2].ne[2];
		for (n = 0; n < 2 && op->t[n].data; n++) {
			const struct cpu_tensor *src = op->t + n, *cache = op->t + 2 + n;

			for (h = 0; h < src->ne[1]; h++) {
				if (cache->dtype == DSEEK_F16)
					ctx->kernels->to_half(cpu_at(src, h, t, 0), cpu_at(cache, h, slot, 0), src->ne[0]);
				else
					dseek_row_from_f32(cache->dtype, cpu_at(src, h, t, 0), src->ne[0],
							   cpu_at(cache, h, slot, 0));
			}
		}
	}
	return 0;
}
