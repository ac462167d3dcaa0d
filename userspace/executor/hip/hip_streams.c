// SPDX-License-Identifier: MIT
#include "hip_streams.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *hip_class_name(uint32_t sched_class)
{
	static const char *const names[DRM_DSEEK_CLASS_COUNT] = { "deadline", "interactive", "batch" };

	return names[sched_class];
}

/* A unit's number, and what follows it. -1: it isn't one. */
static int parse_unit(const char **text)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)**text))
		return -1;
	errno = 0;
	n = strtol(*text, &end, 10);
	*text = end;
	return errno || n >= HIP_CU_MAX ? -1 : (int)n;
}

int hip_cu_mask_parse(const char *text, struct hip_cu_mask *ret_mask, char *err, size_t err_size)
{
	struct hip_cu_mask mask = { 0 };
	const char *at = text;
	int first, last;

	for (;; at++) {
		first = last = parse_unit(&at);
		if (first >= 0 && *at == '-') {
			at++;
			last = parse_unit(&at);
		}
		if (first < 0 || last < 0 || (*at && *at != '+')) {
			snprintf(err, err_size, "%s: not compute units from 0 to %d like 0-15+32", text, HIP_CU_MAX - 1);
			return -EINVAL;
		}
		if (first > last) {
			snprintf(err, err_size, "%s: %d-%d is the wrong way round", text, first, last);
			return -EINVAL;
		}
		for (; first <= last; first++) {
			if (mask.bits[first / 32] & 1u << first % 32) {
				snprintf(err, err_size, "%s: %d is given twice", text, first);
				return -EINVAL;
			}
			mask.bits[first / 32] |= 1u << first % 32;
			if (mask.words <= (uint32_t)first / 32)
				mask.words = (uint32_t)first / 32 + 1;
		}
		if (!*at)
			break;
	}
	*ret_mask = mask;
	return 0;
}

/* The last unit of a mask that isn't empty. */
static int last_unit(const struct hip_cu_mask *mask)
{
	return (int)(32 * mask->words) - 1 - __builtin_clz(mask->bits[mask->words - 1]);
}

static int open_masked(const struct hip_api *api, const struct hip_cu_mask *mask, int cus, hip_stream *stream, char *err, size_t err_size)
{
	if (!api->ExtStreamCreateWithCUMask) {
		snprintf(err, err_size, "this runtime makes no streams for some compute units alone");
		return -EOPNOTSUPP;
	}
	if (cus && last_unit(mask) >= cus) {
		snprintf(err, err_size, "no compute unit %d: the device has %d", last_unit(mask), cus);
		return -EINVAL;
	}
	return HIP(api, ExtStreamCreateWithCUMask, (stream, mask->words, mask->bits), err, err_size);
}

/* Least urgent and most urgent: the greater number and the lesser. */
static int priorities(const struct hip_api *api, int *ret_least, int *ret_greatest, char *err, size_t err_size)
{
	*ret_least = *ret_greatest = 0;
	if (!api->StreamCreateWithPriority || !api->DeviceGetStreamPriorityRange)
		return 0;
	return HIP(api, DeviceGetStreamPriorityRange, (ret_least, ret_greatest), err, err_size);
}

int hip_streams_open(struct hip_streams *s, const struct hip_api *api, const struct hip_cu_mask masks[DRM_DSEEK_CLASS_COUNT], int cus,
		     char *err, size_t err_size)
{
	int least, greatest, want[DRM_DSEEK_CLASS_COUNT], r;
	char why[160];
	uint32_t c, like;

	r = priorities(api, &least, &greatest, err, err_size);
	if (r)
		return r;
	want[DRM_DSEEK_CLASS_DEADLINE] = greatest;
	want[DRM_DSEEK_CLASS_INTERACTIVE] = least < 0 ? least : greatest > 0 ? greatest : 0;
	want[DRM_DSEEK_CLASS_BATCH] = least;
	for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++) {
		s->cus[c] = masks[c].words ? 1 + (int)c : 0;
		for (like = 0; like < c && (s->cus[like] || s->cus[c] || want[like] != want[c]); like++)
			;
		if (like < c)
			s->of[c] = s->of[like];
		else if (s->cus[c])
			r = open_masked(api, &masks[c], cus, &s->of[c], why, sizeof(why));
		else if (want[c])
			r = HIP(api, StreamCreateWithPriority, (&s->of[c], HIP_STREAM_NON_BLOCKING, want[c]), why, sizeof(why));
		else	/* what every runtime has */
			r = HIP(api, StreamCreateWithFlags, (&s->of[c], HIP_STREAM_NON_BLOCKING), why, sizeof(why));
		if (r) {
			s->of[c] = NULL;
			snprintf(err, err_size, "the stream of class %s: %s", hip_class_name(c), why);
			return r;
		}
	}
	return 0;
}

void hip_streams_close(struct hip_streams *s, const struct hip_api *api)
{
	uint32_t c, before;

	for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++) {
		for (before = 0; before < c && s->of[before] != s->of[c]; before++)
			;
		if (before == c && s->of[c])
			api->StreamDestroy(s->of[c]);
	}
	memset(s, 0, sizeof(*s));
}
