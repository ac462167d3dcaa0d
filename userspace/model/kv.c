// SPDX-License-Identifier: MIT
/* How much of keys and values each layer keeps. */
#include "model.h"

#include <dseek_program.h>

uint32_t dsk_kv_slots(const struct dsk_shape *s, const struct dsk_kv *kv, uint32_t layer)
{
	uint64_t slots = s->window_period && !kv->all ? dsk_layer_window(s, layer) : 0;

	if (!slots)
		return kv->n_ctx;
	slots += kv->run - 1;
	return slots < kv->n_ctx ? slots : kv->n_ctx;
}

void dsk_kv_widths(const struct dsk_shape *s, uint32_t *ret_k, uint32_t *ret_v)
{
	*ret_k = s->kv_rank ? s->kv_rank + s->rope_dims : s->head_k;
	*ret_v = s->kv_rank ? s->kv_rank : s->head_v;
}

uint64_t dsk_kv_bytes(const struct dsk_shape *s, const struct dsk_kv *kv)
{
	uint64_t bytes = 0;
	uint32_t k, v;

	dsk_kv_widths(s, &k, &v);
	for (uint32_t l = 0; l < s->n_layer; l++) {
		uint64_t slots = dsk_kv_slots(s, kv, l);
		uint32_t type = slots < kv->n_ctx ? kv->ring_type : kv->type;

		bytes += slots * s->n_head_kv * (dseek_row_bytes(type, k) + (s->kv_rank ? 0 : dseek_row_bytes(type, v)));
	}
	return bytes;
}
