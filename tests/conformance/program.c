// SPDX-License-Identifier: MIT
#include "suite.h"

static void *nop_blob(uint32_t n_ops, size_t *ret_size)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	uint32_t i;
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
	for (i = 0; i < n_ops; i++)
		dseek_builder_op(b, &op);
	CHECK_OK(dseek_builder_finish(b, &blob, ret_size));
	dseek_builder_destroy(b);
	return blob;
}

static void refusals(void)
{
	struct dseek_device *dev = device_open(NULL);
	struct dseek_program *prog = (void *)1;
	size_t size;
	char *blob = nop_blob(1, &size);

	CHECK_FAILS(dseek_program_create(NULL, blob, size, &prog), EINVAL, "dev is NULL");
	CHECK_FAILS(dseek_program_create(dev, NULL, size, &prog), EINVAL, "blob is NULL");
	CHECK_FAILS(dseek_program_create(dev, blob, size, NULL), EINVAL, "ret_prog is NULL");
	CHECK_FAILS(dseek_program_create(dev, blob, 0, &prog), EINVAL, "program: 0 bytes");
	CHECK_FAILS(dseek_program_create(dev, blob, DRM_DSEEK_MAX_PROGRAM + 1, &prog), EINVAL, "program: 1048577 bytes");
	CHECK_FAILS(dseek_program_create(dev, blob, size - 8, &prog), EINVAL, "program: ");
	blob[0] ^= 1;
	CHECK_FAILS(dseek_program_create(dev, blob, size, &prog), EINVAL, "program: ");
	CHECK(prog == (void *)1);
	free(blob);
	dseek_close(dev);
}

static void quota(void)
{
	struct dseek_program **progs, *more;
	struct dseek_tenant_info info;
	struct dseek_queue *queue;
	uint64_t before, seqno;
	uint32_t n, i, tag;
	struct manual m;
	size_t size;
	void *blob;

	manual_open(&m, 1, "program_limit=4000000");
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	if (info.program_limit > 256 << 20)
		skip("this tenant may have %llu bytes of programs", (unsigned long long)info.program_limit);
	before = info.program_bytes;
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	blob = nop_blob(4096, &size);	/* large, so that few fill the quota */
	n = (uint32_t)((info.program_limit - before) / size);
	CHECK(n > 1);
	progs = calloc(n, sizeof(*progs));
	for (i = 0; i < n; i++)
		CHECK_OK(dseek_program_create(m.dev, blob, size, &progs[i]));
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	CHECK_EQ(info.program_bytes, before + n * size);
	CHECK_FAILS(dseek_program_create(m.dev, blob, size, &more), EDQUOT, "program: ");
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	CHECK_EQ(info.program_bytes, before + n * size);
	/* A job in flight keeps its program, and what that costs. */
	seqno = submit_program(queue, progs[0]);
	dseek_program_destroy(progs[0]);
	CHECK_FAILS(dseek_program_create(m.dev, blob, size, &more), EDQUOT, "program: ");
	tag = manual_fetch_one(&m);
	manual_done(&m, tag, 0, 0);
	CHECK_OK(wait_for(queue, seqno).error);
	CHECK_OK(dseek_program_create(m.dev, blob, size, &progs[0]));
	for (i = 0; i < n; i++)
		dseek_program_destroy(progs[i]);
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	CHECK_EQ(info.program_bytes, before);
	free(progs);
	free(blob);
	dseek_queue_destroy(queue);
	manual_close(&m);
}

static void outlives_handle(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue;
	size_t size;
	void *blob = nop_blob(1, &size);
	char copy[4096];
	struct manual m;
	uint64_t seqno;
	uint32_t tag;

	manual_open(&m, 1, NULL);
	CHECK_OK(dseek_program_create(m.dev, blob, size, &prog));
	queue = queue_fair(m.dev, m.engine, DSEEK_CLASS_BATCH, 1);
	seqno = submit_program(queue, prog);
	dseek_program_destroy(prog);
	tag = manual_fetch_one(&m);
	CHECK_EQ(dseek_exec_job(m.exec, tag)->program_size, size);
	CHECK_EQ(dseek_exec_program(m.exec, tag, copy, size - 1), -ENOSPC);
	CHECK_OK(dseek_exec_program(m.exec, tag, copy, sizeof(copy)));
	CHECK(memcmp(copy, blob, size) == 0);
	manual_done(&m, tag, 0, 0);
	CHECK_OK(wait_for(queue, seqno).error);
	free(blob);
	dseek_queue_destroy(queue);
	manual_close(&m);
}

const struct test program_tests[] = {
	{ "refusals", refusals },
	{ "lives as long as its jobs", outlives_handle },
	{ "quota of bytes", quota },
	{ NULL },
};
