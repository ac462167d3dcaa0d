// SPDX-License-Identifier: MIT
/*
 * failover ROUNDS GAP_MS COMMAND...: COMMAND is an executor that stands by if it must (dseek-exec --standby); two of them are kept,
 * and the one that serves is killed, or stopped as one that hangs, ROUNDS times, while a tenant under its
 * own uid submits one idempotent job after the other. What the tenant saw of it: no error, and the longest gap
 * from one completion to the next, which, without the time that the machine stood still, must be shorter than GAP_MS. One that hangs is noticed after a tenth of that, twice.
 */
#include "stall.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dseek.h>
#include <dseek_program.h>

#define ENGINE		"failover0"
#define TENANT		1001
#define MS		1000000ull
#define SEC		(1000 * MS)
#define PARAMETERS	"/sys/module/dseek/parameters/"

#define LONG_GAPS	16
#define STALLED_NS	(20 * MS)	/* in a gap: others have the machine */

/* Shared with the tenant. */
struct seen {
	uint64_t done;			/* jobs complete */
	uint64_t gap_ns;		/* longest since it was last cleared */
	uint32_t long_count;		/* likewise: of a quarter of what is allowed, or longer */
	struct { uint64_t from, to; } longs[LONG_GAPS];
	int error;			/* the first */
	uint32_t timeouts;		/* jobs ended for being held by one that hangs */
};

static volatile struct seen *seen;
static int limit_ms;			/* of a job, and of the time of grace: a tenth of the gap */
static int again;			/* rounds that were done again */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / SEC), .tv_nsec = (long)(ns % SEC) };

	nanosleep(&t, NULL);
}

struct executor {
	pid_t pid;
	FILE *out;
	uint64_t generation;
};

static void tenant(void)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_job job = { .flags = DSEEK_JOB_IDEMPOTENT, .limit_ns = (uint64_t)limit_ms * MS };
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	struct dseek_job_result result;
	struct dseek_engine_info info;
	struct dseek_device *dev;
	struct dseek_queue *queue;
	uint64_t seqno, last, now;
	size_t size;
	void *blob;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(0, NULL) || setresgid(TENANT, TENANT, TENANT) || setresuid(TENANT, TENANT, TENANT))
		_exit(99);
	memset(op.t, 0xff, sizeof(op.t));
	dseek_builder_op(b, &op);
	if (dseek_builder_finish(b, &blob, &size) || dseek_open("drm:", NULL, &dev) ||
	    dseek_engine_find(dev, ENGINE, &info))
		_exit(98);
	params.engine = info.id;
	if (dseek_queue_create(dev, &params, &queue) || dseek_program_create(dev, blob, size, &job.program))
		_exit(97);
	for (last = now_ns();;) {
		result.error = 0;
		r = dseek_submit(queue, &job, 1, &seqno, NULL);
		if (r == 1)
			r = dseek_wait(queue, seqno, now_ns() + 30 * SEC, &result);
		now = now_ns();
		if (result.error == -ETIMEDOUT)
			seen->timeouts++;
		else if ((r || result.error) && !seen->error)
			seen->error = r ? r : result.error;
		if (now - last > seen->gap_ns)
			seen->gap_ns = now - last;
		if (now - last > 5 * (uint64_t)limit_ms * MS / 2 && seen->long_count < LONG_GAPS) {
			seen->longs[seen->long_count].from = last;
			seen->longs[seen->long_count].to = now;
			seen->long_count++;
		}
		last = now;
		seen->done++;
	}
}

static int executor_start(struct executor *e, char **command)
{
	int ends[2];

	if (pipe(ends))
		return -errno;
	e->pid = fork();
	if (!e->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(command[0], command);
		_exit(127);
	}
	close(ends[1]);
	e->out = fdopen(ends[0], "r");
	return e->pid < 0 ? -errno : 0;
}

/* Its next "READY=1 ... generation=N". */
static int executor_ready(struct executor *e)
{
	char line[256], *at;

	while (fgets(line, sizeof(line), e->out))
		if (!strncmp(line, "READY=1", 7) && (at = strstr(line, "generation="))) {
			e->generation = strtoull(at + 11, NULL, 10);
			return 0;
		}
	return -EPIPE;
}

static void executor_end(struct executor *e)
{
	if (!e->out)
		return;
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	fclose(e->out);
	e->out = NULL;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int number, failed;

static void check(int good, const char *what)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, what);
	failed |= !good;
}

static int parameter_set(const char *name, int ms)
{
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 || dprintf(fd, "%d", ms) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* That an executor has to stop a job, and to look for its first. */
static int grace_set(int ms)
{
	int r = parameter_set("job_limit_ms", ms);

	return r ? r : parameter_set("grace_ms", ms);
}

/* The longest of this round without the machine's stalls, and how long those were that it had. */
static uint64_t net_gap(uint64_t *stalled)
{
	uint64_t longest = 0, net;
	uint32_t i;

	*stalled = 0;
	if (!seen->long_count || seen->long_count == LONG_GAPS)	/* none, or too many to know of all */
		return seen->gap_ns;
	for (i = 0; i < seen->long_count; i++) {
		uint64_t within = stall_within(seen->longs[i].from, seen->longs[i].to);

		net = seen->longs[i].to - seen->longs[i].from - within;
		if (net > longest) {
			longest = net;
			*stalled = within;
		}
	}
	return longest;
}

/*
 * @signal: SIGKILL, or SIGSTOP for one that hangs. The time of grace is short only while one hangs: a busy host may
 * hold up the emulated CPU of one that doesn't for as long. pair[0] serves, here and afterwards. A round whose gap is too long
 * in a guest that stood still meanwhile says nothing of the module, as CPUs that stand still run slowly, too: it is done again,
 * which a run may do as often as it has rounds. 0, or -errno.
 */
static int rounds_of(struct executor pair[2], char **command, int signal, int rounds, uint64_t gap_ns, uint64_t *gaps, uint64_t *ret_net)
{
	int i, r = 0;

	*ret_net = 0;
	for (i = 0; i < rounds && !r; i++) {
		struct executor gone = pair[0];
		uint64_t until, before = seen->done, net, stalled;

		seen->gap_ns = 0;
		seen->long_count = 0;
		sleep_ns(20 * MS + (uint64_t)(i * 7 % 30) * MS);
		if (signal == SIGSTOP)
			grace_set(limit_ms);
		kill(gone.pid, signal);
		r = executor_ready(&pair[1]);
		grace_set(20 * limit_ms);
		if (!r && pair[1].generation != gone.generation + 1)
			r = -ESTALE;
		/* until the tenant has been served by the new one */
		before = seen->done;
		for (until = now_ns() + 10 * SEC; seen->done < before + 2 && now_ns() < until;)
			sleep_ns(MS);
		if (seen->done < before + 2)
			r = -ETIME;
		pair[0] = pair[1];
		executor_end(&gone);
		if (!r)
			r = executor_start(&pair[1], command);
		if (!r)
			r = executor_ready(&pair[1]);
		gaps[i] = seen->gap_ns;
		net = net_gap(&stalled);	/* by now the watchers have said what they saw */
		if (!r && net >= gap_ns && stalled >= STALLED_NS && again < 2 * rounds) {
			printf("# gap of %.1f ms while the machine stood still for %.1f ms: again\n", (double)gaps[i] / MS, (double)stalled / MS);
			again++;
			i--;
			continue;
		}
		if (net > *ret_net)
			*ret_net = net;
	}
	qsort(gaps, (size_t)i, sizeof(*gaps), by_size);
	return r;
}

int main(int argc, char **argv)
{
	static const struct { int signal; const char *what; } kinds[] = {
		{ SIGKILL, "killed" },
		{ SIGSTOP, "hanging" },
	};
	struct executor pair[2];
	int rounds = argc > 1 ? atoi(argv[1]) : 0, gap_ms = argc > 2 ? atoi(argv[2]) : 0, r, kind;
	uint64_t *gaps, net;
	char line[128];
	pid_t pid;

	if (argc < 4 || rounds < 1 || gap_ms < 10) {
		fprintf(stderr, "usage: failover ROUNDS GAP_MS COMMAND...\n");
		return 2;
	}
	setlinebuf(stdout);
	gaps = calloc((size_t)rounds, sizeof(*gaps));
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	limit_ms = gap_ms / 10;
	r = grace_set(20 * limit_ms);
	r = r ? r : stall_watch();
	argv += 3;
	if (!gaps || seen == MAP_FAILED || r || executor_start(&pair[0], argv) || executor_ready(&pair[0]) ||
	    executor_start(&pair[1], argv) || executor_ready(&pair[1])) {
		printf("not ok 1 the executors start (%d)\n", r);
		return 1;
	}
	check(pair[0].generation == 1 && pair[1].generation == 0, "one serves, the other stands by");
	pid = fork();
	if (!pid)
		tenant();
	while (!seen->done && !waitpid(pid, NULL, WNOHANG))
		sleep_ns(MS);
	sleep_ns(500 * MS);
	printf("# limit of a job and grace %d ms; nothing happens: longest gap %.1f ms\n", limit_ms, (double)seen->gap_ns / MS);
	for (kind = 0; kind < 2; kind++) {
		r = rounds_of(pair, argv, kinds[kind].signal, rounds, (uint64_t)gap_ms * MS, gaps, &net);
		snprintf(line, sizeof(line), "%d fail-overs from one %s: service goes on within %d ms", rounds, kinds[kind].what, gap_ms);
		if (r)
			printf("# error %d\n", r);
		check(!r && net < (uint64_t)gap_ms * MS, line);
		printf("# %s: gap p50 %.1f ms, longest %.1f ms, without the machine's stalls (up to %.1f ms) %.1f ms\n", kinds[kind].what,
		       (double)gaps[rounds / 2] / MS, (double)gaps[rounds - 1] / MS, (double)stall_longest() / MS, (double)net / MS);
	}
	snprintf(line, sizeof(line), "%llu jobs, none failed but those that hung (%u of at most %d)",
		 (unsigned long long)seen->done, seen->timeouts, rounds + again);
	if (seen->error)
		printf("# first error %d\n", seen->error);
	check(!seen->error && seen->timeouts <= (uint32_t)(rounds + again), line);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	executor_end(&pair[0]);
	executor_end(&pair[1]);
	return failed;
}
