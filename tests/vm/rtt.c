// SPDX-License-Identifier: MIT
/*
 * rtt [ROUNDS]: what a job costs, relative to a pipe ping-pong between two processes in the same run.
 * Blocks of both alternate, so that the machine's moods meet both. The executor completes jobs without
 * looking at them. Absolute times in an emulated guest mean nothing; the ratios do. Once as the module is
 * set, when both sides look for a while before they sleep, and once with poll_us = 0, when they sleep at once as
 * readers of pipes do.
 */
#include "apart.h"
#include <sys/wait.h>

#define BLOCK	250
#define BATCH	32

static int rounds = 24;

static void echo(int from, int to, int cpu)
{
	char c;

	pin(cpu);
	while (read(from, &c, 1) == 1)
		if (write(to, &c, 1) != 1)
			break;
	_exit(0);
}

struct series {
	const char *name;
	double *us;
	int n, per;		/* jobs a measurement */
};

static double at(const struct series *s, double q)
{
	return s->us[(int)((s->n - 1) * q)] / s->per;
}

enum { PIPE, WAIT, BINARY, TIMELINE, BATCHED, SERIES_COUNT };

struct bench {
	int fd, to, from;
	uint32_t queue, binary, timeline;
	uint64_t point;
	struct drm_dseek_job jobs[BATCH];
	struct drm_dseek_sync signal;
};

static void die(const char *what, int r)
{
	fprintf(stderr, "rtt: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void once(struct bench *b, int kind)
{
	struct drm_dseek_submit s = { .queue = b->queue, .jobs = (uintptr_t)b->jobs, .count = kind == BATCHED ? BATCH : 1,
				      .stride = sizeof(b->jobs[0]) };
	struct drm_dseek_wait w = { .queue = b->queue, .deadline_ns = UINT64_MAX };
	char c = 1;
	int r;

	if (kind == PIPE) {
		if (write(b->to, &c, 1) != 1 || read(b->from, &c, 1) != 1)
			die("pipe", -errno);
		return;
	}
	b->jobs[0].signal_count = kind == BINARY || kind == TIMELINE;
	b->signal = (struct drm_dseek_sync){ .handle = kind == BINARY ? b->binary : b->timeline };
	if (kind == TIMELINE)
		b->signal.point = ++b->point;
	r = call(b->fd, DRM_IOCTL_DSEEK_SUBMIT, &s);
	if (r || s.error)
		die("submit", r ? r : s.error);
	if (kind == BINARY) {
		r = syncobj_wait(b->fd, b->binary, 10 * SEC, 0);
	} else if (kind == TIMELINE) {
		r = timeline_wait(b->fd, b->timeline, b->point, 10 * SEC, 0);
	} else {
		w.seqno = s.first_seqno + s.done - 1;
		r = call(b->fd, DRM_IOCTL_DSEEK_WAIT, &w);
	}
	if (r)
		die("wait", r);
}

static double measure(struct bench *b, struct series *series, int tenant_cpu, int exec_cpu)
{
	int i, k, n, engine, ping[2], pong[2];
	pid_t exec, peer;
	double t, best = 0;

	exec = fork();
	if (!exec)
		null_executor("rtt0", exec_cpu);
	if (pipe(ping) || pipe(pong))
		die("pipe", -errno);
	peer = fork();
	if (!peer) {
		close(ping[1]);
		echo(ping[0], pong[1], exec_cpu);
	}
	b->to = ping[1];
	b->from = pong[0];
	pin(tenant_cpu);
	engine = attached_engine(b->fd, "rtt0");
	if (engine < 0)
		die("no engine", engine);
	if (queue_create(b->fd, (uint32_t)engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &b->queue))
		die("queue", -EIO);
	for (k = 0; k < SERIES_COUNT; k++) {
		series[k].n = 0;
		for (i = 0; i < 100; i++)
			once(b, k);
	}
	for (n = 0; n < rounds; n++)
		for (k = 0; k < SERIES_COUNT; k++)
			for (i = 0; i < BLOCK / series[k].per + 1; i++) {
				t = (double)now_ns();
				once(b, k);
				series[k].us[series[k].n++] = ((double)now_ns() - t) / 1e3;
			}
	printf("# tenant on CPU %d, executor on CPU %d\n", tenant_cpu, exec_cpu);
	for (k = 0; k < SERIES_COUNT; k++) {
		qsort(series[k].us, (size_t)series[k].n, sizeof(double), by_value);
		printf("# %-22s p50 %8.2f us  p99 %8.2f us   / pipe: p50 %.2f  p99 %.2f\n", series[k].name, at(&series[k], 0.5),
		       at(&series[k], 0.99), at(&series[k], 0.5) / at(&series[PIPE], 0.5),
		       at(&series[k], 0.99) / at(&series[PIPE], 0.99));
	}
	best = at(&series[WAIT], 0.5) / at(&series[PIPE], 0.5);
	kill(exec, SIGKILL);
	kill(peer, SIGKILL);
	waitpid(exec, NULL, 0);
	waitpid(peer, NULL, 0);
	close(ping[0]);
	close(ping[1]);
	close(pong[0]);
	close(pong[1]);
	queue_destroy(b->fd, b->queue);
	return best;
}

static int judge(int number, const char *which, double ratio, const char *variable, double limit)
{
	if (getenv(variable))
		limit = atof(getenv(variable));
	printf("%sok %d round trip of a no-op job %s/ pipe ping-pong, p50: %.2f (at most %.2f)\n", ratio <= limit ? "" : "not ",
	       number, which, ratio, limit);
	return ratio > limit;
}

int main(int argc, char **argv)
{
	unsigned int poll_us = 0;
	struct series series[SERIES_COUNT] = {
		[PIPE] = { "pipe", NULL, 0, 1 },
		[WAIT] = { "submit + wait", NULL, 0, 1 },
		[BINARY] = { "binary syncobj", NULL, 0, 1 },
		[TIMELINE] = { "timeline syncobj", NULL, 0, 1 },
		[BATCHED] = { "a job of a batch of 32", NULL, 0, BATCH },
	};
	struct bench b = { 0 };
	int k, i, bad;

	if (argc > 1)
		rounds = atoi(argv[1]);
	setlinebuf(stdout);
	for (k = 0; k < SERIES_COUNT; k++) {
		series[k].us = calloc((size_t)rounds * (BLOCK + 1), sizeof(double));
		if (!series[k].us)
			return 1;
	}
	b.fd = open_node();
	if (b.fd < 0)
		die("render node", -errno);
	if (program_create(b.fd, &b.jobs[0].program) || syncobj_create(b.fd, &b.binary) || syncobj_create(b.fd, &b.timeline))
		die("set-up", -EIO);
	b.jobs[0].signals = (uintptr_t)&b.signal;
	for (i = 1; i < BATCH; i++) {
		b.jobs[i] = b.jobs[0];
		b.jobs[i].signals = 0;
	}
	bad = judge(1, "", measure(&b, series, 0, 1), "DSEEK_RTT_LIMIT", 1.10);
	i = parameter_set("poll_us", 0, &poll_us);
	if (i)
		die("poll_us", i);
	bad += judge(2, "that sleeps at once ", measure(&b, series, 0, 1), "DSEEK_RTT_SLEEP_LIMIT", 1.25);
	parameter_set("poll_us", poll_us, NULL);
	printf("1..2\n");
	return !!bad;
}
