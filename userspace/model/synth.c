// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dseek_program.h"
#include "gguf_write.h"
#include "random.h"
#include "synth.h"

static const struct synth_params presets[] = {
	{ .preset = "tiny-llama", .arch = "llama", .n_embd = 256, .n_layer = 2, .n_head = 8, .n_head_kv = 2, .head_dim = 32, .n_ff = 512,
	  .n_vocab = 512, .n_ctx = 8192, .rope_base = 1e4f, .eps = 1e-5f, .spm = 1, .seed = 1 },
	{ .preset = "tiny-mixtral", .arch = "llama", .n_embd = 256, .n_layer = 2, .n_head = 8, .n_head_kv = 2, .head_dim = 32, .n_ff = 256,
	  .n_expert = 8, .n_expert_used = 2, .n_vocab = 512, .n_ctx = 8192, .rope_base = 1e6f, .eps = 1e-5f, .spm = 1, .seed = 1 },
	{ .preset = "tiny-qwen3moe", .arch = "qwen3moe", .n_embd = 128, .n_layer = 3, .n_head = 8, .n_head_kv = 2, .head_dim = 32, .n_ff = 64,
	  .n_expert = 16, .n_expert_used = 4, .n_vocab = 512, .n_ctx = 8192, .rope_base = 1e6f, .eps = 1e-6f, .seed = 1 },
	{ .preset = "tiny-dsv2lite", .arch = "deepseek2", .n_embd = 128, .n_layer = 3, .n_head = 4, .n_head_kv = 1, .head_dim = 96, .n_ff = 64,
	  .n_expert = 16, .n_expert_used = 6, .n_vocab = 512, .n_ctx = 8192, .rope_base = 1e4f, .eps = 1e-6f, .seed = 1,
	  .kv_rank = 64, .n_rot = 32, .head_v = 64, .n_dense = 1, .n_ff_dense = 256, .n_shared = 2, .expert_scale = 1, .yarn = 40,
	  .yarn_log_mul = 0.0707f },
	{ .preset = "tiny-dsv3", .arch = "deepseek2", .n_embd = 128, .n_layer = 3, .n_head = 4, .n_head_kv = 1, .head_dim = 96, .n_ff = 64,
	  .n_expert = 16, .n_expert_used = 4, .n_vocab = 512, .n_ctx = 8192, .rope_base = 1e4f, .eps = 1e-6f, .seed = 1,
	  .kv_rank = 64, .q_rank = 96, .n_rot = 32, .head_v = 64, .n_dense = 1, .n_ff_dense = 256, .n_shared = 1, .n_group = 4,
	  .n_group_used = 2, .sigmoid = 1, .expert_scale = 2.5f, .yarn = 40, .yarn_log_mul = 0.1f },
	{ .preset = "tiny-gptoss", .arch = "gpt-oss", .n_embd = 128, .n_layer = 4, .n_head = 8, .n_head_kv = 2, .head_dim = 32, .n_ff = 128,
	  .n_expert = 8, .n_expert_used = 4, .n_vocab = 512, .n_ctx = 131072, .window = 32, .rope_base = 150000, .eps = 1e-5f, .seed = 1 },
};

#define N_PRESETS (sizeof(presets) / sizeof(presets[0]))

int synth_preset(const char *name, struct synth_params *ret_params, char *err, size_t err_size)
{
	int n;

	for (size_t i = 0; i < N_PRESETS; i++)
		if (!strcmp(presets[i].preset, name)) {
			*ret_params = presets[i];
			return 0;
		}
	n = snprintf(err, err_size, "no preset '%s'; there are", name);
	for (size_t i = 0; i < N_PRESETS && n >= 0 && (size_t)n < err_size; i++)
		n += snprintf(err + n, err_size - n, "%s %s", i ? "," : "", presets[i].preset);
	return -ENOENT;
}

/* ---- tensors: declared and written by the same walk, in two passes */

struct walk {
	const struct synth_params *p;
	struct gguf_writer *w;
	bool write;		/* second pass */
	char prefix[16];	/* "blk.N." */
	float *row;
	uint8_t *packed;
	int error;
};

static uint64_t seed_of(uint64_t seed, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull ^ seed * 0x9e3779b97f4a7c15ull;	/* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
	return h;
}

/* Sum of 12 uniform numbers of 16 bits, centred: variance 1 (Irwin-Hall). */
static double normal(struct random *r)
{
	int64_t sum = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t bits = random_next(r);

		sum += (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
	}
	return (double)(2 * sum - 12 * 65535) * 0x1p-17;
}

static void tensor(struct walk *k, const char *name, int dtype, double mean, double deviation,
		   uint64_t ne0, uint64_t ne1, uint64_t ne2)
{
	uint64_t ne[3] = { ne0, ne1 ? ne1 : 1, ne2 ? ne2 : 1 }, bytes = dseek_row_bytes(dtype, ne0);
	struct random r;
	char full[64];

	if (k->error)
		return;
	snprintf(full, sizeof(full), "%s%s", k->prefix, name);
	if (!k->write) {
		gguf_writer_tensor(k->w, full, gguf_tensor_type_of(dtype), ne2 ? 3 : ne1 ? 2 : 1,
				   ne);
		return;
	}
	random_seed(&r, seed_of(k->p->seed, full));
	for (uint64_t row = 0; row < ne[1] * ne[2] && !k->error; row++) {
		for (uint64_t i = 0; i < ne0; i++)
			k->row[i] = (float)(mean + deviation * normal(&r));
		k->error = dseek_row_from_f32(dtype, k->row, ne0, k->packed);
		if (!k->error)
			k->error = gguf_writer_data(k->w, k->packed, bytes);
	}
}

static void matrix(struct walk *k, const char *name, double gain, uint64_t ne0, uint64_t ne1,
		   uint64_t ne2)
{
	tensor(k, name, k->p->dtype, 0, gain / sqrt((double)ne0), ne0, ne1, ne2);
}

static void norm(struct walk *k, const char *name, uint64_t ne0)
{
	tensor(k, name, DSEEK_F32, 1, 0.1, ne0, 0, 0);
}

static void bias(struct walk *k, const char *name, uint64_t ne0, uint64_t ne1)
{
	if (!strcmp(k->p->arch, "gpt-oss"))
		tensor(k, name, DSEEK_F32, 0, 0.3, ne0, ne1, 0);
}

static void latent_attention(struct walk *k)
{
	const struct synth_params *p = k->p;
	uint64_t q = (uint64_t)p->n_head * p->head_dim;

	if (p->q_rank) {
		matrix(k, "attn_q_a.weight", 1, p->n_embd, p->q_rank, 0);
		norm(k, "attn_q_a_norm.weight", p->q_rank);
		matrix(k, "attn_q_b.weight", 1, p->q_rank, q, 0);
	} else {
		matrix(k, "attn_q.weight", 1, p->n_embd, q, 0);
	}
	matrix(k, "attn_kv_a_mqa.weight", 1, p->n_embd, p->kv_rank + p->n_rot, 0);
	norm(k, "attn_kv_a_norm.weight", p->kv_rank);
	matrix(k, "attn_k_b.weight", 1, p->head_dim - p->n_rot, p->kv_rank, p->n_head);
	matrix(k, "attn_v_b.weight", 1, p->kv_rank, p->head_v, p->n_head);
	matrix(k, "attn_output.weight", 1, (uint64_t)p->n_head * p->head_v, p->n_embd, 0);
}

static void attention(struct walk *k)
{
	const struct synth_params *p = k->p;
	uint64_t q = (uint64_t)p->n_head * p->head_dim, kv = (uint64_t)p->n_head_kv * p->head_dim;

	matrix(k, "attn_q.weight", 1, p->n_embd, q, 0);
	matrix(k, "attn_k.weight", 1, p->n_embd, kv, 0);
	matrix(k, "attn_v.weight", 1, p->n_embd, kv, 0);
	matrix(k, "attn_output.weight", 1, q, p->n_embd, 0);
	bias(k, "attn_q.bias", q, 0);
	bias(k, "attn_k.bias", kv, 0);
	bias(k, "attn_v.bias", kv, 0);
	bias(k, "attn_output.bias", p->n_embd, 0);
	bias(k, "attn_sinks.weight", p->n_head, 0);
	if (!strcmp(p->arch, "qwen3moe")) {
		norm(k, "attn_q_norm.weight", p->head_dim);
		norm(k, "attn_k_norm.weight", p->head_dim);
	}
}

static void layer(struct walk *k, uint32_t l)
{
	const struct synth_params *p = k->p;

	norm(k, "attn_norm.weight", p->n_embd);
	if (p->kv_rank)
		latent_attention(k);
	else
		attention(k);
	norm(k, !strcmp(p->arch, "gpt-oss") ? "post_attention_norm.weight" : "ffn_norm.weight", p->n_embd);
	if (!p->n_expert || l < p->n_dense) {
		uint32_t ff = p->n_ff_dense ? p->n_ff_dense : p->n_ff;

		matrix(k, "ffn_gate.weight", 1, p->n_embd, ff, 0);
		matrix(k, "ffn_up.weight", 1, p->n_embd, ff, 0);
		matrix(k, "ffn_down.weight", 1.5, ff, p->n_embd, 0);
		return;
	}
	if (p->n_shared) {
		matrix(k, "ffn_gate_shexp.weight", 1, p->n_embd, p->n_ff * p->n_shared, 0);
		matrix(k, "ffn_up_shexp.weight", 1, p->n_embd, p->n_ff * p->n_shared, 0);
		matrix(k, "ffn_down_shexp.weight", 1, p->n_ff * p->n_shared, p->n_embd, 0);
	}
	if (p->sigmoid)
		tensor(k, "exp_probs_b.bias", DSEEK_F32, 0, 0.2, p->n_expert, 0, 0);
	tensor(k, "ffn_gate_inp.weight", DSEEK_F32, 0, 2 / sqrt(p->n_embd), p->n_embd, p->n_expert,
	       0);
	bias(k, "ffn_gate_inp.bias", p->n_expert, 0);
	bias(k, "ffn_gate_exps.bias", p->n_ff, p->n_expert);
	bias(k, "ffn_up_exps.bias", p->n_ff, p->n_expert);
	bias(k, "ffn_down_exps.bias", p->n_embd, p->n_expert);
	matrix(k, "ffn_gate_exps.weight", 1, p->n_embd, p->n_ff, p->n_expert);
	matrix(k, "ffn_up_exps.weight", 1, p->n_embd, p->n_ff, p->n_expert);
	matrix(k, "ffn_down_exps.weight", 1.5, p->n_ff, p->n_embd, p->n_expert);
}

static void walk(struct walk *k, bool write)
{
	const struct synth_params *p = k->p;

	k->write = write;
	*k->prefix = 0;
	tensor(k, "token_embd.weight", p->dtype, 0, 1, p->n_embd, p->n_vocab, 0);
	norm(k, "output_norm.weight", p->n_embd);
	matrix(k, "output.weight", 3, p->n_embd, p->n_vocab, 0);
	for (uint32_t i = 0; i < p->n_layer; i++) {
		snprintf(k->prefix, sizeof(k->prefix), "blk.%u.", i);
		layer(k, i);
	}
}

/* ---- keys */

static void key(struct gguf_writer *w, const struct synth_params *p, const char *name,
		uint32_t value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", p->arch, name);
	gguf_writer_u32(w, full, value);
}

static void key_f32(struct gguf_writer *w, const struct synth_params *p, const char *name,
		    float value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", p->arch, name);
	gguf_writer_f32(w, full, value);
}

static void latent_keys(struct gguf_writer *w, const struct synth_params *p)
{
	char full[96];

	if (p->q_rank)
		key(w, p, "attention.q_lora_rank", p->q_rank);
	key(w, p, "attention.kv_lora_rank", p->kv_rank);
	key(w, p, "attention.key_length", p->kv_rank + p->n_rot);
	key(w, p, "attention.value_length", p->kv_rank);
	key(w, p, "attention.key_length_mla", p->head_dim);
	key(w, p, "attention.value_length_mla", p->head_v);
	snprintf(full, sizeof(full), "%s.rope.scaling.type", p->arch);
	gguf_writer_str(w, full, "yarn");
	key_f32(w, p, "rope.scaling.factor", p->yarn);
	key(w, p, "rope.scaling.original_context_length", 4096);
	key_f32(w, p, "rope.scaling.yarn_log_multiplier", p->yarn_log_mul);
	if (!p->n_expert)
		return;
	key(w, p, "leading_dense_block_count", p->n_dense);
	key(w, p, "expert_shared_count", p->n_shared);
	key(w, p, "expert_gating_func", p->sigmoid ? 2 : 1);
	key_f32(w, p, "expert_weights_scale", p->expert_scale);
	snprintf(full, sizeof(full), "%s.expert_weights_norm", p->arch);
	gguf_writer_bool(w, full, p->sigmoid);
	if (p->n_group) {
		key(w, p, "expert_group_count", p->n_group);
		key(w, p, "expert_group_used_count", p->n_group_used);
	}
}

static void write_keys(struct gguf_writer *w, const struct synth_params *p)
{
	gguf_writer_str(w, "general.architecture", p->arch);
	gguf_writer_str(w, "general.name", p->preset);
	gguf_writer_u32(w, "general.alignment", GGUF_DEFAULT_ALIGNMENT);
	gguf_writer_u32(w, "general.quantization_version", 2);
	key(w, p, "vocab_size", p->n_vocab);
	key(w, p, "context_length", p->n_ctx);
	key(w, p, "embedding_length", p->n_embd);
	key(w, p, "block_count", p->n_layer);
	key(w, p, "feed_forward_length", p->n_ff_dense ? p->n_ff_dense : p->n_ff);
	key(w, p, "attention.head_count", p->n_head);
	key(w, p, "attention.head_count_kv", p->n_head_kv);
	if (p->kv_rank) {
		latent_keys(w, p);
	} else {
		key(w, p, "attention.key_length", p->head_dim);
		key(w, p, "attention.value_length", p->head_dim);
	}
	key_f32(w, p, "attention.layer_norm_rms_epsilon", p->eps);
	key(w, p, "rope.dimension_count", p->n_rot ? p->n_rot : p->head_dim);
	key_f32(w, p, "rope.freq_base", p->rope_base);
	if (p->window)
		key(w, p, "attention.sliding_window", p->window);
	if (!strcmp(p->arch, "gpt-oss")) {
		gguf_writer_str(w, "gpt-oss.rope.scaling.type", "yarn");
		key_f32(w, p, "rope.scaling.factor", 32);
		key(w, p, "rope.scaling.original_context_length", 4096);
	}
	if (!p->n_expert)
		return;
	key(w, p, "expert_count", p->n_expert);
	key(w, p, "expert_used_count", p->n_expert_used);
	if (strcmp(p->arch, "llama"))
		key(w, p, "expert_feed_forward_length", p->n_ff);
}

static const char *check_latent(const struct synth_params *p)
{
	if (p->kv_rank > 65536 || p->q_rank > 65536 || p->head_v > 1024 || p->n_ff_dense > 262144 || p->n_shared > 1024)
		return "a size is too large";
	if (!p->n_rot || p->n_rot % 2 || !p->head_v || p->head_dim <= p->n_rot || (p->head_dim - p->n_rot) % 16 || p->kv_rank % 16)
		return "what of a head is not rotated, and the rank of the keys, must be multiples of 16";
	if (p->n_dense > p->n_layer)
		return "there are fewer layers than dense ones";
	if (p->n_expert && p->n_group && (p->n_expert % p->n_group || !p->n_group_used || p->n_group_used > p->n_group ||
					  p->n_expert_used > p->n_expert / p->n_group * p->n_group_used))
		return "the groups of experts are not equal, or those looked at have too few";
	if (p->kv_rank % dseek_dtype_block(p->dtype) || p->q_rank % dseek_dtype_block(p->dtype) ||
	    (p->head_dim - p->n_rot) % dseek_dtype_block(p->dtype) || p->n_ff_dense % dseek_dtype_block(p->dtype) ||
	    p->n_head * p->head_v % dseek_dtype_block(p->dtype))
		return "ranks and widths of latent attention must be multiples of the type's block of 32";
	return NULL;
}

static const char *check(const struct synth_params *p)
{
	if (!p->n_embd || !p->n_layer || !p->n_head || !p->n_head_kv || !p->head_dim || !p->n_ff ||
	    !p->n_ctx)
		return "a size is 0";
	if (p->n_embd > 65536 || p->n_layer > 1024 || p->n_head > 1024 || p->head_dim > 1024 ||
	    p->n_ff > 262144 || p->n_vocab > 1 << 20 ||
	    p->n_expert > 1024)
		return "a size is too large";
	if (p->n_head % p->n_head_kv)
		return "the number of heads is not a multiple of that of KV heads";
	if (p->head_dim % 2)
		return "the head dimension is odd";
	if (p->n_expert_used > p->n_expert || (p->n_expert && !p->n_expert_used))
		return "the number of experts used is not between 1 and that of experts";
	if (p->n_vocab < SYNTH_MIN_VOCAB)
		return "the vocabulary has less than 300 tokens";
	if (p->dtype != DSEEK_F32 && p->dtype != DSEEK_F16 && p->dtype != DSEEK_BF16 &&
	    p->dtype != DSEEK_Q8_0 && p->dtype != DSEEK_Q4_0 &&
	    p->dtype != DSEEK_Q4_1 && p->dtype != DSEEK_MXFP4)
		return "the type is none of f32, f16, bf16, q8_0, q4_0, q4_1, mxfp4";
	if (p->n_embd % dseek_dtype_block(p->dtype) || p->n_ff % dseek_dtype_block(p->dtype) ||
	    p->n_head * p->head_dim % dseek_dtype_block(p->dtype))
		return "embedding, feed-forward and attention widths must be multiples of the type's block of 32";
	return p->kv_rank ? check_latent(p) : NULL;
}

/* The longest row of a tensor. */
static size_t widest(const struct synth_params *p)
{
	size_t sizes[] = { p->n_embd, p->n_ff, (size_t)p->n_head * p->head_dim, (size_t)p->n_head * p->head_v, p->kv_rank, p->q_rank,
			   p->n_ff_dense, (size_t)p->n_ff * p->n_shared, p->n_expert }, most = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		most = sizes[i] > most ? sizes[i] : most;
	return most;
}

int synth_write(const struct synth_params *p, const char *path, char *err, size_t err_size)
{
	const char *wrong = check(p);
	struct walk k = { .p = p };
	int r;

	if (wrong) {
		snprintf(err, err_size, "%s", wrong);
		return -EINVAL;
	}
	r = gguf_writer_create(path, &k.w, err, err_size);
	if (r)
		return r;
	k.row = malloc(widest(p) * sizeof(*k.row));
	k.packed = malloc(widest(p) * sizeof(float));
	write_keys(k.w, p);
	r = k.row && k.packed ? synth_vocabulary(k.w, p->n_vocab, p->spm, p->harmony) : -ENOMEM;
	if (!r) {
		walk(&k, false);
		walk(&k, true);
		r = gguf_writer_finish(k.w, err, err_size);
		if (!r && k.error)
			r = k.error;
	}
	if (r == -ENOMEM)
		snprintf(err, err_size, "no memory");
	gguf_writer_destroy(k.w);
	free(k.row);
	free(k.packed);
	return r;
}
