// SPDX-License-Identifier: MIT
/* Buffers in an engine's own memory: by an executor of the test's own, and by one that runs programs. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <pthread.h>
#include "suite.h"

#define SIZE	16384

static uint64_t in_engines(struct dseek_device *dev)
{
	struct dseek_tenant_info info;

	CHECK_OK(dseek_tenant_info(dev, &info));
	return info.device_bytes;
}

/* ---- the test is the executor, and another of its threads the tenant */

#define ENGINE	"conf-memory"	/* one for all these tests: a module keeps 64 names */

static struct dseek_exec *attach_as(const char *name, uint32_t flags, uint32_t *ret_engine, uint32_t *ret_flags)
{
	struct drm_dseek_attach attach = { .type = DRM_DSEEK_ENGINE_NULL, .depth = 2, .numa_node = -1, .flags = flags };
	struct dseek_exec *exec;

	strcpy((char *)attach.name, name);
	CHECK_OK(dseek_exec_attach(manual_path(), &attach, &exec));
	*ret_engine = attach.engine;
	*ret_flags = attach.flags;
	return exec;
}

static void open_engine(struct manual *m, const char *keys, uint32_t flags, uint32_t *ret_flags)
{
	char all[100];

	if (!on_embed() && access(manual_path(), R_OK | W_OK))
		skip("%s can't be opened", manual_path());
	snprintf(all, sizeof(all), "engine=none%s%s", keys ? "," : "", keys ? keys : "");
	m->dev = device_open(all);
	m->depth = 2;
	strcpy(m->name, ENGINE);
	m->exec = attach_as(ENGINE, flags, &m->engine, ret_flags);
}

static void giver_open(struct manual *m, const char *keys)
{
	struct dseek_engine_info info;
	uint32_t i, flags;

	open_engine(m, keys, DRM_DSEEK_ATTACH_MEMORY, &flags);
	if (!(flags & DRM_DSEEK_ATTACH_MEMORY))
		skip("this module knows no memory of engines");
	for (i = 0; !dseek_engine_info(m->dev, i, &info) && info.id != m->engine; i++)
		;
	CHECK_EQ(info.id, m->engine);
	CHECK_EQ(info.memory, 1);
}

struct asking {
	pthread_t thread;
	struct manual *m;
	struct dseek_bo *bo;
	int r;
	char why[200];
};

static void *ask(void *arg)
{
	struct asking *a = arg;

	a->r = dseek_bo_create_device(a->m->dev, a->m->engine, SIZE - 1, &a->bo);
	snprintf(a->why, sizeof(a->why), "%s", a->r ? dseek_strerror_detail() : "");
	return NULL;
}

static void ask_begin(struct asking *a, struct manual *m)
{
	*a = (struct asking){ .m = m };
	CHECK_OK(pthread_create(&a->thread, NULL, ask, a));
}

static struct dseek_bo *ask_end(struct asking *a, int error)
{
	pthread_join(a->thread, NULL);
	CHECK_EQ(a->r, error);
	return a->bo;
}

static uint64_t told(struct manual *m)
{
	struct drm_dseek_memory_request request = { 0 };
	uint32_t tag;
	struct drm_dseek_next next = {
		.tags = (uintptr_t)&tag, .tag_max = 1, .requests = (uintptr_t)&request, .request_max = 1, .deadline_ns = in_ms(5000),
	};

	CHECK_OK(dseek_exec_next(m->exec, &next));
	CHECK_EQ(next.request_count, 1);
	CHECK_EQ(request.size, SIZE);
	CHECK(request.tenant_id && request.bo_id);
	return request.bo_id;
}

static uint64_t freed(struct manual *m, uint64_t ms)
{
	uint64_t id = 0;
	uint32_t tag;
	struct drm_dseek_next next = {
		.tags = (uintptr_t)&tag, .tag_max = 1, .retired = (uintptr_t)&id, .retired_max = 1, .deadline_ns = ms ? in_ms(ms) : 0,
	};

	CHECK_OK(dseek_exec_next(m->exec, &next));
	return next.retired_count ? id : 0;
}

static struct dseek_bo *make(struct manual *m, uint64_t *ret_id)
{
	struct asking a;

	ask_begin(&a, m);
	*ret_id = told(m);
	CHECK_OK(dseek_exec_memory(m->exec, *ret_id, 0, -1));
	return ask_end(&a, 0);
}

static void life(void)
{
	struct dseek_bo_info info;
	struct dseek_bo *bo;
	struct manual m;
	uint64_t id;
	int fd;

	giver_open(&m, NULL);
	bo = make(&m, &id);
	CHECK_EQ(dseek_bo_size(bo), SIZE);
	CHECK_EQ(in_engines(m.dev), SIZE);
	CHECK(dseek_bo_map(bo) == NULL);
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.id, id);
	CHECK_EQ(info.size, SIZE);
	CHECK_EQ(info.flags, DSEEK_BO_DEVICE);
	CHECK_EQ(info.engine, m.engine);
	CHECK_FAILS(dseek_bo_export(bo, &fd), EOPNOTSUPP, "memory has no");
	CHECK_EQ(freed(&m, 0), 0);
	dseek_bo_destroy(bo);
	CHECK_EQ(freed(&m, 5000), id);
	CHECK_EQ(freed(&m, 0), 0);
	CHECK_EQ(in_engines(m.dev), 0);
	CHECK_OK(dseek_bo_create(m.dev, SIZE, 0, -1, &bo));
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.flags, 0);
	CHECK_EQ(info.engine, 0);
	dseek_bo_destroy(bo);
	manual_close(&m);
}

static void refusals(void)
{
	struct dseek_bo_info info;
	struct dseek_bo *bo = (void *)1;
	struct manual m;
	struct asking a;
	uint64_t id;
	int fds[2];

	giver_open(&m, NULL);
	CHECK_FAILS(dseek_bo_create_device(NULL, 0, 1, &bo), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_bo_create_device(m.dev, 0, 1, NULL), EINVAL, "ret_bo is NULL");
	CHECK_FAILS(dseek_bo_create_device(m.dev, m.engine, 0, &bo), EINVAL, "size is 0");
	CHECK_FAILS(dseek_bo_create_device(m.dev, 63, 1, &bo), ENOENT, "there is no such engine");
	CHECK_EQ(dseek_bo_create_device(m.dev, m.engine, UINT64_MAX, &bo) < 0, 1);
	CHECK_FAILS(dseek_bo_info(NULL, &info), EINVAL, "bo is NULL");
	CHECK(bo == (void *)1);
	/* what the executor says, and what it may not */
	ask_begin(&a, &m);
	id = told(&m);
	CHECK(pipe(fds) == 0);
	CHECK_FAILS(dseek_exec_memory(m.exec, id, 1, -1), EINVAL, "are no answer");
	CHECK_FAILS(dseek_exec_memory(m.exec, id, -EIO, fds[0]), EINVAL, "are no answer");
	CHECK_FAILS(dseek_exec_memory(m.exec, id, 0, -2), EINVAL, "are no answer");
	CHECK_FAILS(dseek_exec_memory(m.exec, id + 1000, 0, -1), ENOENT, "nobody waits");
	if (on_embed())
		CHECK_FAILS(dseek_exec_memory(m.exec, id, 0, fds[0]), EINVAL, "is no file of 16384 bytes");
	CHECK_OK(dseek_exec_memory(m.exec, id, -ENOMEM, -1));
	ask_end(&a, -ENOMEM);
	CHECK_FAILS(dseek_exec_memory(m.exec, id, 0, -1), ENOENT, "nobody waits");
	CHECK_EQ(in_engines(m.dev), 0);
	manual_close(&m);
}

/* What it can't map was not given: another answer counts, and the descriptor's number is somebody else's by then. */
static void answered_again(void)
{
	char path[64];
	struct dseek_bo *bo;
	struct manual m;
	struct asking a;
	uint64_t id;
	int fd, file, other;

	if (!on_embed())
		skip("the module takes a dma-buf or none, and maps it when it is asked to");
	giver_open(&m, NULL);
	fd = memfd_create("memory", MFD_CLOEXEC);
	CHECK(fd >= 0 && !ftruncate(fd, SIZE));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	ask_begin(&a, &m);
	id = told(&m);
	CHECK_FAILS(dseek_exec_memory(m.exec, id, 0, file), EINVAL, "can't be mapped");
	other = dup(file);
	CHECK_OK(dseek_exec_memory(m.exec, id, 0, -1));
	bo = ask_end(&a, 0);
	CHECK(dseek_bo_map(bo) == NULL);
	dseek_bo_destroy(bo);
	CHECK_EQ(freed(&m, 5000), id);
	CHECK(fcntl(other, F_GETFD) >= 0);
	close(other);
	close(file);
	close(fd);
	manual_close(&m);
}

static void none_given(void)
{
	struct dseek_bo *bo;
	struct manual m;
	uint32_t flags;

	open_engine(&m, NULL, 0, &flags);
	CHECK_FAILS(dseek_bo_create_device(m.dev, m.engine, 1, &bo), EOPNOTSUPP, "no memory of its own");
	dseek_exec_detach(m.exec);
	CHECK_FAILS(dseek_bo_create_device(m.dev, m.engine, 1, &bo), ENODEV, "has no executor");
	dseek_close(m.dev);
}

static void quota(void)
{
	struct dseek_tenant_info info;
	struct dseek_bo *bo, *more;
	struct manual m;
	uint64_t id;

	giver_open(&m, "device_limit=32767");
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	bo = make(&m, &id);
	if (on_embed()) {
		CHECK_EQ(info.device_limit, 32767);
		CHECK_FAILS(dseek_bo_create_device(m.dev, m.engine, SIZE, &more), EDQUOT, "engines' memory");
	}
	CHECK_EQ(in_engines(m.dev), SIZE);
	dseek_bo_destroy(bo);
	manual_close(&m);
}

/* Unanswered: -ENODEV. Given: lost, for good. */
static void executor_goes(void)
{
	struct dseek_bo_info info;
	struct dseek_bo *bo;
	struct manual m;
	struct asking a;
	uint32_t flags;
	uint64_t id;
	int fd;

	giver_open(&m, NULL);
	ask_begin(&a, &m);
	told(&m);
	dseek_exec_detach(m.exec);
	ask_end(&a, -ENODEV);
	m.exec = attach_as(ENGINE, DRM_DSEEK_ATTACH_MEMORY, &m.engine, &flags);
	bo = make(&m, &id);
	dseek_exec_detach(m.exec);
	m.exec = attach_as(ENGINE, DRM_DSEEK_ATTACH_MEMORY, &m.engine, &flags);
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.flags, DSEEK_BO_DEVICE | DSEEK_BO_LOST);
	CHECK_FAILS(dseek_bo_export(bo, &fd), ENODEV, "went with its executor");
	dseek_bo_destroy(bo);
	CHECK_EQ(freed(&m, 0), 0);
	CHECK_EQ(in_engines(m.dev), 0);
	manual_close(&m);
}

/* ---- an executor that runs programs */

static struct dseek_device *cpu_device(uint32_t *ret_engine)
{
	struct dseek_device *dev = device_open(on_embed() ? "engine=cpu,threads=1" : NULL);
	struct dseek_engine_info info;
	uint32_t i;

	for (i = 0; dseek_engine_info(dev, i, &info) == 0; i++)
		if (info.attached && info.memory && info.type == DSEEK_ENGINE_CPU) {
			*ret_engine = info.id;
			return dev;
		}
	skip("no cpu engine that gives memory is attached");
}

static void fill(float *to, float first)
{
	int i;

	for (i = 0; i < 64; i++)
		to[i] = first + (float)i;
}

/* c = a + b, all of them in the engine's memory, filled in and read through the tenant's mapping. */
static void computes(void)
{
	uint32_t engine, param = 64, i;
	struct dseek_device *dev = cpu_device(&engine);
	struct dseek_queue *queue = queue_fair(dev, engine, DSEEK_CLASS_BATCH, 1);
	struct dseek_binding bindings[3];
	struct dseek_job job = { .bindings = bindings, .binding_count = 3, .consts = &param, .const_size = 4 };
	struct dseek_bo_info info;
	struct dseek_bo *bo, *host;
	float *map, sum[64];

	job.program = program_add(dev);
	CHECK_OK(dseek_bo_create_device(dev, engine, 3 * 4096, &bo));
	CHECK_OK(dseek_bo_create(dev, 4096, 0, -1, &host));
	CHECK_OK(dseek_bo_info(bo, &info));
	CHECK_EQ(info.flags & (DSEEK_BO_DEVICE | DSEEK_BO_LOST), DSEEK_BO_DEVICE);
	map = dseek_bo_map(bo);
	CHECK_EQ(map != NULL, !!(info.flags & DSEEK_BO_EXPORTABLE));
	if (!map)
		printf("# the engine's memory can't be mapped here (no /dev/udmabuf for its executor): all sums are of zeros\n");
	for (i = 0; map && i < 3 * 1024; i++)
		CHECK(map[i] == 0);
	if (map) {
		fill(map, 3);
		fill(map + 1024, 100);
	}
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding){ bo, 4096 * i, 256, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	bindings[2] = (struct dseek_binding){ host, 0, 256, DSEEK_ACCESS_WRITE };
	CHECK_OK(wait_for(queue, submit_one(queue, &job)).error);
	memcpy(sum, dseek_bo_map(host), sizeof(sum));
	for (i = 0; i < 64; i++)
		CHECK(sum[i] == (map ? 103 + 2 * (float)i : 0));
	/* the result there as well, with the sum as a term */
	bindings[0].bo = host;
	bindings[2] = (struct dseek_binding){ bo, 2 * 4096, 256, DSEEK_ACCESS_WRITE };
	CHECK_OK(wait_for(queue, submit_one(queue, &job)).error);
	for (i = 0; map && i < 64; i++)
		CHECK(map[2048 + i] == 203 + 3 * (float)i);
	dseek_bo_destroy(bo);
	dseek_bo_destroy(host);
	/* The last job lets go of it when its end has been told. */
	for (i = 0; i < 500 && in_engines(dev); i++)
		usleep(10000);
	CHECK_EQ(in_engines(dev), 0);
	dseek_program_destroy(job.program);
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

/* What one had written nobody finds: neither who still has a file of it, nor the next. */
static void cleared(void)
{
	uint32_t engine, i, round;
	struct dseek_device *dev = cpu_device(&engine);
	uint64_t until = in_ms(5000);
	char *map, *kept = NULL;
	struct dseek_bo *bo;
	int fd;

	for (round = 0; round < 3; round++) {
		CHECK_OK(dseek_bo_create_device(dev, engine, 65536, &bo));
		map = dseek_bo_map(bo);
		if (!map)
			skip("the engine's memory can't be mapped here");
		for (i = 0; i < 65536; i++)
			CHECK_EQ(map[i], 0);
		memset(map, 0x5a, 65536);
		if (!round) {
			CHECK_OK(dseek_bo_export(bo, &fd));
			kept = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
			CHECK(kept != MAP_FAILED);
			close(fd);
		}
		dseek_bo_destroy(bo);
		/* The module keeps it for who has it; in this process it is the executor's again at once. */
		while (!round && on_embed() && *(volatile char *)kept && now_ns() < until)
			usleep(1000);
		CHECK_EQ(!round && on_embed() && kept[65535], 0);
		if (!round)
			munmap(kept, 65536);
	}
	dseek_close(dev);
}

/* By whatever the backend could make of it, a memory file or a dma-buf. */
static void imported(void)
{
	struct dseek_bo *bo, *other;
	struct dseek_device *dev;
	uint32_t engine;
	char *map;
	int fd;

	if (!on_embed())
		skip("of the module: tests/selftests/dseek/device.c");
	dev = cpu_device(&engine);
	CHECK_OK(dseek_bo_create_device(dev, engine, 8192, &bo));
	CHECK_OK(dseek_bo_export(bo, &fd));
	CHECK_OK(dseek_bo_import(dev, fd, &other));
	close(fd);
	CHECK_EQ(dseek_bo_size(other), 8192);
	map = dseek_bo_map(other);
	map[5000] = 1;
	CHECK_EQ(((char *)dseek_bo_map(bo))[5000], 1);
	dseek_bo_destroy(other);
	dseek_bo_destroy(bo);
	dseek_close(dev);
}

/* Jobs of another engine, or of several, are refused it. */
static void of_its_engine_alone(void)
{
	struct dseek_binding bindings[3];
	uint32_t param = 64, i;
	struct dseek_job job = { .bindings = bindings, .binding_count = 3, .consts = &param, .const_size = 4 };
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_queue *queue, *both;
	struct dseek_bo *bo;
	struct dseek_exec *exec;
	struct manual m;
	uint32_t tag, other, flags;
	uint64_t id;
	void *base;

	giver_open(&m, NULL);
	exec = attach_as(ENGINE ".other", 0, &other, &flags);
	bo = make(&m, &id);
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding){ bo, 4096 * i, 256, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	job.program = program_add(m.dev);
	params.engine = other;
	CHECK_OK(dseek_queue_create(m.dev, &params, &queue));
	CHECK_FAILS(dseek_submit(queue, &job, 1, &id, NULL), EXDEV, "memory of");
	params.engines = 1ull << m.engine | 1ull << other;
	CHECK_OK(dseek_queue_create(m.dev, &params, &both));
	CHECK_FAILS(dseek_submit(both, &job, 1, &id, NULL), EXDEV, "memory of");
	dseek_queue_destroy(queue);
	dseek_queue_destroy(both);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	submit_one(queue, &job);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->bindings[2].access,
		 DRM_DSEEK_ACCESS_READ | DRM_DSEEK_ACCESS_WRITE | DRM_DSEEK_ACCESS_DEVICE);
	CHECK_FAILS(dseek_exec_map(m.exec, tag, 0, &base), EINVAL, "map");
	/* lost with a job of it held: that is refused from then on */
	dseek_exec_detach(m.exec);
	CHECK_FAILS(dseek_submit(queue, &job, 1, &id, NULL), ENODEV, "went with its executor");
	dseek_bo_destroy(bo);
	dseek_program_destroy(job.program);
	dseek_queue_destroy(queue);
	dseek_exec_detach(exec);
	dseek_close(m.dev);
}

const struct test memory_tests[] = {
	{ "asked for, given, told to be freed", life },
	{ "refusals", refusals },
	{ "an answer that can't be mapped, and another", answered_again },
	{ "executors that give none", none_given },
	{ "quota", quota },
	{ "goes with its executor", executor_goes },
	{ "jobs of its engine alone", of_its_engine_alone },
	{ "computes with it", computes },
	{ "cleared", cleared },
	{ "exported and imported", imported },
	{ NULL }
};
