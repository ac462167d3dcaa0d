// SPDX-License-Identifier: MIT
#include "moefy.h"

#include <dseek.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_write.h"
#include "model_priv.h"
#include "moefy_fit.h"

#define CHUNK	128	/* tokens of a calibration job */
#define WINDOW	512	/* tokens of context */
#define RIDGE	0.02

struct layer_plan {
	uint32_t *neurons;	/* expert by expert */
	float *router, *bias;
};

struct moefy {
	struct dsk_model *m;
	const struct dsk_moefy_params *p;
	uint32_t n, layers, embd, ff, width;	/* tokens; width of an expert */
	float **input, **hidden;		/* by layer: n x embd, n x ff */
	struct layer_plan *plans;
	char *err;
	size_t err_size;
};

static int fail(struct moefy *f, int rc, const char *what)
{
	snprintf(f->err, f->err_size, "%s", what);
	return rc;
}

static int check(struct moefy *f)
{
	const struct dsk_shape *s = &f->m->shape;

	if (s->n_expert)
		return fail(f, -EINVAL, "the model has experts already");
	if (!f->m->arch->expert_ff_key || strcmp(f->m->arch->expert_ff_key, ".feed_forward_length")) {
		snprintf(f->err, f->err_size, "files of the architecture \"%s\" can't state experts", s->arch);
		return -ENOTSUP;
	}
	if (f->p->experts < 2 || f->p->experts > 64 || s->n_ff % f->p->experts) {
		snprintf(f->err, f->err_size, "%u neurons can't be divided among %u experts (2..64)", s->n_ff, f->p->experts);
		return -EINVAL;
	}
	if (!f->p->used || f->p->used > f->p->experts)
		return fail(f, -EINVAL, "the number of experts used is not in 1..experts");
	if (f->p->n_tokens < 64)
		return fail(f, -EINVAL, "the calibration text has less than 64 tokens");
	if (f->p->split >= DSK_SPLIT_COUNT)
		return fail(f, -EINVAL, "unknown split");
	f->n = f->p->n_tokens;
	f->layers = s->n_layer;
	f->embd = s->n_embd;
	f->ff = s->n_ff;
	f->width = s->n_ff / f->p->experts;
	return 0;
}

/* ---- calibration */

static int calibrate(struct moefy *f)
{
	struct dsk_session_params params = {
		.dev = f->p->dev, .sched_class = DSEEK_CLASS_BATCH, .n_ctx = WINDOW, .chunk = CHUNK, .tap = true,
	};
	struct dsk_session *session = NULL;
	int rc = dsk_session_create(f->m, &params, &session, f->err, f->err_size);

	f->input = calloc(f->layers, sizeof(*f->input));
	f->hidden = calloc(f->layers, sizeof(*f->hidden));
	if (!rc && (!f->input || !f->hidden))
		rc = fail(f, -ENOMEM, "no memory for the calibration");
	for (uint32_t l = 0; !rc && l < f->layers; l++) {
		f->input[l] = malloc((size_t)f->n * f->embd * sizeof(float));
		f->hidden[l] = malloc((size_t)f->n * f->ff * sizeof(float));
		if (!f->input[l] || !f->hidden[l])
			rc = fail(f, -ENOMEM, "no memory for the calibration");
	}
	for (uint32_t at = 0; !rc && at < f->n; ) {
		uint32_t now = f->n - at < CHUNK ? f->n - at : CHUNK;

		if (now == 1) {		/* a decode job has no tap: leave it out */
			f->n--;
			break;
		}
		if (dsk_session_n_past(session) + now > WINDOW)
			dsk_session_rewind(session, 0);
		rc = dsk_session_eval(session, f->p->tokens + at, now);
		if (rc)
			snprintf(f->err, f->err_size, "%s", dsk_session_error(session));
		for (uint32_t l = 0; !rc && l < f->layers; l++) {
			memcpy(f->input[l] + (size_t)at * f->embd, dsk_session_tap(session, l, DSK_TAP_INPUT),
			       (size_t)now * f->embd * sizeof(float));
			memcpy(f->hidden[l] + (size_t)at * f->ff, dsk_session_tap(session, l, DSK_TAP_HIDDEN),
			       (size_t)now * f->ff * sizeof(float));
		}
		at += now;
	}
	dsk_session_destroy(session);
	return rc;
}

/* ---- the plan of a layer */

static int down_lengths(const struct moefy *f, uint32_t l, float *ret_length)
{
	const struct gguf_tensor *t = dsk_weight(f->m, l, DSK_DOWN)->src;
	uint64_t row_bytes = dseek_row_bytes(t->dtype, f->ff);
	float *row = malloc(f->ff * sizeof(*row));
	int rc = row ? 0 : -ENOMEM;

	memset(ret_length, 0, f->ff * sizeof(*ret_length));
	for (uint32_t e = 0; !rc && e < f->embd; e++) {
		rc = dseek_row_to_f32(t->dtype, (const char *)t->data + e * row_bytes, f->ff, row);
		for (uint32_t i = 0; !rc && i < f->ff; i++)
			ret_length[i] += row[i] * row[i];
	}
	for (uint32_t i = 0; i < f->ff; i++)
		ret_length[i] = sqrtf(ret_length[i]);
	free(row);
	return rc;
}

static int plan_layer(struct moefy *f, uint32_t l)
{
	struct layer_plan *plan = &f->plans[l];
	uint32_t experts = f->p->experts, *cluster = malloc(f->ff * sizeof(*cluster)), *filled = calloc(experts, sizeof(*filled));
	float *length = malloc(f->ff * sizeof(*length)), *size = malloc((size_t)f->ff * f->n * sizeof(*size));
	float *given = calloc((size_t)f->n * experts, sizeof(*given));
	int rc;

	plan->neurons = malloc(f->ff * sizeof(*plan->neurons));
	plan->router = malloc((size_t)experts * f->embd * sizeof(*plan->router));
	plan->bias = malloc(experts * sizeof(*plan->bias));
	rc = cluster && filled && length && size && given && plan->neurons && plan->router && plan->bias ? 0 : -ENOMEM;
	if (!rc)
		rc = down_lengths(f, l, length);
	for (uint32_t i = 0; !rc && i < f->ff; i++) {
		cluster[i] = i / f->width;
		for (uint32_t t = 0; t < f->n; t++)
			size[(uint64_t)i * f->n + t] = fabsf(f->hidden[l][(uint64_t)t * f->ff + i]) * length[i];
	}
	if (!rc && f->p->split == DSK_SPLIT_CLUSTERED)
		rc = moefy_cluster(size, f->ff, f->n, experts, cluster);
	for (uint32_t i = 0; !rc && i < f->ff; i++) {
		plan->neurons[cluster[i] * f->width + filled[cluster[i]]++] = i;
		for (uint32_t t = 0; t < f->n; t++) {
			float a = f->hidden[l][(uint64_t)t * f->ff + i] * length[i];

			given[(uint64_t)t * experts + cluster[i]] += a * a;
		}
	}
	for (uint64_t i = 0; !rc && i < (uint64_t)f->n * experts; i++)
		given[i] = sqrtf(given[i]);
	if (!rc)
		rc = moefy_ridge(f->input[l], given, f->n, f->embd, experts, RIDGE, plan->router, plan->bias);
	if (rc)
		snprintf(f->err, f->err_size, "layer %u: %s", l,
			 rc == -ENOMEM ? "no memory" : "its activations on the calibration text are not numbers");
	free(cluster);
	free(filled);
	free(length);
	free(size);
	free(given);
	return rc;
}

/* ---- the file */

static int down_dtype(const struct moefy *f, const struct gguf_tensor *t)
{
	uint32_t block = dseek_dtype_block(t->dtype);

	if (block == 1 || (f->p->split == DSK_SPLIT_CONTIGUOUS && f->width % block == 0))
		return t->dtype;
	return DSEEK_F32;
}

static bool is_replaced(const struct gguf_key *key, const char *arch)
{
	static const char *const names[] = { "expert_count", "expert_used_count", "feed_forward_length", "expert_gating_func" };
	size_t n = strlen(arch);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(key->name, arch, n) && key->name[n] == '.' && !strcmp(key->name + n + 1, names[i]))
			return true;
	return !strcmp(key->name, "dseek.moefy");
}

static void write_keys(const struct moefy *f, struct gguf_writer *w)
{
	const struct gguf *g = f->m->gguf;
	const char *arch = gguf_arch(g);
	char name[96], about[200];

	for (size_t i = 0; i < gguf_n_keys(g); i++)
		if (!is_replaced(gguf_key(g, i), arch))
			gguf_writer_key(w, gguf_key(g, i));
	const struct { const char *key; uint32_t value; } numbers[] = {
		{ "expert_count", f->p->experts }, { "expert_used_count", f->p->used }, { "feed_forward_length", f->width },
		{ "expert_gating_func", DSK_GATING_UNIT },
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(name, sizeof(name), "%s.%s", arch, numbers[i].key);
		gguf_writer_u32(w, name, numbers[i].value);
	}
	snprintf(about, sizeof(about), "dense layers of %u neurons split into %u experts: %s; router by ridge regression on %u tokens",
		 f->ff, f->p->experts, f->p->split == DSK_SPLIT_CLUSTERED ? "clustered" : "contiguous", f->n);
	gguf_writer_str(w, "dseek.moefy", about);
}

/* Which weight of which layer @t is, or DSK_WEIGHT_COUNT. */
static enum dsk_weight weight_of(const struct moefy *f, const struct gguf_tensor *t, uint32_t *ret_layer)
{
	for (uint32_t l = 0; l < f->layers; l++)
		for (enum dsk_weight w = DSK_GATE; w <= DSK_DOWN; w++)
			if (dsk_weight(f->m, l, w)->src == t) {
				*ret_layer = l;
				return w;
			}
	return DSK_WEIGHT_COUNT;
}

static void declare(const struct moefy *f, struct gguf_writer *w)
{
	const uint64_t up[3] = { f->embd, f->width, f->p->experts }, down[3] = { f->width, f->embd, f->p->experts };
	const uint64_t router[2] = { f->embd, f->p->experts };
	char name[80];

	for (size_t i = 0; i < gguf_n_tensors(f->m->gguf); i++) {
		const struct gguf_tensor *t = gguf_tensor(f->m->gguf, i);
		uint32_t l = 0;
		enum dsk_weight what = weight_of(f, t, &l);

		if (what == DSK_WEIGHT_COUNT) {
			gguf_writer_tensor(w, t->name, t->type, t->n_dims, t->ne);
			continue;
		}
		snprintf(name, sizeof(name), "blk.%u.%s", l, dsk_rules[what - DSK_GATE + DSK_GATE_EXPS].name);
		if (what != DSK_DOWN) {
			gguf_writer_tensor(w, name, t->type, 3, up);
			continue;
		}
		gguf_writer_tensor(w, name, gguf_tensor_type_of(down_dtype(f, t)), 3, down);
		snprintf(name, sizeof(name), "blk.%u.%s", l, dsk_rules[DSK_ROUTER].name);
		gguf_writer_tensor(w, name, gguf_tensor_type_of(DSEEK_F32), 2, router);
		snprintf(name, sizeof(name), "blk.%u.%s", l, dsk_rules[DSK_ROUTER_BIAS].name);
		gguf_writer_tensor(w, name, gguf_tensor_type_of(DSEEK_F32), 1, &router[1]);
	}
}

static int write_rows(const struct moefy *f, struct gguf_writer *w, const struct gguf_tensor *t, uint32_t l)
{
	uint64_t bytes = dseek_row_bytes(t->dtype, t->ne[0]);
	int rc = 0;

	for (uint32_t i = 0; !rc && i < f->ff; i++)
		rc = gguf_writer_data(w, (const char *)t->data + f->plans[l].neurons[i] * bytes, bytes);
	return rc;
}

/* An expert's columns of each row. */
static int write_down(const struct moefy *f, struct gguf_writer *w, const struct gguf_tensor *t, uint32_t l)
{
	uint32_t block = dseek_dtype_block(t->dtype), unit = dseek_dtype_block_bytes(t->dtype);
	uint64_t row_bytes = dseek_row_bytes(t->dtype, f->ff);
	bool same = down_dtype(f, t) == t->dtype;
	float *row = malloc(f->ff * sizeof(*row)), *out = malloc(f->width * sizeof(*out));
	int rc = row && out ? 0 : -ENOMEM;

	for (uint32_t x = 0; !rc && x < f->p->experts; x++) {
		const uint32_t *neurons = f->plans[l].neurons + x * f->width;

		for (uint32_t e = 0; !rc && e < f->embd; e++) {
			const char *src = (const char *)t->data + e * row_bytes;

			if (same && block > 1) {	/* CONTIGUOUS: neurons[0] is at a block's start */
				rc = gguf_writer_data(w, src + neurons[0] / block * unit, (uint64_t)f->width / block * unit);
				continue;
			}
			if (!same)
				rc = dseek_row_to_f32(t->dtype, src, f->ff, row);
			for (uint32_t i = 0; !rc && i < f->width; i++)
				memcpy((char *)out + i * (same ? unit : sizeof(float)),
				       same ? src + neurons[i] * unit : (const char *)&row[neurons[i]],
				       same ? unit : sizeof(float));
			if (!rc)
				rc = gguf_writer_data(w, out, f->width * (same ? unit : sizeof(float)));
		}
	}
	free(row);
	free(out);
	return rc;
}

static int write_data(const struct moefy *f, struct gguf_writer *w)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < gguf_n_tensors(f->m->gguf); i++) {
		const struct gguf_tensor *t = gguf_tensor(f->m->gguf, i);
		uint32_t l = 0;
		enum dsk_weight what = weight_of(f, t, &l);

		if (what == DSK_WEIGHT_COUNT) {
			rc = gguf_writer_data(w, t->data, t->size);
		} else if (what != DSK_DOWN) {
			rc = write_rows(f, w, t, l);
		} else {
			rc = write_down(f, w, t, l);
			if (!rc)
				rc = gguf_writer_data(w, f->plans[l].router, (uint64_t)f->p->experts * f->embd * sizeof(float));
			if (!rc)
				rc = gguf_writer_data(w, f->plans[l].bias, f->p->experts * sizeof(float));
		}
	}
	return rc;
}

static int write_file(struct moefy *f, const char *path)
{
	struct gguf_writer *w;
	int rc = gguf_writer_create(path, &w, f->err, f->err_size), finished;

	if (rc)
		return rc;
	write_keys(f, w);
	declare(f, w);
	rc = write_data(f, w);
	if (rc == -ENOMEM) {
		fail(f, rc, "no memory for a row");
	} else {
		finished = gguf_writer_finish(w, f->err, f->err_size);
		rc = finished ? finished : rc;
	}
	gguf_writer_destroy(w);
	return rc;
}

int dsk_moefy(struct dsk_model *model, const char *path, const struct dsk_moefy_params *params, char *err, size_t err_size)
{
	struct moefy f = { .m = model, .p = params, .err = err, .err_size = err_size };
	int rc = check(&f);

	if (rc)
		return rc;
	f.plans = calloc(f.layers, sizeof(*f.plans));
	rc = f.plans ? calibrate(&f) : fail(&f, -ENOMEM, "no memory");
	for (uint32_t l = 0; !rc && l < f.layers; l++) {
		rc = plan_layer(&f, l);
		free(f.input[l]);
		free(f.hidden[l]);
		f.input[l] = f.hidden[l] = NULL;
		if (!rc && params->progress)
			params->progress(params->progress_arg, l + 1, f.layers);
	}
	if (!rc)
		rc = write_file(&f, path);
	for (uint32_t l = 0; l < f.layers; l++) {
		if (f.input)
			free(f.input[l]);
		if (f.hidden)
			free(f.hidden[l]);
		if (f.plans) {
			free(f.plans[l].neurons);
			free(f.plans[l].router);
			free(f.plans[l].bias);
		}
	}
	free(f.input);
	free(f.hidden);
	free(f.plans);
	return rc;
}
