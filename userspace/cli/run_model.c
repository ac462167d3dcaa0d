// SPDX-License-Identifier: MIT
/* The model file of `dseek run`: found, and loaded with a progress bar. */
#include "cli.h"
#include "run_model.h"
#include "../model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_NAME "SmolLM2-135M-Instruct.Q4_1.gguf"

char *run_model_find(const char *path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *found = NULL;
	int r;

	if (path)
		r = asprintf(&found, "%s", path);
	else if (cache && *cache)
		r = asprintf(&found, "%s/dseek/" MODEL_NAME, cache);
	else
		r = asprintf(&found, "%s/.cache/dseek/" MODEL_NAME, home && *home ? home : "/root");
	if (r < 0) {
		cli_log(CLI_ERROR, "no memory");
		return NULL;
	}
	if (!access(found, R_OK))
		return found;
	if (path)
		cli_log(CLI_ERROR, "model %s: %s", found, strerror(errno));
	else
		cli_log(CLI_ERROR, "there is no model at %s: run tools/fetch-model, or name a GGUF file with -m", found);
	free(found);
	return NULL;
}

static void show(void *arg, uint64_t done, uint64_t total)
{
	struct cli_progress *p = arg;

	p->total = total;
	cli_progress_update(p, done);
}

int run_model_load(struct run_model *ret_model, const char *path, struct dseek_device *dev, int quiet)
{
	struct run_model m = { .path = run_model_find(path) };
	struct cli_progress progress;
	const struct dsk_load_params params = { .numa_node = -1, .progress = show, .progress_arg = &progress };
	char err[300] = "";
	int r;

	if (!m.path)
		return -ENOENT;
	r = dsk_model_open(m.path, &m.model, err, sizeof(err));
	if (!r && dev) {
		cli_progress_start(&progress, "Loading the model", dsk_model_shape(m.model)->weight_bytes, quiet);
		r = dsk_model_load(m.model, dev, &params, err, sizeof(err));
		if (!r)
			cli_progress_end(&progress, progress.total);
	}
	if (r) {
		cli_log(CLI_ERROR, "%s", err[0] ? err : strerror(-r));
		run_model_close(&m);
		return r;
	}
	if (!dev) {
		dsk_model_close(m.model);
		m.model = NULL;
	}
	*ret_model = m;
	return 0;
}

void run_model_close(struct run_model *model)
{
	dsk_model_close(model->model);
	free(model->path);
	*model = (struct run_model){ 0 };
}
