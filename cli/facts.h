/* SPDX-License-Identifier: ISC */
/* The settings of an account, between the command line and the interface: the options of add and set, their help,
 * and the lines of show, all by the rows of facts_record. */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "account/account.h"

#define FACTS_OPTIONS_MAX 40
#define FACTS_HELP_MAX 6144

/* The options of a command (ended by COMMON_OPTIONS) and one for each fact. Returns out. */
const struct option *facts_options(const struct option *own, struct option out[FACTS_OPTIONS_MAX]);

/* True when c is one of those: its value is in parameters, or *status says that it is wrong, after saying why. */
bool facts_option(int c, const char *text, json_t *parameters, int *status);

/* before, a paragraph for each fact, after. Returns out. */
const char *facts_help(const char *before, const char *after, char out[FACTS_HELP_MAX]);

/* "--expires, --view, ... or --comment". Returns out. */
const char *facts_names(char out[FACTS_HELP_MAX]);

/* The value of one setting; "": none. Returns out. */
#define FACTS_TEXT_MAX 160
const char *facts_text(size_t fact, const json_t *account, char out[FACTS_TEXT_MAX]);

/* If the reply says that the owner's view is of kind owner, says what that means, on standard error. */
void facts_warn_view(const json_t *account);

#endif
