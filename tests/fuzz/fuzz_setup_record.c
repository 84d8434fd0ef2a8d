/* SPDX-License-Identifier: ISC */
/*
 * The record of what setup did, of any bytes: it is refused whole, or every deed that is taken back is one of those
 * that setup does, from the last to the first, its copies are its own, and what could not be taken back stays in the
 * record, which reads back as the same. First byte: which deeds fail, and whether it is a dry run.
 */
#include "tests/fuzz/fuzz.h"

#include "setup/record.c"

static struct {
	const char *text;
	char *stored;
	json_t *deeds; /* as they were read */
	size_t next;   /* how many are still to come, from the last on */
	unsigned fails;
	unsigned complaints, unlinked, stores;
} host;

int file_load(const char *path, struct setup_file *file)
{
	must(strcmp(path, SETUP_RECORD) == 0);
	*file = (struct setup_file){ .text = strdup(host.text), .exists = true };
	return 0;
}

void setup_file_done(struct setup_file *file)
{
	free(file->text);
}

int file_store(const char *path, const char *text, const struct setup_file *old, mode_t mode)
{
	must(strcmp(path, SETUP_RECORD) == 0 && old == NULL && mode == 0600);
	free(host.stored);
	host.stored = strdup(text);
	host.stores++;
	return 0;
}

int file_tidy(const char *path)
{
	must(strcmp(path, SETUP_RECORD) == 0);
	return -EROFS; /* and no further: the real directory of copies is not looked at */
}

int file_unlink(const char *path)
{
	(void)path;
	must(!"reached");
	return -1;
}

const char *file_why(int error)
{
	(void)error;
	return "";
}

int setup_fail(const char *what, const char *why, const char *todo)
{
	must(what != NULL && why != NULL && todo != NULL);
	host.complaints++;
	return -1;
}

int setup_fail_errno(const char *what, int error, const char *todo)
{
	must(error < 0);
	return setup_fail(what, "", todo);
}

bool pam_file_known(const char *path)
{
	return strcmp(path, PAM_DIR "/sshd") == 0 || strcmp(path, PAM_DIR "/common-account") == 0;
}

/* ---- what setup does, written down a second time */

static const char *const users[] = { "subuidd", "subuidd-keys", "subuidd-hook", "subuidd-userdb", NULL };
static const char *const groups[] = { "subuids",      "subuids-forward", "subuidd", "subuidd-keys",
				      "subuidd-hook", "subuidd-userdb",  NULL };
static const char *const directories[] = { STATE_DIR, "/srv/subuid", "/etc/ssh/sshd_config.d", "/etc/subuidd.conf.d",
					   NULL };
static const char *const files[] = { "/etc/nsswitch.conf",
				     "/etc/pam.d/sshd",
				     "/etc/pam.d/common-account",
				     "/etc/ssh/sshd_config.d/50-subuidd.conf",
				     "/etc/subuidd.conf.d/20-subid.conf",
				     STATE_DIR "/subid-chain",
				     NULL };
static const char *const units[] = { "subuidd.service", "subuidd-save.timer", "subuidd-userdb.service", NULL };

/* The next deed from the end; it says of itself whether it fails. */
static int revert(const json_t *deed, const char *kind, const char *const *names)
{
	const char *name = json_string_value(json_object_get(deed, "name"));

	must(host.next > 0 && json_equal(deed, json_array_get(host.deeds, --host.next)));
	must(strcmp(json_string_value(json_object_get(deed, "kind")), kind) == 0);
	while (*names != NULL && strcmp(*names, name) != 0)
		names++;
	must(*names != NULL);
	return (host.fails >> host.next % 7 & 1) != 0 ? -1 : 0;
}

int group_revert(struct setup *setup, const json_t *deed)
{
	(void)setup;
	return revert(deed, "group", groups);
}

int user_revert(struct setup *setup, const json_t *deed)
{
	(void)setup;
	return revert(deed, "user", users);
}

int directory_revert(struct setup *setup, const json_t *deed)
{
	(void)setup;
	return revert(deed, "directory", directories);
}

int units_revert(struct setup *setup, const json_t *deed)
{
	(void)setup;
	return revert(deed, "units", units);
}

int homes_revert(struct setup *setup, const json_t *deed)
{
	static const char *const homes[] = { HOMES_DIR, NULL };

	(void)setup;
	return revert(deed, "homes", homes);
}

int pass_revert(struct setup *setup, const json_t *deed)
{
	const char *name = json_string_value(json_object_get(deed, "name"));
	const char *const any[] = { name, NULL };

	(void)setup;
	must(name[0] == '/');
	must(json_integer_value(json_object_get(deed, "owner")) > 0 &&
	     json_integer_value(json_object_get(deed, "id")) > 0);
	return revert(deed, "pass", any);
}

/* Its copies are named by a number that no other has, and by which the next is found. */
int file_revert(struct setup *setup, const json_t *deed)
{
	json_int_t number = json_integer_value(json_object_get(deed, "number"));
	const json_t *other;
	unsigned same = 0;
	size_t i;

	(void)setup;
	must(json_is_integer(json_object_get(deed, "number")) && number >= 0 && number < 1000000);
	must(json_is_boolean(json_object_get(deed, "existed")) && json_is_string(json_object_get(deed, "edit")));
	json_array_foreach(host.deeds, i, other)
		same += json_equal(json_object_get(other, "number"), json_object_get(deed, "number")) &&
			strcmp(json_string_value(json_object_get(other, "kind")), "file") == 0;
	must(same == 1);
	return revert(deed, "file", files);
}

static void check_kept(const struct setup *setup, size_t failed)
{
	json_t *deeds;

	must(json_array_size(setup->deeds) == (setup->dry_run ? json_array_size(host.deeds) : failed));
	if (host.stores == 0 || failed == 0)
		return;
	deeds = record_parse(host.stored);
	must(deeds != NULL && json_equal(deeds, setup->deeds));
	json_decref(deeds);
}

static void check(struct setup *setup)
{
	size_t count = json_array_size(setup->deeds), failed = 0;
	int r;

	host.deeds = json_deep_copy(setup->deeds);
	host.next = count;
	for (size_t i = 0; i < count; i++)
		failed += host.fails >> i % 7 & 1;
	r = record_revert(setup, 0);
	must(host.next == 0);
	/* the last one taken back removes the record, which file_tidy() keeps from */
	must((r < 0) == (failed > 0 || (count > 0 && !setup->dry_run)));
	must(!setup->dry_run || host.stores == 0);
	check_kept(setup, failed);
	json_decref(host.deeds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct setup setup = { 0 };
	uint8_t how = take_byte(&input);
	char *text = take_text(&input);

	memset(&host, 0, sizeof(host));
	json_object_seed(1);
	host.text = text;
	host.fails = how & 0x7f;
	setup.dry_run = (how & 0x80) != 0;
	if (record_load(&setup) == 0) {
		must(host.complaints == 0 && json_is_array(setup.deeds));
		check(&setup);
	} else {
		must(host.complaints == 1 && setup.deeds == NULL);
	}
	json_decref(setup.deeds);
	free(host.stored);
	free(text);
	return 0;
}
