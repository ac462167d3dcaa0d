/* SPDX-License-Identifier: MIT */
/* Embedding. Tolerance: the product's rounding and the result's. */
#include "ktest.h"

static void run(const struct device *d, int n, int tokens, int rows, int table_type, int out_type, float scale, int bad)
{
	int stride = n + 2, fault = 0;
	void *table = random_typed((size_t)(n * rows), table_type, 3), *out = calloc((size_t)(stride * tokens), type_size(out_type));
	double *want = calloc((size_t)(stride * tokens), sizeof(*want));
	int *ids = malloc((size_t)tokens * sizeof(int));
	struct dsk_embed_params p = { .n = n, .rows = rows, .table_type = table_type, .out_type = out_type, .out_stride = stride,
				      .scale = scale };

	for (int t = 0; t < tokens; t++)
		ids[t] = t == 0 ? rows - 1 : random_int(0, rows - 1);
	if (bad)
		ids[tokens / 2] = bad < 0 ? -1 : rows;
	for (int t = 0; t < tokens; t++)
		for (int i = 0; i < n && ids[t] >= 0 && ids[t] < rows; i++)
			want[t * stride + i] = typed_get(table, (size_t)(ids[t] * n + i), table_type) * scale;
	struct simt_launch l = { .grid = { (unsigned int)tokens, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(out, (size_t)(stride * tokens) * type_size(out_type)), INOUT(&fault, 4),
					 IN(ids, (size_t)tokens * 4), IN(table, (size_t)(n * rows) * type_size(table_type))) };

	if (ktest_launch(d, "dsk_embed", &l, "%s", d->name)) {
		ktest_close(out, out_type, want, (size_t)(stride * tokens), 1e-30, 0x1p-24, "%s: embed %d x %d of %d, %s to %s%s", d->name, n,
			    tokens, rows, type_name(table_type), type_name(out_type), bad ? ", an id out of range" : "");
		ktest_ok(fault == (bad != 0), "%s: embed: fault is %d", d->name, fault);
	}
	free(table); free(out); free(want); free(ids);
}

/* A NaN whose low bits rounding would carry into the sign. */
static void nan_stays(const struct device *d)
{
	struct dsk_embed_params p = { .n = 1, .rows = 1, .table_type = DSK_F32, .out_type = DSK_BF16, .out_stride = 1, .scale = 1 };
	uint32_t table = 0x7fffffff;
	uint16_t out = 0;
	int fault = 0, id = 0;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(&out, 2), INOUT(&fault, 4), IN(&id, 4), IN(&table, 4)) };

	if (ktest_launch(d, "dsk_embed", &l, "%s: NaN", d->name))
		ktest_ok(isnan(typed_get(&out, 0, DSK_BF16)), "%s: a NaN stays one in bf16 (0x%04x)", d->name, out);
}

static void test(const struct device *d)
{
	nan_stays(d);
	run(d, 1, 1, 1, DSK_F32, DSK_F32, 1, 0);
	run(d, 255, 3, 7, DSK_BF16, DSK_F32, 1, 0);
	run(d, 256, 2, 5, DSK_F16, DSK_F16, 1, 0);
	run(d, 577, 5, 11, DSK_BF16, DSK_BF16, 24, 0);
	run(d, 64, 5, 11, DSK_F32, DSK_F32, 1, -1);
	run(d, 64, 5, 11, DSK_F32, DSK_F32, 1, 1);
}

int main(void)
{
	return ktest_main(test);
}
