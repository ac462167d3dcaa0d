// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking for a while before sleeping. A sleep and a wake-up cost more than a short job: two switches, an interrupt to another CPU,
 * and what that takes to leave its idle state. So who has waited a short time lately looks first, for up to twice as long as that,
 * on its own CPU time and only while nothing else wants the CPU; who has not, sleeps at once. This is KVM's halt polling
 * (virt/kvm/kvm_main.c), limit and all.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "dseek_drv.h"

static uint poll_us = 200;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us, "how long WAIT and NEXT may look, at most, before they sleep; 0: they sleep at once (200)");

static u32 limit_ns(void)
{
	return min_t(u64, (u64)READ_ONCE(poll_us) * NSEC_PER_USEC, NSEC_PER_SEC);
}

u64 dseek_poll_begin(void)
{
	return READ_ONCE(poll_us) ? ktime_get_ns() : 0;
}

u64 dseek_poll_until(const struct dseek_poll *poll, u64 began_ns)
{
	return began_ns ? began_ns + min(READ_ONCE(poll->window_ns), limit_ns()) : 0;
}

bool dseek_poll_on(u64 until_ns)
{
	if (need_resched() || !single_task_running() || signal_pending(current))
		return false;
	cpu_relax();
	return ktime_get_ns() < until_ns;
}

void dseek_poll_end(struct dseek_poll *poll, u64 began_ns)
{
	u32 limit = limit_ns(), window = READ_ONCE(poll->window_ns);
	u64 waited;

	if (!began_ns)
		return;
	waited = ktime_get_ns() - began_ns;
	if (waited > limit)
		window /= 2;
	else
		window = max_t(u32, min_t(u64, 2 * waited, limit), window - window / 8);
	WRITE_ONCE(poll->window_ns, window);
}
