/* SPDX-License-Identifier: ISC */
/* The record of what setup did, which --undo takes back. Only things that are known to be ours are in it. */
#include "setup/setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "subid/chain.h"

#define RECORD_VERSION 1

/* Everything that setup does. Nothing else is taken back, whatever a damaged record says. Deeds of earlier versions
 * stay in the table. */
static const struct {
	const char *kind, *name, *edit;
} known[] = {
	{ "group", ACCOUNTS_GROUP, NULL },
	{ "group", FORWARD_GROUP, NULL },
	{ "group", OWNERS_GROUP, NULL },
	{ "group", PASSWORDS_GROUP, NULL },
	{ "group", BOTH_GROUP, NULL },
	{ "group", VERIFY_USER, NULL },
	{ "user", VERIFY_USER, NULL },
	{ "group", WORKER_USER, NULL },
	{ "group", KEYS_USER, NULL },
	{ "group", HOOK_USER, NULL },
	{ "group", USERDB_USER, NULL },
	{ "user", WORKER_USER, NULL },
	{ "user", KEYS_USER, NULL },
	{ "user", HOOK_USER, NULL },
	{ "user", USERDB_USER, NULL },
	{ "directory", STATE_DIR, NULL },
	{ "directory", HOMES_DIR, NULL },
	{ "homes", HOMES_DIR, NULL },
	{ "directory", SSHD_DROPIN_DIR, NULL },
	{ "directory", SETTINGS_DIR, NULL },
	{ "directory", NETWORK_DROPIN_DIR, NULL },
	{ "directory", DELEGATE_DROPIN_DIR, NULL },
	{ "directory", COLLECTOR_PARENT, NULL },
	{ "directory", COLLECTOR_DIR, NULL },
	{ "file", NSSWITCH_PATH, "nsswitch" },
	{ "file", SSHD_DROPIN, "whole" },
	{ "file", NETWORK_DROPIN, "whole" },
	{ "file", DELEGATE_DROPIN, "whole" },
	{ "file", LXC_USERNET, "lines" },
	{ "file", SUBID_CHAIN_PATH, "whole" },
	{ "file", SUBID_SETTINGS, "whole" },
	{ "units", SERVICE_UNIT, NULL },
	{ "units", TIMER_UNIT, NULL },
	{ "units", USERDB_UNIT, NULL },
	{ "units", METRICS_UNIT, NULL },
	{ "units", VERIFY_UNIT, NULL },
};

static const char *member(const json_t *deed, const char *name)
{
	const char *text = json_string_value(json_object_get(deed, name));

	return text != NULL ? text : "";
}

/* Of any directory, but only an ordinary user's, and only the entry of one id is taken out. */
static bool pass_valid(const json_t *deed)
{
	const char *path = member(deed, "name");
	const json_int_t id = json_integer_value(json_object_get(deed, "id"));
	const json_int_t owner = json_integer_value(json_object_get(deed, "owner"));

	return path[0] == '/' && id > 0 && id < UINT32_MAX && owner > 0 && owner < UINT32_MAX;
}

static bool deed_known(const json_t *deed)
{
	const char *kind = member(deed, "kind"), *name = member(deed, "name"), *edit = member(deed, "edit");

	if (strcmp(kind, "file") == 0 && strcmp(edit, "pam") == 0)
		return pam_file_known(name);
	if (strcmp(kind, "pass") == 0)
		return pass_valid(deed);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].kind, kind) == 0 && strcmp(known[i].name, name) == 0 &&
		    (known[i].edit == NULL || strcmp(known[i].edit, edit) == 0))
			return true;
	return false;
}

/* Its copies are its own: the file of another deed would be put in its place. */
static bool number_own(const json_t *deeds, size_t at)
{
	const json_t *number = json_object_get(json_array_get(deeds, at), "number");

	if (!json_is_integer(number) || json_integer_value(number) < 0 || json_integer_value(number) > SETUP_NUMBER_MAX)
		return false;
	for (size_t i = 0; i < at; i++)
		if (json_equal(json_object_get(json_array_get(deeds, i), "number"), number))
			return false;
	return true;
}

static bool deed_valid(const json_t *deeds, size_t at)
{
	const json_t *deed = json_array_get(deeds, at);

	if (!deed_known(deed))
		return false;
	return strcmp(member(deed, "kind"), "file") != 0 ||
	       (json_is_boolean(json_object_get(deed, "existed")) && number_own(deeds, at));
}

static json_t *record_parse(const char *text)
{
	json_t *record = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *deeds, *deed;
	size_t i;

	deeds = json_object_get(record, "deeds");
	if (json_integer_value(json_object_get(record, "version")) != RECORD_VERSION || !json_is_array(deeds))
		deeds = NULL;
	json_array_foreach(deeds, i, deed) {
		if (!deed_valid(deeds, i)) {
			deeds = NULL;
			break;
		}
	}
	json_incref(deeds);
	json_decref(record);
	return deeds;
}

int record_load(struct setup *setup)
{
	__attribute__((cleanup(setup_file_done))) struct setup_file file = { 0 };
	int r = file_load(SETUP_RECORD, &file);

	if (r < 0)
		return setup_fail(SETUP_RECORD, file_why(r), "nothing was changed");
	setup->deeds = file.exists ? record_parse(file.text) : json_array();
	if (setup->deeds == NULL)
		return setup_fail(SETUP_RECORD, "damaged, or of another version",
				  "the originals of the files are in " SETUP_DIR "; move it away to start over");
	return 0;
}

/* Copies of files: of deeds that are taken back, or were killed before they were written down. */
static int copies_remove(void)
{
	cleanup_fd int fd = path_open_trusted(SETUP_DIR, O_RDONLY);
	cleanup_dir DIR *directory = NULL;
	const struct dirent *entry;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	directory = fdopendir(fd);
	if (directory == NULL)
		return -errno;
	steal_fd(&fd); /* the directory's now */
	while ((entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			return -errno;
	}
	return rmdir(SETUP_DIR) == 0 ? 0 : -errno;
}

int record_save(struct setup *setup)
{
	cleanup_free char *text = NULL, *lined = NULL;
	json_t *record;
	int r;

	if (json_array_size(setup->deeds) == 0) {
		r = file_tidy(SETUP_RECORD);
		if (r == 0)
			r = file_unlink(SETUP_RECORD);
		if (r == 0)
			r = copies_remove();
		return r < 0 ? setup_fail_errno(SETUP_RECORD, r, "") : 0;
	}
	record = json_pack("{s:i, s:O}", "version", RECORD_VERSION, "deeds", setup->deeds);
	text = record == NULL ? NULL : json_dumps(record, JSON_INDENT(1));
	json_decref(record);
	if (text == NULL || asprintf(&lined, "%s\n", text) < 0)
		return setup_fail_errno(SETUP_RECORD, -ENOMEM, "");
	r = file_store(SETUP_RECORD, lined, NULL, 0600);
	return r < 0 ? setup_fail(SETUP_RECORD, file_why(r), "") : 0;
}

int record_add(struct setup *setup, json_t *deed)
{
	if (deed == NULL || json_array_append_new(setup->deeds, deed) < 0)
		return setup_fail_errno(SETUP_RECORD, -ENOMEM, "");
	if (record_save(setup) == 0)
		return 0;
	json_array_remove(setup->deeds, json_array_size(setup->deeds) - 1);
	return -1;
}

bool record_has(const struct setup *setup, const char *kind, const char *name)
{
	json_t *deed;
	size_t i;

	json_array_foreach(setup->deeds, i, deed) {
		if (strcmp(json_string_value(json_object_get(deed, "kind")), kind) == 0 &&
		    strcmp(json_string_value(json_object_get(deed, "name")), name) == 0)
			return true;
	}
	return false;
}

int record_lock(void)
{
	cleanup_fd int state = path_open_trusted(STATE_DIR, O_RDONLY), directory = -1;

	if (state < 0)
		return setup_fail(STATE_DIR, file_why(state), "");
	directory = path_make_directory(state, "setup", 0700, 0);
	if (directory < 0)
		return setup_fail(SETUP_DIR, file_why(directory), "");
	if (flock(directory, LOCK_EX | LOCK_NB) != 0)
		return setup_fail(SETUP_DIR, "another subuid setup is running", "wait for it");
	return steal_fd(&directory);
}
