// SPDX-License-Identifier: MIT
/*
 * Products on the model of an NPU against the oracle. With activations that int8 holds exactly (a multiple of the block's scale) the
 * difference is of float sums, 2e-5 of the results' root mean square; with any others what the rounding of x costs, 2.5e-2: six standard
 * deviations of it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/cpu/op.h"
#include "../../userspace/executor/npu/npu_uapi.h"
#include "../ops/one_op.h"
#include "../tap.h"
#include "files.h"
#include "model.h"

enum memory { IN_PLACE, READ_ONLY, READ_ONLY_NO_MEMORY, COPIED, OUR_ADDRESSES };
static const char *const memory_names[] = { "in place", "read-only, so copied", "read-only by a driver that calls it no memory", "an old driver, so copied", "at the process's addresses" };

static char err[500];

/* Bindings of whole pages, as a job's buffers are. */
static struct {
	struct dseek_program_header header;
	struct dseek_program_tensor tensors[DSEEK_OP_TENSORS];
	struct dseek_program_binding bindings[DSEEK_OP_TENSORS];
	struct dseek_program_op op;
	struct dseek_program_view view;
	void *data[DSEEK_OP_TENSORS];
	uint64_t sizes[DSEEK_OP_TENSORS];
} t;

static void begin(void)
{
	memset(&t, 0, sizeof(t));
	t.header.n_ops = 1;
	t.op.code = DSEEK_OP_LINEAR;
	memset(t.op.t, 0xff, sizeof(t.op.t));
	t.view = (struct dseek_program_view){ .header = &t.header, .tensors = t.tensors, .bindings = t.bindings, .ops = &t.op };
}

static void *tensor(int slot, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1)
{
	struct dseek_program_tensor *at = &t.tensors[slot];
	uint64_t row = dseek_row_bytes(dtype, ne0), all = dseek_tensor_bytes(dtype, layout, ne0, ne1);

	*at = (struct dseek_program_tensor){
		.dtype = (uint16_t)dtype, .layout = (uint16_t)layout, .binding = (uint32_t)slot, .offset = 64, .ne = { ne0, ne1, 1, 1 },
		.stride = { row, all, all },
	};
	memset(at->ne_param, DSEEK_NO_PARAM, sizeof(at->ne_param));
	t.op.t[slot] = (uint16_t)slot;
	t.sizes[slot] = (64 + all + 4095) & ~4095ull;
	t.data[slot] = mmap(NULL, t.sizes[slot], PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return (char *)t.data[slot] + 64;
}

static void end(void)
{
	int i;

	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		if (t.data[i])
			munmap(t.data[i], t.sizes[i]);
}

static void weights(int slot, uint32_t layout, uint32_t k, uint32_t n)
{
	float *row = malloc(k * sizeof(*row));
	char *rows = malloc(dseek_row_bytes(DSEEK_Q8_0, k) * n), *to = tensor(slot, DSEEK_Q8_0, layout, k, n);
	uint32_t r, i;

	for (r = 0; r < n; r++) {
		for (i = 0; i < k; i++)
			row[i] = test_random();
		dseek_row_from_f32(DSEEK_Q8_0, row, k, rows + r * dseek_row_bytes(DSEEK_Q8_0, k));
	}
	if (layout)
		dseek_tensor_pack(DSEEK_Q8_0, k, n, rows, to);
	else
		memcpy(to, rows, dseek_row_bytes(DSEEK_Q8_0, k) * n);
	free(rows);
	free(row);
}

/* Each block: whole steps of a scale, the largest of them 127. */
static void activations(uint32_t k, uint32_t tokens, int exact)
{
	float *x = tensor(0, DSEEK_F32, 0, k, tokens);
	uint32_t i;

	for (i = 0; i < k * tokens; i++) {
		x[i] = test_random();
		if (exact)
			x[i] = (i % 32 ? roundf(x[i] * 127) : 127) * (float)(1 + i / 32 % 5) * 0.125f;
	}
}

static void output(int product, uint32_t n, uint32_t tokens, int bias)
{
	float *out = tensor(4 + product, DSEEK_F32, 0, n, tokens), *b = bias ? tensor(7 + product, DSEEK_F32, 0, n, 1) : NULL;
	uint32_t i;

	for (i = 0; i < n * tokens; i++)
		out[i] = test_random();
	for (i = 0; b && i < n; i++)
		b[i] = test_random();
}

static int polls, abort_at;		/* that poll, and all after it; 0: none */

static int poll_test(void *arg)
{
	return ++polls >= abort_at && abort_at ? -ETIMEDOUT : -EAGAIN * (polls > 1);	/* within an op nobody yields */
}

static int run(void *state, enum memory memory)
{
	struct dseek_run job = {
		.program = &t.view, .bindings = t.data, .err = err, .err_size = sizeof(err), .depth = 1, .poll = poll_test,
	};
	int i, r = 0;

	for (i = 0; i < DSEEK_OP_TENSORS && !r; i++)
		if (t.data[i]) {
			int writable = !(memory == READ_ONLY || memory == READ_ONLY_NO_MEMORY) || i < 1 || i > 3;

			if (!writable)
				mprotect(t.data[i], t.sizes[i], PROT_READ);
			*err = 0;
			r = dseek_backend_npu.buffer_map(state, t.data[i], t.sizes[i], writable, err, sizeof(err));
			if (!r && *err)
				r = -EBADMSG;	/* a sentence without an error is told of another one later */
		}
	polls = 0;
	if (!r)
		r = dseek_backend_npu.run(state, &job);
	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		if (t.data[i]) {
			dseek_backend_npu.buffer_unmap(state, t.data[i]);
			mprotect(t.data[i], t.sizes[i], PROT_READ | PROT_WRITE);
		}
	return r;
}

/* Largest difference in units of what is wanted's root mean square. */
static double distance(const float *got, const float *want, uint64_t n)
{
	double square = 0, worst = 0;
	uint64_t i;

	for (i = 0; i < n; i++) {
		square += (double)want[i] * want[i];
		worst = isnan(got[i]) != isnan(want[i]) ? INFINITY : fmax(worst, fabs((double)got[i] - want[i]));
	}
	return worst / (sqrt(square / (double)n) + 1e-30);
}

/* What was made is run on both. The worst of all outputs, or an error. */
static double compare(void *state, enum memory memory)
{
	float *before[3] = { NULL }, *want[3] = { NULL };
	struct cpu_op op;
	double worst = 0;
	int j, r;

	cpu_op_resolve(&t.view, 0, NULL, t.data, &op);
	for (j = 0; j < 3; j++)
		if (t.data[4 + j]) {
			before[j] = memcpy(malloc(t.sizes[4 + j]), t.data[4 + j], t.sizes[4 + j]);
		}
	r = cpu_op_ref(&op);
	for (j = 0; j < 3; j++)
		if (before[j]) {
			want[j] = memcpy(malloc(t.sizes[4 + j]), t.data[4 + j], t.sizes[4 + j]);
			memcpy(t.data[4 + j], before[j], t.sizes[4 + j]);
		}
	if (!r)
		r = run(state, memory);
	if (r)
		printf("# %d: %s\n", r, err);
	for (j = 0; j < 3; j++)
		if (before[j]) {
			worst = fmax(worst, distance((float *)t.data[4 + j] + 16, want[j] + 16, (uint64_t)op.t[4 + j].ne[0] * op.t[4 + j].ne[1]));
			free(before[j]);
			free(want[j]);
		}
	return r ? INFINITY : worst;
}

static void test_memory(enum memory memory, const char *start)
{
	const struct npu_model model = {
		.drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = memory != COPIED, .our_addresses = memory == OUR_ADDRESSES,
		.pin_error = memory == READ_ONLY_NO_MEMORY ? -ENOMEM : 0,
	};
	static const uint32_t tokens[] = { 1, 4, 5, 37 };
	double exact = 0, any = 0;
	unsigned int commands = 0, submissions;
	void *state;
	size_t i;
	int packed;

	for (packed = 0; packed < 2; packed++) {
		npu_product(packed ? "packed" : "rows", packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 40, 4, start);
		npu_product(packed ? "packed2" : "rows2", packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 17, 4, start);
		npu_product(packed ? "packed3" : "rows3", packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 33, 3, start);
	}
	npu_model_reset(&model);
	if (!tap_ok(!npu_folder_open(NULL, &state, err, sizeof(err)), "%s, start %s: opened", memory_names[memory], start)) {
		printf("# %s\n", err);
		return;
	}
	for (packed = 0; packed < 2; packed++)
		for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
			begin();
			activations(96, tokens[i], 1);
			weights(1, packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 40);
			output(0, 40, tokens[i], 0);
			exact = fmax(exact, compare(state, memory));
			end();
			commands += (tokens[i] + 3) / 4;

			begin();
			activations(96, tokens[i], 0);
			weights(1, packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 40);
			weights(2, packed ? DSEEK_LAYOUT_ROWS : DSEEK_LAYOUT_PACKED, 96, 17);
			weights(3, packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, 96, 33);
			output(0, 40, tokens[i], 1);
			output(1, 17, tokens[i], 0);
			output(2, 33, tokens[i], 1);
			t.op.flags = i % 2 ? DSEEK_OPF_ACCUMULATE : 0;
			any = fmax(any, compare(state, memory));
			end();
			commands += 2 * ((tokens[i] + 3) / 4) + (tokens[i] + 2) / 3;
		}
	submissions = npu_model_calls("EXEC_CMD");
	dseek_backend_npu.close(state);
	tap_ok(exact <= 2e-5 && any <= 2.5e-2, "%s, start %s: off by %.1e with exact activations, %.1e with any", memory_names[memory], start, exact, any);
	tap_ok(npu_model_products() == commands && submissions < commands / 2 && !npu_model_left() && !*npu_model_complaint(),
	       "%u commands in %u submissions; nothing is left, nothing to complain of%s", commands, submissions, npu_model_complaint());
	if (npu_model_products() != commands || npu_model_left())
		printf("# %u products, wanted %u; %u left\n", npu_model_products(), commands, npu_model_left());
}

/* Products of one op whose binaries are started in different ways don't share a chain. */
static void test_mixed(void)
{
	const struct npu_model model = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1 };
	void *state;
	double off;

	npu_product("rows", DSEEK_LAYOUT_ROWS, 96, 40, 4, "cu");
	npu_product("rows2", DSEEK_LAYOUT_ROWS, 96, 17, 4, "npu");
	npu_model_reset(&model);
	if (!tap_ok(!npu_folder_open(NULL, &state, err, sizeof(err)), "both ways to start"))
		return;
	begin();
	activations(96, 8, 1);
	weights(1, DSEEK_LAYOUT_ROWS, 96, 40);
	weights(2, DSEEK_LAYOUT_ROWS, 96, 17);
	output(0, 40, 8, 0);
	output(1, 17, 8, 0);
	off = compare(state, IN_PLACE);
	tap_ok(off <= 2e-5 && npu_model_calls("EXEC_CMD") == 2 && !*npu_model_complaint(), "two submissions, off by %.1e%s", off, npu_model_complaint());
	end();
	dseek_backend_npu.close(state);
}

/* What isn't finite in x isn't in the results that it belongs to, nor anywhere else. */
static void test_not_finite(void)
{
	static const float odd[] = { INFINITY, NAN, 0, 1e-42f };
	const struct npu_model model = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1 };
	const float *y;
	float *x;
	void *state;
	int i, n, good = 1;

	npu_product("rows", DSEEK_LAYOUT_ROWS, 96, 40, 4, "cu");
	npu_model_reset(&model);
	if (!tap_ok(!npu_folder_open(NULL, &state, err, sizeof(err)), "odd values"))
		return;
	begin();
	activations(96, 4, 0);
	x = (float *)t.data[0] + 16;
	for (i = 0; i < 4; i++) {
		if (i >= 2)
			memset(x + i * 96, 0, 96 * 4);
		x[i * 96 + 5] = odd[i];
	}
	weights(1, DSEEK_LAYOUT_ROWS, 96, 40);
	output(0, 40, 4, 0);
	good &= !run(state, IN_PLACE);
	y = (const float *)t.data[4] + 16;
	for (i = 0; i < 4; i++)
		for (n = 0; n < 40; n++)
			good &= i < 2 ? !isfinite(y[i * 40 + n]) : fabsf(y[i * 40 + n]) < 1e-40f;
	tap_ok(good, "infinities and NaNs stay so, zeros and what is next to none too");
	end();
	dseek_backend_npu.close(state);
}

/* An op of many batches, each done at once, is left between two of them; one whose weights are copied, while they are. */
static void test_abort(void)
{
	const struct npu_model in_place = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1 };
	struct npu_model model = in_place;
	const uint32_t tokens = 4 * NPU_CHAIN_MAX * 10;
	void *state;
	int r;

	npu_product("rows", DSEEK_LAYOUT_ROWS, 96, 40, 4, "cu");
	for (model.user_memory = 1; model.user_memory >= 0; model.user_memory--) {
		npu_model_reset(&model);
		if (!tap_ok(!npu_folder_open(NULL, &state, err, sizeof(err)), "a long op"))
			return;
		begin();
		activations(96, tokens, 1);
		weights(1, DSEEK_LAYOUT_ROWS, 96, 40);
		output(0, 40, tokens, 0);
		abort_at = model.user_memory ? 4 : 2;
		r = run(state, IN_PLACE);
		if (model.user_memory)
			tap_ok(r == -ETIMEDOUT && npu_model_calls("EXEC_CMD") == 2, "left after %u of 10 batches, asked %d times", npu_model_calls("EXEC_CMD"), polls);
		else
			tap_ok(r == -ETIMEDOUT && npu_model_calls("EXEC_CMD") == 0, "left before the first, while weights are copied: asked %d times", polls);
		abort_at = 0;
		r = run(state, IN_PLACE);
		tap_ok(!r && polls > 1, "the next job is well: asked %d times", polls);
		end();
		dseek_backend_npu.close(state);
		tap_ok(!npu_model_left() && !*npu_model_complaint(), "nothing is left%s", npu_model_complaint());
	}
}

int main(void)
{
	int i;

	for (i = IN_PLACE; i <= OUR_ADDRESSES; i++) {
		test_memory((enum memory)i, "cu");
		test_memory((enum memory)i, "npu");
	}
	test_mixed();
	test_not_finite();
	test_abort();
	return tap_end();
}
