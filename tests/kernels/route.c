/* SPDX-License-Identifier: MIT */
/* Routing. Ids: exactly the reference's (keys of the data are 1e-4 apart, or equal). Weights: 4e-6 relative. Load: exact. */
#include "ktest.h"

static const struct route_case {
	int experts, k, tokens, gate, flags, groups, top_groups;
	float scale;
} cases[] = {
	{ 1, 1, 1, DSK_GATE_SOFTMAX, 0, 1, 1, 1 },
	{ 8, 2, 5, DSK_GATE_SOFTMAX, DSK_ROUTE_NORMALISE, 1, 1, 1 },
	{ 7, 7, 3, DSK_GATE_SOFTMAX, 0, 1, 1, 1 },
	{ 64, 6, 4, DSK_GATE_SOFTMAX, 0, 8, 3, 1 },
	{ 65, 16, 3, DSK_GATE_SIGMOID, DSK_ROUTE_BIAS, 1, 1, 1 },
	{ 256, 8, 3, DSK_GATE_SIGMOID, DSK_ROUTE_BIAS | DSK_ROUTE_NORMALISE | DSK_ROUTE_GROUP_SUM2, 8, 4, 2.5f },
	{ 160, 6, 3, DSK_GATE_SOFTMAX, DSK_ROUTE_BIAS, 8, 3, 16 },
	{ 32, 4, 9, DSK_GATE_UNIT, 0, 1, 1, 1 },
	{ 16, 4, 2, DSK_GATE_SIGMOID, DSK_ROUTE_GROUP_SUM2 | DSK_ROUTE_NORMALISE, 16, 5, 1 },
	{ 512, 16, 2, DSK_GATE_SOFTMAX, DSK_ROUTE_NORMALISE, 32, 2, 1 },
};

/* Place of the @r-th in falling order of @key among those not @gone; the lower of equals. */
static int best(const double *key, const int *gone, int n)
{
	int at = -1;

	for (int i = 0; i < n; i++)
		if (!gone[i] && (at < 0 || key[i] > key[at]))
			at = i;
	return at;
}

static void reference(const struct route_case *c, const float *logits, const float *bias, int *ids, double *weights, int *load)
{
	double score[DSK_MAX_EXPERTS], key[DSK_MAX_EXPERTS], top = logits[0], sum = 0;
	int gone[DSK_MAX_EXPERTS] = { 0 }, size = c->experts / c->groups;

	for (int e = 0; e < c->experts; e++)
		top = fmax(top, logits[e]);
	for (int e = 0; e < c->experts; e++)
		sum += exp(logits[e] - top);
	for (int e = 0; e < c->experts; e++) {
		score[e] = c->gate == DSK_GATE_SOFTMAX ? exp(logits[e] - top) / sum :
			c->gate == DSK_GATE_SIGMOID ? 1 / (1 + exp(-logits[e])) : 1;
		key[e] = (c->gate == DSK_GATE_UNIT ? logits[e] : score[e]) + (c->flags & DSK_ROUTE_BIAS ? bias[e] : 0);
	}
	if (c->top_groups < c->groups) {
		double of_group[DSK_MAX_GROUPS];
		int taken[DSK_MAX_GROUPS] = { 0 };

		for (int g = 0; g < c->groups; g++) {
			int none[DSK_MAX_EXPERTS] = { 0 }, first = best(key + g * size, none, size), second;

			of_group[g] = key[g * size + first];
			none[first] = 1;
			second = best(key + g * size, none, size);
			if (c->flags & DSK_ROUTE_GROUP_SUM2 && second >= 0)
				of_group[g] += key[g * size + second];
		}
		for (int i = 0; i < c->top_groups; i++)
			taken[best(of_group, taken, c->groups)] = 1;
		for (int e = 0; e < c->experts; e++)
			gone[e] = !taken[e / size];
	}
	sum = 0;
	for (int i = 0; i < c->k; i++) {
		ids[i] = best(key, gone, c->experts);
		gone[ids[i]] = 1;
		weights[i] = score[ids[i]];
		sum += weights[i];
		load[ids[i]]++;
	}
	for (int i = 0; i < c->k; i++)
		weights[i] *= c->scale / (c->flags & DSK_ROUTE_NORMALISE ? fmax(sum, 6.1e-5) : 1);
}

enum data { SPREAD, EQUAL, PAIRS };

static void run(const struct device *d, const struct route_case *c, enum data data)
{
	int stride = c->experts + 1, same = 1, *order = malloc((size_t)c->experts * sizeof(int));
	size_t n = (size_t)(c->k * c->tokens), all = (size_t)(stride * c->tokens);
	float *logits = malloc(all * sizeof(float)), *bias = malloc((size_t)c->experts * sizeof(float)), *weights = malloc(n * sizeof(float));
	int *ids = malloc(n * sizeof(int)), *want_ids = malloc(n * sizeof(int));
	int *load = calloc((size_t)c->experts, sizeof(int)), *want_load = calloc((size_t)c->experts, sizeof(int));
	double *want = malloc(n * sizeof(double));
	struct dsk_route_params p = { .experts = c->experts, .top_k = c->k, .gate = c->gate, .flags = c->flags, .groups = c->groups,
				      .top_groups = c->top_groups, .logits_stride = stride, .scale = c->scale, .least_sum = 6.1e-5f };

	/* keys that rounding can't exchange: multiples of one step, shuffled; all equal; or equal in twos */
	for (int t = 0; t < c->tokens; t++) {
		for (int e = 0; e < c->experts; e++)
			order[e] = e;
		for (int e = c->experts - 1; e > 0; e--) {
			int j = random_int(0, e), swap = order[e];

			order[e] = order[j];
			order[j] = swap;
		}
		for (int e = 0; e < c->experts; e++)
			logits[t * stride + e] = data == EQUAL ? 0.5f : (float)(data == PAIRS ? order[e] / 2 : order[e]) * (6.0f / (float)c->experts) - 3;
		logits[t * stride + c->experts] = NAN;		/* between rows: nobody looks there */
	}
	for (int e = 0; e < c->experts; e++)
		bias[e] = data == SPREAD ? (float)random_int(-2, 2) * 0.25f : 0;
	load[0] = want_load[0] = 3;		/* added to */
	for (int t = 0; t < c->tokens; t++)
		reference(c, logits + t * stride, bias, want_ids + t * c->k, want + t * c->k, want_load);
	struct simt_launch l = { .grid = { (unsigned int)c->tokens, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(ids, n * 4), OUT(weights, n * 4), INOUT(load, (size_t)c->experts * 4), IN(logits, all * 4),
					 IN(bias, (size_t)c->experts * 4)) };

	if (ktest_launch(d, "dsk_route", &l, "%s: %d of %d", d->name, c->k, c->experts)) {
		for (size_t i = 0; i < n; i++)
			same &= ids[i] == want_ids[i];
		ktest_ok(same && !memcmp(load, want_load, (size_t)c->experts * 4), "%s: route %d of %d, gate %d, flags %d, %d of %d groups%s: ids and load",
			 d->name, c->k, c->experts, c->gate, c->flags, c->top_groups, c->groups,
			 data == EQUAL ? ", all equal" : data == PAIRS ? ", equal in twos" : "");
		ktest_close(weights, DSK_F32, want, n, 1e-12, 4e-6, "%s: weights", d->name);
	}
	free(order); free(logits); free(bias); free(weights); free(ids); free(want_ids); free(load); free(want_load); free(want);
}

/* Whatever the logits are, ids are distinct and in range: what follows uses them as indices. */
static void hostile(const struct device *d)
{
	float logits[40], weights[8];
	int ids[8], load[40] = { 0 }, good = 1, total = 0;
	struct dsk_route_params p = { .experts = 40, .top_k = 8, .gate = DSK_GATE_SIGMOID, .groups = 8, .top_groups = 3, .logits_stride = 40,
				      .scale = 1, .flags = DSK_ROUTE_NORMALISE, .least_sum = 6.1e-5f };

	for (int kind = 0; kind < 3; kind++) {
		for (int e = 0; e < 40; e++)
			logits[e] = kind == 0 ? NAN : kind == 1 ? (e & 1 ? INFINITY : -INFINITY) : (e % 3 ? NAN : -INFINITY);
		struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
					 BUFFERS(OUT(ids, 32), OUT(weights, 32), INOUT(load, 160), IN(logits, 160), NONE) };

		if (!ktest_launch(d, "dsk_route", &l, "%s: hostile logits", d->name))
			return;
		for (int i = 0; i < 8; i++) {
			good &= ids[i] >= 0 && ids[i] < 40;
			for (int j = 0; j < i; j++)
				good &= ids[i] != ids[j];
		}
	}
	for (int e = 0; e < 40; e++)
		total += load[e];
	ktest_ok(good && total == 24, "%s: NaN and infinite logits: ids are distinct and in range", d->name);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run(d, &cases[i], SPREAD);
		run(d, &cases[i], EQUAL);
		run(d, &cases[i], PAIRS);
	}
	hostile(d);
}

int main(void)
{
	return ktest_main(test);
}
