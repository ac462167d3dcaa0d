// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What becomes of jobs when their executor hangs, or goes and nobody comes. Root only: it shortens the module's times. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <poll.h>

#define ENGINE		"recover0"

NEEDS(!access("/sys/module/dseek/parameters/grace_ms", W_OK), "not root")

FIXTURE(recover) {
	int fd;
	unsigned int recovery, grace, limit;
	uint32_t queue, tag;
	struct test_exec exec;
	struct drm_dseek_job job;
};

FIXTURE_SETUP(recover)
{
	ASSERT_EQ(0, parameter_set("recovery_ms", 300, &self->recovery));
	ASSERT_EQ(0, parameter_set("grace_ms", 100, &self->grace));
	ASSERT_EQ(0, parameter_set("job_limit_ms", 30000, &self->limit));
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_attach(&self->exec, ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
}

FIXTURE_TEARDOWN(recover)
{
	close(self->fd);
	parameter_set("recovery_ms", self->recovery, NULL);
	parameter_set("grace_ms", self->grace, NULL);
	parameter_set("job_limit_ms", self->limit, NULL);
}

/* From now on an executor is soon lost that does not stop its job: not before it has served, as it has that long to fetch its first. */
static int hangs_soon(void)
{
	return parameter_set("job_limit_ms", 50, NULL);
}

TEST_F(recover, nobody_comes)
{
	uint32_t sync, queue;
	struct drm_dseek_sync wait, signal;
	struct drm_dseek_job waiting;
	uint64_t closed;
	int error = 0, r;

	/* one held, one queued, one of another queue that waits for the queued one's fence */
	ASSERT_EQ(0, syncobj_create(self->fd, &sync));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &queue));
	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &self->tag, 1, SEC));
	signal = (struct drm_dseek_sync){ .handle = sync };
	self->job.signals = (uintptr_t)&signal;
	self->job.signal_count = 1;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	wait = signal;
	waiting = (struct drm_dseek_job){ .program = self->job.program, .waits = (uintptr_t)&wait, .wait_count = 1 };
	ASSERT_EQ(0, submit(self->fd, queue, &waiting, 1, NULL));
	closed = now_ns();
	exec_close(&self->exec);

	r = wait_job(self->fd, self->queue, 1, 100 * MS, &error);
	if (now_ns() - closed < 300 * MS)	/* a starved guest may look too late */
		EXPECT_EQ(-ETIME, r);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 20 * SEC, &error));
	EXPECT_EQ(-ESHUTDOWN, error);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 0, &error));
	EXPECT_EQ(-ESHUTDOWN, error);
	EXPECT_EQ(0, syncobj_wait(self->fd, sync, SEC, 0));
	ASSERT_EQ(0, wait_job(self->fd, queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ESHUTDOWN, error);

	/* gone: refused, until the name is attached again */
	EXPECT_EQ(-ESHUTDOWN, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 4));
	self->job.signal_count = 0;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 3, 20 * SEC, &error));
	EXPECT_EQ(0, error);
	exec_stop(&self->exec);
}

TEST_F(recover, one_that_hangs_is_declared_lost)
{
	struct drm_dseek_completion done = { 0 };
	struct test_exec next;
	uint32_t tags[2];
	int error = 0;

	self->job.limit_ns = 50 * MS;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	self->job.limit_ns = 0;
	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(2, exec_next(&self->exec, NULL, 0, tags, 2, SEC));
	ASSERT_EQ(0, hangs_soon());
	/* neither the word nor the bit is looked at */
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	EXPECT_NE(0, self->exec.control->detach);
	done.tag = tags[0];
	EXPECT_EQ(-ESTALE, exec_next(&self->exec, &done, 1, tags, 0, 0));
	EXPECT_EQ(-ESTALE, exec_next(&self->exec, NULL, 0, tags, 1, SEC));
	/* the name is free at once, and the second job runs again */
	ASSERT_EQ(0, parameter_set("job_limit_ms", 30000, NULL));
	ASSERT_EQ(0, exec_start(&next, ENGINE, 4));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 20 * SEC, &error));
	EXPECT_EQ(0, error);
	exec_stop(&next);
	exec_close(&self->exec);
}

TEST_F(recover, one_that_is_told_stops_in_time)
{
	struct drm_dseek_completion done = { .error = -ETIMEDOUT };
	uint64_t until = now_ns() + 20 * SEC;
	uint32_t tag;
	int error = 0;

	self->job.limit_ns = 50 * MS;
	ASSERT_EQ(0, parameter_set("grace_ms", 20000, NULL));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, SEC));
	while (!self->exec.control->abort_mask && now_ns() < until)
		sleep_ns(MS);
	EXPECT_EQ(1ULL << tag, self->exec.control->abort_mask);
	EXPECT_EQ(1, self->exec.control->preempt);
	done.tag = tag;
	ASSERT_EQ(0, exec_next(&self->exec, &done, 1, &tag, 0, 0));
	EXPECT_EQ(0, self->exec.control->abort_mask);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	exec_close(&self->exec);
}

/* Its other tenants' jobs would be lost with it. */
TEST_F(recover, a_short_limit_ends_the_job_not_the_executor)
{
	struct drm_dseek_completion done = { .error = -ETIMEDOUT };
	uint64_t until = now_ns() + 20 * SEC;
	uint32_t tags[2], other;
	int error = 0;

	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &other));
	self->job.limit_ns = 1;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, tags, 1, SEC));
	self->job.limit_ns = 0;
	ASSERT_EQ(0, submit(self->fd, other, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, tags + 1, 1, SEC));
	while (!self->exec.control->abort_mask && now_ns() < until)
		sleep_ns(MS);
	EXPECT_EQ(1ULL << tags[0], self->exec.control->abort_mask);
	sleep_ns(400 * MS);	/* grace_ms, and more */
	done.tag = tags[0];
	ASSERT_EQ(0, exec_next(&self->exec, &done, 1, NULL, 0, 0));
	done = (struct drm_dseek_completion){ .tag = tags[1] };
	ASSERT_EQ(0, exec_next(&self->exec, &done, 1, NULL, 0, 0));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	ASSERT_EQ(0, wait_job(self->fd, other, 1, SEC, &error));
	EXPECT_EQ(0, error);
	exec_close(&self->exec);
}

/* However long its tenant lets it run, it ends when it does not give way. */
TEST_F(recover, a_limit_without_end_keeps_nobody_waiting)
{
	uint64_t until = now_ns() + 20 * SEC;
	uint32_t better;
	int error = 0;

	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &better));
	self->job.limit_ns = UINT64_MAX;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &self->tag, 1, SEC));
	ASSERT_EQ(0, hangs_soon());
	sleep_ns(200 * MS);	/* nobody waits: it may */
	EXPECT_EQ(0, self->exec.control->abort_mask);
	ASSERT_EQ(0, submit(self->fd, better, &self->job, 1, NULL));
	while (!self->exec.control->abort_mask && now_ns() < until)
		sleep_ns(MS / 10);
	EXPECT_EQ(1ULL << self->tag, self->exec.control->abort_mask);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	exec_close(&self->exec);
}

/* Both kinds of one that is there but does nothing, with somebody standing by. */
TEST_F(recover, one_that_stands_by_takes_over_from_one_that_hangs)
{
	struct test_exec standby;
	uint32_t tag;
	int error = 0;

	ASSERT_EQ(0, exec_attach_flags(&standby, ENGINE, 2, DRM_DSEEK_ATTACH_STANDBY));
	EXPECT_EQ(0, standby.generation);
	EXPECT_EQ(0, standby.control->generation);
	EXPECT_EQ(0, exec_next(&standby, NULL, 0, &tag, 1, 20 * MS));
	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, SEC));
	/* it holds a job over its limit; what comes after runs elsewhere */
	exec_serve(&standby);
	self->job.limit_ns = 50 * MS;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, 1, 50 * MS, &error));
	exec_close(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 20 * SEC, &error));
	EXPECT_EQ(0, error);
	EXPECT_EQ(self->exec.generation + 1, standby.control->generation);
	exec_stop(&standby);

	/* it looked once, and then no more */
	ASSERT_EQ(0, exec_attach(&self->exec, ENGINE, 4));
	ASSERT_EQ(0, exec_attach_flags(&standby, ENGINE, 2, DRM_DSEEK_ATTACH_STANDBY));
	ASSERT_EQ(0, exec_next(&self->exec, NULL, 0, &tag, 1, 0));
	exec_serve(&standby);
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 3, 20 * SEC, &error));
	EXPECT_EQ(0, error);
	EXPECT_EQ(-ESTALE, exec_next(&self->exec, NULL, 0, &tag, 1, 0));
	EXPECT_NE(0, self->exec.control->detach);
	exec_stop(&standby);
	exec_close(&self->exec);
}

static void *wait_in_next(void *arg)
{
	uint32_t tag;

	return (void *)(intptr_t)exec_next(arg, NULL, 0, &tag, 1, 20 * SEC);
}

TEST_F(recover, one_that_waits_hears_that_it_is_lost)
{
	pthread_t thread;
	uint32_t tag;
	void *said;

	self->job.limit_ns = 50 * MS;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, SEC));
	ASSERT_EQ(0, hangs_soon());
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in_next, &self->exec));
	ASSERT_EQ(0, pthread_join(thread, &said));
	EXPECT_EQ(-ESTALE, (int)(intptr_t)said);
	exec_close(&self->exec);
}

TEST_F(recover, order_is_kept_when_some_may_run_again)
{
	uint32_t tags[4];
	int error = 0, i;

	for (i = 0; i < 4; i++) {
		self->job.flags = i % 2 ? 0 : DRM_DSEEK_JOB_IDEMPOTENT;
		ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	}
	ASSERT_EQ(4, exec_next(&self->exec, NULL, 0, tags, 4, SEC));
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	/* the second has ended, but the first, before it, has not */
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, 2, 0, &error));
	exec_close(&self->exec);
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 4));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, wait_job(self->fd, self->queue, (uint64_t)i + 1, 20 * SEC, &error));
		EXPECT_EQ(i % 2 ? -ECANCELED : 0, error);
	}
	exec_stop(&self->exec);
}

TEST_HARNESS_MAIN
