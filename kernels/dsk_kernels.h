/* SPDX-License-Identifier: MIT */
/*
 * Every kernel there is: file, name, lanes a group, buffers, struct of parameters. Hosts launch by this list; that code objects
 * agree with it is checked by tests/kernels/gates.
 */
#ifndef DSK_KERNELS_H
#define DSK_KERNELS_H

#include "dsk_layout.h"

#define DSK_KERNELS(X)									\
	X(norm, dsk_norm, 256, 5, struct dsk_norm_params)				\
	X(rope, dsk_rope, 256, 3, struct dsk_rope_params)				\
	X(embed, dsk_embed, 256, 4, struct dsk_embed_params)				\
	X(route, dsk_route, 64, 5, struct dsk_route_params)				\
	X(permute, dsk_place, 256, 5, struct dsk_place_params)				\
	X(permute, dsk_gather, 256, 3, struct dsk_gather_params)			\
	X(permute, dsk_combine, 256, 4, struct dsk_combine_params)			\
	X(attn_decode, dsk_attn_decode_64, 256, 9, struct dsk_attn_params)		\
	X(attn_decode, dsk_attn_decode_128, 256, 9, struct dsk_attn_params)		\
	X(attn_decode, dsk_attn_merge_64, 64, 4, struct dsk_attn_params)		\
	X(attn_decode, dsk_attn_merge_128, 64, 4, struct dsk_attn_params)		\
	X(attn_decode, dsk_attn_merge_512, 64, 4, struct dsk_attn_params)		\
	X(attn_decode, dsk_mla_decode, 256, 7, struct dsk_attn_params)			\
	X(attn_decode, dsk_pyramid_decode_64, 256, 9, struct dsk_attn_params)		\
	X(attn_decode, dsk_pyramid_decode_128, 256, 9, struct dsk_attn_params)		\
	X(attn_pyramid, dsk_pyramid_pool_64, 64, 5, struct dsk_attn_params)		\
	X(attn_pyramid, dsk_pyramid_pool_128, 128, 5, struct dsk_attn_params)		\
	X(attn_decode_packed, dsk_attn_decode_packed_64, 256, 9, struct dsk_attn_params) \
	X(attn_decode_packed, dsk_attn_decode_packed_128, 256, 9, struct dsk_attn_params) \
	X(attn_decode_packed, dsk_mla_decode_packed, 256, 7, struct dsk_attn_params)	\
	X(attn_decode_mma, dsk_attn_decode_bf16_64, 256, 7, struct dsk_attn_params)	\
	X(attn_decode_mma, dsk_attn_decode_bf16_128, 256, 7, struct dsk_attn_params)	\
	X(attn_decode_mma, dsk_attn_decode_f16_64, 256, 7, struct dsk_attn_params)	\
	X(attn_decode_mma, dsk_attn_decode_f16_128, 256, 7, struct dsk_attn_params)	\
	X(attn_decode_mma, dsk_mla_decode_bf16, 256, 6, struct dsk_attn_params)		\
	X(attn_decode_mma, dsk_mla_decode_f16, 256, 6, struct dsk_attn_params)		\
	X(persist, dsk_persist, 256, 6, struct dsk_persist_params)			\
	X(attn_prefill, dsk_attn_prefill_64, 256, 11, struct dsk_attn_params)		\
	X(attn_prefill, dsk_attn_prefill_128, 256, 11, struct dsk_attn_params)		\
	X(attn_prefill, dsk_mla_prefill, 256, 11, struct dsk_attn_params)		\
	X(attn_prefill, dsk_attn_sparse_64, 256, 11, struct dsk_attn_params)		\
	X(attn_prefill, dsk_attn_sparse_128, 256, 11, struct dsk_attn_params)		\
	X(attn_prefill, dsk_pyramid_prefill_64, 256, 10, struct dsk_attn_params)	\
	X(attn_prefill, dsk_pyramid_prefill_128, 256, 10, struct dsk_attn_params)	\
	X(attn_gate, dsk_gate_queries, 256, 4, struct dsk_gate_params)			\
	X(attn_gate, dsk_gate_keys, 256, 6, struct dsk_gate_params)			\
	X(attn_gate, dsk_gate_select, 256, 7, struct dsk_gate_params)			\
	X(attn_prefill_mma, dsk_attn_prefill_bf16_64, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_prefill_bf16_128, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_prefill_f16_64, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_prefill_f16_128, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_mla_prefill_bf16, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_mla_prefill_f16, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_sparse_bf16_64, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_sparse_bf16_128, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_sparse_f16_64, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_attn_sparse_f16_128, 256, 9, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_pyramid_prefill_bf16_64, 256, 10, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_pyramid_prefill_bf16_128, 256, 10, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_pyramid_prefill_f16_64, 256, 10, struct dsk_attn_params)	\
	X(attn_prefill_mma, dsk_pyramid_prefill_f16_128, 256, 10, struct dsk_attn_params)	\
	X(expert, dsk_expert, 256, 9, struct dsk_expert_params)				\
	X(expert, dsk_expert_plan, 256, 2, struct dsk_expert_plan_params)		\
	X(expert, dsk_glu, 256, 4, struct dsk_glu_params)				\
	X(expert_mma, dsk_expert_bf16, 256, 9, struct dsk_expert_params)		\
	X(expert_mma, dsk_expert_i8, 256, 9, struct dsk_expert_params)			\
	X(expert_mma, dsk_expert_i4, 256, 9, struct dsk_expert_params)			\
	X(expert_mma, dsk_expert_glu_bf16, 256, 13, struct dsk_expert_params)		\
	X(expert_mma, dsk_expert_glu_i8, 256, 13, struct dsk_expert_params)		\
	X(expert_mma, dsk_expert_glu_i4, 256, 13, struct dsk_expert_params)		\
	X(expert_mma, dsk_expert_f8, 256, 9, struct dsk_expert_params)			\
	X(expert_mma, dsk_expert_glu_f8, 256, 13, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_f8, 256, 9, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_glu_f8, 256, 13, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_bf16, 256, 9, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_i8, 256, 9, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_i4, 256, 9, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_glu_bf16, 256, 13, struct dsk_expert_params)	\
	X(expert_few, dsk_expert_few_glu_i8, 256, 13, struct dsk_expert_params)		\
	X(expert_few, dsk_expert_few_glu_i4, 256, 13, struct dsk_expert_params)	\
	X(sample, dsk_sample, 256, 4, struct dsk_sample_params)			\
	X(kv_copy, dsk_kv_copy, 256, 3, struct dsk_kv_copy_params)			\
	X(scrub, dsk_scrub_lds, 256, 1, struct dsk_scrub_params)			\
	X(scrub, dsk_scrub_registers, 64, 1, struct dsk_scrub_params)			\
	X(reroute, dsk_reroute, 256, 5, struct dsk_reroute_params)			\
	X(similarity, dsk_project, 256, 3, struct dsk_project_params)			\
	X(similarity, dsk_similarity, 256, 3, struct dsk_similarity_params)		\
	X(rope, dsk_turns, 64, 3, struct dsk_turns_params)				\
	X(dense, dsk_linear, 64, 4, struct dsk_linear_params)				\
	X(dense, dsk_linear_glu, 64, 4, struct dsk_linear_glu_params)			\
	X(dense, dsk_lookup, 64, 4, struct dsk_lookup_params)				\
	X(dense, dsk_head_linear, 64, 3, struct dsk_head_linear_params)			\
	X(dense_mma, dsk_linear_few, 128, 4, struct dsk_linear_params)			\
	X(dense_mma, dsk_linear_many, 128, 4, struct dsk_linear_params)			\
	X(dense_mma, dsk_linear_glu_few, 128, 4, struct dsk_linear_glu_params)		\
	X(dense_mma, dsk_linear_glu_many, 128, 4, struct dsk_linear_glu_params)		\
	X(dense_mma, dsk_head_linear_few, 128, 3, struct dsk_head_linear_params)	\
	X(dense_mma, dsk_head_linear_many, 128, 3, struct dsk_head_linear_params)	\
	X(moe_dense, dsk_moe_glu, 64, 8, struct dsk_moe_glu_params)			\
	X(moe_dense, dsk_moe_down, 64, 7, struct dsk_moe_down_params)			\
	X(moe_mma, dsk_moe_glu_few, 128, 8, struct dsk_moe_glu_params)			\
	X(moe_mma, dsk_moe_glu_many, 128, 8, struct dsk_moe_glu_params)			\
	X(moe_mma, dsk_moe_down_few, 128, 6, struct dsk_moe_down_params)		\
	X(moe_mma, dsk_moe_down_many, 128, 6, struct dsk_moe_down_params)		\
	X(elementwise, dsk_elementwise, 256, 3, struct dsk_elementwise_params)		\
	X(argmax, dsk_argmax, 256, 2, struct dsk_argmax_params)				\
	X(slots, dsk_slot_store, 64, 4, struct dsk_slot_store_params)			\
	X(slots, dsk_slot_attend, 64, 7, struct dsk_slot_attend_params)			\
	X(slots_mma, dsk_slot_attend_bf16_32, 256, 9, struct dsk_slot_attend_params)	\
	X(slots_mma, dsk_slot_attend_bf16_64, 256, 9, struct dsk_slot_attend_params)	\
	X(slots_mma, dsk_slot_attend_bf16_128, 256, 9, struct dsk_slot_attend_params)	\
	X(slots_mma, dsk_slot_attend_f16_32, 256, 9, struct dsk_slot_attend_params)	\
	X(slots_mma, dsk_slot_attend_f16_64, 256, 9, struct dsk_slot_attend_params)	\
	X(slots_mma, dsk_slot_attend_f16_128, 256, 9, struct dsk_slot_attend_params)

#endif /* DSK_KERNELS_H */
