// SPDX-License-Identifier: MIT
/*
 * failnth [STEP...]: every call of both devices with each of its allocations and user copies failing in turn, the first,
 * the second, ... until one call meets no failure (/proc/thread-self/fail-nth of the debug kernel). Only what happens
 * below the module's own functions fails. A call that fails must say -ENOMEM or -EFAULT and leave everything as it
 * was: the module's counters, tenants and engines (debugfs), and the queue. One that succeeds although something failed
 * must leave nothing behind when it is undone.
 *
 * Two things are DRM's and not undone by anybody: it copies a call's argument back itself (not below the module, so not
 * failed here), and it keeps the exported flag of a buffer whose export failed (not visible here).
 */
#include "../selftests/dseek/dseek_test.h"
#include <linux/udmabuf.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define FAULTS		"/sys/kernel/debug/"
#define LIMIT		4000		/* failures of one call; more is an endless loop */
#define SMALL		(16 << 10)
#define HUGE		(2 << 20)

static int fd, fail_file, foreign = -1, exported = -1, other = -1;
static struct test_exec exec, nic;
static uint32_t bo, program, queue, nic_queue, binary, timeline, made;
static void *mapped;
static uint32_t tag;
static uint64_t seqno, offset;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(int r, const char *what)
{
	if (r < 0) {
		errno = -r;
		die(what);
	}
}

static void put(const char *dir, const char *file, const char *value)
{
	char path[96];
	int f;

	snprintf(path, sizeof(path), FAULTS "%s/%s", dir, file);
	f = open(path, O_WRONLY);
	if (f < 0 || write(f, value, strlen(value)) < 0)
		die(path);
	close(f);
}

static void parameter(const char *name, const char *value)
{
	char path[64];
	int f;

	snprintf(path, sizeof(path), "/sys/module/dseek/parameters/%s", name);
	f = open(path, O_WRONLY);
	if (f < 0 || write(f, value, strlen(value)) < 0)
		die(path);
	close(f);
}

/* What may fail: allocations that may sleep too, of any order, and user copies; below the module's text. */
static void setup_faults(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned long long base = 0, size = 0;
	char line[256], start[32], end[32];
	FILE *f = fopen("/proc/modules", "r");
	size_t i;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "dseek %llu %*s %*s %*s %llx", &size, &base) == 2)
			break;
	if (f)
		fclose(f);
	if (!base)
		die("no address of dseek in /proc/modules");
	snprintf(start, sizeof(start), "0x%llx", base);
	snprintf(end, sizeof(end), "0x%llx", base + size);
	for (i = 0; i < 3; i++) {
		put(kinds[i], "verbose", "0");
		put(kinds[i], "stacktrace-depth", "32");
		put(kinds[i], "require-start", start);
		put(kinds[i], "require-end", end);
		if (i < 2)
			put(kinds[i], "ignore-gfp-wait", "N");
	}
	put("fail_page_alloc", "ignore-gfp-highmem", "N");
	put("fail_page_alloc", "min-order", "0");
	fail_file = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_file < 0)
		die("/proc/thread-self/fail-nth");
}

/* Without a libc call between arming and the call at hand. */
static void arm(int nth)
{
	char s[12];
	int n = snprintf(s, sizeof(s), "%d", nth);

	if (pwrite(fail_file, s, (size_t)n, 0) != n)
		die("fail-nth");
}

/* Whether the failure happened. */
static int disarm(void)
{
	char s[12] = "";

	if (pread(fail_file, s, sizeof(s) - 1, 0) <= 0)
		die("fail-nth");
	if (pwrite(fail_file, "0", 1, 0) != 1)
		die("fail-nth");
	return !atoi(s);
}

/* ---- what must stay as it was */

static size_t add_file(char *to, size_t size, const char *name)
{
	char path[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), FAULTS "dseek/%s", name);
	f = open(path, O_RDONLY);
	n = f < 0 ? -1 : read(f, to, size - 1);
	if (n < 0)
		die(path);
	close(f);
	to[n] = 0;
	return (size_t)n;
}

/* Whether an engine that nobody serves still waits for somebody is a matter of time. */
static void free_engines(char *s)
{
	static const char waiting[] = " waiting ", gone[] = " gone ";
	char *p;

	while ((p = strstr(s, waiting)))
		memmove(p + 1, p + sizeof(waiting) - 2, strlen(p + sizeof(waiting) - 2) + 1);
	while ((p = strstr(s, gone)))
		memmove(p + 1, p + sizeof(gone) - 2, strlen(p + sizeof(gone) - 2) + 1);
}

static void snapshot(char *to, size_t size)
{
	struct drm_dseek_queue_query q = { .handle = queue };
	struct drm_dseek_tenant_info t;
	size_t n = add_file(to, size, "counters");
	char *copied = strstr(to, "bytes_copied");

	if (copied)
		n = (size_t)(copied - to);
	n += add_file(to + n, size - n, "tenants");
	n += add_file(to + n, size - n, "engines");
	free_engines(to);
	n = strlen(to);
	if (fd >= 0) {
		t = tenant_info(fd);
		n += (size_t)snprintf(to + n, size - n, "tenant pinned %llu imported %llu queues %u jobs %u\n", t.pinned_bytes, t.imported_bytes,
				      t.queues, t.jobs);
	}
	if (queue && !call(fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q))
		snprintf(to + n, size - n, "queue submitted %llu completed %llu faulted %llu\n", q.submitted, q.completed, q.faulted);
}

/* Leave out of a snapshot the lines that begin with @prefix. */
static void omit(char *s, const char *prefix)
{
	char *end, *line;

	for (line = s; *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		if (!strncmp(line, prefix, strlen(prefix))) {
			memmove(line, end, strlen(end) + 1);
			end = line;
		}
	}
}

/* Until nothing moves by itself: fences and files are let go of after a grace period. */
static void settled(char *to, size_t size)
{
	static char again[1 << 16];
	int i;

	snapshot(to, size);
	for (i = 0; i < 200; i++) {
		sleep_ns(60 * MS);
		snapshot(again, sizeof(again));
		if (!strcmp(to, again))
			return;
		memcpy(to, again, strlen(again) + 1);
	}
	die("the module does not come to rest");
}

static int same(const char *before, char *after, size_t size, const char *const *except)
{
	int i, k;

	for (i = 0; i < 200; i++) {
		snapshot(after, size);
		for (k = 0; except[k]; k++)
			omit(after, except[k]);
		if (!strcmp(before, after))
			return 1;
		sleep_ns(i < 5 ? MS : 50 * MS);
	}
	return 0;
}

/* ---- steps: prepare, the one call that is to fail, undo. Only the call meets failures. */

static void nothing(void)
{
}

static int do_query_device(void)
{
	struct drm_dseek_device_info i;

	return query(fd, DRM_DSEEK_QUERY_DEVICE, 0, &i, sizeof(i));
}

static int do_query_engine(void)
{
	struct drm_dseek_engine_info i;

	return query(fd, DRM_DSEEK_QUERY_ENGINE, 0, &i, sizeof(i));
}

static int do_query_tenant(void)
{
	struct drm_dseek_tenant_info i;

	return query(fd, DRM_DSEEK_QUERY_TENANT, 0, &i, sizeof(i));
}

static int do_open(void)
{
	other = open_node();
	return other < 0 ? -errno : 0;
}

static void undo_open(void)
{
	close(other);
}

/* As a user that nobody has been before: a tenant is made, too. */
static int do_open_new(void)
{
	static uid_t uid = 7000;
	int r;

	if (setresuid((uid_t)-1, uid++, (uid_t)-1))
		die("setresuid");
	r = do_open();
	if (setresuid((uid_t)-1, 0, (uid_t)-1))
		die("setresuid");
	return r;
}

static int do_bo_create(void)
{
	return bo_create(fd, SMALL, &made);
}

static int do_bo_create_huge(void)
{
	struct drm_dseek_bo_create c = { .size = HUGE, .numa_node = -1, .flags = DRM_DSEEK_BO_HUGE };
	int r = call(fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);

	made = c.handle;
	return r;
}

static void undo_bo(void)
{
	must(bo_close(fd, made), "GEM_CLOSE");
}

static int do_bo_info(void)
{
	struct drm_dseek_bo_info i;

	return bo_info(fd, bo, &i);
}

static int madvise_bo(uint32_t advice)
{
	struct drm_dseek_bo_madvise m = { .handle = bo, .advice = advice };

	return call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);
}

static int do_dontneed(void)
{
	return madvise_bo(DRM_DSEEK_MADV_DONTNEED);
}

static void undo_dontneed(void)
{
	must(madvise_bo(DRM_DSEEK_MADV_WILLNEED), "WILLNEED");
}

static void prepare_purged(void)
{
	must(bo_create(fd, SMALL, &made), "BO_CREATE");
	must(call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &(struct drm_dseek_bo_madvise){ .handle = made, .advice = DRM_DSEEK_MADV_DONTNEED }), "DONTNEED");
	put("dseek", "purge", "1");
}

static int do_willneed(void)
{
	struct drm_dseek_bo_madvise m = { .handle = made, .advice = DRM_DSEEK_MADV_WILLNEED };

	return call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);
}

static void prepare_offset(void)
{
	struct drm_dseek_bo_info i;

	must(bo_info(fd, bo, &i), "BO_INFO");
	offset = i.mmap_offset;
}

static int do_mmap(void)
{
	mapped = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	return mapped == MAP_FAILED ? -errno : 0;
}

static void undo_mmap(void)
{
	munmap(mapped, SMALL);
}

static void prepare_mmap(void)
{
	prepare_offset();
	must(do_mmap(), "mmap");
}

static int do_populate(void)
{
	return madvise(mapped, SMALL, 23 /* MADV_POPULATE_WRITE */) ? -errno : 0;
}

static int do_export(void)
{
	struct drm_prime_handle h = { .handle = made, .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h);

	exported = h.fd;
	return r;
}

static void prepare_bo(void)
{
	must(bo_create(fd, SMALL, &made), "BO_CREATE");
}

static void undo_export(void)
{
	close(exported);
	undo_bo();
}

static int do_import(void)
{
	struct drm_prime_handle h = { .fd = foreign };
	int r = call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &h);

	made = h.handle;
	return r;
}

static int do_program_create(void)
{
	return program_create(fd, &made);
}

static int do_program_create_big(void)
{
	static uint8_t blob[300000];
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)blob, .size = sizeof(blob) };
	int r = call(fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);

	made = c.handle;
	return r;
}

static int do_program_destroy(void)
{
	return call(fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &(struct drm_dseek_program_destroy){ .handle = made });
}

static void undo_program(void)
{
	must(do_program_destroy(), "PROGRAM_DESTROY");
}

static void prepare_program(void)
{
	must(program_create(fd, &made), "PROGRAM_CREATE");
}

static int do_queue_batch(void)
{
	return queue_create(fd, exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &made);
}

static int do_queue_deadline(void)
{
	struct drm_dseek_queue_create c = { .engine = exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE, .budget_ns = MS, .period_ns = 100 * MS };
	int r = call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c);

	made = c.handle;
	return r;
}

static int do_queue_destroy(void)
{
	return queue_destroy(fd, made);
}

/* The first of a tenant's on an engine: its share of that is made. */
static void prepare_new(void)
{
	must(do_open_new(), "the render node");
}

static int do_queue_new(void)
{
	return queue_create(other, exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &made);
}

static void undo_queue(void)
{
	must(do_queue_destroy(), "QUEUE_DESTROY");
}

static void prepare_queue(void)
{
	must(do_queue_batch(), "QUEUE_CREATE");
}

static int do_queue_query(void)
{
	return call(fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &(struct drm_dseek_queue_query){ .handle = queue });
}

/* A job with everything that a job can have; the timeline's point grows. */
static int do_submit(void)
{
	static uint64_t point = 1;
	struct drm_dseek_binding b[2] = { { .handle = bo, .access = 3, .size = 4096 }, { .handle = bo, .access = 1, .offset = 4096, .size = 64 } };
	struct drm_dseek_sync waits[2] = { { .handle = binary }, { .handle = timeline, .point = 1 } };
	struct drm_dseek_sync signals[2] = { { .handle = binary }, { .handle = timeline, .point = point + 1 } };
	struct script consts = { SCRIPT_DONE, 0 };
	struct drm_dseek_job job = { .program = program, .bindings = (uintptr_t)b, .binding_count = 2, .consts = (uintptr_t)&consts,
		.const_size = sizeof(consts), .waits = (uintptr_t)waits, .wait_count = 2, .signals = (uintptr_t)signals, .signal_count = 2 };
	int r = submit(fd, queue, &job, 1, &seqno);

	point += !r;
	return r;
}

static void fetch(void)
{
	int n = exec_next(&exec, NULL, 0, &tag, 1, SEC);

	if (n != 1) {
		errno = n < 0 ? -n : ETIME;
		die("NEXT gave no job");
	}
}

static void complete(void)
{
	struct drm_dseek_completion c = { .tag = tag };
	int error = 0;

	must(exec_next(&exec, &c, 1, NULL, 0, 0), "NEXT took no job");
	must(wait_job(fd, queue, seqno, SEC, &error), "WAIT");
	must(error, "the job");
}

static void undo_submit(void)
{
	fetch();
	complete();
}

static void prepare_submit(void)
{
	must(do_submit(), "SUBMIT");
}

static void prepare_held(void)
{
	prepare_submit();
	fetch();
}

static void prepare_done(void)
{
	prepare_held();
	complete();
}

static int do_wait(void)
{
	return wait_job(fd, queue, seqno, 0, NULL);
}

static int do_next_fetch(void)
{
	int n = exec_next(&exec, NULL, 0, &tag, 1, SEC);

	return n < 0 ? n : n == 1 ? 0 : -ETIME;
}

/* An empty NEXT, and one that gives back nothing it holds, change nothing either. */
static int do_next_poll(void)
{
	int n = exec_next(&exec, NULL, 0, &tag, 1, 0);

	return n < 0 ? n : 0;
}

static int do_map(void)
{
	return call(exec.fd, DRM_IOCTL_DSEEK_MAP, &(struct drm_dseek_map){ .tag = tag });
}

/* A buffer of its own, so that its mapping goes with it: NEXT reports it as retired. */
static void prepare_map(void)
{
	uint32_t keep = bo;

	must(bo_create(fd, SMALL, &made), "BO_CREATE");
	bo = made;
	prepare_held();
	bo = keep;
}

static void undo_map(void)
{
	complete();
	undo_bo();
	must(exec_next(&exec, NULL, 0, NULL, 0, 0), "NEXT");
}

/* The same on an engine of type NIC: what it maps is charged. */
static void nics_turn(void)
{
	struct test_exec e = exec;
	uint32_t q = queue;

	exec = nic;
	queue = nic_queue;
	nic = e;
	nic_queue = q;
}

static void prepare_map_nic(void)
{
	nics_turn();
	prepare_map();
}

static void undo_map_nic(void)
{
	undo_map();
	nics_turn();
}

static void prepare_exec_mmap(void)
{
	struct drm_dseek_map m = { 0 };

	prepare_map();
	m.tag = tag;
	must(call(exec.fd, DRM_IOCTL_DSEEK_MAP, &m), "MAP");
	offset = m.mmap_offset;
}

static int do_exec_mmap(void)
{
	mapped = mmap(NULL, SMALL, PROT_READ, MAP_SHARED, exec.fd, (off_t)offset);
	return mapped == MAP_FAILED ? -errno : 0;
}

static void undo_exec_mmap(void)
{
	munmap(mapped, SMALL);
	undo_map();
}

static int do_program_read(void)
{
	static uint8_t to[64];

	return call(exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &(struct drm_dseek_program_read){ .tag = tag, .size = sizeof(to), .pointer = (uintptr_t)to });
}

static void undo_held(void)
{
	complete();
}

static int do_exec_open(void)
{
	other = exec_open();
	return other < 0 ? other : 0;
}

static void prepare_exec(void)
{
	must(do_exec_open(), TEST_EXEC_PATH);
}

/* To a name that is there, so that engines stay as they were, and to a new one. */
static int do_attach(void)
{
	struct drm_dseek_attach a = exec_attachment("failnth1", 8);

	return call(other, DRM_IOCTL_DSEEK_ATTACH, &a);
}

static int do_attach_new(void)
{
	static int number;
	struct drm_dseek_attach a;
	char name[24];
	int r;

	snprintf(name, sizeof(name), "failnth.%d", number);
	a = exec_attachment(name, 64);
	r = call(other, DRM_IOCTL_DSEEK_ATTACH, &a);
	number += !r;
	return r;
}

static void prepare_attached(void)
{
	prepare_exec();
	must(do_attach(), "ATTACH");
}

static int do_detach(void)
{
	return call(other, DRM_IOCTL_DSEEK_DETACH, NULL);
}

static const struct step {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	void (*undo)(void);	/* of prepare and a successful call */
	const char *except;	/* lines of the snapshot that a failure may change */
	int once;		/* after a failure everything is undone and prepared anew */
} steps[] = {
	{ "open", nothing, do_open, undo_open },
	{ "query-device", nothing, do_query_device, nothing },
	{ "query-engine", nothing, do_query_engine, nothing },
	{ "query-tenant", nothing, do_query_tenant, nothing },
	{ "bo-create", nothing, do_bo_create, undo_bo },
	{ "bo-create-huge", nothing, do_bo_create_huge, undo_bo },
	{ "bo-info", nothing, do_bo_info, nothing },
	{ "bo-dontneed", nothing, do_dontneed, undo_dontneed },
	{ "bo-willneed", prepare_purged, do_willneed, undo_bo },
	{ "bo-mmap", prepare_offset, do_mmap, undo_mmap },
	{ "bo-populate", prepare_mmap, do_populate, undo_mmap },
	{ "export", prepare_bo, do_export, undo_export },
	{ "import", nothing, do_import, undo_bo },
	{ "program-create", nothing, do_program_create, undo_program },
	{ "program-create-big", nothing, do_program_create_big, undo_program },
	{ "program-destroy", prepare_program, do_program_destroy, nothing },
	{ "queue-create-batch", nothing, do_queue_batch, undo_queue },
	{ "queue-create-deadline", nothing, do_queue_deadline, undo_queue },
	{ "queue-destroy", prepare_queue, do_queue_destroy, nothing },
	{ "queue-query", nothing, do_queue_query, nothing },
	{ "submit", nothing, do_submit, undo_submit, "fences" },
	{ "wait", prepare_done, do_wait, nothing },
	{ "exec-open", nothing, do_exec_open, undo_open },
	{ "attach", prepare_exec, do_attach, undo_open, "failnth", 1 },
	{ "attach-new", prepare_exec, do_attach_new, undo_open, "failnth", 1 },
	{ "next-fetch", prepare_submit, do_next_fetch, undo_held },
	{ "next-poll", nothing, do_next_poll, nothing },
	{ "map", prepare_map, do_map, undo_map, "maps" },
	{ "map-nic", prepare_map_nic, do_map, undo_map_nic, "maps" },
	{ "exec-mmap", prepare_exec_mmap, do_exec_mmap, undo_exec_mmap },
	{ "program-read", prepare_held, do_program_read, undo_held },
	{ "detach", prepare_attached, do_detach, undo_open, "failnth", 1 },
	/* last: the tenants that they make stay, and are listed in the order of their last use */
	{ "open-new", nothing, do_open_new, undo_open, "uid:7", 1 },
	{ "queue-create-new", prepare_new, do_queue_new, undo_open, "uid:7", 1 },
};

/*
 * Exceptions, all of results that could not be copied out: an attachment is ended again, so its engine has served for a
 * moment; a buffer stays mapped, and the next MAP says where. And of a timeline's fences those that have signalled go
 * when somebody looks at it.
 */
static int run(const struct step *s, int number)
{
	static char before[1 << 16], prepared[1 << 16], after[1 << 16];
	const char *const lasting[] = { "queue ", TEST_ENGINE, "fences", s->once ? s->except : NULL, NULL };
	int nth, r, injected, k, failures = 0, tolerated = 0, bad = 0;

	for (nth = 1; nth <= LIMIT && !bad; nth++) {
		settled(before, sizeof(before));
		s->prepare();
		settled(prepared, sizeof(prepared));
		if (s->except)
			omit(prepared, s->except);
		for (;;) {
			arm(nth);
			r = s->call();
			injected = disarm();
			if (!r)
				break;
			failures++;
			if (!injected || (r != -ENOMEM && r != -EFAULT)) {
				printf("# %s: failure %d: %s%s\n", s->name, nth, strerror(-r), injected ? "" : ", but nothing was made to fail");
				bad = 1;
			}
			if (!same(prepared, after, sizeof(after), (const char *const[]){ s->except, NULL })) {
				printf("# %s: failure %d (%s) left:\n# before:\n%s# after:\n%s", s->name, nth, strerror(-r), prepared, after);
				bad = 1;
			}
			if (bad || s->once || ++nth > LIMIT)
				break;
		}
		if (!r || s->once)
			s->undo();
		tolerated += !r && injected;
		/* What jobs leave for ever: their numbers, their time, and the syncobjs' last fences. */
		for (k = 0; k < 4 && lasting[k]; k++)
			omit(before, lasting[k]);
		if (!bad && !same(before, after, sizeof(after), lasting)) {
			printf("# %s: failure %d, undone, left:\n# before:\n%s# after:\n%s", s->name, nth, before, after);
			bad = 1;
		}
		if (!r && !injected)
			break;
	}
	bad |= nth > LIMIT;
	printf("%sok %d %s: %d failures returned, %d tolerated\n", bad ? "not " : "", number, s->name, failures, tolerated);
	return bad;
}

static int make_foreign(void)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = SMALL };
	int dev = open("/dev/udmabuf", O_RDWR), mem = memfd_create("failnth", MFD_ALLOW_SEALING), f;

	if (dev < 0 || mem < 0 || ftruncate(mem, SMALL) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		die("/dev/udmabuf");
	c.memfd = (uint32_t)mem;
	f = ioctl(dev, UDMABUF_CREATE, &c);
	if (f < 0)
		die("UDMABUF_CREATE");
	close(dev);
	close(mem);
	return f;
}

int main(int argc, char **argv)
{
	uint64_t one = 1;
	size_t i;
	int bad = 0, number = 0, a;

	setlinebuf(stdout);
	setup_faults();
	parameter("grace_ms", "600000");	/* this program is slow to fetch */
	fd = open_node();
	must(fd, "the render node");
	foreign = make_foreign();
	must(exec_attach(&exec, TEST_ENGINE, 8), "ATTACH");
	prepare_attached();
	undo_open();
	must(bo_create(fd, 2 * SMALL, &bo), "BO_CREATE");
	must(program_create(fd, &program), "PROGRAM_CREATE");
	must(queue_create(fd, exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &queue), "QUEUE_CREATE");
	must(exec_attach_as(&nic, TEST_ENGINE ".nic", DRM_DSEEK_ENGINE_NIC, 8, 0), "ATTACH");
	must(queue_create(fd, nic.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &nic_queue), "QUEUE_CREATE");
	must(syncobj_create(fd, &binary), "SYNCOBJ_CREATE");
	must(syncobj_create(fd, &timeline), "SYNCOBJ_CREATE");
	must(syncobj_signal(fd, binary), "SYNCOBJ_SIGNAL");
	must(timeline_signal(fd, timeline, one), "SYNCOBJ_TIMELINE_SIGNAL");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (a = 1; a < argc && strcmp(argv[a], steps[i].name); a++)
			;
		if (argc == 1 || a < argc)
			bad |= run(&steps[i], ++number);
	}
	printf("1..%d\n", number);
	exec_close(&exec);
	exec_close(&nic);
	close(fd);
	return bad;
}
