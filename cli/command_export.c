/* SPDX-License-Identifier: ISC */
/* Everything, as rows that `subuid import` takes: a header, limits, accounts, keys, ranges, runs, tombstones. */
#include "cli/subuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/name.h"
#include "account/password.h"
#include "account/record.h"
#include "cli/import.h"
#include "cli/print.h"

/* Keys know their account by uid alone. */
struct named {
	uint32_t uid;
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

struct rows {
	struct named *accounts; /* in the order of uid, as they are listed */
	size_t count, room;
	uint64_t lines, passwords;
};

static int put(struct rows *export, json_t *row)
{
	int r = row == NULL ? -ENOMEM : json_dumpf(row, stdout, JSON_COMPACT);

	json_decref(row);
	if (r < 0 || putchar('\n') == EOF)
		return r < 0 ? -EIO : -EPIPE;
	export->lines++;
	return 0;
}

static void copy(json_t *row, const json_t *from, const char *const *names)
{
	for (; *names != NULL; names++)
		if (json_object_get(from, *names) != NULL)
			json_object_set(row, *names, json_object_get(from, *names));
}

/* All that a peer may give of such a record. */
static void copy_given(json_t *row, const json_t *from, const struct record *record)
{
	for (size_t i = 0; i < record->count; i++)
		if (record->fields[i].name != NULL && (record->fields[i].use & FIELD_GIVEN) != 0)
			copy(row, from, (const char *const[]){ record->fields[i].name, NULL });
}

static int remember(struct rows *export, const json_t *account)
{
	struct named *named;

	if (export->count == export->room) {
		size_t room = export->room == 0 ? 1024 : export->room * 2;
		struct named *more = reallocarray(export->accounts, room, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		export->accounts = more;
		export->room = room;
	}
	named = &export->accounts[export->count++];
	named->uid = (uint32_t)json_number(account, "uid");
	snprintf(named->owner, sizeof(named->owner), "%s", json_text(account, "owner"));
	snprintf(named->label, sizeof(named->label), "%s", json_text(account, "label"));
	return 0;
}

static int put_copy(struct rows *export, const char *kind, const json_t *from, const char *const *names)
{
	json_t *row = json_pack("{s:s}", "kind", kind);

	copy(row, from, names);
	return put(export, row);
}

static int each_limit(json_t *reply, void *data)
{
	static const char *const names[] = { "owner", "accounts", "keys", "ranges", NULL };
	const json_t *limit = json_object_get(reply, "limit");

	json_t *row;

	if (limit == NULL)
		return 0;
	row = json_pack("{s:s}", "kind", "limit");
	copy(row, limit, names);
	for (size_t i = FACT_BOUNDS; i < FACTS; i++)
		copy(row, limit, (const char *const[]){ facts_record.fields[i].name, NULL });
	return put(data, row);
}

/* An account that is not active does not exist yet or is already gone: then only its id is left. */
static int each_account(json_t *reply, void *data)
{
	static const char *const names[] = { "owner", "label",   "uid",        "created",  "alarmSince",
					     "told",  "lastRun", "lastStatus", "lastGood", NULL };
	static const char *const gone[] = { "owner", "label", "ownerUid", "created", NULL };
	const json_t *account = json_object_get(reply, "account");
	json_t *row;

	if (account == NULL)
		return 0;
	if (strcmp(json_text(account, "state"), "active") != 0 && strcmp(json_text(account, "state"), "moving") != 0) {
		row = json_pack("{s:s, s:O, s:i}", "kind", "tombstone", "first", json_object_get(account, "uid"),
				"count", 1);
		copy(row, account, gone);
		return put(data, row);
	}
	row = json_pack("{s:s, s:O}", "kind", "account", "locked", json_object_get(account, "locked"));
	copy(row, account, names);
	copy_given(row, account, &facts_record);

	int r = put(data, row);

	return r < 0 ? r : remember(data, account);
}

static int compare_uid(const void *key, const void *element)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct named *)element)->uid;

	return (a > b) - (a < b);
}

static const struct named *named_by_uid(const struct rows *export, uint32_t uid)
{
	return export->count == 0 ?
		       NULL :
		       bsearch(&uid, export->accounts, export->count, sizeof(*export->accounts), compare_uid);
}

/* As it is given: type and base64 with the comment in one line. */
static int each_key(json_t *reply, void *data)
{
	static const char *const names[] = { "role", "options", "from", "forward", NULL };
	static const char *const facts[] = { "id", "created", "lastUsed", NULL };
	struct rows *export = data;
	const json_t *key = json_object_get(reply, "key");
	const char *comment = json_text(key, "comment");
	uint32_t uid = (uint32_t)json_number(key, "uid");
	const struct named *named;
	json_t *given, *row;

	if (key != NULL && strcmp(json_text(key, "type"), PASSWORD_TYPE) == 0) { /* its hash stays on this host */
		export->passwords++;
		return 0;
	}
	if (key == NULL)
		return 0;
	named = named_by_uid(export, uid);
	if (named == NULL)
		return 0; /* made since, or not active */
	given = json_pack("{s:o}", "key",
			  json_sprintf("%s%s%s", json_text(key, "key"), comment[0] ? " " : "", comment));
	copy(given, key, names);
	copy_given(given, key, &key_record);
	row = json_pack("{s:s, s:s, s:s, s:o}", "kind", "key", "owner", named->owner, "label", named->label, "key",
			given);
	copy(row, key, facts);
	return put(export, row);
}

/* The fingerprint tells whose key it was. */
static int each_run(json_t *reply, void *data)
{
	struct rows *export = data;
	const json_t *run = json_object_get(reply, "run");
	const struct named *named = named_by_uid(export, (uint32_t)json_number(run, "uid"));
	json_t *old = json_object();

	if (named == NULL) { /* not a run, or of an account that is not active */
		json_decref(old);
		return 0;
	}
	copy_given(old, run, &run_record);
	return put(export, json_pack("{s:s, s:s, s:s, s:o}", "kind", "run", "owner", named->owner, "label",
				     named->label, "run", old));
}

/* Of ranges of an account that is not active only the ids are left, as of the account itself. */
static int each_range(json_t *reply, void *data)
{
	static const char *const names[] = { "owner", "label", "first", "count", "created", NULL };
	static const char *const gone[] = { "owner",   "label",    "first",      "count",
					    "created", "ownerUid", "accountUid", NULL };
	const json_t *range = json_object_get(reply, "range");
	uint32_t uid = (uint32_t)json_number(range, "accountUid");
	json_t *row;

	if (range == NULL)
		return 0;
	if (uid != 0 && named_by_uid(data, uid) == NULL)
		return put_copy(data, "tombstone", range, gone);
	row = json_pack("{s:s}", "kind", "range");
	if (json_is_true(json_object_get(range, "adopted")))
		json_object_set_new(row, "adopt", json_true());
	copy(row, range, names);
	return put(data, row);
}

/* Ids that were found to belong to others concern only this host. */
static int each_tombstone(json_t *reply, void *data)
{
	static const char *const names[] = { "owner",   "label",    "first",      "count",
					     "created", "ownerUid", "accountUid", NULL };
	const json_t *range = json_object_get(reply, "range");
	bool foreign = json_text(range, "owner")[0] == '\0' && json_number(range, "ownerUid") == 0;

	return range == NULL || foreign ? 0 : put_copy(data, "tombstone", range, names);
}

/* Names that accounts had before. */
static int each_former(json_t *reply, void *data)
{
	static const char *const names[] = { "owner", "label", "created", "ownerUid", NULL };
	const json_t *range = json_object_get(reply, "range");
	json_t *row;

	if (range == NULL || named_by_uid(data, (uint32_t)json_number(range, "first")) == NULL)
		return 0;
	row = json_pack("{s:s, s:O}", "kind", "former", "uid", json_object_get(range, "first"));
	copy(row, range, names);
	return put(data, row);
}

static int export_all(struct rows *export)
{
	static const struct {
		const char *method;
		bool all;
		call_each each;
	} lists[] = {
		{ "LimitList", false, each_limit },   { "List", true, each_account },
		{ "KeyList", true, each_key },        { "RangeList", true, each_range },
		{ "RunList", true, each_run },        { "TombstoneList", false, each_tombstone },
		{ "FormerList", false, each_former },
	};
	int r = put(export, json_pack("{s:s, s:i}", "kind", IMPORT_HEADER, "format", IMPORT_FORMAT));
	int status = r < 0 ? STATUS_FAILED : STATUS_DONE;

	for (size_t i = 0; status == STATUS_DONE && i < sizeof(lists) / sizeof(lists[0]); i++)
		status = call_each_reply(lists[i].method, lists[i].all ? json_pack("{s:b}", "all", 1) : json_object(),
					 lists[i].each, export);
	return status;
}

int command_export(int argc, char **argv)
{
	struct rows export = { 0 };
	struct daemon_facts before, after;
	int status = STATUS_DONE;

	if (option_next("export", argc, argv, &status) < 0)
		return status;
	if (geteuid() != 0) { /* the daemon says so, too, but only after the first line of the file */
		complain("export", "only root may do this", "use sudo");
		status = failure_exit_status(FAILURE_NOT_PERMITTED);
	}
	if (status == STATUS_DONE)
		status = daemon_facts(&before);
	if (status == STATUS_DONE)
		status = export_all(&export);
	if (status == STATUS_DONE)
		status = daemon_facts(&after);
	free(export.accounts);
	if (status == STATUS_DONE && export.passwords > 0)
		fprintf(stderr, "subuid: %llu passwords are not in it: give new ones there, `subuid passwd add`\n",
			(unsigned long long)export.passwords);
	if (status == STATUS_DONE && before.generation != after.generation) {
		complain("export", "something was changed meanwhile, which may or may not be in it",
			 "export once more");
		status = STATUS_FAILED;
	}
	return status;
}
