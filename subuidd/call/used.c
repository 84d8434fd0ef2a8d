/* SPDX-License-Identifier: ISC */
/* What accounts use, by uid: a tree of libc's. Run by the broker. */
#include "subuidd/call/used.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct node {
	uint32_t uid;
	struct used used;
};

static int by_uid(const void *a, const void *b)
{
	const struct node *first = a, *second = b;

	return (first->uid > second->uid) - (first->uid < second->uid);
}

static struct node *node_find(void *const *table, uint32_t uid)
{
	const struct node key = { .uid = uid };
	struct node *const *found = tfind(&key, table, by_uid);

	return found != NULL ? *found : NULL;
}

int used_put(void **table, uint32_t uid, struct used used)
{
	struct node *node = node_find(table, uid);

	if (node == NULL) {
		node = calloc(1, sizeof(*node));
		if (node == NULL)
			return -ENOMEM;
		node->uid = uid;
		if (tsearch(node, table, by_uid) == NULL) {
			free(node);
			return -ENOMEM;
		}
	}
	node->used = used;
	return 0;
}

bool used_get(void *const *table, uint32_t uid, struct used *used)
{
	const struct node *node = node_find(table, uid);

	if (node != NULL)
		*used = node->used;
	return node != NULL;
}

void used_forget(void **table, uint32_t uid)
{
	struct node *node = node_find(table, uid);

	if (node == NULL)
		return;
	tdelete(node, table, by_uid);
	free(node);
}

void used_free(void **table)
{
	tdestroy(*table, free);
	*table = NULL;
}
