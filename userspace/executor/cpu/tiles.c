// SPDX-License-Identifier: MIT
/* Tiles of activations and products with them (fast.h). */
#include <string.h>

#include "fast.h"

#define CACHE_BYTES	(512u << 10)	/* of tiles to work on at a time */

uint32_t cpu_tiles_full(const struct cpu_ctx *ctx, enum cpu_tile_kind kind)
{
	return kind == CPU_TILE_Q8 ? ctx->kernels->q8_tile : ctx->kernels->f32_tile;
}

static uint64_t row_bytes(enum cpu_tile_kind kind, uint32_t k)
{
	return kind == CPU_TILE_Q8 ? k / 32 * (uint64_t)CPU_Q8_BYTES : kind == CPU_TILE_F32 ? k * 4ull : k * 2ull;
}

uint32_t cpu_tiles_chunk(const struct cpu_ctx *ctx, enum cpu_tile_kind kind, uint32_t k, uint32_t n)
{
	uint32_t full = cpu_tiles_full(ctx, kind);
	uint64_t rows = CACHE_BYTES / (row_bytes(kind, k) + 1) / full * full;

	if (rows < 4 * CPU_TILE_MAX)
		rows = 4 * CPU_TILE_MAX;
	return rows < n ? rows : n;
}

void cpu_tiles_init(struct cpu_ctx *ctx, struct cpu_alloc *alloc, struct cpu_tiles *tiles, enum cpu_tile_kind kind, uint32_t k,
		    uint32_t max_tiles, const float **rows)
{
	tiles->kind = kind;
	tiles->k = k;
	tiles->count = 0;
	tiles->bytes = (row_bytes(kind, k) * cpu_tiles_full(ctx, kind) + 63) & ~63ull;
	tiles->rows = rows;
	tiles->tile = cpu_take(alloc, max_tiles * sizeof(*tiles->tile));
	tiles->data = cpu_take(alloc, max_tiles * tiles->bytes);
}

void cpu_tiles_add(struct cpu_ctx *ctx, struct cpu_tiles *tiles, uint32_t first, uint32_t n)
{
	uint32_t full = cpu_tiles_full(ctx, tiles->kind), take;

	for (; n; n -= take, first += take) {
		take = n < full ? n : full;
		tiles->tile[tiles->count++] = (struct cpu_tile){ first, take, cpu_tile_width(take) };
	}
}

void cpu_tiles_fill_one(const struct cpu_ctx *ctx, const struct cpu_tiles *tiles, uint32_t i)
{
	const struct cpu_tile *tile = tiles->tile + i;
	uint8_t *data = tiles->data + i * tiles->bytes;

	if (tiles->kind == CPU_TILE_BF16)
		cpu_tile_bf16(tiles->rows + tile->first, tile->n, tile->m, tiles->k, (uint16_t *)data);
	else if (tiles->kind == CPU_TILE_F32)
		ctx->kernels->tile_f32(tiles->rows + tile->first, tile->n, tile->m, tiles->k, (float *)data);
	else
		ctx->kernels->tile_q8(tiles->rows + tile->first, tile->n, tile->m, tiles->k, data);
}

struct fill_job {
	const struct cpu_ctx *ctx;
	const struct cpu_tiles *tiles;
};

static void fill(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	const struct fill_job *job = arg;
	uint32_t i;

	for (i = first; i < last; i++)
		cpu_tiles_fill_one(job->ctx, job->tiles, i);
}

int cpu_tiles_fill(struct cpu_ctx *ctx, struct cpu_tiles *tiles)
{
	struct fill_job job = { ctx, tiles };
	uint32_t grain = 0;

	/* a few rows take less time than telling another thread */
	if (tiles->count * (uint64_t)tiles->k <= 16384)
		grain = tiles->count;
	return cpu_pool_run(ctx->pool, tiles->count, grain, fill, &job);
}

bool cpu_product_possible(const struct cpu_tensor *w)
{
	return dseek_tensor_bytes(w->dtype, DSEEK_LAYOUT_PACKED, w->ne[0], DSEEK_PACK_ROWS) != 0;
}

uint64_t cpu_group_bytes(const struct cpu_tensor *w)
{
	return dseek_tensor_bytes(w->dtype, DSEEK_LAYOUT_PACKED, w->ne[0], DSEEK_PACK_ROWS);
}

struct cpu_product_scratch *cpu_product_scratch(struct cpu_ctx *ctx, struct cpu_alloc *alloc, uint64_t group_bytes)
{
	unsigned int threads = cpu_pool_threads(ctx->pool), n;
	struct cpu_product_scratch *scratch = cpu_take(alloc, threads * sizeof(*scratch));
	int i;

	for (n = 0; n < threads; n++) {
		for (i = 0; i < 2; i++) {
			uint8_t *group = cpu_take(alloc, group_bytes);

			if (scratch)
				scratch[n].group[i] = group;
		}
	}
	return scratch;
}

/* Rows of a ROWS weight, which lie w->stride[1] apart: pack in runs of what is contiguous. */
static void pack_rows(const struct cpu_tensor *w, const uint8_t *src, uint32_t rows, uint8_t *buffer)
{
	uint64_t bytes = dseek_row_bytes(w->dtype, w->ne[0]);
	uint32_t r;

	if (w->stride[1] == bytes) {
		dseek_tensor_pack(w->dtype, w->ne[0], rows, src, buffer);
		return;
	}
	for (r = 0; r < rows; r++)
		dseek_tensor_pack_row(w->dtype, w->ne[0], r, src + r * w->stride[1], buffer);
}

const uint8_t *cpu_group(const struct cpu_tensor *w, uint64_t matrix, uint32_t group, uint8_t *buffer)
{
	const uint8_t *m = w->data + matrix * w->stride[2];
	uint32_t first = group * DSEEK_PACK_ROWS, rows = w->ne[1] - first;

	if (w->layout == DSEEK_LAYOUT_PACKED)
		return m + group * cpu_group_bytes(w);
	if (rows > DSEEK_PACK_ROWS)
		rows = DSEEK_PACK_ROWS;
	pack_rows(w, m + first * w->stride[1], rows, buffer);
	return buffer;
}

void cpu_multiply(const struct cpu_ctx *ctx, const struct cpu_tensor *w, const uint8_t *group, const struct cpu_tiles *tiles,
		  uint32_t tile, float *out, float *columns)
{
	const uint8_t *data = tiles->data + tile * tiles->bytes;
	uint32_t m = tiles->tile[tile].m;

	if (tiles->kind == CPU_TILE_BF16)
		cpu_mul_f8_bf16(group, w->ne[0], (const uint16_t *)data, m, out);
	else if (tiles->kind == CPU_TILE_F32)
		ctx->kernels->mul_f32(w->dtype, group, w->ne[0], (const float *)data, m, out, columns);
	else
		ctx->kernels->mul_q8(w->dtype, group, w->ne[0], data, m, out);
}
