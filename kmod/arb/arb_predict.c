// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* When a job would be done: the fluid policy over what is there now (Parekh and Gallager 1993, as in arb_fluid.c). */
#include "arb_core.h"

#define WORK_MAX	(1ULL << 52)	/* 52 days: times 1000 stays below 2^63 */

/* Of what is out, what is left; the job that runs has an eighth left however long it takes. */
static u64 out_left(const struct arb_engine *engine, u32 class, u64 now_ns)
{
	u64 left = engine->out_ns[class], ran;
	const struct arb_job *job;

	if (arb_list_empty(&engine->running))
		return 0;
	job = arb_container_of(engine->running.next, struct arb_job, in_engine);
	if (job->queue->class != class)
		return left;
	ran = now_ns > job->start_ns ? now_ns - job->start_ns : 0;
	return left - arb_min(ran, job->predicted_ns - job->predicted_ns / 8);
}

/* What the class has to give until the queue has got @work; @own_ns of its ready work is in the sums. */
static u64 class_work(const struct arb_member *member, const struct arb_queue *queue, u64 own_ns, u64 work)
{
	u64 other_ns = member->waits_ns - own_ns;
	u64 other_weight = member->waits_weight - (own_ns ? queue->weight : 0);
	u32 weight = member->queue_count ? arb_max(member->entity.weight, queue->weight) : queue->weight;

	if (other_weight)
		work += arb_min(other_ns, arb_vtime_ns(arb_vtime_of(work, queue->weight), other_weight));
	return work + arb_backlog_within(member, arb_vtime_of(work, weight));
}

/* What the balance lets the other fair class have while @class gets @work. */
static u64 split_work(const struct arb_engine *engine, u32 class, u64 work, u64 other_ns)
{
	s64 share = engine->params.interactive_permille, balance = engine->balance + engine->balance_ahead, goes;

	if (class == ARB_CLASS_INTERACTIVE)
		goes = ((s64)work * (1000 - share) + balance) / share;
	else
		goes = ((s64)work * share - balance) / (1000 - share);
	return goes > 0 ? arb_min(goes, other_ns) : 0;
}

/* With what deadline servers take meanwhile: no more than there is, nor than their rates. */
static u64 with_deadline(const struct arb_backlog *backlog, u64 work)
{
	u64 rest = (1ULL << ARB_RATE_SHIFT) - backlog->weight;
	u64 most = work + backlog->ns;

	if (!backlog->weight)
		return work;
	return arb_min(most, (work / rest << ARB_RATE_SHIFT) + (work % rest << ARB_RATE_SHIFT) / rest);
}

u64 arb_out_end(const struct arb_engine *engine, u64 now_ns)
{
	now_ns = arb_max(now_ns, engine->now_ns);
	return now_ns + out_left(engine, ARB_CLASS_DEADLINE, now_ns) + out_left(engine, ARB_CLASS_INTERACTIVE, now_ns) +
	       out_left(engine, ARB_CLASS_BATCH, now_ns);
}

static u64 own_work(const struct arb_share *share, const struct arb_queue *queue)
{
	return queue->share == share ? queue->waits_ns : 0;
}

void arb_predict_after(const struct arb_share *share, const struct arb_queue *queue, const struct arb_cost *cost, u64 before_ns,
		       u64 now_ns, struct arb_prediction *ret)
{
	struct arb_engine *engine = share->engine;
	const struct arb_backlog *backlog = engine->backlog;
	u32 class = queue->class, other = class == ARB_CLASS_BATCH ? ARB_CLASS_INTERACTIVE : ARB_CLASS_BATCH;
	u64 own_ns = own_work(share, queue), other_ns = backlog[other].ns, out, batch_out, work;

	now_ns = arb_max(now_ns, engine->now_ns);
	ret->cost_ns = arb_min(arb_cost_mean(cost, engine->params.default_cost_ns), ARB_USED_MAX_NS);
	ret->known = cost && cost->samples;
	ret->idle = arb_list_empty(&engine->running) && !backlog[ARB_CLASS_DEADLINE].ns &&
		    backlog[ARB_CLASS_INTERACTIVE].ns + backlog[ARB_CLASS_BATCH].ns == own_ns;
	if (ret->idle) {
		ret->finish_ns = now_ns + before_ns + ret->cost_ns;
		return;
	}
	arb_backlog_settle(engine);
	out = out_left(engine, ARB_CLASS_DEADLINE, now_ns) + out_left(engine, ARB_CLASS_INTERACTIVE, now_ns);
	batch_out = out_left(engine, ARB_CLASS_BATCH, now_ns);
	if (class == ARB_CLASS_INTERACTIVE && engine->balance <= 0)
		other_ns += batch_out;		/* it is preempted */
	else
		out += batch_out;
	work = arb_min(class_work(&share->member[class], queue, own_ns, before_ns + ret->cost_ns), WORK_MAX);
	work += split_work(engine, class, work, arb_min(other_ns, WORK_MAX));
	ret->finish_ns = now_ns + out + with_deadline(&backlog[ARB_CLASS_DEADLINE], work);
}

void arb_predict(const struct arb_share *share, const struct arb_queue *queue, const struct arb_cost *cost, u64 now_ns,
		 struct arb_prediction *ret)
{
	arb_predict_after(share, queue, cost, own_work(share, queue), now_ns, ret);
}
