// SPDX-License-Identifier: MIT
/*
 * dseek bench routing: how evenly a router loads its experts, as it is and with the bias of model/balance.h, and what that costs. The bias is
 * learned on one half of what there is and measured on the other: of logits drawn with a skew, and, given a model, of the shipped text
 * through each of its routers. In the model each layer's bias changes what the layers behind it see: a few rounds settle that.
 */
#include "cli_model.h"

#include "../model/balance.h"
#include "../model/model.h"
#include "../model/random.h"
#include "../model/sample_text.h"
#include "../model/tokenizer.h"

#include <cjson/cJSON.h>
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNTHETIC_TOKENS	4096	/* of each half */
#define WINDOW	512		/* tokens of context, of each the second half is scored */
#define JOB	64		/* tokens of one */
#define ROUNDS	4

static const double factors[] = { 1.0, 1.25 };
#define FACTORS	(sizeof(factors) / sizeof(*factors))

/* Of one layer, or the sums over several. */
struct figures {
	double spread, worst, busiest;	/* std/mean: sum and largest of layers; load of the busiest expert over the mean */
	struct dsk_capacity_result capacity[FACTORS];
	unsigned int layers;
};

static int add_layer(struct figures *f, const struct dsk_router *r, const float *logits, uint32_t n, const float *bias)
{
	uint32_t choices = 2 * r->top_k < r->experts ? 2 * r->top_k : r->experts, load[DSK_BALANCE_MAX_EXPERTS], most = 0;
	int32_t *ids = malloc((size_t)n * choices * sizeof(*ids));
	double spread;
	int rc = ids ? 0 : -ENOMEM;

	if (rc)
		return rc;
	dsk_route_tokens(r, logits, n, bias, choices, ids, load);
	spread = dsk_load_spread(load, r->experts);
	for (uint32_t e = 0; e < r->experts; e++)
		most = load[e] > most ? load[e] : most;
	f->spread += spread;
	f->worst = fmax(f->worst, spread);
	f->busiest = fmax(f->busiest, (double)most * r->experts / ((double)n * r->top_k));
	for (unsigned int i = 0; !rc && i < FACTORS; i++) {
		struct dsk_capacity_result c;

		rc = dsk_capacity_apply(r, ids, n, choices, dsk_capacity(n, r->top_k, r->experts, factors[i]), &c);
		if (rc)
			break;
		f->capacity[i].pairs += c.pairs;
		f->capacity[i].over += c.over;
		f->capacity[i].rerouted += c.rerouted;
		f->capacity[i].dropped += c.dropped;
	}
	f->layers++;
	free(ids);
	return rc;
}

static void heading(const struct cli_common *common, const struct dsk_router *r, const char *what, uint32_t tokens)
{
	if (common->json)
		return;
	printf("%s: %u experts, %u a token, %u tokens that the bias was not learned on\n", what, r->experts, r->top_k, tokens);
	printf("%-11s %9s %7s %9s", "", "std/mean", "worst", "max/mean");
	for (unsigned int i = 0; i < FACTORS; i++)
		printf("   capacity %.2f: over dropped", factors[i]);
	putchar('\n');
}

static void print(const struct cli_common *common, cJSON *json, const char *name, const struct figures *f)
{
	cJSON *row, *at;

	if (!common->json) {
		printf("%-11s %9.3f %7.3f %9.2f", name, f->spread / f->layers, f->worst, f->busiest);
		for (unsigned int i = 0; i < FACTORS; i++)
			printf("         %9.2f %% %5.2f %%", 100.0 * f->capacity[i].over / f->capacity[i].pairs,
			       100.0 * f->capacity[i].dropped / f->capacity[i].pairs);
		putchar('\n');
		return;
	}
	row = cJSON_AddObjectToObject(json, name);
	cJSON_AddNumberToObject(row, "std_over_mean", f->spread / f->layers);
	cJSON_AddNumberToObject(row, "worst_layer", f->worst);
	cJSON_AddNumberToObject(row, "busiest_over_mean", f->busiest);
	row = cJSON_AddArrayToObject(row, "capacity");
	for (unsigned int i = 0; i < FACTORS; i++) {
		at = cJSON_CreateObject();
		cJSON_AddNumberToObject(at, "factor", factors[i]);
		cJSON_AddNumberToObject(at, "pairs", f->capacity[i].pairs);
		cJSON_AddNumberToObject(at, "over", f->capacity[i].over);
		cJSON_AddNumberToObject(at, "rerouted", f->capacity[i].rerouted);
		cJSON_AddNumberToObject(at, "dropped", f->capacity[i].dropped);
		cJSON_AddItemToArray(row, at);
	}
}

/* ---- logits drawn with a skew: an expert's popularity is normal, so is what a token adds */

static double normal(struct random *random)
{
	double radius = sqrt(-2 * log(1 - random_unit(random)));

	return radius * cos(2 * 3.14159265358979323846 * random_unit(random));
}

static int synthetic(const struct cli_common *common, double skew, uint64_t seed, cJSON *json)
{
	const struct dsk_router r = { .experts = 64, .top_k = 6, .gate = DSEEK_GATE_SIGMOID };	/* DeepSeek-V2-Lite's numbers */
	float popular[64], bias[64] = {}, *logits = malloc(2 * SYNTHETIC_TOKENS * sizeof(popular)), *held;
	struct figures before = {}, after = {};
	struct dsk_balance_result fit;
	struct random random;
	int rc = logits ? 0 : -ENOMEM;

	random_seed(&random, seed);
	for (uint32_t e = 0; e < r.experts; e++)
		popular[e] = skew * normal(&random);
	for (uint32_t i = 0; !rc && i < 2 * SYNTHETIC_TOKENS * r.experts; i++)
		logits[i] = popular[i % r.experts] + normal(&random);
	held = logits + SYNTHETIC_TOKENS * r.experts;
	if (!rc)
		rc = add_layer(&before, &r, held, SYNTHETIC_TOKENS, NULL);
	if (!rc)
		rc = dsk_balance_fit(&r, logits, SYNTHETIC_TOKENS, NULL, bias, &fit);
	if (!rc)
		rc = add_layer(&after, &r, held, SYNTHETIC_TOKENS, bias);
	free(logits);
	if (rc) {
		cli_log(CLI_ERROR, "synthetic logits: %s", strerror(-rc));
		return rc;
	}
	json = cJSON_AddObjectToObject(json, "synthetic");
	heading(common, &r, "synthetic skew", SYNTHETIC_TOKENS);
	print(common, json, "unbalanced", &before);
	print(common, json, "balanced", &after);
	return 0;
}

/* ---- a model's routers on text */

struct routing {
	struct cli_model *m;
	const struct cli_model_options *options;
	struct dsk_router r;
	uint32_t layers, vocab, tokens;		/* tokens: of each half */
	int32_t *halves[2];			/* to learn on, to measure on */
	float *logits, *original, *balanced;	/* [layer][token][expert]; [layer][expert] */
	float *rows[2];				/* logits of the vocabulary, of what is scored of a window */
	/* over what is scored */
	uint32_t scored, same;
	double kl, loss[3];			/* all experts, unbalanced, balanced */
};

enum { ALL, UNBALANCED, BALANCED };

static void set_bias(struct routing *b, const float *bias)
{
	for (uint32_t l = 0; l < b->layers; l++)
		if (dsk_model_router_bias(b->m->model, l))
			memcpy(dsk_model_router_bias(b->m->model, l), bias + l * b->r.experts, b->r.experts * sizeof(*bias));
}

static int open_session(struct routing *b, uint32_t experts, bool tap)
{
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = WINDOW, .chunk = JOB, .logit_rows = JOB,
					     .tap = tap };
	struct cli_model_options options = { .experts = experts };

	dsk_session_destroy(b->m->session);
	b->m->session = NULL;
	return cli_model_session(b->m, &options, &params);
}

struct keep {
	float *to;
	uint32_t vocab;
};

static int keep_row(void *arg, uint32_t token, const float *logits)
{
	struct keep *k = arg;

	if (k->to)
		memcpy(k->to + (size_t)token * k->vocab, logits, k->vocab * sizeof(*logits));
	return 0;
}

/* One window of @half at @at: router logits of all its tokens if there is a tap, the vocabulary's of its second half to @rows. */
static int run_window(struct routing *b, int half, uint32_t at, float *rows)
{
	struct dsk_session *s = b->m->session;
	int rc = dsk_session_rewind(s, 0);

	for (uint32_t i = 0; !rc && i < WINDOW; i += JOB) {
		struct keep keep = { rows && i >= WINDOW / 2 ? rows + (size_t)(i - WINDOW / 2) * b->vocab : NULL, b->vocab };
		const int32_t *tokens = b->halves[half] + at + i;

		rc = keep.to ? dsk_session_eval_all(s, tokens, JOB, keep_row, &keep) : dsk_session_eval(s, tokens, JOB);
		for (uint32_t l = 0; !rc && l < b->layers; l++) {
			const float *from = dsk_session_tap(s, l, DSK_TAP_ROUTER);

			if (from)
				memcpy(b->logits + ((size_t)l * b->tokens + at + i) * b->r.experts, from, JOB * b->r.experts * sizeof(*from));
		}
	}
	if (rc)
		cli_log(CLI_ERROR, "%s", dsk_session_error(s));
	return rc;
}

static int learn(struct routing *b, struct cli_progress *progress)
{
	struct dsk_balance_result fit;
	int rc = open_session(b, b->r.top_k, true);

	for (uint32_t round = 0; !rc && round < ROUNDS; round++) {
		for (uint32_t at = 0; !rc && at < b->tokens; at += WINDOW) {
			rc = run_window(b, 0, at, NULL);
			cli_progress_update(progress, round * b->tokens + at + WINDOW);
		}
		for (uint32_t l = 0; !rc && l < b->layers; l++) {
			if (!dsk_model_router_bias(b->m->model, l))
				continue;
			rc = dsk_balance_fit(&b->r, b->logits + (size_t)l * b->tokens * b->r.experts, b->tokens, NULL,
					     b->balanced + l * b->r.experts, &fit);
			if (rc)
				cli_log(CLI_ERROR, "layer %u: %s", l, rc == -EDOM ? "the router's logits are no numbers" : strerror(-rc));
		}
		if (!rc)
			set_bias(b, b->balanced);
	}
	return rc;
}

/* ln of the sum of exp, and the largest. */
static double log_sum(const float *row, uint32_t n, uint32_t *ret_best)
{
	double sum = 0;

	*ret_best = 0;
	for (uint32_t i = 1; i < n; i++)
		if (row[i] > row[*ret_best])
			*ret_best = i;
	for (uint32_t i = 0; i < n; i++)
		sum += expf(row[i] - row[*ret_best]);
	return log(sum) + row[*ret_best];
}

/* What follows is known but for the window's last token. */
static void score(struct routing *b, uint32_t at, int which, bool compare)
{
	const int32_t *next = b->halves[1] + at + WINDOW / 2 + 1;

	for (uint32_t i = 0; i < WINDOW / 2 - 1; i++) {
		const float *row = b->rows[which == BALANCED] + (size_t)i * b->vocab, *before = b->rows[0] + (size_t)i * b->vocab;
		uint32_t best, best_before;
		double sum = log_sum(row, b->vocab, &best), sum_before;

		b->loss[which] += sum - row[next[i]];
		if (!compare)
			continue;
		sum_before = log_sum(before, b->vocab, &best_before);
		b->same += best == best_before;
		b->scored++;
		for (uint32_t v = 0; v < b->vocab; v++)
			b->kl += exp(before[v] - sum_before) * ((before[v] - sum_before) - (row[v] - sum));
	}
}

/* Window by window: unbalanced, then balanced beside it; so are the loads. */
static int compare(struct routing *b, struct figures *before, struct figures *after, struct cli_progress *progress)
{
	size_t all = (size_t)b->layers * b->tokens * b->r.experts;
	float *of[2] = { malloc(all * sizeof(float)), malloc(all * sizeof(float)) }, *own = b->logits;
	int rc = of[0] && of[1] ? open_session(b, b->r.top_k, true) : -ENOMEM;

	for (uint32_t at = 0; !rc && at < b->tokens; at += WINDOW) {
		for (int i = 0; !rc && i < 2; i++) {
			set_bias(b, i ? b->balanced : b->original);
			b->logits = of[i];
			rc = run_window(b, 1, at, b->rows[i]);
			if (!rc)
				score(b, at, i ? BALANCED : UNBALANCED, i);
		}
		cli_progress_update(progress, ROUNDS * b->tokens + 2 * (at + WINDOW));
	}
	b->logits = own;
	for (uint32_t l = 0; !rc && l < b->layers; l++)
		for (int i = 0; !rc && i < 2; i++)
			if (dsk_model_router_bias(b->m->model, l))
				rc = add_layer(i ? after : before, &b->r, of[i] + (size_t)l * b->tokens * b->r.experts, b->tokens,
					       (i ? b->balanced : b->original) + l * b->r.experts);
	if (!rc)
		rc = open_session(b, b->r.experts, false);
	for (uint32_t at = 0; !rc && at < b->tokens; at += WINDOW) {
		rc = run_window(b, 1, at, b->rows[0]);
		if (!rc)
			score(b, at, ALL, false);
		cli_progress_update(progress, (ROUNDS + 2) * b->tokens + at + WINDOW);
	}
	free(of[0]);
	free(of[1]);
	return rc;
}

static int read_halves(struct routing *b, uint64_t most)
{
	struct tokenizer *tokenizer;
	size_t size, middle, n[2] = {};
	const char *text = sample_text(&size);
	char err[512];
	int rc = tokenizer_create(dsk_model_gguf(b->m->model), &tokenizer, err, sizeof(err));

	if (rc) {
		cli_log(CLI_ERROR, "%s", err);
		return rc;
	}
	for (middle = size / 2; (text[middle] & 0xc0) == 0x80; )	/* a character's middle */
		middle++;
	rc = tokenizer_encode(tokenizer, text, middle, 0, &b->halves[0], &n[0]);
	if (!rc)
		rc = tokenizer_encode(tokenizer, text + middle, size - middle, 0, &b->halves[1], &n[1]);
	tokenizer_destroy(tokenizer);
	most = most < n[0] ? most : n[0];
	most = most < n[1] ? most : n[1];
	b->tokens = most / WINDOW * WINDOW;
	if (rc)
		cli_log(CLI_ERROR, "the text can't be tokenized: %s", strerror(-rc));
	else if (!b->tokens)
		cli_log(CLI_ERROR, "%llu tokens of a half, at least %d are needed", (unsigned long long)most, WINDOW);
	return rc ? rc : b->tokens ? 0 : -EINVAL;
}

static int prepare(struct routing *b, uint64_t most)
{
	const struct dsk_shape *shape = dsk_model_shape(b->m->model);
	uint32_t layers = 0;
	int rc;

	b->r = (struct dsk_router){ shape->n_expert, b->options->experts ? b->options->experts : shape->n_expert_used, shape->expert_gate };
	b->layers = shape->n_layer;
	b->vocab = shape->n_vocab;
	for (uint32_t l = 0; l < b->layers; l++)
		layers += !!dsk_model_router_bias(b->m->model, l);
	if (!layers || b->r.experts > DSK_BALANCE_MAX_EXPERTS) {
		cli_log(CLI_ERROR, "%s: %s", b->options->path, shape->n_expert ? layers ? "it has too many experts" :
			"its routers have no bias (exp_probs_b)" : "it has no experts: dseek model moefy makes some");
		return -EINVAL;
	}
	rc = read_halves(b, most);
	if (rc)
		return rc;
	b->logits = malloc((size_t)b->layers * b->tokens * b->r.experts * sizeof(float));
	b->original = calloc((size_t)b->layers * b->r.experts, sizeof(float));
	b->balanced = malloc((size_t)b->layers * b->r.experts * sizeof(float));
	for (int i = 0; i < 2; i++)
		b->rows[i] = malloc((size_t)WINDOW / 2 * b->vocab * sizeof(float));
	if (!b->logits || !b->original || !b->balanced || !b->rows[0] || !b->rows[1]) {
		cli_log(CLI_ERROR, "no memory for the logits of %u tokens", b->tokens);
		return -ENOMEM;
	}
	for (uint32_t l = 0; l < b->layers; l++)
		if (dsk_model_router_bias(b->m->model, l))
			memcpy(b->original + l * b->r.experts, dsk_model_router_bias(b->m->model, l), b->r.experts * sizeof(float));
	memcpy(b->balanced, b->original, (size_t)b->layers * b->r.experts * sizeof(float));
	return 0;
}

static int model_routers(const struct cli_common *common, const struct cli_model_options *options, uint64_t most, cJSON *json)
{
	struct cli_model m = {};
	struct routing b = { .m = &m, .options = options };
	struct figures before = {}, after = {};
	struct cli_progress progress;
	int rc = cli_model_load(&m, options, common);

	if (!rc)
		rc = prepare(&b, most);
	if (!rc) {
		cli_progress_start(&progress, "routing", (ROUNDS + 3) * b.tokens, common->quiet);
		rc = learn(&b, &progress);
		if (!rc)
			rc = compare(&b, &before, &after, &progress);
		cli_progress_end(&progress, rc ? 0 : (ROUNDS + 3) * b.tokens);
	}
	if (!rc) {
		double n = b.scored;

		json = cJSON_AddObjectToObject(json, "model");
		cJSON_AddStringToObject(json, "name", dsk_model_shape(m.model)->name);
		cJSON_AddNumberToObject(json, "layers", before.layers);
		heading(common, &b.r, options->path, b.tokens);
		print(common, json, "unbalanced", &before);
		print(common, json, "balanced", &after);
		cJSON_AddNumberToObject(json, "tokens", n);
		cJSON_AddNumberToObject(json, "same_best_token", b.same / n);
		cJSON_AddNumberToObject(json, "kl", b.kl / n);
		cJSON_AddNumberToObject(json, "perplexity_all_experts", exp(b.loss[ALL] / n));
		cJSON_AddNumberToObject(json, "perplexity_unbalanced", exp(b.loss[UNBALANCED] / n));
		cJSON_AddNumberToObject(json, "perplexity_balanced", exp(b.loss[BALANCED] / n));
		if (!common->json)
			printf("balanced against unbalanced, %u tokens: same best token %.2f %%, KL %.4f\n"
			       "perplexity: all experts %.3f, unbalanced %.3f, balanced %.3f\n", b.scored, 100 * b.same / n, b.kl / n,
			       exp(b.loss[ALL] / n), exp(b.loss[UNBALANCED] / n), exp(b.loss[BALANCED] / n));
	}
	for (int i = 0; i < 2; i++) {
		free(b.halves[i]);
		free(b.rows[i]);
	}
	free(b.logits);
	free(b.original);
	free(b.balanced);
	cli_model_close(&m);
	return rc;
}

int bench_routing_main(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct cli_model_options model = {};
	uint64_t most = 2048, seed = 1;
	double skew = 0.5;
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &model.path, "FILE", "GGUF file of a model with experts (default: synthetic logits only)" },
		{ "experts", 'x', CLI_UINT, &model.experts, "N", "experts selected for each token (default: the model's)" },
		{ "tokens", 't', CLI_UINT, &most, "N", "of each half of the text at most (default 2048)" },
		{ "skew", 0, CLI_DOUBLE, &skew, "X", "synthetic: how much experts differ, to what tokens differ (default 0.5)" },
		{ "seed", 0, CLI_UINT, &seed, "N", "synthetic: of the random numbers (default 1)" },
		CLI_OPTION_DEVICE(&common), CLI_OPTION_JSON(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek bench routing", "[-m MODEL]", "How evenly routers load experts, and what balance costs.",
		"std/mean: of the load of experts, the mean and the worst of layers. over: pairs of a token and an expert that find the expert\n"
		"full at that capacity factor; dropped: those that stay without after as many next choices as a token has experts.\n",
	};
	cJSON *json;
	char *out;
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (most > 1 << 20)
		return cli_usage_error(&usage, "--tokens is above 2^20");
	if (model.experts > DSK_BALANCE_MAX_EXPERTS)
		return cli_usage_error(&usage, "--experts is above %d", DSK_BALANCE_MAX_EXPERTS);
	if (!(skew >= 0 && skew <= 100))
		return cli_usage_error(&usage, "--skew is not in 0..100");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	json = cJSON_CreateObject();
	rc = synthetic(&common, skew, seed, json);
	if (!rc && model.path)
		rc = model_routers(&common, &model, most, json);
	out = !rc && common.json ? cJSON_Print(json) : NULL;
	if (out)
		puts(out);
	free(out);
	cJSON_Delete(json);
	return rc ? CLI_FAILED : CLI_OK;
}
