/* SPDX-License-Identifier: ISC */
/* The present store against that of a saved state, row by row, for the state program: see compare.h. */
#include "subuidd/state/compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/record.h"
#include "account/fields.h"
#include "account/role.h"
#include "store/state.h"

#define BATCH 64
#define NAME_SIZE 256

/* A difference that a load would undo, if it was made here after the save. */
static enum report_kind since(const struct comparison *c)
{
	return c->newer ? REPORT_NEWER : REPORT_NOTE;
}

/* The same for something that was removed here. For another store it is unknown whether it ever existed here. */
static enum report_kind taken_since(const struct comparison *c)
{
	return c->kin ? since(c) : REPORT_NOTE;
}

static const char *account_name(const struct comparison *c, const struct account *account, char *out)
{
	struct id_range ids = { .first = account->uid, .count = 1 };

	memcpy(ids.owner, account->owner, sizeof(ids.owner));
	memcpy(ids.label, account->label, sizeof(ids.label));
	return seen_name(c->place, &ids, out, NAME_SIZE);
}

static bool account_same(const struct account *a, const struct account *b)
{
	return strcmp(a->owner, b->owner) == 0 && strcmp(a->label, b->label) == 0;
}

/* ---- accounts */

static void facts_settings(const struct comparison *c, const char *name, const struct facts *here,
			   const struct facts *there)
{
	char values[2][FIELD_PRINT_MAX];

	for (size_t i = 0; i < facts_record.count; i++) {
		const struct field *field = &facts_record.fields[i];

		if (record_difference(&facts_record, here, there, 1u << i) != NULL)
			report_add(c->report, since(c),
				   field->kind == FIELD_TEXT ? "%s has the %s \"%s\" here and \"%s\" in the file" :
							       "%s %s %s here and %s in the file",
				   name, field->name, field_print(field, here, values[0]),
				   field_print(field, there, values[1]));
	}
}

static void account_settings(const struct comparison *c, const struct account *here, const struct account *there)
{
	char name[NAME_SIZE];
	bool locked = (here->flags & ACCOUNT_LOCKED) != 0, frozen = (here->flags & ACCOUNT_FROZEN) != 0;

	account_name(c, here, name);
	/* Whichever is newer: a lock must not disappear silently. */
	if (locked != ((there->flags & ACCOUNT_LOCKED) != 0))
		report_add(c->report, locked ? REPORT_NEWER : since(c), "%s is %s here and %s in the file", name,
			   locked ? "locked" : "not locked", locked ? "not" : "locked");
	if (frozen != ((there->flags & ACCOUNT_FROZEN) != 0))
		report_add(c->report, frozen ? REPORT_NEWER : since(c), "%s is %s here and %s in the file", name,
			   frozen ? "frozen" : "not frozen", frozen ? "not" : "frozen");
	facts_settings(c, name, &here->facts, &there->facts);
	if (here->owner_uid != there->owner_uid)
		report_add(c->report, since(c), "the owner of %s is uid %u here and uid %u in the file", name,
			   here->owner_uid, there->owner_uid);
	if (here->state != there->state)
		report_add(c->report, since(c), "%s is %s", name,
			   here->state == ACCOUNT_ACTIVE ?
				   "complete here and not in the file" :
			   there->state == ACCOUNT_ACTIVE ?
				   "not complete, or being removed, here and complete in the file" :
				   "in another state here than in the file");
}

/* The holder of this id according to the file, if it is not the one who has, or had, it here. */
static int block_conflict(const struct comparison *c, const struct id_range *here)
{
	struct id_range holder, there = { .first = 0 };
	enum id_kind kind;
	struct account account;
	char names[2][NAME_SIZE];
	uint32_t last = here->first + (here->count - 1);
	int r;

	while ((r = store_id_holder(c->file, here->first, last, &holder, &kind)) == 0) {
		if (kind == ID_ACCOUNT) {
			r = store_account_by_uid(c->file, holder.first, &account);
			there = holder;
			memcpy(there.owner, account.owner, sizeof(there.owner));
			memcpy(there.label, account.label, sizeof(there.label));
		} else if (kind == ID_RANGE) {
			r = store_range_get(c->file, holder.first, &there);
		}
		if (r < 0)
			return r;
		if ((kind == ID_ACCOUNT || kind == ID_RANGE) && here->owner[0] != '\0' &&
		    (strcmp(here->owner, there.owner) != 0 || strcmp(here->label, there.label) != 0))
			report_add(c->report, REPORT_CONFLICT,
				   "%s is, or was, on this host; in the file the id belongs to %s",
				   seen_name(c->place, here, names[0], NAME_SIZE),
				   seen_name(c->place, &there, names[1], NAME_SIZE));
		if (holder.first <= here->first)
			return 0;
		last = holder.first - 1;
	}
	return r == -ENOENT ? 0 : r;
}

static int account_here(const struct comparison *c, const struct account *here)
{
	struct id_range ids = { .first = here->uid, .count = 1 };
	struct account there;
	char name[NAME_SIZE];
	int r = store_account_by_uid(c->file, here->uid, &there);

	if (r == 0 && account_same(here, &there)) {
		account_settings(c, here, &there);
		return 0;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	report_add(c->report, REPORT_NEWER, "%s, made %s, is not in the file", account_name(c, here, name),
		   utc_text(here->created));
	memcpy(ids.owner, here->owner, sizeof(ids.owner));
	memcpy(ids.label, here->label, sizeof(ids.label));
	return block_conflict(c, &ids);
}

static int account_there(const struct comparison *c, const struct account *there)
{
	struct account here;
	struct id_range holder;
	enum id_kind kind;
	char name[NAME_SIZE];
	int r = store_account_by_uid(c->present, there->uid, &here);

	if (r != -ENOENT)
		return r < 0 ? r : 0;
	account_name(c, there, name);
	r = store_id_holder(c->present, there->uid, there->uid, &holder, &kind);
	if (r == 0 && kind == ID_TOMBSTONE)
		report_add(c->report, taken_since(c), "%s was removed here, %s; with the file it is an account again",
			   name, utc_text(holder.created));
	else
		report_add(c->report, REPORT_NOTE, "%s is only in the file", name);
	return r == -ENOENT ? 0 : r;
}

/* Each account that either has. */
static int each_account(const struct comparison *c, struct store *of,
			int (*visit)(const struct comparison *c, const struct account *account))
{
	struct account rows[BATCH];
	uint32_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = store_account_list(of, NULL, after, rows, BATCH)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++)
			r = visit(c, &rows[i]);
		after = rows[n - 1].uid;
	}
	return r;
}

/* ---- keys */

/* The key of the same account with the same public half. 0, -ENOENT, or another negative errno. */
static int key_find(struct store *in, const struct ssh_key *key, struct ssh_key *found)
{
	static struct ssh_key rows[16];
	uint32_t after = 0;
	int n;

	while ((n = store_key_list(in, key->uid, after, rows, 16)) > 0) {
		for (int i = 0; i < n; i++)
			if (strcmp(rows[i].blob, key->blob) == 0) {
				*found = rows[i];
				return 0;
			}
		after = rows[n - 1].id;
	}
	return n < 0 ? n : -ENOENT;
}

/* Both have the account. 1, 0 or negative errno. */
static int account_of_both(const struct comparison *c, uint32_t uid, struct account *account)
{
	struct account other;
	int r = store_account_by_uid(c->present, uid, account);

	if (r == 0)
		r = store_account_by_uid(c->file, uid, &other);
	return r == -ENOENT ? 0 : r < 0 ? r : account_same(account, &other);
}

static int key_here(const struct comparison *c, const struct ssh_key *here)
{
	static struct ssh_key there;
	struct account account;
	char name[NAME_SIZE], roles[ROLES_TEXT_MAX + 1];
	int r = account_of_both(c, here->uid, &account);

	if (r <= 0)
		return r; /* it goes with its account */
	account_name(c, &account, name);
	r = key_find(c->file, here, &there);
	if (r == 0 && !record_equal(&key_record, here, &there))
		report_add(c->report, since(c), "the key %s of %s may do something else here than in the file",
			   here->fingerprint, name);
	if (r == -ENOENT)
		report_add(c->report, REPORT_NEWER, "the key %s (%s) of %s is not in the file", here->fingerprint,
			   roles_format(here, roles) > 0 ? roles : "unknown", name);
	return r == -ENOENT ? 0 : r;
}

static int key_there(const struct comparison *c, const struct ssh_key *there)
{
	static struct ssh_key here;
	struct account account;
	char name[NAME_SIZE];
	int r = account_of_both(c, there->uid, &account);

	if (r <= 0)
		return r;
	r = key_find(c->present, there, &here);
	if (r == -ENOENT)
		report_add(c->report, taken_since(c), "the key %s of %s is only in the file%s", there->fingerprint,
			   account_name(c, &account, name),
			   taken_since(c) == REPORT_NEWER ? ": it was removed here, and would let in again" : "");
	return r == -ENOENT ? 0 : r;
}

static int each_key(const struct comparison *c, struct store *of,
		    int (*visit)(const struct comparison *c, const struct ssh_key *key))
{
	static struct ssh_key rows[BATCH];
	uint32_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = store_key_list(of, 0, after, rows, BATCH)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++)
			r = visit(c, &rows[i]);
		after = rows[n - 1].id;
	}
	return r;
}

/* ---- ranges */

static bool range_same(const struct id_range *a, const struct id_range *b)
{
	return a->count == b->count && strcmp(a->owner, b->owner) == 0 && strcmp(a->label, b->label) == 0;
}

static int range_here(const struct comparison *c, const struct id_range *here)
{
	struct id_range there;
	char name[NAME_SIZE];
	int r = store_range_get(c->file, here->first, &there);

	if (r == 0 && range_same(here, &there))
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	report_add(c->report, REPORT_NEWER, "%s is not in the file", seen_name(c->place, here, name, sizeof(name)));
	return block_conflict(c, here);
}

static int range_there(const struct comparison *c, const struct id_range *there)
{
	struct id_range here;
	char name[NAME_SIZE];
	int r = store_range_get(c->present, there->first, &here);

	if (r == -ENOENT)
		report_add(c->report, taken_since(c), "%s is only in the file%s",
			   seen_name(c->place, there, name, sizeof(name)),
			   taken_since(c) == REPORT_NEWER ? ": it was given back here" : "");
	return r == -ENOENT ? 0 : r;
}

static int each_range(const struct comparison *c, struct store *of, bool tombstones,
		      int (*visit)(const struct comparison *c, const struct id_range *range))
{
	struct id_range rows[BATCH];
	uint32_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = tombstones ? store_tombstone_list(of, after, rows, BATCH) :
					   store_range_list(of, NULL, after, rows, BATCH)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++)
			r = visit(c, &rows[i]);
		after = rows[n - 1].first;
	}
	return r;
}

/* ---- limits */

static void limit_differs(const struct comparison *c, const struct limit *here, const struct limit *there)
{
	char values[2][FIELD_PRINT_MAX];

	if (here->accounts != there->accounts || here->keys != there->keys || here->ranges != there->ranges)
		report_add(c->report, since(c),
			   "the limits of %s are accounts %u, keys %u, ranges %u here and %u, %u, %u in the file",
			   here->owner, here->accounts, here->keys, here->ranges, there->accounts, there->keys,
			   there->ranges);
	for (size_t i = LIMIT_ROW_BOUNDS; i < limit_record.count; i++)
		if (record_difference(&limit_record, here, there, 1u << i) != NULL)
			report_add(c->report, since(c), "the limit of %s has %s %s here and %s in the file",
				   here->owner, limit_record.fields[i].name,
				   field_print(&limit_record.fields[i], here, values[0]),
				   field_print(&limit_record.fields[i], there, values[1]));
}

static int limit_here(const struct comparison *c, const struct limit *here)
{
	struct limit there;
	int r = store_limit_get(c->file, here->owner, &there);

	if (r == 0)
		limit_differs(c, here, &there);
	if (r == -ENOENT)
		report_add(c->report, REPORT_NEWER, "the limits of %s are not in the file", here->owner);
	return r == -ENOENT ? 0 : r;
}

static int limit_there(const struct comparison *c, const struct limit *there)
{
	struct limit here;
	int r = store_limit_get(c->present, there->owner, &here);

	if (r == -ENOENT)
		report_add(c->report, taken_since(c), "individual limits of %s are only in the file", there->owner);
	return r == -ENOENT ? 0 : r;
}

static int each_limit(const struct comparison *c, struct store *of,
		      int (*visit)(const struct comparison *c, const struct limit *limit))
{
	struct limit rows[BATCH];
	uint64_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = store_limit_list(of, after, rows, BATCH, &after)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++)
			r = visit(c, &rows[i]);
	}
	return r;
}

int compare_stores(const struct comparison *c)
{
	struct store_counts here = { .accounts = 0 };
	int r = store_counts(c->present, &here);

	/* A store that is still empty: that of a host to which another is moved. */
	if (r < 0 || (here.accounts == 0 && here.ranges == 0 && here.tombstones == 0 && here.limits == 0))
		return r;
	r = each_account(c, c->present, account_here);
	r = r ?: each_key(c, c->present, key_here);
	r = r ?: each_range(c, c->present, false, range_here);
	r = r ?: each_range(c, c->present, true, block_conflict);
	r = r ?: each_limit(c, c->present, limit_here);
	r = r ?: each_account(c, c->file, account_there);
	r = r ?: each_key(c, c->file, key_there);
	r = r ?: each_range(c, c->file, false, range_there);
	return r ?: each_limit(c, c->file, limit_there);
}
