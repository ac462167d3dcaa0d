// SPDX-License-Identifier: MIT
/* What the machine itself offers: CPU features, huge pages, locked memory, NUMA nodes, NPUs, RDMA devices. */
#include "doctor.h"

#include <dseek.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Instruction sets by their names in /proc/cpuinfo, in groups that come together. The cpu backend has no AMX code so far. */
static const struct {
	const char *name, *flags[5];
} cpu_sets[] = {
	{ "AVX2", { "avx2", "fma", "f16c" } },
	{ "AVX-512 with VNNI", { "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni" } },
	{ "AVX-512 BF16 with VBMI", { "avx512_bf16", "avx512vbmi" } },
	{ "AMX int8", { "amx_tile", "amx_int8" } },
};

static int has_flag(const char *flags, const char *flag)
{
	size_t n = strlen(flag);
	const char *p;

	for (p = flags; (p = strstr(p, flag)); p += n)
		if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '\n' || !p[n]))
			return 1;
	return 0;
}

/* The value of the first line "KEY ...: VALUE" in /proc/cpuinfo; the caller frees it. */
static char *cpuinfo(const struct doctor *d, const char *key)
{
	char path[PATH_MAX], *line = NULL, *value = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", d->root);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	while (!value && getline(&line, &size, file) > 0) {
		char *colon = strchr(line, ':');

		if (colon && !strncmp(line, key, strlen(key)) && strchr("\t :", line[strlen(key)]))
			value = strdup(colon + 1);
	}
	free(line);
	fclose(file);
	return value;
}

static void check_cpu(struct doctor *d)
{
	char *flags = cpuinfo(d, "flags"), *model = cpuinfo(d, "model name");
	char sets[128] = "";
	cpu_set_t allowed;
	unsigned int i, j;
	int cpus = 0;

	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		cpus = CPU_COUNT(&allowed);
	if (model)
		model[strcspn(model, "\n")] = 0;
	for (i = 0; flags && i < sizeof(cpu_sets) / sizeof(cpu_sets[0]); i++) {
		int all = 1;

		for (j = 0; j < 5 && cpu_sets[i].flags[j]; j++)
			all &= has_flag(flags, cpu_sets[i].flags[j]);
		if (all)
			snprintf(sets + strlen(sets), sizeof(sets) - strlen(sets), "%s%s", sets[0] ? ", " : "",
				 cpu_sets[i].name);
	}
	if (sets[0])
		doctor_add(d, "cpu", FINDING_OK, NULL, "%d CPUs,%s: %s", cpus, model ? model : " model unknown", sets);
	else
		doctor_add(d, "cpu", FINDING_WARN,
			   "the cpu engine runs its plain C code, many times slower; use a machine (or a guest CPU model) with AVX2",
			   "%d CPUs,%s: no vector instructions that dseek uses", cpus, model ? model : " model unknown");
	free(flags);
	free(model);
}

static void check_huge_pages(struct doctor *d)
{
	static const char file[] = "/sys/kernel/mm/transparent_hugepage";
	char enabled[64], shmem[64];

	if (doctor_read(d, enabled, sizeof(enabled), "%s/enabled", file)) {
		doctor_add(d, "huge pages", FINDING_NOTE, "buffers use 4 KiB pages; a kernel with "
			   "CONFIG_TRANSPARENT_HUGEPAGE=y saves TLB misses on large models", "none in this kernel");
		return;
	}
	if (doctor_read(d, shmem, sizeof(shmem), "%s/shmem_enabled", file))
		shmem[0] = 0;
	if (strstr(shmem, "[never]") || strstr(shmem, "[deny]") || !shmem[0])
		doctor_add(d, "huge pages", FINDING_NOTE,
			   "for embedded mode: echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled (the module does without)",
			   "anonymous: %s, shared memory: %s", enabled, shmem[0] ? shmem : "not known");
	else
		doctor_add(d, "huge pages", FINDING_OK, NULL, "anonymous: %s, shared memory: %s", enabled, shmem);
}

static void check_memlock(struct doctor *d)
{
	struct rlimit limit;
	unsigned long long mib;

	if (getrlimit(RLIMIT_MEMLOCK, &limit)) {
		doctor_add(d, "memlock", FINDING_WARN, "see getrlimit(2)", "can't be read: %s", strerror(errno));
		return;
	}
	mib = limit.rlim_cur >> 20;
	if (limit.rlim_cur == RLIM_INFINITY)
		doctor_add(d, "memlock", FINDING_OK, NULL, "no limit");
	else if (geteuid() == 0)
		doctor_add(d, "memlock", FINDING_OK, NULL, "%llu MiB, which does not bind root", mib);
	else
		doctor_add(d, "memlock", mib < 1024 ? FINDING_WARN : FINDING_OK, mib < 1024 ?
			   "buffers of the module are pinned and count against it: raise 'memlock' in /etc/security/limits.conf or "
			   "LimitMEMLOCK= in the unit, then log in again" : NULL, "%llu MiB", mib);
}

static void check_memory(struct doctor *d)
{
	char line[128];
	unsigned long long kib;

	if (doctor_read(d, line, sizeof(line), "/proc/meminfo") || sscanf(line, "MemTotal: %llu", &kib) != 1)
		doctor_add(d, "memory", FINDING_WARN, "mount /proc", "/proc/meminfo can't be read");
	else
		doctor_add(d, "memory", kib < 1 << 20 ? FINDING_WARN : FINDING_OK, kib < 1 << 20 ?
			   "the demonstration model and its buffers want 1 GiB; use a smaller one with --model" : NULL,
			   "%llu MiB", kib >> 10);
}

static void check_numa(struct doctor *d)
{
	char nodes[128];
	int n = doctor_list(d, "/sys/devices/system/node", "node", nodes, sizeof(nodes));

	if (n)
		doctor_add(d, "NUMA", FINDING_OK, NULL, "%d node%s", n, n == 1 ? "" : "s");
	else
		doctor_add(d, "NUMA", FINDING_NOTE, "nothing to do on a machine with one memory controller",
			   "this kernel tells of no nodes");
}

/* What amdxdna says, by opening the engine, if there is an accelerator below the root; it is this machine's, whatever the root. */
static void check_npu(struct doctor *d)
{
	const char *remedy = "for NPU engines: an AMD NPU that amdxdna drives (Linux 6.14 or newer), and the executor's user in its node's group";
	struct dseek_device *dev;
	char names[128];
	const char *why;

	if (!doctor_list(d, "/dev/accel", "accel", names, sizeof(names))) {
		doctor_add(d, "NPU", FINDING_NOTE, remedy, "no /dev/accel/accel*");
		return;
	}
	if (!dseek_open("embed:doctor-npu,engine=npu", NULL, &dev)) {
		doctor_add(d, "NPU", FINDING_OK, NULL, "the npu engine starts; it takes no programs unless binaries= names AIE binaries (dseek-exec(8))");
		dseek_close(dev);
		return;
	}
	why = strstr(dseek_strerror_detail(), "npu: npu: ");
	doctor_add(d, "NPU", FINDING_WARN, remedy, "%s: the npu engine doesn't start: %s", names, why ? why + strlen("npu: npu: ") : dseek_strerror_detail());
}

static void check_rdma(struct doctor *d)
{
	char names[128];
	int n = doctor_list(d, "/sys/class/infiniband", "", names, sizeof(names));

	if (n)
		doctor_add(d, "RDMA", FINDING_OK, NULL, "%d device%s: %s", n, n == 1 ? "" : "s", names);
	else
		doctor_add(d, "RDMA", FINDING_NOTE,
			   "only exchange between nodes needs it: load the NIC's driver, or 'rdma link add rxe0 type rxe netdev ETH' to try",
			   "no device");
}

void doctor_machine(struct doctor *d)
{
	check_cpu(d);
	check_memory(d);
	check_huge_pages(d);
	check_memlock(d);
	check_numa(d);
	check_npu(d);
	check_rdma(d);
}
