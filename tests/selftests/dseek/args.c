// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What holds for every call alike: a pointer to the argument that can't be read is -EFAULT, and there are no other calls. */
#include "kselftest_harness.h"
#include "dseek_test.h"

static const struct {
	char name[16];
	unsigned long request;
	int executors;		/* on /dev/dseek-exec */
} calls[] = {
	{ "DEV_QUERY", DRM_IOCTL_DSEEK_DEV_QUERY, 0 },
	{ "BO_CREATE", DRM_IOCTL_DSEEK_BO_CREATE, 0 },
	{ "BO_INFO", DRM_IOCTL_DSEEK_BO_INFO, 0 },
	{ "BO_MADVISE", DRM_IOCTL_DSEEK_BO_MADVISE, 0 },
	{ "PROGRAM_CREATE", DRM_IOCTL_DSEEK_PROGRAM_CREATE, 0 },
	{ "PROGRAM_DESTROY", DRM_IOCTL_DSEEK_PROGRAM_DESTROY, 0 },
	{ "QUEUE_CREATE", DRM_IOCTL_DSEEK_QUEUE_CREATE, 0 },
	{ "QUEUE_DESTROY", DRM_IOCTL_DSEEK_QUEUE_DESTROY, 0 },
	{ "QUEUE_QUERY", DRM_IOCTL_DSEEK_QUEUE_QUERY, 0 },
	{ "SUBMIT", DRM_IOCTL_DSEEK_SUBMIT, 0 },
	{ "WAIT", DRM_IOCTL_DSEEK_WAIT, 0 },
	{ "ATTACH", DRM_IOCTL_DSEEK_ATTACH, 1 },
	{ "NEXT", DRM_IOCTL_DSEEK_NEXT, 1 },
	{ "MAP", DRM_IOCTL_DSEEK_MAP, 1 },
	{ "PROGRAM_READ", DRM_IOCTL_DSEEK_PROGRAM_READ, 1 },
	{ "REPORT", DRM_IOCTL_DSEEK_REPORT, 1 },
};

#define CALLS	(sizeof(calls) / sizeof(calls[0]))

FIXTURE(args) {
	int fd, exec;
};

FIXTURE_SETUP(args)
{
	self->fd = open_node();
	self->exec = exec_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->exec);
}

FIXTURE_TEARDOWN(args)
{
	close(self->fd);
	close(self->exec);
}

TEST_F(args, cannot_be_read)
{
	static const uint64_t bad[] = { 0, 8, UNMAPPED, KERNEL_ADDRESS, UINT64_MAX - 7 };
	size_t i, k;

	for (i = 0; i < CALLS; i++)
		for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
			EXPECT_EQ(-EFAULT, call(calls[i].executors ? self->exec : self->fd, calls[i].request, (void *)(uintptr_t)bad[k])) {
				TH_LOG("%s at 0x%llx", calls[i].name, (unsigned long long)bad[k]);
			}
}

TEST_F(args, end_in_a_hole)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
	uint8_t *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)p);
	munmap(p + page, page);
	for (i = 0; i < CALLS; i++)
		EXPECT_EQ(-EFAULT, call(calls[i].executors ? self->exec : self->fd, calls[i].request,
					p + page - _IOC_SIZE(calls[i].request) + 8)) { TH_LOG("%s", calls[i].name); }
	munmap(p, page);
}

/* A number means one thing on one device: nothing past the last, and on the executors' no other size. */
TEST_F(args, other_numbers)
{
	uint64_t arg[64] = { 0 };
	uint32_t nr;
	size_t i;

	for (nr = DRM_DSEEK_WAIT + 1; nr < DRM_COMMAND_END - DRM_COMMAND_BASE; nr++)
		EXPECT_GT(0, call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + nr, struct drm_dseek_wait), arg)) { TH_LOG("%u", nr); }
	for (nr = _IOC_NR(DRM_IOCTL_DSEEK_REPORT) + 1; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, call(self->exec, _IO(DRM_DSEEK_EXEC_IOCTL_BASE, nr), arg)) { TH_LOG("%u", nr); }
	for (i = 0; i < CALLS; i++) {
		unsigned long larger = _IOC(_IOC_DIR(calls[i].request), _IOC_TYPE(calls[i].request), _IOC_NR(calls[i].request),
					    _IOC_SIZE(calls[i].request) + 8);

		if (calls[i].executors)
			EXPECT_EQ(-ENOTTY, call(self->exec, larger, arg)) { TH_LOG("%s", calls[i].name); }
		EXPECT_GT(0, call(calls[i].executors ? self->fd : self->exec, calls[i].request, arg)) {
			TH_LOG("%s on the other device", calls[i].name);
		}
	}
}

TEST_HARNESS_MAIN
