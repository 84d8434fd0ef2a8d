/* SPDX-License-Identifier: ISC */
/* Names of the parts of an account that are made again: for the interface, the audit trail and people. */
#include "account/part.h"

#include <stdio.h>
#include <string.h>

#include "account/account.h"

const char *part_name(unsigned part)
{
	switch (part) {
	case PART_DATA:
		return "data";
	case PART_HOME:
		return "home";
	case PART_ACCESS:
		return "access";
	case PART_VIEW:
		return "view";
	case PART_LINK:
		return "link";
	default:
		return NULL;
	}
}

const char *parts_text(unsigned parts, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned part = 1; part < PART_END; part <<= 1) {
		int wrote;

		if ((parts & part) == 0)
			continue;
		wrote = snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", part_name(part));
		if (wrote < 0 || (size_t)wrote >= size - used)
			break;
		used += (size_t)wrote;
	}
	return out;
}
