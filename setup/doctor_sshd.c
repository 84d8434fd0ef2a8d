/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: whether sshd treats a sub-account as setup demands, and whether a list keeps sub-accounts out: by
 * what `sshd -T` says of one. Run by root. */
#include "cli/program.h"
#include "setup/doctor.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "account/key_words.h"
#include "account/passwd.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "confine/cleanup.h"

#define BOTH_METHODS "publickey,password publickey,keyboard-interactive:pam"

/* If there is a list, sshd admits only users on it. `sshd -T` prints an entry a line. */
static void check_lists(struct doctor *doctor, const char *output)
{
	bool groups_listed = false, ours = false;

	for (const char *at = output; *at != '\0';) {
		cleanup_free char *line = NULL;

		if (!text_next_line(&at, &line))
			break;
		if (strncmp(line, "allowgroups ", 12) == 0) {
			groups_listed = true;
			ours |= fnmatch(line + 12, ACCOUNTS_GROUP, 0) == 0;
		} else if (strncmp(line, "allowusers ", 11) == 0 || strncmp(line, "denyusers ", 10) == 0 ||
			   strncmp(line, "denygroups ", 11) == 0) {
			found(doctor, FINDING_NOTE, "sshd: who may log in", line, "see that it admits sub-accounts");
		}
	}
	if (groups_listed && !ours)
		found(doctor, FINDING_BAD, "sshd: who may log in", "AllowGroups does not have " ACCOUNTS_GROUP,
		      "add it there");
}

/* What sshd's block for accounts with passwords sets otherwise. */
static bool password_demand(const char *keyword, const char *value)
{
	for (const struct sshd_demand *demand = sshd_password_demands; demand->keyword != NULL; demand++)
		if (strcmp(demand->keyword, keyword) == 0)
			return strcmp(demand->value, value) == 0;
	return false;
}

static uint32_t flags_of(const struct doctor *doctor)
{
	return doctor->has_account ? doctor->account.flags : 0;
}

/* Of an account with two factors, one of them alone may not let in. */
static const char *demanded(const struct doctor *doctor, const struct sshd_demand *demand)
{
	const bool methods = strcmp(demand->keyword, "authenticationmethods") == 0;

	return methods && (flags_of(doctor) & ACCOUNT_BOTH) != 0 ? BOTH_METHODS : demand->value;
}

static bool demand_met(const struct doctor *doctor, const struct sshd_demand *demand, const char *output)
{
	const uint32_t flags = flags_of(doctor);
	const char *wanted = demanded(doctor, demand);
	char value[512];

	sshd_value(output, demand->keyword, value, sizeof(value));
	if (strcmp(value, wanted) == 0 || wanted != demand->value)
		return strcmp(value, wanted) == 0;
	if ((flags & (ACCOUNT_PASSWORDS | ACCOUNT_BOTH)) != 0 && password_demand(demand->keyword, value))
		return true;
	/* The key says to which address; for a key that does not, `restrict` forbids it. */
	if ((flags & ACCOUNT_FORWARDS) == 0 || strcmp(demand->keyword, "disableforwarding") != 0)
		return false;
	sshd_value(output, "allowtcpforwarding", value, sizeof(value));
	return strcmp(value, "local") == 0;
}

static void check_demands(struct doctor *doctor, const char *user, const char *output)
{
	bool met = true;

	for (const struct sshd_demand *demand = sshd_demands; demand->keyword != NULL; demand++) {
		char value[512];

		if (demand_met(doctor, demand, output))
			continue;
		met = false;
		sshd_value(output, demand->keyword, value, sizeof(value));
		found_f(doctor, FINDING_BAD, "sshd: sub-accounts",
			"run `subuid setup`; another Match block may come first", "for %s `%s` is `%s` and not `%s`",
			user, demand->keyword, value, demanded(doctor, demand));
	}
	if (met)
		found_f(doctor, FINDING_GOOD, "sshd: sub-accounts", "",
			"for %s keys come from the index only, no password, forwarding, rc file or "
			"environment",
			user);
}

void doctor_sshd(struct doctor *doctor)
{
	/* Without an account: the keys' user, as if it were in the group. */
	const char *user = doctor->has_account ? doctor->account.name : KEYS_USER;
	entry_cleanup struct host_entry group = { 0 };
	cleanup_free char *output = NULL;
	int status;

	if (!command_exists("sshd")) {
		found(doctor, FINDING_BAD, "sshd", "not installed, so that nobody can log in",
		      "apt-get install openssh-server, then `subuid setup`");
		return;
	}
	status = group_find(ACCOUNTS_GROUP, &group);
	if (status < 0) {
		if (status == -ENOENT)
			found(doctor, FINDING_BAD, "sshd: sub-accounts", "the group " ACCOUNTS_GROUP " is missing",
			      "run `subuid setup`");
		else
			found_error(doctor, "sshd: sub-accounts", status, DOUBT_TODO);
		return;
	}
	status = sshd_ask(user, doctor->has_account ? NULL : ACCOUNTS_GROUP, &output);
	if (status < 0) {
		found_error(doctor, "sshd", status, "`sshd -T` must work");
	} else if (status != 0) {
		output[strcspn(output, "\n")] = '\0';
		found(doctor, FINDING_BAD, "sshd", output[0] != '\0' ? output : "`sshd -T` fails",
		      "fix its configuration");
	} else {
		check_demands(doctor, user, output);
		check_lists(doctor, output);
	}
}
