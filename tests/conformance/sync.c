// SPDX-License-Identifier: MIT
/* Syncobjs: dependencies among queues, and with the host. */
#include <pthread.h>
#include <unistd.h>
#include "suite.h"

struct pair {
	struct manual m;
	struct dseek_program *prog;
	struct dseek_queue *a, *b;
	struct dseek_syncobj *s;
};

static void setup(struct pair *p)
{
	manual_open(&p->m, 2, NULL);
	p->prog = program_nop(p->m.dev);
	p->a = queue_fair(p->m.dev, p->m.engine, DSEEK_CLASS_BATCH, 1);
	p->b = queue_fair(p->m.dev, p->m.engine, DSEEK_CLASS_BATCH, 1);
	CHECK_OK(dseek_syncobj_create(p->m.dev, 0, &p->s));
}

static void teardown(struct pair *p)
{
	dseek_syncobj_destroy(p->s);
	dseek_queue_destroy(p->a);
	dseek_queue_destroy(p->b);
	dseek_program_destroy(p->prog);
	manual_close(&p->m);
}

static uint64_t submit_wait(struct pair *p, struct dseek_queue *queue, uint64_t point)
{
	struct dseek_sync sync = { p->s, point };
	struct dseek_job job = { .program = p->prog, .waits = &sync, .wait_count = 1 };

	return submit_one(queue, &job);
}

static uint64_t submit_signal(struct pair *p, struct dseek_queue *queue, uint64_t point)
{
	struct dseek_sync sync = { p->s, point };
	struct dseek_job job = { .program = p->prog, .signals = &sync, .signal_count = 1 };

	return submit_one(queue, &job);
}

static void binary(void)
{
	uint64_t first, second;
	struct pair p;
	uint32_t tags[4], tag;

	setup(&p);
	first = submit_signal(&p, p.a, 0);
	second = submit_wait(&p, p.b, 0);
	CHECK_EQ(manual_fetch(&p.m, tags, 4, 1000), 1);
	CHECK_EQ(manual_fetch(&p.m, tags + 1, 3, 30), 0);
	CHECK_EQ(dseek_syncobj_wait(p.s, 0, 0), -ETIME);
	manual_done(&p.m, tags[0], 0, 1000);
	CHECK_OK(wait_for(p.a, first).error);
	CHECK_OK(dseek_syncobj_wait(p.s, 0, 0));
	tag = manual_fetch_one(&p.m);
	manual_done(&p.m, tag, 0, 1000);
	CHECK_OK(wait_for(p.b, second).error);
	/* What has signalled holds nobody up. */
	second = submit_wait(&p, p.b, 0);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.b, second).error);
	teardown(&p);
}

static void nothing_to_wait_for(void)
{
	struct dseek_sync sync;
	struct dseek_job job;
	uint64_t seqno;
	struct pair p;

	/* Fences that could come to wait for each other can't be made: a wait needs its signal to be submitted. */
	setup(&p);
	sync = (struct dseek_sync) { p.s, 0 };
	job = (struct dseek_job) { .program = p.prog, .waits = &sync, .wait_count = 1 };
	CHECK_FAILS(dseek_submit(p.a, &job, 1, &seqno, NULL), EINVAL, "nothing was submitted");
	sync.point = 5;
	CHECK_FAILS(dseek_submit(p.a, &job, 1, &seqno, NULL), EINVAL, "nothing was submitted");
	submit_signal(&p, p.a, 4);
	CHECK_FAILS(dseek_submit(p.a, &job, 1, &seqno, NULL), EINVAL, "nothing was submitted");
	/* A job may signal what it waits for; it waits for what was there before. */
	sync.point = 4;
	job.signals = &sync;
	job.signal_count = 1;
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	submit_one(p.a, &job);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	teardown(&p);
}

static void error_propagates(void)
{
	uint64_t seqno, next;
	struct pair p;

	setup(&p);
	submit_signal(&p, p.a, 0);
	seqno = submit_wait(&p, p.b, 0);
	next = submit_program(p.b, p.prog);
	manual_done(&p.m, manual_fetch_one(&p.m), -EIO, 1000);
	CHECK_EQ(wait_for(p.b, seqno).error, -EIO);
	/* The queue goes on. */
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.b, next).error);
	CHECK_OK(dseek_syncobj_wait(p.s, 0, 0));
	/* Also to a job that comes when the error has been there for a while. */
	seqno = submit_wait(&p, p.b, 0);
	CHECK_EQ(wait_for(p.b, seqno).error, -EIO);
	teardown(&p);
}

static void later_jobs_stay_behind(void)
{
	uint64_t seqno;
	struct pair p;
	uint32_t tag, more;

	setup(&p);
	submit_signal(&p, p.a, 0);
	submit_wait(&p, p.b, 0);
	seqno = submit_program(p.b, p.prog);
	tag = manual_fetch_one(&p.m);
	CHECK_EQ(manual_fetch(&p.m, &more, 1, 30), 0);
	manual_done(&p.m, tag, 0, 1000);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.b, seqno).error);
	teardown(&p);
}

static void timeline(void)
{
	uint64_t point, w1, w2, w3;
	uint32_t tags[4];
	struct pair p;

	setup(&p);
	CHECK_OK(dseek_syncobj_query(p.s, &point));
	CHECK_EQ(point, 0);
	submit_signal(&p, p.a, 10);
	submit_signal(&p, p.a, 20);
	w1 = submit_wait(&p, p.b, 7);
	w2 = submit_wait(&p, p.b, 10);
	w3 = submit_wait(&p, p.b, 11);
	CHECK_EQ(manual_fetch(&p.m, tags, 1, 1000), 1);
	CHECK_EQ(dseek_syncobj_wait(p.s, 10, 0), -ETIME);
	manual_done(&p.m, tags[0], 0, 1000);
	CHECK_OK(dseek_syncobj_wait(p.s, 10, 0));
	CHECK_EQ(dseek_syncobj_wait(p.s, 11, 0), -ETIME);
	CHECK_OK(dseek_syncobj_query(p.s, &point));
	CHECK_EQ(point, 10);
	/* w1 and w2 are free, w3 waits for point 20. */
	while (dseek_wait(p.b, w2, 0, NULL) == -ETIME)
		manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.b, w1).error);
	while (dseek_wait(p.b, w3, 0, NULL) == -ETIME)
		manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(dseek_syncobj_query(p.s, &point));
	CHECK_EQ(point, 20);
	CHECK_OK(dseek_syncobj_wait(p.s, 3, 0));
	teardown(&p);
}

/* Point 20 is signalled only once point 10 is, though its own job is done first. */
static void timeline_order(void)
{
	struct pair p;
	uint32_t tag;

	setup(&p);
	submit_signal(&p, p.a, 10);
	tag = manual_fetch_one(&p.m);
	submit_signal(&p, p.b, 20);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.b, 1).error);
	CHECK_EQ(dseek_syncobj_wait(p.s, 20, 0), -ETIME);
	manual_done(&p.m, tag, 0, 1000);
	CHECK_OK(dseek_syncobj_wait(p.s, 20, in_ms(1000)));
	teardown(&p);
}

static void host_signals(void)
{
	struct dseek_syncobj *made;
	uint64_t seqno, point;
	struct pair p;

	setup(&p);
	CHECK_OK(dseek_syncobj_create(p.m.dev, 1, &made));
	CHECK_OK(dseek_syncobj_wait(made, 0, 0));
	dseek_syncobj_destroy(made);
	CHECK_EQ(dseek_syncobj_wait(p.s, 0, in_ms(10)), -ETIME);
	CHECK_OK(dseek_syncobj_signal(p.s, 0));
	CHECK_OK(dseek_syncobj_wait(p.s, 0, 0));
	seqno = submit_wait(&p, p.a, 0);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	CHECK_OK(wait_for(p.a, seqno).error);
	CHECK_OK(dseek_syncobj_signal(p.s, 3));
	CHECK_OK(dseek_syncobj_query(p.s, &point));
	CHECK_EQ(point, 3);
	teardown(&p);
}

static void *waiter(void *arg)
{
	struct pair *p = arg;

	/* Nothing is submitted yet: the wait is also for that. */
	return (void *)(intptr_t)dseek_syncobj_wait(p->s, 9, in_ms(20000));
}

static void wait_before_submit(void)
{
	pthread_t thread;
	struct pair p;
	void *r;

	setup(&p);
	CHECK(pthread_create(&thread, NULL, waiter, &p) == 0);
	while (now_ns() % 16)
		;
	submit_signal(&p, p.a, 9);
	manual_done(&p.m, manual_fetch_one(&p.m), 0, 1000);
	pthread_join(thread, &r);
	CHECK_OK((intptr_t)r);
	teardown(&p);
}

static void long_chain(void)
{
	uint64_t i, n = 20000;
	struct pair p;
	struct dseek_tenant_info info;
	uint32_t head = 0;

	setup(&p);
	CHECK_OK(dseek_tenant_info(p.m.dev, &info));
	if (n > info.job_limit / 2)
		n = info.job_limit / 2;
	/* One error at the head faults them all, one after the other. */
	for (i = 1; i <= n; i++) {
		struct dseek_sync wait = { p.s, i - 1 }, signal = { p.s, i };
		struct dseek_job job = {
			.program = p.prog, .waits = &wait, .wait_count = i > 1, .signals = &signal, .signal_count = 1,
			.limit_ns = 60000000000,
		};

		submit_one(i % 2 ? p.a : p.b, &job);
		if (i == 1)	/* an executor that lets it lie while the others are made would be declared lost, on a slow machine */
			head = manual_fetch_one(&p.m);
	}
	manual_done(&p.m, head, -EIO, 1000);
	/* a link takes the kernel a tick where it can't interrupt itself (user-mode Linux) */
	CHECK_OK(dseek_syncobj_wait(p.s, n, in_ms(60000)));
	CHECK_EQ(wait_for(p.b, n / 2).error, -EIO);
	teardown(&p);
}

static void refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_syncobj *s;
	uint64_t point;

	CHECK_FAILS(dseek_syncobj_create(NULL, 0, &s), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_syncobj_create(dev, 0, NULL), EINVAL, "ret_syncobj is NULL");
	CHECK_FAILS(dseek_syncobj_signal(NULL, 0), EINVAL, "syncobj is NULL");
	CHECK_FAILS(dseek_syncobj_wait(NULL, 0, 0), EINVAL, "syncobj is NULL");
	CHECK_FAILS(dseek_syncobj_query(NULL, &point), EINVAL, "syncobj is NULL");
	CHECK_OK(dseek_syncobj_create(dev, 0, &s));
	CHECK_FAILS(dseek_syncobj_query(s, NULL), EINVAL, "ret_point is NULL");
	CHECK_FAILS(dseek_syncobj_wait(s, 0, in_ms(5)), ETIME, "isn't signalled");
	dseek_syncobj_destroy(s);
	dseek_close(dev);
}

/* Of a job that has this limit, by which the next test tells jobs apart. */
static uint32_t fetch_expected(struct manual *m, uint64_t limit_ns)
{
	uint32_t tag = manual_fetch_one(m);

	CHECK_EQ(dseek_exec_job(m->exec, tag)->limit_ns, limit_ns);
	return tag;
}

static bool asked_to_yield(struct manual *m)
{
	return __atomic_load_n(&dseek_exec_control(m->exec)->preempt, __ATOMIC_RELAXED);
}

/*
 * A deadline job waits for a batch job: the batch job is lent nothing (dseek_drm.h says why), others are not held up,
 * and what the waiting costs is the deadline alone.
 */
static void waiting_lends_nothing(void)
{
	enum { SLOW = 1000000001, URGENT, QUICK, OTHER };	/* limits: 1 s and some ns */
	const uint64_t ms = 1000000;
	struct dseek_queue *slow, *quick, *urgent, *other;
	struct dseek_queue_stats stats;
	struct dseek_syncobj *s;
	struct dseek_sync sync;
	struct dseek_job job;
	struct dseek_job_result result;
	struct manual m;
	uint64_t deadline, over;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	CHECK_OK(dseek_syncobj_create(m.dev, 0, &s));
	sync = (struct dseek_sync) { s, 0 };
	slow = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	quick = queue_fair(m.dev, m.engine, DSEEK_CLASS_INTERACTIVE, 1);
	urgent = queue_deadline(m.dev, m.engine, 10 * ms, 100 * ms);
	other = queue_deadline(m.dev, m.engine, 10 * ms, 100 * ms);
	job = (struct dseek_job) { .program = program_nop(m.dev), .limit_ns = SLOW, .signals = &sync, .signal_count = 1 };
	submit_one(slow, &job);
	deadline = in_ms(250);
	job = (struct dseek_job) { .program = job.program, .limit_ns = URGENT, .waits = &sync, .wait_count = 1, .deadline_ns = deadline };
	submit_one(urgent, &job);
	job = (struct dseek_job) { .program = job.program, .limit_ns = QUICK };
	submit_one(quick, &job);
	/* In the order of their own classes. */
	over = now_ns();
	tag = fetch_expected(&m, QUICK);
	/* Not before it has had its slice: a machine that stands still may take it. */
	CHECK(!asked_to_yield(&m) || now_ns() - over > ms);
	job.limit_ns = OTHER;
	submit_one(other, &job);
	CHECK(asked_to_yield(&m));
	manual_done(&m, tag, 0, ms);
	manual_done(&m, fetch_expected(&m, OTHER), 0, ms);
	tag = fetch_expected(&m, SLOW);
	/* It gives way, too, while it is waited for. */
	submit_one(other, &job);
	CHECK(asked_to_yield(&m));
	manual_yield(&m, tag, 0, 2 * ms);
	manual_done(&m, fetch_expected(&m, OTHER), 0, ms);
	tag = fetch_expected(&m, SLOW);
	while (now_ns() <= deadline)
		usleep(1000);
	CHECK(!asked_to_yield(&m));
	over = now_ns();
	manual_done(&m, tag, 0, 3 * ms);
	manual_done(&m, fetch_expected(&m, URGENT), 0, 2 * ms);

	result = wait_for(urgent, 1);
	CHECK_OK(result.error);
	CHECK(result.start_ns >= over);
	CHECK_OK(dseek_queue_stats(urgent, &stats));
	CHECK_EQ(stats.deadline_misses, 1);
	CHECK_EQ(stats.engine_ns, 2 * ms);	/* of its budget, waiting took nothing */
	CHECK(stats.queued_ns <= now_ns() - over);
	CHECK_OK(dseek_queue_stats(slow, &stats));
	CHECK_EQ(stats.engine_ns, 5 * ms);
	CHECK_EQ(stats.preemptions, 1);
	dseek_program_destroy(job.program);
	dseek_syncobj_destroy(s);
	dseek_queue_destroy(slow);
	dseek_queue_destroy(quick);
	dseek_queue_destroy(urgent);
	dseek_queue_destroy(other);
	manual_close(&m);
}

const struct test sync_tests[] = {
	{ "refusals", refusals },
	{ "binary: one queue waits for another", binary },
	{ "a wait that nothing will signal is refused", nothing_to_wait_for },
	{ "an error is handed on", error_propagates },
	{ "jobs behind a waiting one stay behind", later_jobs_stay_behind },
	{ "timeline", timeline },
	{ "timeline points signal in order", timeline_order },
	{ "the host signals", host_signals },
	{ "a wait before its submission", wait_before_submit },
	{ "a long chain of dependencies", long_chain },
	{ "who waits for a job lends it nothing", waiting_lends_nothing },
	{ NULL },
};
