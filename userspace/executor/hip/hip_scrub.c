// SPDX-License-Identifier: MIT
#include "hip_scrub.h"

#include <stdio.h>

#define LANES		64	/* of dsk_scrub_registers, which tells a word a lane; dsk_scrub_lds tells one a group */
#define CUS_UNKNOWN	512	/* more than any device has */
/*
 * Groups a unit: one takes all LDS that a group may have, which is all of a unit's or, where units come in pairs and are counted so, half of
 * it. Of a unit's registers groups take all if there are 8, of a wave of 64 lanes each (4 SIMDs of two such waves), of a pair's if there are 16, of
 * two waves of 32 (4 SIMDs of eight). Twice as many: none is likely to be passed over.
 */
#define LDS_GROUPS	4
#define REGISTER_GROUPS	32

int hip_scrub_open(struct hip_scrub *s, struct hip_kernels *kernels, int cus, char *err, size_t err_size)
{
	char why[400];
	int r;

	if (!s->on)
		return 0;
	s->lds_groups = LDS_GROUPS * (uint32_t)(cus ? cus : CUS_UNKNOWN);
	s->register_groups = REGISTER_GROUPS * (uint32_t)(cus ? cus : CUS_UNKNOWN);
	r = hip_kernel_load(kernels, HIP_dsk_scrub_lds, why, sizeof(why));
	if (!r)
		r = hip_kernel_load(kernels, HIP_dsk_scrub_registers, why, sizeof(why));
	if (!r)
		r = HIP(kernels->api, Malloc, (&s->out, (size_t)s->register_groups * LANES * sizeof(uint32_t)), why, sizeof(why));
	if (r)
		snprintf(err, err_size, "what clears the GPU between tenants (scrub=0 does without): %s", why);
	return r;
}

void hip_scrub_close(struct hip_scrub *s, const struct hip_api *api)
{
	if (s->out)
		api->Free(s->out);
	s->out = NULL;
}

int hip_scrub_enter(struct hip_scrub *s, uint64_t tenant)
{
	if (tenant != s->tenant) {
		s->tenant = tenant;
		s->clean = 0;
		s->changes++;
	}
	return !s->clean;
}

int hip_scrub_launch(struct hip_scrub *s, struct hip_kernels *kernels, int cus, hip_stream stream, char *err, size_t err_size)
{
	const uint32_t lds[3] = { s->lds_groups, 1, 1 }, registers[3] = { s->register_groups, 1, 1 };
	const struct dsk_scrub_params params = { .pattern = 0 };
	const void *out = s->out;
	int r;

	if (!s->on || s->clean & 1u << cus)
		return 0;
	r = hip_kernel_launch(kernels, HIP_dsk_scrub_lds, stream, lds, &out, &params, err, err_size);
	if (r)
		return r;
	s->launches++;
	r = hip_kernel_launch(kernels, HIP_dsk_scrub_registers, stream, registers, &out, &params, err, err_size);
	s->launches += !r;
	return r;
}

void hip_scrub_done(struct hip_scrub *s, int cus)
{
	s->clean |= 1u << cus;
}
