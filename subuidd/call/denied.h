/* SPDX-License-Identifier: ISC */
/* Logins that pam_subuid has refused since the host was started (pam/slots.h). Run by the broker. */
#ifndef SUBUIDD_DENIED_H
#define SUBUIDD_DENIED_H

#include <stdint.h>

/* Of this owner's accounts; NULL: of all. 0 also if it cannot be read. */
uint64_t denied_logins(const uint32_t *owner_uid);

#endif
