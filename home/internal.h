/* SPDX-License-Identifier: ISC */
/* Shared only between the files of home/. Run by the broker (root) unless said otherwise. */
#ifndef SUBUIDD_HOME_INTERNAL_H
#define SUBUIDD_HOME_INTERNAL_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "home/home.h"

/*
 * The real and saved uid of these children, which kill(2) looks at: with its own uid there, the account could stop the
 * one child that counts or purges for all. Not IDENTITY_NOBODYS: the child that ends the processes of an account
 * (sessions.c) has that, and would reach them.
 */
#define HOME_UNTOUCHED (UINT32_MAX - 1)

#define HOME_REMOVED ".removed" /* root 0700: "<uid>" of removed accounts */
#define HOME_MAKING ".making"   /* root 0700: "<uid>" of accounts that are not complete yet */

struct uid_name {
	char text[16];
};
struct uid_name home_uid_name(uint32_t uid); /* "2100000001" */

/* 0 if owner and label are each one path component that cannot clash with ours, else -EINVAL. */
int home_account_valid(const struct account *account);

/* True if st is a directory of root that nobody else can write. */
bool home_roots_directory(const struct stat *st);

/* The directory of one owner. A descriptor, -ENOENT, -EPERM (others than root can write it). */
int home_owner_open(const struct homes *homes, const struct account *account);

/* The account directory in its place. A descriptor; -ENOENT; -EEXIST: another account's; -EPERM: others than root can
 * write it. */
int home_account_open(const struct homes *homes, const struct account *account);
/* The same of a valid account, in the directory of its owner, with its stat. */
int home_account_open_in(int owner_dir, const struct account *account, struct stat *st);

/* `home` in the account directory, whoever owns it. -EXDEV: something is mounted on it that need not answer; it was not
 * asked. This is the only way in: an openat(2) of "home" would wait for a file server of the owner. */
int home_inside_open(int account_dir);
/* The same if it belongs to uid (else -EPERM). */
int home_directory_open(int account_dir, uint32_t uid);
/* `view` in it: 1: something is mounted there, which was not asked; 0 and its stat; -ENOENT; or negative errno. */
int home_view_look(int account_dir, struct stat *st);

/* The directory of one owner, made if it does not exist. A descriptor or negative errno. */
int home_owner_make(const struct homes *homes, const struct account *account);

/* Removes the account directory `dir`, `name` in parent, only by rmdir(2): -ENOTEMPTY if something is left, which
 * stays. */
int home_dismantle(int parent, const char *name, int dir);

/* 1 empty, 0 not, negative errno. */
int home_directory_empty(int dirfd);

/* rename(2) that never replaces. */
int home_move(int from_dir, const char *from, int to_dir, const char *to);

/* .removed/<uid>, which belongs to root. A descriptor, and that of .removed in *parent; -ENOENT; -EPERM: it is not one
 * of ours. */
int home_aside_open(const struct homes *homes, uint32_t uid, int *parent);

bool home_on_btrfs(int fd);
/* True when fd is the top of a btrfs subvolume. */
bool home_is_subvolume(int fd);

/* ids.c: a user namespace that maps the account, the ranges and, unless NULL, the owner. A descriptor or negative
 * errno. */
int home_ids_namespace(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
		       const struct id_range *ranges, size_t count);
/* In a child: the account's uid with all capabilities of that namespace, for good. 0 or negative errno. */
int home_ids_become(int userns, uint32_t uid);
/* Closes all descriptors but these (-1: none), at most KEEP_MAX. 0 or -EBADF. */
#define KEEP_MAX 4
int home_keep_only(const int *fds, size_t count);

/* root:<gid> 0710 and user:<owner>:--x on the account directory. */
int home_acl_close(int account_dir, uid_t owner);
bool home_acl_closed(int account_dir, uid_t owner);
/* The same, but the owner is not let in: 1, 0 if it was so, or negative errno. */
int home_acl_shut(int account_dir, uid_t owner);
bool home_acl_is_shut(int account_dir, uid_t owner);
/* The owner that it names; 0 if it names none, or several. */
uid_t home_acl_owner(int account_dir);
/* Access and default ACL on `home`, for hosts without views. */
int home_acl_grant(int home_dir, uid_t owner, uid_t uid);
bool home_acl_granted(int home_dir, uid_t owner);
/* Whether the file system keeps ACLs: tried on a directory of root's. 0, -EOPNOTSUPP, … */
int home_acl_probe(int dirfd);

/* True if this account's home is mounted on `view`, in the right kind and with all its restrictions.
 */
bool home_view_right(const struct homes *homes, const struct account *account, int account_dir, const struct stat *home,
		     gid_t owner_gid);

/* A link that is to be made, mended or removed. */
#define LINK_SECONDS 15
#define LINK_TEXT_MAX (128 + 1 + OWNER_MAX + 1 + LABEL_MAX + sizeof("/view"))
struct link_job {
	struct link_owner owner;
	char directory[64]; /* "subuid" */
	char label[LABEL_MAX + 1];
	char text[LINK_TEXT_MAX];  /* the target of the link */
	char other[LINK_TEXT_MAX]; /* its target while the host could (or could not) do views */
	size_t ours;               /* this many bytes of `text` lead to the owner's accounts: "<homes>/<owner>/" */
	enum link_mend mend;
	uint32_t flags; /* ACCOUNT_*_THERE: these are not to be removed */
	bool renamed;   /* the account was called otherwise; of that name: */
	char former_label[LABEL_MAX + 1];
	char former[2][LINK_TEXT_MAX];
};

/* link.c: 0 or -EINVAL. */
int link_job_valid(const struct link_owner *owner, const struct account *account);
struct link_job link_job_of(const struct homes *homes, const struct link_owner *owner);
/* The parts that concern one account. */
void link_job_texts(struct link_job *job, const struct homes *homes, const struct account *account);

/* In a child. All of the owner's groups; 0 or negative errno. */
int link_owner_become(const struct link_owner *owner, int channel);
/* The same with known groups: link_owner_groups() (*ret is from malloc; how many, or negative errno). */
int link_owner_become_with(const struct link_owner *owner, int channel, const gid_t *groups, int count);
/* The owner's home, opened by the owner: LINK_OK and a descriptor, or why not. */
enum link_result link_home_open(const struct link_owner *owner, int *home);
/* As the owner, in the owner's home: LINK_LOOK_*. */
unsigned char link_look(const struct link_job *job, int home);
/* As the owner: makes it in the directory of links; the new link is not synced. */
enum link_result link_place(const struct link_job *job, int dir);
/* As the owner, in the owner's home. */
enum link_result link_remove(const struct link_job *job, int home);
/* 1 a link with exactly this text, 0 something else, -ENOENT nothing. */
int link_says(int dirfd, const char *name, const char *text);
/* link_mend.c: as the owner. */
enum link_result link_mend(const struct link_job *job, int home);
/* Whether a link leads below the first `length` bytes of text, "<homes>/<owner>/": then it is ours, since the store
 * knows its target, and nothing is lost with it. */
bool link_leads_below(int dirfd, const char *name, const char *text, size_t length);
/* link_mend() for an account of another name: a link to its former place is ours, and goes. */
enum link_result link_rename(const struct link_job *job, int home);
/* link.c: the child of such a job. 0 and *pidfd, or negative errno. */
int link_job_start(struct link_job *job, pid_t *pid, int *pidfd);
/* home.c: the descriptor, which is taken, if it belongs to uid; else -EPERM. A negative errno is passed on. */
int home_of_uid(int home, uint32_t uid);

#endif
