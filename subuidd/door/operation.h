/* SPDX-License-Identifier: ISC */
/*
 * The requests that the broker knows: one closed table {op, who may, function}. Each
 * call goes through the same steps: shape, permission, limit, conflict, act (durably),
 * answer.
 */
#ifndef SUBUIDD_OPERATION_H
#define SUBUIDD_OPERATION_H

#include <stddef.h>

#include "subuidd/call/call.h"

/* Serves one packet of a peer: begins a call, whose answers go to the sink, or goes on with the one that is pending.
 * 0, or -EPROTO: no sound worker sends this. */
int operation_receive(struct broker *broker, const struct caller *caller, const struct call_sink *sink, void *asker,
		      const void *message, size_t size, struct call **pending);

/* op_*.c */
enum failure op_status(struct call *call);
enum failure op_account_add(struct call *call);
enum failure op_account_get(struct call *call);
enum failure op_account_list(struct call *call);
enum failure op_account_modify(struct call *call);
enum failure op_account_lock(struct call *call);
enum failure op_account_unlock(struct call *call);
enum failure op_account_remove(struct call *call);
enum failure op_account_mount(struct call *call);
enum failure op_key_add(struct call *call);
enum failure op_key_list(struct call *call);
enum failure op_key_remove(struct call *call);
enum failure op_range_add(struct call *call);
enum failure op_range_list(struct call *call);
enum failure op_range_remove(struct call *call);
enum failure op_limit_get(struct call *call);
enum failure op_limit_set(struct call *call);
enum failure op_audit_list(struct call *call);
enum failure op_run_list(struct call *call);
enum failure op_check(struct call *call);
enum failure op_repair(struct call *call);
enum failure op_tombstone_release(struct call *call);
enum failure op_import(struct call *call);
enum failure op_limit_list(struct call *call);
enum failure op_tombstone_list(struct call *call);
enum failure op_state_save(struct call *call);

#endif
