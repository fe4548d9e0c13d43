/* SPDX-License-Identifier: Apache-2.0 */
/* A server that accepts and stays silent: how soon is a connection in progress declared stuck, why,
 * and does any worker wait in it?
 *
 * A real server with a few connections is frozen (SIGSTOP: the kernel accepts for it); then workers
 * want more clients than there are connections. Ours: from the start of the connection in progress
 * to the first moment that the monitor's report counts it as stuck or failed, and how much later
 * than its own deadline a waiting caller was answered. libmongoc's pool: a worker that pops an
 * unconnected client is inside that connection himself; connectTimeoutMS does not bound hello
 * (reference: libmongoc, fact 2), socketTimeoutMS does, 300 s by default. It is given PLAIN_MS.
 * `fault_stuck_silent [CONNECT_MS [ROUNDS]]`, default 1,500 ms, 3 rounds.
 * Bars: declared <= connect deadline + 250 ms; a caller is answered <= 100 ms after his deadline.
 */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM = 2, CLIENTS = 8, WORKERS = 6, CALL_MS = 200, BAR_MS = 250, CALLER_BAR_MS = 100 };
enum { PLAIN_MS = 8000, ROUNDS_MAX = 16, GIVE_UP_MS = 60000 };

struct caller {
    struct gleaner_db *db;
    struct sync_thread *thread;
    _Atomic bool *must_stop; /* relaxed */
    double latest_ms;        /* behind his deadline; read after the join */
};

static void call_again_and_again(void *arg)
{
    struct caller *caller = arg;
    struct gleaner_client client;
    while (!atomic_load_explicit(caller->must_stop, memory_order_relaxed)) {
        uint64_t began_ns = base_mono_ns();
        if (gleaner_db_check_out(caller->db, CALL_MS, &client) == GLEANER_OK) {
            (void)gleaner_db_check_in(caller->db, &client, NULL);
            continue;
        }
        double late_ms = (double)(base_mono_ns() - began_ns) / 1e6 - CALL_MS;
        caller->latest_ms = late_ms > caller->latest_ms ? late_ms : caller->latest_ms;
    }
}

static struct gleaner_monitor_report report_of(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof(report)};
    gleaner_monitor_read(db, &report);
    return report;
}

/* Milliseconds from the start of the first connection in progress until it is given up. */
static double watch(struct gleaner_db *db)
{
    uint64_t began_ns = 0, end_ns = base_mono_ns() + GIVE_UP_MS * BASE_NS_PER_MS;
    uint64_t failures = report_of(db).connect_failures;
    while (base_mono_ns() < end_ns) {
        struct gleaner_monitor_report now = report_of(db);
        if (began_ns == 0 && now.pending > 0) {
            began_ns = base_mono_ns() - now.oldest_pending_ms * BASE_NS_PER_MS;
        }
        if (began_ns != 0 && (now.stuck_pending > 0 || now.connect_failures > failures)) {
            return (double)(base_mono_ns() - began_ns) / 1e6;
        }
        load_sleep_ms(1);
    }
    return GIVE_UP_MS;
}

struct figure {
    double declared_ms, caller_ms;
    char reason[160];
};

static bool has_reason(const struct gleaner_db_state *state)
{
    return strstr(state->reason, "silent") != NULL;
}

static struct figure try_ours(struct fixture_mongod *server, uint32_t connect_ms)
{
    struct gleaner_db_options options;
    struct gleaner_client warm[WARM];
    struct caller callers[WORKERS];
    struct figure figure = {0};
    _Atomic bool must_stop = false;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = CLIENTS;
    options.min_pool_size = WARM;
    options.connect_ms = connect_ms;
    struct gleaner_db *db = NULL;
    struct gleaner_error error = {0};
    BASE_ASSERT(gleaner_db_open(&options, &db, &error) == GLEANER_OK);
    for (int i = 0; i < WARM; i++) {
        BASE_ASSERT(gleaner_db_check_out(db, GIVE_UP_MS, &warm[i]) == GLEANER_OK);
    }
    while (report_of(db).pending > 0) {
        load_sleep_ms(1);
    }
    fixture_mongod_freeze(server, 0);
    for (int i = 0; i < WORKERS; i++) {
        callers[i] = (struct caller){.db = db, .must_stop = &must_stop};
        BASE_ASSERT(sync_thread_start(&callers[i].thread, "caller", SYNC_PLAIN,
                                      call_again_and_again, &callers[i]) == GLEANER_OK);
    }
    figure.declared_ms = watch(db);
    struct gleaner_db_state state = {.size = sizeof(state)};
    uint64_t end_ns = base_mono_ns() + GIVE_UP_MS * BASE_NS_PER_MS;
    do { /* one fresh connection decides whether it is the server */
        load_sleep_ms(5);
        gleaner_db_read_state(db, &state);
    } while (!has_reason(&state) && base_mono_ns() < end_ns);
    snprintf(figure.reason, sizeof(figure.reason), "%s", state.reason);
    atomic_store_explicit(&must_stop, true, memory_order_relaxed);
    for (int i = 0; i < WORKERS; i++) {
        sync_thread_join(&callers[i].thread);
        figure.caller_ms =
            callers[i].latest_ms > figure.caller_ms ? callers[i].latest_ms : figure.caller_ms;
    }
    fixture_mongod_thaw(server, 0);
    for (int i = 0; i < WARM; i++) {
        (void)gleaner_db_check_in(db, &warm[i], NULL);
    }
    (void)gleaner_db_close(&db, 1000);
    return figure;
}

/* ---- libmongoc's pool
 * ---------------------------------------------------------------------------------- */

struct plain {
    mongoc_client_t *client;
    struct sync_thread *thread;
    _Atomic bool is_done; /* release; acquire */
};

static void operate(void *arg)
{
    struct plain *plain = arg;
    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    (void)mongoc_client_command_simple(plain->client, "admin", ping, NULL, NULL, NULL);
    bson_destroy(ping);
    atomic_store_explicit(&plain->is_done, true, memory_order_release);
}

/* How long one worker was inside the connection; PLAIN_MS means: still. */
static double try_theirs(struct fixture_mongod *server, uint32_t connect_ms)
{
    char text[256];
    snprintf(text, sizeof(text), "%s%cconnectTimeoutMS=%u", fixture_mongod_uri(server),
             strchr(fixture_mongod_uri(server), '?') != NULL ? '&' : '?', connect_ms);
    mongoc_client_pool_t *pool = load_open_theirs(text, WARM);
    mongoc_client_pool_max_size(pool, CLIENTS);
    mongoc_client_t *held[WARM];
    for (int i = 0; i < WARM; i++) {
        held[i] = mongoc_client_pool_pop(pool);
    }
    struct plain plain = {.client = mongoc_client_pool_pop(pool)};
    fixture_mongod_freeze(server, 0);
    uint64_t began_ns = base_mono_ns(), end_ns = began_ns + PLAIN_MS * BASE_NS_PER_MS;
    BASE_ASSERT(sync_thread_start(&plain.thread, "plain", SYNC_PLAIN, operate, &plain) ==
                GLEANER_OK);
    while (!atomic_load_explicit(&plain.is_done, memory_order_acquire) && base_mono_ns() < end_ns) {
        load_sleep_ms(1);
    }
    double took_ms = (double)(base_mono_ns() - began_ns) / 1e6;
    fixture_mongod_thaw(server, 0);
    sync_thread_join(&plain.thread);
    mongoc_client_pool_push(pool, plain.client);
    for (int i = 0; i < WARM; i++) {
        mongoc_client_pool_push(pool, held[i]);
    }
    mongoc_client_pool_destroy(pool);
    return took_ms;
}

int main(int argc, char **argv)
{
    uint32_t connect_ms = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1500;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 3;
    rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    sync_init();
    base_log_set_level(BASE_LOG_ERROR);
    double worst_ms = 0, worst_caller_ms = 0;
    for (size_t i = 0; i < rounds; i++) {
        struct figure ours = try_ours(server, connect_ms);
        double theirs_ms = try_theirs(server, connect_ms);
        printf("round %zu: declared after %.0f ms of %u, callers at most %.0f ms late, \"%s\"; "
               "libmongoc's pool: the worker was inside for %.0f ms%s\n",
               i + 1, ours.declared_ms, connect_ms, ours.caller_ms, ours.reason, theirs_ms,
               theirs_ms >= PLAIN_MS ? " and stayed" : "");
        fflush(stdout);
        worst_ms = ours.declared_ms > worst_ms ? ours.declared_ms : worst_ms;
        worst_caller_ms = ours.caller_ms > worst_caller_ms ? ours.caller_ms : worst_caller_ms;
    }
    printf("declared stuck: worst %.0f ms, bar %u + %d ms: %s\n", worst_ms, connect_ms, BAR_MS,
           load_verdict(worst_ms <= connect_ms + BAR_MS));
    printf("callers: worst %.0f ms behind their deadline, bar %d ms: %s\n", worst_caller_ms,
           CALLER_BAR_MS, load_verdict(worst_caller_ms <= CALLER_BAR_MS));
    fixture_mongod_end(&server);
    return load_exit_code();
}
