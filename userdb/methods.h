/* SPDX-License-Identifier: ISC */
/* io.systemd.UserDatabase over the index: what the service answers. Knows no sockets; fuzzed. */
#ifndef USERDB_METHODS_H
#define USERDB_METHODS_H

#include "index/index.h"
#include "varlink/server.h"

/* The service's table, to be filled with where the index is read. */
struct varlink_service userdb_service(struct index_reader *reader);

#endif
