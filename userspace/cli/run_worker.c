// SPDX-License-Identifier: MIT
/*
 * One tenant of `dseek run`: a device, a queue and a thread for each stream. It tells what happens through a pipe, so that
 * it may as well be a process of another user.
 */
#include "cli.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct run_worker {
	struct run_worker_params params;
	int fd[2];			/* events: read, write */
	pid_t pid;			/* of a process */
	pthread_t thread;

	const struct run_work_ops *ops;
	struct dseek_device *dev;
	struct dseek_engine_info engine;
	uint64_t engines;		/* struct dseek_queue_params */
	struct run_work_params work_params;
	void *work;
	uint64_t step_ns;
	struct stream {
		struct run_worker *worker;
		uint32_t index;
		struct dseek_queue_params params;
		void *stream;
		uint64_t refused, late;
		pthread_t thread;
		int started;
	} streams[RUN_MAX_STREAMS];
};

#define HEAD offsetof(struct run_event, text)

/* A whole event, or none: it is below PIPE_BUF. A reader who is gone means the end. */
static void tell(struct run_worker *w, enum run_event_type type, uint32_t stream, const void *text, size_t size)
{
	struct run_event event = { .type = type, .stream = stream, .time_ns = cli_now_ns(), .size = size };
	ssize_t n;

	memcpy(event.text, text, size);
	do {
		n = write(w->fd[1], &event, HEAD + size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		run_start_stop(w->params.start);
}

static int __attribute__((format(printf, 3, 4))) fail(struct run_worker *w, int error, const char *format, ...)
{
	char text[RUN_EVENT_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(w, RUN_EVENT_ERROR, 0, text, strlen(text));
	return error;
}

static void tell_state(struct run_worker *w, const char *text)
{
	tell(w, RUN_EVENT_STATE, 0, text, strlen(text));
}

/* ---- the start, shared */

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

void run_start_go(struct run_start *start, uint64_t seconds_ns)
{
	start->start_ns = cli_now_ns();
	start->end_ns = start->start_ns + seconds_ns;
	__atomic_store_n(&start->go, 1, __ATOMIC_RELEASE);
	futex(&start->go, FUTEX_WAKE, INT32_MAX);
}

void run_start_stop(struct run_start *start)
{
	__atomic_store_n(&start->stop, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&start->go, 1, __ATOMIC_RELEASE);
	futex(&start->go, FUTEX_WAKE, INT32_MAX);
}

static int stopped(const struct run_worker *w)
{
	return __atomic_load_n(&w->params.start->stop, __ATOMIC_ACQUIRE);
}

static void wait_for_start(const struct run_worker *w)
{
	while (!__atomic_load_n(&w->params.start->go, __ATOMIC_ACQUIRE))
		futex(&w->params.start->go, FUTEX_WAIT, 0);
}

/* ---- one stream */

static void sleep_until(const struct run_worker *w, uint64_t ns)
{
	/* in pieces, so that a stop is heard */
	while (!stopped(w)) {
		uint64_t now = cli_now_ns(), left = ns > now ? ns - now : 0;
		struct timespec ts;

		if (!left)
			return;
		if (left > 100000000)
			left = 100000000;
		ts = (struct timespec){ .tv_nsec = left };
		nanosleep(&ts, NULL);
	}
}

static void tell_stats(struct stream *s, const struct dseek_queue_stats *before)
{
	struct run_stats stats = { .refused = s->refused, .late = s->late, .budget_ns = s->params.budget_ns,
				   .period_ns = s->params.period_ns, .step_ns = s->worker->step_ns };
	int r = s->worker->ops->stream_stats(s->stream, &stats.queue);

	if (r) {
		fail(s->worker, r, "the queue's figures can't be read: %s", strerror(-r));
		return;
	}
	stats.queue.submitted -= before->submitted;
	stats.queue.completed -= before->completed;
	stats.queue.faulted -= before->faulted;
	stats.queue.engine_ns -= before->engine_ns;
	stats.queue.queued_ns -= before->queued_ns;
	stats.queue.preemptions -= before->preemptions;
	stats.queue.deadline_misses -= before->deadline_misses;
	stats.queue.entitled_ns -= before->entitled_ns;
	stats.queue.moves -= before->moves;
	stats.queue.predicted.jobs -= before->predicted.jobs;
	stats.queue.predicted.turnaround_ns -= before->predicted.turnaround_ns;
	stats.queue.predicted.turnaround_error_ns -= before->predicted.turnaround_error_ns;
	stats.queue.predicted.cost_ns -= before->predicted.cost_ns;
	stats.queue.predicted.cost_error_ns -= before->predicted.cost_error_ns;
	tell(s->worker, RUN_EVENT_STATS, s->index, &stats, sizeof(stats));
}

/* A deadline stream makes a step each period on a grid; one that fell behind by a whole period starts a new grid. */
static void *stream_run(void *arg)
{
	struct stream *s = arg;
	struct run_worker *w = s->worker;
	uint64_t period = w->params.spec->period_ns, release;
	struct dseek_queue_stats before;
	char text[RUN_EVENT_TEXT], err[300] = "";
	int fresh = 1, r;

	r = w->ops->stream_stats(s->stream, &before);
	if (r) {
		fail(w, r, "the queue's figures can't be read: %s", strerror(-r));
		return NULL;
	}
	release = w->params.start->start_ns;
	while (!stopped(w) && cli_now_ns() < w->params.start->end_ns) {
		if (period) {
			if (cli_now_ns() >= release + period)
				release = cli_now_ns();
			sleep_until(w, release < w->params.start->end_ns ? release : w->params.start->end_ns);
			if (release >= w->params.start->end_ns)
				break;
			release += period;
		}
		r = w->ops->step(s->stream, period ? release : 0, text, sizeof(text), err, sizeof(err));
		if (r == -ETIME && period) {
			/* nobody promises it in time: then as soon as the reserved budget allows */
			s->refused++;
			r = w->ops->step(s->stream, 0, text, sizeof(text), err, sizeof(err));
		}
		if (r < 0) {
			fail(w, r, "%s", err[0] ? err : strerror(-r));
			break;
		}
		if (r > 0)
			tell(w, RUN_EVENT_END, s->index, "", 0);
		else
			tell(w, RUN_EVENT_TOKEN, s->index, text, strlen(text));
		/* the first step of a text reads the prompt and has no deadline */
		if (period && !fresh && !r && cli_now_ns() > release)
			s->late++;
		fresh = r > 0;
	}
	tell_stats(s, &before);
	return NULL;
}

/* ---- the tenant */

static int find_engine(struct run_worker *w)
{
	const char *names = w->params.spec->engines;
	char first[sizeof(w->engine.name)];
	int r;

	if (!names) {
		r = dseek_engine_find(w->dev, w->params.engine, &w->engine);
		if (r)
			return fail(w, r, "no engine%s%s: %s", w->params.engine ? " named " : "", w->params.engine ?: "",
				    dseek_strerror_detail());
		return 0;
	}
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(names, ","), names);
	r = dseek_engine_set(w->dev, names, &w->engines);
	if (!r)
		r = dseek_engine_find(w->dev, first, &w->engine);
	return r ? fail(w, r, "engines %s: %s", names, dseek_strerror_detail()) : 0;
}

static int streams_create(struct run_worker *w)
{
	const struct run_tenant_spec *spec = w->params.spec;
	char err[300] = "";
	uint32_t i;
	int r;

	for (i = 0; i < spec->streams; i++) {
		struct stream *s = &w->streams[i];

		*s = (struct stream){ .worker = w, .index = i, .params = { .engine = w->engine.id, .engines = w->engines,
									    .sched_class = spec->sched_class } };
		if (spec->sched_class == DSEEK_CLASS_DEADLINE) {
			uint64_t budget = w->step_ns * 3;

			/*
			 * The core promises a step by the end of the server's period, which begins when the
			 * step is submitted: a period as long as the step may take would promise it too late.
			 * It refuses what its learned bound, mean and four deviations, can't fit into the budget:
			 * three steps leave room for that, and what isn't used goes to the others.
			 */
			s->params.period_ns = spec->period_ns * 9 / 10;
			if (budget < s->params.period_ns / 4)
				budget = s->params.period_ns / 4;
			if (budget > s->params.period_ns * 7 / 10 / spec->streams)
				budget = s->params.period_ns * 7 / 10 / spec->streams;
			s->params.budget_ns = spec->budget_ns ?: budget;
		} else {
			s->params.weight = spec->weight;
		}
		r = w->ops->stream_open(w->work, &s->params, i, &s->stream, err, sizeof(err));
		if (r) {
			s->stream = NULL;
			return fail(w, r, "%s", err[0] ? err : strerror(-r));
		}
	}
	return 0;
}

static void streams_run(struct run_worker *w)
{
	uint32_t i;

	for (i = 1; i < w->params.spec->streams; i++) {
		w->streams[i].started = !pthread_create(&w->streams[i].thread, NULL, stream_run, &w->streams[i]);
		if (!w->streams[i].started)
			fail(w, -EAGAIN, "no thread for stream %u", i);
	}
	stream_run(&w->streams[0]);
	for (i = 1; i < w->params.spec->streams; i++)
		if (w->streams[i].started)
			pthread_join(w->streams[i].thread, NULL);
}

/* How long a step takes alone decides the budget of a deadline queue that states none. */
static int work_open(struct run_worker *w)
{
	const struct run_tenant_spec *spec = w->params.spec;
	char err[300] = "";
	int r;

	w->ops = spec->spin_us ? &run_work_spin : &run_work_text;
	w->work_params = (struct run_work_params){ .dev = w->dev, .engine = &w->engine, .engines = w->engines, .spec = spec, .model = w->params.model,
						   .model_path = w->params.model_path };
	r = w->ops->open(&w->work_params, &w->work, err, sizeof(err));
	if (r)
		w->work = NULL;
	else if (spec->sched_class == DSEEK_CLASS_DEADLINE)
		r = w->ops->measure(w->work, &w->step_ns, err, sizeof(err));
	if (r)
		return fail(w, r, "%s", err[0] ? err : strerror(-r));
	return 0;
}

static void *worker_main(void *arg)
{
	struct run_worker *w = arg;
	const struct dseek_open_params open = { .tenant = w->params.process ? NULL : w->params.spec->name };
	uint32_t i;
	int r;

	r = dseek_open(w->params.device, &open, &w->dev);
	if (r) {
		fail(w, r, "%s can't be opened: %s", w->params.device, dseek_strerror_detail());
		goto out;
	}
	tell_state(w, "loading");
	r = find_engine(w);
	if (!r)
		r = work_open(w);
	if (!r)
		r = streams_create(w);
	if (!r) {
		tell(w, RUN_EVENT_READY, 0, "", 0);
		wait_for_start(w);
		if (!stopped(w))
			streams_run(w);
	}
	for (i = 0; i < w->params.spec->streams; i++)
		if (w->streams[i].stream)
			w->ops->stream_close(w->streams[i].stream);
	if (w->work)
		w->ops->close(w->work);
	dseek_close(w->dev);
out:
	tell(w, RUN_EVENT_DONE, 0, "", 0);
	close(w->fd[1]);
	w->fd[1] = -1;
	return NULL;
}

/* ---- thread or process */

static int become(struct run_worker *w, const char *user)
{
	struct passwd *pw = getpwnam(user);

	if (!pw)
		return fail(w, -ENOENT, "there is no user '%s'", user);
	if (initgroups(user, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		return fail(w, -errno, "can't become user '%s': %s", user, strerror(errno));
	return 0;
}

static void __attribute__((noreturn)) process_main(struct run_worker *w, pid_t parent)
{
	close(w->fd[0]);
	signal(SIGINT, SIG_IGN);	/* the parent hears it and says stop */
	signal(SIGPIPE, SIG_IGN);
	if (w->params.spec->user && become(w, w->params.spec->user))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* after setuid(), which clears it */
	if (getppid() != parent)
		_exit(1);
	worker_main(w);
	_exit(0);
}

int run_worker_create(const struct run_worker_params *params, struct run_worker **ret_worker)
{
	struct run_worker *w = calloc(1, sizeof(*w));
	pid_t parent = getpid();
	int r;

	if (!w)
		return -ENOMEM;
	w->params = *params;
	if (pipe2(w->fd, O_CLOEXEC)) {
		r = -errno;
		goto err_free;
	}
	if (params->process) {
		fflush(NULL);
		w->pid = fork();
		if (!w->pid)
			process_main(w, parent);
		r = w->pid < 0 ? -errno : 0;
		if (r)
			goto err_close;
		close(w->fd[1]);
		w->fd[1] = -1;
	} else {
		r = -pthread_create(&w->thread, NULL, worker_main, w);
		if (r)
			goto err_close;
	}
	*ret_worker = w;
	return 0;
err_close:
	close(w->fd[0]);
	close(w->fd[1]);
err_free:
	free(w);
	return r;
}

int run_worker_fd(const struct run_worker *worker)
{
	return worker->fd[0];
}

int run_worker_destroy(struct run_worker *worker)
{
	int status = 0;

	if (worker->params.process)
		while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
			;
	else
		pthread_join(worker->thread, NULL);
	close(worker->fd[0]);
	free(worker);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
