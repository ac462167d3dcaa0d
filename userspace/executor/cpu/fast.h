/* SPDX-License-Identifier: MIT */
/* The fast ops: kernels (kernels.h) spread over threads (pool.h). */
#ifndef DSEEK_CPU_FAST_H
#define DSEEK_CPU_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels.h"
#include "op.h"
#include "pool.h"
#include "watch.h"

struct cpu_rope_table;

struct cpu_ctx {
	const struct cpu_kernels *kernels;	/* NULL: the oracle runs everything */
	bool bf16;				/* CPU_ISA_AVX512_BF16 */
	struct cpu_pool *pool;
	struct cpu_watch watch;			/* of the job that runs: the pool's, and the oracle's */
	uint8_t *arena;				/* memory of the op that runs, grown as needed */
	size_t arena_size;
	struct cpu_rope_table *rope;
	enum cpu_latent { CPU_LATENT_AUTO, CPU_LATENT_ABSORBED, CPU_LATENT_EXPANDED } latent;	/* latent.h */
};

/* What cpu_op_ref() does, faster; the same errors. */
int cpu_op_fast(struct cpu_ctx *ctx, const struct cpu_op *op);
void cpu_ctx_free(struct cpu_ctx *ctx);

/* ---- memory of an op: count in a first pass with base NULL, hand out in a second */

struct cpu_alloc {
	uint8_t *base;
	size_t used;
};

static inline void *cpu_take(struct cpu_alloc *alloc, size_t bytes)
{
	void *at = alloc->base ? alloc->base + alloc->used : NULL;

	alloc->used += (bytes + 63) & ~(size_t)63;
	return at;
}

int cpu_arena(struct cpu_ctx *ctx, size_t bytes, struct cpu_alloc *ret_alloc);

/* ---- rows of activations in tiles (tiles.c) */

struct cpu_tile {
	uint32_t first, n, m;	/* rows [first, first + n), made for m */
};

enum cpu_tile_kind { CPU_TILE_Q8, CPU_TILE_F32, CPU_TILE_BF16, CPU_TILE_KINDS };

struct cpu_tiles {
	enum cpu_tile_kind kind;
	uint32_t k, count;
	uint64_t bytes;		/* of a full tile */
	const float **rows;
	struct cpu_tile *tile;
	uint8_t *data;
};

/* What products with @dtype take. */
static inline enum cpu_tile_kind cpu_tile_kind(const struct cpu_ctx *ctx, const struct cpu_op *op, uint32_t dtype)
{
	if (dtype == DSEEK_F8_E4M3)
		return op->precise || !ctx->bf16 ? CPU_TILE_F32 : CPU_TILE_BF16;
	return op->precise || dtype == DSEEK_F32 || dtype == DSEEK_F16 || dtype == DSEEK_BF16 ? CPU_TILE_F32 : CPU_TILE_Q8;
}

void cpu_tiles_init(struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct cpu_tiles *tiles, enum cpu_tile_kind kind, uint32_t k,
		    uint32_t max_tiles, const float **rows);
/* Appends the tiles of rows [first, first + n); at most n / full + 1 of them. */
void cpu_tiles_add(struct cpu_ctx *ctx, struct cpu_tiles *tiles, uint32_t first, uint32_t n);
int cpu_tiles_fill(struct cpu_ctx *ctx, struct cpu_tiles *tiles);		/* as cpu_pool_run() */
void cpu_tiles_fill_one(const struct cpu_ctx *ctx, const struct cpu_tiles *tiles, uint32_t i);	/* within a loop of the pool */
uint32_t cpu_tiles_full(const struct cpu_ctx *ctx, enum cpu_tile_kind kind);	/* rows of a full tile */
/* How many of @n rows to take at a time, so that their tiles stay in the cache. */
uint32_t cpu_tiles_chunk(const struct cpu_ctx *ctx, enum cpu_tile_kind kind, uint32_t k, uint32_t n);

/* ---- products (tiles.c) */

/* Of one thread. */
struct cpu_product_scratch {
	float out[2][CPU_TILE_MAX * 16];
	float columns[16 * CPU_F32_CHUNK];
	uint8_t *group[2];	/* for weights in ROWS */
};

/* Can the kernels multiply with @w? (Else the oracle does: rows that can't be packed.) */
bool cpu_product_possible(const struct cpu_tensor *w);
/* Scratch for each thread of the pool. */
struct cpu_product_scratch *cpu_product_scratch(struct cpu_ctx *ctx, struct cpu_alloc *alloc, uint64_t group_bytes);
uint64_t cpu_group_bytes(const struct cpu_tensor *w);
/* 16 rows of matrix @matrix of @w, packed; @buffer is used if they aren't. */
const uint8_t *cpu_group(const struct cpu_tensor *w, uint64_t matrix, uint32_t group, uint8_t *buffer);
void cpu_multiply(const struct cpu_ctx *ctx, const struct cpu_tensor *w, const uint8_t *group, const struct cpu_tiles *tiles,
		  uint32_t tile, float *out, float *columns);

/* ---- ops; -ENOTSUP: let the oracle do it */

int cpu_linear(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_glu(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_moe_ffn(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_head_linear(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_attention(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_latent_attention(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_rmsnorm(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_rope(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_kv_store(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_binary(struct cpu_ctx *ctx, const struct cpu_op *op);
int cpu_argmax(struct cpu_ctx *ctx, const struct cpu_op *op);
void cpu_rope_free(struct cpu_rope_table *table);

#endif /* DSEEK_CPU_FAST_H */
