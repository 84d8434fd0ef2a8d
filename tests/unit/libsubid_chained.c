/* SPDX-License-Identifier: ISC */
/* A foreign plug-in, as one that was configured before ours. Its memory is its own: what it hands out has a
 * header that only its own shadow_subid_free() knows. */
#include <shadow/subid.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define HEADER 64

EXPORT _Atomic int chained_calls, chained_live; /* threads ask, too */

EXPORT enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
						enum subid_type type, bool *result);
EXPORT enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type,
							struct subid_range **ranges, int *count);
EXPORT enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids,
							int *count);
EXPORT void shadow_subid_free(void *array);

static void *hand_out(const void *data, size_t size)
{
	char *block = malloc(HEADER + size);

	if (block == NULL)
		return NULL;
	memcpy(block + HEADER, data, size);
	chained_live++;
	return block + HEADER;
}

static enum subid_status known(const char *owner)
{
	chained_calls++;
	if (strcmp(owner, "broken") == 0)
		return SUBID_STATUS_ERROR;
	if (strcmp(owner, "offline") == 0)
		return SUBID_STATUS_ERROR_CONN;
	return strcmp(owner, "chained") == 0 || strcmp(owner, "owner0") == 0 ? SUBID_STATUS_SUCCESS :
									       SUBID_STATUS_UNKNOWN_USER;
}

/* 500000..565535, uids only */
enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
					 enum subid_type type, bool *result)
{
	enum subid_status status = known(owner);

	*result = status == SUBID_STATUS_SUCCESS && type == ID_TYPE_UID && start >= 500000 && count <= 65536 &&
		  start - 500000 <= 65536 - count;
	if (status != SUBID_STATUS_SUCCESS)
		*result = true; /* not to be believed */
	return status;
}

enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type, struct subid_range **ranges,
						 int *count)
{
	/* the last two are nonsense */
	static const struct subid_range held[] = { { 500000, 65536 }, { 4294967290ul, 100 }, { 7, 0 } };
	enum subid_status status = known(owner);

	*ranges = NULL;
	*count = 0;
	if (status == SUBID_STATUS_SUCCESS && type == ID_TYPE_UID) {
		*ranges = hand_out(held, sizeof(held));
		*count = 3;
	}
	return status;
}

enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids, int *count)
{
	static const uid_t holder[] = { 3000, 1000 };

	chained_calls++;
	*uids = NULL;
	*count = 0;
	if (id == 666)
		return SUBID_STATUS_ERROR;
	if (type == ID_TYPE_UID && id >= 500000 && id < 565536) {
		*uids = hand_out(holder, sizeof(holder));
		*count = 2;
	}
	return SUBID_STATUS_SUCCESS;
}

void shadow_subid_free(void *array)
{
	chained_live--;
	free((char *)array - HEADER);
}
