/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": the nearest of some names by edit distance; and keys by their names. */
#include "settings.h"
#include <string.h>

#define NAME_MAX_BYTES 64

/* Levenshtein with one row; names are short. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t insert = row[j - 1] + 1;
            size_t drop = row[j] + 1;
            size_t least = insert < drop ? insert : drop;
            row[j] = change < least ? change : least;
        }
    }
    return row[b_len];
}

const char *settings_nearest(const char *name, size_t len,
                             const char *(*next)(const void *ctx, size_t i), const void *ctx)
{
    if (len == 0 || len > NAME_MAX_BYTES) {
        return NULL;
    }
    const char *best = NULL;
    size_t best_distance = len / 3 + 2; /* further away it would be a guess */
    for (size_t i = 0;; i++) {
        const char *candidate = next(ctx, i);
        if (candidate == NULL) {
            return best;
        }
        size_t candidate_len = strlen(candidate);
        if (candidate_len > NAME_MAX_BYTES) {
            continue;
        }
        size_t d = distance(name, len, candidate, candidate_len);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
}

/* Settings of the command line alone have no key for people. */
static bool has_key(size_t index)
{
    return strncmp(settings_table[index].key, "command.", 8) != 0;
}

static const char *next_key(const void *ctx, size_t i)
{
    (void)ctx;
    for (size_t at = 0, seen = 0; at < settings_count; at++) {
        if (has_key(at) && seen++ == i) {
            return settings_table[at].key;
        }
    }
    return NULL;
}

enum gleaner_status settings_find(const char *key, size_t *out, struct base_error *error)
{
    for (size_t i = 0; i < settings_count; i++) {
        if (has_key(i) && strcmp(settings_table[i].key, key) == 0) {
            *out = i;
            return GLEANER_OK;
        }
    }
    const char *near = settings_nearest(key, strlen(key), next_key, NULL);
    return base_error_set(error, GLEANER_E_CONFIG, "unknown setting '%s'%s%s%s", key,
                          near != NULL ? "; did you mean " : "; gleaner config lists them",
                          near != NULL ? near : "", near != NULL ? "?" : "");
}
