/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB body as an object: opening, describing, named values. */
#include "store_mongo_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- named values ---- */

static enum gleaner_status meta_put(struct store *store, const char *name, const char *value,
                                    struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    bson_t command, updates, update, part;
    store_mongo_command(&command, &op, "update", STORE_MONGO_META);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    BSON_APPEND_DOCUMENT_BEGIN(&updates, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &part);
    BSON_APPEND_UTF8(&part, "_id", name);
    bson_append_document_end(&update, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &part);
    BSON_APPEND_UTF8(&part, "_id", name);
    BSON_APPEND_UTF8(&part, "value", value);
    bson_append_document_end(&update, &part);
    BSON_APPEND_BOOL(&update, "upsert", true);
    bson_append_document_end(&updates, &update);
    bson_append_array_end(&command, &updates);
    return store_mongo_do(&op, &command);
}

static enum gleaner_status meta_get(struct store *store, const char *name, struct base_buffer *out,
                                    struct base_error *error)
{
    struct mongo_op op = store_mongo_begin(store, error);
    bson_t command, filter, reply, found;
    bson_iter_t rows;
    store_mongo_command(&command, &op, "find", STORE_MONGO_META);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_UTF8(&filter, "_id", name);
    bson_append_document_end(&command, &filter);
    BSON_APPEND_INT32(&command, "limit", 1);
    BSON_APPEND_BOOL(&command, "singleBatch", true);
    enum gleaner_status status = store_mongo_run(&op, MONGO_READ, &command, &reply);
    if (status == GLEANER_OK) {
        if (!store_mongo_array(&reply, "cursor.firstBatch", &rows) ||
            !store_mongo_next(&rows, &found)) {
            status = base_error_set(error, GLEANER_E_NOT_FOUND, "no value named %s", name);
        } else if (!base_buffer_append_str(out, store_mongo_text(&found, "value"))) {
            status = base_error_set(error, GLEANER_E_NOMEM, "no memory for %s", name);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

/* ---- the object ---- */

static void store_mongo_close(struct store *store)
{
    struct store_mongo *m = (struct store_mongo *)store;
    struct base_buffer *spare = atomic_exchange_explicit(&m->spare, NULL, memory_order_acquire);
    if (spare != NULL) {
        base_buffer_fini(spare);
        free(spare);
    }
    free(m->database);
    free(m->place);
    free(m->jobs_collection);
    free(m->frontier_collection);
    free(m);
}

/* HOSTS/DATABASE of a connection string, without user, password and options. */
static char *place_of(const char *uri)
{
    const char *hosts = strstr(uri, "://");
    hosts = hosts != NULL ? hosts + 3 : uri;
    size_t hosts_len = strcspn(hosts, "/?");
    for (size_t at = hosts_len; at > 0; at--) {
        if (hosts[at - 1] == '@') {
            hosts += at;
            hosts_len -= at;
            break;
        }
    }
    size_t path_len = strcspn(hosts + hosts_len, "?");
    return strndup(hosts, hosts_len + path_len);
}

static void store_mongo_describe(struct store *store, char *out, size_t out_size)
{
    struct store_mongo *m = (struct store_mongo *)store;
    struct gleaner_db_state state = {.size = sizeof state};
    gleaner_db_read_state(m->db, &state);
    if (state.address[0] == '\0' && m->place != NULL) { /* connected to nothing now */
        snprintf(state.address, sizeof state.address, "%s", m->place);
    }
    const char *slash = strrchr(state.address, '/');
    int hosts = slash != NULL ? (int)(slash - state.address) : (int)strlen(state.address);
    const char *database = m->database != NULL
                               ? m->database
                               : (slash != NULL && slash[1] != '\0' ? slash + 1 : "test");
    snprintf(out, out_size, "MongoDB %.*s, database %s\nlook at it: mongosh mongodb://%.*s/%s",
             hosts, state.address, database, hosts, state.address, database);
}

static const struct store_ops mongo_ops = {
    .kind = "mongodb",
    .close = store_mongo_close,
    .describe = store_mongo_describe,
    .queue_open = store_mongo_queue_open,
    .queue_close = store_mongo_queue_close,
    .queue_drop = store_mongo_queue_drop,
    .enqueue = store_mongo_enqueue,
    .claim = store_mongo_claim,
    .settle = store_mongo_settle,
    .renew = store_mongo_renew,
    .release_owner = store_mongo_release_owner,
    .count = store_mongo_count,
    .list_jobs = store_mongo_list_jobs,
    .change_jobs = store_mongo_change_jobs,
    .queue_names = store_mongo_queue_names,
    .write_documents = store_mongo_write_documents,
    .documents = store_mongo_documents,
    .documents_get = store_mongo_documents_get,
    .touch_documents = store_mongo_touch_documents,
    .document_count = store_mongo_document_count,
    .meta_put = meta_put,
    .meta_get = meta_get,
    .hosts_note = store_mongo_hosts_note,
    .hosts_read = store_mongo_hosts_read,
    .shares_keep = store_mongo_shares_keep,
};

static char *copy_or(const char *text, const char *fallback)
{
    return strdup(text != NULL ? text : fallback);
}

/* Opens no connection: whether the server is there is the business of the calls. */
enum gleaner_status store_mongo_open(const struct store_mongo_options *options, struct store **out,
                                     struct base_error *error)
{
    struct base_random random;
    *out = NULL;
    struct store_mongo *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a store");
    }
    base_random_init(&random, 0);
    m->base.magic = STORE_MAGIC;
    m->base.ops = &mongo_ops;
    m->db = options->db;
    m->token_seed = base_random_next(&random);
    m->operation_ms = options->operation_ms > 0 ? options->operation_ms : 30000;
    m->database = options->database != NULL ? strdup(options->database) : NULL;
    m->place = options->uri != NULL ? place_of(options->uri) : NULL;
    m->jobs_collection = copy_or(options->jobs_collection, "scrapersubmissions");
    m->frontier_collection = copy_or(options->frontier_collection, "gleaner_frontier");
    if (m->jobs_collection == NULL || m->frontier_collection == NULL ||
        (options->database != NULL && m->database == NULL)) {
        store_mongo_close(&m->base);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a store");
    }
    *out = &m->base;
    return GLEANER_OK;
}
