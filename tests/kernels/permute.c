/* SPDX-License-Identifier: MIT */
/* Permute and unpermute. Places: exact. Rows: the same bits. Combined: 2e-7 of the sum of absolute terms and the type's rounding. */
#include "ktest.h"

enum spread { RANDOM, ONE_EXPERT, EMPTY_EXPERTS, BAD_IDS };

static const struct permute_case {
	int tokens, k, experts, capacity;
	enum spread spread;
	int n, type;
} cases[] = {
	{ 1, 1, 1, 0, RANDOM, 1, DSK_F32 },
	{ 3, 2, 8, 0, RANDOM, 33, DSK_BF16 },
	{ 130, 2, 16, 0, RANDOM, 16, DSK_F32 },
	{ 100, 8, 64, 0, RANDOM, 7, DSK_F16 },
	{ 129, 3, 5, 0, ONE_EXPERT, 5, DSK_F32 },
	{ 60, 4, 300, 0, EMPTY_EXPERTS, 9, DSK_F32 },
	{ 128, 2, 8, 20, RANDOM, 3, DSK_F32 },
	{ 70, 4, 6, 11, ONE_EXPERT, 3, DSK_BF16 },
	{ 65, 4, 8, 0, BAD_IDS, 4, DSK_F32 },
	{ 65, 4, 8, 40, BAD_IDS, 4, DSK_F32 },
};

static void reference(const struct permute_case *c, const int *ids, int *row_pair, int *pair_row, int *offsets)
{
	int row = 0, pairs = c->tokens * c->k;

	for (int i = 0; i < pairs; i++)
		row_pair[i] = pair_row[i] = -1;
	for (int e = 0; e < c->experts; e++) {
		offsets[e] = row;
		for (int i = 0; i < pairs; i++)
			if (ids[i] == e && (!c->capacity || row - offsets[e] < c->capacity)) {
				pair_row[i] = row;
				row_pair[row++] = i;
			}
	}
	offsets[c->experts] = row;
}

static void run(const struct device *d, const struct permute_case *c)
{
	int pairs = c->tokens * c->k, in_stride = c->n + 1, out_stride = c->n + 2;
	size_t bytes = (size_t)pairs * 4, size = type_size(c->type);
	int *ids = malloc(bytes), *row_pair = malloc(bytes), *pair_row = malloc(bytes), *want_rp = malloc(bytes), *want_pr = malloc(bytes);
	int *offsets = malloc((size_t)(c->experts + 1) * 4), *want_offsets = malloc((size_t)(c->experts + 1) * 4), same = 1;
	float *weights = random_typed((size_t)pairs, DSK_F32, 1);
	void *x = random_typed((size_t)(c->tokens * in_stride), c->type, 4), *rows = calloc((size_t)(pairs * out_stride), size);
	void *y = calloc((size_t)(c->tokens * in_stride), size);
	double *want = calloc((size_t)(c->tokens * in_stride), sizeof(*want));
	struct dsk_place_params p = { .pairs = pairs, .experts = c->experts, .capacity = c->capacity };
	int tells = c->capacity == 0, fault = 0;	/* of ids */
	struct dsk_gather_params g = { .n = c->n, .rows = pairs, .divisor = c->k, .type = c->type, .in_stride = in_stride,
				       .out_stride = out_stride, .in_rows = c->tokens };
	struct dsk_combine_params m = { .n = c->n, .top_k = c->k, .rows = pairs, .in_type = c->type, .out_type = c->type, .in_stride = out_stride,
					.out_stride = in_stride };
	char what[128];

	snprintf(what, sizeof(what), "%s: %d x %d to %d experts, capacity %d, %s", d->name, c->tokens, c->k, c->experts, c->capacity,
		 c->spread == RANDOM ? "any" : c->spread == ONE_EXPERT ? "all to one" : c->spread == EMPTY_EXPERTS ? "most empty" : "bad ids");
	for (int i = 0; i < pairs; i++)
		ids[i] = c->spread == ONE_EXPERT ? c->experts / 2 : c->spread == EMPTY_EXPERTS ? random_int(0, 2) * 100 + 99 :
			c->spread == BAD_IDS && i % 5 == 0 ? (i % 2 ? -7 : c->experts) : random_int(0, c->experts - 1);
	p.flags = tells ? DSK_PLACE_FAULT : 0;
	reference(c, ids, want_rp, want_pr, want_offsets);
	struct simt_launch place = { .grid = { (unsigned int)c->experts, 1, 1 }, LAUNCH_PARAMS(p),
				     BUFFERS(OUT(row_pair, bytes), OUT(pair_row, bytes), OUT(offsets, (size_t)(c->experts + 1) * 4),
					     { tells ? &fault : NULL, tells ? 4 : 0, tells ? SIMT_INOUT : SIMT_IN }, IN(ids, bytes)) };
	struct simt_launch gather = { .grid = { (unsigned int)pairs, 1, 1 }, LAUNCH_PARAMS(g),
				      BUFFERS(INOUT(rows, (size_t)(pairs * out_stride) * size), IN(x, (size_t)(c->tokens * in_stride) * size),
					      IN(row_pair, bytes)) };
	struct simt_launch combine = { .grid = { (unsigned int)c->tokens, 1, 1 }, LAUNCH_PARAMS(m),
				       BUFFERS(INOUT(y, (size_t)(c->tokens * in_stride) * size), IN(rows, (size_t)(pairs * out_stride) * size),
					       IN(pair_row, bytes), IN(weights, bytes)) };

	if (!ktest_launch(d, "dsk_place", &place, "%s", what))
		goto out;
	ktest_ok(!memcmp(row_pair, want_rp, bytes) && !memcmp(pair_row, want_pr, bytes) &&
		 !memcmp(offsets, want_offsets, (size_t)(c->experts + 1) * 4) && fault == (tells && c->spread == BAD_IDS), "%s: places, fault %d", what, fault);
	if (!ktest_launch(d, "dsk_gather", &gather, "%s", what))
		goto out;
	for (int r = 0; r < pairs; r++)
		for (int i = 0; i < c->n; i++)
			same &= typed_get(rows, (size_t)(r * out_stride + i), c->type) ==
				(want_rp[r] < 0 ? 0 : typed_get(x, (size_t)(want_rp[r] / c->k * in_stride + i), c->type));
	ktest_ok(same, "%s: rows", what);
	for (int t = 0; t < c->tokens; t++)
		for (int j = 0; j < c->k; j++)
			for (int i = 0; i < c->n && want_pr[t * c->k + j] >= 0; i++)
				want[t * in_stride + i] += weights[t * c->k + j] * typed_get(x, (size_t)(t * in_stride + i), c->type);
	/* a pair whose row isn't there, which only ids that change meanwhile make, as one that was dropped */
	if (want_pr[0] >= 0 && c->spread == RANDOM) {
		for (int i = 0; i < c->n; i++)
			want[i] -= weights[0] * typed_get(x, (size_t)i, c->type);
		pair_row[0] = c->k > 2 ? INT32_MAX : pairs;
	}
	if (ktest_launch(d, "dsk_combine", &combine, "%s", what))
		ktest_close(y, c->type, want, (size_t)(c->tokens * in_stride), 2e-7 * 4 * c->k, 0, "%s: combined", what);
out:
	free(ids); free(row_pair); free(pair_row); free(want_rp); free(want_pr); free(offsets); free(want_offsets); free(weights);
	free(x); free(rows); free(y); free(want);
}

/* Indices that a tenant wrote after they were made: past the rows that there are, each is a row of zeros. */
static void bad_index(const struct device *d)
{
	const int index[6] = { 4, INT32_MAX, -1, 3, INT32_MIN, 0 };
	const float in[2 * 3] = { 1, 2, 3, 4, 5, 6 }, want[6 * 3] = { [9] = 4, 5, 6, [15] = 1, 2, 3 };
	float out[6 * 3];
	struct dsk_gather_params p = { .n = 3, .rows = 6, .divisor = 2, .type = DSK_F32, .in_stride = 3, .out_stride = 3, .in_rows = 2 };
	struct simt_launch l = { .grid = { 6, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(out, sizeof(out)), IN(in, sizeof(in)), IN(index, sizeof(index))) };

	if (ktest_launch(d, "dsk_gather", &l, "%s: bad indices", d->name))
		ktest_ok(!memcmp(out, want, sizeof(out)), "%s: rows of indices that are none are zeros", d->name);
}

static void test(const struct device *d)
{
	bad_index(d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
}

int main(void)
{
	return ktest_main(test);
}
