/* SPDX-License-Identifier: ISC */
/* libnss_subuid as glibc calls it: the module is loaded, with a state directory of the test's own. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "nss/answer.h"
#include "tests/unit/index_fixture.h"

#define ACCOUNTS 50u
#define BUFFER 1024

static struct {
	__typeof__(_nss_subuid_getpwnam_r) *getpwnam;
	__typeof__(_nss_subuid_getpwuid_r) *getpwuid;
	__typeof__(_nss_subuid_setpwent) *setpwent;
	__typeof__(_nss_subuid_getpwent_r) *getpwent;
	__typeof__(_nss_subuid_endpwent) *endpwent;
	__typeof__(_nss_subuid_getgrnam_r) *getgrnam;
	__typeof__(_nss_subuid_getgrgid_r) *getgrgid;
	__typeof__(_nss_subuid_setgrent) *setgrent;
	__typeof__(_nss_subuid_getgrent_r) *getgrent;
	__typeof__(_nss_subuid_endgrent) *endgrent;
	__typeof__(_nss_subuid_initgroups_dyn) *initgroups;
	__typeof__(_nss_subuid_getspnam_r) *getspnam;
	__typeof__(_nss_subuid_setspent) *setspent;
	__typeof__(_nss_subuid_getspent_r) *getspent;
	__typeof__(_nss_subuid_endspent) *endspent;
} nss;

static struct fixture fixture;
static struct index_writer *writer;
static char buffer[BUFFER] __attribute__((aligned(16)));

static void *symbol(void *module, const char *name)
{
	void *found = dlsym(module, name);

	if (found == NULL)
		fail_msg("%s is not exported", name);
	return found;
}

static int load(void **state)
{
	char exe[4096] = "", path[4200];
	void *module;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	snprintf(path, sizeof(path), "%s/nss/libnss_subuid.so.2", dirname(exe));
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL)
		fail_msg("%s", dlerror());
#define LOAD(member, name) *(void **)&nss.member = symbol(module, "_nss_subuid_" name)
	LOAD(getpwnam, "getpwnam_r");
	LOAD(getpwuid, "getpwuid_r");
	LOAD(setpwent, "setpwent");
	LOAD(getpwent, "getpwent_r");
	LOAD(endpwent, "endpwent");
	LOAD(getgrnam, "getgrnam_r");
	LOAD(getgrgid, "getgrgid_r");
	LOAD(setgrent, "setgrent");
	LOAD(getgrent, "getgrent_r");
	LOAD(endgrent, "endgrent");
	LOAD(initgroups, "initgroups_dyn");
	LOAD(getspnam, "getspnam_r");
	LOAD(setspent, "setspent");
	LOAD(getspent, "getspent_r");
	LOAD(endspent, "endspent");
	/* the directory that this build of the module looks in (tests/tests.mk) */
	snprintf(path, sizeof(path), "%s/nss/state", exe);
	mkdir(path, 0755);
	fixture.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture.dirfd >= 0);
	unlinkat(fixture.dirfd, "index", 0);
	fixture.options = fixture_options(INDEX_FILE_PUBLIC, ACCOUNTS);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	index_writer_free(writer);
	unlinkat(fixture.dirfd, "index", 0);
	close(fixture.dirfd);
	return 0;
}

static void without_an_index_it_is_unavailable(void **state)
{
	struct passwd pwd;
	int error = 0;

	(void)state;
	errno = ENOTTY;
	assert_int_equal(nss.getpwuid(UID_FIRST, &pwd, buffer, BUFFER, &error), NSS_STATUS_UNAVAIL);
	assert_int_equal(error, ENOENT);
	assert_int_equal(nss.getpwnam("owner0+web0", &pwd, buffer, BUFFER, &error), NSS_STATUS_UNAVAIL);
	assert_int_equal(nss.getpwnam("root", &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(errno, ENOTTY);
	/* from here on there is one */
	writer = fixture_publish(&fixture, ACCOUNTS, 0, 1);
}

static void assert_passwd(const struct passwd *pwd, uint32_t i)
{
	struct account account = fixture_account(i);
	char name[ACCOUNT_NAME_MAX + 1], home[256];

	fixture_name(i, name);
	snprintf(home, sizeof(home), HOMES "/%s/%s", account.owner, account.label);
	assert_string_equal(pwd->pw_name, name);
	assert_string_equal(pwd->pw_passwd, "x");
	assert_int_equal(pwd->pw_uid, account.uid);
	assert_int_equal(pwd->pw_gid, account.uid);
	assert_string_equal(pwd->pw_gecos, account.facts.comment);
	assert_string_equal(pwd->pw_dir, home);
	assert_string_equal(pwd->pw_shell, SHELL);
}

static void passwd_by_name_and_uid(void **state)
{
	struct passwd pwd;
	char name[ACCOUNT_NAME_MAX + 1];
	int error = 4711;

	(void)state;
	errno = ENOTTY;
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		fixture_name(i, name);
		assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
		assert_passwd(&pwd, i);
		assert_int_equal(nss.getpwuid(UID_FIRST + i, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
		assert_passwd(&pwd, i);
	}
	assert_int_equal(error, 4711);
	assert_int_equal(errno, ENOTTY);
}

static void group_by_name_and_gid(void **state)
{
	struct group grp;
	char name[ACCOUNT_NAME_MAX + 1];
	int error;

	(void)state;
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		fixture_name(i, name);
		for (int by_name = 0; by_name < 2; by_name++) {
			memset(&grp, 0xff, sizeof(grp));
			assert_int_equal(by_name ? nss.getgrnam(name, &grp, buffer, BUFFER, &error) :
						   nss.getgrgid(UID_FIRST + i, &grp, buffer, BUFFER, &error),
					 NSS_STATUS_SUCCESS);
			assert_string_equal(grp.gr_name, name);
			assert_string_equal(grp.gr_passwd, "x");
			assert_int_equal(grp.gr_gid, UID_FIRST + i);
			assert_null(grp.gr_mem[0]);
		}
	}
}

static void what_is_not_ours_is_not_found(void **state)
{
	static const char *const names[] = {
		"",
		"root",
		"owner0",
		"+",
		"owner0+",
		"+web0",
		"owner0+web9",
		"owner0.web0",
		"owner0+web0 ",
		"owner0+web0+web0",
		"0123456789012345678901234567890123456789+0123456789012345678901234567890",
	};
	static const uid_t uids[] = { 0,        1000,         65534,    UID_FIRST - 1, UID_FIRST + ACCOUNTS,
				      UID_LAST, UID_LAST + 1, (uid_t)-1 };
	struct passwd pwd;
	struct group grp;
	int error;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		error = 0;
		assert_int_equal(nss.getpwnam(names[i], &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
		assert_int_equal(error, ENOENT);
		assert_int_equal(nss.getgrnam(names[i], &grp, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	}
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		assert_int_equal(nss.getpwuid(uids[i], &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
		assert_int_equal(nss.getgrgid(uids[i], &grp, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	}
}

static void locked_and_expired_accounts_resolve(void **state)
{
	struct account account = fixture_account(3);
	struct passwd pwd;
	int error;

	(void)state;
	account.flags = ACCOUNT_LOCKED;
	account.facts.expires_day = 1;
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	assert_int_equal(nss.getpwuid(account.uid, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	account = fixture_account(3);
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
}

/* Every buffer size from nothing to more than enough, at every alignment: ERANGE below the exact
 * size, success from there on, and never a byte behind the end. */
static void sizes(enum nss_status (*call)(char *at, size_t size, int *error), size_t (*exact)(const char *at))
{
	for (size_t shift = 0; shift < 8; shift++) {
		char *at = buffer + shift;
		size_t needed = exact(at);

		for (size_t size = 0; size <= needed + 64; size++) {
			int error = 0;
			enum nss_status status;

			memset(buffer, 0x5a, sizeof(buffer));
			status = call(at, size, &error);
			assert_int_equal(status, size < needed ? NSS_STATUS_TRYAGAIN : NSS_STATUS_SUCCESS);
			assert_int_equal(error, size < needed ? ERANGE : 0);
			for (size_t i = shift + size; i < sizeof(buffer); i++)
				assert_int_equal(buffer[i], 0x5a);
		}
	}
}

static size_t passwd_size(const char *at)
{
	struct account account = fixture_account(9);

	(void)at;
	return strlen("owner3+web9") + 1 + 2 + strlen(account.facts.comment) + 1 + strlen(HOMES "/owner3/web9") + 1 +
	       sizeof(SHELL);
}

static enum nss_status passwd_call(char *at, size_t size, int *error)
{
	struct passwd pwd;
	enum nss_status status = nss.getpwnam("owner3+web9", &pwd, at, size, error);

	if (status == NSS_STATUS_SUCCESS)
		assert_passwd(&pwd, 9);
	return status;
}

static enum nss_status passwd_uid_call(char *at, size_t size, int *error)
{
	struct passwd pwd;
	enum nss_status status = nss.getpwuid(UID_FIRST + 9, &pwd, at, size, error);

	if (status == NSS_STATUS_SUCCESS)
		assert_passwd(&pwd, 9);
	return status;
}

static size_t group_size(const char *at)
{
	return -(uintptr_t)at % sizeof(char *) + sizeof(char *) + sizeof("owner3+web9") + 2;
}

static enum nss_status group_call(char *at, size_t size, int *error)
{
	struct group grp;
	enum nss_status status = nss.getgrnam("owner3+web9", &grp, at, size, error);

	if (status == NSS_STATUS_SUCCESS) {
		assert_int_equal((uintptr_t)grp.gr_mem % _Alignof(char *), 0);
		assert_null(grp.gr_mem[0]);
		assert_string_equal(grp.gr_name, "owner3+web9");
	}
	return status;
}

static size_t shadow_size(const char *at)
{
	(void)at;
	return sizeof("owner3+web9") + 2;
}

static enum nss_status shadow_call(char *at, size_t size, int *error)
{
	struct spwd spwd;

	return nss.getspnam("owner3+web9", &spwd, at, size, error);
}

static void erange_below_the_exact_size(void **state)
{
	(void)state;
	sizes(passwd_call, passwd_size);
	sizes(passwd_uid_call, passwd_size);
	sizes(group_call, group_size);
	if (geteuid() == 0)
		sizes(shadow_call, shadow_size);
}

/* The lookups and the enumeration show the same accounts; a buffer too small loses none. */
static void enumeration_shows_each_once(void **state)
{
	unsigned passwds[ACCOUNTS] = { 0 }, groups[ACCOUNTS] = { 0 };
	struct passwd pwd;
	struct group grp;
	int error, status;

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(nss.setpwent(0), NSS_STATUS_SUCCESS);
		assert_int_equal(nss.setgrent(0), NSS_STATUS_SUCCESS);
		for (;;) {
			assert_int_not_equal(nss.getpwent(&pwd, buffer, 20, &error), NSS_STATUS_SUCCESS);
			status = nss.getpwent(&pwd, buffer, BUFFER, &error);
			if (status != NSS_STATUS_SUCCESS)
				break;
			assert_passwd(&pwd, pwd.pw_uid - UID_FIRST);
			passwds[pwd.pw_uid - UID_FIRST]++;
		}
		assert_int_equal(status, NSS_STATUS_NOTFOUND);
		while ((status = nss.getgrent(&grp, buffer, BUFFER, &error)) == NSS_STATUS_SUCCESS)
			groups[grp.gr_gid - UID_FIRST]++;
		assert_int_equal(status, NSS_STATUS_NOTFOUND);
		assert_int_equal(error, ENOENT);
		assert_int_equal(nss.endpwent(), NSS_STATUS_SUCCESS);
		assert_int_equal(nss.endgrent(), NSS_STATUS_SUCCESS);
	}
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(passwds[i], 2);
		assert_int_equal(groups[i], 2);
	}
}

static void enumeration_can_be_off(void **state)
{
	struct passwd pwd;
	struct group grp;
	struct spwd spwd;
	int error;

	(void)state;
	index_writer_free(writer);
	fixture.options.host.enumerate = 0;
	writer = fixture_publish(&fixture, ACCOUNTS, 0, 2);
	nss.setpwent(0);
	nss.setgrent(0);
	nss.setspent(0);
	assert_int_equal(nss.getpwent(&pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getgrent(&grp, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getspent(&spwd, buffer, BUFFER, &error),
			 geteuid() == 0 ? NSS_STATUS_NOTFOUND : NSS_STATUS_UNAVAIL);
	assert_int_equal(nss.getpwuid(UID_FIRST, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	index_writer_free(writer);
	fixture.options.host.enumerate = 1;
	writer = fixture_publish(&fixture, ACCOUNTS, 0, 3);
}

static void initgroups_adds_the_group_of_all(void **state)
{
	long int start = 1, size = 1;
	gid_t *groups = malloc(sizeof(*groups));
	int error = 0;

	(void)state;
	groups[0] = UID_FIRST;
	assert_int_equal(nss.initgroups("owner0+web0", UID_FIRST, &start, &size, &groups, -1, &error),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 2);
	assert_true(size >= 2);
	assert_int_equal(groups[0], UID_FIRST);
	assert_int_equal(groups[1], 987);
	/* once is enough */
	assert_int_equal(nss.initgroups("owner0+web0", UID_FIRST, &start, &size, &groups, -1, &error),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 2);
	/* nobody else's */
	start = 1;
	assert_int_equal(nss.initgroups("root", 0, &start, &size, &groups, -1, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.initgroups("owner0+web9", 0, &start, &size, &groups, -1, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(start, 1);
	/* the caller has it as the primary group */
	assert_int_equal(nss.initgroups("owner0+web0", 987, &start, &size, &groups, -1, &error), NSS_STATUS_SUCCESS);
	assert_int_equal(start, 1);
	free(groups);
	/* a limit that is reached */
	groups = malloc(sizeof(*groups));
	groups[0] = UID_FIRST;
	start = 1;
	size = 1;
	assert_int_equal(nss.initgroups("owner0+web0", UID_FIRST, &start, &size, &groups, 1, &error),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 1);
	assert_int_equal(size, 1);
	assert_int_equal(nss.initgroups("owner0+web0", UID_FIRST, &start, &size, &groups, 2, &error),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 2);
	assert_int_equal(size, 2);
	free(groups);
}

static void shadow_is_for_root_and_has_no_hash(void **state)
{
	struct spwd spwd;
	int error = 0;
	unsigned seen = 0;

	(void)state;
	assert_int_equal(nss.getspnam("root", &spwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	if (geteuid() == 0) {
		assert_int_equal(nss.getspnam("owner0+web0", &spwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
		assert_string_equal(spwd.sp_namp, "owner0+web0");
		assert_string_equal(spwd.sp_pwdp, "*");
		assert_int_equal(spwd.sp_expire, 20000);
		assert_true(spwd.sp_lstchg == -1 && spwd.sp_min == -1 && spwd.sp_max == -1 && spwd.sp_warn == -1 &&
			    spwd.sp_inact == -1 && spwd.sp_flag == ~0ul);
		assert_int_equal(nss.getspnam("owner0+web2", &spwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
		assert_int_equal(spwd.sp_expire, -1);
		assert_int_equal(nss.setspent(0), NSS_STATUS_SUCCESS);
		while (nss.getspent(&spwd, buffer, BUFFER, &error) == NSS_STATUS_SUCCESS)
			seen++;
		assert_int_equal(seen, ACCOUNTS);
		nss.endspent();
		assert_int_equal(seteuid(65534), 0);
	}
	assert_int_equal(nss.getspnam("owner0+web0", &spwd, buffer, BUFFER, &error), NSS_STATUS_UNAVAIL);
	assert_int_equal(error, EACCES);
	assert_int_equal(nss.setspent(0), NSS_STATUS_UNAVAIL);
	assert_int_equal(nss.getspent(&spwd, buffer, BUFFER, &error), NSS_STATUS_UNAVAIL);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* The index once more, with ids of ranges that have names, or not. */
static void publish_ranges(uint32_t first, uint32_t last)
{
	struct id_range range = fixture_range(1), given = fixture_range(2);

	strcpy(given.label, "web6");
	given.account_uid = UID_FIRST + 6;
	fixture.options.host.range_first = first;
	fixture.options.host.range_last = last;
	index_writer_free(writer);
	writer = fixture_publish(&fixture, ACCOUNTS, 0, 1);
	assert_int_equal(index_put_range(writer, &range), 0);
	assert_int_equal(index_put_range(writer, &given), 0);
}

static void assert_range_id(uint32_t id, const char *name)
{
	struct passwd pwd;
	struct group grp;
	int error = 0;

	assert_int_equal(nss.getpwuid(id, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	assert_string_equal(pwd.pw_name, name);
	assert_int_equal(pwd.pw_uid, id);
	assert_int_equal(pwd.pw_gid, id);
	assert_string_equal(pwd.pw_dir, "/");
	assert_string_equal(pwd.pw_shell, "/usr/sbin/nologin");
	assert_string_equal(pwd.pw_passwd, "x");
	assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	assert_int_equal(pwd.pw_uid, id);
	assert_int_equal(nss.getgrgid(id, &grp, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	assert_string_equal(grp.gr_name, name);
	assert_null(grp.gr_mem[0]);
	assert_int_equal(nss.getgrnam(name, &grp, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
	assert_int_equal(grp.gr_gid, id);
}

static void ids_of_ranges_have_names_that_lead_back(void **state)
{
	struct id_range range = fixture_range(1), given = fixture_range(2);
	char name[RANGE_NAME_MAX + 1];
	gid_t *groups = NULL;
	long int start = 0, size = 0;
	struct passwd pwd;
	struct spwd spwd;
	int error = 0;

	(void)state;
	publish_ranges(range.first, given.first + given.count - 1);
	for (int last = 0; last <= 1; last++) {
		uint32_t id = range.first + (last ? range.count - 1 : 0);

		snprintf(name, sizeof(name), "owner1+_%u", id);
		assert_range_id(id, name);
		id = given.first + (last ? given.count - 1 : 0);
		snprintf(name, sizeof(name), "owner2+_web6_%u", id);
		assert_range_id(id, name);
	}
	/* locked in every way there is, and held by sshd's block for sub-accounts */
	if (geteuid() == 0) {
		assert_int_equal(nss.getspnam(name, &spwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
		assert_string_equal(spwd.sp_pwdp, "!*");
		assert_int_equal(spwd.sp_expire, 1);
	}
	assert_int_equal(nss.initgroups(name, 5, &start, &size, &groups, 0, &error), NSS_STATUS_SUCCESS);
	assert_int_equal(start, 1);
	assert_int_equal(groups[0], fixture.options.host.subuids_gid);
	free(groups);
	/* the gap between the ranges, beyond both, and names that are not what the id's is */
	assert_int_equal(nss.getpwuid(range.first + range.count, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getpwuid(range.first - 1, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getpwuid(given.first + given.count, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	snprintf(name, sizeof(name), "owner2+_%u", range.first);
	assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	snprintf(name, sizeof(name), "owner1+_0%u", range.first);
	assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	snprintf(name, sizeof(name), "owner1%%_%u", range.first);
	assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
}

static void ids_of_ranges_have_no_names_where_that_is_switched_off(void **state)
{
	struct id_range range = fixture_range(1);
	char name[RANGE_NAME_MAX + 1];
	struct passwd pwd;
	struct group grp;
	int error = 0;

	(void)state;
	publish_ranges(0, 0);
	snprintf(name, sizeof(name), "owner1+_%u", range.first);
	assert_int_equal(nss.getpwuid(range.first, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getgrgid(range.first, &grp, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getpwnam(name, &pwd, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
	assert_int_equal(nss.getgrnam(name, &grp, buffer, BUFFER, &error), NSS_STATUS_NOTFOUND);
}

static void range_names_keep_the_erange_contract(void **state)
{
	struct id_range range = fixture_range(1);
	struct passwd pwd;
	int error = 0;

	(void)state;
	publish_ranges(range.first, range.first + 10);
	for (size_t size = 0; size < BUFFER; size++) {
		enum nss_status status = nss.getpwuid(range.first, &pwd, buffer, size, &error);

		if (status == NSS_STATUS_SUCCESS)
			break;
		assert_int_equal(status, NSS_STATUS_TRYAGAIN);
		assert_int_equal(error, ERANGE);
		assert_true(size < 100);
	}
}

static void damage_is_unavailable(void **state)
{
	struct passwd pwd;
	int error = 0, fd = openat(fixture.dirfd, "index", O_RDWR | O_CLOEXEC);
	uint8_t byte, bad;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 20), 1);
	bad = byte ^ 1;
	assert_int_equal(pwrite(fd, &bad, 1, 20), 1);
	/* in a process that has not looked before */
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		index_writer_free(writer);
		/* the one that this process has mapped is over */
		uint64_t over = 1;

		if (pwrite(fd, &over, 8, offsetof(struct index_header, superseded)) != 8)
			_exit(3);
		_exit(nss.getpwuid(UID_FIRST, &pwd, buffer, BUFFER, &error) != NSS_STATUS_UNAVAIL ? 1 :
		      error != EUCLEAN                                                            ? 2 :
												    0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	index_writer_free(writer);
	writer = fixture_publish(&fixture, ACCOUNTS, 0, 4);
	assert_int_equal(nss.getpwuid(UID_FIRST, &pwd, buffer, BUFFER, &error), NSS_STATUS_SUCCESS);
}

static atomic_bool stop;
static atomic_uint wrong;

static void *look_up_on(void *number)
{
	char own[BUFFER], name[ACCOUNT_NAME_MAX + 1];
	uint32_t i = (uint32_t)(uintptr_t)number;

	while (!atomic_load(&stop)) {
		struct passwd pwd;
		struct group grp;
		int error;

		i = (i + 1) % ACCOUNTS;
		fixture_name(i, name);
		if (nss.getpwnam(name, &pwd, own, sizeof(own), &error) != NSS_STATUS_SUCCESS ||
		    pwd.pw_uid != UID_FIRST + i || strcmp(pwd.pw_name, name) != 0)
			atomic_fetch_add(&wrong, 1);
		if (nss.getgrgid(UID_FIRST + i, &grp, own, sizeof(own), &error) != NSS_STATUS_SUCCESS ||
		    strcmp(grp.gr_name, name) != 0)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void threads_and_forks_while_it_is_published(void **state)
{
	unsigned before = open_descriptors();
	pthread_t threads[4];

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up_on, (void *)(i * 11)), 0);
	for (uint64_t round = 0; round < 50; round++) {
		struct index_writer *next = fixture_publish(&fixture, ACCOUNTS, 0, 10 + round);
		int status, error;
		struct passwd pwd;
		pid_t pid = fork();

		if (pid == 0)
			_exit(nss.getpwuid(UID_FIRST + round % ACCOUNTS, &pwd, buffer, BUFFER, &error) !=
			      NSS_STATUS_SUCCESS);
		index_writer_free(writer);
		writer = next;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	/* in this order: the first one needs that nothing is there yet */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_index_it_is_unavailable),
		cmocka_unit_test(passwd_by_name_and_uid),
		cmocka_unit_test(group_by_name_and_gid),
		cmocka_unit_test(what_is_not_ours_is_not_found),
		cmocka_unit_test(locked_and_expired_accounts_resolve),
		cmocka_unit_test(erange_below_the_exact_size),
		cmocka_unit_test(enumeration_shows_each_once),
		cmocka_unit_test(enumeration_can_be_off),
		cmocka_unit_test(initgroups_adds_the_group_of_all),
		cmocka_unit_test(shadow_is_for_root_and_has_no_hash),
		cmocka_unit_test(ids_of_ranges_have_names_that_lead_back),
		cmocka_unit_test(ids_of_ranges_have_no_names_where_that_is_switched_off),
		cmocka_unit_test(range_names_keep_the_erange_contract),
		cmocka_unit_test(damage_is_unavailable),
		cmocka_unit_test(threads_and_forks_while_it_is_published),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
