/* SPDX-License-Identifier: ISC */
/*
 * Which files make up the settings and what they say: layering, who may have
 * written them, shape. settings.c knows what a value means.
 */
#ifndef SUBUIDD_SETTINGS_FILE_H
#define SUBUIDD_SETTINGS_FILE_H

#include <stddef.h>

#define SETTINGS_PLACE_MAX 320 /* "/etc/subuidd.conf.d/10-local.conf:12: [ids] accounts" */

struct settings_key {
	const char *group;
	const char *name;
};

/* Called once for each `name = value` of each file, in the order of precedence (a later one
 * wins). key: index in the table. Returns 0, or a negative errno and why. */
typedef int (*settings_take)(void *data, unsigned key, const char *value, const char *place, char *why, size_t size);

struct settings_reader {
	const struct settings_key *keys;
	unsigned keys_count;
	settings_take take;
	void *data;
};

/* /usr/lib/subuidd.conf, which /etc/subuidd.conf replaces; then the *.conf of both .d/ directories by name,
 * where a file in /etc replaces one of the same name. 0, or negative errno and a sentence in why. */
int settings_files_read(const char *root, const struct settings_reader *reader, char *why, size_t size);

#endif
