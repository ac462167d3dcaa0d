# SPDX-License-Identifier: MIT
# Model files and text: GGUF, tokenizer, chat template, sampler.
model-src += $(addprefix userspace/model/,gguf.c gguf_type.c gguf_value.c gguf_write.c sample_text.c \
	       str_map.c utf8.c pretokenize.c merge_heap.c bpe.c spm.c tokenizer.c)
model-libs += -lpcre2-8
