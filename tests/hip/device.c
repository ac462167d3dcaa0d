// SPDX-License-Identifier: MIT
#include "device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The folder of the library: OpenCL's, else, or if DSEEK_HIP_STANDIN=host, this processor's. */
static const char *folder(void)
{
	static char path[500];
	const char *forced = getenv("DSEEK_HIP_STANDIN"), *(*why_not)(void) = NULL;
	char file[560];
	void *l;

	if (*path)
		return path;
	snprintf(path, sizeof(path), "%s/tests/hip/lib", build());
	snprintf(file, sizeof(file), "%s/libamdhip64.so.6", path);
	l = forced && !strcmp(forced, "host") ? NULL : dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (l)
		why_not = (const char *(*)(void))dlsym(l, "hip_standin_why_not");
	if (!why_not || why_not()) {
		printf("# the stand-in's device is this processor: %s\n", forced ? "as asked" : why_not ? why_not() : "there is no OpenCL");
		snprintf(path, sizeof(path), "%s/tests/hip/lib/host", build());
	}
	return path;
}

static void *library(void)
{
	char path[560];

	snprintf(path, sizeof(path), "%s/libamdhip64.so.6", folder());
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
		return "no stand-in was built: there is no OpenCL (tools/packages install kernels), and this is no x86-64";
	return ((const char *(*)(void))symbol("hip_standin_why_not"))();
}

const char *hip_device_options(const char *more)
{
	static char options[1200];

	snprintf(options, sizeof(options), "library=%s/libamdhip64.so.6,kernels=%s/tests/hip/kernels%s%s", folder(), build(), more ? "," : "",
		 more ? more : "");
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

const struct standin_launch *hip_device_launch(unsigned int n)
{
	return ((const struct standin_launch *(*)(unsigned int))symbol("hip_standin_launch"))(n);
}

int hip_device_unregister(void *host)
{
	return ((int (*)(void *))symbol("hipHostUnregister"))(host);
}

unsigned int hip_device_live(void)
{
	return ((unsigned int (*)(void))symbol("hip_standin_live"))();
}
