// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "generate.h"
#include "kcov.h"
#include "run.h"
#include "../../random.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CORPUS		4096
#define KCOV_ENTRIES	(32 << 10)

/* Shared by all processes. Entries are added and stay; @size comes last. */
struct corpus {
	volatile uint32_t count;
	struct {
		volatile uint32_t size;
		uint8_t packed[PACKED + 3];
	} entry[CORPUS];
};

struct state {
	struct run_sums sums[RECORDER_WORKERS];
	uint8_t edges[1 << 16];
	volatile int unguided;		/* errno of why */
};

static struct corpus *corpus;
static struct state *state;
static struct recorder *recorder;
static const struct fuzz_options *options;
static int kmsg = -1;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void corpus_add(const struct program *p)
{
	uint32_t n = __atomic_fetch_add(&corpus->count, 1, __ATOMIC_RELAXED);

	/* full: the youngest half is the more interesting */
	if (n >= CORPUS)
		n = CORPUS / 2 + n % (CORPUS / 2);
	__atomic_store_n(&corpus->entry[n].size, (uint32_t)program_pack(p, corpus->entry[n].packed, PACKED), __ATOMIC_RELEASE);
}

/* Any, or one of the last. */
static bool corpus_get(struct program *p, uint64_t *rng)
{
	uint32_t count = corpus->count < CORPUS ? corpus->count : CORPUS, n;

	if (!count)
		return false;
	n = random_below(rng, count);
	if (count > 64 && random_below(rng, 2))
		n = count - 1 - random_below(rng, 64);
	return corpus->entry[n].size && !program_unpack(p, corpus->entry[n].packed, corpus->entry[n].size);
}

/* ---- who runs programs */

static void choose(struct program *p, uint64_t *rng)
{
	static struct program other;

	if (random_below(rng, 8) < 2 || !corpus_get(p, rng)) {
		program_generate(p, rng);
		return;
	}
	if (!corpus_get(&other, rng))
		other = *p;
	program_mutate(p, &other, rng);
}

__attribute__((noreturn)) static void worker(unsigned int me, uint64_t rng, uint32_t first, uint32_t stride)
{
	static struct program p;
	struct kcov kcov;
	bool guided = options->guided;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = run_begin(me, &state->sums[me]);
	if (r) {
		fprintf(stderr, "fuzz: process %u: %s\n", me, strerror(-r));
		_exit(1);
	}
	if (guided) {
		r = kcov_start(&kcov, KCOV_ENTRIES);
		guided = !r;
		if (r)
			state->unguided = -r;
		else
			recorder->base = kcov.base;
	}
	for (;;) {
		/* the seeds as they are, once: what they reach is the beginning */
		if (first < (uint32_t)options->seed_count) {
			p = options->seeds[first];
			first += stride;
		} else {
			choose(&p, &rng);
		}
		recorder_begin(recorder, me, &p);
		if (guided)
			kcov_reset(&kcov);
		run_program(&p);
		recorder_end(recorder, me);
		if (guided && kcov_collect(&kcov, recorder->reached, COVER_SIZE, state->edges))
			corpus_add(&p);
	}
}

static pid_t start(unsigned int me, uint32_t first, uint32_t stride)
{
	static uint64_t number;
	uint64_t rng = options->seed + ++number * 1000003;
	pid_t pid = fork();

	if (!pid)
		worker(me, rng, first, stride);
	return pid;
}

/* ---- who watches */

static const char *const complaints[] = {
	"WARNING:", "BUG:", "BUG ", "Oops", "KASAN", "UBSAN", "KCSAN", "possible recursive", "possible circular", "possible irq", "suspicious RCU",
	"blocked for more", "general protection", "refcount_t", "soft lockup", "self-detected stall", "non-static key", "unreferenced object",
};

/* A line of the kernel's that tests/vm/run would count as a failure. */
static bool complained(char *line, size_t size)
{
	ssize_t n;
	size_t i;

	while (kmsg >= 0 && (n = read(kmsg, line, size - 1)) != -1) {
		line[n] = 0;
		for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
			if (strstr(line, complaints[i]) && !strstr(line, "hrtimer_forward"))
				return true;
	}
	return false;
}

static uint64_t sum(size_t offset)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < RECORDER_WORKERS; i++)
		n += *(uint64_t *)((uint8_t *)&state->sums[i] + offset);
	return n;
}
#define SUM(member) sum(offsetof(struct run_sums, member))

static uint32_t reached(void)
{
	uint32_t n = 0, i;

	for (i = 0; i < COVER_SIZE; i++)
		n += recorder->reached[i];
	return n;
}

/* What workers have found goes to where it outlives them; only this process writes there. */
static void keep_new(uint32_t *kept)
{
	static struct program p;

	for (; *kept < corpus->count && *kept < CORPUS; ++*kept) {
		uint32_t size = __atomic_load_n(&corpus->entry[*kept].size, __ATOMIC_ACQUIRE);

		if (!size)
			return;		/* being written, or its writer was killed there: then no more are kept */
		if (!program_unpack(&p, corpus->entry[*kept].packed, size))
			recorder_keep(recorder, &p);
	}
}

static int verdict(double seconds, int died, bool complaint, const char *line)
{
	bool deep = SUM(succeeded) * 8 > SUM(calls), bad = died || complaint || !deep;

	printf("# %" PRIu64 " programs, %" PRIu64 " calls, %" PRIu64 " successful, %" PRIu64 " forks, %" PRIu64 " kills; %.0f programs a second\n",
	       SUM(programs), SUM(calls), SUM(succeeded), SUM(forks), SUM(kills), (double)SUM(programs) / seconds);
	if (options->guided && state->unguided)
		printf("# not guided: /sys/kernel/debug/kcov: %s\n", strerror(state->unguided));
	else if (options->guided)
		printf("# %u blocks reached, %u programs in the corpus\n", reached(), corpus->count);
	if (complaint) {
		printf("# the kernel says: %s# the last programs, to be run again with fuzz --replay:\n", line);
		recorder_print(recorder, 12, stdout);
	}
	printf("%sok 1 the kernel did not complain\n", complaint ? "not " : "");
	printf("%sok 2 the processes lived but for being killed (%d did not)\n", died ? "not " : "", died);
	printf("%sok 3 enough calls succeeded to reach deep\n", deep ? "" : "not ");
	printf("1..3\n");
	return bad;
}

int fuzz(const struct fuzz_options *o, struct recorder *r)
{
	static char line[1024];
	pid_t pid[RECORDER_WORKERS] = { 0 }, gone;
	uint64_t rng = o->seed;
	double begin, kill_at;
	uint32_t kept;
	unsigned int i;
	int status, died = 0, err;
	bool complaint = false;

	options = o;
	recorder = r;
	corpus = mmap(NULL, sizeof(*corpus), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (corpus == MAP_FAILED || state == MAP_FAILED)
		return 1;
	for (i = 0; (int)i < o->seed_count; i++)
		corpus_add(&o->seeds[i]);
	kept = corpus->count;
	err = run_prepare(o->workers);
	if (err) {
		printf("Bail out! dseek, as root: %s\n", strerror(-err));
		return 1;
	}
	memset(recorder->worker, 0, sizeof(recorder->worker));
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	begin = now();
	kill_at = begin + 1;
	for (i = 0; i < o->workers; i++)
		pid[i] = start(i, i, o->workers);
	while (now() < begin + o->seconds && (!o->count || SUM(programs) < o->count) && !complaint && died < 10) {
		usleep(50000);
		while ((gone = waitpid(-1, &status, WNOHANG)) > 0)
			for (i = 0; i < o->workers; i++)
				if (pid[i] == gone) {
					died++;
					printf("# process %u ended by itself, status 0x%x\n", i, status);
					pid[i] = start(i, UINT32_MAX, 1);
				}
		keep_new(&kept);
		complaint = complained(line, sizeof(line));
		if (now() > kill_at) {
			kill_at = now() + 0.3 + random_below(&rng, 1000) * 1e-3;
			i = random_below(&rng, o->workers);
			if (state->sums[i].programs < (uint32_t)o->seed_count)
				continue;
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
			pid[i] = start(i, UINT32_MAX, 1);
		}
	}
	for (i = 0; i < o->workers; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	keep_new(&kept);
	run_restore();
	return verdict(now() - begin, died, complaint || complained(line, sizeof(line)), line);
}
