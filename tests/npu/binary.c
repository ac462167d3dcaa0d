// SPDX-License-Identifier: MIT
/* Manifests and xclbins: every mistake that there can be in them is named, with file and line; and no bytes of a file lead outside it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dseek_program.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/npu/npu_uapi.h"
#include "../../userspace/executor/npu/npu_xclbin.h"
#include "../random.h"
#include "../tap.h"
#include "files.h"
#include "model.h"

static const struct npu_model machine = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4 };
static char err[800];

static int open_folder(void)
{
	void *state;
	int r;

	npu_model_reset(&machine);
	*err = 0;
	r = npu_folder_open(NULL, &state, err, sizeof(err));
	if (!r)
		dseek_backend_npu.close(state);
	return r;
}

static const char good[] = "op linear\nweights q8_0 rows\nk 64\nn 48\ntokens 4\nxclbin overlay.xclbin\ncontrol a.ctl\n";

/* The good manifest with line @number (from 1) as @line, or one more at the end. */
static void manifest(int number, const char *line, const char *why)
{
	char text[1000] = "", copy[sizeof(good)], *rest = copy, *l;
	int i = 0, r;

	memcpy(copy, good, sizeof(good));
	while ((l = strsep(&rest, "\n")) && *l)
		if (++i == number)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", line);
		else
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", l);
	if (!number)
		strcat(text, line);
	npu_write("a.npu", text, strlen(text));
	r = open_folder();
	if (!tap_ok(r == -EINVAL && strstr(err, why) && strstr(err, "/a.npu"), "\"%s\": %s", line, err))
		printf("# %d, wanted \"%s\"\n", r, why);
}

static void test_manifests(void)
{
	static const struct {
		int line;
		const char *text, *why;
	} mistakes[] = {
		{ 1, "op conv", "a.npu:1: bad value of op" }, { 1, "", "a.npu has no op" }, { 2, "weights q4_0 rows", "a.npu:2: bad value of weights" },
		{ 2, "weights", "a.npu:2: bad value of weights" }, { 2, "", "has no weights" }, { 3, "k 65", "no k, or none that is a multiple of 32" },
		{ 3, "k x", "a.npu:3: bad value of k" }, { 3, "k -64", "a.npu:3: bad value of k" }, { 3, "k 4294967360", "bad value of k" }, { 3, "", "no k" },
		{ 4, "n", "a.npu:4: bad value of n" }, { 4, "n 0", "no n, or no tokens" }, { 5, "tokens 5000", "a.npu:5: bad value of tokens" },
		{ 5, "", "no n, or no tokens" }, { 6, "xclbin ../a", "a.npu:6: bad value of xclbin" }, { 6, "xclbin .hidden", "bad value of xclbin" },
		{ 6, "", "no xclbin, or no control" }, { 7, "control", "a.npu:7: bad value of control" }, { 7, "", "no xclbin, or no control" },
		{ 0, "start dpu", "a.npu:8: bad value of start" }, { 0, "image 256", "bad value of image" }, { 0, "function 256", "bad value of function" },
		{ 0, "color blue", "a.npu:8: unknown key color" },
		{ 6, "xclbin aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bad value of xclbin" },
	};
	size_t i;

	npu_product("a", DSEEK_LAYOUT_ROWS, 64, 48, 4, "cu");
	npu_write("a.npu", good, sizeof(good) - 1);
	tap_got(!open_folder() && !npu_model_left(), "a good manifest", err);
	for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		manifest(mistakes[i].line, mistakes[i].text, mistakes[i].why);
	npu_write("a.npu", good, sizeof(good) - 1);
}

static void with_file(const char *name, const void *data, size_t size, int error, const char *why)
{
	int r;

	npu_write(name, data, size);
	r = open_folder();
	if (!tap_ok(r == error && strstr(err, why) && strstr(err, name) && !npu_model_left(), "%s: %s", name, err))
		printf("# %d, wanted \"%s\", %u left\n", r, why, npu_model_left());
}

static void test_files(void)
{
	size_t size;
	uint8_t *x = npu_xclbin(4, 2, &size), *bad = malloc(size);
	const struct {
		size_t at;
		uint8_t bytes[8], count;
		const char *why;
	} breaks[] = {
		{ 0, { 'X' }, 1, "not an xclbin" }, { 0, { 0x7f, 'E', 'L', 'F' }, 4, "an ELF file, which this backend doesn't load" },
		{ 448, { 0xff, 0xff, 0xff, 0xff }, 4, "sections' headers reach beyond its end" }, { 448, { 1 }, 1, "no AIE partition" },
		{ 456 + 40 + 24, { 0, 0, 1 }, 3, "AIE partition reaches beyond its end" },
		{ 456 + 40 + 32, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8, "AIE partition reaches beyond its end" },
		{ 456 + 40 + 32, { 183, 0 }, 2, "or is too short" }, { 552 + 32, { 0 }, 1, "has no columns" },
		{ 552 + 120, { 0, 1 }, 2, "list of images reaches beyond" }, { 552 + 120, { 0 }, 1, "it has 0 images, and none of number 0" },
		{ 552 + 124, { 0xff, 0xff, 0xff, 0xff }, 4, "list of images reaches beyond" },
		{ 552 + 184 + 16, { 0 }, 1, "an image is empty" }, { 552 + 184 + 16, { 0xff, 0xff }, 2, "or reaches beyond" },
		{ 552 + 184 + 20, { 0xff, 0xff, 0xff, 0xff }, 4, "or reaches beyond" },
	};
	size_t i;

	for (i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		memcpy(bad, x, size);
		memcpy(bad + breaks[i].at, breaks[i].bytes, breaks[i].count);
		with_file("overlay.xclbin", bad, size, strstr(breaks[i].why, "none of number") ? -ENOENT : -EINVAL, breaks[i].why);
	}
	with_file("overlay.xclbin", x, 100, -EINVAL, "not an xclbin");
	with_file("overlay.xclbin", x, 0, -EINVAL, "empty, or larger than 64 MiB");
	npu_write("overlay.xclbin", x, size);
	with_file("a.ctl", "abcde", 5, -EINVAL, "no whole words of 32 bits");
	with_file("a.ctl", "", 0, -EINVAL, "empty");
	npu_remove("a.ctl");
	tap_ok(open_folder() == -ENOENT && strstr(err, "/a.ctl: No such file or directory"), "no control code: %s", err);
	npu_product("a", DSEEK_LAYOUT_ROWS, 64, 48, 4, "cu");
	free(x);
	x = npu_xclbin(2, 1, &size);
	npu_write("two.xclbin", x, size);
	npu_write_text("b.npu", "op linear\nweights q8_0 rows\nk 64\nn 32\ntokens 4\nxclbin two.xclbin\ncontrol a.ctl\n");
	tap_ok(open_folder() == -EINVAL && strstr(err, "two.xclbin is for 2 columns, another for 4: one folder, one number") && !npu_model_left(),
	       "two widths: %s", err);
	npu_remove("b.npu");
	free(x);
	free(bad);
}

/* As many overlays as a context takes, and one more. */
static void test_many(void)
{
	int i;

	for (i = 0; i <= NPU_MAX_CUS; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%02d.npu", i);
		npu_write_text(name, "%sfunction %d\n", good, i + 1);
		if (i == NPU_MAX_CUS - 2)
			tap_got(!open_folder() && npu_model_calls("CONFIG_HWCTX") == 1, "32 overlays", err);
	}
	tap_ok(open_folder() == -ENOSPC && strstr(err, "has more than 32 overlays") && !npu_model_left(), "33: %s", err);
	for (i = 0; i <= NPU_MAX_CUS; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%02d.npu", i);
		npu_remove(name);
	}
}

/* Any bytes: the sanitizer watches; an image that is found lies in the file. */
static void test_random(void)
{
	size_t size, at;
	uint8_t *x = npu_xclbin(4, 2, &size), *bad = malloc(size);
	struct npu_xclbin parsed;
	uint64_t seed = 3;
	int i, j, good_ones = 0, outside = 0;

	for (i = 0; i < 200000; i++) {
		memcpy(bad, x, size);
		for (j = 0; j < 3; j++) {
			at = 440 + random_below(&seed, size - 440);
			bad[at] = random_below(&seed, 2) ? 0xff : (uint8_t)random_below(&seed, 256);
		}
		if (npu_xclbin_parse(bad, random_below(&seed, 8) ? size : random_below(&seed, size), random_below(&seed, 3), &parsed, err, sizeof(err)))
			continue;
		good_ones++;
		outside += (const uint8_t *)parsed.pdi < bad || (const uint8_t *)parsed.pdi + parsed.pdi_size > bad + size;
	}
	tap_ok(!outside && good_ones > 1000, "%d files of 200000 with bytes changed are taken, and no image of theirs is outside", good_ones);
	free(x);
	free(bad);
}

int main(void)
{
	test_manifests();
	test_files();
	test_many();
	test_random();
	return tap_end();
}
