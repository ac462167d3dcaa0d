// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The administrator's files of an engine: what they say, and what they do to a running one. */
#include "kselftest_harness.h"
#include "dseek_admin.h"

#define ENGINE	"recover0"	/* the name that tests/vm expects messages of lost executors for */
#define DIR_	ADMIN "engines/" ENGINE

FIXTURE(admin) {
	struct test_exec e;
	int fd;
	uint32_t queue;
	struct drm_dseek_job job;
};

FIXTURE_SETUP(admin)
{
	memset(&self->job, 0, sizeof(self->job));
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->e.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
}

FIXTURE_TEARDOWN(admin)
{
	close(self->fd);
	exec_close(&self->e);
	EXPECT_EQ(0, set(DIR_, "drain", "0"));
	EXPECT_EQ(0, set(DIR_, "depth", "max"));
	EXPECT_EQ(0, set(DIR_, "job_limit_ms", "default"));
	EXPECT_EQ(0, set(DIR_, "grace_ms", "default"));
	EXPECT_EQ(0, set(DIR_, "recovery_ms", "default"));
}

TEST_F(admin, says_whose_an_engine_is)
{
	struct drm_dseek_attach a = exec_attachment("admin.owned", 1);
	int fd = exec_open();

	a.flags = DRM_DSEEK_ATTACH_OWNER;
	a.owner = 1001;
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	EXPECT_STREQ("1001", get(ADMIN "engines/admin.owned", "owner"));
	EXPECT_STREQ("any", get(DIR_, "owner"));
	close(fd);
}

static uint32_t flags_of(int fd, uint32_t engine)
{
	struct drm_dseek_engine_info i = { 0 };

	return query(fd, DRM_DSEEK_QUERY_ENGINE, engine, &i, sizeof(i)) ? 0 : i.flags;
}

static int finish(struct test_exec *e, uint32_t tag)
{
	struct drm_dseek_completion done = { .tag = tag, .engine_ns = 1000 };

	return exec_next(e, &done, 1, NULL, 0, 0);
}

TEST_F(admin, says_what_an_engine_is_and_does)
{
	uint64_t generation = get_number(DIR_, "generation"), busy = get_number(DIR_, "busy_ns");
	struct drm_dseek_job jobs[3] = { self->job, self->job, self->job };
	struct test_exec other;
	uint32_t tag;

	EXPECT_STREQ("null", get(DIR_, "type"));
	EXPECT_STREQ("attached", get(DIR_, "state"));
	EXPECT_EQ(self->e.engine, get_number(DIR_, "id"));
	EXPECT_EQ(self->e.generation, generation);
	EXPECT_EQ((uint64_t)getpid(), get_number(DIR_, "executor_pid"));
	EXPECT_STREQ("-1", get(DIR_, "numa_node"));
	EXPECT_STREQ("any", get(DIR_, "owner"));
	EXPECT_EQ(4, get_number(DIR_, "attached_depth"));
	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 3, NULL));
	EXPECT_EQ(3, get_number(DIR_, "job_count"));
	EXPECT_EQ(3, get_number(DIR_, "queued"));
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(2, get_number(DIR_, "queued"));
	EXPECT_EQ(1, get_number(DIR_, "running"));
	ASSERT_EQ(0, exec_attach_flags(&other, ENGINE, 1, DRM_DSEEK_ATTACH_STANDBY));
	EXPECT_EQ(1, get_number(DIR_, "standby_count"));
	exec_close(&other);
	EXPECT_EQ(0, get_number(DIR_, "standby_count"));
	ASSERT_EQ(0, finish(&self->e, tag));
	EXPECT_EQ(2, get_number(DIR_, "job_count"));
	EXPECT_EQ(0, get_number(DIR_, "running"));
	EXPECT_EQ(busy + 1000, get_number(DIR_, "busy_ns"));
	exec_close(&self->e);
	EXPECT_STREQ("waiting", get(DIR_, "state"));
	EXPECT_EQ(0, get_number(DIR_, "executor_pid"));
	EXPECT_EQ(0, get_number(DIR_, "attached_depth"));
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 4));
	EXPECT_EQ(generation + 1, get_number(DIR_, "generation"));
	EXPECT_EQ(2, get_number(DIR_, "job_count"));
}

TEST_F(admin, what_was_set_is_what_is_said)
{
	static const char *const files[] = { "job_limit_ms", "grace_ms", "recovery_ms" };
	struct drm_dseek_report report = { .longest_op_ns = 4321 };
	size_t i;

	for (i = 0; i < 3; i++) {
		EXPECT_STREQ("default", get(DIR_, files[i])) { TH_LOG("%s", files[i]); }
		EXPECT_EQ(0, set(DIR_, files[i], "60007"));
		EXPECT_STREQ("60007", get(DIR_, files[i])) { TH_LOG("%s", files[i]); }
		EXPECT_EQ(-ERANGE, set(DIR_, files[i], "4294967295"));
		EXPECT_EQ(-EINVAL, set(DIR_, files[i], "soon"));
		EXPECT_STREQ("60007", get(DIR_, files[i])) { TH_LOG("%s", files[i]); }
	}
	EXPECT_STREQ("0", get(DIR_, "longest_op_ns"));
	EXPECT_EQ(0, call(self->e.fd, DRM_IOCTL_DSEEK_REPORT, &report));
	EXPECT_STREQ("4321", get(DIR_, "longest_op_ns"));
	EXPECT_STREQ("max", get(DIR_, "depth"));
	EXPECT_EQ(0, set(DIR_, "depth", "3"));
	EXPECT_STREQ("3", get(DIR_, "depth"));
}

TEST_F(admin, depth_while_it_runs)
{
	struct drm_dseek_job jobs[6] = { self->job, self->job, self->job, self->job, self->job, self->job };
	struct drm_dseek_engine_info info;
	uint32_t tags[6];

	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 6, NULL));
	ASSERT_EQ(0, set(DIR_, "depth", "1"));
	EXPECT_EQ(1, get_number(DIR_, "depth"));
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->e.engine, &info, sizeof(info)));
	EXPECT_EQ(1, info.depth);
	EXPECT_EQ(1, exec_next(&self->e, NULL, 0, tags, 6, 0));
	EXPECT_EQ(0, exec_next(&self->e, NULL, 0, tags + 1, 5, 0));
	ASSERT_EQ(0, set(DIR_, "depth", "3"));
	EXPECT_EQ(2, exec_next(&self->e, NULL, 0, tags + 1, 5, 0));
	/* below what is held: no more until that is back */
	ASSERT_EQ(0, set(DIR_, "depth", "2"));
	ASSERT_EQ(0, finish(&self->e, tags[0]));
	EXPECT_EQ(0, exec_next(&self->e, NULL, 0, tags, 1, 0));
	ASSERT_EQ(0, finish(&self->e, tags[1]));
	EXPECT_EQ(1, exec_next(&self->e, NULL, 0, tags, 6, 0));
	ASSERT_EQ(0, set(DIR_, "depth", "max"));
	EXPECT_STREQ("max", get(DIR_, "depth"));
	EXPECT_EQ(2, exec_next(&self->e, NULL, 0, tags, 6, 0));
	EXPECT_EQ(-ERANGE, set(DIR_, "depth", "0"));
	EXPECT_EQ(-ERANGE, set(DIR_, "depth", "5"));
	EXPECT_EQ(-EINVAL, set(DIR_, "depth", "-1"));
	EXPECT_EQ(-EINVAL, set(DIR_, "depth", "most"));
	EXPECT_STREQ("max", get(DIR_, "depth"));
	/* what an executor attaches with bounds what was set before */
	ASSERT_EQ(0, set(DIR_, "depth", "3"));
	exec_close(&self->e);
	ASSERT_EQ(0, set(DIR_, "depth", "64"));
	EXPECT_EQ(-ERANGE, set(DIR_, "depth", "65"));
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 2));
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->e.engine, &info, sizeof(info)));
	EXPECT_EQ(2, info.depth);
}

static void *raise_depth(void *unused)
{
	sleep_ns(100 * MS);
	set(DIR_, "depth", "2");
	return NULL;
}

TEST_F(admin, more_depth_wakes_the_executor)
{
	struct drm_dseek_job jobs[2] = { self->job, self->job };
	uint32_t tags[2];
	pthread_t thread;

	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 2, NULL));
	ASSERT_EQ(0, set(DIR_, "depth", "1"));
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, tags, 2, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, raise_depth, NULL));
	EXPECT_EQ(1, exec_next(&self->e, NULL, 0, tags + 1, 1, 60 * SEC));
	pthread_join(thread, NULL);
}

TEST_F(admin, drain_and_undrain)
{
	uint64_t seqno = 0;
	uint32_t tag, other;
	int error = -1;

	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	EXPECT_EQ(DRM_DSEEK_ENGINE_ATTACHED, flags_of(self->fd, self->e.engine));
	ASSERT_EQ(0, set(DIR_, "drain", "1"));
	EXPECT_STREQ("1", get(DIR_, "drain"));
	EXPECT_STREQ("draining", get(DIR_, "state"));
	EXPECT_EQ(DRM_DSEEK_ENGINE_ATTACHED | DRM_DSEEK_ENGINE_DRAINING, flags_of(self->fd, self->e.engine));
	EXPECT_EQ(-ESHUTDOWN, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(1, tenant_info(self->fd).jobs);
	EXPECT_EQ(0, queue_create(self->fd, self->e.engine, DRM_DSEEK_CLASS_BATCH, 1, &other));
	/* what is there runs to its end */
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, &tag, 1, SEC));
	ASSERT_EQ(0, finish(&self->e, tag));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, seqno, SEC, &error));
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, get_number(DIR_, "job_count"));
	/* the next executor finds it drained */
	exec_close(&self->e);
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 4));
	EXPECT_EQ(-ESHUTDOWN, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, set(DIR_, "drain", "0"));
	EXPECT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(-EINVAL, set(DIR_, "drain", "2"));
	EXPECT_EQ(-EINVAL, set(DIR_, "drain", "soon"));
}

TEST_F(admin, its_own_job_limit)
{
	uint64_t seqno = 0;
	uint32_t tag;
	int i;

	ASSERT_EQ(0, set(DIR_, "job_limit_ms", "50"));
	EXPECT_STREQ("50", get(DIR_, "job_limit_ms"));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, &tag, 1, SEC));
	for (i = 0; i < 200 && !self->e.control->abort_mask; i++)
		sleep_ns(50 * MS);
	EXPECT_EQ(1ULL << tag, self->e.control->abort_mask);
	EXPECT_EQ(-EINVAL, set(DIR_, "job_limit_ms", "soon"));
	EXPECT_EQ(-ERANGE, set(DIR_, "job_limit_ms", "4294967295"));
	EXPECT_EQ(-ERANGE, set(DIR_, "job_limit_ms", "4294967296"));
}

TEST_F(admin, its_own_grace)
{
	uint64_t start = now_ns(), seqno = 0;
	uint32_t tag;
	int error = 0;

	/* the module's is two seconds; nothing takes that long but a machine that stands still */
	ASSERT_EQ(0, set(DIR_, "job_limit_ms", "10"));
	ASSERT_EQ(0, set(DIR_, "grace_ms", "600000"));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, seqno, 4 * SEC, &error));
	EXPECT_LT(start + 2 * SEC, now_ns());
	EXPECT_EQ(0, finish(&self->e, tag));
	ASSERT_EQ(0, set(DIR_, "grace_ms", "10"));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(1, exec_next(&self->e, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, seqno, 60 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
	EXPECT_EQ(-ESTALE, finish(&self->e, tag));
}

TEST_F(admin, its_own_recovery)
{
	uint64_t seqno = 0;
	int error = 0;

	ASSERT_EQ(0, set(DIR_, "recovery_ms", "600000"));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	exec_close(&self->e);
	/* the module's is five seconds */
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, seqno, 7 * SEC, &error));
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 4));
	ASSERT_EQ(0, set(DIR_, "recovery_ms", "0"));
	exec_close(&self->e);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, seqno, 60 * SEC, &error));
	EXPECT_EQ(-ESHUTDOWN, error);
	EXPECT_STREQ("gone", get(DIR_, "state"));
	ASSERT_EQ(0, exec_attach(&self->e, ENGINE, 4));
}

TEST_F(admin, only_root_sets_engines)
{
	static const char *const names[] = { "depth", "drain", "job_limit_ms", "grace_ms", "recovery_ms" };
	size_t i;

	ASSERT_EQ(0, seteuid(1001));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		EXPECT_EQ(-EACCES, set(DIR_, names[i], "1"));
	EXPECT_STREQ("attached", get(DIR_, "state"));
	ASSERT_EQ(0, seteuid(0));
}

TEST(names_that_are_no_directories)
{
	struct test_exec e;

	EXPECT_EQ(-EINVAL, exec_attach(&e, ".", 1));
	EXPECT_EQ(-EINVAL, exec_attach(&e, "..", 1));
}

TEST_HARNESS_MAIN
