// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "embed.h"

int embed_program_create(struct dseek_device *base, const void *blob, size_t size,
			 struct dseek_program **ret_prog)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	struct embed_program *prog = calloc(1, sizeof(*prog));
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
	prog->id = ++dev->inst->last_id;
	embed_unlock(dev->inst);
	*ret_prog = &prog->base;
	return 0;
}

void embed_program_put(struct embed_program *prog)
{
	if (--prog->refs)
		return;
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
