// SPDX-License-Identifier: MIT
/* What a submission refuses, and what it says. */
#include <unistd.h>
#include "suite.h"

struct bench {
	struct dseek_device *dev, *other;
	struct dseek_bo *bo, *other_bo;
	struct dseek_program *add, *other_prog;
	struct dseek_queue *queue;
	struct dseek_syncobj *other_syncobj;
	struct dseek_binding bindings[DRM_DSEEK_MAX_BINDINGS + 1];
	struct dseek_sync syncs[DRM_DSEEK_MAX_SYNCS + 1];
	uint32_t consts[DRM_DSEEK_MAX_CONSTS / 4 + 1];
	struct dseek_job job;
};

/* A good job, to be spoilt in one place. */
static void spoil(struct bench *b)
{
	int i;

	for (i = 0; i <= DRM_DSEEK_MAX_BINDINGS; i++)
		b->bindings[i] = (struct dseek_binding) { b->bo, 1024 * (i % 3), 256, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	b->consts[0] = 64;
	b->job = (struct dseek_job) {
		.program = b->add, .bindings = b->bindings, .binding_count = 3, .consts = b->consts, .const_size = 4,
	};
}

static void setup(struct bench *b)
{
	b->dev = device_open(NULL);
	b->other = device_open(NULL);
	CHECK_OK(dseek_bo_create(b->dev, 4096, 0, -1, &b->bo));
	CHECK_OK(dseek_bo_create(b->other, 4096, 0, -1, &b->other_bo));
	b->add = program_add(b->dev);
	b->other_prog = program_nop(b->other);
	b->queue = queue_fair(b->dev, any_engine(b->dev), DSEEK_CLASS_BATCH, 1);
	CHECK_OK(dseek_syncobj_create(b->other, 1, &b->other_syncobj));
	memset(b->syncs, 0, sizeof(b->syncs));
	spoil(b);
}

static void teardown(struct bench *b)
{
	dseek_syncobj_destroy(b->other_syncobj);
	dseek_queue_destroy(b->queue);
	dseek_program_destroy(b->add);
	dseek_program_destroy(b->other_prog);
	dseek_bo_destroy(b->bo);
	dseek_bo_destroy(b->other_bo);
	dseek_close(b->dev);
	dseek_close(b->other);
}

#define REFUSED(spoilt, words) do { \
	uint64_t seqno_ = 77; \
	int error_ = 1; \
	spoil(&b); \
	spoilt; \
	CHECK_FAILS(dseek_submit(b.queue, &b.job, 1, &seqno_, &error_), EINVAL, words); \
	CHECK_EQ(error_, -EINVAL); \
	CHECK_EQ(seqno_, 77); \
} while (0)

static void refusals(void)
{
	struct dseek_queue_stats stats;
	struct bench b;

	setup(&b);
	REFUSED(b.job.program = NULL, "job 0: its program is NULL");
	REFUSED(b.job.program = b.other_prog, "its program is of another device");
	REFUSED(b.job.flags = 6, "unknown flags 0x6");
	REFUSED(b.job.binding_count = 17, "17 bindings, at most 16");
	REFUSED(b.job.bindings = NULL, "3 bindings and no array");
	REFUSED(b.job.binding_count = 2, "2 buffers bound, the program has 3 bindings");
	REFUSED(b.bindings[1].bo = NULL, "the buffer of binding 1 is NULL");
	REFUSED(b.bindings[1].bo = b.other_bo, "the buffer of binding 1 is of another device");
	REFUSED(b.bindings[2].access = 0, "binding 2 has access 0x0");
	REFUSED(b.bindings[2].access = 4, "binding 2 has access 0x4");
	REFUSED(b.bindings[2].access = DSEEK_ACCESS_READ, "binding 2: the program writes it");
	REFUSED(b.bindings[0].access = DSEEK_ACCESS_WRITE, "binding 0: the program reads it");
	REFUSED(b.bindings[0].size = 0, "binding 0, 0 bytes at 0");
	REFUSED(b.bindings[0].size = 4097, "isn't inside its buffer of 4096");
	REFUSED(b.bindings[0].offset = 4096 - 128, "isn't inside its buffer");
	REFUSED(b.bindings[0].offset = ~0ull - 63, "isn't inside its buffer");
	REFUSED(b.bindings[0].offset = 32, "its offset 32 isn't a multiple of 64");
	REFUSED(b.bindings[1].size = 252, "binding 1: 252 bytes, the program needs 256");
	REFUSED(b.job.const_size = 260, "260 bytes of constants, not a multiple");
	REFUSED(b.job.const_size = 3, "3 bytes of constants, not a multiple");
	REFUSED(b.job.const_size = 8, "8 bytes of constants, the program has 1 parameters");
	REFUSED(b.job.consts = NULL, "4 bytes of constants and no pointer");
	REFUSED(b.consts[0] = 0, "parameter 0 is 0, not 1 to 64");
	REFUSED(b.consts[0] = 65, "parameter 0 is 65, not 1 to 64");
	REFUSED(b.job.wait_count = 17, "17 waits, at most 16");
	REFUSED(b.job.wait_count = 1, "1 waits and no array");
	REFUSED((b.job.wait_count = 1, b.job.waits = b.syncs), "the syncobj of wait 0 is NULL");
	REFUSED((b.job.wait_count = 1, b.job.waits = b.syncs, b.syncs[0].syncobj = b.other_syncobj),
		"the syncobj of wait 0 is of another device");
	b.syncs[0].syncobj = NULL;
	REFUSED(b.job.signal_count = 17, "17 signals, at most 16");
	REFUSED(b.job.signal_count = 1, "1 signals and no array");
	REFUSED((b.job.signal_count = 1, b.job.signals = b.syncs), "the syncobj of signal 0 is NULL");
	REFUSED(b.job.deadline_ns = in_ms(1000), "isn't of the deadline class");
	CHECK_OK(dseek_queue_stats(b.queue, &stats));
	CHECK_EQ(stats.submitted, 0);
	teardown(&b);
}

static void submit_arguments(void)
{
	uint64_t seqno;
	struct bench b;

	setup(&b);
	CHECK_FAILS(dseek_submit(NULL, &b.job, 1, &seqno, NULL), EINVAL, "queue is NULL");
	CHECK_FAILS(dseek_submit(b.queue, NULL, 1, &seqno, NULL), EINVAL, "jobs is NULL");
	CHECK_FAILS(dseek_submit(b.queue, &b.job, 1, NULL, NULL), EINVAL, "ret_seqno is NULL");
	CHECK_FAILS(dseek_submit(b.queue, &b.job, 0, &seqno, NULL), EINVAL, "0 jobs, not 1 to 256");
	CHECK_FAILS(dseek_submit(b.queue, &b.job, 257, &seqno, NULL), EINVAL, "257 jobs, not 1 to 256");
	teardown(&b);
}

static void partial_batch(void)
{
	struct dseek_queue_stats stats;
	struct dseek_job jobs[4];
	uint64_t seqno;
	struct bench b;
	int error, i;

	setup(&b);
	for (i = 0; i < 4; i++)
		jobs[i] = b.job;
	CHECK_EQ(dseek_submit(b.queue, jobs, 4, &seqno, &error), 4);
	CHECK_EQ(seqno, 1);
	CHECK_EQ(error, 0);
	jobs[2].binding_count = 1;
	CHECK_EQ(dseek_submit(b.queue, jobs, 4, &seqno, &error), 2);
	CHECK_EQ(seqno, 5);
	CHECK_EQ(error, -EINVAL);
	CHECK(strstr(dseek_strerror_detail(), "job 2: 1 buffers bound"));
	CHECK_OK(wait_for(b.queue, 6).error);
	CHECK_OK(dseek_queue_stats(b.queue, &stats));
	CHECK_EQ(stats.submitted, 6);
	teardown(&b);
}

static void job_quota(void)
{
	struct dseek_tenant_info info;
	struct dseek_job batch[64];
	struct dseek_program *nop;
	struct dseek_queue *queue;
	uint64_t seqno, taken = 0;
	struct manual m;
	uint32_t tag, i;
	int n, error;

	manual_open(&m, 1, "job_limit=100");
	nop = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	if (info.job_limit > 100000)
		skip("this tenant may have %u jobs in flight", info.job_limit);
	for (i = 0; i < 64; i++)
		batch[i] = (struct dseek_job) { .program = nop };
	do {
		n = dseek_submit(queue, batch, 64, &seqno, &error);
		taken += n > 0 ? n : 0;
	} while (n == 64);
	CHECK_EQ(error, -EDQUOT);
	CHECK_EQ(taken, info.job_limit - info.jobs);
	CHECK_FAILS(dseek_submit(queue, batch, 1, &seqno, &error), EDQUOT, "job 0");
	/* One that completes makes room for one. */
	tag = manual_fetch_one(&m);
	manual_done(&m, tag, 0, 1000);
	CHECK_EQ(dseek_submit(queue, batch, 64, &seqno, &error), 1);
	dseek_queue_destroy(queue);
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	CHECK_EQ(info.jobs, 0);
	dseek_program_destroy(nop);
	manual_close(&m);
}

/* One line of an administrator's file. */
static int tenants_write(const char *file, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/misc/dseek-exec/device/tenants/%s", file);
	f = fopen(path, "w");
	if (!f)
		return -errno;
	fputs(text, f);
	return fclose(f) ? -errno : 0;
}

/* The limit is a key of the embedded transport, and with the module the administrator's. */
static void rate_open(struct manual *m, const char *rate)
{
	char key[64];

	snprintf(key, sizeof(key), "rate_limit=%s", rate);
	manual_open(m, 1, key);
	if (on_embed())
		return;
	if (geteuid())
		skip("only root limits a tenant's rate");
	CHECK_OK(tenants_write("add", "uid:0"));
	CHECK_OK(tenants_write("uid/0/rate_limit", rate));
}

static void rate_close(struct manual *m)
{
	if (!on_embed())
		CHECK_OK(tenants_write("remove", "uid:0"));
	manual_close(m);
}

static void job_rate(void)
{
	const uint64_t part = 250000000;	/* of a second, a job's */
	struct dseek_tenant_info info;
	struct dseek_program *nop;
	struct dseek_queue *queue;
	struct dseek_job batch[16];
	uint64_t seqno, start, most;
	struct manual m;
	int n, i, error;

	rate_open(&m, "4");
	nop = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	for (i = 0; i < 16; i++)
		batch[i] = (struct dseek_job) { .program = nop };
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	CHECK_EQ(info.rate_limit, 4);
	/* A second's worth at once, then as time goes by: no more than that, and no less. */
	start = now_ns();
	n = dseek_submit(queue, batch, 16, &seqno, &error);
	most = 4 + (now_ns() - start) / part;
	CHECK(n >= 4 && (uint64_t)n <= most);
	CHECK_EQ(error, -EDQUOT);
	usleep(part / 1000 + 1000);
	CHECK_EQ(dseek_submit(queue, batch, 1, &seqno, &error), 1);
	dseek_queue_destroy(queue);
	dseek_program_destroy(nop);
	rate_close(&m);

	rate_open(&m, "0");
	nop = program_nop(m.dev);
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	batch[0].program = nop;
	CHECK_FAILS(dseek_submit(queue, batch, 1, &seqno, &error), EDQUOT, "job 0");
	dseek_queue_destroy(queue);
	dseek_program_destroy(nop);
	rate_close(&m);
}

static void deadline_admission(void)
{
	struct dseek_job job;
	struct dseek_queue *queue;
	struct dseek_program *prog;
	uint64_t seqno;
	struct manual m;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_deadline(m.dev, m.engine, 50000000, 100000000);
	job = (struct dseek_job) { .program = prog, .deadline_ns = 1 };
	CHECK_FAILS(dseek_submit(queue, &job, 1, &seqno, NULL), ETIME, "deadline");
	/* Teach the cost: 20 ms. */
	submit_program(queue, prog);
	manual_done(&m, manual_fetch_one(&m), 0, 20000000);
	job.deadline_ns = in_ms(5);
	CHECK_FAILS(dseek_submit(queue, &job, 1, &seqno, NULL), ETIME, "can't be met");
	job.deadline_ns = in_ms(10000);
	submit_one(queue, &job);
	manual_done(&m, manual_fetch_one(&m), 0, 20000000);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

/* What a program costs is known of one that is made anew from the same content, and of no other. */
static void deadline_recreated(void)
{
	struct dseek_queue *queue, *warm;
	struct dseek_program *prog, *other;
	struct dseek_job job;
	uint64_t seqno;
	struct manual m;

	manual_open(&m, 1, NULL);
	warm = queue_fair(m.dev, m.engine, DSEEK_CLASS_INTERACTIVE, 1);
	queue = queue_deadline(m.dev, m.engine, 50000000, 100000000);
	prog = program_spin(m.dev, 77, 1);
	submit_program(warm, prog);
	manual_done(&m, manual_fetch_one(&m), 0, 2000000000);
	dseek_program_destroy(prog);
	prog = program_spin(m.dev, 77, 1);
	other = program_spin(m.dev, 78, 1);
	job = (struct dseek_job) { .program = prog, .deadline_ns = in_ms(1000) };
	CHECK_FAILS(dseek_submit(queue, &job, 1, &seqno, NULL), ETIME, "can't be met");
	job = (struct dseek_job) { .program = other, .deadline_ns = in_ms(1000) };
	submit_one(queue, &job);
	manual_done(&m, manual_fetch_one(&m), 0, 1000000);
	dseek_program_destroy(prog);
	dseek_program_destroy(other);
	dseek_queue_destroy(queue);
	dseek_queue_destroy(warm);
	manual_close(&m);
}

/* Half a second on cold caches, of which 10 ms in 20 would fit: refused for a period, then tried, then known. */
static void deadline_cold_start(void)
{
	struct dseek_queue *queue, *warm;
	struct dseek_program *prog;
	struct dseek_job job;
	uint64_t seqno, refused;
	struct manual m;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	warm = queue_fair(m.dev, m.engine, DSEEK_CLASS_INTERACTIVE, 1);
	queue = queue_deadline(m.dev, m.engine, 10000000, 20000000);
	submit_program(warm, prog);
	manual_done(&m, manual_fetch_one(&m), 0, 500000000);
	job = (struct dseek_job) { .program = prog, .deadline_ns = in_ms(500) };
	refused = now_ns();
	CHECK_FAILS(dseek_submit(queue, &job, 1, &seqno, NULL), ETIME, "can't be met");
	while (now_ns() < refused + 25000000)
		usleep(1000);
	job.deadline_ns = in_ms(500);
	submit_one(queue, &job);
	manual_done(&m, manual_fetch_one(&m), 0, 1000000);
	job.deadline_ns = in_ms(500);
	submit_one(queue, &job);
	job.deadline_ns = in_ms(500);
	submit_one(queue, &job);
	manual_done(&m, manual_fetch_one(&m), 0, 1000000);
	manual_done(&m, manual_fetch_one(&m), 0, 1000000);
	dseek_queue_destroy(queue);
	dseek_queue_destroy(warm);
	dseek_program_destroy(prog);
	manual_close(&m);
}

static void deadline_miss(void)
{
	struct dseek_job job;
	struct dseek_queue_stats stats;
	struct dseek_queue *queue;
	struct dseek_program *prog;
	struct manual m;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	prog = program_nop(m.dev);
	queue = queue_deadline(m.dev, m.engine, 50000000, 100000000);
	job = (struct dseek_job) { .program = prog, .deadline_ns = in_ms(250) };
	submit_one(queue, &job);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->deadline_ns, job.deadline_ns);
	while (now_ns() <= job.deadline_ns)
		;
	manual_done(&m, tag, 0, 1000);
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK_EQ(stats.deadline_misses, 1);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	manual_close(&m);
}

const struct test job_tests[] = {
	{ "refusals", refusals },
	{ "arguments of submit", submit_arguments },
	{ "a batch is taken up to its first bad job", partial_batch },
	{ "quota of jobs in flight", job_quota },
	{ "quota of jobs a second", job_rate },
	{ "a deadline that can't be met is refused", deadline_admission },
	{ "what a program costs outlives its object", deadline_recreated },
	{ "a cold start doesn't refuse a program for good", deadline_cold_start },
	{ "a missed deadline is counted", deadline_miss },
	{ NULL },
};
