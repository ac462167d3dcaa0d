// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Queues: classes, weights, reservations, limits. */
#include <stddef.h>
#include "kselftest_harness.h"
#include "dseek_admin.h"

FIXTURE(queue) {
	int fd;
	struct test_exec exec;
};

FIXTURE_SETUP(queue)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, TEST_ENGINE, 4));
}

FIXTURE_TEARDOWN(queue)
{
	close(self->fd);
	exec_stop(&self->exec);
}

TEST_F(queue, every_class)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE,
					    .budget_ns = MS, .period_ns = 100 * MS };
	uint32_t a, b;

	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &a));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE,
				  tenant_info(self->fd).weight_limit, &b));
	EXPECT_NE(a, b);
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	EXPECT_EQ(3, tenant_info(self->fd).queues);
	EXPECT_EQ(0, queue_destroy(self->fd, a));
	EXPECT_EQ(0, queue_destroy(self->fd, b));
	EXPECT_EQ(0, queue_destroy(self->fd, c.handle));
	EXPECT_EQ(0, tenant_info(self->fd).queues);
}

TEST_F(queue, create_refusals)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1 };

	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, engine = 4711);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, sched_class = DRM_DSEEK_CLASS_COUNT);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, sched_class = 0xffffffff);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, weight = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, weight = 65537);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, flags = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, pad = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, budget_ns = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, period_ns = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, engines = 1ULL << (self->exec.engine ^ 1));
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, engines = 1ULL << self->exec.engine | 1ULL << 63);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, NULL));
	c = (struct drm_dseek_queue_create){ .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE,
					     .budget_ns = MS, .period_ns = 10 * MS };
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, weight = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, budget_ns = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, period_ns = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, budget_ns = 11 * MS);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, c, engines = 1ULL << self->exec.engine | 1ULL << (self->exec.engine ^ 1));
	EXPECT_EQ(0, tenant_info(self->fd).queues);
}

TEST_F(queue, a_class_the_tenant_may_not_use)
{
	unsigned int old = 0;
	int fd = self->fd;
	uint32_t h;

	if (parameter_set("class_mask", 1 << DRM_DSEEK_CLASS_BATCH, &old))
		SKIP(return, "not root");
	EXPECT_EQ(1 << DRM_DSEEK_CLASS_BATCH, tenant_info(fd).class_mask);
	EXPECT_EQ(-EPERM, queue_create(fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &h));
	EXPECT_EQ(0, tenant_info(fd).queues);
	EXPECT_EQ(0, queue_create(fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &h));
	EXPECT_EQ(0, parameter_set("class_mask", old, NULL));
}

TEST_F(queue, a_weight_the_tenant_may_not_ask_for)
{
	unsigned int old = 0;
	int fd = self->fd;
	uint32_t h;

	if (parameter_set("weight_limit", 10, &old))
		SKIP(return, "not root");
	EXPECT_EQ(10, tenant_info(fd).weight_limit);
	EXPECT_EQ(-EPERM, queue_create(fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 11, &h));
	EXPECT_EQ(0, queue_create(fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 10, &h));
	EXPECT_EQ(0, parameter_set("weight_limit", old, NULL));
}

TEST_F(queue, reservations_are_limited)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE,
					    .budget_ns = 40 * MS, .period_ns = 100 * MS };
	uint32_t first;

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	first = c.handle;
	EXPECT_EQ(-EBUSY, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	EXPECT_EQ(0, queue_destroy(self->fd, first));
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
}

TEST_F(queue, number_is_limited)
{
	uint32_t limit = tenant_info(self->fd).queue_limit, n, h = 0;
	int r = 0;

	for (n = 0; n <= limit && !r; n++)
		r = queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &h);
	EXPECT_EQ(-EDQUOT, r);
	EXPECT_EQ(limit + 1, n);
	EXPECT_EQ(limit, tenant_info(self->fd).queues);
	/* the last good one can make room */
	EXPECT_EQ(0, queue_destroy(self->fd, h));
	EXPECT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &h));
}

TEST_F(queue, destroy_refusals)
{
	struct drm_dseek_queue_destroy d = { 0 };

	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &d.handle));
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, d, handle = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, d, handle = 4711);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, d, pad = 1);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, NULL));
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, &d));
	EXPECT_EQ(-ENOENT, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, &d));
}

TEST_F(queue, counters)
{
	struct script good = { SCRIPT_BUSY, 1500 }, bad = { SCRIPT_DONE, EIO };
	struct drm_dseek_job jobs[3] = { { 0 } };
	struct drm_dseek_queue_query q = { 0 };
	uint64_t seqno;
	uint32_t program;
	int i, error;

	ASSERT_EQ(0, program_create(self->fd, &program));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &q.handle));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_EQ(0, q.submitted);
	EXPECT_EQ(0, q.completed);
	for (i = 0; i < 3; i++)
		jobs[i] = (struct drm_dseek_job){ .program = program, .const_size = sizeof(good),
						  .consts = (uintptr_t)(i == 1 ? &bad : &good) };
	ASSERT_EQ(0, submit(self->fd, q.handle, jobs, 3, &seqno));
	ASSERT_EQ(0, wait_job(self->fd, q.handle, seqno, 10 * SEC, &error));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_EQ(3, q.submitted);
	EXPECT_EQ(3, q.completed);
	EXPECT_EQ(1, q.faulted);
	EXPECT_EQ(self->exec.engine, q.engine);
	EXPECT_EQ(0, q.moves);
	EXPECT_EQ(0, q.predicted.jobs);
	EXPECT_LE(3 * MS, q.engine_ns);
	EXPECT_EQ(0, q.preemptions);
	EXPECT_EQ(0, q.deadline_misses);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, q, pad = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, q, pad2 = 1);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, q, handle = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, q, handle = 4711);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, NULL));
}

/* Who was built with version 1.0 passes shorter structures, and gets no more than those. */
TEST_F(queue, callers_of_1_0)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1,
					    .engines = 1ULL << 63 };
	struct drm_dseek_queue_query q = { .engine = 0x5a5a5a5a };
	struct { char bytes[offsetof(struct drm_dseek_queue_create, engines)]; } *create_1_0 = (void *)&c;
	struct { char bytes[offsetof(struct drm_dseek_queue_query, engine)]; } *query_1_0 = (void *)&q;

	ASSERT_EQ(0, call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_QUEUE_CREATE, *create_1_0), &c));
	q.handle = c.handle;
	ASSERT_EQ(0, call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_QUEUE_QUERY, *query_1_0), &q));
	EXPECT_EQ(0x5a5a5a5a, q.engine);
	EXPECT_EQ(0, queue_destroy(self->fd, c.handle));
}

/* Two engines, jobs that are kept: those behind them stay in their order, and all run. */
TEST_F(queue, over_two_engines)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1 };
	struct drm_dseek_wait w = { .deadline_ns = now_ns() + 20 * SEC };
	struct script busy = { SCRIPT_BUSY, 500 };
	struct drm_dseek_job job = { .const_size = sizeof(busy), .consts = (uintptr_t)&busy };
	struct drm_dseek_queue_query q = { 0 };
	struct test_exec other;
	uint64_t last = 0;
	uint32_t i, on_other = 0;

	ASSERT_EQ(0, exec_start(&other, "selftest1", 2));
	ASSERT_EQ(0, program_create(self->fd, &job.program));
	c.engines = 1ULL << self->exec.engine | 1ULL << other.engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	for (i = 0; i < 60; i++)
		ASSERT_EQ(0, submit(self->fd, c.handle, &job, 1, NULL));
	for (i = 1; i <= 60; i++) {
		w.queue = c.handle;
		w.seqno = i;
		ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &w));
		EXPECT_EQ(0, w.error);
		EXPECT_LE(last, w.end_ns);
		EXPECT_LE(w.submit_ns, w.placed_ns);
		EXPECT_LT(w.placed_ns, w.predicted_ns);
		EXPECT_NE(0, c.engines & 1ULL << w.engine);
		on_other += w.engine == other.engine;
		last = w.end_ns;
	}
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_WAIT, w, pad = 1);
	EXPECT_NE(0, on_other);		/* tried at least */
	q.handle = c.handle;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_NE(0, q.moves);
	EXPECT_EQ(60, q.predicted.jobs);
	EXPECT_EQ(q.engine_ns, q.predicted.cost_ns);
	EXPECT_EQ(0, queue_destroy(self->fd, c.handle));
	exec_stop(&other);
}

/* What the executor has ends there, also what it gave back in between; the rest goes to where jobs are taken. */
TEST_F(queue, leaves_an_engine_that_drains)
{
	struct drm_dseek_queue_create c = { .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1 };
	struct drm_dseek_completion yield = { .outcome = DRM_DSEEK_OUTCOME_YIELD, .cursor = 1, .engine_ns = MS }, done = { .engine_ns = MS };
	struct drm_dseek_job jobs[3] = { 0 };
	struct drm_dseek_queue_query q = { 0 };
	struct test_exec e[2], *from, *to;
	uint32_t tags[2], i;
	char dir[128];
	int error = 0;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, exec_attach(&e[i], i ? "selftest2" : "selftest1", 2));
	c.engine = e[0].engine;
	c.engines = 1ULL << e[0].engine | 1ULL << e[1].engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	ASSERT_EQ(0, program_create(self->fd, &jobs[0].program));
	jobs[1].program = jobs[2].program = jobs[0].program;
	ASSERT_EQ(0, submit(self->fd, c.handle, jobs, 3, NULL));
	from = exec_next(&e[0], NULL, 0, tags, 1, 0) == 1 ? &e[0] : &e[1];
	to = &e[from == &e[0]];
	ASSERT_EQ(1, exec_next(from, NULL, 0, from == &e[0] ? &tags[1] : tags, 1, SEC));
	if (from == &e[1])
		ASSERT_EQ(1, exec_next(from, NULL, 0, &tags[1], 1, SEC));
	snprintf(dir, sizeof(dir), ADMIN "engines/selftest%d", from == &e[0] ? 1 : 2);
	if (set(dir, "drain", "1"))
		SKIP(return, "not root");
	/* the queue is to go, as soon as nothing of it runs */
	done.tag = tags[0];
	EXPECT_EQ(0, exec_next(from, &done, 1, NULL, 0, 0));
	yield.tag = tags[1];
	EXPECT_EQ(0, exec_next(from, &yield, 1, NULL, 0, 0));
	ASSERT_EQ(1, exec_next(from, NULL, 0, tags, 1, SEC));
	EXPECT_EQ(1, from->jobs[tags[0]].cursor);
	done.tag = tags[0];
	EXPECT_EQ(0, exec_next(from, &done, 1, NULL, 0, 0));
	ASSERT_EQ(1, exec_next(to, NULL, 0, tags, 1, SEC));
	done.tag = tags[0];
	EXPECT_EQ(0, exec_next(to, &done, 1, NULL, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, c.handle, 3, 10 * SEC, &error));
	EXPECT_EQ(0, error);
	q.handle = c.handle;
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_EQ(to->engine, q.engine);
	EXPECT_EQ(0, set(dir, "drain", "0"));
	exec_close(from);
	exec_close(to);
}

TEST_HARNESS_MAIN
