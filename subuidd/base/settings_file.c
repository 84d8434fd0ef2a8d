/* SPDX-License-Identifier: ISC */
/*
 * libeconf parses the files. Around it: the drop-ins are listed here, since
 * econf_readDirs() before 0.6 does not check who wrote them, and the shape of each
 * line is checked first, since libeconf passes over what it does not understand
 * ("=5", a key given twice), and takes a line without "=" for more of the value before it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "subuidd/base/settings_file.h"

#define FILE_NAME "subuidd.conf"
#define DROP_INS_MAX 64
#define LINE_BYTES_MAX 1000
#define KEY_LINES_MAX 256
#define KEY_NAME_MAX 31

struct key_lines {
	unsigned count;
	uint64_t line[KEY_LINES_MAX];
	char name[KEY_LINES_MAX][KEY_NAME_MAX + 1]; /* for messages; cut */
};

__attribute__((format(printf, 4, 5))) static int refuse(int error, char *why, size_t size, const char *format, ...)
{
	char text[SETTINGS_PLACE_MAX + 512];
	va_list arguments;

	va_start(arguments, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): started above */
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		text[0] = '\0';
	va_end(arguments);
	if (size > 0)
		text_escape(text, why, size);
	return error;
}

/* Anyone who can write the settings of a root daemon is root. */
static const char *not_trusted(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to an ordinary user, who could change it; chown root:root";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "can be written by group or others; chmod go-w";
	return NULL;
}

static bool key_line(const char *text)
{
	size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return name > 0 && text[name + strspn(text + name, " \t")] == '=';
}

/* The fault of one line (without its newline), or NULL. */
static const char *line_fault(const char *line, size_t length, bool *is_key)
{
	*is_key = false;
	if (length > LINE_BYTES_MAX)
		return "the line is too long";
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "the line has a control byte in it";
	}
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return NULL;
	if (*line == '[')
		return strchr(line, ']') != NULL ? NULL : "the group has no closing bracket";
	*is_key = key_line(line);
	return *is_key ? NULL : "neither a comment nor a [group] nor key = value";
}

/* The lines that give a key, by number; the file's shape is sound when 0 is returned. */
static int shape_check(FILE *file, const char *path, struct key_lines *keys, char *why, size_t size)
{
	cleanup_free char *line = NULL;
	size_t allocated = 0;
	ssize_t length;

	for (uint64_t number = 1; (length = getline(&line, &allocated, file)) >= 0; number++) {
		const char *fault;
		bool is_key;

		if (length > 0 && line[length - 1] == '\n')
			line[--length] = '\0';
		fault = line_fault(line, (size_t)length, &is_key);
		if (fault != NULL)
			return refuse(-EINVAL, why, size, "%s:%ju: %s", path, (uintmax_t)number, fault);
		if (!is_key)
			continue;
		if (keys->count == KEY_LINES_MAX)
			return refuse(-E2BIG, why, size, "%s:%ju: too many lines", path, (uintmax_t)number);
		snprintf(keys->name[keys->count], sizeof(*keys->name), "%.*s",
			 (int)strcspn(line + strspn(line, " \t"), " \t="), line + strspn(line, " \t"));
		keys->line[keys->count++] = number;
	}
	if (ferror(file))
		return refuse(-EIO, why, size, "%s: cannot be read to its end", path);
	return 0;
}

/* 1: nothing to read there; 0: sound; else negative errno. */
static int file_check(const char *path, struct key_lines *keys, char *why, size_t size)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_file FILE *file = NULL;
	const char *fault;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0 || (file = fdopen(fd, "re")) == NULL)
		return refuse(-errno, why, size, "%s: cannot be read: %s", path, strerrordesc_np(errno));
	steal_fd(&fd); /* now the stream's */
	if (!S_ISREG(st.st_mode))
		return refuse(-EINVAL, why, size, "%s: is not a file", path);
	fault = not_trusted(&st);
	if (fault != NULL)
		return refuse(-EPERM, why, size, "%s: %s %s", path, fault, path);
	return shape_check(file, path, keys, why, size);
}

/* Marks the key's line as accounted for and returns its number. libeconf counts an indented
 * comment after a value as more of that value and then names the comment's line. */
static uint64_t line_done(struct key_lines *keys, uint64_t named)
{
	unsigned found = keys->count;
	uint64_t line = 0;

	for (unsigned i = 0; i < keys->count; i++)
		if (keys->line[i] <= named && keys->line[i] > line) {
			line = keys->line[i];
			found = i;
		}
	if (found < keys->count)
		keys->line[found] = 0;
	return line;
}

/* One key of one file. */
static int key_take(econf_file *parsed, const char *path, const struct settings_reader *reader, unsigned key,
		    struct key_lines *lines, char *why, size_t size)
{
	const char *group = reader->keys[key].group, *name = reader->keys[key].name;
	char place[SETTINGS_PLACE_MAX], fault[256];
	econf_ext_value *found = NULL;
	const char *value;
	uint64_t line;
	int r;

	switch (econf_getExtValue(parsed, group, name, &found)) {
	case ECONF_SUCCESS:
		break;
	case ECONF_NOKEY:
	case ECONF_NOGROUP:
		return 0;
	default:
		return refuse(-ENOMEM, why, size, "%s: [%s] %s: cannot be read", path, group, name);
	}
	line = line_done(lines, found->line_number);
	value = found->values[0] == NULL ? "" : found->values[0];
	snprintf(place, sizeof(place), "%s:%ju: [%s] %s", path, (uintmax_t)line, group, name);
	r = reader->take(reader->data, key, value, place, fault, sizeof(fault));
	if (r < 0)
		refuse(r, why, size, "%s: %s", place, fault);
	econf_freeExtValue(found);
	return r;
}

static int parsed_take(econf_file *parsed, const char *path, const struct settings_reader *reader,
		       struct key_lines *lines, char *why, size_t size)
{
	int r = 0;

	for (unsigned key = 0; r == 0 && key < reader->keys_count; key++)
		r = key_take(parsed, path, reader, key, lines, why, size);
	for (unsigned i = 0; r == 0 && i < lines->count; i++)
		if (lines->line[i] != 0)
			r = refuse(-EINVAL, why, size, "%s:%ju: %s: no such key in this group, or given twice", path,
				   (uintmax_t)lines->line[i], lines->name[i]);
	return r;
}

static int file_read(const char *path, const struct settings_reader *reader, char *why, size_t size)
{
	struct key_lines lines = { 0 };
	econf_file *parsed = NULL;
	econf_err error;
	int r;

	r = file_check(path, &lines, why, size);
	if (r != 0)
		return r;
	error = econf_readFile(&parsed, path, "=", "#");
	if (error != ECONF_SUCCESS) {
		char *name = NULL;
		uint64_t line = 0;

		econf_errLocation(&name, &line);
		free(name);
		return refuse(-EINVAL, why, size, "%s:%ju: %s", path, (uintmax_t)line, econf_errString(error));
	}
	r = parsed_take(parsed, path, reader, &lines, why, size);
	econf_freeFile(parsed);
	return r;
}

struct drop_ins {
	unsigned count;
	char *path[DROP_INS_MAX]; /* sorted by the name after the last '/' */
};

static void cleanup_drop_ins_p(struct drop_ins *list)
{
	for (unsigned i = 0; i < list->count; i++)
		free(list->path[i]);
}

static int drop_in_add(struct drop_ins *list, const char *directory, const char *name)
{
	char *path;
	unsigned at = 0;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return -ENOMEM;
	while (at < list->count && strcmp(strrchr(list->path[at], '/') + 1, name) < 0)
		at++;
	if (at < list->count && strcmp(strrchr(list->path[at], '/') + 1, name) == 0) {
		free(list->path[at]); /* /etc comes second and replaces */
		list->path[at] = path;
		return 0;
	}
	if (list->count == DROP_INS_MAX) {
		free(path);
		return -E2BIG;
	}
	memmove(&list->path[at + 1], &list->path[at], (list->count - at) * sizeof(list->path[0]));
	list->path[at] = path;
	list->count++;
	return 0;
}

static int directory_list(const char *path, struct drop_ins *list, char *why, size_t size)
{
	cleanup_dir DIR *directory = opendir(path);
	const char *fault;
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (directory == NULL && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (directory == NULL || fstat(dirfd(directory), &st) < 0)
		return refuse(-errno, why, size, "%s: cannot be read: %s", path, strerrordesc_np(errno));
	fault = not_trusted(&st);
	if (fault != NULL)
		return refuse(-EPERM, why, size, "%s: %s %s", path, fault, path);
	for (errno = 0; r == 0 && (entry = readdir(directory)) != NULL; errno = 0) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0)
			r = drop_in_add(list, path, entry->d_name);
	}
	if (r == 0)
		r = -errno;
	if (r < 0)
		return refuse(r, why, size, "%s: cannot be listed: %s", path, strerrordesc_np(-r));
	return 0;
}

int settings_files_read(const char *root, const struct settings_reader *reader, char *why, size_t size)
{
	__attribute__((cleanup(cleanup_drop_ins_p))) struct drop_ins list = { 0 };
	static const char *const directories[] = { VENDORDIR, SYSCONFDIR };
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s%s/" FILE_NAME, root, SYSCONFDIR) >= (int)sizeof(path))
		return refuse(-ENAMETOOLONG, why, size, "%s: path too long", root);
	r = file_read(path, reader, why, size);
	if (r == 1) {
		snprintf(path, sizeof(path), "%s%s/" FILE_NAME, root, VENDORDIR);
		r = file_read(path, reader, why, size);
	}
	for (unsigned i = 0; r >= 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s/" FILE_NAME ".d", root, directories[i]);
		r = directory_list(path, &list, why, size);
	}
	for (unsigned i = 0; r >= 0 && i < list.count; i++)
		r = file_read(list.path[i], reader, why, size);
	return r < 0 ? r : 0;
}
