// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Mappings of buffers with huge pages, where the kernel may map one as a whole (7.x): a tenant's and an executor's, aligned so
 * that it can, or not, or in part. Whatever it does, what is seen is the same.
 */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <stdbool.h>

#define PAGE	4096ULL
#define HUGE	(2ULL << 20)
#define SIZE	(3 * HUGE + PAGE)

static size_t page_kib(const void *p, const char *key)
{
	char line[256], wanted[32];
	unsigned long from, to, kib = 0, got;
	bool in = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	snprintf(wanted, sizeof(wanted), "%s: %%lu", key);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (in && sscanf(line, wanted, &got) == 1)
			kib += got;
	}
	if (f)
		fclose(f);
	return kib;
}

FIXTURE(huge) {
	int fd;
	uint32_t bo;
	uint64_t offset;	/* for mmap */
	uint8_t *room;		/* addresses to map at: 8 * HUGE of them, aligned as @offset is, with nothing there */
};

FIXTURE_SETUP(huge)
{
	struct drm_dseek_bo_create c = { .size = SIZE, .flags = DRM_DSEEK_BO_HUGE, .numa_node = -1 };
	struct drm_dseek_bo_info i;
	uint32_t filler;
	uint8_t *p;

	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	/* offsets are given out one behind the other: behind one that is no multiple of HUGE */
	ASSERT_EQ(0, bo_create(self->fd, HUGE + PAGE, &filler));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c));
	self->bo = c.handle;
	ASSERT_EQ(0, bo_info(self->fd, self->bo, &i));
	self->offset = i.mmap_offset;
	p = mmap(NULL, 10 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	self->room = (uint8_t *)(((uintptr_t)p + HUGE - 1) / HUGE * HUGE + self->offset % HUGE);
}

FIXTURE_TEARDOWN(huge)
{
	close(self->fd);
}

static uint8_t *map_at(uint8_t *at, uint64_t size, int fd, uint64_t offset, int prot)
{
	uint8_t *p = mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);

	if (p != MAP_FAILED)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}

TEST_F(huge, all_views_see_the_same)
{
	uint8_t *whole = map_at(self->room, SIZE, self->fd, self->offset, PROT_READ | PROT_WRITE), *part, *odd;
	uint64_t at;

	ASSERT_NE(MAP_FAILED, (void *)whole);
	for (at = 0; at < SIZE; at += PAGE)
		EXPECT_EQ(0, whole[at]);	/* read first, written then */
	for (at = 0; at < SIZE; at += PAGE)
		whole[at] = (uint8_t)(at / PAGE % 251 + 1);
	/* a part of a huge page at its beginning and its end, and an address that isn't aligned as the offset is */
	part = map_at(self->room + 4 * HUGE + PAGE, HUGE + PAGE, self->fd, self->offset + PAGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)part);
	odd = map_at(self->room + 6 * HUGE, HUGE, self->fd, self->offset + PAGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)odd);
	for (at = 0; at < HUGE; at += PAGE) {
		EXPECT_EQ((uint8_t)((at + PAGE) / PAGE % 251 + 1), part[at]);
		EXPECT_EQ((uint8_t)((at + PAGE) / PAGE % 251 + 1), odd[at]);
	}
	odd[PAGE] = 7;
	EXPECT_EQ(7, part[PAGE]);
	EXPECT_EQ(7, whole[2 * PAGE]);
	if (!page_kib(whole, "FilePmdMapped") && !page_kib(whole, "ShmemPmdMapped"))
		TH_LOG("by pages: this kernel has none that are huge, or doesn't map them so");
}

/*
 * A kernel that maps a huge page as a whole, and isn't told how, takes the page that is aligned for one that belongs at an address
 * that is: offsets must be aligned as the buffers are. Written where only single pages can be mapped, read where a huge one may be.
 */
TEST_F(huge, each_page_is_where_it_belongs)
{
	struct drm_prime_handle h = { .handle = self->bo, .flags = DRM_CLOEXEC | DRM_RDWR };
	uint8_t *odd = map_at(self->room + PAGE, SIZE, self->fd, self->offset, PROT_READ | PROT_WRITE), *even;
	uint64_t at, wrong = 0;
	int dmabuf;

	EXPECT_EQ(0, self->offset % HUGE);
	ASSERT_NE(MAP_FAILED, (void *)odd);
	for (at = 0; at < SIZE; at += PAGE)
		*(uint64_t *)(odd + at) = at / PAGE;
	even = map_at(self->room + 4 * HUGE, SIZE, self->fd, self->offset, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)even);
	for (at = 0; at < SIZE; at += PAGE)
		wrong += *(uint64_t *)(even + at) != at / PAGE;
	EXPECT_EQ(0, wrong);
	munmap(even, SIZE);
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h));
	dmabuf = h.fd;
	even = map_at(self->room + 4 * HUGE, SIZE, dmabuf, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)even);
	for (at = 0, wrong = 0; at < SIZE; at += PAGE)
		wrong += *(uint64_t *)(even + at) != at / PAGE;
	EXPECT_EQ(0, wrong) { TH_LOG("by its dma-buf"); }
	close(dmabuf);
}

/* What lies between the end of a buffer and the next that is aligned is nobody's. */
TEST_F(huge, nothing_is_mapped_behind_its_end)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE + PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)self->offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(self->offset + SIZE - PAGE)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)(self->offset + SIZE)));
}

TEST_F(huge, an_executor_sees_them_too)
{
	struct held_job h = { .binding = { .handle = self->bo, .size = SIZE,
					   .access = DRM_DSEEK_ACCESS_READ | DRM_DSEEK_ACCESS_WRITE } };
	uint8_t *mine, *its;
	uint64_t at;

	hold_job(_metadata, self->fd, &h);
	mine = map_at(self->room, SIZE, self->fd, self->offset, PROT_READ | PROT_WRITE);
	its = map_at(self->room + 4 * HUGE, SIZE, h.exec.fd, h.map.mmap_offset, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)mine);
	ASSERT_NE(MAP_FAILED, (void *)its);
	for (at = 0; at < SIZE; at += PAGE)
		mine[at] = (uint8_t)(at / PAGE % 251 + 1);
	for (at = 0; at < SIZE; at += PAGE)
		EXPECT_EQ((uint8_t)(at / PAGE % 251 + 1), its[at]);
	its[HUGE] = 9;
	EXPECT_EQ(9, mine[HUGE]);
	EXPECT_EQ(0, exec_next(&h.exec, &h.done, 1, NULL, 0, 0));
	munmap(its, SIZE);
	exec_close(&h.exec);
}

/* Purged between two looks: what is mapped huge goes as a whole, and is not there to be touched. */
TEST_F(huge, dontneed_and_back)
{
	struct drm_dseek_bo_madvise m = { .handle = self->bo, .advice = DRM_DSEEK_MADV_DONTNEED };
	uint8_t *p = map_at(self->room, SIZE, self->fd, self->offset, PROT_READ | PROT_WRITE);
	int fd = open("/sys/kernel/debug/dseek/purge", O_WRONLY);

	if (fd < 0)
		SKIP(return, "no debugfs, or not root");
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x5a, SIZE);
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m));
	EXPECT_EQ(1, write(fd, "1", 1));
	close(fd);
	/* a system call is told, where the process would be killed */
	EXPECT_EQ(-1, madvise(p, SIZE, 22 /* MADV_POPULATE_READ */));
	m.advice = DRM_DSEEK_MADV_WILLNEED;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m));
	EXPECT_EQ(0, m.retained);
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ(0, p[SIZE - 1]);
}

TEST_HARNESS_MAIN
