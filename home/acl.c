/* SPDX-License-Identifier: ISC */
/*
 * ACLs, by descriptor only. libacl has no call that sets a default ACL by
 * descriptor (acl_set_file takes a path), so that one is written as the extended attribute that it is.
 */
#include <acl/libacl.h>
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <sys/acl.h>
#include <sys/xattr.h>

#include "home/internal.h"

#define ENTRIES_MAX 6
#define DEFAULT_ACL "system.posix_acl_default"

struct entry {
	acl_tag_t tag;
	unsigned perm; /* rwx as in a mode */
	uid_t uid;     /* of ACL_USER */
};

/* The ACL that closes an account directory: only its account (by group) may pass, and its owner if perm is 1. */
static size_t closed_entries(uid_t owner, unsigned perm, struct entry entries[ENTRIES_MAX])
{
	entries[0] = (struct entry){ ACL_USER_OBJ, 7, 0 };
	entries[1] = (struct entry){ ACL_USER, perm, owner };
	entries[2] = (struct entry){ ACL_GROUP_OBJ, 1, 0 };
	entries[3] = (struct entry){ ACL_MASK, 1, 0 };
	entries[4] = (struct entry){ ACL_OTHER, 0, 0 };
	return 5;
}

/* For `home` and everything made in it, for both users, in the order of uids that the kernel requires. */
static size_t granted_entries(uid_t owner, uid_t uid, struct entry entries[ENTRIES_MAX])
{
	entries[0] = (struct entry){ ACL_USER_OBJ, 7, 0 };
	entries[1] = (struct entry){ ACL_USER, 7, owner < uid ? owner : uid };
	entries[2] = (struct entry){ ACL_USER, 7, owner < uid ? uid : owner };
	entries[3] = (struct entry){ ACL_GROUP_OBJ, 0, 0 };
	entries[4] = (struct entry){ ACL_MASK, 7, 0 };
	entries[5] = (struct entry){ ACL_OTHER, 0, 0 };
	return 6;
}

static void acl_freep(acl_t *acl)
{
	if (*acl != NULL)
		acl_free(*acl);
}
#define cleanup_acl __attribute__((cleanup(acl_freep)))

static int acl_add(acl_t *acl, const struct entry *entry)
{
	acl_entry_t e;
	acl_permset_t perms;

	if (acl_create_entry(acl, &e) != 0 || acl_set_tag_type(e, entry->tag) != 0 || acl_get_permset(e, &perms) != 0 ||
	    acl_clear_perms(perms) != 0)
		return -errno;
	if (entry->tag == ACL_USER && acl_set_qualifier(e, &entry->uid) != 0)
		return -errno;
	for (unsigned bit = 1; bit <= 4; bit <<= 1)
		if ((entry->perm & bit) != 0 && acl_add_perm(perms, bit) != 0)
			return -errno;
	return acl_set_permset(e, perms) == 0 ? 0 : -errno;
}

static int access_acl_set(int fd, const struct entry *entries, size_t count)
{
	cleanup_acl acl_t acl = acl_init((int)count);

	if (acl == NULL)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		int r = acl_add(&acl, &entries[i]);

		if (r < 0)
			return r;
	}
	return acl_set_fd(fd, acl) == 0 ? 0 : -errno;
}

static int default_acl_set(int fd, const struct entry *entries, size_t count)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[ENTRIES_MAX];
	} acl = { .header.a_version = htole32(POSIX_ACL_XATTR_VERSION) };

	for (size_t i = 0; i < count; i++) {
		acl.entries[i].e_tag = htole16((uint16_t)entries[i].tag);
		acl.entries[i].e_perm = htole16((uint16_t)entries[i].perm);
		acl.entries[i].e_id = htole32(entries[i].tag == ACL_USER ? entries[i].uid : (uint32_t)ACL_UNDEFINED_ID);
	}
	return fsetxattr(fd, DEFAULT_ACL, &acl, sizeof(acl.header) + count * sizeof(acl.entries[0]), 0) == 0 ? 0 :
													       -errno;
}

static bool entry_is(acl_entry_t e, const struct entry *entry)
{
	acl_permset_t perms;
	acl_tag_t tag;

	if (acl_get_tag_type(e, &tag) != 0 || tag != entry->tag || acl_get_permset(e, &perms) != 0)
		return false;
	for (unsigned bit = 1; bit <= 4; bit <<= 1)
		if (acl_get_perm(perms, bit) != ((entry->perm & bit) != 0))
			return false;
	if (tag == ACL_USER) {
		uid_t *uid = acl_get_qualifier(e);
		bool same = uid != NULL && *uid == entry->uid;

		acl_free(uid);
		return same;
	}
	return true;
}

/* How many of `entries` are in the access ACL of fd; *total: how many it has in all. */
static size_t access_acl_matches(int fd, const struct entry *entries, size_t count, size_t *total)
{
	cleanup_acl acl_t acl = acl_get_fd(fd);
	acl_entry_t e;
	size_t matches = 0;

	*total = 0;
	if (acl == NULL)
		return 0;
	for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &e); r == 1; r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
		++*total;
		for (size_t i = 0; i < count; i++)
			if (entry_is(e, &entries[i])) {
				matches++;
				break;
			}
	}
	return matches;
}

int home_acl_close(int account_dir, uid_t owner)
{
	struct entry entries[ENTRIES_MAX];

	return access_acl_set(account_dir, entries, closed_entries(owner, 1, entries));
}

static bool closed_for(int account_dir, uid_t owner, unsigned perm)
{
	struct entry entries[ENTRIES_MAX];
	size_t total, count = closed_entries(owner, perm, entries);

	return access_acl_matches(account_dir, entries, count, &total) == count && total == count;
}

bool home_acl_closed(int account_dir, uid_t owner)
{
	return closed_for(account_dir, owner, 1);
}

int home_acl_shut(int account_dir, uid_t owner)
{
	struct entry entries[ENTRIES_MAX];
	int r;

	if (home_acl_is_shut(account_dir, owner))
		return 0;
	r = access_acl_set(account_dir, entries, closed_entries(owner, 0, entries));
	return r < 0 ? r : 1;
}

bool home_acl_is_shut(int account_dir, uid_t owner)
{
	return closed_for(account_dir, owner, 0);
}

uid_t home_acl_owner(int account_dir)
{
	cleanup_acl acl_t acl = acl_get_fd(account_dir);
	acl_entry_t e;
	uid_t owner = 0;
	int r = acl == NULL ? 0 : acl_get_entry(acl, ACL_FIRST_ENTRY, &e);

	for (unsigned users = 0; r == 1; r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
		uid_t *uid;
		acl_tag_t tag;

		if (acl_get_tag_type(e, &tag) != 0 || tag != ACL_USER)
			continue;
		uid = acl_get_qualifier(e);
		owner = uid != NULL && users++ == 0 ? *uid : 0;
		acl_free(uid);
	}
	return owner;
}

/*
 * For hosts where views are impossible. Its limits: `rsync -a` gives every file its
 * sender's mode, and the group bits of a mode are the ACL's mask, so a file pushed with
 * 0600 has the mask --- and the owner cannot read it; and the sub-account can take
 * the ACL away (it owns the files). `subuid exec`, a user namespace, reads those.
 */
int home_acl_grant(int home_dir, uid_t owner, uid_t uid)
{
	struct entry entries[ENTRIES_MAX];
	size_t count = granted_entries(owner, uid, entries);
	int r = access_acl_set(home_dir, entries, count);

	return r < 0 ? r : default_acl_set(home_dir, entries, count);
}

bool home_acl_granted(int home_dir, uid_t owner)
{
	const struct entry entries[] = { { ACL_USER, 7, owner }, { ACL_MASK, 7, 0 } };
	size_t total;

	return access_acl_matches(home_dir, entries, 2, &total) == 2;
}

int home_acl_probe(int dirfd)
{
	return home_acl_close(dirfd, 1);
}
