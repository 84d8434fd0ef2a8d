/* SPDX-License-Identifier: ISC */
/* The findings of a check, and the child that looks: it has the broker's privileges, may hang, and is then
 * killed. */
#include "subuidd/op/check_child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/advice.h"
#include "index/state_look.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "store/state.h"

struct finding *check_add(struct check_result *result, const char *subject, const char *fault, const char *todo)
{
	static struct finding too_many;
	struct finding *finding = &too_many;

	if (result->count < WIRE_BATCH)
		finding = &result->findings[result->count++];
	memset(finding, 0, sizeof(*finding));
	text_escape(subject, finding->subject, sizeof(finding->subject));
	if (result->count == WIRE_BATCH)
		fault = "more is wrong here than fits one answer: put right what was told and check again";
	text_escape(fault, finding->fault, sizeof(finding->fault));
	text_escape(todo, finding->todo, sizeof(finding->todo));
	return finding;
}

struct finding *check_add_account(struct check_result *result, const struct account *row, const char *name,
				  const char *fault, const char *todo, enum finding_repair repair)
{
	struct finding *finding = check_add(result, name, fault, todo);

	finding->repair = repair;
	finding->place = PLACE_ACCOUNT;
	finding->uid = row->uid;
	memcpy(finding->owner, row->owner, sizeof(finding->owner));
	memcpy(finding->label, row->label, sizeof(finding->label));
	return finding;
}

void check_add_error(struct check_result *result, const char *subject, const char *doing, int error)
{
	const char *advice = advice_for(error), *why = strerrordesc_np(abs(error));
	char fault[FAILURE_TEXT_MAX + 1];

	snprintf(fault, sizeof(fault), "%s: %s", doing, why != NULL ? why : "failed");
	check_add(result, subject, fault, advice != NULL ? advice : "look at the log of subuidd");
}

/* ---- files and disks ---- */

static void host_fault(void *data, const struct state_fault *fault)
{
	struct finding *finding = check_add(data, fault->path, fault->fault, fault->todo);

	finding->repair = fault->derived ? REPAIR_INDEX : REPAIR_NONE;
}

static void check_host(const struct broker *broker, struct check_result *result)
{
	state_look_disks(broker->settings.homes, host_fault, result);
	state_look_files(broker->settings.homes, host_fault, result);
}

/* ---- the store ---- */

/* Rows are looked at where they are, in the index and on the disk, and some in only two of these; store, host and files
 * once. */
static void count_things(struct store *view, struct check_result *result)
{
	struct store_counts counts;

	if (store_counts(view, &counts) == 0)
		result->total = 3 + 3 * counts.accounts + 2 * counts.ranges + counts.keys;
}

/* A disk that fails is no damage: a backup that is restored over a sound store loses what was written since. */
static void check_store(struct check_result *result)
{
	static const char todo[] = "stop subuidd, and load the last saved state: subuid state load FILE";
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	char why[256] = "";
	int r = store_view(STATE_DIR "/state.db", &view);

	if (r == 0)
		r = store_check(view, why, sizeof(why));
	if (r == 0)
		count_things(view, result);
	if (r < 0 && advice_for(r) != NULL)
		check_add_error(result, "store", "it cannot be read", r);
	else if (r < 0)
		check_add(result, "store", why[0] != '\0' ? why : strerror(-r), todo);
}

static void check_run(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	struct looks *looks = check_links_begin(broker, job, result);

	host_probe_local(&broker->local);
	check_accounts(broker, job, result);
	check_ranges(broker, job, result);
	check_links_end(looks, result);
	if (job->files)
		check_files(broker, result);
	if (job->host)
		check_host(broker, result);
	if (job->store)
		check_store(result);
}

struct proof {
	const struct broker *broker;
	const struct check_job *job;
	int memory;
};

static int prove(const void *argument)
{
	const struct proof *proof = argument;
	cleanup_free struct check_result *result = calloc(1, sizeof(*result));

	if (result == NULL)
		return 1;
	check_run(proof->broker, proof->job, result);
	return pwrite(proof->memory, result, sizeof(*result), 0) == (ssize_t)sizeof(*result) ? 0 : 1;
}

int check_start(const struct broker *broker, const struct check_job *job, int *memory, int *pidfd)
{
	cleanup_fd int file = memfd_create("check", MFD_CLOEXEC);
	const struct proof proof = { broker, job, file };
	const struct child_job child = { .run = prove, .argument = &proof };
	pid_t pid;
	int r;

	if (file < 0 || ftruncate(file, sizeof(struct check_result)) < 0)
		return -errno;
	r = child_start(&child, &pid, pidfd);
	if (r == 0)
		*memory = steal_fd(&file);
	return r;
}
