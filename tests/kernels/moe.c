/* SPDX-License-Identifier: MIT */
/*
 * Experts on weights of programs: pair by pair, and grouped with matrix instructions over the order that dsk_place and dsk_expert_plan make, down
 * to dsk_combine. Tolerance: that of dense.c's products and GLU; the weighted sum is compared with that of the form's own h, so that errors don't add up.
 */
#include "kweight.h"

enum spread { ANY, ONE_EXPERT, ID_BELOW, ID_ABOVE };	/* where choices go; the last two: one of them to no expert */

static const struct moe_case {
	uint32_t dtype;
	int packed, tokens, choices, experts;
	enum spread spread;
	int biases;		/* DSK_MOE_*; with one the GLU is the clamped one */
} cases[] = {
	{ DSEEK_F32, 0, 3, 2, 5, ANY, 0 },
	{ DSEEK_F16, 1, 3, 2, 5, ANY, 0 },
	{ DSEEK_Q8_0, 1, 3, 2, 5, ANY, 0 },
	{ DSEEK_Q4_0, 0, 3, 2, 5, ANY, 0 },
	{ DSEEK_MXFP4, 1, 3, 2, 5, ANY, 0 },
	{ DSEEK_MXFP4, 0, 3, 2, 5, ANY, DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS | DSK_MOE_DOWN_BIAS },
	{ DSEEK_F8_E4M3, 1, 3, 2, 5, ANY, DSK_MOE_DOWN_BIAS },
	{ DSEEK_BF16, 1, 3, 2, 5, ID_BELOW, 0 },
	{ DSEEK_Q4_1, 1, 3, 2, 5, ID_ABOVE, 0 },
	{ DSEEK_F32, 1, 3, 2, 5, ANY, DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS | DSK_MOE_DOWN_BIAS },
	{ DSEEK_BF16, 0, 3, 2, 5, ANY, DSK_MOE_GATE_BIAS },
	{ DSEEK_Q8_0, 1, 3, 2, 5, ANY, DSK_MOE_UP_BIAS },
	{ DSEEK_F32, 0, 3, 2, 5, ID_ABOVE, DSK_MOE_DOWN_BIAS },
	/* more rows than a tile has of either kernel, on the one expert that there is work for; and tiles of several experts */
	{ DSEEK_BF16, 1, 35, 2, 3, ONE_EXPERT, 0 },
	{ DSEEK_F16, 0, 20, 3, 2, ANY, DSK_MOE_DOWN_BIAS },
};

/* A case's data: matrices [rows of an expert, padded to whole groups, experts]. */
struct moe {
	const struct moe_case *c;
	int pairs, k, f, m, gate_rows, down_rows;
	struct kweight gate, up, down;
	float *x, *weights, *gate_bias, *up_bias, *down_bias;
	int *ids;
	struct dsk_moe_glu_params g;
	struct dsk_moe_down_params d;
	char name[160];
};

static struct moe make(const struct device *d, const struct moe_case *c)
{
	int block = (int)dseek_dtype_block(c->dtype), pairs = c->tokens * c->choices, k = block == 1 ? 34 : block, f = block == 1 ? 66 : 2 * block, m = 37;
	struct moe t = { .c = c, .pairs = pairs, .k = k, .f = f, .m = m, .gate_rows = (f + 15) / 16 * 16, .down_rows = (m + 15) / 16 * 16 };

	t.gate = kweight_make(c->dtype, (uint32_t)k, (uint32_t)(c->experts * t.gate_rows), c->packed);
	t.up = kweight_make(c->dtype, (uint32_t)k, (uint32_t)(c->experts * t.gate_rows), c->packed);
	t.down = kweight_make(c->dtype, (uint32_t)f, (uint32_t)(c->experts * t.down_rows), c->packed);
	t.x = random_typed((size_t)(k * c->tokens), DSK_F32, 1);
	t.weights = random_typed((size_t)pairs, DSK_F32, 1);
	t.gate_bias = random_typed((size_t)(f * c->experts), DSK_F32, 3);
	t.up_bias = random_typed((size_t)((f + 1) * c->experts), DSK_F32, 9);
	t.down_bias = random_typed((size_t)(m * c->experts), DSK_F32, 1);
	t.ids = malloc((size_t)pairs * sizeof(*t.ids));
	for (int i = 0; i < pairs; i++)
		t.ids[i] = c->spread == ONE_EXPERT ? 1 : random_int(0, c->experts - 1);
	if (c->spread >= ID_BELOW)
		t.ids[3] = c->spread == ID_BELOW ? -1 : c->experts;
	t.g = (struct dsk_moe_glu_params){
		.gate = t.gate.m, .up = t.up.m, .gate_stride = (int)t.gate.bytes / c->experts / 2, .up_stride = (int)t.up.bytes / c->experts / 2,
		.rows = f, .experts = c->experts, .choices = c->choices, .x_stride = k, .ids_stride = c->choices, .h_stride = f,
		.h_token_stride = f * c->choices, .act = c->biases ? DSK_ACT_SWIGLU_CLAMPED : DSK_ACT_SILU,
		.flags = c->biases & (DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS), .gate_bias_stride = f, .up_bias_stride = f + 1, .tokens = c->tokens,
	};
	t.d = (struct dsk_moe_down_params){
		.down = t.down.m, .down_stride = (int)t.down.bytes / c->experts / 2, .rows = m, .experts = c->experts, .choices = c->choices, .h_stride = f,
		.h_token_stride = f * c->choices, .ids_stride = c->choices, .weights_stride = c->choices, .out_stride = m,
		.flags = c->biases & DSK_MOE_DOWN_BIAS, .bias_stride = m, .tokens = c->tokens,
	};
	snprintf(t.name, sizeof(t.name), "%s: %s%s, %d x %d of %d%s%s", d->name, dseek_dtype_name(c->dtype), c->packed ? " packed" : "", c->tokens, c->choices,
		 c->experts, c->spread == ONE_EXPERT ? ", all to one" : c->spread != ANY ? ", an id out of range" : "", c->biases ? ", biases" : "");
	return t;
}

static void moe_free(struct moe *t)
{
	kweight_free(&t->gate);
	kweight_free(&t->up);
	kweight_free(&t->down);
	free(t->x); free(t->weights); free(t->gate_bias); free(t->up_bias); free(t->down_bias); free(t->ids);
}

static int is_expert(const struct moe *t, int pair)
{
	return t->ids[pair] >= 0 && t->ids[pair] < t->c->experts;
}

/* h [f, pairs], and how far off it may be; pairs that have no expert are 0 */
static void reference_h(const struct moe *t, double *want, double *allowed)
{
	for (int i = 0; i < t->pairs; i++)
		for (int r = 0; r < t->f && is_expert(t, i); r++) {
			const float *x = t->x + i / t->c->choices * t->k;
			double g_size, u_size, g = kweight_dot(&t->gate, (uint32_t)(t->ids[i] * t->gate_rows + r), x, &g_size);
			double u = kweight_dot(&t->up, (uint32_t)(t->ids[i] * t->gate_rows + r), x, &u_size);

			if (t->c->biases) {	/* the slopes of its factors are at most 1.1 */
				g = fmin(g + (t->g.flags & DSK_MOE_GATE_BIAS ? t->gate_bias[t->ids[i] * t->f + r] : 0), 7);
				u = fmax(fmin(u + (t->g.flags & DSK_MOE_UP_BIAS ? t->up_bias[t->ids[i] * (t->f + 1) + r] : 0), 7), -7) + 1;
				g_size += 3;
				u_size += 9;
			}
			want[i * t->f + r] = g / (1 + exp(t->c->biases ? -1.702 * g : -g)) * u;
			allowed[i * t->f + r] = 2e-6 * (u_size * fabs(g) + g_size * 1.1 * fabs(u) + 1);
		}
}

/* out [m, tokens] of @h */
static void reference_out(const struct moe *t, const float *h, double *want, double *allowed)
{
	memset(want, 0, (size_t)(t->m * t->c->tokens) * sizeof(*want));
	memset(allowed, 0, (size_t)(t->m * t->c->tokens) * sizeof(*allowed));
	for (int i = 0; i < t->pairs; i++)
		for (int r = 0; r < t->m && is_expert(t, i); r++) {
			double size, v = kweight_dot(&t->down, (uint32_t)(t->ids[i] * t->down_rows + r), h + i * t->f, &size);

			if (t->d.flags & DSK_MOE_DOWN_BIAS)
				v += t->down_bias[t->ids[i] * t->m + r];
			want[i / t->c->choices * t->m + r] += t->weights[i] * v;
			allowed[i / t->c->choices * t->m + r] += 2e-6 * size + 1e-6;
		}
}

#define OF_GATE(t)	IN((t)->g.flags & DSK_MOE_GATE_BIAS ? (t)->gate_bias : NULL, (t)->g.flags & DSK_MOE_GATE_BIAS ? (size_t)((t)->f * (t)->c->experts) * 4 : 0)
#define OF_UP(t)	IN((t)->g.flags & DSK_MOE_UP_BIAS ? (t)->up_bias : NULL, (t)->g.flags & DSK_MOE_UP_BIAS ? (size_t)(((t)->f + 1) * (t)->c->experts) * 4 : 0)
#define OF_DOWN(t)	IN((t)->d.flags & DSK_MOE_DOWN_BIAS ? (t)->down_bias : NULL, (t)->d.flags & DSK_MOE_DOWN_BIAS ? (size_t)((t)->m * (t)->c->experts) * 4 : 0)

/* Both launches, or nothing and 0; @fault: that of the first, then of the second */
static int run_plain(const struct device *d, struct moe *t, float *h, float *out, int fault[2])
{
	size_t h_bytes = (size_t)(t->f * t->pairs) * 4, ids = (size_t)t->pairs * 4;
	struct simt_launch glu = { .grid = { (unsigned int)(t->f + 63) / 64, (unsigned int)t->pairs, 1 }, LAUNCH_PARAMS(t->g),
				   BUFFERS(INOUT(h, h_bytes), INOUT(fault, 4), IN(t->x, (size_t)(t->k * t->c->tokens) * 4), IN(t->ids, ids),
					   IN(t->gate.data, t->gate.bytes), IN(t->up.data, t->up.bytes), OF_GATE(t), OF_UP(t)) };
	struct simt_launch down = { .grid = { (unsigned int)(t->m + 63) / 64, (unsigned int)t->c->tokens, 1 }, LAUNCH_PARAMS(t->d),
				    BUFFERS(INOUT(out, (size_t)(t->m * t->c->tokens) * 4), INOUT(fault + 1, 4), IN(h, h_bytes), IN(t->ids, ids),
					    IN(t->weights, ids), IN(t->down.data, t->down.bytes), OF_DOWN(t)) };

	return ktest_launch(d, "dsk_moe_glu", &glu, "%s", t->name) && ktest_launch(d, "dsk_moe_down", &down, "%s", t->name);
}

static unsigned int columns(const struct device *d, int rows, unsigned int of_wave)
{
	unsigned int n = DSK_DENSE_LANES / d->wave * of_wave;

	return ((unsigned int)rows + n - 1) / n;
}

/* From order to sum. */
static int run_grouped(const struct device *d, struct moe *t, int many, float *h, float *out, int *fault)
{
	int tile = many ? DSK_EXPERT_TILE : DSK_EXPERT_FEW, n_tiles = DSK_EXPERT_TILES(t->pairs, t->c->experts, tile), good;
	size_t ids = (size_t)t->pairs * 4, h_bytes = (size_t)(t->f * t->pairs) * 4, y_bytes = (size_t)(t->m * t->pairs) * 4;
	int *row_pair = malloc(ids), *pair_row = malloc(ids), *offsets = malloc((size_t)(t->c->experts + 1) * 4), *tiles = malloc((size_t)n_tiles * 12);
	struct dsk_place_params pp = { .pairs = t->pairs, .experts = t->c->experts, .flags = DSK_PLACE_FAULT };
	struct dsk_expert_plan_params ep = { .rows = t->pairs, .experts = t->c->experts, .tile = tile, .tiles = n_tiles };
	struct dsk_combine_params cp = { .n = t->m, .top_k = t->c->choices, .rows = t->pairs, .in_type = DSK_F32, .out_type = DSK_F32, .in_stride = t->m,
					 .out_stride = t->m };
	float *y = calloc(1, y_bytes);
	struct simt_launch place = { .grid = { (unsigned int)t->c->experts, 1, 1 }, LAUNCH_PARAMS(pp),
				     BUFFERS(OUT(row_pair, ids), OUT(pair_row, ids), OUT(offsets, (size_t)(t->c->experts + 1) * 4), INOUT(fault, 4),
					     IN(t->ids, ids)) };
	struct simt_launch plan = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(ep),
				    BUFFERS(OUT(tiles, (size_t)n_tiles * 12), IN(offsets, (size_t)(t->c->experts + 1) * 4)) };
	struct simt_launch glu = { .grid = { columns(d, t->f, 16), (unsigned int)n_tiles, 1 }, LAUNCH_PARAMS(t->g),
				   BUFFERS(INOUT(h, h_bytes), IN(t->x, (size_t)(t->k * t->c->tokens) * 4), IN(row_pair, ids), IN(tiles, (size_t)n_tiles * 12),
					   IN(t->gate.data, t->gate.bytes), IN(t->up.data, t->up.bytes), OF_GATE(t), OF_UP(t)) };
	struct simt_launch down = { .grid = { columns(d, t->m, 32), (unsigned int)n_tiles, 1 }, LAUNCH_PARAMS(t->d),
				    BUFFERS(INOUT(y, y_bytes), IN(h, h_bytes), IN(row_pair, ids), IN(tiles, (size_t)n_tiles * 12),
					    IN(t->down.data, t->down.bytes), OF_DOWN(t)) };
	struct simt_launch combine = { .grid = { (unsigned int)t->c->tokens, 1, 1 }, LAUNCH_PARAMS(cp),
				       BUFFERS(INOUT(out, (size_t)(t->m * t->c->tokens) * 4), IN(y, y_bytes), IN(pair_row, ids), IN(t->weights, ids)) };

	good = ktest_launch(d, "dsk_place", &place, "%s", t->name) && ktest_launch(d, "dsk_expert_plan", &plan, "%s", t->name) &&
	       ktest_launch(d, many ? "dsk_moe_glu_many" : "dsk_moe_glu_few", &glu, "%s", t->name) &&
	       ktest_launch(d, many ? "dsk_moe_down_many" : "dsk_moe_down_few", &down, "%s", t->name) &&
	       ktest_launch(d, "dsk_combine", &combine, "%s", t->name);
	free(row_pair); free(pair_row); free(offsets); free(tiles); free(y);
	return good;
}

static void run(const struct device *d, const struct moe_case *c)
{
	static const char *const forms[] = { "pair by pair", "few", "many" };
	struct moe t = make(d, c);
	size_t of_h = (size_t)(t.f * t.pairs), of_out = (size_t)(t.m * c->tokens);
	float *h = malloc(of_h * sizeof(*h)), *out = malloc(of_out * sizeof(*out));
	double *want_h = calloc(of_h, sizeof(*want_h)), *allowed_h = calloc(of_h, sizeof(*allowed_h));
	double *want = malloc(of_out * sizeof(*want)), *allowed = malloc(of_out * sizeof(*allowed));

	reference_h(&t, want_h, allowed_h);
	for (int form = strlen(d->name) > 8; form < 3; form++) {	/* the harness's other matrix instructions: those that have them */
		int fault[2] = { 0, 0 };
		char why[160] = "";

		memset(h, 0, of_h * sizeof(*h));
		for (size_t i = 0; i < of_out; i++)
			out[i] = NAN;
		if (!(form ? run_grouped(d, &t, form == 2, h, out, fault) : run_plain(d, &t, h, out, fault)))
			continue;
		reference_out(&t, h, want, allowed);
		for (size_t i = 0; i < of_h && form == 1; i++)
			allowed_h[i] *= 16;
		for (size_t i = 0; i < of_out && form; i++)
			allowed[i] *= 16;
		ktest_ok(kweight_close(h, want_h, allowed_h, of_h, why, sizeof(why)), "%s: %s, glu%s", t.name, forms[form], why);
		ktest_ok(kweight_close(out, want, allowed, of_out, why, sizeof(why)), "%s: %s, weighted sum%s", t.name, forms[form], why);
		ktest_ok(fault[0] == (c->spread >= ID_BELOW) && (form || fault[1] == fault[0]), "%s: %s, fault is %d", t.name, forms[form], fault[0]);
	}
	moe_free(&t);
	free(h); free(out); free(want_h); free(allowed_h); free(want); free(allowed);
}

/* An order that no ids make, as ids that change meanwhile can: what is in range is done, nothing else is touched. */
static void wrong_order(const struct device *d)
{
	static const struct moe_case c = { DSEEK_F32, 0, 3, 2, 5, ANY, 0 };
	static const int tiles[] = { 2, 0, 4, -1, 0, 0, 5, 0, 1, 1, -1, 2, 1, 3, 4, 1, 6, 1, 1, 0, 17, 0, 0, 0, 3, 4, 2 };
	enum { TILES = sizeof(tiles) / 12 };
	int row_pair[] = { 3, -1, 6, 1, INT32_MIN, INT32_MAX };
	struct moe t = make(d, &c);
	size_t h_bytes = (size_t)(t.f * t.pairs) * 4, y_bytes = (size_t)(t.m * t.pairs) * 4;
	float *h = malloc(h_bytes), *y = malloc(y_bytes);
	struct simt_launch glu = { .grid = { columns(d, t.f, 16), TILES, 1 }, LAUNCH_PARAMS(t.g),
				   BUFFERS(INOUT(h, h_bytes), IN(t.x, (size_t)(t.k * c.tokens) * 4), IN(row_pair, sizeof(row_pair)),
					   IN(tiles, sizeof(tiles)), IN(t.gate.data, t.gate.bytes), IN(t.up.data, t.up.bytes), NONE, NONE) };
	struct simt_launch down = { .grid = { columns(d, t.m, 32), TILES, 1 }, LAUNCH_PARAMS(t.d),
				    BUFFERS(INOUT(y, y_bytes), IN(h, h_bytes), IN(row_pair, sizeof(row_pair)), IN(tiles, sizeof(tiles)),
					    IN(t.down.data, t.down.bytes), NONE) };

	for (int many = 0; many < 2; many++) {
		int good = 1;

		for (size_t i = 0; i < h_bytes / 4; i++)
			h[i] = 7;
		for (size_t i = 0; i < y_bytes / 4; i++)
			y[i] = 7;
		if (!ktest_launch(d, many ? "dsk_moe_glu_many" : "dsk_moe_glu_few", &glu, "%s", d->name) ||
		    !ktest_launch(d, many ? "dsk_moe_down_many" : "dsk_moe_down_few", &down, "%s", d->name))
			continue;
		/* rows 0 and 3 are those of pairs 3 and 1, others of none; the first tile and the last are good */
		for (int i = 0; i < t.pairs; i++)
			for (int r = 0; r < t.f; r++)
				good &= (h[i * t.f + r] != 7) == (i == 1 || i == 3);
		ktest_ok(good, "%s: an order of pairs that are not there, tiles of %s: those that are have their h", d->name, many ? "64" : "16");
		good = 1;
		for (int i = 0; i < t.pairs; i++)
			for (int r = 0; r < t.m; r++)
				good &= i == 0 || i == 3 ? y[i * t.m + r] != 7 && y[i * t.m + r] != 0 : y[i * t.m + r] == 0;
		ktest_ok(good, "%s: and rows of none have products of nothing", d->name);
	}
	moe_free(&t);
	free(h); free(y);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
	if (d->name[0] == 's')	/* which sees what is touched */
		wrong_order(d);
}

int main(void)
{
	return ktest_main_mma(test);
}
