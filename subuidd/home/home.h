/* SPDX-License-Identifier: ISC */
/*
 * Homes, links and views. Run by the broker (root), on descriptors only: what is
 * below <homes> above `home` is root's; below `home` root never follows anything.
 *
 *   /srv/subuid/                      root 0711
 *   /srv/subuid/.removed/             root 0700: data of removed accounts, "<uid>"
 *   /srv/subuid/.making/              root 0700: accounts that are not complete yet, "<uid>"
 *   /srv/subuid/alice/                root 0711
 *   /srv/subuid/alice/web1/           root:<uid of web1> 0710, ACL user:alice:--x
 *   /srv/subuid/alice/web1/home       <uid>:<uid> 0700, a btrfs subvolume where it can be
 *   /srv/subuid/alice/web1/view       root 0000, mount point of the owner's view
 *   ~alice/subuid/web1 -> …/web1/view (or …/home with ACLs), made as alice
 *
 * The account directory closes the home to everybody but its account and its
 * owner, whatever mode rsync -a gives `home` itself.
 */
#ifndef SUBUIDD_HOME_H
#define SUBUIDD_HOME_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"

struct link_owner;

struct homes {
	int fd;              /* <homes>, O_DIRECTORY */
	int alone;           /* the same in a mount that has none below it, to clone views from; -1: the kernel cannot */
	char path[128];      /* "/srv/subuid", for the links' text */
	char link_directory[64]; /* "subuid", below the owner's home */
	bool views;          /* kernel and file system can id-map `home` */
	bool subvolumes;     /* each home is one of btrfs */
	bool ordered;        /* metadata reaches the disk in the order of its changes */
	gid_t common_gid;    /* of the group "subuids", (gid_t)-1: there is none yet */
};

/* Opens (and makes, 0711 root) the directory; tries once whether views work there.
 * -EPERM: not root's, or others can write it; -EOPNOTSUPP: the file system keeps no ACLs. */
int homes_open(const char *path, const char *link_directory, struct homes *homes);
void homes_close(struct homes *homes);

/* Account directory, home and view directory. Safe to repeat: completes what a
 * crash left; refuses (-EEXIST) a `home` that is not this uid's. What is new is durable after home_sync(). */
int home_make(const struct homes *homes, const struct account *account);

/* The same for new accounts, several at once, best in the order of their owners: results[i] is 0 or the
 * negative errno of accounts[i]. 0, or a negative errno that is that of all. */
#define HOMES_AT_ONCE 64
int home_make_many(const struct homes *homes, const struct account *const *accounts, size_t count, int *results);

/* Writes out what the last two made. Waits for the disk: whatever else can be under way meanwhile is begun before. 0 or
 * negative errno: then nothing is known of any of them. */
int home_sync(const struct homes *homes, const struct account *const *accounts, size_t count);

/* Undoes home_make for a home that nobody has used: the directories must be empty
 * but for what home_make made. */
int home_unmake(const struct homes *homes, const struct account *account);

/* Mounts the owner's view: the home id-mapped so that the account's uid and gid
 * appear as owner_uid and owner_gid, nosuid,nodev,nosymfollow. 0 also when it is
 * mounted already. Without views: access and default ACLs on the home for the
 * owner, by descriptor. */
int home_view_open(const struct homes *homes, const struct account *account, gid_t owner_gid);
int home_view_close(const struct homes *homes, const struct account *account);

/* Closes the view and renames the account directory to .removed/<uid>. 0 also when it is there already;
 * -ENOENT: neither here nor there. */
int home_set_aside(const struct homes *homes, const struct account *account);

/* Deletes .removed/<uid>: mounts and btrfs subvolumes in it by a child as root, then the contents by the same child, which
 * has become <uid>, follows nothing and can do only what <uid> could. May take long: starts the child and returns its pidfd
 * in *pidfd, or -1 when all is gone already. The child may be killed at any time and started again. When it has ended
 * (waitid(P_PIDFD); exit status 0: emptied; 1: something is left; 2: it could not begin), home_purge_finish removes the
 * directories: 0, -ENOTEMPTY when something was left. */
int home_purge_start(const struct homes *homes, uint32_t uid, int *pidfd);
int home_purge_finish(const struct homes *homes, uint32_t uid);

/* The same for what others left there: containers under ids of the account's ranges (at most
 * PURGE_RANGES_MAX of them), and with owner, who may be NULL, its owner as root of a namespace (subuid exec). The child
 * is confined to these ids by a user namespace. why: a file (borrowed) into which it writes a sentence when it did not
 * succeed; -1: none. */
#define PURGE_RANGES_MAX 64
int home_purge_start_ranges(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
			    const struct id_range *ranges, size_t count, int why, int *pidfd);

/* Disk quota of the account's home: btrfs qgroup or user quota. -EOPNOTSUPP where the file system keeps none. */
int home_quota_set(const struct homes *homes, const struct account *account);

/* State of one account on disk, for `check`: 0 sound, else a negative errno and a sentence in why (256 bytes).
 * -ENOTCONN: all is well but the view is not mounted (where that is done on demand, no fault). */
int home_check(const struct homes *homes, const struct account *account, char *why, size_t size);

/* The link in the owner's home: made and removed by a child process that has
 * become the owner (groups, gid, uid; proven), never by root. */
enum link_result {
	LINK_OK = 0,       /* made, or there already and right; removed, or gone already */
	LINK_NO_HOME,      /* the owner's home is not there */
	LINK_NOT_HIS,      /* the home directory is not the owner's own */
	LINK_OCCUPIED,     /* a file, directory or other link stands there: left alone */
	LINK_DIRECTORY,    /* ~/subuid cannot be made, or is a symlink or somebody else's */
	LINK_FAILED,
	LINK_TIMEOUT,      /* the home did not answer in time */
};

struct link_owner {
	uid_t uid;
	gid_t gid;
	char name[OWNER_MAX + 1];
	char home[PATH_TEXT_MAX + 1];
};

/* Starts the child; it ends by itself with enum link_result as its exit status.
 * *pidfd (close-on-exec) becomes readable then; *pid to wait for. */
int link_start(const struct homes *homes, const struct link_owner *owner, const struct account *account, bool make,
	       pid_t *pid, int *pidfd);
/* Starts the process that forks for link_prepare(): early, while there is little memory to copy. It ends when the
 * descriptor (close-on-exec) is closed. 0 or negative errno. */
int link_forker_start(int *forker, int *pidfd);
/* Orders a child that becomes the owner meanwhile and makes the link when one byte comes on the channel (close-on-exec); it
 * answers by one byte, enum link_result, before it ends with the same. It does nothing when the channel is closed.
 * After each that returns 0 one link_prepared(). -EPIPE and the like: the forker is gone. */
int link_prepare(int forker, const struct homes *homes, const struct link_owner *owner, const struct account *account,
		 int *channel);
/* Its child, which is the caller's. 0 and *pidfd (close-on-exec), or negative errno: nobody makes the link. */
int link_prepared(int forker, pid_t *pid, int *pidfd);
/* The links of several accounts of one owner, made or removed by one child. results is memory that is shared with it (MAP_SHARED),
 * one byte for each: what came of it when the child has ended, LINK_TIMEOUT where it did not get so far. */
int link_start_many(const struct homes *homes, const struct link_owner *owner, const struct account *const *accounts,
		    size_t count, bool make, unsigned char *results, pid_t *pid, int *pidfd);
/* What waitid(2) said of the child: its exit status; a signal (its alarm, the broker's kill) is LINK_TIMEOUT. */
enum link_result link_result_of(const siginfo_t *info);
const char *link_result_why(enum link_result result);
const char *link_result_todo(enum link_result result);

/* Kills every process of the uid (a child that has it for kill(2) calls kill(-1, SIGKILL)). 0 none is left; 1 some
 * are still ending, or were made anew: once more, but not at once; -EINVAL for a uid that cannot be a
 * sub-account's, or another negative errno. */
int sessions_end_once(uint32_t uid);

/* "PID (NAME)" of one process other than the caller that has the uid as real, effective or saved. 1, 0 or negative errno. */
int sessions_name(uint32_t uid, char *text, size_t size);

#endif
