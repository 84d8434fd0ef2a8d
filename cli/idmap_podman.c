/* SPDX-License-Identifier: ISC */
/*
 * Maps for podman, which an ordinary user runs inside a namespace of their own: there their ids have other numbers,
 * their positions among what libsubid lists. podman 5 looks host ids up by itself, after an @; older ones want the
 * positions.
 */
#include "cli/idmap_podman.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/passwd.h"
#include "cli/listed.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

#define LOOKS_UP 5 /* the version from which on podman knows the @ */
#define SAYS "podman version "
#define KINDS 2 /* uids, gids */

const struct idmap_podman idmap_podman_options = { { "--uidmap ", "--gidmap " }, " " };
const struct idmap_podman idmap_podman_quadlet = { { "UIDMap=", "GIDMap=" }, "\n" };

/* Written into memory first: a map of which a part cannot be had is no map. */
struct output {
	const struct idmap_podman *style;
	FILE *file;
	bool started;
};

static void print_word(struct output *output, size_t kind)
{
	fprintf(output->file, "%s%s", output->started ? output->style->between : "", output->style->words[kind]);
	output->started = true;
}

/* A podman that is not installed is taken for a new one. */
static bool podman_looks_up(void)
{
	static const char *const argv[] = { "podman", "--version", NULL };
	cleanup_free char *said = NULL;
	const char *at;

	if (command_run(argv, &said) != 0)
		return true;
	at = strstr(said, SAYS);
	return at == NULL || strtol(at + strlen(SAYS), NULL, 10) >= LOOKS_UP;
}

static void print_host_ids(const struct id_range *range, uint64_t inside, struct output *output)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		print_word(output, kind);
		fprintf(output->file, "%llu:@%u:%u", (unsigned long long)inside, range->first, range->count);
	}
}

/* One range may be in several pieces of the list. The first id that is in none, or 0. */
static uint32_t print_positions(const struct id_range *range, uint64_t inside, size_t kind, const struct listed *listed,
				struct output *output)
{
	uint32_t done = 0;

	while (done < range->count) {
		uint32_t part = 0, left = range->count - done;
		uint64_t position = listed_position(listed, range->first + done, &part);

		if (position == 0)
			return range->first + done;
		part = part < left ? part : left;
		print_word(output, kind);
		fprintf(output->file, "%llu:%llu:%u", (unsigned long long)(inside + done), (unsigned long long)position,
			part);
		done += part;
	}
	return 0;
}

static int not_listed(uint32_t first)
{
	char what[32];

	snprintf(what, sizeof(what), "id %u", first);
	complain(what, "not one of those that libsubid lists, and podman maps no others", "`subuid doctor` says why");
	return STATUS_FAILED;
}

/* By the name, as podman asks. */
static int lists_read(uint32_t holder, struct listed *uids, struct listed *gids)
{
	entry_cleanup struct host_entry entry = { 0 };
	int status;

	if (user_find_uid(holder, &entry) < 0) {
		complain("the user database", "does not know this user now", "`getent passwd` shows whom it knows");
		return STATUS_FAILED;
	}
	status = listed_read(entry.user.pw_name, 'u', uids);
	return status == STATUS_DONE ? listed_read(entry.user.pw_name, 'g', gids) : status;
}

static int print_all_positions(uint32_t holder, const struct id_range *ranges, size_t count, struct output *output)
{
	listed_cleanup struct listed uids = { 0 }, gids = { 0 };
	const struct listed *const lists[KINDS] = { &uids, &gids };
	int status = lists_read(holder, &uids, &gids);
	uint64_t inside = 0;

	for (size_t i = 0; status == STATUS_DONE && i < count; inside += ranges[i++].count)
		for (size_t kind = 0; status == STATUS_DONE && kind < KINDS; kind++) {
			uint32_t missing = print_positions(&ranges[i], inside, kind, lists[kind], output);

			status = missing == 0 ? STATUS_DONE : not_listed(missing);
		}
	return status;
}

static int print_all(uint32_t holder, const struct id_range *ranges, size_t count, struct output *output)
{
	uint64_t inside = 0;

	if (!podman_looks_up())
		return print_all_positions(holder, ranges, count, output);
	for (size_t i = 0; i < count; inside += ranges[i++].count)
		print_host_ids(&ranges[i], inside, output);
	return STATUS_DONE;
}

int idmap_podman_print(uint32_t holder, const struct id_range *ranges, size_t count, const struct idmap_podman *style)
{
	cleanup_free char *text = NULL;
	size_t size = 0;
	struct output output = { .style = style, .file = open_memstream(&text, &size) };
	int status;

	if (output.file == NULL) {
		complain("subuid", "out of memory", "");
		return STATUS_FAILED;
	}
	status = print_all(holder, ranges, count, &output);
	if (fclose(output.file) != 0 && status == STATUS_DONE) {
		complain("subuid", "out of memory", "");
		return STATUS_FAILED;
	}
	if (status == STATUS_DONE)
		puts(text);
	return status;
}
