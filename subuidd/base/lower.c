/* SPDX-License-Identifier: ISC */
/* What the broker gives away of root before it serves anybody. */
#include "subuidd/base/lower.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>

#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/base/trouble.h"

/* The capabilities that root keeps, and why. */
static const int broker_capabilities[] = {
	CAP_CHOWN,           /* gives the home to its account */
	CAP_DAC_READ_SEARCH, /* opens homes and unmounted views, whatever their modes; DAC_OVERRIDE is not needed */
	CAP_FOWNER,          /* modes and ACLs of directories that belong to accounts */
	CAP_KILL,            /* ends workers and children, which have other uids */
	CAP_SETGID,          /* workers and children become somebody else; maps of the views */
	CAP_SETUID,
	CAP_SETPCAP,   /* ... and lose their bounding set */
	CAP_SYS_ADMIN, /* mounts the views; quotas; empty namespaces for workers */
	-1,
};

int broker_lower(char *why, size_t size)
{
	int r;

	if (setgroups(0, NULL) < 0)
		return trouble_say(why, size, "supplementary groups", -errno);
	r = capabilities_keep(broker_capabilities);
	if (r < 0)
		return trouble_say(why, size, "capabilities", r);
	r = process_harden();
	return r < 0 ? trouble_say(why, size, "no_new_privs", r) : 0;
}
