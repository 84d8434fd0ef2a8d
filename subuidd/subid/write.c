/* SPDX-License-Identifier: ISC */
#include "subuidd/subid/write.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "account/index_map.h"
#include "account/index_view.h"
#include "account/subid_lock.h"
#include "confine/cleanup.h"
#include "subuidd/subid/found.h"

#define FILE_BYTES_MAX (1 << 30)
#define LABEL_BYTES_MAX 512
#define PASSWD_BYTES 65536

static const char *const file_names[] = { "subuid", "subgid" };

/* ---- what we want there ---- */

struct gathered {
	struct id_range *ranges;
	size_t count, room;
};

static int gather(struct gathered *list, const struct id_range *range)
{
	if (list->count == list->room) {
		size_t room = list->room * 2 + 256;
		struct id_range *ranges = reallocarray(list->ranges, room, sizeof(*ranges));

		if (ranges == NULL)
			return -ENOMEM;
		list->ranges = ranges;
		list->room = room;
	}
	list->ranges[list->count++] = *range;
	return 0;
}

static int compare_first(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static int gather_ranges(const struct index_view *view, struct gathered *list)
{
	struct id_range range = { 0 };
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_range_next(view, &cursor, &range)) == 0) {
		r = gather(list, &range);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* Sub-accounts' uids one by one, as ranges of their owners. */
static int gather_accounts(const struct index_view *view, struct gathered *list)
{
	struct index_account account;
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_next(view, &cursor, &account)) == 0) {
		struct id_range range = { .first = account.uid, .count = 1, .owner_uid = account.owner_uid };

		memcpy(range.owner, account.owner, strlen(account.owner) + 1);
		r = gather(list, &range);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* 1: the user of this name has this uid today; 0: not. */
static int owner_stands(const struct id_range *range)
{
	static char buffer[PASSWD_BYTES];
	struct passwd entry, *found = NULL;
	int error = getpwnam_r(range->owner, &entry, buffer, sizeof(buffer), &found);

	if (found != NULL)
		return found->pw_uid == range->owner_uid;
	return error == 0 || error == ENOENT || error == ESRCH ? 0 : -error;
}

static int compare_owner(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;
	int order = strcmp(x->owner, y->owner);

	return order != 0 ? order : (x->owner_uid > y->owner_uid) - (x->owner_uid < y->owner_uid);
}

/* A line says a name alone. Whoever got the name of an owner since must not find his ids there. */
static int drop_foreign(struct gathered *list)
{
	size_t kept = 0;
	int stands = 0;

	if (list->count > 0)
		qsort(list->ranges, list->count, sizeof(*list->ranges), compare_owner);
	for (size_t i = 0; i < list->count; i++) {
		if (i == 0 || compare_owner(&list->ranges[i - 1], &list->ranges[i]) != 0)
			stands = owner_stands(&list->ranges[i]);
		if (stands < 0)
			return stands;
		if (stands == 1)
			list->ranges[kept++] = list->ranges[i];
	}
	list->count = kept;
	return 0;
}

/* The owner may use what he gave to a sub-account, as the plug-in says it. */
static int lines_of(const struct gathered *list, char separator, struct subid_lines *lines)
{
	char name[ACCOUNT_NAME_MAX + 1];
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		const struct id_range *range = &list->ranges[i];

		r = subid_lines_add(lines, range->owner, range->first, range->count);
		if (r == 0 && range->label[0] != '\0')
			r = name_join(range->owner, separator, range->label, name);
		if (r == 0 && range->label[0] != '\0')
			r = subid_lines_add(lines, name, range->first, range->count);
	}
	return r == 0 ? subid_lines_sort(lines) : r;
}

int subid_lines_wanted(enum publish_to publish, struct subid_lines *lines)
{
	struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct gathered list = { 0 };
	struct index_hold hold;
	int r;

	*lines = (struct subid_lines){ 0 };
	if (publish == PUBLISH_PLUGIN)
		return subid_lines_sort(lines);
	r = index_enter(&reader, &hold); /* one file from first to last, whatever the broker does meanwhile */
	if (r < 0)
		return r;
	r = gather_ranges(hold.view, &list);
	if (r == 0 && publish == PUBLISH_FILES)
		r = gather_accounts(hold.view, &list);
	if (r == 0)
		r = drop_foreign(&list);
	if (r == 0 && list.count > 0)
		qsort(list.ranges, list.count, sizeof(*list.ranges), compare_first);
	if (r == 0)
		r = lines_of(&list, hold.view->header.separator, lines);
	index_leave(&hold);
	free(list.ranges);
	return r;
}

/* ---- files ---- */

static int text_take(int fd, size_t size, char **text, size_t *length)
{
	cleanup_free char *buffer = malloc(size + 1);
	size_t used = 0;

	if (buffer == NULL)
		return -ENOMEM;
	while (used < size) {
		ssize_t n = read(fd, buffer + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EAGAIN; /* somebody who takes no lock writes it in place */
		used += (size_t)n;
	}
	buffer[used] = '\0';
	*length = used;
	*text = steal_ptr(&buffer);
	return 0;
}

int subid_text_read(int dirfd, const char *name, char **text, size_t *length)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		*length = 0;
		*text = calloc(1, 1);
		return *text != NULL ? 0 : -ENOMEM;
	}
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
	return st.st_size > FILE_BYTES_MAX ? -EFBIG : text_take(fd, (size_t)st.st_size, text, length);
}

static int write_whole(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Mode and SELinux label of the file that it takes the place of. */
static int look_alike(int dirfd, const char *name, int fd, mode_t mode)
{
	cleanup_fd int old = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char label[LABEL_BYTES_MAX];
	struct stat st;
	ssize_t length;

	if (old < 0 && errno == ENOENT)
		return fchmod(fd, mode) < 0 ? -errno : 0;
	if (old < 0 || fstat(old, &st) < 0)
		return -errno;
	if (fchown(fd, (uid_t)-1, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	length = fgetxattr(old, "security.selinux", label, sizeof(label));
	if (length > 0 && fsetxattr(fd, "security.selinux", label, (size_t)length, 0) < 0)
		return -errno;
	return 0;
}

int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text,
		     size_t length)
{
	cleanup_fd int fd = -1;
	int r;

	unlinkat(dirfd, temporary, 0);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = look_alike(dirfd, name, fd, mode);
	if (r == 0)
		r = write_whole(fd, text, length);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	return fsync(dirfd) < 0 ? -errno : 0;
}

/* ---- what may be there from us ---- */

int subid_lines_recorded(int state_fd, struct subid_lines *lines)
{
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r = subid_text_read(state_fd, SUBID_LINES_NAME, &text, &length);

	*lines = (struct subid_lines){ 0 };
	if (r == 0)
		r = subid_lines_add_text(lines, text, length);
	return r == 0 ? subid_lines_sort(lines) : r;
}

static int record(int state_fd, const struct subid_lines *lines)
{
	return subid_text_write(state_fd, SUBID_LINES_NAME, SUBID_LINES_NAME ".new", 0600, lines->text, lines->length);
}

static int record_both(int state_fd, const struct subid_lines *before, const struct subid_lines *wanted)
{
	struct subid_lines both = { 0 };
	int r = subid_lines_add_text(&both, before->text, before->length);

	if (r == 0)
		r = subid_lines_add_text(&both, wanted->text, wanted->length);
	if (r == 0)
		r = record(state_fd, &both);
	subid_lines_free(&both);
	return r;
}

/* ---- the whole ---- */

static int file_update(int etc_fd, const char *name, const struct subid_lines *before,
		       const struct subid_lines *wanted)
{
	cleanup_free char *present = NULL, *text = NULL;
	char temporary[32];
	size_t length = 0, new_length = 0;
	int r = subid_text_read(etc_fd, name, &present, &length);

	if (r == 0)
		r = subid_lines_merge(present, length, before, wanted, &text, &new_length);
	if (r <= 0)
		return r;
	snprintf(temporary, sizeof(temporary), "%s+", name); /* shadow's name for it: under the same locks */
	return subid_text_write(etc_fd, name, temporary, 0644, text, new_length);
}

static int failed(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s", what, error == -EPERM ? "not a plain file of root's" : strerror(-error));
	return error;
}

static int update(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *wanted,
		  char *why, size_t size)
{
	bool same = subid_lines_equal(before, wanted);
	int r = same ? 0 : record_both(state_fd, before, wanted);

	if (r < 0)
		return failed(why, size, STATE_DIR "/" SUBID_LINES_NAME, r);
	for (size_t i = 0; i < sizeof(file_names) / sizeof(*file_names); i++) {
		r = file_update(etc_fd, file_names[i], before, wanted);
		if (r < 0)
			return failed(why, size, i == 0 ? SYSCONFDIR "/subuid" : SYSCONFDIR "/subgid", r);
	}
	r = same ? 0 : record(state_fd, wanted);
	return r < 0 ? failed(why, size, STATE_DIR "/" SUBID_LINES_NAME, r) : 0;
}

static int publish_lines(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *wanted,
			 char *why, size_t size)
{
	int r = subid_found_note(state_fd, etc_fd, before, wanted);

	return r < 0 ? failed(why, size, STATE_DIR "/" SUBID_FOUND_NAME ", or a file of " SYSCONFDIR, r) :
		       update(state_fd, etc_fd, before, wanted, why, size);
}

/* Nothing is ours any more. What was there before us stays. */
static int cease(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *none, char *why,
		 size_t size)
{
	struct subid_lines ours = { 0 };
	int r = subid_found_spare(state_fd, before, &ours);

	if (r < 0)
		failed(why, size, STATE_DIR "/" SUBID_FOUND_NAME, r);
	else
		r = update(state_fd, etc_fd, &ours, none, why, size);
	if (r == 0 && before->count > 0) {
		r = record(state_fd, none);
		if (r < 0)
			failed(why, size, STATE_DIR "/" SUBID_LINES_NAME, r);
	}
	if (r == 0 && unlinkat(state_fd, SUBID_FOUND_NAME, 0) < 0 && errno != ENOENT)
		r = failed(why, size, STATE_DIR "/" SUBID_FOUND_NAME, -errno);
	subid_lines_free(&ours);
	return r;
}

int subid_write(int state_fd, int etc_fd, enum publish_to publish, char *why, size_t size)
{
	struct subid_lines before = { 0 }, wanted = { 0 };
	int r = subid_lines_wanted(publish, &wanted); /* asks the name service: not while others wait for the lock */

	if (r < 0) {
		subid_lines_free(&wanted);
		return failed(why, size, "the index, or whose name is whose", r);
	}
	r = subid_lock(etc_fd);
	if (r < 0) {
		snprintf(why, size, "%s", r == -EBUSY ? "another program holds the lock of " SYSCONFDIR "/subuid" :
							strerror(-r));
		subid_lines_free(&wanted);
		return r;
	}
	r = subid_lines_recorded(state_fd, &before);
	if (r < 0)
		failed(why, size, STATE_DIR "/" SUBID_LINES_NAME, r);
	else
		r = publish == PUBLISH_PLUGIN ? cease(state_fd, etc_fd, &before, &wanted, why, size) :
						publish_lines(state_fd, etc_fd, &before, &wanted, why, size);
	subid_unlock(etc_fd);
	subid_lines_free(&before);
	subid_lines_free(&wanted);
	return r;
}
