// SPDX-License-Identifier: MIT
/* Options of the sub-commands, by table: parsed by getopt_long(3), printed by --help. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 48
#define FIRST_LONG 256	/* getopt_long's val of option n is FIRST_LONG + n, beyond any letter */

int cli_parse_uint(const char *text, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;

	/* strtoull takes a sign and blanks; we take neither */
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static int parse_double(const char *text, double *ret_value)
{
	double value;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || isspace((unsigned char)text[0]) || value != value)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int cli_usage_error(const struct cli_usage *usage, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", usage->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry '%s --help'.\n", usage->name);
	return CLI_USAGE;
}

static void print_option(char letter, const char *name, const char *arg, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ', letter ? "," : " ",
		 name, arg ? "=" : "", arg ? arg : "");
	if (strlen(left) > 26)
		printf("  %s\n  %-26s %s\n", left, "", help);
	else
		printf("  %-26s %s\n", left, help);
}

static void print_help(const struct cli_usage *usage, const struct cli_option *options)
{
	printf("Usage: %s %s\n%s\n\n", usage->name, usage->synopsis, usage->summary);
	for (; options->name; options++)
		print_option(options->letter, options->name, options->arg, options->help);
	print_option('h', "help", NULL, "this text");
	if (usage->more)
		printf("\n%s", usage->more);
}

static int set_value(const struct cli_usage *usage, const struct cli_option *option, const char *text)
{
	int r = 0;

	switch (option->kind) {
	case CLI_FLAG:
		*(int *)option->value = 1;
		break;
	case CLI_STRING:
		*(const char **)option->value = text;
		break;
	case CLI_UINT:
		r = cli_parse_uint(text, option->value);
		break;
	case CLI_DOUBLE:
		r = parse_double(text, option->value);
		break;
	default:
		r = -EINVAL;
	}
	if (r)
		return cli_usage_error(usage, "--%s: '%s' is %s", option->name, text, r == -ERANGE ? "out of range" :
				       option->kind == CLI_UINT ? "not a whole number" : "not a number");
	return 0;
}

/* What getopt_long() returned '?' or ':' for, in words. */
static int bad_option(const struct cli_usage *usage, int what, const char *word)
{
	const char *problem = what == ':' ? "needs an argument" : "is not an option, or is not a unique one, or takes no argument";

	if (what == '?' && optopt && optopt < FIRST_LONG)
		return cli_usage_error(usage, "unknown option '-%c'", optopt);
	if (what == '?' && !optopt && !strchr(word, '='))
		return cli_usage_error(usage, "unknown option '%s'", word);
	return cli_usage_error(usage, "option '%s' %s", word, problem);
}

int cli_parse(const struct cli_usage *usage, const struct cli_option *options, int argc, char **argv)
{
	struct option longs[MAX_OPTIONS + 2];
	char shorts[2 * MAX_OPTIONS + 8] = ":h";
	unsigned int n = 0, operands, len = strlen(shorts);
	int c, r;

	for (; options[n].name && n < MAX_OPTIONS; n++) {
		int has_arg = options[n].kind == CLI_FLAG ? no_argument : required_argument;

		longs[n] = (struct option){ options[n].name, has_arg, NULL, FIRST_LONG + n };
		if (options[n].letter) {
			shorts[len++] = options[n].letter;
			if (has_arg)
				shorts[len++] = ':';
		}
	}
	shorts[len] = '\0';
	longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n + 1] = (struct option){ NULL };

	opterr = 0;
	optind = 0;	/* glibc: start anew, main() has parsed its own */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h') {
			print_help(usage, options);
			exit(fflush(stdout) ? CLI_FAILED : CLI_OK);
		}
		if (c == '?' || c == ':')
			exit(bad_option(usage, c, argv[optind > 1 ? optind - 1 : 1]));
		for (n = 0; options[n].name; n++)
			if (c == options[n].letter || c == (int)(FIRST_LONG + n))
				break;
		r = set_value(usage, &options[n], optarg);
		if (r)
			exit(r);
	}
	operands = argc - optind;
	if (operands < usage->min_operands)
		exit(cli_usage_error(usage, "an operand is missing; usage: %s %s", usage->name, usage->synopsis));
	if (operands > usage->max_operands)
		exit(cli_usage_error(usage, "'%s' is one operand too many", argv[optind + usage->max_operands]));
	return optind;
}
