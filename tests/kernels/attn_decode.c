/* SPDX-License-Identifier: MIT */
/*
 * Decode attention, MLA's too. Tolerance: 1e-6, and 4e-7 for each unit of the greatest logit; values are within 1. The packed kernels: the
 * plain ones' bits.
 */
#include "attn_ref.h"

#define MAX_SEQUENCES	4
#define MLA	(DSK_MLA_LATENT + DSK_MLA_ROPE)		/* as size of a head: dsk_mla_decode */

static const struct decode_case {
	int d, q_heads, kv_heads, lengths[MAX_SEQUENCES], window, kv_type, splits, flags;
	float cap, scale;		/* 0: 1 / sqrt(d) */
	int bad_page;			/* one page number that is none */
	int simt_too;			/* small enough */
} cases[] = {
	{ 64, 1, 1, { 1 }, 0, DSK_BF16, 1, 0, 0, 0, 0, 1 },
	{ 64, 2, 1, { 1, 2, 17, 0 }, 0, DSK_F16, 1, 0, 0, 0, 0, 1 },
	{ 128, 4, 2, { 63, 64, 65 }, 0, DSK_BF16, 1, 0, 0, 0, 0, 1 },
	{ 128, 3, 3, { 5 }, 0, DSK_BF16, 8, 0, 0, 0, 0, 1 },
	{ 128, 6, 2, { 200, 31 }, 0, DSK_BF16, 3, 0, 0, 0, 0, 1 },
	{ 64, 8, 1, { 300, 1 }, 64, DSK_F16, 2, 0, 0, 0, 0, 1 },
	{ 64, 2, 2, { 100 }, 1, DSK_BF16, 1, 0, 0, 0, 0, 1 },
	{ 64, 2, 2, { 100 }, 4096, DSK_BF16, 4, 0, 0, 0, 0, 1 },
	{ 64, 4, 2, { 77, 0, 1 }, 16, DSK_BF16, 2, DSK_ATTN_SINKS, 0, 0, 0, 1 },
	{ 128, 2, 1, { 90 }, 0, DSK_BF16, 2, 0, 5, 0, 0, 1 },
	{ 128, 4, 1, { 121, 16 }, 0, DSK_I8, 2, DSK_ATTN_SINKS, 0, 0, 0, 1 },
	{ 64, 2, 1, { 70 }, 0, DSK_BF16, 1, 0, 0, 4, 0, 1 },
	{ 64, 2, 1, { 70, 33 }, 0, DSK_BF16, 2, 0, 0, 0, -1, 1 },
	{ 64, 2, 1, { 70, 33 }, 0, DSK_I8, 1, 0, 0, 0, 0x7fffffff, 1 },
	{ 64, 1, 1, { 16 }, 0, DSK_BF16, 3, 0, 0, 0, 0, 1 },
	{ 64, 9, 1, { 40, 1 }, 0, DSK_BF16, 2, 0, 0, 0, 0, 1 },
	{ 128, 20, 2, { 19 }, 0, DSK_I8, 1, 0, 0, 0, -1, 1 },
	{ MLA, 5, 1, { 30, 7 }, 20, DSK_I8, 2, 0, 0, 0, 0, 1 },
	{ MLA, 1, 1, { 1 }, 0, DSK_BF16, 1, 0, 0, 0, 0, 1 },
	{ MLA, 3, 1, { 1, 2, 17, 0 }, 0, DSK_F16, 2, 0, 0, 0, 0, 1 },
	{ MLA, 2, 1, { 67, 33 }, 0, DSK_I8, 2, DSK_ATTN_SINKS, 0, 0, 0, 1 },
	{ MLA, 2, 1, { 50 }, 16, DSK_BF16, 3, DSK_ATTN_SINKS, 5, 0, 0, 1 },
	{ MLA, 1, 1, { 31 }, 4096, DSK_BF16, 1, 0, 0, 0, -1, 1 },
	{ MLA, 1, 1, { 40 }, 0, DSK_I8, 4, 0, 0, 0, 0x7fffffff, 1 },
	{ 64, 17, 1, { 45, 300 }, 0, DSK_BF16, 2, 0, 0, 0, 0, 1 },
	{ 128, 32, 2, { 40 }, 0, DSK_F16, 1, DSK_ATTN_SINKS, 3, 0, 0, 1 },
	{ 64, 4, 1, { 600 }, 0, DSK_F16, 1, 0, 0, 2, -1, 1 },
	{ MLA, 17, 1, { 33, 150 }, 0, DSK_BF16, 2, 0, 0, 0, 0, 1 },
	{ 128, 32, 8, { 4097, 1000 }, 1024, DSK_BF16, 8, DSK_ATTN_SINKS, 0, 0, 0, 0 },
	{ 64, 2, 1, { 100000 }, 0, DSK_BF16, 64, 0, 0, 0, 0, 0 },
	{ MLA, 128, 1, { 100 }, 0, DSK_I8, 8, 0, 0, 0, 0, 0 },
	{ MLA, 1, 1, { 100000 }, 0, DSK_BF16, 64, 0, 0, 0, 0, 0 },
};

/* Shuffles of all waves: a sum of the wave for each token it takes, as many as the busiest wave of its group. */
static unsigned int shuffles(const struct decode_case *c, int sequences, unsigned int wave)
{
	unsigned int n = 0, waves = 256 / wave;

	for (int s = 0; s < sequences; s++) {
		int seen = c->window > 0 && c->lengths[s] > c->window ? c->window : c->lengths[s], each = (seen + c->splits - 1) / c->splits;

		for (int first = 0; first < seen; first += each)
			n += ((unsigned int)(first + each < seen ? each : seen - first) + waves - 1) / waves;
	}
	return n * waves * (wave == 64 ? 6 : 5) * (unsigned int)c->q_heads;
}

static unsigned int pack_of(const struct decode_case *c)
{
	return c->d == MLA ? DSK_MLA_PACK : DSK_DECODE_PACK;
}

/* Groups of the packed kernels. */
static unsigned int packs(const struct decode_case *c)
{
	unsigned int of_head = (unsigned int)(c->q_heads / c->kv_heads);

	return (unsigned int)c->kv_heads * ((of_head + pack_of(c) - 1) / pack_of(c));
}

/* Groups of the kernels with matrix instructions. */
static unsigned int tiles_of(const struct decode_case *c)
{
	return (unsigned int)(c->kv_heads * ((c->q_heads / c->kv_heads + 15) / 16));
}

static void no_scales(struct simt_launch *l, int latent)
{
	unsigned int at = latent ? 4 : 5, n = latent ? 1 : 2;

	memmove(&l->buffers[at], &l->buffers[at + n], 2 * sizeof(l->buffers[0]));
	l->n_buffers -= n;
}

/* Barriers of the kernels with matrix instructions: of MLA's two a tile of a page a wave. */
static unsigned int barriers(const struct decode_case *c, int sequences, unsigned int wave)
{
	int n = 0, tile = 16 * 256 / (int)wave;

	for (int s = 0; s < sequences; s++) {
		int low = c->window > 0 && c->lengths[s] > c->window ? c->lengths[s] - c->window : 0;
		int each = (c->lengths[s] - low + c->splits - 1) / c->splits;

		for (int i = 0; i < c->splits; i++) {
			int first = low + i * each, last = first + each < c->lengths[s] ? first + each : c->lengths[s], base = first / 16 * 16;

			n += c->d == MLA ? 2 + 2 * (last > base ? (last - base + tile - 1) / tile : 0) : 2 + 2 * c->d / 16;
		}
	}
	return (unsigned int)n * tiles_of(c);
}

/*
 * With matrix instructions: queries (here already) and weights are rounded to the cache's type, which is an error of both sum and result: 2^-8
 * (bf16) or 2^-11 (f16).
 */
static void matrix(const struct device *d, const struct decode_case *c, struct attn_cache *cache, int sequences, float *q, const struct simt_launch *plain,
		   const struct simt_launch *merge, double *want, const char *what)
{
	size_t heads = (size_t)(sequences * c->q_heads);
	struct simt_launch l = *plain;
	double most = 0;
	char name[32];

	for (size_t i = 0; i < heads * (size_t)c->d; i++) {
		void *rounded = typed(q + i, 1, c->kv_type);

		q[i] = (float)typed_get(rounded, 0, c->kv_type);
		free(rounded);
	}
	for (size_t i = 0; i < heads; i++) {
		int s = (int)i / c->q_heads;

		most = fmax(most, attn_reference(cache, s, (int)i % c->q_heads, c->lengths[s] - 1, q + i * (size_t)c->d, NULL,
						 want + i * (size_t)cache->dv));
	}
	l.grid[0] = tiles_of(c);
	no_scales(&l, cache->latent);
	if (cache->latent)
		snprintf(name, sizeof(name), "dsk_mla_decode_%s", type_name(c->kv_type));
	else
		snprintf(name, sizeof(name), "dsk_attn_decode_%s_%d", type_name(c->kv_type), c->d);
	if (!ktest_launch(d, name, &l, "%s", what))
		return;
	if (d->name[0] == 's')
		ktest_ok(device_simt_report.barriers == barriers(c, sequences, d->wave), "%s: matrix: %llu barriers, not %u", what,
			 (unsigned long long)device_simt_report.barriers, barriers(c, sequences, d->wave));
	snprintf(name, sizeof(name), "dsk_attn_merge_%d", cache->dv);
	if (ktest_launch(d, name, merge, "%s", what))
		ktest_close(merge->buffers[0].data, DSK_F32, want, heads * (size_t)cache->dv,
			    1e-6 + 4e-7 * most + (c->kv_type == DSK_BF16 ? 0x1p-8 : 0x1p-11), 0, "%s: matrix", what);
}

static void run(const struct device *d, const struct decode_case *c)
{
	int ordinary = strlen(d->name) <= 8;	/* other devices differ in matrix instructions only */

	struct attn_cache cache;
	int sequences = 1;
	size_t heads, n, n_q;
	float *q, *acc, *ml, *acc_packed, *ml_packed, *out;
	double *want, most = 0;
	char what[192], decode[32], packed[32], merge[32];

	while (sequences < MAX_SEQUENCES && c->lengths[sequences] > 0)
		sequences++;
	if (c->lengths[0] == 1 && c->lengths[1] == 2)
		sequences = 4;		/* the last of length 0 */
	if (c->d == MLA)
		attn_cache_make_latent(&cache, c->q_heads, c->kv_type, c->lengths, sequences);
	else
		attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, c->lengths, sequences);
	cache.p.window = c->window;
	cache.p.splits = c->splits;
	cache.p.flags = c->flags;
	cache.p.cap = c->cap;
	cache.p.scale = c->scale > 0 ? c->scale : cache.p.scale;
	if (c->bad_page)
		cache.pages[1] = c->bad_page;
	heads = (size_t)(sequences * c->q_heads);
	n = heads * (size_t)cache.dv;
	n_q = heads * (size_t)c->d;
	q = random_typed(n_q, DSK_F32, 2);
	acc = malloc(n * (size_t)c->splits * 4);
	ml = malloc(heads * (size_t)c->splits * 8);
	acc_packed = malloc(n * (size_t)c->splits * 4);
	ml_packed = malloc(heads * (size_t)c->splits * 8);
	out = malloc(n * 4);
	want = malloc(n * sizeof(*want));
	for (size_t i = 0; i < heads; i++) {
		int s = (int)i / c->q_heads;

		most = fmax(most, attn_reference(&cache, s, (int)i % c->q_heads, c->lengths[s] - 1, q + i * (size_t)c->d, NULL,
						 want + i * (size_t)cache.dv));
	}
	snprintf(what, sizeof(what), "%s: %s %d, %d:%d heads, %d sequences, %d tokens, window %d, %s, %d splits%s%s%s%s", d->name,
		 cache.latent ? "MLA decode" : "decode", c->d, c->q_heads, c->kv_heads, sequences, c->lengths[0], c->window, type_name(c->kv_type), c->splits,
		 c->flags & DSK_ATTN_SINKS ? ", sinks" : "", c->cap > 0 ? ", cap" : "", c->scale > 0 ? ", large logits" : "",
		 c->bad_page ? ", a bad page" : "");
	snprintf(decode, sizeof(decode), cache.latent ? "dsk_mla_decode" : "dsk_attn_decode_%d", c->d);
	snprintf(packed, sizeof(packed), cache.latent ? "dsk_mla_decode_packed" : "dsk_attn_decode_packed_%d", c->d);
	snprintf(merge, sizeof(merge), "dsk_attn_merge_%d", cache.dv);
	struct simt_launch l = { .grid = { (unsigned int)c->q_heads, (unsigned int)sequences, (unsigned int)c->splits }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(acc, n * (size_t)c->splits * 4), OUT(ml, heads * (size_t)c->splits * 8), IN(q, n_q * 4),
					 ATTN_BUFFERS(cache)) };
	struct simt_launch latent = { .grid = { (unsigned int)c->q_heads, (unsigned int)sequences, (unsigned int)c->splits },
				      LAUNCH_PARAMS(cache.p),
				      BUFFERS(OUT(acc, n * (size_t)c->splits * 4), OUT(ml, heads * (size_t)c->splits * 8), IN(q, n_q * 4),
					      LATENT_BUFFERS(cache)) };
	struct simt_launch m = { .grid = { (unsigned int)c->q_heads, (unsigned int)sequences, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, n * 4), IN(acc, n * (size_t)c->splits * 4), IN(ml, heads * (size_t)c->splits * 8),
					 { cache.sinks, c->flags & DSK_ATTN_SINKS ? (size_t)c->q_heads * 4 : 0, SIMT_IN }) };

	struct simt_launch *plain = cache.latent ? &latent : &l, pack = *plain;

	pack.grid[0] = packs(c);
	pack.buffers[0].data = acc_packed;
	pack.buffers[1].data = ml_packed;
	if (!ordinary)
		goto matrix;
	if (!ktest_launch(d, decode, plain, "%s", what))
		goto out;
	if (d->name[0] == 's')
		ktest_ok(device_simt_report.collectives == shuffles(c, sequences, d->wave), "%s: %llu shuffles, not %u", what,
			 (unsigned long long)device_simt_report.collectives, shuffles(c, sequences, d->wave));
	/* the largest with one size of wave only: it is the test's longest launch */
	if ((c->lengths[0] < 100000 || d->wave == 32) && ktest_launch(d, packed, &pack, "%s", what))
		ktest_ok(!memcmp(acc, acc_packed, n * (size_t)c->splits * 4) && !memcmp(ml, ml_packed, heads * (size_t)c->splits * 8),
			 "%s: packed: the same bits", what);
	if (ktest_launch(d, merge, &m, "%s", what))
		ktest_close(out, DSK_F32, want, n, 1e-6 + 4e-7 * most, 0, "%s", what);
matrix:
	if (c->kv_type != DSK_I8 && c->simt_too)	/* OpenCL's model of the instructions is slow */
		matrix(d, c, &cache, sequences, q, plain, &m, want, what);
out:
	attn_cache_free(&cache);
	free(q); free(acc); free(ml); free(acc_packed); free(ml_packed); free(out); free(want);
}

/* A length that the page table has no room for is the table's: the sequence is 48 tokens, its length says a thousand million. */
static void too_long(const struct device *d)
{
	struct attn_cache cache;
	int lengths[1] = { 48 };
	float q[64], acc[128], ml[4], out[64], *random = random_typed(64, DSK_F32, 2);
	double want[64], most;

	memcpy(q, random, sizeof(q));
	free(random);
	attn_cache_make(&cache, 64, 0, 1, 1, DSK_BF16, lengths, 1);
	cache.p.splits = 2;
	most = attn_reference(&cache, 0, 0, 47, q, NULL, want);
	cache.lengths[0] = 1000000000;
	struct simt_launch l = { .grid = { 1, 1, 2 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(acc, 512), OUT(ml, 16), IN(q, 256), ATTN_BUFFERS(cache)) };
	struct simt_launch m = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p), BUFFERS(OUT(out, 256), IN(acc, 512), IN(ml, 16), NONE) };

	if (ktest_launch(d, "dsk_attn_decode_64", &l, "%s: too long", d->name) && ktest_launch(d, "dsk_attn_merge_64", &m, "%s: too long", d->name))
		ktest_close(out, DSK_F32, want, 64, 1e-6 + 4e-7 * most, 0, "%s: decode: a length beyond the table", d->name);
	attn_cache_free(&cache);
}

/* Many small weights: CDNA2's instruction takes what is subnormal in f16 for 0. */
static void tail(const struct device *d, int size, int type)
{
	struct attn_cache cache;
	const int lengths[1] = { 600 };
	float q[2 * MLA], acc[2 * DSK_MLA_LATENT], ml[4], out[2 * DSK_MLA_LATENT];
	double want[2 * DSK_MLA_LATENT], most = 0;
	char name[32], what[96];

	if (size == MLA)
		attn_cache_make_latent(&cache, 2, type, lengths, 1);
	else
		attn_cache_make(&cache, size, 0, 2, 1, type, lengths, 1);
	attn_cache_tail(&cache, q, 2);
	for (int h = 0; h < 2; h++)
		most = fmax(most, attn_reference(&cache, 0, h, lengths[0] - 1, q + h * size, NULL, want + h * cache.dv));
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(acc, (size_t)cache.dv * 8), OUT(ml, 16), IN(q, (size_t)size * 8), ATTN_BUFFERS(cache)) };
	struct simt_launch latent = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				      BUFFERS(OUT(acc, (size_t)cache.dv * 8), OUT(ml, 16), IN(q, (size_t)size * 8), LATENT_BUFFERS(cache)) };
	struct simt_launch m = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, (size_t)cache.dv * 8), IN(acc, (size_t)cache.dv * 8), IN(ml, 16), NONE) };

	if (size == MLA) {
		l = latent;
		snprintf(name, sizeof(name), "dsk_mla_decode_%s", type_name(type));
	} else {
		snprintf(name, sizeof(name), "dsk_attn_decode_%s_%d", type_name(type), size);
	}
	no_scales(&l, cache.latent);
	snprintf(what, sizeof(what), "%s: %s: many small weights", d->name, name);
	if (ktest_launch(d, name, &l, "%s", what)) {
		snprintf(name, sizeof(name), "dsk_attn_merge_%d", cache.dv);
		if (ktest_launch(d, name, &m, "%s", what))
			ktest_close(out, DSK_F32, want, 2 * (size_t)cache.dv, 1e-6 + 4e-7 * most + (type == DSK_BF16 ? 0x1p-8 : 0x1p-11), 0, "%s", what);
	}
	attn_cache_free(&cache);
}

/* A length that changes while it is read, of MLA, whose waves meet at each tile. */
static void restless(const struct device *d)
{
	struct attn_cache cache;
	const int lengths[1] = { 300 };
	int shorter[1] = { 20 };
	float *q = random_typed(MLA, DSK_F32, 1), acc[DSK_MLA_LATENT], ml[2];

	attn_cache_make_latent(&cache, 1, DSK_F16, lengths, 1);
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(acc, sizeof(acc)), OUT(ml, 8), IN(q, MLA * 4), LATENT_BUFFERS(cache)) };

	no_scales(&l, 1);
	l.buffers[5].other = shorter;
	ktest_ok(ktest_launch(d, "dsk_mla_decode_f16", &l, "%s: a length that changes", d->name), "%s: MLA decode: matrix: a length that changes meanwhile",
		 d->name);
	attn_cache_free(&cache);
	free(q);
}

enum form { PLAIN, PACKED, MATRIX };

/* Loads of one launch over @tokens. */
static uint64_t loads(const struct device *d, const struct decode_case *c, int tokens, enum form form)
{
	struct attn_cache cache;
	size_t heads = (size_t)c->q_heads;
	float *q, *acc, *ml;
	char name[32];
	struct simt_launch l = { .grid = { form == MATRIX ? tiles_of(c) : form == PACKED ? packs(c) : (unsigned int)c->q_heads, 1, 1 } };

	if (c->d == MLA)
		attn_cache_make_latent(&cache, c->q_heads, c->kv_type, &tokens, 1);
	else
		attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, &tokens, 1);
	q = random_typed(heads * (size_t)c->d, DSK_F32, 1);
	acc = malloc(heads * (size_t)cache.dv * 4);
	ml = malloc(heads * 8);
	struct simt_launch ordinary = { LAUNCH_PARAMS(cache.p), BUFFERS(OUT(acc, heads * (size_t)cache.dv * 4), OUT(ml, heads * 8),
								      IN(q, heads * (size_t)c->d * 4), ATTN_BUFFERS(cache)) };
	struct simt_launch latent = { LAUNCH_PARAMS(cache.p), BUFFERS(OUT(acc, heads * (size_t)cache.dv * 4), OUT(ml, heads * 8),
								    IN(q, heads * (size_t)c->d * 4), LATENT_BUFFERS(cache)) };
	unsigned int groups = l.grid[0];

	l = cache.latent ? latent : ordinary;
	memcpy(l.grid, (unsigned int[]){ groups, 1, 1 }, sizeof(l.grid));
	if (form == MATRIX)
		no_scales(&l, cache.latent);
	snprintf(name, sizeof(name), cache.latent ? "dsk_mla_decode%s%s" : "dsk_attn_decode%s%s_%d", form == PACKED ? "_packed" : form == MATRIX ? "_" : "",
		 form == MATRIX ? type_name(c->kv_type) : "", c->d);
	if (!ktest_launch(d, name, &l, "%s: loads", d->name))
		device_simt_report.loads = 0;
	attn_cache_free(&cache);
	free(q); free(acc); free(ml);
	return device_simt_report.loads;
}

/* What a token more costs in loads: as many times less as there are fewer groups. */
static void shared_loads(const struct device *d)
{
	static const struct decode_case shapes[] = {
		{ .d = 64, .q_heads = 8, .kv_heads = 1, .kv_type = DSK_BF16 },
		{ .d = 128, .q_heads = 8, .kv_heads = 2, .kv_type = DSK_I8 },
		{ .d = 64, .q_heads = 9, .kv_heads = 1, .kv_type = DSK_F16 },
		{ .d = MLA, .q_heads = 8, .kv_heads = 1, .kv_type = DSK_BF16 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct decode_case *c = &shapes[i];
		uint64_t plain = loads(d, c, 32, PLAIN) - loads(d, c, 16, PLAIN), packed = loads(d, c, 32, PACKED) - loads(d, c, 16, PACKED);

		ktest_ok(packed && plain * packs(c) == packed * (unsigned int)c->q_heads,
			 "%s: decode %d, %d:%d heads, %s: %llu loads a token, packed %llu: %.2f times less", d->name, c->d, c->q_heads, c->kv_heads,
			 type_name(c->kv_type), (unsigned long long)plain / 16, (unsigned long long)packed / 16,
			 packed ? (double)plain / (double)packed : 0);
	}
}

/* The same of the matrix form, by a round of all waves. It counts words, not elements, and its own of LDS. */
static void matrix_loads(const struct device *d)
{
	static const struct decode_case shapes[] = {
		{ .d = 64, .q_heads = 16, .kv_heads = 1, .kv_type = DSK_BF16 },
		{ .d = 128, .q_heads = 16, .kv_heads = 1, .kv_type = DSK_F16 },
		{ .d = MLA, .q_heads = 16, .kv_heads = 1, .kv_type = DSK_BF16 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct decode_case *c = &shapes[i];
		uint64_t packed = loads(d, c, 32, PACKED) - loads(d, c, 16, PACKED), matrix = loads(d, c, 512, MATRIX) - loads(d, c, 256, MATRIX);

		ktest_ok(matrix && matrix / 16 < packed, "%s: decode %d, %d:%d heads, %s: %llu loads a token, packed %llu", d->name, c->d, c->q_heads,
			 c->kv_heads, type_name(c->kv_type), (unsigned long long)matrix / 256, (unsigned long long)packed / 16);
	}
}

static void test(const struct device *d)
{
	tail(d, 64, DSK_F16);
	tail(d, 64, DSK_BF16);
	tail(d, 128, DSK_F16);
	tail(d, MLA, DSK_F16);
	if (strlen(d->name) <= 8)
		too_long(d);
	if (d->name[0] == 's') {
		restless(d);
		if (strlen(d->name) <= 8)
			shared_loads(d);
		matrix_loads(d);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (cases[i].simt_too || d->name[0] == 'o')
			run(d, &cases[i]);
}

int main(void)
{
	return ktest_main_mma(test);
}
