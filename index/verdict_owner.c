/* SPDX-License-Identifier: ISC */
/* The owner of a sub-account, as NSS knows them. Run in foreign processes, most of them root's, and by a child of the
 * daemon: nothing static, errno kept by the callers. */
#include "index/verdict.h"

#include <errno.h>
#include <string.h>

#include "account/passwd.h"

/* passwd says `x`: the password and the expiry are in shadow, and without them there is no answer. */
static bool shadowed(const char *field)
{
	return strcmp(field, "x") == 0;
}

/* Without an entry in shadow the answer is in passwd, or nowhere. */
static int shadow_error(int error, const struct passwd *user)
{
	return error != -ENOENT ? error : shadowed(user->pw_passwd) ? -ENODATA : 0;
}

void owner_lookup(const char *name, struct owner_facts *facts)
{
	entry_cleanup struct host_entry passwd = { 0 }, shadow = { 0 };
	int found;

	*facts = (struct owner_facts){ .expires_day = -1 };
	facts->error = user_find(name, &passwd);
	if (facts->error != 0)
		return;
	facts->known = true;
	facts->uid = passwd.user.pw_uid;
	found = shadow_find(name, &shadow);
	facts->error = found == 0 ? 0 : shadow_error(found, &passwd.user);
	if (facts->error != 0)
		return;
	facts->locked = password_locked(found == 0 ? shadow.shadow.sp_pwdp : passwd.user.pw_passwd);
	facts->expires_day = found == 0 ? shadow.shadow.sp_expire : -1;
}
