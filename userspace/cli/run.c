// SPDX-License-Identifier: MIT
/* A run: the tenants on one engine, from the start to the figures. */
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

struct run {
	const struct run_params *params;
	const struct run_spec *spec;
	struct run_model model;
	struct dseek_device *dev;	/* ours: keeps an embedded instance, and its weights, alive */
	struct dseek_engine_info engine;
	char engines[512];		/* the names of all that are used */
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
	uint64_t begun_ns, ended_ns;	/* ended: the last stream, with the step it was at */
};

static struct run_start *signal_start;

static void on_signal(int number)
{
	run_start_stop(signal_start);
}

/* Which transport it is decides whether tenants are threads or processes. */
static int open_device(struct run *run)
{
	const struct dseek_open_params embedded = { .tenant = "dseek-run" };
	const char *spec = run->params->common.device;
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
	r = dseek_engine_find(run->dev, run->params->engine, &run->engine);
	if (r) {
		cli_log(CLI_ERROR, "engine '%s': %s", run->params->engine ?: "(first)", dseek_strerror_detail());
		return r;
	}
	cli_log(CLI_INFO, run->processes ? "using the kernel module: engine %s, tenants are processes of their own" :
		"no kernel module in use: engine %s is embedded, tenants are threads of this process", run->engine.name);
	return 0;
}

static int in_list(const char *list, const char *name, size_t size)
{
	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == size && !strncmp(list, name, size))
			return 1;
	return 0;
}

/* Those that tenants name, and that of the run where one names none. */
static void list_engines(struct run *run)
{
	const char *name;
	uint32_t i;
	size_t n, used = 0;

	for (i = 0; i < run->spec->n; i++) {
		name = run->spec->tenants[i].engines ?: run->engine.name;
		for (; *name; name += n, name += *name == ',') {
			n = strcspn(name, ",");
			if (!in_list(run->engines, name, n) && used + n + 2 < sizeof(run->engines))
				used += snprintf(run->engines + used, sizeof(run->engines) - used, "%s%.*s", used ? "," : "", (int)n, name);
		}
	}
}

static int needs_model(const struct run *run)
{
	uint32_t i, n = 0;

	for (i = 0; i < run->spec->n; i++)
		n += !run->spec->tenants[i].spin_us;
	return n;
}

static int start_workers(struct run *run)
{
	uint32_t i;
	int r;

	for (i = 0; i < run->spec->n; i++) {
		const struct run_worker_params params = {
			.spec = &run->spec->tenants[i], .device = run->device, .engine = run->engine.name,
			.model_path = run->model.path, .model = run->model.model, .process = run->processes, .start = run->start,
		};

		r = run_worker_create(&params, &run->workers[i]);
		if (r) {
			cli_log(CLI_ERROR, "tenant %s can't be started: %s", run->spec->tenants[i].name, strerror(-r));
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

	for (i = 0; i < run->spec->n; i++)
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

	while (count(run, 0) < (int)run->spec->n) {
		for (i = 0; i < run->spec->n; i++)
			fds[i] = (struct pollfd){ run->inbox[i].done ? -1 : run_worker_fd(run->workers[i]), POLLIN, 0 };
		if (poll(fds, run->spec->n, 50) < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < run->spec->n; i++) {
			r = fds[i].revents ? take_bytes(run, i) : 0;
			if (r)
				return r;
		}
		if (!run->start->go && count(run, 1) == (int)run->spec->n)
			run_start_go(run->start, run->params->seconds * 1e9);
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
	const char *name = run->params->view;

	if (!name)
		name = run->params->common.json || run->params->common.quiet ? "none" : isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) ? "panes" : "lines";
	run->view_ops = !strcmp(name, "none") ? &run_view_none : !strcmp(name, "lines") ? &run_view_lines : &run_view_panes;
	if (run->view_ops == &run_view_panes && run->view_ops->open(run->spec, &run->view) == -ENOTSUP) {
		if (run->params->view)
			cli_log(CLI_WARN, "this terminal can't show panes (%s, %u tenants); showing lines", getenv("TERM") ?: "no TERM",
				run->spec->n);
		run->view_ops = &run_view_lines;
	}
	return run->view ? 0 : run->view_ops->open(run->spec, &run->view);
}

static void end_workers(struct run *run)
{
	uint32_t i;
	int number;

	run_start_stop(run->start);
	for (i = 0; i < run->spec->n; i++) {
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

static int report(struct run *run, run_tell_fn *tell)
{
	struct run_report *rep = &run->report;
	int failed = 0;
	uint32_t i;

	for (i = 0; i < rep->n; i++) {
		rep->busy_ns += rep->tenants[i].stats.queue.engine_ns;
		if (rep->tenants[i].failed) {
			cli_log(CLI_ERROR, "tenant %s: %s", run->spec->tenants[i].name, rep->tenants[i].error);
			failed = 1;
		}
	}
	if (!run->start->start_ns) {
		if (!failed)
			cli_log(CLI_ERROR, "ended before the start");
		return CLI_FAILED;
	}
	return tell(rep, run->params) || failed ? CLI_FAILED : CLI_OK;
}

static int run_all(struct run *run, run_tell_fn *tell)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint32_t i;
	int rc = CLI_FAILED;

	if (open_device(run))
		return CLI_FAILED;
	if (needs_model(run) && run_model_load(&run->model, run->params->model_path, run->processes ? NULL : run->dev, run->params->common.quiet))
		return CLI_FAILED;
	run->report.transport = dseek_transport(run->dev);
	list_engines(run);
	run->report.engine = run->engines;
	run->report.model = run->model.path;
	run->report.n = run->spec->n;
	for (i = 0; i < run->spec->n; i++)
		run->report.tenants[i].spec = &run->spec->tenants[i];
	signal_start = run->start;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!work(run))
		rc = report(run, tell);
	for (i = 0; i < run->spec->n; i++)
		free(run->report.tenants[i].gaps);
	return rc;
}

int run_tenants(const struct run_params *params, run_tell_fn *tell)
{
	struct run *run = calloc(1, sizeof(*run));
	int rc = CLI_FAILED;

	if (!run)
		return CLI_FAILED;
	run->params = params;
	run->spec = params->spec;
	run->begun_ns = cli_now_ns();
	if (params->common.quiet)
		cli_log_limit(CLI_ERROR);
	run->start = mmap(NULL, sizeof(*run->start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->start == MAP_FAILED) {
		cli_log(CLI_ERROR, "no shared memory: %s", strerror(errno));
	} else {
		rc = run_all(run, tell);
		run_model_close(&run->model);
		dseek_close(run->dev);
		munmap(run->start, sizeof(*run->start));
	}
	free(run);
	return rc;
}
