// SPDX-License-Identifier: MIT
/*
 * The npu backend: int8 products on an AMD NPU, by the ioctls of Linux's amdxdna driver, without XRT. What it can do depends on AIE
 * binaries, which others make (npu_binary.h); without any it attaches, and refuses all programs.
 *
 * None of this has met an NPU: tests run it on a model of the driver (tests/npu).
 */
#include <drm/dseek_drm.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backend.h"
#include "npu_state.h"

struct npu_options {
	const char *device, *binaries;	/* NULL: the first NPU; none */
	uint32_t priority;
	unsigned long abort_ms;
};

static int parse_option(char *option, struct npu_options *options, char *err, size_t err_size)
{
	static const struct {
		const char *name;
		uint32_t value;
	} priorities[] = {
		{ "realtime", NPU_PRIORITY_REALTIME }, { "high", NPU_PRIORITY_HIGH }, { "normal", NPU_PRIORITY_NORMAL }, { "low", NPU_PRIORITY_LOW },
	};
	char *value = strchr(option, '='), *end;
	size_t i;

	if (value)
		*value++ = 0;
	if (value && !strcmp(option, "device")) {
		options->device = value;
		return 0;
	}
	if (value && !strcmp(option, "binaries")) {
		options->binaries = value;
		return 0;
	}
	if (value && !strcmp(option, "priority")) {
		for (i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++)
			if (!strcmp(value, priorities[i].name)) {
				options->priority = priorities[i].value;
				return 0;
			}
		snprintf(err, err_size, "priority=%s: not realtime, high, normal or low", value);
		return -EINVAL;
	}
	if (value && !strcmp(option, "abort_ms")) {
		options->abort_ms = strtoul(value, &end, 10);
		if (end != value && !*end && *value != '-' && options->abort_ms <= 1000000000)
			return 0;
		snprintf(err, err_size, "abort_ms=%s: not a number up to 1000000000", value);
		return -EINVAL;
	}
	snprintf(err, err_size, "unknown option '%s'", option);
	return -EINVAL;
}

/* All that a command needs but its data. */
static int open_context(struct npu_state *state, char *err, size_t err_size)
{
	struct npu_device *device = &state->device;
	int r = npu_heap_open(device, err, err_size), i;

	if (!r)
		r = npu_binaries_load(&state->binaries, device, err, err_size);
	for (i = 0; i < NPU_CHAIN_MAX && !r; i++)
		r = npu_bo_create(device, NPU_BO_CMD, 4096, &state->commands[i], err, err_size);
	if (!r)
		r = npu_bo_create(device, NPU_BO_CMD, 4096, &state->chain, err, err_size);
	if (r)
		return r;
	state->context.columns = state->binaries.columns;
	state->context.ops_per_cycle = state->binaries.ops_per_cycle;
	state->context.cus = &state->binaries.cus;
	return npu_context_open(device, &state->context, err, err_size);
}

/* The context first: what it was doing ends with it. If it can't be destroyed nothing is taken from it: the file's end is its end. */
static void npu_close(void *arg)
{
	struct npu_state *state = arg;
	struct npu_device *device = &state->device;
	char why[200];
	int i;

	if (device->fd >= 0 && !npu_context_close(device, why, sizeof(why))) {
		npu_memory_unmap_all(state);
		npu_bo_destroy(device, &state->x);
		npu_bo_destroy(device, &state->y);
		npu_bo_destroy(device, &state->w);
		for (i = 0; i < NPU_CHAIN_MAX; i++)
			npu_bo_destroy(device, &state->commands[i]);
		npu_bo_destroy(device, &state->chain);
		npu_binaries_unload(&state->binaries, device);
	}
	npu_device_close(device);
	npu_binaries_free(&state->binaries);
	free(state->regions);
	free(state);
}

static int npu_open(const char *text, void **ret_state, char *err, size_t err_size)
{
	struct npu_options options = { .priority = NPU_PRIORITY_NORMAL, .abort_ms = 1000 };
	char *copy = strdup(text ? text : ""), *rest = copy, *option, why[400] = "no memory";
	struct npu_state *state = calloc(1, sizeof(*state));
	int r = copy && state ? 0 : -ENOMEM;

	if (state)
		state->device.fd = -1;
	while (!r && (option = strsep(&rest, ",")))
		if (*option)
			r = parse_option(option, &options, why, sizeof(why));
	if (!r) {
		state->grace_ns = options.abort_ms * 1000000ull;
		state->context.priority = options.priority;
		r = options.binaries ? npu_binaries_read(options.binaries, &state->binaries, why, sizeof(why)) : 0;
	}
	if (!r)
		r = npu_device_open(options.device, &state->device, why, sizeof(why));
	if (!r && state->binaries.count)
		r = open_context(state, why, sizeof(why));
	free(copy);
	if (!r) {
		*ret_state = state;
		return 0;
	}
	snprintf(err, err_size, "npu: %s", why);
	if (state)
		npu_close(state);
	return r;
}

static void npu_describe(void *arg, char *buf, size_t size)
{
	const struct npu_state *state = arg;
	const struct npu_device *d = &state->device;
	size_t used;

	used = (size_t)snprintf(buf, size, "%s, ABI %d.%d, AIE %u.%u, %u columns of %u cores", d->path, d->major, d->minor, d->aie.version.major,
				d->aie.version.minor, d->aie.cols, d->aie.core.row_count);
	if (used < size && d->firmware.major + d->firmware.minor + d->firmware.patch + d->firmware.build)
		used += (size_t)snprintf(buf + used, size - used, ", firmware %u.%u.%u.%u", d->firmware.major, d->firmware.minor, d->firmware.patch,
					 d->firmware.build);
	if (used < size && d->clock_mhz)
		used += (size_t)snprintf(buf + used, size - used, ", %u MHz", d->clock_mhz);
	if (used >= size)
		return;
	if (!state->binaries.count)
		snprintf(buf + used, size - used, "; no AIE binaries%s%s: every program is refused", *state->binaries.folder ? " in " : "",
			 state->binaries.folder);
	else
		snprintf(buf + used, size - used, "; %u AIE binaries on %u columns; weights %s", state->binaries.count, state->binaries.columns,
			 d->imports ? "in buffers that jobs may write to are read in place, others copied for each op" : "are copied for each op");
}

static int npu_lost(void *arg)
{
	const struct npu_state *state = arg;

	return state->lost;
}

const struct dseek_backend dseek_backend_npu = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_NPU,
	.name = "npu",
	.summary = "int8 products on an AMD NPU by amdxdna [device=, binaries=, priority=, abort_ms=]",
	.open = npu_open,
	.close = npu_close,
	.program_prepare = npu_program_prepare,
	.run = npu_run,
	.buffer_map = npu_buffer_map,
	.buffer_unmap = npu_buffer_unmap,
	.describe = npu_describe,
	.lost = npu_lost,
};
