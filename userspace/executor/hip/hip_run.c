// SPDX-License-Identifier: MIT
/*
 * Running a program: ops are launched ahead of the device, as many as the engine is deep, with an event behind each. Between ops the
 * executor's loop is asked whether to go on; what was launched is always waited for, for it has the tenant's memory. Only a
 * device that doesn't end it within the grace after an abort is given up, and then for good.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../backend.h"
#include "hip_state.h"

#define SPIN_NS		50000ull	/* how long an event is looked at without sleeping */
#define TICK_NS		50000

struct hip_job {
	struct hip_state *state;
	struct dseek_run *run;
	struct hip_launch launch;
	void *bindings[DSEEK_PROGRAM_MAX_BINDINGS];	/* the device's addresses */
	uint64_t first, launched, done;	/* ops: begun with; before these */
	uint64_t waiting_ns;		/* since when the oldest is waited for; 0: it isn't */
	uint64_t aborted_ns;		/* 0: it wasn't */
	uint32_t ahead;
	int cus;			/* set of compute units of its stream */
	int stop;			/* why nothing more is launched */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int hip_launch_kernel(const struct hip_launch *l, enum hip_kernel kernel, const uint32_t grid[3], const void *const *buffers,
		      const void *params)
{
	return grid[0] && grid[1] ? hip_kernel_launch(&l->state->kernels, kernel, l->stream, grid, buffers, params, l->err, l->err_size) : 0;
}

static int translate_bindings(struct hip_job *job)
{
	const struct dseek_run *run = job->run;
	uint32_t i;

	for (i = 0; i < run->program->header->n_bindings; i++) {
		job->bindings[i] = hip_memory_device(&job->state->memory, run->bindings[i]);
		if (!job->bindings[i]) {
			snprintf(job->launch.err, job->launch.err_size, "binding %u isn't registered with the device", i);
			return -EFAULT;
		}
	}
	return 0;
}

/* What the last tenant's ops left in the device's scratch, its LDS and its registers is none of the next one's business. */
static int begin(struct hip_job *job)
{
	struct hip_state *state = job->state;
	bool all = hip_scrub_enter(&state->scrub, job->run->tenant) && state->scrub.on;
	size_t size = all ? sizeof(*state->scratch) : sizeof(state->scratch->fault);
	int r = HIP(&state->api, SetDevice, (state->device), job->launch.err, job->launch.err_size);

	if (!r)
		r = HIP(&state->api, MemsetAsync, (state->scratch, 0, size, job->launch.stream), job->launch.err, job->launch.err_size);
	if (!r)
		r = hip_scrub_launch(&state->scrub, &state->kernels, job->cus, job->launch.stream, job->launch.err, job->launch.err_size);
	return r;
}

/* A kernel that doesn't tell the class tells deadlines. */
static uint32_t class_of(const struct dseek_run *run)
{
	if (run->sched_class && run->sched_class <= DRM_DSEEK_CLASS_COUNT)
		return run->sched_class - 1;
	return run->deadline_ns ? DRM_DSEEK_CLASS_DEADLINE : DRM_DSEEK_CLASS_INTERACTIVE;
}

static int make_event(struct hip_job *job, hip_event *event, char *err, size_t err_size)
{
	return *event ? 0 : HIP(&job->state->api, EventCreateWithFlags, (event, HIP_EVENT_DISABLE_TIMING), err, err_size);
}

/* SPIN is the host's: the device stays idle, and is this job's. An abort ends it, a wish for preemption waits for its end. */
static int spin(struct hip_job *job, uint32_t us)
{
	uint64_t until = now_ns() + us * 1000ull;

	while (now_ns() < until)
		if (job->run->poll && job->run->poll(job->run->poll_arg) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static int launch_op(const struct hip_launch *l, const struct cpu_op *op)
{
	struct cpu_op part;
	int i, r = 0;

	if (op->code == DSEEK_OP_KERNEL)
		return hip_launch_own(l, op);
	if (op->code != DSEEK_OP_LATENT_ATTENTION)
		return hip_op_find(op->code) ? hip_op_find(op->code)->launch(l, op) : 0;
	for (i = 0; i < CPU_LATENT_PARTS && !r; i++) {
		cpu_latent_part(op, i, &part);
		r = hip_op_find(part.code)->launch(l, &part);
	}
	return r;
}

/* The next op; its event behind it. On an error the op may have been launched in part: nothing counts as done. */
static int launch_next(struct hip_job *job)
{
	hip_event *event = &job->state->events[job->launched % job->ahead];
	char why[200] = "", *err = job->launch.err;
	struct cpu_op op;
	int r;

	cpu_op_resolve(job->run->program, (uint32_t)job->launched, job->run->params, job->bindings, &op);
	job->launch.index = (uint32_t)job->launched;
	if (op.code == DSEEK_OP_SPIN) {
		r = spin(job, op.i[0]);
		if (r)
			return r;
	}
	r = make_event(job, event, err, job->launch.err_size);
	if (!r)
		r = launch_op(&job->launch, &op);
	if (!r)
		r = HIP(&job->state->api, EventRecord, (*event, job->launch.stream), job->launch.err, job->launch.err_size);
	if (r) {
		snprintf(why, sizeof(why), "%s", err);
		snprintf(err, job->launch.err_size, "op %u, %s: %s", job->launch.index, dseek_op_name(op.code), why);
	}
	return r;
}

/* After an abort the device has so long. */
static bool grace_is_over(const struct hip_job *job)
{
	return job->aborted_ns && now_ns() - job->aborted_ns > job->state->grace_ns;
}

/* Looks at the oldest op that was launched: 0: done or still running; -EIO: the device is given up. */
static int look(struct hip_job *job)
{
	const struct hip_api *api = &job->state->api;
	hip_error error = api->EventQuery(job->state->events[job->done % job->ahead]);
	const struct timespec tick = { .tv_nsec = TICK_NS };
	uint64_t now = now_ns();

	if (!error) {
		job->done++;
		job->waiting_ns = 0;
		return 0;
	}
	if (error != HIP_NOT_READY)
		return hip_api_check(api, error, "hipEventQuery", job->launch.err, job->launch.err_size);
	if (!job->waiting_ns)
		job->waiting_ns = now;
	if (grace_is_over(job)) {
		job->state->lost = 1;
		snprintf(job->launch.err, job->launch.err_size, "op %llu did not end %llu ms after the job was aborted: the device is given up",
			 (unsigned long long)job->done, (unsigned long long)(job->state->grace_ns / 1000000));
		return -EIO;
	}
	if (now - job->waiting_ns > SPIN_NS)
		nanosleep(&tick, NULL);
	return 0;
}

static void ask(struct hip_job *job)
{
	int r;

	job->run->cursor = job->done;
	r = job->run->poll ? job->run->poll(job->run->poll_arg) : 0;
	if (r == -ETIMEDOUT && !job->aborted_ns)
		job->aborted_ns = now_ns();
	if (r && (!job->stop || r == -ETIMEDOUT))
		job->stop = r;
}

/* Ops whose launch is the host's wait until the device has done what comes before. */
static bool must_wait(const struct hip_job *job)
{
	return job->run->program->ops[job->launched].code == DSEEK_OP_SPIN && job->done < job->launched;
}

static int run_ops(struct hip_job *job)
{
	uint32_t n_ops = job->run->program->header->n_ops;
	int r = 0;

	while (!r && job->done < n_ops) {
		ask(job);
		/*
		 * One that was begun gets on: what comes before its first op takes time, for which it may be asked to yield, and
		 * two tenants would else scrub for each other for ever.
		 */
		if (job->stop == -EAGAIN && job->launched == job->first)
			job->stop = 0;
		if (!job->stop && job->launched < n_ops && job->launched - job->done < job->ahead && !must_wait(job)) {
			r = launch_next(job);
			if (r == -ETIMEDOUT) {
				job->stop = r;
				r = 0;
			} else if (!r) {
				job->launched++;
			}
		} else if (job->done == job->launched) {
			return job->stop;
		} else {
			r = look(job);
		}
	}
	return r;
}

/* What was launched is out of reach: @why joins the error there is. */
static void give_up(struct hip_job *job, const char *why)
{
	size_t used = strlen(job->launch.err);

	job->state->lost = 1;
	if (used < job->launch.err_size)
		snprintf(job->launch.err + used, job->launch.err_size - used, "%swhat was launched before %s: the device is given up", used ? "; " : "", why);
}

/*
 * After an error of the runtime what was launched may still run, for as long as the job may. The memory it has is the tenant's, and must not be
 * unmapped before. Events can't be relied upon; a stream that doesn't synchronize either is the end of the device.
 */
static void drain(struct hip_job *job)
{
	const struct hip_api *api = &job->state->api;
	hip_event *event = &job->state->events[0];
	struct timespec tick = { .tv_nsec = TICK_NS };
	char why[200] = "", reason[240];
	int r = make_event(job, event, why, sizeof(why));
	hip_error error;

	if (!r)
		r = HIP(api, EventRecord, (*event, job->launch.stream), why, sizeof(why));
	while (!r && (error = api->EventQuery(*event))) {
		if (error != HIP_NOT_READY) {
			r = hip_api_check(api, error, "hipEventQuery", why, sizeof(why));
			break;
		}
		ask(job);
		if (grace_is_over(job)) {
			snprintf(reason, sizeof(reason), "did not end %llu ms after the job was aborted", (unsigned long long)(job->state->grace_ns / 1000000));
			give_up(job, reason);
			return;
		}
		nanosleep(&tick, NULL);
	}
	if (r) {
		snprintf(reason, sizeof(reason), "can't be waited for (%s)", why);
		give_up(job, reason);
	}
}

/* An index that was out of range, in any op since the fault was cleared. */
static int check_fault(struct hip_job *job)
{
	int32_t fault = 0;
	int r = HIP(&job->state->api, Memcpy, (&fault, &job->state->scratch->fault, sizeof(fault), HIP_MEMCPY_DEVICE_TO_HOST),
		    job->launch.err, job->launch.err_size);

	if (!r && fault) {
		snprintf(job->launch.err, job->launch.err_size, "an index in the job's memory is out of range");
		r = -ERANGE;
	}
	return r;
}

int hip_run(void *arg, struct dseek_run *run)
{
	struct hip_state *state = arg;
	char unused[8];
	struct hip_job job = {
		.state = state, .run = run, .first = run->cursor, .launched = run->cursor, .done = run->cursor,
		.ahead = run->depth < 1 ? 1 : run->depth > DRM_DSEEK_MAX_DEPTH ? DRM_DSEEK_MAX_DEPTH : run->depth,
		.launch = {
			.state = state, .program = run->prepared, .params = run->params, .err = run->err ? run->err : unused,
			.err_size = run->err ? run->err_size : sizeof(unused),
			.stream = state->streams.of[class_of(run)],
		},
		.cus = state->streams.cus[class_of(run)],
	};
	int r = hip_lost(state, job.launch.err, job.launch.err_size), begun, fault;

	if (!r)
		r = translate_bindings(&job);
	if (r)
		return r;
	ask(&job);
	if (job.stop)
		return job.stop;
	r = begun = begin(&job);
	if (!r)
		r = run_ops(&job);
	/* Nothing of a job is left behind it, on whatever stream the next one is: neither an op nor what comes before the first. */
	if (!state->lost && ((r && r != -EAGAIN && r != -ETIMEDOUT) || job.done == job.first))
		drain(&job);
	if (!begun && !state->lost)
		hip_scrub_done(&state->scrub, job.cus);
	run->cursor = job.done;
	/* Where nothing is done the fault may still be that of the job before. */
	if ((!r || r == -EAGAIN) && job.done > job.first) {
		fault = check_fault(&job);
		r = fault ? fault : r;
	}
	return r;
}
