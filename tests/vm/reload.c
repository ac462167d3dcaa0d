// SPDX-License-Identifier: MIT
/*
 * reload CYCLES MODULE [SEED]: MODULE, which is loaded, goes and comes CYCLES times while others, with and without
 * privileges, try to use it all the time; DSEEK_NODE is its render node. What must be true:
 *   each thing that one can hold of it keeps it there, alone;
 *   it never goes while a process holds something of it throughout the attempt, and does go as soon as none does, killed ones included;
 *   what it meets on its way in and out fails with ENOENT, ENODEV or ENXIO, and what could be opened works.
 * An attempt counts as a race if it overlapped a removal or an insertion; without any the test has shown nothing and fails.
 */
#include "../random.h"
#include "../selftests/dseek/dseek_admin.h"
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ENGINE		"reload0"
#define EXEC_GROUP	900
#define RENDER_GROUP	105
#define DEBUGFS		"/sys/kernel/debug/dseek/"
#define SIZE		8192
#define PATIENCE_NS	(60 * SEC)	/* for what is to happen at once, on a busy machine */

/* What can be held. */
enum kind { OPEN_NODE, MAPPING, DMABUF, FOREIGN, SYNC_FILE, SYNCOBJ, IN_WAIT, OPEN_EXEC, EXEC_MAPPING, IN_NEXT, STANDBY,
	    OPEN_DEBUGFS, KINDS };

static const char *const kind_names[KINDS] = {
	[OPEN_NODE] = "the render node open", [MAPPING] = "a mapping of a buffer", [DMABUF] = "a dma-buf of a buffer",
	[FOREIGN] = "a buffer imported by vgem", [SYNC_FILE] = "a sync_file", [SYNCOBJ] = "a syncobj",
	[IN_WAIT] = "a tenant in WAIT", [OPEN_EXEC] = "the executors' device open",
	[EXEC_MAPPING] = "a mapping of an executor's page", [IN_NEXT] = "an executor in NEXT",
	[STANDBY] = "an executor that stands by", [OPEN_DEBUGFS] = "a file of debugfs open",
};

/* What is tried, and what comes of it. */
enum way { TRY_NODE, TRY_EXEC, TRY_SYSFS, TRY_DEBUGFS, WAYS };
enum outcome { WORKED, IS_ENOENT, IS_ENODEV, IS_ENXIO, IS_EACCES, OUTCOMES };

static const char *const way_names[WAYS] = { "node", "executor", "sysfs", "debugfs" };
static const int outcome_errno[OUTCOMES] = { 0, ENOENT, ENODEV, ENXIO, EACCES };

struct way_count {
	atomic_uint outcomes[OUTCOMES], amid_unload, amid_load;
};

enum phase { QUIET, BUSY, SPARSE };

struct slot {
	atomic_uint held;		/* 0, or what: enum kind + 1 */
	atomic_uint turn;		/* how often it has held something */
	atomic_uint quiet;		/* holds nothing since this epoch */
};

#define WORKERS		6

static struct shared {
	atomic_int phase;
	atomic_uint epoch;
	atomic_uint unload, load;	/* odd while it happens */
	atomic_uint bad, stale;
	struct way_count ways[WAYS];
	struct slot slots[WORKERS];
} *shared;

static const struct role {
	uid_t uid;
	int count;
	enum kind kinds[7];
} roles[WORKERS] = {
	{ 1001, 7, { OPEN_NODE, MAPPING, DMABUF, FOREIGN, SYNC_FILE, SYNCOBJ, IN_WAIT } },
	{ 1002, 7, { OPEN_NODE, MAPPING, DMABUF, FOREIGN, SYNC_FILE, SYNCOBJ, IN_WAIT } },
	{ 0, 7, { OPEN_NODE, MAPPING, DMABUF, FOREIGN, SYNC_FILE, SYNCOBJ, IN_WAIT } },
	{ EXEC_GROUP, 4, { OPEN_EXEC, EXEC_MAPPING, IN_NEXT, STANDBY } },
	{ EXEC_GROUP, 4, { OPEN_EXEC, EXEC_MAPPING, IN_NEXT, STANDBY } },
	{ 0, 1, { OPEN_DEBUGFS } },
};

static uint64_t seed;
static int vgem;			/* of this process: handles go with the file */

static uint32_t rnd(uint32_t below)
{
	return random_below(&seed, below);
}

static __attribute__((format(printf, 1, 2))) void bad(const char *fmt, ...)
{
	va_list ap;

	if (atomic_fetch_add(&shared->bad, 1) >= 10)
		return;
	printf("# bad: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	exit(1);
}

/* ---- attempts */

struct window {
	uint32_t unload, load;
};

static struct window window_open(void)
{
	return (struct window){ atomic_load(&shared->unload), atomic_load(&shared->load) };
}

/* @err: what came of it, 0 or an errno. */
static void tried(enum way way, struct window since, int err, const char *what)
{
	struct way_count *count = &shared->ways[way];
	bool amid_unload = since.unload % 2 || since.unload != atomic_load(&shared->unload);
	bool amid_load = since.load % 2 || since.load != atomic_load(&shared->load);
	int i;

	for (i = 0; i < OUTCOMES && outcome_errno[i] != err; i++)
		;
	/* a node belongs to root until its permissions are set, and devtmpfs takes them away before it removes one */
	if (i == OUTCOMES || (i == IS_EACCES && !amid_load && !amid_unload)) {
		bad("%s: %s", what, strerror(err));
		return;
	}
	atomic_fetch_add(&count->outcomes[i], 1);
	atomic_fetch_add(&count->amid_unload, amid_unload);
	atomic_fetch_add(&count->amid_load, amid_load);
}

/* An open file works; -1: could not be opened. */
static int try_node(void)
{
	struct drm_dseek_device_info info;
	struct window w = window_open();
	int fd = open_node(), r;

	tried(TRY_NODE, w, fd < 0 ? errno : 0, "open of the node");
	if (fd < 0)
		return -1;
	r = query(fd, DRM_DSEEK_QUERY_DEVICE, 0, &info, sizeof(info));
	if (r)
		bad("the node is open, but a query says: %s", strerror(-r));
	return fd;
}

static int try_exec(void)
{
	struct drm_dseek_attach attach = exec_attachment("", 1);	/* no name: refused before anything is done */
	struct window w = window_open();
	int fd = exec_open(), r;

	tried(TRY_EXEC, w, fd < 0 ? -fd : 0, "open of the executors' device");
	if (fd < 0)
		return -1;
	r = call(fd, DRM_IOCTL_DSEEK_ATTACH, &attach);
	if (r != -EINVAL)
		bad("the executors' device is open, but ATTACH without a name says: %s", strerror(-r));
	return fd;
}

static int try_file(enum way way, const char *path, int flags)
{
	struct window w = window_open();
	int fd = open(path, flags | O_CLOEXEC);

	tried(way, w, fd < 0 ? errno : 0, path);
	return fd;
}

/* ---- holding something */

struct hold {
	int fd;
	void *map;
	size_t map_size;
	uint32_t foreign;		/* vgem's handle */
	uint32_t queue;
	uint64_t seqno;
	struct test_exec exec;
};

static void let_go(struct hold *h)
{
	if (h->map)
		munmap(h->map, h->map_size);
	if (h->fd >= 0)
		close(h->fd);
}

static int export(int fd, unsigned long request, uint32_t handle, uint32_t flags)
{
	/* of the same layout, but for what follows in the second */
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC };
	struct drm_syncobj_handle sync = { .handle = handle, .flags = flags, .fd = -1 };
	int r = request == DRM_IOCTL_PRIME_HANDLE_TO_FD ? call(fd, request, &prime) : call(fd, request, &sync);

	if (r) {
		bad("export: %s", strerror(-r));
		return -1;
	}
	return request == DRM_IOCTL_PRIME_HANDLE_TO_FD ? prime.fd : sync.fd;
}

static void vgem_open(void)
{
	char name[16] = "", path[32];
	int i;

	for (i = 0; i < 8; i++) {
		struct drm_version v = { .name = name, .name_len = sizeof(name) - 1 };

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		vgem = open(path, O_RDWR | O_CLOEXEC);
		if (vgem < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(vgem, DRM_IOCTL_VERSION, &v) && !strcmp(name, "vgem"))
			return;
		close(vgem);
	}
	die("vgem");
}

/* Of a buffer: a mapping, a dma-buf, or what vgem makes of that. */
static int hold_buffer(struct hold *h, enum kind kind, int fd)
{
	struct drm_prime_handle p = { 0 };
	uint32_t handle;
	int r = bo_create(fd, SIZE, &handle);

	if (r)
		return r;
	if (kind == MAPPING) {
		h->map = bo_map(fd, handle);
		h->map_size = SIZE;
		if (h->map == MAP_FAILED) {
			h->map = NULL;
			return -errno;
		}
		*(volatile char *)h->map = 1;
		return 0;
	}
	p.fd = export(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, handle, 0);
	if (p.fd < 0)
		return -EIO;
	if (kind == DMABUF) {
		h->fd = p.fd;
		return 0;
	}
	r = call(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);
	close(p.fd);
	h->foreign = p.handle;
	return r;
}

/* A job that nobody fetches, on whatever engine there is; @alone: on one of our own, whose executor goes. */
static int hold_job(struct hold *h, enum kind kind, int fd, bool alone)
{
	struct script script = { SCRIPT_HOLD, 0 };
	struct drm_dseek_sync signal = { 0 };
	struct drm_dseek_job job = { .consts = (uintptr_t)&script, .const_size = sizeof(script),
				     .signals = (uintptr_t)&signal, .signal_count = 1, .flags = DRM_DSEEK_JOB_IDEMPOTENT };
	struct test_exec e;
	int r = alone ? exec_attach(&e, ENGINE, 1) : 0;

	if (r)
		return r;
	r = queue_create(fd, 0, DRM_DSEEK_CLASS_BATCH, 1, &h->queue);
	r = r ?: program_create(fd, &job.program);
	r = r ?: syncobj_create(fd, &signal.handle);
	r = r ?: submit(fd, h->queue, &job, 1, &h->seqno);
	if (alone)
		exec_close(&e);
	if (r)
		return r;
	if (kind == IN_WAIT)
		h->fd = dup(fd);
	else
		h->fd = export(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, signal.handle,
			       kind == SYNC_FILE ? DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE : 0);
	return h->fd < 0 ? -EIO : 0;
}

static int hold_exec(struct hold *h, enum kind kind)
{
	struct window w = window_open();
	int r = exec_attach_flags(&h->exec, ENGINE, 2, kind == STANDBY ? DRM_DSEEK_ATTACH_STANDBY : 0);

	if (r == -EBUSY)	/* it has an executor */
		return r;
	tried(TRY_EXEC, w, -r, "ATTACH");
	if (r)
		return r;
	munmap((void *)h->exec.jobs, h->exec.depth * sizeof(*h->exec.jobs));
	if (kind == EXEC_MAPPING) {
		close(h->exec.fd);
		h->map = (void *)h->exec.control;
		h->map_size = sizeof(*h->exec.control);
	} else {
		munmap((void *)h->exec.control, sizeof(*h->exec.control));
		h->fd = h->exec.fd;
	}
	return 0;
}

/* 0: *h holds that, and nothing else is held. Errors were counted or are the caller's to judge. */
static int hold(struct hold *h, enum kind kind, bool alone)
{
	int fd, r = 0;

	*h = (struct hold){ .fd = -1 };
	switch (kind) {
	case OPEN_DEBUGFS:
		h->fd = try_file(TRY_DEBUGFS, DEBUGFS "counters", O_RDONLY);
		return h->fd < 0 ? -errno : 0;
	case OPEN_EXEC:
		h->fd = try_exec();
		return h->fd < 0 ? -ENODEV : 0;
	case EXEC_MAPPING: case IN_NEXT: case STANDBY:
		return hold_exec(h, kind);
	default:
		break;
	}
	fd = try_node();
	if (fd < 0)
		return -ENODEV;
	if (kind == OPEN_NODE) {
		h->fd = fd;
		return 0;
	}
	r = kind < SYNC_FILE ? hold_buffer(h, kind, fd) : hold_job(h, kind, fd, alone);
	close(fd);
	/* no engine yet, or not any more, is no fault */
	if (r && r != -ENOENT && r != -ENODEV && r != -ESHUTDOWN)
		bad("%s: %s", kind_names[kind], strerror(-r));
	if (r)
		let_go(h);
	return r;
}

/* Stays with it for so long, in the call where it is one. */
static void stay(struct hold *h, enum kind kind, uint64_t ns)
{
	uint32_t tag;
	int r = 0;

	switch (kind) {
	case IN_WAIT:
		r = wait_job(h->fd, h->queue, h->seqno, ns + 1, NULL);
		break;
	case IN_NEXT: case STANDBY:
		r = exec_next(&h->exec, NULL, 0, &tag, 1, ns + 1);
		if (r > 0)
			r = 0;
		break;
	default:
		sleep_ns(ns);
	}
	if (r && r != -ETIME && r != -ETIMEDOUT && r != -ESTALE && r != -EAGAIN)
		bad("%s: %s", kind_names[kind], strerror(-r));
}

static void release(struct hold *h, enum kind kind)
{
	if (kind == FOREIGN)
		bo_close(vgem, h->foreign);
	let_go(h);
}

/* ---- who looks and sets: holds nothing that keeps the module, unless in debugfs */

static void look_in(enum way way, const char *dir, int depth)
{
	char path[512], text[4096];
	struct window w = window_open();
	DIR *d = opendir(dir);
	struct dirent *e;
	ssize_t n;
	int fd;

	if (!d) {
		tried(way, w, errno, dir);
		return;
	}
	while ((e = readdir(d)) && atomic_load(&shared->phase) != QUIET) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR && depth) {
			look_in(way, path, depth - 1);
		} else if (e->d_type == DT_REG && strcmp(e->d_name, "add") && strcmp(e->d_name, "remove") && strcmp(e->d_name, "purge")) {
			fd = try_file(way, path, O_RDONLY);
			if (fd < 0)
				continue;
			w = window_open();
			n = read(fd, text, sizeof(text));
			tried(way, w, n < 0 ? errno : 0, path);
			close(fd);
		}
	}
	closedir(d);
}

static void try_write(const char *path, const char *text)
{
	struct window w = window_open();
	int r = text_write(path, text);

	if (r != -EINVAL)	/* there is no such engine or tenant */
		tried(TRY_SYSFS, w, -r, path);
}

static void look(void)
{
	/* one that is held over a removal is dead, and keeps nothing */
	static int held = -1;
	char text[256];

	if (held >= 0 && pread(held, text, sizeof(text), 0) < 0) {
		if (errno == ENODEV)
			atomic_fetch_add(&shared->stale, 1);
		else
			bad("a file of sysfs that is held: %s", strerror(errno));
		close(held);
		held = -1;
	}
	if (held < 0)
		held = try_file(TRY_SYSFS, ALL "/pinned_bytes", O_RDONLY);
	switch (rnd(4)) {
	case 0:
		look_in(TRY_SYSFS, ADMIN "engines", 1);
		break;
	case 1:
		look_in(TRY_SYSFS, ALL, 2);
		break;
	case 2:
		try_write(ALL "/add", "uid:4242");
		try_write(ADMIN "tenants/uid/4242/weight_limit", "7");
		try_write(ALL "/remove", "uid:4242");
		break;
	default:
		try_write(ADMIN "engines/" ENGINE "/depth", "max");
		look_in(TRY_DEBUGFS, DEBUGFS, 0);
	}
}

/* ---- workers */

static __attribute__((noreturn)) void worker(int number)
{
	static const enum kind briefly[WORKERS] = { OPEN_NODE, OPEN_NODE, OPEN_NODE, OPEN_EXEC, OPEN_EXEC, OPEN_DEBUGFS };
	const struct role *role = &roles[number];
	struct slot *slot = &shared->slots[number];
	struct hold h;
	enum kind kind;

	vgem_open();
	if (role->uid && (setgroups(0, NULL) || setresgid(role->uid, role->uid, role->uid) ||
			  setresuid(role->uid, role->uid, role->uid)))
		_exit(99);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed += 0x1234567 * (uint64_t)(number + 1);
	for (;;) {
		enum phase phase = (enum phase)atomic_load(&shared->phase);

		if (phase == QUIET) {
			atomic_store(&slot->quiet, atomic_load(&shared->epoch));
			sleep_ns(MS / 2);
			continue;
		}
		if (role->kinds[0] == OPEN_DEBUGFS && rnd(2)) {
			look();
			sleep_ns(rnd(4000) * 1000);
			continue;
		}
		kind = phase == SPARSE ? briefly[number] : role->kinds[rnd((uint32_t)role->count)];
		if (!hold(&h, kind, false)) {
			atomic_fetch_add(&slot->turn, 1);
			atomic_store(&slot->held, kind + 1);
			if (phase == BUSY)
				stay(&h, kind, rnd(20) * MS);
			atomic_store(&slot->held, 0);
			release(&h, kind);
		}
		sleep_ns((phase == BUSY ? rnd(2000) : 1000 + rnd(8000)) * 1000);
	}
}

/* ---- who unloads and loads */

static pid_t pids[WORKERS];
static int refused_with[KINDS];
static int unheld;			/* refusals while nobody surely held something */

static void workers_start(void)
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		if (pids[i])
			continue;
		seed += 0x765432189ULL;
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i])
			worker(i);
	}
}

static void workers_kill(void)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (pids[i])
			kill(pids[i], SIGKILL);
	for (i = 0; i < WORKERS; i++) {
		if (pids[i])
			waitpid(pids[i], NULL, 0);
		pids[i] = 0;
		atomic_store(&shared->slots[i].held, 0);
	}
}

/* Until they all hold nothing. */
static void workers_quiet(void)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	uint32_t epoch = atomic_fetch_add(&shared->epoch, 1) + 1;
	int i;

	atomic_store(&shared->phase, QUIET);
	for (i = 0; i < WORKERS; i++)
		while (atomic_load(&shared->slots[i].quiet) != epoch) {
			if (now_ns() > until) {
				bad("worker %d does not come back", i);
				return;
			}
			sleep_ns(MS / 2);
		}
}

/* 0, or -EAGAIN; held against what the workers say. */
static int try_unload(void)
{
	uint32_t held[WORKERS], turn[WORKERS];
	int i, r, throughout = 0;

	for (i = 0; i < WORKERS; i++) {
		turn[i] = atomic_load(&shared->slots[i].turn);
		held[i] = atomic_load(&shared->slots[i].held);
	}
	atomic_fetch_add(&shared->unload, 1);
	r = syscall(SYS_delete_module, "dseek", O_NONBLOCK) ? -errno : 0;
	atomic_fetch_add(&shared->unload, 1);
	for (i = 0; i < WORKERS; i++) {
		if (!held[i] || held[i] != atomic_load(&shared->slots[i].held) || turn[i] != atomic_load(&shared->slots[i].turn))
			continue;
		throughout = 1;
		if (!r)
			bad("the module went although somebody held %s", kind_names[held[i] - 1]);
		else
			refused_with[held[i] - 1]++;
	}
	if (r && r != -EAGAIN)
		bad("rmmod: %s", strerror(-r));
	unheld += r && !throughout;
	return r;
}

/* What is freed a grace period later may hold it for a moment. */
static int unload_within(uint64_t ns)
{
	uint64_t until = now_ns() + ns;
	int r;

	while ((r = try_unload()) && now_ns() < until)
		sleep_ns(MS);
	return r;
}

static void load(const char *path)
{
	const char *node = getenv("DSEEK_NODE");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s", path);
	atomic_fetch_add(&shared->load, 1);
	if (syscall(SYS_finit_module, fd, "", 0))
		die("insmod %s", path);
	if (chown(node, 0, RENDER_GROUP) || chmod(node, 0666) || chown(TEST_EXEC_PATH, 0, EXEC_GROUP) || chmod(TEST_EXEC_PATH, 0660))
		die("%s or %s after insmod", node, TEST_EXEC_PATH);
	atomic_fetch_add(&shared->load, 1);
	close(fd);
}

static long references(void)
{
	char text[32];

	return text_read("/sys/module/dseek/refcnt", text, sizeof(text)) ? -1 : atol(text);
}

static int number, failed;

static void check(bool good, const char *what)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, what);
	failed |= !good;
}

/* One process holds @kind and nothing else: the module stays until that is killed. */
static void alone(enum kind kind)
{
	struct slot *slot = &shared->slots[0];
	uint64_t until = now_ns() + PATIENCE_NS;
	char line[128];
	struct hold h;
	int r = -1;
	pid_t pid;

	atomic_store(&slot->held, 0);
	pid = fork();
	if (!pid) {
		vgem_open();
		r = hold(&h, kind, true);
		if (r) {
			printf("# %s: %s\n", kind_names[kind], strerror(-r));
			_exit(1);
		}
		atomic_store(&slot->held, kind + 1);
		stay(&h, kind, 3600 * SEC);
		_exit(0);
	}
	while (!atomic_load(&slot->held) && now_ns() < until && !waitpid(pid, NULL, WNOHANG))
		sleep_ns(MS);
	if (atomic_load(&slot->held)) {
		sleep_ns(100 * MS);	/* what went with the rest is freed */
		r = try_unload();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	for (until = now_ns() + PATIENCE_NS; references() > 0 && now_ns() < until;)
		sleep_ns(MS);
	snprintf(line, sizeof(line), "%s alone keeps the module, until it is killed", kind_names[kind]);
	if (r != -EAGAIN || references())
		printf("# rmmod: %s; %ld references afterwards\n", r ? strerror(-r) : "worked", references());
	check(r == -EAGAIN && !references(), line);
}

static void tell(void)
{
	int i, k;

	printf("# attempts   worked  ENOENT  ENODEV   ENXIO  EACCES  amid rmmod  amid insmod\n");
	for (i = 0; i < WAYS; i++) {
		printf("#   %-9s", way_names[i]);
		for (k = 0; k < OUTCOMES; k++)
			printf("%7u ", atomic_load(&shared->ways[i].outcomes[k]));
		printf("%11u %12u\n", atomic_load(&shared->ways[i].amid_unload), atomic_load(&shared->ways[i].amid_load));
	}
	printf("# %u files of sysfs were held while it went, and say ENODEV\n", atomic_load(&shared->stale));
	printf("# rmmod refused while one held:");
	for (k = 0; k < KINDS; k++)
		printf("%s %s %d", k ? "," : "", kind_names[k], refused_with[k]);
	printf("; unclear %d\n", unheld);
}

int main(int argc, char **argv)
{
	int cycles = argc > 2 ? atoi(argv[1]) : 0, cycle, amid = 0, quiet = 0, killed = 0, stuck = 0, k;
	uint64_t begun = now_ns(), longest = 0;
	uint32_t raced = ~0u;
	char line[128];

	if (cycles < 1 || !getenv("DSEEK_NODE")) {
		fprintf(stderr, "usage: DSEEK_NODE=NODE reload CYCLES MODULE [SEED]\n");
		return 2;
	}
	setlinebuf(stdout);
	seed = random_seed_or_new(argc > 3 ? argv[3] : NULL, "DSEEK_RELOAD_SEED");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	for (k = 0; k < KINDS; k++)
		alone((enum kind)k);
	for (cycle = 0; cycle < cycles && atomic_load(&shared->bad) < 10 && stuck < 3; cycle++) {
		int attempts = 5 + (int)rnd(10), r = -EAGAIN;
		uint64_t from;

		atomic_store(&shared->phase, BUSY);
		workers_start();
		while (r && attempts--) {
			sleep_ns(rnd(8) * MS);
			r = try_unload();
		}
		if (r && rnd(4)) {	/* a moment in which nobody holds anything will come */
			atomic_store(&shared->phase, SPARSE);
			r = unload_within(2 * SEC);
		}
		amid += !r;
		if (r && rnd(3)) {
			workers_quiet();
			r = unload_within(PATIENCE_NS);
			quiet += !r;
		} else if (r) {
			workers_kill();
			r = unload_within(PATIENCE_NS);
			killed += !r;
		}
		if (r) {
			printf("# cycle %d: nobody holds anything and rmmod says %s, %ld references\n", cycle, strerror(-r), references());
			stuck++;
			continue;
		}
		if (exists("/sys/module/dseek") || exists(DEBUGFS))
			bad("the module has gone and left files behind");
		atomic_store(&shared->phase, rnd(2) ? SPARSE : BUSY);
		workers_start();
		sleep_ns(rnd(20) * MS);
		from = now_ns();
		load(argv[2]);
		if (now_ns() - from > longest)
			longest = now_ns() - from;
		if (!((cycle + 1) % 20))
			printf("# %d cycles, %.0f s\n", cycle + 1, (double)(now_ns() - begun) / SEC);
	}
	workers_kill();
	tell();
	printf("# %d cycles: gone amid attempts %d, when all had let go %d, when all were killed %d; longest insmod %.1f ms, %.1f s in all\n",
	       cycle, amid, quiet, killed, (double)longest / MS, (double)(now_ns() - begun) / SEC);
	for (k = 0; k < WAYS; k++) {
		uint32_t u = atomic_load(&shared->ways[k].amid_unload), l = atomic_load(&shared->ways[k].amid_load);

		raced = u < raced ? u : raced;
		raced = l < raced ? l : raced;
	}
	snprintf(line, sizeof(line), "%d times out and in: it goes when nobody holds anything", cycle);
	check(cycle == cycles && !stuck, line);
	check(!atomic_load(&shared->bad), "it stays when somebody does; what is open works, what isn't fails cleanly");
	check(raced && amid && atomic_load(&shared->stale), "each way in was tried while it went and came");
	printf("1..%d\n", number);
	return failed;
}
