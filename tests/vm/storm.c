// SPDX-License-Identifier: MIT
/*
 * storm [ROUNDS [SEED]]: tenants under their own uids and executors of two engines, some of which stand by, killed with
 * SIGKILL at random points; without SEED, other ones each time. Tenants hand their fences (sync_files) to this process, which
 * demands after each round that every one has signalled and that the module holds nothing any more.
 */
#include "../random.h"
#include "../selftests/dseek/dseek_test.h"
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TENANTS		3
#define VICTIMS		(TENANTS + 3)	/* the others are executors: two of the first engine, one of the second */
#define MAX_FENCES	4096
#define EXEC_GROUP	900
#define ENGINE		"storm0"
#define ENGINE2		"storm1"

static uint64_t seed;
static int fences[MAX_FENCES], n_fences;

static uint32_t rnd(uint32_t below)
{
	return random_below(&seed, below);
}

static void become(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(99);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- fences from process to process */

static void send_fence(int to, int fence)
{
	char c = 'f', room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fence, sizeof(int));
	sendmsg(to, &m, MSG_DONTWAIT);
}

static void receive_fences(int from)
{
	char c, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &c, 1 };
	struct msghdr m;
	struct cmsghdr *h;

	for (;;) {
		m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
		if (recvmsg(from, &m, MSG_DONTWAIT) != 1)
			return;
		h = CMSG_FIRSTHDR(&m);
		if (!h)
			continue;
		if (n_fences < MAX_FENCES)
			memcpy(&fences[n_fences++], CMSG_DATA(h), sizeof(int));
	}
}

/* ---- the victims */

/* All that are there, as a set. */
static uint64_t engines(int fd)
{
	struct drm_dseek_device_info info;

	return query(fd, DRM_DSEEK_QUERY_DEVICE, 0, &info, sizeof(info)) ? 0 : (1ULL << info.engine_count) - 1;
}

static int queue_create_over(int fd, uint32_t engine, uint64_t set, uint32_t *ret_handle)
{
	struct drm_dseek_queue_create c = { .engine = engine, .engines = set, .weight = 1,
					    .sched_class = rnd(2) ? DRM_DSEEK_CLASS_BATCH : DRM_DSEEK_CLASS_INTERACTIVE };
	int r = call(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c);

	if (!r)
		*ret_handle = c.handle;
	return r;
}

/* A little of everything, for as long as it lives; errors are expected when the executor dies. */
static void tenant(int to)
{
	uint32_t queues[3] = { 0 }, bos[4] = { 0 }, program, sync[4], i, n, shared;
	struct drm_dseek_binding b[4];
	struct drm_dseek_job jobs[8];
	struct drm_dseek_sync waits[8], signals[8];
	struct drm_dseek_engine_info info;
	struct script scripts[8];
	uint64_t seqno;
	volatile uint8_t *map;
	int fd = open_node(), r;

	if (fd < 0)
		_exit(1);
	for (i = 0; ; i++) {
		if (!query(fd, DRM_DSEEK_QUERY_ENGINE, i, &info, sizeof(info))) {
			if (!strcmp((char *)info.name, ENGINE))
				break;
		} else {
			sleep_ns(2 * MS);
			i = (uint32_t)-1;
		}
	}
	if (program_create(fd, &program))
		_exit(3);
	for (i = 0; i < 4; i++)
		if (syncobj_create(fd, &sync[i]))
			_exit(4);
	for (;;) {
		i = rnd(4);
		if (bos[i] && !rnd(3)) {
			bo_close(fd, bos[i]);
			bos[i] = 0;
		}
		if (!bos[i] && !bo_create(fd, 4096u << rnd(6), &bos[i])) {
			map = bo_map(fd, bos[i]);
			if (map != MAP_FAILED) {
				map[0] = (uint8_t)i;
				if (rnd(2))
					munmap((void *)(uintptr_t)map, 4096);
			}
		}
		i = rnd(3);
		if (queues[i] && !rnd(8)) {
			queue_destroy(fd, queues[i]);
			queues[i] = 0;
		}
		if (!queues[i] && queue_create_over(fd, info.id, rnd(2) ? 1ULL << info.id : engines(fd), &queues[i]))
			continue;
		n = 1 + rnd(8);
		shared = rnd(4);
		for (i = 0; i < n; i++) {
			static const uint32_t ops[] = { SCRIPT_DONE, SCRIPT_DONE, SCRIPT_BUSY, SCRIPT_YIELD, SCRIPT_HOLD };
			uint32_t k = rnd(4);

			scripts[i].op = ops[rnd(5)];
			scripts[i].arg = scripts[i].op == SCRIPT_BUSY ? rnd(2000) : scripts[i].op == SCRIPT_YIELD ? rnd(4) : rnd(8) ? 0 : EIO;
			b[k] = (struct drm_dseek_binding){ .handle = bos[k], .access = 1 + rnd(3), .size = 4096 };
			waits[i] = (struct drm_dseek_sync){ .handle = sync[rnd(4)] };
			signals[i] = (struct drm_dseek_sync){ .handle = sync[shared] };
			jobs[i] = (struct drm_dseek_job){ .program = program, .flags = rnd(2) * DRM_DSEEK_JOB_IDEMPOTENT,
				.bindings = (uintptr_t)&b[k], .binding_count = !!bos[k], .consts = (uintptr_t)&scripts[i],
				.const_size = sizeof(scripts[i]), .waits = (uintptr_t)&waits[i], .wait_count = !rnd(3),
				.signals = (uintptr_t)&signals[i], .signal_count = rnd(2),
				.limit_ns = 5 * MS + rnd(20) * MS };
		}
		r = submit(fd, queues[rnd(3)], jobs, n, &seqno);
		if (!rnd(2)) {
			struct drm_syncobj_handle h = { .handle = sync[shared], .fd = -1,
							.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE };

			if (!call(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h)) {
				send_fence(to, h.fd);
				close(h.fd);
			}
		}
		if (!r && !rnd(3))
			for (i = 0; i < 3; i++)
				if (queues[i])
					wait_job(fd, queues[i], 1 + rnd(4), rnd(5) * MS, &r);
		if (!rnd(16))
			sleep_ns(rnd(5) * MS);
	}
}

static void executor(int number)
{
	struct test_exec e;
	const char *name = number < 2 ? ENGINE : ENGINE2;
	int r;

	do {
		r = exec_attach_flags(&e, name, 1 + rnd(8), rnd(4) ? DRM_DSEEK_ATTACH_STANDBY : 0);
	} while (r == -EBUSY);
	if (!r)
		exec_thread(&e);
	_exit(1);
}

static pid_t start(int what, int to)
{
	pid_t pid = fork();

	seed += 0x1234567;
	if (pid)
		return pid;
	if (what < TENANTS) {
		become(1001 + (uid_t)what);
		tenant(to);
	}
	if (setgroups(1, (gid_t[]){ EXEC_GROUP }) || setresgid(EXEC_GROUP, EXEC_GROUP, EXEC_GROUP))
		_exit(99);
	become(EXEC_GROUP);
	executor(what - TENANTS);
	return 0;
}

/* ---- what must be true afterwards */

static const char *left_behind(void)
{
	static char text[512];
	FILE *f = fopen("/sys/kernel/debug/dseek/counters", "r");
	char name[64];
	long v = 0;

	text[0] = 0;
	while (f && fscanf(f, "%63s %ld", name, &v) == 2)
		if (v && strcmp(name, "bytes_copied"))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s=%ld", name, v);
	if (f)
		fclose(f);
	f = fopen("/sys/module/dseek/refcnt", "r");
	if (f && fscanf(f, "%ld", &v) == 1 && v)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " references=%ld", v);
	if (f)
		fclose(f);
	return text[0] ? text : NULL;
}

static int unsignalled(uint64_t within_ns)
{
	uint64_t until = now_ns() + within_ns;
	int i, left = 0;

	for (i = 0; i < n_fences; i++) {
		struct pollfd p = { .fd = fences[i], .events = POLLIN };
		uint64_t now = now_ns();

		if (poll(&p, 1, now < until ? (int)((until - now) / MS) + 1 : 0) != 1)
			left++;
		close(fences[i]);
	}
	n_fences = 0;
	return left;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100, round, kills = 0, exec_kills = 0, bad = 0, collected = 0, i, left;
	uint64_t first, begun = now_ns();
	const char *leak;

	seed = first = random_seed_or_new(argc > 2 ? argv[2] : NULL, "DSEEK_STORM_SEED");
	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	for (round = 0; round < rounds && bad < 5; round++) {
		pid_t pids[VICTIMS];
		int sock[2], n;

		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sock))
			return 1;
		for (i = 0; i < VICTIMS; i++)
			pids[i] = start(i, sock[1]);
		n = 1 + (int)rnd(4);
		while (n--) {
			uint64_t until = now_ns() + rnd(40) * MS + rnd(1000) * 1000;

			while (now_ns() < until) {
				receive_fences(sock[0]);
				sleep_ns(MS);
			}
			i = (int)rnd(VICTIMS);
			if (!pids[i])
				continue;
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
			pids[i] = 0;
			kills++;
			if (i >= TENANTS) {
				exec_kills++;
				if (rnd(4))	/* sometimes nobody comes to take over */
					pids[i] = start(i, sock[1]);
			}
		}
		receive_fences(sock[0]);
		for (i = 0; i < TENANTS; i++)
			if (pids[i]) {
				kill(pids[i], SIGKILL);
				waitpid(pids[i], NULL, 0);
				kills++;
			}
		receive_fences(sock[0]);
		collected += n_fences;
		n = (int)rnd(VICTIMS - TENANTS + 1);	/* the fences must do with any number of executors, or none */
		for (i = TENANTS; i < TENANTS + n; i++)
			if (pids[i]) {
				kill(pids[i], SIGKILL);
				waitpid(pids[i], NULL, 0);
				pids[i] = 0;
				kills++;
				exec_kills++;
			}
		left = unsignalled(30 * SEC);
		if (left) {
			printf("not ok round %d, seed 0x%llx: %d fences unsignalled\n", round, (unsigned long long)first, left);
			bad++;
		}
		for (i = TENANTS; i < VICTIMS; i++)
			if (pids[i]) {
				kill(pids[i], SIGKILL);
				waitpid(pids[i], NULL, 0);
			}
		close(sock[0]);
		close(sock[1]);
		for (i = 0; (leak = left_behind()) && i < 200; i++)
			sleep_ns(50 * MS);
		if (leak) {
			printf("not ok round %d, seed 0x%llx: left behind:%s\n", round, (unsigned long long)first, leak);
			bad++;
		}
	}
	printf("# %d rounds, %d kills (%d of executors), %d fences collected, %.1f s\n", round, kills, exec_kills, collected,
	       (double)(now_ns() - begun) / 1e9);
	printf("%sok 1 %d kills: every fence signalled, nothing left\n", bad ? "not " : "", kills);
	printf("%sok 2 enough fences were looked at\n", collected < round ? "not " : "");
	return bad || collected < round;
}
