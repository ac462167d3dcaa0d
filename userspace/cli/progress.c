// SPDX-License-Identifier: MIT
/* Progress of something long: a bar on a terminal, else a line for each quarter. */
#include "cli.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define BAR 32

uint64_t cli_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void draw(struct cli_progress *p, uint64_t done)
{
	int percent = p->total ? (int)(100.0 * done / p->total) : 0;
	int filled = percent * BAR / 100, i;
	char bar[BAR + 1];

	for (i = 0; i < BAR; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR] = '\0';
	if (p->total)
		fprintf(stderr, "\r%s [%s] %3d %%", p->label, bar, percent);
	else
		fprintf(stderr, "\r%s %.1f MB", p->label, done / 1e6);
}

void cli_progress_start(struct cli_progress *p, const char *label, uint64_t total, int quiet)
{
	*p = (struct cli_progress){ .label = label, .total = total, .start_ns = cli_now_ns(), .quiet = quiet,
				    .tty = isatty(STDERR_FILENO) };
	if (!quiet && p->tty)
		draw(p, 0);
}

void cli_progress_update(struct cli_progress *p, uint64_t done)
{
	uint64_t now = cli_now_ns();
	int percent;

	if (p->quiet)
		return;
	if (p->tty) {
		if (now - p->shown_ns < 50000000)
			return;
		p->shown_ns = now;
		draw(p, done);
		return;
	}
	percent = p->total ? (int)(100.0 * done / p->total) : 0;
	/* something fast needs no lines between its start and its end */
	if (percent / 25 > p->shown_percent / 25 && percent < 100 && now - p->start_ns > 2000000000) {
		fprintf(stderr, "%s %d %%\n", p->label, percent);
		p->shown_percent = percent;
	}
}

void cli_progress_end(struct cli_progress *p, uint64_t done)
{
	double seconds = (cli_now_ns() - p->start_ns) / 1e9;

	if (p->quiet)
		return;
	if (p->tty)
		draw(p, done);
	if (p->tty)
		fprintf(stderr, "  %.1f s\n", seconds);
	else
		fprintf(stderr, "%s: %.1f s\n", p->label, seconds);
}
