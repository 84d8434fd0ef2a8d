/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: that systemd knows what all sessions of an account may take together. */
#include "cli/daemon.h"
#include "setup/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cgroup.h"
#include "setup/setup.h"
#include "varlink/client.h"

#define CHECK "account limits"
#define GROUPS "control groups"
#define CONTROLLERS CGROUPS "/cgroup.controllers"
#define NOT_BOUND "so that all sessions of an account together may take the host's whole memory"
#define LATE "so that the memory of all sessions of an account is bounded late, by looking"
#define ANSWER_MS 5000

/* The unified hierarchy, with memory in it. */
static bool memory_controlled(void)
{
	cleanup_fd int fd = open(CONTROLLERS, O_RDONLY | O_CLOEXEC);
	char text[512], *rest = text, *word;
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (got < 0)
		return false;
	text[got] = '\0';
	while ((word = strsep(&rest, " \n")) != NULL)
		if (strcmp(word, "memory") == 0)
			return true;
	return false;
}

/* Asks for the record of the doctor's account. 0 and *record, a new reference; 1: it answers, and there is no account
 * to ask for; or negative errno. */
static int ask(const struct doctor *doctor, json_t **record)
{
	cleanup_fd int fd = varlink_connect(USERDB_SOCKET);
	struct varlink_stream *stream = fd < 0 ? NULL : malloc(sizeof(*stream));
	json_t *parameters, *reply = NULL;
	char *error = NULL;
	int r;

	if (stream == NULL)
		return fd < 0 ? fd : -ENOMEM;
	varlink_stream_init(stream, fd, ANSWER_MS);
	parameters = json_pack("{s:s, s:s}", "userName", doctor->has_account ? doctor->account.name : "", "service",
			       "io.subuidd.UserDatabase");
	r = varlink_call(stream, "io.systemd.UserDatabase.GetUserRecord", parameters, &reply, &error);
	if (r == 0)
		*record = json_incref(json_object_get(reply, "record"));
	/* nobody has no name */
	if (r == -EREMOTEIO && !doctor->has_account && strstr(error, ".NoRecordFound") != NULL)
		r = 1;
	json_decref(parameters);
	json_decref(reply);
	free(error);
	free(stream);
	return r;
}

static void check_record(struct doctor *doctor, const json_t *record)
{
	json_int_t expected = (json_int_t)doctor->host.account_memory * SESSION_MEMORY_MIB;
	json_int_t told = json_integer_value(json_object_get(record, "memoryMax")) >> 20;

	if (json_integer_value(json_object_get(record, "uid")) != doctor->account.uid || told != expected)
		found_f(doctor, FINDING_BAD, CHECK, "systemctl restart " USERDB_UNIT,
			USERDB_UNIT " tells systemd another uid or limit of %s than the index has",
			doctor->account.name);
	else
		found_f(doctor, FINDING_GOOD, CHECK, "", "systemd is told to give at most %u MiB of memory to %s",
			(unsigned)told, doctor->account.name);
}

/* Without systemd: the place that the daemon makes for the groups of accounts, and what is counted there. */
static void groups_look(struct doctor *doctor)
{
	cleanup_fd int place = cgroup_open(CGROUP_OURS), fd = -1;
	char text[256] = "";

	if (place >= 0)
		fd = openat(place, "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd < 0)
		found(doctor, FINDING_NOTE, GROUPS,
		      "accounts have none, " LATE ", and their shares of the processors not at all",
		      "mount -t cgroup2 cgroup2 /sys/fs/cgroup, and restart subuidd");
	else if (strstr(text, "memory") == NULL || strstr(text, "pids") == NULL)
		found(doctor, FINDING_NOTE, GROUPS,
		      "accounts are frozen and killed by theirs, which bound neither memory (bounded late, by "
		      "looking) nor processes: the "
		      "controllers are not in the hierarchy of cgroup v2",
		      "add cgroup_no_v1=all to the kernel's command line");
	else
		found(doctor, FINDING_GOOD, GROUPS, "all sessions of an account are bounded together", "");
}

void doctor_userdb(struct doctor *doctor)
{
	json_t *record = NULL;
	int r;

	if (!systemd_runs()) {
		groups_look(doctor);
		return;
	}
	if (doctor->index_error != 0)
		return;
	r = ask(doctor, &record);
	if (userdb_replaced())
		found(doctor, FINDING_BAD, CHECK,
		      USERDB_UNIT " is not what is installed: another one was installed since",
		      "run `subuid setup`, which restarts it");
	else if (r < 0)
		found(doctor, FINDING_BAD, CHECK, USERDB_UNIT " does not answer, " LATE,
		      "run `subuid setup`; `journalctl -u " USERDB_UNIT "` says more");
	else if (!memory_controlled())
		found(doctor, FINDING_NOTE, CHECK, "this host has no control groups of memory, " LATE,
		      "add systemd.unified_cgroup_hierarchy=1 cgroup_enable=memory to the kernel's command line");
	else if (doctor->host.account_memory == 0)
		found(doctor, FINDING_NOTE, CHECK, "account_memory_mib = 0 sets no limit, " NOT_BOUND,
		      "see subuidd.conf(5)");
	else if (r == 1)
		found(doctor, FINDING_GOOD, CHECK, "systemd can ask for them; there is no account to try it with yet",
		      "");
	else
		check_record(doctor, record);
	json_decref(record);
}
