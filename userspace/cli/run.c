// SPDX-License-Identifier: MIT
/* dseek run: tenants on one engine, what they write, and what each got. */
#include "cli.h"
#include "run.h"
#include "run_model.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_SECONDS	15

struct run {
	struct cli_common common;
	const char *model_path, *tenants_file, *prompt, *engine_name, *view_name;
	double seconds;

	struct run_spec spec;
	struct run_model model;
	struct dseek_device *dev;	/* ours: keeps an embedded instance, and its weights, alive */
	struct dseek_engine_info engine;
	const char *device;
	int processes;			/* tenants are processes of their own */

	struct run_start *start;	/* in shared memory */
	struct run_worker *workers[RUN_MAX_TENANTS];
	struct inbox {
		char bytes[2 * sizeof(struct run_event)];
		size_t size;
		int ready, done;
	} inbox[RUN_MAX_TENANTS];
	struct run_report report;
	const struct run_view_ops *view_ops;
	void *view;
	uint64_t begun_ns, seconds_ns, ended_ns;	/* ended: the last stream, with the step it was at */
};

static struct run_start *signal_start;

static void on_signal(int number)
{
	run_start_stop(signal_start);
}

static const struct cli_usage usage = {
	.name = "dseek run",
	.synopsis = "[-m MODEL] [--seconds N] [--tenants FILE]",
	.summary = "Let several tenants generate text on one engine at once, and show what each of them got.",
	.more =
	"Without --tenants three share the engine: gold (class deadline, a token every 50 ms), silver (interactive,\n"
	"weight 2) and bronze (batch, weight 1). Without -m the model is the one that tools/fetch-model puts into\n"
	"${XDG_CACHE_HOME:-~/.cache}/dseek. dseek-run(1) describes FILE and the figures.\n",
};

static int read_options(struct run *run, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &run->model_path, "FILE", "GGUF file" },
		{ "tenants", 't', CLI_STRING, &run->tenants_file, "FILE", "who shares the engine (YAML)" },
		{ "seconds", 's', CLI_DOUBLE, &run->seconds, "N", "how long (15)" },
		{ "prompt", 'p', CLI_STRING, &run->prompt, "TEXT", "in place of every tenant's own" },
		{ "engine", 'e', CLI_STRING, &run->engine_name, "NAME", "which engine; default: the first attached" },
		{ "view", 0, CLI_STRING, &run->view_name, "HOW", "panes, lines or none; default: panes on a terminal" },
		CLI_OPTION_DEVICE(&run->common),
		CLI_OPTION_JSON(&run->common),
		CLI_OPTION_QUIET(&run->common),
		CLI_OPTIONS_END,
	};
	uint32_t i;

	run->seconds = -1;
	cli_parse(&usage, options, argc, argv);
	if (run->common.quiet)
		cli_log_limit(CLI_ERROR);
	if (run->view_name && strcmp(run->view_name, "panes") && strcmp(run->view_name, "lines") && strcmp(run->view_name, "none"))
		return cli_usage_error(&usage, "--view: '%s' is not panes, lines or none", run->view_name);
	if (run->seconds != -1 && !(run->seconds >= 0.1 && run->seconds <= 86400))
		return cli_usage_error(&usage, "--seconds must be from 0.1 to 86400");
	if (run->prompt && !*run->prompt)
		return cli_usage_error(&usage, "--prompt is empty");
	if (run->tenants_file ? run_spec_read(run->tenants_file, &run->spec, stderr) : run_spec_default(&run->spec))
		return CLI_FAILED;
	if (run->seconds == -1)
		run->seconds = run->spec.seconds ?: DEFAULT_SECONDS;
	for (i = 0; run->prompt && i < run->spec.n; i++) {
		struct run_tenant_spec *t = &run->spec.tenants[i];

		free(t->prompt);
		t->prompt = strdup(run->prompt);
		t->spin_us = 0;
	}
	return 0;
}

/* Which transport it is decides whether tenants are threads or processes. */
static int open_device(struct run *run)
{
	const struct dseek_open_params embedded = { .tenant = "dseek-run" };
	const char *spec = run->common.device;
	int r;

	r = dseek_open(spec, strncmp(spec, "drm:", 4) ? &embedded : NULL, &run->dev);
	if (r == -EINVAL && !strcmp(spec, "auto"))	/* it is drm, which takes no name */
		r = dseek_open(spec, NULL, &run->dev);
	if (r) {
		cli_log(CLI_ERROR, "device '%s': %s", spec, dseek_strerror_detail());
		return r;
	}
	run->processes = !strcmp(dseek_transport(run->dev), "drm");
	run->device = strcmp(spec, "auto") ? spec : run->processes ? "drm:" : "embed:";
	r = dseek_engine_find(run->dev, run->engine_name, &run->engine);
	if (r) {
		cli_log(CLI_ERROR, "engine '%s': %s", run->engine_name ?: "(first)", dseek_strerror_detail());
		return r;
	}
	cli_log(CLI_INFO, run->processes ? "using the kernel module: engine %s, tenants are processes of their own" :
		"no kernel module in use: engine %s is embedded, tenants are threads of this process", run->engine.name);
	return 0;
}

static int needs_model(const struct run *run)
{
	uint32_t i, n = 0;

	for (i = 0; i < run->spec.n; i++)
		n += !run->spec.tenants[i].spin_us;
	return n;
}

static int start_workers(struct run *run)
{
	uint32_t i;
	int r;

	for (i = 0; i < run->spec.n; i++) {
		const struct run_worker_params params = {
			.spec = &run->spec.tenants[i], .device = run->device, .engine = run->engine.name,
			.model_path = run->model.path, .model = run->model.model, .process = run->processes, .start = run->start,
		};

		r = run_worker_create(&params, &run->workers[i]);
		if (r) {
			cli_log(CLI_ERROR, "tenant %s can't be started: %s", run->spec.tenants[i].name, strerror(-r));
			return r;
		}
	}
	return 0;
}

static int take_event(struct run *run, uint32_t tenant, const struct run_event *event)
{
	struct run_result *result = &run->report.tenants[tenant];

	if (event->type == RUN_EVENT_STATS && event->time_ns > run->ended_ns)
		run->ended_ns = event->time_ns;
	if (event->type == RUN_EVENT_READY)
		run->inbox[tenant].ready = 1;
	if (event->type == RUN_EVENT_TOKEN && !run->report.first_token_seconds)
		run->report.first_token_seconds = (event->time_ns - run->begun_ns) / 1e9;
	run->view_ops->event(run->view, tenant, event);
	return run_result_add(result, event, run->start);
}

/* Events have a length; a read may bring some and a part of one. */
static int take_bytes(struct run *run, uint32_t tenant)
{
	struct inbox *in = &run->inbox[tenant];
	const size_t head = offsetof(struct run_event, text);
	struct run_event event;
	ssize_t n;
	int r;

	n = read(run_worker_fd(run->workers[tenant]), in->bytes + in->size, sizeof(in->bytes) - in->size);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n) {
		in->done = 1;
		return 0;
	}
	in->size += n;
	while (in->size >= head) {
		memcpy(&event, in->bytes, head);
		if (event.size > RUN_EVENT_TEXT)
			return -EPROTO;
		if (in->size < head + event.size)
			break;
		memcpy(event.text, in->bytes + head, event.size);
		in->size -= head + event.size;
		memmove(in->bytes, in->bytes + head + event.size, in->size);
		r = take_event(run, tenant, &event);
		if (r)
			return r;
	}
	return 0;
}

static int count(const struct run *run, int ready)
{
	uint32_t i, n = 0;

	for (i = 0; i < run->spec.n; i++)
		n += ready ? run->inbox[i].ready : run->inbox[i].done;
	return n;
}

/* Until every tenant has closed its pipe. One that fails before the start takes the others with it. */
static int loop(struct run *run)
{
	struct pollfd fds[RUN_MAX_TENANTS];
	uint64_t shown = 0;
	uint32_t i;
	int r;

	while (count(run, 0) < (int)run->spec.n) {
		for (i = 0; i < run->spec.n; i++)
			fds[i] = (struct pollfd){ run->inbox[i].done ? -1 : run_worker_fd(run->workers[i]), POLLIN, 0 };
		if (poll(fds, run->spec.n, 50) < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < run->spec.n; i++) {
			r = fds[i].revents ? take_bytes(run, i) : 0;
			if (r)
				return r;
		}
		if (!run->start->go && count(run, 1) == (int)run->spec.n)
			run_start_go(run->start, run->seconds_ns);
		if (!run->start->go && count(run, 0))
			run_start_stop(run->start);
		if (cli_now_ns() - shown > 50000000) {
			shown = cli_now_ns();
			run->view_ops->tick(run->view, run->start->start_ns ? (shown - run->start->start_ns) / 1e9 : 0);
		}
	}
	return 0;
}

static int choose_view(struct run *run)
{
	const char *name = run->view_name;

	if (!name)
		name = run->common.json || run->common.quiet ? "none" : isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) ? "panes" : "lines";
	run->view_ops = !strcmp(name, "none") ? &run_view_none : !strcmp(name, "lines") ? &run_view_lines : &run_view_panes;
	if (run->view_ops == &run_view_panes && run->view_ops->open(&run->spec, &run->view) == -ENOTSUP) {
		if (run->view_name)
			cli_log(CLI_WARN, "this terminal can't show panes (%s, %u tenants); showing lines", getenv("TERM") ?: "no TERM",
				run->spec.n);
		run->view_ops = &run_view_lines;
	}
	return run->view ? 0 : run->view_ops->open(&run->spec, &run->view);
}

static void end_workers(struct run *run)
{
	uint32_t i;
	int number;

	run_start_stop(run->start);
	for (i = 0; i < run->spec.n; i++) {
		struct run_result *result = &run->report.tenants[i];

		if (!run->workers[i])
			continue;
		/* a thread may be waiting for someone to read what it tells */
		while (!run->inbox[i].done)
			if (take_bytes(run, i))
				break;
		number = run_worker_destroy(run->workers[i]);
		if (number) {
			result->failed = 1;
			snprintf(result->error, sizeof(result->error), "ended by signal %d", number);
		}
	}
}

static int work(struct run *run)
{
	int r;

	r = choose_view(run);
	if (r)
		return r;
	r = start_workers(run);
	if (!r)
		r = loop(run);
	end_workers(run);
	run->view_ops->close(run->view);
	if (r) {
		cli_log(CLI_ERROR, "the tenants can't be followed: %s", strerror(-r));
		return r;
	}
	run->report.seconds = run->start->start_ns ? (run->ended_ns - run->start->start_ns) / 1e9 : 0;
	run->report.start_seconds = run->start->start_ns ? (run->start->start_ns - run->begun_ns) / 1e9 : 0;
	return 0;
}

static int report(struct run *run)
{
	struct run_report *rep = &run->report;
	int failed = 0, r = 0;
	uint32_t i;

	for (i = 0; i < rep->n; i++) {
		rep->busy_ns += rep->tenants[i].stats.queue.engine_ns;
		if (rep->tenants[i].failed) {
			cli_log(CLI_ERROR, "tenant %s: %s", run->spec.tenants[i].name, rep->tenants[i].error);
			failed = 1;
		}
	}
	if (!run->start->start_ns) {
		if (!failed)
			cli_log(CLI_ERROR, "ended before the start");
		return CLI_FAILED;
	}
	if (run->common.json)
		r = run_report_json(rep, stdout);
	else
		run_report_table(rep, stdout);
	return failed || r ? CLI_FAILED : CLI_OK;
}

static int run_all(struct run *run)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint32_t i;
	int rc = CLI_FAILED;

	if (open_device(run))
		return CLI_FAILED;
	if (needs_model(run) && run_model_load(&run->model, run->model_path, run->processes ? NULL : run->dev, run->common.quiet))
		return CLI_FAILED;
	run->seconds_ns = run->seconds * 1e9;
	run->report.transport = dseek_transport(run->dev);
	run->report.engine = run->engine.name;
	run->report.model = run->model.path;
	run->report.n = run->spec.n;
	for (i = 0; i < run->spec.n; i++)
		run->report.tenants[i].spec = &run->spec.tenants[i];
	signal_start = run->start;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!work(run))
		rc = report(run);
	for (i = 0; i < run->spec.n; i++)
		free(run->report.tenants[i].gaps);
	return rc;
}

int cmd_run(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	int rc;

	if (!run)
		return CLI_FAILED;
	run->common = (struct cli_common)CLI_COMMON_DEFAULTS;
	run->begun_ns = cli_now_ns();
	rc = read_options(run, argc, argv);
	if (rc)
		goto out;
	rc = CLI_FAILED;
	run->start = mmap(NULL, sizeof(*run->start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->start == MAP_FAILED) {
		cli_log(CLI_ERROR, "no shared memory: %s", strerror(errno));
		goto out;
	}
	rc = run_all(run);
	run_model_close(&run->model);
	dseek_close(run->dev);
	munmap(run->start, sizeof(*run->start));
out:
	run_spec_clear(&run->spec);
	free(run);
	return rc;
}
