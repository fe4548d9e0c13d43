/* SPDX-License-Identifier: Apache-2.0 */
/* Recording events as documents, and the format's MATCH. */
#include "cmap_runner.h"

#include <stdio.h>
#include <string.h>

const char *cmap_utf8(const bson_t *doc, const char *key)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, doc, key) && BSON_ITER_HOLDS_UTF8(&iter)
               ? bson_iter_utf8(&iter, NULL)
               : NULL;
}

int64_t cmap_int(const bson_t *doc, const char *key, int64_t fallback)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, doc, key) && BSON_ITER_HOLDS_NUMBER(&iter)
               ? bson_iter_as_int64(&iter)
               : fallback;
}

/* ---- recording
 * ------------------------------------------------------------------------------------- */

static void append_options(bson_t *out, const struct pool_config *config)
{
    bson_t options;
    bson_append_document_begin(out, "options", -1, &options);
    bson_append_int64(&options, "maxPoolSize", -1, config->max_size);
    bson_append_int64(&options, "minPoolSize", -1, config->min_size);
    bson_append_int64(&options, "maxConnecting", -1, config->max_connecting);
    bson_append_int64(&options, "maxIdleTimeMS", -1, config->max_idle_ms);
    bson_append_int64(&options, "waitQueueTimeoutMS", -1, config->wait_queue_timeout_ms);
    bson_append_document_end(out, &options);
}

static bool has_duration(enum pool_event_type type)
{
    return type == POOL_EV_CONNECTION_READY || type == POOL_EV_CHECKED_OUT ||
           type == POOL_EV_CHECK_OUT_FAILED;
}

static bson_t *document_of(const struct pool_event *event)
{
    bson_t *doc = bson_new();
    bson_append_utf8(doc, "type", -1, pool_event_type_name(event->type), -1);
    bson_append_utf8(doc, "address", -1, event->address, -1);
    if (event->connection_id != 0) {
        bson_append_int64(doc, "connectionId", -1, (int64_t)event->connection_id);
    }
    if (has_duration(event->type)) {
        bson_append_int64(doc, "duration", -1, (int64_t)event->duration_ns);
    }
    if (event->reason != POOL_REASON_NONE) {
        bson_append_utf8(doc, "reason", -1, pool_event_reason_name(event->reason), -1);
    }
    if (event->type == POOL_EV_CLEARED) {
        bson_append_bool(doc, "interruptInUseConnections", -1, event->interrupt_in_use);
    }
    if (event->options != NULL) {
        append_options(doc, event->options);
    }
    return doc;
}

void cmap_record(void *ctx, const struct pool_event *event)
{
    struct cmap_run *run = ctx;
    sync_mutex_lock(run->mutex);
    if (!run->is_ending && run->event_count < CMAP_EVENTS_MAX) {
        run->events[run->event_count++] = document_of(event);
        sync_cond_broadcast(run->changed);
    }
    sync_mutex_unlock(run->mutex);
}

/* ---- matching
 * -------------------------------------------------------------------------------------- */

static bool is_anything(const bson_iter_t *expected)
{
    if (BSON_ITER_HOLDS_UTF8(expected)) {
        return strcmp(bson_iter_utf8(expected, NULL), "42") == 0;
    }
    return BSON_ITER_HOLDS_NUMBER(expected) && bson_iter_as_int64(expected) == 42;
}

static bool match_document(const bson_iter_t *expected, const bson_iter_t *actual)
{
    bson_iter_t want, have;
    if (!bson_iter_recurse(expected, &want)) {
        return false;
    }
    while (bson_iter_next(&want)) {
        if (!bson_iter_recurse(actual, &have) || !bson_iter_find(&have, bson_iter_key(&want)) ||
            !cmap_match(&want, &have)) {
            return false;
        }
    }
    return true;
}

bool cmap_match(const bson_iter_t *expected, const bson_iter_t *actual)
{
    if (is_anything(expected)) {
        return true;
    }
    if (BSON_ITER_HOLDS_NUMBER(expected)) {
        return BSON_ITER_HOLDS_NUMBER(actual) &&
               bson_iter_as_int64(expected) == bson_iter_as_int64(actual);
    }
    if (bson_iter_type(expected) != bson_iter_type(actual)) {
        return false;
    }
    switch (bson_iter_type(expected)) {
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return match_document(expected, actual);
    case BSON_TYPE_UTF8:
        return strcmp(bson_iter_utf8(expected, NULL), bson_iter_utf8(actual, NULL)) == 0;
    case BSON_TYPE_BOOL:
        return bson_iter_bool(expected) == bson_iter_bool(actual);
    default:
        return false; /* the format has nothing else */
    }
}

/* MATCH of two whole documents. */
static bool match_whole(const bson_t *expected, const bson_t *actual)
{
    bson_t want = BSON_INITIALIZER, have = BSON_INITIALIZER;
    bson_iter_t want_iter, have_iter;
    bson_append_document(&want, "d", -1, expected);
    bson_append_document(&have, "d", -1, actual);
    bool matches = bson_iter_init_find(&want_iter, &want, "d") &&
                   bson_iter_init_find(&have_iter, &have, "d") &&
                   cmap_match(&want_iter, &have_iter);
    bson_destroy(&want);
    bson_destroy(&have);
    return matches;
}

/* ---- the verdict
 * ----------------------------------------------------------------------------------- */

static void judge_error(struct cmap_run *run)
{
    static const struct {
        enum gleaner_status status;
        const char *type, *message;
    } errors[] = {
        {GLEANER_E_CLOSED, "PoolClosedError",
         "Attempted to check out a connection from closed connection pool"},
        {GLEANER_E_TIMEOUT, "WaitQueueTimeoutError",
         "Timed out while checking out a connection from connection pool"},
        {GLEANER_E_DOWN, "PoolClearedError", "Connection pool was cleared or is paused"},
    };
    bson_t actual = BSON_INITIALIZER, expected;
    bson_iter_t iter;
    for (size_t i = 0; i < BASE_ARRAY_LEN(errors); i++) {
        if (errors[i].status == run->error) {
            bson_append_utf8(&actual, "type", -1, errors[i].type, -1);
            bson_append_utf8(&actual, "message", -1, errors[i].message, -1);
            bson_append_utf8(&actual, "address", -1, run->config.address, -1);
        }
    }
    bool is_expected = bson_iter_init_find(&iter, run->test, "error");
    bool is_good = run->error == GLEANER_OK;
    if (is_expected) {
        const uint8_t *data;
        uint32_t length;
        bson_iter_document(&iter, &length, &data);
        is_good = run->error != GLEANER_OK && bson_init_static(&expected, data, length) &&
                  match_whole(&expected, &actual);
    }
    if (!is_good) {
        snprintf(run->failure, sizeof(run->failure), "%s, but the main thread got: %s",
                 is_expected ? "an error was expected" : "no error was expected",
                 gleaner_status_name(run->error));
    }
    bson_destroy(&actual);
}

static bool is_ignored(const bson_t *test, const char *type)
{
    bson_iter_t list, item;
    if (!bson_iter_init_find(&list, test, "ignore") || !bson_iter_recurse(&list, &item)) {
        return false;
    }
    while (bson_iter_next(&item)) {
        if (strcmp(bson_iter_utf8(&item, NULL), type) == 0) {
            return true;
        }
    }
    return false;
}

static const bson_t *next_event(struct cmap_run *run, uint32_t *at)
{
    while (*at < run->event_count) {
        const bson_t *event = run->events[(*at)++];
        if (!is_ignored(run->test, cmap_utf8(event, "type"))) {
            return event;
        }
    }
    return NULL;
}

static void judge_events(struct cmap_run *run)
{
    bson_iter_t list, item;
    uint32_t at = 0, index = 0;
    bool has_events =
        bson_iter_init_find(&list, run->test, "events") && bson_iter_recurse(&list, &item);
    while (has_events && bson_iter_next(&item) && run->failure[0] == '\0') {
        const uint8_t *data;
        uint32_t length;
        bson_t expected;
        bson_iter_document(&item, &length, &data);
        bson_init_static(&expected, data, length);
        const bson_t *actual = next_event(run, &at);
        if (actual == NULL || !match_whole(&expected, actual)) {
            char *want = bson_as_relaxed_extended_json(&expected, NULL);
            char *have = actual == NULL ? NULL : bson_as_relaxed_extended_json(actual, NULL);
            snprintf(run->failure, sizeof(run->failure), "event %u: expected %s, got %s", index,
                     want, have == NULL ? "nothing" : have);
            bson_free(want);
            bson_free(have);
        }
        index++;
    }
}

void cmap_judge(struct cmap_run *run)
{
    sync_mutex_lock(run->mutex);
    if (run->failure[0] == '\0') {
        judge_error(run);
    }
    if (run->failure[0] == '\0') {
        judge_events(run);
    }
    sync_mutex_unlock(run->mutex);
}
