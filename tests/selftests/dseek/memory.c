// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Memory that can be taken back, and memory that is not there: DONTNEED, the memory cgroup. */
#include "kselftest_harness.h"
#include "dseek_admin.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define PAGE	4096ULL
#define PURGE	"/sys/kernel/debug/dseek/purge"
#define GROUP	"/dseek-memory"

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

static uint64_t purgeable_pages(void)
{
	const char *at = strstr(get("/sys/kernel/debug/dseek", "counters"), "purgeable_pages ");

	return at ? strtoull(at + strlen("purgeable_pages "), NULL, 10) : UINT64_MAX;
}

NEEDS(!access(PURGE, W_OK), "no debugfs, or not root")

FIXTURE(memory) {
	int fd;
	uint32_t bo, retained;
	uint8_t *p;
};

FIXTURE_SETUP(memory)
{
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
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	EXPECT_EQ(16 * PAGE, tenant_info(self->fd).pinned_bytes);
}

TEST_F(memory, purged_and_made_whole_again)
{
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write(PURGE, "1"));
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

static atomic_int faulted = -1;

/* Pages go out of the page tables, and in again, until somebody says -1. */
static void *fault_on(void *p)
{
	int n = 0;

	do {
		madvise(p, 16 * PAGE, MADV_DONTNEED);
		madvise(p, 16 * PAGE, 22 /* MADV_POPULATE_READ */);
	} while (atomic_compare_exchange_strong(&faulted, &n, n + 1) && ++n);
	return NULL;
}

/* A page that is on its way into a page table when its buffer is purged must not be found there afterwards, nor get there. */
TEST_F_TIMEOUT(memory, purged_while_it_is_touched, 120)
{
	pthread_t thread;
	int round, purged = 0, left = 0, i;

	for (round = 0; round < 200; round++) {
		faulted = 0;
		ASSERT_EQ(0, pthread_create(&thread, NULL, fault_on, self->p));
		while (faulted < 2)
			sched_yield();
		ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
		for (i = 0; i < 100 && tenant_info(self->fd).pinned_bytes; i++)
			ASSERT_EQ(0, text_write(PURGE, "1"));
		faulted = -1;
		pthread_join(thread, NULL);
		purged += !tenant_info(self->fd).pinned_bytes;
		ASSERT_EQ(0, text_write(PURGE, "1"));
		EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
		for (i = 0; i < 16; i++)
			left += touch(self->p + i * PAGE) != -EFAULT;
		ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	}
	TH_LOG("%d of %d while it was touched", purged, round);
	EXPECT_EQ(0, left);
	EXPECT_LT(0, purged);
}

TEST_F(memory, no_room_to_be_made_whole_again)
{
	unsigned int limit = 0;
	uint32_t other, more;

	ASSERT_EQ(0, parameter_set("pinned_limit_mb", 1, &limit));
	close(self->fd);
	munmap(self->p, 16 * PAGE);
	self->fd = open_node();
	EXPECT_EQ(1 << 20, tenant_info(self->fd).pinned_limit);
	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &self->bo));
	self->p = bo_map(self->fd, self->bo);
	ASSERT_NE(MAP_FAILED, (void *)self->p);
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write(PURGE, "1"));
	ASSERT_EQ(0, bo_create(self->fd, (1 << 20) - 8 * PAGE, &other));
	EXPECT_EQ(-EDQUOT, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	/* it stays as it was, and so does the account */
	EXPECT_EQ(-EFAULT, touch(self->p));
	EXPECT_EQ((1 << 20) - 8 * PAGE, tenant_info(self->fd).pinned_bytes);
	EXPECT_EQ(0, bo_create(self->fd, 8 * PAGE, &more));
	EXPECT_EQ(0, parameter_set("pinned_limit_mb", limit, NULL));
	ASSERT_EQ(0, bo_close(self->fd, other));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(0, self->retained);
	EXPECT_EQ(0, touch(self->p));
}

TEST_F(memory, closed_while_purged)
{
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write(PURGE, "1"));
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
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(1, self->retained);
	close(h.fd);
}

/* Neither the owner nor who was given it can say that the other doesn't need it: nor that it could be purged. */
TEST_F(memory, what_was_exported_is_needed)
{
	struct drm_prime_handle h = { .handle = self->bo, .flags = DRM_CLOEXEC | DRM_RDWR };
	struct held_job held = { .binding = { .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE } };
	int other = open_node(), i;

	ASSERT_LE(0, other);
	/* before */
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	EXPECT_EQ(16, purgeable_pages());
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
	EXPECT_EQ(0, purgeable_pages());
	/* and after */
	ASSERT_EQ(0, call(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &h));
	for (i = 0; i < 2; i++) {
		self->retained = 77;
		EXPECT_EQ(0, advise(i ? self->fd : other, i ? self->bo : h.handle, DRM_DSEEK_MADV_DONTNEED, &self->retained));
		EXPECT_EQ(1, self->retained);
	}
	EXPECT_EQ(0, purgeable_pages());
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	hold_job(_metadata, self->fd, &held);
	exec_close(&held.exec);
	close(other);
	close(h.fd);
}

TEST_F(memory, a_purged_buffer_cannot_be_exported)
{
	struct drm_prime_handle h = { .handle = self->bo, .flags = DRM_CLOEXEC | DRM_RDWR };

	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(-EINVAL, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
}

/* The kernel's own way to it: the shrinker, that has nothing, something that may not go, and something that may. */
TEST_F(memory, the_kernel_asks_for_it)
{
	struct drm_prime_handle h = { .flags = DRM_CLOEXEC | DRM_RDWR };
	uint32_t other;
	uint8_t *p;

	ASSERT_EQ(0, text_write("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(0x5a, touch(self->p));
	ASSERT_EQ(0, bo_create(self->fd, PAGE, &other));
	p = bo_map(self->fd, other);
	ASSERT_NE(MAP_FAILED, (void *)p);
	*p = 0x33;
	h.handle = other;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
	ASSERT_EQ(0, advise(self->fd, other, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(0x33, touch(p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(-EFAULT, touch(self->p));
	EXPECT_EQ(0x33, touch(p));
	close(h.fd);
}

/* Closed while it may go: it no longer counts as what could. */
TEST_F(memory, closed_while_not_needed)
{
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	munmap(self->p, 16 * PAGE);
	EXPECT_EQ(0, bo_close(self->fd, self->bo));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	self->p = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST_F(memory, jobs_and_executors_hold_it)
{
	struct held_job h = { .binding = { .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE } };
	uint32_t tag;
	uint8_t *q;

	hold_job(_metadata, self->fd, &h);
	q = mmap(NULL, h.map.bo_size, PROT_READ, MAP_SHARED, h.exec.fd, (off_t)h.map.mmap_offset);
	ASSERT_NE(MAP_FAILED, (void *)q);
	EXPECT_EQ(0x5a, touch(q));

	/* a job names it */
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(self->p));
	EXPECT_EQ(-EINVAL, submit(self->fd, h.queue, &h.job, 1, NULL));
	/* the executor has it mapped: it is asked to unmap when the job is over */
	EXPECT_EQ(0, h.exec.retired);
	ASSERT_EQ(0, exec_next(&h.exec, &h.done, 1, &tag, 0, 0));
	ASSERT_EQ(0, exec_next(&h.exec, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(1, h.exec.retired);
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0x5a, touch(q));
	EXPECT_EQ(16 * PAGE, tenant_info(self->fd).pinned_bytes);
	/* and when it has, the pages go */
	munmap(q, h.map.bo_size);
	ASSERT_EQ(0, text_write(PURGE, "1"));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	EXPECT_EQ(-EFAULT, touch(self->p));
	ASSERT_EQ(0, advise(self->fd, self->bo, DRM_DSEEK_MADV_WILLNEED, &self->retained));
	EXPECT_EQ(0, submit(self->fd, h.queue, &h.job, 1, NULL));
	exec_close(&h.exec);
}

#define NAMED	(20 * DRM_DSEEK_MAX_BINDINGS)

/* More than the kernel asks for at once may not go: what may does, behind them. */
TEST_F(memory, what_may_go_among_much_that_may_not)
{
	struct held_job h = { .binding = { .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE } };
	struct drm_dseek_binding bindings[DRM_DSEEK_MAX_BINDINGS];
	struct drm_dseek_job wide;
	uint32_t i, n, bos[NAMED];

	hold_job(_metadata, self->fd, &h);
	wide = h.job;
	wide.bindings = (uintptr_t)bindings;
	wide.binding_count = DRM_DSEEK_MAX_BINDINGS;
	for (i = 0; i < NAMED; i++) {
		n = i % DRM_DSEEK_MAX_BINDINGS;
		ASSERT_EQ(0, bo_create(self->fd, PAGE, &bos[i]));
		bindings[n] = (struct drm_dseek_binding){ .handle = bos[i], .access = DRM_DSEEK_ACCESS_READ, .size = PAGE };
		if (n == DRM_DSEEK_MAX_BINDINGS - 1)
			ASSERT_EQ(0, submit(self->fd, h.queue, &wide, 1, NULL));
	}
	for (i = 0; i < NAMED; i++)
		ASSERT_EQ(0, advise(self->fd, bos[i], DRM_DSEEK_MADV_DONTNEED, &self->retained));
	ASSERT_EQ(0, bo_create(self->fd, 3 * PAGE, &n));
	ASSERT_EQ(0, advise(self->fd, n, DRM_DSEEK_MADV_DONTNEED, &self->retained));
	EXPECT_EQ(NAMED + 3, purgeable_pages());
	ASSERT_EQ(0, text_write("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(NAMED, purgeable_pages());
	exec_close(&h.exec);
}

#define LARGE	(32ULL << 20)

/* How long a call takes that lets go of a large buffer: GEM_CLOSE, or the NEXT by which a job comes back whose tenant has closed it. */
static uint64_t letting_go_ns(struct __test_metadata *_metadata, int fd, struct held_job *h, bool by_next)
{
	struct drm_dseek_completion c = { 0 };
	uint64_t began, took;
	uint32_t tag;
	int i, r;

	ASSERT_EQ(0, bo_create(fd, LARGE, &h->binding.handle));
	if (by_next) {
		ASSERT_EQ(0, submit(fd, h->queue, &h->job, 1, NULL));
		ASSERT_EQ(1, exec_next(&h->exec, NULL, 0, &c.tag, 1, SEC));
		ASSERT_EQ(0, bo_close(fd, h->binding.handle));
	}
	began = now_ns();
	r = by_next ? exec_next(&h->exec, &c, 1, &tag, 0, 0) : bo_close(fd, h->binding.handle);
	took = now_ns() - began;
	ASSERT_EQ(0, r);
	for (i = 0; i < 1000 && tenant_info(fd).pinned_bytes >= LARGE; i++)
		sleep_ns(10 * MS);
	EXPECT_GT(LARGE, tenant_info(fd).pinned_bytes);
	return took;
}

/* An executor has jobs to run: what it takes to clear a buffer that a job had last is not its time. */
TEST_F_TIMEOUT(memory, an_executor_does_not_wait_for_what_a_job_had_last, 120)
{
	struct held_job h = { .binding = { .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = PAGE } };
	uint64_t next = UINT64_MAX, close = UINT64_MAX, took;
	uint32_t tag;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one CPU: who clears may go first");
	hold_job(_metadata, self->fd, &h);
	ASSERT_EQ(0, exec_next(&h.exec, &h.done, 1, &tag, 0, 0));
	for (i = 0; i < 5; i++) {
		took = letting_go_ns(_metadata, self->fd, &h, false);
		close = took < close ? took : close;
		took = letting_go_ns(_metadata, self->fd, &h, true);
		next = took < next ? took : next;
	}
	TH_LOG("GEM_CLOSE %llu us, NEXT %llu us", (unsigned long long)close / 1000, (unsigned long long)next / 1000);
	EXPECT_LT(next, close / 2);
	exec_close(&h.exec);
}

/*
 * Each kind of thing until 64 MiB of them are there, in a memory cgroup of 16 MiB: -ENOMEM, however small they are; and
 * never the OOM killer, not even for what the process does next.
 */
FIXTURE(memcg) {
	bool limited;
	struct test_exec e;
};

FIXTURE_VARIANT(memcg) {
	uint64_t size;
	int (*make)(int fd, uint32_t engine, uint64_t size);
};

static int make_bo(int fd, uint32_t engine, uint64_t size)
{
	uint32_t h;

	return bo_create(fd, size, &h);
}

static int make_program(int fd, uint32_t engine, uint64_t size)
{
	static uint8_t blob[1 << 20];
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)blob, .size = (uint32_t)size };

	return call(fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);
}

static int make_queue(int fd, uint32_t engine, uint64_t size)
{
	uint32_t q;

	return queue_create(fd, engine, DRM_DSEEK_CLASS_BATCH, 1, &q);
}

FIXTURE_VARIANT_ADD(memcg, bo_64m) { 64 << 20, make_bo };
FIXTURE_VARIANT_ADD(memcg, bo_1m) { 1 << 20, make_bo };
FIXTURE_VARIANT_ADD(memcg, bo_64k) { 64 << 10, make_bo };
FIXTURE_VARIANT_ADD(memcg, bo_4k) { 4 << 10, make_bo };
FIXTURE_VARIANT_ADD(memcg, program_1m) { 1 << 20, make_program };
FIXTURE_VARIANT_ADD(memcg, program_4k) { 4 << 10, make_program };
FIXTURE_VARIANT_ADD(memcg, queue) { 4 << 10, make_queue };

FIXTURE_SETUP(memcg)
{
	text_write(CGROUPS "/cgroup.subtree_control", "+memory");
	ASSERT_EQ(0, cgroup_make(GROUP));
	self->limited = !set(CGROUPS GROUP, "memory.max", "16777216");
	if (!self->limited)	/* the test says so */
		return;
	set(CGROUPS GROUP, "memory.swap.max", "0");
	ASSERT_EQ(0, policy_add("cgroup:" GROUP));
	ASSERT_EQ(0, set(ALL "/cgroup" GROUP, "pinned_limit", "max"));
	ASSERT_EQ(0, set(ALL "/cgroup" GROUP, "program_limit", "max"));
	ASSERT_EQ(0, set(ALL "/cgroup" GROUP, "queue_limit", "max"));
	ASSERT_EQ(0, exec_attach(&self->e, TEST_ENGINE, 2));
}

FIXTURE_TEARDOWN(memcg)
{
	if (self->limited)
		exec_close(&self->e);
	cgroup_unmake(GROUP);
	if (self->limited)
		EXPECT_EQ(0, policy_remove("cgroup:" GROUP));
}

static bool killed_nobody(void)
{
	return !!strstr(get(CGROUPS GROUP, "memory.events"), "oom_kill 0");
}

/* 0, or the step that went wrong. */
static int until_full(int (*make)(int fd, uint32_t engine, uint64_t size), uint32_t engine, uint64_t size)
{
	uint64_t n = (64 << 20) / size, i;
	int fd, r = 0, refused = 0, times = n < 3 ? (int)n : 3;
	char *own;

	fd = cgroup_join(GROUP) ? -1 : open_node();
	if (fd < 0)
		return 1;
	for (i = 0; i < n && refused < times; i++) {
		r = make(fd, engine, size);
		if (r && r != -ENOMEM)
			return 2;
		refused += !!r;
	}
	if (refused < times)
		return 3;
	own = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return 4;
	own[0] = 1;
	return close(fd) ? 5 : 0;
}

TEST_F_TIMEOUT(memcg, enomem_and_no_oom_kill, 120)
{
	int status = -1;
	pid_t pid;

	if (!self->limited)
		SKIP(return, "no memory cgroups in this kernel");
	pid = fork();
	if (!pid)
		_exit(until_full(variant->make, self->e.engine, variant->size));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status) { TH_LOG("step %d failed, or signal %d", WEXITSTATUS(status), WTERMSIG(status)); }
	EXPECT_EQ(true, killed_nobody()) { TH_LOG("%s", get(CGROUPS GROUP, "memory.events")); }
	EXPECT_EQ(true, soon_holds_nothing(ALL "/cgroup" GROUP));
}

static int make_whole(uint32_t *retained)
{
	uint32_t big, h;
	int fd = cgroup_join(GROUP) ? -1 : open_node();

	if (fd < 0 || bo_create(fd, 12 << 20, &big) || advise(fd, big, DRM_DSEEK_MADV_DONTNEED, retained) ||
	    text_write(PURGE, "1"))
		return 1;
	if (bo_create(fd, 6 << 20, &h))
		return 2;
	if (advise(fd, big, DRM_DSEEK_MADV_WILLNEED, retained) != -ENOMEM)
		return 3;
	/* the pages that could be had are given back: there is room for as much again */
	if (bo_create(fd, 6 << 20, &h))
		return 4;
	return tenant_info(fd).pinned_bytes == 12 << 20 ? 0 : 5;
}

TEST(no_room_to_make_it_whole)
{
	uint32_t retained;
	int status = -1;
	pid_t pid;

	text_write(CGROUPS "/cgroup.subtree_control", "+memory");
	ASSERT_EQ(0, cgroup_make(GROUP));
	ASSERT_EQ(0, set(CGROUPS GROUP, "memory.max", "16777216"));
	pid = fork();
	if (!pid)
		_exit(make_whole(&retained));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status) { TH_LOG("step %d failed, or signal %d", WEXITSTATUS(status), WTERMSIG(status)); }
	EXPECT_EQ(true, killed_nobody());
	cgroup_unmake(GROUP);
}

TEST_HARNESS_MAIN
