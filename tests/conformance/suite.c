// SPDX-License-Identifier: MIT
/* Running the tests, and what they share. */
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "suite.h"

#define TEST_SECONDS	60	/* if DSEEK_TEST_SECONDS says no other */

static const struct {
	const char *name;
	const struct test *tests;
} groups[] = {
	{ "device", device_tests }, { "bo", bo_tests }, { "program", program_tests }, { "queue", queue_tests },
	{ "job", job_tests }, { "order", order_tests }, { "sync", sync_tests }, { "exec", exec_tests },
	{ "preempt", preempt_tests }, { "recover", recover_tests }, { "share", share_tests }, { "fault", fault_tests },
	{ "choice", choice_tests }, { "memory", memory_tests },
};

static const char *spec = "embed:";
static char skip_reason[200];

void fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# %s:%d: ", file, line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, sizeof(skip_reason), format, args);
	va_end(args);
	if (write(3, skip_reason, strlen(skip_reason)) < 0)
		_exit(1);
	_exit(77);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t in_ms(uint64_t ms)
{
	return now_ns() + ms * 1000000;
}

/* ---- devices */

bool on_embed(void)
{
	return strncmp(spec, "embed:", 6) == 0;
}

struct dseek_device *device_open_as(const char *keys, const char *tenant)
{
	struct dseek_open_params params = { .tenant = tenant };
	struct dseek_device *dev;
	char full[512];

	/* A test that wants an engine of its own gets it without the caller's keys, which may be for another backend. */
	if (on_embed() && keys && strstr(keys, "engine="))
		snprintf(full, sizeof(full), "embed:conformance,%s", keys);
	else if (on_embed())
		snprintf(full, sizeof(full), "embed:conformance,%s%s%s", spec[6] ? spec + 6 : "engine=null,spin=1",
			 keys ? "," : "", keys ? keys : "");
	else
		snprintf(full, sizeof(full), "%s", spec);
	CHECK_OK(dseek_open(full, &params, &dev));
	return dev;
}

struct dseek_device *device_open(const char *keys)
{
	return device_open_as(keys, NULL);
}

uint32_t any_engine(struct dseek_device *dev)
{
	struct dseek_engine_info info;

	if (dseek_engine_find(dev, NULL, &info))
		skip("no engine is attached");
	return info.id;
}

/* ---- being the executor */

const char *manual_path(void)
{
	return on_embed() ? "embed:conformance" : getenv("DSEEK_EXEC_DEVICE") ?: "/dev/dseek-exec";
}

void manual_attach(struct manual *m)
{
	struct drm_dseek_attach attach = { .type = DRM_DSEEK_ENGINE_NULL, .depth = m->depth, .numa_node = -1 };

	strcpy((char *)attach.name, m->name);
	CHECK_OK(dseek_exec_attach(manual_path(), &attach, &m->exec));
	m->engine = attach.engine;
}

void manual_open_as(struct manual *m, const char *name, uint32_t depth, const char *keys)
{
	char all[256];

	if (!on_embed() && access(manual_path(), R_OK | W_OK))
		skip("%s can't be opened", manual_path());
	snprintf(all, sizeof(all), "engine=none%s%s", keys ? "," : "", keys ? keys : "");
	m->dev = device_open(all);
	m->depth = depth;
	snprintf(m->name, sizeof(m->name), "%s", name);
	manual_attach(m);
}

void manual_open(struct manual *m, uint32_t depth, const char *keys)
{
	char name[sizeof(m->name)];

	snprintf(name, sizeof(name), "conf-%d", getpid());
	manual_open_as(m, name, depth, keys);
}

void manual_close(struct manual *m)
{
	dseek_exec_detach(m->exec);
	dseek_close(m->dev);
}

uint32_t manual_fetch(struct manual *m, uint32_t *tags, uint32_t max, uint64_t ms)
{
	struct drm_dseek_next next = {
		.tags = (uintptr_t)tags, .tag_max = max, .deadline_ns = ms ? in_ms(ms) : 0,
	};

	CHECK_OK(dseek_exec_next(m->exec, &next));
	return next.tag_count;
}

uint32_t manual_fetch_one(struct manual *m)
{
	uint32_t tag;

	CHECK_EQ(manual_fetch(m, &tag, 1, 5000), 1);
	return tag;
}

int manual_complete(struct manual *m, const struct drm_dseek_completion *c, uint32_t count, uint32_t *ret_completed)
{
	struct drm_dseek_next next = { .completions = (uintptr_t)c, .completion_count = count };
	int r = dseek_exec_next(m->exec, &next);

	if (ret_completed)
		*ret_completed = next.completed;
	return r;
}

void manual_done(struct manual *m, uint32_t tag, int error, uint64_t engine_ns)
{
	struct drm_dseek_completion c = { .tag = tag, .error = error, .engine_ns = engine_ns };

	CHECK_OK(manual_complete(m, &c, 1, NULL));
}

void manual_yield(struct manual *m, uint32_t tag, uint64_t cursor, uint64_t engine_ns)
{
	struct drm_dseek_completion c = {
		.tag = tag, .outcome = DRM_DSEEK_OUTCOME_YIELD, .engine_ns = engine_ns, .cursor = cursor,
	};

	CHECK_OK(manual_complete(m, &c, 1, NULL));
}

/* ---- objects */

static struct dseek_program *build(struct dseek_device *dev, struct dseek_builder *b)
{
	struct dseek_program *prog;
	size_t size;
	void *blob;

	if (dseek_builder_finish(b, &blob, &size))
		fail(__FILE__, __LINE__, "build: %s", dseek_builder_error(b));
	CHECK_OK(dseek_program_create(dev, blob, size, &prog));
	free(blob);
	dseek_builder_destroy(b);
	return prog;
}

static struct dseek_program_op op_of(uint16_t code)
{
	struct dseek_program_op op = { .code = code };

	memset(op.t, 0xff, sizeof(op.t));
	return op;
}

struct dseek_program *program_nop(struct dseek_device *dev)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = op_of(DSEEK_OP_NOP);

	dseek_builder_op(b, &op);
	return build(dev, b);
}

struct dseek_program *program_spin(struct dseek_device *dev, uint32_t us, uint32_t ops)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = op_of(DSEEK_OP_SPIN);

	op.i[0] = us;
	while (ops--)
		dseek_builder_op(b, &op);
	return build(dev, b);
}

struct dseek_program *program_add(struct dseek_device *dev)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { 1, 64 },
					  .ne_param = { DSEEK_NO_PARAM, 0, DSEEK_NO_PARAM, DSEEK_NO_PARAM } };
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = op_of(DSEEK_OP_ADD);
	int i;

	dseek_builder_param(b, 1, 64);
	for (i = 0; i < 3; i++) {
		t.binding = dseek_builder_binding(b, i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE, 256);
		op.t[i] = dseek_builder_tensor(b, &t);
	}
	dseek_builder_op(b, &op);
	return build(dev, b);
}

struct dseek_queue *queue_fair(struct dseek_device *dev, uint32_t engine, uint32_t sched_class, uint32_t weight)
{
	struct dseek_queue_params params = { .engine = engine, .sched_class = sched_class, .weight = weight };
	struct dseek_queue *queue;

	CHECK_OK(dseek_queue_create(dev, &params, &queue));
	return queue;
}

struct dseek_queue *queue_deadline(struct dseek_device *dev, uint32_t engine, uint64_t budget_ns, uint64_t period_ns)
{
	struct dseek_queue_params params = {
		.engine = engine, .sched_class = DSEEK_CLASS_DEADLINE, .budget_ns = budget_ns, .period_ns = period_ns,
	};
	struct dseek_queue *queue;

	CHECK_OK(dseek_queue_create(dev, &params, &queue));
	return queue;
}

uint64_t submit_one(struct dseek_queue *queue, const struct dseek_job *job)
{
	uint64_t seqno;

	CHECK_EQ(dseek_submit(queue, job, 1, &seqno, NULL), 1);
	return seqno;
}

uint64_t submit_program(struct dseek_queue *queue, struct dseek_program *prog)
{
	struct dseek_job job = { .program = prog };

	return submit_one(queue, &job);
}

struct dseek_job_result wait_for(struct dseek_queue *queue, uint64_t seqno)
{
	struct dseek_job_result result;

	CHECK_OK(dseek_wait(queue, seqno, in_ms(20000), &result));
	return result;
}

/* ---- running */

static bool wanted(const char *group, const char *name, char **filters)
{
	char full[128];

	snprintf(full, sizeof(full), "%s %s", group, name);
	if (!*filters)
		return true;
	for (; *filters; filters++)
		if (strstr(full, *filters))
			return true;
	return false;
}

static void run(const char *group, const struct test *test, unsigned int seconds, int number, int *failed)
{
	int reason[2], status;
	char why[200] = "";
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe(reason))
		exit(1);
	pid = fork();
	if (pid < 0)
		exit(1);
	if (pid == 0) {
		dup2(reason[1], 3);
		alarm(seconds);
		test->fn();
		exit(0);	/* with what sanitizers do at exit */
	}
	close(reason[1]);
	waitpid(pid, &status, 0);
	n = read(reason[0], why, sizeof(why) - 1);
	close(reason[0]);
	why[n > 0 ? n : 0] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %d %s %s\n", number, group, test->name);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("ok %d %s %s # SKIP %s\n", number, group, test->name, why);
	} else {
		*failed = 1;
		if (WIFSIGNALED(status))
			printf("# %s\n", WTERMSIG(status) == SIGALRM ? "no end after its time limit" :
			       strsignal(WTERMSIG(status)));
		printf("not ok %d %s %s\n", number, group, test->name);
	}
}

/*
 * suite [-d DEVICE] [-l] [WORD]...: the tests whose name has one of the words. DEVICE, else $DSEEK_DEVICE: "drm:", or
 * "embed:" and keys ("embed:engine=cpu"). $DSEEK_EXEC_DEVICE: the executor device, where it isn't /dev/dseek-exec.
 * $DSEEK_TEST_SECONDS: a test's time limit.
 */
int main(int argc, char **argv)
{
	const char *limit = getenv("DSEEK_TEST_SECONDS");
	unsigned int seconds = limit ? (unsigned int)atoi(limit) : TEST_SECONDS;
	bool list = false;
	int number = 0, failed = 0, c;
	const struct test *test;
	size_t g;

	if (getenv("DSEEK_DEVICE"))
		spec = getenv("DSEEK_DEVICE");
	while ((c = getopt(argc, argv, "d:l")) != -1) {
		if (c == 'd')
			spec = optarg;
		else if (c == 'l')
			list = true;
		else
			return 2;
	}
	/* Descriptor 3 carries the reason of a skip. */
	if (dup2(1, 3) < 0)
		return 1;
	for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (test = groups[g].tests; test->name; test++) {
			if (!wanted(groups[g].name, test->name, argv + optind))
				continue;
			if (list)
				printf("%s %s\n", groups[g].name, test->name);
			else
				run(groups[g].name, test, seconds, ++number, &failed);
		}
	}
	if (!list)
		printf("1..%d\n", number);
	return failed;
}
