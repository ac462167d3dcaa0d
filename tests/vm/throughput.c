// SPDX-License-Identifier: MIT
/*
 * throughput [ROUNDS]: 64 no-op jobs in flight, submitted and awaited 32 at a time, against the same of ublk's null
 * device: the kernel's other way to hand requests from one process to another that completes them. Client and server
 * are on a CPU each; blocks of both alternate.
 */
#include "apart.h"
#include <liburing.h>
#include <sys/wait.h>
#include "ublk_null.h"

#define DEPTH	64
#define BATCH	32
#define BLOCK	4096		/* jobs of a measurement */

static void die(const char *what, int r)
{
	fprintf(stderr, "throughput: %s: %s\n", what, strerror(-r));
	exit(1);
}

struct dseek_client {
	int fd;
	uint32_t queue;
	struct drm_dseek_job jobs[BATCH];
};

/* The last of a batch. */
static uint64_t submit_batch(struct dseek_client *c)
{
	struct drm_dseek_submit s = { .queue = c->queue, .jobs = (uintptr_t)c->jobs, .count = BATCH,
				      .stride = sizeof(c->jobs[0]) };
	int r = call(c->fd, DRM_IOCTL_DSEEK_SUBMIT, &s);

	if (r || s.error)
		die("submit", r ? r : s.error);
	return s.first_seqno + BATCH - 1;
}

static void wait_seqno(struct dseek_client *c, uint64_t seqno)
{
	struct drm_dseek_wait w = { .queue = c->queue, .seqno = seqno, .deadline_ns = UINT64_MAX };
	int r = call(c->fd, DRM_IOCTL_DSEEK_WAIT, &w);

	if (r || w.error)
		die("wait", r ? r : w.error);
}

static void dseek_block(struct dseek_client *c)
{
	uint64_t last = submit_batch(c);
	int left;

	for (left = BLOCK - BATCH; left; left -= BATCH) {
		uint64_t next = submit_batch(c);

		wait_seqno(c, last);
		last = next;
	}
	wait_seqno(c, last);
}

struct ublk_client {
	int fd;
	struct io_uring ring;
	char *buf;
};

static void read_batch(struct ublk_client *c)
{
	int i, r;

	for (i = 0; i < BATCH; i++)
		io_uring_prep_read(io_uring_get_sqe(&c->ring), c->fd, c->buf, 512, (uint64_t)i * 4096);
	r = io_uring_submit(&c->ring);
	if (r != BATCH)
		die("read", r);
}

static void wait_reads(struct ublk_client *c)
{
	struct io_uring_cqe *cqes[BATCH];
	unsigned int left = BATCH, n, i;
	int r;

	while (left) {
		struct io_uring_cqe *first;

		r = io_uring_wait_cqe_nr(&c->ring, &first, left);
		if (r && r != -EINTR)
			die("completion", r);
		n = io_uring_peek_batch_cqe(&c->ring, cqes, left);
		for (i = 0; i < n; i++)
			if (cqes[i]->res != 512)
				die("read", cqes[i]->res < 0 ? cqes[i]->res : -EIO);
		io_uring_cq_advance(&c->ring, n);
		left -= n;
	}
}

static void ublk_block(struct ublk_client *c)
{
	int left;

	read_batch(c);
	for (left = BLOCK - BATCH; left; left -= BATCH) {
		read_batch(c);
		wait_reads(c);
	}
	wait_reads(c);
}

static void dseek_open(struct dseek_client *c)
{
	int engine, i, r;

	c->fd = open_node();
	if (c->fd < 0)
		die("render node", c->fd);
	engine = attached_engine(c->fd, "throughput0");
	if (engine < 0)
		die("no engine", engine);
	r = queue_create(c->fd, (uint32_t)engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &c->queue);
	if (!r)
		r = program_create(c->fd, &c->jobs[0].program);
	if (r)
		die("set-up", r);
	for (i = 1; i < BATCH; i++)
		c->jobs[i] = c->jobs[0];
}

static void ublk_open(struct ublk_client *c, int dev_id)
{
	char path[32];
	int i;

	snprintf(path, sizeof(path), "/dev/ublkb%d", dev_id);
	for (i = 0; (c->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC)) < 0 && i < 400; i++)
		sleep_ns(5 * MS);
	c->buf = aligned_alloc(4096, 4096);
	if (c->fd < 0 || !c->buf || io_uring_queue_init(DEPTH, &c->ring, 0))
		die(path, -errno);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 15, r, i;
	double limit = getenv("DSEEK_UBLK_LIMIT") ? atof(getenv("DSEEK_UBLK_LIMIT")) : 4;
	double *ours, *theirs, *ratio;
	struct dseek_client client = { 0 };
	struct ublk_client peer = { 0 };
	struct ublk_null ublk;
	pid_t exec;

	setlinebuf(stdout);
	ours = calloc((size_t)rounds, sizeof(*ours));
	theirs = calloc((size_t)rounds, sizeof(*theirs));
	ratio = calloc((size_t)rounds, sizeof(*ratio));
	if (rounds < 1 || !ours || !theirs || !ratio)
		return 2;
	r = ublk_null_start(&ublk, DEPTH, 1);
	if (r == -ENODEV) {
		printf("this kernel has no ublk driver\n");
		return 77;
	}
	if (r)
		die("ublk", r);
	exec = fork();
	if (!exec)
		null_executor("throughput0", 1);
	pin(0);
	dseek_open(&client);
	ublk_open(&peer, ublk.dev_id);
	for (i = -2; i < rounds; i++) {	/* two to warm up */
		uint64_t t0 = now_ns(), t1, t2;

		dseek_block(&client);
		t1 = now_ns();
		ublk_block(&peer);
		t2 = now_ns();
		if (i < 0)
			continue;
		ours[i] = BLOCK * 1e9 / (double)(t1 - t0);
		theirs[i] = BLOCK * 1e9 / (double)(t2 - t1);
		ratio[i] = ours[i] / theirs[i];
	}
	qsort(ours, (size_t)rounds, sizeof(*ours), by_value);
	qsort(theirs, (size_t)rounds, sizeof(*theirs), by_value);
	qsort(ratio, (size_t)rounds, sizeof(*ratio), by_value);
	printf("# %d in flight, %d at a time, medians of %d blocks: %.0f jobs/s, %.0f reads/s of ublk's null device\n", DEPTH,
	       BATCH, rounds, ours[rounds / 2], theirs[rounds / 2]);
	printf("%sok 1 jobs / reads of ublk's null device: %.2f (at least %.2f; of the rounds %.2f to %.2f)\n",
	       ratio[rounds / 2] < limit ? "not " : "", ratio[rounds / 2], limit, ratio[0], ratio[rounds - 1]);
	printf("1..1\n");
	close(peer.fd);
	ublk_null_stop(&ublk);
	kill(exec, SIGKILL);
	waitpid(exec, NULL, 0);
	return ratio[rounds / 2] < limit;
}
