/* SPDX-License-Identifier: ISC */
/*
 * The local files of users and groups, read once for many questions: see local.h. Run by the broker, and by the
 * children of a check, which have what the broker read.
 */
#include "subuidd/ids/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subid/held.h"
#include "subid/text.h"

#define FIELDS_MAX 7
#define TEXT_MAX (256u << 20) /* a larger one is left to the C library */

static const struct {
	const char *path;
	unsigned fields; /* of each line; the third is the id */
	int (*beyond)(struct source_functions *sources);
} databases[LOCAL_DATABASES] = {
	[LOCAL_USERS] = { SYSCONFDIR "/passwd", 7, user_sources_beyond_files },
	[LOCAL_GROUPS] = { SYSCONFDIR "/group", 4, group_sources_beyond_files },
};

struct field {
	const char *at;
	size_t length;
};

/* The fields of the line that begins here; false: it is not of the plain kind. */
static bool line_split(const char *line, size_t length, unsigned count, struct field fields[FIELDS_MAX])
{
	const char *end = line + length;

	for (unsigned i = 0; i < count; i++) {
		const char *colon = memchr(line, ':', (size_t)(end - line));

		if ((colon == NULL) != (i + 1 == count))
			return false;
		fields[i] = (struct field){ line, (size_t)((colon != NULL ? colon : end) - line) };
		line = colon != NULL ? colon + 1 : end;
	}
	return true;
}

static bool field_id(struct field field, uint32_t *id)
{
	return id_parse_bytes(field.at, field.length, id) == 0;
}

/* Lines that glibc would not read by their colons, or would pass over. */
static bool name_plain(struct field name)
{
	return name.length > 0 && strchr("+-# \t", name.at[0]) == NULL;
}

static uint32_t hash_name(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static uint32_t hash_id(uint32_t id)
{
	id = (id ^ id >> 16) * 0x7feb352du;
	return id ^ id >> 15;
}

static size_t line_length(const struct local_file *file, size_t at)
{
	const char *end = memchr(file->text + at, '\n', file->length - at);

	return end == NULL ? file->length - at : (size_t)(end - file->text) - at;
}

/* ---- reading */

static void file_forget(struct local_file *file)
{
	free(file->text);
	free(file->by_name);
	free(file->by_id);
	*file = (struct local_file){ 0 };
}

static void slot_put(const struct local_file *file, uint32_t *slots, uint32_t hash, size_t at)
{
	size_t slot = hash & (file->slots - 1);

	while (slots[slot] != 0)
		slot = (slot + 1) & (file->slots - 1);
	slots[slot] = (uint32_t)at + 1;
}

/* In the order of the file, so that of equal ones the first is found first. */
static bool lines_put(struct local_file *file, unsigned fields)
{
	struct field field[FIELDS_MAX];
	uint32_t id;

	for (size_t at = 0, length; at < file->length; at += length + 1) {
		length = line_length(file, at);
		if (length == 0)
			continue;
		if (memchr(file->text + at, '\0', length) != NULL ||
		    !line_split(file->text + at, length, fields, field) || !name_plain(field[0]) ||
		    !field_id(field[2], &id))
			return false;
		slot_put(file, file->by_name, hash_name(field[0].at, field[0].length), at);
		slot_put(file, file->by_id, hash_id(id), at);
	}
	return true;
}

static int slots_make(struct local_file *file)
{
	size_t lines = 1;

	for (size_t i = 0; i < file->length; i++)
		lines += file->text[i] == '\n';
	for (file->slots = 64; file->slots < 2 * lines; file->slots *= 2)
		;
	file->by_name = calloc(file->slots, sizeof(*file->by_name));
	file->by_id = calloc(file->slots, sizeof(*file->by_id));
	return file->by_name == NULL || file->by_id == NULL ? -ENOMEM : 0;
}

static void file_read(struct local_file *file, int fd, const struct stat *st, unsigned fields)
{
	file_forget(file);
	if (st->st_size > (off_t)TEXT_MAX)
		return;
	if (subid_text_take(fd, st, &file->text, &file->length) < 0 || slots_make(file) < 0 ||
	    !lines_put(file, fields)) {
		file_forget(file);
		return;
	}
	file->known = true;
	if (subid_file_settled(st)) /* one that has just been changed can change again and look the same */
		file->seen = *st;
}

static void file_refresh(struct local_file *file, enum local_database which)
{
	struct source_functions beyond;
	cleanup_fd int fd = -1;
	struct stat st;

	if (databases[which].beyond(&beyond) < 0) {
		file_forget(file);
		return;
	}
	fd = open(databases[which].path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		file_forget(file);
	else if (!file->known || !subid_file_same(&file->seen, &st))
		file_read(file, fd, &st, databases[which].fields);
	file->beyond = beyond;
}

void local_refresh(struct local *local)
{
	for (int i = 0; i < LOCAL_DATABASES; i++)
		file_refresh(&local->files[i], (enum local_database)i);
}

void local_free(struct local *local)
{
	for (int i = 0; i < LOCAL_DATABASES; i++)
		file_forget(&local->files[i]);
}

/* ---- asking */

static bool is_name(const struct field *fields, const void *name)
{
	return fields[0].length == strlen(name) && memcmp(fields[0].at, name, fields[0].length) == 0;
}

static bool is_id(const struct field *fields, const void *wanted)
{
	uint32_t id;

	return field_id(fields[2], &id) && id == *(const uint32_t *)wanted;
}

static bool line_find(const struct local *local, enum local_database which, const uint32_t *slots, uint32_t hash,
		      bool (*is)(const struct field *, const void *), const void *wanted,
		      struct field fields[FIELDS_MAX])
{
	const struct local_file *file = &local->files[which];

	for (size_t slot = hash & (file->slots - 1); slots[slot] != 0; slot = (slot + 1) & (file->slots - 1)) {
		size_t at = slots[slot] - 1;

		if (line_split(file->text + at, line_length(file, at), databases[which].fields, fields) &&
		    is(fields, wanted))
			return true;
	}
	return false;
}

/* A copy that ends by NUL, behind what is in the buffer already. */
static char *field_copy(struct field field, char **at)
{
	char *text = *at;

	memcpy(text, field.at, field.length);
	text[field.length] = '\0';
	*at += field.length + 1;
	return text;
}

static int user_fill(const struct field fields[FIELDS_MAX], struct host_entry *entry)
{
	size_t size = (size_t)(fields[6].at + fields[6].length - fields[0].at) + 1;
	struct passwd user = { 0 };
	uint32_t uid, gid;
	char *at;

	if (!field_id(fields[2], &uid) || !field_id(fields[3], &gid))
		return -ENOENT;
	if (entry->size < size) {
		host_entry_done(entry);
		entry->buffer = malloc(size);
		if (entry->buffer == NULL)
			return -ENOENT;
		entry->size = size;
	}
	at = entry->buffer;
	user.pw_uid = uid;
	user.pw_gid = gid;
	user.pw_name = field_copy(fields[0], &at);
	user.pw_passwd = field_copy(fields[1], &at);
	user.pw_gecos = field_copy(fields[4], &at);
	user.pw_dir = field_copy(fields[5], &at);
	user.pw_shell = field_copy(fields[6], &at);
	entry->user = user;
	return 0;
}

int local_user(const struct local *local, const char *name, struct host_entry *entry)
{
	const struct local_file *file = &local->files[LOCAL_USERS];
	struct field fields[FIELDS_MAX];

	if (!file->known ||
	    !line_find(local, LOCAL_USERS, file->by_name, hash_name(name, strlen(name)), is_name, name, fields))
		return -ENOENT;
	return user_fill(fields, entry);
}

/* The file is known, and has no line of this id. */
static bool id_absent(const struct local *local, enum local_database which, uint32_t id)
{
	const struct local_file *file = &local->files[which];
	struct field fields[FIELDS_MAX];

	return file->known && !line_find(local, which, file->by_id, hash_id(id), is_id, &id, fields);
}

int local_user_of(const struct local *local, uint32_t uid, struct host_entry *entry)
{
	return id_absent(local, LOCAL_USERS, uid) ?
		       user_find_uid_beyond_files(&local->files[LOCAL_USERS].beyond, uid, entry) :
		       user_find_uid(uid, entry);
}

int local_group_of(const struct local *local, uint32_t gid, struct host_entry *entry)
{
	return id_absent(local, LOCAL_GROUPS, gid) ?
		       group_find_gid_beyond_files(&local->files[LOCAL_GROUPS].beyond, gid, entry) :
		       group_find_gid(gid, entry);
}
