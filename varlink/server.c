/* SPDX-License-Identifier: ISC */
/* Takes calls of a connection apart and answers them: see server.h. Run by worker and userdb, neither with privilege.
 */
#include <errno.h>
#include <string.h>

#include "varlink/server.h"
#include "varlink/service.h"

/* Takes the references of object and value; NULL when memory ran out. */
static json_t *with(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* Takes the reference of message. */
static int send_taken(struct varlink_call *call, json_t *message)
{
	int ret;

	if (message == NULL)
		return -ENOMEM;
	ret = varlink_send(call->stream, message);
	json_decref(message);
	return ret;
}

static json_t *reply_message(json_t *parameters)
{
	return with(json_object(), "parameters", parameters != NULL ? parameters : json_object());
}

int varlink_reply(struct varlink_call *call, json_t *parameters)
{
	if (call->oneway) {
		json_decref(parameters);
		return 0;
	}
	return send_taken(call, reply_message(parameters));
}

int varlink_reply_continues(struct varlink_call *call, json_t *parameters)
{
	if (!call->more) {
		json_decref(parameters);
		return -EINVAL;
	}
	return send_taken(call, with(reply_message(parameters), "continues", json_true()));
}

int varlink_reply_text_continues(struct varlink_call *call, const char *parameters, size_t length)
{
	static const char before[] = "{\"parameters\":", after[] = ",\"continues\":true}"; /* as jansson writes it */
	const struct varlink_part parts[] = { { before, sizeof(before) - 1 },
					      { parameters, length },
					      { after, sizeof(after) - 1 } };

	return call->more ? varlink_put(call->stream, parts, 3) : -EINVAL;
}

int varlink_error(struct varlink_call *call, const char *error, json_t *parameters)
{
	if (call->oneway) {
		json_decref(parameters);
		return 0;
	}
	return send_taken(call, with(reply_message(parameters), "error", json_string(error)));
}

/* An error with one parameter of type string, as org.varlink.service has them. */
static int error_about(struct varlink_call *call, const char *error, const char *name, json_t *value)
{
	json_t *parameters = with(json_object(), name, value);

	return parameters == NULL ? -ENOMEM : varlink_error(call, error, parameters);
}

int varlink_invalid_parameter(struct varlink_call *call, const char *parameter)
{
	return error_about(call, VARLINK_INVALID_PARAMETER, "parameter", json_string(parameter));
}

static bool letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reverse domain name: at least two parts between dots, of letters, digits and inner '-'. */
static bool interface_name_valid(const char *name, size_t length)
{
	bool dotted = false;

	if (length == 0 || !letter(name[0]))
		return false;
	for (size_t i = 0; i < length; i++) {
		bool at_edge = i == 0 || name[i - 1] == '.' || i + 1 == length || name[i + 1] == '.';

		if (letter(name[i]) || digit(name[i]))
			continue;
		if (at_edge || (name[i] != '.' && name[i] != '-'))
			return false;
		dotted = dotted || name[i] == '.';
	}
	return dotted;
}

/* "interface.Method": where Method begins, NULL if it does not have that shape. */
static const char *method_name(const char *full)
{
	const char *dot = strrchr(full, '.');

	if (dot == NULL || !interface_name_valid(full, (size_t)(dot - full)) || dot[1] < 'A' || dot[1] > 'Z')
		return NULL;
	for (const char *c = dot + 1; *c != '\0'; c++)
		if (!letter(*c) && !digit(*c))
			return NULL;
	return dot + 1;
}

static bool type_fits(const json_t *value, json_type type)
{
	return type == JSON_TRUE || type == JSON_FALSE ? json_is_boolean(value) : json_typeof(value) == type;
}

static const struct varlink_parameter *parameter_find(const struct varlink_parameter *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

/* The name of the first member that the table does not allow, or NULL. Drops null members. */
static const char *parameters_check(json_t *parameters, const struct varlink_parameter *table)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(parameters, next, name, value) {
		const struct varlink_parameter *parameter = parameter_find(table, name);

		if (parameter == NULL || (!json_is_null(value) && !type_fits(value, parameter->type)))
			return name;
		if (json_is_null(value))
			json_object_del(parameters, name);
	}
	for (; table->name != NULL; table++)
		if (table->required && json_object_get(parameters, table->name) == NULL)
			return table->name;
	return NULL;
}

static const struct varlink_method *method_find(const struct varlink_interface *interface, const char *name)
{
	for (const struct varlink_method *method = interface->methods; method->name != NULL; method++)
		if (strcmp(method->name, name) == 0)
			return method;
	return NULL;
}

/* The members that a call may have; null counts as left out. */
static const struct varlink_parameter call_members[] = {
	{ .name = "method", .type = JSON_STRING, .required = true },
	{ .name = "parameters", .type = JSON_OBJECT },
	{ .name = "oneway", .type = JSON_TRUE },
	{ .name = "more", .type = JSON_TRUE },
	{ .name = "upgrade", .type = JSON_TRUE },
	{ .name = NULL },
};

static int call_method(struct varlink_call *call, const char *name)
{
	const struct varlink_interface *interface;
	const struct varlink_method *method;
	size_t length = (size_t)(name - call->method) - 1;
	const char *wrong;

	interface = varlink_interface_find(call->service, call->method, length);
	if (interface == NULL)
		return error_about(call, VARLINK_INTERFACE_NOT_FOUND, "interface", json_stringn(call->method, length));
	method = method_find(interface, name);
	if (method == NULL)
		return error_about(call, VARLINK_METHOD_NOT_FOUND, "method", json_string(call->method));
	if (method->handle == NULL)
		return error_about(call, VARLINK_METHOD_NOT_IMPLEMENTED, "method", json_string(call->method));
	wrong = parameters_check(call->parameters, method->parameters);
	if (wrong != NULL)
		return varlink_invalid_parameter(call, wrong);
	return method->handle(call);
}

int varlink_dispatch(const struct varlink_service *service, struct varlink_stream *stream, json_t *message)
{
	struct varlink_call call = { .stream = stream, .data = service->data, .service = service };
	const char *wrong, *name = NULL;
	json_t *none = NULL;
	int ret;

	call.oneway = json_is_true(json_object_get(message, "oneway"));
	call.more = !call.oneway && json_is_true(json_object_get(message, "more"));
	wrong = parameters_check(message, call_members);
	if (wrong == NULL && json_is_true(json_object_get(message, "upgrade")))
		wrong = "upgrade";
	if (wrong == NULL) {
		call.method = json_string_value(json_object_get(message, "method"));
		name = method_name(call.method);
		if (name == NULL)
			wrong = "method";
	}
	if (wrong != NULL)
		return varlink_invalid_parameter(&call, wrong);
	call.parameters = json_object_get(message, "parameters");
	if (call.parameters == NULL)
		call.parameters = none = json_object();
	ret = call.parameters != NULL ? call_method(&call, name) : -ENOMEM;
	json_decref(none);
	return ret;
}

/* A message that is not a JSON object contains no call that could be answered: the peer is told
 * once, and the connection ends, since nobody knows what the rest of the bytes would mean. */
static void tell_malformed(struct varlink_stream *stream)
{
	struct varlink_call call = { .stream = stream };

	(void)varlink_invalid_parameter(&call, "message");
}

int varlink_serve(const struct varlink_service *service, struct varlink_stream *stream)
{
	for (;;) {
		json_t *message;
		int ret = varlink_receive(stream, &message);

		if (ret == -ENODATA)
			return 0;
		if (ret == -EBADMSG || ret == -EMSGSIZE)
			tell_malformed(stream);
		if (ret < 0)
			return ret;
		ret = varlink_dispatch(service, stream, message);
		json_decref(message);
		if (ret < 0)
			return ret;
	}
}
