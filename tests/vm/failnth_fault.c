// SPDX-License-Identifier: MIT
/* The debug kernel's fault injection: /proc/thread-self/fail-nth. */
#include "failnth.h"

#define FAULTS		"/sys/kernel/debug/"

static int fail_file;

static void put(const char *dir, const char *file, const char *value)
{
	char path[96];
	int f;

	snprintf(path, sizeof(path), FAULTS "%s/%s", dir, file);
	f = open(path, O_WRONLY);
	if (f < 0 || write(f, value, strlen(value)) < 0)
		die(path);
	close(f);
}

/* What may fail: allocations that may sleep too, of any order, and user copies; below the module's text. */
void fault_setup(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned long long base = 0, size = 0;
	char line[256], start[32], end[32];
	FILE *f = fopen("/proc/modules", "r");
	size_t i;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "dseek %llu %*s %*s %*s %llx", &size, &base) == 2)
			break;
	if (f)
		fclose(f);
	if (!base)
		die("no address of dseek in /proc/modules");
	snprintf(start, sizeof(start), "0x%llx", base);
	snprintf(end, sizeof(end), "0x%llx", base + size);
	for (i = 0; i < 3; i++) {
		put(kinds[i], "verbose", "0");
		put(kinds[i], "stacktrace-depth", "32");
		put(kinds[i], "require-start", start);
		put(kinds[i], "require-end", end);
		if (i < 2)
			put(kinds[i], "ignore-gfp-wait", "N");
	}
	put("fail_page_alloc", "ignore-gfp-highmem", "N");
	put("fail_page_alloc", "min-order", "0");
	fail_file = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_file < 0)
		die("/proc/thread-self/fail-nth");
}

/* Without a libc call between arming and the call at hand. */
void fault_arm(int nth)
{
	char s[12];
	int n = snprintf(s, sizeof(s), "%d", nth);

	if (pwrite(fail_file, s, (size_t)n, 0) != n)
		die("fail-nth");
}

int fault_disarm(void)
{
	char s[12] = "";

	if (pread(fail_file, s, sizeof(s) - 1, 0) <= 0)
		die("fail-nth");
	if (pwrite(fail_file, "0", 1, 0) != 1)
		die("fail-nth");
	return !atoi(s);
}
