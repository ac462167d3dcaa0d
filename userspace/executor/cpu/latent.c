// SPDX-License-Identifier: MIT
/*
 * LATENT_ATTENTION (latent.h). Expanded, an item of work is a head and a run of queries: block after block of positions, keys and values
 * of the head are made of the latents once, and then all the run's queries attend to them. Where blocks begin depends on the positions alone, so
 * how queries are cut into runs, which depends on the number of threads, changes no bit.
 */
#include "latent.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BLOCK		CPU_LATENT_BLOCK
#define QUERIES		CPU_ATTEND_QUERIES
#define LEAST_RUN	64	/* shorter ones would make the same keys too often */

struct latent_job {
	struct cpu_ctx *ctx;
	const struct cpu_op *op;
	struct cpu_latent_shape shape;
	bool needs[CPU_TILE_KINDS];
	uint32_t run, runs;
	int32_t *first, *last;		/* of each token, what it sees */
	struct cpu_product_scratch *product;
	struct latent_scratch {
		float *keys, *values;	/* [BLOCK][P + R], [BLOCK][M] */
		float *rows;		/* [QUERIES] of the cache */
		const float **row;	/* [BLOCK] */
		struct cpu_tiles tiles[CPU_TILE_KINDS];	/* as far as needed */
		float *q, *parts;	/* of each 16 queries: [P + R][16]; cpu_attend_floats() */
		float *scores;
	} *scratch;			/* of each thread */
};

static uint32_t weight_of(const struct cpu_ctx *ctx, const struct cpu_op *op, const struct cpu_tensor *w)
{
	return cpu_tile_kind(ctx, op, w->dtype) == CPU_TILE_Q8 ? CPU_LATENT_Q8 : 1;
}

void cpu_latent_shape(const struct cpu_ctx *ctx, const struct cpu_op *op, struct cpu_latent_shape *ret_shape)
{
	*ret_shape = (struct cpu_latent_shape){
		.rank = op->t[2].ne[1], .plain = op->t[2].ne[0], .rotated = op->t[0].ne[0] - op->t[2].ne[0], .value = op->t[3].ne[1],
		.w_k = weight_of(ctx, op, op->t + 2), .w_t = weight_of(ctx, op, op->t + 6), .w_v = weight_of(ctx, op, op->t + 3),
	};
}

struct cpu_latent_work cpu_latent_work(const struct cpu_latent_shape *s, uint64_t pairs, uint64_t queries, uint64_t positions)
{
	uint64_t k = (uint64_t)s->rank * s->plain, v = (uint64_t)s->rank * s->value, runs = (queries + CPU_LATENT_RUN - 1) / CPU_LATENT_RUN;

	return (struct cpu_latent_work){
		.absorbed = pairs * (2ull * s->rank + s->rotated) + queries * (k / s->w_k + v / s->w_v),
		.expanded = pairs * ((uint64_t)s->plain + s->rotated + s->value) + positions * runs * (k / s->w_t + v / s->w_v),
	};
}

static int absorbed(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	struct cpu_op part;
	int i, ret = 0;

	for (i = 0; i < CPU_LATENT_PARTS && !ret; i++) {
		cpu_latent_part(op, i, &part);
		ret = cpu_op_fast(ctx, &part);
	}
	return ret;
}

static void layout(struct cpu_alloc *alloc, struct latent_job *job)
{
	const struct cpu_latent_shape *s = &job->shape;
	uint32_t threads = cpu_pool_threads(job->ctx->pool), key = s->plain + s->rotated, tiles = (job->run + QUERIES - 1) / QUERIES, n;
	uint64_t k = cpu_group_bytes(job->op->t + 6), v = cpu_group_bytes(job->op->t + 3);
	int kind;

	job->first = cpu_take(alloc, job->op->t[0].ne[2] * sizeof(*job->first));
	job->last = cpu_take(alloc, job->op->t[0].ne[2] * sizeof(*job->last));
	job->product = cpu_product_scratch(job->ctx, alloc, k > v ? k : v);
	job->scratch = cpu_take(alloc, threads * sizeof(*job->scratch));
	for (n = 0; n < threads; n++) {
		struct latent_scratch t = {
			.keys = cpu_take(alloc, (BLOCK + 7ull) * key * sizeof(float)),
			.values = cpu_take(alloc, (uint64_t)BLOCK * s->value * sizeof(float)),
			.rows = cpu_take(alloc, (uint64_t)QUERIES * (s->rank + s->rotated) * sizeof(float)),
			.row = cpu_take(alloc, BLOCK * sizeof(float *)),
			.q = cpu_take(alloc, (uint64_t)tiles * key * QUERIES * sizeof(float)),
			.parts = cpu_take(alloc, tiles * cpu_attend_floats(s->value) * sizeof(float)),
			.scores = cpu_take(alloc, CPU_ATTEND_SCORES * sizeof(float)),
		};

		for (kind = 0; kind < CPU_TILE_KINDS; kind++)
			if (job->needs[kind])
				cpu_tiles_init(job->ctx, alloc, t.tiles + kind, kind, s->rank, BLOCK / cpu_tiles_full(job->ctx, kind) + 1, t.row);
		if (job->scratch)
			job->scratch[n] = t;
	}
}

/* ---- an item */

/* Head @head's rows of @w for all latents in the tiles, to @dst, @stride floats apart. */
static void expand(const struct latent_job *job, const struct cpu_tensor *w, uint32_t head, const struct latent_scratch *t,
		   struct cpu_product_scratch *product, float *dst, uint32_t stride)
{
	const struct cpu_tiles *tiles = t->tiles + cpu_tile_kind(job->ctx, job->op, w->dtype);
	uint32_t row, n, i, j;

	for (row = 0; row < w->ne[1]; row += DSEEK_PACK_ROWS) {
		const uint8_t *group = cpu_group(w, head, row / DSEEK_PACK_ROWS, product->group[0]);

		n = w->ne[1] - row < DSEEK_PACK_ROWS ? w->ne[1] - row : DSEEK_PACK_ROWS;
		for (i = 0; i < tiles->count; i++) {
			const struct cpu_tile *tile = tiles->tile + i;

			cpu_multiply(job->ctx, w, group, tiles, i, product->out[0], product->columns);
			for (j = 0; j < tile->n; j++)
				memcpy(dst + (uint64_t)(tile->first + j) * stride + row, product->out[0] + j * DSEEK_PACK_ROWS, n * sizeof(*dst));
		}
	}
}

/* Keys and values of positions [first, first + n). */
static void make_block(const struct latent_job *job, uint32_t head, int32_t first, uint32_t n, struct latent_scratch *t,
		       struct cpu_product_scratch *product, float *keys, float *values)
{
	const struct cpu_latent_shape *s = &job->shape;
	const struct cpu_tensor *rows = job->op->t + 1;
	uint32_t key = s->plain + s->rotated, done, take, j, i;
	int kind;

	for (kind = 0; kind < CPU_TILE_KINDS; kind++)
		t->tiles[kind].count = 0;
	for (done = 0; done < n; done += take) {
		take = n - done < QUERIES ? n - done : QUERIES;
		for (j = 0; j < take; j++) {
			float *row = t->rows + (uint64_t)j * rows->ne[0];

			job->ctx->kernels->to_f32(rows->dtype, cpu_at(rows, 0, first + done + j, 0), rows->ne[0], row);
			memcpy(keys + (uint64_t)(done + j) * key + s->plain, row + s->rank, s->rotated * sizeof(*row));
			t->row[done + j] = row;
		}
		for (kind = 0; kind < CPU_TILE_KINDS; kind++) {
			i = t->tiles[kind].count;
			if (job->needs[kind])
				cpu_tiles_add(job->ctx, t->tiles + kind, done, take);
			for (; i < t->tiles[kind].count; i++)
				cpu_tiles_fill_one(job->ctx, t->tiles + kind, i);
		}
	}
	expand(job, job->op->t + 6, head, t, product, keys, key);
	expand(job, job->op->t + 3, head, t, product, values, s->value);
}

/* Queries [token, token + n) of the run that begins at @from, in tile order. */
static void take_queries(const struct latent_job *job, uint32_t head, uint32_t from, uint32_t to, struct latent_scratch *t)
{
	const struct cpu_tensor *q = job->op->t;
	uint32_t token, d;

	for (token = from; token < to; token++) {
		float *dst = t->q + (uint64_t)(token - from) / QUERIES * q->ne[0] * QUERIES + (token - from) % QUERIES;
		const float *src = cpu_at(q, head, token, 0);

		for (d = 0; d < q->ne[0]; d++)
			dst[d * QUERIES] = src[d];
	}
	for (; (token - from) % QUERIES; token++)	/* lanes without a query */
		for (d = 0; d < q->ne[0]; d++)
			t->q[((uint64_t)(token - from) / QUERIES * q->ne[0] + d) * QUERIES + (token - from) % QUERIES] = 0;
}

/* All queries attend to the block of positions [lo, hi), as far as they see it. */
static void attend_block(const struct latent_job *job, uint32_t from, uint32_t to, int32_t lo, int32_t hi, const struct latent_scratch *t)
{
	const struct cpu_latent_shape *s = &job->shape;
	uint64_t floats = cpu_attend_floats(s->value);
	uint32_t token, i;

	for (token = from; token < to; token += QUERIES) {
		float *part = t->parts + (uint64_t)(token - from) / QUERIES * floats;
		int32_t first[QUERIES], last[QUERIES], begin = INT32_MAX, end = 0;
		struct cpu_attend a = {
			.k = (const uint8_t *)t->keys, .v = (const uint8_t *)t->values, .dk = s->plain + s->rotated, .dv = s->value,
			.slots = BLOCK, .plain = true, .more = true, .first = first, .last = last,
			.q = t->q + (uint64_t)(token - from) / QUERIES * (s->plain + s->rotated) * QUERIES,
			.scale = job->op->f[0], .scratch = t->scores,
			.max = part, .sum = part + QUERIES, .acc = part + 2 * QUERIES,
		};

		for (i = 0; i < QUERIES; i++) {
			first[i] = token + i < to ? job->first[token + i] : 0;
			last[i] = token + i < to ? job->last[token + i] : -1;
			if (token + i < to) {
				begin = first[i] < begin ? first[i] : begin;
				end = last[i] + 1 > end ? last[i] + 1 : end;
			}
		}
		a.begin = begin > lo ? begin : lo;
		a.end = end < hi ? end : hi;
		if (a.begin < a.end)
			job->ctx->kernels->attend(&a);
	}
}

static void finish(const struct latent_job *job, uint32_t head, uint32_t from, uint32_t to, const struct latent_scratch *t)
{
	const struct cpu_tensor *out = job->op->t + 5;
	uint64_t floats = cpu_attend_floats(out->ne[0]);
	float none[QUERIES];
	uint32_t token, d, i;

	for (i = 0; i < QUERIES; i++)
		none[i] = -INFINITY;
	for (token = from; token < to; token++) {
		float *part = t->parts + (uint64_t)(token - from) / QUERIES * floats, *dst = cpu_at(out, head, token, 0);

		i = (token - from) % QUERIES;
		if (!i)
			job->ctx->kernels->attend_merge(part, 1, none, out->ne[0]);
		for (d = 0; d < out->ne[0]; d++)
			dst[d] = part[(2 + d) * QUERIES + i];
	}
}

static void items(void *arg, uint32_t first_item, uint32_t last_item, unsigned int thread)
{
	const struct latent_job *job = arg;
	const struct cpu_latent_shape *s = &job->shape;
	struct latent_scratch *t = job->scratch + thread;
	uint32_t heads = job->op->t[0].ne[1], tokens = job->op->t[0].ne[2], item, i;
	uint64_t floats = cpu_attend_floats(s->value), p;

	for (item = first_item; item < last_item; item++) {
		uint32_t head = item % heads, from = item / heads * job->run, to = tokens - from < job->run ? tokens : from + job->run;
		int32_t begin = INT32_MAX, end = 0, block;

		for (i = from; i < to; i++) {
			begin = job->first[i] < begin ? job->first[i] : begin;
			end = job->last[i] >= end ? job->last[i] + 1 : end;
		}
		take_queries(job, head, from, to, t);
		memset(t->parts, 0, (uint64_t)((to - from + QUERIES - 1) / QUERIES) * floats * sizeof(float));
		for (i = 0; i < to - from; i += QUERIES)
			for (p = 0; p < QUERIES; p++)
				t->parts[i / QUERIES * floats + p] = -1e30f;	/* as attend() begins */
		for (block = begin / BLOCK * BLOCK; block < end; block += BLOCK) {
			int32_t lo = block > begin ? block : begin, hi = end - block < BLOCK ? end : block + BLOCK;

			make_block(job, head, lo, hi - lo, t, job->product + thread, t->keys + (uint64_t)(lo - block) * (s->plain + s->rotated),
				   t->values + (uint64_t)(lo - block) * s->value);
			attend_block(job, from, to, lo, hi, t);
			if (cpu_pool_look(job->ctx->pool, thread))
				return;
		}
		finish(job, head, from, to, t);
	}
}

/* ---- the op */

/* As many queries a run as still give every thread two items. */
static uint32_t run_length(struct cpu_ctx *ctx, uint32_t heads, uint32_t tokens)
{
	uint32_t runs = (2 * cpu_pool_threads(ctx->pool) + heads - 1) / heads, run = (tokens + runs - 1) / runs;

	run = run < LEAST_RUN ? LEAST_RUN : run > CPU_LATENT_RUN ? CPU_LATENT_RUN : run;
	run = (run + QUERIES - 1) / QUERIES * QUERIES;
	return run < tokens ? run : tokens;
}

static void job_init(struct cpu_ctx *ctx, const struct cpu_op *op, struct latent_job *job)
{
	*job = (struct latent_job){ .ctx = ctx, .op = op };
	cpu_latent_shape(ctx, op, &job->shape);
	job->needs[cpu_tile_kind(ctx, op, op->t[3].dtype)] = job->needs[cpu_tile_kind(ctx, op, op->t[6].dtype)] = true;
	job->run = run_length(ctx, op->t[0].ne[1], op->t[0].ne[2]);
	job->runs = (op->t[0].ne[2] + job->run - 1) / job->run;
}

uint64_t cpu_latent_bytes(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	struct cpu_alloc alloc = { 0 };
	struct latent_job job;

	job_init(ctx, op, &job);
	layout(&alloc, &job);
	return alloc.used;
}

/* What all tokens see: read once, for the tenant may change it. */
static int read_positions(const struct latent_job *job, uint64_t *ret_pairs, uint64_t *ret_positions)
{
	uint32_t tokens = job->op->t[0].ne[2], window = job->op->i[0], t;
	int32_t begin = INT32_MAX, end = 0;

	*ret_pairs = 0;
	for (t = 0; t < tokens; t++) {
		int32_t position = cpu_index(job->op->t + 4, t);

		if (position < 0 || (uint32_t)position >= job->op->t[1].ne[2])
			return -ERANGE;
		job->last[t] = position;
		job->first[t] = window && (uint32_t)position >= window ? position - (int32_t)window + 1 : 0;
		*ret_pairs += position - job->first[t] + 1;
		begin = job->first[t] < begin ? job->first[t] : begin;
		end = position >= end ? position + 1 : end;
	}
	*ret_positions = end - begin;
	return 0;
}

int cpu_latent_attention(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	uint64_t pairs = 0, positions = 0;
	struct cpu_alloc alloc = { 0 };
	struct cpu_latent_work work;
	struct latent_job job;
	int ret;

	if (!op->t[0].ne[2])
		return 0;
	if (ctx->latent == CPU_LATENT_ABSORBED || !cpu_product_possible(op->t + 3) || !cpu_product_possible(op->t + 6))
		return absorbed(ctx, op);
	job_init(ctx, op, &job);
	layout(&alloc, &job);
	ret = cpu_arena(ctx, alloc.used, &alloc);
	if (ret)
		return ret;
	layout(&alloc, &job);
	ret = read_positions(&job, &pairs, &positions);
	if (ret)
		return ret;
	work = cpu_latent_work(&job.shape, pairs, op->t[0].ne[2], positions);
	if (ctx->latent == CPU_LATENT_AUTO && work.absorbed <= work.expanded)
		return absorbed(ctx, op);
	return cpu_pool_run(ctx->pool, op->t[0].ne[1] * job.runs, 1, items, &job);
}
