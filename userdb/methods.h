/* SPDX-License-Identifier: ISC */
/* io.systemd.UserDatabase over the index: what the service answers. Knows no sockets; fuzzed. */
#ifndef USERDB_METHODS_H
#define USERDB_METHODS_H

#include "index/index.h"
#include "varlink/server.h"

struct userdb {
	struct index_reader *reader;
	uint32_t account; /* the account that asks: it is told of itself alone; 0: anybody else */
};

/* The service's table, to be filled with where the index is read, and who asks. */
struct varlink_service userdb_service(struct userdb *userdb);

#endif
