// SPDX-License-Identifier: MIT
/* Synthetic models: the same bytes everywhere, the numbers they promise, vocabularies that work, refusals. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/model/gguf.h"
#include "../../userspace/model/sample_text.h"
#include "../../userspace/model/synth.h"
#include "../../userspace/model/tokenizer.h"
#include "dseek_program.h"
#include "../check_run.h"

static char path[PATH_MAX], err[256];

static void name_file(void)
{
	snprintf(path, sizeof(path), "%s/dseek-synth-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
}

static void remove_file(void)
{
	unlink(path);
}

static struct gguf *make(const struct synth_params *p)
{
	struct gguf *g;

	ck_assert_msg(!synth_write(p, path, err, sizeof(err)), "%s", err);
	ck_assert_msg(!gguf_open(path, &g, err, sizeof(err)), "%s", err);
	return g;
}

static struct synth_params preset(const char *name)
{
	struct synth_params p;

	ck_assert_msg(!synth_preset(name, &p, err, sizeof(err)), "%s", err);
	return p;
}

static uint64_t checksum(const struct gguf *g)	/* FNV-1a */
{
	uint64_t h = 0xcbf29ce484222325ull;
	size_t size;
	const uint8_t *p = gguf_map(g, &size);

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static const struct {
	const char *preset;
	int dtype, spm;
	uint64_t checksum;
} files[] = {
	{ "tiny-llama", DSEEK_F32, 1, 0xa1692e5dc7edd748 },
	{ "tiny-llama", DSEEK_BF16, 0, 0x765aa2686303ddf6 },
	{ "tiny-mixtral", DSEEK_Q8_0, 1, 0xbec9c0eac2e24d6e },
	{ "tiny-mixtral", DSEEK_Q4_0, 1, 0x2fd90ccb9ac72b61 },
	{ "tiny-mixtral", DSEEK_Q4_1, 0, 0x0a0b99990a5524c9 },
	{ "tiny-qwen3moe", DSEEK_F16, 0, 0xe01f53052057dd36 },
	{ "tiny-dsv2lite", DSEEK_Q8_0, 0, 0x7dcaf9fa7e792918 },
	{ "tiny-dsv3", DSEEK_F32, 0, 0x5296a079afecd186 },
};

/* Figures of one machine; all others must agree. */
START_TEST(same_everywhere)
{
	struct synth_params p = preset(files[_i].preset);
	struct gguf *g;

	p.dtype = files[_i].dtype;
	p.spm = files[_i].spm;
	g = make(&p);
	ck_assert_msg(checksum(g) == files[_i].checksum, "%s: 0x%016llx", p.preset, (unsigned long long)checksum(g));
	gguf_close(g);
}
END_TEST

static void to_f32(const struct gguf_tensor *t, uint64_t row, float *out)
{
	ck_assert_int_eq(dseek_row_to_f32(t->dtype, (const uint8_t *)t->data + row * dseek_row_bytes(t->dtype, t->ne[0]), t->ne[0], out), 0);
}

/* Mean 0 and deviation 1/sqrt(ne0), of 131072 numbers; every type holds the numbers of f32, as well as it can. */
START_TEST(numbers)
{
	static const double tolerance[DSEEK_DTYPE_COUNT] = { [DSEEK_F16] = 1e-4, [DSEEK_BF16] = 1e-3, [DSEEK_Q8_0] = 1e-3, [DSEEK_Q4_0] = 2e-2,
							     [DSEEK_Q4_1] = 2e-2, [DSEEK_MXFP4] = 7e-2 };
	struct synth_params p = preset("tiny-mixtral");
	const struct gguf_tensor *t, *u;
	float x[256], y[256];
	double sum = 0, squares = 0;
	struct gguf *g = make(&p), *h;

	t = gguf_find_tensor(g, "token_embd.weight");
	ck_assert(t && t->n_dims == 2 && t->ne[0] == 256 && t->ne[1] == 512);
	for (uint64_t row = 0; row < t->ne[1]; row++) {
		to_f32(t, row, x);
		for (int i = 0; i < 256; i++) {
			sum += x[i];
			squares += (double)x[i] * x[i];
		}
	}
	ck_assert_double_lt(fabs(sum / 131072), 0.015);
	ck_assert_double_lt(fabs(squares / 131072 - 1), 0.02);
	t = gguf_find_tensor(g, "blk.1.ffn_down_exps.weight");
	ck_assert(t && t->n_dims == 3 && t->ne[0] == 256 && t->ne[1] == 256 && t->ne[2] == 8);
	ck_assert_int_eq(gguf_find_tensor(g, "blk.1.ffn_gate_inp.weight")->dtype, DSEEK_F32);
	for (int dtype = 0; dtype < DSEEK_DTYPE_COUNT; dtype++) {
		if (tolerance[dtype] == 0)
			continue;
		p.dtype = dtype;
		unlink(path);
		h = make(&p);
		u = gguf_find_tensor(h, "blk.1.ffn_down_exps.weight");
		ck_assert_int_eq(u->dtype, dtype);
		for (uint64_t row = 0; row < 2048; row += 97) {
			to_f32(t, row, x);
			to_f32(u, row, y);
			for (int i = 0; i < 256; i++)
				ck_assert_double_lt(fabs(x[i] - y[i]), tolerance[dtype] * 3);
		}
		gguf_close(h);
	}
	gguf_close(g);
}
END_TEST

START_TEST(seeds)
{
	struct synth_params p = preset("tiny-llama"), q = p;
	struct gguf *g, *h;

	q.seed = 2;
	g = make(&p);
	unlink(path);
	h = make(&q);
	ck_assert_int_ne(memcmp(gguf_find_tensor(g, "blk.0.attn_q.weight")->data, gguf_find_tensor(h, "blk.0.attn_q.weight")->data, 1024), 0);
	gguf_close(h);
	q = p;
	q.n_layer = 5;		/* the others stay */
	unlink(path);
	h = make(&q);
	ck_assert_int_eq(memcmp(gguf_find_tensor(g, "blk.1.attn_q.weight")->data, gguf_find_tensor(h, "blk.1.attn_q.weight")->data,
				gguf_find_tensor(g, "blk.1.attn_q.weight")->size), 0);
	ck_assert_ptr_nonnull(gguf_find_tensor(h, "blk.4.attn_q.weight"));
	gguf_close(g);
	gguf_close(h);
}
END_TEST

/* The text it was trained on comes back from the tokens, and takes fewer of them than bytes. */
START_TEST(vocabularies)
{
	static const uint32_t sizes[] = { SYNTH_MIN_VOCAB, 512, 4096 };
	static const double most[] = { 1.01, 0.6, 0.45 };	/* tokens a byte */
	struct synth_params p = preset("tiny-llama");
	struct tokenizer *t;
	size_t size, n, back_size;
	const char *text = sample_text(&size);
	struct gguf *g;
	int32_t *ids;
	char *back;

	p.spm = _i % 2;
	p.n_vocab = sizes[_i / 2];
	g = make(&p);
	ck_assert_msg(!tokenizer_create(g, &t, err, sizeof(err)), "%s", err);
	ck_assert_uint_eq(tokenizer_n_vocab(t), p.n_vocab);
	ck_assert_int_eq(tokenizer_encode(t, text, size, 0, &ids, &n), 0);
	ck_assert_double_lt(n, most[_i / 2] * (double)size);
	ck_assert_int_eq(tokenizer_decode(t, ids, n, 0, &back, &back_size), 0);
	ck_assert(back_size == size && !memcmp(back, text, size));
	ck_assert_int_eq(tokenizer_bos(t), 1);
	ck_assert(tokenizer_is_end(t, 2) && tokenizer_adds_bos(t) == p.spm);
	free(ids);
	free(back);
	tokenizer_destroy(t);
	gguf_close(g);
}
END_TEST

#define BAD(change, message) { change, message }

static void zero(struct synth_params *p) { p->n_layer = 0; }
static void huge(struct synth_params *p) { p->n_embd = 1 << 20; }
static void groups(struct synth_params *p) { p->n_head_kv = 3; }
static void odd(struct synth_params *p) { p->head_dim = 33; }
static void used(struct synth_params *p) { p->n_expert_used = 9; }
static void unused(struct synth_params *p) { p->n_expert_used = 0; }
static void vocab(struct synth_params *p) { p->n_vocab = 299; }
static void dtype(struct synth_params *p) { p->dtype = DSEEK_Q6_K; }
static void no_dtype(struct synth_params *p) { p->dtype = -1; }
static void block(struct synth_params *p) { p->dtype = DSEEK_Q8_0; p->n_ff = 100; }
static void latent(struct synth_params *p) { synth_preset("tiny-dsv3", p, err, sizeof(err)); }
static void latent_huge(struct synth_params *p) { latent(p); p->q_rank = 65537; }
static void latent_rank(struct synth_params *p) { latent(p); p->kv_rank = 40; }
static void latent_head(struct synth_params *p) { latent(p); p->head_dim = 32; }
static void latent_layers(struct synth_params *p) { latent(p); p->n_layer = 1; p->n_dense = 2; }
static void latent_groups(struct synth_params *p) { latent(p); p->n_expert = 18; }
static void latent_used(struct synth_params *p) { latent(p); p->n_expert_used = 9; }
static void latent_block(struct synth_params *p) { latent(p); p->dtype = DSEEK_Q8_0; p->kv_rank = 48; }

static const struct {
	void (*change)(struct synth_params *p);
	const char *message;
} bad[] = {
	BAD(zero, "a size is 0"),
	BAD(huge, "a size is too large"),
	BAD(groups, "the number of heads is not a multiple of that of KV heads"),
	BAD(odd, "the head dimension is odd"),
	BAD(used, "the number of experts used is not between 1 and that of experts"),
	BAD(unused, "the number of experts used is not between 1 and that of experts"),
	BAD(vocab, "the vocabulary has less than 300 tokens"),
	BAD(dtype, "the type is none of f32, f16, bf16, q8_0, q4_0, q4_1, mxfp4"),
	BAD(no_dtype, "the type is none of f32, f16, bf16, q8_0, q4_0, q4_1, mxfp4"),
	BAD(block, "embedding, feed-forward and attention widths must be multiples of the type's block of 32"),
	BAD(latent_huge, "a size is too large"),
	BAD(latent_rank, "what of a head is not rotated, and the rank of the keys, must be multiples of 16"),
	BAD(latent_head, "what of a head is not rotated, and the rank of the keys, must be multiples of 16"),
	BAD(latent_layers, "there are fewer layers than dense ones"),
	BAD(latent_groups, "the groups of experts are not equal, or those looked at have too few"),
	BAD(latent_used, "the groups of experts are not equal, or those looked at have too few"),
	BAD(latent_block, "ranks and widths of latent attention must be multiples of the type's block of 32"),
};

START_TEST(bad_parameters)
{
	struct synth_params p = preset("tiny-mixtral");

	bad[_i].change(&p);
	ck_assert_int_eq(synth_write(&p, path, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, bad[_i].message);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(bad_names)
{
	struct synth_params p = preset("tiny-llama");

	ck_assert_int_eq(synth_write(&p, "/nonexistent/m.gguf", err, sizeof(err)), -ENOENT);
	ck_assert_str_eq(err, "/nonexistent/m.gguf: No such file or directory");
	ck_assert_int_eq(synth_preset("huge-llama", &p, err, sizeof(err)), -ENOENT);
	ck_assert_str_eq(err, "no preset 'huge-llama'; there are tiny-llama, tiny-mixtral, tiny-qwen3moe, tiny-dsv2lite, tiny-dsv3, tiny-gptoss");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("synth");
	TCase *tc = tcase_create("synth");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, name_file, remove_file);
	tcase_add_loop_test(tc, same_everywhere, 0, sizeof(files) / sizeof(files[0]));
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, seeds);
	tcase_add_loop_test(tc, vocabularies, 0, 6);
	tcase_add_loop_test(tc, bad_parameters, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, bad_names);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
