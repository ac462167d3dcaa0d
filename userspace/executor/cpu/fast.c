// SPDX-License-Identifier: MIT
/* Which op is whose, and the memory they share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fast.h"

static int (*const fast_ops[DSEEK_OP_COUNT])(struct cpu_ctx *ctx, const struct cpu_op *op) = {
	[DSEEK_OP_RMSNORM] = cpu_rmsnorm,
	[DSEEK_OP_LINEAR] = cpu_linear,
	[DSEEK_OP_GLU] = cpu_glu,
	[DSEEK_OP_ROPE] = cpu_rope,
	[DSEEK_OP_KV_STORE] = cpu_kv_store,
	[DSEEK_OP_ATTENTION] = cpu_attention,
	[DSEEK_OP_MOE_FFN] = cpu_moe_ffn,
	[DSEEK_OP_ADD] = cpu_binary,
	[DSEEK_OP_MUL] = cpu_binary,
	[DSEEK_OP_ARGMAX] = cpu_argmax,
	[DSEEK_OP_HEAD_LINEAR] = cpu_head_linear,
	[DSEEK_OP_LATENT_ATTENTION] = cpu_latent_attention,
};

int cpu_op_fast(struct cpu_ctx *ctx, const struct cpu_op *op)
{
	int ret = -ENOTSUP;

	if (ctx->kernels && op->code < DSEEK_OP_COUNT && fast_ops[op->code])
		ret = fast_ops[op->code](ctx, op);
	return ret == -ENOTSUP ? cpu_op_ref(op) : ret;
}

const struct cpu_kernels *cpu_kernels_of(enum cpu_isa isa)
{
	switch (isa) {
	case CPU_ISA_AVX2:
		return &cpu_kernels_avx2;
	case CPU_ISA_AVX512:
	case CPU_ISA_AVX512_BF16:
		return &cpu_kernels_avx512;
	default:
		return NULL;
	}
}

int cpu_arena(struct cpu_ctx *ctx, size_t bytes, struct cpu_alloc *ret_alloc)
{
	if (bytes > ctx->arena_size) {
		size_t size = (bytes + bytes / 4 + 4095) & ~(size_t)4095;

		free(ctx->arena);
		ctx->arena_size = 0;
		ctx->arena = aligned_alloc(4096, size);
		if (!ctx->arena)
			return -ENOMEM;
		ctx->arena_size = size;
	}
	*ret_alloc = (struct cpu_alloc){ .base = ctx->arena };
	return 0;
}

void cpu_ctx_free(struct cpu_ctx *ctx)
{
	cpu_pool_destroy(ctx->pool);
	cpu_rope_free(ctx->rope);
	free(ctx->arena);
}
