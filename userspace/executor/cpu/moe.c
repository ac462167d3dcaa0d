// SPDX-License-Identifier: MIT
/*
 * MOE_FFN: the (token, expert) pairs are sorted by expert; each expert's tokens become tiles, and its
 * rows are read once for all of them. Gate and up in one pass; then down, by pair; then each token's weighted sum
 * in the order of its ids, so that results don't depend on who its neighbours are.
 */
#include <errno.h>
#include <string.h>

#include "fast.h"

#define OUT_BYTES	(16u << 20)	/* of down products to keep at a time */

/* The pairs of one expert: sorted positions, and its tiles of x and of h. */
struct segment {
	uint32_t expert, first, n;
	uint32_t x_tile, x_tiles, h_tile, h_tiles;
};

struct moe_job {
	const struct cpu_ctx *ctx;
	const struct cpu_op *op;
	uint32_t first_token, tokens, per_token;	/* of this chunk; pairs a token */
	uint32_t inner_groups, out_groups;
	int32_t *ids;			/* [pair], pair = token * per_token + j */
	uint32_t *pair;			/* sorted by expert */
	uint32_t *start;		/* [experts + 1] */
	struct segment *segments;
	uint32_t segment_count;
	const float **x_rows, **h_rows;	/* sorted */
	struct cpu_tiles x, h;
	float *y;			/* [pair][M] */
	struct cpu_product_scratch *scratch;
};

static float *inner_row(const struct moe_job *job, uint32_t pair)
{
	return cpu_at(job->op->t + 7, pair % job->per_token, job->first_token + pair / job->per_token, 0);
}

/* Rows of @bias of @expert, from @row, added to @m tokens' products; those past the last are products of padding. */
static void add_bias(const struct cpu_tensor *bias, uint32_t expert, uint32_t row, uint32_t n, float *out, uint32_t m)
{
	float of[DSEEK_PACK_ROWS] = { 0 };
	uint32_t t, i;

	memcpy(of, (const float *)cpu_at(bias, expert, 0, 0) + row, n * sizeof(*of));
	for (t = 0; t < m; t++)
		for (i = 0; i < DSEEK_PACK_ROWS; i++)
			out[t * DSEEK_PACK_ROWS + i] += of[i];
}

static void inner_groups(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct moe_job *job = arg;
	const struct cpu_tensor *gate = job->op->t + 3, *up = job->op->t + 4;
	struct cpu_product_scratch *scratch = job->scratch + thread;
	uint32_t i, tile, t;

	for (i = first; i < last; i++) {
		const struct segment *s = job->segments + i / job->inner_groups;
		uint32_t group = i % job->inner_groups, row = group * DSEEK_PACK_ROWS, n = gate->ne[1] - row;
		const uint8_t *gate_rows = cpu_group(gate, s->expert, group, scratch->group[0]);
		const uint8_t *up_rows = cpu_group(up, s->expert, group, scratch->group[1]);
		float *g = scratch->out[0], *u = scratch->out[1];

		n = n < DSEEK_PACK_ROWS ? n : DSEEK_PACK_ROWS;
		for (tile = s->x_tile; tile < s->x_tile + s->x_tiles; tile++) {
			const struct cpu_tile *at = job->x.tile + tile;

			cpu_multiply(job->ctx, gate, gate_rows, &job->x, tile, g, scratch->columns);
			cpu_multiply(job->ctx, up, up_rows, &job->x, tile, u, scratch->columns);
			if (job->op->t[8].data)
				add_bias(job->op->t + 8, s->expert, row, n, g, at->n);
			if (job->op->t[9].data)
				add_bias(job->op->t + 9, s->expert, row, n, u, at->n);
			job->ctx->kernels->glu(job->op->i[0], g, u, g, at->n * DSEEK_PACK_ROWS);
			for (t = 0; t < at->n; t++)
				memcpy(inner_row(job, job->pair[at->first + t]) + row, g + t * DSEEK_PACK_ROWS, n * sizeof(*g));
		}
	}
}

static void out_groups(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct moe_job *job = arg;
	const struct cpu_tensor *down = job->op->t + 5;
	struct cpu_product_scratch *scratch = job->scratch + thread;
	uint32_t i, tile, t;

	for (i = first; i < last; i++) {
		const struct segment *s = job->segments + i / job->out_groups;
		uint32_t group = i % job->out_groups, row = group * DSEEK_PACK_ROWS, n = down->ne[1] - row;
		const uint8_t *rows = cpu_group(down, s->expert, group, scratch->group[0]);
		float *y = scratch->out[0];

		n = n < DSEEK_PACK_ROWS ? n : DSEEK_PACK_ROWS;
		for (tile = s->h_tile; tile < s->h_tile + s->h_tiles; tile++) {
			const struct cpu_tile *at = job->h.tile + tile;

			cpu_multiply(job->ctx, down, rows, &job->h, tile, y, scratch->columns);
			if (job->op->t[10].data)
				add_bias(job->op->t + 10, s->expert, row, n, y, at->n);
			for (t = 0; t < at->n; t++)
				memcpy(job->y + (uint64_t)job->pair[at->first + t] * down->ne[1] + row, y + t * DSEEK_PACK_ROWS,
				       n * sizeof(*y));
		}
	}
}

static void sum_tokens(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct moe_job *job = arg;
	uint32_t width = job->op->t[5].ne[1], t, j, i;

	for (t = first; t < last; t++) {
		const float *weights = cpu_at(job->op->t + 2, job->first_token + t, 0, 0);
		float *out = cpu_at(job->op->t + 6, job->first_token + t, 0, 0);

		for (j = 0; j < job->per_token; j++) {
			const float *y = job->y + (uint64_t)(t * job->per_token + j) * width;
			float weight = weights[j];

			if (!j)
				for (i = 0; i < width; i++)
					out[i] = weight * y[i];
			else
				for (i = 0; i < width; i++)
					out[i] += weight * y[i];
		}
	}
}

/* Read and check the chunk's ids, and sort its pairs by expert. */
static int sort_pairs(struct moe_job *job)
{
	const struct cpu_tensor *ids = job->op->t + 1, *x = job->op->t;
	uint32_t experts = job->op->t[5].ne[2], pairs = job->tokens * job->per_token, p, e;

	memset(job->start, 0, (experts + 1) * sizeof(*job->start));
	for (p = 0; p < pairs; p++) {
		const uint8_t *at = cpu_at(ids, job->first_token + p / job->per_token, 0, 0);
		int32_t id = ((const volatile int32_t *)at)[p % job->per_token];

		if (id < 0 || (uint32_t)id >= experts)
			return -ERANGE;
		job->ids[p] = id;
		job->start[id + 1]++;
	}
	for (e = 0; e < experts; e++)
		job->start[e + 1] += job->start[e];
	for (p = 0; p < pairs; p++) {
		uint32_t to = job->start[job->ids[p]]++;

		job->pair[to] = p;
		job->x_rows[to] = cpu_at(x, job->first_token + p / job->per_token, 0, 0);
		job->h_rows[to] = inner_row(job, p);
	}
	return 0;
}

static void make_segments(struct cpu_ctx *ctx, struct moe_job *job)
{
	uint32_t experts = job->op->t[5].ne[2], e, from;

	job->segment_count = job->x.count = job->h.count = 0;
	/* sorting has moved each start to its end */
	for (e = 0, from = 0; e < experts; from = job->start[e++]) {
		struct segment *s;

		if (job->start[e] == from)
			continue;
		s = job->segments + job->segment_count++;
		*s = (struct segment){ .expert = e, .first = from, .n = job->start[e] - from,
				       .x_tile = job->x.count, .h_tile = job->h.count };
		cpu_tiles_add(ctx, &job->x, s->first, s->n);
		cpu_tiles_add(ctx, &job->h, s->first, s->n);
		s->x_tiles = job->x.count - s->x_tile;
		s->h_tiles = job->h.count - s->h_tile;
	}
}

static void layout(struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct moe_job *job, uint32_t tokens, uint64_t group_bytes)
{
	const struct cpu_op *op = job->op;
	uint32_t experts = op->t[5].ne[2], pairs = tokens * job->per_token, segments = experts < pairs ? experts : pairs;
	enum cpu_tile_kind of_x = cpu_tile_kind(ctx, op, op->t[3].dtype), of_h = cpu_tile_kind(ctx, op, op->t[5].dtype);

	job->ids = cpu_take(alloc, pairs * sizeof(*job->ids));
	job->pair = cpu_take(alloc, pairs * sizeof(*job->pair));
	job->start = cpu_take(alloc, (experts + 1) * sizeof(*job->start));
	job->segments = cpu_take(alloc, segments * sizeof(*job->segments));
	job->x_rows = cpu_take(alloc, pairs * sizeof(*job->x_rows));
	job->h_rows = cpu_take(alloc, pairs * sizeof(*job->h_rows));
	job->y = cpu_take(alloc, (uint64_t)pairs * op->t[5].ne[1] * sizeof(*job->y));
	job->scratch = cpu_product_scratch(ctx, alloc, group_bytes);
	cpu_tiles_init(ctx, alloc, &job->x, of_x, op->t[3].ne[0], pairs / cpu_tiles_full(ctx, of_x) + segments, job->x_rows);
	cpu_tiles_init(ctx, alloc, &job->h, of_h, op->t[5].ne[0], pairs / cpu_tiles_full(ctx, of_h) + segments, job->h_rows);
}

static int run_chunk(struct cpu_ctx *ctx, struct moe_job *job)
{
	int ret = sort_pairs(job);

	if (ret)
		return ret;
	make_segments(ctx, job);
	ret = cpu_tiles_fill(ctx, &job->x);
	if (!ret)
		ret = cpu_pool_run(ctx->pool, job->segment_count * job->inner_groups, 0, inner_groups, job);
	if (!ret)
		ret = cpu_tiles_fill(ctx, &job->h);
	if (!ret)
		ret = cpu_pool_run(ctx->pool, job->segment_count * job->out_groups, 0, out_groups, job);
	return ret ? ret : cpu_pool_run(ctx->pool, job->tokens, job->tokens < 8 ? job->tokens : 0, sum_tokens, job);
}

int cpu_moe_ffn(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *gate = op->t + 3, *up = op->t + 4, *down = op->t + 5;
	struct moe_job job = { .ctx = ctx, .op = op, .per_token = op->t[1].ne[0] };
	struct cpu_alloc alloc = { 0 };
	uint64_t group_bytes, bytes;
	uint32_t chunk, t;
	int ret, i;

	if (!x->ne[1])
		return 0;
	/* gate and up share tiles; no experts a token, or rows that can't be packed, are for the oracle */
	if (!job.per_token || cpu_tile_kind(ctx, op, gate->dtype) != cpu_tile_kind(ctx, op, up->dtype))
		return -ENOTSUP;
	for (i = 3, group_bytes = 0; i < 6; i++) {
		if (!cpu_product_possible(op->t + i))
			return -ENOTSUP;
		bytes = op->t[i].layout == DSEEK_LAYOUT_ROWS ? cpu_group_bytes(op->t + i) : 0;
		group_bytes = bytes > group_bytes ? bytes : group_bytes;
	}
	job.inner_groups = (gate->ne[1] + DSEEK_PACK_ROWS - 1) / DSEEK_PACK_ROWS;
	job.out_groups = (down->ne[1] + DSEEK_PACK_ROWS - 1) / DSEEK_PACK_ROWS;
	bytes = OUT_BYTES / ((uint64_t)job.per_token * down->ne[1] * sizeof(float));
	chunk = bytes < 64 ? 64 : bytes > 1024 ? 1024 : bytes;
	chunk = chunk < x->ne[1] ? chunk : x->ne[1];
	layout(ctx, &alloc, &job, chunk, group_bytes);
	ret = cpu_arena(ctx, alloc.used, &alloc);
	if (ret)
		return ret;
	layout(ctx, &alloc, &job, chunk, group_bytes);
	for (t = 0; t < x->ne[1] && !ret; t += chunk) {
		job.first_token = t;
		job.tokens = x->ne[1] - t < chunk ? x->ne[1] - t : chunk;
		ret = run_chunk(ctx, &job);
	}
	return ret;
}
