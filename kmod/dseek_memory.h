/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of an engine's own, which its executor gives and frees: what is behind a buffer with DRM_DSEEK_BO_DEVICE. */
#ifndef DSEEK_MEMORY_H
#define DSEEK_MEMORY_H

#include <linux/types.h>

struct dma_buf;
struct drm_dseek_memory;
struct drm_dseek_memory_request;
struct dseek_device;
struct dseek_engine;
struct dseek_exec;
struct dseek_file;
struct dseek_memory;
struct vm_area_struct;

/* Charged to @file's tenant. Waits for the executor's answer, interruptibly; ERR_PTR as DRM_IOCTL_DSEEK_BO_CREATE says. */
struct dseek_memory *dseek_memory_create(struct dseek_file *file, u32 engine_id, u64 bo_id, u64 size);
void dseek_memory_put(struct dseek_memory *memory);	/* its buffer goes; process context */
u32 dseek_memory_flags(const struct dseek_memory *memory);	/* DRM_DSEEK_BO_* */
u32 dseek_memory_engine(const struct dseek_memory *memory);	/* id */
bool dseek_memory_lost(const struct dseek_memory *memory);	/* for good; else for now */
int dseek_memory_check(const struct dseek_memory *memory, u64 set);	/* may jobs of a queue with these engines name it? -EXDEV, -ENODEV */
int dseek_memory_mmap(struct dseek_memory *memory, struct vm_area_struct *vma, pgoff_t page);
struct dma_buf *dseek_memory_export(struct dseek_memory *memory);	/* a reference; ERR_PTR */
void dseek_memory_init(struct dseek_device *dev);
void dseek_memory_fini(struct dseek_device *dev);	/* no file is open */

/* For NEXT: a request that the executor hasn't been told of; one that it couldn't be; ids of what it is to free. */
bool dseek_memory_tell(struct dseek_exec *exec, struct drm_dseek_memory_request *request);
void dseek_memory_untell(struct dseek_exec *exec, const u64 *bo_ids, u32 count);
u32 dseek_memory_take_unwanted(struct dseek_exec *exec, u64 *ids, u32 max);

int dseek_memory_answer(struct dseek_exec *exec, const struct drm_dseek_memory *args);
void dseek_memory_refuse(struct dseek_engine *engine, struct dseek_exec *exec);	/* what is unanswered: -ENODEV; engine->lock held */
void dseek_memory_forget(struct dseek_exec *exec);	/* its file closes, and it serves nothing */

#endif /* DSEEK_MEMORY_H */
