/* SPDX-License-Identifier: ISC */
/*
 * What the index says of bounds: of an account, of its owner, of this host. Runs in the processes that begin sessions
 * (PAM, the login shell) and in those that answer about them; look-ups of names and ids read none of it.
 */
#include "account/bounds.h"

#include <errno.h>
#include <string.h>

#include "index/check.h"
#include "index/map.h"
#include "index/view.h"

/* A bit that this version does not know of is a bound that it would not keep. */
int index_bounds_decode(const struct index_record *head, struct bounds *bounds)
{
	const size_t size = head->lines * (size_t)INDEX_LINE;
	size_t at = (head->length + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
	struct bounds found = { 0 };
	uint64_t said = 0;

	if (at + sizeof(said) <= size)
		memcpy(&said, (const char *)head + at, sizeof(said));
	if (said >> BOUNDS != 0)
		return -EUCLEAN;
	for (unsigned i = 0; i < BOUNDS; i++) {
		if ((said >> i & 1) == 0)
			continue;
		at += sizeof(said);
		if (at + sizeof(said) > size)
			return -EUCLEAN;
		memcpy(&found.of[i], (const char *)head + at, sizeof(found.of[i]));
		if (found.of[i] == 0)
			return -EUCLEAN;
	}
	*bounds = found;
	return 0;
}

static int view_bounds(const struct index_view *view, enum index_table_id table, enum index_kind kind, uint32_t uid,
		       struct bounds *bounds)
{
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	index_probe_start(&probe, view, table, index_hash_number(view->header.seed, uid));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		if (index_record_copy(view, line, kind, &copy.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (copy.head.a == uid)
			return index_bounds_decode(&copy.head, bounds);
	}
	return found < 0 ? found : -ENOENT;
}

int index_view_account_bounds(const struct index_view *view, uint32_t uid, struct bounds *bounds)
{
	return view_bounds(view, INDEX_BY_ID, INDEX_ACCOUNT, uid, bounds);
}

int index_view_owner_bounds(const struct index_view *view, uint32_t owner_uid, struct bounds *bounds)
{
	int rc = view_bounds(view, INDEX_BY_OWNER, INDEX_OWNER, owner_uid, bounds);

	if (rc == -ENOENT)
		*bounds = (struct bounds){ 0 };
	return rc == -ENOENT ? 0 : rc;
}

/* A version without bounds wrote 0, which would be none. */
static void host_bounds(const struct index_host *host, struct bounds *bounds)
{
	const struct index_sessions *sessions = &host->sessions;
	const struct index_bounds *more = &host->bounds;

	*bounds = (struct bounds){ .of = {
					   [BOUND_PROCESSES] =
						   more->processes != 0 ? more->processes : BOUND_PROCESSES_DEFAULT,
					   [BOUND_MEMORY] = (uint64_t)host->account_memory * SESSION_MEMORY_MIB << 20,
					   [BOUND_OPEN_FILES] =
						   more->open_files != 0 ? more->open_files : BOUND_OPEN_FILES_DEFAULT,
					   [BOUND_FILE_SIZE] = (uint64_t)more->file_size << 20,
					   [BOUND_CPU_WEIGHT] = sessions->cpu_weight,
					   [BOUND_IO_WEIGHT] = more->io_weight,
					   [BOUND_SESSIONS] = sessions->per_account,
					   [BOUND_LOGINS] = more->logins,
					   [BOUND_BANDWIDTH] = (uint64_t)more->bandwidth << 10,
				   } };
}

static int held_said(const struct index_view *view, uint32_t uid, uint32_t owner_uid, struct bounds *own,
		     struct bounds *owner)
{
	int rc = index_view_account_bounds(view, uid, own);

	return rc < 0 ? rc : index_view_owner_bounds(view, owner_uid, owner);
}

int index_bounds_said(struct index_reader *reader, uint32_t uid, uint32_t owner_uid, struct bounds *own,
		      struct bounds *owner)
{
	struct index_hold hold;
	int rc = index_enter(reader, &hold);

	if (rc < 0)
		return rc;
	rc = held_said(hold.view, uid, owner_uid, own, owner);
	index_leave(&hold);
	return rc;
}

static int held_bounds(const struct index_view *view, const struct index_account *account,
		       struct account_bounds *bounds)
{
	const struct index_host *facts = &view->header.host;
	struct bounds host, owner = { 0 }, own = { 0 };
	int rc = held_said(view, account->uid, account->owner_uid, &own, &owner);

	if (rc < 0)
		return rc;
	host_bounds(facts, &host);
	bounds_resolve(&host, &owner, &own, &bounds->of, NULL);
	bounds->process_memory = bounds_process_memory((uint64_t)facts->sessions.memory * SESSION_MEMORY_MIB << 20,
						       &owner, &own, &bounds->of);
	return 0;
}

int index_bounds(struct index_reader *reader, const struct index_account *account, struct account_bounds *bounds)
{
	struct index_hold hold;
	int rc = index_enter(reader, &hold);

	if (rc < 0)
		return rc;
	rc = held_bounds(hold.view, account, bounds);
	index_leave(&hold);
	return rc;
}
