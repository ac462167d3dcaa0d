// SPDX-License-Identifier: MIT
#include "npu_binary.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dseek_program.h"
#include "npu_xclbin.h"

#define FILE_MAX	(64u << 20)	/* no overlay and no control code is larger than the heap */

/* A whole file, not empty; the caller frees it. */
static int read_file(const char *folder, const char *name, void **ret_data, size_t *ret_size, char *err, size_t err_size)
{
	char path[640];
	FILE *file;
	void *data = NULL;
	size_t size = 0;
	long end = -1;
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		r = -errno;
		snprintf(err, err_size, "%s: %s", path, strerror(-r));
		return r;
	}
	if (!fseek(file, 0, SEEK_END))
		end = ftell(file);
	rewind(file);
	if (end <= 0 || end > (long)FILE_MAX) {
		snprintf(err, err_size, "%s: empty, or larger than 64 MiB", path);
		r = -EINVAL;
	} else {
		data = malloc((size_t)end);
		size = data ? fread(data, 1, (size_t)end, file) : 0;
		if (size != (size_t)end) {
			snprintf(err, err_size, "%s: %s", path, data ? "can't be read" : "no memory");
			r = data ? -EIO : -ENOMEM;
		}
	}
	fclose(file);
	if (r) {
		free(data);
		return r;
	}
	*ret_data = data;
	*ret_size = size;
	return 0;
}

/* ---- manifests */

static int parse_number(const char *value, uint32_t most, uint32_t *ret)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end || *value == '-' || n > most)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* A file of the folder, never of another. */
static int parse_name(const char *value, char *ret)
{
	if (!*value || strlen(value) >= NPU_NAME_SIZE || strchr(value, '/') || *value == '.')
		return -EINVAL;
	strcpy(ret, value);
	return 0;
}

static int parse_word(const char *value, const char *const words[2], const uint32_t meanings[2], uint32_t *ret)
{
	int i;

	for (i = 0; i < 2; i++)
		if (!strcmp(value, words[i])) {
			*ret = meanings[i];
			return 0;
		}
	return -EINVAL;
}

static int parse_line(const char *key, const char *value, struct npu_binary *b, int *op)
{
	static const char *const layouts[] = { "q8_0 rows", "q8_0 packed" }, *const starts[] = { "cu", "npu" };
	static const uint32_t layout_values[] = { DSEEK_LAYOUT_ROWS, DSEEK_LAYOUT_PACKED }, start_values[] = { NPU_START_CU, NPU_START_NPU };
	const struct {
		const char *key;
		uint32_t *value, most;
	} numbers[] = {
		{ "k", &b->k, 1u << 20 }, { "n", &b->n, 1u << 20 }, { "tokens", &b->tokens, 4096 }, { "image", &b->image, 255 },
		{ "function", &b->function, 255 },
	};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(key, numbers[i].key))
			return parse_number(value, numbers[i].most, numbers[i].value);
	if (!strcmp(key, "op")) {
		*op = !strcmp(value, "linear");
		return *op ? 0 : -EINVAL;
	}
	if (!strcmp(key, "weights"))
		return parse_word(value, layouts, layout_values, &b->layout);
	if (!strcmp(key, "start"))
		return parse_word(value, starts, start_values, &b->start);
	if (!strcmp(key, "xclbin"))
		return parse_name(value, b->xclbin);
	if (!strcmp(key, "control"))
		return parse_name(value, b->control);
	return -ENOENT;
}

/* Cuts a line into key and value, without a comment, blanks around and line's end. NULL: there is nothing in it. */
static char *cut_line(char *line, char **value)
{
	char *key = line + strspn(line, " \t"), *end;

	key[strcspn(key, "#\r\n")] = 0;
	for (end = key + strlen(key); end > key && strchr(" \t", end[-1]); )
		*--end = 0;
	*value = key + strcspn(key, " \t");
	if (**value) {
		*(*value)++ = 0;
		*value += strspn(*value, " \t");
	}
	return *key ? key : NULL;
}

/* What no line of it says. */
static const char *check_manifest(const struct npu_binary *b, int op)
{
	if (!op)
		return "no op";
	if (b->layout == UINT32_MAX)
		return "no weights";
	if (!b->k || b->k % 32)
		return "no k, or none that is a multiple of 32";
	if (!b->n || !b->tokens)
		return "no n, or no tokens";
	return *b->xclbin && *b->control ? NULL : "no xclbin, or no control";
}

static int read_manifest(const char *folder, const char *name, struct npu_binary *ret, char *err, size_t err_size)
{
	struct npu_binary b = { .layout = UINT32_MAX, .start = NPU_START_CU };
	char path[640], line[256], *key, *value;
	int number = 0, op = 0, r = 0;
	const char *lacks;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		r = -errno;
		snprintf(err, err_size, "%s: %s", path, strerror(-r));
		return r;
	}
	while (!r && fgets(line, sizeof(line), file)) {
		number++;
		key = cut_line(line, &value);
		r = key ? parse_line(key, value, &b, &op) : 0;
		if (r)
			snprintf(err, err_size, "%s:%d: %s %s", path, number, r == -ENOENT ? "unknown key" : "bad value of", key);
	}
	fclose(file);
	lacks = check_manifest(&b, op);
	if (!r && lacks)
		snprintf(err, err_size, "%s has %s", path, lacks);
	if (r || lacks)
		return -EINVAL;
	snprintf(b.name, sizeof(b.name), "%.*s", (int)strlen(name) - 4, name);
	*ret = b;
	return 0;
}

static int is_manifest(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && n - 4 < NPU_NAME_SIZE && *entry->d_name != '.' && !strcmp(entry->d_name + n - 4, ".npu");
}

int npu_binaries_read(const char *folder, struct npu_binaries *ret_binaries, char *err, size_t err_size)
{
	struct npu_binaries b = { 0 };
	struct dirent **names;
	int n, i, r = 0;

	if (snprintf(b.folder, sizeof(b.folder), "%s", folder) >= (int)sizeof(b.folder)) {
		snprintf(err, err_size, "binaries=%.60s... is too long", folder);
		return -ENAMETOOLONG;
	}
	n = scandir(folder, &names, is_manifest, alphasort);
	if (n < 0) {
		r = -errno;
		snprintf(err, err_size, "binaries=%s: %s", folder, strerror(-r));
		return r;
	}
	b.binaries = calloc((size_t)n + 1, sizeof(*b.binaries));
	if (!b.binaries) {
		snprintf(err, err_size, "no memory");
		r = -ENOMEM;
	}
	for (i = 0; i < n && !r; i++) {
		r = read_manifest(folder, names[i]->d_name, &b.binaries[i], err, err_size);
		b.count++;
	}
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r) {
		npu_binaries_free(&b);
		return r;
	}
	*ret_binaries = b;
	return 0;
}

void npu_binaries_free(struct npu_binaries *b)
{
	free(b->binaries);
	b->binaries = NULL;
	b->count = 0;
}

/* ---- on a device */

/* @data in the heap, as the device sees it. */
static int upload(struct npu_device *device, const void *data, size_t size, struct npu_bo *ret_bo, char *err, size_t err_size)
{
	struct npu_bo bo;
	int r = npu_bo_create(device, NPU_BO_DEV, size, &bo, err, err_size);

	if (r)
		return r;
	memcpy(bo.base, data, size);
	r = npu_bo_sync(device, &bo, 0, size, err, err_size);
	if (r)
		npu_bo_destroy(device, &bo);
	else
		*ret_bo = bo;
	return r;
}

/* All binaries share a context, and that a number of columns. */
static int take_columns(struct npu_binaries *b, const struct npu_device *device, const char *file, const struct npu_xclbin *xclbin, char *err,
			size_t err_size)
{
	if (xclbin->columns > device->aie.cols) {
		snprintf(err, err_size, "%s/%s is for %u columns, the NPU has %u", b->folder, file, xclbin->columns, device->aie.cols);
		return -ENODEV;
	}
	if (b->columns && xclbin->columns != b->columns) {
		snprintf(err, err_size, "%s/%s is for %u columns, another for %u: one folder, one number", b->folder, file, xclbin->columns, b->columns);
		return -EINVAL;
	}
	b->columns = xclbin->columns;
	if (xclbin->ops_per_cycle > b->ops_per_cycle)
		b->ops_per_cycle = xclbin->ops_per_cycle;
	return 0;
}

/* The CU of an image and function; binaries with the same share it. */
static int load_overlay(struct npu_binaries *b, uint32_t index, struct npu_device *device, char *err, size_t err_size)
{
	struct npu_binary *binary = &b->binaries[index];
	struct npu_xclbin xclbin;
	char why[120];
	void *data;
	size_t size;
	uint32_t i;
	int r;

	for (i = 0; i < index; i++)
		if (!strcmp(b->binaries[i].xclbin, binary->xclbin) && b->binaries[i].image == binary->image &&
		    b->binaries[i].function == binary->function) {
			binary->cu = b->binaries[i].cu;
			return 0;
		}
	if (b->cus.num_cus == NPU_MAX_CUS) {
		snprintf(err, err_size, "%s has more than %d overlays", b->folder, NPU_MAX_CUS);
		return -ENOSPC;
	}
	r = read_file(b->folder, binary->xclbin, &data, &size, err, err_size);
	if (r)
		return r;
	r = npu_xclbin_parse(data, size, binary->image, &xclbin, why, sizeof(why));
	if (r)
		snprintf(err, err_size, "%s/%s: %s", b->folder, binary->xclbin, why);
	else
		r = take_columns(b, device, binary->xclbin, &xclbin, err, err_size);
	if (!r)
		r = upload(device, xclbin.pdi, xclbin.pdi_size, &b->pdis[b->cus.num_cus], err, err_size);
	free(data);
	if (r)
		return r;
	binary->cu = b->cus.num_cus;
	b->cus.cu_configs[b->cus.num_cus++] = (struct npu_cu_config){
		.cu_bo = b->pdis[binary->cu].handle, .cu_func = (uint8_t)binary->function,
	};
	return 0;
}

static int load_control(struct npu_binaries *b, struct npu_binary *binary, struct npu_device *device, char *err, size_t err_size)
{
	void *data;
	size_t size;
	int r = read_file(b->folder, binary->control, &data, &size, err, err_size);

	if (r)
		return r;
	if (size % 4) {
		snprintf(err, err_size, "%s/%s: no whole words of 32 bits", b->folder, binary->control);
		r = -EINVAL;
	}
	if (!r)
		r = upload(device, data, size, &binary->code, err, err_size);
	binary->code_bytes = (uint32_t)size;
	free(data);
	return r;
}

int npu_binaries_load(struct npu_binaries *b, struct npu_device *device, char *err, size_t err_size)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < b->count && !r; i++) {
		r = load_overlay(b, i, device, err, err_size);
		if (!r)
			r = load_control(b, &b->binaries[i], device, err, err_size);
	}
	if (r)
		npu_binaries_unload(b, device);
	return r;
}

void npu_binaries_unload(struct npu_binaries *b, struct npu_device *device)
{
	uint32_t i;

	for (i = 0; i < b->count; i++)
		npu_bo_destroy(device, &b->binaries[i].code);
	for (i = 0; i < b->cus.num_cus; i++)
		npu_bo_destroy(device, &b->pdis[i]);
	b->cus.num_cus = 0;
}

const struct npu_binary *npu_binaries_find(const struct npu_binaries *b, uint32_t layout, uint32_t k, uint32_t n, char *err, size_t err_size)
{
	size_t used;
	uint32_t i;

	for (i = 0; i < b->count; i++)
		if (b->binaries[i].layout == layout && b->binaries[i].k == k && b->binaries[i].n == n)
			return &b->binaries[i];
	if (!b->count) {
		if (*b->folder)
			snprintf(err, err_size, "there are no AIE binaries in %s", b->folder);
		else
			snprintf(err, err_size, "there are no AIE binaries (option binaries= names a folder of them)");
		return NULL;
	}
	used = (size_t)snprintf(err, err_size, "no AIE binary for %s weights [%u, %u]: %s has", layout ? "packed" : "unpacked", k, n, b->folder);
	for (i = 0; i < b->count && used < err_size; i++)
		used += (size_t)snprintf(err + used, err_size - used, " %s [%u, %u]%s", b->binaries[i].name, b->binaries[i].k, b->binaries[i].n,
					 b->binaries[i].layout ? " packed" : "");
	return NULL;
}
