/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the tests of the dseek module share: devices, calls that return -errno, and a scripted
 * executor: a thread that serves an engine and does with each job what the job's constants say.
 */
#ifndef DSEEK_TEST_H
#define DSEEK_TEST_H

#include <drm/dseek_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MS			1000000ULL
#define SEC			1000000000ULL
#define UNMAPPED		0xdead0000ULL	/* nothing is mapped there */
#define KERNEL_ADDRESS		0xffff888000000000ULL
#define TEST_EXEC_PATH		"/dev/dseek-exec"
#define TEST_ENGINE		"selftest0"

/* ---- calls */

static inline int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / SEC), .tv_nsec = (long)(ns % SEC) };

	nanosleep(&t, NULL);
}

/* The driver's render node, by its name: other drivers may have taken the first number. */
static inline int open_node(void)
{
	const char *path = getenv("DSEEK_NODE");
	char name[16] = "", node[32];
	struct drm_version v;
	int fd, i;

	if (path && *path)
		return open(path, O_RDWR | O_CLOEXEC);
	for (i = 128; i < 192; i++) {
		snprintf(node, sizeof(node), "/dev/dri/renderD%d", i);
		fd = open(node, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		v = (struct drm_version){ .name = name, .name_len = sizeof(name) - 1 };
		memset(name, 0, sizeof(name));
		if (!ioctl(fd, DRM_IOCTL_VERSION, &v) && !strcmp(name, "dseek"))
			return fd;
		close(fd);
	}
	errno = ENODEV;
	return -1;
}

static inline int query(int fd, uint32_t type, uint32_t index, void *to, uint32_t size)
{
	struct drm_dseek_dev_query q = { .type = type, .index = index, .pointer = (uintptr_t)to, .size = size };

	return call(fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q);
}

static inline struct drm_dseek_tenant_info tenant_info(int fd)
{
	struct drm_dseek_tenant_info t = { 0 };

	if (query(fd, DRM_DSEEK_QUERY_TENANT, 0, &t, sizeof(t)))
		perror("query tenant");
	return t;
}

static inline int bo_create(int fd, uint64_t size, uint32_t *ret_handle)
{
	struct drm_dseek_bo_create c = { .size = size, .numa_node = -1 };
	int r = call(fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);

	if (!r)
		*ret_handle = c.handle;
	return r;
}

static inline int bo_info(int fd, uint32_t handle, struct drm_dseek_bo_info *info)
{
	*info = (struct drm_dseek_bo_info){ .handle = handle };
	return call(fd, DRM_IOCTL_DSEEK_BO_INFO, info);
}

static inline void *bo_map(int fd, uint32_t handle)
{
	struct drm_dseek_bo_info i;

	if (bo_info(fd, handle, &i))
		return MAP_FAILED;
	return mmap(NULL, i.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)i.mmap_offset);
}

static inline int bo_close(int fd, uint32_t handle)
{
	struct drm_gem_close c = { .handle = handle };

	return call(fd, DRM_IOCTL_GEM_CLOSE, &c);
}

static inline int program_create(int fd, uint32_t *ret_handle)
{
	static const uint8_t blob[64] = "a program that no executor here looks at";
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)blob, .size = sizeof(blob) };
	int r = call(fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);

	if (!r)
		*ret_handle = c.handle;
	return r;
}

static inline int queue_create(int fd, uint32_t engine, uint32_t class, uint32_t weight, uint32_t *ret_handle)
{
	struct drm_dseek_queue_create c = { .engine = engine, .sched_class = class, .weight = weight };
	int r = call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c);

	if (!r)
		*ret_handle = c.handle;
	return r;
}

static inline int queue_destroy(int fd, uint32_t handle)
{
	struct drm_dseek_queue_destroy d = { .handle = handle };

	return call(fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, &d);
}

static inline int submit(int fd, uint32_t queue, const struct drm_dseek_job *jobs, uint32_t count, uint64_t *ret_seqno)
{
	struct drm_dseek_submit s = { .queue = queue, .jobs = (uintptr_t)jobs, .count = count, .stride = sizeof(*jobs) };
	int r = call(fd, DRM_IOCTL_DSEEK_SUBMIT, &s);

	if (!r && ret_seqno)
		*ret_seqno = s.first_seqno + s.done - 1;
	return r ? r : s.error;
}

/* The job's own error in *ret_error. */
static inline int wait_job(int fd, uint32_t queue, uint64_t seqno, uint64_t within_ns, int *ret_error)
{
	struct drm_dseek_wait w = { .queue = queue, .seqno = seqno, .deadline_ns = within_ns ? now_ns() + within_ns : 0 };
	int r;

	do {
		r = call(fd, DRM_IOCTL_DSEEK_WAIT, &w);
	} while (r == -EINTR);
	if (!r && ret_error)
		*ret_error = w.error;
	return r;
}

static inline int syncobj_create(int fd, uint32_t *ret_handle)
{
	struct drm_syncobj_create c = { 0 };
	int r = call(fd, DRM_IOCTL_SYNCOBJ_CREATE, &c);

	if (!r)
		*ret_handle = c.handle;
	return r;
}

static inline int syncobj_wait(int fd, uint32_t handle, uint64_t within_ns, uint32_t flags)
{
	struct drm_syncobj_wait w = { .handles = (uintptr_t)&handle, .count_handles = 1, .flags = flags,
				      .timeout_nsec = within_ns ? (int64_t)(now_ns() + within_ns) : 0 };

	return call(fd, DRM_IOCTL_SYNCOBJ_WAIT, &w);
}

static inline int timeline_wait(int fd, uint32_t handle, uint64_t point, uint64_t within_ns, uint32_t flags)
{
	struct drm_syncobj_timeline_wait w = { .handles = (uintptr_t)&handle, .points = (uintptr_t)&point,
					       .count_handles = 1, .flags = flags,
					       .timeout_nsec = within_ns ? (int64_t)(now_ns() + within_ns) : 0 };

	return call(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &w);
}

static inline int timeline_signal(int fd, uint32_t handle, uint64_t point)
{
	struct drm_syncobj_timeline_array a = { .handles = (uintptr_t)&handle, .points = (uintptr_t)&point,
						.count_handles = 1 };

	return call(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &a);
}

static inline int syncobj_signal(int fd, uint32_t handle)
{
	struct drm_syncobj_array a = { .handles = (uintptr_t)&handle, .count_handles = 1 };

	return call(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &a);
}

/* ---- the scripted executor */

/* Constants of a job: what the executor shall do with it, and how. */
enum script_op {
	SCRIPT_DONE,		/* complete with error -arg */
	SCRIPT_HOLD,		/* keep until exec_release() */
	SCRIPT_YIELD,		/* yield arg times, then complete */
	SCRIPT_BUSY,		/* keep for arg us, then complete */
};

struct script {
	uint32_t op;
	uint32_t arg;
};

struct test_exec {
	int fd;
	uint32_t engine, depth;
	uint64_t generation;
	const struct drm_dseek_job_desc *jobs;
	const volatile struct drm_dseek_control *control;
	pthread_t thread;
	int running;
	volatile int stop, release;
	volatile uint64_t fetched, completed, yields, retired;
	volatile int error;		/* what ended the thread */
};

static inline int exec_open(void)
{
	int fd = open(TEST_EXEC_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline struct drm_dseek_attach exec_attachment(const char *name, uint32_t depth)
{
	struct drm_dseek_attach a = { .type = DRM_DSEEK_ENGINE_NULL, .depth = depth, .numa_node = -1 };

	strncpy((char *)a.name, name, sizeof(a.name) - 1);
	return a;
}

/* Attach and map, without serving: for tests that call NEXT themselves. */
static inline int exec_attach_as(struct test_exec *e, const char *name, uint32_t type, uint32_t depth, uint32_t flags)
{
	struct drm_dseek_attach a = exec_attachment(name, depth);
	int r;

	a.type = type;
	a.flags = flags;
	memset(e, 0, sizeof(*e));
	e->fd = exec_open();
	if (e->fd < 0)
		return e->fd;
	r = call(e->fd, DRM_IOCTL_DSEEK_ATTACH, &a);
	if (r) {
		close(e->fd);
		return r;
	}
	e->engine = a.engine;
	e->depth = depth;
	e->generation = a.generation;
	e->jobs = mmap(NULL, depth * sizeof(*e->jobs), PROT_READ, MAP_SHARED, e->fd, DRM_DSEEK_MMAP_JOBS);
	e->control = mmap(NULL, sizeof(*e->control), PROT_READ, MAP_SHARED, e->fd, DRM_DSEEK_MMAP_CONTROL);
	if ((void *)e->jobs == MAP_FAILED || (void *)e->control == MAP_FAILED) {
		r = -errno;
		close(e->fd);
	}
	return r;
}

static inline int exec_attach_flags(struct test_exec *e, const char *name, uint32_t depth, uint32_t flags)
{
	return exec_attach_as(e, name, DRM_DSEEK_ENGINE_NULL, depth, flags);
}

static inline int exec_attach(struct test_exec *e, const char *name, uint32_t depth)
{
	return exec_attach_flags(e, name, depth, 0);
}

static inline void exec_close(struct test_exec *e)
{
	munmap((void *)e->jobs, e->depth * sizeof(*e->jobs));
	munmap((void *)e->control, sizeof(*e->control));
	close(e->fd);
}

/* One call of NEXT; returns the number of tags, or -errno. */
static inline int exec_next(struct test_exec *e, struct drm_dseek_completion *done, uint32_t done_count, uint32_t *tags,
			    uint32_t tag_max, uint64_t within_ns)
{
	uint64_t retired[64];
	struct drm_dseek_next n = { .completions = (uintptr_t)done, .completion_count = done_count,
				    .tags = (uintptr_t)tags, .tag_max = tag_max,
				    .retired = (uintptr_t)retired, .retired_max = 64,
				    .deadline_ns = within_ns ? now_ns() + within_ns : 0 };
	int r = call(e->fd, DRM_IOCTL_DSEEK_NEXT, &n);

	e->retired += n.retired_count;
	return r ? r : (int)n.tag_count;
}

/* What becomes of the job at hand: 1 and *c filled in, or 0: still held. */
static inline int script_step(struct test_exec *e, uint32_t tag, uint64_t start_ns, struct drm_dseek_completion *c)
{
	const struct drm_dseek_job_desc *job = &e->jobs[tag];
	struct script s = { 0 };

	memcpy(&s, job->consts, job->const_size < sizeof(s) ? job->const_size : sizeof(s));
	*c = (struct drm_dseek_completion){ .tag = tag, .engine_ns = now_ns() - start_ns };
	if (e->control->abort_mask >> tag & 1) {
		c->error = -ETIMEDOUT;
		return 1;
	}
	switch (s.op) {
	case SCRIPT_HOLD:
		return e->release;
	case SCRIPT_YIELD:
		if (job->cursor < s.arg) {
			c->outcome = DRM_DSEEK_OUTCOME_YIELD;
			c->cursor = job->cursor + 1;
			e->yields++;
		}
		return 1;
	case SCRIPT_BUSY:
		return c->engine_ns >= s.arg * 1000ULL;
	default:
		c->error = -(int)s.arg;
		return 1;
	}
}

/*
 * Jobs go back in the order in which they came, so within a queue too. After a yield, what was
 * fetched later goes back as well: some of it may be of the same queue.
 */
static inline void *exec_thread(void *arg)
{
	struct test_exec *e = arg;
	struct drm_dseek_completion done[DRM_DSEEK_MAX_DEPTH];
	uint32_t held[DRM_DSEEK_MAX_DEPTH], tags[DRM_DSEEK_MAX_DEPTH], n_held = 0, n_done = 0, i;
	uint64_t since[DRM_DSEEK_MAX_DEPTH + 1];
	int got, yielded;

	while (!e->stop) {
		got = exec_next(e, done, n_done, tags, e->depth - n_held, n_held ? MS / 5 : 20 * MS);
		if (got == -EINTR)
			got = 0;
		if (got < 0) {
			e->error = got;
			break;
		}
		e->completed += n_done;
		for (i = 0; i < (uint32_t)got; i++) {
			since[n_held] = now_ns();
			held[n_held++] = tags[i];
			e->fetched++;
		}
		n_done = 0;
		yielded = 0;
		while (n_done < n_held) {
			if (yielded)
				done[n_done] = (struct drm_dseek_completion){ .tag = held[n_done],
						.outcome = DRM_DSEEK_OUTCOME_YIELD,
						.cursor = e->jobs[held[n_done]].cursor };
			else if (!script_step(e, held[n_done], since[n_done], &done[n_done]))
				break;
			if (done[n_done].outcome == DRM_DSEEK_OUTCOME_YIELD)
				yielded = 1;
			n_done++;
			since[n_done] = now_ns();	/* one engine: the next starts when this one ends */
		}
		n_held -= n_done;
		memmove(held, held + n_done, n_held * sizeof(held[0]));
		memmove(since, since + n_done, n_held * sizeof(since[0]));
	}
	return NULL;
}

static inline int exec_serve(struct test_exec *e)
{
	int r = -pthread_create(&e->thread, NULL, exec_thread, e);

	e->running = !r;
	return r;
}

static inline int exec_start(struct test_exec *e, const char *name, uint32_t depth)
{
	int r = exec_attach(e, name, depth);

	return r ? r : exec_serve(e);
}

static inline void exec_stop(struct test_exec *e)
{
	if (e->running) {
		e->stop = 1;
		pthread_join(e->thread, NULL);
		e->running = 0;
	}
	exec_close(e);
}

static inline void exec_release(struct test_exec *e)
{
	e->release = 1;
}

/* Of the module; root only. */
static inline int parameter_set(const char *name, unsigned int value, unsigned int *ret_old)
{
	char path[96], text[16] = "";
	int fd, n;

	snprintf(path, sizeof(path), "/sys/module/dseek/parameters/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ret_old && read(fd, text, sizeof(text) - 1) > 0)
		*ret_old = (unsigned int)atoi(text);
	n = snprintf(text, sizeof(text), "%u", value);
	n = pwrite(fd, text, (size_t)n, 0) < 0 ? -errno : 0;
	close(fd);
	return n;
}

/* ---- checks */

/* Emulated, watched, and on a busy host, a test of a second may need more than the harness' 30. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

/*
 * What all tests of a program need, or it says why and none is run. Up to Linux 6.8 the harness runs a test whose
 * FIXTURE_SETUP has called SKIP(), and what takes it down, on what was never set up.
 */
#define NEEDS(condition, reason) \
	static __attribute__((constructor)) void needs_(void) \
	{ \
		if (!(condition)) \
			ksft_exit_skip("%s\n", reason); \
	}

/* The call with one member of a good argument changed must fail with @err. */
#define REFUSE(err, fd, request, good, change) \
	do { \
		__typeof__(good) bad_ = (good); \
		bad_.change; \
		EXPECT_EQ(-(err), call(fd, request, &bad_)) { TH_LOG("%s", #request " with " #change); } \
	} while (0)

#ifdef __KSELFTEST_HARNESS_H
/* A job that an executor of its own holds, and may map the one buffer of. It points into itself: not to be copied. */
struct held_job {
	struct drm_dseek_binding binding;	/* the caller's; may change between jobs */
	struct drm_dseek_job job;
	struct test_exec exec;
	uint32_t queue;
	struct drm_dseek_completion done;	/* what gives it back */
	struct drm_dseek_map map;
};

/* Of @fd, whose every step is an ASSERT of the test at hand: it names the one that failed. exec_close(&h->exec) undoes it. */
static inline void hold_job(struct __test_metadata *_metadata, int fd, struct held_job *h)
{
	h->job = (struct drm_dseek_job){ .bindings = (uintptr_t)&h->binding, .binding_count = 1 };
	ASSERT_EQ(0, exec_attach(&h->exec, TEST_ENGINE, 2));
	ASSERT_EQ(0, program_create(fd, &h->job.program));
	ASSERT_EQ(0, queue_create(fd, h->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &h->queue));
	ASSERT_EQ(0, submit(fd, h->queue, &h->job, 1, NULL));
	ASSERT_EQ(1, exec_next(&h->exec, NULL, 0, &h->done.tag, 1, SEC));
	h->map.tag = h->done.tag;
	ASSERT_EQ(0, call(h->exec.fd, DRM_IOCTL_DSEEK_MAP, &h->map));
}
#endif

#endif /* DSEEK_TEST_H */
