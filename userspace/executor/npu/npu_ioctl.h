/* SPDX-License-Identifier: MIT */
/* All that the npu backend asks of the kernel. tests/npu/model.c takes its place with a model of the driver and of the device. */
#ifndef DSEEK_NPU_IOCTL_H
#define DSEEK_NPU_IOCTL_H

#include <stddef.h>
#include <stdint.h>

/* Results are 0 or more, or -errno. */
int npu_sys_node(unsigned int index, char *path, size_t size);	/* the path of the index'th of /dev/accel/accel*; -ENOENT past the last */
int npu_sys_open(const char *path);
void npu_sys_close(int fd);
int npu_sys_ioctl(int fd, unsigned long request, void *arg);	/* begun anew after a signal */
int npu_sys_map(int fd, uint64_t offset, size_t size, size_t align, void **ret_base);	/* shared, readable and writable; @align: a power of two */
void npu_sys_unmap(void *base, size_t size);
void npu_sys_flush(const void *base, size_t size);	/* cache lines, written back and forgotten */
int npu_sys_can_flush(void);				/* whether a process can do that here */

#endif /* DSEEK_NPU_IOCTL_H */
