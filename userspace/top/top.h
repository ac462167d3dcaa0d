/* SPDX-License-Identifier: MIT */
/*
 * dseek-top: what is sampled (sample.c), what became of it between two samples (rates.c), and how it is shown: as text or
 * JSON (print.c), or on a terminal (screen.c).
 *
 * Clients are open files of the module's render node, out of their fdinfo (kmod/README.md); so one sees those whose
 * /proc entries one may read: root all, others their own. Engines come from sysfs, or, where the module has none
 * there, from the library's query.
 */
#ifndef DSEEK_TOP_H
#define DSEEK_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define TOP_ENGINES	64
#define TOP_NAME	32

struct top_engine {
	char name[TOP_NAME], state[16];
	bool known;		/* more than its name: what follows counts */
	uint64_t busy_ns, longest_op_ns, generation;
	uint32_t depth, queued, running;
};

struct top_client {
	pid_t pid;
	uint64_t id;
	char comm[32], tenant[64];
	uint64_t engine_ns;				/* all engines */
	uint64_t tenant_used_ns, tenant_entitled_ns;	/* of its tenant, all engines */
	uint64_t total, resident, purgeable;		/* bytes */
	uint64_t queues, jobs;
};

struct top_sample {
	uint64_t ns;		/* CLOCK_MONOTONIC */
	struct top_engine engines[TOP_ENGINES];
	uint32_t engine_count;
	struct top_client *clients;
	size_t client_count, client_room;
	uint32_t unreadable;	/* processes with files that we may not look at */
};

struct top_source {
	const char *root;	/* "" or a folder with proc and sys in it, for tests */
	struct dseek_device *dev;	/* NULL: sysfs has the engines */
};

/* 0, or -ENODEV: there is no module (or none that we may see). */
int top_source_open(struct top_source *source, const char *root);
void top_source_close(struct top_source *source);
int top_sample(struct top_source *source, struct top_sample *ret_sample);	/* 0 or -ENOMEM */
void top_sample_free(struct top_sample *sample);

/* ---- between two samples. Shares: 1.0 is one engine's time. */

struct top_engine_rate {
	const struct top_engine *engine;
	double busy;
};

struct top_row {		/* a client, or a tenant: the sum of its clients */
	char name[64], comm[32];	/* the tenant's, the process' */
	pid_t pid;		/* clients */
	uint64_t id;
	double share, entitled;	/* entitled: tenants */
	uint64_t memory, purgeable, queues, jobs;
	uint32_t clients;	/* tenants */
};

struct top_rates {
	double seconds;
	struct top_engine_rate engines[TOP_ENGINES];
	uint32_t engine_count;
	struct top_row *tenants, *clients;
	size_t tenant_count, client_count;
	uint32_t unreadable;
};

enum top_sort { TOP_SORT_SHARE, TOP_SORT_NAME, TOP_SORT_MEMORY, TOP_SORT_QUEUES, TOP_SORT_JOBS, TOP_SORT_PID, TOP_SORT_COUNT };
extern const char *const top_sort_names[TOP_SORT_COUNT];

int top_rates(const struct top_sample *before, const struct top_sample *now, struct top_rates *ret_rates);	/* 0 or -ENOMEM */
void top_rates_sort(struct top_rates *rates, enum top_sort by, bool reverse);
void top_rates_free(struct top_rates *rates);

/* ---- showing */

struct top_lines {
	void (*line)(void *arg, const char *text, bool heading);
	void *arg;
};

void top_print(const struct top_rates *rates, const struct top_lines *to);
void top_print_json(const struct top_rates *rates, FILE *to);	/* one line */
/* Until q is pressed; needs a terminal. An exit status. */
int top_screen(struct top_source *source, uint64_t delay_ms, enum top_sort sort, bool reverse);

#endif /* DSEEK_TOP_H */
