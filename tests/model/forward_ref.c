// SPDX-License-Identifier: MIT
#include "forward_ref.h"

#include <dseek_program.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/model/gguf.h"

struct model {
	const struct gguf *g;
	uint32_t layers, embd, heads, kv_heads, dk, dv, experts, used, gating, rope_dims;
	double eps, base, rope_scale, expert_scale;
	double yarn, trained, log_mul, attn_factor;	/* yarn: its factor, 0: none */
	int neox, norm_weights, gpt_oss;
	uint32_t kv_rank, q_rank, groups, groups_used;	/* kv_rank 0: no latent attention; groups 0: none */
	double attn_scale;
};

static uint32_t key_u32(const struct gguf *g, const char *name, uint32_t otherwise)
{
	gguf_get_u32(g, name, &otherwise, NULL, 0);
	return otherwise;
}

static double key_f32(const struct gguf *g, const char *name, float otherwise)
{
	gguf_get_f32(g, name, &otherwise, NULL, 0);
	return otherwise;
}

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

/* A tensor as doubles, or NULL; free() it. */
static double *load(const struct gguf *g, int layer, const char *name)
{
	const struct gguf_tensor *t;
	char full[80];
	double *out;
	float *row;
	uint64_t rows;

	if (layer >= 0)
		snprintf(full, sizeof(full), "blk.%d.%s", layer, name);
	else
		snprintf(full, sizeof(full), "%s", name);
	t = gguf_find_tensor(g, full);
	if (!t)
		return NULL;
	rows = t->ne[1] * t->ne[2];
	out = need(malloc(rows * t->ne[0] * sizeof(*out)));
	row = need(malloc(t->ne[0] * sizeof(*row)));
	for (uint64_t r = 0; r < rows; r++) {
		if (dseek_row_to_f32(t->dtype, (const char *)t->data + r * dseek_row_bytes(t->dtype, t->ne[0]), t->ne[0], row))
			abort();
		for (uint64_t k = 0; k < t->ne[0]; k++)
			out[r * t->ne[0] + k] = row[k];
	}
	free(row);
	return out;
}

static void matvec(const double *w, const double *x, uint32_t k, uint32_t n, const double *bias, double *out)
{
	for (uint32_t j = 0; j < n; j++) {
		out[j] = bias ? bias[j] : 0;
		for (uint32_t i = 0; i < k; i++)
			out[j] += w[(uint64_t)j * k + i] * x[i];
	}
}

static void rmsnorm(const double *x, const double *w, uint32_t n, double eps, double *out)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (uint32_t i = 0; i < n; i++)
		out[i] = x[i] / sqrt(sum / n + eps) * w[i];
}

/*
 * YaRN (Peng et al. 2023, section 3.2): a pair that turns r times within the trained context keeps its frequency if r > 32, turns by
 * it over the factor if r < 1; between, by both. Where these r lie the reference code rounds to whole pairs, outwards.
 */
static double yarn(const struct model *m, uint32_t j, double angle)
{
	double pair_of_32 = m->rope_dims * log(m->trained / (2 * M_PI * 32)) / (2 * log(m->base));
	double pair_of_1 = m->rope_dims * log(m->trained / (2 * M_PI)) / (2 * log(m->base));
	double low = floor(pair_of_32), high = ceil(pair_of_1), keep;

	low = low > 0 ? low : 0;
	high = high < m->rope_dims - 1 ? high : m->rope_dims - 1;
	keep = j <= low ? 1 : j >= high ? 0 : (high - j) / (high - low);
	return angle * keep + angle / m->yarn * (1 - keep);
}

/* Su et al. 2021: pair j turns by pos * base^(-2j/d). Pairs are neighbours, or (NEOX) half the dimensions apart. */
static void rope(const struct model *m, double *x, uint32_t pos, const double *factors)
{
	for (uint32_t j = 0; j < m->rope_dims / 2; j++) {
		double angle = pos * m->rope_scale * pow(m->base, -2.0 * j / m->rope_dims) / (factors ? factors[j] : 1);
		double size = m->attn_factor;
		double *a = m->neox ? &x[j] : &x[2 * j], *b = m->neox ? &x[j + m->rope_dims / 2] : &x[2 * j + 1];
		double u, v;

		if (m->yarn) {
			angle = yarn(m, j, angle);
			/* DeepSeek's two factors, whose quotient this is, are equal. */
			size *= m->kv_rank && m->log_mul ? 1 : (1 + 0.1 * log(m->yarn)) / (1 + 0.1 * m->log_mul * log(m->yarn));
		}
		u = *a * cos(angle) - *b * sin(angle);
		v = *a * sin(angle) + *b * cos(angle);
		*a = u * size;
		*b = v * size;
	}
}

/* OpenAI 2025, gpt-oss, swiglu() of its reference */
static double clamped_swiglu(double gate, double up)
{
	gate = fmin(gate, 7);
	up = fmin(fmax(up, -7), 7);
	return gate / (1 + exp(-1.702 * gate)) * (up + 1);
}

struct biases {
	const double *gate, *up, *down;		/* NULL: not gpt-oss's form */
};

static void glu(const double *x, const double *gate, const double *up, const double *down, struct biases bias, uint32_t k, uint32_t f,
		double weight, double *out)
{
	double *g = need(malloc(f * sizeof(*g))), *u = need(malloc(f * sizeof(*u))), *o = need(malloc(k * sizeof(*o)));

	matvec(gate, x, k, f, bias.gate, g);
	matvec(up, x, k, f, bias.up, u);
	for (uint32_t i = 0; i < f; i++)
		g[i] = bias.gate ? clamped_swiglu(g[i], u[i]) : g[i] / (1 + exp(-g[i])) * u[i];
	matvec(down, g, f, k, bias.down, o);
	for (uint32_t i = 0; i < k; i++)
		out[i] += weight * o[i];
	free(g);
	free(u);
	free(o);
}

/* DeepSeek-V3, section 2.1.2: of groups of experts, those whose two best add up to most. Experts of others are @out_of_reach. */
static void choose_groups(const struct model *m, const double *p, const double *bias, int *out_of_reach)
{
	uint32_t each = m->experts / m->groups, chosen[64];
	double score[64];

	for (uint32_t g = 0; g < m->groups; g++) {
		score[g] = -INFINITY;
		for (uint32_t a = g * each; a < (g + 1) * each; a++)
			for (uint32_t b = a + 1; b < (g + 1) * each; b++)
				score[g] = fmax(score[g], p[a] + (bias ? bias[a] : 0) + p[b] + (bias ? bias[b] : 0));
	}
	for (uint32_t e = 0; e < m->experts; e++)
		out_of_reach[e] = 1;
	for (uint32_t j = 0; j < m->groups_used; j++) {
		chosen[j] = 0;
		for (uint32_t g = 1; g < m->groups; g++)
			if (score[g] > score[chosen[j]])
				chosen[j] = g;
		score[chosen[j]] = -INFINITY;
		for (uint32_t e = 0; e < each; e++)
			out_of_reach[chosen[j] * each + e] = 0;
	}
}

/* Those that every token goes to. */
static void shared_experts(const struct model *m, int l, const double *x, double *out)
{
	double *gate = load(m->g, l, "ffn_gate_shexp.weight"), *up = load(m->g, l, "ffn_up_shexp.weight");
	double *down = load(m->g, l, "ffn_down_shexp.weight");

	if (gate)
		glu(x, gate, up, down, (struct biases){ 0 }, m->embd,
		    key_u32(m->g, ".expert_feed_forward_length", 0) * key_u32(m->g, ".expert_shared_count", 0), 1, out);
	free(gate);
	free(up);
	free(down);
}

static void experts(const struct model *m, int l, const double *x, double *out)
{
	double *router = load(m->g, l, "ffn_gate_inp.weight"), *bias = load(m->g, l, "exp_probs_b.bias");
	double *gate = load(m->g, l, "ffn_gate_exps.weight"), *up = load(m->g, l, "ffn_up_exps.weight");
	double *down = load(m->g, l, "ffn_down_exps.weight"), *logit_bias = load(m->g, l, "ffn_gate_inp.bias");
	double *gate_bias = load(m->g, l, "ffn_gate_exps.bias"), *up_bias = load(m->g, l, "ffn_up_exps.bias");
	double *down_bias = load(m->g, l, "ffn_down_exps.bias");
	uint32_t f = key_u32(m->g, ".expert_feed_forward_length", 0), chosen[64];
	double p[64], sum = 0, total = 0;
	int out_of_reach[64] = { 0 };

	if (!f || !strcmp(gguf_arch(m->g), "llama"))
		f = key_u32(m->g, ".feed_forward_length", 0);
	if (m->experts > 64)
		abort();
	matvec(router, x, m->embd, m->experts, logit_bias, p);
	for (uint32_t e = 0; e < m->experts; e++)
		sum += exp(p[e]);
	for (uint32_t e = 0; e < m->experts; e++)
		p[e] = m->gating == 2 ? 1 / (1 + exp(-p[e])) : m->gating == 64 ? p[e] : exp(p[e]) / sum;
	if (m->groups)
		choose_groups(m, p, bias, out_of_reach);
	for (uint32_t j = 0; j < m->used; j++) {
		chosen[j] = UINT32_MAX;
		for (uint32_t e = 0; e < m->experts; e++) {
			int taken = out_of_reach[e];

			for (uint32_t i = 0; i < j; i++)
				taken |= chosen[i] == e;
			if (!taken && (chosen[j] == UINT32_MAX ||
				       p[e] + (bias ? bias[e] : 0) > p[chosen[j]] + (bias ? bias[chosen[j]] : 0)))
				chosen[j] = e;
		}
		total += p[chosen[j]];
	}
	for (uint32_t j = 0; j < m->used; j++) {
		uint64_t at = (uint64_t)chosen[j] * f * m->embd;
		double w = m->gating == 64 ? 1 : m->norm_weights ? p[chosen[j]] / total : p[chosen[j]];

		struct biases b = { 0 };

		if (m->gpt_oss)
			b = (struct biases){ gate_bias + chosen[j] * f, up_bias + chosen[j] * f, down_bias + chosen[j] * m->embd };
		glu(x, gate + at, up + at, down + at, b, m->embd, f, w * m->expert_scale, out);
	}
	free(logit_bias);
	free(gate_bias);
	free(up_bias);
	free(down_bias);
	free(router);
	free(bias);
	free(gate);
	free(up);
	free(down);
}

static void attend(const struct model *m, const double *q, const double *k, const double *v, const double *sinks, uint32_t t,
		   uint32_t window, double *out)
{
	double *score = need(malloc((t + 1) * sizeof(*score)));
	uint32_t kd = m->kv_heads * m->dk, vd = m->kv_heads * m->dv;

	for (uint32_t h = 0; h < m->heads; h++) {
		uint32_t kv = h / (m->heads / m->kv_heads), first = window && t + 1 > window ? t + 1 - window : 0;
		double max = sinks ? sinks[h] : -INFINITY, sum = 0;

		for (uint32_t s = first; s <= t; s++) {
			score[s] = 0;
			for (uint32_t d = 0; d < m->dk; d++)
				score[s] += q[h * m->dk + d] * k[(uint64_t)s * kd + kv * m->dk + d];
			score[s] *= m->attn_scale;
			max = fmax(max, score[s]);
		}
		for (uint32_t s = first; s <= t; s++)
			sum += score[s] = exp(score[s] - max);
		if (sinks)
			sum += exp(sinks[h] - max);
		for (uint32_t d = 0; d < m->dv; d++) {
			out[h * m->dv + d] = 0;
			for (uint32_t s = first; s <= t; s++)
				out[h * m->dv + d] += score[s] / sum * v[(uint64_t)s * vd + kv * m->dv + d];
		}
	}
	free(score);
}

/*
 * Latent attention as DeepSeek-V2 has it in section 2.1.2, equations 37 to 47, not absorbed: keys and values of every head are made. @q,
 * @k and @v are this token's.
 */
static void project_latent(const struct model *m, int l, const double *h, uint32_t t, const double *factors, double *q, double *k, double *v)
{
	const char *const names[] = {
		"attn_q.weight", "attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight", "attn_kv_a_mqa.weight", "attn_kv_a_norm.weight",
		"attn_k_b.weight", "attn_v_b.weight", "attn_kv_b.weight",
	};
	enum { WQ, QA, QAN, QB, KVA, KVAN, KB, VB, KVB, COUNT };
	uint32_t plain = m->dk - m->rope_dims, both = plain + m->dv;
	double *w[COUNT], *c = need(malloc((m->kv_rank + m->rope_dims) * sizeof(*c))), *qc = need(malloc((m->q_rank + 1) * sizeof(*qc)));

	for (int i = 0; i < COUNT; i++)
		w[i] = load(m->g, l, names[i]);
	if (m->q_rank) {
		matvec(w[QA], h, m->embd, m->q_rank, NULL, qc);
		rmsnorm(qc, w[QAN], m->q_rank, m->eps, qc);
		matvec(w[QB], qc, m->q_rank, m->heads * m->dk, NULL, q);
	} else {
		matvec(w[WQ], h, m->embd, m->heads * m->dk, NULL, q);
	}
	matvec(w[KVA], h, m->embd, m->kv_rank + m->rope_dims, NULL, c);
	rmsnorm(c, w[KVAN], m->kv_rank, m->eps, c);
	rope(m, c + m->kv_rank, t, factors);
	for (uint32_t i = 0; i < m->heads; i++) {
		double *key = k + i * m->dk, *value = v + i * m->dv;

		rope(m, q + i * m->dk + plain, t, factors);
		memcpy(key + plain, c + m->kv_rank, m->rope_dims * sizeof(*key));
		if (w[KVB]) {
			matvec(w[KVB] + (uint64_t)i * both * m->kv_rank, c, m->kv_rank, plain, NULL, key);
			matvec(w[KVB] + ((uint64_t)i * both + plain) * m->kv_rank, c, m->kv_rank, m->dv, NULL, value);
			continue;
		}
		for (uint32_t d = 0; d < plain; d++) {	/* its rows are of the latent space */
			key[d] = 0;
			for (uint32_t r = 0; r < m->kv_rank; r++)
				key[d] += w[KB][((uint64_t)i * m->kv_rank + r) * plain + d] * c[r];
		}
		matvec(w[VB] + (uint64_t)i * m->dv * m->kv_rank, c, m->kv_rank, m->dv, NULL, value);
	}
	for (int i = 0; i < COUNT; i++)
		free(w[i]);
	free(c);
	free(qc);
}

static void project(const struct model *m, double *const *w, const double *h, uint32_t t, const double *factors, double *q, double *k, double *v)
{
	enum { WQ = 1, WK, WV, BQ = 5, BK, BV, QN, KN };

	matvec(w[WQ], h, m->embd, m->heads * m->dk, w[BQ], q);
	matvec(w[WK], h, m->embd, m->kv_heads * m->dk, w[BK], k);
	matvec(w[WV], h, m->embd, m->kv_heads * m->dv, w[BV], v);
	for (uint32_t i = 0; i < m->heads; i++) {
		if (w[QN])
			rmsnorm(q + i * m->dk, w[QN], m->dk, m->eps, q + i * m->dk);
		rope(m, q + i * m->dk, t, factors);
	}
	for (uint32_t i = 0; i < m->kv_heads; i++) {
		if (w[KN])
			rmsnorm(k + i * m->dk, w[KN], m->dk, m->eps, k + i * m->dk);
		rope(m, k + i * m->dk, t, factors);
	}
}

static void layer(const struct model *m, int l, double *x, uint32_t n, uint32_t window)
{
	uint32_t qd = m->heads * m->dk, kd = m->kv_heads * m->dk, vd = m->kv_heads * m->dv, od = m->heads * m->dv;
	const char *const names[] = {
		"attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "attn_q.bias",
		"attn_k.bias", "attn_v.bias", "attn_q_norm.weight", "attn_k_norm.weight",
		m->gpt_oss ? "post_attention_norm.weight" : "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight",
		"attn_sinks.weight", "attn_output.bias",
	};
	enum { AN, WO = 4, FN = 10, WG, WU, WD, SINKS, BO, COUNT };
	double *w[COUNT], *factors = load(m->g, -1, "rope_freqs.weight");
	double *h = need(malloc(m->embd * sizeof(*h))), *q = need(malloc(qd * sizeof(*q)));
	double *k = need(malloc((uint64_t)n * kd * sizeof(*k))), *v = need(malloc((uint64_t)n * vd * sizeof(*v)));
	double *a = need(malloc(od * sizeof(*a))), *o = need(malloc(m->embd * sizeof(*o)));

	for (int i = 0; i < COUNT; i++)
		w[i] = load(m->g, l, names[i]);
	for (uint32_t t = 0; t < n; t++, x += m->embd) {
		rmsnorm(x, w[AN], m->embd, m->eps, h);
		if (m->kv_rank)
			project_latent(m, l, h, t, factors, q, k + (uint64_t)t * kd, v + (uint64_t)t * vd);
		else
			project(m, w, h, t, factors, q, k + (uint64_t)t * kd, v + (uint64_t)t * vd);
		attend(m, q, k, v, w[SINKS], t, window, a);
		matvec(w[WO], a, od, m->embd, w[BO], o);
		for (uint32_t i = 0; i < m->embd; i++)
			x[i] += o[i];
		rmsnorm(x, w[FN], m->embd, m->eps, h);
		if (w[WG])
			glu(h, w[WG], w[WU], w[WD], (struct biases){ 0 }, m->embd, key_u32(m->g, ".feed_forward_length", 0), 1, x);
		else
			experts(m, l, h, x);
		if (!w[WG])
			shared_experts(m, l, h, x);
	}
	for (int i = 0; i < COUNT; i++)
		free(w[i]);
	free(factors);
	free(h);
	free(q);
	free(k);
	free(v);
	free(a);
	free(o);
}

static void latent_keys(struct model *m)
{
	bool norm = false;

	m->kv_rank = key_u32(m->g, ".attention.kv_lora_rank", 0);
	m->q_rank = key_u32(m->g, ".attention.q_lora_rank", 0);
	m->dk = key_u32(m->g, ".attention.key_length_mla", m->dk);
	m->dv = key_u32(m->g, ".attention.value_length_mla", m->dv);
	m->kv_heads = m->heads;
	m->groups = key_u32(m->g, ".expert_group_count", 0);
	m->groups_used = key_u32(m->g, ".expert_group_used_count", 0);
	gguf_get_bool(m->g, ".expert_weights_norm", &norm, NULL, 0);
	m->norm_weights = norm;
	m->neox = 0;
}

double *forward_ref(const struct gguf *g, const int32_t *tokens, uint32_t n, const struct forward_params *params,
		    uint32_t *ret_n_vocab)
{
	struct model m = {
		.g = g, .layers = key_u32(g, ".block_count", 0), .embd = key_u32(g, ".embedding_length", 0),
		.heads = key_u32(g, ".attention.head_count", 0), .experts = key_u32(g, ".expert_count", 0),
		.used = params->experts_used ? params->experts_used : key_u32(g, ".expert_used_count", 0),
		.gating = key_u32(g, ".expert_gating_func", 1), .norm_weights = 1,
		.eps = key_f32(g, ".attention.layer_norm_rms_epsilon", 0), .base = key_f32(g, ".rope.freq_base", 10000),
		.rope_scale = 1 / key_f32(g, ".rope.scaling.factor", 1), .expert_scale = key_f32(g, ".expert_weights_scale", 1),
		.neox = !!strcmp(gguf_arch(g), "llama"),
	};
	double *embd = need(load(g, -1, "token_embd.weight")), *norm = need(load(g, -1, "output_norm.weight"));
	double *head = load(g, -1, "output.weight"), *x = need(malloc((uint64_t)n * m.embd * sizeof(*x))), *logits;
	uint32_t n_vocab = gguf_find_tensor(g, "token_embd.weight")->ne[1];
	struct gguf_str scaling;

	m.gpt_oss = !strcmp(gguf_arch(g), "gpt-oss");
	m.attn_factor = 1;
	if (!gguf_get_str(g, ".rope.scaling.type", &scaling, NULL, 0) && gguf_str_eq(scaling, "yarn")) {
		m.yarn = 1 / m.rope_scale;
		m.rope_scale = 1;
		m.trained = key_u32(g, ".rope.scaling.original_context_length", key_u32(g, ".context_length", 0));
		m.log_mul = key_f32(g, ".rope.scaling.yarn_log_multiplier", 0);
		m.attn_factor = key_f32(g, ".rope.scaling.attn_factor", 1);
	}
	m.kv_heads = key_u32(g, ".attention.head_count_kv", m.heads);
	m.dk = key_u32(g, ".attention.key_length", m.embd / m.heads);
	m.dv = key_u32(g, ".attention.value_length", m.dk);
	m.rope_dims = key_u32(g, ".rope.dimension_count", m.dk);
	if (!strcmp(gguf_arch(g), "deepseek2"))
		latent_keys(&m);
	m.attn_scale = 1 / sqrt(m.dk);
	if (m.kv_rank && m.yarn)
		m.attn_scale *= pow(m.attn_factor * (m.log_mul ? 1 + m.log_mul * log(m.yarn) : 1 + 0.1 * log(m.yarn)), 2);
	for (uint32_t t = 0; t < n; t++)
		memcpy(x + (uint64_t)t * m.embd, embd + (uint64_t)tokens[t] * m.embd, m.embd * sizeof(*x));
	for (uint32_t l = 0; l < m.layers; l++)
		layer(&m, l, x, n, m.gpt_oss && l % 2 == 0 ? key_u32(g, ".attention.sliding_window", 0) : params->window);
	logits = need(malloc((uint64_t)n * n_vocab * sizeof(*logits)));
	for (uint32_t t = 0; t < n; t++) {
		rmsnorm(x + (uint64_t)t * m.embd, norm, m.embd, m.eps, x + (uint64_t)t * m.embd);
		matvec(head ? head : embd, x + (uint64_t)t * m.embd, m.embd, n_vocab, NULL, logits + (uint64_t)t * n_vocab);
	}
	free(embd);
	free(norm);
	free(head);
	free(x);
	*ret_n_vocab = n_vocab;
	return logits;
}
