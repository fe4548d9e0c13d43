/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_internal.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DEFAULT_URL_BYTES = 2048,
    DEFAULT_PATH_REPEATS = 4,
    DEFAULT_DATE_AHEAD_DAYS = 730,
    SEGMENTS_LOOKED_AT = 32
};

/* A scope owns copies of all its strings in one arena. Immutable after creation: any thread. */
struct queue_scope {
    struct base_arena arena;
    const char **origins;
    size_t origin_count;
    const char **include;
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
    regex_t *include_regex, *exclude_regex; /* regexec() may be called by many threads */
    size_t include_regex_count, exclude_regex_count;
    bool same_host;
    uint32_t max_depth, max_url_bytes, max_path_repeats;
    uint32_t last_month; /* year * 12 + month - 1: dates behind it are a calendar's; 0 = none is */
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

/* \\1 outside of a bracket refers back. */
static bool has_back_reference(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            if (isdigit((unsigned char)at[1])) {
                return true;
            }
            at++;
        }
    }
    return false;
}

static enum gleaner_status compile(const char *const *texts, size_t count, regex_t **out,
                                   size_t *compiled, struct base_error *error)
{
    *out = calloc(count + 1, sizeof(**out));
    if (*out == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the crawl's scope");
    }
    for (; *compiled < count; (*compiled)++) {
        const char *text = texts[*compiled];
        char why[160] = "back-references take exponential time";
        int code = has_back_reference(text) ? -1 : 0;
        if (code == 0) {
            code = regcomp(&(*out)[*compiled], text, REG_EXTENDED | REG_NOSUB);
        }
        if (code > 0) {
            regerror(code, &(*out)[*compiled], why, sizeof(why));
        }
        if (code != 0) {
            return base_error_set(error, GLEANER_E_CONFIG,
                                  "'%s' is no usable regular expression: %s", text, why);
        }
    }
    return GLEANER_OK;
}

static uint32_t month_ahead(uint32_t days)
{
    struct tm parts;
    time_t limit = (time_t)(base_wall_ms() / 1000) + (time_t)days * 86400;
    return gmtime_r(&limit, &parts) != NULL
               ? (uint32_t)(parts.tm_year + 1900) * 12 + (uint32_t)parts.tm_mon
               : 0;
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
    uint32_t ahead = options->max_date_ahead_days;
    scope->last_month =
        ahead == UINT32_MAX ? 0 : month_ahead(ahead > 0 ? ahead : DEFAULT_DATE_AHEAD_DAYS);
    enum gleaner_status status = compile(options->include_regex, options->include_regex_count,
                                         &scope->include_regex, &scope->include_regex_count, error);
    if (status == GLEANER_OK) {
        status = compile(options->exclude_regex, options->exclude_regex_count,
                         &scope->exclude_regex, &scope->exclude_regex_count, error);
    }
    if (status != GLEANER_OK) {
        queue_scope_destroy(&scope);
        return status;
    }
    *out = scope;
    return GLEANER_OK;
}

static void free_expressions(regex_t *expressions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        regfree(&expressions[i]);
    }
    free(expressions);
}

void queue_scope_destroy(struct queue_scope **scope)
{
    if (scope == NULL || *scope == NULL) {
        return;
    }
    free_expressions((*scope)->include_regex, (*scope)->include_regex_count);
    free_expressions((*scope)->exclude_regex, (*scope)->exclude_regex_count);
    base_arena_fini(&(*scope)->arena);
    free(*scope);
    *scope = NULL;
}

/* "https://name" of "http://name", both on their standard ports: most sites send a start of the one
 * to the other. */
static bool is_secure_one_of(const char *seed, const char *origin, size_t len)
{
    size_t rest = strlen(seed) - (sizeof("http") - 1);
    return strncmp(seed, "http:", 5) == 0 && memchr(seed + 5, ':', rest - 1) == NULL &&
           len == rest + sizeof("https") - 1 && strncmp(origin, "https", 5) == 0 &&
           memcmp(origin + 5, seed + 4, rest) == 0;
}

static bool is_of_a_seed(const struct queue_scope *scope, const char *url, size_t len)
{
    size_t origin = queue_origin_length(url, len);
    for (size_t i = 0; i < scope->origin_count; i++) {
        const char *seed = scope->origins[i];
        if ((strlen(seed) == origin && memcmp(seed, url, origin) == 0) ||
            is_secure_one_of(seed, url, origin)) {
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

static bool matches_expression(const regex_t *expressions, size_t count, const char *url,
                               size_t len)
{
    for (size_t i = 0; i < count; i++) {
        regmatch_t all = {.rm_so = 0, .rm_eo = (regoff_t)len};
        if (regexec(&expressions[i], url, 1, &all, REG_STARTEND) == 0) {
            return true;
        }
    }
    return false;
}

/* "Next month" leads on for ever. */
static bool is_far_date(const struct queue_scope *scope, const char *url, size_t len)
{
    struct url_date date;
    if (scope->last_month == 0 || !queue_find_date(url, len, &date)) {
        return false;
    }
    return date.year * 12 + (date.month > 0 ? date.month - 1 : 0) > scope->last_month;
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
    if (scope->include_count + scope->include_regex_count > 0 &&
        !matches_any(scope->include, scope->include_count, url, len) &&
        !matches_expression(scope->include_regex, scope->include_regex_count, url, len)) {
        return false;
    }
    return !matches_any(scope->exclude, scope->exclude_count, url, len) &&
           !matches_expression(scope->exclude_regex, scope->exclude_regex_count, url, len) &&
           !is_trap(scope, url, len) && !is_far_date(scope, url, len);
}
