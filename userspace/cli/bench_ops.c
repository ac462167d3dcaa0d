// SPDX-License-Identifier: MIT
/*
 * dseek bench ops: a forward pass in the shape of a small llama-like model with random weights, op by op. Each
 * op's time is its least over the repetitions, so that a busy machine disturbs it least; the roof (read_roof.h) is what
 * the same number of threads can read, measured in the same run.
 */
#include "bench_ops.h"
#include "cli.h"
#include "read_roof.h"

#include <backend.h>
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAYERS		30
#define EMBD		576
#define HEADS		9
#define KV_HEADS	3
#define HEAD		64
#define FF		1536
#define VOCAB		49152
#define MOST_OPS	512

enum { B_WEIGHTS, B_VECTORS, B_WORK, B_COUNT };

struct bench {
	struct dseek_builder *builder;
	uint64_t used[B_COUNT];
	uint32_t tokens, context;
	uint32_t dtype, layout;
	void *blob;
	size_t size;
	uint8_t *memory[B_COUNT];
	uint32_t positions_at;		/* work: I32 [tokens] */
	uint32_t op_count;
	struct op_figures {
		uint64_t ns, weight_bytes;
		double operations;
		uint16_t code;
	} ops[MOST_OPS];
	uint64_t step_ns;
};

/* One thread: its CPU time, which other processes take nothing from. */
static clockid_t clock_id = CLOCK_MONOTONIC;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(clock_id, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int tensor(struct bench *b, int binding, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1, uint32_t ne2)
{
	uint64_t row = dseek_row_bytes(dtype, ne0), matrix = dseek_tensor_bytes(dtype, layout, ne0, ne1);
	struct dseek_program_tensor t = {
		.dtype = dtype, .layout = layout, .binding = binding, .offset = b->used[binding],
		.ne = { ne0, ne1, ne2, 1 }, .stride = { row, matrix, matrix * ne2 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	b->used[binding] += (matrix * ne2 + 63) & ~63ull;
	return dseek_builder_tensor(b->builder, &t);
}

static int by_heads(struct bench *b, uint64_t at, uint32_t head, uint32_t heads)
{
	struct dseek_program_tensor t = {
		.dtype = DSEEK_F32, .binding = B_WORK, .offset = at, .ne = { head, heads, b->tokens, 1 },
		.stride = { head * 4, head * heads * 4, (uint64_t)head * heads * b->tokens * 4 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	return dseek_builder_tensor(b->builder, &t);
}

static int activation(struct bench *b, uint32_t ne0, uint64_t *ret_at)
{
	if (ret_at)
		*ret_at = b->used[B_WORK];
	return tensor(b, B_WORK, DSEEK_F32, DSEEK_LAYOUT_ROWS, ne0, b->tokens, 1);
}

static int weight(struct bench *b, uint32_t dtype, uint32_t k, uint32_t n)
{
	struct op_figures *op = b->ops + b->op_count;

	op->weight_bytes += dseek_tensor_bytes(dtype, b->layout, k, n);
	op->operations += 2.0 * k * n * b->tokens;
	return tensor(b, B_WEIGHTS, dtype, b->layout, k, n, 1);
}

static int vector(struct bench *b, uint32_t n)
{
	return tensor(b, B_VECTORS, DSEEK_F32, DSEEK_LAYOUT_ROWS, n, 1, 1);
}

static void add_op(struct bench *b, uint16_t code, uint16_t flags, const int *tensors, int n, uint32_t i0, float f0, float f1)
{
	struct dseek_program_op op = { .code = code, .flags = flags, .i = { i0 }, .f = { f0, f1 } };
	int i;

	memset(op.t, 0xff, sizeof(op.t));
	for (i = 0; i < n; i++)
		op.t[i] = tensors[i] < 0 ? DSEEK_NO_TENSOR : tensors[i];
	dseek_builder_op(b->builder, &op);
	b->ops[b->op_count].code = code;
	b->ops[b->op_count++].ns = UINT64_MAX;
}

#define OP(b, code, flags, i0, f0, f1, ...) do { \
	const int ts[] = { __VA_ARGS__ }; \
	add_op(b, DSEEK_OP_##code, flags, ts, sizeof(ts) / sizeof(*ts), i0, f0, f1); \
} while (0)

static void layers(struct bench *b)
{
	uint64_t q_at, k_at, v_at, att_at;
	int positions, ids, x, h, q, k, v, att, ff, qh, kh, vh, atth, last, logits, best, l;

	b->positions_at = b->used[B_WORK];
	positions = tensor(b, B_WORK, DSEEK_I32, DSEEK_LAYOUT_ROWS, b->tokens, 1, 1);
	ids = tensor(b, B_WORK, DSEEK_I32, DSEEK_LAYOUT_ROWS, b->tokens, 1, 1);
	x = activation(b, EMBD, NULL);
	h = activation(b, EMBD, NULL);
	q = activation(b, HEADS * HEAD, &q_at);
	k = activation(b, KV_HEADS * HEAD, &k_at);
	v = activation(b, KV_HEADS * HEAD, &v_at);
	att = activation(b, HEADS * HEAD, &att_at);
	ff = activation(b, FF, NULL);
	qh = by_heads(b, q_at, HEAD, HEADS);
	kh = by_heads(b, k_at, HEAD, KV_HEADS);
	vh = by_heads(b, v_at, HEAD, KV_HEADS);
	atth = by_heads(b, att_at, HEAD, HEADS);
	OP(b, EMBED, 0, 0, 0, 0, ids, tensor(b, B_WEIGHTS, DSEEK_Q8_0, b->layout, EMBD, 64, 1), x);
	for (l = 0; l < LAYERS; l++) {
		int kc = tensor(b, B_WORK, DSEEK_F16, DSEEK_LAYOUT_ROWS, HEAD, KV_HEADS, b->context);
		int vc = tensor(b, B_WORK, DSEEK_F16, DSEEK_LAYOUT_ROWS, HEAD, KV_HEADS, b->context);

		OP(b, RMSNORM, 0, 0, 1e-5f, 0, x, vector(b, EMBD), h);
		OP(b, LINEAR, 0, 0, 0, 0, h, weight(b, b->dtype, EMBD, HEADS * HEAD), weight(b, b->dtype, EMBD, KV_HEADS * HEAD),
		   weight(b, b->dtype, EMBD, KV_HEADS * HEAD), q, k, v);
		OP(b, ROPE, 0, HEAD, 10000, 1, qh, positions);
		OP(b, ROPE, 0, HEAD, 10000, 1, kh, positions);
		OP(b, KV_STORE, 0, 0, 0, 0, kh, vh, kc, vc, positions);
		b->ops[b->op_count].operations = 4.0 * HEADS * HEAD * b->tokens * (b->tokens > 1 ? b->tokens / 2 : b->context);
		OP(b, ATTENTION, 0, 0, 0.125f, 0, qh, kc, vc, positions, atth);
		OP(b, LINEAR, DSEEK_OPF_ACCUMULATE, 0, 0, 0, att, weight(b, b->dtype, HEADS * HEAD, EMBD), -1, -1, x);
		OP(b, RMSNORM, 0, 0, 1e-5f, 0, x, vector(b, EMBD), h);
		OP(b, GLU, 0, DSEEK_ACT_SILU, 0, 0, h, weight(b, b->dtype, EMBD, FF), weight(b, b->dtype, EMBD, FF), ff);
		OP(b, LINEAR, DSEEK_OPF_ACCUMULATE, 0, 0, 0, ff, weight(b, b->dtype, FF, EMBD), -1, -1, x);
	}
	/* of the last token, as a model does it: x's own rows are [E, T], one is enough here */
	last = tensor(b, B_WORK, DSEEK_F32, DSEEK_LAYOUT_ROWS, EMBD, 1, 1);
	logits = tensor(b, B_WORK, DSEEK_F32, DSEEK_LAYOUT_ROWS, VOCAB, 1, 1);
	best = tensor(b, B_WORK, DSEEK_I32, DSEEK_LAYOUT_ROWS, 1, 1, 1);
	OP(b, LINEAR, 0, 0, 0, 0, last, weight(b, DSEEK_Q8_0, EMBD, VOCAB), -1, -1, logits);
	b->ops[b->op_count - 1].operations /= b->tokens;
	OP(b, ARGMAX, 0, 0, 0, 0, logits, best);
}

void bench_fill_weights(uint8_t *p, uint64_t n)
{
	uint64_t state = 1, i;

	for (i = 0; i < n; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		p[i] = (state >> 56 & 0x2f) | 0x10;
	}
}

static void bench_free(struct bench *b)
{
	int i;

	for (i = 0; i < B_COUNT; i++)
		free(b->memory[i]);
	dseek_builder_destroy(b->builder);
	free(b->blob);
}

static int bench_build(struct bench *b)
{
	uint32_t t;
	int i, ret;

	b->builder = dseek_builder_create(0);
	if (!b->builder)
		return -ENOMEM;
	dseek_builder_binding(b->builder, DSEEK_ACCESS_READ, 0);
	dseek_builder_binding(b->builder, DSEEK_ACCESS_READ, 0);
	dseek_builder_binding(b->builder, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE, 0);
	layers(b);
	ret = dseek_builder_finish(b->builder, &b->blob, &b->size);
	if (ret) {
		cli_log(CLI_ERROR, "bench ops: the program is not valid: %s", dseek_builder_error(b->builder));
		return ret;
	}
	for (i = 0; i < B_COUNT; i++) {
		b->memory[i] = aligned_alloc(4096, (b->used[i] + 4095) & ~4095ull);
		if (!b->memory[i])
			return -ENOMEM;
		memset(b->memory[i], 0, b->used[i]);
	}
	bench_fill_weights(b->memory[B_WEIGHTS], b->used[B_WEIGHTS]);
	for (t = 0; t < b->used[B_VECTORS] / sizeof(float); t++)
		((float *)b->memory[B_VECTORS])[t] = 1;
	for (t = 0; t < b->tokens; t++)
		((int32_t *)(b->memory[B_WORK] + b->positions_at))[t] = b->tokens > 1 ? t : b->context - 1;
	return 0;
}

/* ---- timing: the backend asks between ops, which is the clock */

struct clock {
	struct bench *bench;
	uint32_t next;
	uint64_t last_ns;
};

static int tick(void *arg)
{
	struct clock *c = arg;
	uint64_t now = now_ns();

	if (c->next && now - c->last_ns < c->bench->ops[c->next - 1].ns)
		c->bench->ops[c->next - 1].ns = now - c->last_ns;
	c->next++;
	c->last_ns = now;
	return 0;
}

static int bench_run(struct bench *b, const struct dseek_backend *cpu, void *state, uint64_t seconds)
{
	struct dseek_program_view view;
	char err[256];
	uint64_t end = now_ns() + seconds * 1000000000;
	int ret = dseek_program_validate(b->blob, b->size, &view, err, sizeof(err)), n;

	if (ret) {
		cli_log(CLI_ERROR, "bench ops: %s", err);
		return ret;
	}
	b->step_ns = UINT64_MAX;
	for (n = 0; n < 3 || now_ns() < end; n++) {
		struct clock clock = { .bench = b };
		struct dseek_run run = {
			.program = &view, .bindings = (void *const *)b->memory, .poll = n % 2 ? tick : NULL, .poll_arg = &clock,
		};
		uint64_t start = now_ns(), ns;

		ret = cpu->run(state, &run);
		if (ret)
			return ret;
		ns = now_ns() - start;
		if (n % 2)
			tick(&clock);
		b->step_ns = ns < b->step_ns ? ns : b->step_ns;
	}
	return 0;
}

/* ---- reports */

static const char *const op_names[DSEEK_OP_COUNT] = {
	[DSEEK_OP_EMBED] = "embed", [DSEEK_OP_RMSNORM] = "rmsnorm", [DSEEK_OP_LINEAR] = "linear", [DSEEK_OP_GLU] = "glu",
	[DSEEK_OP_ROPE] = "rope", [DSEEK_OP_KV_STORE] = "kv_store", [DSEEK_OP_ATTENTION] = "attention", [DSEEK_OP_ARGMAX] = "argmax",
};

/* Weights' bytes against the roof, in per cent; "-" for ops without weights, or where there is no roof. */
static const char *share(uint64_t bytes, uint64_t ns, double roof, char out[16])
{
	if (bytes && roof > 0)
		snprintf(out, 16, "%.0f%%", bytes * 1e11 / ns / roof);
	else
		strcpy(out, "-");
	return out;
}

static void report(const struct bench *b, double roof, int json)
{
	char part[16];
	uint64_t total = 0, bytes = 0, ns;
	uint32_t code, i, calls;

	if (json)
		printf("{\"tokens\":%u,\"context\":%u,\"dtype\":\"%s\",\"step_us\":%.1f,\"tokens_per_s\":%.1f,\"roof_gbs\":%.2f,\"ops\":{",
		       b->tokens, b->context, dseek_dtype_name(b->dtype), b->step_ns / 1e3, b->tokens * 1e9 / b->step_ns, roof / 1e9);
	else
		printf("\n%u token%s, context %u, %s\n%-10s %5s %10s %8s %8s %9s\n", b->tokens, b->tokens > 1 ? "s" : "", b->context,
		       dseek_dtype_name(b->dtype), "op", "calls", "us", "GB/s", "of roof", "GOP/s");
	for (code = 0, calls = 0; code < DSEEK_OP_COUNT; code++) {
		uint64_t op_bytes = 0;
		double operations = 0;
		uint32_t n = 0;

		for (i = 0, ns = 0; i < b->op_count; i++) {
			if (b->ops[i].code != code)
				continue;
			n++;
			ns += b->ops[i].ns;
			op_bytes += b->ops[i].weight_bytes;
			operations += b->ops[i].operations;
		}
		if (!n)
			continue;
		if (json)
			printf("%s\"%s\":{\"calls\":%u,\"us\":%.1f,\"gbs\":%.2f,\"gops\":%.1f}", calls++ ? "," : "", op_names[code], n,
			       ns / 1e3, op_bytes * 1.0 / ns, operations / ns);
		else
			printf("%-10s %5u %10.1f %8.2f %8s %9.1f\n", op_names[code], n, ns / 1e3, op_bytes * 1.0 / ns,
			       share(op_bytes, ns, roof, part), operations / ns);
		total += ns;
		bytes += op_bytes;
	}
	if (json)
		printf("}}\n");
	else
		printf("%-10s %5u %10.1f %8.2f %8s\nwhole step, best of all: %.1f us, %.1f tokens/s\n", "sum", b->op_count, total / 1e3,
		       bytes * 1.0 / total, share(bytes, total, roof, part), b->step_ns / 1e3, b->tokens * 1e9 / b->step_ns);
	fflush(stdout);
}

/* Of the layers' products: nanoseconds, and their weights' bytes. The last two ops are the logits', whose weights are of another type. */
static uint64_t products(const struct bench *b, uint64_t *ret_bytes)
{
	uint64_t ns = 0;

	*ret_bytes = 0;
	for (uint32_t i = 0; i + 2 < b->op_count; i++) {
		if (b->ops[i].code != DSEEK_OP_LINEAR && b->ops[i].code != DSEEK_OP_GLU)
			continue;
		ns += b->ops[i].ns;
		*ret_bytes += b->ops[i].weight_bytes;
	}
	return ns;
}

/* How many times as fast as @other. */
static void compare(const struct bench *b, const struct bench *other, double roof, int json)
{
	uint64_t bytes, other_bytes, ns = products(b, &bytes), other_ns = products(other, &other_bytes);
	double at_roof = roof > 0 ? bytes / roof * 1e9 / ns : 0;	/* the time of reading alone, as a part of it */

	if (json)
		printf("{\"tokens\":%u,\"dtype\":\"%s\",\"against\":\"%s\",\"products\":%.3f,\"step\":%.3f,\"bytes\":%.3f,\"of_roof\":%.3f}\n",
		       b->tokens, dseek_dtype_name(b->dtype), dseek_dtype_name(other->dtype), (double)other_ns / ns,
		       (double)other->step_ns / b->step_ns, (double)bytes / other_bytes, at_roof);
	else
		printf("%s against %s: products %.2f x as fast, whole step %.2f x; %.2f of the bytes, which take %.0f %% of the products' time to read\n",
		       dseek_dtype_name(b->dtype), dseek_dtype_name(other->dtype), (double)other_ns / ns, (double)other->step_ns / b->step_ns,
		       (double)bytes / other_bytes, 100 * at_roof);
	fflush(stdout);
}

/* @against: another type to compare with, or DSEEK_DTYPE_COUNT. */
static int one_size(const struct dseek_backend *cpu, void *state, uint32_t tokens, uint32_t context, uint32_t dtype, uint32_t against,
		    uint64_t seconds, double roof, int json)
{
	struct bench b[2] = { { .dtype = dtype }, { .dtype = against } };
	int n = against < DSEEK_DTYPE_COUNT ? 2 : 1, ret = 0;

	for (int i = 0; i < n && !ret; i++) {
		b[i].tokens = tokens;
		b[i].context = context < tokens ? tokens : context;
		b[i].layout = DSEEK_LAYOUT_PACKED;
		ret = bench_build(&b[i]);
		if (!ret)
			ret = bench_run(&b[i], cpu, state, seconds);
		if (!ret)
			report(&b[i], roof, json);
	}
	if (!ret && n == 2)
		compare(&b[0], &b[1], roof, json);
	for (int i = 0; i < n; i++)
		bench_free(&b[i]);
	return ret;
}

/* DSEEK_DTYPE_COUNT: none that the layers' weights can be. */
static uint32_t find_type(const char *name)
{
	uint32_t dtype;

	for (dtype = 0; dtype < DSEEK_DTYPE_COUNT; dtype++)
		if (!strcmp(dseek_dtype_name(dtype), name) && dseek_tensor_bytes(dtype, DSEEK_LAYOUT_PACKED, EMBD, DSEEK_PACK_ROWS))
			break;
	return dtype;
}

int bench_ops_main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseek bench ops", "[OPTION...]", "Time the cpu engine's ops, in the shapes of a model of 135 million parameters.",
		.more = "Times are each op's least of all repetitions; the roof is what as many threads can read from memory. With one\n"
			"thread they are CPU time, so that figures mean something on a busy machine.\n",
	};
	const struct dseek_backend *cpu = &dseek_backend_cpu;
	struct cli_common common = CLI_COMMON_DEFAULTS;
	const char *isa = "auto", *type = "Q4_1", *against = NULL;
	uint64_t threads = 2, tokens = 0, context = 128, seconds = 2;
	const struct cli_option options[] = {
		{ "threads", 't', CLI_UINT, &threads, "N", "threads (default 2)" },
		{ "isa", 0, CLI_STRING, &isa, "NAME", "auto (default), scalar, avx2, avx512, avx512bf16" },
		{ "tokens", 'n', CLI_UINT, &tokens, "N", "tokens in the pass (default: 1 and 512)" },
		{ "context", 'c', CLI_UINT, &context, "N", "slots that one token attends to (default 128)" },
		{ "type", 0, CLI_STRING, &type, "DTYPE", "of the layers' weights (default Q4_1)" },
		{ "against", 0, CLI_STRING, &against, "DTYPE", "the same with these, and how they compare" },
		{ "seconds", 's', CLI_UINT, &seconds, "N", "for each pass (default 2)" },
		CLI_OPTION_NO_DEVICE(&common), CLI_OPTION_JSON(&common),
		CLI_OPTIONS_END
	};
	char text[100], err[256];
	uint32_t dtype, other = DSEEK_DTYPE_COUNT;
	struct read_roof roof = { 0 };
	void *state;
	int ret;

	cli_parse(&usage, options, argc, argv);
	dtype = find_type(type);
	if (dtype == DSEEK_DTYPE_COUNT)
		return cli_usage_error(&usage, "type %s: not one, or it has no PACKED rows of %u", type, EMBD);
	other = against ? find_type(against) : other;
	if (against && other == DSEEK_DTYPE_COUNT)
		return cli_usage_error(&usage, "against %s: not a type, or it has no PACKED rows of %u", against, EMBD);
	if (!threads || threads > 64 || tokens > 4096 || !context || context > 65536)
		return cli_usage_error(&usage, "1 to 64 threads, up to 4096 tokens, a context of 1 to 65536");
	snprintf(text, sizeof(text), "isa=%.20s,threads=%u", isa, (unsigned int)threads);
	ret = cpu->open(text, &state, err, sizeof(err));
	if (ret) {
		cli_log(CLI_ERROR, "%s", err);
		return ret == -ENOTSUP ? CLI_SKIP : CLI_FAILED;
	}
	if (threads == 1)
		clock_id = CLOCK_THREAD_CPUTIME_ID;
	ret = read_roof_measure(threads, &roof);
	if (ret)
		cli_log(CLI_WARN, "bench ops: no read roof: %s", strerror(-ret));
	else if (!common.json)
		printf("%u thread%s, isa %s, read roof %.1f GB/s (%s loads, %u MiB a thread)\n", (unsigned int)threads,
		       threads > 1 ? "s" : "", isa, roof.bytes_per_second / 1e9, roof.loads, roof.mib);
	ret = 0;
	if (tokens <= 1)
		ret = one_size(cpu, state, 1, context, dtype, other, seconds, roof.bytes_per_second, common.json);
	if (!ret && tokens != 1)
		ret = one_size(cpu, state, tokens ? tokens : 512, context, dtype, other, seconds, roof.bytes_per_second, common.json);
	cpu->close(state);
	if (ret)
		cli_log(CLI_ERROR, "bench ops: %s", strerror(-ret));
	return ret ? CLI_FAILED : CLI_OK;
}
