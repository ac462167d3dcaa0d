// SPDX-License-Identifier: MIT
/* The terminal: a sample, the rates since the last, keys. */
#include "top.h"

#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include "../cli/cli.h"

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int signal)
{
	asked_to_stop = signal;
}

struct screen {
	int y, skip;	/* lines scrolled away */
};

static void draw(void *arg, const char *text, bool heading)
{
	struct screen *s = arg;

	if (s->skip > 0) {
		s->skip--;
		return;
	}
	if (s->y >= LINES - 1)
		return;
	if (heading)
		attron(A_REVERSE);
	mvaddnstr(s->y, 0, text, COLS);
	if (heading) {
		hline(' ', COLS);
		attroff(A_REVERSE);
	}
	s->y++;
}

static void show(const struct top_rates *rates, enum top_sort sort, bool reverse, int scroll)
{
	struct screen s = { .skip = scroll };
	const struct top_lines to = { draw, &s };

	erase();
	top_print(rates, &to);
	attron(A_BOLD);
	mvprintw(LINES - 1, 0, "%.1f s, by %s%s   q quit  < > column  r reverse  up down scroll", rates->seconds,
		 top_sort_names[sort], reverse ? ", reversed" : "");
	attroff(A_BOLD);
	refresh();
}

/* True: go on. */
static bool key(int c, enum top_sort *sort, bool *reverse, int *scroll)
{
	switch (c) {
	case 'q':
		return false;
	case '>': case KEY_RIGHT: case '\t':
		*sort = (*sort + 1) % TOP_SORT_COUNT;
		break;
	case '<': case KEY_LEFT:
		*sort = (*sort + TOP_SORT_COUNT - 1) % TOP_SORT_COUNT;
		break;
	case 'r':
		*reverse = !*reverse;
		break;
	case KEY_DOWN: case 'j':
		++*scroll;
		break;
	case KEY_UP: case 'k':
		*scroll -= *scroll > 0;
		break;
	}
	return true;
}

int top_screen(struct top_source *source, uint64_t delay_ms, enum top_sort sort, bool reverse)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct top_sample before, now;
	struct top_rates rates = { 0 };
	int scroll = 0, r, c;
	bool on = true;
	uint64_t due;

	r = top_sample(source, &before);
	if (r) {
		cli_log(CLI_ERROR, "%s", strerror(-r));
		return CLI_FAILED;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	setlocale(LC_ALL, "");
	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	due = cli_now_ns();	/* at once, over a short time; then at each delay */
	timeout(200);
	getch();
	while (on && !asked_to_stop && !r) {
		r = top_sample(source, &now);
		if (r)
			break;
		top_rates_free(&rates);
		r = top_rates(&before, &now, &rates);
		due = cli_now_ns() + delay_ms * 1000000;
		while (!r && on && !asked_to_stop) {
			uint64_t left = due > cli_now_ns() ? (due - cli_now_ns()) / 1000000 : 0;

			top_rates_sort(&rates, sort, reverse);
			show(&rates, sort, reverse, scroll);
			if (!left)
				break;
			timeout(left > 1000 ? 1000 : (int)left);	/* a signal is seen within that */
			c = getch();
			if (c != ERR)
				on = key(c, &sort, &reverse, &scroll);
		}
		/* @rates points to the engines in @now, which stay until the next sample. */
		top_sample_free(&before);
		before = now;
	}
	endwin();
	top_rates_free(&rates);
	top_sample_free(&before);
	if (r)
		cli_log(CLI_ERROR, "%s", strerror(-r));
	return r ? CLI_FAILED : CLI_OK;
}
