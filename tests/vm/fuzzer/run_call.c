// SPDX-License-Identifier: MIT
#include "run_internal.h"
#include "../../selftests/dseek/dseek_admin.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>

static sigjmp_buf fault;

void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

void on_alarm(int sig)
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

/* Of those that ask for memory: the requests' ids, if they could be written. */
static void read_requests(const struct drm_dseek_next *n, uint64_t *result)
{
	const struct drm_dseek_memory_request *request = (const void *)(uintptr_t)n->requests;
	uint64_t pool = (uintptr_t)shared->pool;
	uint32_t i;

	if (n->requests < pool || n->requests > pool + sizeof(shared->pool) - RESULTS * sizeof(*request))
		return;
	for (i = 0; i < RESULTS && i < n->request_count; i++)
		result[i] = request[i].bo_id;
}

/* Whether its deadline is far off, or it waits for an executor: then nobody may come to end it. */
static bool waits_long(const struct call *c, const uint8_t *argument)
{
	uint64_t deadline;
	uint32_t k;

	if (c->request == DRM_IOCTL_DSEEK_BO_CREATE)
		return ((const struct drm_dseek_bo_create *)argument)->flags & DRM_DSEEK_BO_DEVICE;
	for (k = 0; k < c->field_count; k++)
		if (c->field[k].kind == FIELD_TIME) {
			memcpy(&deadline, argument + c->field[k].offset, sizeof(deadline));
			return deadline && deadline > now_ns() + 2 * MS;
		}
	return false;
}

/* Again and again: the first may come before the call does. */
static void alarm_every(uint64_t ns)
{
	struct timeval t = { .tv_usec = (suseconds_t)(ns / 1000) };

	setitimer(ITIMER_REAL, &(struct itimerval){ t, t }, NULL);
}

int do_ioctl(const struct program *p, const struct line *l, uint64_t *result)
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
		alarm_every(step_ns);
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
		if (c->result[0].resource == RES_REQUEST)
			read_requests((struct drm_dseek_next *)argument, result);
		else
			read_tags((struct drm_dseek_next *)argument, result);
	} else if (c->request == DRM_IOCTL_DSEEK_SUBMIT) {
		for (i = 1; i < RESULTS; i++)
			result[i] = result[0] + (uint64_t)i;
	}
	return 0;
}

static const char *admin = ADMIN;

void admin_stay(void)
{
	if (!chdir(ADMIN))
		admin = "";
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
			snprintf(path, size, "%sengines/%s%s", admin, engine_name(i, name), word + 8 + n);
			return 0;
		}
	}
	snprintf(path, size, "%s%s", admin, word);
	return 0;
}

int write_text(const char *word, const char *text)
{
	char path[128];

	path_of(word, path, sizeof(path));
	return text_write(path, text);
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

uint32_t words_of(const char *const *words)
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

static int open_node_as(uint64_t which)
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

/* 0: the kernel panics; else it is made to say what a WARN would. */
static int do_crash(uint64_t how)
{
	return how ? text_write("/dev/kmsg", "<4>WARNING: CPU: 0 PID: 1 at tests/vm/fuzzer\n") :
		     text_write("/proc/sysrq-trigger", "c");
}

/* Of those that make something, in *result what; else 0 or -errno. */
int do_other(const struct program *p, uint32_t at, uint64_t *result)
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
	case OTHER_OPEN: r = open_node_as(v[0]); break;
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
