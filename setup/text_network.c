/* SPDX-License-Identifier: ISC */
/* Finds a source of users that asks the network by itself, from within the calling process: for a daemon whose
 * service has no network. */
#include "setup/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "confine/cleanup.h"

#define BLANKS " \t"

/* They read files, or ask a daemon of this host over a UNIX socket. Nothing is known about sources that are not named
 * here. */
static bool source_local(const char *name, bool nslcd)
{
	static const char *const local[] = { "files",   "compat",     "db",  "cache",   "extrausers", "altfiles",
					     "systemd", "mymachines", "sss", "winbind", NSS_SOURCE };

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (strcasecmp(name, local[i]) == 0)
			return true;
	return nslcd && strcasecmp(name, "ldap") == 0;
}

/* Of one line, which is cut up. */
static bool line_needs(char *line, bool nslcd, char *source, size_t size)
{
	char *rest = NULL, *database, *word;

	line[strcspn(line, "#")] = '\0';
	database = strtok_r(line, ":", &rest);
	if (database == NULL)
		return false;
	database += strspn(database, BLANKS);
	database[strcspn(database, BLANKS)] = '\0';
	if (strcmp(database, "passwd") != 0 && strcmp(database, "group") != 0 && strcmp(database, "initgroups") != 0 &&
	    strcmp(database, "shadow") != 0)
		return false;
	for (word = strtok_r(NULL, BLANKS, &rest); word != NULL; word = strtok_r(NULL, BLANKS, &rest)) {
		if (word[0] == '[') { /* actions, which may be several words */
			while (word != NULL && strchr(word, ']') == NULL)
				word = strtok_r(NULL, BLANKS, &rest);
			if (word == NULL)
				return false;
		} else if (!source_local(word, nslcd)) {
			snprintf(source, size, "%s", word);
			return true;
		}
	}
	return false;
}

bool nsswitch_needs_network(const char *text, bool nslcd, char *source, size_t size)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		cleanup_free char *line = strndup(text, length);

		if (line != NULL && line_needs(line, nslcd, source, size))
			return true;
		text += length + (text[length] == '\n');
	}
	return false;
}
