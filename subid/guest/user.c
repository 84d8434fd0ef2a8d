/* SPDX-License-Identifier: ISC */
/* Names and uids as the host's name service has them now. Reentrant: the caller (newuidmap) holds a passwd entry
 * of its own. */
#include <errno.h>
#include <string.h>

#include "account/passwd.h"
#include "subid/guest/guest.h"

int subid_name_uid(const char *name, uint32_t *uid)
{
	entry_cleanup struct host_entry entry = { 0 };
	int rc = user_find(name, &entry);

	if (rc == 0)
		*uid = entry.user.pw_uid;
	return rc;
}

static int uid_name(uint32_t uid, char name[SUBID_USER_MAX + 1])
{
	entry_cleanup struct host_entry entry = { 0 };
	int rc = user_find_uid(uid, &entry);
	size_t length = rc == 0 ? strlen(entry.user.pw_name) : 0;

	if (rc < 0)
		return rc;
	if (length == 0 || length > SUBID_USER_MAX)
		return -EINVAL;
	memcpy(name, entry.user.pw_name, length + 1);
	return 0;
}

int subid_name_is(const char *name, uint32_t uid)
{
	uint32_t found = 0;
	int rc = subid_name_uid(name, &found);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return found == uid;
}

/* A number is the uid of the user meant, unless it is also the name of another user. */
static int find_by_number(uint32_t uid, struct subid_user *user)
{
	uint32_t named = 0;
	int rc = subid_name_uid(user->name, &named);

	if (rc == 0 && named != uid)
		return -ENOTUNIQ;
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = uid_name(uid, user->name);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	user->uid = uid;
	user->known = true;
	return 0;
}

static int find(struct subid_user *user)
{
	uint32_t uid;
	int rc;

	if (id_parse(user->name, &uid) == 0)
		return find_by_number(uid, user);
	rc = subid_name_uid(user->name, &user->uid);
	user->known = rc == 0;
	return rc == -ENOENT ? 0 : rc;
}

int subid_user_find(const char *owner, struct subid_user *user)
{
	struct subid_user found = { 0 };
	size_t length = owner == NULL ? 0 : strnlen(owner, SUBID_USER_MAX + 1);
	int rc;

	if (length == 0 || length > SUBID_USER_MAX)
		return -EINVAL;
	memcpy(found.name, owner, length);
	rc = find(&found);
	if (rc == 0 && found.known)
		rc = subid_index_account(found.uid, found.name);
	if (rc < 0)
		return rc;
	found.is_account = rc == 1;
	*user = found;
	return 0;
}
