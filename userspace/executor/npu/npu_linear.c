// SPDX-License-Identifier: MIT
/*
 * LINEAR with Q8_0 weights: activations are quantised here, a block of 32 with a scale, products are the NPU's, biases and sums into what
 * is there are ours again. The host works at the rate of tokens; weights stay where the tenant has them.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "npu_state.h"

#define BLOCK	32
#define ALIGN	64u	/* of what a command reaches */
#define SLICE	(16u << 20)	/* of weights that are copied, between two looks */

const char *npu_linear_refuse(const struct npu_state *state, const struct cpu_op *op, char *why, size_t why_size)
{
	int j;

	if (op->precise)
		return "the program asks for float32 activations, the NPU's are int8";
	for (j = 0; j < 3; j++) {
		const struct cpu_tensor *w = op->t + 1 + j;

		if (!w->data)
			continue;
		if (w->dtype != DSEEK_Q8_0) {
			snprintf(why, why_size, "weights of type %s: the NPU's are q8_0", dseek_dtype_name(w->dtype));
			return why;
		}
		if (w->layout == DSEEK_LAYOUT_ROWS && w->stride[1] != dseek_row_bytes(DSEEK_Q8_0, w->ne[0]))
			return "rows of a weight have gaps between them";
		if (!npu_binaries_find(&state->binaries, w->layout, w->ne[0], w->ne[1], why, why_size))
			return why;
	}
	return NULL;
}

/* A row of activations. What isn't finite becomes a scale that isn't: so will be the results. */
static void quantise(const float *x, uint32_t k, int8_t *q, float *scales)
{
	uint32_t b, i;

	for (b = 0; b < k / BLOCK; b++, x += BLOCK, q += BLOCK) {
		float row[BLOCK], most = 0, up;
		int finite = 1;

		memcpy(row, x, sizeof(row));	/* the tenant's: read once */
		for (i = 0; i < BLOCK; i++) {
			finite &= isfinite(row[i]) != 0;
			most = fmaxf(most, fabsf(row[i]));
		}
		up = finite && most > 0 && isfinite(127 / most) ? 127 / most : 0;
		scales[b] = !finite ? NAN : up > 0 ? most / 127 : 0;
		for (i = 0; i < BLOCK; i++)
			q[i] = up > 0 ? (int8_t)lrintf(row[i] * up) : 0;
	}
}

/* One op being run. */
struct linear {
	struct npu_state *state;
	const struct cpu_op *op;
	const struct npu_binary *binaries[3];	/* NULL: no such product */
	uint64_t weights[3];			/* the device's addresses */
	uint32_t weight_handles[3];
	struct npu_batch batch;
	struct part {
		uint32_t product, token, tokens;
		uint64_t x_at, y_at;		/* in x and y */
	} parts[NPU_CHAIN_MAX];
	uint64_t x_used, y_used;
};

static uint64_t aligned(uint64_t n)
{
	return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static uint64_t x_bytes(const struct npu_binary *b)
{
	return aligned((uint64_t)b->tokens * (b->k + b->k / BLOCK * sizeof(float)));
}

static uint64_t y_bytes(const struct npu_binary *b)
{
	return aligned((uint64_t)b->tokens * b->n * sizeof(float));
}

static int copy(char *to, const char *from, uint64_t bytes, const struct npu_wait *wait)
{
	uint64_t n;
	int r = 0;

	for (; bytes && !r; bytes -= n, to += n, from += n) {
		n = bytes < SLICE ? bytes : SLICE;
		r = wait->look(wait->arg);
		if (!r)
			memcpy(to, from, n);
	}
	return r;
}

/*
 * Where the device finds the weights: in the tenant's imported pages, else in a copy. Either way once an op: the tenant may have written to
 * them since the last, and what it wrote may still be in the cache, which the device doesn't see.
 */
static int place_weights(struct linear *l, const struct npu_wait *wait, char *err, size_t err_size)
{
	struct npu_state *state = l->state;
	uint64_t sizes[3] = { 0 }, copied = 0, at = 0;
	const struct npu_region *regions[3] = { NULL };
	int j, r;

	for (j = 0; j < 3; j++) {
		const struct cpu_tensor *w = l->op->t + 1 + j;

		if (!w->data)
			continue;
		sizes[j] = dseek_tensor_bytes(DSEEK_Q8_0, w->layout, w->ne[0], w->ne[1]);
		regions[j] = npu_memory_find(state, w->data, sizes[j]);
		if (!regions[j]) {
			snprintf(err, err_size, "weights that aren't in a buffer of the job");
			return -EFAULT;
		}
		if (!regions[j]->bo.handle)
			copied += aligned(sizes[j]);
	}
	r = copied ? npu_memory_grow(state, &state->w, copied, err, err_size) : 0;
	for (j = 0; j < 3 && !r; j++) {
		const struct cpu_tensor *w = l->op->t + 1 + j;

		if (!w->data)
			continue;
		if (regions[j]->bo.handle) {
			l->weights[j] = regions[j]->bo.address + (uint64_t)((char *)w->data - regions[j]->base);
			l->weight_handles[j] = regions[j]->bo.handle;
			r = npu_bo_sync(&state->device, &regions[j]->bo, (uint64_t)((char *)w->data - regions[j]->base), sizes[j], err, err_size);
			continue;
		}
		r = copy((char *)state->w.base + at, (const char *)w->data, sizes[j], wait);
		l->weights[j] = state->w.address + at;
		l->weight_handles[j] = state->w.handle;
		at += aligned(sizes[j]);
	}
	return r || !copied ? r : npu_bo_sync(&state->device, &state->w, 0, at, err, err_size);
}

/* Tokens from @token on, for @b; products of the same tokens share them. */
static uint64_t place_tokens(struct linear *l, const struct npu_binary *b, uint32_t token, uint32_t tokens)
{
	const struct cpu_tensor *x = l->op->t;
	uint64_t at = l->x_used;
	int8_t *q = (int8_t *)l->state->x.base + at;
	float *scales = (float *)(q + (size_t)b->tokens * b->k);
	uint32_t i;

	for (i = 0; i < l->batch.count; i++)
		if (l->parts[i].token == token && l->binaries[l->parts[i].product]->tokens == b->tokens)
			return l->parts[i].x_at;
	for (i = 0; i < tokens; i++)
		quantise(cpu_at(x, token + i, 0, 0), b->k, q + (size_t)i * b->k, scales + (size_t)i * (b->k / BLOCK));
	memset(q + (size_t)tokens * b->k, 0, (size_t)(b->tokens - tokens) * b->k);
	memset(scales + (size_t)tokens * (b->k / BLOCK), 0, (size_t)(b->tokens - tokens) * (b->k / BLOCK) * sizeof(float));
	l->x_used += x_bytes(b);
	return at;
}

static void add_part(struct linear *l, uint32_t product, uint32_t token, uint32_t tokens)
{
	const struct npu_binary *b = l->binaries[product];
	struct part part = { .product = product, .token = token, .tokens = tokens, .y_at = l->y_used };

	part.x_at = place_tokens(l, b, token, tokens);
	l->y_used += y_bytes(b);
	npu_batch_reach(&l->batch, l->weight_handles[product]);
	npu_batch_reach(&l->batch, b->code.handle);
	l->batch.products[l->batch.count] = (struct npu_product){
		.binary = b, .x = l->state->x.address + part.x_at, .y = l->state->y.address + part.y_at, .w = l->weights[product],
	};
	l->parts[l->batch.count++] = part;
}

/* out = y + bias, or out + y + bias. */
static void take_results(const struct linear *l, const struct part *part)
{
	const struct npu_binary *b = l->binaries[part->product];
	const struct cpu_tensor *out = l->op->t + 4 + part->product, *bias = l->op->t + 7 + part->product;
	const float *y = (const float *)((const char *)l->state->y.base + part->y_at), *add = (const float *)bias->data;
	uint32_t t, n;

	for (t = 0; t < part->tokens; t++, y += b->n) {
		float *to = cpu_at(out, part->token + t, 0, 0);

		for (n = 0; n < b->n; n++)
			to[n] = y[n] + (add ? add[n] : 0) + (l->op->flags & DSEEK_OPF_ACCUMULATE ? to[n] : 0);
	}
}

/* What is in the batch, to its end. Lines of y that are dirty here would be written over the device's results: they go first. */
static int run_batch(struct linear *l, const struct npu_wait *wait, char *err, size_t err_size)
{
	struct npu_device *device = &l->state->device;
	uint32_t i;
	int r;

	npu_batch_reach(&l->batch, l->state->x.handle);
	npu_batch_reach(&l->batch, l->state->y.handle);
	r = npu_bo_sync(device, &l->state->x, 0, l->x_used, err, err_size);
	if (!r)
		r = npu_bo_sync(device, &l->state->y, 0, l->y_used, err, err_size);
	if (!r)
		r = npu_batch_submit(l->state, &l->batch, err, err_size);
	if (!r)
		r = wait->wait(wait->arg, &l->batch, err, err_size);
	if (!r)
		r = npu_bo_sync(device, &l->state->y, 0, l->y_used, err, err_size);
	for (i = 0; i < l->batch.count && !r; i++)
		take_results(l, &l->parts[i]);
	memset(&l->batch, 0, sizeof(l->batch));
	l->x_used = l->y_used = 0;
	return r;
}

/* Room for as many as a batch may have. */
static int make_room(struct linear *l, char *err, size_t err_size)
{
	uint64_t x = 0, y = 0;
	int j, r;

	for (j = 0; j < 3; j++)
		if (l->binaries[j]) {
			x = x_bytes(l->binaries[j]) > x ? x_bytes(l->binaries[j]) : x;
			y = y_bytes(l->binaries[j]) > y ? y_bytes(l->binaries[j]) : y;
		}
	r = npu_memory_grow(l->state, &l->state->x, NPU_CHAIN_MAX * x, err, err_size);
	return r ? r : npu_memory_grow(l->state, &l->state->y, NPU_CHAIN_MAX * y, err, err_size);
}

int npu_linear_run(struct npu_state *state, const struct cpu_op *op, const struct npu_wait *wait, char *err, size_t err_size)
{
	struct linear l = { .state = state, .op = op };
	uint32_t tokens = op->t[0].ne[1], token, n, j;
	int r;

	for (j = 0; j < 3; j++) {
		const struct cpu_tensor *w = op->t + 1 + j;

		if (!w->data)
			continue;
		l.binaries[j] = npu_binaries_find(&state->binaries, w->layout, w->ne[0], w->ne[1], err, err_size);
		if (!l.binaries[j])
			return -ENOTSUP;
	}
	r = place_weights(&l, wait, err, err_size);
	if (!r)
		r = make_room(&l, err, err_size);
	for (j = 0; j < 3 && !r; j++)
		for (token = 0; l.binaries[j] && token < tokens && !r; token += n) {
			n = tokens - token < l.binaries[j]->tokens ? tokens - token : l.binaries[j]->tokens;
			/* Commands of a chain have one opcode. */
			if (l.batch.count == NPU_CHAIN_MAX || (l.batch.count && l.batch.products[0].binary->start != l.binaries[j]->start))
				r = run_batch(&l, wait, err, err_size);
			/* A device that is fast is waited for in vain: the abort is heard of here, and so is it between tokens being quantised. */
			if (!r && !l.batch.count)
				r = wait->look(wait->arg);
			if (!r)
				add_part(&l, j, token, n);
		}
	if (!r && l.batch.count)
		r = run_batch(&l, wait, err, err_size);
	return r;
}
