/* SPDX-License-Identifier: ISC */
/* Decides whether a sub-account may log in, from the index and from what NSS says about the owner. Pure. */
#include "index/verdict.h"

#include <errno.h>
#include <string.h>

#include "account/date.h"

bool service_listed(const char *services, const char *service)
{
	size_t length = strlen(service);

	for (const char *at = services; length > 0;) {
		size_t part = strcspn(at, ",");

		if (part == length && memcmp(at, service, length) == 0)
			return true;
		if (at[part] == '\0')
			break;
		at += part + 1;
	}
	return false;
}

bool service_admitted(const struct index_account *account, const char *service, const char *services)
{
	return service_listed(services, service) ||
	       ((account->flags & ACCOUNT_SERVICES) != 0 && strcmp(service, SERVICE_MANAGER) == 0);
}

bool services_valid(const char *services)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	for (;;) {
		size_t part = strspn(services, allowed);

		if (part == 0)
			return false;
		if (services[part] == '\0')
			return true;
		if (services[part] != ',')
			return false;
		services += part + 1;
	}
}

bool password_locked(const char *field)
{
	return field != NULL && field[0] == '!' && field[1] != '\0';
}

/*
 * An outage is no verdict on anyone. The index vouches for the account and says whether it is locked, and a directory
 * that is down must not stop the backups of all its users. The price: accounts of an owner who was locked there can go
 * on logging in until it answers again; `subuid lock` needs no directory. A process that may not read shadow, and a
 * passwd entry whose other half is missing, are no outage: they do not go away by themselves.
 */
static bool is_outage(int error)
{
	return error != -EACCES && error != -EPERM && error != -ENODATA;
}

static enum verdict verdict_of_owner(const struct index_account *account, const struct owner_facts *owner, long today)
{
	if (owner->error == -ENOENT)
		return VERDICT_OWNER_GONE;
	if (owner->known && owner->uid != account->owner_uid)
		return VERDICT_OWNER_CHANGED;
	if (owner->error != 0)
		return is_outage(owner->error) ? VERDICT_OWNER_DOUBT : VERDICT_OWNER_UNAVAILABLE;
	if (owner->locked)
		return VERDICT_OWNER_LOCKED;
	/* Day 0 is in the past, not "never": `chage -E 0` is a way of locking. */
	if (date_over(owner->expires_day, today))
		return VERDICT_OWNER_EXPIRED;
	return VERDICT_ALLOW;
}

static enum verdict verdict_of_itself(const struct index_account *account, int64_t today)
{
	if (account->flags & ACCOUNT_LOCKED)
		return VERDICT_LOCKED;
	return date_over(account->expires_day, today) ? VERDICT_EXPIRED : VERDICT_ALLOW;
}

enum verdict verdict_of_account(const struct index_account *account, const struct owner_facts *owner, long today)
{
	enum verdict verdict = verdict_of_itself(account, today);

	if (verdict == VERDICT_ALLOW)
		verdict = verdict_of_owner(account, owner, today);
	/* a reason to end what runs comes before one to let it stand still */
	return (account->flags & ACCOUNT_FROZEN) != 0 && !verdict_ends(verdict) ? VERDICT_FROZEN : verdict;
}

const char *account_barred(const struct index_account *account, int64_t now)
{
	const enum verdict verdict = verdict_of_itself(account, now / SECONDS_PER_DAY);

	return verdict == VERDICT_ALLOW ? NULL : verdict == VERDICT_LOCKED ? "locked" : "expired";
}

int64_t verdict_end(const struct index_account *account)
{
	return account->expires_day == -1 ? 0 : (int64_t)account->expires_day * SECONDS_PER_DAY;
}

enum verdict verdict_of(const struct index_account *account, const struct owner_facts *owner, const char *service,
			const char *services, long today)
{
	return service_admitted(account, service, services) ? verdict_of_account(account, owner, today) :
							      VERDICT_SERVICE;
}

const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
		return "allowed";
	case VERDICT_SERVICE:
		return "sub-accounts may not use this service";
	case VERDICT_LOCKED:
		return "the account is locked";
	case VERDICT_EXPIRED:
		return "the account has expired";
	case VERDICT_FROZEN:
		return "the account is frozen; its owner takes that back by subuid thaw";
	case VERDICT_OWNER_DOUBT:
		return "the user database does not answer for its owner";
	case VERDICT_OWNER_UNAVAILABLE:
		return "it cannot be found out whether its owner is locked";
	case VERDICT_OWNER_GONE:
		return "its owner no longer exists";
	case VERDICT_OWNER_CHANGED:
		return "its owner's name now belongs to another uid";
	case VERDICT_OWNER_LOCKED:
		return "its owner's account is locked";
	case VERDICT_OWNER_EXPIRED:
		return "its owner's account has expired";
	}
	return "unknown";
}

bool verdict_admits(enum verdict verdict)
{
	return verdict == VERDICT_ALLOW || verdict == VERDICT_OWNER_DOUBT;
}

bool verdict_ends(enum verdict verdict)
{
	return !verdict_admits(verdict) && verdict != VERDICT_OWNER_UNAVAILABLE && verdict != VERDICT_FROZEN;
}
