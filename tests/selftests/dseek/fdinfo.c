// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* /proc/PID/fdinfo of the render node: the keys of Documentation/gpu/drm-usage-stats.rst, their grammar, and their figures. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <ctype.h>

#define PAGE	4096ULL
#define ENGINE	"fdinfo0"

struct fdinfo {
	char text[8192];
};

static int fdinfo_read(int fd, struct fdinfo *info)
{
	char path[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = open(path, O_RDONLY | O_CLOEXEC);
	if (f < 0)
		return -errno;
	n = read(f, info->text, sizeof(info->text) - 1);
	close(f);
	if (n < 0)
		return -errno;
	info->text[n] = 0;
	return 0;
}

/* Where the value of @key begins, NULL if it isn't there exactly once. */
static const char *value(const struct fdinfo *info, const char *key)
{
	const char *line = info->text, *found = NULL;
	size_t len = strlen(key);

	while (line && *line) {
		if (!strncmp(line, key, len) && line[len] == ':') {
			if (found)
				return NULL;
			found = line + len + 1 + strspn(line + len + 1, " \t");
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return found;
}

/* "<uint> <unit>"; a unit of bytes scales it. -1: not that. */
static long long number(const struct fdinfo *info, const char *key, const char *unit)
{
	const char *v = value(info, key);
	long long n;
	char *end;

	if (!v || !isdigit((unsigned char)*v))
		return -1;
	n = strtoll(v, &end, 10);
	if (!*unit)
		return *end == '\n' ? n : -1;
	if (!strcmp(unit, "bytes")) {
		if (*end == '\n')
			return n;
		if (!strncmp(end, " KiB\n", 5))
			return n << 10;
		return strncmp(end, " MiB\n", 5) ? -1 : n << 20;
	}
	return *end == ' ' && !strncmp(end + 1, unit, strlen(unit)) && end[1 + strlen(unit)] == '\n' ? n : -1;
}

static int is_text(const struct fdinfo *info, const char *key, const char *text)
{
	const char *v = value(info, key);

	return v && !strncmp(v, text, strlen(text)) && v[strlen(text)] == '\n';
}

FIXTURE(fdinfo) {
	int fd;
	uint32_t queue;
	struct test_exec exec;
	struct script script;
	struct drm_dseek_job job;
	struct fdinfo info;
};

FIXTURE_SETUP(fdinfo)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, exec_start(&self->exec, ENGINE, 1));
	ASSERT_EQ(0, queue_create(self->fd, self->exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &self->queue));
	ASSERT_EQ(0, program_create(self->fd, &self->job.program));
	self->job.consts = (uintptr_t)&self->script;
	self->job.const_size = sizeof(self->script);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close(self->fd);
	exec_stop(&self->exec);
}

#define LOOK() ASSERT_EQ(0, fdinfo_read(self->fd, &self->info))

/* Keys end in a colon, hold no blanks, and are ours or DRM's (or the VFS's own four). */
TEST_F(fdinfo, grammar)
{
	static const char *const vfs[] = { "pos", "flags", "mnt_id", "ino", NULL };
	const char *line, *colon, *end;
	int i, known;

	LOOK();
	for (line = self->info.text; *line; line = end + 1) {
		end = strchr(line, '\n');
		ASSERT_NE(NULL, end);
		colon = memchr(line, ':', (size_t)(end - line));
		ASSERT_NE(NULL, colon) { TH_LOG("%.*s", (int)(end - line), line); }
		EXPECT_NE(' ', line[0]);
		EXPECT_EQ(NULL, memchr(line, ' ', (size_t)(colon - line))) { TH_LOG("%.*s", (int)(end - line), line); }
		EXPECT_TRUE(colon[1] == '\t' || colon[1] == ' ') { TH_LOG("%.*s", (int)(end - line), line); }
		known = !strncmp(line, "drm-", 4) || !strncmp(line, "dseek-", 6);
		for (i = 0; vfs[i]; i++)
			known |= !strncmp(line, vfs[i], strlen(vfs[i])) && line[strlen(vfs[i])] == ':';
		EXPECT_TRUE(known) { TH_LOG("%.*s", (int)(end - line), line); }
	}
	EXPECT_TRUE(is_text(&self->info, "drm-driver", "dseek"));
	EXPECT_LT(0, number(&self->info, "drm-client-id", ""));
	EXPECT_EQ(NULL, strstr(self->info.text, "drm-pdev"));	/* there is no PCI device */
	EXPECT_LE(0, number(&self->info, "drm-engine-" ENGINE, "ns"));
	EXPECT_EQ(NULL, strstr(self->info.text, "drm-engine-capacity"));
	EXPECT_EQ(NULL, strstr(self->info.text, "drm-cycles"));
}

TEST_F(fdinfo, clients)
{
	int again = dup(self->fd), other = open_node();
	long long id;

	LOOK();
	id = number(&self->info, "drm-client-id", "");
	ASSERT_EQ(0, fdinfo_read(again, &self->info));
	EXPECT_EQ(id, number(&self->info, "drm-client-id", ""));
	ASSERT_EQ(0, fdinfo_read(other, &self->info));
	EXPECT_NE(id, number(&self->info, "drm-client-id", ""));
	EXPECT_EQ(0, number(&self->info, "drm-engine-" ENGINE, "ns"));
	EXPECT_EQ(0, number(&self->info, "dseek-queues", ""));
	close(again);
	close(other);
}

TEST_F(fdinfo, engine_time)
{
	struct drm_dseek_wait w = { .queue = self->queue, .deadline_ns = now_ns() + 20 * SEC };
	long long before, ns = 0, last;
	uint64_t charged = 0, seqno;
	int i;

	for (i = 0; i < 5; i++) {
		self->script = (struct script){ SCRIPT_BUSY, 3000 };
		ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
		w.seqno = seqno;
		ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_WAIT, &w));
		charged += w.engine_ns;
	}
	LOOK();
	before = number(&self->info, "drm-engine-" ENGINE, "ns");
	EXPECT_EQ(charged, before);
	EXPECT_LE(15 * MS, before);
	EXPECT_LE(charged, number(&self->info, "dseek-tenant-used-" ENGINE, "ns"));
	EXPECT_LT(0, number(&self->info, "dseek-tenant-entitled-" ENGINE, "ns"));

	/* while one runs it goes on, and it never goes back */
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, NULL));
	while (self->exec.fetched < 6)
		sleep_ns(MS);
	for (i = 0, last = before; i < 5; i++, last = ns) {
		sleep_ns(5 * MS);
		LOOK();
		ns = number(&self->info, "drm-engine-" ENGINE, "ns");
		EXPECT_LT(last, ns);
	}
	EXPECT_LE(before + 20 * (long long)MS, ns);
	EXPECT_EQ(1, number(&self->info, "dseek-jobs", ""));
	EXPECT_EQ(1, number(&self->info, "dseek-queues", ""));

	/* what a queue used stays when it goes, and a job that runs beyond it still counts */
	ASSERT_EQ(0, queue_destroy(self->fd, self->queue));
	exec_release(&self->exec);
	while (tenant_info(self->fd).jobs)
		sleep_ns(MS);
	LOOK();
	EXPECT_LE(ns, number(&self->info, "drm-engine-" ENGINE, "ns"));
	EXPECT_EQ(0, number(&self->info, "dseek-jobs", ""));
	EXPECT_EQ(0, number(&self->info, "dseek-queues", ""));
}

TEST_F(fdinfo, memory)
{
	struct drm_dseek_bo_madvise advice = { .advice = DRM_DSEEK_MADV_DONTNEED };
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	struct drm_dseek_binding binding = { .access = DRM_DSEEK_ACCESS_READ, .size = PAGE };
	uint32_t a, b, c;
	uint64_t seqno;
	int other;

	ASSERT_EQ(0, bo_create(self->fd, 4 * PAGE, &a));
	ASSERT_EQ(0, bo_create(self->fd, 8 * PAGE, &b));
	ASSERT_EQ(0, bo_create(self->fd, 16 * PAGE, &c));
	LOOK();
	EXPECT_EQ(28 * PAGE, number(&self->info, "drm-total-memory", "bytes"));
	EXPECT_EQ(28 * PAGE, number(&self->info, "drm-resident-memory", "bytes"));
	EXPECT_EQ(0, number(&self->info, "drm-shared-memory", "bytes"));
	EXPECT_EQ(0, number(&self->info, "drm-purgeable-memory", "bytes"));
	EXPECT_EQ(0, number(&self->info, "drm-active-memory", "bytes"));

	advice.handle = a;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_BO_MADVISE, &advice));
	LOOK();
	EXPECT_EQ(4 * PAGE, number(&self->info, "drm-purgeable-memory", "bytes"));

	/* given to another file of this process */
	other = open_node();
	prime.handle = b;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	ASSERT_EQ(0, call(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime));
	close(prime.fd);
	LOOK();
	EXPECT_EQ(8 * PAGE, number(&self->info, "drm-shared-memory", "bytes"));
	ASSERT_EQ(0, fdinfo_read(other, &self->info));
	EXPECT_EQ(8 * PAGE, number(&self->info, "drm-total-memory", "bytes"));
	EXPECT_EQ(8 * PAGE, number(&self->info, "drm-shared-memory", "bytes"));
	close(other);

	/* named by a job that isn't over */
	self->script = (struct script){ SCRIPT_HOLD, 0 };
	binding.handle = c;
	self->job.bindings = (uintptr_t)&binding;
	self->job.binding_count = 1;
	ASSERT_EQ(0, submit(self->fd, self->queue, &self->job, 1, &seqno));
	LOOK();
	EXPECT_EQ(16 * PAGE, number(&self->info, "drm-active-memory", "bytes"));
	exec_release(&self->exec);
	ASSERT_EQ(0, wait_job(self->fd, self->queue, seqno, 10 * SEC, NULL));

	ASSERT_EQ(0, bo_close(self->fd, c));
	LOOK();
	EXPECT_EQ(12 * PAGE, number(&self->info, "drm-total-memory", "bytes"));
	if (!access("/sys/kernel/debug/dseek/purge", W_OK)) {
		int f = open("/sys/kernel/debug/dseek/purge", O_WRONLY | O_CLOEXEC);

		ASSERT_EQ(1, write(f, "1", 1));
		close(f);
		LOOK();
		EXPECT_EQ(12 * PAGE, number(&self->info, "drm-total-memory", "bytes"));
		EXPECT_EQ(8 * PAGE, number(&self->info, "drm-resident-memory", "bytes"));
		EXPECT_EQ(0, number(&self->info, "drm-purgeable-memory", "bytes"));
	}
}

TEST_F(fdinfo, tenant)
{
	char name[32];

	LOOK();
	snprintf(name, sizeof(name), "%s", (char *)tenant_info(self->fd).name);
	EXPECT_TRUE(is_text(&self->info, "dseek-tenant", name));
}

TEST_HARNESS_MAIN
