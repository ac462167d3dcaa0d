// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is accounted. The tenant of an open file is the cgroup (v2) of who opened it, or the nearest of its parents,
 * that the administrator has given a policy; else the opener's uid. Cgroups are known by their path, not by a
 * reference: one that is removed and made again has its policy still, and one that is removed is not held.
 *
 * A tenant stays in the registry when its last file closes, with its shares of the engines: else closing and opening
 * again would wash away engine time it is ahead by. Idle ones without a policy are dropped, oldest first, above a number.
 */
#include <linux/cred.h>
#include <linux/limits.h>
#include <linux/slab.h>

#include "dseek_compat.h"
#include "dseek_drv.h"

#define DSEEK_TENANTS_KEPT 1024

/* Only the registry holds it: no file, buffer, queue or child can come while dseek->lock is held. */
static void tenant_free(struct dseek_tenant *tenant)
{
	struct arb_share *share;
	unsigned long id;

	lockdep_assert_held(&dseek->lock);
	list_del(&tenant->link);
	dseek->tenant_count--;
	kobject_del(&tenant->kobj);	/* waits for who reads or writes there; they take no dseek->lock */
	xa_for_each(&tenant->shares, id, share) {
		struct dseek_engine *engine = xa_load(&dseek->engines, id);

		spin_lock_irq(&engine->lock);
		arb_share_fini(share);
		spin_unlock_irq(&engine->lock);
		kfree(share);
	}
	xa_destroy(&tenant->shares);
	if (tenant->parent)
		dseek_tenant_put(tenant->parent);
	kobject_put(&tenant->kobj);
}

/* Uids are worth keeping for their shares; what remains of cgroups whose policy was taken away is not. */
static void tenants_trim(void)
{
	struct dseek_tenant *tenant, *next;
	bool freed;

	lockdep_assert_held(&dseek->lock);
	do {
		freed = false;
		list_for_each_entry_safe(tenant, next, &dseek->tenants, link) {
			if (refcount_read(&tenant->refs) != 1 ||
			    (!tenant->cgroup && dseek->tenant_count < DSEEK_TENANTS_KEPT))
				continue;
			/* Whoever writes a limit in sysfs meanwhile either makes it a policy first or is told. */
			if (cmpxchg(&tenant->policy, 0, -1))
				continue;
			tenant_free(tenant);
			freed = true;
		}
	} while (freed);	/* a parent may have come to be idle */
}

static void set_name(struct dseek_tenant *tenant)
{
	size_t len = strlen(tenant->label), room = sizeof(tenant->name) - 1;

	if (len <= room)
		strscpy(tenant->name, tenant->label, sizeof(tenant->name));
	else
		snprintf(tenant->name, sizeof(tenant->name), "..%s", tenant->label + len - (room - 2));
}

/* Held by the registry alone. @part: its directory's name in @dir. Consumes @label. */
static struct dseek_tenant *tenant_create(struct dseek_tenant *parent, struct kobject *dir, const char *part,
					  char *label)
{
	struct dseek_tenant *tenant;
	int err, i;

	if (!label)
		return ERR_PTR(-ENOMEM);
	tenant = kzalloc(sizeof(*tenant), GFP_KERNEL);
	if (!tenant) {
		kfree(label);
		return ERR_PTR(-ENOMEM);
	}
	tenant->label = label;
	tenant->parent = parent;
	refcount_set(&tenant->refs, 1);
	tenant->id = dseek_new_id();
	xa_init(&tenant->shares);
	set_name(tenant);
	for (i = 0; i < DSEEK_LIMIT_COUNT; i++)
		tenant->limit[i] = parent ? DSEEK_LIMIT_DEFAULT : DSEEK_LIMIT_NONE;
	/* From here on others read and write there: all that they look at is set. */
	err = kobject_init_and_add(&tenant->kobj, &dseek_tenant_ktype, dir, "%s", part);
	if (err) {
		kobject_put(&tenant->kobj);
		return ERR_PTR(err);
	}
	if (!parent)
		return tenant;
	dseek_tenant_get(parent);
	list_add_tail(&tenant->link, &dseek->tenants);
	dseek->tenant_count++;
	return tenant;
}

static struct dseek_tenant *uid_find(kuid_t uid)
{
	struct dseek_tenant *tenant;

	list_for_each_entry(tenant, &dseek->tenants, link)
		if (!tenant->cgroup && uid_eq(tenant->uid, uid))
			return tenant;
	return NULL;
}

static struct dseek_tenant *uid_create(kuid_t uid)
{
	char part[16];
	struct dseek_tenant *tenant;

	snprintf(part, sizeof(part), "%u", from_kuid(&init_user_ns, uid));
	tenant = tenant_create(dseek->all, dseek->uid_dir, part, kasprintf(GFP_KERNEL, "uid:%s", part));
	if (!IS_ERR(tenant))
		tenant->uid = uid;
	return tenant;
}

/* The cgroup called @part in @parent, dseek->all being the root. */
static struct dseek_tenant *cgroup_find(struct dseek_tenant *parent, const char *part)
{
	struct dseek_tenant *tenant;

	list_for_each_entry(tenant, &dseek->tenants, link)
		if (tenant->cgroup && tenant->parent == parent && !strcmp(kobject_name(&tenant->kobj), part))
			return tenant;
	return NULL;
}

static struct dseek_tenant *cgroup_create(struct dseek_tenant *parent, const char *part)
{
	bool top = parent == dseek->all;
	struct dseek_tenant *tenant;

	tenant = tenant_create(parent, top ? dseek->cgroup_dir : &parent->kobj, part,
			       kasprintf(GFP_KERNEL, "%s/%s", top ? "cgroup:" : parent->label, part));
	if (!IS_ERR(tenant))
		tenant->cgroup = true;
	return tenant;
}

/* The nearest cgroup of the caller's that has a policy, or NULL. */
static struct dseek_tenant *cgroup_current(void)
{
	struct dseek_tenant *tenant = dseek->all, *nearest = NULL;
	char part[NAME_MAX + 2];
	struct cgroup *cgroup;
	int level;

	lockdep_assert_held(&dseek->lock);
	rcu_read_lock();
	cgroup = dseek_cgroup_current();
	for (level = 1; !dseek_cgroup_part(cgroup, level, part, sizeof(part)); level++) {
		tenant = cgroup_find(tenant, part + 1);
		if (!tenant)
			break;
		if (READ_ONCE(tenant->policy) > 0)
			nearest = tenant;
	}
	rcu_read_unlock();
	return nearest;
}

struct dseek_tenant *dseek_tenant_get_current(void)
{
	kuid_t uid = current_euid();
	struct dseek_tenant *tenant;

	mutex_lock(&dseek->lock);
	tenants_trim();
	tenant = cgroup_current() ?: uid_find(uid) ?: uid_create(uid);
	if (!IS_ERR(tenant)) {
		refcount_inc(&tenant->refs);
		list_move_tail(&tenant->link, &dseek->tenants);
	}
	mutex_unlock(&dseek->lock);
	return tenant;
}

struct dseek_tenant *dseek_tenant_get(struct dseek_tenant *tenant)
{
	refcount_inc(&tenant->refs);
	return tenant;
}

/* Never the last one: that is the registry's. */
void dseek_tenant_put(struct dseek_tenant *tenant)
{
	if (WARN_ON(refcount_dec_and_test(&tenant->refs)))
		refcount_set(&tenant->refs, 1);
}

/* ---- policies by name: "uid:N", "cgroup:/PATH" */

/* Takes the next part of a path ("/a/b" becomes "a" and "/b"); NULL: it is no path of a cgroup, or at its end. */
static char *next_part(char **path)
{
	char *part = *path, *end;

	if (*part != '/')
		return NULL;
	end = strchrnul(++part, '/');
	if (end == part || end - part > NAME_MAX || (end - part <= 2 && !strncmp(part, "..", end - part)))
		return NULL;
	*path = end;
	return part;
}

static bool path_valid(char *path)
{
	char part[NAME_MAX + 1], *at;

	do {
		at = next_part(&path);
		if (!at)
			return false;
		strscpy(part, at, path - at + 1);
		if (strchr(part, '\n') || dseek_tenant_name_taken(part))
			return false;
	} while (*path);
	return true;
}

/* @make: what is missing on the way. NULL: there is none. */
static struct dseek_tenant *find_cgroup(char *path, bool make)
{
	struct dseek_tenant *tenant = dseek->all, *parent;
	char part[NAME_MAX + 1], *at;

	while (*path && !IS_ERR_OR_NULL(tenant)) {
		at = next_part(&path);
		strscpy(part, at, path - at + 1);
		parent = tenant;
		tenant = cgroup_find(parent, part);
		if (!tenant && make)
			tenant = cgroup_create(parent, part);
	}
	return tenant;
}

static struct dseek_tenant *find(const char *label, bool make)
{
	struct dseek_tenant *tenant;
	char *path;
	kuid_t uid;
	u32 id;

	if (!strncmp(label, "uid:", 4) && !kstrtou32(label + 4, 10, &id)) {
		uid = make_kuid(&init_user_ns, id);
		if (!uid_valid(uid))
			return ERR_PTR(-EINVAL);
		tenant = uid_find(uid);
		return tenant || !make ? tenant : uid_create(uid);
	}
	if (strncmp(label, "cgroup:", 7))
		return ERR_PTR(-EINVAL);
	path = kstrdup(label + 7, GFP_KERNEL);
	if (!path)
		return ERR_PTR(-ENOMEM);
	tenant = path_valid(path) ? find_cgroup(path, make) : ERR_PTR(-EINVAL);
	kfree(path);
	return tenant;
}

int dseek_tenant_add(const char *label)
{
	struct dseek_tenant *tenant;

	mutex_lock(&dseek->lock);
	tenant = find(label, true);
	if (!IS_ERR(tenant))
		WRITE_ONCE(tenant->policy, 1);
	tenants_trim();		/* what a failure has left of the way */
	mutex_unlock(&dseek->lock);
	return PTR_ERR_OR_ZERO(tenant);
}

int dseek_tenant_remove(const char *label)
{
	struct dseek_tenant *tenant;
	int err = 0, i;

	mutex_lock(&dseek->lock);
	tenant = find(label, false);
	if (IS_ERR(tenant)) {
		err = PTR_ERR(tenant);
	} else if (!tenant || cmpxchg(&tenant->policy, 1, 0) != 1) {
		err = -ENOENT;
	} else {
		for (i = 0; i < DSEEK_LIMIT_COUNT; i++)
			WRITE_ONCE(tenant->limit[i], DSEEK_LIMIT_DEFAULT);
		tenants_trim();
	}
	mutex_unlock(&dseek->lock);
	return err;
}

/* ---- what they use */

struct arb_share *dseek_tenant_share(struct dseek_tenant *tenant, struct dseek_engine *engine)
{
	struct arb_share *share = xa_load(&tenant->shares, engine->id), *made;
	int err = 0;

	if (share)
		return share;
	/* At the limit of the caller's memory cgroup this takes long: not with the lock that everybody needs. */
	made = kzalloc(sizeof(*made), DSEEK_GFP);
	if (!made)
		return ERR_PTR(-ENOMEM);
	arb_share_init(made, &engine->arb);
	mutex_lock(&dseek->lock);
	share = xa_load(&tenant->shares, engine->id);
	if (!share) {
		err = xa_err(xa_store(&tenant->shares, engine->id, made, GFP_KERNEL));
		if (!err)
			swap(share, made);
	}
	mutex_unlock(&dseek->lock);
	kfree(made);
	return err ? ERR_PTR(err) : share;
}

/* Shares stay as long as the tenant does. Of the root: everybody's. */
u64 dseek_tenant_engine_ns(struct dseek_tenant *tenant)
{
	struct dseek_engine *engine;
	struct arb_share *share;
	unsigned long id;
	u64 sum = 0;

	xa_for_each(&dseek->engines, id, engine) {
		share = xa_load(&tenant->shares, id);
		spin_lock_irq(&engine->lock);
		sum += !tenant->parent ? engine->busy_ns : share ? share->used_ns : 0;
		spin_unlock_irq(&engine->lock);
	}
	return sum;
}

void dseek_tenant_info(struct dseek_tenant *tenant, struct drm_dseek_tenant_info *info)
{
	memcpy(info->name, tenant->name, sizeof(info->name));
	info->id = tenant->id;
	info->pinned_bytes = dseek_used(tenant, DSEEK_PINNED);
	info->pinned_limit = dseek_limit(tenant, DSEEK_PINNED);
	info->imported_bytes = dseek_used(tenant, DSEEK_IMPORTED);
	info->imported_limit = dseek_limit(tenant, DSEEK_IMPORTED);
	info->queues = dseek_used(tenant, DSEEK_QUEUES);
	info->queue_limit = min_t(u64, dseek_limit(tenant, DSEEK_QUEUES), U32_MAX);
	info->jobs = dseek_used(tenant, DSEEK_JOBS);
	info->job_limit = min_t(u64, dseek_limit(tenant, DSEEK_JOBS), U32_MAX);
	info->weight_limit = min_t(u64, dseek_limit(tenant, DSEEK_WEIGHT), ARB_WEIGHT_MAX);
	info->class_mask = dseek_limit(tenant, DSEEK_CLASSES) & ((1 << DRM_DSEEK_CLASS_COUNT) - 1);
	info->engine_ns = dseek_tenant_engine_ns(tenant);
	info->program_bytes = dseek_used(tenant, DSEEK_PROGRAMS);
	info->program_limit = dseek_limit(tenant, DSEEK_PROGRAMS);
	info->registered_bytes = dseek_used(tenant, DSEEK_REGISTERED);
	info->registered_limit = dseek_limit(tenant, DSEEK_REGISTERED);
	info->rate_limit = dseek_limit(tenant, DSEEK_RATE);
	info->device_bytes = dseek_used(tenant, DSEEK_DEVICE);
	info->device_limit = dseek_limit(tenant, DSEEK_DEVICE);
}

/* ---- the root */

/* dseek->parent is there, nobody else. */
int dseek_tenants_init(struct dseek_device *dev)
{
	int err = -ENOMEM;

	dev->all = tenant_create(NULL, &dev->parent->kobj, "tenants", kstrdup("all", GFP_KERNEL));
	if (IS_ERR(dev->all))
		return PTR_ERR(dev->all);
	dev->all->policy = 1;
	dev->uid_dir = kobject_create_and_add("uid", &dev->all->kobj);
	dev->cgroup_dir = kobject_create_and_add("cgroup", &dev->all->kobj);
	if (dev->uid_dir && dev->cgroup_dir)
		err = dseek_tenants_sysfs_init(dev->all);
	if (err)
		dseek_tenants_free();
	return err;
}

/* The children's references keep parents until they are gone. */
void dseek_tenants_free(void)
{
	struct dseek_tenant *tenant, *next;
	bool freed;

	dseek_tenants_sysfs_fini(dseek->all);
	mutex_lock(&dseek->lock);
	do {
		freed = false;
		list_for_each_entry_safe(tenant, next, &dseek->tenants, link) {
			if (refcount_read(&tenant->refs) != 1)
				continue;
			tenant_free(tenant);
			freed = true;
		}
	} while (freed);
	WARN_ON(!list_empty(&dseek->tenants));
	mutex_unlock(&dseek->lock);
	kobject_put(dseek->uid_dir);
	kobject_put(dseek->cgroup_dir);
	WARN_ON(refcount_read(&dseek->all->refs) != 1);
	kobject_del(&dseek->all->kobj);
	kobject_put(&dseek->all->kobj);
}
