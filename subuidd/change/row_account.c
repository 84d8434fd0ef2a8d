/* SPDX-License-Identifier: ISC */
/*
 * A row that is an account: its intent, with an id that is free or the one that it names. Run by the broker, in the
 * open transaction; home and link come afterwards (make.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/change/change.h"
#include "subuidd/change/name.h"
#include "subuidd/change/bounds.h"
#include "subuidd/change/churn.h"
#include "subuidd/change/claim.h"
#include "subuidd/change/restore.h"
#include "subuidd/ids/allocate.h"
#include "subuidd/life/lifecycle.h"

/* Left-over accounts of an earlier user of this name are not the present one's. */
static enum failure check_earlier(struct call *call)
{
	struct account first;
	char why[FAILURE_TEXT_MAX + 1];
	int n = store_account_list(call->store, call->owner.name, 0, &first, 1);

	if (n < 0)
		return call_fail_store(call, n);
	if (n == 0 || first.owner_uid == call->owner.uid)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "there are sub-accounts of an earlier %s, who had uid %u", call->owner.name,
		 first.owner_uid);
	return call_fail(call, FAILURE_CONFLICT, NULL, why,
			 "if it is the same person, root gives them that uid: subuid owner");
}

/* One that comes back uses up no id, so that it does not count among the ids of the day. */
static enum failure check_limit(struct call *call, bool restore)
{
	struct limit limit;
	uint32_t accounts = 0;
	char why[FAILURE_TEXT_MAX + 1];
	int r = limit_of(call, call->owner.name, &limit);

	if (r >= 0)
		r = store_account_count(call->store, call->owner.name, &accounts);
	if (r < 0)
		return call_fail_store(call, r);
	if (accounts < limit.accounts)
		return restore ? FAILURE_NONE : churn_account(call, &limit);
	snprintf(why, sizeof(why), "%s has %u of %u sub-accounts", call->owner.name, accounts, limit.accounts);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
}

/* The label of one that would come back is another account's. */
static enum failure label_taken(struct call *call)
{
	return call_fail(call, FAILURE_EXISTS, NULL, "there is another account of this name by now",
			 "take it back by another one: --as LABEL");
}

static enum failure there_already(struct call *call, struct change_row *row)
{
	const struct request_import *asked = &row->request;
	const struct account *account = &call->account;
	const struct field *field =
		record_difference(&facts_record, &asked->facts, &account->facts, asked->set & ~SET_LOCKED);
	char why[FAILURE_TEXT_MAX + 1];

	row->account = *account;
	if (asked->uid != 0 && asked->uid != account->uid) {
		snprintf(why, sizeof(why), "there already, with uid %u and not %u", account->uid, asked->uid);
		return call_fail(call, FAILURE_EXISTS, NULL, why, "remove it, or choose another label");
	}
	if ((asked->set & SET_LOCKED) && asked->account_flags != (account->flags & ACCOUNT_LOCKED))
		return call_fail(call, FAILURE_EXISTS, NULL,
				 asked->account_flags ? "there already, and not locked" : "there already, and locked",
				 "use subuid lock or unlock");
	if (field == NULL)
		return row_present(row);
	snprintf(why, sizeof(why), "there already, with another %s", field->name);
	return call_fail(call, FAILURE_EXISTS, NULL, why, "use subuid set, or choose another label");
}

/* call->account becomes what is asked for, without an id. Parts that the look has found are in its flags. */
static void fill(struct call *call, const struct change_row *row)
{
	const struct request_import *asked = &row->request;
	struct account *account = &call->account;

	*account = (struct account){ .owner_uid = call->owner.uid, .state = ACCOUNT_INTENT };
	account->flags = asked->account_flags | link_look_flags(row->look);
	account->created = asked->created != 0 ? asked->created : time(NULL);
	account->facts.expires_day = -1;
	record_take(&facts_record, &account->facts, &asked->facts, asked->set & ~SET_LOCKED);
	memcpy(account->owner, call->owner.name, sizeof(account->owner));
	memcpy(account->label, asked->name.label, sizeof(account->label));
}

/* The child's findings in the owner's home. */
static enum failure link_free(struct call *call, const struct change_row *row)
{
	unsigned look = row->look & LINK_LOOK_RESULT;
	enum link_result result = look <= LINK_TIMEOUT ? (enum link_result)look : LINK_FAILED;

	if (row->slot == NO_SLOT)
		return call_fail(call, FAILURE_BUSY, NULL, "a change of it is under way", "try again");
	return result == LINK_OK ? FAILURE_NONE : lifecycle_link_refused(call, result);
}

static enum failure choose_uid(struct call *call, uint32_t *uid)
{
	struct broker *broker = call->broker;
	int r = allocate_uid(call->store, &broker->settings, &broker->probe, time(NULL), uid);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_POOL_EXHAUSTED, NULL, "no uid is left in the blocks of the settings",
				 "add a block to accounts= in subuidd.conf");
	return r < 0 ? call_fail_system(call, "no uid can be found", r) : FAILURE_NONE;
}

/* ---- the disk ---- */

/* The advice about what stands in the way. */
static void disk_todo(const struct home_look *look, char *text, size_t size)
{
	switch (look->there) {
	case HOME_OTHERS:
		snprintf(text, size, "as root, import it with uid %u, or move that directory away", look->uid);
		return;
	case HOME_OTHER_OWNER:
		snprintf(text, size,
			 "if they are the same person, take the old entry out of its ACL (setfacl -b), else move it "
			 "away");
		return;
	case HOME_TWICE:
		snprintf(text, size, "see which of the two is wanted, and move the other one away");
		return;
	default:
		snprintf(text, size, "move it away");
	}
}

/* A uid that has just been chosen must own nothing on the disk, or it is not given out. */
static void unexpected(const struct account *account, struct home_look *look)
{
	if (look->there != HOME_HIS && look->there != HOME_ASIDE)
		return;
	look->there = HOME_STRANGE;
	snprintf(look->why, sizeof(look->why), "data of uid %u, which was to be given out, is there already",
		 account->uid);
}

/* The owner's directory existed before us only if it existed before all of their accounts: one that another add has
 * made goes with whichever of them is undone or removed last. Their first row tells, as each has asked the one
 * before. */
static int owner_there(struct store *store, const char *owner, uint32_t *flags)
{
	struct account first;
	int n = (*flags & ACCOUNT_OWNER_THERE) != 0 ? store_account_list(store, owner, 0, &first, 1) : 0;

	if (n > 0 && (first.state != ACCOUNT_INTENT || (first.flags & ACCOUNT_OWNER_THERE) == 0))
		*flags &= ~(uint32_t)ACCOUNT_OWNER_THERE;
	return n < 0 ? n : 0;
}

/* How an account gets its uid. */
enum wanted {
	UID_CHOSEN, /* one that is free */
	UID_NAMED,  /* by root; existing parts are taken up */
	UID_BACK,   /* of one that comes back, whose row says whose it is */
};

/* Looks at home and set-aside data of this account (owner, owner_uid, label, uid). Fills account->flags
 * (ACCOUNT_*_THERE), or says what stands in the way, and touches nothing. */
static enum failure disk_look(struct call *call, struct account *account, enum wanted wanted)
{
	struct home_look look;
	char text[FAILURE_TEXT_MAX + 1];
	int r = home_look(&call->broker->homes, account, wanted == UID_BACK, &look);

	if (r < 0)
		return call_fail_system(call, "what is there of it cannot be looked at", r);
	r = owner_there(call->store, account->owner, &look.flags);
	if (r < 0)
		return call_fail_store(call, r);
	if (wanted == UID_CHOSEN)
		unexpected(account, &look);
	if (!home_look_conflict(look.there)) {
		account->flags |= look.flags;
		return FAILURE_NONE;
	}
	disk_todo(&look, text, sizeof(text));
	return call_fail(call, FAILURE_CONFLICT, NULL, look.why, text);
}

/* By number: data of it on the disk is taken up, together with what the store knows of that data. */
static enum failure take_uid(struct call *call, struct account *account, uint32_t wanted)
{
	enum failure failure;

	account->uid = wanted;
	failure = disk_look(call, account, UID_NAMED);
	return failure == FAILURE_NONE ? claim_uid(call, account) : failure;
}

/* The place is looked at first, so that no id is used up for what cannot be made; then all of it, with the id. */
static enum failure next_uid(struct call *call, struct account *account)
{
	enum failure failure = disk_look(call, account, UID_CHOSEN);

	if (failure == FAILURE_NONE)
		failure = choose_uid(call, &account->uid);
	return failure == FAILURE_NONE ? disk_look(call, account, UID_CHOSEN) : failure;
}

/* Facts known of it elsewhere: an alarm without a time begins now. */
static int watch_put(struct call *call, const struct request_import *asked)
{
	struct watch watch = { .uid = call->account.uid,
			       .last_run = asked->last_run,
			       .last_status = asked->last_status,
			       .last_good = asked->last_good,
			       .alarm = (int64_t)call->account.facts.alarm };

	if (watch.alarm != 0)
		watch.since = asked->alarm_since != 0 ? asked->alarm_since : time(NULL);
	watch.told = watch.alarm != 0 && asked->told;
	return watch.alarm == 0 && watch.last_run == 0 && watch.last_good == 0 ? 0 :
										 store_watch_put(call->store, &watch);
}

/* The data of one that comes back has to be there. */
static enum failure take_back(struct call *call, struct account *account, uint32_t uid)
{
	enum failure failure;

	account->uid = uid;
	failure = disk_look(call, account, UID_BACK);
	if (failure == FAILURE_NONE && (account->flags & (ACCOUNT_ASIDE_THERE | ACCOUNT_HOME_THERE)) == 0)
		failure = call_fail(call, FAILURE_CONFLICT, NULL, "its data is gone", "see subuid check");
	return failure == FAILURE_NONE ? claim_uid_back(call, account) : failure;
}

/* With its keys: a server that uses a former name of another account does not come in here by one of them. */
static enum failure come_back(struct call *call)
{
	const struct account *account = &call->account;
	enum failure failure = restore_rows(call);

	return failure != FAILURE_NONE ? failure :
					 former_key_free(call, account->owner, account->label, account->uid, NULL);
}

/* Limits, conflicts, the id, the row. */
static enum failure insert(struct call *call, const struct change_row *row)
{
	const struct request_import *asked = &row->request;
	const bool restore = (row->rules & ROW_RESTORE) != 0;
	struct account account = call->account;
	enum failure failure = check_limit(call, restore);
	int r;

	if (failure == FAILURE_NONE)
		failure = row_probe(call);
	if (failure == FAILURE_NONE)
		failure = restore         ? take_back(call, &account, asked->uid) :
			  asked->uid != 0 ? take_uid(call, &account, asked->uid) :
					    next_uid(call, &account);
	if (failure != FAILURE_NONE)
		return failure;
	r = store_account_insert(call->store, &account);
	if (r < 0)
		return call_fail_store(call, r);
	call->account = account;
	if (restore)
		return come_back(call);
	r = watch_put(call, asked);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static struct disk_result disk_result(uint32_t flags)
{
	struct disk_result result = { IMPORT_DISK_MADE, IMPORT_DISK_MADE };

	if (flags & (ACCOUNT_HOME_THERE | ACCOUNT_ASIDE_THERE))
		result.home = flags & ACCOUNT_HOME_THERE ? IMPORT_DISK_THERE : IMPORT_DISK_ASIDE;
	if (flags & ACCOUNT_LINK_THERE)
		result.link = IMPORT_DISK_THERE;
	return result;
}

static const char *data_there(uint32_t flags)
{
	return flags & ACCOUNT_HOME_THERE  ? ", its home is taken up" :
	       flags & ACCOUNT_ASIDE_THERE ? ", its data is brought back" :
					     "";
}

/* What was given, but for the long texts: the key that comes with it has to fit in as well. */
static void account_describe(struct call *call, uint32_t set)
{
	char given[128];

	record_print(&facts_record, &call->account.facts, set & ~(1u << FACT_COMMENT | 1u << FACT_CONTACT), given,
		     sizeof(given));
	snprintf(call->detail, sizeof(call->detail), "uid %u%s%s%s", call->account.uid, data_there(call->account.flags),
		 given[0] != '\0' ? ", " : "", given);
}

enum failure account_run(struct call *call, struct change_row *row)
{
	bool found;
	enum failure failure = check_earlier(call);

	if (failure == FAILURE_NONE)
		failure = row_account_find(call, row, &found);
	if (failure == FAILURE_NONE && found)
		return row->rules & ROW_RESTORE ? label_taken(call) : there_already(call, row);
	if (failure != FAILURE_NONE)
		return failure;
	failure = former_free(call, row->request.name.owner, row->request.name.label);
	if (failure != FAILURE_NONE)
		return failure;
	fill(call, row);
	failure = link_free(call, row);
	if (failure == FAILURE_NONE && call->request.op == OP_ACCOUNT_ADD) /* other rows say what was so elsewhere */
		failure = limit_bounds(call, call->account.owner, &call->account.facts, row->request.set & ~SET_LOCKED);
	if (failure == FAILURE_NONE && (row->rules & ROW_RESTORE) == 0)
		failure = limit_services(call, SERVICES_NO, &call->account.facts, row->request.set & ~SET_LOCKED);
	if (failure == FAILURE_NONE)
		failure = insert(call, row);
	if (failure != FAILURE_NONE)
		return failure;
	row->account = call->account;
	row->fresh = true;
	row->disk = disk_result(call->account.flags);
	account_describe(call, row->request.set);
	return row_made(call, row, "account.intent");
}
