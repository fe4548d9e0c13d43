/* SPDX-License-Identifier: Apache-2.0 */
/* Who asked for an answer within 1 s: when is he answered while the server is frozen?
 *
 * Threads read a document of 4 MB again and again (so that most freezes fall into the middle of an
 * answer), each operation with 1 s for everything, in the ways a program has: gleaner_db_run(), a
 * client checked out for 1 s with gleaner_set_deadline() and a cursor, the store; and through
 * mongoc_client_pool alone with socketTimeoutMS and serverSelectionTimeoutMS of 1 s, the nearest
 * that it has. The server is frozen for 3 s at random moments, and once for 20 s, so that the
 * driver's monitor notices and forgets it. Figure: the longest operation. Bar: 1 s, and 100 ms for
 * a busy machine.
 * `fault_db_deadline [ROUNDS]` */
#include "db_load.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    DEADLINE_MS = 1000,
    NOISE_MS = 100,
    THREADS_OF_A_KIND = 2,
    ROUNDS = 6,
    FROZEN_MS = 3000,
    LONG_FROZEN_MS = 20000,
    BIG_BYTES = 4 << 20
};

enum kind { KIND_RUN, KIND_CLIENT, KIND_STORE, KIND_DRIVER, KINDS };

struct rig {
    struct fixture_mongod *server;
    struct gleaner_db *db;
    struct store *store;
    mongoc_client_pool_t *driver;
    _Atomic bool must_stop; /* main -> threads, relaxed */
};

struct asker {
    struct rig *rig;
    struct sync_thread *thread;
    enum kind kind;
    /* of the thread, read after the join */
    uint64_t answered, refused, late;
    uint64_t inside_ns; /* in operations that were answered: how likely a freeze meets one */
    double longest_ms;
    _Atomic uint64_t last_answer_ns; /* thread -> main, relaxed */
};

/* ---- the ways to ask ---- */

static bool read_big(mongoc_client_t *client, bson_error_t *error)
{
    const bson_t *document = NULL;
    bson_t filter = BSON_INITIALIZER;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "test", "big");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, NULL, NULL);
    bool found = mongoc_cursor_next(cursor, &document);
    bool failed = mongoc_cursor_error(cursor, error);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    bson_destroy(&filter);
    return found && !failed;
}

static bool read_in_try(void *ctx, struct gleaner_try *attempt)
{
    (void)ctx;
    return read_big(attempt->client->client, &attempt->error);
}

static bool ask_by_run(struct rig *rig)
{
    struct gleaner_run_options options;
    gleaner_run_options_init(&options);
    options.deadline_ms = DEADLINE_MS;
    options.is_idempotent = true;
    return gleaner_db_run(rig->db, &options, read_in_try, NULL, NULL) == GLEANER_OK;
}

static bool ask_with_client(struct rig *rig)
{
    struct gleaner_client client;
    bson_error_t error;
    uint64_t deadline_ns = base_mono_ns() + DEADLINE_MS * BASE_NS_PER_MS;
    if (gleaner_db_check_out(rig->db, DEADLINE_MS, &client) != GLEANER_OK) {
        return false;
    }
    gleaner_set_deadline(deadline_ns);
    bool ok = read_big(client.client, &error);
    gleaner_set_deadline(0);
    (void)gleaner_db_check_in(rig->db, &client, ok ? NULL : &error);
    return ok;
}

static bool ask_store(struct rig *rig)
{
    struct base_buffer value = {0};
    struct base_error error;
    enum gleaner_status status = store_meta_get(rig->store, "nothing", &value, &error);
    base_buffer_fini(&value);
    return status == GLEANER_OK || status == GLEANER_E_NOT_FOUND;
}

static bool ask_driver(struct rig *rig)
{
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(rig->driver);
    bool ok = read_big(client, &error);
    mongoc_client_pool_push(rig->driver, client);
    return ok;
}

static const struct way {
    const char *name;
    bool (*ask)(struct rig *rig);
} ways[KINDS] = {
    [KIND_RUN] = {"gleaner_db_run", ask_by_run},
    [KIND_CLIENT] = {"client, cursor", ask_with_client},
    [KIND_STORE] = {"store", ask_store},
    [KIND_DRIVER] = {"libmongoc", ask_driver},
};

static void keep_asking(void *arg)
{
    struct asker *asker = arg;
    while (!atomic_load_explicit(&asker->rig->must_stop, memory_order_relaxed)) {
        uint64_t began_ns = base_mono_ns();
        bool ok = ways[asker->kind].ask(asker->rig);
        uint64_t ended_ns = base_mono_ns();
        double took_ms = (double)(ended_ns - began_ns) / 1e6;
        asker->longest_ms = took_ms > asker->longest_ms ? took_ms : asker->longest_ms;
        asker->late += took_ms > DEADLINE_MS + NOISE_MS;
        asker->answered += ok;
        asker->refused += !ok;
        if (ok) {
            asker->inside_ns += ended_ns - began_ns;
            atomic_store_explicit(&asker->last_answer_ns, ended_ns, memory_order_relaxed);
        } else {
            load_sleep_ms(5); /* refused at once while no server is known */
        }
    }
}

/* ---- freezing ---- */

static bool all_answered_since(struct asker *askers, size_t count, uint64_t since_ns)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&askers[i].last_answer_ns, memory_order_relaxed) < since_ns) {
            return false;
        }
    }
    return true;
}

static void freeze_for(struct rig *rig, struct asker *askers, size_t count, uint32_t ms)
{
    fixture_mongod_freeze(rig->server, 0);
    load_sleep_ms(ms);
    fixture_mongod_thaw(rig->server, 0);
    uint64_t thawed_ns = base_mono_ns();
    while (!all_answered_since(askers, count, thawed_ns)) {
        BASE_ASSERT(base_mono_ns() - thawed_ns < 60 * BASE_NS_PER_S);
        load_sleep_ms(5);
    }
}

static void put_big(struct gleaner_db *db)
{
    struct gleaner_client client;
    bson_error_t error;
    bson_t document = BSON_INITIALIZER;
    char *text = malloc(BIG_BYTES);
    BASE_ASSERT(text != NULL && gleaner_db_check_out(db, 30000, &client) == GLEANER_OK);
    memset(text, 'a', BIG_BYTES);
    BSON_APPEND_INT32(&document, "_id", 1);
    bson_append_utf8(&document, "text", 4, text, BIG_BYTES);
    mongoc_collection_t *collection = mongoc_client_get_collection(client.client, "test", "big");
    BASE_ASSERT(mongoc_collection_insert_one(collection, &document, NULL, NULL, &error));
    mongoc_collection_destroy(collection);
    (void)gleaner_db_check_in(db, &client, NULL);
    bson_destroy(&document);
    free(text);
}

static void open_all(struct rig *rig)
{
    struct gleaner_db_options options;
    struct base_error error;
    char uri[256];
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(rig->server);
    options.min_pool_size = options.max_pool_size = 3 * THREADS_OF_A_KIND;
    options.reconnect_limit = 100; /* one outage after the other */
    rig->db = load_open_ours(&options);
    const struct store_mongo_options store = {
        .db = rig->db, .database = "test", .operation_ms = DEADLINE_MS};
    BASE_ASSERT(store_mongo_open(&store, &rig->store, &error) == GLEANER_OK);
    snprintf(uri, sizeof(uri), "%s?socketTimeoutMS=%d&serverSelectionTimeoutMS=%d", options.uri,
             DEADLINE_MS, DEADLINE_MS);
    rig->driver = load_open_theirs(uri, THREADS_OF_A_KIND);
    put_big(rig->db);
}

static void print(const struct asker *askers, double seconds)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct asker sum = {0};
        for (int i = 0; i < THREADS_OF_A_KIND; i++) {
            const struct asker *one = &askers[kind * THREADS_OF_A_KIND + i];
            sum.answered += one->answered;
            sum.refused += one->refused;
            sum.late += one->late;
            sum.inside_ns += one->inside_ns;
            sum.longest_ms = one->longest_ms > sum.longest_ms ? one->longest_ms : sum.longest_ms;
        }
        printf("%-15s %8llu  %7llu  %6llu  %9.0f  %5.0f %%  %s\n", ways[kind].name,
               (unsigned long long)sum.answered, (unsigned long long)sum.refused,
               (unsigned long long)sum.late, sum.longest_ms,
               (double)sum.inside_ns / 1e7 / seconds / THREADS_OF_A_KIND,
               kind == KIND_DRIVER
                   ? ""
                   : load_verdict(sum.answered > 0 && sum.longest_ms <= DEADLINE_MS + NOISE_MS));
    }
}

int main(int argc, char **argv)
{
    struct rig rig = {.server = fixture_mongod_start(NULL)};
    struct asker askers[KINDS * THREADS_OF_A_KIND] = {0};
    size_t count = BASE_ARRAY_LEN(askers);
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    if (rig.server == NULL) {
        return fixture_mongod_skip_code();
    }
    base_log_set_level(BASE_LOG_ERROR);
    open_all(&rig);
    for (size_t i = 0; i < count; i++) {
        askers[i] = (struct asker){.rig = &rig, .kind = (enum kind)(i / THREADS_OF_A_KIND)};
        BASE_ASSERT(sync_thread_start(&askers[i].thread, "asker", SYNC_READER, keep_asking,
                                      &askers[i]) == GLEANER_OK);
    }
    double frozen_s = LONG_FROZEN_MS / 1e3;
    uint64_t from_ns = base_mono_ns();
    struct base_random random;
    base_random_init(&random, 0);
    for (int round = 0; round < rounds; round++) {
        load_sleep_ms(200 + base_random_below(&random, 400));
        freeze_for(&rig, askers, count, FROZEN_MS);
        frozen_s += FROZEN_MS / 1e3;
    }
    freeze_for(&rig, askers, count, LONG_FROZEN_MS);
    atomic_store_explicit(&rig.must_stop, true, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        sync_thread_join(&askers[i].thread);
    }
    double seconds = (double)(base_mono_ns() - from_ns) / 1e9 - frozen_s;
    printf("answered within %d ms, server frozen %d times for %d s and once for %d s in the middle "
           "of answers\n"
           "                answered  refused    late  longest ms  inside  (share of the time in "
           "an operation)\n",
           DEADLINE_MS, rounds, FROZEN_MS / 1000, LONG_FROZEN_MS / 1000);
    print(askers, seconds);
    store_close(&rig.store);
    (void)gleaner_db_close(&rig.db, 1000);
    mongoc_client_pool_destroy(rig.driver);
    fixture_mongod_end(&rig.server);
    return load_exit_code();
}
