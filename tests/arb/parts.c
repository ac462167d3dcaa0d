// SPDX-License-Identifier: MIT
/* The core's parts one by one: virtual time against 128-bit integers, the heap against a scan, learned costs, limits. */
#include <stdio.h>
#include <stdlib.h>
#include "../../kmod/arb/arb.h"
#include "drive.h"

typedef unsigned __int128 u128;

static int tests, failures;

static void verdict(int good, const char *what)
{
	printf("%s %d parts: %s\n", good ? "ok" : "not ok", ++tests, what);
	failures += !good;
}

static u128 wide(struct arb_vtime v)
{
	return (u128)v.ns << 32 | v.frac;
}

static u64 any(u64 *seed, int bits)
{
	return bits ? splitmix64(seed) >> (64 - bits) : 0;
}

static void vtime(void)
{
	u64 seed = 1, ns, weight, i;
	struct arb_vtime a, b;
	u128 exact;
	int of = 1, back = 1, sums = 1, order = 1, large = 1;

	for (i = 0; i < 1000000; i++) {
		ns = any(&seed, splitmix64(&seed) % 64);
		weight = 1 + any(&seed, splitmix64(&seed) % 17);
		a = arb_vtime_of(ns, weight);
		of &= wide(a) == ((u128)ns << 32) / weight;
		if (ns < 1ULL << 62)
			back &= arb_vtime_ns(a, weight) <= ns && ns - arb_vtime_ns(a, weight) <= 1;
		b = arb_vtime_of(any(&seed, 63), 1 + any(&seed, 16));
		if (a.ns < 1ULL << 62 && b.ns < 1ULL << 62)
			sums &= wide(arb_vtime_add(a, b)) == wide(a) + wide(b);
		sums &= wide(arb_vtime_sub(a, b)) == (wide(a) > wide(b) ? wide(a) - wide(b) : 0);
		order &= arb_vtime_before(a, b) == (wide(a) < wide(b));
		weight = (1ULL << 32) + any(&seed, 40);
		ns = any(&seed, 40);
		a = arb_vtime_of(ns, weight);
		exact = ((u128)ns << 32) / weight;
		large &= (wide(a) > exact ? wide(a) - exact : exact - wide(a)) <= (exact >> 15) + (1 << 16);
	}
	verdict(of, "ns / weight is what 128 bits say, for every ns and weight");
	verdict(back, "and comes back to within a ns");
	verdict(sums, "sums and differences are exact");
	verdict(order, "order");
	verdict(large, "sums of weights beyond 2^32 keep 16 bits");
	verdict(arb_vtime_ns((struct arb_vtime){ ~0ULL, ~0u }, ARB_WEIGHT_MAX) == ~0ULL >> 1, "too large saturates");
}

static u32 rank(const struct arb_node *node)
{
	return node ? node->rank : 0;
}

/* Random inserts, moves (some so short that nothing is to be done) and removals, the minimum found by a scan each time. */
static void heap(void)
{
	enum { N = 300 };
	static struct arb_node node[N];
	struct arb_heap heap = { NULL };
	u64 seed = 2, seq = 0, i;
	int k, j, least, good = 1, deepest = 0, depth;
	struct arb_node *at;

	for (i = 0; i < 200000; i++) {
		k = splitmix64(&seed) % N;
		if (arb_heap_holds(&node[k]) && splitmix64(&seed) % 2)
			arb_heap_move(&heap, &node[k], node[k].key + splitmix64(&seed) % 5 - 2, node[k].frac, seq++);
		else if (arb_heap_holds(&node[k]))
			arb_heap_remove(&heap, &node[k]);
		else
			arb_heap_insert(&heap, &node[k], splitmix64(&seed) % 64, splitmix64(&seed) % 2, seq++);
		for (least = -1, j = 0; j < N; j++) {
			if (!arb_heap_holds(&node[j]))
				continue;
			if (least < 0 || node[j].key < node[least].key ||
			    (node[j].key == node[least].key && (node[j].frac < node[least].frac ||
			     (node[j].frac == node[least].frac && node[j].seq < node[least].seq))))
				least = j;
		}
		good &= least < 0 ? !arb_heap_first(&heap) : arb_heap_first(&heap) == &node[least];
		for (depth = 0, at = heap.root; at; at = at->right)
			depth++;
		for (j = 0; j < N; j++)
			if (arb_heap_holds(&node[j]))
				good &= rank(node[j].left) >= rank(node[j].right) &&
					node[j].rank == rank(node[j].right) + 1;
		deepest = depth > deepest ? depth : deepest;
	}
	verdict(good, "heap: the first is the least, equals in order of insertion, ranks are right");
	verdict(deepest <= 8, "heap: a right spine of 300 nodes has no more than log2(301) of them");
}

static void costs(void)
{
	struct arb_cost cost = { 0 };
	u64 seed = 3, i, x, over = 0;
	int good;

	verdict(arb_cost_mean(NULL, 77) == 77 && arb_cost_bound(NULL, 78) == 78 && arb_cost_mean(&cost, 79) == 79,
		"cost: the default before the first sample");
	arb_cost_update(&cost, 8000);
	verdict(arb_cost_mean(&cost, 1) == 8000 && arb_cost_bound(&cost, 1) == 12000, "cost: the first sample, and half as much for the bound");
	for (i = 0; i < 200; i++)
		arb_cost_update(&cost, 8000);
	verdict(cost.mean_ns == 8000 && cost.dev_ns == 0, "cost: a constant is learned exactly");
	for (i = 0; i < 1000000; i++) {	/* the count is then good to 3 % */
		x = 9000 + splitmix64(&seed) % 2001;
		if (i > 100)
			over += x > arb_cost_bound(&cost, 1);
		arb_cost_update(&cost, x);
	}
	good = cost.mean_ns > 9500 && cost.mean_ns < 10500;
	verdict(good && over < 1000 && over > 800, "cost: 10000 +- 1000: the mean within 5 %, less than one sample in 1000 above the bound, but some");
	x = cost.mean_ns;
	arb_cost_update(&cost, 1000000000);
	verdict(cost.mean_ns <= x + x / 8 + 1 && arb_cost_bound(&cost, 1) < 3 * x, "cost: one run a hundred thousand times as long moves it by an eighth");
	for (i = 0; i < 64; i++)
		arb_cost_update(&cost, ~0ULL);
	verdict(cost.mean_ns <= ARB_USED_MAX_NS && cost.mean_ns > 1000 * x, "cost: but if it goes on it is learned, up to the limit");
	cost = (struct arb_cost){ 0 };
	arb_cost_update(&cost, 100000);
	arb_cost_update(&cost, 1000);
	verdict(arb_cost_mean(&cost, 1) == 1000 && arb_cost_bound(&cost, 1) == 1500, "cost: the second sample in place of a cold first one");
	for (i = 0; i < 2; i++)
		arb_cost_update(&cost, 1000);
	x = cost.mean_ns;
	arb_cost_update(&cost, 10);
	verdict(cost.samples == 5 && cost.mean_ns > x / 2, "cost: but not the fifth");
	verdict(cost.least_ns == 10, "cost: the least is remembered");
	for (i = 0; i < 1000; i++)
		arb_cost_update(&cost, 64000);
	verdict(cost.least_ns > 60000 && cost.least_ns <= 64000, "cost: and forgotten when it has not been seen for long");
	cost = (struct arb_cost){ .samples = ~0U, .mean_ns = 5, .least_ns = 5 };
	arb_cost_update(&cost, 5);
	verdict(cost.samples == ~0U && cost.mean_ns == 5, "cost: the count of samples ends, the learning goes on");
	cost = (struct arb_cost){ 0 };
	arb_cost_update(&cost, 0);
	verdict(cost.mean_ns == 1 && cost.samples == 1, "cost: nothing used counts as a ns");
}

static int refused(u32 deadline, u32 interactive, u64 slice, u64 cost, u64 burst)
{
	struct arb_engine_params params = { deadline, interactive, slice, cost, burst };
	struct arb_engine engine = { .seq = 42 };

	return arb_engine_init(&engine, &params, 0) == -EINVAL && engine.seq == 42;
}

static void params(void)
{
	struct arb_engine engine;

	verdict(refused(951, 800, 1, 1, 1), "params: deadline share above 950 refused, nothing touched");
	verdict(refused(750, 0, 1, 1, 1) && refused(750, 1000, 1, 1, 1), "params: interactive share 0 and 1000 refused");
	verdict(refused(750, 800, ARB_USED_MAX_NS + 1, 1, 1), "params: slice out of range refused");
	verdict(refused(750, 800, 1, 0, 1) && refused(750, 800, 1, ARB_USED_MAX_NS + 1, 1), "params: default cost out of range refused");
	verdict(refused(750, 800, 1, 1, ARB_USED_MAX_NS + 1), "params: burst out of range refused");
	verdict(!arb_engine_init(&engine, NULL, 5) && engine.params.deadline_permille == 750 && engine.params.slice_ns == 2000000,
		"params: NULL is the defaults");
}

/* A refusal takes off the deviation: a program whose mean fits is admitted in the end, one whose mean doesn't never. */
static void recall(void)
{
	u64 key = arb_cost_key("a program", 9), other = key + ARB_LEARNED;
	struct arb_cost first = { .key = key }, again = { .key = key }, another = { .key = key + 1 }, none = { 0 }, evicts = { .key = other };
	struct arb_engine engine;
	struct arb_share share;
	int i;

	verdict(key == arb_cost_key("a program", 9) && key != arb_cost_key("a progran", 9) && arb_cost_key("", 0) == 0xcbf29ce484222325ULL,
		"recall: the key is the content's");
	arb_engine_init(&engine, NULL, 0);
	arb_share_init(&share, &engine);
	for (i = 0; i < 9; i++) {
		arb_cost_update(&first, 5000 + i);
		arb_cost_keep(&share, &first);
		arb_cost_update(&none, 70);
		arb_cost_keep(&share, &none);
	}
	arb_cost_recall(&share, &again);
	arb_cost_recall(&share, &another);
	verdict(!memcmp(&again, &first, sizeof(first)) && !another.samples, "recall: what was learned of the same content, and of no other");
	none = (struct arb_cost){ 0 };
	arb_cost_recall(&share, &none);
	verdict(!none.samples, "recall: nothing without a key");
	arb_cost_update(&another, 1);
	arb_cost_recall(&share, &another);
	again.mean_ns = 1;
	arb_cost_recall(&share, &again);
	verdict(another.samples == 1 && again.mean_ns == 1, "recall: not in place of what was learned since");
	arb_cost_update(&evicts, 1);
	arb_cost_keep(&share, &evicts);
	again = (struct arb_cost){ .key = key };
	arb_cost_recall(&share, &again);
	verdict(!again.samples && again.key == key, "recall: one whose place was taken is as if never seen");
	arb_share_fini(&share);
}

static void admission(void)
{
	struct arb_queue queue = { .class = ARB_CLASS_DEADLINE, .budget_ns = 1000000, .period_ns = 10000000 };
	struct arb_job job = { .queue = &queue, .deadline_ns = 10000000 };
	struct arb_engine engine;
	struct arb_share share;

	arb_engine_init(&engine, NULL, 0);
	arb_share_init(&share, &engine);
	arb_queue_add(&queue, &share, 0);
	verdict(arb_job_admit(&queue, &job, 0) == 0 && arb_job_admit(&queue, &job, 1) == -ETIME, "admission: a program never seen counts as the default");
	verdict(arb_job_admit(&queue, &job, 9000000000ULL) == -ETIME && !job.trial, "admission: without a cost there is nothing to try");
	arb_queue_remove(&queue, 0);
	arb_share_fini(&share);
}

/* A tenant goes with sums that nobody has asked for since it had work. */
static void gone(void)
{
	struct arb_queue queue[2] = { { .class = ARB_CLASS_BATCH, .weight = 1 }, { .class = ARB_CLASS_BATCH, .weight = 1 } };
	struct arb_job job = { .queue = &queue[0] }, runs = { .queue = &queue[1] };
	struct arb_prediction predicted;
	struct arb_engine engine;
	struct arb_share share[2];
	int i;

	arb_engine_init(&engine, NULL, 0);
	for (i = 0; i < 2; i++) {
		arb_share_init(&share[i], &engine);
		arb_queue_add(&queue[i], &share[i], 0);
	}
	arb_job_ready(&job, 0);
	arb_job_cancel(&job, 0);
	arb_queue_remove(&queue[0], 0);
	arb_share_fini(&share[0]);
	memset(&share[0], 0, sizeof(share[0]));
	arb_job_ready(&runs, 0);
	arb_pick(&engine, 0);
	arb_predict(&share[1], &queue[1], NULL, 0, &predicted);
	verdict(!predicted.idle && predicted.finish_ns == 2 * engine.params.default_cost_ns && arb_list_empty(&engine.stale),
		"prediction: a tenant that has gone is in no sums");
	arb_job_done(&runs, 1000, 0);
	arb_queue_remove(&queue[1], 0);
	arb_share_fini(&share[1]);
}

/* Ages of engine time: nothing wraps. A tenant that was away for a century of the other's work gets two slices. */
static void ages(void)
{
	struct arb_queue queue[2] = { { .class = ARB_CLASS_BATCH, .weight = 1 }, { .class = ARB_CLASS_BATCH, .weight = 1 } };
	struct arb_job job[2] = { { .queue = &queue[0] }, { .queue = &queue[1] } };
	struct arb_engine engine;
	struct arb_share share[2];
	u64 now = 1ULL << 62, i;
	int mine = 0;

	arb_engine_init(&engine, NULL, now);
	for (i = 0; i < 2; i++) {
		arb_share_init(&share[i], &engine);
		arb_queue_add(&queue[i], &share[i], now);
		arb_job_ready(&job[i], now);
		arb_job_done(arb_pick(&engine, now), 1000, now);
	}
	for (i = 0; i < 3000000; i++) {		/* 2.8 million of 18 minutes: a century */
		arb_job_ready(&job[0], now);
		arb_job_done(arb_pick(&engine, now), i < 2999999 ? ARB_USED_MAX_NS : 1000000, now);
	}
	arb_job_ready(&job[0], now);
	for (i = 0; i < 100; i++) {
		struct arb_job *picked;

		if (job[1].state == ARB_JOB_IDLE)
			arb_job_ready(&job[1], now);
		picked = arb_pick(&engine, now);
		if (picked == &job[0])
			break;
		mine++;
		arb_job_done(picked, 1000000, now);
	}
	arb_share_settle(&share[0]);
	verdict(mine >= 4 && mine <= 6 && engine.used_ns > 3000000ULL * ARB_USED_MAX_NS / 2 &&
		share[0].entitled_ns > share[0].used_ns / 10 * 9, "a century of engine time: nothing wraps, nobody hoards");
}

/*
 * Reservations whose queues are gone while their tenants have used more than they were entitled to: what is active then adds up
 * to more than the engine.
 */
static void outlived(void)
{
	enum { N = 8 };
	struct arb_queue queue[N], fair = { .class = ARB_CLASS_BATCH, .weight = 1 };
	struct arb_job job[N], batch = { .queue = &fair };
	struct arb_share share[N];
	struct arb_engine engine;
	u64 now = 1000000, entitled = 0;
	int i;

	arb_engine_init(&engine, NULL, 0);
	for (i = 0; i < N; i++)
		arb_share_init(&share[i], &engine);
	arb_queue_add(&fair, &share[N - 1], now);
	arb_job_ready(&batch, now);
	for (i = 0; i < N - 1; i++) {
		queue[i] = (struct arb_queue){ .class = ARB_CLASS_DEADLINE, .budget_ns = 7000000, .period_ns = 10000000 };
		job[i] = (struct arb_job){ .queue = &queue[i] };
		arb_queue_add(&queue[i], &share[i], now);
		arb_job_ready(&job[i], now);
		if (i)		/* what the last one used lingers */
			now = arb_next_event(&engine, now);
		now += 100000000;
		arb_job_done(arb_pick(&engine, now - 100000000), 100000000, now);
		arb_queue_remove(&queue[i], now);
	}
	for (i = 0; i < N; i++) {
		arb_share_settle(&share[i]);
		entitled += share[i].entitled_ns;
	}
	verdict(engine.used_ns == (N - 1) * 100000000ULL && entitled <= engine.used_ns + 3 * N,
		"entitlement: reservations that outlive their queues are not entitled to more than there was");
}

/* At any age, and after any overrun: who takes the place of deadline queues that went waits no longer than the longest period. */
static void lingers(void)
{
	struct arb_queue queue[2], next = { .class = ARB_CLASS_DEADLINE, .budget_ns = ARB_PERIOD_MAX_NS * 3 / 4, .period_ns = ARB_PERIOD_MAX_NS };
	struct arb_job job[2];
	struct arb_engine engine;
	struct arb_share share;
	u64 now = 1ULL << 62;
	int i, good;

	arb_engine_init(&engine, NULL, 0);
	arb_share_init(&share, &engine);
	for (i = 0; i < 2; i++) {
		queue[i] = (struct arb_queue){ .class = ARB_CLASS_DEADLINE, .budget_ns = ARB_PERIOD_MIN_NS,
					       .period_ns = i ? ARB_PERIOD_MAX_NS : 3 * ARB_PERIOD_MIN_NS };
		job[i] = (struct arb_job){ .queue = &queue[i] };
		arb_queue_add(&queue[i], &share, now);
		arb_job_ready(&job[i], now);
	}
	arb_pick(&engine, now);
	arb_pick(&engine, now);
	for (i = 0; i < 2; i++) {
		arb_job_done(&job[i], ~0ULL, now);
		arb_queue_remove(&queue[i], now);
	}
	arb_queue_add(&next, &share, now);
	good = next.server.left_ns == 0 && next.server.deadline_ns == now + ARB_PERIOD_MAX_NS;
	arb_queue_remove(&next, now + 1);
	arb_queue_add(&next, &share, now + 1);
	good &= next.server.left_ns == 0 && next.server.deadline_ns == now + ARB_PERIOD_MAX_NS;
	arb_queue_remove(&next, now + 1);
	arb_queue_add(&next, &share, now + ARB_PERIOD_MAX_NS);
	good &= next.server.left_ns == (s64)next.budget_ns;
	arb_queue_remove(&next, now * 2);
	verdict(good && !engine.reserved, "reservation: what was used ahead lingers for the longest period at most, however much it was");
	arb_share_fini(&share);
}

int main(void)
{
	vtime();
	heap();
	costs();
	params();
	recall();
	admission();
	gone();
	ages();
	outlived();
	lingers();
	printf("1..%d\n", tests);
	return failures != 0;
}
