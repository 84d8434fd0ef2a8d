/* SPDX-License-Identifier: ISC */
/* The words of `subuid log` and `subuid status` for how a run ended. Pure; run as the caller. */
#include "cli/run_status.h"

#include <stdio.h>
#include <string.h>

#include "account/run.h"
#include "cli/print.h"

/* rsync(1), EXIT VALUES: it reports most errors only to the client, so this is all that we see. */
static const char *rsync_meaning(uint64_t status)
{
	switch (status) {
	case 1:
		return "refused, or usage";
	case 3:
		return "no such file or directory";
	case 10:
	case 12:
		return "connection lost";
	case 11:
		return "file system error";
	case 13:
		return "no diagnostics";
	case 20:
		return "interrupted";
	case 22:
		return "no memory";
	case 23:
		return "some files failed";
	case 24:
		return "some files vanished";
	case 25:
		return "--max-delete";
	case 30:
	case 35:
		return "timeout";
	default:
		return NULL;
	}
}

const char *status_text(uint64_t status, const char *tool, char out[64])
{
	const char *meaning = strcmp(tool, "rsync") == 0 ? rsync_meaning(status) : NULL;

	if (status == 0)
		snprintf(out, 64, "ok");
	else if (status == RUN_UNFINISHED)
		snprintf(out, 64, "cut off");
	else if (status >= RUN_SIGNAL)
		snprintf(out, 64, "signal %u", (unsigned)(status - RUN_SIGNAL));
	else
		snprintf(out, 64, "%u%s%s", (unsigned)status, meaning != NULL ? " " : "",
			 meaning != NULL ? meaning : "");
	return out;
}

const char *run_status_text(const json_t *run, char out[64])
{
	return status_text(json_number(run, "status"), json_text(run, "tool"), out);
}
