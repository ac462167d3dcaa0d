// SPDX-License-Identifier: MIT
#include "model_priv.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf.h"

int dsk_model_open(const char *path, struct dsk_model **ret_model, char *err, size_t err_size)
{
	struct dsk_model *m = calloc(1, sizeof(*m));
	int rc;

	if (!m) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	m->fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	rc = gguf_open(path, &m->gguf, err, err_size);
	if (rc)
		goto fail;
	rc = dsk_arch_find(gguf_arch(m->gguf), &m->arch, err, err_size);
	if (rc)
		goto fail;
	rc = dsk_shape_read(m->gguf, m->arch, &m->shape, err, err_size);
	if (rc)
		goto fail;
	m->layers = calloc((size_t)m->shape.n_layer * (DSK_WEIGHT_COUNT - DSK_FIRST_OF_LAYER), sizeof(*m->layers));
	if (!m->layers) {
		snprintf(err, err_size, "no memory for the places of %u layers", m->shape.n_layer);
		rc = -ENOMEM;
		goto fail;
	}
	rc = dsk_weights_place(m, err, err_size);
	if (rc)
		goto fail;
	*ret_model = m;
	return 0;
fail:
	dsk_model_close(m);
	return rc;
}

void dsk_model_close(struct dsk_model *m)
{
	if (!m)
		return;
	if (m->fd >= 0)
		close(m->fd);
	if (m->bo)
		dseek_bo_destroy(m->bo);
	free(m->layers);
	gguf_close(m->gguf);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct dsk_shape *dsk_model_shape(const struct dsk_model *m)
{
	return &m->shape;
}

const struct gguf *dsk_model_gguf(const struct dsk_model *m)
{
	return m->gguf;
}

int dsk_model_load(struct dsk_model *m, struct dseek_device *dev, const struct dsk_load_params *params,
		   char *err, size_t err_size)
{
	static const struct dsk_load_params defaults = { .numa_node = -1 };
	struct dseek_bo *bo;
	int rc;

	if (!params)
		params = &defaults;
	if (m->bo) {
		snprintf(err, err_size, "%s: it is loaded already", gguf_path(m->gguf));
		return -EALREADY;
	}
	rc = dsk_weights_choose(m, params, err, err_size);
	if (rc)
		return rc;
	rc = dseek_bo_create(dev, m->buffer_bytes, DSEEK_BO_HUGE, params->numa_node, &bo);
	if (rc) {
		snprintf(err, err_size, "no buffer of %llu bytes for the weights: %s",
			 (unsigned long long)m->buffer_bytes, dseek_strerror_detail());
		return rc;
	}
	rc = dsk_weights_copy(m, dseek_bo_map(bo), params, err, err_size);
	if (rc) {
		dseek_bo_destroy(bo);
		return rc;
	}
	m->bo = bo;
	m->dev = dev;
	return 0;
}

uint64_t dsk_model_bytes(const struct dsk_model *m)
{
	return m->buffer_bytes;
}

float *dsk_model_router_bias(struct dsk_model *m, uint32_t layer)
{
	const struct dsk_place *p = m->bo && layer < m->shape.n_layer ? dsk_weight(m, layer, DSK_ROUTER_BIAS) : NULL;

	return p && p->src ? (float *)((uint8_t *)dseek_bo_map(m->bo) + p->offset) : NULL;
}

int dsk_model_weights(struct dsk_model *m, struct dseek_device *dev, struct dseek_bo **ret_bo, bool *ret_owned,
		      char *err, size_t err_size)
{
	int rc = 0;

	if (!m->bo) {
		snprintf(err, err_size, "%s: it is not loaded", gguf_path(m->gguf));
		return -EINVAL;
	}
	if (dev == m->dev) {
		*ret_bo = m->bo;
		*ret_owned = false;
		return 0;
	}
	pthread_mutex_lock(&m->lock);
	if (m->fd < 0)
		rc = dseek_bo_export(m->bo, &m->fd);
	pthread_mutex_unlock(&m->lock);
	if (!rc)
		rc = dseek_bo_import(dev, m->fd, ret_bo);
	if (rc)
		snprintf(err, err_size, "the weights can't be shared with this device: %s", dseek_strerror_detail());
	else
		*ret_owned = true;
	return rc;
}
