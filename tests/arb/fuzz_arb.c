// SPDX-License-Identifier: MIT
/* libFuzzer's entry: the bytes are the events. fuzz_main.c feeds it where there is no libFuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include "drive.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { .bytes = data, .size = size };
	struct drive_result result = { 0 };

	drive(&source, 4096, &result);
	if (result.error[0]) {
		fprintf(stderr, "event %llu: %s\n", (unsigned long long)result.events, result.error);
		abort();
	}
	return 0;
}
