/* SPDX-License-Identifier: ISC */
/*
 * `subuid state save`: a saved state that the daemon has written, or where none runs one of this program's own,
 * into a file, to standard output or among the daily copies. Root.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/path.h"
#include "subuidd/state/copy.h"
#include "subuidd/state/daily.h"
#include "subuidd/state/host.h"
#include "subuidd/state/program.h"
#include "subuidd/state/save.h"
#include "subuidd/state/target.h"

#define PIECE (256 * 1024)

/* Writes a saved state to out_fd. 0, or negative errno and a sentence in why. */
typedef int (*producer)(const struct place *place, int data, int out_fd, char *why, size_t size);

static int nothing(void *data, const void *bytes, size_t size)
{
	(void)data;
	(void)bytes;
	(void)size;
	return 0;
}

/* From one to the other (-1: only read), checked on the way. */
static int pass(int in_fd, int out_fd, struct state_header *header, char *why, size_t size)
{
	cleanup_free struct state_decoder *decoder = malloc(sizeof(*decoder));
	cleanup_free char *piece = malloc(PIECE);
	ssize_t got = 1;
	int r = decoder == NULL || piece == NULL ? -ENOMEM : 0;

	if (r == 0)
		state_decoder_start(decoder);
	while (r == 0 && (got = read(in_fd, piece, PIECE)) > 0) {
		r = state_decode(decoder, piece, (size_t)got, nothing, NULL);
		if (r == 0 && out_fd >= 0)
			r = write_full(out_fd, piece, (size_t)got);
	}
	if (r == 0 && got < 0)
		r = -errno;
	if (r == 0 && state_decoder_end(decoder) != STATE_SOUND)
		r = -EBADMSG;
	if (r == 0)
		*header = decoder->header;
	else
		snprintf(why, size, "%s", r == -EBADMSG ? state_fault_why(state_decoder_end(decoder)) : strerror(-r));
	return r;
}

/* ---- where it comes from */

static int from_daemon(const struct place *place, int save_fd, int out_fd, char *why, size_t size)
{
	struct state_header header;

	(void)place;
	return pass(save_fd, out_fd, &header, why, size);
}

static int from_store(const struct place *place, int data, int out_fd, char *why, size_t size)
{
	(void)data;
	return state_save(place->state_fd, place->homes_fd, out_fd, why, size);
}

/* ---- where it goes to */

static int target_complain(const char *file, int error)
{
	if (error == -EEXIST)
		return complain(STATUS_CONFLICT, file, "already exists, and is not a saved state",
				"choose another name, or use --force");
	if (error == -ENOTTY)
		return complain(STATUS_USAGE, "standard output", "a terminal", "name a file: subuid state save FILE");
	return complain(STATUS_FAILED, file, strerror(-error), "");
}

static int saved_print(const struct options *options, const char *where, const struct state_header *header)
{
	json_t *all;

	if (!options->json) {
		printf("saved to %s: accounts %" PRIu64 ", keys %" PRIu64 ", ranges %" PRIu64 ", generation %" PRIu64
		       "\n",
		       where, header->accounts, header->keys, header->ranges, header->generation);
		return STATUS_DONE;
	}
	all = header_json(header);
	json_object_set_new(all, "file", json_string(where));
	return json_end(all);
}

static int to_file(const struct options *options, const struct place *place, producer produce, int data)
{
	struct target target = { .dirfd = -1, .fd = -1 };
	struct state_header header;
	char why[REASON_SIZE] = "";
	int status = STATUS_DONE, r = target_open(options->file, options->force, &target);

	if (r < 0)
		return target_complain(options->file, r);
	r = produce(place, data, target.fd, why, sizeof(why));
	if (r == 0 && target.dirfd >= 0) {
		r = lseek(target.fd, 0, SEEK_SET) < 0 ? -errno : pass(target.fd, -1, &header, why, sizeof(why));
		if (r == 0)
			r = target_commit(&target);
		if (r == 0)
			status = saved_print(options, options->file, &header);
	}
	if (r < 0)
		status = complain(STATUS_FAILED, options->file, why[0] != '\0' ? why : strerror(-r),
				  "nothing was changed");
	target_close(&target);
	return status;
}

/* Opened and proved, as by a load: only then may older ones be removed. */
static int copy_prove(int fd, struct state_header *header, char *why, size_t size)
{
	struct copy copy;
	int r = copy_prepare(&copy);

	if (r < 0)
		snprintf(why, size, "a place to verify it: %s", strerror(-r));
	else
		r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : copy_read(&copy, fd, why, size);
	if (r == 0)
		*header = copy.header;
	copy_close(&copy);
	return r;
}

static int daily_put(const struct place *place, int dirfd, producer produce, int data, struct state_header *header,
		     char *why, size_t size)
{
	struct target target = { .dirfd = -1, .fd = -1 };
	char name[DAILY_NAME_MAX + 1];
	int r = daily_name(time(NULL), name);

	if (r == 0)
		r = target_open_at(dirfd, name, false, &target);
	if (r < 0) {
		snprintf(why, size, "%s: %s", name,
			 r == -EEXIST ? "already exists, and is not a saved state" : strerror(-r));
		return r;
	}
	r = produce(place, data, target.fd, why, size);
	if (r == 0)
		r = copy_prove(target.fd, header, why, size);
	if (r == 0)
		r = daily_name(header->saved, target.name); /* it may have been started before midnight */
	if (r == 0 && strcmp(name, target.name) != 0 && faccessat(dirfd, target.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = -EEXIST;
	if (r == 0)
		r = target_commit(&target);
	target_close(&target);
	return r;
}

static int to_daily(const struct options *options, const struct place *place, producer produce, int data)
{
	const struct settings *settings = &place->settings;
	struct state_header header;
	char why[REASON_SIZE] = "", name[DAILY_NAME_MAX + 1] = "", path[512];
	cleanup_fd int dirfd = daily_open(settings, true, why, sizeof(why));
	int r = dirfd;

	if (r >= 0)
		r = daily_put(place, dirfd, produce, data, &header, why, sizeof(why));
	if (r < 0)
		return complain(STATUS_FAILED, settings->backup_directory, why[0] != '\0' ? why : strerror(-r),
				"no copy was made, and none removed");
	daily_name(header.saved, name);
	r = daily_prune(dirfd, settings->backups_kept, name);
	if (r < 0)
		return complain(STATUS_FAILED, settings->backup_directory, strerror(-r), "old copies stay");
	snprintf(path, sizeof(path), "%s/%s", settings->backup_directory, name);
	return saved_print(options, path, &header);
}

static int deliver(const struct options *options, const struct place *place, producer produce, int data)
{
	return options->daily ? to_daily(options, place, produce, data) : to_file(options, place, produce, data);
}

/* ---- the verbs */

static bool daily_off(const struct options *options, const struct place *place)
{
	if (!options->daily || place->settings.backups_kept > 0)
		return false;
	unlinkat(place->state_fd, STATE_SAVE, 0); /* that the daemon may have written for it */
	puts("daily copies are off: backups_kept = 0");
	return true;
}

int state_collect(const struct options *options)
{
	struct place place;
	int status = place_open(&place, "save", false);
	cleanup_fd int fd = -1;

	if (status == STATUS_DONE && !daily_off(options, &place)) {
		fd = path_open_beneath(place.state_fd, STATE_SAVE, O_RDONLY, 0);
		/* If another save has meanwhile put a file in its place, that one is newer: this save asks again. */
		if (fd == -ENOENT)
			status = STATUS_GONE;
		else if (fd < 0)
			status = complain(STATUS_FAILED, STATE_DIR "/" STATE_SAVE, strerror(-fd), "");
		else if (unlinkat(place.state_fd, STATE_SAVE, 0) < 0 && errno != ENOENT)
			status = complain(STATUS_FAILED, STATE_DIR "/" STATE_SAVE, strerror(errno), "");
		else
			status = deliver(options, &place, from_daemon, fd);
	}
	place_close(&place);
	return status;
}

/* Everything that is in the log into the file, as at the end of a daemon. */
static int store_settle(void)
{
	struct store *store = NULL;
	int r;

	if (access(STATE_DB_PATH, F_OK) < 0)
		return complain(STATUS_NOT_FOUND, STATE_DB_PATH, strerror(errno),
				errno == ENOENT ? "subuid state load brings a saved state back" : "");
	r = store_open(STATE_DB_PATH, &store);
	store_close(store);
	return r < 0 ? complain(STATUS_FAILED, STATE_DB_PATH, strerror(-r), "") : STATUS_DONE;
}

/* A store that was rolled back must not replace the copies that know more. */
static int store_current(const struct options *options, const struct place *place)
{
	char why[REASON_SIZE] = "";
	int r = host_behind(place, why, sizeof(why));

	if (r == 0)
		return STATUS_DONE;
	if (options->daily)
		return complain(STATUS_FAILED, "save", why,
				"no copy was made, and none removed; subuid state load brings a "
				"saved state back");
	fprintf(stderr, "subuid: save: warning: %s\n", why);
	return STATUS_DONE;
}

int state_save_offline(const struct options *options)
{
	struct place place;
	int status = place_open(&place, "save", true);

	if (status == STATUS_DONE && !daily_off(options, &place)) {
		status = store_settle();
		if (status == STATUS_DONE)
			status = store_current(options, &place);
		if (status == STATUS_DONE)
			status = deliver(options, &place, from_store, -1);
	}
	place_close(&place);
	return status;
}

static int newest_print(const struct settings *settings)
{
	struct state_header header;
	char why[REASON_SIZE] = "", name[DAILY_NAME_MAX + 1];
	cleanup_fd int dirfd = daily_open(settings, false, why, sizeof(why));
	int r = dirfd < 0 ? dirfd : daily_newest(dirfd, name, &header);

	if (r == 0)
		printf("%s/%s %" PRId64 "\n", settings->backup_directory, name, header.saved);
	else if (r == -ENOENT)
		printf("none %s\n", settings->backup_directory);
	else
		return complain(STATUS_FAILED, settings->backup_directory, why[0] != '\0' ? why : strerror(-r), "");
	return STATUS_DONE;
}

/* For `subuid doctor`. */
int state_newest(const struct options *options)
{
	struct settings settings;
	char why[REASON_SIZE] = "";

	(void)options;
	if (geteuid() != 0)
		return complain(STATUS_NOT_PERMITTED, "newest", "only root may do this", "use sudo");
	if (settings_load("", &settings, why, sizeof(why)) < 0)
		return complain(STATUS_FAILED, "settings", why, "");
	if (settings.backups_kept > 0)
		return newest_print(&settings);
	puts("off");
	return STATUS_DONE;
}
