/* SPDX-License-Identifier: MIT */
/*
 * A dense model as a mixture of experts (after Zhang et al. 2022, "MoEfication: transformer feed-forward layers
 * are mixtures of experts"): the neurons of each feed-forward layer are divided among experts of equal size; a router
 * selects some for each token, each with weight 1. With all selected the sum is the dense layer's.
 *
 * Some text is run through the model (calibration). What neuron f gives for token t has the size
 * a[f,t] = |hidden[f,t]| * |down[:,f]|.
 *
 *	split	CONTIGUOUS: neurons as they lie. CLUSTERED: balanced k-means of the neurons' a[f,:], of length 1, so that neurons that
 *		are used together are together.
 *	router	ridge regression of y[e,t] = sqrt(sum over f in e of a[f,t]^2), the size of what an expert gives, on the layer's
 *		input: weights are ffn_gate_inp, the constant term is exp_probs_b, which only selects.
 *
 * The file is the dense one's with expert_count, expert_used_count, feed_forward_length (of one expert), expert_gating_func =
 * 64 (unit gates: DSK_GATING_UNIT in arch.h) and dseek.moefy, a sentence. Gate and up keep their element type, and down too where
 * the experts are whole blocks of it; else (a block's neurons part) down becomes F32, the same values.
 */
#ifndef DSEEK_MOEFY_H
#define DSEEK_MOEFY_H

#include <stddef.h>
#include <stdint.h>

struct dsk_model;
struct dseek_device;

enum dsk_split { DSK_SPLIT_CLUSTERED, DSK_SPLIT_CONTIGUOUS, DSK_SPLIT_COUNT };

struct dsk_moefy_params {
	struct dseek_device *dev;	/* to run the calibration on; NULL: that of the weights */
	uint32_t experts;		/* a divisor of the FFN's width, at most 64 */
	uint32_t used;			/* what the file says; 1..experts */
	enum dsk_split split;
	const int32_t *tokens;		/* calibration text */
	uint32_t n_tokens;		/* at least 64 */
	void (*progress)(void *arg, uint64_t done, uint64_t total);	/* layers; may be NULL */
	void *progress_arg;
};

/* @model: dense and loaded. 0, or -errno and one sentence; no file is left behind then. */
int dsk_moefy(struct dsk_model *model, const char *path, const struct dsk_moefy_params *params, char *err, size_t err_size);

#endif /* DSEEK_MOEFY_H */
