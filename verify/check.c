/* SPDX-License-Identifier: ISC */
/* Checks one password. Run by the processes of the verifier, without any right. */
#include "verify/check.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <stdio.h>
#include <string.h>

#include "account/id.h"
#include "index/verdict.h"

/* What the question is about, as far as it exists. */
struct subject {
	struct index_host host;
	struct index_account account;
	struct ssh_key key;
	char letters[PASSWORD_LETTERS + 1];
	bool known; /* there is such an account, and its password begins so */
};

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

bool question_sound(const struct password_question *question, size_t size)
{
	return size == sizeof(*question) && question->magic == PASSWORD_QUESTION &&
	       text_ends(question->name, sizeof(question->name)) &&
	       text_ends(question->typed, sizeof(question->typed)) &&
	       text_ends(question->address, sizeof(question->address));
}

static void subject_find(struct verifier *verifier, const struct password_question *question, struct subject *subject)
{
	bool typed = password_normal(question->typed, subject->letters);
	char selector[PASSWORD_SELECTOR + 1] = "aaaa";

	if (!typed) /* hashed all the same */
		memset(subject->letters, 'a', PASSWORD_LETTERS);
	memcpy(selector, subject->letters, PASSWORD_SELECTOR);
	subject->known = strlen(question->name) <= ACCOUNT_NAME_MAX &&
			 index_account_by_name(verifier->accounts, question->name, &subject->account) == 0 &&
			 index_key(verifier->passwords, subject->account.uid, selector, &subject->key) == 0 &&
			 key_is_password(&subject->key) && crypt_checksalt(subject->key.hash) == CRYPT_SALT_OK && typed;
}

/* Those that begin like none are counted for the account, and those that begin like one for that one: guesses of
 * strangers do not keep out anybody who has a password. */
static struct tries_key account_key(const struct tries *tries, const struct password_question *question,
				    const struct subject *subject)
{
	char name[sizeof(question->name) + PASSWORD_SELECTOR + 2];
	int length = snprintf(name, sizeof(name), "%s %s", question->name, subject->known ? subject->key.blob : "");

	return tries_key(tries, name, (size_t)length);
}

/* Of IPv6 the network, since whoever has one address has all of it. */
static struct tries_key address_key(const struct tries *tries, const char *address)
{
	struct in6_addr six;

	if (strchr(address, ':') != NULL && inet_pton(AF_INET6, address, &six) == 1)
		return tries_key(tries, &six, 8);
	return tries_key(tries, address, strlen(address));
}

/* Without a branch on what is equal. */
static bool hashes_equal(const char *a, const char *b)
{
	const size_t length = strlen(a);
	unsigned char differ = 0;

	if (strlen(b) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

/* Computes the hash, of a password that is somebody's or not. */
static bool hash_right(const struct subject *subject)
{
	static struct crypt_data data; /* 32 KiB */
	static const char nothing[16];
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hashed, *with = subject->key.hash;
	bool right;

	if (!subject->known)
		with = crypt_gensalt_rn("$y$", subject->host.password_cost, nothing, sizeof(nothing), setting,
					sizeof(setting));
	hashed = with == NULL ? NULL : crypt_rn(subject->letters, with, &data, sizeof(data));
	right = hashed != NULL && subject->known && hashes_equal(hashed, subject->key.hash);
	explicit_bzero(&data, sizeof(data));
	return right;
}

static bool may_come(const struct subject *subject, const char *address, int64_t now)
{
	return account_barred(&subject->account, now) == NULL &&
	       (subject->key.expires == 0 || subject->key.expires > now) &&
	       password_from_admits(subject->key.from, address);
}

/* Guesses that begin like no password of the account cannot be right, whoever's they are: altogether they have one
 * turn. */
static void turns_of(const struct tries *tries, const struct subject *subject, struct password_try *tried)
{
	static const char nobody[] = "";

	tried->turns[0] = subject->known ? tried->counted[0] : tries_key(tries, nobody, sizeof(nobody));
	tried->turns[1] = tried->counted[1];
}

enum password_verdict password_admit(struct verifier *verifier, const struct password_question *question, int64_t clock,
				     struct password_try *tried)
{
	struct subject subject = { 0 };
	unsigned most;

	/* the header says that this host takes passwords, or there is no such file */
	if (index_host(verifier->passwords, &subject.host) < 0 || subject.host.password_cost == 0)
		return PASSWORD_WRONG;
	most = subject.host.password_tries > 0 ? subject.host.password_tries : 1;
	subject_find(verifier, question, &subject);
	tried->counted[0] = account_key(verifier->tries, question, &subject);
	tried->counted[1] = address_key(verifier->tries, question->address);
	turns_of(verifier->tries, &subject, tried);
	explicit_bzero(&subject, sizeof(subject));
	return tries_take(verifier->tries, tried->counted, 2, most, clock) ? 0 : PASSWORD_TOO_MANY;
}

void password_return(struct verifier *verifier, const struct password_try *tried)
{
	tries_return(verifier->tries, tried->counted, 2);
}

enum password_verdict password_check(struct verifier *verifier, const struct password_question *question, int64_t now)
{
	struct subject subject = { 0 };
	bool right, old;

	if (index_host(verifier->passwords, &subject.host) < 0 || subject.host.password_cost == 0)
		return PASSWORD_WRONG;
	subject_find(verifier, question, &subject);
	right = hash_right(&subject);
	right = right && may_come(&subject, question->address, now);
	old = right && password_hash_cost(subject.key.hash) < subject.host.password_cost;
	explicit_bzero(&subject, sizeof(subject));
	return !right ? PASSWORD_WRONG : old ? PASSWORD_RIGHT_OLD : PASSWORD_RIGHT;
}
