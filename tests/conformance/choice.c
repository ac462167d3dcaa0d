// SPDX-License-Identifier: MIT
/* Queues over several engines: which of them gets a job, and that order, explicit choices and losses are what they were. */
#include <unistd.h>
#include "suite.h"

#define MS	1000000ull

/* Two engines that the test serves, by names that all these tests share: a module has room for 64. */
struct pair {
	struct manual a, b;
	uint64_t set;
	struct dseek_program *prog;
};

static void pair_open(struct pair *p, uint32_t depth, const char *keys)
{
	manual_open_as(&p->a, "conf-first", depth, keys);
	p->b = p->a;
	strcpy(p->b.name, "conf-second");
	manual_attach(&p->b);
	p->set = 1ull << p->a.engine | 1ull << p->b.engine;
	p->prog = program_spin(p->a.dev, 1 + getpid() % 1000000, 10);	/* what was learned of another's content isn't of this one */
}

static void pair_close(struct pair *p)
{
	dseek_program_destroy(p->prog);
	dseek_exec_detach(p->b.exec);
	manual_close(&p->a);
}

static struct dseek_queue *queue_over(struct dseek_device *dev, uint32_t engine, uint64_t set)
{
	struct dseek_queue_params params = { .engine = engine, .engines = set, .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_queue *queue;

	CHECK_OK(dseek_queue_create(dev, &params, &queue));
	return queue;
}

/* Teach what the program costs there, by an explicit queue. */
static void teach(struct pair *p, struct manual *m, uint64_t ns)
{
	struct dseek_queue *queue = queue_over(m->dev, m->engine, 0);
	int i;

	for (i = 0; i < 8; i++) {
		submit_program(queue, p->prog);
		manual_done(m, manual_fetch_one(m), 0, ns);
		CHECK_EQ(wait_for(queue, i + 1).engine, m->engine);
	}
	dseek_queue_destroy(queue);
}

/* Whichever of the two has something: its tag. */
static struct manual *fetch_any(struct pair *p, uint32_t *ret_tag)
{
	uint64_t until = in_ms(5000);

	do {
		if (manual_fetch(&p->b, ret_tag, 1, 0))
			return &p->b;
		if (manual_fetch(&p->a, ret_tag, 1, 0))
			return &p->a;
	} while (now_ns() < until);
	fail(__FILE__, __LINE__, "neither engine got the job");
}

static void refusals(void)
{
	struct dseek_queue_params good = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 }, q;
	struct dseek_queue *queue = (void *)1;
	uint64_t set = 77;
	struct pair p;

	pair_open(&p, 1, NULL);
	good.engine = p.a.engine;
	good.engines = p.set;
	q = good, q.engines |= 1ull << 63;
	CHECK_FAILS(dseek_queue_create(p.a.dev, &q, &queue), ENOENT, "no engine has the id");
	q = good, q.engines = 1ull << p.b.engine;
	CHECK_FAILS(dseek_queue_create(p.a.dev, &q, &queue), EINVAL, "isn't among the engines");
	q = good, q.sched_class = DSEEK_CLASS_DEADLINE, q.weight = 0, q.budget_ns = MS, q.period_ns = 10 * MS;
	CHECK_FAILS(dseek_queue_create(p.a.dev, &q, &queue), EINVAL, "on one engine, not on several");
	CHECK(queue == (void *)1);
	q.engines = 1ull << q.engine;	/* a set of one is an engine */
	CHECK_OK(dseek_queue_create(p.a.dev, &q, &queue));
	dseek_queue_destroy(queue);
	CHECK_FAILS(dseek_engine_set(NULL, "x", &set), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_engine_set(p.a.dev, NULL, &set), EINVAL, "names is NULL");
	CHECK_FAILS(dseek_engine_set(p.a.dev, "x", NULL), EINVAL, "ret_set is NULL");
	CHECK_FAILS(dseek_engine_set(p.a.dev, "", &set), EINVAL, "empty name");
	CHECK_FAILS(dseek_engine_set(p.a.dev, "conf-second,", &set), EINVAL, "empty name");
	CHECK_FAILS(dseek_engine_set(p.a.dev, "conf-second,nobody", &set), ENOENT, "'nobody'");
	CHECK_FAILS(dseek_engine_set(p.a.dev, "conf-second,conf-second", &set), EINVAL, "given twice");
	CHECK_EQ(set, 77);
	CHECK_OK(dseek_engine_set(p.a.dev, "conf-second", &set));
	CHECK_EQ(set, 1ull << p.b.engine);
	pair_close(&p);
}

/* The slow one of two idle engines, if that is what was asked for. */
static void explicit_engine(void)
{
	struct dseek_queue_stats stats;
	struct dseek_queue *queue;
	struct pair p;
	uint32_t tag;
	int i;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, 50 * MS);
	teach(&p, &p.b, MS);
	queue = queue_over(p.a.dev, p.a.engine, 1ull << p.a.engine);
	for (i = 1; i <= 50; i++) {
		submit_program(queue, p.prog);
		CHECK_EQ(manual_fetch(&p.b, &tag, 1, 0), 0);
		manual_done(&p.a, manual_fetch_one(&p.a), 0, 50 * MS);
		CHECK_EQ(wait_for(queue, i).engine, p.a.engine);
	}
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK_EQ(stats.engine, p.a.engine);
	CHECK_EQ(stats.moves, 0);
	CHECK_EQ(stats.predicted.jobs, 0);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* Nothing is known at first: both are tried, then the faster one is taken. What was predicted is told. */
static void faster_is_learned(void)
{
	struct dseek_queue_stats stats, before;
	struct dseek_engine_info info;
	struct dseek_job_result result;
	struct dseek_queue *queue;
	uint32_t tag, on_a = 0, on_b = 0;
	struct manual *m;
	struct pair p;
	int i;

	pair_open(&p, 1, NULL);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	CHECK_OK(dseek_queue_stats(queue, &before));
	CHECK_EQ(before.engine, p.a.engine);
	for (i = 1; i <= 100; i++) {
		submit_program(queue, p.prog);
		m = fetch_any(&p, &tag);
		on_a += m == &p.a;
		on_b += m == &p.b;
		manual_done(m, tag, 0, m == &p.a ? 40 * MS : MS);
		result = wait_for(queue, i);
		CHECK_EQ(result.engine, m->engine);
		CHECK(result.placed_ns >= result.submit_ns && result.placed_ns <= result.start_ns);
		CHECK(result.predicted_ns > result.placed_ns);
	}
	printf("# %u jobs on the slow engine, %u on the fast one\n", on_a, on_b);
	CHECK(on_a >= 1 && on_a <= 10 && on_b >= 90);
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK(stats.moves >= 1);
	CHECK_EQ(stats.engine_ns, (on_a * 40 + on_b) * MS);
	CHECK_EQ(stats.predicted.jobs, 100);
	CHECK_EQ(stats.predicted.cost_ns, stats.engine_ns);
	CHECK(stats.predicted.turnaround_ns && stats.predicted.turnaround_error_ns);
	stats.entitled_ns -= before.entitled_ns;	/* the tenant may have been on the second engine before */
	CHECK(stats.entitled_ns >= stats.engine_ns - 2000 && stats.entitled_ns <= stats.engine_ns);	/* alone on both */
	CHECK_OK(dseek_engine_info(p.a.dev, p.b.engine, &info));
	CHECK(info.predicted.jobs >= on_b);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* The fast engine is taken for longer than the slow one needs. */
static void busy_is_avoided(void)
{
	struct dseek_queue *first, *second;
	struct pair p;
	uint32_t tag;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, 1500 * MS);
	teach(&p, &p.b, 1000 * MS);
	first = queue_over(p.a.dev, p.a.engine, p.set);
	second = queue_over(p.a.dev, p.a.engine, p.set);
	submit_program(first, p.prog);
	tag = manual_fetch_one(&p.b);
	submit_program(second, p.prog);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	CHECK_EQ(wait_for(second, 1).engine, p.a.engine);
	manual_done(&p.b, tag, 0, MS);
	CHECK_EQ(wait_for(first, 1).engine, p.b.engine);
	dseek_queue_destroy(first);
	dseek_queue_destroy(second);
	pair_close(&p);
}

/* What follows a job that runs stays behind it, idle as the other engine may be; when it is done the rest may go there. */
static void order_is_kept(void)
{
	struct dseek_queue *queue;
	struct manual *m;
	struct pair p;
	uint32_t tag, again;
	uint64_t id, last = 0;
	int i;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, MS);
	teach(&p, &p.b, MS);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	for (i = 0; i < 20; i++)
		submit_program(queue, p.prog);
	for (i = 1; i <= 20; i++) {
		m = fetch_any(&p, &tag);
		id = dseek_exec_job(m->exec, tag)->job_id;
		CHECK(id > last);
		last = id;
		CHECK_EQ(manual_fetch(m == &p.a ? &p.b : &p.a, &again, 1, 0), 0);
		/* The one it is on turns out to be slow. */
		manual_done(m, tag, 0, i % 5 ? MS : 900 * MS);
		CHECK_OK(wait_for(queue, i).error);
	}
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* An executor that holds several keeps what it holds; the rest goes where it is done sooner, when that is given back. */
static void leaves_when_it_can(void)
{
	struct dseek_queue *queue;
	uint32_t tags[2], more;
	struct pair p;
	int i;

	pair_open(&p, 2, NULL);
	teach(&p, &p.a, 100 * MS);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	dseek_exec_detach(p.b.exec);
	for (i = 0; i < 6; i++)
		submit_program(queue, p.prog);
	CHECK_EQ(manual_fetch(&p.a, tags, 2, 1000), 2);
	manual_attach(&p.b);
	teach(&p, &p.b, MS);
	/* Told at the first's end; the second is still out. */
	manual_done(&p.a, tags[0], 0, 100 * MS);
	CHECK_EQ(manual_fetch(&p.b, &more, 1, 0), 0);
	CHECK_EQ(manual_fetch(&p.a, &more, 1, 0), 0);
	manual_done(&p.a, tags[1], 0, 100 * MS);
	for (i = 3; i <= 6; i++) {
		manual_done(&p.b, manual_fetch_one(&p.b), 0, MS);
		CHECK_EQ(wait_for(queue, i).engine, p.b.engine);
	}
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* Waiting behind another's job for an engine, taken over by one that has nothing to do. */
static void idle_takes_over(void)
{
	struct dseek_queue *on_a, *on_b, *queue;
	uint32_t tag_a, tag_b, tag;
	struct pair p;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, 1600 * MS);
	teach(&p, &p.b, 1000 * MS);
	on_a = queue_over(p.a.dev, p.a.engine, 0);
	on_b = queue_over(p.a.dev, p.b.engine, 0);
	submit_program(on_a, p.prog);
	submit_program(on_b, p.prog);
	tag_a = manual_fetch_one(&p.a);
	tag_b = manual_fetch_one(&p.b);
	submit_program(on_b, p.prog);
	submit_program(on_b, p.prog);
	submit_program(on_b, p.prog);
	queue = queue_over(p.a.dev, p.b.engine, p.set);
	submit_program(queue, p.prog);
	/* A is done much sooner than anyone could know. */
	manual_done(&p.a, tag_a, 0, 1600 * MS);
	tag = manual_fetch_one(&p.a);
	manual_done(&p.a, tag, 0, MS);
	CHECK_EQ(wait_for(queue, 1).engine, p.a.engine);
	manual_done(&p.b, tag_b, 0, MS);
	dseek_queue_destroy(on_a);
	dseek_queue_destroy(on_b);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* A job that was begun and yielded goes on where it was begun. */
static void begun_stays(void)
{
	struct dseek_queue *queue;
	struct pair p;
	uint32_t tag;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, MS);
	teach(&p, &p.b, 100 * MS);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	submit_program(queue, p.prog);
	submit_program(queue, p.prog);
	tag = manual_fetch_one(&p.a);
	manual_yield(&p.a, tag, 5, MS);
	CHECK_EQ(manual_fetch(&p.b, &tag, 1, 0), 0);
	tag = manual_fetch_one(&p.a);
	CHECK_EQ(dseek_exec_job(p.a.exec, tag)->cursor, 5);
	manual_done(&p.a, tag, 0, MS);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	CHECK_EQ(wait_for(queue, 2).engine, p.a.engine);
	CHECK_EQ(wait_for(queue, 1).preemptions, 1);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* The other engine goes on at once, without waiting for a new executor. */
static void lost_moves(void)
{
	struct dseek_queue *plain, *again, *waits;
	struct dseek_queue_stats stats;
	uint64_t until = in_ms(10000);
	struct dseek_job job;
	uint32_t tags[2], tag;
	struct pair p;

	pair_open(&p, 2, NULL);
	teach(&p, &p.a, 100 * MS);
	teach(&p, &p.b, MS);
	plain = queue_over(p.a.dev, p.a.engine, p.set);
	again = queue_over(p.a.dev, p.a.engine, p.set);
	job = (struct dseek_job) { .program = p.prog, .flags = DSEEK_JOB_IDEMPOTENT };
	submit_program(plain, p.prog);
	submit_program(plain, p.prog);
	CHECK_EQ(manual_fetch(&p.b, tags, 1, 1000), 1);
	submit_one(again, &job);
	CHECK_EQ(manual_fetch(&p.b, tags + 1, 1, 1000), 1);
	waits = queue_over(p.a.dev, p.a.engine, p.set);
	submit_program(waits, p.prog);
	CHECK_OK(dseek_queue_stats(waits, &stats));
	CHECK_EQ(stats.engine, p.b.engine);
	dseek_exec_detach(p.b.exec);
	CHECK_EQ(wait_for(plain, 1).error, -ECANCELED);
	/* One that had nothing held goes too, and not only when the other engine asks for work. */
	do
		CHECK_OK(dseek_queue_stats(waits, &stats));
	while (stats.engine != p.a.engine && now_ns() < until);
	CHECK_EQ(stats.engine, p.a.engine);
	tag = manual_fetch_one(&p.a);
	CHECK_EQ(dseek_exec_job(p.a.exec, tag)->cursor, 0);
	manual_done(&p.a, tag, 0, MS);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	CHECK_EQ(wait_for(plain, 2).engine, p.a.engine);
	CHECK_EQ(wait_for(waits, 1).engine, p.a.engine);
	CHECK_OK(wait_for(again, 1).error);
	manual_attach(&p.b);
	dseek_queue_destroy(waits);
	dseek_queue_destroy(plain);
	dseek_queue_destroy(again);
	pair_close(&p);
}

/* One that was begun and may run again from its start needs not wait for its engine; one that may not does. */
static void lost_after_begun(void)
{
	struct dseek_job jobs[2] = { { 0 } };
	struct dseek_queue *queue[2];
	struct pair p;
	uint32_t tag, i;

	pair_open(&p, 1, NULL);
	teach(&p, &p.a, 100 * MS);
	teach(&p, &p.b, MS);
	for (i = 0; i < 2; i++) {
		jobs[i] = (struct dseek_job) { .program = p.prog, .flags = i ? DSEEK_JOB_IDEMPOTENT : 0 };
		queue[i] = queue_over(p.a.dev, p.a.engine, p.set);
		submit_one(queue[i], &jobs[i]);
		manual_yield(&p.b, manual_fetch_one(&p.b), 7, MS);
	}
	dseek_exec_detach(p.b.exec);
	tag = manual_fetch_one(&p.a);
	CHECK_EQ(dseek_exec_job(p.a.exec, tag)->cursor, 0);
	CHECK(dseek_exec_job(p.a.exec, tag)->flags & DRM_DSEEK_JOB_IDEMPOTENT);
	manual_done(&p.a, tag, 0, MS);
	CHECK_EQ(wait_for(queue[1], 1).engine, p.a.engine);
	CHECK_EQ(wait_for(queue[1], 1).preemptions, 1);
	CHECK_EQ(wait_for(queue[1], 1).engine_ns, 2 * MS);
	CHECK_EQ(manual_fetch(&p.a, &tag, 1, 0), 0);
	manual_attach(&p.b);
	tag = manual_fetch_one(&p.b);
	CHECK_EQ(dseek_exec_job(p.b.exec, tag)->cursor, 7);
	manual_done(&p.b, tag, 0, MS);
	CHECK_EQ(wait_for(queue[0], 1).engine, p.b.engine);
	dseek_queue_destroy(queue[0]);
	dseek_queue_destroy(queue[1]);
	pair_close(&p);
}

/* What can't run again ends with its executor, but is over only after what stands before it and runs again, elsewhere. */
static void lost_keeps_order(void)
{
	struct dseek_queue_stats stats;
	struct dseek_queue *queue;
	struct dseek_job job;
	uint32_t tags[2], tag;
	struct pair p;

	pair_open(&p, 2, NULL);
	teach(&p, &p.a, 100 * MS);
	teach(&p, &p.b, MS);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	job = (struct dseek_job) { .program = p.prog, .flags = DSEEK_JOB_IDEMPOTENT };
	submit_one(queue, &job);
	submit_program(queue, p.prog);
	CHECK_EQ(manual_fetch(&p.b, tags, 2, 1000), 2);
	dseek_exec_detach(p.b.exec);
	tag = manual_fetch_one(&p.a);
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK_EQ(stats.completed, 0);
	manual_done(&p.a, tag, 0, MS);
	CHECK_EQ(wait_for(queue, 1).engine, p.a.engine);
	CHECK_OK(wait_for(queue, 1).error);
	CHECK_EQ(wait_for(queue, 2).error, -ECANCELED);
	submit_program(queue, p.prog);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	CHECK_OK(wait_for(queue, 3).error);
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK_EQ(stats.completed, 3);
	manual_attach(&p.b);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* One that yields while a later one is still out, and then that one too: they go elsewhere in their order. */
static void yields_keep_order(void)
{
	struct drm_dseek_completion done[2];
	struct dseek_queue *queue;
	uint64_t id[3];
	uint32_t tags[3], completed;
	struct pair p;
	int i;

	pair_open(&p, 3, NULL);
	teach(&p, &p.a, 100 * MS);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	dseek_exec_detach(p.b.exec);
	for (i = 0; i < 4; i++)
		submit_program(queue, p.prog);
	CHECK_EQ(manual_fetch(&p.a, tags, 3, 1000), 3);
	for (i = 0; i < 3; i++)
		id[i] = dseek_exec_job(p.a.exec, tags[i])->job_id;
	manual_attach(&p.b);
	teach(&p, &p.b, MS);
	done[0] = (struct drm_dseek_completion) { .tag = tags[0], .engine_ns = 100 * MS };
	done[1] = (struct drm_dseek_completion) { .tag = tags[1], .outcome = DRM_DSEEK_OUTCOME_YIELD };
	CHECK_OK(manual_complete(&p.a, done, 2, &completed));
	manual_yield(&p.a, tags[2], 0, 0);
	CHECK_EQ(manual_fetch(&p.b, tags, 3, 1000), 3);
	for (i = 0; i < 3; i++) {
		if (i < 2)
			CHECK_EQ(dseek_exec_job(p.b.exec, tags[i])->job_id, id[i + 1]);
		manual_done(&p.b, tags[i], 0, MS);
		CHECK_EQ(wait_for(queue, i + 2).engine, p.b.engine);
	}
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* Jobs wait for whichever comes back, and end when nobody does. */
static void all_lost(void)
{
	struct dseek_queue *queue;
	struct dseek_job job;
	uint64_t seqno;
	struct pair p;

	pair_open(&p, 1, "recovery_ms=300");
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	job = (struct dseek_job) { .program = p.prog };
	dseek_exec_detach(p.a.exec);
	dseek_exec_detach(p.b.exec);
	submit_one(queue, &job);
	manual_attach(&p.b);
	manual_done(&p.b, manual_fetch_one(&p.b), 0, MS);
	CHECK_EQ(wait_for(queue, 1).engine, p.b.engine);
	dseek_exec_detach(p.b.exec);
	submit_one(queue, &job);
	CHECK_EQ(wait_for(queue, 2).error, -ESHUTDOWN);
	CHECK_EQ(dseek_submit(queue, &job, 1, &seqno, NULL), -ESHUTDOWN);
	manual_attach(&p.a);
	submit_one(queue, &job);
	manual_done(&p.a, manual_fetch_one(&p.a), 0, MS);
	CHECK_EQ(wait_for(queue, 3).engine, p.a.engine);
	manual_attach(&p.b);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* A program that one engine can't run is run by the other. */
static void failing_is_avoided(void)
{
	struct dseek_queue *queue;
	uint32_t tag, failed = 0;
	struct manual *m;
	struct pair p;
	int i;

	pair_open(&p, 1, NULL);
	queue = queue_over(p.a.dev, p.a.engine, p.set);
	for (i = 1; i <= 40; i++) {
		submit_program(queue, p.prog);
		m = fetch_any(&p, &tag);
		failed += m == &p.a;
		manual_done(m, tag, m == &p.a ? -ENOEXEC : 0, MS);
		wait_for(queue, i);
	}
	printf("# %u jobs went where they failed\n", failed);
	CHECK(failed <= 4);
	dseek_queue_destroy(queue);
	pair_close(&p);
}

/* Destroyed with jobs on either engine, held and waiting. */
static void destroyed_anywhere(void)
{
	struct dseek_tenant_info info;
	struct dseek_queue *queue;
	struct manual *m;
	struct pair p;
	uint32_t tag, i, round;

	pair_open(&p, 1, NULL);
	for (round = 0; round < 10; round++) {
		queue = queue_over(p.a.dev, round % 2 ? p.a.engine : p.b.engine, p.set);
		for (i = 0; i < 100; i++)
			submit_program(queue, p.prog);
		m = fetch_any(&p, &tag);
		dseek_queue_destroy(queue);
		manual_done(m, tag, 0, round % 3 * MS);
	}
	CHECK_OK(dseek_tenant_info(p.a.dev, &info));
	CHECK_EQ(info.jobs, 0);
	CHECK_EQ(info.queues, 0);
	pair_close(&p);
}

/* ---- engines that run */

/* One instance with three: "engine=" begins each. */
static void several_embedded(void)
{
	static const struct { const char *keys, *words; } bad[] = {
		{ "engine=null,name=one,engine=null,name=one", "two engines are called one" },
		{ "engine=null,engine=none", "engine=none beside" },
		{ "engine=null,engine=null,depth=65", "not a number from 1 to 64" },
		{ "engine=null,engine=null,nonsense=1", "nonsense" },
		{ "engine=null,engine=nobody", "nobody" },
	};
	struct dseek_engine_info info;
	struct dseek_device *dev;
	char spec[256];
	uint64_t set;
	size_t i;

	if (!on_embed())
		skip("the module's engines are attached one by one");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(spec, sizeof(spec), "embed:bad,%s", bad[i].keys);
		CHECK(dseek_open(spec, NULL, &dev) < 0);
		if (!strstr(dseek_strerror_detail(), bad[i].words))
			fail(__FILE__, __LINE__, "%s: \"%s\"", bad[i].keys, dseek_strerror_detail());
	}
	dev = device_open("engine=cpu,threads=1,isa=scalar,name=slow,engine=cpu,threads=1,engine=null,spin=1,depth=3,engine=null");
	CHECK_OK(dseek_engine_set(dev, "slow,cpu0,null0,null1", &set));
	CHECK_EQ(set, 15);
	CHECK_OK(dseek_engine_find(dev, "null0", &info));
	CHECK_EQ(info.depth, 3);
	CHECK_EQ(info.type, DSEEK_ENGINE_NULL);
	CHECK_OK(dseek_engine_find(dev, "null1", &info));
	CHECK_EQ(info.depth, 1);
	CHECK_EQ(dseek_engine_info(dev, 4, &info), -ENOENT);
	dseek_close(dev);
}

const struct test choice_tests[] = {
	{ "refusals", refusals },
	{ "an explicit engine is honoured", explicit_engine },
	{ "the faster engine is learned, predictions are told", faster_is_learned },
	{ "a busy engine is avoided", busy_is_avoided },
	{ "order is kept", order_is_kept },
	{ "a queue leaves when nothing of it is held", leaves_when_it_can },
	{ "an idle engine takes over", idle_takes_over },
	{ "a job that was begun stays", begun_stays },
	{ "executor lost: the others go on at once", lost_moves },
	{ "executor lost after a yield", lost_after_begun },
	{ "executor lost: what ended with it keeps its place", lost_keeps_order },
	{ "yields one by one keep their places", yields_keep_order },
	{ "all executors lost", all_lost },
	{ "an engine where jobs fail is avoided", failing_is_avoided },
	{ "destroyed with jobs anywhere", destroyed_anywhere },
	{ "embedded: several engines in one instance", several_embedded },
	{ NULL },
};
