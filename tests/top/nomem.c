// SPDX-License-Identifier: MIT
/*
 * Preloaded: of the allocations of a sample's clients, the one whose number DSEEK_TEST_NOMEM says fails, and those after it. And what dseek-top finds on
 * its stack is nothing that it could free.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../userspace/top/top.h"

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	void *(*real)(void *, size_t) = dlsym(RTLD_NEXT, "realloc");
	const char *from = getenv("DSEEK_TEST_NOMEM");
	static int count;

	if (!old && from && size == 32 * sizeof(struct top_client) && ++count >= atoi(from))
		return NULL;
	return real(old, size);
}

/* The last that main() calls before it looks for the first time. */
__attribute__((visibility("default"))) int isatty(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "isatty");
	char stack[128 << 10];

	memset(stack, 0x5a, sizeof(stack));
	__asm__ volatile("" : : "r"(stack) : "memory");
	return real(fd);
}
