// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ledger: charges and limits. A charge counts for the tenant and each of its parents, or for none. Words are
 * atomic and limits are read once a charge, so the administrator may change them at any time: below what is held they
 * refuse what is new and keep what is there.
 */
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "dseek_drv.h"

static ulong pinned_limit_mb;
module_param(pinned_limit_mb, ulong, 0644);
MODULE_PARM_DESC(pinned_limit_mb, "pinned memory of a tenant, in MiB (0: half of the machine's)");

static ulong imported_limit_mb;
module_param(imported_limit_mb, ulong, 0644);
MODULE_PARM_DESC(imported_limit_mb, "imported dma-bufs of a tenant, in MiB (0: no limit)");

static ulong device_limit_mb;
module_param(device_limit_mb, ulong, 0644);
MODULE_PARM_DESC(device_limit_mb, "buffers of a tenant in engines' own memory, in MiB (0: no limit)");

static ulong program_limit_mb = 64;
module_param(program_limit_mb, ulong, 0644);
MODULE_PARM_DESC(program_limit_mb, "programs of a tenant, in MiB (64)");

static ulong registered_limit_mb;
module_param(registered_limit_mb, ulong, 0644);
MODULE_PARM_DESC(registered_limit_mb,
		 "buffers of a tenant that executors of NICs have mapped, in MiB (0: no limit)");

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

static u64 mib_or(ulong mib, u64 otherwise)
{
	return mib ? (u64)mib << 20 : otherwise;
}

static u64 default_limit(enum dseek_limit what)
{
	switch (what) {
	case DSEEK_PINNED:
		return mib_or(READ_ONCE(pinned_limit_mb), ((u64)totalram_pages() << PAGE_SHIFT) / 2);
	case DSEEK_IMPORTED:
		return mib_or(READ_ONCE(imported_limit_mb), DSEEK_LIMIT_NONE);
	case DSEEK_DEVICE:
		return mib_or(READ_ONCE(device_limit_mb), DSEEK_LIMIT_NONE);
	case DSEEK_PROGRAMS:
		return (u64)READ_ONCE(program_limit_mb) << 20;
	case DSEEK_REGISTERED:
		return mib_or(READ_ONCE(registered_limit_mb), DSEEK_LIMIT_NONE);
	case DSEEK_QUEUES:
		return READ_ONCE(queue_limit);
	case DSEEK_JOBS:
		return READ_ONCE(job_limit);
	case DSEEK_WEIGHT:
		return READ_ONCE(weight_limit);
	case DSEEK_CLASSES:
		return READ_ONCE(class_mask) & ((1 << DRM_DSEEK_CLASS_COUNT) - 1);
	default:
		return DSEEK_LIMIT_NONE;
	}
}

/* Of @at in the line of @tenant: the parameters are for those who hold something, not for their parents. */
static u64 limit_at(const struct dseek_tenant *at, const struct dseek_tenant *tenant, enum dseek_limit what)
{
	u64 limit = READ_ONCE(at->limit[what]);

	if (limit != DSEEK_LIMIT_DEFAULT)
		return limit;
	return at == tenant ? default_limit(what) : DSEEK_LIMIT_NONE;
}

u64 dseek_limit(const struct dseek_tenant *tenant, enum dseek_limit what)
{
	const struct dseek_tenant *at;
	u64 limit = DSEEK_LIMIT_NONE;

	for (at = tenant; at; at = at->parent) {
		u64 here = limit_at(at, tenant, what);

		limit = what == DSEEK_CLASSES ? limit & here : min(limit, here);
	}
	return limit;
}

static bool charge_at(atomic64_t *used, u64 limit, u64 by)
{
	s64 now = atomic64_read(used);

	do {
		if (by > limit || now > limit - by)
			return false;
	} while (!atomic64_try_cmpxchg(used, &now, now + by));
	return true;
}

/* All of the line; or none, and whose limit it is. */
static struct dseek_tenant *charge_line(struct dseek_tenant *tenant, enum dseek_limit what, u64 by)
{
	struct dseek_tenant *at, *undo;

	for (at = tenant; at; at = at->parent) {
		if (charge_at(&at->used[what], limit_at(at, tenant, what), by))
			continue;
		for (undo = tenant; undo != at; undo = undo->parent)
			atomic64_sub(by, &undo->used[what]);
		return at;
	}
	return NULL;
}

int dseek_charge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by)
{
	static const char *const names[DSEEK_HELD_COUNT] = {
		[DSEEK_PINNED] = "bytes of pinned memory",
		[DSEEK_IMPORTED] = "bytes of imported dma-bufs",
		[DSEEK_DEVICE] = "bytes in engines' own memory",
		[DSEEK_PROGRAMS] = "bytes of programs",
		[DSEEK_REGISTERED] = "bytes registered with NICs",
		[DSEEK_QUEUES] = "queues",
		[DSEEK_JOBS] = "jobs in flight",
	};
	struct dseek_tenant *at = charge_line(tenant, what, by);

	if (!at)
		return 0;
	atomic64_inc(&at->refused);
	drm_dbg(&dseek->drm, "%s: %llu more would exceed the %llu %s of %s\n", tenant->label, by,
		limit_at(at, tenant, what), names[what], at->label);
	return -EDQUOT;
}

u64 dseek_charge_some(struct dseek_tenant *tenant, enum dseek_limit what, u64 most)
{
	if (most > 1 && !charge_line(tenant, what, most))
		return most;
	return dseek_charge(tenant, what, 1) ? 0 : 1;
}

void dseek_uncharge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by)
{
	for (; tenant; tenant = tenant->parent)
		atomic64_sub(by, &tenant->used[what]);
}

/*
 * Pinned memory can't be reclaimed. Where it fills a memory cgroup to the last page, the next page that its process
 * touches calls the OOM killer; so some are left: tried with what fails instead. @bytes is for what comes from
 * vmalloc(), where a failure gives back what it got only later, by a work (seen on 7.3): it is not to fail.
 */
int dseek_room(size_t bytes)
{
	size_t want = (bytes >> PAGE_SHIFT) + 16;
	struct page *page, *next;
	LIST_HEAD(pages);

	while (want && (page = alloc_page(DSEEK_GFP))) {
		list_add(&page->lru, &pages);
		want--;
	}
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	return want ? -ENOMEM : 0;
}

static u64 job_ns(u64 rate)
{
	return max(div64_u64(NSEC_PER_SEC, rate), 1ULL);
}

/*
 * The generic cell rate algorithm (ITU-T I.371, annex A): each job moves the time until which the jobs so far
 * last by its part of a second; that time may be a second ahead.
 */
static bool rate_at(atomic64_t *until, u64 rate, u64 now)
{
	s64 old = atomic64_read(until), new;

	if (!rate)
		return false;
	do {
		new = max_t(s64, old, now) + job_ns(rate);
		if (new > (s64)now + (s64)NSEC_PER_SEC)
			return false;
	} while (!atomic64_try_cmpxchg(until, &old, new));
	return true;
}

int dseek_charge_rate(struct dseek_tenant *tenant)
{
	struct dseek_tenant *at, *undo;
	u64 now = 0, rate;

	for (at = tenant; at; at = at->parent) {
		rate = limit_at(at, tenant, DSEEK_RATE);
		if (rate == DSEEK_LIMIT_NONE)
			continue;
		now = now ?: ktime_get_ns();
		if (rate_at(&at->rate_at, rate, now))
			continue;
		for (undo = tenant; undo != at; undo = undo->parent) {
			u64 given = limit_at(undo, tenant, DSEEK_RATE);

			if (given && given != DSEEK_LIMIT_NONE)
				atomic64_sub(job_ns(given), &undo->rate_at);
		}
		atomic64_inc(&at->refused);
		drm_dbg(&dseek->drm, "%s: one more would exceed the %llu jobs a second of %s\n",
			tenant->label, rate, at->label);
		return -EDQUOT;
	}
	return 0;
}
