/* SPDX-License-Identifier: MIT */
/*
 * Text-image similarity. Projection: 1e-6 + 2e-6 relative of elements of a vector of length 1; similarities of the kernel's own
 * projections: 5e-7 of the scale.
 */
#include "ktest.h"

static const struct similarity_case {
	int texts, images, n_text, n_image, d, type;
	float scale;
} cases[] = {
	{ 1, 1, 1, 1, 1, DSK_F32, 1 },
	{ 3, 5, 20, 33, 17, DSK_F32, 100 },
	{ 2, 257, 9, 4, 8, DSK_BF16, 14.3f },
	{ 2, 2, 31, 16, 300, DSK_F16, 100 },
	{ 20, 300, 128, 192, 128, DSK_BF16, 100 },		/* OpenCL */
};

static double *project(const void *x, const void *w, int rows, int n, int stride, int d, int type)
{
	double *out = malloc((size_t)(rows * d) * sizeof(*out));

	for (int r = 0; r < rows; r++) {
		double squares = 0;

		for (int j = 0; j < d; j++) {
			out[r * d + j] = 0;
			for (int i = 0; i < n; i++)
				out[r * d + j] += typed_get(x, (size_t)(r * stride + i), type) * typed_get(w, (size_t)(j * n + i), type);
			squares += out[r * d + j] * out[r * d + j];
		}
		for (int j = 0; j < d; j++)
			out[r * d + j] /= fmax(sqrt(squares), 1e-12);
	}
	return out;
}

/* Projected rows of one kind, checked; the last of more than one is zeros. NULL: no launch. */
static float *projected(const struct device *d, const struct similarity_case *c, int rows, int n, const char *what)
{
	int stride = n + 2;
	size_t size = type_size(c->type), all = (size_t)(rows * stride);
	void *x = random_typed(all, c->type, 2), *w = random_typed((size_t)(n * c->d), c->type, 1);
	float *out = malloc((size_t)(rows * c->d) * 4);
	double *want;
	struct dsk_project_params p = { .n = n, .d = c->d, .x_stride = stride, .x_type = c->type, .w_type = c->type };
	struct simt_launch l = { .grid = { (unsigned int)rows, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(out, (size_t)(rows * c->d) * 4), IN(x, all * size), IN(w, (size_t)(n * c->d) * size)) };

	if (rows > 1)
		memset((char *)x + (size_t)((rows - 1) * stride) * size, 0, (size_t)n * size);
	want = project(x, w, rows, n, stride, c->d, c->type);
	if (!ktest_launch(d, "dsk_project", &l, "%s: %s", d->name, what)) {
		free(out);
		out = NULL;
	} else {
		ktest_close(out, DSK_F32, want, (size_t)(rows * c->d), 1e-6, 2e-6, "%s: %d %s of %d to %d, %s", d->name, rows, what, n, c->d,
			    type_name(c->type));
	}
	free(x); free(w); free(want);
	return out;
}

static void run(const struct device *d, const struct similarity_case *c)
{
	float *texts = projected(d, c, c->texts, c->n_text, "texts"), *images = projected(d, c, c->images, c->n_image, "images");
	int stride = c->images + 1;
	size_t n = (size_t)(c->texts * stride);
	float *out = malloc(n * 4);
	double *want = malloc(n * sizeof(*want));
	struct dsk_similarity_params p = { .images = c->images, .d = c->d, .out_stride = stride, .scale = c->scale };
	struct simt_launch l = { .grid = { (unsigned int)c->texts, (unsigned int)(c->images + 255) / 256, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(out, n * 4), IN(texts, (size_t)(c->texts * c->d) * 4), IN(images, (size_t)(c->images * c->d) * 4)) };

	for (size_t i = 0; i < n; i++)
		want[i] = out[i] = -3;		/* stays between rows */
	for (int t = 0; t < c->texts && texts && images; t++)
		for (int i = 0; i < c->images; i++) {
			want[t * stride + i] = 0;
			for (int j = 0; j < c->d; j++)
				want[t * stride + i] += c->scale * (double)texts[t * c->d + j] * (double)images[i * c->d + j];
		}
	if (texts && images && ktest_launch(d, "dsk_similarity", &l, "%s: similarity", d->name))
		ktest_close(out, DSK_F32, want, n, 5e-7 * c->scale, 0, "%s: %d texts and %d images", d->name, c->texts, c->images);
	free(texts); free(images); free(out); free(want);
}

static void test(const struct device *d)
{
	size_t n = sizeof(cases) / sizeof(*cases);

	for (size_t i = 0; i < (d->name[0] == 'o' ? n : n - 1); i++)
		run(d, &cases[i]);
}

int main(void)
{
	return ktest_main(test);
}
