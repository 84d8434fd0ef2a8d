/* SPDX-License-Identifier: ISC */
/* Between the home_*.c files only. Run by the broker (root) unless said otherwise. */
#ifndef SUBUIDD_HOME_INTERNAL_H
#define SUBUIDD_HOME_INTERNAL_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "subuidd/home/home.h"

#define HOME_REMOVED ".removed" /* root 0700: "<uid>" of removed accounts */
#define HOME_MAKING ".making"   /* root 0700: "<uid>" of accounts that are not complete yet */

struct uid_name {
	char text[16];
};
struct uid_name home_uid_name(uint32_t uid); /* "2100000001" */

/* Owner and label are each one path component that cannot clash with ours. 0 or -EINVAL. */
int home_account_valid(const struct account *account);

/* True when st is a directory of root that nobody else can write. */
bool home_roots_directory(const struct stat *st);

/* The directory of one owner. A descriptor, -ENOENT, -EPERM (not root's alone). */
int home_owner_open(const struct homes *homes, const struct account *account);

/* The account directory in its place. A descriptor; -ENOENT; -EEXIST: another account's; -EPERM: not
 * root's alone. */
int home_account_open(const struct homes *homes, const struct account *account);

/* `home` in the account directory, whoever owns it. -EXDEV: something is mounted on it that need not answer; it was
 * not asked. This is the one way in: an openat(2) of "home" would wait for a file server of the owner's. */
int home_inside_open(int account_dir);
/* The same if it belongs to uid (else -EPERM). */
int home_directory_open(int account_dir, uint32_t uid);
/* `view` in it: 1 something is mounted there, which was not asked; 0 and its stat; -ENOENT; or negative errno. */
int home_view_look(int account_dir, struct stat *st);

/* The directory of one owner, made if it does not exist. A descriptor or negative errno. */
int home_owner_make(const struct homes *homes, const struct account *account);

/* Removes the account directory `dir`, `name` in parent, by rmdir(2) alone: -ENOTEMPTY, and what is left stays. */
int home_dismantle(int parent, const char *name, int dir);

/* 1 empty, 0 not, negative errno. */
int home_directory_empty(int dirfd);

/* rename(2) that never replaces. */
int home_move(int from_dir, const char *from, int to_dir, const char *to);

/* .removed/<uid>, root's. A descriptor, and that of .removed in *parent; -ENOENT; -EPERM: not one of ours. */
int home_aside_open(const struct homes *homes, uint32_t uid, int *parent);

/* True when fd is the top of a btrfs subvolume. */
bool home_is_subvolume(int fd);

/* ids.c: a user namespace that maps the account, the ranges and, unless NULL, the owner. A descriptor or negative errno. */
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
/* The owner that it lets in; 0 when it names none, or several. */
uid_t home_acl_owner(int account_dir);
/* Access and default ACL on `home`, for hosts without views. */
int home_acl_grant(int home_dir, uid_t owner, uid_t uid);
bool home_acl_granted(int home_dir, uid_t owner);
/* Whether the file system keeps ACLs: tried on a directory of root's. 0, -EOPNOTSUPP, … */
int home_acl_probe(int dirfd);

/* True when what is mounted on `view` is this account's home, of the kind that it is to be, with all its restrictions. */
bool home_view_right(const struct homes *homes, const struct account *account, int account_dir, const struct stat *home,
		     gid_t owner_gid);

/* A link that is to be made or removed, and an order for it: one process sends it to another. */
#define LINK_SECONDS 15
#define LINK_TEXT_MAX (128 + 1 + OWNER_MAX + 1 + LABEL_MAX + sizeof("/view"))
struct link_job {
	struct link_owner owner;
	char directory[64]; /* "subuid" */
	char label[LABEL_MAX + 1];
	char text[LINK_TEXT_MAX];  /* the target of the link */
	char other[LINK_TEXT_MAX]; /* its target while the host could (or could not) do views */
	size_t ours;               /* so many bytes of `text` lead to the owner's accounts: "<homes>/<owner>/" */
	bool make;
	enum link_mend mend;
	uint32_t flags; /* ACCOUNT_*_THERE: these are not to be removed */
	int channel; /* to the broker, of a child that waits for its word; -1: none */
};

/* link.c: 0 or -EINVAL; the job of a child. */
int link_job_fill(const struct homes *homes, const struct link_owner *owner, const struct account *account, bool make,
		  struct link_job *job);
int link_child(const void *job);
int link_job_valid(const struct link_owner *owner, const struct account *account);
struct link_job link_job_of(const struct homes *homes, const struct link_owner *owner, bool make);
/* The parts of the one account. */
void link_job_texts(struct link_job *job, const struct homes *homes, const struct account *account);

/* In a child. All of the owner's groups; 0 or negative errno. */
int link_owner_become(const struct link_owner *owner, int channel);
/* The same with groups that are known: link_owner_groups() (*ret is from malloc; how many, or negative errno). */
int link_owner_become_with(const struct link_owner *owner, int channel, const gid_t *groups, int count);
/* The owner's home, opened by the owner: LINK_OK and a descriptor, or why not. */
enum link_result link_home_open(const struct link_owner *owner, int *home);
/* As the owner, in the owner's home: LINK_LOOK_*. */
unsigned char link_look(const struct link_job *job, int home);
/* As the owner: makes it in the directory of links; the new link is not synced. */
enum link_result link_place(const struct link_job *job, int dir);
/* As the owner, in the owner's home. */
enum link_result link_remove(const struct link_job *job, int home);
/* One byte to the broker; waits for one of the broker's. */
bool link_say(int channel, unsigned char byte);
bool link_hear(int channel);

/* 1 a link with exactly this text, 0 something else, -ENOENT nothing. */
int link_says(int dirfd, const char *name, const char *text);
/* link_mend.c: as the owner. */
enum link_result link_mend(const struct link_job *job, int home);

#endif
