// SPDX-License-Identifier: MIT
/* Runs the scenario tables; also checks that a replay of each decides the same. */
#include <stdio.h>
#include "scenario.h"

int main(void)
{
	static struct scenario_state state;
	const struct scenario *scenario;
	int n = 0, failed = 0, step;
	s64 got;

	for (scenario = arb_scenarios; scenario->name; scenario++) {
		step = scenario_run(scenario, &state, &got);
		printf("%s %d scenario: %s\n", step ? "not ok" : "ok", ++n, scenario->name);
		if (step)
			printf("# step %d: got %lld\n", step, (long long)got);
		failed |= step;
	}
	printf("1..%d\n", n);
	return !!failed;
}
