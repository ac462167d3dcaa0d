// SPDX-License-Identifier: MIT
#include "gate_fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "random.h"

#define MAX_G	256

/* out [rows][g] = W x of each row. */
static void project(const struct gate_shape *s, const float *w, const float *x, uint32_t rows, float *ret_out)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t i = 0; i < s->g; i++)
			ret_out[r * s->g + i] = dot(w + (size_t)i * s->d, x + (size_t)r * s->d, s->d);
}

void gate_init(const struct gate_shape *shape, uint64_t seed, float *ret_wq, float *ret_wk)
{
	struct random random;

	random_seed(&random, seed);
	for (uint32_t i = 0; i < shape->g * shape->d; i++)
		ret_wq[i] = (2 * random_unit(&random) - 1) * sqrt(3.0 / shape->g);	/* lengths stay what they are, on average */
	memcpy(ret_wk, ret_wq, (size_t)shape->g * shape->d * sizeof(*ret_wk));
}

int gate_whiten(const struct gate_shape *shape, const struct gate_sequence *sequences, uint32_t n, double ridge, float *ret_wq, float *ret_wk)
{
	uint32_t d = shape->d;
	double *s = calloc((size_t)d * d, sizeof(*s)), trace = 0, count = 0;
	int rc = !d || shape->g != d || !n || !(ridge > 0) ? -EINVAL : s ? 0 : -ENOMEM;

	for (uint32_t k = 0; !rc && k < n; k++)
		for (uint32_t j = 0; j < sequences[k].key_blocks; j++, count++) {
			const float *x = sequences[k].keys + (size_t)j * d;

			for (uint32_t r = 0; r < d; r++)
				for (uint32_t c = 0; c <= r; c++)
					s[r * d + c] += (double)x[r] * x[c];
		}
	for (uint32_t r = 0; !rc && r < d; r++)
		trace += s[r * d + r];
	if (!rc && !(trace > 0))
		rc = -EINVAL;
	for (uint32_t r = 0; !rc && r < d; r++)
		s[r * d + r] += ridge * trace / d;
	/* L in place; then rows of its inverse, scaled so that lengths stay of the size that they were */
	for (uint32_t j = 0; !rc && j < d; j++)
		for (uint32_t i = j; i < d; i++) {
			for (uint32_t m = 0; m < j; m++)
				s[i * d + j] -= s[i * d + m] * s[j * d + m];
			s[i * d + j] = i == j ? sqrt(s[j * d + j]) : s[i * d + j] / s[j * d + j];
		}
	for (uint32_t c = 0; !rc && c < d; c++) {
		double column[256] = {};

		for (uint32_t r = c; r < d; r++) {
			double v = r == c;

			for (uint32_t m = c; m < r; m++)
				v -= s[r * d + m] * column[m];
			column[r] = v / s[r * d + r];
		}
		for (uint32_t r = 0; r < d; r++)
			ret_wq[(size_t)r * d + c] = ret_wk[(size_t)r * d + c] = column[r] * sqrt(trace / d);
	}
	free(s);
	return rc;
}

/* grad [g][d] += delta [rows][g] (outer) x [rows][d] */
static void outer(const struct gate_shape *s, const float *delta, const float *x, uint32_t rows, double *grad)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t i = 0; i < s->g; i++) {
			double by = delta[r * s->g + i];
			double *to = grad + (size_t)i * s->d;
			const float *from = x + (size_t)r * s->d;

			for (uint32_t c = 0; c < s->d; c++)
				to[c] += by * from[c];
		}
}

struct scratch {
	float *a, *b, *da, *db;		/* [blocks][g] */
	double *p;			/* [key_blocks] */
};

/* Of one sequence, its sum; each block of queries counts @weight in the gradients. */
static double sequence_loss(const struct gate_shape *s, const float *wq, const float *wk, const struct gate_sequence *q, double weight,
			    struct scratch *m, double *dq, double *dk)
{
	double loss = 0;

	project(s, wq, q->queries, q->query_blocks, m->a);
	project(s, wk, q->keys, q->key_blocks, m->b);
	memset(m->da, 0, (size_t)q->query_blocks * s->g * sizeof(float));
	memset(m->db, 0, (size_t)q->key_blocks * s->g * sizeof(float));
	for (uint32_t i = 0; i < q->query_blocks; i++) {
		const float *a = m->a + i * s->g, *t = q->targets + (size_t)i * q->key_blocks;
		float *da = m->da + i * s->g;
		double top = -INFINITY, sum = 0;

		for (uint32_t j = 0; j < q->visible[i]; j++) {
			m->p[j] = s->scale * dot(a, m->b + j * s->g, s->g);
			top = fmax(top, m->p[j]);
		}
		for (uint32_t j = 0; j < q->visible[i]; j++)
			sum += exp(m->p[j] - top);
		for (uint32_t j = 0; j < q->visible[i]; j++) {
			double log_p = m->p[j] - top - log(sum);
			float ds = weight * s->scale * (exp(log_p) - t[j]);	/* of scale * a.b */

			if (t[j] > 0)
				loss += t[j] * (log(t[j]) - log_p);
			for (uint32_t c = 0; dq && c < s->g; c++) {
				da[c] += ds * m->b[j * s->g + c];
				m->db[j * s->g + c] += ds * a[c];
			}
		}
	}
	if (dq) {
		outer(s, m->da, q->queries, q->query_blocks, dq);
		outer(s, m->db, q->keys, q->key_blocks, dk);
	}
	return loss;
}

static int check(const struct gate_shape *s, const struct gate_sequence *sequences, uint32_t n, uint32_t *ret_most, uint32_t *ret_blocks)
{
	if (!s->d || s->d > 256 || !s->g || s->g > MAX_G || !isfinite(s->scale) || !n)
		return -EINVAL;
	*ret_most = *ret_blocks = 0;
	for (uint32_t k = 0; k < n; k++) {
		const struct gate_sequence *q = &sequences[k];

		for (uint32_t i = 0; i < q->query_blocks; i++)
			if (!q->visible[i] || q->visible[i] > q->key_blocks)
				return -EINVAL;
		*ret_most = *ret_most > q->key_blocks ? *ret_most : q->key_blocks;
		*ret_most = *ret_most > q->query_blocks ? *ret_most : q->query_blocks;
		*ret_blocks += q->query_blocks;
	}
	return *ret_blocks ? 0 : -EINVAL;
}

int gate_loss(const struct gate_shape *shape, const float *wq, const float *wk, const struct gate_sequence *sequences, uint32_t n,
	      double *ret_loss, double *ret_dq, double *ret_dk)
{
	size_t weights = (size_t)shape->g * shape->d;
	uint32_t most, blocks;
	struct scratch m;
	double loss = 0;
	int rc = check(shape, sequences, n, &most, &blocks);

	if (rc || !ret_dq != !ret_dk)
		return -EINVAL;
	m.a = malloc((size_t)4 * most * shape->g * sizeof(float));
	m.p = malloc(most * sizeof(double));
	if (!m.a || !m.p) {
		free(m.a);
		free(m.p);
		return -ENOMEM;
	}
	m.b = m.a + most * shape->g;
	m.da = m.b + most * shape->g;
	m.db = m.da + most * shape->g;
	if (ret_dq) {
		memset(ret_dq, 0, weights * sizeof(*ret_dq));
		memset(ret_dk, 0, weights * sizeof(*ret_dk));
	}
	for (uint32_t k = 0; k < n; k++)
		loss += sequence_loss(shape, wq, wk, &sequences[k], 1.0 / blocks, &m, ret_dq, ret_dk);
	*ret_loss = loss / blocks;
	free(m.a);
	free(m.p);
	return 0;
}

struct moments {
	double *gradient, *mean, *square;
};

static void adam(const struct moments *m, size_t n, uint32_t step, double rate, float *w)
{
	const double b1 = 0.9, b2 = 0.999;

	for (size_t i = 0; i < n; i++) {
		m->mean[i] = b1 * m->mean[i] + (1 - b1) * m->gradient[i];
		m->square[i] = b2 * m->square[i] + (1 - b2) * m->gradient[i] * m->gradient[i];
		w[i] -= rate * (m->mean[i] / (1 - pow(b1, step))) / (sqrt(m->square[i] / (1 - pow(b2, step))) + 1e-8);
	}
}

static void times(float *w, size_t n, double factor)
{
	for (size_t i = 0; i < n; i++)
		w[i] *= factor;
}

/*
 * How sharp the gate is, the one thing that doesn't change what it selects, before anything else: or steps would be kept that make it sharper
 * and worse.
 */
static int calibrate(const struct gate_shape *shape, const struct gate_fit *fit, float *wq, float *wk)
{
	size_t n = (size_t)shape->g * shape->d;
	double loss, least = INFINITY, best = 1;
	int rc = 0;

	times(wq, n, 0x1p-10);
	for (int half = -20; !rc && half <= 20; half++) {
		rc = gate_loss(shape, wq, wk, fit->sequences, fit->n, &loss, NULL, NULL);
		if (!rc && loss < least) {
			least = loss;
			best = exp2(0.5 * half);
		}
		times(wq, n, M_SQRT2);
	}
	times(wq, n, exp2(-10.5));	/* what it was */
	times(wq, n, sqrt(best));
	times(wk, n, sqrt(best));
	return rc;
}

int gate_fit(const struct gate_shape *shape, const struct gate_fit *fit, float *wq, float *wk, struct gate_fit_result *ret_result)
{
	size_t n = (size_t)shape->g * shape->d, bytes = n * sizeof(float);
	double *all = calloc(6 * n, sizeof(*all)), loss;
	float *best = malloc(2 * bytes);
	struct moments q = { all, all + n, all + 2 * n }, k = { all + 3 * n, all + 4 * n, all + 5 * n };
	struct gate_fit_result result = {};
	int rc = all && best ? calibrate(shape, fit, wq, wk) : -ENOMEM;

	for (uint32_t step = 0; !rc && step <= fit->steps; step++) {
		double rate = fit->rate * 0.5 * (1 + cos(M_PI * step / (fit->steps + 1)));

		rc = gate_loss(shape, wq, wk, fit->others, fit->n_others, &loss, NULL, NULL);
		if (!rc && !step)
			result.before = loss;
		if (!rc && (!step || loss < result.after)) {
			result.after = loss;
			result.steps = step;
			memcpy(best, wq, bytes);
			memcpy(best + n, wk, bytes);
		}
		if (!rc)
			rc = gate_loss(shape, wq, wk, fit->sequences, fit->n, &loss, q.gradient, k.gradient);
		if (!rc && result.steps == step)
			result.learned = loss;
		if (!rc) {
			adam(&q, n, step + 1, rate, wq);
			adam(&k, n, step + 1, rate, wk);
		}
	}
	if (!rc) {
		memcpy(wq, best, bytes);
		memcpy(wk, best + n, bytes);
		*ret_result = result;
	}
	free(all);
	free(best);
	return rc;
}

uint32_t gate_select(const struct gate_shape *shape, const float *wq, const float *wk, const float *query, const float *keys,
		     uint32_t visible, uint32_t sinks, uint32_t diagonal, uint32_t top_k, uint8_t *ret_selected)
{
	float a[MAX_G], b[MAX_G], s[GATE_MAX_BLOCKS];
	uint32_t own = diagonal < visible ? visible - diagonal : 0, skipped = 0;

	project(shape, wq, query, 1, a);
	for (uint32_t j = 0; j < visible; j++) {
		project(shape, wk, keys + (size_t)j * shape->d, 1, b);
		s[j] = shape->scale * dot(a, b, shape->g);
		ret_selected[j] = j < sinks || j >= own;
	}
	for (uint32_t k = 0; k < top_k; k++) {
		uint32_t best = visible;

		for (uint32_t j = 0; j < visible; j++)
			if (!ret_selected[j] && (best == visible || s[j] > s[best]))
				best = j;
		if (best == visible)
			break;
		ret_selected[best] = 1;
	}
	for (uint32_t j = 0; j < visible; j++)
		skipped += !ret_selected[j];
	return skipped;
}
