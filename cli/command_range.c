/* SPDX-License-Identifier: ISC */
/* `subuid range add`, `range list` and `range remove`. */
#include "cli/subuid.h"

#include <string.h>

#include "account/failure.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/row.h"
#include "cli/rows.h"
#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/text.h"

/* True if /etc/subuid lists the id, or cannot be read. */
static bool file_lists(uint32_t id)
{
	cleanup_free char *text = NULL;
	const char *at, *line;
	size_t left = 0, length;
	struct subid_line parsed;

	if (subid_text_look(SYSCONFDIR "/subuid", &text, &left) < 0)
		return true;
	for (at = text; subid_line_next(&at, &left, &line, &length);)
		if (subid_line_parse(line, length, &parsed) && id >= parsed.ids.first && id <= parsed.ids.last)
			return true;
	return false;
}

static int only_one(const struct row *row, void *data)
{
	unsigned *count = data;

	(void)row;
	return ++*count > 1;
}

/* Said once to each owner, with their first range. */
static void tell_readers(const json_t *range)
{
	unsigned count = 0;

	if (common.dry_run || file_lists((uint32_t)json_number(range, "first")))
		return;
	if (call_rows("RangeList", json_pack("{s:s}", "owner", json_text(range, "owner")), "range", only_one, &count) ==
		    STATUS_DONE &&
	    count == 1)
		complain(SYSCONFDIR "/subuid",
			 "does not list these ids (publish = plugin): newuidmap, podman and LXC find them, "
			 "but " SUBID_READERS " read that file themselves and do not",
			 "for these, root says `publish = files` in " SYSCONFDIR
			 "/subuidd.conf.d and runs `subuid setup`");
}

/* --owner, and the operands. -1 - status to end with. */
struct range_options {
	const char *owner, *grow;
	bool small;
};

static int options_take(const char *name, int argc, char **argv, struct range_options *options)
{
	int c, status = STATUS_DONE;

	while ((c = option_next(name, argc, argv, &status)) > 0)
		if (c == 'g')
			options->grow = optarg;
		else if (c == 's')
			options->small = true;
		else
			options->owner = optarg;
	return c < 0 ? -1 - status : STATUS_DONE;
}

static int owner_parameters(const char *owner, json_t **parameters)
{
	json_t *object = json_pack("{s:s*}", "owner", owner);

	if (object == NULL)
		return usage_error("--owner", "not UTF-8", "");
	*parameters = object;
	return STATUS_DONE;
}

static int range_add(int argc, char **argv)
{
	struct range_options options = { 0 };
	json_t *parameters = NULL, *range;
	uint64_t count, after = 0;
	int status = options_take("range add", argc, argv, &options);

	if (status < 0)
		return -1 - status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &count) < 0)
		return usage_error(argv[optind], "not a number of ids", "for example `subuid range add 65536`");
	if (options.grow != NULL && option_number(options.grow, 1, UINT32_MAX - 1, &after) < 0)
		return usage_error(options.grow, "not the first id of a range", "`subuid range list` shows them");
	if (argc - optind == 2 && options.owner != NULL)
		return usage_error("--owner", "given together with a name", "a name such as alice+web1 says the owner");
	status = argc - optind == 2 ? name_parameters(argv[optind + 1], &parameters) :
				      owner_parameters(options.owner, &parameters);
	if (status != STATUS_DONE)
		return status;
	json_object_set_new(parameters, "count", json_integer((json_int_t)count));
	if (options.grow != NULL)
		json_object_set_new(parameters, "after", json_integer((json_int_t)after));
	if (options.small)
		json_object_set_new(parameters, "small", json_true());
	status = call_told("RangeAdd", parameters, "range", &range);
	if (range == NULL)
		return status;
	tell_readers(range);
	printf("%s%llu ids from %llu on\n", common.dry_run ? "would be made: " : "",
	       (unsigned long long)json_number(range, "count"), (unsigned long long)json_number(range, "first"));
	json_decref(range);
	return status;
}

static int range_list(int argc, char **argv)
{
	json_t *parameters;
	int status = owner_all_parameters("range list", argc, argv, &parameters);

	return status < 0 ? -1 - status : list_told("RangeList", parameters, "range", UINT64_MAX, print_ranges);
}

/* Of its holder there is one behind it, by the order in which they are mapped. */
static bool is_followed(const json_t *ranges, uint64_t first)
{
	const json_t *range, *removed = NULL;
	size_t i;

	json_array_foreach(ranges, i, range)
		if (json_number(range, "first") == first)
			removed = range;
	json_array_foreach(ranges, i, range)
		if (removed != NULL && json_number(range, "accountUid") == json_number(removed, "accountUid") &&
		    strcmp(json_text(range, "owner"), json_text(removed, "owner")) == 0 &&
		    json_number(range, "place") > json_number(removed, "place"))
			return true;
	return false;
}

/* Files of a container say numbers on the disk: those of its ids that move would be other users' inside. */
static int followed_refuse(const char *word, uint64_t first, const char *owner)
{
	json_t *parameters = NULL, *ranges = NULL;
	int status = owner_parameters(owner, &parameters);

	if (status == STATUS_DONE)
		status = call_list("RangeList", parameters, "range", &ranges);
	if (status == STATUS_DONE && is_followed(ranges, first)) {
		complain(word,
			 "containers map the ranges behind it, whose ids would move: in those that exist now files "
			 "would belong to other users (podman's are in ~/.local/share/containers/storage)",
			 "remove the last one first (`subuid idmap` shows the order), or say --yes");
		status = failure_exit_status(FAILURE_CONFLICT);
	}
	json_decref(ranges);
	return status;
}

static int range_remove(int argc, char **argv)
{
	const char *owner = NULL;
	json_t *parameters = NULL, *reply;
	uint64_t first;
	bool yes = false;
	int c, status = STATUS_DONE;

	while ((c = option_next("range remove", argc, argv, &status)) > 0)
		if (c == 'y')
			yes = true;
		else
			owner = optarg;
	if (c < 0)
		return status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &first) < 0)
		return usage_error(argv[optind], "not the first id of a range", "`subuid range list` shows them");
	if (!yes)
		status = followed_refuse(argv[optind], first, owner);
	if (status == STATUS_DONE)
		status = owner_parameters(owner, &parameters);
	if (status != STATUS_DONE)
		return status;
	json_object_set_new(parameters, "first", json_integer((json_int_t)first));
	status = call_told("RangeRemove", parameters, NULL, &reply);
	if (reply != NULL)
		printf(common.dry_run ? "would be removed: the range from %llu on\n" :
					"the range from %llu on is removed\n",
		       (unsigned long long)first);
	json_decref(reply);
	return status;
}

int command_range(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{ "add", range_add },
		{ "list", range_list },
		{ "remove", range_remove },
		{ NULL, NULL },
	};

	return subcommand_run(commands, "range", argc, argv);
}
