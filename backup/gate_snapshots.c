/* SPDX-License-Identifier: ISC */
/* Pulls from the history of a home. Run by the gate, confined, with the uid of the account; the paths are the client's,
 * and have been checked: none of them goes up. */
#include "backup/gate_snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/snapshot.h"

/* The part behind ".snapshots/"; "." for all of it. */
static char *rest_of(char *path, bool own)
{
	static char here[] = ".";
	const char *rest = snapshot_path(path, own);

	return rest == NULL ? NULL : rest[0] == '\0' ? here : path + (rest - path);
}

int gate_snapshots_enter(struct gate_policy *policy, struct rsync_request *request, struct gate_refusal *refusal)
{
	/* what was pushed may come from a host with snapshots of its own */
	bool own = faccessat(AT_FDCWD, SNAPSHOTS_SHOWN, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	size_t inside = 0;

	if (policy->snapshots == NULL || !request->sender)
		return 0;
	for (size_t i = 0; i < request->paths_count; i++) {
		const char *rest = snapshot_path(request->paths[i].text, own);

		inside += rest != NULL;
		if (rest != NULL && rest > request->paths[i].text && rest[-1] != '/') /* the client expects that name */
			return gate_refuse(refusal, SNAPSHOTS_SHOWN, "is listed with a slash behind it");
	}
	if (inside == 0)
		return 0;
	if (inside != request->paths_count)
		return gate_refuse(refusal, SNAPSHOTS_SHOWN, "ask for it, and for the rest, in two commands");
	if (chdir(policy->snapshots) != 0)
		return gate_refuse(refusal, SNAPSHOTS_SHOWN,
				   errno == ENOENT || errno == EACCES ? "there are no snapshots" : strerror(errno));
	policy->directory = policy->snapshots;
	for (size_t i = 0; i < request->paths_count; i++) {
		struct word *word = &request->paths[i];
		char *pattern = word->pattern == NULL ? NULL : rest_of(word->pattern, own);

		*word = (struct word){ rest_of(word->text, own), pattern };
	}
	return 0;
}
