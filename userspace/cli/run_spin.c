// SPDX-License-Identifier: MIT
/* Work without a model: jobs that keep the engine busy for a stated time. A step is one job; "tokens" count them. */
#include "cli.h"
#include "run.h"

#include <dseek_program.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_US	250	/* an op's length: the engine can be taken away between ops */
#define MEASURE_JOBS	3
#define AHEAD		16	/* jobs in flight: the queue doesn't run dry while its thread waits for a CPU */

struct spin {
	const struct run_work_params *params;
	struct dseek_program *program;
};

struct spin_stream {
	struct spin *spin;
	struct dseek_queue *queue;
	uint64_t steps;
	uint32_t ahead;
	uint64_t submitted, waited;	/* sequence numbers */
};

static int spin_program(uint64_t us, void **ret_blob, size_t *ret_size)
{
	struct dseek_builder *b = dseek_builder_create(0);
	int r;

	if (!b)
		return -ENOMEM;
	while (us) {
		uint64_t slice = us < SLICE_US ? us : SLICE_US;
		struct dseek_program_op op = { .code = DSEEK_OP_SPIN, .i = { slice } };
		int i;

		for (i = 0; i < DSEEK_OP_TENSORS; i++)
			op.t[i] = DSEEK_NO_TENSOR;
		dseek_builder_op(b, &op);
		us -= slice;
	}
	r = dseek_builder_finish(b, ret_blob, ret_size);
	dseek_builder_destroy(b);
	return r;
}

static int spin_open(const struct run_work_params *params, void **ret_work, char *err, size_t err_size)
{
	struct spin *w = calloc(1, sizeof(*w));
	void *blob = NULL;
	size_t size;
	int r;

	if (!w)
		return -ENOMEM;
	w->params = params;
	r = spin_program(params->spec->spin_us, &blob, &size);
	if (!r)
		r = dseek_program_create(params->dev, blob, size, &w->program);
	free(blob);
	if (r) {
		snprintf(err, err_size, "no program that spins: %s", dseek_strerror_detail());
		free(w);
		return r;
	}
	*ret_work = w;
	return 0;
}

static void spin_close(void *work)
{
	struct spin *w = work;

	dseek_program_destroy(w->program);
	free(w);
}

static int spin_stream_open(void *work, const struct dseek_queue_params *queue, uint32_t index, void **ret_stream, char *err,
			    size_t err_size)
{
	struct spin_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->spin = work;
	s->ahead = queue->period_ns ? 1 : AHEAD;
	r = dseek_queue_create(s->spin->params->dev, queue, &s->queue);
	if (r) {
		snprintf(err, err_size, "no queue: %s", dseek_strerror_detail());
		free(s);
		return r;
	}
	*ret_stream = s;
	return 0;
}

static void spin_stream_close(void *stream)
{
	struct spin_stream *s = stream;

	dseek_queue_destroy(s->queue);
	free(s);
}

static int spin_stats(void *stream, struct dseek_queue_stats *ret_stats)
{
	struct spin_stream *s = stream;

	return dseek_queue_stats(s->queue, ret_stats);
}

/* Wait for one more job, with @ahead in flight meanwhile. */
static int spin_job(struct spin_stream *s, uint32_t ahead, uint64_t due_ns, uint64_t *ret_ns, char *err, size_t err_size)
{
	const struct dseek_job job = { .program = s->spin->program, .flags = DSEEK_JOB_IDEMPOTENT, .deadline_ns = due_ns };
	struct dseek_job_result result;
	int r;

	while (s->submitted - s->waited < ahead) {
		r = dseek_submit(s->queue, &job, 1, &s->submitted, NULL);
		if (r == -ETIME)
			return r;
		if (r < 0) {
			snprintf(err, err_size, "a job was refused: %s", dseek_strerror_detail());
			return r;
		}
	}
	r = dseek_wait(s->queue, ++s->waited, UINT64_MAX, &result);
	if (r) {
		snprintf(err, err_size, "waiting for a job: %s", dseek_strerror_detail());
		return r == -ETIME ? -EIO : r;	/* -ETIME would read as "not admitted" */
	}
	if (result.error) {
		snprintf(err, err_size, "a job failed: %s", strerror(-result.error));
		return -EIO;
	}
	if (ret_ns)
		*ret_ns = result.engine_ns;
	return 0;
}

static int spin_measure(void *work, uint64_t *ret_step_ns, char *err, size_t err_size)
{
	struct spin *w = work;
	const struct dseek_queue_params params = { .engine = w->params->engine->id, .sched_class = DSEEK_CLASS_INTERACTIVE,
						   .weight = 1 };
	uint64_t least = UINT64_MAX, ns;
	void *stream;
	int i, r;

	r = spin_stream_open(w, &params, 0, &stream, err, err_size);
	for (i = 0; i < MEASURE_JOBS && !r; i++) {
		r = spin_job(stream, 1, 0, &ns, err, err_size);
		if (!r && ns < least)
			least = ns;
	}
	if (i)
		spin_stream_close(stream);
	if (!r)
		*ret_step_ns = least;
	return r;
}

static int spin_step(void *stream, uint64_t due_ns, char *text, size_t text_size, char *err, size_t err_size)
{
	struct spin_stream *s = stream;
	int r;

	if (s->spin->params->spec->tokens && s->steps == s->spin->params->spec->tokens) {
		s->steps = 0;
		return 1;
	}
	text[0] = '\0';
	r = spin_job(s, s->ahead, due_ns, NULL, err, err_size);
	s->steps += !r;
	return r;
}

const struct run_work_ops run_work_spin = { spin_open, spin_close, spin_measure, spin_stream_open, spin_stream_close, spin_stats,
					    spin_step };
