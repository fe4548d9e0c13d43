/* SPDX-License-Identifier: Apache-2.0 */
#include "search_internal.h"

#include "mongo.h"
#include <bson/bson.h>
#include <stdio.h>
#include <string.h>

#define CODE_NO_COLLECTION 26
#define CODE_NO_TEXT_INDEX 27
#define EXCERPT_BYTES 160
#define TITLE_WEIGHT 10

typedef enum gleaner_status (*on_client)(void *ctx, mongo_client *client, const char *database,
                                         struct mongo_error *error);

/* One operation on a lent client. */
static enum gleaner_status with_client(struct gleaner_db *db, const char *database,
                                       uint32_t timeout_ms, on_client operation, void *ctx,
                                       const char *collection, struct base_error *error)
{
    struct gleaner_client client;
    struct mongo_error why = {0};
    enum gleaner_status status = gleaner_db_check_out(db, timeout_ms, &client);
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "MongoDB: no client could be had: %s",
                              gleaner_status_name(status));
    }
    status = operation(ctx, client.client, database != NULL ? database : client.database, &why);
    bson_error_t driver_error = {.domain = why.domain, .code = why.code};
    bool failed = status != GLEANER_OK && why.domain != 0;
    (void)gleaner_db_check_in(db, &client, failed ? &driver_error : NULL);
    if (status == GLEANER_OK) {
        return GLEANER_OK;
    }
    if (why.code == CODE_NO_TEXT_INDEX || why.code == CODE_NO_COLLECTION) {
        return base_error_set(error, GLEANER_E_NOT_FOUND,
                              "collection %s has no text index; gleaner search --make-index makes "
                              "one (each later write pays for it)",
                              collection);
    }
    return base_error_set(error, status, "search in %s: %s", collection, why.message);
}

/* ---- asking ---- */

struct asking {
    const struct search_options *options;
    uint32_t timeout_ms;
    const char *query;
    search_row row;
    void *ctx;
    struct base_buffer excerpt;
    char first[64]; /* a word of the question: excerpts are around it */
};

static const char *text_of(const bson_t *document, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, name) && BSON_ITER_HOLDS_UTF8(&at)
               ? bson_iter_utf8(&at, NULL)
               : "";
}

static bool is_inside_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Some bytes around the first word, from character to character, in one line. */
static void set_excerpt(struct asking *a, const bson_t *document)
{
    base_buffer_reset(&a->excerpt, 4096);
    for (size_t i = 0; i < SEARCH_BODY_FIELDS; i++) {
        const char *text = text_of(document, search_body_fields[i]);
        const char *hit = text[0] != '\0' ? strcasestr(text, a->first) : NULL;
        if (hit == NULL) {
            continue;
        }
        const char *begin = hit - text > EXCERPT_BYTES / 2 ? hit - EXCERPT_BYTES / 2 : text;
        while (is_inside_character(*begin)) {
            begin++;
        }
        size_t len = strnlen(begin, EXCERPT_BYTES);
        while (len > 0 && is_inside_character(begin[len])) {
            len--;
        }
        for (size_t k = 0; k < len; k++) {
            base_buffer_append_char(&a->excerpt, (unsigned char)begin[k] < ' ' ? ' ' : begin[k]);
        }
        break;
    }
    base_buffer_append_char(&a->excerpt, '\0');
}

static bool hit_row(void *ctx, const bson_t *document)
{
    struct asking *a = ctx;
    bson_iter_t at;
    char id[25] = "";
    if (bson_iter_init_find(&at, document, "_id") && BSON_ITER_HOLDS_OID(&at)) {
        bson_oid_to_string(bson_iter_oid(&at), id);
    }
    const char *url = text_of(document, "url");
    set_excerpt(a, document);
    const struct search_hit hit = {
        .id = id,
        .url = url[0] != '\0' ? url : text_of(document, "filePath"),
        .title = text_of(document, "title"),
        .excerpt = a->excerpt.failed ? "" : a->excerpt.data,
        .score = bson_iter_init_find(&at, document, "score") ? bson_iter_as_double(&at) : 0,
    };
    return a->row(a->ctx, &hit);
}

static void append_score(bson_t *parent, const char *name)
{
    bson_t outer, inner;
    BSON_APPEND_DOCUMENT_BEGIN(parent, name, &outer);
    BSON_APPEND_DOCUMENT_BEGIN(&outer, "score", &inner);
    BSON_APPEND_UTF8(&inner, "$meta", "textScore");
    bson_append_document_end(&outer, &inner);
    bson_append_document_end(parent, &outer);
}

static enum gleaner_status find(void *ctx, mongo_client *client, const char *database,
                                struct mongo_error *error)
{
    struct asking *a = ctx;
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER, text;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "$text", &text);
    BSON_APPEND_UTF8(&text, "$search", a->query);
    bson_append_document_end(&filter, &text);
    append_score(&opts, "projection");
    append_score(&opts, "sort");
    BSON_APPEND_INT64(&opts, "limit", a->options->limit);
    BSON_APPEND_INT64(&opts, "maxTimeMS", a->timeout_ms);
    enum gleaner_status status =
        mongo_find(client, database, a->options->collection, &filter, &opts, hit_row, a, error);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return status;
}

enum gleaner_status search_server(struct gleaner_db *db, const char *database,
                                  const struct search_options *options, uint32_t timeout_ms,
                                  search_row row, void *ctx, struct base_error *error)
{
    struct base_buffer query = {0};
    enum gleaner_status status = search_query(options->query, SEARCH_MONGODB, &query, error);
    if (status == GLEANER_OK) {
        struct asking asking = {.options = options,
                                .timeout_ms = timeout_ms,
                                .query = query.data,
                                .row = row,
                                .ctx = ctx};
        size_t len = strcspn(query.data + 1, "\"");
        (void)snprintf(asking.first, sizeof asking.first, "%.*s", (int)len, query.data + 1);
        status = with_client(db, database, timeout_ms, find, &asking, options->collection, error);
        base_buffer_fini(&asking.excerpt);
    }
    base_buffer_fini(&query);
    return status;
}

/* ---- the index ---- */

/* Our documents have a field `language` with values such as en-GB, or null: by default MongoDB
 * would take it for the name of a stemmer and refuse every such write. So another name, and no
 * stemming: then words mean the same as in the embedded store. */
static void describe_index(bson_t *index)
{
    bson_t keys, weights;
    BSON_APPEND_DOCUMENT_BEGIN(index, "key", &keys);
    BSON_APPEND_UTF8(&keys, "title", "text");
    for (size_t i = 0; i < SEARCH_BODY_FIELDS; i++) {
        BSON_APPEND_UTF8(&keys, search_body_fields[i], "text");
    }
    for (size_t i = 0; i < SEARCH_META_FIELDS; i++) {
        BSON_APPEND_UTF8(&keys, search_meta_fields[i], "text");
    }
    bson_append_document_end(index, &keys);
    BSON_APPEND_UTF8(index, "name", SEARCH_INDEX_NAME);
    BSON_APPEND_DOCUMENT_BEGIN(index, "weights", &weights);
    BSON_APPEND_INT32(&weights, "title", TITLE_WEIGHT);
    bson_append_document_end(index, &weights);
    BSON_APPEND_UTF8(index, "default_language", "none");
    BSON_APPEND_UTF8(index, "language_override", "gleaner_text_language");
}

static enum gleaner_status create_index(void *ctx, mongo_client *client, const char *database,
                                        struct mongo_error *error)
{
    bson_t command = BSON_INITIALIZER, indexes, index, reply;
    BSON_APPEND_UTF8(&command, "createIndexes", (const char *)ctx);
    BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &indexes);
    BSON_APPEND_DOCUMENT_BEGIN(&indexes, "0", &index);
    describe_index(&index);
    bson_append_document_end(&indexes, &index);
    bson_append_array_end(&command, &indexes);
    enum gleaner_status status =
        mongo_command(client, database, MONGO_WRITE, &command, &reply, error);
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status search_server_index(struct gleaner_db *db, const char *database,
                                        const char *collection, uint32_t timeout_ms,
                                        struct base_error *error)
{
    return with_client(db, database, timeout_ms, create_index, (void *)(uintptr_t)collection,
                       collection, error);
}
