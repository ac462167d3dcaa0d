// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ledger: what each tenant holds, and the policy that limits it. A tenant is a uid. It stays in the
 * registry when its last file closes, with its shares of the engines: else closing and opening again
 * would wash away engine time it is ahead by. Idle ones are dropped, oldest first, above a number.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "dseek_drv.h"

#define DSEEK_TENANTS_KEPT 1024

static ulong pinned_limit_mb;
module_param(pinned_limit_mb, ulong, 0644);
MODULE_PARM_DESC(pinned_limit_mb, "pinned memory of a tenant, in MiB (0: half of the machine's)");

static ulong imported_limit_mb;
module_param(imported_limit_mb, ulong, 0644);
MODULE_PARM_DESC(imported_limit_mb, "imported dma-bufs of a tenant, in MiB (0: no limit)");

static ulong program_limit_mb = 64;
module_param(program_limit_mb, ulong, 0644);
MODULE_PARM_DESC(program_limit_mb, "programs of a tenant, in MiB (64)");

static uint queue_limit = 64;
module_param(queue_limit, uint, 0644);
MODULE_PARM_DESC(queue_limit, "queues of a tenant (64)");

static uint job_limit = 4096;
module_param(job_limit, uint, 0644);
MODULE_PARM_DESC(job_limit, "jobs of a tenant that are not over (4096)");

static uint weight_limit = 65536;
module_param(weight_limit, uint, 0644);
MODULE_PARM_DESC(weight_limit, "largest weight a queue may ask for (65536)");

static uint class_mask = (1 << DRM_DSEEK_CLASS_COUNT) - 1;
module_param(class_mask, uint, 0644);
MODULE_PARM_DESC(class_mask, "classes a tenant may use: 1 deadline, 2 interactive, 4 batch (7)");

/* The parameters hold for tenants seen for the first time, and again whenever one comes back from having nothing open. */
static void tenant_set_policy(struct dseek_tenant *tenant)
{
	u64 half = ((u64)totalram_pages() << PAGE_SHIFT) / 2;

	tenant->pinned_limit = READ_ONCE(pinned_limit_mb) ? (u64)READ_ONCE(pinned_limit_mb) << 20 : half;
	tenant->imported_limit = READ_ONCE(imported_limit_mb) ? (u64)READ_ONCE(imported_limit_mb) << 20 : U64_MAX;
	tenant->program_limit = (u64)READ_ONCE(program_limit_mb) << 20;
	tenant->queue_limit = READ_ONCE(queue_limit);
	tenant->job_limit = READ_ONCE(job_limit);
	tenant->weight_limit = READ_ONCE(weight_limit);
	tenant->class_mask = READ_ONCE(class_mask) & ((1 << DRM_DSEEK_CLASS_COUNT) - 1);
}

/* Only the registry holds it: no file, buffer or queue can come while dseek->lock is held. */
static void tenant_free(struct dseek_tenant *tenant)
{
	struct arb_share *share;
	unsigned long id;

	lockdep_assert_held(&dseek->lock);
	list_del(&tenant->link);
	dseek->tenant_count--;
	xa_for_each(&tenant->shares, id, share) {
		struct dseek_engine *engine = xa_load(&dseek->engines, id);

		spin_lock_irq(&engine->lock);
		arb_share_fini(share);
		spin_unlock_irq(&engine->lock);
		kfree(share);
	}
	xa_destroy(&tenant->shares);
	kfree(tenant);
}

static void tenants_trim(void)
{
	struct dseek_tenant *tenant, *next;

	list_for_each_entry_safe(tenant, next, &dseek->tenants, link) {
		if (dseek->tenant_count < DSEEK_TENANTS_KEPT)
			return;
		if (refcount_read(&tenant->refs) == 1)
			tenant_free(tenant);
	}
}

struct dseek_tenant *dseek_tenant_get_current(void)
{
	struct dseek_tenant *tenant;
	kuid_t uid = current_euid();

	mutex_lock(&dseek->lock);
	list_for_each_entry(tenant, &dseek->tenants, link) {
		if (uid_eq(tenant->uid, uid)) {
			if (refcount_read(&tenant->refs) == 1)
				tenant_set_policy(tenant);
			refcount_inc(&tenant->refs);
			list_move_tail(&tenant->link, &dseek->tenants);
			goto out;
		}
	}
	tenants_trim();
	tenant = kzalloc(sizeof(*tenant), GFP_KERNEL);
	if (!tenant) {
		tenant = ERR_PTR(-ENOMEM);
		goto out;
	}
	refcount_set(&tenant->refs, 2);
	tenant->uid = uid;
	tenant->id = dseek_new_id();
	snprintf(tenant->name, sizeof(tenant->name), "uid:%u", from_kuid(&init_user_ns, uid));
	xa_init(&tenant->shares);
	tenant_set_policy(tenant);
	list_add_tail(&tenant->link, &dseek->tenants);
	dseek->tenant_count++;
out:
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

struct arb_share *dseek_tenant_share(struct dseek_tenant *tenant, struct dseek_engine *engine)
{
	struct arb_share *share;
	int err;

	mutex_lock(&dseek->lock);
	share = xa_load(&tenant->shares, engine->id);
	if (!share) {
		share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);
		err = share ? xa_err(xa_store(&tenant->shares, engine->id, share, GFP_KERNEL)) : -ENOMEM;
		if (err) {
			kfree(share);
			share = ERR_PTR(err);
		} else {
			spin_lock_irq(&engine->lock);
			arb_share_init(share, &engine->arb);
			spin_unlock_irq(&engine->lock);
		}
	}
	mutex_unlock(&dseek->lock);
	return share;
}

int dseek_tenant_charge(atomic64_t *used, u64 limit, u64 by)
{
	s64 now = atomic64_read(used);

	do {
		if (by > limit || now > limit - by)
			return -EDQUOT;
	} while (!atomic64_try_cmpxchg(used, &now, now + by));
	return 0;
}

int dseek_tenant_charge_count(atomic_t *used, u32 limit)
{
	int now = atomic_read(used);

	do {
		if ((u32)now >= limit)
			return -EDQUOT;
	} while (!atomic_try_cmpxchg(used, &now, now + 1));
	return 0;
}

void dseek_tenant_info(struct dseek_tenant *tenant, struct drm_dseek_tenant_info *info)
{
	struct arb_share *share;
	unsigned long id;

	memcpy(info->name, tenant->name, sizeof(info->name));
	info->id = tenant->id;
	info->pinned_bytes = atomic64_read(&tenant->pinned);
	info->pinned_limit = tenant->pinned_limit;
	info->imported_bytes = atomic64_read(&tenant->imported);
	info->imported_limit = tenant->imported_limit;
	info->queues = atomic_read(&tenant->queues);
	info->queue_limit = tenant->queue_limit;
	info->jobs = atomic_read(&tenant->jobs);
	info->job_limit = tenant->job_limit;
	info->weight_limit = tenant->weight_limit;
	info->class_mask = tenant->class_mask;
	mutex_lock(&dseek->lock);
	xa_for_each(&tenant->shares, id, share) {
		struct dseek_engine *engine = xa_load(&dseek->engines, id);

		spin_lock_irq(&engine->lock);
		info->engine_ns += share->used_ns;
		spin_unlock_irq(&engine->lock);
	}
	mutex_unlock(&dseek->lock);
}

void dseek_tenants_free(void)
{
	struct dseek_tenant *tenant, *next;

	mutex_lock(&dseek->lock);
	list_for_each_entry_safe(tenant, next, &dseek->tenants, link) {
		WARN_ON(refcount_read(&tenant->refs) != 1);
		tenant_free(tenant);
	}
	mutex_unlock(&dseek->lock);
}
