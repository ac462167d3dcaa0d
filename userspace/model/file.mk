# SPDX-License-Identifier: MIT
# Model files and text: GGUF, tokenizer, chat template, sampler.
text-src := str_map.c utf8.c pretokenize.c merge_heap.c bpe.c spm.c tokenizer.c chat.c channel.c sampler.c
model-src += $(addprefix userspace/model/,gguf.c gguf_type.c gguf_value.c gguf_write.c sample_text.c synth.c synth_vocab.c $(text-src))
model-libs += -lpcre2-8
# The same seed gives the same tokens and models everywhere: no fused multiply-add.
CFLAGS-userspace/model/sampler.c := -ffp-contract=off
CFLAGS-userspace/model/synth.c := -ffp-contract=off
