/* SPDX-License-Identifier: ISC */
/* subid_client ranges|owners u|g USER|ID: what a program on libsubid is told, one answer a line. */
#include <shadow/subid.h>
#include <stdlib.h>
#include <string.h>

static int ranges(int gid, const char *user)
{
	struct subid_range *found = NULL;
	int count = gid ? subid_get_gid_ranges(user, &found) : subid_get_uid_ranges(user, &found);

	for (int i = 0; i < count; i++)
		printf("%lu %lu\n", found[i].start, found[i].count);
	free(found);
	return count < 0 ? 1 : 0;
}

static int owners(int gid, const char *id)
{
	uid_t *found = NULL;
	unsigned number = (unsigned)strtoul(id, NULL, 10);
	int count = gid ? subid_get_gid_owners(number, &found) : subid_get_uid_owners(number, &found);

	for (int i = 0; i < count; i++)
		printf("%u\n", found[i]);
	free(found);
	return count < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	return strcmp(argv[1], "ranges") == 0 ? ranges(argv[2][0] == 'g', argv[3]) : owners(argv[2][0] == 'g', argv[3]);
}
