/* SPDX-License-Identifier: ISC */
/*
 * libnss_subuid: the accounts of the index as glibc's name service wants them. Runs
 * in every program of the host, setuid ones among them, in any thread, also after
 * a fork: libc only, no state but the mapping and three cursors, no descriptor, lock, environment, output, signal or
 * heap (except for the realloc that initgroups_dyn's contract asks for).
 *
 * Status: SUCCESS; NOTFOUND (*errnop ENOENT); TRYAGAIN (*errnop ERANGE: the buffer is too small, and
 * nothing else); UNAVAIL (no index, or one that is damaged or that somebody else could have written).
 * errno is kept; *errnop is set only when the answer is not SUCCESS.
 */
#ifndef NSS_ANSWER_H
#define NSS_ANSWER_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
#include <stdint.h>

#include "index/index.h"
#include "account/range_name.h"

/* State that the functions of one program's name service share. */
enum nss_status answer_status(int rc, int *errnop);

/* NOTFOUND at once for a name that no sub-account can have, whatever the settings. */
int answer_by_name(const char *name, struct index_account *account, struct index_host *host);
int answer_by_uid(uint32_t uid, struct index_account *account, struct index_host *host);

/* An id inside a range: one with a name, a group of its own, and no way to log in. */
struct answer_range {
	uint32_t id;
	uint32_t subuids_gid;
	char name[RANGE_NAME_MAX + 1];
	char comment[RANGE_COMMENT_MAX + 1];
};

int answer_range_by_name(const char *name, struct answer_range *range);
int answer_range_by_id(uint32_t id, struct answer_range *range);

/* The position of one enumeration. glibc serialises the calls; atomic, for callers that do not. */
typedef _Atomic(uint64_t) answer_cursor;

/* The account at the cursor, and where the cursor goes once it was answered. */
int answer_next(answer_cursor *cursor, uint64_t *after, struct index_account *account, struct index_host *host);

/* The caller's buffer, filled from the front. */
struct answer_buffer {
	char *at;
	size_t left;
};

/* Aligned for pointers; NULL when it does not fit. */
char **answer_pointers(struct answer_buffer *buffer, size_t count);
/* A copy of text in the buffer; NULL when it does not fit. */
char *answer_text(struct answer_buffer *buffer, const char *text);
/* The account's home directory in the buffer; NULL when it does not fit. */
char *answer_home(struct answer_buffer *buffer, const struct index_host *host, const struct index_account *account);

#define NSS_EXPORT __attribute__((visibility("default")))

NSS_EXPORT enum nss_status _nss_subuid_getpwnam_r(const char *name, struct passwd *pwd, char *buffer, size_t buflen,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_getpwuid_r(uid_t uid, struct passwd *pwd, char *buffer, size_t buflen,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_setpwent(int stayopen);
NSS_EXPORT enum nss_status _nss_subuid_getpwent_r(struct passwd *pwd, char *buffer, size_t buflen, int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_endpwent(void);

NSS_EXPORT enum nss_status _nss_subuid_getgrnam_r(const char *name, struct group *grp, char *buffer, size_t buflen,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_getgrgid_r(gid_t gid, struct group *grp, char *buffer, size_t buflen,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_setgrent(int stayopen);
NSS_EXPORT enum nss_status _nss_subuid_getgrent_r(struct group *grp, char *buffer, size_t buflen, int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_endgrent(void);

NSS_EXPORT enum nss_status _nss_subuid_initgroups_dyn(const char *user, gid_t group, long int *start, long int *size,
						      gid_t **groups, long int limit, int *errnop);

NSS_EXPORT enum nss_status _nss_subuid_getspnam_r(const char *name, struct spwd *spwd, char *buffer, size_t buflen,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_setspent(int stayopen);
NSS_EXPORT enum nss_status _nss_subuid_getspent_r(struct spwd *spwd, char *buffer, size_t buflen, int *errnop);
NSS_EXPORT enum nss_status _nss_subuid_endspent(void);

#endif
