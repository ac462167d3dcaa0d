// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Jobs: submission, its refusals one by one, and waiting by sequence number. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <signal.h>
#include <sys/wait.h>

#define PAGE	4096ULL

FIXTURE(submit) {
	int fd;
	uint32_t queue, program, bo, sync;
	struct test_exec exec;
	struct drm_dseek_binding binding;
	struct drm_dseek_sync signal;
	struct script script;
	struct drm_dseek_job job;	/* a good one, that has everything */
};

FIXTURE_SETUP(submit)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, TEST_ENGINE, 4));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->program));
	ASSERT_EQ(0, bo_create(self->fd, 2 * PAGE, &self->bo));
	ASSERT_EQ(0, syncobj_create(self->fd, &self->sync));
	self->script = (struct script){ SCRIPT_DONE, 0 };
	self->binding = (struct drm_dseek_binding){ .handle = self->bo, .access = DRM_DSEEK_ACCESS_READ, .size = 2 * PAGE };
	self->signal = (struct drm_dseek_sync){ .handle = self->sync };
	self->job = (struct drm_dseek_job){ .program = self->program, .bindings = (uintptr_t)&self->binding, .binding_count = 1,
					    .consts = (uintptr_t)&self->script, .const_size = sizeof(self->script),
					    .signals = (uintptr_t)&self->signal, .signal_count = 1 };
}

FIXTURE_TEARDOWN(submit)
{
	close(self->fd);
	exec_stop(&self->exec);
}

/* One job with one thing wrong: refused with @err. */
#define BAD_JOB(err, change) \
	do { \
		struct drm_dseek_job job_ = self->job; \
		job_.change; \
		EXPECT_EQ(-(err), submit(self->fd, self->queue, &job_, 1, NULL)) { TH_LOG("job with %s", #change); } \
	} while (0)
#define BAD_BINDING(err, change) \
	do { \
		struct drm_dseek_binding good_ = self->binding; \
		self->binding.change; \
		EXPECT_EQ(-(err), submit(self->fd, self->queue, &self->job, 1, NULL)) { TH_LOG("binding with %s", #change); } \
		self->binding = good_; \
	} while (0)

TEST_F(submit, runs)
{
	struct drm_dseek_wait w = { .queue = self->queue };
	uint64_t before = now_ns(), seqno = 0;

	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	EXPECT_EQ(1, seqno);
	w.seqno = seqno;
	w.deadline_ns = now_ns() + 10 * SEC;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &w));
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(0, w.preemptions);
	EXPECT_LE(before, w.submit_ns);
	EXPECT_LE(w.submit_ns, w.start_ns);
	EXPECT_LE(w.start_ns, w.end_ns);
	EXPECT_LE(w.end_ns, now_ns());
	EXPECT_EQ(0, syncobj_wait(self->fd, self->sync, SEC, 0));
	EXPECT_EQ(0, tenant_info(self->fd).jobs);
}

TEST_F(submit, nothing_but_a_program)
{
	struct drm_dseek_job job = { .program = self->program };
	uint64_t seqno;
	int error = 1;

	ASSERT_EQ(0, submit(self->fd, self->queue, &job, 1, &seqno));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, seqno, 10 * SEC, &error));
	EXPECT_EQ(0, error);
}

TEST_F(submit, array_with_a_stride)
{
	struct { struct drm_dseek_job job; uint64_t more[3]; } jobs[DRM_DSEEK_MAX_JOBS];
	struct drm_dseek_submit s = { .queue = self->queue, .jobs = (uintptr_t)jobs, .count = 5, .stride = sizeof(jobs[0]) };
	int i, error;

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < 5; i++) {
		jobs[i].job = self->job;
		jobs[i].job.signal_count = 0;
	}
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
	EXPECT_EQ(1, s.first_seqno);
	EXPECT_EQ(5, s.done);
	EXPECT_EQ(0, s.error);
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, wait_job(self->fd, self->queue, (uint64_t)i, 10 * SEC, &error));
		EXPECT_EQ(0, error);
	}
	/* What follows a job are members this kernel does not know: they must be zero. */
	jobs[2].more[1] = 1;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
	EXPECT_EQ(2, s.done);
	EXPECT_EQ(-EINVAL, s.error);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 7, 10 * SEC, &error));
}

TEST_F(submit, several_programs)
{
	struct drm_dseek_job jobs[3] = { self->job, self->job, self->job };
	int i, error;

	ASSERT_EQ(0, program_create(self->fd, &jobs[1].program));
	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 3, NULL));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, wait_job(self->fd, self->queue, (uint64_t)i, 10 * SEC, &error));
		EXPECT_EQ(0, error);
	}
}

TEST_F(submit, order_of_completion)
{
	struct script slow = { SCRIPT_BUSY, 20000 };
	struct drm_dseek_job jobs[2] = { self->job, self->job };
	struct drm_dseek_wait first = { .queue = self->queue, .seqno = 1 }, second = { .queue = self->queue, .seqno = 2 };

	jobs[0].consts = (uintptr_t)&slow;
	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 2, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, NULL));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &first));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &second));
	EXPECT_LE(first.end_ns, second.end_ns);
	EXPECT_LE(20 * MS, first.engine_ns);
}

TEST_F(submit, call_refusals)
{
	struct drm_dseek_submit s = { .queue = self->queue, .jobs = (uintptr_t)&self->job, .count = 1, .stride = sizeof(self->job) };

	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, queue = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, queue = 4711);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, flags = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, count = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, count = DRM_DSEEK_MAX_JOBS + 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, stride = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, stride = sizeof(struct drm_dseek_job) - 8);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, stride = sizeof(struct drm_dseek_job) + 4);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, stride = 0xfffffff8);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, flags = 1u << 31);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, count = 0xffffffff);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, jobs = 0);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, jobs = UNMAPPED);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_SUBMIT, s, jobs = KERNEL_ADDRESS);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, NULL));
	EXPECT_EQ(0, tenant_info(self->fd).jobs);
}

TEST_F(submit, job_refusals)
{
	struct drm_dseek_queue_query q = { .handle = self->queue };

	BAD_JOB(ENOENT, program = 0);
	BAD_JOB(ENOENT, program = 4711);
	BAD_JOB(EINVAL, flags = 1 << 1);
	BAD_JOB(EINVAL, flags = 1u << 31);
	BAD_JOB(EINVAL, binding_count = DRM_DSEEK_MAX_BINDINGS + 1);
	BAD_JOB(EFAULT, bindings = 0);
	BAD_JOB(EFAULT, bindings = UNMAPPED);
	BAD_JOB(EINVAL, const_size = DRM_DSEEK_MAX_CONSTS + 4);
	BAD_JOB(EINVAL, const_size = 5);
	BAD_JOB(EFAULT, consts = 0);
	BAD_JOB(EFAULT, consts = UNMAPPED);
	BAD_JOB(EINVAL, signal_count = DRM_DSEEK_MAX_SYNCS + 1);
	BAD_JOB(EFAULT, signals = 0);
	BAD_JOB(EFAULT, signals = UNMAPPED);
	BAD_JOB(EINVAL, wait_count = DRM_DSEEK_MAX_SYNCS + 1);
	BAD_JOB(EFAULT, wait_count = 1);
	self->job.waits = UNMAPPED;
	BAD_JOB(EFAULT, wait_count = 1);
	self->job.waits = KERNEL_ADDRESS;
	BAD_JOB(EFAULT, wait_count = 1);
	self->job.waits = 0;
	BAD_JOB(EFAULT, bindings = KERNEL_ADDRESS);
	BAD_JOB(EFAULT, consts = KERNEL_ADDRESS);
	BAD_JOB(EFAULT, signals = KERNEL_ADDRESS);
	BAD_JOB(EINVAL, deadline_ns = now_ns() + SEC);	/* of a batch queue */
	/* none left a trace: not a number, not a fence */
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_EQ(0, q.submitted);
	EXPECT_EQ(0, tenant_info(self->fd).jobs);
	EXPECT_EQ(-EINVAL, syncobj_wait(self->fd, self->sync, 10 * MS, 0));
}

TEST_F(submit, binding_refusals)
{
	BAD_BINDING(ENOENT, handle = 0);
	BAD_BINDING(ENOENT, handle = 4711);
	BAD_BINDING(EINVAL, access = 0);
	BAD_BINDING(EINVAL, access = 1 << 2);
	BAD_BINDING(EINVAL, access = 0x80000001);
	BAD_BINDING(EINVAL, size = 0);
	BAD_BINDING(EINVAL, size = 2 * PAGE + 1);
	BAD_BINDING(EINVAL, offset = 1);
	BAD_BINDING(EINVAL, offset = 2 * PAGE);
	BAD_BINDING(EINVAL, offset = UINT64_MAX);
	BAD_BINDING(EINVAL, offset = UINT64_MAX - 2 * PAGE + 1);	/* wraps to 0 */
	BAD_BINDING(EINVAL, size = UINT64_MAX);
}

TEST_F(submit, sync_refusals)
{
	struct drm_dseek_sync sync = { .handle = self->sync };
	struct drm_dseek_job job = self->job;

	job.signals = (uintptr_t)&sync;
	sync.flags = 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, self->queue, &job, 1, NULL));
	sync = (struct drm_dseek_sync){ .handle = 4711 };
	EXPECT_EQ(-ENOENT, submit(self->fd, self->queue, &job, 1, NULL));
	job.signal_count = 0;
	job.waits = (uintptr_t)&sync;
	job.wait_count = 1;
	EXPECT_EQ(-ENOENT, submit(self->fd, self->queue, &job, 1, NULL));
	sync = (struct drm_dseek_sync){ .handle = self->sync, .flags = 2 };
	EXPECT_EQ(-EINVAL, submit(self->fd, self->queue, &job, 1, NULL));
	/* a fence that isn't there can't be waited for: no cycle can be built */
	sync = (struct drm_dseek_sync){ .handle = self->sync };
	EXPECT_EQ(-EINVAL, submit(self->fd, self->queue, &job, 1, NULL));
	sync.point = 7;
	EXPECT_EQ(-EINVAL, submit(self->fd, self->queue, &job, 1, NULL));
	/* the shortest cycle: a job that waits for itself */
	job.signals = job.waits;
	job.signal_count = 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, self->queue, &job, 1, NULL));
	EXPECT_EQ(0, tenant_info(self->fd).jobs);
}

TEST_F(submit, a_bad_one_ends_the_batch)
{
	struct drm_dseek_job jobs[4] = { self->job, self->job, self->job, self->job };
	struct drm_dseek_submit s = { .queue = self->queue, .jobs = (uintptr_t)jobs, .count = 4, .stride = sizeof(jobs[0]) };
	uint32_t late;

	struct drm_dseek_sync signal = { 0 };

	ASSERT_EQ(0, syncobj_create(self->fd, &late));
	signal.handle = late;
	jobs[2].program = 4711;
	jobs[3].signals = (uintptr_t)&signal;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
	EXPECT_EQ(2, s.done);
	EXPECT_EQ(-ENOENT, s.error);
	EXPECT_EQ(1, s.first_seqno);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 2, 10 * SEC, NULL));
	EXPECT_EQ(-ENOENT, wait_job(self->fd, self->queue, 3, 0, NULL));
	EXPECT_EQ(-EINVAL, syncobj_wait(self->fd, late, 10 * MS, 0));
}

/* Those without fences are published together, and so before the first that has some. */
TEST_F(submit, fences_in_the_middle_of_a_batch)
{
	struct drm_dseek_job jobs[4] = { self->job, self->job, self->job, self->job };
	uint64_t seqno;

	jobs[0].signal_count = 0;
	jobs[1].signal_count = 0;
	jobs[3].signal_count = 0;
	ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 4, &seqno));
	EXPECT_EQ(4, seqno);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 4, 10 * SEC, NULL));
	EXPECT_EQ(0, syncobj_wait(self->fd, self->sync, 0, 0));
}

TEST_F(submit, an_array_that_ends_in_a_hole)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct drm_dseek_job *last = (struct drm_dseek_job *)(p + page) - 1;
	struct drm_dseek_submit s = { .queue = self->queue, .jobs = (uintptr_t)last, .count = 2, .stride = sizeof(*last) };

	ASSERT_NE(MAP_FAILED, (void *)p);
	munmap(p + page, (size_t)page);
	*last = self->job;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
	EXPECT_EQ(1, s.done);
	EXPECT_EQ(-EFAULT, s.error);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, NULL));
	/* members that this kernel does not know are looked at, too */
	s.count = 1;
	s.stride = sizeof(*last) + 8;
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
}

TEST_F(submit, number_in_flight_is_limited)
{
	uint32_t limit = tenant_info(self->fd).job_limit, taken = 0;
	struct drm_dseek_job jobs[64];
	struct drm_dseek_submit s = { .queue = self->queue, .jobs = (uintptr_t)jobs, .count = 64, .stride = sizeof(jobs[0]) };
	int i, r = 0;

	self->script.op = SCRIPT_HOLD;
	for (i = 0; i < 64; i++) {
		jobs[i] = self->job;
		jobs[i].signal_count = 0;
	}
	while (taken <= limit) {
		s.done = 0;
		s.error = 0;
		r = call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s);
		taken += r ? 0 : s.done;
		if (r || s.error)
			break;
	}
	EXPECT_EQ(-EDQUOT, r ? r : s.error);
	EXPECT_EQ(limit, taken);
	EXPECT_EQ(limit, tenant_info(self->fd).jobs);
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, limit, 25 * SEC, NULL));
	EXPECT_EQ(0, tenant_info(self->fd).jobs);
}

TEST_F(submit, wait_refusals)
{
	struct drm_dseek_wait w = { .queue = self->queue, .seqno = 1 };

	self->script.op = SCRIPT_HOLD;
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_WAIT, w, seqno = 1);
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	REFUSE(ETIME, self->fd, DRM_IOCTL_DSEEK_WAIT, w, deadline_ns = 0);
	REFUSE(ETIME, self->fd, DRM_IOCTL_DSEEK_WAIT, w, deadline_ns = now_ns() + 20 * MS);
	REFUSE(ETIME, self->fd, DRM_IOCTL_DSEEK_WAIT, w, deadline_ns = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_WAIT, w, seqno = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_WAIT, w, seqno = 2);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_WAIT, w, seqno = UINT64_MAX);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_WAIT, w, flags = 1);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_WAIT, w, queue = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_WAIT, w, queue = 4711);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_WAIT, NULL));
	exec_release(&self->exec);
	EXPECT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, NULL));
}

TEST_F(submit, results_are_kept_for_a_while)
{
	struct drm_dseek_job jobs[64];
	uint64_t seqno = 0;
	int i, error;

	for (i = 0; i < 64; i++) {
		jobs[i] = self->job;
		jobs[i].signal_count = 0;
	}
	while (seqno < DRM_DSEEK_STATUS_RING + 64) {
		ASSERT_EQ(0, submit(self->fd, self->queue, jobs, 64, &seqno));
		ASSERT_EQ(0, wait_job(self->fd, self->queue, seqno, 20 * SEC, NULL));
	}
	EXPECT_EQ(-EOVERFLOW, wait_job(self->fd, self->queue, 1, 0, &error));
	EXPECT_EQ(-EOVERFLOW, wait_job(self->fd, self->queue, seqno - DRM_DSEEK_STATUS_RING, 0, &error));
	EXPECT_EQ(0, wait_job(self->fd, self->queue, seqno - DRM_DSEEK_STATUS_RING + 1, 0, &error));
}

TEST_F(submit, the_executors_error_arrives)
{
	struct drm_dseek_queue_query q = { .handle = self->queue };
	int error = 0;

	self->script = (struct script){ SCRIPT_DONE, ERANGE };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 10 * SEC, &error));
	EXPECT_EQ(-ERANGE, error);
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q));
	EXPECT_EQ(1, q.faulted);
}

static void nothing(int sig)
{
}

TEST_F(submit, a_signal_ends_the_wait)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct drm_dseek_wait w = { .queue = self->queue, .seqno = 1, .deadline_ns = now_ns() + 20 * SEC };
	sigset_t set;
	pid_t child;

	self->script.op = SCRIPT_HOLD;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	child = fork();
	if (!child) {
		int i;

		for (i = 0; i < 20; i++) {
			sleep_ns(50 * MS);
			kill(getppid(), SIGUSR1);
		}
		_exit(0);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	EXPECT_EQ(-EINTR, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &w));
	kill(child, SIGKILL);	/* it holds the executor's file too */
	waitpid(child, NULL, 0);
	exec_release(&self->exec);
}

TEST_F(submit, a_yielded_job_goes_on)
{
	struct drm_dseek_wait w = { .queue = self->queue, .seqno = 1, .deadline_ns = now_ns() + 10 * SEC };

	self->script = (struct script){ SCRIPT_YIELD, 5 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &w));
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(5, w.preemptions);
	EXPECT_EQ(5, self->exec.yields);
}

TEST_F(submit, a_job_over_its_limit_is_aborted)
{
	int error = 0;

	self->script.op = SCRIPT_HOLD;	/* the executor looks at the abort word */
	self->job.limit_ns = 50 * MS;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	ASSERT_EQ(0, wait_job(self->fd, self->queue, 1, 20 * SEC, &error));
	EXPECT_EQ(-ETIMEDOUT, error);
}

TEST_F(submit, deadline_in_the_past)
{
	struct drm_dseek_queue_create c = { .engine = self->exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE,
					    .budget_ns = 10 * MS, .period_ns = 100 * MS };

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c));
	self->job.deadline_ns = 1;
	EXPECT_EQ(-ETIME, submit(self->fd, c.handle, &self->job, 1, NULL));
	EXPECT_EQ(-EINVAL, syncobj_wait(self->fd, self->sync, 10 * MS, 0));
	self->job.deadline_ns = now_ns() + 10 * SEC;
	ASSERT_EQ(0, submit(self->fd, c.handle, &self->job, 1, NULL));
	EXPECT_EQ(0, wait_job(self->fd, c.handle, 1, 20 * SEC, NULL));
}

TEST_HARNESS_MAIN
