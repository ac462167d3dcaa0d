// SPDX-License-Identifier: MIT
/* The executor's calls. */
#include <unistd.h>
#include "suite.h"

static void set_name(struct drm_dseek_attach *attach, const char *name)
{
	memset(attach->name, 0, sizeof(attach->name));
	strcpy((char *)attach->name, name);
}

static void attach_refusals(void)
{
	struct drm_dseek_attach good = { .type = DRM_DSEEK_ENGINE_NULL, .depth = 1, .numa_node = -1 }, a;
	struct dseek_exec *exec = (void *)1;
	struct manual m;

	manual_open(&m, 1, NULL);
	strcpy((char *)good.name, "conf-other");
#define REFUSED(spoilt, error) do { \
	a = good; \
	spoilt; \
	CHECK_EQ(dseek_exec_attach(manual_path(), &a, &exec), -(error)); \
	CHECK(*dseek_strerror_detail()); \
} while (0)
	REFUSED(a.name[0] = 0, EINVAL);
	REFUSED(a.name[0] = 'A', EINVAL);
	REFUSED(a.name[20] = 'x', EINVAL);
	REFUSED(memset(a.name, 'a', sizeof(a.name)), EINVAL);
	REFUSED(set_name(&a, "."), EINVAL);
	REFUSED(set_name(&a, ".."), EINVAL);
	REFUSED(a.type = DRM_DSEEK_ENGINE_TYPE_COUNT, EINVAL);
	REFUSED(a.flags = DRM_DSEEK_ATTACH_MEMORY << 1, EINVAL);
	REFUSED((set_name(&a, m.name), a.type = DRM_DSEEK_ENGINE_NIC, a.flags = DRM_DSEEK_ATTACH_STANDBY), EMEDIUMTYPE);
	REFUSED(a.depth = 0, EINVAL);
	REFUSED(a.depth = DRM_DSEEK_MAX_DEPTH + 1, EINVAL);
	REFUSED(a.numa_node = -2, EINVAL);
	REFUSED(a.owner = 1, EINVAL);
	REFUSED((a.flags = DRM_DSEEK_ATTACH_OWNER, a.owner = UINT32_MAX), EINVAL);
	REFUSED((set_name(&a, m.name), a.flags = DRM_DSEEK_ATTACH_OWNER, a.owner = 1), EACCES);
	REFUSED(a.flags = DRM_DSEEK_ATTACH_REATTACH, ENOENT);
	REFUSED(set_name(&a, m.name), EBUSY);
	REFUSED((set_name(&a, m.name), a.type = DRM_DSEEK_ENGINE_NIC), EMEDIUMTYPE);
	a = good;
	set_name(&a, "Upper");
	CHECK_FAILS(dseek_exec_attach(manual_path(), &a, &exec), EINVAL, "an engine's name is 1 to 31 of a-z 0-9 _ . -");
	set_name(&a, "capacity-cpu0");
	CHECK_FAILS(dseek_exec_attach(manual_path(), &a, &exec), EINVAL, "can't be told from the key drm-engine-capacity-cpu0");
	CHECK_FAILS(dseek_exec_attach(NULL, &good, &exec), EINVAL, "path is NULL");
	CHECK_FAILS(dseek_exec_attach(manual_path(), NULL, &exec), EINVAL, "attach is NULL");
	CHECK_FAILS(dseek_exec_attach(manual_path(), &good, NULL), EINVAL, "ret_exec is NULL");
	CHECK_EQ(dseek_exec_attach("/nonexistent", &good, &exec), -ENOENT);
	CHECK(exec == (void *)1);
	manual_close(&m);
	dseek_exec_detach(NULL);
}

/* Where all tenants are of this user, none can be on an engine of another's. */
static void owners(void)
{
	struct drm_dseek_attach mine = { .type = DRM_DSEEK_ENGINE_NULL, .depth = 1, .numa_node = -1, .flags = DRM_DSEEK_ATTACH_OWNER,
					 .owner = geteuid() }, other = mine;
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_exec *exec[2], *again;
	struct dseek_engine_info info;
	struct dseek_queue *queue;
	struct manual m;

	manual_open(&m, 1, NULL);
	set_name(&mine, "conf-mine");
	set_name(&other, "conf-other");
	other.owner++;
	CHECK_OK(dseek_exec_attach(manual_path(), &mine, &exec[0]));
	CHECK_OK(dseek_exec_attach(manual_path(), &other, &exec[1]));
	CHECK_OK(dseek_engine_find(m.dev, "conf-mine", &info));
	CHECK(info.owned && !info.foreign);
	CHECK_OK(dseek_engine_find(m.dev, "conf-other", &info));
	CHECK(info.owned && info.foreign);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK(!info.owned && !info.foreign);
	params.engine = mine.engine;
	CHECK_OK(dseek_queue_create(m.dev, &params, &queue));
	dseek_queue_destroy(queue);
	params.engine = other.engine;
	CHECK_FAILS(dseek_queue_create(m.dev, &params, &queue), EACCES, "serves another user alone");
	params.engine = m.engine;
	params.engines = 1ull << m.engine | 1ull << other.engine;
	CHECK_FAILS(dseek_queue_create(m.dev, &params, &queue), EACCES, "serves another user alone");
	params.engines = 1ull << m.engine | 1ull << mine.engine;
	CHECK_OK(dseek_queue_create(m.dev, &params, &queue));
	dseek_queue_destroy(queue);
	dseek_exec_detach(exec[0]);
	mine.owner++;
	CHECK_FAILS(dseek_exec_attach(manual_path(), &mine, &again), EACCES, "has another owner, or none");
	mine.owner = 0;
	mine.flags = 0;
	CHECK_FAILS(dseek_exec_attach(manual_path(), &mine, &again), EACCES, "has another owner, or none");
	mine.owner = geteuid();
	mine.flags = DRM_DSEEK_ATTACH_OWNER;
	CHECK_OK(dseek_exec_attach(manual_path(), &mine, &again));
	dseek_exec_detach(again);
	dseek_exec_detach(exec[1]);
	manual_close(&m);
}

static void generations(void)
{
	struct dseek_engine_info info;
	struct manual m;

	manual_open(&m, 3, NULL);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.id, m.engine);
	CHECK_EQ(info.attached, 1);
	CHECK_EQ(info.depth, 3);
	CHECK_EQ(info.generation, 1);
	dseek_exec_detach(m.exec);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.attached, 0);
	manual_attach(&m);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.id, m.engine);
	CHECK_EQ(info.generation, 2);
	manual_close(&m);
}

/* What an engine's preemption bound is made of, and who is in line for it. */
static void reports(void)
{
	struct dseek_engine_info info;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job = { 0 };
	struct drm_dseek_next next = { .tag_max = 1 };
	struct manual m;
	uint64_t seqno;
	uint32_t tag;
	int i;

	manual_open(&m, 1, NULL);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.longest_op_ns, 0);
	CHECK_OK(dseek_exec_report(m.exec, 5000));
	CHECK_OK(dseek_exec_report(m.exec, 3000));
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.longest_op_ns, 5000);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	job.program = prog;
	for (i = 0; i < 3; i++)
		CHECK_EQ(dseek_submit(queue, &job, 1, &seqno, NULL), 1);
	next.tags = (uintptr_t)&tag;
	CHECK_OK(dseek_exec_next(m.exec, &next));
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.running, 1);
	CHECK_EQ(info.ready, 2);
	dseek_exec_detach(m.exec);
	manual_attach(&m);
	CHECK_OK(dseek_engine_find(m.dev, m.name, &info));
	CHECK_EQ(info.longest_op_ns, 0);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void next_refusals(void)
{
	struct drm_dseek_completion c[2] = { { 0 } };
	struct drm_dseek_next next;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	uint32_t tags[2], completed;
	struct manual m;

	manual_open(&m, 2, NULL);
	prog = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	next = (struct drm_dseek_next) { .flags = 1 };
	CHECK_EQ(dseek_exec_next(m.exec, &next), -EINVAL);
	next = (struct drm_dseek_next) { .pad = 1 };
	CHECK_EQ(dseek_exec_next(m.exec, &next), -EINVAL);
	next = (struct drm_dseek_next) { .tag_max = DRM_DSEEK_MAX_DEPTH + 1 };
	CHECK_EQ(dseek_exec_next(m.exec, &next), -EINVAL);
	next = (struct drm_dseek_next) { .completion_count = DRM_DSEEK_MAX_DEPTH + 1 };
	CHECK_EQ(dseek_exec_next(m.exec, &next), -EINVAL);
	CHECK_EQ(manual_complete(&m, c, 1, &completed), -EINVAL);	/* not held */
	CHECK_EQ(completed, 0);

	submit_program(queue, prog);
	submit_program(queue, prog);
	CHECK_EQ(manual_fetch(&m, tags, 2, 1000), 2);
#define REFUSED_COMPLETION(spoilt) do { \
	c[0] = (struct drm_dseek_completion) { .tag = tags[0] }; \
	spoilt; \
	CHECK_EQ(manual_complete(&m, c, 1, &completed), -EINVAL); \
	CHECK_EQ(completed, 0); \
} while (0)
	REFUSED_COMPLETION(c[0].tag = DRM_DSEEK_MAX_DEPTH);
	REFUSED_COMPLETION(c[0].outcome = DRM_DSEEK_OUTCOME_COUNT);
	REFUSED_COMPLETION(c[0].error = 1);
	REFUSED_COMPLETION(c[0].error = -5000);
	REFUSED_COMPLETION(c[0].pad = 1);
	REFUSED_COMPLETION((c[0].outcome = DRM_DSEEK_OUTCOME_YIELD, c[0].error = -EIO));
	REFUSED_COMPLETION(c[0].tag = tags[1]);	/* before the first of its queue */

	/* What comes before the bad one is done. */
	c[0] = (struct drm_dseek_completion) { .tag = tags[0] };
	c[1] = (struct drm_dseek_completion) { .tag = tags[0] };
	CHECK_EQ(manual_complete(&m, c, 2, &completed), -EINVAL);
	CHECK_EQ(completed, 1);
	CHECK_OK(wait_for(queue, 1).error);
	manual_done(&m, tags[1], 0, 0);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void yields(void)
{
	struct drm_dseek_completion c[2];
	struct dseek_job_result result;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	uint32_t tags[2], again[2], completed;
	uint64_t first;
	struct manual m;

	manual_open(&m, 2, NULL);
	prog = program_spin(m.dev, 1, 10);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	submit_program(queue, prog);
	submit_program(queue, prog);
	CHECK_EQ(manual_fetch(&m, tags, 2, 1000), 2);
	first = dseek_exec_job(m.exec, tags[0])->job_id;
	CHECK_EQ(dseek_exec_job(m.exec, tags[0])->cursor, 0);
	/* The first yields: the second can't be done. */
	c[0] = (struct drm_dseek_completion) { tags[0], DRM_DSEEK_OUTCOME_YIELD, .cursor = 7, .engine_ns = 1000 };
	c[1] = (struct drm_dseek_completion) { tags[1], DRM_DSEEK_OUTCOME_DONE };
	CHECK_EQ(manual_complete(&m, c, 2, &completed), -EINVAL);
	CHECK_EQ(completed, 1);
	manual_yield(&m, tags[1], 0, 0);
	/* They come back in their order, the first with its cursor. */
	CHECK_EQ(manual_fetch(&m, again, 2, 1000), 2);
	CHECK_EQ(dseek_exec_job(m.exec, again[0])->job_id, first);
	CHECK_EQ(dseek_exec_job(m.exec, again[0])->cursor, 7);
	CHECK_EQ(dseek_exec_job(m.exec, again[1])->cursor, 0);
	manual_done(&m, again[0], 0, 500);
	manual_done(&m, again[1], 0, 500);
	result = wait_for(queue, 1);
	CHECK_EQ(result.preemptions, 1);
	CHECK_EQ(result.engine_ns, 1500);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void retired_buffers(void)
{
	struct drm_dseek_next next = { 0 };
	struct dseek_binding bindings[3];
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_bo *bo;
	uint64_t id, retired[4];
	uint32_t rows = 1, tag, i;
	struct dseek_job job = { .bindings = bindings, .binding_count = 3, .consts = &rows, .const_size = 4 };
	struct manual m;
	void *map;

	manual_open(&m, 1, NULL);
	prog = program_add(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	CHECK_OK(dseek_bo_create(m.dev, 4096, 0, -1, &bo));
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding) { bo, 1024 * i, 256, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	job.program = prog;
	submit_one(queue, &job);
	tag = manual_fetch_one(&m);
	CHECK(dseek_exec_map(m.exec, tag, 3, &map) < 0);
	CHECK(dseek_exec_map(m.exec, 63, 0, &map) < 0);
	CHECK_OK(dseek_exec_map(m.exec, tag, 0, &map));
	id = dseek_exec_job(m.exec, tag)->bindings[0].bo_id;
	CHECK_EQ(dseek_exec_job(m.exec, tag)->bindings[2].bo_id, id);
	dseek_bo_destroy(bo);
	((volatile char *)map)[0] = 1;	/* the job holds it */
	manual_done(&m, tag, 0, 0);
	next.retired = (uintptr_t)retired;
	next.retired_max = 4;
	next.tags = (uintptr_t)&tag;
	next.tag_max = 1;
	next.deadline_ns = in_ms(5000);
	CHECK_OK(dseek_exec_next(m.exec, &next));
	CHECK_EQ(next.retired_count, 1);
	CHECK_EQ(retired[0], id);
	((volatile char *)map)[0] = 2;	/* and so does the mapping */
	CHECK_OK(dseek_exec_unmap(m.exec, id));
	CHECK_EQ(dseek_exec_unmap(m.exec, id), -ENOENT);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

/* Every member, whichever transport filled it. */
static void descriptor(void)
{
	struct dseek_binding bindings[3];
	struct dseek_job job = { .bindings = bindings, .binding_count = 3, .const_size = 4, .flags = DSEEK_JOB_IDEMPOTENT,
				 .limit_ns = 7000000000 };
	const struct drm_dseek_job_desc *d;
	struct dseek_queue *queue, *other;
	struct dseek_program *prog;
	uint32_t param = 33, tags[3], i;
	uint64_t program_id, queue_id;
	struct dseek_bo *bo;
	struct manual m;

	manual_open(&m, 3, NULL);
	CHECK_OK(dseek_bo_create(m.dev, 16384, 0, -1, &bo));
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding) { bo, 4096 * i + 64, 256 + 64 * i, DSEEK_ACCESS_READ | (i == 2 ? DSEEK_ACCESS_WRITE : 0) };
	job.program = prog = program_add(m.dev);
	job.consts = &param;
	job.deadline_ns = in_ms(60000);
	queue = queue_deadline(m.dev, m.engine, 50000000, 100000000);
	other = queue_fair(m.dev, m.engine, DSEEK_CLASS_INTERACTIVE, 1);
	submit_one(queue, &job);
	tags[0] = manual_fetch_one(&m);
	d = dseek_exec_job(m.exec, tags[0]);
	CHECK(d->job_id && d->queue_id && d->program_id && d->tenant_id);
	CHECK(d->program_size > sizeof(struct dseek_program_header));
	CHECK_EQ(d->binding_count, 3);
	CHECK_EQ(d->const_size, 4);
	CHECK_EQ(d->flags, DRM_DSEEK_JOB_IDEMPOTENT | DRM_DSEEK_DESC_CLASS(DRM_DSEEK_CLASS_DEADLINE));
	CHECK_EQ(d->cursor, 0);
	CHECK_EQ(d->deadline_ns, job.deadline_ns);
	CHECK_EQ(d->limit_ns, 7000000000);
	CHECK(!memcmp(d->consts, &param, 4));
	for (i = 0; i < 3; i++) {
		CHECK(d->bindings[i].bo_id && d->bindings[i].bo_id == d->bindings[0].bo_id);
		CHECK_EQ(d->bindings[i].bo_size, 16384);
		CHECK_EQ(d->bindings[i].offset, bindings[i].offset);
		CHECK_EQ(d->bindings[i].size, bindings[i].size);
		CHECK_EQ(d->bindings[i].access, bindings[i].access);
		CHECK_EQ(d->bindings[i].pad, 0);
	}
	program_id = d->program_id;
	queue_id = d->queue_id;
	/* Another queue of the same tenant and another program. */
	job = (struct dseek_job) { .program = program_nop(m.dev) };
	submit_one(other, &job);
	tags[1] = manual_fetch_one(&m);
	CHECK(tags[1] != tags[0]);
	CHECK_EQ(dseek_exec_job(m.exec, tags[1])->tenant_id, d->tenant_id);
	CHECK(dseek_exec_job(m.exec, tags[1])->job_id != d->job_id);
	CHECK(dseek_exec_job(m.exec, tags[1])->queue_id != queue_id);
	CHECK(dseek_exec_job(m.exec, tags[1])->program_id != program_id);
	CHECK_EQ(dseek_exec_job(m.exec, tags[1])->binding_count, 0);
	CHECK_EQ(dseek_exec_job(m.exec, tags[1])->const_size, 0);
	CHECK_EQ(dseek_exec_job(m.exec, tags[1])->flags, DRM_DSEEK_DESC_CLASS(DRM_DSEEK_CLASS_INTERACTIVE));
	manual_done(&m, tags[0], 0, 0);
	manual_done(&m, tags[1], 0, 0);
	dseek_program_destroy(job.program);
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	dseek_queue_destroy(other);
	dseek_bo_destroy(bo);
	manual_close(&m);
}

const struct test exec_tests[] = {
	{ "attach refusals", attach_refusals },
	{ "an engine that serves one user", owners },
	{ "an engine's name outlives its executor", generations },
	{ "reports of the longest op, and who waits", reports },
	{ "next refusals", next_refusals },
	{ "yield", yields },
	{ "a job's descriptor", descriptor },
	{ "closed buffers are reported and stay until unmapped", retired_buffers },
	{ NULL },
};
