// SPDX-License-Identifier: GPL-2.0-only
/* Programs: immutable bytes that the executor reads once, and what each engine has learned of their cost. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "dseek_copy.h"
#include "dseek_drv.h"

static void program_free(struct kref *ref)
{
	struct dseek_program *program = container_of(ref, struct dseek_program, ref);
	struct arb_cost *cost;
	unsigned long id;

	xa_for_each(&program->costs, id, cost)
		kfree(cost);
	xa_destroy(&program->costs);
	kvfree(program->blob);
	dseek_uncharge(program->tenant, DSEEK_PROGRAMS, program->size);
	dseek_tenant_put(program->tenant);
	kfree(program);
	dseek_count(DSEEK_COUNT_PROGRAMS, -1);
}

void dseek_program_put_many(struct dseek_program *program, u32 count)
{
	if (refcount_sub_and_test(count, &program->ref.refcount))
		program_free(&program->ref);
}

void dseek_program_put(struct dseek_program *program)
{
	dseek_program_put_many(program, 1);
}

struct dseek_program *dseek_program_find(struct dseek_file *file, u32 handle)
{
	struct dseek_program *program;

	xa_lock(&file->programs);
	program = xa_load(&file->programs, handle);
	if (program)
		kref_get(&program->ref);
	xa_unlock(&file->programs);
	return program;
}

struct arb_cost *dseek_program_cost(struct dseek_program *program, u32 engine_id)
{
	struct arb_cost *cost = xa_load(&program->costs, engine_id);
	struct arb_cost *old;

	if (cost)
		return cost;
	cost = kzalloc(sizeof(*cost), DSEEK_GFP);
	if (!cost)
		return ERR_PTR(-ENOMEM);
	cost->key = program->key;
	old = xa_cmpxchg(&program->costs, engine_id, NULL, cost, DSEEK_GFP);
	if (!old)
		return cost;
	kfree(cost);
	return xa_is_err(old) ? ERR_PTR(xa_err(old)) : old;
}

int dseek_ioctl_program_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_program_create *args = data;
	struct dseek_tenant *tenant = file->tenant;
	struct dseek_program *program;
	u32 handle;
	int err;

	if (args->flags || args->pad || !args->size || args->size > DRM_DSEEK_MAX_PROGRAM) {
		drm_dbg(drm, "PROGRAM_CREATE: flags, pad, or size %u not in 1..%d\n", args->size,
			DRM_DSEEK_MAX_PROGRAM);
		return -EINVAL;
	}
	err = dseek_charge(tenant, DSEEK_PROGRAMS, args->size);
	if (err)
		return err;
	err = dseek_room(args->size);
	if (err)
		goto err_charge;
	err = -ENOMEM;
	program = kzalloc(sizeof(*program), DSEEK_GFP);
	if (!program)
		goto err_charge;
	kref_init(&program->ref);
	program->id = dseek_new_id();
	program->size = args->size;
	program->tenant = tenant;
	xa_init_flags(&program->costs, XA_FLAGS_ACCOUNT);
	program->blob = kvmalloc(args->size, DSEEK_GFP);
	if (!program->blob)
		goto err_program;
	err = dseek_copy_in(program->blob, args->pointer, args->size, DSEEK_COPIED_PROGRAMS);
	if (err)
		goto err_blob;
	program->key = arb_cost_key(program->blob, program->size);
	/* From here on program_free() undoes everything. */
	dseek_tenant_get(tenant);
	dseek_count(DSEEK_COUNT_PROGRAMS, 1);
	err = xa_alloc(&file->programs, &handle, program, xa_limit_32b, DSEEK_GFP);
	if (err) {
		dseek_program_put(program);
		return err;
	}
	args->handle = handle;
	return 0;

err_blob:
	kvfree(program->blob);
err_program:
	kfree(program);
err_charge:
	dseek_uncharge(tenant, DSEEK_PROGRAMS, args->size);
	return err;
}

int dseek_ioctl_program_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_program_destroy *args = data;
	struct dseek_program *program;

	if (args->pad) {
		drm_dbg(drm, "PROGRAM_DESTROY: pad must be 0\n");
		return -EINVAL;
	}
	program = xa_erase(&file->programs, args->handle);
	if (!program)
		return -ENOENT;
	dseek_program_put(program);
	return 0;
}

void dseek_programs_close(struct dseek_file *file)
{
	struct dseek_program *program;
	unsigned long handle;

	xa_for_each(&file->programs, handle, program)
		dseek_program_put(program);
	xa_destroy(&file->programs);
}
