// SPDX-License-Identifier: MIT
#include "reload.h"
#include <dirent.h>

static const int outcome_errno[OUTCOMES] = { 0, ENOENT, ENODEV, ENXIO, EACCES };

struct window window_open(void)
{
	return (struct window){ atomic_load(&shared->unload), atomic_load(&shared->load) };
}

void tried(enum way way, struct window since, int err, const char *what)
{
	struct way_count *count = &shared->ways[way];
	bool amid_unload = since.unload % 2 || since.unload != atomic_load(&shared->unload);
	bool amid_load = since.load % 2 || since.load != atomic_load(&shared->load);
	int i;

	for (i = 0; i < OUTCOMES && outcome_errno[i] != err; i++)
		;
	/* a node belongs to root until its permissions are set, and devtmpfs takes them away before it removes one */
	if (i == OUTCOMES || (i == IS_EACCES && !amid_load && !amid_unload)) {
		bad("%s: %s", what, strerror(err));
		return;
	}
	atomic_fetch_add(&count->outcomes[i], 1);
	atomic_fetch_add(&count->amid_unload, amid_unload);
	atomic_fetch_add(&count->amid_load, amid_load);
}

int try_node(void)
{
	struct drm_dseek_device_info info;
	struct window w = window_open();
	int fd = open_node(), r;

	tried(TRY_NODE, w, fd < 0 ? errno : 0, "open of the node");
	if (fd < 0)
		return -1;
	r = query(fd, DRM_DSEEK_QUERY_DEVICE, 0, &info, sizeof(info));
	if (r)
		bad("the node is open, but a query says: %s", strerror(-r));
	return fd;
}

int try_exec(void)
{
	struct drm_dseek_attach attach = exec_attachment("", 1);	/* no name: refused before anything is done */
	struct window w = window_open();
	int fd = exec_open(), r;

	tried(TRY_EXEC, w, fd < 0 ? -fd : 0, "open of the executors' device");
	if (fd < 0)
		return -1;
	r = call(fd, DRM_IOCTL_DSEEK_ATTACH, &attach);
	if (r != -EINVAL)
		bad("the executors' device is open, but ATTACH without a name says: %s", strerror(-r));
	return fd;
}

int try_file(enum way way, const char *path, int flags)
{
	struct window w = window_open();
	int fd = open(path, flags | O_CLOEXEC);

	tried(way, w, fd < 0 ? errno : 0, path);
	return fd;
}

static void look_in(enum way way, const char *dir, int depth)
{
	char path[512], text[4096];
	struct window w = window_open();
	DIR *d = opendir(dir);
	struct dirent *e;
	ssize_t n;
	int fd;

	if (!d) {
		tried(way, w, errno, dir);
		return;
	}
	while ((e = readdir(d)) && atomic_load(&shared->phase) != QUIET) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR && depth) {
			look_in(way, path, depth - 1);
		} else if (e->d_type == DT_REG && strcmp(e->d_name, "add") && strcmp(e->d_name, "remove") && strcmp(e->d_name, "purge")) {
			fd = try_file(way, path, O_RDONLY);
			if (fd < 0)
				continue;
			w = window_open();
			n = read(fd, text, sizeof(text));
			tried(way, w, n < 0 ? errno : 0, path);
			close(fd);
		}
	}
	closedir(d);
}

static void try_write(const char *path, const char *text)
{
	struct window w = window_open();
	int r = text_write(path, text);

	if (r != -EINVAL)	/* there is no such engine or tenant */
		tried(TRY_SYSFS, w, -r, path);
}

void look(void)
{
	/* one that is held over a removal is dead, and keeps nothing */
	static int held = -1;
	char text[256];

	if (held >= 0 && pread(held, text, sizeof(text), 0) < 0) {
		if (errno == ENODEV)
			atomic_fetch_add(&shared->stale, 1);
		else
			bad("a file of sysfs that is held: %s", strerror(errno));
		close(held);
		held = -1;
	}
	if (held < 0)
		held = try_file(TRY_SYSFS, ALL "/pinned_bytes", O_RDONLY);
	switch (rnd(4)) {
	case 0:
		look_in(TRY_SYSFS, ADMIN "engines", 1);
		break;
	case 1:
		look_in(TRY_SYSFS, ALL, 2);
		break;
	case 2:
		try_write(ALL "/add", "uid:4242");
		try_write(ADMIN "tenants/uid/4242/weight_limit", "7");
		try_write(ALL "/remove", "uid:4242");
		break;
	default:
		try_write(ADMIN "engines/" ENGINE "/depth", "max");
		look_in(TRY_DEBUGFS, DEBUGFS, 0);
	}
}
