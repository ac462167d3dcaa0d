/* SPDX-License-Identifier: MIT */
/*
 * Prefill attention, the plain kernel and the one with matrix instructions. Tolerance of the plain one: 1e-6, and 4e-7 for each unit of the greatest logit; values are within 1. Matrix
 * instructions take weights rounded to the cache's type, which is an error of both sum and result: another 2^-8 (bf16) or 2^-11 (f16).
 * Their queries are rounded, too; so are the reference's.
 */
#include "attn_ref.h"

#define MAX_SEQUENCES	3

static unsigned int bits_of(float f)
{
	unsigned int u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

#define MLA	(DSK_MLA_NOPE + DSK_MLA_ROPE)		/* as size of a head: dsk_mla_prefill */

static const struct prefill_case {
	int d, q_heads, kv_heads;
	int queries[MAX_SEQUENCES], lengths[MAX_SEQUENCES];	/* lengths 0: as many as queries */
	int window, kv_type, flags;
	float cap;
	int bad_page, simt_too;
} cases[] = {
	{ 64, 1, 1, { 1 }, { 0 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 2, 1, { 17, 1, 3 }, { 0 }, 0, DSK_F16, 0, 0, 0, 1 },
	{ 128, 2, 2, { 33 }, { 0 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 2, 1, { 5, 20 }, { 70, 40 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 1, 1, { 80 }, { 0 }, 16, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 2, 1, { 40 }, { 100 }, 33, DSK_BF16, DSK_ATTN_SINKS, 0, 0, 1 },
	{ 64, 1, 1, { 20 }, { 50 }, 1, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 1, 1, { 40 }, { 0 }, 4096, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 2, 2, { 70 }, { 0 }, 0, DSK_BF16, DSK_ATTN_ALL, 0, 0, 1 },
	{ 64, 1, 1, { 3 }, { 20 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ 64, 1, 1, { 37, 4 }, { 60, 0 }, 0, DSK_BF16, DSK_ATTN_MASK, 0, 0, 1 },
	{ 64, 1, 1, { 37 }, { 0 }, 20, DSK_F16, DSK_ATTN_MASK | DSK_ATTN_SINKS, 0, 0, 1 },
	{ 128, 2, 1, { 19 }, { 0 }, 0, DSK_BF16, DSK_ATTN_SINKS, 4, 0, 1 },
	{ 64, 2, 1, { 18 }, { 45 }, 0, DSK_I8, DSK_ATTN_SINKS, 0, 0, 1 },
	{ 64, 1, 1, { 50 }, { 0 }, 0, DSK_BF16, 0, 0, -1, 1 },
	{ 64, 1, 1, { 70, 2 }, { 0 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ MLA, 1, 1, { 1 }, { 0 }, 0, DSK_BF16, 0, 0, 0, 1 },
	{ MLA, 2, 2, { 17, 3 }, { 0, 40 }, 0, DSK_F16, 0, 0, 0, 1 },
	{ MLA, 1, 1, { 18 }, { 37 }, 5, DSK_I8, DSK_ATTN_SINKS, 4, 0, 1 },
	{ MLA, 1, 1, { 20 }, { 50 }, 4096, DSK_BF16, DSK_ATTN_MASK, 0, 0x7fffffff, 1 },
	{ MLA, 1, 1, { 40 }, { 70 }, 33, DSK_F16, DSK_ATTN_SINKS, 3, -1, 1 },
	{ MLA, 4, 4, { 130, 65 }, { 300, 0 }, 0, DSK_BF16, 0, 0, 0, 0 },
	{ 128, 8, 2, { 300, 65 }, { 1000, 0 }, 256, DSK_BF16, DSK_ATTN_SINKS, 30, 0, 0 },
};

/*
 * Tiles of 32 keys that the kernel must pass, of all heads: those that any of @of_group queries sees by causality and window. Others are work
 * for nothing.
 */
static unsigned int tiles(const struct prefill_case *c, const int *lengths, int sequences, int of_group)
{
	unsigned int n = 0;

	for (int s = 0; s < sequences; s++)
		for (int first = 0; first < c->queries[s]; first += of_group) {
			int before = lengths[s] - c->queries[s], last = before + first + of_group - 1;
			int low = c->window > 0 && before + first - c->window + 1 > 0 ? before + first - c->window + 1 : 0;

			if (last > lengths[s] - 1 || c->flags & DSK_ATTN_ALL)
				last = lengths[s] - 1;
			n += (unsigned int)(last / 32 - low / 32 + 1);
		}
	return n * (unsigned int)c->q_heads;
}

static void run(const struct device *d, const struct prefill_case *c, int mma)
{
	int of_group = mma ? 16 * (256 / (int)d->wave) : 16;
	struct attn_cache cache;
	int sequences = 0, starts[MAX_SEQUENCES + 1] = { 0 }, lengths[MAX_SEQUENCES], most_queries = 0, words;
	size_t heads, n, n_q;
	float *q, *out;
	unsigned int *mask;
	double *want, most = 0;
	char what[192], name[32];

	while (sequences < MAX_SEQUENCES && c->queries[sequences]) {
		lengths[sequences] = c->lengths[sequences] ? c->lengths[sequences] : c->queries[sequences];
		starts[sequences + 1] = starts[sequences] + c->queries[sequences];
		most_queries = c->queries[sequences] > most_queries ? c->queries[sequences] : most_queries;
		sequences++;
	}
	attn_cache_make(&cache, c->d, c->d == MLA ? DSK_MLA_VALUE : 0, c->q_heads, c->kv_heads, c->kv_type, lengths, sequences);
	cache.p.window = c->window;
	cache.p.flags = c->flags;
	cache.p.cap = c->cap;
	cache.p.queries = starts[sequences];
	words = cache.p.mask_stride = cache.p.max_pages * DSK_PAGE / 32 + 1;
	if (c->bad_page)
		cache.pages[1] = c->bad_page;
	heads = (size_t)(starts[sequences] * c->q_heads);
	n = heads * (size_t)cache.dv;
	n_q = heads * (size_t)c->d;
	q = random_typed(n_q, DSK_F32, 2);
	for (size_t i = 0; mma && i < n_q; i++) {
		void *rounded = typed(q + i, 1, c->kv_type);

		q[i] = (float)typed_get(rounded, 0, c->kv_type);
		free(rounded);
	}
	out = malloc(n * 4);
	want = malloc(n * sizeof(*want));
	mask = malloc((size_t)(starts[sequences] * words) * 4);
	for (int i = 0; i < starts[sequences] * words; i++)
		mask[i] = (unsigned int)(splitmix64(&ktest_random) & splitmix64(&ktest_random));
	memset(mask, 0, (size_t)words * 4);		/* the first query sees nothing */
	for (int s = 0; s < sequences; s++)
		for (int i = starts[s]; i < starts[s + 1]; i++)
			for (int h = 0; h < c->q_heads; h++) {
				size_t at = (size_t)(i * c->q_heads + h);

				most = fmax(most, attn_reference(&cache, s, h, lengths[s] - starts[s + 1] + i, q + at * (size_t)c->d,
								 c->flags & DSK_ATTN_MASK ? mask + i * words : NULL,
								 want + at * (size_t)cache.dv));
			}
	snprintf(what, sizeof(what), "%s: %s %d, %d:%d heads, %d sequences, %d of %d, window %d, %s%s%s%s%s%s", d->name,
		 mma ? c->d == MLA ? "matrix MLA prefill" : "matrix prefill" : c->d == MLA ? "MLA prefill" : "prefill", c->d, c->q_heads, c->kv_heads, sequences, c->queries[0], lengths[0], c->window, type_name(c->kv_type), c->flags & DSK_ATTN_SINKS ? ", sinks" : "",
		 c->flags & DSK_ATTN_MASK ? ", mask" : "", c->flags & DSK_ATTN_ALL ? ", not causal" : "", c->cap > 0 ? ", cap" : "",
		 c->bad_page ? ", a bad page" : "");
	if (c->d == MLA)
		snprintf(name, sizeof(name), "dsk_mla_prefill%s%s", mma ? "_" : "", mma ? type_name(c->kv_type) : "");
	else
		snprintf(name, sizeof(name), "dsk_attn_prefill_%s%s%d", mma ? type_name(c->kv_type) : "", mma ? "_" : "", c->d);
	struct simt_launch l = { .grid = { (unsigned int)((most_queries + of_group - 1) / of_group), (unsigned int)c->q_heads,
					   (unsigned int)sequences }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, n * 4), IN(q, n_q * 4), ATTN_BUFFERS(cache), IN(starts, (size_t)(sequences + 1) * 4),
					 { mask, c->flags & DSK_ATTN_MASK ? (size_t)(starts[sequences] * words) * 4 : 0, SIMT_IN },
					 { cache.sinks, c->flags & DSK_ATTN_SINKS ? (size_t)c->q_heads * 4 : 0, SIMT_IN }) };

	if (mma) {		/* no scales */
		memmove(&l.buffers[4], &l.buffers[6], 5 * sizeof(l.buffers[0]));
		l.n_buffers = 9;
	}
	if (ktest_launch(d, name, &l, "%s", what)) {
		if (d->name[0] == 's')	/* one a group, two a tile */
			ktest_ok(device_simt_report.barriers == l.grid[0] * l.grid[1] * l.grid[2] + 2 * tiles(c, lengths, sequences, of_group), "%s: %llu barriers for %u tiles", what,
				 (unsigned long long)device_simt_report.barriers, tiles(c, lengths, sequences, of_group));
		ktest_close(out, DSK_F32, want, n, 1e-6 + 4e-7 * most + (!mma ? 0 : c->kv_type == DSK_BF16 ? 0x1p-8 : 0x1p-11), 0, "%s", what);
	}
	attn_cache_free(&cache);
	free(q); free(out); free(want); free(mask);
}

/* Many small weights: CDNA2's instruction takes what is subnormal in f16 for 0. */
static void tail(const struct device *d, int size, int flags)
{
	struct attn_cache cache;
	const int lengths[1] = { 300 }, starts[2] = { 0, 3 };
	float q[3 * MLA], out[3 * 128];
	double want[3 * 128], most = 0;
	char name[32], what[96];

	attn_cache_make(&cache, size, size == MLA ? DSK_MLA_VALUE : 0, 1, 1, DSK_F16, lengths, 1);
	attn_cache_tail(&cache, q, 3);
	cache.p.flags = flags;
	cache.p.queries = 3;
	for (int i = 0; i < 3; i++)
		most = fmax(most, attn_reference(&cache, 0, 0, lengths[0] - 3 + i, q + i * size, NULL, want + i * cache.dv));
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, (size_t)cache.dv * 12), IN(q, (size_t)size * 12), ATTN_BUFFERS(cache), IN(starts, sizeof(starts)), NONE,
					 { cache.sinks, flags & DSK_ATTN_SINKS ? 4 : 0, SIMT_IN }) };

	memmove(&l.buffers[4], &l.buffers[6], 5 * sizeof(l.buffers[0]));
	l.n_buffers = 9;
	if (size == MLA)
		snprintf(name, sizeof(name), "dsk_mla_prefill_f16");
	else
		snprintf(name, sizeof(name), "dsk_attn_prefill_f16_%d", size);
	snprintf(what, sizeof(what), "%s: %s: many small weights%s", d->name, name, flags ? ", sinks" : "");
	if (ktest_launch(d, name, &l, "%s", what))
		ktest_close(out, DSK_F32, want, 3 * (size_t)cache.dv, 1e-6 + 4e-7 * most + 0x1p-11, 0, "%s", what);
	attn_cache_free(&cache);
}

/*
 * Starts, lengths and masks are a tenant's: what would be outside of the buffers isn't touched, and if starts and lengths change while they are
 * read, waves still meet at the same barriers.
 */
static void hostile(const struct device *d, int mma)
{
	enum { D = 64, Q = 5, TOKENS = 70 };
	static const int bad[][2] = { { -1, 3 }, { 3, 2 }, { 2, Q + 1 }, { INT32_MIN, INT32_MAX }, { INT32_MAX, INT32_MIN }, { Q, Q } };
	const int lengths[1] = { TOKENS }, negative[1] = { -7 };
	int starts[2], others[2] = { 0, 2 }, longer[1] = { 20 };
	struct attn_cache cache;
	float *q = random_typed(Q * D, DSK_F32, 1), out[Q * D];
	unsigned int mask[Q + 1], whole[3];
	double want[Q * D], most = 0;
	char name[32];
	int good = 1;

	attn_cache_make(&cache, D, 0, 1, 1, DSK_F16, lengths, 1);
	cache.p.queries = Q;
	for (int i = 0; i < Q * D; i++) {
		void *rounded = typed(q + i, 1, DSK_F16);

		q[i] = (float)typed_get(rounded, 0, DSK_F16);
		free(rounded);
	}
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(INOUT(out, sizeof(out)), IN(q, sizeof(out)), ATTN_BUFFERS(cache), IN(starts, sizeof(starts)),
					 IN(mask, Q * 4), NONE) };
	struct simt_buffer *b = l.buffers + 4;

	if (mma) {
		memmove(&l.buffers[4], &l.buffers[6], 5 * sizeof(l.buffers[0]));
		l.n_buffers = 9;
	} else {
		b += 2;
	}
	snprintf(name, sizeof(name), mma ? "dsk_attn_prefill_f16_%d" : "dsk_attn_prefill_%d", D);
	memset(out, 0x55, sizeof(out));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		memcpy(starts, bad[i], sizeof(starts));
		if (!ktest_launch(d, name, &l, "%s: starts %d, %d", d->name, starts[0], starts[1]))
			goto out;
		for (int j = 0; j < Q * D; j++)
			good &= bits_of(out[j]) == 0x55555555u;
	}
	ktest_ok(good, "%s: %s: starts that are none: nothing is stored", d->name, name);

	starts[0] = 0;
	starts[1] = Q;
	b[1].data = (void *)negative;
	if (ktest_launch(d, name, &l, "%s: a negative length", d->name)) {
		for (int j = 0; j < Q * D; j++)
			good &= out[j] == 0;
		ktest_ok(good, "%s: %s: a negative length is 0", d->name, name);
	}
	b[1].data = cache.lengths;

	/* a word of mask a query, of which the last token that it has a bit for is 31 */
	cache.p.flags = DSK_ATTN_MASK;
	cache.p.mask_stride = 1;
	for (int i = 0; i < Q; i++) {
		whole[0] = mask[i] = 0xf0f0f0f1u << i;
		whole[1] = whole[2] = 0;
		most = fmax(most, attn_reference(&cache, 0, 0, TOKENS - Q + i, q + i * D, whole, want + i * D));
	}
	if (ktest_launch(d, name, &l, "%s: a short mask", d->name))
		ktest_close(out, DSK_F32, want, Q * D, 1e-6 + 4e-7 * most + 0x1p-11, 0, "%s: %s: a mask for fewer tokens", d->name, name);
	cache.p.flags = 0;
	if (d->name[0] == 's') {
		b[2].other = others;
		b[1].other = longer;
		ktest_ok(ktest_launch(d, name, &l, "%s: starts that change", d->name), "%s: %s: starts and lengths that change meanwhile", d->name, name);
	}
out:
	attn_cache_free(&cache);
	free(q);
}

static void test(const struct device *d)
{
	if (strlen(d->name) <= 8)
		hostile(d, 0);
	hostile(d, 1);
	tail(d, 64, 0);
	tail(d, 128, DSK_ATTN_SINKS);
	tail(d, MLA, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (cases[i].simt_too || d->name[0] == 'o') {
			if (strlen(d->name) <= 8)	/* others differ in matrix instructions only */
				run(d, &cases[i], 0);
			if (cases[i].kv_type != DSK_I8 && cases[i].simt_too)	/* OpenCL's model of the instructions is slow */
				run(d, &cases[i], 1);
		}
}

int main(void)
{
	return ktest_main_mma(test);
}
