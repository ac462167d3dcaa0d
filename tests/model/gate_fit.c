// SPDX-License-Identifier: MIT
/*
 * The gate's trainer (model/gate_fit.h): gradients by finite differences, whitening by its definition, that what can be learned is, and the task
 * of recall (model/recall.h) by its own.
 */
#include "../../userspace/model/gate_fit.h"
#include "../../userspace/model/random.h"
#include "../../userspace/model/recall.h"
#include "../../userspace/model/sample_text.h"
#include "../check_run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define D	12
#define G	5
#define KEYS	7
#define QUERIES	4

static float keys[2][KEYS * D], queries[2][QUERIES * D], targets[2][QUERIES * KEYS], wq[D * D], wk[D * D];
static const uint32_t visible[QUERIES] = { 4, 5, 6, 7 };
static struct gate_sequence sequences[2];

static float draw(struct random *r)
{
	return 2 * random_unit(r) - 1;
}

static void make(void)
{
	struct random r;

	random_seed(&r, 9);
	for (int s = 0; s < 2; s++) {
		for (int i = 0; i < KEYS * D; i++)
			keys[s][i] = draw(&r);
		for (int i = 0; i < QUERIES * D; i++)
			queries[s][i] = draw(&r);
		for (int i = 0; i < QUERIES; i++) {
			float sum = 0;

			for (uint32_t j = 0; j < visible[i]; j++)
				sum += targets[s][i * KEYS + j] = j == 1 ? 0 : random_unit(&r);
			for (uint32_t j = 0; j < visible[i]; j++)
				targets[s][i * KEYS + j] /= sum;
		}
		sequences[s] = (struct gate_sequence){ KEYS, QUERIES, keys[s], queries[s], visible, targets[s] };
	}
	for (int i = 0; i < D * D; i++) {
		wq[i] = draw(&r);
		wk[i] = draw(&r);
	}
}

START_TEST(test_gradient)
{
	const struct gate_shape shape = { D, G, 0.7f };
	double dq[G * D], dk[G * D], loss, low, high;

	make();
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 2, &loss, dq, dk), 0);
	for (int which = 0; which < 2; which++)
		for (int i = 0; i < G * D; i++) {
			float *w = (which ? wk : wq) + i, was = *w;
			const double step = 1.0 / 256;
			double slope;

			*w = was + step;
			ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 2, &high, NULL, NULL), 0);
			*w = was - step;
			ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 2, &low, NULL, NULL), 0);
			*w = was;
			slope = (high - low) / (2 * step);
			ck_assert_msg(fabs(slope - (which ? dk : dq)[i]) <= 1e-4 + 1e-3 * fabs(slope), "%s[%d]: %.8g by differences, %.8g",
				      which ? "dk" : "dq", i, slope, (which ? dk : dq)[i]);
		}
}
END_TEST

/* The loss from its formula, in double precision. */
START_TEST(test_loss)
{
	const struct gate_shape shape = { D, G, 0.7f };
	double want = 0, loss;

	make();
	for (int s = 0; s < 2; s++)
		for (int i = 0; i < QUERIES; i++) {
			double p[KEYS], sum = 0;

			for (uint32_t j = 0; j < visible[i]; j++) {
				p[j] = 0;
				for (int c = 0; c < G; c++) {
					double a = 0, b = 0;

					for (int e = 0; e < D; e++) {
						a += (double)wq[c * D + e] * queries[s][i * D + e];
						b += (double)wk[c * D + e] * keys[s][j * D + e];
					}
					p[j] += 0.7f * a * b;
				}
				sum += p[j] = exp(p[j]);
			}
			for (uint32_t j = 0; j < visible[i]; j++)
				if (targets[s][i * KEYS + j] > 0)
					want += targets[s][i * KEYS + j] * log(targets[s][i * KEYS + j] * sum / p[j]) / (2 * QUERIES);
		}
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 2, &loss, NULL, NULL), 0);
	ck_assert_double_eq_tol(loss, want, 1e-5);
}
END_TEST

/* W S W^T is the identity, but for the scale that lengths keep. */
START_TEST(test_whiten)
{
	const struct gate_shape shape = { D, D, 1 };
	double s[D][D] = {}, trace = 0;

	make();
	for (int q = 0; q < 2; q++)
		for (int j = 0; j < KEYS; j++)
			for (int r = 0; r < D; r++)
				for (int c = 0; c < D; c++)
					s[r][c] += (double)keys[q][j * D + r] * keys[q][j * D + c];
	for (int r = 0; r < D; r++)
		trace += s[r][r];
	for (int r = 0; r < D; r++)
		s[r][r] += 0.2 * trace / D;
	ck_assert_int_eq(gate_whiten(&shape, sequences, 2, 0.2, wq, wk), 0);
	ck_assert_mem_eq(wq, wk, sizeof(wq));
	for (int a = 0; a < D; a++)
		for (int b = 0; b < D; b++) {
			double got = 0;

			for (int r = 0; r < D; r++)
				for (int c = 0; c < D; c++)
					got += wq[a * D + r] * s[r][c] * wq[b * D + c];
			ck_assert_double_eq_tol(got / (trace / D), a == b, 1e-4);
		}
	ck_assert_int_eq(gate_whiten(&(struct gate_shape){ D, G, 1 }, sequences, 2, 0.2, wq, wk), -EINVAL);
	ck_assert_int_eq(gate_whiten(&shape, sequences, 0, 0.2, wq, wk), -EINVAL);
	ck_assert_int_eq(gate_whiten(&shape, sequences, 2, 0, wq, wk), -EINVAL);
}
END_TEST

/* Targets that a gate of the same shape made are learned to nothing; the scale alone, wrong by 100, too. */
START_TEST(test_fit)
{
	const struct gate_shape shape = { D, G, 0.7f };
	const struct gate_fit fit = { sequences, sequences + 1, 2, 1, 800, 0.05f };
	struct gate_fit_result result, again;
	float start[2][G * D], found[2][G * D];

	make();
	for (int s = 0; s < 2; s++)
		for (int i = 0; i < QUERIES; i++) {
			double sum = 0, p[KEYS];

			for (uint32_t j = 0; j < visible[i]; j++) {
				p[j] = 0;
				for (int c = 0; c < G; c++) {
					double a = 0, b = 0;

					for (int e = 0; e < D; e++) {
						a += wq[c * D + e] * queries[s][i * D + e];
						b += wk[c * D + e] * keys[s][j * D + e];
					}
					p[j] += 0.7 * a * b;
				}
				sum += p[j] = exp(p[j]);
			}
			for (uint32_t j = 0; j < visible[i]; j++)
				targets[s][i * KEYS + j] = p[j] / sum;
		}
	gate_init(&shape, 3, start[0], start[1]);
	ck_assert_mem_eq(start[0], start[1], sizeof(start[0]));
	memcpy(found, start, sizeof(start));
	ck_assert_int_eq(gate_fit(&shape, &fit, found[0], found[1], &result), 0);
	ck_assert_msg(result.after < 0.01 && result.after < 0.02 * result.before, "loss %g, was %g", result.after, result.before);
	memcpy(found, start, sizeof(start));
	ck_assert_int_eq(gate_fit(&shape, &fit, found[0], found[1], &again), 0);
	ck_assert_double_eq(result.after, again.after);
	/* no steps: only the scale is fitted, which needs no luck */
	memcpy(found[0], wq, sizeof(found[0]));
	memcpy(found[1], wk, sizeof(found[1]));
	for (int i = 0; i < G * D; i++)
		found[0][i] *= 100;
	ck_assert_int_eq(gate_fit(&shape, &(struct gate_fit){ sequences, sequences, 2, 2, 0, 0.1f }, found[0], found[1], &result), 0);
	ck_assert_msg(result.after < 0.05 && result.steps == 0, "loss %g", result.after);
}
END_TEST

START_TEST(test_refused)
{
	struct gate_shape shape = { D, G, 1 };
	const uint32_t none[QUERIES] = { 0, 1, 1, 1 }, many[QUERIES] = { 8, 1, 1, 1 };
	double loss, d[G * D];

	make();
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 0, &loss, NULL, NULL), -EINVAL);
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 1, &loss, d, NULL), -EINVAL);
	sequences[0].visible = none;
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 1, &loss, NULL, NULL), -EINVAL);
	sequences[0].visible = many;
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 1, &loss, NULL, NULL), -EINVAL);
	sequences[0].visible = visible;
	sequences[0].query_blocks = 0;
	ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 1, &loss, NULL, NULL), -EINVAL);
	for (int i = 0; i < 4; i++) {
		shape = (struct gate_shape){ i == 0 ? 0 : i == 1 ? 257 : D, i == 2 ? 0 : i == 3 ? 257 : G, 1 };
		ck_assert_int_eq(gate_loss(&shape, wq, wk, sequences, 2, &loss, NULL, NULL), -EINVAL);
	}
}
END_TEST

START_TEST(test_recall)
{
	struct recall_params params = { .d = 32, .document = 300, .quotations = 3, .seed = 5 };
	struct recall a, b;
	double mass[8], sum = 0;
	float out[32];
	const char *text;
	size_t size;

	text = sample_text(&size);
	ck_assert_int_eq(recall_init(&a, text, size, &params), 0);
	ck_assert_int_eq(recall_init(&b, text, size, &params), 0);
	ck_assert_uint_eq(a.document, 256);		/* whole blocks */
	ck_assert_uint_eq(a.n, 256 + 3 * RECALL_BLOCK);
	ck_assert_mem_eq(a.words, b.words, a.n * sizeof(*a.words));
	for (uint32_t i = 0; i < 3; i++) {		/* quotations are in the document */
		uint32_t at = 0;

		while (at + RECALL_BLOCK <= a.document && memcmp(a.words + at, a.words + a.document + i * RECALL_BLOCK, RECALL_BLOCK * sizeof(*a.words)))
			at++;
		ck_assert_uint_le(at + RECALL_BLOCK, a.document);
	}
	ck_assert(!a.asked[RECALL_CONTEXT - 2] && a.asked[RECALL_CONTEXT - 1] && a.asked[62] && !a.asked[63]);
	recall_attend(&a, 70, NULL, mass, out);
	for (int i = 0; i < 6; i++)
		sum += mass[i];
	ck_assert_double_eq_tol(sum, 1, 1e-9);
	ck_assert_uint_eq(recall_answer(&a, 1, out), a.words[a.document + 71]);
	recall_fini(&b);
	/* other codes for another head, and for rare words of another seed; frequent ones keep theirs */
	params.head = 1;
	ck_assert_int_eq(recall_init(&b, text, size, &params), 0);
	ck_assert_mem_eq(a.words, b.words, a.n * sizeof(*a.words));
	ck_assert_mem_ne(a.codes, b.codes, 32 * sizeof(float));
	recall_fini(&b);
	params.head = 0;
	params.known = 100;
	ck_assert_int_eq(recall_init(&b, text, size, &params), 0);
	for (uint32_t w = 0, same = 0, other = 0; w < a.vocabulary; w++) {
		if (memcmp(a.codes + w * 32, b.codes + w * 32, 32 * sizeof(float)))
			other++;
		else
			same++;
		if (w == a.vocabulary - 1)
			ck_assert_msg(same > 5 && same < 100 && other > 1000, "%u the same, %u other", same, other);
	}
	recall_fini(&a);
	recall_fini(&b);
}
END_TEST

START_TEST(test_recall_refused)
{
	const struct recall_params bad[] = {
		{ .d = 0, .document = 256, .quotations = 1 }, { .d = 36, .document = 256, .quotations = 1 }, { .d = 260, .document = 256, .quotations = 1 },
		{ .d = 32, .document = 127, .quotations = 1 }, { .d = 32, .document = 256, .quotations = 0 },
		{ .d = 32, .document = 256, .quotations = 4097 }, { .d = 32, .document = (1 << 20) + 1, .quotations = 1 },
	};
	struct recall_params params = { .d = 32, .document = 256, .quotations = 1 };
	struct recall r;
	const char *text;
	size_t size;

	text = sample_text(&size);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_int_eq(recall_init(&r, text, size, &bad[i]), -EINVAL);
		recall_fini(&r);
	}
	ck_assert_int_eq(recall_init(&r, text, 200, &params), -EINVAL);
	recall_fini(&r);
	ck_assert_int_eq(recall_init(&r, text, 0, &params), -EINVAL);
	recall_fini(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate_fit");
	TCase *t = tcase_create("gate_fit");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_gradient);
	tcase_add_test(t, test_loss);
	tcase_add_test(t, test_whiten);
	tcase_add_test(t, test_fit);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_recall);
	tcase_add_test(t, test_recall_refused);
	suite_add_tcase(suite, t);
	return check_run(suite);
}
