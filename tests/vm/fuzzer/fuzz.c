// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "generate.h"
#include "kcov.h"
#include "run.h"
#include "watch.h"
#include "../../random.h"
#include <errno.h>
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
#define KILL_PROGRAMS	256	/* a process is killed about once in so many of all, or once in 0.8 s if that is earlier */
#define CHECK_PROGRAMS	4096	/* after so many nothing may be left */
#define STAND_SECONDS	10	/* for the programs that run to end; else the check waits for the next time */
#define LEFT_SECONDS	10

/* Shared by all processes. Entries are added and stay; @size comes last. */
struct corpus {
	volatile uint32_t count;
	struct {
		volatile uint32_t size;
		uint8_t packed[PACKED + 3];
	} entry[CORPUS];
};

struct state {
	struct run_sums sums[RECORDER_WORKERS], seed_sums[RECORDER_WORKERS];
	volatile uint32_t pause;	/* not 0: all are to stand still before their next program, */
	volatile uint32_t stands[RECORDER_WORKERS];	/* and say so with that number */
	uint8_t edges[1 << 16];
	volatile int unguided;		/* errno of why */
	uint32_t killed, checks;
};

static struct corpus *corpus;
static struct state *state;
static struct recorder *recorder;
static const struct fuzz_options *options;

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

/* A process takes as long as a whole program does: most go, and their lines run in the first one then. */
static void fewer_processes(struct program *p, uint64_t *rng)
{
	uint32_t i;

	for (i = p->count; i--;)
		if (calls[p->line[i].call].kind == CALL_OTHER && calls[p->line[i].call].other == OTHER_FORK && random_below(rng, 4))
			program_remove(p, i, 1);
}

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
	fewer_processes(p, rng);
	if (!p->count)
		program_generate(p, rng);
}

static void stand_still(unsigned int me)
{
	uint32_t pause;

	while ((pause = state->pause)) {
		state->stands[me] = pause;
		usleep(500);
	}
}

__attribute__((noreturn)) static void worker(unsigned int me, uint64_t rng, uint32_t first, uint32_t stride)
{
	static struct program p;
	struct kcov kcov;
	bool guided = options->guided;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = run_begin(me, &state->seed_sums[me]);
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
			run_count_in(&state->sums[me]);
			choose(&p, &rng);
		}
		stand_still(me);
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

static uint64_t sum(size_t offset)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < RECORDER_WORKERS; i++)
		n += *(uint64_t *)((uint8_t *)&state->sums[i] + offset);
	return n;
}
#define SUM(member) sum(offsetof(struct run_sums, member))

static uint32_t seeds_run(void)
{
	uint32_t n = 0, i;

	for (i = 0; i < RECORDER_WORKERS; i++)
		n += (uint32_t)state->seed_sums[i].programs;
	return n;
}

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

		if (!size && corpus->count - *kept < 64)
			return;		/* being written; where so many came after it, its writer was killed there */
		if (size && !program_unpack(&p, corpus->entry[*kept].packed, size))
			recorder_keep(recorder, &p);
	}
}

/* Between programs nobody has anything open. True: something is left nevertheless, and @why says what. */
static bool check_left(char *why, size_t size)
{
	static uint32_t number;
	double until = now() + STAND_SECONDS;
	unsigned int i = 0;
	siginfo_t ended;
	bool left = false;

	state->pause = ++number;
	while (i < options->workers && now() < until) {
		if (state->stands[i] == number) {
			i++;
			continue;
		}
		ended.si_pid = 0;
		/* one that died won't come to stand: fuzz() sees that */
		if (!waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) && ended.si_pid)
			break;
		usleep(500);
	}
	if (i == options->workers) {
		left = watch_left(LEFT_SECONDS, why, size);
		state->checks += !left;
	} else if (now() >= until) {
		printf("# process %u is in one program for %d s\n", i, STAND_SECONDS);
		recorder_print(recorder, 1, stdout);
	}
	state->pause = 0;
	return left;
}

static int verdict(double seconds, int died, const char *why)
{
	bool deep = SUM(succeeded) * 8 > SUM(calls), bad = died || *why || !deep;

	printf("# %" PRIu64 " programs, %" PRIu64 " calls, %" PRIu64 " successful, %" PRIu64 " forks, %" PRIu64 " kills; %.0f programs a second\n",
	       SUM(programs), SUM(calls), SUM(succeeded), SUM(forks), SUM(kills), (double)SUM(programs) / seconds);
	printf("# %u seeds besides, which are not counted: they have run before\n", seeds_run());
	printf("# %u processes killed while they ran one, %u times nothing was left in between\n", state->killed, state->checks);
	if (options->guided && state->unguided)
		printf("# not guided: /sys/kernel/debug/kcov: %s\n", strerror(state->unguided));
	else if (options->guided)
		printf("# %u blocks reached, %u programs in the corpus\n", reached(), corpus->count);
	if (*why) {
		printf("# %s\n# the last programs, to be run again with fuzz --replay:\n", why);
		recorder_print(recorder, 12, stdout);
	}
	printf("%sok 1 the kernel did not complain, and nothing was left behind\n", *why ? "not " : "");
	printf("%sok 2 the processes lived but for being killed (%d did not)\n", died ? "not " : "", died);
	printf("%sok 3 enough calls succeeded to reach deep\n", deep ? "" : "not ");
	printf("1..3\n");
	return bad;
}

static void kill_one(pid_t *pid, uint64_t *rng)
{
	unsigned int i = random_below(rng, options->workers);

	if (!state->sums[i].programs)
		return;		/* nobody would run the rest of its seeds */
	kill(pid[i], SIGKILL);
	waitpid(pid[i], NULL, 0);
	pid[i] = start(i, UINT32_MAX, 1);
	state->killed++;
}

/* Those that ended, begun anew. Returns how many. */
static int begin_anew(pid_t *pid)
{
	unsigned int i;
	int status, died = 0;
	pid_t gone;

	while ((gone = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < options->workers; i++)
			if (pid[i] == gone) {
				died++;
				printf("# process %u ended by itself, status 0x%x\n", i, status);
				pid[i] = start(i, UINT32_MAX, 1);
			}
	return died;
}

int fuzz(const struct fuzz_options *o, struct recorder *r)
{
	static char why[1200];
	pid_t pid[RECORDER_WORKERS] = { 0 };
	uint64_t rng = o->seed, kill_program = 0, check_program = CHECK_PROGRAMS;
	double begin, kill_at;
	uint32_t kept;
	unsigned int i;
	int died = 0, err;

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
	watch_begin();
	begin = now();
	kill_at = begin + 1;
	for (i = 0; i < o->workers; i++)
		pid[i] = start(i, i, o->workers);
	while (now() < begin + o->seconds && (!o->count || SUM(programs) < o->count) && !watch_log(why, sizeof(why)) && died < 10) {
		usleep(10000);
		died += begin_anew(pid);
		keep_new(&kept);
		if (now() > kill_at || SUM(programs) > kill_program) {
			kill_at = now() + 0.3 + random_below(&rng, 1000) * 1e-3;
			kill_program = SUM(programs) + random_below(&rng, 2 * KILL_PROGRAMS);
			kill_one(pid, &rng);
		}
		if (SUM(programs) > check_program) {
			check_program = SUM(programs) + CHECK_PROGRAMS;
			if (check_left(why, sizeof(why)))
				break;
		}
	}
	for (i = 0; i < o->workers; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	keep_new(&kept);
	run_restore();
	if (!*why && !watch_log(why, sizeof(why)))
		watch_left(LEFT_SECONDS, why, sizeof(why));
	return verdict(now() - begin, died, why);
}
