// SPDX-License-Identifier: MIT
/*
 * Embedded buffers on a machine that has what this one may lack: reserved huge pages, several NUMA nodes, dma-bufs. These calls of libc's and
 * libnuma's are ours, and lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <dseek.h>
#include "../tap.h"

#define MIB	(1ull << 20)

static int has_pool;	/* of huge pages */
static int pool_fails;	/* to populate what it gave */
static int from_pool;	/* the last memory file was */
static char calls[16];	/* 'b' a mapping was bound to a node, 'p' populated */

static void note(char call)
{
	size_t n = strlen(calls);

	if (n + 1 < sizeof(calls))
		calls[n] = call;
}

int memfd_create(const char *name, unsigned int flags)
{
	from_pool = !!(flags & MFD_HUGETLB);
	if (from_pool && !has_pool) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_memfd_create, name, flags & ~MFD_HUGETLB);
}

void numa_tonode_memory(void *start, size_t size, int node)
{
	note('b');
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	note('p');
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int madvise(void *addr, size_t len, int advice)
{
	if (advice == MADV_POPULATE_WRITE) {
		note('p');
		if (from_pool && pool_fails) {
			errno = EFAULT;	/* as where a cgroup has no more of them */
			return -1;
		}
	}
	return (int)syscall(SYS_madvise, addr, len, advice);
}

/* ---- */

static struct dseek_device *dev;

static uint64_t pinned(void)
{
	struct dseek_tenant_info info = { 0 };

	dseek_tenant_info(dev, &info);
	return info.pinned_bytes;
}

/* A buffer of @size bytes: how many it has; 0: none, as dseek_strerror_detail() says. */
static uint64_t create(uint64_t size, int node)
{
	struct dseek_bo *bo;
	uint64_t got;

	memset(calls, 0, sizeof(calls));
	if (dseek_bo_create(dev, size, DSEEK_BO_HUGE, node, &bo))
		return 0;
	got = dseek_bo_size(bo);
	if (pinned() != got)
		got = 1;
	memset(dseek_bo_map(bo), 1, size);
	dseek_bo_destroy(bo);
	return got;
}

static void nodes(void)
{
	if (numa_available() < 0) {
		tap_skip("pages are of the node asked for", "no NUMA");
		return;
	}
	tap_ok(create(MIB, 0) && !strcmp(calls, "bp"), "small pages are of the node asked for: %s", calls);
	has_pool = 1;
	tap_ok(create(4 * MIB, 0) && !strcmp(calls, "bp"), "huge ones, too: %s", calls);
	tap_ok(create(4 * MIB, -1) && !strcmp(calls, "p"), "none was asked for: %s", calls);
	has_pool = 0;
}

static void huge_pages(void)
{
	has_pool = 1;
	tap_ok(create(3 * MIB, -1) == 4 * MIB && from_pool, "whole huge pages");
	tap_ok(create(MIB, -1) == MIB && !from_pool, "not for less than one");
	tap_ok(create(5 * MIB, -1) == 5 * MIB && !from_pool, "small ones where the quota has no room for whole huge ones");
	tap_ok(!create(6 * MIB, -1) && strstr(dseek_strerror_detail(), "6291456 bytes and 0 already"), "over the quota: %s", dseek_strerror_detail());
	pool_fails = 1;
	tap_ok(create(4 * MIB, -1) == 4 * MIB && !from_pool, "small ones where the pool can't give what it promised");
	pool_fails = 0;
	has_pool = 0;
	tap_ok(create(3 * MIB, -1) == 3 * MIB && !from_pool, "small ones where there is no pool");
	tap_ok(pinned() == 0, "nothing stays charged");
}

int main(void)
{
	if (dseek_open("embed:,engine=null,pinned_limit=5242880", NULL, &dev)) {
		tap_ok(0, "open: %s", dseek_strerror_detail());
		return tap_end();
	}
	huge_pages();
	nodes();
	dseek_close(dev);
	return tap_end();
}
