// SPDX-License-Identifier: MIT
/*
 * dseek bench latent: latent attention of one layer in the shape of DeepSeek-V2 (latent 512, keys 128 + 64, values 128), in both forms and
 * as the engine chooses, next to the same attention on a cache of plain heads: there keys and values of the run's tokens are made once, by a
 * product, and kept. In turns, the least time of each.
 */
#include "cli.h"
#include "bench_ops.h"

#include <backend.h>
#include <cpu/latent.h>
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RANK	512
#define PLAIN	128
#define ROTATED	64
#define KEY	(PLAIN + ROTATED)
#define VALUE	128

enum form { HEADS, ABSORBED, EXPANDED, CHOSEN, FORM_COUNT };
enum { B_WEIGHTS, B_CACHE, B_WORK, B_COUNT };

struct latent_bench {
	uint32_t heads, tokens, past, dtype;
	clockid_t clock;
	void *engine[FORM_COUNT];
	struct dseek_builder *builder;
	uint64_t used[B_COUNT];
	uint8_t *memory[B_COUNT];
	uint64_t positions_at;		/* in B_WORK */
	void *blob[2];			/* plain heads; latent */
	struct dseek_program_view view[2];
	uint64_t best_ns[FORM_COUNT];
};

static uint64_t now_ns(const struct latent_bench *b)
{
	struct timespec ts;

	clock_gettime(b->clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* @by_head: the memory of a head lies together, slot after slot, as models place it. */
static int tensor(struct latent_bench *b, int binding, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1, uint32_t ne2, bool by_head)
{
	uint64_t row = dseek_row_bytes(dtype, ne0), matrix = dseek_tensor_bytes(dtype, layout, ne0, ne1);
	struct dseek_program_tensor t = {
		.dtype = dtype, .layout = layout, .binding = binding, .offset = b->used[binding],
		.ne = { ne0, ne1, ne2, 1 }, .stride = { by_head ? row * ne2 : row, by_head ? row : matrix, matrix * ne2 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	b->used[binding] += (matrix * ne2 + 63) & ~63ull;
	return dseek_builder_tensor(b->builder, &t);
}

#define WEIGHT(dtype, ne0, ne1, ne2)	tensor(b, B_WEIGHTS, dtype, DSEEK_LAYOUT_PACKED, ne0, ne1, ne2, false)
#define CACHE(ne0, ne1)			tensor(b, B_CACHE, DSEEK_F16, DSEEK_LAYOUT_ROWS, ne0, ne1, b->past + b->tokens, true)
#define WORK(ne0, ne1, ne2)		tensor(b, B_WORK, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, ne1, ne2, false)

static void op(struct latent_bench *b, uint16_t code, const int *tensors, int n)
{
	struct dseek_program_op o = { .code = code, .f = { code == DSEEK_OP_LINEAR ? 0 : 1e-3f } };
	int i;

	memset(o.t, 0xff, sizeof(o.t));
	for (i = 0; i < n; i++)
		o.t[i] = tensors[i];
	dseek_builder_op(b->builder, &o);
}

#define OP(code, ...)	op(b, DSEEK_OP_##code, (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static int build(struct latent_bench *b, int which)
{
	uint32_t heads = b->heads, tokens = b->tokens;
	int positions, q, out, rows, k, v, ret, i;
	char err[256];
	size_t size;

	b->builder = dseek_builder_create(0);
	if (!b->builder)
		return -ENOMEM;
	for (i = 0; i < B_COUNT; i++)
		dseek_builder_binding(b->builder, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE, 0);
	memset(b->used, 0, sizeof(b->used));
	b->positions_at = b->used[B_WORK];
	positions = tensor(b, B_WORK, DSEEK_I32, DSEEK_LAYOUT_ROWS, tokens, 1, 1, false);
	q = WORK(KEY, heads, tokens);
	out = WORK(VALUE, heads, tokens);
	if (!which) {
		k = CACHE(KEY, heads);
		v = CACHE(VALUE, heads);
		OP(LINEAR, WORK(RANK, tokens, 1), WEIGHT(b->dtype, RANK, heads * (PLAIN + VALUE), 1), DSEEK_NO_TENSOR, DSEEK_NO_TENSOR,
		   WORK(heads * (PLAIN + VALUE), tokens, 1));
		OP(ATTENTION, q, k, v, positions, out);
	} else {
		rows = CACHE(RANK + ROTATED, 1);
		k = WEIGHT(b->dtype, PLAIN, RANK, heads);
		v = WEIGHT(b->dtype, RANK, VALUE, heads);
		OP(LATENT_ATTENTION, q, rows, k, v, positions, out, WEIGHT(b->dtype, RANK, PLAIN, heads), WORK(RANK + ROTATED, heads, tokens),
		   WORK(RANK, heads, tokens));
	}
	ret = dseek_builder_finish(b->builder, &b->blob[which], &size);
	if (ret)
		cli_log(CLI_ERROR, "bench latent: the program is not valid: %s", dseek_builder_error(b->builder));
	dseek_builder_destroy(b->builder);
	return ret ? ret : dseek_program_validate(b->blob[which], size, &b->view[which], err, sizeof(err));
}

/* Both programs in the same memory, the larger of what they ask for. */
static int prepare(struct latent_bench *b)
{
	uint64_t used[B_COUNT] = { 0 };
	uint32_t t;
	int which, i, ret;

	for (which = 0; which < 2; which++) {
		ret = build(b, which);
		if (ret)
			return ret;
		for (i = 0; i < B_COUNT; i++)
			used[i] = b->used[i] > used[i] ? b->used[i] : used[i];
	}
	for (i = 0; i < B_COUNT; i++) {
		b->memory[i] = aligned_alloc(4096, (used[i] + 4095) & ~4095ull);
		if (!b->memory[i])
			return -ENOMEM;
		bench_fill_weights(b->memory[i], used[i]);
	}
	for (t = 0; t < b->tokens; t++)
		((int32_t *)(b->memory[B_WORK] + b->positions_at))[t] = b->past + t;
	return 0;
}

static int run(struct latent_bench *b, uint64_t seconds)
{
	uint64_t end = now_ns(b) + seconds * 1000000000, start;
	int n, i, f, ret;

	for (f = 0; f < FORM_COUNT; f++)
		b->best_ns[f] = UINT64_MAX;
	for (n = 0; n < 2 || now_ns(b) < end; n++) {
		for (i = 0; i < FORM_COUNT; i++) {
			struct dseek_run r = { .bindings = (void *const *)b->memory };

			f = n % 2 ? FORM_COUNT - 1 - i : i;	/* to and fro: what the one before left in the caches is not the same each time */
			r.program = &b->view[f != HEADS];
			start = now_ns(b);
			ret = dseek_backend_cpu.run(b->engine[f], &r);
			if (ret)
				return ret;
			start = now_ns(b) - start;
			b->best_ns[f] = start < b->best_ns[f] ? start : b->best_ns[f];
		}
	}
	return 0;
}

static uint64_t scratch(const struct latent_bench *b)
{
	struct cpu_op o;

	cpu_op_resolve(&b->view[1], 0, NULL, (void *const *)b->memory, &o);
	return cpu_latent_bytes(b->engine[EXPANDED], &o);
}

static void report(const struct latent_bench *b, int json)
{
	const uint32_t w = dseek_dtype_block(b->dtype) > 1 ? CPU_LATENT_Q8 : 1;
	const struct cpu_latent_shape shape = { RANK, PLAIN, ROTATED, VALUE, w, w, w };
	uint64_t pairs = (uint64_t)b->tokens * b->past + (uint64_t)b->tokens * (b->tokens + 1) / 2;
	struct cpu_latent_work work = cpu_latent_work(&shape, pairs, b->tokens, b->past + b->tokens);
	const char *chosen = work.absorbed <= work.expanded ? "absorbed" : "expanded";
	double heads = b->best_ns[HEADS];

	if (json)
		printf("{\"tokens\":%u,\"past\":%u,\"dtype\":\"%s\",\"heads_ms\":%.3f,\"absorbed_ratio\":%.3f,\"expanded_ratio\":%.3f,\"chosen\":\"%s\","
		       "\"chosen_ratio\":%.3f,\"counted_ratio\":%.3f,\"scratch_bytes\":%llu}\n", b->tokens, b->past, dseek_dtype_name(b->dtype), heads / 1e6,
		       b->best_ns[ABSORBED] / heads, b->best_ns[EXPANDED] / heads, chosen, b->best_ns[CHOSEN] / heads,
		       (double)work.absorbed / work.expanded, (unsigned long long)scratch(b));
	else
		printf("%6u %6u %10.2f %9.2f %9.2f %9.2f %-9s %8.2f %8.2f %9.1f\n", b->tokens, b->past, heads / 1e6, b->best_ns[ABSORBED] / heads,
		       b->best_ns[EXPANDED] / heads, b->best_ns[CHOSEN] / heads, chosen, (double)b->best_ns[ABSORBED] / b->best_ns[EXPANDED],
		       (double)work.absorbed / work.expanded, scratch(b) / 1048576.0);
	fflush(stdout);
}

static int one_size(struct latent_bench *b, uint64_t seconds, int json)
{
	int ret = prepare(b), i;

	if (!ret)
		ret = run(b, seconds);
	if (!ret)
		report(b, json);
	for (i = 0; i < B_COUNT; i++) {
		free(b->memory[i]);
		b->memory[i] = NULL;
	}
	for (i = 0; i < 2; i++) {
		free(b->blob[i]);
		b->blob[i] = NULL;
	}
	return ret;
}

static int open_engines(struct latent_bench *b, const char *isa, unsigned int threads)
{
	static const char *const forms[FORM_COUNT] = { "auto", "absorbed", "expanded", "auto" };
	char text[100], err[256];
	int f, ret;

	for (f = 0; f < FORM_COUNT; f++) {
		snprintf(text, sizeof(text), "isa=%.20s,threads=%u,latent=%s", isa, threads, forms[f]);
		ret = dseek_backend_cpu.open(text, &b->engine[f], err, sizeof(err));
		if (ret) {
			cli_log(CLI_ERROR, "%s", err);
			return ret;
		}
		if (!((struct cpu_ctx *)b->engine[f])->kernels) {
			cli_log(CLI_ERROR, "bench latent: isa=%s: without vector instructions there is one form only", isa);
			return -ENOTSUP;
		}
	}
	return 0;
}

int bench_latent_main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseek bench latent", "[OPTION...]", "Time the cpu engine's forms of latent attention, a layer in DeepSeek-V2's shape.",
		.more = "absorbed, expanded, chosen: times, with those of plain heads as 1; abs/exp: absorbed over expanded as measured, counted: as the\n"
			"engine counts it to choose. With one thread times are CPU time.\n",
	};
	static const uint32_t sizes[][2] = { { 1, 1024 }, { 32, 1024 }, { 64, 1024 }, { 128, 1024 }, { 256, 0 }, { 256, 1024 }, { 512, 0 }, { 512, 2048 } };
	struct cli_common common = CLI_COMMON_DEFAULTS;
	const char *isa = "auto", *type = "Q8_0";
	uint64_t threads = 2, tokens = 0, past = 0, heads = 16, seconds = 1;
	const struct cli_option options[] = {
		{ "threads", 't', CLI_UINT, &threads, "N", "threads (default 2)" },
		{ "isa", 0, CLI_STRING, &isa, "NAME", "auto (default), avx2, avx512" },
		{ "heads", 0, CLI_UINT, &heads, "N", "query heads (default 16)" },
		{ "tokens", 'n', CLI_UINT, &tokens, "N", "tokens in the run (default: several sizes)" },
		{ "past", 'c', CLI_UINT, &past, "N", "tokens that the cache has before, with --tokens (default 0)" },
		{ "type", 0, CLI_STRING, &type, "DTYPE", "of the weights (default Q8_0)" },
		{ "seconds", 's', CLI_UINT, &seconds, "N", "for each size (default 1)" },
		CLI_OPTION_NO_DEVICE(&common), CLI_OPTION_JSON(&common),
		CLI_OPTIONS_END
	};
	struct latent_bench b = { .clock = CLOCK_MONOTONIC };
	int ret, f;
	size_t i;

	cli_parse(&usage, options, argc, argv);
	for (b.dtype = 0; b.dtype < DSEEK_DTYPE_COUNT; b.dtype++)
		if (!strcmp(dseek_dtype_name(b.dtype), type) && dseek_tensor_bytes(b.dtype, DSEEK_LAYOUT_PACKED, PLAIN, DSEEK_PACK_ROWS))
			break;
	if (b.dtype == DSEEK_DTYPE_COUNT)
		return cli_usage_error(&usage, "type %s: not one, or it has no PACKED rows of %u", type, PLAIN);
	if (!threads || threads > 64 || tokens > 4096 || past > 65536 || !heads || heads > 128)
		return cli_usage_error(&usage, "1 to 64 threads, up to 4096 tokens, 65536 before them, 1 to 128 heads");
	if (threads == 1)
		b.clock = CLOCK_THREAD_CPUTIME_ID;
	b.heads = heads;
	ret = open_engines(&b, isa, threads);
	if (!ret && !common.json)
		printf("%u heads, %s, %u thread%s\n%6s %6s %10s %9s %9s %9s %-9s %8s %8s %9s\n", b.heads, type, (unsigned int)threads, threads > 1 ? "s" : "",
		       "tokens", "past", "heads ms", "absorbed", "expanded", "chosen", "", "abs/exp", "counted", "MiB");
	for (i = 0; !ret && i < (tokens ? 1 : sizeof(sizes) / sizeof(*sizes)); i++) {
		b.tokens = tokens ? tokens : sizes[i][0];
		b.past = tokens ? past : sizes[i][1];
		ret = one_size(&b, seconds, common.json);
		if (ret)
			cli_log(CLI_ERROR, "bench latent: %s", strerror(-ret));
	}
	for (f = 0; f < FORM_COUNT; f++)
		if (b.engine[f])
			dseek_backend_cpu.close(b.engine[f]);
	return !ret ? CLI_OK : ret == -ENOTSUP ? CLI_SKIP : CLI_FAILED;
}
