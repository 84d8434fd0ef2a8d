/* SPDX-License-Identifier: ISC */
/*
 * `user-manager UID|NAME`: may this user have a service manager? Run by systemd before each user@UID.service (as root,
 * ExecCondition=), and by polkit when a name that may be ours asks to linger (as polkitd). Status 0: yes; 1: a
 * sub-account that root has not allowed one, or an id inside a range, so that the unit is passed over. PAM refuses
 * these anyway, but that leaves a failed unit for each login, and a manager would run programs from the account's home.
 *
 * When in doubt the answer is yes: it is asked for every user of the host, and PAM decides.
 */
#include <stdbool.h>

#include "account/id.h"
#include "index/index.h"

enum { WANTED = 0, PASSED_OVER = 1 };

static struct index_reader accounts = INDEX_READER(INDEX_PATH);

static bool uid_refused(uint32_t uid)
{
	struct index_account account;
	struct id_range range;

	if (index_account_by_uid(&accounts, uid, &account) == 0)
		return (account.flags & ACCOUNT_SERVICES) == 0;
	return index_range_by_id(&accounts, uid, &range) == 0;
}

static bool name_refused(const char *name)
{
	struct index_account account;

	if (index_account_by_name(&accounts, name, &account) == 0)
		return (account.flags & ACCOUNT_SERVICES) == 0;
	return index_name_ours(&accounts, name);
}

int main(int argc, char **argv)
{
	uint32_t uid;

	if (argc != 2)
		return WANTED;
	if (id_parse(argv[1], &uid) == 0)
		return uid_refused(uid) ? PASSED_OVER : WANTED;
	return name_refused(argv[1]) ? PASSED_OVER : WANTED;
}
