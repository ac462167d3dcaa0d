/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_BENCH_OPS_H
#define DSEEK_BENCH_OPS_H

#include <stdint.h>

int bench_ops_main(int argc, char **argv);	/* dseek bench ops */

/* Any bits do as weights, as long as scales and numbers, read as half or as float, are small and no denormals, which would cost time. */
void bench_fill_weights(uint8_t *p, uint64_t n);

#endif /* DSEEK_BENCH_OPS_H */
