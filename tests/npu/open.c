// SPDX-License-Identifier: MIT
/* How the npu backend finds an NPU, what it says of it, what it refuses to open, and that without AIE binaries no program is taken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/npu/npu_uapi.h"
#include "../ops/one_op.h"
#include "../tap.h"
#include "files.h"
#include "model.h"

static const struct npu_model machine = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1 };
static char err[500];

/* Opening fails with @error and words of @why; nothing is left. */
static void refused(const struct npu_model *model, const char *options, int error, const char *why, const char *what)
{
	void *state;
	int r;

	npu_model_reset(model);
	*err = 0;
	r = dseek_backend_npu.open(options, &state, err, sizeof(err));
	tap_ok(r == error && strstr(err, why) && !strncmp(err, "npu: ", 5) && !npu_model_left(), "%s: %s", what, err);
	if (r != error || !strstr(err, why))
		printf("# %d, wanted %d and \"%s\"; %u left\n", r, error, why, npu_model_left());
	if (!r)
		dseek_backend_npu.close(state);
}

static void described(const struct npu_model *model, const char *options, const char *words, const char *what)
{
	char text[400] = "";
	void *state;
	int r;

	npu_model_reset(model);
	r = dseek_backend_npu.open(options, &state, err, sizeof(err));
	if (r) {
		tap_ok(0, "%s: %s", what, err);
		return;
	}
	dseek_backend_npu.describe(state, text, sizeof(text));
	dseek_backend_npu.close(state);
	tap_ok(strstr(text, words) && !npu_model_left() && !*npu_model_complaint(), "%s: %s%s", what, text, npu_model_complaint());
}

static void test_nodes(void)
{
	struct npu_model model = { .cols = 4, .core_rows = 4 };

	refused(&model, NULL, -ENODEV, "there is no /dev/accel/accel*: no NPU, or amdxdna", "no accelerator at all");
	model.drivers[0] = "intel_vpu";
	refused(&model, NULL, -ENODEV, "/dev/accel/accel0 is driven by intel_vpu, not by amdxdna", "another's driver");
	refused(&model, "device=/dev/accel/accel0", -ENODEV, "/dev/accel/accel0 is driven by intel_vpu", "another's driver, by name");
	refused(&model, "device=/dev/accel/accel2", -ENOENT, "/dev/accel/accel2: No such file or directory (2)", "a node that isn't there");
	model.drivers[1] = NPU_DRIVER;
	described(&model, NULL, "/dev/accel/accel1, ABI 0.10", "an NPU behind another accelerator");
	described(&model, "device=/dev/accel/accel1", "/dev/accel/accel1, ABI 0.10, AIE 2.1, 4 columns of 4 cores, firmware 1.5.2.380, 1800 MHz",
		  "by name");
	model.major = 1;
	refused(&model, "device=/dev/accel/accel1", -EPROTO, "/dev/accel/accel1: amdxdna's ABI is 1.10, this backend speaks 0.x", "a driver from before Linux's");
	model.major = 0;
	model.terse = 1;
	described(&model, NULL, "4 columns of 4 cores; no AIE binaries: every program is refused", "a driver that tells neither firmware nor clock");
	model.cols = 0;
	refused(&model, NULL, -EPROTO, "an array of 0 columns with 4 rows", "an array without columns");
	npu_model_reset(&machine);
	npu_model_fail("open", 1, -EACCES);
	tap_ok(dseek_backend_npu.open(NULL, (void *[]){ NULL }, err, sizeof(err)) == -EACCES &&
	       strstr(err, "npu: /dev/accel/accel0: Permission denied (13)"), "a node of somebody else's: %s", err);
}

static void test_options(void)
{
	refused(&machine, "nothing=1", -EINVAL, "unknown option 'nothing'", "an option that there isn't");
	refused(&machine, "device", -EINVAL, "unknown option 'device'", "an option without a value");
	refused(&machine, "priority=urgent", -EINVAL, "priority=urgent: not realtime, high, normal or low", "a priority");
	refused(&machine, "abort_ms=soon", -EINVAL, "abort_ms=soon: not a number", "a time that is none");
	refused(&machine, "abort_ms=-1", -EINVAL, "abort_ms=-1: not a number", "a negative time");
	refused(&machine, "abort_ms=1000000001", -EINVAL, "not a number up to 1000000000", "a time that is too long");
	refused(&machine, "binaries=/nonexistent", -ENOENT, "binaries=/nonexistent: No such file", "a folder that isn't there");
	described(&machine, "priority=realtime,abort_ms=5,,", "every program is refused", "all that there are");
}

static void test_context(void)
{
	struct npu_model model = machine;
	char options[400], options_low[420], words[400];

	snprintf(options, sizeof(options), "binaries=%s", npu_folder());
	snprintf(words, sizeof(words), "no AIE binaries in %s: every program is refused", npu_folder());
	described(&model, options, words, "an empty folder");
	npu_product("a", DSEEK_LAYOUT_ROWS, 64, 48, 4, "cu");
	npu_product("b", DSEEK_LAYOUT_PACKED, 64, 48, 4, "npu");
	snprintf(options_low, sizeof(options_low), "%s,priority=low", options);
	described(&model, options_low, "2 AIE binaries on 4 columns; weights in buffers that jobs may write to are read in place, others copied", "binaries");
	model.user_memory = 0;
	described(&model, options, "weights are copied for each op", "a driver that takes no user memory");
	model.no_timeline = 1;
	refused(&model, options, -EOPNOTSUPP, "user mode queues, which this backend doesn't know", "an NPU of another kind");
	model = machine;
	model.cols = 3;
	refused(&model, options, -ENODEV, "overlay.xclbin is for 4 columns, the NPU has 3", "binaries for a larger array");
	npu_model_reset(&machine);
	npu_model_fail("CREATE_HWCTX", 1, -ENOSPC);
	tap_ok(npu_folder_open(NULL, (void *[]){ NULL }, err, sizeof(err)) == -ENOSPC &&
	       strstr(err, "npu: CREATE_HWCTX: No space left on device (28), on 4 columns of 4") && !npu_model_left(), "no room on the array: %s", err);
}

/* What a program has that the NPU can't do is named, and why. */
static void refuse_op(void *state, struct one_op *o, const char *why)
{
	struct dseek_program_view view = { .header = &o->header, .tensors = o->tensors, .bindings = o->bindings, .ops = &o->op };
	void *prepared;
	int r;

	*err = 0;
	r = dseek_backend_npu.program_prepare(state, &view, &prepared, err, sizeof(err));
	tap_ok(r == -ENOTSUP && strstr(err, why), "refused: %s", err);
	one_op_free(o);
}

static void linear(struct one_op *o, uint32_t dtype, uint32_t layout, uint32_t k, uint32_t n, uint16_t flags)
{
	one_op_init(o, DSEEK_OP_LINEAR, flags);
	one_op_tensor(o, 0, DSEEK_F32, k, 2, 1);
	one_op_weight(o, 1, dtype, layout, k, n, 1, NULL);
	one_op_tensor(o, 4, DSEEK_F32, n, 2, 1);
}

static void test_programs(void)
{
	struct one_op o;
	void *state, *prepared;

	npu_model_reset(&machine);
	if (!tap_ok(!dseek_backend_npu.open(NULL, &state, err, sizeof(err)), "no binaries: it attaches"))
		return;
	linear(&o, DSEEK_Q8_0, 0, 64, 48, 0);
	refuse_op(state, &o, "op 0, linear: there are no AIE binaries (option binaries= names a folder of them)");
	one_op_init(&o, DSEEK_OP_NOP, 0);
	tap_ok(!dseek_backend_npu.program_prepare(state, &(struct dseek_program_view){ .header = &o.header, .ops = &o.op }, &prepared, err, sizeof(err)),
	       "what needs no NPU is taken");
	dseek_backend_npu.close(state);

	if (!tap_ok(!npu_folder_open(NULL, &state, err, sizeof(err)), "with binaries"))
		return;
	linear(&o, DSEEK_Q8_0, 0, 64, 32, 0);
	refuse_op(state, &o, "op 0, linear: no AIE binary for unpacked weights [64, 32]:");
	linear(&o, DSEEK_Q8_0, DSEEK_LAYOUT_PACKED, 96, 48, 0);
	refuse_op(state, &o, "no AIE binary for packed weights [96, 48]:");
	tap_ok(strstr(err, " has a [64, 48] b [64, 48] packed") != NULL, "and there are: %s", strstr(err, " has") ? strstr(err, " has") : err);
	linear(&o, DSEEK_Q8_0, 0, 64, 48, DSEEK_PROGRAM_PRECISE);
	refuse_op(state, &o, "op 0, linear: the program asks for float32 activations");
	linear(&o, DSEEK_Q4_0, 0, 64, 48, 0);
	refuse_op(state, &o, "op 0, linear: weights of type Q4_0");
	linear(&o, DSEEK_Q8_0, 0, 64, 48, 0);
	o.tensors[1].stride[0] += 2;
	refuse_op(state, &o, "op 0, linear: rows of a weight have gaps");
	one_op_init(&o, DSEEK_OP_ARGMAX, 0);
	one_op_tensor(&o, 0, DSEEK_F32, 64, 2, 1);
	one_op_tensor(&o, 1, DSEEK_I32, 2, 1, 1);
	refuse_op(state, &o, "op 0, argmax: the NPU does int8 products (linear) alone");
	dseek_backend_npu.close(state);
}

int main(void)
{
	test_nodes();
	test_options();
	test_context();
	test_programs();
	return tap_end();
}
