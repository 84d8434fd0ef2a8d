/* SPDX-License-Identifier: ISC */
/* The lookups of index/index.h: a hold on the file around those of index/view.h. */
#include <errno.h>
#include <string.h>

#include "index/index.h"
#include "index/map.h"
#include "index/view.h"
#include "account/name.h"
#include "account/range_name.h"

/* The result of a lookup, an expression with the view `view`, while the file is held. */
#define HELD(reader, lookup)                                                                                           \
	({                                                                                                             \
		struct index_hold hold;                                                                                \
		int rc = index_enter(reader, &hold);                                                                   \
		if (rc == 0) {                                                                                         \
			const struct index_view *view = hold.view;                                                     \
			rc = (lookup);                                                                                 \
			index_leave(&hold);                                                                            \
		}                                                                                                      \
		rc;                                                                                                    \
	})

static int host_copy(const struct index_view *view, struct index_host *host)
{
	if (host != NULL)
		*host = view->header.host;
	return 0;
}

int index_host(struct index_reader *reader, struct index_host *host)
{
	return HELD(reader, host_copy(view, host));
}

int index_generation(struct index_reader *reader, uint64_t *generation)
{
	return HELD(reader, index_view_generation(view, generation));
}

int index_account_and_host_by_name(struct index_reader *reader, const char *name, struct index_account *account,
				   struct index_host *host)
{
	return HELD(reader, index_view_by_name(view, name, account) ?: host_copy(view, host));
}

int index_account_and_host_by_uid(struct index_reader *reader, uint32_t uid, struct index_account *account,
				  struct index_host *host)
{
	return HELD(reader, index_view_by_uid(view, uid, account) ?: host_copy(view, host));
}

int index_account_by_name(struct index_reader *reader, const char *name, struct index_account *account)
{
	return HELD(reader, index_view_by_name(view, name, account));
}

int index_account_by_uid(struct index_reader *reader, uint32_t uid, struct index_account *account)
{
	return HELD(reader, index_view_by_uid(view, uid, account));
}

int index_account_next(struct index_reader *reader, uint64_t *cursor, struct index_account *account)
{
	return HELD(reader, index_view_next(view, cursor, account));
}

int index_owner_next(struct index_reader *reader, uint32_t owner_uid, uint64_t *cursor, int *is_range,
		     struct index_account *account, struct id_range *range)
{
	return HELD(reader, index_view_owner_next(view, owner_uid, cursor, is_range, account, range));
}

int index_range_next(struct index_reader *reader, uint64_t *cursor, struct id_range *range)
{
	return HELD(reader, index_view_range_next(view, cursor, range));
}

int index_range_by_id(struct index_reader *reader, uint32_t id, struct id_range *range)
{
	return HELD(reader, index_view_range_by_id(view, id, range));
}

int index_range_named(struct index_reader *reader, uint32_t id, struct id_range *range, struct index_host *host)
{
	return HELD(reader, index_view_range_named(view, id, range) ?: host_copy(view, host));
}

int index_range_by_name(struct index_reader *reader, const char *name, uint32_t *id, struct id_range *range,
			struct index_host *host)
{
	char real[RANGE_NAME_MAX + 1];
	struct index_host facts;
	struct id_range found;
	uint32_t number;
	int rc = range_name_parse(name, &number) < 0 ? -ENOENT : index_range_named(reader, number, &found, &facts);

	if (rc < 0)
		return rc;
	range_name_format(&found, facts.separator, number, real);
	if (strcmp(real, name) != 0)
		return -ENOENT;
	*id = number;
	*range = found;
	*host = facts;
	return 0;
}

bool index_name_ours(struct index_reader *reader, const char *name)
{
	struct index_account account;
	struct index_host host;
	struct id_range range;
	uint32_t id;

	return name_has_separator(name) && (index_account_by_name(reader, name, &account) == 0 ||
					    index_range_by_name(reader, name, &id, &range, &host) == 0);
}

int index_key(struct index_reader *reader, uint32_t uid, const char *blob, struct ssh_key *key)
{
	return HELD(reader, index_view_key(view, uid, blob, key));
}

int index_account_directory(const struct index_host *host, const struct index_account *account, char *out, size_t size)
{
	size_t homes = strlen(host->homes), owner = strlen(account->owner), label = strlen(account->label);
	size_t length = homes + 1 + owner + 1 + label;

	if (length >= size)
		return -ENAMETOOLONG;
	memcpy(out, host->homes, homes);
	out += homes;
	*out++ = '/';
	memcpy(out, account->owner, owner);
	out += owner;
	*out++ = '/';
	memcpy(out, account->label, label + 1); /* with its NUL */
	return (int)length;
}

int index_home(const struct index_host *host, const struct index_account *account, char *out, size_t size)
{
	static const char name[] = "/home";
	int length;

	if (size < sizeof(name))
		return -ENAMETOOLONG;
	length = index_account_directory(host, account, out, size - (sizeof(name) - 1));
	if (length < 0)
		return length;
	memcpy(out + length, name, sizeof(name));
	return length + (int)sizeof(name) - 1;
}
