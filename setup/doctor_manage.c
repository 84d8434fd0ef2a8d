/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: owners who have manage keys: whether sshd asks for them, whether their login shell runs them, and
 * whether something of sshd's comes before the command of the key. Run by root; asks the daemon and sshd. */
#include "cli/subuid.h"
#include "setup/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "account/passwd.h"
#include "cli/print.h"
#include "cli/program.h"
#include "confine/cleanup.h"
#include "setup/setup.h"
#include "setup/text.h"

#define CHECK "manage keys"
#define OWNERS_MOST 64 /* sshd is asked about each */

struct owners {
	char names[OWNERS_MOST][OWNER_MAX + 1];
	size_t count;
	bool more;
};

static int each_key(json_t *reply, void *data)
{
	const char *name = json_text(json_object_get(reply, "key"), "owner");
	struct owners *owners = data;

	for (size_t i = 0; i < owners->count; i++)
		if (strcmp(owners->names[i], name) == 0)
			return 0;
	if (name[0] == '\0')
		return 0;
	owners->more = owners->count == OWNERS_MOST;
	if (!owners->more)
		snprintf(owners->names[owners->count++], sizeof(owners->names[0]), "%s", name);
	return owners->more;
}

/* True: it runs what a key forces. */
static bool shell_check(struct doctor *doctor, const char *owner)
{
	entry_cleanup struct host_entry entry = { 0 };
	int r = user_find(owner, &entry);
	char todo[160];

	if (r < 0 && r != -ENOENT)
		found_error(doctor, CHECK, r, DOUBT_TODO);
	if (r < 0) /* doctor_owners() tells of owners who are gone */
		return false;
	if (!shell_refuses(entry.user.pw_shell))
		return true;
	snprintf(todo, sizeof(todo), "usermod -s " LIBEXECDIR "/login %s, a shell that only manages", owner);
	found_f(doctor, FINDING_NOTE, CHECK, todo, "the login shell of %s is %s: their keys run nothing", owner,
		entry.user.pw_shell);
	return false;
}

static void sshd_check(struct doctor *doctor, const char *owner)
{
	cleanup_free char *output = NULL;
	const struct sshd_demand *unmet;
	char value[512], todo[160];
	int status = sshd_ask(owner, NULL, &output);

	if (status != 0 || output == NULL) /* doctor_sshd() says why */
		return;
	unmet = sshd_unmet(sshd_owner_demands, output);
	if (unmet == NULL) {
		found_f(doctor, FINDING_GOOD, CHECK, "", "%s: they manage, and give nothing else", owner);
		return;
	}
	sshd_value(output, unmet->keyword, value, sizeof(value));
	if (strcmp(unmet->keyword, "authorizedkeyscommand") == 0) {
		snprintf(todo, sizeof(todo), "usermod -a -G " OWNERS_GROUP " %s; another Match block may come first",
			 owner);
		found_f(doctor, FINDING_NOTE, CHECK, todo, "sshd does not ask for those of %s: `%s` is `%s`", owner,
			unmet->keyword, value);
		return;
	}
	found_f(doctor, FINDING_BAD, CHECK, "take it away for this owner, or their manage keys",
		"for %s sshd's `%s` is `%s`, and comes before what the key says", owner, unmet->keyword, value);
}

void doctor_manage(struct doctor *doctor)
{
	struct owners owners = { .count = 0 };

	if (doctor->status == NULL || !command_exists("sshd") ||
	    call_each_reply("ManageKeyList", json_pack("{s:b}", "all", 1), each_key, &owners) != STATUS_DONE)
		return;
	for (size_t i = 0; i < owners.count; i++)
		if (shell_check(doctor, owners.names[i]))
			sshd_check(doctor, owners.names[i]);
	if (owners.more)
		found_f(doctor, FINDING_NOTE, CHECK, "", "only the first %d owners were looked at", OWNERS_MOST);
}
