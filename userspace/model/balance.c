// SPDX-License-Identifier: MIT
#include "balance.h"

#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What experts are compared by, before the bias. */
static void keys_of(const struct dsk_router *r, const float *logits, float *ret_keys)
{
	float top = -INFINITY, sum = 0;

	memcpy(ret_keys, logits, r->experts * sizeof(*ret_keys));
	if (r->gate == DSEEK_GATE_SIGMOID) {
		for (uint32_t e = 0; e < r->experts; e++)
			ret_keys[e] = 1 / (1 + expf(-logits[e]));
	} else if (r->gate == DSEEK_GATE_SOFTMAX) {
		for (uint32_t e = 0; e < r->experts; e++)
			top = fmaxf(top, logits[e]);
		for (uint32_t e = 0; e < r->experts; e++)
			sum += ret_keys[e] = expf(logits[e] - top);
		for (uint32_t e = 0; e < r->experts; e++)
			ret_keys[e] /= sum;
	}
}

static void select_best(const struct dsk_router *r, const float *keys, const float *bias, uint32_t choices, int32_t *ret_ids)
{
	float key[DSK_BALANCE_MAX_EXPERTS];
	uint32_t n = 0;

	for (uint32_t e = 0; e < r->experts; e++) {
		uint32_t at;

		key[e] = keys[e] + (bias ? bias[e] : 0);
		if (isnan(key[e]))
			key[e] = -INFINITY;
		if (n == choices && key[e] <= key[ret_ids[n - 1]])
			continue;
		at = n < choices ? n++ : n - 1;
		for (; at && key[e] > key[ret_ids[at - 1]]; at--)	/* of equals the lower stays in front */
			ret_ids[at] = ret_ids[at - 1];
		ret_ids[at] = e;
	}
}

static void route(const struct dsk_router *r, const float *keys, uint32_t n, const float *bias, uint32_t choices, int32_t *ret_ids,
		  uint32_t *ret_load)
{
	int32_t row[DSK_BALANCE_MAX_EXPERTS], *ids = row;

	if (ret_load)
		memset(ret_load, 0, r->experts * sizeof(*ret_load));
	for (uint32_t t = 0; t < n; t++) {
		if (ret_ids)
			ids = ret_ids + (uint64_t)t * choices;
		select_best(r, keys + (uint64_t)t * r->experts, bias, choices, ids);
		for (uint32_t j = 0; ret_load && j < r->top_k; j++)
			ret_load[ids[j]]++;
	}
}

void dsk_route_tokens(const struct dsk_router *r, const float *logits, uint32_t n, const float *bias, uint32_t choices,
		      int32_t *ret_ids, uint32_t *ret_load)
{
	float keys[DSK_BALANCE_MAX_EXPERTS];
	uint32_t load[DSK_BALANCE_MAX_EXPERTS];

	if (ret_load)
		memset(ret_load, 0, r->experts * sizeof(*ret_load));
	for (uint32_t t = 0; t < n; t++) {
		keys_of(r, logits + (uint64_t)t * r->experts, keys);
		route(r, keys, 1, bias, choices, ret_ids ? ret_ids + (uint64_t)t * choices : NULL, load);
		for (uint32_t e = 0; ret_load && e < r->experts; e++)
			ret_load[e] += load[e];
	}
}

double dsk_load_spread(const uint32_t *load, uint32_t experts)
{
	double mean = 0, squares = 0;

	for (uint32_t e = 0; e < experts; e++)
		mean += load[e] / (double)experts;
	for (uint32_t e = 0; e < experts; e++)
		squares += (load[e] - mean) * (load[e] - mean);
	return mean > 0 ? sqrt(squares / experts) / mean : 0;
}

void dsk_balance_step(float *bias, const uint32_t *load, uint32_t experts, float rate)
{
	uint64_t total = 0;

	for (uint32_t e = 0; e < experts; e++)
		total += load[e];
	for (uint32_t e = 0; e < experts; e++) {
		uint64_t have = (uint64_t)load[e] * experts;

		bias[e] += have < total ? rate : have > total ? -rate : 0;
	}
}

static int deviation(const float *keys, uint64_t n, double *ret_deviation)
{
	double sum = 0, squares = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += keys[i];
	for (uint64_t i = 0; i < n; i++)
		squares += (keys[i] - sum / n) * (keys[i] - sum / n);
	*ret_deviation = sqrt(squares / n);
	return isfinite(squares) ? 0 : -EDOM;
}

int dsk_balance_fit(const struct dsk_router *r, const float *logits, uint32_t n, const struct dsk_balance_params *params,
		    float *bias, struct dsk_balance_result *ret_result)
{
	uint32_t steps = params && params->steps ? params->steps : 120, load[DSK_BALANCE_MAX_EXPERTS];
	double decay = params && params->decay ? params->decay : 0.95, rate = params && params->rate ? params->rate : 0.25;
	float now[DSK_BALANCE_MAX_EXPERTS], best[DSK_BALANCE_MAX_EXPERTS], *keys;
	struct dsk_balance_result result = {};
	double unit;
	int rc;

	if (!n || !r->top_k || r->top_k > r->experts || r->experts > DSK_BALANCE_MAX_EXPERTS || r->gate >= DSEEK_GATE_COUNT ||
	    !(rate > 0 && isfinite(rate)) || !(decay > 0 && decay < 1))
		return -EINVAL;
	keys = malloc((uint64_t)n * r->experts * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (uint32_t t = 0; t < n; t++)
		keys_of(r, logits + (uint64_t)t * r->experts, keys + (uint64_t)t * r->experts);
	rc = deviation(keys, (uint64_t)n * r->experts, &unit);
	memcpy(now, bias, r->experts * sizeof(*now));
	for (uint32_t i = 0; !rc && i <= steps; i++) {
		double spread;

		route(r, keys, n, now, r->top_k, NULL, load);
		spread = dsk_load_spread(load, r->experts);
		if (!i)
			result.before = spread;
		if (!i || spread < result.after) {
			result.after = spread;
			result.steps = i;
			memcpy(best, now, r->experts * sizeof(*best));
		}
		dsk_balance_step(now, load, r->experts, rate * unit * pow(decay, i));
	}
	for (uint32_t e = 0; !rc && e < r->experts; e++) {
		if (unit > 0)
			result.moved = fmax(result.moved, fabs((double)best[e] - bias[e]) / unit);
		bias[e] = best[e];
	}
	if (!rc)
		*ret_result = result;
	free(keys);
	return rc;
}

/* ---- capacity */

uint32_t dsk_capacity(uint32_t tokens, uint32_t top_k, uint32_t experts, double factor)
{
	return ceil(factor * tokens * top_k / experts - 1e-9);
}

int dsk_capacity_apply(const struct dsk_router *r, const int32_t *ids, uint32_t n, uint32_t choices, uint32_t capacity,
		       struct dsk_capacity_result *ret_result)
{
	struct dsk_capacity_result c = { .pairs = (uint64_t)n * r->top_k };
	uint32_t load[DSK_BALANCE_MAX_EXPERTS] = {};
	uint8_t *without = calloc(n ? n : 1, 1);	/* pairs of a token that have no expert */

	if (!without)
		return -ENOMEM;
	for (uint32_t t = 0; t < n; t++)
		for (uint32_t j = 0; j < r->top_k; j++) {
			uint32_t e = ids[(uint64_t)t * choices + j];

			if (load[e] < capacity)
				load[e]++;
			else
				without[t]++;
		}
	for (uint32_t t = 0; t < n; t++)
		c.over += without[t];
	for (uint32_t j = r->top_k; j < choices; j++)
		for (uint32_t t = 0; t < n; t++) {
			uint32_t e = ids[(uint64_t)t * choices + j];

			if (without[t] && load[e] < capacity) {
				load[e]++;
				without[t]--;
				c.rerouted++;
			}
		}
	c.dropped = c.over - c.rerouted;
	free(without);
	*ret_result = c;
	return 0;
}
