// SPDX-License-Identifier: MIT
/*
 * The persistent loop against the same work as launches of its own: the same bits, whatever stopped it in between and whoever took which
 * tile. The harness runs groups one after the other, so there it is quotas, the preemption word (set before a launch, and by a tile in
 * the middle of one) and rings that wrap; OpenCL has groups at once, a host that posts while they run and one that preempts them.
 */
#include <pthread.h>
#include <unistd.h>

#include "attn_ref.h"

#define MAX_ITEMS	24
#define MAX_SLOTS	32
#define UNIT		16u
#define MARK		0x7fc12345u	/* a NaN that no kernel makes */

/* One decode: its launches and its two items. */
struct step {
	int d;
	struct attn_cache cache;
	size_t heads, n;		/* of all sequences; elements of out */
	float *q, *acc, *ml, *out;	/* what the launches make of it */
	unsigned int at[10], at_out;	/* in memory: of decode; of merge's result */
};

static struct {
	struct step steps[MAX_ITEMS / 2];
	int n_steps;
	char *memory;
	unsigned int used, size;	/* bytes */
	struct dsk_attn_params params[MAX_ITEMS / 2];
	struct dsk_item work[MAX_ITEMS];	/* what is to be posted, in order */
	int n_work, posted, launches;
	unsigned int total;		/* tiles of all that is posted */
	int control[DSK_RING_WORDS], claims[MAX_SLOTS], done[MAX_SLOTS];
	struct dsk_item slots[MAX_SLOTS];
	int n_slots;
	unsigned int first_number;
} t;

static int tiles(const struct dsk_item *item)
{
	return item->x * item->y * item->z;
}

static unsigned int place(const void *data, size_t size)
{
	unsigned int at = t.used;

	if (t.used + size + UNIT > t.size)
		abort();
	if (data)
		memcpy(t.memory + at, data, size);
	t.used += (unsigned int)((size + UNIT - 1) / UNIT * UNIT);
	return at / UNIT;
}

/* Made by kernels of their own, one launch each. */
static int own_launches(const struct device *d, struct step *s)
{
	struct dsk_attn_params *p = &s->cache.p;
	char decode[32], merge[32];
	struct simt_launch l = { .grid = { (unsigned int)p->q_heads, (unsigned int)s->cache.sequences, (unsigned int)p->splits }, LAUNCH_PARAMS(*p),
				 BUFFERS(OUT(s->acc, s->n * (size_t)p->splits * 4), OUT(s->ml, s->heads * (size_t)p->splits * 8),
					 IN(s->q, s->n * 4), ATTN_BUFFERS(s->cache)) };
	struct simt_launch m = { .grid = { (unsigned int)p->q_heads, (unsigned int)s->cache.sequences, 1 }, LAUNCH_PARAMS(*p),
				 BUFFERS(OUT(s->out, s->n * 4), IN(s->acc, s->n * (size_t)p->splits * 4),
					 IN(s->ml, s->heads * (size_t)p->splits * 8), IN(s->cache.sinks, (size_t)p->q_heads * 4)) };

	snprintf(decode, sizeof(decode), "dsk_attn_decode_%d", s->d);
	snprintf(merge, sizeof(merge), "dsk_attn_merge_%d", s->d);
	return ktest_launch(d, decode, &l, "%s: persistent", d->name) && ktest_launch(d, merge, &m, "%s: persistent", d->name);
}

static int add_step(const struct device *d, int head, int q_heads, int kv_heads, int type, int splits, const int *lengths, int sequences)
{
	struct step *s = &t.steps[t.n_steps];
	struct attn_cache *c = &s->cache;
	size_t cache_bytes, parts;

	s->d = head;
	attn_cache_make(c, head, 0, q_heads, kv_heads, type, lengths, sequences);
	c->p.splits = splits;
	c->p.flags = DSK_ATTN_SINKS;
	s->heads = (size_t)(sequences * q_heads);
	s->n = s->heads * (size_t)head;
	parts = s->heads * (size_t)splits;
	s->q = random_typed(s->n, DSK_F32, 2);
	s->acc = malloc(parts * (size_t)head * 4);
	s->ml = malloc(parts * 8);
	s->out = malloc(s->n * 4);
	if (!own_launches(d, s))
		return 0;
	cache_bytes = c->rows * (size_t)head * type_size(type);
	s->at[0] = place(NULL, parts * (size_t)head * 4);
	s->at[1] = place(NULL, parts * 8);
	s->at[2] = place(s->q, s->n * 4);
	s->at[3] = place(c->k, cache_bytes);
	s->at[4] = place(c->v, cache_bytes);
	s->at[5] = c->k_scales ? place(c->k_scales, c->rows * 4) : 0;
	s->at[6] = c->v_scales ? place(c->v_scales, c->rows * 4) : 0;
	s->at[7] = place(c->pages, (size_t)(sequences * c->p.max_pages) * 4);
	s->at[8] = place(c->lengths, (size_t)sequences * 4);
	s->at_out = place(NULL, s->n * 4);
	t.params[t.n_steps] = c->p;
	t.work[t.n_work] = (struct dsk_item){ .op = head == 64 ? DSK_ITEM_DECODE_64 : DSK_ITEM_DECODE_128, .x = q_heads, .y = sequences, .z = splits,
					      .params = t.n_steps };
	memcpy(t.work[t.n_work++].at, s->at, sizeof(s->at));
	t.work[t.n_work] = (struct dsk_item){ .op = head == 64 ? DSK_ITEM_MERGE_64 : DSK_ITEM_MERGE_128, .x = q_heads, .y = sequences, .z = 1,
					      .params = t.n_steps, .after = 1,
					      .at = { s->at_out, s->at[0], s->at[1], place(c->sinks, (size_t)q_heads * 4) } };
	t.n_work++;
	t.n_steps++;
	return 1;
}

/* To each result in memory marks, where @mark is set; else: are all results those of the launches? */
static int results(int mark)
{
	int good = 1;

	for (int i = 0; i < t.n_steps; i++) {
		struct step *s = &t.steps[i];
		size_t parts = s->heads * (size_t)s->cache.p.splits;
		const struct { unsigned int at; const void *want; size_t n; } all[] = {
			{ s->at[0], s->acc, parts * (size_t)s->d }, { s->at[1], s->ml, parts * 2 }, { s->at_out, s->out, s->n } };

		for (int j = 0; j < 3; j++) {
			unsigned int *p = (unsigned int *)(void *)(t.memory + (size_t)all[j].at * UNIT);

			for (size_t k = 0; mark && k < all[j].n; k++)
				p[k] = MARK;
			good &= mark || !memcmp(p, all[j].want, all[j].n * 4);
		}
	}
	return good;
}

/* A ring of @slots whose first item has the number @number, a multiple of slots. Nothing is posted. */
static void ring_make(int slots, unsigned int number)
{
	memset(t.control, 0, sizeof(t.control));
	t.control[DSK_RING_POSTED] = t.control[DSK_RING_FIRST] = (int)number;
	for (int i = 0; i < slots; i++) {	/* as if of complete items before */
		t.slots[i] = (struct dsk_item){ .x = 1, .y = 1, .z = 1 };
		t.claims[i] = (int)((number - (unsigned int)(slots - i)) << 16 | 1);
		t.done[i] = 1;
	}
	t.n_slots = slots;
	t.first_number = number;
	t.posted = t.launches = 0;
	t.total = 0;
	results(1);
}

static int complete(unsigned int number)
{
	unsigned int slot = number % (unsigned int)t.n_slots;

	return __atomic_load_n(&t.done[slot], __ATOMIC_ACQUIRE) == tiles(&t.slots[slot]);
}

/* The protocol's, from the host: 0 if the ring has no room. */
static int post(void)
{
	unsigned int number = t.first_number + (unsigned int)t.posted, slot = number % (unsigned int)t.n_slots;

	if (!complete(number - (unsigned int)t.n_slots))
		return 0;
	__atomic_store_n(&t.claims[slot], (int)(number << 16), __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	t.slots[slot] = t.work[t.posted];
	t.total += (unsigned int)tiles(&t.slots[slot]);
	__atomic_store_n(&t.done[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t.control[DSK_RING_POSTED], (int)(number + 1), __ATOMIC_RELEASE);
	t.posted++;
	return 1;
}

/* Oldest that isn't complete: what the host writes before a launch. */
static void move_first(void)
{
	unsigned int n = (unsigned int)t.control[DSK_RING_FIRST];

	while (n != t.first_number + (unsigned int)t.posted && complete(n))
		n++;
	t.control[DSK_RING_FIRST] = (int)n;
}

static int launch(const struct device *d, unsigned int groups, int quota, int looks, const char *what)
{
	struct dsk_persist_params p = { .slots = t.n_slots, .quota = quota, .looks = looks };
	struct simt_launch l = { .grid = { groups, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(t.control, sizeof(t.control)), INOUT(t.claims, (size_t)t.n_slots * 4),
					 INOUT(t.done, (size_t)t.n_slots * 4), IN(t.slots, (size_t)t.n_slots * sizeof(t.slots[0])),
					 IN(t.params, sizeof(t.params)), INOUT(t.memory, t.size)) };

	t.launches++;
	return ktest_launch(d, "dsk_persist", &l, "%s: persistent: %s", d->name, what);
}

static int all_done(void)
{
	int good = t.posted == t.n_work && (unsigned int)t.control[DSK_RING_TILES] == t.total;

	for (int i = 0; i < t.n_slots && i < t.posted; i++)
		good &= complete(t.first_number + (unsigned int)(t.posted - 1 - i));
	return good;
}

static void one_launch(const struct device *d)
{
	ring_make(MAX_SLOTS, 0);
	while (t.posted < t.n_work)
		post();
	if (launch(d, d->name[0] == 's' ? 1 : 8, 0, 1, "all"))
		ktest_ok(all_done() && results(0), "%s: persistent: %d items of %u tiles in %d launch, as kernels of their own in %d: the same bits", d->name,
			 t.n_work, t.total, t.launches, t.n_work);
}

/* Items of decode alone are independent: any group may take any tile. */
static void quotas(const struct device *d, unsigned int groups, int quota)
{
	int good = 1;

	ring_make(MAX_SLOTS, 0);
	for (int half = 0; half < 2; half++) {
		while (t.posted < t.n_work / 2 * (half + 1))
			post();
		while ((unsigned int)t.control[DSK_RING_TILES] < t.total) {
			unsigned int before = (unsigned int)t.control[DSK_RING_TILES], left = t.total - before;

			if (!launch(d, groups, quota, 1, "quota"))
				return;
			left = left < groups * (unsigned int)quota ? left : groups * (unsigned int)quota;
			good &= (unsigned int)t.control[DSK_RING_TILES] == before + left;
			move_first();
		}
	}
	ktest_ok(good && all_done() && results(0), "%s: persistent: %u groups of %d tiles each: %u tiles in %d launches", d->name, groups, quota, t.total,
		 t.launches);
}

static void preempted(const struct device *d)
{
	ring_make(MAX_SLOTS, 0);
	while (t.posted < t.n_work)
		post();
	t.control[DSK_RING_PREEMPT] = 1;
	if (!launch(d, 2, 0, 1, "preempted"))
		return;
	ktest_ok(t.control[DSK_RING_TILES] == 0 && !(t.claims[0] & 0xffff), "%s: persistent: preempted before it began: nothing is claimed", d->name);
	t.control[DSK_RING_PREEMPT] = 0;
	if (!launch(d, 1, 3, 1, "3 tiles") || !launch(d, 1, 0, 1, "the rest"))
		return;
	ktest_ok(all_done() && results(0), "%s: persistent: then 3 tiles, then the rest", d->name);
}

/*
 * By a tile in the middle of a launch: one item's ml is the control's first words, so that its first tile sets the word (the greatest logit
 * is not 0). What was done before is marked: the next launch stores it no second time.
 */
static void preempted_within(const struct device *d)
{
	struct dsk_item *victim = &t.work[0];
	unsigned int at_ml = victim->at[1], control_words = DSK_RING_WORDS, parts;
	struct dsk_persist_params p = { .slots = MAX_SLOTS, .looks = 1 };
	int *control = (int *)(void *)(t.memory + t.size), good;	/* behind what the kernel is told of memory */

	ring_make(MAX_SLOTS, 0);
	victim->at[1] = t.size / UNIT;
	while (t.posted < t.n_work / 2)		/* no merges: they would read another's ml */
		post();
	memcpy(control, t.control, sizeof(t.control));
	parts = (unsigned int)tiles(victim);
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(control, control_words * 4), INOUT(t.claims, sizeof(t.claims)), INOUT(t.done, sizeof(t.done)),
					 IN(t.slots, sizeof(t.slots)), IN(t.params, sizeof(t.params)), INOUT(t.memory, t.size)) };

	if (ktest_launch(d, "dsk_persist", &l, "%s: persistent: preempted within", d->name)) {
		/* ml of tile 0 is words 0 and 1: PREEMPT and POSTED */
		good = control[DSK_RING_PREEMPT] != 0 && control[DSK_RING_TILES] == 1 && t.done[0] == 1 && (t.claims[0] & 0xffff) == 1;
		ktest_ok(good && parts > 1, "%s: persistent: preempted by its first tile: one of %u is claimed, and done", d->name, t.total);
		memcpy(t.control, control, sizeof(t.control));
		t.control[DSK_RING_PREEMPT] = 0;
		t.control[DSK_RING_POSTED] = t.posted;
		t.slots[0].at[1] = at_ml;
		memset(t.memory + (size_t)t.steps[0].at[0] * UNIT, 0x55, (size_t)t.steps[0].d * 4);	/* tile 0's acc */
		if (launch(d, 1, 0, 1, "after it")) {
			unsigned int *acc = (unsigned int *)(void *)(t.memory + (size_t)t.steps[0].at[0] * UNIT);

			for (int i = 0; i < t.steps[0].d; i++)
				good &= acc[i] == 0x55555555u;
			ktest_ok(good && (unsigned int)t.control[DSK_RING_TILES] == t.total, "%s: persistent: then the other %u, and that one no second time",
				 d->name, t.total - 1);
		}
	}
	victim->at[1] = at_ml;
}

/* Fewer slots than items, from a number on: items go where complete ones were. Groups may begin to look too early. */
static void wraps(const struct device *d, int slots, unsigned int number, int stale)
{
	ring_make(slots, number);
	while (t.posted < t.n_work || !all_done()) {
		while (t.posted < t.n_work && post())
			;
		if (!launch(d, 1, 5, 1, "a ring that wraps") || t.launches > 100)
			break;
		if (!stale)
			move_first();
	}
	ktest_ok(all_done() && results(0), "%s: persistent: %d items in %d slots from number %u, %d launches%s", d->name, t.n_work, slots, number, t.launches,
		 stale ? ", looking from the first" : "");
}

/* A host that has come as far as the claims of an item, in a slot that groups still look at for the one before. */
static void half_posted(const struct device *d)
{
	const int slots = 4, claims = slots << 16;

	ring_make(slots, 0);
	while (t.posted < slots && post())
		;
	if (!launch(d, 1, 0, 1, "the items before"))
		return;
	t.claims[0] = claims;
	t.slots[0] = (struct dsk_item){ .op = DSK_ITEM_COUNT, .x = 1, .y = 1, .z = 1 };
	if (launch(d, 1, 0, 1, "half posted"))
		ktest_ok(t.claims[0] == claims && !t.control[DSK_RING_FAULT] && (unsigned int)t.control[DSK_RING_TILES] == t.total,
			 "%s: persistent: an item that is being posted is left alone", d->name);
}

/* Of item @number, after the word had @before. */
static void unknown(const struct device *d, unsigned int number, unsigned int before, unsigned int want)
{
	int op = t.work[0].op;

	ring_make(MAX_SLOTS, number);
	t.control[DSK_RING_FAULT] = (int)before;
	t.work[0].op = DSK_ITEM_COUNT;
	post();
	t.work[0].op = op;
	if (launch(d, 1, 0, 3, "an unknown op"))
		ktest_ok((unsigned int)t.control[DSK_RING_FAULT] == want && complete(number),
			 "%s: persistent: an op that it hasn't, of item %u after %u: it tells %u, its tiles are counted", d->name, number, before - 1,
			 (unsigned int)t.control[DSK_RING_FAULT]);
}

/* Numbers that wrap would go to other slots. */
static void no_power_of_two(const struct device *d)
{
	static const int slots[] = { 3, 0, -4, 24 };
	int good = 1;

	for (int i = 0; i < 4; i++) {
		struct dsk_persist_params p = { .slots = slots[i], .looks = 1 };

		ring_make(MAX_SLOTS, 0);
		post();
		struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
					 BUFFERS(INOUT(t.control, sizeof(t.control)), INOUT(t.claims, sizeof(t.claims)), INOUT(t.done, sizeof(t.done)),
						 IN(t.slots, sizeof(t.slots)), IN(t.params, sizeof(t.params)), INOUT(t.memory, t.size)) };

		good &= ktest_launch(d, "dsk_persist", &l, "%s: persistent: %d slots", d->name, slots[i]) && !(t.claims[0] & 0xffff);
	}
	ktest_ok(good, "%s: persistent: slots that are no power of two: nothing is taken", d->name);
}

/* ---- with groups at once */

static struct {
	int stop, raised, posts, tiles;
} host;

/* Posts what there is room for, and raises the word now and then, once there are more than @tiles. */
static void *host_side(void *arg)
{
	while (!__atomic_load_n(&host.stop, __ATOMIC_ACQUIRE)) {
		if (t.posted < t.n_work && post())
			host.posts++;
		else if (arg && __atomic_load_n(&t.control[DSK_RING_TILES], __ATOMIC_RELAXED) > host.tiles &&
			 !__atomic_exchange_n(&t.control[DSK_RING_PREEMPT], 1, __ATOMIC_RELEASE))
			host.raised++;
		usleep(200);
	}
	return NULL;
}

static void concurrent(const struct device *d, int preempt)
{
	int good = 1, before = 0;
	pthread_t thread;

	ring_make(4, 0);
	memset(&host, 0, sizeof(host));
	while (!(t.posted == t.n_work && all_done()) && t.launches < 2000 && good) {
		while (t.posted < t.n_work && t.posted < 2 && post())
			;
		move_first();
		t.control[DSK_RING_PREEMPT] = 0;
		host.stop = 0;
		host.tiles = t.launches % 4 ? before : -1;	/* -1: before the first, too; not each time, or there is no end */
		if (pthread_create(&thread, NULL, host_side, preempt ? &host : NULL))
			abort();
		good = launch(d, 8, 0, 2000, "at once");
		__atomic_store_n(&host.stop, 1, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		good &= t.control[DSK_RING_TILES] >= before;
		before = t.control[DSK_RING_TILES];
	}
	ktest_ok(good && all_done() && results(0), "%s: persistent: 8 groups, a host that posts %d items meanwhile and preempts %d times: %u tiles, %d launches",
		 d->name, host.posts, host.raised, t.total, t.launches);
}

static void test(const struct device *d)
{
	static const int some[] = { 37, 70 }, one[] = { 1 }, more[] = { 100 }, three[] = { 16, 5, 33 };
	struct dsk_item sorted[MAX_ITEMS];

	memset(&t, 0, sizeof(t));
	t.size = 8 << 20;
	t.memory = calloc(1, t.size + sizeof(t.control));
	t.used = UNIT;		/* offset 0 is none */
	if (add_step(d, 64, 4, 2, DSK_BF16, 2, some, 2) && add_step(d, 128, 2, 1, DSK_I8, 3, more, 1) && add_step(d, 64, 1, 1, DSK_F16, 1, one, 1) &&
	    add_step(d, 128, 3, 3, DSK_BF16, 1, three, 3) && add_step(d, 64, 2, 1, DSK_BF16, 4, more, 1)) {
		one_launch(d);
		wraps(d, 4, 0, 0);
		wraps(d, 4, 65536 - 4, 0);
		wraps(d, 2, 65536 - 4, 1);
		wraps(d, 4, 0x7ffffffc, 0);
		wraps(d, 4, 0xfffffffc, 0);
		no_power_of_two(d);
		half_posted(d);
		unknown(d, 0, 0, 1);
		unknown(d, 32, 9, 33);
		unknown(d, 32, 40, 40);
		unknown(d, 0x80000000u, 0x7fffff00u, 0x80000001u);
		unknown(d, 0xffffffe0u, 0, 0xffffffe1u);
		unknown(d, 0, 0xffffffe1u, 1);
		unknown(d, 0xffffffffu, 0, 1);
		preempted(d);
		if (d->name[0] == 'o') {
			concurrent(d, 0);
			concurrent(d, 1);
		}
		for (int i = 0; i < t.n_work; i++)	/* first all decodes, then all merges */
			sorted[i] = t.work[i % (t.n_work / 2) * 2 + i / (t.n_work / 2)];
		memcpy(t.work, sorted, sizeof(t.work));
		for (int i = 0; i < t.n_work; i++)
			t.work[i].after = 0;		/* a launch is enough of an order */
		quotas(d, 5, 3);
		quotas(d, 2, 1);
		if (d->name[0] == 's')
			preempted_within(d);
	}
	for (int i = 0; i < MAX_ITEMS / 2; i++) {
		struct step *s = &t.steps[i];

		if (s->q)
			attn_cache_free(&s->cache);
		free(s->q); free(s->acc); free(s->ml); free(s->out);
	}
	free(t.memory);
}

int main(void)
{
	return ktest_main(test);
}
