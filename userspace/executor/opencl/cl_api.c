// SPDX-License-Identifier: MIT
#include "cl_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

int cl_api_open(const char *path, struct cl_api *ret_api, char *err, size_t err_size)
{
	struct cl_api api = { .library = dlopen(path ? path : "libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL) };
	const char *missing = NULL;

	if (!api.library) {
		if (path)
			snprintf(err, err_size, "%s", dlerror());
		else
			snprintf(err, err_size, "no libOpenCL.so.1: install ocl-icd-libopencl1 and an OpenCL driver");
		return -ENOENT;
	}
#define CL_LOAD(name, result, params)							\
	api.name = (result (*) params)dlsym(api.library, "cl" #name);			\
	if (!api.name && !missing)							\
		missing = "cl" #name;
	CL_CALLS(CL_LOAD)
	if (missing) {
		snprintf(err, err_size, "%s lacks %s: not OpenCL 2.0", path ? path : "libOpenCL.so.1", missing);
		dlclose(api.library);
		return -ELIBACC;
	}
	*ret_api = api;
	return 0;
}

const char *cl_error_name(cl_error error)
{
	static const struct {
		cl_error error;
		const char *name;
	} names[] = {
		{ -1, "CL_DEVICE_NOT_FOUND" }, { -2, "CL_DEVICE_NOT_AVAILABLE" }, { -3, "CL_COMPILER_NOT_AVAILABLE" },
		{ -4, "CL_MEM_OBJECT_ALLOCATION_FAILURE" }, { -5, "CL_OUT_OF_RESOURCES" }, { -6, "CL_OUT_OF_HOST_MEMORY" },
		{ -11, "CL_BUILD_PROGRAM_FAILURE" }, { -14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST" }, { -30, "CL_INVALID_VALUE" },
		{ -33, "CL_INVALID_DEVICE" }, { -34, "CL_INVALID_CONTEXT" }, { -36, "CL_INVALID_COMMAND_QUEUE" }, { -44, "CL_INVALID_PROGRAM" },
		{ -45, "CL_INVALID_PROGRAM_EXECUTABLE" }, { -46, "CL_INVALID_KERNEL_NAME" }, { -48, "CL_INVALID_KERNEL" },
		{ -50, "CL_INVALID_ARG_VALUE" }, { -51, "CL_INVALID_ARG_SIZE" }, { -52, "CL_INVALID_KERNEL_ARGS" },
		{ -54, "CL_INVALID_WORK_GROUP_SIZE" }, { -58, "CL_INVALID_EVENT" }, { -59, "CL_INVALID_OPERATION" }, { -1001, "CL_PLATFORM_NOT_FOUND_KHR" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			return names[i].name;
	return "error";
}
