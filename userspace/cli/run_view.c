// SPDX-License-Identifier: MIT
/* Events of `dseek run` as lines "tenant| text", and as nothing. A line is shown when it is full, or its text complete. */
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 88

struct lines {
	const struct run_spec *spec;
	int width;		/* of names */
	struct line {
		char text[COLUMNS + RUN_EVENT_TEXT];
		size_t size;
	} lines[RUN_MAX_TENANTS][RUN_MAX_STREAMS];
};

static int lines_open(const struct run_spec *spec, void **ret_view)
{
	struct lines *v = calloc(1, sizeof(*v));
	uint32_t i;

	if (!v)
		return -ENOMEM;
	v->spec = spec;
	for (i = 0; i < spec->n; i++)
		if ((int)strlen(spec->tenants[i].name) > v->width)
			v->width = strlen(spec->tenants[i].name);
	*ret_view = v;
	return 0;
}

static void print_line(const struct lines *v, uint32_t tenant, const char *text, size_t size)
{
	printf("%-*s| %.*s\n", v->width, v->spec->tenants[tenant].name, (int)size, text);
	fflush(stdout);
}

static void cut(struct lines *v, uint32_t tenant, struct line *line, size_t at)
{
	size_t next = at;

	print_line(v, tenant, line->text, at);
	while (next < line->size && line->text[next] == ' ')
		next++;
	line->size -= next;
	memmove(line->text, line->text + next, line->size);
}

/* At the last blank that fits, or in a word that is longer than a line, never inside a UTF-8 character. */
static size_t where_to_cut(const struct line *line)
{
	size_t at = COLUMNS;

	while (at && line->text[at] != ' ')
		at--;
	if (at)
		return at;
	for (at = COLUMNS; (line->text[at] & 0xc0) == 0x80; at--)
		;
	return at;
}

static void flush(struct lines *v, uint32_t tenant, struct line *line)
{
	while (line->size > COLUMNS)
		cut(v, tenant, line, where_to_cut(line));
	if (line->size)
		print_line(v, tenant, line->text, line->size);
	line->size = 0;
}

static void add(struct lines *v, uint32_t tenant, struct line *line, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (text[i] == '\n') {
			flush(v, tenant, line);
			continue;
		}
		/* what a model writes must not reach the terminal as control sequences */
		line->text[line->size++] = iscntrl((unsigned char)text[i]) ? ' ' : text[i];
		if (line->size > COLUMNS + 4)
			cut(v, tenant, line, where_to_cut(line));
	}
}

static void lines_event(void *view, uint32_t tenant, const struct run_event *event)
{
	struct lines *v = view;
	struct line *line = &v->lines[tenant][event->stream % RUN_MAX_STREAMS];

	switch (event->type) {
	case RUN_EVENT_TOKEN:
		add(v, tenant, line, event->text, event->size);
		break;
	case RUN_EVENT_END:
	case RUN_EVENT_STATS:
		flush(v, tenant, line);
		break;
	default:
		break;
	}
}

static void lines_tick(void *view, double seconds)
{
}

static void lines_close(void *view)
{
	struct lines *v = view;
	uint32_t i, j;

	for (i = 0; i < v->spec->n; i++)
		for (j = 0; j < RUN_MAX_STREAMS; j++)
			flush(v, i, &v->lines[i][j]);
	free(v);
}

static int none_open(const struct run_spec *spec, void **ret_view)
{
	*ret_view = NULL;
	return 0;
}

static void none_event(void *view, uint32_t tenant, const struct run_event *event)
{
}

static void none_close(void *view)
{
}

const struct run_view_ops run_view_lines = { lines_open, lines_event, lines_tick, lines_close };
const struct run_view_ops run_view_none = { none_open, none_event, lines_tick, none_close };
