# SPDX-License-Identifier: MIT
libdseek-src += $(addprefix userspace/executor/opencl/,backend_opencl.c cl_api.c cl_driver.c)
