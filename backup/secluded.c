/* SPDX-License-Identifier: ISC */
/*
 * Arguments inside the protocol, written out as a command line. Run by the gate, confined: the client chooses every
 * byte, those of the data included.
 */
#include "backup/secluded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The letters in front of the capabilities ("e.LsfxCIvu", in which an s means something else). */
static size_t letters_of(const char *cluster)
{
	return cluster[0] == '-' && cluster[1] != '-' ? strcspn(cluster, "e") : 0;
}

static bool says_secluded(const char *word)
{
	const char *letter = memchr(word, 's', letters_of(word));

	return letter != NULL || strcmp(word, "--secluded-args") == 0 || strcmp(word, "--protect-args") == 0;
}

bool secluded_asked(const struct command_line *line)
{
	bool asked = false;

	for (size_t i = 1; i < line->count; i++) {
		if (strcmp(line->words[i].text, ".") == 0) /* paths follow here: rsync would take those of the data */
			return false;
		asked |= says_secluded(line->words[i].text);
	}
	return asked;
}

struct text {
	char *bytes;
	size_t used, size;
};

static int put(struct text *text, char c)
{
	if (text->used + 1 > text->size)
		return -E2BIG;
	text->bytes[text->used++] = c;
	return 0;
}

/* A word that means itself, whatever is in it. */
static int put_plain(struct text *text, const char *word)
{
	int r = 0;

	for (; r == 0 && *word != '\0'; word++) {
		r = put(text, '\\');
		if (r == 0)
			r = put(text, *word);
	}
	return r < 0 ? r : put(text, ' ');
}

/* The same without the letter s, or not at all. */
static int put_option(struct text *text, const char *word)
{
	const size_t letters = letters_of(word);
	char kept[COMMAND_LINE_MAX + 1];
	size_t used = 0;

	if (!says_secluded(word))
		return put_plain(text, word);
	for (size_t i = 0; word[i] != '\0'; i++)
		if (letters != 0 && (i >= letters || word[i] != 's'))
			kept[used++] = word[i];
	kept[used] = '\0';
	return used <= 1 ? 0 : put_plain(text, kept);
}

/* As a client since 3.2.4 writes it where a shell is to read it (safe_arg()): in a path, wildcards and a backslash
 * before one keep their meaning. So does a "~" in front. */
static int put_for_shell(struct text *text, const char *word, bool path)
{
	static const char shell[] = "!#$&;|<>(){}\"'` \t\n\r\\", wild[] = "*?[]";
	int r = 0;

	for (; r == 0 && *word != '\0'; word++) {
		bool escaped = strchr(shell, *word) != NULL || (!path && strchr(wild, *word) != NULL);

		if (path && *word == '\\' && word[1] != '\0' && strchr(wild, word[1]) != NULL)
			escaped = false;
		if (escaped)
			r = put(text, '\\');
		if (r == 0)
			r = put(text, *word);
	}
	return r < 0 ? r : put(text, ' ');
}

/* The first argument is the name of the program; those behind a lone "." are paths. */
static int put_arguments(struct text *text, const char *bytes, size_t size)
{
	size_t at = strnlen(bytes, size) + 1;
	bool paths = false;
	int r = 0;

	if (size < sizeof("rsync") || memcmp(bytes, "rsync", sizeof("rsync")) != 0)
		return -EPROTO;
	for (; r == 0 && at < size; at += strlen(bytes + at) + 1) {
		if (bytes[at] == '\0')
			return -EPROTO;
		r = put_for_shell(text, bytes + at, paths);
		paths |= strcmp(bytes + at, ".") == 0;
	}
	return r;
}

int secluded_join(const struct command_line *line, const char *bytes, size_t size, struct command_line *ret)
{
	struct text text = { .bytes = malloc(COMMAND_LINE_MAX + 1), .size = COMMAND_LINE_MAX };
	int r = 0;

	if (text.bytes == NULL)
		return -ENOMEM;
	if (size == 0 || bytes[size - 1] != '\0')
		r = -EPROTO;
	for (size_t i = 0; r == 0 && i < line->count; i++)
		r = i == 0 ? put_plain(&text, line->words[i].text) : put_option(&text, line->words[i].text);
	if (r == 0)
		r = put_arguments(&text, bytes, size);
	text.bytes[text.used] = '\0';
	if (r == 0)
		r = command_line_split(text.bytes, ret);
	free(text.bytes);
	return r;
}
