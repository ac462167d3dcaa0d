// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Who may do what: a tenant reaches neither the executor's device nor another tenant's objects. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <grp.h>
#include <sys/wait.h>

#define PAGE	4096ULL

static int become(uid_t uid)
{
	return setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ? -errno : 0;
}

/* Run the block that follows as @uid; its status is the exit status of the child. */
#define AS(uid, body) \
	({ \
		int status_ = 0; \
		pid_t pid_ = fork(); \
		if (!pid_) { \
			if (become(uid)) \
				_exit(99); \
			_exit(body); \
		} \
		waitpid(pid_, &status_, 0); \
		WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_); \
	})

TEST(a_tenant_opens_the_render_node)
{
	EXPECT_EQ(0, AS(1001, open_node() < 0));
}

TEST(a_tenant_cannot_open_the_executors_device)
{
	EXPECT_EQ(EACCES, AS(1001, -exec_open()));
	EXPECT_EQ(EACCES, AS(65534, -exec_open()));
}

TEST(the_executors_device_is_not_for_everyone)
{
	int fd = exec_open();

	ASSERT_LE(0, fd);
	close(fd);
}

static int reach(int fd, uint32_t handle, uint64_t offset)
{
	struct drm_gem_open flink = { .name = 1 };
	struct drm_dseek_bo_info i;
	uint32_t other;

	if (bo_info(fd, handle, &i) != -ENOENT)
		return 1;
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)offset) != MAP_FAILED || errno != EACCES)
		return 2;
	if (call(fd, DRM_IOCTL_GEM_OPEN, &flink) != -EACCES)
		return 3;
	/* an own buffer gets the same handle number, not the same buffer */
	if (bo_create(fd, PAGE, &other) || bo_info(fd, other, &i) || i.mmap_offset == offset)
		return 4;
	return 0;
}

TEST(a_tenant_cannot_reach_anothers_buffer)
{
	struct drm_dseek_bo_info i;
	int fd = open_node();
	uint32_t h;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bo_create(fd, PAGE, &h));
	ASSERT_EQ(0, bo_info(fd, h, &i));
	EXPECT_EQ(0, AS(1001, reach(open_node(), h, i.mmap_offset)));
	close(fd);
}

static int bind_foreign(int fd, uint32_t engine, uint32_t handle)
{
	struct drm_dseek_binding b = { .handle = handle, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE };
	struct drm_dseek_job job = { .bindings = (uintptr_t)&b, .binding_count = 1 };
	uint32_t queue;

	if (queue_create(fd, engine, DRM_DSEEK_CLASS_BATCH, 1, &queue) || program_create(fd, &job.program))
		return 1;
	return submit(fd, queue, &job, 1, NULL) == -ENOENT ? 0 : 2;
}

TEST(a_tenant_cannot_bind_anothers_buffer)
{
	struct test_exec e;
	int fd = open_node();
	uint32_t h;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, exec_start(&e, TEST_ENGINE, 4));
	ASSERT_EQ(0, bo_create(fd, PAGE, &h));
	EXPECT_EQ(0, AS(1001, bind_foreign(open_node(), e.engine, h)));
	close(fd);
	exec_stop(&e);
}

#define GOLD	1001
#define SILVER	1002

/* An owned engine and one of everybody's, as the opener of @fd sees them. */
static int use_owned(int fd, uint32_t owned, uint32_t shared, int may)
{
	struct drm_dseek_queue_create c = { .engine = owned, .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1 };
	struct drm_dseek_engine_info i;

	if (query(fd, DRM_DSEEK_QUERY_ENGINE, owned, &i, sizeof(i)))
		return 1;
	if ((i.flags & ~DRM_DSEEK_ENGINE_ATTACHED) != (DRM_DSEEK_ENGINE_OWNED | (may ? 0 : DRM_DSEEK_ENGINE_FOREIGN)))
		return 2;
	if (query(fd, DRM_DSEEK_QUERY_ENGINE, shared, &i, sizeof(i)) || i.flags & (DRM_DSEEK_ENGINE_OWNED | DRM_DSEEK_ENGINE_FOREIGN))
		return 3;
	if (call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c) != (may ? 0 : -EACCES))
		return 4;
	/* nor through a set */
	c.engine = shared;
	c.engines = 1ull << shared | 1ull << owned;
	if (call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c) != (may ? 0 : -EACCES))
		return 5;
	c.engine = owned;
	if (call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c) != (may ? 0 : -EACCES))
		return 6;
	c.engine = shared;
	c.engines = 0;
	if (call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c))
		return 7;
	return tenant_info(fd).queues == (may ? 4 : 1) ? 0 : 8;	/* a refusal charged nothing */
}

TEST(an_owned_engine_serves_its_owner)
{
	struct drm_dseek_attach a = exec_attachment("gold0", 4);
	struct test_exec shared;
	int fd = exec_open();

	ASSERT_LE(0, fd);
	a.flags = DRM_DSEEK_ATTACH_OWNER;
	a.owner = GOLD;
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	ASSERT_EQ(0, exec_start(&shared, TEST_ENGINE, 4));
	EXPECT_EQ(0, AS(GOLD, use_owned(open_node(), a.engine, shared.engine, 1)));
	EXPECT_EQ(0, AS(SILVER, use_owned(open_node(), a.engine, shared.engine, 0)));
	EXPECT_EQ(0, use_owned(open_node(), a.engine, shared.engine, 0)) { TH_LOG("root is another user"); }
	/* and when nobody serves it */
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	EXPECT_EQ(0, AS(SILVER, use_owned(open_node(), a.engine, shared.engine, 0)));
	exec_stop(&shared);
	close(fd);
}

/* It is who opened the file that counts, as for the tenant. */
TEST(an_owner_may_hand_its_file_on)
{
	struct drm_dseek_attach a = exec_attachment("gold0", 4);
	int exec = exec_open(), fd;
	uint32_t queue;

	ASSERT_LE(0, exec);
	a.flags = DRM_DSEEK_ATTACH_OWNER;
	a.owner = GOLD;
	ASSERT_EQ(0, call(exec, DRM_IOCTL_DSEEK_ATTACH, &a));
	ASSERT_EQ(0, seteuid(GOLD));
	fd = open_node();
	ASSERT_EQ(0, seteuid(0));
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, queue_create(fd, a.engine, DRM_DSEEK_CLASS_BATCH, 1, &queue));
	close(fd);
	close(exec);
}

TEST(two_users_are_two_tenants)
{
	struct drm_dseek_tenant_info mine;
	int fd = open_node();
	uint32_t h;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bo_create(fd, PAGE, &h));
	mine = tenant_info(fd);
	EXPECT_EQ(0, AS(1001, ({ struct drm_dseek_tenant_info t = tenant_info(open_node());
				 t.id == mine.id || t.pinned_bytes != 0; })));
	close(fd);
}

TEST_HARNESS_MAIN
