/* SPDX-License-Identifier: MIT */
/*
 * kmma.h for each generation. First who holds what, each operand alone, against AMD's documents, said here the other way round: not
 * "lane l's element i is column k" but "column k of row r is in lane l, element i". Then products: exact for int8 and for small
 * integers in bf16, f16 and E4M3; 2e-7 of the sum of absolute terms for fractions. E4M3 has int8's layout, and the codes that instructions take are
 * compared with the definitions, OCP's and FNUZ's, all 256.
 */
#include <dlfcn.h>

#include "ktest.h"

struct place {
	int lane, item;
};

/*
 * MFMA (MI200 and MI300 ISA, "matrix arithmetic"; CDNA4 ISA, same chapter): lanes of 16 rows by runs of K; D in runs of four rows.
 * WMMA (RDNA3 ISA, 7.9; RDNA4 ISA, 7.12): RDNA3 has all of a row in a lane, twice; D's rows alternate between the halves
 * of the wave. RDNA4: K in runs of four at 16 bits, of eight at 8 bits, alternating between the halves; D's upper half in the
 * upper lanes. These formulas were compared with AMD's Matrix Instruction Calculator for all but gfx950, which it doesn't know.
 */
static struct place of_runs(int row, int k, int run)
{
	return (struct place){ row + 16 * (k / run), k % run };
}

static struct place cdna2_16(int row, int k) { return of_runs(row, k, 4); }
static struct place cdna2_8(int row, int k) { return of_runs(row, k, 4); }
static struct place cdna3_8(int row, int k) { return of_runs(row, k, 8); }
static struct place cdna4_16(int row, int k) { return of_runs(row, k, 8); }
static struct place cdna4_8(int row, int k) { return of_runs(row, k, 16); }
static struct place cdna_d(int row, int col) { return (struct place){ col + 16 * (row / 4), row % 4 }; }
static struct place rdna3_ab(int row, int k) { return (struct place){ row, k }; }
static struct place rdna3_d(int row, int col) { return (struct place){ col + 16 * (row % 2), row / 2 }; }
static struct place rdna4_16(int row, int k) { return (struct place){ row + 16 * (k / 4 % 2), k % 4 + k / 8 * 4 }; }
static struct place rdna4_8(int row, int k) { return of_runs(row, k, 8); }
static struct place rdna4_d(int row, int col) { return (struct place){ col + 16 * (row / 8), row % 8 }; }

static const struct generation {
	const char *name;
	unsigned int wave;
	int k16, k8;
	struct place (*of_16)(int row, int k), (*of_8)(int row, int k), (*of_d)(int row, int col);
	int copies;		/* of A and B in a wave */
	double f8;		/* what a code is to the instruction, of what it is in OCP's format; 0: it has none */
} generations[] = {
	{ "cdna2", 64, 16, 16, cdna2_16, cdna2_8, cdna_d, 1, 0 },
	{ "cdna3", 64, 16, 32, cdna2_16, cdna3_8, cdna_d, 1, 0.5 },
	{ "cdna4", 64, 32, 64, cdna4_16, cdna4_8, cdna_d, 1, 1 },
	{ "rdna3", 32, 16, 16, rdna3_ab, rdna3_ab, rdna3_d, 2, 0 },
	{ "rdna4", 32, 16, 16, rdna4_16, rdna4_8, rdna4_d, 1, 1 },
};

struct probe_params {
	int steps, pad[5];
};

static int launch_groups(void *library, const struct generation *g, const char *kernel, struct simt_launch *l, unsigned int groups)
{
	struct simt_report report;
	void *symbol = dlsym(library, kernel);

	memcpy(&l->kernel, &symbol, sizeof(symbol));
	l->wave = l->lanes = g->wave;
	l->grid[0] = groups;
	l->grid[1] = l->grid[2] = 1;
	l->seed = 7;
	if (symbol && !simt_run(l, &report))
		return 1;
	ktest_ok(0, "%s: %s", g->name, kernel);
	printf("# %s\n", symbol ? report.text : dlerror());
	return 0;
}

static int launch(void *library, const struct generation *g, const char *kernel, struct simt_launch *l)
{
	return launch_groups(library, g, kernel, l, 1);
}

static void layouts(void *library, const struct generation *g)
{
	struct probe_params p = { 1, { 0 } };
	int sizes[5], *layout, acc, frag16, frag8, each, good[3] = { 1, 1, 1 };
	struct simt_launch l = { LAUNCH_PARAMS(p), BUFFERS(OUT(sizes, sizeof(sizes)), INOUT(NULL, 0)) };

	layout = calloc(64 * (2 + 8 + 16 + 16), sizeof(int));
	l.buffers[1].data = layout;
	l.buffers[1].size = 64 * (2 + 8 + 16 + 16) * sizeof(int);
	if (!launch(library, g, "probe_layout", &l))
		return;
	acc = sizes[0], frag16 = sizes[1], frag8 = sizes[2], each = 2 + acc + frag16 + frag8;
	ktest_ok(sizes[3] == g->k16 && sizes[4] == g->k8 && acc * (int)g->wave == 256 && frag16 * (int)g->wave == 16 * g->k16 * g->copies &&
		 frag8 * (int)g->wave == 16 * g->k8 * g->copies, "%s: sizes: D %d, fragments %d and %d a lane, K %d and %d", g->name, acc, frag16,
		 frag8, sizes[3], sizes[4]);
	for (int row = 0; row < 16; row++) {
		for (int copy = 0; copy < g->copies; copy++) {
			for (int k = 0; k < g->k16; k++) {
				struct place at = g->of_16(row, k);
				const int *of = layout + (at.lane + 16 * copy) * each;

				good[0] &= of[0] == row && of[2 + acc + at.item] == k;
			}
			for (int k = 0; k < g->k8; k++) {
				struct place at = g->of_8(row, k);
				const int *of = layout + (at.lane + 16 * copy) * each;

				good[1] &= of[0] == row && of[2 + acc + frag16 + at.item] == k;
			}
		}
		for (int col = 0; col < 16; col++) {
			struct place at = g->of_d(row, col);
			const int *of = layout + at.lane * each;

			good[2] &= of[1] == col && of[2 + at.item] == row;
		}
	}
	ktest_ok(good[0], "%s: A and B of 16 bits", g->name);
	ktest_ok(good[1], "%s: A and B of int8 and E4M3", g->name);
	ktest_ok(good[2], "%s: D", g->name);
	free(layout);
}

/* E4M3 by its definition, with the bias that @g's instruction has. */
static double native_value(const struct generation *g, int byte)
{
	int code = byte & 0xff, exponent = code >> 3 & 15, bias = g->f8 == 0.5 ? 8 : 7;
	double v = ldexp(exponent ? 8 + (code & 7) : code & 7, (exponent ? exponent : 1) - bias - 3);

	if (bias == 8 ? code == 0x80 : (code & 0x7f) == 0x7f)
		return NAN;
	return code & 0x80 ? -v : v;
}

static int native_code(const struct generation *g, double v)
{
	int best = 0;

	for (int code = 1; code < 256; code++)
		if (fabs(native_value(g, code) - v) < fabs(native_value(g, best) - v))
			best = code;
	return best;
}

/* k_f8_native() of each code at each place of a word, and the unit: together what OCP's format says. */
static void natives(void *library, const struct generation *g)
{
	enum { N = 4 * 256 };
	static unsigned int codes[N], got[N];
	float unit[1];
	struct probe_params p = { 0, { 0 } };
	struct simt_launch l = { LAUNCH_PARAMS(p), BUFFERS(OUT(got, sizeof(got)), OUT(unit, sizeof(unit)), IN(codes, sizeof(codes))) };
	struct generation ocp = *g;
	int good = 1;

	ocp.f8 = 1;
	for (unsigned int i = 0; i < N; i++)
		codes[i] = (0x807fff00u & ~(0xffu << 8 * (i % 4))) | (i / 4) << 8 * (i % 4);
	if (!launch_groups(library, g, "probe_f8_native", &l, N / g->wave))
		return;
	for (unsigned int i = 0; i < N; i++) {
		double want = native_value(&ocp, (int)(i / 4)), is = native_value(g, (int)(got[i] >> 8 * (i % 4) & 0xff));

		good &= isnan(want) ? isnan(is) : is == want * g->f8;
	}
	ktest_ok(good && unit[0] == 1 / (g->f8 * g->f8), "%s: E4M3 as the instruction takes it, all codes, and the unit %g", g->name, unit[0]);
}

static void product(void *library, const struct generation *g, int type, int steps, int whole)
{
	int depth = steps * (type == DSK_I8 || type == DSK_F8 ? g->k8 : g->k16);
	size_t n = (size_t)(16 * depth), bytes = n * type_size(type);
	signed char *a8 = malloc(n), *b8 = malloc(n);
	float *fa = malloc(n * 4), *fb = malloc(n * 4);
	void *a, *b;
	double want[256], most = 0;
	union { float f[256]; int i[256]; } d;
	struct probe_params p = { steps, { 0 } };

	for (size_t i = 0; i < n; i++) {
		a8[i] = (signed char)random_int(-128, 127);
		b8[i] = (signed char)random_int(-128, 127);
		fa[i] = whole ? (float)random_int(-8, 8) : random_float(-1, 1);
		fb[i] = whole ? (float)random_int(-8, 8) : random_float(-1, 1);
	}
	if (type == DSK_F8)		/* codes of the instruction's own format; fractions of all magnitudes, those below 2^-6 too */
		for (size_t i = 0; i < n; i++) {
			a8[i] = (signed char)(whole ? native_code(g, fa[i]) : native_code(g, ldexp(fa[i], random_int(-9, 7))));
			b8[i] = (signed char)(whole ? native_code(g, fb[i]) : native_code(g, ldexp(fb[i], random_int(-9, 7))));
		}
	a = type == DSK_I8 || type == DSK_F8 ? a8 : typed(fa, n, type);
	b = type == DSK_I8 || type == DSK_F8 ? b8 : typed(fb, n, type);
	for (int r = 0; r < 16; r++)
		for (int c = 0; c < 16; c++) {
			double sum = 0, size = 0;

			for (int k = 0; k < depth; k++) {
				size_t x = (size_t)(r * depth + k), y = (size_t)(c * depth + k);
				double term = type == DSK_I8 ? a8[x] * b8[y] : type == DSK_F8 ? native_value(g, a8[x]) * native_value(g, b8[y]) :
					typed_get(a, x, type) * typed_get(b, y, type);

				sum += term;
				size += fabs(term);
			}
			want[r * 16 + c] = sum;
			most = fmax(most, size);
		}
	struct simt_launch l = { LAUNCH_PARAMS(p), BUFFERS(OUT(&d, sizeof(d)), IN(a, bytes), IN(b, bytes)) };
	char name[16];

	snprintf(name, sizeof(name), "probe_%s", type_name(type));
	if (launch(library, g, name, &l)) {
		if (type == DSK_I8)
			for (int i = 0; i < 256; i++)
				d.f[i] = (float)d.i[i];		/* exact: below 2^24 */
		if (type == DSK_I8 || whole) {
			int good = 1;

			for (int i = 0; i < 256; i++)
				good &= d.f[i] == want[i];
			ktest_ok(good, "%s: %s, %d steps, exact", g->name, type_name(type), steps);
		} else {
			ktest_close(d.f, DSK_F32, want, 256, 2e-7 * most, 0, "%s: %s, %d steps", g->name, type_name(type), steps);
		}
	}
	if (type != DSK_I8 && type != DSK_F8) {
		free(a);
		free(b);
	}
	free(a8); free(b8); free(fa); free(fb);
}

static void test(const struct device *d)
{
	const char *build = getenv("DSEEK_BUILD");

	for (size_t i = 0; i < sizeof(generations) / sizeof(*generations); i++) {
		const struct generation *g = &generations[i];
		char path[512];
		void *library;

		if (g->wave != d->wave || d->name[0] != 's')	/* the model in OpenCL is tested with the kernels that use it */
			continue;
		snprintf(path, sizeof(path), "%s/kernels/simt/%s/mma_probe.so", build ? build : "build", g->name);
		library = dlopen(path, RTLD_NOW);
		if (!library) {
			ktest_ok(0, "%s: %s", path, dlerror());
			continue;
		}
		layouts(library, g);
		if (g->f8)
			natives(library, g);
		for (int steps = 1; steps <= 5; steps += 4) {
			product(library, g, DSK_BF16, steps, 1);
			product(library, g, DSK_BF16, steps, 0);
			product(library, g, DSK_F16, steps, 1);
			product(library, g, DSK_F16, steps, 0);
			product(library, g, DSK_I8, steps, 0);
			if (g->f8) {
				product(library, g, DSK_F8, steps, 1);
				product(library, g, DSK_F8, steps, 0);
			}
		}
	}
}

int main(void)
{
	return ktest_main(test);
}
