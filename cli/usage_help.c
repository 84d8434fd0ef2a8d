/* SPDX-License-Identifier: ISC */
/* Help and options of a command, by its row of the table. Runs as the caller. */
#include "cli/usage.h"

#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "account/record.h"

#define COLUMN 20 /* of an option with its value; the help of a longer one begins on a line of its own */

const struct usage *usage_find(const char *name)
{
	for (const struct usage *usage = usages; usage->name != NULL; usage++)
		if (strcmp(usage->name, name) == 0)
			return usage;
	return NULL;
}

bool usage_of_group(const struct usage *word, const struct usage *group)
{
	size_t length = strlen(group->name);

	return group->forms == NULL && strncmp(word->name, group->name, length) == 0 && word->name[length] == ' ';
}

bool usage_brief(const struct usage *usage, const struct usage_option *option)
{
	const struct usage_option *first = usage->options;

	if (first == NULL || usage->letters == NULL || option->letter == '\0' ||
	    strchr(usage->letters, option->letter) == NULL)
		return false;
	while (first->letter != option->letter)
		first++;
	return strcmp(first->name, option->name) == 0;
}

/* The row of facts_record with which its options begin. */
static size_t facts_first(const struct usage *usage)
{
	return usage->facts ? 0 : usage->bounds ? FACT_BOUNDS : facts_record.count;
}

void usage_options(const struct usage *usage, struct usage_option out[USAGE_OPTIONS_MAX])
{
	size_t count = 0;

	for (const struct usage_option *row = usage->options; row != NULL && row->name != NULL; row++)
		if (row->letter != 'J' && count < USAGE_OPTIONS_MAX - FACTS - 2)
			out[count++] = *row;
	for (size_t i = facts_first(usage); i < facts_record.count; i++)
		out[count++] = (struct usage_option){ .name = field_option(&facts_record.fields[i]),
						      .value = facts_record.fields[i].value,
						      .help = facts_record.fields[i].help };
	if (usage->changes)
		out[count++] =
			(struct usage_option){ .name = "dry-run", .help = "change nothing, say what would be done" };
	out[count] = (struct usage_option){ .name = NULL };
}

void usage_getopt(const struct usage *usage, struct option out[USAGE_OPTIONS_MAX], char letters[USAGE_LETTERS_MAX])
{
	static const struct option common[] = { { "json", no_argument, NULL, 'J' },
						{ "help", no_argument, NULL, 'h' },
						{ NULL, 0, NULL, 0 } };
	size_t count = 0, length = 2;

	memcpy(letters, ":h", length);
	for (size_t i = facts_first(usage); i < facts_record.count; i++)
		out[count++] = (struct option){ field_option(&facts_record.fields[i]), required_argument, NULL,
						USAGE_FACT + (int)i };
	for (const struct usage_option *row = usage->options; row != NULL && row->name != NULL; row++)
		if (row->letter != 'J' && count < USAGE_OPTIONS_MAX - 4)
			out[count++] = (struct option){ row->name, row->value != NULL ? required_argument : no_argument,
							NULL, row->letter };
	if (usage->changes)
		out[count++] = (struct option){ "dry-run", no_argument, NULL, 'N' };
	memcpy(out + count, common, sizeof(common));
	for (const char *letter = usage->letters; letter != NULL && *letter != '\0'; letter++) {
		letters[length++] = *letter;
		letters[length++] = ':';
	}
	letters[length] = '\0';
}

/* ---- help */

/* "  head      lines of text", the lines below each other. */
static void print_row(const char *head, const char *text, int column, FILE *to)
{
	if (strlen(head) <= (size_t)column)
		fprintf(to, "  %-*s  ", column, head);
	else
		fprintf(to, "  %s\n%*s", head, column + 4, "");
	for (;; text = strchr(text, '\n') + 1) {
		fprintf(to, "%.*s\n", (int)strcspn(text, "\n"), text);
		if (strchr(text, '\n') == NULL)
			return;
		fprintf(to, "%*s", column + 4, "");
	}
}

static void print_option(char brief, const char *name, const char *value, const char *text, FILE *to)
{
	char head[64], letter[] = { '-', brief, ',', ' ', '\0' };

	snprintf(head, sizeof(head), "%s--%s%s%s", brief != '\0' ? letter : "", name, value != NULL ? " " : "",
		 value != NULL ? value : "");
	print_row(head, text, COLUMN, to);
}

/* What --json shows of this command, if the table says so; else NULL. */
static const struct usage_option *json_row(const struct usage *usage)
{
	for (const struct usage_option *row = usage->options; row != NULL && row->name != NULL; row++)
		if (row->letter == 'J')
			return row;
	return NULL;
}

static void print_options(const struct usage *usage, FILE *to)
{
	struct usage_option options[USAGE_OPTIONS_MAX];
	const struct usage_option *json = json_row(usage);

	usage_options(usage, options);
	for (const struct usage_option *option = options; option->name != NULL; option++)
		print_option(usage_brief(usage, option) ? option->letter : '\0', option->name, option->value,
			     option->help, to);
	if (json != NULL)
		print_option('\0', json->name, json->value, json->help, to);
}

static void print_forms(const struct usage *usage, bool *first, FILE *to)
{
	for (const char *form = usage->forms; form != NULL; form = strchr(form, '\n') ? strchr(form, '\n') + 1 : NULL) {
		int length = (int)strcspn(form, "\n");

		fprintf(to, "%s subuid %s%s%.*s\n", *first ? "usage:" : "      ", usage->name, length > 0 ? " " : "",
			length, form);
		*first = false;
	}
}

/* A word of a command: what it does, and its options. */
static void print_word(const struct usage *word, const struct usage *group, FILE *to)
{
	if (word->summary != NULL)
		print_row(word->name + strlen(group->name) + 1, word->summary, COLUMN, to);
	print_options(word, to);
}

void usage_print(const struct usage *usage, FILE *to)
{
	bool first = true;

	print_forms(usage, &first, to);
	for (const struct usage *word = usages; word->name != NULL; word++)
		if (usage_of_group(word, usage))
			print_forms(word, &first, to);
	fprintf(to, "%s\n", usage->about != NULL ? usage->about : "");
	print_options(usage, to);
	for (const struct usage *word = usages; word->name != NULL; word++)
		if (usage_of_group(word, usage))
			print_word(word, usage, to);
	if (json_row(usage) == NULL && !usage->plain && usage->forms != NULL)
		print_option(0, "json", NULL, "machine-readable output", to);
	fputs(usage->after != NULL ? usage->after : "", to);
}

void usage_print_commands(FILE *to)
{
	for (const struct usage *usage = usages; usage->name != NULL; usage++)
		if (strchr(usage->name, ' ') == NULL)
			fprintf(to, "  %-10s %s\n", usage->name, usage->summary);
}
