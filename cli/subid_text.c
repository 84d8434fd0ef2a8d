/* SPDX-License-Identifier: ISC */
/* The lines of /etc/subuid and /etc/subgid for `subuid adopt`: whose each is, and those that it takes away. */
#include "cli/subid_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "account/passwd.h"
#include "confine/cleanup.h"
#include "confine/grow.h"
#include "subid/found.h"
#include "subid/lock.h"
#include "subid/remove.h"
#include "subid/text.h"

/* A line may name its owner by uid. A user with a longer name cannot be an owner. */
static int owner_find(struct subid_entry *entry)
{
	entry_cleanup struct host_entry user = { 0 };
	char name[OWNER_MAX + 1] = "";
	uint32_t uid;
	int r;

	if (entry->line.name_length > OWNER_MAX)
		return 0;
	memcpy(name, entry->line.name, entry->line.name_length);
	r = user_find(name, &user);
	if (r == -ENOENT && id_parse(name, &uid) == 0)
		r = user_find_uid(uid, &user);
	if (r == 0 && strlen(user.user.pw_name) <= OWNER_MAX)
		memcpy(entry->owner, user.user.pw_name, strlen(user.user.pw_name) + 1);
	return r == -ENOENT ? 0 : r;
}

static int entry_add(struct subid_entries *entries, const struct subid_entry *entry)
{
	struct subid_entry *list = array_grow(entries->list, entries->count, &entries->room, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	entries->list = list;
	entries->list[entries->count++] = *entry;
	return 0;
}

int subid_entries_read(const char *path, struct subid_entries *entries)
{
	const char *rest, *line;
	size_t left = 0, length;
	int r = subid_text_look(path, &entries->text, &left);

	rest = entries->text;
	while (r == 0 && subid_line_next(&rest, &left, &line, &length)) {
		struct subid_entry entry = { .length = length };

		if (subid_line_parse(line, length, &entry.line))
			r = entry_add(entries, &entry);
	}
	return r;
}

void subid_entries_free(struct subid_entries *entries)
{
	free(entries->list);
	free(entries->text);
	*entries = (struct subid_entries){ 0 };
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

const char *subid_entry_holder(const struct subid_entry *entry, size_t *length)
{
	bool known = entry->owner[0] != '\0';

	*length = known ? strlen(entry->owner) : entry->line.name_length;
	return known ? entry->owner : entry->line.name;
}

int subid_entry_order(const struct subid_entry *a, const struct subid_entry *b)
{
	size_t a_length, b_length;
	const char *a_name = subid_entry_holder(a, &a_length), *b_name = subid_entry_holder(b, &b_length);
	int by_name = subid_bytes_order(a_name, a_length, b_name, b_length);
	int by_first = order(a->line.ids.first, b->line.ids.first);

	if (by_name != 0)
		return by_name;
	return by_first != 0 ? by_first : order(a->line.ids.last, b->line.ids.last);
}

/* ---- taking lines away */

int subid_entries_published(struct subid_lines *published)
{
	cleanup_fd int state_fd = open(STATE_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (state_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return subid_lines_recorded(state_fd, published);
}

bool subid_entry_published(const struct subid_lines *published, const struct subid_entry *entry)
{
	return subid_lines_find(published, entry->line.name, entry->length) >= 0;
}

static int away_add(const struct subid_entries *entries, const struct subid_lines *published, struct subid_lines *away)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < entries->count; i++)
		if (entries->list[i].taken && !subid_entry_published(published, &entries->list[i]))
			r = subid_lines_add_line(away, entries->list[i].line.name, entries->list[i].length);
	return r == 0 ? subid_lines_sort(away) : r;
}

static int locked_remove(int etc_fd, const struct subid_entries *uids, const struct subid_entries *gids)
{
	struct subid_lines published = { 0 }, away[2] = { { 0 }, { 0 } };
	int r = subid_entries_published(&published);

	if (r == 0)
		r = away_add(uids, &published, &away[0]);
	if (r == 0)
		r = away_add(gids, &published, &away[1]);
	if (r == 0)
		r = subid_lines_remove(etc_fd, away);
	subid_lines_free(&published);
	subid_lines_free(&away[0]);
	subid_lines_free(&away[1]);
	return r;
}

int subid_entries_remove(const struct subid_entries *uids, const struct subid_entries *gids)
{
	cleanup_fd int etc_fd = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sigset_t until_done, before;
	int r;

	if (etc_fd < 0)
		return -errno;
	sigemptyset(&until_done);
	sigaddset(&until_done, SIGINT);
	sigaddset(&until_done, SIGTERM);
	sigaddset(&until_done, SIGHUP);
	sigprocmask(SIG_BLOCK, &until_done, &before);
	r = subid_lock(etc_fd);
	if (r == 0) {
		r = locked_remove(etc_fd, uids, gids);
		subid_unlock(etc_fd);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
