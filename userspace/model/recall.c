// SPDX-License-Identifier: MIT
#include "recall.h"

#include <ctype.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "random.h"
#include "str_map.h"

#define DECAY	0.9f

/* The next word at *at, its length; 0 at the end. */
static size_t next_word(const char *text, size_t size, size_t *at)
{
	size_t start;

	while (*at < size && isspace((unsigned char)text[*at]))
		++*at;
	start = *at;
	while (*at < size && (isalnum((unsigned char)text[*at]) || text[*at] == '\'' || text[*at] & 0x80))
		++*at;
	if (*at == start && *at < size)
		++*at;
	return *at - start;
}

static void code_of(const char *word, size_t size, uint64_t salt, uint32_t d, float *ret_code)
{
	uint64_t hash = 14695981039346656037ull ^ salt;	/* FNV-1a */
	struct random random;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)word[i]) * 1099511628211ull;
	random_seed(&random, hash);
	for (uint32_t i = 0; i < d; i++)
		ret_code[i] = random_next(&random) >> 63 ? 1 / sqrtf(d) : -1 / sqrtf(d);
}

/* All words of the text as numbers, with their codes. */
static int read_words(struct recall *r, const char *text, size_t size, const struct recall_params *params, uint32_t **ret_all, uint32_t *ret_n)
{
	struct word {
		const char *at;
		size_t size;
		uint32_t count;
	} *words = malloc((size + 1) * sizeof(*words));
	uint32_t *all = malloc((size + 1) * sizeof(*all)), n = 0;
	struct str_map map;
	int rc = all && words ? str_map_init(&map, size + 1) : -ENOMEM;
	size_t at = 0, length;

	if (rc) {
		free(all);
		free(words);
		return rc;
	}
	while ((length = next_word(text, size, &at))) {
		const char *word = text + at - length;
		int32_t id = str_map_find(&map, word, length);

		if (id < 0) {
			id = r->vocabulary++;
			words[id] = (struct word){ word, length };
			str_map_add(&map, word, length, id);
		}
		words[id].count++;
		all[n++] = id;
	}
	str_map_fini(&map);
	r->codes = malloc((size_t)(r->vocabulary + 1) * r->d * sizeof(*r->codes));
	if (!r->codes)
		rc = -ENOMEM;
	for (uint32_t w = 0; !rc && w < r->vocabulary; w++)
		code_of(words[w].at, words[w].size, params->head + (words[w].count < params->known ? params->seed * 0x9e3779b97f4a7c15ull : 0),
			r->d, r->codes + (size_t)w * r->d);
	free(words);
	if (rc) {
		free(all);
		return rc;
	}
	*ret_all = all;
	*ret_n = n;
	return 0;
}

/* What comes before position @t. */
static void context(const struct recall *r, uint32_t t, float *ret_k)
{
	float weight = 1;

	memset(ret_k, 0, r->d * sizeof(*ret_k));
	for (uint32_t j = 0; j < RECALL_CONTEXT && j < t; j++, weight *= DECAY) {
		const float *code = r->codes + (size_t)r->words[t - 1 - j] * r->d;
		uint32_t shift = j * (r->d / RECALL_CONTEXT);

		for (uint32_t i = 0; i < r->d; i++)
			ret_k[i] += weight * code[i + shift < r->d ? i + shift : i + shift - r->d];
	}
}

static int round16(float *row, uint32_t n)
{
	uint16_t half[RECALL_MAX_D];
	int rc = dseek_row_from_f32(DSEEK_F16, row, n, half);

	return rc ? rc : dseek_row_to_f32(DSEEK_F16, half, n, row);
}

static int fill(struct recall *r)
{
	int rc = 0;

	for (uint32_t t = 0; !rc && t < r->n; t++) {
		float *k = r->k + (size_t)t * r->d, *v = r->v + (size_t)t * r->d;

		context(r, t, k);
		memcpy(v, r->codes + (size_t)r->words[t] * r->d, r->d * sizeof(*v));
		rc = round16(k, r->d);
		if (!rc)
			rc = round16(v, r->d);
		if (t < r->document)
			continue;
		context(r, t + 1, r->q + (size_t)(t - r->document) * r->d);
		r->asked[t - r->document] = t % RECALL_BLOCK + 1 >= RECALL_CONTEXT && t % RECALL_BLOCK != RECALL_BLOCK - 1;
	}
	return rc;
}

int recall_init(struct recall *r, const char *text, size_t size, const struct recall_params *params)
{
	uint32_t *all = NULL, n_all, begin;
	struct random random;
	int rc;

	*r = (struct recall){ .d = params->d };
	if (!r->d || r->d % RECALL_CONTEXT || r->d > RECALL_MAX_D || params->document < 2 * RECALL_BLOCK || !params->quotations ||
	    params->document > 1u << 20 || params->quotations > 4096 || size > 1u << 30)
		return -EINVAL;
	rc = read_words(r, text, size, params, &all, &n_all);
	if (rc)
		return rc;
	r->document = (n_all < params->document ? n_all : params->document) / RECALL_BLOCK * RECALL_BLOCK;
	r->n = r->document + params->quotations * RECALL_BLOCK;
	if (r->document < 2 * RECALL_BLOCK) {
		free(all);
		return -EINVAL;
	}
	r->words = malloc(r->n * sizeof(*r->words));
	r->k = malloc((size_t)r->n * r->d * sizeof(*r->k));
	r->v = malloc((size_t)r->n * r->d * sizeof(*r->v));
	r->q = malloc((size_t)(r->n - r->document) * r->d * sizeof(*r->q));
	r->asked = malloc(r->n - r->document);
	if (!r->words || !r->k || !r->v || !r->q || !r->asked) {
		free(all);
		return -ENOMEM;
	}
	random_seed(&random, params->seed);
	begin = random_unit(&random) * (n_all - r->document + 1);
	memcpy(r->words, all + begin, r->document * sizeof(*all));
	for (uint32_t i = 0; i < params->quotations; i++)
		memcpy(r->words + r->document + i * RECALL_BLOCK,
		       r->words + (uint32_t)(random_unit(&random) * (r->document - RECALL_BLOCK + 1)), RECALL_BLOCK * sizeof(*all));
	free(all);
	return fill(r);
}

void recall_fini(struct recall *r)
{
	free(r->words);
	free(r->codes);
	free(r->k);
	free(r->v);
	free(r->q);
	free(r->asked);
	*r = (struct recall){};
}

uint32_t recall_answer(const struct recall *heads, uint32_t n, const float *results)
{
	float best = -INFINITY;
	uint32_t word = 0;

	for (uint32_t w = 0; w < heads->vocabulary; w++) {
		float product = 0;

		for (uint32_t h = 0; h < n; h++)
			product += dot(heads[h].codes + (size_t)w * heads[h].d, results + h * heads[h].d, heads[h].d);
		if (product > best) {
			best = product;
			word = w;
		}
	}
	return word;
}

void recall_attend(const struct recall *r, uint32_t i, const uint8_t *selected, double *ret_mass, float *ret_out)
{
	uint32_t position = r->document + i, blocks = position / RECALL_BLOCK + 1;
	const float *q = r->q + (size_t)i * r->d;
	double out[RECALL_MAX_D] = {}, total = 0, top = -INFINITY;
	float logits[RECALL_BLOCK];

	/* block by block, rescaled where a larger logit turns up */
	for (uint32_t block = 0; block < blocks; block++) {
		uint32_t first = block * RECALL_BLOCK, n = position + 1 - first < RECALL_BLOCK ? position + 1 - first : RECALL_BLOCK;
		double of_block = 0, before = top;

		if (ret_mass)
			ret_mass[block] = 0;
		if (selected && !selected[block])
			continue;
		for (uint32_t t = 0; t < n; t++) {
			logits[t] = RECALL_SCALE * dot(q, r->k + (size_t)(first + t) * r->d, r->d);
			top = fmax(top, logits[t]);
		}
		if (top > before) {
			double factor = exp(before - top);

			total *= factor;
			for (uint32_t c = 0; c < r->d; c++)
				out[c] *= factor;
			for (uint32_t b = 0; ret_mass && b < block; b++)
				ret_mass[b] *= factor;
		}
		for (uint32_t t = 0; t < n; t++) {
			double w = exp(logits[t] - top);

			of_block += w;
			if (w < 1e-18)		/* is nothing in the sum */
				continue;
			for (uint32_t c = 0; c < r->d; c++)
				out[c] += w * r->v[(size_t)(first + t) * r->d + c];
		}
		total += of_block;
		if (ret_mass)
			ret_mass[block] = of_block;
	}
	for (uint32_t c = 0; c < r->d; c++)
		ret_out[c] = total > 0 ? out[c] / total : 0;
	for (uint32_t b = 0; ret_mass && b < blocks && total > 0; b++)
		ret_mass[b] /= total;
}
