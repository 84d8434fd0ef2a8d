/* SPDX-License-Identifier: ISC */
/*
 * Lines of ours that others had written before: found.c on files in memory. What is noted and what is spared is what
 * sets of lines say; nothing else is written, and nothing at all when a file cannot be read.
 *
 * Input: which read fails (a byte), then subid-lines-found, subuid, subgid, what was published, what is to be.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "subid/found.h"
#include "subid/write.h"

enum { FOUND, SUBUID, SUBGID, FILES };
#define STATE_FD 7
#define ETC_FD 8

static const char *const names[FILES] = { SUBID_FOUND_NAME, "subuid", "subgid" };

static struct {
	char *text[FILES];
	size_t length[FILES];
	unsigned reads, fails_at, writes;
} host;

int subid_text_read(int dirfd, const char *name, char **text, size_t *length)
{
	int i = 0;

	while (i < FILES && strcmp(names[i], name) != 0)
		i++;
	must(i < FILES && dirfd == (i == FOUND ? STATE_FD : ETC_FD));
	if (++host.reads == host.fails_at)
		return -EPERM;
	*text = malloc(host.length[i] + 1);
	must(*text != NULL);
	memcpy(*text, host.text[i], host.length[i]);
	(*text)[host.length[i]] = '\0';
	*length = host.length[i];
	return 0;
}

int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length)
{
	must(dirfd == STATE_FD && mode == 0600 && strcmp(name, SUBID_FOUND_NAME) == 0);
	must(strcmp(temporary, SUBID_FOUND_NAME ".new") == 0);
	must(host.writes++ == 0);
	free(host.text[FOUND]);
	host.text[FOUND] = take_copy(text, length);
	host.length[FOUND] = length;
	return 0;
}

static void lines_of(const char *text, size_t length, struct subid_lines *lines)
{
	*lines = (struct subid_lines){ 0 };
	must(subid_lines_add_text(lines, text, length) == 0 && subid_lines_sort(lines) == 0);
}

static bool in(const struct subid_lines *lines, const struct subid_lines_at *line)
{
	return subid_lines_find(lines, line->at, line->length) >= 0;
}

struct sets {
	struct subid_lines old, subuid, subgid, before, wanted, now;
};

static void check_noted(const struct sets *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->wanted.count; i++) {
		const struct subid_lines_at *line = &s->wanted.sorted[i];
		bool present = in(&s->subuid, line) || in(&s->subgid, line);
		bool noted = in(&s->before, line) ? in(&s->old, line) : present;

		must(in(&s->now, line) == noted);
		count += noted;
	}
	must(count == s->now.count);
	must((host.writes == 0) == subid_lines_equal(&s->old, &s->now));
}

static void check_spared(const struct sets *s)
{
	struct subid_lines ours;
	size_t count = 0;

	must(subid_found_spare(STATE_FD, &s->before, &ours) == 0);
	for (size_t i = 0; i < s->before.count; i++) {
		bool spared = in(&s->now, &s->before.sorted[i]);

		must(in(&ours, &s->before.sorted[i]) != spared);
		count += !spared;
	}
	must(count == ours.count);
	subid_lines_free(&ours);
}

static void check(struct sets *s)
{
	char *kept = take_copy(host.text[FOUND], host.length[FOUND]);
	size_t length = host.length[FOUND];
	int r = subid_found_note(STATE_FD, ETC_FD, &s->before, &s->wanted);

	if (r < 0) {
		must(r == -EPERM && host.reads == host.fails_at && host.writes == 0);
		must(host.length[FOUND] == length && memcmp(kept, host.text[FOUND], length) == 0);
	} else {
		must(host.fails_at == 0 || host.reads < host.fails_at);
		host.fails_at = 0;
		lines_of(host.text[FOUND], host.length[FOUND], &s->now);
		check_noted(s);
		check_spared(s);
		must(subid_found_note(STATE_FD, ETC_FD, &s->before, &s->wanted) == 0); /* again: nothing to write */
		must(host.writes <= 1);
	}
	free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct sets s = { 0 };
	char *piece[2];
	size_t length[2];

	memset(&host, 0, sizeof(host));
	host.fails_at = take_byte(&input) % 8;
	for (int i = 0; i < FILES; i++)
		host.text[i] = take_piece(&input, &host.length[i]);
	for (int i = 0; i < 2; i++)
		piece[i] = take_piece(&input, &length[i]);
	lines_of(host.text[FOUND], host.length[FOUND], &s.old);
	lines_of(host.text[SUBUID], host.length[SUBUID], &s.subuid);
	lines_of(host.text[SUBGID], host.length[SUBGID], &s.subgid);
	lines_of(piece[0], length[0], &s.before);
	lines_of(piece[1], length[1], &s.wanted);
	check(&s);
	for (int i = 0; i < FILES; i++)
		free(host.text[i]);
	free(piece[0]);
	free(piece[1]);
	subid_lines_free(&s.old);
	subid_lines_free(&s.subuid);
	subid_lines_free(&s.subgid);
	subid_lines_free(&s.before);
	subid_lines_free(&s.wanted);
	subid_lines_free(&s.now);
	return 0;
}
