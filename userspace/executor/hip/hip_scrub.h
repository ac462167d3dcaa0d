/* SPDX-License-Identifier: MIT */
/*
 * What a job leaves in the LDS and the registers of the compute units it ran on is not for the next tenant: dsk_scrub_lds and
 * dsk_scrub_registers (kernels/scrub.c) overwrite them before that one's first op, and before the first op of all, as other processes
 * were there. On the job's own stream: what a stream with a mask of compute units doesn't reach isn't reached by the job either. So each set of
 * units counts as clean for the tenant that is there once it was scrubbed since that one came, and the scrub is done.
 */
#ifndef DSEEK_HIP_SCRUB_H
#define DSEEK_HIP_SCRUB_H

#include "hip_kernels.h"

struct hip_scrub {
	int on;
	uint32_t lds_groups, register_groups;	/* of a launch */
	void *out;				/* the device's address: what the kernels tell, and nobody reads */
	uint64_t tenant;			/* whose job ran last */
	uint32_t clean;				/* sets of units, bits (1 << number): nothing of another tenant's is there */
	uint64_t changes, launches;		/* of tenant; of scrub kernels, since it was opened */
};

/*
 * Loads the kernels and allocates; nothing if it isn't @on. @cus: compute units, 0: not known. 0, or an error and its sentence: an executor that
 * can't scrub must not serve. What there is goes by hip_scrub_close(), after an error, too.
 */
int hip_scrub_open(struct hip_scrub *s, struct hip_kernels *kernels, int cus, char *err, size_t err_size);
void hip_scrub_close(struct hip_scrub *s, const struct hip_api *api);

/* A job of @tenant's begins: 1 if another's ran last, or none, and nothing was made clean for it since. */
int hip_scrub_enter(struct hip_scrub *s, uint64_t tenant);
/* Launches what set @cus needs before an op of that tenant's; nothing if it is clean. 0, or an error of HIP's: no op may follow. */
int hip_scrub_launch(struct hip_scrub *s, struct hip_kernels *kernels, int cus, hip_stream stream, char *err, size_t err_size);
/* That is done. */
void hip_scrub_done(struct hip_scrub *s, int cus);

#endif /* DSEEK_HIP_SCRUB_H */
