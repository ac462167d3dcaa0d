// SPDX-License-Identifier: MIT
/* tests/hip/device.h for the opencl backend: its device is that of the machine's OpenCL, by the shim. */
#include "device.h"

#include "../hip/device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* The leak checker's: what PoCL, its compiler and the loader keep is theirs. What the backend leaves on the device hip_device_live() counts. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
	return "leak:libpocl\nleak:libLLVM\nleak:libOpenCL\nleak:libclang\n";
}

static const char *build(void)
{
	const char *folder = getenv("DSEEK_BUILD");

	return folder ? folder : "build";
}

static void *symbol(const char *name)
{
	char path[600];
	void *s, *library;

	snprintf(path, sizeof(path), "%s/tests/opencl/libOpenCL-shim.so", build());
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	s = library ? dlsym(library, name) : NULL;
	if (!s)
		abort();
	return s;
}

const char *hip_device_options(const char *more)
{
	static char options[1200];

	snprintf(options, sizeof(options), "library=%s/tests/opencl/libOpenCL-shim.so,kernels=%s/kernels%s%s", build(), build(), more ? "," : "",
		 more ? more : "");
	return options;
}

const char *hip_device_why_not(void)
{
	static char why[400];
	void *state;

	if (dseek_backend_opencl.open(hip_device_options(NULL), &state, why, sizeof(why)))
		return why;
	dseek_backend_opencl.close(state);
	return NULL;
}

int hip_device_open(const char *more, void **ret_state, char *err, size_t err_size)
{
	return dseek_backend_opencl.open(hip_device_options(more), ret_state, err, err_size);
}

unsigned int hip_device_calls(const char *name)
{
	return ((unsigned int (*)(const char *))symbol("opencl_shim_calls"))(name);
}

unsigned int hip_device_live(void)
{
	return ((unsigned int (*)(void))symbol("opencl_shim_live"))();
}

size_t opencl_device_groups(unsigned int n)
{
	return ((size_t (*)(unsigned int))symbol("opencl_shim_groups"))(n);
}
