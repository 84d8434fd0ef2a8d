/* SPDX-License-Identifier: ISC */
/*
 * The filters of other tools than rsync (sftp-server, borg, rclone): of one that may change files, that may only read,
 * that may only make new ones. Part of make-filters, which is run when subuidd is built; what is decided here holds for
 * a process that its client may have taken over.
 */
#include "confine/seccomp_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define NEW_FILES_SOCKET 4 /* backup/new_files.h */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* clang-format off */

/*
 * Other tools (sftp-server, borg, rclone): the calls that rsync may make, and those that the run times of Python
 * and Go cannot do without. setuid modes, sockets, namespaces and the rest of rsync_refused stay out.
 */
static const int allowed[] = {
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(mincore), SCMP_SYS(msync),
	SCMP_SYS(readahead), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(getpriority), SCMP_SYS(getsid),
};

/* The same for one that writes: a reader would make others wait for the disk. */
static const int flushing[] = { SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2), SCMP_SYS(syncfs) };

/* Of rsync_allowed: it is refused where nothing may be removed. */
static const int removing[] = { SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir) };

/* From rsync_changing: calls that make something new and cannot change existing files. Of the calls by descriptor,
 * those that need one open for writing, which only a new file has. Calls for mode and dates need none and are left
 * out, so that both stay as they are when a file is made. */
static const int making[] = {
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync),
};

/* Of rsync_refused: sftp has a request for it (sshfs sends it). Where, the private root, Landlock (ABI 3) and
 * the uid say. For a tool that may change existing files; prctl(2), the first, for all tools. */
static const int not_refused[] = { SCMP_SYS(prctl), SCMP_SYS(truncate), SCMP_SYS(truncate64) };

/* The same for one that only makes new files. */
static const int not_refused_new[] = { SCMP_SYS(prctl), SCMP_SYS(sendmsg) };

static const int modes[] = {
	SCMP_SYS(creat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

/* Python asks for close-on-exec by ioctl(2). */
static const unsigned long ioctls[] = { TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGWINSZ };

/* For a tool that may change existing files. */
static const int change_fcntl[] = { F_GETLK, F_SETLK, F_SETLKW };
static const int locking[] = { SCMP_SYS(flock) };

/* clang-format on */

/* An existing file is opened to be read and not cut, or it is a new one. */
static int rule_open_new(scmp_filter_ctx filter, int call, unsigned flags)
{
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, flags, O_ACCMODE | O_TRUNC | O_CREAT, O_RDONLY);
	const struct scmp_arg_cmp made[] = {
		{ .arg = flags, .op = SCMP_CMP_MASKED_EQ, .datum_a = O_CREAT | O_EXCL, .datum_b = O_CREAT | O_EXCL },
		{ .arg = flags + 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = SETID, .datum_b = 0 },
	};

	return r < 0 ? r : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 2, made);
}

/* Descriptors, to the process that sets dates through those that are open for writing (backup/new_files.h). */
static int rule_send_new(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp other = { .arg = 0, .op = SCMP_CMP_NE, .datum_a = NEW_FILES_SOCKET, .datum_b = 0 };
	int r = rule_equal(filter, SCMP_SYS(sendmsg), 0, NEW_FILES_SOCKET);

	return r < 0 ? r : seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendmsg), 1, &other);
}

static int tool_new_files_conditions(scmp_filter_ctx filter)
{
	int r = rule_open_new(filter, SCMP_SYS(open), 1);

	if (r == 0)
		r = rule_open_new(filter, SCMP_SYS(openat), 2);
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ERRNO(EPERM), (struct calls)CALLS(modes));
	return r < 0 ? r : rule_send_new(filter);
}

/* Of prctl(2): its name, and to be as undumpable as it is already (sftp-server insists). */
static int tool_prctl(scmp_filter_ctx filter)
{
	int r = rule_equal(filter, SCMP_SYS(prctl), 0, PR_SET_NAME);

	if (r == 0)
		r = rule_equal(filter, SCMP_SYS(prctl), 0, PR_GET_DUMPABLE);
	return r < 0 ? r :
		       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
					SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE, 0), SCMP_A1(SCMP_CMP_EQ, 0, 0));
}

static int conditions(scmp_filter_ctx filter, bool changes)
{
	int r = tool_prctl(filter);

	for (size_t i = 0; r == 0 && changes && i < COUNT(change_fcntl); i++)
		r = rule_equal(filter, SCMP_SYS(fcntl), 1, (uint64_t)change_fcntl[i]);
	if (r == 0)
		r = rule_all(filter, changes ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), (struct calls)CALLS(locking));
	for (size_t i = 0; r == 0 && i < COUNT(ioctls); i++)
		r = rule_equal(filter, SCMP_SYS(ioctl), 1, ioctls[i]);
	return r < 0 ? r : rsync_own_conditions(filter);
}

int fill_tool(scmp_filter_ctx filter, enum program program)
{
	bool changes = program == TOOL;
	const struct calls kept_from = { removing, changes ? 0 : COUNT(removing) };
	const struct calls made = { making, program == TOOL_NEW_FILES ? COUNT(making) : 0 };
	const struct calls granted = program == TOOL_NEW_FILES ?
					     (struct calls)CALLS(not_refused_new) :
					     (struct calls){ not_refused, changes ? COUNT(not_refused) : 1 };
	const struct calls whole = { not_refused + 1,
				     changes ? COUNT(not_refused) - 1 : 0 }; /* the rest: conditions() */
	int r = rule_all_but(filter, SCMP_ACT_ALLOW, rsync_allowed, kept_from);

	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(allowed));
	if (r == 0)
		r = rule_all(filter, program != TOOL_READER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM),
			     (struct calls)CALLS(flushing));
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ERRNO(EPERM), kept_from);
	if (r == 0)
		r = rule_all_but(filter, changes ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), rsync_changing, made);
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, made);
	if (r == 0)
		r = rule_all_but(filter, SCMP_ACT_ERRNO(EPERM), rsync_refused, granted);
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, whole);
	if (r == 0)
		r = program == TOOL_NEW_FILES ? tool_new_files_conditions(filter) :
						rsync_mode_conditions(filter, changes, false);
	return r < 0 ? r : conditions(filter, changes);
}
