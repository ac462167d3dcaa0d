// SPDX-License-Identifier: MIT
/*
 * fuzz [SECONDS [SEED]]: random calls of both devices, from several processes. Arguments are good ones with
 * a few members spoiled, or noise; handles come from a small range, so that they often exist. Nothing is
 * asserted but that the calls return and that the kernel's log stays clean; the harness looks at that.
 */
#include "../random.h"
#include "../selftests/dseek/dseek_test.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

static uint64_t seed;
static uint64_t *tally;		/* shared: calls, successes */

static uint32_t rnd(uint32_t below)
{
	return random_below(&seed, below);
}

static uint8_t area[1 << 16];

static uint64_t any_pointer(void)
{
	switch (rnd(8)) {
	case 0: return 0;
	case 1: return UNMAPPED;
	case 2: return KERNEL_ADDRESS;
	case 3: return UINT64_MAX - rnd(4096);
	default: return (uintptr_t)area + rnd(sizeof(area) / 2) / 8 * 8;
	}
}

static uint64_t any_number(void)
{
	static const uint64_t odd[] = { 0, 1, 2, 7, 8, 63, 64, 65, 255, 256, 257, 4095, 4096, 4097, 65536, 65537, 1 << 20, 1u << 31,
					0xffffffff, 1ULL << 32, 1ULL << 50, 1ULL << 63, UINT64_MAX - 4095, UINT64_MAX };

	return rnd(3) ? odd[rnd(sizeof(odd) / sizeof(odd[0]))] : (uint64_t)rnd(0xffffffff) << rnd(32);
}

static uint32_t any_handle(void)
{
	return rnd(12) ? 1 + rnd(8) : (uint32_t)any_number();
}

static void spoil(void *arg, size_t size)
{
	uint32_t n = rnd(3);

	while (n--) {
		if (rnd(2))
			((uint32_t *)arg)[rnd((uint32_t)size / 4)] = (uint32_t)any_number();
		else
			((uint64_t *)arg)[rnd((uint32_t)size / 8)] = rnd(2) ? any_number() : any_pointer();
	}
}

static void count(int r)
{
	__atomic_fetch_add(&tally[0], 1, __ATOMIC_RELAXED);
	if (!r)
		__atomic_fetch_add(&tally[1], 1, __ATOMIC_RELAXED);
}

#define CALL(fd, request, ...) \
	do { \
		__typeof__(__VA_ARGS__) arg_ = __VA_ARGS__; \
		if (!rnd(3)) \
			spoil(&arg_, sizeof(arg_)); \
		count(call(fd, request, &arg_)); \
	} while (0)

static void tenant_call(int fd, uint32_t engine)
{
	struct drm_dseek_job *jobs = (struct drm_dseek_job *)area;
	struct drm_dseek_binding *b = (struct drm_dseek_binding *)(area + 16384);
	struct drm_dseek_sync *s = (struct drm_dseek_sync *)(area + 20480);
	struct script *script = (struct script *)(area + 24576);
	uint32_t i, n;
	void *p;

	switch (rnd(16)) {
	case 0:
		CALL(fd, DRM_IOCTL_DSEEK_DEV_QUERY, (struct drm_dseek_dev_query){ .type = rnd(4), .pointer = any_pointer(), .size = rnd(200) });
		break;
	case 1:
		CALL(fd, DRM_IOCTL_DSEEK_BO_CREATE, (struct drm_dseek_bo_create){ .size = 1 + rnd(1 << 18), .flags = rnd(2), .numa_node = -1 });
		break;
	case 2: {
		struct drm_dseek_bo_info info;

		if (bo_info(fd, any_handle(), &info))
			break;
		p = mmap(NULL, rnd(2) ? info.size : 4096 * (1 + rnd(16)), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)(info.mmap_offset + 4096 * rnd(3)));
		count(p == MAP_FAILED);
		if (p != MAP_FAILED) {
			*(volatile uint8_t *)p = 1;
			munmap(p, 4096);	/* the rest stays mapped until the process ends */
		}
		break;
	}
	case 3:
		CALL(fd, DRM_IOCTL_DSEEK_BO_MADVISE, (struct drm_dseek_bo_madvise){ .handle = any_handle(), .advice = rnd(2) });
		break;
	case 4:
		CALL(fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, (struct drm_dseek_program_create){ .pointer = (uintptr_t)area, .size = 1 + rnd(4096) });
		break;
	case 5:
		CALL(fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, (struct drm_dseek_program_destroy){ .handle = any_handle() });
		break;
	case 6:
		n = rnd(3);
		CALL(fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, (struct drm_dseek_queue_create){ .engine = engine, .sched_class = n,
			.weight = n ? 1 + rnd(100) : 0, .budget_ns = n ? 0 : MS, .period_ns = n ? 0 : 100 * MS,
			.engines = rnd(2) ? 0 : 1ULL << engine | rnd(8) });
		break;
	case 7:
		CALL(fd, DRM_IOCTL_DSEEK_QUEUE_DESTROY, (struct drm_dseek_queue_destroy){ .handle = any_handle() });
		break;
	case 8:
		CALL(fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, (struct drm_dseek_queue_query){ .handle = any_handle() });
		break;
	case 9:
		CALL(fd, DRM_IOCTL_DSEEK_WAIT, (struct drm_dseek_wait){ .queue = any_handle(), .seqno = 1 + rnd(300),
			.deadline_ns = rnd(2) ? now_ns() + rnd(3) * MS : 0 });
		break;
	case 10: {
		struct drm_prime_handle h = { .handle = any_handle(), .flags = DRM_CLOEXEC | DRM_RDWR };

		if (call(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h))
			break;
		count(call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &h));
		close(h.fd);
		break;
	}
	case 11:
		count(rnd(4) ? bo_close(fd, any_handle()) : syncobj_create(fd, &n));
		break;
	default:
		n = 1 + rnd(6);
		for (i = 0; i < n; i++) {
			script[i] = (struct script){ rnd(5), rnd(400) };
			b[i] = (struct drm_dseek_binding){ .handle = any_handle(), .access = 1 + rnd(3), .offset = 64 * rnd(3), .size = 1 + rnd(4096) };
			s[i] = (struct drm_dseek_sync){ .handle = any_handle(), .point = rnd(2) * rnd(20) };
			jobs[i] = (struct drm_dseek_job){ .program = any_handle(), .flags = rnd(2), .bindings = (uintptr_t)b, .binding_count = rnd(n + 1),
				.consts = (uintptr_t)&script[i], .const_size = sizeof(script[i]), .waits = (uintptr_t)s, .wait_count = !rnd(4),
				.signals = (uintptr_t)s, .signal_count = rnd(3), .limit_ns = 2 * MS };
			if (!rnd(3))
				spoil(&jobs[i], sizeof(jobs[i]));
		}
		if (!rnd(4))
			spoil(area + 16384, 4096);
		CALL(fd, DRM_IOCTL_DSEEK_SUBMIT, (struct drm_dseek_submit){ .queue = any_handle(), .jobs = (uintptr_t)jobs, .count = n,
			.stride = sizeof(*jobs) });
	}
}

static void exec_call(int fd)
{
	struct drm_dseek_completion *c = (struct drm_dseek_completion *)area;
	uint32_t i, n = rnd(4);

	switch (rnd(8)) {
	case 0: {
		struct drm_dseek_attach a = exec_attachment(rnd(2) ? "fuzz0" : "fuzz1", 1 + rnd(64));

		if (!rnd(2))
			spoil(&a, sizeof(a));
		count(call(fd, DRM_IOCTL_DSEEK_ATTACH, &a));
		break;
	}
	case 1:
		CALL(fd, DRM_IOCTL_DSEEK_MAP, (struct drm_dseek_map){ .tag = rnd(8), .binding = rnd(3) });
		break;
	case 2:
		CALL(fd, DRM_IOCTL_DSEEK_PROGRAM_READ, (struct drm_dseek_program_read){ .tag = rnd(8), .size = rnd(5000), .pointer = any_pointer() });
		break;
	case 3:
		if (!rnd(32))
			count(call(fd, DRM_IOCTL_DSEEK_DETACH, NULL));
		CALL(fd, DRM_IOCTL_DSEEK_REPORT, (struct drm_dseek_report){ .longest_op_ns = any_number(), .flags = !rnd(8) });
		break;
	case 4: {
		void *p = mmap(NULL, 4096 * (1 + rnd(8)), PROT_READ, MAP_SHARED, fd,
			       (off_t)(rnd(2) * DRM_DSEEK_MMAP_CONTROL + (any_number() & ~4095ULL) % (1ULL << 40) * rnd(2)));

		count(p == MAP_FAILED);
		if (p != MAP_FAILED)
			munmap(p, 4096);
		break;
	}
	default:
		for (i = 0; i < n; i++) {
			c[i] = (struct drm_dseek_completion){ .tag = rnd(8), .outcome = rnd(2), .engine_ns = rnd(2) ? rnd(1000000) : any_number(),
				.cursor = any_number() };
			if (!c[i].outcome)
				c[i].error = -(int)rnd(200);
		}
		CALL(fd, DRM_IOCTL_DSEEK_NEXT, (struct drm_dseek_next){ .completions = (uintptr_t)c, .completion_count = n,
			.tags = (uintptr_t)area + 32768, .tag_max = rnd(9), .retired = (uintptr_t)area + 36864, .retired_max = rnd(9),
			.deadline_ns = rnd(2) ? now_ns() + rnd(2) * MS : 0 });
	}
}

static void noise(int fd)
{
	static const uint8_t letters[] = { 'd', 0xd5, 'd', 'b', 0 };
	uint64_t arg[64];
	uint32_t i, size = 8 * rnd(40);

	for (i = 0; i < 64; i++)
		arg[i] = rnd(3) ? any_number() : any_pointer();
	count(call(fd, _IOC(rnd(4), letters[rnd(5)], rnd(3) ? DRM_COMMAND_BASE + rnd(16) : rnd(8), size), rnd(8) ? (void *)arg : (void *)(uintptr_t)any_pointer()));
}

static void nothing(int sig)
{
}

static void fuzz(int kind, uint64_t until)
{
	/* a wait whose deadline was spoiled has no end of its own */
	struct itimerval again = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = nothing };
	int fd = -1, exec = -1;
	uint32_t engine = 0;
	struct drm_dseek_engine_info info;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &again, NULL);
	while (now_ns() < until) {
		if (fd < 0 || !rnd(4000)) {
			close(fd);
			fd = open_node();
		}
		if (exec < 0 || !rnd(3000)) {
			close(exec);
			exec = exec_open();
		}
		if (!rnd(50) && !query(fd, DRM_DSEEK_QUERY_ENGINE, rnd(2), &info, sizeof(info)))
			engine = info.id;
		if (!rnd(10))
			noise(rnd(2) ? fd : exec);
		else if (kind)
			tenant_call(fd, engine);
		else
			exec_call(exec);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 10, i;
	uint64_t first = random_seed_or_new(argc > 2 ? argv[2] : NULL, "DSEEK_FUZZ_SEED");
	int status, bad = 0, crashed = 0;

	setlinebuf(stdout);
	tally = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	for (i = 0; i < 4; i++) {
		seed = first + i * 1000003;
		if (!fork())
			fuzz(i != 0, now_ns() + seconds * SEC);
	}
	for (i = 0; i < 4; i++) {
		wait(&status);
		bad |= status;
		crashed += WIFSIGNALED(status);
	}
	printf("# %llu calls, %llu successful\n", (unsigned long long)tally[0], (unsigned long long)tally[1]);
	printf("%sok 1 the processes lived to the end (%d did not)\n", bad ? "not " : "", crashed);
	printf("%sok 2 enough calls succeeded to reach deep\n", tally[1] * 20 < tally[0] ? "not " : "");
	printf("1..2\n");
	return bad || tally[1] * 20 < tally[0];
}
