// SPDX-License-Identifier: MIT
/*
 * Buffers in an engine's own memory: what kmod/dseek_memory.c is in the module. Here the executor is of this process, so its
 * memory is within reach and nobody is kept from it: a file of it is mapped as it is answered, and not looked after.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "embed.h"

bool embed_memory_lost(const struct embed_bo *bo)
{
	return !bo->engine->exec || bo->engine->generation != bo->generation;
}

static int ask(struct embed_bo *bo, struct embed_engine *engine, uint64_t size)
{
	struct embed_tenant *tenant = bo->tenant;
	uint64_t limit = tenant->inst->params.device_limit;

	if (!engine)
		return dseek_fail(-ENOENT, "buffer: there is no such engine");
	if (embed_engine_foreign(engine))
		return dseek_fail(-EACCES, "buffer: engine %s is another user's", engine->name);
	if (!engine->exec)
		return dseek_fail(-ENODEV, "buffer: engine %s has no executor", engine->name);
	if (!engine->exec->memory)
		return dseek_fail(-EOPNOTSUPP, "buffer: engine %s gives no memory of its own", engine->name);
	if (size > limit || tenant->device_bytes > limit - size)
		return dseek_fail(-EDQUOT, "buffer: %llu bytes and %llu already in engines' memory, tenant %s may have %llu",
				  (unsigned long long)size, (unsigned long long)tenant->device_bytes, tenant->name,
				  (unsigned long long)limit);
	tenant->device_bytes += size;
	bo->id = ++tenant->inst->last_id;
	bo->engine = engine;
	bo->generation = engine->generation;
	bo->memory = EMBED_MEMORY_WANTED;
	list_add_tail(&bo->memory_link, &engine->exec->wanted);
	embed_wake(tenant->inst, &engine->exec->event);
	return 0;
}

static int wait_for_answer(struct embed_bo *bo)
{
	struct embed_instance *inst = bo->tenant->inst;
	uint64_t until = dseek_now() + inst->params.limit_ns + inst->params.grace_ns;

	while (bo->memory < EMBED_MEMORY_OVER && embed_sleep(inst, &bo->answer, until))
		;
	list_del(&bo->memory_link);
	if (bo->memory == EMBED_MEMORY_GIVEN)
		return 0;
	bo->tenant->device_bytes -= bo->base.size;
	if (bo->memory < EMBED_MEMORY_OVER)
		return dseek_fail(-ETIMEDOUT, "buffer: the executor of engine %s didn't answer", bo->engine->name);
	return dseek_fail(bo->error, bo->error == -ENODEV ? "buffer: engine %s lost its executor" : "buffer: engine %s has no such memory",
			  bo->engine->name);
}

int embed_bo_create_device(struct dseek_device *base, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	uint64_t page = sysconf(_SC_PAGESIZE);
	struct embed_bo *bo = calloc(1, sizeof(*bo));
	int r;

	if (!bo)
		return dseek_fail(-ENOMEM, "buffer: no memory");
	if (size > INT64_MAX - page) {
		free(bo);
		return dseek_fail(-EDQUOT, "buffer: %llu bytes are more than any engine has", (unsigned long long)size);
	}
	bo->base.size = (size + page - 1) & ~(page - 1);
	bo->fd = -1;
	bo->users = 1;
	bo->tenant = dev->tenant;
	list_init(&bo->maps);
	list_init(&bo->memory_link);
	embed_lock(dev->inst);
	r = ask(bo, embed_engine_find(dev->inst, engine), bo->base.size);
	if (!r)
		r = wait_for_answer(bo);
	if (!r)
		bo->tenant->refs++;
	embed_unlock(dev->inst);
	if (r)
		free(bo);
	else
		*ret_bo = &bo->base;
	return r;
}

void embed_memory_put(struct embed_bo *bo)
{
	bo->tenant->device_bytes -= bo->base.size;
	if (embed_memory_lost(bo))
		return;
	bo->memory = EMBED_MEMORY_UNWANTED;
	list_add_tail(&bo->memory_link, &bo->engine->exec->unwanted);
	embed_wake(bo->tenant->inst, &bo->engine->exec->event);
}

/* ---- the executor's side */

static void end(struct embed_bo *bo, enum embed_memory memory, int error)
{
	bo->memory = memory;
	bo->error = error;
	list_del(&bo->memory_link);
	embed_wake(bo->tenant->inst, &bo->answer);
}

uint32_t embed_memory_tell(struct embed_exec *exec, struct drm_dseek_memory_request *requests, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && !list_empty(&exec->wanted)) {
		struct embed_bo *bo = container_of(exec->wanted.next, struct embed_bo, memory_link);

		requests[n++] = (struct drm_dseek_memory_request){
			.bo_id = bo->id, .size = bo->base.size, .tenant_id = bo->tenant->id,
		};
		bo->memory = EMBED_MEMORY_ASKED;
		list_del(&bo->memory_link);
		list_add_tail(&bo->memory_link, &exec->asked);
	}
	return n;
}

static void unlink_unwanted(struct embed_bo *bo)
{
	list_del(&bo->memory_link);
	embed_bo_release(bo);
}

uint32_t embed_memory_take_unwanted(struct embed_exec *exec, uint64_t *ids, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && !list_empty(&exec->unwanted)) {
		struct embed_bo *bo = container_of(exec->unwanted.next, struct embed_bo, memory_link);

		ids[n++] = bo->id;
		unlink_unwanted(bo);
	}
	return n;
}

void embed_memory_lose(struct embed_exec *exec)
{
	struct list *const unanswered[] = { &exec->wanted, &exec->asked };
	size_t i;

	for (i = 0; i < sizeof(unanswered) / sizeof(unanswered[0]); i++)
		while (!list_empty(unanswered[i]))
			end(container_of(unanswered[i]->next, struct embed_bo, memory_link), EMBED_MEMORY_OVER, -ENODEV);
	while (!list_empty(&exec->unwanted))
		unlink_unwanted(container_of(exec->unwanted.next, struct embed_bo, memory_link));
}

static struct embed_bo *find_asked(struct embed_exec *exec, uint64_t bo_id)
{
	list_for_each(link, &exec->asked) {
		struct embed_bo *bo = container_of(link, struct embed_bo, memory_link);

		if (bo->id == bo_id)
			return bo;
	}
	return NULL;
}

/* The file, of our own, and the tenant's mapping of it; as they were on an error: the request may be answered again. */
static int open_map(struct embed_bo *bo, int fd)
{
	off_t end_at = lseek(fd, 0, SEEK_END);
	int own;
	void *map;

	if (end_at < 0 || (uint64_t)end_at != bo->base.size)
		return dseek_fail(end_at < 0 && errno == EBADF ? -EBADF : -EINVAL, "memory: descriptor %d is no file of %llu bytes", fd,
				  (unsigned long long)bo->base.size);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return dseek_fail(-errno, "memory: no file descriptor left");
	map = mmap(NULL, bo->base.size, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
	if (map == MAP_FAILED) {
		close(own);
		return dseek_fail(-EINVAL, "memory: descriptor %d can't be mapped", fd);
	}
	bo->fd = own;
	bo->base.map = map;
	return 0;
}

int embed_exec_memory(struct dseek_exec *base, uint64_t bo_id, int error, int fd)
{
	struct embed_exec *exec = container_of(base, struct embed_exec, base);
	struct embed_instance *inst = exec->engine->inst;
	struct embed_bo *bo;
	int r = 0;

	embed_lock(inst);
	bo = find_asked(exec, bo_id);
	if (exec->lost)
		r = dseek_fail(-ESTALE, "memory: this executor was declared lost");
	else if (exec->engine->exec != exec)
		r = dseek_fail(-ENOTCONN, "memory: this executor stands by");
	else if (!bo)
		r = dseek_fail(-ENOENT, "memory: nobody waits for buffer %llu", (unsigned long long)bo_id);
	else if (fd >= 0)
		r = open_map(bo, fd);
	if (!r)
		end(bo, error ? EMBED_MEMORY_OVER : EMBED_MEMORY_GIVEN, error);
	embed_unlock(inst);
	return r;
}
