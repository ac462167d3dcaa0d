// SPDX-License-Identifier: MIT
/* dseek model inspect: what a GGUF file says. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dseek_program.h>

#include "../model/gguf.h"
#include "../model/model.h"

struct inspect {
	struct cli_common common;
	const char *key;
	int tensors, full;
	uint64_t n_ctx;
};

#define DEFAULT_CTX	16384
#define RUN		256	/* tokens of a prefill job, where nobody says otherwise */

#define SHOWN_ELEMENTS	6
#define SHOWN_BYTES	72

static uint64_t load(const uint8_t *p, uint32_t bytes)
{
	uint64_t v = 0;

	for (uint32_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/*
 * Control characters and cut texts are shown as such; a key asked for by name is printed as it is.
 */
static void print_text(const char *s, size_t size, bool full)
{
	size_t n = full || size <= SHOWN_BYTES ? size : SHOWN_BYTES;

	while (n < size && n && ((unsigned char)s[n] & 0xc0) == 0x80)	/* not within a character */
		n--;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			fputs("\\n", stdout);
		else if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			printf("\\x%02x", (unsigned char)s[i]);
		else
			putchar(s[i]);
	}
	if (n < size)
		printf("... (%zu bytes)", size);
}

/* One value at @p; what comes after it. */
static const uint8_t *print_value(uint32_t type, const uint8_t *p, bool full)
{
	uint32_t bytes = gguf_type_bytes(type);
	uint64_t v = load(p, bytes ? bytes : 8);
	uint32_t bits = (uint32_t)v;
	double d;
	float f;

	switch (type) {
	case GGUF_STRING:
		print_text((const char *)p + 8, v, full);
		return p + 8 + v;
	case GGUF_F32:
		memcpy(&f, &bits, 4);
		printf("%.9g", f);
		break;
	case GGUF_F64:
		memcpy(&d, &v, 8);
		printf("%.17g", d);
		break;
	case GGUF_BOOL:
		fputs(v ? "true" : "false", stdout);
		break;
	case GGUF_I8:
		printf("%d", (int8_t)v);
		break;
	case GGUF_I16:
		printf("%d", (int16_t)v);
		break;
	case GGUF_I32:
		printf("%d", (int32_t)v);
		break;
	case GGUF_I64:
		printf("%" PRId64, (int64_t)v);
		break;
	default:
		printf("%" PRIu64, v);
	}
	return p + bytes;
}

static void print_key(const struct gguf_key *key, bool full)
{
	const uint8_t *p = key->data;

	if (key->type != GGUF_ARRAY) {
		print_value(key->type, p, full);
		putchar('\n');
		return;
	}
	putchar('[');
	for (uint64_t i = 0; i < key->count && (full || i < SHOWN_ELEMENTS); i++) {
		fputs(i ? ", " : "", stdout);
		p = print_value(key->elem_type, p, full);
	}
	printf(!full && key->count > SHOWN_ELEMENTS ? ", ...] (%" PRIu64 " of %s)\n" : "]\n",
	       key->count, gguf_type_name(key->elem_type));
}

static uint64_t elements(const struct gguf_tensor *t)
{
	return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
}

static void shape(const struct gguf_tensor *t, char *out, size_t size)
{
	int n = snprintf(out, size, "%" PRIu64, t->ne[0]);

	for (uint32_t i = 1; i < t->n_dims; i++)
		n += snprintf(out + n, size - n, " x %" PRIu64, t->ne[i]);
}

/* Sums by type, in the order of the format's numbers. */
struct sums {
	uint64_t tensors, elements, bytes;
};

static struct sums sum_up(const struct gguf *g, struct sums by_type[64])
{
	struct sums all = { 0 };

	memset(by_type, 0, 64 * sizeof(*by_type));
	for (size_t i = 0; i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor(g, i);
		struct sums *s = &by_type[t->type & 63];

		s->tensors++;
		s->elements += elements(t);
		s->bytes += t->size;
		all.tensors++;
		all.elements += elements(t);
		all.bytes += t->size;
	}
	return all;
}

/* Weights as they are loaded; the KV cache of a context of so many tokens, in f16, unless it says otherwise. */
struct memory {
	uint64_t weights, weights_file;	/* of those used */
	uint64_t kv, kv_full, kv_q8;	/* kv_q8 0: the heads are no whole blocks */
};

/* false: the file is no model that can be run here. */
static bool memory_of(const struct inspect *o, const struct gguf *g, struct memory *ret)
{
	struct dsk_kv kv = { .n_ctx = o->n_ctx, .run = RUN, .type = DSEEK_F16, .ring_type = DSEEK_F16 };
	const struct dsk_shape *shape;
	uint32_t k, v;
	struct dsk_model *model;

	if (dsk_model_open(gguf_path(g), &model, NULL, 0))
		return false;
	shape = dsk_model_shape(model);
	dsk_kv_widths(shape, &k, &v);
	ret->weights = dsk_model_bytes(model);
	ret->weights_file = shape->weight_bytes;
	ret->kv = dsk_kv_bytes(shape, &kv);
	kv.all = true;
	ret->kv_full = dsk_kv_bytes(shape, &kv);
	kv.all = false;
	kv.type = DSEEK_Q8_0;
	ret->kv_q8 = k % 32 || v % 32 ? 0 : dsk_kv_bytes(shape, &kv);
	dsk_model_close(model);
	return true;
}

static void print_memory(const struct inspect *o, const struct gguf *g)
{
	struct memory m;

	if (!memory_of(o, g, &m))
		return;
	printf("  weights in memory: %" PRIu64 " bytes, %.2f of the file's %" PRIu64 "\n", m.weights, (double)m.weights / m.weights_file,
	       m.weights_file);
	printf("  KV cache of %" PRIu64 " tokens: %" PRIu64 " bytes in f16", o->n_ctx, m.kv);
	if (m.kv != m.kv_full)
		printf(", %.1f %% less than full attention's %" PRIu64, 100 * (1 - (double)m.kv / m.kv_full), m.kv_full);
	if (m.kv_q8)
		printf("; with --kv-type q8_0 %" PRIu64 ", %.1f %% less", m.kv_q8, 100 * (1 - (double)m.kv_q8 / m.kv_full));
	putchar('\n');
}

static void print_all(const struct inspect *o, const struct gguf *g)
{
	struct sums by_type[64], all = sum_up(g, by_type);
	char dims[128];
	size_t size;

	gguf_map(g, &size);
	printf("%s: GGUF version %u, %zu bytes, architecture %s, %zu keys, %" PRIu64 " tensors, %" PRIu64 " parameters\n", gguf_path(g),
	       gguf_version(g), size, *gguf_arch(g) ? gguf_arch(g) : "not given", gguf_n_keys(g), all.tensors, all.elements);
	for (size_t i = 0; i < gguf_n_keys(g); i++) {
		printf("  %-44s ", gguf_key(g, i)->name);
		print_key(gguf_key(g, i), o->full);
	}
	for (uint32_t type = 0; type < 64; type++)
		if (by_type[type].tensors)
			printf("  %-8s %6" PRIu64 " tensors %14" PRIu64 " elements %14" PRIu64 " bytes%s\n", gguf_tensor_type(type)->name,
			       by_type[type].tensors, by_type[type].elements, by_type[type].bytes,
			       gguf_tensor_type(type)->dtype < 0 ? "  (no op of dseek takes this type)" : "");
	print_memory(o, g);
	for (size_t i = 0; o->tensors && i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor(g, i);

		shape(t, dims, sizeof(dims));
		printf("  %-40s %-8s %-24s offset %12" PRIu64 " bytes %12" PRIu64 "\n", t->name,
		       gguf_tensor_type(t->type)->name, dims,
		       t->offset, t->size);
	}
}

static cJSON *json_value(uint32_t type, const uint8_t **p)
{
	uint32_t bytes = gguf_type_bytes(type), bits;
	uint64_t v = load(*p, bytes ? bytes : 8);
	double d;
	float f;

	*p += bytes;
	switch (type) {
	case GGUF_STRING: {
		char *copy = strndup((const char *)*p + 8, v);
		cJSON *item = cJSON_CreateString(copy ? copy : "");

		free(copy);
		*p += 8 + v;
		return item;
	}
	case GGUF_BOOL:
		return cJSON_CreateBool(v != 0);
	case GGUF_F32:
		bits = (uint32_t)v;
		memcpy(&f, &bits, 4);
		return cJSON_CreateNumber(f);
	case GGUF_F64:
		memcpy(&d, &v, 8);
		return cJSON_CreateNumber(d);
	case GGUF_I8:
		return cJSON_CreateNumber((int8_t)v);
	case GGUF_I16:
		return cJSON_CreateNumber((int16_t)v);
	case GGUF_I32:
		return cJSON_CreateNumber((int32_t)v);
	case GGUF_I64:
		return cJSON_CreateNumber((double)(int64_t)v);
	default:
		return cJSON_CreateNumber((double)v);
	}
}

static cJSON *json_key(const struct inspect *o, const struct gguf_key *key)
{
	const uint8_t *p = key->data;
	cJSON *array;

	if (key->type != GGUF_ARRAY)
		return json_value(key->type, &p);
	if (!o->full && key->count > SHOWN_ELEMENTS) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "array_of", gguf_type_name(key->elem_type));
		cJSON_AddNumberToObject(item, "count", (double)key->count);
		return item;
	}
	array = cJSON_CreateArray();
	for (uint64_t i = 0; i < key->count; i++)
		cJSON_AddItemToArray(array, json_value(key->elem_type, &p));
	return array;
}

static void print_json(const struct inspect *o, const struct gguf *g)
{
	cJSON *root = cJSON_CreateObject(), *keys, *tensors;
	struct memory m;
	char *out;

	cJSON_AddNumberToObject(root, "version", gguf_version(g));
	cJSON_AddStringToObject(root, "architecture", gguf_arch(g));
	keys = cJSON_AddObjectToObject(root, "keys");
	for (size_t i = 0; i < gguf_n_keys(g); i++)
		cJSON_AddItemToObject(keys, gguf_key(g, i)->name, json_key(o, gguf_key(g, i)));
	if (memory_of(o, g, &m)) {
		cJSON *weights = cJSON_AddObjectToObject(root, "weights"), *cache = cJSON_AddObjectToObject(root, "kv_cache");

		cJSON_AddNumberToObject(weights, "bytes", (double)m.weights);
		cJSON_AddNumberToObject(weights, "file_bytes", (double)m.weights_file);
		cJSON_AddNumberToObject(cache, "tokens", (double)o->n_ctx);
		cJSON_AddNumberToObject(cache, "bytes", (double)m.kv);
		cJSON_AddNumberToObject(cache, "full_bytes", (double)m.kv_full);
		if (m.kv_q8)
			cJSON_AddNumberToObject(cache, "q8_0_bytes", (double)m.kv_q8);
	}
	tensors = cJSON_AddArrayToObject(root, "tensors");
	for (size_t i = 0; i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor(g, i);
		cJSON *item = cJSON_CreateObject(), *ne = cJSON_AddArrayToObject(item, "ne");

		cJSON_AddStringToObject(item, "name", t->name);
		cJSON_AddStringToObject(item, "type", gguf_tensor_type(t->type)->name);
		for (uint32_t d = 0; d < t->n_dims; d++)
			cJSON_AddItemToArray(ne, cJSON_CreateNumber((double)t->ne[d]));
		cJSON_AddNumberToObject(item, "offset", (double)t->offset);
		cJSON_AddNumberToObject(item, "bytes", (double)t->size);
		cJSON_AddItemToArray(tensors, item);
	}
	out = cJSON_Print(root);
	puts(out ? out : "{}");
	free(out);
	cJSON_Delete(root);
}

static int print_one(const struct inspect *o, const struct gguf *g)
{
	const struct gguf_key *key = gguf_find_key(g, o->key);

	if (!key) {
		cli_log(CLI_ERROR, "%s: key '%s' is missing", gguf_path(g), o->key);
		return CLI_FAILED;
	}
	if (key->type == GGUF_STRING) {
		fwrite((const char *)key->data + 8, 1, load(key->data, 8), stdout);
		putchar('\n');
	} else {
		print_key(key, true);
	}
	return CLI_OK;
}

int cmd_model_inspect(int argc, char **argv)
{
	struct inspect o = { .common = CLI_COMMON_DEFAULTS, .n_ctx = DEFAULT_CTX };
	const struct cli_option options[] = {
		{ "key", 'k', CLI_STRING, &o.key, "NAME", "this key's value alone, whole (.NAME: of the architecture)" },
		{ "tensors", 't', CLI_FLAG, &o.tensors, NULL, "list the tensors too" },
		{ "full", 'f', CLI_FLAG, &o.full, NULL, "long texts and arrays whole" },
		{ "ctx", 0, CLI_UINT, &o.n_ctx, "N", "tokens of the context whose KV cache is reckoned (default 16384)" },
		CLI_OPTION_NO_DEVICE(&o.common),
		CLI_OPTION_JSON(&o.common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek model inspect",
		"FILE", "Check a GGUF file's structure and print its keys and tensors.", NULL, 1, 1,
	};
	struct gguf *g;
	char err[512];
	int first = cli_parse(&usage, options, argc, argv), rc = CLI_OK;

	if (o.key && o.common.json)
		return cli_usage_error(&usage, "--key and --json exclude each other");
	if (!o.n_ctx || o.n_ctx > 1u << 24)
		return cli_usage_error(&usage, "--ctx is not in 1..2^24");
	if (gguf_open(argv[first], &g, err, sizeof(err))) {
		cli_log(CLI_ERROR, "%s", err);
		return CLI_FAILED;
	}
	if (o.key)
		rc = print_one(&o, g);
	else if (o.common.json)
		print_json(&o, g);
	else
		print_all(&o, g);
	gguf_close(g);
	return rc;
}
