// SPDX-License-Identifier: MIT
/* cl_api.h against CL/cl.h, where that is installed. */
#include <string.h>

#include "../tap.h"

#ifdef HAVE_OPENCL
#define CL_TARGET_OPENCL_VERSION 200
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "../../userspace/executor/opencl/cl_api.h"

#define VALUE(ours, theirs) { #theirs, ours, theirs }

static const struct {
	const char *what;
	long long ours, theirs;
} pairs[] = {
	VALUE(CL_OK, CL_SUCCESS), VALUE(CL_NO_DEVICE, CL_DEVICE_NOT_FOUND), VALUE(CL_OUT_OF_RESOURCES_, CL_OUT_OF_RESOURCES),
	VALUE(CL_OUT_OF_HOST_MEMORY_, CL_OUT_OF_HOST_MEMORY), VALUE(CL_BUILD_FAILURE, CL_BUILD_PROGRAM_FAILURE),
	VALUE(CL_ALL_DEVICES, CL_DEVICE_TYPE_ALL), VALUE(CL_TYPE_CPU, CL_DEVICE_TYPE_CPU), VALUE(CL_INFO_TYPE, CL_DEVICE_TYPE),
	VALUE(CL_INFO_UNITS, CL_DEVICE_MAX_COMPUTE_UNITS),
	VALUE(CL_INFO_NAME, CL_DEVICE_NAME), VALUE(CL_INFO_SVM, CL_DEVICE_SVM_CAPABILITIES), VALUE(CL_SVM_SYSTEM, CL_DEVICE_SVM_FINE_GRAIN_SYSTEM),
	VALUE(CL_INFO_BUILD_LOG, CL_PROGRAM_BUILD_LOG), VALUE(CL_INFO_STATUS, CL_EVENT_COMMAND_EXECUTION_STATUS), VALUE(0, CL_COMPLETE),
	VALUE(sizeof(cl_error), sizeof(cl_int)), VALUE(sizeof(cl_object), sizeof(cl_mem)), VALUE(sizeof(uint64_t), sizeof(cl_device_type)),
	VALUE(sizeof(uint64_t), sizeof(cl_device_svm_capabilities)), VALUE(sizeof(uint64_t), sizeof(cl_command_queue_properties)),
	VALUE(sizeof(intptr_t), sizeof(cl_context_properties)),
};

static const struct {
	const char *name;
	int error;
} errors[] = {
#define NAMED(e) { #e, e }
	NAMED(CL_DEVICE_NOT_FOUND), NAMED(CL_COMPILER_NOT_AVAILABLE), NAMED(CL_MEM_OBJECT_ALLOCATION_FAILURE), NAMED(CL_OUT_OF_RESOURCES),
	NAMED(CL_OUT_OF_HOST_MEMORY), NAMED(CL_BUILD_PROGRAM_FAILURE), NAMED(CL_INVALID_VALUE), NAMED(CL_INVALID_DEVICE), NAMED(CL_INVALID_CONTEXT),
	NAMED(CL_INVALID_COMMAND_QUEUE), NAMED(CL_INVALID_PROGRAM), NAMED(CL_INVALID_PROGRAM_EXECUTABLE), NAMED(CL_INVALID_KERNEL_NAME),
	NAMED(CL_INVALID_KERNEL), NAMED(CL_INVALID_ARG_VALUE), NAMED(CL_INVALID_ARG_SIZE), NAMED(CL_INVALID_KERNEL_ARGS),
	NAMED(CL_INVALID_WORK_GROUP_SIZE), NAMED(CL_INVALID_EVENT), NAMED(CL_INVALID_OPERATION),
};

int main(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].ours != pairs[i].theirs)
			wrong += printf("# %s: %lld here, %lld in CL/cl.h\n", pairs[i].what, pairs[i].ours, pairs[i].theirs) > 0;
	tap_ok(!wrong, "%u sizes and numbers are those of CL/cl.h", i);
	for (i = wrong = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(cl_error_name(errors[i].error), errors[i].name))
			wrong += printf("# %d is called %s\n", errors[i].error, cl_error_name(errors[i].error)) > 0;
	tap_ok(!wrong && !strcmp(cl_error_name(-9999), "error"), "%u errors have the names that they have there", i);
	return tap_end();
}
#else
int main(void)
{
	tap_skip("the ABI of OpenCL", "no CL/cl.h (tools/packages install kernels)");
	return tap_end();
}
#endif
