// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Memory that can be taken back, and memory that is not there: DONTNEED, the memory cgroup. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE	4096ULL
#define PURGE	"/sys/kernel/debug/dseek/purge"
#define GROUP	"/sys/fs/cgroup/dseek-selftest"

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static sigjmp_buf bus;

static void on_bus(int signal)
{
	siglongjmp(bus, signal);
}

/* 0..255, or -EFAULT where touching it is SIGBUS. */
static int touch(volatile uint8_t *p)
{
	struct sigaction sa = { .sa_handler = on_bus }, old;
	int r = -EFAULT;

	sigaction(SIGBUS, &sa, &old);
	if (!sigsetjmp(bus, 1))
		r = *p;
	sigaction(SIGBUS, &old, NULL);
	return r;
}

static int advise(int fd, uint32_t handle, uint32_t advice, uint32_t *ret_retained)
{
	struct drm_dseek_bo_madvise m = { .handle = handle, .advice = advice };
	int r = call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);

	if (!r)
		*ret_retained = m.retained;
	return r;
}

FIXTURE(memory) {
	int fd;
	uint32_t bo, retained;
	uint8_t *p;
};

FIXTURE_SETUP(memory)
{
	if (access(PURGE, W_OK))
		SKIP(return, "no debugfs, or not root");
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &self->bo));
	self->p = bo_map(self->fd, self->bo);
	ASSERT_NE(MAP_FAILED, (void *)self->p);
	memset(self->p, 0x5a, 16 * PAGE);
	self->retained = 77;
}

FIXTURE_TEARDOWN(memory)
{
	close(self->fd);
}

TEST_F(memory, what_is_needed_is_not_purged)
{
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	EXPECT_EQ(16 * PAGE, tenant_info(self->fd).pinned_bytes);
}

TEST_F(memory, purged_and_made_whole_again)
{
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	EXPECT_EQ(-EFAULT, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	EXPECT_EQ(0, self->retained);
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(0, self->retained);
	EXPECT_EQ(16 * PAGE, tenant_info(self->fd).pinned_bytes);
	EXPECT_EQ(0, touch(self->p));
	EXPECT_EQ(0, touch(self->p + 16 * PAGE - 1));
	self->p[3] = 9;
	EXPECT_EQ(9, touch(self->p + 3));
}

TEST_F(memory, closed_while_purged)
{
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, write_text(PURGE, "1"));
	ASSERT_EQ(0, bo_close(self->fd, self->bo));
	EXPECT_EQ(-EFAULT, touch(self->p));
	EXPECT_EQ(0, munmap(self->p, 16 * PAGE));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

TEST_F(memory, what_was_exported_keeps_its_pages)
{
	struct drm_prime_handle h = { .handle = self->bo, .flags = DRM_CLOEXEC | DRM_RDWR };

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	close(h.fd);
}

TEST_F(memory, a_purged_buffer_cannot_be_exported)
{
	struct drm_prime_handle h = { .handle = self->bo, .flags = DRM_CLOEXEC | DRM_RDWR };

	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(-EINVAL, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
}

TEST_F(memory, jobs_and_executors_hold_it)
{
	struct drm_dseek_binding b = { .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE };
	struct drm_dseek_job job = { .bindings = (uintptr_t)&b, .binding_count = 1 };
	struct drm_dseek_completion done = { 0 };
	struct drm_dseek_map map = { 0 };
	struct test_exec e;
	uint32_t queue, tag;
	uint8_t *q;

	ASSERT_EQ(0, exec_attach(&e, TEST_ENGINE, 2));
	ASSERT_EQ(0, program_create(self->fd, &job.program));
	ASSERT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &queue));
	ASSERT_EQ(0, submit(self->fd, queue, &job, 1, NULL));
	ASSERT_EQ(1, exec_next(&e, NULL, 0, &tag, 1, SEC));
	map.tag = tag;
	ASSERT_EQ(0, call(e.fd, DRM_IOCTL_DSEEK_MAP, &map));
	q = mmap(NULL, map.bo_size, PROT_READ, MAP_SHARED, e.fd, (off_t)map.mmap_offset);
	ASSERT_NE(MAP_FAILED, (void *)q);
	EXPECT_EQ(0x5a, touch(q));

	/* a job names it */
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	EXPECT_EQ(-EINVAL, submit(self->fd, queue, &job, 1, NULL));
	/* the executor has it mapped: it is asked to unmap when the job is over */
	done.tag = tag;
	EXPECT_EQ(0, e.retired);
	ASSERT_EQ(0, exec_next(&e, &done, 1, &tag, 0, 0));
	ASSERT_EQ(0, exec_next(&e, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(1, e.retired);
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(q));
	EXPECT_EQ(16 * PAGE, tenant_info(self->fd).pinned_bytes);
	/* and when it has, the pages go */
	munmap(q, map.bo_size);
	ASSERT_EQ(0, write_text(PURGE, "1"));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	EXPECT_EQ(-EFAULT, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(0, submit(self->fd, queue, &job, 1, NULL));
	exec_close(&e);
}

/* Runs in a child that has joined the group: 0, or what went wrong. */
static int over_the_group(void)
{
	char pid[16];
	uint32_t h;
	int fd, r;

	snprintf(pid, sizeof(pid), "%d", getpid());
	r = write_text(GROUP "/cgroup.procs", pid);
	if (r)
		return 1;
	fd = open_node();
	if (fd < 0 || bo_create(fd, 1 << 20, &h))
		return 2;
	if (bo_create(fd, 64 << 20, &h) != -ENOMEM)
		return 3;
	if (tenant_info(fd).pinned_bytes != 1 << 20)
		return 4;
	return bo_create(fd, 1 << 20, &h) ? 5 : 0;
}

TEST(the_memory_cgroup_says_enomem)
{
	int status = -1, i;
	pid_t pid;

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if ((mkdir(GROUP, 0755) && errno != EEXIST) || write_text(GROUP "/memory.max", "33554432"))
		SKIP(return, "no memory cgroup to set up");
	write_text(GROUP "/memory.swap.max", "0");
	pid = fork();
	if (!pid)
		_exit(over_the_group());
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status) { TH_LOG("step %d failed, or signal %d", WEXITSTATUS(status), WTERMSIG(status)); }
	for (i = 0; i < 50 && rmdir(GROUP); i++)
		sleep_ns(20 * MS);
}

TEST_HARNESS_MAIN
