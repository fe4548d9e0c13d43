/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": the nearest of some names by edit distance; and keys by their names. */
#include "settings.h"
#include <string.h>

#define NAME_MAX_BYTES 64

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edit distance where two letters in each other's place are one mistake (optimal string alignment).
 * Three rows; names are short. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least_of(last[j - 1] + (a[i - 1] != b[j - 1]), last[j] + 1, row[j - 1] + 1);
            bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
    }
    return rows[a_len % 3][b_len];
}

/* Is `part` in `whole`, between its ends and dashes? */
static bool has_words(const char *whole, size_t whole_len, const char *part, size_t part_len)
{
    for (size_t at = 0; part_len >= 3 && at + part_len <= whole_len; at++) {
        bool is_start = at == 0 || whole[at - 1] == '-' || whole[at - 1] == '_';
        char next = at + part_len < whole_len ? whole[at + part_len] : '-';
        if (is_start && (next == '-' || next == '_') && memcmp(whole + at, part, part_len) == 0) {
            return true;
        }
    }
    return false;
}

/* How far a name is from what somebody typed. Half of a name, or one with more words around it, is
 * further than one typing mistake and nearer than two; of several such the one with the least more.
 */
static size_t farness(const char *name, size_t len, const char *candidate, size_t candidate_len)
{
    enum { PER_MISTAKE = NAME_MAX_BYTES + 1 };
    size_t most = len > candidate_len ? len : candidate_len;
    size_t least = len > candidate_len ? candidate_len : len;
    size_t mistakes = distance(name, len, candidate, candidate_len);
    bool is_start = len >= 4 && len < candidate_len && memcmp(candidate, name, len) == 0;
    if (mistakes > 1 && (is_start || has_words(candidate, candidate_len, name, len) ||
                         has_words(name, len, candidate, candidate_len))) {
        return PER_MISTAKE + most - least;
    }
    return mistakes > len / 3 + 1 ? SIZE_MAX : mistakes * PER_MISTAKE; /* else it is a guess */
}

const char *settings_nearest(const char *name, size_t len,
                             const char *(*next)(const void *ctx, size_t i), const void *ctx)
{
    if (len == 0 || len > NAME_MAX_BYTES) {
        return NULL;
    }
    const char *best = NULL;
    size_t best_farness = SIZE_MAX;
    for (size_t i = 0;; i++) {
        const char *candidate = next(ctx, i);
        if (candidate == NULL) {
            return best;
        }
        size_t candidate_len = strlen(candidate);
        if (candidate_len > NAME_MAX_BYTES) {
            continue;
        }
        size_t far = farness(name, len, candidate, candidate_len);
        if (far < best_farness) {
            best_farness = far;
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
