// SPDX-License-Identifier: MIT
/* What the opencl backend refuses to open: libraries, devices, folders of kernels, options. Each in a process of its own: OpenCL is loaded once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../hip/device.h"
#include "../tap.h"

static const char *second;	/* options of another engine of the same process */

/* As a child: opens with @options after setting @env ("NAME=VALUE", may be NULL). "0 opened", or the error and its sentence. */
static const char *in_child(const char *options, const char *env)
{
	static char text[600];
	char err[500] = "";
	int pipes[2], r;
	void *state;
	FILE *from;
	pid_t pid;

	*text = 0;
	fflush(stdout);
	if (pipe(pipes))
		abort();
	pid = fork();
	if (!pid) {
		if (env)
			putenv(strdup(env));
		r = dseek_backend_opencl.open(options, &state, err, sizeof(err));
		if (!r && second) {
			dseek_backend_opencl.close(state);
			r = dseek_backend_opencl.open(second, &state, err, sizeof(err));
		}
		dprintf(pipes[1], "%d %s\n", r, r ? err : "opened");
		if (!r)
			dseek_backend_opencl.close(state);
		_exit(0);
	}
	close(pipes[1]);
	from = fdopen(pipes[0], "r");
	if (!fgets(text, sizeof(text), from))
		strcpy(text, "-10 the process died");
	fclose(from);
	waitpid(pid, NULL, 0);
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void try(const char *options, const char *env, int error, const char *why, const char *what)
{
	const char *text = in_child(options, env);

	tap_ok(*text && atoi(text) == error && strstr(text, why), "%s: %s", what, text);
}

int main(void)
{
	const char *build = getenv("DSEEK_BUILD"), *device;
	char options[1300], shim[600];

	build = build ? build : "build";
	snprintf(shim, sizeof(shim), "library=%s/tests/opencl/libOpenCL-shim.so", build);
	try("library=/nonexistent/libOpenCL.so", NULL, -ENOENT, "opencl: /nonexistent/libOpenCL.so: cannot open", "a library that isn't there");
	snprintf(options, sizeof(options), "library=%s/tests/hip/lib/lacks/libamdhip64.so.6", build);
	try(options, NULL, -ELIBACC, "libamdhip64.so.6 lacks clGetPlatformIDs: not OpenCL 2.0", "another's library");
	try("colour=red", NULL, -EINVAL, "opencl: unknown option 'colour'", "an option that there isn't");
	try("device=x", NULL, -EINVAL, "opencl: device=x: not a number", "a device that is no number");
	try(shim, "OPENCL_SHIM_PLATFORMS=0", -ENODEV, "opencl: OpenCL has no device: is a driver installed", "no device at all");

	snprintf(options, sizeof(options), "%s", hip_device_options(NULL));
	device = in_child(options, NULL);
	if (atoi(device) == -ENODEV || atoi(device) == -ENOENT) {
		tap_skip("what it says of devices", device);
		return tap_end();
	}
	try(options, NULL, 0, "opened", "the machine's");
	setenv("OPENCL_SHIM_SVM", "11", 1);
	try(options, "OPENCL_SHIM_TYPE=4", -ENODEV, "doesn't reach the memory of processes as it is", "a GPU with memory of its own");
	setenv("OPENCL_SHIM_SVM", "7", 1);
	try(options, "OPENCL_SHIM_TYPE=4", 0, "opened", "a GPU that shares the system's");
	unsetenv("OPENCL_SHIM_SVM");
	snprintf(options, sizeof(options), "%s", hip_device_options("device=16"));
	try(options, NULL, -ENODEV, "opencl: device=16: there", "one device too many");
	snprintf(options, sizeof(options), "%s,kernels=/nonexistent", shim);
	try(options, NULL, -ENOENT, "opencl: no kernels for opencl: there are none in /nonexistent", "a folder that isn't there");
	snprintf(options, sizeof(options), "%s", hip_device_options(NULL));
	second = options;
	try(options, NULL, 0, "opened", "a second engine");
	second = "library=libOpenCL.so.1";
	try(options, NULL, -EBUSY, "libOpenCL-shim.so already: it takes one libOpenCL", "one of another library");
	return tap_end();
}
