// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Trace events: each change of state is told, in an order that the state machine allows. Root only. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include "trace_check.h"
#include <sys/mount.h>
#include <sys/stat.h>

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/dseek-selftest"
#define ENGINE		"trace0"
#define PARAMETERS	"/sys/module/dseek/parameters/"

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static char *read_all(const char *path)
{
	size_t room = 1 << 20, used = 0;
	char *text = malloc(room + 1), *more;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && text && (n = read(fd, text + used, room - used)) > 0) {
		used += (size_t)n;
		if (used == room) {
			room *= 2;
			more = realloc(text, room + 1);
			if (!more)
				break;
			text = more;
		}
	}
	if (fd >= 0)
		close(fd);
	if (text)
		text[used] = 0;
	return text;
}

static unsigned int count(const struct trace *trace, enum event what)
{
	unsigned int i, n = 0;

	for (i = 0; i < trace->count; i++)
		n += trace->events[i].what == what;
	return n;
}

/* Of one executor: the recovery time of others, and of those before it, may end meanwhile. */
static unsigned int count_of(const struct trace *trace, enum event what, const struct test_exec *exec)
{
	unsigned int i, n = 0;

	for (i = 0; i < trace->count; i++)
		n += trace->events[i].what == what && field(&trace->events[i], "engine") == exec->engine &&
		     (uint64_t)field(&trace->events[i], "generation") == exec->generation;
	return n;
}

/* "submit ready run end over": the events of one job, in order. */
static const char *story(const struct trace *trace, unsigned int nth)
{
	static char text[400];
	long long job = -1;
	unsigned int i, seen = 0;

	text[0] = 0;
	for (i = 0; i < trace->count; i++) {
		const struct trace_event *ev = &trace->events[i];

		if (ev->what == EV_SUBMIT && seen++ == nth)
			job = field(ev, "job");
		if (job < 0 || ev->what >= EV_JOB_COUNT || field(ev, "job") != job)
			continue;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
			 strrchr(event_names[ev->what], '_') + 1);
	}
	return text;
}

static const struct trace_event *find(const struct trace *trace, enum event what, unsigned int nth)
{
	static const struct trace_event none;
	unsigned int i;

	for (i = 0; i < trace->count; i++)
		if (trace->events[i].what == what && !nth--)
			return &trace->events[i];
	return &none;
}

NEEDS(!access(TRACEFS "/instances", W_OK) || !mount("tracefs", TRACEFS, "tracefs", 0, NULL), "no tracefs, or not root")

FIXTURE(trace) {
	int fd;
	uint32_t queue, sync;
	struct test_exec exec;
	struct script script;
	struct drm_dseek_job job;
	struct drm_dseek_sync signal;
	struct trace trace;
	struct trace_checker *checker;
};

FIXTURE_SETUP(trace)
{
	rmdir(INSTANCE);
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	/* which goes by ticks of 10 ms in user-mode Linux; only that has such a file */
	ASSERT_EQ(0, write_text(INSTANCE "/trace_clock", access("/proc/exitcode", F_OK) ? "global" : "mono"));
	ASSERT_EQ(0, write_text(INSTANCE "/buffer_size_kb", "4096"));
	ASSERT_EQ(0, write_text(INSTANCE "/events/dseek/enable", "1"));
	self->checker = malloc(sizeof(*self->checker));
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
	ASSERT_EQ(0, syncobj_create(self->fd, &self->sync));
	self->signal = (struct drm_dseek_sync){ .handle = self->sync };
	self->job.consts = (uintptr_t)&self->script;
	self->job.const_size = sizeof(self->script);
}

FIXTURE_TEARDOWN(trace)
{
	close(self->fd);
	if (self->exec.jobs)
		exec_stop(&self->exec);
	write_text(INSTANCE "/events/dseek/enable", "0");
	rmdir(INSTANCE);
	free(self->trace.events);
	free(self->checker);
}

/* What was told since the last look; legal, whatever else a test expects. */
#define LOOK() \
	do { \
		char *text_ = read_all(INSTANCE "/trace"); \
		ASSERT_NE(NULL, text_); \
		ASSERT_EQ(0, trace_parse(text_, &self->trace)); \
		free(text_); \
		ASSERT_EQ(0, trace_check(self->checker, &self->trace)) { TH_LOG("%s", self->checker->why); } \
	} while (0)

TEST_F(trace, runs)
{
	uint64_t seqno;
	int error = 1;

	self->job.signals = (uintptr_t)&self->signal;
	self->job.signal_count = 1;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, seqno, 10 * SEC, &error));
	LOOK();
	EXPECT_STREQ("submit ready run end over signal", story(&self->trace, 0));
	EXPECT_EQ(1, count(&self->trace, EV_ATTACH));
	EXPECT_EQ(1, count(&self->trace, EV_QUEUE_CREATE));
	EXPECT_TRUE(field_is(find(&self->trace, EV_ATTACH, 0), "name", ENGINE));
	EXPECT_EQ(self->exec.engine, field(find(&self->trace, EV_SUBMIT, 0), "engine"));
	EXPECT_EQ(seqno, field(find(&self->trace, EV_FENCE, 0), "seqno"));
}

TEST_F(trace, faults)
{
	int error = 0;

	self->script = (struct script){ SCRIPT_DONE, EIO };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, &error));
	LOOK();
	EXPECT_STREQ("submit ready run end over", story(&self->trace, 0));
	EXPECT_EQ(-EIO, field(find(&self->trace, EV_END, 0), "error"));
	EXPECT_EQ(-EIO, field(find(&self->trace, EV_OVER, 0), "error"));
}

TEST_F(trace, waits_for_fences)
{
	struct drm_dseek_sync waits[2];
	struct drm_dseek_job job = self->job, hold = self->job;
	struct script held = { SCRIPT_HOLD, 0 };
	uint32_t other, sync[2], i;
	int error = 1;

	/* two jobs that are held, of two queues; the third waits for both */
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &other));
	hold.consts = (uintptr_t)&held;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, syncobj_create(self->fd, &sync[i]));
		waits[i] = (struct drm_dseek_sync){ .handle = sync[i] };
		hold.signals = (uintptr_t)&waits[i];
		hold.signal_count = 1;
		ASSERT_EQ(0, submit(self->fd, i ? other : self->queue, &hold, 1, NULL));
	}
	job.waits = (uintptr_t)waits;
	job.wait_count = 2;
	ASSERT_EQ(0, submit(self->fd, self->queue, &job, 1, NULL));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, &error));
	/* all its waits are over when it comes */
	ASSERT_EQ(0, submit(self->fd, other, &job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, other, 2, 10 * SEC, &error));
	LOOK();
	EXPECT_STREQ("submit done done ready run end over", story(&self->trace, 2));
	EXPECT_STREQ("submit done ready run end over", story(&self->trace, 3));
}

TEST_F(trace, yields)
{
	int error = 1;

	self->script = (struct script){ SCRIPT_YIELD, 2 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, &error));
	LOOK();
	EXPECT_STREQ("submit ready run yield run yield run end over", story(&self->trace, 0));
	EXPECT_TRUE(field_is(find(&self->trace, EV_YIELD, 1), "reason", "yield"));
	EXPECT_EQ(2, field(find(&self->trace, EV_YIELD, 1), "cursor"));
	EXPECT_EQ(2, field(find(&self->trace, EV_RUN, 2), "cursor"));
}

TEST_F(trace, executor_lost)
{
	struct drm_dseek_job again = self->job;
	uint64_t held_by = 2;
	int error = 1;

	/* one that may run again, one that may not */
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	again.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &again, 1, NULL));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	while (self->exec.fetched < held_by)
		sleep_ns(MS);
	exec_stop(&self->exec);
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 4));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, &error));
	EXPECT_EQ(0, error);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, &error));
	EXPECT_EQ(-ECANCELED, error);
	LOOK();
	EXPECT_STREQ("submit ready run yield run end over", story(&self->trace, 0));
	EXPECT_STREQ("submit ready run end over", story(&self->trace, 1));
	EXPECT_TRUE(field_is(find(&self->trace, EV_YIELD, 0), "reason", "lost"));
	EXPECT_EQ(2, count(&self->trace, EV_ATTACH));
	EXPECT_EQ(1, count(&self->trace, EV_LOSE));
	EXPECT_EQ(field(find(&self->trace, EV_ATTACH, 0), "generation") + 1,
		  field(find(&self->trace, EV_ATTACH, 1), "generation"));
}

TEST_F(trace, nobody_comes)
{
	char *old = read_all(PARAMETERS "recovery_ms");
	int error = 0;

	ASSERT_EQ(0, write_text(PARAMETERS "recovery_ms", "100"));
	exec_stop(&self->exec);
	self->exec.jobs = NULL;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ESHUTDOWN, error);
	write_text(PARAMETERS "recovery_ms", old);
	free(old);
	LOOK();
	EXPECT_EQ(1, count_of(&self->trace, EV_GONE, &self->exec));
	EXPECT_STREQ("submit ready end over", story(&self->trace, 0));
}

TEST_F(trace, over_its_limit)
{
	int error = 0;

	self->script = (struct script){ SCRIPT_HOLD, 0 };
	self->job.limit_ns = 20 * MS;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	LOOK();
	EXPECT_STREQ("submit ready run abort end over", story(&self->trace, 0));
	EXPECT_TRUE(field_is(find(&self->trace, EV_PREEMPT, 0), "reason", "abort"));
}

TEST_F(trace, something_better)
{
	uint32_t better, i;
	int error = 1;

	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &better));
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	while (!self->exec.fetched)
		sleep_ns(MS);
	ASSERT_EQ(0, submit(self->fd, better, &self->job, 1, NULL));
	for (i = 0; i < 1000 && !self->exec.control->preempt; i++)
		sleep_ns(MS);
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, better, 1, 10 * SEC, &error));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, &error));
	LOOK();
	EXPECT_LE(1, count(&self->trace, EV_PREEMPT));
	EXPECT_TRUE(field_is(find(&self->trace, EV_PREEMPT, 0), "reason", "better"));
}

TEST_F(trace, queue_destroyed)
{
	struct drm_dseek_job waiting = self->job;
	uint32_t other;

	/* held, ready, and waiting for the first of another queue's jobs, which is held too */
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &other));
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	self->job.signals = (uintptr_t)&self->signal;
	self->job.signal_count = 1;
	ASSERT_EQ(0, submit(self->fd, other, &self->job, 1, NULL));
	while (!self->exec.fetched)
		sleep_ns(MS);
	waiting.waits = (uintptr_t)&self->signal;
	waiting.wait_count = 1;
	ASSERT_EQ(0, submit(self->fd, self->queue, &waiting, 1, NULL));
	ASSERT_EQ(0, queue_destroy(self->fd, self->queue));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, other, 1, 10 * SEC, NULL));
	LOOK();
	EXPECT_STREQ("submit end over", story(&self->trace, 1));
	EXPECT_EQ(1, count(&self->trace, EV_QUEUE_DESTROY));
	EXPECT_EQ(-ECANCELED, field(find(&self->trace, EV_END, 0), "error"));
}

TEST_F(trace, buffers)
{
	struct drm_dseek_bo_madvise advice = { .advice = DRM_DSEEK_MADV_DONTNEED };
	uint32_t bo;

	ASSERT_EQ(0, bo_create(self->fd, 10000, &bo));
	advice.handle = bo;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &advice));
	ASSERT_EQ(0, write_text("/sys/kernel/debug/dseek/purge", "1"));
	ASSERT_EQ(0, bo_close(self->fd, bo));
	/* refused: nothing came to be, nothing goes */
	EXPECT_EQ(-EDQUOT, bo_create(self->fd, 1ULL << 39, &bo));
	LOOK();
	ASSERT_EQ(1, count(&self->trace, EV_BO_CREATE));
	ASSERT_EQ(1, count(&self->trace, EV_BO_PURGE));
	ASSERT_EQ(1, count(&self->trace, EV_BO_FREE));
	EXPECT_EQ(12288, field(find(&self->trace, EV_BO_CREATE, 0), "size"));
	EXPECT_EQ(field(find(&self->trace, EV_BO_CREATE, 0), "bo"), field(find(&self->trace, EV_BO_FREE, 0), "bo"));
}

#define STORM_QUEUES	4
#define STORM_JOBS	400

/* Yields, faults, waits across queues and two executors that go, at random; then one event of it changed at a time. */
TEST_F_TIMEOUT(trace, storm, 120)
{
	uint32_t queues[STORM_QUEUES] = { self->queue }, syncs[STORM_QUEUES], state = 0x5eed, i, caught = 0, tried = 0;
	uint64_t last[STORM_QUEUES] = { 0 };
	struct drm_dseek_sync wait, signal;
	struct trace broken;

	for (i = 0; i < STORM_QUEUES; i++) {
		if (i)
			ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, i % 2 ? DRM_DSEEK_CLASS_INTERACTIVE :
						  DRM_DSEEK_CLASS_BATCH, i, &queues[i]));
		ASSERT_EQ(0, syncobj_create(self->fd, &syncs[i]));
	}
	for (i = 0; i < STORM_JOBS; i++) {
		struct drm_dseek_job job = self->job;
		uint32_t q;

		state = state * 1664525 + 1013904223;
		q = state >> 8 & (STORM_QUEUES - 1);
		self->script = (struct script){ state >> 12 & 1 ? SCRIPT_YIELD : state >> 13 & 1 ? SCRIPT_BUSY : SCRIPT_DONE,
						state >> 14 & 3 };
		job.flags = state >> 16 & 1 ? DRM_DSEEK_JOB_IDEMPOTENT : 0;
		signal = (struct drm_dseek_sync){ .handle = syncs[q] };
		wait = (struct drm_dseek_sync){ .handle = syncs[(q + 1) % STORM_QUEUES] };
		job.signals = (uintptr_t)&signal;
		job.signal_count = 1;
		job.waits = (uintptr_t)&wait;
		job.wait_count = state >> 18 & 1 && last[(q + 1) % STORM_QUEUES];
		ASSERT_EQ(0, submit(self->fd, queues[q], &job, 1, &last[q]));
		if (i % 150 == 149) {
			exec_stop(&self->exec);
			ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 4));
		}
	}
	for (i = 0; i < STORM_QUEUES; i++)
		ASSERT_EQ(0, wait_job(self->fd, queues[i], last[i], 60 * SEC, NULL));
	LOOK();
	EXPECT_EQ(STORM_JOBS, count(&self->trace, EV_SUBMIT));
	EXPECT_EQ(STORM_JOBS, count(&self->trace, EV_OVER));
	EXPECT_EQ(STORM_JOBS, count(&self->trace, EV_FENCE));
	EXPECT_EQ(3, count(&self->trace, EV_ATTACH));
	TH_LOG("%u events: %u runs, %u yields", self->trace.count, count(&self->trace, EV_RUN),
	       count(&self->trace, EV_YIELD));

	/* The check itself: of a trace with one event of a job taken out, or told twice, none is legal. */
	broken.events = malloc((self->trace.count + 1) * sizeof(*broken.events));
	for (i = 0; i < self->trace.count; i += 41) {
		const struct trace_event *ev = &self->trace.events[i];
		uint32_t twice;

		if (ev->what >= EV_JOB_COUNT || (ev->what == EV_WAIT_DONE && field(ev, "left")))
			continue;
		for (twice = 0; twice < 2; twice++) {
			memcpy(broken.events, self->trace.events, i * sizeof(*ev));
			broken.events[i] = *ev;
			memcpy(broken.events + i + twice, self->trace.events + i + !twice,
			       (self->trace.count - i - !twice) * sizeof(*ev));
			broken.count = self->trace.count - 1 + 2 * twice;
			if (ev->what == EV_WAIT_DONE && twice)
				continue;
			tried++;
			caught += trace_check(self->checker, &broken) != 0;
			if (!*self->checker->why)
				TH_LOG("%s %s, %s", event_names[ev->what], ev->text, twice ? "twice" : "taken out");
		}
	}
	free(broken.events);
	EXPECT_LE(100, tried);
	EXPECT_EQ(tried, caught);
}

TEST_HARNESS_MAIN
