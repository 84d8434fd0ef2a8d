/* SPDX-License-Identifier: ISC */
/* Takes arguments from the front of the data. Byte by byte: what follows them is rsync's, which starts later. Run by
 * the gate, confined. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "backup/secluded.h"
#include "confine/clock.h"

/* until: 0: however long it takes. */
static int wait_for_data(int fd, int64_t until)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };

	for (;;) {
		const int64_t left = until == 0 ? -1 : until - clock_ms();
		int n;

		if (until != 0 && left <= 0)
			return -ETIMEDOUT;
		n = poll(&end, 1, left > 1000000 ? 1000000 : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

long secluded_read(int fd, unsigned seconds, char bytes[SECLUDED_MAX])
{
	const int64_t until = seconds == 0 ? 0 : clock_ms() + (int64_t)seconds * 1000;
	size_t used = 0;
	ssize_t n;
	char c;
	int r;

	for (;;) {
		r = wait_for_data(fd, until);
		if (r < 0)
			return r;
		n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		if (c == '\0' && (used == 0 || bytes[used - 1] == '\0'))
			return (long)used;
		if (used == SECLUDED_MAX)
			return -E2BIG;
		bytes[used++] = c;
	}
}
