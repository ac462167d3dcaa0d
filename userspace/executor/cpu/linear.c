// SPDX-License-Identifier: MIT
/* LINEAR and GLU: tiles of the activations made once, then groups of 16 rows spread over the threads. */
#include <errno.h>
#include <string.h>

#include "fast.h"

struct linear_job {
	const struct cpu_ctx *ctx;
	const struct cpu_op *op;
	struct cpu_tiles tiles[CPU_TILE_KINDS];	/* as far as needed */
	uint32_t first_token;
	uint32_t end[3];			/* groups of products 0..n */
	struct cpu_product_scratch *scratch;
};

static uint32_t groups_of(const struct cpu_tensor *w)
{
	return w->data ? (w->ne[1] + DSEEK_PACK_ROWS - 1) / DSEEK_PACK_ROWS : 0;
}

/* A loop shorter than this isn't worth a second thread's while. */
static uint32_t grain_of(uint32_t groups, uint64_t group_bytes, uint32_t tiles)
{
	return groups * group_bytes * tiles < 24576 ? groups : 0;
}

static void linear_group(const struct linear_job *job, int product, uint32_t group, struct cpu_product_scratch *scratch)
{
	const struct cpu_op *op = job->op;
	const struct cpu_tensor *w = op->t + 1 + product, *out = op->t + 4 + product, *bias = op->t + 7 + product;
	const struct cpu_tiles *tiles = job->tiles + cpu_tile_kind(job->ctx, op, w->dtype);
	const uint8_t *rows = cpu_group(w, 0, group, scratch->group[0]);
	uint32_t row = group * DSEEK_PACK_ROWS, n = w->ne[1] - row, i, t, r;
	bool accumulate = op->flags & DSEEK_OPF_ACCUMULATE;

	if (n > DSEEK_PACK_ROWS)
		n = DSEEK_PACK_ROWS;
	for (i = 0; i < tiles->count; i++) {
		float *sum = scratch->out[0];

		cpu_multiply(job->ctx, w, rows, tiles, i, sum, scratch->columns);
		for (t = 0; t < tiles->tile[i].n; t++, sum += DSEEK_PACK_ROWS) {
			float *dst = (float *)cpu_at(out, job->first_token + tiles->tile[i].first + t, 0, 0) + row;

			if (bias->data)
				for (r = 0; r < n; r++)
					sum[r] += ((const float *)bias->data)[row + r];
			if (accumulate)
				for (r = 0; r < n; r++)
					sum[r] += dst[r];
			memcpy(dst, sum, n * sizeof(*dst));
		}
	}
}

static void linear_groups(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct linear_job *job = arg;
	uint32_t g;

	for (g = first; g < last; g++) {
		int product = g < job->end[0] ? 0 : g < job->end[1] ? 1 : 2;

		linear_group(job, product, product ? g - job->end[product - 1] : g, job->scratch + thread);
	}
}

static void glu_group(const struct linear_job *job, uint32_t group, struct cpu_product_scratch *scratch)
{
	const struct cpu_op *op = job->op;
	const struct cpu_tensor *gate = op->t + 1, *up = op->t + 2, *out = op->t + 3;
	const struct cpu_tiles *tiles = job->tiles + cpu_tile_kind(job->ctx, op, gate->dtype);
	const uint8_t *gate_rows = cpu_group(gate, 0, group, scratch->group[0]);
	const uint8_t *up_rows = cpu_group(up, 0, group, scratch->group[1]);
	uint32_t row = group * DSEEK_PACK_ROWS, n = gate->ne[1] - row, i, t;

	if (n > DSEEK_PACK_ROWS)
		n = DSEEK_PACK_ROWS;
	for (i = 0; i < tiles->count; i++) {
		float *g = scratch->out[0], *u = scratch->out[1];

		cpu_multiply(job->ctx, gate, gate_rows, tiles, i, g, scratch->columns);
		cpu_multiply(job->ctx, up, up_rows, tiles, i, u, scratch->columns);
		job->ctx->kernels->glu(op->i[0], g, u, g, tiles->tile[i].n * DSEEK_PACK_ROWS);
		for (t = 0; t < tiles->tile[i].n; t++)
			memcpy((float *)cpu_at(out, job->first_token + tiles->tile[i].first + t, 0, 0) + row,
			       g + t * DSEEK_PACK_ROWS, n * sizeof(*g));
	}
}

static void glu_groups(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct linear_job *job = arg;
	uint32_t g;

	for (g = first; g < last; g++)
		glu_group(job, g, job->scratch + thread);
}

/* Memory for a chunk of @n tokens; @needs[kind] tells which tiles are made. */
static void layout(struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct linear_job *job, const bool *needs, uint32_t n,
		   uint64_t group_bytes, const float ***ret_rows)
{
	int kind;

	*ret_rows = cpu_take(alloc, n * sizeof(**ret_rows));
	job->scratch = cpu_product_scratch(ctx, alloc, group_bytes);
	for (kind = 0; kind < CPU_TILE_KINDS; kind++)
		if (needs[kind])
			cpu_tiles_init(ctx, alloc, job->tiles + kind, kind, job->op->t[0].ne[0],
				       n / cpu_tiles_full(ctx, kind) + 1, *ret_rows);
}

/* Weights t[1] .. t[weights]; @fn over @groups. */
static int run(struct cpu_ctx *ctx, struct linear_job *job, int weights, uint32_t groups, cpu_loop_fn fn)
{
	const struct cpu_op *op = job->op;
	const struct cpu_tensor *x = op->t;
	uint64_t group_bytes = 0, scratch_bytes = 0, most;
	uint32_t chunk, n, t, token;
	bool needs[CPU_TILE_KINDS] = { false };
	struct cpu_alloc alloc = { 0 };
	const float **rows;
	int i, kind, ret;

	for (i = 1; i <= weights; i++) {
		const struct cpu_tensor *w = op->t + i;

		if (!w->data)
			continue;
		if (!cpu_product_possible(w))
			return -ENOTSUP;
		most = cpu_group_bytes(w);
		group_bytes = most > group_bytes ? most : group_bytes;
		if (w->layout == DSEEK_LAYOUT_ROWS)
			scratch_bytes = most > scratch_bytes ? most : scratch_bytes;
		needs[cpu_tile_kind(ctx, op, w->dtype)] = true;
	}
	chunk = cpu_tiles_chunk(ctx, needs[CPU_TILE_F32] ? CPU_TILE_F32 : needs[CPU_TILE_BF16] ? CPU_TILE_BF16 : CPU_TILE_Q8, x->ne[0], x->ne[1]);
	layout(ctx, &alloc, job, needs, chunk, scratch_bytes, &rows);
	ret = cpu_arena(ctx, alloc.used, &alloc);
	if (ret)
		return ret;
	layout(ctx, &alloc, job, needs, chunk, scratch_bytes, &rows);
	for (token = 0; token < x->ne[1] && !ret; token += n) {
		n = x->ne[1] - token < chunk ? x->ne[1] - token : chunk;
		for (t = 0; t < n; t++)
			rows[t] = cpu_at(x, token + t, 0, 0);
		for (kind = 0; kind < CPU_TILE_KINDS && !ret; kind++) {
			if (!needs[kind])
				continue;
			job->tiles[kind].count = 0;
			cpu_tiles_add(ctx, job->tiles + kind, 0, n);
			ret = cpu_tiles_fill(ctx, job->tiles + kind);
		}
		job->first_token = token;
		if (!ret)
			ret = cpu_pool_run(ctx->pool, groups, grain_of(groups, group_bytes, (n + 15) / 16), fn, job);
	}
	return ret;
}

int cpu_linear(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	struct linear_job job = { .ctx = ctx, .op = op };
	int i;

	for (i = 0; i < 3; i++)
		job.end[i] = (i ? job.end[i - 1] : 0) + groups_of(op->t + 1 + i);
	return run(ctx, &job, 3, job.end[2], linear_groups);
}

int cpu_glu(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	struct linear_job job = { .ctx = ctx, .op = op };

	/* gate and up share their tiles' bounds: both kinds of tile at once have different widths */
	if (cpu_tile_kind(ctx, op, op->t[1].dtype) != cpu_tile_kind(ctx, op, op->t[2].dtype))
		return -ENOTSUP;
	return run(ctx, &job, 2, groups_of(op->t + 1), glu_groups);
}
