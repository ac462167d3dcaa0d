// SPDX-License-Identifier: MIT
/* Instances, shared by name within the process, and their tenants. */
#include <stdlib.h>
#include "embed.h"

static pthread_mutex_t instances_lock = PTHREAD_MUTEX_INITIALIZER;
static struct embed_instance *instances;

static void instance_free(struct embed_instance *inst)
{
	uint32_t i;

	while (!list_empty(&inst->free_jobs)) {
		struct list *link = inst->free_jobs.next;

		list_del(link);
		free(container_of(link, struct embed_job, link));
	}
	for (i = 0; i < inst->engine_count; i++)
		free(inst->engines[i]);
	pthread_mutex_destroy(&inst->lock);
	embed_trace_close(inst->trace);
	free(inst);
}

static void instance_stop(struct embed_instance *inst)
{
	uint32_t i;

	embed_lock(inst);
	inst->stopping = true;
	embed_unlock(inst);
	embed_timer_stop(inst);
	embed_threads_stop(inst);
	embed_lock(inst);
	for (i = 0; i < inst->engine_count; i++)
		embed_engine_fail(inst->engines[i], -ENODEV);
	i = inst->hung;
	embed_unlock(inst);
	if (!i)
		instance_free(inst);
}

static int instance_create(const struct embed_params *params, struct embed_instance **ret_inst)
{
	struct embed_instance *inst = calloc(1, sizeof(*inst));
	pthread_mutexattr_t attr;
	uint32_t i;
	int r;

	if (!inst)
		return dseek_fail(-ENOMEM, "embed: no memory");
	inst->params = *params;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&inst->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	list_init(&inst->tenants);
	list_init(&inst->signalled);
	list_init(&inst->free_jobs);
	r = params->trace[0] ? embed_trace_open(params->trace, &inst->trace) : 0;
	if (!r)
		r = embed_timer_start(inst);
	if (r) {
		instance_free(inst);
		return r;
	}
	for (i = 0; i < params->engine_count && !r; i++)
		r = embed_thread_start(inst, i);
	if (r) {
		instance_stop(inst);
		return r;
	}
	*ret_inst = inst;
	return 0;
}

int embed_instance_get(const char *spec, const char *default_engine, struct embed_instance **ret_inst)
{
	struct embed_params params;
	struct embed_instance *inst;
	int r;

	r = embed_spec_parse(spec, default_engine, &params);
	if (r)
		return r;
	pthread_mutex_lock(&instances_lock);
	for (inst = instances; inst; inst = inst->next)
		if (strcmp(inst->params.name, params.name) == 0)
			break;
	if (!inst) {
		r = instance_create(&params, &inst);
		if (!r) {
			inst->next = instances;
			instances = inst;
		}
	}
	if (!r) {
		inst->users++;
		*ret_inst = inst;
	}
	pthread_mutex_unlock(&instances_lock);
	return r;
}

void embed_instance_put(struct embed_instance *inst)
{
	struct embed_instance **pos;

	pthread_mutex_lock(&instances_lock);
	if (--inst->users) {
		pthread_mutex_unlock(&instances_lock);
		return;
	}
	for (pos = &instances; *pos != inst; pos = &(*pos)->next)
		;
	*pos = inst->next;
	/* Under the list's lock: who opens the same name next finds the old one's threads gone. */
	instance_stop(inst);
	pthread_mutex_unlock(&instances_lock);
}

/* ---- tenants */

int embed_tenant_get(struct embed_instance *inst, const char *name, struct embed_tenant **ret_tenant)
{
	struct embed_tenant *tenant;
	size_t n;

	if (!name)
		name = "default";
	n = strlen(name);
	if (n == 0 || n >= DRM_DSEEK_NAME_LEN)
		return dseek_fail(-EINVAL, "tenant '%.40s': a name has 1 to %d characters", name, DRM_DSEEK_NAME_LEN - 1);
	embed_lock(inst);
	list_for_each(link, &inst->tenants) {
		tenant = container_of(link, struct embed_tenant, link);
		if (strcmp(tenant->name, name) == 0) {
			tenant->refs++;
			goto out;
		}
	}
	tenant = calloc(1, sizeof(*tenant));
	if (!tenant) {
		embed_unlock(inst);
		return dseek_fail(-ENOMEM, "tenant: no memory");
	}
	tenant->inst = inst;
	tenant->refs = 1;
	strcpy(tenant->name, name);
	tenant->id = ++inst->last_id;
	list_add_tail(&tenant->link, &inst->tenants);
out:
	embed_unlock(inst);
	*ret_tenant = tenant;
	return 0;
}

void embed_tenant_put(struct embed_tenant *tenant)
{
	uint32_t i;

	if (--tenant->refs)
		return;
	for (i = 0; i < EMBED_MAX_ENGINES; i++) {
		if (!tenant->shares[i])
			continue;
		arb_traced_share_fini(tenant->inst->trace, &tenant->shares[i]->arb);
		free(tenant->shares[i]);
	}
	list_del(&tenant->link);
	free(tenant);
}

struct embed_share *embed_share_get(struct embed_tenant *tenant, struct embed_engine *engine)
{
	struct embed_share *share = tenant->shares[engine->id];

	if (share)
		return share;
	share = calloc(1, sizeof(*share));
	if (!share)
		return NULL;
	arb_traced_share_init(tenant->inst->trace, &share->arb, &engine->arb);
	tenant->shares[engine->id] = share;
	return share;
}
