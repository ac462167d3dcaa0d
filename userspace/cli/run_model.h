/* SPDX-License-Identifier: MIT */
/* The model of `dseek run`: which file it is, and its weights, loaded once for all tenants of a process. */
#ifndef DSEEK_CLI_RUN_MODEL_H
#define DSEEK_CLI_RUN_MODEL_H

struct dseek_device;
struct dsk_model;

struct run_model {
	char *path;
	struct dsk_model *model;	/* NULL: tenants load it for themselves */
};

/* The file that @path, or if NULL the cache, names. Freed by the caller; NULL after saying what to do. */
char *run_model_find(const char *path);

/* Find it, check it and with @dev load it. -errno after saying why on stderr. */
int run_model_load(struct run_model *ret_model, const char *path, struct dseek_device *dev, int quiet);
void run_model_close(struct run_model *model);

#endif /* DSEEK_CLI_RUN_MODEL_H */
