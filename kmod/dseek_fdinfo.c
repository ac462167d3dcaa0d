// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an open file of the render node has used: /proc/PID/fdinfo/FD, in the keys of the kernel's
 * Documentation/gpu/drm-usage-stats.rst, so that gputop and its like can read it, and a few of our own.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "dseek_drv.h"

struct dseek_client *dseek_client_create(void)
{
	struct dseek_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return NULL;
	kref_init(&client->ref);
	client->id = dseek_new_id();
	client->pid = task_tgid_nr(current);
	get_task_comm(client->comm, current);
	return client;
}

struct dseek_client *dseek_client_get(struct dseek_client *client)
{
	kref_get(&client->ref);
	return client;
}

static void client_free(struct kref *ref)
{
	kfree(container_of(ref, struct dseek_client, ref));
}

void dseek_client_put(struct dseek_client *client)
{
	kref_put(&client->ref, client_free);
}

u64 dseek_client_id(const struct drm_file *drm_file)
{
	const struct dseek_file *file = drm_file->driver_priv;

	return file->client->id;
}

/*
 * Engine time charged, and that of what runs now, so that a long job is seen while it runs. The executor may charge less
 * than the clock says: the figure never falls, it waits until the charge has caught up.
 */
static u64 client_engine_ns(struct dseek_client *client, struct dseek_engine *engine)
{
	struct dseek_job *job;
	u64 ns;

	spin_lock_irq(&engine->lock);
	ns = client->engine_ns[engine->id];
	job = dseek_engine_runs(engine);
	if (job && job->queue->client == client)
		ns += ktime_get_ns() - job->arb.start_ns;
	ns = max(ns, client->told_ns[engine->id]);
	client->told_ns[engine->id] = ns;
	spin_unlock_irq(&engine->lock);
	return ns;
}

/* Of the whole tenant, who may have other files; what @client has used is a part of it. */
static void show_share(struct drm_printer *p, struct dseek_tenant *tenant, struct dseek_engine *engine)
{
	struct arb_share *share;
	u64 used = 0, entitled = 0;

	mutex_lock(&dseek->lock);
	share = xa_load(&tenant->shares, engine->id);
	if (share) {
		spin_lock_irq(&engine->lock);
		arb_share_settle(share);
		used = share->used_ns;
		entitled = share->entitled_ns;
		spin_unlock_irq(&engine->lock);
	}
	mutex_unlock(&dseek->lock);
	drm_printf(p, "dseek-tenant-used-%s:\t%llu ns\n", engine->name, used);
	drm_printf(p, "dseek-tenant-entitled-%s:\t%llu ns\n", engine->name, entitled);
}

/*
 * Two regions: system memory, and engines' own. Active: named by a job that isn't over. Shared: more than one handle, of this or of other files.
 * The kernel's drm_show_memory_stats() knows jobs by reservation objects only, which ours are not in.
 */
struct memory_sums {
	u64 total, shared, resident, purgeable, active;
};

static void show_region(struct drm_printer *p, const char *region, const struct memory_sums *sums)
{
	drm_printf(p, "drm-total-%s:\t%llu KiB\n", region, sums->total >> 10);
	drm_printf(p, "drm-shared-%s:\t%llu KiB\n", region, sums->shared >> 10);
	drm_printf(p, "drm-active-%s:\t%llu KiB\n", region, sums->active >> 10);
	drm_printf(p, "drm-resident-%s:\t%llu KiB\n", region, sums->resident >> 10);
	drm_printf(p, "drm-purgeable-%s:\t%llu KiB\n", region, sums->purgeable >> 10);
}

static void show_memory(struct drm_printer *p, struct drm_file *drm_file)
{
	struct memory_sums memory = {}, vram = {}, *sums;
	struct drm_gem_object *obj;
	int handle;

	spin_lock(&drm_file->table_lock);
	idr_for_each_entry(&drm_file->object_idr, obj, handle) {
		const struct dseek_bo *bo = to_bo(obj);

		sums = bo->memory ? &vram : &memory;
		sums->total += obj->size;
		if (obj->handle_count > 1)
			sums->shared += obj->size;
		if (bo->memory ? !dseek_memory_lost(bo->memory) : READ_ONCE(bo->pages) || bo->sgt)
			sums->resident += obj->size;
		if (atomic_read(&bo->jobs))
			sums->active += obj->size;
		else if (READ_ONCE(bo->counted))
			sums->purgeable += obj->size;
	}
	spin_unlock(&drm_file->table_lock);
	show_region(p, "memory", &memory);
	show_region(p, "vram", &vram);
}

static void show_queues(struct drm_printer *p, struct dseek_file *file)
{
	struct dseek_queue *queue;
	unsigned long handle;
	u64 jobs = 0;
	u32 queues = 0;

	xa_lock(&file->queues);
	xa_for_each(&file->queues, handle, queue) {
		u64 completed = READ_ONCE(queue->completed);	/* first: it is never the larger then */

		jobs += READ_ONCE(queue->submitted) - completed;
		queues++;
	}
	xa_unlock(&file->queues);
	drm_printf(p, "dseek-queues:\t%u\n", queues);
	drm_printf(p, "dseek-jobs:\t%llu\n", jobs);
}

/* No drm-engine-capacity: an engine runs one job at a time; depth is what its executor fetches ahead. */
void dseek_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct dseek_engine *engine;
	unsigned long id;

	xa_for_each(&dseek->engines, id, engine)
		drm_printf(p, "drm-engine-%s:\t%llu ns\n", engine->name, client_engine_ns(file->client, engine));
	show_memory(p, drm_file);
	drm_printf(p, "dseek-tenant:\t%s\n", file->tenant->name);
	xa_for_each(&dseek->engines, id, engine)
		show_share(p, file->tenant, engine);
	show_queues(p, file);
}
