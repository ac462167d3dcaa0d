// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the administrator reads and sets of engines: /sys/class/misc/dseek-exec/device/engines/NAME. Settings outlive
 * the executor: the next that attaches the name finds them.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "dseek_drv.h"

struct engine_attribute {
	struct attribute attr;
	ssize_t (*show)(struct dseek_engine *engine, char *buf);
	int (*store)(struct dseek_engine *engine, const char *buf);
};

static ssize_t id_show(struct dseek_engine *engine, char *buf)
{
	return sysfs_emit(buf, "%u\n", engine->id);
}

static ssize_t type_show(struct dseek_engine *engine, char *buf)
{
	static const char *const names[DRM_DSEEK_ENGINE_TYPE_COUNT] = { "null", "cpu", "gpu", "npu", "nic" };

	return sysfs_emit(buf, "%s\n", names[engine->type]);
}

static ssize_t state_show(struct dseek_engine *engine, char *buf)
{
	const char *state;

	spin_lock_irq(&engine->lock);
	state = engine->gone ? "gone" : !engine->exec ? "waiting" : engine->draining ? "draining" : "attached";
	spin_unlock_irq(&engine->lock);
	return sysfs_emit(buf, "%s\n", state);
}

/* As the reader's namespace knows it; 0: there is none, or it is none of that namespace. */
static ssize_t executor_pid_show(struct dseek_engine *engine, char *buf)
{
	pid_t pid = 0;

	spin_lock_irq(&engine->lock);
	if (engine->exec)
		pid = pid_vnr(engine->exec->pid);
	spin_unlock_irq(&engine->lock);
	return sysfs_emit(buf, "%d\n", pid);
}

/* A uid, as the reader's namespace knows it, or "any". */
static ssize_t owner_show(struct dseek_engine *engine, char *buf)
{
	return uid_valid(engine->owner) ? sysfs_emit(buf, "%u\n", from_kuid_munged(current_user_ns(), engine->owner)) :
	       sysfs_emit(buf, "any\n");
}

static u32 list_count(const struct list_head *list)
{
	const struct list_head *at;
	u32 count = 0;

	list_for_each(at, list)
		count++;
	return count;
}

/* A number that is read under the lock. */
#define NUMBER(name, value) \
	static ssize_t name##_show(struct dseek_engine *engine, char *buf) \
	{ \
		s64 number; \
		spin_lock_irq(&engine->lock); \
		number = (value); \
		spin_unlock_irq(&engine->lock); \
		return sysfs_emit(buf, "%lld\n", number); \
	}

NUMBER(numa_node, engine->numa_node)
NUMBER(generation, engine->generation)
NUMBER(busy_ns, engine->busy_ns)
NUMBER(longest_op_ns, engine->longest_op_ns)
NUMBER(job_count, engine->jobs)
NUMBER(queued, engine->ready)
NUMBER(standby_count, list_count(&engine->standby))
NUMBER(running, engine->exec ? dseek_exec_holds(engine->exec) : 0)
NUMBER(attached_depth, engine->exec ? engine->depth : 0)
NUMBER(drain, engine->draining)

/* 1 .. what the executor attached with, or "max". */
static ssize_t depth_show(struct dseek_engine *engine, char *buf)
{
	u32 depth = READ_ONCE(engine->depth_set);

	return depth == DSEEK_SETTING_DEFAULT ? sysfs_emit(buf, "max\n") : sysfs_emit(buf, "%u\n", depth);
}

static int depth_store(struct dseek_engine *engine, const char *buf)
{
	u32 depth = DSEEK_SETTING_DEFAULT, most;
	int err = 0;

	if (!sysfs_streq(buf, "max"))
		err = kstrtou32(buf, 10, &depth);
	if (err)
		return err;
	spin_lock_irq(&engine->lock);
	most = engine->exec ? engine->depth : DRM_DSEEK_MAX_DEPTH;
	if (!depth || (depth != DSEEK_SETTING_DEFAULT && depth > most))
		err = -ERANGE;
	else
		WRITE_ONCE(engine->depth_set, depth);
	WRITE_ONCE(engine->events, engine->events + 1);
	spin_unlock_irq(&engine->lock);
	wake_up_interruptible_all(&engine->wait);	/* there may be room for more */
	return err;
}

static int drain_store(struct dseek_engine *engine, const char *buf)
{
	bool drain;
	int err = kstrtobool(buf, &drain);

	if (err)
		return err;
	spin_lock_irq(&engine->lock);
	engine->draining = drain;
	if (drain && engine->exec)
		dseek_memory_refuse(engine, engine->exec);
	spin_unlock_irq(&engine->lock);
	return 0;
}

static ssize_t setting_show(const u32 *set, char *buf)
{
	u32 value = READ_ONCE(*set);

	return value == DSEEK_SETTING_DEFAULT ? sysfs_emit(buf, "default\n") : sysfs_emit(buf, "%u\n", value);
}

static int setting_store(u32 *set, const char *buf)
{
	u32 value = DSEEK_SETTING_DEFAULT;
	int err = sysfs_streq(buf, "default") ? 0 : kstrtou32(buf, 10, &value) ?:
		  value == DSEEK_SETTING_DEFAULT ? -ERANGE : 0;

	if (!err)
		WRITE_ONCE(*set, value);
	return err;
}

/* Milliseconds, or "default": what the module parameter of the same name says. */
#define SETTING(name, member) \
	static ssize_t name##_show(struct dseek_engine *engine, char *buf) \
	{ \
		return setting_show(&engine->member, buf); \
	} \
	static int name##_store(struct dseek_engine *engine, const char *buf) \
	{ \
		return setting_store(&engine->member, buf); \
	}

SETTING(job_limit_ms, limit_ms_set)
SETTING(grace_ms, grace_ms_set)
SETTING(recovery_ms, recovery_ms_set)

#define RO(name) \
	static struct engine_attribute name##_attr = { .attr = { #name, 0444 }, .show = name##_show }
#define RW(name) \
	static struct engine_attribute name##_attr = { \
		.attr = { #name, 0644 }, .show = name##_show, .store = name##_store }

RO(id);
RO(type);
RO(state);
RO(owner);
RO(executor_pid);
RO(numa_node);
RO(generation);
RO(busy_ns);
RO(longest_op_ns);
RO(job_count);
RO(queued);
RO(running);
RO(standby_count);
RO(attached_depth);
RW(depth);
RW(drain);
RW(job_limit_ms);
RW(grace_ms);
RW(recovery_ms);

static struct attribute *engine_attrs[] = {
	&id_attr.attr, &type_attr.attr, &state_attr.attr, &owner_attr.attr, &executor_pid_attr.attr,
	&numa_node_attr.attr, &generation_attr.attr, &busy_ns_attr.attr, &longest_op_ns_attr.attr,
	&job_count_attr.attr,
	&queued_attr.attr, &running_attr.attr, &standby_count_attr.attr, &attached_depth_attr.attr,
	&depth_attr.attr, &drain_attr.attr, &job_limit_ms_attr.attr, &grace_ms_attr.attr,
	&recovery_ms_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(engine);

static struct dseek_engine *to_engine(struct kobject *kobj)
{
	return container_of(kobj, struct dseek_engine, kobj);
}

static ssize_t engine_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	return container_of(attr, struct engine_attribute, attr)->show(to_engine(kobj), buf);
}

static ssize_t engine_store(struct kobject *kobj, struct attribute *attr, const char *buf, size_t count)
{
	struct dseek_engine *engine = to_engine(kobj);
	int err = container_of(attr, struct engine_attribute, attr)->store(engine, buf);

	if (err)
		drm_dbg(&dseek->drm, "engine %s: %s: this can't be\n", engine->name, attr->name);
	return err ?: count;
}

static const struct sysfs_ops engine_sysfs_ops = {
	.show = engine_show,
	.store = engine_store,
};

static void engine_release(struct kobject *kobj)
{
	kfree(to_engine(kobj));
}

const struct kobj_type dseek_engine_ktype = {
	.release = engine_release,
	.sysfs_ops = &engine_sysfs_ops,
	.default_groups = engine_groups,
};
