/* SPDX-License-Identifier: ISC */
/*
 * User and group records (https://systemd.io/USER_RECORD, GROUP_RECORD) of what the index says: the facts that
 * libnss_subuid tells, and what systemd does with an account that passwd(5) has no field for. Pure.
 */
#ifndef USERDB_RECORD_H
#define USERDB_RECORD_H

#include <jansson.h>

#include "index/index.h"

#define USERDB_SERVICE "io.subuidd.UserDatabase" /* also the name of the socket */

/* The groups of every account, by the numbers of the index; in /etc/group, which tells no members of theirs. */
#define USERDB_ACCOUNTS_GROUP "subuids"
#define USERDB_FORWARD_GROUP "subuids-forward"
#define USERDB_PASSWORDS_GROUP "subuids-passwords"
#define USERDB_BOTH_GROUP "subuids-both"
#define USERDB_GROUPS 4

/* A new reference; NULL: no memory. */
json_t *record_of_account(const struct index_account *account, const struct index_host *host,
			  const struct bounds *bounds);
json_t *record_of_range_id(const struct id_range *range, const struct index_host *host, uint32_t id);

/* The group of an account, or of an id of a range: of the same name and number, with nobody else in it. */
json_t *record_of_group(const char *name, uint32_t gid, bool of_range);

#endif
