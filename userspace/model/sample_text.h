/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_SAMPLE_TEXT_H
#define DSEEK_SAMPLE_TEXT_H

#include <stddef.h>

/*
 * English prose in the public domain, 64 KiB (data/README.md says which): what perplexity is
 * measured on. NUL-terminated.
 */
const char *sample_text(size_t *ret_size);

#endif /* DSEEK_SAMPLE_TEXT_H */
