// SPDX-License-Identifier: MIT
/* Backends by name and by file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dseek.h>
#include <dseek_program.h>
#include "../../userspace/executor/backend.h"
#include "../check_run.h"

static char err[300];

static const struct dseek_backend *load(const char *variant)
{
	const char *build = getenv("DSEEK_BUILD");
	char path[500];

	snprintf(path, sizeof(path), "%s/tests/executor/%s.so", build ? build : "build", variant);
	*err = '\0';
	return dseek_backend_find(path, err, sizeof(err));
}

START_TEST(builtin)
{
	ck_assert_ptr_eq(dseek_backend_find("cpu", err, sizeof(err)), &dseek_backend_cpu);
	ck_assert_ptr_eq(dseek_backend_find("null", err, sizeof(err)), &dseek_backend_null);
	ck_assert_ptr_eq(dseek_backend_find("fault", err, sizeof(err)), &dseek_backend_fault);
	ck_assert_ptr_eq(dseek_backend_find("hip", err, sizeof(err)), &dseek_backend_hip);
	ck_assert_ptr_eq(dseek_backend_find("npu", err, sizeof(err)), &dseek_backend_npu);
	ck_assert_ptr_eq(dseek_backend_at(0), &dseek_backend_cpu);
	ck_assert_ptr_eq(dseek_backend_at(3), &dseek_backend_hip);
	ck_assert_ptr_eq(dseek_backend_at(4), &dseek_backend_npu);
	ck_assert_ptr_eq(dseek_backend_at(5), &dseek_backend_opencl);
	ck_assert_ptr_null(dseek_backend_at(6));
	ck_assert_ptr_null(dseek_backend_find("sample", err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "no backend is called 'sample'"));
}
END_TEST

START_TEST(refusals)
{
	ck_assert_ptr_null(load("nonesuch"));
	ck_assert_ptr_nonnull(strstr(err, "nonesuch.so"));
	ck_assert_ptr_null(load("sample_other_abi"));
	ck_assert_ptr_nonnull(strstr(err, "is of backend ABI 99, this is 5"));
	ck_assert_ptr_null(load("sample_no_symbol"));
	ck_assert_ptr_nonnull(strstr(err, "exports no dseek_backend"));
	ck_assert_ptr_null(load("sample_no_run"));
	ck_assert_ptr_nonnull(strstr(err, "lacks a name, open() or run()"));
	ck_assert_ptr_null(load("sample_no_type"));
	ck_assert_ptr_nonnull(strstr(err, "sample_no_type.so is of engine type 5, there are 5, from 0"));
}
END_TEST

/* Loaded by an embedded instance, running a job. */
START_TEST(loaded)
{
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	const char *build = getenv("DSEEK_BUILD");
	struct dseek_job_result result;
	struct dseek_engine_info info;
	struct dseek_device *dev;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	struct dseek_job job;
	uint64_t seqno;
	char spec[500];
	size_t size;
	void *blob;

	snprintf(spec, sizeof(spec), "embed:loaded,engine=%s/tests/executor/sample_backend.so", build ? build : "build");
	ck_assert_msg(dseek_open(spec, NULL, &dev) == 0, "%s", dseek_strerror_detail());
	ck_assert_int_eq(dseek_engine_find(dev, "npu0", &info), 0);
	memset(op.t, 0xff, sizeof(op.t));
	dseek_builder_op(b, &op);
	ck_assert_int_eq(dseek_builder_finish(b, &blob, &size), 0);
	dseek_builder_destroy(b);
	ck_assert_int_eq(dseek_program_create(dev, blob, size, &prog), 0);
	free(blob);
	params.engine = info.id;
	ck_assert_int_eq(dseek_queue_create(dev, &params, &queue), 0);
	job = (struct dseek_job) { .program = prog };
	ck_assert_int_eq(dseek_submit(queue, &job, 1, &seqno, NULL), 1);
	ck_assert_int_eq(dseek_wait(queue, seqno, ~0ull, &result), 0);
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(result.engine_ns, 4242);
	dseek_queue_destroy(queue);
	dseek_program_destroy(prog);
	dseek_close(dev);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("executor");
	TCase *c = tcase_create("registry");

	tcase_add_test(c, builtin);
	tcase_add_test(c, refusals);
	tcase_add_test(c, loaded);
	suite_add_tcase(suite, c);
	return check_run(suite);
}
