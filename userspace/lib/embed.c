// SPDX-License-Identifier: MIT
/* The embedded transport's devices, and its table. */
#include <stdlib.h>
#include "embed.h"

static int embed_open(const char *arg, const struct dseek_open_params *params, struct dseek_device **ret_dev)
{
	struct embed_device *dev = calloc(1, sizeof(*dev));
	int r;

	if (!dev)
		return dseek_fail(-ENOMEM, "embed: no memory");
	r = embed_instance_get(arg, "cpu", &dev->inst);
	if (r)
		goto err_free;
	r = embed_tenant_get(dev->inst, params->tenant, &dev->tenant);
	if (r)
		goto err_put;
	*ret_dev = &dev->base;
	return 0;

err_put:
	embed_instance_put(dev->inst);
err_free:
	free(dev);
	return r;
}

static void embed_close(struct dseek_device *base)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);

	embed_lock(dev->inst);
	embed_tenant_put(dev->tenant);
	embed_unlock(dev->inst);
	embed_instance_put(dev->inst);
	free(dev);
}

static int embed_engine_info(struct dseek_device *base, uint32_t index, struct dseek_engine_info *ret_info)
{
	struct embed_instance *inst = container_of(base, struct embed_device, base)->inst;
	struct embed_engine *engine;

	embed_lock(inst);
	engine = embed_engine_find(inst, index);
	if (engine) {
		*ret_info = (struct dseek_engine_info) {
			.id = engine->id, .type = engine->type, .attached = engine->exec != NULL,
			.standby = !list_empty(&engine->standby),
			.depth = engine->depth, .numa_node = engine->numa_node, .caps = engine->caps,
			.generation = engine->generation, .busy_ns = engine->busy_ns,
			.predicted = embed_accuracy(&engine->predicted),
			.longest_op_ns = engine->longest_op_ns, .ready = engine->ready,
			.owned = engine->owned, .foreign = embed_engine_foreign(engine),
			.memory = engine->exec && engine->exec->memory,
		};
		if (engine->exec)
			list_for_each(link, &engine->exec->order)
				ret_info->running++;
		strcpy(ret_info->name, engine->name);
	}
	embed_unlock(inst);
	return engine ? 0 : dseek_fail(-ENOENT, "there is no engine %u", index);
}

static int embed_tenant_info(struct dseek_device *base, struct dseek_tenant_info *ret_info)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	const struct embed_params *params = &dev->inst->params;
	struct embed_tenant *tenant = dev->tenant;
	uint32_t i;

	embed_lock(dev->inst);
	*ret_info = (struct dseek_tenant_info) {
		.id = tenant->id,
		.pinned_bytes = tenant->pinned_bytes, .pinned_limit = params->pinned_limit,
		.program_bytes = tenant->program_bytes, .program_limit = params->program_limit,
		.rate_limit = params->rate_limit,
		.device_bytes = tenant->device_bytes, .device_limit = params->device_limit,
		.queues = tenant->queues, .queue_limit = params->queue_limit,
		.jobs = tenant->jobs, .job_limit = params->job_limit,
		.weight_limit = params->weight_limit, .class_mask = params->class_mask,
	};
	strcpy(ret_info->name, tenant->name);
	for (i = 0; i < EMBED_MAX_ENGINES; i++)
		if (tenant->shares[i])
			ret_info->engine_ns += tenant->shares[i]->arb.used_ns;
	embed_unlock(dev->inst);
	return 0;
}

const struct dseek_transport dseek_transport_embed = {
	.name = "embed",
	.open = embed_open,
	.close = embed_close,
	.engine_info = embed_engine_info,
	.tenant_info = embed_tenant_info,
	.bo_create = embed_bo_create,
	.bo_create_device = embed_bo_create_device,
	.bo_info = embed_bo_info,
	.bo_destroy = embed_bo_destroy,
	.bo_export = embed_bo_export,
	.bo_import = embed_bo_import,
	.program_create = embed_program_create,
	.program_destroy = embed_program_destroy,
	.queue_create = embed_queue_create,
	.queue_destroy = embed_queue_destroy,
	.queue_stats = embed_queue_stats,
	.submit = embed_submit,
	.wait = embed_wait_seqno,
	.syncobj_create = embed_syncobj_create,
	.syncobj_destroy = embed_syncobj_destroy,
	.syncobj_signal = embed_syncobj_signal,
	.syncobj_wait = embed_syncobj_wait,
	.syncobj_query = embed_syncobj_query,
};
