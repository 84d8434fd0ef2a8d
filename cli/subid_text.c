/* SPDX-License-Identifier: ISC */
/* Reads the lines of /etc/subuid and /etc/subgid for `subuid adopt`, and finds the user of each. */
#include "cli/subid_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "account/passwd.h"
#include "confine/cleanup.h"

int subid_entry_parse(const char *line, size_t length, struct subid_entry *entry)
{
	struct subid_entry parsed = {0};
	const char *colon = memchr(line, ':', length);
	char numbers[32];
	char *count;

	if (colon == NULL || colon == line || (size_t)(colon - line) >= sizeof(parsed.name) ||
	    length - (size_t)(colon - line) - 1 >= sizeof(numbers))
		return -EINVAL;
	memcpy(parsed.name, line, (size_t)(colon - line));
	snprintf(numbers, sizeof(numbers), "%.*s", (int)(length - (size_t)(colon - line) - 1), colon + 1);
	count = strchr(numbers, ':');
	if (count == NULL)
		return -EINVAL;
	*count++ = '\0';
	if (id_parse(numbers, &parsed.first) < 0 || id_parse(count, &parsed.count) < 0 ||
	    !id_range_valid(parsed.first, parsed.count))
		return -EINVAL;
	*entry = parsed;
	return 0;
}

/* A line may name its owner by uid. */
static int owner_find(struct subid_entry *entry)
{
	entry_cleanup struct host_entry user = { 0 };
	uint32_t uid;
	int r = user_find(entry->name, &user);

	if (r == -ENOENT && id_parse(entry->name, &uid) == 0)
		r = user_find_uid(uid, &user);
	if (r == 0 && strlen(user.user.pw_name) <= OWNER_MAX)
		memcpy(entry->owner, user.user.pw_name, strlen(user.user.pw_name) + 1);
	return r == -ENOENT ? 0 : r;
}

static int entry_add(struct subid_entries *entries, const struct subid_entry *entry)
{
	if (entries->count == entries->room) {
		size_t room = entries->room == 0 ? 64 : entries->room * 2;
		struct subid_entry *list = reallocarray(entries->list, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		entries->list = list;
		entries->room = room;
	}
	entries->list[entries->count++] = *entry;
	return 0;
}

int subid_entries_read(const char *path, struct subid_entries *entries)
{
	cleanup_file FILE *file = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int r = 0;

	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (length = getline(&line, &room, file)) >= 0) {
		struct subid_entry entry;

		length -= length > 0 && line[length - 1] == '\n';
		if (subid_entry_parse(line, (size_t)length, &entry) == 0)
			r = entry_add(entries, &entry);
	}
	return r == 0 && ferror(file) ? -EIO : r;
}

void subid_entries_free(struct subid_entries *entries)
{
	free(entries->list);
	*entries = (struct subid_entries){0};
}

int subid_entries_owners(struct subid_entries *entries)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < entries->count; i++)
		r = owner_find(&entries->list[i]);
	return r;
}

static int order(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

int subid_entry_order(const struct subid_entry *a, const struct subid_entry *b)
{
	const char *one = a->owner[0] != '\0' ? a->owner : a->name, *other = b->owner[0] != '\0' ? b->owner : b->name;

	return strcmp(one, other) ?: order(a->first, b->first) ?: order(a->count, b->count);
}
