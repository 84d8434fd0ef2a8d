/* SPDX-License-Identifier: ISC */
/* Calls of the daemon, and its errors as messages and exit statuses. */
#include "cli/subuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "cli/daemon.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/row.h"
#include "confine/cleanup.h"
#include "confine/peerpidfd.h"
#include "varlink/client.h"

#define INTERFACE "io.subuidd.Accounts."
/* Between two messages: a home on a dead file server delays the daemon for less. */
#define DEADLINE_MS (5 * 60 * 1000)
#define STATUS_DEADLINE_MS 5000

/* A start that was refused is refused again until somebody has fixed the cause. */
static int unreachable(int error)
{
	const char *why = strerrordesc_np(-error);
	char refused[1024];

	if (strcmp(common.socket, SOCKET_PATH) == 0 && daemon_refused(refused, sizeof(refused)))
		complain(common.socket, "subuidd refused to start", "as root, `subuid doctor` says why and what to do");
	else
		complain(common.socket, why != NULL ? why : "cannot connect",
			 "is subuidd running? `systemctl start subuidd`, or `subuidd` where there is no systemd");
	return STATUS_UNREACHABLE;
}

/* Before Linux 6.5 a daemon that finds a connection waiting when it starts cannot tell whose it is, and takes it for a
 * container's. The next one finds it running. */
static bool taken_for_a_containers(struct varlink_stream *stream, int fd)
{
	int peer = -1;
	socklen_t size = sizeof(peer);
	cleanup_free char *error = NULL;
	json_t *status = NULL;
	bool contained;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &peer, &size) == 0)
		close(peer);
	if (peer >= 0 || errno != ENOPROTOOPT)
		return false;
	contained = varlink_call(stream, INTERFACE "Status", NULL, &status, &error) == 0 &&
		    json_is_true(json_object_get(status, "callerIsContained"));
	json_decref(status);
	return contained;
}

/* One connection serves all calls of a command. */
static struct varlink_stream *connection(int *status)
{
	static struct varlink_stream stream;
	static bool open;

	for (int tries = 0; !open; tries++) {
		int fd = varlink_connect(common.socket);

		if (fd < 0) {
			*status = unreachable(fd);
			return NULL;
		}
		varlink_stream_init(&stream, fd, DEADLINE_MS);
		open = tries > 0 || !taken_for_a_containers(&stream, fd);
		if (!open)
			close(fd);
	}
	return &stream;
}

/* What the message is about. People know the command that they typed, not the method that it calls. */
static const char *error_about(const char *method, const json_t *parameters)
{
	const char *what = json_text(parameters, "what");

	return strcmp(what, method) == 0 && common.command != NULL ? common.command : what;
}

/* The daemon's own errors carry what, why and todo; Varlink's name the parameter. */
static int remote_error(const char *method, const char *error, const json_t *parameters)
{
	if (strncmp(error, INTERFACE, strlen(INTERFACE)) == 0) {
		complain(error_about(method, parameters), json_text(parameters, "why"), json_text(parameters, "todo"));
		return failure_exit_status(failure_from_name(error + strlen(INTERFACE)));
	}
	if (strcmp(error, "org.varlink.service.InvalidParameter") == 0) {
		complain(json_text(parameters, "parameter"), "not accepted by the daemon",
			 "are subuid and subuidd of the same version?");
		return STATUS_USAGE;
	}
	complain("subuidd", error, "are subuid and subuidd of the same version?");
	return STATUS_FAILED;
}

static int local_error(int error)
{
	const char *why = strerrordesc_np(-error);

	if (error == -EMSGSIZE)
		return usage_error("request", "too long", "");
	if (error == -ECONNRESET || error == -EPIPE || error == -ENODATA)
		complain("subuidd", "ended the connection", "try again; its log says why");
	else if (error == -ETIMEDOUT)
		complain("subuidd", "did not answer in time", "its log says why");
	else
		complain("subuidd", why != NULL ? why : "failed", "its log says why");
	return error == -ENOMEM ? STATUS_FAILED : STATUS_UNREACHABLE;
}

static int outcome(const char *method, int r, char *error, json_t *error_parameters)
{
	int status = STATUS_DONE;

	if (r == -EREMOTEIO) {
		status = remote_error(method, error, error_parameters);
		json_decref(error_parameters);
		free(error);
	} else if (r < 0) {
		status = local_error(r);
	}
	return status;
}

static bool full_name(const char *method, char *name, size_t size)
{
	return snprintf(name, size, INTERFACE "%s", method) < (int)size;
}

int call(const char *method, json_t *parameters, json_t **reply)
{
	int status = STATUS_FAILED;
	struct varlink_stream *stream = connection(&status);
	char name[96], *error = NULL;

	if (stream == NULL || !full_name(method, name, sizeof(name))) {
		json_decref(parameters);
		return status;
	}

	json_t *received = NULL;
	int r = varlink_call(stream, name, parameters, &received, &error);

	json_decref(parameters);
	if (r == 0)
		*reply = received;
	return r == 0 ? STATUS_DONE : outcome(method, r, error, received);
}

/* An answer means that the daemon has looked at this process. */
int call_connect(void)
{
	json_t *status = NULL;
	int r = call("Status", NULL, &status);

	json_decref(status);
	return r;
}

/* Whatever of the reply --json shows says that it was a dry run. */
static void dry_mark(json_t *reply)
{
	const char *name;
	json_t *member;

	json_object_foreach(reply, name, member)
		if (json_is_object(member))
			json_object_set_new(member, "dryRun", json_true());
	json_object_set_new(reply, "dryRun", json_true());
}

int call_change(const char *method, json_t *parameters, json_t **reply)
{
	int status;

	if (!common.dry_run)
		return call(method, parameters, reply);
	json_object_set_new(parameters, "dryRun", json_true());
	status = call(method, parameters, reply);
	if (status == STATUS_DONE)
		dry_mark(*reply);
	return status;
}

static int list_call(const char *method, json_t *parameters, const struct varlink_rows *rows)
{
	int status = STATUS_FAILED;
	struct varlink_stream *stream = connection(&status);
	json_t *error_parameters = NULL;
	char name[96], *error = NULL;

	if (stream == NULL || !full_name(method, name, sizeof(name))) {
		json_decref(parameters);
		return status;
	}

	int r = varlink_call_rows(stream, name, parameters, rows, &error_parameters, &error);

	json_decref(parameters);
	return r >= 0 ? STATUS_DONE : outcome(method, r, error, error_parameters);
}

int call_each_reply(const char *method, json_t *parameters, call_each each, void *data)
{
	const struct varlink_rows rows = { .each = each, .data = data };

	return list_call(method, parameters, &rows);
}

struct rows_call {
	const char *member;
	int (*each)(const struct row *row, void *data);
	void *data;
};

static int plain_row(const struct scan_row *plain, void *data)
{
	const struct rows_call *rows = data;
	const struct row row = { .plain = plain };

	return rows->each(&row, rows->data);
}

static int object_row(json_t *reply, void *data)
{
	const struct rows_call *rows = data;
	const struct row row = { .object = json_object_get(reply, rows->member) };

	return row.object == NULL ? 0 : rows->each(&row, rows->data); /* NULL: the last reply */
}

int call_rows(const char *method, json_t *parameters, const char *member,
	      int (*each)(const struct row *row, void *data), void *data)
{
	struct rows_call call = { member, each, data };
	const struct varlink_rows rows = { .name = member, .row = plain_row, .each = object_row, .data = &call };

	return list_call(method, parameters, &rows);
}

/* A connection of its own, so that the next call gets one from which nothing was read. */
json_t *daemon_status(void)
{
	static struct varlink_stream stream;
	cleanup_fd int fd = varlink_connect(common.socket);
	cleanup_free char *error = NULL;
	json_t *reply = NULL;

	if (fd < 0)
		return NULL;
	varlink_stream_init(&stream, fd, STATUS_DEADLINE_MS);
	if (varlink_call(&stream, INTERFACE "Status", NULL, &reply, &error) == 0)
		return reply;
	json_decref(reply);
	return NULL;
}

bool daemon_answers(void)
{
	json_t *status = daemon_status();

	json_decref(status);
	return status != NULL;
}

struct collect {
	const char *member;
	uint64_t most;
	json_t *rows;
};

static int collect_row(json_t *reply, void *data)
{
	struct collect *collect = data;
	json_t *row = json_object_get(reply, collect->member);

	if (row == NULL)
		return 0; /* the last reply */
	if (json_array_append(collect->rows, row) < 0)
		return -ENOMEM;
	return json_array_size(collect->rows) >= collect->most;
}

int call_told(const char *method, json_t *parameters, const char *member, json_t **told)
{
	json_t *reply, *wanted;
	int status = call_change(method, parameters, &reply);

	*told = NULL;
	if (status != STATUS_DONE)
		return status;
	wanted = member != NULL ? json_object_get(reply, member) : reply;
	if (common.json)
		status = print_json(wanted);
	else
		*told = json_incref(wanted);
	json_decref(reply);
	return status;
}

int call_list(const char *method, json_t *parameters, const char *member, json_t **rows)
{
	return call_list_most(method, parameters, member, UINT64_MAX, rows);
}

int list_told(const char *method, json_t *parameters, const char *member, uint64_t most,
	      int (*print)(const json_t *rows))
{
	json_t *rows = NULL;
	int status = call_list_most(method, parameters, member, most, &rows);

	if (status == STATUS_DONE)
		status = common.json ? print_json(rows) : print(rows);
	json_decref(rows);
	return status;
}

int call_list_most(const char *method, json_t *parameters, const char *member, uint64_t most, json_t **rows)
{
	struct collect collect = { member, most, json_array() };
	int status = call_each_reply(method, parameters, collect_row, &collect);

	if (status == STATUS_DONE)
		*rows = collect.rows;
	else
		json_decref(collect.rows);
	return status;
}
