/* SPDX-License-Identifier: ISC */
/*
 * Expands braces, as in {a,b} and {1..9}, the way bash does. The client chooses the pattern; the work is bounded.
 */
#include "backup/brace.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"

#define GROUPS_MAX 64 /* in one word: limits the recursion */
#define DIGITS_MAX 9

struct group {
	size_t start, end; /* of "{" and "}" */
	bool list;         /* it has a comma of its own */
};

struct sequence {
	long first, last, step;
	int width; /* numbers: padded to this */
	bool letters;
};

/* At a "{": its "}", and whether there is a comma between them that is not in a deeper group. */
static bool group_end(const char *word, size_t start, struct group *group)
{
	size_t depth = 0;

	*group = (struct group){ .start = start };
	for (size_t i = start; word[i] != '\0'; i++) {
		if (word[i] == '\\' && word[i + 1] != '\0')
			i++;
		else if (word[i] == '{')
			depth++;
		else if (word[i] == ',' && depth == 1)
			group->list = true;
		else if (word[i] == '}' && --depth == 0) {
			group->end = i;
			return true;
		}
	}
	return false;
}

static bool read_number(const char **at, long *value, int *width)
{
	const char *start = *at;
	size_t digits = strspn(start + (*start == '-'), "0123456789");

	if (digits == 0 || digits > DIGITS_MAX)
		return false;
	*value = strtol(start, NULL, 10);
	*at = start + (*start == '-') + digits;
	/* "01": leading zeros ask for padding */
	if (digits > 1 && start[*start == '-'] == '0' && *at - start > *width)
		*width = (int)(*at - start);
	return true;
}

/* "1..5", "05..1..2", "a..e" up to the closing brace. */
static bool read_sequence(const char *text, struct sequence *s)
{
	int longest = 0;

	*s = (struct sequence){ .step = 1 };
	if (isalpha((unsigned char)text[0]) && strncmp(text + 1, "..", 2) == 0 && isalpha((unsigned char)text[3])) {
		s->letters = true;
		s->first = (unsigned char)text[0];
		s->last = (unsigned char)text[3];
		text += 4;
	} else {
		const char *second;

		if (!read_number(&text, &s->first, &s->width) || strncmp(text, "..", 2) != 0)
			return false;
		second = text += 2;
		if (!read_number(&text, &s->last, &s->width))
			return false;
		longest = (int)(text - second);
		if (s->width > 0 && longest > s->width)
			s->width = longest;
	}
	if (strncmp(text, "..", 2) == 0) {
		text += 2;
		if (!read_number(&text, &s->step, &(int){ 0 }))
			return false;
		s->step = s->step == 0 ? 1 : labs(s->step);
	}
	return *text == '}';
}

static int expand(const char *word, size_t from, unsigned groups, struct text_list *words);

/* The word with part in place of its group; the expansion goes on from there. */
static int replace(const char *word, const struct group *group, const char *part, size_t length, unsigned groups,
		   struct text_list *words)
{
	cleanup_free char *made = NULL;

	if (asprintf(&made, "%.*s%.*s%s", (int)group->start, word, (int)length, part, word + group->end + 1) < 0) {
		made = NULL;
		return -ENOMEM;
	}
	return expand(made, group->start, groups + 1, words);
}

static int expand_list(const char *word, const struct group *group, unsigned groups, struct text_list *words)
{
	size_t depth = 0, part = group->start + 1;
	int r = 0;

	for (size_t i = part; r == 0 && i <= group->end; i++) {
		if (word[i] == '\\')
			i++;
		else if (word[i] == '{')
			depth++;
		else if (depth == 0 && (word[i] == ',' || i == group->end)) {
			r = replace(word, group, word + part, i - part, groups, words);
			part = i + 1;
		} else if (word[i] == '}')
			depth--;
	}
	return r;
}

static int expand_sequence(const char *word, const struct group *group, const struct sequence *s, unsigned groups,
			   struct text_list *words)
{
	long step = s->first <= s->last ? s->step : -s->step;
	int r = 0;

	for (long n = s->first; r == 0 && (step > 0 ? n <= s->last : n >= s->last); n += step) {
		char text[32];
		int length = s->letters ? snprintf(text, sizeof(text), "%s%c", isalpha((int)n) ? "" : "\\", (int)n) :
					  snprintf(text, sizeof(text), "%0*ld", s->width, n);

		r = replace(word, group, text, (size_t)length, groups, words);
	}
	return r;
}

/* Everything before `from` is expanded already. */
static int expand(const char *word, size_t from, unsigned groups, struct text_list *words)
{
	struct sequence sequence;
	struct group group;

	for (size_t i = from; word[i] != '\0'; i++) {
		if (word[i] == '\\' && word[i + 1] != '\0') {
			i++;
			continue;
		}
		if (word[i] != '{' || !group_end(word, i, &group))
			continue;
		if (!group.list && !read_sequence(word + i + 1, &sequence))
			continue;
		if (groups >= GROUPS_MAX)
			return -E2BIG;
		if (group.list)
			return expand_list(word, &group, groups, words);
		return expand_sequence(word, &group, &sequence, groups, words);
	}
	if (words->count >= BRACE_WORDS_MAX || words->bytes >= BRACE_BYTES_MAX)
		return -E2BIG;
	return text_list_add(words, word);
}

int brace_expand(const char *pattern, struct text_list *words)
{
	return expand(pattern, 0, 0, words);
}
