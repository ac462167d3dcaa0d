// SPDX-License-Identifier: MIT
/* libFuzzer's way into a fuzzer. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzzer.run(data, size);
	return 0;
}
