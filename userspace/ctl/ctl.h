/* SPDX-License-Identifier: MIT */
/*
 * What the parts of dseekctl share: the fields an administrator sets, and the module's files in sysfs. Functions
 * return 0 or -errno unless they say otherwise; those that say why on stderr return an exit status (enum cli_exit).
 */
#ifndef DSEEK_CTL_H
#define DSEEK_CTL_H

#include "../cli/cli.h"

#include <stdbool.h>

#define CTL_NAME	4200	/* "cgroup:" and a path */
#define CTL_VALUE	64

/* ---- fields (field.c): what can be set, as text of sysfs ("536870912", "max", "default", "interactive batch") */

enum ctl_kind { CTL_BYTES, CTL_COUNT, CTL_CLASSES, CTL_MS, CTL_DEPTH, CTL_SWITCH };

struct ctl_field {
	const char *name;	/* of the file, and in YAML */
	enum ctl_kind kind;
	uint64_t max;		/* largest number */
	const char *held;	/* the file that says what is held, or NULL */
	const char *parameter;	/* the module parameter with its default, or NULL: none */
};

extern const struct ctl_field ctl_limits[];	/* of tenants; ended by a name of NULL, like the next */
extern const struct ctl_field ctl_settings[];	/* of engines */
#define CTL_MAX_FIELDS 16

const struct ctl_field *ctl_field_find(const struct ctl_field *fields, const char *name, size_t len);	/* NULL */

/*
 * What a person wrote ("512M", "batch,interactive"), as sysfs takes it. -EINVAL with a sentence in @ret_why: which
 * value it was and what may be there.
 */
int ctl_field_parse(const struct ctl_field *field, const char *text, char ret_value[CTL_VALUE], char *ret_why,
		    size_t size);
void ctl_field_format(const struct ctl_field *field, const char *value, char *ret_text, size_t size);	/* "512M" */
void ctl_format_number(enum ctl_kind kind, uint64_t number, char *ret_text, size_t size);

/* ---- sysfs (admin.c). The environment variable DSEEK_SYSFS stands in for /sys */

int ctl_open(void);	/* an exit status; says so where there is no module */
/* A line, without its end. @dir here and below: of ctl_tenant_dir() or ctl_engine_dir(). */
int ctl_read(const char *dir, const char *file, char *ret_text, size_t size);
uint64_t ctl_read_number(const char *dir, const char *file);			/* 0 where there is none */
int ctl_write(const char *dir, const char *file, const char *text);
uint64_t ctl_default(const struct ctl_field *field);	/* UINT64_MAX: no limit */
/* For people: "4G" where it is set, "(7.8G)" where that is the module's default, "max", "?". */
void ctl_field_text(const char *dir, const struct ctl_field *field, char *ret_text, size_t size);

/* "all", "uid:1001", "user:gold" (that becomes its uid), "cgroup:/PATH". -EINVAL with a sentence: it is no name. */
int ctl_tenant_name(const char *text, char ret_name[CTL_NAME], char *ret_why, size_t size);
int ctl_tenant_dir(const char *name, char *ret_dir, size_t size);	/* -ENOENT: it has none yet */
int ctl_tenant_add(const char *name);
int ctl_tenant_remove(const char *name);
int ctl_engine_dir(const char *name, char *ret_dir, size_t size);	/* -EINVAL, -ENOENT */

/* Each tenant, parents first; engines by name. @each returns 0 to go on; what it returned last, or -errno. */
int ctl_each_tenant(int (*each)(const char *dir, const char *name, void *arg), void *arg);
int ctl_each_engine(int (*each)(const char *dir, const char *name, void *arg), void *arg);

const char *ctl_error(int err);		/* why a file can't be written, for people */

/* ---- setting (set.c): an exit status; what goes wrong is on stderr, with the field's name */

/* "FIELD=VALUE": all are checked before the first is written. */
int ctl_set_tenant(const char *name, char *const *assignments, unsigned int count);
int ctl_set_engine(const char *name, char *const *assignments, unsigned int count);
int ctl_write_field(const char *name, const char *dir, const struct ctl_field *field, const char *value);

/* ---- commands */

int cmd_engines(int argc, char **argv);
int cmd_depth(int argc, char **argv);
int cmd_drain(int argc, char **argv);
int cmd_undrain(int argc, char **argv);
int cmd_timeouts(int argc, char **argv);
int cmd_tenants(int argc, char **argv);
int cmd_classes(int argc, char **argv);
int cmd_limits_show(int argc, char **argv);
int cmd_limits_set(int argc, char **argv);
int cmd_limits_clear(int argc, char **argv);
int cmd_apply(int argc, char **argv);

struct cJSON;
int ctl_print_json(struct cJSON *root);	/* consumes it; an exit status */
void ctl_json_value(struct cJSON *object, const struct ctl_field *field, const char *value);

#endif /* DSEEK_CTL_H */
