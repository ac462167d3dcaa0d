/* SPDX-License-Identifier: MIT */
/* dseek doctor: findings about this machine, each with what to do about it. */
#ifndef DSEEK_CLI_DOCTOR_H
#define DSEEK_CLI_DOCTOR_H

#include <stddef.h>

enum finding_level {
	FINDING_OK,
	FINDING_NOTE,		/* absent, and nothing needs it unless the user does */
	FINDING_WARN,		/* works, with less speed or a weaker guarantee */
	FINDING_BAD,		/* dseek can't run until it is mended */
	FINDING_LEVEL_COUNT,
};

struct finding {
	const char *topic;	/* a literal: "module" */
	enum finding_level level;
	char detail[256];	/* what is there */
	char remedy[384];	/* what to do; empty for FINDING_OK */
};

struct doctor {
	const char *root;	/* before /sys, /proc and /dev: "" or a folder */
	const char *device;	/* to be tried, as dseek_open() takes it; "auto": what there is */
	struct finding findings[24];
	unsigned int count;
};

/* Add a finding. @remedy may be NULL. The strings are copied, cut to fit. */
struct finding *doctor_add(struct doctor *d, const char *topic, enum finding_level level, const char *remedy,
			   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The first line of the file @format below the root, without its newline: 0 or -errno. */
int doctor_read(const struct doctor *d, char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* access() below the root: 0 or -errno. */
int doctor_access(const struct doctor *d, const char *path, int mode);

/* Names in the folder @path below the root, "." and ".." left out, joined by spaces; returns how many. */
int doctor_list(const struct doctor *d, const char *path, const char *prefix, char *buf, size_t size);

void doctor_machine(struct doctor *d);		/* doctor_machine.c: CPU, memory, NUMA, NPU, RDMA */
void doctor_arbitration(struct doctor *d);	/* doctor_arb.c: module, engines, their device and who may open it */
void doctor_gpu(struct doctor *d);		/* doctor_gpu.c: AMD GPUs, who may open them, the runtime */

#endif /* DSEEK_CLI_DOCTOR_H */
