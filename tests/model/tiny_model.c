// SPDX-License-Identifier: MIT
#include "tiny_model.h"

#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/model/gguf_write.h"

#define MAX_TENSORS 256

struct tensor {
	char name[64];
	uint32_t dims;
	uint64_t ne[3];
	int dtype;
};

struct writer {
	const struct tiny_model *t;
	struct gguf_writer *w;
	struct tensor tensors[MAX_TENSORS];
	unsigned int n;
	uint64_t random;
};

static float uniform(struct writer *w)	/* -1..1; xorshift64 (Marsaglia 2003) */
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (double)(w->random >> 40) / (1 << 23) - 1.0;
}

static void tensor(struct writer *w, int layer, const char *name, int dtype, uint64_t ne0, uint64_t ne1, uint64_t ne2)
{
	struct tensor *t = &w->tensors[w->n];

	if (layer >= 0)
		snprintf(t->name, sizeof(t->name), "blk.%d.%s", layer, name);
	else
		snprintf(t->name, sizeof(t->name), "%s", name);
	if (w->t->omit && !strcmp(w->t->omit, t->name))
		return;
	t->dims = ne2 > 1 ? 3 : ne1 > 0 ? 2 : 1;
	t->ne[0] = ne0;
	t->ne[1] = ne1 ? ne1 : 1;
	t->ne[2] = ne2;
	if (w->t->misshape && !strcmp(w->t->misshape, t->name)) {
		t->ne[1]++;
		t->dims = t->dims < 2 ? 2 : t->dims;
	}
	t->dtype = dtype >= 0 && dseek_row_bytes(dtype, ne0) ? dtype : DSEEK_F32;
	gguf_writer_tensor(w->w, t->name, gguf_tensor_type_of(t->dtype), t->dims, t->ne);
	w->n++;
}

static void declare_latent(struct writer *w, uint32_t l)
{
	const struct tiny_model *t = w->t;
	uint32_t q = t->heads * t->head, plain = t->head - t->rope_dims;

	if (t->q_rank) {
		tensor(w, l, "attn_q_a.weight", t->dtype, t->embd, t->q_rank, 1);
		tensor(w, l, "attn_q_a_norm.weight", -1, t->q_rank, 0, 1);
		tensor(w, l, "attn_q_b.weight", t->dtype, t->q_rank, q, 1);
	} else {
		tensor(w, l, "attn_q.weight", t->dtype, t->embd, q, 1);
	}
	tensor(w, l, "attn_kv_a_mqa.weight", t->dtype, t->embd, t->kv_rank + t->rope_dims, 1);
	tensor(w, l, "attn_kv_a_norm.weight", -1, t->kv_rank, 0, 1);
	if (t->old) {
		tensor(w, l, "attn_kv_b.weight", t->dtype, t->kv_rank, t->heads * (plain + t->head_v), 1);
	} else {
		tensor(w, l, "attn_k_b.weight", t->dtype, plain, t->kv_rank, t->heads);
		tensor(w, l, "attn_v_b.weight", t->dtype, t->kv_rank, t->head_v, t->heads);
	}
	tensor(w, l, "attn_output.weight", t->dtype, t->heads * t->head_v, t->embd, 1);
}

static void declare_shared(struct writer *w, uint32_t l)
{
	const struct tiny_model *t = w->t;

	tensor(w, l, "ffn_gate_shexp.weight", t->dtype, t->embd, t->shared * t->expert_ff, 1);
	tensor(w, l, "ffn_up_shexp.weight", t->dtype, t->embd, t->shared * t->expert_ff, 1);
	tensor(w, l, "ffn_down_shexp.weight", t->dtype, t->shared * t->expert_ff, t->embd, 1);
}

static void declare(struct writer *w)
{
	const struct tiny_model *t = w->t;
	uint32_t head = t->head ? t->head : t->embd / t->heads, q = t->heads * head, kv = t->kv_heads * head;

	tensor(w, -1, "token_embd.weight", t->dtype, t->embd, TINY_VOCAB, 1);
	tensor(w, -1, "output_norm.weight", -1, t->embd, 0, 1);
	if (!t->tied)
		tensor(w, -1, "output.weight", t->dtype, t->embd, TINY_VOCAB, 1);
	if (t->rope_freqs)
		tensor(w, -1, "rope_freqs.weight", -1, (t->rope_dims ? t->rope_dims : head) / 2, 0, 1);
	for (uint32_t l = 0; l < t->layers; l++) {
		tensor(w, l, "attn_norm.weight", -1, t->embd, 0, 1);
		if (t->kv_rank) {
			declare_latent(w, l);
		} else {
			tensor(w, l, "attn_q.weight", t->dtype, t->embd, q, 1);
			tensor(w, l, "attn_k.weight", t->dtype, t->embd, kv, 1);
			tensor(w, l, "attn_v.weight", t->dtype, t->embd, kv, 1);
			tensor(w, l, "attn_output.weight", t->dtype, q, t->embd, 1);
		}
		if (t->gpt_oss) {
			tensor(w, l, "attn_sinks.weight", -1, t->heads, 0, 1);
			tensor(w, l, "attn_output.bias", -1, t->embd, 0, 1);
			tensor(w, l, "ffn_gate_inp.bias", -1, t->experts, 0, 1);
			tensor(w, l, "ffn_gate_exps.bias", -1, t->expert_ff, t->experts, 1);
			tensor(w, l, "ffn_up_exps.bias", t->dtype == DSEEK_BF16 ? DSEEK_BF16 : -1, t->expert_ff, t->experts, 1);
			tensor(w, l, "ffn_down_exps.bias", -1, t->embd, t->experts, 1);
		}
		if (t->bias) {
			tensor(w, l, "attn_q.bias", -1, q, 0, 1);
			tensor(w, l, "attn_k.bias", -1, kv, 0, 1);
			tensor(w, l, "attn_v.bias", -1, kv, 0, 1);
		}
		if (t->qk_norm) {
			tensor(w, l, "attn_q_norm.weight", -1, head, 0, 1);
			tensor(w, l, "attn_k_norm.weight", -1, head, 0, 1);
		}
		tensor(w, l, t->gpt_oss ? "post_attention_norm.weight" : "ffn_norm.weight", -1, t->embd, 0, 1);
		if (t->experts && l >= t->dense) {
			tensor(w, l, "ffn_gate_inp.weight", -1, t->embd, t->experts, 1);
			if (t->router_bias)
				tensor(w, l, "exp_probs_b.bias", -1, t->experts, 0, 1);
			tensor(w, l, "ffn_gate_exps.weight", t->dtype, t->embd, t->expert_ff, t->experts);
			tensor(w, l, "ffn_up_exps.weight", t->dtype, t->embd, t->expert_ff, t->experts);
			tensor(w, l, "ffn_down_exps.weight", t->dtype, t->expert_ff, t->embd, t->experts);
			if (t->shared)
				declare_shared(w, l);
		} else {
			tensor(w, l, "ffn_gate.weight", t->dtype, t->embd, t->ff, 1);
			tensor(w, l, "ffn_up.weight", t->dtype, t->embd, t->ff, 1);
			tensor(w, l, "ffn_down.weight", t->dtype, t->ff, t->embd, 1);
		}
	}
}

static void u32(struct writer *w, const char *key, uint32_t value)
{
	char name[80];

	if (w->t->omit_key && !strcmp(w->t->omit_key, key))
		return;
	if (w->t->set_key && !strcmp(w->t->set_key, key))
		value = w->t->set_value;
	snprintf(name, sizeof(name), "%s.%s", w->t->arch, key);
	gguf_writer_u32(w->w, name, value);
}

static void f32(struct writer *w, const char *key, float value)
{
	char name[80];

	snprintf(name, sizeof(name), "%s.%s", w->t->arch, key);
	gguf_writer_f32(w->w, name, value);
}

static void vocabulary(struct writer *w)
{
	static char text[TINY_VOCAB][8];
	struct gguf_str tokens[TINY_VOCAB];
	float scores[TINY_VOCAB] = {};
	int32_t types[TINY_VOCAB];

	for (int i = 0; i < TINY_VOCAB; i++) {
		types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
		if (i < 3)
			strcpy(text[i], (const char *[]){ "<unk>", "<s>", "</s>" }[i]);
		else if (i < 259)
			snprintf(text[i], sizeof(text[i]), "<0x%02X>", i - 3);
		else if (i == 259)
			strcpy(text[i], "\xe2\x96\x81");
		else
			snprintf(text[i], sizeof(text[i]), "%c", i - 260 < 26 ? 'a' + i - 260 : 'A' + i - 286);
		tokens[i] = (struct gguf_str){ text[i], strlen(text[i]) };
		scores[i] = i < 259 ? 0 : -1.0f * i;
	}
	gguf_writer_str(w->w, "tokenizer.ggml.model", "llama");
	gguf_writer_strs(w->w, "tokenizer.ggml.tokens", tokens, TINY_VOCAB);
	gguf_writer_f32s(w->w, "tokenizer.ggml.scores", scores, TINY_VOCAB);
	gguf_writer_i32s(w->w, "tokenizer.ggml.token_type", types, TINY_VOCAB);
	gguf_writer_u32(w->w, "tokenizer.ggml.bos_token_id", 1);
	gguf_writer_u32(w->w, "tokenizer.ggml.eos_token_id", 2);
	gguf_writer_u32(w->w, "tokenizer.ggml.unknown_token_id", 0);
	gguf_writer_bool(w->w, "tokenizer.ggml.add_bos_token", true);
}

static void f32_if(struct writer *w, const char *key, float value)
{
	if (value)
		f32(w, key, value);
}

static void u32_if(struct writer *w, const char *key, uint32_t value)
{
	if (value)
		u32(w, key, value);
}

static void latent_keys(struct writer *w)
{
	const struct tiny_model *t = w->t;
	char name[80];

	u32_if(w, "attention.q_lora_rank", t->q_rank);
	u32(w, "attention.kv_lora_rank", t->kv_rank);
	u32(w, "attention.key_length", t->old ? t->head : t->kv_rank + t->rope_dims);
	u32(w, "attention.value_length", t->old ? t->head_v : t->kv_rank);
	if (!t->old) {
		u32(w, "attention.key_length_mla", t->head);
		u32(w, "attention.value_length_mla", t->head_v);
	}
	u32_if(w, "leading_dense_block_count", t->dense);
	u32_if(w, "expert_shared_count", t->shared);
	u32_if(w, "expert_group_count", t->groups);
	u32_if(w, "expert_group_used_count", t->groups_used);
	f32_if(w, "expert_weights_scale", t->expert_scale);
	if (t->expert_norm) {
		snprintf(name, sizeof(name), "%s.expert_weights_norm", t->arch);
		gguf_writer_bool(w->w, name, true);
	}
}

static void keys(struct writer *w)
{
	const struct tiny_model *t = w->t;
	char name[80];

	gguf_writer_str(w->w, "general.architecture", t->arch);
	gguf_writer_str(w->w, "general.name", t->label);
	u32(w, "block_count", t->layers);
	u32(w, "context_length", 128);
	u32(w, "embedding_length", t->embd);
	u32(w, "feed_forward_length", t->ff);
	u32(w, "attention.head_count", t->heads);
	u32(w, "attention.head_count_kv", t->kv_heads);
	f32(w, "attention.layer_norm_rms_epsilon", 1e-5f);
	f32(w, "rope.freq_base", 10000.0f);
	if (t->set_key && (strstr(t->set_key, "shared_feed") || !t->kv_rank))	/* one that the model would not have */
		u32(w, t->set_key, t->set_value);
	if (t->head_v) {
		latent_keys(w);
	} else if (t->head) {
		u32(w, "attention.key_length", t->head);
		u32(w, "attention.value_length", t->head);
	}
	if (t->rope_dims)
		u32(w, "rope.dimension_count", t->rope_dims);
	if (t->rope_linear || t->rope_scaling) {
		snprintf(name, sizeof(name), "%s.rope.scaling.type", t->arch);
		gguf_writer_str(w->w, name, t->rope_scaling ? t->rope_scaling : "linear");
		f32(w, "rope.scaling.factor", t->rope_linear);
	}
	if (t->window)
		u32(w, "attention.sliding_window", t->window);
	if (t->yarn) {
		snprintf(name, sizeof(name), "%s.rope.scaling.type", t->arch);
		gguf_writer_str(w->w, name, "yarn");
		f32(w, "rope.scaling.factor", t->yarn);
		if (t->yarn_trained)
			u32(w, "rope.scaling.original_context_length", t->yarn_trained);
		if (t->yarn_log_mul)
			f32(w, "rope.scaling.yarn_log_multiplier", t->yarn_log_mul);
		if (t->yarn_attn)
			f32(w, "rope.scaling.attn_factor", t->yarn_attn);
		if (t->yarn_ext)
			f32(w, "rope.scaling.yarn_ext_factor", t->yarn_ext);
	}
	if (t->experts) {
		u32(w, "expert_count", t->experts);
		u32(w, "expert_used_count", t->used);
		u32(w, "expert_feed_forward_length", t->expert_ff);
		if (t->gating)
			u32(w, "expert_gating_func", t->gating);
	}
	vocabulary(w);
}

static int data(struct writer *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		const struct tensor *t = &w->tensors[i];
		uint64_t rows = t->ne[1] * t->ne[2], bytes = dseek_row_bytes(t->dtype, t->ne[0]);
		/* Sums of ne0 products stay near 1; logits are made larger, so that tokens differ. */
		float scale = sqrtf(3.0f / t->ne[0]) * (strstr(t->name, "output.w") || strstr(t->name, "token") ? 3 : 1);
		float *row = malloc(t->ne[0] * sizeof(*row));
		void *packed = malloc(bytes);
		int rc = row && packed ? 0 : -ENOMEM;

		for (uint64_t r = 0; !rc && r < rows; r++) {
			for (uint64_t k = 0; k < t->ne[0]; k++) {
				row[k] = uniform(w) * scale;
				if (strstr(t->name, "norm"))
					row[k] = 1.0f + uniform(w) * 0.2f;
				else if (strstr(t->name, "rope_freqs"))
					row[k] = 1.0f + k * 0.5f;
				else if (strstr(t->name, "bias"))	/* large enough for SwiGLU's limit to matter */
					row[k] = uniform(w) * (strstr(t->name, "exps") ? 7 : 0.3f);
				else if (strstr(t->name, "sinks"))
					row[k] = uniform(w) * 2;
			}
			rc = dseek_row_from_f32(t->dtype, row, t->ne[0], packed);
			if (!rc)
				rc = gguf_writer_data(w->w, packed, bytes);
		}
		free(row);
		free(packed);
		if (rc)
			return rc;
	}
	return 0;
}

int tiny_model_write(const char *path, const struct tiny_model *t)
{
	struct writer *w = calloc(1, sizeof(*w));
	char err[256] = "no memory";
	int rc = -ENOMEM;

	if (w) {
		w->t = t;
		w->random = 0x9e3779b97f4a7c15ULL * (t->seed + 1);
		rc = gguf_writer_create(path, &w->w, err, sizeof(err));
	}
	if (!rc) {
		keys(w);
		declare(w);
		data(w);
		rc = gguf_writer_finish(w->w, err, sizeof(err));
		gguf_writer_destroy(w->w);
	}
	if (rc)
		fprintf(stderr, "tiny model %s: %s\n", path, err);
	free(w);
	return rc;
}
