/* SPDX-License-Identifier: ISC */
/*
 * libnss_doubt.so.2: a directory that answers as it is told, for tests of what an outage does. Compiled and put into
 * the throwaway root by the test.
 *
 * /run/nss-doubt has one line: `serve` (the default, also when there is no such file) or a status and an error number,
 * such as `unavail 2`, which is then the answer to every question. It serves the users of /run/nss-doubt.passwd, each
 * with a group of the same name and number, and a shadow entry without a password.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>

#define ANSWER "/run/nss-doubt"
#define USERS ANSWER ".passwd"

static const struct {
	const char *name;
	enum nss_status status;
} statuses[] = {
	{ "notfound", NSS_STATUS_NOTFOUND },
	{ "unavail", NSS_STATUS_UNAVAIL },
	{ "tryagain", NSS_STATUS_TRYAGAIN },
	{ "return", NSS_STATUS_RETURN },
};

/* NSS_STATUS_SUCCESS: to be served. */
static enum nss_status answer(int *errnop)
{
	FILE *file = fopen(ANSWER, "re");
	char word[16] = "serve";
	int number = 0, read;

	if (file == NULL)
		return NSS_STATUS_SUCCESS;
	read = fscanf(file, "%15s %d", word, &number);
	fclose(file);
	for (size_t i = 0; read == 2 && i < sizeof(statuses) / sizeof(*statuses); i++)
		if (strcmp(word, statuses[i].name) == 0) {
			*errnop = number;
			return statuses[i].status;
		}
	return NSS_STATUS_SUCCESS;
}

static enum nss_status user(const char *name, unsigned id, struct passwd *entry, char *buffer, size_t size, int *errnop)
{
	enum nss_status status = answer(errnop);
	struct passwd *found = NULL;
	FILE *file = status == NSS_STATUS_SUCCESS ? fopen(USERS, "re") : NULL;
	int error = 0;

	if (status != NSS_STATUS_SUCCESS)
		return status;
	*errnop = ENOENT;
	if (file == NULL)
		return NSS_STATUS_NOTFOUND;
	do
		error = fgetpwent_r(file, entry, buffer, size, &found);
	while (error == 0 && (name != NULL ? strcmp(found->pw_name, name) != 0 : found->pw_uid != id));
	fclose(file);
	if (error == 0)
		return NSS_STATUS_SUCCESS;
	*errnop = error;
	return error == ERANGE ? NSS_STATUS_TRYAGAIN : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_doubt_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, int *errnop)
{
	return user(name, 0, entry, buffer, size, errnop);
}

enum nss_status _nss_doubt_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, int *errnop)
{
	return user(NULL, uid, entry, buffer, size, errnop);
}

static enum nss_status group(const char *name, unsigned id, struct group *entry, char *buffer, size_t size, int *errnop)
{
	static char *members[] = { NULL };
	struct passwd of;
	enum nss_status status = user(name, id, &of, buffer, size, errnop);

	if (status == NSS_STATUS_SUCCESS)
		*entry = (struct group){
			.gr_name = of.pw_name, .gr_passwd = of.pw_passwd, .gr_gid = of.pw_uid, .gr_mem = members
		};
	return status;
}

enum nss_status _nss_doubt_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, int *errnop)
{
	return group(name, 0, entry, buffer, size, errnop);
}

enum nss_status _nss_doubt_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, int *errnop)
{
	return group(NULL, gid, entry, buffer, size, errnop);
}

enum nss_status _nss_doubt_getspnam_r(const char *name, struct spwd *entry, char *buffer, size_t size, int *errnop)
{
	static char star[] = "*";
	struct passwd of;
	enum nss_status status = user(name, 0, &of, buffer, size, errnop);

	if (status == NSS_STATUS_SUCCESS)
		*entry = (struct spwd){ .sp_namp = of.pw_name,
					.sp_pwdp = star,
					.sp_lstchg = -1,
					.sp_min = -1,
					.sp_max = -1,
					.sp_warn = -1,
					.sp_inact = -1,
					.sp_expire = -1 };
	return status;
}
