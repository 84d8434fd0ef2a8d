/* SPDX-License-Identifier: ISC */
/* libsubid_subuid as shadow loads it, with /etc, the state directory, the folder of plug-ins and passwd of the
 * test's own (tests/tests.mk says where). */
#ifndef TESTS_UNIT_SUBID_FIXTURE_H
#define TESTS_UNIT_SUBID_FIXTURE_H

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>

#include "subid/guest/guest.h"
#include "tests/unit/index_fixture.h"

#define ACCOUNTS 30u
#define RANGES 10u

static struct {
	__typeof__(shadow_subid_has_range) *has_range;
	__typeof__(shadow_subid_list_owner_ranges) *list;
	__typeof__(shadow_subid_find_subid_owners) *find;
	__typeof__(shadow_subid_free) *free;
} subid;

static struct fixture fixture;
static struct index_writer *writer;
static char root[PATH_MAX - 64]; /* of all that is the test's own */

/* ---- passwd */

struct user {
	const char *name;
	uid_t uid;
};

/* owner0.. have the uids 1000.., owner0+web0.. those of the index; besides, these: */
static const struct user users[] = {
	{ "root", 0 },       { "files", 2000 },    { "filesalias", 2000 },       { "other", 2001 },
	{ "chained", 3000 }, { "broken", 3001 },   { "offline", 3002 },          { "1999", 2002 },
	{ "renamed", 1003 }, { "ownalias", 1001 }, { "thief+web1", 2100000004 }, { NULL, 0 },
};
static int passwd_error;
static const char *gone;  /* a user who is not there any more */
static const char *stuck; /* one whom the name service cannot look up just now */
static struct user moved; /* a name that has another uid now */

static int entry(const char *name, uid_t uid, struct passwd *pwd, char *buffer, size_t size, struct passwd **result)
{
	static char empty[] = "";

	if (strlen(name) >= size)
		return ERANGE;
	strcpy(buffer, name);
	*pwd = (struct passwd){ .pw_name = buffer,
				.pw_uid = uid,
				.pw_gid = uid,
				.pw_passwd = empty,
				.pw_gecos = empty,
				.pw_dir = empty,
				.pw_shell = empty };
	*result = pwd;
	return 0;
}

static bool fixture_user(unsigned i, char name[ACCOUNT_NAME_MAX + 1], uid_t *uid)
{
	if (i < 16) {
		snprintf(name, ACCOUNT_NAME_MAX + 1, "owner%u", i);
		*uid = 1000 + i;
	} else if (i < 16 + ACCOUNTS) {
		fixture_name(i - 16, name);
		*uid = UID_FIRST + (i - 16);
	} else if (users[i - 16 - ACCOUNTS].name != NULL) {
		snprintf(name, ACCOUNT_NAME_MAX + 1, "%s", users[i - 16 - ACCOUNTS].name);
		*uid = users[i - 16 - ACCOUNTS].uid;
	} else {
		return false;
	}
	return true;
}

static int lookup(const char *name, uid_t uid, struct passwd *pwd, char *buffer, size_t size, struct passwd **result)
{
	char found[ACCOUNT_NAME_MAX + 1];
	uid_t is;

	*result = NULL;
	if (passwd_error != 0 && (stuck == NULL || (name != NULL && strcmp(name, stuck) == 0)))
		return passwd_error;
	for (unsigned i = 0; fixture_user(i, found, &is); i++) {
		if (gone != NULL && strcmp(gone, found) == 0)
			continue;
		if (moved.name != NULL && strcmp(moved.name, found) == 0)
			is = moved.uid;
		if (name != NULL ? strcmp(name, found) == 0 : uid == is)
			return entry(found, is, pwd, buffer, size, result);
	}
	return 0;
}

__attribute__((visibility("default"))) int getpwnam_r(const char *name, struct passwd *pwd, char *buffer, size_t size,
						      struct passwd **result)
{
	return lookup(name, 0, pwd, buffer, size, result);
}

__attribute__((visibility("default"))) int getpwuid_r(uid_t uid, struct passwd *pwd, char *buffer, size_t size,
						      struct passwd **result)
{
	return lookup(NULL, uid, pwd, buffer, size, result);
}

/* ---- files */

static inline void path_in(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", root, name);
}

static inline void write_bytes(const char *name, const char *text, size_t size)
{
	char path[PATH_MAX];
	int fd;

	path_in(path, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

static inline void write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static inline void remove_file(const char *name)
{
	char path[PATH_MAX];

	path_in(path, name);
	unlink(path);
	rmdir(path);
}

static inline void files_remove(void)
{
	remove_file("etc/subuid");
	remove_file("etc/subgid");
	remove_file("state/subid-chain");
	remove_file("state/elsewhere");
}

/* ---- the index */

/* Accounts 0..ACCOUNTS-1, ranges 0..RANGES-1, one of owner1 given to account number 3 of that owner. */
static inline void index_publish(void)
{
	struct id_range given = { .first = 1500000000u / 65536 * 65536,
				  .count = 65536,
				  .owner_uid = 1001,
				  .account_uid = UID_FIRST + 3,
				  .owner = "owner1",
				  .label = "web3" };
	static uint64_t generation;

	index_writer_free(writer);
	writer = fixture_publish(&fixture, ACCOUNTS, RANGES, ++generation);
	assert_int_equal(index_put_range(writer, &given), 0);
}
#define GIVEN (1500000000u / 65536 * 65536)

/* ---- the module */

static inline void *symbol(void *module, const char *name)
{
	void *found = dlsym(module, name);

	if (found == NULL)
		fail_msg("%s is not exported", name);
	return found;
}

static inline int load(void **state)
{
	char exe[PATH_MAX] = "", path[PATH_MAX];
	void *module;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	snprintf(root, sizeof(root), "%s/subid", dirname(exe));
	path_in(path, "libsubid_subuid.so");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL)
		fail_msg("%s", dlerror());
	*(void **)&subid.has_range = symbol(module, "shadow_subid_has_range");
	*(void **)&subid.list = symbol(module, "shadow_subid_list_owner_ranges");
	*(void **)&subid.find = symbol(module, "shadow_subid_find_subid_owners");
	*(void **)&subid.free = symbol(module, "shadow_subid_free");
	path_in(path, "etc");
	mkdir(path, 0755);
	path_in(path, "state");
	mkdir(path, 0755);
	fixture.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture.dirfd >= 0);
	unlinkat(fixture.dirfd, "index", 0);
	fixture.options = fixture_options(INDEX_FILE_PUBLIC, ACCOUNTS);
	files_remove();
	return 0;
}

static inline int unload(void **state)
{
	(void)state;
	index_writer_free(writer);
	unlinkat(fixture.dirfd, "index", 0);
	close(fixture.dirfd);
	files_remove();
	return 0;
}

static inline int clean(void **state)
{
	(void)state;
	files_remove();
	passwd_error = 0;
	gone = NULL;
	moved.name = NULL;
	stuck = NULL;
	return 0;
}

/* ---- questions */

enum { NO = 0, YES = 1, DOUBT = 2, UNKNOWN = 3, OFFLINE = 4 };

static inline int has(const char *owner, uint64_t first, uint64_t count, enum subid_type type)
{
	bool result = true;
	enum subid_status status;

	errno = ENOTTY;
	status = subid.has_range(owner, (unsigned long)first, (unsigned long)count, type, &result);
	assert_int_equal(errno, ENOTTY);
	if (status == SUBID_STATUS_SUCCESS)
		return result;
	assert_false(result); /* also for who looks at it alone */
	return status == SUBID_STATUS_UNKNOWN_USER ? UNKNOWN : status == SUBID_STATUS_ERROR_CONN ? OFFLINE : DOUBT;
}

/* "first+count first+count" */
static inline const char *list(const char *owner, enum subid_type type)
{
	static char text[4096];
	struct subid_range *ranges = (void *)text;
	size_t used = 0;
	int count = 77;
	enum subid_status status;

	errno = ENOTTY;
	status = subid.list(owner, type, &ranges, &count);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(count == 0, ranges == NULL);
	if (status != SUBID_STATUS_SUCCESS) {
		assert_null(ranges);
		return status == SUBID_STATUS_UNKNOWN_USER ? "unknown" :
		       status == SUBID_STATUS_ERROR_CONN   ? "offline" :
							     "doubt";
	}
	text[0] = '\0';
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%lu+%lu", i == 0 ? "" : " ",
					 ranges[i].start, ranges[i].count);
	subid.free(ranges);
	return text;
}

/* "1000 1001" */
static inline const char *owners(uint64_t id, enum subid_type type)
{
	static char text[4096];
	uid_t *uids = (void *)text;
	size_t used = 0;
	int count = 77;
	enum subid_status status = subid.find((unsigned long)id, type, &uids, &count);

	assert_int_equal(count == 0, uids == NULL);
	if (status != SUBID_STATUS_SUCCESS)
		return "doubt";
	text[0] = '\0';
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", i == 0 ? "" : " ", uids[i]);
	subid.free(uids);
	return text;
}

#endif
