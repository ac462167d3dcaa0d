// SPDX-License-Identifier: MIT
/* dseek bench roundtrip as a program of its own, for make bench and for guests. */
#include "../../userspace/cli/cli.h"

int main(int argc, char **argv)
{
	cli_log_init("roundtrip");
	return bench_roundtrip_main(argc, argv);
}
