/* SPDX-License-Identifier: ISC */
/* Changing a configuration file so that it can be taken back to the byte. */
#include "setup/setup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "setup/text.h"
#include "confine/cleanup.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))

static void copy_path(char path[PATH_MAX], json_int_t number, const char *when)
{
	snprintf(path, PATH_MAX, "%s/%lld.%s", SETUP_DIR, (long long)number, when);
}

/* The old content and ours, kept for an exact undo. */
static int copies_store(json_int_t number, const char *before, const char *after)
{
	char path[PATH_MAX];
	int r;

	copy_path(path, number, "before");
	r = file_store(path, before, NULL, 0600);
	if (r < 0)
		return r;
	copy_path(path, number, "after");
	return file_store(path, after, NULL, 0600);
}

/* Deeds that could not be taken back keep their copies. */
static json_int_t number_free(const struct setup *setup)
{
	json_int_t number = 0;
	json_t *deed;
	size_t i;

	json_array_foreach(setup->deeds, i, deed) {
		json_int_t taken = json_integer_value(json_object_get(deed, "number"));

		if (taken >= number)
			number = taken + 1;
	}
	return number;
}

int file_change(struct setup *setup, const char *path, const char *text, const char *edit)
{
	file_cleanup struct setup_file old = { 0 };
	json_int_t number = number_free(setup);
	int r = file_load(path, &old);

	if (r < 0)
		return setup_fail(path, file_why(r), "edit it by hand as pam_subuid(8) and libnss_subuid(8) say");
	if (old.exists && strcmp(old.text, text) == 0) {
		say(path, "as it should be");
		return 0;
	}
	say_change(setup, path, old.exists ? "changed" : "made");
	if (old.exists)
		text_diff(stdout, "  ", old.text, text);
	if (setup->dry_run)
		return 0;
	r = copies_store(number, old.text, text);
	if (r < 0)
		return setup_fail_errno(SETUP_DIR, r, "nothing was changed");
	if (record_add(setup, json_pack("{s:s, s:s, s:s, s:b, s:I}", "kind", "file", "name", path, "edit", edit,
					"existed", (int)old.exists, "number", number)) < 0)
		return -1;
	r = file_store(path, text, &old, 0644);
	return r < 0 ? setup_fail(path, file_why(r), "run it again") : 0;
}

struct revert_texts {
	struct setup_file before, after, now;
};

/* Somebody has edited the file since: only our lines are removed. */
static int edited_revert(const char *path, const char *edit, const struct revert_texts *texts, char **text)
{
	char subid[64];
	int r;

	nsswitch_first_source(texts->before.text, "subid", subid, sizeof(subid));

	if (strcmp(edit, "nsswitch") == 0)
		return nsswitch_remove(texts->now.text, subid, text);
	if (strcmp(edit, "pam") == 0)
		return pam_remove(texts->now.text, text);
	if (strcmp(edit, "lines") == 0)
		return lines_take_out(texts->now.text, texts->before.text, texts->after.text, text);
	say(path, "was edited since; it is kept beside itself with .undone at the end");
	r = file_set_aside(path, ".undone");
	return r < 0 ? r : 1;
}

static void revert_texts_done(struct revert_texts *texts)
{
	setup_file_done(&texts->before);
	setup_file_done(&texts->after);
	setup_file_done(&texts->now);
}

static int revert_load(const char *path, json_int_t number, struct revert_texts *texts)
{
	char copy[PATH_MAX];
	int r = file_load(path, &texts->now);

	copy_path(copy, number, "before");
	if (r == 0)
		r = file_load(copy, &texts->before);
	copy_path(copy, number, "after");
	if (r == 0)
		r = file_load(copy, &texts->after);
	return r;
}

static int revert_texts(struct setup *setup, const char *path, const json_t *deed, struct revert_texts *texts)
{
	bool existed = json_is_true(json_object_get(deed, "existed"));
	cleanup_free char *text = NULL;
	int r = setup->dry_run ? 0 : file_tidy(path);

	if (r < 0)
		return r;
	if (!texts->now.exists || (existed && strcmp(texts->now.text, texts->before.text) == 0))
		return 0; /* was never done, or was undone by hand */
	if (strcmp(texts->now.text, texts->after.text) == 0) {
		say_change(setup, path, existed ? "as it was" : "removed");
		if (existed)
			text_diff(stdout, "  ", texts->now.text, texts->before.text);
		if (setup->dry_run)
			return 0;
		return existed ? file_store(path, texts->before.text, &texts->now, 0644) : file_unlink(path);
	}
	if (setup->dry_run && strcmp(json_string_value(json_object_get(deed, "edit")), "whole") == 0) {
		say_change(setup, path, "was edited since; it would be set aside");
		return 0;
	}
	r = edited_revert(path, json_string_value(json_object_get(deed, "edit")), texts, &text);
	if (r != 0)
		return r < 0 ? r : 0;
	if (strcmp(text, texts->now.text) == 0)
		return 0;
	say_change(setup, path, "was edited since; only our lines are taken out");
	text_diff(stdout, "  ", texts->now.text, text);
	if (setup->dry_run)
		return 0;
	return existed || text[0] != '\0' ? file_store(path, text, &texts->now, 0644) : file_unlink(path);
}

int file_revert(struct setup *setup, const json_t *deed)
{
	__attribute__((cleanup(revert_texts_done))) struct revert_texts texts = { 0 };
	const char *path = json_string_value(json_object_get(deed, "name"));
	json_int_t number = json_integer_value(json_object_get(deed, "number"));
	char copy[PATH_MAX];
	int r = revert_load(path, number, &texts);

	if (r == 0)
		r = revert_texts(setup, path, deed, &texts);
	if (r < 0)
		return setup_fail(path, file_why(r), "the original is in " SETUP_DIR);
	if (setup->dry_run)
		return 0;
	copy_path(copy, number, "before");
	file_unlink(copy);
	copy_path(copy, number, "after");
	file_unlink(copy);
	return 0;
}
