/* SPDX-License-Identifier: ISC */
/*
 * refusal [-sftp|-wait] TEXT: says no to a client in the way that its user gets to see. Run by the login shell or the
 * gate of tools, as the account, in place of what was refused. It confines itself before it reads what the client
 * sends: no file, no socket, a dozen system calls.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/refuse.h"
#include "backup/sftp_refusal.h"
#include "confine/clock.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/limits.h"
#include "confine/read_full.h"
#include "confine/seccomp.h"

#define PROGRAM "subuid"
#define MEMORY (UINT64_C(64) << 20)
#define ANSWERS_MAX 64       /* a client that goes on asking has been told */
#define SFTP_MS 30000        /* no client needs as long to be told */
#define WAIT_FOR_END_MS 1000 /* borg looks for words only as long as the channel is open */

static int confine(const char **step)
{
	const struct landlock_rule nothing[] = { LANDLOCK_END };
	int r;

	*step = "descriptors";
	r = descriptors_first_only(3);
	if (r < 0)
		return r;
	*step = "limits";
	r = limits_confine(&(const struct limits){ .memory = MEMORY });
	if (r < 0)
		return r;
	*step = "no_new_privs";
	r = process_harden();
	if (r < 0)
		return r;
	*step = "Landlock";
	r = landlock_confine(nothing);
	if (r < 0)
		return r;
	*step = "system call filter";
	return seccomp_confine(SECCOMP_WORKER);
}

/* The bytes that the client sends next; 0: it has ended, or the time is over. */
static size_t read_next(uint8_t *data, size_t size, int64_t until)
{
	struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };
	const int64_t left = until - clock_ms();
	ssize_t n;

	if (left <= 0 || poll(&end, 1, (int)left) <= 0)
		return 0;
	n = read(STDIN_FILENO, data, size);
	return n > 0 ? (size_t)n : 0;
}

static void answer_sftp(const char *text)
{
	static uint8_t data[4096], out[SFTP_REFUSAL_ANSWER_MAX];
	struct sftp_refusal refusal = { .have = 0 };
	const int64_t until = clock_ms() + SFTP_MS;
	unsigned answers = 0;
	size_t size, at, taken;

	while ((size = read_next(data, sizeof(data), until)) > 0) {
		for (at = 0; at < size; at += taken) {
			long n = sftp_refusal_take(&refusal, data + at, size - at, &taken, text, out);

			if (n < 0 ||
			    (n > 0 && (write_full(STDOUT_FILENO, out, (size_t)n) < 0 || ++answers == ANSWERS_MAX)))
				return;
		}
	}
}

/* The words are on their way; the client ends when it has them, or we do. */
static void wait_for_end(void)
{
	const int64_t until = clock_ms() + WAIT_FOR_END_MS;
	uint8_t data[4096];

	while (read_next(data, sizeof(data), until) > 0)
		continue;
}

int main(int argc, char **argv)
{
	bool sftp = argc == 3 && strcmp(argv[1], "-sftp") == 0, waits = argc == 3 && strcmp(argv[1], "-wait") == 0;
	const char *text = argv[argc - 1], *step = "";
	int r;

	refuse_without_log();
	if (argc != 2 && !sftp && !waits)
		return refuse(PROGRAM, "refusal", "the login shell of sub-accounts runs it", 2);
	r = confine(&step);
	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	refuse_text(PROGRAM, text);
	if (sftp)
		answer_sftp(text);
	else if (waits)
		wait_for_end();
	return EXIT_REFUSED;
}
