// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Programs: handed over once, never looked into by the kernel. */
#include "kselftest_harness.h"
#include "dseek_test.h"

FIXTURE(program) {
	int fd;
	void *blob;
};

FIXTURE_SETUP(program)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
	self->blob = calloc(1, DRM_DSEEK_MAX_PROGRAM);
	ASSERT_NE(NULL, self->blob);
}

FIXTURE_TEARDOWN(program)
{
	free(self->blob);
	close(self->fd);
}

TEST_F(program, create_and_destroy)
{
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)self->blob, .size = 1 };
	struct drm_dseek_program_destroy d = { 0 };
	uint32_t first;

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c));
	EXPECT_NE(0, c.handle);
	first = c.handle;
	c.size = DRM_DSEEK_MAX_PROGRAM;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c));
	EXPECT_NE(first, c.handle);
	d.handle = first;
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d));
	EXPECT_EQ(-ENOENT, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d));
}

TEST_F(program, create_refusals)
{
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)self->blob, .size = 64 };

	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, size = 0);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, size = DRM_DSEEK_MAX_PROGRAM + 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, size = 0xffffffff);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, flags = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, pad = 1);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, pointer = 0);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, pointer = UNMAPPED);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, c, pointer = KERNEL_ADDRESS);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, NULL));
}

TEST_F(program, bytes_are_limited)
{
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)self->blob, .size = DRM_DSEEK_MAX_PROGRAM };
	struct drm_dseek_program_destroy d = { 0 };
	unsigned int limit = 0, n;
	int r = 0;

	if (parameter_set("program_limit_mb", 3, &limit))
		SKIP(return, "not root");
	for (n = 0; n < 4 && !r; n++) {
		c.handle = 0;
		r = call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);
		d.handle = r ? d.handle : c.handle;
	}
	EXPECT_EQ(4, n);
	EXPECT_EQ(-EDQUOT, r);
	EXPECT_EQ(0, c.handle);
	c.size = 1;
	EXPECT_EQ(-EDQUOT, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c));
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d));
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c));
	EXPECT_EQ(0, parameter_set("program_limit_mb", limit, NULL));
}

TEST_F(program, destroy_refusals)
{
	struct drm_dseek_program_destroy d = { 0 };

	ASSERT_EQ(0, program_create(self->fd, &d.handle));
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, d, pad = 1);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, d, handle = 0);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, d, handle = 4711);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, NULL));
	/* refused calls had no effect */
	EXPECT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d));
}

TEST_F(program, handles_belong_to_a_file)
{
	struct drm_dseek_program_destroy d = { 0 };
	int other = open_node();

	ASSERT_LE(0, other);
	ASSERT_EQ(0, program_create(self->fd, &d.handle));
	EXPECT_EQ(-ENOENT, call(other, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &d));
	close(other);
}

TEST_HARNESS_MAIN
