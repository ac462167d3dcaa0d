// SPDX-License-Identifier: MIT
/*
 * What happens by the passing of time alone: a running job falls behind one that waits, a job exceeds its
 * limit, an executor doesn't obey, nobody takes over a lost one. One thread an instance; it sleeps until the
 * earliest of these, and setting a later one doesn't wake it.
 */
#include <time.h>
#include "embed.h"

void embed_timer_at(struct embed_instance *inst, uint64_t at_ns)
{
	if (at_ns >= inst->timer_at)
		return;
	inst->timer_at = at_ns;
	pthread_cond_signal(&inst->timer_cond);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The job at the head is the one that runs: it alone is held to its limit. */
static uint64_t watch_head(struct embed_exec *exec, uint64_t now)
{
	struct embed_job *job = container_of(exec->order.next, struct embed_job, order_link);
	uint64_t spent = job->engine_ns, at, lost_at;

	at = job->limit_ns > spent ? job->limit_ns - spent : 0;
	at = at > ~0ull - exec->head_ns ? ~0ull : exec->head_ns + at;
	if (now < at)
		return at;
	if (!job->abort) {
		job->abort = true;
		job->abort_ns = now;
		__atomic_or_fetch(&exec->control.abort_mask, 1ull << job->tag, __ATOMIC_RELAXED);
	}
	lost_at = job->abort_ns + exec->engine->inst->params.grace_ns;
	if (now < lost_at)
		return lost_at;
	embed_exec_lose(exec, now);
	return now;
}

/* One that waits in next() is alive: what is ready may not run now. */
static uint64_t watch_idle(struct embed_engine *engine, uint64_t now)
{
	struct embed_exec *exec = engine->exec;

	if (exec->event.waiters)
		exec->seen_ns = now;
	if (now >= embed_engine_fetch_by(engine))
		embed_exec_lose(exec, now);
	return engine->exec ? embed_engine_fetch_by(engine) : now;
}

static uint64_t watch_engine(struct embed_engine *engine, uint64_t now)
{
	uint64_t at = ~0ull, recover_at;

	if (!engine->exec) {
		if (engine->dead)
			return at;
		recover_at = engine->lost_ns + engine->inst->params.recovery_ns;
		if (now < recover_at)
			return recover_at;
		embed_engine_fail(engine, -ESHUTDOWN);
		return at;
	}
	if (list_empty(&engine->exec->order))
		return watch_idle(engine, now);
	if (engine->ready || engine->exec->order.next != engine->exec->order.prev) {
		embed_engine_dirty(engine);
		at = arb_traced_next_event(engine->inst->trace, &engine->arb, now);
		if (at <= now)
			at = ~0ull;	/* it is now: the word is being raised, there is no more to do */
	}
	return earlier(at, watch_head(engine->exec, now));
}

static void *timer_main(void *arg)
{
	struct embed_instance *inst = arg;
	uint64_t now, at;
	uint32_t i;

	embed_lock(inst);
	while (!inst->stopping) {
		if (inst->respawn) {
			i = __builtin_ctz(inst->respawn);
			inst->respawn &= ~(1u << i);
			embed_unlock(inst);
			embed_thread_start(inst, i);	/* failing, the engine ends with its recovery time */
			embed_lock(inst);
			continue;
		}
		now = dseek_now();
		inst->timer_at = 0;	/* nobody need wake us while we look */
		at = ~0ull;
		for (i = 0; i < inst->engine_count; i++)
			at = earlier(at, watch_engine(inst->engines[i], now));
		inst->timer_at = at;
		/* What the look changed is acted on by an unlock. */
		embed_unlock(inst);
		embed_lock(inst);
		at = inst->timer_at;
		if (inst->stopping || inst->respawn || at <= dseek_now())
			continue;
		if (at == ~0ull) {
			pthread_cond_wait(&inst->timer_cond, &inst->lock);
		} else {
			struct timespec ts = { .tv_sec = at / 1000000000u, .tv_nsec = at % 1000000000u };

			pthread_cond_timedwait(&inst->timer_cond, &inst->lock, &ts);
		}
	}
	embed_unlock(inst);
	return NULL;
}

int embed_timer_start(struct embed_instance *inst)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&inst->timer_cond, &attr);
	pthread_condattr_destroy(&attr);
	inst->timer_at = ~0ull;
	r = pthread_create(&inst->timer, NULL, timer_main, inst);
	return r ? dseek_fail(-r, "embed: can't start a thread") : 0;
}

/* inst->stopping is set */
void embed_timer_stop(struct embed_instance *inst)
{
	embed_lock(inst);
	pthread_cond_signal(&inst->timer_cond);
	embed_unlock(inst);
	pthread_join(inst->timer, NULL);
	pthread_cond_destroy(&inst->timer_cond);
}
