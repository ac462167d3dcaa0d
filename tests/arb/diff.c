// SPDX-License-Identifier: MIT
/*
 * The core against the oracle, decision by decision, over seeded random events. diff [SEED [EVENTS]] runs one
 * long sequence; without arguments many, of which each is a test.
 */
#include <stdlib.h>
#include "../tap.h"
#include "drive.h"

static int run(uint64_t seed, uint64_t events, struct drive_result *total)
{
	struct source source = { .seed = seed };
	struct drive_result result = { 0 };

	drive(&source, events, &result);
	total->events += result.events;
	total->picks += result.picks;
	total->preemptions += result.preemptions;
	total->trials += result.trials;
	total->late_starts += result.late_starts;
	total->predictions += result.predictions;
	total->fluid_ns += result.fluid_ns;
	total->excess_ns += result.excess_ns;
	if (result.error[0])
		printf("# seed %llu, event %llu: %s\n", (unsigned long long)seed,
		       (unsigned long long)result.events, result.error);
	return !!result.error[0];
}

int main(int argc, char **argv)
{
	struct drive_result total = { 0 };
	uint64_t seed;
	int n;

	if (argc > 1)
		return run(strtoull(argv[1], NULL, 0), argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000, &total);
	for (n = 0; n < 8; n++) {
		int bad = 0;

		total = (struct drive_result){ 0 };
		for (seed = n * 100; seed < (uint64_t)n * 100 + DRIVE_RUNS(40); seed++)
			bad |= run(seed, 1500, &total);
		bad |= run(n * 100 + 99, DRIVE_RUNS(15000), &total);
		bad |= !total.trials || !total.late_starts;
		bad |= !total.predictions;
		printf("# %llu predictions within their bounds, later than fluid sharing by %.2f %% on average\n",
		       (unsigned long long)total.predictions, 100 * total.excess_ns / total.fluid_ns);
		printf("# %llu deadline queues began without a budget\n", (unsigned long long)total.late_starts);
		tap_ok(!bad, "oracle: %llu events, %llu picks, %llu yields and %llu trials decided alike", (unsigned long long)total.events,
		       (unsigned long long)total.picks, (unsigned long long)total.preemptions, (unsigned long long)total.trials);
	}
	return tap_end();
}
