// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ublk_null.h"

/* Since 6.4 the commands are encoded as ioctls are; the header of 6.1 doesn't know it yet. */
#define CONTROL(nr)	_IOWR('u', nr, struct ublksrv_ctrl_cmd)
#define IO(nr)		_IOWR('u', nr, struct ublksrv_io_cmd)
#define MAX_IO		4096

static int control(const struct ublk_null *ublk, unsigned int nr, void *buf, size_t len, uint64_t data)
{
	struct ublksrv_ctrl_cmd *cmd;
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int r;

	r = io_uring_queue_init_params(4, &ring, &params);
	if (r)
		return r;
	sqe = io_uring_get_sqe(&ring);	/* a new ring's are zero */
	if (!sqe)
		return -EIO;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = ublk->control;
	sqe->cmd_op = (uint32_t)CONTROL(nr);
	cmd = (void *)sqe->cmd;
	*cmd = (struct ublksrv_ctrl_cmd){ .dev_id = (uint32_t)ublk->dev_id, .queue_id = (uint16_t)-1,
					  .addr = (uintptr_t)buf, .len = (uint16_t)len, .data = { data } };
	r = io_uring_submit(&ring);
	if (r == 1)
		r = io_uring_wait_cqe(&ring, &cqe);
	if (!r)
		r = cqe->res;
	io_uring_queue_exit(&ring);
	return r;
}

static void prepare(struct io_uring *ring, unsigned int nr, int tag, void *buf)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct ublksrv_io_cmd *cmd;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, 0, NULL, 0, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->cmd_op = (uint32_t)IO(nr);
	sqe->user_data = (uint64_t)tag;
	cmd = (void *)sqe->cmd;
	/* a null device has read everything at once: the result is its size */
	*cmd = (struct ublksrv_io_cmd){ .tag = (uint16_t)tag, .addr = (uintptr_t)buf,
					.result = nr == UBLK_IO_COMMIT_AND_FETCH_REQ ? 512 : 0 };
}

static void serve(int dev_id, int depth, int cpu, int ready)
{
	struct io_uring_cqe *cqes[256];
	struct io_uring ring;
	char path[32], *bufs;
	cpu_set_t set;
	int fd, i, n;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/dev/ublkc%d", dev_id);
	fd = open(path, O_RDWR);
	bufs = aligned_alloc(4096, (size_t)depth * MAX_IO);
	if (fd < 0 || !bufs || io_uring_queue_init((unsigned int)depth, &ring, 0) || io_uring_register_files(&ring, &fd, 1))
		_exit(1);
	for (i = 0; i < depth; i++)
		prepare(&ring, UBLK_IO_FETCH_REQ, i, bufs + i * MAX_IO);
	if (io_uring_submit(&ring) != depth || write(ready, "r", 1) != 1)
		_exit(2);
	for (;;) {
		n = io_uring_submit_and_wait(&ring, 1);
		if (n < 0 && n != -EINTR)
			_exit(3);
		n = (int)io_uring_peek_batch_cqe(&ring, cqes, 256);
		for (i = 0; i < n; i++) {
			if (cqes[i]->res != UBLK_IO_RES_OK)
				_exit(0);	/* the device is going */
			prepare(&ring, UBLK_IO_COMMIT_AND_FETCH_REQ, (int)cqes[i]->user_data,
				bufs + cqes[i]->user_data * MAX_IO);
		}
		io_uring_cq_advance(&ring, (unsigned int)n);
	}
}

int ublk_null_start(struct ublk_null *ublk, int depth, int cpu)
{
	struct ublksrv_ctrl_dev_info info = { .nr_hw_queues = 1, .queue_depth = (uint16_t)depth, .max_io_buf_bytes = MAX_IO,
					      .dev_id = (uint32_t)-1 };
	struct ublk_params params = { .len = sizeof(params), .types = UBLK_PARAM_TYPE_BASIC,
		.basic = { .logical_bs_shift = 9, .physical_bs_shift = 12, .io_opt_shift = 12, .io_min_shift = 9,
			   .max_sectors = MAX_IO >> 9, .dev_sectors = 1 << 20 } };
	int ready[2], r;
	char c;

	ublk->server = 0;
	ublk->dev_id = -1;
	ublk->control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (ublk->control < 0)
		return -ENODEV;
	r = control(ublk, UBLK_CMD_ADD_DEV, &info, sizeof(info), 0);
	if (r)
		goto err_close;
	ublk->dev_id = (int)info.dev_id;
	r = control(ublk, UBLK_CMD_SET_PARAMS, &params, sizeof(params), 0);
	if (r)
		goto err_stop;
	if (pipe(ready)) {
		r = -errno;
		goto err_stop;
	}
	ublk->server = fork();
	if (!ublk->server)
		serve(ublk->dev_id, depth, cpu, ready[1]);
	close(ready[1]);
	r = read(ready[0], &c, 1) == 1 ? 0 : -EIO;
	close(ready[0]);
	if (!r)
		r = control(ublk, UBLK_CMD_START_DEV, NULL, 0, (uint64_t)ublk->server);
	if (!r)
		return 0;
err_stop:
	ublk_null_stop(ublk);
	return r;
err_close:
	close(ublk->control);
	return r;
}

void ublk_null_stop(struct ublk_null *ublk)
{
	if (ublk->server > 0) {
		control(ublk, UBLK_CMD_STOP_DEV, NULL, 0, 0);
		waitpid(ublk->server, NULL, 0);
	}
	control(ublk, UBLK_CMD_DEL_DEV, NULL, 0, 0);
	close(ublk->control);
}
