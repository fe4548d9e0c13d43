/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gleaner profile NAME: an answer within a second whatever the server does, through
 * gleaner/profile.h. What the primary said is kept in the data directory, so that a later call has
 * it when the server is away.
 */
#include "gleaner/profile.h"
#include "process_internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* First the connection: a reader that has something in its cache does not wait for one that is only
 * being made, and here none is made before. Then the read. */
#define CONNECT_MS 450
#define READ_MS 400
#define ALL_MS 950

/* Documented in the command's help. */
enum profile_exit {
    PROFILE_LIVE = EXIT_COMPLETE,
    PROFILE_NONE = EXIT_OTHER,
    PROFILE_STALE = EXIT_SPOOLED,
    PROFILE_DEFAULT = EXIT_NO_PAGE
};

static enum gleaner_status open_server(const struct settings *settings, struct gleaner_db **out,
                                       struct base_error *error)
{
    struct gleaner_error why = {0};
    struct gleaner_db_options options;
    bool has_own = settings->profiles_uri != NULL;
    if (!has_own && !settings_wants_server(settings)) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "profiles are on a server: MONGODB_PROFILES=mongodb://HOST/DB, or "
                              "--to");
    }
    work_db_options(settings, &options);
    if (has_own) {
        options.uri = settings->profiles_uri;
        options.fallback_uri = NULL;
        options.database = NULL;
    }
    enum gleaner_status status = gleaner_db_open(&options, out, &why);
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "%s", why.message);
    }
    if (gleaner_db_wait_up(*out, CONNECT_MS) != GLEANER_OK) {
        base_log_info("process", "event=profile_without_server");
    }
    return GLEANER_OK;
}

static enum gleaner_status open_profiles(const struct settings *settings, struct gleaner_db *db,
                                         struct gleaner_profiles **out, struct base_error *error)
{
    char path[4096];
    struct gleaner_error why = {0};
    struct gleaner_profiles_options options;
    gleaner_profiles_options_init(&options);
    options.deadline_ms = READ_MS;
    int len = snprintf(path, sizeof path, "%s/profiles.cache", settings->data);
    if (len > 0 && (size_t)len < sizeof path) {
        (void)mkdir(settings->data, 0700); /* where it cannot be, nothing is kept */
        options.cache_path = path;
    }
    enum gleaner_status status = gleaner_profiles_open(db, &options, out, &why);
    return status == GLEANER_OK ? status : base_error_set(error, status, "%s", why.message);
}

static enum profile_exit code_of(enum gleaner_profile_source source)
{
    switch (source) {
    case GLEANER_PROFILE_PRIMARY:
        return PROFILE_LIVE;
    case GLEANER_PROFILE_CACHE:
        return PROFILE_STALE;
    case GLEANER_PROFILE_DEFAULT:
        break;
    }
    return PROFILE_DEFAULT;
}

static const char *name_of(enum profile_exit code)
{
    return code == PROFILE_STALE ? "stale" : code == PROFILE_DEFAULT ? "default" : "live";
}

/* One line of JSON; without --json the document alone, and what it is on standard error. */
static bool print_profile(const struct gleaner_profile *profile, enum profile_exit code,
                          bool is_json)
{
    char reason[300];
    struct base_buffer text = {0};
    char *document =
        profile->document != NULL ? bson_as_relaxed_extended_json(profile->document, NULL) : NULL;
    base_redact_uri(profile->reason, reason, sizeof reason);
    if (is_json) {
        base_buffer_printf(&text,
                           "{\"source\":\"%s\",\"ageMs\":%" PRIu64 ",\"reason\":", name_of(code),
                           profile->age_ms);
        base_buffer_append_json(&text, reason, strlen(reason));
        base_buffer_append_str(&text, ",\"profile\":");
        base_buffer_append_str(&text, document != NULL ? document : "null");
        base_buffer_append_str(&text, "}\n");
    } else if (document != NULL) {
        base_buffer_append_str(&text, document);
        base_buffer_append_char(&text, '\n');
    }
    bson_free(document);
    bool is_good = !text.failed && fwrite(text.data, 1, text.len, stdout) == text.len;
    base_buffer_fini(&text);
    if (!is_json && code == PROFILE_STALE) {
        (void)fprintf(stderr, "gleaner: stale, %" PRIu64 " ms old: %s\n", profile->age_ms, reason);
    } else if (!is_json && code != PROFILE_LIVE) {
        (void)fprintf(stderr, "gleaner: %s: %s\n",
                      code == PROFILE_NONE ? "no such profile" : "default", reason);
    }
    return is_good && fflush(stdout) == 0;
}

static int read_one(struct gleaner_profiles *profiles, const struct settings *settings,
                    struct base_error *error)
{
    struct gleaner_profile profile = {0};
    enum gleaner_status status =
        gleaner_profile_read(profiles, settings->operands.items[0], &profile);
    enum profile_exit code = PROFILE_NONE;
    if (status == GLEANER_OK) {
        code = code_of(profile.source);
    } else if (status == GLEANER_E_NOT_FOUND) {
        (void)snprintf(profile.reason, sizeof profile.reason, "the server has none of that name");
    } else {
        (void)base_error_set(error, status, "'%.60s' is not a profile's name: 1 to 256 bytes UTF-8",
                             settings->operands.items[0]);
        return (int)work_exit_code(status);
    }
    bool is_good = print_profile(&profile, code, settings->json);
    gleaner_profile_fini(&profile);
    return is_good ? (int)code : EXIT_OTHER;
}

int command_profile(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    uint64_t end_ns = base_mono_ns() + ALL_MS * BASE_NS_PER_MS;
    struct base_error error = {0};
    struct gleaner_db *db = NULL;
    struct gleaner_profiles *profiles = NULL;
    int code = EXIT_USAGE;
    if (settings->operands.count != 1) {
        (void)base_error_set(&error, GLEANER_E_CONFIG, "profile wants one name");
    } else {
        enum gleaner_status status = open_server(settings, &db, &error);
        if (status == GLEANER_OK) {
            status = open_profiles(settings, db, &profiles, &error);
        }
        code = status == GLEANER_OK ? read_one(profiles, settings, &error)
                                    : (int)work_exit_code(status);
    }
    if (error.message[0] != '\0') {
        print_error(&error);
    }
    /* The answer is out. A reader that hangs in the driver is not waited for. */
    signals_leave_by(end_ns, (enum exit_code)code);
    gleaner_profiles_close(&profiles);
    if (db != NULL) {
        (void)gleaner_db_close(&db, 0);
    }
    return code;
}
