/* SPDX-License-Identifier: MIT */
/* Fibers whose first frame is a call of a function of any type. x86-64 System V. */
#ifndef SIMT_FIBER_H
#define SIMT_FIBER_H

#include <stddef.h>

/*
 * The stack pointer of a fiber that will call @fn(pointers[0..n-1], a struct of @size bytes by value) and then @end, on the stack
 * that ends at @top. A struct of more than 16 bytes is passed in memory, pointers in six registers and then in memory.
 * @registers is read when the fiber starts.
 */
struct fiber_call {
	void *registers[6];
	void (*fn)(void);
	void (*end)(void);
};

void *fiber_make(char *top, struct fiber_call *call, void *const *pointers, unsigned int n, const void *by_value, size_t size);
void fiber_switch(void **save, void *to);

#endif /* SIMT_FIBER_H */
