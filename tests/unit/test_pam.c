/* SPDX-License-Identifier: ISC */
/*
 * The entry points of pam_subuid.so with a real PAM handle (pam_start_confdir) and
 * with index, passwd and shadow in the hands of the test (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <security/pam_appl.h>
#include <security/pam_modules.h>

#include "index/index.h"
#include "index/verdict.h"
#include "pam/password.h"
#include "pam/private.h"

/* ---- the world outside */

static struct {
	int index_error;
	struct index_account account;
	unsigned index_looks;
	int passwd_error, shadow_error; /* ENOENT: no entry */
	int sources;                    /* what they say when libc says "no entry" */
	uid_t uid;
	const char *passwd_field, *shadow_field, *shell;
	long expires_day;
	size_t need; /* bytes that the lookups ask for */
	unsigned lookups;
	int private_error;
} world;

int __wrap_index_account_by_name(struct index_reader *reader, const char *name, struct index_account *account);
int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret);
int __wrap_getspnam_r(const char *name, struct spwd *entry, char *buffer, size_t size, struct spwd **ret);

int __wrap_index_account_by_name(struct index_reader *reader, const char *name, struct index_account *account)
{
	(void)reader;
	(void)name;
	world.index_looks++;
	errno = ENOTTY; /* the module must not let it through */
	if (world.index_error == 0)
		*account = world.account;
	return world.index_error;
}

int __wrap_index_bounds(struct index_reader *reader, const struct index_account *account,
			struct account_bounds *bounds);
int __wrap_index_bounds(struct index_reader *reader, const struct index_account *account, struct account_bounds *bounds)
{
	(void)reader, (void)account;
	*bounds = (struct account_bounds){ 0 };
	return 0;
}

int __wrap_index_host(struct index_reader *reader, struct index_host *host);
int __wrap_index_host(struct index_reader *reader, struct index_host *host)
{
	(void)reader;
	*host = (struct index_host){ .homes = "/srv/subuid" };
	return 0;
}

int __wrap_private_enter(const struct private_view *view, const char **step);
int __wrap_private_enter(const struct private_view *view, const char **step)
{
	(void)view;
	*step = "the test's";
	return world.private_error;
}

static unsigned logged;

void __wrap_pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...);
void __wrap_pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...)
{
	(void)pamh, (void)priority, (void)format;
	logged++;
}

int __wrap_slots_open(const char *run, uint32_t uid);

/* Of a process of its own, so that all places are free: how they are shared is test_slots.c's. */
int __wrap_slots_open(const char *run, uint32_t uid)
{
	(void)run, (void)uid;
	return -ENOSPC;
}

void __wrap_slots_denied(const char *run, uint32_t owner_uid);

void __wrap_slots_denied(const char *run, uint32_t owner_uid)
{
	(void)run, (void)owner_uid;
}

int __wrap_source_each(const char *database, const char *function, int (*ask)(void *, void *), void *data);

int __wrap_source_each(const char *database, const char *function, int (*ask)(void *, void *), void *data)
{
	(void)database;
	(void)function;
	(void)ask;
	(void)data;
	return world.sources;
}

int __wrap_source_one(const char *database, const char *source, const char *function, int (*ask)(void *, void *),
		      void *data);

int __wrap_source_one(const char *database, const char *source, const char *function, int (*ask)(void *, void *),
		      void *data)
{
	(void)source;
	return __wrap_source_each(database, function, ask, data) == -ENOENT ? 0 : world.sources;
}

static int answer(int error, size_t size)
{
	world.lookups++;
	if (size < world.need)
		return ERANGE;
	return error;
}

int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
	int r = answer(world.passwd_error, size);

	*ret = NULL;
	if (r == ENOENT)
		return 0;
	if (r != 0)
		return r;
	buffer[size - 1] = 0; /* the whole of it must be ours */
	*entry = (struct passwd){ .pw_uid = world.uid };
	entry->pw_passwd = strcpy(buffer, world.passwd_field);
	entry->pw_shell = strcpy(buffer + strlen(buffer) + 1, world.shell);
	entry->pw_name = strcpy(entry->pw_shell + strlen(world.shell) + 1, name);
	*ret = entry;
	return 0;
}

int __wrap_getspnam_r(const char *name, struct spwd *entry, char *buffer, size_t size, struct spwd **ret)
{
	int r = answer(world.shadow_error, size);

	(void)name;
	*ret = NULL;
	if (r == ENOENT)
		return 0;
	if (r != 0)
		return r;
	*entry = (struct spwd){ .sp_expire = world.expires_day };
	entry->sp_pwdp = strcpy(buffer, world.shadow_field);
	*ret = entry;
	return 0;
}

static char told[256];

static int conversation(int count, const struct pam_message **messages, struct pam_response **responses, void *data)
{
	(void)data;
	*responses = calloc((size_t)count, sizeof(**responses));
	snprintf(told, sizeof(told), "%s", messages[0]->msg);
	return PAM_SUCCESS;
}

static int world_is_well(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.sources = -ENOENT;
	world.account = (struct index_account){ .uid = 2100000000,
						.owner_uid = 1000,
						.expires_day = -1,
						.name = "alice+web1",
						.owner = "alice",
						.label = "web1" };
	world.uid = 1000;
	world.passwd_field = "x";
	world.shadow_field = "*";
	world.shell = "/bin/bash";
	world.expires_day = -1;
	told[0] = '\0';
	return 0;
}

typedef int (*entry_point)(pam_handle_t *pamh, int flags, int argc, const char **argv);

static int enter(entry_point function, const char *user, const char *service, int flags, const char *option)
{
	const struct pam_conv conv = { .conv = conversation };
	const char *argv[] = { option, NULL };
	char directory[] = "/tmp/test_pam.XXXXXX", path[64];
	pam_handle_t *pamh = NULL;
	FILE *file;
	int status;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/%s", directory, service);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("account required pam_permit.so\n", file);
	fclose(file);
	assert_int_equal(pam_start_confdir(service, user, &conv, directory, &pamh), PAM_SUCCESS);
	errno = EXDEV;
	status = function(pamh, flags, option != NULL, argv);
	assert_int_equal(errno, EXDEV);
	pam_end(pamh, status);
	unlink(path);
	rmdir(directory);
	return status;
}

static int account(const char *user)
{
	return enter(pam_sm_acct_mgmt, user, "sshd", 0, NULL);
}

static long today(void)
{
	return (long)(time(NULL) / 86400);
}

/* ---- tests */

static void a_name_without_separator_is_passed_over_before_the_index(void **state)
{
	static const char *const names[] = { "root", "alice", "www-data", "a_b", "" };

	(void)state;
	world.index_error = -EUCLEAN;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(account(names[i]), PAM_IGNORE);
		assert_int_equal(enter(pam_sm_acct_mgmt, names[i], "sshd", 0, "nonsense"), PAM_IGNORE);
		assert_int_equal(enter(pam_sm_open_session, names[i], "sshd", 0, NULL), PAM_IGNORE);
	}
	assert_int_equal(world.index_looks, 0);
	assert_int_equal(world.lookups, 0);
}

static void a_name_with_a_separator_that_the_index_does_not_know_is_somebody_elses(void **state)
{
	(void)state;
	world.index_error = -ENOENT;
	assert_int_equal(account("a.b"), PAM_IGNORE);
	assert_int_equal(account("a+b"), PAM_IGNORE);
	assert_string_equal(told, "");
}

static void an_account_in_order_is_admitted(void **state)
{
	(void)state;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	assert_string_equal(told, "");
}

static void without_an_index_what_may_be_ours_is_refused(void **state)
{
	static const int errors[] = { -ENXIO, -EUCLEAN, -EPERM, -EACCES, -ENOMEM };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		world.index_error = errors[i];
		assert_int_equal(account("alice+web1"), PAM_AUTHINFO_UNAVAIL);
		/* another separator: refused unless another source knows the name */
		world.passwd_error = 0;
		assert_int_equal(account("a.b"), PAM_IGNORE);
		world.passwd_error = ENOENT;
		assert_int_equal(account("a.b"), PAM_AUTHINFO_UNAVAIL);
		world.passwd_error = EIO;
		assert_int_equal(account("a.b"), PAM_AUTHINFO_UNAVAIL);
		world.passwd_error = 0;
		world.shell = LIBEXECDIR "/login"; /* a cache that still answers for us */
		assert_int_equal(account("a.b"), PAM_AUTHINFO_UNAVAIL);
		world.shell = "/bin/sh";
	}
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "sshd", 0, NULL), PAM_SESSION_ERR);
	assert_int_equal(enter(pam_sm_authenticate, "alice+web1", "sshd", 0, NULL), PAM_AUTHINFO_UNAVAIL);
}

static void a_locked_account_is_refused_and_told_why(void **state)
{
	(void)state;
	world.account.flags = ACCOUNT_LOCKED;
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_string_equal(told, "alice+web1: refused: the account is locked");
	told[0] = '\0';
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "sshd", PAM_SILENT, NULL), PAM_PERM_DENIED);
	assert_string_equal(told, "");
}

static void a_frozen_account_is_refused_and_told_how_that_ends(void **state)
{
	(void)state;
	world.account.flags = ACCOUNT_FROZEN;
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_string_equal(told, "alice+web1: refused: it is frozen; its owner takes that back: subuid thaw web1");
	/* a reason to end what runs comes first; doubt about the owner is none */
	world.account.flags |= ACCOUNT_LOCKED;
	told[0] = '\0';
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_non_null(strstr(told, "the account is locked"));
	world.account.flags = ACCOUNT_FROZEN;
	world.passwd_error = EIO;
	told[0] = '\0';
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_non_null(strstr(told, "frozen"));
}

/* Frozen since it was admitted: the session would stand in its group, and not be refused. */
static void a_freeze_that_overtakes_a_login_refuses_its_session(void **state)
{
	(void)state;
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "su", 0, NULL), PAM_SUCCESS);
	world.account.flags = ACCOUNT_FROZEN;
	told[0] = '\0';
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "su", 0, NULL), PAM_SESSION_ERR);
	assert_string_equal(told, "alice+web1: refused: it is frozen; its owner takes that back: subuid thaw web1");
}

/* The daemon is asked in words that are not quoted. */
static void a_name_that_is_not_told_is_logged(void **state)
{
	(void)state;
	logged = 0;
	password_rehash(NULL, &world.account, "aaaa-aaaaa-aaaaa-aaaaa-aaaaa");
	assert_int_equal(logged, 0);
	strcpy(world.account.owner, "al\"ice");
	password_rehash(NULL, &world.account, "aaaa-aaaaa-aaaaa-aaaaa-aaaaa");
	assert_int_equal(logged, 1);
}

static void an_account_is_unusable_from_its_day_on(void **state)
{
	(void)state;
	world.account.expires_day = (int32_t)today() + 1;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	world.account.expires_day = (int32_t)today();
	assert_int_equal(account("alice+web1"), PAM_ACCT_EXPIRED);
	world.account.expires_day = 0;
	assert_int_equal(account("alice+web1"), PAM_ACCT_EXPIRED);
}

static void an_owner_who_is_gone_changed_locked_or_expired_takes_his_accounts_along(void **state)
{
	(void)state;
	world.passwd_error = ENOENT;
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_non_null(strstr(told, "no longer exists"));
	world_is_well(NULL);
	world.uid = 1001;
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_non_null(strstr(told, "another uid"));
	world_is_well(NULL);
	world.shadow_field = "!$y$j9T$x";
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
	assert_non_null(strstr(told, "locked"));
	world_is_well(NULL);
	world.expires_day = 1;
	assert_int_equal(account("alice+web1"), PAM_ACCT_EXPIRED);
	assert_non_null(strstr(told, "expired"));
	world.expires_day = 0;
	assert_int_equal(account("alice+web1"), PAM_ACCT_EXPIRED);
	world.expires_day = today() + 1;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
}

static void an_owner_without_a_password_is_not_a_locked_one(void **state)
{
	static const char *const fields[] = { "*", "!", "", "$y$j9T$x" };

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		world.shadow_field = fields[i];
		assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	}
	assert_true(password_locked("!!"));
	assert_true(password_locked("!*"));
	assert_false(password_locked("!"));
	assert_false(password_locked(NULL));
}

static void an_outage_takes_no_access_away(void **state)
{
	static const int errors[] = { EIO, EMFILE, ENOMEM, EAGAIN, ESRCH, EHOSTDOWN };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		world_is_well(NULL);
		world.passwd_error = errors[i];
		assert_int_equal(account("alice+web1"), PAM_SUCCESS);
		world_is_well(NULL);
		world.shadow_error = errors[i];
		assert_int_equal(account("alice+web1"), PAM_SUCCESS);
		/* what is certain stays so */
		world.uid = 1001;
		assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
		world.uid = 1000;
		world.account.flags = ACCOUNT_LOCKED;
		assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
		world.account.flags = 0;
		world.account.expires_day = 1;
		assert_int_equal(account("alice+web1"), PAM_ACCT_EXPIRED);
	}
	/* a later source that has never heard of the user: glibc says "no", the sources say that one is down */
	world_is_well(NULL);
	world.passwd_error = ENOENT;
	world.sources = -EAGAIN;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	world.sources = -ENOENT;
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
}

static void what_this_host_does_not_say_is_no_outage(void **state)
{
	(void)state;
	world.shadow_error = EACCES;
	assert_int_equal(account("alice+web1"), PAM_AUTHINFO_UNAVAIL);
	/* passwd says that the rest is in shadow, and there it is not */
	world_is_well(NULL);
	world.shadow_error = ENOENT;
	assert_int_equal(account("alice+web1"), PAM_AUTHINFO_UNAVAIL);
	/* LDAP without shadow */
	world.passwd_field = "*";
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	world.passwd_field = "!{SSHA}x";
	assert_int_equal(account("alice+web1"), PAM_PERM_DENIED);
}

static void large_entries_are_read_and_endless_ones_are_doubt(void **state)
{
	(void)state;
	world.need = 200000;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS);
	world.need = SIZE_MAX;
	world.lookups = 0;
	assert_int_equal(account("alice+web1"), PAM_SUCCESS); /* in doubt */
	assert_true(world.lookups < 16);
}

static void only_the_listed_services_are_open(void **state)
{
	(void)state;
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "su", 0, NULL), PAM_PERM_DENIED);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "ssh", 0, NULL), PAM_PERM_DENIED);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "su", 0, "services=sshd,su"), PAM_SUCCESS);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "sshd", 0, "services=su"), PAM_PERM_DENIED);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "systemd-user", 0, NULL), PAM_PERM_DENIED);
	world.account.flags = ACCOUNT_SERVICES;
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "systemd-user", 0, NULL), PAM_SUCCESS);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "systemd-users", 0, NULL), PAM_PERM_DENIED);
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "su", 0, NULL), PAM_PERM_DENIED);
	world.account.flags |= ACCOUNT_LOCKED;
	assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "systemd-user", 0, NULL), PAM_PERM_DENIED);
}

static void an_unknown_or_empty_option_is_an_error(void **state)
{
	static const char *const options[] = { "service=sshd",   "debug",          "services",
					       "services=",      "services=sshd,", "services=,sshd",
					       "services=ss hd", "services=*",     "SERVICES=sshd" };

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_int_equal(enter(pam_sm_acct_mgmt, "alice+web1", "sshd", 0, options[i]), PAM_SERVICE_ERR);
}

static void the_other_functions_know_their_own(void **state)
{
	(void)state;
	assert_int_equal(enter(pam_sm_authenticate, "alice+web1", "sshd", 0, NULL), PAM_AUTH_ERR); /* nobody types */
	assert_int_equal(enter(pam_sm_setcred, "alice+web1", "sshd", 0, NULL), PAM_SUCCESS);
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "sshd", 0, NULL), PAM_SUCCESS);
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "su", 0, "services=sshd"), PAM_SESSION_ERR);
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "su", 0, "service=su"), PAM_SESSION_ERR);
	world.private_error = -EPERM;
	assert_int_equal(enter(pam_sm_open_session, "alice+web1", "su", 0, NULL), PAM_SESSION_ERR);
	assert_int_equal(enter(pam_sm_close_session, "alice+web1", "sshd", 0, NULL), PAM_SUCCESS);
	assert_int_equal(enter(pam_sm_chauthtok, "alice+web1", "sshd", 0, NULL), PAM_AUTHTOK_ERR);
	world.index_error = -ENOENT;
	assert_int_equal(enter(pam_sm_authenticate, "a+b", "sshd", 0, NULL), PAM_IGNORE);
	assert_int_equal(enter(pam_sm_setcred, "a+b", "sshd", 0, NULL), PAM_IGNORE);
	assert_int_equal(enter(pam_sm_close_session, "a+b", "sshd", 0, NULL), PAM_IGNORE);
	assert_int_equal(enter(pam_sm_chauthtok, "a+b", "sshd", 0, NULL), PAM_IGNORE);
}

static unsigned descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

static void no_descriptor_is_left_behind(void **state)
{
	unsigned before;

	(void)state;
	account("alice+web1"); /* the first log line may open the log */
	before = descriptors();
	for (int i = 0; i < 20; i++) {
		account("alice+web1");
		world.account.flags ^= ACCOUNT_LOCKED;
	}
	assert_int_equal(descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_name_without_separator_is_passed_over_before_the_index, world_is_well),
		cmocka_unit_test_setup(a_name_with_a_separator_that_the_index_does_not_know_is_somebody_elses,
				       world_is_well),
		cmocka_unit_test_setup(an_account_in_order_is_admitted, world_is_well),
		cmocka_unit_test_setup(without_an_index_what_may_be_ours_is_refused, world_is_well),
		cmocka_unit_test_setup(a_locked_account_is_refused_and_told_why, world_is_well),
		cmocka_unit_test_setup(a_frozen_account_is_refused_and_told_how_that_ends, world_is_well),
		cmocka_unit_test_setup(a_freeze_that_overtakes_a_login_refuses_its_session, world_is_well),
		cmocka_unit_test_setup(a_name_that_is_not_told_is_logged, world_is_well),
		cmocka_unit_test_setup(an_account_is_unusable_from_its_day_on, world_is_well),
		cmocka_unit_test_setup(an_owner_who_is_gone_changed_locked_or_expired_takes_his_accounts_along,
				       world_is_well),
		cmocka_unit_test_setup(an_owner_without_a_password_is_not_a_locked_one, world_is_well),
		cmocka_unit_test_setup(an_outage_takes_no_access_away, world_is_well),
		cmocka_unit_test_setup(what_this_host_does_not_say_is_no_outage, world_is_well),
		cmocka_unit_test_setup(large_entries_are_read_and_endless_ones_are_doubt, world_is_well),
		cmocka_unit_test_setup(only_the_listed_services_are_open, world_is_well),
		cmocka_unit_test_setup(an_unknown_or_empty_option_is_an_error, world_is_well),
		cmocka_unit_test_setup(the_other_functions_know_their_own, world_is_well),
		cmocka_unit_test_setup(no_descriptor_is_left_behind, world_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
