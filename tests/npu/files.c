// SPDX-License-Identifier: MIT
#include "files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/executor/backend.h"
#include "model.h"

#define FILES	64

static char folder[300], names[FILES][80];
static unsigned int count;

static void clean_up(void)
{
	while (count)
		npu_remove(names[count - 1]);
	rmdir(folder);
}

const char *npu_folder(void)
{
	const char *dir = getenv("TMPDIR");

	if (!*folder) {
		snprintf(folder, sizeof(folder), "%s/npu-XXXXXX", dir && *dir ? dir : "/tmp");
		if (!mkdtemp(folder))
			abort();
		atexit(clean_up);
	}
	return folder;
}

void npu_write(const char *name, const void *data, size_t size)
{
	char path[400];
	FILE *file;
	unsigned int i = 0;

	snprintf(path, sizeof(path), "%s/%s", npu_folder(), name);
	file = fopen(path, "we");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file))
		abort();
	while (i < count && strcmp(names[i], name))
		i++;
	if (i == count && count++ < FILES)
		snprintf(names[i], sizeof(names[i]), "%s", name);
}

void npu_write_text(const char *name, const char *format, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	npu_write(name, text, strlen(text));
}

void npu_remove(const char *name)
{
	char path[400];
	unsigned int i = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	while (i < count && strcmp(names[i], name))
		i++;
	if (i < count)
		memmove(names[i], names[--count], sizeof(names[i]));
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
	for (; bytes--; value >>= 8)
		*to++ = (uint8_t)value;
}

/* Another section before the partition's; the partition: its struct, the list of images, the images. */
void *npu_xclbin(uint32_t columns, uint32_t images, size_t *ret_size)
{
	enum { SECTIONS = 456, AT = 456 + 2 * 40 + 16, LIST = 184, IMAGE = 48 };
	size_t part = LIST + images * (96 + IMAGE), size = AT + part;
	uint8_t *file = calloc(1, size), *p = file + AT;
	uint32_t i;

	memcpy(file, "xclbin2", 8);
	put(file + 448, 2, 4);
	put(file + SECTIONS, 2, 4);
	put(file + SECTIONS + 24, AT - 16, 8);
	put(file + SECTIONS + 32, 16, 8);
	put(file + SECTIONS + 40, 32, 4);
	put(file + SECTIONS + 40 + 24, AT, 8);
	put(file + SECTIONS + 40 + 32, part, 8);
	put(p + 8, 2048, 4);
	put(p + 32, columns, 2);
	put(p + 120, images, 4);
	put(p + 124, LIST, 4);
	for (i = 0; i < images; i++) {
		size_t at = LIST + images * 96 + i * IMAGE;

		put(p + LIST + i * 96 + 16, IMAGE, 4);
		put(p + LIST + i * 96 + 20, at, 4);
		put(p + at, NPU_MODEL_PDI, 4);
		put(p + at + 4, i, 4);
	}
	*ret_size = size;
	return file;
}

void npu_product(const char *name, uint32_t layout, uint32_t k, uint32_t n, uint32_t tokens, const char *start)
{
	const uint32_t code[] = { NPU_MODEL_CODE, k, n, tokens, layout };
	char file[80];
	size_t size;
	void *xclbin = npu_xclbin(4, 1, &size);

	npu_write("overlay.xclbin", xclbin, size);
	free(xclbin);
	snprintf(file, sizeof(file), "%s.ctl", name);
	npu_write(file, code, sizeof(code));
	snprintf(file, sizeof(file), "%s.npu", name);
	npu_write_text(file, "# a product of the model's\nop linear\nweights q8_0 %s\nk %u\nn %u # rows\n\ntokens %u\nxclbin overlay.xclbin\n"
		       "control %s.ctl\nstart %s\n", layout ? "packed" : "rows", k, n, tokens, name, start);
}

int npu_folder_open(const char *more, void **ret_state, char *err, size_t err_size)
{
	char options[500];

	snprintf(options, sizeof(options), "binaries=%s%s%s", npu_folder(), more ? "," : "", more ? more : "");
	return dseek_backend_npu.open(options, ret_state, err, err_size);
}
