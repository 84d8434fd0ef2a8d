/* SPDX-License-Identifier: ISC */
/* From the words of an ssh client to the arguments of subuid(1), or to a refusal that says what to do instead.
 * Anything that the table of commands does not allow is refused. Run as the owner or the sub-account. Pure. */
#include "cli/manage_command.h"

#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "cli/usage.h"

static bool refuse(struct manage_command *command, const char *what, const char *why, const char *todo)
{
	command->what = what;
	command->why = why;
	command->todo = todo;
	return false;
}

static bool usage_wrong(struct manage_command *command, const char *what, const char *why, const char *todo)
{
	command->usage = true;
	return refuse(command, what, why, todo);
}

/* The options in front of a command; *at behind them. */
static bool globals_take(const struct manage_words *words, size_t *at, size_t *count, struct manage_command *command)
{
	for (; *at < words->count && words->word[*at][0] == '-'; ++*at) {
		const char *option = words->word[*at];

		if (strcmp(option, "--socket") == 0)
			return refuse(command, option, "not over ssh", "leave it out");
		if (strcmp(option, "--json") != 0 && strcmp(option, "--help") != 0 && strcmp(option, "-h") != 0 &&
		    strcmp(option, "--version") != 0)
			return usage_wrong(command, option, "unknown option", "`subuid help` lists them");
		if (*count >= 4) /* said often enough */
			continue;
		command->argv[(*count)++] = option;
	}
	return true;
}

/* The row of the command: the one of two words ("key add") where it has such. NULL: there is none. */
static const struct usage *row_of(const struct manage_words *words, size_t at, struct manage_command *command)
{
	const char *next = at + 1 < words->count ? words->word[at + 1] : "";
	const struct usage *row = NULL;

	if (snprintf(command->shown, sizeof(command->shown), "%s %s", words->word[at], next) <
	    (int)sizeof(command->shown))
		row = usage_find(command->shown);
	if (row == NULL && strchr(words->word[at], ' ') == NULL)
		row = usage_find(words->word[at]);
	return row;
}

static bool any_word_of(const struct usage *group, unsigned door)
{
	for (const struct usage *word = usages; word->name != NULL; word++)
		if (usage_of_group(word, group) && (word->ssh & door) != 0)
			return true;
	return false;
}

/* A group alone ("key") is for subuid(1) to complain about. */
static bool row_allowed(const struct usage *row, bool account, struct manage_command *command)
{
	const unsigned door = account ? SSH_ACCOUNT : SSH_OWNER;

	if ((row->ssh & door) != 0 || (row->forms == NULL && any_word_of(row, door)))
		return true;
	if (account && (row->ssh & SSH_OWNER) != 0)
		return refuse(command, row->name, "a sub-account may ask about itself, and changes nothing",
			      "have its owner do it");
	return refuse(command, row->name, "not over ssh",
		      row->instead != NULL ? row->instead : "ask the administrator of this host");
}

static bool names_account(const char *word, const char *account)
{
	const char *label = account; /* behind the last separator: an owner's name may have such characters, too */

	for (const char *at = account; *at != '\0'; at++)
		if (strchr(SEPARATORS, *at) != NULL)
			label = at + 1;
	return strcmp(word, account) == 0 || strcmp(word, label) == 0;
}

/* `copy [NAME][:PATH]`: NAME is the account's own, PATH is below its home. */
static bool copy_take(const struct manage_words *words, size_t at, const char *account, struct manage_command *command)
{
	static char empty[] = "";
	char *operand = at < words->count ? words->word[at] : empty, *path = strchr(operand, ':');

	if (at + 1 < words->count)
		return usage_wrong(command, "copy", "too many arguments",
				   "copy [NAME][:PATH] writes a tar archive to standard output: redirect that");
	if (path != NULL)
		*path++ = '\0';
	if (operand[0] != '\0' && !names_account(operand, account))
		return refuse(command, "copy", "a sub-account may ask about itself alone", "");
	command->copy = path != NULL ? path : empty;
	for (const char *part = command->copy; *part != '\0'; part += strcspn(part, "/"), part += *part == '/')
		if (strcspn(part, "/") == 2 && strncmp(part, "..", 2) == 0)
			return usage_wrong(command, "copy", "PATH leads out of the home", "give one below it");
	return true;
}

/* Of `show`, `log` and `key list` an account may leave its name out. */
static bool needs_name(const struct usage *row, const struct manage_words *words, size_t at, const char *account)
{
	if (account == NULL || row->operands == NULL || strcmp(row->operands, "account") != 0)
		return false;
	for (; at < words->count; at++)
		if (names_account(words->word[at], account) || strcmp(words->word[at], "--help") == 0)
			return false;
	return true;
}

/* What follows the options: false, or *name is what is put behind it. */
static bool command_take(const struct manage_words *words, size_t at, const char *account, const char **name,
			 struct manage_command *command)
{
	const struct usage *row = row_of(words, at, command);

	if (row == NULL)
		return usage_wrong(command, words->word[at], "unknown command", "`subuid help` lists them");
	if (!row_allowed(row, account != NULL, command))
		return false;
	if (account != NULL && strcmp(row->name, "copy") == 0)
		return copy_take(words, at + 1, account, command);
	*name = needs_name(row, words, at + 1, account) ? account : NULL;
	return true;
}

bool manage_command(const struct manage_words *words, const char *account, struct manage_command *command)
{
	const char *name = NULL;
	size_t at = 0, count = 0;

	*command = (struct manage_command){ .copy = NULL };
	command->argv[count++] = "subuid";
	command->argv[count++] = "--over-ssh";
	if (at < words->count && strcmp(words->word[at], "subuid") == 0)
		at++;
	if (!globals_take(words, &at, &count, command))
		return false;
	if (at < words->count && strcmp(words->word[at], "help") != 0 &&
	    !command_take(words, at, account, &name, command))
		return false;
	for (; at < words->count; at++)
		command->argv[count++] = words->word[at];
	command->argv[count++] = name; /* NULL ends it */
	return true;
}
