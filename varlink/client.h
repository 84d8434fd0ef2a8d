/* SPDX-License-Identifier: ISC */
/* Calls over Varlink; used by subuid(1), setup and doctor. */
#ifndef VARLINK_CLIENT_H
#define VARLINK_CLIENT_H

#include <stdbool.h>
#include <jansson.h>

#include "varlink/scan.h"
#include "varlink/stream.h"

/* Connects to the socket. A descriptor (close-on-exec) or negative errno. */
int varlink_connect(const char *path);

/* One call. parameters is borrowed, may be NULL. 0 and *reply (the "parameters"
 * object, caller decrefs); -EREMOTEIO: the service answered an error, *error is its name and
 * *reply its parameters (caller frees both); else negative errno. */
int varlink_call(struct varlink_stream *stream, const char *method, json_t *parameters, json_t **reply, char **error);

/* A call with "more": each reply's parameters go to `each`, which returns 0 to go on. */
typedef int (*varlink_each)(json_t *parameters, void *data);
int varlink_call_more(struct varlink_stream *stream, const char *method, json_t *parameters, varlink_each each,
		      void *data, json_t **error_parameters, char **error);

/* The same for a list: a reply that is a plain row of this name (varlink/scan.h) goes to `row`, all others to `each`.
 */
struct varlink_rows {
	const char *name;
	int (*row)(const struct scan_row *row, void *data);
	varlink_each each;
	void *data;
};
int varlink_call_rows(struct varlink_stream *stream, const char *method, json_t *parameters,
		      const struct varlink_rows *rows, json_t **error_parameters, char **error);

#endif
