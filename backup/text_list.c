/* SPDX-License-Identifier: ISC */
/*
 * Lists that grow while a client's words are taken apart, and the argument vectors and environments made of them. Run
 * by the gates with the sub-account's uid; each item is a copy, so that nothing points into what the client sent.
 */
#include "backup/text_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gcc 12's analyzer loses track of pointers in an array that grows; AddressSanitizer, which sees everything, finds no
 * leak (fuzz_command). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
int text_list_add(struct text_list *list, const char *text)
{
	if (list->count + 2 > list->room) {
		size_t room = list->room == 0 ? 64 : list->room * 2;
		char **items = reallocarray(list->items, room, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	list->items[list->count] = strdup(text);
	if (list->items[list->count] == NULL)
		return -ENOMEM;
	list->items[++list->count] = NULL;
	list->bytes += strlen(text) + 1;
	return 0;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

int text_list_format(struct text_list *list, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0)
		return -ENOMEM;
	r = text_list_add(list, text);
	free(text);
	return r;
}

void text_list_free(struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct text_list){ 0 };
}
