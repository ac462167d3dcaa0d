// SPDX-License-Identifier: MIT
/* Reading what was written: values of every type, tensors, and the errors of typed lookup and of the writer. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../userspace/model/gguf.h"
#include "../../userspace/model/gguf_write.h"
#include "dseek_program.h"
#include "gguf_bytes.h"
#include "../check_run.h"

static char path[PATH_MAX], err[256];

static void name_file(void)
{
	snprintf(path, sizeof(path), "%s/dseek-gguf-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
}

static void remove_file(void)
{
	unlink(path);
}

static void write_keys(struct gguf_writer *w)
{
	gguf_writer_str(w, "general.architecture", "llama");
	gguf_writer_u32(w, "llama.block_count", 30);
	gguf_writer_u64(w, "big", 1ull << 40);
	gguf_writer_f32(w, "eps", 1e-5f);
	gguf_writer_bool(w, "yes", true);
	gguf_writer_strs(w, "words", (struct gguf_str[]){ { "a\0b", 3 }, { "", 0 }, { "ccc", 3 } }, 3);
	gguf_writer_f32s(w, "scores", (float[]){ 0.5f, -1e4f }, 2);
	gguf_writer_i32s(w, "types", (int32_t[]){ 1, -6, INT32_MIN }, 3);
}

static struct gguf *write_and_open(void)
{
	static const uint64_t ne_q[2] = { 64, 3 }, ne_f[1] = { 5 };
	struct gguf_writer *w;
	uint8_t q[2 * 34 * 3];
	float f[5] = { 1, 2, 3, 4, 5 };
	struct gguf *g;

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	write_keys(w);
	gguf_writer_tensor(w, "norm", 0, 1, ne_f);
	gguf_writer_tensor(w, "q", 8, 2, ne_q);
	for (size_t i = 0; i < sizeof(q); i++)
		q[i] = i;
	ck_assert_int_eq(gguf_writer_data(w, f, sizeof(f)), 0);
	ck_assert_int_eq(gguf_writer_data(w, q, 100), 0);
	ck_assert_int_eq(access(path, F_OK), -1);	/* not before it is complete */
	ck_assert_int_eq(gguf_writer_data(w, q + 100, sizeof(q) - 100), 0);
	ck_assert_msg(!gguf_writer_finish(w, err, sizeof(err)), "%s", err);
	gguf_writer_destroy(w);
	ck_assert_msg(!gguf_open(path, &g, err, sizeof(err)), "%s", err);
	return g;
}

START_TEST(round_trip)
{
	struct gguf *g = write_and_open();
	const struct gguf_tensor *t;
	struct gguf_str s, *strs;
	float v, *scores;
	int32_t *types;
	uint64_t u64;
	uint32_t u32;
	bool yes;
	size_t n;

	ck_assert_uint_eq(gguf_version(g), 3);
	ck_assert_uint_eq(gguf_alignment(g), 32);
	ck_assert_str_eq(gguf_arch(g), "llama");
	ck_assert_str_eq(gguf_path(g), path);
	ck_assert_uint_eq(gguf_n_keys(g), 8);
	ck_assert_str_eq(gguf_key(g, 2)->name, "big");
	ck_assert_int_eq(gguf_get_u32(g, ".block_count", &u32, NULL, 0), 0);
	ck_assert_uint_eq(u32, 30);
	ck_assert_int_eq(gguf_get_u64(g, "llama.block_count", &u64, NULL, 0), 0);
	ck_assert_uint_eq(u64, 30);
	ck_assert_int_eq(gguf_get_u64(g, "big", &u64, NULL, 0), 0);
	ck_assert_uint_eq(u64, 1ull << 40);
	ck_assert_int_eq(gguf_get_f32(g, "eps", &v, NULL, 0), 0);
	ck_assert(v == 1e-5f);
	ck_assert_int_eq(gguf_get_bool(g, "yes", &yes, NULL, 0), 0);
	ck_assert(yes);
	ck_assert_int_eq(gguf_get_str(g, "general.architecture", &s, NULL, 0), 0);
	ck_assert(gguf_str_eq(s, "llama") && !gguf_str_eq(s, "llam") && !gguf_str_eq(s, "llamb"));
	ck_assert_int_eq(gguf_get_strs(g, "words", &strs, &n, NULL, 0), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert(strs[0].size == 3 && !memcmp(strs[0].data, "a\0b", 3) && strs[1].size == 0 && gguf_str_eq(strs[2], "ccc"));
	free(strs);
	ck_assert_int_eq(gguf_get_f32s(g, "scores", &scores, &n, NULL, 0), 0);
	ck_assert(n == 2 && scores[0] == 0.5f && scores[1] == -1e4f);
	free(scores);
	ck_assert_int_eq(gguf_get_i32s(g, "types", &types, &n, NULL, 0), 0);
	ck_assert(n == 3 && types[0] == 1 && types[1] == -6 && types[2] == INT32_MIN);
	free(types);

	ck_assert_uint_eq(gguf_n_tensors(g), 2);
	t = gguf_find_tensor(g, "q");
	ck_assert_ptr_eq(t, gguf_tensor(g, 1));
	ck_assert_int_eq(t->dtype, DSEEK_Q8_0);
	ck_assert(t->n_dims == 2 && t->ne[0] == 64 && t->ne[1] == 3 && t->ne[2] == 1 && t->ne[3] == 1);
	ck_assert_uint_eq(t->size, 2 * 34 * 3);
	ck_assert_uint_eq((uintptr_t)t->data % 32, 0);
	for (size_t i = 0; i < t->size; i++)
		ck_assert_uint_eq(((const uint8_t *)t->data)[i], i);
	t = gguf_find_tensor(g, "norm");
	ck_assert(t->size == 20 && ((const float *)t->data)[4] == 5.0f);
	ck_assert_ptr_null(gguf_find_tensor(g, "nor"));
	gguf_close(g);
}
END_TEST

START_TEST(copied_keys)
{
	struct gguf *g = write_and_open(), *h;
	struct gguf_writer *w;

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	for (size_t i = 0; i < gguf_n_keys(g); i++)
		gguf_writer_key(w, gguf_key(g, i));
	ck_assert_int_eq(gguf_writer_finish(w, err, sizeof(err)), 0);
	gguf_writer_destroy(w);
	ck_assert_msg(!gguf_open(path, &h, err, sizeof(err)), "%s", err);
	ck_assert_uint_eq(gguf_n_keys(h), gguf_n_keys(g));
	ck_assert_uint_eq(gguf_n_tensors(h), 0);
	for (size_t i = 0; i < gguf_n_keys(g); i++) {
		const struct gguf_key *a = gguf_key(g, i), *b = gguf_key(h, i);

		ck_assert_str_eq(a->name, b->name);
		ck_assert(a->type == b->type && a->elem_type == b->elem_type && a->count == b->count);
		ck_assert_mem_eq(a->data, b->data, gguf_key_size(a));
	}
	gguf_close(g);
	gguf_close(h);
}
END_TEST

#define ck_error(call, error, message) do { \
	ck_assert_int_eq(call, error); \
	ck_assert_msg(strstr(err, message), "'%s', not '%s'", err, message); \
} while (0)

START_TEST(lookup_errors)
{
	struct gguf *g = write_and_open();
	struct gguf_str s, *strs;
	int32_t *i32s;
	float f, *f32s;
	uint64_t u64;
	uint32_t u32;
	size_t n;
	bool b;

	ck_error(gguf_get_u32(g, ".none", &u32, err, sizeof(err)), -ENOENT, ": key 'llama.none' is missing");
	ck_error(gguf_get_str(g, "none", &s, err, sizeof(err)), -ENOENT, ": key 'none' is missing");
	ck_error(gguf_get_f32(g, "none", &f, err, sizeof(err)), -ENOENT, ": key 'none' is missing");
	ck_error(gguf_get_bool(g, "none", &b, err, sizeof(err)), -ENOENT, ": key 'none' is missing");
	ck_error(gguf_get_strs(g, "none", &strs, &n, err, sizeof(err)), -ENOENT, ": key 'none' is missing");
	ck_error(gguf_get_u32(g, "big", &u32, err, sizeof(err)), -ERANGE, ": key 'big' is 1099511627776, too large");
	ck_error(gguf_get_u64(g, "eps", &u64, err, sizeof(err)), -EINVAL, ": key 'eps' is of type f32, an integer is wanted");
	ck_error(gguf_get_u64(g, "yes", &u64, err, sizeof(err)), -EINVAL, ": key 'yes' is of type bool, an integer is wanted");
	ck_error(gguf_get_f32(g, "big", &f, err, sizeof(err)), -EINVAL, ": key 'big' is of type u64, a floating-point number is wanted");
	ck_error(gguf_get_bool(g, "big", &b, err, sizeof(err)), -EINVAL, ": key 'big' is of type u64, a bool is wanted");
	ck_error(gguf_get_str(g, "words", &s, err, sizeof(err)), -EINVAL, ": key 'words' is an array of string, a string is wanted");
	ck_error(gguf_get_strs(g, "types", &strs, &n, err, sizeof(err)), -EINVAL, ": key 'types' is an array of i32, an array of strings is wanted");
	ck_error(gguf_get_strs(g, "big", &strs, &n, err, sizeof(err)), -EINVAL, ": key 'big' is of type u64, an array of strings is wanted");
	ck_error(gguf_get_f32s(g, "words", &f32s, &n, err, sizeof(err)), -EINVAL, ": key 'words' is an array of string, an array of floating");
	ck_error(gguf_get_i32s(g, "scores", &i32s, &n, err, sizeof(err)), -EINVAL, ": key 'scores' is an array of f32, an array of integers");
	gguf_close(g);
}
END_TEST

/* Widths and signs that the writer doesn't make. */
START_TEST(other_types)
{
	struct bytes b = { .n = 0 };
	double d = -2.5;
	uint64_t bits, u64;
	int32_t *i32s;
	uint32_t u32;
	struct gguf *g;
	size_t n;
	float f;

	memcpy(&bits, &d, 8);
	put_header(&b, 2, 0, 6);
	put_str(&b, "u8"); put(&b, GGUF_U8, 4); put(&b, 200, 1);
	put_str(&b, "i8"); put(&b, GGUF_I8, 4); put(&b, -5, 1);
	put_str(&b, "i16"); put(&b, GGUF_I16, 4); put(&b, 30000, 2);
	put_str(&b, "f64"); put(&b, GGUF_F64, 4); put(&b, bits, 8);
	put_str(&b, "i8s"); put(&b, GGUF_ARRAY, 4); put(&b, GGUF_I8, 4); put(&b, 2, 8); put(&b, -1, 1); put(&b, 7, 1);
	put_str(&b, "u32s"); put(&b, GGUF_ARRAY, 4); put(&b, GGUF_U32, 4); put(&b, 2, 8); put(&b, 9, 4); put(&b, 0x80000000, 4);
	ck_assert_msg(!gguf_parse(b.data, b.n, "f", &g, err, sizeof(err)), "%s", err);
	ck_assert_uint_eq(gguf_version(g), 2);
	ck_assert_str_eq(gguf_arch(g), "");
	ck_assert_int_eq(gguf_get_u32(g, "u8", &u32, NULL, 0), 0);
	ck_assert_uint_eq(u32, 200);
	ck_error(gguf_get_u32(g, "i8", &u32, err, sizeof(err)), -ERANGE, "f: key 'i8' is -5, below 0");
	ck_assert_int_eq(gguf_get_u64(g, "i16", &u64, NULL, 0), 0);
	ck_assert_uint_eq(u64, 30000);
	ck_assert_int_eq(gguf_get_f32(g, "f64", &f, NULL, 0), 0);
	ck_assert(f == -2.5f);
	ck_assert_int_eq(gguf_get_i32s(g, "i8s", &i32s, &n, NULL, 0), 0);
	ck_assert(n == 2 && i32s[0] == -1 && i32s[1] == 7);
	free(i32s);
	ck_error(gguf_get_i32s(g, "u32s", &i32s, &n, err, sizeof(err)), -ERANGE, "f: key 'u32s': element 1 doesn't fit 32 bits");
	gguf_close(g);
}
END_TEST

START_TEST(writer_errors)
{
	static const uint64_t ne[2] = { 32, 1ull << 62 };
	struct gguf_writer *w;
	char data[256] = "";

	ck_assert_int_eq(gguf_writer_create("/nonexistent/x", &w, err, sizeof(err)), -ENOENT);
	ck_assert_str_eq(err, "/nonexistent/x: No such file or directory");

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 0, 1, ne);
	gguf_writer_data(w, data, 100);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EINVAL, ": data of 0 of 1 tensors was written");
	gguf_writer_destroy(w);
	ck_assert_int_eq(access(path, F_OK), -1);

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 0, 1, ne);
	ck_assert_int_eq(gguf_writer_data(w, data, 129), -EINVAL);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EINVAL, ": more data than the tensors declared");
	gguf_writer_destroy(w);

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 12, 1, ne);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EINVAL, ": tensor 'w' has a type or shape that can't be written");
	gguf_writer_destroy(w);

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 0, 2, ne);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EOVERFLOW, ": tensor 'w': the product of its extents overflows");
	gguf_writer_destroy(w);

	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 0, 1, ne);
	gguf_writer_data(w, data, 128);
	gguf_writer_u32(w, "late", 1);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EINVAL, ": key 'late' after the first data");
	gguf_writer_destroy(w);
}
END_TEST

/* A disk that is full, as far as this process is concerned. */
START_TEST(writer_no_room)
{
	static const uint64_t ne[1] = { 1 << 20 };
	const struct rlimit limit = { 100000, 100000 };
	float *data = calloc(1 << 20, sizeof(*data));
	struct gguf_writer *w;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(gguf_writer_create(path, &w, err, sizeof(err)), 0);
	gguf_writer_tensor(w, "w", 0, 1, ne);
	ck_assert_int_eq(gguf_writer_data(w, data, 4 << 20), -EIO);
	ck_error(gguf_writer_finish(w, err, sizeof(err)), -EIO, ": writing failed: File too large");
	gguf_writer_destroy(w);
	ck_assert_int_eq(access(path, F_OK), -1);
	free(data);
}
END_TEST

START_TEST(tensor_types)
{
	for (int d = 0; d < DSEEK_DTYPE_COUNT; d++) {
		int type = gguf_tensor_type_of(d);

		if (d == DSEEK_F8_E4M3) {	/* made as weights are loaded; files have no such rows */
			ck_assert_int_eq(type, -1);
			continue;
		}
		ck_assert_msg(type >= 0 && gguf_tensor_type(type)->dtype == d, "dtype %d", d);
	}
	ck_assert_int_eq(gguf_tensor_type_of(-1), -1);
	ck_assert_int_eq(gguf_tensor_type_of(DSEEK_DTYPE_COUNT), -1);
	ck_assert_ptr_null(gguf_tensor_type(4));
	ck_assert_ptr_null(gguf_tensor_type(40));
	ck_assert_int_eq(gguf_tensor_type(13)->dtype, -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gguf");
	TCase *tc = tcase_create("gguf");

	tcase_add_checked_fixture(tc, name_file, remove_file);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, copied_keys);
	tcase_add_test(tc, lookup_errors);
	tcase_add_test(tc, other_types);
	tcase_add_test(tc, writer_errors);
	tcase_add_test(tc, writer_no_room);
	tcase_add_test(tc, tensor_types);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
