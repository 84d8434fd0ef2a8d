/* SPDX-License-Identifier: ISC */
/*
 * What the rows of operations.h check requests for beyond their records: what a person may have typed wrong, and what
 * no sound worker sends. The records' own checks are in wire.c, which calls these. Pure.
 */
#ifndef SUBUIDD_REQUEST_H
#define SUBUIDD_REQUEST_H

#include "account/failure.h"
#include "subuidd/wire/wire.h"

/* These types are those of the members of struct wire_message. */
request_is add_sound, modify_sound, key_add_sound, key_change_sound, limit_set_sound, import_sound, repair_sound;
request_is import_labelled, repair_labelled;
request_check add_shape, modify_shape, remove_shape, rename_shape, restore_shape, owner_change_shape, key_add_shape,
	manage_key_add_shape, range_add_shape, key_change_shape, key_remove_shape, runs_shape, limit_set_shape,
	import_shape, repair_shape;

/* The records of a struct request_name, in messages.c: by which of them a request is about an account or an owner. */
extern const struct record name_account, name_owner, name_either, name_nobody;

extern const char request_label_why[], request_owner_why[];

/* Members that only the broker fills are 0, and there is no option that does not exist. */
bool request_key_sound(const struct ssh_key *key);

/* A whole key. */
enum failure request_key_shape(const struct ssh_key *key, struct failure_text *text);

/* The limit that a row of an import states. */
struct limit import_limit(const struct request_import *row);

/* Blocks of RANGE_UNIT that hold count ids. */
uint32_t request_units(uint32_t count);

#endif
