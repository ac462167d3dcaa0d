// SPDX-License-Identifier: MIT
/* The oracle of all ops (op.h). Semantics and sources of the formulas: dseek_program.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "op.h"
#include "watch.h"

/* Between rows: 0, or -ETIMEDOUT. */
static int look(const struct cpu_op *op)
{
	return cpu_watch_look(op->watch);
}

static float *f32_at(const struct cpu_tensor *t, uint64_t i1, uint64_t i2)
{
	return cpu_at(t, i1, i2, 0);
}

/* Row @row of matrix @matrix of a weight, as float32. */
static void weight_row(const struct cpu_tensor *w, uint64_t matrix, uint64_t row, void *bytes, float *dst)
{
	const uint8_t *m = w->data + matrix * w->stride[2];

	if (w->layout == DSEEK_LAYOUT_PACKED) {
		dseek_tensor_row(w->dtype, w->layout, w->ne[0], row, m, bytes);
		dseek_row_to_f32(w->dtype, bytes, w->ne[0], dst);
	} else {
		dseek_row_to_f32(w->dtype, m + row * w->stride[1], w->ne[0], dst);
	}
}

static double dot(const float *a, const float *b, uint64_t n)
{
	double sum = 0;
	uint64_t i;

	for (i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static double activate(uint32_t act, double v)
{
	switch (act) {
	case DSEEK_ACT_SILU:
		return v / (1 + exp(-v));
	case DSEEK_ACT_GELU_TANH:
		return 0.5 * v * (1 + tanh(0.79788456080286535588 * (v + 0.044715 * v * v * v)));
	default:
		return v > 0 ? v : 0;
	}
}

static double glu(uint32_t act, double gate, double up)
{
	if (act != DSEEK_ACT_SWIGLU_CLAMPED)
		return activate(act, gate) * up;
	gate = gate > DSEEK_SWIGLU_LIMIT ? DSEEK_SWIGLU_LIMIT : gate;
	up = up > DSEEK_SWIGLU_LIMIT ? DSEEK_SWIGLU_LIMIT : up < -DSEEK_SWIGLU_LIMIT ? -DSEEK_SWIGLU_LIMIT : up;
	return gate / (1 + exp(-DSEEK_SWIGLU_ALPHA * gate)) * (up + 1);
}

static int ref_spin(const struct cpu_op *op)
{
	struct timespec start, now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		if (look(op))
			return -ETIMEDOUT;
		clock_gettime(CLOCK_MONOTONIC, &now);
		ns = (now.tv_sec - start.tv_sec) * 1000000000ll + now.tv_nsec - start.tv_nsec;
	} while (ns < op->i[0] * 1000ll);
	return 0;
}

static int ref_copy(const struct cpu_op *op)
{
	const struct cpu_tensor *src = op->t, *dst = op->t + 1;
	uint64_t r, n = cpu_rows(src);
	float *row = malloc((src->ne[0] + 1) * sizeof(*row));
	int ret = row ? 0 : -ENOMEM;

	for (r = 0; r < n && !ret; r++) {
		ret = look(op);
		dseek_row_to_f32(src->dtype, cpu_row(src, r), src->ne[0], row);
		dseek_row_from_f32(dst->dtype, row, src->ne[0], cpu_row(dst, r));
	}
	free(row);
	return ret;
}

static int ref_embed(const struct cpu_op *op)
{
	const struct cpu_tensor *ids = op->t, *table = op->t + 1, *out = op->t + 2;
	void *bytes = malloc(dseek_row_bytes(table->dtype, table->ne[0]) + 1);
	uint32_t t, e;
	int ret = bytes ? 0 : -ENOMEM;

	for (t = 0; t < ids->ne[0] && !ret; t++) {
		int32_t id = cpu_index(ids, t);
		float *row = f32_at(out, t, 0);

		if (id < 0 || (uint32_t)id >= table->ne[1]) {
			ret = -ERANGE;
			break;
		}
		weight_row(table, 0, id, bytes, row);
		for (e = 0; e < table->ne[0] && op->f[0]; e++)
			row[e] *= op->f[0];
		ret = look(op);
	}
	free(bytes);
	return ret;
}

static int ref_rmsnorm(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *w = op->t + 1, *out = op->t + 2;
	uint64_t r, n = cpu_rows(x), e;

	for (r = 0; r < n; r++) {
		const float *src = cpu_row(x, r);
		float *dst = cpu_row(out, r);
		double scale = 1 / sqrt(dot(src, src, x->ne[0]) / x->ne[0] + op->f[0]);

		if (look(op))
			return -ETIMEDOUT;
		for (e = 0; e < x->ne[0]; e++)
			dst[e] = src[e] * scale * (w->data ? ((float *)w->data)[e] : 1);
	}
	return 0;
}

static int ref_linear(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t;
	float *row = malloc((x->ne[0] + 1) * sizeof(*row));
	void *bytes = malloc((x->ne[0] + 256) * sizeof(*row));
	int ret = row && bytes ? 0 : -ENOMEM;
	uint32_t j, n, t;

	for (j = 0; j < 3; j++) {
		const struct cpu_tensor *w = op->t + 1 + j, *out = op->t + 4 + j, *bias = op->t + 7 + j;

		for (n = 0; w->data && n < w->ne[1] && !ret; n++) {
			weight_row(w, 0, n, bytes, row);
			for (t = 0; t < x->ne[1] && !ret; t++) {
				double v = dot(row, f32_at(x, t, 0), x->ne[0]);

				ret = look(op);
				if (bias->data)
					v += ((float *)bias->data)[n];
				if (op->flags & DSEEK_OPF_ACCUMULATE)
					v += f32_at(out, t, 0)[n];
				f32_at(out, t, 0)[n] = v;
			}
		}
	}
	free(row);
	free(bytes);
	return ret;
}

static int ref_head_linear(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *w = op->t + 1, *out = op->t + 2;
	float *row = malloc((x->ne[0] + 1) * sizeof(*row));
	void *bytes = malloc((x->ne[0] + 256) * sizeof(*row));
	int ret = row && bytes ? 0 : -ENOMEM;
	uint32_t h, n, t;

	for (h = 0; h < x->ne[1] && !ret; h++) {
		for (n = 0; n < w->ne[1] && !ret; n++) {
			weight_row(w, h, n, bytes, row);
			for (t = 0; t < x->ne[2] && !ret; t++) {
				f32_at(out, h, t)[n] = dot(row, f32_at(x, h, t), x->ne[0]);
				ret = look(op);
			}
		}
	}
	free(row);
	free(bytes);
	return ret;
}

static int ref_glu(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *gate = op->t + 1, *up = op->t + 2, *out = op->t + 3;
	float *g = malloc((x->ne[0] + 1) * sizeof(*g)), *u = malloc((x->ne[0] + 1) * sizeof(*u));
	void *bytes = malloc((x->ne[0] + 256) * sizeof(float));
	uint32_t n, t;
	int ret = g && u && bytes ? 0 : -ENOMEM;

	for (n = 0; n < gate->ne[1] && !ret; n++) {
		weight_row(gate, 0, n, bytes, g);
		weight_row(up, 0, n, bytes, u);
		for (t = 0; t < x->ne[1] && !ret; t++) {
			f32_at(out, t, 0)[n] = glu(op->i[0], dot(g, f32_at(x, t, 0), x->ne[0]), dot(u, f32_at(x, t, 0), x->ne[0]));
			ret = look(op);
		}
	}
	free(g);
	free(u);
	free(bytes);
	return ret;
}

static int ref_rope(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *pos = op->t + 1, *factors = op->t + 2;
	double magnitude = op->f[2] ? op->f[2] : 1;
	uint32_t n = op->i[0], t, h, p;

	for (t = 0; t < x->ne[2]; t++) {
		double position = cpu_index(pos, t);

		if (look(op))
			return -ETIMEDOUT;
		for (p = 0; p < n / 2; p++) {
			double theta = position * op->f[1] * pow(op->f[0], -2.0 * p / n), c, s;
			uint32_t a = op->i[1] == DSEEK_ROPE_NEOX ? p : 2 * p;
			uint32_t b = op->i[1] == DSEEK_ROPE_NEOX ? p + n / 2 : 2 * p + 1;

			if (factors->data)
				theta /= ((float *)factors->data)[p];
			c = magnitude * cos(theta);
			s = magnitude * sin(theta);
			for (h = 0; h < x->ne[1]; h++) {
				float *v = f32_at(x, h, t), va = v[a], vb = v[b];

				v[a] = va * c - vb * s;
				v[b] = va * s + vb * c;
			}
		}
	}
	return 0;
}

static int ref_kv_store(const struct cpu_op *op)
{
	const struct cpu_tensor *slots = op->t + 4;
	uint32_t t, h, n;

	for (t = 0; t < slots->ne[0]; t++) {
		int32_t slot = cpu_index(slots, t);

		if (look(op))
			return -ETIMEDOUT;
		if (slot < 0 || (uint32_t)slot >= cpu_positions(op, op->t + 2))
			return -ERANGE;
		if (op->flags & DSEEK_OPF_RING)
			slot %= op->t[2].ne[2];
		for (n = 0; n < 2 && op->t[n].data; n++) {
			const struct cpu_tensor *src = op->t + n, *cache = op->t + 2 + n;

			for (h = 0; h < src->ne[1]; h++)
				dseek_row_from_f32(cache->dtype, f32_at(src, h, t), src->ne[0],
						   cpu_at(cache, h, slot, 0));
		}
	}
	return 0;
}

/* One query head of one token: softmax(scale q K^T) V over the positions [first, last]. */
static void ref_attend(const struct cpu_op *op, const float *q, uint32_t head, int32_t first, int32_t last,
		       double *logits, float *row, float *out)
{
	const struct cpu_tensor *k = op->t + 1, *v = op->t + 2, *sinks = op->t + 5;
	uint32_t kv_head = head / (op->t[0].ne[1] / k->ne[1]), d;
	double max = sinks->data ? ((float *)sinks->data)[head] : -INFINITY, sum;
	double *acc = logits + (last - first + 1);
	uint32_t slots = op->flags & DSEEK_OPF_RING ? k->ne[2] : UINT32_MAX;
	int32_t s;

	for (s = first; s <= last; s++) {
		double l;

		dseek_row_to_f32(k->dtype, cpu_at(k, kv_head, s % slots, 0), k->ne[0], row);
		l = dot(q, row, k->ne[0]) * op->f[0];
		if (op->f[1])
			l = op->f[1] * tanh(l / op->f[1]);
		logits[s - first] = l;
		max = fmax(max, l);
	}
	sum = sinks->data ? exp(((float *)sinks->data)[head] - max) : 0;
	memset(acc, 0, v->ne[0] * sizeof(*acc));
	for (s = first; s <= last; s++) {
		double p = exp(logits[s - first] - max);

		sum += p;
		dseek_row_to_f32(v->dtype, cpu_at(v, kv_head, s % slots, 0), v->ne[0], row);
		for (d = 0; d < v->ne[0]; d++)
			acc[d] += p * row[d];
	}
	for (d = 0; d < v->ne[0]; d++)
		out[d] = acc[d] / sum;
}

static int ref_attention(const struct cpu_op *op)
{
	const struct cpu_tensor *q = op->t, *k = op->t + 1, *v = op->t + 2, *out = op->t + 4;
	double *logits = malloc(((uint64_t)k->ne[2] + v->ne[0]) * sizeof(*logits));
	float *row = malloc((k->ne[0] + v->ne[0]) * sizeof(*row));
	uint32_t t, h, window = op->i[0];
	int ret = logits && row ? 0 : -ENOMEM;

	for (t = 0; t < q->ne[2] && !ret; t++) {
		int32_t pos = cpu_index(op->t + 3, t);
		int32_t first = 0;

		if (pos < 0 || (uint32_t)pos >= cpu_positions(op, k) || (uint32_t)pos >= cpu_positions(op, v)) {
			ret = -ERANGE;
			break;
		}
		if (window && (uint32_t)pos >= window)
			first = pos - window + 1;
		for (h = 0; h < q->ne[1] && !ret; h++) {
			ref_attend(op, f32_at(q, h, t), h, first, pos, logits, row, f32_at(out, h, t));
			ret = look(op);
		}
	}
	free(logits);
	free(row);
	return ret;
}

/* What experts are selected by; UNIT: the logits themselves. */
static void gate_probabilities(uint32_t gate, const float *logits, uint32_t n, double *p)
{
	double max = -INFINITY, sum = 0;
	uint32_t e;

	if (gate == DSEEK_GATE_UNIT) {
		for (e = 0; e < n; e++)
			p[e] = logits[e];
		return;
	}
	for (e = 0; e < n; e++)
		max = fmax(max, logits[e]);
	for (e = 0; e < n; e++) {
		p[e] = gate == DSEEK_GATE_SIGMOID ? 1 / (1 + exp(-(double)logits[e])) : exp(logits[e] - max);
		sum += p[e];
	}
	for (e = 0; e < n && gate == DSEEK_GATE_SOFTMAX; e++)
		p[e] /= sum;
}

/* What experts are compared by: probability plus bias; NaN counts as the least. */
static void selection_keys(const double *p, const float *bias, uint32_t n, double *key)
{
	uint32_t e;

	for (e = 0; e < n; e++) {
		key[e] = p[e] + (bias ? bias[e] : 0);
		if (isnan(key[e]))
			key[e] = -INFINITY;
	}
}

/* The largest of those not yet @taken, the first of equals. */
static uint32_t best_left(const double *key, const bool *taken, uint32_t n)
{
	uint32_t e, best = n;

	for (e = 0; e < n; e++)
		if (!taken[e] && (best == n || key[e] > key[best]))
			best = e;
	return best;
}

/* Experts outside the best @kept of @groups count as taken. @score and @out have @groups elements. */
static void leave_groups(const double *key, uint32_t n, uint32_t groups, uint32_t kept, double *score, bool *out, bool *taken)
{
	uint32_t size = n / groups, g, e;

	for (g = 0; g < groups; g++) {
		double best = -INFINITY, second = -INFINITY;

		for (e = g * size; e < (g + 1) * size; e++) {
			second = fmax(second, fmin(best, key[e]));
			best = fmax(best, key[e]);
		}
		score[g] = size > 1 ? best + second : best;
	}
	memset(out, 0, groups);
	while (kept--)
		out[best_left(score, out, groups)] = true;
	for (e = 0; e < n; e++)
		taken[e] = !out[e / size];
}

static int ref_moe_route(const struct cpu_op *op)
{
	const struct cpu_tensor *logits = op->t, *ids = op->t + 1, *weights = op->t + 2;
	uint32_t n = logits->ne[0], k = op->i[0], groups = op->i[2], t, j;
	double *p = malloc((2ul * n + groups + 1) * sizeof(*p)), *key = p + n;
	bool *taken = malloc(n + groups + 1ul);
	int ret = p && taken ? 0 : -ENOMEM;

	for (t = 0; t < logits->ne[1] && !ret; t++) {
		int32_t *id = cpu_at(ids, t, 0, 0);
		float *w = f32_at(weights, t, 0);
		double sum = 0, factor = op->f[0] ? op->f[0] : 1;

		gate_probabilities(op->i[1], f32_at(logits, t, 0), n, p);
		selection_keys(p, (float *)op->t[3].data, n, key);
		memset(taken, 0, n);
		if (groups)
			leave_groups(key, n, groups, op->i[3], key + n, taken + n, taken);
		for (j = 0; j < k; j++) {
			uint32_t e = best_left(key, taken, n);

			taken[e] = true;
			id[j] = e;
			w[j] = op->i[1] == DSEEK_GATE_UNIT ? 1 : p[e];
			sum += w[j];
		}
		if (op->flags & DSEEK_OPF_NORMALISE)
			factor /= fmax(sum, op->f[1]);
		for (j = 0; j < k; j++)
			w[j] *= factor;
		ret = look(op);
	}
	free(p);
	free(taken);
	return ret;
}

static void ref_expert(const struct cpu_op *op, uint32_t expert, const float *x, float weight, float *h, float *row,
		       void *bytes, double *out)
{
	const struct cpu_tensor *gate = op->t + 3, *up = op->t + 4, *down = op->t + 5;
	const struct cpu_tensor *gate_bias = op->t + 8, *up_bias = op->t + 9, *down_bias = op->t + 10;
	uint32_t n;

	for (n = 0; n < gate->ne[1]; n++) {
		double g, u;

		weight_row(gate, expert, n, bytes, row);
		g = dot(row, x, gate->ne[0]) + (gate_bias->data ? f32_at(gate_bias, expert, 0)[n] : 0);
		weight_row(up, expert, n, bytes, row);
		u = dot(row, x, up->ne[0]) + (up_bias->data ? f32_at(up_bias, expert, 0)[n] : 0);
		h[n] = glu(op->i[0], g, u);
	}
	for (n = 0; n < down->ne[1]; n++) {
		weight_row(down, expert, n, bytes, row);
		out[n] += weight * (dot(row, h, down->ne[0]) + (down_bias->data ? f32_at(down_bias, expert, 0)[n] : 0));
	}
}

static int ref_moe_ffn(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *ids = op->t + 1, *weights = op->t + 2, *down = op->t + 5, *out = op->t + 6;
	uint64_t longest = (x->ne[0] > down->ne[0] ? x->ne[0] : down->ne[0]) + 256;
	float *row = malloc(longest * sizeof(*row));
	void *bytes = malloc(longest * sizeof(*row));
	double *acc = malloc(down->ne[1] * sizeof(*acc));
	int ret = row && bytes && acc ? 0 : -ENOMEM;
	uint32_t t, j, n;

	for (t = 0; t < x->ne[1] && !ret; t++) {
		memset(acc, 0, down->ne[1] * sizeof(*acc));
		for (j = 0; j < ids->ne[0] && !ret; j++) {
			int32_t e = *(const volatile int32_t *)((uint8_t *)cpu_at(ids, t, 0, 0) + j * 4ul);

			if (e < 0 || (uint32_t)e >= down->ne[2])
				ret = -ERANGE;
			else if (look(op))
				ret = -ETIMEDOUT;
			else
				ref_expert(op, e, f32_at(x, t, 0), f32_at(weights, t, 0)[j],
					   f32_at(op->t + 7, j, t), row, bytes, acc);
		}
		for (n = 0; n < down->ne[1] && !ret; n++)
			f32_at(out, t, 0)[n] = acc[n];
	}
	free(row);
	free(bytes);
	free(acc);
	return ret;
}

static int ref_binary(const struct cpu_op *op)
{
	uint64_t r, n = cpu_rows(op->t), e;

	for (r = 0; r < n; r++) {
		const float *a = cpu_row(op->t, r), *b = cpu_row(op->t + 1, r);
		float *out = cpu_row(op->t + 2, r);

		if (look(op))
			return -ETIMEDOUT;
		for (e = 0; e < op->t[0].ne[0]; e++)
			out[e] = op->code == DSEEK_OP_ADD ? a[e] + b[e] : a[e] * b[e];
	}
	return 0;
}

static int ref_rows(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *rows = op->t + 1, *out = op->t + 2;
	uint32_t r;

	for (r = 0; r < rows->ne[0]; r++) {
		int32_t row = cpu_index(rows, r);

		if (look(op))
			return -ETIMEDOUT;
		if (row < 0 || (uint32_t)row >= x->ne[1])
			return -ERANGE;
		memmove(cpu_at(out, r, 0, 0), cpu_at(x, row, 0, 0), x->ne[0] * sizeof(float));
	}
	return 0;
}

static int ref_argmax(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *out = op->t + 1;
	uint32_t t, e;

	for (t = 0; t < x->ne[1]; t++) {
		const float *v = f32_at(x, t, 0);
		uint32_t best = 0;

		if (look(op))
			return -ETIMEDOUT;
		for (e = 1; e < x->ne[0]; e++)
			if (v[e] > v[best] || (isnan(v[best]) && !isnan(v[e])))
				best = e;
		*(int32_t *)(out->data + t * out->stride[0]) = best;
	}
	return 0;
}

static int ref_latent_attention(const struct cpu_op *op)
{
	struct cpu_op part;
	int i, ret = 0;

	for (i = 0; i < CPU_LATENT_PARTS && !ret; i++) {
		cpu_latent_part(op, i, &part);
		ret = cpu_op_ref(&part);
	}
	return ret;
}

static int ref_nop(const struct cpu_op *op)
{
	return 0;
}

static int (*const ops[DSEEK_OP_COUNT])(const struct cpu_op *op) = {
	[DSEEK_OP_NOP] = ref_nop,
	[DSEEK_OP_SPIN] = ref_spin,
	[DSEEK_OP_COPY] = ref_copy,
	[DSEEK_OP_EMBED] = ref_embed,
	[DSEEK_OP_RMSNORM] = ref_rmsnorm,
	[DSEEK_OP_LINEAR] = ref_linear,
	[DSEEK_OP_GLU] = ref_glu,
	[DSEEK_OP_ROPE] = ref_rope,
	[DSEEK_OP_KV_STORE] = ref_kv_store,
	[DSEEK_OP_ATTENTION] = ref_attention,
	[DSEEK_OP_MOE_ROUTE] = ref_moe_route,
	[DSEEK_OP_MOE_FFN] = ref_moe_ffn,
	[DSEEK_OP_ADD] = ref_binary,
	[DSEEK_OP_MUL] = ref_binary,
	[DSEEK_OP_ROWS] = ref_rows,
	[DSEEK_OP_ARGMAX] = ref_argmax,
	[DSEEK_OP_HEAD_LINEAR] = ref_head_linear,
	[DSEEK_OP_LATENT_ATTENTION] = ref_latent_attention,
};

int cpu_op_ref(const struct cpu_op *op)
{
	return op->code < DSEEK_OP_COUNT ? ops[op->code](op) : -EINVAL;
}
