/* SPDX-License-Identifier: ISC */
/* Starts the program that checks passwords (verify/), where systemd does not. */
#ifndef SUBUIDD_DOOR_VERIFIER_H
#define SUBUIDD_DOOR_VERIFIER_H

#include "subuidd/broker.h"

/* Unless the host takes no passwords, or one listens already: it goes on without the daemon. Failures are logged:
 * logins by key do not need it. */
void verifier_start(const struct broker *broker);

#endif
