// SPDX-License-Identifier: MIT
/* Streams of the stand-in, with priorities and with masks of compute units, and what was launched on which. */
#include <stdio.h>
#include <stdlib.h>

#include "../../userspace/executor/hip/hip_api.h"
#include "standin.h"

#define INVALID_HANDLE	400
#define LEAST		1
#define GREATEST	(-1)

static struct standin_launch launches[STANDIN_LAUNCHES];
static unsigned int launch_count;

void standin_log_launch(const struct stream *stream, const char *kernel, const unsigned int grid[3])
{
	struct standin_launch *l = &launches[launch_count];

	if (launch_count == STANDIN_LAUNCHES)
		return;
	*l = (struct standin_launch) {
		.groups = grid[0] * grid[1] * grid[2], .priority = stream->priority, .mask_words = stream->mask_words, .mask = stream->mask,
		.lds = device_lds(),
	};
	snprintf(l->kernel, sizeof(l->kernel), "%s", kernel);
	launch_count++;
}

void standin_log_reset(void)
{
	launch_count = 0;
}

static hip_error make(hip_stream *stream, const struct stream *as)
{
	struct stream *s = malloc(sizeof(*s));
	hip_error error;

	*s = *as;
	error = device_queue_create(&s->queue);
	if (error) {
		free(s);
		return error;
	}
	standin_live++;
	*stream = s;
	return 0;
}

#pragma GCC visibility push(default)

const struct standin_launch *hip_standin_launch(unsigned int n)
{
	return n < launch_count ? &launches[n] : NULL;
}

CALL(StreamCreateWithFlags, (hip_stream *stream, unsigned int flags)) { return COUNTED(StreamCreateWithFlags, stream, flags); }
static hip_error do_StreamCreateWithFlags(hip_stream *stream, unsigned int flags)
{
	return flags != HIP_STREAM_NON_BLOCKING ? INVALID_VALUE : make(stream, &(struct stream){ 0 });
}

#ifndef STANDIN_OLD	/* what the backend does without where it isn't there */
CALL(DeviceGetStreamPriorityRange, (int *least, int *greatest)) { return COUNTED(DeviceGetStreamPriorityRange, least, greatest); }
static hip_error do_DeviceGetStreamPriorityRange(int *least, int *greatest)
{
	const char *range = getenv("HIP_STANDIN_PRIORITIES");

	*least = LEAST;
	*greatest = GREATEST;
	if (range && sscanf(range, "%d:%d", least, greatest) != 2)
		abort();	/* a test that is wrong */
	return 0;
}

/* Others than those of the range the real one takes, too, as the nearest of them: here they are a mistake. */
CALL(StreamCreateWithPriority, (hip_stream *stream, unsigned int flags, int priority))
{
	return COUNTED(StreamCreateWithPriority, stream, flags, priority);
}
static hip_error do_StreamCreateWithPriority(hip_stream *stream, unsigned int flags, int priority)
{
	int least, greatest;

	do_DeviceGetStreamPriorityRange(&least, &greatest);
	return flags != HIP_STREAM_NON_BLOCKING || priority < greatest || priority > least ? INVALID_VALUE :
	       make(stream, &(struct stream){ .priority = priority });
}

/* Such a stream has the priority that is nobody's in particular. */
CALL(ExtStreamCreateWithCUMask, (hip_stream *stream, uint32_t words, const uint32_t *mask))
{
	return COUNTED(ExtStreamCreateWithCUMask, stream, words, mask);
}
static hip_error do_ExtStreamCreateWithCUMask(hip_stream *stream, uint32_t words, const uint32_t *mask)
{
	if (!stream)
		return INVALID_HANDLE;
	if (!words || !mask)
		return INVALID_VALUE;
	return make(stream, &(struct stream){ .mask_words = words, .mask = mask[0] });
}
#endif

CALL(StreamDestroy, (hip_stream stream)) { return COUNTED(StreamDestroy, stream); }
static hip_error do_StreamDestroy(hip_stream stream)
{
	device_queue_destroy(((struct stream *)stream)->queue);
	free(stream);
	standin_live--;
	return 0;
}
#pragma GCC visibility pop
