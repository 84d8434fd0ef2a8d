/* SPDX-License-Identifier: ISC */
/*
 * An entry of a directory's ACL by which one user passes through it, and may do nothing else. Run by root on
 * descriptors of directories that others own.
 */
#include "setup/pass.h"

#include <acl/libacl.h>
#include <errno.h>
#include <stddef.h>
#include <sys/acl.h>
#include <sys/stat.h>

static void acl_freep(acl_t *acl)
{
	if (*acl != NULL)
		acl_free(*acl);
}
#define cleanup_acl __attribute__((cleanup(acl_freep)))

/* The entry of this kind, of this user if it is ACL_USER; NULL. *named: how many name a user or a group. */
static acl_entry_t entry_find(acl_t acl, acl_tag_t wanted, uid_t id, size_t *named)
{
	acl_entry_t e, found = NULL;

	*named = 0;
	for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &e); r == 1; r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
		uid_t *uid;
		acl_tag_t tag;

		if (acl_get_tag_type(e, &tag) != 0)
			continue;
		*named += tag == ACL_USER || tag == ACL_GROUP;
		if (tag != wanted)
			continue;
		uid = tag == ACL_USER ? acl_get_qualifier(e) : NULL;
		if (tag != ACL_USER || (uid != NULL && *uid == id))
			found = e;
		if (uid != NULL)
			acl_free(uid);
	}
	return found;
}

static bool executes(acl_entry_t e)
{
	acl_permset_t perms;

	return acl_get_permset(e, &perms) == 0 && acl_get_perm(perms, ACL_EXECUTE) == 1;
}

/* Of what the mask bounds: the group, and users and groups that are named. */
static bool others_execute(acl_t acl)
{
	acl_entry_t e;

	for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &e); r == 1; r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
		acl_tag_t tag;

		if (acl_get_tag_type(e, &tag) == 0 && (tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ) &&
		    executes(e))
			return true;
	}
	return false;
}

static int let_execute(acl_entry_t e)
{
	acl_permset_t perms;

	if (acl_get_permset(e, &perms) != 0 || acl_add_perm(perms, ACL_EXECUTE) != 0 || acl_set_permset(e, perms) != 0)
		return -errno;
	return 0;
}

bool pass_has(int fd, uid_t id)
{
	cleanup_acl acl_t acl = acl_get_fd(fd);
	acl_entry_t user, mask;
	struct stat st;
	size_t named;

	if (acl == NULL) /* a file system without ACLs */
		return fstat(fd, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
	mask = entry_find(acl, ACL_MASK, 0, &named);
	user = entry_find(acl, ACL_USER, id, &named);
	if (user == NULL)
		user = entry_find(acl, ACL_OTHER, 0, &named), mask = NULL;
	return user != NULL && executes(user) && (mask == NULL || executes(mask));
}

/* A mask that takes x away from others as well is not ours to widen. */
int pass_add(int fd, uid_t id)
{
	cleanup_acl acl_t acl = acl_get_fd(fd);
	acl_entry_t user, mask;
	size_t named;
	int r;

	if (acl == NULL)
		return -errno;
	mask = entry_find(acl, ACL_MASK, 0, &named);
	user = entry_find(acl, ACL_USER, id, &named);
	if (user != NULL || (mask != NULL && !executes(mask) && others_execute(acl)))
		return -EEXIST;
	if (acl_create_entry(&acl, &user) != 0 || acl_set_tag_type(user, ACL_USER) != 0 ||
	    acl_set_qualifier(user, &id) != 0)
		return -errno;
	r = let_execute(user);
	if (r == 0 && mask != NULL)
		r = let_execute(mask);
	else if (r == 0 && acl_calc_mask(&acl) != 0)
		r = -errno;
	return r < 0 ? r : acl_set_fd(fd, acl) == 0 ? 0 : -errno;
}

/* The group keeps what the mask left to it: it may have been narrowed since (chmod). */
static int mask_remove(acl_t acl, acl_entry_t mask)
{
	static const acl_perm_t all[] = { ACL_READ, ACL_WRITE, ACL_EXECUTE };
	size_t named;
	acl_entry_t group = entry_find(acl, ACL_GROUP_OBJ, 0, &named);
	acl_permset_t bounds, perms;

	if (group == NULL || acl_get_permset(mask, &bounds) != 0 || acl_get_permset(group, &perms) != 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (acl_get_perm(bounds, all[i]) != 1 && acl_delete_perm(perms, all[i]) != 0)
			return -errno;
	return acl_set_permset(group, perms) == 0 && acl_delete_entry(acl, mask) == 0 ? 0 : -errno;
}

int pass_remove(int fd, uid_t id)
{
	cleanup_acl acl_t acl = acl_get_fd(fd);
	acl_entry_t user, mask;
	size_t named;
	int r;

	if (acl == NULL)
		return errno == EOPNOTSUPP ? 0 : -errno;
	user = entry_find(acl, ACL_USER, id, &named);
	if (user == NULL || !executes(user)) /* one that keeps it out is somebody else's */
		return 0;
	if (acl_delete_entry(acl, user) != 0)
		return -errno;
	mask = entry_find(acl, ACL_MASK, 0, &named);
	r = named == 0 && mask != NULL ? mask_remove(acl, mask) : 0;
	if (r < 0)
		return r;
	return acl_set_fd(fd, acl) == 0 ? 1 : -errno;
}
