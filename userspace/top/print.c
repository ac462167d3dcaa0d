// SPDX-License-Identifier: MIT
/* Rates as lines of text, for the terminal and for scripts, and as JSON. */
#include "top.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

static void line(const struct top_lines *to, bool heading, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void line(const struct top_lines *to, bool heading, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	to->line(to->arg, text, heading);
}

static const char *size_text(char *buf, size_t room, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double n = bytes / 1024.0;
	int unit = 0;

	while (n >= 1000 && units[unit + 1]) {
		n /= 1024;
		unit++;
	}
	snprintf(buf, room, "%.1f %ciB", n, units[unit]);
	return buf;
}

static void print_engines(const struct top_rates *r, const struct top_lines *to)
{
	uint32_t i;

	line(to, true, "%-20s %-11s %8s %8s %8s %6s %5s %12s", "ENGINE", "STATE", "BUSY", "QUEUED", "RUNNING", "DEPTH", "GEN",
	     "LONGEST OP");
	for (i = 0; i < r->engine_count; i++) {
		const struct top_engine *e = r->engines[i].engine;

		if (e->known)
			line(to, false, "%-20s %-11s %6.1f %% %8u %8u %6u %5" PRIu64 " %9.3f ms", e->name, e->state,
			     100 * r->engines[i].busy, e->queued, e->running, e->depth, e->generation, e->longest_op_ns / 1e6);
		else
			line(to, false, "%-20s %-11s %8s %8s %8s %6s %5s %12s", e->name, "-", "-", "-", "-", "-", "-", "-");
	}
}

void top_print(const struct top_rates *r, const struct top_lines *to)
{
	char a[16], b[16];
	size_t i;

	print_engines(r, to);
	line(to, false, "%s", "");
	line(to, true, "%-20s %8s %9s %12s %12s %7s %7s %8s", "TENANT", "SHARE", "ENTITLED", "MEMORY", "PURGEABLE", "QUEUES",
	     "JOBS", "CLIENTS");
	for (i = 0; i < r->tenant_count; i++) {
		const struct top_row *t = &r->tenants[i];

		line(to, false, "%-20s %6.1f %% %7.1f %% %12s %12s %7" PRIu64 " %7" PRIu64 " %8u", t->name, 100 * t->share,
		     100 * t->entitled, size_text(a, sizeof(a), t->memory), size_text(b, sizeof(b), t->purgeable), t->queues,
		     t->jobs, t->clients);
	}
	line(to, false, "%s", "");
	line(to, true, "%8s %8s %-16s %-20s %8s %12s %7s %7s", "PID", "CLIENT", "COMMAND", "TENANT", "SHARE", "MEMORY", "QUEUES",
	     "JOBS");
	for (i = 0; i < r->client_count; i++) {
		const struct top_row *c = &r->clients[i];

		line(to, false, "%8d %8" PRIu64 " %-16s %-20s %6.1f %% %12s %7" PRIu64 " %7" PRIu64, c->pid, c->id, c->comm, c->name,
		     100 * c->share, size_text(a, sizeof(a), c->memory), c->queues, c->jobs);
	}
	if (r->unreadable)
		line(to, false, "%u processes of other users could not be looked at", r->unreadable);
}

static cJSON *row_json(const struct top_row *row, bool tenant)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "tenant", row->name);
	if (tenant) {
		cJSON_AddNumberToObject(o, "entitled", row->entitled);
		cJSON_AddNumberToObject(o, "clients", row->clients);
	} else {
		cJSON_AddNumberToObject(o, "pid", row->pid);
		cJSON_AddNumberToObject(o, "client", row->id);
		cJSON_AddStringToObject(o, "command", row->comm);
	}
	cJSON_AddNumberToObject(o, "share", row->share);
	cJSON_AddNumberToObject(o, "memory_bytes", row->memory);
	cJSON_AddNumberToObject(o, "purgeable_bytes", row->purgeable);
	cJSON_AddNumberToObject(o, "queues", row->queues);
	cJSON_AddNumberToObject(o, "jobs", row->jobs);
	return o;
}

void top_print_json(const struct top_rates *r, FILE *to)
{
	cJSON *root = cJSON_CreateObject(), *engines = cJSON_AddArrayToObject(root, "engines");
	cJSON *tenants = cJSON_AddArrayToObject(root, "tenants"), *clients = cJSON_AddArrayToObject(root, "clients");
	char *text;
	size_t i;

	cJSON_AddNumberToObject(root, "seconds", r->seconds);
	cJSON_AddNumberToObject(root, "unreadable_processes", r->unreadable);
	for (i = 0; i < r->engine_count; i++) {
		const struct top_engine *e = r->engines[i].engine;
		cJSON *o = cJSON_CreateObject();

		cJSON_AddStringToObject(o, "name", e->name);
		if (e->known) {
			cJSON_AddStringToObject(o, "state", e->state);
			cJSON_AddNumberToObject(o, "busy", r->engines[i].busy);
			cJSON_AddNumberToObject(o, "queued", e->queued);
			cJSON_AddNumberToObject(o, "running", e->running);
			cJSON_AddNumberToObject(o, "depth", e->depth);
			cJSON_AddNumberToObject(o, "generation", e->generation);
			cJSON_AddNumberToObject(o, "longest_op_ns", e->longest_op_ns);
		}
		cJSON_AddItemToArray(engines, o);
	}
	for (i = 0; i < r->tenant_count; i++)
		cJSON_AddItemToArray(tenants, row_json(&r->tenants[i], true));
	for (i = 0; i < r->client_count; i++)
		cJSON_AddItemToArray(clients, row_json(&r->clients[i], false));
	text = cJSON_PrintUnformatted(root);
	fprintf(to, "%s\n", text ? text : "{}");
	free(text);
	cJSON_Delete(root);
}
