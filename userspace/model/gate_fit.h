/* SPDX-License-Identifier: MIT */
/*
 * Weights of the gate that selects blocks of keys (kernels/dsk_layout.h, "attn_gate.c"; Gao et al. 2024, "SeerAttention"), learned from dense
 * attention: they are to say, from means of queries and of keys, which blocks dense attention looks at (section 3.2 of the paper, distillation).
 *
 *	a_i = Wq mean(queries of block i)	b_j = Wk mean(keys of block j)		s_ij = scale * a_i.b_j
 *	p_ij = exp(s_ij) / sum over j' <= last_i of exp(s_ij')
 *	loss = mean over i of sum over j of t_ij ln(t_ij / p_ij)
 *
 * t_i, which sums to 1, is the share of dense attention's weights that queries of block i give the blocks of keys: their mean (the paper
 * takes the largest of a block, which counts a query that finds nothing, and looks anywhere, as much as those that do).
 */
#ifndef DSEEK_GATE_FIT_H
#define DSEEK_GATE_FIT_H

#include <stdint.h>

struct gate_shape {
	uint32_t d, g;		/* elements of a query or key, of a and b; 1..256 */
	float scale;
};

/* One sequence by one head. */
struct gate_sequence {
	uint32_t key_blocks, query_blocks;
	const float *keys;	/* means, [key_blocks][d] */
	const float *queries;	/* means, [query_blocks][d] */
	const uint32_t *visible;	/* [query_blocks]: blocks of keys, the first so many, at least 1 */
	const float *targets;	/* t, [query_blocks][key_blocks] */
};

/* The same random matrix for both, [g][d]: a gate that goes by the likeness of means, untrained. */
void gate_init(const struct gate_shape *shape, uint64_t seed, float *ret_wq, float *ret_wk);

/*
 * The same matrix for both, L^-1 of S = L L^T, S the second moments of the sequences' means of keys and @ridge times their mean on the
 * diagonal: a.b = mean_q S^-1 mean_k, in which what all blocks have in common, frequent words first, counts for little. Only for g = d.
 * -EINVAL, -ENOMEM.
 */
int gate_whiten(const struct gate_shape *shape, const struct gate_sequence *sequences, uint32_t n, double ridge, float *ret_wq, float *ret_wk);

/* The loss over all blocks of queries; *ret_dq, *ret_dk (NULL: not wanted) are its gradients, [g][d]. -ENOMEM, -EINVAL. */
int gate_loss(const struct gate_shape *shape, const float *wq, const float *wk, const struct gate_sequence *sequences, uint32_t n,
	      double *ret_loss, double *ret_dq, double *ret_dk);

/*
 * Adam (Kingma and Ba 2015) from the weights given, so many steps of all @sequences each; kept are the weights, those at first among them, that
 * have the least loss on sequences of other text: a gate has more weights than a text has blocks. Deterministic. -ENOMEM, -EINVAL.
 */
struct gate_fit {
	const struct gate_sequence *sequences, *others;
	uint32_t n, n_others;
	uint32_t steps;
	float rate;
};

struct gate_fit_result {
	double before, after;	/* loss on the others, the scale of the gate fitted already */
	double learned;		/* on what was learned from, with the weights kept */
	uint32_t steps;		/* until those */
};

int gate_fit(const struct gate_shape *shape, const struct gate_fit *fit, float *wq, float *wk, struct gate_fit_result *ret_result);

/*
 * What dsk_gate_select does: of @visible blocks those seen always, the first @sinks and the last @diagonal, and the @top_k best of the rest
 * by likeness of @query and @keys (of equals the earlier). @ret_selected [visible], at most GATE_MAX_BLOCKS. Returns how many are skipped.
 */
#define GATE_MAX_BLOCKS	4096
uint32_t gate_select(const struct gate_shape *shape, const float *wq, const float *wk, const float *query, const float *keys,
		     uint32_t visible, uint32_t sinks, uint32_t diagonal, uint32_t top_k, uint8_t *ret_selected);

#endif /* DSEEK_GATE_FIT_H */
