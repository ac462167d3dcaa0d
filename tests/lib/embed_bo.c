// SPDX-License-Identifier: MIT
/*
 * Embedded buffers on a machine that has what this one may lack: reserved huge pages, several NUMA nodes, dma-bufs. These calls of libc's and
 * libnuma's are ours, and lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numa.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <dseek.h>
#include "../tap.h"

#define MIB	(1ull << 20)

static int has_pool;	/* of huge pages */
static int pool_fails;	/* to populate what it gave */
static int from_pool;	/* the last memory file was */
static int dmabuf = -1;	/* no descriptor of a memory file, but of a dma-buf */
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

int fcntl(int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	if (fd == dmabuf && cmd == F_GET_SEALS) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

int fstatfs(int fd, struct statfs *buf)
{
	int r = (int)syscall(SYS_fstatfs, fd, buf);

	if (!r && fd == dmabuf)
		buf->f_type = DMA_BUF_MAGIC;
	return r;
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

static int memory_file(off_t size)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	if (ftruncate(fd, size))
		tap_ok(0, "a file of %lld bytes", (long long)size);
	return fd;
}

static void refused(int fd, int error, const char *words, const char *what)
{
	struct dseek_bo *bo = (void *)1;
	int r = dseek_bo_import(dev, fd, &bo);

	tap_ok(r == -error && bo == (void *)1 && strstr(dseek_strerror_detail(), words) && !pinned(), "%s: %d, %s", what, r, dseek_strerror_detail());
	close(fd);
}

static void imports(void)
{
	struct dseek_bo *bo;
	char path[64], *map;
	int fd, r;

	dmabuf = fd = memory_file(8192);
	r = dseek_bo_import(dev, fd, &bo);
	if (tap_ok(!r && dseek_bo_size(bo) == 8192 && pinned() == 8192, "a dma-buf: %s", r ? dseek_strerror_detail() : "imported")) {
		map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
		strcpy(dseek_bo_map(bo), "seen");
		tap_got(!strcmp(map, "seen"), "it is the same memory", map);
		munmap(map, 8192);
		dseek_bo_destroy(bo);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY);
	close(fd);
	dmabuf = r;
	refused(r, EACCES, "can't map 8192 bytes", "one that may not be written to");
	refused(dmabuf = memory_file(0), EINVAL, "is empty", "one of no bytes");
	refused(dmabuf = memory_file(6 * MIB), EDQUOT, "6291456 bytes and 0 already", "one beyond the quota");
	dmabuf = -1;
	refused(memory_file(4096), EINVAL, "isn't sealed", "a memory file that may shrink");
	fd = memory_file(0);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	refused(fd, EINVAL, "is empty", "an empty one");
	fd = memory_file(100);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	r = dseek_bo_import(dev, fd, &bo);
	close(fd);
	if (tap_ok(!r && dseek_bo_size(bo) == (uint64_t)sysconf(_SC_PAGESIZE) && pinned() == dseek_bo_size(bo), "one of 100 bytes: %llu",
		   r ? 0 : (unsigned long long)dseek_bo_size(bo)))
		memset(dseek_bo_map(bo), 1, dseek_bo_size(bo));
	if (!r)
		dseek_bo_destroy(bo);
	refused(1000, EBADF, "there is no file descriptor 1000", "a descriptor that isn't open");
	refused(open("/proc/self/exe", O_RDONLY), EINVAL, "is no buffer", "a file of a file system");
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
	tap_got(!!strstr(dseek_strerror_detail(), "6291456 bytes and 0 already"), "the last failure is still the last", dseek_strerror_detail());
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
	imports();
	dseek_close(dev);
	return tap_end();
}
