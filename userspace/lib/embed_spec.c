// SPDX-License-Identifier: MIT
/*
 * "INSTANCE,KEY=VALUE,...": what follows "embed:". Each engine= begins an engine; name=, depth= and keys that aren't ours, which are
 * the backend's, belong to the one begun last, or before any to the first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "embed.h"

struct number_key {
	const char *name;
	size_t offset;
	uint64_t unit, min, max;
	bool wide;
};

#define NUMBER(name, field, unit, min, max) \
	{ name, offsetof(struct embed_params, field), unit, min, max, \
	  sizeof(((struct embed_params *)0)->field) == 8 }

static const struct number_key numbers[] = {
	NUMBER("limit_ms", limit_ns, 1000000, 1, 1u << 30),
	NUMBER("grace_ms", grace_ns, 1000000, 1, 1u << 30),
	NUMBER("recovery_ms", recovery_ns, 1000000, 0, 1u << 30),
	NUMBER("pinned_limit", pinned_limit, 1, 0, 1ull << 50),
	NUMBER("device_limit", device_limit, 1, 0, 1ull << 50),
	NUMBER("program_limit", program_limit, 1, 0, 1ull << 50),
	NUMBER("queue_limit", queue_limit, 1, 0, 1u << 20),
	NUMBER("job_limit", job_limit, 1, 0, 1u << 20),
	NUMBER("rate_limit", rate_limit, 1, 0, 1000000000),
	NUMBER("weight_limit", weight_limit, 1, 1, 65536),
	NUMBER("class_mask", class_mask, 1, 0, 7),
	NUMBER("slice_us", arb.slice_ns, 1000, 1, 1u << 30),
	NUMBER("deadline_permille", arb.deadline_permille, 1, 0, 950),
	NUMBER("interactive_permille", arb.interactive_permille, 1, 1, 999),
};

static int set_number(const struct number_key *key, const char *value, void *params)
{
	void *field = (char *)params + key->offset;
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 0);
	if (errno || end == value || *end || *value == '-' || n < key->min || n > key->max)
		return dseek_fail(-EINVAL, "embed: %s=%s: not a number from %llu to %llu", key->name, value,
				  (unsigned long long)key->min, (unsigned long long)key->max);
	n *= key->unit;
	if (key->wide)
		*(uint64_t *)field = n;
	else
		*(uint32_t *)field = n;
	return 0;
}

static int set_text(char *field, size_t size, const char *key, const char *value)
{
	if (strlen(value) >= size)
		return dseek_fail(-EINVAL, "embed: %s= has over %zu characters", key, size - 1);
	strcpy(field, value);
	return 0;
}

static int set_engine_key(const char *key, const char *value, struct embed_engine_params *engine)
{
	static const struct number_key depth = { "depth", offsetof(struct embed_engine_params, depth), 1, 1, DRM_DSEEK_MAX_DEPTH, true };
	size_t used = strlen(engine->options), n;

	if (strcmp(key, "name") == 0)
		return set_text(engine->name, sizeof(engine->name), key, value);
	if (strcmp(key, depth.name) == 0)
		return set_number(&depth, value, engine);
	n = snprintf(engine->options + used, sizeof(engine->options) - used, "%s%s=%s", used ? "," : "", key, value);
	if (n >= sizeof(engine->options) - used)
		return dseek_fail(-EINVAL, "embed: options of more than %zu characters", sizeof(engine->options) - 1);
	return 0;
}

static int begin_engine(const char *value, struct embed_params *params, bool *begun)
{
	struct embed_engine_params *engine;

	if (*begun && params->engine_count == EMBED_MAX_ENGINES)
		return dseek_fail(-EINVAL, "embed: more than %d engines", EMBED_MAX_ENGINES);
	engine = &params->engines[*begun ? params->engine_count++ : 0];
	engine->depth = *begun ? 1 : engine->depth;
	*begun = true;
	return set_text(engine->backend, sizeof(engine->backend), "engine", value);
}

static int set_key(char *key, char *value, struct embed_params *params, bool *begun)
{
	size_t i;

	if (strcmp(key, "engine") == 0)
		return begin_engine(value, params, begun);
	if (strcmp(key, "trace") == 0)
		return set_text(params->trace, sizeof(params->trace), key, value);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(key, numbers[i].name) == 0)
			return set_number(&numbers[i], value, params);
	return set_engine_key(key, value, &params->engines[params->engine_count - 1]);
}

/* "none" stands alone; a name, if it is given, is given once. */
static int check_engines(struct embed_params *params)
{
	uint32_t i, j;

	for (i = 0; i < params->engine_count; i++) {
		if (strcmp(params->engines[i].backend, "none") == 0 && params->engine_count > 1)
			return dseek_fail(-EINVAL, "embed: engine=none beside other engines");
		for (j = 0; j < i; j++)
			if (params->engines[i].name[0] && strcmp(params->engines[i].name, params->engines[j].name) == 0)
				return dseek_fail(-EINVAL, "embed: two engines are called %s", params->engines[i].name);
	}
	if (strcmp(params->engines[0].backend, "none") == 0)
		params->engine_count = 0;
	return 0;
}

static void set_defaults(const char *default_engine, struct embed_params *params)
{
	*params = (struct embed_params) {
		.name = "default",
		.pinned_limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 4 * 3,
		.device_limit = UINT64_MAX,
		.program_limit = 64u << 20,
		.rate_limit = UINT64_MAX,
		.limit_ns = 60000000000ull,
		.grace_ns = 2000000000ull,
		.recovery_ns = 5000000000ull,
		.queue_limit = 1024,
		.job_limit = 4096,
		.weight_limit = 65536,
		.class_mask = (1u << DSEEK_CLASS_COUNT) - 1,
		.arb = ARB_ENGINE_DEFAULTS,
		.engine_count = 1,
		.engines[0].depth = 1,
	};
	strcpy(params->engines[0].backend, default_engine);
}

int embed_spec_parse(const char *spec, const char *default_engine, struct embed_params *params)
{
	char *copy, *rest, *item, *value;
	bool first = true, begun = false;
	int r = 0;

	set_defaults(default_engine, params);
	copy = rest = strdup(spec);
	if (!copy)
		return dseek_fail(-ENOMEM, "embed: no memory");
	while (!r && (item = strsep(&rest, ","))) {
		value = strchr(item, '=');
		if (value) {
			*value++ = '\0';
			r = *item ? set_key(item, value, params, &begun) :
				    dseek_fail(-EINVAL, "embed: =%s has no key", value);
		} else if (!first) {
			r = dseek_fail(-EINVAL, "embed: '%s' isn't KEY=VALUE", item);
		} else if (*item) {
			r = set_text(params->name, sizeof(params->name), "instance", item);
		}
		first = false;
	}
	free(copy);
	return r ? r : check_engines(params);
}
