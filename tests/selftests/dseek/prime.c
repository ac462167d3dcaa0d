// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Buffers handed from file to file as dma-bufs. */
#include "kselftest_harness.h"
#include "dseek_dmabuf.h"

#define PAGE	4096ULL

FIXTURE(prime) {
	int a, b;
	uint32_t handle;
};

FIXTURE_SETUP(prime)
{
	self->a = open_node();
	self->b = open_node();
	ASSERT_LE(0, self->a);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, bo_create(self->a, 4 * PAGE, &self->handle));
}

FIXTURE_TEARDOWN(prime)
{
	close(self->a);
	close(self->b);
}

static int import_fd(int fd, int dmabuf, uint32_t *ret_handle)
{
	struct drm_prime_handle p = { .fd = dmabuf };
	int r = call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);

	if (!r)
		*ret_handle = p.handle;
	return r;
}

TEST_F(prime, both_see_the_same_bytes)
{
	struct drm_dseek_bo_info ia, ib;
	uint8_t *pa, *pb;
	uint32_t other;
	int dmabuf = export_fd(self->a, self->handle);

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, import_fd(self->b, dmabuf, &other));
	close(dmabuf);
	ASSERT_EQ(0, bo_info(self->a, self->handle, &ia));
	ASSERT_EQ(0, bo_info(self->b, other, &ib));
	EXPECT_EQ(ia.id, ib.id);
	EXPECT_EQ(ia.size, ib.size);
	pa = bo_map(self->a, self->handle);
	pb = bo_map(self->b, other);
	ASSERT_NE(MAP_FAILED, (void *)pa);
	ASSERT_NE(MAP_FAILED, (void *)pb);
	pa[PAGE] = 9;
	EXPECT_EQ(9, pb[PAGE]);
	/* the exporter goes, the importer keeps the buffer */
	EXPECT_EQ(0, bo_close(self->a, self->handle));
	munmap(pa, 4 * PAGE);
	close(self->a);
	self->a = open_node();
	EXPECT_EQ(9, pb[PAGE]);
	munmap(pb, 4 * PAGE);
	EXPECT_EQ(0, bo_close(self->b, other));
	EXPECT_EQ(0, tenant_info(self->b).pinned_bytes);
}

TEST_F(prime, own_import_gives_the_same_handle)
{
	uint32_t again;
	int dmabuf = export_fd(self->a, self->handle);

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, import_fd(self->a, dmabuf, &again));
	EXPECT_EQ(self->handle, again);
	close(dmabuf);
}

TEST_F(prime, dmabuf_can_be_mapped)
{
	int dmabuf = export_fd(self->a, self->handle);
	uint8_t *p, *q;

	ASSERT_LE(0, dmabuf);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	q = bo_map(self->a, self->handle);
	ASSERT_NE(MAP_FAILED, (void *)q);
	p[3] = 4;
	EXPECT_EQ(4, q[3]);
	EXPECT_EQ(0, bo_close(self->a, self->handle));
	close(dmabuf);
	EXPECT_EQ(4, p[3]);
}

TEST_F(prime, a_file_keeps_the_account_of_an_exported_buffer)
{
	int dmabuf = export_fd(self->a, self->handle);

	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, bo_close(self->a, self->handle));
	/* its pages are still pinned, by the dma-buf */
	EXPECT_EQ(4 * PAGE, tenant_info(self->b).pinned_bytes);
	close(dmabuf);
	sleep_ns(50 * MS);
	EXPECT_EQ(0, tenant_info(self->b).pinned_bytes);
}

TEST_F(prime, refusals)
{
	uint32_t h = 0;
	int pipes[2];

	EXPECT_EQ(-ENOENT, export_fd(self->a, 4711));
	EXPECT_EQ(-EBADF, import_fd(self->a, 9999, &h));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, import_fd(self->a, pipes[0], &h));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(prime, handles_that_are_none)
{
	struct drm_prime_handle p = { .handle = self->handle, .flags = 1u << 30 };

	EXPECT_EQ(-EINVAL, call(self->a, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p));
	EXPECT_EQ(-EFAULT, call(self->a, DRM_IOCTL_PRIME_HANDLE_TO_FD, (void *)UNMAPPED));
	EXPECT_EQ(-EFAULT, call(self->a, DRM_IOCTL_PRIME_FD_TO_HANDLE, NULL));
}

/* ---- dma-bufs of someone else: four pages of each exporter that this kernel has */

FIXTURE(foreign) {
	int fd, dmabuf, exporter;
};

FIXTURE_VARIANT(foreign) {
	int (*make)(int *ret_exporter);
};

static int udmabuf_make(int *ret_exporter)
{
	return udmabuf_of(4 * PAGE, ret_exporter);
}

static int vgem_make(int *ret_exporter)
{
	return vgem_of(4 * PAGE, ret_exporter);
}

FIXTURE_VARIANT_ADD(foreign, udmabuf) { .make = udmabuf_make };
FIXTURE_VARIANT_ADD(foreign, vgem) { .make = vgem_make };

FIXTURE_SETUP(foreign)
{
	self->dmabuf = variant->make(&self->exporter);
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(foreign)
{
	close(self->fd);
	close(self->dmabuf);
	close(self->exporter);
}

/* The harness runs the test of a set-up that skips. */
#define NEED_EXPORTER \
	do { \
		if (self->dmabuf == -ENODEV) \
			SKIP(return, "this kernel has no such exporter"); \
		ASSERT_LE(0, self->dmabuf); \
	} while (0)

TEST_F(foreign, is_counted)
{
	struct drm_dseek_bo_madvise advice = { .advice = DRM_DSEEK_MADV_DONTNEED };
	uint32_t h = 0, again = 0;

	NEED_EXPORTER;
	ASSERT_EQ(0, import_fd(self->fd, self->dmabuf, &h));
	EXPECT_EQ(4 * PAGE, tenant_info(self->fd).imported_bytes);
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
	/* once */
	ASSERT_EQ(0, import_fd(self->fd, self->dmabuf, &again));
	EXPECT_EQ(h, again);
	EXPECT_EQ(4 * PAGE, tenant_info(self->fd).imported_bytes);
	advice.handle = h;
	EXPECT_EQ(-EINVAL, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &advice));
	EXPECT_EQ(0, bo_close(self->fd, h));
	EXPECT_EQ(0, tenant_info(self->fd).imported_bytes);
}

/* The executor maps the exporter's own pages, and keeps them as long as it likes. */
TEST_F(foreign, an_executor_sees_the_same_bytes)
{
	struct held_job h = { .binding = { .access = DRM_DSEEK_ACCESS_READ, .size = 4 * PAGE } };
	struct drm_dseek_bo_info info;
	uint8_t *mine, *theirs, *q;
	uint32_t tag, i;

	NEED_EXPORTER;
	theirs = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->dmabuf, 0);
	ASSERT_NE(MAP_FAILED, (void *)theirs);
	theirs[3 * PAGE] = 7;
	ASSERT_EQ(0, import_fd(self->fd, self->dmabuf, &h.binding.handle));
	mine = bo_map(self->fd, h.binding.handle);
	ASSERT_NE(MAP_FAILED, (void *)mine);
	EXPECT_EQ(7, mine[3 * PAGE]);

	hold_job(_metadata, self->fd, &h);
	EXPECT_EQ(4 * PAGE, h.map.bo_size);
	/* bound for reading only, so far */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, h.exec.fd, (off_t)h.map.mmap_offset));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, h.exec.fd, (off_t)h.map.mmap_offset));
	h.binding.access = DRM_DSEEK_ACCESS_READ | DRM_DSEEK_ACCESS_WRITE;
	ASSERT_EQ(0, submit(self->fd, h.queue, &h.job, 1, NULL));
	/* exporters differ in what they make of an offset */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, h.exec.fd, (off_t)(h.map.mmap_offset + PAGE)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, bo_info(self->fd, h.binding.handle, &info));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(info.mmap_offset + PAGE)));
	EXPECT_EQ(EINVAL, errno);
	q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, h.exec.fd, (off_t)h.map.mmap_offset);
	ASSERT_NE(MAP_FAILED, (void *)q);
	EXPECT_EQ(7, q[3 * PAGE]);
	q[3 * PAGE] = 8;
	EXPECT_EQ(8, theirs[3 * PAGE]);
	EXPECT_EQ(8, mine[3 * PAGE]);

	ASSERT_EQ(1, exec_next(&h.exec, &h.done, 1, &tag, 1, SEC));
	h.done.tag = tag;
	ASSERT_EQ(0, exec_next(&h.exec, &h.done, 1, &tag, 0, 0));
	munmap(mine, 4 * PAGE);
	ASSERT_EQ(0, bo_close(self->fd, h.binding.handle));
	ASSERT_EQ(0, exec_next(&h.exec, NULL, 0, &tag, 1, SEC));
	EXPECT_EQ(1, h.exec.retired);
	/* told, it need not hurry: the exporter's pages are its exporter's */
	EXPECT_EQ(8, q[3 * PAGE]);
	/* a worker lets go of what an executor had last */
	for (i = 0; tenant_info(self->fd).imported_bytes && i < 500; i++)
		sleep_ns(10 * MS);
	EXPECT_EQ(0, tenant_info(self->fd).imported_bytes);
	munmap(q, 4 * PAGE);
	munmap(theirs, 4 * PAGE);
	exec_close(&h.exec);
}

/* Another driver's device imports what is ours: its pages, for as long as it has them. */
TEST(another_driver_imports_it)
{
	int fd = open_node(), other = vgem_open(), dmabuf;
	uint32_t bo, handle;
	uint8_t *p;

	ASSERT_LE(0, fd);
	if (other < 0)
		SKIP(return, "this kernel has no vgem");
	ASSERT_EQ(0, bo_create(fd, 4 * PAGE, &bo));
	dmabuf = export_fd(fd, bo);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, import_fd(other, dmabuf, &handle));
	EXPECT_EQ(0, bo_close(fd, bo));
	EXPECT_EQ(4 * PAGE, tenant_info(fd).pinned_bytes);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p[3] = 8;
	EXPECT_EQ(8, p[3]);
	munmap(p, 4 * PAGE);
	close(dmabuf);
	EXPECT_EQ(4 * PAGE, tenant_info(fd).pinned_bytes);
	EXPECT_EQ(0, bo_close(other, handle));
	EXPECT_EQ(0, tenant_info(fd).pinned_bytes);
	close(other);
	close(fd);
}

TEST(imported_bytes_are_limited)
{
	int exporter, small, fd, large = udmabuf_of(2 << 20, &exporter);
	unsigned int limit = 0;
	uint32_t h = 0, g;

	if (large < 0)
		SKIP(return, "no udmabuf");
	if (parameter_set("imported_limit_mb", 1, &limit))
		SKIP(return, "not root");
	fd = open_node();
	ASSERT_LE(0, fd);
	EXPECT_EQ(1 << 20, tenant_info(fd).imported_limit);
	EXPECT_EQ(-EDQUOT, import_fd(fd, large, &h));
	EXPECT_EQ(0, h);
	EXPECT_EQ(0, tenant_info(fd).imported_bytes);
	close(exporter);
	small = udmabuf_of(1 << 20, &exporter);
	ASSERT_LE(0, small);
	ASSERT_EQ(0, import_fd(fd, small, &h));
	EXPECT_EQ(1 << 20, tenant_info(fd).imported_bytes);
	EXPECT_EQ(-EDQUOT, import_fd(fd, large, &g));
	EXPECT_EQ(0, parameter_set("imported_limit_mb", limit, NULL));
	EXPECT_EQ(0, bo_close(fd, h));
	EXPECT_EQ(0, tenant_info(fd).imported_bytes);
	close(fd);
	close(small);
	close(large);
	close(exporter);
}

TEST_HARNESS_MAIN
