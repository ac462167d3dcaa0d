/* SPDX-License-Identifier: MIT */
/* The harness as a device: every launch twice, in two orders of lanes and waves; the results must be the same bits. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

struct simt_report device_simt_report;

/* A file without matrix instructions is built for wave sizes only. */
static void *open_build(const struct device *device, const char *file)
{
	const char *folder = getenv("DSEEK_KERNELS"), *build = getenv("DSEEK_BUILD");
	void *library = NULL;
	char path[512], wave[8];

	snprintf(wave, sizeof(wave), "w%u", device->wave);
	for (int i = 0; !library && i < 2; i++) {
		if (folder)	/* of other builds of the same kernels: tests/kernels/mutate */
			snprintf(path, sizeof(path), "%s/%s/%s.so", folder, i ? wave : device->build, file);
		else
			snprintf(path, sizeof(path), "%s/kernels/simt/%s/%s.so", build ? build : "build", i ? wave : device->build, file);
		library = dlopen(path, RTLD_NOW);
	}
	return library;
}

static void (*find(const struct device *device, const struct kernel_info *info, char *err, size_t err_size))(void)
{
	void *library = open_build(device, info->file), *symbol;
	void (*kernel)(void);

	symbol = library ? dlsym(library, info->name) : NULL;
	if (!symbol)
		snprintf(err, err_size, "%s", dlerror());
	memcpy(&kernel, &symbol, sizeof(kernel));
	return kernel;
}

static int run(const struct device *device, const struct kernel_info *info, const struct simt_launch *launch, char *err, size_t err_size)
{
	static uint64_t seed;
	void *before[SIMT_MAX_BUFFERS] = { 0 }, *after[SIMT_MAX_BUFFERS] = { 0 };
	struct simt_launch l = *launch;
	struct simt_report *report = &device_simt_report;
	int rc = -1;

	l.wave = device->wave;
	l.kernel = find(device, info, err, err_size);
	if (!l.kernel)
		return -1;
	for (unsigned int i = 0; i < l.n_buffers; i++)
		if (l.buffers[i].access != SIMT_IN) {
			before[i] = malloc(l.buffers[i].size + 1);
			after[i] = malloc(l.buffers[i].size + 1);
			memcpy(before[i], l.buffers[i].data, l.buffers[i].size);
		}
	l.seed = ++seed;
	if (simt_run(&l, report))
		goto fault;
	for (unsigned int i = 0; i < l.n_buffers; i++)
		if (before[i]) {
			memcpy(after[i], l.buffers[i].data, l.buffers[i].size);
			memcpy(l.buffers[i].data, before[i], l.buffers[i].size);
		}
	l.seed = 0;
	if (simt_run(&l, report))
		goto fault;
	rc = 0;
	for (unsigned int i = 0; i < l.n_buffers; i++)
		if (before[i] && memcmp(after[i], l.buffers[i].data, l.buffers[i].size)) {
			snprintf(err, err_size, "buffer %u depends on the order of the lanes", i);
			rc = -1;
		}
	goto out;
fault:
	snprintf(err, err_size, "%s", report->text);
out:
	for (unsigned int i = 0; i < l.n_buffers; i++) {
		free(before[i]);
		free(after[i]);
	}
	return rc;
}

const struct device device_simt[2] = {
	{ .name = "simt32", .wave = 32, .build = "w32", .run = run },
	{ .name = "simt64", .wave = 64, .build = "w64", .run = run },
};

const struct device device_simt_mma[3] = {
	{ .name = "simt64 cdna2", .wave = 64, .build = "cdna2", .run = run },
	{ .name = "simt64 cdna4", .wave = 64, .build = "cdna4", .run = run },
	{ .name = "simt32 rdna3", .wave = 32, .build = "rdna3", .run = run },
};
