/* SPDX-License-Identifier: ISC */
/*
 * The methods of io.subuidd.Accounts: parse, ask the broker, answer. The peer's
 * mistakes are answered; a mistake of the broker ends the worker.
 */
#include "subuidd/worker/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "subuidd/worker/import.h"
#include "varlink/server.h"
#include "varlink/text.h"

#define INTERFACE "io.subuidd.Accounts"

extern const char interface_text[]; /* the .varlink file, made by the Makefile */

struct worker {
	int broker;
	bool host_known;
	struct daemon_status host;
};

struct operation {
	const char *method;
	enum op op;
};

static const struct operation operations[] = {
	{"Status", OP_STATUS},	       {"Add", OP_ACCOUNT_ADD},		  {"Get", OP_ACCOUNT_GET},
	{"List", OP_ACCOUNT_LIST},     {"Modify", OP_ACCOUNT_MODIFY},	  {"Lock", OP_ACCOUNT_LOCK},
	{"Unlock", OP_ACCOUNT_UNLOCK}, {"Remove", OP_ACCOUNT_REMOVE},	  {"Mount", OP_ACCOUNT_MOUNT},
	{"KeyAdd", OP_KEY_ADD},	       {"KeyList", OP_KEY_LIST},	  {"KeyRemove", OP_KEY_REMOVE},
	{"RangeAdd", OP_RANGE_ADD},    {"RangeList", OP_RANGE_LIST},	  {"RangeRemove", OP_RANGE_REMOVE},
	{"LimitGet", OP_LIMIT_GET},    {"LimitSet", OP_LIMIT_SET},	  {"Audit", OP_AUDIT_LIST},
	{"Check", OP_CHECK},	       {"Release", OP_TOMBSTONE_RELEASE},
	{"LimitList", OP_LIMIT_LIST}, {"TombstoneList", OP_TOMBSTONE_LIST},
	{"RunList", OP_RUN_LIST},      {"Repair", OP_REPAIR},
	{"StateSave", OP_STATE_SAVE},
};

static uint32_t operation_of(const struct varlink_call *call)
{
	const char *dot = strrchr(call->method, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].method, dot + 1) == 0)
			return operations[i].op;
	return 0;
}

int worker_send(int broker, const struct request *request)
{
	ssize_t sent;

	do
		sent = send(broker, request, request->size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == request->size ? 0 : -EPROTO;
}

int worker_receive(int broker, uint32_t op, struct answer *answer)
{
	ssize_t got;

	do
		got = recv(broker, answer, sizeof(*answer), MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if ((size_t)got > sizeof(*answer) || wire_answer_check(answer, (size_t)got) < 0)
		return -EPROTO;
	if (answer->op != op || answer->row > 1 || answer->more > 1 || answer->failure.failure >= FAILURE_MAX_)
		return -EPROTO;
	return 0;
}

/* The one answer of a call that is not a list. */
static int ask(struct worker *worker, const struct request *request, struct answer *answer)
{
	int r = worker_send(worker->broker, request);

	if (r == 0)
		r = worker_receive(worker->broker, request->op, answer);
	return r == 0 && (answer->row || answer->more) ? -EPROTO : r;
}

static int reply_failure(struct varlink_call *call, const struct failure_text *failure)
{
	const char *name = failure_name((enum failure)failure->failure);
	char error[sizeof(INTERFACE) + 64] = INTERFACE ".";
	json_t *parameters = worker_answer_failure(failure);

	if (parameters == NULL)
		return -ENOMEM;
	strncat(error, name != NULL ? name : "Failed", 63);
	return varlink_error(call, error, parameters);
}

/* Caller and separator as this host names them: asked once. Where the broker refuses, labels stand alone. */
static int host_of(struct worker *worker)
{
	struct request request;
	struct failure_text ignored;
	struct answer answer;

	if (worker->host_known)
		return 0;
	worker_parse(OP_STATUS, NULL, &request, &ignored);

	int r = ask(worker, &request, &answer);

	if (r < 0)
		return r;
	if (answer.failure.failure == FAILURE_NONE) {
		worker->host = answer.status;
		worker->host_known = true;
	}
	return 0;
}

/* Full names are made of what the host says. To be known before the request goes out:
 * one request at a time. */
static int host_for(struct worker *worker, uint32_t op)
{
	bool needed = op == OP_KEY_ADD || op == OP_KEY_LIST || op == OP_RANGE_ADD || op == OP_RANGE_LIST;

	return needed ? host_of(worker) : 0;
}

/* "alice+web1" of the account that the keys of this call, or this range, belong to;
 * the label alone where the rest cannot be told, "" for a range of the owner himself. */
static void account_of(const struct worker *worker, const struct request *request, const struct answer *answer,
		       char *name)
{
	const char *owner = "", *label = "";

	if (request->op == OP_KEY_ADD || request->op == OP_KEY_LIST) {
		const struct request_name *asked =
			request->op == OP_KEY_ADD ? &request->key_add.name : &request->list.name;

		owner = asked->owner;
		label = asked->label;
	} else if (request->op == OP_RANGE_ADD || request->op == OP_RANGE_LIST) {
		owner = answer->range.owner;
		label = answer->range.label;
	}
	if (label[0] == '\0' || !worker->host_known ||
	    name_join(owner[0] ? owner : worker->host.caller, worker->host.separator[0], label, name) < 0)
		memcpy(name, label, strlen(label) + 1);
}

static int handle_one(struct varlink_call *call)
{
	struct worker *worker = call->data;
	struct request request;
	struct answer answer;
	struct failure_text failure;
	char account[ACCOUNT_NAME_MAX + 1];

	if (worker_parse(operation_of(call), call->parameters, &request, &failure) < 0)
		return reply_failure(call, &failure);

	int r = host_for(worker, request.op);

	if (r == 0)
		r = ask(worker, &request, &answer);
	if (r < 0)
		return r;
	if (answer.failure.failure != FAILURE_NONE)
		return reply_failure(call, &answer.failure);
	account_of(worker, &request, &answer, account);

	json_t *parameters = worker_answer(&answer, account);

	return parameters == NULL ? -ENOMEM : varlink_reply(call, parameters);
}

/* A row of a list: accounts are many. */
static int reply_row(struct varlink_call *call, const struct request *request, const struct answer *answer)
{
	char account[ACCOUNT_NAME_MAX + 1], buffer[WORKER_ROW_MAX];
	struct json_text text = JSON_TEXT(buffer);
	json_t *parameters;

	if (request->op == OP_ACCOUNT_LIST) {
		json_text_begin(&text, "");
		worker_account_text(&text, "account", &answer->account);
		json_text_end(&text);
		return text.failed ? -ENOMEM : varlink_reply_text_continues(call, text.bytes, text.used);
	}
	account_of(call->data, request, answer, account);
	parameters = worker_answer(answer, account);
	return parameters == NULL ? -ENOMEM : varlink_reply_continues(call, parameters);
}

/* One batch of a list: rows go out together, or as they come. *answer is the final one. */
static int stream_batch(struct varlink_call *call, const struct request *request, struct answer *answer)
{
	struct worker *worker = call->data;
	int r = host_for(worker, request->op);

	if (r == 0)
		r = worker_send(worker->broker, request);
	while (r == 0) {
		r = worker_receive(worker->broker, request->op, answer);
		if (r == 0 && !answer->row)
			return varlink_flush(call->stream);
		if (r == 0 && answer->failure.failure != FAILURE_NONE)
			return -EPROTO;
		if (r == 0)
			r = reply_row(call, request, answer);
	}
	return r;
}

/* How far a check has come, after each batch and at the end; total 0: not known (yet). */
static json_t *checked_json(uint64_t checked, uint64_t total)
{
	return json_pack("{s:I, s:o*}", "checked", (json_int_t)checked, "total",
			 total > 0 ? json_integer((json_int_t)total) : NULL);
}

static int handle_list(struct varlink_call *call)
{
	struct request request;
	struct answer answer = {0};
	struct failure_text failure;
	uint64_t checked = 0, total = 0;

	if (!call->more)
		return varlink_error(call, "org.varlink.service.ExpectedMore", json_object());
	if (worker_parse(operation_of(call), call->parameters, &request, &failure) < 0)
		return reply_failure(call, &failure);
	for (;;) {
		int r = stream_batch(call, &request, &answer);

		if (r < 0)
			return r;
		if (answer.failure.failure != FAILURE_NONE)
			return reply_failure(call, &answer.failure);
		checked += answer.checked;
		total = answer.total > 0 ? answer.total : total;
		if (!answer.more)
			break;
		if (request.op == OP_CHECK)
			r = varlink_reply_continues(call, checked_json(checked, total));
		if (r < 0)
			return r;
		if (answer.cursor == request.list.cursor)
			return -EPROTO; /* would never end */
		request.list.cursor = answer.cursor;
	}

	return varlink_reply(call, request.op == OP_CHECK ? checked_json(checked, total) : json_object());
}

static int handle_import(struct varlink_call *call)
{
	struct worker *worker = call->data;
	struct failure_text failure;
	int r;

	if (!call->more)
		return varlink_error(call, "org.varlink.service.ExpectedMore", json_object());
	r = worker_import(call, worker->broker, &failure);
	return r == 1 ? reply_failure(call, &failure) : r;
}

#define LABEL                                                                                                      \
	{                                                                                                          \
		"label", JSON_STRING, true                                                                         \
	}
#define OWNER                                                                                                      \
	{                                                                                                          \
		"owner", JSON_STRING, false                                                                        \
	}
#define ALL                                                                                                        \
	{                                                                                                          \
		"all", JSON_TRUE, false                                                                            \
	}
#define END                                                                                                        \
	{                                                                                                          \
		NULL, JSON_NULL, false                                                                             \
	}

static const struct varlink_parameter none[] = {END};
static const struct varlink_parameter account_name[] = {LABEL, OWNER, END};
static const struct varlink_parameter owner_all[] = {OWNER, ALL, END};
static const struct varlink_parameter owner_only[] = {OWNER, END};
static const struct varlink_parameter add[] = {
	LABEL,
	OWNER,
	{"key", JSON_OBJECT, false},
	{"range", JSON_INTEGER, false},
	{"quota", JSON_INTEGER, false},
	{"files", JSON_INTEGER, false},
	{"view", JSON_STRING, false},
	{"expires", JSON_STRING, false},
	{"comment", JSON_STRING, false},
	END,
};
static const struct varlink_parameter modify[] = {
	LABEL,
	OWNER,
	{"alarm", JSON_INTEGER, false},
	{"quota", JSON_INTEGER, false},
	{"files", JSON_INTEGER, false},
	{"view", JSON_STRING, false},
	{"expires", JSON_STRING, false},
	{"comment", JSON_STRING, false},
	END,
};
static const struct varlink_parameter remove_account[] = {
	LABEL, OWNER, {"keepHome", JSON_TRUE, false}, {"purge", JSON_TRUE, false}, END,
};
static const struct varlink_parameter key_add[] = {LABEL, OWNER, {"key", JSON_OBJECT, true}, END};
static const struct varlink_parameter key_remove[] = {
	LABEL, OWNER, {"id", JSON_INTEGER, false}, {"fingerprint", JSON_STRING, false}, END,
};
static const struct varlink_parameter range_add[] = {
	{"count", JSON_INTEGER, true},
	{"label", JSON_STRING, false},
	{"after", JSON_INTEGER, false},
	OWNER,
	END,
};
static const struct varlink_parameter range_remove[] = {{"first", JSON_INTEGER, true}, OWNER, END};
static const struct varlink_parameter limit_set[] = {
	{"owner", JSON_STRING, true},	 {"accounts", JSON_INTEGER, false}, {"keys", JSON_INTEGER, false},
	{"ranges", JSON_INTEGER, false}, {"reset", JSON_TRUE, false},	    END,
};
static const struct varlink_parameter audit[] = {OWNER, ALL, {"before", JSON_INTEGER, false}, END};
static const struct varlink_parameter run_list[] = {
	{"label", JSON_STRING, false}, OWNER, ALL, {"before", JSON_INTEGER, false}, END,
};
static const struct varlink_parameter release[] = {{"first", JSON_INTEGER, true}, END};

static const struct varlink_parameter repair[] = {
	{"repair", JSON_STRING, true}, {"place", JSON_STRING, false}, {"label", JSON_STRING, false}, OWNER,
	{"uid", JSON_INTEGER, false},  {"dryRun", JSON_TRUE, false},  END,
};

static const struct varlink_parameter key_list[] = {{"label", JSON_STRING, false}, OWNER, ALL, END};
static const struct varlink_parameter import[] = {
	{"rows", JSON_ARRAY, true}, {"dryRun", JSON_TRUE, false}, {"keepGoing", JSON_TRUE, false},
	{"goesOn", JSON_TRUE, false}, END,
};

static const struct varlink_method methods[] = {
	{"Status", none, handle_one},
	{"Add", add, handle_one},
	{"Get", account_name, handle_one},
	{"List", owner_all, handle_list},
	{"Modify", modify, handle_one},
	{"Lock", account_name, handle_one},
	{"Unlock", account_name, handle_one},
	{"Remove", remove_account, handle_one},
	{"Mount", account_name, handle_one},
	{"KeyAdd", key_add, handle_one},
	{"KeyList", key_list, handle_list},
	{"KeyRemove", key_remove, handle_one},
	{"RangeAdd", range_add, handle_one},
	{"RangeList", owner_all, handle_list},
	{"RangeRemove", range_remove, handle_one},
	{"LimitGet", owner_only, handle_one},
	{"LimitSet", limit_set, handle_one},
	{"Audit", audit, handle_list},
	{"RunList", run_list, handle_list},
	{"Check", owner_all, handle_list},
	{"Repair", repair, handle_one},
	{"Release", release, handle_one},
	{"Import", import, handle_import},
	{"LimitList", none, handle_list},
	{"TombstoneList", none, handle_list},
	{"StateSave", none, handle_one},
	{NULL, NULL, NULL},
};

int worker_serve(int broker, struct varlink_stream *stream)
{
	static const struct varlink_interface accounts = {INTERFACE, interface_text, methods};
	static const struct varlink_interface *const interfaces[] = {&accounts, NULL};
	struct worker worker = {.broker = broker};
	const struct varlink_service service = {
		.vendor = "subuidd",
		.product = "subuidd",
		.version = VERSION,
		.url = "man:subuidd(8)",
		.interfaces = interfaces,
		.data = &worker,
	};

	return varlink_serve(&service, stream);
}
