/* SPDX-License-Identifier: MIT */
#include "attn_ref.h"

static void *random_rows(size_t n, int type)
{
	signed char *p;

	if (type != DSK_I8)
		return random_typed(n, type, 1);
	p = malloc(n);
	for (size_t i = 0; i < n; i++)
		p[i] = (signed char)random_int(-127, 127);
	return p;
}

static float *random_scales(size_t n)
{
	float *p = malloc(n * sizeof(*p));

	for (size_t i = 0; i < n; i++)
		p[i] = random_float(0.5f, 1) / 127;
	return p;
}

/* Tokens of @page from @from on are nobody's: all ones, which is a NaN. */
static void spoil(struct attn_cache *c, int page, int from)
{
	size_t row = ((size_t)page * DSK_PAGE + (size_t)from) * (size_t)c->p.kv_heads, n = (size_t)((DSK_PAGE - from) * c->p.kv_heads);
	size_t size = type_size(c->p.kv_type), d = (size_t)c->d * size, dv = (size_t)c->dv * size, scales = c->latent ? 2 : 1;

	if (c->p.kv_type == DSK_I8) {
		memset(c->k_scales + row * scales, 0xff, n * scales * 4);
		if (!c->latent)
			memset(c->v_scales + row, 0xff, n * 4);
		return;
	}
	memset((char *)c->k + row * d, 0xff, n * d);
	if (!c->latent)
		memset((char *)c->v + row * dv, 0xff, n * dv);
}

/* Row @row, of n elements, of @to. */
static void put(void *to, size_t row, const float *from, int n, int type)
{
	void *as = typed(from, (size_t)n, type);

	memcpy((char *)to + row * (size_t)n * type_size(type), as, (size_t)n * type_size(type));
	free(as);
}

static void make(struct attn_cache *c, int d, int dv, int latent, int q_heads, int kv_heads, int kv_type, const int *lengths, int sequences)
{
	int most = 1, used = 0, *order;

	memset(c, 0, sizeof(*c));
	c->d = d;
	c->dv = dv;
	c->latent = latent;
	c->sequences = sequences;
	c->lengths = malloc((size_t)sequences * sizeof(int));
	for (int s = 0; s < sequences; s++) {
		int pages = (lengths[s] + DSK_PAGE - 1) / DSK_PAGE;

		c->lengths[s] = lengths[s];
		used += pages;
		most = pages > most ? pages : most;
	}
	c->p = (struct dsk_attn_params){ .q_heads = q_heads, .kv_heads = kv_heads, .max_pages = most, .n_pages = used + 3,
					 .kv_type = kv_type, .splits = 1, .scale = 1 / sqrtf((float)d) };
	order = malloc((size_t)c->p.n_pages * sizeof(int));
	for (int i = 0; i < c->p.n_pages; i++)
		order[i] = i;
	for (int i = c->p.n_pages - 1; i > 0; i--) {
		int j = random_int(0, i), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (int i = 0; i < used; i++)			/* page 0, where what points nowhere might end up, is nobody's */
		if (order[i] == 0) {
			order[i] = order[used];
			order[used] = 0;
		}
	c->pages = malloc((size_t)(sequences * most) * sizeof(int));
	for (int s = 0, next = 0; s < sequences; s++)
		for (int i = 0; i < most; i++)		/* past the end of a sequence: what no kernel may follow */
			c->pages[s * most + i] = i < (lengths[s] + DSK_PAGE - 1) / DSK_PAGE ? order[next++] : 0x7fffffff;
	c->rows = (size_t)(c->p.n_pages * DSK_PAGE * kv_heads);
	c->k = random_rows(c->rows * (size_t)d, kv_type);
	c->v = latent ? NULL : random_rows(c->rows * (size_t)dv, kv_type);
	if (kv_type == DSK_I8) {
		c->k_scales = random_scales(latent ? c->rows * 2 : c->rows);
		c->v_scales = latent ? NULL : random_scales(c->rows);
	}
	for (int i = used; i < c->p.n_pages; i++)
		spoil(c, order[i], 0);
	for (int s = 0; s < sequences; s++)
		if (lengths[s] % DSK_PAGE)
			spoil(c, c->pages[s * most + lengths[s] / DSK_PAGE], lengths[s] % DSK_PAGE);
	free(order);
	c->sinks = random_typed((size_t)q_heads, DSK_F32, 2);
}

void attn_cache_make(struct attn_cache *c, int d, int dv, int q_heads, int kv_heads, int kv_type, const int *lengths, int sequences)
{
	make(c, d, dv ? dv : d, 0, q_heads, kv_heads, kv_type, lengths, sequences);
}

void attn_cache_make_latent(struct attn_cache *c, int q_heads, int kv_type, const int *lengths, int sequences)
{
	make(c, DSK_MLA_LATENT + DSK_MLA_ROPE, DSK_MLA_LATENT, 1, q_heads, 1, kv_type, lengths, sequences);
}

void attn_cache_tail(struct attn_cache *c, float *q, int heads)
{
	float *key = calloc((size_t)c->d, sizeof(*key)), *value = malloc((size_t)c->dv * sizeof(*value));

	c->p.scale = 1;
	memset(q, 0, (size_t)(c->d * heads) * sizeof(*q));
	for (int h = 0; h < heads; h++)
		q[(h + 1) * c->d - 1] = 10.4375f;		/* 15 ln 2, as bf16 has it, too */
	for (int t = 0; t < c->lengths[0]; t++)
		for (int h = 0; h < c->p.kv_heads; h++) {
			size_t row = ((size_t)c->pages[t / DSK_PAGE] * DSK_PAGE + (size_t)(t % DSK_PAGE)) * (size_t)c->p.kv_heads + (size_t)h;

			for (int i = 0; i < c->dv; i++)
				value[i] = t ? 1 : -1;
			if (c->latent)
				memcpy(key, value, (size_t)c->dv * sizeof(*key));
			key[c->d - 1] = t == 0;
			put(c->k, row, key, c->d, c->p.kv_type);
			if (!c->latent)
				put(c->v, row, value, c->dv, c->p.kv_type);
		}
	free(key);
	free(value);
}

void attn_cache_free(struct attn_cache *c)
{
	free(c->pages);
	free(c->lengths);
	free(c->k);
	free(c->v);
	free(c->k_scales);
	free(c->v_scales);
	free(c->sinks);
}

static double element(const void *p, size_t i, double scale, int type)
{
	return type == DSK_I8 ? (double)((const signed char *)p)[i] * scale : typed_get(p, i, type);
}

double attn_cache_key(const struct attn_cache *c, size_t row, int i)
{
	double scale = 0;

	if (c->k_scales)
		scale = c->latent ? c->k_scales[row * 2 + (i >= c->dv)] : c->k_scales[row];
	return element(c->k, row * (size_t)c->d + (size_t)i, scale, c->p.kv_type);
}

double attn_cache_value(const struct attn_cache *c, size_t row, int i)
{
	if (c->latent)
		return attn_cache_key(c, row, i);
	return element(c->v, row * (size_t)c->dv + (size_t)i, c->v_scales ? c->v_scales[row] : 0, c->p.kv_type);
}

double attn_reference(const struct attn_cache *c, int sequence, int head, int position, const float *q, const unsigned int *mask, double *out)
{
	const struct dsk_attn_params *p = &c->p;
	int length = c->lengths[sequence], kv_head = head / (p->q_heads / p->kv_heads);
	double *logits = malloc(((size_t)length + 1) * sizeof(double)), top = -INFINITY, sum = 0, most = 0;
	size_t *rows = malloc(((size_t)length + 1) * sizeof(size_t));

	for (int t = 0; t < length; t++) {
		int page = c->pages[sequence * p->max_pages + t / DSK_PAGE];
		double dot = 0;

		logits[t] = -INFINITY;
		rows[t] = 0;
		if ((!(p->flags & DSK_ATTN_ALL) && t > position) || (p->window > 0 && t <= position - p->window) ||
		    (mask && !(mask[t / 32] >> t % 32 & 1)) || page < 0 || page >= p->n_pages)
			continue;
		rows[t] = ((size_t)page * DSK_PAGE + (size_t)(t % DSK_PAGE)) * (size_t)p->kv_heads + (size_t)kv_head;
		for (int i = 0; i < c->d; i++)
			dot += q[i] * attn_cache_key(c, rows[t], i);
		logits[t] = dot * p->scale;
		if (p->cap > 0)
			logits[t] = p->cap * tanh(logits[t] / p->cap);
		most = fmax(most, fabs(logits[t]));
		top = fmax(top, logits[t]);
	}
	if (p->flags & DSK_ATTN_SINKS) {
		top = fmax(top, c->sinks[head]);
		sum = exp(c->sinks[head] - top);
	}
	memset(out, 0, (size_t)c->dv * sizeof(*out));
	for (int t = 0; t < length; t++) {
		double weight = logits[t] == -INFINITY ? 0 : exp(logits[t] - top);

		sum += weight;
		for (int i = 0; weight > 0 && i < c->dv; i++)
			out[i] += weight * attn_cache_value(c, rows[t], i);
	}
	for (int i = 0; i < c->dv && sum > 0; i++)
		out[i] /= sum;
	free(logits);
	free(rows);
	return most;
}
