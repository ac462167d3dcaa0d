// SPDX-License-Identifier: MIT
/* dseekctl: the administrator's side of the module. The table of sub-commands. */
#include "ctl.h"

static const struct cli_command commands[] = {
	{ "", "engines", cmd_engines, "what the engines are and do" },
	{ "", "depth", cmd_depth, "how many jobs an executor may hold" },
	{ "", "drain", cmd_drain, "let an engine take no new jobs" },
	{ "", "undrain", cmd_undrain, "let it take jobs again" },
	{ "", "timeouts", cmd_timeouts, "an engine's own time limits" },
	{ "", "tenants", cmd_tenants, "what tenants hold of what they may" },
	{ "", "classes", cmd_classes, "which classes tenants may use" },
	{ "limits", "show", cmd_limits_show, "all limits of a tenant" },
	{ "limits", "set", cmd_limits_set, "set some of them" },
	{ "limits", "clear", cmd_limits_clear, "take its policy away" },
	{ "", "apply", cmd_apply, "make the policy what a file says" },
	{ NULL }
};

static const struct cli_group groups[] = {
	{ "limits", "show, set and clear the limits of tenants" },
	{ NULL }
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		"dseekctl", commands, groups, "; dseekctl(8) all of it. DSEEK_SYSFS stands in for /sys.",
	};

	return cli_main(&program, argc, argv);
}
