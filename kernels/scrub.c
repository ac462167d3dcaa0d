/* SPDX-License-Identifier: MIT */
/*
 * What one tenant leaves on a compute unit is not for the next one: a group of these takes all LDS that a group may have and stores a pattern in
 * each word; waves of the other take registers, so many that some number of waves have all of a SIMD's, and store the pattern in each. As many groups
 * as fill the device, at once, reach all of both only where the hardware keeps none of them waiting; what it does about that no test here can show.
 * out tells that the groups were there, and of LDS that the stores were done: without a reader compilers leave them out.
 */
#include "dsk_layout.h"
#include "kdev.h"

#define LANES	256
#define FEW_LANES	64

#if defined(__gfx950__)
#define LDS_BYTES	163840
#else
#define LDS_BYTES	65536
#endif

/* out [groups]: the last word that the lane 0 sees, p.pattern; groups: any */
K_KERNEL(LANES) dsk_scrub_lds(K_GLOBAL k_u32 *out, struct dsk_scrub_params p)
{
	K_LDS(k_u32, lds, LDS_BYTES / 4);

	for (int i = k_tid(); i < LDS_BYTES / 4; i += LANES)
		lds[i] = p.pattern;
	k_sync();
	if (k_tid() == 0) {
		k_u32 differ = 0;

		for (int i = 0; i < LDS_BYTES / 4; i += LANES)	/* of each round another lane's: @out is made of all */
			differ |= lds[i + i / LANES % LANES] ^ p.pattern;
		out[k_group_x()] = p.pattern ^ differ;
	}
}

/* out [lanes, groups]: p.pattern; groups: any. Of few lanes: a group needs room on each SIMD for its waves there, and leaves free what is less. */
K_KERNEL(FEW_LANES) dsk_scrub_registers(K_GLOBAL k_u32 *out, struct dsk_scrub_params p)
{
	out[(long)k_group_x() * FEW_LANES + k_tid()] = p.pattern;
	k_fill_registers(p.pattern);
}
