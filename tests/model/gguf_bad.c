// SPDX-License-Identifier: MIT
/* One bad file for each check of the GGUF reader: errno and sentence. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../userspace/model/gguf.h"
#include "gguf_bytes.h"
#include "../check_run.h"

static void empty(struct bytes *b) { }
static void magic(struct bytes *b) { put_header(b, 3, 0, 0); b->data[0] = 'g'; }
static void no_version(struct bytes *b) { put_header(b, 3, 0, 0); b->n = 6; }
static void version_1(struct bytes *b) { put_header(b, 1, 0, 0); }
static void version_4(struct bytes *b) { put_header(b, 4, 0, 0); }
static void big_endian(struct bytes *b) { put_header(b, 0x03000000, 0, 0); }
static void no_counts(struct bytes *b) { put_header(b, 3, 0, 0); b->n = 20; }
static void many_keys(struct bytes *b) { put_header(b, 3, 0, 1ull << 60); }
static void many_tensors(struct bytes *b) { put_header(b, 3, 1ull << 40, 0); put_zeros(b, 100); }
static void name_empty(struct bytes *b) { put_header(b, 3, 0, 1); put_str(b, ""); put_zeros(b, 32); }
static void name_huge(struct bytes *b) { put_header(b, 3, 0, 1); put(b, ~0ull, 8); put_zeros(b, 32); }
static void name_short(struct bytes *b) { put_header(b, 3, 0, 1); put(b, 1000, 8); put_zeros(b, 32); }
static void few_bytes(struct bytes *b) { put_header(b, 3, 0, 1); put_zeros(b, 12); }

static void name_nul(struct bytes *b)
{
	put_header(b, 3, 0, 1);
	put_key_u32(b, "ab", 1);
	b->data[24 + 8] = 0;
}

static void key_type(struct bytes *b)
{
	put_header(b, 3, 0, 1);
	put_str(b, "a.key");
	put(b, 13, 4);
	put_zeros(b, 8);
}

static void key_cut(struct bytes *b)
{
	put_header(b, 3, 0, 1);
	put_str(b, "a.key");
	put(b, 10, 4);
	put_zeros(b, 7);
}

static void key_control(struct bytes *b)
{
	put_header(b, 3, 0, 1);
	put_str(b, "a\x1b[2J");
	put(b, 99, 4);
	put_zeros(b, 8);
}

static void array(struct bytes *b, uint32_t type, uint64_t n)
{
	put_header(b, 3, 0, 1);
	put_str(b, "list");
	put(b, 9, 4);
	put(b, type, 4);
	put(b, n, 8);
}

static void array_type(struct bytes *b) { array(b, 77, 1); put_zeros(b, 8); }
static void array_nested(struct bytes *b) { array(b, 9, 1); put_zeros(b, 32); }
static void array_cut(struct bytes *b) { array(b, 4, 1); b->n -= 8; put_zeros(b, 2); }
static void array_long(struct bytes *b) { array(b, 4, 5); put_zeros(b, 16); }
static void array_overflow(struct bytes *b) { array(b, 10, 1ull << 61); put_zeros(b, 16); }
static void strings_many(struct bytes *b) { array(b, 8, 3); put_zeros(b, 16); }
static void strings_long(struct bytes *b) { array(b, 8, 2); put_str(b, "abc"); put(b, ~0ull, 8); }
static void strings_cut(struct bytes *b) { array(b, 8, 2); put_str(b, "abcdef"); put_zeros(b, 5); }
static void bool_two(struct bytes *b) { array(b, 7, 2); put(b, 1, 1); put(b, 2, 1); }

static void key_twice(struct bytes *b)
{
	put_header(b, 3, 0, 3);
	put_key_u32(b, "same", 1);
	put_key_u32(b, "other", 1);
	put_key_u32(b, "same", 2);
}

static void alignment(struct bytes *b, uint32_t value)
{
	put_header(b, 3, 0, 1);
	put_key_u32(b, "general.alignment", value);
}

static void alignment_0(struct bytes *b) { alignment(b, 0); }
static void alignment_24(struct bytes *b) { alignment(b, 24); }
static void alignment_huge(struct bytes *b) { alignment(b, 1u << 31); }
static void alignment_type(struct bytes *b) { put_header(b, 3, 0, 1); put_key_str(b, "general.alignment", "32"); }
static void arch_type(struct bytes *b) { put_header(b, 3, 0, 1); put_key_u32(b, "general.architecture", 1); }

static void arch_nul(struct bytes *b)
{
	put_header(b, 3, 0, 1);
	put_key_str(b, "general.architecture", "llama");
	b->data[b->n - 2] = 0;
}

static void one(struct bytes *b, uint32_t type, uint64_t ne0, uint64_t ne1, uint64_t offset, size_t data)
{
	put_header(b, 3, 1, 0);
	put_tensor(b, "w", type, ne0, ne1, offset);
	pad(b, 32);
	put_zeros(b, data);
}

static void tensor_name(struct bytes *b) { put_header(b, 3, 1, 0); put(b, 0, 8); put_zeros(b, 64); }

static void tensor_dims(struct bytes *b, uint32_t n)
{
	put_header(b, 3, 1, 0);
	put_str(b, "w");
	put(b, n, 4);
	put_zeros(b, 64);
}

static void tensor_dims_0(struct bytes *b) { tensor_dims(b, 0); }
static void tensor_dims_5(struct bytes *b) { tensor_dims(b, 5); }
static void tensor_ne_0(struct bytes *b) { one(b, 0, 4, 0, 0, 64); }
static void tensor_type(struct bytes *b) { one(b, 4, 32, 1, 0, 64); }
static void tensor_type_huge(struct bytes *b) { one(b, 0xffffffff, 32, 1, 0, 64); }
static void tensor_block(struct bytes *b) { one(b, 8, 33, 1, 0, 64); }
static void tensor_ne0_overflow(struct bytes *b) { one(b, 0, 1ull << 62, 1, 0, 64); }
static void tensor_ne1_overflow(struct bytes *b) { one(b, 0, 1ull << 32, 1ull << 32, 0, 64); }
static void tensor_past_end(struct bytes *b) { one(b, 0, 4, 4, 32, 64); }
static void tensor_far(struct bytes *b) { one(b, 0, 4, 4, ~31ull, 64); }
static void tensor_no_data(struct bytes *b) { one(b, 0, 4, 4, 0, 0); b->n -= 3; }
static void tensor_misaligned(struct bytes *b) { one(b, 0, 4, 4, 16, 128); }
static void tensor_cut(struct bytes *b) { put_header(b, 3, 1, 0); put_tensor(b, "token_embd", 0, 4, 4, 0); b->n = 24 + 18 + 4 + 8 + 5; }

static void tensors_overlap(struct bytes *b)
{
	put_header(b, 3, 2, 0);
	put_tensor(b, "first", 0, 4, 4, 32);
	put_tensor(b, "second", 0, 4, 4, 0);
	pad(b, 32);
	put_zeros(b, 96);
}

static void tensor_twice(struct bytes *b)
{
	put_header(b, 3, 2, 0);
	put_tensor(b, "w", 0, 4, 2, 0);
	put_tensor(b, "w", 0, 4, 2, 32);
	pad(b, 32);
	put_zeros(b, 64);
}

static const struct {
	void (*make)(struct bytes *b);
	int error;
	const char *message;
} cases[] = {
	{ empty, -EINVAL, "f: not a GGUF file: it doesn't start with \"GGUF\"" },
	{ magic, -EINVAL, "f: not a GGUF file: it doesn't start with \"GGUF\"" },
	{ no_version, -EINVAL, "f: truncated: the version needs 4 bytes at offset 4, 2 are left" },
	{ version_1, -EINVAL, "f: GGUF version 1; versions 2 and 3 are read" },
	{ version_4, -EINVAL, "f: GGUF version 4; versions 2 and 3 are read" },
	{ big_endian, -EINVAL, "f: a big-endian GGUF file; only little-endian ones are read" },
	{ no_counts, -EINVAL, "f: truncated: the number of keys needs 8 bytes at offset 16, 4 are left" },
	{ many_keys, -EINVAL, "f: 1152921504606846976 keys don't fit into the 0 bytes left" },
	{ many_tensors, -EINVAL, "f: 1099511627776 tensors don't fit into the 100 bytes left" },
	{ name_empty, -EINVAL, "f: a key's name of 0 bytes at offset 24, 1 to 65535 are allowed" },
	{ name_huge, -EINVAL, "f: a key's name of 18446744073709551615 bytes at offset 24, 1 to 65535 are allowed" },
	{ name_short, -EINVAL, "f: truncated: a key's name needs 1000 bytes at offset 32, 32 are left" },
	{ few_bytes, -EINVAL, "f: 1 keys don't fit into the 12 bytes left" },
	{ name_nul, -EINVAL, "f: a key's name at offset 32 contains a NUL byte" },
	{ key_type, -EINVAL, "f: key 'a.key': unknown type 13" },
	{ key_cut, -EINVAL, "f: key 'a.key': 1 u64 values need at least 8 bytes each at offset 41, 7 are left" },
	{ key_control, -EINVAL, "f: key 'a?[2J': unknown type 99" },
	{ array_type, -EINVAL, "f: key 'list': array of unknown type 77" },
	{ array_nested, -EINVAL, "f: key 'list': array of unsupported type 9" },
	{ array_cut, -EINVAL, "f: truncated: an array's count needs 8 bytes at offset 44, 2 are left" },
	{ array_long, -EINVAL, "f: key 'list': 5 u32 values need at least 4 bytes each at offset 52, 16 are left" },
	{ array_overflow, -EINVAL, "f: key 'list': 2305843009213693952 u64 values need at least 8 bytes each at offset 52, 16 are left" },
	{ strings_many, -EINVAL, "f: key 'list': 3 string values need at least 8 bytes each at offset 52, 16 are left" },
	{ strings_long, -EINVAL, "f: key 'list': a string of 18446744073709551615 bytes at offset 71, 0 are left" },
	{ strings_cut, -EINVAL, "f: key 'list': truncated: no room for a string at offset 66" },
	{ bool_two, -EINVAL, "f: key 'list': bool value 2, neither 0 nor 1" },
	{ key_twice, -EINVAL, "f: key 'same' appears twice" },
	{ alignment_0, -EINVAL, "f: key 'general.alignment' is 0, not a power of two up to 1048576" },
	{ alignment_24, -EINVAL, "f: key 'general.alignment' is 24, not a power of two up to 1048576" },
	{ alignment_huge, -EINVAL, "f: key 'general.alignment' is 2147483648, not a power of two up to 1048576" },
	{ alignment_type, -EINVAL, "f: key 'general.alignment' is a string, not a u32" },
	{ arch_type, -EINVAL, "f: key 'general.architecture' is of type u32, a string is wanted" },
	{ arch_nul, -EINVAL, "f: key 'general.architecture' contains a NUL byte" },
	{ tensor_name, -EINVAL, "f: a tensor's name of 0 bytes at offset 24, 1 to 65535 are allowed" },
	{ tensor_dims_0, -EINVAL, "f: tensor 'w': 0 dimensions, 1 to 4 are allowed" },
	{ tensor_dims_5, -EINVAL, "f: tensor 'w': 5 dimensions, 1 to 4 are allowed" },
	{ tensor_ne_0, -EINVAL, "f: tensor 'w': extent 1 is 0" },
	{ tensor_type, -EINVAL, "f: tensor 'w': unknown type 4" },
	{ tensor_type_huge, -EINVAL, "f: tensor 'w': unknown type 4294967295" },
	{ tensor_block, -EINVAL, "f: tensor 'w': rows of 33 elements are no whole number of q8_0 blocks of 32" },
	{ tensor_ne0_overflow, -EOVERFLOW, "f: tensor 'w': the product of its extents overflows" },
	{ tensor_ne1_overflow, -EOVERFLOW, "f: tensor 'w': the product of its extents overflows" },
	{ tensor_past_end, -EINVAL, "f: tensor 'w': 64 bytes at data offset 32 reach past the file's end" },
	{ tensor_far, -EINVAL, "f: tensor 'w': 64 bytes at data offset 18446744073709551584 reach past the file's end" },
	{ tensor_no_data, -EINVAL, "f: tensor 'w': 64 bytes at data offset 0 reach past the file's end" },
	{ tensor_misaligned, -EINVAL, "f: tensor 'w': offset 16 isn't a multiple of the alignment 32" },
	{ tensor_cut, -EINVAL, "f: truncated: a tensor's extent needs 8 bytes at offset 54, 5 are left" },
	{ tensors_overlap, -EINVAL, "f: tensors 'second' and 'first' overlap" },
	{ tensor_twice, -EINVAL, "f: tensor 'w' appears twice" },
};

START_TEST(bad_file)
{
	struct gguf *g = (void *)&cases;
	char err[256] = "", tiny[8];
	struct bytes b = { .n = 0 };
	uint8_t *copy;

	cases[_i].make(&b);
	copy = malloc(b.n + 1);		/* of the right size, so that the sanitizers see a byte too many */
	memcpy(copy, b.data, b.n);
	ck_assert_int_eq(gguf_parse(copy, b.n, "f", &g, err, sizeof(err)), cases[_i].error);
	ck_assert_str_eq(err, cases[_i].message);
	ck_assert_ptr_eq(g, (void *)&cases);
	ck_assert_int_eq(gguf_parse(copy, b.n, "f", &g, tiny, sizeof(tiny)), cases[_i].error);
	ck_assert_uint_lt(strlen(tiny), sizeof(tiny));
	ck_assert_int_eq(gguf_parse(copy, b.n, "f", &g, NULL, 0), cases[_i].error);
	free(copy);
}
END_TEST

/* Every prefix of a good file is refused: at the latest the last tensor's data is missing. */
START_TEST(every_prefix)
{
	struct bytes b = { .n = 0 };
	struct gguf *g;

	put_header(&b, 2, 2, 2);
	put_key_str(&b, "general.architecture", "llama");
	put_key_u32(&b, "llama.block_count", 1);
	put_tensor(&b, "a", 0, 4, 4, 0);
	put_tensor(&b, "b", 8, 32, 2, 64);
	pad(&b, 32);
	put_zeros(&b, 64 + 68);
	for (size_t n = 0; n <= b.n; n++) {
		uint8_t *copy = malloc(n + 1);
		int r;

		memcpy(copy, b.data, n);
		r = gguf_parse(copy, n, "f", &g, NULL, 0);
		ck_assert_msg(r == (n < b.n ? -EINVAL : 0), "%zu of %zu bytes: %d", n, b.n, r);
		if (!r)
			gguf_close(g);
		free(copy);
	}
}
END_TEST

START_TEST(bad_path)
{
	char err[256], name[PATH_MAX];
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	struct gguf *g;
	FILE *f;

	ck_assert_int_eq(gguf_open("/nonexistent/m.gguf", &g, err, sizeof(err)), -ENOENT);
	ck_assert_str_eq(err, "/nonexistent/m.gguf: No such file or directory");
	ck_assert_int_eq(gguf_open("/", &g, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "/: not a regular file");
	snprintf(name, sizeof(name), "%s/dseek-gguf-bad-%d", dir, getpid());
	f = fopen(name, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(gguf_open(name, &g, err, sizeof(err)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, ": not a GGUF file: it has 0 bytes"));
	f = fopen(name, "w");
	fputs("GGUFzzzz", f);
	fclose(f);
	ck_assert_int_eq(gguf_open(name, &g, err, sizeof(err)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, ": GGUF version 2054847098; versions 2 and 3 are read"));
	unlink(name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gguf_bad");
	TCase *tc = tcase_create("parse");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_file, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, every_prefix);
	tcase_add_test(tc, bad_path);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
