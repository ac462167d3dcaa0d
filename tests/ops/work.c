// SPDX-License-Identifier: MIT
/*
 * Instructions of one token's attention on the cpu backend, at 1K and at 16K tokens of context: those of a layer with a window don't
 * grow with it. Counted, not timed: the op runs in a child that is stepped through (ptrace), the second time, when its memory is there.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "one_op.h"

#define WINDOW	128

static const struct dseek_backend *const cpu = &dseek_backend_cpu;
static void *state;

static void fill(float *x, uint64_t n)
{
	while (n--)
		*x++ = test_random();
}

struct layer {
	const char *what;
	uint32_t heads, d, window;
	bool ring;
	double least, most;	/* of the ratio 16K to 1K */
};

/* One token behind @past others. */
static void make(struct one_op *o, uint32_t past, const struct layer *l)
{
	uint32_t d = l->d, slots = l->ring ? WINDOW : past + 1;

	one_op_init(o, DSEEK_OP_ATTENTION, 0);
	fill(one_op_tensor(o, 0, DSEEK_F32, d, l->heads, 1), d * l->heads);
	for (int n = 1; n < 3; n++) {
		float *row = malloc(d * slots * sizeof(*row));

		fill(row, d * slots);
		dseek_row_from_f32(DSEEK_F16, row, d * slots, one_op_tensor(o, n, DSEEK_F16, d, 1, slots));
		free(row);
	}
	*(int32_t *)one_op_tensor(o, 3, DSEEK_I32, 1, 1, 1) = past;
	one_op_tensor(o, 4, DSEEK_F32, d, l->heads, 1);
	fill(one_op_tensor(o, 5, DSEEK_F32, l->heads, 1, 1), l->heads);
	o->op.i[0] = l->window;
	o->op.f[0] = 0.2f;
	o->op.flags = l->ring ? DSEEK_OPF_RING : 0;
}

/* Between its two stops; 0 and why not. */
static uint64_t count(struct one_op *o, const char **ret_why)
{
	pid_t child = fork();
	uint64_t n = 0;
	int status;

	*ret_why = "a child that is traced did not stop as it should";
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(2);
		if (one_op_run(o, cpu, state))
			_exit(1);
		raise(SIGSTOP);
		one_op_run(o, cpu, state);
		raise(SIGSTOP);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
		if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 2)
			*ret_why = "no process may be traced here";
		return 0;
	}
	do {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
			return 0;
		n++;
	} while (WSTOPSIG(status) == SIGTRAP);
	ptrace(PTRACE_KILL, child, NULL, NULL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return n;
}

int main(void)
{
	/* Steps are slow: the layer that has 16 times as many is a narrow one. */
	static const struct layer layers[] = {
		{ "a window of 128 in a ring", 2, 32, WINDOW, true, 0.99, 1.01 },
		{ "a window of 128 in a cache of everything", 2, 32, WINDOW, false, 0.99, 1.01 },
		{ "full attention", 1, 16, 0, false, 8, 17 },
	};
	const char *why = "";
	cpu_set_t here;
	char err[200];

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	for (int i = 0; i < 3; i++)
		tap_skip(layers[i].what, "instructions are counted without a sanitizer's, which are most of them");
	return tap_end();
#endif
	/* Parent and child take turns: on one processor no step waits for another to wake up. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	if (cpu->open("threads=1", &state, err, sizeof(err))) {
		printf("Bail out! %s\n", err);
		return 1;
	}
	for (int i = 0; i < 3; i++) {
		uint64_t n[2] = { 0, 0 };

		for (int far = 0; far < 2; far++) {
			struct one_op o;

			make(&o, far ? 16383 : 1023, &layers[i]);
			n[far] = count(&o, &why);
			one_op_free(&o);
		}
		if (!n[0] || !n[1]) {
			tap_skip(layers[i].what, why);
			continue;
		}
		tap_ok(n[1] >= layers[i].least * n[0] && n[1] <= layers[i].most * n[0],
		       "%s: %llu instructions of a token at 1K, %llu at 16K: %.2f times as many (%g to %g)", layers[i].what,
		       (unsigned long long)n[0], (unsigned long long)n[1], (double)n[1] / n[0], layers[i].least, layers[i].most);
	}
	cpu->close(state);
	return tap_end();
}
