/* SPDX-License-Identifier: MIT */
/*
 * What the executor keeps between jobs: mappings of buffers and validated programs, by their ids, which are
 * never used twice. A mapping goes when the transport retires its buffer; nobody tells when a program
 * is destroyed, so the least recently used goes when there are too many.
 */
#ifndef DSEEK_EXECUTOR_CACHE_H
#define DSEEK_EXECUTOR_CACHE_H

#include <dseek_exec.h>
#include <dseek_program.h>
#include <stdbool.h>

#define CACHE_BUCKETS	256
#define CACHE_PROGRAMS	1024

struct dseek_backend;

struct cached_program {
	struct cached_program *next;		/* in its bucket */
	struct cached_program *newer, *older;
	uint64_t id;
	int error;				/* why its jobs can't run, or 0 */
	char *why;				/* the backend's sentence on that, or NULL */
	bool profiled;				/* in the recording */
	void *blob;
	struct dseek_program_view view;
	void *prepared;				/* the backend's */
};

struct cached_bo {
	struct cached_bo *next;
	uint64_t id;
	void *base;
	int writable;
	bool device;				/* the backend's own memory, mapped nowhere */
};

#define CACHE_WHY	240

struct cache {
	struct dseek_exec *exec;
	const struct dseek_backend *backend;
	void *backend_state;
	struct cached_bo *bos[CACHE_BUCKETS];
	struct cached_program *programs[CACHE_BUCKETS];
	struct cached_program *newest, *oldest;
	uint32_t program_count;
	char why[CACHE_WHY];			/* the backend's sentence on the last error that was its; "": it had none */
};

void cache_init(struct cache *cache, struct dseek_exec *exec, const struct dseek_backend *backend, void *state);
void cache_fini(struct cache *cache);
int cache_program(struct cache *cache, uint32_t tag, const struct drm_dseek_job_desc *job,
		  struct cached_program **ret_prog);	/* 0 or the job's error */
/* A job's bindings that write before those that only read: for one that writes a buffer may be mapped anew. */
int cache_bo(struct cache *cache, uint32_t tag, uint32_t binding, const struct drm_dseek_job_binding *b,
	     void **ret_base);
void cache_retire(struct cache *cache, uint64_t bo_id);
int cache_memory(struct cache *cache, const struct drm_dseek_memory_request *request);	/* answers it; 0, or why there is none */

#endif /* DSEEK_EXECUTOR_CACHE_H */
