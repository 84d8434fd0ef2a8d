/* SPDX-License-Identifier: ISC */
/* What is on the disk before an account is made: the same look, and the same words, for a change and a dry run. */
#ifndef SUBUIDD_OP_DISK_H
#define SUBUIDD_OP_DISK_H

#include "subuidd/call/call.h"

/* Looks at home and set-aside data of this account (owner, owner_uid, label, uid). wanted: root has named the uid,
 * and existing parts are taken up. Fills account->flags (ACCOUNT_*_THERE), or says what stands in the way, and
 * touches nothing. */
enum failure disk_look(struct call *call, struct account *account, bool wanted);

/* No files but those of the account's own place belong to its uid. Of uids that the store has never heard of; strays.h
 * has the list, which is made before. */
enum failure disk_uid_free(struct call *call, const char *what, const struct account *account);

#endif
