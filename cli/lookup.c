/* SPDX-License-Identifier: ISC */
/* Questions that the index answers without the daemon, with messages for people when it cannot. */
#include "cli/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "account/passwd.h"
#include "cli/options.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

static struct index_reader index_file = INDEX_READER(INDEX_PATH);

static int index_complain(int error)
{
	const char *why = strerrordesc_np(-error);

	if (error == -ENXIO)
		complain(INDEX_PATH, "not there", "is this host switched on? root: `subuid setup`, then start subuidd");
	else if (error == -EUCLEAN)
		complain(INDEX_PATH, "damaged", "root: restart subuidd, which rebuilds it");
	else
		complain(INDEX_PATH, why != NULL ? why : "cannot be read", "`subuid doctor` says more");
	return STATUS_FAILED;
}

static int not_found(const char *what, const char *why, const char *todo)
{
	complain(what, why, todo);
	return failure_exit_status(FAILURE_NOT_FOUND);
}

/* Tells a missing entry, which is certain, from a missing answer. */
static int user_complain(const char *what, int error, const char *none)
{
	const char *why = strerrordesc_np(-error);

	if (error == -ENOENT)
		return not_found(what, none, "");
	complain(what, why != NULL ? why : "the user database does not answer",
		 "try again when the user database answers: `getent passwd`");
	return STATUS_FAILED;
}

int lookup_account(const char *name, struct index_account *account, struct index_host *host)
{
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1], full[ACCOUNT_NAME_MAX + 1];
	int rc = index_host(&index_file, host);

	if (rc < 0)
		return index_complain(rc);
	if (option_name(name, host->separator, owner, label) < 0)
		return usage_error(name[0] ? name : "NAME", "not the name of an account",
				   "a label of your own such as web1, or an owner's such as alice+web1");
	if (owner[0] == '\0') {
		entry_cleanup struct host_entry caller = { 0 };

		rc = user_find_uid(getuid(), &caller);
		if (rc < 0)
			return user_complain("you", rc, "have no entry in passwd");
		rc = name_join(caller.user.pw_name, host->separator, label, full);
	} else {
		rc = name_join(owner, host->separator, label, full);
	}
	if (rc == 0)
		rc = index_account_by_name(&index_file, full, account);
	if (rc == -ENOENT || rc == -EINVAL)
		return not_found(name, "there is no such account", "`subuid list` shows yours");
	return rc < 0 ? index_complain(rc) : STATUS_DONE;
}

static int compare(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

int lookup_ranges(uint32_t owner_uid, uint32_t account_uid, struct id_range **ranges, size_t *count)
{
	cleanup_free struct id_range *list = NULL;
	const uint32_t uid = account_uid != 0 ? account_uid : owner_uid; /* the owner of the list */
	struct index_account account;
	struct id_range range;
	size_t used = 0, room = 0;
	uint64_t cursor = 0;
	int is_range, rc;

	while ((rc = index_owner_next(&index_file, uid, &cursor, &is_range, &account, &range)) == 0) {
		if (!is_range || range.account_uid != account_uid)
			continue;
		if (used == room) {
			struct id_range *larger = reallocarray(list, room = room == 0 ? 8 : room * 2, sizeof(*list));

			if (larger == NULL) {
				complain("subuid", "out of memory", "");
				return STATUS_FAILED;
			}
			list = larger;
		}
		list[used++] = range;
	}
	if (rc != -ENOENT)
		return index_complain(rc);
	if (used > 0)
		qsort(list, used, sizeof(*list), compare);
	*ranges = steal_ptr(&list);
	*count = used;
	return STATUS_DONE;
}

int lookup_owner(const char *name, uint32_t *uid)
{
	entry_cleanup struct host_entry entry = { 0 };
	int rc;

	if (name == NULL) {
		*uid = getuid();
		return STATUS_DONE;
	}
	rc = user_find(name, &entry);
	if (rc < 0)
		return user_complain(name, rc, "there is no such user");
	*uid = entry.user.pw_uid;
	return STATUS_DONE;
}
