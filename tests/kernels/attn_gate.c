/* SPDX-License-Identifier: MIT */
/*
 * Gates, the selection of blocks, attention over selected blocks. Pooled and projected rows: 4e-6. Selection: exact, of rows of small
 * integers, whose products have no rounding and many equals. Gates: 4e-6 relative. Attention: as attn_prefill.c's plain kernel; with all
 * blocks selected its bits.
 */
#include "attn_ref.h"

#define MAX_SEQUENCES	3

static struct dsk_gate_params gate_params(const struct attn_cache *c, int query_blocks)
{
	return (struct dsk_gate_params){ .q_heads = c->p.q_heads, .kv_heads = c->p.kv_heads, .max_pages = c->p.max_pages,
					 .n_pages = c->p.n_pages, .kv_type = c->p.kv_type, .d = c->d, .query_blocks = query_blocks,
					 .key_blocks = (c->p.max_pages * DSK_PAGE + DSK_BLOCK - 1) / DSK_BLOCK, .sinks = 1, .scale = 1,
					 .block_stride = (c->p.max_pages * DSK_PAGE + DSK_BLOCK - 1) / DSK_BLOCK / 32 + 1 };
}

/* ---- pooling */

static const struct pool_case {
	int d, g, q_heads, kv_heads, queries[MAX_SEQUENCES], lengths[MAX_SEQUENCES], kv_type, bad_page, too_long;
} pools[] = {
	{ 64, 1, 1, 1, { 1 }, { 1 }, DSK_BF16, 0 },
	{ 64, 16, 2, 1, { 63, 64, 65 }, { 100, 64, 129 }, DSK_F16, 0 },
	{ 128, 7, 3, 3, { 3, 200 }, { 20, 200 }, DSK_I8, -1 },
	{ 5, 300, 1, 1, { 2 }, { 66 }, DSK_BF16, 0x7fffffff },
	{ 64, 4, 1, 1, { 2 }, { 80 }, DSK_BF16, 0, 1 },
	{ 256, 3, 1, 1, { 1 }, { 17 }, DSK_BF16, 0 },
};

static void pool(const struct device *d, const struct pool_case *c)
{
	struct attn_cache cache;
	struct dsk_gate_params p;
	int sequences = 0, starts[MAX_SEQUENCES + 1] = { 0 }, blocks = 1;
	size_t n_a, n_b, n_q, at = 0;
	float *q, *wq, *wk, *a, *b;
	double *want_a, *want_b;

	while (sequences < MAX_SEQUENCES && c->queries[sequences]) {
		starts[sequences + 1] = starts[sequences] + c->queries[sequences];
		blocks = (c->queries[sequences] + DSK_BLOCK - 1) / DSK_BLOCK > blocks ? (c->queries[sequences] + DSK_BLOCK - 1) / DSK_BLOCK : blocks;
		sequences++;
	}
	attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, c->lengths, sequences);
	if (c->bad_page)
		cache.pages[1] = c->bad_page;
	p = gate_params(&cache, blocks);
	p.queries = starts[sequences];
	p.g = c->g;
	n_q = (size_t)(starts[sequences] * c->q_heads * c->d);
	n_a = (size_t)(sequences * blocks * c->q_heads * c->g);
	n_b = (size_t)(sequences * p.key_blocks * c->kv_heads * c->g);
	q = random_typed(n_q, DSK_F32, 2);
	wq = random_typed((size_t)(c->q_heads * c->g * c->d), DSK_F32, 0.1f);
	wk = random_typed((size_t)(c->kv_heads * c->g * c->d), DSK_F32, 0.1f);
	a = malloc(n_a * 4);
	b = malloc(n_b * 4);
	want_a = malloc(n_a * sizeof(double));
	want_b = malloc(n_b * sizeof(double));
	for (int s = 0; s < sequences; s++)
		for (int i = 0; i < blocks; i++)
			for (int h = 0; h < c->q_heads; h++)
				for (int g = 0; g < c->g; g++, at++) {
					int n = 0;

					want_a[at] = 0;
					for (int t = i * DSK_BLOCK; t < (i + 1) * DSK_BLOCK && t < c->queries[s]; t++, n++)
						for (int e = 0; e < c->d; e++)
							want_a[at] += (double)wq[(h * c->g + g) * c->d + e] *
								q[((starts[s] + t) * c->q_heads + h) * c->d + e];
					want_a[at] /= n ? n : 1;
				}
	at = 0;
	for (int s = 0; s < sequences; s++)
		for (int j = 0; j < p.key_blocks; j++)
			for (int h = 0; h < c->kv_heads; h++)
				for (int g = 0; g < c->g; g++, at++) {
					int n = 0;

					want_b[at] = 0;
					for (int t = j * DSK_BLOCK; t < (j + 1) * DSK_BLOCK && t < c->lengths[s]; t++) {
						int page = cache.pages[s * p.max_pages + t / DSK_PAGE];

						if (page < 0 || page >= p.n_pages)
							continue;
						for (int e = 0; e < c->d; e++)
							want_b[at] += wk[(h * c->g + g) * c->d + e] *
								attn_cache_key(&cache, (size_t)((page * DSK_PAGE + t % DSK_PAGE) * c->kv_heads + h), e);
						n++;
					}
					want_b[at] /= n ? n : 1;
				}
	struct simt_launch lq = { .grid = { (unsigned int)blocks, (unsigned int)c->q_heads, (unsigned int)sequences }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(a, n_a * 4), IN(q, n_q * 4), IN(starts, (size_t)(sequences + 1) * 4),
					  IN(wq, (size_t)(c->q_heads * c->g * c->d) * 4)) };
	struct simt_launch lk = { .grid = { (unsigned int)p.key_blocks, (unsigned int)c->kv_heads, (unsigned int)sequences }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(b, n_b * 4), IN(cache.k, cache.rows * (size_t)c->d * type_size(c->kv_type)),
					  { cache.k_scales, cache.k_scales ? cache.rows * 4 : 0, SIMT_IN },
					  IN(cache.pages, (size_t)(sequences * p.max_pages) * 4), IN(cache.lengths, (size_t)sequences * 4),
					  IN(wk, (size_t)(c->kv_heads * c->g * c->d) * 4)) };

	if (ktest_launch(d, "dsk_gate_queries", &lq, "%s: pool", d->name))
		ktest_close(a, DSK_F32, want_a, n_a, 4e-6, 0, "%s: gate of queries, %d to %d, %d heads, %d sequences, %d queries", d->name, c->d,
			    c->g, c->q_heads, sequences, c->queries[0]);
	cache.lengths[0] = c->too_long ? 1000000000 : cache.lengths[0];		/* the table's */
	if (ktest_launch(d, "dsk_gate_keys", &lk, "%s: pool", d->name))
		ktest_close(b, DSK_F32, want_b, n_b, 4e-6, 0, "%s: gate of keys, %d to %d, %d heads, %d sequences, %d tokens, %s%s%s", d->name, c->d,
			    c->g, c->kv_heads, sequences, c->lengths[0], type_name(c->kv_type), c->bad_page ? ", a bad page" : "",
			    c->too_long ? ", too long" : "");
	attn_cache_free(&cache);
	free(q); free(wq); free(wk); free(a); free(b); free(want_a); free(want_b);
}

/* ---- selection */

enum odd { NONE_ODD, NAN_QUERY, ODD_KEYS };

static const struct select_case {
	int g, q_heads, kv_heads, queries[MAX_SEQUENCES], lengths[MAX_SEQUENCES], top_k, sinks;
	float threshold;
	enum odd odd;
	int no_gates, few_blocks;	/* buffers for so many key blocks, fewer than there are */
} selections[] = {
	{ 1, 1, 1, { 1 }, { 1 }, 1, 1, 0, NONE_ODD, 0, 0 },
	{ 4, 2, 1, { 65, 130 }, { 65, 500 }, 2, 1, 0, NONE_ODD, 0, 0 },
	{ 3, 4, 2, { 200, 1, 64 }, { 1000, 2000, 64 }, 5, 2, 0, NONE_ODD, 0, 0 },
	{ 4, 1, 1, { 1 }, { 2112 }, 0, 0, 0, NONE_ODD, 1, 0 },
	{ 4, 1, 1, { 1 }, { 2113 }, 3, 40, 0, NONE_ODD, 0, 0 },
	{ 4, 2, 2, { 60 }, { 3000 }, 100, 0, 0.0123f, NONE_ODD, 0, 0 },
	{ 4, 1, 1, { 10 }, { 3000 }, 4, 1, 0.031f, NONE_ODD, 0, 0 },
	{ 8, 1, 1, { 2 }, { 20000 }, 17, 1, 0, NONE_ODD, 0, 0 },
	{ 2, 1, 1, { 70 }, { 700 }, 3, 1, 0, NAN_QUERY, 0, 0 },
	{ 2, 1, 1, { 70 }, { 700 }, 3, 0, 0, ODD_KEYS, 0, 0 },
	{ 4, 1, 1, { 30 }, { 1000 }, 2, 1, 0, NONE_ODD, 0, 7 },
	{ 4, 1, 1, { 200 }, { 0 }, 2, 1, 0, NONE_ODD, 0, 0 },		/* more queries than tokens */
};

static void reference(const struct dsk_gate_params *p, int before, int first, int n_queries, const float *a, const float *b, unsigned int *blocks,
		      int *counts, double *gates)
{
	int last = first + DSK_BLOCK < n_queries ? first + DSK_BLOCK : n_queries;
	double s[DSK_MAX_BLOCKS], top = -1e30, sum = 0;
	int taken[DSK_MAX_BLOCKS] = { 0 }, visible = 0;

	memset(blocks, 0, (size_t)p->block_stride * 4);
	counts[0] = counts[1] = 0;
	for (int j = 0; j < p->key_blocks; j++) {
		gates[j] = 0;
		if (first >= n_queries || j * DSK_BLOCK > before + last - 1)
			continue;
		s[j] = 0;
		for (int i = 0; i < p->g; i++)
			s[j] += (double)a[i] * b[j * p->kv_heads * p->g + i];
		s[j] = isnan(s[j]) ? -2e30 : fmax(fmin(s[j] * p->scale, 1e30), -1e30);
		top = fmax(top, s[j]);
		visible++;
	}
	for (int j = 0; j < visible; j++)
		sum += exp(s[j] - top);
	for (int j = 0; j < visible; j++) {
		gates[j] = sum > 0 ? exp(s[j] - top) / sum : 0;
		taken[j] = j < p->sinks || (j + 1) * DSK_BLOCK > before + first;
	}
	for (int k = 0; k < p->top_k; k++) {
		int best = -1;

		for (int j = 0; j < visible; j++)
			if (!taken[j] && (best < 0 || s[j] > s[best]))
				best = j;
		if (best >= 0)
			taken[best] = gates[best] >= p->threshold ? 1 : 2;
	}
	for (int j = 0; j < visible; j++) {
		blocks[j / 32] |= (unsigned int)(taken[j] == 1) << j % 32;
		counts[0] += taken[j] != 1;
		counts[1]++;
	}
}

static void select_blocks(const struct device *d, const struct select_case *c)
{
	struct attn_cache cache;
	struct dsk_gate_params p;
	int sequences = 0, starts[MAX_SEQUENCES + 1] = { 0 }, most = 1, close = 0, skipped = 0, visible = 0;
	size_t n_a, n_b, rows, n_gates;
	float *a, *b, *gates;
	unsigned int *blocks, *want_blocks;
	int *counts, *want_counts;
	double *want_gates;
	char what[160];

	while (sequences < MAX_SEQUENCES && c->queries[sequences]) {
		starts[sequences + 1] = starts[sequences] + c->queries[sequences];
		most = c->queries[sequences] > most ? c->queries[sequences] : most;
		sequences++;
	}
	attn_cache_make(&cache, 1, 0, c->q_heads, c->kv_heads, DSK_BF16, c->lengths, sequences);
	p = gate_params(&cache, (most + DSK_BLOCK - 1) / DSK_BLOCK);
	p.g = c->g;
	p.queries = starts[sequences];
	p.top_k = c->top_k;
	p.sinks = c->sinks;
	p.scale = 0.25f;
	p.threshold = c->threshold;
	p.flags = c->no_gates ? 0 : DSK_GATE_PROBABILITIES;
	p.key_blocks = c->few_blocks ? c->few_blocks : p.key_blocks;
	rows = (size_t)(sequences * p.query_blocks * c->q_heads);
	n_a = rows * (size_t)c->g;
	n_b = (size_t)(sequences * p.key_blocks * c->kv_heads * c->g);
	n_gates = rows * (size_t)p.key_blocks;
	a = malloc(n_a * 4);
	b = malloc(n_b * 4);
	for (size_t i = 0; i < n_a; i++)
		a[i] = c->odd == NAN_QUERY ? NAN : (float)random_int(-3, 3);
	for (size_t i = 0; i < n_b; i++)
		b[i] = (float)random_int(-3, 3);
	for (size_t i = 0; i < n_b && c->odd == ODD_KEYS; i++)
		b[i] = random_int(0, 2) ? b[i] : random_int(0, 1) ? INFINITY : random_int(0, 1) ? -INFINITY : NAN;
	gates = malloc(n_gates * 4);
	blocks = malloc(rows * (size_t)p.block_stride * 4);
	want_blocks = malloc(rows * (size_t)p.block_stride * 4);
	counts = malloc(rows * 8);
	want_counts = malloc(rows * 8);
	want_gates = malloc(n_gates * sizeof(double));
	for (size_t r = 0; r < rows; r++) {
		int h = (int)r % c->q_heads, i = (int)r / c->q_heads % p.query_blocks, s = (int)r / c->q_heads / p.query_blocks;

		reference(&p, c->lengths[s] - c->queries[s], i * DSK_BLOCK, c->queries[s], a + r * (size_t)c->g,
			  b + (s * p.key_blocks * c->kv_heads + h / (c->q_heads / c->kv_heads)) * c->g, want_blocks + r * (size_t)p.block_stride,
			  want_counts + 2 * r, want_gates + r * (size_t)p.key_blocks);
		skipped += want_counts[2 * r];
		visible += want_counts[2 * r + 1];
	}
	for (size_t i = 0; i < n_gates; i++)		/* none that rounding decides */
		close += c->threshold > 0 && fabs(want_gates[i] - c->threshold) < 1e-4 * c->threshold;
	cache.lengths[0] = c->no_gates ? 1000000000 : cache.lengths[0];	/* the table's 2112 tokens */
	snprintf(what, sizeof(what), "%s: %d blocks and %d sinks of %d tokens, %d queries, %d:%d heads, threshold %g%s%s", d->name, c->top_k, c->sinks,
		 c->lengths[0], c->queries[0], c->q_heads, c->kv_heads, (double)c->threshold, c->odd ? ", NaN or infinite" : "",
		 c->few_blocks ? ", few key blocks" : "");
	struct simt_launch l = { .grid = { (unsigned int)p.query_blocks, (unsigned int)c->q_heads, (unsigned int)sequences }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(blocks, rows * (size_t)p.block_stride * 4), OUT(counts, rows * 8),
					 { gates, c->no_gates ? 0 : n_gates * 4, SIMT_OUT }, IN(a, n_a * 4), IN(b, n_b * 4),
					 IN(starts, (size_t)(sequences + 1) * 4), IN(cache.lengths, (size_t)sequences * 4)) };

	if (ktest_launch(d, "dsk_gate_select", &l, "%s", what)) {
		ktest_ok(!close && !memcmp(blocks, want_blocks, rows * (size_t)p.block_stride * 4) && !memcmp(counts, want_counts, rows * 8),
			 "%s: %d of %d skipped", what, skipped, visible);
		if (!c->no_gates)
			ktest_close(gates, DSK_F32, want_gates, n_gates, 1e-12, 4e-6, "%s: gates", what);
	}
	attn_cache_free(&cache);
	free(a); free(b); free(gates); free(blocks); free(want_blocks); free(counts); free(want_counts); free(want_gates);
}

/* ---- attention */

static const struct sparse_case {
	int d, q_heads, kv_heads, queries[MAX_SEQUENCES], lengths[MAX_SEQUENCES], window, kv_type, flags;
	int every;		/* of blocks one in so many is selected; 1: all */
	int stride, simt_too;	/* stride: words of blocks, 0: enough */
} sparse[] = {
	{ 64, 1, 1, { 1 }, { 1 }, 0, DSK_BF16, 0, 1, 0, 1 },
	{ 64, 2, 1, { 17, 70 }, { 17, 200 }, 0, DSK_F16, 0, 1, 0, 1 },
	{ 64, 2, 1, { 100, 3 }, { 260, 130 }, 0, DSK_BF16, DSK_ATTN_SINKS, 2, 0, 1 },
	{ 128, 1, 1, { 20 }, { 500 }, 0, DSK_I8, 0, 3, 0, 1 },
	{ 64, 1, 1, { 30 }, { 400 }, 250, DSK_BF16, 0, 2, 0, 1 },
	{ 64, 1, 1, { 30 }, { 100 }, 4096, DSK_BF16, DSK_ATTN_MASK, 2, 0, 1 },	/* of which nothing is given */
	{ 64, 1, 1, { 2 }, { 2300 }, 0, DSK_BF16, 0, 6, 1, 1 },
	{ 128, 2, 1, { 65, 128, 129 }, { 200, 128, 300 }, 0, DSK_F16, DSK_ATTN_SINKS, 4, 0, 1 },	/* blocks of queries that share a group */
	{ 64, 1, 1, { 66 }, { 66 }, 0, DSK_BF16, 0, 99, 0, 1 },		/* next to nothing */
	{ 128, 2, 2, { 33 }, { 150 }, 0, DSK_BF16, 0, 2, 0, 1 },
	{ 128, 8, 2, { 130 }, { 2000 }, 0, DSK_BF16, 0, 5, 0, 0 },
};

/* To @mask the tokens of blocks that are selected for query block @block. */
static void select_tokens(const struct attn_cache *c, const unsigned int *blocks, int s, int block, int head, unsigned int *mask)
{
	const unsigned int *row = blocks + ((s * c->p.query_blocks + block) * c->p.q_heads + head) * c->p.block_stride;

	for (int t = 0; t < c->lengths[s]; t++)
		if (t / DSK_BLOCK / 32 < c->p.block_stride && row[t / DSK_BLOCK / 32] >> t / DSK_BLOCK % 32 & 1)
			mask[t / 32] |= 1u << t % 32;
}

static void attend(const struct device *d, const struct sparse_case *c, int mma)
{
	int of_group = mma ? 16 * (256 / (int)d->wave) : 16;
	struct attn_cache cache;
	int sequences = 0, starts[MAX_SEQUENCES + 1] = { 0 }, most_queries = 1, words;
	unsigned int *blocks, *mask, tiles = 0;
	size_t heads, n, n_blocks;
	float *q, *out, *dense;
	double *want, most = 0;
	char what[160], name[32];

	while (sequences < MAX_SEQUENCES && c->queries[sequences]) {
		starts[sequences + 1] = starts[sequences] + c->queries[sequences];
		most_queries = c->queries[sequences] > most_queries ? c->queries[sequences] : most_queries;
		sequences++;
	}
	attn_cache_make(&cache, c->d, 0, c->q_heads, c->kv_heads, c->kv_type, c->lengths, sequences);
	cache.p.window = c->window;
	cache.p.flags = c->flags;
	cache.p.queries = starts[sequences];
	cache.p.query_blocks = (most_queries + DSK_BLOCK - 1) / DSK_BLOCK;
	cache.p.block_stride = c->stride ? c->stride : cache.p.max_pages * DSK_PAGE / DSK_BLOCK / 32 + 1;
	words = cache.p.max_pages * DSK_PAGE / 32 + 1;
	heads = (size_t)(starts[sequences] * c->q_heads);
	n = heads * (size_t)c->d;
	n_blocks = (size_t)(sequences * cache.p.query_blocks * c->q_heads * cache.p.block_stride);
	q = random_typed(n, DSK_F32, 2);
	for (size_t i = 0; mma && i < n; i++) {	/* the kernel rounds its queries */
		void *rounded = typed(q + i, 1, c->kv_type);

		q[i] = (float)typed_get(rounded, 0, c->kv_type);
		free(rounded);
	}
	out = malloc(n * 4);
	dense = malloc(n * 4);
	want = malloc(n * sizeof(*want));
	blocks = malloc(n_blocks * 4);
	mask = malloc((size_t)words * 4);
	for (size_t i = 0; i < n_blocks; i++)
		for (int bit = blocks[i] = 0; bit < 32; bit++)
			blocks[i] |= (unsigned int)!random_int(0, c->every - 1) << bit;
	for (int s = 0; s < sequences; s++)
		for (int i = starts[s]; i < starts[s + 1]; i++)
			for (int h = 0; h < c->q_heads; h++) {
				int block = (i - starts[s]) / DSK_BLOCK, position = c->lengths[s] - starts[s + 1] + i;
				int last = position + of_group - 1 < c->lengths[s] ? position + of_group - 1 : c->lengths[s] - 1;
				size_t at = (size_t)(i * c->q_heads + h) * (size_t)c->d;

				memset(mask, 0, (size_t)words * 4);
				select_tokens(&cache, blocks, s, block, h, mask);
				most = fmax(most, attn_reference(&cache, s, h, position, q + at, mask, want + at));
				if ((i - starts[s]) % of_group)
					continue;
				/* the first of a group: tiles that it must pass, of all its blocks of queries */
				for (int b = block + 1; b < block + of_group / DSK_BLOCK && b < cache.p.query_blocks; b++)
					select_tokens(&cache, blocks, s, b, h, mask);
				for (int t = c->window > 0 && position >= c->window ? (position - c->window + 1) / 32 : 0; t <= last / 32; t++)
					tiles += mask[t] != 0;
			}
	snprintf(what, sizeof(what), "%s: %ssparse %d, %d:%d heads, %d sequences, %d of %d, window %d, %s, one block in %d%s", d->name,
		 mma ? "matrix " : "", c->d, c->q_heads,
		 c->kv_heads, sequences, c->queries[0], c->lengths[0], c->window, type_name(c->kv_type), c->every,
		 c->stride ? ", bits for some only" : "");
	struct simt_launch l = { .grid = { (unsigned int)((most_queries + of_group - 1) / of_group), (unsigned int)c->q_heads,
					   (unsigned int)sequences }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, n * 4), IN(q, n * 4), ATTN_BUFFERS(cache), IN(starts, (size_t)(sequences + 1) * 4),
					 IN(blocks, n_blocks * 4), { cache.sinks, c->flags & DSK_ATTN_SINKS ? (size_t)c->q_heads * 4 : 0, SIMT_IN }) };

	snprintf(name, sizeof(name), "dsk_attn_sparse_%s%s%d", mma ? type_name(c->kv_type) : "", mma ? "_" : "", c->d);
	if (mma) {		/* no scales */
		memmove(&l.buffers[4], &l.buffers[6], 5 * sizeof(l.buffers[0]));
		l.n_buffers = 9;
	}
	if (ktest_launch(d, name, &l, "%s", what)) {
		if (d->name[0] == 's')
			ktest_ok(device_simt_report.barriers == l.grid[0] * l.grid[1] * l.grid[2] + 2 * tiles, "%s: %llu barriers for %u tiles", what,
				 (unsigned long long)device_simt_report.barriers, tiles);
		ktest_close(out, DSK_F32, want, n, 1e-6 + 4e-7 * most + (!mma ? 0 : c->kv_type == DSK_BF16 ? 0x1p-8 : 0x1p-11), 0, "%s", what);
	}
	if (c->every == 1) {
		l.buffers[0].data = dense;
		l.buffers[mma ? 7 : 9] = (struct simt_buffer)NONE;
		snprintf(name, sizeof(name), "dsk_attn_prefill_%s%s%d", mma ? type_name(c->kv_type) : "", mma ? "_" : "", c->d);
		if (ktest_launch(d, name, &l, "%s", what))
			ktest_ok(!memcmp(out, dense, n * 4), "%s: all blocks: the bits of the dense kernel", what);
	}
	attn_cache_free(&cache);
	free(q); free(out); free(dense); free(want); free(blocks); free(mask);
}

/*
 * Starts and selected blocks are a tenant's. Keys are zeros here and values 1, so that a query that sees anything gets 1.
 */
static void hostile(const struct device *d, const char *sparse_kernel, int mma)
{
	enum { D = 64, Q = 70, TOKENS = 200 };
	static const int bad[][2] = { { -1, 3 }, { 3, 2 }, { 2, Q + 1 }, { INT32_MIN, INT32_MAX } };
	const int lengths[1] = { TOKENS }, least[1] = { INT32_MIN };
	struct attn_cache cache;
	struct dsk_gate_params p;
	float *q = random_typed(Q * D, DSK_F32, 1), w[D * D] = { 0 }, a[D], b[4 * D] = { 0 }, out[Q][D];
	unsigned int bits[1] = { 0xf }, changed[1] = { 5 };
	int starts[2], counts[2], good = 1;

	attn_cache_make(&cache, D, 0, 1, 1, DSK_F16, lengths, 1);
	for (int t = 0; t < TOKENS; t++)
		for (int i = 0; i < D; i++) {
			size_t at = ((size_t)cache.pages[t / DSK_PAGE] * DSK_PAGE + (size_t)(t % DSK_PAGE)) * D + (size_t)i;

			((unsigned short *)cache.k)[at] = 0;
			((unsigned short *)cache.v)[at] = 0x3c00;
		}
	cache.p.queries = Q;
	cache.p.query_blocks = 1;	/* of the two that the queries are */
	cache.p.block_stride = 1;
	p = gate_params(&cache, 1);
	p.g = D;
	p.queries = Q;
	struct simt_launch lq = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(a, sizeof(a)), IN(q, Q * D * 4), IN(starts, 8), IN(w, sizeof(w))) };
	struct simt_launch ls = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(bits, 4), OUT(counts, 8), NONE, IN(a, sizeof(a)), IN(b, sizeof(b)), IN(starts, 8), IN(cache.lengths, 4)) };
	struct simt_launch la = { .grid = { mma ? 2 : (Q + 15) / 16, 1, 1 }, LAUNCH_PARAMS(cache.p),
				  BUFFERS(OUT(out, sizeof(out)), IN(q, sizeof(out)), ATTN_BUFFERS(cache), IN(starts, 8), IN(bits, 4), NONE) };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad) && !mma; i++) {
		memcpy(starts, bad[i], sizeof(starts));
		if (!ktest_launch(d, "dsk_gate_queries", &lq, "%s: starts %d, %d", d->name, starts[0], starts[1]) ||
		    !ktest_launch(d, "dsk_gate_select", &ls, "%s: starts %d, %d", d->name, starts[0], starts[1]))
			goto out;
		good &= a[0] == 0 && a[D - 1] == 0 && counts[1] == 0 && bits[0] == 0;
	}
	if (!mma) {
		ktest_ok(good, "%s: gate: starts that are none: no queries", d->name);
		starts[0] = 0;
		starts[1] = p.queries = 200;	/* more than a block's: where the first would be doesn't overflow back */
		ls.buffers[6].data = (void *)least;
		if (ktest_launch(d, "dsk_gate_select", &ls, "%s: the least length", d->name))
			ktest_ok(counts[1] == 0 && bits[0] == 0, "%s: gate: the least length is 0: no query sees anything", d->name);
	} else {
		memmove(&la.buffers[4], &la.buffers[6], 5 * sizeof(la.buffers[0]));
		la.n_buffers = 9;
	}
	starts[0] = 0;
	starts[1] = Q;
	bits[0] = 0xf;
	if (ktest_launch(d, sparse_kernel, &la, "%s: few query blocks", d->name)) {
		for (int i = 0; i < Q; i++)
			good &= fabsf(out[i][0] - (i < DSK_BLOCK)) < 1e-6f && out[i][D - 1] == out[i][0];
		ktest_ok(good, "%s: %s: queries of a block that has no bits see nothing", d->name, sparse_kernel);
	}
	if (d->name[0] == 's') {
		la.buffers[mma ? 7 : 9].other = changed;
		ktest_ok(ktest_launch(d, sparse_kernel, &la, "%s: bits that change", d->name), "%s: %s: selected blocks that change meanwhile", d->name,
			 sparse_kernel);
	}
out:
	attn_cache_free(&cache);
	free(q);
}

/* A sequence with more blocks than may be selected, of which the last are looked at: they are not, and nothing is touched. */
static void too_many_blocks(const struct device *d, const char *kernel, int mma)
{
	enum { D = 64 };
	const int lengths[1] = { 16 }, pages = DSK_MAX_BLOCKS * DSK_BLOCK / DSK_PAGE + 4;
	struct attn_cache cache;
	float q[D] = { 1 }, out[D];
	unsigned int *bits = malloc((DSK_MAX_BLOCKS / 32 + 1) * 4);
	int starts[2] = { 0, 1 }, good = 1;

	attn_cache_make(&cache, D, 0, 1, 1, DSK_F16, lengths, 1);
	cache.pages = realloc(cache.pages, (size_t)pages * 4);
	for (int i = 1; i < pages; i++)
		cache.pages[i] = cache.pages[0];
	memset(bits, 0xff, (DSK_MAX_BLOCKS / 32 + 1) * 4);
	cache.p.max_pages = pages;
	cache.lengths[0] = pages * DSK_PAGE;
	cache.p.window = DSK_PAGE;
	cache.p.queries = cache.p.query_blocks = 1;
	cache.p.block_stride = DSK_MAX_BLOCKS / 32 + 1;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				 BUFFERS(OUT(out, sizeof(out)), IN(q, sizeof(q)), ATTN_BUFFERS(cache), IN(starts, 8),
					 IN(bits, (DSK_MAX_BLOCKS / 32 + 1) * 4), NONE) };

	if (mma) {
		memmove(&l.buffers[4], &l.buffers[6], 5 * sizeof(l.buffers[0]));
		l.n_buffers = 9;
	}
	if (ktest_launch(d, kernel, &l, "%s: too many blocks", d->name)) {
		for (int i = 0; i < D; i++)
			good &= out[i] == 0;
		ktest_ok(good, "%s: %s: a block past the %dth isn't selected", d->name, kernel, DSK_MAX_BLOCKS);
	}
	attn_cache_free(&cache);
	free(bits);
}

/*
 * From queries to result: a block far back whose keys are like the queries, and weights that compare them as they are. It is found, and what
 * the result lacks of the dense one is what softmax gives the blocks that are skipped: less than 1 in 1000.
 */
static void needle(const struct device *d, int tokens)
{
	enum { D = 64, QUERIES = 5, TOP_K = 2 };
	struct attn_cache cache;
	struct dsk_gate_params p;
	int starts[2] = { 0, QUERIES }, counts[2], found = tokens / DSK_BLOCK / 2;
	float q[QUERIES][D], a[D], *w = calloc(D * D, 4), *b, out[QUERIES][D], dense[QUERIES][D];
	double want[QUERIES][D];
	unsigned int *blocks;

	attn_cache_make(&cache, D, 0, 1, 1, DSK_BF16, &tokens, 1);
	cache.p.scale = 1;
	p = gate_params(&cache, 1);
	p.g = D;
	p.top_k = TOP_K;
	p.queries = cache.p.queries = QUERIES;
	cache.p.query_blocks = 1;
	cache.p.block_stride = p.block_stride;
	for (int i = 0; i < D; i++) {
		float like = random_int(0, 1) ? 0.75f : -0.75f;

		w[i * D + i] = 1;
		for (int t = 0; t < QUERIES; t++)
			q[t][i] = like + random_float(-0.1f, 0.1f);
		for (int t = found * DSK_BLOCK; t < (found + 1) * DSK_BLOCK; t++)
			((unsigned short *)cache.k)[((size_t)cache.pages[t / DSK_PAGE] * DSK_PAGE + (size_t)(t % DSK_PAGE)) * D + (size_t)i] =
				like > 0 ? 0x3f40 : 0xbf40;	/* 0.75 */
	}
	b = malloc((size_t)(p.key_blocks * D) * 4);
	blocks = malloc((size_t)p.block_stride * 4);
	struct simt_launch lq = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(a, sizeof(a)), IN(q, sizeof(q)), IN(starts, 8), IN(w, D * D * 4)) };
	struct simt_launch lk = { .grid = { (unsigned int)p.key_blocks, 1, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(b, (size_t)(p.key_blocks * D) * 4), IN(cache.k, cache.rows * D * 2), NONE,
					  IN(cache.pages, (size_t)p.max_pages * 4), IN(cache.lengths, 4), IN(w, D * D * 4)) };
	struct simt_launch ls = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(blocks, (size_t)p.block_stride * 4), OUT(counts, 8), NONE, IN(a, sizeof(a)),
					  IN(b, (size_t)(p.key_blocks * D) * 4), IN(starts, 8), IN(cache.lengths, 4)) };
	struct simt_launch la = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(cache.p),
				  BUFFERS(OUT(out, sizeof(out)), IN(q, sizeof(q)), ATTN_BUFFERS(cache), IN(starts, 8),
					  IN(blocks, (size_t)p.block_stride * 4), NONE) };

	if (!ktest_launch(d, "dsk_gate_queries", &lq, "%s: needle", d->name) || !ktest_launch(d, "dsk_gate_keys", &lk, "%s: needle", d->name) ||
	    !ktest_launch(d, "dsk_gate_select", &ls, "%s: needle", d->name) || !ktest_launch(d, "dsk_attn_sparse_64", &la, "%s: needle", d->name))
		goto out;
	ktest_ok(blocks[found / 32] >> found % 32 & 1 && counts[1] == p.key_blocks && counts[0] >= p.key_blocks - TOP_K - 3,
		 "%s: the block of %d that is like the queries is found, %d skipped", d->name, counts[1], counts[0]);
	for (int t = 0; t < QUERIES; t++)
		attn_reference(&cache, 0, 0, tokens - QUERIES + t, q[t], NULL, want[t]);
	ktest_close(out, DSK_F32, want[0], QUERIES * D, 1e-3, 0, "%s: %d tokens, sparse against dense", d->name, tokens);
	la.buffers[0].data = dense;
	la.buffers[9] = (struct simt_buffer)NONE;
	if (d->name[0] == 's' && ktest_launch(d, "dsk_attn_prefill_64", &la, "%s: needle", d->name))
		ktest_close(dense, DSK_F32, want[0], QUERIES * D, 1e-6 + 4e-7 * 40, 0, "%s: %d tokens, dense", d->name, tokens);
out:
	attn_cache_free(&cache);
	free(w); free(b); free(blocks);
}

static void test(const struct device *d)
{
	if (strlen(d->name) <= 8) {
		hostile(d, "dsk_attn_sparse_64", 0);
		too_many_blocks(d, "dsk_attn_sparse_64", 0);
	}
	hostile(d, "dsk_attn_sparse_f16_64", 1);
	too_many_blocks(d, "dsk_attn_sparse_f16_64", 1);
	int plain = strlen(d->name) <= 8;	/* other devices differ in matrix instructions only */

	for (size_t i = 0; plain && i < sizeof(pools) / sizeof(*pools); i++)
		pool(d, &pools[i]);
	for (size_t i = 0; plain && i < sizeof(selections) / sizeof(*selections); i++)
		select_blocks(d, &selections[i]);
	for (size_t i = 0; i < sizeof(sparse) / sizeof(*sparse); i++) {
		if (plain && (sparse[i].simt_too || d->name[0] == 'o'))
			attend(d, &sparse[i], 0);
		if (sparse[i].kv_type != DSK_I8 && sparse[i].simt_too)	/* OpenCL's model of the instructions is slow */
			attend(d, &sparse[i], 1);
	}
	if (plain)
		needle(d, d->name[0] == 'o' ? 100000 : 1000);
}

int main(void)
{
	return ktest_main_mma(test);
}
