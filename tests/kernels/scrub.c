/* SPDX-License-Identifier: MIT */
/*
 * Scrubbing: that every word of LDS is stored to is counted by the harness; that a compiler's code stores to every register of as many as it
 * should take, by tests/kernels/gates. The harness has none.
 */
#include "ktest.h"

static void test(const struct device *d)
{
	static const unsigned int patterns[] = { 0, 0xdeadbeef };

	for (int i = 0; i < 2; i++) {
		struct dsk_scrub_params p = { .pattern = patterns[i] };
		unsigned int lds[2], registers[128];
		int good = 1;
		struct simt_launch l = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(lds, sizeof(lds))) };
		struct simt_launch r = { .grid = { 2, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(registers, sizeof(registers))) };

		if (ktest_launch(d, "dsk_scrub_lds", &l, "%s: LDS", d->name)) {
			/* a store for each word of two groups' 64 KiB, and each group's result */
			if (d->name[0] == 's')
				ktest_ok(device_simt_report.lds_bytes == 65536 && device_simt_report.stores == 2 * 16384 + 2,
					 "%s: %zu bytes of LDS, %llu stores", d->name, device_simt_report.lds_bytes,
					 (unsigned long long)device_simt_report.stores);
			ktest_ok(lds[0] == patterns[i] && lds[1] == patterns[i], "%s: LDS has 0x%x", d->name, patterns[i]);
		}
		if (ktest_launch(d, "dsk_scrub_registers", &r, "%s: registers", d->name)) {
			for (int j = 0; j < 128; j++)
				good &= registers[j] == patterns[i];
			ktest_ok(good, "%s: registers have 0x%x", d->name, patterns[i]);
		}
	}
}

int main(void)
{
	return ktest_main(test);
}
