/* SPDX-License-Identifier: MIT */
/* A cache by slots and attention over it. Tolerance: 2e-5 of the values' range (1), and the cache's rounding is in the reference. */
#include "ktest.h"

static const struct attend_case {
	int q_heads, kv_heads, k_n, v_n, slots, tokens, type, window, by_head;
	float cap;
	int sinks, bad;
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
};

static void reference(const struct attend_case *c, const struct dsk_slot_attend_params *p, const float *q, const void *k, const void *v,
		      const int *pos, const float *sinks, double *out)
{
	double *w = malloc((size_t)c->slots * sizeof(*w));

	for (int t = 0; t < c->tokens; t++)
		for (int h = 0; h < c->q_heads && pos[t] >= 0 && pos[t] < c->slots; h++) {
			int kv = h / (c->q_heads / c->kv_heads), first = c->window && pos[t] >= c->window ? pos[t] - c->window + 1 : 0;
			double max = c->sinks ? sinks[h] : -INFINITY, sum;

			for (int s = first; s <= pos[t]; s++) {
				w[s] = 0;
				for (int i = 0; i < c->k_n; i++)
					w[s] += q[t * p->q_token_stride + h * p->q_head_stride + i] *
						typed_get(k, (size_t)(kv * p->k_head_stride + s * p->k_slot_stride + i), c->type);
				w[s] *= p->scale;
				w[s] = c->cap > 0 ? c->cap * tanh(w[s] / c->cap) : w[s];
				max = fmax(max, w[s]);
			}
			sum = c->sinks ? exp(sinks[h] - max) : 0;
			for (int s = first; s <= pos[t]; s++)
				sum += w[s] = exp(w[s] - max);
			for (int i = 0; i < c->v_n; i++) {
				double a = 0;

				for (int s = first; s <= pos[t]; s++)
					a += w[s] * typed_get(v, (size_t)(kv * p->v_head_stride + s * p->v_slot_stride + i), c->type);
				out[t * p->out_token_stride + h * p->out_head_stride + i] = a / sum;
			}
		}
	free(w);
}

static void attend(const struct device *d, const struct attend_case *c)
{
	struct dsk_slot_attend_params p = {
		.q_heads = c->q_heads, .kv_heads = c->kv_heads, .slots = c->slots, .k_n = c->k_n, .v_n = c->v_n, .k_type = c->type,
		.v_type = c->type, .window = c->window, .flags = c->sinks ? DSK_SLOT_SINKS : 0,
		.q_head_stride = c->k_n + 1, .q_token_stride = (c->k_n + 1) * c->q_heads + 2,
		.k_head_stride = c->by_head ? c->k_n * c->slots : c->k_n, .k_slot_stride = c->by_head ? c->k_n : c->k_n * c->kv_heads,
		.v_head_stride = c->by_head ? c->v_n * c->slots : c->v_n, .v_slot_stride = c->by_head ? c->v_n : c->v_n * c->kv_heads,
		.out_head_stride = c->v_n, .out_token_stride = c->v_n * c->q_heads + 1,
		.scale = 1 / sqrtf((float)c->k_n) * 2, .cap = c->cap,
	};
	size_t n_q = (size_t)(p.q_token_stride * c->tokens), n_k = (size_t)(c->k_n * c->kv_heads * c->slots);
	size_t n_v = (size_t)(c->v_n * c->kv_heads * c->slots), n_out = (size_t)(p.out_token_stride * c->tokens);
	float *q = random_typed(n_q, DSK_F32, 3), *sinks = random_typed((size_t)c->q_heads, DSK_F32, 2), *out = calloc(n_out, 4);
	void *k = random_typed(n_k, c->type, 1), *v = random_typed(n_v, c->type, 1);
	double *want = calloc(n_out, sizeof(*want));
	int pos[3], fault = 0;

	for (int t = 0; t < c->tokens; t++)
		pos[t] = t == 0 ? c->slots - 1 : random_int(0, c->slots - 1);
	if (c->bad)
		pos[1] = c->bad < 0 ? -1 : c->slots;
	reference(c, &p, q, k, v, pos, sinks, want);
	struct simt_launch l = {
		.grid = { (unsigned int)c->q_heads, (unsigned int)c->tokens, 1 }, LAUNCH_PARAMS(p),
		BUFFERS(INOUT(out, n_out * 4), INOUT(&fault, 4), IN(q, n_q * 4), IN(k, n_k * type_size(c->type)),
			IN(v, n_v * type_size(c->type)), IN(pos, (size_t)c->tokens * 4),
			IN(c->sinks ? sinks : NULL, c->sinks ? (size_t)c->q_heads * 4 : 0))
	};
	if (ktest_launch(d, "dsk_slot_attend", &l, "%s", d->name)) {
		ktest_close(out, DSK_F32, want, n_out, 2e-5, 0, "%s: attend %d/%d heads of %d/%d, %d slots, %s%s%s%s%s", d->name, c->q_heads,
			    c->kv_heads, c->k_n, c->v_n, c->slots, type_name(c->type), c->window ? ", window" : "", c->cap > 0 ? ", cap" : "",
			    c->sinks ? ", sinks" : "", c->bad ? ", a position out of range" : "");
		ktest_ok(fault == (c->bad != 0), "%s: attend: fault is %d", d->name, fault);
	}
	free(q); free(sinks); free(out); free(k); free(v); free(want);
}

static void store(const struct device *d, int n, int heads, int tokens, int slots, int type, int bad)
{
	struct dsk_slot_store_params p = { .n = n, .slots = slots, .type = type, .x_head_stride = n, .x_token_stride = n * heads + 3,
					   .head_stride = n * slots, .slot_stride = n };
	size_t n_x = (size_t)(p.x_token_stride * tokens), n_cache = (size_t)(n * heads * slots);
	float *x = random_typed(n_x, DSK_F32, 1);
	void *cache = random_typed(n_cache, type, 1);
	double *want = malloc(n_cache * sizeof(*want));
	int *slot = malloc((size_t)tokens * sizeof(*slot)), fault = 0;

	for (size_t i = 0; i < n_cache; i++)
		want[i] = typed_get(cache, i, type);
	for (int t = 0; t < tokens; t++)
		slot[t] = (slots - 1 + t * 3) % slots;
	if (bad)
		slot[0] = bad < 0 ? -7 : slots;
	for (int t = 0; t < tokens; t++)
		for (int h = 0; h < heads && slot[t] >= 0 && slot[t] < slots; h++)
			for (int i = 0; i < n; i++)
				want[(h * slots + slot[t]) * n + i] = x[t * p.x_token_stride + h * n + i];
	struct simt_launch l = { .grid = { (unsigned int)heads, (unsigned int)tokens, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(cache, n_cache * type_size(type)), INOUT(&fault, 4), IN(x, n_x * 4), IN(slot, (size_t)tokens * 4)) };

	if (ktest_launch(d, "dsk_slot_store", &l, "%s", d->name)) {
		ktest_close(cache, type, want, n_cache, 1e-30, 0, "%s: store %d x %d, %d of %d slots, %s%s", d->name, n, heads, tokens, slots,
			    type_name(type), bad ? ", one out of range" : "");
		ktest_ok(fault == (bad != 0), "%s: store: fault is %d", d->name, fault);
	}
	free(x); free(cache); free(want); free(slot);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		attend(d, &cases[i]);
	store(d, 1, 1, 1, 1, DSK_F32, 0);
	store(d, 65, 2, 3, 7, DSK_F16, 0);
	store(d, 64, 3, 2, 5, DSK_BF16, 0);
	store(d, 16, 2, 2, 5, DSK_F32, -1);
	store(d, 16, 2, 2, 5, DSK_F32, 1);
}

int main(void)
{
	return ktest_main(test);
}
