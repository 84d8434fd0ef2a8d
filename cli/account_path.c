/* SPDX-License-Identifier: ISC */
/* NAME[:PATH]: the same file under the same name as for rsync and the tools. */
#include "cli/account_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"

int account_path_parse(const char *text, struct account_path *place)
{
	const char *colon = strchr(text, ':'), *path = colon == NULL ? "" : colon + 1;
	size_t name = colon == NULL ? strlen(text) : (size_t)(colon - text);

	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
		path++;
	path += strspn(path, "/");
	if (name == 0 || name >= sizeof(place->name) || strlen(path) >= sizeof(place->path))
		return -EINVAL;
	memcpy(place->name, text, name);
	place->name[name] = '\0';
	snprintf(place->path, sizeof(place->path), "%s", path[0] != '\0' ? path : ".");
	return 0;
}

int account_path_enter(const char *text, struct account_path *place, struct exec_account *entered, int *home)
{
	char path[sizeof(entered->host.homes) + ACCOUNT_NAME_MAX + sizeof("//home")];
	int status, r;

	if (account_path_parse(text, place) < 0)
		return usage_error(text, "not NAME or NAME:PATH", "for example web1:etc");
	status = exec_account_enter(place->name, true, entered);
	if (status != STATUS_DONE)
		return status;
	r = exec_account_home(entered, path, sizeof(path));
	if (r >= 0) {
		*home = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = *home < 0 ? -errno : 0;
	}
	if (r < 0) {
		complain(entered->account.name, strerrordesc_np(-r),
			 "`subuid check` says whether its home is as it should be");
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}
