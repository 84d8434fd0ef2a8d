/* SPDX-License-Identifier: ISC */
/*
 * Fills in what the tables of commands, options and settings of an account say, when subuidd is built; it is not
 * installed. `make-docs completion` makes bash's completion, `make-docs manual` a page of the manual, both from a
 * template on standard input whose other lines stay as they are:
 *
 *   @commands              completion: what each command and option takes, as lines of two `case`s (subuid.bash.in)
 *   .\" @usage add         manual: the item of a command, with all that may follow its name
 *   .\" @options key add   manual: an item for each option of the command, with the sentence of its help;
 *   .\" @more role         ... the lines below belong to this option,
 *   .\" @end               ... and here the list ends
 *
 * Ends with a message if the template names a command or an option that the tables lack, or if the manual lacks a
 * command.
 */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "cli/usage.h"

#define LINE_MAX_ 1024
#define MORE_MAX 16384

static const struct usage *command(const char *name)
{
	const struct usage *usage = usage_find(name);

	if (usage == NULL)
		errx(1, "no command `%s` in the table", name);
	return usage;
}

/* ---- completion */

/* The words in lower case of "theirs|owner|SIZE": nothing else can be offered. */
static void print_words(const char *value)
{
	const char *between = "";

	for (; *value != '\0'; value += strcspn(value, "|"), value += *value == '|')
		if (islower((unsigned char)*value)) {
			printf("%s%.*s", between, (int)strcspn(value, "|"), value);
			between = " ";
		}
}

/* `command option`) what its value is */
static void print_value(const struct usage *usage, const struct usage_option *option)
{
	printf("\t'%s --%s'", usage->name, option->name);
	if (usage_brief(usage, option))
		printf(" | '%s -%c'", usage->name, option->letter);
	fputs(") value='", stdout);
	if (option->offers != NULL)
		fputs(option->offers, stdout);
	else
		print_words(option->value);
	puts("' ;;");
}

static void print_values(void)
{
	struct usage_option options[USAGE_OPTIONS_MAX];

	for (const struct usage *usage = usages; usage->name != NULL; usage++) {
		usage_options(usage, options);
		for (const struct usage_option *option = options; option->name != NULL; option++)
			if (option->value != NULL)
				print_value(usage, option);
	}
}

static void print_names(const struct usage *group)
{
	const char *between = "";

	for (const struct usage *usage = usages; usage->name != NULL; usage++) {
		if (group == NULL ? strchr(usage->name, ' ') != NULL : !usage_of_group(usage, group))
			continue;
		printf("%s%s", between, group == NULL ? usage->name : strrchr(usage->name, ' ') + 1);
		between = " ";
	}
}

/* What a command takes: words that go on with its name, options, operands. */
static void print_takes(void)
{
	struct usage_option options[USAGE_OPTIONS_MAX];

	fputs("\t'') words='", stdout);
	print_names(NULL);
	puts("' ;;");
	for (const struct usage *usage = usages; usage->name != NULL; usage++) {
		printf("\t'%s') words='", usage->name);
		if (usage->forms == NULL)
			print_names(usage);
		fputs("' operands='", stdout);
		for (const char *at = usage->operands; at != NULL && *at != '\0'; at++)
			if (*at != '?')
				putchar(*at);
		fputs("' options='--help", stdout);
		usage_options(usage, options);
		for (const struct usage_option *option = options; option->name != NULL; option++)
			printf(" --%s", option->name);
		puts(usage->plain ? "' ;;" : " --json' ;;");
	}
}

static void completion(void)
{
	char line[LINE_MAX_];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strcmp(line, "\t@commands\n") == 0)
			print_takes();
		else if (strcmp(line, "\t@values\n") == 0)
			print_values();
		else
			fputs(line, stdout);
	}
}

/* ---- manual */

/* The next word of a form: a bracket, bar, colon, dots, or a run of other characters but blanks. */
static size_t word_length(const char *text)
{
	if (strncmp(text, "...", 3) == 0)
		return 3;
	return strchr("[]|:", *text) != NULL ? 1 : strcspn(text, " []|.\n");
}

/* One word as mdoc(7) has it. */
static void print_macro(const char *word, size_t length)
{
	if (*word == '[')
		fputs(" Oo", stdout);
	else if (*word == ']')
		fputs(" Oc", stdout);
	else if (strchr("|:.", *word) != NULL)
		printf(" %.*s", (int)length, word);
	else if (*word == '-' && length > 1)
		printf(" Fl %.*s", (int)length - 1, word + 1);
	else if (isupper((unsigned char)*word) && (length != 4 || strncmp(word, "NAME", 4) != 0)) {
		fputs(" Ar ", stdout);
		for (size_t i = 0; i < length; i++)
			putchar(tolower((unsigned char)word[i]));
	} else {
		printf(" %s %.*s", *word == '-' || islower((unsigned char)*word) ? "Cm" : "Ar", (int)length, word);
	}
}

/* "NAME[:PATH] [--x | --y]" as mdoc's macros, behind one of a line. Words without a blank between them are tied, but
 * not behind `[`. */
static void print_form(const char *form, size_t length)
{
	const char *end = form + length;
	bool opened = true, tight = false;

	while (form < end) {
		size_t word = word_length(form);

		if (*form == ' ') {
			form++;
			tight = false;
			continue;
		}
		if (tight && !opened && *form != ']' && *form != '.')
			fputs(" Ns", stdout);
		print_macro(form, word);
		opened = *form == '[';
		tight = true;
		form += word;
	}
}

static void print_option_macro(const struct usage *usage, const struct usage_option *option)
{
	if (usage_brief(usage, option))
		printf("Fl %c , -%s", option->letter, option->name);
	else
		printf("Fl -%s", option->name);
	if (option->value != NULL)
		print_form(option->value, strlen(option->value));
}

/* `.It Cm add Ar label` and each option on a line of its own, or the form as it is. */
static void print_item(const struct usage *usage, const char *form, size_t length)
{
	const char *all = memmem(form, length, "[OPTION]...", 11);
	struct usage_option options[USAGE_OPTIONS_MAX];

	printf(all != NULL ? ".It Xo\n.Cm %s" : ".It Cm %s", usage->name);
	print_form(form, all != NULL ? (size_t)(all - form) : length);
	putchar('\n');
	if (all == NULL)
		return;
	usage_options(usage, options);
	for (const struct usage_option *option = options; option->name != NULL; option++) {
		fputs(".Op ", stdout);
		print_option_macro(usage, option);
		putchar('\n');
	}
	puts(".Xc");
}

static void print_usage(const struct usage *usage)
{
	const char *form = usage->forms;

	if (form == NULL)
		errx(1, "`%s` has words, which have items", usage->name);
	for (size_t length; form != NULL; form = form[length] != '\0' ? form + length + 1 : NULL) {
		length = strcspn(form, "\n");
		print_item(usage, form, length);
	}
}

/* The help as sentences: a line each, the first letter a capital one, a full stop at the end. */
static void print_sentences(const char *help)
{
	bool quoted = false;
	char last = '\n';

	for (const char *at = help; *at != '\0'; at++) {
		bool ends = last == '.' && (*at == ' ' || *at == '\n');
		char c = ends || *at == '\n' ? '\n' : at == help ? (char)toupper((unsigned char)*at) : *at;

		if (c == '`') {
			fputs(quoted ? "\\(cq" : "\\(oq", stdout);
			quoted = !quoted;
		} else {
			putchar(c);
		}
		last = *at;
	}
	puts(last == '.' ? "" : ".");
}

struct more {
	char option[32];
	char text[MORE_MAX];
	bool written;
};

/* The template's lines of a list, by option. */
static size_t read_more(const struct usage *usage, struct more *more, size_t most)
{
	char line[LINE_MAX_];
	size_t count = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, ".\\\" @end", 8) == 0)
			return count;
		if (strncmp(line, ".\\\" @more ", 10) == 0 && count < most)
			sscanf(line + 10, "%31s", more[count++].option);
		else if (count == 0 || strlen(more[count - 1].text) + strlen(line) >= MORE_MAX)
			errx(1, "the list of `%s`: %s", usage->name, line);
		else
			memcpy(more[count - 1].text + strlen(more[count - 1].text), line, strlen(line) + 1);
	}
	errx(1, "the list of `%s` does not end", usage->name);
}

static void print_options(const struct usage *usage)
{
	static struct more more[USAGE_OPTIONS_MAX];
	struct usage_option options[USAGE_OPTIONS_MAX];
	size_t count;

	memset(more, 0, sizeof(more));
	count = read_more(usage, more, USAGE_OPTIONS_MAX);
	usage_options(usage, options);
	for (const struct usage_option *option = options; option->name != NULL; option++) {
		fputs(".It ", stdout);
		print_option_macro(usage, option);
		putchar('\n');
		print_sentences(option->help);
		for (size_t i = 0; i < count; i++)
			if (strcmp(more[i].option, option->name) == 0) {
				fputs(more[i].text, stdout);
				more[i].written = true;
			}
	}
	for (size_t i = 0; i < count; i++)
		if (!more[i].written)
			errx(1, "`%s` has no option --%s", usage->name, more[i].option);
}

static void manual(void)
{
	const struct usage *seen[128];
	char line[LINE_MAX_];
	size_t count = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *rest = line + strcspn(line, "\n");

		*rest = '\0';
		if (strncmp(line, ".\\\" @usage ", 11) == 0 && count < 128)
			print_usage(seen[count++] = command(line + 11));
		else if (strncmp(line, ".\\\" @options ", 13) == 0)
			print_options(command(line + 13));
		else
			puts(line);
	}
	for (const struct usage *usage = usages; usage->name != NULL; usage++) {
		bool found = usage->forms == NULL;

		for (size_t i = 0; i < count; i++)
			found |= seen[i] == usage;
		if (!found)
			errx(1, "the manual lacks `%s`", usage->name);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(1, "completion or manual?");
	if (strcmp(argv[1], "completion") == 0)
		completion();
	else
		manual();
	return fflush(stdout) == 0 ? 0 : 1;
}
