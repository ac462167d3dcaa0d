// SPDX-License-Identifier: MIT
/* The executor's side of an embedded engine: what /dev/dseek-exec is in the module. */
#include <stdlib.h>
#include "embed.h"

static struct embed_exec *exec_of(struct dseek_exec *base)
{
	return container_of(base, struct embed_exec, base);
}

static uint32_t take_retired(struct embed_exec *exec, uint64_t *ids, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && !list_empty(&exec->retired)) {
		struct embed_map *map = container_of(exec->retired.next, struct embed_map, exec_link);

		ids[n++] = map->bo->id;
		list_del(&map->exec_link);
		list_add_tail(&map->exec_link, &exec->reported);
	}
	return n + embed_memory_take_unwanted(exec, ids + n, max - n);
}

/* As in kmod/dseek_next.c, which says why this isn't shared. */
static void describe(struct embed_exec *exec, const struct embed_job *job, uint32_t tag)
{
	struct drm_dseek_job_desc *desc = &exec->desc[tag];
	uint32_t i;

	desc->job_id = job->id;
	desc->tenant_id = job->queue->tenant->id;
	desc->queue_id = job->queue->id;
	desc->program_id = job->prog->id;
	desc->program_size = job->prog->size;
	desc->binding_count = job->binding_count;
	desc->const_size = job->const_size;
	desc->flags = job->flags | DRM_DSEEK_DESC_CLASS(job->queue->arb.class);
	desc->cursor = job->cursor;
	desc->deadline_ns = job->arb.deadline_ns;
	desc->limit_ns = job->limit_ns;
	for (i = 0; i < job->binding_count; i++) {
		const struct embed_binding *b = &job->bindings[i];

		desc->bindings[i] = (struct drm_dseek_job_binding) {
			.bo_id = b->bo->id, .bo_size = b->bo->base.size,
			.offset = b->offset, .size = b->size, .access = b->access | (b->bo->engine ? DRM_DSEEK_ACCESS_DEVICE : 0),
		};
	}
	memcpy(desc->consts, job->consts, job->const_size);
}

static uint32_t take_jobs(struct embed_exec *exec, uint32_t *tags, uint32_t max, uint64_t now)
{
	struct embed_engine *engine = exec->engine;
	struct embed_job *job;
	uint32_t n = 0, tag = 0;

	if (engine->exec != exec)	/* it stands by */
		return 0;
	exec->seen_ns = now;
	while (n < max) {
		while (tag < exec->base.depth && exec->held[tag])
			tag++;
		if (tag == exec->base.depth)
			break;
		job = embed_engine_pick(engine, now);
		if (!job)
			break;
		if (list_empty(&exec->order))
			exec->head_ns = now;
		job->tag = tag;
		exec->held[tag] = job;
		list_add_tail(&job->order_link, &exec->order);
		describe(exec, job, tag);
		embed_timer_at(engine->inst, now + job->limit_ns);
		tags[n++] = tag;
	}
	return n;
}

static int exec_next(struct dseek_exec *base, struct drm_dseek_next *next)
{
	const struct drm_dseek_completion *completions = (const void *)(uintptr_t)next->completions;
	struct embed_exec *exec = exec_of(base);
	struct embed_instance *inst = exec->engine->inst;
	uint64_t now, until;
	int r = 0;

	if (next->flags || next->pad || next->completion_count > DRM_DSEEK_MAX_DEPTH ||
	    next->tag_max > DRM_DSEEK_MAX_DEPTH || next->request_max > DRM_DSEEK_MAX_REQUESTS)
		return dseek_fail(-EINVAL, "next: flags 0x%x, pad 0x%x, %u completions, room for %u tags and %u requests", next->flags,
				  next->pad, next->completion_count, next->tag_max, next->request_max);
	next->completed = next->tag_count = next->retired_count = next->request_count = 0;
	embed_lock(inst);
	now = dseek_now();
	if (exec->lost)
		r = dseek_fail(-ESTALE, "next: this executor was declared lost");
	while (!r && next->completed < next->completion_count) {
		r = embed_exec_complete(exec, &completions[next->completed], now);
		if (!r)
			next->completed++;
	}
	while (!r) {
		if (exec->lost) {
			r = dseek_fail(-ESTALE, "next: this executor was declared lost");
			break;
		}
		next->retired_count = take_retired(exec, (uint64_t *)(uintptr_t)next->retired, next->retired_max);
		next->request_count = embed_memory_tell(exec, (void *)(uintptr_t)next->requests, next->request_max);
		if (exec->control.detach) {
			if (next->tag_max && !next->retired_count)
				r = dseek_fail(-ENODEV, "next: the instance is going away");
			break;
		}
		if (exec->engine->exec != exec && next->deadline_ns) {
			if (!embed_sleep(inst, &exec->event, next->deadline_ns) || exec->engine->exec == exec)
				break;
			continue;
		}
		next->tag_count = take_jobs(exec, (uint32_t *)(uintptr_t)next->tags, next->tag_max, now);
		if (!next->tag_count && next->tag_max && list_empty(&exec->order) && exec->engine->exec == exec) {
			embed_engine_pull(exec->engine);
			next->tag_count = take_jobs(exec, (uint32_t *)(uintptr_t)next->tags, next->tag_max, now);
		}
		if (next->tag_count || next->retired_count || next->request_count || !next->tag_max)
			break;
		until = exec->engine->ready ? arb_traced_next_event(inst->trace, &exec->engine->arb, now) : ~0ull;
		if (until <= now)
			until = now + 100000;	/* arb said nothing may run */
		if (until > next->deadline_ns)
			until = next->deadline_ns;
		if (!embed_sleep(inst, &exec->event, until) && dseek_now() >= next->deadline_ns)
			break;
		now = dseek_now();
	}
	embed_unlock(inst);
	return r;
}

static int exec_map(struct dseek_exec *base, uint32_t tag, uint32_t binding, void **ret_base)
{
	struct embed_exec *exec = exec_of(base);
	struct embed_instance *inst = exec->engine->inst;
	struct embed_map *map = malloc(sizeof(*map));
	struct embed_job *job;
	int r = 0;

	if (!map)
		return dseek_fail(-ENOMEM, "map: no memory");
	embed_lock(inst);
	job = tag < base->depth ? exec->held[tag] : NULL;
	if (!job || binding >= job->binding_count) {
		r = dseek_fail(-EINVAL, "map: binding %u of tag %u isn't of a job that is held", binding, tag);
		free(map);
	} else if (job->bindings[binding].bo->engine) {
		r = dseek_fail(embed_memory_lost(job->bindings[binding].bo) ? -ENODEV : -EINVAL, "map: binding %u is in an engine's own memory", binding);
		free(map);
	} else {
		map->exec = exec;
		map->bo = job->bindings[binding].bo;
		list_add_tail(&map->exec_link, &exec->maps);
		list_add_tail(&map->bo_link, &map->bo->maps);
		*ret_base = map->bo->base.map;
	}
	embed_unlock(inst);
	return r;
}

static struct embed_map *find_map(struct list *head, uint64_t bo_id)
{
	list_for_each(link, head) {
		struct embed_map *map = container_of(link, struct embed_map, exec_link);

		if (map->bo->id == bo_id)
			return map;
	}
	return NULL;
}

static int exec_unmap(struct dseek_exec *base, uint64_t bo_id)
{
	struct embed_exec *exec = exec_of(base);
	struct embed_instance *inst = exec->engine->inst;
	struct embed_map *map;

	embed_lock(inst);
	map = find_map(&exec->reported, bo_id);
	if (!map)
		map = find_map(&exec->retired, bo_id);
	if (!map)
		map = find_map(&exec->maps, bo_id);
	if (map)
		embed_map_drop(map);
	embed_unlock(inst);
	return map ? 0 : dseek_fail(-ENOENT, "unmap: buffer %llu isn't mapped", (unsigned long long)bo_id);
}

static int exec_program(struct dseek_exec *base, uint32_t tag, void *buf, size_t size)
{
	struct embed_exec *exec = exec_of(base);
	struct embed_instance *inst = exec->engine->inst;
	struct embed_job *job;
	int r = 0;

	embed_lock(inst);
	job = tag < base->depth ? exec->held[tag] : NULL;
	if (!job)
		r = dseek_fail(-EINVAL, "program: tag %u isn't held", tag);
	else if (size < job->prog->size)
		r = dseek_fail(-ENOSPC, "program: room for %zu bytes of %u", size, job->prog->size);
	else
		memcpy(buf, job->prog->blob, job->prog->size);
	embed_unlock(inst);
	return r;
}

static void exec_detach(struct dseek_exec *base)
{
	struct embed_exec *exec = exec_of(base);
	struct embed_instance *inst = exec->engine->inst;
	struct list *const lists[] = { &exec->maps, &exec->retired, &exec->reported };
	int own = exec->own;
	size_t i;

	embed_lock(inst);
	embed_exec_lose(exec, dseek_now());
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		while (!list_empty(lists[i]))
			embed_map_drop(container_of(lists[i]->next, struct embed_map, exec_link));
	embed_unlock(inst);
	free(exec->desc);
	free(exec);
	if (own < 0)
		embed_instance_put(inst);
}

static int exec_report(struct dseek_exec *base, uint64_t longest_op_ns)
{
	struct embed_exec *exec = exec_of(base);
	int r = 0;

	embed_lock(exec->engine->inst);
	if (exec->lost)
		r = dseek_fail(-ESTALE, "report: this executor was declared lost");
	else if (exec->engine->exec != exec)
		r = dseek_fail(-ENOTCONN, "report: this executor stands by");
	else if (longest_op_ns > exec->engine->longest_op_ns)
		exec->engine->longest_op_ns = longest_op_ns;
	embed_unlock(exec->engine->inst);
	return r;
}

static const struct dseek_exec_ops exec_ops = {
	.next = exec_next,
	.map = exec_map,
	.unmap = exec_unmap,
	.program = exec_program,
	.report = exec_report,
	.memory = embed_exec_memory,
	.detach = exec_detach,
};

static bool owned(const struct drm_dseek_attach *attach)
{
	return attach->flags & DRM_DSEEK_ATTACH_OWNER;
}

/* The engine of that name, made if there is none; its arbitration state outlives every executor. */
static int engine_get(struct embed_instance *inst, const struct drm_dseek_attach *attach,
		      struct embed_engine **ret_engine)
{
	const char *name = (const char *)attach->name;
	struct embed_engine *engine;
	uint32_t i;
	int r;

	for (i = 0; i < inst->engine_count; i++) {
		engine = inst->engines[i];
		if (strcmp(engine->name, name))
			continue;
		if (engine->type != attach->type)
			return dseek_fail(-EMEDIUMTYPE, "attach: engine %s is of type %u", name, engine->type);
		if (engine->owned != owned(attach) || engine->owner != attach->owner)
			return dseek_fail(-EACCES, "attach: engine %s has another owner, or none", name);
		if (engine->exec && !(attach->flags & DRM_DSEEK_ATTACH_STANDBY))
			return dseek_fail(-EBUSY, "attach: engine %s has an executor", name);
		*ret_engine = engine;
		return 0;
	}
	if (attach->flags & DRM_DSEEK_ATTACH_REATTACH)
		return dseek_fail(-ENOENT, "attach: no engine was ever called %s", name);
	if (inst->engine_count == EMBED_MAX_ENGINES)
		return dseek_fail(-ENOSPC, "attach: there are %d engines", EMBED_MAX_ENGINES);
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return dseek_fail(-ENOMEM, "attach: no memory");
	r = arb_traced_engine_init(inst->trace, &engine->arb, &inst->params.arb, dseek_now());
	if (r) {
		free(engine);
		return dseek_fail(r, "attach: the arbitration parameters are out of range");
	}
	engine->inst = inst;
	strcpy(engine->name, name);
	engine->id = inst->engine_count;
	engine->type = attach->type;
	engine->owned = owned(attach);
	engine->owner = attach->owner;
	list_init(&engine->standby);
	list_init(&engine->queues);
	list_init(&engine->movable);
	inst->engines[inst->engine_count++] = engine;
	*ret_engine = engine;
	return 0;
}

int embed_exec_attach(struct embed_instance *inst, struct drm_dseek_attach *attach, int own,
		      struct dseek_exec **ret_exec)
{
	struct embed_engine *engine = NULL;
	struct embed_exec *exec;
	int r;

	r = dseek_engine_name_check(attach);
	if (r)
		return r;
	if (attach->type >= DRM_DSEEK_ENGINE_TYPE_COUNT ||
	    attach->flags & ~(DRM_DSEEK_ATTACH_REATTACH | DRM_DSEEK_ATTACH_STANDBY | DRM_DSEEK_ATTACH_OWNER | DRM_DSEEK_ATTACH_MEMORY) ||
	    attach->depth == 0 || attach->depth > DRM_DSEEK_MAX_DEPTH || attach->numa_node < -1 ||
	    (owned(attach) ? attach->owner == (uid_t)-1 : attach->owner != 0))
		return dseek_fail(-EINVAL, "attach: type %u, flags 0x%x, depth %u, node %d, owner %u: one is out of range",
				  attach->type, attach->flags, attach->depth, attach->numa_node, attach->owner);
	exec = calloc(1, sizeof(*exec));
	if (!exec)
		return dseek_fail(-ENOMEM, "attach: no memory");
	exec->desc = calloc(attach->depth, sizeof(*exec->desc));
	if (!exec->desc) {
		free(exec);
		return dseek_fail(-ENOMEM, "attach: no memory");
	}
	embed_lock(inst);
	r = engine_get(inst, attach, &engine);
	if (r) {
		embed_unlock(inst);
		free(exec->desc);
		free(exec);
		return r;
	}
	exec->base.ops = &exec_ops;
	exec->base.jobs = exec->desc;
	exec->base.control = &exec->control;
	exec->base.depth = attach->depth;
	memcpy(exec->base.name, attach->name, sizeof(exec->base.name));
	exec->engine = engine;
	exec->own = own;
	list_init(&exec->order);
	list_init(&exec->maps);
	list_init(&exec->retired);
	list_init(&exec->reported);
	list_init(&exec->wanted);
	list_init(&exec->asked);
	list_init(&exec->unwanted);
	exec->memory = attach->flags & DRM_DSEEK_ATTACH_MEMORY;
	exec->numa_node = attach->numa_node;
	exec->caps = attach->caps;
	if (!engine->exec)
		embed_engine_serve(engine, exec, dseek_now());
	else
		list_add_tail(&exec->standby_link, &engine->standby);
	attach->engine = engine->id;
	attach->generation = exec->control.generation;
	if (engine->exec == exec)
		embed_engine_invite(engine);
	embed_unlock(inst);
	*ret_exec = &exec->base;
	return 0;
}

int dseek_embed_exec_attach(const char *arg, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec)
{
	struct embed_instance *inst;
	int r;

	r = embed_instance_get(arg, "none", &inst);
	if (r)
		return r;
	r = embed_exec_attach(inst, attach, -1, ret_exec);
	if (r)
		embed_instance_put(inst);
	return r;
}
