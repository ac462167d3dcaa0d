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

/* Returns what is left when everybody has been caught up with. */
static u64 advance(struct arb_fluid *fluid, u64 ns)
{
	while (ns && fluid->rate) {
		struct arb_vtime to = arb_vtime_add(fluid->now, arb_vtime_of(ns, fluid->rate));
		struct arb_node *node = arb_heap_first(&fluid->leaving);
		struct arb_vtime at = node ? (struct arb_vtime){ node->key, node->frac } : to;

		if (!node || arb_vtime_before(to, at)) {
			fluid->now = to;
			return 0;
		}
		if (arb_vtime_before(fluid->now, at)) {
			ns -= arb_min(ns, arb_vtime_ns(arb_vtime_sub(at, fluid->now), fluid->rate));
			fluid->now = at;
		}
		arb_fluid_drop(arb_container_of(node, struct arb_member, leaving));
	}
	return ns;
}

/* Hand out @ns of engine time to all that are active. */
void arb_fluid_supply(struct arb_engine *engine, u64 ns)
{
	struct arb_fluid *deadline = &engine->fluid[ARB_CLASS_DEADLINE];
	struct arb_fluid *interactive = &engine->fluid[ARB_CLASS_INTERACTIVE];
	struct arb_fluid *batch = &engine->fluid[ARB_CLASS_BATCH];
	u64 d, i, b;

	/* Each round but the last ends with a class that has nobody left. */
	while (ns && (deadline->rate || interactive->rate || batch->rate)) {
		d = ns;
		if (interactive->rate || batch->rate)
			d = (ns * deadline->rate) >> ARB_RATE_SHIFT;
		else if (!deadline->rate)
			d = 0;
		i = ns - d;
		if (!interactive->rate)
			i = 0;
		else if (batch->rate)
			i = i * engine->params.interactive_permille / 1000;
		b = ns - d - i;
		ns = advance(deadline, d) + advance(interactive, i) + advance(batch, b);
	}
}
