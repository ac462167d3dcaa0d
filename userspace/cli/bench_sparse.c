// SPDX-License-Identifier: MIT
/*
 * dseek bench sparse: what attention loses that looks at few blocks of keys only, chosen by a learned gate (model/gate_fit.h), on recall from real
 * text (model/recall.h). The gate learns from the first half of the text, what is printed is of the second. Beside it: dense attention, the gate
 * with the first part of what it learns only, untrained, and a window of as many blocks. tests/kernels/recall.c holds gate and attention against
 * the kernels.
 */
#include "cli.h"

#include "../model/gate_fit.h"
#include "../model/recall.h"
#include "../model/sample_text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define D	64
#define HEADS	8
#define SINKS	1
#define RIDGE	0.1
#define KNOWN	8	/* rarer words are learned under other codes in each sequence */
#define MOMENTS	48	/* sequences to learn on: documents that begin elsewhere, other quotations */
#define LEARN	12	/* of those, with dense attention's blocks */
#define CHECK	4	/* of the last quarter of what is learned on: when to stop */
#define LEARN_WORDS	1024	/* of a document, at most */
#define MEASURE	2

struct options {
	const char *text;
	uint64_t words, quotations, top_k, steps, seed;
	double rate;
};

/* A sequence as a head has it, and the means of its blocks. */
struct sequence {
	struct recall task;
	uint32_t keys, queries;		/* blocks */
	float *key_means, *query_means, *targets;
	uint32_t *visible;
};

enum { DENSE, LEARNED, WHITENED, UNTRAINED, WINDOW, WAYS };

struct outcome {
	const char *name;
	uint64_t skipped, visible, same, right, same_all;
};

/* Of one head. */
struct gate {
	struct gate_shape shape;
	float wq[3][D * D], wk[3][D * D];	/* learned; whitened only; untrained */
	struct gate_fit_result fit;
};

static void mean(const float *rows, uint32_t d, float *ret_mean)
{
	for (uint32_t c = 0; c < d; c++) {
		double sum = 0;

		for (uint32_t i = 0; i < RECALL_BLOCK; i++)
			sum += rows[(size_t)i * d + c];
		ret_mean[c] = sum / RECALL_BLOCK;
	}
}

static void sequence_fini(struct sequence *s)
{
	recall_fini(&s->task);
	free(s->key_means);
	free(s->query_means);
	free(s->targets);
	free(s->visible);
}

/* What dense attention gives the blocks. */
static int make_targets(struct sequence *s)
{
	double *mass = malloc(s->keys * sizeof(*mass));
	float out[D];

	if (!mass)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->queries; i++)
		for (uint32_t k = 0; k < RECALL_BLOCK; k++) {
			recall_attend(&s->task, i * RECALL_BLOCK + k, NULL, mass, out);
			for (uint32_t j = 0; j < s->visible[i]; j++)
				s->targets[(size_t)i * s->keys + j] += mass[j] / RECALL_BLOCK;
		}
	free(mass);
	return 0;
}

static int sequence_init(struct sequence *s, const char *text, size_t size, const struct recall_params *params)
{
	int rc = recall_init(&s->task, text, size, params);

	if (rc)
		return rc;
	s->keys = s->task.n / RECALL_BLOCK;
	s->queries = params->quotations;
	s->key_means = malloc((size_t)s->keys * D * sizeof(float));
	s->query_means = malloc((size_t)s->queries * D * sizeof(float));
	s->visible = malloc(s->queries * sizeof(*s->visible));
	s->targets = calloc((size_t)s->queries * s->keys, sizeof(float));
	if (!s->key_means || !s->query_means || !s->visible || !s->targets)
		return -ENOMEM;
	for (uint32_t j = 0; j < s->keys; j++)
		mean(s->task.k + (size_t)j * RECALL_BLOCK * D, D, s->key_means + (size_t)j * D);
	for (uint32_t i = 0; i < s->queries; i++) {
		mean(s->task.q + (size_t)i * RECALL_BLOCK * D, D, s->query_means + (size_t)i * D);
		s->visible[i] = s->task.document / RECALL_BLOCK + i + 1;
	}
	return 0;
}

static int learn_head(struct gate *g, uint32_t head, const char *text, size_t size, const struct options *o, struct cli_progress *progress)
{
	static struct sequence sequences[MOMENTS + CHECK];
	struct gate_sequence q[MOMENTS + CHECK];
	const struct gate_fit fit = { q, q + MOMENTS, LEARN, CHECK, o->steps, o->rate };
	size_t first = size / 4 * 3;
	int rc = 0;

	memset(sequences, 0, sizeof(sequences));
	for (uint32_t i = 0; !rc && i < MOMENTS + CHECK; i++) {
		const struct recall_params params = { .d = D, .document = o->words < LEARN_WORDS ? o->words : LEARN_WORDS, .quotations = 16,
						      .seed = o->seed + i, .head = head, .known = KNOWN };
		struct sequence *s = &sequences[i];

		rc = sequence_init(s, i < MOMENTS ? text : text + first, i < MOMENTS ? first : size - first, &params);
		if (!rc && (i < LEARN || i >= MOMENTS))
			rc = make_targets(s);
		q[i] = (struct gate_sequence){ s->keys, s->queries, s->key_means, s->query_means, s->visible, s->targets };
	}
	gate_init(&g->shape, o->seed + head, g->wq[2], g->wk[2]);
	if (!rc)
		rc = gate_whiten(&g->shape, q, MOMENTS, RIDGE, g->wq[1], g->wk[1]);
	memcpy(g->wq[0], g->wq[1], sizeof(g->wq[0]));
	memcpy(g->wk[0], g->wk[1], sizeof(g->wk[0]));
	if (!rc)
		rc = gate_fit(&g->shape, &fit, g->wq[0], g->wk[0], &g->fit);
	for (uint32_t i = 0; i < MOMENTS + CHECK; i++)
		sequence_fini(&sequences[i]);
	cli_progress_update(progress, head + 1);
	return rc;
}

/* As many blocks as the gate selects at most: the first and the last. */
static uint32_t select_window(uint32_t visible, uint32_t top_k, uint8_t *ret_selected)
{
	uint32_t last = top_k + 1, skipped = 0;

	for (uint32_t j = 0; j < visible; j++) {
		ret_selected[j] = j < SINKS || j + last >= visible;
		skipped += !ret_selected[j];
	}
	return skipped;
}

static void ask(const struct sequence *s, const struct gate *g, const struct options *o, uint32_t block, struct outcome *outcomes)
{
	const struct recall *task = &s->task;
	uint32_t visible = s->visible[block];
	uint8_t selected[WAYS][HEADS][visible];
	struct recall heads[HEADS];
	float out[HEADS][D];

	for (int h = 0; h < HEADS; h++) {
		heads[h] = s[h].task;
		for (int way = LEARNED; way < WAYS; way++) {
			int w = way - LEARNED;

			outcomes[way].skipped += way == WINDOW ? select_window(visible, o->top_k, selected[way][h]) :
				gate_select(&g[h].shape, g[h].wq[w], g[h].wk[w], s[h].query_means + (size_t)block * D, s[h].key_means, visible,
					    SINKS, 1, o->top_k, selected[way][h]);
			outcomes[way].visible += visible;
		}
	}
	for (uint32_t i = block * RECALL_BLOCK; i < (block + 1) * RECALL_BLOCK; i++) {
		uint32_t dense = 0;

		for (int way = DENSE; way < WAYS; way++) {
			uint32_t answer;

			for (int h = 0; h < HEADS; h++)
				recall_attend(&heads[h], i, way == DENSE ? NULL : selected[way][h], NULL, out[h]);
			answer = recall_answer(heads, HEADS, out[0]);
			if (way == DENSE)
				dense = answer;
			outcomes[way].same_all += answer == dense;
			if (!task->asked[i])
				continue;
			outcomes[way].same += answer == dense;
			outcomes[way].right += answer == task->words[task->document + i + 1];
		}
	}
}

static int measure(const struct gate *g, const char *text, size_t size, const struct options *o, struct outcome *outcomes,
		   uint64_t *ret_asked, uint64_t *ret_all, uint32_t *ret_words, struct cli_progress *progress)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < MEASURE; i++) {
		struct sequence s[HEADS] = {};

		for (uint32_t h = 0; !rc && h < HEADS; h++) {
			const struct recall_params params = { .d = D, .document = o->words, .quotations = o->quotations,
							      .seed = o->seed + MOMENTS + CHECK + i, .head = h };

			rc = sequence_init(&s[h], text, size, &params);
		}
		for (uint32_t block = 0; !rc && block < s->queries; block++) {
			ask(s, g, o, block, outcomes);
			for (uint32_t k = 0; k < RECALL_BLOCK; k++)
				*ret_asked += s->task.asked[block * RECALL_BLOCK + k];
		}
		*ret_all += s->queries * RECALL_BLOCK;
		*ret_words = s->task.document;
		for (uint32_t h = 0; h < HEADS; h++)
			sequence_fini(&s[h]);
		cli_progress_update(progress, HEADS + 2 * (i + 1));
	}
	return rc;
}

static void print(const struct gate *g, const struct outcome *outcomes, uint64_t asked, uint64_t all, uint32_t words,
		  bool as_json)
{
	cJSON *json = cJSON_CreateObject(), *row;
	char *text;

	cJSON_AddNumberToObject(json, "words", words);
	cJSON_AddNumberToObject(json, "questions", asked);
	cJSON_AddNumberToObject(json, "loss_before", g->fit.before);
	cJSON_AddNumberToObject(json, "loss_after", g->fit.after);
	cJSON_AddNumberToObject(json, "steps", g->fit.steps);
	if (!as_json)
		printf("documents of %u words in blocks of %d, %llu questions; the gate learned on other text, %u steps: loss %.3f, %.3f before\n"
		       "%-10s %9s %9s %9s %10s\n", words, RECALL_BLOCK, (unsigned long long)asked, g->fit.steps, g->fit.after, g->fit.before, "", "skipped", "as dense",
		       "right", "all words");
	for (int way = DENSE; way < WAYS; way++) {
		const struct outcome *w = &outcomes[way];
		double skipped = w->visible ? (double)w->skipped / w->visible : 0;

		row = cJSON_AddObjectToObject(json, w->name);
		cJSON_AddNumberToObject(row, "skipped", skipped);
		cJSON_AddNumberToObject(row, "agreement", (double)w->same / asked);
		cJSON_AddNumberToObject(row, "accuracy", (double)w->right / asked);
		cJSON_AddNumberToObject(row, "agreement_all", (double)w->same_all / all);
		if (!as_json)
			printf("%-10s %7.2f %% %7.2f %% %7.2f %% %8.2f %%\n", w->name, 100 * skipped, 100.0 * w->same / asked, 100.0 * w->right / asked,
			       100.0 * w->same_all / all);
	}
	text = as_json ? cJSON_Print(json) : NULL;
	if (text)
		puts(text);
	free(text);
	cJSON_Delete(json);
}

static char *read_text(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;
	ssize_t n = f ? getdelim(&text, &room, EOF, f) : -1;

	if (n < 0) {
		cli_log(CLI_ERROR, "%s: %s", path, f && !ferror(f) ? "it is empty" : strerror(errno));
		free(text);
		text = NULL;
	}
	*ret_size = n < 0 ? 0 : n;
	if (f)
		fclose(f);
	return text;
}

int bench_sparse_main(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct options o = { .words = 6144, .quotations = 24, .top_k = 20, .steps = 40, .seed = 1, .rate = 0.001 };
	const struct cli_option options[] = {
		{ "text", 0, CLI_STRING, &o.text, "FILE", "to learn on and be asked about (default: the shipped text)" },
		{ "words", 'w', CLI_UINT, &o.words, "N", "of a document at most, 128 to 65536 (default 6144)" },
		{ "quotations", 'n', CLI_UINT, &o.quotations, "N", "of a document, a block each, 1 to 1024 (default 24)" },
		{ "top-k", 'k', CLI_UINT, &o.top_k, "N", "blocks selected, besides the first and the query's own (default 20)" },
		{ "steps", 0, CLI_UINT, &o.steps, "N", "of learning, to 100000 (default 40)" },
		{ "rate", 0, CLI_DOUBLE, &o.rate, "X", "of learning (default 0.001)" },
		{ "seed", 0, CLI_UINT, &o.seed, "N", "of weights and quotations (default 1)" },
		CLI_OPTION_NO_DEVICE(&common), CLI_OPTION_JSON(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek bench sparse", "[--top-k N] [--text FILE]", "What attention over few, selected blocks of keys loses.",
		"The task: a document, then quotations from it; what comes next? skipped: blocks of keys that are not looked at, of those up to the\n"
		"query's; as dense: the same answer as dense attention's; right: the word that does come next; all words: as dense, those at the\n"
		"borders of quotations, where nobody can know, too. gate: whitened and then taught by dense attention; whitened: the first alone;\n"
		"untrained: likeness of means; window: the first block and as many of the last.\n",
	};
	struct outcome outcomes[WAYS] = { { "dense" }, { "gate" }, { "whitened" }, { "untrained" }, { "window" } };
	static struct gate g[HEADS];
	uint64_t asked = 0, all = 0;
	struct cli_progress progress;
	char *own = NULL;
	const char *text;
	uint32_t words = 0;
	size_t size;
	int rc = 0;

	cli_parse(&usage, options, argc, argv);
	if (o.words < 2 * RECALL_BLOCK || o.words > 65536)
		return cli_usage_error(&usage, "--words is not in %d..65536", 2 * RECALL_BLOCK);
	if (!o.quotations || o.quotations > 1024)
		return cli_usage_error(&usage, "--quotations is not in 1..1024");
	if (o.top_k > 4096 || o.steps > 100000)
		return cli_usage_error(&usage, "--top-k is above 4096, or --steps above 100000");
	if (!(o.rate > 0 && o.rate <= 10))
		return cli_usage_error(&usage, "--rate is not above 0, to 10");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	if (o.text) {
		text = own = read_text(o.text, &size);
		if (!text)
			return CLI_FAILED;
	} else {
		text = sample_text(&size);
	}
	cli_progress_start(&progress, "sparse", HEADS + 2 * MEASURE, common.quiet);
	for (uint32_t h = 0; !rc && h < HEADS; h++) {
		g[h].shape = (struct gate_shape){ D, D, RECALL_SCALE };
		rc = learn_head(&g[h], h, text, size / 2, &o, &progress);
	}
	if (!rc)
		rc = measure(g, text + size / 2, size - size / 2, &o, outcomes, &asked, &all, &words, &progress);
	cli_progress_end(&progress, rc ? 0 : HEADS + 2 * MEASURE);
	free(own);
	if (rc)
		cli_log(CLI_ERROR, "%s", rc == -EINVAL ? "the text is too short: an eighth of it needs two blocks of words" : strerror(-rc));
	else
		print(g, outcomes, asked, all, words, common.json);
	return rc ? CLI_FAILED : CLI_OK;
}
