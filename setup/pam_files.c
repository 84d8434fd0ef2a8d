/* SPDX-License-Identifier: ISC */
/* The files of PAM that setup may change. */
#include <string.h>

#include "setup/setup.h"

/* Debian's common files, one for each stack; else those that services include; else the services themselves. */
static const char *const pam_common[] = { "common-account", "common-session", "common-session-noninteractive", NULL };
static const char *const pam_included[] = { "system-auth", "password-auth", "base-account", NULL };
static const char *const pam_services[] = { "sshd", "login", "su",  "su-l",  "sudo",     "sudo-i",
					    "cron", "crond", "atd", "other", "polkit-1", NULL };
const char *const *const pam_files[] = { pam_common, pam_included, pam_services, NULL };

bool pam_file_known(const char *path)
{
	if (strncmp(path, PAM_DIR "/", sizeof(PAM_DIR)) != 0)
		return false;
	for (const char *const *const *list = pam_files; *list != NULL; list++)
		for (const char *const *name = *list; *name != NULL; name++)
			if (strcmp(path + sizeof(PAM_DIR), *name) == 0)
				return true;
	return false;
}
