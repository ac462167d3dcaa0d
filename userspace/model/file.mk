# SPDX-License-Identifier: MIT
# Model files and text: GGUF, tokenizer, chat template, sampler.
model-src += userspace/model/gguf.c userspace/model/gguf_type.c userspace/model/gguf_value.c userspace/model/gguf_write.c userspace/model/sample_text.c
