// SPDX-License-Identifier: MIT
/* The backend and the machine's own /dev/accel: without an NPU it is refused by a sentence. And what npu_ioctl.c does for itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/npu/npu_ioctl.h"
#include "../tap.h"

int main(void)
{
	char err[400] = "", text[400] = "", path[64];
	void *state = NULL, *base = NULL;
	int fd = memfd_create("npu", MFD_CLOEXEC), r, n;

	r = dseek_backend_npu.open(NULL, &state, err, sizeof(err));
	if (!r) {
		dseek_backend_npu.describe(state, text, sizeof(text));
		dseek_backend_npu.close(state);
		tap_ok(strstr(text, "no AIE binaries") != NULL, "there is an NPU here: %s", text);
	} else {
		tap_ok(strstr(err, "npu: ") && (strstr(err, "/dev/accel/accel")), "refused: %s", err);
	}
	tap_ok(dseek_backend_npu.open("device=/dev/null", &state, err, sizeof(err)) == -ENOTTY && strstr(err, "npu: /dev/null: VERSION: Inappropriate ioctl"),
	       "a node that isn't DRM's: %s", err);
	tap_ok(dseek_backend_npu.open("device=/nonexistent", &state, err, sizeof(err)) == -ENOENT && strstr(err, "npu: /nonexistent: No such file"),
	       "one that isn't there: %s", err);

	tap_ok(npu_sys_node(1000, path, sizeof(path)) == -ENOENT, "there aren't 1001 accelerators");
	if (ftruncate(fd, 1 << 20))
		return 1;
	r = npu_sys_map(fd, 0, 1 << 20, 64 << 20, &base);
	tap_ok(!r && !((uintptr_t)base % (64 << 20)), "a mapping at a multiple of 64 MiB: %p", base);
	if (!r) {
		memset(base, 7, 1 << 20);
		npu_sys_flush((char *)base + 3, 100);
		npu_sys_unmap(base, 1 << 20);
	}
	tap_ok(npu_sys_map(-1, 0, 4096, 4096, &base) == -EBADF, "a file that isn't one");
	tap_ok(npu_sys_ioctl(fd, _IO('d', 1), &n) == -ENOTTY, "a call that fails says how");
	npu_sys_close(fd);
	return tap_end();
}
