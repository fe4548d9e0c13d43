/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a table of recorded robots.txt decisions (data/SOURCE.txt says whose). */
#ifndef ROBOTS_CASES_H
#define ROBOTS_CASES_H

#include <stdbool.h>
#include <stdio.h>

struct robots_score {
    unsigned cases, passed;
    unsigned rfc_cases, rfc_passed; /* those that RFC 9309 demands */
};
/** Names of failed cases go to `failures` (may be NULL). False when the file cannot be read. */
bool robots_cases_run(const char *path, FILE *failures, struct robots_score *out);

#endif
