// SPDX-License-Identifier: MIT
/* The oracle: every op against values computed by hand or by definition, and every refusal. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "one_op.h"
#include "../tap.h"

static const struct dseek_backend *cpu = &dseek_backend_cpu;
static void *state;

static int run(struct one_op *o)
{
	return one_op_run(o, cpu, state);
}

static int near(const float *got, const float *want, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!(fabsf(got[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i])))) {
			printf("# [%d] got %.9g, want %.9g\n", i, got[i], want[i]);
			return 0;
		}
	return 1;
}

static void fill(struct one_op *o, int slot, const float *v, int n)
{
	memcpy(o->data[slot], v, n * sizeof(*v));
}

static void ints(struct one_op *o, int slot, const int32_t *v, int n)
{
	memcpy(o->data[slot], v, n * sizeof(*v));
}

#define F(...)	((float[]){ __VA_ARGS__ })
#define I(...)	((int32_t[]){ __VA_ARGS__ })

static void test_simple(void)
{
	struct one_op o;
	float *out;
	int32_t *best;

	one_op_init(&o, DSEEK_OP_ADD, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 3, 1, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 3, 1, 1);
	out = one_op_tensor(&o, 2, DSEEK_F32, 3, 1, 1);
	fill(&o, 0, F(1, 2, 3), 3);
	fill(&o, 1, F(4, -5, 6), 3);
	tap_ok(!run(&o) && near(out, F(5, -3, 9), 3), "add");
	o.op.code = DSEEK_OP_MUL;
	tap_ok(!run(&o) && near(out, F(4, -10, 18), 3), "mul");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_RMSNORM, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 2, 1, 1);
	out = one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	fill(&o, 0, F(3, 4, 0, 0), 4);
	fill(&o, 1, F(1, 2), 2);
	o.op.f[0] = 0.5f;
	tap_ok(!run(&o) && near(out, F(3 / sqrtf(13), 8 / sqrtf(13), 0, 0), 4), "rmsnorm");
	o.op.t[1] = DSEEK_NO_TENSOR;
	tap_ok(!run(&o) && near(out, F(3 / sqrtf(13), 4 / sqrtf(13), 0, 0), 4), "rmsnorm without weight");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_ARGMAX, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 4, 3, 1);
	best = one_op_tensor(&o, 1, DSEEK_I32, 3, 1, 1);
	fill(&o, 0, F(1, 7, 7, 2, -1, -2, -3, -1, NAN, -9, 0, 0), 12);
	tap_ok(!run(&o) && best[0] == 1 && best[1] == 0 && best[2] == 2, "argmax: the lowest of equals, no NaN");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_ROWS, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 3, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 1, 1);
	out = one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	fill(&o, 0, F(1, 2, 3, 4, 5, 6), 6);
	ints(&o, 1, I(2, 0), 2);
	tap_ok(!run(&o) && near(out, F(5, 6, 1, 2), 4), "rows");
	ints(&o, 1, I(2, 3), 2);
	tap_ok(run(&o) == -ERANGE, "rows: past the end");
	ints(&o, 1, I(-1, 0), 2);
	tap_ok(run(&o) == -ERANGE, "rows: negative");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_COPY, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 1);
	one_op_tensor(&o, 1, DSEEK_F16, 2, 1, 1);
	fill(&o, 0, F(1, -0.5f), 2);
	tap_ok(!run(&o) && !memcmp(o.data[1], (uint16_t[]){ 0x3c00, 0xb800 }, 4), "copy to F16");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_NOP, 0);
	tap_ok(!run(&o), "nop");
	o.op.code = DSEEK_OP_SPIN;
	o.op.i[0] = 100;
	tap_ok(!run(&o), "spin");
	one_op_free(&o);
}

static void test_embed(void)
{
	struct one_op o;
	float *out, back[3 * 32];
	int layout;

	for (layout = 0; layout < DSEEK_LAYOUT_COUNT; layout++) {
		one_op_init(&o, DSEEK_OP_EMBED, 0);
		one_op_tensor(&o, 0, DSEEK_I32, 2, 1, 1);
		one_op_weight(&o, 1, DSEEK_Q8_0, layout, 32, 3, 1, back);
		out = one_op_tensor(&o, 2, DSEEK_F32, 32, 2, 1);
		ints(&o, 0, I(2, 1), 2);
		tap_ok(!run(&o) && near(out, back + 64, 32) && near(out + 32, back + 32, 32), "embed, layout %d", layout);
		ints(&o, 0, I(2, 3), 2);
		tap_ok(run(&o) == -ERANGE, "embed: id past the table");
		ints(&o, 0, I(-1, 1), 2);
		tap_ok(run(&o) == -ERANGE, "embed: negative id");
		ints(&o, 0, I(0, 0), 2);
		o.op.f[0] = 2;
		back[0] *= 2;
		tap_ok(!run(&o) && near(out, back, 1), "embed: scale");
		one_op_free(&o);
	}
}

static void test_linear(void)
{
	struct one_op o;
	float *a, *b;

	one_op_init(&o, DSEEK_OP_LINEAR, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 2, 3, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 1, 1);
	a = one_op_tensor(&o, 4, DSEEK_F32, 3, 2, 1);
	b = one_op_tensor(&o, 5, DSEEK_F32, 1, 2, 1);
	one_op_tensor(&o, 7, DSEEK_F32, 3, 1, 1);
	fill(&o, 0, F(1, 2, 3, 4), 4);
	fill(&o, 1, F(1, 0, 0, 1, 1, 1), 6);
	fill(&o, 2, F(10, 1), 2);
	fill(&o, 7, F(0.5f, 0, 0), 3);
	tap_ok(!run(&o) && near(a, F(1.5f, 2, 3, 3.5f, 4, 7), 6) && near(b, F(12, 34), 2), "linear: two products, a bias");
	o.op.flags = DSEEK_OPF_ACCUMULATE;
	tap_ok(!run(&o) && near(a, F(3, 4, 6, 7, 8, 14), 6) && near(b, F(24, 68), 2), "linear: accumulate");
	one_op_free(&o);

	one_op_init(&o, DSEEK_OP_GLU, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	a = one_op_tensor(&o, 3, DSEEK_F32, 2, 1, 1);
	fill(&o, 0, F(1, 2), 2);
	fill(&o, 1, F(1, 0, 0, -1), 4);
	fill(&o, 2, F(3, 0, 1, 1), 4);
	tap_ok(!run(&o) && near(a, F(3 / (1 + expf(-1)), -6 / (1 + expf(2))), 2), "glu: silu");
	o.op.i[0] = DSEEK_ACT_RELU;
	tap_ok(!run(&o) && near(a, F(3, 0), 2), "glu: relu");
	o.op.i[0] = DSEEK_ACT_GELU_TANH;
	tap_ok(!run(&o) && near(a, F(3 * 0.841191990f, -0.045402306f * 3), 2), "glu: gelu");
	one_op_free(&o);
}

static void test_head_linear(void)
{
	struct one_op o;
	float *out;

	/* two heads, two tokens; [2,3,2]: head 0 picks, head 1 adds and takes away */
	one_op_init(&o, DSEEK_OP_HEAD_LINEAR, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 2);
	one_op_tensor(&o, 1, DSEEK_F32, 2, 3, 2);
	out = one_op_tensor(&o, 2, DSEEK_F32, 3, 2, 2);
	fill(&o, 0, F(1, 2, 3, 4, 5, 6, 7, 8), 8);
	fill(&o, 1, F(1, 0, 0, 1, 0, 0, 1, 1, 1, -1, 0, 2), 12);
	tap_ok(!run(&o) && near(out, F(1, 2, 0, 7, -1, 8, 5, 6, 0, 15, -1, 16), 12), "head_linear: a matrix a head");
	one_op_free(&o);
}

static void test_rope(void)
{
	struct one_op o;
	float *x, c1 = cosf(3), s1 = sinf(3), c2 = cosf(0.3f), s2 = sinf(0.3f);

	one_op_init(&o, DSEEK_OP_ROPE, 0);
	x = one_op_tensor(&o, 0, DSEEK_F32, 6, 1, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 1, 1, 1);
	ints(&o, 1, I(3), 1);
	o.op.i[0] = 4;
	o.op.f[0] = 100;
	o.op.f[1] = 1;
	fill(&o, 0, F(1, 2, 3, 4, 5, 6), 6);
	tap_ok(!run(&o) && near(x, F(c1 - 2 * s1, s1 + 2 * c1, 3 * c2 - 4 * s2, 3 * s2 + 4 * c2, 5, 6), 6), "rope: interleaved");
	o.op.i[1] = DSEEK_ROPE_NEOX;
	fill(&o, 0, F(1, 2, 3, 4, 5, 6), 6);
	tap_ok(!run(&o) && near(x, F(c1 - 3 * s1, 2 * c2 - 4 * s2, s1 + 3 * c1, 2 * s2 + 4 * c2, 5, 6), 6), "rope: neox");
	one_op_tensor(&o, 2, DSEEK_F32, 2, 1, 1);
	fill(&o, 2, F(2, 0.2f), 2);
	o.op.f[1] = 2;
	fill(&o, 0, F(1, 2, 3, 4, 5, 6), 6);
	tap_ok(!run(&o) && near(x, F(c1 - 3 * s1, 2 * cosf(3) - 4 * sinf(3), s1 + 3 * c1, 2 * sinf(3) + 4 * cosf(3), 5, 6), 6),
	       "rope: factors and scale");
	o.op.f[2] = 0.5f;
	fill(&o, 0, F(1, 2, 3, 4, 5, 6), 6);
	tap_ok(!run(&o) && near(x, F((c1 - 3 * s1) / 2, cosf(3) - 2 * sinf(3), (s1 + 3 * c1) / 2, sinf(3) + 2 * cosf(3), 5, 6), 6),
	       "rope: magnitude, of what is rotated");
	one_op_free(&o);
}

/* One KV head whose values are the first element of its keys. */
static void test_latent(void)
{
	struct one_op o;
	float *out, e = expf(1);

	one_op_init(&o, DSEEK_OP_ATTENTION, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 3, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 2, 1, 3);
	one_op_inside(&o, 2, 1, 1);
	one_op_tensor(&o, 3, DSEEK_I32, 1, 1, 1);
	out = one_op_tensor(&o, 4, DSEEK_F32, 1, 3, 1);
	fill(&o, 0, F(0, 0, 1, 0, 0, 1), 6);
	fill(&o, 1, F(2, 0, 3, 1, NAN, NAN), 6);
	ints(&o, 3, I(1), 1);
	o.op.f[0] = 1;
	tap_ok(!run(&o) && near(out, F(2.5f, (2 + 3 * e) / (1 + e), (2 + 3 * e) / (1 + e)), 3), "attention: values in the keys' rows");
	one_op_free(&o);

	/* two heads on latents of two: keys [2 c0 | r] and [c0 - c1 | r], values c0 + c1 and 3 c1; rows (1, 2, 0), (3, 1, 1) */
	one_op_init(&o, DSEEK_OP_LATENT_ATTENTION, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 3, 1, 3);
	one_op_tensor(&o, 2, DSEEK_F32, 1, 2, 2);
	one_op_tensor(&o, 3, DSEEK_F32, 2, 1, 2);
	one_op_tensor(&o, 4, DSEEK_I32, 1, 1, 1);
	out = one_op_tensor(&o, 5, DSEEK_F32, 1, 2, 1);
	one_op_tensor(&o, 6, DSEEK_F32, 2, 1, 2);
	one_op_tensor(&o, 7, DSEEK_F32, 3, 2, 1);
	one_op_tensor(&o, 8, DSEEK_F32, 2, 2, 1);
	fill(&o, 0, F(0.5f, -3, 1, -3), 4);	/* scores: 1, 3 - 3; -1, 2 - 3 */
	fill(&o, 1, F(1, 2, 0, 3, 1, 1, NAN, NAN, NAN), 9);
	fill(&o, 2, F(2, 0, 1, -1), 4);
	fill(&o, 3, F(1, 1, 0, 3), 4);
	fill(&o, 6, F(2, 0, 1, -1), 4);
	ints(&o, 4, I(1), 1);
	o.op.f[0] = 1;
	tap_ok(!run(&o) && near(out, F((3 * e + 4) / (e + 1), 4.5f), 2), "latent_attention: two heads");
	o.op.i[0] = 1;
	tap_ok(!run(&o) && near(out, F(4, 3), 2), "latent_attention: a window of one");
	ints(&o, 4, I(3), 1);
	tap_ok(run(&o) == -ERANGE, "latent_attention: position past the cache");
	one_op_free(&o);
}

static void test_attention(void)
{
	struct one_op o;
	float *out, e = expf(1);

	one_op_init(&o, DSEEK_OP_KV_STORE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 2, 1, 2);
	one_op_tensor(&o, 1, DSEEK_F32, 1, 1, 2);
	one_op_tensor(&o, 2, DSEEK_F16, 2, 1, 4);
	one_op_tensor(&o, 3, DSEEK_F32, 1, 1, 4);
	one_op_tensor(&o, 4, DSEEK_I32, 2, 1, 1);
	fill(&o, 0, F(1, 2, 3, 4), 4);
	fill(&o, 1, F(5, 6), 2);
	ints(&o, 4, I(3, 1), 2);
	tap_ok(!run(&o) && !memcmp(o.data[2], (uint16_t[]){ 0, 0, 0x4200, 0x4400, 0, 0, 0x3c00, 0x4000 }, 16) &&
	       !memcmp(o.data[3], F(0, 6, 0, 5), 16), "kv_store");
	o.op.flags = DSEEK_OPF_RING;
	ints(&o, 4, I(8, 13), 2);	/* slots 0 and 1 */
	tap_ok(!run(&o) && !memcmp(o.data[3], F(5, 6, 0, 5), 16), "kv_store: ring");
	ints(&o, 4, I(3, DSEEK_RING_POSITIONS), 2);
	tap_ok(run(&o) == -ERANGE, "kv_store: ring, position 2^30");
	o.op.flags = 0;
	ints(&o, 4, I(3, 4), 2);
	tap_ok(run(&o) == -ERANGE, "kv_store: slot past the cache");
	ints(&o, 4, I(-2, 1), 2);
	tap_ok(run(&o) == -ERANGE, "kv_store: negative slot");
	o.op.t[1] = o.op.t[3] = DSEEK_NO_TENSOR;
	memset(o.data[2], 0, 16);
	memset(o.data[3], 0, 16);
	ints(&o, 4, I(0, 2), 2);
	tap_ok(!run(&o) && !memcmp(o.data[2], (uint16_t[]){ 0x3c00, 0x4000, 0, 0, 0x4200, 0x4400, 0, 0 }, 16) &&
	       !memcmp(o.data[3], F(0, 0, 0, 0), 16), "kv_store without values");
	ints(&o, 4, I(0, 4), 2);
	tap_ok(run(&o) == -ERANGE, "kv_store without values: slot past the cache");
	one_op_free(&o);

	/* keys 0, 1, 2 for slots 0, 1, 2; values 10, 20, 30 */
	one_op_init(&o, DSEEK_OP_ATTENTION, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 2, 1);
	one_op_tensor(&o, 1, DSEEK_F32, 1, 1, 4);
	one_op_tensor(&o, 2, DSEEK_F32, 1, 1, 4);
	one_op_tensor(&o, 3, DSEEK_I32, 1, 1, 1);
	out = one_op_tensor(&o, 4, DSEEK_F32, 1, 2, 1);
	fill(&o, 0, F(2, 0), 2);
	fill(&o, 1, F(0, 1, 2, NAN), 4);
	fill(&o, 2, F(10, 20, 30, NAN), 4);
	ints(&o, 3, I(2), 1);
	o.op.f[0] = 0.5f;
	tap_ok(!run(&o) && near(out, F((10 + 20 * e + 30 * e * e) / (1 + e + e * e), 20), 2), "attention: softmax, causal");
	o.op.i[0] = 2;
	tap_ok(!run(&o) && near(out, F((20 + 30 * e) / (1 + e), 25), 2), "attention: window");
	o.op.i[0] = 3;
	tap_ok(!run(&o) && near(out + 1, F(20), 1), "attention: window as long as what there is");
	o.op.i[0] = 0;
	one_op_tensor(&o, 5, DSEEK_F32, 2, 1, 1);
	fill(&o, 5, F(-INFINITY, 0), 2);
	tap_ok(!run(&o) && near(out + 1, F(15), 1), "attention: sinks");
	o.op.t[5] = DSEEK_NO_TENSOR;
	o.op.f[1] = 1;
	{
		float a = expf(tanhf(1)), b = expf(tanhf(2));

		tap_ok(!run(&o) && near(out, F((10 + 20 * a + 30 * b) / (1 + a + b)), 1), "attention: soft-cap");
	}
	/* position 9 is in slot 1, 8 in slot 0, 7 in slot 3, which it does not see */
	o.op.flags = DSEEK_OPF_RING;
	o.op.i[0] = 2;
	o.op.f[1] = 0;
	ints(&o, 3, I(9), 1);
	tap_ok(!run(&o) && near(out, F((10 + 20 * e) / (1 + e), 15), 2), "attention: ring");
	ints(&o, 3, I(DSEEK_RING_POSITIONS), 1);
	tap_ok(run(&o) == -ERANGE, "attention: ring, position 2^30");
	o.op.flags = 0;
	ints(&o, 3, I(4), 1);
	tap_ok(run(&o) == -ERANGE, "attention: position past the cache");
	ints(&o, 3, I(INT32_MIN), 1);
	tap_ok(run(&o) == -ERANGE, "attention: negative position");
	one_op_free(&o);
}

/* Six experts in three groups: their two best add up to 9, 8 and 10; then to 9, 9 and 8. */
static void test_groups(void)
{
	struct one_op o;
	int32_t *id;
	float *w;

	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 6, 2, 1);
	id = one_op_tensor(&o, 1, DSEEK_I32, 2, 2, 1);
	w = one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	fill(&o, 0, F(8, 1, 4, 4, 5, 5, 4.5f, 4.5f, 1, 8, 4, 4), 12);
	o.op.i[0] = 2;
	o.op.i[1] = DSEEK_GATE_UNIT;
	o.op.i[2] = 3;
	o.op.i[3] = 1;
	tap_ok(!run(&o) && id[0] == 4 && id[1] == 5 && id[2] == 0 && id[3] == 1, "route: the best group by the sum of two, the lower of equals");
	o.op.i[3] = 2;
	tap_ok(!run(&o) && id[0] == 0 && id[1] == 4 && id[2] == 3 && id[3] == 0, "route: two groups kept");
	one_op_tensor(&o, 3, DSEEK_F32, 6, 1, 1);
	fill(&o, 3, F(0, 0, 100, 0, 0, 0), 6);
	o.op.i[1] = DSEEK_GATE_SIGMOID;
	o.op.i[3] = 1;
	tap_ok(!run(&o) && id[0] == 2 && id[1] == 3 && near(w, F(1 / (1 + expf(-4)), 1 / (1 + expf(-4))), 2), "route: the bias selects groups, too");
	o.op.t[3] = DSEEK_NO_TENSOR;
	o.op.i[1] = DSEEK_GATE_UNIT;
	fill(&o, 0, F(NAN, NAN, NAN, 1, NAN, 9), 6);
	o.op.i[3] = 3;
	tap_ok(!run(&o) && id[0] == 5 && id[1] == 3, "route: no number is the least");
	o.op.i[2] = 6;
	o.op.i[3] = 2;
	fill(&o, 0, F(1, 7, 3, 9, 9, 2), 6);
	tap_ok(!run(&o) && id[0] == 3 && id[1] == 4, "route: groups of one");
	one_op_free(&o);
}

static float s(float gate)
{
	return 1 / (1 + expf(-1.702f * gate));
}

static void test_moe(void)
{
	struct one_op o;
	int32_t *id;
	float *w, e = expf(1), silu2 = 2 / (1 + expf(-2)), *out;

	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 4, 1, 1);
	id = one_op_tensor(&o, 1, DSEEK_I32, 2, 1, 1);
	w = one_op_tensor(&o, 2, DSEEK_F32, 2, 1, 1);
	fill(&o, 0, F(0, 1, 0, 1), 4);
	o.op.i[0] = 2;
	tap_ok(!run(&o) && id[0] == 1 && id[1] == 3 && near(w, F(e / (2 + 2 * e), e / (2 + 2 * e)), 2), "route: softmax, ties");
	o.op.flags = DSEEK_OPF_NORMALISE;
	o.op.f[0] = 3;
	tap_ok(!run(&o) && near(w, F(1.5f, 1.5f), 2), "route: normalise, scale");
	o.op.i[1] = DSEEK_GATE_SIGMOID;
	one_op_tensor(&o, 3, DSEEK_F32, 4, 1, 1);
	fill(&o, 3, F(10, 0, 0, 0), 4);
	o.op.flags = 0;
	o.op.f[0] = 0;
	tap_ok(!run(&o) && id[0] == 0 && id[1] == 1 && near(w, F(0.5f, 1 / (1 + 1 / e)), 2), "route: sigmoid, bias only selects");
	fill(&o, 0, F(-90, -90, -90, -90), 4);
	o.op.flags = DSEEK_OPF_NORMALISE;
	o.op.f[1] = 1;
	tap_ok(!run(&o) && w[0] < 1e-30f, "route: least sum");
	one_op_free(&o);
	test_groups();

	one_op_init(&o, DSEEK_OP_MOE_FFN, DSEEK_PROGRAM_PRECISE);
	one_op_tensor(&o, 0, DSEEK_F32, 1, 2, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 2, 1);
	one_op_tensor(&o, 2, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 3, DSEEK_F32, 1, 1, 3);
	one_op_tensor(&o, 4, DSEEK_F32, 1, 1, 3);
	one_op_tensor(&o, 5, DSEEK_F32, 1, 2, 3);
	out = one_op_tensor(&o, 6, DSEEK_F32, 2, 2, 1);
	one_op_tensor(&o, 7, DSEEK_F32, 1, 2, 2);
	fill(&o, 0, F(1, 2), 2);
	ints(&o, 1, I(0, 2, 2, 1), 4);
	fill(&o, 2, F(0.5f, 1, 2, 1), 4);
	fill(&o, 3, F(2, 0, 1), 3);
	fill(&o, 4, F(1, 1, 3), 3);
	fill(&o, 5, F(1, 0, 5, 5, 0, 1), 6);
	/* token 0: expert 0 gives silu(2)*1, expert 2 silu(1)*3; token 1: expert 2 gives silu(2)*6, expert 1 silu(0) = 0 */
	tap_ok(!run(&o) && near(out, F(0.5f * silu2, 3 / (1 + 1 / e), 0, 2 * 6 * silu2), 4), "moe_ffn");
	/* token 0: expert 0 gives 7 s(7) (7 + 1), expert 2 1.5 s(1.5) (7 + 1); token 1: expert 2 2.5 s(2.5) 8, expert 1 -1 s(-1) (-7 + 1) */
	one_op_tensor(&o, 8, DSEEK_F32, 1, 3, 1);
	one_op_tensor(&o, 9, DSEEK_F32, 1, 3, 1);
	one_op_tensor(&o, 10, DSEEK_F32, 2, 3, 1);
	fill(&o, 8, F(5.5f, -1, 0.5f), 3);
	fill(&o, 9, F(7, -99, 4), 3);
	fill(&o, 10, F(0, 1, 2, 0, 0, 0), 6);
	o.op.i[0] = DSEEK_ACT_SWIGLU_CLAMPED;
	tap_ok(!run(&o) && near(out, F(28 * s(7), 0.5f + 12 * s(1.5f), 30 * s(-1) + 2, 40 * s(2.5f) + 30 * s(-1)), 4),
	       "moe_ffn: clamped swiglu, biases");
	ints(&o, 1, I(0, 2, 3, 1), 4);
	tap_ok(run(&o) == -ERANGE, "moe_ffn: expert past the last");
	ints(&o, 1, I(0, -2, 2, 1), 4);
	tap_ok(run(&o) == -ERANGE, "moe_ffn: negative expert");
	one_op_free(&o);
}

static int yield_at_third(void *arg)
{
	return ++*(int *)arg == 3 ? -EAGAIN : 0;
}

static void test_backend(void)
{
	struct dseek_program_op ops[4];
	struct dseek_program_header header = { .n_ops = 4 };
	struct dseek_program_view view = { .header = &header, .ops = ops };
	int polls = 0;
	struct dseek_run r = { .program = &view, .poll = yield_at_third, .poll_arg = &polls };
	char err[200] = "";
	void *s;
	int i;

	memset(ops, 0, sizeof(ops));
	for (i = 0; i < 4; i++)
		memset(ops[i].t, 0xff, sizeof(ops[i].t));
	tap_ok(cpu->run(state, &r) == -EAGAIN && r.cursor == 2, "yields between ops, cursor at the next");
	tap_ok(!cpu->run(state, &r) && r.cursor == 4, "goes on from the cursor");
	tap_ok(cpu->open("speed=9", &s, err, sizeof(err)) == -EINVAL && strstr(err, "speed"), "unknown option: %s", err);
	tap_ok(cpu->open("isa=mmx", &s, err, sizeof(err)) == -EINVAL && strstr(err, "mmx"), "unknown isa: %s", err);
	tap_ok(cpu->open("threads=many", &s, err, sizeof(err)) == -EINVAL && strstr(err, "many"), "bad number: %s", err);
	tap_ok(cpu->open("threads=-1", &s, err, sizeof(err)) == -EINVAL, "negative number: %s", err);
	setenv("DSEEK_CPU_ISA", "mmx", 1);
	tap_ok(cpu->open("", &s, err, sizeof(err)) == -EINVAL && strstr(err, "mmx"), "bad DSEEK_CPU_ISA: %s", err);
	unsetenv("DSEEK_CPU_ISA");
}

int main(void)
{
	char err[200];

	setlinebuf(stdout);
	if (!tap_ok(!cpu->open("isa=scalar,threads=1", &state, err, sizeof(err)), "open"))
		return tap_end();
	test_simple();
	test_embed();
	test_linear();
	test_head_linear();
	test_rope();
	test_attention();
	test_latent();
	test_moe();
	test_backend();
	cpu->close(state);
	return tap_end();
}
