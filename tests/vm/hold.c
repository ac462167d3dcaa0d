// SPDX-License-Identifier: MIT
/* hold BYTES: a buffer of so many, until killed. Exit status: the errno of what failed. */
#include "../selftests/dseek/dseek_test.h"

int main(int argc, char **argv)
{
	uint32_t handle;
	int fd = open_node(), r;

	if (argc != 2 || fd < 0)
		return 2;
	r = bo_create(fd, strtoull(argv[1], NULL, 10), &handle);
	if (r)
		return -r;
	pause();
	return 0;
}
