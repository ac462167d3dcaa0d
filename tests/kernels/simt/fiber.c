/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "fiber.h"

#ifndef __x86_64__
#error "fiber.c knows x86-64 only"
#endif

void fiber_start(void);

/*
 * fiber_start: entered by the first switch to a fiber, rbx being its struct fiber_call. The stack is what a caller
 * would have left: memory arguments above the place of a return address, which is where fn comes back to.
 */
__asm__(
".text\n"
".globl fiber_switch\n"
".type fiber_switch, @function\n"
"fiber_switch:\n"
"	push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, (%rdi)\n"
"	mov %rsi, %rsp\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
"	ret\n"
".globl fiber_start\n"
".type fiber_start, @function\n"
"fiber_start:\n"
"	mov (%rbx), %rdi; mov 8(%rbx), %rsi; mov 16(%rbx), %rdx\n"
"	mov 24(%rbx), %rcx; mov 32(%rbx), %r8; mov 40(%rbx), %r9\n"
"	call *48(%rbx)\n"
"	call *56(%rbx)\n"
"	ud2\n"
);

void *fiber_make(char *top, struct fiber_call *call, void *const *pointers, unsigned int n, const void *by_value, size_t size)
{
	unsigned int spilled = n > 6 ? n - 6 : 0;
	size_t memory = spilled * 8 + (size + 7) / 8 * 8;
	uint64_t *sp = (uint64_t *)(((uintptr_t)top - memory) & ~(uintptr_t)15);

	for (unsigned int i = 0; i < n && i < 6; i++)
		call->registers[i] = pointers[i];
	for (unsigned int i = 0; i < spilled; i++)
		sp[i] = (uint64_t)(uintptr_t)pointers[6 + i];
	memcpy(sp + spilled, by_value, size);
	*--sp = (uint64_t)(uintptr_t)fiber_start;
	*--sp = 0;					/* rbp */
	*--sp = (uint64_t)(uintptr_t)call;		/* rbx */
	for (int i = 0; i < 4; i++)
		*--sp = 0;				/* r12..r15 */
	return sp;
}
