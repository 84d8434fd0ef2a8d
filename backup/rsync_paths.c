/* SPDX-License-Identifier: ISC */
/*
 * The part of rsync's arguments that only the disk can say: what a wildcard matches, and where a link leads. Run by
 * subuid-rrsync with the sub-account's uid, after Landlock and before the filter; paths and links are the client's.
 */
#include "backup/rsync_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

/* Where path leads, relative to DIR, "." for DIR. -EXDEV if that is not below DIR. */
static int relative_of(const struct gate_policy *policy, const char *path, char *out, size_t size)
{
	size_t skip = policy->everything ? 0 : strlen(policy->directory);
	char real[PATH_MAX];

	if (realpath(path, real) == NULL)
		return -errno;
	if (strncmp(real, policy->directory, skip) != 0 || (real[skip] != '/' && real[skip] != '\0'))
		return -EXDEV;
	skip += strspn(real + skip, "/");
	if ((size_t)snprintf(out, size, "%s", real[skip] == '\0' ? "." : real + skip) >= size)
		return -ENAMETOOLONG;
	return 0;
}

int rsync_paths_base(const struct gate_policy *policy, const struct rsync_request *request, char *out, size_t size)
{
	const char *text = request->paths_count > 0 ? request->paths[0].text : ".";
	struct stat st;
	char *slash;

	if (relative_of(policy, text, out, size) < 0 || stat(text, &st) != 0)
		return path_resolve("", text, out, size);
	if (S_ISDIR(st.st_mode))
		return 0;
	/* onto an existing file: rsync works in the directory that it is in */
	slash = strrchr(out, '/');
	if (slash == NULL)
		out[0] = '.';
	*(slash == NULL ? out + 1 : slash) = '\0';
	return 0;
}

static int refuse_outside(const char *path, struct gate_refusal *refusal)
{
	return gate_refuse(refusal, path, "leads out of the directory of this key");
}

int rsync_paths_inside(const struct gate_policy *policy, const char *path, bool follow, struct gate_refusal *refusal)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char relative[PATH_MAX];
	cleanup_fd int fd = -1;

	if (policy->everything)
		return 0;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd >= 0 || (errno != EXDEV && errno != EAGAIN && errno != ELOOP))
		return 0; /* inside, or rsync will say what is wrong with it */
	/* an absolute link: it may lead back into DIR */
	if (relative_of(policy, path, relative, sizeof(relative)) < 0)
		return refuse_outside(path, refusal);
	return 0;
}

static bool ends_in_dot(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash == NULL ? path : slash + 1, ".") == 0;
}

static int add_path(const struct gate_policy *policy, const struct rsync_request *request, const char *path,
		    struct text_list *argv, struct gate_refusal *refusal)
{
	/* A link named as a source is sent as a link; a link as the destination is followed. */
	int r = rsync_paths_inside(policy, path, !request->sender, refusal);

	return r < 0 ? r : text_list_add(argv, path);
}

/* ".*" also matches "." and "..", which nobody means. */
static int add_matches(const struct gate_policy *policy, const struct rsync_request *request, const struct word *word,
		       const glob_t *found, struct text_list *argv, struct gate_refusal *refusal)
{
	size_t before = argv->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < found->gl_pathc; i++) {
		const char *path = found->gl_pathv[i];

		if (path_goes_up(path) || ends_in_dot(path))
			continue;
		if (!request->sender && argv->count > before)
			return gate_refuse(refusal, word->text, "matches more than one destination");
		r = add_path(policy, request, path, argv, refusal);
	}
	if (r == 0 && argv->count == before)
		r = add_path(policy, request, word->text, argv, refusal);
	return r;
}

static int add_word(const struct gate_policy *policy, const struct rsync_request *request, const struct word *word,
		    struct text_list *argv, struct gate_refusal *refusal)
{
	glob_t found = { 0 };
	int r;

	if (word->pattern == NULL)
		return add_path(policy, request, word->text, argv, refusal);
	r = glob(word->pattern, 0, NULL, &found);
	if (r == GLOB_NOSPACE)
		r = -ENOMEM;
	else
		r = add_matches(policy, request, word, &found, argv, refusal);
	globfree(&found);
	return r;
}

int rsync_paths_add(const struct gate_policy *policy, const struct rsync_request *request, struct text_list *argv,
		    struct gate_refusal *refusal)
{
	int r = 0;

	if (request->paths_count == 0)
		return text_list_add(argv, ".");
	for (size_t i = 0; r == 0 && i < request->paths_count; i++)
		r = add_word(policy, request, &request->paths[i], argv, refusal);
	return r;
}
