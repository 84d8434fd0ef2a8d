/* SPDX-License-Identifier: ISC */
#ifndef CONFINE_LOADER_H
#define CONFINE_LOADER_H

/* The dynamic loader that the kernel gave this program; that of other programs of the host is the same.
 * NULL: linked statically. */
const char *program_loader(void);

#endif
