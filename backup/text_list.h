/* SPDX-License-Identifier: ISC */
/* A list of strings of its own, ended by NULL: an argument vector in the making. Pure, libc only. */
#ifndef BACKUP_TEXT_LIST_H
#define BACKUP_TEXT_LIST_H

#include <stddef.h>

struct text_list {
	char **items;
	size_t count;
	size_t room;
	size_t bytes; /* of all items */
};

/* 0 or -ENOMEM. */
int text_list_add(struct text_list *list, const char *text);
__attribute__((format(printf, 2, 3))) int text_list_format(struct text_list *list, const char *format, ...);
void text_list_free(struct text_list *list);

#endif
