// SPDX-License-Identifier: MIT
/*
 * Latent attention's two forms: each against the oracle, against each other, the choice between them, and what memory the expanded one takes.
 * Products with q8 tiles round what they multiply; the oracle of the expanded form gets latents that are rounded so, and is then as near as without.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/latent.h"
#include "one_op.h"
#include "../tap.h"

enum { Q, ROWS, K, V, POSITIONS, OUT, K_TURNED, QUERIES, MIXTURES };

static const struct dseek_backend *cpu = &dseek_backend_cpu;
static const char *isa;

struct latent_case {
	uint32_t rank, plain, rotated, value, heads, tokens, slots, window;
	int32_t last;		/* position of the last token */
	uint32_t cache, dtype;	/* of the rows, of values and turned keys */
	bool packed, precise;
};

static const struct latent_case cases[] = {
	{ 512, 128, 64, 128, 2, 70, 300, 0, 299, DSEEK_F16, DSEEK_Q8_0, true, false },
	{ 512, 128, 64, 128, 3, 1, 200, 0, 130, DSEEK_BF16, DSEEK_F32, true, false },
	{ 64, 32, 16, 32, 5, 33, 600, 0, 577, DSEEK_F32, DSEEK_Q8_0, false, false },
	{ 64, 32, 16, 32, 5, 33, 600, 40, 577, DSEEK_F16, DSEEK_Q4_0, true, true },
	{ 32, 20, 8, 36, 4, 150, 150, 0, 149, DSEEK_F16, DSEEK_F16, true, false },
	{ 96, 24, 32, 17, 1, 260, 400, 129, 399, DSEEK_Q8_0, DSEEK_BF16, true, false },
	{ 256, 32, 32, 16, 2, 129, 129, 0, 128, DSEEK_BF16, DSEEK_Q6_K, true, false },
	{ 32, 16, 4, 16, 2, 5, 40, 1, 20, DSEEK_F32, DSEEK_F32, false, true },
	{ 64, 16, 4, 16, 2, 1100, 1100, 0, 1099, DSEEK_F32, DSEEK_Q8_0, true, false },	/* more than a run */
};

static void fill(float *x, uint64_t n)
{
	while (n--)
		*x++ = test_random();
}

/* What a q8 tile makes of x. */
static void round_q8(float *x, uint64_t n)
{
	for (uint64_t b = 0; b < n / 16; b++, x += 16) {
		float max = 0;

		for (int i = 0; i < 16; i++)
			max = fmaxf(max, fabsf(x[i]));
		for (int i = 0; i < 16 && max > 0; i++)
			x[i] = rintf(x[i] * (127 / max)) * (max / 127);
	}
}

/* Largest difference in units of the wanted values' root mean square. */
static double distance(const float *got, const float *want, uint64_t n)
{
	double square = 0, worst = 0;

	for (uint64_t i = 0; i < n; i++) {
		if (isnan(got[i]))
			return INFINITY;
		square += (double)want[i] * want[i];
		worst = fmax(worst, fabs((double)got[i] - want[i]));
	}
	return worst / (sqrt(square / n) + 1e-30);
}

/* Their root mean square in the same units: what rounding to 8 bits does, of which the largest of many says little. */
static double spread(const float *got, const float *want, uint64_t n)
{
	double square = 0, error = 0;

	for (uint64_t i = 0; i < n; i++) {
		square += (double)want[i] * want[i];
		error += ((double)got[i] - want[i]) * (got[i] - want[i]);
	}
	return sqrt(error / (square + 1e-30));
}

/* Rows of the cache; slots that no token sees are no numbers. */
static void make_rows(struct one_op *o, const struct latent_case *c, uint32_t dtype, const float *rows)
{
	uint32_t n = c->rank + c->rotated, s;
	uint8_t *to = one_op_tensor(o, ROWS, dtype, n, 1, c->slots);

	for (s = 0; s < c->slots; s++) {
		dseek_row_from_f32(dtype, rows + (uint64_t)s * n, n, to + s * dseek_row_bytes(dtype, n));
		if (s > (uint32_t)c->last)
			memset(to + s * dseek_row_bytes(dtype, n), 0xff, dseek_row_bytes(dtype, n));
	}
}

/* The matrix from queries into the latent space is that of the other way, turned: F32, which holds whatever that was quantised to. */
static void make_keys(struct one_op *o, const struct latent_case *c)
{
	uint64_t matrix = (uint64_t)c->rank * c->plain;
	float *turned = malloc(matrix * c->heads * sizeof(float)), *one = malloc(matrix * sizeof(float));
	uint8_t *to;

	one_op_weight(o, K_TURNED, c->dtype, c->packed, c->rank, c->plain, c->heads, turned);
	to = one_op_weight(o, K, DSEEK_F32, c->packed, c->plain, c->rank, c->heads, NULL);
	for (uint32_t h = 0; h < c->heads; h++) {
		for (uint32_t r = 0; r < c->rank; r++)
			for (uint32_t p = 0; p < c->plain; p++)
				one[(uint64_t)r * c->plain + p] = turned[h * matrix + (uint64_t)p * c->rank + r];
		if (c->packed)
			dseek_tensor_pack(DSEEK_F32, c->plain, c->rank, one, to + h * dseek_tensor_bytes(DSEEK_F32, 1, c->plain, c->rank));
		else
			memcpy(to + h * matrix * sizeof(float), one, matrix * sizeof(float));
	}
	free(turned);
	free(one);
}

static float *make(struct one_op *o, const struct latent_case *c)
{
	uint32_t n = c->rank + c->rotated;
	float *rows = malloc((uint64_t)n * c->slots * sizeof(float));
	int32_t *positions;

	one_op_init(o, DSEEK_OP_LATENT_ATTENTION, c->precise ? DSEEK_PROGRAM_PRECISE : 0);
	fill(one_op_tensor(o, Q, DSEEK_F32, c->plain + c->rotated, c->heads, c->tokens), (uint64_t)(c->plain + c->rotated) * c->heads * c->tokens);
	fill(rows, (uint64_t)n * c->slots);
	make_rows(o, c, c->cache, rows);
	make_keys(o, c);
	one_op_weight(o, V, c->dtype, c->packed, c->rank, c->value, c->heads, NULL);
	positions = one_op_tensor(o, POSITIONS, DSEEK_I32, c->tokens, 1, 1);
	for (uint32_t t = 0; t < c->tokens; t++)
		positions[t] = c->last - (int32_t)(c->tokens - 1 - t);
	one_op_tensor(o, OUT, DSEEK_F32, c->value, c->heads, c->tokens);
	one_op_tensor(o, QUERIES, DSEEK_F32, n, c->heads, c->tokens);
	one_op_tensor(o, MIXTURES, DSEEK_F32, c->rank, c->heads, c->tokens);
	o->op.i[0] = c->window;
	o->op.f[0] = 0.1f;
	return rows;
}

static void *open_engine(const char *name, int threads, const char *form)
{
	char options[100], err[200] = "";
	void *state = NULL;

	snprintf(options, sizeof(options), "isa=%s,threads=%d,latent=%s", name, threads, form);
	if (cpu->open(options, &state, err, sizeof(err)))
		printf("# %s\n", err);
	return state;
}

static float *run_on(struct one_op *o, void *state, uint64_t n)
{
	float *copy = calloc(n, sizeof(*copy));

	memset(o->data[OUT], 0x7f, n * sizeof(*copy));
	if (one_op_run(o, cpu, state))
		o->data[OUT] = memset(o->data[OUT], 0xff, n * sizeof(*copy));
	return memcpy(copy, o->data[OUT], n * sizeof(*copy));
}

static void work_of(const struct latent_case *c, struct cpu_latent_work *ret)
{
	uint32_t w = !c->precise && dseek_dtype_block(c->dtype) > 1 ? CPU_LATENT_Q8 : 1;
	struct cpu_latent_shape s = { c->rank, c->plain, c->rotated, c->value, .w_k = 1, .w_t = w, .w_v = w };
	uint64_t pairs = 0, begin = INT32_MAX;

	for (uint32_t t = 0; t < c->tokens; t++) {
		uint64_t position = c->last - (c->tokens - 1 - t), first = c->window && position >= c->window ? position - c->window + 1 : 0;

		pairs += position - first + 1;
		begin = first < begin ? first : begin;
	}
	*ret = cpu_latent_work(&s, pairs, c->tokens, c->last + 1 - begin);
}

static void test_case(const struct latent_case *c, void *oracle)
{
	void *absorbed = open_engine(isa, 1, "absorbed"), *expanded = open_engine(isa, 1, "expanded");
	void *chosen = open_engine(isa, 1, "auto"), *three = open_engine(isa, 3, "expanded");
	uint64_t n = (uint64_t)c->value * c->heads * c->tokens;
	bool q8 = !c->precise && dseek_dtype_block(c->dtype) > 1;
	float *want, *near, *a, *e, *x, *t;
	struct cpu_latent_work work;
	double off_a, off_e, apart;
	struct one_op o;
	float *rows = make(&o, c);

	want = run_on(&o, oracle, n);
	a = run_on(&o, absorbed, n);
	e = run_on(&o, expanded, n);
	x = run_on(&o, chosen, n);
	t = run_on(&o, three, n);
	near = want;
	if (q8) {	/* what is left of the latents is what the cache has, rounded */
		for (uint32_t s = 0; s < c->slots; s++) {
			float *row = rows + (uint64_t)s * (c->rank + c->rotated);
			uint64_t bytes = dseek_row_bytes(c->cache, c->rank + c->rotated);

			dseek_row_to_f32(c->cache, (uint8_t *)o.data[ROWS] + s * bytes, c->rank + c->rotated, row);
			round_q8(row, c->rank);
		}
		make_rows(&o, c, DSEEK_F32, rows);
		near = run_on(&o, oracle, n);
	}
	off_a = q8 ? spread(a, want, n) : distance(a, want, n);
	off_e = distance(e, near, n);
	apart = q8 ? spread(e, a, n) : distance(e, a, n);
	work_of(c, &work);
	tap_ok(off_e <= 1e-4 && off_a <= (q8 ? 2e-2 : 1e-4) && apart <= (q8 ? 3e-2 : 1e-4),
	       "%s latent_attention %u/%u+%u/%u, %u heads, %u tokens up to %d, window %u, %s, %s%s: absorbed off by %.2g, expanded by %.2g, apart %.2g",
	       isa, c->rank, c->plain, c->rotated, c->value, c->heads, c->tokens, c->last, c->window, dseek_dtype_name(c->cache),
	       dseek_dtype_name(c->dtype), c->precise ? ", precise" : "", off_a, off_e, apart);
	tap_ok(!memcmp(x, work.absorbed <= work.expanded ? a : e, n * sizeof(float)), "%s ... the less work of %llu and %llu is chosen", isa,
	       (unsigned long long)work.absorbed, (unsigned long long)work.expanded);
	tap_ok(!memcmp(e, t, n * sizeof(float)), "%s ... the same bits with three threads", isa);
	((int32_t *)o.data[POSITIONS])[c->tokens / 2] = c->slots;
	off_a = one_op_run(&o, cpu, expanded) == -ERANGE && one_op_run(&o, cpu, absorbed) == -ERANGE && one_op_run(&o, cpu, oracle) == -ERANGE;
	((int32_t *)o.data[POSITIONS])[c->tokens / 2] = -1;
	tap_ok(off_a && one_op_run(&o, cpu, expanded) == -ERANGE && one_op_run(&o, cpu, chosen) == -ERANGE, "%s ... positions out of range", isa);
	if (near != want)
		free(near);
	free(want);
	free(a);
	free(e);
	free(x);
	free(t);
	free(rows);
	one_op_free(&o);
	cpu->close(absorbed);
	cpu->close(expanded);
	cpu->close(chosen);
	cpu->close(three);
}

/* Scratch is bounded by the shape and the run, not by what the context holds. */
static void test_memory(void)
{
	static const uint32_t slots[] = { 300, 5000 };
	uint64_t took[2];

	for (int i = 0; i < 2; i++) {
		struct latent_case c = { 64, 32, 16, 32, 2, 40, slots[i], 0, (int32_t)slots[i] - 1, DSEEK_F16, DSEEK_Q8_0, true, false };
		struct cpu_ctx *ctx = open_engine(isa, 1, "expanded");
		struct one_op o;

		free(make(&o, &c));
		took[i] = one_op_run(&o, cpu, ctx) ? 0 : ctx->arena_size;
		one_op_free(&o);
		cpu->close(ctx);
	}
	tap_ok(took[0] && took[0] == took[1], "%s scratch: %llu bytes for 300 slots, %llu for 5000", isa, (unsigned long long)took[0],
	       (unsigned long long)took[1]);
}

/* The formula, by hand. */
static void test_work(void)
{
	const struct cpu_latent_shape one = { 512, 128, 64, 128, 1, 1, 1 }, three = { 512, 128, 64, 128, 3, 3, 3 };
	struct cpu_latent_work w = cpu_latent_work(&one, 10, 2, 7);

	tap_ok(w.absorbed == 10 * 1088 + 2 * 131072 && w.expanded == 10 * 320 + 7 * 131072, "work of 10 pairs, 2 queries, 7 positions");
	w = cpu_latent_work(&one, 1, 1025, 7);
	tap_ok(w.expanded == 320 + 2 * 7 * 131072, "a second run makes the keys again");
	w = cpu_latent_work(&one, 170 * 100000ull, 170, 100000);
	tap_ok(w.absorbed < w.expanded, "170 queries of many positions: absorbed");
	w = cpu_latent_work(&one, 172 * 100000ull, 172, 100000);
	tap_ok(w.absorbed > w.expanded, "172: expanded");
	w = cpu_latent_work(&three, 56 * 100000ull, 56, 100000);
	tap_ok(w.absorbed < w.expanded, "q8, 56: absorbed");
	w = cpu_latent_work(&three, 58 * 100000ull, 58, 100000);
	tap_ok(w.absorbed > w.expanded, "q8, 58: expanded");
}

int main(void)
{
	static const char *const sets[] = { "avx2", "avx512" };
	void *oracle, *probe;
	char err[200];

	setlinebuf(stdout);
	oracle = open_engine("scalar", 1, "auto");
	if (!tap_ok(oracle != NULL, "oracle"))
		return tap_end();
	tap_ok(cpu->open("latent=both", &probe, err, sizeof(err)) == -EINVAL && strstr(err, "latent=both"), "unknown form: %s", err);
	test_work();
	for (int s = 0; s < 2; s++) {
		char options[40];

		isa = sets[s];
		snprintf(options, sizeof(options), "isa=%s", isa);
		if (cpu->open(options, &probe, err, sizeof(err))) {
			tap_skip(isa, err);
			continue;
		}
		cpu->close(probe);
		test_seed(7);
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
			test_case(cases + i, oracle);
		test_memory();
	}
	cpu->close(oracle);
	return tap_end();
}
