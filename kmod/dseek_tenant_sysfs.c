// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the administrator reads and sets of tenants: a tree of directories as the tree of tenants is,
 * /sys/class/misc/dseek-exec/device/tenants/{uid/NUMBER,cgroup/PATH}. Nothing here takes dseek->lock, under which
 * directories are removed, but add and remove, whose files stay as long as the module.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "dseek_drv.h"

struct tenant_attribute {
	struct attribute attr;
	ssize_t (*show)(struct dseek_tenant *tenant, enum dseek_limit what, char *buf);
	int (*store)(struct dseek_tenant *tenant, const char *text, u64 *ret_limit);	/* what the text says */
	int (*change)(const char *label);	/* instead of @store: of the registry */
	enum dseek_limit what;
};

static const char *const class_names[DRM_DSEEK_CLASS_COUNT] = { "deadline", "interactive", "batch" };

static ssize_t used_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%llu\n", dseek_used(tenant, what));
}

static ssize_t limit_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	u64 limit = READ_ONCE(tenant->limit[what]);

	if (limit == DSEEK_LIMIT_NONE)
		return sysfs_emit(buf, "max\n");
	if (limit == DSEEK_LIMIT_DEFAULT)
		return sysfs_emit(buf, "default\n");
	return sysfs_emit(buf, "%llu\n", limit);
}

/* The root has no defaults: nothing bounds all until somebody says so. */
static int limit_word(struct dseek_tenant *tenant, const char *text, u64 *ret_limit)
{
	if (!strcmp(text, "max"))
		*ret_limit = DSEEK_LIMIT_NONE;
	else if (!strcmp(text, "default"))
		*ret_limit = tenant->parent ? DSEEK_LIMIT_DEFAULT : DSEEK_LIMIT_NONE;
	else
		return -ENOENT;
	return 0;
}

static int limit_store(struct dseek_tenant *tenant, const char *text, u64 *ret_limit)
{
	int err;

	if (!limit_word(tenant, text, ret_limit))
		return 0;
	err = kstrtou64(text, 10, ret_limit);
	return err ?: *ret_limit >= DSEEK_LIMIT_DEFAULT ? -ERANGE : 0;
}

static int rate_store(struct dseek_tenant *tenant, const char *text, u64 *ret_limit)
{
	int err = limit_store(tenant, text, ret_limit);

	return err ?: *ret_limit < DSEEK_LIMIT_DEFAULT && *ret_limit > NSEC_PER_SEC ? -ERANGE : 0;
}

static ssize_t classes_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	u64 limit = READ_ONCE(tenant->limit[what]);
	ssize_t at = 0;
	int i;

	if (limit >= DSEEK_LIMIT_DEFAULT)
		return limit_show(tenant, what, buf);
	for (i = 0; i < DRM_DSEEK_CLASS_COUNT; i++)
		if (limit & (1 << i))
			at += sysfs_emit_at(buf, at, "%s%s", at ? " " : "", class_names[i]);
	return at + sysfs_emit_at(buf, at, "%s\n", at ? "" : "none");
}

/* Words with blanks between them, "none", "max" or "default". */
static int classes_store(struct dseek_tenant *tenant, const char *text, u64 *ret_limit)
{
	u64 mask = 0;

	if (!limit_word(tenant, text, ret_limit))
		return 0;
	if (strcmp(text, "none")) {
		do {
			size_t len = strcspn(text, " ");
			int i;

			for (i = 0; i < DRM_DSEEK_CLASS_COUNT; i++)
				if (strlen(class_names[i]) == len && !strncmp(text, class_names[i], len))
					break;
			if (i == DRM_DSEEK_CLASS_COUNT)
				return -EINVAL;
			mask |= 1 << i;
			text += len + strspn(text + len, " ");
		} while (*text);
	}
	*ret_limit = mask;
	return 0;
}

static ssize_t engine_ns_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%llu\n", dseek_tenant_engine_ns(tenant));
}

static ssize_t refused_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%llu\n", (u64)atomic64_read(&tenant->refused));
}

static ssize_t name_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%s\n", tenant->label);
}

static ssize_t id_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%llu\n", tenant->id);
}

static ssize_t policy_show(struct dseek_tenant *tenant, enum dseek_limit what, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(tenant->policy) > 0);
}

#define USED(name, index) \
	static struct tenant_attribute name##_attr = { \
		.attr = { #name, 0444 }, .show = used_show, .what = index }
#define LIMIT(name, index, kind, parse) \
	static struct tenant_attribute name##_attr = { \
		.attr = { #name, 0644 }, .show = kind, .store = parse, .what = index }
#define FACT(name, function) \
	static struct tenant_attribute name##_attr = { .attr = { #name, 0444 }, .show = function }

FACT(tenant_name, name_show);
FACT(tenant_id, id_show);
FACT(has_policy, policy_show);
FACT(engine_ns, engine_ns_show);
FACT(refused_count, refused_show);
USED(pinned_bytes, DSEEK_PINNED);
USED(imported_bytes, DSEEK_IMPORTED);
USED(device_bytes, DSEEK_DEVICE);
USED(program_bytes, DSEEK_PROGRAMS);
USED(registered_bytes, DSEEK_REGISTERED);
USED(queue_count, DSEEK_QUEUES);
USED(job_count, DSEEK_JOBS);
LIMIT(pinned_limit, DSEEK_PINNED, limit_show, limit_store);
LIMIT(imported_limit, DSEEK_IMPORTED, limit_show, limit_store);
LIMIT(device_limit, DSEEK_DEVICE, limit_show, limit_store);
LIMIT(program_limit, DSEEK_PROGRAMS, limit_show, limit_store);
LIMIT(registered_limit, DSEEK_REGISTERED, limit_show, limit_store);
LIMIT(queue_limit, DSEEK_QUEUES, limit_show, limit_store);
LIMIT(job_limit, DSEEK_JOBS, limit_show, limit_store);
LIMIT(weight_limit, DSEEK_WEIGHT, limit_show, limit_store);
LIMIT(class_limit, DSEEK_CLASSES, classes_show, classes_store);
LIMIT(rate_limit, DSEEK_RATE, limit_show, rate_store);

static struct attribute *tenant_attrs[] = {
	&tenant_name_attr.attr, &tenant_id_attr.attr, &has_policy_attr.attr, &engine_ns_attr.attr,
	&refused_count_attr.attr, &pinned_bytes_attr.attr, &pinned_limit_attr.attr,
	&imported_bytes_attr.attr, &imported_limit_attr.attr, &device_bytes_attr.attr,
	&device_limit_attr.attr, &program_bytes_attr.attr, &program_limit_attr.attr, &registered_bytes_attr.attr, &registered_limit_attr.attr,
	&queue_count_attr.attr, &queue_limit_attr.attr, &job_count_attr.attr, &job_limit_attr.attr,
	&weight_limit_attr.attr, &class_limit_attr.attr, &rate_limit_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(tenant);

static struct dseek_tenant *to_tenant(struct kobject *kobj)
{
	return container_of(kobj, struct dseek_tenant, kobj);
}

/* Of a line as it is written to sysfs: without its end. -EINVAL: longer than @size. */
static int copy_line(char *text, size_t size, const char *buf, size_t count)
{
	if (count && buf[count - 1] == '\n')
		count--;
	if (!count || count >= size || memchr(buf, '\0', count))
		return -EINVAL;
	memcpy(text, buf, count);
	text[count] = '\0';
	return 0;
}

static ssize_t tenant_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct tenant_attribute *a = container_of(attr, struct tenant_attribute, attr);

	return a->show(to_tenant(kobj), a->what, buf);
}

static ssize_t change(struct tenant_attribute *a, const char *buf, size_t count)
{
	char *label = kmalloc(count + 1, GFP_KERNEL);
	int err;

	if (!label)
		return -ENOMEM;
	err = copy_line(label, count + 1, buf, count);
	if (!err) {
		err = a->change(label);
		if (err)
			drm_dbg(&dseek->drm, "tenants: %s %s: error %d\n", a->attr.name, label, err);
	}
	kfree(label);
	return err ?: count;
}

static ssize_t tenant_store(struct kobject *kobj, struct attribute *attr, const char *buf, size_t count)
{
	struct tenant_attribute *a = container_of(attr, struct tenant_attribute, attr);
	struct dseek_tenant *tenant = to_tenant(kobj);
	char text[64];
	u64 limit;
	int err;

	if (a->change)
		return change(a, buf, count);
	err = copy_line(text, sizeof(text), buf, count);
	if (!err)
		err = a->store(tenant, text, &limit);
	if (err) {
		drm_dbg(&dseek->drm, "%s: %s: this can't be\n", tenant->label, attr->name);
		return err;
	}
	/* A limit is a policy: from here on the tenant is kept. Unless it is being dropped now. */
	if (cmpxchg(&tenant->policy, 0, 1) < 0)
		return -ENODEV;
	WRITE_ONCE(tenant->limit[a->what], limit);
	return count;
}

static const struct sysfs_ops tenant_sysfs_ops = {
	.show = tenant_show,
	.store = tenant_store,
};

static void tenant_release(struct kobject *kobj)
{
	struct dseek_tenant *tenant = to_tenant(kobj);

	kfree(tenant->label);
	kfree(tenant);
}

const struct kobj_type dseek_tenant_ktype = {
	.release = tenant_release,
	.sysfs_ops = &tenant_sysfs_ops,
	.default_groups = tenant_groups,
};

bool dseek_tenant_name_taken(const char *name)
{
	struct attribute **attr;

	for (attr = tenant_attrs; *attr; attr++)
		if (!strcmp((*attr)->name, name))
			return true;
	return false;
}

/* ---- the root's files: policies that come and go */

static struct tenant_attribute add_attr = { .attr = { "add", 0200 }, .change = dseek_tenant_add };
static struct tenant_attribute remove_attr = { .attr = { "remove", 0200 }, .change = dseek_tenant_remove };

static const struct attribute *const root_attrs[] = { &add_attr.attr, &remove_attr.attr, NULL };

int dseek_tenants_sysfs_init(struct dseek_tenant *all)
{
	return sysfs_create_files(&all->kobj, root_attrs);
}

void dseek_tenants_sysfs_fini(struct dseek_tenant *all)
{
	sysfs_remove_files(&all->kobj, root_attrs);
}
