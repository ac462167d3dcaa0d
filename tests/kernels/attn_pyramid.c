/* SPDX-License-Identifier: MIT */
/*
 * The pyramid: pools, and decode over them. Pools: exact but for the rounding to the cache's type. Decode, from the formula: 1e-6, and 4e-7 for
 * each unit of the greatest logit; with a reach over the whole sequence, and where keys and values of a pool are equal, that of full
 * attention, the former to the bit. Prefill: the same, with matrix instructions another 2^-8 (bf16) or 2^-11 (f16) as in attn_prefill.c.
 */
#include "attn_ref.h"

#define MAX_SEQUENCES	3

static const struct pyramid_case {
	int d, q_heads, kv_heads, lengths[MAX_SEQUENCES], reach[3], kv_type, splits, flags;
	float cap;
	int bad_page, flat, simt_too;	/* flat: tokens in groups of 8 that are the same */
} cases[] = {
	{ 64, 1, 1, { 1 }, { 0, 0, 0 }, DSK_BF16, 1, 0, 0, 0, 0, 1 },
	{ 64, 2, 1, { 16, 17, 15 }, { 0, 0, 0 }, DSK_F16, 1, 0, 0, 0, 0, 1 },
	{ 64, 1, 1, { 32 }, { 16, 16, 16 }, DSK_BF16, 1, 0, 0, 0, 0, 1 },	/* nothing after the last row, nor in the table */
	{ 64, 2, 1, { 333, 100 }, { 32, 100, 200 }, DSK_BF16, 3, 0, 0, 0, 0, 1 },
	{ 128, 2, 2, { 151 }, { 16, 48, 80 }, DSK_F16, 1, DSK_ATTN_SINKS, 0, 0, 0, 1 },
	{ 64, 1, 1, { 200 }, { 1, 0, 100 }, DSK_BF16, 2, 0, 3, 0, 0, 1 },		/* the second counts as the first */
	{ 64, 1, 1, { 200 }, { 1, 90, 0 }, DSK_BF16, 2, 0, 0, 0, 0, 1 },		/* no level 2 */
	{ 64, 2, 1, { 90, 31 }, { 4096, 5000, 6000 }, DSK_BF16, 2, 0, 0, 0, 0, 1 },	/* longer than the sequences */
	{ 64, 1, 1, { 130 }, { 20, 50, 60 }, DSK_F16, 2, 0, 0, -1, 0, 1 },
	{ 64, 1, 1, { 130 }, { 20, 50, 60 }, DSK_BF16, 2, 0, 0, 0x7fffffff, 0, 1 },
	{ 128, 1, 1, { 170 }, { 20, 50, 100 }, DSK_BF16, 1, 0, 0, 0, 1, 1 },
	{ 64, 2, 1, { 100000 }, { 1024, 4096, 16384 }, DSK_BF16, 64, 0, 0, 0, 0, 0 },
};

static int bound(const struct pyramid_case *c, int n, int l)
{
	int reach = 0;

	for (int i = 0; i < l && l < DSK_LEVELS; i++)
		reach = c->reach[i] > reach ? c->reach[i] : reach;
	return l == 0 ? n : l == DSK_LEVELS || n <= reach ? 0 : (n - reach) / DSK_PAGE * DSK_PAGE;
}

static int rows(const struct pyramid_case *c, int n)
{
	int sum = 0;

	for (int l = 0; l < DSK_LEVELS; l++)
		sum += (bound(c, n, l) - bound(c, n, l + 1)) / (1 << l);
	return sum;
}

/* Element @i of the mean of 2^@l tokens from @token on, all of one page, as the pool has it. */
static double mean(const struct attn_cache *c, int page, int token, int head, int l, int i, double (*of)(const struct attn_cache *, size_t, int))
{
	double sum = 0;
	float rounded;
	void *typed_mean;

	for (int t = token; t < token + (1 << l); t++)
		sum += of(c, (size_t)((page * DSK_PAGE + t % DSK_PAGE) * c->p.kv_heads + head), i);
	rounded = (float)(sum / (1 << l));
	typed_mean = typed(&rounded, 1, c->p.kv_type);
	sum = typed_get(typed_mean, 0, c->p.kv_type);
	free(typed_mean);
	return sum;
}

/* Of a query that is the last of @n tokens. */
static double reference(const struct attn_cache *c, const struct pyramid_case *k, int sequence, int head, int n, const float *q, double *out)
{
	int kv_head = head / (k->q_heads / k->kv_heads);
	double sum = 0, most = 0;

	memset(out, 0, (size_t)c->d * sizeof(*out));
	for (int l = 0; l < DSK_LEVELS; l++)
		for (int t = bound(k, n, l + 1); t < bound(k, n, l); t += 1 << l) {
			int page = c->pages[sequence * c->p.max_pages + t / DSK_PAGE];
			double logit = 0, weight;

			if (page < 0 || page >= c->p.n_pages)
				continue;
			for (int i = 0; i < c->d; i++)
				logit += q[i] * mean(c, page, t, kv_head, l, i, attn_cache_key);
			logit *= c->p.scale;
			logit = (c->p.cap > 0 ? c->p.cap * tanh(logit / c->p.cap) : logit) + l * log(2);
			most = fmax(most, fabs(logit));
			weight = exp(logit);
			sum += weight;
			for (int i = 0; i < c->d; i++)
				out[i] += weight * mean(c, page, t, kv_head, l, i, attn_cache_value);
		}
	if (k->flags & DSK_ATTN_SINKS)
		sum += exp(c->sinks[head]);
	for (int i = 0; i < c->d && sum > 0; i++)
		out[i] /= sum;
	return most;
}

/* Pools of the full pages of all sequences, and of page numbers that are none. Others' stay as they are. */
static int pools(const struct device *d, const struct attn_cache *c, void *k_pools, void *v_pools, size_t bytes, const char *what)
{
	int full[8192], n = 0, good = 1;
	char name[32];
	double (*const of[2])(const struct attn_cache *, size_t, int) = { attn_cache_key, attn_cache_value };
	void *const both[2] = { k_pools, v_pools };

	memset(k_pools, 0xff, bytes);
	memset(v_pools, 0xff, bytes);
	full[n++] = -1;
	for (int s = 0; s < c->sequences; s++)
		for (int i = 0; i < c->lengths[s] / DSK_PAGE; i++)
			full[n++] = c->pages[s * c->p.max_pages + i];
	full[n++] = c->p.n_pages;
	struct simt_launch l = { .grid = { (unsigned int)n, (unsigned int)c->p.kv_heads, 1 }, LAUNCH_PARAMS(c->p),
				 BUFFERS(INOUT(k_pools, bytes), INOUT(v_pools, bytes), IN(c->k, c->rows * (size_t)c->d * 2),
					 IN(c->v, c->rows * (size_t)c->d * 2), IN(full, (size_t)n * 4)) };

	snprintf(name, sizeof(name), "dsk_pyramid_pool_%d", c->d);
	if (!ktest_launch(d, name, &l, "%s", what))
		return 0;
	for (int page = 0; page < c->p.n_pages; page++) {
		int listed = 0;

		for (int i = 0; i < n; i++)
			listed |= full[i] == page;
		for (int kv = 0; kv < 2; kv++)
			for (int level = 1, row = 0; level < DSK_LEVELS; level++)
				for (int t = 0; t < DSK_PAGE; t += 1 << level, row++)
					for (int h = 0; h < c->p.kv_heads; h++)
						for (int i = 0; i < c->d; i += c->lengths[0] > 5000 ? 61 : 1) {
							size_t at = (size_t)(((page * DSK_POOLS + row) * c->p.kv_heads + h) * c->d + i);
							double got = typed_get(both[kv], at, c->p.kv_type);

							good &= listed ? got == mean(c, page, t, h, level, i, of[kv]) : isnan(got);
						}
	}
	return ktest_ok(good, "%s: pools of %d pages", what, n - 2);
}

static void run(const struct device *d, const struct pyramid_case *c)
{
	struct attn_cache cache;
	int sequences = 0, steps = 0, waves = 256 / (int)d->wave;
	size_t heads, n, bytes;
	float *q, *acc, *ml, *out, *acc_full, *ml_full;
	void *k_pools, *v_pools;
	double *want, *full, most = 0, most_full = 0;
	char what[160], decode[32], merge[32], plain[32];

	while (sequences < MAX_SEQUENCES && c->lengths[sequences])
		sequences++;
	attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, c->lengths, sequences);
	cache.p.splits = c->splits;
	cache.p.flags = c->flags;
	cache.p.cap = c->cap;
	cache.p.window = c->flat || c->reach[0] > c->lengths[0] ? 0 : 5;	/* dsk_pyramid_decode doesn't look at it */
	memcpy(cache.p.reach, c->reach, sizeof(c->reach));
	for (int t = 0; c->flat && t < c->lengths[0]; t++)
		for (int kv = 0; kv < 2; kv++) {
			char *p = kv ? cache.v : cache.k;
			size_t row = (size_t)(c->d * c->kv_heads * 2), page = (size_t)cache.pages[t / DSK_PAGE] * DSK_PAGE;

			memcpy(p + (page + (size_t)(t % DSK_PAGE)) * row, p + (page + (size_t)(t % DSK_PAGE / 8 * 8)) * row, row);
		}
	heads = (size_t)(sequences * c->q_heads);
	n = heads * (size_t)c->d;
	bytes = (size_t)(cache.p.n_pages * DSK_POOLS * c->kv_heads * c->d) * 2;
	q = random_typed(n, DSK_F32, 2);
	acc = malloc(n * (size_t)c->splits * 4);
	ml = malloc(heads * (size_t)c->splits * 8);
	acc_full = malloc(n * (size_t)c->splits * 4);
	ml_full = malloc(heads * (size_t)c->splits * 8);
	out = malloc(n * 4);
	k_pools = malloc(bytes);
	v_pools = malloc(bytes);
	want = malloc(n * sizeof(*want));
	full = malloc(n * sizeof(*full));
	snprintf(what, sizeof(what), "%s: pyramid %d, %d:%d heads, %d sequences, %d tokens, reach %d %d %d, %s, %d splits%s%s%s%s", d->name, c->d,
		 c->q_heads, c->kv_heads, sequences, c->lengths[0], c->reach[0], c->reach[1], c->reach[2], type_name(c->kv_type), c->splits,
		 c->flags & DSK_ATTN_SINKS ? ", sinks" : "", c->cap > 0 ? ", cap" : "", c->flat ? ", equal in eights" : "",
		 c->bad_page ? ", a bad page" : "");
	if (!pools(d, &cache, k_pools, v_pools, bytes, what))
		goto out;
	if (c->bad_page)
		cache.pages[1] = c->bad_page;
	for (size_t i = 0; i < heads; i++) {
		int s = (int)i / c->q_heads, of_head = rows(c, c->lengths[s]), each = (of_head + c->splits - 1) / c->splits;

		most = fmax(most, reference(&cache, c, s, (int)i % c->q_heads, c->lengths[s], q + i * (size_t)c->d, want + i * (size_t)c->d));
		if (c->flat)
			most_full = fmax(most_full, attn_reference(&cache, s, (int)i % c->q_heads, c->lengths[s] - 1, q + i * (size_t)c->d, NULL,
								   full + i * (size_t)c->d));
		for (int first = 0; first < of_head; first += each)
			steps += ((first + each < of_head ? each : of_head - first) + waves - 1) / waves;
	}
	snprintf(decode, sizeof(decode), "dsk_pyramid_decode_%d", c->d);
	snprintf(plain, sizeof(plain), "dsk_attn_decode_%d", c->d);
	snprintf(merge, sizeof(merge), "dsk_attn_merge_%d", c->d);
	struct simt_launch l = { .grid = { (unsigned int)c->q_heads, (unsigned int)sequences, (unsigned int)c->splits }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(acc, n * (size_t)c->splits * 4), OUT(ml, heads * (size_t)c->splits * 8), IN(q, n * 4),
					 IN(cache.k, cache.rows * (size_t)c->d * 2), IN(cache.v, cache.rows * (size_t)c->d * 2),
					 IN(k_pools, bytes), IN(v_pools, bytes), IN(cache.pages, (size_t)(sequences * cache.p.max_pages) * 4),
					 IN(cache.lengths, (size_t)sequences * 4)) };
	struct simt_launch m = { .grid = { (unsigned int)c->q_heads, (unsigned int)sequences, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, n * 4), IN(acc, n * (size_t)c->splits * 4), IN(ml, heads * (size_t)c->splits * 8),
					 { cache.sinks, c->flags & DSK_ATTN_SINKS ? (size_t)c->q_heads * 4 : 0, SIMT_IN }) };

	if (!ktest_launch(d, decode, &l, "%s", what))
		goto out;
	if (d->name[0] == 's')
		ktest_ok(device_simt_report.collectives == (unsigned int)(steps * waves) * (d->wave == 64 ? 6 : 5),
			 "%s: %llu shuffles, %d steps", what, (unsigned long long)device_simt_report.collectives, steps);
	if (c->reach[0] > c->lengths[0]) {
		struct simt_launch f = l;

		f.buffers[0].data = acc_full;
		f.buffers[1].data = ml_full;
		f.buffers[5] = f.buffers[6] = (struct simt_buffer)NONE;
		if (ktest_launch(d, plain, &f, "%s", what))
			ktest_ok(!memcmp(acc, acc_full, n * (size_t)c->splits * 4) && !memcmp(ml, ml_full, heads * (size_t)c->splits * 8),
				 "%s: the bits of full attention", what);
	}
	if (ktest_launch(d, merge, &m, "%s", what)) {
		ktest_close(out, DSK_F32, want, n, 1e-6 + 4e-7 * most, 0, "%s: %d rows", what, rows(c, c->lengths[0]));
		if (c->flat)
			ktest_close(out, DSK_F32, full, n, 1e-6 + 4e-7 * most_full, 0, "%s: as full attention", what);
	}
out:
	attn_cache_free(&cache);
	free(q); free(acc); free(ml); free(acc_full); free(ml_full); free(out); free(k_pools); free(v_pools); free(want); free(full);
}

/* ---- prefill */

static const struct prefill_case {
	struct pyramid_case c;		/* no splits */
	int queries[MAX_SEQUENCES];	/* the last so many tokens of each sequence */
} prefills[] = {
	{ { 64, 1, 1, { 1 }, { 0, 0, 0 }, DSK_BF16, 1, 0, 0, 0, 0, 1 }, { 1 } },
	{ { 64, 2, 1, { 40, 17, 16 }, { 0, 0, 0 }, DSK_F16, 1, 0, 0, 0, 0, 1 }, { 40, 3, 16 } },
	{ { 64, 2, 1, { 230, 100 }, { 20, 100, 150 }, DSK_BF16, 1, 0, 0, 0, 0, 1 }, { 150, 1 } },
	{ { 128, 2, 2, { 151 }, { 16, 48, 80 }, DSK_F16, 1, DSK_ATTN_SINKS, 0, 0, 0, 1 }, { 33 } },
	{ { 128, 2, 1, { 120, 70 }, { 20, 40, 60 }, DSK_BF16, 1, 0, 0, 0, 0, 1 }, { 33, 2 } },
	{ { 64, 1, 1, { 200 }, { 1, 0, 100 }, DSK_BF16, 1, DSK_ATTN_ALL | DSK_ATTN_MASK, 3, 0, 0, 1 }, { 70 } },	/* of which neither is looked at */
	{ { 64, 1, 1, { 200 }, { 1, 90, 0 }, DSK_F16, 1, 0, 0, 0, 0, 1 }, { 18 } },
	{ { 64, 2, 1, { 90, 31 }, { 4096, 5000, 6000 }, DSK_BF16, 1, 0, 0, 0, 0, 1 }, { 90, 31 } },
	{ { 64, 1, 1, { 130 }, { 20, 50, 60 }, DSK_F16, 1, 0, 0, -1, 0, 1 }, { 20 } },
	{ { 64, 1, 1, { 130 }, { 20, 50, 60 }, DSK_BF16, 1, 0, 0, 0x7fffffff, 0, 1 }, { 20 } },
	{ { 64, 1, 1, { 3000 }, { 256, 512, 1024 }, DSK_BF16, 1, 0, 0, 0, 0, 0 }, { 100 } },
};

/* Tiles of 32 rows, of all levels, that hold what some query of a group sees. */
static unsigned int tiles(const struct prefill_case *k, int sequences, int of_group)
{
	unsigned int n = 0;

	for (int s = 0; s < sequences; s++)
		for (int first = 0; first < k->queries[s]; first += of_group) {
			int before = k->c.lengths[s] - k->queries[s], last = first + of_group < k->queries[s] ? first + of_group : k->queries[s];

			for (int l = 0; l < DSK_LEVELS; l++) {
				int rows = (bound(&k->c, before + last, l) - bound(&k->c, before + first + 1, l + 1)) >> l;

				n += rows > 0 ? (unsigned int)(rows + 31) / 32 : 0;
			}
		}
	return n * (unsigned int)k->c.q_heads;
}

/* Each query gets what decode gets it as the last of its tokens: the same formula. With matrix instructions, weights are rounded to the type. */
static void prefill(const struct device *d, const struct prefill_case *k, int mma)
{
	const struct pyramid_case *c = &k->c;
	int of_group = mma ? 16 * (256 / (int)d->wave) : 16, sequences = 0, starts[MAX_SEQUENCES + 1] = { 0 }, most_queries = 0;
	struct attn_cache cache;
	size_t n, bytes;
	float *q, *out, *plain;
	void *k_pools, *v_pools;
	double *want, most = 0;
	char what[192], name[40];

	for (; sequences < MAX_SEQUENCES && c->lengths[sequences]; sequences++) {
		starts[sequences + 1] = starts[sequences] + k->queries[sequences];
		most_queries = k->queries[sequences] > most_queries ? k->queries[sequences] : most_queries;
	}
	attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, c->lengths, sequences);
	cache.p.flags = c->flags;
	cache.p.cap = c->cap;
	memcpy(cache.p.reach, c->reach, sizeof(c->reach));
	cache.p.queries = starts[sequences];
	n = (size_t)(starts[sequences] * c->q_heads * c->d);
	bytes = (size_t)(cache.p.n_pages * DSK_POOLS * c->kv_heads * c->d) * 2;
	q = random_typed(n, DSK_F32, 2);
	for (size_t i = 0; mma && i < n; i++) {		/* the kernel rounds its queries */
		void *rounded = typed(q + i, 1, c->kv_type);

		q[i] = (float)typed_get(rounded, 0, c->kv_type);
		free(rounded);
	}
	out = malloc(n * 4);
	plain = malloc(n * 4);
	k_pools = malloc(bytes);
	v_pools = malloc(bytes);
	want = malloc(n * sizeof(*want));
	snprintf(what, sizeof(what), "%s: %spyramid prefill %d, %d:%d heads, %d sequences, %d of %d, reach %d %d %d, %s%s%s%s%s", d->name, mma ? "matrix " : "",
		 c->d, c->q_heads, c->kv_heads, sequences, k->queries[0], c->lengths[0], c->reach[0], c->reach[1], c->reach[2],
		 type_name(c->kv_type), c->flags & DSK_ATTN_SINKS ? ", sinks" : "", c->cap > 0 ? ", cap" : "", c->bad_page ? ", a bad page" : "",
		 c->flags & DSK_ATTN_ALL ? ", flags of others" : "");
	if (!pools(d, &cache, k_pools, v_pools, bytes, what))
		goto out;
	if (c->bad_page)
		cache.pages[1] = c->bad_page;
	for (int s = 0; s < sequences; s++)
		for (int i = starts[s]; i < starts[s + 1]; i++)
			for (int h = 0; h < c->q_heads; h++) {
				size_t at = (size_t)((i * c->q_heads + h) * c->d);

				most = fmax(most, reference(&cache, c, s, h, c->lengths[s] - starts[s + 1] + i + 1, q + at, want + at));
			}
	struct simt_launch l = { .grid = { (unsigned int)((most_queries + of_group - 1) / of_group), (unsigned int)c->q_heads,
					   (unsigned int)sequences }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, n * 4), IN(q, n * 4), IN(cache.k, cache.rows * (size_t)c->d * 2),
					 IN(cache.v, cache.rows * (size_t)c->d * 2), IN(k_pools, bytes), IN(v_pools, bytes),
					 IN(cache.pages, (size_t)(sequences * cache.p.max_pages) * 4), IN(cache.lengths, (size_t)sequences * 4),
					 IN(starts, (size_t)(sequences + 1) * 4),
					 { cache.sinks, c->flags & DSK_ATTN_SINKS ? (size_t)c->q_heads * 4 : 0, SIMT_IN }) };

	snprintf(name, sizeof(name), "dsk_pyramid_prefill_%s%s%d", mma ? type_name(c->kv_type) : "", mma ? "_" : "", c->d);
	if (!ktest_launch(d, name, &l, "%s", what))
		goto out;
	if (d->name[0] == 's')		/* one a group, two a tile */
		ktest_ok(device_simt_report.barriers == l.grid[0] * l.grid[1] * l.grid[2] + 2 * tiles(k, sequences, of_group), "%s: %llu barriers for %u tiles", what,
			 (unsigned long long)device_simt_report.barriers, tiles(k, sequences, of_group));
	ktest_close(out, DSK_F32, want, n, 1e-6 + 4e-7 * most + (!mma ? 0 : c->kv_type == DSK_BF16 ? 0x1p-8 : 0x1p-11), 0, "%s", what);
	if (!mma && c->reach[0] > c->lengths[0]) {
		struct simt_launch f = l;

		f.buffers[0].data = plain;
		f.buffers[4] = f.buffers[5] = f.buffers[10] = (struct simt_buffer)NONE;
		f.buffers[9] = (struct simt_buffer)NONE;
		f.n_buffers = 11;
		snprintf(name, sizeof(name), "dsk_attn_prefill_%d", c->d);
		if (ktest_launch(d, name, &f, "%s", what))
			ktest_ok(!memcmp(out, plain, n * 4), "%s: the bits of full attention", what);
	}
out:
	attn_cache_free(&cache);
	free(q); free(out); free(plain); free(k_pools); free(v_pools); free(want);
}

static void test(const struct device *d)
{
	int plain = strlen(d->name) <= 8;	/* other devices differ in matrix instructions only */

	for (size_t i = 0; plain && i < sizeof(cases) / sizeof(*cases); i++)
		if (cases[i].simt_too || d->name[0] == 'o')
			run(d, &cases[i]);
	for (size_t i = 0; i < sizeof(prefills) / sizeof(*prefills); i++) {
		if (plain && (prefills[i].c.simt_too || d->name[0] == 'o'))
			prefill(d, &prefills[i], 0);
		if (prefills[i].c.simt_too)		/* OpenCL's model of the instructions is slow */
			prefill(d, &prefills[i], 1);
	}
}

int main(void)
{
	return ktest_main_mma(test);
}
