// SPDX-License-Identifier: MIT
/* Types of the GGUF format: of values, and of tensors with their dseek_dtype. */
#include <string.h>

#include "dseek_program.h"
#include "gguf.h"

static const struct {
	const char *name;
	uint32_t bytes;
} value_types[GGUF_TYPE_COUNT] = {
	[GGUF_U8] = { "u8", 1 }, [GGUF_I8] = { "i8", 1 }, [GGUF_U16] = { "u16", 2 }, [GGUF_I16] = { "i16", 2 },
	[GGUF_U32] = { "u32", 4 }, [GGUF_I32] = { "i32", 4 }, [GGUF_F32] = { "f32", 4 }, [GGUF_BOOL] = { "bool", 1 },
	[GGUF_STRING] = { "string", 0 }, [GGUF_ARRAY] = { "array", 0 }, [GGUF_U64] = { "u64", 8 },
	[GGUF_I64] = { "i64", 8 }, [GGUF_F64] = { "f64", 8 },
};

/*
 * Numbers, blocks and sizes: ggml/include/ggml.h and ggml-common.h. Gaps were withdrawn from the
 * format.
 */
static const struct gguf_tensor_type tensor_types[] = {
	[0] = { "f32", 1, 4, DSEEK_F32 },	[1] = { "f16", 1, 2, DSEEK_F16 },
	[2] = { "q4_0", 32, 18, DSEEK_Q4_0 },	[3] = { "q4_1", 32, 20, DSEEK_Q4_1 },
	[6] = { "q5_0", 32, 22, -1 },		[7] = { "q5_1", 32, 24, -1 },
	[8] = { "q8_0", 32, 34, DSEEK_Q8_0 },	[9] = { "q8_1", 32, 36, -1 },
	[10] = { "q2_K", 256, 84, -1 },		[11] = { "q3_K", 256, 110, -1 },
	[12] = { "q4_K", 256, 144, DSEEK_Q4_K },	[13] = { "q5_K", 256, 176, -1 },
	[14] = { "q6_K", 256, 210, DSEEK_Q6_K },	[15] = { "q8_K", 256, 292, -1 },
	[16] = { "iq2_xxs", 256, 66, -1 },	[17] = { "iq2_xs", 256, 74, -1 },
	[18] = { "iq3_xxs", 256, 98, -1 },	[19] = { "iq1_s", 256, 50, -1 },
	[20] = { "iq4_nl", 32, 18, -1 },	[21] = { "iq3_s", 256, 110, -1 },
	[22] = { "iq2_s", 256, 82, -1 },	[23] = { "iq4_xs", 256, 136, -1 },
	[24] = { "i8", 1, 1, -1 },		[25] = { "i16", 1, 2, -1 },
	[26] = { "i32", 1, 4, DSEEK_I32 },	[27] = { "i64", 1, 8, -1 },
	[28] = { "f64", 1, 8, -1 },		[29] = { "iq1_m", 256, 56, -1 },
	[30] = { "bf16", 1, 2, DSEEK_BF16 },	[34] = { "tq1_0", 256, 54, -1 },
	[35] = { "tq2_0", 256, 66, -1 },	[39] = { "mxfp4", 32, 17, DSEEK_MXFP4 },
};

#define N_TENSOR_TYPES (sizeof(tensor_types) / sizeof(tensor_types[0]))

const char *gguf_type_name(uint32_t type)
{
	return type < GGUF_TYPE_COUNT ? value_types[type].name : NULL;
}

uint32_t gguf_type_bytes(uint32_t type)
{
	return type < GGUF_TYPE_COUNT ? value_types[type].bytes : 0;
}

const struct gguf_tensor_type *gguf_tensor_type(uint32_t type)
{
	return type < N_TENSOR_TYPES && tensor_types[type].name ? &tensor_types[type] : NULL;
}

int gguf_tensor_type_of(int dtype)
{
	for (size_t i = 0; dtype >= 0 && i < N_TENSOR_TYPES; i++)
		if (tensor_types[i].name && tensor_types[i].dtype == dtype)
			return (int)i;
	return -1;
}

bool gguf_str_eq(struct gguf_str s, const char *text)
{
	return s.size == strlen(text) && !memcmp(s.data, text, s.size);
}
