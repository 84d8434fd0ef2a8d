/* SPDX-License-Identifier: ISC */
#include "subuidd/op/check_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "account/index.h"
#include "account/passwd.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/identity.h"
#include "subuidd/caller.h"
#include "subuidd/subid/plan.h"
#include "subuidd/subid/text.h"

#define LINK_ALARM_SECONDS 5u
#define FILES_LOOKS 5

enum link_state { LINK_RIGHT = 0, LINK_MISSING = 1, LINK_OTHER = 2, LINK_UNREADABLE = 3 };

void check_add(struct check_result *result, const char *subject, const char *fault, const char *todo)
{
	struct finding *finding;

	if (result->count >= WIRE_BATCH)
		return;
	finding = &result->findings[result->count++];
	memset(finding, 0, sizeof(*finding));
	text_escape(subject, finding->subject, sizeof(finding->subject));
	if (result->count == WIRE_BATCH)
		fault = "more is wrong here than fits one answer: put right what was told and check again";
	text_escape(fault, finding->fault, sizeof(finding->fault));
	text_escape(todo, finding->todo, sizeof(finding->todo));
}

/* ---- what readers see ---- */

static void check_index_account(const struct account *row, const char *name, struct check_result *result)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	static const char todo[] = "restart subuidd: it builds the index anew";
	struct index_account seen;
	int r = index_account_by_uid(&reader, row->uid, &seen);

	if (row->state != ACCOUNT_ACTIVE) {
		if (r == 0)
			check_add(result, name, "in the index, though it is not active", todo);
		return;
	}
	if (r < 0) {
		check_add(result, name, r == -ENOENT ? "not in the index by its uid" : "the index cannot be read", todo);
		return;
	}
	if (strcmp(seen.name, name) != 0 || seen.owner_uid != row->owner_uid ||
	    (seen.flags & ACCOUNT_LOCKED) != (row->flags & ACCOUNT_LOCKED) || seen.expires_day != row->expires_day ||
	    strcmp(seen.comment, row->comment) != 0)
		check_add(result, name, "the index says something else than the store", todo);
	if (index_account_by_name(&reader, name, &seen) < 0 || seen.uid != row->uid)
		check_add(result, name, "not in the index by its name", todo);
}

static void check_index_range(const struct id_range *row, const char *subject, struct check_result *result)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct id_range first, last;

	if (index_range_by_id(&reader, row->first, &first) == 0 &&
	    index_range_by_id(&reader, row->first + row->count - 1, &last) == 0 && first.first == row->first &&
	    last.first == row->first && first.count == row->count && first.owner_uid == row->owner_uid &&
	    first.account_uid == row->account_uid)
		return;
	check_add(result, subject, "the index says something else of this range than the store",
		  "restart subuidd: it builds the index anew");
}

/* ---- the rest of the host ---- */

/* NSS must answer with our name: then ours is there, and nobody stands before it. */
static void check_nss(const struct account *row, const char *name, struct check_result *result)
{
	entry_cleanup struct host_entry user = { 0 }, own = { 0 };
	char fault[FAILURE_TEXT_MAX + 1];
	int r = user_find_uid(row->uid, &user);

	if (r == -ENOENT)
		check_add(result, name, "NSS does not know its uid", "run subuid doctor: is subuid in nsswitch.conf?");
	else if (r < 0)
		check_add(result, name, "the user database does not answer for its uid", "try again when it does");
	else if (strcmp(user.user.pw_name, name) != 0) {
		snprintf(fault, sizeof(fault), "its uid %u is also that of %.100s", row->uid, user.user.pw_name);
		check_add(result, name, fault, "remove one of them");
	}
	r = group_find_gid(row->uid, &own);
	if (r < 0 && r != -ENOENT) {
		check_add(result, name, "the group database does not answer for its gid", "try again when it does");
	} else if (r == 0 && strcmp(own.group.gr_name, name) != 0) {
		snprintf(fault, sizeof(fault), "its gid %u is also that of the group %.100s", row->uid, own.group.gr_name);
		check_add(result, name, fault, "remove one of them");
	}
}

/* owner, label: who has them here; "": the owner himself. */
static void check_subids(const struct broker *broker, uint32_t first, uint32_t count, const char *owner,
			 uint32_t owner_uid, const char *label, const char *subject, struct check_result *result)
{
	struct id_block holder = { first, first + count - 1 };
	char name[ACCOUNT_NAME_MAX + 1], number[16], fault[FAILURE_TEXT_MAX + 1];
	const char *const names[] = { owner, number, name }; /* as lines of the files may name him */
	bool given = name_join(owner, broker->settings.separator, label, name) == 0;
	int r;

	snprintf(number, sizeof(number), "%u", owner_uid);
	r = host_probe_others(broker->probe.data, holder.first, holder.last, names, given ? 3 : 2, &holder);
	if (r == 0)
		return;
	if (r < 0)
		snprintf(fault, sizeof(fault), "what the rest of the host holds cannot be found out: %s", strerror(-r));
	else
		snprintf(fault, sizeof(fault), "%u-%u is also held outside: in /etc/subuid, /etc/subgid, passwd or group",
			 holder.first, holder.last);
	check_add(result, subject, fault, "take it away there, or remove it here");
}

/* ---- disk ---- */

/* As the owner, who cannot make us follow anything: it is he who looks. The text of
 * the link is what home.h makes. */
static int link_child(const struct broker *broker, const struct account *row, const struct link_owner *owner)
{
	char want[PATH_MAX], path[PATH_MAX], text[PATH_MAX];
	ssize_t length;

	if (identity_become(owner->uid, owner->gid, NULL, 0) < 0)
		return LINK_UNREADABLE;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	alarm(LINK_ALARM_SECONDS);
	snprintf(path, sizeof(path), "%s/%s/%s", owner->home, broker->homes.link_directory, row->label);
	snprintf(want, sizeof(want), "%s/%s/%s/%s", broker->homes.path, row->owner, row->label,
		 broker->homes.views ? "view" : "home");
	length = readlink(path, text, sizeof(text) - 1);
	if (length < 0)
		return errno == ENOENT ? LINK_MISSING : errno == EINVAL ? LINK_OTHER : LINK_UNREADABLE;
	text[length] = '\0';
	return strcmp(text, want) == 0 ? LINK_RIGHT : LINK_OTHER;
}

static void check_link(const struct broker *broker, const struct account *row, const struct link_owner *owner,
		       const char *name, struct check_result *result)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(link_child(broker, row, owner));
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		check_add(result, name, "the owner's home does not answer", "look at the file system it is on");
	else if (WEXITSTATUS(status) == LINK_MISSING)
		check_add(result, name, "the link in the owner's home is gone", "the owner can make it again: ln -s");
	else if (WEXITSTATUS(status) == LINK_OTHER)
		check_add(result, name, "something else stands where the link in the owner's home should be",
			  "the owner can move it away and make the link again: ln -s");
	else if (WEXITSTATUS(status) != LINK_RIGHT)
		check_add(result, name, "the link in the owner's home cannot be read", "look at the modes of his home");
}

static void check_owner(const struct broker *broker, const struct account *row, const char *name,
			struct check_result *result)
{
	struct link_owner owner = { 0 };
	char fault[FAILURE_TEXT_MAX + 1];
	int r = passwd_by_name(row->owner, &owner);

	if (r == -ENOENT) {
		check_add(result, name, "its owner is not an account of this host any more",
			  "remove it, or bring the owner back");
	} else if (r < 0) {
		check_add(result, name, "the user database does not answer", "");
	} else if (owner.uid != row->owner_uid) {
		snprintf(fault, sizeof(fault), "made for uid %u, and %s is uid %u now", row->owner_uid, owner.name,
			 (unsigned)owner.uid);
		check_add(result, name, fault, "remove it, or give the owner his uid back");
	} else {
		check_link(broker, row, &owner, name, result);
	}
}

static void check_account(const struct broker *broker, const struct account *row, struct check_result *result)
{
	char name[ACCOUNT_NAME_MAX + 1], why[256] = "";
	int r;

	if (name_join(row->owner, broker->settings.separator, row->label, name) < 0) {
		check_add(result, row->label, "its name is not one", "restore a backup of the store");
		return;
	}
	check_index_account(row, name, result);
	if (row->state != ACCOUNT_ACTIVE) {
		check_add(result, name, "it is neither active nor gone", "see the log: subuidd tries again by itself");
		return;
	}
	check_nss(row, name, result);
	check_subids(broker, row->uid, 1, row->owner, row->owner_uid, "", name, result);
	r = home_check(&broker->homes, row, why, sizeof(why));
	if (r < 0 && !(r == -ENOTCONN && broker->views_on_demand))
		check_add(result, name, why[0] != '\0' ? why : strerror(-r),
			  r == -ENOTCONN ? "run subuid mount" : "see subuidd(8)");
	check_owner(broker, row, name, result);
}

static void check_range(const struct broker *broker, const struct id_range *row, struct check_result *result)
{
	char subject[ACCOUNT_NAME_MAX + 1];

	snprintf(subject, sizeof(subject), "%.*s %u", OWNER_MAX, row->owner, row->first);
	check_index_range(row, subject, result);
	check_subids(broker, row->first, row->count, row->owner, row->owner_uid, row->label, subject, result);
}

/* ---- our lines in the files ---- */

static void check_line(struct check_result *result, const char *name, const char *what,
		       const struct subid_lines_at *line, const char *todo)
{
	char fault[FAILURE_TEXT_MAX + 1], subject[32];

	snprintf(subject, sizeof(subject), SYSCONFDIR "/%s", name);
	snprintf(fault, sizeof(fault), "a line of ours %s%.*s", what, (int)line->length, line->at);
	check_add(result, subject, fault, todo);
}

static void check_file(const struct subid_lines *wanted, const struct subid_lines *recorded, const char *name,
		       int etc_fd, struct check_result *result)
{
	static const char todo[] = "subuidd writes it anew at its next change or start";
	cleanup_free char *text = NULL;
	struct subid_lines present = { 0 };
	size_t length = 0;
	int r = subid_text_read(etc_fd, name, &text, &length);

	if (r == 0)
		r = subid_lines_add_text(&present, text, length);
	if (r == 0)
		r = subid_lines_sort(&present);
	if (r < 0)
		check_add(result, name, r == -EPERM ? "not a plain file of root's" : strerror(-r),
			  "subordinate ids cannot be published there: see publish in subuidd.conf(5)");
	for (size_t i = 0; r == 0 && i < wanted->count; i++)
		if (subid_lines_find(&present, wanted->sorted[i].at, wanted->sorted[i].length) < 0)
			check_line(result, name, "is missing: ", &wanted->sorted[i], todo);
	for (size_t i = 0; r == 0 && i < recorded->count; i++)
		if (subid_lines_find(wanted, recorded->sorted[i].at, recorded->sorted[i].length) < 0 &&
		    subid_lines_find(&present, recorded->sorted[i].at, recorded->sorted[i].length) >= 0)
			check_line(result, name, "is left over: ", &recorded->sorted[i], todo);
	subid_lines_free(&present);
}

static void check_files_once(const struct broker *broker, struct check_result *result)
{
	cleanup_fd int etc_fd = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct subid_plan plan = { 0 };
	int r = etc_fd < 0 ? -errno : subid_plan_ask(&plan, broker->settings.publish, etc_fd);

	if (r == 0)
		r = subid_plan_lines(&plan, broker->state_fd, etc_fd);
	if (r < 0) {
		check_add(result, "subuid", strerror(-r), "see the log of subuidd");
	} else if (plan.wanted.count > 0 || plan.before.count > 0) {
		check_file(&plan.wanted, &plan.before, "subuid", etc_fd, result);
		check_file(&plan.wanted, &plan.before, "subgid", etc_fd, result);
	}
	if (r == 0 && plan.doubtful[0] != '\0')
		check_add(result, plan.doubtful, "the user database does not answer, so that its lines in the files stay as they are",
			  "try again when `getent passwd` answers");
	subid_plan_free(&plan);
}

/* A change of this moment is in the index before it is in the files. */
static void check_files(const struct broker *broker, struct check_result *result)
{
	struct check_result before = *result;

	for (int i = 0; i < FILES_LOOKS; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
		*result = before;
		check_files_once(broker, result);
		if (result->count == before.count)
			return;
	}
}

static void check_store(struct check_result *result)
{
	static const char todo[] = "restore a backup of " STATE_DIR "/state.db";
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	char why[256] = "";
	int r = store_view(STATE_DIR "/state.db", &view);

	if (r == 0)
		r = store_check(view, why, sizeof(why));
	if (r < 0)
		check_add(result, "store", why[0] != '\0' ? why : strerror(-r), todo);
}

static void check_run(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	for (int i = 0; i < job->accounts_count; i++)
		if (!job->busy[i])
			check_account(broker, &job->accounts[i], result);
	for (int i = 0; i < job->ranges_count; i++)
		check_range(broker, &job->ranges[i], result);
	if (job->files)
		check_files(broker, result);
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
