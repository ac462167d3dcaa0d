// SPDX-License-Identifier: MIT
#include "kcov.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t kcov_module_base(void)
{
	unsigned long long base = 0;
	char line[256];
	FILE *f = fopen("/proc/modules", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "dseek %*s %*s %*s %*s %llx", &base) == 1)
			break;
	if (f)
		fclose(f);
	return base;
}

int kcov_start(struct kcov *k, uint32_t entries)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	k->base = kcov_module_base();
	k->entries = entries;
	k->area = MAP_FAILED;
	if (ioctl(fd, KCOV_INIT_TRACE, (unsigned long)entries) ||
	    (k->area = mmap(NULL, entries * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED ||
	    ioctl(fd, KCOV_ENABLE, (unsigned long)KCOV_TRACE_PC)) {
		err = -errno;
		if (k->area != MAP_FAILED)
			munmap(k->area, entries * sizeof(uint64_t));
		close(fd);
		return err;
	}
	close(fd);	/* the mapping keeps it */
	return 0;
}

uint32_t kcov_collect(const struct kcov *k, uint8_t *reached, uint32_t size, uint8_t *edges)
{
	uint64_t n = __atomic_load_n(&k->area[0], __ATOMIC_RELAXED), i;
	uint32_t news = 0, last = 0;

	if (n >= k->entries)
		n = k->entries - 1;
	for (i = 1; i <= n; i++) {
		uint64_t at = k->area[i] - k->base;
		uint32_t edge;

		if (at >= size)
			continue;
		if (!reached[at]) {
			reached[at] = 1;
			news++;
		}
		if (edges) {
			edge = (last * 0x9e3779b1u >> 7 ^ (uint32_t)at * 0x85ebca6bu >> 11) & 0xffff;
			if (!edges[edge]) {
				edges[edge] = 1;
				news++;
			}
		}
		last = (uint32_t)at;
	}
	return news;
}
