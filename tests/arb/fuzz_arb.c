// SPDX-License-Identifier: MIT
/* The core and its oracle, driven by events drawn from the input. */
#include <stdio.h>
#include <stdlib.h>
#include "../fuzz/fuzz.h"
#include "drive.h"

static uint64_t events, picks;

static bool run(const uint8_t *data, size_t size)
{
	struct source source = { .bytes = data, .size = size };
	struct drive_result result = { 0 };

	drive(&source, 4096, &result);
	if (result.error[0]) {
		fprintf(stderr, "event %llu: %s\n", (unsigned long long)result.events, result.error);
		abort();
	}
	events += result.events;
	picks += result.picks;
	return true;
}

static int report(char *buf, size_t size)
{
	return snprintf(buf, size, "%llu events, %llu picks", (unsigned long long)events, (unsigned long long)picks);
}

const struct fuzzer fuzzer = { .run = run, .report = report, .max_size = 2048, .runs = DRIVE_RUNS(20000) };
