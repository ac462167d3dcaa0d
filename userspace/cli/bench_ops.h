/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_BENCH_OPS_H
#define DSEEK_BENCH_OPS_H

int bench_ops_main(int argc, char **argv);	/* dseek bench ops */

#endif /* DSEEK_BENCH_OPS_H */
