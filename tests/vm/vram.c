// SPDX-License-Identifier: MIT
/*
 * vram ENGINE PID: two tenants and an engine whose executor, a daemon with that PID, gives memory of its own. One fills a buffer of it through its
 * mapping, runs a program in it and reads the result there; the other can't reach it, and finds nothing of it in what it is given
 * afterwards; then the executor is killed.
 */
#include "../selftests/dseek/dseek_admin.h"
#include "../tap.h"
#include <dseek_program.h>
#include <signal.h>

#define PAGE	4096UL
#define SIZE	(4 * PAGE)
#define N	64

struct tenant {
	int fd;
	uint32_t engine, queue, program;
};

static int find_engine(int fd, const char *name, uint32_t *ret_id)
{
	struct drm_dseek_engine_info info;
	uint32_t i;

	for (i = 0; i < 64; i++)
		if (!query(fd, DRM_DSEEK_QUERY_ENGINE, i, &info, sizeof(info)) && !strcmp((char *)info.name, name)) {
			*ret_id = info.id;
			return info.flags & DRM_DSEEK_ENGINE_MEMORY ? 0 : -EOPNOTSUPP;
		}
	return -ENOENT;
}

/* c = a + b, each in a page of its own. */
static int create_add(int fd, uint32_t *ret_handle)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { N } };
	struct dseek_program_op op = { .code = DSEEK_OP_ADD };
	struct dseek_builder *b = dseek_builder_create(0);
	struct drm_dseek_program_create c = { 0 };
	size_t size;
	void *blob;
	int i, r;

	memset(op.t, 0xff, sizeof(op.t));
	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	for (i = 0; i < 3; i++) {
		t.binding = dseek_builder_binding(b, i < 2 ? DRM_DSEEK_ACCESS_READ : DRM_DSEEK_ACCESS_WRITE, N * 4);
		op.t[i] = dseek_builder_tensor(b, &t);
	}
	dseek_builder_op(b, &op);
	if (dseek_builder_finish(b, &blob, &size))
		return -EINVAL;
	c.pointer = (uintptr_t)blob;
	c.size = (uint32_t)size;
	r = call(fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);
	*ret_handle = c.handle;
	free(blob);
	dseek_builder_destroy(b);
	return r;
}

static int tenant_open(struct tenant *t, uid_t uid, const char *engine)
{
	int r;

	t->fd = open_as(uid);
	r = t->fd < 0 ? t->fd : find_engine(t->fd, engine, &t->engine);
	r = r ? r : create_add(t->fd, &t->program);
	return r ? r : queue_create(t->fd, t->engine, DRM_DSEEK_CLASS_BATCH, 1, &t->queue);
}

static int create(const struct tenant *t, struct drm_dseek_bo_info *info)
{
	struct drm_dseek_bo_create c = { .size = SIZE, .flags = DRM_DSEEK_BO_DEVICE, .numa_node = -1, .engine = t->engine };
	int r = call(t->fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);

	return r ? r : bo_info(t->fd, c.handle, info);
}

static int run(const struct tenant *t, uint32_t handle)
{
	struct drm_dseek_binding bindings[3];
	struct drm_dseek_job job = { .program = t->program, .bindings = (uintptr_t)bindings, .binding_count = 3 };
	uint64_t seqno;
	int i, r, error = 0;

	for (i = 0; i < 3; i++)
		bindings[i] = (struct drm_dseek_binding){ handle, i < 2 ? DRM_DSEEK_ACCESS_READ : DRM_DSEEK_ACCESS_WRITE, (uint64_t)i * PAGE, N * 4 };
	r = submit(t->fd, t->queue, &job, 1, &seqno);
	r = r ? r : wait_job(t->fd, t->queue, seqno, 60 * SEC, &error);
	return r ? r : error;
}

static int computes(const struct tenant *t, uint32_t handle, float *x)
{
	int i, r;

	for (i = 0; i < N; i++) {
		x[i] = (float)i;
		x[1024 + i] = 1000;
	}
	r = run(t, handle);
	for (i = 0; i < N && !r; i++)
		if (x[2048 + i] != 1000 + (float)i)
			r = -EBADMSG;
	return r;
}

static void *map(const struct tenant *t, const struct drm_dseek_bo_info *info)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, (off_t)info->mmap_offset);

	return p == MAP_FAILED ? NULL : p;
}

static size_t dirty(const char *p)
{
	size_t n = 0, i;

	for (i = 0; i < SIZE; i++)
		n += p[i] != 0;
	return n;
}

static int soon(int fd, uint64_t bytes)
{
	int i;

	for (i = 0; i < 250 && tenant_info(fd).device_bytes != bytes; i++)
		sleep_ns(20 * MS);
	return tenant_info(fd).device_bytes == bytes;
}

static void test_lost(const struct tenant *t, pid_t executor)
{
	struct drm_dseek_bo_info info;
	uint32_t handle;
	char *p;
	int i, r;

	r = create(t, &info);
	handle = info.handle;
	p = r ? NULL : map(t, &info);
	if (!tap_ok(p != NULL, "a buffer, before the executor is killed: %s", strerror(-r)))
		return;
	p[1] = 7;
	kill(executor, SIGKILL);
	for (i = 0; i < 500 && !(info.flags & DRM_DSEEK_BO_LOST); i++) {
		sleep_ns(10 * MS);
		bo_info(t->fd, handle, &info);
	}
	tap_ok(info.flags & DRM_DSEEK_BO_LOST, "it is lost with the executor");
	tap_ok(run(t, handle) == -ENODEV, "no job may name it any more");
	tap_ok(p[1] == 7, "who has it mapped has it still");
	munmap(p, SIZE);
	bo_close(t->fd, handle);
	tap_ok(soon(t->fd, 0), "and pays for it no longer than that");
}

int main(int argc, char **argv)
{
	struct tenant gold = { 0 }, silver = { 0 };
	struct drm_dseek_bo_info info, other;
	float *x;
	char *p;
	int r;

	if (argc != 3)
		return 2;
	r = tenant_open(&gold, 1001, argv[1]);
	r = r ? r : tenant_open(&silver, 1002, argv[1]);
	r = r ? r : create(&gold, &info);
	if (!tap_ok(!r, "a buffer in the memory of %s: %s", argv[1], strerror(-r)))
		return tap_end();
	tap_ok(info.flags == (DRM_DSEEK_BO_DEVICE | DRM_DSEEK_BO_EXPORTABLE) && info.engine == gold.engine, "it says so");
	x = map(&gold, &info);
	if (!tap_ok(x && !dirty((char *)x), "mapped, and zeroed"))
		return tap_end();
	r = computes(&gold, info.handle, x);
	tap_ok(!r, "filled in through the mapping, and the sum is read there: %s", strerror(-r));
	tap_ok(tenant_info(gold.fd).device_bytes == SIZE && !tenant_info(gold.fd).pinned_bytes && !tenant_info(silver.fd).device_bytes,
	       "its tenant pays for it, and not as for pages");

	tap_ok(bo_info(silver.fd, info.handle, &other) == -ENOENT, "another tenant has no handle of it");
	tap_ok(run(&silver, info.handle) == -ENOENT, "and no job with it");
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, silver.fd, (off_t)info.mmap_offset);
	tap_ok(p == MAP_FAILED && errno == EACCES, "nor its place to map");

	memset(x, 0x5a, SIZE);
	bo_close(gold.fd, info.handle);
	sleep_ns(300 * MS);
	tap_ok(tenant_info(gold.fd).device_bytes == SIZE, "closed and still mapped it is paid for");
	r = create(&silver, &other);
	p = r ? NULL : map(&silver, &other);
	tap_ok(p && !dirty(p) && ((char *)x)[SIZE - 1] == 0x5a, "another's buffer is another's: %s", strerror(-r));
	munmap(x, SIZE);
	tap_ok(soon(gold.fd, 0), "unmapped it isn't");
	if (p)
		munmap(p, SIZE);
	bo_close(silver.fd, other.handle);
	r = create(&silver, &other);
	p = r ? NULL : map(&silver, &other);
	tap_ok(p && !dirty(p), "nothing of what was given back is found in the next: %s", strerror(-r));
	if (p)
		munmap(p, SIZE);
	bo_close(silver.fd, other.handle);
	test_lost(&gold, (pid_t)atoi(argv[2]));
	close(gold.fd);
	close(silver.fd);
	return tap_end();
}
