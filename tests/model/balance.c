// SPDX-License-Identifier: MIT
/*
 * Load balance of experts (model/balance.h): routing against the op's oracle, the algorithm's step by hand, that it settles where it
 * should, and how far biases go.
 */
#include "../../userspace/model/balance.h"
#include "../../userspace/model/random.h"
#include "../check_run.h"

#include "../../userspace/model/model.h"
#include "../ops/one_op.h"
#include "tiny_model.h"
#include "cpu/op.h"

#include <dseek.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKENS	1500

/* Popularity of experts by @skew, and what tokens add; rows of @experts. */
static float *draw(uint32_t experts, uint32_t tokens, double skew, uint64_t seed)
{
	float *logits = malloc((size_t)experts * tokens * sizeof(*logits));
	struct random r;

	random_seed(&r, seed);
	for (uint32_t t = 0; t < tokens; t++)
		for (uint32_t e = 0; e < experts; e++)
			logits[(size_t)t * experts + e] = skew * (e * 7 % experts) / experts + 4 * random_unit(&r) - 2;
	return logits;
}

static const struct dsk_router routers[] = {
	{ 8, 2, DSEEK_GATE_SOFTMAX }, { 64, 6, DSEEK_GATE_SIGMOID }, { 16, 4, DSEEK_GATE_UNIT }, { 9, 8, DSEEK_GATE_UNIT }, { 2, 1, DSEEK_GATE_SIGMOID },
};
#define ROUTERS	((int)(sizeof(routers) / sizeof(*routers)))

/* The same ids as DSEEK_OP_MOE_ROUTE's oracle, for tokens whose keys rounding can't exchange. */
START_TEST(test_route)
{
	const struct dsk_router *r = &routers[_i];
	uint32_t compared = 0, load[64], want_load[64] = {};
	float *logits = draw(r->experts, TOKENS, 1, 3), bias[64];
	int32_t *ids = malloc(TOKENS * r->experts * sizeof(*ids));
	struct one_op o;
	struct dseek_program_view view = { .header = &o.header, .tensors = o.tensors, .bindings = o.bindings, .ops = &o.op };
	struct cpu_op op;

	for (uint32_t e = 0; e < r->experts; e++)
		bias[e] = 0.01f * (e % 5);
	dsk_route_tokens(r, logits, TOKENS, bias, r->top_k, ids, load);
	one_op_init(&o, DSEEK_OP_MOE_ROUTE, 0);
	memcpy(one_op_tensor(&o, 0, DSEEK_F32, r->experts, TOKENS, 1), logits, (size_t)r->experts * TOKENS * sizeof(float));
	one_op_tensor(&o, 1, DSEEK_I32, r->top_k, TOKENS, 1);
	one_op_tensor(&o, 2, DSEEK_F32, r->top_k, TOKENS, 1);
	memcpy(one_op_tensor(&o, 3, DSEEK_F32, r->experts, 1, 1), bias, r->experts * sizeof(float));
	o.op.i[0] = r->top_k;
	o.op.i[1] = r->gate;
	cpu_op_resolve(&view, 0, NULL, o.data, &op);
	ck_assert_int_eq(cpu_op_ref(&op), 0);
	for (uint32_t t = 0; t < TOKENS; t++) {
		const int32_t *want = (int32_t *)o.data[1] + t * r->top_k;

		for (uint32_t j = 0; j < r->top_k; j++)
			want_load[want[j]]++;
		compared += !memcmp(want, ids + t * r->top_k, r->top_k * sizeof(*want));
	}
	/* float against double: a near tie in a thousand tokens at most */
	ck_assert_uint_ge(compared, TOKENS - 2);
	for (uint32_t e = 0; e < r->experts; e++)
		ck_assert_int_le(abs((int)load[e] - (int)want_load[e]), 2);
	one_op_free(&o);
	free(logits);
	free(ids);
}
END_TEST

START_TEST(test_route_odd)
{
	const struct dsk_router r = { 4, 2, DSEEK_GATE_UNIT };
	const float logits[3][4] = { { 1, 1, 1, 1 }, { NAN, 0, NAN, -1 }, { NAN, NAN, NAN, NAN } };
	const int32_t want[3][4] = { { 0, 1, 2, 3 }, { 1, 3, 0, 2 }, { 0, 1, 2, 3 } };
	uint32_t load[4];
	int32_t ids[3][4];

	dsk_route_tokens(&r, logits[0], 3, NULL, 4, ids[0], load);
	ck_assert_mem_eq(ids, want, sizeof(ids));
	ck_assert_uint_eq(load[0], 2);
	ck_assert_uint_eq(load[1], 3);
	ck_assert_uint_eq(load[2], 0);
	ck_assert_uint_eq(load[3], 1);
}
END_TEST

START_TEST(test_spread)
{
	const uint32_t even[4] = { 5, 5, 5, 5 }, one[5] = { 0, 10, 0, 0, 0 }, some[2] = { 1, 3 }, none[3] = {};

	ck_assert_double_eq(dsk_load_spread(even, 4), 0);
	ck_assert_double_eq_tol(dsk_load_spread(one, 5), 2, 1e-12);
	ck_assert_double_eq_tol(dsk_load_spread(some, 2), 0.5, 1e-12);
	ck_assert_double_eq(dsk_load_spread(none, 3), 0);
}
END_TEST

START_TEST(test_step)
{
	const uint32_t load[4] = { 10, 0, 5, 5 };
	float bias[4] = { 1, 1, 1, 1 };

	dsk_balance_step(bias, load, 4, 0.25f);
	ck_assert_float_eq(bias[0], 0.75f);
	ck_assert_float_eq(bias[1], 1.25f);
	ck_assert_float_eq(bias[2], 1);
	ck_assert_float_eq(bias[3], 1);
}
END_TEST

/* It settles: on what it learned from within 3 %, on other tokens of the same kind within what chance allows; and is never worse. */
START_TEST(test_fit)
{
	const struct dsk_router *r = &routers[_i];
	float *logits = draw(r->experts, TOKENS, 4, 5), *other = draw(r->experts, TOKENS, 4, 6), bias[64] = {}, again[64] = {};
	double chance = sqrt((double)r->experts / r->top_k / TOKENS);
	struct dsk_balance_result fit, second;
	uint32_t load[64];

	ck_assert_int_eq(dsk_balance_fit(r, logits, TOKENS, NULL, bias, &fit), 0);
	ck_assert_msg(fit.after <= 0.03, "spread %g, was %g, after %u steps", fit.after, fit.before, fit.steps);
	ck_assert_msg(fit.before >= 3 * fit.after, "spread %g, was %g", fit.after, fit.before);
	ck_assert_double_le(fit.moved, 0.25 / (1 - 0.95));
	dsk_route_tokens(r, logits, TOKENS, bias, r->top_k, NULL, load);
	ck_assert_double_eq(dsk_load_spread(load, r->experts), fit.after);
	dsk_route_tokens(r, other, TOKENS, bias, r->top_k, NULL, load);
	ck_assert_msg(dsk_load_spread(load, r->experts) <= 0.03 + 3 * chance, "spread %g, chance %g", dsk_load_spread(load, r->experts), chance);
	/* deterministic; and from there it gets no worse */
	ck_assert_int_eq(dsk_balance_fit(r, logits, TOKENS, NULL, again, &second), 0);
	ck_assert_mem_eq(bias, again, r->experts * sizeof(*bias));
	ck_assert_int_eq(dsk_balance_fit(r, logits, TOKENS, NULL, bias, &second), 0);
	ck_assert_double_eq(second.before, fit.after);
	ck_assert_double_le(second.after, fit.after);
	free(logits);
	free(other);
}
END_TEST

/* Few small steps can't get far: the bound holds and is reached. */
START_TEST(test_bound)
{
	const struct dsk_balance_params params = { .steps = 1000, .rate = 0.01f, .decay = 0.5f };
	float *logits = draw(16, TOKENS, 40, 7), bias[16] = {};
	struct dsk_balance_result fit;

	ck_assert_int_eq(dsk_balance_fit(&routers[2], logits, TOKENS, &params, bias, &fit), 0);
	ck_assert_msg(fit.moved <= 0.02 * (1 + 1e-6) && fit.moved > 0.015, "moved %g", fit.moved);
	ck_assert_double_le(fit.after, fit.before);
	free(logits);
}
END_TEST

START_TEST(test_fit_refused)
{
	const struct dsk_router good = { 4, 2, DSEEK_GATE_UNIT }, bad[] = {
		{ 4, 0, DSEEK_GATE_UNIT }, { 4, 5, DSEEK_GATE_UNIT }, { 513, 2, DSEEK_GATE_UNIT }, { 4, 2, DSEEK_GATE_COUNT },
	};
	const struct dsk_balance_params wrong[] = { { .rate = -1 }, { .rate = INFINITY }, { .decay = 1 }, { .decay = -0.5f } };
	float logits[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, bias[4] = { 1, 2, 3, 4 };
	const float untouched[4] = { 1, 2, 3, 4 };
	struct dsk_balance_result fit;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(dsk_balance_fit(&bad[i], logits, 2, NULL, bias, &fit), -EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(dsk_balance_fit(&good, logits, 2, &wrong[i], bias, &fit), -EINVAL);
	ck_assert_int_eq(dsk_balance_fit(&good, logits, 0, NULL, bias, &fit), -EINVAL);
	logits[5] = NAN;
	ck_assert_int_eq(dsk_balance_fit(&good, logits, 2, NULL, bias, &fit), -EDOM);
	logits[5] = INFINITY;
	ck_assert_int_eq(dsk_balance_fit(&good, logits, 2, NULL, bias, &fit), -EDOM);
	ck_assert_mem_eq(bias, untouched, sizeof(bias));
}
END_TEST

START_TEST(test_capacity)
{
	const struct dsk_router r = { 4, 2, DSEEK_GATE_UNIT };
	const int32_t ids[3][4] = { { 0, 1, 2, 3 }, { 0, 1, 2, 3 }, { 0, 1, 3, 2 } };
	struct dsk_capacity_result c;

	ck_assert_uint_eq(dsk_capacity(3, 2, 4, 1), 2);		/* 1.5 */
	ck_assert_uint_eq(dsk_capacity(4, 2, 4, 1), 2);
	ck_assert_uint_eq(dsk_capacity(4, 2, 4, 1.25), 3);
	/* two each take 0 and 1; the third's first next choice, 3, takes one, its second, 2, the other */
	ck_assert_int_eq(dsk_capacity_apply(&r, ids[0], 3, 4, 2, &c), 0);
	ck_assert_uint_eq(c.pairs, 6);
	ck_assert_uint_eq(c.over, 2);
	ck_assert_uint_eq(c.rerouted, 2);
	ck_assert_uint_eq(c.dropped, 0);
	ck_assert_int_eq(dsk_capacity_apply(&r, ids[0], 3, 4, 1, &c), 0);	/* four places for six */
	ck_assert_uint_eq(c.over, 4);
	ck_assert_uint_eq(c.rerouted, 2);
	ck_assert_uint_eq(c.dropped, 2);
}
END_TEST

/* ---- a model's routers */

#define TINY	.layers = 2, .embd = 64, .heads = 4, .kv_heads = 2

static struct dseek_device *dev;

static struct dsk_model *load(const struct tiny_model *t)
{
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	struct dsk_model *m;
	char path[256], err[512];

	snprintf(path, sizeof(path), "%s/balance-%d.gguf", dir, getpid());
	ck_assert_int_eq(tiny_model_write(path, t), 0);
	ck_assert_msg(!dsk_model_open(path, &m, err, sizeof(err)), "%s", err);
	ck_assert_ptr_null(dsk_model_router_bias(m, 0));	/* not loaded */
	if (!dev)
		ck_assert_msg(!dseek_open("embed:balance,threads=1", NULL, &dev), "%s", dseek_strerror_detail());
	ck_assert_msg(!dsk_model_load(m, dev, NULL, err, sizeof(err)), "%s", err);
	unlink(path);
	return m;
}

static struct dsk_session *tapped(struct dsk_model *m)
{
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = 64, .chunk = 32, .tap = true, .precise = true };
	struct dsk_session *s;
	char err[512];

	ck_assert_msg(!dsk_session_create(m, &params, &s, err, sizeof(err)), "%s", err);
	return s;
}

static const int32_t some[12] = { 1, 70, 71, 90, 33, 50, 60, 61, 62, 63, 64, 65 };

/* The bias in the loaded weights is what a job routes by: another one gives other logits, the old one the old ones; the tap has none of it. */
START_TEST(test_model)
{
	const struct tiny_model t = { "", "llama", TINY, .ff = 96, .experts = 8, .used = 2, .expert_ff = 96, .router_bias = true };
	struct dsk_model *m = load(&t);
	struct dsk_session *s = tapped(m);
	uint32_t n = dsk_model_shape(m)->n_vocab;
	float first[TINY_VOCAB], tap[8 * 12], before[8], *bias = dsk_model_router_bias(m, 0);

	ck_assert_ptr_nonnull(bias);
	ck_assert_ptr_nonnull(dsk_model_router_bias(m, 1));
	ck_assert_ptr_null(dsk_model_router_bias(m, 2));
	ck_assert_int_eq(dsk_session_eval(s, some, 12), 0);
	ck_assert_ptr_null(dsk_session_tap(s, 0, DSK_TAP_INPUT));
	ck_assert_ptr_null(dsk_session_tap(s, 0, DSK_TAP_HIDDEN));
	ck_assert_ptr_null(dsk_session_tap(s, 0, DSK_TAP_COUNT));
	ck_assert_ptr_null(dsk_session_tap(s, 2, DSK_TAP_ROUTER));
	ck_assert_ptr_nonnull(dsk_session_tap(s, 0, DSK_TAP_ROUTER));
	memcpy(first, dsk_session_logits(s), n * sizeof(*first));
	memcpy(tap, dsk_session_tap(s, 0, DSK_TAP_ROUTER), sizeof(tap));
	ck_assert_mem_ne(tap, dsk_session_tap(s, 1, DSK_TAP_ROUTER), sizeof(tap));
	memcpy(before, bias, sizeof(before));
	for (int e = 0; e < 8; e++)
		bias[e] -= 100.0f * e;		/* all go to 0 and 1 */
	ck_assert_int_eq(dsk_session_rewind(s, 0), 0);
	ck_assert_int_eq(dsk_session_eval(s, some, 12), 0);
	ck_assert_mem_eq(tap, dsk_session_tap(s, 0, DSK_TAP_ROUTER), sizeof(tap));
	ck_assert_mem_ne(first, dsk_session_logits(s), n * sizeof(*first));
	memcpy(bias, before, sizeof(before));
	ck_assert_int_eq(dsk_session_rewind(s, 0), 0);
	ck_assert_int_eq(dsk_session_eval(s, some, 12), 0);
	ck_assert_mem_eq(first, dsk_session_logits(s), n * sizeof(*first));
	ck_assert_int_eq(dsk_session_eval(s, some, 1), 0);	/* a decode job has no tap */
	ck_assert_ptr_null(dsk_session_tap(s, 0, DSK_TAP_ROUTER));
	dsk_session_destroy(s);
	dsk_model_close(m);
	dseek_close(dev);
}
END_TEST

START_TEST(test_model_without)
{
	const struct tiny_model dense = { "", "llama", TINY, .ff = 96 };
	const struct tiny_model no_bias = { "", "llama", TINY, .ff = 96, .experts = 8, .used = 2, .expert_ff = 96 };
	struct dsk_model *m = load(&dense);
	struct dsk_session *s = tapped(m);

	ck_assert_ptr_null(dsk_model_router_bias(m, 0));
	ck_assert_int_eq(dsk_session_eval(s, some, 12), 0);
	ck_assert_ptr_null(dsk_session_tap(s, 0, DSK_TAP_ROUTER));
	ck_assert_ptr_nonnull(dsk_session_tap(s, 0, DSK_TAP_INPUT));
	dsk_session_destroy(s);
	dsk_model_close(m);
	m = load(&no_bias);
	ck_assert_ptr_null(dsk_model_router_bias(m, 0));
	dsk_model_close(m);
	dseek_close(dev);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("balance");
	TCase *t = tcase_create("balance");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_route, 0, ROUTERS);
	tcase_add_test(t, test_route_odd);
	tcase_add_test(t, test_spread);
	tcase_add_test(t, test_step);
	tcase_add_loop_test(t, test_fit, 0, ROUTERS);
	tcase_add_test(t, test_bound);
	tcase_add_test(t, test_fit_refused);
	tcase_add_test(t, test_capacity);
	tcase_add_test(t, test_model);
	tcase_add_test(t, test_model_without);
	suite_add_tcase(suite, t);
	return check_run(suite);
}
