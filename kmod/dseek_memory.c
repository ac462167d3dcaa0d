// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers in an engine's own memory (VRAM). The module has none of it: it asks the executor, who answers with a dma-buf or without one, and
 * tells it when to free. Who asks waits for the answer; what is asked for is on a list of the executor's until then. What was
 * given is on none: it is lost with the generation of the engine, which it remembers.
 *
 * A dma-buf is the executor's driver's, and what a tenant has of it, descriptors and mappings, is none of the module's. It would
 * outlive the buffer uncharged, and show what the memory is used for next. So the memory stays charged and is not given back
 * while its dma-buf has more references than it had when it was given (its driver's own, as amdgpu has some, and the module's). Nobody
 * tells when one goes: that is looked at, now and then.
 */
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "dseek_compat.h"
#include "dseek_drv.h"

#define LINGER (HZ / 20)	/* from one look to the next */

enum memory_state {
	MEMORY_WANTED,		/* on exec->wanted: the executor hasn't been told */
	MEMORY_ASKED,		/* on exec->asked: it has */
	MEMORY_OVER,		/* on no list: it said no, or nobody answers */
	MEMORY_GIVEN,		/* on no list, until it is nobody's: exec->unwanted */
};

struct dseek_memory {
	struct dseek_engine *engine;
	struct dseek_tenant *tenant;
	u64 bo_id, size;
	u64 generation;			/* of the engine */
	struct dma_buf *dmabuf;		/* NULL: it can't be exported */
	unsigned long idle_refs;	/* of @dmabuf, where no tenant has it */
	wait_queue_head_t wait;		/* for the answer */
	/* engine->lock */
	enum memory_state state;
	int error;			/* of MEMORY_OVER */
	struct list_head link;		/* also dseek->lingering, under dseek->map_lock */
};

static struct dseek_memory *memory_alloc(struct dseek_file *file, struct dseek_engine *engine, u64 bo_id, u64 size)
{
	struct dseek_memory *memory = kzalloc(sizeof(*memory), DSEEK_GFP);
	int err;

	if (!memory)
		return ERR_PTR(-ENOMEM);
	err = dseek_charge(file->tenant, DSEEK_DEVICE, size);
	if (err) {
		kfree(memory);
		return ERR_PTR(err);
	}
	memory->engine = engine;
	memory->tenant = dseek_tenant_get(file->tenant);
	memory->bo_id = bo_id;
	memory->size = size;
	init_waitqueue_head(&memory->wait);
	INIT_LIST_HEAD(&memory->link);
	dseek_count(DSEEK_COUNT_MEMORIES, 1);
	return memory;
}

static void memory_free(struct dseek_memory *memory)
{
	kfree(memory);
	dseek_count(DSEEK_COUNT_MEMORIES, -1);
}

static void memory_uncharge(struct dseek_memory *memory)
{
	dseek_uncharge(memory->tenant, DSEEK_DEVICE, memory->size);
	dseek_tenant_put(memory->tenant);
}

/* The executor that gave it serves no more. */
static bool is_lost(const struct dseek_memory *memory)
{
	lockdep_assert_held(&memory->engine->lock);
	return !memory->engine->exec || memory->engine->generation != memory->generation;
}

static void stir(struct dseek_engine *engine)
{
	WRITE_ONCE(engine->events, engine->events + 1);
	wake_up_interruptible(&engine->wait);
}

/* ---- the tenant's side */

static int ask(struct dseek_memory *memory)
{
	struct dseek_engine *engine = memory->engine;
	int err = 0;

	spin_lock_irq(&engine->lock);
	if (!engine->exec || engine->draining)
		err = -ENODEV;
	else if (!engine->exec->memory)
		err = -EOPNOTSUPP;
	if (!err) {
		memory->generation = engine->generation;
		list_add_tail(&memory->link, &engine->exec->wanted);
		stir(engine);
	}
	spin_unlock_irq(&engine->lock);
	if (err)
		drm_dbg(&dseek->drm, "BO_CREATE: engine %s %s\n", engine->name,
			err == -ENODEV ? "has no executor, or is drained" : "gives no memory");
	return err;
}

/* Whatever ends the wait, an answer that has come counts. */
static int wait_for_answer(struct dseek_memory *memory)
{
	struct dseek_engine *engine = memory->engine;
	u64 most = dseek_setting_ns(&engine->limit_ms_set, &dseek_limit_ms) +
		   dseek_setting_ns(&engine->grace_ms_set, &dseek_grace_ms);
	long err;

	err = wait_event_interruptible_timeout(memory->wait, READ_ONCE(memory->state) >= MEMORY_OVER,
					       min_t(u64, nsecs_to_jiffies64(most) + 1, MAX_SCHEDULE_TIMEOUT - 1));
	spin_lock_irq(&engine->lock);
	if (memory->state == MEMORY_GIVEN)
		err = 0;
	else if (memory->state == MEMORY_OVER)
		err = memory->error;
	else
		err = err ?: -ETIMEDOUT;
	list_del_init(&memory->link);
	spin_unlock_irq(&engine->lock);
	return err;
}

struct dseek_memory *dseek_memory_create(struct dseek_file *file, u32 engine_id, u64 bo_id, u64 size)
{
	struct dseek_engine *engine = dseek_engine_find(engine_id);
	struct dseek_memory *memory;
	int err;

	if (!engine) {
		drm_dbg(&dseek->drm, "BO_CREATE: no engine %u\n", engine_id);
		return ERR_PTR(-ENOENT);
	}
	if (!dseek_engine_admits(engine, file)) {
		drm_dbg(&dseek->drm, "BO_CREATE: engine %s is another user's\n", engine->name);
		return ERR_PTR(-EACCES);
	}
	memory = memory_alloc(file, engine, bo_id, size);
	if (IS_ERR(memory))
		return memory;
	err = ask(memory);
	if (!err)
		err = wait_for_answer(memory);
	if (!err) {
		/* Somebody may have had a look at it when it was given (/proc, a copy of its descriptor): that is no reference to stay. */
		if (memory->dmabuf)
			memory->idle_refs = min_t(unsigned long, memory->idle_refs, file_count(memory->dmabuf->file));
		return memory;
	}
	memory_uncharge(memory);
	memory_free(memory);
	return ERR_PTR(err);
}

bool dseek_memory_lost(const struct dseek_memory *memory)
{
	bool lost;

	spin_lock_irq(&memory->engine->lock);
	lost = is_lost(memory);
	spin_unlock_irq(&memory->engine->lock);
	return lost;
}

u32 dseek_memory_flags(const struct dseek_memory *memory)
{
	return DRM_DSEEK_BO_DEVICE | (memory->dmabuf ? DRM_DSEEK_BO_EXPORTABLE : 0) |
	       (dseek_memory_lost(memory) ? DRM_DSEEK_BO_LOST : 0);
}

u32 dseek_memory_engine(const struct dseek_memory *memory)
{
	return memory->engine->id;
}

/* Jobs of @set, bits (1 << engine id), are about to name it. */
int dseek_memory_check(const struct dseek_memory *memory, u64 set)
{
	if (set != BIT_ULL(memory->engine->id))
		return -EXDEV;
	return dseek_memory_lost(memory) ? -ENODEV : 0;
}

static int reach(const struct dseek_memory *memory, const char *what)
{
	int err = dseek_memory_lost(memory) ? -ENODEV : memory->dmabuf ? 0 : -EOPNOTSUPP;

	if (err)
		drm_dbg(&dseek->drm, "%s: the memory of engine %s %s\n", what, memory->engine->name,
			err == -ENODEV ? "is lost" : "has no dma-buf");
	return err;
}

int dseek_memory_mmap(struct dseek_memory *memory, struct vm_area_struct *vma, pgoff_t page)
{
	int err = reach(memory, "mmap");

	return err ?: dseek_dmabuf_mmap(memory->dmabuf, vma, page);
}

struct dma_buf *dseek_memory_export(struct dseek_memory *memory)
{
	int err = reach(memory, "export");

	if (err)
		return ERR_PTR(err);
	get_dma_buf(memory->dmabuf);
	return memory->dmabuf;
}

/* Nobody has it but the executor. */
static void give_back(struct dseek_memory *memory)
{
	struct dseek_engine *engine = memory->engine;
	bool lost;

	if (memory->dmabuf)
		dma_buf_put(memory->dmabuf);
	memory_uncharge(memory);
	spin_lock_irq(&engine->lock);
	lost = is_lost(memory);
	if (!lost) {
		list_add_tail(&memory->link, &engine->exec->unwanted);
		stir(engine);
	}
	spin_unlock_irq(&engine->lock);
	if (lost)
		memory_free(memory);
}

/* If it isn't, and the buffer is gone, there is nobody who could make it so. */
static bool is_shared(const struct dseek_memory *memory)
{
	return memory->dmabuf && file_count(memory->dmabuf->file) > memory->idle_refs;
}

static void linger(struct dseek_memory *memory)
{
	spin_lock(&dseek->map_lock);
	list_add_tail(&memory->link, &dseek->lingering);
	spin_unlock(&dseek->map_lock);
	queue_delayed_work(dseek->free_wq, &dseek->linger_work, LINGER);
}

static void linger_work(struct work_struct *work)
{
	struct dseek_memory *memory, *next;
	LIST_HEAD(alone);
	bool again;

	spin_lock(&dseek->map_lock);
	list_for_each_entry_safe(memory, next, &dseek->lingering, link)
		if (!is_shared(memory))
			list_move_tail(&memory->link, &alone);
	again = !list_empty(&dseek->lingering);
	spin_unlock(&dseek->map_lock);
	list_for_each_entry_safe(memory, next, &alone, link) {
		list_del_init(&memory->link);
		give_back(memory);
	}
	if (again)
		queue_delayed_work(dseek->free_wq, &dseek->linger_work, LINGER);
}

void dseek_memory_put(struct dseek_memory *memory)
{
	if (is_shared(memory))
		linger(memory);
	else
		give_back(memory);
}

void dseek_memory_init(struct dseek_device *dev)
{
	INIT_LIST_HEAD(&dev->lingering);
	INIT_DELAYED_WORK(&dev->linger_work, linger_work);
}

/* No executor is left, so all of it is lost; a foreign dma-buf, or a mapping of one, holds no module. */
void dseek_memory_fini(struct dseek_device *dev)
{
	struct dseek_memory *memory, *next;

	flush_workqueue(dev->free_wq);	/* buffers that wait to be freed may have some */
	cancel_delayed_work_sync(&dev->linger_work);
	list_for_each_entry_safe(memory, next, &dev->lingering, link) {
		list_del_init(&memory->link);
		give_back(memory);
	}
}

/* ---- the executor's side */

static struct dseek_memory *find_asked(struct dseek_exec *exec, u64 bo_id)
{
	struct dseek_memory *memory;

	list_for_each_entry(memory, &exec->asked, link)
		if (memory->bo_id == bo_id)
			return memory;
	return NULL;
}

bool dseek_memory_tell(struct dseek_exec *exec, struct drm_dseek_memory_request *request)
{
	struct dseek_engine *engine = exec->engine;
	struct dseek_memory *memory;

	spin_lock_irq(&engine->lock);
	memory = list_first_entry_or_null(&exec->wanted, struct dseek_memory, link);
	if (memory) {
		WRITE_ONCE(memory->state, MEMORY_ASKED);
		list_move_tail(&memory->link, &exec->asked);
		*request = (struct drm_dseek_memory_request) {
			.bo_id = memory->bo_id, .size = memory->size, .tenant_id = memory->tenant->id,
		};
	}
	spin_unlock_irq(&engine->lock);
	return memory;
}

/* It could not be told: the next call is. Those that nobody waits for any more are gone. */
void dseek_memory_untell(struct dseek_exec *exec, const u64 *bo_ids, u32 count)
{
	struct dseek_engine *engine = exec->engine;
	struct dseek_memory *memory;

	spin_lock_irq(&engine->lock);
	while (count--) {
		memory = find_asked(exec, bo_ids[count]);
		if (!memory)
			continue;
		WRITE_ONCE(memory->state, MEMORY_WANTED);
		list_move(&memory->link, &exec->wanted);
	}
	spin_unlock_irq(&engine->lock);
}

u32 dseek_memory_take_unwanted(struct dseek_exec *exec, u64 *ids, u32 max)
{
	struct dseek_engine *engine = exec->engine;
	struct dseek_memory *memory, *next;
	LIST_HEAD(taken);
	u32 count = 0;

	spin_lock_irq(&engine->lock);
	while (count < max && !list_empty(&exec->unwanted)) {
		memory = list_first_entry(&exec->unwanted, struct dseek_memory, link);
		ids[count++] = memory->bo_id;
		list_move_tail(&memory->link, &taken);
	}
	spin_unlock_irq(&engine->lock);
	list_for_each_entry_safe(memory, next, &taken, link)
		memory_free(memory);
	return count;
}

/* The file is closing. */
void dseek_memory_forget(struct dseek_exec *exec)
{
	struct dseek_memory *memory, *next;

	WARN_ON(!list_empty(&exec->wanted) || !list_empty(&exec->asked));
	list_for_each_entry_safe(memory, next, &exec->unwanted, link)
		memory_free(memory);
}

static void end(struct dseek_memory *memory, enum memory_state state, int error)
{
	memory->error = error;
	WRITE_ONCE(memory->state, state);
	list_del_init(&memory->link);
	wake_up(&memory->wait);		/* who waits comes by the lock before it frees what is woken here */
}

void dseek_memory_refuse(struct dseek_engine *engine, struct dseek_exec *exec)
{
	struct list_head *const lists[] = { &exec->wanted, &exec->asked };
	struct dseek_memory *memory, *next;
	size_t i;

	lockdep_assert_held(&engine->lock);
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_entry_safe(memory, next, lists[i], link)
			end(memory, MEMORY_OVER, -ENODEV);
}

int dseek_memory_answer(struct dseek_exec *exec, const struct drm_dseek_memory *args)
{
	struct dseek_engine *engine = exec->engine;
	struct dma_buf *dmabuf = NULL;
	struct dseek_memory *memory;
	int err = 0;

	if (args->flags || args->pad || args->error > 0 || args->error < -MAX_ERRNO || args->fd < -1 ||
	    (args->error && args->fd >= 0)) {
		drm_dbg(&dseek->drm, "MEMORY: flags 0x%x, pad, error %d or descriptor %d\n", args->flags, args->error, args->fd);
		return -EINVAL;
	}
	if (!engine)
		return -ENOTCONN;
	if (args->fd >= 0) {
		dmabuf = dma_buf_get(args->fd);
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
	}
	spin_lock_irq(&engine->lock);
	memory = find_asked(exec, args->bo_id);
	if (exec->lost) {
		err = -ESTALE;
	} else if (engine->exec != exec) {	/* it stands by */
		err = -ENOTCONN;
	} else if (!memory) {
		err = -ENOENT;
	} else if (dmabuf && dmabuf->size != memory->size) {
		err = -EINVAL;
	} else {
		memory->dmabuf = dmabuf;
		if (dmabuf)	/* but for the descriptor that it is given by, which is closed then */
			memory->idle_refs = file_count(dmabuf->file) - 1;
		end(memory, args->error ? MEMORY_OVER : MEMORY_GIVEN, args->error);
	}
	spin_unlock_irq(&engine->lock);
	if (err)
		drm_dbg(&dseek->drm, "MEMORY: engine %s, buffer %llu: %s\n", engine->name, args->bo_id,
			err == -ENOENT ? "nobody waits for it" : err == -EINVAL ? "a dma-buf of another size" : "it doesn't serve the engine");
	if (err && dmabuf)
		dma_buf_put(dmabuf);
	return err;
}
