/* SPDX-License-Identifier: ISC */
/* The number of a group of the host. */
#include "subuidd/ids/group.h"

#include "account/passwd.h"

int group_by_name(const char *name, gid_t *gid)
{
	entry_cleanup struct host_entry entry = { 0 };
	int r = group_find(name, &entry);

	if (r == 0)
		*gid = entry.group.gr_gid;
	return r;
}
