// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The executor's device: attach, fetch and give back, mapping, and what becomes of jobs when it goes. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#define PAGE	4096ULL

FIXTURE(exec) {
	int fd, set;
	unsigned int grace;
	struct test_exec exec;
	uint32_t queue, program, bo;
	struct drm_dseek_binding binding;
	struct drm_dseek_job job;
};

FIXTURE_SETUP(exec)
{
	/* On a busy machine what is submitted may be fetched late. Root's alone to set; a user takes what there is. */
	self->set = !parameter_set("grace_ms", 60000, &self->grace);
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_attach(&self->exec, TEST_ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->program));
	ASSERT_EQ(0, bo_create(self->fd, 2 * PAGE, &self->bo));
	self->binding = (struct drm_dseek_binding){ .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = 2 * PAGE };
	self->job = (struct drm_dseek_job){ .program = self->program, .bindings = (uintptr_t)&self->binding,
					    .binding_count = 1 };
}

FIXTURE_TEARDOWN(exec)
{
	close(self->fd);
	exec_close(&self->exec);
	if (self->set)
		parameter_set("grace_ms", self->grace, NULL);
}

/* Submit the fixture's job and fetch it. */
#define HOLD_ONE(tag) \
	do { \
		ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL)); \
		ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &(tag), 1, 5 * SEC)); \
	} while (0)

TEST_F(exec, attach_refusals)
{
	static const char *const names[] = { ".", "..", "capacity-x" };	/* of sysfs, and of fdinfo's keys */
	struct drm_dseek_attach a = exec_attachment("other0", 4);
	int fd = exec_open();
	size_t i;

	ASSERT_LE(0, fd);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[0] = 0);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[0] = 'A');
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[0] = '/');
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[0] = ' ');
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[0] = 0xe9);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, type = DRM_DSEEK_ENGINE_TYPE_COUNT);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, flags = DRM_DSEEK_ATTACH_MEMORY << 1);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, depth = 0);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, depth = DRM_DSEEK_MAX_DEPTH + 1);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, numa_node = -2);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, numa_node = 100000);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, name[20] = 'x');	/* behind its end */
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, flags = 1u << 31);
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, owner = 1);
	REFUSE(ENOENT, fd, DRM_IOCTL_DSEEK_ATTACH, a, flags = DRM_DSEEK_ATTACH_REATTACH);
	EXPECT_EQ(-EFAULT, call(fd, DRM_IOCTL_DSEEK_ATTACH, NULL));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		a = exec_attachment(names[i], 4);
		EXPECT_EQ(-EINVAL, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a)) { TH_LOG("%s", names[i]); }
	}
	memset(a.name, 'a', sizeof(a.name));
	EXPECT_EQ(-EINVAL, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a)) { TH_LOG("a name without an end"); }
	a = exec_attachment(TEST_ENGINE, 4);
	EXPECT_EQ(-EBUSY, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	EXPECT_EQ(-EALREADY, call(self->exec.fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	close(fd);
}

TEST_F(exec, a_name_keeps_its_type)
{
	struct drm_dseek_attach a = exec_attachment(TEST_ENGINE, 4);
	int fd = exec_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	a.type = DRM_DSEEK_ENGINE_CPU;
	EXPECT_EQ(-EMEDIUMTYPE, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	a.type = DRM_DSEEK_ENGINE_NULL;
	a.flags = DRM_DSEEK_ATTACH_REATTACH;
	EXPECT_EQ(0, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	EXPECT_EQ(self->exec.engine, a.engine);
	EXPECT_EQ(self->exec.generation + 1, a.generation);
	close(fd);
}

/* A name has one owner, or none, for good. */
TEST_F(exec, a_name_keeps_its_owner)
{
	struct drm_dseek_attach a = exec_attachment("owned0", 4), shared = exec_attachment(TEST_ENGINE, 4);
	int fd = exec_open(), other = exec_open();

	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	a.flags = DRM_DSEEK_ATTACH_OWNER;
	REFUSE(EINVAL, fd, DRM_IOCTL_DSEEK_ATTACH, a, owner = 0xffffffff);	/* no uid */
	a.owner = 1001;
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
	REFUSE(EACCES, other, DRM_IOCTL_DSEEK_ATTACH, a, owner = 1002);	/* before it is asked whether it has an executor */
	REFUSE(EBUSY, other, DRM_IOCTL_DSEEK_ATTACH, a, owner = 1001);
	a.flags = a.owner = 0;
	EXPECT_EQ(-EACCES, call(other, DRM_IOCTL_DSEEK_ATTACH, &a)) { TH_LOG("without an owner"); }
	a.owner = 1001;
	a.flags = DRM_DSEEK_ATTACH_OWNER | DRM_DSEEK_ATTACH_STANDBY;
	REFUSE(EACCES, other, DRM_IOCTL_DSEEK_ATTACH, a, owner = 0);
	ASSERT_EQ(0, call(fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	REFUSE(EACCES, other, DRM_IOCTL_DSEEK_ATTACH, a, owner = 1002);
	EXPECT_EQ(0, call(other, DRM_IOCTL_DSEEK_ATTACH, &a));
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	close(fd);
	fd = exec_open();
	shared.owner = 1001;
	shared.flags = DRM_DSEEK_ATTACH_OWNER;
	EXPECT_EQ(-EACCES, call(fd, DRM_IOCTL_DSEEK_ATTACH, &shared));
	close(fd);
	close(other);
}

TEST_F(exec, nothing_works_before_attach)
{
	struct drm_dseek_next n = { 0 };
	struct drm_dseek_map m = { 0 };
	struct drm_dseek_program_read r = { 0 };
	int fd = exec_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTCONN, call(fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(-ENOTCONN, call(fd, DRM_IOCTL_DSEEK_MAP, &m));
	EXPECT_EQ(-ENOTCONN, call(fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &r));
	EXPECT_EQ(-ENOTCONN, call(fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, DRM_DSEEK_MMAP_CONTROL));
	EXPECT_GT(0, call(fd, DRM_IOCTL_DSEEK_SUBMIT, &n));	/* a tenant's call */
	close(fd);
}

TEST_F(exec, the_shared_pages_are_read_only)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->exec.fd, DRM_DSEEK_MMAP_JOBS));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->exec.fd, DRM_DSEEK_MMAP_CONTROL));
	EXPECT_EQ(-1, mprotect((void *)self->exec.control, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, mprotect((void *)self->exec.jobs, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, self->exec.fd, DRM_DSEEK_MMAP_JOBS));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->exec.fd, 0x8000000));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->exec.fd, 1LL << 62)) { TH_LOG("a buffer that isn't mapped"); }
	EXPECT_EQ(0, self->exec.control->preempt);
	EXPECT_EQ(0, self->exec.control->detach);
	EXPECT_EQ(0, self->exec.control->abort_mask);
}

TEST_F(exec, next_refusals)
{
	struct drm_dseek_completion c = { 0 };
	uint64_t retired[4];
	uint32_t tags[4];
	struct drm_dseek_next n = { .completions = (uintptr_t)&c, .tags = (uintptr_t)tags, .tag_max = 4,
				    .retired = (uintptr_t)retired, .retired_max = 4 };

	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, flags = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, pad = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, completion_count = DRM_DSEEK_MAX_DEPTH + 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, tag_max = DRM_DSEEK_MAX_DEPTH + 1);
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, NULL));
	n.completion_count = 1;
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, completion_count = 1);	/* tag 0 isn't held */
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, completions = 0);
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, completions = UNMAPPED);
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n, completions = KERNEL_ADDRESS);
	n.completion_count = 0;
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(0, n.tag_count);
}

/* Where its tag can't be written the job is not taken: it comes with the next call. */
TEST_F(exec, next_answers_that_cannot_be_written)
{
	static const uint64_t bad[] = { 0, UNMAPPED, KERNEL_ADDRESS };
	struct drm_dseek_next n = { .tag_max = 1 };
	struct drm_dseek_completion c = { 0 };
	struct drm_dseek_map m = { 0 };
	uint32_t tag;
	size_t i;
	void *p;

	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	for (i = 0; i < 3; i++) {
		n.tags = bad[i];
		EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n)) { TH_LOG("tags at 0x%llx", (unsigned long long)bad[i]); }
		EXPECT_EQ(0, n.tag_count);
		EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT_1_0, &n)) { TH_LOG("tags at 0x%llx", (unsigned long long)bad[i]); }
		EXPECT_EQ(0, n.tag_count);
	}
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &c.tag, 1, SEC));
	m.tag = c.tag;
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->exec.fd, (off_t)m.mmap_offset);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, bo_close(self->fd, self->bo));
	self->job.binding_count = 0;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	n = (struct drm_dseek_next){ .completions = (uintptr_t)&c, .completion_count = 1, .tags = (uintptr_t)&tag, .tag_max = 1,
				     .retired = UNMAPPED, .retired_max = 4 };
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(1, n.completed);	/* whatever happens after */
	EXPECT_EQ(0, n.retired_count);
	EXPECT_EQ(0, n.tag_count);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, SEC, NULL));
	EXPECT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, SEC));	/* as if it had not been fetched */
	munmap(p, 2 * PAGE);
	sleep_ns(50 * MS);
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

/* Nor where the call's own answer can't be, which lies in memory that may only be read. */
TEST_F(exec, next_whose_own_answer_cannot_be_written)
{
	struct drm_dseek_next *n = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t tag;

	ASSERT_NE(MAP_FAILED, (void *)n);
	*n = (struct drm_dseek_next){ .tags = (uintptr_t)&tag, .tag_max = 1 };
	ASSERT_EQ(0, mprotect(n, PAGE, PROT_READ));
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, n));
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT_1_0, n));
	EXPECT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, SEC));
	munmap(n, PAGE);
}

struct guess {
	struct test_exec *exec;
	volatile int stop;
	volatile uint32_t done;
};

/* Tags are easily guessed: the lowest that is free. */
static void *give_back_unseen(void *arg)
{
	struct drm_dseek_completion c = { 0 };
	struct guess *guess = arg;

	while (!guess->stop)
		if (!exec_next(guess->exec, &c, 1, NULL, 0, 0))
			guess->done++;
	return NULL;
}

/* What one thread can't be told of is to go back, and another has given it back already. */
TEST_F(exec, another_thread_gives_back_what_could_not_be_told)
{
	struct drm_dseek_next n = { .tag_max = 1, .tags = UNMAPPED };
	struct guess guess = { .exec = &self->exec };
	struct drm_dseek_completion c = { 0 };
	uint64_t until = now_ns() + 500 * MS;
	uint32_t submitted = 0, untold = 0;
	pthread_t thread;
	int r;

	ASSERT_EQ(0, pthread_create(&thread, NULL, give_back_unseen, &guess));
	while (now_ns() < until) {
		if (submitted == guess.done) {
			ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
			submitted++;
		}
		r = call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n);
		ASSERT_TRUE(!r || r == -EFAULT) { TH_LOG("%d", r); }
		untold += !!r;
	}
	guess.stop = 1;
	pthread_join(thread, NULL);
	EXPECT_LT(0, untold);
	if (guess.done < submitted) {
		ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &c.tag, 1, SEC));
		ASSERT_EQ(0, exec_next(&self->exec, &c, 1, NULL, 0, 0));
	}
	EXPECT_EQ(0, wait_job(self->fd, self->queue, submitted, SEC, NULL));
}

static void nothing(int signal)
{
}

TEST_F(exec, a_signal_ends_next)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct itimerval soon = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };
	uint64_t begun = now_ns();
	uint32_t tag;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	EXPECT_EQ(-EINTR, exec_next(&self->exec, NULL, 0, &tag, 1, 20 * SEC));
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_GT(10 * SEC, now_ns() - begun);
	/* and what comes then is still fetched */
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(1, exec_next(&self->exec, NULL, 0, &tag, 1, 5 * SEC));
}

TEST_F(exec, detached_is_not_attached)
{
	struct drm_dseek_program_read r = { 0 };
	struct drm_dseek_map m = { 0 };
	uint32_t tag;

	HOLD_ONE(tag);
	m.tag = r.tag = tag;
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	EXPECT_EQ(-ESTALE, exec_next(&self->exec, NULL, 0, &tag, 1, 0));
	EXPECT_EQ(-ESTALE, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
	EXPECT_EQ(-ESTALE, call(self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &r));
}

TEST_F(exec, completion_refusals)
{
	struct drm_dseek_completion c = { 0 }, good;
	struct drm_dseek_next n = { .completions = (uintptr_t)&c, .completion_count = 1 };
	int error = 1;

	HOLD_ONE(c.tag);
	good = c;
#define BAD_COMPLETION(change) \
	do { \
		c = good; \
		c.change; \
		EXPECT_EQ(-EINVAL, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n)) { TH_LOG("completion with %s", #change); } \
	} while (0)
	BAD_COMPLETION(tag = good.tag + 1);
	BAD_COMPLETION(tag = DRM_DSEEK_MAX_DEPTH);
	BAD_COMPLETION(tag = 0xffffffff);
	BAD_COMPLETION(outcome = DRM_DSEEK_OUTCOME_COUNT);
	BAD_COMPLETION(pad = 1);
	BAD_COMPLETION(error = 1);
	BAD_COMPLETION(error = -100000);
	c = good;
	c.outcome = DRM_DSEEK_OUTCOME_YIELD;
	c.error = -EIO;
	EXPECT_EQ(-EINVAL, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n)) { TH_LOG("a yield with an error"); }
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, 1, 0, NULL));	/* still held */
	c = good;
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(1, n.completed);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, 0, &error));
	EXPECT_EQ(0, error);
	EXPECT_EQ(-EINVAL, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n)) { TH_LOG("given back twice"); }
	EXPECT_EQ(0, n.completed);
}

TEST_F(exec, descriptor)
{
	uint32_t consts[64], tag;
	const struct drm_dseek_job_desc *d;
	struct drm_dseek_bo_info i;

	memset(consts, 0x77, sizeof(consts));
	self->job.consts = (uintptr_t)consts;
	self->job.const_size = sizeof(consts);
	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	self->job.limit_ns = 12 * SEC;
	self->binding.offset = 64;
	self->binding.size = PAGE;
	HOLD_ONE(tag);
	ASSERT_LT(tag, 4);
	d = &self->exec.jobs[tag];
	ASSERT_EQ(0, bo_info(self->fd, self->bo, &i));
	EXPECT_EQ(64, d->program_size);
	EXPECT_NE(0, d->program_id);
	EXPECT_EQ(tenant_info(self->fd).id, d->tenant_id);
	EXPECT_EQ(DRM_DSEEK_JOB_IDEMPOTENT | DRM_DSEEK_DESC_CLASS(DRM_DSEEK_CLASS_BATCH), d->flags);
	EXPECT_EQ(12 * SEC, d->limit_ns);
	EXPECT_EQ(0, d->cursor);
	EXPECT_EQ(1, d->binding_count);
	EXPECT_EQ(i.id, d->bindings[0].bo_id);
	EXPECT_EQ(2 * PAGE, d->bindings[0].bo_size);
	EXPECT_EQ(64, d->bindings[0].offset);
	EXPECT_EQ(PAGE, d->bindings[0].size);
	EXPECT_EQ(DRM_DSEEK_ACCESS_READ, d->bindings[0].access);
	EXPECT_EQ(sizeof(consts), d->const_size);
	EXPECT_EQ(0, memcmp(consts, d->consts, sizeof(consts)));
}

TEST_F(exec, map)
{
	struct drm_dseek_map m = { 0 };
	uint8_t *tenant, *mine;

	HOLD_ONE(m.tag);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
	EXPECT_EQ(2 * PAGE, m.bo_size);
	EXPECT_EQ(self->exec.jobs[m.tag].bindings[0].bo_id, m.bo_id);
	tenant = bo_map(self->fd, self->bo);
	ASSERT_NE(MAP_FAILED, (void *)tenant);
	tenant[PAGE + 1] = 123;
	/* bound for reading only */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->exec.fd, (off_t)m.mmap_offset));
	mine = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->exec.fd, (off_t)m.mmap_offset);
	ASSERT_NE(MAP_FAILED, (void *)mine);
	EXPECT_EQ(123, mine[PAGE + 1]);
	EXPECT_EQ(-1, mprotect(mine, PAGE, PROT_READ | PROT_WRITE));
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MAP, m, binding = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MAP, m, tag = m.tag + 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_MAP, m, tag = 0xffffffff);
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, NULL));
	munmap(mine, 2 * PAGE);
}

TEST_F(exec, map_for_writing)
{
	struct drm_dseek_map m = { 0 };
	uint8_t *tenant, *mine;

	self->binding.access |= DRM_DSEEK_ACCESS_WRITE;
	HOLD_ONE(m.tag);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
	mine = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->exec.fd, (off_t)m.mmap_offset);
	ASSERT_NE(MAP_FAILED, (void *)mine);
	tenant = bo_map(self->fd, self->bo);
	ASSERT_NE(MAP_FAILED, (void *)tenant);
	mine[7] = 8;
	EXPECT_EQ(8, tenant[7]);
}

TEST_F(exec, a_closed_buffer_is_retired)
{
	struct drm_dseek_completion c = { 0 };
	struct drm_dseek_map m = { 0 };
	uint32_t tag;
	void *mine;
	int i;

	HOLD_ONE(m.tag);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
	mine = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->exec.fd, (off_t)m.mmap_offset);
	ASSERT_NE(MAP_FAILED, mine);
	ASSERT_EQ(0, bo_close(self->fd, self->bo));
	EXPECT_EQ(0, exec_next(&self->exec, NULL, 0, &tag, 1, 0));
	EXPECT_EQ(0, self->exec.retired);	/* the job is still there */
	c.tag = m.tag;
	for (i = 0; i < 10 && !self->exec.retired; i++)
		EXPECT_EQ(0, exec_next(&self->exec, &c, i ? 0 : 1, &tag, 1, SEC));
	EXPECT_EQ(1, self->exec.retired);
	munmap(mine, 2 * PAGE);
	sleep_ns(50 * MS);
	EXPECT_EQ(0, tenant_info(self->fd).pinned_bytes);
}

/* A thread of the executor's that maps one offset over and over, until it is told the next, or none. */
struct mapper {
	pthread_t thread;
	int fd;
	volatile int stop;
	volatile uint64_t offset;
	uint64_t mapped;
};

static void *map_on(void *arg)
{
	struct mapper *m = arg;
	void *p;

	while (!m->stop) {
		p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->fd, (off_t)m->offset);
		if (p == MAP_FAILED)
			continue;
		m->mapped++;
		munmap(p, PAGE);
	}
	return NULL;
}

/* Mapped by one thread at the moment at which another is told that it is to be unmapped: before, or not at all. */
TEST_F_TIMEOUT(exec, mapped_while_it_is_retired, 120)
{
	struct mapper mapper = { .fd = self->exec.fd, .offset = 1ULL << 40 };
	uint32_t tag;
	int round, i;

	ASSERT_EQ(0, pthread_create(&mapper.thread, NULL, map_on, &mapper));
	for (round = 0; round < 500; round++) {
		struct drm_dseek_completion c = { 0 };
		struct drm_dseek_map m = { 0 };

		HOLD_ONE(m.tag);
		ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
		mapper.offset = m.mmap_offset;
		ASSERT_EQ(0, bo_close(self->fd, self->bo));
		c.tag = m.tag;
		self->exec.retired = 0;
		for (i = 0; i < 10 && !self->exec.retired; i++)
			ASSERT_EQ(0, exec_next(&self->exec, &c, i ? 0 : 1, &tag, 1, SEC));
		EXPECT_EQ(1, self->exec.retired);
		ASSERT_EQ(0, bo_create(self->fd, 2 * PAGE, &self->bo));
		self->binding.handle = self->bo;
	}
	mapper.stop = 1;
	pthread_join(mapper.thread, NULL);
	TH_LOG("mapped %llu times", (unsigned long long)mapper.mapped);
	for (i = 0; i < 500 && tenant_info(self->fd).pinned_bytes != 2 * PAGE; i++)
		sleep_ns(10 * MS);
	EXPECT_EQ(2 * PAGE, tenant_info(self->fd).pinned_bytes);
}

/* A thread of the executor's that asks for the mapping of a job that another is giving back. */
struct asker {
	pthread_t thread;
	int fd;
	volatile int go, asked, stop;
	struct drm_dseek_map map;
};

static void *ask_on(void *arg)
{
	struct asker *a = arg;

	while (!a->stop) {
		if (a->go == a->asked) {
			sched_yield();
			continue;
		}
		call(a->fd, DRM_IOCTL_DSEEK_MAP, &a->map);
		a->asked = a->go;
	}
	return NULL;
}

/* What is mapped just when the last job of it is over is retired as well: the tenant gets its memory back. */
TEST_F_TIMEOUT(exec, mapped_while_its_last_job_ends, 120)
{
	struct asker asker = { .fd = self->exec.fd };
	uint32_t tag;
	int round, i;

	ASSERT_EQ(0, pthread_create(&asker.thread, NULL, ask_on, &asker));
	for (round = 0; round < 600; round++) {
		struct drm_dseek_completion c = { 0 };

		HOLD_ONE(c.tag);
		ASSERT_EQ(0, bo_close(self->fd, self->bo));
		asker.map.tag = c.tag;
		asker.go++;
		for (i = round % 64; i; i--)
			sched_yield();
		ASSERT_EQ(0, exec_next(&self->exec, &c, 1, &tag, 0, 0));
		while (asker.asked != asker.go)
			sched_yield();
		for (i = 0; i < 500 && tenant_info(self->fd).pinned_bytes; i++) {
			ASSERT_EQ(0, exec_next(&self->exec, NULL, 0, &tag, 0, 0));
			if (i)
				sleep_ns(MS);
		}
		ASSERT_EQ(0, tenant_info(self->fd).pinned_bytes) { TH_LOG("round %d", round); }
		ASSERT_EQ(0, bo_create(self->fd, 2 * PAGE, &self->bo));
		self->binding.handle = self->bo;
	}
	asker.stop = 1;
	pthread_join(asker.thread, NULL);
}

TEST_F(exec, as_many_are_retired_as_there_is_room_for)
{
	struct drm_dseek_binding bindings[2] = { self->binding, self->binding };
	struct drm_dseek_map m = { 0 };
	struct drm_dseek_completion c = { 0 };
	struct drm_dseek_next n = { .retired_max = 1 };
	uint64_t first = 0, second = 0;

	ASSERT_EQ(0, bo_create(self->fd, PAGE, &bindings[1].handle));
	bindings[1].size = PAGE;
	self->job.bindings = (uintptr_t)bindings;
	self->job.binding_count = 2;
	HOLD_ONE(c.tag);
	m.tag = c.tag;
	for (m.binding = 0; m.binding < 2; m.binding++) {
		ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_MAP, &m));
		ASSERT_EQ(0, bo_close(self->fd, bindings[m.binding].handle));
	}
	n.completions = (uintptr_t)&c;
	n.completion_count = 1;
	n.retired = (uintptr_t)&first;
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(1, n.retired_count);
	n = (struct drm_dseek_next){ .retired = (uintptr_t)&second, .retired_max = 1 };
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(1, n.retired_count);
	EXPECT_NE(first, second);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(0, n.retired_count);
}

TEST_F(exec, program_read)
{
	uint8_t buf[64] = { 0 };
	struct drm_dseek_program_read r = { .pointer = (uintptr_t)buf, .size = sizeof(buf) };

	HOLD_ONE(r.tag);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &r));
	EXPECT_EQ(0, strcmp((char *)buf, "a program that no executor here looks at"));
	REFUSE(ENOSPC, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, size = 63);
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, pointer = 0);
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, pointer = UNMAPPED);
	REFUSE(EFAULT, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, pointer = KERNEL_ADDRESS);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, tag = 0xffffffff);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, r, tag = r.tag + 1);
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, NULL));
}

TEST_F(exec, report)
{
	struct drm_dseek_report good = { .longest_op_ns = 7000 };
	struct drm_dseek_engine_info info = { 0 };
	int fd = exec_open();

	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_REPORT, good, flags = 1);
	REFUSE(EINVAL, self->exec.fd, DRM_IOCTL_DSEEK_REPORT, good, pad = 1);
	EXPECT_EQ(-EFAULT, call(self->exec.fd, DRM_IOCTL_DSEEK_REPORT, NULL));
	EXPECT_EQ(-ENOTCONN, call(fd, DRM_IOCTL_DSEEK_REPORT, &good));
	close(fd);
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->exec.engine, &info, sizeof(info)));
	EXPECT_EQ(0, info.longest_op_ns);
	EXPECT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_REPORT, &good));
	good.longest_op_ns = 20;	/* the largest counts */
	EXPECT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_REPORT, &good));
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->exec.engine, &info, sizeof(info)));
	EXPECT_EQ(7000, info.longest_op_ns);
	EXPECT_EQ(0, info.ready + info.running);
	ASSERT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_DETACH, NULL));
	EXPECT_EQ(-ESTALE, call(self->exec.fd, DRM_IOCTL_DSEEK_REPORT, &good));
	exec_close(&self->exec);
	ASSERT_EQ(0, exec_attach(&self->exec, TEST_ENGINE, 4));
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_ENGINE, self->exec.engine, &info, sizeof(info)));
	EXPECT_EQ(0, info.longest_op_ns);
}

TEST_F(exec, yield_hands_back_the_cursor)
{
	struct drm_dseek_completion c = { .outcome = DRM_DSEEK_OUTCOME_YIELD, .cursor = 42, .engine_ns = 1000 };
	uint32_t tag;

	HOLD_ONE(c.tag);
	ASSERT_EQ(1, exec_next(&self->exec, &c, 1, &tag, 1, 5 * SEC));
	EXPECT_EQ(42, self->exec.jobs[tag].cursor);
	c = (struct drm_dseek_completion){ .tag = tag };
	EXPECT_EQ(0, exec_next(&self->exec, &c, 1, &tag, 0, 0));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, 0, NULL));
}

TEST_F(exec, order_within_a_queue)
{
	struct drm_dseek_completion c[2] = { { 0 } };
	struct drm_dseek_job jobs[2] = { self->job, self->job };
	struct drm_dseek_next n = { .completions = (uintptr_t)c, .completion_count = 1 };
	uint32_t tags[4];

	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 2, NULL));
	ASSERT_EQ(2, exec_next(&self->exec, NULL, 0, tags, 4, 5 * SEC));
	c[0].tag = tags[1];
	EXPECT_EQ(-EINVAL, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	c[0].tag = tags[0];
	c[1].tag = tags[1];
	n.completion_count = 2;
	EXPECT_EQ(0, call(self->exec.fd, DRM_IOCTL_DSEEK_NEXT, &n));
	EXPECT_EQ(2, n.completed);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 2, 0, NULL));
}

TEST_F(exec, depth_is_kept)
{
	struct drm_dseek_job jobs[8];
	uint32_t tags[8];
	int i;

	for (i = 0; i < 8; i++)
		jobs[i] = self->job;
	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 8, NULL));
	EXPECT_EQ(4, exec_next(&self->exec, NULL, 0, tags, 8, 5 * SEC));
	EXPECT_EQ(0, exec_next(&self->exec, NULL, 0, tags, 8, 10 * MS));
}

TEST_F(exec, a_lost_executor_faults_what_it_held)
{
	uint32_t tag;
	int error = 0;

	HOLD_ONE(tag);
	exec_close(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ECANCELED, error);
	ASSERT_EQ(0, exec_attach(&self->exec, TEST_ENGINE, 4));
}

TEST_F(exec, an_idempotent_job_runs_again)
{
	struct drm_dseek_completion c = { 0 };
	uint32_t tag;
	int error = 1;

	self->job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	HOLD_ONE(tag);
	exec_close(&self->exec);
	EXPECT_EQ(-ETIME, wait_job(self->fd, self->queue, 1, 10 * MS, &error));
	ASSERT_EQ(0, exec_attach(&self->exec, TEST_ENGINE, 4));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &c.tag, 1, 5 * SEC));
	EXPECT_EQ(0, self->exec.jobs[c.tag].cursor);
	EXPECT_EQ(0, exec_next(&self->exec, &c, 1, &tag, 0, 0));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 5 * SEC, &error));
	EXPECT_EQ(0, error);
}

TEST_F(exec, queued_jobs_wait_for_the_next_executor)
{
	struct drm_dseek_completion c = { 0 };
	uint32_t tag;
	int error = 1;

	exec_close(&self->exec);
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, exec_attach(&self->exec, TEST_ENGINE, 2));
	ASSERT_EQ(1, exec_next(&self->exec, NULL, 0, &c.tag, 1, 5 * SEC));
	EXPECT_EQ(0, exec_next(&self->exec, &c, 1, &tag, 0, 0));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 5 * SEC, &error));
	EXPECT_EQ(0, error);
}

TEST_F(exec, preemption_word)
{
	struct drm_dseek_completion c = { .outcome = DRM_DSEEK_OUTCOME_YIELD, .engine_ns = MS };
	uint32_t urgent, tag, queue;
	uint64_t until = now_ns() + 5 * SEC;

	HOLD_ONE(c.tag);
	EXPECT_EQ(0, self->exec.control->preempt);
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &queue));
	ASSERT_EQ(0, submit(self->fd, queue, &self->job, 1, NULL));
	while (!self->exec.control->preempt && now_ns() < until)
		sleep_ns(MS);
	EXPECT_NE(0, self->exec.control->preempt);
	/* what waited comes first */
	ASSERT_EQ(1, exec_next(&self->exec, &c, 1, &urgent, 1, 5 * SEC));
	EXPECT_EQ(0, self->exec.jobs[urgent].cursor);
	EXPECT_EQ(0, self->exec.control->preempt);
	c = (struct drm_dseek_completion){ .tag = urgent };
	ASSERT_EQ(1, exec_next(&self->exec, &c, 1, &tag, 1, 5 * SEC));
	EXPECT_EQ(0, wait_job(self->fd, queue, 1, 0, NULL));
}

TEST_HARNESS_MAIN
