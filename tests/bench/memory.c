/* SPDX-License-Identifier: ISC */
/* memory: nanoseconds of one access to memory that no cache holds and that the next one waits for, over as
 * much as the index of a million accounts: what a lookup cannot be faster than, twice. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define BYTES (170u << 20)
#define LINE 64u
#define LINES (BYTES / LINE)
#define ACCESSES 5000000u

static double spent(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t *line(char *memory, uint32_t i)
{
	void *at = memory + (size_t)i * LINE;

	return at;
}

int main(void)
{
	char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t *order = calloc(LINES, sizeof(*order)), at = 0;
	double began;

	if (memory == MAP_FAILED || order == NULL)
		err(1, "memory");
	for (uint32_t i = 0; i < LINES; i++)
		order[i] = i;
	srandom(1);
	for (uint32_t i = LINES - 1; i > 0; i--) {
		uint32_t other = (uint32_t)random() % (i + 1), swap = order[i];

		order[i] = order[other];
		order[other] = swap;
	}
	for (uint32_t i = 0; i < LINES; i++)
		*line(memory, order[i]) = order[(i + 1) % LINES];
	began = spent();
	for (uint32_t i = 0; i < ACCESSES; i++)
		at = *(volatile uint32_t *)line(memory, at);
	printf("%.1f\n", (spent() - began) / ACCESSES + (at == UINT32_MAX));
	return 0;
}
