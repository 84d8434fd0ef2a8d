/* SPDX-License-Identifier: ISC */
/* Fields of an account in words, and values that follow from them. */
#include "account/fields.h"

#include <errno.h>
#include <string.h>

const char *const account_view_words[] = {
	[VIEW_DEFAULT] = "default", [VIEW_THEIRS] = "theirs", [VIEW_OWNER] = "owner", NULL
};

#define VIEWS (sizeof(account_view_words) / sizeof(account_view_words[0]) - 1)

int account_view_parse(const char *text, uint32_t *view)
{
	for (uint32_t i = 0; i < VIEWS; i++)
		if (strcmp(text, account_view_words[i]) == 0) {
			*view = i;
			return 0;
		}
	return -EINVAL;
}

uint32_t account_view_kind(const struct account *account, uint32_t host)
{
	uint32_t view = account->facts.view != VIEW_DEFAULT ? account->facts.view : host;

	return view == VIEW_OWNER ? VIEW_OWNER : VIEW_THEIRS;
}

uint64_t account_files_limit(const struct account *account, uint64_t size_per_file)
{
	uint64_t files;

	if (account->facts.files == FILES_NONE)
		return 0;
	if (account->facts.files != FILES_FROM_SIZE)
		return (uint64_t)account->facts.files;
	if (account->facts.quota == 0 || size_per_file == 0)
		return 0;
	files = account->facts.quota / size_per_file;
	return files < FILES_LEAST ? FILES_LEAST : files;
}
