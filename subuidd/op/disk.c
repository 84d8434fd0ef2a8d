/* SPDX-License-Identifier: ISC */
/* Looks at what is on the disk before an account is made. Run by the broker, for a change and for a dry run
 * alike. */
#include "subuidd/op/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/life/strays.h"

/* The advice. */
static void todo(const struct home_look *look, char *text, size_t size)
{
	switch (look->there) {
	case HOME_OTHERS:
		snprintf(text, size, "as root, import it with uid %u, or move that directory away", look->uid);
		return;
	case HOME_OTHER_OWNER:
		snprintf(text, size, "if they are the same person, take the old entry out of its ACL (setfacl -b), else move it away");
		return;
	case HOME_TWICE:
		snprintf(text, size, "see which of the two is wanted, and move the other one away");
		return;
	default:
		snprintf(text, size, "move it away");
	}
}

/* A uid that has just been chosen must own nothing on the disk, or it is not given out. */
static void unexpected(const struct account *account, struct home_look *look)
{
	if (look->there != HOME_HIS && look->there != HOME_ASIDE)
		return;
	look->there = HOME_STRANGE;
	snprintf(look->why, sizeof(look->why), "data of uid %u, which was to be given out, is there already", account->uid);
}

/* The owner's directory existed before us only if it existed before all of their accounts: one that another add has
 * made goes with whichever of them is undone or removed last. Their first row tells, as each has asked the one
 * before. */
static int owner_there(struct store *store, const char *owner, uint32_t *flags)
{
	struct account first;
	int n = (*flags & ACCOUNT_OWNER_THERE) != 0 ? store_account_list(store, owner, 0, &first, 1) : 0;

	if (n > 0 && (first.state != ACCOUNT_INTENT || (first.flags & ACCOUNT_OWNER_THERE) == 0))
		*flags &= ~(uint32_t)ACCOUNT_OWNER_THERE;
	return n < 0 ? n : 0;
}

enum failure disk_look(struct call *call, struct account *account, bool wanted)
{
	struct home_look look;
	char text[FAILURE_TEXT_MAX + 1];
	int r = home_look(&call->broker->homes, account, &look);

	if (r < 0)
		return call_fail_system(call, "what is there of it cannot be looked at", r);
	r = owner_there(call->broker->store, account->owner, &look.flags);
	if (r < 0)
		return call_fail_store(call, r);
	if (!wanted)
		unexpected(account, &look);
	if (!home_look_conflict(look.there)) {
		account->flags |= look.flags;
		return FAILURE_NONE;
	}
	todo(&look, text, sizeof(text));
	return call_fail(call, FAILURE_CONFLICT, NULL, look.why, text);
}

enum failure disk_uid_free(struct call *call, const char *what, const struct account *account)
{
	char where[OWNER_MAX + LABEL_MAX + 2], why[FAILURE_TEXT_MAX + 1];
	int r = strays_find(call->broker, account->uid, account->owner, account->label, where, sizeof(where));

	if (r == 0)
		return FAILURE_NONE;
	if (r < 0)
		return call_fail(call, r == -EBUSY ? FAILURE_BUSY : FAILURE_FAILED, what, "whether files of it lie under the homes is not known",
				 "look at the log of subuidd, and try again");
	snprintf(why, sizeof(why), "%s/%s belongs to it", call->broker->settings.homes, where);
	return call_fail(call, FAILURE_CONFLICT, what, why, "import that account with it, or move the directory away");
}
