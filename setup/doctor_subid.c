/* SPDX-License-Identifier: ISC */
/* What `subuid doctor` says of subordinate ids: who answers for them, what the files say, what locks them. Run by root.
 */
#include "setup/doctor.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/id.h"
#include "account/passwd.h"
#include "subid/lock.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "subid/line.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))
#define CHECK "nsswitch: subid"
#define SETUP_TODO "run `subuid setup`"
#define ONE_BY_ONE 4096u /* ids of a line that are looked up one by one */
#define NAMES_MAX 10000u /* lines whose names are looked up */

/* ---- what answers newuidmap */

static void check_plugin(struct doctor *doctor, const char *source)
{
	bool installed = access(SUBID_PLUGIN, R_OK) == 0;
	void *plugin = installed ? dlopen("libsubid_subuid.so", RTLD_NOW | RTLD_LOCAL) : NULL; /* as libsubid does */

	if (strcmp(source, NSS_SOURCE) != 0)
		found(doctor, FINDING_NOTE, CHECK,
		      installed ? "has another source, so that newuidmap does not know our ranges" :
				  "the plug-in is not installed, so that newuidmap does not know our ranges",
		      installed ? SETUP_TODO : "");
	else if (plugin == NULL) /* libsubid then silently uses the files */
		found(doctor, FINDING_BAD, CHECK, installed ? dlerror() : "names a plug-in that is not installed",
		      "run `make install`, or install the package");
	else
		found(doctor, FINDING_GOOD, CHECK, "newuidmap asks us", "");
	if (plugin != NULL)
		dlclose(plugin);
}

/* They know no plug-in. */
static void check_readers(struct doctor *doctor)
{
	found(doctor, FINDING_NOTE, "programs that read /etc/subuid",
	      SUBID_READERS " find none of our ranges there (publish = plugin)",
	      "say `publish = files` in " SETTINGS_DIR " and run `subuid setup`, if anybody uses them");
}

static void check_files(struct doctor *doctor, const char *source)
{
	if (strcmp(source, NSS_SOURCE) == 0)
		found(doctor, FINDING_BAD, CHECK, "names our plug-in, while the settings say `publish = files`",
		      SETUP_TODO);
	else if (source[0] != '\0' && strcmp(source, "files") != 0)
		found_f(doctor, FINDING_NOTE, CHECK, "say `publish = plugin` and run `subuid setup`, or `subid: files`",
			"newuidmap asks %s and reads no file, so that it does not know our ranges", source);
	else
		found(doctor, FINDING_GOOD, CHECK, "newuidmap reads the files, and we write them (publish = files)",
		      "");
}

static void check_shadow(struct doctor *doctor, const char *source)
{
	enum shadow_tools tools;

	if (strcmp(source, NSS_SOURCE) != 0)
		return;
	tools = shadow_tools();
	if (tools == SHADOW_FAILS && !subid_files_present())
		return;
	found(doctor, tools == SHADOW_FAILS ? FINDING_BAD : FINDING_NOTE, "useradd, usermod, userdel",
	      shadow_what(tools), shadow_todo(tools));
}

void doctor_subid(struct doctor *doctor, const char *text)
{
	cleanup_free char *said = NULL;
	enum publish_way way = publish_way(&said);
	char source[64];

	nsswitch_first_source(text, "subid", source, sizeof(source));
	if (way == PUBLISH_WAY_UNKNOWN)
		found(doctor, FINDING_BAD, "settings", said != NULL && said[0] != '\0' ? said : "cannot be read",
		      "`subuidd --check-config` says what is wrong");
	if (way == PUBLISH_WAY_FILES)
		check_files(doctor, source);
	else
		check_plugin(doctor, source);
	if (way == PUBLISH_WAY_PLUGIN)
		check_readers(doctor);
	check_shadow(doctor, source);
}

/* ---- /etc/subuid, /etc/subgid */

/* The owner's name, or that of the owner's account that the range was given to. */
static bool range_is_of(const struct doctor *doctor, const struct id_range *range, const struct subid_line *line)
{
	char account[ACCOUNT_NAME_MAX + 1];

	if (subid_line_is(line, range->owner))
		return true;
	return range->label[0] != '\0' && name_join(range->owner, doctor->host.separator, range->label, account) == 0 &&
	       subid_line_is(line, account);
}

static bool foreign_account(const struct index_account *account, const struct subid_line *line, struct id_range *range)
{
	if (account->uid < line->ids.first || account->uid > line->ids.last || subid_line_is(line, account->owner))
		return false;
	*range = (struct id_range){ .first = account->uid, .count = 1 };
	snprintf(range->owner, sizeof(range->owner), "%s", account->owner);
	return true;
}

/* A sub-account of somebody else than the line's with an id in it. */
static bool account_overlaps(const struct doctor *doctor, const struct subid_line *line, struct id_range *range)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_account account;
	uint64_t cursor = 0;

	if (line->ids.last < doctor->host.uid_first || line->ids.first > doctor->host.uid_last)
		return false;
	if (subid_line_count(line) <= ONE_BY_ONE) {
		for (uint64_t id = line->ids.first; id <= line->ids.last; id++)
			if (index_account_by_uid(&reader, (uint32_t)id, &account) == 0 &&
			    foreign_account(&account, line, range))
				return true;
		return false;
	}
	while (index_account_next(&reader, &cursor, &account) == 0)
		if (foreign_account(&account, line, range))
			return true;
	return false;
}

static bool range_overlaps(const struct doctor *doctor, const struct subid_line *line, struct id_range *range)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);

	for (uint64_t id = line->ids.first; id <= line->ids.last; id += RANGE_UNIT)
		if (index_range_by_id(&reader, (uint32_t)id, range) == 0 && !range_is_of(doctor, range, line))
			return true;
	return index_range_by_id(&reader, line->ids.last, range) == 0 && !range_is_of(doctor, range, line);
}

/* Certain that no user has it: a name service in trouble is not enough. */
static bool name_is_nobodys(const char *name)
{
	entry_cleanup struct host_entry entry = { 0 };
	uint32_t uid;

	return id_parse(name, &uid) != 0 && user_find(name, &entry) == -ENOENT;
}

static void check_subid_file(struct doctor *doctor, const char *path)
{
	file_cleanup struct setup_file file = { 0 };
	char nobodys[64] = "";
	unsigned looked = 0;
	const char *rest, *at;
	size_t left, length;
	int r = file_load(path, &file);

	if (r < 0) {
		found(doctor, FINDING_BAD, path, file_why(r), "");
		return;
	}
	rest = file.text;
	left = file.length;
	while (subid_line_next(&rest, &left, &at, &length)) {
		char name[SUBID_LINE_MAX + 1] = "";
		struct subid_line line;
		struct id_range range;

		if (!subid_line_parse(at, length, &line))
			continue;
		memcpy(name, line.name, line.name_length);
		if (account_overlaps(doctor, &line, &range) || range_overlaps(doctor, &line, &range)) {
			found_f(doctor, FINDING_BAD, path, "take the line out, or `subuid range remove`",
				"%s has ids there that we gave to %s from %u on", name, range.owner, range.first);
			return;
		}
		if (nobodys[0] == '\0' && looked++ < NAMES_MAX && name_is_nobodys(name))
			snprintf(nobodys, sizeof(nobodys), "%s", name);
	}
	if (nobodys[0] != '\0')
		found_f(doctor, FINDING_NOTE, path, "remove the lines of users who no longer exist",
			"gives ids to %s, a name that no user has: the next user of that name gets the ids", nobodys);
	else
		found(doctor, FINDING_GOOD, path, "has nothing that we gave out to somebody else", "");
}

/* A lock that a power cut or a kill left behind. A lock that a process holds at this moment is not a finding. */
static void check_lock(struct doctor *doctor, int etc_fd, const char *name)
{
	char path[64];
	pid_t pid = 0;

	snprintf(path, sizeof(path), SYSCONFDIR "/%s", name);
	switch (subid_lock_look(etc_fd, name, &pid)) {
	case LOCK_NONE:
	case LOCK_HELD:
		break;
	case LOCK_DEAD:
		found_f(doctor, FINDING_NOTE, path, "remove it while neither useradd nor usermod is running",
			"is a lock of process %ld, which has ended", (long)pid);
		break;
	case LOCK_ODD:
		found(doctor, FINDING_BAD, path,
		      "is a lock without a process, as a power cut leaves it: it blocks useradd and usermod",
		      "remove it while neither of them is running; with `publish = files` or `both` subuidd does so "
		      "after a minute");
		break;
	}
}

void doctor_subid_files(struct doctor *doctor)
{
	cleanup_fd int etc_fd = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (etc_fd >= 0) {
		check_lock(doctor, etc_fd, "subuid.lock");
		check_lock(doctor, etc_fd, "subgid.lock");
	}
	check_subid_file(doctor, SYSCONFDIR "/subuid");
	check_subid_file(doctor, SYSCONFDIR "/subgid");
	doctor_subid_order(doctor);
}
