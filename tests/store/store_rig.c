/* SPDX-License-Identifier: Apache-2.0 */
#include "store_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- directories ---- */

void rig_make_directory(char out[64])
{
    snprintf(out, 64, "/tmp/gleaner-store-XXXXXX");
    cr_assert_not_null(mkdtemp(out));
}

void rig_remove_directory(const char *directory)
{
    char path[512];
    struct dirent *entry;
    DIR *dir = opendir(directory);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            if (unlink(path) != 0) {
                rig_remove_directory(path);
            }
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)rmdir(directory);
}

struct store *rig_open_sqlite(const char *directory, struct base_error *error)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {.directory = directory, .durable = true};
    enum gleaner_status status = store_sqlite_open(&options, &store, error);
    cr_assert_eq(status, GLEANER_OK, "%s", error->message);
    return store;
}

/* ---- bodies ---- */

struct criterion_test_params rig_bodies(void)
{
#ifdef STORE_RIG_MONGO
    static enum rig_body bodies[] = {RIG_EMBEDDED, RIG_TIERED, RIG_MONGO};
#else
    static enum rig_body bodies[] = {RIG_EMBEDDED, RIG_TIERED};
#endif
    return cr_make_param_array(enum rig_body, bodies, BASE_ARRAY_LEN(bodies));
}

static void open_tiered(struct rig *rig)
{
    char remote[80];
    snprintf(remote, sizeof remote, "%s/remote", rig->directory);
    rig->local = rig_open_sqlite(rig->directory, &rig->error);
    rig->remote = rig_open_sqlite(remote, &rig->error);
    rig->failing = failing_store_create(rig->remote);
    const struct store_tiered_options options = {.local = rig->local,
                                                 .remote = rig->failing,
                                                 .remote_is_up = failing_store_is_up,
                                                 .remote_ctx = rig->failing,
                                                 .drain_documents_per_s = 1000000};
    RIG_OK(rig, store_tiered_open(&options, &rig->store, &rig->error));
}

bool rig_open(struct rig *rig, enum rig_body body)
{
    memset(rig, 0, sizeof *rig);
    rig->body = body;
    rig_make_directory(rig->directory);
    if (body == RIG_EMBEDDED) {
        rig->store = rig_open_sqlite(rig->directory, &rig->error);
    } else if (body == RIG_TIERED) {
        open_tiered(rig);
#ifdef STORE_RIG_MONGO
    } else if (!rig_mongo_open(rig)) {
        rig_remove_directory(rig->directory);
        return false;
#endif
    }
    RIG_OK(rig, store_queue_open(rig->store, "crawl/test", &rig->queue, &rig->error));
    return true;
}

void rig_close(struct rig *rig)
{
    store_queue_close(&rig->queue);
    store_close(&rig->store);
    store_close(&rig->failing);
    store_close(&rig->remote);
    store_close(&rig->local);
#ifdef STORE_RIG_MONGO
    if (rig->mongo != NULL) {
        rig_mongo_close(rig);
    }
#endif
    rig_remove_directory(rig->directory);
}

/* ---- jobs ---- */

struct store_job rig_job(const char *url)
{
    static char hosts[64][64];
    static size_t used;
    size_t scheme = strcspn(url, ":") + 3;
    char *host = hosts[used++ % 64];
    snprintf(host, 64, "%.*s", (int)(scheme + strcspn(url + scheme, "/")), url);
    return (struct store_job){
        .key = base_hash64(url, strlen(url)), .url = url, .host = host, .type = "page", .via = ""};
}

uint64_t rig_put(struct rig *rig, const struct store_job *jobs, size_t count)
{
    uint64_t inserted = 0;
    RIG_OK(rig, store_enqueue(rig->queue, jobs, count, &inserted, &rig->error));
    return inserted;
}

uint64_t rig_put_urls(struct rig *rig, size_t count, const char *const *urls)
{
    uint64_t inserted = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_job job = rig_job(urls[i]);
        inserted += rig_put(rig, &job, 1);
    }
    return inserted;
}

size_t rig_claim(struct rig *rig, uint32_t max, uint32_t lease_ms, struct store_jobs *out)
{
    const struct store_claim how = {.max_jobs = max, .lease_ms = lease_ms, .owner = "gleaner/t/1"};
    RIG_OK(rig, store_claim(rig->queue, &how, out, &rig->error));
    return out->count;
}

void rig_claim_when_due(struct rig *rig, uint32_t lease_ms, struct store_jobs *out)
{
    while (rig_claim(rig, 1, lease_ms, out) == 0) {
        /* The store's clock moves by itself; the test's timeout bounds this. */
    }
}

struct store_outcome rig_outcome(const struct store_job *job, enum store_outcome_kind kind)
{
    struct store_outcome outcome = {
        .key = job->key, .token = job->token, .kind = kind, .error_class = "", .reason = ""};
    memcpy(outcome.id, job->id, sizeof outcome.id);
    return outcome;
}

struct store_settled rig_settle(struct rig *rig, const struct store_outcome *outcome)
{
    struct store_settled settled;
    const struct store_settlement settlement = {.outcomes = outcome, .outcome_count = 1};
    RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    return settled;
}

struct store_counts rig_counts(struct rig *rig)
{
    struct store_counts counts;
    RIG_OK(rig, store_count(rig->queue, &counts, &rig->error));
    return counts;
}

/* ---- documents ---- */

void rig_document(struct rig_document *out, const char *collection, const char *key, int32_t n)
{
    /* {"n": int32} */
    static const uint8_t frame[12] = {12, 0, 0, 0, 0x10, 'n', 0, 0, 0, 0, 0, 0};
    memset(out, 0, sizeof *out);
    memcpy(out->bson, frame, sizeof frame);
    memcpy(out->bson + 7, &n, sizeof n);
    out->document.collection = collection;
    out->document.bson = out->bson;
    out->document.bson_len = sizeof frame;
    store_document_id(collection, key, strlen(key), out->document.id);
}

struct looking {
    uint8_t id[STORE_ID_BYTES];
    int32_t found;
    uint32_t times;
};

static bool look(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct looking *looking = ctx;
    (void)collection;
    /* length 4, type 1, "_id" 4, id 12; then type 1, "n" 2, value 4 */
    if (len == 12 + 17 && memcmp(bson + 4, "\x07_id", 5) == 0 &&
        memcmp(bson + 9, looking->id, STORE_ID_BYTES) == 0) {
        memcpy(&looking->found, bson + 24, sizeof looking->found);
        looking->times++;
    }
    return true;
}

int32_t rig_stored(struct rig *rig, const char *collection, const char *key)
{
    struct looking looking = {.found = -1};
    store_document_id(collection, key, strlen(key), looking.id);
    RIG_OK(rig, store_documents(rig->store, collection, look, &looking, &rig->error));
    cr_assert_leq(looking.times, 1, "stored %u times", looking.times);
    return looking.found;
}
