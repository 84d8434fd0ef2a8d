/* SPDX-License-Identifier: ISC */
/*
 * Our lines in /etc/subuid: what is merged is what a plain reading says, a second time changes nothing, and taking
 * ours back leaves what was there without them. Lines of others are never touched.
 *
 * Input: the file's text, what it had from us, what it is to have; each ended by 0xff.
 */
#include "tests/fuzz/fuzz.h"

#include "subid/lines.h"

struct text {
	char *at;
	size_t length;
};

struct line {
	const char *at;
	size_t length;
};

static bool next(const struct text *text, size_t *offset, struct line *line)
{
	const char *newline;

	if (*offset >= text->length)
		return false;
	line->at = text->at + *offset;
	newline = memchr(line->at, '\n', text->length - *offset);
	line->length = newline != NULL ? (size_t)(newline - line->at) : text->length - *offset;
	*offset += line->length + 1;
	return true;
}

static bool has(const struct text *text, const struct line *line)
{
	struct line other;

	for (size_t offset = 0; next(text, &offset, &other);)
		if (other.length == line->length && memcmp(other.at, line->at, line->length) == 0)
			return true;
	return false;
}

static void put(struct text *out, const struct line *line)
{
	if (out->length > 0 && out->at[out->length - 1] != '\n')
		out->at[out->length++] = '\n';
	memcpy(out->at + out->length, line->at, line->length);
	out->length += line->length;
	out->at[out->length++] = '\n';
}

/* Line by line, each looked for in the whole of the other text. */
static void plain(const struct text *present, const struct text *before, const struct text *mine, struct text *out)
{
	struct line line;
	size_t offset;

	out->at = malloc(present->length + mine->length + 4);
	must(out->at != NULL);
	out->length = 0;
	for (offset = 0; next(present, &offset, &line);) {
		if (has(mine, &line) ? has(out, &line) : has(before, &line))
			continue;
		put(out, &line);
		if (offset > present->length)
			out->length--; /* the last line, without its end */
	}
	for (offset = 0; next(mine, &offset, &line);)
		if (!has(out, &line))
			put(out, &line);
}

static void lines_of(const struct text *text, struct subid_lines *lines)
{
	struct line line;

	*lines = (struct subid_lines){ 0 };
	must(subid_lines_add_text(lines, text->at, text->length) == 0 && subid_lines_sort(lines) == 0);
	for (size_t i = 1; i < lines->count; i++) {
		const struct subid_lines_at *a = &lines->sorted[i - 1], *b = &lines->sorted[i];
		int order = memcmp(a->at, b->at, a->length < b->length ? a->length : b->length);

		must(order < 0 || (order == 0 && a->length < b->length));
	}
	for (size_t offset = 0; next(text, &offset, &line);) {
		long number = subid_lines_find(lines, line.at, line.length);

		must(number >= 0 && (size_t)number < lines->count && lines->sorted[number].length == line.length);
	}
	must(subid_lines_equal(lines, lines));
}

static struct text merge(const struct text *present, const struct subid_lines *before, const struct subid_lines *mine)
{
	char *copy = take_copy(present->at, present->length);
	struct text out = { 0 };
	int r = subid_lines_merge(copy, present->length, before, mine, &out.at, &out.length);

	must(r == 0 || r == 1);
	must((r == 0) == (out.length == present->length && memcmp(out.at, copy, out.length) == 0));
	free(copy);
	return out;
}

static void check(const struct text *present, const struct text *before, const struct text *mine)
{
	const struct text none = { present->at, 0 };
	struct subid_lines before_lines, mine_lines, no_lines;
	struct text merged, again, back, bare, wanted;

	lines_of(before, &before_lines);
	lines_of(mine, &mine_lines);
	lines_of(&none, &no_lines);
	merged = merge(present, &before_lines, &mine_lines);
	plain(present, before, mine, &wanted);
	must(merged.length == wanted.length && memcmp(merged.at, wanted.at, merged.length) == 0);

	again = merge(&merged, &mine_lines, &mine_lines);
	must(again.length == merged.length && memcmp(again.at, merged.at, again.length) == 0);

	back = merge(&merged, &mine_lines, &no_lines);
	bare = merge(present, &before_lines, &no_lines);
	free(wanted.at);
	plain(&bare, mine, &none, &wanted);
	/* the end of a last line that had none, and got one before ours */
	must(back.length == wanted.length || back.length == wanted.length + 1);
	must(memcmp(back.at, wanted.at, wanted.length) == 0);

	free(merged.at);
	free(again.at);
	free(back.at);
	free(bare.at);
	free(wanted.at);
	subid_lines_free(&before_lines);
	subid_lines_free(&mine_lines);
	subid_lines_free(&no_lines);
}

static void check_one(const char *name, uint32_t first, uint32_t count)
{
	struct subid_lines lines = { 0 };
	char wanted[512];

	if (strlen(name) > 300 || strpbrk(name, ":\n") != NULL)
		return;
	snprintf(wanted, sizeof(wanted), "%s:%u:%u\n", name, first, count);
	if (subid_lines_add(&lines, name, first, count) == 0)
		must(lines.length == strlen(wanted) && memcmp(lines.text, wanted, lines.length) == 0);
	else
		must(strlen(wanted) >= 320 && lines.length == 0);
	subid_lines_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct text text[3];

	if (size > 4096)
		return 0;
	for (int i = 0; i < 3; i++)
		text[i].at = take_piece(&input, &text[i].length);
	check(&text[0], &text[1], &text[2]);
	check_one(text[0].at, (uint32_t)size * 2654435761u, (uint32_t)size + 1);
	for (int i = 0; i < 3; i++)
		free(text[i].at);
	return 0;
}
