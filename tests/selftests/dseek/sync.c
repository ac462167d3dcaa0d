// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Fences: binary and timeline syncobjs in and out, sync_file, errors that travel along. */
#include "kselftest_harness.h"
#include "dseek_admin.h"
#include "dseek_test.h"
#include <linux/sync_file.h>
#include <poll.h>

FIXTURE(sync) {
	int fd;
	uint32_t a, b, program, in, out;
	struct test_exec exec;
};

FIXTURE_SETUP(sync)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, TEST_ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->a));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->b));
	ASSERT_EQ(0, program_create(self->fd, &self->program));
	ASSERT_EQ(0, syncobj_create(self->fd, &self->in));
	ASSERT_EQ(0, syncobj_create(self->fd, &self->out));
}

FIXTURE_TEARDOWN(sync)
{
	close(self->fd);
	exec_stop(&self->exec);
}

/* A job on @queue that waits for (@in, @in_point) and signals (@out, @out_point); handle 0: neither. */
static int run(int fd, uint32_t queue, uint32_t program, struct script script, uint32_t in, uint64_t in_point, uint32_t out,
	       uint64_t out_point)
{
	struct drm_dseek_sync wait = { .handle = in, .point = in_point }, signal = { .handle = out, .point = out_point };
	struct drm_dseek_job job = { .program = program, .consts = (uintptr_t)&script, .const_size = sizeof(script),
				     .waits = (uintptr_t)&wait, .wait_count = !!in, .signals = (uintptr_t)&signal,
				     .signal_count = !!out };

	return submit(fd, queue, &job, 1, NULL);
}

static const struct script nop = { SCRIPT_DONE, 0 }, hold = { SCRIPT_HOLD, 0 };

static int sync_file(int fd, uint32_t handle)
{
	struct drm_syncobj_handle h = { .handle = handle, .fd = -1, .flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE };
	int r = call(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h);

	return r ? r : h.fd;
}

static int sync_file_status(int file)
{
	struct sync_file_info info = { 0 };

	return ioctl(file, SYNC_IOC_FILE_INFO, &info) ? -errno : info.status;
}

TEST_F(sync, binary_out)
{
	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->out, 0));
	EXPECT_EQ(-ETIME, syncobj_wait(self->fd, self->out, 20 * MS, 0));
	exec_release(&self->exec);
	EXPECT_EQ(0, syncobj_wait(self->fd, self->out, 10 * SEC, 0));
}

TEST_F(sync, binary_in_from_another_queue)
{
	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->out, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->out, 0, 0, 0));
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->b, 1, 20 * MS, NULL));
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->b, 1, 10 * SEC, NULL));
}

TEST_F(sync, signalled_in)
{
	ASSERT_EQ(0, syncobj_signal(self->fd, self->in));
	ASSERT_EQ(0, run(self->fd, self->a, self->program, nop, self->in, 0, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, self->a, 1, 10 * SEC, NULL));
}

TEST_F(sync, a_waiting_job_holds_its_queue_only)
{
	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->out, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->out, 0, 0, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, 0, 0, 0, 0));
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->b, 2, 20 * MS, NULL));
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->b, 2, 10 * SEC, NULL));
}

TEST_F(sync, timeline_in_and_out)
{
	ASSERT_EQ(0, timeline_signal(self->fd, self->in, 5));
	ASSERT_EQ(0, run(self->fd, self->a, self->program, nop, self->in, 5, self->out, 10));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->out, 10, self->out, 20));
	EXPECT_EQ(0, timeline_wait(self->fd, self->out, 10, 10 * SEC, 0));
	EXPECT_EQ(0, timeline_wait(self->fd, self->out, 20, 10 * SEC, 0));
	EXPECT_EQ(-EINVAL, timeline_wait(self->fd, self->out, 30, 10 * MS, 0));
	/* a point below one that has signalled has signalled */
	ASSERT_EQ(0, run(self->fd, self->a, self->program, nop, self->in, 3, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, self->a, 2, 10 * SEC, NULL));
}

TEST_F(sync, several_waits)
{
	struct drm_dseek_sync waits[DRM_DSEEK_MAX_SYNCS], signals[DRM_DSEEK_MAX_SYNCS];
	struct drm_dseek_job job = { .program = self->program, .waits = (uintptr_t)waits, .signals = (uintptr_t)signals,
				     .wait_count = DRM_DSEEK_MAX_SYNCS, .signal_count = DRM_DSEEK_MAX_SYNCS };
	int i;

	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->in, 0));
	for (i = 0; i < DRM_DSEEK_MAX_SYNCS; i++) {
		waits[i] = (struct drm_dseek_sync){ .handle = self->in };
		signals[i] = (struct drm_dseek_sync){ 0 };
		ASSERT_EQ(0, syncobj_create(self->fd, &signals[i].handle));
	}
	ASSERT_EQ(0, submit(self->fd, self->b, &job, 1, NULL));
	EXPECT_EQ(-ETIME, syncobj_wait(self->fd, signals[0].handle, 10 * MS, 0));
	exec_release(&self->exec);
	for (i = 0; i < DRM_DSEEK_MAX_SYNCS; i++)
		EXPECT_EQ(0, syncobj_wait(self->fd, signals[i].handle, 10 * SEC, 0));
}

TEST_F(sync, an_error_travels)
{
	struct script bad = { SCRIPT_DONE, EIO };
	int file, error = 0;

	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, 0, 0));
	ASSERT_EQ(0, run(self->fd, self->a, self->program, bad, 0, 0, self->out, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->out, 0, self->in, 0));
	file = sync_file(self->fd, self->in);
	ASSERT_LE(0, file);
	EXPECT_EQ(0, sync_file_status(file));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->b, 1, 10 * SEC, &error));
	EXPECT_EQ(-EIO, error);
	EXPECT_EQ(0, syncobj_wait(self->fd, self->in, 10 * SEC, 0));
	EXPECT_EQ(-EIO, sync_file_status(file));
	close(file);
}

TEST_F(sync, a_sync_file_can_be_polled)
{
	struct pollfd p = { .events = POLLIN };

	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->out, 0));
	p.fd = sync_file(self->fd, self->out);
	ASSERT_LE(0, p.fd);
	EXPECT_EQ(0, poll(&p, 1, 20));
	exec_release(&self->exec);
	EXPECT_EQ(1, poll(&p, 1, 10000));
	EXPECT_EQ(1, sync_file_status(p.fd));
	close(p.fd);
}

TEST_F(sync, destroying_a_queue_cancels_what_waits)
{
	int file;

	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->in, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->in, 0, self->out, 0));
	file = sync_file(self->fd, self->out);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, queue_destroy(self->fd, self->b));
	EXPECT_EQ(0, syncobj_wait(self->fd, self->out, 10 * SEC, 0));
	EXPECT_EQ(-ECANCELED, sync_file_status(file));
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->a, 1, 10 * SEC, NULL));
	close(file);
}

TEST_F(sync, closing_the_file_signals_all)
{
	int held, waiting;

	ASSERT_EQ(0, run(self->fd, self->a, self->program, hold, 0, 0, self->in, 0));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->in, 0, self->out, 0));
	held = sync_file(self->fd, self->in);
	waiting = sync_file(self->fd, self->out);
	ASSERT_LE(0, held);
	ASSERT_LE(0, waiting);
	close(self->fd);
	self->fd = open_node();
	/* the waiting one vanishes at once; the running one ends on its own references */
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = waiting, .events = POLLIN }, 1, 10000));
	EXPECT_EQ(-ECANCELED, sync_file_status(waiting));
	exec_release(&self->exec);
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = held, .events = POLLIN }, 1, 10000));
	EXPECT_NE(0, sync_file_status(held));
	close(held);
	close(waiting);
}

/* Complete, or give back, what is held with what it took, and take the next: whose is it? Negative: an errno. */
static int64_t next_of(struct test_exec *e, uint32_t *tag, uint32_t outcome, uint64_t used_ns)
{
	struct drm_dseek_completion done = { .tag = *tag, .outcome = outcome, .engine_ns = used_ns };
	int r = exec_next(e, used_ns ? &done : NULL, !!used_ns, tag, 1, 5 * SEC);

	return r == 1 ? (int64_t)e->jobs[*tag].tenant_id : r ? r : -ETIME;
}

/* A deadline job waits for another tenant's batch job: that one stays what it is, in its order and on its own account. */
TEST_F(sync, a_tenant_that_waits_for_another_lends_it_nothing)
{
	struct drm_dseek_queue_create c = { .sched_class = DRM_DSEEK_CLASS_DEADLINE, .budget_ns = 10 * MS, .period_ns = 100 * MS };
	struct drm_syncobj_handle h = { .handle = self->out, .fd = -1 };
	struct drm_dseek_completion last = { .engine_ns = MS };
	struct drm_dseek_tenant_info mine, theirs;
	uint32_t quick, other, slow, program, tag = 0;
	struct test_exec e;
	int fd = open_as(1001);

	ASSERT_LE(0, fd);
	mine = tenant_info(self->fd);
	theirs = tenant_info(fd);
	ASSERT_NE(mine.id, theirs.id);
	ASSERT_EQ(0, exec_attach(&e, "sync0", 1));
	ASSERT_EQ(0, queue_create(fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &slow));
	ASSERT_EQ(0, program_create(fd, &program));
	ASSERT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &quick));
	c.engine = e.engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	other = c.handle;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h));
	ASSERT_EQ(0, call(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &h));

	ASSERT_EQ(0, run(fd, slow, program, nop, 0, 0, h.handle, 0));
	ASSERT_EQ(0, run(self->fd, c.handle, self->program, nop, self->out, 0, 0, 0));
	ASSERT_EQ(0, run(self->fd, quick, self->program, nop, 0, 0, 0, 0));
	EXPECT_EQ((int64_t)mine.id, next_of(&e, &tag, 0, 0));	/* interactive before batch */
	EXPECT_EQ((int64_t)theirs.id, next_of(&e, &tag, DRM_DSEEK_OUTCOME_DONE, MS));
	EXPECT_EQ(0, e.control->preempt);
	ASSERT_EQ(0, run(self->fd, other, self->program, nop, 0, 0, 0, 0));
	EXPECT_NE(0, e.control->preempt);
	EXPECT_EQ((int64_t)mine.id, next_of(&e, &tag, DRM_DSEEK_OUTCOME_YIELD, 2 * MS));
	EXPECT_EQ((int64_t)theirs.id, next_of(&e, &tag, DRM_DSEEK_OUTCOME_DONE, MS));
	EXPECT_EQ(-ETIME, wait_job(self->fd, c.handle, 1, 0, NULL));
	EXPECT_EQ((int64_t)mine.id, next_of(&e, &tag, DRM_DSEEK_OUTCOME_DONE, 3 * MS));	/* the fence is there */
	last.tag = tag;
	EXPECT_EQ(0, exec_next(&e, &last, 1, &tag, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, c.handle, 1, 10 * SEC, NULL));
	EXPECT_EQ(theirs.engine_ns + 5 * MS, tenant_info(fd).engine_ns);
	EXPECT_EQ(mine.engine_ns + 3 * MS, tenant_info(self->fd).engine_ns);
	close(h.fd);
	close(fd);
	exec_close(&e);
}

/* Two jobs that would wait for each other: the first wait has no fence yet, so it is refused. */
TEST_F(sync, no_cycle_can_be_built)
{
	EXPECT_EQ(-EINVAL, run(self->fd, self->a, self->program, nop, self->in, 1, self->out, 1));
	EXPECT_EQ(-EINVAL, run(self->fd, self->b, self->program, nop, self->out, 1, self->in, 1));
	ASSERT_EQ(0, run(self->fd, self->a, self->program, nop, 0, 0, self->out, 1));
	ASSERT_EQ(0, run(self->fd, self->b, self->program, nop, self->out, 1, self->in, 1));
	EXPECT_EQ(0, timeline_wait(self->fd, self->in, 1, 10 * SEC, 0));
}

TEST_HARNESS_MAIN
