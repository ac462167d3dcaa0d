// SPDX-License-Identifier: MIT
/* The forward pass as a program: one for decode (a single token), one for prefill (1..N tokens, by parameter). */
#include "emit.h"
#include "model_priv.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>

/* What the layers share: numbers of tensors and of parameters. */
struct build {
	struct emit e;
	const struct dsk_model *m;
	const struct dsk_shape *s;
	const struct dsk_graph_params *p;
	int c_tokens, c_rows, c_window;		/* parameters; EMIT_CONST in the decode program */
	int tokens, positions, rows;
	int x, h;				/* the residual stream, and what is normalised from it */
	int q, k, v, att;			/* as rows of the projections */
	int q_heads, k_heads, v_heads, att_heads;	/* the same memory, by heads */
	int ff, logits, ids, weights, scratch, y;
	int factors;
	/* latent attention: rows of projections, queries and what attention gives in the latent space, and parts of them by heads */
	int q_a, kv_a, latent_att, shared;
	int q_turned, row, row_latent, row_turned, lq;
	uint64_t tap[DSK_TAP_COUNT];
};

/* [ne0, T] and its view [head, ne0/head, T], where asked. */
static int per_token(struct build *b, uint32_t dtype, uint32_t ne0, uint32_t head, int *ret_heads)
{
	uint32_t tokens = b->p->tokens;
	uint64_t at = emit_room(&b->e, DSK_B_WORK, (uint64_t)ne0 * tokens * sizeof(float));

	if (ret_heads)
		*ret_heads = emit_tensor_at(&b->e, DSK_B_WORK, at, dtype, DSEEK_LAYOUT_ROWS, head, ne0 / head, tokens, 2,
					    b->c_tokens);
	return emit_tensor_at(&b->e, DSK_B_WORK, at, dtype, DSEEK_LAYOUT_ROWS, ne0, tokens, 1, 1, b->c_tokens);
}

static int weight(struct build *b, uint32_t layer, enum dsk_weight w)
{
	const struct dsk_place *p = dsk_weight(b->m, layer, w);

	if (!p->src)
		return EMIT_NONE;
	return emit_tensor_at(&b->e, DSK_B_WEIGHTS, p->offset, p->dtype, p->layout, p->ne[0], p->ne[1], p->ne[2], 0, EMIT_CONST);
}

/* Elements [first, first + n) of each head of @heads of @head elements: [n, heads, T] within what lies at @at. */
static int part(struct build *b, uint64_t at, uint32_t head, uint32_t heads, uint32_t first, uint32_t n)
{
	struct dseek_program_tensor t = {
		.dtype = DSEEK_F32, .binding = DSK_B_WORK, .offset = at + first * sizeof(float), .ne = { n, heads, b->p->tokens, 1 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	if (b->c_tokens != EMIT_CONST)
		t.ne_param[2] = b->c_tokens;
	t.stride[0] = head * sizeof(float);
	t.stride[1] = t.stride[0] * heads;
	t.stride[2] = t.stride[1] * b->p->tokens;
	return dseek_builder_tensor(b->e.b, &t);
}

static void make_latent(struct build *b)
{
	const struct dsk_shape *s = b->s;
	uint32_t plain = dsk_extent(s, 'N'), key = dsk_extent(s, 'C'), turned = s->rope_dims;
	uint64_t at = b->e.used[DSK_B_WORK];

	b->q = per_token(b, DSEEK_F32, dsk_extent(s, 'Q'), s->head_k, &b->q_heads);
	b->q_turned = part(b, at, s->head_k, s->n_head, plain, turned);
	at = b->e.used[DSK_B_WORK];
	b->kv_a = per_token(b, DSEEK_F32, key, key, &b->row);
	b->row_latent = part(b, at, key, 1, 0, s->kv_rank);
	b->row_turned = part(b, at, key, 1, s->kv_rank, turned);
	per_token(b, DSEEK_F32, key * s->n_head, key, &b->lq);
	per_token(b, DSEEK_F32, s->kv_rank * s->n_head, s->kv_rank, &b->latent_att);
	b->att = per_token(b, DSEEK_F32, dsk_extent(s, 'O'), s->head_v, &b->att_heads);
	if (s->q_rank)
		b->q_a = per_token(b, DSEEK_F32, s->q_rank, 0, NULL);
}

static void make_heads(struct build *b)
{
	const struct dsk_shape *s = b->s;

	b->q = per_token(b, DSEEK_F32, dsk_extent(s, 'Q'), s->head_k, &b->q_heads);
	b->k = per_token(b, DSEEK_F32, dsk_extent(s, 'K'), s->head_k, &b->k_heads);
	b->v = per_token(b, DSEEK_F32, dsk_extent(s, 'U'), s->head_v, &b->v_heads);
	b->att = per_token(b, DSEEK_F32, dsk_extent(s, 'O'), s->head_v, &b->att_heads);
}

static void make_work(struct build *b)
{
	const struct dsk_shape *s = b->s;

	b->x = per_token(b, DSEEK_F32, s->n_embd, 0, NULL);
	b->h = per_token(b, DSEEK_F32, s->n_embd, 0, NULL);
	if (s->kv_rank)
		make_latent(b);
	else
		make_heads(b);
	if (s->n_ff_shared)
		b->shared = per_token(b, DSEEK_F32, s->n_ff_shared, 0, NULL);
	if (s->n_ff)
		b->ff = per_token(b, DSEEK_F32, s->n_ff, 0, NULL);
	if (!s->n_expert)
		return;
	b->logits = per_token(b, DSEEK_F32, s->n_expert, 0, NULL);
	b->ids = per_token(b, DSEEK_I32, b->p->n_expert_used, 0, NULL);
	b->weights = per_token(b, DSEEK_F32, b->p->n_expert_used, 0, NULL);
	b->y = per_token(b, DSEEK_F32, s->n_embd, 0, NULL);
	per_token(b, DSEEK_F32, b->p->n_expert_used * s->n_ff_expert, s->n_ff_expert, &b->scratch);
}

/* A head's slots lie side by side: attention reads them as one stream. */
static int cache(struct build *b, uint32_t head, uint32_t slots)
{
	const struct dsk_kv *kv = &b->p->kv;
	struct dseek_program_tensor t = {
		.dtype = slots < kv->n_ctx ? kv->ring_type : kv->type, .binding = DSK_B_CACHE, .ne = { head, b->s->n_head_kv, slots, 1 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	t.stride[1] = dseek_row_bytes(t.dtype, head);
	t.stride[0] = t.stride[1] * slots;
	t.stride[2] = t.stride[0] * b->s->n_head_kv;
	t.offset = emit_room(&b->e, DSK_B_CACHE, t.stride[2]);
	return dseek_builder_tensor(b->e.b, &t);
}

static void label(struct build *b, const char *what, uint32_t layer)
{
	char name[DSEEK_LABEL_LEN];

	snprintf(name, sizeof(name), "blk.%u.%s", layer, what);
	dseek_builder_label(b->e.b, name);
}

static void attention(struct build *b, uint32_t l)
{
	const struct dsk_shape *s = b->s;
	uint32_t slots = dsk_kv_slots(s, &b->p->kv, l), ring = slots < b->p->kv.n_ctx ? DSEEK_OPF_RING : 0;
	int k_cache = cache(b, s->head_k, slots), v_cache = cache(b, s->head_v, slots);
	uint32_t window = s->window_period ? dsk_layer_window(s, l) : 0;	/* the architecture's, or the job's */
	struct dseek_program_op rope = {
		.i = { s->rope_dims, s->rope_mode }, .f = { s->rope_base, s->rope_scale, s->rope_magnitude },
	};

	EMIT(&b->e, RMSNORM, EMIT_ARGS(.f = { s->norm_eps }), b->x, weight(b, l, DSK_ATTN_NORM), b->h);
	EMIT(&b->e, LINEAR, EMIT_ARGS(), b->h, weight(b, l, DSK_Q), weight(b, l, DSK_K), weight(b, l, DSK_V),
	     b->q, b->k, b->v, weight(b, l, DSK_Q_BIAS), weight(b, l, DSK_K_BIAS), weight(b, l, DSK_V_BIAS));
	if (b->m->arch->features & DSK_ARCH_QK_NORM) {
		EMIT(&b->e, RMSNORM, EMIT_ARGS(.f = { s->norm_eps }), b->q_heads, weight(b, l, DSK_Q_NORM), b->q_heads);
		EMIT(&b->e, RMSNORM, EMIT_ARGS(.f = { s->norm_eps }), b->k_heads, weight(b, l, DSK_K_NORM), b->k_heads);
	}
	EMIT(&b->e, ROPE, rope, b->q_heads, b->positions, b->factors);
	EMIT(&b->e, ROPE, rope, b->k_heads, b->positions, b->factors);
	EMIT(&b->e, KV_STORE, EMIT_ARGS(.flags = ring), b->k_heads, b->v_heads, k_cache, v_cache, b->positions);
	EMIT(&b->e, ATTENTION, EMIT_ARGS(.flags = ring, .i = { window ? window : (uint32_t)b->c_window }, .i_param = !window,
					 .f = { s->attn_scale }),
	     b->q_heads, k_cache, v_cache, b->positions, b->att_heads, weight(b, l, DSK_SINKS));
	EMIT(&b->e, LINEAR, EMIT_ARGS(.flags = DSEEK_OPF_ACCUMULATE), b->att, weight(b, l, DSK_O), EMIT_NONE, EMIT_NONE, b->x,
	     EMIT_NONE, EMIT_NONE, weight(b, l, DSK_O_BIAS));
}

/*
 * Multi-head latent attention (DeepSeek-V2, section 2.1.2 and appendix B): a token's row in the cache is its latent vector c, normalised, and
 * a rotated key that all heads share. Head h's key is [UK_h c | that], its value UV_h c. Whether they are made is the engine's choice.
 */
static void latent_attention(struct build *b, uint32_t l)
{
	const struct dsk_shape *s = b->s;
	uint32_t key = dsk_extent(s, 'C');
	int rows = cache(b, key, b->p->kv.n_ctx);
	struct dseek_program_op norm = { .f = { s->norm_eps } }, rope = {
		.i = { s->rope_dims, s->rope_mode }, .f = { s->rope_base, s->rope_scale, s->rope_magnitude },
	};

	EMIT(&b->e, RMSNORM, norm, b->x, weight(b, l, DSK_ATTN_NORM), b->h);
	EMIT(&b->e, LINEAR, EMIT_ARGS(), b->h, weight(b, l, s->q_rank ? DSK_Q_A : DSK_Q), weight(b, l, DSK_KV_A), EMIT_NONE,
	     s->q_rank ? b->q_a : b->q, b->kv_a);
	if (s->q_rank) {
		EMIT(&b->e, RMSNORM, norm, b->q_a, weight(b, l, DSK_Q_A_NORM), b->q_a);
		EMIT(&b->e, LINEAR, EMIT_ARGS(), b->q_a, weight(b, l, DSK_Q_B), EMIT_NONE, EMIT_NONE, b->q);
	}
	EMIT(&b->e, RMSNORM, norm, b->row_latent, weight(b, l, DSK_KV_A_NORM), b->row_latent);
	EMIT(&b->e, ROPE, rope, b->row_turned, b->positions, b->factors);
	EMIT(&b->e, KV_STORE, EMIT_ARGS(), b->row, EMIT_NONE, rows, EMIT_NONE, b->positions);
	EMIT(&b->e, ROPE, rope, b->q_turned, b->positions, b->factors);
	EMIT(&b->e, LATENT_ATTENTION, EMIT_ARGS(.i = { b->c_window }, .i_param = 1, .f = { s->attn_scale }), b->q_heads, rows,
	     weight(b, l, DSK_K_B), weight(b, l, DSK_V_B), b->positions, b->att_heads, weight(b, l, DSK_K_TURNED), b->lq, b->latent_att);
	EMIT(&b->e, LINEAR, EMIT_ARGS(.flags = DSEEK_OPF_ACCUMULATE), b->att, weight(b, l, DSK_O), EMIT_NONE, EMIT_NONE, b->x);
}

/* A copy of @t, [ne0, T], for whoever asked for it. */
static void tap(struct build *b, int t, uint32_t ne0, uint64_t *ret_offset)
{
	uint32_t tokens = b->p->tokens;

	*ret_offset = emit_room(&b->e, DSK_B_TAP, (uint64_t)ne0 * tokens * sizeof(float));
	EMIT(&b->e, COPY, EMIT_ARGS(), t,
	     emit_tensor_at(&b->e, DSK_B_TAP, *ret_offset, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, tokens, 1, 1, b->c_tokens));
}

static void feed_forward(struct build *b, uint32_t l)
{
	const struct dsk_shape *s = b->s;

	EMIT(&b->e, RMSNORM, EMIT_ARGS(.f = { s->norm_eps }), b->x, weight(b, l, DSK_FFN_NORM), b->h);
	if (!dsk_weight(b->m, l, DSK_ROUTER)->src) {
		EMIT(&b->e, GLU, EMIT_ARGS(.i = { DSEEK_ACT_SILU }), b->h, weight(b, l, DSK_GATE), weight(b, l, DSK_UP), b->ff);
		if (b->p->tap && s->n_expert) {	/* the same room as the layers that have a router */
			b->tap[DSK_TAP_ROUTER] = emit_room(&b->e, DSK_B_TAP, (uint64_t)s->n_expert * b->p->tokens * sizeof(float));
		} else if (b->p->tap) {
			tap(b, b->h, s->n_embd, &b->tap[DSK_TAP_INPUT]);
			tap(b, b->ff, s->n_ff, &b->tap[DSK_TAP_HIDDEN]);
		}
		EMIT(&b->e, LINEAR, EMIT_ARGS(.flags = DSEEK_OPF_ACCUMULATE), b->ff, weight(b, l, DSK_DOWN), EMIT_NONE,
		     EMIT_NONE, b->x);
		return;
	}
	EMIT(&b->e, LINEAR, EMIT_ARGS(), b->h, weight(b, l, DSK_ROUTER), EMIT_NONE, EMIT_NONE, b->logits, EMIT_NONE, EMIT_NONE,
	     weight(b, l, DSK_LOGIT_BIAS));
	if (b->p->tap)
		tap(b, b->logits, s->n_expert, &b->tap[DSK_TAP_ROUTER]);
	EMIT(&b->e, MOE_ROUTE, EMIT_ARGS(.flags = s->expert_norm ? DSEEK_OPF_NORMALISE : 0,
					 .i = { b->p->n_expert_used, s->expert_gate, s->n_expert_group, s->n_group_used }, .f = { s->expert_scale, 6.103515625e-5f }),
	     b->logits, b->ids, b->weights, weight(b, l, DSK_ROUTER_BIAS));
	EMIT(&b->e, MOE_FFN, EMIT_ARGS(.i = { b->m->arch->features & DSK_ARCH_GPT_OSS ? DSEEK_ACT_SWIGLU_CLAMPED : DSEEK_ACT_SILU }),
	     b->h, b->ids, b->weights, weight(b, l, DSK_GATE_EXPS), weight(b, l, DSK_UP_EXPS), weight(b, l, DSK_DOWN_EXPS), b->y, b->scratch,
	     weight(b, l, DSK_GATE_EXPS_BIAS), weight(b, l, DSK_UP_EXPS_BIAS), weight(b, l, DSK_DOWN_EXPS_BIAS));
	EMIT(&b->e, ADD, EMIT_ARGS(), b->x, b->y, b->x);
	if (!s->n_ff_shared)
		return;
	EMIT(&b->e, GLU, EMIT_ARGS(.i = { DSEEK_ACT_SILU }), b->h, weight(b, l, DSK_GATE_SHARED), weight(b, l, DSK_UP_SHARED), b->shared);
	EMIT(&b->e, LINEAR, EMIT_ARGS(.flags = DSEEK_OPF_ACCUMULATE), b->shared, weight(b, l, DSK_DOWN_SHARED), EMIT_NONE, EMIT_NONE, b->x);
}

/* Logits of the tokens named by @rows only: the vocabulary is the largest matrix. */
static void output(struct build *b, struct dsk_graph *g)
{
	const struct dsk_shape *s = b->s;
	uint32_t rows = b->p->rows;
	uint64_t at = emit_room(&b->e, DSK_B_WORK, (uint64_t)s->n_embd * rows * sizeof(float));
	int last = b->x, head = weight(b, 0, DSK_OUTPUT), logits, best;

	if (head == EMIT_NONE)
		head = weight(b, 0, DSK_TOKEN_EMBD);
	if (b->p->tokens > 1) {
		last = emit_tensor_at(&b->e, DSK_B_WORK, at, DSEEK_F32, DSEEK_LAYOUT_ROWS, s->n_embd, rows, 1, 1, b->c_rows);
		EMIT(&b->e, ROWS, EMIT_ARGS(), b->x, b->rows, last);
	}
	g->logits = emit_room(&b->e, DSK_B_OUTPUT, (uint64_t)s->n_vocab * rows * sizeof(float));
	g->best = emit_room(&b->e, DSK_B_OUTPUT, rows * sizeof(int32_t));
	logits = emit_tensor_at(&b->e, DSK_B_OUTPUT, g->logits, DSEEK_F32, DSEEK_LAYOUT_ROWS, s->n_vocab, rows, 1, 1, b->c_rows);
	best = emit_tensor_at(&b->e, DSK_B_OUTPUT, g->best, DSEEK_I32, DSEEK_LAYOUT_ROWS, rows, 1, 1, 0, b->c_rows);
	EMIT(&b->e, RMSNORM, EMIT_ARGS(.f = { s->norm_eps }), last, weight(b, 0, DSK_OUTPUT_NORM), last);
	EMIT(&b->e, LINEAR, EMIT_ARGS(), last, head, EMIT_NONE, EMIT_NONE, logits);
	EMIT(&b->e, ARGMAX, EMIT_ARGS(), logits, best);
}

static int input(struct build *b, uint32_t n, int param, uint64_t *ret_offset)
{
	*ret_offset = emit_room(&b->e, DSK_B_INPUT, n * sizeof(int32_t));
	return emit_tensor_at(&b->e, DSK_B_INPUT, *ret_offset, DSEEK_I32, DSEEK_LAYOUT_ROWS, n, 1, 1, 0, param);
}

int dsk_graph_build(const struct dsk_model *m, const struct dsk_graph_params *params, struct dsk_graph *ret_graph,
		    char *err, size_t err_size)
{
	struct build b = { .m = m, .s = &m->shape, .p = params, .c_tokens = EMIT_CONST, .c_rows = EMIT_CONST };
	struct dsk_graph g = {};
	int rc;

	b.e.b = dseek_builder_create(params->precise ? DSEEK_PROGRAM_PRECISE : 0);
	if (!b.e.b) {
		snprintf(err, err_size, "no memory for a program");
		return -ENOMEM;
	}
	if (params->tokens > 1) {
		b.c_tokens = dseek_builder_param(b.e.b, 1, params->tokens);
		b.c_rows = dseek_builder_param(b.e.b, 1, params->rows);
	}
	b.c_window = dseek_builder_param(b.e.b, 0, INT32_MAX);
	g.n_bindings = params->tap ? DSK_B_TAP + 1 : DSK_B_TAP;
	for (uint32_t i = 0; i < g.n_bindings; i++)
		dseek_builder_binding(b.e.b, i == DSK_B_WEIGHTS || i == DSK_B_INPUT ? DSEEK_ACCESS_READ : 0, 0);
	b.tokens = input(&b, params->tokens, b.c_tokens, &g.tokens);
	b.positions = input(&b, params->tokens, b.c_tokens, &g.positions);
	if (params->tokens > 1)
		b.rows = input(&b, params->rows, b.c_rows, &g.rows);
	make_work(&b);
	b.factors = weight(&b, 0, DSK_ROPE_FREQS);
	if (m->shape.yarn_factor)
		b.factors = emit_tensor_at(&b.e, DSK_B_WEIGHTS, m->factors, DSEEK_F32, DSEEK_LAYOUT_ROWS, m->shape.rope_dims / 2, 1, 1, 0,
					   EMIT_CONST);
	dseek_builder_label(b.e.b, "embed");
	EMIT(&b.e, EMBED, EMIT_ARGS(), b.tokens, weight(&b, 0, DSK_TOKEN_EMBD), b.x);
	for (uint32_t l = 0; l < m->shape.n_layer; l++) {
		label(&b, "attn", l);
		if (b.s->kv_rank)
			latent_attention(&b, l);
		else
			attention(&b, l);
		label(&b, "ffn", l);
		feed_forward(&b, l);
		if (!l)
			memcpy(g.tap, b.tap, sizeof(g.tap));
		if (l == 1)
			g.tap_stride = b.s->n_expert ? b.tap[DSK_TAP_ROUTER] - g.tap[DSK_TAP_ROUTER] : b.tap[0] - g.tap[0];
	}
	dseek_builder_label(b.e.b, "output");
	output(&b, &g);
	b.e.used[DSK_B_WEIGHTS] = m->buffer_bytes;
	memcpy(g.bytes, b.e.used, sizeof(g.bytes));
	rc = dseek_builder_finish(b.e.b, &g.blob, &g.size);
	if (rc)
		snprintf(err, err_size, "the model's program is not valid: %s", dseek_builder_error(b.e.b));
	else
		*ret_graph = g;
	dseek_builder_destroy(b.e.b);
	return rc;
}
