/* SPDX-License-Identifier: ISC */
/*
 * `user-manager UID`, run by systemd before each user@UID.service (as root, ExecCondition=): may there be a service manager of
 * this user's? Status 0: yes; 1: a sub-account, or an id inside a range, so that the unit is passed over. PAM refuses these
 * anyway, but that is a failed unit for each login, and a manager would run what lies in the account's home.
 *
 * In doubt yes: it is asked for every user of the host, and PAM decides.
 */
#include <errno.h>
#include <stdlib.h>

#include "account/index.h"

enum { WANTED = 0, PASSED_OVER = 1 };

static struct index_reader accounts = INDEX_READER(INDEX_PATH);

int main(int argc, char **argv)
{
	struct index_account account;
	struct id_range range;
	unsigned long uid;
	char *end;

	if (argc != 2)
		return WANTED;
	errno = 0;
	uid = strtoul(argv[1], &end, 10);
	if (errno != 0 || end == argv[1] || *end != '\0' || uid > UINT32_MAX)
		return WANTED;
	if (index_account_by_uid(&accounts, (uint32_t)uid, &account) == 0 ||
	    index_range_by_id(&accounts, (uint32_t)uid, &range) == 0)
		return PASSED_OVER;
	return WANTED;
}
