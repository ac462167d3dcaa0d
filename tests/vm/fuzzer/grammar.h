/* SPDX-License-Identifier: MIT */
/*
 * The calls that a program may make, as a table: for each its members, where they lie in its argument and what may stand
 * there. Everything else (text, generation, execution) follows from it.
 */
#ifndef FUZZER_GRAMMAR_H
#define FUZZER_GRAMMAR_H

#include "program.h"
#include <stdbool.h>

/* What calls make and take. */
enum resource {
	RES_NONE,
	RES_NODE,	/* descriptor of the render node */
	RES_EXEC,	/* of the executors' device */
	RES_FD,		/* any other: dma-buf, sync_file */
	RES_BO, RES_PROGRAM, RES_QUEUE, RES_SYNCOBJ, RES_SEQNO, RES_TAG,
	RES_REQUEST,	/* for memory of an engine's own */
	RES_OFFSET,	/* for mmap on the render node */
	RES_MAP,	/* for mmap on the executors' device */
	RES_ADDRESS,	/* of a mapping */
	RES_PROCESS,
	RES_COUNT
};

enum field_kind {
	FIELD_NUMBER,	/* @low..@high, and what is odd about them */
	FIELD_FLAGS,	/* bits of @high */
	FIELD_ZERO,	/* padding, flags that there are none of */
	FIELD_RESOURCE,
	FIELD_POINTER,	/* to memory that calls[].memory == @memory made */
	FIELD_TIME,	/* a deadline: now, or up to @high ns later */
	FIELD_WORD,	/* one of @words, or a number: their meaning is the run's */
};

/* Memory of a program: in each an array of what the lines of that kind say, in their order. */
enum memory { MEM_NONE, MEM_BLOCK, MEM_BINDING, MEM_SYNC, MEM_JOB, MEM_COMPLETION, MEM_HANDLES, MEM_POINTS, MEM_COUNT };

struct field {
	const char *name;
	uint16_t offset;
	uint8_t size;
	uint8_t kind, resource, memory;
	uint64_t low, high;
	uint32_t most;		/* where the kernel is known not to bear more; 0: anything */
	const char *const *words;
};

enum call_kind {
	CALL_IOCTL,	/* first member: the descriptor, not part of the argument */
	CALL_MEMORY,	/* writes its argument to memory, calls nothing */
	CALL_OTHER,	/* run_call.c knows it */
};

struct result {
	uint16_t offset;
	uint8_t size, resource;
};

struct call {
	const char *name;
	unsigned long request;
	uint16_t size;		/* of the argument */
	uint8_t kind, memory;
	uint8_t weight;		/* how often it is generated; 0: never */
	uint8_t field_count;
	struct field field[CALL_FIELDS];
	struct result result[2];	/* CALL_IOCTL: where in the argument; else what it makes */
	int other;		/* enum other_call */
};

enum other_call {
	OTHER_OPEN, OTHER_EXEC_OPEN, OTHER_DUP, OTHER_CLOSE, OTHER_IOCTL, OTHER_POLL, OTHER_FDINFO, OTHER_MMAP, OTHER_TOUCH, OTHER_MUNMAP, OTHER_MREMAP,
	OTHER_MADVISE, OTHER_FORK, OTHER_KILL, OTHER_WRITE, OTHER_READ, OTHER_CRASH,
};

extern const struct call calls[];
extern const unsigned int call_count;

/* -1: no such name. */
int call_find(const char *name, size_t length);

/* Which of its results is a resource of this kind; -1: none. */
int call_makes(const struct call *c, uint8_t resource);

/* Of FIELD_WORD: what run_value.c makes of them. Engines of this process of the fuzzer, and one that all share. */
#define ENGINE_WORDS 4
extern const char *const engine_words[], *const set_words[], *const file_words[], *const text_words[], *const read_words[];

#endif
