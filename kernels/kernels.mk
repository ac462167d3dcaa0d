# SPDX-License-Identifier: MIT
# Kernels. Nothing here is part of the default build: kernels for GPUs need a clang that knows AMD's (tools/packages install
# kernels; tools/gpu-clang says which is taken), those for the harness are built with the tests.
#
#   make kernels         code objects and manifests, $(O)/kernels/TARGET; GPU_TARGETS="gfx942 ..." for some
kernel-files := norm rope embed route permute attn_decode attn_prefill
kernel-headers := $(wildcard kernels/*.h)
GPU_TARGETS ?= gfx90a gfx942 gfx950 gfx1100 gfx1201
