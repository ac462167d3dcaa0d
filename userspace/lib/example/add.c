// SPDX-License-Identifier: MIT
/*
 * libdseek in one page: add two vectors on whatever engine there is.
 *
 *	cc add.c -ldseek -o add && ./add          or ./add embed: or ./add drm:
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dseek.h>
#include <dseek_program.h>

#define N 64

#define MUST(call) do { \
	if ((call) < 0) { \
		fprintf(stderr, "%s: %s\n", #call, dseek_strerror_detail()); \
		exit(1); \
	} \
} while (0)

/* c = a + b, one binding each. Built once, run as often as you like with any buffers. */
static struct dseek_program *add_program(struct dseek_device *dev)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_ADD };
	struct dseek_program *prog;
	size_t size;
	void *blob;
	int i;

	memset(op.t, 0xff, sizeof(op.t));		/* DSEEK_NO_TENSOR */
	for (i = 0; i < 3; i++) {
		struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { N } };

		memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
		t.binding = dseek_builder_binding(b, 0, 0);	/* size and access follow from the op */
		op.t[i] = dseek_builder_tensor(b, &t);
	}
	dseek_builder_op(b, &op);
	if (dseek_builder_finish(b, &blob, &size)) {
		fprintf(stderr, "%s\n", dseek_builder_error(b));
		exit(1);
	}
	dseek_builder_destroy(b);
	MUST(dseek_program_create(dev, blob, size, &prog));
	free(blob);
	return prog;
}

int main(int argc, char **argv)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_INTERACTIVE, .weight = 1 };
	struct dseek_binding bindings[3];
	struct dseek_job job = { .bindings = bindings, .binding_count = 3 };
	struct dseek_engine_info engine;
	struct dseek_job_result result;
	struct dseek_device *dev;
	struct dseek_queue *queue;
	struct dseek_bo *bo;
	uint64_t seqno;
	int wrong, i;
	float *x;

	MUST(dseek_open(argc > 1 ? argv[1] : "auto", NULL, &dev));
	MUST(dseek_engine_find(dev, NULL, &engine));
	params.engine = engine.id;
	MUST(dseek_queue_create(dev, &params, &queue));
	MUST(dseek_bo_create(dev, 3 * 4096, 0, -1, &bo));
	job.program = add_program(dev);

	/* The engine works on these very pages. */
	x = dseek_bo_map(bo);
	for (i = 0; i < N; i++) {
		x[i] = i;
		x[1024 + i] = 100 * i;
	}
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding) {
			.bo = bo, .offset = 4096 * i, .size = sizeof(float) * N,
			.access = i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE,
		};
	MUST(dseek_submit(queue, &job, 1, &seqno, NULL));
	MUST(dseek_wait(queue, seqno, UINT64_MAX, &result));
	printf("%s on %s: %g + %g = %g; %.1f us on the engine\n", dseek_transport(dev), engine.name, x[N - 1],
	       x[1024 + N - 1], x[2048 + N - 1], result.engine_ns / 1e3);
	wrong = result.error || x[2048 + N - 1] != x[N - 1] + x[1024 + N - 1];

	dseek_program_destroy(job.program);
	dseek_bo_destroy(bo);
	dseek_queue_destroy(queue);
	dseek_close(dev);
	return wrong;
}
