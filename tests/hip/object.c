// SPDX-License-Identifier: MIT
#include "object.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

const struct object_spec object_argmax = {
	"amdgcn-amd-amdhsa--gfx942", "dsk_argmax", 256,
	{ { "global_buffer", 0, 8 }, { "global_buffer", 8, 8 }, { "by_value", 16, 24 }, { "hidden_block_count_x", 40, 4 } }, 4,
};

static uint8_t *at;

static void put_number(uint32_t n)
{
	*at++ = 0xce;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(n >> shift);
}

static void put_string(const char *s)
{
	size_t n = strlen(s);

	*at++ = 0xd9;
	*at++ = (uint8_t)n;
	memcpy(at, s, n);
	at += n;
}

static void put_map(uint32_t pairs)
{
	*at++ = (uint8_t)(0x80 | pairs);
}

static void put_array(uint32_t items)
{
	*at++ = 0xdc;
	*at++ = (uint8_t)(items >> 8);
	*at++ = (uint8_t)items;
}

static int is(const struct object_spec *spec, const char *key)
{
	return spec->twice && !strcmp(spec->twice, key);
}

static void put_arg(const struct object_arg *arg, int twice)
{
	put_map(2 + !!arg->kind + (uint32_t)twice);
	put_string(".offset");
	put_number(arg->offset);
	put_string(".size");
	put_number(arg->size);
	if (arg->kind) {
		put_string(".value_kind");
		put_string(arg->kind);
	}
	if (twice) {
		put_string(".size");
		put_number(arg->size);
	}
}

static void put_kernel(const char *name, const char *kind, uint32_t max_lanes, const struct object_arg *args, uint32_t arg_count, const struct object_spec *spec)
{
	int twice = is(spec, ".name");
	uint32_t i;

	put_map(2 + !!max_lanes + !!kind + (uint32_t)twice);
	if (kind) {
		put_string(".kind");
		put_string(kind);
	}
	put_string(".args");
	put_array(arg_count);
	for (i = 0; i < arg_count; i++)
		put_arg(&args[i], !i && is(spec, ".size"));
	if (max_lanes) {
		put_string(".max_flat_workgroup_size");
		put_number(max_lanes);
	}
	for (i = 0; i < 1 + (uint32_t)twice; i++) {
		put_string(".name");
		put_string(name);
	}
}

static void put_metadata(const struct object_spec *spec)
{
	int twice = is(spec, "amdhsa.kernels");
	uint32_t i;

	put_map(2 + !!spec->target + (uint32_t)twice);
	put_string("amdhsa.version");
	put_array(2);
	*at++ = 1;
	*at++ = 2;
	put_string("amdhsa.kernels");
	put_array(spec->many + 1 + !!spec->second);
	for (i = 0; i < spec->many; i++) {
		char name[4] = { (char)('A' + i / 676), (char)('a' + i / 26 % 26), (char)('a' + i % 26) };

		put_kernel(name, NULL, 0, NULL, 0, &(struct object_spec){ 0 });
	}
	put_kernel(spec->name, NULL, spec->max_lanes, spec->args, spec->arg_count, spec);
	if (spec->second)
		put_kernel(spec->second, spec->second_kind, spec->max_lanes, &spec->second_arg, 1, &(struct object_spec){ 0 });
	if (spec->target) {
		put_string("amdhsa.target");
		put_string(spec->target);
	}
	if (twice) {
		put_string("amdhsa.kernels");
		put_array(0);
	}
}

/* A note without anything in it, as AMD's runtime had them ("AMD", 10) or has ("AMDGPU", 32). */
static void put_note(const char *name, uint32_t type)
{
	Elf64_Nhdr note = { .n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = 4, .n_type = type };

	memcpy(at, &note, sizeof(note));
	memcpy(at + sizeof(note), name, strlen(name));
	at += sizeof(note) + ((note.n_namesz + 3) & ~3u) + 4;
}

uint8_t *object_make(const struct object_spec *spec, size_t *ret_size)
{
	Elf64_Ehdr elf = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT, 64 }, .e_type = ET_DYN, .e_machine = 224,
		.e_version = EV_CURRENT, .e_phoff = sizeof(elf), .e_ehsize = sizeof(elf), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
	};
	Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = sizeof(elf) + sizeof(segment) };
	Elf64_Nhdr note = { .n_namesz = 7, .n_type = 32 };
	uint8_t *object = calloc(1, 65536), *metadata;

	_Static_assert(sizeof(elf) + sizeof(segment) == OBJECT_NOTE, "where the note is");
	at = metadata = object + OBJECT_NOTE + sizeof(note) + 8;
	put_metadata(spec);
	note.n_descsz = (uint32_t)(at - metadata);
	at += -(at - metadata) & 3;
	if (spec->notes)
		put_note(spec->notes == 1 ? "AMDGPU" : "AMD", spec->notes == 1 ? 32 : 10);
	segment.p_align = spec->align;
	segment.p_filesz = (uint64_t)(at - object) - OBJECT_NOTE;
	memcpy(object, &elf, sizeof(elf));
	memcpy(object + sizeof(elf), &segment, sizeof(segment));
	memcpy(object + OBJECT_NOTE, &note, sizeof(note));
	memcpy(object + OBJECT_NOTE + sizeof(note), "AMDGPU", 7);
	*ret_size = (size_t)(at - object);
	return object;
}
