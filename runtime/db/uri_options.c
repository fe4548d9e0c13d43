/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a driver's pool that stand in a URI. This pool is ours and not the driver's, which
 * would take them (or has dropped them in libmongoc 2) to no effect: so they are taken here, for
 * what the program left open, and what cannot be taken is said. */
#include "db_internal.h"
#include "db_limits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_LIMIT UINT32_MAX

static const struct pool_option {
    const char *name; /* as in the URI, whatever its case */
    const char *field;
    size_t offset;
    uint32_t for_zero; /* what 0 in a URI stands for */
    uint32_t fallback, least, most;
} pool_options[] = {
#define OPTION(name, field, for_zero, limits)                                                      \
    {                                                                                              \
        name, #field, offsetof(struct gleaner_db_options, field), for_zero, limits                 \
    }
    OPTION("maxPoolSize", max_pool_size, NO_LIMIT, DB_MAX_POOL_SIZE),
    OPTION("minPoolSize", min_pool_size, 0, DB_MIN_POOL_SIZE),
    OPTION("maxConnecting", max_connecting, 0, DB_MAX_CONNECTING),
    OPTION("maxIdleTimeMS", max_idle_ms, NO_LIMIT, DB_MAX_IDLE_MS),
    OPTION("waitQueueTimeoutMS", wait_queue_timeout_ms, 0, DB_WAIT_QUEUE_TIMEOUT_MS),
#undef OPTION
};

static const struct {
    const char *name, *remedy;
} refused_options[] = {
    {"waitQueueMultiple", "as many may wait as want to; wait_queue_timeout_ms ends it"},
    {"timeoutMS", "libmongoc has no such option: name a deadline_ms (gleaner_db_run), "
                  "gleaner_set_deadline() or socketTimeoutMS"},
};

/* The value's length, 0 if it has none or is not named; of several the last counts, as for the
 * driver. Options begin after the first '?': the driver takes none of it before. */
static size_t find_value(const char *uri, const char *name, const char **value)
{
    size_t length = 0, name_length = strlen(name);
    const char *at = uri != NULL ? strchr(uri, '?') : NULL;
    while (at != NULL) {
        at++; /* over '?' or '&' */
        if (strncasecmp(at, name, name_length) == 0 && at[name_length] == '=') {
            *value = at + name_length + 1;
            length = strcspn(*value, "&");
        }
        at = strchr(at, '&');
    }
    return length;
}

static void warn(const char *name, const char *value, size_t length, const char *remedy)
{
    base_log_warn("db", "event=uri_option_not_taken option=%s value=%.*s todo=\"%s\"", name,
                  (int)(length < 20 ? length : 20), value, remedy);
}

static bool read_number(const char *value, size_t length, uint64_t *out)
{
    if (strspn(value, "0123456789") < length) {
        return false;
    }
    *out = strtoull(value, NULL, 10); /* ends at what follows; too large: the largest */
    return true;
}

/* The table's places may be fewer than a pool may have at most. */
static uint64_t most_of(const struct gleaner_db_options *options, const struct pool_option *option)
{
    bool is_size = option->offset == offsetof(struct gleaner_db_options, max_pool_size);
    uint32_t limit = is_size ? options->max_pool_size_limit : 0;
    return limit > 0 && limit < option->most ? limit : option->most;
}

static uint32_t cut(const struct gleaner_db_options *options, const struct pool_option *option,
                    uint64_t number, char *remedy, size_t size)
{
    uint64_t most = most_of(options, option);
    uint64_t wanted = number == 0 ? option->for_zero : number;
    uint64_t within = wanted > most ? most : wanted < option->least ? option->least : wanted;
    remedy[0] = '\0';
    if (within != wanted) {
        snprintf(remedy, size, "%s is %u..%llu: taken as %llu", option->field, option->least,
                 (unsigned long long)most, (unsigned long long)within);
    }
    return (uint32_t)within;
}

static void take(struct gleaner_db_options *options, const struct pool_option *option)
{
    uint32_t *field = (uint32_t *)(void *)((char *)options + option->offset);
    const char *value;
    size_t length = find_value(options->uri, option->name, &value);
    uint64_t number;
    char remedy[160];
    if (length == 0 || *field != 0) {
        return;
    }
    if (!read_number(value, length, &number)) {
        warn(option->name, value, length, "write a number");
        return;
    }
    *field = cut(options, option, number, remedy, sizeof(remedy));
    if (remedy[0] != '\0') {
        warn(option->name, value, length, remedy);
    }
}

static bool is_about(const char *words, const char *name)
{
    char quoted[40];
    snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    return strcasestr(words, quoted) != NULL;
}

/* Those above are ours, whether this driver knows them or not. */
static bool is_ours(const char *words)
{
    bool found = false;
    for (size_t i = 0; i < BASE_ARRAY_LEN(pool_options); i++) {
        found = found || is_about(words, pool_options[i].name);
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(refused_options); i++) {
        found = found || is_about(words, refused_options[i].name);
    }
    return found;
}

static void warn_of_note(void *ctx, const char *words)
{
    const char *const *which = ctx; /* URI */
    char plain[200];                /* within one pair of quotes */
    if (is_ours(words)) {
        return;
    }
    snprintf(plain, sizeof(plain), "%s", words);
    for (char *at = plain; (at = strchr(at, '"')) != NULL;) {
        *at = '\'';
    }
    base_log_warn("db", "event=uri_note uri=%s why=\"%s\" todo=\"look at its spelling\"", *which,
                  plain);
}

/* A misspelt option is skipped by the driver, and the server would be used without it. */
static void warn_of_notes(const char *which, const char *uri)
{
    struct base_error wrong = {0};
    if (uri != NULL && mongo_uri_check(uri, &wrong) == GLEANER_OK) {
        mongo_uri_each_note(uri, warn_of_note, &which);
    }
}

void db_take_uri_options(struct gleaner_db_options *options)
{
    const char *value;
    for (size_t i = 0; i < BASE_ARRAY_LEN(pool_options); i++) {
        take(options, &pool_options[i]);
        size_t length = find_value(options->fallback_uri, pool_options[i].name, &value);
        if (length > 0) {
            warn(pool_options[i].name, value, length,
                 "one pool serves both servers: write it in the first URI");
        }
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(refused_options); i++) {
        const char *const uris[] = {options->uri, options->fallback_uri};
        for (size_t j = 0; j < BASE_ARRAY_LEN(uris); j++) {
            size_t length = find_value(uris[j], refused_options[i].name, &value);
            if (length > 0) {
                warn(refused_options[i].name, value, length, refused_options[i].remedy);
            }
        }
    }
    warn_of_notes("primary", options->uri);
    warn_of_notes("fallback", options->fallback_uri);
}
