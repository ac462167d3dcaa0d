// SPDX-License-Identifier: MIT
/* The executors of an instance as threads of this process: the daemon's loop, the daemon's backends. */
#include <stdio.h>
#include <stdlib.h>
#include "embed.h"
#include "../executor/backend.h"
#include "../executor/profile.h"

struct embed_thread {
	struct embed_instance *inst;
	const struct dseek_backend *backend;
	void *state;
	struct dseek_exec *exec;
	pthread_t thread;
	int stop;
	bool begun;			/* these three under the instance's lock */
	bool done, replaced;
	struct embed_event event;	/* begun, done */
};

static void thread_free(struct embed_thread *t)
{
	dseek_exec_detach(t->exec);
	if (t->backend->close)
		t->backend->close(t->state);
	free(t);
}

/* For whoever waits for the job. */
static void on_notice(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why)
{
	struct embed_instance *inst = arg;

	embed_lock(inst);
	snprintf(inst->notice, sizeof(inst->notice), "%s", why);
	inst->notice_queue = job->queue_id;
	inst->notice_error = error;
	embed_unlock(inst);
}

static void *thread_main(void *arg)
{
	struct embed_thread *t = arg;

	embed_lock(t->inst);
	while (!t->begun)
		embed_sleep(t->inst, &t->event, ~0ull);
	embed_unlock(t->inst);
	if (!t->exec)
		return NULL;
	dseek_exec_set_notice(t->exec, on_notice, t->inst);
	dseek_exec_run(t->exec, t->backend, t->state, &t->stop);
	embed_lock(t->inst);
	/* As a daemon ends, and its supervisor starts another. */
	if (t->backend->lost && t->backend->lost(t->state))
		embed_exec_lose(container_of(t->exec, struct embed_exec, base), dseek_now());
	t->done = true;
	embed_wake(t->inst, &t->event);
	if (t->replaced) {
		struct embed_instance *inst = t->inst;

		/* It was declared lost, and came back: nobody joins it. */
		embed_unlock(inst);
		pthread_detach(pthread_self());
		thread_free(t);
		embed_lock(inst);
		inst->hung--;
		embed_unlock(inst);
		return NULL;
	}
	embed_unlock(t->inst);
	return NULL;
}

/* The first number that no engine of the instance has taken; another executor may still take it, and then says so. */
static void name_by_type(struct embed_instance *inst, struct drm_dseek_attach *attach)
{
	static const char *const type_names[] = { "null", "cpu", "gpu", "npu", "nic" };
	uint32_t n, i;

	embed_lock(inst);
	for (n = 0, i = 0; n <= EMBED_MAX_ENGINES; n++) {
		snprintf((char *)attach->name, sizeof(attach->name), "%s%u", type_names[attach->type], n);
		for (i = 0; i < inst->engine_count; i++)
			if (strcmp(inst->engines[i]->name, (char *)attach->name) == 0)
				break;
		if (i == inst->engine_count)
			break;
	}
	embed_unlock(inst);
}

int embed_thread_start(struct embed_instance *inst, uint32_t index)
{
	struct embed_engine_params *params = &inst->params.engines[index];
	struct drm_dseek_attach attach = { .depth = params->depth, .numa_node = -1 };
	struct embed_thread *t = calloc(1, sizeof(*t)), *old = NULL;
	char why[200] = "";
	int r;

	if (!t)
		return dseek_fail(-ENOMEM, "embed: no memory");
	r = profile_check();
	if (r)
		goto err_free;
	t->inst = inst;
	t->backend = dseek_backend_find(params->backend, why, sizeof(why));
	if (!t->backend) {
		r = dseek_fail(-ENOENT, "embed: %s", why);
		goto err_free;
	}
	r = t->backend->open(params->options[0] ? params->options : NULL, &t->state, why, sizeof(why));
	if (r) {
		dseek_fail(r, "embed: backend %s: %s", t->backend->name, why);
		goto err_free;
	}
	attach.type = t->backend->type;
	attach.flags = t->backend->memory_alloc ? DRM_DSEEK_ATTACH_MEMORY : 0;
	/* Once chosen the name stays: an executor that replaces a lost one serves the same engine. */
	if (!params->name[0]) {
		name_by_type(inst, &attach);
		strcpy(params->name, (char *)attach.name);
	}
	strcpy((char *)attach.name, params->name);
	/* The thread first: who attaches and then has none takes the engine's recovery time back, again and again. */
	r = pthread_create(&t->thread, NULL, thread_main, t);
	if (r) {
		r = dseek_fail(-r, "embed: can't start a thread");
		goto err_close;
	}
	r = embed_exec_attach(inst, &attach, (int)index, &t->exec);
	embed_lock(inst);
	if (!r) {
		old = inst->threads[index];
		inst->threads[index] = t;
	}
	if (old && !old->done) {
		/* Lost, and perhaps still in the backend: its things stay for it. */
		old->replaced = true;
		inst->hung++;
		old = NULL;
	}
	t->begun = true;
	embed_wake(inst, &t->event);
	embed_unlock(inst);
	if (old) {
		pthread_join(old->thread, NULL);
		thread_free(old);
	}
	if (!r)
		return 0;
	pthread_join(t->thread, NULL);

err_close:
	if (t->backend->close)
		t->backend->close(t->state);
err_free:
	free(t);
	return r;
}

static void thread_stop(struct embed_instance *inst, uint32_t index)
{
	uint64_t until = dseek_now() + inst->params.grace_ns;
	struct embed_thread *t;
	struct embed_exec *exec;

	embed_lock(inst);
	t = inst->threads[index];
	if (!t) {
		embed_unlock(inst);
		return;
	}
	__atomic_store_n(&t->stop, 1, __ATOMIC_RELAXED);
	exec = container_of(t->exec, struct embed_exec, base);
	__atomic_store_n(&exec->control.detach, 1, __ATOMIC_RELAXED);
	embed_wake(inst, &exec->event);
	while (!t->done && embed_sleep(inst, &t->event, until))
		;
	if (!t->done) {
		t->replaced = true;
		inst->hung++;
		embed_exec_lose(exec, dseek_now());
		t = NULL;
	}
	embed_unlock(inst);
	if (t) {
		pthread_join(t->thread, NULL);
		thread_free(t);
	}
}

void embed_threads_stop(struct embed_instance *inst)
{
	uint32_t i;

	for (i = 0; i < inst->params.engine_count; i++)
		thread_stop(inst, i);
}
