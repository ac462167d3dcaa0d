/* SPDX-License-Identifier: MIT */
/*
 * What outlives a guest that dies: memory that the host has as a file (QEMU's ivshmem-plain; tests/vm/run makes it, init finds it:
 * DSEEK_RECORDER). The last programs of each process of the fuzzer, written there before they run; the corpus; what the module's
 * blocks were reached. In user-mode Linux it is a file of the host's: what is written there is there at once, what is stored in the mapping within
 * seconds, unless the guest dies first; so programs are written. Without either it is plain memory, and is read before the process ends or never.
 */
#ifndef FUZZER_RECORDER_H
#define FUZZER_RECORDER_H

#include "program.h"

#define RECORDER_MAGIC		0x44534b52	/* "DSKR" */
#define RECORDER_VERSION	2
#define RECORDER_SIZE		(16 << 20)
#define RECORDER_WORKERS	16
#define FLIGHTS			32		/* programs remembered of each */
#define PACKED			(1 + PROGRAM_LINES * (4 + CALL_FIELDS * 10))
#define COVER_SIZE		(1 << 20)	/* bytes of text */
#define CORPUS_TEXT		(10 << 20)

struct flight {
	uint32_t number;		/* from 1; 0: none */
	uint32_t size;
	uint8_t packed[PACKED + 3];
};

struct recorder {
	uint32_t magic, version;
	uint64_t base;			/* of the module's text, when @reached was last written */
	uint32_t corpus_used;
	uint32_t pad;
	struct {
		volatile uint32_t begun, ended;	/* programs */
		struct flight flight[FLIGHTS];	/* [(number - 1) % FLIGHTS]; the one that runs has the number @begun */
	} worker[RECORDER_WORKERS];
	uint8_t reached[COVER_SIZE];	/* 1: the address that a call of __sanitizer_cov_trace_pc returns to, from @base */
	char corpus[CORPUS_TEXT];	/* programs, with empty lines between */
};

/* @path NULL: plain memory. NULL with errno: there is no such file, or it is none. Its marks are kept if it is one already. */
struct recorder *recorder_open(const char *path);

void recorder_begin(struct recorder *r, unsigned int worker, const struct program *p);
void recorder_end(struct recorder *r, unsigned int worker);

/* The last @count programs of each process, oldest first, as text; says which was running. */
void recorder_print(const struct recorder *r, unsigned int count, FILE *to);

void recorder_keep(struct recorder *r, const struct program *p);	/* in the corpus */

#endif
