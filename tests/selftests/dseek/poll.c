// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Looking before sleeping (poll_us): that it happens, and that nothing else changes by it. Root only: it sets the parameter. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#define ROUNDS	40

FIXTURE(poll) {
	int fd;
	unsigned int poll_us;
	uint32_t queue;
	struct test_exec exec;
	struct script script;
	struct drm_dseek_job job;
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

FIXTURE_SETUP(poll)
{
	ASSERT_EQ(0, parameter_set("poll_us", 1000000, &self->poll_us));
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_attach(&self->exec, "poll0", 2));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
	self->job.consts = (uintptr_t)&self->script;
	self->job.const_size = sizeof(self->script);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->fd);
	exec_stop(&self->exec);
	parameter_set("poll_us", self->poll_us, NULL);
}

/* The threads are on a CPU each: one that looks where another wants to run sleeps. */
static int serve_apart(struct test_exec *exec)
{
	int r;

	pin(1);
	r = exec_serve(exec);
	pin(0);
	return r;
}

/* How often this thread slept in waits for @rounds jobs, one after the other. */
static long sleeps(int fd, uint32_t queue, const struct drm_dseek_job *job, int rounds)
{
	struct rusage before, after;
	uint64_t seqno;
	int i, r;

	getrusage(RUSAGE_THREAD, &before);
	for (i = 0; i < rounds; i++) {
		r = submit(fd, queue, job, 1, &seqno);
		r = r ? r : wait_job(fd, queue, seqno, 10 * SEC, NULL);
		if (r)
			return r;
	}
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_nvcsw - before.ru_nvcsw;
}

TEST_F(poll, short_waits_do_not_sleep)
{
	long looking, sleeping, learning;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one CPU: who looks is in the way of what it waits for");
	ASSERT_EQ(0, serve_apart(&self->exec));
	self->script = (struct script){ SCRIPT_BUSY, 2000 };
	learning = sleeps(self->fd, self->queue, &self->job, 2);
	ASSERT_LE(0, learning);
	looking = sleeps(self->fd, self->queue, &self->job, ROUNDS);
	ASSERT_EQ(0, parameter_set("poll_us", 0, NULL));
	sleeping = sleeps(self->fd, self->queue, &self->job, ROUNDS);
	TH_LOG("of %d waits %ld slept, with poll_us = 0 %ld", ROUNDS, looking, sleeping);
	EXPECT_LE(0, looking);
	EXPECT_LT(looking, ROUNDS / 2);
	EXPECT_GE(sleeping, ROUNDS * 3 / 4);
}

/* So long that what follows happens while the thread looks. */
static void learn_long(struct __test_metadata *_metadata, FIXTURE_DATA(poll) *self)
{
	uint64_t seqno;

	ASSERT_EQ(0, serve_apart(&self->exec));
	self->script = (struct script){ SCRIPT_BUSY, 200000 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, seqno, 10 * SEC, NULL));
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
}

TEST_F(poll, a_deadline_ends_it)
{
	uint64_t began;

	learn_long(_metadata, self);
	began = now_ns();
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, 2, 50 * MS, NULL));
	EXPECT_LE(50 * MS, now_ns() - began);
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, NULL));
}

static void on_alarm(int signal)
{
	(void)signal;
}

TEST_F(poll, a_signal_ends_it)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 30000 };
	struct drm_dseek_wait wait = { .queue = self->queue, .seqno = 2, .deadline_ns = UINT64_MAX };

	learn_long(_metadata, self);
	wait.queue = self->queue;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_EQ(-EINTR, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &wait));
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, NULL));
}

struct fetcher {
	struct test_exec *exec;
	pthread_t thread;
	uint32_t tag;
	int got;
};

static void *fetch(void *arg)
{
	struct fetcher *f = arg;

	f->got = exec_next(f->exec, NULL, 0, &f->tag, 1, 10 * SEC);
	return NULL;
}

/* One of the executor's threads looks and isn't woken, the other sleeps: both get a job. */
TEST_F(poll, a_thread_that_looks_wakes_one_that_sleeps)
{
	struct drm_dseek_completion done = { 0 };
	struct drm_dseek_job jobs[2];
	struct fetcher f[2];
	int round, i;

	jobs[0] = jobs[1] = self->job;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 2; i++) {
			f[i].exec = &self->exec;
			ASSERT_EQ(0, pthread_create(&f[i].thread, NULL, fetch, &f[i]));
		}
		sleep_ns((uint64_t)(round % 4) * 5 * MS);
		ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 2, NULL));
		for (i = 0; i < 2; i++) {
			pthread_join(f[i].thread, NULL);
			EXPECT_EQ(1, f[i].got);
		}
		for (i = 0; i < 2; i++) {	/* in their order */
			done.tag = self->exec.jobs[0].job_id < self->exec.jobs[1].job_id ? i : 1 - i;
			ASSERT_EQ(0, exec_next(&self->exec, &done, 1, NULL, 0, 0));
		}
	}
}

TEST_HARNESS_MAIN
