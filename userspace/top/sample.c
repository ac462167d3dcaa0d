// SPDX-License-Identifier: MIT
/* One look at /proc and /sys. Processes come and go meanwhile: what vanishes while it is read is left out. */
#include "top.h"

#include <ctype.h>
#include <dirent.h>
#include <dseek.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../cli/cli.h"

#define ENGINES "sys/class/misc/dseek-exec/device/engines"

static int read_text(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The file's text with its last newline cut off, or a negative errno. */
static int read_text(char *text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	ssize_t n;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	if (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return 0;
}

/* ---- engines */

static uint64_t attribute(const struct top_source *source, const char *engine, const char *name)
{
	char text[64];

	if (read_text(text, sizeof(text), "%s/" ENGINES "/%s/%s", source->root, engine, name))
		return 0;
	return strtoull(text, NULL, 10);
}

static struct top_engine *engine_named(struct top_sample *sample, const char *name, size_t len)
{
	struct top_engine *engine;
	uint32_t i;

	for (i = 0; i < sample->engine_count; i++)
		if (strlen(sample->engines[i].name) == len && !memcmp(sample->engines[i].name, name, len))
			return &sample->engines[i];
	if (sample->engine_count == TOP_ENGINES || !len || len >= TOP_NAME)
		return NULL;
	engine = &sample->engines[sample->engine_count++];
	*engine = (struct top_engine){ .state = "-" };
	memcpy(engine->name, name, len);
	return engine;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct top_engine *)a)->name, ((const struct top_engine *)b)->name);
}

static void sysfs_engines(const struct top_source *source, struct top_sample *sample)
{
	struct top_engine *engine;
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/" ENGINES, source->root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		engine = engine_named(sample, entry->d_name, strlen(entry->d_name));
		if (!engine || read_text(engine->state, sizeof(engine->state), "%s/%s/state", path, entry->d_name))
			continue;
		engine->known = true;
		engine->busy_ns = attribute(source, engine->name, "busy_ns");
		engine->longest_op_ns = attribute(source, engine->name, "longest_op_ns");
		engine->generation = attribute(source, engine->name, "generation");
		engine->depth = attribute(source, engine->name, "attached_depth");
		engine->queued = attribute(source, engine->name, "queued");
		engine->running = attribute(source, engine->name, "running");
	}
	if (dir)
		closedir(dir);
	qsort(sample->engines, sample->engine_count, sizeof(sample->engines[0]), by_name);
}

static void queried_engines(const struct top_source *source, struct top_sample *sample)
{
	struct dseek_engine_info info;
	struct top_engine *engine;
	uint32_t i;

	for (i = 0; source->dev && !dseek_engine_info(source->dev, i, &info); i++) {
		engine = engine_named(sample, info.name, strlen(info.name));
		if (!engine)
			return;
		engine->known = true;
		snprintf(engine->state, sizeof(engine->state), "%s", info.attached ? "attached" : "unattended");
		engine->busy_ns = info.busy_ns;
		engine->longest_op_ns = info.longest_op_ns;
		engine->generation = info.generation;
		engine->depth = info.depth;
		engine->queued = info.ready;
		engine->running = info.running;
	}
}

/* ---- clients */

static uint64_t bytes(const char *value)
{
	char *end;
	uint64_t n = strtoull(value, &end, 10);

	if (!strcmp(end, " KiB"))
		return n << 10;
	return strcmp(end, " MiB") ? n : n << 20;
}

/* "KEY:\tVALUE" lines. False: not a file of dseek, or none that can be told from others. */
static bool parse_fdinfo(char *text, struct top_sample *sample, struct top_client *c)
{
	bool ours = false;
	char *line, *value, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = 0;
		value += strspn(value, " \t");
		if (!strcmp(line, "drm-driver"))
			ours = !strcmp(value, "dseek");
		else if (!strcmp(line, "drm-client-id"))
			c->id = strtoull(value, NULL, 10);
		else if (!strncmp(line, "drm-engine-", 11) && engine_named(sample, line + 11, strlen(line + 11)))
			c->engine_ns += strtoull(value, NULL, 10);
		else if (!strcmp(line, "drm-total-memory"))
			c->total = bytes(value);
		else if (!strcmp(line, "drm-resident-memory"))
			c->resident = bytes(value);
		else if (!strcmp(line, "drm-purgeable-memory"))
			c->purgeable = bytes(value);
		else if (!strcmp(line, "dseek-tenant"))
			snprintf(c->tenant, sizeof(c->tenant), "%s", value);
		else if (!strncmp(line, "dseek-tenant-used-", 18))
			c->tenant_used_ns += strtoull(value, NULL, 10);
		else if (!strncmp(line, "dseek-tenant-entitled-", 22))
			c->tenant_entitled_ns += strtoull(value, NULL, 10);
		else if (!strcmp(line, "dseek-queues"))
			c->queues = strtoull(value, NULL, 10);
		else if (!strcmp(line, "dseek-jobs"))
			c->jobs = strtoull(value, NULL, 10);
		else if (!strcmp(line, "drm-pdev"))
			return false;
	}
	return ours && c->id;
}

/* A file may have several descriptors, in several processes: it is shown once, with the least of these. */
static int add_client(struct top_sample *sample, const struct top_client *client)
{
	size_t i, room = sample->client_room ? sample->client_room * 2 : 32;
	struct top_client *clients;

	for (i = 0; i < sample->client_count; i++)
		if (sample->clients[i].id == client->id) {
			if (client->pid < sample->clients[i].pid)
				sample->clients[i] = *client;
			return 0;
		}
	if (sample->client_count == sample->client_room) {
		clients = realloc(sample->clients, room * sizeof(*clients));
		if (!clients)
			return -ENOMEM;
		sample->clients = clients;
		sample->client_room = room;
	}
	sample->clients[sample->client_count++] = *client;
	return 0;
}

static int sample_process(const struct top_source *source, struct top_sample *sample, const char *pid)
{
	char path[PATH_MAX], target[64], text[16384];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "%s/proc/%s/fd", source->root, pid);
	dir = opendir(path);
	if (!dir) {
		sample->unreadable += errno == EACCES || errno == EPERM;
		return 0;
	}
	while (!r && (entry = readdir(dir))) {
		struct top_client client = { .pid = atoi(pid) };

		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		if (strncmp(target, "/dev/dri/", 9) ||
		    read_text(text, sizeof(text), "%s/proc/%s/fdinfo/%s", source->root, pid, entry->d_name) ||
		    !parse_fdinfo(text, sample, &client))
			continue;
		if (read_text(client.comm, sizeof(client.comm), "%s/proc/%s/comm", source->root, pid))
			strcpy(client.comm, "?");
		r = add_client(sample, &client);
	}
	closedir(dir);
	return r;
}

int top_sample(struct top_source *source, struct top_sample *ret_sample)
{
	struct top_sample sample = { .ns = cli_now_ns() };
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;
	int r = 0;

	if (source->dev)
		queried_engines(source, &sample);
	else
		sysfs_engines(source, &sample);
	snprintf(path, sizeof(path), "%s/proc", source->root);
	dir = opendir(path);
	while (!r && dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name) && (*source->root || atoi(entry->d_name) != getpid()))
			r = sample_process(source, &sample, entry->d_name);
	if (dir)
		closedir(dir);
	if (r)
		top_sample_free(&sample);
	else
		*ret_sample = sample;
	return r;
}

void top_sample_free(struct top_sample *sample)
{
	free(sample->clients);
	memset(sample, 0, sizeof(*sample));
}

int top_source_open(struct top_source *source, const char *root)
{
	char path[PATH_MAX];

	*source = (struct top_source){ .root = root };
	snprintf(path, sizeof(path), "%s/" ENGINES, root);
	if (!access(path, R_OK | X_OK))
		return 0;
	return *root ? -ENODEV : dseek_open("drm:", NULL, &source->dev);
}

void top_source_close(struct top_source *source)
{
	dseek_close(source->dev);
}
