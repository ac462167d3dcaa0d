// SPDX-License-Identifier: MIT
#include "arch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch_keys.h"

static const struct dsk_arch archs[] = {
	/* Llama, Mistral, Mixtral, SmolLM2: their converters interleave the rotated pairs. */
	{ "llama", DSEEK_ROPE_INTERLEAVED, 0, ".feed_forward_length" },
	{ "qwen2", DSEEK_ROPE_NEOX, 0, NULL },
	{ "qwen3", DSEEK_ROPE_NEOX, DSK_ARCH_QK_NORM, NULL },
	{ "qwen3moe", DSEEK_ROPE_NEOX, DSK_ARCH_QK_NORM, ".expert_feed_forward_length" },
	/* DeepSeek-V2, V2-Lite, V3, R1 */
	{ "deepseek2", DSEEK_ROPE_INTERLEAVED, DSK_ARCH_LATENT, ".expert_feed_forward_length" },
	{ "gpt-oss", DSEEK_ROPE_NEOX, DSK_ARCH_GPT_OSS, ".expert_feed_forward_length" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct dsk_rule dsk_rules[DSK_WEIGHT_COUNT] = {
	[DSK_TOKEN_EMBD] = { "token_embd.weight", "EV", DSK_MUST },
	[DSK_OUTPUT_NORM] = { "output_norm.weight", "E", DSK_MUST },
	[DSK_OUTPUT] = { "output.weight", "EV", DSK_MAY },		/* absent: the embedding is used */
	[DSK_ROPE_FREQS] = { "rope_freqs.weight", "P", DSK_MAY },
	[DSK_ATTN_NORM] = { "attn_norm.weight", "E", DSK_MUST },
	[DSK_Q] = { "attn_q.weight", "EQ", DSK_Q_FULL },
	[DSK_K] = { "attn_k.weight", "EK", DSK_HEADS },
	[DSK_V] = { "attn_v.weight", "EU", DSK_HEADS },
	[DSK_O] = { "attn_output.weight", "OE", DSK_MUST },
	[DSK_Q_BIAS] = { "attn_q.bias", "Q", DSK_MAY },
	[DSK_K_BIAS] = { "attn_k.bias", "K", DSK_MAY },
	[DSK_V_BIAS] = { "attn_v.bias", "U", DSK_MAY },
	[DSK_Q_NORM] = { "attn_q_norm.weight", "D", DSK_QK_NORM },
	[DSK_K_NORM] = { "attn_k_norm.weight", "D", DSK_QK_NORM },
	[DSK_FFN_NORM] = { "ffn_norm.weight", "E", DSK_MUST, "post_attention_norm.weight" },
	[DSK_GATE] = { "ffn_gate.weight", "EF", DSK_DENSE },
	[DSK_UP] = { "ffn_up.weight", "EF", DSK_DENSE },
	[DSK_DOWN] = { "ffn_down.weight", "FE", DSK_DENSE },
	[DSK_ROUTER] = { "ffn_gate_inp.weight", "EX", DSK_EXPERTS },
	[DSK_ROUTER_BIAS] = { "exp_probs_b.bias", "X", DSK_MAY },
	[DSK_GATE_EXPS] = { "ffn_gate_exps.weight", "EMX", DSK_EXPERTS },
	[DSK_UP_EXPS] = { "ffn_up_exps.weight", "EMX", DSK_EXPERTS },
	[DSK_DOWN_EXPS] = { "ffn_down_exps.weight", "MEX", DSK_EXPERTS },
	[DSK_Q_A] = { "attn_q_a.weight", "EL", DSK_Q_LATENT },
	[DSK_Q_A_NORM] = { "attn_q_a_norm.weight", "L", DSK_Q_LATENT },
	[DSK_Q_B] = { "attn_q_b.weight", "LQ", DSK_Q_LATENT },
	[DSK_KV_A] = { "attn_kv_a_mqa.weight", "EC", DSK_LATENT },
	[DSK_KV_A_NORM] = { "attn_kv_a_norm.weight", "R", DSK_LATENT },
	[DSK_K_B] = { "attn_k_b.weight", "NRH", DSK_LATENT },
	[DSK_V_B] = { "attn_v_b.weight", "RvH", DSK_LATENT },
	[DSK_K_TURNED] = { NULL, "RNH", DSK_MADE },
	[DSK_GATE_SHARED] = { "ffn_gate_shexp.weight", "ES", DSK_SHARED },
	[DSK_UP_SHARED] = { "ffn_up_shexp.weight", "ES", DSK_SHARED },
	[DSK_DOWN_SHARED] = { "ffn_down_shexp.weight", "SE", DSK_SHARED },
	[DSK_SINKS] = { "attn_sinks.weight", "H", DSK_GPT_OSS },
	[DSK_O_BIAS] = { "attn_output.bias", "E", DSK_GPT_OSS },
	[DSK_LOGIT_BIAS] = { "ffn_gate_inp.bias", "X", DSK_GPT_OSS },
	[DSK_GATE_EXPS_BIAS] = { "ffn_gate_exps.bias", "MX", DSK_GPT_OSS, .vectors = true },
	[DSK_UP_EXPS_BIAS] = { "ffn_up_exps.bias", "MX", DSK_GPT_OSS, .vectors = true },
	[DSK_DOWN_EXPS_BIAS] = { "ffn_down_exps.bias", "EX", DSK_GPT_OSS, .vectors = true },
};

int dsk_arch_find(const char *name, const struct dsk_arch **ret_arch, char *err, size_t err_size)
{
	int used;

	for (size_t i = 0; i < COUNT(archs); i++)
		if (!strcmp(archs[i].name, name)) {
			*ret_arch = &archs[i];
			return 0;
		}
	used = snprintf(err, err_size, "the architecture \"%s\" is not known here; known are", name);
	for (size_t i = 0; i < COUNT(archs) && used >= 0 && (size_t)used < err_size; i++)
		used += snprintf(err + used, err_size - used, "%s %s", i ? "," : "", archs[i].name);
	return -ENOTSUP;
}

/* What only some architectures have of experts. */
static int read_shared(const struct gguf *g, struct dsk_shape *s, char *err, size_t err_size)
{
	uint32_t shared = 0;
	int rc;

	if ((rc = optional_u32(g, ".expert_shared_count", &shared, err, err_size)) ||
	    (rc = optional_u32(g, ".leading_dense_block_count", &s->n_dense, err, err_size)) ||
	    (rc = optional_u32(g, ".expert_group_count", &s->n_expert_group, err, err_size)) ||
	    (rc = optional_u32(g, ".expert_group_used_count", &s->n_group_used, err, err_size)))
		return rc;
	if (s->n_dense > s->n_layer)
		return fail(g, err, err_size, "leading_dense_block_count is above block_count");
	if (__builtin_mul_overflow(shared, s->n_ff_expert, &s->n_ff_shared) || s->n_ff_shared > 1u << 24)
		return fail(g, err, err_size, "expert_shared_count is out of all proportion");
	if (s->n_expert_group <= 1)
		s->n_expert_group = s->n_group_used = 0;
	if (s->n_expert_group && (s->n_expert % s->n_expert_group || !s->n_group_used || s->n_group_used > s->n_expert_group))
		return fail(g, err, err_size, "expert_group_count does not divide expert_count, or expert_group_used_count is not in 1..expert_group_count");
	if (s->n_expert_group && s->n_expert_used > s->n_expert / s->n_expert_group * s->n_group_used)
		return fail(g, err, err_size, "expert_used_count is above what expert_group_used_count groups have");
	return 0;
}

static int read_experts(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *s, char *err, size_t err_size)
{
	uint32_t gating = arch->features & DSK_ARCH_GPT_OSS ? 3 : 1;
	bool norm = !(arch->features & DSK_ARCH_LATENT);	/* what files without the key mean */
	int rc;

	s->expert_scale = 1.0f;
	s->expert_norm = norm;
	if ((rc = optional_u32(g, ".expert_count", &s->n_expert, err, err_size)) || !s->n_expert)
		return rc;
	if (!arch->expert_ff_key)
		return fail(g, err, err_size, "expert_count is set, but this architecture has no experts");
	if ((rc = gguf_get_u32(g, ".expert_used_count", &s->n_expert_used, err, err_size)) ||
	    (rc = gguf_get_u32(g, arch->expert_ff_key, &s->n_ff_expert, err, err_size)) ||
	    (rc = optional_u32(g, ".expert_gating_func", &gating, err, err_size)) ||
	    (rc = optional_f32(g, ".expert_weights_scale", &s->expert_scale, err, err_size)))
		return rc;
	rc = gguf_get_bool(g, ".expert_weights_norm", &norm, err, err_size);
	if (rc && rc != -ENOENT)
		return rc;
	if (!(arch->features & DSK_ARCH_LATENT) && gguf_find_key(g, ".expert_shared_count"))
		return fail(g, err, err_size, "shared experts are not supported for this architecture");
	if (gguf_find_key(g, ".expert_shared_feed_forward_length"))
		return fail(g, err, err_size, "shared experts of a width of their own are not supported");
	s->expert_norm = norm;
	switch (gating) {
	case 0:
	case 1:
		s->expert_gate = DSEEK_GATE_SOFTMAX;
		break;
	case 2:
		s->expert_gate = DSEEK_GATE_SIGMOID;
		break;
	case 3:		/* softmax of the selected: the same as all, normalised */
		s->expert_gate = DSEEK_GATE_SOFTMAX;
		s->expert_norm = true;
		break;
	case DSK_GATING_UNIT:
		s->expert_gate = DSEEK_GATE_UNIT;
		s->expert_norm = false;
		break;
	default:
		snprintf(err, err_size, "%s: expert_gating_func %u is not known", gguf_path(g), gating);
		return -EINVAL;
	}
	if (!s->n_expert_used || s->n_expert_used > s->n_expert)
		return fail(g, err, err_size, "expert_used_count is not in 1..expert_count");
	return arch->features & DSK_ARCH_LATENT ? read_shared(g, s, err, err_size) : 0;
}

/*
 * Heads are those that queries, keys and values would have without the latent space: key_length_mla and value_length_mla, in files from before
 * May 2025 key_length and value_length.
 */
static int read_latent(const struct gguf *g, struct dsk_shape *s, char *err, size_t err_size)
{
	bool old = !gguf_find_key(g, ".attention.key_length_mla");
	uint32_t row = s->head_k;
	int rc;

	if ((rc = gguf_get_u32(g, ".attention.kv_lora_rank", &s->kv_rank, err, err_size)) ||
	    (rc = optional_u32(g, ".attention.q_lora_rank", &s->q_rank, err, err_size)) ||
	    (rc = gguf_get_u32(g, old ? ".attention.key_length" : ".attention.key_length_mla", &s->head_k, err, err_size)) ||
	    (rc = gguf_get_u32(g, old ? ".attention.value_length" : ".attention.value_length_mla", &s->head_v, err, err_size)) ||
	    (rc = gguf_get_u32(g, ".rope.dimension_count", &s->rope_dims, err, err_size)))
		return rc;
	s->n_head_kv = 1;
	if (!s->kv_rank || s->kv_rank > 4096 || s->q_rank > 65536 || s->rope_dims > 4096)
		return fail(g, err, err_size, "attention.kv_lora_rank, q_lora_rank or rope.dimension_count is 0 or out of all proportion");
	if (!old && row != s->kv_rank + s->rope_dims)
		return fail(g, err, err_size, "attention.key_length is not kv_lora_rank and rope.dimension_count together");
	if (s->rope_dims >= s->head_k)
		return fail(g, err, err_size, "rope.dimension_count leaves nothing of a head's key that is not rotated");
	if (s->kv_rank % 16 || (s->head_k - s->rope_dims) % 16)	/* places in a program are multiples of 64 bytes */
		return fail(g, err, err_size, "attention.kv_lora_rank and what of a head is not rotated must be multiples of 16");
	return 0;
}

int dsk_shape_read(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *ret_shape, char *err, size_t err_size)
{
	const struct gguf_tensor *embd = gguf_find_tensor(g, dsk_rules[DSK_TOKEN_EMBD].name);
	struct dsk_shape s = {};
	struct gguf_str name;
	int rc;

	snprintf(s.arch, sizeof(s.arch), "%s", arch->name);
	if (!gguf_get_str(g, "general.name", &name, NULL, 0))
		snprintf(s.name, sizeof(s.name), "%.*s", (int)(name.size < 63 ? name.size : 63), name.data);
	if ((rc = gguf_get_u32(g, ".block_count", &s.n_layer, err, err_size)) ||
	    (rc = gguf_get_u32(g, ".embedding_length", &s.n_embd, err, err_size)) ||
	    (rc = gguf_get_u32(g, ".attention.head_count", &s.n_head, err, err_size)) ||
	    (rc = gguf_get_f32(g, ".attention.layer_norm_rms_epsilon", &s.norm_eps, err, err_size)))
		return rc;
	s.n_ctx = 4096;
	s.n_head_kv = s.n_head;
	if (!s.n_head || !s.n_embd || !s.n_layer)
		return fail(g, err, err_size, "block_count, embedding_length or head_count is 0");
	s.head_k = s.n_embd / s.n_head;
	if ((rc = optional_u32(g, ".context_length", &s.n_ctx, err, err_size)) ||
	    (rc = optional_u32(g, ".attention.head_count_kv", &s.n_head_kv, err, err_size)) ||
	    (rc = optional_u32(g, ".attention.key_length", &s.head_k, err, err_size)))
		return rc;
	s.head_v = s.head_k;
	if ((arch->features & DSK_ARCH_LATENT) && (rc = read_latent(g, &s, err, err_size)))
		return rc;
	if ((!s.kv_rank && (rc = optional_u32(g, ".attention.value_length", &s.head_v, err, err_size))) ||
	    (rc = optional_u32(g, ".attention.sliding_window", &s.window, err, err_size)) ||
	    (rc = optional_u32(g, ".feed_forward_length", &s.n_ff, err, err_size)) ||
	    (rc = read_experts(g, arch, &s, err, err_size)) || (rc = dsk_rope_read(g, arch, &s, err, err_size)))
		return rc;
	/* Limits far above any model, so that products of two stay within 32 bits. */
	if (s.n_layer > 1024 || s.n_embd > 65536 || s.n_head > 1024 || s.head_k > 4096 || s.head_v > 4096 || !s.head_k ||
	    !s.head_v || s.n_expert > 65536 || s.n_ff > 1u << 24 || s.n_ff_expert > 1u << 24)
		return fail(g, err, err_size, "block_count, a width or a head count is out of all proportion");
	s.attn_scale *= 1.0f / sqrtf(s.head_k);
	if (!s.n_head_kv || s.n_head % s.n_head_kv)
		return fail(g, err, err_size, "head_count is not a multiple of head_count_kv");
	if (!(s.norm_eps >= 0.0f && s.norm_eps < 1.0f) || !isfinite(s.expert_scale))
		return fail(g, err, err_size, "layer_norm_rms_epsilon or expert_weights_scale makes no sense");
	if (!s.n_ctx || s.n_ctx > INT32_MAX || s.window > INT32_MAX)
		return fail(g, err, err_size, "context_length or sliding_window makes no sense");
	if (!embd || embd->n_dims != 2 || embd->ne[1] > INT32_MAX) {
		snprintf(err, err_size, "%s: tensor token_embd.weight is missing or isn't a matrix", gguf_path(g));
		return -EINVAL;
	}
	if (arch->features & DSK_ARCH_GPT_OSS) {
		if (!s.n_expert || !s.window)
			return fail(g, err, err_size, "expert_count or attention.sliding_window is missing or 0, which gpt-oss has");
		s.window_period = 2;
	}
	s.n_vocab = embd->ne[1];
	*ret_shape = s;
	return 0;
}

uint32_t dsk_layer_window(const struct dsk_shape *s, uint32_t layer)
{
	return s->window_period && layer % s->window_period == s->window_period - 1 ? 0 : s->window;
}

uint32_t dsk_extent(const struct dsk_shape *s, char letter)
{
	switch (letter) {
	case 'E': return s->n_embd;
	case 'V': return s->n_vocab;
	case 'Q': return s->n_head * s->head_k;
	case 'K': return s->n_head_kv * s->head_k;
	case 'U': return s->n_head_kv * s->head_v;
	case 'O': return s->n_head * s->head_v;
	case 'D': return s->head_k;
	case 'H': return s->n_head;
	case 'F': return s->n_ff;
	case 'M': return s->n_ff_expert;
	case 'X': return s->n_expert;
	case 'P': return s->rope_dims / 2;
	case 'v': return s->head_v;
	case 'N': return s->head_k - s->rope_dims;
	case 'R': return s->kv_rank;
	case 'C': return s->kv_rank + s->rope_dims;
	case 'L': return s->q_rank;
	case 'S': return s->n_ff_shared;
	case 'B': return s->n_head * (s->head_k - s->rope_dims + s->head_v);
	default: return 0;
	}
}

const char *dsk_weight_name(const struct dsk_arch *arch, enum dsk_weight w)
{
	const struct dsk_rule *rule = &dsk_rules[w];

	return rule->gpt_oss && arch->features & DSK_ARCH_GPT_OSS ? rule->gpt_oss : rule->name;
}

bool dsk_needs(const struct dsk_arch *arch, const struct dsk_shape *s, bool experts, enum dsk_need need)
{
	switch (need) {
	case DSK_DENSE: return !experts;
	case DSK_EXPERTS: return experts;
	case DSK_SHARED: return experts && s->n_ff_shared;
	case DSK_QK_NORM: return arch->features & DSK_ARCH_QK_NORM;
	case DSK_HEADS: return !s->kv_rank;
	case DSK_LATENT: return s->kv_rank;
	case DSK_Q_FULL: return !s->q_rank;
	case DSK_Q_LATENT: return s->q_rank;
	case DSK_GPT_OSS: return arch->features & DSK_ARCH_GPT_OSS;
	case DSK_MADE: return false;
	default: return true;
	}
}
