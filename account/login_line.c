/* SPDX-License-Identifier: ISC */
/* Writes the line of a key as one word, and reads it. Used by authorized-keys and the login shell. Pure. */
#include "account/login_line.h"

#include <stdio.h>
#include <string.h>

#include "account/shell.h"

static bool plain(char c)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";

	return c != '\0' && strchr(set, c) != NULL;
}

void login_line_code(const char *line, char coded[LOGIN_LINE_CODED + 1])
{
	size_t used = 0;

	for (; *line != '\0' && used + 3 <= LOGIN_LINE_CODED; line++)
		if (plain(*line))
			coded[used++] = *line;
		else
			used += (size_t)snprintf(coded + used, 4, "%%%02X", (unsigned char)*line);
	coded[used] = '\0';
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

bool login_line_read(const char *coded, char line[COMMAND_MAX + 1])
{
	size_t length = 0;

	for (; *coded != '\0' && length < COMMAND_MAX; length++) {
		int high = *coded == '%' ? hex_digit(coded[1]) : 0;
		int low = *coded == '%' && high >= 0 ? hex_digit(coded[2]) : 0;

		if (high < 0 || low < 0)
			return false;
		line[length] = *coded == '%' ? (char)(high << 4 | low) : *coded;
		coded += *coded == '%' ? 3 : 1;
	}
	line[length] = '\0';
	return *coded == '\0' && line[0] != '\0' && strlen(line) == length && command_valid(line);
}
