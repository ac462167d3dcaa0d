// SPDX-License-Identifier: MIT
#include "watch.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNTERS	"/sys/kernel/debug/dseek/counters"
#define REFERENCES	"/sys/module/dseek/refcnt"
#define STEP_US		2000

static int kmsg = -1;

static const char *const complaints[] = {
	"WARNING:", "BUG:", "BUG ", "Oops", "KASAN", "UBSAN", "KCSAN", "possible recursive", "possible circular", "possible irq", "suspicious RCU",
	"blocked for more", "general protection", "refcount_t", "soft lockup", "self-detected stall", "non-static key", "unreferenced object",
};

void watch_begin(void)
{
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

bool watch_log(char *why, size_t size)
{
	char line[1024];
	ssize_t n;
	size_t i;

	/* -1 also where lines were lost: the next read goes on behind them */
	while (kmsg >= 0 && (n = read(kmsg, line, sizeof(line) - 1)) != -1) {
		line[n] = 0;
		for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
			if (strstr(line, complaints[i]) && !strstr(line, "hrtimer_forward")) {
				line[strcspn(line, "\n")] = 0;
				snprintf(why, size, "the kernel says: %s", line);
				return true;
			}
	}
	return false;
}

/* Appends " NAME=VALUE" of each line "NAME VALUE" that is not 0. */
static void read_counters(char *why, size_t size)
{
	FILE *f = fopen(COUNTERS, "re");
	char name[32];
	long long n;

	while (f && fscanf(f, "%31s %lld", name, &n) == 2)
		if (n && strcmp(name, "bytes_copied"))
			snprintf(why + strlen(why), size - strlen(why), " %s=%lld", name, n);
	if (f)
		fclose(f);
}

static void read_references(char *why, size_t size)
{
	FILE *f = fopen(REFERENCES, "re");
	int n;

	if (f && fscanf(f, "%d", &n) == 1 && n)
		snprintf(why + strlen(why), size - strlen(why), " references=%d", n);
	if (f)
		fclose(f);
}

bool watch_left(double seconds, char *why, size_t size)
{
	double waited;
	size_t n;

	for (waited = 0; ; waited += STEP_US * 1e-6) {
		n = (size_t)snprintf(why, size, "left behind:");
		read_counters(why, size);
		read_references(why, size);
		if (!why[n]) {
			*why = '\0';
			return false;
		}
		if (waited >= seconds)
			return true;
		usleep(STEP_US);
	}
}
