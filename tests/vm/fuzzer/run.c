// SPDX-License-Identifier: MIT
/*
 * Memory that calls point at, and what they returned, is shared by the processes of a program, so that a pointer and a result mean the
 * same in all. Those processes run at once; who needs a result of another waits for it a little. Mappings have their places
 * in one reserved range, and descriptors begin behind the fuzzer's own, so both are undone in one call each.
 */
#include "run.h"
#include "grammar.h"
#include "../../selftests/dseek/dseek_test.h"
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define SYSFS		"/sys/class/misc/dseek-exec/device/"
#define POOL		(32 << 10)	/* bytes of memory of one kind */
#define PLACE		(1 << 20)	/* where a call's mapping is, from that of the call before */
#define RESULTS		4
#define HELPER_MS	40		/* that a process may take longer than the first */

struct shared {
	uint64_t result[PROGRAM_LINES][RESULTS];
	volatile uint8_t done[PROGRAM_LINES];
	uint64_t written;		/* files, as bits */
	uint8_t pool[MEM_COUNT][POOL];
};

static struct shared *shared;
static struct run_sums *sums;
static uint8_t *range;
static uint32_t used[MEM_COUNT];	/* entries of the pool that the last program wrote */
static unsigned int me;
static uint32_t engine_id[8];
static bool verbose, mapped, forked;
static pid_t child[PROGRAM_LINES];	/* that this process made */
static sigjmp_buf fault;

static const char *engine_name(uint64_t word, char *to)
{
	static const char *const own[] = { "own", "nic", "second" };
	static unsigned int fresh;

	if (word < 3)
		snprintf(to, DRM_DSEEK_NAME_LEN, "fuzz%u.%s", me, own[word]);
	else if (word == 3)
		strcpy(to, "fuzz.shared");
	else
		snprintf(to, DRM_DSEEK_NAME_LEN, "fuzz.new%u", fresh++ % 6);
	return to;
}

/* ---- values */

/* Where line @at of the program has its memory: its place among those of its kind. */
static uint64_t memory_at(const struct program *p, uint32_t at)
{
	const struct call *c = &calls[p->line[at].call];
	uint32_t i, before = 0;

	if (c->kind != CALL_MEMORY)
		return 0;
	for (i = 0; i < at; i++)
		before += calls[p->line[i].call].kind == CALL_MEMORY && calls[p->line[i].call].memory == c->memory;
	before %= POOL / c->size;
	return (uintptr_t)shared->pool[c->memory] + before * c->size;
}

static uint64_t result_of(uint32_t line, uint64_t which)
{
	int i;

	/* by another process */
	for (i = 0; !shared->done[line] && forked && i < 20; i++)
		sleep_ns(100000);
	return shared->done[line] ? shared->result[line][which % RESULTS] : UINT64_MAX;
}

static uint64_t word_number(const struct field *f, uint64_t word)
{
	uint64_t own = 1ULL << (engine_id[0] & 63), second = 1ULL << (engine_id[2] & 63), common = 1ULL << (engine_id[3] & 63);

	if (f->words == engine_words)
		return word < 4 ? engine_id[word] : 63;
	if (f->words == set_words)
		return word == 0 ? own : word == 1 ? own | second : word == 2 ? own | second | common : UINT64_MAX;
	return word;
}

static uint64_t evaluate(const struct program *p, const struct value *v, const struct field *f)
{
	switch (v->kind) {
	case VALUE_RESULT: return result_of(v->line, v->number);
	case VALUE_BIT: return 1ULL << (result_of(v->line, 0) & 63);
	case VALUE_POINTER: return memory_at(p, v->line) + v->number;
	case VALUE_TIME: return now_ns() + v->number;
	case VALUE_WORD: return word_number(f, v->number);
	default: return v->number;
	}
}

static void build(const struct program *p, const struct line *l, uint8_t *to, uint64_t *fd)
{
	const struct call *c = &calls[l->call];
	uint32_t k;

	memset(to, 0, c->size);
	for (k = 0; k < c->field_count; k++) {
		const struct field *f = &c->field[k];
		uint64_t v;

		if (f->size == DRM_DSEEK_NAME_LEN) {
			if (l->value[k].kind == VALUE_WORD)
				engine_name(l->value[k].number, (char *)to + f->offset);
			else
				memcpy(to + f->offset, &l->value[k].number, 8);
			continue;
		}
		v = evaluate(p, &l->value[k], f);
		if (f->most && (uint32_t)v > f->most)
			v = f->most;
		if (!k && c->kind == CALL_IOCTL)
			*fd = v;
		else
			memcpy(to + f->offset, &v, f->size);
	}
}

/* ---- calls */

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

static void on_alarm(int sig)
{
	__atomic_fetch_add(&sums->signals, 1, __ATOMIC_RELAXED);
}

/* Of NEXT: the tags it wrote, if it could. */
static void read_tags(const struct drm_dseek_next *n, uint64_t *result)
{
	uint64_t pool = (uintptr_t)shared->pool;
	uint32_t i;

	if (n->tags < pool || n->tags > pool + sizeof(shared->pool) - RESULTS * sizeof(uint32_t))
		return;
	for (i = 0; i < RESULTS && i < n->tag_count; i++)
		result[i] = ((uint32_t *)(uintptr_t)n->tags)[i];
}

/* Whether its deadline is far off: then nobody may come to end it. */
static bool waits_long(const struct call *c, const uint8_t *argument)
{
	uint64_t deadline;
	uint32_t k;

	for (k = 0; k < c->field_count; k++)
		if (c->field[k].kind == FIELD_TIME) {
			memcpy(&deadline, argument + c->field[k].offset, sizeof(deadline));
			return deadline && deadline > now_ns() + 2 * MS;
		}
	return false;
}

/* Again and again: the first may come before the call does. */
static void alarm_every(int us)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, us }, { 0, us } }, NULL);
}

static int do_ioctl(const struct program *p, const struct line *l, uint64_t *result)
{
	const struct call *c = &calls[l->call];
	uint8_t argument[sizeof(struct drm_dseek_wait) + 256];
	uint64_t fd = 0;
	bool endless;
	int i, r;

	build(p, l, argument, &fd);
	/* never what the fuzzer itself has open */
	if ((int)fd >= 0 && (int)fd < RUN_FIRST_FD)
		return -EBADF;
	endless = waits_long(c, argument);
	if (endless)
		alarm_every(20000);
	r = call((int)fd, c->request, argument);
	if (endless)
		alarm_every(0);
	if (r)
		return r;
	for (i = 0; i < 2 && c->result[i].size; i++) {
		result[i] = 0;
		memcpy(&result[i], argument + c->result[i].offset, c->result[i].size);
	}
	if (c->request == DRM_IOCTL_DSEEK_NEXT) {
		result[0] = UINT64_MAX;
		read_tags((struct drm_dseek_next *)argument, result);
	} else if (c->request == DRM_IOCTL_DSEEK_SUBMIT) {
		for (i = 1; i < RESULTS; i++)
			result[i] = result[0] + (uint64_t)i;
	}
	return 0;
}

static int path_of(const char *word, char *path, size_t size)
{
	char name[DRM_DSEEK_NAME_LEN];
	uint64_t i;

	if (!strncmp(word, "debug/", 6)) {
		snprintf(path, size, "/sys/kernel/debug/dseek/%s", word + 6);
		return 0;
	}
	for (i = 0; !strncmp(word, "engines/", 8) && i < 4; i++) {
		size_t n = strlen(engine_words[i]);

		if (!strncmp(word + 8, engine_words[i], n) && word[8 + n] == '/') {
			snprintf(path, size, SYSFS "engines/%s%s", engine_name(i, name), word + 8 + n);
			return 0;
		}
	}
	snprintf(path, size, SYSFS "%s", word);
	return 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int write_text(const char *word, const char *text)
{
	char path[128];

	path_of(word, path, sizeof(path));
	return write_file(path, text);
}

static int read_file(const char *path)
{
	char text[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text, sizeof(text));
	} while (n == (ssize_t)sizeof(text));
	r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

static uint32_t words_of(const char *const *words)
{
	uint32_t n = 0;

	while (words[n])
		n++;
	return n;
}

static int do_write(const struct line *l, const uint64_t *v)
{
	char number[24];
	const char *text = number;

	if (v[0] >= words_of(file_words))
		return -ENOENT;
	if (l->value[1].kind == VALUE_WORD)
		text = text_words[v[1]];
	else
		snprintf(number, sizeof(number), "%lld", (long long)v[1]);
	__atomic_fetch_or(&shared->written, 1ULL << v[0], __ATOMIC_RELAXED);
	return write_text(file_words[v[0]], text);
}

static int open_as(uint64_t which)
{
	static const uid_t uid[] = { 0, 1001, 1002 };
	int fd;

	if (which > 2)
		return -EINVAL;
	if (which && syscall(SYS_setresuid, -1, uid[which], -1))
		return -errno;
	fd = open_node();
	if (fd < 0)
		fd = -errno;
	if (which && syscall(SYS_setresuid, -1, 0, -1))
		_exit(3);
	return fd;
}

static int do_touch(const uint64_t *v)
{
	volatile uint8_t *at = (uint8_t *)(uintptr_t)v[0] + 4096 * (v[1] % 64);

	if (v[0] < (uintptr_t)range || v[0] >= (uintptr_t)range + PROGRAM_LINES * (uint64_t)PLACE)
		return -EFAULT;
	if (sigsetjmp(fault, 1))
		return -EFAULT;
	if (v[2])
		*at = (uint8_t)v[2];
	else
		(void)*at;
	return 0;
}

static bool in_range(uint64_t address, uint64_t pages)
{
	return address >= (uintptr_t)range && pages <= PLACE / 4096 && address + pages * 4096 <= (uintptr_t)range + PROGRAM_LINES * (uint64_t)PLACE;
}

static int do_mapping(const struct program *p, uint32_t at, const uint64_t *v, uint64_t *result)
{
	const struct call *c = &calls[p->line[at].call];
	uint8_t *place = range + at * (uint64_t)PLACE;
	void *got;

	switch (c->other) {
	case OTHER_MMAP:
		if ((int)v[0] < RUN_FIRST_FD || v[3] > PLACE / 4096)
			return -EINVAL;
		got = mmap(place, v[3] * 4096, (int)v[4] & (PROT_READ | PROT_WRITE), (v[5] ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED, (int)v[0],
			   (off_t)(v[1] + v[2] * 4096));
		break;
	case OTHER_MREMAP:
		if (!in_range(v[0], v[1]) || v[2] > PLACE / 4096)
			return -EINVAL;
		got = mremap((void *)(uintptr_t)v[0], v[1] * 4096, v[2] * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place);
		break;
	case OTHER_MUNMAP:	/* by nothing else, so that nobody else's comes there */
		if (!in_range(v[0] + v[1] % 64 * 4096, v[2]))
			return -EINVAL;
		mapped = true;
		got = mmap((uint8_t *)(uintptr_t)v[0] + v[1] % 64 * 4096, v[2] * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		return got == MAP_FAILED ? -errno : 0;
	default:
		if (!in_range(v[0], v[1]))
			return -EINVAL;
		return madvise((void *)(uintptr_t)v[0], v[1] * 4096, (int)v[2]) ? -errno : 0;
	}
	mapped = true;
	if (got == MAP_FAILED)
		return -errno;
	result[0] = (uintptr_t)got;
	return 0;
}

static void run_lines(const struct program *p, uint32_t from, uint8_t process);

static int do_fork(const struct program *p, uint32_t at, uint64_t share, uint64_t *result)
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
static int do_kill(uint64_t pid)
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

/* 0: the kernel panics; else it is made to say what a WARN would. */
static int do_crash(uint64_t how)
{
	return how ? write_file("/dev/kmsg", "<4>WARNING: CPU: 0 PID: 1 at tests/vm/fuzzer\n") :
		     write_file("/proc/sysrq-trigger", "c");
}

/* Of those that make something, in *result what; else 0 or -errno. */
static int do_other(const struct program *p, uint32_t at, uint64_t *result)
{
	const struct line *l = &p->line[at];
	const struct call *c = &calls[l->call];
	uint64_t v[CALL_FIELDS];
	struct pollfd poller;
	char path[48];
	uint32_t k;
	int r = 0;

	for (k = 0; k < c->field_count; k++)
		v[k] = evaluate(p, &l->value[k], &c->field[k]);
	switch (c->other) {
	case OTHER_OPEN: r = open_as(v[0]); break;
	case OTHER_EXEC_OPEN: r = exec_open(); break;
	case OTHER_DUP: r = (int)v[0] < RUN_FIRST_FD ? -EBADF : fcntl((int)v[0], F_DUPFD_CLOEXEC, RUN_FIRST_FD); break;
	case OTHER_CLOSE: return (int)v[0] < RUN_FIRST_FD || close((int)v[0]) ? -EBADF : 0;
	case OTHER_IOCTL: return (int)v[0] < RUN_FIRST_FD ? -EBADF : call((int)v[0], v[1], (void *)(uintptr_t)v[2]);
	case OTHER_POLL:
		poller = (struct pollfd){ .fd = (int)v[0], .events = POLLIN | POLLOUT };
		return poll(&poller, 1, 0) < 0 ? -errno : 0;
	case OTHER_FDINFO:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", (int)v[0]);
		return read_file(path);
	case OTHER_MMAP: case OTHER_MUNMAP: case OTHER_MREMAP: case OTHER_MADVISE: return do_mapping(p, at, v, result);
	case OTHER_TOUCH: return do_touch(v);
	case OTHER_FORK: return do_fork(p, at, v[0], result);
	case OTHER_KILL: return do_kill(v[0]);
	case OTHER_WRITE: return do_write(l, v);
	case OTHER_READ:
		if (v[0] >= words_of(read_words))
			return -ENOENT;
		return path_of(read_words[v[0]], path, sizeof(path)), read_file(path);
	case OTHER_CRASH: return do_crash(v[0]);
	}
	if (r < 0)
		return r;
	result[0] = (uint64_t)r;
	return 0;
}

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

/* Those that are not at their end by then don't come to one: they wait for what the others would have had to do. */
static void reap(void)
{
	uint64_t until = now_ns() + HELPER_MS * MS;
	uint32_t i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && now_ns() < until)
		if (!pid)
			sleep_ns(MS / 2);
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
	begin = now_ns();
	run_lines(p, 0, 0);
	lines = now_ns();
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
	static const unsigned int quick[] = { 200, 60, 150 };
	char name[DRM_DSEEK_NAME_LEN];
	unsigned int i, word;
	int r;

	for (i = 0; i < 3; i++) {
		r = parameter_set(parameters[i], quick[i], &parameter_was[i]);
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
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_fault;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	return 0;
}
