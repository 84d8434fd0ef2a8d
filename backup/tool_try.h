/* SPDX-License-Identifier: ISC */
/* Whether the profile of a tool works on this host. */
#ifndef BACKUP_TOOL_TRY_H
#define BACKUP_TOOL_TRY_H

#include "account/role.h"

/* Says what is wrong over TOOL_TRY_FD, a line each. One of TOOL_TRY_*: the status of `tool -try NAME HOME`. A tool that
 * does not start is one that has said something. */
int tool_try(const char *name, const char *home);

#endif
