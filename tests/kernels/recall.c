/* SPDX-License-Identifier: MIT */
/*
 * What `dseek bench sparse` measures, on the kernels: recall from real text (userspace/model/recall.h) by dense attention and by attention
 * over the blocks that a learned gate selects. Selected blocks are those of the trainer's gate_select(), but where two are as like as
 * rounding, results those of the definition, answers the same words.
 */
#include "../../userspace/model/gate_fit.h"
#include "../../userspace/model/recall.h"
#include "../../userspace/model/sample_text.h"
#include "attn_ref.h"

#define D	64
#define HEADS	2
#define MOMENTS	8

struct setup {
	struct recall task[HEADS];
	float w[HEADS][D * D];
	int blocks, queries;		/* of keys, of queries */
	float *key_means[HEADS], *query_means[HEADS];
};

static float *means(const float *rows, int blocks)
{
	float *m = calloc((size_t)(blocks * D), sizeof(*m));

	for (int i = 0; i < blocks * RECALL_BLOCK; i++)
		for (int c = 0; c < D; c++)
			m[i / RECALL_BLOCK * D + c] += rows[i * D + c] / RECALL_BLOCK;
	return m;
}

/* Weights from the first half of the text, the task from the second. */
static int make(struct setup *s, int words, int quotations)
{
	const struct gate_shape shape = { D, D, RECALL_SCALE };
	const char *text;
	size_t size;
	int rc = 0;

	text = sample_text(&size);
	for (unsigned int h = 0; !rc && h < HEADS; h++) {
		struct recall_params p = { .d = D, .document = 1024, .quotations = 1, .head = h, .known = 8 };
		struct gate_sequence q[MOMENTS];
		struct recall r[MOMENTS];
		float unused[D * D];

		for (unsigned int i = 0; !rc && i < MOMENTS; i++) {
			p.seed = i;
			rc = recall_init(&r[i], text, size / 2, &p);
			q[i] = (struct gate_sequence){ .key_blocks = r[i].n / RECALL_BLOCK };
			q[i].keys = rc ? NULL : means(r[i].k, (int)q[i].key_blocks);
		}
		if (!rc)
			rc = gate_whiten(&shape, q, MOMENTS, 0.1, s->w[h], unused);
		for (unsigned int i = 0; i < MOMENTS; i++) {
			free((void *)q[i].keys);
			recall_fini(&r[i]);
		}
		p = (struct recall_params){ .d = D, .document = (unsigned int)words, .quotations = (unsigned int)quotations, .seed = 77, .head = h };
		if (!rc)
			rc = recall_init(&s->task[h], text + size / 2, size - size / 2, &p);
		if (rc)
			return rc;
		s->blocks = (int)s->task[h].n / RECALL_BLOCK;
		s->queries = quotations;
		s->key_means[h] = means(s->task[h].k, s->blocks);
		s->query_means[h] = means(s->task[h].q, quotations);
	}
	return rc;
}

static void fill_cache(struct attn_cache *cache, const struct setup *s)
{
	for (size_t t = 0; t < s->task[0].n; t++)
		for (size_t h = 0; h < HEADS; h++) {
			size_t row = ((size_t)cache->pages[t / DSK_PAGE] * DSK_PAGE + t % DSK_PAGE) * HEADS + h;
			void *k = typed(s->task[h].k + t * D, D, DSK_F16), *v = typed(s->task[h].v + t * D, D, DSK_F16);

			memcpy((char *)cache->k + row * D * 2, k, D * 2);
			memcpy((char *)cache->v + row * D * 2, v, D * 2);
			free(k);
			free(v);
		}
}

/* Of each question: the definition's result and word, and the kernel's. Returns words that differ. */
static int compare(const struct device *d, const struct setup *s, const float *out, const unsigned int *blocks, int stride, int *ret_right,
		   const char *what)
{
	int n = s->queries * RECALL_BLOCK, other = 0;
	double *want = malloc((size_t)(n * HEADS * D) * sizeof(*want));

	*ret_right = 0;
	for (int i = 0; i < n; i++) {
		unsigned int position = s->task->document + (unsigned int)i;
		float result[HEADS][D];
		unsigned char selected[512];

		for (int h = 0; h < HEADS; h++) {
			const unsigned int *row = blocks ? blocks + (i / RECALL_BLOCK * HEADS + h) * stride : NULL;

			for (unsigned int j = 0; j <= position / RECALL_BLOCK; j++)
				selected[j] = !row || row[j / 32] >> j % 32 & 1;
			recall_attend(&s->task[h], (unsigned int)i, selected, NULL, result[h]);
			for (int c = 0; c < D; c++)
				want[(i * HEADS + h) * D + c] = result[h][c];
		}
		if (!s->task->asked[i])
			continue;
		other += recall_answer(s->task, HEADS, result[0]) != recall_answer(s->task, HEADS, out + i * HEADS * D);
		*ret_right += recall_answer(s->task, HEADS, out + i * HEADS * D) == s->task->words[position + 1];
	}
	/* logits are to 140: half a unit in their last place is 2e-5 of a weight */
	ktest_close(out, DSK_F32, want, (size_t)(n * HEADS * D), 3e-5, 0, "%s: %s, against the definition", d->name, what);
	free(want);
	return other;
}

static void test(const struct device *d)
{
	int words = d->name[0] == 'o' ? 2048 : 384, quotations = d->name[0] == 'o' ? 8 : 1, n, starts[2] = { 0, 0 }, differ = 0, likely = 1;
	int right = 0, right_dense = 0, skipped = 0, visible = 0, length, top_k;
	struct setup s = { 0 };
	struct attn_cache cache;
	struct dsk_gate_params p;
	unsigned int *blocks;
	float *q, *a, *b, *out, *dense;
	int *counts;
	size_t q_bytes, a_bytes, b_bytes, block_bytes, count_bytes;

	if (!ktest_ok(!make(&s, words, quotations), "%s: the task", d->name))
		return;
	n = quotations * RECALL_BLOCK;
	starts[1] = n;
	length = (int)s.task->n;
	top_k = (s.blocks + 3) / 4;
	attn_cache_make(&cache, D, 0, HEADS, HEADS, DSK_F16, &length, 1);
	cache.p.scale = RECALL_SCALE;
	cache.p.query_blocks = quotations;
	cache.p.queries = n;
	cache.p.block_stride = (s.blocks + 31) / 32;
	fill_cache(&cache, &s);
	p = (struct dsk_gate_params){ .q_heads = HEADS, .kv_heads = HEADS, .max_pages = cache.p.max_pages, .n_pages = cache.p.n_pages, .kv_type = DSK_F16,
				      .d = D, .g = D, .query_blocks = quotations, .key_blocks = s.blocks, .block_stride = cache.p.block_stride,
				      .top_k = top_k, .sinks = 1, .scale = RECALL_SCALE, .queries = n };
	q_bytes = (size_t)(n * HEADS * D) * 4;
	a_bytes = (size_t)(quotations * HEADS * D) * 4;
	b_bytes = (size_t)(s.blocks * HEADS * D) * 4;
	block_bytes = (size_t)(quotations * HEADS * p.block_stride) * 4;
	count_bytes = (size_t)(quotations * HEADS) * 8;
	q = malloc(q_bytes);
	out = malloc(q_bytes);
	dense = malloc(q_bytes);
	a = malloc(a_bytes);
	b = malloc(b_bytes);
	blocks = malloc(block_bytes);
	counts = malloc(count_bytes);
	for (int i = 0; i < n; i++)
		for (int h = 0; h < HEADS; h++)
			memcpy(q + (i * HEADS + h) * D, s.task[h].q + i * D, D * 4);
	struct simt_launch lq = { .grid = { (unsigned int)quotations, HEADS, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(a, a_bytes), IN(q, q_bytes), IN(starts, 8), IN(s.w, sizeof(s.w))) };
	struct simt_launch lk = { .grid = { (unsigned int)s.blocks, HEADS, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(b, b_bytes), IN(cache.k, cache.rows * D * 2), NONE, IN(cache.pages, (size_t)p.max_pages * 4),
					  IN(cache.lengths, 4), IN(s.w, sizeof(s.w))) };
	struct simt_launch ls = { .grid = { (unsigned int)quotations, HEADS, 1 }, LAUNCH_PARAMS(p),
				  BUFFERS(OUT(blocks, block_bytes), OUT(counts, count_bytes), NONE, IN(a, a_bytes), IN(b, b_bytes), IN(starts, 8),
					  IN(cache.lengths, 4)) };
	struct simt_launch la = { .grid = { (unsigned int)n / 16, HEADS, 1 }, LAUNCH_PARAMS(cache.p),
				  BUFFERS(OUT(out, q_bytes), IN(q, q_bytes), ATTN_BUFFERS(cache), IN(starts, 8), IN(blocks, block_bytes), NONE) };

	if (!ktest_launch(d, "dsk_gate_queries", &lq, "%s", d->name) || !ktest_launch(d, "dsk_gate_keys", &lk, "%s", d->name) ||
	    !ktest_launch(d, "dsk_gate_select", &ls, "%s", d->name) || !ktest_launch(d, "dsk_attn_sparse_64", &la, "%s", d->name))
		goto out;
	for (int i = 0; i < quotations; i++)
		for (int h = 0; h < HEADS; h++) {
			const struct gate_shape shape = { D, D, RECALL_SCALE };
			unsigned int seen = s.task->document / RECALL_BLOCK + (unsigned int)i + 1, skip;
			unsigned char selected[512];

			skip = gate_select(&shape, s.w[h], s.w[h], s.query_means[h] + i * D, s.key_means[h], seen, 1, 1, (unsigned int)top_k, selected);
			likely &= counts[(i * HEADS + h) * 2] == (int)skip && counts[(i * HEADS + h) * 2 + 1] == (int)seen;
			for (unsigned int j = 0; j < seen; j++)
				differ += selected[j] != (blocks[(i * HEADS + h) * p.block_stride + (int)j / 32] >> j % 32 & 1);
			skipped += (int)skip;
			visible += (int)seen;
		}
	ktest_ok(likely && differ <= 2 * quotations * HEADS / 16, "%s: %d of %d blocks skipped, %d choices other than the trainer's", d->name, skipped,
		 visible, differ);
	ktest_ok(!compare(d, &s, out, blocks, p.block_stride, &right, "sparse"), "%s: sparse: the definition's words", d->name);
	la.buffers[0].data = dense;
	la.buffers[9] = (struct simt_buffer)NONE;
	if (ktest_launch(d, "dsk_attn_prefill_64", &la, "%s: dense", d->name))
		ktest_ok(!compare(d, &s, dense, NULL, 0, &right_dense, "dense"), "%s: dense: the definition's words", d->name);
	ktest_ok(right > n / 2 && right_dense > n / 2 && right >= right_dense * 9 / 10,
		 "%s: %d words in blocks of %d: dense attention answers %d of %d, sparse %d", d->name, length, RECALL_BLOCK, right_dense,
		 quotations * (RECALL_BLOCK - RECALL_CONTEXT), right);
out:
	for (int h = 0; h < HEADS; h++) {
		recall_fini(&s.task[h]);
		free(s.key_means[h]);
		free(s.query_means[h]);
	}
	attn_cache_free(&cache);
	free(q); free(out); free(dense); free(a); free(b); free(blocks); free(counts);
}

int main(void)
{
	return ktest_main(test);
}
