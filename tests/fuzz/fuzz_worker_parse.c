/* SPDX-License-Identifier: ISC */
/* Any JSON as the parameters of any call: what the worker makes of it is of the shape that the broker demands. */
#include <stdint.h>
#include <stdlib.h>

#include "subuidd/wire/request.h"
#include "worker/worker.h"
#include "varlink/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	struct failure_text failure;
	json_t *parameters;

	if (size == 0 || varlink_decode((const char *)data + 1, size - 1, &parameters) < 0)
		return 0;
	for (uint32_t op = 0; op <= OP_MAX_; op++) {
		if (data[0] != 0 && data[0] != op)
			continue;
		if (worker_parse(op, parameters, &request, &failure) == 0 &&
		    (wire_request_check(&request, request.size) < 0 || request_sound(&request) < 0))
			abort();
	}
	json_decref(parameters);
	return 0;
}
