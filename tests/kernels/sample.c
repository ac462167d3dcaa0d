/* SPDX-License-Identifier: MIT */
/*
 * Sampling. Ids: those of the reference, which keeps and races in double precision; in data where the two fastest are within 1e-4, or a sum
 * within 1e-4 of top-p, another draw is taken. Frequencies of the kernel and of the CPU sampler: chi-square against the exact
 * probabilities, below its 1 - 1e-6 quantile (Wilson and Hilferty 1931); seeds are fixed.
 */
#include "ktest.h"

#include "../../userspace/model/sampler.h"

#define MAX_N	700

static const struct sample_case {
	int n;
	float temperature;
	int top_k;
	float top_p, min_p;
	enum { SPREAD, EQUAL, PAIRS, ADJACENT, FEW_FINITE } data;	/* ADJACENT: eight floats without any between them */
} cases[] = {
	{ 1, 1, 0, 1, 0, SPREAD },
	{ 1, 0, 0, 1, 0, SPREAD },
	{ 300, 0, 5, 0.5f, 0.5f, PAIRS },
	{ 257, 0, 0, 1, 0, EQUAL },
	{ 100, 1, 0, 1, 0, SPREAD },
	{ 257, 0.7f, 0, 0.8f, 0, SPREAD },
	{ 600, 1.3f, 40, 1, 0, SPREAD },
	{ 600, 2, 50, 0.7f, 0.05f, SPREAD },
	{ 513, 1, 0, 1, 0.2f, SPREAD },
	{ 300, 1, 1, 1, 0, SPREAD },
	{ 300, 1, 300, 0.9f, 1, PAIRS },
	{ 520, 1, 300, 0.9017f, 0, EQUAL },
	{ 600, 1, 7, 1, 0, PAIRS },
	{ 40, 1, 9, 0.5f, 0, PAIRS },
	{ 600, 0.5f, 0, 0.3008f, 0, EQUAL },
	{ 500, 1, 90, 1, 0, ADJACENT },
	{ 500, 1, 300, 1, 0, ADJACENT },
	{ 400, 1, 0, 0.5013f, 0, ADJACENT },
	{ 70, 1000, 60, 0.95f, 0, SPREAD },
	{ 70, 1e-3f, 0, 1, 0, PAIRS },
	{ 300, 1, 30, 1, 0, FEW_FINITE },
	{ 300, 1, 0, 0.97f, 0, FEW_FINITE },
	{ MAX_N, 1, 200, 0.92f, 0.001f, SPREAD },
};

/* Philox4x32-10 (Salmon et al. 2011, section 3.2) */
static void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = 0xd2511f53ull * c[0], p1 = 0xcd9e8d57ull * c[2];
		uint32_t next[4] = { (uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0 };

		memcpy(c, next, sizeof(next));
		k0 += 0x9e3779b9;
		k1 += 0xbb67ae85;
	}
}

/* The known answers of its authors' library (Random123, kat_vectors). */
static void known_answers(void)
{
	static const uint32_t kat[][10] = {
		{ 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
		{ ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
		{ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
	};
	int good = 1;

	for (size_t i = 0; i < sizeof(kat) / sizeof(kat[0]); i++) {
		uint32_t c[4];

		memcpy(c, kat[i], sizeof(c));
		philox(c, kat[i][4], kat[i][5]);
		good &= !memcmp(c, kat[i] + 6, sizeof(c));
	}
	ktest_ok(good, "the reference's generator gives its authors' answers");
}

/* Weights of what is kept, of the rest 0, from the definition; 0: a cut is too near to call. */
static int keep(const float *logits, int n, const struct dsk_sample_row *r, double *weight)
{
	int *order = malloc((size_t)n * sizeof(int)), kept = r->top_k && r->top_k < n ? r->top_k : n, clear = 1, most;
	double sum = 0, total = 0;

	for (int i = 0; i < n; i++) {		/* by logit, then by id: insertion */
		int j = i;

		for (; j > 0 && logits[order[j - 1]] < logits[i]; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	memset(weight, 0, (size_t)n * sizeof(*weight));
	for (int i = 0; i < kept; i++)
		total += exp((logits[order[i]] - (double)logits[order[0]]) / r->temperature);
	most = kept;
	for (kept = 0; kept < most && (r->top_p == 1 || sum < r->top_p * total); kept++) {
		weight[order[kept]] = exp((logits[order[kept]] - (double)logits[order[0]]) / r->temperature);
		sum += weight[order[kept]];
		clear &= r->top_p == 1 || fabs(sum / total - r->top_p) > 1e-4;
	}
	for (int i = 0; i < kept; i++) {
		clear &= r->min_p == 0 || weight[order[i]] == 1 || fabs(weight[order[i]] / r->min_p - 1) > 1e-4;
		if (weight[order[i]] < r->min_p)
			weight[order[i]] = 0;
	}
	free(order);
	return clear;
}

/* Who wins; -1: too near to call. */
static int race(const double *weight, int n, const struct dsk_sample_row *r)
{
	double first = INFINITY, second = INFINITY;
	int id = -1;

	for (int i = 0; i < n; i++) {
		uint32_t c[4] = { (uint32_t)i, r->position, 0, 0 };
		double v, time;

		philox(c, r->seed_low, r->seed_high);
		v = ldexp((double)(((uint64_t)c[0] << 32 | c[1]) >> 11) + 0.5, -53);
		time = weight[i] > 0 ? -log1p(-v) / weight[i] : INFINITY;
		if (time < first) {
			second = first;
			first = time;
			id = i;
		} else if (time < second) {
			second = time;
		}
	}
	return second > first * (1 + 1e-4) ? id : -1;
}

static void data(const struct sample_case *c, float *logits, int n)
{
	for (int i = 0; i < n; i++)
		logits[i] = c->data == EQUAL ? -2.5f : c->data == PAIRS ? (float)random_int(-6, 6) * 0.5f :
			c->data == FEW_FINITE && i % 11 ? -INFINITY : random_float(-4, 4);
	for (int i = 0; i < n && c->data == ADJACENT; i++) {
		uint32_t bits = 0x40490fd9u + (uint32_t)random_int(0, 7);

		memcpy(&logits[i], &bits, 4);
	}
	if (c->data == PAIRS && n > 1)		/* one value in the order: the lower id is first */
		logits[0] = 0, logits[1] = -0.0f;
}

static void run(const struct device *d, const struct sample_case *c)
{
	enum { ROWS = 2 };
	static float logits[ROWS * (MAX_N + 2)];
	struct dsk_sample_row rows[ROWS];
	struct dsk_sample_params p = { .n = c->n, .logits_stride = c->n + 2 };
	static double weight[MAX_N];
	int ids[ROWS], want[ROWS], fault = 0, good = 1;
	struct simt_launch l = { .grid = { ROWS, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(ids, sizeof(ids)), INOUT(&fault, 4), IN(logits, (size_t)(ROWS * p.logits_stride) * 4), IN(rows, sizeof(rows))) };

	for (int r = 0; r < ROWS; r++) {
		float *of = logits + r * p.logits_stride;

		for (int tries = 0;; tries++) {
			if (tries == 1000) {
				ktest_ok(0, "%s: %d logits: no data that is clear", d->name, c->n);
				return;
			}
			data(c, of, c->n);
			of[c->n] = of[c->n + 1] = NAN;		/* between rows: nobody looks there */
			rows[r] = (struct dsk_sample_row){ c->temperature, c->top_k, c->top_p, c->min_p, (uint32_t)splitmix64(&ktest_random),
							   (uint32_t)splitmix64(&ktest_random), (uint32_t)random_int(0, 100000), 0 };
			want[r] = 0;
			for (int i = 1; i < c->n && c->temperature == 0; i++)
				want[r] = of[i] > of[want[r]] ? i : want[r];
			if (c->temperature == 0)
				break;
			if (!keep(of, c->n, &rows[r], weight))
				continue;
			want[r] = race(weight, c->n, &rows[r]);
			if (want[r] >= 0)
				break;
		}
	}
	if (!ktest_launch(d, "dsk_sample", &l, "%s: %d logits", d->name, c->n))
		return;
	for (int r = 0; r < ROWS; r++) {
		good &= ids[r] == want[r];
		if (ids[r] != want[r])
			printf("# row %d: %d, not %d\n", r, ids[r], want[r]);
	}
	ktest_ok(good && !fault, "%s: %d logits%s, temperature %g, top-k %d, top-p %g, min-p %g", d->name, c->n,
		 c->data == EQUAL ? ", all equal" : c->data == PAIRS ? ", many equal" : c->data == ADJACENT ? ", adjacent floats" : c->data == FEW_FINITE ? ", most -inf" : "", c->temperature,
		 c->top_k, c->top_p, c->min_p);
}

/* Each fault alone; the row beside it is drawn. */
static void faults(const struct device *d)
{
	static const struct {
		const char *what;
		struct dsk_sample_row row;
		float logit;		/* one of the ten, the others are 1; of -INFINITY: all */
	} bad[] = {
		{ "temperature below 0", { -1, 0, 1, 0, 0, 0, 0, 0 }, 1 },
		{ "temperature NaN", { NAN, 0, 1, 0, 0, 0, 0, 0 }, 1 },
		{ "temperature above 1000", { 1001, 0, 1, 0, 0, 0, 0, 0 }, 1 },
		{ "temperature below 0.001", { 0.0009f, 0, 1, 0, 0, 0, 0, 0 }, 1 },
		{ "top-k below 0", { 1, -1, 1, 0, 0, 0, 0, 0 }, 1 },
		{ "top-p 0", { 1, 0, 0, 0, 0, 0, 0, 0 }, 1 },
		{ "top-p above 1", { 1, 0, 1.5f, 0, 0, 0, 0, 0 }, 1 },
		{ "top-p NaN", { 1, 0, NAN, 0, 0, 0, 0, 0 }, 1 },
		{ "min-p below 0", { 1, 0, 1, -0.5f, 0, 0, 0, 0 }, 1 },
		{ "min-p above 1", { 1, 0, 1, 1.5f, 0, 0, 0, 0 }, 1 },
		{ "min-p NaN", { 1, 0, 1, NAN, 0, 0, 0, 0 }, 1 },
		{ "a logit is NaN", { 1, 0, 1, 0, 0, 0, 0, 0 }, NAN },
		{ "a logit is infinite", { 1, 0, 1, 0, 0, 0, 0, 0 }, INFINITY },
		{ "a logit is NaN, greedy", { 0, 0, 1, 0, 0, 0, 0, 0 }, NAN },
		{ "all logits are -infinity", { 0, 0, 1, 0, 0, 0, 0, 0 }, -INFINITY },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dsk_sample_params p = { .n = 10, .logits_stride = 10 };
		struct dsk_sample_row rows[2] = { bad[i].row, { 0, 0, 1, 0, 0, 0, 0, 0 } };
		float logits[20];
		int ids[2], fault = 4;
		struct simt_launch l = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(p),
					 BUFFERS(OUT(ids, 8), INOUT(&fault, 4), IN(logits, sizeof(logits)), IN(rows, sizeof(rows))) };

		for (int j = 0; j < 20; j++)
			logits[j] = j < 10 && (j == 7 || bad[i].logit == -INFINITY) ? bad[i].logit : 1;
		if (ktest_launch(d, "dsk_sample", &l, "%s: %s", d->name, bad[i].what))
			ktest_ok(ids[0] == -1 && ids[1] == 0 && fault == 5, "%s: %s: id %d, fault %d", d->name, bad[i].what, ids[0], fault);
	}
}

/* Below which chi-square of @k degrees is with probability 1 - 1e-6. */
static double chi_square_bound(int k)
{
	double a = 2.0 / (9 * k);

	return k * pow(1 - a + 4.753 * sqrt(a), 3);
}

static void judge(const char *who, const int *ids, int draws, const double *weight, int n)
{
	double sum = 0, chi = 0;
	int degrees = -1, good = 1, *count = calloc((size_t)n, sizeof(int));

	for (int i = 0; i < n; i++)
		sum += weight[i];
	for (int i = 0; i < draws; i++) {
		good &= ids[i] >= 0 && ids[i] < n && weight[ids[i]] > 0;
		count[good ? ids[i] : 0]++;
	}
	for (int i = 0; i < n; i++)
		if (weight[i] > 0) {
			double expected = weight[i] / sum * draws;

			chi += pow(count[i] - expected, 2) / expected;
			degrees++;
		}
	ktest_ok(good && chi < chi_square_bound(degrees), "%s: %d draws, all of what is kept: chi-square %.1f of %d degrees, bound %.1f", who, draws, chi,
		 degrees, chi_square_bound(degrees));
	free(count);
}

/* A small vocabulary, many positions: the kernel for some, which are the reference's; the reference and the CPU sampler for many. */
static void frequencies(const struct device *d)
{
	enum { N = 60, MOST = 20000 };
	static const struct dsk_sample_row row = { 1.2f, 30, 0.93f, 0.02f, 12345, 678, 0, 0 };
	int draws = 60, same = 1, fault = 0, *ids = malloc(MOST * sizeof(int));
	struct dsk_sample_row *rows = malloc(MOST * sizeof(*rows));
	struct dsk_sample_params p = { .n = N, .logits_stride = 0 };
	float logits[N];
	double weight[N];
	struct sampler_params sp = { row.temperature, (uint32_t)row.top_k, row.top_p, row.min_p, 1, 0, 99 };
	struct sampler *sampler;
	char who[64], err[128];
	struct simt_launch l = { .grid = { (unsigned int)draws, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(ids, (size_t)draws * 4), INOUT(&fault, 4), IN(logits, sizeof(logits)),
					 IN(rows, (size_t)draws * sizeof(*rows))) };

	do
		for (int i = 0; i < N; i++)
			logits[i] = random_float(-2, 2);
	while (!keep(logits, N, &row, weight));
	for (int i = 0; i < draws; i++) {
		rows[i] = row;
		rows[i].position = (unsigned int)i;
	}
	snprintf(who, sizeof(who), "%s", d->name);
	if (ktest_launch(d, "dsk_sample", &l, "%s: draws", d->name)) {
		judge(who, ids, draws, weight, N);
		for (int i = 0; i < draws; i++) {
			int id = race(weight, N, &rows[i]);

			if (id >= 0 && id != ids[i])
				printf("# position %d: %d, not %d\n", i, ids[i], id);
			same &= id < 0 || id == ids[i];
		}
		ktest_ok(same, "%s: %d draws are the reference's", d->name, draws);
	}
	if (d->name[0] != 's' || d->wave != 32)		/* once is enough: the rest is the host's */
		goto out;
	for (int i = 0; i < MOST; i++) {
		struct dsk_sample_row r = row;

		r.position = (unsigned int)i;
		for (ids[i] = -1; ids[i] < 0; r.seed_low++)	/* another one where it is too near to call */
			ids[i] = race(weight, N, &r);
	}
	judge("the reference", ids, MOST, weight, N);
	if (!ktest_ok(!sampler_create(&sp, N, &sampler, err, sizeof(err)), "the CPU sampler"))
		goto out;
	for (int i = 0; i < MOST; i++)
		if (sampler_next(sampler, logits, &ids[i]))
			ids[i] = -1;
	sampler_destroy(sampler);
	judge("the CPU sampler, the same parameters", ids, MOST, weight, N);
out:
	free(ids);
	free(rows);
}

static void test(const struct device *d)
{
	if (d->name[0] == 's' && d->wave == 32)
		known_answers();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
	faults(d);
	frequencies(d);
}

int main(void)
{
	return ktest_main(test);
}
