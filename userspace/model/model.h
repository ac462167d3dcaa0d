/* SPDX-License-Identifier: MIT */
/*
 * A language model on a dseek device.
 *
 *	dsk_model_open("m.gguf")		architecture, shapes, tokenizer: the file is checked, nothing loaded
 *	dsk_model_load(model, dev)		weights into one buffer, in the layout the engines want
 *	dsk_session_create(model, params)	one tenant's context: its queue, KV cache, two programs
 *	dsk_session_eval(session, tokens)	the model's answer to some tokens: prefill in chunks, or decode
 *	dsk_generate(session, ...)		prompt in, tokens out, one callback a token (generate.h)
 *
 * A model may have any number of sessions, on any devices of one transport: the weights are shared by export and import. A session
 * is used by one thread at a time. Functions return 0 or -errno; with @err they write one sentence there.
 */
#ifndef DSEEK_MODEL_H
#define DSEEK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dseek_device;
struct dseek_bo;
struct dseek_queue_stats;
struct dseek_job_result;
struct gguf;
struct tokenizer;

struct dsk_model;
struct dsk_session;

/* What the file says of the model; lengths are elements. */
struct dsk_shape {
	char arch[32], name[64];
	uint32_t n_layer, n_vocab, n_ctx;	/* n_ctx: it was trained for */
	uint32_t n_embd, n_head, n_head_kv, head_k, head_v;
	uint32_t n_ff, n_ff_expert;		/* 0: no layer is dense; no layer has experts */
	uint32_t n_expert, n_expert_used;	/* 0: dense */
	uint32_t expert_gate;			/* enum dseek_gate */
	bool expert_norm;			/* selected weights are divided by their sum */
	float expert_scale;
	uint32_t n_expert_group, n_group_used;	/* experts are selected within the best groups; 0: no groups */
	uint32_t n_ff_shared;			/* of the experts that every token goes to, together; 0: none */
	uint32_t n_dense;			/* leading layers that have no experts, where architectures say so by a key */
	uint32_t q_rank, kv_rank;		/* latent attention: of the queries, 0: full; of keys and values, 0: it isn't latent */
	float attn_scale;			/* of the logits */
	uint32_t rope_dims, rope_mode;		/* enum dseek_rope */
	float rope_base, rope_scale, rope_magnitude;
	float yarn_factor, yarn_trained;	/* YaRN: context longer by, from; factor 0: none */
	float yarn_fast, yarn_slow;		/* turns in it above which a dimension stays, below which it slows by the whole factor */
	float norm_eps;
	uint32_t window;			/* sliding window, 0: none */
	uint32_t window_period;			/* every so many layers the last one is without it; 0: all have it */
	uint64_t n_params, weight_bytes;	/* of the tensors used; bytes as in the file */
};

int dsk_model_open(const char *path, struct dsk_model **ret_model, char *err, size_t err_size);
void dsk_model_close(struct dsk_model *model);	/* after its sessions; NULL is fine */

uint32_t dsk_layer_window(const struct dsk_shape *shape, uint32_t layer);	/* 0: none */

const struct dsk_shape *dsk_model_shape(const struct dsk_model *model);
const struct gguf *dsk_model_gguf(const struct dsk_model *model);

/*
 * What a KV cache has room for. A layer with a window of its own (window_period) keeps a ring of window - 1 + @run tokens: what
 * a job of @run tokens may see and store. All others keep @n_ctx.
 */
struct dsk_kv {
	uint32_t n_ctx, run;
	uint32_t type, ring_type;	/* enum dseek_dtype: F32, F16, BF16, Q8_0 (heads of multiples of 32); of rings */
	bool all;			/* no rings: every layer keeps @n_ctx */
};

uint32_t dsk_kv_slots(const struct dsk_shape *shape, const struct dsk_kv *kv, uint32_t layer);	/* below @n_ctx: a ring */
/* Elements of a KV head's row of keys, and of one of values; in latent attention these are the first of those. */
void dsk_kv_widths(const struct dsk_shape *shape, uint32_t *ret_k, uint32_t *ret_v);
uint64_t dsk_kv_bytes(const struct dsk_shape *shape, const struct dsk_kv *kv);			/* of all layers */

struct dsk_load_params {
	unsigned int threads;	/* that read and pack; 0: the CPUs allowed */
	int numa_node;		/* of the buffer, -1: any */
	void (*progress)(void *arg, uint64_t done, uint64_t total);	/* bytes of the file; from the calling thread; may be NULL */
	void *progress_arg;
	uint32_t precision;	/* enum dsk_precision; FP8, or AUTO where its tolerance allows that: matrices of layers become 8-bit floats */
				/* (DSEEK_F8_E4M3) where the file has 16 bits or more. 0: DSEEK_PRECISION_MODE */
	double tolerance;	/* AUTO: of a row's norm, 0: DSK_PRECISION_TOLERANCE, which no fp8 keeps */
};

/*
 * Once, before the first session. @dev must outlive the model. @params may be NULL. -EALREADY: loaded before; -EINVAL: no such precision;
 * -ENOTSUP: FP8, and no layer has weights to make that of; -EDOM: AUTO, and weights are infinities or NaNs; the errors of dseek_bo_create().
 */
int dsk_model_load(struct dsk_model *model, struct dseek_device *dev, const struct dsk_load_params *params,
		   char *err, size_t err_size);

uint64_t dsk_model_bytes(const struct dsk_model *model);	/* of the weights' buffer, as loaded or to be loaded */

/*
 * The selection bias of a layer's router in the loaded weights, n_expert floats (balance.h): NULL if the model isn't loaded or the layer has
 * none. To be changed while no job of the model runs; all its sessions see the change.
 */
float *dsk_model_router_bias(struct dsk_model *model, uint32_t layer);

struct dsk_session_params {
	struct dseek_device *dev;	/* NULL: that of the weights; must outlive the session */
	const char *engine;		/* NULL: the first that is attached */
	uint64_t engines;		/* those that may run its jobs, as in struct dseek_queue_params; 0: only @engine */
	uint32_t sched_class;		/* enum dseek_class */
	uint32_t weight;		/* interactive and batch; 0: 1 */
	uint64_t budget_ns, period_ns;	/* deadline */
	uint64_t token_deadline_ns;	/* each decode job is due so long after it is submitted, 0: no deadline; changeable */
	uint32_t n_ctx;			/* tokens of the context; 0: the model's, at most 4096 */
	uint32_t chunk;			/* tokens of one prefill job, 1..4096; 0: 256 */
	uint32_t logit_rows;		/* tokens of one job whose logits may be asked for; 0: 1 */
	uint32_t n_expert_used;		/* 0: what the file says */
	bool precise;			/* activations and KV cache stay float32: precision FP32 */
	uint32_t precision;		/* enum dsk_precision of precision.h; 0: DSEEK_PRECISION_MODE, without it FP32 if precise, else */
					/* activations as the engine does best, KV cache fp16 */
	double tolerance;		/* AUTO: of a row's norm, 0: DSK_PRECISION_TOLERANCE */
	bool tap;			/* prefill jobs keep activations, see dsk_session_tap() */
	/*
	 * Of the KV cache, where no ring bounds it (struct dsk_kv): F32, F16, BF16 or Q8_0. Q8_0 rounds keys and values to one part in 127 of the
	 * largest of 32, for 53 % of F16's memory.
	 */
	bool kv_type_set;		/* @kv_type holds; else what the precision says */
	uint32_t kv_type;
	bool kv_all;			/* no rings */
	/*
	 * Sliding window, 0: none; also changeable from run to run. In a model with window_period it is that of the layers that
	 * have none of their own.
	 */
	bool window_set;		/* @window holds; else the file's */
	uint32_t window;
};

int dsk_session_create(struct dsk_model *model, const struct dsk_session_params *params,
		       struct dsk_session **ret_session, char *err, size_t err_size);
void dsk_session_destroy(struct dsk_session *session);	/* NULL is fine */

/* One sentence on the last failure of a function below. */
const char *dsk_session_error(const struct dsk_session *session);

/*
 * Append @tokens to the context and run them: one token is a decode job, more are prefill jobs of at most a chunk, so that others
 * get their turn between them. Afterwards dsk_session_logits() are those of the last token. On failure the context is as
 * before; where rings no longer have that, it is empty (dsk_session_n_past()). -ERANGE: a token outside the vocabulary; -ENOSPC: the context is full; else the error of the job.
 */
int dsk_session_eval(struct dsk_session *session, const int32_t *tokens, uint32_t n);

/* The same, with the logits of each token in turn; what @row returns other than 0 ends the run and is returned. */
int dsk_session_eval_all(struct dsk_session *session, const int32_t *tokens, uint32_t n,
			 int (*row)(void *arg, uint32_t token, const float *logits), void *arg);

const float *dsk_session_logits(const struct dsk_session *session);	/* n_vocab; valid until the next run */
int32_t dsk_session_best(const struct dsk_session *session);		/* the largest of them, found by the engine */

uint32_t dsk_session_n_past(const struct dsk_session *session);		/* tokens in the context */
uint32_t dsk_session_n_ctx(const struct dsk_session *session);
uint64_t dsk_session_kv_bytes(const struct dsk_session *session);	/* of its KV cache's buffer */
/* Forget all but the first. -EINVAL: it has fewer; -ENODATA: rings no longer have what the next token would see. */
int dsk_session_rewind(struct dsk_session *session, uint32_t n_past);
void dsk_session_set_window(struct dsk_session *session, uint32_t window);	/* a parameter of the jobs: no new program */

void dsk_session_set_deadline(struct dsk_session *session, uint64_t token_deadline_ns);	/* of decode jobs from now on */
enum dsk_tap { DSK_TAP_INPUT, DSK_TAP_HIDDEN, DSK_TAP_ROUTER, DSK_TAP_COUNT };

/*
 * Of the last prefill job. In a dense model, of a layer's FFN: INPUT, what goes into it (n_embd x tokens), HIDDEN, act(gate x) * (up x)
 * (n_ff x tokens). In a model with experts: ROUTER, the logits of a layer's router, without bias (n_expert x tokens). NULL if the layer
 * has no such thing, the session has no tap, or the last job was decode.
 */
const float *dsk_session_tap(const struct dsk_session *session, uint32_t layer, enum dsk_tap which);

/* One line: the mode, what activations and the KV cache are, and with AUTO the bounds it went by. "" if no mode was asked for. */
const char *dsk_session_precision(const struct dsk_session *session);

struct dsk_model *dsk_session_model(const struct dsk_session *session);
const struct dseek_job_result *dsk_session_last_job(const struct dsk_session *session);	/* times, preemptions */
int dsk_session_stats(struct dsk_session *session, struct dseek_queue_stats *ret_stats);

#endif /* DSEEK_MODEL_H */
