// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Buffers: creation, mapping, quota, and what a tenant must not do to pinned pages. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <elf.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE	4096ULL

FIXTURE(bo) {
	int fd;
};

FIXTURE_SETUP(bo)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bo)
{
	close(self->fd);
}

TEST_F(bo, create_is_zeroed_and_counted)
{
	struct drm_dseek_bo_create c = { .size = 3 * PAGE + 1, .numa_node = -1 };
	struct drm_dseek_bo_info i;
	uint64_t *p;
	size_t n;

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	EXPECT_EQ(4 * PAGE, c.size);
	EXPECT_NE(0, c.handle);
	EXPECT_EQ(4 * PAGE, tenant_info(self->fd).pinned_bytes);
	ASSERT_EQ(0, bo_info(self->fd, c.handle, &i));
	EXPECT_EQ(4 * PAGE, i.size);
	EXPECT_EQ(0, i.flags);
	EXPECT_NE(0, i.id);
	p = bo_map(self->fd, c.handle);
	ASSERT_NE(MAP_FAILED, (void *)p);
	for (n = 0; n < 4 * PAGE / 8; n++)
		if (p[n])
			break;
	EXPECT_EQ(4 * PAGE / 8, n);
	munmap(p, 4 * PAGE);
	EXPECT_EQ(0, bo_close(self->fd, c.handle));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

TEST_F(bo, huge_is_a_hint)
{
	struct drm_dseek_bo_create c = { .size = 4 << 20, .flags = DRM_DSEEK_BO_HUGE, .numa_node = -1 };
	uint8_t *p;

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	p = bo_map(self->fd, c.handle);
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x5a, 4 << 20);
	EXPECT_EQ(0x5a, p[(4 << 20) - 1]);
	munmap(p, 4 << 20);
	c = (struct drm_dseek_bo_create){ .size = PAGE, .flags = DRM_DSEEK_BO_HUGE, .numa_node = 0 };
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
}

/* Of the page at @p, which was touched. */
static int node_of(void *p)
{
	int node = -1;

	syscall(SYS_move_pages, 0, 1UL, &p, NULL, &node, 0);
	return node;
}

TEST_F(bo, pages_come_from_the_node_asked_for)
{
	struct drm_dseek_bo_create c;
	uint8_t *p;
	int node, huge, i;

	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "this machine has one NUMA node");
	for (i = 0; i < 4; i++) {
		node = i & 1;
		huge = i >> 1;
		c = (struct drm_dseek_bo_create){ .size = 4 << 20, .flags = huge ? DRM_DSEEK_BO_HUGE : 0, .numa_node = node };
		ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
		p = bo_map(self->fd, c.handle);
		ASSERT_NE(MAP_FAILED, (void *)p);
		p[0] = p[(4 << 20) - 1] = 1;
		EXPECT_EQ(node, node_of(p)) { TH_LOG("huge %d", huge); }
		EXPECT_EQ(node, node_of(p + (4 << 20) - PAGE)) { TH_LOG("huge %d", huge); }
		munmap(p, 4 << 20);
		bo_close(self->fd, c.handle);
	}
	/* and without a wish, from where the task's policy says */
	for (node = 0; node < 2; node++) {
		unsigned long mask = 1UL << node;

		ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)));
		c = (struct drm_dseek_bo_create){ .size = 1 << 20, .numa_node = -1 };
		ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
		syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0UL);
		p = bo_map(self->fd, c.handle);
		ASSERT_NE(MAP_FAILED, (void *)p);
		p[0] = 1;
		EXPECT_EQ(node, node_of(p));
		munmap(p, 1 << 20);
		bo_close(self->fd, c.handle);
	}
}

/* Where in /proc/kcore a page frame is; -1: nowhere. */
static off_t kcore_offset(int fd, uint64_t pfn)
{
	Elf64_Ehdr e;
	Elf64_Phdr h;
	int i;

	if (pread(fd, &e, sizeof(e), 0) != sizeof(e))
		return -1;
	for (i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &h, sizeof(h), (off_t)(e.e_phoff + (uint64_t)i * sizeof(h))) != sizeof(h))
			return -1;
		if (h.p_type == PT_LOAD && h.p_paddr != (uint64_t)-1 && pfn * PAGE >= h.p_paddr &&
		    pfn * PAGE < h.p_paddr + h.p_filesz)
			return (off_t)(h.p_offset + pfn * PAGE - h.p_paddr);
	}
	return -1;
}

/* The first page frame of a buffer, by debugfs. */
static uint64_t pfn_of(uint64_t id)
{
	FILE *f = fopen("/sys/kernel/debug/dseek/bos", "r");
	unsigned long long found = 0, pfn = 0;
	char line[256], *at;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "id %llu", &found) == 1 && found == id && (at = strstr(line, "first_pfn ")))
			sscanf(at, "first_pfn %llx", &pfn);
	if (f)
		fclose(f);
	return pfn;
}

TEST_F(bo, pages_are_cleared_when_they_are_let_go)
{
	static const char secret[] = "what a tenant wrote";
	char seen[sizeof(secret)] = "";
	struct drm_dseek_bo_info info;
	int core = open("/proc/kcore", O_RDONLY), i;
	uint32_t h = 0;
	uint64_t pfn;
	uint8_t *p;
	off_t at;

	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &h));
	ASSERT_EQ(0, bo_info(self->fd, h, &info));
	pfn = pfn_of(info.id);
	if (core < 0 || !pfn)
		SKIP(return, "no /proc/kcore or debugfs, or not root");
	at = kcore_offset(core, pfn);
	ASSERT_LE(0, at);
	p = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, (void *)p);
	for (i = 0; i < 16; i++)
		memcpy(p + i * PAGE, secret, sizeof(secret));
	ASSERT_EQ(sizeof(seen), pread(core, seen, sizeof(seen), at));
	EXPECT_STREQ(secret, seen);
	munmap(p, 16 * PAGE);
	ASSERT_EQ(0, bo_close(self->fd, h));
	ASSERT_EQ(sizeof(seen), pread(core, seen, sizeof(seen), at));
	EXPECT_STRNE(secret, seen);
	close(core);
}

#define PINNED	1024	/* references from which on the kernel takes a page for one that a device may have */

/* What becomes of a secret that @count pipes' places refer to when its buffer is let go: 1 it is there, 0 it isn't, or -errno. */
static int secret_after(int fd, uint32_t count)
{
	static const char secret[] = "what a tenant wrote";
	struct iovec iov = { .iov_len = sizeof(secret) };
	char seen[sizeof(secret)] = "";
	uint32_t h, slots = 0;
	int pipes[2], first = -1;

	if (bo_create(fd, PAGE, &h))
		return -ENOMEM;
	iov.iov_base = bo_map(fd, h);
	if (iov.iov_base == MAP_FAILED)
		return -ENOMEM;
	memcpy(iov.iov_base, secret, sizeof(secret));
	for (; count; count--, slots--) {
		if (!slots) {	/* ends stay open until the process ends */
			if (pipe(pipes) || fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20) < 0)
				return -errno;
			first = first < 0 ? pipes[0] : first;
			slots = (1 << 20) / PAGE;
		}
		if (vmsplice(pipes[1], &iov, 1, 0) != sizeof(secret))
			return -errno;
	}
	munmap(iov.iov_base, PAGE);
	bo_close(fd, h);
	if (read(first, seen, sizeof(seen)) != sizeof(seen))
		return -errno;
	return !memcmp(seen, secret, sizeof(secret));
}

TEST_F(bo, pages_that_a_device_may_have_are_left_to_it)
{
	int r;

	EXPECT_EQ(0, secret_after(self->fd, 1));
	r = secret_after(self->fd, PINNED + 1);
	if (r == -EPERM)
		SKIP(return, "not root: a user may not have as many places in pipes");
	EXPECT_EQ(1, r);
}

/* As ibv_reg_mr does, for as long as it likes: from wherever in the machine's memory the pages are. */
TEST_F(bo, its_pages_can_be_pinned_for_long)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { .iov_len = 16 << 20 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	uint32_t h = 0;
	int r;

	if (ring < 0)
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, bo_create(self->fd, iov.iov_len, &h));
	iov.iov_base = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, iov.iov_base);
	r = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1) ? errno : 0;
	if (r == EOPNOTSUPP)
		SKIP(return, "this kernel's io_uring has no use for files' pages");
	EXPECT_EQ(0, r);
	close(ring);
}

TEST_F(bo, create_refusals)
{
	struct drm_dseek_bo_create c = { .size = PAGE, .numa_node = -1 };

	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, size = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, flags = 1 << 4);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, flags = 1u << 31);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, pad = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, numa_node = -2);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, numa_node = 100000);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, size = UINT64_MAX);
	REFUSE(EDQUOT, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, size = 1ULL << 40);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, NULL));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

TEST_F(bo, info_refusals)
{
	struct drm_dseek_bo_info i = { 0 };

	ASSERT_EQ(0, bo_create(self->fd, PAGE, &i.handle));
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_BO_INFO, i, handle = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_BO_INFO, i, handle = 12345);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_INFO, i, flags = 1);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_BO_INFO, NULL));
}

TEST_F(bo, madvise)
{
	struct drm_dseek_bo_madvise m = { .advice = DRM_DSEEK_MADV_WILLNEED };

	ASSERT_EQ(0, bo_create(self->fd, PAGE, &m.handle));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m));
	EXPECT_EQ(1, m.retained);
	m.advice = DRM_DSEEK_MADV_DONTNEED;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m));
	m.advice = DRM_DSEEK_MADV_WILLNEED;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m));
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, m, handle = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, m, advice = DRM_DSEEK_MADV_COUNT);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, m, pad = 1);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, NULL));
}

TEST_F(bo, close_unknown)
{
	EXPECT_GT(0, bo_close(self->fd, 4711));
}

TEST_F(bo, map_whole_part_and_beyond)
{
	struct drm_dseek_bo_info i;
	uint32_t h = 0;
	uint8_t *p, *q;

	ASSERT_EQ(0, bo_create(self->fd, 4 * PAGE, &h));
	ASSERT_EQ(0, bo_info(self->fd, h, &i));
	p = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, (void *)p);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, (off_t)(i.mmap_offset + 2 * PAGE));
	ASSERT_NE(MAP_FAILED, (void *)q);
	p[2 * PAGE + 5] = 77;
	EXPECT_EQ(77, q[5]);
	q[6] = 78;
	EXPECT_EQ(78, p[2 * PAGE + 6]);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)i.mmap_offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(i.mmap_offset + 3 * PAGE)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	/* a private copy would be neither zero copy nor shared with the executor */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, (off_t)i.mmap_offset));
}

TEST_F(bo, partial_unmap_and_close_keep_the_rest)
{
	uint32_t h = 0;
	uint8_t *p;

	ASSERT_EQ(0, bo_create(self->fd, 4 * PAGE, &h));
	p = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x11, 4 * PAGE);
	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	ASSERT_EQ(0, bo_close(self->fd, h));
	EXPECT_EQ(0x11, p[0]);
	EXPECT_EQ(0x11, p[4 * PAGE - 1]);
	/* memory that is still mapped is still charged */
	EXPECT_EQ(4 * PAGE, tenant_info(self->fd).pinned_bytes);
	munmap(p, PAGE);
	munmap(p + 2 * PAGE, 2 * PAGE);
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

TEST_F(bo, fork_shares)
{
	uint32_t h = 0;
	uint8_t *p;
	int status;
	pid_t pid;

	ASSERT_EQ(0, bo_create(self->fd, PAGE, &h));
	p = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p[0] = 1;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		p[1] = p[0] + 1;
		_exit(p[0] == 1 ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, p[1]);
}

TEST_F(bo, holes_and_growth_are_refused)
{
	uint32_t h = 0;
	uint8_t *p;

	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &h));
	p = bo_map(self->fd, h);
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x22, 16 * PAGE);
	madvise(p + PAGE, PAGE, MADV_REMOVE);
	EXPECT_EQ(0x22, p[PAGE]);
	madvise(p + PAGE, PAGE, MADV_DONTNEED);
	EXPECT_EQ(0x22, p[PAGE]);
	EXPECT_EQ(MAP_FAILED, mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(0x22, p[16 * PAGE - 1]);
}

TEST_F(bo, another_file_cannot_map_it)
{
	struct drm_dseek_bo_info i;
	int other = open_node();
	uint32_t h = 0;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, bo_create(self->fd, PAGE, &h));
	ASSERT_EQ(0, bo_info(self->fd, h, &i));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, (off_t)i.mmap_offset));
	EXPECT_EQ(EACCES, errno);
	close(other);
}

TEST_F(bo, quota)
{
	uint64_t limit = tenant_info(self->fd).pinned_limit;
	struct drm_dseek_tenant_info t;
	uint32_t h = 0;

	EXPECT_EQ(-EDQUOT, bo_create(self->fd, limit + PAGE, &h));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &h));
	EXPECT_EQ(-EDQUOT, bo_create(self->fd, limit, &h));
	t = tenant_info(self->fd);
	EXPECT_EQ(16 * PAGE, t.pinned_bytes);
}

TEST_F(bo, files_of_a_tenant_share_its_account)
{
	int other = open_node();
	uint32_t h = 0;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, bo_create(other, 2 * PAGE, &h));
	EXPECT_EQ(2 * PAGE, tenant_info(self->fd).pinned_bytes);
	close(other);
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

TEST_F(bo, memlock_limit_of_a_user)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		uint32_t h;
		int fd, r;

		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresgid(1001, 1001, 1001) || setresuid(1001, 1001, 1001))
			_exit(1);
		fd = open_node();
		if (fd < 0)
			_exit(2);
		r = bo_create(fd, 4 << 20, &h);
		if (r != -ENOMEM)
			_exit(3);
		if (tenant_info(fd).pinned_bytes)
			_exit(4);
		if (bo_create(fd, 512 << 10, &h))
			_exit(5);
		if (bo_close(fd, h) || bo_create(fd, 1 << 20, &h))
			_exit(6);	/* what was closed counts no more */
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_TRUE(WIFEXITED(status));
}

TEST_HARNESS_MAIN
