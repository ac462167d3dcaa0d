// SPDX-License-Identifier: MIT
/* What must stay as it was: the module's counters, tenants and engines (debugfs), what its calls say of the tenant and the queue. */
#include "failnth.h"

#define STATE		"/sys/kernel/debug/dseek/"

static size_t add_file(char *to, size_t size, const char *name)
{
	char path[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), STATE "%s", name);
	f = open(path, O_RDONLY);
	n = f < 0 ? -1 : read(f, to, size - 1);
	if (n < 0)
		die(path);
	close(f);
	to[n] = 0;
	return (size_t)n;
}

/* Whether an engine that nobody serves still waits for somebody is a matter of time. */
static void free_engines(char *s)
{
	static const char waiting[] = " waiting ", gone[] = " gone ";
	char *p;

	while ((p = strstr(s, waiting)))
		memmove(p + 1, p + sizeof(waiting) - 2, strlen(p + sizeof(waiting) - 2) + 1);
	while ((p = strstr(s, gone)))
		memmove(p + 1, p + sizeof(gone) - 2, strlen(p + sizeof(gone) - 2) + 1);
}

static void snapshot(char *to, size_t size)
{
	struct drm_dseek_queue_query q = { .handle = on.queue };
	struct drm_dseek_tenant_info t;
	size_t n = add_file(to, size, "counters");
	char *copied = strstr(to, "bytes_copied");

	if (copied)
		n = (size_t)(copied - to);
	n += add_file(to + n, size - n, "tenants");
	n += add_file(to + n, size - n, "engines");
	free_engines(to);
	n = strlen(to);
	if (on.fd >= 0) {
		t = tenant_info(on.fd);
		n += (size_t)snprintf(to + n, size - n, "tenant pinned %llu imported %llu device %llu queues %u jobs %u\n", t.pinned_bytes, t.imported_bytes,
				      t.device_bytes, t.queues, t.jobs);
	}
	if (on.queue && !call(on.fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q))
		snprintf(to + n, size - n, "queue submitted %llu completed %llu faulted %llu\n", q.submitted, q.completed, q.faulted);
}

void state_omit(char *s, const char *prefix)
{
	char *end, *line;

	for (line = s; *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		if (!strncmp(line, prefix, strlen(prefix))) {
			memmove(line, end, strlen(end) + 1);
			end = line;
		}
	}
}

/* Fences and files are let go of after a grace period. */
void state_settled(char *to, size_t size)
{
	static char again[1 << 16];
	int i;

	snapshot(to, size);
	for (i = 0; i < 200; i++) {
		sleep_ns(60 * MS);
		snapshot(again, sizeof(again));
		if (!strcmp(to, again))
			return;
		memcpy(to, again, strlen(again) + 1);
	}
	die("the module does not come to rest");
}

int state_is(const char *before, char *after, size_t size, const char *const *except)
{
	int i, k;

	for (i = 0; i < 200; i++) {
		snapshot(after, size);
		for (k = 0; except[k]; k++)
			state_omit(after, except[k]);
		if (!strcmp(before, after))
			return 1;
		sleep_ns(i < 5 ? MS : 50 * MS);
	}
	return 0;
}
