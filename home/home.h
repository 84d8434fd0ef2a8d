/* SPDX-License-Identifier: ISC */
/*
 * Homes, links and views. Run by the broker (root), on descriptors only: everything below <homes> and above `home`
 * belongs to root; below `home` root never follows anything.
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
 * The account directory closes the home to everybody except its account and its owner, whatever mode rsync -a gives
 * `home` itself.
 */
#ifndef SUBUIDD_HOME_H
#define SUBUIDD_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"

struct link_owner;

struct homes {
	int fd;    /* <homes>, O_DIRECTORY */
	int alone; /* the same in a mount without mounts below it, to clone views from; -1: the kernel cannot do that */
	char path[128];          /* "/srv/subuid", for the links' text */
	char link_directory[64]; /* "subuid", below the owner's home */
	bool views;              /* kernel and file system can id-map `home` */
	bool subvolumes;         /* each home is a btrfs subvolume */
	bool ordered;            /* metadata reaches the disk in the order of its changes */
	uint32_t view;           /* setting of the host: enum account_view_kind, for accounts without their own */
	uint64_t files_per_size; /* setting of the host: account_files_limit() */
	gid_t common_gid;        /* of the group "subuids", (gid_t)-1: none yet */
};

/* Places where something may be left over. */
enum home_place {
	HOME_AT_LABEL,   /* <owner>/<label> */
	HOME_AT_MAKING,  /* .making/<uid> */
	HOME_AT_REMOVED, /* .removed/<uid> */
	HOME_AT_OWNER,   /* <owner> */
};

/* Opens (and makes, 0711 root) the directory alone. A descriptor or negative errno. */
int homes_directory_open(const char *path);

/* The same, and tries once whether views work there. -EPERM: it does not belong to root, or others can write it;
 * -EOPNOTSUPP: the file system keeps no ACLs. */
int homes_open(const char *path, const char *link_directory, struct homes *homes);
void homes_close(struct homes *homes);

/* switch_off.c: takes the owners' views off, and the mount that the homes were made for them. 0 or negative errno. */
int homes_switch_off(const char *path);

/* Things that may exist before an account is made. */
enum home_there {
	HOME_FREE,        /* nothing: it will be made */
	HOME_HIS,         /* the account directory of this uid, in its place: it can be taken up */
	HOME_ASIDE,       /* the data of this uid, set aside, and its place is free: it can be brought back */
	HOME_OTHERS,      /* the account directory of another uid (or of any, if no uid is given), in its place */
	HOME_OTHER_OWNER, /* of this uid, and it lets in an owner of another uid */
	HOME_TWICE,       /* in its place and set aside */
	HOME_STRANGE,     /* something that this program did not make */
};

struct home_look {
	enum home_there there;
	uint32_t uid;   /* with HOME_OTHERS: its owner */
	uint32_t flags; /* ACCOUNT_*_THERE of it */
	char why[256];  /* about things in the way: a sentence */
};

/* Looks by descriptor and changes nothing. account: owner, owner_uid, label and uid (0: none is chosen yet). known: the
 * store says whose the data is that is set aside, which may let in the uid that its owner had before. 0, or negative
 * errno: nothing is known. */
int home_look(const struct homes *homes, const struct account *account, bool known, struct home_look *look);
bool home_look_conflict(enum home_there there);

/*
 * Account directory, home and view directory. Safe to repeat: completes what a crash left; refuses (-EEXIST) a `home`
 * that belongs to another uid. A home that existed before, by account->flags, is taken up (HOME_THERE), or brought back
 * (ASIDE_THERE); its content stays as it is. New things are durable after home_sync().
 */
int home_make(const struct homes *homes, const struct account *account);

/* The same for accounts that are not in their place yet, or that the flags say is, several at once, best in the order
 * of their owners: results[i] is 0 or the negative errno of accounts[i] (-EEXIST: something else is in its place and
 * stays untouched). 0, or a negative errno for all of them. */
#define HOMES_AT_ONCE 64
int home_make_many(const struct homes *homes, const struct account *const *accounts, size_t count, int *results);

/* Writes out what the last two made. Waits for the disk: whatever else can be under way meanwhile is begun before. 0 or
 * negative errno: then nothing is known of any of them. */
int home_sync(const struct homes *homes, const struct account *const *accounts, size_t count);

/* Undoes home_make for a home that nobody has used: the directories must be empty except for what home_make made.
 * Things that existed before, by account->flags, stay, or go back to where they were set aside. */
int home_unmake(const struct homes *homes, const struct account *account);

/* Mounts the owner's view, nosuid,nodev,nosymfollow: as it is (VIEW_THEIRS; noexec too, and the home itself is
 * opened to the one user whom the account directory lets in, its owner), or id-mapped so that the account's uid and
 * gid appear as owner_uid and owner_gid (VIEW_OWNER). 0 also when it is mounted already; one of the other kind is
 * replaced. Without views: access and default ACLs on the home for the owner, by descriptor. */
int home_view_open(const struct homes *homes, const struct account *account, gid_t owner_gid);
int home_view_close(const struct homes *homes, const struct account *account);

/* The owner's uid is somebody else's now: nobody but the account comes in, and there is no view, until home_mend() or
 * home_rename() lets an owner in again. 1; 0: it was so already; or negative errno. */
int home_shut(const struct homes *homes, const struct account *account);

/* Closes the view and renames the account directory to .removed/<uid>. 0 also if it is there already; -ENOENT: in
 * neither place. */
int home_set_aside(const struct homes *homes, const struct account *account);

/* Deletes .removed/<uid>: mounts and btrfs subvolumes in it by a child as root, then the contents by the same child,
 * which has become <uid>, follows nothing and can do only what <uid> could. May take long: starts the child and returns
 * its pidfd in *pidfd, or -1 when all is gone already. The child may be killed at any time and started again. When it
 * has ended (waitid(P_PIDFD); exit status 0: emptied; 1: something is left; 2: it could not start), home_purge_finish
 * removes the directories: 0, -ENOTEMPTY when something was left.
 * Also deleted are files that others left there: containers under ids of the account's ranges (at most PURGE_RANGES_MAX
 * of them) and, unless owner is NULL, the owner as root of a namespace (subuid exec). The child is confined to these
 * ids by a user namespace. why: a file (borrowed) into which it writes a sentence if it fails; -1: none. */
#define PURGE_RANGES_MAX 64
int home_purge_start(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
		     const struct id_range *ranges, size_t count, int why, int *pidfd);
int home_purge_finish(const struct homes *homes, uint32_t uid);
/* 0: data of this uid is set aside; -ENOENT: it does not exist, or contains no home; or negative errno. */
int home_aside_look(const struct homes *homes, uint32_t uid);

#define USED_UNKNOWN UINT64_MAX
struct home_kept {
	enum account_keeper bytes, files;
	uint64_t bytes_used, files_used; /* as the file system counts them; USED_UNKNOWN where it does not */
};

/* Sets the limits of the account on its file system, as far as that supports them. 0 and who enforces them, or negative
 * errno. */
int home_quota_set(const struct homes *homes, const struct account *account, struct home_kept *kept);
/* The same answer, but nothing is changed. */
int home_quota_look(const struct homes *homes, const struct account *account, struct home_kept *kept);
/* After a purge: leaves nothing of them behind. */
void home_quota_forget(const struct homes *homes, uint32_t uid);

/* rename.c: the account directory of `from` becomes that of `to` (another owner, owner_uid or label; the same uid), and
 * lets in its owner. Never over anything. Safe to repeat: 0 also if it was done before. 1: done, and the former owner's
 * empty directory cannot be removed. The view comes along; home_view_open() makes it right. -ENOENT: it is in neither
 * place; -EEXIST: something else is in its place; another negative errno. */
int home_rename(const struct homes *homes, const struct account *from, const struct account *to);

/* State of one account on disk, for `check`: 0 sound, else a negative errno and a sentence in why (256 bytes).
 * -ENOTCONN: only the view is not mounted (not a fault if views are mounted on demand). */
int home_check(const struct homes *homes, const struct account *account, char *why, size_t size);
/* The same for many accounts, best in the order of their owners: the directory of the last one stays open, and is the
 * caller's to close. */
struct home_owner {
	int fd; /* -1: none */
	char name[OWNER_MAX + 1];
	bool gone; /* nobody is to be let in, and there need be no view (home_shut()) */
};
int home_check_next(const struct homes *homes, struct home_owner *owner, const struct account *account, char *why,
		    size_t size);

/* mend.c: makes missing parts of a complete account again: *parts says which (enum account_part, or-ed; 0: none was
 * missing). Data in .removed/<uid> is put back; a home that is gone is made again, empty. views: the owner's view
 * is mounted, too. dry: nothing is made. 0; -EEXIST: something else is in its place; -EPERM: others than root can write
 * there, or it belongs to another uid; or another negative errno: then *parts is untouched, some parts may have been
 * made, and the call can be repeated. */
int home_mend(const struct homes *homes, const struct account *account, gid_t owner_gid, bool views, bool dry,
	      unsigned *parts);

/* Leftovers below the homes of an account that does not exist. Only uid, owner, label and owner_uid of `account` are
 * used. Each: 0; -ENOENT: no such thing; -ENOTEMPTY: it contains data, and stays; or another negative errno. */
int home_leftover_empty(const struct homes *homes, const struct account *account, enum home_place place);
/* The owner that may enter it; -ENODATA: it names none. */
int home_leftover_owner(const struct homes *homes, const struct account *account, enum home_place place,
			uint32_t *owner_uid);
int home_leftover_remove(const struct homes *homes, const struct account *account, enum home_place place);
/* To .removed/<uid>. -EEXIST: something is there already. */
int home_leftover_set_aside(const struct homes *homes, const struct account *account, enum home_place place);

/* The link in the owner's home: made and removed by a child process that has
 * become the owner (groups, gid, uid; proven), never by root. */
enum link_result {
	LINK_OK = 0,    /* made, or already right; removed, or already gone */
	LINK_NO_HOME,   /* the owner's home does not exist */
	LINK_NOT_HIS,   /* the home directory does not belong to the owner */
	LINK_OCCUPIED,  /* a file, directory or other link is in its place: left alone */
	LINK_DIRECTORY, /* ~/subuid cannot be made, is a symlink, or belongs to another user */
	LINK_FAILED,
	LINK_TIMEOUT, /* the home did not answer in time */
	LINK_MENDED,  /* only for link_start_mend(): it was wrong, and is right now */
};

enum link_mend {
	LINK_MEND_NOT = 0,
	LINK_MEND_LOOK, /* reports what the next one would do, and changes nothing */
	LINK_MEND, /* makes a missing link; replaces a link that leads elsewhere into the owner's accounts, since it is
		      ours */
	LINK_MEND_ASIDE, /* anything else in its place is renamed to <label>.aside-N first */
};

/* One byte: what a child that has become the owner saw before it makes a link. */
enum {
	LINK_LOOK_RESULT = 0x0f,    /* enum link_result: LINK_OK, it can be made or is right; else what is in the way */
	LINK_LOOK_RIGHT = 0x10,     /* the account's own link existed before */
	LINK_LOOK_DIRECTORY = 0x20, /* so did the directory of links, which an undo would remove */
};
uint32_t link_look_flags(unsigned char look); /* ACCOUNT_*_THERE of it */

struct link_owner {
	uid_t uid;
	gid_t gid;
	char name[OWNER_MAX + 1];
	char home[PATH_TEXT_MAX + 1];
};

/* Starts the process that forks for link_prepare(): early, while there is little memory to copy. It ends when the
 * descriptor (close-on-exec) is closed. 0 or negative errno. */
int link_forker_start(int *forker, int *pidfd);
#define LINK_LOOKED 'L'
#define LINK_WANTED 0xff
#define LINKS_AT_ONCE HOMES_AT_ONCE
/* Memory that is shared with such children, one byte for each link. */
struct links {
	unsigned char looks[LINKS_AT_ONCE];   /* LINK_LOOK_* */
	unsigned char results[LINKS_AT_ONCE]; /* enum link_result, LINK_WANTED */
	unsigned char removed[LINKS_AT_ONCE]; /* of taking them back */
};
/* *fd: close-on-exec, of a file whose size nobody can change. munmap(2) and close(2) end it. 0 or negative errno. */
int links_share(struct links **links, int *fd);
/*
 * Orders a child that becomes the owner of these accounts, whose bytes in that memory begin with number `at`. It fills
 * looks and says LINK_LOOKED on the channel (close-on-exec). When one byte comes there, it makes those whose result is
 * LINK_WANTED, puts enum link_result in its place, and says LINK_LOOKED once more. It makes nothing when the channel is
 * closed. After each that returns 0 one link_prepared(). -EPIPE and the like: the forker is gone.
 */
int link_prepare(int forker, const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		 size_t count, int memory, size_t at, int *channel);
/* Its child, which is the caller's. 0 and *pidfd (close-on-exec), or negative errno: nobody makes the link. */
int link_prepared(int forker, pid_t *pid, int *pidfd);
/* Starts the child that removes the link, which ends by itself with enum link_result as its exit status. A link that
 * existed before, by account->flags, is not removed. *pidfd (close-on-exec) becomes readable when the child ends; *pid
 * is to be waited for. */
int link_start_remove(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		      pid_t *pid, int *pidfd);
/* The same to mend a link that may be right already: the exit status is LINK_OK, LINK_MENDED or the reason why not. */
int link_start_mend(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		    enum link_mend how, pid_t *pid, int *pidfd);

/* For an account whose name was `from`: makes the link of `to`, in the home of its owner; in its place a link to the
 * former one is ours, too. Then removes the one of the former label. how: LINK_MEND_LOOK or LINK_MEND. As
 * link_start_mend(). */
int link_start_rename(const struct homes *homes, const struct link_owner *owner, const struct account *from,
		      const struct account *to, enum link_mend how, pid_t *pid, int *pidfd);

/* Where the links in an owner's home lead, as a child finds out that has become the owner (link_look.c). */
enum link_state {
	LINK_IS_RIGHT = 0,
	LINK_IS_MISSING,
	LINK_IS_OTHER,    /* it leads elsewhere, to something, or out of the owner's accounts */
	LINK_IS_DANGLING, /* it leads into the owner's accounts, to nothing */
	LINK_IS_OCCUPIED, /* there is something that is not a link */
	LINK_IS_UNREADABLE,
	LINK_IS_SILENT, /* the home did not answer in time */
};
#define LINK_STRAYS 31
struct link_look {                             /* in memory that is shared with the child (MAP_SHARED) */
	unsigned char accounts[HOMES_AT_ONCE]; /* enum link_state */
	uint32_t strays;                       /* links of ours that belong to no account, see below */
	char stray[LINK_STRAYS][LABEL_MAX + 1];
};
/* True when the owner has an account of this label; called in the child. */
typedef bool (*link_known)(const void *data, const char *label);
/* All accounts belong to the owner. known NULL: only their links; else also every link below the directory of links
 * that leads to the place of an unknown account. seconds: after these it ends by itself, else with exit status 0, or
 * LINKS_NOT_RIGHT if not everything is right. grouped: the child has all of the owner's groups, else only the first.
 * Most homes are open to their owner without the others, for which all sources of users have to be asked; so the first
 * look does without, and what it finds counts only if one with all of them finds it. 0 and *pidfd, or negative errno.
 */
#define LINKS_NOT_RIGHT 1
int link_look_start(const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		    size_t count, bool grouped, link_known known, const void *data, unsigned seconds,
		    struct link_look *look, int *pidfd);
/* The groups of the owner, for the child that becomes the owner: its parent asks for them, and has to be a child
 * itself. *ret is from malloc. Returns how many, or negative errno. */
int link_owner_groups(const struct link_owner *owner, gid_t **ret);

/* Removes the links of several accounts of one owner, except those that existed before, by account->flags. results:
 * the outcomes once the child has ended, untouched where it did not get so far. */
int link_remove_many(const struct homes *homes, const struct link_owner *owner, const struct account *const *accounts,
		     size_t count, unsigned char *results, pid_t *pid, int *pidfd);
/* What came of it, from the status that child_watch() gives: the exit status, -ETIMEDOUT or another errno. */
enum link_result link_result_of(int status);
const char *link_result_why(enum link_result result);
const char *link_result_todo(enum link_result result);

#endif
