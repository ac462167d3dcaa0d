# SPDX-License-Identifier: MIT
libdseek-src += $(addprefix userspace/lib/, \
	detail.c device.c bo.c program_object.c queue.c syncobj.c exec.c \
	embed.c embed_spec.c embed_instance.c embed_lock.c embed_memory.c embed_sync.c embed_bo.c embed_choice.c embed_program.c \
	embed_queue.c embed_job.c embed_engine.c embed_exec.c embed_timer.c embed_thread.c embed_trace.c \
	drm.c drm_bo.c drm_queue.c drm_sync.c drm_exec.c)
