/* SPDX-License-Identifier: ISC */
/*
 * Finds our module in the text of a PAM service (pam.d(5)), together with the texts that it includes, and puts our
 * lines in or takes them out. Pure: setup and doctor, which root runs, read the files.
 */
#include "setup/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "confine/cleanup.h"

#define INCLUDE_DEPTH_MAX 8
#define INCLUDES_MAX 256 /* otherwise files that include each other twice would take for ever */
#define FIELD_MAX 512

/* pam-auth-update(8) rewrites what lies between these, and nothing else. */
#define AUTH_UPDATE_BEGIN "# here are the per-package modules (the \"Primary\" block)"

/* One logical line: "account [success=1 default=ignore] pam_unix.so nullok". */
struct pam_line {
	char type[32];
	char control[FIELD_MAX];
	char module[FIELD_MAX];
	char options[FIELD_MAX];
};

/* Copies the next word, or the next [bracketed] text, and moves on. A word that is too long is cut: it is not one of
 * those that we look for. */
static void word(const char **at, char *out, size_t size)
{
	const char *start = *at + strspn(*at, " \t");
	size_t length = strcspn(start, " \t");

	if (*start == '[') {
		const char *close = strchr(start, ']');

		if (close != NULL)
			length = (size_t)(close - start) + 1;
	}
	snprintf(out, size, "%.*s", (int)length, start);
	*at = start + length;
}

static void line_split(const char *line, struct pam_line *parsed)
{
	const char *at = line;

	word(&at, parsed->type, sizeof(parsed->type));
	if (parsed->type[0] == '-')
		memmove(parsed->type, parsed->type + 1, strlen(parsed->type));
	parsed->control[0] = '\0';
	if (strcasecmp(parsed->type, "@include") != 0)
		word(&at, parsed->control, sizeof(parsed->control));
	word(&at, parsed->module, sizeof(parsed->module));
	at += strspn(at, " \t");
	snprintf(parsed->options, sizeof(parsed->options), "%s", at);
}

/* As libpam reads it: a backslash goes before the end, blanks apart, of a line without a comment. */
static bool continues(const char *line, size_t length)
{
	if (memchr(line, '#', length) != NULL)
		return false;
	while (length > 0 && isblank((unsigned char)line[length - 1]))
		length--;
	return length > 0 && line[length - 1] == '\\';
}

/* The next line with content, without its comment and with continued lines joined. Comments and empty lines in between
 * are skipped. */
static bool next_active(const char **at, char **ret)
{
	while (**at != '\0') {
		cleanup_free char *line = NULL;
		char *joined = NULL;
		size_t length;
		bool goes_on;

		if (!text_next_line(at, &line))
			return false;
		goes_on = continues(line, strlen(line));
		line[strcspn(line, "#")] = '\0';
		length = strlen(line);
		while (length > 0 && isblank((unsigned char)line[length - 1]))
			line[--length] = '\0';
		if (goes_on) {
			cleanup_free char *rest = NULL;

			line[length - 1] = ' ';
			if (!next_active(at, &rest))
				rest = strdup("");
			if (rest == NULL || asprintf(&joined, "%s%s", line, rest) < 0)
				return false;
			free(line);
			line = joined;
		}
		if (line[strspn(line, " \t")] != '\0') {
			*ret = steal_ptr(&line);
			return true;
		}
	}
	return false;
}

static bool is_of(const struct pam_line *line, const char *stack)
{
	return strcasecmp(line->type, stack) == 0;
}

/* The file that the line pulls into the stack, or NULL. */
static const char *included(const struct pam_line *line, const char *stack)
{
	if (strcasecmp(line->type, "@include") == 0)
		return line->module;
	if (is_of(line, stack) && (strcmp(line->control, "include") == 0 || strcmp(line->control, "substack") == 0))
		return line->module;
	return NULL;
}

/* True when success of this module can end the stack, or jump over what follows. */
static bool may_skip(const char *control)
{
	if (strcmp(control, "required") == 0 || strcmp(control, "requisite") == 0 || strcmp(control, "optional") == 0)
		return false;
	if (control[0] != '[')
		return true; /* sufficient, and anything that libpam may add later */
	for (const char *at = control; (at = strchr(at, '=')) != NULL;) {
		at++;
		if (strncmp(at, "done", 4) == 0 || isdigit((unsigned char)*at))
			return true;
	}
	return false;
}

static bool is_module(const struct pam_line *line, const char *name)
{
	const char *slash = strrchr(line->module, '/');

	return strcmp(slash != NULL ? slash + 1 : line->module, name) == 0;
}

/* Of the auth stack our line decides about sub-accounts, and lets all others pass. */
static bool decides(const struct pam_line *line, const char *stack)
{
	if (strcasecmp(stack, "auth") == 0)
		return strstr(line->control, "success=done") != NULL && strstr(line->control, "default=die") != NULL;
	return strcmp(line->control, "required") == 0 || strcmp(line->control, "requisite") == 0;
}

static bool is_ours(const struct pam_line *line, const char *stack)
{
	return is_of(line, stack) && is_module(line, PAM_MODULE) && decides(line, stack);
}

/* Whether our line may stand behind this one. A module that asks for the password itself refuses a sub-account whatever
 * ours says then, even if it is only required; so in the auth stack those that may come first are listed. */
static bool may_precede(const struct pam_line *line, const char *stack)
{
	static const char *const modules[] = { "pam_env.so", "pam_nologin.so", "pam_sepermit.so", "pam_faildelay.so" };
	bool asks = strcasecmp(stack, "auth") == 0;

	for (size_t i = 0; asks && i < sizeof(modules) / sizeof(modules[0]); i++)
		asks = !is_module(line, modules[i]);
	return !asks && !may_skip(line->control);
}

struct scan {
	const char *stack; /* "account", "session" */
	pam_load load;
	void *data;
	char *options;
	size_t options_size;
	bool skipped; /* something so far may skip what follows */
	bool any;     /* there was a line of the stack */
	unsigned includes;
};

static enum pam_place scan_text(const char *text, struct scan *scan, int depth);

static enum pam_place scan_included(const struct pam_line *line, struct scan *scan, int depth)
{
	bool substack = strcmp(line->control, "substack") == 0, before = scan->skipped;
	bool reads = scan->load != NULL && scan->includes++ < INCLUDES_MAX;
	cleanup_free char *text = reads ? scan->load(scan->data, line->module) : NULL;
	enum pam_place place;

	if (text == NULL) {
		scan->skipped |= scan->load == NULL; /* nobody knows what is in there */
		return PAM_PLACE_ABSENT;
	}
	place = scan_text(text, scan, depth + 1);
	/* a jump or an end inside of it ends there, but it refuses for the whole stack */
	if (substack && strcasecmp(scan->stack, "auth") != 0)
		scan->skipped = before;
	return place;
}

static enum pam_place scan_text(const char *text, struct scan *scan, int depth)
{
	char *found = NULL;

	if (depth > INCLUDE_DEPTH_MAX)
		return PAM_PLACE_ABSENT;
	for (const char *at = text; next_active(&at, &found);) {
		cleanup_free char *line = steal_ptr(&found);
		struct pam_line parsed;
		enum pam_place place;

		line_split(line, &parsed);
		scan->any |= is_of(&parsed, scan->stack);
		if (included(&parsed, scan->stack) != NULL) {
			place = scan_included(&parsed, scan, depth);
			if (place != PAM_PLACE_ABSENT)
				return place;
		} else if (is_ours(&parsed, scan->stack)) {
			if (scan->options != NULL)
				snprintf(scan->options, scan->options_size, "%s", parsed.options);
			return scan->skipped ? PAM_PLACE_LATE : PAM_PLACE_FIRST;
		} else if (is_of(&parsed, scan->stack) && !may_precede(&parsed, scan->stack)) {
			scan->skipped = true;
		}
	}
	return PAM_PLACE_ABSENT;
}

enum pam_place pam_place(const char *text, const char *stack, pam_load load, void *data, char *options,
			 size_t options_size)
{
	struct scan scan = {
		.stack = stack, .load = load, .data = data, .options = options, .options_size = options_size
	};

	return scan_text(text, &scan, 0);
}

bool pam_has_account(const char *text, pam_load load, void *data)
{
	struct scan scan = { .stack = "account", .load = load, .data = data };

	return scan_text(text, &scan, 0) != PAM_PLACE_ABSENT || scan.any;
}

unsigned pam_own_stacks(const char *text)
{
	static const char *const names[] = { "account", "session", "auth" }; /* the bits, in their order */
	unsigned stacks = 0;
	bool inside = false;

	for (const char *at = text; *at != '\0';) {
		cleanup_free char *line = NULL;
		struct pam_line parsed;

		if (!text_next_line(&at, &line))
			break;
		inside = strcmp(line, PAM_BEGIN) == 0 || (inside && strcmp(line, PAM_END) != 0);
		line_split(line, &parsed);
		for (unsigned i = 0; inside && i < sizeof(names) / sizeof(names[0]); i++)
			stacks |= is_ours(&parsed, names[i]) ? 1u << i : 0;
	}
	return stacks;
}

int pam_remove(const char *text, char **out)
{
	cleanup_free char *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);
	bool inside = false;

	if (stream == NULL)
		return -ENOMEM;
	/* If the end comment is gone, the begin comment and our own line are removed, and nothing else. */
	for (const char *at = text; *at != '\0';) {
		cleanup_free char *line = NULL;

		if (!text_next_line(&at, &line)) {
			fclose(stream);
			return -ENOMEM;
		}
		if (strcmp(line, PAM_BEGIN) == 0) {
			inside = true;
		} else if (strcmp(line, PAM_END) == 0) {
			inside = false;
		} else if (!inside || strstr(line, PAM_MODULE) == NULL) {
			fprintf(stream, "%s%s", line, at[-1] == '\n' ? "\n" : "");
		}
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	*out = steal_ptr(&made);
	return 0;
}

/* Whether ours go before the line that begins here, with its continuation lines: it belongs to the account stack,
 * includes something or, if we have a line in the auth stack, may decide there. Without memory to find out: yes, which
 * is the safe place. */
static bool goes_before(const char *at, unsigned stacks)
{
	cleanup_free char *line = NULL;
	struct pam_line parsed;

	if (!next_active(&at, &line))
		return true;
	line_split(line, &parsed);
	if ((stacks & PAM_AUTH) != 0 && is_of(&parsed, "auth") &&
	    (included(&parsed, "auth") != NULL || !may_precede(&parsed, "auth")))
		return true;
	return is_of(&parsed, "account") || parsed.type[0] == '@';
}

/* Offset of the line before which ours go: the block of pam-auth-update, or the first line that goes_before() says,
 * together with the comments right above it. Never inside of a line
 * that is continued, whose end it would become; also not behind one that goes on at the end of the file. */
static size_t place_for(const char *text, unsigned stacks)
{
	size_t comments = 0, whole = 0; /* where those above begin, and the line that is continued */
	bool in_comments = false, continued = false;

	for (const char *at = text; *at != '\0';) {
		size_t start = (size_t)(at - text), length = strcspn(at, "\n");
		const char *first = at + strspn(at, " \t");
		bool comment = *first == '#', says = !comment && (size_t)(first - at) < length;

		if (!continued && strncmp(at, AUTH_UPDATE_BEGIN, sizeof(AUTH_UPDATE_BEGIN) - 1) == 0)
			return start;
		if (!continued)
			whole = in_comments ? comments : start;
		if (!continued && says && goes_before(at, stacks))
			return whole;
		/* "#%PAM-1.0" stays the first line */
		if (comment && !in_comments && strncmp(first, "#%PAM", 5) != 0) {
			in_comments = true;
			comments = start;
		} else if (!comment) {
			in_comments = false;
		}
		if (says)
			continued = continues(at, length);
		at += length + (at[length] == '\n');
	}
	return continued ? whole : strlen(text);
}

/* Our lines, between their marks. */
static char *pam_lines(unsigned stacks, const char *module)
{
	static const struct {
		unsigned stack;
		const char *control;
	} lines[] = { { PAM_AUTH, PAM_AUTH_CONTROL },
		      { PAM_ACCOUNT, "account\trequired\t\t\t" },
		      { PAM_SESSION, "session\trequired\t\t\t" } };
	char *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);

	if (stream == NULL)
		return NULL;
	fputs(PAM_BEGIN "\n", stream);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if ((stacks & lines[i].stack) != 0)
			fprintf(stream, "%s%s\n", lines[i].control, module);
	fputs(PAM_END "\n", stream);
	if (fclose(stream) == 0)
		return made;
	free(made);
	return NULL;
}

int pam_add(const char *text, unsigned stacks, const char *module, char **out)
{
	cleanup_free char *lines = pam_lines(stacks, module), *rest = NULL;
	size_t at;
	int r = pam_remove(text, &rest);

	if (r < 0 || lines == NULL)
		return r < 0 ? r : -ENOMEM;
	at = place_for(rest, stacks);
	if (asprintf(out, "%.*s%s%s%s", (int)at, rest, at > 0 && rest[at - 1] != '\n' ? "\n" : "", lines, rest + at) <
	    0)
		return -ENOMEM;
	return 0;
}
