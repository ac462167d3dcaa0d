/* SPDX-License-Identifier: MIT */
/* Pages moved by a table: the same bytes, all others untouched. */
#include "ktest.h"

static const struct {
	int pages, page_bytes, moves;	/* bytes: a multiple of 4 */
	const char *what;
} cases[] = {
	{ 2, 4, 1, "one word" },
	{ 9, 16 * 3 * 64, 4, "int8, 3 heads of 64" },
	{ 8, 16 * 2 * 128 * 2, 3, "bf16, 2 heads of 128" },
	{ 40, 16 * 5 * 4, 20, "scales of 5 heads" },
	{ 300, 16 * 8 * 128 * 2, 140, "bf16, 8 heads of 128" },		/* OpenCL */
};

static void run(const struct device *d, size_t c)
{
	int pages = cases[c].pages, n = cases[c].moves, fault = 0, *order = malloc((size_t)pages * 4), *moves = malloc((size_t)n * 8);
	size_t bytes = (size_t)cases[c].page_bytes, all = (size_t)pages * bytes;
	unsigned char *cache = malloc(all), *want = malloc(all);
	struct dsk_kv_copy_params p = { .pages = pages, .page_words = cases[c].page_bytes / 4 };
	struct simt_launch l = { .grid = { (unsigned int)n, (unsigned int)((p.page_words + DSK_KV_COPY_WORDS - 1) / DSK_KV_COPY_WORDS), 1 },
				 LAUNCH_PARAMS(p), BUFFERS(INOUT(cache, all), INOUT(&fault, 4), IN(moves, (size_t)n * 8)) };

	for (size_t i = 0; i < all; i++)
		cache[i] = (unsigned char)random_int(0, 255);
	memcpy(want, cache, all);
	for (int i = 0; i < pages; i++)
		order[i] = i;
	for (int i = pages - 1; i > 0; i--) {
		int j = random_int(0, i), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (int i = 0; i < n; i++) {		/* two from the same, as when a beginning is shared; one to itself */
		moves[2 * i] = order[n > 2 && i == 1 ? 0 : i];
		moves[2 * i + 1] = n > 2 && i == 2 ? order[2] : order[n + i < pages ? n + i : pages - 1];
		memcpy(want + (size_t)moves[2 * i + 1] * bytes, want + (size_t)moves[2 * i] * bytes, bytes);
	}
	if (ktest_launch(d, "dsk_kv_copy", &l, "%s: %s", d->name, cases[c].what))
		ktest_ok(!memcmp(cache, want, all) && !fault, "%s: %d pages moved: %s", d->name, n, cases[c].what);
	free(order); free(moves); free(cache); free(want);
}

/* Each number that is no page, alone; what is beside it is moved. */
static void bad_pages(const struct device *d)
{
	static const int bad[][2] = { { -1, 1 }, { 4, 1 }, { 1, -1 }, { 1, 4 }, { 0x7fffffff, 1 }, { 1, -0x7fffffff - 1 } };
	struct dsk_kv_copy_params p = { .pages = 4, .page_words = 8 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned char cache[4 * 32], want[4 * 32];
		int moves[4] = { bad[i][0], bad[i][1], 3, 2 }, fault = 4;
		struct simt_launch l = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(p),
					 BUFFERS(INOUT(cache, sizeof(cache)), INOUT(&fault, 4), IN(moves, sizeof(moves))) };

		for (size_t b = 0; b < sizeof(cache); b++)
			cache[b] = (unsigned char)random_int(0, 255);
		memcpy(want, cache, sizeof(cache));
		memcpy(want + 64, want + 96, 32);
		if (ktest_launch(d, "dsk_kv_copy", &l, "%s: %d to %d", d->name, bad[i][0], bad[i][1]))
			ktest_ok(!memcmp(cache, want, sizeof(cache)) && fault == 5, "%s: %d to %d is left out, and said", d->name, bad[i][0],
				 bad[i][1]);
	}
}

static void test(const struct device *d)
{
	size_t n = sizeof(cases) / sizeof(*cases);

	for (size_t i = 0; i < (d->name[0] == 'o' ? n : n - 1); i++)
		run(d, i);
	bad_pages(d);
}

int main(void)
{
	return ktest_main(test);
}
