// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "sampler.h"

struct candidate {
	float logit;
	int32_t id;
};

struct sampler {
	struct sampler_params params;
	struct random random;
	uint32_t n_vocab;
	struct candidate *candidates;
	double *weights;
	int32_t *last;			/* ring of the last tokens */
	uint32_t n_last, next_last;
	bool *penalised;		/* scratch: already done in this step */
};

/*
 * e^x for x <= 0, relative error below 1e-15: x = n ln 2 + r, |r| <= (ln 2)/2, the Taylor series of
 * e^r to r^13. Only additions and multiplications, which this file's flags keep from being fused.
 */
static double exp_portable(double x)
{
	static const double inverse[] = {
		1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
		1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1,
	};
	double n, r, sum = 0;

	if (x < -700)
		return 0;
	n = (double)(long)(x * 1.4426950408889634 - 0.5);
	r = x - n * 0.693147180369123816490;	/* ln 2 in two parts (Cody and Waite 1980): this one's products are exact */
	r -= n * 1.90821492927058770002e-10;
	for (size_t i = 0; i < sizeof(inverse) / sizeof(inverse[0]); i++)
		sum = sum * r + inverse[i];
	return ldexp(sum, (int)n);
}

static bool larger(struct candidate a, struct candidate b)
{
	return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift_down(struct candidate *heap, size_t n, size_t i)
{
	struct candidate c = heap[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && larger(heap[child + 1], heap[child]))
			child++;
		if (!larger(heap[child], c))
			break;
		heap[i] = heap[child];
	}
	heap[i] = c;
}

static void penalise(struct sampler *s)
{
	for (uint32_t i = 0; i < s->n_last; i++) {
		struct candidate *c = &s->candidates[s->last[i]];

		if (s->penalised[s->last[i]])
			continue;
		s->penalised[s->last[i]] = true;
		c->logit = c->logit > 0 ? c->logit / s->params.repeat_penalty : c->logit * s->params.repeat_penalty;
	}
	for (uint32_t i = 0; i < s->n_last; i++)
		s->penalised[s->last[i]] = false;
}

/* Weights of all candidates relative to the largest logit; their sum. */
static double weigh(struct sampler *s, size_t n, float max)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		s->weights[i] = exp_portable(((double)s->candidates[i].logit - max) / s->params.temperature);
		sum += s->weights[i];
	}
	return sum;
}

/*
 * The largest candidates in order, moved to the end of the array from its last element down; how
 * many. Only as many as are needed leave the heap, so that a large vocabulary isn't sorted.
 */
static size_t select_top(struct sampler *s, size_t n, float max)
{
	const struct sampler_params *p = &s->params;
	size_t limit = p->top_k && p->top_k < n ? p->top_k : n, taken = 0;
	struct candidate *c = s->candidates;
	double total = 0, sum = 0;

	for (size_t i = n / 2; i-- > 0; )
		sift_down(c, n, i);
	if (limit == n && p->top_p < 1)
		total = weigh(s, n, max);
	while (taken < limit) {
		struct candidate top = c[0];

		n--;
		c[0] = c[n];
		c[n] = top;
		if (n)
			sift_down(c, n, 0);
		s->weights[n] = exp_portable(((double)top.logit - max) / p->temperature);
		taken++;
		sum += s->weights[n];
		if (total > 0 && sum >= p->top_p * total)
			break;
	}
	if (limit < s->n_vocab && p->top_p < 1 &&
	    total == 0) {	/* top-p among the top k: their sum is known only now */
		double kept = 0;
		size_t end = n + taken;

		for (taken = 0; taken < limit && kept < p->top_p * sum; taken++)
			kept += s->weights[end - 1 - taken];
	}
	return taken;
}

static int32_t draw(struct sampler *s, size_t first, size_t n, bool downwards)
{
	double sum = 0, at;

	for (size_t i = 0; i < n; i++)
		sum += s->weights[downwards ? first - i : first + i];
	at = random_unit(&s->random) * sum;
	for (size_t i = 0; i < n; i++) {
		size_t j = downwards ? first - i : first + i;

		at -= s->weights[j];
		if (at < 0)
			return s->candidates[j].id;
	}
	for (size_t i = n; i-- > 0; ) {	/* rounding: the last that has a weight */
		size_t j = downwards ? first - i : first + i;

		if (s->weights[j] > 0)
			return s->candidates[j].id;
	}
	return s->candidates[first].id;
}

int sampler_next(struct sampler *s, const float *logits, int32_t *ret_id)
{
	const struct sampler_params *p = &s->params;
	struct candidate best = { -INFINITY, -1 };
	size_t n = s->n_vocab, kept;

	for (uint32_t i = 0; i < s->n_vocab; i++) {
		if (isnan(logits[i]) || logits[i] == INFINITY)
			return -EDOM;
		s->candidates[i] = (struct candidate){ logits[i], (int32_t)i };
	}
	if (p->repeat_penalty != 1)
		penalise(s);
	for (size_t i = 0; i < n; i++)
		if (s->candidates[i].logit > best.logit)
			best = s->candidates[i];
	if (best.id < 0 || best.logit == INFINITY)	/* a penalty below 1 can overflow */
		return -EDOM;
	if (p->temperature == 0) {
		*ret_id = best.id;
		return 0;
	}
	if (!p->top_k && p->top_p == 1 && p->min_p == 0) {
		weigh(s, n, best.logit);
		*ret_id = draw(s, 0, n, false);
		return 0;
	}
	kept = select_top(s, n, best.logit);
	while (kept > 1 && s->weights[n - kept] < p->min_p)	/* the first one's weight is 1 */
		kept--;
	*ret_id = draw(s, n - 1, kept, true);
	return 0;
}

void sampler_accept(struct sampler *s, int32_t id)
{
	if (!s->params.repeat_last || id < 0 || (uint32_t)id >= s->n_vocab)
		return;
	s->last[s->next_last] = id;
	s->next_last = (s->next_last + 1) % s->params.repeat_last;
	if (s->n_last < s->params.repeat_last)
		s->n_last++;
}

static const char *check(const struct sampler_params *p)
{
	if (!(p->temperature >= 0 && p->temperature <= 1000))
		return "the temperature is not between 0 and 1000";
	if (p->temperature > 0 && p->temperature < 1e-3f)
		return "the temperature is below 0.001; 0 means greedy";
	if (!(p->top_p > 0 && p->top_p <= 1))
		return "top-p is not above 0 and up to 1";
	if (!(p->min_p >= 0 && p->min_p <= 1))
		return "min-p is not between 0 and 1";
	if (!(p->repeat_penalty > 0 && p->repeat_penalty <= 1000))
		return "the repetition penalty is not above 0 and up to 1000";
	if (p->repeat_last > 1 << 20)
		return "the repetition penalty looks back more than 1048576 tokens";
	return NULL;
}

int sampler_create(const struct sampler_params *params, uint32_t n_vocab,
		   struct sampler **ret_sampler, char *err, size_t err_size)
{
	const char *wrong = n_vocab ? check(params) : "the vocabulary is empty";
	struct sampler *s;

	if (wrong) {
		snprintf(err, err_size, "%s", wrong);
		return -EINVAL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		goto no_memory;
	s->params = *params;
	s->n_vocab = n_vocab;
	s->candidates = malloc(n_vocab * sizeof(*s->candidates));
	s->weights = malloc(n_vocab * sizeof(*s->weights));
	s->penalised = calloc(n_vocab, sizeof(*s->penalised));
	s->last = malloc((params->repeat_last + 1) * sizeof(*s->last));
	if (!s->candidates || !s->weights || !s->penalised || !s->last)
		goto no_memory;
	random_seed(&s->random, params->seed);
	*ret_sampler = s;
	return 0;
no_memory:
	sampler_destroy(s);
	snprintf(err, err_size, "no memory");
	return -ENOMEM;
}

void sampler_destroy(struct sampler *s)
{
	if (!s)
		return;
	free(s->candidates);
	free(s->weights);
	free(s->penalised);
	free(s->last);
	free(s);
}
