/* SPDX-License-Identifier: ISC */
/* Calls a service: see client.h. Run as the caller of subuid(1), and by root in setup and doctor; what answers may be
 * any service that listens there, so the form of each reply is checked. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "confine/cleanup.h"
#include "varlink/client.h"

/* A service whose queue of connections is full must not hold a command for ever. */
#define CONNECT_SECONDS 10

int varlink_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval bound = { .tv_sec = CONNECT_SECONDS };
	size_t length = strlen(path);
	cleanup_fd int fd = -1;
	int ret;

	if (length == 0)
		return -EINVAL;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound)) < 0)
		return -errno;
	do
		ret = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return steal_fd(&fd);
}

/* A service that ends a connection at once (because there are too many) has already said why: its message is read
 * although the call could not be written. */
static int call_send(struct varlink_stream *stream, const char *method, json_t *parameters, bool more)
{
	json_t *message = json_object();
	int ret = json_object_set_new(message, "method", json_string(method));

	if (ret == 0 && parameters != NULL)
		ret = json_object_set(message, "parameters", parameters);
	if (ret == 0 && more)
		ret = json_object_set_new(message, "more", json_true());
	ret = ret == 0 ? varlink_send(stream, message) : -ENOMEM;
	json_decref(message);
	return ret == -EPIPE || ret == -ECONNRESET ? 0 : ret;
}

struct reply {
	json_t *parameters; /* object */
	char *error;
	bool continues;
};

/* Takes apart what was received. Outputs only on success. */
static int reply_parse(json_t *message, struct reply *reply)
{
	json_t *parameters = json_object_get(message, "parameters");
	json_t *error = json_object_get(message, "error");
	json_t *continues = json_object_get(message, "continues");
	struct reply parsed = { .continues = json_is_true(continues) };

	if ((error != NULL && !json_is_string(error)) || (continues != NULL && !json_is_boolean(continues)) ||
	    (parameters != NULL && !json_is_object(parameters) && !json_is_null(parameters)))
		return -EPROTO;
	if (error != NULL) {
		parsed.error = strdup(json_string_value(error));
		if (parsed.error == NULL)
			return -ENOMEM;
	}
	parsed.parameters = json_is_object(parameters) ? json_incref(parameters) : json_object();
	if (parsed.parameters == NULL) {
		free(parsed.error);
		return -ENOMEM;
	}
	*reply = parsed;
	return 0;
}

static int reply_decode(const char *bytes, size_t length, struct reply *reply)
{
	json_t *message;
	int ret = varlink_decode(bytes, length, &message);

	if (ret < 0)
		return ret;
	ret = reply_parse(message, reply);
	json_decref(message);
	return ret;
}

static int bytes_receive(struct varlink_stream *stream, char **bytes, size_t *length)
{
	int ret = varlink_receive_bytes(stream, bytes, length);

	return ret == -ENODATA ? -ECONNRESET : ret; /* an answer was expected */
}

static int reply_receive(struct varlink_stream *stream, struct reply *reply)
{
	char *bytes;
	size_t length;
	int ret = bytes_receive(stream, &bytes, &length);

	return ret < 0 ? ret : reply_decode(bytes, length, reply);
}

int varlink_call(struct varlink_stream *stream, const char *method, json_t *parameters, json_t **reply, char **error)
{
	struct reply received;
	int ret = call_send(stream, method, parameters, false);

	if (ret == 0)
		ret = reply_receive(stream, &received);
	if (ret < 0)
		return ret;
	if (received.error == NULL && received.continues) {
		json_decref(received.parameters); /* nobody asked for more */
		return -EPROTO;
	}
	*reply = received.parameters;
	if (received.error == NULL)
		return 0;
	*error = received.error;
	return -EREMOTEIO;
}

int varlink_call_rows(struct varlink_stream *stream, const char *method, json_t *parameters,
		      const struct varlink_rows *rows, json_t **error_parameters, char **error)
{
	int ret = call_send(stream, method, parameters, true);
	struct scan_row row;
	char *bytes;
	size_t length;

	while (ret == 0) {
		struct reply received;

		ret = bytes_receive(stream, &bytes, &length);
		if (ret == 0 && rows->name != NULL && scan_row(bytes, length, rows->name, &row)) {
			ret = rows->row(&row, rows->data);
			continue;
		}
		if (ret == 0)
			ret = reply_decode(bytes, length, &received);
		if (ret < 0)
			break;
		if (received.error != NULL) {
			*error_parameters = received.parameters;
			*error = received.error;
			return -EREMOTEIO;
		}
		ret = rows->each(received.parameters, rows->data);
		json_decref(received.parameters);
		if (!received.continues)
			break;
	}
	return ret;
}

int varlink_call_more(struct varlink_stream *stream, const char *method, json_t *parameters, varlink_each each,
		      void *data, json_t **error_parameters, char **error)
{
	const struct varlink_rows rows = { .each = each, .data = data };

	return varlink_call_rows(stream, method, parameters, &rows, error_parameters, error);
}
