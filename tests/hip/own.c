// SPDX-License-Identifier: MIT
/* own ENGINE: a job with a kernel of its own on that engine of the module's. Exit status 0 if it ran and its result is right. */
#include <dseek.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "own_program.h"

static int fail(const char *what)
{
	fprintf(stderr, "own: %s: %s\n", what, dseek_strerror_detail());
	return 1;
}

int main(int argc, char **argv)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_job_result result = { 0 };
	struct dseek_engine_info engine;
	struct own_program own;
	struct dseek_program *prog;
	struct dseek_binding binding;
	struct dseek_device *dev;
	struct dseek_queue *queue;
	struct dseek_bo *bo;
	struct timespec now;
	uint64_t seqno;
	char err[300];

	if (argc != 2) {
		fprintf(stderr, "usage: own ENGINE\n");
		return 2;
	}
	if (own_program_build(&own, &object_argmax, "dsk_argmax", err, sizeof(err))) {
		fprintf(stderr, "own: %s\n", err);
		return 1;
	}
	if (dseek_open("drm:", NULL, &dev) || dseek_engine_find(dev, argv[1], &engine))
		return fail("engine");
	params.engine = engine.id;
	if (dseek_queue_create(dev, &params, &queue) || dseek_bo_create(dev, 4096, 0, -1, &bo) ||
	    dseek_program_create(dev, own.blob, own.view.header->total_size, &prog))
		return fail("queue, buffer, program");
	own_program_fill(dseek_bo_map(bo));
	binding = (struct dseek_binding){ bo, 0, 4096, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	if (dseek_submit(queue, &(struct dseek_job){ .program = prog, .bindings = &binding, .binding_count = 1, .consts = own.params,
						     .const_size = sizeof(own.params) }, 1, &seqno, NULL) != 1)
		return fail("submit");
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (dseek_wait(queue, seqno, ((uint64_t)now.tv_sec + 60) * 1000000000u, &result))
		return fail("wait");
	printf("own: %s\n", result.error ? strerror(-result.error) : own_program_right(dseek_bo_map(bo)) ? "right" : "wrong");
	return result.error || !own_program_right(dseek_bo_map(bo));
}
