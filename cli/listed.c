/* SPDX-License-Identifier: ISC */
/* Asks the host's libsubid, by shadow's own program, and so whatever plug-in it has, as podman does: see listed.h. */
#include "cli/listed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/grow.h"

#define LISTER "getsubids"

void listed_free(struct listed *listed)
{
	free(listed->at);
	*listed = (struct listed){ 0 };
}

/* The last two words of a line are numbers; the user's name is before them. */
static int line_parse(const char *line, size_t length, struct listed_piece *piece)
{
	uint32_t numbers[2];

	for (size_t i = 2; i-- > 0;) {
		const char *space = memrchr(line, ' ', length);
		const char *word = space == NULL ? line : space + 1;

		if (space == NULL || id_parse_bytes(word, length - (size_t)(word - line), &numbers[i]) < 0)
			return -EINVAL;
		length = (size_t)(space - line);
	}
	*piece = (struct listed_piece){ numbers[0], numbers[1] };
	return id_range_valid(numbers[0], numbers[1]) ? 0 : -EINVAL;
}

static int compare(const void *a, const void *b)
{
	const struct listed_piece *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

int listed_parse(const char *text, struct listed *listed)
{
	while (*text != '\0') {
		struct listed_piece *at = array_grow(listed->at, listed->count, &listed->room, sizeof(*at));
		size_t length = strcspn(text, "\n");

		if (at == NULL)
			return -ENOMEM;
		listed->at = at;
		if (line_parse(text, length, &at[listed->count]) < 0)
			return -EINVAL;
		listed->count++;
		text += length + (text[length] == '\n');
	}
	if (listed->count > 0)
		qsort(listed->at, listed->count, sizeof(*listed->at), compare);
	return 0;
}

int listed_read(const char *user, char kind, struct listed *listed)
{
	const char *const uids[] = { LISTER, user, NULL }, *const gids[] = { LISTER, "-g", user, NULL };
	cleanup_free char *output = NULL;
	int r = command_run(kind == 'g' ? gids : uids, &output);

	if (r == -ENOENT) {
		complain(LISTER, "not installed", "install the package uidmap");
		return STATUS_FAILED;
	}
	if (r == 0)
		r = listed_parse(output, listed);
	if (r == 0)
		return STATUS_DONE;
	complain(LISTER, "does not say which ids you have", "`subuid doctor` says why");
	return STATUS_FAILED;
}

uint64_t listed_position(const struct listed *listed, uint32_t id, uint32_t *following)
{
	uint64_t before = 1;

	for (size_t i = 0; i < listed->count; i++) {
		const struct listed_piece *piece = &listed->at[i];

		if (id >= piece->first && id - piece->first < piece->count) {
			*following = piece->count - (id - piece->first);
			return before + (id - piece->first);
		}
		before += piece->count;
	}
	return 0;
}
