/* SPDX-License-Identifier: ISC */
/* Reads and writes the rules of sessions. Run by the broker, and in the processes of root that open a session. */
#include "index/session_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "account/id.h"
#include "account/name.h"
#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/trusted.h"

#define FIRST_LINE "subuidd sessions 1"

static int path_take(const char *word, char path[SESSION_PATH_MAX])
{
	if (!path_plain(word) || strlen(word) >= SESSION_PATH_MAX)
		return -EINVAL;
	memcpy(path, word, strlen(word) + 1);
	return 0;
}

int session_hide_parse(const char *text, struct session_rules *rules)
{
	char copy[SESSION_LIST_MAX], *rest = copy, *word;

	rules->hide_count = 0;
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (rules->hide_count == SESSION_PATHS_MAX || path_take(word, rules->hide[rules->hide_count]) < 0)
			return -EINVAL;
		rules->hide_count++;
	}
	return 0;
}

/* "/srv/shared ro" */
static int bind_take(char *text, struct session_bind *bind)
{
	char *rest = NULL, *path = strtok_r(text, " \t", &rest), *how = strtok_r(NULL, " \t", &rest);

	if (path == NULL || how == NULL || strtok_r(NULL, " \t", &rest) != NULL)
		return -EINVAL;
	if (strcmp(how, "ro") != 0 && strcmp(how, "rw") != 0)
		return -EINVAL;
	bind->writable = strcmp(how, "rw") == 0;
	return path_take(path, bind->path);
}

int session_bind_parse(const char *text, struct session_rules *rules)
{
	char copy[SESSION_LIST_MAX], *rest = copy, *item;

	rules->bind_count = 0;
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	if (text[strspn(text, " \t")] == '\0')
		return 0;
	memcpy(copy, text, strlen(text) + 1);
	while ((item = strsep(&rest, ",")) != NULL) {
		if (rules->bind_count == SESSION_PATHS_MAX || bind_take(item, &rules->bind[rules->bind_count]) < 0)
			return -EINVAL;
		rules->bind_count++;
	}
	return 0;
}

int session_rules_format(bool private, uint32_t tmp_mib, const char *hide, const char *bind,
			 char out[SESSION_RULES_MAX])
{
	int n = snprintf(out, SESSION_RULES_MAX, FIRST_LINE "\nprivate %s\ntmp %u\nhide %s\nbind %s\n",
			 private ? "yes" : "no", (unsigned)tmp_mib, hide, bind);

	return n < 0 || n >= SESSION_RULES_MAX ? -ENAMETOOLONG : n;
}

/* The value of the next line, which has to begin with this name; NULL. */
static char *line_value(char **text, const char *name)
{
	const size_t length = strlen(name);
	char *line = strsep(text, "\n");

	if (line == NULL || *text == NULL || strncmp(line, name, length) != 0 || line[length] != ' ')
		return NULL;
	return line + length + 1;
}

int session_rules_parse(char *text, struct session_rules *rules)
{
	char *first = strsep(&text, "\n"), *private = text == NULL ? NULL : line_value(&text, "private");
	char *tmp = private == NULL ? NULL : line_value(&text, "tmp");
	char *hide = tmp == NULL ? NULL : line_value(&text, "hide");
	char *bind = hide == NULL ? NULL : line_value(&text, "bind");

	if (strcmp(first, FIRST_LINE) != 0 || bind == NULL || *text != '\0')
		return -EINVAL;
	rules->private = strcmp(private, "no") != 0;
	if (rules->private && strcmp(private, "yes") != 0)
		return -EINVAL;
	if (id_parse(tmp, &rules->tmp_mib) < 0 || rules->tmp_mib == 0 || rules->tmp_mib > SESSION_TMP_MAX)
		return -EINVAL;
	return session_hide_parse(hide, rules) < 0 ? -EINVAL : session_bind_parse(bind, rules);
}

int session_rules_read(const char *path, uid_t trusted, struct session_rules *rules)
{
	char text[SESSION_RULES_MAX + 1];
	struct stat st;
	cleanup_fd int fd = file_open_trusted(AT_FDCWD, path, trusted, &st);
	ssize_t length;

	if (fd == -ENOENT) {
		*rules = (struct session_rules){ .private = true, .tmp_mib = SESSION_TMP_DEFAULT };
		return session_hide_parse(SESSION_HIDE_DEFAULT, rules);
	}
	if (fd < 0)
		return fd;
	length = read_full(fd, text, sizeof(text));
	if (length < 0)
		return (int)length;
	if (length == sizeof(text) || memchr(text, '\0', (size_t)length) != NULL)
		return -EINVAL;
	text[length] = '\0';
	return session_rules_parse(text, rules);
}
