/* SPDX-License-Identifier: ISC */
/*
 * Metrics as text, and as a file for node_exporter's textfile collector. Runs with the caller's rights; as root it
 * writes into a directory that another user may own.
 */
#include "cli/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

/*
 * A name that ends in _total has no type, whether it only rises or not: to OpenMetrics that end is not a part of a
 * counter's name, to Prometheus' text it is, and neither reads what the other writes.
 */
static const struct {
	const char *name, *type, *unit, *help;
} metrics_table[METRICS] = {
	[METRIC_UP] = { "subuid_up", "gauge", NULL, "Whether subuidd answers" },
	[METRIC_BUILD_INFO] = { "subuid_build_info", "gauge", NULL, "The version of subuidd; always 1" },
	[METRIC_ACCOUNTS] = { "subuid_accounts", "gauge", NULL, "Sub-accounts of an owner, by state" },
	[METRIC_LAST_GOOD] = { "subuid_account_last_good_backup_timestamp_seconds", "gauge", "seconds",
			       "When the last good backup ended; 0 never" },
	[METRIC_LAST_RUN] = { "subuid_account_last_run_timestamp_seconds", "gauge", "seconds",
			      "When the last backup ended, good or not" },
	[METRIC_LAST_OK] = { "subuid_account_last_run_ok", "gauge", NULL, "Whether the last backup was good" },
	[METRIC_LAST_STATUS] = { "subuid_account_last_run_status", "gauge", NULL,
				 "Status of the last backup: 0 to 255 of its program, 256 and a signal, 1000 cut off" },
	[METRIC_SILENT] = { "subuid_account_silent", "gauge", NULL,
			    "Whether no backup was good for longer than the alarm of the account allows" },
	[METRIC_ALARM] = { "subuid_account_alarm_seconds", "gauge", "seconds",
			   "Silence after which there is an alarm" },
	[METRIC_QUOTA] = { "subuid_account_quota_bytes", "gauge", "bytes", "The most that its files may take" },
	[METRIC_USED] = { "subuid_account_used_bytes", "gauge", "bytes",
			  "What its files take, of an account with a limit" },
	[METRIC_QUOTA_FILES] = { "subuid_account_quota_files", "gauge", NULL,
				 "The most files, directories and other names that it may have" },
	[METRIC_USED_FILES] = { "subuid_account_used_files", "gauge", NULL,
				"The names that it has, of an account with a limit" },
	[METRIC_KEYS] = { "subuid_account_keys", "gauge", NULL, "Its ssh keys" },
	[METRIC_USABLE] = { "subuid_account_usable", "gauge", NULL,
			    "Whether a key can log in: active, not locked, not expired, with a key" },
	[METRIC_CREATED] = { "subuid_account_created_timestamp_seconds", "gauge", "seconds", "When it was made" },
	[METRIC_OWNER_LIMIT] = { "subuid_owner_limit", "gauge", NULL,
				 "What an owner may have: accounts, keys of each, ranges of 65536 ids" },
	[METRIC_OWNER_USED] = { "subuid_owner_used", "gauge", NULL, "What an owner has" },
	[METRIC_RANGE_IDS] = { "subuid_range_ids", "gauge", NULL, "Ids for containers that an owner has" },
	[METRIC_IDS_TOTAL] = { "subuid_pool_ids_total", NULL, NULL, "Ids that the settings have" },
	[METRIC_IDS_FREE] = { "subuid_pool_ids_free", "gauge", NULL, "Ids that were never given out" },
	[METRIC_REFUSALS] = { "subuid_refusals_total", NULL, NULL,
			      "Calls that subuidd refused since it started, by error" },
	[METRIC_LOGINS] = { "subuid_logins_total", NULL, NULL,
			    "Logins of sub-accounts since subuidd started: good, failed, refused, probe; "
			    "denied: by pam_subuid, since the host started" },
	[METRIC_TIME] = { "subuid_metrics_timestamp_seconds", "gauge", "seconds", "When this was written" },
};

/* Within quotes; OpenMetrics and Prometheus escape the same three. */
static void escaped_put(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			fputs_unlocked("\\n", to);
			continue;
		}
		if (*text == '"' || *text == '\\')
			putc_unlocked('\\', to);
		putc_unlocked(*text, to);
	}
}

/* No temporary file: over ssh none can be made (manage.c). */
static FILE *samples_open(void)
{
	cleanup_fd int fd = memfd_create("metrics", MFD_CLOEXEC);
	FILE *samples = fd < 0 ? NULL : fdopen(fd, "w+e");

	if (samples != NULL)
		steal_fd(&fd);
	return samples;
}

void metrics_put(struct metrics *metrics, enum metric metric, uint64_t value, const char *const *labels)
{
	FILE *to = metrics->samples[metric];

	if (to == NULL)
		to = metrics->samples[metric] = samples_open();
	if (to == NULL) {
		metrics->failed = true;
		return;
	}
	fputs_unlocked(metrics_table[metric].name, to);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		fputs_unlocked(i == 0 ? "{" : ",", to);
		fputs_unlocked(labels[i], to);
		fputs_unlocked("=\"", to);
		escaped_put(to, labels[i + 1]);
		fputs_unlocked("\"", to);
	}
	fprintf(to, "%s %" PRIu64 "\n", labels != NULL && labels[0] != NULL ? "}" : "", value);
	metrics->failed |= ferror_unlocked(to) != 0;
}

/* ---- the text ---- */

static bool copy(FILE *from, FILE *to)
{
	char block[16384];
	size_t got;

	if (fseek(from, 0, SEEK_SET) != 0) /* writes out the rest of it, too */
		return false;
	while ((got = fread(block, 1, sizeof(block), from)) > 0)
		if (fwrite(block, 1, got, to) != got)
			return false;
	return ferror(from) == 0;
}

bool metrics_print(struct metrics *metrics, FILE *to)
{
	bool good = !metrics->failed;

	for (enum metric i = 0; good && i < METRICS; i++) {
		const char *name = metrics_table[i].name;

		if (metrics->samples[i] == NULL)
			continue;
		if (metrics_table[i].type != NULL)
			fprintf(to, "# TYPE %s %s\n", name, metrics_table[i].type);
		if (metrics_table[i].unit != NULL)
			fprintf(to, "# UNIT %s %s\n", name, metrics_table[i].unit);
		fprintf(to, "# HELP %s %s\n", name, metrics_table[i].help);
		good = copy(metrics->samples[i], to);
	}
	fputs("# EOF\n", to);
	return good && fflush(to) == 0 && ferror(to) == 0;
}

void metrics_free(struct metrics *metrics)
{
	for (enum metric i = 0; i < METRICS; i++)
		if (metrics->samples[i] != NULL)
			fclose(metrics->samples[i]);
}

/* ---- the file ---- */

/* The directory that path lies in, and its name there. */
static int directory_open(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	cleanup_fd int top = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char directory[PATH_MAX];

	*name = slash != NULL ? slash + 1 : path;
	if (top < 0)
		return -errno;
	while (*path == '/')
		path++;
	if (slash != NULL && slash > path)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	else
		snprintf(directory, sizeof(directory), ".");
	return path_open_beneath(top, directory, O_RDONLY | O_DIRECTORY, 0);
}

static int file_write(int fd, struct metrics *metrics)
{
	FILE *to = fdopen(fd, "w");
	int r = 0;

	if (to == NULL) {
		r = -errno;
		close(fd);
		return r;
	}
	errno = 0;
	if (!metrics_print(metrics, to) || fchmod(fd, 0644) != 0)
		r = errno != 0 ? -errno : -EIO;
	if (fclose(to) != 0 && r == 0)
		r = -errno;
	return r;
}

/* Beside it first: whoever reads finds a whole one. Its name does not end as a collector looks for. */
static int file_replace(int directory, const char *name, struct metrics *metrics)
{
	char beside[NAME_MAX + 1];
	int fd, r;

	if (snprintf(beside, sizeof(beside), ".%s.%d", name, (int)getpid()) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	unlinkat(directory, beside, 0); /* of a process that was killed */
	fd = openat(directory, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = file_write(fd, metrics);
	if (r == 0 && renameat(directory, beside, directory, name) != 0)
		r = -errno;
	if (r < 0)
		unlinkat(directory, beside, 0);
	return r;
}

int metrics_store(struct metrics *metrics, const char *path)
{
	const char *name = "";
	cleanup_fd int directory = directory_open(path, &name);
	int r = directory < 0 ? directory : file_replace(directory, name, metrics);

	if (r == 0)
		return STATUS_DONE;
	complain(path, r == -ELOOP ? "a symbolic link leads there" : strerrordesc_np(-r),
		 r == -ELOOP ? "name the directory without links" : "");
	return STATUS_FAILED;
}
