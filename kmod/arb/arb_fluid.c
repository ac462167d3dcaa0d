// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The fluid server beside the real one: entitlements. Each class has a fluid time that advances by service
 * divided by the sum of the active rates, as the virtual time of weighted fair queueing does (Parekh and
 * Gallager 1993, section III.B), so that a member's entitlement is its rate times the advance while it was
 * active. A member that has no work but has used more than that is active until it has caught up; the moment
 * is known in fluid time, and a heap finds the next.
 */
#include "arb_core.h"

static struct arb_fluid *fluid_of(const struct arb_member *member)
{
	return &member->share->engine->fluid[member - member->share->member];
}

/* What the member got since is added, and the clock moved by just that, so that rounding is never lost. */
void arb_fluid_fold(struct arb_member *member)
{
	struct arb_fluid *fluid = fluid_of(member);
	u64 ns;

	if (!member->active)
		return;
	ns = arb_vtime_ns(arb_vtime_sub(fluid->now, member->since), member->rate);
	member->since = arb_vtime_add(member->since, arb_vtime_of(ns, member->rate));
	member->entitled_ns += ns;
	member->share->entitled_ns += ns;
}

static void leave_later(struct arb_member *member)
{
	struct arb_fluid *fluid = fluid_of(member);
	u64 behind = member->used_ns > member->entitled_ns ? member->used_ns - member->entitled_ns : 0;
	struct arb_vtime at = arb_vtime_add(member->since,
					    arb_vtime_of(behind, member->rate));

	arb_heap_insert(&fluid->leaving, &member->leaving, at.ns, at.frac, member->share->engine->seq++);
}

void arb_fluid_join(struct arb_member *member)
{
	struct arb_fluid *fluid = fluid_of(member);

	if (arb_heap_holds(&member->leaving))
		arb_heap_remove(&fluid->leaving, &member->leaving);
	if (member->active)
		return;
	member->active = 1;
	member->since = fluid->now;
	fluid->rate += member->rate;
}

void arb_fluid_drop(struct arb_member *member)
{
	struct arb_fluid *fluid = fluid_of(member);

	if (arb_heap_holds(&member->leaving))
		arb_heap_remove(&fluid->leaving, &member->leaving);
	if (!member->active)
		return;
	arb_fluid_fold(member);
	member->active = 0;
	fluid->rate -= member->rate;
}

/* Its last job is done. */
void arb_fluid_leave(struct arb_member *member)
{
	arb_fluid_fold(member);
	if (member->entitled_ns >= member->used_ns)
		arb_fluid_drop(member);
	else
		leave_later(member);
}

void arb_fluid_rate(struct arb_member *member, u32 rate)
{
	struct arb_fluid *fluid = fluid_of(member);

	if (rate == member->rate)
		return;
	if (member->active) {
		arb_fluid_fold(member);
		fluid->rate += rate;
		fluid->rate -= member->rate;
		member->since = fluid->now;
	}
	member->rate = rate;
	if (arb_heap_holds(&member->leaving)) {
		arb_heap_remove(&fluid->leaving, &member->leaving);
		leave_later(member);
	}
}

/* How @ns are divided among the classes that have somebody active. */
static void divide(const struct arb_engine *engine, u64 ns, u64 *part)
{
	const struct arb_fluid *fluid = engine->fluid;
	int fair = fluid[ARB_CLASS_INTERACTIVE].rate || fluid[ARB_CLASS_BATCH].rate;
	/* Those who go on being caught up with after their queues have gone are beyond what may be reserved. */
	u64 rate = arb_min(fluid[ARB_CLASS_DEADLINE].rate, 1ULL << ARB_RATE_SHIFT);
	u64 deadline = fair ? (ns * rate) >> ARB_RATE_SHIFT : ns;
	u64 interactive = ns - deadline;

	if (!fluid[ARB_CLASS_INTERACTIVE].rate)
		interactive = 0;
	else if (fluid[ARB_CLASS_BATCH].rate)
		interactive = interactive * engine->params.interactive_permille / 1000;
	part[ARB_CLASS_DEADLINE] = deadline;
	part[ARB_CLASS_INTERACTIVE] = interactive;
	part[ARB_CLASS_BATCH] = ns - deadline - interactive;
}

static void advance(struct arb_fluid *fluid, u64 ns)
{
	if (fluid->rate)
		fluid->now = arb_vtime_add(fluid->now, arb_vtime_of(ns, fluid->rate));
}

/*
 * Go on to the first moment at which a member has been caught up with, or to the end of @ns. Returns what
 * was handed out; the rest is divided anew, as there is one fewer.
 */
static u64 step(struct arb_engine *engine, u64 ns)
{
	u64 part[ARB_CLASS_COUNT], need, part_of, first_need = 0, first_part = 1ULL << 20, given = 0;
	struct arb_node *node, *first = NULL;
	struct arb_fluid *fluid;
	u32 class, first_class = 0;

	divide(engine, ns, part);
	for (class = 0; class < ARB_CLASS_COUNT; class++) {
		fluid = &engine->fluid[class];
		node = arb_heap_first(&fluid->leaving);
		if (!node)
			continue;
		need = arb_vtime_ns(arb_vtime_sub((struct arb_vtime){ node->key, node->frac }, fluid->now), fluid->rate);
		if (need > part[class])
			continue;
		part_of = part[class] ? (need << 20) / part[class] : 0;
		if (first && part_of >= first_part)
			continue;
		first = node;
		first_class = class;
		first_need = need;
		first_part = part_of;
	}
	for (class = 0; class < ARB_CLASS_COUNT; class++) {
		fluid = &engine->fluid[class];
		if (first && class == first_class) {
			need = first_need;
			if (arb_vtime_before(fluid->now, (struct arb_vtime){ first->key, first->frac }))
				fluid->now = (struct arb_vtime){ first->key, first->frac };
		} else {
			need = first ? (part[class] * first_part) >> 20 : part[class];
			advance(fluid, need);
		}
		given += need;
	}
	if (first)
		arb_fluid_drop(arb_container_of(first, struct arb_member, leaving));
	return arb_min(given, ns);
}

/* Hand out @ns, at most ARB_USED_MAX_NS, of engine time to all that are active. */
static void hand_out(struct arb_engine *engine, u64 ns)
{
	const struct arb_fluid *fluid = engine->fluid;
	u64 debt = arb_min(ns, engine->fluid_debt_ns);

	engine->fluid_debt_ns -= debt;
	ns -= debt;
	while (ns && (fluid[ARB_CLASS_DEADLINE].rate || fluid[ARB_CLASS_INTERACTIVE].rate ||
		      fluid[ARB_CLASS_BATCH].rate))
		ns -= step(engine, ns);
}

/* Somebody is about to join: what ran so far belongs to the others. Measured later, taken from the clock now. */
void arb_fluid_elapse(struct arb_engine *engine)
{
	struct arb_job *job;
	u64 elapsed;

	if (arb_list_empty(&engine->running))
		return;
	job = arb_container_of(engine->running.next, struct arb_job, in_engine);
	elapsed = arb_min(engine->now_ns - job->start_ns, ARB_USED_MAX_NS);
	if (elapsed <= engine->fluid_ahead_ns)
		return;
	hand_out(engine, elapsed - engine->fluid_ahead_ns);
	engine->fluid_ahead_ns = elapsed;
}

/* @job, still among the running, has used @used_ns. */
void arb_fluid_supply(struct arb_engine *engine, const struct arb_job *job, u64 used_ns)
{
	u64 ahead = 0;

	if (engine->running.next == &job->in_engine) {
		ahead = engine->fluid_ahead_ns;
		engine->fluid_ahead_ns = 0;
	}
	if (used_ns >= ahead)
		hand_out(engine, used_ns - ahead);
	else
		engine->fluid_debt_ns += ahead - used_ns;
}
