// SPDX-License-Identifier: MIT
#include "device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* The leak checker's: what PoCL, its compiler and the runtime keep is theirs. What the backend leaves on the device hip_device_live() counts. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
	return "leak:libpocl\nleak:libLLVM\nleak:libOpenCL\nleak:libclang\nleak:libamdhip64\n";
}

static const char *build(void)
{
	const char *folder = getenv("DSEEK_BUILD");

	return folder ? folder : "build";
}

static void *library(void)
{
	char path[500];

	snprintf(path, sizeof(path), "%s/tests/hip/lib/libamdhip64.so.6", build());
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *symbol(const char *name)
{
	void *s = dlsym(library(), name);

	if (!s)
		abort();
	return s;
}

const char *hip_device_why_not(void)
{
	if (!library())
		return "the stand-in was not built: there is no OpenCL (tools/packages install kernels)";
	return ((const char *(*)(void))symbol("hip_standin_why_not"))();
}

const char *hip_device_options(const char *more)
{
	static char options[1200];

	snprintf(options, sizeof(options), "library=%s/tests/hip/lib/libamdhip64.so.6,kernels=%s/tests/hip/kernels%s%s", build(), build(),
		 more ? "," : "", more ? more : "");
	return options;
}

int hip_device_open(const char *more, void **ret_state, char *err, size_t err_size)
{
	return dseek_backend_hip.open(hip_device_options(more), ret_state, err, err_size);
}

void hip_device_reset(void)
{
	((void (*)(void))symbol("hip_standin_reset"))();
}

unsigned int hip_device_calls(const char *name)
{
	return ((unsigned int (*)(const char *))symbol("hip_standin_calls"))(name);
}

int hip_device_unregister(void *host)
{
	return ((int (*)(void *))symbol("hipHostUnregister"))(host);
}

unsigned int hip_device_live(void)
{
	return ((unsigned int (*)(void))symbol("hip_standin_live"))();
}
