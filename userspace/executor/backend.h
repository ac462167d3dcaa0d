/* SPDX-License-Identifier: MIT */
/*
 * What a backend provides: something that runs programs. backend_null.c is the commented template. A
 * backend is built in or loaded at run time (a shared object exporting "dseek_backend").
 */
#ifndef DSEEK_BACKEND_H
#define DSEEK_BACKEND_H

#include <stddef.h>
#include <stdint.h>

struct dseek_program_view;

#define DSEEK_BACKEND_ABI	5

/* One run, from the executor's loop to the backend. Pointers are valid for the call. */
struct dseek_run {
	const struct dseek_program_view *program;
	void *prepared;				/* what program_prepare returned */
	void *const *bindings;			/* addresses, offset applied; as many as the program states */
	const uint32_t *params;			/* checked against the program's ranges */
	uint64_t cursor;			/* op to start from; on -EAGAIN the backend sets where to go on */
	/* Ask between ops: 0 go on; -EAGAIN: yield (return it); -ETIMEDOUT: aborted (return it). */
	int (*poll)(void *poll_arg);
	void *poll_arg;
	uint64_t engine_ns;			/* in: 0; out: engine time to charge for this run, 0: what the clock measured */
	uint32_t depth;				/* of the engine: ops that may be started before the first of them is done; 0: 1 */
	uint32_t sched_class;			/* of the job's queue: 1 + enum drm_dseek_class; 0: not told */
	uint64_t tenant;			/* whose job it is; 0: not told */
	uint64_t deadline_ns;			/* the job's, 0: none */
	char *err;				/* one sentence on an error that is the engine's, for the log; NULL: nobody reads it */
	size_t err_size;
};

struct dseek_backend {
	uint32_t abi;				/* DSEEK_BACKEND_ABI */
	uint32_t type;				/* enum drm_dseek_engine_type */
	const char *name;
	const char *summary;			/* one line for --help */

	/* @options: "KEY=VALUE,..." or NULL; -EINVAL and one sentence in @err for one it doesn't know */
	int (*open)(const char *options, void **ret_state, char *err, size_t err_size);
	void (*close)(void *state);
	/* What was opened, and what it lacks, in one sentence for the log; optional. */
	void (*describe)(void *state, char *buf, size_t size);
	/* Once for each program, after validation; optional. -ENOTSUP, and one sentence in @err that names it: an op or type it lacks. */
	int (*program_prepare)(void *state, const struct dseek_program_view *program, void **ret_prepared, char *err, size_t err_size);
	void (*program_release)(void *state, void *prepared);
	/* 0, -EAGAIN (yielded), or the job's error. Called from one thread. */
	int (*run)(void *state, struct dseek_run *run);
	/*
	 * A buffer is mapped at @base from one call to the other, and runs in between may be bound to parts of it; optional.
	 * No run is under way. @writable: some may write to it.
	 */
	int (*buffer_map)(void *state, void *base, uint64_t size, int writable, char *err, size_t err_size);
	void (*buffer_unmap)(void *state, void *base);
	/* What it has done since it was opened, half a sentence for the log at its end; optional. */
	void (*status)(void *state, char *text, size_t size);
	/*
	 * Memory of the engine's own, for tenants' buffers; optional, both or none. Between runs. *ret_base: what runs are bound to, as to a buffer
	 * that is mapped. Zeroed; memory_free() clears it, or keeps it where it can't. *ret_fd: a dma-buf of the whole of it and nothing
	 * else, or a file where that is enough (dseek_exec_memory()); the caller closes it; -1: there is none, which is no error.
	 */
	int (*memory_alloc)(void *state, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size);
	void (*memory_free)(void *state, void *base);
	uint32_t runs_code;			/* not 0: programs may carry code of the tenant's, where that is allowed (dseek_exec_allow_code()) */
	uint32_t pad;
	/*
	 * Not 0: the engine was given up, and every run() from now on would fail; optional. Between runs. The executor ends then, so that
	 * another takes its place. close() is called in a process that lives on, after runs that may not have ended; dseek-exec leaves it out.
	 */
	int (*lost)(void *state);
};

extern const struct dseek_backend dseek_backend_cpu, dseek_backend_null, dseek_backend_fault, dseek_backend_hip;
extern const struct dseek_backend dseek_backend_npu, dseek_backend_opencl;

/* Built in, or a path to a shared object; NULL and one sentence in @err if there is none. */
const struct dseek_backend *dseek_backend_at(size_t index);	/* those built in; NULL past the last */
const struct dseek_backend *dseek_backend_find(const char *name, char *err, size_t err_size);

#endif /* DSEEK_BACKEND_H */
