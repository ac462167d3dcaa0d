/* SPDX-License-Identifier: MIT */
/* The harness itself: each of faulty.c's kernels is stopped for what is wrong with it, and the right ones are not. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../../tap.h"
#include "simt.h"

#define LANES	128
#define SEEDS	4

static const struct {
	const char *kernel;
	enum simt_fault fault;
	const char *says;	/* a part of the report */
	unsigned int groups;
} table[] = {
	{ "right_reverse", SIMT_NONE, "", 1 },
	{ "right_wave_reverse", SIMT_NONE, "", 1 },
	{ "right_count", SIMT_NONE, "", 1 },
	{ "right_wave_sum", SIMT_NONE, "", 1 },
	{ "right_steps", SIMT_NONE, "", 1 },
	{ "no_barrier", SIMT_LDS_RACE, "LDS tile", 1 },
	{ "no_second_barrier", SIMT_LDS_RACE, "LDS tile", 1 },
	{ "many_readers", SIMT_LDS_RACE, "LDS top", 1 },
	{ "wave_barrier_for_group", SIMT_LDS_RACE, "LDS tile", 1 },
	{ "collective_for_barrier", SIMT_LDS_RACE, "LDS tile", 1 },
	{ "plain_beside_atomic", SIMT_LDS_RACE, "LDS count", 1 },
	{ "bytes_beside_words", SIMT_LDS_RACE, "LDS tile", 1 },
	{ "lds_past_end", SIMT_LDS_BOUNDS, "past the end of LDS tile of 512", 1 },
	{ "lds_before_start", SIMT_LDS_BOUNDS, "before LDS tile", 1 },
	{ "lds_never_stored", SIMT_LDS_UNINITIALISED, "LDS tile, byte 308 of 512", 1 },
	{ "lds_too_large", SIMT_LDS_TOO_LARGE, "tile", 1 },
	{ "half_a_wave_shuffles", SIMT_DIVERGENT_COLLECTIVE, "k_shfl at", 1 },
	{ "two_shuffles", SIMT_DIVERGENT_COLLECTIVE, "faulty.c:", 1 },
	{ "one_line_on_two_paths", SIMT_DIVERGENT_COLLECTIVE, "kdev.h:", 1 },
	{ "half_a_wave_waits", SIMT_DIVERGENT_BARRIER, "k_sync at", 1 },
	{ "one_wave_waits", SIMT_DIVERGENT_BARRIER, "has ended", 1 },
	{ "two_barriers", SIMT_DIVERGENT_BARRIER, "faulty.c:", 1 },
	{ "one_wave_shuffles", SIMT_WAVES_DIFFER, "waits in k_sync", 1 },
	{ "shuffle_from_beyond", SIMT_LANE_RANGE, "asks for lane", 1 },
	{ "buffer_past_end", SIMT_BUFFER_BOUNDS, "past the end of buffer 1", 1 },
	{ "buffer_before_start", SIMT_BUFFER_BOUNDS, "before buffer 0", 1 },
	{ "no_such_buffer", SIMT_BUFFER_BOUNDS, "no memory of this launch", 1 },
	{ "output_read_first", SIMT_BUFFER_UNINITIALISED, "buffer 0, byte", 1 },
	{ "output_not_all", SIMT_BUFFER_UNWRITTEN, "byte 508 of output buffer 0", 1 },
	{ "input_stored", SIMT_BUFFER_READ_ONLY, "buffer 1", 1 },
	{ "groups_store_one_place", SIMT_BUFFER_RACE, "another group", 2 },
	{ "group_reads_another", SIMT_BUFFER_RACE, "another group", 2 },
	{ "group_stores_what_many_read", SIMT_BUFFER_RACE, "other groups", 3 },
};

static int want(const char *kernel, unsigned int wave, int i, const int *in)
{
	int sum = 0;

	if (!strcmp(kernel, "right_reverse"))
		return in[LANES - 1 - i];
	if (!strcmp(kernel, "right_wave_reverse"))
		return in[i ^ (int)(wave - 1)];
	if (!strcmp(kernel, "right_steps"))
		return in[i];
	for (int j = 0; j < LANES; j++)
		if (!strcmp(kernel, "right_count") || j / (int)wave == i / (int)wave)
			sum += in[j];
	return sum;
}

static void run(void *library, size_t n, unsigned int wave)
{
	int *in = malloc(LANES * sizeof(int)), *out = malloc(3 * LANES * sizeof(int));
	struct { int n, pad[5]; } params = { .n = LANES };
	void *symbol = dlsym(library, table[n].kernel);
	int good = symbol != NULL;

	for (uint64_t seed = 0; good && seed < SEEDS; seed++) {
		struct simt_launch l = {
			.wave = wave, .lanes = LANES, .grid = { table[n].groups, 1, 1 }, .n_buffers = 2, .params = &params,
			.params_size = sizeof(params), .seed = seed,
			.buffers = { { out, table[n].groups * LANES * sizeof(int), SIMT_OUT }, { in, LANES * sizeof(int), SIMT_IN } },
		};
		struct simt_report report;

		memcpy(&l.kernel, &symbol, sizeof(symbol));
		if (!strncmp(table[n].kernel, "group_stores", 12))
			l.buffers[1].access = SIMT_INOUT;
		if (!strncmp(table[n].kernel, "groups_store", 12))
			l.buffers[0].size = LANES * sizeof(int);
		for (int i = 0; i < LANES; i++)
			in[i] = i * i % 101;
		simt_run(&l, &report);
		if (report.fault != table[n].fault || !strstr(report.text, table[n].says)) {
			printf("# seed %llu: got %s: %s\n", (unsigned long long)seed, simt_fault_name(report.fault), report.text);
			good = 0;
		}
		for (int i = 0; good && !report.fault && i < LANES; i++)
			if (out[i] != want(table[n].kernel, wave, i, in)) {
				printf("# seed %llu: lane %d got %d\n", (unsigned long long)seed, i, out[i]);
				good = 0;
			}
		if (!seed && report.fault)
			printf("# %s\n", report.text);
	}
	tap_ok(good, "wave %u: %s: %s", wave, table[n].kernel, simt_fault_name(table[n].fault));
	free(in);
	free(out);
}

/* Every kind of fault has a kernel. */
static void all_kinds(void)
{
	for (enum simt_fault f = SIMT_NONE; f < SIMT_FAULT_COUNT; f++) {
		size_t i = 0;

		while (i < sizeof(table) / sizeof(*table) && table[i].fault != f)
			i++;
		tap_ok(i < sizeof(table) / sizeof(*table), "a kernel for: %s", simt_fault_name(f));
	}
}

int main(void)
{
	all_kinds();
	for (unsigned int wave = 32; wave <= 64; wave += 32) {
		const char *build = getenv("DSEEK_BUILD");
		char path[512];
		void *library;

		snprintf(path, sizeof(path), "%s/kernels/simt/w%u/faulty.so", build ? build : "build", wave);
		library = dlopen(path, RTLD_NOW);
		if (!tap_ok(library != NULL, "%s", path)) {
			printf("# %s\n", dlerror());
			continue;
		}
		for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
			run(library, i, wave);
	}
	return tap_end();
}
