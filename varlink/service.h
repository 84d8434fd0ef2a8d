/* SPDX-License-Identifier: ISC */
/* Inside varlink/: the interface that every service answers, org.varlink.service. */
#ifndef VARLINK_SERVICE_H
#define VARLINK_SERVICE_H

#include "varlink/server.h"

extern const struct varlink_interface varlink_service_interface;

/* The service's interface of this name, org.varlink.service among them; NULL: none. */
const struct varlink_interface *varlink_interface_find(const struct varlink_service *service, const char *name,
						       size_t length);

#endif
