// SPDX-License-Identifier: MIT
#include "sample_text.h"

/* The path is from the tree's top, where make runs. */
asm(".pushsection .rodata\n"
    "sample_text_start:\n"
    ".incbin \"userspace/model/data/pride-and-prejudice.txt\"\n"
    "sample_text_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern const char sample_text_start[] __attribute__((visibility("hidden")));
extern const char sample_text_end[] __attribute__((visibility("hidden")));

const char *sample_text(size_t *ret_size)
{
	*ret_size = sample_text_end - sample_text_start;
	return sample_text_start;
}
