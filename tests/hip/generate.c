// SPDX-License-Identifier: MIT
/*
 * The model engine on the hip backend, on the stand-in: the logits of a prompt and of greedy tokens behind it are the cpu backend's
 * within 1e-3 of each, for small models with random weights in every type, and the demonstration model's where it has been fetched.
 */
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../userspace/model/model.h"
#include "../../userspace/model/precision.h"
#include "../../userspace/model/synth.h"
#include "../random.h"
#include "../tap.h"
#include "device.h"

#define TOLERANCE	1e-3

/* tests/opencl/generate.c is this file on another backend. */
#ifndef GPU_BACKEND
#define GPU_BACKEND	"hip"
#define GPU_TARGET	"gfx942"
#define GPU_SUFFIX	".co"
#endif

static struct dseek_device *dev;
static char err[600];

struct pair {
	struct dsk_session *cpu, *hip;
	uint32_t n_vocab;
	double worst, size;	/* largest difference, largest logit */
	int same_best;
};

static int compare_rows(struct pair *p)
{
	const float *c = dsk_session_logits(p->cpu), *h = dsk_session_logits(p->hip);
	uint32_t i;

	for (i = 0; i < p->n_vocab; i++) {
		double d = fabs((double)c[i] - h[i]);

		p->worst = d <= p->worst ? p->worst : isnan(d) ? INFINITY : d;
		p->size = fmax(p->size, fabs(c[i]));
	}
	p->same_best += dsk_session_best(p->cpu) == dsk_session_best(p->hip);
	return 0;
}

static int step(struct pair *p, const int32_t *tokens, uint32_t n)
{
	if (dsk_session_eval(p->cpu, tokens, n) || dsk_session_eval(p->hip, tokens, n)) {
		snprintf(err, sizeof(err), "cpu: %s; hip: %s", dsk_session_error(p->cpu), dsk_session_error(p->hip));
		return -1;
	}
	return compare_rows(p);
}

/* A prompt of two chunks or more, then one token after the other, each the cpu's best. */
static void generate(struct dsk_model *model, const char *what, uint32_t prompt, uint32_t more, uint32_t cache, bool precise)
{
	struct dsk_session_params params = {
		.sched_class = DSEEK_CLASS_BATCH, .n_ctx = prompt + more, .chunk = prompt > 128 ? 64 : prompt > 1 ? prompt / 2 + 1 : 0, .precise = precise,
		.kv_type_set = true, .kv_type = cache,
	};
	struct pair p = { .n_vocab = dsk_model_shape(model)->n_vocab };
	int32_t *tokens = malloc(prompt * sizeof(*tokens)), next;
	uint64_t seed = 7;
	uint32_t i;
	int r;

	for (i = 0; i < prompt; i++)
		tokens[i] = (int32_t)random_below(&seed, p.n_vocab);
	params.engine = "cpu0";
	r = dsk_session_create(model, &params, &p.cpu, err, sizeof(err));
	params.engine = "gpu0";
	if (!r)
		r = dsk_session_create(model, &params, &p.hip, err, sizeof(err));
	if (!r)
		r = step(&p, tokens, prompt);
	for (i = 0; i < more && !r; i++) {
		next = dsk_session_best(p.cpu);
		r = step(&p, &next, 1);
	}
	if (r)
		tap_ok(0, "%s: %s", what, err);
	else
		tap_ok(p.worst <= TOLERANCE && p.same_best == (int)more + 1, "%s: %u tokens and %u generated: logits of up to %.2g are off by "
		       "%.2g (at most %g), %d of %u best tokens the same", what, prompt, more, p.size, p.worst, TOLERANCE, p.same_best, more + 1);
	dsk_session_destroy(p.cpu);
	dsk_session_destroy(p.hip);
	free(tokens);
}

/* In the mode itself: the engine has it, and says what it has. */
static void fp8_mode(struct dsk_model *model, const char *what)
{
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = 16, .precision = DSK_PRECISION_FP8, .engine = "gpu0" };
	const int32_t tokens[] = { 1, 7, 3 };
	struct dsk_session *s = NULL;
	int r = dsk_session_create(model, &params, &s, err, sizeof(err));

	if (!r)
		r = dsk_session_eval(s, tokens, 3);
	tap_ok(!r && isfinite(dsk_session_logits(s)[0]) &&
	       !strcmp(dsk_session_precision(s), "fp8: weights fp8, activations as the engine does best, KV cache fp16"), "%s: %s", what,
	       r ? s ? dsk_session_error(s) : err : dsk_session_precision(s));
	dsk_session_destroy(s);
}

/* F8_E4M3: a file of BF16, loaded so. */
static void synthetic(const char *preset, int dtype, uint32_t cache, bool precise)
{
	struct dsk_load_params load = { .numa_node = -1, .precision = dtype == DSEEK_F8_E4M3 ? DSK_PRECISION_FP8 : DSK_PRECISION_FP32 };
	const char *dir = getenv("TMPDIR");
	struct dsk_model *model = NULL;
	struct synth_params synth;
	char path[1024], what[100];
	int r;

	snprintf(what, sizeof(what), "%s %s, cache %s%s", preset, dseek_dtype_name((uint32_t)dtype), dseek_dtype_name(cache),
		 precise ? "" : ", not precise");
	snprintf(path, sizeof(path), "%s/hip-%d.gguf", dir && *dir ? dir : "/tmp", getpid());
	r = synth_preset(preset, &synth, err, sizeof(err));
	synth.dtype = dtype == DSEEK_F8_E4M3 ? DSEEK_BF16 : dtype;
	if (r || synth_write(&synth, path, err, sizeof(err)) || dsk_model_open(path, &model, err, sizeof(err)) ||
	    dsk_model_load(model, dev, &load, err, sizeof(err)))
		tap_ok(0, "%s: %s", what, err);
	else
		generate(model, what, 41, 12, cache, precise);
	if (model && dtype == DSEEK_F8_E4M3)
		fp8_mode(model, what);
	dsk_model_close(model);
	unlink(path);
}

/* A file that may be there or not. */
static void from_file(const char *path, const char *what, uint32_t prompt, uint32_t more)
{
	struct dsk_model *model = NULL;

	if (access(path, R_OK)) {
		tap_skip(what, "it is not here");
		return;
	}
	if (dsk_model_open(path, &model, err, sizeof(err)) || dsk_model_load(model, dev, NULL, err, sizeof(err)))
		tap_ok(0, "%s: %s", what, err);
	else
		generate(model, what, prompt, more, DSEEK_F32, true);
	dsk_model_close(model);
}

/* Whoever waits for a job is told what the engine lacks: here a folder of kernels with none in it. */
static void refusal(void)
{
	const char *dir = getenv("TMPDIR");
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = 8 };
	struct dseek_device *other = NULL;
	struct dsk_session *session = NULL;
	struct dsk_model *model = NULL;
	struct synth_params synth;
	char folder[500], target[520], path[520], spec[2000], more[600];
	const int32_t token = 1;
	int r;

	snprintf(folder, sizeof(folder), "%s/hip-kernels-%d", dir && *dir ? dir : "/tmp", getpid());
	snprintf(target, sizeof(target), "%s/" GPU_TARGET, folder);
	snprintf(path, sizeof(path), "%s/model.gguf", folder);
	mkdir(folder, 0777);
	mkdir(target, 0777);
	snprintf(more, sizeof(more), "kernels=%s,scrub=0", folder);
	snprintf(spec, sizeof(spec), "embed:hip-refusal,engine=" GPU_BACKEND ",%s", hip_device_options(more));
	r = dseek_open(spec, NULL, &other) || synth_preset("tiny-llama", &synth, err, sizeof(err)) || synth_write(&synth, path, err, sizeof(err)) ||
	    dsk_model_open(path, &model, err, sizeof(err)) || dsk_model_load(model, other, NULL, err, sizeof(err)) ||
	    dsk_session_create(model, &params, &session, err, sizeof(err));
	if (r)
		tap_ok(0, "kernels that aren't there: %s, %s", err, dseek_strerror_detail());
	else
		tap_ok(dsk_session_eval(session, &token, 1) == -ENOTSUP &&
		       strstr(dsk_session_error(session), "the job failed: Operation not supported (op 0, embed: ") &&
		       strstr(dsk_session_error(session), "/" GPU_TARGET "/dense" GPU_SUFFIX ": No such file or directory)"), "kernels that aren't there: %s",
		       dsk_session_error(session));
	dsk_session_destroy(session);
	dsk_model_close(model);
	if (other)
		dseek_close(other);
	unlink(path);
	rmdir(target);
	rmdir(folder);
}

int main(void)
{
	static const int types[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1 };
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *models = getenv("DSEEK_MODELS"), *source = getenv("DSEEK_SOURCE");
	char spec[1400], path[600];
	size_t i;

	if (hip_device_why_not()) {
		tap_skip("generation on the " GPU_BACKEND " backend", hip_device_why_not());
		return tap_end();
	}
	snprintf(spec, sizeof(spec), "embed:hip,engine=cpu,threads=2,engine=" GPU_BACKEND ",depth=4,%s", hip_device_options(NULL));
	if (!tap_ok(!dseek_open(spec, NULL, &dev), "an instance with a cpu and a GPU")) {
		printf("# %s\n", dseek_strerror_detail());
		return tap_end();
	}
	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		synthetic("tiny-llama", types[i], DSEEK_F32, true);
	/* of f16 the cache may differ by a last bit here and there, of bf16 that alone would be more than is allowed */
	synthetic("tiny-llama", DSEEK_F32, DSEEK_F16, true);
	synthetic("tiny-llama", DSEEK_BF16, DSEEK_F32, false);	/* of weights that the cpu backend does not round activations for */
	synthetic("tiny-gptoss", DSEEK_F32, DSEEK_F16, true);
	synthetic("tiny-mixtral", DSEEK_F32, DSEEK_F32, true);
	synthetic("tiny-mixtral", DSEEK_Q8_0, DSEEK_F32, true);
	synthetic("tiny-qwen3moe", DSEEK_F32, DSEEK_F32, true);
	synthetic("tiny-dsv2lite", DSEEK_F32, DSEEK_F32, true);
	synthetic("tiny-dsv2lite", DSEEK_Q8_0, DSEEK_F32, true);
	synthetic("tiny-dsv3", DSEEK_F32, DSEEK_F32, true);
	synthetic("tiny-gptoss", DSEEK_F32, DSEEK_F32, true);
	synthetic("tiny-gptoss", DSEEK_Q8_0, DSEEK_F32, true);
	synthetic("tiny-llama", DSEEK_F8_E4M3, DSEEK_F32, true);
	synthetic("tiny-mixtral", DSEEK_F8_E4M3, DSEEK_F32, true);
	synthetic("tiny-dsv2lite", DSEEK_F8_E4M3, DSEEK_F32, true);
	/* where tests/model/reference looks, too */
	snprintf(path, sizeof(path), "%s%s/tiny-mixtral-f32.gguf", models ? models : source ? source : ".", models ? "" : "/../shared/models");
	from_file(path, "Mixtral", 33, 8);
	snprintf(path, sizeof(path), "%s%s/tiny-dsv2lite-f32.gguf", models ? models : source ? source : ".", models ? "" : "/../shared/models");
	from_file(path, "DeepSeek-V2-Lite", 33, 8);
	snprintf(path, sizeof(path), "%s%s/tiny-gptoss-f32.gguf", models ? models : source ? source : ".", models ? "" : "/../shared/models");
	from_file(path, "gpt-oss", 300, 8);	/* more than its window and a chunk */
	snprintf(path, sizeof(path), "%s%s/dseek/SmolLM2-135M-Instruct.Q4_1.gguf", cache ? cache : home ? home : "", cache ? "" : "/.cache");
	from_file(path, "SmolLM2", 5, 2);
	dseek_close(dev);
	refusal();
	tap_ok(hip_device_live() == 0, "nothing is left on the device: %u", hip_device_live());
	return tap_end();
}
