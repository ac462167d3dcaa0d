// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "pretokenize.h"
#include "utf8.h"

#define MAX_PATTERNS 6

/*
 * White space as the models' own tools see it: the Unicode property White_Space. PCRE2's \s differs
 * by U+180E. WS is for use inside brackets.
 */
#define WS	"\\t-\\r\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define S	"[" WS "]"
#define NOT_S	"[^" WS "]"

#define SPACES		S "*[\\r\\n]+|" S "+(?!" NOT_S ")|" S "+"
#define CONTRACTION	"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2		"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|" S "+(?!" NOT_S ")|" S "+"
#define CJK		"[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define UPPER		"[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER		"[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define NOT_WORD	"[^\\r\\n\\p{L}\\p{N}]"

/* DeepSeek LLM's list of cased letters, from its tokenizer.json. */
#define DEEPSEEK_LETTERS \
	"[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}" \
	"\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}" \
	"\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}" \
	"\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}" \
	"\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}" \
	"\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}" \
	"\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}" \
	"\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}" \
	"\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}" \
	"\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}" \
	"\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}" \
	"\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}" \
	"\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}" \
	"\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}" \
	"\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}" \
	"\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}" \
	"\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}" \
	"\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+"

/*
 * Patterns are applied one after the other, each to the pieces the one before left: matches and
 * what lies between them.
 */
struct family {
	const char *names;	/* of tokenizer.ggml.pre, space-separated */
	bool whole_words, default_bos;
	const char *patterns[MAX_PATTERNS];
};

static const struct family families[] = {
	{ "gpt-2 phi-2 gigachat modern-bert", false, false, { GPT2 } },
	{ "smollm starcoder refact command-r codeshell exaone", false, false, { "\\p{N}", GPT2 } },
	{ "qwen2 deepseek-r1-qwen stablelm2 megrez", false, false,
	  { CONTRACTION "|" NOT_WORD "?\\p{L}+|\\p{N}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" SPACES } },
	{ "llama-bpe llama3 llama-v3 falcon3 pixtral", true, true,
	  { CONTRACTION "|" NOT_WORD "?\\p{L}+|\\p{N}{1,3}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" SPACES } },
	{ "gpt-4o llama4", true, false,
	  { NOT_WORD "?" UPPER "*" LOWER "+" CONTRACTION "?|" NOT_WORD "?" UPPER "+" LOWER "*" CONTRACTION "?|"
	    "\\p{N}{1,3}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES } },
	{ "deepseek-llm", false, false,
	  { "[\\r\\n]", S "?" DEEPSEEK_LETTERS, S "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
	    S "+$", CJK, "\\p{N}+" } },
	{ "deepseek-coder", false, false, { "[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+", CJK, "\\p{N}" } },
	{ "deepseek-v3", false, false,
	  { "\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
	    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
	    " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES } },
	/* Files made before the key existed. */
	{ "default", false, false, { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" } },
};

struct pretokenizer {
	const struct family *family;
	pcre2_code *codes[MAX_PATTERNS];
	int n_codes;
};

static const struct family *find_family(const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; size && i < sizeof(families) / sizeof(families[0]); i++) {
		for (const char *p = families[i].names; *p; p += *p == ' ') {
			size_t n = strcspn(p, " ");

			if (n == size && !memcmp(p, name, n))
				return &families[i];
			p += n;
		}
	}
	return NULL;
}

static int unknown(const char *name, char *err, size_t err_size)
{
	int n = snprintf(err, err_size, "unknown pre-tokenizer '%s'; known are", name);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && n >= 0 &&
	     (size_t)n < err_size; i++)
		n += snprintf(err + n, err_size - n, "%s %s", i ? "," : "", families[i].names);
	return -ENOTSUP;
}

int pretokenizer_create(const char *name, struct pretokenizer **ret_pre, char *err, size_t err_size)
{
	const struct family *family = find_family(name);
	struct pretokenizer *p;

	if (!family)
		return unknown(name, err, err_size);
	p = calloc(1, sizeof(*p));
	if (!p)
		goto no_memory;
	p->family = family;
	for (; p->n_codes < MAX_PATTERNS && family->patterns[p->n_codes]; p->n_codes++) {
		PCRE2_SIZE at;
		int code;

		p->codes[p->n_codes] = pcre2_compile((PCRE2_SPTR)family->patterns[p->n_codes],
						     PCRE2_ZERO_TERMINATED,
						     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
		if (!p->codes[p->n_codes])
			goto no_memory;	/* the patterns are ours, and the tests compile each */
		pcre2_jit_compile(p->codes[p->n_codes],
				  PCRE2_JIT_COMPLETE);	/* without it they are interpreted */
	}
	*ret_pre = p;
	return 0;
no_memory:
	pretokenizer_destroy(p);
	snprintf(err, err_size, "pre-tokenizer '%s': no memory", name);
	return -ENOMEM;
}

void pretokenizer_destroy(struct pretokenizer *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->n_codes; i++)
		pcre2_code_free(p->codes[i]);
	free(p);
}

bool pretokenizer_whole_words(const struct pretokenizer *p)
{
	return p->family->whole_words;
}

bool pretokenizer_default_bos(const struct pretokenizer *p)
{
	return p->family->default_bos;
}

static int add_span(struct spans *s, uint32_t at, uint32_t size)
{
	if (!size)
		return 0;
	if (s->n == s->allocated) {
		size_t n = s->allocated ? 2 * s->allocated : 64;
		struct span *v = realloc(s->v, n * sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->allocated = n;
	}
	s->v[s->n++] = (struct span){ at, size };
	return 0;
}

/* @span of @text, which is UTF-8: the matches of @code and the gaps between them. */
static int split_span(const pcre2_code *code, pcre2_match_data *match, pcre2_match_context *context,
		      const char *text, struct span span, struct spans *out)
{
	const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(match);
	PCRE2_SIZE at = 0, done = 0;
	int r;

	while (at < span.size) {
		r = pcre2_match(code, (PCRE2_SPTR)text + span.at, span.size, at, PCRE2_NO_UTF_CHECK,
				match, context);
		if (r == PCRE2_ERROR_JIT_STACKLIMIT)
			r = pcre2_match(code, (PCRE2_SPTR)text + span.at, span.size, at,
					PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, context);
		if (r == PCRE2_ERROR_NOMATCH)
			break;
		if (r < 0)
			return r == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EIO;
		if (add_span(out, span.at + done, bounds[0] - done) ||
		    add_span(out, span.at + bounds[0], bounds[1] - bounds[0]))
			return -ENOMEM;
		done = at = bounds[1];
	}
	return add_span(out, span.at + done, span.size - done);
}

/* Runs of UTF-8, and between them the bytes that aren't, marked by the top bit of their size. */
#define WRONG_BYTE (1u << 31)

static int split_utf8(const char *text, uint32_t size, struct spans *out)
{
	uint32_t start = 0, at = 0;

	while (at < size) {
		uint32_t n = utf8_size(text + at, size - at);

		if (n) {
			at += n;
			continue;
		}
		if (add_span(out, start, at - start) || add_span(out, at, 1 | WRONG_BYTE))
			return -ENOMEM;
		start = ++at;
	}
	return add_span(out, start, at - start);
}

int pretokenizer_split(const struct pretokenizer *p, const char *text, uint32_t size,
		       struct spans *out)
{
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	pcre2_jit_stack *stack = NULL;
	struct spans from = { 0 }, to = { 0 };
	int r = -ENOMEM;

	if (size >= WRONG_BYTE) {
		r = -E2BIG;
		goto out;
	}
	if (!match || !context)
		goto out;
	stack = pcre2_jit_stack_create(32 << 10, 1 << 20, NULL);
	pcre2_jit_stack_assign(context, NULL, stack);
	r = split_utf8(text, size, &to);
	for (int i = 0; i < p->n_codes && !r; i++) {
		struct spans swap = from;

		from = to;
		to = swap;
		to.n = 0;
		for (size_t j = 0; j < from.n && !r; j++) {
			if (from.v[j].size & WRONG_BYTE)
				r = add_span(&to, from.v[j].at, from.v[j].size);
			else
				r = split_span(p->codes[i], match, context, text, from.v[j], &to);
		}
	}
	for (size_t j = 0; j < to.n && !r; j++)
		r = add_span(out, to.v[j].at, to.v[j].size & ~WRONG_BYTE);
out:
	free(from.v);
	free(to.v);
	pcre2_jit_stack_free(stack);
	pcre2_match_data_free(match);
	pcre2_match_context_free(context);
	return r;
}
