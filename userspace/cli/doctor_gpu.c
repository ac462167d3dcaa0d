// SPDX-License-Identifier: MIT
/* AMD GPUs: why there is no /dev/kfd, who can open one that is there, and what AMD's runtime says. */
#include "doctor.h"

#include <dirent.h>
#include <dseek.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KFD		"/dev/kfd"
#define KFD_NODES	"/sys/class/kfd/kfd/topology/nodes"
#define PCI		"/sys/bus/pci/devices"

/* Of a GPU: of displays (0x03) or, as the largest have none, of accelerators (0x12). */
static int is_amd_gpu(const struct doctor *d, const char *address)
{
	char vendor[16], class[16];
	unsigned long base;

	if (doctor_read(d, vendor, sizeof(vendor), PCI "/%s/vendor", address) ||
	    doctor_read(d, class, sizeof(class), PCI "/%s/class", address))
		return 0;
	base = strtoul(class, NULL, 16) >> 16;
	return strtoul(vendor, NULL, 16) == 0x1002 && (base == 0x03 || base == 0x12);
}

/* The name of the driver that has it; "" if none has. */
static void driver_of(const struct doctor *d, const char *address, char ret_driver[32])
{
	char path[PATH_MAX], to[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "%s" PCI "/%s/driver", d->root, address);
	n = readlink(path, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = 0;
	slash = strrchr(to, '/');
	snprintf(ret_driver, 32, "%.31s", slash ? slash + 1 : to);
}

struct gpus {
	unsigned int count, driven;		/* by amdgpu */
	char address[16], driver[32];		/* the first that isn't driven by it */
};

static struct gpus find_gpus(const struct doctor *d)
{
	struct gpus found = { 0 };
	char path[PATH_MAX], driver[32];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s" PCI, d->root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_amd_gpu(d, entry->d_name))
			continue;
		found.count++;
		driver_of(d, entry->d_name, driver);
		if (!strcmp(driver, "amdgpu")) {
			found.driven++;
		} else if (!*found.address) {
			snprintf(found.address, sizeof(found.address), "%.15s", entry->d_name);
			snprintf(found.driver, sizeof(found.driver), "%s", driver);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static const char no_gpu_remedy[] = "GPU engines need one (in a virtual machine: passed through); the cpu engine needs none";

/* From the machine upwards to the node, which amdgpu makes when it is loaded, whatever it drives: the first thing that is missing is the cause. */
static void explain_no_kfd(struct doctor *d)
{
	struct gpus gpus = find_gpus(d);

	if (!gpus.count)
		doctor_add(d, "AMD GPU", FINDING_NOTE, no_gpu_remedy, "no " KFD ": there is no AMD GPU on the PCI bus");
	else if (doctor_access(d, "/sys/module/amdgpu", F_OK))
		doctor_add(d, "AMD GPU", FINDING_WARN,
			   "modprobe amdgpu; if it isn't loaded at boot, see /etc/modprobe.d for a blacklist, and whether the kernel's modules are installed",
			   "no " KFD ": the module amdgpu isn't loaded, and %s has %s%s", gpus.address,
			   *gpus.driver ? "the driver " : "no driver", gpus.driver);
	else if (doctor_access(d, "/sys/class/kfd", F_OK))
		doctor_add(d, "AMD GPU", FINDING_WARN, "boot a kernel with CONFIG_HSA_AMD (Debian's and Ubuntu's have it)",
			   "no " KFD ": amdgpu is loaded, but was built without compute");
	else
		doctor_add(d, "AMD GPU", FINDING_WARN, "in a container: start it with --device=" KFD " --device=/dev/dri; else see 'udevadm info " KFD "'",
			   "no " KFD ", though the kernel has it: it wasn't given to this container, or udev made none");
}

static void explain_no_node(struct doctor *d)
{
	struct gpus gpus = find_gpus(d);

	if (!gpus.count)
		doctor_add(d, "AMD GPU", FINDING_NOTE, no_gpu_remedy, KFD " is there, but no AMD GPU on the PCI bus");
	else if (gpus.driven)
		doctor_add(d, "AMD GPU", FINDING_WARN, "see 'dmesg | grep kfd': a GPU that is too old for compute, PCIe without atomics, or one that failed",
			   KFD " is there, but it has no GPU, though amdgpu drives one");
	else if (*gpus.driver)
		doctor_add(d, "AMD GPU", FINDING_WARN, "give it to amdgpu again (driverctl unset-override ADDRESS), or leave it to the virtual machine that has it",
			   KFD " is there, but it has no GPU: %s has the driver %s", gpus.address, gpus.driver);
	else
		doctor_add(d, "AMD GPU", FINDING_WARN, "see 'dmesg | grep amdgpu': firmware that is missing, or a GPU that this kernel is too old for",
			   KFD " is there, but it has no GPU: amdgpu didn't take %s", gpus.address);
}

/* Nodes of KFD's that compute on a GPU: the CPUs are nodes, too. */
static int kfd_gpus(const struct doctor *d)
{
	char path[PATH_MAX], line[128];
	unsigned long simds;
	struct dirent *entry;
	int count = 0;
	FILE *file;
	DIR *dir;

	snprintf(path, sizeof(path), "%s" KFD_NODES, d->root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s" KFD_NODES "/%s/properties", d->root, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			count += sscanf(line, "simd_count %lu", &simds) == 1 && simds > 0;
		if (file)
			fclose(file);
	}
	if (!dir)
		return -1;	/* it doesn't say */
	closedir(dir);
	return count;
}

/* Who can open the hardware itself is not bound by any arbitration: the executor should, and nobody else. */
static void check_kfd(struct doctor *d)
{
	const char *rules = "install the udev rules 72-dseek-gpu.rules (/usr/share/doc/dseek-exec/examples): they give it to the executor's group alone";
	char path[PATH_MAX], name[64];
	const struct group *group;
	struct stat st;

	snprintf(path, sizeof(path), "%s" KFD, d->root);
	if (stat(path, &st)) {
		explain_no_kfd(d);
		return;
	}
	group = getgrgid(st.st_gid);
	if (group)
		snprintf(name, sizeof(name), "%s", group->gr_name);
	else
		snprintf(name, sizeof(name), "%u", st.st_gid);
	if (!kfd_gpus(d))
		explain_no_node(d);
	else if ((st.st_mode & 06) == 06)
		doctor_add(d, "AMD GPU", FINDING_WARN, rules, "anybody can open " KFD ", and so go round dseek (cooperative scheduling only)");
	else if ((st.st_mode & 060) != 060 || st.st_gid == 0)
		doctor_add(d, "AMD GPU", FINDING_WARN, rules, "nobody but root can open " KFD ": an executor, which isn't root, can't");
	else if (!strcmp(name, "render") || !strcmp(name, "video"))
		doctor_add(d, "AMD GPU", FINDING_WARN, rules, "the group %s, to which tenants belong, can open " KFD ", and so go round dseek", name);
	else if (geteuid() && !access(path, R_OK | W_OK))
		doctor_add(d, "AMD GPU", FINDING_WARN, "it is right for the executor's user, and for nobody else", KFD " can be opened by this user");
	else
		doctor_add(d, "AMD GPU", FINDING_OK, NULL, KFD " is there, for the group %s alone", name);
}

/* What AMD's runtime says, by opening the engine: the library, a device, kernels for its target. It is this machine's, whatever the root. */
static void check_hip(struct doctor *d)
{
	static const struct {
		const char *text, *remedy;
	} remedies[] = {
		{ "no libamdhip64", "for GPU engines: install ROCm's HIP runtime (libamdhip64 of ROCm 5, 6 or 7)" },
		{ " lacks hip", "this libamdhip64 is not one that dseek knows: install ROCm 5, 6 or 7, or name another with library=" },
		{ "no kernels for", "make kernels GPU_TARGETS=TARGET, then make install, or name their folder with kernels=" },
		{ "what clears the GPU", "make kernels, then make install: these lack those that clear a GPU between tenants" },
	};
	enum finding_level level = doctor_access(d, KFD, F_OK) ? FINDING_NOTE : FINDING_WARN;
	const char *remedy = "for GPU engines: a GPU that amdgpu drives (" KFD "), and the executor's user in the group that has it";
	struct dseek_device *dev;
	const char *why;
	size_t i;

	if (!dseek_open("embed:doctor-hip,engine=hip", NULL, &dev)) {
		doctor_add(d, "HIP", FINDING_OK, NULL, "the hip engine starts");
		dseek_close(dev);
		return;
	}
	why = strstr(dseek_strerror_detail(), "hip: hip: ");
	why = why ? why + strlen("hip: hip: ") : dseek_strerror_detail();
	for (i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (strstr(why, remedies[i].text))
			remedy = remedies[i].remedy;
	doctor_add(d, "HIP", level, remedy, "the hip engine doesn't start: %s", why);
}

void doctor_gpu(struct doctor *d)
{
	check_kfd(d);
	check_hip(d);
}
