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
#include "reload.h"
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EXEC_GROUP	900
#define RENDER_GROUP	105
#define PATIENCE_NS	(60 * SEC)	/* for what is to happen at once, on a busy machine */

static const char *const way_names[WAYS] = { "node", "executor", "sysfs", "debugfs" };

struct shared *shared;

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

uint32_t rnd(uint32_t below)
{
	return random_below(&seed, below);
}

void bad(const char *fmt, ...)
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

void die(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	exit(1);
}

/* ---- workers */

static __attribute__((noreturn)) void worker(int number)
{
	static const enum kind briefly[WORKERS] = { OPEN_NODE, OPEN_NODE, OPEN_NODE, OPEN_EXEC, OPEN_EXEC, OPEN_DEBUGFS };
	const struct role *role = &roles[number];
	struct slot *slot = &shared->slots[number];
	struct hold h;
	enum kind kind;

	hold_prepare();
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
		hold_prepare();
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
