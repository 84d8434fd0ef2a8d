/* SPDX-License-Identifier: ISC */
/* Starts the program that checks passwords (verify/), where systemd does not, and bars the way to it. */
#ifndef SUBUIDD_DOOR_VERIFIER_H
#define SUBUIDD_DOOR_VERIFIER_H

#include "subuidd/broker.h"

/* Unless the host takes no passwords, or one listens already: it goes on without the daemon. Failures are logged:
 * logins by key do not need it. */
void verifier_start(const struct broker *broker);

/* Where the host takes no passwords: the socket goes to another name, where nobody asks. The disk of the state, which
 * may be full or read-only, has no part in that. verifier_start() brings it back. */
void verifier_bar(const struct broker *broker);

#endif
