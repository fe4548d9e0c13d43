/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on jobs have in common: ids, filters, expressions, reading a job back. */
#include "store_mongo_internal.h"

#include <ctype.h>
#include <string.h>

/* ---- pieces of commands ---- */

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void store_mongo_job_id(const struct mongo_queue *queue, const char *id, uint64_t key,
                        bson_oid_t *out)
{
    bool hex = id != NULL && strlen(id) == 24;
    for (int i = 0; hex && i < 12; i++) {
        int high = nibble(id[2 * i]), low = nibble(id[2 * i + 1]);
        hex = high >= 0 && low >= 0;
        out->bytes[i] = (uint8_t)(hex ? high * 16 + low : 0);
    }
    if (!hex) {
        store_document_id(queue->name, (const char *)&key, sizeof key, out->bytes);
    }
}

void store_mongo_append_open(const struct mongo_queue *queue, bson_t *filter)
{
    if (!queue->submissions) {
        BSON_APPEND_UTF8(filter, "q", queue->name);
    }
    BSON_APPEND_UTF8(filter, queue->layout->state, queue->layout->open);
}

void store_mongo_append_path(bson_t *parent, const char *key, const char *path)
{
    char text[STORE_MONGO_PATH_MAX];
    snprintf(text, sizeof text, "$%s", path);
    BSON_APPEND_UTF8(parent, key, text);
}

/* In $expr a missing field sorts before every date, so a submission that the application has just
 * inserted is due, and the index on the field still serves (explained on 6.0.5: bounds from MinKey
 * to now). */
void store_mongo_append_due(const struct mongo_queue *queue, bson_t *filter)
{
    bson_t expr, pair;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "$expr", &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$lte", &pair);
    store_mongo_append_path(&pair, "0", queue->layout->due);
    BSON_APPEND_UTF8(&pair, "1", "$$NOW");
    bson_append_array_end(&expr, &pair);
    bson_append_document_end(filter, &expr);
}

void store_mongo_append_later(bson_t *set, const char *key, uint64_t ms)
{
    bson_t expr, terms;
    BSON_APPEND_DOCUMENT_BEGIN(set, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$add", &terms);
    BSON_APPEND_UTF8(&terms, "0", "$$NOW");
    BSON_APPEND_INT64(&terms, "1", (int64_t)ms);
    bson_append_array_end(&expr, &terms);
    bson_append_document_end(set, &expr);
}

static void append_or_zero(bson_t *parent, const char *key, const char *path)
{
    bson_t expr, terms;
    BSON_APPEND_DOCUMENT_BEGIN(parent, key, &expr);
    BSON_APPEND_ARRAY_BEGIN(&expr, "$ifNull", &terms);
    store_mongo_append_path(&terms, "0", path);
    BSON_APPEND_INT32(&terms, "1", 0);
    bson_append_array_end(&expr, &terms);
    bson_append_document_end(parent, &expr);
}

void store_mongo_append_plus(bson_t *set, const char *path, int32_t by)
{
    bson_t largest, limits, sum, terms;
    BSON_APPEND_DOCUMENT_BEGIN(set, path, &largest);
    BSON_APPEND_ARRAY_BEGIN(&largest, "$max", &limits);
    BSON_APPEND_INT32(&limits, "0", 0);
    BSON_APPEND_DOCUMENT_BEGIN(&limits, "1", &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    append_or_zero(&terms, "0", path);
    BSON_APPEND_INT32(&terms, "1", by);
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(&limits, &sum);
    bson_append_array_end(&largest, &limits);
    bson_append_document_end(set, &largest);
}

/* ---- reading a job ---- */

static uint32_t count_at(const bson_t *document, const char *path)
{
    int64_t value = store_mongo_number(document, path);
    return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* Politeness key of a URL that we did not normalise: scheme://authority in lower case, no user. */
static const char *origin_of(const char *url, struct base_arena *scratch)
{
    const char *authority = strstr(url, "://");
    if (authority == NULL) {
        return "";
    }
    authority += 3;
    size_t scheme_len = (size_t)(authority - url);
    size_t len = strcspn(authority, "/?#\\");
    for (size_t i = len; i > 0; i--) {
        if (authority[i - 1] == '@') {
            authority += i;
            len -= i;
            break;
        }
    }
    char *origin = base_arena_alloc(scratch, scheme_len + len + 1);
    if (origin == NULL) {
        return "";
    }
    memcpy(origin, url, scheme_len);
    memcpy(origin + scheme_len, authority, len);
    origin[scheme_len + len] = '\0';
    for (char *c = origin; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return origin;
}

/* As queue_key_of_submission(): type NUL url. */
static uint64_t submission_key(const char *type, const char *url, struct base_arena *scratch)
{
    size_t type_len = strlen(type) + 1, url_len = strlen(url);
    char *joined = base_arena_alloc(scratch, type_len + url_len);
    if (joined == NULL) {
        return 0;
    }
    memcpy(joined, type, type_len);
    memcpy(joined + type_len, url, url_len);
    return base_hash64(joined, type_len + url_len);
}

void store_mongo_read_job(const struct mongo_queue *queue, const bson_t *document,
                          struct store_job *job, struct base_arena *scratch)
{
    const struct job_layout *layout = queue->layout;
    bson_iter_t iter;
    memset(job, 0, sizeof *job);
    job->url = store_mongo_text(document, "url");
    job->type = store_mongo_text(document, "type");
    job->priority = count_at(document, layout->priority);
    job->deliveries = count_at(document, layout->deliveries);
    job->attempts = count_at(document, layout->attempts);
    int64_t token = store_mongo_number(document, layout->token);
    job->token = (uint64_t)(token < 0 ? -token : token);
    if (!queue->submissions) {
        job->key = (uint64_t)store_mongo_number(document, "k");
        job->host = store_mongo_text(document, "host");
        job->via = store_mongo_text(document, "via");
        job->depth = count_at(document, "depth");
        return;
    }
    if (job->type[0] == '\0') {
        job->type = store_mongo_text(document, "scrapeType"); /* older submissions */
    }
    job->via = "";
    job->host = origin_of(job->url, scratch);
    job->key = submission_key(job->type, job->url, scratch);
    if (bson_iter_init_find(&iter, document, "_id") && BSON_ITER_HOLDS_OID(&iter)) {
        bson_oid_to_string(bson_iter_oid(&iter), job->id);
    }
}

/* ---- results of a submission ---- */

const char *const store_mongo_result_types[STORE_MONGO_RESULT_PARTS] = {"text", "image", "video"};

void store_mongo_append_empty_result(bson_t *results, const char *type)
{
    bson_t part, list;
    BSON_APPEND_DOCUMENT_BEGIN(results, type, &part);
    BSON_APPEND_BOOL(&part, "contentFound", false);
    if (strcmp(type, "text") == 0) {
        BSON_APPEND_UTF8(&part, "content", "");
    } else {
        BSON_APPEND_ARRAY_BEGIN(&part, "content", &list);
        bson_append_array_end(&part, &list);
    }
    bson_append_document_end(results, &part);
}
