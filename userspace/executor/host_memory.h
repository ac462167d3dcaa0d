/* SPDX-License-Identifier: MIT */
/*
 * Memory of this machine where a backend gives an engine's own (backend.h): files that are memory, with a dma-buf of each where
 * /dev/udmabuf may be opened and takes that size.
 */
#ifndef DSEEK_HOST_MEMORY_H
#define DSEEK_HOST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct host_memory;	/* one piece; those of a backend are a list */

/* Zeroed; @size: whole pages. *ret_fd: a dma-buf, or the file itself, the caller's to close. -ENOMEM, with one sentence in @err. */
int host_memory_alloc(struct host_memory **list, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size);
void host_memory_free(struct host_memory **list, void *base);	/* clears it, whoever still has the file */
void host_memory_free_all(struct host_memory **list);

/* A dma-buf of the memory file @fd, which can't shrink, all @size bytes of it; -1: none can be had. */
int host_memory_dmabuf(int fd, uint64_t size);

#endif /* DSEEK_HOST_MEMORY_H */
