/* SPDX-License-Identifier: Apache-2.0 */
/* Running one command with one repetition, and reading its reply. */
#include "store_mongo_internal.h"

#include <stdio.h>
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

struct attempted {
    struct mongo_error error; /* what happened at the server */
    uint32_t silence_ms;      /* how long a silent server holds such an attempt past a deadline */
};

/* Initialises the reply in every case. */
static enum gleaner_status attempt(const struct mongo_op *op, enum mongo_command_kind kind,
                                   const bson_t *command, bson_t *reply, struct attempted *a)
{
    struct gleaner_client client;
    struct mongo_error *error = &a->error;
    memset(a, 0, sizeof *a);
    enum gleaner_status status = take_client(op, &client);
    if (status != GLEANER_OK) {
        bson_init(reply);
        return status;
    }
    a->silence_ms = mongo_isolates_errors() ? 0 : mongo_client_socket_ms(client.client);
    uint64_t outer_ns = mongo_narrow_deadline(op->deadline_ns);
    status = mongo_command(client.client, database_of(op->m, &client), kind, command, reply, error);
    mongo_set_deadline(outer_ns);
    give_back(op->m, &client, error);
    if (status == GLEANER_OK && has_write_concern_error(reply, error)) {
        status = mongo_error_status(error->error_class);
    }
    return status == GLEANER_OK ? GLEANER_OK : explain(op, command_name(command), error);
}

/* maxTimeMS binds only what the server runs; where the deadline does not end the waits of the
 * driver either (libmongoc 2), a frozen server holds an attempt for the whole socket timeout: after
 * a silence there is a second one only if time is left for that. */
static bool is_worth_repeating(const struct mongo_op *op, const struct attempted *a)
{
    uint64_t left_ms = store_mongo_left_ms(op);
    switch (a->error.error_class) {
    case MONGO_RETRY:
    case MONGO_RECONNECT:
        return left_ms > 0;
    case MONGO_TIMEOUT:
        return left_ms > 0 && left_ms >= a->silence_ms;
    default:
        return false;
    }
}

enum gleaner_status store_mongo_run(const struct mongo_op *op, enum mongo_command_kind kind,
                                    const bson_t *command, bson_t *reply)
{
    struct attempted a;
    enum gleaner_status status = attempt(op, kind, command, reply, &a);
    if (status != GLEANER_OK && is_worth_repeating(op, &a)) {
        bson_destroy(reply);
        status = attempt(op, kind, command, reply, &a);
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

/* Each batch of a walk has a deadline, the walk has none: it takes as long as its rows do. */
struct deadlined_rows {
    bool (*row)(void *ctx, const bson_t *document);
    void *ctx;
    uint64_t outer_ns, operation_ns;
};

static bool give_row(void *ctx, const bson_t *document)
{
    const struct deadlined_rows *rows = ctx;
    mongo_set_deadline(rows->outer_ns);
    bool more = rows->row(rows->ctx, document);
    (void)mongo_narrow_deadline(base_mono_ns() + rows->operation_ns);
    return more;
}

enum gleaner_status store_mongo_walk(const struct mongo_op *op, const char *collection,
                                     const bson_t *filter, const bson_t *opts,
                                     bool (*row)(void *ctx, const bson_t *document), void *ctx)
{
    struct gleaner_client client;
    struct mongo_error error;
    struct deadlined_rows rows = {
        .row = row, .ctx = ctx, .operation_ns = op->m->operation_ms * BASE_NS_PER_MS};
    enum gleaner_status status = take_client(op, &client);
    if (status != GLEANER_OK) {
        return status;
    }
    rows.outer_ns = mongo_narrow_deadline(op->deadline_ns);
    status = mongo_find(client.client, database_of(op->m, &client), collection, filter, opts,
                        give_row, &rows, &error);
    mongo_set_deadline(rows.outer_ns);
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
