/* SPDX-License-Identifier: MIT */
/* The parts of run.c: what a process of the fuzzer has while it runs a program, values, calls. Nobody else includes it. */
#ifndef FUZZER_RUN_INTERNAL_H
#define FUZZER_RUN_INTERNAL_H

#include "run.h"
#include "grammar.h"
#include "../../selftests/dseek/dseek_test.h"

#define POOL		(32 << 10)	/* bytes of memory of one kind */
#define PLACE		(1 << 20)	/* where a call's mapping is, from that of the call before */
#define RESULTS		4

struct shared {
	uint64_t result[PROGRAM_LINES][RESULTS];
	volatile uint8_t done[PROGRAM_LINES];
	uint64_t written;		/* files, as bits */
	uint8_t pool[MEM_COUNT][POOL];
};

/* ---- run.c */

extern struct shared *shared;		/* by the processes of a program */
extern struct run_sums *sums;
extern uint8_t *range;			/* of addresses, for mappings: PROGRAM_LINES of PLACE */
extern unsigned int me;			/* number of this process of the fuzzer */
extern uint32_t engine_id[8];		/* in the order of engine_words */
extern bool mapped, forked;		/* what this program has done */
extern uint64_t step_ns;		/* that waits are counted in: a hundred calls or so of this machine */

/* A process that goes on behind line @at; its id in *result. */
int do_fork(const struct program *p, uint32_t at, uint64_t share, uint64_t *result);
int do_kill(uint64_t pid);

/* ---- run_value.c */

/* A word of engine_words, or one past them: a name that is new, or was. Returns @to, of DRM_DSEEK_NAME_LEN. */
const char *engine_name(uint64_t word, char *to);
/* Where line @at of the program has its memory: its place among those of its kind. */
uint64_t memory_at(const struct program *p, uint32_t at);
uint64_t evaluate(const struct program *p, const struct value *v, const struct field *f);
/* The argument of line @l, of calls[].size bytes; an ioctl's descriptor in *fd. */
void build(const struct program *p, const struct line *l, uint8_t *to, uint64_t *fd);

/* ---- run_call.c: 0 or -errno; @result: RESULTS of them */

int do_ioctl(const struct program *p, const struct line *l, uint64_t *result);
int do_other(const struct program *p, uint32_t at, uint64_t *result);
int write_text(const char *word, const char *text);	/* to one of file_words */
void admin_stay(void);					/* this process goes where those files are: half of what opening them costs is the way there */
uint32_t words_of(const char *const *words);		/* how many there are */
void on_fault(int sig);					/* of what a call touches */
void on_alarm(int sig);					/* that ends a wait */

#endif
