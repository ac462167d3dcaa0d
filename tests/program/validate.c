// SPDX-License-Identifier: MIT
/* Every branch of the validation: a fault put into a valid program, and the sentence it gives. */
#include "../tap.h"
#include "sample_program.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum where { NONE, HEADER, PARAM, BINDING, TENSOR, OP, LABEL };

struct change {
	enum where where;
	int index;		/* in its table; a tensor: that of operand @operand of op @index */
	int operand;
	size_t offset, size;
	uint64_t value;
};

struct fault {
	const char *want;
	struct change changes[4];
};

#define SET(where, index, operand, type, field, value) \
	{ where, index, operand, offsetof(struct dseek_program_##type, field), \
	  sizeof(((struct dseek_program_##type *)0)->field), value }
#define H(field, value)			SET(HEADER, 0, 0, header, field, value)
#define P(i, field, value)		SET(PARAM, i, 0, param, field, value)
#define B(i, field, value)		SET(BINDING, i, 0, binding, field, value)
#define T(op, operand, field, value)	SET(TENSOR, op, operand, tensor, field, value)
#define O(n, field, value)		SET(OP, n, 0, op, field, value)
#define L(i, field, value)		SET(LABEL, i, 0, label, field, value)
#define NO	DSEEK_NO_TENSOR
#define NAN_BITS 0x7fc00000
#define NEGATIVE 0xbf800000	/* -1.0f */

static const struct fault faults[] = {
	{ "header: magic 0x00000001 is not a program's 0x504b5344", { H(magic, 1) } },
	{ "header: version 2, this is version 1", { H(version, 2) } },
	{ "header: unknown flags 0x8000", { H(flags, 0x8001) } },
	{ "header: total_size ", { H(code_size, 8) } },
	{ "header: 65 parameters, at most 64", { H(n_params, 65) } },
	{ "header: 17 bindings, at most 16", { H(n_bindings, 17) } },
	{ "header: 8193 tensors, at most 8192", { H(n_tensors, 8193) } },
	{ "header: 8193 ops, at most 8192", { H(n_ops, 8193) } },
	{ "header: no ops", { H(n_ops, 0) } },
	{ "header: 21 labels for 20 ops", { H(n_labels, 21) } },
	{ "header: total_size ", { H(n_labels, 2) } },
	{ "header: total_size 7, its tables take ", { H(total_size, 7) } },
	{ "header: total_size ", { H(n_ops, 17) } },
	{ "parameter 0: least value 6 is above the largest, 5", { P(P_TOKENS, min, 6) } },
	{ "binding 2: pad is not zero", { B(B_CACHE, pad, 1) } },
	{ "binding 2: access 0x0 is neither read, write nor both", { B(B_CACHE, access, 0) } },
	{ "binding 2: access 0x7 is neither read, write nor both", { B(B_CACHE, access, 7) } },
	{ "binding 0: min_size 0 is not in 1..2^48", { B(0, min_size, 0) } },
	{ "binding 0: min_size 281474976710657 is not in 1..2^48", { B(0, min_size, (1ULL << 48) + 1) } },

	{ "tensor 4: unknown element type 11", { T(O_EMBED, 1, dtype, DSEEK_DTYPE_COUNT) } },
	{ "tensor 4: unknown layout 2", { T(O_EMBED, 1, layout, 2) } },
	{ "tensor 4: pad is not zero", { T(O_EMBED, 1, pad, 1) } },
	{ "tensor 4: binding 5, there are 5", { T(O_EMBED, 1, binding, 5) } },
	{ "tensor 4: offset 32 is not a multiple of 64", { T(O_EMBED, 1, offset, 32) } },
	{ "tensor 4: extent 1 is 0, not in 1..2^31-1", { T(O_EMBED, 1, ne[1], 0) } },
	{ "tensor 4: extent 1 is 2147483648, not in 1..2^31-1", { T(O_EMBED, 1, ne[1], 1u << 31) } },
	{ "tensor 0: extent 0 is parameter 4, there are 4", { T(O_EMBED, 0, ne_param[0], 4) } },
	{ "tensor 0: extent 0 is 6, but parameter 0 goes up to 5", { T(O_EMBED, 0, ne[0], 6) } },
	{ "tensor 0: extent 0 is parameter 0, which may be 0", { P(P_TOKENS, min, 0) } },
	{ "tensor 6: extent 1 of a PACKED tensor can't be a parameter",
	  { T(O_LINEAR, 1, ne_param[1], P_WINDOW), P(P_WINDOW, min, 64) } },
	{ "tensor 4: extent 0 of whole blocks can't be a parameter",
	  { T(O_EMBED, 1, ne_param[0], P_WINDOW), P(P_WINDOW, min, 64) } },
	{ "tensor 4: 65 elements are not whole blocks of ", { T(O_EMBED, 1, ne[0], 65) } },
	{ "tensor 4: stride[0] 69 is not a multiple of 2", { T(O_EMBED, 1, stride[0], 69) } },
	{ "tensor 5: stride[2] 258 is not a multiple of 4", { T(O_RMSNORM, 1, stride[2], 258) } },
	{ "tensor 4: stride[0] 70 is not a multiple of 4", { T(O_EMBED, 1, dtype, DSEEK_F8_E4M3), T(O_EMBED, 1, stride[0], 70) } },
	{ "tensor 4: stride[2] is above 2^48", { T(O_EMBED, 1, stride[2], (1ULL << 48) + 2) } },
	{ "tensor 4: stride[0] 66 is below the 68 bytes of what it steps over", { T(O_EMBED, 1, stride[0], 66) } },
	{ "tensor 15: stride[1] 1000 is below the 4608 bytes of what it steps over", { T(O_MOE_FFN, 4, stride[1], 1000) } },
	{ "tensor 4: it is larger than 2^48 bytes", { T(O_EMBED, 1, stride[0], 1ULL << 48) } },
	{ "tensor 4: it is larger than 2^48 bytes",
	  { T(O_EMBED, 1, ne[1], INT32_MAX), T(O_EMBED, 1, stride[0], 1ULL << 47) } },
	{ "tensor 4: it ends at byte ", { T(O_EMBED, 1, stride[0], 1ULL << 40) } },
	{ "tensor 4: it ends at byte 12928 of binding 0, whose min_size is ",
	  { T(O_EMBED, 1, offset, 6400), B(0, min_size, 12927) } },
	{ "tensor 4: it ends at byte ", { T(O_EMBED, 1, offset, ~63ULL) } },
	{ "tensor 14: F32 [64,128,4,2] has no PACKED layout",
	  { T(O_MOE_FFN, 3, dtype, DSEEK_F32), T(O_MOE_FFN, 3, ne[3], 2) } },
	{ "tensor 14: it is PACKED, but its strides are not the contiguous ones", { T(O_MOE_FFN, 3, stride[2], 64) } },
	{ "tensor 14: it is PACKED, but its strides are not the contiguous ones", { T(O_MOE_FFN, 3, stride[1], 64) } },
	{ "tensor 14: it is PACKED, but its strides are not the contiguous ones", { T(O_MOE_FFN, 3, stride[0], 64) } },

	{ "op 3: unknown code 18", { O(O_EMBED, code, DSEEK_OP_COUNT) } },
	{ "op 3 (embed): it does not take flags 0x1", { O(O_EMBED, flags, DSEEK_OPF_ACCUMULATE) } },
	{ "op 3 (embed): integer 0 is not zero, and it has no such argument", { O(O_EMBED, i[0], 1) } },
	{ "op 3 (embed): integer 7 is not zero, and it has no such argument", { O(O_EMBED, i_param, 128) } },
	{ "op 3 (embed): i_param 0x100 names integers that do not exist", { O(O_EMBED, i_param, 256) } },
	{ "op 10 (glu): integer 0 (act) can't be a parameter", { O(O_GLU, i_param, 1) } },
	{ "op 10 (glu): integer 0 (act) may be 4, not in 0..3", { O(O_GLU, i[0], 4) } },
	{ "op 8 (attention): integer 0 (window) is parameter 4, there are 4", { O(O_ATTENTION, i[0], 4) } },
	{ "op 8 (attention): integer 0 (window) may be 2147483648, not in 0..2147483647",
	  { P(P_WINDOW, max, 1u << 31) } },
	{ "op 12 (moe_route): integer 0 (k) may be 0, not in 1..2147483647", { O(O_ROUTE, i[0], 0) } },
	{ "op 10 (glu): float 3 is not zero, and it has no such argument", { O(O_GLU, f[3], NAN_BITS) } },
	{ "op 4 (rmsnorm): float 0 (eps) is nan, not in ", { O(O_RMSNORM, f[0], NAN_BITS) } },
	{ "op 4 (rmsnorm): float 0 (eps) is -1, not in ", { O(O_RMSNORM, f[0], NEGATIVE) } },
	{ "op 6 (rope): float 0 (base) is 0, not in ", { O(O_ROPE, f[0], 0) } },
	{ "op 6 (rope): float 2 (magnitude) is -1, not in ", { O(O_ROPE, f[2], NEGATIVE) } },
	{ "op 6 (rope): float 2 (magnitude) is nan, not in ", { O(O_ROPE, f[2], NAN_BITS) } },
	{ "op 6 (rope): float 3 is not zero, and it has no such argument", { O(O_ROPE, f[3], NAN_BITS) } },

	{ "op 4 (rmsnorm): it has no operand 3, but tensor 5 is given for it", { O(O_RMSNORM, t[3], 5) } },
	{ "op 4 (rmsnorm): operand 0 (x): it is missing", { O(O_RMSNORM, t[0], NO) } },
	{ "op 4 (rmsnorm): operand 1 (weight): tensor 1000, there are ", { O(O_RMSNORM, t[1], 1000) } },
	{ "op 4 (rmsnorm): operand 1 (weight): it can't be I32", { O(O_RMSNORM, t[1], 0) } },
	{ "op 3 (embed): operand 1 (table): it can't be I32", { O(O_EMBED, t[1], 0) } },
	{ "op 11 (linear): operand 7 (bias1): it can't be PACKED", { O(O_LINEAR_BIAS, t[7], 16), T(O_MOE_FFN, 5, offset, 0) } },
	{ "op 3 (embed): operand 2 (out): it is written, which binding 1 does not allow",
	  { B(B_ACT, access, DSEEK_ACCESS_READ) , O(O_COPY, code, DSEEK_OP_NOP), O(O_COPY, t[0], NO), O(O_COPY, t[1], NO) } },
	{ "op 3 (embed): operand 0 (ids): it is read, which binding 3 does not allow",
	  { B(B_INPUT, access, DSEEK_ACCESS_WRITE) } },
	{ "op 9 (linear): operand 4 (out1): it is read, which binding 4 does not allow",
	  { O(O_LINEAR_ADD, t[4], 37) } },
	{ "op 4 (rmsnorm): operand 1 (weight): it has 2 dimensions, not 1", { O(O_RMSNORM, t[1], 12) } },
	{ "op 5 (linear): operand 3 (w3): extent 1 must be a constant",
	  { T(O_LINEAR, 3, ne_param[1], P_WINDOW), P(P_WINDOW, min, 32), P(P_WINDOW, max, 32) } },
	{ "op 5 (linear): operand 2 (w2): extent 0 is 128, that of operand 0 (x) is 64", { O(O_LINEAR, t[2], 16) } },
	{ "op 16 (rows): operand 2 (out): extent 1 and that of operand 1 (rows) are not the same parameter",
	  { T(O_ROWS, 2, ne_param[1], DSEEK_NO_PARAM) } },
	{ "op 2 (copy): operand 1 (dst): extent 1 and that of operand 0 (src) are not the same parameter",
	  { T(O_COPY, 1, ne_param[1], DSEEK_NO_PARAM) } },
	{ "op 2 (copy): operand 1 (dst): it is written and overlaps operand 0 (src)",
	  { T(O_COPY, 1, offset, 64) } },
	{ "op 4 (rmsnorm): operand 2 (out): it is written and overlaps operand 0 (x)",
	  { O(O_RMSNORM, t[2], 22), T(O_RMSNORM, 2, offset, 64) } },
	{ "op 15 (mul): operand 2 (out): it is written and overlaps operand 0 (a)",
	  { O(O_MUL, t[0], 22), O(O_MUL, t[2], 28), T(O_MUL, 0, offset, 7744) } },
	{ "op 5 (linear): operand 4 (out1): it is written and overlaps operand 5 (out2)",
	  { T(O_LINEAR, 5, offset, 2560) } },

	{ "op 13 (moe_ffn): integer 0 (act) may be 4, not in 0..3", { O(O_MOE_FFN, i[0], 4) } },
	{ "op 13 (moe_ffn): operand 8 (gate_bias): extent 1 is 1, that of operand 3 (gate) is 4", { T(O_MOE_FFN, 8, ne[1], 1) } },
	{ "op 13 (moe_ffn): operand 9 (up_bias): extent 0 is 127, that of operand 3 (gate) is 128", { T(O_MOE_FFN, 9, ne[0], 127) } },
	{ "op 13 (moe_ffn): operand 10 (down_bias): it can't be F16", { T(O_MOE_FFN, 10, dtype, DSEEK_F16) } },
	{ "op 13 (moe_ffn): it has no operand 11, but tensor 5 is given for it", { O(O_MOE_FFN, t[11], 5) } },

	{ "op 5 (linear): w2 and out2 are not both there", { O(O_LINEAR, t[5], NO) } },
	{ "op 5 (linear): w3 and out3 are not both there", { O(O_LINEAR, t[3], NO) } },
	{ "op 11 (linear): bias2 without w2", { O(O_LINEAR_BIAS, t[8], 13) } },
	{ "op 11 (linear): bias3 without w3", { O(O_LINEAR_BIAS, t[9], 13) } },
	{ "op 5 (linear): w3 without w2", { O(O_LINEAR, t[2], NO), O(O_LINEAR, t[5], NO) } },
	{ "op 6 (rope): 3 dimensions can't be rotated in pairs", { O(O_ROPE, i[0], 3) } },
	{ "op 6 (rope): 18 dimensions rotated of 16", { O(O_ROPE, i[0], 18) } },
	{ "op 6 (rope): 8 factors for 14 rotated dimensions", { O(O_ROPE, i[0], 14) } },
	{ "op 7 (kv_store): v and v_cache are not both there", { O(O_KV_STORE, t[1], NO) } },
	{ "op 7 (kv_store): v and v_cache are not both there", { O(O_KV_STORE, t[3], NO) } },
	{ "op 7 (kv_store): operand 2 (k_cache): it is written and overlaps operand 3 (v_cache)", { T(O_KV_STORE, 3, offset, 0) } },
	{ "op 8 (attention): 3 query heads can't share 2 key heads evenly",
	  { T(O_ATTENTION, 0, ne[1], 3), T(O_ATTENTION, 4, ne[1], 3), T(O_ATTENTION, 5, ne[0], 3) } },
	{ "op 7 (kv_store): operand 2 (k_cache): it can't be I32", { O(O_KV_STORE, t[2], 0) } },
	{ "op 7 (kv_store): it does not take flags 0x1", { O(O_KV_STORE, flags, DSEEK_OPF_RING | DSEEK_OPF_ACCUMULATE) } },
	{ "op 7 (kv_store): 5 tokens in a ring of 4 slots",
	  { O(O_KV_STORE, flags, DSEEK_OPF_RING), T(O_KV_STORE, 2, ne[2], 4), T(O_KV_STORE, 3, ne[2], 4) } },
	{ "op 8 (attention): a ring without a window", { O(O_ATTENTION, flags, DSEEK_OPF_RING) } },
	{ "op 8 (attention): a ring without a window",
	  { O(O_ATTENTION, flags, DSEEK_OPF_RING), O(O_ATTENTION, i_param, 0), O(O_ATTENTION, i[0], 0) } },
	{ "op 8 (attention): a ring of 32 slots for a window of up to 64 and 5 tokens, which need 68",
	  { O(O_ATTENTION, flags, DSEEK_OPF_RING), P(P_WINDOW, min, 1) } },
	{ "op 8 (attention): a ring of 32 slots for a window of up to 29 and 5 tokens, which need 33",
	  { O(O_ATTENTION, flags, DSEEK_OPF_RING), O(O_ATTENTION, i_param, 0), O(O_ATTENTION, i[0], 29) } },
	{ "op 12 (moe_route): it selects 3 experts, ids holds 2", { O(O_ROUTE, i[0], 3) } },
	{ "op 12 (moe_route): it keeps 1 groups of experts, but there are none", { O(O_ROUTE, i[3], 1) } },
	{ "op 12 (moe_route): 4 experts can't be in 3 groups evenly", { O(O_ROUTE, i[2], 3), O(O_ROUTE, i[3], 2) } },
	{ "op 12 (moe_route): it keeps 0 of 2 groups", { O(O_ROUTE, i[2], 2) } },
	{ "op 12 (moe_route): it keeps 3 of 2 groups", { O(O_ROUTE, i[2], 2), O(O_ROUTE, i[3], 3) } },
	{ "op 12 (moe_route): it selects 2 experts from 1 groups of 1", { O(O_ROUTE, i[2], 4), O(O_ROUTE, i[3], 1) } },
	{ "op 12 (moe_route): integer 2 (groups) can't be a parameter", { O(O_ROUTE, i_param, 4) } },
	{ "op 12 (moe_route): integer 3 (kept) may be 2147483648, not in 0..2147483647", { O(O_ROUTE, i[3], 1u << 31) } },
	{ "op 12 (moe_route): it selects 2 of 1 experts",
	  { T(O_ROUTE, 0, ne[0], 1), T(O_ROUTE, 3, ne[0], 1), O(O_LINEAR_BIAS, code, DSEEK_OP_NOP) } },

	{ "op 18 (head_linear): operand 1 (w): extent 0 is 12, that of operand 0 (x) is 16",
	  { T(O_HEAD_LINEAR, 1, ne[0], 12), T(O_HEAD_LINEAR, 1, layout, 0) } },
	{ "op 18 (head_linear): operand 1 (w): extent 2 is 1, that of operand 0 (x) is 4", { T(O_HEAD_LINEAR, 1, ne[2], 1), T(O_HEAD_LINEAR, 1, stride[2], 1024) } },
	{ "op 18 (head_linear): operand 2 (out): it is written and overlaps operand 0 (x)", { T(O_HEAD_LINEAR, 2, offset, 2560) } },
	{ "op 18 (head_linear): operand 2 (out): it can't be F16", { T(O_HEAD_LINEAR, 2, dtype, DSEEK_F16) } },
	{ "op 18 (head_linear): it does not take flags 0x1", { O(O_HEAD_LINEAR, flags, DSEEK_OPF_ACCUMULATE) } },
	{ "op 19 (latent_attention): rows of 2 key heads, latent attention has one",
	  { T(O_LATENT, 1, ne[1], 2), T(O_LATENT, 1, ne[2], 16), T(O_LATENT, 1, stride[0], 64), T(O_LATENT, 1, stride[1], 128) } },
	{ "op 19 (latent_attention): queries of 8 elements, 8 of which are not rotated, leave none that are", 
	  { O(O_ROPE, code, DSEEK_OP_NOP), O(O_ATTENTION, code, DSEEK_OP_NOP), O(O_HEAD_LINEAR, code, DSEEK_OP_NOP), T(O_LATENT, 0, ne[0], 8) } },
	{ "op 19 (latent_attention): rows of 31 elements for a latent of 24 and a rotated key of 8",
	  { T(O_LATENT, 1, ne[0], 31), T(O_LATENT, 7, ne[0], 31) } },
	{ "op 19 (latent_attention): a latent of 24 elements is not whole blocks of Q8_0", { T(O_LATENT, 1, dtype, DSEEK_Q8_0) } },
	{ "op 19 (latent_attention): operand 6 (k_turned): extent 1 is 7, that of operand 2 (k) is 8", { T(O_LATENT, 6, ne[1], 7) } },
	{ "op 19 (latent_attention): operand 8 (mixtures): it is written and overlaps operand 0 (q)", { T(O_LATENT, 8, offset, 2560) } },
	{ "op 19 (latent_attention): operand 2 (k): it is missing", { O(O_LATENT, t[2], NO) } },
	{ "op 19 (latent_attention): it does not take flags 0x4", { O(O_LATENT, flags, DSEEK_OPF_RING) } },
	{ "label 2: op 20, there are 20", { L(2, op, 20) } },
	{ "label 1: op 3 is not behind the one before, 3", { L(1, op, 3) } },
	{ "label 1: character 2 is not printable, or a blank", { L(1, name[2], ' ') } },
	{ "label 0: character 0 is not printable, or a blank", { L(0, name[0], 0x7f) } },
	{ "label 0: character 1 is not printable, or a blank", { L(0, name[1], 0xc3) } },
	{ "label 1: its name has not 1 to 27 characters", { L(1, name[0], 0) } },
	{ "label 1: not zero behind its name", { L(1, name[27], 'x') } },
};

struct tables {
	struct dseek_program_header *header;
	struct dseek_program_param *params;
	struct dseek_program_binding *bindings;
	struct dseek_program_tensor *tensors;
	struct dseek_program_op *ops;
	struct dseek_program_label *labels;
};

static struct tables tables_of(void *blob)
{
	struct tables t = { .header = blob };

	t.params = (void *)(t.header + 1);
	t.bindings = (void *)(t.params + t.header->n_params);
	t.tensors = (void *)(t.bindings + t.header->n_bindings);
	t.ops = (void *)(t.tensors + t.header->n_tensors);
	t.labels = (void *)(t.ops + t.header->n_ops);
	return t;
}

static void apply(const struct tables *t, const struct change *c)
{
	char *at;

	switch (c->where) {
	case HEADER: at = (char *)t->header; break;
	case PARAM: at = (char *)&t->params[c->index]; break;
	case BINDING: at = (char *)&t->bindings[c->index]; break;
	case TENSOR: at = (char *)&t->tensors[t->ops[c->index].t[c->operand]]; break;
	case OP: at = (char *)&t->ops[c->index]; break;
	case LABEL: at = (char *)&t->labels[c->index]; break;
	default: return;
	}
	memcpy(at + c->offset, &c->value, c->size);
	/* An op that becomes a NOP must look like one. */
	if (c->where == OP && c->offset == offsetof(struct dseek_program_op, code) && c->value == DSEEK_OP_NOP) {
		memset(at, 0, sizeof(struct dseek_program_op));
		memset(((struct dseek_program_op *)at)->t, 0xff, sizeof(t->ops->t));
	}
}

static void test_valid(void)
{
	struct dseek_program_view view;
	char err[256] = "";
	size_t size;
	void *blob = sample_program(&size);

	tap_got(!dseek_program_validate(blob, size, &view, err, sizeof(err)), "the sample program is valid", err);
	tap_got(view.header == blob && view.header->n_ops == O_COUNT &&
	       (char *)(view.labels + view.header->n_labels) == (char *)blob + size, "the view covers the blob", "");
	tap_got(!*dseek_program_label(&view, 0) && !*dseek_program_label(&view, O_EMBED - 1) &&
	       !strcmp(dseek_program_label(&view, O_EMBED), "embed") && !strcmp(dseek_program_label(&view, O_RMSNORM), "layer") &&
	       !strcmp(dseek_program_label(&view, O_ROWS - 1), "layer") && !strcmp(dseek_program_label(&view, O_ARGMAX), "output"),
	       "a label holds until the next", "");
	free(blob);
}

/* Values that are a part of the keys' rows: nothing is stored for them, attention reads them where they are. */
static void test_values_in_keys(void)
{
	struct dseek_program_view view;
	char err[256] = "";
	struct tables t;
	size_t size;
	void *blob = sample_program(&size);
	struct dseek_program_tensor *k, *v, *out;

	t = tables_of(blob);
	t.ops[O_KV_STORE].t[1] = t.ops[O_KV_STORE].t[3] = NO;
	k = &t.tensors[t.ops[O_ATTENTION].t[1]];
	v = &t.tensors[t.ops[O_ATTENTION].t[2]];
	out = &t.tensors[t.ops[O_ATTENTION].t[4]];
	v->offset = k->offset;
	memcpy(v->stride, k->stride, sizeof(v->stride));
	v->ne[0] = out->ne[0] = 12;
	tap_got(!dseek_program_validate(blob, size, &view, err, sizeof(err)), "values in the keys' rows", err);
	free(blob);
}

static void test_fault(const struct fault *f)
{
	struct dseek_program_view view, untouched;
	char err[256] = "", tiny[8];
	struct tables t;
	size_t size;
	void *blob = sample_program(&size);
	int rc;

	memset(&view, 0x5a, sizeof(view));
	untouched = view;
	t = tables_of(blob);
	for (int i = 0; i < 4; i++)
		apply(&t, &f->changes[i]);
	rc = dseek_program_validate(blob, size, &view, err, sizeof(err));
	tap_got(rc == -EINVAL && !strncmp(err, f->want, strlen(f->want)), f->want, err);
	if (memcmp(&view, &untouched, sizeof(view)))
		tap_got(0, "the view is untouched on failure", f->want);
	if (dseek_program_validate(blob, size, &view, NULL, 0) != -EINVAL ||
	    dseek_program_validate(blob, size, &view, tiny, sizeof(tiny)) != -EINVAL || strlen(tiny) >= sizeof(tiny))
		tap_got(0, "no room for the sentence", f->want);
	free(blob);
}

static void test_sizes(void)
{
	struct dseek_program_view view;
	char err[256];
	size_t size;
	char *blob = sample_program(&size), *odd = malloc(size + 8);
	uint32_t bad = 0;

	for (size_t n = 0; n < size; n++) {
		char *copy = malloc(n ? n : 1);	/* exact, so that a sanitizer sees any read behind it */

		memcpy(copy, blob, n);
		if (dseek_program_validate(copy, n, &view, err, sizeof(err)) != -EINVAL)
			bad++;
		free(copy);
	}
	tap_got(!bad, "every shorter length is refused", err);
	tap_got(dseek_program_validate(blob, 8, &view, err, sizeof(err)) == -EINVAL &&
	       !strcmp(err, "header: 8 bytes, a header has 32"), "a truncated header", err);
	tap_got(dseek_program_validate(blob, size - 1, &view, err, sizeof(err)) == -EINVAL &&
	       strstr(err, "bytes were given"), "a truncated table", err);
	memcpy(odd + 4, blob, size);
	tap_got(dseek_program_validate(odd + 4, size, &view, err, sizeof(err)) == -EINVAL &&
	       !strcmp(err, "header: the program is not at an 8-aligned address"), "an unaligned program", err);
	tap_got(dseek_program_validate(NULL, 0, &view, err, sizeof(err)) == -EINVAL, "no program", err);
	free(odd);
	free(blob);
}

int main(void)
{
	test_valid();
	test_values_in_keys();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		test_fault(&faults[i]);
	test_sizes();
	return tap_end();
}
