// SPDX-License-Identifier: MIT
/* An npu engine as a tenant has it: through the library, the arbitration and the executor's loop, in an embedded instance on the model. */
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/npu/npu_uapi.h"
#include "../tap.h"
#include "files.h"
#include "model.h"

#define K	64
#define N	32
#define T	6

/* y = W x + bias, in one buffer: x, W, bias, y. */
static int build(struct dseek_device *dev, uint16_t code, struct dseek_program **ret)
{
	static const struct {
		uint32_t dtype, ne0, ne1, offset;
	} tensors[] = { { DSEEK_F32, K, T, 0 }, { DSEEK_Q8_0, K, N, 4096 }, { DSEEK_F32, N, 1, 8192 }, { DSEEK_F32, N, T, 12288 } };
	struct dseek_program_op op = { .code = code };
	struct dseek_builder *b = dseek_builder_create(0);
	int binding = dseek_builder_binding(b, 0, 0), t[4], i, r;
	size_t size;
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
	for (i = 0; i < 4; i++) {
		struct dseek_program_tensor tensor = {
			.dtype = (uint16_t)tensors[i].dtype, .binding = (uint32_t)binding, .offset = tensors[i].offset,
			.ne = { tensors[i].ne0, tensors[i].ne1 },
		};

		memset(tensor.ne_param, DSEEK_NO_PARAM, sizeof(tensor.ne_param));
		t[i] = dseek_builder_tensor(b, &tensor);
	}
	op.t[0] = (uint16_t)t[0];
	if (code == DSEEK_OP_LINEAR) {
		op.t[1] = (uint16_t)t[1];
		op.t[7] = (uint16_t)t[2];
		op.t[4] = (uint16_t)t[3];
	} else {
		op.t[1] = op.t[2] = (uint16_t)t[0];
	}
	dseek_builder_op(b, &op);
	r = dseek_builder_finish(b, &blob, &size);
	if (r)
		printf("# %s\n", dseek_builder_error(b));
	dseek_builder_destroy(b);
	if (!r) {
		r = dseek_program_create(dev, blob, size, ret);
		free(blob);
	}
	return r;
}

static int run(struct dseek_queue *queue, struct dseek_program *program, struct dseek_bo *bo)
{
	struct dseek_binding binding = { .bo = bo, .size = 16384, .access = DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	struct dseek_job job = { .program = program, .bindings = &binding, .binding_count = 1 };
	struct dseek_job_result result = { 0 };
	uint64_t seqno;
	int error = 0;

	if (dseek_submit(queue, &job, 1, &seqno, &error) != 1)
		return error;
	return dseek_wait(queue, seqno, ~0ull, &result) ? -EINTR : result.error;
}

int main(void)
{
	const struct npu_model model = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1, .slow = 1 };
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_program *linear = NULL, *add = NULL;
	struct dseek_device *dev = NULL;
	struct dseek_engine_info info;
	struct dseek_queue *queue = NULL;
	struct dseek_bo *bo = NULL;
	float *x, *y, row[K];
	int i, t, n, good = 1, r;
	char spec[500];
	char *data;

	npu_product("p", DSEEK_LAYOUT_ROWS, K, N, 4, "cu");
	npu_model_reset(&model);
	snprintf(spec, sizeof(spec), "embed:npu,engine=npu,binaries=%s", npu_folder());
	r = dseek_open(spec, NULL, &dev) || dseek_engine_find(dev, "npu0", &info);
	if (!tap_ok(!r && info.type == DSEEK_ENGINE_NPU, "an instance with an NPU")) {
		printf("# %s\n", dseek_strerror_detail());
		return tap_end();
	}
	params.engine = info.id;
	r = dseek_queue_create(dev, &params, &queue) || dseek_bo_create(dev, 16384, 0, -1, &bo) || build(dev, DSEEK_OP_LINEAR, &linear) ||
	    build(dev, DSEEK_OP_ADD, &add);
	if (!tap_ok(!r, "a queue, a buffer, two programs")) {
		printf("# %s\n", dseek_strerror_detail());
		return tap_end();
	}
	data = dseek_bo_map(bo);
	x = (float *)data;
	y = (float *)(data + 12288);
	for (i = 0; i < K * T; i++)
		x[i] = (float)(i % K == 0 ? 127 : i % 7) * (float)(1 + i / K);
	for (n = 0; n < N; n++) {
		for (i = 0; i < K; i++)
			row[i] = (float)((n + i) % 3 - 1);
		dseek_row_from_f32(DSEEK_Q8_0, row, K, data + 4096 + (size_t)n * dseek_row_bytes(DSEEK_Q8_0, K));
		((float *)(data + 8192))[n] = (float)n;
	}
	r = run(queue, linear, bo);
	for (t = 0; t < T; t++)
		for (n = 0; n < N; n++) {
			double want = n, size = 1;

			for (i = 0; i < K; i++) {
				want += ((n + i) % 3 - 1) * (double)x[t * K + i];
				size += fabs((double)x[t * K + i]);
			}
			good &= fabs(y[t * N + n] - want) < 2e-2 * size;
		}
	tap_ok(!r && good && npu_model_products() == 2, "a job of %d tokens: two commands", T);
	for (i = 0; i < 20; i++)
		r |= run(queue, linear, bo);
	tap_ok(!r && npu_model_products() == 42 && npu_model_calls("CREATE_HWCTX") == 1, "and twenty more, in one context");
	r = run(queue, add, bo);
	tap_ok(r == -ENOTSUP && strstr(dseek_strerror_detail(), "op 0, add: the NPU does int8 products (linear) alone"), "another program: %d, %s", r,
	       dseek_strerror_detail());
	tap_ok(!run(queue, linear, bo), "the queue goes on");
	dseek_program_destroy(linear);
	dseek_program_destroy(add);
	dseek_queue_destroy(queue);
	dseek_bo_destroy(bo);
	dseek_close(dev);
	tap_ok(!npu_model_left() && !*npu_model_complaint(), "nothing is left, nothing to complain of%s", npu_model_complaint());
	return tap_end();
}
