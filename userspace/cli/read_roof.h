/* SPDX-License-Identifier: MIT */
/* The rate at which this machine's threads can read memory: what bounds a product that reads each weight once. */
#ifndef DSEEK_READ_ROOF_H
#define DSEEK_READ_ROOF_H

struct read_roof {
	double bytes_per_second;	/* of all threads together */
	const char *loads;		/* "avx512", "avx2", "baseline": the widest vectors that this machine loads */
	unsigned int mib;		/* that each thread goes through: 8 x the last-level cache; all at most 2048, each at least 64 */
};

/*
 * @threads at once, each its own memory on huge pages (where they may be had), by one stream and by eight, with and
 * without prefetches: the best pass of any of them. One thread is timed by its CPU time. 0, -ENOMEM, -EAGAIN (no thread).
 */
int read_roof_measure(unsigned int threads, struct read_roof *ret_roof);

#endif /* DSEEK_READ_ROOF_H */
