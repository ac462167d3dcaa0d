/* SPDX-License-Identifier: MIT */
/* Folders of AIE binaries for the model, and the backend opened on it. */
#ifndef NPU_FILES_H
#define NPU_FILES_H

#include <stddef.h>
#include <stdint.h>

const char *npu_folder(void);		/* of this process, empty at first; removed at exit with what was written by these */
void npu_write(const char *name, const void *data, size_t size);
void npu_write_text(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void npu_remove(const char *name);

/* An xclbin with @images images of an AIE partition of @columns; *ret_size. The caller frees it. */
void *npu_xclbin(uint32_t columns, uint32_t images, size_t *ret_size);
/* NAME.npu, NAME.ctl and, if it isn't there, overlay.xclbin for 4 columns. @start: "cu" or "npu" */
void npu_product(const char *name, uint32_t layout, uint32_t k, uint32_t n, uint32_t tokens, const char *start);

/* dseek_backend_npu.open() with binaries=FOLDER and @more options */
int npu_folder_open(const char *more, void **ret_state, char *err, size_t err_size);

#endif /* NPU_FILES_H */
