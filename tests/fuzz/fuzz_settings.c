/* SPDX-License-Identifier: ISC */
/* A settings file of any bytes, through the real files: what is accepted is within its bounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/name.h"
#include "subuidd/base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[64];

static void clean_up(void)
{
	static const char *const names[] = { "/etc/subuidd.conf", "/etc", "" };
	char path[128];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, names[i]);
		if (remove(path) < 0)
			return;
	}
}

static void check(const struct settings *s)
{
	if (s->accounts_count < 1 || s->accounts_count > SETTINGS_BLOCKS_MAX ||
	    strchr(SEPARATORS, s->separator) == NULL)
		abort();
	for (unsigned i = 0; i < s->accounts_count; i++)
		if (s->accounts[i].first < 65536 || s->accounts[i].last > INT32_MAX ||
		    s->accounts[i].first > s->accounts[i].last)
			abort();
	for (unsigned i = 0; i < s->ranges_count; i++)
		if (s->ranges[i].first % RANGE_UNIT != 0 || (s->ranges[i].last + 1) % RANGE_UNIT != 0)
			abort();
	if (s->homes[0] != '/' || strstr(s->homes, "..") == s->homes || strchr(s->link_directory, '/') != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;
	char path[128], why[512];
	FILE *file;

	if (root[0] == '\0') {
		snprintf(root, sizeof(root), "/tmp/fuzz_settings.XXXXXX");
		if (mkdtemp(root) == NULL)
			abort();
		snprintf(path, sizeof(path), "%s/etc", root);
		if (mkdir(path, 0700) < 0 || atexit(clean_up) != 0)
			abort();
	}
	snprintf(path, sizeof(path), "%s/etc/subuidd.conf", root);
	file = fopen(path, "we");
	if (file == NULL || (size > 0 && fwrite(data, 1, size, file) != size) || fclose(file) != 0 ||
	    chmod(path, 0600) < 0)
		abort();
	if (settings_load(root, &settings, why, sizeof(why)) == 0)
		check(&settings);
	return 0;
}
