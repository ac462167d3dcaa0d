// SPDX-License-Identifier: MIT
/* The preemption word, aborts, and what a real engine makes of them. */
#include <unistd.h>
#include "suite.h"

static uint32_t preempt_word(struct manual *m)
{
	return __atomic_load_n(&dseek_exec_control(m->exec)->preempt, __ATOMIC_RELAXED);
}

static void deadline_over_batch(void)
{
	struct dseek_queue *batch, *urgent;
	struct dseek_program *prog;
	uint64_t slow, quick;
	struct manual m;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_spin(m.dev, 1, 10);
	batch = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	urgent = queue_deadline(m.dev, m.engine, 10000000, 100000000);
	slow = submit_program(batch, prog);
	tag = manual_fetch_one(&m);
	CHECK_EQ(preempt_word(&m), 0);
	quick = submit_program(urgent, prog);
	CHECK(preempt_word(&m) != 0);
	manual_yield(&m, tag, 3, 1000);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->cursor, 0);
	CHECK_EQ(preempt_word(&m), 0);
	manual_done(&m, tag, 0, 1000);
	CHECK_OK(wait_for(urgent, quick).error);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->cursor, 3);
	manual_done(&m, tag, 0, 1000);
	CHECK_EQ(wait_for(batch, slow).preemptions, 1);
	dseek_queue_destroy(batch);
	dseek_queue_destroy(urgent);
	dseek_program_destroy(prog);
	manual_close(&m);
}

/* By the mere passing of time: a batch job that runs long falls behind its equal that waits. */
static void slice_runs_out(void)
{
	struct dseek_queue *a, *b;
	struct dseek_program *prog;
	struct manual m;
	uint64_t until;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	a = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	b = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	submit_program(a, prog);
	tag = manual_fetch_one(&m);
	submit_program(b, prog);
	for (until = in_ms(5000); !preempt_word(&m) && now_ns() < until;)
		usleep(1000);
	CHECK(preempt_word(&m) != 0);
	manual_yield(&m, tag, 0, 20000000);
	tag = manual_fetch_one(&m);
	manual_done(&m, tag, 0, 1000);
	CHECK_OK(wait_for(b, 1).error);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	dseek_queue_destroy(a);
	dseek_queue_destroy(b);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void abort_over_limit(void)
{
	struct dseek_queue *queue;
	struct dseek_program *prog;
	struct dseek_job job;
	struct manual m;
	uint64_t until, mask;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	job = (struct dseek_job) { .program = prog, .limit_ns = 30000000 };
	submit_one(queue, &job);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->limit_ns, 30000000);
	for (until = in_ms(5000); now_ns() < until; usleep(1000)) {
		mask = __atomic_load_n(&dseek_exec_control(m.exec)->abort_mask, __ATOMIC_RELAXED);
		if (mask)
			break;
	}
	CHECK_EQ(mask, 1ull << tag);
	manual_done(&m, tag, -ETIMEDOUT, 30000000);
	CHECK_EQ(wait_for(queue, 1).error, -ETIMEDOUT);
	CHECK_EQ(dseek_exec_control(m.exec)->abort_mask, 0);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

/* ---- on an engine that runs */

/*
 * How soon, is told by the engine time that the batch job was charged meanwhile, not by the clock: what it had run before the
 * urgent one came, and no more ops than were begun or fetched then. A machine that stands still lengthens both sides.
 */
static void real_preemption(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_program *slow = program_spin(dev, 1000, 2500), *quick = program_spin(dev, 100, 1);
	uint32_t engine = any_engine(dev);
	struct dseek_queue *batch = queue_fair(dev, engine, DSEEK_CLASS_BATCH, 1);
	struct dseek_queue *urgent = queue_deadline(dev, engine, 10000000, 50000000);
	uint64_t since = now_ns(), before = 0;
	struct dseek_job_result result;
	struct dseek_queue_stats stats;
	struct dseek_engine_info info;
	int i;

	submit_program(batch, slow);
	usleep(20000);
	for (i = 1; i <= 3; i++) {
		result = wait_for(urgent, submit_program(urgent, quick));
		CHECK_OK(result.error);
		CHECK_EQ(dseek_wait(batch, 1, 0, NULL), -ETIME);
		CHECK_OK(dseek_queue_stats(batch, &stats));
		CHECK_OK(dseek_engine_find(dev, NULL, &info));
		CHECK_EQ(info.id, engine);
		if (stats.engine_ns - before > result.submit_ns - since + (info.depth + 1) * info.longest_op_ns)
			fail(__FILE__, __LINE__, "batch ran for %llu us, %llu of them before it was to make way; an op takes %llu",
			     (unsigned long long)(stats.engine_ns - before) / 1000,
			     (unsigned long long)(result.submit_ns - since) / 1000,
			     (unsigned long long)info.longest_op_ns / 1000);
		before = stats.engine_ns;
		since = result.end_ns;
	}
	CHECK(before > 0);
	CHECK_OK(dseek_wait(batch, 1, in_ms(50000), &result));	/* longer than others: wants 2.5 s of a CPU */
	CHECK_OK(result.error);
	CHECK(result.preemptions >= 1);
	CHECK(result.engine_ns >= 2400000000);	/* nothing was run twice or left out */
	dseek_queue_destroy(batch);
	dseek_queue_destroy(urgent);
	dseek_program_destroy(slow);
	dseek_program_destroy(quick);
	dseek_close(dev);
}

static void real_limit(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_program *slow = program_spin(dev, 5000000, 1), *nop = program_nop(dev);
	struct dseek_queue *queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	struct dseek_job job = { .program = slow, .limit_ns = 50000000 };
	struct dseek_job_result result;

	submit_one(queue, &job);
	submit_program(queue, nop);
	result = wait_for(queue, 1);
	CHECK_EQ(result.error, -ETIMEDOUT);
	CHECK(result.end_ns - result.start_ns < 3000000000);
	CHECK_OK(wait_for(queue, 2).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(slow);
	dseek_program_destroy(nop);
	dseek_close(dev);
}

const struct test preempt_tests[] = {
	{ "a deadline job before a batch job", deadline_over_batch },
	{ "a job that runs too long makes way for its equal", slice_runs_out },
	{ "a job over its limit is asked to stop", abort_over_limit },
	{ "on an engine: batch makes way between ops", real_preemption },
	{ "on an engine: a job over its limit ends", real_limit },
	{ NULL },
};
