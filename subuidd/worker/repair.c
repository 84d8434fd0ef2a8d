/* SPDX-License-Identifier: ISC */
/* Run by the worker: findings into JSON, and one that was chosen out of it again. */
#include "subuidd/worker/repair.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/part.h"
#include "subuidd/worker/field.h"

static const char *const repairs[REPAIR_MAX_] = {
	[REPAIR_NONE] = "none",		[REPAIR_INDEX] = "index", [REPAIR_ACCOUNT] = "account",
	[REPAIR_LEFTOVER] = "leftover", [REPAIR_ASK] = "ask",	  [REPAIR_FORGET] = "forget",
};
static const char *const places[PLACE_MAX_] = {
	[PLACE_NONE] = "",	     [PLACE_ACCOUNT] = "account", [PLACE_MAKING] = "making",
	[PLACE_REMOVED] = "removed", [PLACE_OWNER] = "owner",	  [PLACE_LINK] = "link",
};

/* The number of a word, or -EINVAL. */
static int word_find(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -EINVAL;
}

int worker_parse_repair(json_t *parameters, struct request_repair *repair, struct failure_text *failure)
{
	const char *word = NULL;
	json_int_t uid = 0;
	int found, r = field_text(parameters, "repair", &word, failure);

	if (r < 0)
		return r;
	found = r == 0 ? -EINVAL : word_find(repairs, REPAIR_MAX_, word);
	if (found <= REPAIR_NONE)
		return field_invalid(failure, "repair", "not one that there is", "index, account, leftover, ask or forget");
	repair->repair = (uint32_t)found;
	r = field_text(parameters, "place", &word, failure);
	if (r < 0)
		return r;
	found = r == 0 ? PLACE_NONE : word_find(places, PLACE_MAX_, word);
	if (found < 0)
		return field_invalid(failure, "place", "not one that there is", "account, making, removed, owner or link");
	repair->place = (uint32_t)found;
	r = field_integer(parameters, "uid", 0, UINT32_MAX - 1, &uid, failure);
	repair->uid = (uint32_t)uid;
	return r < 0 ? r : field_flag(parameters, "dryRun", &repair->dry_run, failure);
}

static bool put(json_t *object, const char *name, const char *text)
{
	return json_object_set_new(object, name, field_json(text)) < 0;
}

static json_t *whole(json_t *object, bool failed)
{
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

json_t *worker_finding(const struct finding *finding)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put(o, "subject", finding->subject);
	failed |= put(o, "fault", finding->fault);
	failed |= put(o, "todo", finding->todo);
	failed |= put(o, "repair", repairs[finding->repair < REPAIR_MAX_ ? finding->repair : REPAIR_NONE]);
	if (finding->place != PLACE_NONE && finding->place < PLACE_MAX_)
		failed |= put(o, "place", places[finding->place]);
	if (finding->uid != 0)
		failed |= json_object_set_new(o, "uid", json_integer(finding->uid)) < 0;
	failed |= finding->owner[0] != '\0' && put(o, "owner", finding->owner);
	failed |= finding->label[0] != '\0' && put(o, "label", finding->label);
	return whole(o, failed);
}

json_t *worker_parts(uint32_t parts)
{
	json_t *list = json_array();
	bool failed = false;

	for (unsigned part = 1; part < PART_END; part <<= 1)
		if ((parts & part) != 0)
			failed |= json_array_append_new(list, json_string(part_name(part))) < 0;
	return whole(list, failed);
}

json_t *worker_repaired(const struct repaired *repaired)
{
	json_t *o = json_object();
	bool failed = put(o, "done", repaired->done);

	failed |= json_object_set_new(o, "mended", worker_parts(repaired->mended)) < 0;
	return whole(o, failed);
}
