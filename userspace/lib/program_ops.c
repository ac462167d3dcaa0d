// SPDX-License-Identifier: MIT
#include "program_ops.h"

#include <dseek.h>
#include <float.h>

#define IN	DSEEK_ACCESS_READ
#define OUT	DSEEK_ACCESS_WRITE
#define INOUT	(IN | OUT)

#define ANY	-FLT_MAX, FLT_MAX
#define LEAST	0.0f, FLT_MAX
#define ABOVE0	FLT_MIN, FLT_MAX

static const struct dseek_op_info ops[DSEEK_OP_COUNT] = {
	[DSEEK_OP_NOP] = { "nop" },
	[DSEEK_OP_SPIN] = {
		"spin",
		.i = { { "us", 0, 10000000, 1 } },
	},
	[DSEEK_OP_COPY] = {
		"copy",
		.t = {
			{ "src", "wxyz", OP_T_FLOAT, IN },
			{ "dst", "wxyz", OP_T_FLOAT, OUT },
		},
	},
	[DSEEK_OP_EMBED] = {
		"embed",
		.t = {
			{ "ids", "T", OP_T_I32, IN },
			{ "table", "EV", OP_T_WEIGHT, IN },
			{ "out", "ET", OP_T_F32, OUT },
		},
		.f = { { "scale", ANY } },
	},
	[DSEEK_OP_RMSNORM] = {
		"rmsnorm",
		.t = {
			{ "x", "Exy", OP_T_F32, IN },
			{ "weight", "E", OP_T_F32, IN, 1 },
			{ "out", "Exy", OP_T_F32, OUT, 0, 1 << 0 },
		},
		.f = { { "eps", LEAST } },
	},
	[DSEEK_OP_LINEAR] = {
		"linear", DSEEK_OPF_ACCUMULATE,
		.t = {
			{ "x", "KT", OP_T_F32, IN },
			{ "w1", "K1", OP_T_WEIGHT, IN },
			{ "w2", "K2", OP_T_WEIGHT, IN, 1 },
			{ "w3", "K3", OP_T_WEIGHT, IN, 1 },
			{ "out1", "1T", OP_T_F32, OUT },
			{ "out2", "2T", OP_T_F32, OUT, 1 },
			{ "out3", "3T", OP_T_F32, OUT, 1 },
			{ "bias1", "1", OP_T_F32, IN, 1 },
			{ "bias2", "2", OP_T_F32, IN, 1 },
			{ "bias3", "3", OP_T_F32, IN, 1 },
		},
	},
	[DSEEK_OP_GLU] = {
		"glu",
		.t = {
			{ "x", "KT", OP_T_F32, IN },
			{ "gate", "KF", OP_T_WEIGHT, IN },
			{ "up", "KF", OP_T_WEIGHT, IN },
			{ "out", "FT", OP_T_F32, OUT },
		},
		.i = { { "act", 0, DSEEK_ACT_COUNT - 1 } },
	},
	[DSEEK_OP_ROPE] = {
		"rope",
		.t = {
			{ "x", "DHT", OP_T_F32, INOUT },
			{ "positions", "T", OP_T_I32, IN },
			{ "factors", "P", OP_T_F32, IN, 1 },
		},
		.i = { { "dims", 2, 1 << 16 }, { "mode", 0, DSEEK_ROPE_COUNT - 1 } },
		.f = { { "base", ABOVE0 }, { "scale", ABOVE0 }, { "magnitude", LEAST } },
	},
	[DSEEK_OP_KV_STORE] = {
		"kv_store", DSEEK_OPF_RING,
		.t = {
			{ "k", "DGT", OP_T_F32, IN },
			{ "v", "EGT", OP_T_F32, IN, 1 },
			{ "k_cache", "DGN", OP_T_CACHE, OUT },
			{ "v_cache", "EGN", OP_T_CACHE, OUT, 1 },
			{ "slots", "T", OP_T_I32, IN },
		},
	},
	[DSEEK_OP_ATTENTION] = {
		"attention", DSEEK_OPF_RING,
		.t = {
			{ "q", "DHT", OP_T_F32, IN },
			{ "k_cache", "DGN", OP_T_CACHE, IN },
			{ "v_cache", "EGN", OP_T_CACHE, IN },
			{ "positions", "T", OP_T_I32, IN },
			{ "out", "EHT", OP_T_F32, OUT },
			{ "sinks", "H", OP_T_F32, IN, 1 },
		},
		.i = { { "window", 0, INT32_MAX, 1 } },
		.f = { { "scale", ANY }, { "softcap", LEAST } },
	},
	[DSEEK_OP_MOE_ROUTE] = {
		"moe_route", DSEEK_OPF_NORMALISE,
		.t = {
			{ "logits", "XT", OP_T_F32, IN },
			{ "ids", "KT", OP_T_I32, OUT },
			{ "weights", "KT", OP_T_F32, OUT },
			{ "bias", "X", OP_T_F32, IN, 1 },
		},
		.i = { { "k", 1, INT32_MAX }, { "gate", 0, DSEEK_GATE_COUNT - 1 }, { "groups", 0, INT32_MAX }, { "kept", 0, INT32_MAX } },
		.f = { { "scale", ANY }, { "least", LEAST } },
	},
	[DSEEK_OP_MOE_FFN] = {
		"moe_ffn",
		.t = {
			{ "x", "KT", OP_T_F32, IN },
			{ "ids", "JT", OP_T_I32, IN },
			{ "weights", "JT", OP_T_F32, IN },
			{ "gate", "KFX", OP_T_WEIGHT, IN },
			{ "up", "KFX", OP_T_WEIGHT, IN },
			{ "down", "FMX", OP_T_WEIGHT, IN },
			{ "out", "MT", OP_T_F32, OUT },
			{ "scratch", "FJT", OP_T_F32, INOUT },
			{ "gate_bias", "FX", OP_T_F32, IN, 1 },
			{ "up_bias", "FX", OP_T_F32, IN, 1 },
			{ "down_bias", "MX", OP_T_F32, IN, 1 },
		},
		.i = { { "act", 0, DSEEK_ACT_COUNT - 1 } },
	},
	[DSEEK_OP_ADD] = {
		"add",
		.t = {
			{ "a", "wxyz", OP_T_F32, IN },
			{ "b", "wxyz", OP_T_F32, IN },
			{ "out", "wxyz", OP_T_F32, OUT, 0, 1 << 0 | 1 << 1 },
		},
	},
	[DSEEK_OP_MUL] = {
		"mul",
		.t = {
			{ "a", "wxyz", OP_T_F32, IN },
			{ "b", "wxyz", OP_T_F32, IN },
			{ "out", "wxyz", OP_T_F32, OUT, 0, 1 << 0 | 1 << 1 },
		},
	},
	[DSEEK_OP_ROWS] = {
		"rows",
		.t = {
			{ "x", "ET", OP_T_F32, IN },
			{ "rows", "R", OP_T_I32, IN },
			{ "out", "ER", OP_T_F32, OUT },
		},
	},
	[DSEEK_OP_ARGMAX] = {
		"argmax",
		.t = {
			{ "x", "ET", OP_T_F32, IN },
			{ "out", "T", OP_T_I32, OUT },
		},
	},
	[DSEEK_OP_HEAD_LINEAR] = {
		"head_linear",
		.t = {
			{ "x", "KHT", OP_T_F32, IN },
			{ "w", "KMH", OP_T_WEIGHT, IN },
			{ "out", "MHT", OP_T_F32, OUT },
		},
	},
	[DSEEK_OP_LATENT_ATTENTION] = {
		"latent_attention",
		.t = {
			{ "q", "KHT", OP_T_F32, IN },
			{ "rows", "CGN", OP_T_CACHE, IN },
			{ "k", "PLH", OP_T_WEIGHT, IN },
			{ "v", "LMH", OP_T_WEIGHT, IN },
			{ "positions", "T", OP_T_I32, IN },
			{ "out", "MHT", OP_T_F32, OUT },
			{ "k_turned", "LPH", OP_T_WEIGHT, IN },
			{ "queries", "CHT", OP_T_F32, INOUT },
			{ "mixtures", "LHT", OP_T_F32, INOUT },
		},
		.i = { { "window", 0, INT32_MAX, 1 } },
		.f = { { "scale", ANY } },
	},
};

#define POINTER(name)	{ name, "*", OP_T_ANY, IN, 1 }

static const struct dseek_op_info kernel = {
	"kernel", DSEEK_OPF_WRITES(DSEEK_OP_TENSORS) - DSEEK_OPF_WRITES(0),
	.t = {
		POINTER("p0"), POINTER("p1"), POINTER("p2"), POINTER("p3"), POINTER("p4"), POINTER("p5"),
		POINTER("p6"), POINTER("p7"), POINTER("p8"), POINTER("p9"), POINTER("p10"), POINTER("p11"),
	},
	.i = {
		{ "kernel", 0, DSEEK_PROGRAM_MAX_KERNELS - 1 },
		{ "x", 1, INT32_MAX, 1 }, { "y", 1, 65535, 1 }, { "z", 1, 65535, 1 }, { "lanes", 1, 1024 },
		{ "first", 0, DSEEK_PROGRAM_MAX_PARAMS }, { "values", 0, DSEEK_PROGRAM_MAX_PARAMS },
	},
};

const struct dseek_op_info *dseek_op_info(uint32_t code)
{
	return code < DSEEK_OP_COUNT ? &ops[code] : code == DSEEK_OP_KERNEL ? &kernel : NULL;
}

const char *dseek_op_name(uint32_t code)
{
	const struct dseek_op_info *info = dseek_op_info(code);

	return info ? info->name : NULL;
}

uint32_t dseek_op_access(const struct dseek_op_info *info, const struct dseek_program_op *op, uint32_t n)
{
	uint32_t access = info->t[n].access;

	if ((op->flags & DSEEK_OPF_ACCUMULATE) && (access & DSEEK_ACCESS_WRITE))
		access |= DSEEK_ACCESS_READ;
	if (op->code == DSEEK_OP_KERNEL && op->flags & DSEEK_OPF_WRITES(n))
		access |= DSEEK_ACCESS_WRITE;
	return access;
}
