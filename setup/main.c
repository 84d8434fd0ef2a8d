/* SPDX-License-Identifier: ISC */
/* /usr/libexec/subuidd/host: subuid(1) runs it for `subuid setup` and `subuid doctor`. For root only. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/subuid.h"
#include "setup/setup.h"

static int host(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "setup") == 0)
		return host_setup(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "doctor") == 0)
		return host_doctor(argc - 1, argv + 1);
	return usage_error("host", "neither setup nor doctor", "use `subuid setup` or `subuid doctor`");
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a reader that is gone is reported as a failed write */
	return output_ended(host(argc, argv));
}
