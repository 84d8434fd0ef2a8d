/* SPDX-License-Identifier: ISC */
/* Files that anybody with a sub-account can put into the spool. What is accepted is what was written, byte by byte,
 * and fits into what the store takes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/run.h"
#include "tests/fuzz/fuzz.h"

static void text_check(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	must(length < size);
	for (size_t i = 0; i < size; i++)
		must(i < length ? (unsigned char)text[i] >= ' ' && text[i] != 0x7f : text[i] == 0);
}

static void one(const void *bytes, size_t size)
{
	struct run run, before;

	memset(&run, 0x5a, sizeof(run));
	before = run;
	if (run_read(bytes, size, &run) < 0) {
		must(memcmp(&run, &before, sizeof(run)) == 0);
		return;
	}
	must(size == sizeof(run) && memcmp(&run, bytes, size) == 0);
	must(run.started >= 0 && run.duration_ms / 1000 < INT32_MAX);
	must((int64_t)run.bytes_in >= -1 && (int64_t)run.bytes_out >= -1 && (int64_t)run.files >= -1);
	text_check(run.tool, sizeof(run.tool));
	text_check(run.address, sizeof(run.address));
	text_check(run.fingerprint, sizeof(run.fingerprint));
	text_check(run.error, sizeof(run.error));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .magic = RUN_MAGIC, .kind = RUN_BACKUP, .tool = "rsync" };
	unsigned char bytes[sizeof(run)];

	one(data, size);
	/* From a sound one on: pairs of a place and a byte. */
	memcpy(bytes, &run, sizeof(run));
	for (size_t i = 0; i + 3 <= size; i += 3)
		bytes[(data[i] | data[i + 1] << 8) % sizeof(bytes)] = data[i + 2];
	one(bytes, sizeof(bytes));
	return 0;
}
