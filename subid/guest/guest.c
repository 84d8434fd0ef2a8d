/* SPDX-License-Identifier: ISC */
/* The entry points of the libsubid plug-in, and how its three sources (index, files, chain) are put together. */
#include "subid/guest/guest.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS 1000 /* for a request that goes back and forth between index and file */

static enum subid_status status_of(int rc)
{
	switch (rc) {
	case 0:
	case 1:
		return SUBID_STATUS_SUCCESS;
	case -EINVAL:
	case -ENOENT:
		return SUBID_STATUS_UNKNOWN_USER;
	case -ENOTCONN:
		return SUBID_STATUS_ERROR_CONN;
	default:
		return SUBID_STATUS_ERROR;
	}
}

static bool type_valid(enum subid_type type)
{
	return type == ID_TYPE_UID || type == ID_TYPE_GID;
}

/* Each source is asked only for what those before it have not granted, so that a request within the index costs no
 * file and does not fail with one. If neither can go on, the chain must hold all of the rest. 0 and *holds;
 * -ENOENT: no source knows the user. */
static int user_holds(struct subid_user *user, const char *owner, enum subid_type type, uint64_t first, uint64_t last,
		      bool *holds)
{
	uint64_t next = first;
	int rc = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t before = next;

		rc = subid_index_extend(user, last, &next);
		if (rc == 0 && next <= last)
			rc = subid_files_extend(type, user, last, &next);
		if (rc < 0)
			return rc;
		if (next > last) {
			*holds = true;
			return 0;
		}
		if (next == before) {
			rc = subid_chain_holds(owner, next, last - next + 1, type, holds);
			return rc == 0 && !user->known && next == first ? -ENOENT : rc < 0 ? rc : 0;
		}
	}
	return -E2BIG;
}

enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
					 enum subid_type type, bool *result)
{
	struct subid_user user;
	bool holds = false;
	int saved = errno, rc;

	*result = false;
	if (!type_valid(type))
		return SUBID_STATUS_ERROR;
	rc = subid_user_find(owner, &user);
	if (rc == 0 && subid_request_valid(start, count))
		rc = user_holds(&user, owner, type, start, (uint64_t)start + count - 1, &holds);
	*result = rc == 0 && holds;
	errno = saved;
	return status_of(rc);
}

/* Files alone are listed as they are written. Several sources may overlap, and a map that does is refused. */
static int user_list(const char *owner, enum subid_type type, struct subid_pieces *pieces)
{
	struct subid_owns owns = { 0 };
	struct subid_user user;
	int rc = subid_user_find(owner, &user), files = 0, chain;

	if (rc < 0)
		return rc;
	chain = subid_chain_list(owner, type, pieces);
	if (chain < 0)
		return chain;
	rc = subid_index_owns(&user, &owns);
	if (rc == 0)
		files = subid_files_list(type, &user, &owns, pieces);
	if (rc == 0 && files >= 0 && (owns.count > 0 || chain == 1))
		rc = subid_pieces_join(pieces);
	free(owns.at);
	if (rc < 0 || files < 0)
		return rc < 0 ? rc : files;
	return user.known || files == 1 || chain == 1 ? 0 : -ENOENT;
}

enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type, struct subid_range **ranges,
						 int *count)
{
	struct subid_pieces pieces = { 0 };
	int saved = errno, rc;

	*ranges = NULL;
	*count = 0;
	if (!type_valid(type))
		return SUBID_STATUS_ERROR;
	rc = user_list(owner, type, &pieces);
	if (rc == 0 && pieces.count > 0) {
		*ranges = pieces.at;
		*count = (int)pieces.count;
	} else {
		subid_pieces_free(&pieces);
	}
	errno = saved;
	return status_of(rc);
}

static int id_owners(uint32_t id, enum subid_type type, struct subid_owners *owners)
{
	int rc = subid_index_owners(id, owners);

	if (rc == 0)
		rc = subid_files_owners(type, id, owners);
	if (rc == 0)
		rc = subid_chain_owners(id, type, owners);
	return rc < 0 ? rc : 0;
}

enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids, int *count)
{
	struct subid_owners owners = { 0 };
	int saved = errno, rc = 0;

	*uids = NULL;
	*count = 0;
	if (!type_valid(type))
		return SUBID_STATUS_ERROR;
	if (subid_request_valid(id, 1))
		rc = id_owners((uint32_t)id, type, &owners);
	if (rc == 0 && owners.count > 0) {
		*uids = owners.at;
		*count = (int)owners.count;
	} else {
		free(owners.at);
	}
	errno = saved;
	return status_of(rc);
}

void shadow_subid_free(void *array)
{
	int saved = errno;

	free(array);
	errno = saved;
}
