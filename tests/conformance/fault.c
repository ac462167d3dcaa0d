// SPDX-License-Identifier: MIT
/* On the fault backend: by option in an embedded instance, by program on an engine called fault*. */
#include "suite.h"

static struct dseek_device *fault_device(const char *keys, uint32_t *ret_engine)
{
	struct dseek_device *dev = device_open(keys);
	struct dseek_engine_info info;
	uint32_t i;

	for (i = 0; dseek_engine_info(dev, i, &info) == 0; i++) {
		if (info.attached && (on_embed() || strncmp(info.name, "fault", 5) == 0)) {
			*ret_engine = info.id;
			return dev;
		}
	}
	skip("no engine called fault* is attached");
}

static void by_program(void)
{
	uint32_t engine;
	struct dseek_device *dev = fault_device("engine=fault", &engine);
	struct dseek_program *eio = program_spin(dev, 9999000 + EIO, 1), *erange = program_spin(dev, 9999000 + ERANGE, 1);
	struct dseek_program *nop = program_nop(dev);
	struct dseek_queue *queue = queue_fair(dev, engine, DSEEK_CLASS_BATCH, 1);
	struct dseek_queue_stats stats;

	CHECK_EQ(wait_for(queue, submit_program(queue, eio)).error, -EIO);
	CHECK_EQ(wait_for(queue, submit_program(queue, erange)).error, -ERANGE);
	CHECK_OK(wait_for(queue, submit_program(queue, nop)).error);
	CHECK_OK(dseek_queue_stats(queue, &stats));
	CHECK_EQ(stats.faulted, 2);
	dseek_queue_destroy(queue);
	dseek_program_destroy(eio);
	dseek_program_destroy(erange);
	dseek_program_destroy(nop);
	dseek_close(dev);
}

static void by_option(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_device *dev;
	uint32_t engine;
	int i;

	if (!on_embed())
		skip("an attached engine's options are its owner's");
	dev = fault_device("engine=fault,every=3,error=5", &engine);
	prog = program_nop(dev);
	queue = queue_fair(dev, engine, DSEEK_CLASS_BATCH, 1);
	for (i = 1; i <= 9; i++)
		CHECK_EQ(wait_for(queue, submit_program(queue, prog)).error, i % 3 ? 0 : -EIO);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_close(dev);
}

static void deaf(void)
{
	uint32_t engine;
	struct dseek_device *dev = fault_device("engine=fault", &engine);
	struct dseek_program *prog = program_spin(dev, 9998003, 1), *nop = program_nop(dev);
	struct dseek_queue *queue = queue_fair(dev, engine, DSEEK_CLASS_BATCH, 1);
	struct dseek_job job = { .program = prog, .limit_ns = 50000000 };

	submit_one(queue, &job);
	submit_program(queue, nop);
	CHECK_EQ(wait_for(queue, 1).error, -ETIMEDOUT);
	CHECK_OK(wait_for(queue, 2).error);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_program_destroy(nop);
	dseek_close(dev);
}

static void options(void)
{
	struct dseek_device *dev;

	if (!on_embed())
		skip("an attached engine's options are its owner's");
	CHECK_FAILS(dseek_open("embed:f,engine=fault,every=0", NULL, &dev), EINVAL, "every=0 is no interval");
	CHECK_FAILS(dseek_open("embed:f,engine=fault,error=5000", NULL, &dev), EINVAL, "error=5000: not a number up to 4095");
	CHECK_FAILS(dseek_open("embed:f,engine=fault,hang=x", NULL, &dev), EINVAL, "hang=x: not a number");
	CHECK_FAILS(dseek_open("embed:f,engine=null,every=1", NULL, &dev), EINVAL, "null: unknown option 'every'");
	CHECK_FAILS(dseek_open("embed:f,engine=null,spin=2", NULL, &dev), EINVAL, "spin=2");
}

const struct test fault_tests[] = {
	{ "errors by program", by_program },
	{ "errors by option", by_option },
	{ "deaf until aborted", deaf },
	{ "options out of range", options },
	{ NULL },
};
