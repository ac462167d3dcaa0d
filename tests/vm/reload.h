/* SPDX-License-Identifier: MIT */
/* The parts of reload: what its processes share, how they try to get at the module, what they hold of it. */
#ifndef TESTS_VM_RELOAD_H
#define TESTS_VM_RELOAD_H

#include "../selftests/dseek/dseek_admin.h"
#include <stdatomic.h>

#define ENGINE		"reload0"
#define DEBUGFS		"/sys/kernel/debug/dseek/"

/* What can be held. */
enum kind { OPEN_NODE, MAPPING, DMABUF, FOREIGN, SYNC_FILE, SYNCOBJ, IN_WAIT, OPEN_EXEC, EXEC_MAPPING, IN_NEXT, STANDBY,
	    OPEN_DEBUGFS, KINDS };

extern const char *const kind_names[KINDS];

/* What is tried, and what comes of it. */
enum way { TRY_NODE, TRY_EXEC, TRY_SYSFS, TRY_DEBUGFS, WAYS };
enum outcome { WORKED, IS_ENOENT, IS_ENODEV, IS_ENXIO, IS_EACCES, OUTCOMES };

struct way_count {
	atomic_uint outcomes[OUTCOMES], amid_unload, amid_load;
};

enum phase { QUIET, BUSY, SPARSE };

struct slot {
	atomic_uint held;		/* 0, or what: enum kind + 1 */
	atomic_uint turn;		/* how often it has held something */
	atomic_uint quiet;		/* holds nothing since this epoch */
};

#define WORKERS		6

extern struct shared {
	atomic_int phase;
	atomic_uint epoch;
	atomic_uint unload, load;	/* odd while it happens */
	atomic_uint bad, stale;
	struct way_count ways[WAYS];
	struct slot slots[WORKERS];
} *shared;

__attribute__((format(printf, 1, 2))) void bad(const char *fmt, ...);			/* counted, and the first ten told */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);	/* with errno: the test itself can't go on */
uint32_t rnd(uint32_t below);

/* ---- reload_try.c: attempts, counted. Each may meet a removal or an insertion, or not: its window says so. */

struct window {
	uint32_t unload, load;
};

struct window window_open(void);
/* @err: what came of it, 0 or an errno. */
void tried(enum way way, struct window since, int err, const char *what);

/* What could be opened works, or bad() says how not. The descriptor, or -1 with errno. */
int try_node(void);
int try_exec(void);
int try_file(enum way way, const char *path, int flags);

/* Reads and writes some of the administrator's files and debugfs'. Holds nothing that keeps the module, but for the latter while at it. */
void look(void);

/* ---- reload_hold.c: holding something */

struct hold {
	int fd;
	void *map;
	size_t map_size;
	uint32_t foreign;		/* vgem's handle */
	uint32_t queue;
	uint64_t seqno;
	struct test_exec exec;
};

void hold_prepare(void);		/* once in each process that holds: vgem's handles go with its file */
/*
 * 0: *h holds that, and nothing else is held. Errors were counted or are the caller's to judge. @alone: nobody else is there, so a job
 * gets an engine of its own, whose executor goes.
 */
int hold(struct hold *h, enum kind kind, bool alone);
/* Stays with it for so long, in the call where it is one. */
void stay(struct hold *h, enum kind kind, uint64_t ns);
void release(struct hold *h, enum kind kind);

#endif /* TESTS_VM_RELOAD_H */
