/* SPDX-License-Identifier: MIT */
/*
 * Multi-head latent attention as DeepSeek-V2 writes it (section 2.1, without the absorption): keys and values of each head made from the
 * latent. dsk_mla_decode's absorbed form gives the same, and dsk_mla_prefill of keys and values so made.
 *
 * Tolerance of decode: 1e-6, and 4e-7 for each unit of the greatest logit, times the greatest sum of |UV| of a row; of prefill that, and what
 * rounding keys and values to bf16 does: 2^-8.
 */
#include "attn_ref.h"

#define HEADS	2
#define TOKENS	37
#define LATENT	DSK_MLA_LATENT
#define NOPE	DSK_MLA_NOPE
#define ROPE	DSK_MLA_ROPE
#define VALUE	DSK_MLA_VALUE

static float uk[HEADS][NOPE][LATENT], uv[HEADS][VALUE][LATENT], q[HEADS][NOPE + ROPE];
static double keys[TOKENS][HEADS][NOPE + ROPE], values[TOKENS][HEADS][VALUE], want[HEADS][VALUE];

static size_t row_of(const struct attn_cache *c, int token, int head)
{
	return ((size_t)(c->pages[token / DSK_PAGE] * DSK_PAGE + token % DSK_PAGE)) * (size_t)c->p.kv_heads + (size_t)head;
}

/* k = [UK c | k_rope], v = UV c; softmax(scale * q.k) v; the greatest |logit|. */
static double reference(const struct attn_cache *c)
{
	double most = 0;

	for (int t = 0; t < TOKENS; t++)
		for (int h = 0; h < HEADS; h++) {
			for (int i = 0; i < NOPE; i++) {
				keys[t][h][i] = values[t][h][i] = 0;
				for (int j = 0; j < LATENT; j++) {
					keys[t][h][i] += uk[h][i][j] * attn_cache_key(c, row_of(c, t, 0), j);
					values[t][h][i] += uv[h][i][j] * attn_cache_key(c, row_of(c, t, 0), j);
				}
			}
			for (int i = 0; i < ROPE; i++)
				keys[t][h][NOPE + i] = attn_cache_key(c, row_of(c, t, 0), LATENT + i);
		}
	for (int h = 0; h < HEADS; h++) {
		double sum = 0;

		memset(want[h], 0, sizeof(want[h]));
		for (int t = 0; t < TOKENS; t++) {
			double logit = 0, weight;

			for (int i = 0; i < NOPE + ROPE; i++)
				logit += q[h][i] * keys[t][h][i];
			most = fmax(most, fabs(logit * c->p.scale));
			weight = exp(logit * c->p.scale);
			sum += weight;
			for (int i = 0; i < VALUE; i++)
				want[h][i] += weight * values[t][h][i];
		}
		for (int i = 0; i < VALUE; i++)
			want[h][i] /= sum;
	}
	return most;
}

static void fill(float *p, size_t n, float range)
{
	for (size_t i = 0; i < n; i++)
		p[i] = random_float(-range, range);
}

static void absorbed(const struct device *d, struct attn_cache *c, double most)
{
	float absorbed_q[HEADS][LATENT + ROPE], acc[HEADS][2][LATENT], ml[HEADS][2][2], out[HEADS][LATENT], got[HEADS][VALUE];
	double largest = 0;

	for (int h = 0; h < HEADS; h++) {
		for (int j = 0; j < LATENT; j++) {
			double sum = 0;

			for (int i = 0; i < NOPE; i++)
				sum += (double)uk[h][i][j] * q[h][i];
			absorbed_q[h][j] = (float)sum;
		}
		memcpy(absorbed_q[h] + LATENT, q[h] + NOPE, ROPE * 4);
	}
	c->p.splits = 2;
	struct simt_launch l = { .grid = { HEADS, 1, 2 }, LAUNCH_PARAMS(c->p),
				 BUFFERS(OUT(acc, sizeof(acc)), OUT(ml, sizeof(ml)), IN(absorbed_q, sizeof(absorbed_q)), LATENT_BUFFERS(*c)) };
	struct simt_launch m = { .grid = { HEADS, 1, 1 }, LAUNCH_PARAMS(c->p),
				 BUFFERS(OUT(out, sizeof(out)), IN(acc, sizeof(acc)), IN(ml, sizeof(ml)), NONE) };

	if (!ktest_launch(d, "dsk_mla_decode", &l, "%s: absorbed", d->name) || !ktest_launch(d, "dsk_attn_merge_512", &m, "%s: absorbed", d->name))
		return;
	for (int h = 0; h < HEADS; h++)
		for (int i = 0; i < VALUE; i++) {
			double sum = 0, size = 0;

			for (int j = 0; j < LATENT; j++) {
				sum += (double)uv[h][i][j] * out[h][j];
				size += fabs(uv[h][i][j]);
			}
			got[h][i] = (float)sum;
			largest = fmax(largest, size);
		}
	ktest_close(got, DSK_F32, want[0], HEADS * VALUE, (1e-6 + 4e-7 * most) * largest, 0, "%s: MLA, absorbed decode, %s", d->name,
		    type_name(c->p.kv_type));
}

/* The last query of a prefill of one. */
static void unabsorbed(const struct device *d, const struct attn_cache *latent, double most)
{
	struct attn_cache c;
	int lengths[1] = { TOKENS }, starts[2] = { 0, 1 };
	float out[HEADS][VALUE];

	attn_cache_make(&c, NOPE + ROPE, VALUE, HEADS, HEADS, DSK_BF16, lengths, 1);
	c.p.queries = 1;
	c.p.scale = latent->p.scale;
	for (int t = 0; t < TOKENS; t++)
		for (int h = 0; h < HEADS; h++) {
			float key[NOPE + ROPE], value[VALUE];
			void *k, *v;

			for (int i = 0; i < NOPE + ROPE; i++)
				key[i] = (float)keys[t][h][i];
			for (int i = 0; i < VALUE; i++)
				value[i] = (float)values[t][h][i];
			k = typed(key, NOPE + ROPE, DSK_BF16);
			v = typed(value, VALUE, DSK_BF16);
			memcpy((unsigned short *)c.k + row_of(&c, t, h) * (NOPE + ROPE), k, sizeof(key) / 2);
			memcpy((unsigned short *)c.v + row_of(&c, t, h) * VALUE, v, sizeof(value) / 2);
			free(k);
			free(v);
		}
	struct simt_launch l = { .grid = { 1, HEADS, 1 }, LAUNCH_PARAMS(c.p),
				 BUFFERS(OUT(out, sizeof(out)), IN(q, sizeof(q)), ATTN_BUFFERS(c), IN(starts, sizeof(starts)), NONE, NONE) };

	if (ktest_launch(d, "dsk_mla_prefill", &l, "%s: unabsorbed", d->name))
		ktest_close(out, DSK_F32, want[0], HEADS * VALUE, 1e-6 + 4e-7 * most + 0x1p-8, 0, "%s: MLA, prefill", d->name);
	attn_cache_free(&c);
}

static void test(const struct device *d)
{
	static const int types[] = { DSK_BF16, DSK_F16, DSK_I8 };
	int lengths[1] = { TOKENS };

	for (int i = 0; i < 3; i++) {
		struct attn_cache c;
		double most;

		attn_cache_make_latent(&c, HEADS, types[i], lengths, 1);
		c.p.scale = 1 / sqrtf(NOPE + ROPE);
		fill(uk[0][0], sizeof(uk) / 4, 0.1f);
		fill(uv[0][0], sizeof(uv) / 4, 0.05f);
		fill(q[0], sizeof(q) / 4, 2);
		most = reference(&c);
		absorbed(d, &c, most);
		if (i == 0)
			unabsorbed(d, &c, most);
		attn_cache_free(&c);
	}
}

int main(void)
{
	return ktest_main(test);
}
