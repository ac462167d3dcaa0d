// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Buffers in an engine's own memory: the executor gives it, here by udmabuf or vgem, and is told to free it. What a tenant may do with such a buffer,
 * who pays for it, and what becomes of it when the tenant or the executor goes, at each step of its making.
 */
#include "kselftest_harness.h"
#include "dseek_admin.h"
#include "dseek_dmabuf.h"
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define PAGE	4096ULL
#define SIZE	(4 * PAGE)
#define UID0	ALL "/uid/0"
#define ENGINE	"device0"
#define OTHER	"device1"
#define ENGINES	ADMIN "engines/"

/* ---- a tenant's thread that creates a buffer, while the test is the executor */

struct making {
	pthread_t thread;
	int fd, r;
	struct drm_dseek_bo_create args;
};

static void *make_thread(void *arg)
{
	struct making *m = arg;

	m->r = call(m->fd, DRM_IOCTL_DSEEK_BO_CREATE, &m->args);
	return NULL;
}

static struct drm_dseek_bo_create device_bo(uint32_t engine)
{
	return (struct drm_dseek_bo_create){ .size = SIZE, .flags = DRM_DSEEK_BO_DEVICE, .numa_node = -1, .engine = engine };
}

static int make_begin(struct making *m, int fd, uint32_t engine)
{
	*m = (struct making){ .fd = fd, .args = device_bo(engine) };
	return -pthread_create(&m->thread, NULL, make_thread, m);
}

static int make_end(struct making *m)
{
	pthread_join(m->thread, NULL);
	return m->r;
}

/* The executor is told of one request, within a second; 0: it isn't. */
static uint64_t told_within(struct test_exec *e, uint64_t ns)
{
	struct drm_dseek_memory_request request = { 0 };
	uint64_t retired[4];
	struct drm_dseek_next n = { .tag_max = 1, .retired = (uintptr_t)retired, .retired_max = 4, .requests = (uintptr_t)&request,
				    .request_max = 1, .deadline_ns = now_ns() + ns };
	uint32_t tag;

	n.tags = (uintptr_t)&tag;
	do {
		if (call(e->fd, DRM_IOCTL_DSEEK_NEXT, &n) || n.request_count || n.tag_count)
			break;
	} while (now_ns() < n.deadline_ns);
	return n.request_count && request.size == SIZE && request.tenant_id ? request.bo_id : 0;
}

static uint64_t told(struct test_exec *e)
{
	return told_within(e, 5 * SEC);
}

static int answer(struct test_exec *e, uint64_t bo_id, int error, int fd)
{
	struct drm_dseek_memory m = { .bo_id = bo_id, .error = error, .fd = fd };

	return call(e->fd, DRM_IOCTL_DSEEK_MEMORY, &m);
}

/* The id that is to be freed, within a time; 0: none is. */
static uint64_t freed_within(struct test_exec *e, uint64_t ns)
{
	uint64_t retired = 0;
	struct drm_dseek_next n = { .retired = (uintptr_t)&retired, .retired_max = 1, .tag_max = 1, .deadline_ns = now_ns() + ns };
	uint32_t tag;

	n.tags = (uintptr_t)&tag;
	if (call(e->fd, DRM_IOCTL_DSEEK_NEXT, &n) || n.retired_count != 1)
		return 0;
	return retired;
}

static uint64_t freed(struct test_exec *e)
{
	return freed_within(e, 5 * SEC);
}

/* *ret_mem: the memory itself; -1 where there is no udmabuf, but vgem. */
static int dmabuf_of(size_t size, int *ret_mem)
{
	int mem, exporter = -1, fd = udmabuf_of(size, &mem);

	if (fd == -ENODEV)
		fd = vgem_of(size, &exporter);
	if (exporter >= 0)
		close(exporter);
	if (ret_mem)
		*ret_mem = mem;
	else if (mem >= 0)
		close(mem);
	return fd;
}

static uint64_t device_bytes(int fd)
{
	return tenant_info(fd).device_bytes;
}

/* Given back soon, as a killed process' things are. */
static int soon_uncharged(int fd)
{
	int i;

	for (i = 0; i < 250 && device_bytes(fd); i++)
		sleep_ns(20 * MS);
	return !device_bytes(fd);
}

FIXTURE(device) {
	int fd, mem;			/* mem: the executor's, of the last buffer */
	struct test_exec exec;
	uint64_t id;			/* of the last buffer */
	uint32_t queue, program, handle;
	struct drm_dseek_binding binding;
	struct drm_dseek_job job;
};

FIXTURE_SETUP(device)
{
	memset(self, 0, sizeof(*self));
	self->mem = -1;
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_attach_flags(&self->exec, ENGINE, 4, DRM_DSEEK_ATTACH_MEMORY));
	ASSERT_EQ(0, program_create(self->fd, &self->program));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	self->binding = (struct drm_dseek_binding){ .access = DRM_DSEEK_ACCESS_WRITE, .size = SIZE };
	self->job = (struct drm_dseek_job){ .program = self->program, .bindings = (uintptr_t)&self->binding, .binding_count = 1 };
}

FIXTURE_TEARDOWN(device)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->exec.fd >= 0)
		exec_close(&self->exec);
	if (self->mem >= 0)
		close(self->mem);
	self->fd = open_node();
	EXPECT_EQ(1, soon_uncharged(self->fd));
	close(self->fd);
}

/* A whole buffer. */
static int give(FIXTURE_DATA(device) *self, int exportable)
{
	struct making m;
	int fd = -1, r;

	if (self->mem >= 0)
		close(self->mem);
	self->mem = -1;
	if (exportable) {
		fd = dmabuf_of(SIZE, &self->mem);
		if (fd < 0)
			return fd;
	}
	r = make_begin(&m, self->fd, self->exec.engine);
	if (r)
		return r;
	self->id = told(&self->exec);
	r = answer(&self->exec, self->id, 0, fd);
	if (fd >= 0)
		close(fd);
	r = make_end(&m) ?: r;
	self->handle = self->binding.handle = m.args.handle;
	return r;
}

TEST_F(device, create_refusals)
{
	struct drm_dseek_bo_create c = device_bo(self->exec.engine);
	struct drm_dseek_attach a = exec_attachment("deviceowned", 1);
	struct test_exec plain;
	int fd = exec_open();

	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, flags = DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_HUGE);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, flags = DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_EXPORTABLE);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, flags = DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_LOST);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, numa_node = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, pad = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, pad2 = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, size = 0);
	REFUSE(EDQUOT, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, size = 1ULL << 41);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, engine = 63);
	c.flags = 0;
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, engine = 1);	/* an engine without DEVICE */
	c = device_bo(self->exec.engine);
	ASSERT_EQ(0, exec_attach(&plain, OTHER, 1));
	REFUSE(EOPNOTSUPP, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, engine = plain.engine);
	exec_close(&plain);
	REFUSE(ENODEV, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, engine = plain.engine);
	a.flags = DRM_DSEEK_ATTACH_OWNER | DRM_DSEEK_ATTACH_MEMORY;
	a.owner = 1001;
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	REFUSE(EACCES, self->fd, DRM_IOCTL_DSEEK_BO_CREATE, c, engine = a.engine);
	close(fd);
	EXPECT_EQ(0, device_bytes(self->fd));
	EXPECT_EQ(0, told_within(&self->exec, 0)) { TH_LOG("the executor was asked"); }
}

/* A caller that was built before 1.3 says nothing of engines, and is told nothing of them. */
TEST_F(device, callers_before_1_3)
{
	struct drm_dseek_bo_create c = { .size = SIZE, .numa_node = -1, .engine = 77, .pad2 = 77 };
	struct drm_dseek_bo_info i = { .engine = 77, .pad = 77 };
	struct drm_dseek_next n = { .requests = 0x7777, .request_max = 77, .request_count = 77 };
	unsigned long create = _IOC(_IOC_READ | _IOC_WRITE, 'd', DRM_COMMAND_BASE + DRM_DSEEK_BO_CREATE, sizeof(c) - 8);
	unsigned long info = _IOC(_IOC_READ | _IOC_WRITE, 'd', DRM_COMMAND_BASE + DRM_DSEEK_BO_INFO, sizeof(i) - 8);

	ASSERT_EQ(0, call(self->fd, create, &c));
	EXPECT_EQ(77, c.engine);
	i.handle = c.handle;
	ASSERT_EQ(0, call(self->fd, info, &i));
	EXPECT_EQ(SIZE, i.size);
	EXPECT_EQ(77, i.engine);
	EXPECT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT_1_0, &n));
	EXPECT_EQ(77, n.request_count);
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT_1_0, NULL));
}

TEST_F(device, engines_say_who_gives_memory)
{
	struct drm_dseek_engine_info e = { 0 };
	struct drm_dseek_device_info d = { 0 };

	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_DEVICE, 0, &d, sizeof(d)));
	EXPECT_EQ(DRM_DSEEK_FEATURE_MEMORY, d.features & DRM_DSEEK_FEATURE_MEMORY);
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->exec.engine, &e, sizeof(e)));
	EXPECT_EQ(DRM_DSEEK_ENGINE_MEMORY, e.flags & DRM_DSEEK_ENGINE_MEMORY);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->exec.engine, &e, sizeof(e)));
	EXPECT_EQ(0, e.flags & DRM_DSEEK_ENGINE_MEMORY);
}

TEST_F(device, its_mapping_is_the_engines_memory)
{
	struct drm_dseek_bo_info i;
	struct stat mine, theirs;
	uint8_t *tenant, *engine;
	uint32_t again;
	int fd, fd2;

	ASSERT_EQ(0, give(self, 1));
	ASSERT_EQ(0, bo_info(self->fd, self->handle, &i));
	EXPECT_EQ(DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_EXPORTABLE, i.flags);
	EXPECT_EQ(self->exec.engine, i.engine);
	EXPECT_EQ(self->id, i.id);
	EXPECT_EQ(SIZE, i.size);
	EXPECT_EQ(SIZE, device_bytes(self->fd));
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	tenant = bo_map(self->fd, self->handle);
	if (self->mem < 0)
		TH_LOG("no udmabuf: the engine's own view of it is not looked at");
	engine = self->mem < 0 ? bo_map(self->fd, self->handle) : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->mem, 0);
	ASSERT_NE(MAP_FAILED, (void *)tenant);
	ASSERT_NE(MAP_FAILED, (void *)engine);
	EXPECT_EQ(0, tenant[SIZE - 1]);
	tenant[SIZE - 1] = 7;
	engine[PAGE] = 8;
	EXPECT_EQ(7, engine[SIZE - 1]);
	EXPECT_EQ(8, tenant[PAGE]);
	munmap(tenant, SIZE);
	munmap(engine, SIZE);
	/* from its start, no more than there is, and by nobody else */
	tenant = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)i.mmap_offset);
	EXPECT_NE(MAP_FAILED, (void *)tenant);
	munmap(tenant, PAGE);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(i.mmap_offset + PAGE)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE + PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)i.mmap_offset));
	fd = open_node();
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, (off_t)i.mmap_offset));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-ENOENT, bo_info(fd, self->handle, &i));
	close(fd);
	/* exported twice it is one dma-buf, and imported again the same handle */
	fd = export_fd(self->fd, self->handle);
	fd2 = export_fd(self->fd, self->handle);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, fd2);
	ASSERT_EQ(0, fstat(fd, &mine));
	ASSERT_EQ(0, fstat(fd2, &theirs));
	EXPECT_EQ(mine.st_ino, theirs.st_ino);
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &(struct drm_prime_handle){ .fd = fd }));
	again = bo_info(self->fd, self->handle, &i);
	EXPECT_EQ(0, again);
	EXPECT_EQ(self->id, i.id);
	close(fd);
	close(fd2);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, ((struct drm_dseek_bo_madvise){ .handle = self->handle }), advice = DRM_DSEEK_MADV_DONTNEED);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_BO_INFO, ((struct drm_dseek_bo_info){ .handle = self->handle }), pad = 1);
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(self->id, freed(&self->exec));
	EXPECT_EQ(0, device_bytes(self->fd));
}

TEST_F(device, memory_without_a_dma_buf)
{
	struct drm_dseek_bo_info i;

	ASSERT_EQ(0, give(self, 0));
	ASSERT_EQ(0, bo_info(self->fd, self->handle, &i));
	EXPECT_EQ(DRM_DSEEK_BO_DEVICE, i.flags);
	EXPECT_EQ(MAP_FAILED, bo_map(self->fd, self->handle));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-EOPNOTSUPP, export_fd(self->fd, self->handle));
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(self->id, freed(&self->exec));
}

TEST_F(device, what_the_executor_says_the_tenant_gets)
{
	struct making m;

	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	ASSERT_EQ(0, answer(&self->exec, told(&self->exec), -ENOMEM, -1));
	EXPECT_EQ(-ENOMEM, make_end(&m));
	EXPECT_EQ(0, device_bytes(self->fd));
	EXPECT_EQ(0, freed_within(&self->exec, 0)) { TH_LOG("what was never given is to be freed"); }
}

TEST_F(device, answers_that_are_none)
{
	struct drm_dseek_memory a = { .fd = -1 };
	int fd = dmabuf_of(SIZE, NULL), larger = dmabuf_of(2 * SIZE, NULL), none = exec_open();
	struct test_exec heir;
	struct making m;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, larger);
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	REFUSE(ENOENT, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, bo_id = 1);
	a.bo_id = told(&self->exec);
	ASSERT_NE(0, a.bo_id);
	REFUSE(ENOENT, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, bo_id += 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, flags = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, pad = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, error = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, error = -4096);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, fd = -2);
	REFUSE(EBADF, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, fd = 1000);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, fd = self->fd);	/* no dma-buf */
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, fd = larger);
	a.error = -EIO;
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, a, fd = fd);
	a.error = 0;
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, NULL));
	EXPECT_EQ(-ENOTCONN, call(none, DRM_IOCTL_DSEEK_MEMORY, &a));
	ASSERT_EQ(0, exec_attach_flags(&heir, ENGINE, 1, DRM_DSEEK_ATTACH_STANDBY | DRM_DSEEK_ATTACH_MEMORY));
	EXPECT_EQ(-ENOTCONN, call(heir.fd, DRM_IOCTL_DSEEK_MEMORY, &a));
	exec_close(&heir);
	a.fd = fd;
	EXPECT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, &a)) { TH_LOG("unanswered still"); }
	EXPECT_EQ(-ENOENT, call(self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, &a)) { TH_LOG("twice"); }
	EXPECT_EQ(0, make_end(&m));
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	EXPECT_EQ(-ESTALE, call(self->exec.fd, DRM_IOCTL_DSEEK_MEMORY, &a));
	close(fd);
	close(larger);
	close(none);
}

/* A request that could not be told is told by the next call. */
TEST_F(device, requests_that_cannot_be_written)
{
	struct drm_dseek_next n = { .request_max = 1, .requests = UNMAPPED };
	struct drm_dseek_memory_request *page;
	struct making m;
	uint64_t id;

	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, request_max = DRM_DSEEK_MAX_REQUESTS + 1);
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	while (!call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n))
		sleep_ns(MS);
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, n.request_count);
	/* nor where the call's own structure can't be, though the request could: it is read-only */
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)page);
	n.requests = (uintptr_t)page;
	memcpy((uint8_t *)page + PAGE, &n, sizeof(n));
	ASSERT_EQ(0, mprotect((uint8_t *)page + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, (uint8_t *)page + PAGE));
	EXPECT_NE(0, page->bo_id);
	id = told(&self->exec);
	EXPECT_EQ(page->bo_id, id);
	EXPECT_EQ(0, answer(&self->exec, id, 0, -1));
	EXPECT_EQ(0, make_end(&m));
	munmap(page, 2 * PAGE);
}

TEST_F(device, jobs_of_its_engine_alone_may_name_it)
{
	struct drm_dseek_queue_create c = { .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1 };
	struct drm_dseek_completion done = { 0 };
	struct drm_dseek_map map = { 0 };
	struct test_exec other;
	uint64_t seqno;
	int error = 1;

	ASSERT_EQ(0, exec_attach_flags(&other, OTHER, 4, DRM_DSEEK_ATTACH_MEMORY));
	ASSERT_EQ(0, give(self, 1));
	c.engine = other.engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	EXPECT_EQ(-EXDEV, submit(self->fd, c.handle, &self->job, 1, NULL));
	c.engines = 1ULL << other.engine | 1ULL << self->exec.engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	EXPECT_EQ(-EXDEV, submit(self->fd, c.handle, &self->job, 1, NULL));
	c.engine = self->exec.engine;
	c.engines = 1ULL << self->exec.engine;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	ASSERT_EQ(0, submit(self->fd, c.handle, &self->job, 1, &seqno));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &done.tag, 1, SEC));
	EXPECT_EQ(self->id, self->exec.jobs[done.tag].bindings[0].bo_id);
	EXPECT_EQ(DRM_DSEEK_ACCESS_WRITE | DRM_DSEEK_ACCESS_DEVICE, self->exec.jobs[done.tag].bindings[0].access);
	map.tag = done.tag;
	EXPECT_EQ(-EINVAL, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &map));
	/* the flag is not the tenant's to give */
	self->binding.access |= DRM_DSEEK_ACCESS_DEVICE;
	EXPECT_EQ(-EINVAL, submit(self->fd, c.handle, &self->job, 1, NULL));
	/* the job keeps it */
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(0, freed_within(&self->exec, 100 * MS));
	EXPECT_EQ(SIZE, device_bytes(self->fd));
	ASSERT_LE(0, exec_next(&self->exec, &done, 1, NULL, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, c.handle, seqno, SEC, &error));
	EXPECT_EQ(0, error);
	EXPECT_EQ(1, soon_uncharged(self->fd));
	exec_close(&other);
}

/* A buffer of any size, by an executor that gives what it is asked for. */
static int give_large(FIXTURE_DATA(device) *self, uint64_t size, uint32_t *ret_handle)
{
	struct making m = { .fd = self->fd, .args = device_bo(self->exec.engine) };
	struct drm_dseek_memory_request request = { 0 };
	struct drm_dseek_next n = { .tag_max = 1, .requests = (uintptr_t)&request, .request_max = 1, .deadline_ns = now_ns() + 5 * SEC };
	uint32_t tag;
	int r;

	n.tags = (uintptr_t)&tag;
	m.args.size = size;
	r = -pthread_create(&m.thread, NULL, make_thread, &m);
	if (r)
		return r;
	r = call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n);
	if (!r && n.request_count)
		r = answer(&self->exec, request.bo_id, 0, -1);
	*ret_handle = 0;
	r = make_end(&m) ?: r;
	if (!r)
		*ret_handle = m.args.handle;
	return r;
}

/* There are more offsets for mmap than DRM's one terabyte for all, and where they end it is as where memory does. */
TEST_F_TIMEOUT(device, as_many_offsets_as_buffers, 120)
{
	uint64_t size = (1ULL << 40) - PAGE;
	struct drm_dseek_bo_info info;
	uint32_t handle = 0;
	int n = 0, r;
	uint8_t *p;

	do {
		r = give_large(self, size, &handle);
		if (!r)
			ASSERT_EQ(0, bo_info(self->fd, handle, &info));
		n += !r;
		if (n == 1000) {	/* they are good for mmap */
			ASSERT_EQ(0, bo_create(self->fd, PAGE, &handle));
			p = bo_map(self->fd, handle);
			ASSERT_NE(MAP_FAILED, (void *)p);
			p[0] = 1;
			munmap(p, PAGE);
		}
	} while (!r && n < 2048);
	EXPECT_EQ(-ENOMEM, r);
	EXPECT_LT(1000, n);
	EXPECT_EQ(0, info.mmap_offset % (2 << 20));
	EXPECT_EQ(n * size, device_bytes(self->fd));
}

/* An executor that has no room frees what it is told to, and has: it is told that first, however few it takes at once. */
TEST_F(device, what_is_to_be_freed_is_told_first)
{
	struct drm_dseek_memory_request request = { 0 };
	uint64_t retired, end;
	struct drm_dseek_next n = { .retired = (uintptr_t)&retired, .retired_max = 1, .requests = (uintptr_t)&request, .request_max = 1 };
	struct making m;
	uint32_t handles[3];
	int freed = 0, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, give(self, 0));
		handles[i] = self->handle;
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, bo_close(self->fd, handles[i]));
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	sleep_ns(50 * MS);	/* it has asked */
	for (end = now_ns() + 5 * SEC; !n.request_count && now_ns() < end; freed += n.retired_count)
		ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(3, freed);
	ASSERT_EQ(1, n.request_count);
	ASSERT_EQ(0, answer(&self->exec, request.bo_id, 0, -1));
	ASSERT_EQ(0, make_end(&m));
	ASSERT_EQ(0, bo_close(self->fd, m.args.handle));

	/* who frees by another thread is told what he asks for */
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	n.retired_max = n.request_count = 0;
	for (end = now_ns() + 5 * SEC; !n.request_count && now_ns() < end;)
		ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	ASSERT_EQ(1, n.request_count);
	ASSERT_EQ(0, answer(&self->exec, request.bo_id, 0, -1));
	ASSERT_EQ(0, make_end(&m));
}

/* Who still has the memory, by a mapping or the dma-buf, has it for himself and pays for it. */
TEST_F(device, what_outlives_the_handle_is_charged)
{
	uint8_t *p;
	int fd;

	ASSERT_EQ(0, give(self, 1));
	p = bo_map(self->fd, self->handle);
	ASSERT_NE(MAP_FAILED, (void *)p);
	fd = export_fd(self->fd, self->handle);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(0, freed_within(&self->exec, 300 * MS));
	munmap(p, SIZE);
	EXPECT_EQ(0, freed_within(&self->exec, 300 * MS));
	EXPECT_EQ(SIZE, device_bytes(self->fd));
	close(fd);
	EXPECT_EQ(self->id, freed(&self->exec));
	EXPECT_EQ(0, device_bytes(self->fd));
}

/* What its driver has of it itself is none of that. */
TEST_F(device, references_of_its_driver)
{
	int exporter = -1, fd = vgem_of(SIZE, &exporter);
	struct making m;
	uint64_t id;
	uint8_t *p;

	if (fd == -ENODEV)
		SKIP(return, "this kernel has no vgem");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	id = told(&self->exec);
	ASSERT_EQ(0, answer(&self->exec, id, 0, fd));
	close(fd);
	ASSERT_EQ(0, make_end(&m));
	p = bo_map(self->fd, m.args.handle);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p[1] = 1;
	ASSERT_EQ(0, bo_close(self->fd, m.args.handle));
	EXPECT_EQ(0, freed_within(&self->exec, 300 * MS));
	munmap(p, SIZE);
	EXPECT_EQ(id, freed(&self->exec));
	EXPECT_EQ(0, device_bytes(self->fd));
	close(exporter);
}

/* On one CPU; the executor before the tenant whenever both could run. */
static int one_after_the_other(pthread_t tenant)
{
	struct sched_param first = { .sched_priority = 2 }, second = { .sched_priority = 1 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return pthread_setaffinity_np(tenant, sizeof(one), &one) || pthread_setaffinity_np(pthread_self(), sizeof(one), &one) ||
	       pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) || pthread_setschedparam(tenant, SCHED_FIFO, &second);
}

/* What passes, a copy of the descriptor here, is no reference that stays: the memory isn't free as long as the tenant has one more. */
TEST_F(device, a_passing_reference_when_it_is_given)
{
	struct sched_param other = { 0 };
	bool ordered;
	int fd = dmabuf_of(SIZE, &self->mem), copy, mine, r;
	struct making m;
	uint64_t id;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	id = told(&self->exec);
	ordered = !one_after_the_other(m.thread);
	copy = dup(fd);
	r = answer(&self->exec, id, 0, fd);
	close(copy);
	close(fd);
	pthread_setschedparam(pthread_self(), SCHED_OTHER, &other);
	EXPECT_EQ(0, r);
	ASSERT_EQ(0, make_end(&m));
	if (!ordered)
		SKIP(return, "not root, or no CPU 0");
	mine = export_fd(self->fd, m.args.handle);
	ASSERT_LE(0, mine);
	ASSERT_EQ(0, bo_close(self->fd, m.args.handle));
	EXPECT_EQ(0, freed_within(&self->exec, 300 * MS));
	EXPECT_EQ(SIZE, device_bytes(self->fd));
	close(mine);
	EXPECT_EQ(id, freed(&self->exec));
	EXPECT_EQ(0, device_bytes(self->fd));
}

/* As who has it mapped, who imports it into another file has it still; there it is an imported buffer. */
TEST_F(device, an_import_keeps_it)
{
	struct drm_prime_handle p = { 0 };
	int other = open_node();

	ASSERT_EQ(0, give(self, 1));
	p.fd = export_fd(self->fd, self->handle);
	ASSERT_LE(0, p.fd);
	ASSERT_EQ(0, call(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p));
	close(p.fd);
	EXPECT_EQ(SIZE, tenant_info(other).imported_bytes);
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(0, freed_within(&self->exec, 300 * MS));
	close(other);
	EXPECT_EQ(self->id, freed(&self->exec));
}

TEST_F(device, over_its_limit_nobody_is_asked)
{
	struct drm_dseek_bo_create c = device_bo(self->exec.engine);

	ASSERT_EQ(0, set_number(UID0, "device_limit", 2 * SIZE - 1));
	EXPECT_EQ(2 * SIZE - 1, tenant_info(self->fd).device_limit);
	EXPECT_EQ(0, give(self, 0));
	EXPECT_EQ(-EDQUOT, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	EXPECT_EQ(0, told_within(&self->exec, 0));
	EXPECT_EQ(SIZE, get_number(UID0, "device_bytes"));
	ASSERT_EQ(0, set_number(UID0, "device_limit", 2 * SIZE));
	EXPECT_EQ(0, give(self, 0));
	EXPECT_EQ(0, set(UID0, "device_limit", "default"));
	policy_remove("uid:0");
}

/* ---- the executor goes */

TEST_F(device, an_executor_that_goes_before_it_is_told)
{
	struct making m;

	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	while (!device_bytes(self->fd))
		sleep_ns(MS);
	sleep_ns(50 * MS);
	exec_close(&self->exec);
	self->exec.fd = -1;
	EXPECT_EQ(-ENODEV, make_end(&m));
	EXPECT_EQ(0, device_bytes(self->fd));
}

TEST_F(device, an_executor_that_goes_before_it_answers)
{
	struct making m;

	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	ASSERT_NE(0, told(&self->exec));
	exec_close(&self->exec);
	self->exec.fd = -1;
	EXPECT_EQ(-ENODEV, make_end(&m));
	EXPECT_EQ(0, device_bytes(self->fd));
}

/* The memory goes with it, also if another is there at once; mappings are as the exporter has them. */
TEST_F(device, an_executor_that_goes_takes_the_memory_along)
{
	struct drm_dseek_completion done = { 0 };
	struct drm_dseek_map map = { 0 };
	struct drm_dseek_bo_info i;
	struct test_exec heir;
	uint64_t seqno;
	int error = 0;
	uint8_t *p;

	ASSERT_EQ(0, give(self, 1));
	p = bo_map(self->fd, self->handle);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p[0] = 5;
	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	ASSERT_EQ(0, exec_attach_flags(&heir, ENGINE, 4, DRM_DSEEK_ATTACH_STANDBY | DRM_DSEEK_ATTACH_MEMORY));
	exec_close(&self->exec);
	self->exec.fd = -1;
	ASSERT_EQ(0, bo_info(self->fd, self->handle, &i));
	EXPECT_EQ(DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_EXPORTABLE | DRM_DSEEK_BO_LOST, i.flags);
	EXPECT_EQ(-ENODEV, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(MAP_FAILED, bo_map(self->fd, self->handle));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, export_fd(self->fd, self->handle));
	EXPECT_EQ(5, p[0]);
	EXPECT_EQ(SIZE, device_bytes(self->fd));
	/* what was submitted the heir gets, and can't do */
	ASSERT_EQ(1, exec_next(&heir, NULL, 0, &done.tag, 1, SEC));
	EXPECT_EQ(DRM_DSEEK_ACCESS_WRITE | DRM_DSEEK_ACCESS_DEVICE, heir.jobs[done.tag].bindings[0].access);
	map.tag = done.tag;
	EXPECT_EQ(-ENODEV, call(heir.fd, DRM_IOCTL_DSEEK_MAP, &map));
	done.error = -ENODEV;
	ASSERT_LE(0, exec_next(&heir, &done, 1, NULL, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, seqno, SEC, &error));
	EXPECT_EQ(-ENODEV, error);
	/* and is not told to free what it hasn't */
	munmap(p, SIZE);
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(1, soon_uncharged(self->fd));
	EXPECT_EQ(0, freed_within(&heir, 0));
	exec_close(&heir);
}

/* Neither told yet nor taken with the last call: it closes with things to free. */
TEST_F(device, an_executor_that_goes_without_freeing)
{
	ASSERT_EQ(0, give(self, 0));
	ASSERT_EQ(0, bo_close(self->fd, self->handle));
	EXPECT_EQ(0, device_bytes(self->fd));
}

TEST_F(device, a_drained_engine_gives_none)
{
	struct drm_dseek_bo_create c = device_bo(self->exec.engine);
	struct making m;
	uint64_t id;

	ASSERT_EQ(0, make_begin(&m, self->fd, self->exec.engine));
	id = told(&self->exec);
	ASSERT_EQ(0, set(ENGINES ENGINE, "drain", "1"));
	EXPECT_EQ(-ENODEV, make_end(&m));
	EXPECT_EQ(-ENOENT, answer(&self->exec, id, 0, -1));
	EXPECT_EQ(-ENODEV, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	ASSERT_EQ(0, set(ENGINES ENGINE, "drain", "0"));
	EXPECT_EQ(0, give(self, 0));
}

TEST_F(device, no_answer_in_time)
{
	struct drm_dseek_bo_create c = device_bo(self->exec.engine);

	ASSERT_EQ(0, set(ENGINES ENGINE, "job_limit_ms", "100"));
	ASSERT_EQ(0, set(ENGINES ENGINE, "grace_ms", "100"));
	EXPECT_EQ(-ETIMEDOUT, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	EXPECT_EQ(0, told_within(&self->exec, 0)) { TH_LOG("what nobody waits for is not asked for"); }
	EXPECT_EQ(0, set(ENGINES ENGINE, "job_limit_ms", "default"));
	EXPECT_EQ(0, set(ENGINES ENGINE, "grace_ms", "default"));
	EXPECT_EQ(0, device_bytes(self->fd));
}

/* ---- the tenant goes, or is interrupted */

static void on_signal(int signal)
{
}

/* A process that asks for a buffer and then sleeps. */
static pid_t ask_in_child(uint32_t engine, int interruptible)
{
	struct drm_dseek_bo_create c = device_bo(engine);
	pid_t pid = fork();
	int fd, r;

	if (pid)
		return pid;
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	fd = open_node();
	r = call(fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);
	if (interruptible)
		_exit(r == -EINTR && !device_bytes(fd) ? 0 : 1);
	for (;;)
		pause();
}

static int end_child(pid_t pid)
{
	int status = -1;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void until_charged(int fd)
{
	int i;

	for (i = 0; i < 1000 && !device_bytes(fd); i++)
		sleep_ns(5 * MS);
	sleep_ns(50 * MS);
}

TEST_F(device, a_tenant_that_is_killed_before_the_executor_is_told)
{
	pid_t pid = ask_in_child(self->exec.engine, 0);

	until_charged(self->fd);
	ASSERT_EQ(1, end_child(pid));
	EXPECT_EQ(1, soon_uncharged(self->fd));
	EXPECT_EQ(0, told_within(&self->exec, 0));
}

TEST_F(device, a_tenant_that_is_killed_before_the_answer)
{
	pid_t pid = ask_in_child(self->exec.engine, 0);
	uint64_t id = told(&self->exec);

	ASSERT_NE(0, id);
	ASSERT_EQ(1, end_child(pid));
	EXPECT_EQ(1, soon_uncharged(self->fd));
	EXPECT_EQ(-ENOENT, answer(&self->exec, id, 0, -1));
	EXPECT_EQ(0, freed_within(&self->exec, 0));
}

TEST_F(device, a_tenant_that_is_killed_after_it)
{
	pid_t pid = ask_in_child(self->exec.engine, 0);
	uint64_t id = told(&self->exec);
	int fd = dmabuf_of(SIZE, NULL);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, answer(&self->exec, id, 0, fd));
	close(fd);
	ASSERT_EQ(1, end_child(pid));
	EXPECT_EQ(id, freed(&self->exec));
	EXPECT_EQ(1, soon_uncharged(self->fd));
}

TEST_F(device, a_signal_leaves_nothing)
{
	pid_t pid = ask_in_child(self->exec.engine, 1);
	uint64_t id = told(&self->exec);
	int status = -1;

	ASSERT_NE(0, id);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ENOENT, answer(&self->exec, id, 0, -1));
}

/* ---- what is told of it */

TEST_F(device, fdinfo_has_a_region_for_it)
{
	char path[64], text[4096];

	ASSERT_EQ(0, give(self, 0));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_EQ(0, text_read(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "drm-total-vram:\t16 KiB"));
	EXPECT_NE(NULL, strstr(text, "drm-resident-vram:\t16 KiB"));
	EXPECT_NE(NULL, strstr(text, "drm-active-vram:\t0 KiB"));
	EXPECT_NE(NULL, strstr(text, "drm-total-memory:\t0 KiB"));
	exec_close(&self->exec);
	self->exec.fd = -1;
	ASSERT_EQ(0, text_read(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "drm-total-vram:\t16 KiB"));
	EXPECT_NE(NULL, strstr(text, "drm-resident-vram:\t0 KiB"));
}

TEST_HARNESS_MAIN
