// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "embed.h"

int embed_program_create(struct dseek_device *base, const void *blob, size_t size,
			 struct dseek_program **ret_prog)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	struct embed_program *prog = calloc(1, sizeof(*prog));
	struct embed_tenant *tenant = dev->tenant;
	uint64_t limit = dev->inst->params.program_limit;
	uint32_t i;

	if (!prog)
		return dseek_fail(-ENOMEM, "program: no memory");
	prog->blob = malloc(size);
	if (!prog->blob) {
		free(prog);
		return dseek_fail(-ENOMEM, "program: no memory");
	}
	memcpy(prog->blob, blob, size);
	prog->size = size;
	prog->refs = 1;
	prog->inst = dev->inst;
	for (i = 0; i < EMBED_MAX_ENGINES; i++)
		prog->cost[i].key = arb_cost_key(blob, size);
	embed_lock(dev->inst);
	if (size > limit || tenant->program_bytes > limit - size) {
		dseek_fail(-EDQUOT, "program: %zu bytes and %llu already, tenant %s may have %llu", size,
			   (unsigned long long)tenant->program_bytes, tenant->name, (unsigned long long)limit);
		embed_unlock(dev->inst);
		free(prog->blob);
		free(prog);
		return -EDQUOT;
	}
	prog->tenant = tenant;
	tenant->refs++;
	tenant->program_bytes += size;
	prog->id = ++dev->inst->last_id;
	embed_unlock(dev->inst);
	*ret_prog = &prog->base;
	return 0;
}

void embed_program_put(struct embed_program *prog)
{
	if (--prog->refs)
		return;
	prog->tenant->program_bytes -= prog->size;
	embed_tenant_put(prog->tenant);
	free(prog->blob);
	free(prog);
}

void embed_program_destroy(struct dseek_program *base)
{
	struct embed_program *prog = container_of(base, struct embed_program, base);
	struct embed_instance *inst = prog->inst;

	embed_lock(inst);
	embed_program_put(prog);
	embed_unlock(inst);
}
