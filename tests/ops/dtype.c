// SPDX-License-Identifier: MIT
/* Element types: known values, round trips, packing. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/f8.h"
#include "dseek_program.h"
#include "../tap.h"

static void test_sizes(void)
{
	static const struct { uint32_t dtype, ne0; uint64_t bytes; const char *name; } t[] = {
		{ DSEEK_F32, 7, 28, "F32" }, { DSEEK_F16, 7, 14, "F16" }, { DSEEK_BF16, 3, 6, "BF16" },
		{ DSEEK_I32, 5, 20, "I32" }, { DSEEK_Q8_0, 64, 68, "Q8_0" }, { DSEEK_Q4_0, 64, 36, "Q4_0" },
		{ DSEEK_Q4_1, 64, 40, "Q4_1" }, { DSEEK_Q4_K, 512, 288, "Q4_K" }, { DSEEK_Q6_K, 256, 210, "Q6_K" },
		{ DSEEK_MXFP4, 96, 51, "MXFP4" }, { DSEEK_F8_E4M3, 12, 16, "F8_E4M3" },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++)
		tap_ok(dseek_row_bytes(t[i].dtype, t[i].ne0) == t[i].bytes && !strcmp(dseek_dtype_name(t[i].dtype), t[i].name),
		       "row of %u %s", t[i].ne0, t[i].name);
	tap_ok(dseek_row_bytes(DSEEK_Q8_0, 33) == 0, "a row of broken blocks has no size");
	tap_ok(dseek_row_bytes(DSEEK_F32, UINT64_MAX / 2) == 0, "an overflowing row has no size");
	tap_ok(dseek_row_bytes(DSEEK_F8_E4M3, UINT64_MAX - 3) == 0 && dseek_row_bytes(DSEEK_F8_E4M3, 6) == 0 && dseek_row_bytes(DSEEK_F8_E4M3, 0) == 0,
	       "F8_E4M3: an overflowing row, one that isn't in fours, and one of nothing have no size");
	tap_ok(!dseek_dtype_name(DSEEK_DTYPE_COUNT) && !dseek_dtype_block(99) && !dseek_dtype_block_bytes(99) &&
	       !dseek_row_bytes(99, 32), "unknown type");
	tap_ok(dseek_tensor_bytes(DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, 64, 17) == 2 * 16 * 68, "packed pads rows");
	tap_ok(dseek_tensor_bytes(DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, 32, 16) == 576, "packed pads groups to 64 bytes");
	tap_ok(dseek_tensor_bytes(DSEEK_F8_E4M3, DSEEK_LAYOUT_PACKED, 12, 17) == 2 * 16 * 16, "packed F8_E4M3 has a scale a row and no more");
	tap_ok(dseek_tensor_bytes(DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, 32, 0) == 0, "no rows, no bytes");
	tap_ok(dseek_tensor_bytes(DSEEK_BF16, DSEEK_LAYOUT_PACKED, 31, 16) == 0, "odd BF16 rows can't be packed");
	tap_ok(dseek_tensor_bytes(DSEEK_I32, DSEEK_LAYOUT_PACKED, 32, 16) == 0, "I32 can't be packed");
	tap_ok(dseek_tensor_bytes(DSEEK_MXFP4, DSEEK_LAYOUT_PACKED, 128, 17) == 2 * 16 * 68, "MXFP4: 17 bytes a block, packed as in rows");
	tap_ok(dseek_tensor_bytes(DSEEK_F32, DSEEK_LAYOUT_COUNT, 32, 16) == 0, "unknown layout");
	tap_ok(dseek_tensor_bytes(DSEEK_F32, DSEEK_LAYOUT_ROWS, 1ull << 40, 1ull << 40) == 0, "overflowing tensor");
}

static void test_errors(void)
{
	float f[256] = { 0 };
	uint8_t b[512] = { 0 };

	tap_ok(dseek_row_to_f32(DSEEK_I32, b, 4, f) == -EINVAL, "I32 to float32");
	tap_ok(dseek_row_to_f32(99, b, 4, f) == -EINVAL, "unknown to float32");
	tap_ok(dseek_row_to_f32(DSEEK_Q4_0, b, 16, f) == -EINVAL, "half a block to float32");
	tap_ok(dseek_row_from_f32(DSEEK_Q4_K, f, 256, b) == -EINVAL, "Q4_K has no encoder");
	tap_ok(dseek_row_from_f32(DSEEK_Q8_0, f, 31, b) == -EINVAL, "half a block from float32");
	tap_ok(dseek_tensor_pack(DSEEK_Q8_0, 33, 1, b, b) == -EINVAL, "pack broken blocks");
	tap_ok(dseek_row_from_f32(DSEEK_F8_E4M3, f, 6, b) == -EINVAL && dseek_row_to_f32(DSEEK_F8_E4M3, b, 6, f) == -EINVAL, "F8_E4M3 not in fours");
	tap_ok(dseek_row_mxfp4_to_q8_0(b, 33, b + 256) == -EINVAL, "half a block of MXFP4 to Q8_0");
	tap_ok(dseek_tensor_unpack(DSEEK_I32, 32, 1, b, b) == -EINVAL, "unpack I32");
	tap_ok(dseek_tensor_row(DSEEK_F32, 7, 32, 0, b, b) == -EINVAL, "row of an unknown layout");
}

/* Every half: to float32 (against arithmetic), back (same bits, NaNs quieted), and the roundings between neighbours. */
static void test_halves(void)
{
	int wrong = 0, back = 0, mid = 0;
	uint32_t h;

	for (h = 0; h < 0x10000; h++) {
		uint16_t in = h, out;
		int exp = h >> 10 & 31, frac = h & 0x3ff;
		float f, want = exp == 31 ? (frac ? NAN : INFINITY) :
				exp ? ldexpf(1024 + frac, exp - 25) : ldexpf(frac, -24);

		if (h & 0x8000)
			want = -want;
		dseek_row_to_f32(DSEEK_F16, &in, 1, &f);
		wrong += !(isnan(want) ? isnan(f) : f == want && signbit(f) == signbit(want));
		dseek_row_from_f32(DSEEK_F16, &f, 1, &out);
		back += out != (isnan(want) ? (in | 0x200) : in);
		if (exp < 30 && frac < 0x3ff) {
			float next, between;
			uint16_t up = h + 1;

			dseek_row_to_f32(DSEEK_F16, &up, 1, &next);
			between = (f + next) / 2;
			dseek_row_from_f32(DSEEK_F16, &between, 1, &out);
			mid += out != (h & 1 ? up : in);
			between = nextafterf(between, next);
			dseek_row_from_f32(DSEEK_F16, &between, 1, &out);
			mid += out != up;
		}
	}
	tap_ok(!wrong, "F16 to float32, all values (%d wrong)", wrong);
	tap_ok(!back, "F16 there and back, all values (%d wrong)", back);
	tap_ok(!mid, "F16 rounds to nearest even (%d wrong)", mid);
}

static void test_bf16(void)
{
	static const struct { float in; uint16_t out; } t[] = {
		{ 1, 0x3f80 }, { -2.5f, 0xc020 }, { 0x1.01p0f, 0x3f80 }, { 0x1.03p0f, 0x3f82 }, { 0x1.010002p0f, 0x3f81 },
		{ INFINITY, 0x7f80 }, { 3.4e38f, 0x7f80 },
	};
	uint16_t out, nan;
	float f, in = NAN;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		dseek_row_from_f32(DSEEK_BF16, &t[i].in, 1, &out);
		tap_ok(out == t[i].out, "BF16 of %a is %#x", t[i].in, out);
	}
	dseek_row_from_f32(DSEEK_BF16, &in, 1, &nan);
	dseek_row_to_f32(DSEEK_BF16, &nan, 1, &f);
	tap_ok(isnan(f), "BF16 of a NaN");
}

/* Values by hand from the formats' definitions. */
static void test_known(void)
{
	uint8_t q8[34] = { 0x00, 0x38 }, q40[18] = { 0x00, 0x40 }, q41[20] = { 0x00, 0x3c, 0x00, 0xc0 };
	uint8_t q4k[144] = { 0x00, 0x3c, 0x00, 0x38 }, q6k[210] = { 0 };
	float f[256];

	q8[2] = 0x80;
	q8[33] = 3;
	dseek_row_to_f32(DSEEK_Q8_0, q8, 32, f);
	tap_ok(f[0] == -64 && f[1] == 0 && f[31] == 1.5f, "Q8_0 values");
	q40[2] = 0x1f;
	q40[17] = 0xe0;
	dseek_row_to_f32(DSEEK_Q4_0, q40, 32, f);
	tap_ok(f[0] == 14 && f[16] == -14 && f[15] == -16 && f[31] == 12, "Q4_0 values");
	q41[4] = 0x1f;
	dseek_row_to_f32(DSEEK_Q4_1, q41, 32, f);
	tap_ok(f[0] == 13 && f[16] == -1 && f[1] == -2, "Q4_1 values");
	/* d 1, dmin 0.5; sub-block 0: scale 3, min 2; sub-block 5: scale 0x2a = 42, min 0x15 = 21 */
	q4k[4] = 3;
	q4k[4 + 4] = 2;
	q4k[4 + 1] |= 2 << 6;
	q4k[4 + 5] |= 1 << 6;
	q4k[4 + 9] = 0xa | 5 << 4;
	q4k[16] = 7;			/* element 0 */
	q4k[16 + 2 * 32 + 4] = 0x90;	/* element 164: sub-block 5, its fourth */
	dseek_row_to_f32(DSEEK_Q4_K, q4k, 256, f);
	tap_ok(f[0] == 20 && f[1] == -1 && f[164] == 9 * 42 - 10.5f && f[165] == -10.5f && f[255] == 0, "Q4_K values");
	/* d 2; element 0: low 5, high 2 -> 37 - 32 = 5, scale 3; element 127: low 15, high 3 -> 31, scale -1; second half alike */
	q6k[208] = 0x00;
	q6k[209] = 0x40;
	q6k[192] = 3;
	q6k[192 + 7] = 0xff;
	q6k[192 + 8 + 2] = 1;
	q6k[0] = 5;
	q6k[128] = 2;
	q6k[63] = 0xf0;
	q6k[128 + 31] = 3 << 6;
	q6k[64 + 32] = 9;	/* element 160, sub-block 10, high bits 0 */
	dseek_row_to_f32(DSEEK_Q6_K, q6k, 256, f);
	tap_ok(f[0] == 30 && f[127] == -62 && f[160] == 2 * (9 - 32) && f[1] == 2 * 3 * -32, "Q6_K values");
}

/* All numbers and scales; as Q8_0 the same where half precision has the scale, refused where it hasn't. */
static void test_mxfp4(void)
{
	static const float numbers[16] = { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -0.5f, -1, -1.5f, -2, -3, -4, -6 };
	uint8_t b[17], q8[34], again[17];
	int e, j, wrong = 0, same = 0, refused = 0, back = 0;
	float x[32], y[32];

	for (j = 0; j < 16; j++)
		b[1 + j] = j | (15 - j) << 4;
	for (e = 0; e < 255; e++) {
		b[0] = e;
		dseek_row_to_f32(DSEEK_MXFP4, b, 32, x);
		for (j = 0; j < 16; j++)
			wrong += x[j] != ldexpf(numbers[j], e - 127) || x[j + 16] != ldexpf(numbers[15 - j], e - 127);
		dseek_row_from_f32(DSEEK_MXFP4, x, 32, again);
		dseek_row_to_f32(DSEEK_MXFP4, again, 32, y);
		back += !memcmp(y, x, sizeof(x)) || e > 252;	/* 6 * 2^126 is no float32 */
		if (dseek_row_mxfp4_to_q8_0(b, 32, q8)) {
			refused += e - 128 < -24 || e - 128 > 15;
			continue;
		}
		dseek_row_to_f32(DSEEK_Q8_0, q8, 32, y);
		for (j = 0; j < 32 && x[j] == y[j]; j++)
			;
		same += j == 32;
	}
	tap_ok(!wrong, "MXFP4 values, all (%d wrong)", wrong);
	tap_ok(back == 255, "MXFP4 there and back (%d of 255)", back);
	tap_ok(same == 40 && refused == 215, "MXFP4 as Q8_0: %d scales the same, %d refused", same, refused);
	memset(b + 1, 0x80, 16);
	b[0] = 0;
	tap_ok(!dseek_row_mxfp4_to_q8_0(b, 32, q8) && !q8[0] && !q8[1], "MXFP4 as Q8_0: zeros have any scale");
}

static uint32_t bits_of(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static float from_bits(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* E4M3 by its definition; NAN for the two codes that are none. */
static double e4m3(uint32_t code, int bias)
{
	int exponent = code >> 3 & 15, mantissa = code & 7;
	double v = exponent ? ldexp(8 + mantissa, exponent - bias - 3) : ldexp(mantissa, 1 - bias - 3);

	return bias == 7 && (code & 0x7f) == 0x7f ? NAN : code & 0x80 ? -v : v;
}

/* The code nearest to @x, an even one of two, by trying all. */
static uint32_t nearest(double x)
{
	uint32_t best = 0;

	for (uint32_t code = 1; code < 0x7f; code++) {
		double off = fabs(fabs(x) - e4m3(code, 7)), least = fabs(fabs(x) - e4m3(best, 7));

		if (off < least || (off == least && !(code & 1)))
			best = code;
	}
	return best | (signbit(x) ? 0x80 : 0);
}

static void test_f8(void)
{
	int wrong = 0, back = 0, rounded = 0, fnuz = 0;
	uint32_t code, u, i;

	for (code = 0; code < 256; code++) {
		float f = from_bits(f8_to_f32_bits(code));
		double want = e4m3(code, 7);

		wrong += !(isnan(want) ? isnan(f) : f == want && !signbit(f) == !signbit(want));
		back += f8_from_f32_bits(bits_of(f)) != code;
		/* between it and the next: the middle, and the floats beside it */
		for (i = 0; i < 3 && (code & 0x7f) < 0x7e; i++) {
			float middle = (float)((want + e4m3(code + 1, 7)) / 2);

			middle = i == 0 ? middle : nextafterf(middle, i == 1 ? 0 : copysignf(INFINITY, f));
			rounded += f8_from_f32_bits(bits_of(middle)) != nearest(middle);
		}
		for (i = 0; i < 4; i++) {	/* each byte, beside others of all sorts */
			uint32_t others = 0x7f80ff00u, mask = 0xffu << 8 * i, got = f8_to_fnuz((others & ~mask) | code << 8 * i) >> 8 * i & 0xff;

			want = e4m3(code, 7);
			fnuz += isnan(want) ? got != 0x80 : got == 0x80 || e4m3(got, 8) != want / 2;
		}
	}
	tap_ok(!wrong, "F8_E4M3 to float32, all codes (%d wrong)", wrong);
	tap_ok(!back, "F8_E4M3 there and back, all codes (%d wrong)", back);
	tap_ok(!rounded, "F8_E4M3 rounds to nearest even beside every middle (%d wrong)", rounded);
	tap_ok(!fnuz, "E4M3FNUZ has the halves, all codes (%d wrong)", fnuz);
	for (rounded = 0, u = 0; u < 0x7f80; u++)	/* every bf16 */
		for (i = 0; i < 2; i++) {
			float f = from_bits((u | i << 15) << 16);

			rounded += f8_from_f32_bits(bits_of(f)) != nearest(f);
		}
	tap_ok(!rounded, "F8_E4M3 of every bf16, those above 448 too (%d wrong)", rounded);
	tap_ok(f8_from_f32_bits(0x7f800000) == 0x7e && f8_from_f32_bits(0xff800000) == 0xfe && f8_from_f32_bits(0x7f800001) == 0x7f &&
	       f8_from_f32_bits(0xffffffff) == 0xff && f8_from_f32_bits(0x7f7fffff) == 0x7e && f8_from_f32_bits(0x80000001) == 0x80,
	       "F8_E4M3 of infinities is 448, of NaNs a NaN, of the least float a zero of its sign");
}

/* Rows: the largest becomes 448, whatever it is. */
static void test_f8_rows(void)
{
	static const float tops[] = { 448, 1, 3e38f, 1e-30f, 0x1p-126f, 0x1p-140f, 0x1p-149f };
	float x[8], y[8], scale;
	uint8_t row[12];
	int good = 1;

	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
		float least = fmaxf(tops[i] / 448, 0x1p-126f);

		for (int j = 0; j < 8; j++)
			x[j] = tops[i] * (j % 2 ? -1.f : 1.f) / (1 + j);
		dseek_row_from_f32(DSEEK_F8_E4M3, x, 8, row);
		dseek_row_to_f32(DSEEK_F8_E4M3, row, 8, y);
		memcpy(&scale, row + 8, 4);
		good &= scale == least && (tops[i] < 448 * 0x1p-126f || row[0] == 0x7e);
		for (int j = 0; j < 8; j++)
			good &= fabsf(y[j] - x[j]) <= fmaxf(fabsf(x[j]) * (0x1p-4f + 0x1p-20f), (float)(0x1p-10 * scale) + 0x1p-149f);
	}
	tap_ok(good, "F8_E4M3 rows: scales of largest magnitudes from 2^-149 to 3e38, each element as near as its bound");
	memset(x, 0, sizeof(x));
	dseek_row_from_f32(DSEEK_F8_E4M3, x, 8, row);
	dseek_row_to_f32(DSEEK_F8_E4M3, row, 8, y);
	tap_ok(!memcmp(x, y, sizeof(x)), "F8_E4M3 rows: zeros");
	for (int i = 0, bad = 0; i < 3; i++) {
		x[3] = i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY;
		dseek_row_from_f32(DSEEK_F8_E4M3, x, 8, row);
		dseek_row_to_f32(DSEEK_F8_E4M3, row, 8, y);
		for (int j = 0; j < 8; j++)
			bad += !isnan(y[j]);
		if (i == 2)
			tap_ok(!bad, "F8_E4M3 rows: of one with a NaN or an infinity nothing is left but NaNs");
	}
}

static void test_quantise(void)
{
	static const struct { uint32_t dtype; float bound; } t[] = {
		{ DSEEK_F32, 0 }, { DSEEK_F16, 0x1p-11f }, { DSEEK_BF16, 0x1p-8f }, { DSEEK_Q8_0, 0.5f / 127 + 1e-3f },
		{ DSEEK_Q4_0, 1 / 8.f + 1e-3f }, { DSEEK_Q4_1, 1 / 15.f + 1e-3f },
		{ DSEEK_MXFP4, 0.25f },	/* numbers in [6, 8) go to 6 */
		{ DSEEK_F8_E4M3, 0x1p-4f },
	};
	float x[96], y[96];
	uint8_t b[512] = { 0 };
	size_t i, j;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		float worst = 0;

		for (j = 0; j < 96; j++)
			x[j] = sinf(j * 1.7f + i) * (j < 64);
		dseek_row_from_f32(t[i].dtype, x, 96, b);
		dseek_row_to_f32(t[i].dtype, b, 96, y);
		for (j = 0; j < 96; j++)
			worst = fmaxf(worst, fabsf(x[j] - y[j]));
		tap_ok(worst <= t[i].bound, "%s there and back: off by %g", dseek_dtype_name(t[i].dtype), worst);
	}
	for (j = 0; j < 32; j++)
		x[j] = (int)j - 127;
	dseek_row_from_f32(DSEEK_Q8_0, x, 32, b);
	dseek_row_to_f32(DSEEK_Q8_0, b, 32, y);
	tap_ok(!memcmp(x, y, 32 * sizeof(*x)), "Q8_0 keeps integers up to 127");
}

static void test_pack(void)
{
	static const uint32_t rows[] = { 1, 15, 16, 17, 48 };
	uint32_t dtype, i, j, r;

	for (dtype = 0; dtype < DSEEK_DTYPE_COUNT; dtype++) {
		uint32_t ne0 = dseek_dtype_block(dtype) == 1 ? 38 : 3 * dseek_dtype_block(dtype);
		int good = 1;

		if (dtype == DSEEK_I32)
			continue;
		for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			uint64_t bytes = dseek_row_bytes(dtype, ne0) * rows[i];
			uint64_t packed = dseek_tensor_bytes(dtype, DSEEK_LAYOUT_PACKED, ne0, rows[i]);
			uint8_t *src = malloc(bytes), *dst = malloc(packed), *back = malloc(bytes), *row = malloc(bytes);

			for (j = 0; j < bytes; j++)
				src[j] = rand();
			memset(dst, 0xa5, packed);
			good &= packed >= bytes && packed % 64 == 0;
			good &= !dseek_tensor_pack(dtype, ne0, rows[i], src, dst);
			good &= !dseek_tensor_unpack(dtype, ne0, rows[i], dst, back) && !memcmp(src, back, bytes);
			for (r = 0; r < rows[i]; r++) {
				dseek_tensor_row(dtype, DSEEK_LAYOUT_PACKED, ne0, r, dst, row);
				good &= !memcmp(row, src + r * (bytes / rows[i]), bytes / rows[i]);
			}
			free(src);
			free(dst);
			free(back);
			free(row);
		}
		tap_ok(good, "%s packed and unpacked: the same bytes", dseek_dtype_name(dtype));
	}
}

int main(void)
{
	setlinebuf(stdout);
	test_sizes();
	test_errors();
	test_halves();
	test_bf16();
	test_known();
	test_mxfp4();
	test_f8();
	test_f8_rows();
	test_quantise();
	test_pack();
	return tap_end();
}
