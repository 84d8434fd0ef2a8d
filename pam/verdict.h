/* SPDX-License-Identifier: ISC */
/* May this sub-account log in? Pure: facts in, a named answer out. libc only. */
#ifndef PAM_VERDICT_H
#define PAM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "index/index.h"

#define SERVICES_DEFAULT "sshd"

enum verdict {
	VERDICT_ALLOW = 0,
	VERDICT_SERVICE, /* not one of the services that sub-accounts may use */
	VERDICT_LOCKED,
	VERDICT_EXPIRED,
	VERDICT_OWNER_DOUBT,       /* the user database does not answer: admitted, and said so in the log */
	VERDICT_OWNER_UNAVAILABLE, /* whether the owner is locked is not to be found out by this process or on this host */
	VERDICT_OWNER_GONE,
	VERDICT_OWNER_CHANGED, /* the owner's name belongs to another uid than it did */
	VERDICT_OWNER_LOCKED,
	VERDICT_OWNER_EXPIRED,
};

/* What NSS says of the owner. */
struct owner_facts {
	int error; /* 0: all is known; -ENOENT: no such user; else something could not be found out */
	bool known; /* uid is */
	uid_t uid;
	bool locked;
	long expires_day; /* -1 never */
};

/* today: days since the epoch (UTC); an account is unusable from its day on, as in shadow(5).
 * services: comma-separated. */
enum verdict verdict_of(const struct index_account *account, const struct owner_facts *owner, const char *service,
			const char *services, long today);

/* True when service is one of the comma-separated names. */
bool service_listed(const char *services, const char *service);

/* True when services is a list of names: no empty one, nothing but [A-Za-z0-9_.-]. */
bool services_valid(const char *services);

/* The password field of an owner who was locked: `!` and something after it. A lone
 * `!` or `*` is an owner who logs in by key. */
bool password_locked(const char *field);

/* "the account is locked" …, for the log and for the user. */
const char *verdict_text(enum verdict verdict);

/* True for those with which a login goes on. */
bool verdict_admits(enum verdict verdict);

/* PAM_SUCCESS, PAM_PERM_DENIED, PAM_ACCT_EXPIRED or PAM_AUTHINFO_UNAVAIL. */
int verdict_pam(enum verdict verdict);

#endif
