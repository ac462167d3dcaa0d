// SPDX-License-Identifier: MIT
/* Keys of rotary embedding, and YaRN's (Peng et al. 2023) as the frequency factors and the magnitude that ROPE takes. */
#include "model_priv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "../../kernels/rope_turns.h"
#include "arch_keys.h"

static bool above_0(float v)
{
	return v > 0.0f && isfinite(v);
}

/*
 * The magnitude is that of the paper for @factor, by that for log_multiplier where a file has one (it then stands in the scale of
 * the logits), times attn_factor: as llama.cpp has it, whose converters write these keys.
 */
static int read_yarn(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *s, float factor, char *err, size_t err_size)
{
	static const char *const others[] = { ".rope.scaling.yarn_ext_factor", ".rope.scaling.yarn_attn_factor" };
	float trained = s->n_ctx, fast = 32.0f, slow = 1.0f, attn = 1.0f, log_mul = 0.0f;
	uint32_t context = 0;
	int rc;

	rc = gguf_get_u32(g, ".rope.scaling.original_context_length", &context, err, err_size);
	if (rc && rc != -ENOENT)
		return rc;
	if (!rc)
		trained = context;
	if ((rc = optional_f32(g, ".rope.scaling.yarn_beta_fast", &fast, err, err_size)) ||
	    (rc = optional_f32(g, ".rope.scaling.yarn_beta_slow", &slow, err, err_size)) ||
	    (rc = optional_f32(g, ".rope.scaling.yarn_log_multiplier", &log_mul, err, err_size)) ||
	    (rc = optional_f32(g, ".rope.scaling.attn_factor", &attn, err, err_size)))
		return rc;
	for (int i = 0; i < 2; i++) {
		float one = 1.0f;

		rc = optional_f32(g, others[i], &one, err, err_size);
		if (rc)
			return rc;
		if (one != 1.0f) {
			snprintf(err, err_size, "%s: %s is %g; only 1 is supported", gguf_path(g), others[i] + 1, one);
			return -ENOTSUP;
		}
	}
	if (!above_0(trained) || !above_0(fast) || !above_0(slow) || !above_0(attn) || !(log_mul >= 0.0f && isfinite(log_mul)) ||
	    factor < 1.0f || s->rope_base <= 1.0f)
		return fail(g, err, err_size, "rope.scaling for yarn: a factor below 1, or another key that makes no sense");
	s->yarn_factor = factor;
	s->yarn_trained = trained;
	s->yarn_fast = fast;
	s->yarn_slow = slow;
	s->rope_magnitude = attn * rope_yarn_magnitude(factor) / (log_mul * log(factor) * 0.1 + 1);
	if (!(arch->features & DSK_ARCH_LATENT))
		return 0;
	/*
	 * DeepSeek's own: the magnitude is the quotient of two, by "mscale" and by "mscale_all_dim", which are equal; the latter also goes into
	 * both queries and keys. The key is a tenth of it.
	 */
	if (log_mul > 0)
		s->rope_magnitude = attn;
	s->attn_scale = s->rope_magnitude * (1 + log_mul * log(factor));
	s->attn_scale *= s->attn_scale;
	return 0;
}

int dsk_rope_read(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *s, char *err, size_t err_size)
{
	struct gguf_str type;
	float factor = 1.0f;
	bool yarn;
	int rc;

	s->rope_mode = arch->rope;
	s->rope_base = 10000.0f;
	s->rope_dims = s->head_k;
	s->rope_magnitude = s->attn_scale = 1.0f;
	if ((rc = optional_u32(g, ".rope.dimension_count", &s->rope_dims, err, err_size)) ||
	    (rc = optional_f32(g, ".rope.freq_base", &s->rope_base, err, err_size)))
		return rc;
	rc = gguf_get_str(g, ".rope.scaling.type", &type, err, err_size);
	if (rc && rc != -ENOENT)
		return rc;
	yarn = !rc && gguf_str_eq(type, "yarn");
	if (!rc && (yarn || gguf_str_eq(type, "linear"))) {
		rc = gguf_get_f32(g, ".rope.scaling.factor", &factor, err, err_size);
		if (rc)
			return rc;
	} else if (!rc && !gguf_str_eq(type, "none") && !gguf_str_eq(type, "")) {
		snprintf(err, err_size, "%s: rope scaling \"%.*s\" is not supported; linear and yarn are", gguf_path(g),
			 (int)(type.size > 32 ? 32 : type.size), type.data);
		return -ENOTSUP;
	}
	if (!above_0(factor) || !above_0(s->rope_base))
		return fail(g, err, err_size, "rope.freq_base and rope.scaling.factor must be above 0");
	if (!s->rope_dims || s->rope_dims % 2 || s->rope_dims > s->head_k)
		return fail(g, err, err_size, "rope.dimension_count is not even or larger than a head");
	s->rope_scale = yarn ? 1.0f : 1.0f / factor;
	return yarn ? read_yarn(g, arch, s, factor, err, err_size) : 0;
}

void dsk_rope_factors(const struct dsk_shape *s, const float *file, float *out)
{
	struct rope_yarn yarn = { .factor = s->yarn_factor, .trained = s->yarn_trained, .fast = s->yarn_fast, .slow = s->yarn_slow };

	for (uint32_t i = 0; i < s->rope_dims / 2; i++)
		out[i] = rope_yarn_divisor(i, s->rope_dims, s->rope_base, &yarn) * (file ? file[i] : 1.0f);
}
