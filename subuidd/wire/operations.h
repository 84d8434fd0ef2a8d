/* SPDX-License-Identifier: ISC */
/*
 * The operations, each a row: number, method of the interface, who may, traits, name in the audit trail, handler, what
 * is checked beyond the records of its messages (request.h), and these. The numbers (wire.h) and the messages
 * (messages.c) are of the worker and the broker alike; who may do it and its handler are the broker's alone
 * (door/operation.c). A CHANGE is a request that can be run
 * dry (call_act()). A new one stands at the end.
 */
#ifndef SUBUIDD_WIRE_OPERATIONS_H
#define SUBUIDD_WIRE_OPERATIONS_H

/* Locking and removing go ahead with an index that cannot be written: the sessions end, the store says it. An
 * import gives its ids itself (import_continue()); only root may ask for the repair of something without an owner. */
/* clang-format off */
#define OPERATIONS(X) \
	X(OP_STATUS, "Status", WHO_ANYONE, 0, "status", op_status, \
	  NO_REQUEST, ANSWER(status, IN(answer, status, status_record))) \
	X(OP_ACCOUNT_ADD, "Add", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GIVES | TRAIT_GROWS | TRAIT_LINES | TRAIT_NO_SYSTEM, "account.add", op_account_add, \
	  .sound = add_sound, .shape = add_shape, \
	  CHANGE(add, IN(request, add.name, name_account), IN_SET(request, add.facts, add.set, facts_record), \
	  IN(request, add, add_record), IN(request, add.key, key_record)), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_GET, "Get", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_SELF, "account.get", op_account_get, \
	  NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_LIST, "List", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER | TRAIT_SELF, "account.list", op_account_list, \
	  LIST(name_owner, list_all_record), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_MODIFY, "Modify", WHO_OWNER, TRAIT_CHANGES | TRAIT_GROWS, "account.modify", op_account_modify, \
	  .sound = modify_sound, .shape = modify_shape, \
	  CHANGE(modify, IN(request, modify.name, name_account), IN_SET(request, modify.facts, modify.set, \
	  facts_record), IN(request, modify, modify_record)), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_LOCK, "Lock", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_GOING, "account.lock", op_account_lock, \
	  CHANGE_NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_UNLOCK, "Unlock", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS | TRAIT_OF_GOING, "account.unlock", op_account_unlock, \
	  CHANGE_NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_REMOVE, "Remove", WHO_OWNER, TRAIT_LINES, "account.remove", op_account_remove, \
	  .shape = remove_shape, \
	  CHANGE(remove, IN(request, remove.name, name_account), IN(request, remove, remove_record)), \
	  ANSWER(removal, IN(answer, removal, removal_record))) \
	X(OP_ACCOUNT_MOUNT, "Mount", WHO_OWNER, TRAIT_NEEDS_OWNER, "account.mount", op_account_mount, \
	  NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_KEY_ADD, "KeyAdd", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS, "key.add", op_key_add, \
	  .sound = key_add_sound, .shape = key_add_shape, \
	  CHANGE(key_add, IN(request, key_add.name, name_account), IN_NEEDED(request, key_add.key, key_record)), \
	  ANSWER_KEY) \
	X(OP_KEY_LIST, "KeyList", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_SELF, "key.list", op_key_list, \
	  LIST(name_either, list_all_record), ANSWER_KEY) \
	X(OP_KEY_REMOVE, "KeyRemove", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_GOING, "key.remove", op_key_remove, \
	  .shape = key_remove_shape, \
	  CHANGE(key_remove, IN(request, key_remove.name, name_account), IN(request, key_remove, \
	  key_remove_record)), NO_ANSWER) \
	X(OP_RANGE_ADD, "RangeAdd", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GIVES | TRAIT_GROWS | TRAIT_LINES | TRAIT_NO_SYSTEM, "range.add", op_range_add, \
	  .shape = range_add_shape, \
	  CHANGE(range_add, IN(request, range_add.name, name_either), IN(request, range_add, \
	  range_add_record)), ANSWER_RANGE) \
	X(OP_RANGE_LIST, "RangeList", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER | TRAIT_SELF | TRAIT_SELF_OWNER, "range.list", op_range_list, \
	  LIST(name_owner, list_all_record), ANSWER_RANGE) \
	X(OP_RANGE_REMOVE, "RangeRemove", WHO_OWNER, TRAIT_CHANGES | TRAIT_LINES, "range.remove", op_range_remove, \
	  CHANGE(range_remove, IN(request, range_remove.name, name_owner), IN(request, range_remove, \
	  range_remove_record)), NO_ANSWER) \
	X(OP_LIMIT_GET, "LimitGet", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER | TRAIT_SELF_OWNER, "limit.get", op_limit_get, \
	  NAMED(name_owner), ANSWER_LIMIT) \
	X(OP_LIMIT_SET, "LimitSet", WHO_ADMIN, TRAIT_GROWS | TRAIT_OF_OWNER, "limit.set", op_limit_set, \
	  .sound = limit_set_sound, .shape = limit_set_shape, \
	  CHANGE(limit_set, IN_SET(request, limit_set.limit, limit_set.set, limit_record), IN(request, \
	  limit_set, limit_set_record)), ANSWER_LIMIT) \
	X(OP_AUDIT_LIST, "Audit", WHO_OWNER, TRAIT_IN_DOUBT, "audit.list", op_audit_list, \
	  LIST(name_owner, list_before_record), .kind = ANSWERS_AUDIT, .member = "entry", ANSWER(audit, IN(answer, audit, \
	  audit_record))) \
	X(OP_CHECK, "Check", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "check", op_check, \
	  LIST(name_owner, list_all_record), .kind = ANSWERS_FINDING, .member = "finding", ANSWER(finding, IN(answer, finding, \
	  finding_record))) \
	X(OP_TOMBSTONE_RELEASE, "Release", WHO_ROOT, TRAIT_GROWS, "tombstone.release", op_tombstone_release, \
	  CHANGE(release, IN(request, release, release_record)), NO_ANSWER) \
	X(OP_IMPORT, "Import", WHO_ADMIN, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS, "import", op_import, \
	  .sound = import_sound, .labelled = import_labelled, .shape = import_shape, \
	  .import = true, .member = "result", CHANGE_ROWS(import, IN(request, import.name, name_either), \
	  IN(request, import, import_record), IN_SET(request, import.facts, import.set, facts_record), \
	  IN(request, import, import_times), IN(request, import.key, key_record), IN(request, import.run, \
	  run_record)), ANSWER(import, IN(answer, import, import_result_record))) \
	X(OP_LIMIT_LIST, "LimitList", WHO_ADMIN, 0, "limit.list", op_limit_list, \
	  LIST(name_nobody, list_record), ANSWER_LIMIT) \
	X(OP_TOMBSTONE_LIST, "TombstoneList", WHO_ROOT, 0, "tombstone.list", op_tombstone_list, \
	  LIST(name_nobody, list_record), ANSWER_TOMBSTONE) \
	X(OP_RUN_LIST, "RunList", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_SELF, "run.list", op_run_list, \
	  .shape = runs_shape, \
	  LIST(name_either, list_before_record), .kind = ANSWERS_RUN, .member = "run", ANSWER(run, IN(answer, run, run_row_record), \
	  IN(answer, run.run, run_record))) \
	X(OP_STATE_SAVE, "StateSave", WHO_ROOT, 0, "state.save", op_state_save, \
	  NO_REQUEST, NO_ANSWER) \
	X(OP_REPAIR, "Repair", WHO_OWNER, 0, "repair", op_repair, \
	  .sound = repair_sound, .labelled = repair_labelled, .shape = repair_shape, \
	  CHANGE(repair, IN(request, repair.name, name_either), IN(request, repair, repair_record)), \
	  .kind = ANSWERS_REPAIRED, ANSWER(repaired, IN(answer, repaired, repaired_record))) \
	X(OP_KEY_CHANGE, "KeyChange", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS, "key.change", op_key_change, \
	  .sound = key_change_sound, .shape = key_change_shape, \
	  CHANGE(key_change, IN(request, key_change.name, name_account), IN(request, key_change, key_change_record), \
	  IN_SET(request, key_change.key, key_change.set, key_record)), ANSWER_KEY) \
	X(OP_ACCOUNT_RENAME, "Rename", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS | TRAIT_LINES, "account.rename", op_account_rename, \
	  .shape = rename_shape, \
	  CHANGE(rename, IN(request, rename.name, name_account), IN(request, rename, rename_record)), ANSWER_ACCOUNT) \
	X(OP_OWNER_CHANGE, "OwnerChange", WHO_ROOT, TRAIT_CHANGES | TRAIT_GROWS | TRAIT_LINES, "owner.change", op_owner_change, \
	  .shape = owner_change_shape, \
	  CHANGE(owner, IN(request, owner, owner_change_record)), ANSWER(owner, IN(answer, owner, owner_view_record))) \
	X(OP_FORMER_LIST, "FormerList", WHO_ROOT, 0, "former.list", op_former_list, \
	  LIST(name_nobody, list_record), ANSWER_TOMBSTONE) \
	X(OP_COUNTER_LIST, "CounterList", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "counter.list", op_counter_list, \
	  LIST(name_owner, list_all_record), .member = "counter", ANSWER(counter, IN(answer, counter, counter_record))) \
	X(OP_ACCOUNT_RESTORE, "Restore", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GIVES | TRAIT_GROWS | TRAIT_LINES | TRAIT_NO_SYSTEM, "account.restore", op_account_restore, \
	  .shape = restore_shape, \
	  CHANGE(restore, IN(request, restore.name, name_account), IN(request, restore, restore_record)), ANSWER_ACCOUNT) \
	X(OP_REMOVED_LIST, "RemovedList", WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "removed.list", op_removed_list, \
	  LIST(name_owner, list_all_record), .member = "removed", ANSWER(removed, IN(answer, removed, removed_record))) \
	X(OP_MANAGE_KEY_ADD, "ManageKeyAdd", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS | TRAIT_NO_SYSTEM, "manage-key.add", op_manage_key_add, \
	  .sound = key_add_sound, .shape = manage_key_add_shape, \
	  CHANGE(key_add, IN(request, key_add.name, name_owner), IN_NEEDED(request, key_add.key, key_record)), ANSWER_KEY) \
	X(OP_MANAGE_KEY_LIST, "ManageKeyList", WHO_OWNER, TRAIT_IN_DOUBT, "manage-key.list", op_manage_key_list, \
	  LIST(name_owner, list_all_record), ANSWER_KEY) \
	X(OP_MANAGE_KEY_REMOVE, "ManageKeyRemove", WHO_OWNER, TRAIT_IN_DOUBT, "manage-key.remove", op_manage_key_remove, \
	  .shape = key_remove_shape, \
	  CHANGE(key_remove, IN(request, key_remove.name, name_owner), IN(request, key_remove, \
	  key_remove_record)), NO_ANSWER) \
	X(OP_ACCOUNT_FREEZE, "Freeze", WHO_OWNER, TRAIT_IN_DOUBT, "account.freeze", op_account_freeze, \
	  CHANGE_NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_THAW, "Thaw", WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS, "account.thaw", op_account_thaw, \
	  CHANGE_NAMED(name_account), ANSWER_ACCOUNT) \
	X(OP_ACCOUNT_KILL, "Kill", WHO_OWNER, TRAIT_IN_DOUBT, "account.kill", op_account_kill, \
	  CHANGE(kill, IN(request, kill.name, name_account), IN(request, kill, kill_record)), \
	  ANSWER(ended, IN(answer, ended, ended_record))) \
	X(OP_PASSWORD_REHASH, "PasswordRehash", WHO_ROOT, TRAIT_CHANGES | TRAIT_GROWS, "password.rehash", op_password_rehash, \
	  REQUEST(rehash, IN(request, rehash.name, name_account), IN(request, rehash, rehash_record)), \
	  ANSWER(rehash, IN(answer, rehash, rehash_view_record))) \
	X(OP_ACCOUNT_ENTER, "Enter", WHO_OWNER, TRAIT_NEEDS_OWNER, "account.enter", op_account_enter, \
	  REQUEST(enter, IN(request, enter.name, name_account), IN(request, enter, enter_record)), NO_ANSWER) \
	X(OP_ACCOUNT_BECOME, "Become", WHO_OWNER, TRAIT_NEEDS_OWNER, "account.become", op_account_become, \
	  NAMED(name_account), ANSWER(become, IN(answer, become, become_record)))
/* clang-format on */

#endif
