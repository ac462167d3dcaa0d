// SPDX-License-Identifier: MIT
/* HEAD_LINEAR: tiles of each head's activations, then each head's groups of 16 rows spread over the threads. */
#include <errno.h>
#include <string.h>

#include "fast.h"

struct head_job {
	const struct cpu_ctx *ctx;
	const struct cpu_op *op;
	struct cpu_tiles tiles;			/* of a head's tokens, head after head */
	uint32_t head_tiles;			/* of one head */
	uint32_t groups;			/* of one head's matrix */
	uint32_t first_token, tokens;		/* of this chunk */
	const float **rows;			/* [head][token] */
	struct cpu_product_scratch *scratch;
};

static void head_groups(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct head_job *job = arg;
	const struct cpu_tensor *w = job->op->t + 1, *out = job->op->t + 2;
	struct cpu_product_scratch *scratch = job->scratch + thread;
	uint32_t i, tile, t;

	for (i = first; i < last; i++) {
		uint32_t head = i / job->groups, group = i % job->groups, row = group * DSEEK_PACK_ROWS, n = w->ne[1] - row;
		const uint8_t *rows = cpu_group(w, head, group, scratch->group[0]);

		n = n < DSEEK_PACK_ROWS ? n : DSEEK_PACK_ROWS;
		for (tile = head * job->head_tiles; tile < (head + 1) * job->head_tiles; tile++) {
			const struct cpu_tile *at = job->tiles.tile + tile;
			uint32_t token = job->first_token + at->first - head * job->tokens;

			cpu_multiply(job->ctx, w, rows, &job->tiles, tile, scratch->out[0], scratch->columns);
			for (t = 0; t < at->n; t++)
				memcpy((float *)cpu_at(out, head, token + t, 0) + row, scratch->out[0] + t * DSEEK_PACK_ROWS, n * sizeof(float));
		}
	}
}

static void layout(struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct head_job *job, uint32_t tokens, uint64_t group_bytes)
{
	const struct cpu_tensor *w = job->op->t + 1;
	enum cpu_tile_kind kind = cpu_tile_kind(ctx, job->op, w->dtype);
	uint32_t tiles = tokens / cpu_tiles_full(ctx, kind) + 1;

	job->rows = cpu_take(alloc, (uint64_t)tokens * w->ne[2] * sizeof(*job->rows));
	job->scratch = cpu_product_scratch(ctx, alloc, w->layout == DSEEK_LAYOUT_ROWS ? group_bytes : 0);
	cpu_tiles_init(ctx, alloc, &job->tiles, kind, w->ne[0], tiles * w->ne[2], job->rows);
}

static int run_chunk(struct cpu_ctx *ctx, struct head_job *job, uint64_t group_bytes)
{
	const struct cpu_tensor *x = job->op->t;
	uint32_t heads = x->ne[1], all = heads * job->groups, h, t;
	int ret;

	job->tiles.count = 0;
	for (h = 0; h < heads; h++) {
		for (t = 0; t < job->tokens; t++)
			job->rows[h * job->tokens + t] = cpu_at(x, h, job->first_token + t, 0);
		cpu_tiles_add(ctx, &job->tiles, h * job->tokens, job->tokens);
	}
	job->head_tiles = job->tiles.count / heads;
	ret = cpu_tiles_fill(ctx, &job->tiles);
	/* a loop shorter than this isn't worth a second thread's while */
	return ret ? ret : cpu_pool_run(ctx->pool, all, all * group_bytes * job->head_tiles < 24576 ? all : 0, head_groups, job);
}

int cpu_head_linear(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	struct head_job job = { .ctx = ctx, .op = op };
	const struct cpu_tensor *x = op->t, *w = op->t + 1;
	struct cpu_alloc alloc = { 0 };
	uint64_t group_bytes;
	uint32_t chunk;
	int ret;

	if (!x->ne[2])
		return 0;
	if (!cpu_product_possible(w))
		return -ENOTSUP;
	group_bytes = cpu_group_bytes(w);
	job.groups = (w->ne[1] + DSEEK_PACK_ROWS - 1) / DSEEK_PACK_ROWS;
	/* each head has tiles of its own: together they are to stay in the cache */
	chunk = cpu_tiles_chunk(ctx, cpu_tile_kind(ctx, op, w->dtype), x->ne[0] * x->ne[1], x->ne[2]);
	layout(ctx, &alloc, &job, chunk, group_bytes);
	ret = cpu_arena(ctx, alloc.used, &alloc);
	if (ret)
		return ret;
	layout(ctx, &alloc, &job, chunk, group_bytes);
	for (; job.first_token < x->ne[2] && !ret; job.first_token += job.tokens) {
		job.tokens = x->ne[2] - job.first_token < chunk ? x->ne[2] - job.first_token : chunk;
		ret = run_chunk(ctx, &job, group_bytes);
	}
	return ret;
}
