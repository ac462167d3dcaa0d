/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is accounted: tenants and their ledger, their open files, what those have used. */
#ifndef DSEEK_TENANT_H
#define DSEEK_TENANT_H

#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

#include "drm/dseek_drm.h"

struct arb_share;
struct drm_file;
struct drm_printer;
struct dseek_device;
struct dseek_engine;

/* ---- the ledger (dseek_ledger.c): what is charged, and what limits it */

enum dseek_limit {
	/* held: charged to the tenant and each of its parents, and given back */
	DSEEK_PINNED,			/* bytes of buffers that have pages */
	DSEEK_IMPORTED,			/* bytes of foreign dma-bufs */
	DSEEK_DEVICE,			/* bytes in engines' own memory */
	DSEEK_PROGRAMS,			/* bytes of programs */
	DSEEK_REGISTERED,		/* bytes of buffers that executors of NICs have mapped */
	DSEEK_QUEUES,
	DSEEK_JOBS,			/* not over */
	DSEEK_HELD_COUNT,
	/* looked at */
	DSEEK_WEIGHT = DSEEK_HELD_COUNT, /* largest that a queue may ask for */
	DSEEK_CLASSES,			/* bit (1 << enum drm_dseek_class) for each that is allowed */
	DSEEK_RATE,			/* jobs a second, in bursts of at most a second's worth */
	DSEEK_LIMIT_COUNT,
};

#define DSEEK_LIMIT_NONE	U64_MAX
#define DSEEK_LIMIT_DEFAULT	(U64_MAX - 1)	/* a tenant's own charges: the module parameter; its children's: none */

struct dseek_tenant;

int dseek_charge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by);	/* all of its line or none; -EDQUOT */
u64 dseek_charge_some(struct dseek_tenant *tenant, enum dseek_limit what, u64 most);	/* all of it; else 1, or 0: -EDQUOT */
void dseek_uncharge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by);	/* any context */
int dseek_charge_rate(struct dseek_tenant *tenant);	/* one job now; -EDQUOT */
int dseek_room(size_t bytes);	/* and a few pages, in the caller's memory cgroup: 0 or -ENOMEM */
u64 dseek_limit(const struct dseek_tenant *tenant, enum dseek_limit what);	/* the least of its line; classes: what all allow */

/* ---- tenants (dseek_tenant.c): the accounting subject. A tree: all - uids; all - cgroups - their cgroups */

struct dseek_tenant {
	struct kobject kobj;		/* its directory in sysfs, named like the uid or the last part of the cgroup's path */
	struct list_head link;		/* dseek->tenants, dseek->lock */
	refcount_t refs;		/* files, buffers, queues, children; 1 of the registry */
	struct dseek_tenant *parent;	/* NULL: dseek->all */
	int policy;			/* 1: the administrator's, kept; 0; -1: being freed */
	bool cgroup;			/* of a cgroup, else of a uid */
	kuid_t uid;
	u64 id;
	char name[DRM_DSEEK_NAME_LEN];	/* the end of @label where that is longer */
	char *label;			/* "all", "uid:1001", "cgroup:/a/b" */
	struct xarray shares;		/* struct arb_share by engine id; dseek->lock */

	u64 limit[DSEEK_LIMIT_COUNT];	/* READ_ONCE(), WRITE_ONCE() */
	atomic64_t used[DSEEK_HELD_COUNT];
	atomic64_t rate_at;		/* until when the jobs so far last at DSEEK_RATE */
	atomic64_t refused;		/* charges that this tenant's limits refused */
};

static inline u64 dseek_used(const struct dseek_tenant *tenant, enum dseek_limit what)
{
	return atomic64_read(&tenant->used[what]);
}

struct dseek_tenant *dseek_tenant_get_current(void);	/* of the caller; ERR_PTR */
struct dseek_tenant *dseek_tenant_get(struct dseek_tenant *tenant);
void dseek_tenant_put(struct dseek_tenant *tenant);	/* any context */
struct arb_share *dseek_tenant_share(struct dseek_tenant *tenant, struct dseek_engine *engine);
u64 dseek_tenant_engine_ns(struct dseek_tenant *tenant);
void dseek_tenant_info(struct dseek_tenant *tenant, struct drm_dseek_tenant_info *info);
int dseek_tenant_add(const char *label);	/* a policy for it: -EINVAL, -ENOMEM */
int dseek_tenant_remove(const char *label);	/* the policy: -EINVAL, -ENOENT */
int dseek_tenants_init(struct dseek_device *dev);
void dseek_tenants_free(void);

/* dseek_tenant_sysfs.c */
extern const struct kobj_type dseek_tenant_ktype;
bool dseek_tenant_name_taken(const char *name);	/* an attribute is called so */
int dseek_tenants_sysfs_init(struct dseek_tenant *all);
void dseek_tenants_sysfs_fini(struct dseek_tenant *all);

/* ---- a tenant's open file */

struct dseek_file {
	struct dseek_tenant *tenant;
	kuid_t uid;			/* who opened it */
	struct dseek_client *client;
	struct xarray programs;		/* struct dseek_program by handle */
	struct xarray queues;		/* struct dseek_queue by handle */
};

/* ---- clients: what an open file has used; stays while its queues have jobs (dseek_fdinfo.c) */

#define DSEEK_ENGINES 64	/* names */

struct dseek_client {
	struct kref ref;		/* the file, its queues */
	u64 id;
	pid_t pid;			/* who opened it */
	char comm[TASK_COMM_LEN];
	u64 engine_ns[DSEEK_ENGINES];	/* charged, by engine id; that engine's lock */
	u64 told_ns[DSEEK_ENGINES];	/* the same lock */
};

struct dseek_client *dseek_client_create(void);	/* of the caller; NULL */
struct dseek_client *dseek_client_get(struct dseek_client *client);
void dseek_client_put(struct dseek_client *client);
u64 dseek_client_id(const struct drm_file *drm_file);
void dseek_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file);

#endif /* DSEEK_TENANT_H */
