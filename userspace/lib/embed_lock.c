// SPDX-License-Identifier: MIT
/* The instance's lock, and sleeping and waking around it. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "embed.h"

void embed_lock(struct embed_instance *inst)
{
	pthread_mutex_lock(&inst->lock);
}

static void futex_wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void embed_unlock(struct embed_instance *inst)
{
	struct embed_event *wakes[EMBED_WAKES];
	struct embed_bo *dead;
	uint32_t i, count;
	uint64_t now = 0;

	embed_fences_run(inst);
	for (i = 0; i < inst->engine_count; i++) {
		if (!inst->engines[i]->dirty)
			continue;
		if (!now)
			now = dseek_now();
		embed_engine_kick(inst->engines[i], now);
	}
	count = inst->wake_count;
	for (i = 0; i < count; i++)
		wakes[i] = inst->wakes[i];
	inst->wake_count = 0;
	dead = inst->dead_bos;
	inst->dead_bos = NULL;
	pthread_mutex_unlock(&inst->lock);
	/*
	 * The object around an event may be freed by now. The kernel only takes the word's address as a
	 * key, so the worst is a wake of nobody, or of a sleeper who looks and sleeps again.
	 */
	for (i = 0; i < count; i++)
		futex_wake_all(&wakes[i]->seq);
	embed_bos_free(dead);
}

void embed_wake(struct embed_instance *inst, struct embed_event *event)
{
	uint32_t i;

	if (!event->waiters)
		return;
	__atomic_add_fetch(&event->seq, 1, __ATOMIC_RELEASE);
	for (i = 0; i < inst->wake_count; i++)
		if (inst->wakes[i] == event)
			return;
	if (inst->wake_count < EMBED_WAKES)
		inst->wakes[inst->wake_count++] = event;
	else
		futex_wake_all(&event->seq);
}

bool embed_sleep(struct embed_instance *inst, struct embed_event *event, uint64_t until_ns)
{
	struct timespec ts = { .tv_sec = until_ns / 1000000000u, .tv_nsec = until_ns % 1000000000u };
	uint32_t seq = event->seq;

	if (until_ns == 0 || dseek_now() >= until_ns)
		return false;
	event->waiters++;
	embed_unlock(inst);
	syscall(SYS_futex, &event->seq, FUTEX_WAIT_BITSET_PRIVATE, seq,
		until_ns == ~0ull || until_ns > INT64_MAX ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
	embed_lock(inst);
	event->waiters--;
	return true;
}
