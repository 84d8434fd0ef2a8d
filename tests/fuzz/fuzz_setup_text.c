/* SPDX-License-Identifier: ISC */
/*
 * The texts that setup edits. Applied twice is applied once; applied and taken back is what was there; what is not ours
 * stays to the byte; and what was applied works: glibc reaches our source, PAM asks our module whatever the others say.
 *
 * First byte: which text. nsswitch.conf, pam.d, sshd_config and `sshd -T`, the difference of two texts.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "setup/text.h"

#define SAME(a, b) same_must(a, b, __LINE__)
static void same_must(const char *a, const char *b, int line)
{
	if (strcmp(a, b) != 0)
		fprintf(stderr, "line %d: <<<%s>>> is not <<<%s>>>\n", line, a, b);
	must(strcmp(a, b) == 0);
}

/* ---- nsswitch.conf */

static const char *const databases[] = { "passwd", "group", "shadow", "initgroups", "subid" };
#define DATABASES 5
#define SUBID 4

static bool is_name(const char *line, size_t length, const char *name)
{
	size_t start = strspn(line, " \t"), size = strlen(name), colon;

	if (start + size > length || strncmp(line + start, name, size) != 0)
		return false;
	colon = start + size + strspn(line + start + size, " \t");
	return colon < length && line[colon] == ':';
}

/* The line is one of those that we edit. */
static int database_of(const char *line, size_t length)
{
	for (int i = 0; i < DATABASES; i++)
		if (is_name(line, length, databases[i]))
			return i;
	return -1;
}

/* Words of a line's value without its comment, one blank between them; "files" for one that says nothing. */
static void value_of(const char *line, size_t length, char *out, size_t size)
{
	const char *end = memchr(line, '#', length), *at = memchr(line, ':', length);

	if (end == NULL)
		end = line + length;
	out[0] = '\0';
	for (at++; at < end;) {
		size_t word;

		at += strspn(at, " \t\r\v\f");
		word = strcspn(at, " \t\r\v\f\n#");
		if (memchr(at, ']', word) != NULL) /* ends a word by itself */
			word = strcspn(at, "]") + 1;
		if (at >= end || word == 0)
			break;
		snprintf(out + strlen(out), size - strlen(out), "%s%.*s", out[0] != '\0' ? " " : "", (int)word, at);
		at += word;
	}
	if (out[0] == '\0')
		snprintf(out, size, "files");
}

/* What glibc goes by: the last line of the database. */
static void effective(const char *text, int database, char *out, size_t size)
{
	snprintf(out, size, "files");
	for (const char *at = text; *at != '\0';) {
		size_t length = strcspn(at, "\n");

		if (is_name(at, length, databases[database]))
			value_of(at, length, out, size);
		at += length + (at[length] == '\n');
	}
}

/* Lines that are none of ours to edit, one after the other. */
static char *others(const char *text)
{
	char *out = malloc(strlen(text) + 2);
	size_t used = 0;

	must(out != NULL);
	for (const char *at = text; *at != '\0';) {
		size_t length = strcspn(at, "\n");

		if (database_of(at, length) < 0) {
			memcpy(out + used, at, length);
			used += length;
			out[used++] = '\n';
		}
		at += length + (at[length] == '\n');
	}
	out[used] = '\0';
	return out;
}

static void others_same(const char *a, const char *b)
{
	char *x = others(a), *y = others(b);

	SAME(x, y);
	free(x);
	free(y);
}

static void check_reached(const char *text, bool subid)
{
	char source[64];

	for (int i = 0; i < 3; i++) {
		if (!nsswitch_reaches(text, databases[i]))
			fprintf(stderr, "%s does not reach: <<<%s>>>\n", databases[i], text);
		must(nsswitch_reaches(text, databases[i]));
	}
	nsswitch_first_source(text, "subid", source, sizeof(source));
	must(!subid || strcmp(source, NSS_SOURCE) == 0);
}

/* All is as before, to the byte where each database had a line that said something. */
static void check_back(const char *text, const char *back, bool subid)
{
	size_t size = strlen(text) + strlen(back) + 16;
	char *was = malloc(size), *is = malloc(size);

	must(was != NULL && is != NULL);
	others_same(text, back);
	for (int i = 0; i < DATABASES; i++) {
		if (i == SUBID && !subid)
			continue;
		effective(text, i, was, size);
		effective(back, i, is, size);
		SAME(was, is);
	}
	free(was);
	free(is);
}

/* Two lines of one database cannot both be told from the one that counts. */
static bool each_once(const char *text)
{
	unsigned seen[DATABASES] = { 0 };

	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		int database = database_of(at, strcspn(at, "\n"));

		if (database >= 0 && seen[database]++ > 0)
			return false;
	}
	return true;
}

static bool all_said(const char *text, bool subid)
{
	bool seen[DATABASES] = { false, false, false, true, !subid };

	for (const char *at = text; (at = strchr(at, ']')) != NULL;)
		if (strchr(" \t\r\n", *++at) == NULL) /* a blank is put there, and stays */
			return false;

	for (const char *at = text; *at != '\0';) {
		size_t length = strcspn(at, "\n"), colon;
		int database = database_of(at, length);

		if (database >= 0) {
			colon = strcspn(at, ":") + 1;
			if (at[colon + strspn(at + colon, " \t\r\v\f")] == '\n' ||
			    strchr("#", at[colon + strspn(at + colon, " \t\r\v\f")]) != NULL)
				return false;
			seen[database] = true;
		}
		at += length + (at[length] == '\n');
	}
	return seen[0] && seen[1] && seen[2] && seen[4];
}

static void check_nsswitch(const char *text, bool subid)
{
	char *added = NULL, *again = NULL, *back = NULL, *left = NULL, first[2048];
	int r = nsswitch_add(text, subid, &added);

	must(r == 0 || ((r == -EBADMSG || r == -E2BIG || r == -ENOENT) && added == NULL));
	must(r != -ENOENT);
	if (r < 0)
		return;
	check_reached(added, subid);
	others_same(text, added);
	must(nsswitch_add(added, subid, &again) == 0);
	SAME(added, again);
	nsswitch_first_source(text, "subid", first, sizeof(first));
	must(nsswitch_remove(added, subid ? first : "", &back) == 0);
	if (strstr(text, NSS_SOURCE) == NULL && each_once(text)) {
		check_back(text, back, subid);
		if (all_said(text, subid) && strlen(first) < sizeof(first) - 1)
			SAME(text, back);
	}
	must(nsswitch_remove(back, "", &left) == 0);
	for (int i = 0; i < SUBID; i++)
		must(!nsswitch_reaches(left, databases[i]));
	free(added);
	free(again);
	free(back);
	free(left);
}

/* ---- pam.d */

static unsigned included;

/* A service that includes itself, not for ever. */
static char *pam_text(void *data, const char *name)
{
	return name[0] == 'x' && included++ < 12 ? strdup(data) : NULL;
}

static void check_pam(char *text)
{
	char *added = NULL, *again = NULL, *back = NULL, options[32] = "";
	bool ours = strstr(text, PAM_BEGIN) != NULL || strstr(text, PAM_END) != NULL;
	size_t length = strlen(text);

	must(pam_add(text, PAM_ACCOUNT, PAM_MODULE, &added) == 0);
	if (pam_place(added, "account", NULL, NULL, options, sizeof(options)) != PAM_PLACE_FIRST)
		fprintf(stderr, "not first: <<<%s>>>\n", added);
	must(pam_place(added, "account", NULL, NULL, options, sizeof(options)) == PAM_PLACE_FIRST);
	must(pam_has_account(added, NULL, NULL));
	must(pam_add(added, PAM_ACCOUNT, PAM_MODULE, &again) == 0);
	SAME(added, again);
	must(pam_remove(added, &back) == 0);
	if (!ours) {
		must(strncmp(text, back, length) == 0);
		must(strcmp(back + length, "") == 0 ||
		     (strcmp(back + length, "\n") == 0 && length > 0 && text[length - 1] != '\n'));
	}
	must(strstr(back, PAM_BEGIN) == NULL || ours);
	included = 0;
	pam_place(text, "account", pam_text, text, options, sizeof(options));
	pam_has_account(text, pam_text, text);
	free(added);
	free(again);
	free(back);
}

/* ---- sshd */

static void check_sshd(const char *text)
{
	char value[64], keyword[32];
	const char *at = strstr(text, "\n");

	sshd_config_includes(text, "/etc/ssh", "/etc/ssh/sshd_config.d/50-subuidd.conf");
	snprintf(keyword, sizeof(keyword), "%.*s", (int)strcspn(text, " \n"), text);
	sshd_value(at != NULL ? at : text, keyword, value, sizeof(value));
	must(strlen(value) < sizeof(value) && strchr(value, '\n') == NULL);
	must(value[0] == '\0' || strstr(text, value) != NULL);
}

/* ---- the difference */

static size_t lines_of(const char *text)
{
	size_t count = 0;

	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		count++;
	return count;
}

/* As many lines go as the first text has more than stay, and come as the second has. */
static void check_diff(const char *before, const char *after)
{
	char *made = NULL;
	size_t size = 0, gone = 0, come = 0;
	FILE *out = open_memstream(&made, &size);

	must(out != NULL);
	text_diff(out, "> ", before, after);
	must(fclose(out) == 0);
	for (const char *at = made; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		must(at[0] == '>' && at[1] == ' ' && (at[2] == '-' || at[2] == '+'));
		gone += at[2] == '-';
		come += at[2] == '+';
	}
	must(gone <= lines_of(before) && come <= lines_of(after));
	must(lines_of(before) - gone == lines_of(after) - come);
	free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t which = take_byte(&input);
	char *text, *other;

	if (size > 2048)
		return 0;
	text = take_text(&input);
	other = take_text(&input);
	if (which % 4 == 0)
		check_nsswitch(text, (which & 4) != 0);
	else if (which % 4 == 1)
		check_pam(text);
	else if (which % 4 == 2)
		check_sshd(text);
	else
		check_diff(text, other);
	free(text);
	free(other);
	return 0;
}
