// SPDX-License-Identifier: MIT
/*
 * coverage.so: preloaded (tests/vm/coverage), has every thread of a program say what of the module it runs, in DSEEK_RECORDER.
 * KCOV is a thread's own and is not inherited, so threads and children begin anew; what was run is taken over after each call
 * that goes to the module, as its area is small. What a program ran since then when it is killed is lost.
 */
#include "kcov.h"
#include "recorder.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES (64 << 10)
#define EXPORT __attribute__((visibility("default")))

static struct recorder *recorder;
static _Thread_local struct kcov mine;

static void begin(void)
{
	struct kcov k;		/* what kcov_start() calls is collected, too */

	mine.area = NULL;
	if (!recorder || kcov_start(&k, ENTRIES))
		return;
	/* only root is told where it is */
	if (k.base)
		recorder->base = k.base;
	else
		k.base = recorder->base;
	mine = k;
}

static void collect(void)
{
	int error = errno;

	if (mine.area) {
		kcov_collect(&mine, recorder->reached, COVER_SIZE, NULL);
		kcov_reset(&mine);
	}
	errno = error;
}

static void begin_child(void)
{
	void *parents = mine.area;

	mine.area = NULL;
	if (parents)
		munmap(parents, ENTRIES * sizeof(uint64_t));
	begin();
}

__attribute__((constructor)) static void load(void)
{
	const char *path = getenv("DSEEK_RECORDER");

	/* the fuzzer does this itself */
	if (!path || !*path || !strcmp(program_invocation_short_name, "fuzz"))
		return;
	recorder = recorder_open(path);
	if (!recorder)
		return;
	pthread_atfork(NULL, NULL, begin_child);
	begin();
}

__attribute__((destructor)) static void unload(void)
{
	collect();
}

struct start {
	void *(*run)(void *arg);
	void *arg;
};

static void collect_at_end(void *unused)
{
	collect();
}

static void *start_thread(void *arg)
{
	struct start s = *(struct start *)arg;
	void *result;

	free(arg);
	begin();
	pthread_cleanup_push(collect_at_end, NULL);
	result = s.run(s.arg);
	pthread_cleanup_pop(1);
	return result;
}

#define REAL(name, type) \
	static __typeof__(type) *next; \
	if (!next) \
		*(void **)&next = dlsym(RTLD_NEXT, name)

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	struct start *s;
	REAL("pthread_create", int (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *));

	s = recorder ? malloc(sizeof(*s)) : NULL;
	if (!s)
		return next(thread, attr, run, arg);
	*s = (struct start){ run, arg };
	return next(thread, attr, start_thread, s);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int r;
	REAL("ioctl", int (int, unsigned long, ...));

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	r = next(fd, request, arg);
	collect();
	return r;
}

EXPORT int close(int fd)
{
	int r;
	REAL("close", int (int));

	r = next(fd);
	collect();
	return r;
}

EXPORT int munmap(void *addr, size_t size)
{
	int r;
	REAL("munmap", int (void *, size_t));

	r = next(addr, size);
	if (addr != mine.area)
		collect();
	return r;
}

EXPORT ssize_t write(int fd, const void *from, size_t size)
{
	ssize_t r;
	REAL("write", ssize_t (int, const void *, size_t));

	r = next(fd, from, size);
	collect();
	return r;
}

EXPORT void _exit(int status)
{
	REAL("_exit", void (int));

	collect();
	next(status);
	__builtin_unreachable();
}
