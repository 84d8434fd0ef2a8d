/* SPDX-License-Identifier: ISC */
/*
 * The lines of one holder in the order in which the ids were given. A new one is mostly the last anyway; not so if
 * lines of ours come into a file that has got others meanwhile, or if one was joined or split. Then the holder's lines
 * change places among themselves, and no other line moves.
 *
 * Pure, but for the heap. Run by a child of the broker (root).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/lines.h"

struct holder {
	const char *name;
	size_t length;
	uint32_t uid;
	size_t first; /* of our lines, as they stand in the text */
};

/* A line of the file. */
struct place {
	const char *at;
	size_t length;
	long mine;   /* which of ours it is, as they stand in the text; -1: somebody else's */
	long holder; /* of ours; -1: none */
	size_t number;
};

struct order {
	struct holder *holders, *by_uid;
	size_t holders_count;
	struct place *places;
	const char **lines; /* what stands in each place in the end, and how long it is */
	size_t *lengths;
	size_t count;
};

static int compare_name(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return subid_bytes_order(x->name, x->length, y->name, y->length);
}

static int compare_uid(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* Ours stand holder by holder. */
static int holders_make(const struct subid_lines *mine, const struct subid_turn *turns, struct order *order)
{
	const char *rest = mine->text, *at;
	size_t left = mine->length, length, count = 0;
	struct holder *last = NULL;

	order->holders = calloc(mine->count + 1, sizeof(*order->holders));
	order->by_uid = calloc(mine->count + 1, sizeof(*order->by_uid));
	if (order->holders == NULL || order->by_uid == NULL)
		return -ENOMEM;
	for (; subid_line_next(&rest, &left, &at, &length); count++) {
		struct subid_line line;

		if (!subid_line_parse(at, length, &line))
			continue;
		if (last != NULL && subid_bytes_order(last->name, last->length, line.name, line.name_length) == 0)
			continue;
		last = &order->holders[order->holders_count++];
		*last = (struct holder){ line.name, line.name_length, turns[count].uid, count };
	}
	memcpy(order->by_uid, order->holders, order->holders_count * sizeof(*order->holders));
	if (order->holders_count > 0) {
		qsort(order->holders, order->holders_count, sizeof(*order->holders), compare_name);
		qsort(order->by_uid, order->holders_count, sizeof(*order->by_uid), compare_uid);
	}
	return 0;
}

/* By name, or by the uid in its place. */
static long holder_of(const struct order *order, const struct subid_line *line)
{
	struct holder asked = { .name = line->name, .length = line->name_length };
	const struct holder *found = bsearch(&asked, order->holders, order->holders_count, sizeof(asked), compare_name);

	if (found == NULL && id_parse_bytes(line->name, line->name_length, &asked.uid) == 0)
		found = bsearch(&asked, order->by_uid, order->holders_count, sizeof(asked), compare_uid);
	return found != NULL ? (long)found->first : -1;
}

static int places_make(const char *text, size_t length, const struct subid_lines *mine, struct order *order)
{
	const char *rest = text, *at;
	size_t left = length, line_length, lines = 0;

	while (subid_line_next(&rest, &left, &at, &line_length))
		lines++;
	order->places = calloc(lines + 1, sizeof(*order->places));
	order->lines = calloc(lines + 1, sizeof(*order->lines));
	order->lengths = calloc(lines + 1, sizeof(*order->lengths));
	if (order->places == NULL || order->lines == NULL || order->lengths == NULL)
		return -ENOMEM;
	rest = text;
	left = length;
	for (; subid_line_next(&rest, &left, &at, &line_length); order->count++) {
		struct place *place = &order->places[order->count];
		const long found = subid_lines_find(mine, at, line_length);
		struct subid_line line;

		*place = (struct place){ at, line_length, found < 0 ? -1 : (long)mine->sorted[found].order, -1,
					 order->count };
		if (subid_line_parse(at, line_length, &line))
			place->holder = holder_of(order, &line);
		order->lines[order->count] = at;
		order->lengths[order->count] = line_length;
	}
	return 0;
}

/* By holder; of one holder those of others as they stand, then ours in their order. */
static int compare_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = (x->holder > y->holder) - (x->holder < y->holder);

	if (order == 0)
		order = (x->mine > y->mine) - (x->mine < y->mine);
	return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static int compare_number(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The places of one holder, as compare_place() has them, take the lines in their turns. numbers: room for as many. */
static bool turns_take(struct order *order, const struct place *at, size_t count, const struct subid_turn *turns,
		       int file, size_t *numbers)
{
	size_t others = 0, own, before = 0;
	bool moved = false;

	while (others < count && at[others].mine < 0)
		others++;
	own = others;
	for (size_t i = 0; i < count; i++)
		numbers[i] = at[i].number;
	qsort(numbers, count, sizeof(*numbers), compare_number);
	for (size_t i = 0; i < count; i++) {
		const bool ours = own < count && (before == others || turns[at[own].mine].behind[file] <= before);
		const struct place *line = ours ? &at[own++] : &at[before++];

		order->lines[numbers[i]] = line->at;
		order->lengths[numbers[i]] = line->length;
		moved |= numbers[i] != line->number;
	}
	return moved;
}

/* 1: something moved, 0, or -ENOMEM. */
static int turns_all(struct order *order, const struct subid_turn *turns, int file)
{
	cleanup_free size_t *numbers = calloc(order->count + 1, sizeof(*numbers));
	bool moved = false;

	if (numbers == NULL)
		return -ENOMEM;
	qsort(order->places, order->count, sizeof(*order->places), compare_place);
	for (size_t i = 0, next; i < order->count; i = next) {
		for (next = i + 1; next < order->count && order->places[next].holder == order->places[i].holder;)
			next++;
		if (order->places[i].holder >= 0 && next - i > 1)
			moved |= turns_take(order, &order->places[i], next - i, turns, file, numbers);
	}
	return moved;
}

/* As long as before: where the last line has no end, the new last one has none. */
static void text_make(const struct order *order, size_t length, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < order->count; i++) {
		memcpy(out + used, order->lines[i], order->lengths[i]);
		used += order->lengths[i];
		if (used < length)
			out[used++] = '\n';
	}
}

static void order_free(struct order *order)
{
	free(order->holders);
	free(order->by_uid);
	free(order->places);
	free(order->lines);
	free(order->lengths);
}

/* *text: replaced if something moves. 0 or -ENOMEM. */
static int order_text(char **text, size_t length, const struct subid_lines *mine, const struct subid_turn *turns,
		      int file)
{
	__attribute__((cleanup(order_free))) struct order order = { 0 };
	char *made;
	int r = holders_make(mine, turns, &order);

	if (r == 0)
		r = places_make(*text, length, mine, &order);
	if (r == 0 && order.count > 1)
		r = turns_all(&order, turns, file);
	if (r <= 0)
		return r;
	made = malloc(length + 1);
	if (made == NULL)
		return -ENOMEM;
	text_make(&order, length, made);
	free(*text);
	*text = made;
	return 0;
}

int subid_lines_place(const char *present, size_t length, const struct subid_lines *before,
		      const struct subid_lines *mine, const struct subid_turn *turns, int file, char **out,
		      size_t *out_length)
{
	cleanup_free char *text = NULL;
	size_t used = 0;
	int r = subid_lines_merge(present, length, before, mine, &text, &used);

	if (r >= 0)
		r = order_text(&text, used, mine, turns, file);
	if (r < 0)
		return r;
	r = used != length || (used > 0 && memcmp(text, present, used) != 0);
	*out_length = used;
	*out = steal_ptr(&text);
	return r;
}
