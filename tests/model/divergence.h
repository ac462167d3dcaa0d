/* SPDX-License-Identifier: MIT */
/* How far one engine's logits are from another's: Kullback-Leibler divergence, largest difference, the same best token. */
#ifndef TEST_DIVERGENCE_H
#define TEST_DIVERGENCE_H

#include <math.h>
#include <stdint.h>

struct divergence {
	const float *want;		/* [token][n_vocab] */
	uint32_t n_vocab, rows, agree;
	double worst;			/* difference of a logit */
	double kl, kl_most;		/* nats: sum over the rows, the largest of them */
};

/* For dsk_session_eval_all(). */
static inline int divergence_row(void *arg, uint32_t token, const float *logits)
{
	struct divergence *c = arg;
	const float *want = c->want + (uint64_t)token * c->n_vocab;
	uint32_t best_w = 0, best_l = 0;
	double sum_w = 0, sum_l = 0, kl = 0;

	for (uint32_t i = 0; i < c->n_vocab; i++) {
		double d = fabs(want[i] - logits[i]);

		if (!(d <= c->worst))
			c->worst = isnan(d) ? INFINITY : d;
		best_w = want[i] > want[best_w] ? i : best_w;
		best_l = logits[i] > logits[best_l] ? i : best_l;
	}
	for (uint32_t i = 0; i < c->n_vocab; i++) {
		sum_w += exp(want[i] - want[best_w]);
		sum_l += exp(logits[i] - logits[best_l]);
	}
	for (uint32_t i = 0; i < c->n_vocab; i++)
		kl += exp(want[i] - want[best_w]) / sum_w *
		      (want[i] - want[best_w] - log(sum_w) - (logits[i] - logits[best_l] - log(sum_l)));
	kl = isnan(kl) ? INFINITY : kl;
	c->kl += kl;
	c->kl_most = fmax(c->kl_most, kl);
	c->agree += best_w == best_l;
	c->rows++;
	return 0;
}

static inline double divergence_mean(const struct divergence *c)
{
	return c->rows ? c->kl / c->rows : INFINITY;
}

#endif /* TEST_DIVERGENCE_H */
