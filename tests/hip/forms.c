// SPDX-License-Identifier: MIT
/* Which form of its kernels the hip backend gives an op, by shape, type and addresses. That all forms give the same result is ops.c's. */
#include <stdio.h>
#include <string.h>

#include "../../userspace/executor/hip/hip_state.h"
#include "../tap.h"

static void row(struct cpu_tensor *t, uint32_t dtype, uint32_t n, uint32_t ne1, uint32_t ne2)
{
	*t = (struct cpu_tensor){ .data = (uint8_t *)64, .dtype = (uint16_t)dtype, .ne = { n, ne1, ne2, 1 } };
	t->stride[0] = dseek_dtype_block_bytes(dtype);
	t->stride[1] = dseek_row_bytes(dtype, n);
	t->stride[2] = t->stride[1] * ne1;
}

static void form(const struct cpu_op *op, const char *want, const char *what)
{
	const struct hip_op *info = hip_op_find(op->code);
	enum hip_kernel kernels[HIP_OP_FAST];
	char got[200] = "plain";
	int n = info->fast ? info->fast(op, kernels) : 0, i;

	for (i = 0; i < n; i++)
		snprintf(i ? got + strlen(got) : got, sizeof(got) - (i ? strlen(got) : 0), "%s%s", i ? " " : "", hip_kernel_name(kernels[i]));
	tap_ok(!strcmp(got, want), "%s: %s", what, got);
}

static struct cpu_op attention(uint32_t k_type, uint32_t v_type, uint32_t k, uint32_t v, uint32_t heads, uint32_t tokens)
{
	struct cpu_op op = { .code = DSEEK_OP_ATTENTION };

	row(op.t, DSEEK_F32, k, heads, tokens);
	row(op.t + 1, k_type, k, 2, 100);
	row(op.t + 2, v_type, v, 2, 100);
	row(op.t + 3, DSEEK_I32, tokens, 1, 1);
	row(op.t + 4, DSEEK_F32, v, heads, tokens);
	return op;
}

static void attentions(void)
{
	struct cpu_op op = attention(DSEEK_F16, DSEEK_F16, 64, 64, 8, 1);

	form(&op, "dsk_slot_attend_f16_64 dsk_attn_merge_64", "attention, heads of 64 in f16");
	op.t[1].data += 2;
	form(&op, "plain", "keys that don't begin with a word");
	op.t[1].data += 2;
	form(&op, "dsk_slot_attend_f16_64 dsk_attn_merge_64", "at the next word");
	op.t[2].stride[2] += 2;
	form(&op, "plain", "values that don't");
	op = attention(DSEEK_BF16, DSEEK_BF16, 128, 128, 8, 500);
	form(&op, "dsk_slot_attend_bf16_128 dsk_attn_merge_128", "heads of 128 in bf16");
	op.precise = true;
	form(&op, "plain", "with float32 everywhere");
	op = attention(DSEEK_F16, DSEEK_F16, 128, 128, 8, 500);
	op.precise = true;
	form(&op, "dsk_slot_attend_f16_128 dsk_attn_merge_128", "with that, in f16");
	op = attention(DSEEK_BF16, DSEEK_BF16, 32, 32, 2, 3);
	form(&op, "dsk_slot_attend_bf16_32", "heads of 32");
	op = attention(DSEEK_BF16, DSEEK_F16, 64, 64, 2, 3);
	form(&op, "plain", "keys and values of two types");
	op = attention(DSEEK_F16, DSEEK_F16, 64, 32, 2, 3);
	form(&op, "plain", "of two sizes");
	op = attention(DSEEK_F16, DSEEK_F16, 80, 80, 2, 3);
	form(&op, "plain", "heads of 80");
	op = attention(DSEEK_F16, DSEEK_F16, 64, 64, 65536, 3);
	op.t[1].ne[1] = op.t[2].ne[1] = 65536;
	form(&op, "plain", "of more key heads than a grid has");
	op = attention(DSEEK_F32, DSEEK_F32, 64, 64, 2, 3);
	form(&op, "plain", "in f32");
	op = attention(DSEEK_Q8_0, DSEEK_Q8_0, 64, 64, 2, 3);
	form(&op, "plain", "in q8_0");
}

static void dense(void)
{
	struct cpu_op op = { .code = DSEEK_OP_LINEAR };

	row(op.t, DSEEK_F32, 64, 3, 1);
	row(op.t + 1, DSEEK_Q4_0, 64, 40, 1);
	row(op.t + 4, DSEEK_F32, 40, 3, 1);
	form(&op, "dsk_linear_few dsk_linear_many", "a product");
	op.precise = true;
	form(&op, "plain", "of a program with float32 everywhere");
	op = (struct cpu_op){ .code = DSEEK_OP_HEAD_LINEAR };
	row(op.t, DSEEK_F32, 64, 4, 3);
	row(op.t + 1, DSEEK_Q4_0, 64, 40, 4);
	row(op.t + 2, DSEEK_F32, 40, 4, 3);
	form(&op, "dsk_head_linear_few dsk_head_linear_many", "heads' products");
	op.precise = true;
	form(&op, "plain", "with float32 everywhere");
	op.precise = false;
	op.t[1].ne[2] = 65536;
	form(&op, "plain", "of more heads than a grid has");
	op = (struct cpu_op){ .code = DSEEK_OP_GLU };
	row(op.t, DSEEK_F32, 64, 3, 1);
	row(op.t + 1, DSEEK_Q4_0, 64, 40, 1);
	row(op.t + 2, DSEEK_Q4_0, 64, 40, 1);
	row(op.t + 3, DSEEK_F32, 40, 3, 1);
	form(&op, "dsk_linear_glu_few dsk_linear_glu_many", "a gated layer");
	op.precise = true;
	form(&op, "plain", "with float32 everywhere");
	op.precise = false;
	op.t[2].layout = DSEEK_LAYOUT_PACKED;
	form(&op, "plain", "of two layouts");
	op.t[2].layout = 0;
	op.t[2].dtype = DSEEK_Q8_0;
	form(&op, "plain", "of two types");
}

static struct cpu_op moe(uint32_t tokens, uint32_t experts)
{
	struct cpu_op op = { .code = DSEEK_OP_MOE_FFN };
	int n;

	row(op.t, DSEEK_F32, 64, tokens, 1);
	row(op.t + 1, DSEEK_I32, 2, tokens, 1);
	row(op.t + 2, DSEEK_F32, 2, tokens, 1);
	for (n = 3; n < 6; n++)
		row(op.t + n, DSEEK_Q4_0, 64, 64, experts);
	row(op.t + 6, DSEEK_F32, 64, tokens, 1);
	row(op.t + 7, DSEEK_F32, 64, 2, tokens);
	return op;
}

static void experts(void)
{
	static const char grouped[] = "dsk_place dsk_expert_plan dsk_combine dsk_moe_glu_few dsk_moe_glu_many dsk_moe_down_few dsk_moe_down_many";
	struct cpu_op op = moe(2, DSK_MAX_EXPERTS);

	form(&op, grouped, "experts of two tokens");
	op.t[5].dtype = DSEEK_F16;
	form(&op, grouped, "down of another type");
	op.t[4].layout = DSEEK_LAYOUT_PACKED;
	form(&op, "plain", "up in another layout");
	op = moe(1, 8);
	op.t[1].stride[1] = 12;
	form(&op, "plain", "experts of one token");
	op = moe(2, DSK_MAX_EXPERTS + 1);
	form(&op, "plain", "more of them than an order has");
	op = moe(2, 8);
	op.precise = true;
	form(&op, "plain", "with float32 everywhere");
	op = moe(2, 8);
	op.t[1].stride[1] = 12;
	form(&op, "plain", "a gap between tokens' experts");
	op = moe(2, 8);
	op.t[2].stride[1] = 12;
	form(&op, "plain", "between their weights");
}

int main(void)
{
	attentions();
	dense();
	experts();
	return tap_end();
}
