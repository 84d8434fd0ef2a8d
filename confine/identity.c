/* SPDX-License-Identifier: ISC */
/*
 * Becomes somebody else, or keeps a few capabilities, for good. Run by root's processes just before they touch what
 * another user could have prepared; each step is proven by trying to go back.
 */
#include "confine/identity.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cap-ng.h>
#include <sys/syscall.h>

#include "confine/cleanup.h"

/*
 * Securebits of a process that stays uid 0 with few capabilities. NOROOT: an
 * exec as uid 0 gives it nothing back. SETUID_FIXUP stays off and locked so:
 * children that become another uid lose everything by setresuid(2), as ever.
 */
#define SECUREBITS                                                                                                     \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |              \
	 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int compare_gids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

/* The kernel keeps the list sorted, duplicates included; so compare sorted. */
static int groups_proven(const gid_t *groups, size_t count)
{
	cleanup_free gid_t *want = NULL, *have = NULL;
	int n = getgroups(0, NULL);

	if (n < 0 || (size_t)n != count)
		return -EPERM;
	if (count == 0)
		return 0;
	want = calloc(count, sizeof(*want));
	have = calloc(count, sizeof(*have));
	if (want == NULL || have == NULL)
		return -ENOMEM;
	if (getgroups(n, have) != n)
		return -EPERM;
	for (size_t i = 0; i < count; i++)
		want[i] = groups[i];
	qsort(want, count, sizeof(*want), compare_gids);
	qsort(have, count, sizeof(*have), compare_gids);
	for (size_t i = 0; i < count; i++)
		if (want[i] != have[i])
			return -EPERM;
	return 0;
}

/* Asked of the kernel itself: the library reads all of /proc/self/status for it. */
static bool capabilities_any(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) != 0)
		return true;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0)
			return true;
	return false;
}

static bool capability_effective(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

/*
 * Only with CAP_SETPCAP; without it, the capabilities of the set can be gained only by executing a set-uid file. Only
 * what is in it is dropped: each drop costs new credentials, and for all of them, as the library does it, a quarter
 * of a millisecond.
 */
static int bounding_empty(void)
{
	int present;

	if (!capability_effective(CAP_SETPCAP))
		return 0;
	for (unsigned long c = 0; (present = prctl(PR_CAPBSET_READ, c, 0, 0, 0)) >= 0; c++)
		if (present != 0 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) != 0)
			return -errno;
	return errno == EINVAL ? 0 : -errno; /* past the last one, or unknown */
}

/* Every id is the new one, no capability is left, and none of the ways back is open. */
static int identity_proven(uid_t uid, uid_t others, gid_t gid, const gid_t *groups, size_t count)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) != 0 || r != others || e != uid || s != others)
		return -EPERM;
	if (getresgid(&rg, &eg, &sg) != 0 || rg != gid || eg != gid || sg != gid)
		return -EPERM;
	if (capabilities_any())
		return -EPERM;
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setresuid(0, 0, 0) == 0 ||
	    setresgid((gid_t)-1, 0, (gid_t)-1) == 0 || setresgid(0, 0, 0) == 0 || setgroups(1, &(gid_t){ 0 }) == 0)
		return -EPERM;
	return groups_proven(groups, count);
}

/* `others`: the real and the saved uid. */
static int become(uid_t uid, uid_t others, gid_t gid, const gid_t *groups, size_t groups_count)
{
	int r;

	if (uid == 0 || gid == 0 || uid == (uid_t)-1 || gid == (gid_t)-1 || groups_count > NGROUPS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < groups_count; i++)
		if (groups[i] == 0 || groups[i] == (gid_t)-1)
			return -EINVAL;
	/* Before the ids change: the new uid must not get to see (ptrace, /proc) what a privileged process
	 * had in memory. Again after it, because the kernel sets fs.suid_dumpable then. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	r = bounding_empty();
	if (r < 0)
		return r;
	if (setgroups(groups_count, groups) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(others, uid, others) != 0)
		return -errno;
	capng_setpid(getpid()); /* it knows that of the parent: fork(2) tells it, clone3(2) does not */
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -EPERM;
	return identity_proven(uid, others, gid, groups, groups_count);
}

int identity_become(uid_t uid, gid_t gid, const gid_t *groups, size_t groups_count)
{
	return become(uid, uid, gid, groups, groups_count);
}

int identity_become_signaller(uid_t uid)
{
	return become(uid, IDENTITY_NOBODYS, IDENTITY_NOBODYS, NULL, 0);
}

static bool listed(const int *capabilities, int capability)
{
	for (; *capabilities >= 0; capabilities++)
		if (*capabilities == capability)
			return true;
	return false;
}

int identity_become_mapper(uid_t uid, gid_t gid)
{
	int r = uid == 0 || uid == (uid_t)-1 || gid == (gid_t)-1 ? -EINVAL : bounding_empty();

	if (r < 0)
		return r;
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(0, uid, 0) != 0)
		return -errno;
	capng_setpid(getpid());
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_SETUID, CAP_SETGID, -1) !=
		    0 ||
	    capng_apply(CAPNG_SELECT_CAPS) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -EPERM;
	return 0;
}

/* Reads back what the kernel has now: permitted, effective and bounding are the list, the rest is empty. */
static int capabilities_proven(const int *capabilities)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() != 0)
		return -EPERM;
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++) {
		int want = listed(capabilities, c);

		if (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)c) != want ||
		    capng_have_capability(CAPNG_PERMITTED, (unsigned)c) != want ||
		    capng_have_capability(CAPNG_INHERITABLE, (unsigned)c) != 0 ||
		    prctl(PR_CAPBSET_READ, c, 0, 0, 0) != want ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) > 0)
			return -EPERM;
	}
	return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == SECUREBITS ? 0 : -EPERM;
}

int capabilities_keep(const int *capabilities)
{
	/* While CAP_SETPCAP is held: both this and the bounding set need it. */
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) != 0)
		return -errno;
	capng_clear(CAPNG_SELECT_ALL);
	for (const int *c = capabilities; *c >= 0; c++)
		if (capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
				 (unsigned)*c) != 0)
			return -EINVAL;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	if (capng_apply(CAPNG_SELECT_BOTH) != 0)
		return -EPERM;
	return capabilities_proven(capabilities);
}
