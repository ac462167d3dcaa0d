/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_MODEL_PRIV_H
#define DSEEK_MODEL_PRIV_H

#include "arch.h"
#include "model.h"
#include "precision.h"

#include <pthread.h>

struct gguf_tensor;

/* A weight: where it is in the file and where in the weights' buffer. */
struct dsk_place {
	const struct gguf_tensor *src;	/* NULL: the model has none */
	uint64_t offset;		/* in the buffer, 64-aligned */
	uint64_t bytes;			/* there */
	uint32_t dtype, layout;
	uint32_t ne[3];
	/* Matrix x is made of the file's rows from first_row + x * row_step on: as they are, or (turned) as its columns. */
	uint64_t first_row, row_step;
	bool turned;
};

struct dsk_model {
	struct gguf *gguf;
	const struct dsk_arch *arch;
	struct dsk_shape shape;
	struct dsk_place global[DSK_FIRST_OF_LAYER];
	struct dsk_place *layers;	/* n_layer rows of DSK_WEIGHT_COUNT - DSK_FIRST_OF_LAYER */
	uint64_t buffer_bytes;
	bool fp8;			/* weights_fp8.c: matrices of layers are */
	double fp8_bound;		/* AUTO: what that moves a row at most, of its norm; 0: not measured */
	uint64_t factors;		/* YaRN: where in the buffer ROPE's frequency factors are, F32 [rope_dims/2] */

	pthread_mutex_t lock;		/* of the three below */
	struct dseek_device *dev;	/* of @bo */
	struct dseek_bo *bo;		/* NULL: not loaded */
	int fd;				/* @bo exported, -1: not yet */
};

static inline const struct dsk_place *dsk_weight(const struct dsk_model *m, uint32_t layer, enum dsk_weight w)
{
	if (w < DSK_FIRST_OF_LAYER)
		return &m->global[w];
	return &m->layers[(size_t)layer * (DSK_WEIGHT_COUNT - DSK_FIRST_OF_LAYER) + w - DSK_FIRST_OF_LAYER];
}

/* Find and check the file's tensors, and give each its place. */
int dsk_weights_place(struct dsk_model *m, char *err, size_t err_size);

/* Layout and bytes, by its type and extents; a matrix is PACKED where it can be. False: it is larger than any buffer. */
bool dsk_place_form(struct dsk_place *p, bool matrix);
/* Offsets anew, of all that have a place, by their bytes. */
void dsk_weights_lay_out(struct dsk_model *m);

/*
 * What matrices of layers become, by the precision of @params: that of the file, or fp8. Before they are copied. -EINVAL: no such mode; -ENOTSUP: the
 * model has nothing to make fp8 of; -EDOM: AUTO, and there are infinities or NaNs.
 */
int dsk_weights_choose(struct dsk_model *m, const struct dsk_load_params *params, char *err, size_t err_size);

/* @rows rows of the file into place as fp8. */
int dsk_weights_copy_fp8(const struct dsk_place *p, const uint8_t *src, uint32_t rows, uint8_t *dst);

/* Bring them from the mapping to @base. */
int dsk_weights_copy(struct dsk_model *m, void *base, const struct dsk_load_params *params, char *err, size_t err_size);

/* The weights as a buffer of @dev: *ret_owned is false if it is the model's own, else to be destroyed. */
int dsk_model_weights(struct dsk_model *m, struct dseek_device *dev, struct dseek_bo **ret_bo, bool *ret_owned,
		      char *err, size_t err_size);

/* ---- programs (graph.c) */

enum dsk_binding { DSK_B_WEIGHTS, DSK_B_CACHE, DSK_B_WORK, DSK_B_INPUT, DSK_B_OUTPUT, DSK_B_TAP, DSK_BINDING_COUNT };

struct dsk_graph_params {
	struct dsk_kv kv;
	uint32_t tokens;	/* 1: the decode program; more: 1..tokens is a parameter */
	uint32_t rows;		/* tokens whose logits are made, 1..rows; 1 for decode */
	uint32_t n_expert_used;
	bool precise;
	bool tap;		/* prefill: keep what dsk_session_tap() tells */
};

/* The constants of a job, in this order; decode has the last only. */
enum dsk_const { DSK_C_TOKENS, DSK_C_ROWS, DSK_C_WINDOW, DSK_CONST_COUNT };

struct dsk_graph {
	void *blob;
	size_t size;
	uint64_t bytes[DSK_BINDING_COUNT];	/* of each binding */
	uint64_t tokens, positions, rows;	/* offsets in INPUT, int32 each; positions are the cache slots too */
	uint64_t logits, best;			/* offsets in OUTPUT: F32 [n_vocab, rows], I32 [rows] */
	uint32_t n_bindings;			/* DSK_B_TAP + 1 with a tap, else without it */
	uint64_t tap[DSK_TAP_COUNT];		/* offsets in TAP of layer 0 */
	uint64_t tap_stride;			/* from layer to layer */
};

int dsk_graph_build(const struct dsk_model *m, const struct dsk_graph_params *params, struct dsk_graph *ret_graph,
		    char *err, size_t err_size);

/* ---- what numbers are (formats.c) */

struct dsk_formats {
	enum dsk_precision mode;	/* that was asked for */
	enum dsk_precision activations;	/* FP32; INT8: for products with quantised weights; UNSET: that, or bf16 with fp8, where the engine does so */
	enum dsk_precision cache;
	double activations_bound, cache_bound;	/* AUTO: of what was measured */
};

/* @p is complete but for its precision. -EINVAL: no such mode; -ENOTSUP: the engine or the model can't; or the errors of a session. */
int dsk_formats_find(struct dsk_model *m, const struct dsk_session_params *p, struct dsk_formats *ret_formats, char *err, size_t err_size);

const void *dsk_session_binding(const struct dsk_session *s, enum dsk_binding binding);

#endif /* DSEEK_MODEL_PRIV_H */
