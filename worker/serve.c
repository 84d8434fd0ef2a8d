/* SPDX-License-Identifier: ISC */
/*
 * The methods of io.subuidd.Accounts: parse, ask the broker, answer. The peer's
 * mistakes are answered; a mistake of the broker ends the worker.
 */
#include "worker/serve.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "account/password.h"
#include "worker/import.h"
#include "worker/password.h"
#include "worker/rehash.h"
#include "worker/worker.h"

extern const char interface_text[]; /* the .varlink file, made by the Makefile */

uint32_t serve_operation(const struct varlink_call *call)
{
	const char *dot = strrchr(call->method, '.');

	for (uint32_t op = 0; dot != NULL && op < OP_MAX_; op++)
		if (wire_message(op) != NULL && strcmp(wire_message(op)->method, dot + 1) == 0)
			return op;
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

int serve_failure(struct varlink_call *call, const struct failure_text *failure)
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

int serve_host_for(struct worker *worker, uint32_t op)
{
	enum wire_kind kind = wire_message(op)->kind;
	bool needed = kind == ANSWERS_KEY || kind == ANSWERS_RANGE;

	return needed ? host_of(worker) : 0;
}

void serve_account_of(const struct worker *worker, const struct request *request, const struct answer *answer,
		      char *name)
{
	enum wire_kind kind = wire_message(request->op)->kind;
	const struct request_name *asked = request_name(request);
	const char *owner = "", *label = "";

	if (kind == ANSWERS_KEY && asked != NULL) {
		owner = asked->owner;
		label = asked->label;
	} else if (kind == ANSWERS_RANGE) {
		owner = answer->range.owner;
		label = answer->range.label;
	}
	if (label[0] == '\0' || !worker->host_known ||
	    name_join(owner[0] ? owner : worker->host.caller, worker->host.separator[0], label, name) < 0)
		memcpy(name, label, strlen(label) + 1);
}

/* Shown this once; one of a dry run was made for nobody. */
static int password_put(json_t *parameters, bool dry_run)
{
	char text[PASSWORD_TEXT_MAX + 1];
	int r = 0;

	if (worker_password_take(text) && !dry_run)
		r = json_object_set_new(parameters, "password", json_string(text));
	explicit_bzero(text, sizeof(text));
	return r;
}

static int handle_one(struct varlink_call *call)
{
	struct worker *worker = call->data;
	struct request request;
	struct answer answer;
	struct failure_text failure;
	char account[ACCOUNT_NAME_MAX + 1];

	worker_password_forget(); /* of a call that was refused */
	if (worker_parse(serve_operation(call), call->parameters, &request, &failure) < 0)
		return serve_failure(call, &failure);

	int r = serve_host_for(worker, request.op);

	if (r == 0)
		r = request.op == OP_PASSWORD_REHASH ? worker_rehash(worker->broker, &request, &answer) :
						       ask(worker, &request, &answer);
	if (r < 0)
		return r;
	if (answer.failure.failure != FAILURE_NONE)
		return serve_failure(call, &answer.failure);
	serve_account_of(worker, &request, &answer, account);

	json_t *parameters = worker_answer(&answer, account);

	if (parameters == NULL || password_put(parameters, request.dry_run != 0) < 0)
		return -ENOMEM;
	return varlink_reply(call, parameters);
}

static int handle_import(struct varlink_call *call)
{
	struct worker *worker = call->data;
	struct failure_text failure;
	int r;

	if (!call->more)
		return varlink_error(call, "org.varlink.service.ExpectedMore", json_object());
	r = worker_import(call, worker->broker, &failure);
	return r == 1 ? serve_failure(call, &failure) : r;
}

/* ---- the table of methods, made of the messages ---- */

#define PARAMETERS_MAX 2000

/* The parameters of one method behind those of another, with an empty one between: only what is written takes memory,
 * and there is a worker for each connection. */
struct methods {
	struct varlink_method method[OP_MAX_ + 1];
	struct varlink_parameter parameters[PARAMETERS_MAX + 1];
	size_t count;
};

static json_type type_of(const struct field *field)
{
	switch (field->kind) {
	case FIELD_NUMBER:
	case FIELD_SIGNED:
		return JSON_INTEGER;
	case FIELD_FLAG:
		return JSON_TRUE;
	default:
		return JSON_STRING;
	}
}

static void parameter_add(struct methods *methods, const char *name, json_type type, bool required)
{
	if (methods->count < PARAMETERS_MAX)
		methods->parameters[methods->count++] = (struct varlink_parameter){ name, type, required };
}

/* A key is an object of its own. */
static void parameters_of(struct methods *methods, const struct wire_part *part)
{
	if (part->record == &key_record) {
		parameter_add(methods, "key", JSON_OBJECT, part->required);
		return;
	}
	for (size_t i = 0; i < part->record->count; i++) {
		const struct field *field = &part->record->fields[i];

		if ((field->use & FIELD_GIVEN) != 0)
			parameter_add(methods, field->name, type_of(field), (field->use & FIELD_REQUIRED) != 0);
	}
}

static void methods_make(struct methods *methods)
{
	static const struct varlink_parameter import[] = {
		{ "rows", JSON_ARRAY, true },   { "dryRun", JSON_TRUE, false }, { "keepGoing", JSON_TRUE, false },
		{ "goesOn", JSON_TRUE, false }, { NULL, JSON_NULL, false },
	};
	size_t made = 0;

	methods->count = 0;
	for (uint32_t op = 0; op < OP_MAX_; op++) {
		const struct wire_message *message = wire_message(op);
		const struct varlink_parameter *first = &methods->parameters[methods->count];

		if (message == NULL)
			continue;
		for (const struct wire_part *part = message->request; part->record != NULL && !message->import; part++)
			parameters_of(methods, part);
		parameter_add(methods, NULL, JSON_NULL, false); /* ends them */
		methods->method[made++] = (struct varlink_method){
			message->method,
			message->import ? import : first,
			message->import ? handle_import :
			message->list   ? serve_list :
					  handle_one,
		};
	}
}

int worker_serve(int broker, struct varlink_stream *stream)
{
	static struct methods methods;
	const struct varlink_interface accounts = { INTERFACE, interface_text, methods.method };
	const struct varlink_interface *const interfaces[] = { &accounts, NULL };
	struct worker worker = { .broker = broker };
	const struct varlink_service service = {
		.vendor = "subuidd",
		.product = "subuidd",
		.version = VERSION,
		.url = "man:subuidd(8)",
		.interfaces = interfaces,
		.data = &worker,
	};

	methods_make(&methods);
	return varlink_serve(&service, stream);
}
