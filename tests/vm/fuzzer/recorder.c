// SPDX-License-Identifier: MIT
#include "recorder.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOSTFS	0x00c0ffee	/* f_type: linux/magic.h of user-mode Linux */

static int through = -1;	/* the file, where it must be written to */

_Static_assert(sizeof(struct recorder) <= RECORDER_SIZE, "tests/vm/run makes it that large");

struct recorder *recorder_open(const char *path)
{
	struct recorder *r;
	struct statfs fs;
	struct stat st;
	int fd;

	if (path) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return NULL;
		if (fstat(fd, &st) || st.st_size < RECORDER_SIZE) {
			close(fd);
			errno = EINVAL;
			return NULL;
		}
		r = mmap(NULL, RECORDER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (r != MAP_FAILED && !fstatfs(fd, &fs) && fs.f_type == HOSTFS)
			through = fd;
		else
			close(fd);
	} else {
		r = mmap(NULL, RECORDER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	if (r == MAP_FAILED)
		return NULL;
	if (r->magic != RECORDER_MAGIC || r->version != RECORDER_VERSION || r->corpus_used > CORPUS_TEXT) {
		r->corpus_used = 0;
		memset(r->worker, 0, sizeof(r->worker));
		memset(r->reached, 0, sizeof(r->reached));
		r->version = RECORDER_VERSION;
		r->magic = RECORDER_MAGIC;
		if (through >= 0 && pwrite(through, r, offsetof(struct recorder, worker), 0) < 0) {
			munmap(r, RECORDER_SIZE);
			return NULL;
		}
	}
	return r;
}

void recorder_begin(struct recorder *r, unsigned int worker, const struct program *p)
{
	uint32_t n = r->worker[worker].begun;
	struct flight *f = &r->worker[worker].flight[n % FLIGHTS];
	size_t used;

	f->number = 0;
	f->size = (uint32_t)program_pack(p, f->packed, sizeof(f->packed));
	f->number = n + 1;
	used = offsetof(struct flight, packed) + f->size;
	if (through >= 0 && pwrite(through, f, used, (uint8_t *)f - (uint8_t *)r) != (ssize_t)used)
		_exit(4);
	__atomic_store_n(&r->worker[worker].begun, n + 1, __ATOMIC_RELEASE);
}

void recorder_end(struct recorder *r, unsigned int worker)
{
	r->worker[worker].ended = r->worker[worker].begun;
}

/* @begun of the mapping may be older than what was written. */
static uint32_t last_begun(const struct recorder *r, uint32_t worker)
{
	uint32_t last = 0, i;

	for (i = 0; i < FLIGHTS; i++)
		if (r->worker[worker].flight[i].number > last)
			last = r->worker[worker].flight[i].number;
	return last;
}

void recorder_print(const struct recorder *r, unsigned int count, FILE *to)
{
	static char text[PROGRAM_TEXT];
	struct program p;
	uint32_t w, n, last;

	if (count > FLIGHTS)
		count = FLIGHTS;
	for (w = 0; w < RECORDER_WORKERS; w++) {
		last = last_begun(r, w);
		for (n = last > count ? last - count + 1 : 1; n <= last; n++) {
			const struct flight *f = &r->worker[w].flight[(n - 1) % FLIGHTS];

			if (f->number != n || f->size > sizeof(f->packed) || program_unpack(&p, f->packed, f->size) || !p.count)
				continue;
			program_print(&p, text, sizeof(text));
			fprintf(to, "# process %u, program %u%s\n%s\n", w, n, n == last && r->worker[w].ended != n ? ", running" : "", text);
		}
	}
}

void recorder_keep(struct recorder *r, const struct program *p)
{
	static char text[PROGRAM_TEXT];
	size_t n = program_print(p, text, sizeof(text));

	if (r->corpus_used + n + 2 > CORPUS_TEXT)
		return;
	memcpy(r->corpus + r->corpus_used, text, n);
	memcpy(r->corpus + r->corpus_used + n, "\n", 2);
	__atomic_store_n(&r->corpus_used, r->corpus_used + (uint32_t)n + 1, __ATOMIC_RELEASE);
}
