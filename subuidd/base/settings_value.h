/* SPDX-License-Identifier: ISC */
/* How settings.c has the value of each of its keys read. */
#ifndef SUBUIDD_SETTINGS_VALUE_H
#define SUBUIDD_SETTINGS_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "subuidd/base/settings_file.h"

struct setting;

/* Reads the value into its place. 0, or -EINVAL and why; then nothing is changed. */
typedef int setting_take(const struct setting *setting, const char *value, void *out, char *why, size_t size);

/* What one key means: taken into the member of struct settings at this offset (blocks: into the whole of it). */
struct setting {
	struct settings_key key;
	setting_take *take;
	size_t offset, size;
	uint32_t least, most; /* of a number */
};

setting_take setting_number;
setting_take setting_account_memory;
setting_take setting_bool;
setting_take setting_publish;
setting_take setting_view;
setting_take setting_shell;
setting_take setting_file_size;
setting_take setting_separator;
setting_take setting_directory;
setting_take setting_link;
setting_take setting_hide;
setting_take setting_binds;
setting_take setting_group;
setting_take setting_hook;
setting_take setting_account_blocks;
setting_take setting_range_blocks;

#endif
