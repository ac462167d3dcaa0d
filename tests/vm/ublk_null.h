/* SPDX-License-Identifier: MIT */
/* A null block device in user space (ublk): the kernel's own way to hand requests to a server, as a measure for ours. */
#ifndef UBLK_NULL_H
#define UBLK_NULL_H

#include <sys/types.h>

struct ublk_null {
	int control, dev_id;
	pid_t server;
};

/*
 * Starts a server process on @cpu with one queue of @depth requests, which it completes without looking at them. The
 * device is /dev/ublkbN, N = dev_id. 0, or a negative errno: -ENODEV without the driver.
 */
int ublk_null_start(struct ublk_null *ublk, int depth, int cpu);
void ublk_null_stop(struct ublk_null *ublk);

#endif /* UBLK_NULL_H */
