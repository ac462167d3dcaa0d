// SPDX-License-Identifier: MIT
/* The executor goes away; another comes, or none. */
#include <pthread.h>
#include <unistd.h>
#include "suite.h"

static void lost_with_jobs(void)
{
	struct dseek_queue *a, *b, *c;
	struct dseek_program *prog;
	struct dseek_job job;
	uint32_t tags[4], i, tag;
	uint64_t plain, again, waiting;
	struct manual m;

	manual_open(&m, 4, NULL);
	prog = program_spin(m.dev, 1, 10);
	a = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	b = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	c = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	plain = submit_program(a, prog);
	job = (struct dseek_job) { .program = prog, .flags = DSEEK_JOB_IDEMPOTENT };
	again = submit_one(b, &job);
	CHECK_EQ(manual_fetch(&m, tags, 4, 1000), 2);
	/* One of them has been yielded before: it starts again all the same. */
	for (i = 0; i < 2; i++)
		if (dseek_exec_job(m.exec, tags[i])->flags & DRM_DSEEK_JOB_IDEMPOTENT)
			manual_yield(&m, tags[i], 5, 1000);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->cursor, 5);
	waiting = submit_program(c, prog);
	dseek_exec_detach(m.exec);
	CHECK_EQ(wait_for(a, plain).error, -ECANCELED);
	CHECK_EQ(dseek_wait(b, again, 0, NULL), -ETIME);
	CHECK_EQ(dseek_wait(c, waiting, 0, NULL), -ETIME);
	manual_attach(&m);
	CHECK_EQ(manual_fetch(&m, tags, 4, 1000), 2);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(dseek_exec_job(m.exec, tags[i])->cursor, 0);
		manual_done(&m, tags[i], 0, 1000);
	}
	CHECK_OK(wait_for(b, again).error);
	CHECK_OK(wait_for(c, waiting).error);
	dseek_queue_destroy(a);
	dseek_queue_destroy(b);
	dseek_queue_destroy(c);
	dseek_program_destroy(prog);
	manual_close(&m);
}

/* What was given back before the loss is not lost with it. */
static void lost_after_a_yield(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue;
	uint32_t tags[2], tag;
	struct manual m;

	manual_open(&m, 2, NULL);
	prog = program_spin(m.dev, 1, 10);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	submit_program(queue, prog);
	submit_program(queue, prog);
	CHECK_EQ(manual_fetch(&m, tags, 2, 1000), 2);
	manual_yield(&m, tags[0], 3, 1000);
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->cursor, 3);
	manual_done(&m, tag, 0, 1000);
	CHECK_OK(wait_for(queue, 1).error);
	CHECK_EQ(wait_for(queue, 2).error, -ECANCELED);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void nobody_comes_back(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job;
	struct manual m;
	uint64_t seqno;

	manual_open(&m, 1, "recovery_ms=100");
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	submit_program(queue, prog);
	dseek_exec_detach(m.exec);
	CHECK_EQ(wait_for(queue, 1).error, -ESHUTDOWN);
	job = (struct dseek_job) { .program = prog };
	CHECK_EQ(dseek_submit(queue, &job, 1, &seqno, NULL), -ESHUTDOWN);
	/* Whoever comes late still finds the queue. */
	manual_attach(&m);
	submit_program(queue, prog);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 2).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void hang_is_lost(void)
{
	struct drm_dseek_next next = { 0 };
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job;
	struct manual m;

	if (!on_embed())
		skip("the grace period of the module isn't the caller's to set");
	manual_open(&m, 1, "grace_ms=50");
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	job = (struct dseek_job) { .program = prog, .limit_ns = 20000000, .flags = DSEEK_JOB_IDEMPOTENT };
	submit_one(queue, &job);
	submit_program(queue, prog);
	manual_fetch_one(&m);
	/* Asked to stop, it doesn't: it is over, and not tried again. */
	CHECK_EQ(wait_for(queue, 1).error, -ETIMEDOUT);
	CHECK_EQ(dseek_exec_next(m.exec, &next), -ESTALE);
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 2).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void idle_and_deaf_is_lost(void)
{
	struct drm_dseek_next next = { 0 };
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job;
	struct manual m;
	uint32_t tag;

	if (!on_embed())
		skip("the grace period of the module isn't the caller's to set");
	manual_open(&m, 1, "grace_ms=300,limit_ms=1200");
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	/* Before its first look it has as long as a job. */
	job = (struct dseek_job) { .program = prog, .flags = DSEEK_JOB_IDEMPOTENT };
	submit_one(queue, &job);
	CHECK_EQ(dseek_wait(queue, 1, in_ms(500), NULL), -ETIME);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	submit_one(queue, &job);
	CHECK_EQ(dseek_wait(queue, 2, in_ms(600), NULL), -ETIME);
	CHECK_EQ(dseek_exec_next(m.exec, &next), -ESTALE);
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 2).error);
	/* Nor may the next one never look at all. */
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	submit_one(queue, &job);
	CHECK_EQ(dseek_wait(queue, 3, in_ms(1500), NULL), -ETIME);
	CHECK_EQ(dseek_exec_next(m.exec, &next), -ESTALE);
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	dseek_queue_destroy(queue);
	/* One that waits is not deaf, though what is ready may not run: the budget is spent for a second. */
	queue = queue_deadline(m.dev, m.engine, 10000, 1000000000);
	job.flags = 0;
	submit_one(queue, &job);
	submit_one(queue, &job);
	manual_done(&m, manual_fetch_one(&m), 0, 15000);
	CHECK_EQ(manual_fetch(&m, &tag, 1, 600), 0);
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 2).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void hung_thread_is_replaced(void)
{
	struct dseek_engine_info info;
	struct dseek_device *dev;
	struct dseek_program *prog, *hang;
	struct dseek_queue *queue;
	struct dseek_job job;

	if (!on_embed())
		skip("a daemon that hangs is its supervisor's to replace");
	dev = device_open("engine=fault,grace_ms=50,hang_ms=600");
	prog = program_nop(dev);
	hang = program_spin(dev, 9998001, 1);
	queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	job = (struct dseek_job) { .program = hang, .limit_ns = 20000000 };
	submit_one(queue, &job);
	submit_program(queue, prog);
	CHECK_EQ(wait_for(queue, 1).error, -ETIMEDOUT);
	CHECK_OK(wait_for(queue, 2).error);
	CHECK_OK(dseek_engine_find(dev, NULL, &info));
	CHECK_EQ(info.generation, 2);
	usleep(800000);	/* the first comes back to find itself replaced */
	CHECK_OK(wait_for(queue, submit_program(queue, prog)).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_program_destroy(hang);
	dseek_close(dev);
}

/* The backend gives its engine up: one job fails, and not those that come after it for ever. */
static void given_up_engine_is_replaced(void)
{
	struct dseek_engine_info info;
	struct dseek_device *dev;
	struct dseek_program *prog, *lose;
	struct dseek_queue *queue;
	uint32_t i;

	if (!on_embed())
		skip("a daemon whose engine is given up is its supervisor's to replace");
	dev = device_open("engine=fault");
	prog = program_nop(dev);
	lose = program_spin(dev, 9998004, 1);
	queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	for (i = 0; i < 3; i++) {
		uint64_t lost = submit_program(queue, lose), next = submit_program(queue, prog);

		CHECK_EQ(wait_for(queue, lost).error, -EIO);
		CHECK_OK(wait_for(queue, next).error);
		CHECK_OK(dseek_engine_find(dev, NULL, &info));
		CHECK_EQ(info.generation, 2 + i);
	}
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_program_destroy(lose);
	dseek_close(dev);
}

static struct dseek_exec *stand_by(const struct manual *m, uint32_t depth)
{
	struct drm_dseek_attach attach = { .type = DRM_DSEEK_ENGINE_NULL, .depth = depth, .numa_node = -1,
					   .flags = DRM_DSEEK_ATTACH_STANDBY };
	struct dseek_exec *exec;

	strcpy((char *)attach.name, m->name);
	CHECK_OK(dseek_exec_attach(manual_path(), &attach, &exec));
	CHECK_EQ(attach.engine, m->engine);
	CHECK_EQ(attach.generation, 0);
	CHECK_EQ(dseek_exec_control(exec)->generation, 0);
	return exec;
}

static void standbys_in_their_order(void)
{
	struct drm_dseek_completion c = { 0 };
	struct drm_dseek_next next = { .completions = (uintptr_t)&c };
	struct dseek_exec *second, *third, *leaves;
	struct dseek_engine_info info;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job;
	uint32_t tag;
	struct manual m;
	int stop = 0;

	manual_open(&m, 1, NULL);
	CHECK_EQ(dseek_exec_control(m.exec)->generation, 1);
	CHECK_OK(dseek_exec_wait_turn(m.exec, &stop));
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.standby, 0);
	leaves = stand_by(&m, 3);
	second = stand_by(&m, 2);
	third = stand_by(&m, 4);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.standby, 1);
	CHECK_EQ(info.depth, 1);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	job = (struct dseek_job) { .program = prog, .flags = DSEEK_JOB_IDEMPOTENT };
	submit_one(queue, &job);
	submit_one(queue, &job);
	/* Those that stand by see nothing of the jobs, and can give nothing back. */
	next.tags = (uintptr_t)&tag;
	next.tag_max = 1;
	CHECK_OK(dseek_exec_next(second, &next));
	CHECK_EQ(next.tag_count, 0);
	next.deadline_ns = in_ms(20);
	CHECK_OK(dseek_exec_next(second, &next));
	CHECK_EQ(next.tag_count, 0);
	tag = manual_fetch_one(&m);
	next.completion_count = 1;
	c.tag = tag;
	CHECK_EQ(dseek_exec_next(second, &next), -EINVAL);
	CHECK_EQ(next.completed, 0);
	dseek_exec_detach(leaves);

	dseek_exec_detach(m.exec);
	CHECK_OK(dseek_exec_wait_turn(second, &stop));
	CHECK_EQ(dseek_exec_control(second)->generation, 2);
	CHECK_EQ(dseek_exec_control(third)->generation, 0);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.attached, 1);
	CHECK_EQ(info.generation, 2);
	CHECK_EQ(info.depth, 2);
	CHECK_EQ(info.standby, 1);
	m.exec = second;
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 1).error);

	dseek_exec_detach(m.exec);
	m.exec = third;
	manual_done(&m, manual_fetch_one(&m), 0, 1000);
	CHECK_OK(wait_for(queue, 2).error);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.generation, 3);
	CHECK_EQ(info.depth, 4);
	CHECK_EQ(info.standby, 0);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

struct turn {
	struct dseek_exec *exec;
	int stop, result;
};

static void *wait_turn(void *arg)
{
	struct turn *turn = arg;

	turn->result = dseek_exec_wait_turn(turn->exec, &turn->stop);
	return NULL;
}

static void standby_wakes(void)
{
	struct turn turn = { .result = 1 };
	pthread_t thread;
	struct manual m;

	manual_open(&m, 1, NULL);
	/* asked to stop, it doesn't wait for its turn */
	turn.exec = stand_by(&m, 1);
	turn.stop = 1;
	wait_turn(&turn);
	CHECK_OK(turn.result);
	CHECK_EQ(dseek_exec_control(turn.exec)->generation, 0);
	turn.stop = 0;
	CHECK_OK(pthread_create(&thread, NULL, wait_turn, &turn));
	usleep(50000);
	dseek_exec_detach(m.exec);
	CHECK_OK(pthread_join(thread, NULL));
	CHECK_OK(turn.result);
	CHECK_EQ(dseek_exec_control(turn.exec)->generation, 2);
	m.exec = turn.exec;
	manual_close(&m);
}

const struct test recover_tests[] = {
	{ "executor lost: idempotent jobs run again, others fault", lost_with_jobs },
	{ "executor lost after a yield", lost_after_a_yield },
	{ "nobody comes back in time", nobody_comes_back },
	{ "an executor that doesn't obey is lost", hang_is_lost },
	{ "an idle executor that doesn't fetch is lost", idle_and_deaf_is_lost },
	{ "those that stand by take over in their order", standbys_in_their_order },
	{ "one that waits for its turn is woken", standby_wakes },
	{ "embedded: a thread that hangs is replaced", hung_thread_is_replaced },
	{ "embedded: an engine that its backend gives up is replaced", given_up_engine_is_replaced },
	{ NULL },
};
