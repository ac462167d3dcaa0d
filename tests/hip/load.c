// SPDX-License-Identifier: MIT
/* Opening the hip backend: which library, which target, which kernels; and a refusal that says what is missing for each that isn't there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/executor/hip/hip_streams.h"
#include "../../userspace/executor/hip/hip_target.h"
#include "../tap.h"
#include "device.h"

static char err[500];

/* It fails with @error and a sentence that has @sentence in it. */
static void refused(const char *options, int error, const char *sentence, const char *what)
{
	void *state = NULL;
	int r;

	*err = 0;
	r = dseek_backend_hip.open(options, &state, err, sizeof(err));
	if (!tap_ok(r == error && strstr(err, sentence) && !state, "%s: %s", what, err))
		printf("# %d, not %d; no \"%s\" in it\n", r, error, sentence);
	if (!r)
		dseek_backend_hip.close(state);
}

static void opened(const char *options, const char *what)
{
	void *state = NULL;
	int r = dseek_backend_hip.open(options, &state, err, sizeof(err));

	if (!tap_ok(!r, "%s is opened", what))
		printf("# %s\n", err);
	if (!r)
		dseek_backend_hip.close(state);
}

static void test_targets(void)
{
	static const struct {
		const char *arch, *name, *features;
		int wave;
	} good[] = {
		{ "gfx90a:sramecc+:xnack-", "gfx90a", "sramecc+:xnack-", 64 },
		{ "gfx942", "gfx942", "", 64 },
		{ "gfx1100", "gfx1100", "", 32 },
		{ "gfx1201:xnack-", "gfx1201", "xnack-", 32 },
	};
	static const char *const bad[] = { "", "gfx", "gfx9", "gfxabc90", "Radeon", "gfx90a:", "gfx90a:sramecc", "gfx90a:sramecc+x", "gfx90a:+",
					   "gfx90A", "gfx12345678901234567890123456789012" };
	struct hip_target t;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		tap_ok(!hip_target_parse(good[i].arch, &t, err, sizeof(err)) && !strcmp(t.name, good[i].name) &&
		       !strcmp(t.features, good[i].features) && t.wave == good[i].wave, "%s is %s of %d lanes", good[i].arch, good[i].name,
		       good[i].wave);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		tap_ok(hip_target_parse(bad[i], &t, err, sizeof(err)) == -EINVAL && strstr(err, "no gfx target"), "\"%s\" is none", bad[i]);
}

static void test_cu_masks(void)
{
	static const struct {
		const char *option, *sentence;
	} bad[] = {
		{ "cu_batch=", "hip: cu_batch=: not compute units from 0 to 1023 like 0-15+32" },
		{ "cu_batch=x", "hip: cu_batch=x: not compute units" },
		{ "cu_deadline=-1", "hip: cu_deadline=-1: not compute units" },
		{ "cu_deadline=+1", "hip: cu_deadline=+1: not compute units" },
		{ "cu_interactive=1+", "hip: cu_interactive=1+: not compute units" },
		{ "cu_batch=1-", "hip: cu_batch=1-: not compute units" },
		{ "cu_batch=1-x", "hip: cu_batch=1-x: not compute units" },
		{ "cu_batch=1-2-3", "hip: cu_batch=1-2-3: not compute units" },
		{ "cu_batch=1 ", "hip: cu_batch=1 : not compute units" },
		{ "cu_batch=0-1024", "hip: cu_batch=0-1024: not compute units" },
		{ "cu_batch=99999999999999999999", "not compute units" },
		{ "cu_batch=9-7", "hip: cu_batch=9-7: 9-7 is the wrong way round" },
		{ "cu_batch=0-3+2", "hip: cu_batch=0-3+2: 2 is given twice" },
		{ "cu_batch", "hip: unknown option 'cu_batch'" },
		{ "cu_realtime=0", "hip: unknown option 'cu_realtime'" },
	};
	struct hip_cu_mask m;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(bad[i].option, -EINVAL, bad[i].sentence, bad[i].option);
	tap_ok(!hip_cu_mask_parse("0-1+31+33+1023", &m, err, sizeof(err)) && m.words == 32 && m.bits[0] == 0x80000003 && m.bits[1] == 2 &&
	       m.bits[31] == 0x80000000, "a mask of units from the first to the last that can be named");
	tap_ok(!hip_cu_mask_parse("30-34", &m, err, sizeof(err)) && m.words == 2 && m.bits[0] == 0xc0000000 && m.bits[1] == 7,
	       "a range over two words");
}

/* Without a library of that name there is one answer, with the real one and without a GPU another. */
static void test_default_library(void)
{
	void *state = NULL;
	int r;

	*err = 0;
	r = dseek_backend_hip.open(NULL, &state, err, sizeof(err));
	if (!r) {
		dseek_backend_hip.close(state);
		tap_skip("what a machine without a GPU is told", "this one has a GPU");
		return;
	}
	tap_ok((r == -ENOENT && strstr(err, "no libamdhip64")) || strstr(err, "hipInit: ") || strstr(err, "hipGetDeviceCount: ") ||
	       strstr(err, "no kernels for") || strstr(err, "there are 0"), "a machine without a GPU is told: %s", err);
}

static void test_old(const char *build)
{
	char options[1000];

	snprintf(options, sizeof(options), "%s/tests/hip/lib/host/w32", build);
	setenv("HIP_STANDIN_HOST", options, 1);
	snprintf(options, sizeof(options), "library=%s/tests/hip/lib/old/libamdhip64.so.5,kernels=%s/tests/hip/kernels", build, build);
	opened(options, "version 5, without priorities, names of errors and newer properties,");
	setenv("HIP_STANDIN_FAIL", "hipMalloc:1+:2", 1);
	refused(options, -ENOMEM, "hipMalloc: error 2", "an error without a name");
	unsetenv("HIP_STANDIN_FAIL");
	strcat(options, ",cu_interactive=0");
	refused(options, -EOPNOTSUPP, "hip: the stream of class interactive: this runtime makes no streams for some compute units alone",
		"masks of compute units, where it has none");
	unsetenv("HIP_STANDIN_HOST");
}

static void test_on_standin(void)
{
	char options[1000], *old;
	const char *build = getenv("DSEEK_BUILD") ? getenv("DSEEK_BUILD") : "build";

	opened(hip_device_options(NULL), "the stand-in");
	setenv("HIP_STANDIN_ARCH", "gfx90a:sramecc+:xnack-", 1);
	opened(hip_device_options("device=0,abort_ms=5,scrub=0"), "a gfx90a with features");
	setenv("HIP_STANDIN_ARCH", "gfx1100", 1);
	snprintf(options, sizeof(options), "%s", hip_device_options(NULL));
	opened(options, "a gfx1100");
	snprintf(options, sizeof(options), "%s/tests/hip/lib/old/libamdhip64.so.5", build);
	if (access(options, R_OK))
		tap_skip("version 5", "the stand-in of it is for x86-64");
	else
		test_old(build);

	setenv("HIP_STANDIN_ARCH", "gfx1103:xnack-", 1);
	refused(hip_device_options(NULL), -ENOENT, "no kernels for gfx1103:xnack-: ", "an unknown target");
	tap_ok(strstr(err, " has those for gfx90a gfx942 gfx1100") != NULL, "it says which there are");
	old = strdup(hip_device_options(NULL));
	snprintf(options, sizeof(options), "%.*s,kernels=/nonexistent", (int)(strstr(old, ",kernels=") - old), old);
	refused(options, -ENOENT, "there are none in /nonexistent (make kernels; option kernels=)", "no kernels at all");
	free(old);
	setenv("HIP_STANDIN_ARCH", "Navi 31", 1);
	refused(hip_device_options(NULL), -EINVAL, "calls itself \"Navi 31\"", "a device that is no gfx target");
	unsetenv("HIP_STANDIN_ARCH");

	refused(hip_device_options("device=1"), -ENODEV, "hip: device=1: there is 1", "a device too many");
	setenv("HIP_STANDIN_DEVICES", "0", 1);
	refused(hip_device_options(NULL), -ENODEV, "hip: hipInit: hipErrorNoDevice (100)", "no device");
	unsetenv("HIP_STANDIN_DEVICES");
	tap_ok(hip_device_live() == 0, "nothing is left on the device: %u", hip_device_live());
}

int main(void)
{
	const char *build = getenv("DSEEK_BUILD") ? getenv("DSEEK_BUILD") : "build";
	char options[600];

	test_targets();
	refused("size=3", -EINVAL, "hip: unknown option 'size'", "an option it doesn't know");
	refused("device", -EINVAL, "hip: unknown option 'device'", "an option without a value");
	refused("device=x", -EINVAL, "hip: device=x: not a number up to 1023", "a device that is no number");
	refused("abort_ms=-1", -EINVAL, "hip: abort_ms=-1: not a number", "a negative time");
	refused("scrub=2", -EINVAL, "hip: scrub=2: not a number up to 1", "a switch with three positions");
	refused("plain=2", -EINVAL, "hip: plain=2: not a number up to 1", "and another");
	test_cu_masks();
	refused("library=/nonexistent/libamdhip64.so.6", -ENOENT, "/nonexistent/libamdhip64.so.6", "a library that isn't there");
	snprintf(options, sizeof(options), "library=%s/tests/hip/lib/lacks/libamdhip64.so.6", build);
	refused(options, -ELIBACC, " lacks hipGetDeviceCount hipSetDevice hipModuleLoadData and ", "a library without what is needed");
	test_default_library();
	if (hip_device_why_not())
		tap_skip("the backend on a stand-in", hip_device_why_not());
	else
		test_on_standin();
	return tap_end();
}
