/* SPDX-License-Identifier: ISC */
/* App passwords: their letters, the shape of their hashes, and from where they may be used. Run by the worker, the
 * broker and the verifier. */
#include "account/password.h"

#include <string.h>

#include "account/key.h"

static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* without l, o, 0 and 1 */
_Static_assert(sizeof(alphabet) == 33, "five bits a letter");

bool key_is_password(const struct ssh_key *key)
{
	return strcmp(key->type, PASSWORD_TYPE) == 0;
}

void password_letters(const uint8_t random[PASSWORD_LETTERS], char letters[PASSWORD_LETTERS + 1])
{
	for (unsigned i = 0; i < PASSWORD_LETTERS; i++)
		letters[i] = alphabet[random[i] & 31];
	letters[PASSWORD_LETTERS] = '\0';
}

void password_text(const char letters[PASSWORD_LETTERS + 1], char text[PASSWORD_TEXT_MAX + 1])
{
	for (unsigned i = 0; i < PASSWORD_LETTERS; i++) {
		if (i >= PASSWORD_SELECTOR && (i - PASSWORD_SELECTOR) % 5 == 0)
			*text++ = '-';
		*text++ = letters[i];
	}
	*text = '\0';
}

static bool letters_valid(const char *letters, size_t count)
{
	return strlen(letters) == count && strspn(letters, alphabet) == count;
}

bool password_normal(const char *typed, char letters[PASSWORD_LETTERS + 1])
{
	char normal[PASSWORD_LETTERS + 1] = "";
	size_t used = 0;
	bool valid;

	for (; *typed != '\0' && used <= PASSWORD_LETTERS; typed++) {
		if (*typed == ' ' || *typed == '-')
			continue;
		if (used == PASSWORD_LETTERS)
			break;
		normal[used++] = (char)(*typed >= 'A' && *typed <= 'Z' ? *typed - 'A' + 'a' : *typed);
	}
	valid = *typed == '\0' && letters_valid(normal, PASSWORD_LETTERS);
	if (valid)
		memcpy(letters, normal, sizeof(normal));
	explicit_bzero(normal, sizeof(normal));
	return valid;
}

bool password_selector_valid(const char *blob)
{
	return letters_valid(blob, PASSWORD_SELECTOR);
}

/* "$y$j9T$" of the cost 5: N is 2^(cost + 7), r is 32, p is 1. */
bool password_hash_shaped(const char *hash, unsigned cost)
{
	static const char base64[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char start[] = { '$', 'y', '$', 'j', base64[(cost + 6) & 63], 'T', '$' };
	const size_t length = strnlen(hash, PASSWORD_HASH_MAX + 1), salt = 22, sum = 43;

	if (cost < PASSWORD_COST_LEAST || cost > PASSWORD_COST_MOST || length != sizeof(start) + salt + 1 + sum ||
	    memcmp(hash, start, sizeof(start)) != 0)
		return false;
	return strspn(hash + sizeof(start), base64) == salt && hash[sizeof(start) + salt] == '$' &&
	       strspn(hash + sizeof(start) + salt + 1, base64) == sum;
}

unsigned password_hash_cost(const char *hash)
{
	for (unsigned cost = PASSWORD_COST_LEAST; cost <= PASSWORD_COST_MOST; cost++)
		if (password_hash_shaped(hash, cost))
			return cost;
	return 0;
}
