// SPDX-License-Identifier: MIT
/*
 * The stand-in's device on this processor: kernels compiled as C (kdev_simt.h), each lane a fiber, one after the other, to the
 * next place where lanes meet. Nothing is watched, unlike on the harness of tests/kernels/simt, whose fibers these are; a launch is
 * done when it returns. Every lane of a group meets every other in the same order (kdev.h), so one way of meeting serves all.
 * It has one compute unit, whatever it tells, whose LDS is as it is in a GPU: a group finds there what the one before it left.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../kernels/kdev_simt.h"
#include "../kernels/simt/fiber.h"
#include "standin.h"

#define MAX_LANES	1024
#define STACK_SIZE	32768
#define LDS_SIZE	163840	/* the largest of all targets */
#define LDS_VARIABLES	32	/* of a kernel, at most */
#define NOT_FOUND	500
#define INVALID_IMAGE	200

struct lane {
	void *sp;
	struct fiber_call call;
	unsigned int meetings;
	int ended;
};

static struct {
	struct lane lanes[MAX_LANES];
	char given[2][MAX_LANES][SIMT_SLOT];	/* by parity of the meeting: some lanes still read one while others write the next */
	char *stacks;
	void *scheduler;
	int current, wave;
	int group[3];
	char lds[LDS_SIZE];
	struct lds_variable {
		char *at;		/* where the kernel has it */
		size_t offset, size;
	} variables[LDS_VARIABLES];	/* of the group that runs: what of @lds is which */
	unsigned int variable_count;
} m;

#pragma GCC visibility push(default)

/* Kernels' libraries find the functions below in the library that this is in, which was loaded for nobody else to see. */
const char *hip_standin_why_not(void)
{
	Dl_info self;

	if (m.stacks)
		return NULL;
	m.stacks = mmap(NULL, (size_t)MAX_LANES * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m.stacks == MAP_FAILED || !dladdr(&m, &self) || !dlopen(self.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD))
		abort();
	return NULL;
}

/* All lanes have given theirs when this returns: those of the running lane's wave. */
static char (*meet(const void *v, unsigned long size))[SIMT_SLOT]
{
	struct lane *lane = &m.lanes[m.current];
	unsigned int parity = lane->meetings++ & 1;

	memcpy(m.given[parity][m.current], v, size);
	fiber_switch(&lane->sp, m.scheduler);
	return &m.given[parity][m.current / m.wave * m.wave];
}

void simt_barrier(const struct simt_site *site, const void *here)
{
	meet("", 0);
}

void simt_wave_barrier(const struct simt_site *site, const void *here)
{
	meet("", 0);
}

void simt_exchange(const struct simt_site *site, const void *here, const void *v, unsigned long size, void *all)
{
	char (*given)[SIMT_SLOT] = meet(v, size);
	int i;

	for (i = 0; i < m.wave; i++)
		memcpy((char *)all + i * size, given[i], size);
}

unsigned int simt_shfl(const struct simt_site *site, const void *here, unsigned int v, int lane)
{
	memcpy(&v, meet(&v, sizeof(v))[lane & (m.wave - 1)], sizeof(v));
	return v;
}

unsigned long simt_ballot(const struct simt_site *site, const void *here, int cond)
{
	char bit = cond != 0, (*given)[SIMT_SLOT] = meet(&bit, 1);
	unsigned long ballot = 0;
	int i;

	for (i = 0; i < m.wave; i++)
		ballot |= (unsigned long)given[i][0] << i;
	return ballot;
}

int simt_tid(void)
{
	return m.current;
}

int simt_group(int dim)
{
	return m.group[dim];
}

/* Each lane comes by; the first gives the variable its place in the LDS, and what is there. */
void simt_lds(void *v, unsigned long size, const char *name)
{
	struct lds_variable *new = &m.variables[m.variable_count];
	unsigned int i;

	for (i = 0; i < m.variable_count; i++)
		if (m.variables[i].at == v)
			return;
	*new = (struct lds_variable){ .at = v, .size = size };
	if (m.variable_count)
		new->offset = (new[-1].offset + new[-1].size + 15) & ~(size_t)15;
	if (++m.variable_count == LDS_VARIABLES || new->offset + size > LDS_SIZE)
		abort();
	memcpy(v, m.lds + new->offset, size);
}

int simt_atomic_add(int *p, int v)
{
	*p += v;
	return *p - v;
}

int simt_atomic_max(int *p, int v)
{
	int before = *p;

	*p = v > before ? v : before;
	return before;
}

int simt_atomic_or(int *p, int v)
{
	int before = *p;

	*p |= v;
	return before;
}

unsigned short simt_f32_to_f16(float f)
{
	_Float16 h = (_Float16)f;
	unsigned short bits;

	memcpy(&bits, &h, sizeof(bits));
	return bits;
}

float simt_f16_to_f32(unsigned short bits)
{
	_Float16 h;

	memcpy(&h, &bits, sizeof(h));
	return (float)h;
}
#pragma GCC visibility pop

static void lane_end(void)
{
	struct lane *lane = &m.lanes[m.current];

	lane->ended = 1;
	fiber_switch(&lane->sp, m.scheduler);
	abort();
}

static void run_group(void (*kernel)(void), unsigned int lanes, void *const *hosts, unsigned int count, const void *params, size_t size)
{
	unsigned int i, running = lanes;

	m.variable_count = 0;
	for (i = 0; i < lanes; i++) {
		m.lanes[i] = (struct lane){ .call = { .fn = kernel, .end = lane_end } };
		m.lanes[i].sp = fiber_make(m.stacks + (i + 1) * (size_t)STACK_SIZE, &m.lanes[i].call, hosts, count, params, size);
	}
	while (running)
		for (i = 0; i < lanes; i++) {
			if (m.lanes[i].ended)
				continue;
			m.current = (int)i;
			fiber_switch(&m.scheduler, m.lanes[i].sp);
			running -= (unsigned int)m.lanes[i].ended;
		}
	for (i = 0; i < m.variable_count; i++)
		memcpy(m.lds + m.variables[i].offset, m.variables[i].at, m.variables[i].size);
}

int device_lds(void)
{
	int words = 0;
	size_t i;

	for (i = 0; i < LDS_SIZE; i += 4)
		words += !!memcmp(m.lds + i, "\0\0\0", 4);
	return words;
}

struct program {
	void *library;
	int wave;
};

struct kernel {
	void (*fn)(void);
	int wave;
};

int device_launch(void *queue, void *arg, const unsigned int grid[3], unsigned int lanes, void *const *hosts, unsigned int count,
		  const void *params, size_t params_size)
{
	struct kernel *k = arg;

	m.wave = k->wave;
	for (m.group[2] = 0; m.group[2] < (int)grid[2]; m.group[2]++)
		for (m.group[1] = 0; m.group[1] < (int)grid[1]; m.group[1]++)
			for (m.group[0] = 0; m.group[0] < (int)grid[0]; m.group[0]++)
				run_group(k->fn, lanes, hosts, count, params, params_size);
	return 0;
}

int device_program_build(const char *file, int wave, void **ret_program)
{
	const char *folder = getenv("HIP_STANDIN_HOST"), *slash;
	struct program *p = calloc(1, sizeof(*p));
	char path[700];
	Dl_info self;

	dladdr(&m, &self);
	slash = strrchr(self.dli_fname, '/');
	if (folder)
		snprintf(path, sizeof(path), "%s/%s.so", folder, file);
	else
		snprintf(path, sizeof(path), "%.*s/w%d/%s.so", (int)(slash - self.dli_fname), self.dli_fname, wave, file);
	p->wave = wave;
	p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!p->library) {
		fprintf(stderr, "stand-in: %s\n", dlerror());
		free(p);
		return INVALID_IMAGE;
	}
	*ret_program = p;
	return 0;
}

void device_program_release(void *program)
{
	struct program *p = program;

	dlclose(p->library);
	free(p);
}

int device_kernel_get(void *program, const char *name, void **ret_kernel)
{
	struct program *p = program;
	void *symbol = dlsym(p->library, name);
	struct kernel *k = calloc(1, sizeof(*k));

	memcpy(&k->fn, &symbol, sizeof(k->fn));
	k->wave = p->wave;
	*ret_kernel = k;
	return symbol ? 0 : NOT_FOUND;
}

void device_kernel_release(void *kernel)
{
	free(kernel);
}

/* ---- what takes no time */

int device_queue_create(void **ret_queue)
{
	*ret_queue = malloc(1);
	return 0;
}

void device_queue_destroy(void *queue)
{
	free(queue);
}

int device_event_record(void **event, void *queue)
{
	return 0;
}

int device_event_query(void **event)
{
	return 0;
}

void device_event_forget(void **event)
{
}

int device_fill(void *queue, void *host, int byte, size_t size)
{
	memset(host, byte, size);
	return 0;
}
