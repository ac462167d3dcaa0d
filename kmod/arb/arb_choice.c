// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Which engine of a set gets the next job of a queue, and how good the predictions were. */
#include "arb_core.h"

#define PASSED_MAX	(1 << 24)

enum rank { RANK_KNOWN, RANK_UNKNOWN, RANK_AWAY };

void arb_choice_init(struct arb_choice *choice)
{
	choice->best.id = -1;
	choice->trial.id = -1;
	choice->stay.id = -1;
}

static int sooner(const struct arb_option *a, const struct arb_option *b)
{
	return b->id < 0 || a->rank < b->rank || (a->rank == b->rank && a->finish_ns < b->finish_ns);
}

/* Times PASSED_MAX and ARB_PATIENCE it fits into 64 bits. */
static u64 short_cost(const struct arb_option *option)
{
	return arb_min(option->cost_ns, ~0u);
}

static u64 patience(const struct arb_option *option)
{
	return option->idle ? 1 : ARB_PATIENCE;
}

/* One never measured before those that were, idle ones first; then the one that was passed over most, relative to what it costs. */
static int more_due(const struct arb_option *a, const struct arb_option *b)
{
	if (b->id < 0 || a->rank != b->rank)
		return b->id < 0 || a->rank > b->rank;
	if (a->rank == RANK_UNKNOWN)
		return a->idle > b->idle;
	return a->passed * patience(b) * short_cost(b) > b->passed * patience(a) * short_cost(a);
}

void arb_choice_add(struct arb_choice *choice, int id, u32 flags, const struct arb_share *share, const struct arb_queue *queue,
		    struct arb_cost *cost, u64 not_before_ns, u64 now_ns)
{
	struct arb_prediction predicted;
	struct arb_option option;

	arb_cost_recall(share, cost);
	option = (struct arb_option){ .id = id, .passed = cost->passed };
	arb_predict_after(share, queue, cost, 0, now_ns, &predicted);
	option.idle = predicted.idle;
	option.cost_ns = predicted.cost_ns;
	option.finish_ns = arb_max(predicted.finish_ns, not_before_ns + predicted.cost_ns);
	option.rank = flags & ARB_CHOICE_AWAY ? RANK_AWAY : predicted.known ? RANK_KNOWN : RANK_UNKNOWN;
	if (flags & ARB_CHOICE_STAYS)
		choice->stay = option;
	if (sooner(&option, &choice->best))
		choice->best = option;
	if (!(flags & ARB_CHOICE_AGAIN) && cost->passed < PASSED_MAX)
		cost->passed++;
	if (!(flags & ARB_CHOICE_AWAY) && cost->tries < ARB_TRIES && more_due(&option, &choice->trial))
		choice->trial = option;
}

static int trial_due(const struct arb_option *trial, const struct arb_option *best)
{
	if (trial->id < 0)
		return 0;
	if (trial->rank == RANK_UNKNOWN)
		return trial->idle || trial->passed >= ARB_PATIENCE;
	return trial->passed * short_cost(best) >= ARB_RETRY * patience(trial) * short_cost(trial);
}

int arb_choice_best(const struct arb_choice *choice)
{
	const struct arb_option *best = &choice->best, *stay = &choice->stay;

	if (trial_due(&choice->trial, best))
		return choice->trial.id;
	if (stay->id >= 0 && stay->rank == best->rank && stay->finish_ns <= best->finish_ns + best->cost_ns / 8)
		return stay->id;
	return best->id;
}

void arb_cost_chosen(struct arb_cost *cost)
{
	if (cost->tries < ~0u)
		cost->tries++;
}

static u64 difference(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

void arb_accuracy_add(struct arb_accuracy *sum, u64 predicted_ns, u64 turnaround_ns, u64 predicted_cost_ns, u64 used_ns)
{
	sum->jobs++;
	sum->turnaround_ns += turnaround_ns;
	sum->turnaround_error_ns += difference(predicted_ns, turnaround_ns);
	sum->cost_ns += used_ns;
	sum->cost_error_ns += difference(predicted_cost_ns, used_ns);
}
