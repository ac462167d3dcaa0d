/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* dma-bufs: those of the module's buffers, and of the exporters that a kernel may have. Sizes are whole pages. */
#ifndef DSEEK_DMABUF_H
#define DSEEK_DMABUF_H

#include "dseek_test.h"
#include <linux/udmabuf.h>

/* Of a buffer's handle at the module, or at vgem. */
static inline int export_fd(int fd, uint32_t handle)
{
	struct drm_prime_handle p = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p);

	return r ? r : p.fd;
}

/* *ret_mem: the memory itself, the caller's to close; -1: none. -ENODEV: this kernel has no udmabuf. */
static inline int udmabuf_of(uint64_t size, int *ret_mem)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), mem, fd;

	*ret_mem = -1;
	if (dev < 0)
		return -ENODEV;
	mem = memfd_create("udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (mem < 0 || ftruncate(mem, (off_t)size) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	c.memfd = (uint32_t)mem;
	fd = ioctl(dev, UDMABUF_CREATE, &c);
	fd = fd < 0 ? -errno : fd;
	close(dev);
	*ret_mem = mem;
	return fd;
}

static inline int vgem_open(void)
{
	char name[16] = "", path[32];
	struct drm_version v = { .name = name, .name_len = sizeof(name) - 1 };
	int i, fd;

	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		v.name_len = sizeof(name) - 1;
		if (!call(fd, DRM_IOCTL_VERSION, &v) && !strcmp(name, "vgem"))
			return fd;
		close(fd);
	}
	return -ENODEV;
}

/* *ret_exporter: vgem's file, the caller's to close, which has the buffer as well; -1: none. -ENODEV: there is no vgem. */
static inline int vgem_of(uint64_t size, int *ret_exporter)
{
	struct drm_mode_create_dumb dumb = { .width = 1024, .height = (uint32_t)(size / 4096), .bpp = 32 };
	int fd = vgem_open(), r;

	*ret_exporter = fd < 0 ? -1 : fd;
	if (fd < 0)
		return fd;
	r = call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	return r ? r : dumb.size != size ? -EIO : export_fd(fd, dumb.handle);
}

#endif /* DSEEK_DMABUF_H */
