/* SPDX-License-Identifier: MIT */
/* Just enough TAP for a test that is one program. With libcheck: check_run.h. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int tap_count, tap_failed;

/* One result; returns @good. */
static inline __attribute__((format(printf, 2, 3))) int tap_ok(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);		/* a child's copy would print it again */
	tap_failed += !good;
	return good;
}

/* The same, with what was there instead if it is bad. */
static inline int tap_got(int good, const char *what, const char *got)
{
	if (!tap_ok(good, "%s", what))
		printf("# got: %s\n", got);
	return good;
}

static inline void tap_skip(const char *what, const char *reason)
{
	printf("ok %d %s # SKIP %s\n", ++tap_count, what, reason);
}

/* The plan; the exit status. */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif /* TESTS_TAP_H */
