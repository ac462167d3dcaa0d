// SPDX-License-Identifier: MIT
#include "run_internal.h"

const char *engine_name(uint64_t word, char *to)
{
	static const char *const own[] = { "own", "nic", "second" };
	static unsigned int fresh;

	if (word < 3)
		snprintf(to, DRM_DSEEK_NAME_LEN, "fuzz%u.%s", me, own[word]);
	else if (word == 3)
		strcpy(to, "fuzz.shared");
	else
		snprintf(to, DRM_DSEEK_NAME_LEN, "fuzz.new%u", fresh++ % 6);
	return to;
}

uint64_t memory_at(const struct program *p, uint32_t at)
{
	const struct call *c = &calls[p->line[at].call];
	uint32_t i, before = 0;

	if (c->kind != CALL_MEMORY)
		return 0;
	for (i = 0; i < at; i++)
		before += calls[p->line[i].call].kind == CALL_MEMORY && calls[p->line[i].call].memory == c->memory;
	before %= POOL / c->size;
	return (uintptr_t)shared->pool[c->memory] + before * c->size;
}

static uint64_t result_of(uint32_t line, uint64_t which)
{
	int i;

	/* by another process */
	for (i = 0; !shared->done[line] && forked && i < 20; i++)
		sleep_ns(step_ns / 200);
	return shared->done[line] ? shared->result[line][which % RESULTS] : UINT64_MAX;
}

static uint64_t word_number(const struct field *f, uint64_t word)
{
	uint64_t own = 1ULL << (engine_id[0] & 63), second = 1ULL << (engine_id[2] & 63), common = 1ULL << (engine_id[3] & 63);

	if (f->words == engine_words)
		return word < 4 ? engine_id[word] : 63;
	if (f->words == set_words)
		return word == 0 ? own : word == 1 ? own | second : word == 2 ? own | second | common : UINT64_MAX;
	return word;
}

uint64_t evaluate(const struct program *p, const struct value *v, const struct field *f)
{
	switch (v->kind) {
	case VALUE_RESULT: return result_of(v->line, v->number);
	case VALUE_BIT: return 1ULL << (result_of(v->line, 0) & 63);
	case VALUE_POINTER: return memory_at(p, v->line) + v->number;
	case VALUE_TIME: return now_ns() + v->number;
	case VALUE_WORD: return word_number(f, v->number);
	default: return v->number;
	}
}

void build(const struct program *p, const struct line *l, uint8_t *to, uint64_t *fd)
{
	const struct call *c = &calls[l->call];
	uint32_t k;

	memset(to, 0, c->size);
	for (k = 0; k < c->field_count; k++) {
		const struct field *f = &c->field[k];
		uint64_t v;

		if (f->size == DRM_DSEEK_NAME_LEN) {
			if (l->value[k].kind == VALUE_WORD)
				engine_name(l->value[k].number, (char *)to + f->offset);
			else
				memcpy(to + f->offset, &l->value[k].number, 8);
			continue;
		}
		v = evaluate(p, &l->value[k], f);
		if (f->most && (uint32_t)v > f->most)
			v = f->most;
		if (!k && c->kind == CALL_IOCTL)
			*fd = v;
		else
			memcpy(to + f->offset, &v, f->size);
	}
}
