/* SPDX-License-Identifier: ISC */
/*
 * Serving Varlink on one connection: parsing of calls, the table of methods,
 * org.varlink.service (GetInfo, GetInterfaceDescription). Run by the worker and by
 * userdb, which have no privilege. Knows no accounts: methods come as a table.
 */
#ifndef VARLINK_SERVER_H
#define VARLINK_SERVER_H

#include <stdbool.h>
#include <jansson.h>

#include "varlink/stream.h"

struct varlink_service;

struct varlink_call {
	struct varlink_stream *stream;
	const char *method; /* full name */
	json_t *parameters; /* object, never NULL, without null members; borrowed */
	bool more, oneway,
		upgrade; /* a call with upgrade is refused: never true in a handler; never more together with oneway */
	void *data;      /* of the service */
	const struct varlink_service *service;
};

/* Errors of org.varlink.service that handlers answer too. */
#define VARLINK_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_EXPECTED_MORE "org.varlink.service.ExpectedMore" /* without parameters */

/* What a method's handler does: parse parameters, act, answer by one of these.
 * Each takes the reference of parameters (NULL: none). Nothing is sent for a oneway call. */
int varlink_reply(struct varlink_call *call, json_t *parameters);
int varlink_reply_continues(struct varlink_call *call, json_t *parameters); /* only when call->more */
int varlink_error(struct varlink_call *call, const char *error, json_t *parameters);
/* Like varlink_reply_continues(), for parameters that are JSON already (an object); it may be sent together with later
 * ones, so call varlink_flush() before the handler waits for anything. */
int varlink_reply_text_continues(struct varlink_call *call, const char *parameters, size_t length);
int varlink_invalid_parameter(struct varlink_call *call, const char *parameter);

/* What a method takes: checked before the handler runs. A member that is not in
 * the table, of another type, or a missing required one is answered
 * org.varlink.service.InvalidParameter (parameter). null counts as left out. */
struct varlink_parameter {
	const char *name;
	json_type type; /* JSON_TRUE stands for a boolean */
	bool required;
};

struct varlink_method {
	const char *name;                           /* "Add" */
	const struct varlink_parameter *parameters; /* ended by name NULL */
	/* 0, or negative errno: the connection ends. NULL: answered MethodNotImplemented. */
	int (*handle)(struct varlink_call *call);
};

struct varlink_interface {
	const char *name;                     /* "io.subuidd.Accounts" */
	const char *description;              /* text of the .varlink file */
	const struct varlink_method *methods; /* ended by name NULL */
};

struct varlink_service {
	const char *vendor, *product, *version, *url;
	const struct varlink_interface *const *interfaces; /* ended by NULL */
	void *data;
};

/* Answers one call: message as received, borrowed. 0, or the negative errno that ends the connection. Fuzzed. */
int varlink_dispatch(const struct varlink_service *service, struct varlink_stream *stream, json_t *message);

/* Serves until the peer ends. 0, or the negative errno that ended it. */
int varlink_serve(const struct varlink_service *service, struct varlink_stream *stream);

#endif
