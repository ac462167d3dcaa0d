// SPDX-License-Identifier: GPL-2.0-only
/*
 * A data race on purpose, and the same done right beside it: whether the kernel that watches for races sees any, and
 * only those. Two threads count, one a CPU, while the module is there.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#define THREADS	2

static unsigned long racy, guarded;
static DEFINE_SPINLOCK(guard);
static struct task_struct *threads[THREADS];

static noinline void race_unguarded(void)
{
	racy++;
}

static noinline void race_guarded(void)
{
	spin_lock(&guard);
	guarded++;
	spin_unlock(&guard);
}

static int count(void *unused)
{
	while (!kthread_should_stop()) {
		race_unguarded();
		race_guarded();
		cond_resched();
	}
	return 0;
}

static void stop(void)
{
	int i;

	for (i = 0; i < THREADS && threads[i]; i++)
		kthread_stop(threads[i]);
}

static int __init race_init(void)
{
	struct task_struct *thread;
	int i;

	for (i = 0; i < THREADS; i++) {
		thread = kthread_run_on_cpu(count, NULL, i % num_online_cpus(), "race/%u");
		if (IS_ERR(thread)) {
			stop();
			return PTR_ERR(thread);
		}
		threads[i] = thread;
	}
	return 0;
}

static void __exit race_exit(void)
{
	stop();
	pr_info("race: %lu unguarded, %lu guarded\n", racy, guarded);
}

module_init(race_init);
module_exit(race_exit);
MODULE_DESCRIPTION("a data race on purpose");
MODULE_LICENSE("GPL");
