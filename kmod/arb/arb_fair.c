// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Start-time fair queueing on two levels: tenants of a class, queues of a tenant. */
#include "arb_core.h"

static struct arb_fair *class_of(const struct arb_queue *queue)
{
	return &queue->share->engine->class[queue->class];
}

/* Into the heap, out of it, or to its new place; where nothing changes its turn among equals stays. */
static void place(struct arb_engine *engine, struct arb_fair *fair, struct arb_entity *entity, int ready)
{
	struct arb_node *node = &entity->node;

	if (!arb_heap_holds(node)) {
		if (ready)
			arb_heap_insert(&fair->ready, node, entity->vt.ns, entity->vt.frac, engine->seq++);
	} else if (!ready) {
		arb_heap_remove(&fair->ready, node);
	} else if (node->key != entity->vt.ns || node->frac != entity->vt.frac) {
		arb_heap_move(&fair->ready, node, entity->vt.ns, entity->vt.frac, engine->seq++);
	}
}

/*
 * Before the weight grows: what the entity is owed, less what is charged ahead, stays so much engine time. The same virtual time behind
 * the floor would be more of it. Where the weight shrinks it's less.
 */
static void keep_owed(struct arb_entity *entity, const struct arb_fair *fair, u32 weight)
{
	struct arb_vtime settled = arb_vtime_sub(entity->vt, entity->ahead), owed;

	if (weight <= entity->weight || !arb_vtime_before(settled, fair->floor))
		return;
	owed = arb_vtime_of(arb_vtime_ns(arb_vtime_sub(fair->floor, settled), entity->weight), weight);
	entity->vt = arb_vtime_add(arb_vtime_sub(fair->floor, owed), entity->ahead);
}

/* The largest weight among the tenant's queues in the class; the last one stays when all are gone. */
static void reweigh(const struct arb_queue *queue)
{
	struct arb_member *member = arb_queue_member(queue);
	struct arb_node *node = arb_heap_first(&member->weights);
	u32 weight;

	if (!node)
		return;
	weight = arb_container_of(node, struct arb_queue, by_weight)->weight;
	keep_owed(&member->entity, class_of(queue), weight);
	member->entity.weight = weight;
	place(queue->share->engine, class_of(queue), &member->entity, arb_heap_holds(&member->entity.node));
	arb_fluid_rate(member, weight);
	arb_backlog_stale(member);
}

void arb_fair_add(struct arb_queue *queue)
{
	queue->entity.weight = queue->weight;
	arb_heap_insert(&arb_queue_member(queue)->weights, &queue->by_weight, ARB_WEIGHT_MAX - queue->weight, 0,
			queue->share->engine->seq++);
	reweigh(queue);
}

void arb_fair_remove(struct arb_queue *queue)
{
	arb_heap_remove(&arb_queue_member(queue)->weights, &queue->by_weight);
	reweigh(queue);
}

static void lift(struct arb_entity *entity, const struct arb_fair *fair, u64 slice_ns)
{
	struct arb_vtime least = fair->floor;

	if (entity->known)
		least = arb_vtime_sub(least, arb_vtime_of(2 * slice_ns, entity->weight));
	entity->known = 1;
	if (arb_vtime_before(entity->vt, least))
		entity->vt = least;
}

/* The queue's first job came. */
void arb_fair_wake(struct arb_queue *queue)
{
	struct arb_member *member = arb_queue_member(queue);
	u64 slice_ns = queue->share->engine->params.slice_ns;

	if (member->working == 1)
		lift(&member->entity, class_of(queue), slice_ns);
	lift(&queue->entity, &member->queues, slice_ns);
}

static inline void charge(struct arb_entity *entity, struct arb_fair *fair, struct arb_vtime by)
{
	if (arb_vtime_before(fair->floor, entity->vt))
		fair->floor = entity->vt;
	entity->vt = arb_vtime_add(entity->vt, by);
	entity->ahead = arb_vtime_add(entity->ahead, by);
}

/* Takes off exactly what was charged, even if the weight has changed since. */
static inline void correct(struct arb_entity *entity, struct arb_vtime charged, struct arb_vtime used)
{
	entity->ahead = arb_vtime_sub(entity->ahead, charged);
	entity->vt = arb_vtime_add(arb_vtime_sub(entity->vt, charged), used);
}

/* What is predicted of it. @before: of the same queue, charged just before it; NULL: none was. */
void arb_fair_charge(struct arb_job *job, const struct arb_job *before)
{
	struct arb_queue *queue = job->queue;
	struct arb_member *member = arb_queue_member(queue);

	if (before && before->predicted_ns == job->predicted_ns) {	/* mostly: a division less */
		job->charged[0] = before->charged[0];
		job->charged[1] = before->charged[1];
	} else {
		job->charged[0] = arb_vtime_of(job->predicted_ns, queue->entity.weight);
		job->charged[1] = arb_vtime_of(job->predicted_ns, member->entity.weight);
	}
	charge(&queue->entity, &member->queues, job->charged[0]);
	charge(&member->entity, class_of(queue), job->charged[1]);
}

void arb_fair_correct(struct arb_job *job, u64 used_ns)
{
	const struct arb_entity *tenant = &arb_queue_member(job->queue)->entity;
	struct arb_vtime used = arb_vtime_of(used_ns, job->queue->entity.weight);

	correct(&job->queue->entity, job->charged[0], used);
	if (tenant->weight != job->queue->entity.weight)
		used = arb_vtime_of(used_ns, tenant->weight);
	correct(&arb_queue_member(job->queue)->entity, job->charged[1], used);
}

void arb_fair_update(struct arb_queue *queue)
{
	struct arb_engine *engine = queue->share->engine;
	struct arb_member *member = arb_queue_member(queue);

	place(engine, &member->queues, &queue->entity, arb_queue_pickable(queue));
	place(engine, class_of(queue), &member->entity, arb_heap_first(&member->queues.ready) != NULL);
}

static int sole(const struct arb_heap *heap)
{
	return heap->root && !heap->root->left && !heap->root->right;
}

/* It is ready, and no other queue of the fair classes is: whatever it is charged, it is first of them. */
int arb_fair_alone(const struct arb_queue *queue)
{
	const struct arb_engine *engine = queue->share->engine;
	u32 other = queue->class == ARB_CLASS_BATCH ? ARB_CLASS_INTERACTIVE : ARB_CLASS_BATCH;

	return !engine->class[other].ready.root && sole(&class_of(queue)->ready) && sole(&arb_queue_member(queue)->queues.ready);
}

struct arb_queue *arb_fair_first(const struct arb_engine *engine, u32 class)
{
	struct arb_node *node = arb_heap_first(&engine->class[class].ready);

	return node ? arb_node_queue(arb_heap_first(&arb_node_member(node)->queues.ready)) : NULL;
}
