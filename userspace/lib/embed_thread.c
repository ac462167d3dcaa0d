// SPDX-License-Identifier: MIT
/* The executor of an instance as a thread of this process: the daemon's loop, the daemon's backends. */
#include <stdio.h>
#include <stdlib.h>
#include "embed.h"
#include "../executor/backend.h"

struct embed_thread {
	struct embed_instance *inst;
	const struct dseek_backend *backend;
	void *state;
	struct dseek_exec *exec;
	pthread_t thread;
	int stop;
	bool done, replaced;		/* under the instance's lock */
	struct embed_event event;	/* done */
};

static void thread_free(struct embed_thread *t)
{
	dseek_exec_detach(t->exec);
	if (t->backend->close)
		t->backend->close(t->state);
	free(t);
}

static void *thread_main(void *arg)
{
	struct embed_thread *t = arg;

	dseek_exec_run(t->exec, t->backend, t->state, &t->stop);
	embed_lock(t->inst);
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

int embed_thread_start(struct embed_instance *inst)
{
	static const char *const type_names[] = { "null", "cpu", "gpu", "npu", "nic" };
	const struct embed_params *params = &inst->params;
	struct drm_dseek_attach attach = { .depth = params->depth, .numa_node = -1 };
	struct embed_thread *t = calloc(1, sizeof(*t)), *old;
	char why[200] = "";
	int r;

	if (!t)
		return dseek_fail(-ENOMEM, "embed: no memory");
	t->inst = inst;
	t->backend = dseek_backend_find(params->engine, why, sizeof(why));
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
	if (params->engine_name[0])
		strcpy((char *)attach.name, params->engine_name);
	else
		snprintf((char *)attach.name, sizeof(attach.name), "%s0", type_names[t->backend->type]);
	r = embed_exec_attach(inst, &attach, true, &t->exec);
	if (r)
		goto err_close;
	embed_lock(inst);
	old = inst->thread;
	inst->thread = t;
	if (old && !old->done) {
		/* Lost, and perhaps still in the backend: its things stay for it. */
		old->replaced = true;
		inst->hung++;
		old = NULL;
	}
	embed_unlock(inst);
	if (old) {
		pthread_join(old->thread, NULL);
		thread_free(old);
	}
	r = pthread_create(&t->thread, NULL, thread_main, t);
	if (r) {
		embed_lock(inst);
		inst->thread = NULL;
		embed_unlock(inst);
		dseek_exec_detach(t->exec);
		r = dseek_fail(-r, "embed: can't start a thread");
		goto err_close;
	}
	return 0;

err_close:
	if (t->backend->close)
		t->backend->close(t->state);
err_free:
	free(t);
	return r;
}

void embed_thread_stop(struct embed_instance *inst)
{
	uint64_t until = dseek_now() + inst->params.grace_ns;
	struct embed_thread *t;
	struct embed_exec *exec;

	embed_lock(inst);
	t = inst->thread;
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
