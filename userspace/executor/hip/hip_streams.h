/* SPDX-License-Identifier: MIT */
/*
 * Streams of the device: each class of queues has one, with a priority of its own, or with compute units of its own, but not both: HIP makes
 * no stream that has both. An executor runs one job at a time; what priorities order is jobs of several executors on one GPU.
 */
#ifndef DSEEK_HIP_STREAMS_H
#define DSEEK_HIP_STREAMS_H

#include <drm/dseek_drm.h>

#include "hip_api.h"

#define HIP_CU_MAX	1024	/* compute units that a mask can name */

struct hip_cu_mask {
	uint32_t words;			/* up to the last that isn't 0; 0: no mask, all units */
	uint32_t bits[HIP_CU_MAX / 32];	/* unit 32 * i + b: bit b of word i */
};

/* "0-15+32": units and ranges of them. 0, or -EINVAL and what is wrong with @text in @err. */
int hip_cu_mask_parse(const char *text, struct hip_cu_mask *ret_mask, char *err, size_t err_size);

struct hip_streams {
	hip_stream of[DRM_DSEEK_CLASS_COUNT];	/* classes that are alike have the same */
	int cus[DRM_DSEEK_CLASS_COUNT];		/* number of its set of compute units: 0: all, else 1 + the class */
};

/*
 * deadline has the greatest priority that the runtime offers, batch the least, interactive the default, 0, if that is among those it
 * offers, else the nearest; one that makes no streams with priorities gives all the same. @cus: how many units the device has, 0: not
 * known. 0, or an error and its sentence, which names the class: -EINVAL a mask with a unit that isn't there, -EOPNOTSUPP the runtime makes
 * no streams with masks, or HIP's. What was made stays for hip_streams_close(), after an error, too.
 */
int hip_streams_open(struct hip_streams *s, const struct hip_api *api, const struct hip_cu_mask masks[DRM_DSEEK_CLASS_COUNT], int cus,
		     char *err, size_t err_size);
void hip_streams_close(struct hip_streams *s, const struct hip_api *api);

/* "deadline", "interactive", "batch" */
const char *hip_class_name(uint32_t sched_class);

#endif /* DSEEK_HIP_STREAMS_H */
