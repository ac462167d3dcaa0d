// SPDX-License-Identifier: MIT
/*
 * A tenant's own kernels: what is read of a code object, and that no byte of one can make the reader reach outside it; that they run, for an engine
 * that serves its tenant alone and for no other; and what is refused, by a sentence that names it.
 */
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dseek.h>
#include <dseek_exec.h>
#include <dseek_program.h>

#include "../../userspace/executor/hip/hip_msgpack.h"
#include "../../userspace/executor/hip/hip_state.h"
#include "../random.h"
#include "../tap.h"
#include "device.h"
#include "object.h"
#include "own_program.h"

static const struct hip_target gfx942 = { .name = "gfx942", .features = "sramecc+:xnack-", .wave = 64 };
static char err[500];

/* ---- reading */

static int read_both(const void *object, size_t size, const char *name, struct hip_code_kernel *kernel)
{
	struct hip_code code;
	int r;

	*err = 0;
	r = hip_code_open(object, size, &gfx942, &code, err, sizeof(err));
	return r ? r : hip_code_find(&code, name, kernel, err, sizeof(err));
}

static void test_reading(void)
{
	struct object_spec spec = object_argmax;
	struct hip_code_kernel k;
	uint8_t *object;
	size_t size;
	int r;

	object = object_make(&spec, &size);
	r = read_both(object, size, "dsk_argmax", &k);
	if (!tap_ok(!r && k.arg_count == 3 && k.size == 40 && k.max_lanes == 256 && k.args[0].pointer && k.args[1].pointer && !k.args[2].pointer &&
		    k.args[1].offset == 8 && k.args[2].offset == 16 && k.args[2].size == 24, "a kernel's arguments, without those of the runtime's"))
		printf("# %s\n", err);
	r = read_both(object, size, "dsk_argmin", &k);
	tap_ok(r == -ENOENT && !strcmp(err, "it has no kernel dsk_argmin"), "a kernel that isn't there: %s", err);
	free(object);
	spec.target = "amdgcn-amd-amdhsa--gfx942:xnack-:sramecc+";
	object = object_make(&spec, &size);
	tap_ok(!read_both(object, size, "dsk_argmax", &k), "features of the device's, in another order");
	free(object);
	spec = object_argmax;
	spec.arg_count = 0;
	object = object_make(&spec, &size);
	tap_ok(!read_both(object, size, "dsk_argmax", &k) && !k.arg_count && !k.size, "a kernel without arguments");
	free(object);
}

/* What the runtime adds of its own accord, with two ways into this process among them. */
static void test_hidden(void)
{
	static const char *const harmless[] = {
		"hidden_none", "hidden_global_offset_z", "hidden_block_count_y", "hidden_group_size_x", "hidden_remainder_x", "hidden_grid_dims",
		"hidden_private_base", "hidden_shared_base", "hidden_dynamic_lds_size",
	};
	static const char *const others[] = {
		"hidden_hostcall_buffer", "hidden_printf_buffer", "hidden_heap_v1", "hidden_default_queue", "hidden_completion_action",
		"hidden_multigrid_sync_arg", "hidden_queue_ptr", "hidden_", "hidden_block_count_xy", "hidden_group_size",
	};
	struct object_spec spec = object_argmax;
	struct hip_code_kernel k;
	uint8_t *object;
	size_t i, size;
	int good = 1;

	for (i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		spec.args[3].kind = harmless[i];
		object = object_make(&spec, &size);
		good &= !read_both(object, size, "dsk_argmax", &k) && k.arg_count == 3;
		free(object);
	}
	if (!tap_ok(good, "%zu hidden arguments that are numbers of the launch", i))
		printf("# %s\n", err);
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char want[100];
		int r, second;

		for (second = 0; second < 2; second++) {
			spec = object_argmax;
			spec.second = second ? "unused" : NULL;
			*(second ? &spec.second_arg : &spec.args[3]) = (struct object_arg){ others[i], 40, 8 };
			snprintf(want, sizeof(want), "kernel %s: an argument of kind %s, ", second ? "unused" : "dsk_argmax", others[i]);
			object = object_make(&spec, &size);
			r = read_both(object, size, "dsk_argmax", &k);
			tap_ok(r == -ENOEXEC && strstr(err, want), "refused: %s", err);
			free(object);
		}
	}
}

/* Values of another type than they should be. */
static void test_other_values(void)
{
	static const struct { const char *sentence, *key; size_t at; uint8_t byte; } cases[] = {
		{ "its metadata has no list of kernels", "amdhsa.kernels", 13, 'z' },
		{ "its arguments are no list", ".args", 5, 0xcd },	/* of none: a number of 16 bits */
		{ "kernel dsk_argmin: its kind is no text", ".kind", 5, 0xcc },
	};
	struct hip_code_kernel k;
	uint8_t *object;
	size_t i, size;
	int r;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct object_spec spec = object_argmax;

		spec.arg_count = 0;
		spec.second = "dsk_argmin";
		spec.second_kind = "";
		object = object_make(&spec, &size);
		((uint8_t *)memmem(object, size, cases[i].key, strlen(cases[i].key)))[cases[i].at] = cases[i].byte;
		r = read_both(object, size, "dsk_argmax", &k);
		if (!tap_ok(r == -ENOEXEC && strstr(err, cases[i].sentence), "refused: %s", err))
			printf("# %d, not \"%s\"\n", r, cases[i].sentence);
		free(object);
	}
}

/* What says two things: one is read here, another by the runtime. */
static void test_others_refused(void)
{
	static const struct { const char *sentence, *second, *twice; uint32_t many, notes; uint64_t align; const char *kind; } cases[] = {
		{ "it has two kernels dsk_argmax", "dsk_argmax" },
		{ "a map of its metadata has a key twice, or one that is no plain text", NULL, ".name" },
		{ "a map of its metadata has a key twice, or one that is no plain text", NULL, ".size" },
		{ "a map of its metadata has a key twice, or one that is no plain text", NULL, "amdhsa.kernels" },
		{ "it has more than 1024 kernels", NULL, NULL, 1024 },
		{ "it has two notes that say what is in it", NULL, NULL, 0, 1 },
		{ "it has two notes that say what is in it", NULL, NULL, 0, 2 },
		{ "its notes are aligned to 8 bytes", NULL, NULL, 0, 0, 8 },
		{ "kernel begin: it is of kind init, so that the runtime would launch it by itself", "begin", .kind = "init" },
		{ "kernel end: it is of kind fini, so that the runtime would launch it by itself", "end", .kind = "fini" },
	};
	struct object_spec spec = object_argmax;
	struct hip_code_kernel k;
	uint8_t *object;
	size_t i, size;
	int r;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		spec = object_argmax;
		spec.second = cases[i].second;
		spec.second_arg = (struct object_arg){ "by_value", 0, 64 };
		spec.second_kind = cases[i].kind;
		spec.twice = cases[i].twice;
		spec.many = cases[i].many;
		spec.notes = cases[i].notes;
		spec.align = cases[i].align;
		object = object_make(&spec, &size);
		r = read_both(object, size, "dsk_argmax", &k);
		if (!tap_ok(r == -ENOEXEC && strstr(err, cases[i].sentence), "refused: %s", err))
			printf("# %d, not \"%s\"\n", r, cases[i].sentence);
		free(object);
	}
	test_other_values();
	spec = object_argmax;
	spec.second = "dsk_argmin";
	spec.second_kind = "normal";
	spec.many = 1022;
	object = object_make(&spec, &size);
	tap_ok(!read_both(object, size, "dsk_argmax", &k) || !printf("# %s\n", err), "1024 kernels, each of a name of its own");
	free(object);
	/* "dsk_argmax" for who reads to the zero */
	spec = object_argmax;
	spec.second = "dsk_argmax_";
	object = object_make(&spec, &size);
	((char *)memmem(object, size, "dsk_argmax_", 11))[10] = 0;
	r = read_both(object, size, "dsk_argmax", &k);
	tap_ok(r == -ENOEXEC && strstr(err, "its metadata has a kernel without a name"), "refused: %s", err);
	free(object);
}

enum spoilt { TARGET, LANES, ARG, BYTE };

static void test_refusals(void)
{
	static const struct {
		const char *sentence;
		enum spoilt what;
		size_t at;		/* ARG: which; BYTE: where */
		struct object_arg arg;
		const char *target;
		uint8_t byte;
	} cases[] = {
		{ "it is no ELF file of 64 bits", BYTE, .at = 0, .byte = '_' },
		{ "it is no ELF file of 64 bits", BYTE, .at = EI_CLASS, .byte = ELFCLASS32 },
		{ "it is no ELF file of 64 bits", BYTE, .at = EI_DATA, .byte = ELFDATA2MSB },
		{ "it is for machine 62, ABI 64, and no code object", BYTE, .at = offsetof(Elf64_Ehdr, e_machine), .byte = EM_X86_64 },
		{ "it is for machine 224, ABI 0, and no code object", BYTE, .at = EI_OSABI, .byte = 0 },
		{ "it isn't linked", BYTE, .at = offsetof(Elf64_Ehdr, e_type), .byte = ET_REL },
		{ "its segments are not in the file", BYTE, .at = offsetof(Elf64_Ehdr, e_phentsize), .byte = 32 },
		{ "its segments are not in the file", BYTE, .at = offsetof(Elf64_Ehdr, e_phoff) + 7, .byte = 0xff },
		{ "its segments are not in the file", BYTE, .at = offsetof(Elf64_Ehdr, e_phnum) + 1, .byte = 0xff },
		{ "its notes are not in the file", BYTE, .at = sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset) + 2, .byte = 1 },
		{ "its notes are not in the file", BYTE, .at = sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz) + 7, .byte = 0x80 },
		{ "no metadata (code object version 4", BYTE, .at = sizeof(Elf64_Ehdr), .byte = PT_LOAD },
		{ "no metadata (code object version 4", BYTE, .at = OBJECT_NOTE + 8, .byte = 31 },
		{ "no metadata (code object version 4", BYTE, .at = OBJECT_NOTE, .byte = 6 },
		{ "no metadata (code object version 4", BYTE, .at = OBJECT_NOTE + 12, .byte = 'a' },
		{ "no metadata (code object version 4", BYTE, .at = OBJECT_NOTE + 7, .byte = 1 },
		{ "its metadata has no target", TARGET, .target = NULL },
		{ "its metadata has no target", TARGET, .target = "amdgcn-amd-amdhsa--" },
		{ "its metadata has no target", TARGET, .target = "nvptx64-nvidia-cuda--sm_90" },
		{ "the target \"sm_90\", which is none", TARGET, .target = "amdgcn-amd-amdhsa--sm_90" },
		{ "it is for gfx90a, the device is gfx942:sramecc+:xnack-", TARGET, .target = "amdgcn-amd-amdhsa--gfx90a" },
		{ "it is for gfx942:xnack+, the device is", TARGET, .target = "amdgcn-amd-amdhsa--gfx942:xnack+" },
		{ "it is for gfx942:xnack-:tgsplit+, the device is", TARGET, .target = "amdgcn-amd-amdhsa--gfx942:xnack-:tgsplit+" },
		{ "kernel dsk_argmax: it doesn't say how many lanes a group may have", LANES },
		{ "kernel dsk_argmax: an argument without kind, offset or size", ARG, .at = 1, .arg = { NULL, 8, 8 } },
		{ "kernel dsk_argmax: an argument of kind image", ARG, .at = 1, .arg = { "image", 8, 8 } },
		{ "kernel dsk_argmax: an argument of kind dynamic_shared_pointer", ARG, .at = 1, .arg = { "dynamic_shared_pointer", 8, 4 } },
		{ "kernel dsk_argmax: a pointer of 4 bytes", ARG, .at = 0, .arg = { "global_buffer", 0, 4 } },
		{ "an argument of 0 bytes at 16: not whole words within 1024 bytes", ARG, .at = 2, .arg = { "by_value", 16, 0 } },
		{ "an argument of 23 bytes at 16: not whole words", ARG, .at = 2, .arg = { "by_value", 16, 23 } },
		{ "an argument of 24 bytes at 18: not whole words", ARG, .at = 2, .arg = { "by_value", 18, 24 } },
		{ "an argument of 24 bytes at 1004: not whole words", ARG, .at = 2, .arg = { "by_value", 1004, 24 } },
		{ "an argument of 4294967292 bytes at 16: not whole words", ARG, .at = 2, .arg = { "by_value", 16, 4294967292u } },
		{ "an argument at 8, within the one before it", ARG, .at = 2, .arg = { "by_value", 8, 24 } },
	};
	struct hip_code_kernel k;
	size_t i, size;
	int r;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct object_spec spec = object_argmax;
		uint8_t *object;

		if (cases[i].what == TARGET)
			spec.target = cases[i].target;
		if (cases[i].what == LANES)
			spec.max_lanes = 0;
		if (cases[i].what == ARG)
			spec.args[cases[i].at] = cases[i].arg;
		object = object_make(&spec, &size);
		if (cases[i].what == BYTE)
			object[cases[i].at] = cases[i].byte;
		r = read_both(object, size, "dsk_argmax", &k);
		if (!tap_ok(r == -ENOEXEC && strstr(err, cases[i].sentence), "refused: %s", err))
			printf("# %d, not \"%s\"\n", r, cases[i].sentence);
		free(object);
	}
	test_others_refused();
	r = read_both("\177ELF", 4, "dsk_argmax", &k);
	tap_ok(r == -ENOEXEC && !strcmp(err, "4 bytes are no ELF file"), "refused: %s", err);
}

/* Each cut and each of many changed ones ends in a result, within the object: the address sanitizer watches the copy. */
static void test_damaged(void)
{
	uint64_t seed = 20261126;
	size_t size, cut;
	uint8_t *object = object_make(&object_argmax, &size);
	struct hip_code_kernel k;
	int i, j, whole = 0, read = 0, rounds = 20000;

	for (cut = 0; cut < size; cut++) {
		uint8_t *copy = malloc(cut + !cut);

		memcpy(copy, object, cut);
		whole += !read_both(copy, cut, "dsk_argmax", &k);
		free(copy);
	}
	tap_ok(!whole, "an object that is cut is refused wherever it is cut: %zu places", size);
	for (i = 0; i < rounds; i++) {
		uint8_t *copy = malloc(size);

		memcpy(copy, object, size);
		for (j = 1 + (int)random_below(&seed, 4); j; j--)
			copy[random_below(&seed, size)] = (uint8_t)random_below(&seed, 256);
		if (!read_both(copy, size, "dsk_argmax", &k)) {
			uint32_t n;

			read++;
			for (n = 0; n < k.arg_count; n++)
				if (k.args[n].offset + k.args[n].size > k.size || k.size > HIP_CODE_ARG_BYTES)
					abort();
		}
		free(copy);
	}
	tap_ok(read > 0 && read < rounds, "%d changed at random: %d are still read, the others refused", rounds, read);
	free(object);
}

static int keys(const char *bytes, size_t size)
{
	uint8_t *copy = malloc(size + !size);
	int r;

	memcpy(copy, bytes, size);
	r = msgpack_check_keys((struct msgpack){ copy, copy + size });
	free(copy);
	return !r;
}

static void many_keys(void)
{
	char bytes[3 + 65 * 3] = "\xde\0\x40";
	int i;

	for (i = 0; i < 65; i++) {
		bytes[3 + 3 * i] = (char)0xa1;
		bytes[4 + 3 * i] = (char)(1 + i);
	}
	tap_ok(keys(bytes, 3 + 64 * 3), "64 keys");
	bytes[2] = 65;
	tap_ok(!keys(bytes, 3 + 65 * 3), "and no more");
}

/* Values inside each other, and lengths that lie. */
static void test_msgpack(void)
{
	static const struct {
		const char *bytes;
		size_t size;
		int skipped;
	} cases[] = {
		{ "\xc0", 1, 1 }, { "\xc1", 1, 0 }, { "\xc4\x02..", 4, 1 }, { "\xc6\xff\xff\xff\xff", 5, 0 }, { "\xc7\x01\x05.", 4, 1 },
		{ "\xca....", 5, 1 }, { "\xcb.......", 8, 0 }, { "\xcf\x01\x02\x03\x04\x05\x06\x07\x08", 9, 1 }, { "\xd3........", 9, 1 },
		{ "\xd8.................", 18, 1 }, { "\xdb\xff\xff\xff\xff", 5, 0 }, { "\xdd\xff\xff\xff\xff\xc0", 6, 0 },
		{ "\xdf\xff\xff\xff\xff\xc0\xc0", 7, 0 }, { "\x92\x01\x02", 3, 1 }, { "\x81\xa1k\xc0", 4, 1 }, { "\x81\xa1k", 3, 0 }, { "", 0, 0 },
		{ "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 16, 1 },
		{ "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 17, 0 },	/* too deep */
	};
	struct msgpack p, value;
	uint64_t n = 0;
	size_t i;
	int good = 1;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t *copy = malloc(cases[i].size + !cases[i].size);

		memcpy(copy, cases[i].bytes, cases[i].size);
		p = (struct msgpack){ copy, copy + cases[i].size };
		if ((msgpack_skip(&p) == 0) != cases[i].skipped || (p.at == p.end) != (cases[i].skipped || !cases[i].size)) {
			printf("# value %zu\n", i);
			good = 0;
		}
		free(copy);
	}
	tap_ok(good, "%zu values, skipped or refused", i);
	p.at = (const uint8_t *)"\x82\xa1" "a\x05\xa1" "b\xcd\x01\x02";
	p.end = p.at + 9;
	tap_ok(!msgpack_find(p, "b", &value) && !msgpack_uint(&value, &n) && n == 0x102 && msgpack_find(p, "c", &value) == 1, "a key that is there, one that isn't");
	tap_ok(keys("\x80", 1) && keys("\x82\xa1" "a\x05\xd9\1" "b\x05", 9) && keys("\x05", 1) && keys("\x92\x80\x81\xa1k\xc0", 6), "keys that are all different");
	tap_ok(!keys("\x82\xa1" "a\x05\xd9\1" "a\x05", 9), "the same key in two forms");
	tap_ok(!keys("\x81\x01\x05", 3) && !keys("\x81\xa2" "a\0\x05", 5), "a key that is a number, one with a zero in it");
	tap_ok(!keys("\x81\xa1k\x91\x82\xa1" "a\x05\xa1" "a\x06", 11), "the same key, within");
	tap_ok(!keys("\x82\xa1" "a\x05", 4) && !keys("\x92\x05", 2) && !keys("", 0), "what doesn't end");
	many_keys();
	p.at = (const uint8_t *)"\x05";
	p.end = p.at + 1;
	tap_ok(msgpack_find(p, "b", &value) == -1, "a key of no map");
}

/* What the compiler makes of kernels/, where it has: pointers, then the struct, for every kernel. */
static void test_real(void)
{
	static const struct {
		const char *file, *name;
		unsigned int lanes, buffers, params_size;
	} infos[] = {
#define INFO(file, name, lanes, buffers, params)	{ #file, #name, lanes, buffers, sizeof(params) },
		DSK_KERNELS(INFO)
	};
	const char *build = getenv("DSEEK_BUILD");
	unsigned int good = 0, bad = 0, i, n;

	for (i = 0; i < sizeof(infos) / sizeof(*infos); i++) {
		static uint8_t object[1 << 20];
		struct hip_code_kernel k;
		unsigned int pointers = 0;
		char path[600];
		size_t size;
		FILE *file;

		snprintf(path, sizeof(path), "%s/kernels/gfx942/%s.co", build ? build : "build", infos[i].file);
		file = fopen(path, "re");
		if (!file)
			continue;
		size = fread(object, 1, sizeof(object), file);
		fclose(file);
		if (read_both(object, size, infos[i].name, &k)) {
			printf("# %s: %s\n", infos[i].name, err);
			bad++;
			continue;
		}
		for (n = 0; n < k.arg_count; n++)
			pointers += (unsigned int)k.args[n].pointer;
		if (pointers == infos[i].buffers && k.arg_count == pointers + 1 && !k.args[pointers].pointer &&
		    k.args[pointers].size == infos[i].params_size && k.max_lanes == infos[i].lanes)
			good++;
		else
			bad++;
	}
	if (good + bad)
		tap_ok(!bad, "%u kernels as the compiler describes them, %u otherwise than dsk_kernels.h", good, bad);
	else
		tap_skip("real code objects", "none are built: make kernels, with a newer clang (tools/packages install kernels)");
}

/* ---- running */

struct own {
	struct own_program program;
	struct dseek_program_op op;	/* of the program, to be spoilt */
	void *prepared, *hip;
	float *data;			/* what it looks at, and behind it the result */
};

static int build(struct own *o, const struct object_spec *spec, const char *name)
{
	int r = own_program_build(&o->program, spec, name, err, sizeof(err));

	if (!r) {
		o->op = o->program.view.ops[0];
		o->program.view.ops = &o->op;
	}
	return r;
}

static int run_own(struct own *o)
{
	void *bindings[] = { o->data };
	struct dseek_run run = {
		.program = &o->program.view, .prepared = o->prepared, .bindings = bindings, .params = o->program.params, .depth = 2, .tenant = 1,
		.err = err, .err_size = sizeof(err),
	};
	int r;

	own_program_fill(o->data);
	r = dseek_backend_hip.run(o->hip, &run);
	return !r && !own_program_right(o->data) ? -EBADMSG : r;
}

static int prepare(struct own *o)
{
	*err = 0;
	return dseek_backend_hip.program_prepare(o->hip, &o->program.view, &o->prepared, err, sizeof(err));
}

static void refused(struct own *o, int error, const char *sentence)
{
	int r = prepare(o);

	if (!tap_ok(r == error && strstr(err, sentence), "refused: %s", err))
		printf("# %d, not \"%s\"\n", r, sentence);
	if (!r)
		dseek_backend_hip.program_release(o->hip, o->prepared);
}

static void test_running(void)
{
	static const char *const fails[] = { "hipModuleLoadData", "hipModuleGetFunction" };
	struct own o = { .data = aligned_alloc(4096, 4096) };
	struct object_spec spec = object_argmax;
	struct dseek_program_op op;
	void *blob;
	size_t i;

	setenv("HIP_STANDIN_OWN", "argmax", 1);
	if (hip_device_open(NULL, &o.hip, err, sizeof(err)) || build(&o, &spec, "dsk_argmax") ||
	    dseek_backend_hip.buffer_map(o.hip, o.data, 4096, 1, err, sizeof(err))) {
		tap_ok(0, "a program with a kernel of its own: %s", err);
		return;
	}
	if (tap_ok(!prepare(&o), "a program with a kernel of its own is taken"))
		tap_ok(!run_own(&o), "and runs: %s", err);
	else
		printf("# %s\n", err);
	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:1:719", 1);
	hip_device_reset();
	tap_ok(run_own(&o) == -EIO && strstr(err, "op 0, kernel: dsk_argmax: hipModuleLaunchKernel: "), "a launch that fails: %s", err);
	unsetenv("HIP_STANDIN_FAIL");
	tap_ok(!run_own(&o), "the next job is well");
	dseek_backend_hip.program_release(o.hip, o.prepared);

	op = o.op;
	o.op.t[1] = DSEEK_NO_TENSOR;
	refused(&o, -ENOTSUP, "op 0, kernel: dsk_argmax takes 2 pointers, not 1");
	o.op = op;
	o.op.i[6] = OWN_WORDS - 1;
	refused(&o, -ENOTSUP, "op 0, kernel: dsk_argmax takes 6 words by value, not 5");
	o.op = op;
	o.op.i[4] = 257;
	refused(&o, -ENOTSUP, "was compiled for groups of 256 lanes at most, not 257");
	o.op = op;
	o.op.i[1] = 1 << 24;
	refused(&o, -ENOTSUP, "16777216 groups of 256 lanes are 2^32 lanes or more");
	o.op = op;
	for (i = 0; i < 2; i++) {
		unsigned int live = hip_device_live();
		char how[100];

		snprintf(how, sizeof(how), "%s:1:719", fails[i]);
		setenv("HIP_STANDIN_FAIL", how, 1);
		hip_device_reset();
		snprintf(how, sizeof(how), "%s: hipErrorLaunchFailure (719)", fails[i]);
		refused(&o, -EIO, how);
		tap_ok(hip_device_live() == live, "and nothing of it is left");
	}
	unsetenv("HIP_STANDIN_FAIL");
	blob = o.program.blob;
	if (!build(&o, &spec, "dsk_argmin"))
		refused(&o, -ENOEXEC, "the program's code object: it has no kernel dsk_argmin");
	free(o.program.blob);
	spec.target = "amdgcn-amd-amdhsa--gfx1100";
	if (!build(&o, &spec, "dsk_argmax"))
		refused(&o, -ENOEXEC, "the program's code object: it is for gfx1100, the device is gfx942");
	free(o.program.blob);
	free(blob);
	dseek_backend_hip.buffer_unmap(o.hip, o.data);
	dseek_backend_hip.close(o.hip);
	free(o.data);
}

/* ---- who may */

struct executor {
	struct dseek_exec *exec;
	void *state;
	int stop, result;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct executor *e = arg;

	e->result = dseek_exec_run(e->exec, &dseek_backend_hip, e->state, &e->stop);
	return NULL;
}

static char noticed[300];

static void on_notice(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why)
{
	snprintf(noticed, sizeof(noticed), "%s", why);
}

/* A job of such a program on an engine of an instance of its own, attached with @flags: its result. */
static int job_on(uint32_t flags, int allow)
{
	struct drm_dseek_attach attach = { .type = DRM_DSEEK_ENGINE_GPU, .depth = 1, .numa_node = -1, .name = "own0", .flags = flags,
					   .owner = flags ? geteuid() : 0 };
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_job_result result = { .error = -EDOM };
	struct own_program own = { 0 };
	struct dseek_device *dev = NULL;
	struct dseek_program *prog = NULL;
	struct dseek_queue *queue = NULL;
	struct dseek_bo *bo = NULL;
	struct executor e = { 0 };
	struct dseek_binding binding;
	struct dseek_job job;
	uint64_t seqno = 0;
	int r;

	r = dseek_open("embed:hip-own,engine=none", NULL, &dev) || hip_device_open(NULL, &e.state, err, sizeof(err)) ||
	    dseek_exec_attach("embed:hip-own", &attach, &e.exec);
	if (!r) {
		dseek_exec_set_notice(e.exec, on_notice, NULL);
		*noticed = 0;
	}
	if (!r && allow)
		r = dseek_exec_allow_code(e.exec);
	if (!r)
		r = own_program_build(&own, &object_argmax, "dsk_argmax", err, sizeof(err)) || pthread_create(&e.thread, NULL, serve, &e);
	params.engine = attach.engine;
	if (!r)
		r = dseek_program_create(dev, own.blob, own.view.header->total_size, &prog) || dseek_bo_create(dev, 4096, 0, -1, &bo) ||
		    dseek_queue_create(dev, &params, &queue);
	if (r) {
		printf("# %s; %s\n", err, dseek_strerror_detail());
		return -EDOM;
	}
	own_program_fill(dseek_bo_map(bo));
	binding = (struct dseek_binding){ bo, 0, 4096, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
	job = (struct dseek_job){ .program = prog, .bindings = &binding, .binding_count = 1, .consts = own.params, .const_size = sizeof(own.params) };
	r = dseek_submit(queue, &job, 1, &seqno, NULL) == 1 ? 0 : -EDOM;
	if (!r)
		r = dseek_wait(queue, seqno, 1ull << 62, &result);
	if (!r)
		r = result.error;
	if (!r && !own_program_right(dseek_bo_map(bo)))
		r = -EBADMSG;
	__atomic_store_n(&e.stop, 1, __ATOMIC_RELAXED);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_bo_destroy(bo);
	pthread_join(e.thread, NULL);
	dseek_exec_detach(e.exec);
	dseek_backend_hip.close(e.state);
	dseek_close(dev);
	free(own.blob);
	return r;
}

static void test_permission(void)
{
	struct drm_dseek_attach attach = { .type = DRM_DSEEK_ENGINE_GPU, .depth = 1, .numa_node = -1, .name = "own1" };
	struct dseek_exec *exec;

	tap_ok(job_on(DRM_DSEEK_ATTACH_OWNER, 1) == 0, "an engine that serves its tenant alone, and may, runs it");
	tap_ok(job_on(DRM_DSEEK_ATTACH_OWNER, 0) == -EACCES && strstr(noticed, "the program carries code of its own"), "one that isn't told to doesn't: %s",
	       noticed);
	tap_ok(job_on(0, 0) == -EACCES && strstr(noticed, "only an engine that serves its tenant alone may run it"), "one of everybody's doesn't: %s", noticed);
	if (tap_ok(!dseek_exec_attach("embed:hip-own", &attach, &exec), "an engine of everybody's")) {
		tap_ok(dseek_exec_allow_code(exec) == -EPERM && strstr(dseek_strerror_detail(), "engine own1 serves several users"),
		       "can't be made to: %s", dseek_strerror_detail());
		dseek_exec_detach(exec);
	}
}

int main(void)
{
	test_msgpack();
	test_reading();
	test_hidden();
	test_refusals();
	test_damaged();
	test_real();
	if (hip_device_why_not()) {
		tap_skip("programs with kernels of their own", hip_device_why_not());
		return tap_end();
	}
	test_running();
	test_permission();
	tap_ok(hip_device_live() == 0, "nothing is left on the device: %u", hip_device_live());
	return tap_end();
}
