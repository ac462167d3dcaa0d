// SPDX-License-Identifier: MIT
/*
 * A call is put in with what it needs: who makes the resources it takes, memory for what it points at. Most values are good
 * ones, so that programs get deep; some are what stands at a boundary, of another kind, or noise.
 */
#include "generate.h"
#include "../../random.h"
#include <drm/dseek_drm.h>
#include <string.h>

#define DEPTH		3	/* of who makes what for whom */
#define UNMAPPED	0xdead0000ULL
#define KERNEL_ADDRESS	0xffff888000000000ULL

static uint64_t *rng;
static int also = -1;

static uint32_t rnd(uint32_t below)
{
	return random_below(rng, below);
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 63, 64, 65, 255, 256, 257, 4095, 4096, 4097, 65536, 65537, 1 << 20,
					(1 << 20) + 1, 1u << 31, 0xffffffff, 1ULL << 32, 1ULL << 40, 1ULL << 50, 1ULL << 63, UINT64_MAX - 4095,
					(uint64_t)-22, (uint64_t)-2, UINT64_MAX };

	return rnd(8) ? odd[rnd(sizeof(odd) / sizeof(odd[0]))] : (uint64_t)rnd(0xffffffff) << rnd(32);
}

static uint64_t odd_pointer(void)
{
	static const uint64_t odd[] = { 0, UNMAPPED, KERNEL_ADDRESS, UINT64_MAX - 7, 8 };

	return odd[rnd(sizeof(odd) / sizeof(odd[0]))];
}

static struct value plain(uint64_t n)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = n };
}

/* One of the lines before @at that make @resource, rather a late one; -1: there is none. */
static int maker_of(const struct program *p, uint32_t at, uint8_t resource)
{
	int found = -1;
	uint32_t i;

	for (i = 0; i < at && i < p->count; i++)
		if (call_makes(&calls[p->line[i].call], resource) >= 0 && (found < 0 || rnd(3)))
			found = (int)i;
	return found;
}

static int memory_of(const struct program *p, uint32_t at, uint8_t memory)
{
	int found = -1;
	uint32_t i;

	for (i = 0; i < at && i < p->count; i++)
		if (calls[p->line[i].call].kind == CALL_MEMORY && calls[p->line[i].call].memory == memory && (found < 0 || !rnd(2)))
			found = (int)i;
	return found;
}

static struct value good_value(const struct program *p, uint32_t at, const struct field *f)
{
	struct value v = { 0 };
	uint32_t n;
	int i;

	switch (f->kind) {
	case FIELD_NUMBER:
		v.number = f->low + (f->high - f->low < UINT32_MAX ? rnd((uint32_t)(f->high - f->low) + 1) : rnd(UINT32_MAX));
		if (f->high - f->low > 4 && !rnd(3))
			v.number = rnd(2) ? f->low : f->high;
		break;
	case FIELD_FLAGS:
		v.number = rnd(2) ? rnd(UINT32_MAX) & f->high : 0;
		break;
	case FIELD_RESOURCE:
		i = maker_of(p, at, f->resource);
		if (i < 0)
			break;
		v.kind = VALUE_RESULT;
		v.line = (uint8_t)i;
		if (f->resource == RES_TAG || f->resource == RES_SEQNO)
			v.number = rnd(3) ? 0 : rnd(3);
		break;
	case FIELD_POINTER:
		i = memory_of(p, at, f->memory);
		if (i < 0)
			break;
		v.kind = VALUE_POINTER;
		v.line = (uint8_t)i;
		break;
	case FIELD_TIME:
		if (rnd(2))
			break;
		v.kind = VALUE_TIME;
		v.number = rnd((uint32_t)f->high);
		break;
	case FIELD_WORD:
		for (n = 0; f->words[n]; n++)
			;
		v.kind = VALUE_WORD;
		v.number = rnd(n);
		break;
	}
	return v;
}

static struct value any_value(const struct program *p, uint32_t at, const struct field *f)
{
	struct value v = good_value(p, at, f);

	switch (rnd(6)) {
	case 0: return v;
	case 1: return v.kind == VALUE_POINTER ? (v.number = 4 * rnd(2048), v) : plain(f->low + rnd(3) - 1);
	case 2: return plain(f->high + rnd(3) - 1);
	case 3: return plain(f->kind == FIELD_POINTER ? odd_pointer() : odd_number());
	case 4:	/* of any kind */
		if (!at)
			return plain(odd_number());
		return (struct value){ .kind = rnd(4) ? VALUE_RESULT : VALUE_BIT, .line = (uint8_t)rnd(at < p->count ? at : p->count) };
	default: return plain(odd_number());
	}
}

static struct value *member(struct line *l, const char *name)
{
	static struct value none;
	const struct call *c = &calls[l->call];
	uint32_t i;

	for (i = 0; i < c->field_count; i++)
		if (!strcmp(c->field[i].name, name))
			return &l->value[i];
	return &none;
}

/* What the members of a call must have to do with each other for it to succeed. */
static void agree(struct program *p, struct line *l)
{
	const struct call *c = &calls[l->call];
	uint32_t i;

	/* the descriptor through which a handle was made */
	if (c->kind == CALL_IOCTL || c->kind == CALL_OTHER)
		for (i = 1; i < c->field_count; i++) {
			const struct value *v = &l->value[i];
			const struct line *made = &p->line[v->line];

			if (v->kind == VALUE_RESULT && c->field[i].kind == FIELD_RESOURCE && c->field[0].resource == calls[made->call].field[0].resource &&
			    made->value[0].kind == VALUE_RESULT && c->field[0].resource != RES_FD && rnd(16))
				l->value[0] = made->value[0];
		}
	if (!strcmp(c->name, "queue_create")) {
		uint64_t class = member(l, "sched_class")->number;

		*member(l, "weight") = plain(class ? 1 + rnd(100) : 0);
		*member(l, "budget_ns") = plain(class ? 0 : 100000 + rnd(2000000));
		*member(l, "period_ns") = plain(class ? 0 : 20000000 + rnd(100000000));
		if (!class || rnd(2))
			*member(l, "engines") = plain(0);
		else if (rnd(4))
			member(l, "engine")->number = 0;
	} else if (!strcmp(c->name, "attach")) {
		uint64_t which = member(l, "name")->number;

		*member(l, "type") = plain(which == 1 ? DRM_DSEEK_ENGINE_NIC : DRM_DSEEK_ENGINE_NULL);
		if (rnd(2))
			*member(l, "flags") = plain(0);
	} else if (!strcmp(c->name, "job")) {
		member(l, "const_size")->number &= ~3ULL;
		if (rnd(6))
			*member(l, "deadline_ns") = plain(0);
	} else if (!strcmp(c->name, "completion")) {
		if (rnd(4))
			*member(l, "error") = plain(0);
	} else if (!strcmp(c->name, "dev_query")) {
		if (member(l, "type")->number != DRM_DSEEK_QUERY_ENGINE)
			*member(l, "index") = plain(0);
	} else if (!strcmp(c->name, "memory")) {
		if (rnd(2))
			*member(l, "from") = plain(UINT64_MAX);
	} else if (!strcmp(c->name, "program_read")) {
		if (rnd(3))
			*member(l, "size") = plain(4096);
	}
}

static uint32_t insert(struct program *p, uint32_t at, uint8_t call, int depth);

/* Makes sure that somebody before @at makes what the member takes. Returns the lines put in. */
static uint32_t provide(struct program *p, uint32_t at, const struct field *f, int depth, struct value *ret_pointer, uint32_t *ret_count)
{
	uint32_t i, n, pick = 0, seen = 0, added = 0;

	if (depth > DEPTH || p->count > PROGRAM_LINES - 6)
		return 0;
	if (f->kind == FIELD_RESOURCE && (maker_of(p, at, f->resource) < 0 ? rnd(16) : !rnd(24))) {
		for (i = 0; i < call_count; i++)
			if (calls[i].weight && call_makes(&calls[i], f->resource) >= 0 && !rnd(++seen))
				pick = i;
		return seen ? insert(p, at, (uint8_t)pick, depth + 1) : 0;
	}
	if (f->kind == FIELD_POINTER && (memory_of(p, at, f->memory) < 0 ? rnd(16) : rnd(2))) {
		for (i = 0; calls[i].memory != f->memory || calls[i].kind != CALL_MEMORY; i++)
			;
		n = f->memory == MEM_JOB || f->memory == MEM_COMPLETION ? 1 + rnd(2) : rnd(6) ? 1 : 2;
		while (n-- && p->count <= PROGRAM_LINES - 6) {
			added += insert(p, at + added, (uint8_t)i, depth + 1);
			if (!(*ret_count)++)
				*ret_pointer = (struct value){ .kind = VALUE_POINTER, .line = (uint8_t)(at + added - 1) };
		}
	}
	return added;
}

/* The call and what it needs. Returns the number of lines put in; the call is the last of them. */
static uint32_t insert(struct program *p, uint32_t at, uint8_t call, int depth)
{
	const struct call *c = &calls[call];
	struct value pointer[CALL_FIELDS];
	uint32_t count[CALL_FIELDS] = { 0 }, added = 0, k;
	struct line *l;

	for (k = 0; k < c->field_count; k++) {
		/* a job has no waits and no signals, or a call no answer, mostly */
		if (c->field[k].kind == FIELD_POINTER && c->memory == MEM_JOB && rnd(3) && c->field[k].memory == MEM_SYNC)
			continue;
		added += provide(p, at + added, &c->field[k], depth, &pointer[k], &count[k]);
	}
	program_make_room(p, at + added, 1);
	at = at + added < p->count ? at + added : p->count - 1;
	l = &p->line[at];
	l->call = call;
	for (k = 0; k < c->field_count; k++) {
		l->value[k] = count[k] ? pointer[k] : good_value(p, at, &c->field[k]);
		/* as many as there are */
		if (k && c->field[k - 1].kind == FIELD_POINTER && strstr(c->field[k].name, "count"))
			l->value[k] = plain(count[k - 1]);
	}
	if (rnd(16))
		agree(p, l);
	if (!rnd(8) && c->field_count) {
		k = rnd(c->field_count);
		l->value[k] = any_value(p, at, &c->field[k]);
	}
	return added + 1;
}

static uint8_t any_call(void)
{
	static uint32_t sum;
	uint32_t i, n;

	if (also >= 0 && !rnd(300))
		return (uint8_t)also;
	if (!sum)
		for (i = 0; i < call_count; i++)
			sum += calls[i].weight;
	n = rnd(sum);
	for (i = 0; n >= calls[i].weight; i++)
		n -= calls[i].weight;
	return (uint8_t)i;
}

bool generate_also(const char *name)
{
	also = call_find(name, strlen(name));
	return also >= 0;
}

/* Nobody refers to what comes after, whatever has been moved. */
static void only_backwards(struct program *p)
{
	uint32_t i, k;

	for (i = 0; i < p->count; i++) {
		struct line *l = &p->line[i];

		if (l->process > i || (l->process && call_makes(&calls[p->line[l->process - 1].call], RES_PROCESS) < 0))
			l->process = 0;
		for (k = 0; k < CALL_FIELDS; k++) {
			struct value *v = &l->value[k];

			if (k >= calls[l->call].field_count)
				*v = plain(0);
			else if (v->line >= i && (v->kind == VALUE_RESULT || v->kind == VALUE_BIT || v->kind == VALUE_POINTER))
				*v = plain(v->kind == VALUE_POINTER ? 0 : UINT64_MAX);
		}
	}
}

void program_generate(struct program *p, uint64_t *state)
{
	uint32_t n;

	rng = state;
	p->count = 0;
	for (n = 3 + rnd(8); n && p->count < PROGRAM_LINES - 4; n--)
		insert(p, p->count, any_call(), 0);
	only_backwards(p);
}

static void splice(struct program *p, const struct program *other)
{
	uint32_t cut = rnd(p->count + 1), take = other->count, i, k;

	if (cut + take > PROGRAM_LINES)
		take = PROGRAM_LINES - cut;
	program_remove(p, cut, p->count - cut);
	for (i = 0; i < take; i++) {
		struct line *l = &p->line[cut + i];

		*l = other->line[i];
		if (l->process)
			l->process = (uint8_t)(l->process + cut);
		for (k = 0; k < CALL_FIELDS; k++)
			if (l->value[k].kind == VALUE_RESULT || l->value[k].kind == VALUE_BIT || l->value[k].kind == VALUE_POINTER)
				l->value[k].line = (uint8_t)(l->value[k].line + cut);
	}
	p->count = cut + take;
}

static void change_value(struct program *p)
{
	uint32_t at = rnd(p->count);
	struct line *l = &p->line[at];
	const struct call *c = &calls[l->call];
	uint32_t k;

	if (!c->field_count)
		return;
	k = rnd(c->field_count);
	l->value[k] = rnd(2) ? any_value(p, at, &c->field[k]) : good_value(p, at, &c->field[k]);
}

static void change_process(struct program *p)
{
	uint32_t i;
	int maker;

	i = rnd(p->count);
	maker = maker_of(p, i, RES_PROCESS);
	if (maker < 0)
		return;
	for (; i < p->count && rnd(4); i++)
		if (call_makes(&calls[p->line[i].call], RES_PROCESS) < 0)
			p->line[i].process = (uint8_t)(maker + 1);
}

void program_mutate(struct program *p, const struct program *other, uint64_t *state)
{
	uint32_t n, at;

	rng = state;
	for (n = 1 + rnd(3); n; n--) {
		if (!p->count) {
			program_generate(p, state);
			return;
		}
		switch (rnd(16)) {
		case 0: case 1:
			at = rnd(p->count);
			program_remove(p, at, 1 + rnd(p->count - at > 3 ? 3 : p->count - at));
			break;
		case 2:
			splice(p, other);
			break;
		case 3:
			if (p->count == PROGRAM_LINES)
				break;
			at = rnd(p->count);
			program_make_room(p, p->count, 1);
			p->line[p->count - 1] = p->line[at];
			break;
		case 4: case 5:
			change_process(p);
			break;
		case 6: case 7: case 8: case 9: case 10:
			change_value(p);
			break;
		default:
			if (p->count < PROGRAM_LINES - 4)
				insert(p, rnd(4) ? p->count : rnd(p->count + 1), any_call(), 0);
		}
		only_backwards(p);
	}
}
