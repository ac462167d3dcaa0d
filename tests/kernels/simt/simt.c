/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: waves of a group in a seeded order, the lanes of a wave in another, each up to where it waits for others. Then
 * it looks whether those who wait, wait for the same.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <dseek_program.h>

#include "../../../kernels/kdev_simt.h"
#include "../../random.h"
#include "fiber.h"
#include "machine.h"

#define STACK_SIZE	65536

enum lane_state { READY, IN_COLLECTIVE, IN_BARRIER, ENDED };

struct lane {
	void *sp;
	enum lane_state state;
	const struct simt_site *site;
	int fence;			/* the collective orders the wave's memory */
	const void *here;
	char slot[2][SIMT_SLOT];	/* what it gives to a collective; two, as one may be a collective ahead of another */
	struct fiber_call call;
};

struct wave {
	enum lane_state state;
	unsigned int parity;
	uint16_t sync;
	uint64_t path;			/* of collectives since the barrier */
};

static struct {
	const struct simt_launch *launch;
	struct simt_report *report;
	struct lane *lanes;
	struct wave waves[SIMT_MAX_LANES / 32];
	unsigned int n_waves, current;
	int group[3];
	char *stacks;
	void *scheduler;
	uint64_t random;
} m;

const char *simt_fault_name(enum simt_fault fault)
{
	static const char *const names[SIMT_FAULT_COUNT] = {
		[SIMT_NONE] = "none",
		[SIMT_DIVERGENT_COLLECTIVE] = "divergent collective",
		[SIMT_DIVERGENT_BARRIER] = "divergent barrier",
		[SIMT_WAVES_DIFFER] = "waves differ in their collectives",
		[SIMT_LANE_RANGE] = "lane out of range",
		[SIMT_LDS_BOUNDS] = "LDS out of bounds",
		[SIMT_LDS_UNINITIALISED] = "uninitialised LDS",
		[SIMT_LDS_RACE] = "race in LDS",
		[SIMT_LDS_TOO_LARGE] = "too much LDS",
		[SIMT_BUFFER_BOUNDS] = "buffer out of bounds",
		[SIMT_BUFFER_UNINITIALISED] = "uninitialised buffer",
		[SIMT_BUFFER_RACE] = "race in a buffer",
		[SIMT_BUFFER_READ_ONLY] = "store to an input",
		[SIMT_BUFFER_UNWRITTEN] = "output not written",
	};

	return names[fault];
}

static void set_fault(enum simt_fault fault, const char *fmt, va_list ap)
{
	size_t n;

	if (m.report->fault)
		return;
	m.report->fault = fault;
	n = (size_t)snprintf(m.report->text, sizeof(m.report->text), "%s: ", simt_fault_name(fault));
	vsnprintf(m.report->text + n, sizeof(m.report->text) - n, fmt, ap);
}

/* From a lane: it never runs again. */
void simt_stop(enum simt_fault fault, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_fault(fault, fmt, ap);
	va_end(ap);
	fiber_switch(&m.lanes[m.current].sp, m.scheduler);
	abort();
}

/* From the scheduler. */
void simt_found(enum simt_fault fault, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_fault(fault, fmt, ap);
	va_end(ap);
}

const char *simt_who(unsigned int lane)
{
	static char buf[64];

	snprintf(buf, sizeof(buf), "lane %u of group %d,%d,%d", lane, m.group[0], m.group[1], m.group[2]);
	return buf;
}

/* ---- what lanes call */

int simt_tid(void)
{
	return (int)m.current;
}

int simt_group(int dim)
{
	return m.group[dim];
}

static void wait_for_others(enum lane_state state, const struct simt_site *site, const void *here)
{
	struct lane *l = &m.lanes[m.current];

	l->state = state;
	l->site = site;
	l->here = here;
	fiber_switch(&l->sp, m.scheduler);
}

static const char *exchange(const struct simt_site *site, const void *here, const void *v, size_t size)
{
	unsigned int parity = m.waves[m.current / m.launch->wave].parity;

	if (size > SIMT_SLOT)
		abort();
	memcpy(m.lanes[m.current].slot[parity], v, size);
	wait_for_others(IN_COLLECTIVE, site, here);
	return m.lanes[m.current / m.launch->wave * m.launch->wave].slot[parity];
}

void simt_exchange(const struct simt_site *site, const void *here, const void *v, unsigned long size, void *all)
{
	const char *first = exchange(site, here, v, size);

	for (unsigned int i = 0; i < m.launch->wave; i++)
		memcpy((char *)all + i * size, first + i * sizeof(struct lane), size);
}

void simt_barrier(const struct simt_site *site, const void *here)
{
	wait_for_others(IN_BARRIER, site, here);
}

void simt_wave_barrier(const struct simt_site *site, const void *here)
{
	m.lanes[m.current].fence = 1;
	exchange(site, here, "", 0);
}

unsigned int simt_shfl(const struct simt_site *site, const void *here, unsigned int v, int lane)
{
	const char *all = exchange(site, here, &v, sizeof(v));

	if (lane < 0 || (unsigned int)lane >= m.launch->wave)
		simt_stop(SIMT_LANE_RANGE, "%s at %s:%d by %s asks for lane %d of %u", site->what, site->file, site->line,
			  simt_who(m.current), lane, m.launch->wave);
	memcpy(&v, all + (size_t)lane * sizeof(struct lane), sizeof(v));
	return v;
}

unsigned long simt_ballot(const struct simt_site *site, const void *here, int cond)
{
	unsigned char bit = cond != 0;
	const char *all = exchange(site, here, &bit, 1);
	unsigned long ballot = 0;

	for (unsigned int i = 0; i < m.launch->wave; i++)
		ballot |= (unsigned long)all[i * sizeof(struct lane)] << i;
	return ballot;
}

float simt_f16_to_f32(unsigned short h)
{
	float f;

	dseek_row_to_f32(DSEEK_F16, &h, 1, &f);
	return f;
}

unsigned short simt_f32_to_f16(float f)
{
	unsigned short h;

	dseek_row_from_f32(DSEEK_F16, &f, 1, &h);
	return h;
}

/* ---- lanes in turn */

static void lane_end(void)
{
	wait_for_others(ENDED, NULL, NULL);
	abort();
}

/* Place @i of a seeded order of @n, a power of two: an odd stride from a random start. */
static unsigned int in_order(uint64_t order, unsigned int i, unsigned int n)
{
	return ((order >> 32) + i * ((uint32_t)order | 1)) & (n - 1);
}

static uint64_t next_order(void)
{
	return m.launch->seed ? splitmix64(&m.random) : 1;
}

static const char *place(const struct lane *l)
{
	static char buf[2][160];
	static unsigned int turn;
	char *b = buf[turn++ & 1];

	if (l->state == ENDED)
		return "has ended";
	snprintf(b, sizeof(buf[0]), "waits in %s at %s:%d", l->site->what, l->site->file, l->site->line);
	return b;
}

static void differ(enum simt_fault fault, unsigned int a, unsigned int b)
{
	char first[64];

	snprintf(first, sizeof(first), "%s", simt_who(a));
	simt_found(fault, "%s %s while lane %u %s", first, place(&m.lanes[a]), b, place(&m.lanes[b]));
}

/* All lanes of a wave have run as far as they could: do they wait for the same? */
static void wave_settle(struct wave *w, unsigned int first)
{
	const struct lane *a = &m.lanes[first];

	for (unsigned int i = 1; i < m.launch->wave; i++) {
		const struct lane *b = &m.lanes[first + i];

		if (a->state == b->state && a->site == b->site && a->here == b->here)
			continue;
		differ(a->state == IN_COLLECTIVE || b->state == IN_COLLECTIVE ? SIMT_DIVERGENT_COLLECTIVE : SIMT_DIVERGENT_BARRIER,
		       first, first + i);
		return;
	}
	w->state = a->state;
	if (a->state != IN_COLLECTIVE)
		return;
	m.report->collectives++;
	w->path = (w->path ^ (uintptr_t)a->here) * 0x100000001b3ull;
	w->parity ^= 1;
	w->sync += a->fence;
	w->state = READY;
	for (unsigned int i = 0; i < m.launch->wave; i++) {
		m.lanes[first + i].state = READY;
		m.lanes[first + i].fence = 0;
	}
}

static void wave_run(unsigned int n)
{
	struct wave *w = &m.waves[n];
	unsigned int first = n * m.launch->wave;
	uint64_t order = next_order();

	for (unsigned int i = 0; i < m.launch->wave && !m.report->fault; i++) {
		m.current = first + in_order(order, i, m.launch->wave);
		simt_now.lane = (uint16_t)m.current;
		simt_now.sync = w->sync;
		memory_stack((uintptr_t)m.stacks + m.current * (size_t)STACK_SIZE, (uintptr_t)m.stacks + (m.current + 1) * (size_t)STACK_SIZE);
		fiber_switch(&m.scheduler, m.lanes[m.current].sp);
	}
	if (!m.report->fault)
		wave_settle(w, first);
}

/* Every wave waits at a barrier or has ended. 1: the group has ended. */
static int group_settle(void)
{
	for (unsigned int i = 1; i < m.n_waves; i++) {
		const struct lane *a = &m.lanes[0], *b = &m.lanes[i * m.launch->wave];

		if (m.waves[i].path != m.waves[0].path) {
			simt_found(SIMT_WAVES_DIFFER, "before lane %u of group %d,%d,%d %s; lane 0 %s", i * m.launch->wave, m.group[0], m.group[1],
			      m.group[2], place(b), place(a));
			return 1;
		}
		if (a->state != b->state || a->here != b->here) {
			differ(SIMT_DIVERGENT_BARRIER, 0, i * m.launch->wave);
			return 1;
		}
	}
	if (m.waves[0].state == ENDED)
		return 1;
	m.report->barriers++;
	simt_now.epoch++;
	for (unsigned int i = 0; i < m.n_waves; i++) {
		m.waves[i].state = READY;
		m.waves[i].path = 0;
		m.waves[i].sync = 0;
	}
	for (unsigned int i = 0; i < m.launch->lanes; i++)
		m.lanes[i].state = READY;
	return 0;
}

static unsigned int power_of_two_from(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static void group_run(void)
{
	void *pointers[SIMT_MAX_BUFFERS];
	unsigned int turns = power_of_two_from(m.n_waves);

	for (unsigned int i = 0; i < m.launch->n_buffers; i++)
		pointers[i] = m.launch->buffers[i].size ? m.launch->buffers[i].data : NULL;
	for (unsigned int i = 0; i < m.launch->lanes; i++) {
		struct lane *l = &m.lanes[i];

		l->state = READY;
		l->fence = 0;
		l->call.fn = m.launch->kernel;
		l->call.end = lane_end;
		l->sp = fiber_make(m.stacks + (i + 1) * (size_t)STACK_SIZE, &l->call, pointers, m.launch->n_buffers, m.launch->params,
				   m.launch->params_size);
	}
	memset(m.waves, 0, sizeof(m.waves));
	simt_now.group++;
	simt_now.epoch++;
	memory_begin_group();
	for (;;) {
		unsigned int ran = 0;
		uint64_t order = next_order();

		for (unsigned int i = 0; i < turns && !m.report->fault; i++) {
			unsigned int n = in_order(order, i, turns);

			if (n >= m.n_waves || m.waves[n].state != READY)
				continue;
			wave_run(n);
			ran++;
		}
		if (m.report->fault || (!ran && group_settle()))
			return;
	}
}

static void setup(void)
{
	m.lanes = calloc(SIMT_MAX_LANES, sizeof(*m.lanes));
	m.stacks = mmap(NULL, (size_t)SIMT_MAX_LANES * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!m.lanes || m.stacks == MAP_FAILED)
		abort();
	for (unsigned int i = 0; i < SIMT_MAX_LANES; i++)	/* the lowest page of each: a stack that is too small is noticed */
		mprotect(m.stacks + i * (size_t)STACK_SIZE, 4096, PROT_NONE);
}

int simt_run(const struct simt_launch *launch, struct simt_report *report)
{
	if (!m.stacks)
		setup();
	memset(report, 0, sizeof(*report));
	if (launch->lanes > SIMT_MAX_LANES || !launch->lanes || launch->lanes % launch->wave || launch->params_size <= 16 ||
	    launch->n_buffers > SIMT_MAX_BUFFERS)
		abort();
	m.launch = launch;
	m.report = report;
	m.n_waves = launch->lanes / launch->wave;
	m.random = launch->seed;
	simt_now.wave_size = (uint16_t)launch->wave;
	memory_begin(launch, report);
	for (unsigned int z = 0; z < launch->grid[2]; z++)
		for (unsigned int y = 0; y < launch->grid[1]; y++)
			for (unsigned int x = 0; x < launch->grid[0]; x++) {
				m.group[0] = (int)x;
				m.group[1] = (int)y;
				m.group[2] = (int)z;
				group_run();
				if (report->fault)
					return -1;
			}
	memory_end(launch);
	return report->fault ? -1 : 0;
}
