// SPDX-License-Identifier: MIT
/*
 * shares [SECONDS]: three tenants under three uids with weights 1, 2 and 4 saturate an engine; the engine
 * time that the module charged them is compared with their weights. Then: a tenant of the deadline class
 * keeps its deadlines while two others saturate the engine with batch work.
 */
#include "../selftests/dseek/dseek_test.h"
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define IN_FLIGHT	8
#define JOB_US		2000

static int number, failed;

static void check(int good, const char *what)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, what);
	failed |= !good;
}

static void become(uid_t uid)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(99);
}

static void job_of(struct drm_dseek_job *job, struct script *s, uint32_t program, uint32_t us)
{
	*s = (struct script){ SCRIPT_BUSY, us };
	*job = (struct drm_dseek_job){ .program = program, .consts = (uintptr_t)s, .const_size = sizeof(*s) };
}

/* Keep IN_FLIGHT jobs in the queue; report the tenant's charged time whenever asked. */
static void saturate(uid_t uid, uint32_t engine, uint32_t weight, int from, int to)
{
	struct drm_dseek_tenant_info t;
	struct drm_dseek_job job;
	struct script s;
	uint32_t queue, program;
	uint64_t seqno = 0, i;
	char c;
	int fd;

	become(uid);
	fd = open_node();
	if (fd < 0 || program_create(fd, &program) || queue_create(fd, engine, DRM_DSEEK_CLASS_BATCH, weight, &queue))
		_exit(1);
	job_of(&job, &s, program, JOB_US);
	for (i = 0; i < IN_FLIGHT; i++)
		if (submit(fd, queue, &job, 1, &seqno))
			_exit(2);
	fcntl(from, F_SETFL, O_NONBLOCK);
	for (;;) {
		if (wait_job(fd, queue, seqno - IN_FLIGHT + 1, 30 * SEC, NULL) || submit(fd, queue, &job, 1, &seqno))
			_exit(3);
		if (read(from, &c, 1) != 1)
			continue;
		if (c == 'q')
			_exit(0);
		t = tenant_info(fd);
		if (write(to, &t.engine_ns, sizeof(t.engine_ns)) < 0)
			_exit(4);
	}
}

struct child {
	pid_t pid;
	int to, from;
	uint64_t before, after;
};

static int start(struct child *c, uid_t uid, uint32_t engine, uint32_t weight)
{
	int a[2], b[2];

	if (pipe(a) || pipe(b))
		return -errno;
	c->pid = fork();
	if (!c->pid)
		saturate(uid, engine, weight, a[0], b[1]);
	c->to = a[1];
	c->from = b[0];
	close(a[0]);
	close(b[1]);
	return 0;
}

static int ask(struct child *c, uint64_t *ret)
{
	return write(c->to, "?", 1) == 1 && read(c->from, ret, sizeof(*ret)) == sizeof(*ret) ? 0 : -EIO;
}

static void stop(struct child *c)
{
	if (write(c->to, "q", 1) != 1)
		perror("stop");
	waitpid(c->pid, NULL, 0);
	close(c->to);
	close(c->from);
}

static void weights(uint32_t engine, unsigned int seconds)
{
	static const uint32_t weight[3] = { 1, 2, 4 };
	struct child c[3] = { { 0 } };
	double all = 0, share, worst = 0;
	char text[160];
	int i, bad = 0;

	for (i = 0; i < 3; i++)
		bad |= start(&c[i], 1001 + (uid_t)i, engine, weight[i]);
	sleep(1);
	for (i = 0; i < 3; i++)
		bad |= ask(&c[i], &c[i].before);
	sleep(seconds);
	for (i = 0; i < 3; i++)
		bad |= ask(&c[i], &c[i].after);
	for (i = 0; i < 3; i++) {
		stop(&c[i]);
		all += (double)(c[i].after - c[i].before);
	}
	for (i = 0; i < 3; i++) {
		share = (double)(c[i].after - c[i].before) / all;
		printf("# weight %u: %.2f %% of %.2f s engine time, entitled to %.2f %%\n", weight[i], share * 100, all / 1e9,
		       weight[i] * 100 / 7.0);
		share -= weight[i] / 7.0;
		worst = share > worst ? share : -share > worst ? -share : worst;
	}
	snprintf(text, sizeof(text), "weights 1:2:4 give shares within 1 %% over %u s: off by %.2f %% at most", seconds, worst * 100);
	check(!bad && worst <= 0.01, text);
	check(all > seconds * 1e9 * 0.5, "the engine was busy");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void deadline(uint32_t engine, unsigned int seconds)
{
	const uint64_t period = 50 * MS, within = 40 * MS;
	struct drm_dseek_queue_create q = { .engine = engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE, .budget_ns = 10 * MS,
					    .period_ns = period };
	uint32_t n = 0, max = (uint32_t)(seconds * SEC / period), program, missed = 0;
	uint64_t *took = calloc(max, sizeof(*took)), next, seqno;
	struct child c[2] = { { 0 } };
	struct drm_dseek_queue_query counters = { 0 };
	struct drm_dseek_wait w;
	struct drm_dseek_job job;
	struct script s;
	char text[160];
	int fd = open_node(), r = 0;

	if (!took || fd < 0 || program_create(fd, &program) || call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &q)) {
		check(0, "a deadline queue");
		return;
	}
	if (start(&c[0], 1001, engine, 1) || start(&c[1], 1002, engine, 4)) {
		check(0, "two batch tenants");
		return;
	}
	sleep(1);
	job_of(&job, &s, program, JOB_US);
	for (next = now_ns(); n < max && !r; n++, next += period) {
		uint64_t now = now_ns();

		if (now < next)
			sleep_ns(next - now);
		job.deadline_ns = now_ns() + within;
		r = submit(fd, q.handle, &job, 1, &seqno);
		if (r == -ETIME) {	/* refused now, rather than late */
			missed++;
			took[n] = within;
			r = 0;
			continue;
		}
		w = (struct drm_dseek_wait){ .queue = q.handle, .seqno = seqno, .deadline_ns = now_ns() + 20 * SEC };
		if (!r)
			r = call(fd, DRM_IOCTL_DSEEK_WAIT, &w);
		took[n] = w.end_ns - w.submit_ns;
	}
	stop(&c[0]);
	stop(&c[1]);
	counters.handle = q.handle;
	call(fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &counters);
	qsort(took, n, sizeof(*took), by_value);
	printf("# %u jobs of %.1f ms each %.0f ms beside two batch tenants: p50 %.1f ms, p99 %.1f ms, worst %.1f ms, missed %llu, refused %u\n", n,
	       JOB_US / 1e3, (double)period / 1e6, (double)took[n / 2] / 1e6, (double)took[n * 99 / 100] / 1e6,
	       (double)took[n - 1] / 1e6, (unsigned long long)counters.deadline_misses, missed);
	snprintf(text, sizeof(text), "a deadline tenant's p99 is %.1f ms of %.0f while two batch tenants saturate",
		 (double)took[n * 99 / 100] / 1e6, (double)within / 1e6);
	check(!r && took[n * 99 / 100] <= within, text);
	close(fd);
	free(took);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 10;
	struct test_exec e;

	setlinebuf(stdout);
	if (exec_start(&e, "shares0", 2)) {
		check(0, "an executor");
		return 1;
	}
	weights(e.engine, seconds);
	deadline(e.engine, seconds);
	exec_stop(&e);
	printf("1..%d\n", number);
	return failed;
}
