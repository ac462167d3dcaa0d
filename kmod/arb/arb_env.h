/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the core needs from its surroundings: the only file here that knows which side it is on. */
#ifndef DSEEK_ARB_ENV_H
#define DSEEK_ARB_ENV_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
#endif

#endif /* DSEEK_ARB_ENV_H */
