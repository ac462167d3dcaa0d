// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "chat.h"
#include "gguf.h"
#include "tokenizer.h"

enum family { CHATML, LLAMA3, MISTRAL, DEEPSEEK_USER, DEEPSEEK_V3, HARMONY, FAMILY_COUNT };

static const char *const family_names[FAMILY_COUNT] = { "ChatML", "Llama 3", "Mistral", "DeepSeek V2", "DeepSeek V3", "harmony" };

struct chat {
	const struct tokenizer *tokenizer;
	enum family family;
	char *source;			/* the template */
	char *default_system;		/* ChatML; NULL: none */
	char *date;			/* Llama 3.1 and later; NULL: no date lines */
	bool has_bos;			/* the template prints it */
	const char *reasoning;		/* harmony */
	char today[32];
};

/* The rendered text, and where messages' own words lie in it. */
struct rendering {
	char *text;			/* NUL-terminated */
	size_t size, room;
	bool short_of_memory;		/* what came after is lost */
	struct tokenizer_range *plain;
	size_t n_plain;
	char *err;
	size_t err_size;
};

static bool has(const struct chat *c, const char *text)
{
	return strstr(c->source, text) != NULL;
}

/*
 * A Jinja string literal after @before and up to @after, with \n undone; NULL if there is none or
 * it isn't a plain one.
 */
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

static const char *const reasoning_levels[] = { "low", "medium", "high" };

static int recognise(struct chat *c)
{
	if (has(c, "<|im_start|>' + message") && has(c, "<|im_end|>")) {
		c->family = CHATML;
		c->default_system = literal(c->source, "'<|im_start|>system\\n", "<|im_end|>");
		if (!c->default_system)	/* a line break in the literal itself */
			c->default_system = literal(c->source, "'<|im_start|>system\n",
						    "<|im_end|>");
	} else if (has(c, "<|start|>") && has(c, "<|channel|>") && has(c, "<|message|>")) {
		time_t now = time(NULL);
		struct tm tm;

		c->family = HARMONY;
		c->reasoning = reasoning_levels[1];
		strftime(c->today, sizeof(c->today), "%Y-%m-%d", gmtime_r(&now, &tm));
	} else if (has(c, "<|start_header_id|>") && has(c, "<|eot_id|>")) {
		c->family = LLAMA3;
		if (has(c, "Cutting Knowledge Date: December 2023")) {
			c->date = literal(c->source, "date_string = \"", "\"");
			if (!c->date)
				return -ENOTSUP;
		}
	} else if (has(c, "[INST]") && has(c, "[/INST]") && !has(c, "<<SYS>>") &&
		   !has(c, "[SYSTEM_PROMPT]")) {
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

int chat_create(const struct gguf *g, const struct tokenizer *t, struct chat **ret_chat, char *err,
		size_t err_size)
{
	struct gguf_str source;
	struct chat *c;
	int r;

	if (!gguf_find_key(g, "tokenizer.chat_template")) {
		snprintf(err, err_size,
			 "%s: the file has no chat template (key 'tokenizer.chat_template'); --raw takes the prompt as it is",
			 gguf_path(g));
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
		snprintf(err, err_size,
			 "%s: the chat template is none of those known (ChatML, Llama 3, Mistral, DeepSeek, harmony); --raw takes the prompt as it is",
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

bool chat_has_channels(const struct chat *c)
{
	return c->family == HARMONY;
}

int chat_set(struct chat *c, const struct chat_settings *s, char *err, size_t err_size)
{
	const char *reasoning = NULL;
	struct tm tm;
	char *end;

	if (c->family != HARMONY) {
		snprintf(err, err_size, "how much to reason is no setting of %s's conversations", family_names[c->family]);
		return -ENOTSUP;
	}
	for (size_t i = 0; s->reasoning && i < sizeof(reasoning_levels) / sizeof(reasoning_levels[0]); i++)
		if (!strcmp(s->reasoning, reasoning_levels[i]))
			reasoning = reasoning_levels[i];
	if (s->reasoning && !reasoning) {
		snprintf(err, err_size, "reasoning '%s' is none of low, medium, high", s->reasoning);
		return -EINVAL;
	}
	end = s->date ? strptime(s->date, "%Y-%m-%d", &tm) : NULL;
	if (s->date && (!end || *end || strlen(s->date) >= sizeof(c->today))) {
		snprintf(err, err_size, "the date '%s' is no year-month-day", s->date);
		return -EINVAL;
	}
	if (s->date)
		strcpy(c->today, s->date);
	c->reasoning = reasoning ? reasoning : c->reasoning;
	return 0;
}

static void put_bytes(struct rendering *r, const char *text, size_t size)
{
	if (r->short_of_memory)
		return;
	if (r->room - r->size <= size) {
		size_t room = 2 * r->room + size + 256;
		char *more = realloc(r->text, room);

		if (!more) {
			r->short_of_memory = true;
			return;
		}
		r->text = more;
		r->room = room;
	}
	memcpy(r->text + r->size, text, size);
	r->size += size;
	r->text[r->size] = 0;
}

static void put(struct rendering *r, const char *text)
{
	put_bytes(r, text, strlen(text));
}

static void put3(struct rendering *r, const char *a, const char *b, const char *c)
{
	put(r, a);
	put(r, b);
	put(r, c);
}

/* A message's own words, @size bytes of them. */
static void put_plain(struct rendering *r, const char *text, size_t size)
{
	size_t start = r->size;

	put_bytes(r, text, size);
	r->plain[r->n_plain++] = (struct tokenizer_range){ start, r->size };
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

static int render_chatml(const struct chat *c, struct rendering *r, const struct chat_message *m,
			 size_t n)
{
	if (c->default_system && (!n || !is(m, "system")))
		put3(r, "<|im_start|>system\n", c->default_system, "<|im_end|>\n");
	for (size_t i = 0; i < n; i++) {
		const char *content = m[i].content, *answer = is(&m[i], "assistant") ? without_thought(c, content) : content;

		if (answer != content)
			answer += strspn(answer, "\n");
		put3(r, "<|im_start|>", m[i].role, "\n");
		put_content(r, answer);
		put(r, "<|im_end|>\n");
	}
	put(r, "<|im_start|>assistant\n");
	if (has(c, "<|im_start|>assistant\\n<think>\\n'"))
		put(r, "<think>\n");
	return 0;
}

static int render_llama3(const struct chat *c, struct rendering *r, const struct chat_message *m,
			 size_t n)
{
	size_t i = 0;

	if (c->date) {
		put3(r,
		     "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ",
		     c->date, "\n\n");
		if (n && is(m, "system"))
			put_trimmed(r, m[i++].content);
		put(r, "<|eot_id|>");
	}
	for (; i < n; i++) {
		put3(r, "<|start_header_id|>", m[i].role, "<|end_header_id|>\n\n");
		put_trimmed(r, m[i].content);
		put(r, "<|eot_id|>");
	}
	put(r, "<|start_header_id|>assistant<|end_header_id|>\n\n");
	return 0;
}

/* Is @tag written with a space before (-1) or after it (1) in the template? */
static const char *space_by(const struct chat *c, const char *tag, int side)
{
	const char *at = strstr(c->source, tag);

	return (side < 0 ? at > c->source && at[-1] == ' ' : at[strlen(tag)] == ' ') ? " " : "";
}

static int render_mistral(const struct chat *c, struct rendering *r, const struct chat_message *m,
			  size_t n)
{
	bool space = has(c, "' ' + message") || has(c, "\" \" + message");
	const char *before = space ? " " : "", *after = has(c, "eos_token + ' '") ? " " : "";
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
			return wrong(r,
				     "message %zu is of role '%s'; Mistral's roles alternate, user first",
				     i + 1, m[i].role);
		if (turn % 2) {
			put(r, before);
			put_content(r, m[i].content);
			put_bytes(r, eos.data, eos.size);
			put(r, after);
			continue;
		}
		put3(r, space_by(c, "[INST]", -1), "[INST]", space_by(c, "[INST]", 1));
		if (system && turn == system_turn) {
			put_content(r, system);
			put(r, "\n\n");
		}
		put_content(r, m[i].content);
		put3(r, space_by(c, "[/INST]", -1), "[/INST]", space_by(c, "[/INST]", 1));
	}
	return 0;
}

static int render_deepseek_user(struct rendering *r, const struct chat_message *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put(r, is(&m[i], "user") ? "User: " : is(&m[i], "assistant") ? "Assistant: " : "");
		put_content(r, m[i].content);
		put(r, is(&m[i], "assistant") ? "<｜end▁of▁sentence｜>" : "\n\n");
	}
	put(r, "Assistant:");
	return 0;
}

static int render_deepseek_v3(const struct chat *c, struct rendering *r,
			      const struct chat_message *m, size_t n)
{
	bool first = true;

	for (size_t i = 0; i < n; i++) {	/* wherever they stand, system messages begin the text */
		if (!is(&m[i], "system"))
			continue;
		put(r, first ? "" : "\n\n");
		put_content(r, m[i].content);
		first = false;
	}
	for (size_t i = 0; i < n; i++) {
		if (is(&m[i], "user")) {
			put(r, "<｜User｜>");
			put_content(r, m[i].content);
		} else if (is(&m[i], "assistant")) {
			put(r, "<｜Assistant｜>");
			put_content(r, without_thought(c, m[i].content));
			put(r, "<｜end▁of▁sentence｜>");
		}
	}
	put(r, "<｜Assistant｜>");
	if (has(c, "<｜Assistant｜><think>\\n'"))
		put(r, "<think>\n");
	return 0;
}

static bool is_channel(const struct chat_message *m, const char *name)
{
	return is(m, "assistant") && !strcmp(m->channel ? m->channel : CHANNEL_FINAL, name);
}

static int render_harmony(const struct chat *c, struct rendering *r, const struct chat_message *m, size_t n)
{
	size_t last_final = n;

	for (size_t i = 0; i < n; i++)
		if (is_channel(&m[i], CHANNEL_FINAL))
			last_final = i;
	put3(r, "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: ",
	     c->today, "\n\n");
	put3(r, "Reasoning: ", c->reasoning,
	     "\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>");
	for (size_t i = 0; i < n; i++) {
		if (is_channel(&m[i], "analysis") && last_final < n && i < last_final)
			continue;
		if (is(&m[i], "assistant"))
			put3(r, "<|start|>assistant<|channel|>", m[i].channel ? m[i].channel : CHANNEL_FINAL, "<|message|>");
		else if (is(&m[i], "user"))
			put(r, "<|start|>user<|message|>");
		else
			put(r, "<|start|>developer<|message|># Instructions\n\n");
		put_content(r, m[i].content);
		put(r, "<|end|>");
	}
	put(r, "<|start|>assistant");
	return 0;
}

/* What a message is called must be known; of harmony's names nothing else is known elsewhere. */
static int check_message(const struct chat *c, const struct rendering *r, const struct chat_message *m, size_t number)
{
	bool harmony = c->family == HARMONY;

	if (!is(m, "system") && !is(m, "user") && !is(m, "assistant") && !(harmony && is(m, "developer")))
		return wrong(r, "message %zu is of role '%s'; system, %suser and assistant are known", number, m->role, harmony ? "developer, " : "");
	if (!m->channel || (is_channel(m, CHANNEL_FINAL) && harmony))
		return 0;
	if (!harmony)
		return wrong(r, "message %zu is of channel '%s'; %s's conversations have none", number, m->channel, family_names[c->family]);
	if (!is(m, "assistant"))
		return wrong(r, "message %zu is of channel '%s'; only the assistant's have one", number, m->channel);
	if (!is_channel(m, "analysis") && !is_channel(m, "commentary"))
		return wrong(r, "message %zu is of channel '%s'; analysis, commentary and final are known", number, m->channel);
	return 0;
}

static int render(const struct chat *c, const struct chat_message *messages, size_t n,
		  struct rendering *r)
{
	int error = 0;

	r->plain = calloc(n + 1, sizeof(*r->plain));
	put(r, "");
	r->short_of_memory |= !r->plain;
	for (size_t i = 0; i < n && !error && !r->short_of_memory; i++)
		error = check_message(c, r, &messages[i], i + 1);
	if (!error && !r->short_of_memory) {
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
		case HARMONY:
			error = render_harmony(c, r, messages, n);
			break;
		default:
			error = render_deepseek_v3(c, r, messages, n);
		}
	}
	if (!error && r->short_of_memory) {
		snprintf(r->err, r->err_size, "no memory");
		error = -ENOMEM;
	}
	if (error) {
		free(r->plain);
		free(r->text);
	}
	return error;
}

int chat_render(const struct chat *c, const struct chat_message *messages, size_t n,
		char **ret_text,
		char *err, size_t err_size)
{
	struct rendering r = { .err = err, .err_size = err_size };
	int error = render(c, messages, n, &r);

	if (error)
		return error;
	free(r.plain);
	*ret_text = r.text;
	return 0;
}

int chat_encode(const struct chat *c, const struct chat_message *messages, size_t n,
		int32_t **ret_ids, size_t *ret_n,
		char *err, size_t err_size)
{
	bool wanted = c->has_bos || tokenizer_adds_bos(c->tokenizer);
	bool bos = wanted && tokenizer_bos(c->tokenizer) >= 0;
	struct rendering r = { .err = err, .err_size = err_size };
	int32_t *ids, *with_bos;
	size_t n_ids;
	int error = render(c, messages, n, &r);

	if (error)
		return error;
	error = tokenizer_encode_ranges(c->tokenizer, r.text, r.size, TOKENIZER_SPECIAL, r.plain,
					r.n_plain, &ids, &n_ids);
	free(r.plain);
	free(r.text);
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
