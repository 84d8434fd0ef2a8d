/* SPDX-License-Identifier: ISC */
/* The records that messages are made of: records.c has them, messages.c puts them together. */
#ifndef SUBUIDD_WIRE_RECORDS_H
#define SUBUIDD_WIRE_RECORDS_H

#include "account/record.h"
#include "subuidd/wire/request.h"

extern const struct record request_head, change_head, rows_head, answer_head, add_record, modify_record;
extern const struct record remove_record, kill_record, enter_record, rename_record, owner_change_record;
extern const struct record restore_record, key_remove_record, key_change_record, rehash_record, list_record,
	list_all_record;
extern const struct record list_before_record, range_add_record, range_remove_record, limit_set_record;
extern const struct record release_record, repair_record, import_record, import_times, view_record;
extern const struct record key_used_record, adopted_record, status_record, removal_record, ended_record, become_record;
extern const struct record owner_view_record, removed_record, finding_record, repaired_record;
extern const struct record rehash_view_record, counter_record, import_result_record;

#endif
