// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "gguf.h"
#include "tokenizer.h"

enum family { CHATML, LLAMA3, MISTRAL, DEEPSEEK_USER, DEEPSEEK_V3, FAMILY_COUNT };

static const char *const family_names[FAMILY_COUNT] = { "ChatML", "Llama 3", "Mistral", "DeepSeek V2", "DeepSeek V3" };

struct chat {
	const struct tokenizer *tokenizer;
	enum family family;
	char *source;			/* the template */
	char *default_system;		/* ChatML; NULL: none */
	char *date;			/* Llama 3.1 and later; NULL: no date lines */
	bool has_bos;			/* the template prints it */
};

/* The rendered text, and where messages' own words lie in it. */
struct rendering {
	FILE *f;
	struct tokenizer_range *plain;
	size_t n_plain;
	char *err;
	size_t err_size;
};

static bool has(const struct chat *c, const char *text)
{
	return strstr(c->source, text) != NULL;
}

/* A Jinja string literal after @before and up to @after, with \n undone; NULL if there is none or it isn't a plain one. */
static char *literal(const char *source, const char *before, const char *after)
{
	const char *start, *end;
	char *out, *p;

	for (start = source; (start = strstr(start, before)); ) {
		start += strlen(before);
		end = strstr(start, after);
		if (end && end > start && strcspn(start, "'{}") >= (size_t)(end - start))
			break;
	}
	if (!start)
		return NULL;
	p = out = malloc(end - start + 1);
	while (out && start < end) {
		if (start[0] == '\\' && start[1] == 'n') {
			*p++ = '\n';
			start += 2;
		} else {
			*p++ = *start++;
		}
	}
	if (out)
		*p = 0;
	return out;
}

static int recognise(struct chat *c)
{
	if (has(c, "<|im_start|>' + message") && has(c, "<|im_end|>")) {
		c->family = CHATML;
		c->default_system = literal(c->source, "'<|im_start|>system\\n", "<|im_end|>");
		if (!c->default_system)	/* a line break in the literal itself */
			c->default_system = literal(c->source, "'<|im_start|>system\n", "<|im_end|>");
	} else if (has(c, "<|start_header_id|>") && has(c, "<|eot_id|>")) {
		c->family = LLAMA3;
		if (has(c, "Cutting Knowledge Date: December 2023")) {
			c->date = literal(c->source, "date_string = \"", "\"");
			if (!c->date)
				return -ENOTSUP;
		}
	} else if (has(c, "[INST]") && has(c, "[/INST]") && !has(c, "<<SYS>>") && !has(c, "[SYSTEM_PROMPT]")) {
		c->family = MISTRAL;
	} else if (has(c, "<｜User｜>") && has(c, "<｜Assistant｜>")) {
		c->family = DEEPSEEK_V3;
	} else if (has(c, "'User: '") && has(c, "'Assistant:'")) {
		c->family = DEEPSEEK_USER;
	} else {
		return -ENOTSUP;
	}
	c->has_bos = has(c, "bos_token");
	return 0;
}

int chat_create(const struct gguf *g, const struct tokenizer *t, struct chat **ret_chat, char *err, size_t err_size)
{
	struct gguf_str source;
	struct chat *c;
	int r;

	if (!gguf_find_key(g, "tokenizer.chat_template")) {
		snprintf(err, err_size, "%s: the file has no chat template (key 'tokenizer.chat_template'); --raw takes the prompt as it is", gguf_path(g));
		return -ENOENT;
	}
	r = gguf_get_str(g, "tokenizer.chat_template", &source, err, err_size);
	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	if (c)
		c->source = strndup(source.data, source.size);
	if (!c || !c->source) {
		snprintf(err, err_size, "no memory");
		chat_destroy(c);
		return -ENOMEM;
	}
	c->tokenizer = t;
	r = recognise(c);
	if (r) {
		snprintf(err, err_size, "%s: the chat template is none of those known (ChatML, Llama 3, Mistral, DeepSeek); --raw takes the prompt as it is",
			 gguf_path(g));
		chat_destroy(c);
		return r;
	}
	*ret_chat = c;
	return 0;
}

void chat_destroy(struct chat *c)
{
	if (!c)
		return;
	free(c->source);
	free(c->default_system);
	free(c->date);
	free(c);
}

const char *chat_family(const struct chat *c)
{
	return family_names[c->family];
}

/* A message's own words, @size bytes of them. */
static void put_plain(struct rendering *r, const char *text, size_t size)
{
	size_t at = ftell(r->f);

	r->plain[r->n_plain++] = (struct tokenizer_range){ at, at + size };
	fwrite(text, 1, size, r->f);
}

static void put_content(struct rendering *r, const char *content)
{
	put_plain(r, content, strlen(content));
}

static void put_trimmed(struct rendering *r, const char *content)
{
	static const char space[] = " \t\n\r\v\f";
	size_t size;

	content += strspn(content, space);
	size = strlen(content);
	while (size && strchr(space, content[size - 1]))
		size--;
	put_plain(r, content, size);
}

static bool is(const struct chat_message *m, const char *role)
{
	return !strcmp(m->role, role);
}

__attribute__((format(printf, 2, 3)))
static int wrong(const struct rendering *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->err, r->err_size, format, args);
	va_end(args);
	return -EINVAL;
}

/* What follows the reasoning in an answer, where the template drops that from the conversation. */
static const char *without_thought(const struct chat *c, const char *content)
{
	const char *end;

	if (has(c, "split('</think>')"))
		while ((end = strstr(content, "</think>")))
			content = end + strlen("</think>");
	return content;
}

static int render_chatml(const struct chat *c, struct rendering *r, const struct chat_message *m, size_t n)
{
	if (c->default_system && (!n || !is(m, "system")))
		fprintf(r->f, "<|im_start|>system\n%s<|im_end|>\n", c->default_system);
	for (size_t i = 0; i < n; i++) {
		const char *content = m[i].content, *answer = is(&m[i], "assistant") ? without_thought(c, content) : content;

		if (answer != content)
			answer += strspn(answer, "\n");
		fprintf(r->f, "<|im_start|>%s\n", m[i].role);
		put_content(r, answer);
		fputs("<|im_end|>\n", r->f);
	}
	fputs("<|im_start|>assistant\n", r->f);
	if (has(c, "<|im_start|>assistant\\n<think>\\n'"))
		fputs("<think>\n", r->f);
	return 0;
}

static int render_llama3(const struct chat *c, struct rendering *r, const struct chat_message *m, size_t n)
{
	size_t i = 0;

	if (c->date) {
		fprintf(r->f, "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: %s\n\n", c->date);
		if (n && is(m, "system"))
			put_trimmed(r, m[i++].content);
		fputs("<|eot_id|>", r->f);
	}
	for (; i < n; i++) {
		fprintf(r->f, "<|start_header_id|>%s<|end_header_id|>\n\n", m[i].role);
		put_trimmed(r, m[i].content);
		fputs("<|eot_id|>", r->f);
	}
	fputs("<|start_header_id|>assistant<|end_header_id|>\n\n", r->f);
	return 0;
}

/* Is @tag written with a space before (-1) or after it (1) in the template? */
static const char *space_by(const struct chat *c, const char *tag, int side)
{
	const char *at = strstr(c->source, tag);

	return (side < 0 ? at > c->source && at[-1] == ' ' : at[strlen(tag)] == ' ') ? " " : "";
}

static int render_mistral(const struct chat *c, struct rendering *r, const struct chat_message *m, size_t n)
{
	const char *before = has(c, "' ' + message") || has(c, "\" \" + message") ? " " : "", *after = has(c, "eos_token + ' '") ? " " : "";
	struct gguf_str eos = tokenizer_eos(c->tokenizer) >= 0 ? tokenizer_name(c->tokenizer, tokenizer_eos(c->tokenizer)) : (struct gguf_str){ "", 0 };
	size_t i = 0, turn = 0, system_turn = 0;
	const char *system = NULL;

	if (n && is(m, "system"))
		system = m[i++].content;
	if (i == n)
		return wrong(r, "Mistral's conversations need a message of role 'user'");
	if (has(c, "loop.last and system_message"))	/* it stands before the last user message */
		system_turn = (n - i - 1) & ~(size_t)1;
	for (; i < n; i++, turn++) {
		if (!is(&m[i], turn % 2 ? "assistant" : "user"))
			return wrong(r, "message %zu is of role '%s'; Mistral's roles alternate, user first", i + 1, m[i].role);
		if (turn % 2) {
			fputs(before, r->f);
			put_content(r, m[i].content);
			fprintf(r->f, "%.*s%s", (int)eos.size, eos.data, after);
			continue;
		}
		fprintf(r->f, "%s[INST]%s", space_by(c, "[INST]", -1), space_by(c, "[INST]", 1));
		if (system && turn == system_turn) {
			put_content(r, system);
			fputs("\n\n", r->f);
		}
		put_content(r, m[i].content);
		fprintf(r->f, "%s[/INST]%s", space_by(c, "[/INST]", -1), space_by(c, "[/INST]", 1));
	}
	return 0;
}

static int render_deepseek_user(struct rendering *r, const struct chat_message *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fputs(is(&m[i], "user") ? "User: " : is(&m[i], "assistant") ? "Assistant: " : "", r->f);
		put_content(r, m[i].content);
		fputs(is(&m[i], "assistant") ? "<｜end▁of▁sentence｜>" : "\n\n", r->f);
	}
	fputs("Assistant:", r->f);
	return 0;
}

static int render_deepseek_v3(const struct chat *c, struct rendering *r, const struct chat_message *m, size_t n)
{
	bool first = true;

	for (size_t i = 0; i < n; i++) {	/* wherever they stand, system messages begin the text */
		if (!is(&m[i], "system"))
			continue;
		fputs(first ? "" : "\n\n", r->f);
		put_content(r, m[i].content);
		first = false;
	}
	for (size_t i = 0; i < n; i++) {
		if (is(&m[i], "user")) {
			fputs("<｜User｜>", r->f);
			put_content(r, m[i].content);
		} else if (is(&m[i], "assistant")) {
			fputs("<｜Assistant｜>", r->f);
			put_content(r, without_thought(c, m[i].content));
			fputs("<｜end▁of▁sentence｜>", r->f);
		}
	}
	fputs("<｜Assistant｜>", r->f);
	if (has(c, "<｜Assistant｜><think>\\n'"))
		fputs("<think>\n", r->f);
	return 0;
}

static int render(const struct chat *c, const struct chat_message *messages, size_t n, struct rendering *r,
		  char **ret_text, size_t *ret_size)
{
	int error = 0;

	r->plain = calloc(n + 1, sizeof(*r->plain));
	r->f = open_memstream(ret_text, ret_size);
	if (!r->plain || !r->f) {
		snprintf(r->err, r->err_size, "no memory");
		error = -ENOMEM;
	}
	for (size_t i = 0; i < n && !error; i++)
		if (!is(&messages[i], "system") && !is(&messages[i], "user") && !is(&messages[i], "assistant"))
			error = wrong(r, "message %zu is of role '%s'; system, user and assistant are known", i + 1, messages[i].role);
	if (!error) {
		switch (c->family) {
		case CHATML:
			error = render_chatml(c, r, messages, n);
			break;
		case LLAMA3:
			error = render_llama3(c, r, messages, n);
			break;
		case MISTRAL:
			error = render_mistral(c, r, messages, n);
			break;
		case DEEPSEEK_USER:
			error = render_deepseek_user(r, messages, n);
			break;
		default:
			error = render_deepseek_v3(c, r, messages, n);
		}
	}
	if (r->f && fclose(r->f) && !error)
		error = -ENOMEM;
	if (error) {
		free(r->plain);
		if (r->f)
			free(*ret_text);
	}
	return error;
}

int chat_render(const struct chat *c, const struct chat_message *messages, size_t n, char **ret_text,
		char *err, size_t err_size)
{
	struct rendering r = { .err = err, .err_size = err_size };
	size_t size;
	char *text;
	int error = render(c, messages, n, &r, &text, &size);

	if (error)
		return error;
	free(r.plain);
	*ret_text = text;
	return 0;
}

int chat_encode(const struct chat *c, const struct chat_message *messages, size_t n, int32_t **ret_ids, size_t *ret_n,
		char *err, size_t err_size)
{
	bool bos = (c->has_bos || tokenizer_adds_bos(c->tokenizer)) && tokenizer_bos(c->tokenizer) >= 0;
	struct rendering r = { .err = err, .err_size = err_size };
	int32_t *ids, *with_bos;
	size_t size, n_ids;
	char *text;
	int error = render(c, messages, n, &r, &text, &size);

	if (error)
		return error;
	error = tokenizer_encode_ranges(c->tokenizer, text, size, TOKENIZER_SPECIAL, r.plain, r.n_plain, &ids, &n_ids);
	free(r.plain);
	free(text);
	if (error) {
		snprintf(err, err_size, "the conversation: %s", strerror(-error));
		return error;
	}
	if (bos) {
		with_bos = realloc(ids, (n_ids + 1) * sizeof(*ids));
		if (!with_bos) {
			free(ids);
			snprintf(err, err_size, "no memory");
			return -ENOMEM;
		}
		ids = with_bos;
		memmove(ids + 1, ids, n_ids * sizeof(*ids));
		ids[0] = tokenizer_bos(c->tokenizer);
		n_ids++;
	}
	*ret_ids = ids;
	*ret_n = n_ids;
	return 0;
}
