/* SPDX-License-Identifier: ISC */
/* For what is preloaded so that it goes on only when LATE_GO is there; LATE_REACHED says that it waits. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void late_wait(void)
{
	close(open(LATE_REACHED, O_CREAT | O_WRONLY, 0600));
	while (access(LATE_GO, F_OK) != 0)
		usleep(1000);
}

/* prctl(2) itself, with the arguments behind the option. */
static inline int late_prctl(int option, va_list list)
{
	unsigned long a[4];

	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}
