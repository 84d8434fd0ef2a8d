/* SPDX-License-Identifier: ISC */
/* Asks the verifier about a password, with a bound on the time. Run in foreign processes, most of them root's. */
#include "pam/password.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>
#include <security/pam_ext.h>

#include "account/password_question.h"
#include "confine/cleanup.h"
#include "pam/session.h"

#define WAIT_MS 5000 /* others are before us, and each takes its time */

static struct index_reader keys = { .path = KEYS_PATH, .trusted = INDEX_TRUSTED_UID };

/* The verdict, or negative errno: there is none. */
static int ask(const struct password_question *question)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PASSWORDS_SOCKET };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct password_answer answer;
	int r;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (send(fd, question, sizeof(*question), MSG_NOSIGNAL) != (ssize_t)sizeof(*question))
		return -EIO;
	do
		r = poll(&readable, 1, WAIT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	if (recv(fd, &answer, sizeof(answer), MSG_TRUNC) != (ssize_t)sizeof(answer))
		return -EPROTO;
	return (int)answer.verdict;
}

/* What it said, for the log: never the password, and to the person nothing. */
static void refusal_say(const pam_handle_t *pamh, const char *user, int verdict)
{
	char name[NAME_LOGGED_MAX];
	const char *why = verdict == PASSWORD_WRONG    ? "no password of this account, or not now, or not from there" :
			  verdict == PASSWORD_TOO_MANY ? "too many wrong passwords in the last minute" :
							 strerrordesc_np(-verdict);

	pam_syslog(pamh, LOG_NOTICE, "%s: %s%s", text_escape(user, name, sizeof(name)),
		   verdict < 0 ? "passwords cannot be checked: " : "password refused: ", why != NULL ? why : "?");
}

/* Says to the session which of them it was: the first group, which is no secret. */
static bool password_tell(pam_handle_t *pamh, const char *typed)
{
	char letters[PASSWORD_LETTERS + 1] = "", variable[sizeof(PASSWORD_VARIABLE) + 1 + PASSWORD_SELECTOR];
	bool told = password_normal(typed, letters);

	snprintf(variable, sizeof(variable), PASSWORD_VARIABLE "=%.*s", PASSWORD_SELECTOR, letters);
	explicit_bzero(letters, sizeof(letters));
	return told && pam_putenv(pamh, variable) == PAM_SUCCESS;
}

/* libpam logs an error if there is nothing to take away. */
void password_forget(pam_handle_t *pamh)
{
	if (pam_getenv(pamh, PASSWORD_VARIABLE) != NULL)
		pam_putenv(pamh, PASSWORD_VARIABLE);
}

int password_authenticate(pam_handle_t *pamh, const char *user, const struct index_account *account)
{
	struct password_question question = { .magic = PASSWORD_QUESTION };
	const char *typed = NULL, *address = pam_item(pamh, PAM_RHOST);
	int verdict = -EINVAL;

	password_forget(pamh); /* of an earlier try */
	if (pam_get_authtok(pamh, PAM_AUTHTOK, &typed, NULL) != PAM_SUCCESS || typed == NULL)
		return PAM_AUTH_ERR;
	if (strlen(user) > PASSWORD_NAME_MAX)
		return PAM_USER_UNKNOWN;
	snprintf(question.name, sizeof(question.name), "%s", user);
	snprintf(question.address, sizeof(question.address), "%s", address != NULL ? address : "");
	snprintf(question.typed, sizeof(question.typed), "%s", typed); /* cut: password_tell() sees all of it */
	verdict = ask(&question);
	explicit_bzero(&question, sizeof(question));
	if (verdict == PASSWORD_RIGHT_OLD && account != NULL)
		password_rehash(pamh, account, typed);
	if ((verdict == PASSWORD_RIGHT || verdict == PASSWORD_RIGHT_OLD) && password_tell(pamh, typed))
		return PAM_SUCCESS;
	refusal_say(pamh, user, verdict);
	return verdict < 0 ? PAM_AUTHINFO_UNAVAIL : PAM_AUTH_ERR;
}

static bool starts(const char *info, const char *method)
{
	const size_t length = strlen(method);

	return strncmp(info, method, length) == 0 && strchr(" \n", info[length]) != NULL;
}

/* "publickey ssh-ed25519 AAAA…\n" */
static int key_of(const char *info, const struct index_account *account, struct ssh_key *key)
{
	const char *blob = strchr(info, ' ');
	char text[KEY_BLOB_MAX + 1];
	size_t length;

	blob = blob != NULL ? strchr(blob + 1, ' ') : NULL;
	if (blob == NULL)
		return -ENOENT;
	length = strcspn(++blob, " \n");
	if (length >= sizeof(text))
		return -ENOENT;
	memcpy(text, blob, length);
	text[length] = '\0';
	return index_key(&keys, account->uid, text, key);
}

static int password_of(pam_handle_t *pamh, const struct index_account *account, struct ssh_key *key)
{
	const char *selector = pam_getenv(pamh, PASSWORD_VARIABLE);
	int r = selector == NULL || !password_selector_valid(selector) ? -ENOENT :
									 index_key(&keys, account->uid, selector, key);

	return r == 0 && !key_is_password(key) ? -ENOENT : r;
}

/* Of several lines, each a method that succeeded, the one of this method; NULL: there is none. */
static const char *line_of(const char *info, const char *method)
{
	while (info != NULL && *info != '\0' && !starts(info, method)) {
		info = strchr(info, '\n');
		info = info != NULL ? info + 1 : NULL;
	}
	return info != NULL && *info != '\0' ? info : NULL;
}

/* The key says what the session may do; it ends with the one of both that expires first. */
static int both_of(pam_handle_t *pamh, const struct index_account *account, const char *key_line, bool password,
		   struct ssh_key *key)
{
	struct ssh_key *second = key_line != NULL && password ? calloc(1, sizeof(*second)) : NULL;
	int r = key_line == NULL || !password ? -EKEYREJECTED :
		second == NULL                ? -ENOMEM :
						key_of(key_line, account, key);

	if (r == 0)
		r = password_of(pamh, account, second);
	if (r == 0 && second->expires != 0 && (key->expires == 0 || second->expires < key->expires))
		key->expires = second->expires;
	free(second);
	return r == -ENOENT ? -EKEYREJECTED : r;
}

/* sshd says the methods, and of a key which; which password it was we have found ourselves. */
int session_key(pam_handle_t *pamh, const struct index_account *account, struct ssh_key *key)
{
	const char *info = pam_getenv(pamh, "SSH_AUTH_INFO_0"), *key_line = line_of(info, "publickey");
	const bool password = line_of(info, "password") != NULL || line_of(info, "keyboard-interactive/pam") != NULL;

	if ((account->flags & ACCOUNT_BOTH) != 0)
		return from_sshd(pamh) ? both_of(pamh, account, key_line, password, key) : -ENOENT;
	if (key_line != NULL)
		return key_of(key_line, account, key);
	return password ? password_of(pamh, account, key) : -ENOENT;
}
