/* SPDX-License-Identifier: MIT */
/*
 * What lanes do to memory. Kernels are compiled with -fsanitize=thread, whose calls end here: one before each access. Each
 * byte of a buffer or an LDS variable has a cell: its last store and a summary of the loads since, after FastTrack
 * (Flanagan and Freund 2009), with barriers as the only synchronisation.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernels/kdev_simt.h"
#include "machine.h"

#define LDS_LIMIT	65536

/* Cell flags. */
#define DEFINED		1	/* stored to, or an input */
#define STORED		2	/* by a lane of this process: the stamp holds */
#define ATOMIC		4
#define MANY_LANES	8	/* of one wave, since its last wave barrier */
#define MANY_WAVES	16
#define MANY_GROUPS	32

struct stamp {
	uint32_t group, epoch;
	uint16_t lane, sync;
};

struct cell {
	struct stamp store, load;
	uint8_t store_flags, load_flags;
};

struct region {
	uintptr_t low, high;
	struct cell *cells;
	size_t n_cells;
	const char *name;	/* of an LDS variable; NULL: a buffer */
	enum simt_access access;
	char *other;		/* struct simt_buffer's */
	int exchanged;
};

struct simt_now simt_now;

static struct region buffers[SIMT_MAX_BUFFERS], lds[SIMT_MAX_LDS];
static unsigned int n_buffers, n_lds;
static uintptr_t stack_low, stack_high, constant_low, constant_high;
static uint32_t first_group;
static struct simt_report *report;
static size_t lds_bytes;

static void exchange(struct region *r)
{
	char *p = (char *)r->low;

	for (size_t i = 0; i < r->high - r->low; i++) {
		char c = p[i];

		p[i] = r->other[i];
		r->other[i] = c;
	}
	r->exchanged = !r->exchanged;
}

static void region_set(struct region *r, const void *p, size_t size, const char *name, enum simt_access access)
{
	if (r->n_cells < size) {
		free(r->cells);
		r->cells = malloc(size * sizeof(*r->cells));
		if (!r->cells)
			abort();
		r->n_cells = size;
	}
	r->low = (uintptr_t)p;
	r->high = r->low + size;
	r->name = name;
	r->access = access;
	r->other = NULL;
	r->exchanged = 0;
	memset(r->cells, 0, size * sizeof(*r->cells));
	if (access != SIMT_OUT)
		for (size_t i = 0; i < size; i++)
			r->cells[i].store_flags = DEFINED;
}

void memory_begin(const struct simt_launch *launch, struct simt_report *to)
{
	report = to;
	first_group = simt_now.group + 1;
	n_buffers = launch->n_buffers;
	for (unsigned int i = 0; i < n_buffers; i++) {
		region_set(&buffers[i], launch->buffers[i].data, launch->buffers[i].size, NULL, launch->buffers[i].access);
		buffers[i].other = launch->buffers[i].other;
	}
	constant_low = constant_high = 0;
}

void memory_begin_group(void)
{
	n_lds = 0;
	lds_bytes = 0;
}

void memory_stack(uintptr_t low, uintptr_t high)
{
	stack_low = low;
	stack_high = high;
}

void memory_end(const struct simt_launch *launch)
{
	for (unsigned int i = 0; i < n_buffers; i++) {
		size_t n = launch->buffers[i].size, j = 0;

		if (buffers[i].exchanged)
			exchange(&buffers[i]);
		if (buffers[i].access != SIMT_OUT)
			continue;
		while (j < n && buffers[i].cells[j].store_flags & DEFINED)
			j++;
		if (j < n)
			simt_found(SIMT_BUFFER_UNWRITTEN, "byte %zu of output buffer %u of %zu was never stored", j, i, n);
	}
}

void simt_lds(void *v, unsigned long size, const char *name)
{
	for (unsigned int i = 0; i < n_lds; i++)
		if (lds[i].low == (uintptr_t)v)
			return;
	lds_bytes += (size + 15) & ~15ul;
	if (n_lds == SIMT_MAX_LDS || lds_bytes > LDS_LIMIT)
		simt_stop(SIMT_LDS_TOO_LARGE, "%s makes it %zu bytes of LDS in %u variables; a group has %d", name, lds_bytes,
			  n_lds + 1, LDS_LIMIT);
	region_set(&lds[n_lds++], v, size, name, SIMT_OUT);
	if (report->lds_bytes < lds_bytes)
		report->lds_bytes = lds_bytes;
}

/* ---- who was not ordered with whom */

static struct stamp stamp_now(void)
{
	return (struct stamp){ simt_now.group, simt_now.epoch, simt_now.lane, simt_now.sync };
}

static int same_wave(uint16_t a, uint16_t b)
{
	return a / simt_now.wave_size == b / simt_now.wave_size;
}

/* Is what happened at @s, by one lane, ordered before what the running lane does now? */
static int ordered(const struct stamp *s)
{
	if (s->group < first_group)
		return 1;
	if (s->group != simt_now.group)
		return 0;
	if (s->epoch != simt_now.epoch || s->lane == simt_now.lane)
		return 1;
	return same_wave(s->lane, simt_now.lane) && s->sync != simt_now.sync;
}

static int loads_ordered(const struct cell *c)
{
	if (!c->load.group || c->load.group < first_group)
		return 1;
	if (c->load_flags & MANY_GROUPS)
		return 0;
	if (c->load.group == simt_now.group && c->load.epoch == simt_now.epoch) {
		if (c->load_flags & MANY_WAVES)
			return 0;
		if (c->load_flags & MANY_LANES)
			return same_wave(c->load.lane, simt_now.lane) && c->load.sync != simt_now.sync;
	}
	return ordered(&c->load);
}

static void note_load(struct cell *c, int atomic)
{
	uint8_t flags = atomic ? ATOMIC : 0;

	if (!loads_ordered(c)) {	/* then this is one more that the next store must be ordered with */
		flags &= c->load_flags;
		flags |= c->load_flags & ~ATOMIC;
		if (c->load.group != simt_now.group)
			flags |= MANY_GROUPS;
		else
			flags |= same_wave(c->load.lane, simt_now.lane) ? MANY_LANES : MANY_WAVES;
	}
	c->load = stamp_now();
	c->load_flags = flags;
}

static void describe(char *buf, size_t size, const struct region *r, uintptr_t p)
{
	if (r->name)
		snprintf(buf, size, "LDS %s, byte %zu of %zu", r->name, (size_t)(p - r->low), (size_t)(r->high - r->low));
	else
		snprintf(buf, size, "buffer %d, byte %zu of %zu", (int)(r - buffers), (size_t)(p - r->low), (size_t)(r->high - r->low));
}

static const char *at(const void *pc)
{
	static char buf[128];
	Dl_info info;

	if (!pc || !dladdr(pc, &info) || !info.dli_fname)
		return "";
	snprintf(buf, sizeof(buf), " (%s+0x%lx)", strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname,
		 (unsigned long)((const char *)pc - (const char *)info.dli_fbase));
	return buf;
}

static void race(const struct region *r, uintptr_t p, const char *now, const char *before, const struct stamp *s, int others,
		 const void *pc)
{
	const char *group = others ? "this group, other groups before it" : s->group == simt_now.group ? "the same group" : "another group";
	char where[96];

	describe(where, sizeof(where), r, p);
	simt_stop(r->name ? SIMT_LDS_RACE : SIMT_BUFFER_RACE, "%s: %s by %s, %s by lane %u of %s, nothing orders them%s", where, now,
		  simt_who(simt_now.lane), before, s->lane, group, at(pc));
}

static void touch(struct region *r, uintptr_t p, size_t size, int store, int atomic, const void *pc)
{
	struct cell *c = r->cells + (p - r->low);

	for (size_t i = 0; i < size; i++, c++) {
		if (c->store_flags & STORED && !(atomic && c->store_flags & ATOMIC) && !ordered(&c->store))
			race(r, p + i, store ? "stored" : "loaded", "stored", &c->store, 0, pc);
		if (store && !(atomic && c->load_flags & ATOMIC) && !loads_ordered(c))
			race(r, p + i, "stored", "loaded", &c->load, c->load_flags & MANY_GROUPS, pc);
		if (!store || atomic) {
			if (!(c->store_flags & DEFINED)) {
				char where[96];

				describe(where, sizeof(where), r, p + i);
				simt_stop(r->name ? SIMT_LDS_UNINITIALISED : SIMT_BUFFER_UNINITIALISED, "%s: loaded by %s, never stored%s",
					  where, simt_who(simt_now.lane), at(pc));
			}
			report->bytes_loaded += !r->name && !c->load.group;
			note_load(c, atomic);
		}
		if (store) {
			report->bytes_stored += !r->name && !(c->store_flags & STORED);
			c->store = stamp_now();
			c->store_flags = DEFINED | STORED | (atomic ? ATOMIC : 0);
		}
	}
}

/* ---- where an address belongs */

static int find_constant(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t p = *(uintptr_t *)arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t low = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, high = low + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && !(info->dlpi_phdr[i].p_flags & PF_W) && p >= low && p < high) {
			constant_low = low;
			constant_high = high;
			return 1;
		}
	}
	return 0;
}

static struct region *find(struct region *r, unsigned int n, uintptr_t p)
{
	for (unsigned int i = 0; i < n; i++)
		if (p >= r[i].low && p < r[i].high)
			return &r[i];
	return NULL;
}

static void stray(uintptr_t p, size_t size, int store, const void *pc)
{
	const struct region *near = NULL;
	uintptr_t best = UINTPTR_MAX;
	char where[128] = "no memory of this launch";
	int is_lds = 0;

	for (unsigned int i = 0; i < n_lds + n_buffers; i++) {
		const struct region *r = i < n_lds ? &lds[i] : &buffers[i - n_lds];
		uintptr_t d = p < r->low ? r->low - p : p + size - r->high;

		if (!r->low || d >= best)
			continue;
		best = d;
		near = r;
	}
	if (near && best < 1 << 20) {
		is_lds = near->name && best <= SIMT_GUARD;
		if (near->name)
			snprintf(where, sizeof(where), "%zu bytes %s LDS %s of %zu", (size_t)best, p < near->low ? "before" : "past the end of",
				 near->name, (size_t)(near->high - near->low));
		else
			snprintf(where, sizeof(where), "%zu bytes %s buffer %d of %zu", (size_t)best,
				 p < near->low ? "before" : "past the end of", (int)(near - buffers), (size_t)(near->high - near->low));
	}
	simt_stop(is_lds ? SIMT_LDS_BOUNDS : SIMT_BUFFER_BOUNDS, "%s of %zu bytes by %s: %s%s", store ? "store" : "load", size,
		  simt_who(simt_now.lane), where, at(pc));
}

void memory_access(const void *pointer, size_t size, int store, int atomic, const void *pc)
{
	uintptr_t p = (uintptr_t)pointer;
	struct region *r;

	if (p >= stack_low && p < stack_high)
		return;
	if (store)
		report->stores++;
	else
		report->loads++;
	r = find(lds, n_lds, p);
	if (!r)
		r = find(buffers, n_buffers, p);
	if (!r || p + size > r->high) {
		if (!r && !store) {
			if (p >= constant_low && p < constant_high)
				return;
			if (dl_iterate_phdr(find_constant, &p))
				return;
		}
		stray(p, size, store, pc);
	}
	if (store && r->access == SIMT_IN)
		simt_stop(SIMT_BUFFER_READ_ONLY, "store of %zu bytes by %s to buffer %d, which is only read%s", size,
			  simt_who(simt_now.lane), (int)(r - buffers), at(pc));
	if (!store && r->other)
		exchange(r);
	touch(r, p, size, store, atomic, pc);
}

/* ---- what -fsanitize=thread calls */

#define HOOK(name, size, store)									\
	void __tsan_##name(void *p);								\
	void __tsan_##name(void *p)								\
	{											\
		memory_access(p, size, store, 0, __builtin_return_address(0));			\
	}
HOOK(read1, 1, 0)
HOOK(read2, 2, 0)
HOOK(read4, 4, 0)
HOOK(read8, 8, 0)
HOOK(read16, 16, 0)
HOOK(unaligned_read2, 2, 0)
HOOK(unaligned_read4, 4, 0)
HOOK(unaligned_read8, 8, 0)
HOOK(unaligned_read16, 16, 0)
HOOK(write1, 1, 1)
HOOK(write2, 2, 1)
HOOK(write4, 4, 1)
HOOK(write8, 8, 1)
HOOK(write16, 16, 1)
HOOK(unaligned_write2, 2, 1)
HOOK(unaligned_write4, 4, 1)
HOOK(unaligned_write8, 8, 1)
HOOK(unaligned_write16, 16, 1)

void __tsan_read_range(void *p, unsigned long size);
void __tsan_read_range(void *p, unsigned long size)
{
	memory_access(p, size, 0, 0, __builtin_return_address(0));
}

void __tsan_write_range(void *p, unsigned long size);
void __tsan_write_range(void *p, unsigned long size)
{
	memory_access(p, size, 1, 0, __builtin_return_address(0));
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_init(void);
void __tsan_init(void)
{
}

#define ATOMIC_OP(name, expression)								\
	int simt_atomic_##name(int *p, int v)							\
	{											\
		int old;									\
												\
		memory_access(p, sizeof(*p), 1, 1, __builtin_return_address(0));		\
		old = *p;									\
		*p = (expression);								\
		return old;									\
	}
ATOMIC_OP(add, (int)((unsigned int)old + (unsigned int)v))
ATOMIC_OP(max, old > v ? old : v)
ATOMIC_OP(or, old | v)

int simt_atomic_cas(int *p, int old, int v)
{
	int was;

	memory_access(p, sizeof(*p), 1, 1, __builtin_return_address(0));
	was = *p;
	if (was == old)
		*p = v;
	return was;
}

int simt_atomic_load(int *p)
{
	memory_access(p, sizeof(*p), 0, 1, __builtin_return_address(0));
	return *p;
}
