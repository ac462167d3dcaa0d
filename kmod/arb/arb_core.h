/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the core's sources share with each other and nobody else. */
#ifndef DSEEK_ARB_CORE_H
#define DSEEK_ARB_CORE_H

#include "arb.h"

#define ARB_RATE_SHIFT	24		/* rates of deadline queues: 2^-24 of the engine */

static inline u64 arb_min(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 arb_max(u64 a, u64 b)
{
	return a > b ? a : b;
}

/* The caller may have read its clock before it took the lock. */
static inline u64 arb_now(struct arb_engine *engine, u64 now_ns)
{
	engine->now_ns = arb_max(engine->now_ns, now_ns);
	return engine->now_ns;
}

static inline struct arb_member *arb_queue_member(const struct arb_queue *queue)
{
	return queue->member;
}

static inline struct arb_job *arb_queue_first(const struct arb_queue *queue)
{
	return arb_container_of(queue->ready.next, struct arb_job, in_queue);
}

/* It has a ready job, and none of its later jobs is out (they are about to come back: see arb_job_yield). */
static inline int arb_queue_pickable(const struct arb_queue *queue)
{
	return !arb_list_empty(&queue->ready) &&
	       (arb_list_empty(&queue->running) ||
		arb_container_of(queue->running.prev, struct arb_job, in_queue)->seq <
			arb_queue_first(queue)->seq);
}

/* What is left of the mean; an eighth of it if the job has already used more. */
static inline u64 arb_job_rest(const struct arb_job *job)
{
	u64 mean = arb_cost_mean(job->cost, job->queue->share->engine->params.default_cost_ns);

	return arb_max(mean > job->used_ns ? mean - job->used_ns : 0, mean / 8 + 1);
}

static inline struct arb_queue *arb_node_queue(struct arb_node *node)
{
	return arb_container_of(node, struct arb_queue, entity.node);
}

static inline struct arb_member *arb_node_member(struct arb_node *node)
{
	return arb_container_of(node, struct arb_member, entity.node);
}

/* arb_server.c: the deadline class */
u32 arb_server_rate(const struct arb_queue *queue);
u64 arb_server_free(const struct arb_engine *engine);
void arb_server_add(struct arb_queue *queue, u64 now_ns);
void arb_server_remove(struct arb_queue *queue, u64 now_ns);
void arb_server_wake(struct arb_queue *queue, u64 now_ns);
void arb_server_charge(struct arb_queue *queue, u64 ns);
void arb_server_correct(struct arb_queue *queue, u64 charged_ns, u64 used_ns);
void arb_server_update(struct arb_queue *queue);
void arb_servers_renew(struct arb_engine *engine, u64 now_ns);
void arb_trial_over(const struct arb_job *job, u64 now_ns);

/* arb_fair.c: virtual time inside a class */
void arb_fair_add(struct arb_queue *queue);
void arb_fair_remove(struct arb_queue *queue);
void arb_fair_wake(struct arb_queue *queue);
void arb_fair_charge(struct arb_job *job, const struct arb_job *before);
int arb_fair_alone(const struct arb_queue *queue);
void arb_fair_correct(struct arb_job *job, u64 used_ns);
void arb_fair_update(struct arb_queue *queue);
struct arb_queue *arb_fair_first(const struct arb_engine *engine, u32 class);

/* arb_split.c: interactive against batch */
u32 arb_split_class(const struct arb_engine *engine);
void arb_split_wake(struct arb_engine *engine, u32 class, u64 now_ns);
void arb_split_charge(struct arb_engine *engine, struct arb_job *job);
void arb_split_correct(struct arb_engine *engine, struct arb_job *job, u64 used_ns, u64 now_ns);

/* arb_backlog.c: ready work, summed up for predictions */
void arb_backlog_add(struct arb_job *job);
void arb_backlog_remove(struct arb_job *job);
void arb_backlog_stale(struct arb_member *member);	/* its ready work or weight has changed: it is to be entered anew */
void arb_backlog_settle(struct arb_engine *engine);	/* before the sums of a class are looked at */
void arb_backlog_drop(struct arb_member *member);
u64 arb_backlog_within(const struct arb_member *member, struct arb_vtime until);

/* arb_predict.c: of a job that has @before_ns of its own queue before it */
void arb_predict_after(const struct arb_share *share, const struct arb_queue *queue, const struct arb_cost *cost, u64 before_ns,
		       u64 now_ns, struct arb_prediction *ret);

/* arb_fluid.c: entitlements */
void arb_fluid_join(struct arb_member *member);
void arb_fluid_leave(struct arb_member *member);
void arb_fluid_drop(struct arb_member *member);
void arb_fluid_rate(struct arb_member *member, u32 rate);
void arb_fluid_fold(struct arb_member *member);
void arb_fluid_elapse(struct arb_engine *engine);
void arb_fluid_supply(struct arb_engine *engine, const struct arb_job *job, u64 used_ns);

#endif /* DSEEK_ARB_CORE_H */
