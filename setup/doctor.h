/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: reports what it finds, and what to do about it. Makes no lasting change. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "index/index.h"

enum finding {
	FINDING_GOOD,
	FINDING_NOTE, /* works, but worth knowing */
	FINDING_BAD,
};

/* Facts that the checks learn and need from one another. */
#define DOUBT_TODO "the user database does not answer; see /etc/nsswitch.conf and what it names"

struct doctor {
	bool json;
	bool bad;
	json_t *checks; /* with json: all findings */

	json_t *status;     /* the daemon's, NULL when it does not answer */
	char refused[1400]; /* why it did not start; "": it did, or nobody has tried */
	int index_error;    /* 0: host is filled */
	struct index_host host;
	bool has_account; /* account is one of this host */
	struct index_account account;
};

/* One line: what was checked, what was found, and what to do about it ("": nothing). */
void found(struct doctor *doctor, enum finding finding, const char *check, const char *what, const char *todo);
/* The same with the text of an error (positive or negative errno). */
void found_error(struct doctor *doctor, const char *check, int error, const char *todo);
/* printf for `what`. */
void found_f(struct doctor *doctor, enum finding finding, const char *check, const char *todo, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- doctor_kernel.c */
void doctor_kernel(struct doctor *doctor);

/* ---- doctor_host.c: modules, nsswitch, PAM, system users, programs, ids */
void doctor_host(struct doctor *doctor);
/* A file of PAM_DIR, or by its path; NULL. As a pam_load (text.h). */
char *doctor_service(void *data, const char *name);

/* ---- doctor_linger.c: user managers */
void doctor_linger(struct doctor *doctor);

/* ---- doctor_userdb.c: what systemd is told of accounts */
void doctor_userdb(struct doctor *doctor);

/* ---- doctor_tools.c: the profiles of tools */
void doctor_tools(struct doctor *doctor);

/* ---- doctor_subid.c: what answers newuidmap, and what the files say; text: nsswitch.conf's */
void doctor_subid(struct doctor *doctor, const char *text);
void doctor_subid_files(struct doctor *doctor);

/* ---- doctor_subid_order.c: lines that moved what is mapped */
void doctor_subid_order(struct doctor *doctor);

/* ---- doctor_containers.c: what containers of this owner need; NULL: of any who has a range */
void doctor_containers(struct doctor *doctor, const char *owner);

/* ---- doctor_owners.c: whether they are still the same users */
void doctor_owners(struct doctor *doctor);

/* ---- doctor_sshd.c */
void doctor_sshd(struct doctor *doctor);

/* ---- doctor_passwords.c: whether they work, where the settings say so */
void doctor_passwords(struct doctor *doctor);

/* ---- doctor_manage.c: whether manage keys of owners work, and give nothing else */
void doctor_manage(struct doctor *doctor);

/* ---- doctor_state.c: daemon, socket, store, index, keys, homes, clock */
void doctor_learn(struct doctor *doctor);
void doctor_state(struct doctor *doctor);

#endif
