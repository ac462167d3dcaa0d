// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <unistd.h>
#include "suite.h"

static uint64_t pinned(struct dseek_device *dev)
{
	struct dseek_tenant_info info;

	CHECK_OK(dseek_tenant_info(dev, &info));
	return info.pinned_bytes;
}

static void create(void)
{
	struct dseek_device *dev = device_open(NULL);
	uint64_t page = sysconf(_SC_PAGESIZE), i;
	struct dseek_bo_info info;
	struct dseek_bo *bo;
	uint8_t *map;

	CHECK_OK(dseek_bo_create(dev, 3 * page - 5, 0, -1, &bo));
	CHECK_EQ(dseek_bo_size(bo), 3 * page);
	map = dseek_bo_map(bo);
	for (i = 0; i < 3 * page; i++)
		CHECK_EQ(map[i], 0);
	memset(map, 0xa5, 3 * page);
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.flags, 0);
	dseek_bo_destroy(bo);
	CHECK_OK(dseek_bo_create(dev, 5 << 20, DSEEK_BO_HUGE, 0, &bo));
	CHECK(dseek_bo_size(bo) >= 5 << 20);
	map = dseek_bo_map(bo);
	CHECK_EQ(map[(5 << 20) - 1], 0);
	map[(5 << 20) - 1] = 1;
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.flags, DSEEK_BO_HUGE);
	CHECK_EQ(info.size, dseek_bo_size(bo));
	dseek_bo_destroy(bo);
	dseek_close(dev);
}

static void refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_bo *bo = (void *)1;
	uint64_t before = pinned(dev);

	CHECK_FAILS(dseek_bo_create(NULL, 1, 0, -1, &bo), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_bo_create(dev, 1, 0, -1, NULL), EINVAL, "ret_bo is NULL");
	CHECK_FAILS(dseek_bo_create(dev, 0, 0, -1, &bo), EINVAL, "size is 0");
	CHECK_FAILS(dseek_bo_create(dev, 1, 2, -1, &bo), EINVAL, "unknown flags 0x2");
	CHECK_FAILS(dseek_bo_create(dev, 1, 0, -2, &bo), EINVAL, "NUMA node -2");
	if (on_embed())
		CHECK_FAILS(dseek_bo_create(dev, 1, 0, 999, &bo), EINVAL, "no NUMA node 999");
	CHECK(dseek_bo_create(dev, 1ull << 63, 0, -1, &bo) < 0);
	CHECK(bo == (void *)1);
	CHECK_EQ(pinned(dev), before);
	dseek_close(dev);
}

static void quota(void)
{
	struct dseek_device *dev = device_open("pinned_limit=1048576");
	struct dseek_tenant_info info;
	struct dseek_bo *bo, *more;
	uint64_t before = pinned(dev);

	CHECK_OK(dseek_bo_create(dev, 65536, 0, -1, &bo));
	CHECK_OK(dseek_tenant_info(dev, &info));
	CHECK_EQ(info.pinned_bytes, before + 65536);
	if (info.pinned_limit < UINT64_MAX / 2)
		CHECK_FAILS(dseek_bo_create(dev, info.pinned_limit - info.pinned_bytes + 1, 0, -1, &more), EDQUOT,
			    "buffer:");
	CHECK_EQ(pinned(dev), before + 65536);
	dseek_bo_destroy(bo);
	CHECK_EQ(pinned(dev), before);
	dseek_close(dev);
}

static void sharing(void)
{
	struct dseek_device *a = device_open(NULL), *b = device_open(NULL);
	struct dseek_bo *bo, *other, *twice;
	char *p, *q;
	int fd;

	CHECK_OK(dseek_bo_create(a, 8192, 0, -1, &bo));
	CHECK_OK(dseek_bo_export(bo, &fd));
	CHECK_OK(dseek_bo_import(b, fd, &other));
	CHECK_OK(dseek_bo_import(b, fd, &twice));
	close(fd);
	CHECK_EQ(dseek_bo_size(other), 8192);
	p = dseek_bo_map(bo);
	q = dseek_bo_map(other);
	p[100] = 1;
	CHECK_EQ(q[100], 1);
	q[8191] = 2;
	CHECK_EQ(p[8191], 2);
	/* What is imported twice is closed twice. */
	dseek_bo_destroy(twice);
	q[0] = 3;
	CHECK_EQ(p[0], 3);
	/* The memory stays for the importer. */
	dseek_bo_destroy(bo);
	CHECK_EQ(q[100], 1);
	dseek_bo_destroy(other);
	dseek_close(a);
	dseek_close(b);
}

static void sharing_refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_bo *bo;
	int fds[2], fd;

	CHECK(pipe(fds) == 0);
	CHECK_FAILS(dseek_bo_import(NULL, fds[0], &bo), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_bo_import(dev, fds[0], NULL), EINVAL, "ret_bo is NULL");
	CHECK_FAILS(dseek_bo_import(dev, -1, &bo), EBADF, "-1 is no file descriptor");
	CHECK_FAILS(dseek_bo_import(dev, fds[0], &bo), EINVAL, "is no buffer");
	CHECK_FAILS(dseek_bo_export(NULL, &fd), EINVAL, "bo is NULL");
	if (on_embed()) {
		/* A file that can shrink would make the executor fault. */
		fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
		CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
		CHECK_FAILS(dseek_bo_import(dev, fd, &bo), EINVAL, "isn't sealed");
	}
	dseek_close(dev);
}

static void zero_copy(void)
{
	struct dseek_binding bindings[3];
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job = { .bindings = bindings, .binding_count = 3, .const_size = 4 };
	uint32_t param = 64, tag, i;
	struct dseek_bo *bo;
	struct manual m;
	char *mine, *its;

	manual_open(&m, 1, NULL);
	CHECK_OK(dseek_bo_create(m.dev, 16384, 0, -1, &bo));
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding) { bo, 4096 * i, 256, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	prog = program_add(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	job.program = prog;
	job.consts = &param;
	submit_one(queue, &job);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->bindings[1].offset, 4096);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->bindings[1].bo_size, 16384);
	CHECK_OK(dseek_exec_map(m.exec, tag, 0, (void **)&its));
	mine = dseek_bo_map(bo);
	mine[5000] = 42;
	CHECK_EQ(its[5000], 42);
	its[5001] = 43;
	CHECK_EQ(mine[5001], 43);
	CHECK_OK(dseek_exec_unmap(m.exec, dseek_exec_job(m.exec, tag)->bindings[0].bo_id));
	manual_done(&m, tag, 0, 0);
	dseek_bo_destroy(bo);
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	manual_close(&m);
}

const struct test bo_tests[] = {
	{ "zeroed, rounded up, writable", create },
	{ "refusals", refusals },
	{ "quota", quota },
	{ "export and import", sharing },
	{ "export and import, refusals", sharing_refusals },
	{ "the executor sees the same memory", zero_copy },
	{ NULL },
};
