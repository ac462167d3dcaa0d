// SPDX-License-Identifier: MIT
/*
 * Weights: from the file's mapping into one buffer, packed on the way; each byte is read once and
 * written once. Matrices become PACKED; vectors F32. In a mode that says so matrices become F8_E4M3 (weights_fp8.c).
 */
#include "model_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gguf.h"

#define SLICE_ROWS	2048	/* of a matrix, a unit of work; whole groups of the PACKED layout */

/* The tensor of @shape (arch.h) called that, NULL if there is none. */
static int find(const struct dsk_model *m, const char *name, const char *shape, const struct gguf_tensor **ret_tensor, char *err,
		size_t err_size)
{
	const struct gguf_tensor *t = gguf_find_tensor(m->gguf, name);
	size_t dims = strlen(shape);

	*ret_tensor = t;
	if (!t)
		return 0;
	if (t->dtype < 0 || t->dtype == DSEEK_I32) {
		snprintf(err, err_size, "%s: tensor %s is %s, which is not supported", gguf_path(m->gguf), name,
			 gguf_tensor_type(t->type)->name);
		return -ENOTSUP;
	}
	for (size_t d = 0; d < GGUF_MAX_DIMS; d++) {
		uint64_t want = d < dims ? dsk_extent(&m->shape, shape[d]) : 1;

		if (t->ne[d] == want)
			continue;
		snprintf(err, err_size, "%s: tensor %s: extent %zu is %llu, the keys say %llu", gguf_path(m->gguf), name, d,
			 (unsigned long long)t->ne[d], (unsigned long long)want);
		return -EINVAL;
	}
	return 0;
}

bool dsk_place_form(struct dsk_place *p, bool matrix)
{
	uint64_t one;

	p->layout = DSEEK_LAYOUT_ROWS;
	if (matrix && dseek_tensor_bytes(p->dtype, DSEEK_LAYOUT_PACKED, p->ne[0], p->ne[1]))
		p->layout = DSEEK_LAYOUT_PACKED;
	one = dseek_tensor_bytes(p->dtype, p->layout, p->ne[0], p->ne[1]);
	return !__builtin_mul_overflow(one, p->ne[2], &p->bytes) && p->bytes && p->bytes <= 1ULL << 46;
}

/* @file_rows of the file's rows are in it. */
static int form(struct dsk_model *m, struct dsk_place *p, const char *name, bool matrix, uint64_t file_rows, char *err, size_t err_size)
{
	const struct gguf_tensor *t = p->src;

	if (!dsk_place_form(p, matrix)) {
		snprintf(err, err_size, "%s: tensor %s is too large", gguf_path(m->gguf), name);
		return -EINVAL;
	}
	m->shape.weight_bytes += file_rows * dseek_row_bytes(t->dtype, t->ne[0]);
	m->shape.n_params += file_rows * t->ne[0];
	return 0;
}

static int place(struct dsk_model *m, uint32_t layer, enum dsk_weight w, struct dsk_place *p, char *err, size_t err_size)
{
	const struct dsk_rule *rule = &dsk_rules[w];
	bool matrix = strlen(rule->shape) > 1 && !rule->vectors;
	char name[80];
	int rc;

	if (w < DSK_FIRST_OF_LAYER)
		snprintf(name, sizeof(name), "%s", dsk_weight_name(m->arch, w));
	else
		snprintf(name, sizeof(name), "blk.%u.%s", layer, dsk_weight_name(m->arch, w));
	rc = find(m, name, rule->shape, &p->src, err, err_size);
	if (rc || !p->src)
		return rc;
	p->dtype = matrix ? (uint32_t)p->src->dtype : DSEEK_F32;
	for (size_t d = 0; d < 3; d++)
		p->ne[d] = p->src->ne[d];
	p->row_step = p->ne[1];
	return form(m, p, name, matrix, p->src->ne[1] * p->src->ne[2], err, err_size);
}

/*
 * Keys and values of one tensor. A head's keys are turned: what goes into the latent space is what came out of it. Blocks of a quantised
 * tensor can't be, so those become F32, which is exact.
 */
static int place_kv_b(struct dsk_model *m, uint32_t layer, char *err, size_t err_size)
{
	struct dsk_place *k = (struct dsk_place *)dsk_weight(m, layer, DSK_K_B), *v = (struct dsk_place *)dsk_weight(m, layer, DSK_V_B);
	const struct dsk_shape *s = &m->shape;
	uint32_t keys = dsk_extent(s, 'N');
	const struct gguf_tensor *t;
	char name[80];
	int rc;

	if (k->src || v->src)
		return 0;
	snprintf(name, sizeof(name), "blk.%u." DSK_KV_B_NAME, layer);
	rc = find(m, name, "RB", &t, err, err_size);
	if (rc || !t)
		return rc;
	*k = (struct dsk_place){ .src = t, .ne = { keys, s->kv_rank, s->n_head }, .row_step = keys + s->head_v, .turned = true,
				 .dtype = dseek_dtype_block(t->dtype) > 1 ? DSEEK_F32 : t->dtype };
	*v = (struct dsk_place){ .src = t, .ne = { s->kv_rank, s->head_v, s->n_head }, .row_step = keys + s->head_v, .first_row = keys,
				 .dtype = t->dtype };
	rc = form(m, k, name, true, (uint64_t)keys * s->n_head, err, err_size);
	return rc ? rc : form(m, v, name, true, (uint64_t)s->head_v * s->n_head, err, err_size);
}

/* A head's keys the other way round, for the same tensor's sake: its elements are counted where they are first. */
static int place_k_turned(struct dsk_model *m, uint32_t layer, char *err, size_t err_size)
{
	const struct dsk_place *k = dsk_weight(m, layer, DSK_K_B);
	struct dsk_place *p = (struct dsk_place *)dsk_weight(m, layer, DSK_K_TURNED);

	if (!k->src)
		return 0;
	*p = (struct dsk_place){ .src = k->src, .ne = { k->ne[1], k->ne[0], k->ne[2] }, .row_step = k->row_step, .turned = !k->turned };
	p->dtype = p->turned && dseek_dtype_block(k->src->dtype) > 1 ? DSEEK_F32 : k->src->dtype;
	return form(m, p, dsk_weight_name(m->arch, DSK_K_B), true, 0, err, err_size);
}

static int missing(const struct dsk_model *m, uint32_t layer, enum dsk_weight w, char *err, size_t err_size)
{
	if (w < DSK_FIRST_OF_LAYER)
		snprintf(err, err_size, "%s: tensor %s is missing", gguf_path(m->gguf), dsk_weight_name(m->arch, w));
	else
		snprintf(err, err_size, "%s: tensor blk.%u.%s is missing", gguf_path(m->gguf), layer, dsk_weight_name(m->arch, w));
	return -EINVAL;
}

static uint64_t behind(struct dsk_model *m, uint64_t bytes)
{
	uint64_t offset = m->buffer_bytes;

	m->buffer_bytes += (bytes + 63) & ~(uint64_t)63;
	return offset;
}

static void lay_out(struct dsk_model *m, uint32_t layer, enum dsk_weight from, enum dsk_weight to)
{
	for (enum dsk_weight w = from; w < to; w++) {
		struct dsk_place *p = (struct dsk_place *)dsk_weight(m, layer, w);

		if (p->src)
			p->offset = behind(m, p->bytes);
	}
}

void dsk_weights_lay_out(struct dsk_model *m)
{
	m->buffer_bytes = 0;
	if (m->shape.yarn_factor)
		m->factors = behind(m, m->shape.rope_dims / 2 * sizeof(float));
	lay_out(m, 0, 0, DSK_FIRST_OF_LAYER);
	for (uint32_t l = 0; l < m->shape.n_layer; l++)
		lay_out(m, l, DSK_FIRST_OF_LAYER, DSK_WEIGHT_COUNT);
}

int dsk_weights_place(struct dsk_model *m, char *err, size_t err_size)
{
	int rc;

	for (enum dsk_weight w = 0; w < DSK_FIRST_OF_LAYER; w++) {
		rc = place(m, 0, w, &m->global[w], err, err_size);
		if (rc)
			return rc;
		if (!m->global[w].src && dsk_rules[w].need == DSK_MUST)
			return missing(m, 0, w, err, err_size);
	}
	for (uint32_t l = 0; l < m->shape.n_layer; l++) {
		char name[80];
		bool experts;

		/* Layers may differ: those behind the leading dense ones have experts, or, where no key says so, those with a router. */
		snprintf(name, sizeof(name), "blk.%u.%s", l, dsk_rules[DSK_ROUTER].name);
		experts = m->shape.n_expert && (m->shape.n_dense ? l >= m->shape.n_dense : !!gguf_find_tensor(m->gguf, name));
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++) {
			if (!dsk_needs(m->arch, &m->shape, experts, dsk_rules[w].need))
				continue;
			rc = place(m, l, w, (struct dsk_place *)dsk_weight(m, l, w), err, err_size);
			if (rc)
				return rc;
		}
		rc = m->shape.kv_rank ? place_kv_b(m, l, err, err_size) : 0;
		if (!rc && m->shape.kv_rank)
			rc = place_k_turned(m, l, err, err_size);
		if (rc)
			return rc;
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++)
			if (dsk_rules[w].need != DSK_MAY && dsk_needs(m->arch, &m->shape, experts, dsk_rules[w].need) &&
			    !dsk_weight(m, l, w)->src)
				return missing(m, l, w, err, err_size);
	}
	dsk_weights_lay_out(m);
	return 0;
}

/* ---- copying */

struct slice {
	const struct dsk_place *place;
	uint32_t expert, row, rows;
};

struct copy {
	uint8_t *base;
	struct slice *slices;
	size_t n_slices, room;
	atomic_size_t next;
	atomic_ullong done;	/* bytes of the file */
	atomic_int error;
};

static int add_slices(struct copy *c, const struct dsk_place *p)
{
	if (!p->src)
		return 0;
	for (uint32_t x = 0; x < p->ne[2]; x++)
		for (uint32_t row = 0; row < p->ne[1]; row += p->turned ? p->ne[1] : SLICE_ROWS) {
			uint32_t rows = p->turned || p->ne[1] - row < SLICE_ROWS ? p->ne[1] - row : SLICE_ROWS;

			if (c->n_slices == c->room) {
				size_t room = c->room ? c->room * 2 : 256;
				struct slice *s = realloc(c->slices, room * sizeof(*s));

				if (!s)
					return -ENOMEM;
				c->slices = s;
				c->room = room;
			}
			c->slices[c->n_slices++] = (struct slice){ p, x, row, rows };
		}
	return 0;
}

/* A whole matrix of ne[1] rows of ne[0] out of ne[0] rows of ne[1], and then packed. */
static int copy_turned(const struct dsk_place *p, const uint8_t *src, uint8_t *dst)
{
	uint64_t in = dseek_row_bytes(p->src->dtype, p->ne[1]), out = dseek_row_bytes(p->dtype, p->ne[0]);
	float *all = malloc((uint64_t)p->ne[0] * p->ne[1] * sizeof(*all)), *row = malloc(p->ne[0] * sizeof(*row));
	uint8_t *rows = malloc(out * p->ne[1]);
	int rc = all && row && rows ? 0 : -ENOMEM;

	for (uint32_t i = 0; !rc && i < p->ne[0]; i++)
		rc = dseek_row_to_f32(p->src->dtype, src + i * in, p->ne[1], all + (uint64_t)i * p->ne[1]);
	for (uint32_t r = 0; !rc && r < p->ne[1]; r++) {
		for (uint32_t i = 0; i < p->ne[0]; i++)
			row[i] = all[(uint64_t)i * p->ne[1] + r];
		rc = dseek_row_from_f32(p->dtype, row, p->ne[0], rows + r * out);
	}
	if (!rc && p->layout == DSEEK_LAYOUT_PACKED)
		rc = dseek_tensor_pack(p->dtype, p->ne[0], p->ne[1], rows, dst);
	else if (!rc)
		memcpy(dst, rows, out * p->ne[1]);
	free(all);
	free(row);
	free(rows);
	return rc;
}

static int copy_slice(struct copy *c, const struct slice *s)
{
	const struct dsk_place *p = s->place;
	const struct gguf_tensor *t = p->src;
	uint64_t row_bytes = dseek_row_bytes(t->dtype, t->ne[0]);
	const uint8_t *src = (const uint8_t *)t->data + (p->first_row + s->expert * p->row_step + s->row) * row_bytes;
	uint8_t *dst = c->base + p->offset + s->expert * dseek_tensor_bytes(p->dtype, p->layout, p->ne[0], p->ne[1]) +
		       dseek_tensor_bytes(p->dtype, p->layout, p->ne[0], s->row);
	int rc = 0;

	if (p->turned)
		rc = copy_turned(p, src, dst);
	else if (p->dtype == DSEEK_F8_E4M3)
		rc = dsk_weights_copy_fp8(p, src, s->rows, dst);
	else if (p->layout == DSEEK_LAYOUT_PACKED)
		rc = dseek_tensor_pack(p->dtype, p->ne[0], s->rows, src, dst);
	else if ((uint32_t)t->dtype == p->dtype)
		memcpy(dst, src, s->rows * row_bytes);
	else
		rc = dseek_row_to_f32(t->dtype, src, (uint64_t)p->ne[0] * s->rows, (float *)dst);
	atomic_fetch_add(&c->done, (p->turned ? p->ne[0] : s->rows) * row_bytes);
	return rc;
}

static void *copy_thread(void *arg)
{
	struct copy *c = arg;
	size_t i;

	while (!atomic_load(&c->error) && (i = atomic_fetch_add(&c->next, 1)) < c->n_slices) {
		int rc = copy_slice(c, &c->slices[i]);

		if (rc)
			atomic_store(&c->error, rc);
	}
	return NULL;
}

static unsigned int cpus_allowed(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

int dsk_weights_copy(struct dsk_model *m, void *base, const struct dsk_load_params *params, char *err, size_t err_size)
{
	const struct timespec tick = { .tv_nsec = 20000000 };
	unsigned int threads = params->threads ? params->threads : cpus_allowed(), started = 0;
	pthread_t ids[64];
	struct copy c = { .base = base };
	size_t map_size;
	void *map = (void *)gguf_map(m->gguf, &map_size);
	int rc = 0;

	for (uint32_t w = 0; !rc && w < DSK_FIRST_OF_LAYER; w++)
		rc = add_slices(&c, &m->global[w]);
	for (uint32_t l = 0; !rc && l < m->shape.n_layer; l++)
		for (uint32_t w = DSK_FIRST_OF_LAYER; !rc && w < DSK_WEIGHT_COUNT; w++)
			rc = add_slices(&c, dsk_weight(m, l, w));
	if (rc) {
		snprintf(err, err_size, "no memory for the list of tensors");
		goto out;
	}
	madvise(map, map_size, MADV_WILLNEED);	/* a hint: an error changes nothing */
	if (threads > 64)
		threads = 64;
	/* The calling thread reports; where no thread can be had it copies itself. */
	while (started < threads && !pthread_create(&ids[started], NULL, copy_thread, &c))
		started++;
	if (!started)
		copy_thread(&c);
	while (params->progress && !atomic_load(&c.error) && atomic_load(&c.done) < m->shape.weight_bytes) {
		params->progress(params->progress_arg, atomic_load(&c.done), m->shape.weight_bytes);
		nanosleep(&tick, NULL);
	}
	while (started)
		pthread_join(ids[--started], NULL);
	rc = atomic_load(&c.error);
	if (m->shape.yarn_factor)
		dsk_rope_factors(&m->shape, m->global[DSK_ROPE_FREQS].src ? (float *)(c.base + m->global[DSK_ROPE_FREQS].offset) : NULL,
				 (float *)(c.base + m->factors));
	if (rc)
		snprintf(err, err_size, "%s: a tensor could not be packed: %s", gguf_path(m->gguf), strerror(-rc));
	else if (params->progress)
		params->progress(params->progress_arg, m->shape.weight_bytes, m->shape.weight_bytes);
out:
	free(c.slices);
	return rc;
}
