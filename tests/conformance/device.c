// SPDX-License-Identifier: MIT
#include "suite.h"

static void open_refusals(void)
{
	struct dseek_device *dev = (void *)1;

	CHECK_FAILS(dseek_open(NULL, NULL, &dev), EINVAL, "spec is NULL");
	CHECK_FAILS(dseek_open("embed:", NULL, NULL), EINVAL, "ret_dev is NULL");
	CHECK_FAILS(dseek_open("cuda:0", NULL, &dev), EINVAL, "not auto, drm: or embed:");
	CHECK_FAILS(dseek_open("embed", NULL, &dev), EINVAL, "not auto, drm: or embed:");
	CHECK_FAILS(dseek_open("drm:/dev/null", NULL, &dev), ENODEV, "/dev/null is no device of dseek");
	CHECK_FAILS(dseek_open("drm:/nonexistent", NULL, &dev), ENOENT, "/nonexistent");
	CHECK(dev == (void *)1);
}

static void embed_spec_refusals(void)
{
	char name[128] = "embed:x,name=";
	struct dseek_device *dev;

	CHECK_FAILS(dseek_open("embed:x,depth=0", NULL, &dev), EINVAL, "depth=0: not a number from 1 to 64");
	CHECK_FAILS(dseek_open("embed:x,depth=65", NULL, &dev), EINVAL, "depth=65");
	CHECK_FAILS(dseek_open("embed:x,limit_ms=-1", NULL, &dev), EINVAL, "limit_ms=-1");
	CHECK_FAILS(dseek_open("embed:x,limit_ms=", NULL, &dev), EINVAL, "limit_ms=");
	CHECK_FAILS(dseek_open("embed:x,limit_ms=1s", NULL, &dev), EINVAL, "limit_ms=1s");
	CHECK_FAILS(dseek_open("embed:x,rate_limit=1000000001", NULL, &dev), EINVAL, "not a number from 0 to 1000000000");
	CHECK_FAILS(dseek_open("embed:x,null", NULL, &dev), EINVAL, "'null' isn't KEY=VALUE");
	CHECK_FAILS(dseek_open("embed:x,=1", NULL, &dev), EINVAL, "has no key");
	CHECK_FAILS(dseek_open("embed:x,engine=nonesuch", NULL, &dev), ENOENT, "no backend is called 'nonesuch'");
	CHECK_FAILS(dseek_open("embed:x,engine=/nonexistent.so", NULL, &dev), ENOENT, "/nonexistent.so");
	CHECK_FAILS(dseek_open("embed:x,engine=null,colour=red", NULL, &dev), EINVAL, "unknown option 'colour'");
	CHECK_FAILS(dseek_open("embed:x,engine=null,name=UPPER", NULL, &dev), EINVAL, "a-z 0-9");
	memset(name + strlen(name), 'n', 40);
	CHECK_FAILS(dseek_open(name, NULL, &dev), EINVAL, "name= has over 31 characters");
	memset(name, 'i', 120);
	memcpy(name, "embed:", 6);
	CHECK_FAILS(dseek_open(name, NULL, &dev), EINVAL, "instance= has over 63 characters");
}

static void tenant_names(void)
{
	struct dseek_open_params params = { .tenant = "" };
	struct dseek_device *dev;
	struct dseek_tenant_info info;

	if (!on_embed()) {
		params.tenant = "gold";
		CHECK_FAILS(dseek_open("drm:", &params, &dev), EINVAL, "the kernel decides");
		return;
	}
	CHECK_FAILS(dseek_open("embed:t,engine=none", &params, &dev), EINVAL, "a name has 1 to 31 characters");
	params.tenant = "a-name-of-more-than-thirty-one-characters";
	CHECK_FAILS(dseek_open("embed:t,engine=none", &params, &dev), EINVAL, "a name has 1 to 31 characters");
	dev = device_open_as(NULL, "gold");
	CHECK_OK(dseek_tenant_info(dev, &info));
	CHECK(strcmp(info.name, "gold") == 0);
	dseek_close(dev);
}

static void engines(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_engine_info info, again;
	uint32_t n = 0;
	int r;

	while ((r = dseek_engine_info(dev, n, &info)) == 0) {
		CHECK(info.name[0] && info.type < DSEEK_ENGINE_TYPE_COUNT);
		if (info.attached && (!info.depth || !info.generation))
			fail(__FILE__, __LINE__, "engine %s is attached with depth %u and generation %llu", info.name, info.depth,
			     (unsigned long long)info.generation);
		CHECK_OK(dseek_engine_find(dev, info.name, &again));
		CHECK_EQ(again.id, info.id);
		n++;
	}
	CHECK_EQ(r, -ENOENT);
	CHECK_FAILS(dseek_engine_info(dev, n, &info), ENOENT, "there is no engine");
	CHECK_FAILS(dseek_engine_find(dev, "nonesuch", &info), ENOENT, "no engine is called 'nonesuch'");
	CHECK_FAILS(dseek_engine_info(NULL, 0, &info), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_engine_info(dev, 0, NULL), EINVAL, "ret_info is NULL");
	CHECK_FAILS(dseek_engine_find(NULL, NULL, &info), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_engine_find(dev, NULL, NULL), EINVAL, "ret_info is NULL");
	dseek_close(dev);
}

static void tenant(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_tenant_info info;

	CHECK(strcmp(dseek_transport(dev), on_embed() ? "embed" : "drm") == 0);
	CHECK_OK(dseek_tenant_info(dev, &info));
	CHECK(info.queue_limit > 0 && info.job_limit > 0 && info.weight_limit > 0 && info.pinned_limit > 0);
	CHECK(info.program_limit > 0 && info.rate_limit > 0);
	CHECK(info.class_mask & 1u << DSEEK_CLASS_BATCH);
	CHECK_FAILS(dseek_tenant_info(NULL, &info), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_tenant_info(dev, NULL), EINVAL, "ret_info is NULL");
	dseek_close(dev);
	dseek_close(NULL);
}

static void close_before_objects(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_program *prog = program_nop(dev);
	struct dseek_queue *queue = queue_fair(dev, any_engine(dev), DSEEK_CLASS_BATCH, 1);
	struct dseek_syncobj *syncobj;
	struct dseek_bo *bo;

	CHECK_OK(dseek_bo_create(dev, 4096, 0, -1, &bo));
	CHECK_OK(dseek_syncobj_create(dev, 0, &syncobj));
	dseek_close(dev);
	memset(dseek_bo_map(bo), 7, 4096);
	CHECK_OK(wait_for(queue, submit_program(queue, prog)).error);
	dseek_bo_destroy(bo);
	dseek_syncobj_destroy(syncobj);
	dseek_program_destroy(prog);
	dseek_queue_destroy(queue);
	dseek_bo_destroy(NULL);
	dseek_program_destroy(NULL);
	dseek_queue_destroy(NULL);
	dseek_syncobj_destroy(NULL);
}

static void shared_instance(void)
{
	struct dseek_device *a, *b;
	struct dseek_engine_info info_a, info_b;

	if (!on_embed())
		skip("instances are of the embedded transport");
	a = device_open_as(NULL, "a");
	b = device_open_as(NULL, "b");
	CHECK_OK(dseek_engine_find(a, NULL, &info_a));
	CHECK_OK(dseek_engine_find(b, NULL, &info_b));
	CHECK_EQ(info_a.generation, info_b.generation);
	CHECK_EQ(info_a.generation, 1);
	dseek_close(a);
	CHECK_OK(dseek_engine_find(b, NULL, &info_b));
	dseek_close(b);
	/* The last close ended it: this is another one. */
	a = device_open(NULL);
	CHECK_OK(dseek_engine_find(a, NULL, &info_a));
	CHECK_EQ(info_a.generation, 1);
	CHECK_EQ(info_a.busy_ns, 0);
	dseek_close(a);
}

const struct test device_tests[] = {
	{ "open refuses what it can't mean", open_refusals },
	{ "embed: keys out of range", embed_spec_refusals },
	{ "tenant names", tenant_names },
	{ "engines", engines },
	{ "tenant", tenant },
	{ "objects outlive the close of their device", close_before_objects },
	{ "devices of one instance share it", shared_instance },
	{ NULL },
};
