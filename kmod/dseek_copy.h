/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only copies between the module and user memory, each counted by what it carries (DRM itself
 * copies the ioctls' own structures). A test greps that no other file copies; debugfs shows the counters.
 */
#ifndef DSEEK_COPY_H
#define DSEEK_COPY_H

#include <linux/percpu.h>
#include <linux/uaccess.h>

#include "dseek_drv.h"

/*
 * @size in words of 8 bytes. Structures are short: the string instructions that copy_from_user() has for what is longer
 * than 64 bytes take their time to begin, and are slow throughout where they are emulated.
 */
static __always_inline int dseek_copy_words(u64 *dst, u64 src, size_t size)
{
	const u64 __user *from = u64_to_user_ptr(src);
	size_t i;

	if (!user_read_access_begin(from, size))
		return -EFAULT;
	for (i = 0; i < size / sizeof(*dst); i++)
		unsafe_get_user(dst[i], &from[i], fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int dseek_copy_in(void *dst, u64 src, size_t size, enum dseek_copied what)
{
	if (__builtin_constant_p(size) && size % sizeof(u64) == 0) {
		if (dseek_copy_words(dst, src, size))
			return -EFAULT;
	} else if (copy_from_user(dst, u64_to_user_ptr(src), size)) {
		return -EFAULT;
	}
	this_cpu_add(dseek_stats->copied[what], size);
	return 0;
}

static __always_inline int dseek_copy_out(u64 dst, const void *src, size_t size, enum dseek_copied what)
{
	if (copy_to_user(u64_to_user_ptr(dst), src, size))
		return -EFAULT;
	this_cpu_add(dseek_stats->copied[what], size);
	return 0;
}

/* @count structures of @size bytes each, in words. */
static __always_inline int dseek_copy_in_array(void *dst, u64 src, size_t size, u32 count, enum dseek_copied what)
{
	BUILD_BUG_ON(size % sizeof(u64));
	if (dseek_copy_words(dst, src, count * size))
		return -EFAULT;
	this_cpu_add(dseek_stats->copied[what], count * size);
	return 0;
}

/* One is the common case: its size is a constant, which hardened copies need not look at. */
static __always_inline int dseek_copy_out_array(u64 dst, const void *src, size_t size, u32 count, enum dseek_copied what)
{
	return count == 1 ? dseek_copy_out(dst, src, size, what) : dseek_copy_out(dst, src, count * size, what);
}

/* A structure of @stride bytes there and @size here: what we don't know must be zero. */
static __always_inline int dseek_copy_in_struct(void *dst, size_t size, u64 src, size_t stride)
{
	int err;

	if (stride == size)	/* a constant: as above */
		return dseek_copy_in(dst, src, size, DSEEK_COPIED_DESCRIPTORS);
	err = copy_struct_from_user(dst, size, u64_to_user_ptr(src), stride);
	if (err)
		return err == -E2BIG ? -EINVAL : err;
	this_cpu_add(dseek_stats->copied[DSEEK_COPIED_DESCRIPTORS], size);
	return 0;
}

#endif /* DSEEK_COPY_H */
