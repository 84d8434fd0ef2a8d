/* SPDX-License-Identifier: ISC */
/*
 * Names and numbers from a passwd or group file of unknown origin. Pure.
 *
 * libc inside rsync reads the result, and rsync sends a name with its length in one byte: the rest of a name of 256
 * bytes or more would be taken for the file list. So every line is written afresh, and nothing is passed through.
 */
#ifndef BACKUP_NAME_TABLE_H
#define BACKUP_NAME_TABLE_H

#include <stddef.h>

#define NAME_TABLE_NAME_MAX 255
#define NAME_TABLE_GROWTH 3 /* the result is at most this many times as long */

enum name_table_kind { NAME_TABLE_PASSWD, NAME_TABLE_GROUP };

/*
 * Writes a line with just the name and number for each line "name:…:number". It skips lines of another form, names that
 * have bytes other than letters, digits, "._-@$+\" and those above 127, or that begin with "+" or "-", and numbers that
 * cannot be a uid. `to` has room for NAME_TABLE_GROWTH * size. Returns the bytes made.
 */
size_t name_table_make(enum name_table_kind kind, const char *from, size_t size, char *to);

#endif
