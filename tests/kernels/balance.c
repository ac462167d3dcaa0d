/* SPDX-License-Identifier: MIT */
/*
 * Balance of experts from end to end, on the kernels: a bias learned on some tokens (userspace/model/balance.h), then other tokens with the same
 * skew through dsk_route, whose own statistics say how experts are loaded, and through dsk_reroute. Ids, load and pairs over capacity are the
 * library's to the last one; spread: at least 0.42 without the bias, at most 0.15 with it.
 */
#include <dseek_program.h>

#include "../../userspace/model/balance.h"
#include "ktest.h"

#define TOKENS	1024

static const struct balance_case {
	struct dsk_router router;
	int gate;		/* enum dsk_gate */
	float skew;
} cases[] = {
	{ { 16, 4, DSEEK_GATE_SOFTMAX }, DSK_GATE_SOFTMAX, 3 },
	{ { 16, 4, DSEEK_GATE_SIGMOID }, DSK_GATE_SIGMOID, 3 },
	{ { 16, 2, DSEEK_GATE_UNIT }, DSK_GATE_UNIT, 2 },
};

static void draw(const struct balance_case *c, float *logits)
{
	for (int t = 0; t < TOKENS; t++)
		for (int e = 0; e < (int)c->router.experts; e++)
			logits[t * (int)c->router.experts + e] = c->skew * (float)(e * 7 % 16) / 16 + random_float(-2, 2);
}

/* One launch of each kernel with @bias, against the library; the spread that the kernel counted. */
static double spread(const struct device *d, const struct balance_case *c, const float *logits, const float *bias, const char *what)
{
	const struct dsk_router *r = &c->router;
	int choices = 2 * (int)r->top_k, capacity = (int)dsk_capacity(TOKENS, r->top_k, r->experts, 1), over = 0, dropped = 0;
	size_t pairs = TOKENS * r->top_k, all = TOKENS * (size_t)choices;
	int *ids = malloc(all * 4), *want = malloc(all * 4), *out = malloc(pairs * 4), load[512] = { 0 }, kept[512];
	float *weights = malloc(all * 4), *out_weights = malloc(pairs * 4);
	struct dsk_route_params p = { .experts = (int)r->experts, .top_k = choices, .gate = c->gate, .flags = DSK_ROUTE_BIAS, .groups = 1,
				      .top_groups = 1, .logits_stride = (int)r->experts, .scale = 1 };
	struct dsk_reroute_params q = { TOKENS, (int)r->experts, (int)r->top_k, choices, capacity, choices - (int)r->top_k };
	struct simt_launch route = { .grid = { TOKENS, 1, 1 }, LAUNCH_PARAMS(p),
				     BUFFERS(OUT(ids, all * 4), OUT(weights, all * 4), INOUT(load, r->experts * 4), IN(logits, TOKENS * r->experts * 4),
					     IN(bias, r->experts * 4)) };
	struct simt_launch reroute = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(q),
				       BUFFERS(OUT(out, pairs * 4), OUT(out_weights, pairs * 4), OUT(kept, r->experts * 4), IN(ids, all * 4),
					       IN(weights, all * 4)) };
	struct dsk_capacity_result capped;
	uint32_t first[512] = { 0 }, want_load[512];
	double got = -1;

	dsk_route_tokens(r, logits, TOKENS, bias, (uint32_t)choices, want, want_load);
	if (ktest_launch(d, "dsk_route", &route, "%s: %s", d->name, what) && ktest_launch(d, "dsk_reroute", &reroute, "%s: %s", d->name, what)) {
		for (int t = 0; t < TOKENS; t++)
			for (int j = 0; j < (int)r->top_k; j++) {
				int pair = t * (int)r->top_k + j;

				first[ids[t * choices + j]]++;
				over += out[pair] != ids[t * choices + j];
				dropped += out[pair] < 0;
			}
		got = dsk_load_spread(first, r->experts);
		ktest_ok(!memcmp(ids, want, all * 4) && !memcmp(first, want_load, r->experts * 4), "%s: %u of %u, %s: ids and load are the library's",
			 d->name, r->top_k, r->experts, what);
		ktest_ok(!dsk_capacity_apply(r, want, TOKENS, (uint32_t)choices, (uint32_t)capacity, &capped) &&
			 capped.over == (uint64_t)over && capped.dropped == (uint64_t)dropped,
			 "%s: %u of %u, %s: %d over a capacity of %d, %d dropped, as by the library", d->name, r->top_k, r->experts, what, over, capacity,
			 dropped);
	}
	free(ids); free(want); free(out); free(weights); free(out_weights);
	return got;
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct balance_case *c = &cases[i];
		float bias[16] = { 0 }, *logits = malloc(TOKENS * sizeof(bias));
		struct dsk_balance_result fit;
		double before, after;

		draw(c, logits);
		if (!ktest_ok(!dsk_balance_fit(&c->router, logits, TOKENS, NULL, bias, &fit), "%s: bias of %u of %u", d->name, c->router.top_k,
			      c->router.experts))
			return;
		draw(c, logits);
		before = spread(d, c, logits, (float[16]){ 0 }, "unbalanced");
		after = spread(d, c, logits, bias, "balanced");
		ktest_ok(before >= 0.42 && after >= 0 && after <= 0.15, "%s: %u of %u, gate %d: std/mean %.3f, balanced %.3f", d->name,
			 c->router.top_k, c->router.experts, c->gate, before, after);
		free(logits);
	}
}

int main(void)
{
	return ktest_main(test);
}
