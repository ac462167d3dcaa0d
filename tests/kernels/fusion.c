/* SPDX-License-Identifier: MIT */
/*
 * What fusion and tiling save, by counters: a layer of a llama-like and of a mixtral-like model as launches of kernels, once with the fused
 * ones, once each step by itself through memory. Launches are counted where they are made; bytes are what the harness saw, each byte of a buffer once a
 * launch, loaded and stored; scratch is the most that buffers have at a time which are neither weights, cache, nor the residual stream, from the
 * launch that first has one to the last. Both ways give the same layer. Scratch of models of real size comes from the same lists, not run.
 *
 * A fused layer is also run by the kernels with matrix instructions that the hip backend prefers (dense_mma.c, slots_mma.c). Those touch the same
 * bytes, less often: loads are counted, of buffers and of LDS.
 *
 * The hip backend fuses gate, up and GLU, attention, the residual sum of dense layers and, of one token, a MoE layer's weighted sum; it launches three
 * products for q, k and v, whose weights lie apart, and quantises nothing: 13 and 16 launches a layer, 19 where experts are grouped
 * (tests/hip/launches.c). What grouping saves there is counted, too.
 */
#include "ktest.h"

#define MAX_BUFFERS	40
#define MAX_STEPS	40

struct shape {
	const char *name;
	int embd, heads, kv_heads, head, ff, experts, used;	/* experts 0: dense */
};

enum kind { WEIGHT, STATE, SCRATCH };

struct buffer {
	const char *name;
	enum kind kind;
	size_t size;
	void *data;		/* NULL in a layer that isn't run */
	int first, last;	/* launches */
};

struct layer {
	const struct device *d;	/* NULL: not run */
	const struct shape *s;
	int tokens, context;	/* after @context tokens */
	int fused;
	int matrix;		/* products, GLU and attention by matrix instructions */
	struct buffer buffers[MAX_BUFFERS];
	int n_buffers, launches, failed;
	uint64_t loads;
	uint64_t loaded, stored, attention;	/* attention: bytes both ways, of scores, softmax and values alone */
	int lds;
};

/* An operand: a buffer, from an offset on. */
struct use {
	struct buffer *b;
	size_t offset;
	enum simt_access access;
};

#define USE_IN(b)	{ b, 0, SIMT_IN }
#define USE_OUT(b)	{ b, 0, SIMT_OUT }
#define USE_INOUT(b)	{ b, 0, SIMT_INOUT }
#define USE_AT(b, at, a) { b, at, a }
#define USE_NONE	{ NULL, 0, SIMT_IN }

static struct buffer *buffer(struct layer *l, const char *name, enum kind kind, size_t size)
{
	struct buffer *b = &l->buffers[l->n_buffers++];

	*b = (struct buffer){ .name = name, .kind = kind, .size = size, .first = -1 };
	if (l->d) {
		b->data = malloc(size);
		memset(b->data, 0, size);
	}
	return b;
}

/* The same numbers for both ways: by name. */
static void fill(struct buffer *b, int type, float range)
{
	uint64_t seed = 0;
	size_t n = b->size / type_size(type);
	float *f;
	void *rounded;

	if (!b->data)
		return;
	for (const char *c = b->name; *c; c++)
		seed = seed * 131 + (unsigned char)*c;
	f = malloc(n * sizeof(*f));
	for (size_t i = 0; i < n; i++)
		f[i] = range * (2 * (float)(splitmix64(&seed) >> 40) * 0x1p-24f - 1);
	rounded = typed(f, n, type);
	memcpy(b->data, rounded, n * type_size(type));
	free(f);
	free(rounded);
}

static struct buffer *weight(struct layer *l, const char *name, int rows, int k, int type)
{
	struct buffer *b = buffer(l, name, WEIGHT, (size_t)rows * (size_t)k * type_size(type));

	fill(b, type, 2 / sqrtf((float)k));
	return b;
}

static struct buffer *scratch(struct layer *l, const char *name, size_t rows, size_t n, size_t element)
{
	return buffer(l, name, SCRATCH, rows * n * element);
}

static void launch(struct layer *l, const char *kernel, unsigned int x, unsigned int y, const void *params, size_t params_size, const struct use *uses,
		   unsigned int n)
{
	static const struct kernel_info separate[] = {
		{ "separate", "separate_scores", 64, 4, sizeof(struct dsk_slot_attend_params) },
		{ "separate", "separate_softmax", 64, 1, sizeof(struct dsk_slot_attend_params) },
		{ "separate", "separate_values", 64, 4, sizeof(struct dsk_slot_attend_params) },
	};
	struct simt_launch s = { .grid = { x, y, 1 }, .n_buffers = n, .params = params, .params_size = params_size };
	char err[2048];
	int rc;

	for (unsigned int i = 0; i < n; i++) {
		struct buffer *b = uses[i].b;

		if (!b)
			continue;
		if (b->first < 0)
			b->first = l->launches;
		b->last = l->launches;
		s.buffers[i] = (struct simt_buffer){ (char *)b->data + uses[i].offset, b->size - uses[i].offset, uses[i].access };
	}
	l->launches++;
	if (!l->d || l->failed)
		return;
	rc = -2;
	for (size_t i = 0; i < sizeof(separate) / sizeof(*separate); i++)
		if (!strcmp(kernel, separate[i].name)) {
			s.lanes = separate[i].lanes;
			rc = l->d->run(l->d, &separate[i], &s, err, sizeof(err));
		}
	if (rc == -2)
		rc = device_run(l->d, kernel, &s, err, sizeof(err));
	if (rc) {
		printf("# %s: %s\n", kernel, err);
		l->failed = 1;
		return;
	}
	l->loads += device_simt_report.loads;
	l->loaded += device_simt_report.bytes_loaded;
	l->stored += device_simt_report.bytes_stored;
	l->lds = (int)device_simt_report.lds_bytes > l->lds ? (int)device_simt_report.lds_bytes : l->lds;
}

#define LAUNCH(l, kernel, x, y, p, ...)	launch(l, kernel, (unsigned int)(x), (unsigned int)(y), &(p), sizeof(p), (const struct use[]){ __VA_ARGS__ }, \
					       sizeof((const struct use[]){ __VA_ARGS__ }) / sizeof(struct use))

/* ---- steps */

static void norm(struct layer *l, struct buffer *x, struct buffer *w, struct buffer *y)
{
	const struct dsk_norm_params p = { .n = l->s->embd, .x_stride = l->s->embd, .y_stride = l->s->embd, .x_type = DSK_F32, .y_type = DSK_F32,
					   .flags = DSK_NORM_WEIGHT, .act = DSK_ACT_NONE, .eps = 1e-5f };

	LAUNCH(l, "dsk_norm", l->tokens, 1, p, USE_OUT(y), USE_NONE, USE_IN(x), USE_IN(w), USE_NONE);
}

/* The launch of a dense layer: plain, or as hip_op_dense.c has it; @wave_rows: of a wave with matrix instructions. */
static void dense_launch(struct layer *l, const char *kernel, int rows, int wave_rows, const void *params, size_t params_size, const struct use *uses)
{
	int few = l->tokens <= DSK_DENSE_FEW, most = few ? DSK_DENSE_FEW : DSK_DENSE_MANY;
	int columns = l->d ? wave_rows * DSK_DENSE_LANES / (int)l->d->wave : 64;
	char name[40];

	snprintf(name, sizeof(name), "%s%s", kernel, !l->matrix ? "" : few ? "_few" : "_many");
	if (l->matrix)
		launch(l, name, (unsigned int)((rows + columns - 1) / columns), (unsigned int)((l->tokens + most - 1) / most), params, params_size, uses, 4);
	else
		launch(l, name, (unsigned int)(rows + 63) / 64, (unsigned int)l->tokens, params, params_size, uses, 4);
}

/* y = W x, or added to it */
static void linear(struct layer *l, struct buffer *x, struct buffer *w, int rows, int k, struct buffer *y, int add)
{
	const struct dsk_linear_params p = { .w = { DSK_W_F16, 0, k, 2 * k }, .rows = rows, .x_stride = k, .y_stride = rows,
					     .flags = add ? DSK_LINEAR_ACCUMULATE : 0, .tokens = l->tokens };

	dense_launch(l, "dsk_linear", rows, 32, &p, sizeof(p),
		     (const struct use[]){ USE_AT(y, 0, add ? SIMT_INOUT : SIMT_OUT), USE_IN(x), USE_IN(w), USE_NONE });
}

static void add(struct layer *l, struct buffer *x, struct buffer *y)
{
	const struct dsk_elementwise_params p = { .op = DSK_ADD, .a_type = DSK_F32, .out_type = DSK_F32, .n = l->s->embd, .ne1 = l->tokens, .ne2 = 1,
						  .a_stride = { l->s->embd }, .b_stride = { l->s->embd }, .out_stride = { l->s->embd } };

	LAUNCH(l, "dsk_elementwise", l->tokens, 1, p, USE_INOUT(x), USE_IN(x), USE_IN(y));
}

/* A product that goes to the residual stream. */
static void into(struct layer *l, struct buffer *from, struct buffer *w, int k, struct buffer *x)
{
	struct buffer *y;

	if (l->fused) {
		linear(l, from, w, l->s->embd, k, x, 1);
		return;
	}
	y = scratch(l, "product", (size_t)l->tokens, (size_t)l->s->embd, 4);
	linear(l, from, w, l->s->embd, k, y, 0);
	add(l, x, y);
}

static void rope(struct layer *l, struct buffer *x, size_t offset, int heads, int stride, struct buffer *positions, struct buffer *turns)
{
	const struct dsk_rope_params p = { .heads = heads, .head_stride = l->s->head, .token_stride = stride, .n = l->s->head, .order = DSK_ROPE_NEOX,
					   .type = DSK_F32, .scale = 1 };

	LAUNCH(l, "dsk_rope", (heads * l->s->head / 2 + 255) / 256, l->tokens, p, USE_AT(x, offset, SIMT_INOUT), USE_IN(positions), USE_IN(turns));
}

static void store(struct layer *l, struct buffer *x, size_t offset, int stride, struct buffer *cache, struct buffer *positions, struct buffer *fault)
{
	int slots = l->context + l->tokens, head = l->s->head;
	const struct dsk_slot_store_params p = { .n = head, .slots = slots, .type = DSK_F16, .x_head_stride = head, .x_token_stride = stride,
						 .head_stride = head * slots, .slot_stride = head };

	LAUNCH(l, "dsk_slot_store", l->s->kv_heads, l->tokens, p, USE_INOUT(cache), USE_INOUT(fault), USE_AT(x, offset, SIMT_IN), USE_IN(positions));
}

static void attention(struct layer *l, struct buffer *x, struct buffer *positions, struct buffer *fault)
{
	const struct shape *s = l->s;
	int T = l->tokens, slots = l->context + T, q_n = s->heads * s->head, kv_n = s->kv_heads * s->head, all = q_n + 2 * kv_n;
	struct buffer *wn = weight(l, "attn norm", 1, s->embd, DSK_F32), *wqkv = weight(l, "qkv", all, s->embd, DSK_F16);
	struct buffer *wo = weight(l, "o", s->embd, q_n, DSK_F16), *turns = weight(l, "turns", s->head / 2, 2, DSK_F32);
	struct buffer *kc = buffer(l, "k cache", STATE, (size_t)(kv_n * slots) * 2), *vc = buffer(l, "v cache", STATE, (size_t)(kv_n * slots) * 2);
	struct buffer *h = scratch(l, "normed", (size_t)T, (size_t)s->embd, 4), *q, *k, *v, *att, *scores;
	size_t k_at = 0, v_at = 0;
	uint64_t before;
	struct dsk_slot_attend_params p = {
		.q_heads = s->heads, .kv_heads = s->kv_heads, .slots = slots, .k_n = s->head, .v_n = s->head, .k_type = DSK_F16, .v_type = DSK_F16,
		.q_head_stride = s->head, .q_token_stride = q_n, .k_head_stride = s->head * slots, .k_slot_stride = s->head,
		.v_head_stride = s->head * slots, .v_slot_stride = s->head, .out_head_stride = s->head, .out_token_stride = q_n,
		.scale = 1 / sqrtf((float)s->head), .tokens = T, .splits = 1,
	};

	fill(kc, DSK_F16, 1);
	fill(vc, DSK_F16, 1);
	norm(l, x, wn, h);
	if (l->fused) {		/* one matrix of rows of q, k and v */
		q = k = v = scratch(l, "q, k, v", (size_t)T, (size_t)all, 4);
		k_at = (size_t)q_n * 4;
		v_at = (size_t)(q_n + kv_n) * 4;
		linear(l, h, wqkv, all, s->embd, q, 0);
		p.q_token_stride = all;
	} else {
		struct buffer *w[3] = { wqkv, wqkv, wqkv }, *to[3];
		const int rows[3] = { q_n, kv_n, kv_n };
		size_t at = 0;

		to[0] = q = scratch(l, "q", (size_t)T, (size_t)q_n, 4);
		to[1] = k = scratch(l, "k", (size_t)T, (size_t)kv_n, 4);
		to[2] = v = scratch(l, "v", (size_t)T, (size_t)kv_n, 4);
		for (int i = 0; i < 3; i++) {
			const struct dsk_linear_params lp = { .w = { DSK_W_F16, 0, s->embd, 2 * s->embd }, .rows = rows[i], .x_stride = s->embd,
							      .y_stride = rows[i] };

			LAUNCH(l, "dsk_linear", (rows[i] + 63) / 64, T, lp, USE_OUT(to[i]), USE_IN(h), USE_AT(w[i], at, SIMT_IN), USE_NONE);
			at += (size_t)(rows[i] * s->embd) * 2;
		}
	}
	rope(l, q, 0, s->heads, l->fused ? all : q_n, positions, turns);
	rope(l, k, k_at, s->kv_heads, l->fused ? all : kv_n, positions, turns);
	store(l, k, k_at, l->fused ? all : kv_n, kc, positions, fault);
	store(l, v, v_at, l->fused ? all : kv_n, vc, positions, fault);
	att = scratch(l, "attention", (size_t)T, (size_t)q_n, 4);
	before = l->loaded + l->stored;
	if (l->matrix) {		/* heads of 32, as in small shapes: the only ones that are run */
		int rows = DSK_SLOT_ROWS / (l->d ? (int)l->d->wave : 64);

		LAUNCH(l, "dsk_slot_attend_f16_32", (T * (s->heads / s->kv_heads) + rows - 1) / rows, s->kv_heads, p, USE_OUT(att), USE_NONE, USE_NONE,
		       USE_INOUT(fault), USE_IN(q), USE_IN(kc), USE_IN(vc), USE_IN(positions), USE_NONE);
	} else if (l->fused) {
		LAUNCH(l, "dsk_slot_attend", s->heads, T, p, USE_OUT(att), USE_INOUT(fault), USE_IN(q), USE_IN(kc), USE_IN(vc), USE_IN(positions), USE_NONE);
	} else {
		scores = scratch(l, "scores", (size_t)T, (size_t)s->heads * (size_t)slots, 4);
		LAUNCH(l, "separate_scores", s->heads, T, p, USE_OUT(scores), USE_IN(q), USE_IN(kc), USE_IN(positions));
		LAUNCH(l, "separate_softmax", s->heads, T, p, USE_INOUT(scores));
		LAUNCH(l, "separate_values", s->heads, T, p, USE_OUT(att), USE_IN(scores), USE_IN(vc), USE_IN(positions));
	}
	l->attention = l->loaded + l->stored - before;
	into(l, att, wo, q_n, x);
}

static void dense(struct layer *l, struct buffer *x)
{
	const struct shape *s = l->s;
	size_t T = (size_t)l->tokens, F = (size_t)s->ff;
	struct buffer *wn = weight(l, "ffn norm", 1, s->embd, DSK_F32), *wg = weight(l, "gate", s->ff, s->embd, DSK_F16);
	struct buffer *wu = weight(l, "up", s->ff, s->embd, DSK_F16), *wd = weight(l, "down", s->embd, s->ff, DSK_F16);
	struct buffer *h = scratch(l, "normed", T, (size_t)s->embd, 4), *hidden;

	norm(l, x, wn, h);
	if (l->fused) {
		const struct dsk_linear_glu_params p = { .gate = { DSK_W_F16, 0, s->embd, 2 * s->embd }, .up = { DSK_W_F16, 0, s->embd, 2 * s->embd },
							 .rows = s->ff, .x_stride = s->embd, .y_stride = s->ff, .act = DSK_ACT_SILU,
							 .tokens = l->tokens };

		hidden = scratch(l, "hidden", T, F, 4);
		dense_launch(l, "dsk_linear_glu", s->ff, 16, &p, sizeof(p), (const struct use[]){ USE_OUT(hidden), USE_IN(h), USE_IN(wg), USE_IN(wu) });
	} else {
		const struct dsk_glu_params p = { .n = s->ff, .x_stride = s->ff, .y_stride = s->ff, .x_type = DSK_F32, .y_type = DSK_F32,
						  .act = DSK_ACT_SILU, .flags = DSK_GLU_UP };
		struct buffer *gate = scratch(l, "gate of x", T, F, 4), *up = scratch(l, "up of x", T, F, 4);

		linear(l, h, wg, s->ff, s->embd, gate, 0);
		linear(l, h, wu, s->ff, s->embd, up, 0);
		hidden = scratch(l, "hidden", T, F, 4);
		LAUNCH(l, "dsk_glu", l->tokens, 1, p, USE_OUT(hidden), USE_NONE, USE_IN(gate), USE_IN(up));
	}
	into(l, hidden, wd, s->ff, x);
}

static void product(struct layer *l, const char *kernel, struct buffer *x, int k, int divisor, struct buffer *row_pair, struct buffer *tiles, int n_tiles,
		    struct buffer *w, struct buffer *up, int n, struct buffer *y, int y_type)
{
	int pairs = l->tokens * l->s->used;
	const struct dsk_expert_params p = { .rows = pairs, .tokens = divisor ? l->tokens : pairs, .experts = l->s->experts, .n = n, .k = k,
					     .x_stride = 2 * k, .w_stride = 2 * k, .y_stride = n, .y_type = y_type, .w_type = DSK_BF16, .divisor = divisor,
					     .act = DSK_ACT_SILU };
	const struct use uses[] = { USE_OUT(y), USE_IN(x), USE_NONE, USE_AT(divisor ? row_pair : NULL, 0, SIMT_IN), USE_IN(tiles), USE_IN(w), USE_NONE,
				    USE_NONE, USE_NONE, USE_AT(up, 0, SIMT_IN), USE_NONE, USE_NONE, USE_NONE };
	int columns = up ? DSK_EXPERT_COLUMNS / 2 : DSK_EXPERT_COLUMNS;

	launch(l, kernel, (unsigned int)((n + columns - 1) / columns), (unsigned int)n_tiles, &p, sizeof(p), uses, up ? 13 : 9);
}

static void experts(struct layer *l, struct buffer *x)
{
	const struct shape *s = l->s;
	int X = s->experts, pairs = l->tokens * s->used, n_tiles = DSK_EXPERT_TILES(pairs, X, DSK_EXPERT_TILE);
	size_t T = (size_t)l->tokens, P = (size_t)pairs, E = (size_t)s->embd, F = (size_t)s->ff;
	struct buffer *wn = weight(l, "ffn norm", 1, s->embd, DSK_F32), *wr = weight(l, "router", X, s->embd, DSK_F16);
	struct buffer *wg = weight(l, "gate", X * s->ff, s->embd, DSK_BF16), *wu = weight(l, "up", X * s->ff, s->embd, DSK_BF16);
	struct buffer *wd = weight(l, "down", X * s->embd, s->ff, DSK_BF16), *load = buffer(l, "load", STATE, (size_t)X * 4);
	struct buffer *h = scratch(l, "normed", T, E, 4), *logits = scratch(l, "logits", T, (size_t)X, 4), *ids = scratch(l, "ids", P, 1, 4);
	struct buffer *weights = scratch(l, "weights", P, 1, 4), *h16 = scratch(l, "normed bf16", T, E, 2), *row_pair = scratch(l, "row_pair", P, 1, 4);
	struct buffer *pair_row = scratch(l, "pair_row", P, 1, 4), *offsets = scratch(l, "offsets", (size_t)X + 1, 1, 4);
	struct buffer *tiles = scratch(l, "tiles", (size_t)n_tiles, 3, 4), *hidden = scratch(l, "hidden", P, F, 2), *y = scratch(l, "of experts", P, E, 4);
	struct buffer *sum = scratch(l, "sum", T, E, 4);
	const struct dsk_route_params route = { .experts = X, .top_k = s->used, .gate = DSK_GATE_SOFTMAX, .flags = DSK_ROUTE_NORMALISE, .groups = 1,
						.top_groups = 1, .logits_stride = X, .scale = 1, .least_sum = 6.1e-5f };
	const struct dsk_elementwise_params convert = { .op = DSK_COPY, .a_type = DSK_F32, .out_type = DSK_BF16, .n = s->embd, .ne1 = l->tokens, .ne2 = 1,
							.a_stride = { s->embd }, .out_stride = { s->embd } };
	const struct dsk_place_params place = { .pairs = pairs, .experts = X };
	const struct dsk_expert_plan_params plan = { .rows = pairs, .experts = X, .tile = DSK_EXPERT_TILE, .tiles = n_tiles };
	const struct dsk_combine_params combine = { .n = s->embd, .top_k = s->used, .rows = pairs, .in_type = DSK_F32, .out_type = DSK_F32, .in_stride = s->embd,
						    .out_stride = s->embd };

	norm(l, x, wn, h);
	linear(l, h, wr, X, s->embd, logits, 0);
	LAUNCH(l, "dsk_route", l->tokens, 1, route, USE_OUT(ids), USE_OUT(weights), USE_INOUT(load), USE_IN(logits), USE_NONE);
	LAUNCH(l, "dsk_elementwise", l->tokens, 1, convert, USE_OUT(h16), USE_IN(h), USE_NONE);
	LAUNCH(l, "dsk_place", X, 1, place, USE_OUT(row_pair), USE_OUT(pair_row), USE_OUT(offsets), USE_NONE, USE_IN(ids));
	LAUNCH(l, "dsk_expert_plan", 1, 1, plan, USE_OUT(tiles), USE_IN(offsets));
	if (l->fused) {
		product(l, "dsk_expert_glu_bf16", h16, s->embd, s->used, row_pair, tiles, n_tiles, wg, wu, s->ff, hidden, DSK_BF16);
	} else {
		const struct dsk_gather_params gather = { .n = s->embd, .rows = pairs, .divisor = s->used, .type = DSK_BF16, .in_stride = s->embd,
							  .out_stride = s->embd, .in_rows = pairs / s->used };
		const struct dsk_glu_params glu = { .n = s->ff, .x_stride = s->ff, .y_stride = s->ff, .x_type = DSK_F32, .y_type = DSK_BF16,
						    .act = DSK_ACT_SILU, .flags = DSK_GLU_UP };
		struct buffer *rows = scratch(l, "gathered", P, E, 2), *gate = scratch(l, "gate of x", P, F, 4), *up = scratch(l, "up of x", P, F, 4);

		LAUNCH(l, "dsk_gather", pairs, 1, gather, USE_OUT(rows), USE_IN(h16), USE_IN(row_pair));
		product(l, "dsk_expert_bf16", rows, s->embd, 0, NULL, tiles, n_tiles, wg, NULL, s->ff, gate, DSK_F32);
		product(l, "dsk_expert_bf16", rows, s->embd, 0, NULL, tiles, n_tiles, wu, NULL, s->ff, up, DSK_F32);
		LAUNCH(l, "dsk_glu", pairs, 1, glu, USE_OUT(hidden), USE_NONE, USE_IN(gate), USE_IN(up));
	}
	product(l, "dsk_expert_bf16", hidden, s->ff, 0, NULL, tiles, n_tiles, wd, NULL, s->embd, y, DSK_F32);
	LAUNCH(l, "dsk_combine", l->tokens, 1, combine, USE_OUT(sum), USE_IN(y), USE_IN(pair_row), USE_IN(weights));
	add(l, x, sum);
}

/* ---- a layer */

static void layer_fini(struct layer *l)
{
	for (int i = 0; i < l->n_buffers; i++)
		free(l->buffers[i].data);
}

/* @d NULL: nothing is run. Returns the residual stream. */
static struct buffer *layer_run(struct layer *l, const struct device *d, const struct shape *s, int tokens, int context, int fused, int matrix)
{
	struct buffer *x, *positions, *fault;

	*l = (struct layer){ .d = d, .s = s, .tokens = tokens, .context = context, .fused = fused, .matrix = matrix };
	x = buffer(l, "x", STATE, (size_t)tokens * (size_t)s->embd * 4);
	positions = buffer(l, "positions", STATE, (size_t)tokens * 4);
	fault = buffer(l, "fault", STATE, 4);
	fill(x, DSK_F32, 1);
	for (int t = 0; d && t < tokens; t++)
		((int *)positions->data)[t] = context + t;
	attention(l, x, positions, fault);
	if (s->experts)
		experts(l, x);
	else
		dense(l, x);
	return x;
}

static size_t peak_scratch(const struct layer *l)
{
	size_t peak = 0;

	for (int at = 0; at < l->launches; at++) {
		size_t live = 0;

		for (int i = 0; i < l->n_buffers; i++)
			if (l->buffers[i].kind == SCRATCH && l->buffers[i].first >= 0 && l->buffers[i].first <= at && at <= l->buffers[i].last)
				live += l->buffers[i].size;
		peak = live > peak ? live : peak;
	}
	return peak;
}

static void compare(const struct device *d, const struct shape *s, int tokens, int context)
{
	static struct layer apart, fused, matrix;
	const struct buffer *a = layer_run(&apart, d, s, tokens, context, 0, 0), *f = layer_run(&fused, d, s, tokens, context, 1, 0);
	const struct buffer *m = layer_run(&matrix, d, s, tokens, context, 1, 1);
	size_t n = a->size / 4;
	double *want = malloc(n * sizeof(*want)), by_bytes, by_scratch;

	if (!ktest_ok(!apart.failed && !fused.failed && !matrix.failed, "%s, %d tokens after %d: all ways run", s->name, tokens, context))
		goto out;
	for (size_t i = 0; i < n; i++)
		want[i] = ((float *)a->data)[i];
	ktest_close(f->data, DSK_F32, want, n, s->experts ? 2e-3 : 2e-5, 2e-5, "%s, %d tokens after %d: fused and separate are the same layer", s->name, tokens,
		    context);
	ktest_close(m->data, DSK_F32, want, n, s->experts ? 2e-3 : 1e-4, 1e-4, "%s, %d tokens after %d: by matrix instructions, too", s->name, tokens, context);
	ktest_ok(matrix.launches == fused.launches && (tokens == 1 || 2 * matrix.loads < fused.loads),
		 "%s, %d tokens after %d: loads by matrix instructions %llu, plain %llu (%+.0f %%), in as many launches; bytes %llu, %llu", s->name, tokens, context,
		 (unsigned long long)matrix.loads, (unsigned long long)fused.loads, 100.0 * (double)matrix.loads / (double)fused.loads - 100,
		 (unsigned long long)(matrix.loaded + matrix.stored), (unsigned long long)(fused.loaded + fused.stored));
	by_bytes = 1 - (double)(fused.loaded + fused.stored) / (double)(apart.loaded + apart.stored);
	by_scratch = 1 - (double)peak_scratch(&fused) / (double)peak_scratch(&apart);
	ktest_ok(fused.launches < apart.launches && by_bytes > 0 && by_scratch > 0,
		 "%s, %d tokens after %d: launches %d, separate %d (-%.0f %%); bytes %llu, %llu (-%.0f %%); peak scratch %zu, %zu (-%.0f %%); LDS of a group %d",
		 s->name, tokens, context, fused.launches, apart.launches, 100 - 100.0 * fused.launches / apart.launches,
		 (unsigned long long)(fused.loaded + fused.stored), (unsigned long long)(apart.loaded + apart.stored), 100 * by_bytes,
		 peak_scratch(&fused), peak_scratch(&apart), 100 * by_scratch, fused.lds);
	ktest_ok(fused.attention < apart.attention, "%s, %d tokens after %d: attention alone: launches 1, separate 3; bytes %llu, %llu (-%.0f %%)", s->name,
		 tokens, context, (unsigned long long)fused.attention, (unsigned long long)apart.attention,
		 100 - 100.0 * (double)fused.attention / (double)apart.attention);
	if (tokens > 1)
		ktest_ok(by_scratch >= 0.6, "%s, %d tokens after %d: peak scratch is less by 60 %% or more", s->name, tokens, context);
out:
	layer_fini(&apart);
	layer_fini(&fused);
	layer_fini(&matrix);
	free(want);
}

/* Buffers of a size that nobody runs here: only their lists. */
static void real_size(const struct shape *s, int tokens, int context)
{
	static struct layer apart, fused;
	double saved;

	layer_run(&apart, NULL, s, tokens, context, 0, 0);
	layer_run(&fused, NULL, s, tokens, context, 1, 0);
	saved = 1 - (double)peak_scratch(&fused) / (double)peak_scratch(&apart);
	ktest_ok(tokens == 1 || saved >= 0.6, "%s, %d tokens after %d: peak scratch %.1f MiB, separate %.1f MiB (-%.0f %%)", s->name, tokens, context,
		 (double)peak_scratch(&fused) / 1048576, (double)peak_scratch(&apart) / 1048576, 100 * saved);
}

/* ---- experts of the hip backend: pair by pair (moe_dense.c), or grouped by expert (moe_mma.c) */

static struct buffer *experts_of_hip(struct layer *l, int grouped)
{
	const struct shape *s = l->s;
	int X = s->experts, pairs = l->tokens * s->used, n_tiles = DSK_EXPERT_TILES(pairs, X, DSK_EXPERT_FEW), lanes = DSK_DENSE_LANES / (int)l->d->wave;
	size_t T = (size_t)l->tokens, P = (size_t)pairs, E = (size_t)s->embd, F = (size_t)s->ff;
	struct buffer *x = scratch(l, "x", T, E, 4), *ids = scratch(l, "ids", P, 1, 4), *weights = scratch(l, "weights", P, 1, 4);
	struct buffer *wg = weight(l, "gate", X * s->ff, s->embd, DSK_F16), *wu = weight(l, "up", X * s->ff, s->embd, DSK_F16);
	struct buffer *wd = weight(l, "down", X * s->embd, s->ff, DSK_F16), *fault = scratch(l, "fault", 1, 1, 4), *h = scratch(l, "h", P, F, 4);
	struct buffer *out = scratch(l, "out", T, E, 4), *row_pair = scratch(l, "row_pair", P, 1, 4), *pair_row = scratch(l, "pair_row", P, 1, 4);
	struct buffer *offsets = scratch(l, "offsets", (size_t)X + 1, 1, 4), *tiles = scratch(l, "tiles", (size_t)n_tiles, 3, 4);
	struct buffer *y = scratch(l, "y", P, E, 4);
	const struct dsk_moe_glu_params g = {
		.gate = { DSK_W_F16, 0, s->embd, 2 * s->embd }, .up = { DSK_W_F16, 0, s->embd, 2 * s->embd }, .gate_stride = s->ff * s->embd,
		.up_stride = s->ff * s->embd, .rows = s->ff, .experts = X, .choices = s->used, .x_stride = s->embd, .ids_stride = s->used,
		.h_stride = s->ff, .h_token_stride = s->ff * s->used, .act = DSK_ACT_SILU, .tokens = l->tokens,
	};
	const struct dsk_moe_down_params down = {
		.down = { DSK_W_F16, 0, s->ff, 2 * s->ff }, .down_stride = s->ff * s->embd, .rows = s->embd, .experts = X, .choices = s->used,
		.h_stride = s->ff, .h_token_stride = s->ff * s->used, .ids_stride = s->used, .weights_stride = s->used, .out_stride = s->embd,
		.tokens = l->tokens,
	};
	const struct dsk_place_params place = { .pairs = pairs, .experts = X, .flags = DSK_PLACE_FAULT };
	const struct dsk_expert_plan_params plan = { .rows = pairs, .experts = X, .tile = DSK_EXPERT_FEW, .tiles = n_tiles };
	const struct dsk_combine_params combine = { .n = s->embd, .top_k = s->used, .rows = pairs, .in_type = DSK_F32, .out_type = DSK_F32,
						    .in_stride = s->embd, .out_stride = s->embd };

	fill(x, DSK_F32, 1);
	fill(weights, DSK_F32, 1);
	for (int i = 0; i < pairs; i++)
		((int *)ids->data)[i] = i * 7 % 5 % X;
	if (!grouped) {
		LAUNCH(l, "dsk_moe_glu", (s->ff + 63) / 64, pairs, g, USE_OUT(h), USE_INOUT(fault), USE_IN(x), USE_IN(ids), USE_IN(wg), USE_IN(wu), USE_NONE,
		       USE_NONE);
		LAUNCH(l, "dsk_moe_down", (s->embd + 63) / 64, l->tokens, down, USE_OUT(out), USE_INOUT(fault), USE_IN(h), USE_IN(ids), USE_IN(weights),
		       USE_IN(wd), USE_NONE);
		return out;
	}
	LAUNCH(l, "dsk_place", X, 1, place, USE_OUT(row_pair), USE_OUT(pair_row), USE_OUT(offsets), USE_INOUT(fault), USE_IN(ids));
	LAUNCH(l, "dsk_expert_plan", 1, 1, plan, USE_OUT(tiles), USE_IN(offsets));
	LAUNCH(l, "dsk_moe_glu_few", (s->ff + 16 * lanes - 1) / (16 * lanes), n_tiles, g, USE_OUT(h), USE_IN(x), USE_IN(row_pair), USE_IN(tiles), USE_IN(wg),
	       USE_IN(wu), USE_NONE, USE_NONE);
	LAUNCH(l, "dsk_moe_down_few", (s->embd + 32 * lanes - 1) / (32 * lanes), n_tiles, down, USE_OUT(y), USE_IN(h), USE_IN(row_pair), USE_IN(tiles),
	       USE_IN(wd), USE_NONE);
	LAUNCH(l, "dsk_combine", l->tokens, 1, combine, USE_OUT(out), USE_IN(y), USE_IN(pair_row), USE_IN(weights));
	return out;
}

static void grouping(const struct device *d, const struct shape *s, int tokens)
{
	static struct layer l[2];
	const struct buffer *out[2];
	size_t n;
	double *want;

	for (int i = 0; i < 2; i++) {
		l[i] = (struct layer){ .d = d, .s = s, .tokens = tokens };
		out[i] = experts_of_hip(&l[i], i);
	}
	n = out[0]->size / 4;
	want = malloc(n * sizeof(*want));
	for (size_t i = 0; i < n; i++)
		want[i] = ((float *)out[0]->data)[i];
	if (ktest_ok(!l[0].failed && !l[1].failed, "%s experts, %d tokens: both ways run", s->name, tokens)) {
		ktest_close(out[1]->data, DSK_F32, want, n, 1e-4, 1e-4, "%s experts, %d tokens: grouped and pair by pair are the same", s->name, tokens);
		ktest_ok(l[1].loads < l[0].loads, "%s experts, %d tokens: launches %d, pair by pair %d; loads %llu, %llu (%.0f %%); bytes %llu, %llu", s->name,
			 tokens, l[1].launches, l[0].launches, (unsigned long long)l[1].loads, (unsigned long long)l[0].loads,
			 100.0 * (double)l[1].loads / (double)l[0].loads - 100, (unsigned long long)(l[1].loaded + l[1].stored),
			 (unsigned long long)(l[0].loaded + l[0].stored));
	}
	layer_fini(&l[0]);
	layer_fini(&l[1]);
	free(want);
}

/* ---- norm, activation and quantisation: one kernel, or one each */

static void pieces(const struct device *d)
{
	enum { N = 512, ROWS = 8 };
	static struct layer l[2];
	static const struct shape shape = { "norm, SiLU, int8", N, 1, 1, 1, 1, 0, 0 };
	struct buffer *y[2], *scales[2];
	uint64_t bytes[2];

	for (int fused = 0; fused < 2; fused++) {
		struct dsk_norm_params p = { .n = N, .x_stride = N, .y_stride = N, .x_type = DSK_F32, .y_type = fused ? DSK_I8 : DSK_F32,
					     .flags = DSK_NORM_WEIGHT, .act = fused ? DSK_ACT_SILU : DSK_ACT_NONE, .eps = 1e-5f };
		struct dsk_glu_params silu = { .n = N, .x_stride = N, .y_stride = N, .x_type = DSK_F32, .y_type = DSK_F32, .act = DSK_ACT_SILU };
		struct dsk_glu_params quantise = silu;
		struct buffer *x, *w, *normed, *act;

		quantise.act = DSK_ACT_NONE;
		quantise.y_type = DSK_I8;
		l[fused] = (struct layer){ .d = d, .s = &shape, .tokens = ROWS, .fused = fused };
		x = buffer(&l[fused], "x", STATE, ROWS * N * 4);
		fill(x, DSK_F32, 2);
		w = weight(&l[fused], "norm", 1, N, DSK_F32);
		y[fused] = buffer(&l[fused], "y", STATE, ROWS * N);
		scales[fused] = buffer(&l[fused], "scales", STATE, ROWS * 4);
		if (fused) {
			LAUNCH(&l[1], "dsk_norm", ROWS, 1, p, USE_OUT(y[1]), USE_OUT(scales[1]), USE_IN(x), USE_IN(w), USE_NONE);
		} else {
			normed = scratch(&l[0], "normed", ROWS, N, 4);
			act = scratch(&l[0], "activated", ROWS, N, 4);
			LAUNCH(&l[0], "dsk_norm", ROWS, 1, p, USE_OUT(normed), USE_NONE, USE_IN(x), USE_IN(w), USE_NONE);
			LAUNCH(&l[0], "dsk_glu", ROWS, 1, silu, USE_OUT(act), USE_NONE, USE_IN(normed), USE_NONE);
			LAUNCH(&l[0], "dsk_glu", ROWS, 1, quantise, USE_OUT(y[0]), USE_OUT(scales[0]), USE_IN(act), USE_NONE);
		}
		bytes[fused] = l[fused].loaded + l[fused].stored;
	}
	if (ktest_ok(!l[0].failed && !l[1].failed, "%s: both ways run", shape.name)) {
		ktest_ok(!memcmp(y[0]->data, y[1]->data, ROWS * N) && !memcmp(scales[0]->data, scales[1]->data, ROWS * 4), "%s: the same bits", shape.name);
		/* and so are the counters what they must be */
		ktest_ok(bytes[1] == ROWS * N * 4 + N * 4 + ROWS * N + ROWS * 4 && bytes[0] == bytes[1] + 4 * ROWS * N * 4,
			 "%s: launches 1, separate 3; bytes %llu, %llu (-%.0f %%)", shape.name, (unsigned long long)bytes[1], (unsigned long long)bytes[0],
			 100 - 100.0 * (double)bytes[1] / (double)bytes[0]);
	}
	layer_fini(&l[0]);
	layer_fini(&l[1]);
}

static void test(const struct device *d)
{
	static const struct shape small[] = {
		{ "llama-like", 128, 4, 2, 32, 256, 0, 0 }, { "mixtral-like", 128, 4, 2, 32, 128, 4, 2 },
	}, real[] = {
		{ "Llama 3 8B", 4096, 32, 8, 128, 14336, 0, 0 }, { "Mixtral 8x7B", 4096, 32, 8, 128, 14336, 8, 2 },
	};

	if (d != &device_simt[1])	/* what is counted depends on no wave size, and only the harness counts */
		return;
	pieces(d);
	for (size_t i = 0; i < 2; i++) {
		compare(d, &small[i], 1, 95);
		compare(d, &small[i], 24, 232);
	}
	grouping(d, &small[1], 2);
	grouping(d, &small[1], 24);
	for (size_t i = 0; i < 2; i++) {
		real_size(&real[i], 512, 3584);
		real_size(&real[i], 1, 4095);
	}
}

int main(void)
{
	return ktest_main(test);
}
