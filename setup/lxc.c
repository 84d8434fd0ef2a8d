/* SPDX-License-Identifier: ISC */
/*
 * `subuid setup --lxc OWNER`: the root of an LXC container is the first id of its owner, and has to get through the
 * owner's home to its root directory. An entry of the ACL lets this id pass, and nobody else. With --lxc-network the
 * owner may connect containers to LXC's bridge. Run by root in directories that the owner can change: by descriptors,
 * through no symlink of theirs.
 */
#include "setup/lxc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "setup/pass.h"
#include "setup/setup.h"
#include "setup/text.h"

const char *const lxc_way[] = { "", "/.local", "/.local/share", "/.local/share/lxc", NULL };

/* Also of another user's home, as setup's record has it. */
static int way_open(const char *path, uid_t owner)
{
	cleanup_fd int fd = path_open_trusted(path, O_RDONLY | O_DIRECTORY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_uid != owner ? -EPERM : steal_fd(&fd);
}

int lxc_passes(const struct passwd *user, const char *step, uid_t id)
{
	cleanup_fd int fd = -1;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s%s", user->pw_dir, step) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = way_open(path, user->pw_uid);
	return fd < 0 ? fd : pass_has(fd, id);
}

int lxc_range(uint32_t owner, struct id_range *first, uint64_t *ids)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_account account;
	struct id_range range;
	uint64_t cursor = 0;
	int is_range = 0, r;

	*ids = 0;
	while ((r = index_owner_next(&reader, owner, &cursor, &is_range, &account, &range)) == 0) {
		if (!is_range || range.account_uid != 0)
			continue;
		if (*ids == 0 || range.place < first->place)
			*first = range;
		*ids += range.count;
	}
	return r == -ENOENT ? 0 : r;
}

static int step_pass(struct setup *setup, const struct passwd *user, const char *step, uid_t id)
{
	int r = lxc_passes(user, step, id);
	cleanup_fd int fd = -1;
	char path[PATH_MAX], what[96];

	snprintf(path, sizeof(path), "%s%s", user->pw_dir, step);
	if (r == 1)
		say(path, "root of LXC containers passes");
	if (r == 1 || (r == -ENOENT && step[0] != '\0'))
		return 0;
	if (r < 0)
		return setup_fail_errno(path, r,
					"it has to be a directory that the owner owns, reached through no symlink");
	snprintf(what, sizeof(what), "an ACL lets id %u pass, root of %.32s's LXC containers", id, user->pw_name);
	say_change(setup, path, what);
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s, s:I, s:I}", "kind", "pass", "name", path, "id", (json_int_t)id,
					"owner", (json_int_t)user->pw_uid)) < 0)
		return -1;
	fd = way_open(path, user->pw_uid);
	r = fd < 0 ? fd : pass_add(fd, id);
	return r < 0 ? setup_fail_errno(path, r, "setfacl(1) changes its ACL by hand") : 0;
}

static int step_usernet(struct setup *setup, const char *name)
{
	__attribute__((cleanup(setup_file_done))) struct setup_file file = { 0 };
	cleanup_free char *text = NULL;
	int r = file_load(LXC_USERNET, &file);

	if (r < 0)
		return setup_fail(LXC_USERNET, file_why(r), "edit it by hand as lxc-usernet(5) says");
	if (usernet_allows(file.text, name)) {
		say(LXC_USERNET, "as it should be");
		return 0;
	}
	r = usernet_add(file.text, name, &text);
	return r < 0 ? setup_fail_errno(LXC_USERNET, r, "") : file_change(setup, LXC_USERNET, text, "lines");
}

int step_lxc(struct setup *setup)
{
	entry_cleanup struct host_entry entry = { 0 };
	struct id_range range;
	uint64_t ids = 0;

	if (setup->lxc == NULL)
		return 0;
	if (access(LXC_START, X_OK) != 0)
		return setup_fail("lxc", "LXC is not installed", "install the package lxc");
	if (user_find(setup->lxc, &entry) != 0)
		return setup_fail(setup->lxc, "no such user, or the user database does not answer", "");
	if (lxc_range(entry.user.pw_uid, &range, &ids) < 0 || ids == 0)
		return setup_fail(setup->lxc, "has no range", "`subuid range add 65536 --owner NAME` gives one");
	for (const char *const *step = lxc_way; *step != NULL; step++)
		if (step_pass(setup, &entry.user, *step, range.first) < 0)
			return -1;
	return setup->lxc_network ? step_usernet(setup, setup->lxc) : 0;
}

/* A directory that is gone, or another user's since, needs nothing. */
int pass_revert(struct setup *setup, const json_t *deed)
{
	const char *path = json_string_value(json_object_get(deed, "name"));
	const uid_t id = (uid_t)json_integer_value(json_object_get(deed, "id"));
	cleanup_fd int fd = way_open(path, (uid_t)json_integer_value(json_object_get(deed, "owner")));
	int r = fd;

	if (fd == -ENOENT || fd == -EPERM)
		return 0;
	if (fd >= 0)
		r = setup->dry_run ? pass_has(fd, id) : pass_remove(fd, id);
	if (r < 0)
		return setup_fail_errno(path, r, "setfacl -x takes the entry out of its ACL");
	if (r > 0)
		say_change(setup, path, "the ACL's entry for root of LXC containers is taken out");
	return 0;
}
