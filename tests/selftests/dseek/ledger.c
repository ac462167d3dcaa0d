// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The ledger: each thing that is charged, refused at the tenant's own limit and at each parent's with nothing left
 * behind; and taken back with the process, the file or the cgroup.
 */
#include "kselftest_harness.h"
#include "dseek_admin.h"
#include "dseek_dmabuf.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGE	4096ULL
#define ENGINE	"ledger0"
#define PURGE	"/sys/kernel/debug/dseek/purge"
#define COUNTERS "/sys/kernel/debug/dseek/counters"
#define OUTER	"/dseek-ledger"
#define INNER	OUTER "/inner"
#define OUTER_DIR ALL "/cgroup" OUTER
#define INNER_DIR ALL "/cgroup" INNER
#define TAKEN	6	/* two at each of three levels */

/* ---- what can be charged: each is taken one by one, and given back in that order */

struct world {
	int fd;				/* a file of the tenant in INNER */
	struct test_exec exec;		/* of a NIC; serves nothing by itself */
	uint32_t queue, program;
	uint32_t handles[TAKEN], tags[TAKEN];	/* of what is taken */
	unsigned int taken, given;
};

static int take_pinned(struct world *w)
{
	return bo_create(w->fd, 16 * PAGE, &w->handles[w->taken]);
}

static int give_pinned(struct world *w)
{
	return bo_close(w->fd, w->handles[w->given]);
}

static int advise(int fd, uint32_t handle, uint32_t advice)
{
	struct drm_dseek_bo_madvise m = { .handle = handle, .advice = advice };

	return call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);
}

static int give_purged(struct world *w)
{
	int r = advise(w->fd, w->handles[w->given], DRM_DSEEK_MADV_DONTNEED);

	return r ? r : text_write(PURGE, "1");
}

static int setup_purged(struct world *w)
{
	int r = 0;

	for (w->given = 0; !r && w->given < TAKEN; w->given++) {
		r = bo_create(w->fd, 16 * PAGE, &w->handles[w->given]);
		r = r ? r : give_purged(w);
	}
	w->given = 0;
	return r;
}

static int take_purged(struct world *w)
{
	return advise(w->fd, w->handles[w->taken], DRM_DSEEK_MADV_WILLNEED);
}

/* A dma-buf of vgem's, which the guests have loaded. */
static int foreign_buffer(void)
{
	int exporter, fd = vgem_of(64 * 1024, &exporter);

	if (exporter >= 0)
		close(exporter);
	return fd;
}

/* Who imports pays, not who opened the file: from within the cgroup. */
static int take_imported(struct world *w)
{
	struct drm_prime_handle p = { .fd = foreign_buffer() };
	int r = p.fd < 0 ? p.fd : cgroup_join(INNER);

	if (!r) {
		r = call(w->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);
		cgroup_join("");
	}
	close(p.fd);
	w->handles[w->taken] = p.handle;
	return r;
}

static int take_program(struct world *w)
{
	return program_create(w->fd, &w->handles[w->taken]);
}

static int give_program(struct world *w)
{
	struct drm_dseek_program_destroy d = { .handle = w->handles[w->given] };

	return call(w->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d);
}

static int take_queue(struct world *w)
{
	return queue_create(w->fd, w->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &w->handles[w->taken]);
}

static int give_queue(struct world *w)
{
	return queue_destroy(w->fd, w->handles[w->given]);
}

static int setup_jobs(struct world *w)
{
	int r = program_create(w->fd, &w->program);

	return r ? r : queue_create(w->fd, w->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &w->queue);
}

static int take_job(struct world *w)
{
	struct drm_dseek_job job = { .program = w->program };

	return submit(w->fd, w->queue, &job, 1, NULL);
}

static int give_job(struct world *w)
{
	struct drm_dseek_completion done = { 0 };
	int r = exec_next(&w->exec, NULL, 0, &done.tag, 1, SEC);

	return r < 0 ? r : r != 1 ? -EIO : exec_next(&w->exec, &done, 1, NULL, 0, 0);
}

/* Jobs with a buffer each, held by the executor, which has not mapped them yet. */
static int setup_registered(struct world *w)
{
	struct drm_dseek_binding b = { .access = DRM_DSEEK_ACCESS_READ, .size = PAGE };
	struct drm_dseek_job job = { .bindings = (uintptr_t)&b, .binding_count = 1 };
	int r = setup_jobs(w), i;

	job.program = w->program;
	for (i = 0; !r && i < TAKEN; i++) {
		r = bo_create(w->fd, 16 * PAGE, &w->handles[i]);
		b.handle = w->handles[i];
		r = r ? r : submit(w->fd, w->queue, &job, 1, NULL);
	}
	r = r ? r : exec_next(&w->exec, NULL, 0, w->tags, TAKEN, SEC);
	return r == TAKEN ? 0 : r < 0 ? r : -EIO;
}

static int take_registered(struct world *w)
{
	struct drm_dseek_map map = { .tag = w->tags[w->taken] };

	return call(w->exec.fd, DRM_IOCTL_DSEEK_MAP, &map);
}

/* The job is done, its buffer closed, and the executor told to unmap. */
static int give_registered(struct world *w)
{
	struct drm_dseek_completion done = { .tag = w->tags[w->given] };
	int r = exec_next(&w->exec, &done, 1, NULL, 0, 0);

	r = r ? r : bo_close(w->fd, w->handles[w->given]);
	return r ? r : exec_next(&w->exec, NULL, 0, &done.tag, 1, SEC);
}

FIXTURE(charge) {
	struct world w;
};

FIXTURE_VARIANT(charge) {
	const char *limit, *used;
	uint64_t unit;
	int (*setup)(struct world *w), (*take)(struct world *w), (*give)(struct world *w);
};

FIXTURE_VARIANT_ADD(charge, create) { "pinned_limit", "pinned_bytes", 16 * PAGE, NULL, take_pinned, give_pinned };
FIXTURE_VARIANT_ADD(charge, willneed) { "pinned_limit", "pinned_bytes", 16 * PAGE, setup_purged, take_purged, give_purged };
FIXTURE_VARIANT_ADD(charge, import) { "imported_limit", "imported_bytes", 16 * PAGE, NULL, take_imported, give_pinned };
FIXTURE_VARIANT_ADD(charge, program) { "program_limit", "program_bytes", 64, NULL, take_program, give_program };
FIXTURE_VARIANT_ADD(charge, queue) { "queue_limit", "queue_count", 1, NULL, take_queue, give_queue };
FIXTURE_VARIANT_ADD(charge, job) { "job_limit", "job_count", 1, setup_jobs, take_job, give_job };
FIXTURE_VARIANT_ADD(charge, nic) { "registered_limit", "registered_bytes", 16 * PAGE, setup_registered, take_registered, give_registered };

/* The two cgroups and their policies, OUTER's first. */
static int make_cgroups(void)
{
	int r = cgroup_make(OUTER);

	r = r ? r : cgroup_make(INNER);
	r = r ? r : policy_add("cgroup:" OUTER);
	return r ? r : policy_add("cgroup:" INNER);
}

static void unmake_cgroups(void)
{
	cgroup_join("");
	policy_remove("cgroup:" INNER);
	policy_remove("cgroup:" OUTER);
	cgroup_unmake(INNER);
	cgroup_unmake(OUTER);
}

FIXTURE_SETUP(charge)
{
	memset(&self->w, 0, sizeof(self->w));
	ASSERT_EQ(0, make_cgroups());
	ASSERT_EQ(0, exec_attach_as(&self->w.exec, ENGINE, DRM_DSEEK_ENGINE_NIC, 8, 0));
	self->w.fd = open_in(INNER);
	ASSERT_LE(0, self->w.fd);
	ASSERT_EQ(0, variant->setup ? variant->setup(&self->w) : 0);
}

FIXTURE_TEARDOWN(charge)
{
	close(self->w.fd);
	exec_close(&self->w.exec);
	set(ALL, variant->limit, "max");
	EXPECT_EQ(true, soon_holds_nothing(INNER_DIR));
	EXPECT_EQ(true, soon_holds_nothing(OUTER_DIR));
	unmake_cgroups();
	EXPECT_EQ(false, exists(OUTER_DIR));
}

/* All that exists and all that is charged, as text. */
static void snapshot(char *text, size_t size)
{
	text_read(COUNTERS, text, size);
	held(INNER_DIR, text, size);
	held(OUTER_DIR, text, size);
	held(ALL, text, size);
}

/* What an executor unmapped last is freed by a worker: until nothing changes any more. */
static void settle(char *text, size_t size)
{
	char again[4096];
	int i;

	snapshot(text, size);
	for (i = 0; i < 100; i++) {
		sleep_ns(20 * MS);
		snapshot(again, sizeof(again));
		if (!strcmp(text, again))
			return;
		snapshot(text, size);
	}
}

TEST_F(charge, refused_at_each_level_with_nothing_left)
{
	static const char *const dirs[] = { INNER_DIR, OUTER_DIR, ALL };
	char before[4096], after[4096];
	uint64_t used, refused;
	struct world *w = &self->w;
	int i;

	for (i = 0; i < 3; i++) {
		used = get_number(dirs[i], variant->used);
		refused = get_number(dirs[i], "refused_count");
		ASSERT_EQ(0, set_number(dirs[i], variant->limit, used + 2 * variant->unit - 1));
		ASSERT_EQ(0, variant->take(w)) { TH_LOG("%s", dirs[i]); }
		w->taken++;
		settle(before, sizeof(before));
		EXPECT_EQ(-EDQUOT, variant->take(w)) { TH_LOG("%s", dirs[i]); }
		snapshot(after, sizeof(after));
		EXPECT_STREQ(before, after);
		EXPECT_EQ(refused + 1, get_number(dirs[i], "refused_count"));
		EXPECT_EQ(used + variant->unit, get_number(dirs[i], variant->used));
		/* what was refused works as soon as there is room for it */
		ASSERT_EQ(0, set_number(dirs[i], variant->limit, used + 2 * variant->unit));
		EXPECT_EQ(0, variant->take(w));
		w->taken++;
		EXPECT_EQ(used + 2 * variant->unit, get_number(dirs[i], variant->used));
		/* below what is held: that stays, nothing comes */
		ASSERT_EQ(0, set_number(dirs[i], variant->limit, 0));
		EXPECT_EQ(used + 2 * variant->unit, get_number(dirs[i], variant->used));
		ASSERT_EQ(0, variant->give(w));
		w->given++;
		EXPECT_EQ(used + variant->unit, get_number(dirs[i], variant->used));
		ASSERT_EQ(0, variant->give(w));
		w->given++;
		EXPECT_EQ(used, get_number(dirs[i], variant->used));
		ASSERT_EQ(0, set(dirs[i], variant->limit, "max"));
	}
}

/* ---- the rest needs no executor's help */

FIXTURE(ledger) {
	int fd;
};

FIXTURE_SETUP(ledger)
{
	ASSERT_EQ(0, make_cgroups());
	self->fd = open_in(INNER);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ledger)
{
	close(self->fd);
	unmake_cgroups();
}

static uint64_t id_of(int fd)
{
	return tenant_info(fd).id;
}

TEST_F(ledger, a_parents_limit_bounds_its_children)
{
	uint32_t a, b;
	int other;

	ASSERT_EQ(0, cgroup_make(OUTER "/other"));
	ASSERT_EQ(0, policy_add("cgroup:" OUTER "/other"));
	other = open_in(OUTER "/other");
	ASSERT_LE(0, other);
	EXPECT_NE(id_of(self->fd), id_of(other));
	ASSERT_EQ(0, set_number(OUTER_DIR, "pinned_limit", 24 * PAGE));
	EXPECT_EQ(24 * PAGE, tenant_info(other).pinned_limit);
	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &a));
	EXPECT_EQ(-EDQUOT, bo_create(other, 16 * PAGE, &b));
	EXPECT_EQ(0, tenant_info(other).pinned_bytes);
	ASSERT_EQ(0, bo_create(other, 8 * PAGE, &b));
	EXPECT_EQ(24 * PAGE, get_number(OUTER_DIR, "pinned_bytes"));
	ASSERT_EQ(0, bo_close(self->fd, a));
	EXPECT_EQ(8 * PAGE, get_number(OUTER_DIR, "pinned_bytes"));
	close(other);
	EXPECT_EQ(true, soon_holds_nothing(OUTER_DIR));
	ASSERT_EQ(0, policy_remove("cgroup:" OUTER "/other"));
	cgroup_unmake(OUTER "/other");
}

TEST_F(ledger, classes_and_weights_are_the_least_of_the_line)
{
	struct test_exec e;
	uint32_t q;

	ASSERT_EQ(0, exec_attach(&e, ENGINE "-fair", 2));
	ASSERT_EQ(0, set(OUTER_DIR, "class_limit", "batch interactive"));
	ASSERT_EQ(0, set(INNER_DIR, "class_limit", "deadline batch"));
	EXPECT_EQ(1 << DRM_DSEEK_CLASS_BATCH, tenant_info(self->fd).class_mask);
	EXPECT_EQ(-EPERM, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &q));
	EXPECT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &q));
	ASSERT_EQ(0, set(OUTER_DIR, "weight_limit", "10"));
	ASSERT_EQ(0, set(INNER_DIR, "weight_limit", "20"));
	EXPECT_EQ(10, tenant_info(self->fd).weight_limit);
	EXPECT_EQ(-EPERM, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 11, &q));
	EXPECT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 10, &q));
	ASSERT_EQ(0, set(INNER_DIR, "class_limit", "none"));
	EXPECT_EQ(-EPERM, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &q));
	EXPECT_EQ(2, tenant_info(self->fd).queues);
	exec_close(&e);
}

TEST_F(ledger, jobs_a_second)
{
	struct drm_dseek_job jobs[6] = { 0 };
	struct drm_dseek_submit s = { .jobs = (uintptr_t)jobs, .count = 6, .stride = sizeof(jobs[0]) };
	uint32_t program, q, i;
	uint64_t start;
	struct test_exec e;

	ASSERT_EQ(0, exec_start(&e, ENGINE "-fair", 2));
	ASSERT_EQ(0, program_create(self->fd, &program));
	ASSERT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &q));
	for (i = 0; i < 6; i++)
		jobs[i].program = program;
	s.queue = q;
	/* 4 at once, the fifth a quarter of a second later; the limit of a parent likewise */
	ASSERT_EQ(0, set(OUTER_DIR, "rate_limit", "4"));
	EXPECT_EQ(4, tenant_info(self->fd).rate_limit);
	start = now_ns();
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_SUBMIT, &s));
	if (now_ns() - start < SEC / 4) {
		EXPECT_EQ(4, s.done);
		EXPECT_EQ(-EDQUOT, s.error);
		EXPECT_EQ(1, get_number(OUTER_DIR, "refused_count"));
	} else {
		TH_LOG("the machine is too busy to count jobs of a second");
	}
	sleep_ns(SEC / 2);
	EXPECT_EQ(0, submit(self->fd, q, jobs, 1, NULL));
	/* what a parent refuses costs the child nothing */
	ASSERT_EQ(0, set(OUTER_DIR, "rate_limit", "0"));
	ASSERT_EQ(0, set(INNER_DIR, "rate_limit", "3"));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(-EDQUOT, submit(self->fd, q, jobs, 1, NULL));
	ASSERT_EQ(0, set(OUTER_DIR, "rate_limit", "max"));
	EXPECT_EQ(0, submit(self->fd, q, jobs, 3, NULL));
	exec_stop(&e);
}

TEST_F(ledger, a_cgroup_goes_while_buffers_live)
{
	int again;
	uint32_t h;

	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &h));
	ASSERT_EQ(0, cgroup_unmake(INNER));
	EXPECT_EQ(16 * PAGE, get_number(INNER_DIR, "pinned_bytes"));
	EXPECT_EQ(0, bo_create(self->fd, 16 * PAGE, &h));
	EXPECT_EQ(32 * PAGE, get_number(OUTER_DIR, "pinned_bytes"));
	/* one that is made again is the same tenant */
	ASSERT_EQ(0, cgroup_make(INNER));
	again = open_in(INNER);
	ASSERT_LE(0, again);
	EXPECT_EQ(id_of(self->fd), id_of(again));
	close(again);
	close(self->fd);
	EXPECT_EQ(true, soon_holds_nothing(INNER_DIR));
	EXPECT_EQ(true, soon_holds_nothing(OUTER_DIR));
	self->fd = open_in(INNER);
}

/* Removed cgroups that something still refers to. */
static uint64_t dying(void)
{
	char text[256];

	text_read(CGROUPS "/cgroup.stat", text, sizeof(text));
	return strtoull(strstr(text, "nr_dying_descendants ") + strlen("nr_dying_descendants "), NULL, 10);
}

TEST_F(ledger, a_policy_holds_no_cgroup)
{
	uint64_t before = dying(), i;
	char label[96], path[64];

	for (i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), OUTER "/brief%d", (int)i);
		snprintf(label, sizeof(label), "cgroup:%s", path);
		ASSERT_EQ(0, cgroup_make(path));
		ASSERT_EQ(0, policy_add(label));
		close(open_in(path));
		ASSERT_EQ(0, cgroup_unmake(path));
	}
	for (i = 0; i < 100 && dying() > before; i++)
		sleep_ns(50 * MS);
	EXPECT_GE(before, dying());
	for (i = 0; i < 20; i++) {
		snprintf(label, sizeof(label), "cgroup:" OUTER "/brief%d", (int)i);
		EXPECT_EQ(0, policy_remove(label));
	}
	EXPECT_EQ(false, exists(OUTER_DIR "/brief0"));
}

TEST_F(ledger, killed_over_half_its_quota)
{
	int pipes[2], i, status;
	uint32_t h;
	pid_t pid;

	ASSERT_EQ(0, set_number(INNER_DIR, "pinned_limit", 100 * PAGE));
	for (i = 0; i < 5; i++) {
		char byte = 0;

		ASSERT_EQ(0, pipe(pipes));
		pid = fork();
		if (!pid) {
			int fd = open_in(INNER);

			byte = fd >= 0 && !bo_create(fd, 60 * PAGE, &h) && bo_map(fd, h) != MAP_FAILED;
			if (write(pipes[1], &byte, 1) != 1)
				_exit(1);
			pause();
			_exit(0);
		}
		ASSERT_EQ(1, read(pipes[0], &byte, 1));
		EXPECT_EQ(1, byte);
		EXPECT_EQ(-EDQUOT, bo_create(self->fd, 60 * PAGE, &h));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(pipes[0]);
		close(pipes[1]);
		EXPECT_EQ(true, soon_holds_nothing(INNER_DIR));
	}
	EXPECT_EQ(0, bo_create(self->fd, 100 * PAGE, &h));
}

TEST_F(ledger, memlock_is_enomem_with_nothing_left)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	char before[4096], after[4096];
	uint32_t h;

	ASSERT_EQ(0, bo_create(self->fd, 1 << 19, &h));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, seteuid(1001));	/* without CAP_IPC_LOCK */
	EXPECT_EQ(0, bo_create(self->fd, 1 << 19, &h));
	ASSERT_EQ(0, seteuid(0));
	snapshot(before, sizeof(before));
	ASSERT_EQ(0, seteuid(1001));
	EXPECT_EQ(-ENOMEM, bo_create(self->fd, PAGE, &h));
	ASSERT_EQ(0, seteuid(0));
	snapshot(after, sizeof(after));
	EXPECT_STREQ(before, after);
	EXPECT_EQ(0, bo_create(self->fd, PAGE, &h));
}

/* Where neither a limit of the administrator's nor RLIMIT_MEMLOCK is in the way. */
TEST_F(ledger, more_than_the_machine_has_is_enomem_with_nothing_left)
{
	uint64_t most = (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE;
	char before[4096], after[4096];
	uint32_t h;

	ASSERT_EQ(0, set(INNER_DIR, "pinned_limit", "max"));
	ASSERT_EQ(0, set(OUTER_DIR, "pinned_limit", "max"));
	ASSERT_EQ(0, set(ALL, "pinned_limit", "max"));
	snapshot(before, sizeof(before));
	EXPECT_EQ(-ENOMEM, bo_create(self->fd, most + PAGE, &h));
	/* the array of its pages would be as large as makes kvmalloc() warn */
	EXPECT_EQ(-EDQUOT, bo_create(self->fd, 1ULL << 40, &h));
	snapshot(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

TEST_HARNESS_MAIN
