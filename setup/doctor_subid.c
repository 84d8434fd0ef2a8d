/* SPDX-License-Identifier: ISC */
#include "setup/doctor.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/id.h"
#include "account/passwd.h"
#include "account/subid_lock.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))
#define CHECK "nsswitch: subid"
#define SETUP_TODO "run `subuid setup`"
#define ONE_BY_ONE 4096u /* ids of a line that are looked up one by one */
#define NAMES_MAX 10000u /* lines whose names are looked up */

/* ---- what answers newuidmap */

static void check_plugin(struct doctor *doctor, const char *source)
{
	bool installed = access(SUBID_PLUGIN, R_OK) == 0;
	void *plugin = installed ? dlopen(SUBID_PLUGIN, RTLD_NOW | RTLD_LOCAL) : NULL;

	if (strcmp(source, NSS_SOURCE) != 0)
		found(doctor, FINDING_NOTE, CHECK,
		      installed ? "has another source, so that newuidmap does not know our ranges" :
				  "the plug-in is not installed, so that newuidmap does not know our ranges",
		      installed ? SETUP_TODO : "");
	else if (plugin == NULL) /* libsubid then takes the files, without a word */
		found(doctor, FINDING_BAD, CHECK, installed ? dlerror() : "names a plug-in that is not installed",
		      "run `make install`, or install the package");
	else
		found(doctor, FINDING_GOOD, CHECK, "newuidmap asks us", "");
	if (plugin != NULL)
		dlclose(plugin);
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
		found(doctor, FINDING_GOOD, CHECK, "newuidmap reads the files, and we write them (publish = files)", "");
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
	check_shadow(doctor, source);
}

/* ---- /etc/subuid, /etc/subgid */

struct line {
	const char *name;
	uint32_t first, count;
};

/* "alice:100000:65536", cut into its parts. */
static bool line_parse(char *text, struct line *line)
{
	char *first = strchr(text, ':'), *count = first == NULL ? NULL : strchr(first + 1, ':');

	if (count == NULL)
		return false;
	*first++ = '\0';
	*count++ = '\0';
	line->name = text;
	return id_parse(first, &line->first) == 0 && id_parse(count, &line->count) == 0 &&
	       id_range_valid(line->first, line->count);
}

/* The owner's name, or that of the owner's account that the range was given to. */
static bool range_is_of(const struct doctor *doctor, const struct id_range *range, const char *name)
{
	char account[ACCOUNT_NAME_MAX + 1];

	if (strcmp(range->owner, name) == 0)
		return true;
	return range->label[0] != '\0' &&
	       name_join(range->owner, doctor->host.separator, range->label, account) == 0 &&
	       strcmp(account, name) == 0;
}

static bool foreign_account(const struct index_account *account, const struct line *line, struct id_range *range)
{
	if (account->uid < line->first || account->uid - line->first >= line->count ||
	    strcmp(account->owner, line->name) == 0)
		return false;
	*range = (struct id_range){ .first = account->uid, .count = 1 };
	snprintf(range->owner, sizeof(range->owner), "%s", account->owner);
	return true;
}

/* A sub-account of somebody else than the line's with an id in it. */
static bool account_overlaps(const struct doctor *doctor, const struct line *line, struct id_range *range)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_account account;
	uint64_t cursor = 0;

	if (line->first + (line->count - 1) < doctor->host.uid_first || line->first > doctor->host.uid_last)
		return false;
	if (line->count <= ONE_BY_ONE) {
		for (uint32_t i = 0; i < line->count; i++)
			if (index_account_by_uid(&reader, line->first + i, &account) == 0 &&
			    foreign_account(&account, line, range))
				return true;
		return false;
	}
	while (index_account_next(&reader, &cursor, &account) == 0)
		if (foreign_account(&account, line, range))
			return true;
	return false;
}

static bool range_overlaps(const struct doctor *doctor, const struct line *line, struct id_range *range)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	uint64_t end = (uint64_t)line->first + line->count;

	for (uint64_t id = line->first; id < end; id += RANGE_UNIT)
		if (index_range_by_id(&reader, (uint32_t)id, range) == 0 && !range_is_of(doctor, range, line->name))
			return true;
	return index_range_by_id(&reader, (uint32_t)(end - 1), range) == 0 &&
	       !range_is_of(doctor, range, line->name);
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
	int r = file_load(path, &file);

	if (r < 0) {
		found(doctor, FINDING_BAD, path, file_why(r), "");
		return;
	}
	for (const char *at = file.text; *at != '\0';) {
		cleanup_free char *text = NULL;
		struct id_range range;
		struct line line;

		if (!text_next_line(&at, &text))
			break;
		if (!line_parse(text, &line))
			continue;
		if (account_overlaps(doctor, &line, &range) || range_overlaps(doctor, &line, &range)) {
			found_f(doctor, FINDING_BAD, path, "take the line out, or `subuid range remove`",
				"%s has ids there that we gave to %s from %u on", line.name, range.owner, range.first);
			return;
		}
		if (nobodys[0] == '\0' && looked++ < NAMES_MAX && name_is_nobodys(line.name))
			snprintf(nobodys, sizeof(nobodys), "%s", line.name);
	}
	if (nobodys[0] != '\0')
		found_f(doctor, FINDING_NOTE, path, "take the lines of users who are gone out",
			"gives ids to %s, which is nobody's name: whoever gets the name gets the ids", nobodys);
	else
		found(doctor, FINDING_GOOD, path, "has nothing that we gave out to somebody else", "");
}

/* A lock that a power cut or a kill left behind. One that a process holds at this moment is no finding. */
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
		found_f(doctor, FINDING_NOTE, path, "remove it when neither useradd nor usermod runs",
			"is a lock of process %ld, which is gone", (long)pid);
		break;
	case LOCK_ODD:
		found(doctor, FINDING_BAD, path,
		      "is a lock without a process, as a power cut leaves it: useradd and usermod stop at it",
		      "remove it when neither of them runs; with `publish = files` or `both` subuidd does so after a minute");
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
}
