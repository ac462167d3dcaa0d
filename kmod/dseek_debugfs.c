// SPDX-License-Identifier: GPL-2.0-only
/* /sys/kernel/debug/dseek: what the tests count, and what an administrator looks at when something is held. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "dseek_drv.h"

static u64 copied(enum dseek_copied what)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(dseek_stats, cpu)->copied[what];
	return sum;
}

static int counted(enum dseek_count what)
{
	int sum = 0, cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(dseek_stats, cpu)->count[what];
	return sum;
}

/* All zero but the last when nobody has anything open. */
static int counters_show(struct seq_file *m, void *unused)
{
	static const char *const names[DSEEK_COUNT_COUNT] = {
		[DSEEK_COUNT_FILES] = "files",
		[DSEEK_COUNT_BOS] = "bos",
		[DSEEK_COUNT_IMPORTS] = "imports",
		[DSEEK_COUNT_PROGRAMS] = "programs",
		[DSEEK_COUNT_QUEUES] = "queues",
		[DSEEK_COUNT_JOBS] = "jobs",
		[DSEEK_COUNT_FENCES] = "fences",
		[DSEEK_COUNT_EXECUTORS] = "executors",
		[DSEEK_COUNT_MAPS] = "maps",
		[DSEEK_COUNT_MEMORIES] = "memories",
	};
	int i;

	for (i = 0; i < DSEEK_COUNT_COUNT; i++)
		seq_printf(m, "%s %d\n", names[i], counted(i));
	seq_printf(m, "pinned_pages %lld\n", atomic64_read(&dseek->pinned_pages));
	seq_printf(m, "purgeable_pages %ld\n", atomic_long_read(&dseek->purgeable_pages));
	seq_printf(m, "bytes_copied %llu\n", copied(DSEEK_COPIED_PAYLOAD));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int copied_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "payload_bytes %llu\n", copied(DSEEK_COPIED_PAYLOAD));
	seq_printf(m, "descriptor_bytes %llu\n", copied(DSEEK_COPIED_DESCRIPTORS));
	seq_printf(m, "program_bytes %llu\n", copied(DSEEK_COPIED_PROGRAMS));
	seq_printf(m, "purged_pages %lld\n", atomic64_read(&dseek->purged_pages));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(copied);

static int tenants_show(struct seq_file *m, void *unused)
{
	struct dseek_tenant *tenant;

	mutex_lock(&dseek->lock);
	list_for_each_entry(tenant, &dseek->tenants, link)
		seq_printf(m, "%s pinned %llu imported %llu device %llu programs %llu queues %llu jobs %llu\n", tenant->label,
			   dseek_used(tenant, DSEEK_PINNED), dseek_used(tenant, DSEEK_IMPORTED), dseek_used(tenant, DSEEK_DEVICE),
			   dseek_used(tenant, DSEEK_PROGRAMS), dseek_used(tenant, DSEEK_QUEUES),
			   dseek_used(tenant, DSEEK_JOBS));
	mutex_unlock(&dseek->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tenants);

static int engines_show(struct seq_file *m, void *unused)
{
	struct dseek_engine *engine;
	unsigned long id;

	xa_for_each(&dseek->engines, id, engine) {
		spin_lock_irq(&engine->lock);
		seq_printf(m, "%s %s generation %llu ready %u busy_ns %llu\n", engine->name,
			   engine->exec ? "attached" : engine->gone ? "gone" : "waiting", engine->generation,
			   engine->ready, engine->busy_ns);
		spin_unlock_irq(&engine->lock);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(engines);

/*
 * Page frames of every buffer, so that a test can compare them with /proc/PID/pagemap of each who maps it. A position is a place in
 * dseek->bos: between two of them nothing is held but the one at hand. One that exists throughout is shown once.
 */
static struct dseek_bo *bos_at(loff_t *pos)
{
	unsigned long at = *pos;
	struct dseek_bo *bo = dseek_bo_find(&at, U32_MAX, XA_PRESENT);

	if (bo)
		*pos = at;
	return bo;
}

static void *bos_start(struct seq_file *m, loff_t *pos)
{
	return bos_at(pos);
}

static void bos_stop(struct seq_file *m, void *v)
{
	struct dseek_bo *bo = v;

	if (bo)
		drm_gem_object_put(&bo->base);
}

static void *bos_next(struct seq_file *m, void *v, loff_t *pos)
{
	bos_stop(m, v);
	++*pos;
	return bos_at(pos);
}

static int bos_show(struct seq_file *m, void *v)
{
	struct dseek_bo *bo = v;

	if (mutex_lock_interruptible(&bo->lock))
		return -EINTR;
	seq_printf(m, "id %llu bytes %zu handles %d jobs %d", bo->id, bo->base.size,
		   atomic_read(&bo->handles), atomic_read(&bo->jobs));
	if (bo->pages)
		seq_printf(m, " first_pfn 0x%lx last_pfn 0x%lx", page_to_pfn(bo->pages[0]),
			   page_to_pfn(bo->pages[(bo->base.size >> PAGE_SHIFT) - 1]));
	mutex_unlock(&bo->lock);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations bos_sops = {
	.start = bos_start,
	.next = bos_next,
	.stop = bos_stop,
	.show = bos_show,
};
DEFINE_SEQ_ATTRIBUTE(bos);

/* Writing drops everything purgeable, as memory pressure would. */
static int purge_set(void *data, u64 value)
{
	unsigned long looks = ULONG_MAX;

	dseek_purge(ULONG_MAX, &looks);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(purge_fops, NULL, purge_set, "%llu\n");

int dseek_debugfs_init(struct dseek_device *dev)
{
	dev->debugfs = debugfs_create_dir("dseek", NULL);
	debugfs_create_file("counters", 0444, dev->debugfs, NULL, &counters_fops);
	debugfs_create_file("copied", 0444, dev->debugfs, NULL, &copied_fops);
	debugfs_create_file("tenants", 0444, dev->debugfs, NULL, &tenants_fops);
	debugfs_create_file("engines", 0444, dev->debugfs, NULL, &engines_fops);
	debugfs_create_file("bos", 0400, dev->debugfs, NULL, &bos_fops);
	dseek_state_init(dev->debugfs);
	debugfs_create_file_unsafe("purge", 0200, dev->debugfs, NULL, &purge_fops);
	return 0;
}

void dseek_debugfs_fini(struct dseek_device *dev)
{
	debugfs_remove_recursive(dev->debugfs);
}
