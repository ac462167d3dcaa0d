// SPDX-License-Identifier: MIT
/* The module, its engines, and the executors' device. */
#include "doctor.h"

#include <dseek.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXEC_NODE "/dev/dseek-exec"

int doctor_access(const struct doctor *d, const char *path, int mode)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	return access(full, mode) ? -errno : 0;
}

static int check_module(struct doctor *d)
{
	char version[64];

	if (!doctor_access(d, "/sys/module/dseek", F_OK)) {
		if (doctor_read(d, version, sizeof(version), "/sys/module/dseek/version"))
			version[0] = 0;
		doctor_add(d, "module", FINDING_OK, NULL, "dseek.ko is loaded%s%s", version[0] ? ", version " : "", version);
		return 1;
	}
	if (doctor_access(d, "/proc/modules", F_OK))
		doctor_add(d, "module", FINDING_NOTE,
			   "this kernel loads no modules: embedded mode works; 'tools/up --guest' shows the module in a guest",
			   "dseek.ko is not loaded");
	else
		doctor_add(d, "module", FINDING_NOTE,
			   "embedded mode works without it; for guarantees between processes: make modules && insmod dseek.ko "
			   "(needs this kernel's headers), then start dseek-exec", "dseek.ko is not loaded");
	return 0;
}

static void list_engines(struct doctor *d, const char *topic, struct dseek_device *dev)
{
	struct dseek_engine_info info;
	char names[128] = "";
	uint32_t i;
	int attached = 0, waiting = 0;

	for (i = 0; !dseek_engine_info(dev, i, &info); i++) {
		if (info.attached)
			attached++;
		else
			waiting++;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.32s%s", i ? " " : "", info.name,
			 !info.attached ? " (no executor)" : info.foreign ? " (another user's)" : "");
	}
	if (attached)
		doctor_add(d, topic, FINDING_OK, NULL, "%d served, %d waiting: %s", attached, waiting, names);
	else
		doctor_add(d, topic, FINDING_WARN, "start an executor: dseek-exec --backend cpu",
			   "none is served%s%s", names[0] ? ": " : "", names);
}

static void check_engines(struct doctor *d)
{
	struct dseek_device *dev;
	int ret = dseek_open("drm:", NULL, &dev);

	if (ret) {
		doctor_add(d, "engines", FINDING_WARN, "add the user to the group that owns /dev/dri/renderD* (often 'render')",
			   "the module's render node can't be opened: %s", dseek_strerror_detail());
		return;
	}
	list_engines(d, "engines", dev);
	dseek_close(dev);
}

/* The one that was asked for. */
static void check_device(struct doctor *d)
{
	struct dseek_device *dev;

	if (!strcmp(d->device, "auto"))
		return;
	if (dseek_open(d->device, NULL, &dev)) {
		doctor_add(d, "device", FINDING_BAD, "see the message; dseek_open(3) says what a device is called", "'%s' does not open: %s", d->device,
			   dseek_strerror_detail());
		return;
	}
	list_engines(d, "device", dev);
	dseek_close(dev);
}

static void check_embedded(struct doctor *d)
{
	struct dseek_device *dev;

	if (dseek_open("embed:doctor,engine=cpu,threads=1", NULL, &dev)) {
		doctor_add(d, "embedded mode", FINDING_BAD, "see the message; memfd_create(2) and threads are all it needs",
			   "does not start: %s", dseek_strerror_detail());
		return;
	}
	doctor_add(d, "embedded mode", FINDING_OK, NULL, "works: tenants of one process share its cpu engine");
	dseek_close(dev);
}

static void check_executor_node(struct doctor *d)
{
	int ret = doctor_access(d, EXEC_NODE, F_OK);

	if (ret) {
		doctor_add(d, "executor node", FINDING_WARN, "the module makes it: see the kernel log, and udev",
			   EXEC_NODE ": %s", strerror(-ret));
		return;
	}
	if (geteuid() && !doctor_access(d, EXEC_NODE, R_OK | W_OK))
		doctor_add(d, "executor node", FINDING_WARN,
			   "whoever opens it can run every tenant's jobs: keep tenants out of its group (dseek-exec)",
			   EXEC_NODE " can be opened by this user");
	else
		doctor_add(d, "executor node", FINDING_OK, NULL, EXEC_NODE);
}

void doctor_arbitration(struct doctor *d)
{
	if (check_module(d)) {
		check_engines(d);
		check_executor_node(d);
	}
	check_embedded(d);
	check_device(d);
}
