/* SPDX-License-Identifier: ISC */
/*
 * The requests that the broker knows: one closed table (wire/operations.h). Each
 * call goes through the same steps: shape, permission, limit, conflict, act (durably),
 * answer.
 */
#ifndef SUBUIDD_OPERATION_H
#define SUBUIDD_OPERATION_H

#include <stddef.h>

#include "subuidd/call/call.h"

/* Serves one packet of a peer: begins a call, whose answers go to the sink, or goes on with the one that is pending.
 * 0, or -EPROTO: a sound worker does not send this. */
int operation_receive(struct broker *broker, const struct caller *caller, const struct call_sink *sink, void *asker,
		      const void *message, size_t size, struct call **pending);

/* The handlers: each is a function of subuidd/op/. */
#define OPERATION_HANDLER(op, method, who, traits, action, handler, ...) enum failure handler(struct call *call);
OPERATIONS(OPERATION_HANDLER)

#endif
