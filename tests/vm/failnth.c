// SPDX-License-Identifier: MIT
/*
 * failnth [STEP...]: every call of both devices with each of its allocations and user copies failing in turn, the first,
 * the second, ... until one call meets no failure (/proc/thread-self/fail-nth of the debug kernel). Only what happens
 * below the module's own functions fails. A call that fails must say -ENOMEM or -EFAULT and leave everything as it
 * was: the module's counters, tenants and engines (debugfs), and the queue. One that succeeds although something failed
 * must leave nothing behind when it is undone.
 *
 * Two things are DRM's and not undone by anybody: it copies a call's argument back itself (not below the module, so not
 * failed here), and it keeps the exported flag of a buffer whose export failed (not visible here).
 */
#include "failnth.h"

#define LIMIT		4000		/* failures of one call; more is an endless loop */

struct subject on = { .fd = -1 };

/*
 * Exceptions, all of results that could not be copied out: an attachment is ended again, so its engine has served for a
 * moment; a buffer stays mapped, and the next MAP says where. And of a timeline's fences those that have signalled go
 * when somebody looks at it.
 */
static int run(const struct step *s, int number)
{
	static char before[1 << 16], prepared[1 << 16], after[1 << 16];
	const char *const lasting[] = { "queue ", TEST_ENGINE, "fences", s->once ? s->except : NULL, NULL };
	int nth, r, injected, k, failures = 0, tolerated = 0, bad = 0;

	for (nth = 1; nth <= LIMIT && !bad; nth++) {
		state_settled(before, sizeof(before));
		s->prepare();
		state_settled(prepared, sizeof(prepared));
		if (s->except)
			state_omit(prepared, s->except);
		for (;;) {
			fault_arm(nth);
			r = s->call();
			injected = fault_disarm();
			if (!r)
				break;
			failures++;
			if (!injected || (r != -ENOMEM && r != -EFAULT)) {
				printf("# %s: failure %d: %s%s\n", s->name, nth, strerror(-r), injected ? "" : ", but nothing was made to fail");
				bad = 1;
			}
			if (!state_is(prepared, after, sizeof(after), (const char *const[]){ s->except, NULL })) {
				printf("# %s: failure %d (%s) left:\n# before:\n%s# after:\n%s", s->name, nth, strerror(-r), prepared, after);
				bad = 1;
			}
			if (bad || s->once || ++nth > LIMIT)
				break;
		}
		if (!r || s->once)
			s->undo();
		tolerated += !r && injected;
		/* What jobs leave for ever: their numbers, their time, and the syncobjs' last fences. */
		for (k = 0; k < 4 && lasting[k]; k++)
			state_omit(before, lasting[k]);
		if (!bad && !state_is(before, after, sizeof(after), lasting)) {
			printf("# %s: failure %d, undone, left:\n# before:\n%s# after:\n%s", s->name, nth, before, after);
			bad = 1;
		}
		if (!r && !injected)
			break;
	}
	bad |= nth > LIMIT;
	printf("%sok %d %s: %d failures returned, %d tolerated\n", bad ? "not " : "", number, s->name, failures, tolerated);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct step *const groups[] = { object_steps, job_steps, tenant_steps };
	const struct step *s;
	size_t i;
	int bad = 0, number = 0, a;

	setlinebuf(stdout);
	fault_setup();
	must(parameter_set("grace_ms", 600000, NULL), "grace_ms");	/* this program is slow to fetch */
	on.fd = open_node();
	must(on.fd, "the render node");
	must(exec_attach(&on.exec, TEST_ENGINE, 8), "ATTACH");
	must(bo_create(on.fd, 2 * SMALL, &on.bo), "BO_CREATE");
	must(program_create(on.fd, &on.program), "PROGRAM_CREATE");
	must(queue_create(on.fd, on.exec.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &on.queue), "QUEUE_CREATE");
	object_steps_begin();
	job_steps_begin();
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (s = groups[i]; s->name; s++) {
			for (a = 1; a < argc && strcmp(argv[a], s->name); a++)
				;
			if (argc == 1 || a < argc)
				bad |= run(s, ++number);
		}
	printf("1..%d\n", number);
	exec_close(&on.exec);
	job_steps_end();
	object_steps_end();
	close(on.fd);
	return bad;
}
