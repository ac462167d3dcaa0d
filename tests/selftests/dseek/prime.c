// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Buffers handed from file to file as dma-bufs. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <linux/udmabuf.h>

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

static int export_fd(int fd, uint32_t handle)
{
	struct drm_prime_handle p = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p);

	return r ? r : p.fd;
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

/* A dma-buf of someone else is either taken, and then counted, or refused with nothing half-made. */
TEST_F(prime, foreign)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = 4 * PAGE };
	int dev = open("/dev/udmabuf", O_RDWR), mem, dmabuf, r;
	struct drm_dseek_tenant_info before = tenant_info(self->a), after;
	uint32_t h = 0;

	if (dev < 0)
		SKIP(return, "no /dev/udmabuf in this kernel");
	mem = memfd_create("prime", MFD_ALLOW_SEALING);
	ASSERT_EQ(0, ftruncate(mem, 4 * PAGE));
	ASSERT_EQ(0, fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK));
	c.memfd = (uint32_t)mem;
	dmabuf = ioctl(dev, UDMABUF_CREATE, &c);
	ASSERT_LE(0, dmabuf);
	r = import_fd(self->a, dmabuf, &h);
	after = tenant_info(self->a);
	if (r) {
		EXPECT_EQ(before.imported_bytes, after.imported_bytes);
	} else {
		EXPECT_EQ(before.imported_bytes + 4 * PAGE, after.imported_bytes);
		EXPECT_EQ(0, bo_close(self->a, h));
		EXPECT_EQ(before.imported_bytes, tenant_info(self->a).imported_bytes);
	}
	close(dmabuf);
	close(mem);
	close(dev);
}

TEST_HARNESS_MAIN
