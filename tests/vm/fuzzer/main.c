// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "generate.h"
#include "minimise.h"
#include "run.h"
#include "../../random.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char usage[] =
"fuzz [--seconds N] [--count PROGRAMS] [--seed N] [--processes N] [--unguided] [--with CALL] [FILE...]\n"
"       Runs random programs of calls to both of dseek's devices, from those of the FILEs on; as root. Where the kernel has KCOV,\n"
"       programs that reach something new are built on. DSEEK_RECORDER: memory that the host keeps (tests/vm/run).\n"
"fuzz --replay [--times N] [--verbose] FILE...     runs the programs of the files, one after the other\n"
"fuzz --check FILE...                              reads them, and prints them as they were understood\n"
"fuzz --minimise --while COMMAND FILE...           prints the least of them for which COMMAND (its $1: a file) exits with 0\n"
"fuzz --last RECORDER [--count PROGRAMS]           prints what ran last in a guest, of each process the last (1)\n"
"fuzz --corpus RECORDER                            prints the programs that reached something new\n"
"fuzz --reached RECORDER                           prints what was reached: offsets in .text of the instrumentation's relocations\n"
"fuzz --generate [--count PROGRAMS] [--seed N] [FILE...]   prints random programs, runs nothing\n"
"The form of programs: tests/vm/fuzzer/program.h. Exit status: 0 nothing found, 1 found, 2 the arguments or files are wrong.\n";

static struct program *programs;
static int count;

__attribute__((noreturn)) static void die(const char *what, const char *why)
{
	fprintf(stderr, "fuzz: %s: %s\n", what, why);
	exit(2);
}

static char *read_all(const char *path)
{
	FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "re");
	size_t size = 1 << 16, n = 0, got;
	char *text = malloc(size);

	if (!f || !text)
		die(path, strerror(errno));
	while ((got = fread(text + n, 1, size - n - 1, f)) > 0) {
		n += got;
		if (n + 1 == size && !(text = realloc(text, size *= 2)))
			die(path, strerror(ENOMEM));
	}
	if (ferror(f))
		die(path, strerror(errno));
	if (f != stdin)
		fclose(f);
	if (memchr(text, 0, n))
		die(path, "holds a zero byte: this is no text");
	text[n] = 0;
	return text;
}

/* Shared, though nobody writes to it any more: of private memory, which this is tens of megabytes of, each fork() would copy all tables of pages. */
static int grow(void)
{
	size_t size = (size_t)count * sizeof(*programs);
	struct program *more = mmap(NULL, size ? 2 * size : sizeof(*programs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (more == MAP_FAILED)
		return -errno;
	if (size) {
		memcpy(more, programs, size);
		munmap(programs, size);
	}
	programs = more;
	return 0;
}

static void load(const char *path)
{
	static struct program p;
	char *text = read_all(path), where[300];
	const char *at = text, *error = NULL;
	unsigned int line = 0;
	int r, before = count;

	while ((r = program_parse(&at, &p, &line, &error)) > 0) {
		if (!(count & (count - 1)) && grow())
			die(path, strerror(ENOMEM));
		programs[count++] = p;
	}
	if (r < 0) {
		snprintf(where, sizeof(where), "%s:%u", path, line);
		die(where, error);
	}
	free(text);
	if (count == before)
		fprintf(stderr, "fuzz: %s: no program in it\n", path);
}

static void print_all(void)
{
	static char text[PROGRAM_TEXT];
	int i;

	for (i = 0; i < count; i++) {
		program_print(&programs[i], text, sizeof(text));
		printf("%s%s", i ? "\n" : "", text);
	}
}

static int replay(uint64_t times, struct recorder *recorder)
{
	static struct run_sums sums;
	uint64_t n;
	int i, r = run_prepare(1);

	if (r) {
		printf("Bail out! dseek, as root: %s\n", strerror(-r));
		return 1;
	}
	r = run_begin(0, &sums);
	if (r)
		die("the first process", strerror(-r));
	for (n = 0; n < times; n++)
		for (i = 0; i < count; i++) {
			recorder_begin(recorder, 0, &programs[i]);
			run_program(&programs[i]);
			recorder_end(recorder, 0);
		}
	run_restore();
	printf("# %llu programs, %llu calls, %llu successful\n", (unsigned long long)sums.programs, (unsigned long long)sums.calls,
	       (unsigned long long)sums.succeeded);
	printf("ok 1 the programs came to their ends\n1..1\n");
	return 0;
}

static void generate(uint64_t n, uint64_t seed)
{
	static struct program p;
	static char text[PROGRAM_TEXT];
	int seeds = count;
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (seeds && random_below(&seed, 3)) {
			p = programs[random_below(&seed, (uint32_t)seeds)];
			program_mutate(&p, &programs[random_below(&seed, (uint32_t)seeds)], &seed);
		} else {
			program_generate(&p, &seed);
		}
		program_print(&p, text, sizeof(text));
		printf("%s%s", i ? "\n" : "", text);
	}
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		die(name, "is followed by a number");
	return n;
}

enum { FUZZ, REPLAY, CHECK, MINIMISE, LAST, KEPT, REACHED, GENERATE, SECONDS, COUNT, SEED, PROCESSES, UNGUIDED, WITH, TIMES, VERBOSE, WHILE, HELP };
static const struct option names[] = {
	{ "replay", 0, 0, REPLAY }, { "check", 0, 0, CHECK }, { "minimise", 0, 0, MINIMISE }, { "last", 1, 0, LAST }, { "corpus", 1, 0, KEPT },
	{ "reached", 1, 0, REACHED },	{ "generate", 0, 0, GENERATE }, { "seconds", 1, 0, SECONDS }, { "count", 1, 0, COUNT }, { "seed", 1, 0, SEED }, { "processes", 1, 0, PROCESSES },
	{ "unguided", 0, 0, UNGUIDED }, { "with", 1, 0, WITH }, { "times", 1, 0, TIMES }, { "verbose", 0, 0, VERBOSE }, { "while", 1, 0, WHILE },
	{ "help", 0, 0, HELP }, { 0 },
};

int main(int argc, char **argv)
{
	struct fuzz_options o = { .seconds = 10, .workers = 4, .guided = true };
	const char *path = getenv("DSEEK_RECORDER"), *seed = NULL, *command = NULL;
	uint64_t times = 1;
	uint32_t i;
	struct recorder *recorder;
	int c, mode = FUZZ;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0)
		switch (c) {
		case REPLAY: case CHECK: case MINIMISE: case GENERATE: mode = c; break;
		case LAST: case KEPT: case REACHED: mode = c; path = optarg; break;
		case SECONDS: o.seconds = (unsigned int)number("--seconds", optarg); break;
		case COUNT: o.count = number("--count", optarg); break;
		case SEED: seed = optarg; number("--seed", optarg); break;
		case PROCESSES:
			o.workers = (unsigned int)number("--processes", optarg);
			if (!o.workers || o.workers > RECORDER_WORKERS)
				die("--processes", "1 to 16");
			break;
		case UNGUIDED: o.guided = false; break;
		case WITH:
			if (!generate_also(optarg))
				die(optarg, "no such call");
			break;
		case TIMES: times = number("--times", optarg); break;
		case VERBOSE: run_be_verbose(); break;
		case WHILE: command = optarg; break;
		case HELP: fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	setlinebuf(stdout);
	while (optind < argc)
		load(argv[optind++]);
	if ((mode == REPLAY || mode == CHECK || mode == MINIMISE) && !count)
		die("no program", "name a file that holds one");
	switch (mode) {
	case CHECK: print_all(); return 0;
	case GENERATE: generate(o.count ?: 1, random_seed_or_new(seed, "--seed")); return 0;
	case MINIMISE:
		if (!command)
			die("--minimise", "needs --while COMMAND");
		count = minimise(programs, count, command);
		if (count < 0)
			die(command, "does not hold of the programs as they are");
		print_all();
		return 0;
	}
	recorder = recorder_open(path && *path ? path : NULL);
	if (!recorder)
		die(path ?: "recorder", strerror(errno));
	switch (mode) {
	case LAST: recorder_print(recorder, (unsigned int)(o.count ?: 1), stdout); return 0;
	case KEPT: fwrite(recorder->corpus, 1, strnlen(recorder->corpus, recorder->corpus_used), stdout); return 0;
	case REACHED:
		for (i = 0; i < COVER_SIZE; i++)
			if (recorder->reached[i])
				printf("%016x\n", i - 4);
		return 0;
	case REPLAY: return replay(times, recorder);
	}
	if (!path || !*path)
		printf("# no DSEEK_RECORDER: if the kernel dies, what ran is lost\n");
	o.seed = random_seed_or_new(seed, "DSEEK_FUZZ_SEED");
	o.seeds = programs;
	o.seed_count = count;
	return fuzz(&o, recorder);
}
