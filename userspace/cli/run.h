/* SPDX-License-Identifier: MIT */
/*
 * `dseek run`, `dseek bench shares`: several tenants at work on one engine, or several, at once.
 *
 *   cmd_run.c     the command and its options; bench_shares.c is another that runs tenants
 *   run.c         a run: start, loop, end
 *   run_spec.c    who the tenants are: built in, or a YAML file
 *   run_worker.c  one tenant: a thread (embed) or a process (drm) with a device of its own; tells what it
 *                 does in events through a pipe, the same for both
 *   run_text.c    what a stream of a tenant does: text from a model; run_spin.c: keep the engine busy
 *   run_view.c    shows events as prefixed lines; run_panes.c as panes of a terminal
 *   run_report.c  the table and the JSON at the end
 */
#ifndef DSEEK_CLI_RUN_H
#define DSEEK_CLI_RUN_H

#include "cli.h"

#include <dseek.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RUN_MAX_TENANTS		16
#define RUN_MAX_STREAMS		16

/* ---- who the tenants are */

struct run_tenant_spec {
	char name[32];
	uint32_t sched_class;		/* enum dseek_class */
	uint32_t weight;		/* interactive, batch */
	uint64_t period_ns;		/* deadline: a token (or spin) each; else 0 */
	uint64_t budget_ns;		/* deadline; 0: from the measured time of a step */
	uint32_t streams;		/* texts at once, each with a queue of its own */
	uint64_t tokens;		/* a text ends after so many; 0: when the time is over */
	uint64_t spin_us;		/* not 0: no text, jobs that keep the engine busy so long */
	char *prompt;
	char *user;			/* drm: run as; NULL: as the caller */
	char *engines;			/* names, "cpu0,cpu1": which may run its jobs; NULL: that of the run */
};

struct run_spec {
	double seconds;			/* 0: not said */
	uint32_t n;
	struct run_tenant_spec tenants[RUN_MAX_TENANTS];
};

int run_spec_default(struct run_spec *spec);	/* gold, silver, bronze */
/* 0, or -errno after naming each mistake as "FILE:LINE: sentence" on @errors. */
int run_spec_read(const char *path, struct run_spec *ret_spec, FILE *errors);
void run_spec_clear(struct run_spec *spec);
const char *run_class_name(uint32_t sched_class);

/* ---- what tenants tell */

enum run_event_type {
	RUN_EVENT_STATE,	/* text: what it is doing now */
	RUN_EVENT_READY,	/* loaded and measured; waits for the start */
	RUN_EVENT_TOKEN,	/* text: of one token of stream @stream, or empty */
	RUN_EVENT_END,		/* a text is complete; another begins */
	RUN_EVENT_STATS,	/* text: struct run_stats of stream @stream, from start to end */
	RUN_EVENT_ERROR,	/* text: one sentence */
	RUN_EVENT_DONE,
};

#define RUN_EVENT_TEXT	400	/* an event is below PIPE_BUF, so that a write is whole */

struct run_event {
	uint32_t type;
	uint32_t stream;
	uint64_t time_ns;
	uint32_t size;		/* of text */
	char text[RUN_EVENT_TEXT];
};

struct run_stats {
	struct dseek_queue_stats queue;	/* since the start */
	uint64_t refused;		/* deadline: steps not admitted, which then ran without a deadline */
	uint64_t late;			/* deadline: steps that ended after the period they belong to */
	uint64_t budget_ns, period_ns;	/* deadline: as used */
	uint64_t step_ns;		/* measured before the start */
};

/* ---- what a stream does */

struct dsk_model;

struct run_work_params {
	struct dseek_device *dev;
	const struct dseek_engine_info *engine;
	uint64_t engines;	/* several: a set as in struct dseek_queue_params; else 0 */
	const struct run_tenant_spec *spec;
	const char *model_path;
	struct dsk_model *model;	/* loaded, shared by all tenants of this process; NULL: load it */
};

struct run_work_ops {
	/* Once a tenant, before its streams; @params outlives the work. -errno and one sentence in @err. */
	int (*open)(const struct run_work_params *params, void **ret_work, char *err, size_t err_size);
	void (*close)(void *work);
	/* Engine time of one step without waiting, by running some on a queue for the purpose. */
	int (*measure)(void *work, uint64_t *ret_step_ns, char *err, size_t err_size);
	int (*stream_open)(void *work, const struct dseek_queue_params *queue, uint32_t index, void **ret_stream,
			   char *err, size_t err_size);
	void (*stream_close)(void *stream);
	int (*stream_stats)(void *stream, struct dseek_queue_stats *ret_stats);
	/*
	 * One step, due at @due_ns (0: no deadline). 0 and its text in @text (NUL-terminated, may be ""); 1: the text is
	 * complete, another begins; -ETIME: not admitted, nothing done; else -errno and a sentence.
	 */
	int (*step)(void *stream, uint64_t due_ns, char *text, size_t text_size, char *err, size_t err_size);
};

extern const struct run_work_ops run_work_spin, run_work_text;

/* ---- one tenant */

struct run_worker;

struct run_start {		/* shared by all workers, in shared memory */
	uint64_t start_ns;	/* 0: not yet; set once, woken by run_start_go() */
	uint64_t end_ns;
	uint32_t go;		/* futex */
	uint32_t stop;		/* not 0: end now */
};

struct run_worker_params {
	const struct run_tenant_spec *spec;
	const char *device;	/* for dseek_open() */
	const char *engine;	/* name, or NULL: the first */
	const char *model_path;
	struct dsk_model *model;	/* loaded; NULL: the tenant loads it for itself */
	int process;		/* a process of its own, under spec->user */
	struct run_start *start;
};

int run_worker_create(const struct run_worker_params *params, struct run_worker **ret_worker);
int run_worker_fd(const struct run_worker *worker);	/* events come here; end of file: it has ended */
/* After end of file. The number of the signal that ended a process, or 0. */
int run_worker_destroy(struct run_worker *worker);
void run_start_go(struct run_start *start, uint64_t seconds_ns);
void run_start_stop(struct run_start *start);

/* ---- figures */

struct run_result {
	const struct run_tenant_spec *spec;
	uint64_t tokens, texts;
	uint64_t first_ns;		/* of the first token, after the start; 0: none */
	uint64_t *gaps;			/* between tokens of a stream, ns */
	size_t n_gaps, cap_gaps;
	uint64_t last_ns[RUN_MAX_STREAMS];
	struct run_stats stats;		/* all streams */
	uint32_t streams_done;
	int failed;
	char error[RUN_EVENT_TEXT];
};

struct run_report {
	const char *transport, *engine, *model;	/* engine: names of all, separated by commas */
	double seconds, start_seconds, first_token_seconds; /* of the run; from the call to the start; to the first token */
	uint64_t busy_ns;		/* engine time of all tenants */
	uint32_t n;
	struct run_result tenants[RUN_MAX_TENANTS];
};

int run_result_add(struct run_result *result, const struct run_event *event, const struct run_start *start);	/* -ENOMEM */
void run_report_table(const struct run_report *report, FILE *to);
int run_report_json(const struct run_report *report, FILE *to);

/* ---- a run */

struct run_params {
	struct cli_common common;
	const struct run_spec *spec;
	const char *engine;		/* NULL: the first attached */
	const char *model_path;		/* NULL: where tools/fetch-model puts it */
	const char *view;		/* panes, lines or none; NULL: as the terminal has it */
	double seconds;
};

typedef int run_tell_fn(const struct run_report *report, const struct run_params *params);	/* 0 or -errno */

/* Says on stderr what went wrong; else @tell prints the figures. Returns an exit status. */
int run_tenants(const struct run_params *params, run_tell_fn *tell);

/* ---- on the screen */

struct run_view_ops {
	int (*open)(const struct run_spec *spec, void **ret_view);
	void (*event)(void *view, uint32_t tenant, const struct run_event *event);
	void (*tick)(void *view, double seconds);	/* about ten times a second */
	void (*close)(void *view);
};

extern const struct run_view_ops run_view_lines, run_view_panes, run_view_none;

#endif /* DSEEK_CLI_RUN_H */
