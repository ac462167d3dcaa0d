// SPDX-License-Identifier: MIT
/* Element types: sizes, and rows to and from float32. Blocks and roundings as in GGUF files. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../../kernels/f8.h"
#include "dseek_program.h"

static const struct {
	const char *name;
	uint16_t block, bytes;
	uint16_t tail;	/* bytes behind a row's blocks */
} dtypes[DSEEK_DTYPE_COUNT] = {
	[DSEEK_F32] = { "F32", 1, 4 },
	[DSEEK_F16] = { "F16", 1, 2 },
	[DSEEK_BF16] = { "BF16", 1, 2 },
	[DSEEK_I32] = { "I32", 1, 4 },
	[DSEEK_Q8_0] = { "Q8_0", 32, 34 },
	[DSEEK_Q4_0] = { "Q4_0", 32, 18 },
	[DSEEK_Q4_1] = { "Q4_1", 32, 20 },
	[DSEEK_Q4_K] = { "Q4_K", 256, 144 },
	[DSEEK_Q6_K] = { "Q6_K", 256, 210 },
	[DSEEK_MXFP4] = { "MXFP4", 32, 17 },
	[DSEEK_F8_E4M3] = { "F8_E4M3", 4, 4, 4 },
};

const char *dseek_dtype_name(uint32_t dtype)
{
	return dtype < DSEEK_DTYPE_COUNT ? dtypes[dtype].name : NULL;
}

uint32_t dseek_dtype_block(uint32_t dtype)
{
	return dtype < DSEEK_DTYPE_COUNT ? dtypes[dtype].block : 0;
}

uint32_t dseek_dtype_block_bytes(uint32_t dtype)
{
	return dtype < DSEEK_DTYPE_COUNT ? dtypes[dtype].bytes : 0;
}

uint64_t dseek_row_bytes(uint32_t dtype, uint64_t ne0)
{
	uint64_t bytes;

	if (dtype >= DSEEK_DTYPE_COUNT || ne0 % dtypes[dtype].block)
		return 0;
	if (__builtin_mul_overflow(ne0 / dtypes[dtype].block, dtypes[dtype].bytes, &bytes) ||
	    __builtin_add_overflow(bytes, ne0 ? dtypes[dtype].tail : 0, &bytes))
		return 0;
	return bytes;
}

static uint16_t load16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static void store16(uint8_t *p, uint16_t v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static float bits_to_f32(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static uint32_t f32_to_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static float half_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, frac = h & 0x3ff;

	if (exp == 31)
		return bits_to_f32(sign | 0x7f800000 | frac << 13 | (frac ? 1 << 22 : 0));
	if (exp)
		return bits_to_f32(sign | (exp + 112) << 23 | frac << 13);
	return bits_to_f32(sign | f32_to_bits(frac * 0x1p-24f));
}

/* To nearest, ties to even; a NaN stays a (quiet) NaN. The same as VCVTPS2PH. */
static uint16_t f32_to_half(float f)
{
	uint32_t u = f32_to_bits(f), sign = u >> 16 & 0x8000, abs = u & 0x7fffffff, shift, rest;

	if (abs > 0x7f800000)
		return sign | 0x7e00 | (abs >> 13 & 0x3ff);
	if (abs >= 0x477ff000)
		return sign | 0x7c00;
	if (abs >= 0x38800000) {
		abs += 0xfff + (abs >> 13 & 1);
		return sign | (abs - (112u << 23)) >> 13;
	}
	if (abs < 0x33000000)
		return sign;
	/* a half subnormal: abs = m * 2^(e - 150), in units of 2^-24 */
	shift = 126 - (abs >> 23);
	abs = (abs & 0x7fffff) | 0x800000;
	rest = abs & ((1u << shift) - 1);
	abs >>= shift;
	if (rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && abs & 1))
		abs++;
	return sign | abs;
}

static uint16_t f32_to_bf16(float f)
{
	uint32_t u = f32_to_bits(f);

	if ((u & 0x7fffffff) > 0x7f800000)
		return u >> 16 | 0x40;
	return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

/* Scale and minimum @j of a Q4_K block, 6 bits each, from its 12 bytes. */
static void q4_k_scale(const uint8_t *s, int j, int *ret_scale, int *ret_min)
{
	if (j < 4) {
		*ret_scale = s[j] & 63;
		*ret_min = s[j + 4] & 63;
	} else {
		*ret_scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
		*ret_min = s[j + 4] >> 4 | s[j] >> 6 << 4;
	}
}

static void q4_k_to_f32(const uint8_t *b, float *dst)
{
	float d = half_to_f32(load16(b)), dmin = half_to_f32(load16(b + 2));
	const uint8_t *q = b + 16;
	int c, j, scale, min;

	for (c = 0; c < 8; c++) {
		q4_k_scale(b + 4, c, &scale, &min);
		for (j = 0; j < 32; j++)
			*dst++ = d * scale * (q[j + c / 2 * 32] >> c % 2 * 4 & 15) - dmin * min;
	}
}

static void q6_k_to_f32(const uint8_t *b, float *dst)
{
	const uint8_t *ql = b, *qh = b + 128;
	const int8_t *scales = (const int8_t *)b + 192;
	float d = half_to_f32(load16(b + 208));
	int n, quarter, j;

	for (n = 0; n < 2; n++, ql += 64, qh += 32, scales += 8) {
		for (quarter = 0; quarter < 4; quarter++) {
			for (j = 0; j < 32; j++) {
				int lo = ql[j + quarter % 2 * 32] >> quarter / 2 * 4 & 15;
				int hi = qh[j] >> quarter * 2 & 3;

				*dst++ = d * scales[quarter * 2 + j / 16] * ((lo | hi << 4) - 32);
			}
		}
	}
}

/* E2M1 numbers, doubled. */
static const int8_t e2m1[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

static int mxfp4_at(const uint8_t *b, int j)	/* doubled */
{
	return e2m1[b[1 + j % 16] >> j / 16 * 4 & 15];
}

/* Half of 2^(e - 127), exactly: the two smallest are no normal numbers. */
static float mxfp4_scale(const uint8_t *b)
{
	return bits_to_f32(b[0] < 2 ? 0x200000u << b[0] : (uint32_t)(b[0] - 1) << 23);
}

int dseek_row_mxfp4_to_q8_0(const void *src, uint64_t ne0, void *dst)
{
	const uint8_t *b = src;
	uint8_t *to = dst;

	if (ne0 % 32)
		return -EINVAL;
	for (; ne0; ne0 -= 32, b += 17, to += 34) {
		uint16_t scale = f32_to_half(mxfp4_scale(b));
		int j, any = 0;

		for (j = 0; j < 32; j++) {
			to[2 + j] = mxfp4_at(b, j);
			any |= to[2 + j];
		}
		if (any && half_to_f32(scale) != mxfp4_scale(b))
			return -ERANGE;
		store16(to, any ? scale : 0);
	}
	return 0;
}

static void f8_to_f32(const uint8_t *row, uint64_t ne0, float *dst)
{
	float scale;
	uint64_t i;

	memcpy(&scale, row + ne0, sizeof(scale));
	for (i = 0; i < ne0; i++)
		dst[i] = scale * bits_to_f32(f8_to_f32_bits(row[i]));
}

/*
 * The largest magnitude becomes 448, the largest number, as Micikevicius et al. 2022 scale a tensor: here a row. Scales are normal numbers, and
 * those of rows with an infinity or a NaN are NaNs.
 */
static void f8_from_f32(const float *x, uint64_t ne0, uint8_t *row)
{
	float amax = 0, d, id;
	uint64_t i;

	for (i = 0; i < ne0; i++)
		if (!(fabsf(x[i]) <= amax))
			amax = isnan(amax) ? amax : fabsf(x[i]);
	d = amax < INFINITY ? fmaxf(amax / F8_MAX, 0x1p-126f) : NAN;
	id = 1 / d;
	for (i = 0; i < ne0; i++)
		row[i] = f8_from_f32_bits(f32_to_bits(x[i] * id));
	memcpy(row + ne0, &d, sizeof(d));
}

int dseek_row_to_f32(uint32_t dtype, const void *src, uint64_t ne0, float *dst)
{
	const uint8_t *b = src;
	uint64_t i, blocks;
	int j;

	if (dtype >= DSEEK_DTYPE_COUNT || dtype == DSEEK_I32 || ne0 % dtypes[dtype].block)
		return -EINVAL;
	if (dtype == DSEEK_F32) {
		memcpy(dst, src, ne0 * sizeof(*dst));
		return 0;
	}
	if (dtype == DSEEK_F8_E4M3) {
		f8_to_f32(src, ne0, dst);
		return 0;
	}
	blocks = ne0 / dtypes[dtype].block;
	for (i = 0; i < blocks; i++, b += dtypes[dtype].bytes, dst += dtypes[dtype].block) {
		float d = dtype == DSEEK_MXFP4 ? mxfp4_scale(b) : half_to_f32(load16(b)), m;

		switch (dtype) {
		case DSEEK_F16:
			*dst = d;
			break;
		case DSEEK_BF16:
			*dst = bits_to_f32((uint32_t)load16(b) << 16);
			break;
		case DSEEK_Q8_0:
			for (j = 0; j < 32; j++)
				dst[j] = d * (int8_t)b[2 + j];
			break;
		case DSEEK_Q4_0:
			for (j = 0; j < 16; j++) {
				dst[j] = d * ((b[2 + j] & 15) - 8);
				dst[j + 16] = d * ((b[2 + j] >> 4) - 8);
			}
			break;
		case DSEEK_Q4_1:
			m = half_to_f32(load16(b + 2));
			for (j = 0; j < 16; j++) {
				dst[j] = d * (b[4 + j] & 15) + m;
				dst[j + 16] = d * (b[4 + j] >> 4) + m;
			}
			break;
		case DSEEK_MXFP4:
			for (j = 0; j < 32; j++)
				dst[j] = d * mxfp4_at(b, j);
			break;
		case DSEEK_Q4_K:
			q4_k_to_f32(b, dst);
			break;
		case DSEEK_Q6_K:
			q6_k_to_f32(b, dst);
			break;
		}
	}
	return 0;
}

/* The largest magnitude becomes +-127. */
static void q8_0_from_f32(const float *x, uint8_t *b)
{
	float amax = 0, d, id;
	int j;

	for (j = 0; j < 32; j++)
		amax = fmaxf(amax, fabsf(x[j]));
	d = amax / 127;
	id = d ? 1 / d : 0;
	store16(b, f32_to_half(d));
	for (j = 0; j < 32; j++)
		b[2 + j] = (int8_t)roundf(x[j] * id);
}

static int clamp_nibble(float v)
{
	return v < 0 ? 0 : v > 15 ? 15 : (int)v;
}

/* The element of largest magnitude becomes -8. */
static void q4_0_from_f32(const float *x, uint8_t *b)
{
	float max = 0, d, id;
	int j;

	for (j = 0; j < 32; j++)
		if (fabsf(x[j]) > fabsf(max))
			max = x[j];
	d = max / -8;
	id = d ? 1 / d : 0;
	store16(b, f32_to_half(d));
	for (j = 0; j < 16; j++)
		b[2 + j] = clamp_nibble(x[j] * id + 8.5f) | clamp_nibble(x[j + 16] * id + 8.5f) << 4;
}

static void q4_1_from_f32(const float *x, uint8_t *b)
{
	float min = x[0], max = x[0], d, id;
	int j;

	for (j = 1; j < 32; j++) {
		min = fminf(min, x[j]);
		max = fmaxf(max, x[j]);
	}
	d = (max - min) / 15;
	id = d ? 1 / d : 0;
	store16(b, f32_to_half(d));
	store16(b + 2, f32_to_half(min));
	for (j = 0; j < 16; j++)
		b[4 + j] = clamp_nibble((x[j] - min) * id + 0.5f) | clamp_nibble((x[j + 16] - min) * id + 0.5f) << 4;
}

/* The scale that puts the largest magnitude into [4, 8), whose nearest number may be 6 (section 6.3); others go to the nearest. */
static void mxfp4_from_f32(const float *x, uint8_t *b)
{
	float amax = 0, d;
	int exponent, j, q, best;

	for (j = 0; j < 32; j++)
		amax = fmaxf(amax, fabsf(x[j]));
	frexpf(amax, &exponent);	/* amax in [0.5, 1) * 2^exponent */
	exponent += 127 - 3;
	b[0] = !(amax > 0) || exponent < 0 ? 0 : exponent > 254 ? 254 : exponent;
	d = mxfp4_scale(b);
	memset(b + 1, 0, 16);
	for (j = 0; j < 32; j++) {
		for (q = best = 0; q < 16; q++)
			if (fabsf(x[j] - d * e2m1[q]) < fabsf(x[j] - d * e2m1[best]))
				best = q;
		b[1 + j % 16] |= best << j / 16 * 4;
	}
}

int dseek_row_from_f32(uint32_t dtype, const float *src, uint64_t ne0, void *dst)
{
	uint8_t *b = dst;
	uint64_t i, blocks;

	if (dtype >= DSEEK_DTYPE_COUNT || ne0 % dtypes[dtype].block)
		return -EINVAL;
	if (dtype == DSEEK_F8_E4M3) {
		f8_from_f32(src, ne0, dst);
		return 0;
	}
	blocks = ne0 / dtypes[dtype].block;
	for (i = 0; i < blocks; i++, b += dtypes[dtype].bytes, src += dtypes[dtype].block) {
		switch (dtype) {
		case DSEEK_F32:
			memcpy(b, src, sizeof(*src));
			break;
		case DSEEK_F16:
			store16(b, f32_to_half(*src));
			break;
		case DSEEK_BF16:
			store16(b, f32_to_bf16(*src));
			break;
		case DSEEK_Q8_0:
			q8_0_from_f32(src, b);
			break;
		case DSEEK_Q4_0:
			q4_0_from_f32(src, b);
			break;
		case DSEEK_Q4_1:
			q4_1_from_f32(src, b);
			break;
		case DSEEK_MXFP4:
			mxfp4_from_f32(src, b);
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}
