/* SPDX-License-Identifier: ISC */
/* The texts of the schema's steps, for schema.c alone. */
#ifndef SUBUIDD_STORE_SCHEMA_STEPS_H
#define SUBUIDD_STORE_SCHEMA_STEPS_H

#define STORE_APPLICATION_ID 1937072489 /* "sudi": file(1) and we know the file by it */

#define TOP_ID "4294967294" /* 2^32 - 2: the last number that is an id */
#define OWNER_CHECK "CHECK (owner GLOB '[A-Za-z0-9_]*' AND owner NOT GLOB '*[^A-Za-z0-9_.@-]*' AND length(owner) <= 32)"

extern const char *const store_step_names[]; /* schema_names.c */

/* Step n, a list of texts ended by NULL, takes the file from user_version n to n + 1. */
extern const char *const *const store_schema_steps[];
extern const int store_schema_steps_count;

extern const char *const store_step_refused[], *const store_step_deleted[]; /* schema_steps_runs.c */
extern const char *const store_step_told[];                                 /* schema_steps_told.c */
extern const char *const store_step_kept[];                                 /* schema_steps_kept.c */
extern const char *const store_step_shell[];                                /* schema_steps_shell.c */
extern const char *const store_step_manage[];                               /* schema_steps_manage.c */
extern const char *const store_step_passwords[];                            /* schema_steps_passwords.c */
extern const char *const store_step_factors[];                              /* schema_steps_factors.c */
extern const char *const store_step_bounds[];                               /* schema_steps_bounds.c */
extern const char *const store_step_places[];                               /* schema_steps_places.c */
extern const char *const store_step_services[];                             /* schema_steps_services.c */

#endif
