/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer's program: calls in their order. A value of a call is a number, or what another call made, by the number of that
 * call. As text, one call a line:
 *
 *	0 open uid=0
 *	1 bo_create fd=@0 size=4096 flags=0 numa_node=-1 pad=0
 *	2 binding handle=@1 access=3 offset=0 size=64
 *	3 fork share=1
 *	4/3 close fd=@0
 *
 * "4/3": in the process that call 3 made, at the same time as what follows in the others. Values:
 *
 *	17 0x11 -1	a number
 *	@N @N.2		what call N returned (its handle, descriptor, address, ...), or its third result; all ones if it failed
 *	^N		1 << what call N returned
 *	&N &N+8		where the memory of call N is (binding, sync, job, block, ...): those of a kind lie one behind the other
 *	+N		so many ns from now
 *	word "a word"	one of the words that the grammar has for this member
 *
 * Members that are left out are 0. Programs of a file are separated by empty lines; "#" begins a comment.
 */
#ifndef FUZZER_PROGRAM_H
#define FUZZER_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRAM_LINES	40
#define CALL_FIELDS	16
#define PROGRAM_TEXT	(PROGRAM_LINES * 512)	/* bytes that are enough for any program's text */

enum value_kind { VALUE_NUMBER, VALUE_RESULT, VALUE_BIT, VALUE_POINTER, VALUE_TIME, VALUE_WORD };

struct value {
	uint64_t number;	/* NUMBER, TIME; WORD: its index; POINTER: bytes from there; RESULT: which one */
	uint8_t kind, line;	/* @line: of RESULT, BIT, POINTER */
};

struct line {
	uint8_t call;		/* index into calls[] */
	uint8_t process;	/* 0: the first; N + 1: that of line N */
	struct value value[CALL_FIELDS];
};

struct program {
	uint32_t count;
	struct line line[PROGRAM_LINES];
};

/* Returns the length. */
size_t program_print(const struct program *p, char *to, size_t size);

/*
 * One program of @text, *@text being moved behind it. 1: there is one; 0: no more; -1: *ret_error (static) says what is wrong with
 * line *ret_line, counted on from its value at the call.
 */
int program_parse(const char **text, struct program *p, unsigned int *ret_line, const char **ret_error);

/* Without lines [at, at + count): who refers to them has all ones instead, who ran in their process runs in the first. */
void program_remove(struct program *p, uint32_t at, uint32_t count);

/* Room for @count lines at @at (zeroed calls, to be filled in); at most up to PROGRAM_LINES in all. */
void program_make_room(struct program *p, uint32_t at, uint32_t count);

/* Packed, without what is zero, so that it can be written before each run. 0: @size is too small. */
size_t program_pack(const struct program *p, uint8_t *to, size_t size);
int program_unpack(struct program *p, const uint8_t *from, size_t size);

#endif
