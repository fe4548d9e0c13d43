/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the monitors that runs on the callers' threads: the driver's command events. */
#include "base.h"
#include "bench.h"
#include "gleaner/db.h"
#include "mongo_watch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, RUNS = 100000, SERVER_ROUNDS = 11, SERVER_RUNS = 1500 };

int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * BASE_NS_PER_S + (uint64_t)now.tv_nsec;
}

static double time_command(struct mongo_watch *watch, const char *name, const bson_t *command)
{
    double ns[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        uint64_t began = thread_cpu_ns();
        for (int i = 0; i < RUNS; i++) {
            mongo_watch_begin(watch, "app", name, command, i);
            mongo_watch_end(watch, i, 200 + i % 64, MONGO_SUCCEEDED);
        }
        ns[r] = (double)(thread_cpu_ns() - began) / RUNS;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare_doubles);
    return ns[ROUNDS / 2];
}

void watch_cost_alone(void)
{
    static const struct {
        const char *name, *json;
    } commands[] = {
        {"find", "{\"find\":\"jobs\",\"filter\":{\"_id\":\"x\"},\"limit\":1,\"singleBatch\":true,"
                 "\"lsid\":{\"id\":\"0123456789\"},\"$db\":\"app\"}"},
        {"findAndModify",
         "{\"findAndModify\":\"jobs\",\"query\":{\"status\":\"pending\",\"due\":{\"$lte\":1},"
         "\"$or\":[{\"lease\":null},{\"lease\":{\"$lt\":1}}]},\"sort\":{\"due\":1,\"_id\":1},"
         "\"update\":{\"$set\":{\"lease\":1,\"owner\":\"x\"},\"$inc\":{\"tries\":1}},\"new\":true,"
         "\"writeConcern\":{\"w\":\"majority\"},\"lsid\":{\"id\":\"0123456789\"},\"$db\":\"app\"}"},
        {"insert", "{\"insert\":\"pages\",\"ordered\":false,\"documents\":[{\"_id\":1,\"text\":"
                   "\"0123456789\"}],\"lsid\":{\"id\":\"0123456789\"},\"$db\":\"app\"}"},
    };
    struct mongo_watch *watch;
    BASE_ASSERT(mongo_watch_create(100, &watch) == GLEANER_OK);
    for (size_t i = 0; i < BASE_ARRAY_LEN(commands); i++) {
        bson_t *command = bson_new_from_json((const uint8_t *)commands[i].json, -1, NULL);
        double ns = time_command(watch, commands[i].name, command);
        printf("watching one %-14s %6.0f ns CPU, both events (bar: below 300)  %s\n",
               commands[i].name, ns, ns < 300 ? "met" : "MISSED");
        bson_destroy(command);
    }
    mongo_watch_destroy(&watch);
}

static struct gleaner_db *open_db(const char *uri, uint32_t slow_ms)
{
    struct gleaner_db_options options;
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.slow_ms = slow_ms;
    BASE_ASSERT(gleaner_db_open(&options, &db, NULL) == GLEANER_OK);
    BASE_ASSERT(gleaner_db_wait_up(db, 30000) == GLEANER_OK);
    return db;
}

static double time_calls(struct gleaner_db *db, bool is_bulk)
{
    struct gleaner_client client;
    static char body[4096];
    bson_t *one = bson_new();
    const bson_t *many[16];
    memset(body, 'x', sizeof(body) - 1);
    BSON_APPEND_UTF8(one, "text", body);
    for (size_t i = 0; i < BASE_ARRAY_LEN(many); i++) {
        many[i] = one;
    }
    bson_t *find = BCON_NEW("find", BCON_UTF8("none"), "filter", "{", "a", BCON_INT32(1), "b", "{",
                            "$lte", BCON_INT32(2), "}", "}", "limit", BCON_INT32(1));
    BASE_ASSERT(gleaner_db_check_out(db, 5000, &client) == GLEANER_OK);
    mongoc_collection_t *into = mongoc_client_get_collection(client.client, "bench", "bulk");
    int runs = is_bulk ? SERVER_RUNS / 10 : SERVER_RUNS;
    uint64_t began = thread_cpu_ns();
    for (int i = 0; i < runs; i++) {
        bool ok =
            is_bulk
                ? mongoc_collection_insert_many(into, many, BASE_ARRAY_LEN(many), NULL, NULL, NULL)
                : mongoc_client_command_simple(client.client, "bench", find, NULL, NULL, NULL);
        BASE_ASSERT(ok);
    }
    double ns = (double)(thread_cpu_ns() - began) / runs;
    mongoc_collection_drop(into, NULL);
    mongoc_collection_destroy(into);
    (void)gleaner_db_check_in(db, &client, NULL);
    bson_destroy(find);
    bson_destroy(one);
    return ns;
}

static double median_gap(const double *with, const double *without, double *base)
{
    double gaps[SERVER_ROUNDS], bases[SERVER_ROUNDS];
    for (int r = 0; r < SERVER_ROUNDS; r++) {
        gaps[r] = with[r] - without[r];
        bases[r] = without[r];
    }
    qsort(gaps, SERVER_ROUNDS, sizeof(gaps[0]), compare_doubles);
    qsort(bases, SERVER_ROUNDS, sizeof(bases[0]), compare_doubles);
    *base = bases[SERVER_ROUNDS / 2];
    return gaps[SERVER_ROUNDS / 2];
}

/* The driver's own share is in it: making the events, and for a bulk copying its documents. */
void watch_cost_on_server(const char *uri)
{
    struct gleaner_db *on = open_db(uri, 0), *off = open_db(uri, UINT32_MAX);
    for (int kind = 0; kind < 2; kind++) {
        double with[SERVER_ROUNDS], without[SERVER_ROUNDS], base;
        for (int r = 0; r < SERVER_ROUNDS; r++) { /* in turns: others share the machine */
            with[r] = time_calls(on, kind == 1);
            without[r] = time_calls(off, kind == 1);
        }
        double gap = median_gap(with, without, &base);
        printf("%-27s %6.1f us CPU of the caller unwatched, %+.2f us watched (%+.1f %%), median of "
               "%d pairs of rounds\n",
               kind == 0 ? "a find on the server" : "insert_many of 16 x 4 KiB", base / 1e3,
               gap / 1e3, gap * 100 / base, SERVER_ROUNDS);
    }
    (void)gleaner_db_close(&on, 1000);
    (void)gleaner_db_close(&off, 1000);
}
