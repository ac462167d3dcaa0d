/* SPDX-License-Identifier: MIT */
/*
 * The program format: what a job runs. An immutable, self-contained list of ops over tensors that live
 * in the job's bindings. Little-endian; written by the builder below (or by any other producer),
 * carried by the kernel unopened, validated once by whoever runs it.
 *
 *	header | params[n_params] | bindings[n_bindings] | tensors[n_tensors] | ops[n_ops] | labels[n_labels] | code
 *
 * What a job may vary from run to run is its constants: u32 words, word i being parameter i, with a
 * range stated in the program. Extents of tensors and integer arguments of ops may refer to
 * parameters. Validation shows once, for the whole range of every parameter, that no op reaches outside the
 * sizes that the program states for its bindings; for a job only the sizes and ranges remain to be checked.
 * Values in memory that act as an index (token ids, positions, expert numbers) belong to the tenant, who
 * may change them at any time: an op reads such a value once and checks it, and the job faults with -ERANGE.
 *
 * Within a binding an output overlaps no other operand of its op, except where an op says "may be": then both
 * have the same place, shape and strides. Two bindings of a job may still be the same memory: what is computed then is
 * the tenant's own affair; that it stays within the bindings is ours. A binding's offset in its buffer is a multiple of 64.
 */
#ifndef DSEEK_PROGRAM_H
#define DSEEK_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define DSEEK_PROGRAM_MAGIC		0x504b5344u	/* "DSKP" */
#define DSEEK_PROGRAM_VERSION		1
#define DSEEK_PROGRAM_MAX_PARAMS	64
#define DSEEK_PROGRAM_MAX_BINDINGS	16
#define DSEEK_PROGRAM_MAX_TENSORS	8192
#define DSEEK_PROGRAM_MAX_OPS		8192
#define DSEEK_PROGRAM_MAX_KERNELS	256

/*
 * Element types; numbers of our own. Blocks as in GGUF files. MXFP4 (OCP Microscaling Formats 1.0, 2023, 5.3.1 and 5.4.1): E2M1 numbers with a
 * scale of 2^(e - 127) for each 32, 17 bytes. F8_E4M3 (kernels/f8.h): a row is one code an element, in fours, and behind them
 * the row's scale, a float32 that all are multiplied by. A scale for fewer elements wouldn't lower the bound of what rounding costs: that is half
 * a unit of the mantissa, 2^-4 of an element, as long as it is above 2^-14.8 of its row's largest (precision.h has the rest).
 */
enum dseek_dtype {
	DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_I32,
	DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_Q4_K, DSEEK_Q6_K, DSEEK_MXFP4,
	DSEEK_F8_E4M3,
	DSEEK_DTYPE_COUNT,
};

/*
 * How the rows of a 2-D weight (or of each expert of a 3-D one) lie in memory.
 * ROWS: one after the other. PACKED: interleaved for the vector units, the same bits in another order;
 * dseek_tensor_pack() makes it, and only it and the ops know the order. A PACKED tensor is contiguous: stride[0] is
 * dseek_row_bytes(ne0), stride[1] dseek_tensor_bytes(ne0, ne1), one expert, stride[2] is stride[1] * ne[2].
 */
enum dseek_layout { DSEEK_LAYOUT_ROWS, DSEEK_LAYOUT_PACKED, DSEEK_LAYOUT_COUNT };

#define DSEEK_PROGRAM_PRECISE	(1u << 0)	/* header flag: activations stay float32 everywhere */

struct dseek_program_header {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;		/* DSEEK_PROGRAM_* */
	uint32_t total_size;	/* bytes, all of it */
	uint16_t n_params, n_bindings;
	uint32_t n_tensors, n_ops;	/* at least one op */
	uint32_t n_labels;	/* at most one an op; 0: none */
	uint32_t code_size;	/* bytes from struct dseek_program_code to the end; 0: none */
};

struct dseek_program_param {
	uint32_t min, max;	/* inclusive */
};

struct dseek_program_binding {
	uint64_t min_size;	/* bytes a job must bind */
	uint32_t access;	/* DSEEK_ACCESS_*: what ops do with it; a job's binding must allow at least this */
	uint32_t pad;
};

#define DSEEK_NO_PARAM	0xff

/*
 * Shapes as in GGUF: ne[0] varies fastest and is contiguous. Unused dimensions are 1. Extents are below 2^31. Elements do
 * not overlap, in whatever order the dimensions lie. Strides are multiples of 4 for F32, I32 and F8_E4M3, else of 2 (MXFP4: of 1). In the ops
 * below, T, R and lower-case letters may be parameters (whose least value is 1); every other extent is a constant.
 */
struct dseek_program_tensor {
	uint16_t dtype;		/* enum dseek_dtype */
	uint16_t layout;	/* enum dseek_layout; PACKED: contiguous */
	uint32_t binding;
	uint64_t offset;	/* bytes from the start of the binding; 64-aligned */
	uint32_t ne[4];		/* elements; where ne_param says so, the largest value (= the parameter's max) */
	uint8_t ne_param[4];	/* parameter that gives the extent, or DSEEK_NO_PARAM */
	uint32_t pad;
	uint64_t stride[3];	/* bytes between neighbours in dimensions 1, 2, 3 */
};

#define DSEEK_OP_TENSORS	12
#define DSEEK_OP_INTS		8
#define DSEEK_OP_FLOATS		4
#define DSEEK_NO_TENSOR		0xffff

struct dseek_program_op {
	uint16_t code;			/* enum dseek_op_code */
	uint16_t flags;			/* DSEEK_OPF_* */
	uint16_t t[DSEEK_OP_TENSORS];	/* tensors, or DSEEK_NO_TENSOR */
	uint32_t i[DSEEK_OP_INTS];
	float f[DSEEK_OP_FLOATS];
	uint32_t i_param;		/* bit n: i[n] is the number of the parameter that has the value */
};

/*
 * What a stretch of ops is called ("blk.0.attn"), for people and profilers; nothing else looks at it. A label holds from its
 * op to the next label's; labels are in the order of their ops.
 */
#define DSEEK_LABEL_LEN		28

struct dseek_program_label {
	uint32_t op;
	char name[DSEEK_LABEL_LEN];	/* 1..27 printable ASCII characters but blanks; the rest zero */
};

/*
 * Code of the tenant's own: an object as the engine's compiler makes it (for a GPU of AMD's an ELF code object of its target,
 * clang -x hip --offload-device-only --no-gpu-bundle-output), and the names of kernels in it. Engines that several tenants share refuse such
 * programs (-EACCES): nothing keeps what a kernel does within its operands. One that serves a tenant alone may allow them (dseek-exec --own-code).
 *
 *	struct dseek_program_code | kernels[n_kernels] | object, and zeros up to a multiple of 8
 */
#define DSEEK_KERNEL_LEN	64

struct dseek_program_code {
	uint32_t n_kernels;	/* 1..DSEEK_PROGRAM_MAX_KERNELS */
	uint32_t object_size;	/* bytes */
};

struct dseek_program_kernel {
	char name[DSEEK_KERNEL_LEN];	/* 1..63 printable ASCII characters but blanks; the rest zero */
};

#define DSEEK_OPF_ACCUMULATE	(1u << 0)	/* add to the output instead of replacing it */
#define DSEEK_OPF_NORMALISE	(1u << 1)	/* MOE_ROUTE: divide the selected weights by their sum */
#define DSEEK_OPF_RING		(1u << 2)	/* KV_STORE, ATTENTION: position p is in slot p mod N of the caches */
#define DSEEK_OPF_WRITES(n)	(1u << (4 + (n)))	/* KERNEL: operand n is written, too */
#define DSEEK_RING_POSITIONS	(1u << 30)	/* with RING positions are below this, however small N is */

/*
 * What becomes of a gate g and an up u: act(g) * u (Shazeer 2020, "GLU variants improve transformer"). SWIGLU_CLAMPED is gpt-oss's
 * (OpenAI 2025, swiglu() of its reference): g and u are cut to at most LIMIT, u to at least -LIMIT; g * sigmoid(ALPHA * g) * (u + 1).
 */
enum dseek_act { DSEEK_ACT_SILU, DSEEK_ACT_GELU_TANH, DSEEK_ACT_RELU, DSEEK_ACT_SWIGLU_CLAMPED, DSEEK_ACT_COUNT };
#define DSEEK_SWIGLU_ALPHA	1.702f
#define DSEEK_SWIGLU_LIMIT	7.0f
enum dseek_rope { DSEEK_ROPE_INTERLEAVED, DSEEK_ROPE_NEOX, DSEEK_ROPE_COUNT };
/* UNIT: the largest logits are selected, the weight of each is 1 (a dense layer split into experts). */
enum dseek_gate { DSEEK_GATE_SOFTMAX, DSEEK_GATE_SIGMOID, DSEEK_GATE_UNIT, DSEEK_GATE_COUNT };

/*
 * Ops. T is the number of tokens of the run, N the capacity of the KV cache, D the head dimension. Activations are F32.
 * "W" stands for any dtype but I32, ROWS or PACKED. KV caches are F32, F16, BF16 or Q8_0 (then D and Dv are
 * multiples of 32); keys and values of one cache may be of two types.
 */
enum dseek_op_code {
	/* nothing */
	DSEEK_OP_NOP,
	/* i0: keep the engine busy for so many microseconds, at most 10 s; may be a parameter (tests, demonstrations) */
	DSEEK_OP_SPIN,
	/* t0 src, t1 dst: same shape, any of F32/F16/BF16, converted */
	DSEEK_OP_COPY,
	/* t0 ids I32 [T], t1 table W [E,V], t2 out [E,T]; f0 scale (0: none) */
	DSEEK_OP_EMBED,
	/* t0 x [E,x,y], t1 weight F32 [E] or none, t2 out [E,x,y] (may be x); f0 eps. x / sqrt(mean(x^2) + eps) * w
	   (Zhang and Sennrich 2019, equation 4). E may be a head dimension: [D,H,T] works on each head */
	DSEEK_OP_RMSNORM,
	/* t0 x [K,T]; up to three products sharing x: t1..t3 W [K,Nj]; t4..t6 out [Nj,T]; t7..t9 bias F32 [Nj] or none.
	   ACCUMULATE adds to out */
	DSEEK_OP_LINEAR,
	/* t0 x [K,T], t1 gate W [K,F], t2 up W [K,F], t3 out [F,T]; i0 enum dseek_act. act(gate x, up x) */
	DSEEK_OP_GLU,
	/* t0 x [D,H,T] in place, t1 positions I32 [T], t2 frequency factors F32 [i0/2] or none; i0 dimensions rotated (even, <= D),
	   i1 enum dseek_rope; f0 base, f1 frequency scale (Su et al. 2021, equation 15), f2 what the result is multiplied by (0: 1; YaRN's
	   attention scale, Peng et al. 2023, equation 22). Pair p turns by position * f1 * f0^(-2p/i0) / t2[p] */
	DSEEK_OP_ROPE,
	/* t0 k [D,Hkv,T], t1 v [Dv,Hkv,T], t2 k cache [D,Hkv,N], t3 v cache [Dv,Hkv,N], t4 slots I32 [T], each < N; t1 and t3 may both be
	   none: values are in the keys' rows. RING: t4 are positions, T <= N */
	DSEEK_OP_KV_STORE,
	/* t0 q [D,Hq,T], t1 k cache [D,Hkv,N], t2 v cache [Dv,Hkv,N], t3 positions I32 [T] (token t sees cache slots 0..pos[t], pos < N),
	   t4 out [Dv,Hq,T], t5 sinks F32 [Hq] or none; i0 window (0: full; else pos[t]-window < slot), may be a parameter; f0 scale, f1 logit soft-cap (0: none).
	   The v cache may be a part of the k cache: in multi-head latent attention a key is [latent | rotated part] and the latent its value.
	   RING: a token sees the positions above pos[t]-window, in their slots; the window is at least 1 and N >= window - 1 + T, so that a run
	   may store all its tokens before the first of them is served */
	DSEEK_OP_ATTENTION,
	/* t0 logits [X,T], t1 ids out I32 [k,T], t2 weights out [k,T], t3 selection bias F32 [X] or none; i0 k = ne[0] of ids, i1 enum dseek_gate;
	   f0 scale (0: none), f1 least sum when NORMALISE (6.1e-5 in the reference). Ties go to the lower expert; ids of a token are distinct and in
	   falling order of what they were selected by. i2 groups, i3 groups kept, or both 0: experts are in so many equal groups, one after the other,
	   of which only the best are looked at; a group counts as the sum of the two best that its experts are selected by, of one expert as
	   that; ties go to the lower group (DeepSeek-V3, 2024, section 2.1.2, node-limited routing). i3 groups have k experts */
	DSEEK_OP_MOE_ROUTE,
	/* t0 x [K,T], t1 ids I32 [k,T], t2 weights [k,T], t3 gate W [K,F,X], t4 up W [K,F,X], t5 down W [F,M,X], t6 out [M,T],
	   t7 scratch F32 [F,k,T], biases F32 or none: t8 of gate, t9 of up [F,X], t10 of down [M,X]; i0 enum dseek_act.
	   out_t = sum_j weight_jt * (down_e act(gate_e x_t + t8_e, up_e x_t + t9_e) + t10_e), e = ids_jt */
	DSEEK_OP_MOE_FFN,
	/* t0 a, t1 b, t2 out: same shape, F32; out may be a or b */
	DSEEK_OP_ADD,
	DSEEK_OP_MUL,
	/* t0 x [E,T], t1 rows I32 [R], each < T, t2 out [E,R] */
	DSEEK_OP_ROWS,
	/* t0 x [E,T], t1 out I32 [T]: index of the largest, the lowest of equals */
	DSEEK_OP_ARGMAX,
	/* t0 x [K,H,T], t1 W [K,M,H], t2 out [M,H,T]: each head by a matrix of its own, as the absorbed form of multi-head latent attention
	   has it for keys and for values (DeepSeek-V2, 2024, section 2.1.2) */
	DSEEK_OP_HEAD_LINEAR,
	/* t0 q [P+R,H,T], its last R elements rotated, t1 rows of the cache [L+R,1,N] (a latent vector and a rotated key, as KV_STORE stored them; Q8_0: L
	   is a multiple of 32), t2 keys W [P,L,H] and t3 values W [L,M,H] as HEAD_LINEAR takes them, t4 positions I32 [T], t5 out [M,H,T], t6 the same
	   keys turned, W [L,P,H], scratch F32: t7 [L+R,H,T], t8 [L,H,T]; i0 window and f0 scale as ATTENTION's. R is at least 1.
	   Multi-head latent attention (DeepSeek-V2, 2024, section 2.1.2), in whichever form the engine has: absorbed, queries become
	   [t2_h q | R] in t7, attend to the cache's rows and their latents, and t3_h takes the mixture in t8; or with keys [t6_h c | R] and values
	   t3_h c of heads, made of the latents c of a block of positions for many queries at once. Both are the same but for rounding */
	DSEEK_OP_LATENT_ATTENTION,
	DSEEK_OP_COUNT,
	/* t0, t1, ... none between them missing: any but PACKED, whatever their shapes: the kernel's pointers, in the order of its arguments; i0 number of
	   the kernel, i1..i3 groups in x, y and z, may be parameters; i4 lanes of a group; i5 first of the i6 parameters that are the kernel's
	   arguments by value, 32 bits each, in their order. Numbered apart from what engines know themselves */
	DSEEK_OP_KERNEL = 0x100,
};

/* ---- element types (userspace/lib/dtype.c) */

const char *dseek_dtype_name(uint32_t dtype);			/* NULL if unknown */
uint32_t dseek_dtype_block(uint32_t dtype);			/* elements a block; 0 if unknown */
uint32_t dseek_dtype_block_bytes(uint32_t dtype);
uint64_t dseek_row_bytes(uint32_t dtype, uint64_t ne0);		/* with F8_E4M3's scale; 0 if ne0 isn't whole blocks */

/*
 * Bytes of a [ne0, rows] matrix in @layout, 0 if that layout can't hold it. PACKED pads rows to the group size,
 * so it may be larger than ROWS. Packing moves bits, it changes none: unpacking gives the same bytes.
 * BF16 rows of odd length can't be packed. The matrices (experts) of a PACKED 3-D weight are packed one by one and lie
 * stride[1] bytes apart, a multiple of 64, at least dseek_tensor_bytes() of one; stride[0] has no meaning.
 */
#define DSEEK_PACK_ROWS	16
uint64_t dseek_tensor_bytes(uint32_t dtype, uint32_t layout, uint64_t ne0, uint64_t rows);
int dseek_tensor_pack(uint32_t dtype, uint64_t ne0, uint64_t rows, const void *src, void *dst);
int dseek_tensor_pack_row(uint32_t dtype, uint64_t ne0, uint64_t row, const void *src, void *dst);	/* one row into place */
int dseek_tensor_unpack(uint32_t dtype, uint64_t ne0, uint64_t rows, const void *src, void *dst);
int dseek_tensor_row(uint32_t dtype, uint32_t layout, uint64_t ne0, uint64_t row, const void *src, void *dst); /* its ROWS bytes */
int dseek_row_to_f32(uint32_t dtype, const void *src, uint64_t ne0, float *dst);	/* a ROWS row */
int dseek_row_from_f32(uint32_t dtype, const float *src, uint64_t ne0, void *dst);	/* F32, F16, BF16, Q8_0, Q4_0, Q4_1, MXFP4, F8_E4M3 */
/*
 * MXFP4 as Q8_0, the same values: E2M1 numbers are halves of whole ones, scales powers of two. -ERANGE: a scale of numbers other than 0 that
 * half precision does not have.
 */
int dseek_row_mxfp4_to_q8_0(const void *src, uint64_t ne0, void *dst);

/* ---- validation and use (userspace/lib/program.c) */

struct dseek_program_view {	/* points into the blob */
	const struct dseek_program_header *header;
	const struct dseek_program_param *params;
	const struct dseek_program_binding *bindings;
	const struct dseek_program_tensor *tensors;
	const struct dseek_program_op *ops;
	const struct dseek_program_label *labels;
	const struct dseek_program_code *code;	/* NULL: none */
	const struct dseek_program_kernel *kernels;
	const void *object;	/* 8-aligned */
};

/*
 * 0 and a view of @blob (8-aligned; must stay and not change), or -EINVAL and in @err (may be NULL) one sentence that
 * names the op and the operand and what is wrong with it.
 */
int dseek_program_validate(const void *blob, size_t size, struct dseek_program_view *ret_view, char *err, size_t err_size);

/* For people: the name of an op ("attention"), NULL if unknown; one op with its operands on a line, as snprintf() does. */
const char *dseek_op_name(uint32_t code);
const char *dseek_program_label(const struct dseek_program_view *view, uint32_t op);	/* "" if it has none */
int dseek_program_print_op(const struct dseek_program_view *view, uint32_t op, char *buf, size_t size);
/* Header, parameters, bindings, ops and labels, a line each, by @emit. */
void dseek_program_dump(const struct dseek_program_view *view, void (*emit)(void *arg, const char *line), void *arg);

/* ---- building (userspace/lib/program_build.c) */

struct dseek_builder;

struct dseek_builder *dseek_builder_create(uint32_t flags);	/* NULL: no memory */
void dseek_builder_destroy(struct dseek_builder *b);
int dseek_builder_param(struct dseek_builder *b, uint32_t min, uint32_t max);		/* its number */
int dseek_builder_binding(struct dseek_builder *b, uint32_t access, uint64_t min_size);	/* its number */
/* Its number. Unused extents may be 0 (meaning 1); strides all 0: contiguous. */
int dseek_builder_tensor(struct dseek_builder *b, const struct dseek_program_tensor *tensor);
int dseek_builder_op(struct dseek_builder *b, const struct dseek_program_op *op);	/* its number */
int dseek_builder_label(struct dseek_builder *b, const char *name);	/* of the ops added from now on */
int dseek_builder_code(struct dseek_builder *b, const void *object, size_t size);	/* copied; once */
int dseek_builder_kernel(struct dseek_builder *b, const char *name);	/* its number; of that object */
/*
 * Errors of the calls above are kept (they return the error, as do the calls after them) and reported here.
 * Grows each binding's min_size and access to what tensors and ops need, and validates. *ret_blob is the caller's to free().
 */
int dseek_builder_finish(struct dseek_builder *b, void **ret_blob, size_t *ret_size);
const char *dseek_builder_error(const struct dseek_builder *b);	/* one sentence on the kept error, "" if none */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* DSEEK_PROGRAM_H */
