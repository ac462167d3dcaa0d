/* SPDX-License-Identifier: MIT */
/*
 * The parts of failnth: what fails, what must stay as it was, and the calls that meet the failures. What goes wrong in the
 * program itself, and not in what it tests, ends it: die().
 */
#ifndef TESTS_VM_FAILNTH_H
#define TESTS_VM_FAILNTH_H

#include "../selftests/dseek/dseek_admin.h"

#define SMALL		(16 << 10)	/* bytes of most buffers */

static inline __attribute__((noreturn)) void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* @r: of a call, 0 or more, or -errno. */
static inline void must(int r, const char *what)
{
	if (r < 0) {
		errno = -r;
		die(what);
	}
}

/* ---- failnth_fault.c: failures of what the module's functions call, in this thread */

void fault_setup(void);		/* once */
void fault_arm(int nth);	/* the @nth from now on fails; nothing of the C library in between */
int fault_disarm(void);		/* whether it happened */

/* ---- failnth_state.c: what the module says of itself and of the subject, as text */

void state_settled(char *to, size_t size);	/* when nothing moves by itself any more */
void state_omit(char *s, const char *prefix);	/* leaves out the lines that begin so */
/* Whether it is as @before in the end, without the lines that begin with one of @except (NULL at its end). *after: what it is. */
int state_is(const char *before, char *after, size_t size, const char *const *except);

/* ---- what the calls are about; failnth.c makes it */

extern struct subject {
	int fd;			/* the render node */
	struct test_exec exec;	/* nobody else serves its engine */
	uint32_t bo;		/* of 2 * SMALL */
	uint32_t program, queue;
} on;

/* ---- steps: prepare, the one call that is to fail, undo. Only the call meets failures. */

struct step {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	void (*undo)(void);	/* of prepare and a successful call */
	const char *except;	/* lines of the state that a failure may change */
	int once;		/* after a failure everything is undone and prepared anew */
};

/* Each ends with one without a name. */
extern const struct step object_steps[];	/* failnth_object.c: files, buffers, programs, queues */
extern const struct step job_steps[];		/* failnth_job.c: jobs, and executors, who have them */
extern const struct step tenant_steps[];	/* failnth_object.c; last: tenants stay, and are listed in the order of their last use */
void object_steps_begin(void);			/* what they need besides */
void object_steps_end(void);
void job_steps_begin(void);
void job_steps_end(void);

static inline void nothing(void)
{
}

#endif /* TESTS_VM_FAILNTH_H */
