// SPDX-License-Identifier: MIT
/*
 * Everything at once, in no order, on one embedded instance: tenants that come and go with jobs in flight, dependencies,
 * priorities, an executor that loses its engine again and again. Nothing may hang, leak or race (the sanitizers' builds look),
 * and in the end every ledger is back to nothing. storm [SECONDS [SEED [TRACE]]]
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <dseek.h>
#include <dseek_exec.h>
#include <dseek_program.h>

#define KEYS	"embed:storm,recovery_ms=30,engine=null,spin=1,depth=2,engine=null,spin=1"
#define CLIENTS	4
#define QUEUES	3

struct worker {
	pthread_t thread;
	unsigned int number, seed;
	uint64_t rounds, jobs, refused, faulted, moves;
};

static int stop;
static char spec[400];

#define MUST(cond) do { \
	if (!(cond)) { \
		printf("not ok 1 storm\n# %s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, dseek_strerror_detail()); \
		fflush(stdout); \
		abort(); \
	} \
} while (0)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned int dice(struct worker *w, unsigned int sides)
{
	return (unsigned int)rand_r(&w->seed) % sides;
}

static struct dseek_program *make_program(struct dseek_device *dev, struct worker *w, int with_buffer)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_SPIN };
	struct dseek_program *prog;
	unsigned int ops = 1 + dice(w, 4);
	size_t size;
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
	if (with_buffer)
		dseek_builder_binding(b, DSEEK_ACCESS_WRITE, 64);
	while (ops--) {
		op.i[0] = dice(w, 30);
		dseek_builder_op(b, &op);
	}
	MUST(dseek_builder_finish(b, &blob, &size) == 0);
	dseek_builder_destroy(b);
	MUST(dseek_program_create(dev, blob, size, &prog) == 0);
	free(blob);
	return prog;
}

static int make_queue(struct dseek_device *dev, struct worker *w, struct dseek_queue **ret_queue)
{
	struct dseek_queue_params params = { .sched_class = dice(w, DSEEK_CLASS_COUNT), .weight = 1 + dice(w, 100) };
	struct dseek_engine_info info;
	uint32_t engines = 0;

	while (dseek_engine_info(dev, engines, &info) == 0)
		engines++;
	params.engine = dice(w, engines);
	if (params.sched_class == DSEEK_CLASS_DEADLINE) {
		params.weight = 0;
		params.budget_ns = 100000;
		params.period_ns = 5000000;
	} else if (dice(w, 2)) {
		params.engines = 1ull << params.engine | dice(w, 1u << engines);
	}
	return dseek_queue_create(dev, &params, ret_queue);
}

static void submit_some(struct worker *w, struct dseek_queue *queue, struct dseek_program *prog, struct dseek_bo *bo,
			struct dseek_syncobj *syncobj, uint64_t *point)
{
	struct dseek_binding binding = { bo, 0, 4096, DSEEK_ACCESS_WRITE };
	struct dseek_sync wait, signal;
	struct dseek_job_result result;
	struct dseek_queue_stats stats;
	struct dseek_job job;
	uint64_t seqno = 0;
	unsigned int n = 1 + dice(w, 8);
	int r;

	while (n--) {
		job = (struct dseek_job) { .program = prog, .bindings = &binding, .binding_count = bo != NULL };
		job.flags = dice(w, 2) ? DSEEK_JOB_IDEMPOTENT : 0;
		if (dice(w, 3) == 0) {
			wait = (struct dseek_sync) { syncobj, dice(w, *point + 2) };
			job.waits = &wait;
			job.wait_count = 1;
		}
		if (dice(w, 3) == 0) {
			signal = (struct dseek_sync) { syncobj, dice(w, 8) ? ++*point : 0 };
			job.signals = &signal;
			job.signal_count = 1;
		}
		if (dice(w, 10) == 0)
			job.limit_ns = 1 + dice(w, 20000);
		r = dseek_submit(queue, &job, 1, &seqno, NULL);
		w->jobs += r > 0;
		w->refused += r <= 0;
	}
	if (!seqno || dice(w, 2))
		return;
	r = dseek_wait(queue, seqno, dice(w, 4) ? now_ns() + 10000000000 : now_ns() + dice(w, 100000), &result);
	MUST(r == 0 || r == -ETIME);
	w->faulted += r == 0 && result.error;
	if (r == 0 && dseek_queue_stats(queue, &stats) == 0)
		w->moves += stats.moves;
}

static void *client(void *arg)
{
	static const char *const names[] = { "gold", "silver", "bronze" };
	struct dseek_open_params params;
	struct dseek_program *plain, *bound;
	struct dseek_queue *queues[QUEUES];
	struct dseek_syncobj *syncobj;
	struct worker *w = arg;
	struct dseek_device *dev;
	struct dseek_bo *bo;
	uint64_t point;
	unsigned int i, steps;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		params.tenant = names[dice(w, 3)];
		MUST(dseek_open(spec, &params, &dev) == 0);
		plain = make_program(dev, w, 0);
		bound = make_program(dev, w, 1);
		MUST(dseek_bo_create(dev, 1 + dice(w, 200000), 0, -1, &bo) == 0);
		MUST(dseek_syncobj_create(dev, 0, &syncobj) == 0);
		point = 0;
		for (i = 0; i < QUEUES; i++)
			if (make_queue(dev, w, &queues[i]))
				queues[i] = NULL;
		for (steps = dice(w, 20); steps; steps--) {
			struct dseek_queue *queue = queues[dice(w, QUEUES)];

			if (!queue)
				continue;
			if (dice(w, 2))
				submit_some(w, queue, bound, bo, syncobj, &point);
			else
				submit_some(w, queue, plain, NULL, syncobj, &point);
		}
		/* In any order, with whatever is in flight. */
		if (dice(w, 2))
			dseek_close(dev), dev = NULL;
		dseek_bo_destroy(bo);
		dseek_syncobj_destroy(syncobj);
		dseek_program_destroy(plain);
		for (i = 0; i < QUEUES; i++)
			dseek_queue_destroy(queues[i]);
		dseek_program_destroy(bound);
		dseek_close(dev);
		w->rounds++;
	}
	return NULL;
}

/* Serves an engine of its own: finishes, yields, forgets, leaves. */
static void *executor(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct drm_dseek_attach attach = { .name = "second", .depth = 1 + dice(w, 4), .numa_node = -1 };
		struct drm_dseek_completion c[4];
		uint64_t retired[4];
		struct dseek_exec *exec;
		unsigned int turns = dice(w, 50), i;
		uint32_t tags[4];
		void *map;

		MUST(dseek_exec_attach(spec, &attach, &exec) == 0);
		while (turns--) {
			struct drm_dseek_next next = {
				.tags = (uintptr_t)tags, .tag_max = 4, .retired = (uintptr_t)retired, .retired_max = 4,
				.deadline_ns = now_ns() + 1000000,
			};
			int yield = dice(w, 4) == 0, r = dseek_exec_next(exec, &next);

			if (r == -ESTALE)
				break;
			MUST(r == 0);
			for (i = 0; i < next.retired_count; i++)
				MUST(dseek_exec_unmap(exec, retired[i]) == 0);
			for (i = 0; i < next.tag_count; i++) {
				if (dseek_exec_job(exec, tags[i])->binding_count && dseek_exec_map(exec, tags[i], 0, &map) == 0)
					*(volatile char *)map = 1;
				c[i] = (struct drm_dseek_completion) {
					.tag = tags[i], .outcome = yield ? DRM_DSEEK_OUTCOME_YIELD : DRM_DSEEK_OUTCOME_DONE,
					.error = !yield && dice(w, 10) == 0 ? -EIO : 0, .engine_ns = dice(w, 50000),
				};
			}
			if (dice(w, 20) == 0)
				break;		/* with all it holds */
			next = (struct drm_dseek_next) { .completions = (uintptr_t)c, .completion_count = next.tag_count };
			r = dseek_exec_next(exec, &next);
			MUST(r == 0 || r == -ESTALE);
		}
		dseek_exec_detach(exec);
		w->rounds++;
		if (dice(w, 5) == 0)
			usleep(50000);		/* longer than anyone waits for its return */
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 4, seed = argc > 2 ? atoi(argv[2]) : getpid(), i;
	struct worker workers[CLIENTS + 1] = { { 0 } };
	static const char *const names[] = { "gold", "silver", "bronze" };
	struct dseek_open_params params;
	struct dseek_device *keep;
	struct dseek_tenant_info info;
	uint64_t until;

	snprintf(spec, sizeof(spec), "%s%s%s", KEYS, argc > 3 ? ",trace=" : "", argc > 3 ? argv[3] : "");
	alarm(seconds * 10 + 60);
	printf("# seed %u\n", seed);
	MUST(dseek_open(spec, NULL, &keep) == 0);
	for (i = 0; i <= CLIENTS; i++) {
		workers[i].number = i;
		workers[i].seed = seed * 100 + i;
		MUST(pthread_create(&workers[i].thread, NULL, i < CLIENTS ? client : executor, &workers[i]) == 0);
	}
	sleep(seconds);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i <= CLIENTS; i++) {
		pthread_join(workers[i].thread, NULL);
		printf("# worker %u: %llu rounds, %llu jobs, %llu refused, %llu faults and %llu moves seen\n", i,
		       (unsigned long long)workers[i].rounds, (unsigned long long)workers[i].jobs,
		       (unsigned long long)workers[i].refused, (unsigned long long)workers[i].faulted,
		       (unsigned long long)workers[i].moves);
		MUST(workers[i].rounds > 0);
	}
	/* What was left running ends, and every ledger with it. */
	for (i = 0; i < 3; i++) {
		struct dseek_device *dev;

		params.tenant = names[i];
		MUST(dseek_open(spec, &params, &dev) == 0);
		until = now_ns() + 5000000000;
		do {
			MUST(dseek_tenant_info(dev, &info) == 0);
			usleep(1000);
		} while ((info.jobs || info.queues || info.pinned_bytes) && now_ns() < until);
		MUST(info.jobs == 0 && info.queues == 0 && info.pinned_bytes == 0);
		dseek_close(dev);
	}
	dseek_close(keep);
	printf("ok 1 storm\n1..1\n");
	return 0;
}
