/* SPDX-License-Identifier: Apache-2.0 */
/* What does a whole operation cost when its client is checked out for it and checked in after it,
 * beside a client that belongs to the thread for good, and beside libmongoc's pool?
 *
 * Threads find one document by its _id on a real mongod. Six ways, alternately, round by round:
 * pinned (each thread has its client), the same again with other clients (what the machine makes of
 * equal things: less than that cannot be told), gleaner_db (check out and in for each operation),
 * pool (pop and push for each). Two that say where the difference comes from: unwatched (gleaner_db
 * without its look at slow operations) and held (a client of gleaner_db, lent once). Each round
 * gives the ratio of its throughputs and of its 99th percentiles to those of the pinned clients in
 * the same round; reported are the medians of these, as the machine changes more from round to
 * round than the ways differ. Bars: throughput >= 0.98, p99 <= 1.05. */
#include "bench_common.h"
#include "gleaner/db.h"
#include "mongod.h"

#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8, ROUNDS = 61, ROUND_US = 100000, PATIENCE_MS = 30000, SAMPLES_MAX = 1 << 15 };
enum way { PINNED, CONTROL, GLEANER, UNWATCHED, HELD, POOL, WAY_COUNT };
static const char *const way_names[] = {"pinned", "again", "gleaner", "unwatched", "held", "pool"};

struct place {
    struct gleaner_db *db, *unwatched, *held;
    struct gleaner_client loans[THREADS]; /* of `held` */
    mongoc_client_pool_t *driver;
    mongoc_client_t *pinned[THREADS], *control[THREADS];
    bson_t *command;
    enum way way;
    /* of one round; each thread its own row */
    double *latency_us[THREADS];
    size_t samples[THREADS];
};

static bson_t *make_find(void)
{
    return BCON_NEW("find", "things", "filter", "{", "_id", BCON_INT32(7), "}", "limit",
                    BCON_INT32(1), "singleBatch", BCON_BOOL(true));
}

static void fill(mongoc_client_t *client)
{
    bson_error_t error;
    mongoc_collection_t *things = mongoc_client_get_collection(client, "bench", "things");
    for (int i = 0; i < 100; i++) {
        bson_t *thing =
            BCON_NEW("_id", BCON_INT32(i), "text", BCON_UTF8("a document of some size"));
        bool ok = mongoc_collection_insert_one(things, thing, NULL, NULL, &error);
        BASE_ASSERT(ok);
        bson_destroy(thing);
    }
    mongoc_collection_destroy(things);
}

static bool find_one(const struct place *place, mongoc_client_t *client, bson_error_t *error)
{
    bson_t reply;
    bool ok = mongoc_client_command_simple(client, "bench", place->command, NULL, &reply, error);
    bson_destroy(&reply);
    return ok;
}

static bool run_one(struct place *place, uint32_t thread)
{
    bson_error_t error;
    bool ok;
    if (place->way == PINNED) {
        return find_one(place, place->pinned[thread], &error);
    }
    if (place->way == CONTROL) {
        return find_one(place, place->control[thread], &error);
    }
    if (place->way == HELD) {
        return find_one(place, place->loans[thread].client, &error);
    }
    if (place->way == POOL) {
        mongoc_client_t *client = mongoc_client_pool_pop(place->driver);
        ok = find_one(place, client, &error);
        mongoc_client_pool_push(place->driver, client);
        return ok;
    }
    struct gleaner_client loan;
    struct gleaner_db *db = place->way == UNWATCHED ? place->unwatched : place->db;
    if (gleaner_db_check_out(db, PATIENCE_MS, &loan) != GLEANER_OK) {
        return false;
    }
    ok = find_one(place, loan.client, &error);
    (void)gleaner_db_check_in(db, &loan, ok ? NULL : &error);
    return ok;
}

static void run_batch(void *ctx, uint32_t thread)
{
    struct place *place = ctx;
    uint64_t start_ns = base_mono_ns();
    bool ok = run_one(place, thread);
    BASE_ASSERT(ok);
    if (place->samples[thread] < SAMPLES_MAX) {
        place->latency_us[thread][place->samples[thread]++] =
            (double)(base_mono_ns() - start_ns) / 1e3;
    }
}

struct figures {
    double per_second, p99_us, cpu_us;
};

static double p99_of(const struct place *place)
{
    size_t count = 0;
    double *all = calloc((size_t)THREADS * SAMPLES_MAX, sizeof(double));
    BASE_ASSERT(all != NULL);
    for (int i = 0; i < THREADS; i++) {
        for (size_t s = 0; s < place->samples[i]; s++) {
            all[count++] = place->latency_us[i][s];
        }
    }
    bench_sort(all, count);
    double p99 = bench_quantile(all, count, 0.99);
    free(all);
    return p99;
}

static struct figures run_way(struct place *place, enum way way)
{
    struct bench_race race = {THREADS, ROUND_US, 1, run_batch, place};
    place->way = way;
    for (int i = 0; i < THREADS; i++) {
        place->samples[i] = 0;
    }
    struct bench_speed speed = bench_run_race(&race);
    return (struct figures){
        .per_second = 1e9 / speed.wall_ns, .p99_us = p99_of(place), .cpu_us = speed.cpu_ns / 1e3};
}

struct ratios {
    double throughput[ROUNDS], p99[ROUNDS], cpu[ROUNDS], per_second[ROUNDS], p99_us[ROUNDS];
};

static bool report(struct ratios ratios[WAY_COUNT])
{
    bool met = true;
    for (int way = 0; way < WAY_COUNT; way++) {
        struct ratios *r = &ratios[way];
        double throughput = bench_median(r->throughput, ROUNDS), p99 = bench_median(r->p99, ROUNDS);
        printf("%-9s %8.0f operations/s, p99 %7.1f us; by pinned: throughput %.3f (%.2f-%.2f), p99 "
               "%.3f (%.2f-%.2f), CPU %.3f",
               way_names[way], bench_median(r->per_second, ROUNDS), bench_median(r->p99_us, ROUNDS),
               throughput, r->throughput[ROUNDS / 4], r->throughput[ROUNDS * 3 / 4], p99,
               r->p99[ROUNDS / 4], r->p99[ROUNDS * 3 / 4], bench_median(r->cpu, ROUNDS));
        if (way == GLEANER) {
            met = throughput >= 0.98 && p99 <= 1.05;
            printf(": bars (0.98, 1.05) %s", met ? "met" : "MISSED");
        }
        printf("\n");
    }
    return met;
}

static bool compare(struct place *place)
{
    static struct ratios ratios[WAY_COUNT];
    for (int round = -1; round < ROUNDS; round++) { /* round -1 warms everything up */
        struct figures figures[WAY_COUNT];
        for (int i = 0; i < WAY_COUNT; i++) { /* nobody is always first */
            enum way way = (enum way)((i + round + 1) % WAY_COUNT);
            figures[way] = run_way(place, way);
        }
        for (int way = 0; way < WAY_COUNT && round >= 0; way++) {
            ratios[way].throughput[round] = figures[way].per_second / figures[PINNED].per_second;
            ratios[way].p99[round] = figures[way].p99_us / figures[PINNED].p99_us;
            ratios[way].cpu[round] = figures[way].cpu_us / figures[PINNED].cpu_us;
            ratios[way].per_second[round] = figures[way].per_second;
            ratios[way].p99_us[round] = figures[way].p99_us;
        }
    }
    return report(ratios);
}

static struct gleaner_db *open_ours(const char *uri, bool is_watched)
{
    struct gleaner_db_options options;
    struct gleaner_error error = {0};
    struct gleaner_db *db = NULL;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = THREADS;
    options.min_pool_size = THREADS;
    options.slow_ms = is_watched ? options.slow_ms : UINT32_MAX;
    BASE_ASSERT(gleaner_db_open(&options, &db, &error) == GLEANER_OK);
    BASE_ASSERT(gleaner_db_wait_up(db, PATIENCE_MS) == GLEANER_OK);
    return db;
}

int main(void)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    mongoc_init();
    bench_print_headline("operations: find by _id, a client checked out for each");
    const char *uri = fixture_mongod_uri(server);
    mongoc_client_pool_t *pinned = bench_mongoc_pool(uri, THREADS, true);
    mongoc_client_pool_t *control = bench_mongoc_pool(uri, THREADS, true);
    struct place place = {.db = open_ours(uri, true),
                          .unwatched = open_ours(uri, false),
                          .held = open_ours(uri, true),
                          .driver = bench_mongoc_pool(uri, THREADS, true),
                          .command = make_find()};
    for (int i = 0; i < THREADS; i++) {
        place.pinned[i] = mongoc_client_pool_pop(pinned);
        place.control[i] = mongoc_client_pool_pop(control);
        BASE_ASSERT(gleaner_db_check_out(place.held, PATIENCE_MS, &place.loans[i]) == GLEANER_OK);
        place.latency_us[i] = calloc(SAMPLES_MAX, sizeof(double));
        BASE_ASSERT(place.latency_us[i] != NULL);
    }
    fill(place.pinned[0]);
    printf("%d threads and clients, %d rounds of 6 x %d ms; ratios: median (quartiles)\n", THREADS,
           ROUNDS, ROUND_US / 1000);
    bool met = compare(&place);
    for (int i = 0; i < THREADS; i++) {
        mongoc_client_pool_push(pinned, place.pinned[i]);
        mongoc_client_pool_push(control, place.control[i]);
        (void)gleaner_db_check_in(place.held, &place.loans[i], NULL);
        free(place.latency_us[i]);
    }
    bson_destroy(place.command);
    mongoc_client_pool_destroy(pinned);
    mongoc_client_pool_destroy(control);
    mongoc_client_pool_destroy(place.driver);
    (void)gleaner_db_close(&place.db, 1000);
    (void)gleaner_db_close(&place.unwatched, 1000);
    (void)gleaner_db_close(&place.held, 1000);
    fixture_mongod_end(&server);
    return met ? 0 : 1;
}
