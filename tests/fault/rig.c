/* SPDX-License-Identifier: Apache-2.0 */
/* The table of faults, the two pools, and the test's own client. */
#include "rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

static bool has_missed;

const char *rig_verdict(bool met)
{
    has_missed = has_missed || !met;
    return met ? "met" : "MISSED";
}

int rig_exit_code(void)
{
    return has_missed ? 1 : 0;
}

void rig_sleep_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

int rig_skip(const char *why)
{
    printf("skipped: %s\n", why);
    return FIXTURE_SKIP_CODE;
}

static int list(const struct rig_fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%-18s %s\n", faults[i].name, faults[i].what);
    }
    return 0;
}

int rig_main(int argc, char **argv, const struct rig_fault *faults, size_t count)
{
    const char *wanted = argc > 1 ? argv[1] : NULL;
    uint32_t seconds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (wanted != NULL && strcmp(wanted, "--list") == 0) {
        return list(faults, count);
    }
    if (fixture_mongod_program() == NULL) {
        return fixture_mongod_skip_code();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    base_log_set_level(getenv("FAULT_VERBOSE") != NULL ? BASE_LOG_INFO : BASE_LOG_ERROR);
    size_t ran = 0, skipped = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted == NULL || strcmp(wanted, faults[i].name) == 0) {
            printf("== %s: %s\n", faults[i].name, faults[i].what);
            skipped += faults[i].run(seconds) == FIXTURE_SKIP_CODE;
            ran++;
        }
    }
    if (ran == 0) {
        fprintf(stderr, "no fault %s here; there are:\n", wanted);
        (void)list(faults, count);
        return 2;
    }
    return has_missed ? 1 : skipped == ran ? FIXTURE_SKIP_CODE : 0;
}

/* ---- the two pools ---- */

void rig_options(struct gleaner_db_options *options, const char *uri, uint32_t clients)
{
    gleaner_db_options_init(options);
    options->uri = uri;
    options->max_pool_size = clients;
    options->min_pool_size = clients;
}

void rig_open_ours(struct rig_pool *pool, const struct gleaner_db_options *options)
{
    struct gleaner_error error = {0};
    struct gleaner_client loans[RIG_WRITERS_MAX];
    *pool = (struct rig_pool){.who = "gleaner"};
    snprintf(pool->prefix, sizeof pool->prefix, "%s/%d/",
             options->app_name != NULL ? options->app_name : "gleaner", (int)getpid());
    if (gleaner_db_open(options, &pool->db, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    for (uint32_t i = 0; i < options->max_pool_size; i++) { /* all at once: so many connect */
        BASE_ASSERT(gleaner_db_check_out(pool->db, PATIENCE_MS, &loans[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < options->max_pool_size; i++) {
        (void)gleaner_db_check_in(pool->db, &loans[i], NULL);
    }
}

void rig_open_theirs(struct rig_pool *pool, const char *address, uint32_t clients)
{
    mongoc_client_t *popped[RIG_WRITERS_MAX];
    *pool = (struct rig_pool){.who = "libmongoc"};
    snprintf(pool->prefix, sizeof pool->prefix, "plain/%d", (int)getpid());
    mongoc_uri_t *uri = mongoc_uri_new(address);
    mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_APPNAME, pool->prefix);
    pool->driver = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(pool->driver, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_max_size(pool->driver, clients);
    for (uint32_t i = 0; i < clients; i++) {
        bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
        popped[i] = mongoc_client_pool_pop(pool->driver);
        BASE_ASSERT(mongoc_client_command_simple(popped[i], "admin", ping, NULL, NULL, NULL));
        bson_destroy(ping);
    }
    for (uint32_t i = 0; i < clients; i++) {
        mongoc_client_pool_push(pool->driver, popped[i]);
    }
    mongoc_uri_destroy(uri);
}

double rig_close(struct rig_pool *pool)
{
    uint64_t from_ns = base_mono_ns();
    if (pool->db != NULL) {
        (void)gleaner_db_close(&pool->db, 1000);
    } else if (pool->driver != NULL) {
        mongoc_client_pool_destroy(pool->driver);
        pool->driver = NULL;
    }
    return (double)(base_mono_ns() - from_ns) / 1e6;
}

/* ---- the test's own client ---- */

struct rig_admin {
    mongoc_client_pool_t *pool;
    mongoc_client_t *client;
    char app_name[32];
};

struct rig_admin *rig_admin_open(const char *address)
{
    struct rig_admin *admin = calloc(1, sizeof *admin);
    BASE_ASSERT(admin != NULL);
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new(address);
    snprintf(admin->app_name, sizeof admin->app_name, "admin/%d", (int)getpid());
    mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_APPNAME, admin->app_name);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 10000);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, true);
    admin->pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(admin->pool, MONGOC_ERROR_API_VERSION_2);
    admin->client = mongoc_client_pool_pop(admin->pool);
    mongoc_uri_destroy(uri);
    return admin;
}

void rig_admin_close(struct rig_admin **admin)
{
    if (*admin != NULL) {
        mongoc_client_pool_push((*admin)->pool, (*admin)->client);
        mongoc_client_pool_destroy((*admin)->pool);
        free(*admin);
        *admin = NULL;
    }
}

int rig_admin_sockets(const struct rig_admin *admin, const struct fixture_mongod *server)
{
    return rig_server_census(server, 0, admin->app_name);
}

bool rig_admin_run(struct rig_admin *admin, const char *database, bson_t *reply, const char *format,
                   ...)
{
    char json[2048];
    bson_t command, unused;
    bson_error_t error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(json, sizeof json, format, arguments);
    va_end(arguments);
    bool parsed = bson_init_from_json(&command, json, -1, &error);
    BASE_ASSERT(parsed);
    bool ok = mongoc_client_command_simple(admin->client, database, &command, NULL,
                                           reply != NULL ? reply : &unused, &error);
    if (!ok && getenv("FAULT_VERBOSE") != NULL) {
        fprintf(stderr, "admin: %s\n", error.message);
    }
    if (reply == NULL) {
        bson_destroy(&unused);
    }
    bson_destroy(&command);
    return ok;
}
