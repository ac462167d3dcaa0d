/* SPDX-License-Identifier: MIT */
/* The primitives of kdev.h. Tolerances are kdev.h's: 2^-20 relative, sine and cosine 2^-19; conversions, fma and rint exact. */
#include <dseek_program.h>

#include "ktest.h"

#define LANES	128
#define N	1000

struct probe_params {
	int n, pad[5];
};

static int run(const struct device *d, const char *kernel, struct simt_launch *l)
{
	struct kernel_info info = { "kdev_probe", kernel, LANES, l->n_buffers, (unsigned int)l->params_size };
	char err[2048];

	l->lanes = LANES;
	if (!d->run(d, &info, l, err, sizeof(err)))
		return 1;
	printf("# %s\n", err);
	return ktest_ok(0, "%s: %s", d->name, kernel);
}

static void lanes(const struct device *d)
{
	int in[LANES], out[LANES * 8], good[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, wave = (int)d->wave, top = 0, all = 0;
	static const char *const names[] = { "lane, wave, group", "shuffle", "shuffle by xor", "ballot", "ballot below", "sum of a wave",
					     "greatest of a wave", "sum and greatest of a group" };
	struct probe_params p = { 0 };

	for (int i = 0; i < LANES; i++) {
		in[i] = i * 37 % 101;
		top = in[i] > top ? in[i] : top;
		all += in[i];
	}
	p.n = top;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(out, sizeof(out)), IN(in, sizeof(in))) };

	if (!run(d, "probe_lanes", &l))
		return;
	for (int i = 0; i < LANES; i++) {
		int first = i / wave * wave, lane = i % wave, odd = 0, below = 0, sum = 0, most = 0;
		const int *got = out + i * 8;

		for (int j = first; j < first + wave; j++) {
			odd += in[j] & 1;
			below += j < i && in[j] & 1;
			sum += in[j];
			most = in[j] > most ? in[j] : most;
		}
		good[0] &= got[0] == lane + 1000 * (i / wave);
		good[1] &= got[1] == in[first + (lane * 7 + 3) % wave];
		good[2] &= got[2] == in[first + (lane ^ 5)];
		good[3] &= got[3] == odd;
		good[4] &= got[4] == below;
		good[5] &= got[5] == sum;
		good[6] &= got[6] == most;
		good[7] &= got[7] == all + 1000000;
	}
	for (int i = 0; i < 8; i++)
		ktest_ok(good[i], "%s: %s", d->name, names[i]);
}

static void atomics(const struct device *d)
{
	int in[LANES], out[4] = { 5, -7, 0, 0 }, sum = 0, top = -7, bits = 0;
	struct probe_params p = { .n = 11 };
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(INOUT(out, sizeof(out)), IN(in, sizeof(in))) };

	for (int i = 0; i < LANES; i++) {
		in[i] = i * 97 % 128 - 64;
		sum += in[i];
		top = in[i] > top ? in[i] : top;
		bits |= in[i];
	}
	if (run(d, "probe_atomics", &l))
		ktest_ok(out[0] == sum + 5 && out[1] == top && out[2] == bits && out[3] == sum + 11, "%s: atomics on a buffer and on LDS", d->name);
}

static void math(const struct device *d)
{
	static const char *const names[] = { "exp2", "log2", "rsqrt", "rcp", "sine", "cosine", "fma", "max and min", "bf16", "f16", "opaque" };
	float in[N], out[N * 11];
	double want[11][N];
	float got[N];
	struct probe_params p = { .n = N };
	struct simt_launch l = { .grid = { (N + LANES - 1) / LANES, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(out, sizeof(out)), IN(in, sizeof(in))) };

	for (int i = 0; i < N; i++) {
		float x = in[i] = i % 3 ? random_float(-100, 100) : random_float(-1, 1);
		uint16_t h;
		float back;

		want[0][i] = exp2(x);
		want[1][i] = log2(fabs(x));
		want[2][i] = 1 / sqrt(fabs(x));
		want[3][i] = 1.0 / x;
		want[4][i] = sin(2 * M_PI * x);
		want[5][i] = cos(2 * M_PI * x);
		want[6][i] = fmaf(x, x, -1);
		want[7][i] = fabsf(x - 0.5f);
		dseek_row_from_f32(DSEEK_BF16, &x, 1, &h);
		dseek_row_to_f32(DSEEK_BF16, &h, 1, &back);
		want[8][i] = back;
		dseek_row_from_f32(DSEEK_F16, &x, 1, &h);
		dseek_row_to_f32(DSEEK_F16, &h, 1, &back);
		want[9][i] = back;
		want[10][i] = (int)x;
	}
	if (!run(d, "probe_math", &l))
		return;
	for (int k = 0; k < 11; k++) {
		double absolute = k == 4 || k == 5 ? 0x1p-19 : k == 1 ? 0x1p-20 : 0;

		for (int i = 0; i < N; i++)
			got[i] = out[i * 11 + k];
		ktest_close(got, DSK_F32, want[k], N, absolute + 1e-40, k < 4 ? 0x1p-20 : 0, "%s: %s", d->name, names[k]);
	}
}

static void test(const struct device *d)
{
	lanes(d);
	atomics(d);
	math(d);
}

int main(void)
{
	return ktest_main(test);
}
