// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../lib/object.h"
#include "backend.h"
#include "cache.h"

static uint32_t bucket(uint64_t id)
{
	return id * 0x9e3779b97f4a7c15ull >> 56;
}

void cache_init(struct cache *cache, struct dseek_exec *exec, const struct dseek_backend *backend, void *state)
{
	memset(cache, 0, sizeof(*cache));
	cache->exec = exec;
	cache->backend = backend;
	cache->backend_state = state;
}

/* ---- buffers */

static struct cached_bo **find_bo(struct cache *cache, uint64_t id)
{
	struct cached_bo **pos = &cache->bos[bucket(id)];

	while (*pos && (*pos)->id != id)
		pos = &(*pos)->next;
	return pos;
}

static void drop_bo(struct cache *cache, struct cached_bo **pos)
{
	struct cached_bo *bo = *pos;

	*pos = bo->next;
	if (bo->device) {
		cache->backend->memory_free(cache->backend_state, bo->base);
		free(bo);
		return;
	}
	if (cache->backend->buffer_unmap)
		cache->backend->buffer_unmap(cache->backend_state, bo->base);
	dseek_exec_unmap(cache->exec, bo->id);
	free(bo);
}

void cache_retire(struct cache *cache, uint64_t bo_id)
{
	struct cached_bo **pos = find_bo(cache, bo_id);

	if (*pos)
		drop_bo(cache, pos);
}

int cache_memory(struct cache *cache, const struct drm_dseek_memory_request *request)
{
	struct cached_bo **pos = find_bo(cache, request->bo_id), *bo = malloc(sizeof(*bo));
	int fd = -1, r = bo ? 0 : -ENOMEM, r2;

	*cache->why = '\0';
	if (!r)
		r = cache->backend->memory_alloc(cache->backend_state, request->size, &bo->base, &fd, cache->why, sizeof(cache->why));
	if (r) {
		free(bo);
		dseek_exec_memory(cache->exec, request->bo_id, r, -1);
		return r;
	}
	r2 = dseek_exec_memory(cache->exec, request->bo_id, 0, fd);
	if (fd >= 0)
		close(fd);
	if (r2) {	/* who wanted it is gone */
		cache->backend->memory_free(cache->backend_state, bo->base);
		free(bo);
		return 0;
	}
	bo->id = request->bo_id;
	bo->writable = 1;
	bo->device = true;
	bo->next = *pos;
	*pos = bo;
	return 0;
}

int cache_bo(struct cache *cache, uint32_t tag, uint32_t binding, const struct drm_dseek_job_binding *b,
	     void **ret_base)
{
	int write = (b->access & DRM_DSEEK_ACCESS_WRITE) != 0, r;
	struct cached_bo **pos = find_bo(cache, b->bo_id), *bo;

	/* Mapped for reading when nobody had bound it for writing yet. */
	if (*pos && write && !(*pos)->writable)
		drop_bo(cache, pos);
	pos = find_bo(cache, b->bo_id);
	bo = *pos;
	if (!bo && b->access & DRM_DSEEK_ACCESS_DEVICE) {
		snprintf(cache->why, sizeof(cache->why), "binding %u: its memory went with the executor before this one", binding);
		return -ENODEV;
	}
	if (!bo) {
		bo = malloc(sizeof(*bo));
		if (!bo)
			return -ENOMEM;
		r = dseek_exec_map(cache->exec, tag, binding, &bo->base);
		if (r) {
			free(bo);
			return r;
		}
		r = cache->backend->buffer_map ? cache->backend->buffer_map(cache->backend_state, bo->base, b->bo_size, write,
									     cache->why, sizeof(cache->why)) : 0;
		if (r) {
			dseek_exec_unmap(cache->exec, b->bo_id);
			free(bo);
			return r;
		}
		bo->id = b->bo_id;
		bo->writable = write;
		bo->device = false;
		bo->next = NULL;
		*pos = bo;
	}
	*ret_base = bo->base;
	return 0;
}

/* ---- programs, newest first */

static void unlink_use(struct cache *cache, struct cached_program *prog)
{
	*(prog->newer ? &prog->newer->older : &cache->newest) = prog->older;
	*(prog->older ? &prog->older->newer : &cache->oldest) = prog->newer;
}

static void link_newest(struct cache *cache, struct cached_program *prog)
{
	prog->newer = NULL;
	prog->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = prog;
	cache->newest = prog;
}

static void drop_program(struct cache *cache, struct cached_program *prog)
{
	struct cached_program **pos = &cache->programs[bucket(prog->id)];

	while (*pos != prog)
		pos = &(*pos)->next;
	*pos = prog->next;
	unlink_use(cache, prog);
	cache->program_count--;
	if (!prog->error && cache->backend->program_release)
		cache->backend->program_release(cache->backend_state, prog->prepared);
	free(prog->blob);
	free(prog->why);
	free(prog);
}

/* A refused program is kept too: its next job needs no second look. */
static int load_program(struct cache *cache, uint32_t tag, const struct drm_dseek_job_desc *job,
			struct cached_program *prog)
{
	int r;

	if (job->program_size == 0 || job->program_size > DRM_DSEEK_MAX_PROGRAM)
		return -EPROTO;
	prog->blob = malloc(job->program_size);
	if (!prog->blob)
		return -ENOMEM;
	r = dseek_exec_program(cache->exec, tag, prog->blob, job->program_size);
	if (r)
		return r;
	if (dseek_program_validate(prog->blob, job->program_size, &prog->view, NULL, 0)) {
		prog->error = -ENOEXEC;
		return 0;
	}
	if (prog->view.code && !(cache->exec->allow_code && cache->backend->runs_code)) {
		snprintf(cache->why, sizeof(cache->why), "the program carries code of its own: only an engine that serves its tenant alone may run it, "
			 "and this one doesn't (dseek-exec --owner, --own-code)");
		prog->error = -EACCES;
	} else if (cache->backend->program_prepare)
		prog->error = cache->backend->program_prepare(cache->backend_state, &prog->view, &prog->prepared,
								cache->why, sizeof(cache->why));
	/* What it says is kept with the program: jobs to come will be refused for the same reason. */
	if (prog->error && *cache->why)
		prog->why = strdup(cache->why);
	return 0;
}

int cache_program(struct cache *cache, uint32_t tag, const struct drm_dseek_job_desc *job,
		  struct cached_program **ret_prog)
{
	struct cached_program **head = &cache->programs[bucket(job->program_id)], *prog;
	int r;

	*cache->why = '\0';
	for (prog = *head; prog && prog->id != job->program_id; prog = prog->next)
		;
	if (prog) {
		unlink_use(cache, prog);
		if (prog->why)
			snprintf(cache->why, sizeof(cache->why), "%s", prog->why);
	} else {
		prog = calloc(1, sizeof(*prog));
		if (!prog)
			return -ENOMEM;
		r = load_program(cache, tag, job, prog);
		if (r) {
			free(prog->blob);
			free(prog);
			return r;
		}
		if (cache->program_count == CACHE_PROGRAMS)
			drop_program(cache, cache->oldest);
		prog->id = job->program_id;
		prog->next = *head;
		*head = prog;
		cache->program_count++;
	}
	link_newest(cache, prog);
	*ret_prog = prog;
	return prog->error;
}

void cache_fini(struct cache *cache)
{
	uint32_t i;

	while (cache->oldest)
		drop_program(cache, cache->oldest);
	for (i = 0; i < CACHE_BUCKETS; i++)
		while (cache->bos[i])
			drop_bo(cache, &cache->bos[i]);
}
