// SPDX-License-Identifier: MIT
/*
 * The cpu backend: runs programs on this machine's cores. Options: isa=auto|scalar|avx2|avx512|avx512bf16,
 * threads=N (default: the CPUs this process may use), spin_us=N (how long an idle thread looks for
 * work before it sleeps; default 50), node=N (the NUMA node for the threads),
 * latent=auto|absorbed|expanded (the form of latent attention; default auto, the less work: cpu/latent.h).
 * Memory of its own is this machine's (host_memory.h).
 */
#include <drm/dseek_drm.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cpu/fast.h"
#include "dseek_program.h"
#include "host_memory.h"

struct cpu_state {
	struct cpu_ctx ctx;
	struct host_memory *memory;
};

struct cpu_options {
	char *isa;
	unsigned int threads;	/* 0: as many as there are CPUs */
	unsigned int spin_us;
	unsigned int node;	/* plus 1; 0: any */
	enum cpu_latent latent;
};

static int parse_number(const char *name, const char *value, unsigned int max, unsigned int *ret, char *err, size_t err_size)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (end == value || *end || *value == '-' || v > max) {
		snprintf(err, err_size, "cpu: %s=%s: want a number up to %u", name, value, max);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_latent(const char *value, enum cpu_latent *ret, char *err, size_t err_size)
{
	static const char *const names[] = {
		[CPU_LATENT_AUTO] = "auto", [CPU_LATENT_ABSORBED] = "absorbed", [CPU_LATENT_EXPANDED] = "expanded",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]))
			continue;
		*ret = i;
		return 0;
	}
	snprintf(err, err_size, "cpu: latent=%s: unknown; one of auto, absorbed, expanded", value);
	return -EINVAL;
}

static int parse_option(char *option, struct cpu_options *options, char *err, size_t err_size)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = 0;
	if (value && !strcmp(option, "isa")) {
		options->isa = value;
		return 0;
	}
	if (value && !strcmp(option, "latent"))
		return parse_latent(value, &options->latent, err, err_size);
	if (value && !strcmp(option, "threads"))
		return parse_number(option, value, 1024, &options->threads, err, err_size);
	if (value && !strcmp(option, "spin_us"))
		return parse_number(option, value, 1000000, &options->spin_us, err, err_size);
	if (value && !strcmp(option, "node")) {
		int ret = parse_number(option, value, 1023, &options->node, err, err_size);

		options->node++;
		return ret;
	}
	snprintf(err, err_size, "cpu: unknown option \"%s\"", option);
	return -EINVAL;
}

static int cpu_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	char *copy = strdup(options ? options : ""), *rest = copy, *option;
	struct cpu_options parsed = { .spin_us = 50 };
	struct cpu_state *state = calloc(1, sizeof(*state));
	struct cpu_ctx *ctx = state ? &state->ctx : NULL;
	enum cpu_isa isa;
	int ret = copy && state ? 0 : -ENOMEM;

	while (!ret && (option = strsep(&rest, ",")))
		if (*option)
			ret = parse_option(option, &parsed, err, err_size);
	if (!ret)
		ret = cpu_isa_choose(parsed.isa, &isa, err, err_size);
	if (!ret) {
		ctx->kernels = cpu_kernels_of(isa);
		ctx->bf16 = isa == CPU_ISA_AVX512_BF16;
		ctx->latent = parsed.latent;
		ret = cpu_pool_create(ctx->kernels ? parsed.threads : 1, parsed.spin_us, (int)parsed.node - 1, &ctx->pool);
		if (ret)
			snprintf(err, err_size, "cpu: can't start threads: %s", strerror(-ret));
		else
			cpu_pool_watch(ctx->pool, &ctx->watch);
	}
	free(copy);
	if (ret)
		free(state);
	else
		*ret_state = state;
	return ret;
}

static void cpu_close(void *arg)
{
	struct cpu_state *state = arg;

	host_memory_free_all(&state->memory);
	cpu_ctx_free(&state->ctx);
	free(state);
}

static int cpu_memory_alloc(void *arg, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	struct cpu_state *state = arg;

	return host_memory_alloc(&state->memory, size, ret_base, ret_fd, err, err_size);
}

static void cpu_memory_free(void *arg, void *base)
{
	struct cpu_state *state = arg;

	host_memory_free(&state->memory, base);
}

static int cpu_run(void *arg, struct dseek_run *run)
{
	struct cpu_state *state = arg;
	const struct dseek_program_view *program = run->program;
	struct cpu_op op;
	int ret;

	state->ctx.watch = (struct cpu_watch){ .poll = run->poll, .arg = run->poll_arg };
	for (; run->cursor < program->header->n_ops; run->cursor++) {
		ret = run->poll ? run->poll(run->poll_arg) : 0;
		if (ret)
			return ret;
		cpu_op_resolve(program, run->cursor, run->params, run->bindings, &op);
		op.watch = &state->ctx.watch;
		ret = cpu_op_fast(&state->ctx, &op);
		if (ret)
			return ret;
	}
	return 0;
}

const struct dseek_backend dseek_backend_cpu = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_CPU,
	.name = "cpu",
	.summary = "this machine's cores: AVX2 or AVX-512, as they have it [isa=, threads=, spin_us=, node=, latent=]",
	.open = cpu_open,
	.close = cpu_close,
	.run = cpu_run,
	.memory_alloc = cpu_memory_alloc,
	.memory_free = cpu_memory_free,
};
