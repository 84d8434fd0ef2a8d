/* SPDX-License-Identifier: ISC */
/* Projects of the host's file systems, projects(5) and projid(5): an account's has the number of its uid. Run by the
 * broker. */
#ifndef SUBUIDD_PROJECTS_H
#define SUBUIDD_PROJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pure: whether a line of the text of projects(5), "ID:DIRECTORY", or of projid(5), "NAME:ID", names this number. */
bool projects_name(const char *text, size_t length, uint32_t id);

/* Whether the files of this host name it: 1, 0, or negative errno: it cannot be told. */
int project_taken(uint32_t id);

#endif
