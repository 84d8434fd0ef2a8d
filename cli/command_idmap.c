/* SPDX-License-Identifier: ISC */
/* `subuid idmap`: prints ranges as newuidmap, LXC and podman want them. Asks the index, not the daemon. */
#include "cli/subuid.h"

#include <stdlib.h>
#include <string.h>

#include "account/failure.h"
#include "cli/idmap_podman.h"
#include "cli/lookup.h"
#include "cli/print.h"
#include "confine/cleanup.h"

struct piece {
	uint64_t inside;
	uint32_t first, count;
};

typedef void (*piece_print)(const struct piece *piece, bool is_first);

static void print_newuidmap(const struct piece *piece, bool is_first)
{
	printf("%s%llu %u %u", is_first ? "" : " ", (unsigned long long)piece->inside, piece->first, piece->count);
}

static void print_lxc(const struct piece *piece, bool is_first)
{
	(void)is_first;
	for (const char *kind = "ug"; *kind != '\0'; kind++)
		printf("lxc.idmap = %c %llu %u %u\n", *kind, (unsigned long long)piece->inside, piece->first,
		       piece->count);
}

static const struct format {
	const char *name;
	piece_print print;
	const char *end;
	const struct idmap_podman *podman; /* instead of these two */
} formats[] = {
	{ "newuidmap", print_newuidmap, "\n", NULL },
	{ "lxc", print_lxc, "", NULL },
	{ "podman", NULL, NULL, &idmap_podman_options },
	{ "quadlet", NULL, NULL, &idmap_podman_quadlet },
};

static const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static int print_pieces_json(const struct id_range *ranges, size_t count)
{
	json_t *list = json_array();
	uint64_t inside = 0;
	int status;

	for (size_t i = 0; i < count; inside += ranges[i++].count)
		json_array_append_new(list,
				      json_pack("{s:I, s:I, s:I}", "inside", (json_int_t)inside, "first",
						(json_int_t)ranges[i].first, "count", (json_int_t)ranges[i].count));
	status = print_json(list);
	json_decref(list);
	return status;
}

static void print_pieces(const struct id_range *ranges, size_t count, const struct format *format)
{
	struct piece piece = { 0 };

	for (size_t i = 0; i < count; i++) {
		piece.first = ranges[i].first;
		piece.count = ranges[i].count;
		format->print(&piece, i == 0);
		piece.inside += piece.count;
	}
	fputs(format->end, stdout);
}

/* holder: the uid of the user whose ranges these are. */
static int ranges_of(const char *name, const char *owner, uint32_t *holder, struct id_range **ranges, size_t *count)
{
	struct index_account account = { 0 };
	struct index_host host;
	int status;

	if (name == NULL) {
		status = lookup_owner(owner, holder);
		return status == STATUS_DONE ? lookup_ranges(*holder, 0, ranges, count) : status;
	}
	status = lookup_account(name, &account, &host);
	*holder = account.uid;
	return status == STATUS_DONE ? lookup_ranges(account.owner_uid, account.uid, ranges, count) : status;
}

int command_idmap(int argc, char **argv)
{
	cleanup_free struct id_range *ranges = NULL;
	const struct format *format = &formats[0];
	const char *owner = NULL, *name;
	int c, status = STATUS_DONE;
	uint32_t holder = 0;
	size_t count = 0;

	while ((c = option_next("idmap", argc, argv, &status)) > 0) {
		if (c == 'o')
			owner = optarg;
		else if ((format = format_find(optarg)) == NULL)
			return usage_error(optarg, "not a format", "newuidmap, lxc, podman or quadlet");
	}
	if (c < 0)
		return status;
	name = argc > optind ? argv[optind] : NULL;
	if (name != NULL && owner != NULL)
		return usage_error("--owner", "given together with a name",
				   "a name such as alice+web1 includes the owner");
	status = ranges_of(name, owner, &holder, &ranges, &count);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		return print_pieces_json(ranges, count);
	if (count == 0) {
		complain(name != NULL ? name : "idmap", "there are no ranges", "`subuid range add 65536` makes one");
		return failure_exit_status(FAILURE_NOT_FOUND);
	}
	if (format->podman != NULL)
		return idmap_podman_print(holder, ranges, count, format->podman);
	print_pieces(ranges, count, format);
	return STATUS_DONE;
}
