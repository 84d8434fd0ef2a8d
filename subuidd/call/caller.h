/* SPDX-License-Identifier: ISC */
/*
 * The caller, and the owner whose accounts a call is about. The caller comes from the kernel
 * (SO_PEERCRED, SO_PEERGROUPS), taken by the broker at accept (invariant 9); names
 * come from NSS. Run by the broker.
 */
#ifndef SUBUIDD_CALLER_H
#define SUBUIDD_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

#include "account/account.h"
#include "account/failure.h"
#include "home/home.h"
#include "subuidd/ids/local.h"
#include "store/store.h"
#include "subuidd/call/peer.h"

struct caller {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* for the log only: it may be another process by now */
	bool root;
	bool admin;               /* root, or in the admin group */
	bool admin_doubt;         /* whether there is such a group is not known now: not admin */
	bool named;               /* caller_name() has run */
	bool ordinary;            /* has a name and is no sub-account: may own accounts */
	enum contained contained; /* it asks about itself and changes nothing */
	char owner[OWNER_MAX +
		   1]; /* of a sub-account and of a contained caller: about whose they may ask; "": no one's */
	char label[LABEL_MAX + 1];                   /* of the sub-account that it is; "": of none */
	uint32_t owner_uid;                          /* of the owner in `owner` */
	uint32_t account_uid;                        /* of the sub-account */
	char name[OWNER_MAX + ACCOUNT_NAME_MAX + 1]; /* or the number */
};

/* The peer of a connected socket, as the kernel says it: a few system calls. fresh: peer_contained(). -EACCES: an id
 * that names nobody (the overflow id of a user namespace, -1). */
int caller_from_socket(int fd, bool fresh, struct caller *caller);
/* Whether that peer is in the admin group ("": no such group is set): a look-up in the group database. Before
 * caller_name(), which takes it from a sub-account. */
void caller_admin(int fd, const char *admin_group, struct caller *caller);

bool caller_is_account(const struct caller *caller); /* a sub-account, which may ask about itself */
/* Whether all that the caller may do is to ask about itself: a sub-account, or anyone in a container. */
bool caller_asks_only(const struct caller *caller);
/* Whether the caller may see what belongs to this owner and this account: theirs, or itself. In a container that is
 * what belongs to the owner and to none of their accounts. */
bool caller_sees(const struct caller *caller, uint32_t owner_uid, uint32_t account_uid);

/* Finds the name. -ENOENT is no failure (a number is a caller too): 0, or negative errno when
 * the user database or the store does not answer. */
int caller_name(struct caller *caller, struct store *store, char separator);

/* The caller is this account from now on, and nothing else. 0, or negative errno: nothing has changed. */
int caller_become(struct caller *caller, const struct account *account, char separator);

/* passwd(5) and group(5) by account/passwd.h: 0, -ENOENT (nobody, for certain), or another negative errno: doubt, on
 * which nothing is taken away. */
int passwd_by_uid(uid_t uid, struct link_owner *owner);
int passwd_by_name(const char *name, struct link_owner *owner);
/* The same, of the local users as they are in memory (local_refresh()) first. */
int passwd_by_name_local(const struct local *local, const char *name, struct link_owner *owner);

/* Whether this account may own sub-accounts: FAILURE_NONE, or why not. */
enum failure owner_check(const struct link_owner *owner, char separator, struct failure_text *text);

#endif
