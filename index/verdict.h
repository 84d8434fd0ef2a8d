/* SPDX-License-Identifier: ISC */
/*
 * May this sub-account log in, and may what it has running go on? Facts in, a named answer out. The PAM module and the
 * daemon ask here. libc only.
 */
#ifndef INDEX_VERDICT_H
#define INDEX_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "index/index.h"

#define SERVICES_DEFAULT "sshd"
#define SERVICE_MANAGER "systemd-user" /* of user@UID.service: for accounts that root lets have one */

enum verdict {
	VERDICT_ALLOW = 0,
	VERDICT_SERVICE, /* not one of the services that sub-accounts may use */
	VERDICT_LOCKED,
	VERDICT_EXPIRED,
	VERDICT_FROZEN,            /* what runs stands still, and does not end */
	VERDICT_OWNER_DOUBT,       /* the user database does not answer: admitted, and said so in the log */
	VERDICT_OWNER_UNAVAILABLE, /* this process, or this host, cannot find out whether the owner is locked
				    */
	VERDICT_OWNER_GONE,
	VERDICT_OWNER_CHANGED, /* the owner's name belongs to another uid than it did */
	VERDICT_OWNER_LOCKED,
	VERDICT_OWNER_EXPIRED,
};

/* The answer of NSS about the owner. */
struct owner_facts {
	int error;  /* 0: everything is known; -ENOENT: no such user; else something is unknown */
	bool known; /* uid is */
	uid_t uid;
	bool locked;
	long expires_day; /* -1 never */
};

/* Looks the owner up in passwd and shadow (any source; shadow needs root). May block as long as these do. */
void owner_lookup(const char *name, struct owner_facts *facts);

/* today: days since the epoch (UTC); an account is unusable from its day on, as in shadow(5). */
enum verdict verdict_of_account(const struct index_account *account, const struct owner_facts *owner, long today);

/* The same for a login by a service. services: comma-separated. */
enum verdict verdict_of(const struct index_account *account, const struct owner_facts *owner, const char *service,
			const char *services, long today);

/* Why the account cannot log in at this time (seconds since the epoch): "locked", "expired"; NULL: it can, or it is
 * frozen, which is said to whoever has proven to be it (PAM's account stage, the login shell). */
const char *account_barred(const struct index_account *account, int64_t now);

/* The second at which the account expires; 0: never. */
int64_t verdict_end(const struct index_account *account);

/* True when service is one of the comma-separated names. */
bool service_listed(const char *services, const char *service);

/* The same, or what the account may have beside it. */
bool service_admitted(const struct index_account *account, const char *service, const char *services);

/* True when services is a list of names: no empty one, nothing but [A-Za-z0-9_.-]. */
bool services_valid(const char *services);

/* The password field of an owner who was locked: `!` and something after it. A lone
 * `!` or `*` is an owner who logs in by key. */
bool password_locked(const char *field);

/* "the account is locked" …, for the log and for the user. */
const char *verdict_text(enum verdict verdict);

/* True for verdicts that let the login go on. */
bool verdict_admits(enum verdict verdict);

/* True for verdicts that also end what runs: not in doubt, which takes nothing away. */
bool verdict_ends(enum verdict verdict);

#endif
