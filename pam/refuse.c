/* SPDX-License-Identifier: ISC */
/* A refusal, shown to the person and written to the log. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "pam/session.h"
#include "pam/slots.h"

/* One line in the log for all refusals of a minute (slots -1: each refusal has its own). */
void refusal_log(const pam_handle_t *pamh, int slots, const char *name, const char *why)
{
	char service[NAME_LOGGED_MAX], others[64] = "";
	const char *given = pam_item(pamh, PAM_SERVICE);
	unsigned more;

	if (!slots_tell(slots, time(NULL), &more))
		return;
	if (more > 0)
		snprintf(others, sizeof(others), " (and %u more since the last such line)", more);
	text_escape(given != NULL ? given : "", service, sizeof(service));
	pam_syslog(pamh, LOG_NOTICE, "%s: refused for service %s: %s%s", name, service, why, others);
}

/* In the log and, unless the application wants silence, to the person. */
static int told(pam_handle_t *pamh, int flags, const char *user, const char *why, int status, int slots)
{
	char name[NAME_LOGGED_MAX];

	text_escape(user, name, sizeof(name));
	refusal_log(pamh, slots, name, why);
	if (!(flags & PAM_SILENT))
		pam_error(pamh, "%s: refused: %s", name, why);
	return status;
}

int refuse_counted(pam_handle_t *pamh, int flags, const struct index_account *account, const char *why, int status,
		   int slots)
{
	slots_denied(RUN_DIR, account->owner_uid);
	return told(pamh, flags, account->name, why, status, slots);
}

int refuse(pam_handle_t *pamh, int flags, const char *user, const char *why, int status)
{
	return told(pamh, flags, user, why, status, -1);
}

const char *frozen_text(const struct index_account *account, char why[WHY_MAX])
{
	snprintf(why, WHY_MAX, "it is frozen; its owner takes that back: subuid thaw %s", account->label);
	return why;
}

int refuse_account(pam_handle_t *pamh, int flags, const struct index_account *account, const char *why, int status)
{
	cleanup_fd int slots = slots_open(RUN_DIR, account->uid);

	return refuse_counted(pamh, flags, account, why, status, slots);
}
