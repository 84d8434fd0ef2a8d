/* SPDX-License-Identifier: ISC */
/*
 * Asks NSS, the subid files, the files of projects and the source of subordinate ids that was configured before
 * ours. Run by the broker (root); NSS modules of the host run in this process. If a question has no answer, that is
 * an error and nothing is given out.
 *
 * A single id is asked for by number, as uid and as gid: the answer is exact.
 *
 * A range cannot be asked for id by id (65536 questions to a directory server). It
 * is compared with everything that passwd and group enumerate, and SPREAD of its
 * ids or more, first and last among them, are asked for by number. That leaves: a source
 * that does not enumerate (LDAP through SSSD by default) and holds an id inside
 * the range that is none of those asked for. So the ranges of the settings have to
 * lie outside of what such a source hands out, as subuidd.conf(5) says.
 *
 * To enumerate takes as long as there are users. The list is kept as long as /etc/passwd and /etc/group are the
 * same, and for ENTRIES_SECONDS at most, since other sources tell of no change.
 *
 * A source that does not answer is doubt, wherever it stands in nsswitch.conf (account/passwd.h): nothing is given out.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "account/passwd.h"
#include "subuidd/ids/probe.h"
#include "subuidd/ids/probe_chain.h"
#include "subuidd/ids/projects.h"

#define ENTRY_BYTES_FIRST 4096u
#define ENTRY_BYTES_MAX (16u << 20) /* a group of a million members */
#define SPREAD 17
#define SPREAD_MAX 1025
#define ENTRIES_SECONDS 10

/* libnss_subuid answers for the ids of ranges (account/range_name.h): that is us. */
static bool name_ours(const char *name, uint32_t id)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_host host;
	struct id_range range;
	uint32_t named;

	return index_range_by_name(&reader, name, &named, &range, &host) == 0 && named == id;
}

static const struct local *files; /* NULL: the C library reads them */

void host_probe_local(const struct local *local)
{
	files = local;
}

static int entry_find(enum id_type type, uint32_t id, struct host_entry *entry)
{
	if (files == NULL)
		return type == TYPE_UID ? user_find_uid(id, entry) : group_find_gid(id, entry);
	return type == TYPE_UID ? local_user_of(files, id, entry) : local_group_of(files, id, entry);
}

static int id_taken(enum id_type type, uint32_t id)
{
	entry_cleanup struct host_entry entry = { 0 };
	int r = entry_find(type, id, &entry);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return !name_ours(type == TYPE_UID ? entry.user.pw_name : entry.group.gr_name, id);
}

static int uid_taken(void *data, uint32_t uid)
{
	struct host_probe *host = data;
	int r = probe_ahead_unused(&host->ahead, TYPE_UID, uid) ? 0 : id_taken(TYPE_UID, uid);

	return r != 0 ? r : project_taken(uid); /* the project of its home has the same number */
}

static int gid_taken(void *data, uint32_t gid)
{
	struct host_probe *host = data;

	return probe_ahead_unused(&host->ahead, TYPE_GID, gid) ? 0 : id_taken(TYPE_GID, gid);
}

void host_probe_ahead(struct host_probe *host, sd_event *event, uint32_t first, uint32_t count)
{
	probe_ahead_start(&host->ahead, event, first, count, id_taken);
}

/* ---- everything that enumerates ---- */

/* The next entry's id. 1 an id, 0 the end, else negative errno (-ERANGE: again with more room). */
typedef int (*next_entry)(char *buffer, size_t size, uint32_t *id);

static int next_passwd(char *buffer, size_t size, uint32_t *id)
{
	struct passwd entry, *found = NULL;
	int error = getpwent_r(&entry, buffer, size, &found);

	if (error == 0)
		*id = entry.pw_uid;
	return error == 0 ? 1 : error == ENOENT ? 0 : -error;
}

static int next_group(char *buffer, size_t size, uint32_t *id)
{
	struct group entry, *found = NULL;
	int error = getgrent_r(&entry, buffer, size, &found);

	if (error == 0)
		*id = entry.gr_gid;
	return error == 0 ? 1 : error == ENOENT ? 0 : -error;
}

static int enumerate(next_entry next, struct subid_list *list)
{
	size_t size = ENTRY_BYTES_FIRST;
	char *buffer = malloc(size);
	uint32_t id = 0;
	int r = buffer == NULL ? -ENOMEM : 1;

	while (r == 1) {
		r = next(buffer, size, &id);
		if (r == 1)
			r = subid_list_add(list, (struct id_block){ id, id }) ?: 1;
		if (r == -ERANGE && size < ENTRY_BYTES_MAX) {
			free(buffer);
			size *= 4;
			buffer = malloc(size);
			r = buffer == NULL ? -ENOMEM : 1;
		}
	}
	free(buffer);
	return r;
}

static int enumerate_all(struct subid_list *list)
{
	int r;

	setpwent();
	r = enumerate(next_passwd, list);
	endpwent();
	if (r == 0) {
		setgrent();
		r = enumerate(next_group, list);
		endgrent();
	}
	subid_list_sort(list);
	return r;
}

static const char *const entry_files[] = { SYSCONFDIR "/passwd", SYSCONFDIR "/group" };

static void entries_look(struct host_seen *seen)
{
	*seen = (struct host_seen){ 0 };
	clock_gettime(CLOCK_BOOTTIME, &seen->when);
	for (size_t i = 0; i < 2; i++)
		if (stat(entry_files[i], &seen->files[i]) != 0)
			memset(&seen->files[i], 0, sizeof(seen->files[i]));
}

static bool entries_fresh(const struct host_seen *then, const struct host_seen *now)
{
	for (size_t i = 0; i < 2; i++)
		if (!subid_file_same(&then->files[i], &now->files[i]))
			return false;
	return now->when.tv_sec - then->when.tv_sec < ENTRIES_SECONDS;
}

/* A file that has just been changed can change again and look the same: then this was for this time alone. */
static int enumerated(struct host_probe *host)
{
	struct host_seen now;
	int r;

	if (host->enumerated)
		return 0;
	entries_look(&now);
	if (entries_fresh(&host->seen, &now))
		return 0;
	subid_list_free(&host->entries);
	r = enumerate_all(&host->entries);
	if (r == 0 && subid_file_settled(&now.files[0]) && subid_file_settled(&now.files[1]))
		host->seen = now;
	else
		memset(&host->seen, 0, sizeof(host->seen));
	host->enumerated = r == 0;
	return r;
}

/* ---- ranges ---- */

static int spread_taken(uint32_t first, uint32_t last, struct id_block *holder)
{
	unsigned questions = (last - first) / RANGE_UNIT + 2; /* one for each block, where there are many */
	int r = 0;

	questions = questions < SPREAD ? SPREAD : questions > SPREAD_MAX ? SPREAD_MAX : questions;
	for (unsigned i = 0; r == 0 && i < questions; i++) {
		uint32_t id = first + (uint32_t)((uint64_t)(last - first) * i / (questions - 1));

		r = id_taken(TYPE_UID, id);
		if (r == 0)
			r = id_taken(TYPE_GID, id);
		if (r == 1)
			*holder = (struct id_block){ id, id };
	}
	return r;
}

/* Everything but the files; single ids have been asked for by number already. */
static int entries_taken(struct host_probe *host, uint32_t first, uint32_t last, struct id_block *holder)
{
	int r = probe_chain_taken(first, last, holder);

	if (r != 0 || first == last)
		return r;
	r = enumerated(host);
	if (r < 0)
		return r;
	if (subid_find(&host->entries, first, last, holder))
		return 1;
	return spread_taken(first, last, holder);
}

int host_entries_taken(struct host_probe *host, uint32_t first, uint32_t last)
{
	struct id_block holder;
	int r = probe_chain_taken(first, last, &holder);

	if (r == 0)
		r = enumerated(host);
	if (r != 0)
		return r;
	return subid_find(&host->entries, first, last, &holder) ? 1 : spread_taken(first, last, &holder);
}

/* The files are read by start(). */
static int block_taken(void *data, uint32_t first, uint32_t last, struct id_block *holder)
{
	struct host_probe *host = data;

	if (subid_find(&host->subuid.list, first, last, holder) || subid_find(&host->subgid.list, first, last, holder))
		return 1;
	return entries_taken(host, first, last, holder);
}

static int start(void *data)
{
	struct host_probe *host = data;
	int r = subid_file_refresh(&host->subuid);

	if (r == 0)
		r = subid_file_refresh(&host->subgid);
	host->enumerated = false;
	return r;
}

int host_probe_others(struct host_probe *host, uint32_t first, uint32_t last, const char *const *names, size_t count,
		      struct id_block *holder)
{
	uint64_t hashes[4];
	size_t n = count < 4 ? count : 4;
	int r = 0;

	if (!host->started)
		r = start(host);
	if (r < 0)
		return r;
	host->started = files != NULL;
	for (size_t i = 0; i < n; i++)
		hashes[i] = subid_name_hash(names[i], strlen(names[i]));
	if (subid_find_other(&host->subuid.list, first, last, hashes, n, holder) ||
	    subid_find_other(&host->subgid.list, first, last, hashes, n, holder))
		return 1;
	return entries_taken(host, first, last, holder);
}

int host_probe_open(const char *root, struct host_probe *host, struct allocate_probe *probe)
{
	char *subuid, *subgid;

	if (asprintf(&subuid, "%s/etc/subuid", root) < 0)
		return -ENOMEM;
	if (asprintf(&subgid, "%s/etc/subgid", root) < 0) {
		free(subuid);
		return -ENOMEM;
	}
	*host = (struct host_probe){ .paths = { subuid, subgid } };
	host->subuid.path = host->paths[0];
	host->subgid.path = host->paths[1];
	*probe = (struct allocate_probe){
		.start = start, .uid_taken = uid_taken, .gid_taken = gid_taken, .block_taken = block_taken, .data = host
	};
	return 0;
}

void host_probe_close(struct host_probe *host)
{
	subid_file_free(&host->subuid);
	subid_file_free(&host->subgid);
	subid_list_free(&host->entries);
	probe_ahead_free(&host->ahead);
	free(host->paths[0]);
	free(host->paths[1]);
	*host = (struct host_probe){ 0 };
}
