// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* DRM_IOCTL_DSEEK_DEV_QUERY: device, engines, tenant. */
#include "kselftest_harness.h"
#include "dseek_test.h"
#include <stddef.h>

FIXTURE(query) {
	int fd;
};

FIXTURE_SETUP(query)
{
	self->fd = open_node();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(query)
{
	close(self->fd);
}

TEST_F(query, device)
{
	struct drm_dseek_device_info d = { .pad = 7 };

	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_DEVICE, 0, &d, sizeof(d)));
	EXPECT_EQ(DRM_DSEEK_ABI_MAJOR, d.abi_major);
	EXPECT_LE(0, d.abi_minor);
	EXPECT_EQ(DRM_DSEEK_FEATURE_STANDBY | DRM_DSEEK_FEATURE_ENGINE_SET | DRM_DSEEK_FEATURE_TENANT_TREE |
		  DRM_DSEEK_FEATURE_DRAIN | DRM_DSEEK_FEATURE_REPORT | DRM_DSEEK_FEATURE_DESC_CLASS |
		  DRM_DSEEK_FEATURE_OWNER | DRM_DSEEK_FEATURE_MEMORY, d.features);
	EXPECT_EQ(0, d.pad);
}

TEST_F(query, sizes)
{
	struct drm_dseek_dev_query q = { .type = DRM_DSEEK_QUERY_DEVICE };
	uint8_t buf[256];

	/* size only */
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(struct drm_dseek_device_info), q.size);
	q.type = DRM_DSEEK_QUERY_TENANT;
	q.size = 0;
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(struct drm_dseek_tenant_info), q.size);

	/* an old caller: no byte more than it has room for */
	memset(buf, 0xa5, sizeof(buf));
	q = (struct drm_dseek_dev_query){ .type = DRM_DSEEK_QUERY_DEVICE, .pointer = (uintptr_t)buf, .size = 4 };
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(struct drm_dseek_device_info), q.size);
	EXPECT_EQ(DRM_DSEEK_ABI_MAJOR, buf[0]);
	EXPECT_EQ(0xa5, buf[4]);

	/* a newer one: no byte more than the kernel knows */
	memset(buf, 0xa5, sizeof(buf));
	q.size = sizeof(buf);
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(struct drm_dseek_device_info), q.size);
	EXPECT_EQ(0xa5, buf[sizeof(struct drm_dseek_device_info)]);
}

/* Who was built with 1.0 gets what 1.0 had, and is told how much there is. */
TEST_F(query, callers_of_1_0)
{
	struct drm_dseek_tenant_info t = { .program_bytes = 0x5a5a5a5a };
	struct drm_dseek_engine_info e = { .predicted = { .jobs = 0x5a5a5a5a } };
	struct drm_dseek_dev_query q = { .type = DRM_DSEEK_QUERY_TENANT, .pointer = (uintptr_t)&t,
					 .size = offsetof(struct drm_dseek_tenant_info, program_bytes) };
	struct test_exec exec;

	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(t), q.size);
	EXPECT_LT(0, t.job_limit);
	EXPECT_EQ(0x5a5a5a5a, t.program_bytes);
	ASSERT_EQ(0, exec_attach(&exec, TEST_ENGINE, 1));
	q = (struct drm_dseek_dev_query){ .type = DRM_DSEEK_QUERY_ENGINE, .index = exec.engine, .pointer = (uintptr_t)&e,
					  .size = offsetof(struct drm_dseek_engine_info, predicted) };
	ASSERT_EQ(0, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, &q));
	EXPECT_EQ(sizeof(e), q.size);
	EXPECT_EQ(1, e.depth);
	EXPECT_EQ(0x5a5a5a5a, e.predicted.jobs);
	exec_close(&exec);
}

TEST_F(query, refusals)
{
	struct drm_dseek_device_info d;
	struct drm_dseek_dev_query q = { .type = DRM_DSEEK_QUERY_DEVICE, .pointer = (uintptr_t)&d, .size = sizeof(d) };

	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, pad = 1);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, type = DRM_DSEEK_QUERY_COUNT);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, type = 0xffffffff);
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, index = 1);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, pointer = UNMAPPED);
	REFUSE(EFAULT, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, pointer = KERNEL_ADDRESS);
	q.type = DRM_DSEEK_QUERY_TENANT;
	REFUSE(EINVAL, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, index = 1);
	q.type = DRM_DSEEK_QUERY_ENGINE;
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, index = 1000);
	REFUSE(ENOENT, self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, q, index = 0xffffffff);
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, NULL));
	EXPECT_EQ(-EFAULT, call(self->fd, DRM_IOCTL_DSEEK_DEV_QUERY, (void *)UNMAPPED));
}

TEST_F(query, unknown_ioctls)
{
	uint64_t arg[32] = { 0 };

	EXPECT_GT(0, call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_WAIT + 1, struct drm_dseek_wait), arg));
	EXPECT_GT(0, call(self->fd, DRM_IOCTL_DSEEK_NEXT, arg));
	EXPECT_GT(0, call(self->fd, DRM_IOCTL_DSEEK_ATTACH, arg));
}

static int find_engine(int fd, const char *name, struct drm_dseek_engine_info *ret)
{
	struct drm_dseek_engine_info e;
	uint32_t i;
	int r;

	for (i = 0; !(r = query(fd, DRM_DSEEK_QUERY_ENGINE, i, &e, sizeof(e))); i++)
		if (!strcmp((const char *)e.name, name)) {
			*ret = e;
			return 0;
		}
	return r;
}

TEST_F(query, engine_comes_and_goes)
{
	struct drm_dseek_engine_info i, again;
	struct drm_dseek_device_info d;
	struct test_exec e;
	uint32_t queue;

	ASSERT_EQ(0, exec_attach(&e, TEST_ENGINE, 8));
	ASSERT_EQ(0, find_engine(self->fd, TEST_ENGINE, &i));
	EXPECT_EQ(e.engine, i.id);
	EXPECT_EQ(DRM_DSEEK_ENGINE_NULL, i.type);
	EXPECT_EQ(DRM_DSEEK_ENGINE_ATTACHED, i.flags);
	EXPECT_EQ(8, i.depth);
	EXPECT_EQ(-1, i.numa_node);
	EXPECT_EQ(e.generation, i.generation);
	EXPECT_EQ(0, i.pad);
	ASSERT_EQ(0, query(self->fd, DRM_DSEEK_QUERY_DEVICE, 0, &d, sizeof(d)));
	EXPECT_LE(1, d.engine_count);

	/* the name stays as long as someone has a queue there */
	ASSERT_EQ(0, queue_create(self->fd, e.engine, DRM_DSEEK_CLASS_BATCH, 1, &queue));
	exec_close(&e);
	ASSERT_EQ(0, find_engine(self->fd, TEST_ENGINE, &again));
	EXPECT_EQ(i.id, again.id);
	EXPECT_EQ(0, again.flags & DRM_DSEEK_ENGINE_ATTACHED);
	ASSERT_EQ(0, exec_attach(&e, TEST_ENGINE, 4));
	ASSERT_EQ(0, find_engine(self->fd, TEST_ENGINE, &again));
	EXPECT_EQ(i.id, again.id);
	EXPECT_EQ(i.generation + 1, again.generation);
	EXPECT_EQ(DRM_DSEEK_ENGINE_ATTACHED, again.flags);
	EXPECT_EQ(4, again.depth);
	exec_close(&e);
}

TEST_F(query, tenant)
{
	struct drm_dseek_tenant_info t = tenant_info(self->fd);

	EXPECT_EQ(0, t.pinned_bytes);
	EXPECT_EQ(0, t.imported_bytes);
	EXPECT_EQ(0, t.queues);
	EXPECT_EQ(0, t.jobs);
	EXPECT_LT(0, t.pinned_limit);
	EXPECT_LT(0, t.queue_limit);
	EXPECT_LT(0, t.job_limit);
	EXPECT_LE(1, t.weight_limit);
	EXPECT_NE(0, t.class_mask);
	EXPECT_EQ(0, t.class_mask >> DRM_DSEEK_CLASS_COUNT);
	EXPECT_NE(0, t.name[0]);
	EXPECT_EQ(0, t.name[DRM_DSEEK_NAME_LEN - 1]);
}

TEST_HARNESS_MAIN
