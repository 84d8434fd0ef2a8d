/* SPDX-License-Identifier: ISC */
/* Limits the number of simultaneous sessions: of an account, before anybody is logged in; of a key, which sshd names
 * when the session begins. */
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

#include "account/date.h"
#include "account/key_words.h"
#include "account/name.h"
#include "account/password.h"
#include "account/session_end.h"
#include "index/verdict.h"
#include "pam/grant.h"
#include "pam/password.h"
#include "pam/session.h"
#include "pam/slots.h"

#define SESSION_DATA "subuid-session"
#define BOUNDS_UNKNOWN "what it may take of this host cannot be found out or set (see subuid doctor)"
#define SECONDS_PER_HOUR 3600
#define TOLD_SECONDS 5 /* how long a surplus connection has to be told why */

static void slots_close(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh, (void)status;
	close((int)(intptr_t)data - 1);
}

/* The account's file in this process: kept in the handle, it holds the locks. */
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

/* Only root can cause this, and a host without room in /run should still have its backups. */
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

/* Hours; 0: no limit. */
static unsigned sessions_longest(void)
{
	struct index_host host;

	return index_host(&pam_index, &host) == 0 ? host.session_hours : 0;
}

/* In words: when there is room for one more login. */
static int too_often(pam_handle_t *pamh, int flags, const struct index_account *account, unsigned most, unsigned wait,
		     int fd)
{
	char why[WHY_MAX];

	slots_leave_account(fd);
	snprintf(why, sizeof(why),
		 "it has logged in %u times within a minute, the most that it may; try again in %u seconds", most,
		 wait);
	return refuse_counted(pamh, flags, account, why, PAM_PERM_DENIED, fd);
}

int session_admit(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	struct account_bounds bounds;
	int fd = slots_of(pamh, account), r = index_bounds(&pam_index, account, &bounds);
	const unsigned most = r == 0 && bounds.of.of[BOUND_SESSIONS] != 0 ? (unsigned)bounds.of.of[BOUND_SESSIONS] :
									    sessions_allowed().per_account;
	const unsigned logins = r == 0 ? (unsigned)bounds.of.of[BOUND_LOGINS] : 0;
	unsigned wait = 0;
	char why[WHY_MAX];

	if (r < 0)
		return refuse_counted(pamh, flags, account, BOUNDS_UNKNOWN, PAM_AUTHINFO_UNAVAIL, -1);
	r = fd < 0 ? fd : slots_take_account(fd, most);
	if (r == -EBUSY) {
		snprintf(why, sizeof(why), "it already has %u sessions, the most that it may have; end one first",
			 most);
		return refuse_counted(pamh, flags, account, why, PAM_PERM_DENIED, fd);
	}
	if (r == 0 && logins != 0)
		r = slots_login(fd, logins, &wait);
	if (r == -EBUSY)
		return too_often(pamh, flags, account, logins, wait, fd);
	return r < 0 ? uncounted(pamh, account->name, r) : PAM_SUCCESS;
}

/* This process, which holds the connection as root, gets a SIGTERM then: sshd passes it on to the one that serves, and
 * su and its like to the session that they wait for. */
static bool end_at(clockid_t clock, int flags, time_t seconds)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM };
	struct itimerspec when = { .it_value.tv_sec = seconds };
	timer_t timer;

	return timer_create(clock, &event, &timer) == 0 && timer_settime(timer, flags, &when, NULL) == 0;
}

static bool end_in(int seconds)
{
	return end_at(CLOCK_MONOTONIC, 0, seconds);
}

/* sshd would go on with a connection whose session was refused: it may still forward. */
void session_end_soon(pam_handle_t *pamh)
{
	if (from_sshd(pamh) && !end_in(TOLD_SECONDS))
		kill(getpid(), SIGTERM);
}

static const char *kind_of(const struct ssh_key *key)
{
	return key_is_password(key) ? PASSWORD_TYPE : "key";
}

/* Whichever comes first. */
static struct session_end end_of(const struct index_account *account, const struct ssh_key *key, unsigned hours)
{
	struct session_end end = { 0 };

	if (key != NULL)
		session_end_add(&end, key->expires, key_is_password(key) ? SESSION_END_PASSWORD : SESSION_END_KEY);
	session_end_add(&end, verdict_end(account), SESSION_END_ACCOUNT);
	if (hours != 0)
		session_end_add(&end, time(NULL) + (int64_t)hours * SECONDS_PER_HOUR, SESSION_END_HOURS);
	return end;
}

/* To anyone who has a terminal. sshd shows nothing of ours where a command is forced: the login shell does, also when
 * the end has come near. */
static void session_end_told(pam_handle_t *pamh, const struct index_account *account, const struct session_end *end)
{
	char told[sizeof(ENDS_VARIABLE "=") + SESSION_END_MAX] = ENDS_VARIABLE "=", text[SESSION_END_TEXT];

	session_end_text(end, text);
	session_end_format(end, told + strlen(told));
	if (from_sshd(pamh) && pam_putenv(pamh, told) != PAM_SUCCESS)
		pam_syslog(pamh, LOG_WARNING, "a session is not told when it ends: no memory");
	if (!from_sshd(pamh) && session_ends_soon(end, time(NULL)))
		pam_info(pamh, "%s: %s", account->name, text);
}

/* A session does not outlive what admitted it, nor the longest time that the host allows. */
static int session_bound(pam_handle_t *pamh, int flags, const struct index_account *account, const struct ssh_key *key)
{
	const unsigned hours = sessions_longest();
	const struct session_end expires = end_of(account, key, 0), end = end_of(account, key, hours);

	if ((expires.at != 0 && !end_at(CLOCK_REALTIME, TIMER_ABSTIME, (time_t)expires.at)) ||
	    (hours != 0 && !end_in((int)hours * SECONDS_PER_HOUR))) {
		session_end_soon(pamh);
		return refuse_counted(pamh, flags, account, "the end of its session cannot be set", PAM_SESSION_ERR,
				      -1);
	}
	if (end.at != 0 && !(flags & PAM_SILENT))
		session_end_told(pamh, account, &end);
	return PAM_SUCCESS;
}

/*
 * sshd goes on with a connection whose session was refused, and says so into the client's data. So the login shell says
 * it, and the connection is ended: this process of sshd passes a SIGTERM on to the one that serves. A few surplus
 * connections may wait to be told; others that come meanwhile end at once. None takes one of the account's places.
 */
static int session_told(pam_handle_t *pamh, int flags, const struct index_account *account, uint32_t key_id,
			const char *why, int fd)
{
	char told[WHY_MAX + 32];

	if (!from_sshd(pamh))
		return refuse_counted(pamh, flags, account, why, PAM_SESSION_ERR, fd);
	slots_leave_account(fd);
	refusal_log(pamh, fd, account->name, why);
	snprintf(told, sizeof(told), REFUSED_VARIABLE "=%s", why);
	if (slots_take_refused(fd, key_id) == 0 && end_in(TOLD_SECONDS) && pam_putenv(pamh, told) == PAM_SUCCESS)
		return PAM_SUCCESS;
	kill(getpid(), SIGTERM);
	return PAM_SESSION_ERR;
}

/* Where this fails the login shell refuses, and this says why. */
static void session_grant(pam_handle_t *pamh, const struct index_account *account, const struct ssh_key *key)
{
	char name[NAME_LOGGED_MAX];
	int r;

	if ((account->flags & (ACCOUNT_PASSWORDS | ACCOUNT_BOTH)) == 0 && !key_is_password(key))
		return;
	r = grant_write(pamh, RUN_DIR, key);
	if (r < 0)
		pam_syslog(pamh, LOG_ERR, "%s: what it may do cannot be noted in " RUN_DIR "/" GRANTS_DIRECTORY ": %s",
			   text_escape(account->name, name, sizeof(name)), strerrorname_np(-r));
}

int session_count(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	const struct index_sessions allowed = sessions_allowed();
	struct account_bounds bounds;
	struct ssh_key *key = calloc(1, sizeof(*key)); /* 5 KiB, too much for the stack of a foreign process */
	int fd = slots_of(pamh, account), r = key == NULL ? -ENOMEM : session_key(pamh, account, key);
	const uint32_t id = r == 0 ? key->id : 0;
	const char *const kind = r == 0 ? kind_of(key) : "";
	const int bound = session_bound(pamh, flags, account, r == 0 ? key : NULL);
	char why[WHY_MAX];
	int limits;

	if (r == 0)
		session_grant(pamh, account, key);
	free(key);
	if (bound != PAM_SUCCESS)
		return bound;
	slots_pace(RUN_DIR, account->uid);
	limits = index_bounds(&pam_index, account, &bounds);
	if (limits == 0)
		limits = session_limits(pamh, &bounds);
	if (limits < 0)
		return refuse_account(pamh, flags, account, BOUNDS_UNKNOWN, PAM_SESSION_ERR);
	session_scope(pamh, &bounds, allowed.memory * SESSION_MEMORY_MIB);
	if ((account->flags & ACCOUNT_FROZEN) != 0) /* since it was admitted */
		return session_told(pamh, flags, account, id, frozen_text(account, why), fd);
	if (r == -EKEYREJECTED) /* sshd's block for these accounts is not in force */
		return session_told(pamh, flags, account, 0, "it needs a key and a password, and got one of them", fd);
	if (fd < 0)
		return uncounted(pamh, account->name, fd);
	if (r == -ENOENT) /* another service, or a key that has just been removed: only the account's limit applies */
		return PAM_SUCCESS;
	if (r == 0)
		r = slots_take_key(fd, id, allowed.per_key);
	if (r == 0)
		return PAM_SUCCESS;
	if (r != -EBUSY)
		return uncounted(pamh, account->name, r);
	snprintf(why, sizeof(why), "this %s already has %u sessions, the most that it may have; end one first", kind,
		 (unsigned)allowed.per_key);
	return session_told(pamh, flags, account, id, why, fd);
}
