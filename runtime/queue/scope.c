/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_internal.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_URL_BYTES = 2048, DEFAULT_PATH_REPEATS = 4, SEGMENTS_LOOKED_AT = 32 };

/* A scope owns copies of all its strings in one arena. Immutable after creation: any thread. */
struct queue_scope {
    struct base_arena arena;
    const char **origins;
    size_t origin_count;
    const char **include;
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
    bool same_host;
    uint32_t max_depth, max_url_bytes, max_path_repeats;
};

/* "scheme://host:port" of a normalised URL: up to the first slash behind the authority. */
size_t queue_origin_length(const char *url, size_t len)
{
    const char *authority = memmem(url, len, "://", 3);
    if (authority == NULL) {
        return 0;
    }
    size_t at = (size_t)(authority - url) + 3;
    while (at < len && url[at] != '/' && url[at] != '?') {
        at++;
    }
    return at;
}

static bool copy_strings(struct queue_scope *scope, const char *const *from, size_t count,
                         const char ***out)
{
    const char **copies = base_arena_alloc(&scope->arena, (count + 1) * sizeof(*copies));
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = base_arena_strndup(&scope->arena, from[i], strlen(from[i]));
        if (copies[i] == NULL) {
            return false;
        }
    }
    *out = copies;
    return copies != NULL;
}

static bool copy_origins(struct queue_scope *scope, const char *const *seeds, size_t count)
{
    scope->origins = base_arena_alloc(&scope->arena, (count + 1) * sizeof(*scope->origins));
    for (size_t i = 0; scope->origins != NULL && i < count; i++) {
        scope->origins[i] = base_arena_strndup(&scope->arena, seeds[i],
                                               queue_origin_length(seeds[i], strlen(seeds[i])));
        if (scope->origins[i] == NULL) {
            return false;
        }
    }
    scope->origin_count = count;
    return scope->origins != NULL;
}

enum gleaner_status queue_scope_create(const struct queue_scope_options *options,
                                       struct queue_scope **out, struct base_error *error)
{
    struct queue_scope *scope = calloc(1, sizeof(*scope));
    if (scope == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's scope");
    }
    scope->same_host = options->same_host;
    scope->max_depth = options->max_depth;
    scope->max_url_bytes = options->max_url_bytes ? options->max_url_bytes : DEFAULT_URL_BYTES;
    scope->max_path_repeats =
        options->max_path_repeats ? options->max_path_repeats : DEFAULT_PATH_REPEATS;
    scope->include_count = options->include_count;
    scope->exclude_count = options->exclude_count;
    if (!copy_origins(scope, options->seeds, options->seed_count) ||
        !copy_strings(scope, options->include, options->include_count, &scope->include) ||
        !copy_strings(scope, options->exclude, options->exclude_count, &scope->exclude)) {
        queue_scope_destroy(&scope);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's scope");
    }
    *out = scope;
    return GLEANER_OK;
}

void queue_scope_destroy(struct queue_scope **scope)
{
    if (scope == NULL || *scope == NULL) {
        return;
    }
    base_arena_fini(&(*scope)->arena);
    free(*scope);
    *scope = NULL;
}

static bool is_of_a_seed(const struct queue_scope *scope, const char *url, size_t len)
{
    size_t origin = queue_origin_length(url, len);
    for (size_t i = 0; i < scope->origin_count; i++) {
        if (strlen(scope->origins[i]) == origin && memcmp(scope->origins[i], url, origin) == 0) {
            return true;
        }
    }
    return false;
}

static bool matches_any(const char *const *globs, size_t count, const char *url, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (queue_glob_match(globs[i], url, len)) {
            return true;
        }
    }
    return false;
}

/* /a/b/a/b/a/b/...: a relative link that resolves deeper each time. Counts how often one segment
 * stands in the path; the first SEGMENTS_LOOKED_AT segments suffice to see it. */
static bool is_trap(const struct queue_scope *scope, const char *url, size_t len)
{
    const char *segments[SEGMENTS_LOOKED_AT];
    size_t lengths[SEGMENTS_LOOKED_AT], count = 0;
    size_t at = queue_origin_length(url, len);

    while (at < len && url[at] != '?' && count < SEGMENTS_LOOKED_AT) {
        size_t start = ++at;
        while (at < len && url[at] != '/' && url[at] != '?') {
            at++;
        }
        segments[count] = url + start;
        lengths[count++] = at - start;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t same = 0;
        for (size_t j = i; j < count && lengths[i] > 0; j++) {
            same += lengths[i] == lengths[j] && memcmp(segments[i], segments[j], lengths[i]) == 0;
        }
        if (same > scope->max_path_repeats) {
            return true;
        }
    }
    return false;
}

bool queue_scope_allows(const struct queue_scope *scope, const char *url, size_t len,
                        uint32_t depth)
{
    if (depth > scope->max_depth || len > scope->max_url_bytes) {
        return false;
    }
    if (scope->same_host && !is_of_a_seed(scope, url, len)) {
        return false;
    }
    if (scope->include_count > 0 && !matches_any(scope->include, scope->include_count, url, len)) {
        return false;
    }
    return !matches_any(scope->exclude, scope->exclude_count, url, len) &&
           !is_trap(scope, url, len);
}
