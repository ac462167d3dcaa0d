// SPDX-License-Identifier: MIT
/* Who the tenants of `dseek run` are. A YAML file is read as a document first, so that each node knows its line. */
#include "cli.h"
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* The server gets nine tenths (run_worker.c), and 4.29 s is the longest period the arbiter takes. */
#define MAX_PERIOD_MS	4700

static const char *const class_names[DSEEK_CLASS_COUNT] = { "deadline", "interactive", "batch" };

const char *run_class_name(uint32_t sched_class)
{
	return sched_class < DSEEK_CLASS_COUNT ? class_names[sched_class] : "?";
}

int run_spec_default(struct run_spec *spec)
{
	static const struct {
		const char *name, *prompt;
		uint32_t sched_class, weight, period_ms;
	} tenants[] = {
		{ "gold", "Explain in simple words how a lighthouse works.", DSEEK_CLASS_DEADLINE, 0, 50 },
		{ "silver", "Write a short story about a clockmaker and her cat.", DSEEK_CLASS_INTERACTIVE, 2, 0 },
		{ "bronze", "List the planets of the solar system with one sentence on each.", DSEEK_CLASS_BATCH, 1, 0 },
	};
	uint32_t i;

	*spec = (struct run_spec){ .n = 3 };
	for (i = 0; i < spec->n; i++) {
		struct run_tenant_spec *t = &spec->tenants[i];

		snprintf(t->name, sizeof(t->name), "%s", tenants[i].name);
		t->sched_class = tenants[i].sched_class;
		t->weight = tenants[i].weight;
		t->period_ns = tenants[i].period_ms * 1000000ull;
		t->streams = 1;
		t->prompt = strdup(tenants[i].prompt);
		if (!t->prompt) {
			run_spec_clear(spec);
			return -ENOMEM;
		}
	}
	return 0;
}

void run_spec_clear(struct run_spec *spec)
{
	uint32_t i;

	for (i = 0; i < RUN_MAX_TENANTS; i++) {
		free(spec->tenants[i].prompt);
		free(spec->tenants[i].user);
		free(spec->tenants[i].engines);
	}
	*spec = (struct run_spec){ 0 };
}

struct reader {
	const char *path;
	FILE *errors;
	yaml_document_t doc;
	int mistakes;
};

static void __attribute__((format(printf, 3, 4))) mistake(struct reader *r, const yaml_node_t *at, const char *format, ...)
{
	va_list args;

	fprintf(r->errors, "%s:%zu: ", r->path, at ? at->start_mark.line + 1 : 1);
	va_start(args, format);
	vfprintf(r->errors, format, args);
	va_end(args);
	fputc('\n', r->errors);
	r->mistakes++;
}

static const char *scalar(struct reader *r, const yaml_node_t *node, const char *key)
{
	if (node->type != YAML_SCALAR_NODE) {
		mistake(r, node, "'%s' must be one value, not a list or a mapping", key);
		return NULL;
	}
	if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length) {
		mistake(r, node, "'%s' holds a NUL character", key);
		return NULL;
	}
	return (const char *)node->data.scalar.value;
}

static void read_number(struct reader *r, const yaml_node_t *node, const char *key, uint64_t min, uint64_t max,
			uint64_t *ret_value)
{
	const char *text = scalar(r, node, key);
	uint64_t value;

	if (!text)
		return;
	if (cli_parse_uint(text, &value) || value < min || value > max)
		mistake(r, node, "'%s' is '%s'; it must be a whole number from %llu to %llu", key, text,
			(unsigned long long)min, (unsigned long long)max);
	else
		*ret_value = value;
}

/* A number with a fraction if one likes. */
static int read_real(struct reader *r, const yaml_node_t *node, const char *key, double min, double max, double *ret_value)
{
	const char *text = scalar(r, node, key);
	double value;
	char *end;

	if (!text)
		return -EINVAL;
	value = strtod(text, &end);
	if (*end || !isdigit((unsigned char)text[0]) || !(value >= min && value <= max)) {
		mistake(r, node, "'%s' is '%s'; it must be a number from %g to %g", key, text, min, max);
		return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

static void read_ms(struct reader *r, const yaml_node_t *node, const char *key, double min, double max, uint64_t *ret_ns)
{
	double value;

	if (!read_real(r, node, key, min, max, &value))
		*ret_ns = llround(value * 1e6);
}

static void read_text(struct reader *r, const yaml_node_t *node, const char *key, char **ret_text)
{
	const char *text = scalar(r, node, key);

	if (!text)
		return;
	if (!*text) {
		mistake(r, node, "'%s' is empty", key);
		return;
	}
	free(*ret_text);
	*ret_text = strdup(text);
	if (!*ret_text)
		mistake(r, node, "no memory");
}

static void read_name(struct reader *r, const yaml_node_t *node, struct run_tenant_spec *t)
{
	const char *text = scalar(r, node, "name");
	size_t i;

	if (!text)
		return;
	for (i = 0; text[i]; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
			break;
	if (!i || text[i] || i >= sizeof(t->name))
		mistake(r, node, "'name' is '%s'; it must be 1 to %zu letters, digits, '_', '.' or '-'", text,
			sizeof(t->name) - 1);
	else
		memcpy(t->name, text, i + 1);
}

static void read_class(struct reader *r, const yaml_node_t *node, struct run_tenant_spec *t)
{
	const char *text = scalar(r, node, "class");
	uint32_t i;

	if (!text)
		return;
	for (i = 0; i < DSEEK_CLASS_COUNT; i++)
		if (!strcmp(text, class_names[i])) {
			t->sched_class = i;
			return;
		}
	mistake(r, node, "'class' is '%s'; it must be deadline, interactive or batch", text);
}

/* One name, or a list of them: kept as "a,b". */
static void read_engines(struct reader *r, const yaml_node_t *node, const char *key, char **ret_names)
{
	yaml_node_item_t *item;
	const char *name;
	char all[512] = "";
	size_t used = 0;

	if (node->type != YAML_SEQUENCE_NODE || node->data.sequence.items.start == node->data.sequence.items.top) {
		mistake(r, node, "'%s' must be a list with at least one name", key);
		return;
	}
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		name = scalar(r, yaml_document_get_node(&r->doc, *item), key);
		if (!name)
			return;
		if (!*name || strchr(name, ',') || used + strlen(name) + 2 > sizeof(all)) {
			mistake(r, node, "'%s' has '%.40s', which is no engine's name", key, name);
			return;
		}
		used += snprintf(all + used, sizeof(all) - used, "%s%s", used ? "," : "", name);
	}
	free(*ret_names);
	*ret_names = strdup(all);
	if (!*ret_names)
		mistake(r, node, "no memory");
}

enum key { KEY_NAME, KEY_CLASS, KEY_WEIGHT, KEY_PERIOD, KEY_BUDGET, KEY_STREAMS, KEY_TOKENS, KEY_SPIN, KEY_PROMPT, KEY_USER,
	   KEY_ENGINE, KEY_ENGINES, KEY_COUNT };
static const char *const key_names[KEY_COUNT] = { "name", "class", "weight", "period_ms", "budget_ms", "streams", "tokens",
						  "spin_us", "prompt", "user", "engine", "engines" };

static void read_key(struct reader *r, const yaml_node_t *node, enum key key, struct run_tenant_spec *t)
{
	uint64_t number;

	switch (key) {
	case KEY_NAME:
		read_name(r, node, t);
		break;
	case KEY_CLASS:
		read_class(r, node, t);
		break;
	case KEY_WEIGHT:
		number = t->weight;
		read_number(r, node, key_names[key], 1, 65536, &number);
		t->weight = number;
		break;
	case KEY_PERIOD:
		read_ms(r, node, key_names[key], 1, MAX_PERIOD_MS, &t->period_ns);
		break;
	case KEY_BUDGET:
		read_ms(r, node, key_names[key], 0.01, MAX_PERIOD_MS, &t->budget_ns);
		break;
	case KEY_STREAMS:
		number = t->streams;
		read_number(r, node, key_names[key], 1, RUN_MAX_STREAMS, &number);
		t->streams = number;
		break;
	case KEY_TOKENS:
		read_number(r, node, key_names[key], 1, 1000000, &t->tokens);
		break;
	case KEY_SPIN:
		read_number(r, node, key_names[key], 1, 1000000, &t->spin_us);
		break;
	case KEY_PROMPT:
		read_text(r, node, key_names[key], &t->prompt);
		break;
	case KEY_USER:
		read_text(r, node, key_names[key], &t->user);
		break;
	case KEY_ENGINE:
		read_text(r, node, key_names[key], &t->engines);
		break;
	case KEY_ENGINES:
		read_engines(r, node, key_names[key], &t->engines);
		break;
	default:
		break;
	}
}

/* What single values can't say. */
static void check_tenant(struct reader *r, const yaml_node_t *node, const yaml_node_t *const *given, struct run_tenant_spec *t)
{
	if (!given[KEY_NAME])
		mistake(r, node, "the tenant has no 'name'");
	if (!given[KEY_CLASS])
		mistake(r, node, "the tenant has no 'class'");
	else if (t->sched_class == DSEEK_CLASS_DEADLINE) {
		if (given[KEY_WEIGHT])
			mistake(r, given[KEY_WEIGHT], "'weight' has no meaning in class deadline");
		if (!given[KEY_PERIOD])
			mistake(r, node, "class deadline needs 'period_ms'");
		if (t->period_ns && t->budget_ns > t->period_ns)
			mistake(r, given[KEY_BUDGET], "'budget_ms' is more than 'period_ms'");
		t->weight = 0;
	} else {
		if (given[KEY_PERIOD])
			mistake(r, given[KEY_PERIOD], "'period_ms' is for class deadline only");
		if (given[KEY_BUDGET])
			mistake(r, given[KEY_BUDGET], "'budget_ms' is for class deadline only");
	}
	if (!given[KEY_PROMPT] && !given[KEY_SPIN])
		mistake(r, node, "the tenant has neither 'prompt' nor 'spin_us'");
	if (given[KEY_ENGINE] && given[KEY_ENGINES])
		mistake(r, given[KEY_ENGINES], "'engine' and 'engines' exclude each other");
	else if (given[KEY_ENGINE] && t->engines && strchr(t->engines, ','))
		mistake(r, given[KEY_ENGINE], "'engine' is '%s'; several are a list, 'engines'", t->engines);
	else if (t->sched_class == DSEEK_CLASS_DEADLINE && t->engines && strchr(t->engines, ','))
		mistake(r, given[KEY_ENGINES], "class deadline reserves time on one engine, not on several");
	if (given[KEY_PROMPT] && given[KEY_SPIN])
		mistake(r, given[KEY_SPIN], "'spin_us' and 'prompt' exclude each other");
}

static void read_tenant(struct reader *r, const yaml_node_t *node, struct run_tenant_spec *t)
{
	const yaml_node_t *given[KEY_COUNT] = { NULL };
	yaml_node_pair_t *pair;

	*t = (struct run_tenant_spec){ .streams = 1, .weight = 1, .sched_class = DSEEK_CLASS_COUNT };
	if (node->type != YAML_MAPPING_NODE) {
		mistake(r, node, "a tenant must be a mapping (name: ..., class: ...)");
		return;
	}
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key_node = yaml_document_get_node(&r->doc, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);
		const char *key = scalar(r, key_node, "a key");
		int i;

		if (!key)
			continue;
		for (i = 0; i < KEY_COUNT && strcmp(key, key_names[i]); i++)
			;
		if (i == KEY_COUNT) {
			mistake(r, key_node, "'%s' is not a key of a tenant", key);
		} else if (given[i]) {
			mistake(r, key_node, "'%s' is given twice", key);
		} else {
			given[i] = value;
			read_key(r, value, i, t);
		}
	}
	check_tenant(r, node, given, t);
}

static void read_tenants(struct reader *r, const yaml_node_t *node, struct run_spec *spec)
{
	yaml_node_item_t *item;
	uint32_t i;

	if (node->type != YAML_SEQUENCE_NODE || node->data.sequence.items.start == node->data.sequence.items.top) {
		mistake(r, node, "'tenants' must be a list with at least one tenant");
		return;
	}
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *tenant = yaml_document_get_node(&r->doc, *item);
		struct run_tenant_spec *t = &spec->tenants[spec->n];

		if (spec->n == RUN_MAX_TENANTS) {
			mistake(r, tenant, "more than %d tenants", RUN_MAX_TENANTS);
			return;
		}
		read_tenant(r, tenant, t);
		for (i = 0; i < spec->n; i++)
			if (t->name[0] && !strcmp(spec->tenants[i].name, t->name))
				mistake(r, tenant, "a tenant named '%s' is there already", t->name);
		spec->n++;
	}
}

static void read_root(struct reader *r, struct run_spec *spec)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	const yaml_node_t *tenants = NULL, *seconds = NULL;
	yaml_node_pair_t *pair;

	if (!root || root->type != YAML_MAPPING_NODE) {
		mistake(r, root, "the file must be a mapping with 'tenants'");
		return;
	}
	for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key_node = yaml_document_get_node(&r->doc, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);
		const yaml_node_t **slot;
		const char *key = scalar(r, key_node, "a key");

		if (!key)
			continue;
		slot = !strcmp(key, "tenants") ? &tenants : !strcmp(key, "seconds") ? &seconds : NULL;
		if (!slot)
			mistake(r, key_node, "'%s' is not a key here; there are 'tenants' and 'seconds'", key);
		else if (*slot)
			mistake(r, key_node, "'%s' is given twice", key);
		else
			*slot = value;
	}
	if (seconds)
		read_real(r, seconds, "seconds", 0.1, 86400, &spec->seconds);
	if (tenants)
		read_tenants(r, tenants, spec);
	else
		mistake(r, root, "'tenants' is missing");
}

int run_spec_read(const char *path, struct run_spec *ret_spec, FILE *errors)
{
	struct reader r = { .path = path, .errors = errors };
	struct run_spec spec = { 0 };
	yaml_parser_t parser;
	FILE *file = fopen(path, "r");
	int error = errno;

	if (!file) {
		fprintf(errors, "%s: %s\n", path, strerror(error));
		return -error;
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&parser, file);
	if (!yaml_parser_load(&parser, &r.doc)) {
		fprintf(errors, "%s:%zu: %s\n", path, parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "can't be read as YAML");
		r.mistakes++;
	} else {
		read_root(&r, &spec);
		yaml_document_delete(&r.doc);
	}
	yaml_parser_delete(&parser);
	fclose(file);
	if (r.mistakes) {
		run_spec_clear(&spec);
		return -EINVAL;
	}
	*ret_spec = spec;
	return 0;
}
