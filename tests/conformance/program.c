// SPDX-License-Identifier: MIT
#include "suite.h"

static void *nop_blob(size_t *ret_size)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
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
	char *blob = nop_blob(&size);

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

static void outlives_handle(void)
{
	struct dseek_program *prog;
	struct dseek_queue *queue;
	size_t size;
	void *blob = nop_blob(&size);
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
	{ NULL },
};
