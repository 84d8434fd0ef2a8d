/* SPDX-License-Identifier: ISC */
/* Why the daemon did not start, for `subuid doctor`, which comes when it is gone. Run by root. */
#ifndef SUBUIDD_REFUSAL_H
#define SUBUIDD_REFUSAL_H

/* RUN_DIR/refused (0644): when, and why, in one line; makes RUN_DIR if it does not exist. A failure to write is not
 * reported. */
void refusal_record(const char *why);

/* It has started. */
void refusal_forget(void);

#endif
