/* SPDX-License-Identifier: MIT */
/*
 * Products of experts over the order that dsk_place makes: the plain kernel, tiles, few rows; GLU in one pass and in three. Tolerance of
 * a product: 3e-7 of the sum of absolute terms (E4M3: as GPUs are modelled, in float); of int8, whose sums are exact, 2e-7 of sum and bias. Of GLU: both products', times what
 * the other is at most, and 4e-6 relative.
 */
#include <dseek_program.h>

#include "ktest.h"

enum spread { ANY, ONE_EXPERT, FIRST_AND_LAST };

#define ONLY	1

static const struct expert_case {
	int tokens, top_k, experts;
	enum spread spread;
	int n, k, type, y_type, gathered, flags, act;
	int opencl;		/* there, too: 0 no; 32, 64 with waves of so many, as its compiler is slow; ONLY the plain kernel, and only there */
} cases[] = {
	{ 1, 1, 1, ANY, 1, 1, DSK_BF16, DSK_F32, 0, 0, DSK_ACT_SILU, 64 },
	{ 1, 1, 1, ANY, 1, 1, DSK_I8, DSK_F32, 0, 0, DSK_ACT_SILU, 32 },
	{ 1, 1, 1, ANY, 1, 1, DSK_I4, DSK_F32, 0, 0, DSK_ACT_SILU, 64 },
	{ 1, 1, 1, ANY, 1, 1, DSK_F8, DSK_F32, 0, 0, DSK_ACT_SILU, 64 },
	{ 5, 1, 1, ANY, 70, 200, DSK_F8, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SILU, 32 },	/* a dense layer */
	{ 80, 1, 1, ONE_EXPERT, 33, 64, DSK_F8, DSK_BF16, 1, 0, DSK_ACT_GELU_TANH, 0 },
	{ 5, 2, 8, FIRST_AND_LAST, 17, 101, DSK_F8, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SWIGLU_CLAMPED, 0 },
	{ 70, 1, 4, ONE_EXPERT, 130, 129, DSK_F8, DSK_F16, 0, 0, DSK_ACT_SILU, 0 },
	{ 40, 3, 6, ANY, 70, 45, DSK_F8, DSK_F32, 0, 0, DSK_ACT_GELU_TANH, 0 },
	{ 100, 4, 16, ANY, 300, 400, DSK_F8, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SILU, ONLY },
	{ 3, 2, 40, ANY, 33, 37, DSK_BF16, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SWIGLU_CLAMPED, 0 },
	{ 5, 2, 8, FIRST_AND_LAST, 17, 101, DSK_I8, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_GELU_TANH, 0 },
	{ 4, 3, 8, ANY, 20, 99, DSK_I4, DSK_F32, 0, DSK_EXPERT_BIAS | DSK_EXPERT_ZEROS, DSK_ACT_SWIGLU_CLAMPED, 0 },
	{ 70, 1, 4, ONE_EXPERT, 130, 64, DSK_BF16, DSK_F32, 1, 0, DSK_ACT_SILU, 0 },
	{ 70, 1, 4, ONE_EXPERT, 130, 129, DSK_I8, DSK_BF16, 0, 0, DSK_ACT_SWIGLU_CLAMPED, 0 },
	{ 65, 1, 3, ONE_EXPERT, 66, 192, DSK_I4, DSK_F32, 1, 0, DSK_ACT_GELU_TANH, 0 },
	{ 40, 3, 6, ANY, 70, 45, DSK_BF16, DSK_F16, 0, 0, DSK_ACT_GELU_TANH, 0 },
	{ 100, 4, 16, ANY, 300, 400, DSK_BF16, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SILU, ONLY },
	{ 100, 4, 16, FIRST_AND_LAST, 300, 401, DSK_I4, DSK_BF16, 0, DSK_EXPERT_ZEROS, DSK_ACT_SILU, ONLY },
};

struct matrix {
	unsigned char *w;		/* rows of w_stride bytes, padded with what is a NaN in bf16 */
	size_t w_bytes, columns, groups;
	void *scales;
	size_t scales_bytes;
	unsigned char *zeros;
	float *bias;
	double *value;			/* [k, n, experts] */
};

struct data {
	const struct expert_case *c;
	const char *type;
	struct dsk_expert_params p;
	int pairs, rows;		/* rows: those that an expert has */
	int *ids, *row_pair, *pair_row, *offsets;
	unsigned char *x;
	size_t x_bytes;
	float *x_scales;
	double *x_value;		/* [k, rows of x] */
	struct matrix gate, up;
};

static int padded(int k, int type)
{
	int bytes = type == DSK_BF16 ? 2 * k : type == DSK_I4 ? (k + 1) / 2 : k;

	return (bytes + 15) / 16 * 16;
}

static void put_bf16(unsigned char *row, int i, float v, double *value)
{
	void *bits = typed(&v, 1, DSK_BF16);

	memcpy(row + 2 * i, bits, 2);
	*value = typed_get(bits, 0, DSK_BF16);
	free(bits);
}

/* Any number of E4M3, -0 and those below 2^-6 too. */
static unsigned char random_code(void)
{
	int code = random_int(0, 253);

	return (unsigned char)(code < 0x7f ? code : code + 1);	/* 0x7f and 0xff are NaNs */
}

static void matrix_make(struct matrix *m, const struct expert_case *c, const struct dsk_expert_params *p)
{
	size_t k = (size_t)c->k;

	m->columns = (size_t)(c->n * c->experts);
	m->groups = (size_t)(c->k + DSK_EXPERT_GROUP - 1) / DSK_EXPERT_GROUP;
	m->w_bytes = m->columns * (size_t)p->w_stride;
	m->w = malloc(m->w_bytes);
	memset(m->w, 0xff, m->w_bytes);
	m->value = malloc(m->columns * k * sizeof(double));
	m->bias = random_typed(m->columns, DSK_F32, 2);
	m->zeros = malloc(m->columns * m->groups);
	for (size_t i = 0; i < m->columns * m->groups; i++)
		m->zeros[i] = (unsigned char)random_int(0, 15);
	m->scales_bytes = c->type == DSK_I8 || c->type == DSK_F8 ? m->columns * 4 : c->type == DSK_I4 ? m->columns * m->groups * 2 : 0;
	m->scales = c->type == DSK_I4 ? random_typed(m->columns * m->groups, DSK_F16, 0.2f) : random_typed(m->columns, DSK_F32, 0.02f);
	for (size_t col = 0; col < m->columns; col++)
		for (int i = 0; i < c->k; i++) {
			unsigned char *row = m->w + col * (size_t)p->w_stride;
			double *value = m->value + col * k + i;
			size_t g = col * m->groups + (size_t)i / DSK_EXPERT_GROUP;
			int q = c->type == DSK_I8 ? random_int(-127, 127) : random_int(0, 15);

			if (c->type == DSK_BF16) {
				put_bf16(row, i, random_float(-1, 1), value);
			} else if (c->type == DSK_I8) {
				row[i] = (unsigned char)q;
				*value = q * (double)((float *)m->scales)[col];
			} else if (c->type == DSK_F8) {
				row[i] = random_code();
				*value = f8_value(row[i]) * (double)((float *)m->scales)[col];
			} else {
				row[i / 2] = (unsigned char)(i % 2 ? (row[i / 2] & 15) | q << 4 : 0xf0 | q);
				*value = (q - (c->flags & DSK_EXPERT_ZEROS ? m->zeros[g] : 8)) * typed_get(m->scales, g, DSK_F16);
			}
		}
}

static void matrix_free(struct matrix *m)
{
	free(m->w); free(m->scales); free(m->zeros); free(m->bias); free(m->value);
}

/* Ids; the order by the kernel; x, its rows those of tokens or gathered. */
static int data_make(struct data *s, const struct device *d, const struct expert_case *c, const char *what)
{
	struct dsk_place_params place;
	size_t bytes, x_rows;

	memset(s, 0, sizeof(*s));
	s->c = c;
	s->type = type_name(c->type);
	s->pairs = c->tokens * c->top_k;
	bytes = (size_t)s->pairs * 4;
	s->ids = malloc(bytes);
	s->row_pair = malloc(bytes);
	s->pair_row = malloc(bytes);
	s->offsets = malloc((size_t)(c->experts + 1) * 4);
	for (int i = 0; i < s->pairs; i++)
		s->ids[i] = c->spread == ONE_EXPERT ? c->experts / 2 : c->spread == FIRST_AND_LAST ? (random_int(0, 1) ? c->experts - 1 : 0) :
			i % 7 == 5 ? -1 : random_int(0, c->experts - 1);	/* -1: dropped, so that rows are left at the end */
	place = (struct dsk_place_params){ .pairs = s->pairs, .experts = c->experts };
	s->p = (struct dsk_expert_params){ .rows = s->pairs, .tokens = c->gathered ? s->pairs : c->tokens, .experts = c->experts, .n = c->n, .k = c->k,
					   .x_stride = padded(c->k, c->type == DSK_I4 ? DSK_BF16 : c->type) + 16,
					   .w_stride = padded(c->k, c->type), .y_stride = c->n + 3, .y_type = c->y_type, .w_type = c->type,
					   .divisor = c->gathered ? 0 : c->top_k, .flags = c->flags, .act = c->act, .alpha = 1.702f, .limit = 7 };
	x_rows = (size_t)s->p.tokens;
	s->x_bytes = x_rows * (size_t)s->p.x_stride;
	s->x = malloc(s->x_bytes);
	memset(s->x, 0xff, s->x_bytes);
	s->x_scales = malloc(x_rows * 4);
	s->x_value = malloc(x_rows * (size_t)c->k * sizeof(double));
	for (size_t r = 0; r < x_rows; r++) {
		s->x_scales[r] = random_float(0.01f, 0.03f);
		for (int i = 0; i < c->k; i++) {
			unsigned char *row = s->x + r * (size_t)s->p.x_stride;
			double *value = s->x_value + r * (size_t)c->k + i;

			if (c->type == DSK_I8) {
				row[i] = (unsigned char)random_int(-127, 127);
				*value = (signed char)row[i] * (double)s->x_scales[r];
			} else if (c->type == DSK_F8) {
				row[i] = random_code();
				*value = f8_value(row[i]) * (double)s->x_scales[r];
			} else {
				put_bf16(row, i, random_float(-2, 2), value);
			}
		}
	}
	matrix_make(&s->gate, c, &s->p);
	matrix_make(&s->up, c, &s->p);
	struct simt_launch l = { .grid = { (unsigned int)c->experts, 1, 1 }, LAUNCH_PARAMS(place),
				 BUFFERS(OUT(s->row_pair, bytes), OUT(s->pair_row, bytes), OUT(s->offsets, (size_t)(c->experts + 1) * 4), NONE,
					 IN(s->ids, bytes)) };

	if (!ktest_launch(d, "dsk_place", &l, "%s", what))
		return 0;
	s->rows = s->offsets[c->experts];
	return 1;
}

static void data_free(struct data *s)
{
	free(s->ids); free(s->row_pair); free(s->pair_row); free(s->offsets); free(s->x); free(s->x_scales); free(s->x_value);
	matrix_free(&s->gate);
	matrix_free(&s->up);
}

/* out [n, rows] of one matrix; the greatest sum of absolute terms, of int8 of sum and bias. */
static double product(const struct data *s, const struct matrix *m, double *out)
{
	const struct expert_case *c = s->c;
	double most = 0;

	for (int r = 0; r < s->rows; r++) {
		int expert = s->ids[s->row_pair[r]], from = c->gathered ? r : s->row_pair[r] / c->top_k;

		for (int col = 0; col < c->n; col++) {
			size_t of = (size_t)(expert * c->n + col);
			double sum = 0, size = 0, bias = c->flags & DSK_EXPERT_BIAS ? m->bias[of] : 0;

			for (int i = 0; i < c->k; i++) {
				double term = s->x_value[(size_t)from * (size_t)c->k + i] * m->value[of * (size_t)c->k + i];

				sum += term;
				size += fabs(term);
			}
			out[r * c->n + col] = sum + bias;
			most = fmax(most, (c->type == DSK_I8 ? fabs(sum) : size) + fabs(bias));
		}
	}
	return most * (c->type == DSK_I8 ? 2e-7 : 3e-7) + 1e-12;		/* a sum may have no terms but zeros */
}

static double glu_of(double g, double u, int act)
{
	switch (act) {
	case DSK_ACT_SILU: return g / (1 + exp(-g)) * u;
	case DSK_ACT_GELU_TANH: return 0.5 * g * (1 + tanh(sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * u;
	case DSK_ACT_SWIGLU_CLAMPED:
		g = fmin(g, 7);
		u = fmin(fmax(u, -7), 7);
		return g / (1 + exp(-(double)1.702f * g)) * (u + 1);
	default: return NAN;
	}
}

/* Rows of experts are @want, what is past them and past n is as it was: 0xa5. */
static void check(const struct data *s, const unsigned char *y, const double *want, double absolute, double relative, const char *what)
{
	const struct expert_case *c = s->c;
	size_t size = type_size(c->y_type), n = (size_t)(s->rows * c->n);
	unsigned char *dense = malloc(n * size + 1);
	int kept = 1;

	for (int r = 0; r < s->pairs; r++)
		for (int i = 0; i < s->p.y_stride; i++) {
			size_t at = (size_t)(r * s->p.y_stride + i) * size;

			if (r < s->rows && i < c->n)
				memcpy(dense + (size_t)(r * c->n + i) * size, y + at, size);
			else
				for (size_t b = 0; b < size; b++)
					kept &= y[at + b] == 0xa5;
		}
	ktest_close(dense, c->y_type, want, n, absolute, relative, "%s", what);
	if (!kept)
		ktest_ok(0, "%s: stored where no expert has rows", what);
	free(dense);
}

#define MATRIX(m, c)	IN((m).w, (m).w_bytes), IN((m).scales, (m).scales_bytes),				\
			IN((m).zeros, (c)->flags & DSK_EXPERT_ZEROS ? (m).columns * (m).groups : 0),		\
			IN((m).bias, (c)->flags & DSK_EXPERT_BIAS ? (m).columns * 4 : 0)
#define ROWS_OF(s, places, places_bytes)	IN((s)->x, (s)->x_bytes),					\
			IN((s)->x_scales, (s)->c->type == DSK_I8 || (s)->c->type == DSK_F8 ? (size_t)(s)->p.tokens * 4 : 0),		\
			IN((s)->row_pair, (s)->c->gathered ? 0 : (size_t)(s)->pairs * 4), IN(places, places_bytes)

static unsigned int up_to(int n, int of)
{
	return (unsigned int)((n + of - 1) / of);
}

/* Tiles that experts with rows need; @tiles, which the caller frees, are the kernel's and compared with them. */
static unsigned int plan(const struct device *d, const struct data *s, int tile, int **tiles, int *n_tiles, const char *what)
{
	int most = DSK_EXPERT_TILES(s->pairs, s->c->experts, tile), same = 1;
	struct dsk_expert_plan_params p = { .rows = s->pairs, .experts = s->c->experts, .tile = tile, .tiles = most };
	unsigned int n = 0;

	*n_tiles = most;
	*tiles = malloc((size_t)most * 12);
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(*tiles, (size_t)most * 12), IN(s->offsets, (size_t)(s->c->experts + 1) * 4)) };

	if (!ktest_launch(d, "dsk_expert_plan", &l, "%s", what))
		return 0;
	for (int e = 0; e < s->c->experts; e++)
		for (int first = s->offsets[e]; first < s->offsets[e + 1]; first += tile, n++) {
			int rows = s->offsets[e + 1] - first < tile ? s->offsets[e + 1] - first : tile;

			same &= (int)n < most && (*tiles)[3 * n] == e && (*tiles)[3 * n + 1] == first && (*tiles)[3 * n + 2] == rows;
		}
	for (int i = (int)n; i < most; i++)
		same &= (*tiles)[3 * i] == -1 && (*tiles)[3 * i + 2] == 0;
	ktest_ok(same, "%s: %u tiles of %d rows", what, n, tile);
	return n;
}

/*
 * What a fast kernel did: of a tile of 64 rows one barrier, two a step of 64 bytes and 32 multiplications for its 64 x 128 elements and each depth of K,
 * of few rows a multiplication for each 16 columns and step of 64; of what has no rows, nothing but a group's first barrier.
 */
static void counted(const struct device *d, const struct data *s, int few, int with_glu, unsigned int tiles, unsigned int groups, const char *what)
{
	int wide = s->c->type == DSK_I8 || s->c->type == DSK_F8, x_bytes = wide ? s->c->k : 2 * s->c->k;
	unsigned int waves = 256 / d->wave, depth = d->wave == 32 ? 16 : wide ? 32 : 16;	/* RDNA4's, CDNA3's */

	if (d->name[0] != 's' || d->name[6])
		return;
	if (!few) {
		unsigned long long steps = tiles * up_to(s->c->n, with_glu ? 64 : 128) * up_to(x_bytes, 64);

		ktest_ok(device_simt_report.barriers == groups + 2 * steps && device_simt_report.collectives == steps * 32 * ((wide ? 64 : 32) / depth),
			 "%s: %llu barriers, %llu multiplications", what, (unsigned long long)device_simt_report.barriers,
			 (unsigned long long)device_simt_report.collectives);
	} else {
		ktest_ok(device_simt_report.collectives == tiles * up_to(s->c->n, (with_glu ? 16 : 32) * (int)waves) * waves * 2 *
			 up_to(s->c->k, 64) * (64 / depth), "%s: %llu multiplications", what,
			 (unsigned long long)device_simt_report.collectives);
	}
}

static void run_fast(const struct device *d, const struct data *s, int few, const double *want, double off, const double *want_glu,
		     double off_glu, unsigned char *y, size_t y_bytes, const char *what)
{
	int waves = 256 / (int)d->wave, *tiles, n_tiles, columns = few ? 32 * waves : DSK_EXPERT_COLUMNS;
	unsigned int used = plan(d, s, few ? DSK_EXPERT_FEW : DSK_EXPERT_TILE, &tiles, &n_tiles, what);
	char name[64], line[192];
	struct simt_launch one = { .grid = { up_to(s->c->n, columns), (unsigned int)n_tiles, 1 }, LAUNCH_PARAMS(s->p),
				   BUFFERS(INOUT(y, y_bytes), ROWS_OF(s, tiles, (size_t)n_tiles * 12), MATRIX(s->gate, s->c)) };
	struct simt_launch both = { .grid = { up_to(s->c->n, columns / 2), (unsigned int)n_tiles, 1 }, LAUNCH_PARAMS(s->p),
				    BUFFERS(INOUT(y, y_bytes), ROWS_OF(s, tiles, (size_t)n_tiles * 12), MATRIX(s->gate, s->c),
					    MATRIX(s->up, s->c)) };

	snprintf(name, sizeof(name), "dsk_expert_%s%s", few ? "few_" : "", s->type);
	snprintf(line, sizeof(line), "%s, %s", what, name + 4);
	memset(y, 0xa5, y_bytes);
	if (ktest_launch(d, name, &one, "%s", what)) {
		counted(d, s, few, 0, used, one.grid[0] * one.grid[1], line);
		check(s, y, want, off, 0, line);
	}
	snprintf(name, sizeof(name), "dsk_expert_%sglu_%s", few ? "few_" : "", s->type);
	snprintf(line, sizeof(line), "%s, %s", what, name + 4);
	memset(y, 0xa5, y_bytes);
	if ((d->name[0] == 's' || s->c->type == DSK_BF16) && ktest_launch(d, name, &both, "%s", what)) {
		counted(d, s, few, 1, used, both.grid[0] * both.grid[1], line);
		check(s, y, want_glu, off_glu, 4e-6, line);
	}
	free(tiles);
}

/* Both products, then GLU by itself: what the fused kernels are compared with, through the same reference. */
static void run_plain(const struct device *d, const struct data *s, const double *want, double off, const double *want_up, double off_up,
		      const double *want_glu, double off_glu, unsigned char *y, size_t y_bytes, const char *what)
{
	struct dsk_expert_params p = s->p;
	size_t n = (size_t)(s->pairs * p.y_stride);
	float *gate = calloc(n, 4), *up = calloc(n, 4);
	struct dsk_glu_params g = { .n = p.n, .x_stride = p.y_stride, .y_stride = p.y_stride, .y_type = p.y_type, .act = p.act, .alpha = p.alpha,
				    .limit = p.limit, .flags = DSK_GLU_UP };
	char line[192];
	struct simt_launch l = { .grid = { (unsigned int)s->pairs, up_to(p.n, 256), 1 }, LAUNCH_PARAMS(s->p),
				 BUFFERS(INOUT(y, y_bytes), ROWS_OF(s, s->offsets, (size_t)(p.experts + 1) * 4), MATRIX(s->gate, s->c)) };
	struct simt_launch lg = { .grid = { (unsigned int)s->rows, 1, 1 }, LAUNCH_PARAMS(g),
				  BUFFERS(INOUT(y, y_bytes), NONE, IN(gate, n * 4), IN(up, n * 4)) };

	snprintf(line, sizeof(line), "%s, plain", what);
	memset(y, 0xa5, y_bytes);
	if (ktest_launch(d, "dsk_expert", &l, "%s", what))
		check(s, y, want, off, 0, line);
	p.y_type = DSK_F32;
	l.params = &p;
	l.buffers[0] = (struct simt_buffer)INOUT(gate, n * 4);
	if (!ktest_launch(d, "dsk_expert", &l, "%s", what))
		goto out;
	l.buffers[0] = (struct simt_buffer)INOUT(up, n * 4);
	memcpy(&l.buffers[5], (struct simt_buffer[]){ MATRIX(s->up, s->c) }, 4 * sizeof(struct simt_buffer));
	if (!ktest_launch(d, "dsk_expert", &l, "%s", what))
		goto out;
	for (int r = 0; r < s->rows; r++)
		for (int i = 0; i < p.n; i++)
			if (fabs(up[r * p.y_stride + i] - want_up[r * p.n + i]) > off_up * 2)
				ktest_ok(0, "%s: row %d, column %d of the second product", what, r, i);
	snprintf(line, sizeof(line), "%s, plain and glu", what);
	memset(y, 0xa5, y_bytes);
	if (s->rows && ktest_launch(d, "dsk_glu", &lg, "%s", what))
		check(s, y, want_glu, off_glu, 4e-6, line);
out:
	free(gate);
	free(up);
}

static void run(const struct device *d, const struct expert_case *c)
{
	struct data s;
	double *gate, *up, *both, off_gate, off_up, most_up = 1, most_gate = 1, off;
	unsigned char *y;
	size_t y_bytes, n;
	char what[160];

	snprintf(what, sizeof(what), "%s: %s, %d x %d rows to %d experts%s, %d of %d%s%s%s, act %d", d->name, type_name(c->type), c->tokens, c->top_k,
		 c->experts, c->spread == ONE_EXPERT ? ", all to one" : c->spread == FIRST_AND_LAST ? ", first and last" : "", c->n, c->k,
		 c->gathered ? ", gathered" : "", c->flags & DSK_EXPERT_BIAS ? ", bias" : "", c->flags & DSK_EXPERT_ZEROS ? ", zeros" : "", c->act);
	if (!data_make(&s, d, c, what))
		goto out;
	n = (size_t)(s.rows * c->n);
	gate = malloc((n + 1) * sizeof(double));
	up = malloc((n + 1) * sizeof(double));
	both = malloc((n + 1) * sizeof(double));
	off_gate = product(&s, &s.gate, gate);
	off_up = product(&s, &s.up, up);
	for (size_t i = 0; i < n; i++) {
		both[i] = glu_of(gate[i], up[i], c->act);
		most_up = fmax(most_up, fabs(up[i]) + 1);
		most_gate = fmax(most_gate, fabs(gate[i]));
	}
	off = 1.2 * off_gate * most_up + off_up * most_gate + 1e-6;
	y_bytes = (size_t)(s.pairs * s.p.y_stride) * type_size(c->y_type);
	y = malloc(y_bytes);
	if (strlen(d->name) <= 8)
		run_plain(d, &s, gate, off_gate, up, off_up, both, off, y, y_bytes, what);
	if (d->name[0] == 's' || c->opencl == (int)d->wave) {
		run_fast(d, &s, 0, gate, off_gate, both, off, y, y_bytes, what);
		run_fast(d, &s, 1, gate, off_gate, both, off, y, y_bytes, what);
	}
	free(y); free(gate); free(up); free(both);
out:
	data_free(&s);
}

/* Offsets that are none, and more experts than lanes: tiles of those that are. */
static void bad_offsets(const struct device *d)
{
	enum { EXPERTS = 300, ROWS = 40 };
	int offsets[EXPERTS + 1], tiles[3 * 8], want[3 * 8] = { 0, 0, 16, 0, 16, 4, 5, 21, 6, 298, 30, 10, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0 };
	struct dsk_expert_plan_params p = { .rows = ROWS, .experts = EXPERTS, .tile = 16, .tiles = 8 };
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(tiles, sizeof(tiles)), IN(offsets, sizeof(offsets))) };

	for (int i = 0; i <= EXPERTS; i++)
		offsets[i] = 30;
	/* 0..20; 20..-5, -5..7, 7..41 and 41..21 aren't; 21..27; 27..27 is empty, 27..30 not: 27..INT_MAX, INT_MAX..30; 30..40; 40..41 is past all rows */
	memcpy(offsets, (int[]){ 0, 20, -5, 7, 41, 21, 27, 27, 0x7fffffff }, 36);
	offsets[EXPERTS - 1] = 40;
	offsets[EXPERTS] = 41;
	if (ktest_launch(d, "dsk_expert_plan", &l, "%s: bad offsets", d->name))
		ktest_ok(!memcmp(tiles, want, sizeof(tiles)), "%s: bad offsets are those of no rows", d->name);
	p.tiles = 3;
	l.buffers[0].size = 36;
	if (ktest_launch(d, "dsk_expert_plan", &l, "%s: too few tiles", d->name))
		ktest_ok(!memcmp(tiles, want, 36), "%s: more tiles than there is room for are left out", d->name);
}

/* A tile of the plan or a pair that is none: nothing is stored, or what zeros give. The plain kernel: rows that no expert has. */
static void bad_numbers(const struct device *d, int type)
{
	const struct expert_case c = { 9, 2, 3, FIRST_AND_LAST, 18, 40, type, DSK_F32, 0, DSK_EXPERT_BIAS, DSK_ACT_SILU, 0 };
	static const int bad[][3] = { { -1, 0, 8 }, { 3, 0, 8 }, { 0, -1, 8 }, { 0, 19, 0 }, { 0, 19, -1 }, { 0, 0, -1 }, { 0, 11, 8 }, { 0, 0, 65 },
				      { 0x7fffffff, 0, 8 }, { 0, 0x7fffffff, 8 }, { 0, 8, 0x7fffffff }, { 0, 0, 17 } };
	struct data s;
	size_t y_size = 21 * 18 * 4;
	unsigned char *y = malloc(y_size);
	int tile[3], kept = 1, zeros = 1;
	char fast[32], few[32];
	float got;

	snprintf(fast, sizeof(fast), "dsk_expert_%s", type_name(type));
	snprintf(few, sizeof(few), "dsk_expert_few_%s", type_name(type));

	if (!data_make(&s, d, &c, d->name))
		goto out;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(s.p),
				 BUFFERS(INOUT(y, y_size), ROWS_OF(&s, tile, 12), MATRIX(s.gate, &c)) };

	memset(y, 0xa5, y_size);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(tile, bad[i], 12);
		if ((bad[i][2] != 17 && !ktest_launch(d, fast, &l, "%s: tile %d, %d, %d", d->name, tile[0], tile[1], tile[2])) ||
		    !ktest_launch(d, few, &l, "%s: tile %d, %d, %d", d->name, tile[0], tile[1], tile[2]))
			goto out;
	}
	for (size_t i = 0; i < y_size; i++)
		kept &= y[i] == 0xa5;
	ktest_ok(kept, "%s: %s: a tile that is none stores nothing", d->name, s.type);
	if (d->name[0] == 's') {
		int none[3] = { -1, 0, 0 };

		memcpy(tile, (int[]){ 1, 0, 4 }, 12);
		l.buffers[4].other = none;
		ktest_ok(ktest_launch(d, fast, &l, "%s: a tile that changes", d->name), "%s: %s: a tile that changes meanwhile", d->name, s.type);
		l.buffers[4].other = NULL;
	}
	s.row_pair[0] = -1;
	s.row_pair[1] = -0x7fffffff;
	s.row_pair[2] = 18;
	s.row_pair[3] = 0x7fffffff;
	memcpy(tile, (int[]){ 1, 0, 4 }, 12);
	for (int kernel = 0; kernel < 3; kernel++) {
		memcpy(s.offsets, (int[]){ 0, 0, 4, 20 }, 16);	/* the plain kernel: 4 rows, and 16 that aren't all there */
		l.grid[0] = kernel == 2 ? 18 : 1;
		if (kernel == 2) {
			l.buffers[4] = (struct simt_buffer)IN(s.offsets, 16);
			memset(y, 0xa5, y_size);
		}
		if (!ktest_launch(d, kernel == 0 ? fast : kernel == 1 ? few : "dsk_expert", &l, "%s: bad pairs", d->name))
			goto out;
		for (int r = 0; r < 18; r++)
			for (int i = 0; i < 18; i++) {
				memcpy(&got, y + (r * 21 + i) * 4, 4);
				if (r < 4)
					zeros &= got == s.gate.bias[18 + i];
				else
					zeros &= !memcmp(&got, "\xa5\xa5\xa5\xa5", 4);
			}
	}
	ktest_ok(zeros, "%s: %s: a pair that is none is a row of zeros", d->name, s.type);
	static const int order[][4] = { { -1, 4, 0, 0 }, { 8, 4, 1, 0 }, { 18, 18, 18, 20 }, { 0, 0, 0, 0 } };

	memset(y, 0xa5, y_size);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		memcpy(s.offsets, order[i], 16);
		if (!ktest_launch(d, "dsk_expert", &l, "%s: bad offsets, plain", d->name))
			goto out;
	}
	for (size_t i = 0; i < y_size; i++)
		kept &= y[i] == 0xa5;
	ktest_ok(kept, "%s: bad offsets, plain: nothing is stored", d->name);
	memcpy(s.offsets, (int[]){ 17, 18, 18, 18 }, 16);
	if (ktest_launch(d, "dsk_expert", &l, "%s: rows before the first, plain", d->name)) {
		for (size_t i = 0; i < y_size - 21 * 4; i++)
			kept &= y[i] == 0xa5;
		ktest_ok(kept, "%s: rows before the first, plain: nothing is stored", d->name);
	}
out:
	data_free(&s);
	free(y);
}

/* A NaN among the codes of a row of x, and in a column's of w, is one in that row and that column and nowhere else. */
static void not_a_number(const struct device *d)
{
	const struct expert_case c = { 4, 1, 1, ONE_EXPERT, 20, 70, DSK_F8, DSK_F32, 1, 0, DSK_ACT_SILU, 0 };
	static const char *const kernels[] = { "dsk_expert", "dsk_expert_f8", "dsk_expert_few_f8" };
	struct data s;
	float y[4 * 23];
	int tile[3] = { 0, 0, 4 };

	if (!data_make(&s, d, &c, d->name))
		goto out;
	s.x[2 * s.p.x_stride + 41] = 0x7f;
	s.gate.w[3 * s.p.w_stride + 65] = 0xff;
	for (int kernel = 0; kernel < 3; kernel++) {
		struct simt_launch l = { .grid = { kernel ? 1 : 4, 1, 1 }, LAUNCH_PARAMS(s.p),
					 BUFFERS(INOUT(y, sizeof(y)), ROWS_OF(&s, tile, 12), MATRIX(s.gate, &c)) };
		int good = 1;

		if (!kernel) {
			if (strlen(d->name) > 8)	/* the harness for one generation has the fast ones only */
				continue;
			l.buffers[4] = (struct simt_buffer)IN(s.offsets, 8);
		}
		memset(y, 0, sizeof(y));
		if (!ktest_launch(d, kernels[kernel], &l, "%s: NaNs", d->name))
			goto out;
		for (int r = 0; r < 4; r++)
			for (int col = 0; col < 20; col++)
				good &= !isnan(y[r * 23 + col]) == (r != 2 && col != 3);
		ktest_ok(good, "%s: %s: a NaN stays in its row and its column", d->name, kernels[kernel]);
	}
out:
	data_free(&s);
}

/* As norm.c does it: int8 with a scale a row, of one input or of two; a row of zeros stays one. */
static void quantised(const struct device *d)
{
	enum { N = 300 };
	float gate[2 * N], up[2 * N], scales[2];
	signed char y[2 * N];
	struct dsk_glu_params p = { .n = N, .x_stride = N, .y_stride = N, .y_type = DSK_I8 };
	struct simt_launch l = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(y, 2 * N), OUT(scales, 8), IN(gate, sizeof(gate)), IN(up, sizeof(up))) };

	for (int i = 0; i < 2 * N; i++) {
		gate[i] = i < N ? random_float(-3, 3) : 0;
		up[i] = random_float(-2, 2);
	}
	for (int two = 0; two < 2; two++) {
		double top = 0;
		int good = 1;

		p.act = two ? DSK_ACT_SILU : DSK_ACT_NONE;
		p.flags = two ? DSK_GLU_UP : 0;
		if (!two)
			l.buffers[3] = (struct simt_buffer)NONE;
		else
			l.buffers[3] = (struct simt_buffer)IN(up, sizeof(up));
		if (!ktest_launch(d, "dsk_glu", &l, "%s: to int8", d->name))
			return;
		for (int i = 0; i < N; i++)
			top = fmax(top, fabs(two ? glu_of(gate[i], up[i], DSK_ACT_SILU) : gate[i]));
		for (int i = 0; i < N; i++) {
			double want = two ? glu_of(gate[i], up[i], DSK_ACT_SILU) : gate[i];

			good &= fabs(y[i] - want * 127 / top) < 0.501 && y[N + i] == 0;
		}
		ktest_ok(good && fabs(scales[0] - top / 127) < 1e-5 * top && scales[1] == 0, "%s: %s to int8 with a scale a row", d->name,
			 two ? "glu" : "float");
	}
}

/* To E4M3: as the host does it, to the bit where there is nothing to compute before. */
static void quantised_f8(const struct device *d)
{
	enum { N = 300, ROWS = 5 };
	float gate[ROWS * N], up[ROWS * N], scales[ROWS];
	unsigned char y[ROWS * N], host[N + 4];
	struct dsk_glu_params p = { .n = N, .x_stride = N, .y_stride = N, .y_type = DSK_F8 };
	struct simt_launch l = { .grid = { ROWS, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(y, sizeof(y)), OUT(scales, sizeof(scales)), IN(gate, sizeof(gate)), IN(up, sizeof(up))) };
	double want[N];
	char err[128] = "";

	for (int i = 0; i < N; i++) {
		gate[i] = random_float(-3, 3);
		gate[N + i] = 0;
		gate[2 * N + i] = ldexpf(random_float(-1, 1), random_int(-40, 0));
		gate[3 * N + i] = i ? (float)(i - N / 2) * 0x1p-11f : 448;	/* a scale of 1: in the middle between two, and beside it */
		gate[4 * N + i] = i == 7 ? NAN : random_float(-3, 3);
	}
	for (int i = 0; i < ROWS * N; i++)
		up[i] = random_float(-2, 2);
	for (int two = 0; two < 2; two++) {
		int good = 1, same = 1;

		p.act = two ? DSK_ACT_SILU : DSK_ACT_NONE;
		p.flags = two ? DSK_GLU_UP : 0;
		l.buffers[3] = two ? (struct simt_buffer)IN(up, sizeof(up)) : (struct simt_buffer)NONE;
		if (!ktest_launch(d, "dsk_glu", &l, "%s: to E4M3", d->name))
			return;
		for (int i = 0; i < N; i++)
			good &= ((y[4 * N + i] & 0x7f) == 0x7f) == (i == 7);
		for (int r = 0; r < ROWS - 1; r++) {
			for (int i = 0; i < N; i++)
				want[i] = two ? glu_of(gate[r * N + i], up[r * N + i], DSK_ACT_SILU) : gate[r * N + i];
			good &= f8_row_is(y + r * N, scales[r], want, N, err, sizeof(err));
			dseek_row_from_f32(DSEEK_F8_E4M3, gate + r * N, N, host);
			same &= two || (!memcmp(host, y + r * N, N) && !memcmp(host + N, &scales[r], 4));
		}
		ktest_ok(good, "%s: %s to E4M3 with a scale a row, a NaN for a NaN%s", d->name, two ? "glu" : "float", err);
		if (d->name[0] == 's' && !two)
			ktest_ok(same, "%s: float to E4M3, the host's bits", d->name);
	}
}

static void test(const struct device *d)
{
	if (strlen(d->name) <= 8) {
		bad_offsets(d);
		quantised(d);
		quantised_f8(d);
	}
	if (d->name[0] == 's')
		not_a_number(d);
	if (d->name[0] == 's' && strlen(d->name) <= 8)
		for (int type = DSK_BF16; type <= DSK_F8; type++)
			bad_numbers(d, type);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (d->name[0] == 's' ? cases[i].opencl != ONLY && (strlen(d->name) <= 8 || cases[i].tokens < 50) : cases[i].opencl)
			run(d, &cases[i]);
}

int main(void)
{
	return ktest_main_mma(test);
}
