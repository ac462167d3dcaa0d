// SPDX-License-Identifier: MIT
/*
 * Memory that calls point at, and what they returned, is shared by the processes of a program, so that a pointer and a result mean the
 * same in all. Those processes run at once; who needs a result of another waits for it a little. Mappings have their places
 * in one reserved range, and descriptors begin behind the fuzzer's own, so both are undone in one call each.
 */
#include "run_internal.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define HELPER_STEPS	2		/* that a process may take longer than the first */

struct shared *shared;
struct run_sums *sums;
uint8_t *range;
unsigned int me;
uint32_t engine_id[8];
bool mapped, forked;
uint64_t step_ns = 20 * MS;

static uint32_t used[MEM_COUNT];	/* entries of the pool that the last program wrote */
static bool verbose;
static pid_t child[PROGRAM_LINES];	/* that this process made */

static void run_line(const struct program *p, uint32_t at)
{
	const struct line *l = &p->line[at];
	const struct call *c = &calls[l->call];
	uint64_t *result = shared->result[at], fd;
	uint64_t begin = verbose ? now_ns() : 0;
	uint8_t *memory;
	int r = 0;

	memset(result, 0xff, sizeof(shared->result[at]));
	switch (c->kind) {
	case CALL_MEMORY:
		memory = (uint8_t *)(uintptr_t)memory_at(p, at);
		build(p, l, memory, &fd);
		break;
	case CALL_IOCTL: r = do_ioctl(p, l, result); break;
	default: r = do_other(p, at, result);
	}
	shared->done[at] = 1;
	if (c->kind != CALL_MEMORY) {
		__atomic_fetch_add(&sums->calls, 1, __ATOMIC_RELAXED);
		if (!r)
			__atomic_fetch_add(&sums->succeeded, 1, __ATOMIC_RELAXED);
	}
	if (verbose)
		fprintf(stderr, "%u %s: %s (%lld) %llu us\n", at, c->name, r ? strerror(-r) : "ok", (long long)result[0],
			(unsigned long long)(now_ns() - begin) / 1000);
}

static void run_lines(const struct program *p, uint32_t from, uint8_t process)
{
	uint32_t i;

	for (i = from; i < p->count; i++)
		if (p->line[i].process == process)
			run_line(p, i);
}

/* ---- processes */

int do_fork(const struct program *p, uint32_t at, uint64_t share, uint64_t *result)
{
	long pid = syscall(SYS_clone, (share & 1 ? CLONE_FILES : 0) | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(child, 0, sizeof(child));
		run_lines(p, at + 1, (uint8_t)(at + 1));
		_exit(0);
	}
	forked = true;
	child[at] = (pid_t)pid;
	result[0] = (uint64_t)pid;
	__atomic_fetch_add(&sums->forks, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Only who made it: others have no such child, and the number may be somebody else's by now. */
int do_kill(uint64_t pid)
{
	int status;

	if ((int)pid <= 1 || waitpid((pid_t)pid, &status, WNOHANG) != 0)
		return -ESRCH;
	kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
		;
	__atomic_fetch_add(&sums->kills, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Those that are not at their end by then don't come to one: they wait for what the others would have had to do. */
static void reap(void)
{
	uint64_t until = now_ns() + HELPER_STEPS * step_ns;
	uint32_t i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && now_ns() < until)
		if (!pid)
			sleep_ns(step_ns / 40);
	for (i = 0; pid >= 0 && i < PROGRAM_LINES; i++)
		if (child[i] && !waitpid(child[i], NULL, WNOHANG))
			kill(child[i], SIGKILL);
	while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
		;
	memset(child, 0, sizeof(child));
}

/* Those that programs add, and what limits have made policies of users. */
static void policies_away(uint32_t from)
{
	static const char *const names[] = { "uid:0", "uid:1001", "uid:77", "cgroup:/fuzz/below", "cgroup:/fuzz" };

	for (; from < sizeof(names) / sizeof(names[0]); from++)
		write_text("tenants/remove", names[from]);
}

static void settings_back(void)
{
	uint32_t i, n = words_of(file_words);

	for (i = 0; i < n; i++) {
		const char *file = file_words[i];

		if (!(shared->written >> i & 1))
			continue;
		if (!strcmp(file, "tenants/add"))
			policies_away(2);
		else if (strstr(file, "_limit") || strstr(file, "_ms"))
			write_text(file, "default");
		else if (strstr(file, "depth"))
			write_text(file, "max");
		else if (strstr(file, "drain"))
			write_text(file, "0");
	}
	shared->written = 0;
}

void run_program(const struct program *p)
{
	uint64_t begin, lines;
	uint32_t i;

	for (i = 0; i < MEM_COUNT; i++) {
		memset(shared->pool[i], 0, used[i]);
		used[i] = 0;
	}
	for (i = 0; i < p->count; i++) {
		const struct call *c = &calls[p->line[i].call];

		if (c->kind == CALL_MEMORY && used[c->memory] < POOL)
			used[c->memory] += c->size < POOL - used[c->memory] ? c->size : POOL - used[c->memory];
	}
	memset((void *)shared->done, 0, sizeof(shared->done));
	forked = mapped = false;
	begin = verbose ? now_ns() : 0;
	run_lines(p, 0, 0);
	lines = verbose ? now_ns() : 0;
	if (forked)
		reap();
	syscall(SYS_close_range, RUN_FIRST_FD, ~0U, 0);
	if (mapped)
		mmap(range, PROGRAM_LINES * (size_t)PLACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (shared->written)
		settings_back();
	sums->programs++;
	if (verbose)
		fprintf(stderr, "calls %llu us, what they left %llu us\n", (unsigned long long)(lines - begin) / 1000,
			(unsigned long long)(now_ns() - lines) / 1000);
}

void run_be_verbose(void)
{
	verbose = true;
}

/* ---- once */

/* Under emulation and its checks a call takes a good part of a millisecond, on the machine itself microseconds. */
static int measure_step(void)
{
	struct drm_dseek_device_info info;
	uint64_t least = UINT64_MAX, begin, took;
	int fd = open_node(), i, r = 0;

	if (fd < 0)
		return -errno;
	for (i = 0; i < 64 && !r; i++) {
		begin = now_ns();
		r = query(fd, DRM_DSEEK_QUERY_DEVICE, 0, &info, sizeof(info));
		took = now_ns() - begin;
		if (took < least)
			least = took;
	}
	close(fd);
	step_ns = 100 * least;
	if (step_ns < MS)
		step_ns = MS;
	else if (step_ns > 20 * MS)
		step_ns = 20 * MS;
	return r;
}

static const char *const parameters[] = { "job_limit_ms", "grace_ms", "recovery_ms" };
static unsigned int parameter_was[3];

static int engine_make(const char *name, uint32_t type)
{
	struct drm_dseek_attach a = exec_attachment(name, 1);
	int fd = exec_open(), r;

	if (fd < 0)
		return fd;
	a.type = type;
	r = call(fd, DRM_IOCTL_DSEEK_ATTACH, &a);
	close(fd);
	return r;
}

int run_prepare(unsigned int n)
{
	static const unsigned int quick[] = { 10, 3, 7 };	/* steps */
	char name[DRM_DSEEK_NAME_LEN];
	unsigned int i, word;
	int r = measure_step();

	if (r)
		return r;
	for (i = 0; i < 3; i++) {
		r = parameter_set(parameters[i], quick[i] * (unsigned int)(step_ns / MS), &parameter_was[i]);
		if (r)
			return r;
	}
	for (i = 0; i < n; i++)
		for (word = 0, me = i; word < 4; word++) {
			if (word == 3 && i)
				break;
			r = engine_make(engine_name(word, name), word == 1 ? DRM_DSEEK_ENGINE_NIC : DRM_DSEEK_ENGINE_NULL);
			if (r)
				return r;
		}
	return 0;
}

void run_restore(void)
{
	int i;

	for (i = 0; i < 3; i++)
		parameter_set(parameters[i], parameter_was[i], NULL);
	policies_away(0);
}

void run_count_in(struct run_sums *to)
{
	sums = to;
}

int run_begin(unsigned int worker, struct run_sums *to)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct drm_dseek_engine_info info;
	char name[DRM_DSEEK_NAME_LEN];
	uint32_t i, word;
	int fd;

	me = worker;
	sums = to;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	range = mmap(NULL, PROGRAM_LINES * (size_t)PLACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED || range == MAP_FAILED)
		return -ENOMEM;
	fd = open_node();
	if (fd < 0)
		return -errno;
	for (i = 0; !query(fd, DRM_DSEEK_QUERY_ENGINE, i, &info, sizeof(info)); i++)
		for (word = 0; word < 4; word++)
			if (!strcmp((char *)info.name, engine_name(word, name)))
				engine_id[word] = info.id;
	close(fd);
	/* what programs open comes after these, so that it can be told from them */
	do {
		fd = dup(STDIN_FILENO);
	} while (fd >= 0 && fd < RUN_FIRST_FD);
	close(fd);
	/* who was here before may have been killed in the middle of a program */
	shared->written = UINT64_MAX;
	settings_back();
	admin_stay();
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_fault;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	return 0;
}
