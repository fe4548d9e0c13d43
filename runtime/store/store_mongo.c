/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB body as an object: opening, running one command with one repetition, named values. */
#include "store_mongo_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- one command ---- */

struct mongo_op store_mongo_begin(struct store *store, struct base_error *error)
{
    struct store_mongo *m = (struct store_mongo *)store;
    return (struct mongo_op){
        .m = m, .deadline_ns = base_mono_ns() + m->operation_ms * BASE_NS_PER_MS, .error = error};
}

uint64_t store_mongo_left_ms(const struct mongo_op *op)
{
    uint64_t now = base_mono_ns();
    return now >= op->deadline_ns ? 0 : (op->deadline_ns - now) / BASE_NS_PER_MS;
}

void store_mongo_command(bson_t *command, const struct mongo_op *op, const char *name,
                         const char *collection)
{
    uint64_t left = store_mongo_left_ms(op);
    bson_init(command);
    bson_append_utf8(command, name, -1, collection, -1);
    BSON_APPEND_INT64(command, "maxTimeMS", left > 0 ? (int64_t)left : 1);
}

static const char *command_name(const bson_t *command)
{
    bson_iter_t iter;
    return bson_iter_init(&iter, command) && bson_iter_next(&iter) ? bson_iter_key(&iter) : "?";
}

static enum gleaner_status explain(const struct mongo_op *op, const char *what,
                                   const struct mongo_error *error)
{
    enum gleaner_status status = mongo_error_status(error->error_class);
    if (status == GLEANER_E_BUSY) {
        status = GLEANER_E_TIMEOUT; /* it stayed busy through the repetition */
    }
    if (error->code == 14031) { /* OutOfDiskSpace */
        status = GLEANER_E_FULL;
    }
    return base_error_set(op->error, status, "MongoDB %s: %s (%s, code %u)", what, error->message,
                          mongo_error_class_name(error->error_class), (unsigned)error->code);
}

/* A write that the server did but could not confirm is no success; all our writes may be repeated.
 */
static bool has_write_concern_error(const bson_t *reply, struct mongo_error *error)
{
    int64_t code = store_mongo_number(reply, "writeConcernError.code");
    if (code <= 0) {
        return false;
    }
    memset(error, 0, sizeof *error);
    error->code = (uint32_t)code;
    error->error_class = mongo_classify_code(error->code);
    const char *text = store_mongo_text(reply, "writeConcernError.errmsg");
    snprintf(error->message, sizeof error->message, "%s", text);
    return true;
}

static void give_back(struct store_mongo *m, struct gleaner_client *client,
                      const struct mongo_error *error)
{
    bson_error_t driver_error = {.domain = error->domain, .code = error->code};
    snprintf(driver_error.message, sizeof driver_error.message, "%s", error->message);
    bool failed = error->error_class != MONGO_OK && error->domain != 0;
    (void)gleaner_db_check_in(m->db, client, failed ? &driver_error : NULL);
}

static enum gleaner_status take_client(const struct mongo_op *op, struct gleaner_client *client)
{
    uint64_t left = store_mongo_left_ms(op);
    enum gleaner_status status =
        left == 0 ? GLEANER_E_TIMEOUT : gleaner_db_check_out(op->m->db, (uint32_t)left, client);
    if (status == GLEANER_OK) {
        return GLEANER_OK;
    }
    status = status == GLEANER_E_BUSY ? GLEANER_E_TIMEOUT : status;
    return base_error_set(op->error, status, "MongoDB: no client could be had: %s",
                          gleaner_status_name(status));
}

static const char *database_of(const struct store_mongo *m, const struct gleaner_client *client)
{
    return m->database != NULL ? m->database : client->database;
}

/* Initialises the reply in every case; *error says what happened at the server. */
static enum gleaner_status attempt(const struct mongo_op *op, enum mongo_command_kind kind,
                                   const bson_t *command, bson_t *reply, struct mongo_error *error)
{
    struct gleaner_client client;
    memset(error, 0, sizeof *error);
    enum gleaner_status status = take_client(op, &client);
    if (status != GLEANER_OK) {
        bson_init(reply);
        return status;
    }
    status = mongo_command(client.client, database_of(op->m, &client), kind, command, reply, error);
    give_back(op->m, &client, error);
    if (status == GLEANER_OK && has_write_concern_error(reply, error)) {
        status = mongo_error_status(error->error_class);
    }
    return status == GLEANER_OK ? GLEANER_OK : explain(op, command_name(command), error);
}

static bool is_worth_repeating(const struct mongo_error *error)
{
    return error->error_class == MONGO_RETRY || error->error_class == MONGO_RECONNECT ||
           error->error_class == MONGO_TIMEOUT;
}

enum gleaner_status store_mongo_run(const struct mongo_op *op, enum mongo_command_kind kind,
                                    const bson_t *command, bson_t *reply)
{
    struct mongo_error error;
    enum gleaner_status status = attempt(op, kind, command, reply, &error);
    if (status != GLEANER_OK && is_worth_repeating(&error) && store_mongo_left_ms(op) > 0) {
        bson_destroy(reply);
        status = attempt(op, kind, command, reply, &error);
    }
    return status;
}

enum gleaner_status store_mongo_do(const struct mongo_op *op, bson_t *command)
{
    bson_t reply;
    enum gleaner_status status = store_mongo_run(op, MONGO_WRITE, command, &reply);
    if (status == GLEANER_OK) {
        status = store_mongo_write_errors(op, &reply);
    }
    bson_destroy(&reply);
    bson_destroy(command);
    return status;
}

enum gleaner_status store_mongo_walk(const struct mongo_op *op, const char *collection,
                                     const bson_t *filter, const bson_t *opts,
                                     bool (*row)(void *ctx, const bson_t *document), void *ctx)
{
    struct gleaner_client client;
    struct mongo_error error;
    enum gleaner_status status = take_client(op, &client);
    if (status != GLEANER_OK) {
        return status;
    }
    status = mongo_find(client.client, database_of(op->m, &client), collection, filter, opts, row,
                        ctx, &error);
    give_back(op->m, &client, &error);
    return status == GLEANER_OK ? GLEANER_OK : explain(op, "find", &error);
}

/* ---- replies ---- */

static bool find_path(const bson_t *document, const char *path, bson_iter_t *out)
{
    bson_iter_t iter;
    return bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, path, out);
}

int64_t store_mongo_number(const bson_t *reply, const char *path)
{
    bson_iter_t iter;
    if (!find_path(reply, path, &iter)) {
        return 0;
    }
    return BSON_ITER_HOLDS_DATE_TIME(&iter) ? bson_iter_date_time(&iter)
                                            : bson_iter_as_int64(&iter);
}

const char *store_mongo_text(const bson_t *document, const char *path)
{
    bson_iter_t iter;
    return find_path(document, path, &iter) && BSON_ITER_HOLDS_UTF8(&iter)
               ? bson_iter_utf8(&iter, NULL)
               : "";
}

bool store_mongo_array(const bson_t *reply, const char *path, bson_iter_t *out)
{
    bson_iter_t iter;
    return find_path(reply, path, &iter) && BSON_ITER_HOLDS_ARRAY(&iter) &&
           bson_iter_recurse(&iter, out);
}

bool store_mongo_next(bson_iter_t *array, bson_t *document)
{
    const uint8_t *data = NULL;
    uint32_t len = 0;
    if (!bson_iter_next(array) || !BSON_ITER_HOLDS_DOCUMENT(array)) {
        return false;
    }
    bson_iter_document(array, &len, &data);
    return bson_init_static(document, data, len);
}

enum gleaner_status store_mongo_write_errors(const struct mongo_op *op, const bson_t *reply)
{
    bson_iter_t errors;
    bson_t one;
    if (!store_mongo_array(reply, "writeErrors", &errors)) {
        return GLEANER_OK;
    }
    while (store_mongo_next(&errors, &one)) {
        struct mongo_error error = {.code = (uint32_t)store_mongo_number(&one, "code")};
        error.error_class = mongo_classify_code(error.code);
        if (error.error_class != MONGO_DUPLICATE) {
            snprintf(error.message, sizeof error.message, "%s", store_mongo_text(&one, "errmsg"));
            return explain(op, "write", &error);
        }
    }
    return GLEANER_OK;
}

/* ---- the server's clock ---- */

#define CLOCK_GOOD_FOR_NS (10 * BASE_NS_PER_S)
/* $$NOW comes from the server's coarse clock, which a thread of its sets every 10 ms or so; `hello`
 * tells the exact time. What is put in as due must be due for $$NOW at once. */
#define CLOCK_COARSE_MS 100

static enum gleaner_status measure_clock(const struct mongo_op *op)
{
    bson_t command = BSON_INITIALIZER, reply;
    bson_iter_t iter;
    BSON_APPEND_INT32(&command, "hello", 1);
    uint64_t before = base_mono_ns();
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    uint64_t after = base_mono_ns();
    if (status == GLEANER_OK && find_path(&reply, "localTime", &iter)) {
        int64_t server = bson_iter_date_time(&iter);
        struct store_mongo *m = op->m;
        /* The server looked at its clock between before and after; its date is cut to 1 ms. */
        atomic_store_explicit(&m->clock_low_ms,
                              server - (int64_t)(after / BASE_NS_PER_MS) - 1 - CLOCK_COARSE_MS,
                              memory_order_relaxed);
        atomic_store_explicit(&m->clock_high_ms, server + 1 - (int64_t)(before / BASE_NS_PER_MS),
                              memory_order_relaxed);
        atomic_store_explicit(&m->clock_measured_ns, after, memory_order_relaxed);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_now(const struct mongo_op *op, int64_t *low_ms, int64_t *high_ms)
{
    struct store_mongo *m = op->m;
    uint64_t measured = atomic_load_explicit(&m->clock_measured_ns, memory_order_relaxed);
    if (measured == 0 || base_mono_ns() - measured > CLOCK_GOOD_FOR_NS) {
        enum gleaner_status status = measure_clock(op);
        if (status != GLEANER_OK) {
            return status;
        }
    }
    int64_t mono_ms = (int64_t)(base_mono_ns() / BASE_NS_PER_MS);
    *low_ms = atomic_load_explicit(&m->clock_low_ms, memory_order_relaxed) + mono_ms;
    *high_ms = atomic_load_explicit(&m->clock_high_ms, memory_order_relaxed) + mono_ms + 1;
    return GLEANER_OK;
}

/* Unique without asking the server: a hash of (random seed of this process, counter), 62 bits less
 * the lowest ten, which number the jobs of one claim. */
uint64_t store_mongo_token(struct store_mongo *m)
{
    uint64_t parts[2] = {m->token_seed,
                         atomic_fetch_add_explicit(&m->token_counter, 1, memory_order_relaxed)};
    return (base_hash64(parts, sizeof parts) >> 2) & ~(uint64_t)(STORE_MONGO_CLAIM_MAX - 1);
}

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
    .write_documents = store_mongo_write_documents,
    .documents = store_mongo_documents,
    .document_count = store_mongo_document_count,
    .meta_put = meta_put,
    .meta_get = meta_get,
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
