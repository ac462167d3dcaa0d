// SPDX-License-Identifier: MIT
#include "sample_program.h"

#include <dseek.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t used[5];
static int weights;

static int tensor(struct dseek_builder *b, uint32_t binding, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1,
		  uint32_t ne2, int param_dim, int param)
{
	struct dseek_program_tensor t = {
		.dtype = dtype, .layout = layout, .binding = binding, .offset = used[binding],
		.ne = { ne0, ne1, ne2, 1 },
		.ne_param = { DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM },
	};

	if (param_dim >= 0)
		t.ne_param[param_dim] = param;
	used[binding] += dseek_tensor_bytes(dtype, layout, ne0, ne1) * ne2;
	used[binding] = (used[binding] + 63) & ~63ULL;
	return dseek_builder_tensor(b, &t);
}

static int weight(struct dseek_builder *b, const struct sample_shape *s, uint32_t ne0, uint32_t ne1, uint32_t ne2)
{
	uint32_t dtype = s->dtype[weights], layout = s->layout[weights];

	weights++;
	if (!dseek_row_bytes(dtype, ne0))
		dtype = DSEEK_F32;
	if (!dseek_tensor_bytes(dtype, layout, ne0, ne1))
		layout = DSEEK_LAYOUT_ROWS;
	return tensor(b, B_WEIGHTS, dtype, layout, ne0, ne1, ne2, -1, 0);
}

static int view(struct dseek_builder *b, uint32_t binding, uint64_t offset, uint32_t ne0, uint32_t ne1, uint32_t ne2,
		int param_dim, int param)
{
	uint64_t keep = used[binding];
	int n;

	used[binding] = offset;
	n = tensor(b, binding, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, ne1, ne2, param_dim, param);
	used[binding] = keep;
	return n;
}

static void op(struct dseek_builder *b, uint32_t code, uint32_t flags, struct dseek_program_op o, int count, const int *t)
{
	o.code = code;
	o.flags = flags;
	for (int i = 0; i < DSEEK_OP_TENSORS; i++)
		o.t[i] = i < count && t[i] >= 0 ? t[i] : DSEEK_NO_TENSOR;
	dseek_builder_op(b, &o);
}

#define OP(code, flags, args, ...) \
	op(b, DSEEK_OP_##code, flags, (struct dseek_program_op)args, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), \
	   (int[]){ __VA_ARGS__ })
#define ARGS(...) { __VA_ARGS__ }
#define VECTOR(ne0) tensor(b, B_WEIGHTS, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, 1, 1, -1, 0)
#define BIAS(ne0) tensor(b, B_WEIGHTS, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, X, 1, -1, 0)
#define WEIGHT(ne0, ne1, ne2) weight(b, s, ne0, ne1, ne2)
#define ACT(ne0, ne1) tensor(b, B_ACT, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, ne1, 1, 1, P_TOKENS)
#define HEADS(ne0, ne1) tensor(b, B_ACT, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, ne1, T, 2, P_TOKENS)

void *sample_program_of(const struct sample_shape *s, size_t *ret_size)
{
	const uint32_t G = s->kv_heads, H = G * s->group, D = s->head, E = H * D, N = s->slots, F = s->ffn, X = s->experts,
		       K = s->selected, V = s->vocab, T = s->tokens, R = s->rows;
	struct dseek_builder *b = dseek_builder_create(DSEEK_PROGRAM_PRECISE);
	int ids, pos, slots, rows, table, norm, wq, wk, wv, wo, gate, up, router, bias, xg, xu, xd, sinks, factors;
	int x, y, q, k, v, att, attf, h, logits, eids, ew, scratch, half, kh, vh, kc, vc, picked, best, gate_bias, up_bias, down_bias;
	int head_w, head_out, latent_rows, latent_k, latent_v, latent_out, latent_turned, latent_queries, latent_mixtures;
	uint64_t off;
	void *blob;

	memset(used, 0, sizeof(used));
	weights = 0;
	dseek_builder_param(b, 1, T);
	dseek_builder_param(b, 1, R);
	dseek_builder_param(b, 0, 64);
	dseek_builder_param(b, 0, 100);
	for (int i = 0; i < 5; i++)
		dseek_builder_binding(b, i == B_WEIGHTS || i == B_INPUT ? DSEEK_ACCESS_READ : 0, 0);

	ids = tensor(b, B_INPUT, DSEEK_I32, DSEEK_LAYOUT_ROWS, T, 1, 1, 0, P_TOKENS);
	pos = tensor(b, B_INPUT, DSEEK_I32, DSEEK_LAYOUT_ROWS, T, 1, 1, 0, P_TOKENS);
	slots = tensor(b, B_INPUT, DSEEK_I32, DSEEK_LAYOUT_ROWS, T, 1, 1, 0, P_TOKENS);
	rows = tensor(b, B_INPUT, DSEEK_I32, DSEEK_LAYOUT_ROWS, R, 1, 1, 0, P_ROWS);
	table = WEIGHT(E, V, 1);
	norm = VECTOR(E);
	wq = WEIGHT(E, E, 1);
	wk = WEIGHT(E, D * G, 1);
	wv = WEIGHT(E, D * G, 1);
	wo = WEIGHT(E, E, 1);
	gate = WEIGHT(E, F, 1);
	up = WEIGHT(E, F, 1);
	router = WEIGHT(E, X, 1);
	bias = VECTOR(X);
	xg = WEIGHT(E, F, X);
	xu = WEIGHT(E, F, X);
	xd = WEIGHT(F, E, X);
	sinks = VECTOR(H);
	factors = VECTOR(D / 2);
	x = ACT(E, T);
	y = ACT(E, T);
	off = used[B_ACT];
	q = HEADS(D, H);
	view(b, B_ACT, off, E, T, 1, 1, P_TOKENS);
	k = ACT(D * G, T);
	v = ACT(D * G, T);
	kh = HEADS(D, G);
	vh = HEADS(D, G);
	att = HEADS(D, H);
	attf = ACT(E, T);
	h = ACT(F, T);
	logits = ACT(X, T);
	eids = tensor(b, B_ACT, DSEEK_I32, DSEEK_LAYOUT_ROWS, K, T, 1, 1, P_TOKENS);
	ew = ACT(K, T);
	scratch = tensor(b, B_ACT, DSEEK_F32, DSEEK_LAYOUT_ROWS, F, K, T, 2, P_TOKENS);
	half = tensor(b, B_ACT, DSEEK_F16, DSEEK_LAYOUT_ROWS, E, T, 1, 1, P_TOKENS);
	kc = tensor(b, B_CACHE, DSEEK_F16, DSEEK_LAYOUT_ROWS, D, G, N, -1, 0);
	vc = tensor(b, B_CACHE, DSEEK_BF16, DSEEK_LAYOUT_ROWS, D, G, N, -1, 0);
	picked = tensor(b, B_OUTPUT, DSEEK_F32, DSEEK_LAYOUT_ROWS, E, R, 1, 1, P_ROWS);
	best = tensor(b, B_OUTPUT, DSEEK_I32, DSEEK_LAYOUT_ROWS, T, 1, 1, 0, P_TOKENS);
	gate_bias = BIAS(F);
	up_bias = BIAS(F);
	down_bias = BIAS(E);

	head_w = WEIGHT(D, 24, H);
	head_out = HEADS(24, H);
	/* half of q's elements are rotated, the latent has 24 */
	latent_k = WEIGHT(D / 2, 24, H);
	latent_v = WEIGHT(24, D, H);
	latent_turned = WEIGHT(24, D / 2, H);
	latent_rows = tensor(b, B_CACHE, DSEEK_F16, DSEEK_LAYOUT_ROWS, 24 + D - D / 2, 1, N, -1, 0);
	latent_out = HEADS(D, H);
	latent_queries = HEADS(24 + D - D / 2, H);
	latent_mixtures = HEADS(24, H);

	OP(NOP, 0, ARGS(), -1);
	OP(SPIN, 0, ARGS(.i = { P_SPIN }, .i_param = 1), -1);
	OP(COPY, 0, ARGS(), x, half);
	dseek_builder_label(b, "embed");
	OP(EMBED, 0, ARGS(.f = { 1 }), ids, table, x);
	dseek_builder_label(b, "layer");
	OP(RMSNORM, 0, ARGS(.f = { 1e-5f }), x, norm, x);
	OP(LINEAR, 0, ARGS(), x, wq, wk, wv, q + 1, k, v);
	OP(ROPE, 0, ARGS(.i = { D, DSEEK_ROPE_NEOX }, .f = { 1e4f, 1 }), q, pos, factors);
	OP(KV_STORE, 0, ARGS(), kh, vh, kc, vc, slots);
	OP(ATTENTION, 0, ARGS(.i = { P_WINDOW }, .i_param = 1, .f = { 0.25f, 0 }), q, kc, vc, pos, att, sinks);
	OP(LINEAR, DSEEK_OPF_ACCUMULATE, ARGS(), attf, wo, -1, -1, x);
	OP(GLU, 0, ARGS(.i = { DSEEK_ACT_SILU }), x, gate, up, h);
	OP(LINEAR, 0, ARGS(), x, router, -1, -1, logits, -1, -1, bias);
	OP(MOE_ROUTE, DSEEK_OPF_NORMALISE, ARGS(.i = { K, DSEEK_GATE_SOFTMAX }, .f = { 1, 6.1e-5f }), logits, eids, ew, bias);
	OP(MOE_FFN, 0, ARGS(.i = { DSEEK_ACT_SWIGLU_CLAMPED }), x, eids, ew, xg, xu, xd, y, scratch, gate_bias, up_bias, down_bias);
	OP(ADD, 0, ARGS(), x, y, x);
	OP(MUL, 0, ARGS(), x, y, y);
	dseek_builder_label(b, "output");
	OP(ROWS, 0, ARGS(), x, rows, picked);
	OP(ARGMAX, 0, ARGS(), x, best);
	OP(HEAD_LINEAR, 0, ARGS(), q, head_w, head_out);
	OP(LATENT_ATTENTION, 0, ARGS(.i = { P_WINDOW }, .i_param = 1, .f = { 0.25f }), q, latent_rows, latent_k, latent_v, pos, latent_out,
	   latent_turned, latent_queries, latent_mixtures);
	if (dseek_builder_finish(b, &blob, ret_size)) {
		fprintf(stderr, "sample program: %s\n", dseek_builder_error(b));
		abort();
	}
	dseek_builder_destroy(b);
	return blob;
}

void *sample_program(size_t *ret_size)
{
	static const struct sample_shape shape = {
		.group = 2, .kv_heads = 2, .head = 16, .slots = 32, .ffn = 128, .experts = 4, .selected = 2, .vocab = 96,
		.tokens = 5, .rows = 2,
		/* table, q, k, v, o, gate, up, router, experts' gate, up, down, heads' */
		.dtype = { DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q8_0, DSEEK_F16, DSEEK_BF16, DSEEK_Q4_1, DSEEK_Q4_1, DSEEK_F32,
			   DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_F32, DSEEK_BF16 },
		.layout = { 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1 },
	};

	return sample_program_of(&shape, ret_size);
}
