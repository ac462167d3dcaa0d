// SPDX-License-Identifier: MIT
/* The module's files: /sys/class/misc/dseek-exec/device/{engines,tenants} and /sys/module/dseek/parameters. */
#include "ctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE "class/misc/dseek-exec/device"

static const char *sys(void)
{
	const char *root = getenv("DSEEK_SYSFS");

	return root && *root ? root : "/sys";
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

int ctl_open(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" DEVICE "/tenants", sys());
	if (is_dir(path))
		return CLI_OK;
	cli_log(CLI_ERROR, "%s is not there: the module dseek is not loaded (modprobe dseek), or is an older one", path);
	return CLI_FAILED;
}

int ctl_read(const char *dir, const char *file, char *ret_text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, ret_text, size - 1);
	r = n < 0 ? -errno : 0;
	close(fd);
	ret_text[n > 0 ? n : 0] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
	return r;
}

uint64_t ctl_read_number(const char *dir, const char *file)
{
	char text[CTL_VALUE];
	uint64_t number;

	return ctl_read(dir, file, text, sizeof(text)) || cli_parse_uint(text, &number) ? 0 : number;
}

int ctl_write(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX], line[CTL_NAME + 2];
	int fd, r, len;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	len = snprintf(line, sizeof(line), "%s\n", text);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, line, (size_t)len) < 0 ? -errno : 0;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

uint64_t ctl_default(const struct ctl_field *field)
{
	char dir[PATH_MAX], text[CTL_VALUE];
	uint64_t number;

	snprintf(dir, sizeof(dir), "%s/module/dseek/parameters", sys());
	if (!field->parameter || ctl_read(dir, field->parameter, text, sizeof(text)) || cli_parse_uint(text, &number))
		return UINT64_MAX;
	if (field->kind != CTL_BYTES)
		return number;
	if (number || !strcmp(field->name, "program_limit"))
		return number << 20;
	/* the module's rule for 0: half of the memory is a tenant's to pin, the rest is without limit */
	return strcmp(field->name, "pinned_limit") ? UINT64_MAX :
	       (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

void ctl_field_text(const char *dir, const struct ctl_field *field, char *ret_text, size_t size)
{
	char value[CTL_VALUE], otherwise[CTL_VALUE - 2];

	if (ctl_read(dir, field->name, value, sizeof(value))) {
		snprintf(ret_text, size, "?");
	} else if (strcmp(value, "default")) {
		ctl_field_format(field, value, ret_text, size);
	} else {
		ctl_format_number(field->kind, ctl_default(field), otherwise, sizeof(otherwise));
		snprintf(ret_text, size, "(%s)", otherwise);
	}
}

/* ---- names */

static int user_name(const char *user, char ret_name[CTL_NAME], char *ret_why, size_t size)
{
	const struct passwd *pw = getpwnam(user);

	if (!pw) {
		snprintf(ret_why, size, "'user:%s': there is no such user", user);
		return -EINVAL;
	}
	snprintf(ret_name, CTL_NAME, "uid:%u", pw->pw_uid);
	return 0;
}

static bool path_valid(const char *path)
{
	size_t len;

	do {
		if (*path++ != '/')
			return false;
		len = strcspn(path, "/");
		if (!len || len > NAME_MAX || (len <= 2 && !strncmp("..", path, len)))
			return false;
		path += len;
	} while (*path);
	return true;
}

int ctl_tenant_name(const char *text, char ret_name[CTL_NAME], char *ret_why, size_t size)
{
	uint64_t uid;

	if (!strncmp(text, "user:", 5))
		return user_name(text + 5, ret_name, ret_why, size);
	if (strlen(text) >= CTL_NAME) {
		snprintf(ret_why, size, "the tenant's name is longer than %d characters", CTL_NAME - 1);
		return -EINVAL;
	}
	if (strcmp(text, "all") &&
	    !(!strncmp(text, "uid:", 4) && !cli_parse_uint(text + 4, &uid) && uid < UINT32_MAX) &&
	    !(!strncmp(text, "cgroup:", 7) && path_valid(text + 7) && !strchr(text, '\n'))) {
		snprintf(ret_why, size, "'%.200s' is no tenant: it must be all, uid:NUMBER, user:NAME or cgroup:/PATH", text);
		return -EINVAL;
	}
	if (!strncmp(text, "uid:", 4))
		snprintf(ret_name, CTL_NAME, "uid:%" PRIu64, uid);
	else
		snprintf(ret_name, CTL_NAME, "%s", text);
	return 0;
}

/* Of a name that ctl_tenant_name() has passed. */
int ctl_tenant_dir(const char *name, char *ret_dir, size_t size)
{
	int n;

	if (!strcmp(name, "all"))
		n = snprintf(ret_dir, size, "%s/" DEVICE "/tenants", sys());
	else if (!strncmp(name, "uid:", 4))
		n = snprintf(ret_dir, size, "%s/" DEVICE "/tenants/uid/%s", sys(), name + 4);
	else
		n = snprintf(ret_dir, size, "%s/" DEVICE "/tenants/cgroup%s", sys(), name + 7);
	if (n >= (int)size)
		return -ENAMETOOLONG;
	return is_dir(ret_dir) ? 0 : -ENOENT;
}

static int change(const char *file, const char *name)
{
	char dir[PATH_MAX];
	int r = ctl_tenant_dir("all", dir, sizeof(dir));

	return r ? r : ctl_write(dir, file, name);
}

int ctl_tenant_add(const char *name)
{
	return change("add", name);
}

int ctl_tenant_remove(const char *name)
{
	return change("remove", name);
}

int ctl_engine_dir(const char *name, char *ret_dir, size_t size)
{
	if (!*name || *name == '.' || strchr(name, '/'))
		return -EINVAL;
	if (snprintf(ret_dir, size, "%s/" DEVICE "/engines/%s", sys(), name) >= (int)size)
		return -ENAMETOOLONG;
	return is_dir(ret_dir) ? 0 : -ENOENT;
}

/* ---- walks */

typedef int each_fn(const char *dir, const char *name, void *arg);

static int walk(const char *dir, bool deep, each_fn *each, void *arg)
{
	char path[PATH_MAX], name[CTL_NAME];
	struct dirent **entries;
	int n, i, r = 0;

	n = scandir(dir, &entries, NULL, versionsort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (i = 0; i < n; i++) {
		if (!r && entries[i]->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) < (int)sizeof(path) && is_dir(path)) {
			/* one that went meanwhile is no error */
			if (!deep)
				r = each(path, entries[i]->d_name, arg);
			else if (!ctl_read(path, "tenant_name", name, sizeof(name)))
				r = each(path, name, arg);
			if (!r && deep)
				r = walk(path, deep, each, arg);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int ctl_each_tenant(each_fn *each, void *arg)
{
	char dir[PATH_MAX];
	int r = ctl_tenant_dir("all", dir, sizeof(dir));

	r = r ? r : each(dir, "all", arg);
	return r ? r : walk(dir, true, each, arg);
}

int ctl_each_engine(each_fn *each, void *arg)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s/" DEVICE "/engines", sys());
	return walk(dir, false, each, arg);
}

const char *ctl_error(int err)
{
	switch (-err) {
	case EACCES:
	case EPERM:
		return "not permitted: only root sets it";
	case ERANGE:
		return "out of the module's range";
	case EINVAL:
		return "the module refuses it";
	case ENODEV:
		return "it went away meanwhile";
	case ENOENT:
		return "there is no such thing";
	default:
		return strerror(-err);
	}
}
