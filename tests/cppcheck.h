/* SPDX-License-Identifier: ISC */
/*
 * What cppcheck is told of jansson, whose headers it does not read (tests/lint). Not by -D: cppcheck takes a semicolon
 * there for the end of the definition, and then finds nothing in any file.
 */
#define json_array_foreach(a, i, v) for (i = 0; (v = json_array_get(a, i)) != NULL; i++)
#define json_object_foreach(o, k, v) for (k = json_object_iter_key(o); (v = json_object_get(o, k)) != NULL;)
