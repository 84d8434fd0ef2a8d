/* SPDX-License-Identifier: ISC */
/* Makes passwords and their hashes. Run by the worker, sealed. */
#include "worker/password.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "account/password.h"
#include "worker/field.h"

static uint32_t cost;
static char made[PASSWORD_TEXT_MAX + 1];

void worker_password_cost(uint32_t of_host)
{
	cost = of_host;
}

void worker_password_forget(void)
{
	explicit_bzero(made, sizeof(made));
}

bool worker_password_take(char text[PASSWORD_TEXT_MAX + 1])
{
	memcpy(text, made, sizeof(made));
	explicit_bzero(made, sizeof(made));
	return text[0] != '\0';
}

/* The letters' hash, or NULL. *data holds it, and is wiped by the caller. */
static const char *hash(const char *letters, struct crypt_data *data)
{
	char salt[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (getrandom(salt, sizeof(salt), 0) != sizeof(salt) ||
	    crypt_gensalt_rn("$y$", cost, salt, sizeof(salt), setting, sizeof(setting)) == NULL)
		return NULL;
	return crypt_rn(letters, setting, data, sizeof(*data));
}

int worker_password_make(struct ssh_key *key, struct failure_text *failure)
{
	static struct crypt_data data; /* 32 KiB */
	char letters[PASSWORD_LETTERS + 1] = "";
	uint8_t random[PASSWORD_LETTERS];
	const char *hashed = NULL;

	if (cost == 0)
		return field_invalid(failure, "key.password", "this host takes no passwords",
				     "root may switch them on: [passwords] of subuidd.conf(5)");
	if (getrandom(random, sizeof(random), 0) == sizeof(random)) {
		password_letters(random, letters);
		hashed = hash(letters, &data);
	}
	if (hashed != NULL && password_hash_shaped(hashed, cost)) {
		field_put(key->type, PASSWORD_TYPE);
		memcpy(key->blob, letters, PASSWORD_SELECTOR);
		field_put(key->hash, hashed);
		password_text(letters, made);
	}
	explicit_bzero(&data, sizeof(data));
	explicit_bzero(letters, sizeof(letters));
	explicit_bzero(random, sizeof(random));
	return key->hash[0] != '\0' ? 0 :
				      field_invalid(failure, "key.password", "it could not be made", "try it again");
}

void worker_password_again(const char letters[PASSWORD_LETTERS + 1], const char *was, char *made_hash)
{
	static struct crypt_data data; /* 32 KiB */
	const char *hashed = crypt_rn(letters, was, &data, sizeof(data));

	made_hash[0] = '\0';
	if (hashed != NULL && strcmp(hashed, was) == 0) {
		hashed = hash(letters, &data);
		if (hashed != NULL && password_hash_shaped(hashed, cost))
			memcpy(made_hash, hashed, strlen(hashed) + 1);
	}
	explicit_bzero(&data, sizeof(data));
}
