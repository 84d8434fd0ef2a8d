/* SPDX-License-Identifier: ISC */
/* Removed accounts. */
#ifndef CLI_REMOVED_H
#define CLI_REMOVED_H

#include <jansson.h>

/* The list of those that the parameters (of List) name, which are used up. An exit status. */
int removed_print(json_t *parameters);

#endif
