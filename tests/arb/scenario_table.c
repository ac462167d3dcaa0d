// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "scenario.h"

static const struct step fifo[] = {
	BATCH(0, 0, 1),
	PICK_NONE(0), NEXT_NEVER(0),
	READY(0, 0, 0, 100), READY(0, 1, 0, 100), READY(0, 2, 0, 100),
	PICK(10, 0), PICK(10, 1), DONE(110, 0, 100), DONE(210, 1, 100), PICK(210, 2), PICK_NONE(210),
	DONE(310, 2, 100), QUEUE_USED(0, 300), QUEUED(0, 230), ENTITLED(0, 300),
	{ }
};

static const struct step cancel[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 100), READY(0, 1, 0, 100), READY(0, 2, 1, 100),
	CANCEL(0, 0), PICK(0, 1), CANCEL(0, 2), PICK_NONE(0), DONE(100, 1, 100),
	REMOVE(0), REMOVE(1), PICK_NONE(100),
	{ }
};

/* Start tags 0 0 | 1/2 1 1 3/2 2 2: weight 2 runs twice as often. */
static const struct step weights[] = {
	INTERACTIVE(0, 0, 1), INTERACTIVE(1, 1, 2),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000), READY(0, 2, 0, 1000),
	READY(0, 3, 1, 1000), READY(0, 4, 1, 1000), READY(0, 5, 1, 1000), READY(0, 6, 1, 1000),
	PICK(0, 0), DONE(1000, 0, 1000), PICK(1000, 3), DONE(2000, 3, 1000), PICK(2000, 4), DONE(3000, 4, 1000),
	PICK(3000, 1), DONE(4000, 1, 1000), PICK(4000, 5), DONE(5000, 5, 1000), PICK(5000, 6), DONE(6000, 6, 1000),
	ENTITLED(0, 2000), ENTITLED(1, 4000),
	{ }
};

/* The same with depth 7: what is charged ahead decides before anything is measured. */
static const struct step weights_ahead[] = {
	INTERACTIVE(0, 0, 1), INTERACTIVE(1, 1, 2),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000), READY(0, 2, 0, 1000),
	READY(0, 3, 1, 1000), READY(0, 4, 1, 1000), READY(0, 5, 1, 1000), READY(0, 6, 1, 1000),
	PICK(0, 0), PICK(0, 3), PICK(0, 4), PICK(0, 1), PICK(0, 5), PICK(0, 6), PICK(0, 2), PICK_NONE(0),
	{ }
};

/* Predicted 1 ms, used 4: the correction lets the other tenant run four times. */
static const struct step mispredicted[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000),
	READY(0, 2, 1, 1000), READY(0, 3, 1, 1000), READY(0, 4, 1, 1000), READY(0, 5, 1, 1000), READY(0, 6, 1, 1000),
	PICK(0, 0), DONE(4000, 0, 4000), PICK(4000, 2), DONE(5000, 2, 1000), PICK(5000, 3), DONE(6000, 3, 1000),
	PICK(6000, 4), DONE(7000, 4, 1000), PICK(7000, 5), DONE(8000, 5, 1000), PICK(8000, 1),
	{ }
};

/* Three queues against one: the tenants still take turns, and the three take turns among themselves. */
static const struct step more_queues[] = {
	BATCH(0, 0, 1), BATCH(1, 0, 1), BATCH(2, 0, 1), BATCH(3, 1, 1),
	READY(0, 0, 0, 100), READY(0, 1, 1, 100), READY(0, 2, 2, 100), READY(0, 3, 0, 100),
	READY(0, 4, 3, 100), READY(0, 5, 3, 100), READY(0, 6, 3, 100),
	PICK(0, 0), PICK(0, 4), PICK(0, 1), PICK(0, 5), PICK(0, 2), PICK(0, 6), PICK(0, 3),
	{ }
};

/* Tenant 1 is away while 0 uses 20 ms; back, it is owed two slices (2 * 1 ms) and no more. */
static const struct step idle_lift[] = {
	PARAMS(750, 800, 1000, 100000),
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 1, 1000), PICK(0, 0), DONE(1000, 0, 1000),
	READY(1000, 1, 0, 20000), PICK(1000, 1), DONE(21000, 1, 20000),
	READY(21000, 2, 0, 1000), PICK(21000, 2),
	READY(21000, 3, 1, 1000), READY(21000, 4, 1, 1000), READY(21000, 5, 1, 1000), READY(21000, 6, 1, 1000),
	READY(21000, 7, 0, 1000),
	DONE(22000, 2, 1000), PICK(22000, 3), PICK(22000, 4), PICK(22000, 5), PICK(22000, 7), PICK(22000, 6),
	{ }
};

/* Back from idleness with a weight of 1 it is owed two slices; a heavier queue opened then makes no more of them. */
static const struct step heavier[] = {
	PARAMS(750, 800, 1000, 100000),
	BATCH(0, 0, 100), BATCH(1, 1, 1),
	READY(0, 0, 1, 1000), PICK(0, 0), DONE(1000, 0, 1000),
	READY(1000, 1, 0, 1000000), PICK(1000, 1), DONE(1001000, 1, 1000000),
	READY(1001000, 1, 0, 1000), READY(1001000, 2, 0, 1000), PICK(1001000, 1),
	READY(1001000, 3, 1, 1000), READY(1001000, 4, 1, 1000), READY(1001000, 5, 1, 1000), READY(1001000, 6, 1, 1000),
	READY(1001000, 7, 1, 1000), BATCH(2, 1, 100),
	DONE(1002000, 1, 1000), PICK(1002000, 3), PICK(1002000, 4), PICK(1002000, 5), PICK(1002000, 2), PICK(1002000, 6),
	{ }
};

/*
 * Nor of what comes back of a job that was charged ahead at the lesser weight: it is 3 ms behind when the weight grows to 100, so
 * 0.03 ms of virtual time then, and the others are 1 ms further. Two jobs of 100 ms reach that.
 */
static const struct step heavier_ahead[] = {
	BATCH(0, 0, 100), BATCH(1, 1, 1),
	READY(0, 0, 0, 100000), READY(0, 1, 0, 100000), READY(0, 2, 0, 100000), READY(0, 3, 0, 100000), READY(0, 4, 0, 100000),
	READY(0, 10, 1, 4000), READY(0, 11, 1, 100000), READY(0, 12, 1, 100000), READY(0, 13, 1, 100000),
	PICK(0, 0), PICK(0, 10), PICK(0, 1), PICK(0, 2), PICK(0, 3), BATCH(2, 1, 100), DONE(100000, 0, 100000), DONE(100000, 10, 0),
	DONE(200000, 1, 100000), DONE(300000, 2, 100000), DONE(400000, 3, 100000),
	PICK(400000, 11), PICK(400000, 12), PICK(400000, 4), PICK(400000, 13),
	{ }
};

/* A new tenant starts where the others are, without the credit. */
static const struct step newcomer[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 50000), READY(0, 1, 0, 1000), READY(0, 2, 0, 1000), READY(0, 7, 0, 1000),
	PICK(0, 0), DONE(50000, 0, 50000), PICK(50000, 1),
	READY(50500, 3, 1, 1000), READY(50500, 4, 1, 1000), READY(50500, 5, 1, 1000),
	DONE(51000, 1, 1000), PICK(51000, 3), PICK(51000, 2), PICK(51000, 4), PICK(51000, 7),
	{ }
};

static const struct step interactive_first[] = {
	PARAMS(750, 800, 2000, 100000),
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000),
	READY(0, 2, 1, 1000), READY(0, 3, 1, 1000), READY(0, 4, 1, 1000), READY(0, 5, 1, 1000), READY(0, 6, 1, 1000),
	READY(0, 7, 1, 1000),
	/* 4 of 5 to interactive */
	PICK(0, 2), PICK(0, 0), PICK(0, 3), PICK(0, 4), PICK(0, 5), PICK(0, 6), PICK(0, 1), PICK(0, 7),
	{ }
};

/* Batch ran alone for a second: interactive may then hold it off for the burst (10 ms), not for four seconds. */
static const struct step burst[] = {
	PARAMS(750, 800, 2000, 10000),
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 1000000), PICK(0, 0), DONE(1000000, 0, 1000000),
	READY(1000000, 1, 0, 1000), READY(1000000, 2, 1, 5000), READY(1000000, 3, 1, 5000), READY(1000000, 4, 1, 5000),
	READY(1000000, 5, 1, 5000),
	PICK(1000000, 2), DONE(1005000, 2, 5000), PICK(1005000, 3), DONE(1010000, 3, 5000),
	PICK(1010000, 4), DONE(1015000, 4, 5000), PICK(1015000, 1), DONE(1016000, 1, 1000), PICK(1016000, 5),
	{ }
};

/* What interactive used while batch had nothing isn't held against it. */
static const struct step no_grudge[] = {
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 1, 500000), PICK(0, 0), READY(499000, 1, 0, 1000), READY(499000, 2, 1, 1000),
	READY(499000, 3, 1, 1000), READY(499000, 4, 0, 1000), PREEMPT(499000, 0),
	/* 1 of the 500 ms was beside batch, then one job of 1 ms for batch is a fifth: it goes first once */
	DONE(500000, 0, 500000), PICK(500000, 1), DONE(501000, 1, 1000), PICK(501000, 2), PICK(501000, 3),
	{ }
};

/*
 * Neither can be stopped for 200 ms, far longer than the burst (10 ms): after batch's turn interactive is owed 120 ms of
 * balance, three runs of 40, and gets them.
 */
static const struct step overshoot[] = {
	PARAMS(750, 800, 2000, 10000),
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 1000000), READY(0, 1, 1, 200000), READY(0, 2, 1, 200000), READY(0, 3, 1, 200000),
	READY(0, 4, 1, 200000), READY(0, 5, 1, 200000),
	PICK(0, 1), DONE(200000, 1, 200000), PICK(200000, 0), YIELD(400000, 0, 200000),
	PICK(400000, 2), NEXT(400000, 1002001), DONE(600000, 2, 200000), PICK(600000, 3), DONE(800000, 3, 200000), PICK(800000, 4),
	DONE(1000000, 4, 200000), PICK(1000000, 5), DONE(1200000, 5, 200000), PICK(1200000, 0),
	{ }
};

/* Small jobs that wait behind long ops don't add up: interactive keeps what one run owes it (80), plus the next (80). */
static const struct step interactive_hoards[] = {
	PARAMS(750, 800, 2000, 10000),
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 1000000), PICK(0, 0),
	READY(0, 1, 1, 1000), YIELD(100000, 0, 100000), PICK(100000, 1), DONE(101000, 1, 1000), PICK(101000, 0),
	READY(101000, 2, 1, 1000), YIELD(201000, 0, 100000), PICK(201000, 2), DONE(202000, 2, 1000), PICK(202000, 0),
	READY(202000, 3, 1, 200000), READY(202000, 4, 1, 200000), READY(202000, 5, 1, 200000), READY(202000, 6, 1, 200000),
	READY(202000, 7, 1, 200000), READY(202000, 8, 1, 200000), YIELD(302000, 0, 100000),
	PICK(302000, 3), DONE(502000, 3, 200000), PICK(502000, 4), DONE(702000, 4, 200000), PICK(702000, 5),
	DONE(902000, 5, 200000), PICK(902000, 6), DONE(1102000, 6, 200000), PICK(1102000, 7), DONE(1302000, 7, 200000),
	PICK(1302000, 0),
	{ }
};

/* Nor for batch: it keeps the burst (8), plus the next (100): three runs of 40. */
static const struct step batch_hoards[] = {
	PARAMS(750, 800, 2000, 10000),
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 1, 9000000), PICK(0, 0),
	READY(0, 1, 0, 1000), YIELD(500000, 0, 500000), PICK(500000, 1), DONE(501000, 1, 1000), PICK(501000, 0),
	READY(501000, 2, 0, 1000), YIELD(1001000, 0, 500000), PICK(1001000, 2), DONE(1002000, 2, 1000), PICK(1002000, 0),
	READY(1002000, 3, 0, 50000), READY(1002000, 4, 0, 50000), READY(1002000, 5, 0, 50000), READY(1002000, 6, 0, 50000),
	YIELD(1502000, 0, 500000), PICK(1502000, 3), DONE(1552000, 3, 50000), PICK(1552000, 4), DONE(1602000, 4, 50000),
	PICK(1602000, 5), DONE(1652000, 5, 50000), PICK(1652000, 0),
	{ }
};

static const struct step edf[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 1000, 5000), INTERACTIVE(2, 2, 4),
	READY(0, 0, 2, 500), READY(0, 1, 0, 500), READY(0, 2, 1, 500),
	PICK(0, 2), PICK(0, 1), PICK(0, 0), PICK_NONE(0),
	{ }
};

/* 1 ms in 10: the third job waits for the next period, and for one more after an overrun; batch runs meanwhile. */
static const struct step throttle[] = {
	DEADLINE(0, 0, 1000, 10000), BATCH(1, 1, 1),
	READY(0, 0, 0, 500), READY(0, 1, 0, 500), READY(0, 2, 0, 500), READY(0, 3, 0, 500), READY(0, 10, 1, 5000),
	PICK(0, 0), DONE(500, 0, 500), PICK(500, 1), DONE(1000, 1, 500), PICK(1000, 10), DONE(6000, 10, 5000),
	PICK_NONE(6000), NEXT(6000, 10000), PICK_NONE(9999), PICK(10000, 2), DONE(11500, 2, 1500),
	/* overran by 500: at 20000 there are 500 left */
	PICK_NONE(11500), NEXT(11500, 20000), PICK(20000, 3), DONE(20500, 3, 500), PICK_NONE(20500),
	QUEUE_USED(0, 3000),
	{ }
};

/* Overran by two and a half budgets: two periods are skipped. */
static const struct step overrun[] = {
	DEADLINE(0, 0, 1000, 10000),
	READY(0, 0, 0, 500), READY(0, 1, 0, 500),
	PICK(0, 0), DONE(3500, 0, 3500), NEXT(3500, 30000), PICK_NONE(29999), PICK(30000, 1),
	{ }
};

/* The wake-up rule: at 8 ms, 800 us are left until 10 ms, more than a tenth of the 2 ms: a new period from 8 on. */
static const struct step wakeup[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 1000, 9000),
	READY(0, 0, 0, 200), PICK(0, 0), DONE(200, 0, 200),
	READY(8000, 1, 0, 200), READY(8000, 2, 1, 200), PICK(8000, 2), PICK(8000, 1),
	{ }
};

/* Just at the reserved rate (800 us for 8 ms at a tenth) the period stays, and ends before the other server's. */
static const struct step wakeup_edge[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 1000, 8001),
	READY(0, 0, 0, 200), PICK(0, 0), DONE(200, 0, 200),
	READY(2000, 1, 0, 200), READY(2000, 2, 1, 200), PICK(2000, 1), PICK(2000, 2),
	{ }
};

/* A microsecond later it is below it: a new period, which ends after the other server's. */
static const struct step wakeup_beyond[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 1000, 8001),
	READY(0, 0, 0, 200), PICK(0, 0), DONE(200, 0, 200),
	READY(2001, 1, 0, 200), READY(2001, 2, 1, 200), PICK(2001, 2), PICK(2001, 1),
	{ }
};

/* Predicted 1.5 ms, so the budget is renewed early; used 0.1: what is left is a budget and no more. */
static const struct step renewed_early[] = {
	DEADLINE(0, 0, 1000, 10000),
	READY(0, 0, 0, 1500), READY(0, 1, 0, 600), READY(0, 2, 0, 600), READY(0, 3, 0, 600),
	PICK(0, 0), PREEMPT(10000, 0), DONE(10100, 0, 100), PICK(10100, 1), DONE(10700, 1, 600), PICK(10700, 2),
	DONE(11300, 2, 600), PICK_NONE(11300), NEXT(11300, 20000), PICK(20000, 3),
	{ }
};

/* The engine stood still for 100 periods: the server gets one budget, not a hundred. */
static const struct step standstill[] = {
	DEADLINE(0, 0, 1000, 10000), BATCH(1, 1, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000), READY(0, 2, 0, 1000), READY(0, 3, 0, 1000), READY(0, 10, 1, 1000),
	PICK(1000000, 0), DONE(1001000, 0, 1000), PICK(1001000, 1), DONE(1002000, 1, 1000), PICK(1002000, 10),
	NEXT(1002000, 1011000),
	{ }
};

static const struct step admission[] = {
	DEADLINE(0, 0, 2000, 10000), INTERACTIVE(1, 1, 1),
	ADMIT(0, 0, 2000, 10000, 0),			/* one budget in one period */
	ADMIT(0, 0, 2001, 10000, -ETIME),
	ADMIT(0, 0, 2000, 9999, -ETIME),
	ADMIT(0, 0, 2001, 20000, 0),
	ADMIT(0, 0, 100, 0, 0),				/* no deadline: nothing to refuse */
	ADMIT(0, 1, 100000, 1, 0),			/* not of the deadline class */
	READY(0, 0, 0, 1500), ADMIT(0, 0, 500, 10000, 0), ADMIT(0, 0, 501, 10000, -ETIME),
	ADMIT(0, 0, 2500, 20000, 0), ADMIT(0, 0, 2501, 20000, -ETIME),
	PICK(0, 0), ADMIT(0, 0, 501, 10000, -ETIME), ADMIT(0, 0, 500, 10000, 0),
	DONE(500, 0, 500),
	/* what was used of this period's budget is gone, until the wake-up rule starts a new period */
	ADMIT(500, 0, 1500, 10000, 0), ADMIT(500, 0, 2000, 10500, -ETIME), ADMIT(500, 0, 2000, 20000, 0),
	ADMIT(8000, 0, 2000, 18000, 0), ADMIT(8000, 0, 2000, 17999, -ETIME),
	{ }
};

/* 100 ms on cold caches, then 1 ms: refused for a period, then tried, and known. */
static const struct step cold_start[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 100000, 1),
	SUBMIT(0, 0, 0, 0, 10000, -ETIME), SUBMIT(9999, 0, 0, 0, 19999, -ETIME),
	SUBMIT(10000, 0, 0, 0, 20000, 0), PICK(10000, 0), DONE(11000, 0, 1000),
	SUBMIT(20000, 0, 0, 0, 30000, 0), PICK(20000, 0), DONE(21000, 0, 1000),
	SUBMIT(21000, 1, 0, 0, 31000, 0), SUBMIT(21000, 2, 0, 0, 31000, 0),
	{ }
};

/* Never run, and the default (1 ms) doesn't fit into 0.5: tried once it has been refused for a period. */
static const struct step never_run[] = {
	DEADLINE(0, 0, 500, 1000),
	SUBMIT(0, 0, 0, 0, 1000, -ETIME), SUBMIT(999, 0, 0, 0, 1999, -ETIME),
	SUBMIT(1000, 0, 0, 0, 2000, 0), PICK(1000, 0), DONE(1100, 0, 100), SUBMIT(2000, 1, 0, 0, 3000, 0),
	{ }
};

/* 20 ms each time, of which 5 in 10 fit: known for what it is, it's refused whenever and however often it asks. */
static const struct step never_fits[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 20000, 4),
	SPAM(0, 1000, 0, 0, 10000), SPAM(10000, 1000, 0, 0, 20000), SPAM(20000, 1000, 0, 0, 30000),
	SPAM(1000000, 1000, 0, 0, 1010000), SPAM(1000000000, 1000, 0, 0, 1000010000),
	{ }
};

/* The same with one sample, which may have been a cold start: three trials, ever further apart, settle it. */
static const struct step soon_known[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 20000, 1),
	SPAM(0, 1000, 0, 0, 10000), SPAM(9999, 1000, 0, 0, 19999),
	SUBMIT(10000, 0, 0, 0, 20000, 0), PICK(10000, 0), DONE(50000, 0, 20000),
	SUBMIT(50000, 0, 0, 0, 60000, 0), PICK(50000, 0), SPAM(60000, 1000, 0, 0, 70000), DONE(69000, 0, 20000),
	SPAM(69999, 1000, 0, 0, 79999), SUBMIT(90000, 0, 0, 0, 100000, 0), PICK(90000, 0), DONE(110000, 0, 20000),
	SPAM(200000, 1000, 0, 0, 210000), SPAM(1000000000, 1000, 0, 0, 1000010000), MISSES(0, 3),
	{ }
};

/*
 * 4 ms each, then a stall: the bound is beyond the budget though the mean is not. Asking a thousand times changes nothing; a
 * period does, and each trial that is late doubles it.
 */
static const struct step spam[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 4000, 100), LEARN(0, 8000, 1),
	SPAM(0, 1000, 0, 0, 10000), SPAM(9999, 1000, 0, 0, 19999),
	SUBMIT(10000, 0, 0, 0, 20000, 0), SPAM(10000, 1000, 0, 0, 20000), PICK(10000, 0), SPAM(20000, 1000, 0, 0, 30000),
	DONE(21000, 0, 8000), MISSES(0, 1),
	SUBMIT(30000, 0, 0, 0, 40000, 0), PICK(30000, 0), DONE(42000, 0, 8000), MISSES(0, 2),
	SPAM(42000, 1000, 0, 0, 52000), SPAM(49999, 1000, 0, 0, 59999),
	SUBMIT(60000, 0, 0, 0, 70000, 0), PICK(60000, 0), DONE(74000, 0, 8000), MISSES(0, 3),
	SPAM(90000, 1000, 0, 0, 100000), SPAM(99999, 1000, 0, 0, 109999), SUBMIT(110000, 0, 0, 0, 120000, 0),
	{ }
};

/* The same stall, then 4 ms again: tried each period until the bound fits, and then never refused. */
static const struct step stalled[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 4000, 100), LEARN(0, 8000, 1),
	SUBMIT(0, 0, 0, 0, 10000, -ETIME),
	SUBMIT(10000, 0, 0, 0, 20000, 0), PICK(10000, 0), DONE(14000, 0, 4000), SPAM(19999, 1000, 0, 0, 29999),
	SUBMIT(20000, 0, 0, 0, 30000, 0), PICK(20000, 0), DONE(24000, 0, 4000), LEARN(0, 4000, 16),
	SUBMIT(24001, 0, 0, 0, 40000, 0), CANCEL(24001, 0), SUBMIT(24001, 0, 0, 0, 40000, 0),
	{ }
};

/* No trial behind other jobs: there is something to learn from already, and they are promised their time. */
static const struct step trial_idle[] = {
	DEADLINE(0, 0, 5000, 10000), LEARN(0, 100000, 1), LEARN(1, 1000, 8),
	SUBMIT(0, 0, 0, 0, 10000, -ETIME), SUBMIT(0, 1, 0, 1, 10000, 0),
	SPAM(10000, 1000, 0, 0, 20000), PICK(10000, 1), DONE(11000, 1, 1000), SUBMIT(11000, 0, 0, 0, 21000, 0),
	{ }
};

static const struct step reservation[] = {
	PARAMS(750, 800, 2000, 100000),
	DEADLINE(0, 0, 5000, 10000),
	REFUSED(1, 1, ARB_CLASS_DEADLINE, 2501, 10000, -EBUSY),
	DEADLINE(1, 1, 2500, 10000),
	REFUSED(2, 0, ARB_CLASS_DEADLINE, 10, 10000, -EBUSY),
	REMOVE(0), DEADLINE(2, 0, 5000, 10000),
	{ }
};

/*
 * Two tenants of 38 and 37 %, of which the first uses its budget up at once, and again with a queue made anew whose deadline is the
 * earliest: that has no budget before the first one would have had the next. So the second has its own in each period, a hundred times.
 */
#define RECREATE(t) \
	READY(t, 0, 0, 3800), READY_BY(t, 1, 1, 3700, t + 10000), PICK(t, 0), DONE(t + 3800, 0, 3800), \
	REMOVE(0), DEADLINE(0, 0, 2280, 6000), READY(t + 3800, 0, 0, 2280), PICK(t + 3800, 1), PREEMPT(t + 7499, 0), \
	DONE(t + 7500, 1, 3700), PICK_NONE(t + 7500), CANCEL(t + 7500, 0), REMOVE(0), DEADLINE(0, 0, 3800, 10000), \
	READY(t + 7500, 0, 0, 3800), PICK_NONE(t + 7500), NEXT(t + 9999, t + 10000), CANCEL(t + 9999, 0)
#define RECREATE_TEN(t) \
	RECREATE(t), RECREATE(t + 10000), RECREATE(t + 20000), RECREATE(t + 30000), RECREATE(t + 40000), RECREATE(t + 50000), \
	RECREATE(t + 60000), RECREATE(t + 70000), RECREATE(t + 80000), RECREATE(t + 90000)

static const struct step recreated[] = {
	DEADLINE(0, 0, 3800, 10000), DEADLINE(1, 1, 3700, 10000),
	RECREATE_TEN(0), RECREATE_TEN(100000), RECREATE_TEN(200000), RECREATE_TEN(300000), RECREATE_TEN(400000),
	RECREATE_TEN(500000), RECREATE_TEN(600000), RECREATE_TEN(700000), RECREATE_TEN(800000), RECREATE_TEN(900000),
	USED(0, 380000), USED(1, 370000), MISSES(1, 0),
	{ }
};

/* Two of 37 % in turn: the third that is made has a budget a period after the first had, but for the 1 % that nobody reserved. */
static const struct step recreated_in_turn[] = {
	DEADLINE(0, 0, 3700, 10000), DEADLINE(1, 0, 3700, 10000),
	READY(0, 0, 0, 3700), PICK(0, 0), DONE(3700, 0, 3700), READY(3700, 1, 1, 3700), REMOVE(0), DEADLINE(0, 0, 3700, 10000),
	PICK(3700, 1), READY(3700, 0, 0, 3700), DONE(7400, 1, 3700), REMOVE(1), DEADLINE(1, 0, 3700, 10000),
	READY(7400, 1, 1, 3700), PICK_NONE(7400), NEXT(7400, 9830), PICK(9830, 0), DONE(13530, 0, 3700), PICK_NONE(13530),
	NEXT(13530, 13603), PICK(13603, 1),
	{ }
};

/* Five budgets at once: the queue would have had the next at 50 ms, so has the one in its place, of whatever tenant and period. */
static const struct step recreated_overrun[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 6500, 10000),
	READY(0, 0, 0, 1000), PICK(0, 0), DONE(5000, 0, 5000), REMOVE(0), DEADLINE(0, 0, 1000, 10000),
	READY(5000, 0, 0, 1000), PICK_NONE(5000), NEXT(5000, 50000), CANCEL(5000, 0), REMOVE(0), DEADLINE(0, 2, 10, 100),
	READY(20000, 0, 0, 10), PICK_NONE(20000), NEXT(20000, 50000), PICK(50000, 0), DONE(50010, 0, 10),
	{ }
};

/* One that fits beside what lingers (20 of 75 %) has its budget at once; one of 60 % takes 5 of those over, and waits for them. */
static const struct step recreated_beside[] = {
	DEADLINE(0, 0, 2000, 10000),
	READY(0, 0, 0, 2000), PICK(0, 0), DONE(2000, 0, 2000), REMOVE(0), DEADLINE(0, 0, 5500, 10000),
	READY(2000, 0, 0, 2000), PICK(2000, 0), YIELD(2000, 0, 0), CANCEL(2000, 0), REMOVE(0), DEADLINE(0, 0, 6000, 10000),
	READY(2000, 0, 0, 2000), PICK_NONE(2000), NEXT(2000, 2667), PICK(2667, 0),
	{ }
};

/* What has used nothing, or no more than its rate gave it, leaves nothing. */
static const struct step recreated_unused[] = {
	DEADLINE(0, 0, 7500, 10000), REMOVE(0), DEADLINE(0, 0, 7500, 10000), READY(0, 0, 0, 3000), CANCEL(0, 0), REMOVE(0),
	DEADLINE(0, 0, 7500, 10000), READY(0, 0, 0, 3000), PICK(0, 0), DONE(4000, 0, 3000), REMOVE(0), DEADLINE(0, 0, 7500, 10000),
	READY(4000, 0, 0, 3000), PICK(4000, 0), DONE(7000, 0, 3000), READY(7999, 0, 0, 10), CANCEL(7999, 0), REMOVE(0),
	DEADLINE(0, 0, 7500, 10000), READY(7999, 0, 0, 3000), PICK_NONE(7999), NEXT(7999, 8000), PICK(8000, 0),
	{ }
};

/* What begins without a budget promises no more than it will have. */
static const struct step recreated_admission[] = {
	DEADLINE(0, 0, 7500, 10000), READY(0, 0, 0, 7500), PICK(0, 0), DONE(7500, 0, 7500), REMOVE(0), DEADLINE(0, 0, 7500, 10000),
	ADMIT(7500, 0, 7500, 20000, 0), ADMIT(7500, 0, 7500, 19999, -ETIME), ADMIT(7500, 0, 100, 19999, -ETIME),
	ADMIT(7500, 0, 7501, 30000, 0), ADMIT(7500, 0, 7501, 29999, -ETIME),
	ADMIT(10000, 0, 7500, 20000, 0), ADMIT(12000, 0, 7500, 22000, 0), ADMIT(12000, 0, 7500, 21999, -ETIME),
	{ }
};

static const struct step bad_queues[] = {
	REFUSED(0, 0, ARB_CLASS_COUNT, 1, 0, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_BATCH, 0, 0, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_BATCH, ARB_WEIGHT_MAX + 1, 0, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_BATCH, 1, 5, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_DEADLINE, 0, 10000, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_DEADLINE, 10001, 10000, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_DEADLINE, 9, 10000, -EINVAL),
	REFUSED(0, 0, ARB_CLASS_DEADLINE, 10000, 4294968, -EINVAL),
	INTERACTIVE(0, 0, ARB_WEIGHT_MAX),
	{ }
};

static const struct step preempt_class[] = {
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1), DEADLINE(2, 2, 1000, 10000), DEADLINE(3, 3, 1000, 5000),
	PREEMPT(0, 0), READY(0, 0, 0, 50000), PREEMPT(0, 0), PICK(0, 0), PREEMPT(10, 0),
	READY(100, 1, 1, 1000), PREEMPT(100, 1), YIELD(120, 0, 120), PICK(120, 1), PREEMPT(120, 0),
	READY(200, 2, 2, 500), PREEMPT(200, 1), YIELD(220, 1, 100), PICK(220, 2), PREEMPT(220, 0),
	READY(300, 3, 3, 500), PREEMPT(300, 1), YIELD(310, 2, 90), PICK(310, 3), PREEMPT(310, 0),
	DONE(810, 3, 500), PICK(810, 2), DONE(1220, 2, 410), PICK(1220, 1), DONE(2120, 1, 900), PICK(2120, 0),
	{ }
};

/* A deadline job beyond its server's budget gives way to anything. */
static const struct step preempt_spent[] = {
	DEADLINE(0, 0, 1000, 10000), BATCH(1, 1, 1),
	READY(0, 0, 0, 500), READY(0, 1, 1, 500), PICK(0, 0), NEXT(0, 1000), PREEMPT(999, 0), PREEMPT(1000, 1),
	YIELD(1010, 0, 1010), PICK(1010, 1), NEXT(1010, 10000), PREEMPT(5000, 0), PREEMPT(10000, 1),
	{ }
};

/* Equal deadlines: what runs goes on. */
static const struct step preempt_equal[] = {
	DEADLINE(0, 0, 1000, 10000), DEADLINE(1, 1, 1000, 10000), DEADLINE(2, 2, 1000, 9000),
	READY(0, 0, 0, 500), READY(0, 1, 1, 500), PICK(0, 0), PREEMPT(100, 0),
	READY(0, 2, 2, 500), PREEMPT(100, 1),
	{ }
};

/* Interactive is over its share, so batch has its turn: for a slice (2 ms), although the balance is even after 250 us. */
static const struct step preempt_turn[] = {
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 50000), READY(0, 1, 1, 1000), READY(0, 2, 1, 1000), PICK(0, 1), DONE(1000, 1, 1000), PICK(1000, 0),
	PREEMPT(1250, 0), PREEMPT(2999, 0), NEXT(1250, 3000), PREEMPT(3000, 1),
	{ }
};

/* Without anybody else at the time it was picked, it gives way as soon as interactive has work within its share. */
static const struct step preempt_no_turn[] = {
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 50000), PICK(0, 0), PREEMPT(100, 0), READY(100, 1, 1, 1000), PREEMPT(100, 1),
	{ }
};

/* Interactive over its share by more than the slice makes room for batch: 0.2 of 2 ms is used up at 2 ms. */
static const struct step preempt_over_share[] = {
	BATCH(0, 0, 1), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 1, 50000), PICK(0, 1), PREEMPT(2000, 0), NEXT(0, 2001), PREEMPT(2001, 1),
	YIELD(2001, 1, 2001), PICK(2001, 0),
	{ }
};

/* What waits is behind by what was measured, not by what was charged ahead for its job that is out. */
static const struct step preempt_settled[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 50000), READY(0, 1, 1, 50000), READY(0, 2, 1, 1000),
	PICK(0, 0), PICK(0, 1), PREEMPT(1999, 0), NEXT(0, 2000), PREEMPT(2000, 1),
	{ }
};

/* Equal weights: the one that runs gives way when the other is owed more than the slice (2 ms). */
static const struct step preempt_slice[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 50000), PICK(0, 0), PREEMPT(10000, 0), READY(10000, 1, 1, 1000), PREEMPT(10000, 1),
	YIELD(10000, 0, 10000), PICK(10000, 1), READY(10000, 2, 1, 50000), DONE(11000, 1, 1000), PICK(11000, 2),
	PREEMPT(19000, 0), PREEMPT(21000, 0), NEXT(19000, 22000), PREEMPT(22000, 1),
	{ }
};

/* Yields go back to the head, in order, and nothing of that queue passes them. */
static const struct step yield_order[] = {
	BATCH(0, 0, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 0, 1000), READY(0, 2, 0, 1000), READY(0, 3, 0, 1000),
	PICK(0, 0), PICK(0, 1), PICK(0, 2), YIELD(500, 0, 500), PICK_NONE(500), YIELD(500, 1, 0), PICK_NONE(500),
	YIELD(500, 2, 0), PICK(500, 0), PICK(500, 1), PICK(500, 2), PICK(500, 3),
	DONE(1000, 0, 500), QUEUE_USED(0, 1000),
	{ }
};

/* A deadline job fetched ahead, behind what runs, is still better than that. */
static const struct step preempt_behind[] = {
	BATCH(0, 0, 1), DEADLINE(1, 1, 1000, 10000),
	READY(0, 0, 0, 50000), READY(0, 1, 0, 50000), PICK(0, 0), PICK(0, 1), PREEMPT(100, 0),
	READY(200, 2, 1, 500), PICK(200, 2), PREEMPT(200, 1), YIELD(300, 0, 300), YIELD(300, 1, 0), YIELD(300, 2, 0),
	PICK(300, 2), PICK(300, 0), PICK(300, 1), PREEMPT(300, 0),
	{ }
};

/* Charges of both runs are kept: after the yield the tenant is behind by what it used, not by what was predicted. */
static const struct step yield_charge[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 10000), READY(0, 1, 1, 1000), READY(0, 2, 1, 1000), READY(0, 3, 1, 1000),
	PICK(0, 0), YIELD(2000, 0, 2000), PICK(2000, 1), PICK(2000, 2), PICK(2000, 0), PICK(2000, 3),
	{ }
};

static const struct step misses[] = {
	DEADLINE(0, 0, 1000, 10000), INTERACTIVE(1, 1, 1),
	READY_BY(0, 0, 0, 500, 10000), PICK(0, 0), DONE(10000, 0, 500), MISSES(0, 0),
	READY_BY(20000, 1, 0, 500, 30000), PICK(20000, 1), DONE(30001, 1, 500), MISSES(0, 1),
	READY_BY(40000, 2, 1, 500, 1), PICK(40000, 2), DONE(40500, 2, 500), MISSES(1, 1),
	{ }
};

/*
 * gold reserves 4 in 10 ms and uses 3 at once, silver takes the other 7: in the fluid gold's 3 ms take
 * until 7.5 ms, so both are entitled to just what they got.
 */
static const struct step entitlement[] = {
	DEADLINE(0, 0, 4000, 10000), INTERACTIVE(1, 1, 1),
	READY(0, 0, 0, 3000), READY(0, 1, 1, 7000), PICK(0, 0), DONE(3000, 0, 3000), PICK(3000, 1), DONE(10000, 1, 7000),
	ENTITLED(0, 3000), ENTITLED(1, 7000),
	{ }
};

/* Tenant 0 waits for tenant 1's long job: it was entitled to half of that. */
static const struct step entitlement_owed[] = {
	BATCH(0, 0, 1), BATCH(1, 1, 1),
	READY(0, 0, 0, 1000), READY(0, 1, 1, 1000), PICK(0, 0), DONE(1000, 0, 1000), PICK(1000, 1),
	READY(1000, 2, 0, 1000), DONE(9000, 1, 8000), ENTITLED(0, 4500), ENTITLED(1, 4500),
	{ }
};

/* A clock read before the lock was taken: nothing goes backwards. */
static const struct step late_clock[] = {
	DEADLINE(0, 0, 1000, 10000),
	READY(5000, 0, 0, 100), PICK(4000, 0), DONE(3000, 0, 100), QUEUED(0, 0), READY(2000, 1, 0, 100), PICK(1000, 1),
	QUEUED(0, 0),
	{ }
};

#define S(name)	{ #name, name }
const struct scenario arb_scenarios[] = {
	S(fifo), S(cancel), S(weights), S(weights_ahead), S(mispredicted), S(more_queues), S(idle_lift), S(heavier), S(heavier_ahead), S(newcomer),
	S(interactive_first), S(burst), S(no_grudge), S(overshoot), S(interactive_hoards), S(batch_hoards),
	S(edf), S(throttle), S(overrun), S(wakeup), S(wakeup_edge), S(wakeup_beyond), S(renewed_early), S(standstill),
	S(admission), S(cold_start), S(never_run), S(never_fits), S(soon_known), S(spam), S(stalled), S(trial_idle),
	S(reservation), S(recreated), S(recreated_in_turn), S(recreated_overrun),
	S(recreated_beside), S(recreated_unused), S(recreated_admission), S(bad_queues), S(preempt_class), S(preempt_spent), S(preempt_equal), S(preempt_turn), S(preempt_no_turn), S(preempt_over_share), S(preempt_settled),
	S(preempt_slice), S(preempt_behind),
	S(yield_order), S(yield_charge), S(misses), S(entitlement), S(entitlement_owed), S(late_clock),
	{ }
};
