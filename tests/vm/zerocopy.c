// SPDX-License-Identifier: MIT
/*
 * Zero copy, shown: the page frames behind a tenant's mapping and the executor's (another process) are
 * the same, and users of get_user_pages (vmsplice, io_uring fixed buffers) reach those very pages.
 */
#include "../selftests/dseek/dseek_test.h"
#include "../tap.h"
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE		4096UL
#define PAGES		64UL
#define PFN(entry)	((entry) & ((1ULL << 55) - 1))

static int page_frames(const void *p, uint64_t frames[PAGES])
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	ssize_t n = pread(fd, frames, PAGES * 8, (off_t)((uintptr_t)p / PAGE * 8));
	size_t i;

	close(fd);
	for (i = 0; i < PAGES; i++) {
		if (!(frames[i] >> 63))
			return -ENXIO;	/* not present */
		frames[i] = PFN(frames[i]);
		if (!frames[i])
			return -EPERM;	/* hidden from those without CAP_SYS_ADMIN */
	}
	return n == PAGES * 8 ? 0 : -EIO;
}

/* What the executor's process reports of the buffer of the one job it gets. */
struct seen {
	int error;
	uint64_t frames[PAGES];
	uint64_t first_word, bo_id;
};

static void executor(int to, int from)
{
	struct drm_dseek_completion done = { 0 };
	struct drm_dseek_map m = { 0 };
	struct seen s = { 0 };
	struct test_exec e;
	volatile uint64_t *p;
	uint32_t tag, engine;
	char c;

	s.error = exec_attach(&e, "zerocopy0", 4);
	engine = e.engine;
	if (write(to, &s.error, sizeof(s.error)) < 0 || write(to, &engine, sizeof(engine)) < 0 || s.error)
		_exit(1);
	if (exec_next(&e, NULL, 0, &m.tag, 1, 20 * SEC) != 1)
		_exit(2);
	s.error = call(e.fd, DRM_IOCTL_DSEEK_MAP, &m);
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, (off_t)m.mmap_offset);
	if (p == MAP_FAILED)
		_exit(3);
	for (tag = 0; tag < PAGES; tag++)
		s.first_word += p[tag * PAGE / 8];	/* faults every page in, and adds up what the tenant wrote */
	if (!s.error)
		s.error = page_frames((void *)(uintptr_t)p, s.frames);
	s.bo_id = m.bo_id;
	if (write(to, &s, sizeof(s)) < 0)
		_exit(4);
	/* "w": write a mark, for the tenant's pipes and rings to see; then the end */
	while (read(from, &c, 1) == 1 && c == 'w') {
		p[1]++;
		if (write(to, &c, 1) < 0)
			_exit(5);
	}
	done.tag = m.tag;
	_exit(exec_next(&e, &done, 1, &tag, 0, 0) ? 6 : 0);
}

static void poke(int to, int from)	/* let the executor add 1 to word 1 */
{
	char c = 'w';

	if (write(to, &c, 1) != 1 || read(from, &c, 1) != 1)
		exit(1);
}

static void try_vmsplice(volatile uint64_t *p, int to, int from)
{
	struct iovec v = { (void *)(uintptr_t)p, PAGE };
	uint64_t got[PAGE / 8], before = p[1];
	int pipes[2];

	if (pipe(pipes) || vmsplice(pipes[1], &v, 1, 0) != (ssize_t)PAGE) {
		tap_ok(0, "vmsplice takes the pages");
		return;
	}
	tap_ok(1, "vmsplice takes the pages");
	poke(to, from);		/* after the pages went into the pipe */
	tap_ok(read(pipes[0], got, PAGE) == (ssize_t)PAGE && got[1] == before + 1,
	      "the pipe holds the executor's pages, not a copy");
	close(pipes[0]);
	close(pipes[1]);
}

struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqe;
};

static int ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 4, &r->p);
	if (r->fd < 0)
		return -errno;
	r->sq = mmap(NULL, r->p.sq_off.array + r->p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->fd, IORING_OFF_CQ_RING);
	r->sqe = mmap(NULL, r->p.sq_entries * sizeof(*r->sqe), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	return r->sq == MAP_FAILED || r->cq == MAP_FAILED || (void *)r->sqe == MAP_FAILED ? -errno : 0;
}

static int ring_do(struct ring *r, int op, int fd, volatile void *addr, unsigned int len)
{
	uint32_t *tail = (uint32_t *)(r->sq + r->p.sq_off.tail), *head = (uint32_t *)(r->cq + r->p.cq_off.head);
	uint32_t slot = *tail & *(uint32_t *)(r->sq + r->p.sq_off.ring_mask);
	struct io_uring_cqe *cqe;

	r->sqe[slot] = (struct io_uring_sqe){ .opcode = (uint8_t)op, .fd = fd, .addr = (uintptr_t)addr, .len = len };
	((uint32_t *)(r->sq + r->p.sq_off.array))[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	cqe = (struct io_uring_cqe *)(r->cq + r->p.cq_off.cqes) + (*head & *(uint32_t *)(r->cq + r->p.cq_off.ring_mask));
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}

static void try_io_uring(volatile uint64_t *p, int to, int from)
{
	struct iovec v = { (void *)(uintptr_t)p, PAGES * PAGE };
	uint64_t before = p[1], got[PAGE / 8];
	struct ring r;
	int pipes[2];

	if (ring_open(&r)) {
		tap_skip("io_uring fixed buffer", "no io_uring in this kernel");
		return;
	}
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &v, 1) < 0) {
		if (errno == EOPNOTSUPP)
			tap_skip("io_uring fixed buffer", "this kernel's io_uring refuses every file mapping");
		else
			tap_ok(0, "io_uring takes the buffer");
		return;
	}
	tap_ok(1, "io_uring takes the buffer as a fixed one");
	if (pipe(pipes))
		exit(1);
	poke(to, from);		/* after the pages were pinned */
	tap_ok(ring_do(&r, IORING_OP_WRITE_FIXED, pipes[1], p, PAGE) == (int)PAGE &&
	      read(pipes[0], got, PAGE) == (ssize_t)PAGE && got[1] == before + 1,
	      "a fixed write sends what the executor wrote");
	got[1] = 1000;
	tap_ok(write(pipes[1], got, PAGE) == (ssize_t)PAGE && ring_do(&r, IORING_OP_READ_FIXED, pipes[0], p, PAGE) == (int)PAGE &&
	      p[1] == 1000, "a fixed read lands in the tenant's pages");
	poke(to, from);
	tap_ok(p[1] == 1001, "and in the executor's");
	close(r.fd);
	close(pipes[0]);
	close(pipes[1]);
}

static long bytes_copied(void)
{
	FILE *f = fopen("/sys/kernel/debug/dseek/counters", "r");
	char name[64];
	long value = -1, v;

	while (f && fscanf(f, "%63s %ld", name, &v) == 2)
		if (!strcmp(name, "bytes_copied"))
			value = v;
	if (f)
		fclose(f);
	return value;
}

int main(void)
{
	struct drm_dseek_binding b = { .access = DRM_DSEEK_ACCESS_READ | DRM_DSEEK_ACCESS_WRITE, .size = PAGES * PAGE };
	struct drm_dseek_job job = { .bindings = (uintptr_t)&b, .binding_count = 1 };
	int fd, to_exec[2], to_me[2], error = 0, status;
	long copied = bytes_copied();
	uint64_t frames[PAGES];
	uint32_t engine, queue;
	volatile uint64_t *p;
	struct seen s;
	size_t i;
	pid_t pid;

	setlinebuf(stdout);
	if (pipe(to_exec) || pipe(to_me))
		return 1;
	pid = fork();
	if (!pid) {
		close(to_exec[1]);	/* so that it sees the end */
		executor(to_me[1], to_exec[0]);
	}
	if (read(to_me[0], &error, sizeof(error)) < 0 || error || read(to_me[0], &engine, sizeof(engine)) < 0)
		return tap_ok(0, "the executor attaches"), 1;
	fd = open_node();
	if (fd < 0 || bo_create(fd, PAGES * PAGE, &b.handle) || program_create(fd, &job.program) ||
	    queue_create(fd, engine, DRM_DSEEK_CLASS_BATCH, 1, &queue))
		return tap_ok(0, "a tenant with a buffer"), 1;
	p = bo_map(fd, b.handle);
	for (i = 0; i < PAGES; i++)
		p[i * PAGE / 8] = i + 1;
	if (submit(fd, queue, &job, 1, NULL) || read(to_me[0], &s, sizeof(s)) != sizeof(s))
		return tap_ok(0, "a job reaches the executor"), 1;
	tap_ok(!s.error, "the executor maps the buffer");
	tap_ok(!page_frames((const void *)(uintptr_t)p, frames) && !memcmp(frames, s.frames, sizeof(frames)),
	      "64 page frames are the same in the tenant and in the executor");
	printf("# frames 0x%llx.. and 0x%llx..\n", (unsigned long long)frames[0], (unsigned long long)s.frames[0]);
	tap_ok(s.first_word == PAGES * (PAGES + 1) / 2, "the executor reads what the tenant wrote");
	poke(to_exec[1], to_me[0]);
	tap_ok(p[1] == 1, "the tenant reads what the executor wrote");
	try_vmsplice(p, to_exec[1], to_me[0]);
	try_io_uring(p, to_exec[1], to_me[0]);
	close(to_exec[1]);
	tap_ok(!wait_job(fd, queue, 1, 20 * SEC, &error) && !error, "the job ends");
	waitpid(pid, &status, 0);
	tap_ok(!status, "the executor ends well");
	if (copied >= 0)
		tap_ok(bytes_copied() == 0, "no byte was copied on the job path");
	else
		tap_ok(0, "the module counts the bytes that it copies");
	return tap_end();
}
