// SPDX-License-Identifier: MIT
#include "grammar.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- out */

struct writer {
	char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
	__builtin_va_list args;
	int n;

	__builtin_va_start(args, format);
	n = vsnprintf(w->at, (size_t)(w->end - w->at), format, args);
	__builtin_va_end(args);
	w->at += n < w->end - w->at ? n : w->end - w->at - 1;
}

static void put_number(struct writer *w, uint64_t n)
{
	if ((int64_t)n < 0 && (int64_t)n > -4096)
		put(w, "%" PRId64, (int64_t)n);
	else
		put(w, n < 100000 || n % 1000 == 0 ? "%" PRIu64 : "0x%" PRIx64, n);
}

static void put_value(struct writer *w, const struct field *f, const struct value *v)
{
	switch (v->kind) {
	case VALUE_RESULT: put(w, v->number ? "@%u.%u" : "@%u", v->line, (unsigned int)v->number); break;
	case VALUE_BIT: put(w, "^%u", v->line); break;
	case VALUE_POINTER: put(w, v->number ? "&%u+%u" : "&%u", v->line, (unsigned int)v->number); break;
	case VALUE_TIME: put(w, "+%" PRIu64, v->number); break;
	case VALUE_WORD:
		put(w, !*f->words[v->number] || strchr(f->words[v->number], ' ') ? "\"%s\"" : "%s", f->words[v->number]);
		break;
	default: put_number(w, v->number);
	}
}

static bool zero(const struct value *v)
{
	return v->kind == VALUE_NUMBER && !v->number;
}

size_t program_print(const struct program *p, char *to, size_t size)
{
	struct writer w = { to, to + size };
	uint32_t i, k;

	for (i = 0; i < p->count; i++) {
		const struct line *l = &p->line[i];
		const struct call *c = &calls[l->call];

		put(&w, l->process ? "%u/%u %s" : "%u", i, l->process - 1u, c->name);
		if (!l->process)
			put(&w, " %s", c->name);
		for (k = 0; k < c->field_count; k++) {
			if (zero(&l->value[k]))
				continue;
			put(&w, " %s=", c->field[k].name);
			put_value(&w, &c->field[k], &l->value[k]);
		}
		put(&w, "\n");
	}
	return (size_t)(w.at - to);
}

/* ---- in */

static char error_text[160];

__attribute__((format(printf, 1, 2))) static int wrong(const char *format, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	__builtin_va_end(args);
	return -1;
}

/* A number that ends at @end. */
static int number(const char *from, const char *end, uint64_t *ret)
{
	char *stop;

	if (from == end || (*from != '-' && (*from < '0' || *from > '9')))
		return -1;
	errno = 0;
	*ret = *from == '-' ? (uint64_t)strtoll(from, &stop, 0) : strtoull(from, &stop, 0);
	return stop == end && !errno ? 0 : -1;
}

/* "N", "N.K", "N+K": a line before this one, and what is behind it. */
static int line_reference(const char *from, const char *end, uint32_t at, char mark, struct value *v)
{
	const char *stop = mark ? memchr(from, mark, (size_t)(end - from)) : NULL;
	uint64_t n;

	v->number = 0;
	if (number(from, stop ?: end, &n) || (stop && number(stop + 1, end, &v->number)))
		return wrong("'%.*s' is no number of a call", (int)(end - from), from);
	if (n >= at)
		return wrong("call %" PRIu64 " does not come before call %u", n, at);
	v->line = (uint8_t)n;
	return 0;
}

static int parse_value(const char *from, const char *end, const struct field *f, uint32_t at, struct value *v)
{
	size_t length;
	uint32_t i;

	v->kind = VALUE_NUMBER;
	switch (*from) {
	case '@':
		v->kind = VALUE_RESULT;
		if (line_reference(from + 1, end, at, '.', v))
			return -1;
		return v->number < 4 ? 0 : wrong("a call has four results at most: .%" PRIu64, v->number);
	case '^':
		v->kind = VALUE_BIT;
		return line_reference(from + 1, end, at, 0, v);
	case '&':
		v->kind = VALUE_POINTER;
		return line_reference(from + 1, end, at, '+', v);
	case '+':
		v->kind = VALUE_TIME;
		if (number(from + 1, end, &v->number))
			return wrong("'%.*s' is no time", (int)(end - from), from);
		return 0;
	}
	if (!number(from, end, &v->number))
		return 0;
	if (*from == '"' && end - from > 1 && end[-1] == '"') {
		from++;
		end--;
	}
	length = (size_t)(end - from);
	for (i = 0; f->words && f->words[i]; i++)
		if (strlen(f->words[i]) == length && !memcmp(f->words[i], from, length)) {
			v->kind = VALUE_WORD;
			v->number = i;
			return 0;
		}
	return wrong("%s: '%.*s' is neither a number nor a word that this member knows", f->name, (int)length, from);
}

/* The end of a word, which may have blanks between quotes. */
static const char *word_end(const char *s, const char *end)
{
	bool quoted = false;

	for (; s < end && (quoted || (*s != ' ' && *s != '\t')); s++)
		quoted ^= *s == '"';
	return s;
}

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
		s++;
	return s;
}

static int parse_fields(const char *s, const char *end, const struct call *c, uint32_t at, struct line *l)
{
	const char *stop, *equals;
	uint32_t i;

	for (s = skip_blanks(s, end); s < end; s = skip_blanks(stop, end)) {
		stop = word_end(s, end);
		equals = memchr(s, '=', (size_t)(stop - s));
		if (!equals || equals + 1 == stop)
			return wrong("'%.*s' is not MEMBER=VALUE", (int)(stop - s), s);
		for (i = 0; i < c->field_count; i++)
			if (strlen(c->field[i].name) == (size_t)(equals - s) && !memcmp(c->field[i].name, s, (size_t)(equals - s)))
				break;
		if (i == c->field_count)
			return wrong("%s has no member '%.*s'", c->name, (int)(equals - s), s);
		if (parse_value(equals + 1, stop, &c->field[i], at, &l->value[i]))
			return -1;
	}
	return 0;
}

static int parse_line(const char *s, const char *end, struct program *p)
{
	const char *stop = word_end(s, end), *slash = memchr(s, '/', (size_t)(stop - s));
	struct line *l = &p->line[p->count];
	struct value maker = { 0 };
	uint64_t n;
	int call;

	if (p->count == PROGRAM_LINES)
		return wrong("more than %d calls", PROGRAM_LINES);
	memset(l, 0, sizeof(*l));
	if (number(s, slash ?: stop, &n))
		return wrong("'%.*s': a line begins with the number of the call", (int)(stop - s), s);
	if (n != p->count)
		return wrong("call %" PRIu64 " where %u is next", n, p->count);
	if (slash) {
		if (line_reference(slash + 1, stop, p->count, 0, &maker))
			return -1;
		if (call_makes(&calls[p->line[maker.line].call], RES_PROCESS) < 0)
			return wrong("call %u makes no process", maker.line);
		l->process = maker.line + 1;
	}
	s = skip_blanks(stop, end);
	stop = word_end(s, end);
	call = call_find(s, (size_t)(stop - s));
	if (call < 0)
		return wrong("no call '%.*s'", (int)(stop - s), s);
	l->call = (uint8_t)call;
	if (parse_fields(stop, end, &calls[call], p->count, l))
		return -1;
	p->count++;
	return 0;
}

int program_parse(const char **text, struct program *p, unsigned int *ret_line, const char **ret_error)
{
	const char *s = *text, *end, *comment;

	p->count = 0;
	while (*s) {
		const char *next = strchrnul(s, '\n');

		comment = memchr(s, '#', (size_t)(next - s));
		end = comment ?: next;
		while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
			end--;
		s = skip_blanks(s, end);
		if (s == end && !comment && p->count)
			break;
		++*ret_line;
		if (s < end && parse_line(s, end, p)) {
			*ret_error = error_text;
			return -1;
		}
		s = *next ? next + 1 : next;
	}
	*text = s;
	return p->count > 0;
}

/* ---- changes */

static void renumber(struct program *p, uint32_t at, uint32_t removed, uint32_t added)
{
	uint32_t i, k;

	for (i = 0; i < p->count; i++) {
		struct line *l = &p->line[i];
		uint32_t process = l->process - 1u;

		if (l->process && process >= at)
			l->process = process < at + removed ? 0 : (uint8_t)(l->process - removed + added);
		for (k = 0; k < calls[l->call].field_count; k++) {
			struct value *v = &l->value[k];

			if (v->kind != VALUE_RESULT && v->kind != VALUE_BIT && v->kind != VALUE_POINTER)
				continue;
			if (v->line < at)
				continue;
			if (v->line < at + removed)
				*v = (struct value){ .kind = VALUE_NUMBER, .number = v->kind == VALUE_POINTER ? 0 : UINT64_MAX };
			else
				v->line = (uint8_t)(v->line - removed + added);
		}
	}
}

void program_remove(struct program *p, uint32_t at, uint32_t count)
{
	memmove(&p->line[at], &p->line[at + count], (p->count - at - count) * sizeof(p->line[0]));
	p->count -= count;
	renumber(p, at, count, 0);
}

void program_make_room(struct program *p, uint32_t at, uint32_t count)
{
	if (p->count + count > PROGRAM_LINES)
		program_remove(p, PROGRAM_LINES - count, p->count + count - PROGRAM_LINES);
	if (at > p->count)
		at = p->count;
	renumber(p, at, 0, count);
	memmove(&p->line[at + count], &p->line[at], (p->count - at) * sizeof(p->line[0]));
	memset(&p->line[at], 0, count * sizeof(p->line[0]));
	p->count += count;
}

/* ---- packed: count; of each line call, process, a mask of the values that are not zero, and those */

size_t program_pack(const struct program *p, uint8_t *to, size_t size)
{
	uint8_t *at = to;
	uint32_t i, k;

	if (size < 1 + p->count * (4 + CALL_FIELDS * 10))
		return 0;
	*at++ = (uint8_t)p->count;
	for (i = 0; i < p->count; i++) {
		const struct line *l = &p->line[i];
		uint16_t mask = 0;
		uint8_t *head = at;

		at += 4;
		for (k = 0; k < calls[l->call].field_count; k++) {
			if (zero(&l->value[k]))
				continue;
			mask |= (uint16_t)(1 << k);
			at[0] = l->value[k].kind;
			at[1] = l->value[k].line;
			memcpy(at + 2, &l->value[k].number, 8);
			at += 10;
		}
		head[0] = l->call;
		head[1] = l->process;
		memcpy(head + 2, &mask, 2);
	}
	return (size_t)(at - to);
}

int program_unpack(struct program *p, const uint8_t *from, size_t size)
{
	const uint8_t *end = from + size;
	uint32_t i, k, count;
	uint16_t mask;

	memset(p, 0, sizeof(*p));
	if (!size || *from > PROGRAM_LINES)
		return -1;
	count = *from++;
	for (i = 0; i < count; i++) {
		struct line *l = &p->line[i];

		if (end - from < 4 || from[0] >= call_count || from[1] > i)
			return -1;
		l->call = from[0];
		l->process = from[1];
		memcpy(&mask, from + 2, 2);
		from += 4;
		for (k = 0; k < CALL_FIELDS; k++) {
			struct value *v = &l->value[k];
			const struct field *f = &calls[l->call].field[k];

			if (!(mask >> k & 1))
				continue;
			if (end - from < 10 || k >= calls[l->call].field_count)
				return -1;
			v->kind = from[0];
			v->line = from[1];
			memcpy(&v->number, from + 2, 8);
			from += 10;
			if (v->kind > VALUE_WORD || (v->kind == VALUE_WORD && !f->words) || v->line >= PROGRAM_LINES)
				return -1;
		}
	}
	p->count = count;
	return 0;
}
