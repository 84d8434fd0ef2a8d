/* SPDX-License-Identifier: ISC */
/*
 * Tells the daemon of a right password whose hash has less work than the settings say. The verifier has no way to it:
 * only root may do this, and the daemon's worker looks for itself whether the password is right. Run in foreign
 * processes, most of them root's, which wait for nothing here.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>
#include <security/pam_ext.h>

#include "account/name.h"
#include "account/password.h"
#include "confine/cleanup.h"
#include "pam/password.h"
#include "pam/session.h"

#define CALL_MAX 512

/* A call whose answer nobody waits for. The letters are of an alphabet that needs no quoting, as are all names. */
static int call_write(const struct index_account *account, const char *letters, char call[CALL_MAX])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-";

	if (account->owner[strspn(account->owner, plain)] != '\0' ||
	    account->label[strspn(account->label, plain)] != '\0')
		return -1;
	return snprintf(call, CALL_MAX,
			"{\"method\":\"io.subuidd.Accounts.PasswordRehash\",\"oneway\":true,\"parameters\":"
			"{\"owner\":\"%s\",\"label\":\"%s\",\"password\":\"%s\"}}",
			account->owner, account->label, letters);
}

/* No account has such a name, unless the index is damaged. */
static void name_log(const pam_handle_t *pamh, const struct index_account *account)
{
	char name[NAME_LOGGED_MAX];

	pam_syslog(pamh, LOG_WARNING, "%s: its password keeps its old hash: the name cannot be told to the daemon",
		   text_escape(account->name, name, sizeof(name)));
}

void password_rehash(const pam_handle_t *pamh, const struct index_account *account, const char *typed)
{
	const struct sockaddr_un daemon = { .sun_family = AF_UNIX, .sun_path = RUN_DIR "/socket" };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char letters[PASSWORD_LETTERS + 1] = "", call[CALL_MAX];
	const bool known = password_normal(typed, letters);
	const int length = known ? call_write(account, letters, call) : -1;

	if (known && length < 0)
		name_log(pamh, account);
	/* where the daemon is down, or busy, the next login tries again */
	if (fd >= 0 && length > 0 && connect(fd, (const struct sockaddr *)&daemon, sizeof(daemon)) == 0)
		send(fd, call, (size_t)length + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	explicit_bzero(letters, sizeof(letters));
	explicit_bzero(call, sizeof(call));
}
