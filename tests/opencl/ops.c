// SPDX-License-Identifier: MIT
/* Every op that the opencl backend takes, on the machine's OpenCL, against the oracle: what tests/hip/ops.c does with the hip backend. */
int hip_ops(void);
#define main			hip_ops
#define dseek_backend_hip	dseek_backend_opencl
#include "../hip/ops.c"
#undef main

int main(void)
{
	if (hip_device_why_not()) {
		tap_skip("the ops of the opencl backend", hip_device_why_not());
		return tap_end();
	}
	test_target("opencl");
	return tap_end();
}
