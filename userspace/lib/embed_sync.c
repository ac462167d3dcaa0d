// SPDX-License-Identifier: MIT
/*
 * Fences and syncobjs with the semantics of drm_syncobj: a job's wait takes the fence that is there when
 * the job is submitted (so no cycle can be made); a timeline is a chain of nodes.
 */
#include <stdlib.h>
#include "embed.h"

struct embed_fence *embed_fence_create(void)
{
	struct embed_fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return NULL;
	fence->refs = 1;
	list_init(&fence->waits);
	list_init(&fence->work);
	return fence;
}

static struct embed_fence *fence_get(struct embed_fence *fence)
{
	fence->refs++;
	return fence;
}

void embed_fence_put(struct embed_fence *fence)
{
	if (fence && --fence->refs == 0)
		free(fence);
}

void embed_wait_on(struct embed_wait *wait, struct embed_fence *fence, void (*fn)(struct embed_wait *, int))
{
	wait->fence = fence_get(fence);
	wait->fn = fn;
	list_add_tail(&wait->link, &fence->waits);
}

/* The waits are called by embed_fences_run(): a chain of any length costs no stack. */
void embed_fence_signal(struct embed_instance *inst, struct embed_fence *fence, int error)
{
	if (fence->signalled)
		return;
	fence->signalled = true;
	fence->error = error;
	list_add_tail(&fence_get(fence)->work, &inst->signalled);
}

static void fence_call_waits(struct embed_fence *fence)
{
	struct embed_wait *wait;

	while (!list_empty(&fence->waits)) {
		wait = container_of(fence->waits.next, struct embed_wait, link);
		list_del(&wait->link);
		wait->fence = NULL;
		wait->fn(wait, fence->error);
		embed_fence_put(fence);
	}
}

void embed_fences_run(struct embed_instance *inst)
{
	struct embed_fence *fence;

	if (list_empty(&inst->signalled))
		return;
	while (!list_empty(&inst->signalled)) {
		fence = container_of(inst->signalled.next, struct embed_fence, work);
		list_del(&fence->work);
		fence_call_waits(fence);
		embed_fence_put(fence);
	}
	embed_wake(inst, &inst->sync_event);
}

/* ---- timelines */

static void node_step(struct embed_fence *node)
{
	if (--node->pending)
		return;
	embed_fence_signal(node->inst, node, node->error);
	embed_fence_put(node);	/* the reference its two waits shared */
}

static void node_fence_done(struct embed_wait *wait, int error)
{
	struct embed_fence *node = container_of(wait, struct embed_fence, on_fence);

	node->error = error;
	node_step(node);
}

static void node_prev_done(struct embed_wait *wait, int error)
{
	struct embed_fence *node = container_of(wait, struct embed_fence, on_prev);

	(void)error;	/* an earlier point's error is that point's own */
	embed_fence_put(node->prev);
	node->prev = NULL;
	node_step(node);
}

void embed_syncobj_install(struct embed_instance *inst, struct embed_syncobj *syncobj, uint64_t point,
			   struct embed_fence *fence, struct embed_fence *node)
{
	struct embed_fence *prev = syncobj->fence;

	if (point == 0) {
		syncobj->fence = fence_get(fence);
		embed_fence_put(prev);
		embed_wake(inst, &inst->sync_event);
		return;
	}
	node->prev_point = prev ? prev->point : 0;
	node->point = point > node->prev_point ? point : node->prev_point;
	node->inst = inst;
	node->error = fence->error;
	if (!fence->signalled) {
		node->pending++;
		embed_wait_on(&node->on_fence, fence, node_fence_done);
	}
	if (prev && !prev->signalled) {
		node->pending++;
		node->prev = prev;	/* takes over the syncobj's reference */
		embed_wait_on(&node->on_prev, prev, node_prev_done);
	} else {
		embed_fence_put(prev);
	}
	if (node->pending)
		fence_get(node);
	else
		node->signalled = true;
	syncobj->fence = fence_get(node);
	embed_wake(inst, &inst->sync_event);
}

struct embed_fence *embed_syncobj_find(struct embed_syncobj *syncobj, uint64_t point, bool *ret_missing)
{
	struct embed_fence *node = syncobj->fence;

	*ret_missing = !node || node->point < point;
	if (*ret_missing)
		return NULL;
	if (point == 0)
		return node;
	while (node->prev && node->prev_point >= point)
		node = node->prev;
	/* The nodes before it that are gone have signalled. */
	return node->prev_point >= point ? NULL : node;
}

/* ---- syncobjs */

int embed_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj)
{
	struct embed_syncobj *syncobj = calloc(1, sizeof(*syncobj));

	if (!syncobj)
		return dseek_fail(-ENOMEM, "syncobj: no memory");
	if (signalled) {
		syncobj->fence = embed_fence_create();
		if (!syncobj->fence) {
			free(syncobj);
			return dseek_fail(-ENOMEM, "syncobj: no memory");
		}
		syncobj->fence->signalled = true;
	}
	*ret_syncobj = &syncobj->base;
	return 0;
}

void embed_syncobj_destroy(struct dseek_syncobj *base)
{
	struct embed_syncobj *syncobj = container_of(base, struct embed_syncobj, base);
	struct embed_instance *inst = container_of(base->dev, struct embed_device, base)->inst;

	embed_lock(inst);
	embed_fence_put(syncobj->fence);
	embed_unlock(inst);
	free(syncobj);
}

int embed_syncobj_signal(struct dseek_syncobj *base, uint64_t point)
{
	struct embed_syncobj *syncobj = container_of(base, struct embed_syncobj, base);
	struct embed_instance *inst = container_of(base->dev, struct embed_device, base)->inst;
	struct embed_fence *fence = embed_fence_create(), *node = embed_fence_create();

	if (!fence || !node) {
		free(fence);
		free(node);
		return dseek_fail(-ENOMEM, "syncobj: no memory");
	}
	fence->signalled = true;
	embed_lock(inst);
	embed_syncobj_install(inst, syncobj, point, fence, node);
	embed_fence_put(fence);
	embed_fence_put(node);
	embed_unlock(inst);
	return 0;
}

int embed_syncobj_wait(struct dseek_syncobj *base, uint64_t point, uint64_t deadline_ns)
{
	struct embed_syncobj *syncobj = container_of(base, struct embed_syncobj, base);
	struct embed_instance *inst = container_of(base->dev, struct embed_device, base)->inst;
	struct embed_fence *fence;
	bool missing;
	int r = 0;

	embed_lock(inst);
	for (;;) {
		fence = embed_syncobj_find(syncobj, point, &missing);
		if (!missing && (!fence || fence->signalled))
			break;
		if (!embed_sleep(inst, &inst->sync_event, deadline_ns)) {
			r = -ETIME;
			break;
		}
	}
	embed_unlock(inst);
	return r ? dseek_fail(r, "syncobj: point %llu isn't signalled", (unsigned long long)point) : 0;
}

int embed_syncobj_query(struct dseek_syncobj *base, uint64_t *ret_point)
{
	struct embed_syncobj *syncobj = container_of(base, struct embed_syncobj, base);
	struct embed_instance *inst = container_of(base->dev, struct embed_device, base)->inst;
	struct embed_fence *node;
	uint64_t point = 0;

	embed_lock(inst);
	node = syncobj->fence;
	if (node) {
		while (!node->signalled && node->prev)
			node = node->prev;
		point = node->signalled ? node->point : node->prev_point;
	}
	embed_unlock(inst);
	*ret_point = point;
	return 0;
}
