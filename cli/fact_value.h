/* SPDX-License-Identifier: ISC */
/* Values of facts between people and the interface, by the rows of facts_record. Pure. */
#ifndef CLI_FACT_VALUE_H
#define CLI_FACT_VALUE_H

#include <jansson.h>

#include "account/record.h"

#define FACT_TEXT_MAX 160

/* As a person writes it ("10G", "26h", "2031-12-31", "+30d", "never"), as the interface takes it: a new reference.
 * today: days since the epoch, -1: days that have passed are days too. NULL: not a value. */
json_t *fact_value(const struct field *field, const char *text, int64_t today);

/* Of a file to import: as a person writes it, or a number. The same. */
json_t *fact_value_import(const struct field *field, const json_t *value);

/* Of an account (a reply), as a person reads it; "" if it is not set. Returns out. */
const char *fact_text(const struct field *field, const json_t *account, char out[FACT_TEXT_MAX]);

#endif
