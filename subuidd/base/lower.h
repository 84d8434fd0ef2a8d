/* SPDX-License-Identifier: ISC */
#ifndef SUBUIDD_BASE_LOWER_H
#define SUBUIDD_BASE_LOWER_H

#include <stddef.h>

/* Gives up supplementary groups, all capabilities but eight, and new privileges by execve. Run once, as root. 0, or
 * negative errno and in why, of size bytes, what could not be given up. */
int broker_lower(char *why, size_t size);

#endif
