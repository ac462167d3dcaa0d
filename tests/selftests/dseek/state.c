// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* debugfs' state and bos: what hangs, on what it waits, which buffers there are: whole, and under load. Root only. */
#include "kselftest_harness.h"
#include "dseek_test.h"

#define DEBUGFS	"/sys/kernel/debug/dseek/"
#define STATE	DEBUGFS "state"
#define ENGINE	"state0"

/* @piece: bytes at a time. */
static int whole_read(const char *path, char *text, size_t size, size_t piece)
{
	size_t used = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, text + used, size - 1 - used < piece ? size - 1 - used : piece)) > 0)
		used += (size_t)n;
	close(fd);
	text[used] = 0;
	return n < 0 ? -errno : 0;
}

/* The first line from @from on that holds both, or "". */
static const char *line_with(const char *from, const char *a, const char *b)
{
	static char line[512];
	const char *end;

	for (; from && *from; from = end ? end + 1 : NULL) {
		end = strchr(from, '\n');
		snprintf(line, sizeof(line), "%.*s", (int)(end ? end - from : (long)strlen(from)), from);
		if (strstr(line, a) && strstr(line, b))
			return line;
	}
	return "";
}

static unsigned int lines_with(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

NEEDS(!access(STATE, R_OK), "no debugfs, or not root")

FIXTURE(state) {
	int fd;
	uint32_t queue;
	struct test_exec exec;
	struct script script;
	struct drm_dseek_job job;
	char *text;
	size_t size;
};

FIXTURE_SETUP(state)
{
	self->size = 1 << 20;
	self->text = malloc(self->size);
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 2));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 3, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	self->job.consts = (uintptr_t)&self->script;
	self->job.const_size = sizeof(self->script);
}

FIXTURE_TEARDOWN(state)
{
	close(self->fd);
	exec_stop(&self->exec);
	free(self->text);
}

#define LOOK() ASSERT_EQ(0, whole_read(STATE, self->text, self->size, self->size))
#define EXPECT_IN(line, what) EXPECT_NE(NULL, strstr(line, what)) { TH_LOG("%s: no %s", line, what); }

TEST_F(state, what_hangs)
{
	struct drm_dseek_sync sync = { 0 };
	struct drm_dseek_job job = self->job;
	uint32_t other, i;
	const char *line;
	char want[32];

	/* two held, two ready, one that waits for the first; twelve behind it */
	ASSERT_EQ(0, syncobj_create(self->fd, &sync.handle));
	job.signals = (uintptr_t)&sync;
	job.signal_count = 1;
	job.flags = DRM_DSEEK_JOB_IDEMPOTENT;
	ASSERT_EQ(0, submit(self->fd, self->queue, &job, 1, NULL));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	while (self->exec.fetched < 2)
		sleep_ns(MS);
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &other));
	job = self->job;
	job.waits = (uintptr_t)&sync;
	job.wait_count = 1;
	ASSERT_EQ(0, submit(self->fd, other, &job, 1, NULL));
	for (i = 0; i < 12; i++)
		ASSERT_EQ(0, submit(self->fd, other, &self->job, 1, NULL));
	sleep_ns(5 * MS);
	LOOK();

	line = line_with(self->text, "engine ", " " ENGINE " ");
	EXPECT_IN(line, " null attached generation ");
	EXPECT_IN(line, " depth 2 ready 2 held 2 ");
	snprintf(want, sizeof(want), " pid %d ", getpid());
	EXPECT_IN(line, want);
	line = line_with(self->text, "  queue ", " class batch weight 3 ");
	EXPECT_IN(line, want);
	EXPECT_IN(line, " jobs 4 running 2 submitted 4 completed 0 faulted 0 ");
	EXPECT_IN(line, " comm state ");
	line = line_with(self->text, "    job ", " seqno 1 state running ");
	EXPECT_IN(line, " oldest");
	EXPECT_IN(line, " idempotent");
	EXPECT_IN(line, " limit_us 30000000");
	EXPECT_LE(5000, atoi(strstr(line, " since_us ") + 10));
	line = line_with(self->text, "    job ", " seqno 2 state running ");
	EXPECT_EQ(NULL, strstr(line, " oldest"));
	EXPECT_STRNE("", line_with(self->text, "    job ", " seqno 3 state ready "));
	line = line_with(self->text, "  queue ", " class interactive ");
	EXPECT_IN(line, " jobs 13 running 0 ");
	line = line_with(self->text, "    job ", " seqno 1 state waiting ");
	EXPECT_IN(line, " waits 1");
	line = line_with(self->text, "      fence ", " queue");
	EXPECT_IN(line, " seqno 1: ");
	EXPECT_IN(line, " unsignalled");
	EXPECT_STRNE("", line_with(self->text, "    and 5 jobs more", ""));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, other, 13, 20 * SEC, NULL));
	LOOK();
	EXPECT_EQ(0, lines_with(self->text, "    job "));
}

TEST_F(state, unattended)
{
	const char *line;

	exec_stop(&self->exec);
	LOOK();
	line = line_with(self->text, "engine ", " " ENGINE " ");
	EXPECT_IN(line, " unattended ");
	EXPECT_IN(line, " recovery_ms ");
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 2));
	LOOK();
	line = line_with(self->text, "engine ", " " ENGINE " ");
	EXPECT_IN(line, " attached ");
	EXPECT_EQ(NULL, strstr(line, " recovery_ms "));
}

#define STABLE	50
static volatile int churn_stop;
static volatile unsigned int churned;

/* Queues come, get jobs, and go, while others read. */
static void *churn(void *arg)
{
	const struct drm_dseek_job *job = arg;
	struct drm_dseek_engine_info engine;
	int fd = open_node(), i;
	uint32_t queue, program;
	struct drm_dseek_job mine = *job;

	if (program_create(fd, &program))
		return NULL;
	mine.program = program;
	for (i = 0; !query(fd, DRM_DSEEK_QUERY_ENGINE, i, &engine, sizeof(engine)); i++)
		if (!strcmp((char *)engine.name, ENGINE))
			break;
	while (!churn_stop) {
		if (queue_create(fd, engine.id, DRM_DSEEK_CLASS_BATCH, 1, &queue))
			continue;
		for (i = 0; i < 10; i++)
			submit(fd, queue, &mine, 1, NULL);
		queue_destroy(fd, queue);
		churned++;
	}
	close(fd);
	return NULL;
}

TEST_F(state, under_load)
{
	uint32_t queues[STABLE], i, round;
	unsigned int before;
	pthread_t threads[2];
	char want[64];

	self->script = (struct script){ SCRIPT_DONE, 0 };
	for (i = 0; i < STABLE; i++)
		ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 100 + i, &queues[i]));
	churn_stop = 0;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn, &self->job));
	before = churned;
	for (round = 0; round < 100; round++) {
		LOOK();
		EXPECT_EQ(1, lines_with(self->text, " " ENGINE " "));
		for (i = 0; i < STABLE; i++) {
			snprintf(want, sizeof(want), " class interactive weight %u jobs ", 100 + i);
			ASSERT_EQ(1, lines_with(self->text, want)) { TH_LOG("round %u, queue %u", round, i); }
		}
	}
	EXPECT_LT(before, churned);
	churn_stop = 1;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- bos */

#define BUFFERS	600
#define CHURNED	64

/* Buffers come, are purged, and go. */
static void *churn_buffers(void *arg)
{
	struct drm_dseek_bo_madvise advice = { .advice = DRM_DSEEK_MADV_DONTNEED };
	uint32_t handles[CHURNED] = { 0 }, i;
	int fd = open_node(), purge = open(DEBUGFS "purge", O_WRONLY | O_CLOEXEC);

	for (i = 0; !churn_stop; i = (i + 7) % CHURNED) {	/* not in the order of making */
		if (handles[i])
			bo_close(fd, handles[i]);
		if (bo_create(fd, 4096, &handles[i]))
			break;
		advice.handle = handles[i];
		call(fd, DRM_IOCTL_DSEEK_BO_MADVISE, &advice);
		if (!(++churned % 16) && write(purge, "1", 1) != 1)
			break;
	}
	close(purge);
	close(fd);
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted, into @ids; how many. @ret_pages: of how many the page frames are told. */
static uint32_t bos_ids(const char *text, uint64_t *ids, uint32_t room, uint32_t *ret_pages)
{
	unsigned long long id, bytes, first, last;
	uint32_t n = 0;
	int handles, jobs, found;

	for (*ret_pages = 0; n < room && text && *text; text = strchr(text, '\n'), text += !!text) {
		found = sscanf(text, "id %llu bytes %llu handles %d jobs %d first_pfn 0x%llx last_pfn 0x%llx", &id, &bytes,
			       &handles, &jobs, &first, &last);
		if (found < 4)
			break;
		ids[n++] = id;
		*ret_pages += found == 6 && first && last;
	}
	qsort(ids, n, sizeof(*ids), by_id);
	return n;
}

TEST_F(state, every_buffer_once)
{
	uint64_t ids[BUFFERS + 4 * CHURNED], mine[BUFFERS];
	struct drm_dseek_bo_info info;
	uint32_t n, i, k, handle, pages, round;
	unsigned int before;
	pthread_t threads[2];

	for (i = 0; i < BUFFERS; i++) {
		ASSERT_EQ(0, bo_create(self->fd, 4096 * (1 + i % 3), &handle));
		ASSERT_EQ(0, bo_info(self->fd, handle, &info));
		mine[i] = info.id;
	}
	ASSERT_EQ(0, whole_read(DEBUGFS "bos", self->text, self->size, self->size));
	EXPECT_EQ(BUFFERS, bos_ids(self->text, ids, BUFFERS + 1, &pages));
	EXPECT_EQ(BUFFERS, pages);
	EXPECT_EQ(0, memcmp(ids, mine, sizeof(mine)));
	churn_stop = 0;
	before = churned;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_buffers, NULL));
	for (round = 0; round < 50; round++) {
		ASSERT_EQ(0, whole_read(DEBUGFS "bos", self->text, self->size, round % 2 ? 4096 : 301));
		n = bos_ids(self->text, ids, BUFFERS + 4 * CHURNED, &pages);
		EXPECT_LE(BUFFERS, pages);
		for (i = 1; i < n; i++)
			EXPECT_NE(ids[i - 1], ids[i]) { TH_LOG("round %u: twice", round); }
		for (i = 0, k = 0; i < n && k < BUFFERS; i++)
			k += ids[i] == mine[k];
		EXPECT_EQ(BUFFERS, k) { TH_LOG("round %u: one of %u is missing", round, n); }
	}
	EXPECT_LT(before, churned);
	churn_stop = 1;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

TEST_HARNESS_MAIN
