/* SPDX-License-Identifier: ISC */
/*
 * The words of a refusal: what is not allowed, all that the key does allow, and the way out for clients that many
 * people come with. Used by the login shell, as the account. The only word of the client's in them is its first.
 */
#include "backup/login_words.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "account/role.h"

#define BLANKS " \t"
#define WORD_SHOWN 40

__attribute__((format(printf, 2, 3))) static void add(char out[LOGIN_WORDS_MAX + 1], const char *format, ...)
{
	size_t used = strlen(out);
	va_list list;

	va_start(list, format);
	vsnprintf(out + used, LOGIN_WORDS_MAX + 1 - used, format, list);
	va_end(list);
}

static const char *rsync_words(enum role role)
{
	switch (role) {
	case ROLE_PULL:
		return "rsync to read";
	case ROLE_SYNC:
		return "rsync";
	default:
		return "rsync to write";
	}
}

static size_t count_parts(const struct login_command *command)
{
	const char *next = command->tools, *name;
	size_t count = (command->role != ROLE_NONE) + (command->forward != 0);

	while (tools_next(&next, &name) > 0)
		count++;
	return count;
}

static void add_part(char out[LOGIN_WORDS_MAX + 1], size_t *done, size_t count, const char *name, size_t length)
{
	const char *between = *done == 0 ? "" : *done + 1 == count ? " and " : ", ";

	add(out, "%s%.*s", between, (int)length, name);
	++*done;
}

void login_words_takes(const struct login_command *command, char out[LOGIN_WORDS_MAX + 1])
{
	static const char forward[] = "forwarding (ssh -N -L PORT:HOST:PORT)";
	const size_t count = count_parts(command);
	const char *next = command->tools, *name;
	size_t done = 0, length;

	out[0] = '\0';
	if (command->role != ROLE_NONE)
		add_part(out, &done, count, rsync_words(command->role), strlen(rsync_words(command->role)));
	while ((length = tools_next(&next, &name)) > 0)
		add_part(out, &done, count, name, length);
	if (command->forward != 0)
		add_part(out, &done, count, forward, strlen(forward));
}

/* The first word's last component. */
static size_t program_of(const char *original, const char **name)
{
	size_t length;

	original += strspn(original, BLANKS);
	length = strcspn(original, BLANKS);
	*name = original;
	for (size_t i = 0; i < length; i++)
		if (original[i] == '/')
			*name = original + i + 1;
	return length - (size_t)(*name - original);
}

static bool program_is(const char *original, const char *wanted)
{
	const char *name;
	size_t length = program_of(original, &name);

	return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

static bool speaks_sftp(const char *original)
{
	return program_is(original, "sftp-server") || program_is(original, "internal-sftp");
}

const char *login_words_way(const char *original)
{
	if (speaks_sftp(original))
		return "-sftp";
	original += strspn(original, BLANKS);
	original += strcspn(original, BLANKS);
	original += strspn(original, BLANKS);
	return strcspn(original, BLANKS) == 5 && strncmp(original, "serve", 5) == 0 ? "-wait" : NULL;
}

void login_words_why(const struct login_command *command, const char *original, char out[LOGIN_WORDS_MAX + 1])
{
	const char *name;
	int length;

	out[0] = '\0';
	if (original == NULL) {
		add(out, "no shell here");
	} else if (speaks_sftp(original)) {
		add(out, "sftp, scp and sshfs need a key with the role sftp");
	} else if (program_is(original, "scp") && tools_have(command->tools, "sftp", 4)) {
		add(out,
		    "the old protocol of scp is not spoken here: leave out -O (before OpenSSH 9: scp -s, or sftp)");
	} else if (program_is(original, "scp")) {
		add(out, "scp needs a key with the role sftp, and no -O");
	} else if (command->role != ROLE_NONE && strstr(original, " --server") != NULL) {
		length = (int)program_of(original, &name);
		add(out, "%.*s: leave it out of --rsync-path: nothing runs as another user here",
		    length < WORD_SHOWN ? length : WORD_SHOWN, name);
	} else {
		length = (int)program_of(original, &name);
		add(out, "%.*s: not allowed", length < WORD_SHOWN ? length : WORD_SHOWN, name);
	}
}

void login_words_refused(const struct login_command *command, const char *original, char out[LOGIN_WORDS_MAX + 1])
{
	char takes[LOGIN_WORDS_MAX + 1];

	login_words_takes(command, takes);
	login_words_why(command, original, out);
	add(out, "; this key takes %s", takes);
	if (command->tools[0] == '\0' && command->role != ROLE_NONE && command->forward == 0)
		add(out, " only: %s", command->role == ROLE_PULL ? "rsync -a HOST: DIR" : "rsync -a DIR HOST:");
	else
		add(out, " only");
}
