// SPDX-License-Identifier: MIT
/* Events of `dseek run` as a pane a tenant, side by side, by ncurses: it knows terminals, their sizes and wide characters. */
#include "run.h"

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

struct panes {
	const struct run_spec *spec;
	uint64_t tokens[RUN_MAX_TENANTS];
	char state[RUN_MAX_TENANTS][32];
	SCREEN *screen;
	WINDOW *text[RUN_MAX_TENANTS];
	WINDOW *head[RUN_MAX_TENANTS];
	int rows, columns;
};

static int layout(struct panes *v)
{
	int n = v->spec->n, i;

	getmaxyx(stdscr, v->rows, v->columns);
	if (v->rows < 4 || v->columns < 12 * n)
		return -ENOTSUP;
	clear();
	for (i = 0; i < n; i++) {
		int left = v->columns * i / n, right = v->columns * (i + 1) / n - (i + 1 < n);

		if (v->text[i])
			delwin(v->text[i]);
		if (v->head[i])
			delwin(v->head[i]);
		v->head[i] = newwin(2, right - left, 0, left);
		v->text[i] = newwin(v->rows - 3, right - left, 2, left);
		if (!v->head[i] || !v->text[i])
			return -ENOMEM;
		scrollok(v->text[i], TRUE);
		if (i)
			mvvline(0, left - 1, ACS_VLINE, v->rows - 1);
	}
	refresh();
	return 0;
}

static void panes_close(void *view)
{
	struct panes *v = view;
	uint32_t i;

	for (i = 0; i < v->spec->n; i++) {
		if (v->text[i])
			delwin(v->text[i]);
		if (v->head[i])
			delwin(v->head[i]);
	}
	endwin();
	delscreen(v->screen);
	free(v);
}

static int panes_open(const struct run_spec *spec, void **ret_view)
{
	struct panes *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->spec = spec;
	/* models write UTF-8, whatever a minimal system's locale says */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		setlocale(LC_CTYPE, "C.UTF-8");
	v->screen = newterm(NULL, stdout, stdin);
	if (!v->screen) {
		free(v);
		return -ENOTSUP;
	}
	cbreak();
	noecho();
	curs_set(0);
	nodelay(stdscr, TRUE);
	if (layout(v)) {
		panes_close(v);
		return -ENOTSUP;
	}
	*ret_view = v;
	return 0;
}

static void panes_event(void *view, uint32_t tenant, const struct run_event *event)
{
	struct panes *v = view;
	uint32_t i;

	switch (event->type) {
	case RUN_EVENT_TOKEN:
		v->tokens[tenant]++;
		/* several texts in one pane would mix: the first is shown */
		for (i = 0; event->stream == 0 && i < event->size; i++)
			if ((unsigned char)event->text[i] >= ' ' || event->text[i] == '\n')
				waddnstr(v->text[tenant], &event->text[i], 1);
		break;
	case RUN_EVENT_END:
		if (event->stream == 0)
			waddstr(v->text[tenant], "\n--\n");
		break;
	case RUN_EVENT_STATE:
		snprintf(v->state[tenant], sizeof(v->state[0]), "%.*s", (int)event->size, event->text);
		break;
	case RUN_EVENT_READY:
		snprintf(v->state[tenant], sizeof(v->state[0]), "ready");
		break;
	default:
		break;
	}
}

static void panes_tick(void *view, double seconds)
{
	struct panes *v = view;
	uint32_t i;

	if (getch() == KEY_RESIZE || is_term_resized(v->rows, v->columns))
		if (layout(v))
			return;
	for (i = 0; i < v->spec->n; i++) {
		const struct run_tenant_spec *t = &v->spec->tenants[i];

		werase(v->head[i]);
		wattron(v->head[i], A_BOLD);
		mvwaddnstr(v->head[i], 0, 0, t->name, getmaxx(v->head[i]));
		wattroff(v->head[i], A_BOLD);
		if (t->period_ns)
			wprintw(v->head[i], " %s %g ms", run_class_name(t->sched_class), t->period_ns / 1e6);
		else
			wprintw(v->head[i], " %s %u", run_class_name(t->sched_class), t->weight);
		if (seconds > 0 && v->tokens[i])
			mvwprintw(v->head[i], 1, 0, "%llu tokens, %.1f/s", (unsigned long long)v->tokens[i],
				  v->tokens[i] / seconds);
		else
			mvwprintw(v->head[i], 1, 0, "%s", v->state[i]);
		wnoutrefresh(v->head[i]);
		wnoutrefresh(v->text[i]);
	}
	mvprintw(v->rows - 1, 0, "%.1f s   Ctrl-C ends", seconds);
	wnoutrefresh(stdscr);
	doupdate();
}

const struct run_view_ops run_view_panes = { panes_open, panes_event, panes_tick, panes_close };
