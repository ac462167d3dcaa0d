// SPDX-License-Identifier: MIT
/*
 * ATTENTION: pieces of up to 16 queries that share a KV head (tokens times the heads of a group), for a
 * chunk of the slots. Few tokens: the slots are cut into chunks, which are merged afterwards. How it is cut
 * depends on the op alone, not on the threads.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "fast.h"

#define LEAST_PIECES	32	/* with fewer, slots are cut into chunks */
#define CHUNK_SLOTS	128
#define MOST_CHUNKS	64

struct attention_job {
	const struct cpu_ctx *ctx;
	const struct cpu_op *op;
	uint32_t group;			/* query heads of a KV head */
	uint32_t lanes_heads;		/* of them, heads in a piece */
	uint32_t head_parts;
	uint32_t lanes_tokens;		/* tokens in a piece */
	uint32_t pieces;
	uint32_t chunks, chunk_slots;
	int32_t first;			/* of the slots that any token sees */
	int32_t *positions;
	float *parts;			/* [token tile][KV head][head part][chunk] */
	struct attention_scratch {
		float *q, *kernel;
	} *scratch;			/* of each thread */
};

struct lane {
	uint32_t token, head;
};

static int lanes_of(const struct attention_job *job, uint32_t piece, struct lane *lanes, uint32_t *ret_kv_head)
{
	uint32_t part = piece % job->head_parts, kv_head = piece / job->head_parts % job->op->t[1].ne[1];
	uint32_t token = piece / job->head_parts / job->op->t[1].ne[1] * job->lanes_tokens, t, h;
	int n = 0;

	for (t = token; t < token + job->lanes_tokens && t < job->op->t[0].ne[2]; t++)
		for (h = part * job->lanes_heads; h < (part + 1) * job->lanes_heads && h < job->group; h++)
			lanes[n++] = (struct lane){ t, kv_head * job->group + h };
	*ret_kv_head = kv_head;
	return n;
}

static void merge(const struct attention_job *job, uint32_t piece)
{
	const struct cpu_tensor *v = job->op->t + 2, *out = job->op->t + 4, *sinks = job->op->t + 5;
	uint64_t floats = cpu_attend_floats(v->ne[0]);
	float *parts = job->parts + piece * job->chunks * floats, sink[CPU_ATTEND_QUERIES];
	struct lane lanes[CPU_ATTEND_QUERIES];
	uint32_t kv_head, d;
	int n = lanes_of(job, piece, lanes, &kv_head), i;

	for (i = 0; i < CPU_ATTEND_QUERIES; i++)
		sink[i] = i < n && sinks->data ? ((const float *)sinks->data)[lanes[i].head] : -INFINITY;
	job->ctx->kernels->attend_merge(parts, job->chunks, sink, v->ne[0]);
	for (i = 0; i < n; i++) {
		const float *acc = parts + 2 * CPU_ATTEND_QUERIES + i;
		float *dst = cpu_at(out, lanes[i].head, lanes[i].token, 0);

		for (d = 0; d < v->ne[0]; d++)
			dst[d] = acc[d * CPU_ATTEND_QUERIES];
	}
}

static void attend_piece(const struct attention_job *job, uint32_t piece, uint32_t chunk, struct attention_scratch *scratch)
{
	const struct cpu_tensor *q = job->op->t, *k = job->op->t + 1, *v = job->op->t + 2;
	int32_t first[CPU_ATTEND_QUERIES], last[CPU_ATTEND_QUERIES], window = job->op->i[0];
	float *part = job->parts + ((uint64_t)piece * job->chunks + chunk) * cpu_attend_floats(v->ne[0]);
	struct lane lanes[CPU_ATTEND_QUERIES];
	struct cpu_attend a;
	uint32_t kv_head, d;
	int n = lanes_of(job, piece, lanes, &kv_head), i;

	a = (struct cpu_attend){
		.k_stride = k->stride[2], .v_stride = v->stride[2], .k_dtype = k->dtype, .v_dtype = v->dtype,
		.dk = k->ne[0], .dv = v->ne[0], .slots = job->op->flags & DSEEK_OPF_RING ? (int32_t)k->ne[2] : INT32_MAX,
		.begin = INT32_MAX, .first = first, .last = last, .q = scratch->q,
		.scale = job->op->f[0], .softcap = job->op->f[1], .scratch = scratch->kernel,
		.max = part, .sum = part + CPU_ATTEND_QUERIES, .acc = part + 2 * CPU_ATTEND_QUERIES,
	};
	a.k = cpu_at(k, kv_head, 0, 0);
	a.v = cpu_at(v, kv_head, 0, 0);
	a.shared = a.v == a.k && a.v_stride == a.k_stride && a.v_dtype == a.k_dtype && a.dv <= a.dk;
	if (n <= CPU_ATTEND_FEW && k->dtype == v->dtype && k->ne[0] % 16 == 0 && v->ne[0] % 16 == 0)
		a.few = n;
	if (!a.few && n < CPU_ATTEND_QUERIES)
		memset(scratch->q, 0, k->ne[0] * CPU_ATTEND_QUERIES * sizeof(float));
	for (i = 0; i < n; i++) {
		const float *src = cpu_at(q, lanes[i].head, lanes[i].token, 0);

		last[i] = job->positions[lanes[i].token];
		first[i] = window > 0 && last[i] >= window ? last[i] - window + 1 : 0;
		a.begin = first[i] < a.begin ? first[i] : a.begin;
		a.end = last[i] + 1 > a.end ? last[i] + 1 : a.end;
		if (a.few)
			memcpy(scratch->q + i * k->ne[0], src, k->ne[0] * sizeof(*src));
		for (d = 0; d < k->ne[0] && !a.few; d++)
			scratch->q[d * CPU_ATTEND_QUERIES + i] = src[d];
	}
	for (; i < CPU_ATTEND_QUERIES; i++) {
		first[i] = 0;
		last[i] = -1;
	}
	if (job->chunks > 1) {
		int32_t begin = job->first + chunk * job->chunk_slots, end = begin + job->chunk_slots;

		a.begin = a.begin > begin ? a.begin : begin;
		a.end = a.end < end ? a.end : end;
	}
	if (a.few)
		job->ctx->kernels->attend_few(&a);
	else
		job->ctx->kernels->attend(&a);
	if (job->chunks == 1)
		merge(job, piece);
}

/* A chunk of slots for all pieces before the next: those of one KV head's queries find its rows in the cache. */
static void attend_pieces(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct attention_job *job = arg;
	uint32_t i;

	for (i = first; i < last; i++)
		attend_piece(job, i % job->pieces, i / job->pieces, job->scratch + thread);
}

static void layout(const struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct attention_job *job)
{
	uint32_t dk = job->op->t[1].ne[0], dv = job->op->t[2].ne[0], threads = cpu_pool_threads(ctx->pool), n;

	job->parts = cpu_take(alloc, job->pieces * job->chunks * cpu_attend_floats(dv) * sizeof(float));
	job->scratch = cpu_take(alloc, threads * sizeof(*job->scratch));
	for (n = 0; n < threads; n++) {
		float *q = cpu_take(alloc, dk * CPU_ATTEND_QUERIES * sizeof(float));
		float *kernel = cpu_take(alloc, cpu_attend_scratch(dk, dv) * sizeof(float));

		if (job->scratch)
			job->scratch[n] = (struct attention_scratch){ q, kernel };
	}
}

int cpu_attention(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	const struct cpu_tensor *q = op->t, *k = op->t + 1;
	struct attention_job job = { .ctx = ctx, .op = op, .chunks = 1 };
	uint32_t tokens = q->ne[2], limit = cpu_positions(op, k), window = op->i[0], t;
	struct cpu_alloc alloc = { 0 };
	int32_t least = INT32_MAX, most = 0;
	int ret;

	if (!tokens)
		return 0;
	job.group = q->ne[1] / k->ne[1];
	job.head_parts = (job.group + CPU_ATTEND_QUERIES - 1) / CPU_ATTEND_QUERIES;
	job.lanes_heads = job.group < CPU_ATTEND_QUERIES ? job.group : CPU_ATTEND_QUERIES;
	job.lanes_tokens = CPU_ATTEND_QUERIES / job.lanes_heads;
	job.pieces = (tokens + job.lanes_tokens - 1) / job.lanes_tokens * k->ne[1] * job.head_parts;
	if (job.pieces < LEAST_PIECES) {
		/* by the window or the capacity, not by the positions, which are not looked at yet */
		uint64_t seen = window && window - 1ul + tokens < limit ? window - 1ul + tokens : limit;
		uint64_t chunks = (seen + CHUNK_SLOTS - 1) / CHUNK_SLOTS;

		job.chunks = chunks < MOST_CHUNKS ? chunks : MOST_CHUNKS;
	}
	cpu_take(&alloc, tokens * sizeof(*job.positions));
	layout(ctx, &alloc, &job);
	ret = cpu_arena(ctx, alloc.used, &alloc);
	if (ret)
		return ret;
	job.positions = cpu_take(&alloc, tokens * sizeof(*job.positions));
	for (t = 0; t < tokens; t++) {
		int32_t position = cpu_index(op->t + 3, t);

		if (position < 0 || (uint32_t)position >= limit)
			return -ERANGE;
		job.positions[t] = position;
		most = position > most ? position : most;
		least = position < least ? position : least;
	}
	job.first = window && (uint32_t)least >= window ? least - (int32_t)window + 1 : 0;
	/* Positions of no one run, as a tenant may write them: pieces would go through all that lies between. */
	if (op->flags & DSEEK_OPF_RING && most - job.first >= (int32_t)k->ne[2])
		return -ENOTSUP;
	if (job.chunks > 1) {
		uint32_t slots = most - job.first + 1;

		job.chunk_slots = (slots + job.chunks - 1) / job.chunks;
		job.chunk_slots = (job.chunk_slots + CPU_ATTEND_SLOTS - 1) / CPU_ATTEND_SLOTS * CPU_ATTEND_SLOTS;
		if (job.chunk_slots < CHUNK_SLOTS)
			job.chunk_slots = CHUNK_SLOTS;
		job.chunks = (slots + job.chunk_slots - 1) / job.chunk_slots;
	}
	layout(ctx, &alloc, &job);
	ret = cpu_pool_run(ctx->pool, job.pieces * job.chunks,
			   tokens * (most - job.first + 1ul) * q->ne[1] < 256 ? job.pieces * job.chunks : 1, attend_pieces, &job);
	for (t = 0; !ret && job.chunks > 1 && t < job.pieces; t++)
		merge(&job, t);
	return ret;
}
