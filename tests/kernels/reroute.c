/* SPDX-License-Identifier: MIT */
/* Capacity with re-routing: exactly what going one after the other gives. */
#include "ktest.h"

static const struct reroute_case {
	int tokens, experts, top_k, choices, capacity, tries;
	enum { ANY, SKEWED, SAME, BAD_IDS } data;
} cases[] = {
	{ 1, 1, 1, 1, 1, 0, ANY },
	{ 1, 2, 1, 2, 0, 1, ANY },
	{ 7, 4, 2, 4, 3, 2, SAME },
	{ 100, 8, 2, 4, 26, 2, SKEWED },
	{ 100, 8, 2, 4, 26, 0, SKEWED },
	{ 257, 16, 1, 5, 17, 4, SKEWED },
	{ 130, 8, 3, 8, 40, 5, SAME },
	{ 60, 300, 4, 9, 1, 3, SKEWED },
	{ 90, 6, 2, 6, 28, 4, BAD_IDS },
};

/* Words of dsk_layout.h, in a loop each. Returns the pairs that have no expert at the end. */
static int reference(const struct reroute_case *c, const int *ids, const float *weights, int *out, float *out_weights, int *load)
{
	int dropped = 0;

	memset(load, 0, (size_t)c->experts * sizeof(int));
	for (int t = 0; t < c->tokens; t++)
		for (int j = 0; j < c->top_k; j++) {
			int e = ids[t * c->choices + j], room = e >= 0 && e < c->experts && load[e] < c->capacity;

			out[t * c->top_k + j] = room ? e : -1;
			out_weights[t * c->top_k + j] = room ? weights[t * c->choices + j] : 0;
			if (room)
				load[e]++;
		}
	for (int attempt = 0; attempt < c->tries; attempt++)
		for (int t = 0; t < c->tokens; t++) {
			int e = ids[t * c->choices + c->top_k + attempt], j = 0;

			while (j < c->top_k && out[t * c->top_k + j] >= 0)
				j++;
			if (j == c->top_k || e < 0 || e >= c->experts || load[e] >= c->capacity)
				continue;
			out[t * c->top_k + j] = e;
			out_weights[t * c->top_k + j] = weights[t * c->choices + c->top_k + attempt];
			load[e]++;
		}
	for (int i = 0; i < c->tokens * c->top_k; i++)
		dropped += out[i] < 0;
	return dropped;
}

static void run(const struct device *d, const struct reroute_case *c)
{
	size_t pairs = (size_t)(c->tokens * c->top_k), all = (size_t)(c->tokens * c->choices), experts = (size_t)c->experts;
	int *ids = malloc(all * 4), *out = malloc(pairs * 4), *want = malloc(pairs * 4), *load = malloc(experts * 4), *want_load = malloc(experts * 4);
	float *weights = random_typed(all, DSK_F32, 1), *out_weights = malloc(pairs * 4), *want_weights = malloc(pairs * 4);
	struct dsk_reroute_params p = { c->tokens, c->experts, c->top_k, c->choices, c->capacity, c->tries };
	int dropped, at_first = 0, distinct = 1;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(out, pairs * 4), OUT(out_weights, pairs * 4), OUT(load, experts * 4), IN(ids, all * 4),
					 IN(weights, all * 4)) };

	for (int t = 0; t < c->tokens; t++)
		for (int j = 0; j < c->choices; j++) {
			int *id = ids + t * c->choices + j, again;

			do {		/* distinct, as dsk_route's are */
				*id = c->data == SAME ? j : c->data == SKEWED && random_int(0, 2) && c->experts > 2 * c->choices ?
					random_int(0, c->choices) : random_int(0, c->experts - 1);
				again = 0;
				for (int i = 0; i < j; i++)
					again |= id[i - j] == *id;
			} while (again);
		}
	for (size_t i = 0; c->data == BAD_IDS && i < all; i += 3)
		ids[i] = i % 2 ? -1 - (int)i : i % 4 ? c->experts : 0x7fffffff;
	dropped = reference(c, ids, weights, want, want_weights, want_load);
	for (int t = 0; t < c->tokens; t++)
		for (int j = 0; j < c->top_k; j++) {
			at_first += want[t * c->top_k + j] != ids[t * c->choices + j];
			for (int i = 0; i < j; i++)
				distinct &= want[t * c->top_k + i] < 0 || want[t * c->top_k + i] != want[t * c->top_k + j];
		}
	if (ktest_launch(d, "dsk_reroute", &l, "%s: %d tokens", d->name, c->tokens))
		ktest_ok(!memcmp(out, want, pairs * 4) && !memcmp(out_weights, want_weights, pairs * 4) && !memcmp(load, want_load, experts * 4) && distinct,
			 "%s: %d x %d to %d experts of %d, %d tries%s: %d over capacity, %d of them stay without", d->name, c->tokens, c->top_k, c->experts,
			 c->capacity, c->tries, c->data == BAD_IDS ? ", bad ids" : "", at_first, dropped);
	free(ids); free(out); free(want); free(load); free(want_load); free(weights); free(out_weights); free(want_weights);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
}

int main(void)
{
	return ktest_main(test);
}
