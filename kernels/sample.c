/* SPDX-License-Identifier: MIT */
/*
 * The next token from logits, as userspace/model/sampler.h defines it but for the repetition penalty: temperature, top-k, top-p, min-p. Each
 * keeps the first of one order, by logit and then by id, so what is kept is all down to one place in it, a cut: it is found
 * two bits of the logit at a time, by sums whose order is always the same. Then, in place of a search in sums of weights, a race:
 * each id's time is exponentially distributed with its weight as rate, and the first one wins with probability weight / sum
 * (Efraimidis and Spirakis 2006). Times are Philox4x32-10's (Salmon et al. 2011) of (seed, position, id): the same on every run.
 */
#include "element.h"

#define LANES	256

struct cut {
	k_u32 key;		/* kept: above key, and of those that have it ids up to last */
	int last;
};

/* Floats in the order of unsigned integers; both zeros are one. */
K_DEV k_u32 key_of(float v)
{
	k_u32 u = v == 0 ? 0 : k_as_u32(v);

	return u >> 31 ? ~u : u | 0x80000000u;
}

K_DEV float logit_of(k_u32 key)
{
	return k_as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

K_DEV int kept(struct cut c, k_u32 key, int id)
{
	return key > c.key || (key == c.key && id <= c.last);
}

/* A weight of @top's is 1; -infinity's is 0. */
K_DEV float weight_of(float logit, float top, float factor)
{
	return k_exp2((logit - top) * factor);
}

/*
 * The shortest beginning of what @within keeps whose sum, of weights or (@factor 0) of ones, is at least @need; what is within has as
 * much. @found: LDS.
 */
K_DEV struct cut narrow(K_WAVE_PARAM K_LOCAL float *red, K_LOCAL int *found, K_LOCAL int *wave_count, K_GLOBAL const float *logits, int n,
			struct cut within, float need, float top, float factor)
{
	struct cut cut = { 0, n };
	float above = 0;
	int ties, seen = 0;

	for (int shift = 30; shift >= 0; shift -= 2) {
		float sum[3] = { 0, 0, 0 };
		int digit = 0;

		for (int i = k_tid(); i < n; i += LANES) {
			float v = logits[i], amount = factor > 0 ? weight_of(v, top, factor) : 1;
			k_u32 key = key_of(v);

			if (kept(within, key, i))
				for (int j = 0; j < 3; j++)
					sum[j] += key >= cut.key + ((j + 1u) << shift) ? amount : 0;
		}
		for (int j = 0; j < 3; j++) {
			sum[j] = k_group_sum(K_WAVE_PASS red, LANES, sum[j]);
			if (sum[j] >= need)
				digit = j + 1;
		}
		if (digit < 3)
			above = digit == 0 ? sum[0] : digit == 1 ? sum[1] : sum[2];
		cut.key += (k_u32)digit << shift;
	}
	/* of those that are equal there, so many, the lower ids: which is the last? */
	need -= above;
	if (factor > 0)
		need /= weight_of(logit_of(cut.key), top, factor);
	ties = need < (float)n ? (int)need + (need > (float)(int)need) : n;
	if (k_tid() == 0)
		found[0] = -1;
	for (int start = 0; start < n; start += LANES) {
		int i = start + k_tid();
		k_u32 key = i < n ? key_of(logits[i]) : 0;	/* 0: no float's but a NaN's */
		int tie = key == cut.key && kept(within, key, i);	/* if rounding asks for more than there are, all of them */
		int at = k_group_rank(K_WAVE_PASS wave_count, LANES, tie, &seen);

		if (tie && at < ties)
			k_atomic_max(found, i);
	}
	k_sync();
	cut.last = found[0];
	return cut;
}

/* A time of rate 1: -ln(1 - v), v uniform in (0, 1) with 2^-64 as its least. */
K_DEV float exponential(k_u32 id, k_u32 position, k_u32 seed_low, k_u32 seed_high)
{
	k_u32 a = id, b = position, c = 0, d = 0;
	float v;

	for (int round = 0; round < 10; round++) {
		unsigned long ab = 0xd2511f53ul * a, cd = 0xcd9e8d57ul * c;

		a = (k_u32)(cd >> 32) ^ b ^ seed_low;
		b = (k_u32)cd;
		c = (k_u32)(ab >> 32) ^ d ^ seed_high;
		d = (k_u32)ab;
		seed_low += 0x9e3779b9u;
		seed_high += 0xbb67ae85u;
	}
	v = (float)(a >> 8) * 0x1p-24f + (float)((a & 255) << 16 | b >> 16) * 0x1p-48f + (float)((b & 0xffff) + 0.5f) * 0x1p-64f;
	return v < 0x1p-7f ? v * (1 + v * (0.5f + v * (1.0f / 3))) : -0.693147180559945f * k_log2(1 - k_min(v, 1 - 0x1p-24f));
}

/* ids [rows], fault [1], logits [n, rows], row [rows]; groups: rows. */
K_KERNEL(LANES) dsk_sample(K_GLOBAL int *ids, K_GLOBAL int *fault, K_GLOBAL const float *logits, K_GLOBAL const k_u32 *rows,
			   struct dsk_sample_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_LDS(int, wave_count, LANES / K_WAVE);
	K_LDS(int, found, 1);
	K_LDS(k_u32, row, DSK_SAMPLE_WORDS);
	K_COLLECTIVES;
	K_GLOBAL const float *of = logits + (long)k_group_x() * p.logits_stride;
	float temperature, top_p, min_p, top = -k_as_float(0x7f800000u), bad = 0, factor, first, id;
	struct cut cut = { 0, p.n };
	int top_k;

	if (k_tid() < DSK_SAMPLE_WORDS)		/* a tenant's memory: read once */
		row[k_tid()] = rows[(long)k_group_x() * DSK_SAMPLE_WORDS + k_tid()];
	k_sync();
	temperature = k_as_float(row[0]);
	top_k = (int)row[1];
	top_p = k_as_float(row[2]);
	min_p = k_as_float(row[3]);
	if (!(temperature >= 0 && temperature <= 1000) || (temperature > 0 && temperature < 1e-3f) || !(top_p > 0 && top_p <= 1) ||
	    !(min_p >= 0 && min_p <= 1) || top_k < 0)
		bad = 1;
	for (int i = k_tid(); i < p.n; i += LANES) {
		float v = of[i];

		if (!(v < k_as_float(0x7f800000u)))
			bad = 1;
		top = k_max(top, v);
	}
	top = k_group_max(K_WAVE_PASS red, LANES, top);
	if (!(top > -k_as_float(0x7f800000u)))
		bad = 1;
	if (k_group_max(K_WAVE_PASS red, LANES, bad) > 0) {	/* the same for the group */
		if (k_tid() == 0) {
			ids[k_group_x()] = -1;
			k_atomic_or(fault, 1);
		}
		return;
	}
	factor = K_LOG2E / temperature;		/* greedy: not looked at */
	if (temperature == 0)
		top_k = 0, top_p = 1;		/* the largest is all that is looked for */
	if (top_k > 0 && top_k < p.n)
		cut = narrow(K_WAVE_PASS red, found, wave_count, of, p.n, cut, (float)top_k, top, 0);
	if (top_p < 1) {
		float sum = 0;

		for (int i = k_tid(); i < p.n; i += LANES)
			sum += kept(cut, key_of(of[i]), i) ? weight_of(of[i], top, factor) : 0;
		sum = k_group_sum(K_WAVE_PASS red, LANES, sum);
		cut = narrow(K_WAVE_PASS red, found, wave_count, of, p.n, cut, top_p * sum, top, factor);
	}
	/* the first one's speed, 1 / time; greedy: of the largest */
	first = 0;
	id = 0;
	for (int i = k_tid(); i < p.n; i += LANES) {
		float v = of[i], w = weight_of(v, top, factor), speed = 0;

		if (temperature == 0)
			speed = v == top;
		else if (kept(cut, key_of(v), i) && w >= min_p)
			speed = w / exponential((k_u32)i, row[6], row[4], row[5]);
		if (speed > first) {
			first = speed;
			id = (float)i;
		}
	}
	top = k_group_max(K_WAVE_PASS red, LANES, first);
	id = -k_group_max(K_WAVE_PASS red, LANES, first == top ? -id : K_NEG_BIG);
	if (k_tid() == 0)
		ids[k_group_x()] = (int)id;
}
