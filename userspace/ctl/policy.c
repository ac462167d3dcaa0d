// SPDX-License-Identifier: MIT
/* Reads a policy file. As a document first, so that each mistake can be told with its line. */
#include "policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
	const char *path;
	FILE *errors;
	yaml_document_t doc;
	struct policy *policy;
	int mistakes;
};

static void __attribute__((format(printf, 3, 4))) mistake(struct reader *r, size_t line, const char *format, ...)
{
	va_list args;

	fprintf(r->errors, "%s:%zu: ", r->path, line);
	va_start(args, format);
	vfprintf(r->errors, format, args);
	va_end(args);
	fputc('\n', r->errors);
	r->mistakes++;
}

static size_t line_of(const yaml_node_t *node)
{
	return node ? node->start_mark.line + 1 : 1;
}

static const char *scalar(struct reader *r, const yaml_node_t *node, const char *what)
{
	if (node->type != YAML_SCALAR_NODE) {
		mistake(r, line_of(node), "%s must be one value, not a list or a mapping", what);
		return NULL;
	}
	if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length) {
		mistake(r, line_of(node), "%s holds a NUL character", what);
		return NULL;
	}
	return (const char *)node->data.scalar.value;
}

/* A list of words stands for the words with commas between. -EINVAL: said why. */
static int value_text(struct reader *r, const yaml_node_t *node, const struct ctl_field *field, char *ret_text,
		      size_t size)
{
	yaml_node_item_t *item;
	const char *word;
	size_t at = 0;

	if (node->type != YAML_SEQUENCE_NODE || field->kind != CTL_CLASSES) {
		word = scalar(r, node, field->name);
		if (!word)
			return -EINVAL;
		at = (size_t)snprintf(ret_text, size, "%s", word);
	} else {
		ret_text[0] = '\0';
		for (item = node->data.sequence.items.start; item < node->data.sequence.items.top && at < size; item++) {
			word = scalar(r, yaml_document_get_node(&r->doc, *item), field->name);
			if (!word)
				return -EINVAL;
			at += (size_t)snprintf(ret_text + at, size - at, "%s%s", at ? "," : "", word);
		}
		if (!at)
			at = (size_t)snprintf(ret_text, size, "none");
	}
	if (at < size)
		return 0;
	mistake(r, line_of(node), "'%s' is far too long", field->name);
	return -EINVAL;
}

static void read_field(struct reader *r, struct policy_entry *entry, const struct ctl_field *fields, const char *key,
		       const yaml_node_t *key_node, const yaml_node_t *value)
{
	const struct ctl_field *field = ctl_field_find(fields, key, strlen(key));
	char text[256], why[512];

	if (!field) {
		mistake(r, line_of(key_node), "'%s' is not a field of %s", key, entry->engine ? "an engine" : "a tenant");
		return;
	}
	if (*entry->value[field - fields]) {
		mistake(r, line_of(key_node), "'%s' is given twice", key);
		return;
	}
	if (value_text(r, value, field, text, sizeof(text)))
		return;
	if (ctl_field_parse(field, text, entry->value[field - fields], why, sizeof(why)))
		mistake(r, line_of(value), "%s", why);
}

static void read_name(struct reader *r, struct policy_entry *entry, const yaml_node_t *node)
{
	const char *text = scalar(r, node, entry->engine ? "'engine'" : "'tenant'");
	char name[CTL_NAME], why[300];

	if (!text)
		return;
	if (entry->name) {
		mistake(r, line_of(node), "'%s' is given twice", entry->engine ? "engine" : "tenant");
		return;
	}
	if (entry->engine) {
		if (!*text || *text == '.' || strchr(text, '/'))
			mistake(r, line_of(node), "'%s' is no name of an engine", text);
		entry->name = strdup(text);
	} else if (ctl_tenant_name(text, name, why, sizeof(why))) {
		mistake(r, line_of(node), "%s", why);
		entry->name = strdup(text);
	} else {
		entry->name = strdup(name);
	}
	if (!entry->name)
		mistake(r, line_of(node), "no memory");
}

static void check_name(struct reader *r, const struct policy_entry *entry)
{
	const struct policy_entry *other;

	if (!entry->name) {
		mistake(r, entry->line, "there is no '%s' that says which", entry->engine ? "engine" : "tenant");
		return;
	}
	for (other = r->policy->entries; other < entry; other++)
		if (other->name && other->engine == entry->engine && !strcmp(other->name, entry->name))
			mistake(r, entry->line, "%s is there already, in line %zu", entry->name, other->line);
}

/* @name: whose it is where the file's structure says so ("all"), else NULL. */
static void read_entry(struct reader *r, const yaml_node_t *node, bool engine, const char *name)
{
	struct policy_entry *entries = realloc(r->policy->entries, (r->policy->count + 1) * sizeof(*entries)), *entry;
	const char *naming = engine ? "engine" : "tenant";
	yaml_node_pair_t *pair;

	if (!entries) {
		mistake(r, line_of(node), "no memory");
		return;
	}
	r->policy->entries = entries;
	entry = &entries[r->policy->count++];
	*entry = (struct policy_entry){ .engine = engine, .line = line_of(node), .name = name ? strdup(name) : NULL };
	if (node->type != YAML_MAPPING_NODE) {
		mistake(r, entry->line, "%s must be a mapping (%s: ..., ...)", name ? "'all'" : naming, naming);
		return;
	}
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key_node = yaml_document_get_node(&r->doc, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);
		const char *key = scalar(r, key_node, "a key");

		if (!key)
			continue;
		if (!name && !strcmp(key, naming))
			read_name(r, entry, value);
		else
			read_field(r, entry, engine ? ctl_settings : ctl_limits, key, key_node, value);
	}
	check_name(r, entry);
}

static void read_list(struct reader *r, const yaml_node_t *node, bool engine)
{
	yaml_node_item_t *item;

	if (node->type != YAML_SEQUENCE_NODE) {
		mistake(r, line_of(node), "'%s' must be a list", engine ? "engines" : "tenants");
		return;
	}
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
		read_entry(r, yaml_document_get_node(&r->doc, *item), engine, NULL);
}

static void read_root(struct reader *r)
{
	static const char *const keys[] = { "all", "tenants", "engines" };
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	bool given[3] = { false };
	yaml_node_pair_t *pair;
	int i;

	if (!root || root->type != YAML_MAPPING_NODE) {
		mistake(r, line_of(root), "the file must be a mapping with 'all', 'tenants' or 'engines'");
		return;
	}
	for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key_node = yaml_document_get_node(&r->doc, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);
		const char *key = scalar(r, key_node, "a key");

		for (i = 0; key && i < 3 && strcmp(key, keys[i]); i++)
			;
		if (!key)
			continue;
		if (i == 3)
			mistake(r, line_of(key_node), "'%s' is none of 'all', 'tenants' and 'engines'", key);
		else if (given[i])
			mistake(r, line_of(key_node), "'%s' is given twice", key);
		else if (!i)
			read_entry(r, value, false, "all");
		else
			read_list(r, value, i == 2);
		if (i < 3)
			given[i] = true;
	}
}

static int read_document(struct reader *r, FILE *file)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_file(&parser, file);
	if (!yaml_parser_load(&parser, &r->doc)) {
		mistake(r, parser.problem_mark.line + 1, "%s", parser.problem ? parser.problem : "it can't be read");
	} else {
		read_root(r);
		yaml_document_delete(&r->doc);
	}
	yaml_parser_delete(&parser);
	return r->mistakes ? -EINVAL : 0;
}

int policy_read(const char *path, FILE *errors, struct policy *ret_policy)
{
	struct policy policy = { 0 };
	struct reader r = { .path = path, .errors = errors, .policy = &policy };
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int err;

	if (!file)
		return -errno;
	err = read_document(&r, file);
	if (file != stdin)
		fclose(file);
	if (err)
		policy_clear(&policy);
	else
		*ret_policy = policy;
	return err;
}

void policy_clear(struct policy *policy)
{
	size_t i;

	for (i = 0; i < policy->count; i++)
		free(policy->entries[i].name);
	free(policy->entries);
	*policy = (struct policy){ 0 };
}
