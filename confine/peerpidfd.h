/* SPDX-License-Identifier: ISC */
/* getsockopt(2)'s name for the process that connected, unix(7). */
#ifndef CONFINE_PEERPIDFD_H
#define CONFINE_PEERPIDFD_H

#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5; Debian 12's headers lack it */
#endif

#endif
