/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

/* Greedy with one backtrack point: after a mismatch only the last star is extended, so the time is
 * at most glob x text, and in practice linear. */
bool queue_glob_match(const char *glob, const char *text, size_t len)
{
    const char *star = NULL;
    size_t star_at = 0, i = 0;

    while (i < len) {
        if (*glob == '*') {
            star = glob++;
            star_at = i;
        } else if (*glob == '?' || (*glob != '\0' && *glob == text[i])) {
            glob++;
            i++;
        } else if (star != NULL) {
            glob = star + 1;
            i = ++star_at;
        } else {
            return false;
        }
    }
    while (*glob == '*') {
        glob++;
    }
    return *glob == '\0';
}
