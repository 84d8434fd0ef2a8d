/* SPDX-License-Identifier: ISC */
/* `subuid state verify`: run by anybody, on any file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/state/copy.h"
#include "subuidd/state/program.h"
#include "store/state.h"

static int found_print(const struct copy *copy, bool json)
{
	struct store_counts counts = { 0 };
	json_t *all;

	if (store_counts(copy->store, &counts) < 0)
		return complain(STATUS_FAILED, "verify", store_error(copy->store), "");
	if (!json) {
		header_print(&copy->header);
		printf("It is sound. It also contains: limits %" PRIu64 ", ids that are not given out again %" PRIu64
		       ", runs %" PRIu64 ", lines of the audit trail %" PRIu64 "\n",
		       counts.limits, counts.tombstones, counts.runs, counts.audit);
		return STATUS_DONE;
	}
	all = header_json(&copy->header);
	json_object_set_new(all, "limits", json_integer((json_int_t)counts.limits));
	json_object_set_new(all, "tombstones", json_integer((json_int_t)counts.tombstones));
	json_object_set_new(all, "runs", json_integer((json_int_t)counts.runs));
	json_object_set_new(all, "audit", json_integer((json_int_t)counts.audit));
	return json_end(all);
}

int state_verify(const struct options *options)
{
	cleanup_fd int fd = copy_open(options->file);
	char why[REASON_SIZE] = "";
	struct copy copy;
	int status, r;

	if (fd < 0)
		return complain(fd == -ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED, options->file, strerror(-fd), "");
	r = copy_prepare(&copy);
	if (r < 0) {
		status = complain(STATUS_FAILED, "a place to unpack it", strerror(-r), "TMPDIR sets the directory");
	} else if (copy_read(&copy, fd, why, sizeof(why)) < 0) {
		status = complain(STATUS_FAILED, options->file, why, "");
	} else {
		status = found_print(&copy, options->json);
	}
	copy_close(&copy);
	return status;
}
