/* SPDX-License-Identifier: ISC */
/*
 * Another hash of a password, with the work that the settings say now: asked for by pam_subuid when somebody has come
 * in with it. The worker has the password, and is told the old hash; it takes that hash to put another one in its
 * place. So neither the verifier nor anybody else who does not know the password changes a hash. Run by the broker.
 */
#include <errno.h>
#include <string.h>

#include "account/password.h"
#include "confine/clock.h"
#include "subuidd/change/key.h"
#include "subuidd/door/operation.h"
#include "subuidd/publish/publish.h"

#define ONE_MS 10000 /* a worker that has not come back by then does not */

/* One at a time: others may try when somebody comes in the next time. "" goes back: there is nothing to do now. */
static enum failure rehash_begin(struct call *call)
{
	struct broker *broker = call->broker;
	char hash[PASSWORD_HASH_MAX + 1] = "";
	int r;

	if (clock_ms() < broker->rehash_until)
		return FAILURE_NONE;
	r = store_key_hash(call->store, call->key.id, hash);
	if (r < 0)
		return call_fail_store(call, r);
	if (password_hash_cost(hash) >= passwords_cost(&broker->settings))
		return FAILURE_NONE;
	broker->rehash_until = clock_ms() + ONE_MS;
	memcpy(call->answer.rehash.was, hash, sizeof(hash));
	return FAILURE_NONE;
}

static enum failure body_rehash(struct call *call)
{
	const struct request_rehash *rehash = &call->request.rehash;
	int r = store_key_rehash(call->store, call->key.id, rehash->was, rehash->hash);

	key_describe(&call->key, call->detail, sizeof(call->detail));
	if (r == -ENOENT)
		return call_fail(call, FAILURE_CONFLICT, "password", "its hash is another one now", "");
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure rehashed(struct call *call, enum failure failure)
{
	if (failure != FAILURE_NONE)
		return failure;
	return call_published(call, "it is saved", publish_key(call->broker->publication, &call->key));
}

/* Into call->account and call->key. NSS is not asked about the owner: somebody has just come in. */
static enum failure password_find(struct call *call)
{
	const struct request_rehash *rehash = &call->request.rehash;
	struct account account;
	uint32_t count;
	int r = store_account_get(call->store, rehash->name.owner, rehash->name.label, &account);

	name_join(rehash->name.owner, call->broker->settings.separator, rehash->name.label, call->target);
	if (r == 0)
		r = key_find(call->store, account.uid, rehash->password, NULL, &call->key, &count);
	if (r == -ENOENT || (r == 0 && !key_is_password(&call->key)))
		return call_fail(call, FAILURE_NOT_FOUND, "password", "there is none that begins so", "");
	return r < 0 ? call_fail_store(call, r) : call_account_take(call, &account, TO_CHANGE);
}

enum failure op_password_rehash(struct call *call)
{
	const struct request_rehash *rehash = &call->request.rehash;
	enum failure failure = password_find(call);

	if (failure != FAILURE_NONE)
		return failure;
	if (rehash->was[0] == '\0')
		return rehash_begin(call);
	call->broker->rehash_until = 0;
	if (rehash->hash[0] == '\0')
		return call_fail(call, FAILURE_NOT_PERMITTED, "password", "it is wrong: its hash stays",
				 "if somebody was let in with it, the verifier is not sound");
	if (!password_hash_shaped(rehash->hash, passwords_cost(&call->broker->settings)))
		return call_fail(call, FAILURE_INVALID, "password", "not hashed as this host does it", "");
	return call_act(call, call->operation->action, body_rehash, rehashed);
}
