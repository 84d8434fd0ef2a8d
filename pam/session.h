/* SPDX-License-Identifier: ISC */
/* Between the entry points of pam_subuid.so, which run in foreign processes, most of them root's. */
#ifndef PAM_SESSION_H
#define PAM_SESSION_H

#include <stdbool.h>
#include <security/pam_modules.h>

#include "index/index.h"

#define NAME_LOGGED_MAX 256
#define WHY_MAX 160

#ifndef INDEX_TRUSTED_UID
#define INDEX_TRUSTED_UID 0
#endif

extern struct index_reader pam_index;

/* A PAM_ item of text; NULL: not set. */
const char *pam_item(const pam_handle_t *pamh, int type);

/* Writes one line in the log for all refusals of a minute that are counted in `slots` (-1: each has its own), and one
 * for the person unless the application wants silence. Returns status. */
int refuse(pam_handle_t *pamh, int flags, const char *user, const char *why, int status);
/* The same of an account, which metrics count. */
int refuse_counted(pam_handle_t *pamh, int flags, const struct index_account *account, const char *why, int status,
		   int slots);
int refuse_account(pam_handle_t *pamh, int flags, const struct index_account *account, const char *why, int status);
void refusal_log(const pam_handle_t *pamh, int slots, const char *name, const char *why);

/* Why a frozen account is refused; returns why. */
const char *frozen_text(const struct index_account *account, char why[WHY_MAX]);

/* A place among the account's sessions: PAM_SUCCESS, or PAM_PERM_DENIED after saying so. */
int session_admit(pam_handle_t *pamh, int flags, const struct index_account *account);

/* A place among the key's, as the session begins. PAM_SUCCESS also where the login shell refuses it, and says why. */
int session_count(pam_handle_t *pamh, int flags, const struct index_account *account);

/* group.c: the control group of the account, where the daemon has made a place for it. */
void session_group(const pam_handle_t *pamh, const struct index_account *account);

/* File systems of its own for the session, where the settings say so: PAM_SUCCESS; or PAM_SESSION_ERR after saying why,
 * and this process sees what it saw before. */
int session_private(pam_handle_t *pamh, int flags, const struct index_account *account);

/* session_manager.c: for the account's service manager, which sees the host's file systems, a way to its home that is
 * open to the ids of its ranges. The same. */
int session_manager(pam_handle_t *pamh, int flags, const struct index_account *account);

/* The key, or the password, that sshd says somebody came in with; of an account with two factors the key. -ENOENT: it
 * is not one of ours, or this is not sshd. -EKEYREJECTED: it needs both, and only one of them is there. */
int session_key(pam_handle_t *pamh, const struct index_account *account, struct ssh_key *key);

/* bounds.c: lowers the resource limits of this process, and of the session that comes of it. 0 or negative errno. */
int session_limits(const pam_handle_t *pamh, const struct account_bounds *bounds);
/* The properties of the session's scope; process_mib: of each process of a run. */
void session_scope(pam_handle_t *pamh, const struct account_bounds *bounds, unsigned process_mib);

/* The connection ends as soon as the person has been told, if this is sshd. */
void session_end_soon(pam_handle_t *pamh);
bool from_sshd(const pam_handle_t *pamh);
/* This process becomes the account's service manager. */
bool is_service_manager(const pam_handle_t *pamh);

#endif
