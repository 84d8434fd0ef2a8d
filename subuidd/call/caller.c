/* SPDX-License-Identifier: ISC */
/*
 * Finds out from the kernel who calls, and from the user database which users a call is about. Run by the broker
 * (root); children of it look users up here, too, where the database need not answer.
 */
#include "subuidd/call/caller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "account/id.h"
#include "account/passwd.h"
#include "confine/cleanup.h"
#include "subuidd/ids/group.h"

/* True when the peer had gid among its groups when it connected; the kernel's word, not NSS'. */
static bool peer_in_group(int fd, gid_t primary, gid_t gid)
{
	cleanup_free gid_t *groups = NULL;
	socklen_t size = 0;

	if (primary == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE || size == 0)
		return false;
	groups = malloc(size);
	if (groups == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int caller_from_socket(int fd, bool fresh, struct caller *caller)
{
	struct caller found = { 0 };
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	if (size != sizeof(peer) || (peer.uid != 0 && id_special(peer.uid)))
		return -EACCES;
	found.uid = peer.uid;
	found.gid = peer.gid;
	found.pid = peer.pid;
	found.contained = peer_contained(fd, peer.pid, fresh);
	found.root = peer.uid == 0 && found.contained == CONTAINED_NOT;
	found.admin = found.root;
	snprintf(found.name, sizeof(found.name), "%u", (unsigned)peer.uid);
	*caller = found;
	return 0;
}

void caller_admin(int fd, const char *admin_group, struct caller *caller)
{
	gid_t gid = (gid_t)-1;
	int r;

	if (caller->admin || caller->contained != CONTAINED_NOT || admin_group[0] == '\0')
		return;
	r = group_by_name(admin_group, &gid);
	caller->admin = r == 0 && peer_in_group(fd, caller->gid, gid);
	caller->admin_doubt = r < 0 && r != -ENOENT;
}

bool caller_is_account(const struct caller *caller)
{
	return caller->label[0] != '\0';
}

bool caller_asks_only(const struct caller *caller)
{
	return caller_is_account(caller) || caller->contained != CONTAINED_NOT;
}

bool caller_sees(const struct caller *caller, uint32_t owner_uid, uint32_t account_uid)
{
	if (caller_is_account(caller))
		return caller->account_uid == account_uid;
	if (caller->contained != CONTAINED_NOT)
		return caller->owner_uid == owner_uid && account_uid == 0;
	return caller->admin || caller->uid == owner_uid;
}

/* For whom it may ask: of a sub-account label and uid, of an owner "" and 0. */
static int caller_of(struct caller *caller, const char *owner, uint32_t owner_uid, const char *label, uint32_t uid)
{
	snprintf(caller->owner, sizeof(caller->owner), "%s", owner);
	snprintf(caller->label, sizeof(caller->label), "%s", label);
	caller->owner_uid = owner_uid;
	caller->account_uid = uid;
	caller->admin = caller->admin_doubt = false;
	caller->named = true;
	return 0;
}

/* The store knows sub-accounts in every state, NSS only the active ones. 0, -ENOENT, or negative errno. */
static int account_name(struct caller *caller, struct store *store, char separator)
{
	struct account account;
	int r = store_account_by_uid(store, caller->uid, &account);

	if (r == 0)
		r = name_join(account.owner, separator, account.label, caller->name);
	return r < 0 ? r : caller_of(caller, account.owner, account.owner_uid, account.label, account.uid);
}

int caller_become(struct caller *caller, const struct account *account, char separator)
{
	struct caller found = { .contained = CONTAINED_SOCKET, .uid = account->uid, .gid = account->uid };
	int r = name_join(account->owner, separator, account->label, found.name);

	if (r < 0)
		return r;
	found.pid = caller->pid;
	*caller = found;
	return caller_of(caller, account->owner, account->owner_uid, account->label, account->uid);
}

/* An id of a range is used in containers, by whoever runs these: the range's holder. The same results. */
static int range_name(struct caller *caller, struct store *store)
{
	struct id_range holder, range;
	enum id_kind kind;
	int r = store_id_holder(store, caller->uid, caller->uid, &holder, &kind);

	if (r == 0)
		r = kind == ID_RANGE ? store_range_get(store, holder.first, &range) : -ENOENT;
	if (r < 0)
		return r;
	caller->contained = CONTAINED_RANGE;
	return caller_of(caller, range.owner, range.owner_uid, range.label, range.account_uid);
}

static int user_name(struct caller *caller, char separator)
{
	struct link_owner owner;
	int r = passwd_by_uid(caller->uid, &owner);

	if (r < 0 && r != -ENOENT && r != -ENAMETOOLONG)
		return r;
	if (r == 0 && owner_name_valid(owner.name, separator)) {
		memset(caller->name, 0, sizeof(caller->name));
		memcpy(caller->name, owner.name, sizeof(owner.name));
		caller->ordinary = true;
		if (caller->contained != CONTAINED_NOT)
			caller_of(caller, owner.name, owner.uid, "", 0);
	}
	caller->named = true;
	return 0;
}

int caller_name(struct caller *caller, struct store *store, char separator)
{
	int r = caller->named ? 0 : account_name(caller, store, separator);

	if (r == -ENOENT)
		r = range_name(caller, store);
	return r == -ENOENT ? user_name(caller, separator) : r;
}

/* A user whose name does not fit cannot be served; a home that does not fit counts as none. */
static int owner_fill(const struct passwd *passwd, struct link_owner *owner)
{
	struct link_owner found = { .uid = passwd->pw_uid, .gid = passwd->pw_gid };

	if (strlen(passwd->pw_name) >= sizeof(found.name))
		return -ENAMETOOLONG;
	memcpy(found.name, passwd->pw_name, strlen(passwd->pw_name));
	if (passwd->pw_dir != NULL && strlen(passwd->pw_dir) < sizeof(found.home))
		memcpy(found.home, passwd->pw_dir, strlen(passwd->pw_dir));
	*owner = found;
	return 0;
}

static int owner_found(int r, const struct host_entry *entry, struct link_owner *owner)
{
	return r < 0 ? r : owner_fill(&entry->user, owner);
}

int passwd_by_uid(uid_t uid, struct link_owner *owner)
{
	entry_cleanup struct host_entry entry = { 0 };

	return owner_found(user_find_uid(uid, &entry), &entry, owner);
}

int passwd_by_name(const char *name, struct link_owner *owner)
{
	entry_cleanup struct host_entry entry = { 0 };

	return owner_found(user_find(name, &entry), &entry, owner);
}

int passwd_by_name_local(const struct local *local, const char *name, struct link_owner *owner)
{
	entry_cleanup struct host_entry entry = { 0 };

	return local_user(local, name, &entry) == 0 ? owner_fill(&entry.user, owner) : passwd_by_name(name, owner);
}

enum failure owner_check(const struct link_owner *owner, char separator, struct failure_text *text)
{
	if (owner->uid == 0)
		return failure_set(text, FAILURE_NOT_PERMITTED, owner->name, "root has no sub-accounts",
				   "name an ordinary account as the owner");
	if (id_special(owner->uid) || !owner_name_valid(owner->name, separator))
		return failure_set(text, FAILURE_NOT_PERMITTED, owner->name, "this account cannot own sub-accounts",
				   "name an ordinary account as the owner");
	return FAILURE_NONE;
}
