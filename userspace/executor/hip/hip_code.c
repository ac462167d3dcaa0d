// SPDX-License-Identifier: MIT
#include "hip_code.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hip_msgpack.h"
#include "hip_target.h"

#define EM_AMDGPU_	224		/* not in every elf.h */
#define OSABI_HSA	64
#define NOTE_METADATA	32
#define NOTE_METADATA_V2	10
#define TRIPLE		"amdgcn-amd-amdhsa--"
#define MAX_KERNELS	1024		/* of an object: names are compared with each other */

static int refuse(char *err, size_t err_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *err, size_t err_size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, err_size, format, args);
	va_end(args);
	return -ENOEXEC;
}

/* [@offset, @offset + @bytes) of an object of @size? */
static int within(size_t size, uint64_t offset, uint64_t bytes)
{
	return offset <= size && bytes <= size - offset;
}

/*
 * The notes of the runtime's in one segment: how many, the first of them in *ret if there was none. Those of before version 3 count, which the
 * runtime reads, too. Sizes are rounded up to 4 between parts; what comes behind one that doesn't fit is nobody's.
 */
static uint32_t find_notes(const uint8_t *notes, uint64_t bytes, struct hip_code *ret)
{
	uint32_t found = 0;

	while (bytes >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, desc;

		memcpy(&note, notes, sizeof(note));
		name = ((uint64_t)note.n_namesz + 3) & ~3ull;
		desc = ((uint64_t)note.n_descsz + 3) & ~3ull;
		if (!within(bytes - sizeof(note), name, note.n_descsz))
			break;
		notes += sizeof(note);
		bytes -= sizeof(note);
		if (note.n_type == NOTE_METADATA && note.n_namesz == 7 && !memcmp(notes, "AMDGPU", 7)) {
			found++;
			if (!ret->metadata) {
				ret->metadata = notes + name;
				ret->end = ret->metadata + note.n_descsz;
			}
		} else if (note.n_type == NOTE_METADATA_V2 && note.n_namesz == 4 && !memcmp(notes, "AMD", 4)) {
			found++;
		}
		if (name + desc > bytes)
			break;
		notes += name + desc;
		bytes -= name + desc;
	}
	return found;
}

static int find_metadata(const uint8_t *object, size_t size, struct hip_code *ret, char *err, size_t err_size)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;
	uint32_t notes = 0;
	unsigned int i;

	*ret = (struct hip_code){ NULL, NULL };
	if (size < sizeof(elf))
		return refuse(err, err_size, "%zu bytes are no ELF file", size);
	memcpy(&elf, object, sizeof(elf));
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB)
		return refuse(err, err_size, "it is no ELF file of 64 bits (a bundle? --no-gpu-bundle-output)");
	if (elf.e_machine != EM_AMDGPU_ || elf.e_ident[EI_OSABI] != OSABI_HSA)
		return refuse(err, err_size, "it is for machine %u, ABI %u, and no code object of an AMD GPU's", elf.e_machine, elf.e_ident[EI_OSABI]);
	if (elf.e_type != ET_DYN)
		return refuse(err, err_size, "it isn't linked");
	if (elf.e_phentsize != sizeof(segment) || !within(size, elf.e_phoff, (uint64_t)elf.e_phnum * sizeof(segment)))
		return refuse(err, err_size, "its segments are not in the file");
	for (i = 0; i < elf.e_phnum; i++) {
		memcpy(&segment, object + elf.e_phoff + i * sizeof(segment), sizeof(segment));
		if (segment.p_type != PT_NOTE)
			continue;
		if (!within(size, segment.p_offset, segment.p_filesz))
			return refuse(err, err_size, "its notes are not in the file");
		/* Another reader would look for the parts of a note elsewhere. */
		if (segment.p_align > 4)
			return refuse(err, err_size, "its notes are aligned to %llu bytes, not to 4", (unsigned long long)segment.p_align);
		notes += find_notes(object + segment.p_offset, segment.p_filesz, ret);
	}
	if (notes > 1)
		return refuse(err, err_size, "it has two notes that say what is in it");
	if (ret->metadata)
		return 0;
	return refuse(err, err_size, "it doesn't say what is in it: no metadata (code object version 4 or newer is needed)");
}

/* Each feature that it was compiled for has to be the device's. */
static int features_fit(const char *wanted, const char *features)
{
	size_t n;

	for (; *wanted; wanted += n, wanted += *wanted == ':') {
		const char *f;

		n = strcspn(wanted, ":");
		for (f = features; *f; f += strcspn(f, ":"), f += *f == ':')
			if (strcspn(f, ":") == n && !strncmp(f, wanted, n))
				break;
		if (!*f)
			return 0;
	}
	return 1;
}

static int read_uint(struct msgpack map, const char *key, uint32_t *ret)
{
	struct msgpack value;
	uint64_t n;

	if (msgpack_find(map, key, &value) || msgpack_uint(&value, &n) || n > UINT32_MAX)
		return -1;
	*ret = (uint32_t)n;
	return 0;
}

/*
 * What the runtime adds to a kernel's arguments: numbers of the launch are harmless. Others are ways into this process: by its hostcall buffer a kernel has
 * any function of the host called, heap and queues are the runtime's own.
 */
static int is_harmless(const char *kind, uint32_t len)
{
	static const char *const names[] = {
		"hidden_none", "hidden_global_offset_x", "hidden_global_offset_y", "hidden_global_offset_z", "hidden_block_count_x",
		"hidden_block_count_y", "hidden_block_count_z", "hidden_group_size_x", "hidden_group_size_y", "hidden_group_size_z",
		"hidden_remainder_x", "hidden_remainder_y", "hidden_remainder_z", "hidden_grid_dims", "hidden_private_base", "hidden_shared_base",
		"hidden_dynamic_lds_size",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && !memcmp(kind, names[i], len))
			return 1;
	return 0;
}

static int is_hidden(const char *kind, uint32_t len)
{
	return len >= 7 && !memcmp(kind, "hidden_", 7);
}

/* One argument: 1 if it is the caller's to give, 0 if it is the runtime's. */
static int read_arg(struct msgpack map, struct hip_code_arg *ret, char *err, size_t err_size)
{
	struct msgpack value;
	const char *kind;
	uint32_t len;

	if (msgpack_find(map, ".value_kind", &value) || msgpack_str(&value, &kind, &len) || read_uint(map, ".offset", &ret->offset) ||
	    read_uint(map, ".size", &ret->size))
		return refuse(err, err_size, "an argument without kind, offset or size");
	if (is_hidden(kind, len))
		return 0;
	ret->pointer = len == 13 && !memcmp(kind, "global_buffer", 13);
	if (!ret->pointer && (len != 8 || memcmp(kind, "by_value", 8)))
		return refuse(err, err_size, "an argument of kind %.*s", len > 32 ? 32 : (int)len, kind);
	if (ret->pointer && ret->size != 8)
		return refuse(err, err_size, "a pointer of %u bytes", ret->size);
	if (!ret->size || ret->size % 4 || ret->offset % 4 || ret->offset > HIP_CODE_ARG_BYTES || ret->size > HIP_CODE_ARG_BYTES - ret->offset)
		return refuse(err, err_size, "an argument of %u bytes at %u: not whole words within %u bytes", ret->size, ret->offset,
			      HIP_CODE_ARG_BYTES);
	return 1;
}

static int read_args(struct msgpack map, struct hip_code_kernel *kernel, char *err, size_t err_size)
{
	struct msgpack args;
	uint32_t n;
	int r;

	r = msgpack_find(map, ".args", &args);
	if (r == 1)
		return 0;	/* a kernel without */
	if (r || msgpack_array(&args, &n))
		return refuse(err, err_size, "its arguments are no list");
	for (; n; n--) {
		struct hip_code_arg arg;

		r = read_arg(args, &arg, err, err_size);
		if (r < 0 || msgpack_skip(&args))
			return r < 0 ? r : refuse(err, err_size, "its arguments don't end");
		if (!r)
			continue;
		if (arg.offset < kernel->size)
			return refuse(err, err_size, "an argument at %u, within the one before it", arg.offset);
		if (kernel->arg_count == HIP_CODE_ARGS)
			return refuse(err, err_size, "more than %d arguments", HIP_CODE_ARGS);
		kernel->args[kernel->arg_count++] = arg;
		kernel->size = arg.offset + arg.size;
	}
	return 0;
}

/* Of any kernel, whether or not the program launches it. */
static int check_hidden(struct msgpack kernel, char *err, size_t err_size)
{
	struct msgpack args, value;
	const char *kind;
	uint32_t n, len;
	int r = msgpack_find(kernel, ".args", &args);

	if (r == 1)
		return 0;
	if (r || msgpack_array(&args, &n))
		return refuse(err, err_size, "its arguments are no list");
	for (; n; n--) {
		if (!msgpack_find(args, ".value_kind", &value) && !msgpack_str(&value, &kind, &len) && is_hidden(kind, len) && !is_harmless(kind, len))
			return refuse(err, err_size, "an argument of kind %.*s, which reaches more than its tenant's memory (optimised code without printf, "
				      "assert and malloc has none)", len > 32 ? 32 : (int)len, kind);
		if (msgpack_skip(&args))
			return refuse(err, err_size, "its arguments don't end");
	}
	return 0;
}

static int read_name(struct msgpack kernel, const char **ret, uint32_t *ret_len)
{
	struct msgpack value;

	return msgpack_find(kernel, ".name", &value) || msgpack_str(&value, ret, ret_len) || memchr(*ret, 0, *ret_len) ? -1 : 0;
}

/* One that no op launches, but the runtime when it loads the object or lets it go: within no job, with no limit. */
static int check_kind(struct msgpack kernel, char *err, size_t err_size)
{
	struct msgpack value;
	const char *kind;
	uint32_t len;
	int r = msgpack_find(kernel, ".kind", &value);

	if (r == 1)
		return 0;
	if (r || msgpack_str(&value, &kind, &len))
		return refuse(err, err_size, "its kind is no text");
	if (len == 6 && !memcmp(kind, "normal", 6))
		return 0;
	return refuse(err, err_size, "it is of kind %.*s, so that the runtime would launch it by itself", len > 32 ? 32 : (int)len, kind);
}

/* What is read here of a kernel has to be what the runtime reads, which may take the last of what is there twice. */
static int check_kernels(const struct hip_code *code, char *err, size_t err_size)
{
	struct { const char *name; uint32_t len; } names[MAX_KERNELS];
	struct msgpack kernels = { code->metadata, code->end };
	uint32_t count, n, i;
	char why[240];

	if (msgpack_check_keys(kernels))
		return refuse(err, err_size, "a map of its metadata has a key twice, or one that is no plain text, or doesn't end");
	if (msgpack_find(kernels, "amdhsa.kernels", &kernels) || msgpack_array(&kernels, &count))
		return refuse(err, err_size, "its metadata has no list of kernels");
	if (count > MAX_KERNELS)
		return refuse(err, err_size, "it has more than %d kernels", MAX_KERNELS);
	for (n = 0; n < count; n++) {
		if (read_name(kernels, &names[n].name, &names[n].len))
			return refuse(err, err_size, "its metadata has a kernel without a name");
		for (i = 0; i < n; i++)
			if (names[i].len == names[n].len && !memcmp(names[i].name, names[n].name, names[n].len))
				return refuse(err, err_size, "it has two kernels %.*s", names[n].len > 64 ? 64 : (int)names[n].len, names[n].name);
		if (check_kind(kernels, why, sizeof(why)) || check_hidden(kernels, why, sizeof(why)))
			return refuse(err, err_size, "kernel %.*s: %s", names[n].len > 64 ? 64 : (int)names[n].len, names[n].name, why);
		if (msgpack_skip(&kernels))
			return refuse(err, err_size, "its metadata doesn't end");
	}
	return 0;
}

int hip_code_open(const void *object, size_t size, const struct hip_target *target, struct hip_code *ret_code, char *err, size_t err_size)
{
	char name[192], why[256];
	struct msgpack root, value;
	struct hip_target its;
	struct hip_code code;
	const char *text;
	uint32_t len;
	int r;

	r = find_metadata(object, size, &code, err, err_size);
	if (r)
		return r;
	root = (struct msgpack){ code.metadata, code.end };
	if (msgpack_find(root, "amdhsa.target", &value) || msgpack_str(&value, &text, &len) || len >= sizeof(name) ||
	    len <= strlen(TRIPLE) || memcmp(text, TRIPLE, strlen(TRIPLE)))
		return refuse(err, err_size, "its metadata has no target (code object version 4 or newer is needed)");
	snprintf(name, sizeof(name), "%.*s", (int)(len - strlen(TRIPLE)), text + strlen(TRIPLE));
	if (hip_target_parse(name, &its, why, sizeof(why)))
		return refuse(err, err_size, "its metadata has the target \"%.64s\", which is none", name);
	if (strcmp(its.name, target->name) || !features_fit(its.features, target->features))
		return refuse(err, err_size, "it is for %.64s, the device is %s%s%s", name, target->name, *target->features ? ":" : "",
			      target->features);
	r = check_kernels(&code, err, err_size);
	if (!r)
		*ret_code = code;
	return r;
}

int hip_code_find(const struct hip_code *code, const char *name, struct hip_code_kernel *ret_kernel, char *err, size_t err_size)
{
	struct msgpack kernels = { code->metadata, code->end };
	struct hip_code_kernel kernel = { 0 };
	const char *text;
	uint32_t n, len;
	char why[160];
	int r;

	if (msgpack_find(kernels, "amdhsa.kernels", &kernels) || msgpack_array(&kernels, &n))
		return refuse(err, err_size, "its metadata has no list of kernels");
	for (; n; n--) {
		if (read_name(kernels, &text, &len))
			return refuse(err, err_size, "its metadata has a kernel without a name");
		if (len == strlen(name) && !memcmp(text, name, len))
			break;
		if (msgpack_skip(&kernels))
			return refuse(err, err_size, "its metadata doesn't end");
	}
	if (!n) {
		snprintf(err, err_size, "it has no kernel %s", name);
		return -ENOENT;
	}
	r = read_args(kernels, &kernel, why, sizeof(why));
	if (!r && (read_uint(kernels, ".max_flat_workgroup_size", &kernel.max_lanes) || !kernel.max_lanes))
		r = refuse(why, sizeof(why), "it doesn't say how many lanes a group may have");
	if (r) {
		snprintf(err, err_size, "kernel %s: %s", name, why);
		return r;
	}
	*ret_kernel = kernel;
	return 0;
}
