/* SPDX-License-Identifier: ISC */
/*
 * Lines of /etc/subuid and /etc/subgid that came below a range of the same holder: podman and buildah map by number
 * whatever the order of the list is, so what is in containers made before such a line has other owners since. Run by
 * root.
 */
#include <string.h>

#include "account/id.h"
#include "account/passwd.h"
#include "setup/doctor.h"
#include "setup/setup.h"
#include "confine/cleanup.h"
#include "subid/line.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))
#define NAMES_MAX 10000u /* lines whose names are looked up */

static struct index_reader reader = INDEX_READER(INDEX_PATH);

static bool ours(const struct subid_line *line)
{
	struct id_range range;

	return index_range_by_id(&reader, line->ids.first, &range) == 0;
}

/* How many lines of others the holder has before this one. */
static unsigned lines_before(const struct setup_file *file, const char *end, const struct subid_line *line)
{
	const char *rest = file->text, *at;
	size_t left = file->length, length;
	unsigned count = 0;

	while (subid_line_next(&rest, &left, &at, &length) && at < end) {
		struct subid_line other;

		if (subid_line_parse(at, length, &other) && other.name_length == line->name_length &&
		    memcmp(other.name, line->name, line->name_length) == 0 && !ours(&other))
			count++;
	}
	return count;
}

/* A range of this owner's own, above the line and older than it. kind: 0 of uids, 1 of gids. */
static bool range_moved(uint32_t uid, int kind, const struct subid_line *line, unsigned before, struct id_range *range)
{
	struct index_account account;
	uint64_t cursor = 0;
	int is_range = 0;

	while (index_owner_next(&reader, uid, &cursor, &is_range, &account, range) == 0)
		if (is_range && range->account_uid == 0 && range->first > line->ids.first &&
		    range->behind[kind] <= before)
			return true;
	return false;
}

static void check(struct doctor *doctor, const char *path, int kind)
{
	file_cleanup struct setup_file file = { 0 };
	const char *rest, *at;
	size_t left, length;
	unsigned looked = 0;

	if (file_load(path, &file) < 0) /* doctor_subid_files() has said why */
		return;
	rest = file.text;
	left = file.length;
	while (looked < NAMES_MAX && subid_line_next(&rest, &left, &at, &length)) {
		entry_cleanup struct host_entry entry = { 0 };
		char name[SUBID_LINE_MAX + 1] = "";
		struct subid_line line;
		struct id_range range;
		uint32_t uid;

		if (!subid_line_parse(at, length, &line) || ours(&line))
			continue;
		memcpy(name, line.name, line.name_length);
		looked++;
		if (id_parse(name, &uid) < 0) {
			if (user_find(name, &entry) != 0)
				continue;
			uid = entry.user.pw_uid;
		}
		if (!range_moved(uid, kind, &line, lines_before(&file, at, &line), &range))
			continue;
		found_f(doctor, FINDING_NOTE, path,
			"take the line out again, or `subuid idmap --format podman` for what was there before",
			"%s has ids from %u on, which came after their range from %u on and lie below it: podman and "
			"buildah map by number, so that files of existing containers belong to others now",
			name, line.ids.first, range.first);
		return;
	}
}

void doctor_subid_order(struct doctor *doctor)
{
	check(doctor, SYSCONFDIR "/subuid", 0);
	check(doctor, SYSCONFDIR "/subgid", 1);
}
