/* SPDX-License-Identifier: ISC */
/* The index' part of the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/grow.h"
#include "index/index.h"
#include "index/map.h"
#include "index/view.h"
#include "subid/guest/guest.h"

static struct index_reader index_file = { .path = INDEX_PATH, .trusted = SUBID_TRUSTED_UID };

/* True if there is no such entry, or no index at all. */
static bool is_nothing(int rc)
{
	return rc == -ENOENT || rc == -ENXIO;
}

int subid_index_account(uint32_t uid, const char *name)
{
	struct index_account account;
	int rc = index_account_by_uid(&index_file, uid, &account);

	if (rc < 0)
		return is_nothing(rc) ? 0 : rc;
	return strcmp(account.name, name) == 0 ? 1 : -ENOTUNIQ;
}

/* An owner holds what the index says as long as both name and uid still belong to the same user: a name or a uid that
 * another user has got since holds nothing. */
static int owner_stands(struct subid_user *user, const char *owner, uint32_t owner_uid)
{
	int rc;

	if (!user->is_account && user->uid == owner_uid && strcmp(user->name, owner) == 0)
		return 1;
	if (user->owner_seen_uid == owner_uid && strcmp(user->owner_seen, owner) == 0)
		return 1;
	rc = subid_name_is(owner, owner_uid);
	if (rc == 1) {
		memcpy(user->owner_seen, owner, strlen(owner) + 1); /* OWNER_MAX at most: index/index.h */
		user->owner_seen_uid = owner_uid;
	}
	return rc;
}

static int holds_range(struct subid_user *user, const struct id_range *range)
{
	if (user->uid != (user->is_account ? range->account_uid : range->owner_uid))
		return 0;
	return owner_stands(user, range->owner, range->owner_uid);
}

static int holds_account(struct subid_user *user, const struct index_account *account)
{
	if (user->is_account || user->uid != account->owner_uid)
		return 0;
	return owner_stands(user, account->owner, account->owner_uid);
}

int subid_index_has(uint32_t id)
{
	struct index_account account;
	struct id_range range;
	int rc = index_range_by_id(&index_file, id, &range);

	if (is_nothing(rc))
		rc = index_account_by_uid(&index_file, id, &account);
	return rc == 0 ? 1 : is_nothing(rc) ? 0 : rc;
}

/* The last id of the user's piece that contains id: 1; 0 the user does not hold it. */
static int piece_end(struct subid_user *user, uint32_t id, uint32_t *last)
{
	struct index_account account;
	struct id_range range;
	int rc = index_range_by_id(&index_file, id, &range);

	if (rc == 0) {
		*last = range.first + (range.count - 1);
		return holds_range(user, &range);
	}
	if (!is_nothing(rc))
		return rc;
	rc = index_account_by_uid(&index_file, id, &account);
	if (rc < 0)
		return is_nothing(rc) ? 0 : rc;
	*last = id;
	return holds_account(user, &account);
}

int subid_index_extend(struct subid_user *user, uint64_t last, uint64_t *next)
{
	uint64_t at = *next;

	while (user->known && at <= last) {
		uint32_t end = 0;
		int rc = piece_end(user, (uint32_t)at, &end);

		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		at = (uint64_t)end + 1;
	}
	*next = at;
	return 0;
}

static bool own(const struct subid_user *user, const struct id_range *range)
{
	return user->is_account ? range->account_uid == user->uid :
				  range->account_uid == 0 && range->owner_uid == user->uid;
}

static int own_add(struct subid_owns *owns, const struct id_range *range)
{
	struct subid_own *at = array_grow(owns->at, owns->count, &owns->room, sizeof(*at));

	if (at == NULL)
		return -ENOMEM;
	owns->at = at;
	at[owns->count++] = (struct subid_own){ .first = range->first,
						.last = (uint64_t)range->first + range->count - 1,
						.place = range->place,
						.behind = { range->behind[0], range->behind[1] } };
	return 0;
}

static int view_list(const struct index_view *view, struct subid_user *user, struct subid_owns *owns)
{
	struct index_account account;
	struct index_list list;
	struct id_range range;
	uint64_t cursor = 0;
	int is_range, rc = index_list_find(view, user->uid, &list);

	while (rc == 0) {
		rc = index_list_next(view, &list, user->uid, &cursor, &is_range, &account, &range);
		if (rc < 0)
			break;
		rc = is_range && own(user, &range) ? holds_range(user, &range) : 0;
		rc = rc == 1 ? own_add(owns, &range) : rc;
	}
	return rc;
}

static int compare_place(const void *a, const void *b)
{
	const struct subid_own *x = a, *y = b;
	int order = (x->place > y->place) - (x->place < y->place);

	return order != 0 ? order : (x->first > y->first) - (x->first < y->first);
}

int subid_index_owns(struct subid_user *user, struct subid_owns *owns)
{
	struct index_hold hold;
	int rc;

	if (!user->known)
		return 0;
	rc = index_enter(&index_file, &hold); /* one file for the whole list: a rebuild moves its entries */
	if (rc == 0) {
		rc = view_list(hold.view, user, owns);
		index_leave(&hold);
	}
	if (!is_nothing(rc))
		return rc;
	if (owns->count > 0)
		qsort(owns->at, owns->count, sizeof(*owns->at), compare_place);
	return 0;
}

int subid_index_owners(uint32_t id, struct subid_owners *owners)
{
	struct subid_user nobody = { .uid = UINT32_MAX };
	struct index_account account;
	struct id_range range;
	int rc = index_range_by_id(&index_file, id, &range);

	if (rc == 0) {
		rc = owner_stands(&nobody, range.owner, range.owner_uid);
		if (rc != 1)
			return rc;
		rc = subid_owners_add(owners, range.owner_uid);
		return rc < 0 || range.account_uid == 0 ? rc : subid_owners_add(owners, range.account_uid);
	}
	if (is_nothing(rc))
		rc = index_account_by_uid(&index_file, id, &account);
	if (rc != 0)
		return is_nothing(rc) ? 0 : rc;
	rc = owner_stands(&nobody, account.owner, account.owner_uid);
	return rc == 1 ? subid_owners_add(owners, account.owner_uid) : rc;
}
