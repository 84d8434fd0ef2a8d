/* SPDX-License-Identifier: ISC */
/*
 * update REFERENCE OLD NEW: the hook of an append-only git-receive-pack. git's own settings look at branches alone, so
 * tags, notes and all else that a mirror has could be deleted and moved; and at the client's word for what a branch
 * was, which may be "nothing" where it is deleted. Run by git for each reference, confined, as the account. OLD is what
 * the client says; git compares it when it writes, unless NEW is a deletion.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_nothing(const char *object)
{
	return object[strspn(object, "0")] == '\0';
}

/* A branch may move: git sees to it that it moves forward. */
static const char *fault(const char *reference, const char *old, const char *new)
{
	if (is_nothing(new))
		return "it cannot be deleted";
	if (!is_nothing(old) && strncmp(reference, "refs/heads/", strlen("refs/heads/")) != 0)
		return "it is there and stays as it is";
	return NULL;
}

int main(int argc, char **argv)
{
	const char *why = argc == 4 ? fault(argv[1], argv[2], argv[3]) : "not called by git receive-pack";

	if (why == NULL)
		return 0;
	fprintf(stderr, "subuid: %s: %s: this key is append-only\n", argc == 4 ? argv[1] : "update", why);
	return 1;
}
