/* SPDX-License-Identifier: Apache-2.0 */
/* Writers as a module is one: each write has an _id of its own and is tried until it is
 * acknowledged or the module's patience is over. A duplicate key is believed only after the
 * document was seen: a fail point may say it without anything being there. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DUPLICATE_KEY = 11000, FIRST_CAPACITY = 4096, BREATH_MS = 5 };

static bool is_there(mongoc_client_t *client, const char *collection, int64_t id)
{
    bson_t reply;
    bson_iter_t iter, at;
    bson_t *find = BCON_NEW("find", BCON_UTF8(collection), "filter", "{", "_id", BCON_INT64(id),
                            "}", "limit", BCON_INT32(1));
    bool found = mongoc_client_command_simple(client, RIG_DATABASE, find, NULL, &reply, NULL) &&
                 bson_iter_init(&iter, &reply) &&
                 bson_iter_find_descendant(&iter, "cursor.firstBatch.0._id", &at);
    bson_destroy(&reply);
    bson_destroy(find);
    return found;
}

/* Acknowledged means durable, as for the store: by the majority and in the journal. (w:1 without it
 * is acknowledged up to 100 ms before: a killed single server then loses some 60 of 9,000 writes,
 * whoever wrote them; measured here, with libmongoc alone too.) */
static bool insert(mongoc_client_t *client, const struct rig_writers *all, int64_t id,
                   bson_error_t *error)
{
    mongoc_collection_t *target =
        mongoc_client_get_collection(client, RIG_DATABASE, all->collection);
    bson_t *document = BCON_NEW("_id", BCON_INT64(id), "pad", BCON_UTF8("a page would stand here"));
    bson_t options = BSON_INITIALIZER;
    mongoc_write_concern_t *concern = mongoc_write_concern_new();
    mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_write_concern_append(concern, &options);
    bool ok = mongoc_collection_insert_one(target, document, &options, NULL, error);
    mongoc_write_concern_destroy(concern);
    bson_destroy(&options);
    bson_destroy(document);
    mongoc_collection_destroy(target);
    return ok;
}

struct operation {
    const struct rig_writers *all;
    int64_t id;
    bool on_fallback;
};

static bool try_ours(void *ctx, struct gleaner_try *attempt)
{
    struct operation *operation = ctx;
    const struct rig_writers *all = operation->all;
    operation->on_fallback = strcmp(attempt->client->tier, "fallback") == 0;
    mongoc_client_t *client = attempt->client->client;
    return insert(client, all, operation->id, &attempt->error) ||
           (attempt->error.code == DUPLICATE_KEY &&
            is_there(client, all->collection, operation->id));
}

/* What a module is advised to do. */
static bool write_ours(const struct rig_writers *all, int64_t id, uint32_t left_ms,
                       bool *on_fallback)
{
    struct gleaner_run_options options;
    struct gleaner_error error;
    struct operation operation = {.all = all, .id = id};
    gleaner_run_options_init(&options);
    options.is_idempotent = true;
    options.deadline_ms = left_ms < options.deadline_ms ? left_ms : options.deadline_ms;
    bool ok = gleaner_db_run(all->pool->db, &options, try_ours, &operation, &error) == GLEANER_OK;
    *on_fallback = operation.on_fallback;
    return ok;
}

static bool write_theirs(const struct rig_writers *all, int64_t id)
{
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(all->pool->driver);
    bool ok = insert(client, all, id, &error);
    bool arrived = !ok && error.code == DUPLICATE_KEY && is_there(client, all->collection, id);
    mongoc_client_pool_push(all->pool->driver, client);
    return ok || arrived;
}

static struct rig_write write_one(const struct rig_writers *all, int64_t id)
{
    struct rig_write write = {.began_ns = base_mono_ns()};
    uint64_t deadline_ns = write.began_ns + all->patience_ms * BASE_NS_PER_MS;
    for (uint64_t now_ns = write.began_ns; !write.acknowledged && now_ns < deadline_ns;
         now_ns = base_mono_ns()) {
        uint32_t left_ms = (uint32_t)((deadline_ns - now_ns) / BASE_NS_PER_MS + 1);
        write.acknowledged = all->pool->db != NULL
                                 ? write_ours(all, id, left_ms, &write.on_fallback)
                                 : write_theirs(all, id);
        if (!write.acknowledged) {
            write.failures++;
            rig_sleep_ms(BREATH_MS);
        }
        if (!write.acknowledged && atomic_load_explicit(&all->must_stop, memory_order_relaxed)) {
            break;
        }
    }
    write.took_ns = base_mono_ns() - write.began_ns;
    return write;
}

static void keep(struct rig_writer *own, struct rig_write write)
{
    if (own->count == own->capacity) {
        own->capacity = own->capacity == 0 ? FIRST_CAPACITY : own->capacity * 2;
        own->writes = realloc(own->writes, own->capacity * sizeof *own->writes);
        BASE_ASSERT(own->writes != NULL);
    }
    own->writes[own->count++] = write;
}

static void rest_if_asked(struct rig_writers *all)
{
    if (atomic_load(&all->must_rest)) {
        atomic_fetch_add(&all->resting, 1);
        while (atomic_load(&all->must_rest)) {
            rig_sleep_ms(1);
        }
        atomic_fetch_sub(&all->resting, 1);
    }
}

static void writer_main(void *arg)
{
    struct rig_writer *own = arg;
    struct rig_writers *all = own->all;
    struct timespec pause = {.tv_nsec = (long)all->pause_us * 1000};
    while (!atomic_load_explicit(&all->must_stop, memory_order_relaxed)) {
        uint32_t epoch = atomic_load_explicit(&all->epoch, memory_order_relaxed);
        struct rig_write write = write_one(all, (int64_t)own->number << 32 | (int64_t)own->count);
        keep(own, write);
        if (write.acknowledged) {
            atomic_store_explicit(&own->epoch, epoch, memory_order_relaxed);
        }
        if (all->pause_us > 0) {
            (void)nanosleep(&pause, NULL);
        }
        rest_if_asked(all);
    }
}

void rig_write_start(struct rig_writers *writers)
{
    BASE_ASSERT(writers->threads <= RIG_WRITERS_MAX);
    atomic_store(&writers->must_stop, false);
    atomic_store(&writers->epoch, 1);
    for (uint32_t i = 0; i < writers->threads; i++) {
        writers->own[i] = (struct rig_writer){.all = writers, .number = i};
        BASE_ASSERT(sync_thread_start(&writers->own[i].thread, "writer", SYNC_PLAIN, writer_main,
                                      &writers->own[i]) == GLEANER_OK);
    }
}

bool rig_write_all_back(struct rig_writers *writers, uint32_t limit_ms)
{
    uint64_t until_ns = base_mono_ns() + limit_ms * BASE_NS_PER_MS;
    uint32_t epoch = atomic_fetch_add(&writers->epoch, 1) + 1;
    for (uint32_t i = 0; i < writers->threads; i++) {
        while (atomic_load_explicit(&writers->own[i].epoch, memory_order_relaxed) < epoch) {
            if (base_mono_ns() > until_ns) {
                return false;
            }
            rig_sleep_ms(1);
        }
    }
    return true;
}

void rig_write_rest(struct rig_writers *writers)
{
    atomic_store(&writers->must_rest, true);
    while (atomic_load(&writers->resting) < writers->threads) {
        rig_sleep_ms(1);
    }
}

void rig_write_resume(struct rig_writers *writers)
{
    atomic_store(&writers->must_rest, false);
    while (atomic_load(&writers->resting) > 0) {
        rig_sleep_ms(1);
    }
}

void rig_write_stop(struct rig_writers *writers)
{
    atomic_store(&writers->must_stop, true);
    for (uint32_t i = 0; i < writers->threads; i++) {
        sync_thread_join(&writers->own[i].thread);
    }
}

void rig_write_free(struct rig_writers *writers)
{
    for (uint32_t i = 0; i < writers->threads; i++) {
        free(writers->own[i].writes);
        writers->own[i].writes = NULL;
    }
}
