/* SPDX-License-Identifier: ISC */
/*
 * Looks up a user, a group or a shadow entry in the host's user database: the one look-up of the whole project.
 * There are three answers, and a source that is down is never taken for "no":
 *
 *	0         found
 *	-ENOENT   nobody: every source was asked, and every one said so (and, for a name, /etc/passwd has root)
 *	other     doubt: a source that might know could not be asked. Nothing may be taken away on such an answer, and
 *	          nothing given.
 *
 * Run by everybody: broker, command, guests (libc only, thread-safe, no stdio, errno is the caller's to keep). Blocks
 * as long as the host's name service does.
 */
#ifndef ACCOUNT_PASSWD_H
#define ACCOUNT_PASSWD_H

#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

#define HOST_ENTRY_FIRST 1024u

/* One entry, and the memory that its strings lie in. Starts as { 0 }, may be used again and again, and is never copied:
 * most entries fit the memory within. */
struct host_entry {
	union {
		struct passwd user;
		struct group group;
		struct spwd shadow;
	};
	char *buffer;
	size_t size;
	char first[HOST_ENTRY_FIRST];
};

/* Frees the memory, and wipes it first: a password hash may have been in it. */
void host_entry_done(struct host_entry *entry);
#define entry_cleanup __attribute__((cleanup(host_entry_done)))

/* Fill entry->user, ->group or ->shadow; entry is undefined unless 0 is returned. */
int user_find(const char *name, struct host_entry *entry);
int user_find_uid(uid_t uid, struct host_entry *entry);
int group_find(const char *name, struct host_entry *entry);
int group_find_gid(gid_t gid, struct host_entry *entry);
/* The same, if the local file is known not to have the user, with sources that were read once. Finds the same users
 * as glibc. */
struct source_functions;
int user_sources_beyond_files(struct source_functions *sources); /* 0 or negative errno: ask as above */
int group_sources_beyond_files(struct source_functions *sources);
int user_find_uid_beyond_files(const struct source_functions *sources, uid_t uid, struct host_entry *entry);
int group_find_gid_beyond_files(const struct source_functions *sources, gid_t gid, struct host_entry *entry);
int shadow_find(const char *name, struct host_entry *entry); /* needs root where the hashes are local */

/* A login shell that says no, whatever it is asked to run. */
static inline bool shell_refuses(const char *shell)
{
	const char *slash = strrchr(shell, '/'), *name = slash != NULL ? slash + 1 : shell;

	return strcmp(name, "nologin") == 0 || strcmp(name, "false") == 0;
}

#endif
