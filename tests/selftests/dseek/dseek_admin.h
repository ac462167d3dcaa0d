/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the tests of the ledger and of the administrator's files share: sysfs, cgroups, opening as someone. */
#ifndef DSEEK_ADMIN_H
#define DSEEK_ADMIN_H

#include "dseek_test.h"
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define ADMIN		"/sys/class/misc/dseek-exec/device/"
#define ALL		ADMIN "tenants"
#define CGROUPS		"/sys/fs/cgroup"

static inline int text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Without the newline at its end. */
static inline int text_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (n > 0) {
		text[n] = '\0';
		if (text[n - 1] == '\n')
			text[n - 1] = '\0';
	}
	return err;
}

static inline int set(const char *dir, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return text_write(path, text);
}

static inline int set_number(const char *dir, const char *name, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)number);
	return set(dir, name, text);
}

/* A static buffer: good until the next call. */
static inline const char *get(const char *dir, const char *name)
{
	static char text[4096];
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (text_read(path, text, sizeof(text)))
		snprintf(text, sizeof(text), "(%s: %s)", path, strerror(errno));
	return text;
}

static inline uint64_t get_number(const char *dir, const char *name)
{
	return strtoull(get(dir, name), NULL, 10);
}

static inline bool exists(const char *dir)
{
	return !access(dir, F_OK);
}

static inline int policy_add(const char *label)
{
	return set(ALL, "add", label);
}

static inline int policy_remove(const char *label)
{
	return set(ALL, "remove", label);
}

/* Everything that is held of what this tenant is charged for, as text. */
static inline void held(const char *dir, char *text, size_t size)
{
	static const char *const names[] = { "pinned_bytes", "imported_bytes", "device_bytes", "program_bytes",
					     "registered_bytes", "queue_count", "job_count" };
	size_t at = strlen(text), i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		at += (size_t)snprintf(text + at, size - at, "%s %s\n", names[i], get(dir, names[i]));
}

static inline bool holds_nothing(const char *dir)
{
	char text[512] = "";

	held(dir, text, sizeof(text));
	return !strcmp(text, "pinned_bytes 0\nimported_bytes 0\ndevice_bytes 0\nprogram_bytes 0\nregistered_bytes 0\n"
			     "queue_count 0\njob_count 0\n");
}

/* What a kill or a close gives back may take a moment. */
static inline bool soon_holds_nothing(const char *dir)
{
	int i;

	for (i = 0; i < 100 && !holds_nothing(dir); i++)
		sleep_ns(50 * MS);
	return holds_nothing(dir);
}

/* ---- cgroups, below CGROUPS; "" is the root */

static inline int cgroup_join(const char *path)
{
	char dir[256];

	snprintf(dir, sizeof(dir), CGROUPS "%s", path);
	return set(dir, "cgroup.procs", "0");
}

static inline int cgroup_make(const char *path)
{
	char dir[256];

	snprintf(dir, sizeof(dir), CGROUPS "%s", path);
	return mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
}

/* Processes that have ended may still be there for a moment. */
static inline int cgroup_unmake(const char *path)
{
	char dir[256];
	int i;

	snprintf(dir, sizeof(dir), CGROUPS "%s", path);
	for (i = 0; i < 100 && rmdir(dir); i++) {
		if (errno == ENOENT)
			break;
		sleep_ns(20 * MS);
	}
	return exists(dir) ? -EBUSY : 0;
}

static inline int open_in(const char *cgroup)
{
	int fd, r = cgroup_join(cgroup);

	if (r)
		return r;
	fd = open_node();
	fd = fd < 0 ? -errno : fd;
	r = cgroup_join("");
	return r ? r : fd;
}

static inline int open_as(uid_t uid)
{
	int fd;

	if (seteuid(uid))
		return -errno;
	fd = open_node();
	fd = fd < 0 ? -errno : fd;
	return seteuid(0) ? -errno : fd;
}

#endif /* DSEEK_ADMIN_H */
