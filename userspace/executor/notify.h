/* SPDX-License-Identifier: MIT */
/* What a service manager is told: the datagrams of sd_notify(3), without its library. */
#ifndef EXECUTOR_NOTIFY_H
#define EXECUTOR_NOTIFY_H

/*
 * Sends @format, lines of NAME=VALUE, to the socket that NOTIFY_SOCKET names: a path, or after an '@' an abstract name.
 * 0 without the variable, or once sent; -EINVAL if it names no socket or the text is longer than 512 bytes, or what
 * sendto(2) says.
 */
int executor_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
