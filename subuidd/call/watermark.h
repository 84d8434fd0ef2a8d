/* SPDX-License-Identifier: ISC */
/* The broker's part in the high-water mark: raised before ids are given out, written after each change. */
#ifndef SUBUIDD_WATERMARK_H
#define SUBUIDD_WATERMARK_H

#include <stddef.h>

struct broker;

/* Once the evidence has been heard: makes what is missing, sets the store's floor, and is its witness from then on.
 * 0, or negative errno and a sentence in why. */
int watermark_open(struct broker *broker, char *why, size_t size);
/* At a clean stop: the marks as they are. */
void watermark_close(struct broker *broker);

#endif
