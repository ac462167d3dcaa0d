// SPDX-License-Identifier: MIT
/* Embedded engines where no thread can be had: pthread_create() is ours, and fails when told to. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <dseek.h>
#include <dseek_program.h>
#include "../tap.h"

static atomic_int left = 1000, refused;	/* threads that may be made yet */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");

	if (atomic_fetch_sub(&left, 1) > 0)
		return real(thread, attr, fn, arg);
	refused++;
	return EAGAIN;
}

static uint64_t in_ms(uint64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec + ms * 1000000;
}

static struct dseek_program *program(struct dseek_device *dev, uint32_t code, int us)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = code, .i = { us } };
	struct dseek_program *prog = NULL;
	void *blob = NULL;
	size_t size;

	memset(op.t, 0xff, sizeof(op.t));
	dseek_builder_op(b, &op);
	if (!dseek_builder_finish(b, &blob, &size))
		dseek_program_create(dev, blob, size, &prog);
	free(blob);
	dseek_builder_destroy(b);
	return prog;
}

/* The timer's thread, then the engines'. */
static void none_at_first(void)
{
	struct dseek_device *dev;
	int n, r;

	for (n = 0; n < 3; n++) {
		left = n;
		r = dseek_open("embed:,engine=null,engine=null", NULL, &dev);
		tap_ok(r == -EAGAIN && strstr(dseek_strerror_detail(), "can't start a thread"), "%d threads of 3: %d, %s", n, r,
		       dseek_strerror_detail());
	}
	left = 1000;
	r = dseek_open("embed:,engine=null,engine=null", NULL, &dev);
	if (tap_ok(!r, "and all: %s", r ? dseek_strerror_detail() : "open"))
		dseek_close(dev);
}

/* The executor hangs, is declared lost, and no thread can be had for another: the engine ends with its recovery time. */
static void none_for_another(void)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_job jobs[2] = { { .limit_ns = 20000000 } };
	struct dseek_job_result result = { 0 };
	struct dseek_engine_info info = { 0 };
	struct dseek_queue *queue;
	struct dseek_device *dev;
	uint64_t seqno;
	int r;

	if (dseek_open("embed:,engine=fault,hang_ms=1500,grace_ms=50,recovery_ms=200", NULL, &dev) || dseek_queue_create(dev, &params, &queue)) {
		tap_ok(0, "an engine: %s", dseek_strerror_detail());
		return;
	}
	jobs[0].program = program(dev, DSEEK_OP_SPIN, 9998001);
	jobs[1].program = program(dev, DSEEK_OP_NOP, 0);
	left = 0;
	refused = 0;
	r = dseek_submit(queue, jobs, 2, &seqno, NULL);
	tap_ok(r == 2, "two jobs, of which the first hangs: %d", r);
	r = dseek_wait(queue, 1, in_ms(1000), &result);
	tap_ok(!r && result.error == -ETIMEDOUT, "it is over: %d, %d", r, result.error);
	r = dseek_wait(queue, 2, in_ms(1000), &result);
	tap_ok(!r && result.error == -ESHUTDOWN, "so is the engine: %d, %d", r, result.error);
	tap_ok(refused == 1, "after one try for another thread: %d", refused);
	r = dseek_engine_info(dev, 0, &info);
	tap_ok(!r && !info.attached && info.generation == 1, "nobody serves it: generation %llu", (unsigned long long)info.generation);
	left = 1000;
	dseek_program_destroy(jobs[0].program);
	dseek_program_destroy(jobs[1].program);
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

int main(void)
{
	none_at_first();
	none_for_another();
	return tap_end();
}
