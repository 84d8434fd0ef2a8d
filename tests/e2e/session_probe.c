/* SPDX-License-Identifier: ISC */
/* session_probe SERVICE NAME PROGRAM [ARGUMENT ...]: a session of PAM, and in it the program as that user. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <security/pam_appl.h>

static int silent(int count, const struct pam_message **messages, struct pam_response **answers, void *data)
{
	(void)messages, (void)data;
	*answers = calloc((size_t)count, sizeof(**answers));
	return *answers == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct pam_conv conversation = { silent, NULL };
	const struct passwd *user = argc > 3 ? getpwnam(argv[2]) : NULL;
	pam_handle_t *pamh = NULL;
	int status = -1;

	if (user == NULL || pam_start(argv[1], argv[2], &conversation, &pamh) != PAM_SUCCESS)
		return 2;
	if (pam_open_session(pamh, 0) != PAM_SUCCESS)
		return 3;
	if (fork() == 0) {
		if (initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
		    setuid(user->pw_uid) == 0)
			execv(argv[3], argv + 3);
		_exit(4);
	}
	wait(&status);
	pam_close_session(pamh, 0);
	pam_end(pamh, PAM_SUCCESS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}
