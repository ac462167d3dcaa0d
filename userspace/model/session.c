// SPDX-License-Identifier: MIT
#include "model_priv.h"

#include <dseek.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct dsk_session {
	struct dsk_model *model;
	struct dseek_device *dev;
	struct dsk_session_params params;
	struct dseek_queue *queue;
	struct dseek_bo *bo[DSK_BINDING_COUNT];
	bool owns_weights;
	struct dsk_graph graph[2];	/* decode, prefill */
	struct dseek_program *program[2];
	struct dsk_kv kv;
	uint32_t slots;			/* of the smallest ring; n_ctx: there is none */
	uint32_t n_past, last_row;
	uint32_t reach;			/* behind the last position that was written since the context was empty */
	int last_graph;
	struct dseek_job_result last_job;
	struct dsk_formats formats;
	char precision[160];		/* in words */
	char error[256];
};

enum { DECODE, PREFILL };

static int fail(struct dsk_session *s, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct dsk_session *s, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->error, sizeof(s->error), fmt, ap);
	va_end(ap);
	return rc;
}

static int make_programs(struct dsk_session *s)
{
	const struct dsk_session_params *p = &s->params;
	int rc;

	for (int i = DECODE; i <= PREFILL; i++) {
		struct dsk_graph_params g = {
			.kv = s->kv, .n_expert_used = p->n_expert_used, .precise = s->formats.activations == DSK_PRECISION_FP32,
			.tap = p->tap && i == PREFILL, .tokens = i == DECODE ? 1 : p->chunk, .rows = i == DECODE ? 1 : p->logit_rows,
		};

		rc = dsk_graph_build(s->model, &g, &s->graph[i], s->error, sizeof(s->error));
		if (rc)
			return rc;
		rc = dseek_program_create(s->dev, s->graph[i].blob, s->graph[i].size, &s->program[i]);
		if (rc)
			return fail(s, rc, "the device refuses the model's program: %s", dseek_strerror_detail());
	}
	return 0;
}

static int make_buffers(struct dsk_session *s)
{
	static const char *const names[] = { "weights", "KV cache", "work space", "input", "output", "tap" };
	int rc;

	rc = dsk_model_weights(s->model, s->dev, &s->bo[DSK_B_WEIGHTS], &s->owns_weights, s->error, sizeof(s->error));
	if (rc)
		return rc;
	for (uint32_t i = DSK_B_WEIGHTS + 1; i < s->graph[PREFILL].n_bindings; i++) {
		uint64_t bytes = s->graph[DECODE].bytes[i] > s->graph[PREFILL].bytes[i] ? s->graph[DECODE].bytes[i]
											: s->graph[PREFILL].bytes[i];

		rc = dseek_bo_create(s->dev, bytes, bytes >= 1 << 22 ? DSEEK_BO_HUGE : 0, -1, &s->bo[i]);
		if (rc)
			return fail(s, rc, "no buffer of %llu bytes for the %s: %s", (unsigned long long)bytes, names[i],
				    dseek_strerror_detail());
	}
	return 0;
}

static int make_queue(struct dsk_session *s)
{
	struct dseek_queue_params q = {
		.sched_class = s->params.sched_class, .budget_ns = s->params.budget_ns, .period_ns = s->params.period_ns,
		.weight = s->params.weight ? s->params.weight : s->params.sched_class != DSEEK_CLASS_DEADLINE,
	};
	struct dseek_engine_info engine;
	int rc;

	rc = dseek_engine_find(s->dev, s->params.engine, &engine);
	if (rc)
		return fail(s, rc, "no engine: %s", dseek_strerror_detail());
	q.engine = engine.id;
	q.engines = s->params.engines;
	rc = dseek_queue_create(s->dev, &q, &s->queue);
	return rc ? fail(s, rc, "no queue on engine %s: %s", engine.name, dseek_strerror_detail()) : 0;
}

static int check_params(struct dsk_session *s)
{
	const struct dsk_shape *shape = &s->model->shape;
	struct dsk_session_params *p = &s->params;
	uint32_t k, v;

	if (!p->dev)
		p->dev = s->model->dev;
	s->dev = p->dev;
	if (!p->n_ctx)
		p->n_ctx = shape->n_ctx < 4096 ? shape->n_ctx : 4096;
	if (!p->chunk)
		p->chunk = 256;
	if (!p->logit_rows)
		p->logit_rows = 1;
	if (!p->n_expert_used)
		p->n_expert_used = shape->n_expert_used;
	if (!p->window_set)
		p->window = shape->window_period ? 0 : shape->window;
	if (!s->dev)
		return fail(s, -EINVAL, "the model is not loaded");
	if (p->n_ctx > 1u << 24)
		return fail(s, -EINVAL, "a context of %u tokens is above the limit of 2^24", p->n_ctx);
	if (p->chunk > 4096)
		return fail(s, -EINVAL, "a chunk of %u tokens is above the limit of 4096", p->chunk);
	if (p->chunk < 2)
		p->chunk = 2;	/* of one token there is the other program */
	if (p->logit_rows > p->chunk)
		return fail(s, -EINVAL, "%u rows of logits from a chunk of %u tokens", p->logit_rows, p->chunk);
	if (p->n_expert_used > shape->n_expert)
		return fail(s, -EINVAL, "%u experts selected, the model has %u", p->n_expert_used, shape->n_expert);
	if (shape->n_expert_group && p->n_expert_used > shape->n_expert / shape->n_expert_group * shape->n_group_used)
		return fail(s, -EINVAL, "%u experts selected, the %u groups that are looked at have %u", p->n_expert_used, shape->n_group_used,
			    shape->n_expert / shape->n_expert_group * shape->n_group_used);
	if (!p->kv_type_set)
		p->kv_type = DSEEK_F32;	/* till the precision is known: any of them will do as well */
	if (p->kv_type != DSEEK_F32 && p->kv_type != DSEEK_F16 && p->kv_type != DSEEK_BF16 && p->kv_type != DSEEK_Q8_0)
		return fail(s, -EINVAL, "a KV cache of %s; it may be F32, F16, BF16 or Q8_0",
			    dseek_dtype_name(p->kv_type) ? dseek_dtype_name(p->kv_type) : "an unknown type");
	dsk_kv_widths(shape, &k, &v);
	if (!dseek_row_bytes(p->kv_type, k) || !dseek_row_bytes(p->kv_type, v))
		return fail(s, -EINVAL, "a KV cache of Q8_0 for heads of %u and %u elements, which are not whole blocks of 32", k, v);
	if (p->window > INT32_MAX)
		return fail(s, -EINVAL, "a window of %u tokens is above the limit of 2^31-1", p->window);
	if (p->precision >= DSK_PRECISION_COUNT)
		return fail(s, -EINVAL, "precision %u is none of enum dsk_precision", p->precision);
	return 0;
}

static int find_formats(struct dsk_session *s)
{
	struct dsk_formats *f = &s->formats;
	int rc = dsk_formats_find(s->model, &s->params, f, s->error, sizeof(s->error));
	size_t n;

	if (rc || f->mode == DSK_PRECISION_UNSET)
		return rc;
	n = (size_t)snprintf(s->precision, sizeof(s->precision), "%s: %sactivations %s, KV cache %s", dsk_precision_name(f->mode),
			     s->model->fp8 ? "weights fp8, " : "",
			     f->activations == DSK_PRECISION_UNSET ? "as the engine does best" : dsk_precision_name(f->activations),
			     s->params.kv_type_set ? dseek_dtype_name(s->params.kv_type) : dsk_precision_name(f->cache));
	if (f->mode == DSK_PRECISION_AUTO)
		n += (size_t)snprintf(s->precision + n, sizeof(s->precision) - n, "; off by at most %.2g and %.2g of a row's norm",
				      f->activations_bound, f->cache_bound);
	if (f->mode == DSK_PRECISION_AUTO && s->model->fp8_bound > 0)
		snprintf(s->precision + n, sizeof(s->precision) - n, ", fp8 weights by %.2g", s->model->fp8_bound);
	return 0;
}

/* What its KV cache holds, by the precision where nothing else was said. */
static void place_kv(struct dsk_session *s)
{
	const struct dsk_shape *shape = &s->model->shape;
	const struct dsk_session_params *p = &s->params;
	uint32_t type = s->formats.cache == DSK_PRECISION_FP32 ? DSEEK_F32 :
			s->formats.cache == DSK_PRECISION_BF16 ? DSEEK_BF16 : DSEEK_F16;

	s->kv = (struct dsk_kv){
		.n_ctx = p->n_ctx, .run = p->chunk, .type = p->kv_type_set ? p->kv_type : type, .ring_type = type, .all = p->kv_all,
	};
	s->slots = p->n_ctx;
	for (uint32_t l = 0; l < shape->n_layer; l++) {
		uint32_t slots = dsk_kv_slots(shape, &s->kv, l);

		s->slots = slots < s->slots ? slots : s->slots;
	}
}

int dsk_session_create(struct dsk_model *model, const struct dsk_session_params *params,
		       struct dsk_session **ret_session, char *err, size_t err_size)
{
	struct dsk_session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	s->model = model;
	s->params = *params;
	rc = check_params(s);
	if (!rc)
		rc = find_formats(s);
	if (!rc) {
		place_kv(s);
		rc = make_programs(s);
	}
	if (!rc)
		rc = make_buffers(s);
	if (!rc)
		rc = make_queue(s);
	if (rc) {
		snprintf(err, err_size, "%s", s->error);
		dsk_session_destroy(s);
		return rc;
	}
	*ret_session = s;
	return 0;
}

void dsk_session_destroy(struct dsk_session *s)
{
	if (!s)
		return;
	if (s->queue)
		dseek_queue_destroy(s->queue);
	for (int i = 0; i < 2; i++) {
		if (s->program[i])
			dseek_program_destroy(s->program[i]);
		free(s->graph[i].blob);
	}
	for (int i = 0; i < DSK_BINDING_COUNT; i++)
		if (s->bo[i] && (i != DSK_B_WEIGHTS || s->owns_weights))
			dseek_bo_destroy(s->bo[i]);
	free(s);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* One job: @n tokens behind the context; the logits of the last @rows of them. */
static int run(struct dsk_session *s, const int32_t *tokens, uint32_t n, uint32_t rows)
{
	int which = n == 1 ? DECODE : PREFILL;
	const struct dsk_graph *g = &s->graph[which];
	uint8_t *in = dseek_bo_map(s->bo[DSK_B_INPUT]);
	int32_t *positions = (int32_t *)(in + g->positions), *wanted = (int32_t *)(in + g->rows);
	uint32_t consts[DSK_CONST_COUNT] = { n, rows, s->params.window };
	struct dseek_binding bindings[DSK_BINDING_COUNT];
	struct dseek_job job = {
		.program = s->program[which], .bindings = bindings, .binding_count = g->n_bindings,
		.consts = which == DECODE ? &consts[DSK_C_WINDOW] : consts,
		.const_size = which == DECODE ? sizeof(consts[0]) : sizeof(consts),
		.flags = DSEEK_JOB_IDEMPOTENT,	/* the same tokens go to the same slots again */
	};
	uint64_t seqno;
	int rc, error = 0;

	memcpy(in + g->tokens, tokens, n * sizeof(*tokens));
	for (uint32_t i = 0; i < n; i++)
		positions[i] = s->n_past + i;
	for (uint32_t i = 0; which == PREFILL && i < rows; i++)
		wanted[i] = n - rows + i;
	for (uint32_t i = 0; i < g->n_bindings; i++)
		bindings[i] = (struct dseek_binding){
			.bo = s->bo[i], .size = dseek_bo_size(s->bo[i]),
			.access = i == DSK_B_WEIGHTS || i == DSK_B_INPUT ? DSEEK_ACCESS_READ
									 : DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE,
		};
	if (s->reach < s->n_past + n)
		s->reach = s->n_past + n;
	if (which == DECODE && s->params.token_deadline_ns)
		job.deadline_ns = now_ns() + s->params.token_deadline_ns;

	rc = dseek_submit(s->queue, &job, 1, &seqno, &error);
	if (rc != 1)
		return fail(s, rc < 0 ? rc : error, "the job was refused: %s", dseek_strerror_detail());
	memset(&s->last_job, 0, sizeof(s->last_job));
	rc = dseek_wait(s->queue, seqno, UINT64_MAX, &s->last_job);
	if (rc)
		return fail(s, rc, "waiting for the job failed: %s", dseek_strerror_detail());
	if (s->last_job.error)
		return fail(s, s->last_job.error, "the job failed: %s%s%s%s", strerror(-s->last_job.error),
			    *dseek_strerror_detail() ? " (" : "", dseek_strerror_detail(), *dseek_strerror_detail() ? ")" : "");
	s->n_past += n;
	s->last_graph = which;
	s->last_row = rows - 1;
	return 0;
}

static int check_tokens(struct dsk_session *s, const int32_t *tokens, uint32_t n)
{
	if (!n)
		return fail(s, -EINVAL, "no tokens");
	for (uint32_t i = 0; i < n; i++)
		if (tokens[i] < 0 || (uint32_t)tokens[i] >= s->model->shape.n_vocab)
			return fail(s, -ERANGE, "token %u is %d, the vocabulary has %u", i, tokens[i],
				    s->model->shape.n_vocab);
	if (n > s->params.n_ctx - s->n_past)
		return fail(s, -ENOSPC, "the context of %u tokens is full: it holds %u, and %u more were given",
			    s->params.n_ctx, s->n_past, n);
	return 0;
}

static const float *row_logits(const struct dsk_session *s, uint32_t row)
{
	const uint8_t *out = dseek_bo_map(s->bo[DSK_B_OUTPUT]);

	return (const float *)(out + s->graph[s->last_graph].logits) + (uint64_t)row * s->model->shape.n_vocab;
}

/* A ring holds the last @slots of the positions written; a token behind @n_past others sees window - 1 of them. */
static bool rings_have(const struct dsk_session *s, uint32_t n_past)
{
	uint32_t window = s->model->shape.window, first = n_past > window - 1 ? n_past - (window - 1) : 0;

	return s->slots == s->params.n_ctx || !n_past || s->reach - first <= s->slots;
}

static void fall_back(struct dsk_session *s, uint32_t n_past)
{
	if (rings_have(s, n_past)) {
		s->n_past = n_past;
		return;
	}
	s->n_past = s->reach = 0;
}

int dsk_session_eval(struct dsk_session *s, const int32_t *tokens, uint32_t n)
{
	uint32_t before = s->n_past;
	int rc = check_tokens(s, tokens, n);

	while (!rc && n) {
		uint32_t now = n < s->params.chunk ? n : s->params.chunk;

		rc = run(s, tokens, now, 1);
		tokens += now;
		n -= now;
	}
	if (rc)
		fall_back(s, before);
	return rc;
}

int dsk_session_eval_all(struct dsk_session *s, const int32_t *tokens, uint32_t n,
			 int (*row)(void *arg, uint32_t token, const float *logits), void *arg)
{
	uint32_t before = s->n_past, done = 0;
	int rc = check_tokens(s, tokens, n);

	while (!rc && done < n) {
		uint32_t now = n - done < s->params.logit_rows ? n - done : s->params.logit_rows;

		rc = run(s, tokens + done, now, now);
		for (uint32_t i = 0; !rc && i < now; i++) {
			rc = row(arg, done + i, row_logits(s, i));
			if (rc)
				fail(s, rc, "stopped by the caller");
		}
		done += now;
	}
	if (rc)
		fall_back(s, before);
	return rc;
}

const char *dsk_session_error(const struct dsk_session *s)
{
	return s->error;
}

const float *dsk_session_logits(const struct dsk_session *s)
{
	return row_logits(s, s->last_row);
}

int32_t dsk_session_best(const struct dsk_session *s)
{
	const uint8_t *out = dseek_bo_map(s->bo[DSK_B_OUTPUT]);

	return ((const int32_t *)(out + s->graph[s->last_graph].best))[s->last_row];
}

const float *dsk_session_tap(const struct dsk_session *s, uint32_t layer, enum dsk_tap which)
{
	const struct dsk_graph *g = &s->graph[PREFILL];

	if (!s->bo[DSK_B_TAP] || s->last_graph != PREFILL || layer >= s->model->shape.n_layer || which >= DSK_TAP_COUNT)
		return NULL;
	if (which == DSK_TAP_ROUTER ? !dsk_weight(s->model, layer, DSK_ROUTER)->src : s->model->shape.n_expert)
		return NULL;
	return (const float *)((const uint8_t *)dseek_bo_map(s->bo[DSK_B_TAP]) + g->tap[which] + layer * g->tap_stride);
}

uint32_t dsk_session_n_past(const struct dsk_session *s)
{
	return s->n_past;
}

uint32_t dsk_session_n_ctx(const struct dsk_session *s)
{
	return s->params.n_ctx;
}

uint64_t dsk_session_kv_bytes(const struct dsk_session *s)
{
	return dseek_bo_size(s->bo[DSK_B_CACHE]);
}

int dsk_session_rewind(struct dsk_session *s, uint32_t n_past)
{
	if (n_past > s->n_past)
		return fail(s, -EINVAL, "the context holds %u tokens, not %u", s->n_past, n_past);
	if (!rings_have(s, n_past))
		return fail(s, -ENODATA, "the layers with a window of %u no longer have the tokens before the %u first: %u tokens were written since, to "
			    "rings of %u", s->model->shape.window, n_past, s->reach - n_past, s->slots);
	s->n_past = n_past;
	if (!n_past)
		s->reach = 0;
	return 0;
}

void dsk_session_set_window(struct dsk_session *s, uint32_t window)
{
	s->params.window = window < INT32_MAX ? window : INT32_MAX;
}

void dsk_session_set_deadline(struct dsk_session *s, uint64_t token_deadline_ns)
{
	s->params.token_deadline_ns = token_deadline_ns;
}

const char *dsk_session_precision(const struct dsk_session *s)
{
	return s->precision;
}

const void *dsk_session_binding(const struct dsk_session *s, enum dsk_binding binding)
{
	return dseek_bo_map(s->bo[binding]);
}

struct dsk_model *dsk_session_model(const struct dsk_session *s)
{
	return s->model;
}

const struct dseek_job_result *dsk_session_last_job(const struct dsk_session *s)
{
	return &s->last_job;
}

int dsk_session_stats(struct dsk_session *s, struct dseek_queue_stats *ret_stats)
{
	int rc = dseek_queue_stats(s->queue, ret_stats);

	return rc ? fail(s, rc, "no figures of the queue: %s", dseek_strerror_detail()) : 0;
}
