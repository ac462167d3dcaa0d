// SPDX-License-Identifier: MIT
/* Programs: once each, what every op needs is looked for and brought to the device. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hip_state.h"

/* What all kernels take for granted: strides in elements are ints; tokens, the second dimension of most grids, are few. */
static const char *refuse_any(const struct cpu_op *op)
{
	int n, d;

	for (n = 0; n < DSEEK_OP_TENSORS; n++) {
		const struct cpu_tensor *t = op->t + n;

		if (!t->data || dseek_dtype_block(t->dtype) > 1)
			continue;
		for (d = 1; d < 4; d++)
			if (t->ne[d] > 1 && t->layout == DSEEK_LAYOUT_ROWS && t->stride[d] / t->stride[0] > INT_MAX)
				return "a stride of 2^31 elements or more";
	}
	/* Where T is: the last of [E,T], [D,H,T], [T] */
	for (n = 0; n < DSEEK_OP_TENSORS; n++)
		if (op->t[n].data && op->t[n].dtype == DSEEK_I32 && op->t[n].ne[1] == 1 && op->t[n].ne[0] > 65535 &&
		    op->code != DSEEK_OP_ARGMAX)
			return "more than 65535 tokens";
	if ((op->code == DSEEK_OP_LINEAR || op->code == DSEEK_OP_GLU) && op->t[0].ne[1] > 65535)
		return "more than 65535 tokens";
	return NULL;
}

static int check_op(struct hip_state *state, const struct hip_own *own, const struct cpu_op *op, uint32_t index, char *err, size_t err_size);

/* The absorbed form, by the kernels of its parts. */
static int check_latent(struct hip_state *state, const struct hip_own *own, const struct cpu_op *op, uint32_t index, char *err,
			size_t err_size)
{
	struct cpu_op part;
	int i, r = 0;

	for (i = 0; i < CPU_LATENT_PARTS && !r; i++) {
		cpu_latent_part(op, i, &part);
		r = check_op(state, own, &part, index, err, err_size);
	}
	return r;
}

/* 0, or -ENOTSUP and why. @op has the largest extents. */
static int check_op(struct hip_state *state, const struct hip_own *own, const struct cpu_op *op, uint32_t index, char *err, size_t err_size)
{
	const struct hip_op *info = hip_op_find(op->code);
	enum hip_kernel kernels[HIP_OP_KERNELS + HIP_OP_FAST];
	const char *why = NULL;
	char detail[200];
	int i, n, r;

	if (op->code == DSEEK_OP_NOP || op->code == DSEEK_OP_SPIN)
		return 0;
	if (op->code == DSEEK_OP_LATENT_ATTENTION)
		return check_latent(state, own, op, index, err, err_size);
	if (op->code == DSEEK_OP_KERNEL)
		why = hip_own_refuse(own, op, detail, sizeof(detail));
	else if (!info)
		why = "there is no kernel for it";
	else
		why = refuse_any(op);
	if (!why && info && info->refuse)
		why = info->refuse(op);
	if (why) {
		snprintf(err, err_size, "op %u, %s: %s", index, dseek_op_name(op->code), why);
		return -ENOTSUP;
	}
	if (!info)
		return 0;
	/* With other extents or addresses it may be the plain form's turn. */
	memcpy(kernels, info->kernels, sizeof(info->kernels));
	n = HIP_OP_KERNELS + (info->fast && !state->plain ? info->fast(op, kernels + HIP_OP_KERNELS) : 0);
	for (i = 0; i < n; i++) {
		r = hip_kernel_load(&state->kernels, kernels[i], detail, sizeof(detail));
		if (r) {
			snprintf(err, err_size, "op %u, %s: %s", index, dseek_op_name(op->code), detail);
			return r;
		}
	}
	return 0;
}

/* Turns a position, in double, as the sum of two floats. */
static void rope_turns(const struct cpu_op *op, float *turns)
{
	uint32_t n = op->i[0], p;

	for (p = 0; p < n / 2; p++) {
		double t = op->f[1] * pow(op->f[0], -2.0 * p / n) / (2 * M_PI);

		turns[2 * p] = (float)t;
		turns[2 * p + 1] = (float)(t - (float)t);
	}
}

static int upload_turns(struct hip_state *state, const float *turns, size_t count, struct hip_program *prog, char *err, size_t err_size)
{
	void *device = NULL;
	int r;

	if (!count)
		return 0;
	r = HIP(&state->api, Malloc, (&device, count * sizeof(*turns)), err, err_size);
	if (r)
		return r;
	prog->turns = device;
	return HIP(&state->api, Memcpy, (device, turns, count * sizeof(*turns), HIP_MEMCPY_HOST_TO_DEVICE), err, err_size);
}

int hip_program_prepare(void *arg, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size)
{
	/* Addresses that aren't NULL, so that operands which are there show; nothing is at them. */
	void *bindings[DSEEK_PROGRAM_MAX_BINDINGS];
	uint32_t params[DSEEK_PROGRAM_MAX_PARAMS], n_ops = view->header->n_ops, i;
	struct hip_program *prog = calloc(1, sizeof(*prog));
	struct hip_state *state = arg;
	float *turns = NULL, *more;
	size_t count = 0;
	int r = -ENOMEM;

	if (!prog)
		goto no_memory;
	prog->turns_at = calloc(n_ops, sizeof(*prog->turns_at));
	if (!prog->turns_at)
		goto no_memory;
	for (i = 0; i < DSEEK_PROGRAM_MAX_BINDINGS; i++)
		bindings[i] = (void *)64;
	for (i = 0; i < view->header->n_params; i++)
		params[i] = view->params[i].max;
	r = HIP(&state->api, SetDevice, (state->device), err, err_size);
	if (!r && view->code)
		r = hip_own_load(&state->api, &state->target, view, &prog->own, err, err_size);
	for (i = 0; i < n_ops && !r; i++) {
		struct cpu_op op;

		cpu_op_resolve(view, i, params, bindings, &op);
		r = check_op(state, prog->own, &op, i, err, err_size);
		if (r || op.code != DSEEK_OP_ROPE)
			continue;
		more = realloc(turns, (count + op.i[0]) * sizeof(*turns));
		if (!more)
			goto no_memory;
		turns = more;
		rope_turns(&op, turns + count);
		prog->turns_at[i] = (uint32_t)count;
		count += op.i[0];
	}
	if (!r)
		r = upload_turns(state, turns, count, prog, err, err_size);
	if (r)
		goto err_free;
	free(turns);
	*ret_prepared = prog;
	return 0;

no_memory:
	snprintf(err, err_size, "no memory");
	r = -ENOMEM;
err_free:
	free(turns);
	hip_program_release(state, prog);
	return r;
}

void hip_program_release(void *arg, void *prepared)
{
	struct hip_program *prog = prepared;
	struct hip_state *state = arg;

	if (!prog)
		return;
	if ((prog->turns || prog->own) && !state->lost && !state->api.SetDevice(state->device)) {
		if (prog->turns)
			state->api.Free(prog->turns);
		hip_own_unload(&state->api, prog->own);
	} else {
		hip_own_forget(prog->own);
	}
	free(prog->turns_at);
	free(prog);
}
