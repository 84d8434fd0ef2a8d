/* SPDX-License-Identifier: ISC */
/*
 * A failing disk is not a damaged file. Anyone who restores a backup over sound data because of a loose cable loses
 * everything written since the backup. So the words here come from the error; the words about damage come from what
 * was read.
 */
#include "account/advice.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static const struct {
	int error;
	const char *todo;
} advices[] = {
	{ EIO, "the disk fails, but its data may be whole: see dmesg, and replace the disk or its connection" },
	{ EREMOTEIO, "the disk fails, but its data may be whole: see dmesg, and replace the disk or its connection" },
	{ EROFS, "see dmesg why it became read-only, and then mount it read-write: mount -o remount,rw" },
	{ ENOSPC, "make room on the disk" },
	{ EDQUOT, "make room on the disk, or raise its quota" },
	{ ESTALE, "mount the file system again" },
	{ ENOTCONN, "mount the file system again" },
	{ EXDEV, "somebody's file server is mounted on a directory of the account: see findmnt, and unmount it" },
	{ EMFILE, "raise the limit of open files (LimitNOFILE= of subuidd.service)" },
	{ ENFILE, "raise fs.file-max" },
	{ ENOMEM, "free memory" },
};

const char *advice_for(int error)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].error == abs(error))
			return advices[i].todo;
	return NULL;
}

bool advice_disk(int error)
{
	switch (abs(error)) {
	case EIO:
	case EREMOTEIO:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
		return true;
	default:
		return false;
	}
}
