/* SPDX-License-Identifier: ISC */
/* The runs of an account. */
#include "cli/subuid.h"

#include <signal.h>
#include <string.h>

#include "cli/duration.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/run_status.h"

#define RUNS_DEFAULT 20
#define RUNS_MAX 1000000

static const char *bytes_text(const json_t *run, const char *name, char out[24])
{
	if (json_object_get(run, name) == NULL)
		return "?";
	return size_text(json_number(run, name), out);
}

static const char *count_text(const json_t *run, const char *name, char out[24])
{
	if (json_object_get(run, name) == NULL)
		return "?";
	snprintf(out, 24, "%lld", (long long)json_number(run, name));
	return out;
}

static int print_runs(const json_t *runs)
{
	static const char *const heads[] = { "STARTED", ">TOOK",  "TOOL",    "KIND", ">FILES", ">GONE", ">IN",
					     ">OUT",    "RESULT", "ADDRESS", "KEY",  "ERROR",  NULL };
	struct table table = TABLE(heads);
	const json_t *run;
	char text[64], files[24], gone[24], in[24], out[24];
	size_t i;

	json_array_foreach(runs, i, run) {
		const char *address = json_text(run, "address");

		table_cell(&table, time_text((int64_t)json_number(run, "started")));
		table_cell(&table, duration_text(json_number(run, "durationMs") / 1000, text));
		table_cell(&table, json_text(run, "tool"));
		table_cell(&table, json_text(run, "kind"));
		table_cell(&table, count_text(run, "files", files));
		table_cell(&table, count_text(run, "deleted", gone));
		table_cell(&table, bytes_text(run, "bytesIn", in));
		table_cell(&table, bytes_text(run, "bytesOut", out));
		table_cell(&table, run_status_text(run, text));
		table_cell(&table, address[0] != '\0' ? address : "?");
		table_cell(&table, json_text(run, "fingerprint"));
		table_cell(&table, json_text(run, "error"));
	}
	return table_print(&table);
}

int command_log(int argc, char **argv)
{
	uint64_t wanted = RUNS_DEFAULT;
	json_t *parameters = NULL, *runs;
	int c, status = STATUS_DONE;

	while ((c = option_next("log", argc, argv, &status)) > 0)
		if (option_number(optarg, 1, RUNS_MAX, &wanted) < 0)
			return usage_error(optarg, "not a number of runs", "1 to 1000000");
	if (c < 0)
		return status;
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	status = call_list_most("RunList", parameters, "run", wanted, &runs);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(runs);
	else if (json_array_size(runs) == 0)
		printf("%s: no runs yet\n", shown(argv[optind]));
	else
		status = print_runs(runs);
	json_decref(runs);
	return status;
}
