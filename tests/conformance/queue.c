// SPDX-License-Identifier: MIT
#include "suite.h"

#define MS	1000000ull

static void refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_queue_params good = { .engine = any_engine(dev), .sched_class = DSEEK_CLASS_BATCH, .weight = 1 }, p;
	struct dseek_queue *queue = (void *)1;
	struct dseek_queue_stats stats;

	CHECK_FAILS(dseek_queue_create(NULL, &good, &queue), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_queue_create(dev, NULL, &queue), EINVAL, "params is NULL");
	CHECK_FAILS(dseek_queue_create(dev, &good, NULL), EINVAL, "ret_queue is NULL");
	p = good, p.sched_class = DSEEK_CLASS_COUNT;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "unknown class 3");
	p = good, p.weight = 0;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "weight 0");
	p = good, p.weight = 65537;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "weight 65537");
	p = good, p.budget_ns = MS;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "only the deadline class");
	p = good, p.period_ns = MS;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "only the deadline class");
	p = good, p.sched_class = DSEEK_CLASS_DEADLINE, p.budget_ns = MS, p.period_ns = 10 * MS;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "takes no weight");
	p.weight = 0, p.budget_ns = 0;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "a budget of 0 ns");
	p.budget_ns = 11 * MS;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EINVAL, "a budget of 11000000 ns in a period of 10000000 ns");
	p.budget_ns = 1, p.period_ns = 2;
	CHECK_EQ(dseek_queue_create(dev, &p, &queue), -EINVAL);
	p = good, p.engine = 12345;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), ENOENT, "no engine has the id 12345");
	CHECK(queue == (void *)1);
	CHECK_FAILS(dseek_queue_stats(NULL, &stats), EINVAL, "queue is NULL");
	dseek_close(dev);
}

static void deadline_share(void)
{
	struct dseek_queue_params p = { .sched_class = DSEEK_CLASS_DEADLINE, .budget_ns = 4 * MS, .period_ns = 10 * MS };
	struct dseek_queue *first, *second;
	struct manual m;

	manual_open(&m, 1, NULL);
	p.engine = m.engine;
	CHECK_OK(dseek_queue_create(m.dev, &p, &first));
	CHECK_FAILS(dseek_queue_create(m.dev, &p, &second), EBUSY, "left for deadlines");
	p.budget_ns = 3 * MS;
	CHECK_OK(dseek_queue_create(m.dev, &p, &second));
	/* What is given back can be reserved again. */
	dseek_queue_destroy(first);
	p.budget_ns = 4 * MS;
	CHECK_OK(dseek_queue_create(m.dev, &p, &first));
	dseek_queue_destroy(first);
	dseek_queue_destroy(second);
	manual_close(&m);
}

static void policy(void)
{
	struct dseek_device *dev = device_open("weight_limit=8,class_mask=4");
	struct dseek_queue_params p = { .engine = any_engine(dev), .sched_class = DSEEK_CLASS_BATCH };
	struct dseek_tenant_info info;
	struct dseek_queue *queue;
	uint32_t class;

	CHECK_OK(dseek_tenant_info(dev, &info));
	for (class = 0; class < DSEEK_CLASS_COUNT; class++) {
		struct dseek_queue_params q = { .engine = p.engine, .sched_class = class, .weight = 1 };

		if (class == DSEEK_CLASS_DEADLINE)
			q.weight = 0, q.budget_ns = MS, q.period_ns = 100 * MS;
		if (!(info.class_mask & 1u << class))
			CHECK_EQ(dseek_queue_create(dev, &q, &queue), -EPERM);
	}
	if (info.weight_limit == 65536) {
		dseek_close(dev);
		skip("this tenant may have any weight");
	}
	p.weight = info.weight_limit + 1;
	CHECK_FAILS(dseek_queue_create(dev, &p, &queue), EPERM, "queue: ");
	p.weight = info.weight_limit;
	CHECK_OK(dseek_queue_create(dev, &p, &queue));
	dseek_queue_destroy(queue);
	dseek_close(dev);
}

static void slots(void)
{
	struct dseek_device *dev = device_open("queue_limit=5");
	struct dseek_queue_params p = { .engine = any_engine(dev), .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_queue **queues, *more;
	struct dseek_tenant_info info;
	uint32_t i, n;

	CHECK_OK(dseek_tenant_info(dev, &info));
	if (info.queue_limit > 10000) {
		dseek_close(dev);
		skip("this tenant may have %u queues", info.queue_limit);
	}
	n = info.queue_limit - info.queues;
	queues = calloc(n, sizeof(*queues));
	for (i = 0; i < n; i++)
		CHECK_OK(dseek_queue_create(dev, &p, &queues[i]));
	CHECK_FAILS(dseek_queue_create(dev, &p, &more), EDQUOT, "queue: ");
	dseek_queue_destroy(queues[0]);
	CHECK_OK(dseek_queue_create(dev, &p, &queues[0]));
	for (i = 0; i < n; i++)
		dseek_queue_destroy(queues[i]);
	free(queues);
	CHECK_OK(dseek_tenant_info(dev, &info));
	CHECK_EQ(info.queues, info.queue_limit - n);
	dseek_close(dev);
}

static void stats(void)
{
	struct dseek_queue_stats s;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_tenant_info tenant;
	struct manual m;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_INTERACTIVE, 1);
	submit_program(queue, prog);
	submit_program(queue, prog);
	CHECK_OK(dseek_tenant_info(m.dev, &tenant));
	CHECK_EQ(tenant.jobs, 2);
	tag = manual_fetch_one(&m);
	manual_done(&m, tag, -EIO, 5 * MS);
	tag = manual_fetch_one(&m);
	manual_yield(&m, tag, 0, 2 * MS);
	tag = manual_fetch_one(&m);
	manual_done(&m, tag, 0, 3 * MS);
	CHECK_OK(dseek_queue_stats(queue, &s));
	CHECK_EQ(s.submitted, 2);
	CHECK_EQ(s.completed, 2);
	CHECK_EQ(s.faulted, 1);
	CHECK_EQ(s.engine_ns, 10 * MS);
	CHECK_EQ(s.preemptions, 1);
	CHECK(s.queued_ns > 0);
	CHECK(s.entitled_ns >= 10 * MS - 1000 && s.entitled_ns <= 10 * MS);	/* alone: all that was used */
	CHECK_OK(dseek_tenant_info(m.dev, &tenant));
	CHECK_EQ(tenant.jobs, 0);
	CHECK(tenant.engine_ns >= 10 * MS);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

const struct test queue_tests[] = {
	{ "refusals", refusals },
	{ "deadline budgets are bounded", deadline_share },
	{ "class and weight by policy", policy },
	{ "slots", slots },
	{ "counters", stats },
	{ NULL },
};
