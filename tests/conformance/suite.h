/* SPDX-License-Identifier: MIT */
/*
 * One suite over the public headers, for every transport. Each test runs in a process of its own, with a
 * time limit. Where it can, a test is its own executor (manual_open()), so that what happens when is no
 * matter of luck; the others need an engine that really runs SPIN.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dseek.h>
#include <dseek_exec.h>
#include <dseek_program.h>

struct test {
	const char *name;
	void (*fn)(void);
};

extern const struct test device_tests[], bo_tests[], program_tests[], queue_tests[], job_tests[], order_tests[],
	sync_tests[], exec_tests[], preempt_tests[], recover_tests[], share_tests[], fault_tests[], choice_tests[], memory_tests[];

void fail(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));
void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define CHECK(cond) do { if (!(cond)) fail(__FILE__, __LINE__, "%s", #cond); } while (0)
#define CHECK_EQ(got, want) do { \
	long long got_ = (long long)(got), want_ = (long long)(want); \
	if (got_ != want_) \
		fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #got, got_, want_, dseek_strerror_detail()); \
} while (0)
#define CHECK_OK(call) CHECK_EQ(call, 0)
/* The error, and that its sentence speaks of the fault. */
#define CHECK_FAILS(call, error, words) do { \
	CHECK_EQ(call, -(error)); \
	if (!strstr(dseek_strerror_detail(), words)) \
		fail(__FILE__, __LINE__, "%s: \"%s\" has no \"%s\"", #call, dseek_strerror_detail(), words); \
} while (0)

uint64_t now_ns(void);
uint64_t in_ms(uint64_t ms);	/* an absolute time so far ahead */

bool on_embed(void);
/* The device under test; @keys are added to an embedded one ("limit_ms=50", may be NULL). */
struct dseek_device *device_open(const char *keys);
struct dseek_device *device_open_as(const char *keys, const char *tenant);	/* embedded only */
uint32_t any_engine(struct dseek_device *dev);	/* its id */

/* A device and an engine of its own, which the test serves. */
struct manual {
	struct dseek_device *dev;
	struct dseek_exec *exec;
	uint32_t engine, depth;
	char name[32];
};

void manual_open(struct manual *m, uint32_t depth, const char *keys);	/* by a name of this test's own */
void manual_open_as(struct manual *m, const char *name, uint32_t depth, const char *keys);
void manual_attach(struct manual *m);	/* after dseek_exec_detach(m->exec) */
void manual_close(struct manual *m);
const char *manual_path(void);
/* Fetch up to @max tags, waiting up to @ms for the first: how many. */
uint32_t manual_fetch(struct manual *m, uint32_t *tags, uint32_t max, uint64_t ms);
uint32_t manual_fetch_one(struct manual *m);	/* its tag; there is one */
void manual_done(struct manual *m, uint32_t tag, int error, uint64_t engine_ns);
void manual_yield(struct manual *m, uint32_t tag, uint64_t cursor, uint64_t engine_ns);
int manual_complete(struct manual *m, const struct drm_dseek_completion *c, uint32_t count, uint32_t *ret_completed);

struct dseek_program *program_nop(struct dseek_device *dev);
struct dseek_program *program_spin(struct dseek_device *dev, uint32_t us, uint32_t ops);
struct dseek_program *program_add(struct dseek_device *dev);	/* c = a + b, 64 floats each, three bindings; one parameter, 1 to 64 */
struct dseek_queue *queue_fair(struct dseek_device *dev, uint32_t engine, uint32_t sched_class, uint32_t weight);
struct dseek_queue *queue_deadline(struct dseek_device *dev, uint32_t engine, uint64_t budget_ns, uint64_t period_ns);
uint64_t submit_one(struct dseek_queue *queue, const struct dseek_job *job);	/* its number */
uint64_t submit_program(struct dseek_queue *queue, struct dseek_program *prog);
struct dseek_job_result wait_for(struct dseek_queue *queue, uint64_t seqno);	/* up to 20 s */

#endif /* CONFORMANCE_SUITE_H */
