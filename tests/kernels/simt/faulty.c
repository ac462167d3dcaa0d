/* SPDX-License-Identifier: MIT */
/* Kernels that are wrong, one fault each, and the same done right; faults.c runs them. n is the number of lanes. */
#include "../../../kernels/kdev.h"

#define LANES	128

struct faulty_params {
	int n, pad[5];
};

/* ---- right */

K_KERNEL(LANES) right_reverse(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = in[k_tid()];
	k_sync();
	out[k_tid()] = tile[p.n - 1 - k_tid()];
}

K_KERNEL(LANES) right_wave_reverse(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = in[k_tid()];
	k_wave_sync();
	out[k_tid()] = tile[k_tid() ^ (K_WAVE - 1)];
}

K_KERNEL(LANES) right_count(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, count, 1);

	if (k_tid() == 0)
		count[0] = 0;
	k_sync();
	k_atomic_add(count, in[k_tid()]);
	k_sync();
	out[k_tid()] = count[0];
}

K_KERNEL(LANES) right_wave_sum(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid()] = (int)k_wave_sum(K_WAVE_PASS (float)in[k_tid()]);
}

/* in the middle of a loop and from two places of one function: what tells them apart must not make this a fault */
K_KERNEL(LANES) right_steps(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	int v = in[k_tid()];

	for (int i = 0; i < 5; i++)
		v = k_shfl_i(v, (k_lane() + 1) & (K_WAVE - 1));
	v = k_shfl_i(v, (k_lane() + K_WAVE - 5) & (K_WAVE - 1));
	out[k_tid()] = v;
}

/* ---- wrong */

K_KERNEL(LANES) no_barrier(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = 0;
	k_sync();
	tile[k_tid()] = in[k_tid()];
	out[k_tid()] = tile[p.n - 1 - k_tid()];
}

K_KERNEL(LANES) no_second_barrier(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = in[k_tid()];
	k_sync();
	out[k_tid()] = tile[p.n - 1 - k_tid()];
	tile[k_tid()] = 0;
}

K_KERNEL(LANES) many_readers(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, top, 1);

	if (k_tid() == 0)
		top[0] = in[0];
	k_sync();
	out[k_tid()] = top[0];
	k_wave_sync();		/* orders the wave, not the other waves' loads */
	if (k_tid() == 0)
		top[0] = 1;
}

K_KERNEL(LANES) wave_barrier_for_group(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = 0;
	k_sync();
	tile[k_tid()] = in[k_tid()];
	k_wave_sync();
	out[k_tid()] = tile[p.n - 1 - k_tid()];
}

K_KERNEL(LANES) collective_for_barrier(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = 0;
	k_sync();
	tile[k_tid()] = in[k_tid()];
	k_ballot(1);
	out[k_tid()] = tile[k_tid() ^ (K_WAVE - 1)];
}

K_KERNEL(LANES) plain_beside_atomic(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, count, 1);

	if (k_tid() == 0)
		count[0] = 0;
	k_sync();
	k_atomic_add(count, in[k_tid()]);
	out[k_tid()] = count[0];
}

K_KERNEL(LANES) lds_past_end(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);
	K_LDS(int, other, LANES);

	other[k_tid()] = 0;
	tile[k_tid() + 1] = in[k_tid()];
	k_sync();
	out[k_tid()] = tile[k_tid()] + other[k_tid()];
}

K_KERNEL(LANES) lds_before_start(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = in[k_tid()];
	k_sync();
	out[k_tid()] = tile[k_tid() - 1];
}

K_KERNEL(LANES) lds_never_stored(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	if (k_tid() != 77)
		tile[k_tid()] = in[k_tid()];
	k_sync();
	out[k_tid()] = tile[p.n - 1 - k_tid()];
}

K_KERNEL(LANES) lds_too_large(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, 16385);

	tile[k_tid()] = in[k_tid()];
	out[k_tid()] = tile[k_tid()];
}

K_KERNEL(LANES) half_a_wave_shuffles(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	int v = in[k_tid()];

	if (k_lane() < K_WAVE / 2)
		v = k_shfl_i(v, 0);
	out[k_tid()] = v;
}

K_KERNEL(LANES) two_shuffles(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	int v = in[k_tid()];

	if (k_lane() & 1)
		v = k_shfl_i(v, 0);
	else
		v = k_shfl_i(v, 1);
	out[k_tid()] = v;
}

/* the same function, so the same line, inlined on two paths */
K_KERNEL(LANES) one_line_on_two_paths(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	float v = (float)in[k_tid()];

	if (k_lane() & 1)
		v = k_wave_sum(K_WAVE_PASS v);
	else
		v = 2 * k_wave_sum(K_WAVE_PASS v);
	out[k_tid()] = (int)v;
}

K_KERNEL(LANES) half_a_wave_waits(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	if (k_lane() < K_WAVE / 2)
		k_sync();
	out[k_tid()] = in[k_tid()];
}

K_KERNEL(LANES) one_wave_waits(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	if (k_wave() == 0)
		k_sync();
	out[k_tid()] = in[k_tid()];
}

K_KERNEL(LANES) two_barriers(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	if (k_wave() == 0)
		k_sync();
	else
		k_sync();
	out[k_tid()] = in[k_tid()];
}

K_KERNEL(LANES) one_wave_shuffles(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	int v = in[k_tid()];

	if (k_wave() == 1)
		v = k_shfl_i(v, 0);
	k_sync();
	out[k_tid()] = v;
}

K_KERNEL(LANES) shuffle_from_beyond(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid()] = k_shfl_i(in[k_tid()], k_lane() + 1);
}

K_KERNEL(LANES) buffer_past_end(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid()] = in[k_tid() + 1];
}

K_KERNEL(LANES) buffer_before_start(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid() - 1] = in[k_tid()];
}

K_KERNEL(LANES) no_such_buffer(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	static int mine;

	mine += in[k_tid()];
	out[k_tid()] = mine;
}

K_KERNEL(LANES) output_read_first(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid()] += in[k_tid()];
}

K_KERNEL(LANES) output_not_all(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	if (k_tid() < p.n - 1)
		out[k_tid()] = in[k_tid()];
}

K_KERNEL(LANES) input_stored(K_GLOBAL int *out, K_GLOBAL int *in, struct faulty_params p)
{
	out[k_tid()] = in[k_tid()];
	in[k_tid()] = 0;
}

K_KERNEL(LANES) groups_store_one_place(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	out[k_tid()] = in[k_tid()] + k_group_x();
}

K_KERNEL(LANES) group_reads_another(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	int n = k_group_x() * LANES;

	out[n + k_tid()] = in[k_tid()];
	k_sync();
	if (k_group_x() == 1)
		out[n + k_tid()] += out[k_tid()];
}

K_KERNEL(LANES) group_stores_what_many_read(K_GLOBAL int *out, K_GLOBAL int *in, struct faulty_params p)
{
	out[k_group_x() * LANES + k_tid()] = in[k_tid()];
	if (k_group_x() == 2)
		in[k_tid()] = 0;
}

/* two sizes of access to one place */
K_KERNEL(LANES) bytes_beside_words(K_GLOBAL int *out, K_GLOBAL const int *in, struct faulty_params p)
{
	K_LDS(int, tile, LANES);

	tile[k_tid()] = in[k_tid()];
	((K_LOCAL char *)tile)[(k_tid() * 4 + 4) % (4 * LANES)] = 1;
	k_sync();
	out[k_tid()] = tile[k_tid()];
}
