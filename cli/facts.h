/* SPDX-License-Identifier: ISC */
/* The settings of an account, between the command line and the interface: the options of add and set
 * and the lines of show, all by the rows of facts_record. */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include <jansson.h>
#include <stdbool.h>

#include "account/account.h"
#include "account/record.h"

/* True when c is one of those: its value is in parameters, or *status says that it is wrong, after saying why. */
bool facts_option(int c, const char *text, json_t *parameters, int *status);

/* The interface's value for one in a file to import: a person's text ("10G", "26h", "2031-12-31", "never", also past
 * days), or a number. A new reference; NULL: not a value. */
json_t *fact_value_import(const struct field *field, const json_t *value);

#define FACTS_TEXT_MAX 160
/* A number of this fact. Returns out. */
const char *facts_number_text(size_t fact, const json_t *number, char out[FACTS_TEXT_MAX]);

/* The value of one setting; "": none. Returns out. */
const char *facts_text(size_t fact, const json_t *account, char out[FACTS_TEXT_MAX]);

/* Whether that date ("2031-12-31"; "" never), as the interface says it, has come. */
bool facts_expired(const char *expires);

/* If the reply says that the owner's view is of kind owner, says what that means, on standard error. */
void facts_warn_view(const json_t *account);

#endif
