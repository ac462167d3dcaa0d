/* SPDX-License-Identifier: MIT */
/*
 * A cache by slots and attention over it. Tolerance: 2e-5 of the values' range (1), of the kernel with matrix instructions, too, and the
 * cache's rounding is in the reference.
 */
#include <dseek_program.h>

#include "ktest.h"

static const struct attend_case {
	int q_heads, kv_heads, k_n, v_n, slots, tokens, type, window, by_head;
	float cap;
	int sinks, bad;
	int past;	/* RING: so much is before the first position */
	int splits;	/* 0: dsk_slot_attend; else of the one with matrix instructions */
} cases[] = {
	{ 1, 1, 1, 1, 1, 1, DSK_F32, 0, 0, 0, 0, 0 },
	{ 4, 2, 16, 16, 70, 3, DSK_F32, 0, 1, 0, 0, 0 },
	{ 4, 1, 24, 40, 64, 2, DSK_F16, 0, 0, 0, 0, 0 },
	{ 2, 2, 64, 64, 200, 3, DSK_BF16, 0, 1, 0, 1, 0 },
	{ 3, 3, 65, 129, 130, 2, DSK_F32, 1, 1, 5, 0, 0 },
	{ 2, 1, 128, 128, 190, 2, DSK_F16, 100, 1, 0, 1, 0 },
	{ 2, 1, 32, 32, 190, 2, DSK_F32, 1000, 0, 30, 1, 0 },
	{ 2, 1, 32, 32, 40, 3, DSK_F32, 0, 1, 0, 0, -1 },
	{ 2, 1, 32, 32, 40, 3, DSK_F32, 0, 1, 0, 0, 1 },
	{ 2, 2, 64, 96, 150, 3, DSK_SLOT_Q8_0, 0, 1, 0, 1, 0 },
	{ 4, 1, 32, 32, 70, 2, DSK_SLOT_Q8_0, 66, 0, 20, 0, 0 },
	{ 2, 1, 32, 16, 100, 3, DSK_F32, 98, 1, 0, 1, 0, 977 },
	{ 2, 1, 16, 16, 3, 3, DSK_BF16, 1, 0, 0, 0, 0, 1 << 29 },
	{ 4, 2, 32, 64, 40, 3, DSK_SLOT_Q8_0, 30, 1, 0, 0, 0, 1000 },
	{ 2, 1, 16, 16, 10, 3, DSK_F32, 8, 0, 0, 0, -1, 5 },
	{ 2, 1, 16, 16, 10, 3, DSK_F32, 8, 0, 0, 0, 1, 5 },
	{ 1, 1, 32, 32, 1, 1, DSK_F16, 0, 0, 0, 0, 0, 0, 1 },
	{ 4, 2, 32, 32, 70, 3, DSK_BF16, 0, 1, 0, 0, 0, 0, 1 },
	{ 6, 2, 64, 64, 200, 25, DSK_F16, 0, 1, 0, 1, 0, 0, 1 },
	{ 9, 1, 64, 64, 150, 17, DSK_BF16, 40, 0, 5, 0, 0, 0, 1 },
	{ 2, 1, 128, 128, 190, 70, DSK_F16, 100, 1, 0, 1, 0, 0, 1 },
	{ 2, 2, 128, 128, 64, 2, DSK_BF16, 0, 1, 30, 0, 0, 0, 1 },
	{ 8, 1, 64, 64, 300, 1, DSK_F16, 0, 1, 0, 1, 0, 0, 3 },
	{ 4, 1, 128, 128, 40, 2, DSK_BF16, 0, 0, 0, 0, 0, 0, 4 },
	{ 8, 2, 64, 64, 260, 9, DSK_BF16, 130, 1, 0, 0, 0, 0, 2 },
	{ 2, 1, 64, 64, 100, 3, DSK_F16, 98, 1, 0, 1, 0, 977, 1 },
	{ 2, 1, 32, 32, 3, 3, DSK_BF16, 1, 0, 0, 0, 0, 1 << 29, 1 },
	{ 4, 2, 128, 128, 99, 3, DSK_F16, 90, 1, 0, 0, 0, 1000, 2 },
	{ 2, 1, 32, 32, 40, 3, DSK_F16, 0, 1, 0, 1, -1, 0, 1 },
	{ 2, 1, 64, 64, 40, 3, DSK_BF16, 0, 1, 0, 0, 1, 0, 1 },
	{ 2, 1, 64, 64, 10, 3, DSK_F16, 8, 0, 0, 0, -1, 5, 1 },
	{ 2, 1, 64, 64, 200, 2, DSK_BF16, 0, 1, 0, 0, 1, 0, 2 },
	{ 2, 1, 64, 64, 10, 3, DSK_F16, 8, 0, 0, 0, 1, 5, 1 },
};

/* @n random elements of a cache; what they mean in @exact, which the caller frees. */
static void *random_cache(size_t n, int type, double **ret_exact, size_t *ret_bytes)
{
	float *f = random_typed(n, DSK_F32, 1);
	uint8_t *data;

	*ret_exact = malloc(n * sizeof(double));
	if (type == DSK_SLOT_Q8_0) {
		*ret_bytes = dseek_row_bytes(DSEEK_Q8_0, n);
		data = malloc(*ret_bytes);
		dseek_row_from_f32(DSEEK_Q8_0, f, n, data);
		dseek_row_to_f32(DSEEK_Q8_0, data, n, f);
		for (size_t i = 0; i < n; i++)
			(*ret_exact)[i] = f[i];
	} else {
		*ret_bytes = n * type_size(type);
		data = random_typed(n, type, 1);
		for (size_t i = 0; type == DSK_F16 && i < n; i++)	/* normal: CDNA2's instruction takes others for 0 */
			if (!(((uint16_t *)(void *)data)[i] & 0x7c00))
				((uint16_t *)(void *)data)[i] = 0;
		for (size_t i = 0; i < n; i++)
			(*ret_exact)[i] = typed_get(data, i, type);
	}
	free(f);
	return data;
}

static int block_of(int type)
{
	return type == DSK_SLOT_Q8_0 ? 32 : 1;
}

static void reference(const struct attend_case *c, const struct dsk_slot_attend_params *p, const float *q, const double *k, const double *v,
		      const int *pos, const float *sinks, double *out)
{
	int block = block_of(c->type), limit = c->past ? DSK_RING_POSITIONS : c->slots;
	double *w = malloc((size_t)c->slots * sizeof(*w));

	for (int t = 0; t < c->tokens; t++)
		for (int h = 0; h < c->q_heads && pos[t] >= 0 && pos[t] < limit; h++) {
			int kv = h / (c->q_heads / c->kv_heads), first = c->window && pos[t] >= c->window ? pos[t] - c->window + 1 : 0;
			double max = c->sinks ? sinks[h] : -INFINITY, sum;

			for (int s = first; s <= pos[t]; s++) {
				double *l = &w[s - first];

				*l = 0;
				for (int i = 0; i < c->k_n; i++)
					*l += q[t * p->q_token_stride + h * p->q_head_stride + i] *
					      k[(kv * p->k_head_stride + s % c->slots * p->k_slot_stride) * block + i];
				*l *= p->scale;
				*l = c->cap > 0 ? c->cap * tanh(*l / c->cap) : *l;
				max = fmax(max, *l);
			}
			sum = c->sinks ? exp(sinks[h] - max) : 0;
			for (int s = first; s <= pos[t]; s++)
				sum += w[s - first] = exp(w[s - first] - max);
			for (int i = 0; i < c->v_n; i++) {
				double a = 0;

				for (int s = first; s <= pos[t]; s++)
					a += w[s - first] * v[(kv * p->v_head_stride + s % c->slots * p->v_slot_stride) * block + i];
				out[t * p->out_token_stride + h * p->out_head_stride + i] = a / sum;
			}
		}
	free(w);
}

/* The launch of either kernel, and of the merge of parts. */
static int run(const struct device *d, const struct attend_case *c, const struct dsk_slot_attend_params *p, const struct simt_buffer buffers[7])
{
	unsigned int rows = (unsigned int)(c->tokens * c->q_heads / c->kv_heads), tile = 256 / d->wave * 16, splits = (unsigned int)c->splits;
	size_t n_parts = (size_t)(c->splits * c->q_heads * c->tokens), parts_bytes = n_parts * (size_t)c->k_n * 4, ml_bytes = n_parts * 8;
	struct simt_launch l = { .grid = { (unsigned int)c->q_heads, (unsigned int)c->tokens, 1 }, LAUNCH_PARAMS(*p), .n_buffers = 7 };
	const struct dsk_attn_params m = { .q_heads = c->q_heads, .kv_heads = c->kv_heads, .splits = c->splits, .flags = c->sinks ? DSK_ATTN_SINKS : 0 };
	struct simt_launch merge = { .grid = { (unsigned int)c->q_heads, (unsigned int)c->tokens, 1 }, LAUNCH_PARAMS(m) };
	float *parts = malloc(parts_bytes + 4), *ml = malloc(ml_bytes + 4);
	char name[40];
	int r;

	memcpy(l.buffers, buffers, 7 * sizeof(*buffers));
	if (!c->splits) {
		r = ktest_launch(d, "dsk_slot_attend", &l, "%s", d->name);
	} else {
		l.grid[0] = (rows + tile - 1) / tile;
		l.grid[1] = (unsigned int)c->kv_heads;
		l.grid[2] = splits;
		l.n_buffers = 9;
		memmove(l.buffers + 4, l.buffers + 2, 5 * sizeof(*buffers));
		l.buffers[3] = buffers[1];
		l.buffers[1] = (struct simt_buffer){ parts, splits > 1 ? parts_bytes : 0, SIMT_OUT };
		l.buffers[2] = (struct simt_buffer){ ml, splits > 1 ? ml_bytes : 0, SIMT_OUT };
		snprintf(name, sizeof(name), "dsk_slot_attend_%s_%d", type_name(c->type), c->k_n);
		r = ktest_launch(d, name, &l, "%s", d->name);
	}
	if (r && splits > 1) {
		merge.n_buffers = 4;
		merge.buffers[0] = (struct simt_buffer){ buffers[0].data, buffers[0].size, SIMT_OUT };
		merge.buffers[1] = (struct simt_buffer)IN(parts, parts_bytes);
		merge.buffers[2] = (struct simt_buffer)IN(ml, ml_bytes);
		merge.buffers[3] = buffers[6];
		snprintf(name, sizeof(name), "dsk_attn_merge_%d", c->k_n);
		r = ktest_launch(d, name, &merge, "%s", d->name);
	}
	free(parts);
	free(ml);
	return r;
}

static void attend(const struct device *d, const struct attend_case *c)
{
	int block = block_of(c->type), k_row = c->k_n / block, v_row = c->v_n / block;
	struct dsk_slot_attend_params p = {
		.q_heads = c->q_heads, .kv_heads = c->kv_heads, .slots = c->slots, .k_n = c->k_n, .v_n = c->v_n, .k_type = c->type,
		.v_type = c->type, .window = c->window, .flags = (c->sinks ? DSK_SLOT_SINKS : 0) | (c->past ? DSK_SLOT_RING : 0),
		.q_head_stride = c->k_n + 1, .q_token_stride = (c->k_n + 1) * c->q_heads + 2,
		.k_head_stride = c->by_head ? k_row * c->slots : k_row, .k_slot_stride = c->by_head ? k_row : k_row * c->kv_heads,
		.v_head_stride = c->by_head ? v_row * c->slots : v_row, .v_slot_stride = c->by_head ? v_row : v_row * c->kv_heads,
		.out_head_stride = c->v_n, .out_token_stride = c->v_n * c->q_heads + (c->splits < 2),
		.scale = 1 / sqrtf((float)c->k_n) * 2, .cap = c->cap, .tokens = c->tokens, .splits = c->splits,
	};
	size_t n_q = (size_t)(p.q_token_stride * c->tokens), n_k = (size_t)(c->k_n * c->kv_heads * c->slots);
	size_t n_v = (size_t)(c->v_n * c->kv_heads * c->slots), n_out = (size_t)(p.out_token_stride * c->tokens);
	float *q = random_typed(n_q, DSK_F32, 3), *sinks = random_typed((size_t)c->q_heads, DSK_F32, 2), *out = calloc(n_out, 4);
	size_t k_bytes, v_bytes;
	char how[40] = "";
	double *want = calloc(n_out, sizeof(*want)), *k_exact, *v_exact;
	void *k = random_cache(n_k, c->type, &k_exact, &k_bytes), *v = random_cache(n_v, c->type, &v_exact, &v_bytes);
	int pos[80], fault = 0, last = c->splits && c->slots > 20 ? c->slots - 8 : c->slots - 1;

	for (int t = 0; t < c->tokens; t++)
		pos[t] = c->past ? c->past + t : t == 0 ? last : random_int(0, last);
	if (c->bad)
		pos[1] = c->bad < 0 ? -1 : c->past ? DSK_RING_POSITIONS : c->slots;
	for (int s = last + 1; s < c->slots && !c->past; s++)	/* what is behind the last position may be anything */
		for (int i = 0; i < c->kv_heads * c->k_n; i++) {
			((uint16_t *)k)[i / c->k_n * p.k_head_stride + s * p.k_slot_stride + i % c->k_n] = 0x7fff;
			((uint16_t *)v)[i / c->k_n * p.v_head_stride + s * p.v_slot_stride + i % c->k_n] = 0x7fff;
		}
	reference(c, &p, q, k_exact, v_exact, pos, sinks, want);
	const struct simt_buffer buffers[7] = { INOUT(out, n_out * 4), INOUT(&fault, 4), IN(q, n_q * 4), IN(k, k_bytes), IN(v, v_bytes),
						IN(pos, (size_t)c->tokens * 4), IN(c->sinks ? sinks : NULL, c->sinks ? (size_t)c->q_heads * 4 : 0) };

	if (c->splits)
		snprintf(how, sizeof(how), " by matrix, %d parts", c->splits);
	if (run(d, c, &p, buffers)) {
		ktest_close(out, DSK_F32, want, n_out, 2e-5, 0, "%s: attend%s, %d/%d heads of %d/%d, %d tokens, %d slots, %s%s%s%s%s", d->name, how, c->q_heads,
			    c->kv_heads, c->k_n, c->v_n, c->tokens, c->slots, block > 1 ? "q8_0" : type_name(c->type),
			    c->past ? ", ring" : c->window ? ", window" : "", c->cap > 0 ? ", cap" : "", c->sinks ? ", sinks" : "",
			    c->bad ? ", a position out of range" : "");
		ktest_ok(fault == (c->bad != 0), "%s: attend: fault is %d", d->name, fault);
	}
	free(q); free(sinks); free(out); free(k); free(v); free(k_exact); free(v_exact); free(want);
}

static void store(const struct device *d, int n, int heads, int tokens, int slots, int type, int bad, int past)
{
	int row = n / block_of(type), limit = past ? DSK_RING_POSITIONS : slots;
	struct dsk_slot_store_params p = { .n = n, .slots = slots, .type = type, .x_head_stride = n, .x_token_stride = n * heads + 3,
					   .head_stride = row * slots, .slot_stride = row, .flags = past ? DSK_SLOT_RING : 0 };
	size_t n_x = (size_t)(p.x_token_stride * tokens), n_cache = (size_t)(n * heads * slots);
	float *x = random_typed(n_x, DSK_F32, 1);
	size_t bytes;
	double *want;
	void *cache = random_cache(n_cache, type, &want, &bytes);
	float *got = malloc(n_cache * sizeof(*got));
	int *slot = malloc((size_t)tokens * sizeof(*slot)), fault = 0;

	for (int t = 0; t < tokens; t++)
		slot[t] = past ? past + t : (slots - 1 + t * 3) % slots;
	if (bad)
		slot[0] = bad < 0 ? -7 : limit;
	for (int t = 0; t < tokens; t++)
		for (int h = 0; h < heads && slot[t] >= 0 && slot[t] < limit; h++)
			for (int i = 0; i < n; i++)
				want[(h * slots + slot[t] % slots) * n + i] = x[t * p.x_token_stride + h * n + i];
	struct simt_launch l = { .grid = { (unsigned int)heads, (unsigned int)tokens, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(cache, bytes), INOUT(&fault, 4), IN(x, n_x * 4), IN(slot, (size_t)tokens * 4)) };

	if (ktest_launch(d, "dsk_slot_store", &l, "%s", d->name)) {
		if (type == DSK_SLOT_Q8_0)	/* half a step of the largest of a block, and its rounding to half precision */
			dseek_row_to_f32(DSEEK_Q8_0, cache, n_cache, got);
		ktest_close(type == DSK_SLOT_Q8_0 ? got : cache, type == DSK_SLOT_Q8_0 ? DSK_F32 : type, want, n_cache,
			    type == DSK_SLOT_Q8_0 ? 0.5 / 127 + 1.0 / 2048 : 1e-30, 0, "%s: store %d x %d, %d of %d slots, %s%s%s", d->name, n, heads,
			    tokens, slots, type == DSK_SLOT_Q8_0 ? "q8_0" : type_name(type), past ? ", ring" : "", bad ? ", one out of range" : "");
		ktest_ok(fault == (bad != 0), "%s: store: fault is %d", d->name, fault);
	}
	free(x); free(cache); free(want); free(got); free(slot);
}

/* Queries whose digits beyond f16's, or all of them, are subnormal there; CDNA2's instruction takes such for 0. */
static void small_query(const struct device *d, float element)
{
	enum { N = 64 };
	struct attend_case c = { 1, 1, N, N, 2, 1, DSK_F16, .splits = 1 };
	struct dsk_slot_attend_params p = { .q_heads = 1, .kv_heads = 1, .slots = 2, .k_n = N, .v_n = N, .k_type = DSK_F16, .v_type = DSK_F16, .scale = 0.25f,
					    .q_token_stride = N, .k_slot_stride = N, .v_slot_stride = N, .out_token_stride = N, .tokens = 1, .splits = 1 };
	float q[N], kv[2 * N], out[N];
	int pos = 1, fault = 0;
	double want[N];
	void *cache;

	for (int i = 0; i < N; i++) {
		q[i] = element;
		kv[i] = 1;
		kv[N + i] = -1;
		want[i] = tanh((double)element * N * p.scale);
	}
	cache = typed(kv, 2 * N, DSK_F16);
	const struct simt_buffer buffers[7] = { INOUT(out, sizeof(out)), INOUT(&fault, 4), IN(q, sizeof(q)), IN(cache, 4 * N), IN(cache, 4 * N), IN(&pos, 4),
						NONE };

	if (run(d, &c, &p, buffers))
		ktest_close(out, DSK_F32, want, N, 2e-5, 0, "%s: attend: queries of %g", d->name, (double)element);
	free(cache);
}

static void test(const struct device *d)
{
	int by_matrix = strlen(d->name) > 8;	/* these devices have no others */

	small_query(d, 0.12505f);
	small_query(d, 3e-5f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!by_matrix || cases[i].splits == 1)
			attend(d, &cases[i]);
	if (by_matrix)
		return;
	store(d, 1, 1, 1, 1, DSK_F32, 0, 0);
	store(d, 65, 2, 3, 7, DSK_F16, 0, 0);
	store(d, 64, 3, 2, 5, DSK_BF16, 0, 0);
	store(d, 16, 2, 2, 5, DSK_F32, -1, 0);
	store(d, 16, 2, 2, 5, DSK_F32, 1, 0);
	store(d, 96, 2, 3, 7, DSK_SLOT_Q8_0, 0, 0);
	store(d, 16, 2, 3, 5, DSK_F16, 0, 1013);
	store(d, 32, 1, 3, 4, DSK_SLOT_Q8_0, 0, 1 << 29);
	store(d, 16, 2, 2, 5, DSK_F32, -1, 9);
	store(d, 16, 2, 2, 5, DSK_F32, 1, 9);
}

int main(void)
{
	return ktest_main_mma(test);
}
