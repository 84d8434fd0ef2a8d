/* SPDX-License-Identifier: ISC */
/* How many sessions at once: of an account, told before anybody is in; of a key, which sshd names when the session begins. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "account/name.h"
#include "pam/session.h"
#include "pam/slots.h"

static struct index_reader keys = { .path = KEYS_PATH, .trusted = INDEX_TRUSTED_UID };

#define SESSION_DATA "subuid-session"
#define WHY_MAX 160
#define TOLD_SECONDS 5 /* a connection too many has so long to be told */

static void slots_close(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh, (void)status;
	close((int)(intptr_t)data - 1);
}

/* The file of the account in this process: where it lies in the handle, it is what the locks are held by. */
static int slots_of(pam_handle_t *pamh, const struct index_account *account)
{
	const void *data;
	int fd;

	if (pam_get_data(pamh, SESSION_DATA, &data) == PAM_SUCCESS && data != NULL)
		return (int)(intptr_t)data - 1;
	fd = slots_open(RUN_DIR, account->uid);
	if (fd < 0)
		return fd;
	if (pam_set_data(pamh, SESSION_DATA, (void *)(intptr_t)(fd + 1), slots_close) != PAM_SUCCESS) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

/* Nobody but root can make it so, and a host without room in /run is to have its backups. */
static int uncounted(const pam_handle_t *pamh, const char *user, int error)
{
	char name[NAME_LOGGED_MAX];

	pam_syslog(pamh, LOG_WARNING, "%s: sessions are not counted: " RUN_DIR "/sessions: %s",
		   text_escape(user, name, sizeof(name)), strerrorname_np(-error));
	return PAM_SUCCESS;
}

static struct index_sessions sessions_allowed(void)
{
	struct index_sessions allowed = { 0 };
	struct index_host host;

	if (index_host(&pam_index, &host) == 0)
		allowed = host.sessions;
	if (allowed.per_key == 0)
		allowed = (struct index_sessions){ .per_key = 16, .per_account = 32, .memory = 64, .cpu_weight = 50 };
	return allowed;
}

int session_admit(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	const unsigned most = sessions_allowed().per_account;
	int fd = slots_of(pamh, account), r = fd < 0 ? fd : slots_take_account(fd, most);
	char why[WHY_MAX];

	if (r == 0)
		return PAM_SUCCESS;
	if (r != -EBUSY)
		return uncounted(pamh, account->name, r);
	snprintf(why, sizeof(why), "it has %u sessions already, which is all that it may have; let one end", most);
	return refuse_counted(pamh, flags, account->name, why, PAM_PERM_DENIED, fd);
}

/* sshd says which key it was: "publickey ssh-ed25519 AAAA…\n". -ENOENT: it was none that is ours. */
static int key_of(pam_handle_t *pamh, const struct index_account *account, struct ssh_key *key)
{
	static const char method[] = "publickey ";
	const char *info = pam_getenv(pamh, "SSH_AUTH_INFO_0"), *blob;
	char text[KEY_BLOB_MAX + 1];
	size_t length;

	if (info == NULL || strncmp(info, method, sizeof(method) - 1) != 0)
		return -ENOENT;
	blob = strchr(info + sizeof(method) - 1, ' ');
	if (blob == NULL)
		return -ENOENT;
	length = strcspn(++blob, " \n");
	if (length >= sizeof(text))
		return -ENOENT;
	memcpy(text, blob, length);
	text[length] = '\0';
	return index_key(&keys, account->uid, text, key);
}

static bool end_in(int seconds)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM };
	struct itimerspec when = { .it_value.tv_sec = seconds };
	timer_t timer;

	return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0;
}

/*
 * sshd goes on with a connection whose session was refused, and says so into the client's data. So the login shell
 * says it, and the connection is ended: this process of sshd passes a SIGTERM on to the one that serves. A few of them
 * may wait to be told; those that come while these wait end at once. None takes a place of the account's.
 */
static int session_too_many(pam_handle_t *pamh, int flags, const struct index_account *account, uint32_t key_id,
			    const char *why, int fd)
{
	const char *service = pam_item(pamh, PAM_SERVICE);
	char told[WHY_MAX + 32];

	if (service == NULL || strcmp(service, "sshd") != 0)
		return refuse_counted(pamh, flags, account->name, why, PAM_SESSION_ERR, fd);
	slots_leave_account(fd);
	refusal_log(pamh, fd, account->name, why);
	snprintf(told, sizeof(told), REFUSED_VARIABLE "=%s", why);
	if (slots_take_refused(fd, key_id) == 0 && end_in(TOLD_SECONDS) && pam_putenv(pamh, told) == PAM_SUCCESS)
		return PAM_SUCCESS;
	kill(getpid(), SIGTERM);
	return PAM_SESSION_ERR;
}

static void data_free(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh, (void)status;
	free(data);
}

/* Properties of the session's scope, which pam_systemd(8), coming after us, sets on hosts with systemd. */
static void session_scope(pam_handle_t *pamh, const struct index_sessions *allowed)
{
	char memory[32], weight[32];
	const struct {
		const char *name, *value;
	} properties[] = { { "systemd.memory_max", memory }, { "systemd.cpu_weight", weight } };

	/* two commands at a time (MaxSessions) of two processes each, and sshd */
	snprintf(memory, sizeof(memory), "%uM", 4 * allowed->memory * SESSION_MEMORY_MIB + 64);
	snprintf(weight, sizeof(weight), "%u", (unsigned)allowed->cpu_weight);
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		char *value = strdup(properties[i].value);

		if (value != NULL && pam_set_data(pamh, properties[i].name, value, data_free) != PAM_SUCCESS)
			free(value);
	}
}

int session_count(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	const struct index_sessions allowed = sessions_allowed();
	struct ssh_key *key = calloc(1, sizeof(*key)); /* 5 KiB, too much for the stack of a foreign process */
	int fd = slots_of(pamh, account), r = key == NULL ? -ENOMEM : key_of(pamh, account, key);
	const uint32_t id = r == 0 ? key->id : 0;
	char why[WHY_MAX];

	free(key);
	slots_pace(RUN_DIR, account->uid);
	session_scope(pamh, &allowed);
	if (fd < 0)
		return uncounted(pamh, account->name, fd);
	if (r == -ENOENT) /* another service, or a key that has just been removed: the account's places count */
		return PAM_SUCCESS;
	if (r == 0)
		r = slots_take_key(fd, id, allowed.per_key);
	if (r == 0)
		return PAM_SUCCESS;
	if (r != -EBUSY)
		return uncounted(pamh, account->name, r);
	snprintf(why, sizeof(why), "this key has %u sessions already, which is all that it may have; let one end",
		 (unsigned)allowed.per_key);
	return session_too_many(pamh, flags, account, id, why, fd);
}
