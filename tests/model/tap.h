/* SPDX-License-Identifier: MIT */
/* libcheck with TAP on stdout: one process a test. */
#ifndef DSEEK_TEST_TAP_H
#define DSEEK_TEST_TAP_H

#include <check.h>

static inline int tap_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif /* DSEEK_TEST_TAP_H */
