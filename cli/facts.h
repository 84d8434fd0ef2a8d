/* SPDX-License-Identifier: ISC */
/* What can be said of an account, between the command line and the interface: as add and set have it. */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include <jansson.h>

#define FILES_TEXT_SIZE 48

/* Each puts one member into the parameters of a call. STATUS_DONE, or STATUS_USAGE and it was said why. */
int facts_put_files(json_t *parameters, const char *text);
int facts_put_view(json_t *parameters, const char *text);

/* Where the reply says that the owner's view is of kind owner: what that means, on standard error. */
void facts_warn_view(const json_t *account);

/* How many files an account (a reply) may have: "none", "200000", "655360 (from the quota)". Returns out. */
const char *files_text(const json_t *account, char out[FILES_TEXT_SIZE]);

#endif
