// SPDX-License-Identifier: MIT
/* Order within a queue, and waiting by number. */
#include <pthread.h>
#include "suite.h"

static void in_order(void)
{
	struct drm_dseek_completion c[4] = { { 0 } };
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job_result result;
	uint32_t tags[8], i, completed;
	uint64_t ids[4];
	struct manual m;

	manual_open(&m, 4, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	for (i = 1; i <= 6; i++)
		CHECK_EQ(submit_program(queue, prog), i);
	CHECK_EQ(manual_fetch(&m, tags, 8, 1000), 4);	/* the depth */
	for (i = 0; i < 4; i++) {
		ids[i] = dseek_exec_job(m.exec, tags[i])->job_id;
		CHECK(i == 0 || ids[i] > ids[i - 1]);
		c[i].tag = tags[i];
	}
	CHECK_EQ(manual_fetch(&m, tags + 4, 1, 0), 0);
	CHECK_EQ(dseek_wait(queue, 1, 0, &result), -ETIME);
	CHECK_OK(manual_complete(&m, c, 4, &completed));
	CHECK_EQ(completed, 4);
	CHECK_OK(wait_for(queue, 4).error);
	CHECK_EQ(dseek_wait(queue, 5, 0, NULL), -ETIME);
	CHECK_EQ(dseek_wait(queue, 5, in_ms(20), NULL), -ETIME);
	manual_done(&m, manual_fetch_one(&m), -EIO, 0);
	manual_done(&m, manual_fetch_one(&m), 0, 1234567);
	result = wait_for(queue, 5);
	CHECK_EQ(result.error, -EIO);
	result = wait_for(queue, 6);
	CHECK_EQ(result.error, 0);
	CHECK_EQ(result.engine_ns, 1234567);
	CHECK(result.submit_ns <= result.start_ns && result.start_ns <= result.end_ns);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void wait_refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_queue *queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	struct dseek_program *prog = program_nop(dev);

	CHECK_FAILS(dseek_wait(NULL, 1, 0, NULL), EINVAL, "queue is NULL");
	CHECK_FAILS(dseek_wait(queue, 0, 0, NULL), EINVAL, "numbered from 1");
	CHECK_FAILS(dseek_wait(queue, 1, in_ms(1000), NULL), ENOENT, "job 1 was never submitted");
	submit_program(queue, prog);
	CHECK_FAILS(dseek_wait(queue, 2, in_ms(1000), NULL), ENOENT, "job 2 was never submitted");
	CHECK_OK(wait_for(queue, 1).error);
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

static void status_ring(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_queue *queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	struct dseek_program *prog = program_nop(dev);
	struct dseek_job_result result;
	uint64_t seqno = 0;
	int i;

	for (i = 0; i < DRM_DSEEK_STATUS_RING + 10; i++)
		seqno = submit_program(queue, prog);
	CHECK_OK(wait_for(queue, seqno).error);
	CHECK_OK(dseek_wait(queue, seqno - DRM_DSEEK_STATUS_RING + 1, 0, &result));
	CHECK_FAILS(dseek_wait(queue, 10, 0, &result), EOVERFLOW, "forgotten");
	CHECK_OK(dseek_wait(queue, 10, 0, NULL));	/* complete it is */
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

struct waiter {
	pthread_t thread;
	struct dseek_queue *queue;
	uint64_t seqno;
	int r;
};

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->r = dseek_wait(w->queue, w->seqno, in_ms(20000), NULL);
	return NULL;
}

static void many_waiters(void)
{
	struct dseek_program *prog;
	struct waiter w[8];
	struct dseek_queue *queue;
	struct manual m;
	int i;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	for (i = 0; i < 8; i++)
		submit_program(queue, prog);
	for (i = 0; i < 8; i++) {
		w[i] = (struct waiter) { .queue = queue, .seqno = 8 - i / 2 * 2 };
		CHECK(pthread_create(&w[i].thread, NULL, waiter_main, &w[i]) == 0);
	}
	for (i = 0; i < 8; i++)
		manual_done(&m, manual_fetch_one(&m), 0, 1000);
	for (i = 0; i < 8; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK_OK(w[i].r);
	}
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	manual_close(&m);
}

static void destroy_cancels(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue, *other;
	struct dseek_syncobj *syncobj;
	struct dseek_sync sync;
	struct dseek_job job;
	uint64_t seqno;
	struct manual m;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	other = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	CHECK_OK(dseek_syncobj_create(m.dev, 0, &syncobj));
	sync = (struct dseek_sync) { syncobj, 0 };
	submit_program(queue, prog);
	tag = manual_fetch_one(&m);
	job = (struct dseek_job) { .program = prog, .signals = &sync, .signal_count = 1 };
	submit_one(queue, &job);
	job = (struct dseek_job) { .program = prog, .waits = &sync, .wait_count = 1 };
	seqno = submit_one(other, &job);
	dseek_queue_destroy(queue);
	/* The one that runs, runs on; the one that waited hears why. */
	manual_done(&m, tag, 0, 1000);
	CHECK_OK(dseek_syncobj_wait(syncobj, 0, in_ms(5000)));
	CHECK_EQ(wait_for(other, seqno).error, -ECANCELED);
	dseek_syncobj_destroy(syncobj);
	dseek_program_destroy(prog);
	dseek_queue_destroy(other);
	manual_close(&m);
}

static void real_work(void)
{
	struct dseek_device *dev = device_open("engine=cpu,threads=1");
	struct dseek_program *prog = program_add(dev);
	struct dseek_binding bindings[3];
	struct dseek_engine_info info;
	struct dseek_queue *queue;
	struct dseek_job job;
	struct dseek_bo *bo;
	uint32_t rows = 48, n = 0;
	float *x;
	int i;

	while (dseek_engine_info(dev, n++, &info) == 0 && !(info.attached && info.type == DSEEK_ENGINE_CPU))
		;
	if (info.type != DSEEK_ENGINE_CPU)
		skip("no engine that computes is attached");
	queue = queue_fair(dev, info.id, DSEEK_CLASS_INTERACTIVE, 1);
	CHECK_OK(dseek_bo_create(dev, 4096, 0, -1, &bo));
	x = dseek_bo_map(bo);
	for (i = 0; i < 64; i++)
		x[i] = i, x[256 + i] = 1000 * i;
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding) { bo, 1024 * i, 256, i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE };
	job = (struct dseek_job) { .program = prog, .bindings = bindings, .binding_count = 3, .consts = &rows, .const_size = 4 };
	CHECK_OK(wait_for(queue, submit_one(queue, &job)).error);
	for (i = 0; i < 64; i++)
		CHECK_EQ(x[512 + i], i < 48 ? 1001 * i : 0);
	dseek_bo_destroy(bo);
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

const struct test order_tests[] = {
	{ "jobs of a queue run and complete in order", in_order },
	{ "wait refusals", wait_refusals },
	{ "results are kept for the last 256 jobs", status_ring },
	{ "many waiters, each for its number", many_waiters },
	{ "destroying a queue cancels what hasn't started", destroy_cancels },
	{ "a program's result is there when its job is complete", real_work },
	{ NULL },
};
