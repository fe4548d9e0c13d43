/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Question: what does writing 16 new documents of 4 KiB cost in CPU of our process, through the
 * store's raw insert command and through libmongoc's bulk operation (inserts, and upserts as most
 * programs write them)? Interleaved on one mongod, medians of rounds; CPU of the calling thread.
 */
#include "gleaner/db.h"
#include "mongod.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DOCUMENTS = 16, BATCHES = 200, ROUNDS = 7, WAYS = 3 };
static const char *const names[WAYS] = {"store (raw insert)", "bulk insert", "bulk upsert"};

static struct gleaner_db *db;
static struct store *store;
static bson_t *page;
static uint64_t counter;

static double thread_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void next_id(uint8_t id[STORE_ID_BYTES])
{
    counter++;
    store_document_id("pages", (const char *)&counter, sizeof counter, id);
}

static bool through_store(void)
{
    struct store_document documents[DOCUMENTS];
    struct store_settled out;
    struct base_error error;
    struct store_queue *queue = NULL;
    static struct store_queue *kept;
    if (kept == NULL && store_queue_open(store, "crawl/bench", &queue, &error) == GLEANER_OK) {
        kept = queue;
    }
    for (int i = 0; i < DOCUMENTS; i++) {
        documents[i] = (struct store_document){
            .collection = "pages", .bson = bson_get_data(page), .bson_len = page->len};
        next_id(documents[i].id);
    }
    const struct store_settlement s = {.documents = documents, .document_count = DOCUMENTS};
    return kept != NULL && store_settle(kept, &s, &out, &error) == GLEANER_OK &&
           out.documents_new == DOCUMENTS;
}

static bool through_bulk(bool upsert)
{
    struct gleaner_client client;
    bson_error_t error;
    bson_t opts = BSON_INITIALIZER;
    if (gleaner_db_check_out(db, 5000, &client) != GLEANER_OK) {
        return false;
    }
    bson_t concern;
    BSON_APPEND_BOOL(&opts, "ordered", false);
    BSON_APPEND_DOCUMENT_BEGIN(&opts, "writeConcern", &concern); /* as durable as the store's */
    BSON_APPEND_INT32(&concern, "w", 1);
    BSON_APPEND_BOOL(&concern, "j", true);
    bson_append_document_end(&opts, &concern);
    mongoc_collection_t *pages =
        mongoc_client_get_collection(client.client, client.database, "pages");
    mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(pages, &opts);
    for (int i = 0; i < DOCUMENTS; i++) {
        bson_oid_t id;
        bson_t document = BSON_INITIALIZER;
        next_id(id.bytes);
        BSON_APPEND_OID(&document, "_id", &id);
        if (upsert) {
            bson_t up = BSON_INITIALIZER;
            BSON_APPEND_BOOL(&up, "upsert", true);
            (void)!mongoc_bulk_operation_replace_one_with_opts(bulk, &document, page, &up, &error);
            bson_destroy(&up);
        } else {
            bson_concat(&document, page);
            (void)!mongoc_bulk_operation_insert_with_opts(bulk, &document, NULL, &error);
        }
        bson_destroy(&document);
    }
    bool ok = mongoc_bulk_operation_execute(bulk, NULL, &error) != 0;
    mongoc_bulk_operation_destroy(bulk);
    mongoc_collection_destroy(pages);
    bson_destroy(&opts);
    (void)gleaner_db_check_in(db, &client, ok ? NULL : &error);
    return ok;
}

static bool run_way(int way)
{
    return way == 0 ? through_store() : through_bulk(way == 2);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A page of 4 KiB with the fields of a crawl. */
static void make_page(void)
{
    char text[3000];
    bson_t links;
    memset(text, 'a', sizeof text);
    page = BCON_NEW("url", "http://example.org/some/page.html", "title", "A title", "status",
                    BCON_INT32(200), "language", "en");
    bson_append_utf8(page, "text", -1, text, sizeof text);
    BSON_APPEND_ARRAY_BEGIN(page, "links", &links);
    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i);
        BSON_APPEND_UTF8(&links, key, "http://example.org/another/page.html");
    }
    bson_append_array_end(page, &links);
}

static bool measure(double cpu[WAYS][ROUNDS])
{
    for (int round = -1; round < ROUNDS; round++) { /* the first warms up */
        for (int way = 0; way < WAYS; way++) {
            double before = thread_cpu_us();
            for (int i = 0; i < BATCHES; i++) {
                if (!run_way(way)) {
                    fprintf(stderr, "%s failed\n", names[way]);
                    return false;
                }
            }
            if (round >= 0) {
                cpu[way][round] = (thread_cpu_us() - before) / BATCHES;
            }
        }
    }
    return true;
}

int main(void)
{
    static double cpu[WAYS][ROUNDS];
    struct gleaner_db_options options;
    struct gleaner_error error;
    struct base_error why;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    if (gleaner_db_open(&options, &db, &error) != GLEANER_OK ||
        gleaner_db_wait_up(db, 20000) != GLEANER_OK ||
        store_mongo_open(&(struct store_mongo_options){.db = db}, &store, &why) != GLEANER_OK) {
        return 1;
    }
    make_page();
    bool ok = measure(cpu);
    printf("%d documents of %u bytes a batch, %d batches, %d rounds; us of CPU a batch\n",
           DOCUMENTS, page->len, BATCHES, ROUNDS);
    for (int way = 0; ok && way < WAYS; way++) {
        qsort(cpu[way], ROUNDS, sizeof(double), compare);
        printf("%-20s median %7.1f   least %7.1f   most %7.1f\n", names[way], cpu[way][ROUNDS / 2],
               cpu[way][0], cpu[way][ROUNDS - 1]);
    }
    /* Inserts are what the bulk operation does best: the harder of the two to be half of. */
    double share = cpu[0][ROUNDS / 2] / cpu[1][ROUNDS / 2];
    if (ok) {
        printf("the store takes %.2f of the bulk insert's CPU (bar 0.5): %s\n", share,
               share <= 0.5 ? "met" : "MISSED");
    }
    ok = ok && share <= 0.5;
    bson_destroy(page);
    store_close(&store);
    (void)gleaner_db_close(&db, 2000);
    fixture_mongod_end(&server);
    return ok ? 0 : 1;
}
