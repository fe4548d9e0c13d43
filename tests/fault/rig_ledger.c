/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged against what is there. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One count for each write of each writer: how often its _id was read back. */
struct found {
    uint8_t *times[RIG_WRITERS_MAX];
    uint64_t strangers; /* an _id that nobody wrote */
};

static void note(struct found *found, const struct rig_writers *writers, int64_t id)
{
    uint64_t number = (uint64_t)id >> 32, k = (uint64_t)id & 0xffffffffu;
    if (number >= writers->threads || k >= writers->own[number].count) {
        found->strangers++;
    } else if (found->times[number][k] < 2) {
        found->times[number][k]++;
    }
}

static void read_back(struct found *found, const struct rig_writers *writers, const char *address)
{
    bson_error_t error = {0};
    bson_t all = BSON_INITIALIZER;
    const bson_t *document;
    mongoc_uri_t *uri = mongoc_uri_new(address);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *target =
        mongoc_client_get_collection(client, RIG_DATABASE, writers->collection);
    bson_t *options = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(target, &all, options, NULL);
    while (mongoc_cursor_next(cursor, &document)) {
        bson_iter_t iter;
        BASE_ASSERT(bson_iter_init_find(&iter, document, "_id"));
        note(found, writers, bson_iter_as_int64(&iter));
    }
    if (mongoc_cursor_error(cursor, &error)) {
        fprintf(stderr, "reading back: %s\n", error.message);
        abort();
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(options);
    mongoc_collection_destroy(target);
    mongoc_client_pool_push(pool, client);
    mongoc_client_pool_destroy(pool);
    mongoc_uri_destroy(uri);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct rig_ledger *ledger, const struct rig_writers *writers)
{
    double *took_ms = calloc(ledger->writes + 1, sizeof *took_ms);
    size_t n = 0;
    BASE_ASSERT(took_ms != NULL);
    for (uint32_t i = 0; i < writers->threads; i++) {
        for (size_t k = 0; k < writers->own[i].count; k++) {
            took_ms[n++] = (double)writers->own[i].writes[k].took_ns / 1e6;
        }
    }
    qsort(took_ms, n, sizeof *took_ms, compare_doubles);
    ledger->longest_ms = n > 0 ? took_ms[n - 1] : 0;
    ledger->p99_ms = n > 0 ? took_ms[n * 99 / 100] : 0;
    free(took_ms);
}

static void look(struct found *found, const struct rig_writers *writers, const char *uri)
{
    for (uint32_t i = 0; i < writers->threads; i++) {
        found->times[i] = calloc(writers->own[i].count + 1, 1);
        BASE_ASSERT(found->times[i] != NULL);
    }
    read_back(found, writers, uri);
}

void rig_write_found(const struct rig_writers *writers, const char *uri,
                     uint8_t *times[RIG_WRITERS_MAX])
{
    struct found found = {0};
    look(&found, writers, uri);
    memcpy(times, found.times, sizeof found.times);
}

struct rig_ledger rig_write_ledger(const struct rig_writers *writers, const char *uri)
{
    struct rig_ledger ledger = {0};
    struct found found = {0};
    look(&found, writers, uri);
    for (uint32_t i = 0; i < writers->threads; i++) {
        for (size_t k = 0; k < writers->own[i].count; k++) {
            const struct rig_write *write = &writers->own[i].writes[k];
            uint8_t times = found.times[i][k];
            ledger.writes++;
            ledger.acknowledged += write->acknowledged;
            ledger.given_up += !write->acknowledged;
            ledger.failures += write->failures;
            ledger.lost += write->acknowledged && times == 0;
            ledger.ghosts += !write->acknowledged && times > 0;
            ledger.doubled += times > 1;
        }
        free(found.times[i]);
    }
    ledger.doubled += found.strangers;
    measure(&ledger, writers);
    return ledger;
}

double rig_write_back_ms(const struct rig_writers *writers, uint64_t from_ns)
{
    double last_ms = 0;
    for (uint32_t i = 0; i < writers->threads; i++) {
        const struct rig_writer *own = &writers->own[i];
        double first_ms = -1;
        for (size_t k = 0; k < own->count && first_ms < 0; k++) {
            uint64_t ended_ns = own->writes[k].began_ns + own->writes[k].took_ns;
            if (own->writes[k].acknowledged && ended_ns >= from_ns) {
                first_ms = (double)(ended_ns - from_ns) / 1e6;
            }
        }
        if (first_ms < 0) {
            return -1;
        }
        last_ms = first_ms > last_ms ? first_ms : last_ms;
    }
    return last_ms;
}
