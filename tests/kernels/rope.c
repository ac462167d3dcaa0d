/* SPDX-License-Identifier: MIT */
/*
 * Rotary embedding. Tolerance: 4e-6 of the pair's length and the type's rounding, at any position up to 2^24; that is what
 * the frequency in two parts buys.
 */
#include "ktest.h"
#include "rope_turns.h"

#define DIM	128

static const struct rope_case {
	int head, turned, heads, tokens, order, type, position;
	struct rope_yarn yarn;
} cases[] = {
	{ 64, 64, 1, 1, DSK_ROPE_INTERLEAVED, DSK_F32, 0, { 0 } },
	{ 2, 2, 1, 3, DSK_ROPE_NEOX, DSK_F32, 5, { 0 } },
	{ 64, 64, 3, 2, DSK_ROPE_INTERLEAVED, DSK_F32, 4095, { 0 } },
	{ 128, 128, 5, 2, DSK_ROPE_NEOX, DSK_BF16, 131071, { 0 } },
	{ 80, 20, 7, 3, DSK_ROPE_NEOX, DSK_F16, 1000, { 0 } },
	{ 128, 64, 9, 1, DSK_ROPE_INTERLEAVED, DSK_F32, 16777215, { 0 } },
	{ 128, 128, 2, 2, DSK_ROPE_NEOX, DSK_F32, 100000, { .factor = 16, .trained = 4096, .fast = 32, .slow = 1 } },
	{ 64, 64, 2, 2, DSK_ROPE_INTERLEAVED, DSK_F32, 65536, { .factor = 40, .trained = 4096, .fast = 32, .slow = 1 } },
};

static void reference(double *y, const void *x, const int *positions, const struct rope_case *c, double base, int stride)
{
	for (int t = 0; t < c->tokens; t++)
		for (int h = 0; h < c->heads; h++)
			for (int i = 0; i < c->turned / 2; i++) {
				size_t at = (size_t)t * (size_t)stride + (size_t)(h * c->head);
				size_t first = at + (size_t)(c->order == DSK_ROPE_NEOX ? i : 2 * i);
				size_t second = at + (size_t)(c->order == DSK_ROPE_NEOX ? i + c->turned / 2 : 2 * i + 1);
				double a = typed_get(x, first, c->type), b = typed_get(x, second, c->type);
				double scale = c->yarn.factor > 0 ? 0.1 * log(c->yarn.factor) + 1 : 1;
				double f = pow(base, -2.0 * i / c->turned), angle;

				if (c->yarn.factor > 0) {	/* YaRN (Peng et al. 2023), equations 17 to 22 */
					double ramp;
					double low = floor(c->turned * log(c->yarn.trained / (c->yarn.fast * 2 * M_PI)) / (2 * log(base)));
					double high = ceil(c->turned * log(c->yarn.trained / (c->yarn.slow * 2 * M_PI)) / (2 * log(base)));

					low = fmax(low, 0);
					high = fmin(high, c->turned - 1);
					ramp = fmin(fmax((i - low) / fmax(high - low, 0.001), 0), 1);
					f = f / c->yarn.factor * ramp + f * (1 - ramp);
				}
				angle = fmod(positions[t] * f, 2 * M_PI);
				y[first] = (a * cos(angle) - b * sin(angle)) * scale;
				y[second] = (a * sin(angle) + b * cos(angle)) * scale;
			}
}

static void run(const struct device *d, const struct rope_case *c)
{
	int stride = c->heads * c->head + 5, pairs = c->turned / 2 * c->heads;
	size_t n = (size_t)(c->tokens * stride);
	void *x = random_typed(n, c->type, 2);
	double *want = malloc(n * sizeof(*want));
	int *positions = malloc((size_t)c->tokens * sizeof(int));
	float turns[DIM];
	struct dsk_rope_params p = { .heads = c->heads, .head_stride = c->head, .token_stride = stride, .n = c->turned, .order = c->order,
				     .type = c->type };

	p.scale = rope_turns(turns, c->turned, 10000, c->yarn.factor > 0 ? &c->yarn : NULL);
	for (int t = 0; t < c->tokens; t++)
		positions[t] = c->position - t < 0 ? 0 : c->position - t;
	for (size_t i = 0; i < n; i++)
		want[i] = typed_get(x, i, c->type);
	reference(want, x, positions, c, 10000, stride);
	struct simt_launch l = { .grid = { (unsigned int)(pairs + 255) / 256, (unsigned int)c->tokens, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(x, n * type_size(c->type)), IN(positions, (size_t)c->tokens * 4),
					 IN(turns, (size_t)c->turned * 4)) };

	if (ktest_launch(d, "dsk_rope", &l, "%s", d->name))
		ktest_close(x, c->type, want, n, 4e-6 * 3 * p.scale, 0, "%s: rope %d of %d, %d heads, %s, %s, position %d%s", d->name, c->turned,
			    c->head, c->heads, c->order == DSK_ROPE_NEOX ? "neox" : "interleaved", type_name(c->type), c->position,
			    c->yarn.factor > 0 ? ", YaRN" : "");
	free(x); free(want); free(positions);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
}

int main(void)
{
	return ktest_main(test);
}
