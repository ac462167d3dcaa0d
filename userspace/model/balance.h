/* SPDX-License-Identifier: MIT */
/*
 * Load balance of experts without an auxiliary loss (Wang et al. 2024, "Auxiliary-loss-free load balancing strategy for
 * mixture-of-experts", algorithm 1; DeepSeek-V3, section 2.1.2): a bias for each expert is added to what tokens are routed by, never to
 * the weights of those selected, and moves up where an expert has less than its share of the load, down where it has more.
 *
 *	load_e	(token, choice) pairs that go to expert e
 *	spread	standard deviation of load over its mean: 0 is balanced, one expert of n for all tokens is sqrt(n - 1)
 *	step	bias_e += rate * sign(mean - load_e)
 *
 * The bias is the tensor exp_probs_b of a model's layer (dsk_model_router_bias()), t3 of DSEEK_OP_MOE_ROUTE, and bias of
 * dsk_route in kernels/. tests/kernels/balance.c holds all of it against those kernels.
 */
#ifndef DSEEK_BALANCE_H
#define DSEEK_BALANCE_H

#include <stdint.h>

#define DSK_BALANCE_MAX_EXPERTS	512

struct dsk_router {
	uint32_t experts, top_k;	/* top_k <= experts <= DSK_BALANCE_MAX_EXPERTS */
	uint32_t gate;			/* enum dseek_gate */
};

/*
 * Route @n tokens by @logits (rows of experts) and @bias (NULL: none): the @choices best experts of each to @ret_ids (rows of choices,
 * best first, of equals the lower; NULL: not wanted), the load of the first top_k to @ret_load (NULL: not wanted). choices >= top_k.
 * A logit that is no number comes last.
 */
void dsk_route_tokens(const struct dsk_router *r, const float *logits, uint32_t n, const float *bias, uint32_t choices,
		      int32_t *ret_ids, uint32_t *ret_load);

double dsk_load_spread(const uint32_t *load, uint32_t experts);	/* 0 if there is no load */

/* One step of the algorithm. */
void dsk_balance_step(float *bias, const uint32_t *load, uint32_t experts, float rate);

/*
 * Steps on the logits of a text, each with the load of all of it, by a rate that falls: step i moves by rate * decay^i in units of the
 * standard deviation of what is compared, so that no bias moves farther than rate / (1 - decay) of them. Kept is the bias with the
 * least spread seen; what the bias was at first counts among them, so it is never made worse.
 */
struct dsk_balance_params {
	uint32_t steps;		/* 0: 120 */
	float rate, decay;	/* 0: 0.25, 0.95; decay < 1 */
};

struct dsk_balance_result {
	double before, after;	/* spread */
	double moved;		/* the farthest that a bias went, in those standard deviations */
	uint32_t steps;		/* until the kept one */
};

/* @params may be NULL. 0; -EINVAL: no tokens, a router or parameters out of range; -EDOM: logits that are no numbers; -ENOMEM. */
int dsk_balance_fit(const struct dsk_router *r, const float *logits, uint32_t n, const struct dsk_balance_params *params,
		    float *bias, struct dsk_balance_result *ret_result);

/*
 * What experts that take at most @capacity pairs each do to routed tokens, one after the other (struct dsk_reroute_params in
 * kernels/dsk_layout.h): first each pair takes its expert if there is room, then in each of choices - top_k turns a token that lacks one
 * tries its next choice.
 */
struct dsk_capacity_result {
	uint64_t pairs, over;		/* over: those that found their expert full */
	uint64_t rerouted, dropped;	/* over = rerouted + dropped */
};

uint32_t dsk_capacity(uint32_t tokens, uint32_t top_k, uint32_t experts, double factor);	/* ceil(factor * tokens * top_k / experts) */

/* @ids as dsk_route_tokens() gives them, each in range. -ENOMEM. */
int dsk_capacity_apply(const struct dsk_router *r, const int32_t *ids, uint32_t n, uint32_t choices, uint32_t capacity,
		       struct dsk_capacity_result *ret_result);

#endif /* DSEEK_BALANCE_H */
