/* SPDX-License-Identifier: ISC */
/* Fields of an account in words, and what follows from them. */
#include "account/fields.h"

#include <errno.h>
#include <string.h>

static const char *const view_names[] = {
	[VIEW_DEFAULT] = "default", [VIEW_THEIRS] = "theirs", [VIEW_OWNER] = "owner"};

#define VIEWS (sizeof(view_names) / sizeof(view_names[0]))

int account_view_parse(const char *text, uint32_t *view)
{
	for (uint32_t i = 0; i < VIEWS; i++)
		if (strcmp(text, view_names[i]) == 0) {
			*view = i;
			return 0;
		}
	return -EINVAL;
}

const char *account_view_name(uint32_t view)
{
	return view < VIEWS ? view_names[view] : NULL;
}

const char *account_keeper_name(uint32_t keeper)
{
	static const char *const names[] = {
		[KEPT_METERED] = "metered", [KEPT_FOR_UID] = "uid", [KEPT_BY_DISK] = "disk"};

	return keeper < KEPT_MAX_ ? names[keeper] : NULL;
}

uint32_t account_view_kind(const struct account *account, uint32_t host)
{
	uint32_t view = account->view != VIEW_DEFAULT ? account->view : host;

	return view == VIEW_OWNER ? VIEW_OWNER : VIEW_THEIRS;
}

uint64_t account_files_limit(const struct account *account, uint64_t size_per_file)
{
	uint64_t files;

	if (account->files == FILES_NONE)
		return 0;
	if (account->files != FILES_FROM_SIZE)
		return (uint64_t)account->files;
	if (account->quota == 0 || size_per_file == 0)
		return 0;
	files = account->quota / size_per_file;
	return files < FILES_LEAST ? FILES_LEAST : files;
}
