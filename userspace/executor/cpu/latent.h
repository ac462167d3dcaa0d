/* SPDX-License-Identifier: MIT */
/*
 * The two forms of LATENT_ATTENTION (dseek_program.h), and what each costs.
 *
 * Of one head, in multiply-adds: p pairs of a query and a position that it sees; T queries, in runs of at most CPU_LATENT_RUN; the s
 * positions that any of them sees; a latent vector of L elements, a key of P that aren't rotated and R that are, a value of M:
 *
 *	absorbed	p (L + R + L) + T (P L / w_k + L M / w_v)
 *	expanded	p (P + R + M) + s ceil(T / CPU_LATENT_RUN) (L P / w_t + L M / w_v)
 *
 * w is how many multiply-adds with a weight take the time of one of attention's: CPU_LATENT_Q8 for weights that q8 tiles are made for, else 1.
 * Queries that follow each other see about as many positions as their run does, p = T s: in DeepSeek-V2's shape (L 512, P 128, R 64, M 128)
 * expanding pays from 171 queries on with w 1, from 57 with w 3; on an empty context, where T = s, always.
 *
 * Memory of a thread, whatever the context holds: a block of CPU_LATENT_BLOCK keys and values of one head and the tiles of its latents, queries
 * and sums of a run. cpu_latent_bytes() counts it.
 */
#ifndef DSEEK_CPU_LATENT_H
#define DSEEK_CPU_LATENT_H

#include <stdbool.h>
#include <stdint.h>

#include "fast.h"

#define CPU_LATENT_BLOCK	128
#define CPU_LATENT_RUN		1024
#define CPU_LATENT_Q8		3

struct cpu_latent_shape {
	uint32_t rank, plain, rotated, value;	/* L, P, R, M */
	uint32_t w_k, w_t, w_v;
};

struct cpu_latent_work {
	uint64_t absorbed, expanded;
};

void cpu_latent_shape(const struct cpu_ctx *ctx, const struct cpu_op *op, struct cpu_latent_shape *ret_shape);
struct cpu_latent_work cpu_latent_work(const struct cpu_latent_shape *shape, uint64_t pairs, uint64_t queries, uint64_t positions);

/* The arena of the expanded form on all threads of @ctx, for up to CPU_LATENT_RUN queries or those of @op. */
uint64_t cpu_latent_bytes(struct cpu_ctx *ctx, const struct cpu_op *op);

#endif /* DSEEK_CPU_LATENT_H */
