// SPDX-License-Identifier: MIT
/*
 * The hip backend: runs programs on an AMD GPU, with the code objects of kernels/ for its target, through AMD's runtime, which is
 * looked for when the backend is opened. Tenants' pages are the GPU's: registered, never copied.
 *
 * None of this has run on an AMD GPU: tests run it on a stand-in for the runtime (tests/hip).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backend.h"
#include "hip_state.h"

#ifndef DSEEK_KERNEL_DIR
#define DSEEK_KERNEL_DIR "/usr/local/lib/dseek/kernels"
#endif

struct hip_options {
	const char *library, *kernels;
	unsigned long device, abort_ms, scrub, plain;
	struct hip_cu_mask cu_masks[DRM_DSEEK_CLASS_COUNT];
};

/* "cu_CLASS": 0 if it is no such option, 1 and *ret if it is */
static int parse_cu_mask(const char *option, const char *value, struct hip_options *options, int *ret, char *err, size_t err_size)
{
	char why[160];
	uint32_t c;

	for (c = 0; strncmp(option, "cu_", 3) || strcmp(option + 3, hip_class_name(c)); c++)
		if (c == DRM_DSEEK_CLASS_COUNT - 1)
			return 0;
	*ret = hip_cu_mask_parse(value, &options->cu_masks[c], why, sizeof(why));
	if (*ret)
		snprintf(err, err_size, "hip: %s=%s", option, why);
	return 1;
}

static int parse_option(char *option, struct hip_options *options, char *err, size_t err_size)
{
	struct {
		const char *name;
		unsigned long *value, max;
	} numbers[] = {
		{ "device", &options->device, 1023 },
		{ "abort_ms", &options->abort_ms, 1000000000 },
		{ "scrub", &options->scrub, 1 },
		{ "plain", &options->plain, 1 },
	};
	char *value = strchr(option, '='), *end;
	unsigned long n;
	size_t i;
	int r;

	if (value)
		*value++ = 0;
	if (value && !strcmp(option, "library")) {
		options->library = value;
		return 0;
	}
	if (value && !strcmp(option, "kernels")) {
		options->kernels = value;
		return 0;
	}
	if (value && parse_cu_mask(option, value, options, &r, err, err_size))
		return r;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!value || strcmp(option, numbers[i].name))
			continue;
		n = strtoul(value, &end, 10);
		if (end == value || *end || *value == '-' || n > numbers[i].max) {
			snprintf(err, err_size, "hip: %s=%s: not a number up to %lu", option, value, numbers[i].max);
			return -EINVAL;
		}
		*numbers[i].value = n;
		return 0;
	}
	snprintf(err, err_size, "hip: unknown option '%s'", option);
	return -EINVAL;
}

/* The target's name is all that is read of the properties: the rest of the struct differs between versions. */
static int read_target(const struct hip_api *api, int device, struct hip_target *ret_target, char *err, size_t err_size)
{
	char properties[HIP_PROPERTIES_SIZE] = "", *name;
	int r;

	if (api->GetDevicePropertiesR0600) {
		r = HIP(api, GetDevicePropertiesR0600, (properties, device), err, err_size);
		name = properties + HIP_ARCH_NAME_AT_R0600;
	} else {
		r = HIP(api, GetDeviceProperties, (properties, device), err, err_size);
		name = properties + HIP_ARCH_NAME_AT;
	}
	if (r)
		return r;
	name[HIP_ARCH_NAME_SIZE - 1] = 0;
	return hip_target_parse(name, ret_target, err, err_size);
}

/* Where waves are of 32 lanes, units come in pairs, and the runtime counts the pairs, though masks are of units. 0: it doesn't tell. */
static int read_cus(const struct hip_api *api, int device, int *ret_cus, char *err, size_t err_size)
{
	*ret_cus = 0;
	return api->DeviceGetAttribute ? HIP(api, DeviceGetAttribute, (ret_cus, HIP_MULTIPROCESSOR_COUNT, device), err, err_size) : 0;
}

static int open_device(struct hip_state *state, const struct hip_options *options, char *err, size_t err_size)
{
	const struct hip_api *api = &state->api;
	void *scratch = NULL;
	int count = 0, r;

	r = state->driver->open(options->library, &state->api, err, err_size);
	if (r)
		return r;
	r = HIP(api, Init, (0), err, err_size);
	if (!r)
		r = HIP(api, GetDeviceCount, (&count), err, err_size);
	if (!r && (int)options->device >= count) {
		snprintf(err, err_size, "device=%lu: there %s %d", options->device, count == 1 ? "is" : "are", count);
		r = -ENODEV;
	}
	if (!r)
		r = HIP(api, SetDevice, ((int)options->device), err, err_size);
	if (!r)
		r = state->driver->target(api, (int)options->device, &state->target, err, err_size);
	if (!r)
		r = hip_target_library(&state->target, options->kernels, state->kernels.folder, sizeof(state->kernels.folder), err,
				       err_size);
	if (!r)
		r = read_cus(api, (int)options->device, &state->cus, err, err_size);
	if (!r)
		r = hip_streams_open(&state->streams, api, options->cu_masks, state->target.wave == 32 ? 2 * state->cus : state->cus, err, err_size);
	if (!r)
		r = hip_scrub_open(&state->scrub, &state->kernels, state->cus, err, err_size);
	if (!r)
		r = HIP(api, Malloc, (&scratch, sizeof(*state->scratch)), err, err_size);
	if (!r)
		state->scratch = scratch;
	return r;
}

/* From a device that was given up nothing is taken: it may still write to what it has. */
void hip_close(void *arg)
{
	struct hip_state *state = arg;
	const struct hip_api *api = &state->api;
	size_t i;

	if (api->library && !state->lost && !api->SetDevice(state->device)) {
		hip_memory_unmap_all(&state->memory);
		hip_kernels_unload(&state->kernels);
		for (i = 0; i < DRM_DSEEK_MAX_DEPTH; i++)
			if (state->events[i])
				api->EventDestroy(state->events[i]);
		hip_streams_close(&state->streams, api);
		hip_scrub_close(&state->scrub, api);
		if (state->scratch)
			api->Free(state->scratch);
	}
	free(state->memory.regions);
	hip_api_close(&state->api);
	free(state);
}

int hip_open_driver(const struct hip_driver *driver, const char *text, void **ret_state, char *err, size_t err_size)
{
	struct hip_options options = { .kernels = DSEEK_KERNEL_DIR, .abort_ms = 1000, .scrub = 1, .plain = (unsigned long)driver->plain };
	char *copy = strdup(text ? text : ""), *rest = copy, *option, why[400] = "no memory";
	struct hip_state *state = calloc(1, sizeof(*state));
	int r = copy && state ? 0 : -ENOMEM;

	while (!r && (option = strsep(&rest, ",")))
		if (*option)
			r = parse_option(option, &options, why, sizeof(why));
	if (!r) {
		state->driver = driver;
		state->kernels.suffix = driver->suffix;
		state->kernels.api = state->memory.api = &state->api;
		state->device = (int)options.device;
		state->grace_ns = options.abort_ms * 1000000ull;
		state->scrub.on = (int)options.scrub;
		state->plain = (int)options.plain;
		r = open_device(state, &options, why, sizeof(why));
	}
	free(copy);
	if (!r) {
		*ret_state = state;
		return 0;
	}
	snprintf(err, err_size, "%s: %s", driver->name, why + (strncmp(why, "hip: ", 5) ? 0 : 5));
	if (state)
		hip_close(state);
	return r;
}

static int hip_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	static const struct hip_driver driver = { .name = "hip", .suffix = ".co", .open = hip_api_open, .target = read_target };

	return hip_open_driver(&driver, options, ret_state, err, err_size);
}

int hip_lost(const struct hip_state *state, char *err, size_t err_size)
{
	if (state->lost)
		snprintf(err, err_size, "the device was given up: restart the executor");
	return state->lost ? -EIO : 0;
}

int hip_buffer_map(void *arg, void *base, uint64_t size, int writable, char *err, size_t err_size)
{
	struct hip_state *state = arg;
	int r = hip_lost(state, err, err_size);

	if (!r)
		r = HIP(&state->api, SetDevice, (state->device), err, err_size);
	return r ? r : hip_memory_map(&state->memory, base, size, writable, err, err_size);
}

void hip_buffer_unmap(void *arg, void *base)
{
	struct hip_state *state = arg;
	char why[200];

	if (!state->lost && !state->api.SetDevice(state->device))
		hip_memory_unmap(&state->memory, base, why, sizeof(why));
}

static int hip_alloc(void *arg, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	struct hip_state *state = arg;
	int r = hip_lost(state, err, err_size);

	if (!r)
		r = HIP(&state->api, SetDevice, (state->device), err, err_size);
	return r ? r : hip_memory_alloc(&state->memory, size, ret_base, ret_fd, err, err_size);
}

static void hip_free(void *arg, void *base)
{
	struct hip_state *state = arg;
	char why[200];

	if (!state->lost && !state->api.SetDevice(state->device))
		hip_memory_free(&state->memory, base, why, sizeof(why));
}

void hip_status(void *arg, char *text, size_t size)
{
	const struct hip_state *state = arg;

	snprintf(text, size, "%llu launches, %llu of them to scrub at %llu changes of tenant", (unsigned long long)state->kernels.launches,
		 (unsigned long long)state->scrub.launches, (unsigned long long)state->scrub.changes);
}

int hip_is_lost(void *arg)
{
	const struct hip_state *state = arg;

	return state->lost;
}

const struct dseek_backend dseek_backend_hip = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_GPU,
	.name = "hip",
	.summary = "an AMD GPU by libamdhip64 [library=, kernels=, device=, abort_ms=, scrub=, plain=, cu_CLASS=]",
	.open = hip_open,
	.close = hip_close,
	.program_prepare = hip_program_prepare,
	.program_release = hip_program_release,
	.run = hip_run,
	.buffer_map = hip_buffer_map,
	.buffer_unmap = hip_buffer_unmap,
	.memory_alloc = hip_alloc,
	.memory_free = hip_free,
	.status = hip_status,
	.runs_code = 1,
	.lost = hip_is_lost,
};
