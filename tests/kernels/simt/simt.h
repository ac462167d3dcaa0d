/* SPDX-License-Identifier: MIT */
/*
 * A lock-step SIMT machine on the host: runs a kernel that was compiled with kernels/kdev_simt.h, every lane a fiber on one
 * thread, and stops at the first thing that a GPU would let pass and that is wrong:
 *
 *  - lanes of a wave that reach different collectives, or a collective while others wait at a barrier or have ended;
 *  - lanes of a group that reach different barriers; waves that go through different collectives between two barriers;
 *  - a load or store outside the buffers and LDS variables there are, or a store to a buffer that is only read;
 *  - a load of what was never stored; an output that was not stored;
 *  - two lanes that touch the same byte, one of them storing, with nothing that orders them in between.
 *
 * Order. Two accesses of a group are ordered by a barrier between them, two of a wave by k_wave_sync() as well; two of
 * different groups in a launch by nothing. Atomics conflict only with what is not atomic. Collectives order no memory.
 * The detector keeps, for each byte, its last store and a summary of the loads since: what it reports is a race on
 * every run, whatever the order in which this run took the lanes; the seed varies that order to vary the results.
 *
 * Not seen: a store past a guard (SIMT_GUARD bytes) of an LDS variable into another one; values that are in registers.
 */
#ifndef SIMT_H
#define SIMT_H

#include <stddef.h>
#include <stdint.h>

#define SIMT_MAX_LANES		1024
#define SIMT_MAX_BUFFERS	16
#define SIMT_MAX_LDS		32

enum simt_fault {
	SIMT_NONE,
	SIMT_DIVERGENT_COLLECTIVE,
	SIMT_DIVERGENT_BARRIER,
	SIMT_WAVES_DIFFER,		/* in the collectives they went through */
	SIMT_LANE_RANGE,		/* a shuffle from a lane that the wave hasn't */
	SIMT_LDS_BOUNDS,
	SIMT_LDS_UNINITIALISED,
	SIMT_LDS_RACE,
	SIMT_LDS_TOO_LARGE,		/* more than a group has */
	SIMT_BUFFER_BOUNDS,
	SIMT_BUFFER_UNINITIALISED,
	SIMT_BUFFER_RACE,
	SIMT_BUFFER_READ_ONLY,
	SIMT_BUFFER_UNWRITTEN,
	SIMT_FAULT_COUNT
};

const char *simt_fault_name(enum simt_fault fault);

/* IN: loads only. OUT: undefined at first, every byte is stored. INOUT: anything. */
enum simt_access { SIMT_IN, SIMT_OUT, SIMT_INOUT };

struct simt_buffer {
	void *data;
	size_t size;			/* 0: none is given, the kernel gets NULL */
	enum simt_access access;
	void *other;			/* not NULL: as large; its contents and @data's change places before each load, as a tenant's might */
};

struct simt_launch {
	void (*kernel)(void);		/* whatever its type is: buffers, then a struct of more than 16 bytes by value */
	unsigned int wave, lanes;	/* lanes: of a group, a multiple of the wave */
	unsigned int grid[3];		/* groups */
	struct simt_buffer buffers[SIMT_MAX_BUFFERS];
	unsigned int n_buffers;
	const void *params;
	size_t params_size;
	uint64_t seed;			/* 0: lanes in their order */
};

struct simt_report {
	enum simt_fault fault;
	char text[320];			/* one sentence that names what, where and who */
	uint64_t loads, stores, collectives, barriers;
	uint64_t bytes_loaded, bytes_stored;	/* of buffers, each byte once: what a device with a large enough cache moves */
	size_t lds_bytes;		/* of a group */
};

/* 0, or -1 with the fault in @report. Buffers are left as the fault found them. */
int simt_run(const struct simt_launch *launch, struct simt_report *report);

#endif /* SIMT_H */
