/* SPDX-License-Identifier: Apache-2.0 */
/* Scans and searches, one after the other. */
#include "search.h"
#include "stdio_station.h"
#include <string.h>

#define CONTENT_COLLECTION "bambicontents"
#define SEARCH_HITS 20

static void scan(struct station *station, struct request *request)
{
    uint64_t files = 0, found = 0;
    struct base_error error = {0};
    if (scanning_run(station->work, request->text, &files, &found, &error) != GLEANER_OK) {
        station_refuse(station, request, error.message);
        return;
    }
    bson_t content = BSON_INITIALIZER, object;
    bson_iter_t value;
    BSON_APPEND_DOCUMENT_BEGIN(&content, "content", &object);
    BSON_APPEND_INT64(&object, "files", (int64_t)files);
    BSON_APPEND_INT64(&object, "stored", (int64_t)found);
    bson_append_document_end(&content, &object);
    bool has = bson_iter_init_find(&value, &content, "content");
    station_answer(station, request,
                   &(struct reply){.success = true,
                                   .found = found > 0,
                                   .message = "directory scanned",
                                   .content = has ? &value : NULL});
    bson_destroy(&content);
}

struct hits {
    bson_t list;
    uint32_t count;
};

static bool add_hit(void *ctx, const struct search_hit *hit)
{
    struct hits *hits = ctx;
    char room[16];
    const char *index;
    bson_t item;
    size_t len = bson_uint32_to_string(hits->count++, &index, room, sizeof room);
    bson_append_document_begin(&hits->list, index, (int)len, &item);
    const struct {
        const char *name, *text;
    } fields[] = {
        {"id", hit->id}, {"url", hit->url}, {"title", hit->title}, {"excerpt", hit->excerpt}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(fields); i++) {
        bool is_sound = bson_utf8_validate(fields[i].text, strlen(fields[i].text), false);
        BSON_APPEND_UTF8(&item, fields[i].name, is_sound ? fields[i].text : "");
    }
    BSON_APPEND_DOUBLE(&item, "score", hit->score);
    bson_append_document_end(&hits->list, &item);
    return true;
}

static enum gleaner_status search_store(struct work *work, const char *query, struct hits *hits,
                                        struct base_error *error)
{
    const struct settings *s = work->settings;
    bool is_given = settings_is_given(s, &s->collection);
    const struct search_options options = {
        .query = query,
        .collection = is_given ? s->collection : CONTENT_COLLECTION,
        .limit = SEARCH_HITS,
    };
    if (work->db == NULL) {
        return search_embedded(work->local, work->data, &options, add_hit, hits, error);
    }
    return search_server(work->db, s->database, &options, (uint32_t)s->operation_ms, add_hit, hits,
                         error);
}

static void search(struct station *station, struct request *request)
{
    bson_t content = BSON_INITIALIZER;
    bson_iter_t value;
    struct hits hits = {.count = 0};
    struct base_error error = {0};
    bson_append_array_begin(&content, "content", -1, &hits.list);
    enum gleaner_status status = search_store(station->work, request->text, &hits, &error);
    bson_append_array_end(&content, &hits.list);
    bool has = bson_iter_init_find(&value, &content, "content");
    if (status != GLEANER_OK) {
        station_refuse(station, request, error.message);
    } else {
        station_answer(station, request,
                       &(struct reply){.success = true,
                                       .found = hits.count > 0,
                                       .message = "searched",
                                       .content = has ? &value : NULL});
    }
    bson_destroy(&content);
}

void station_run_errands(void *arg)
{
    struct station *station = arg;
    void *item = NULL;
    while (sync_ring_pop(station->errands, &item, BASE_NO_DEADLINE) == GLEANER_OK) {
        struct request *request = item;
        (request->kind == REQUEST_SCAN ? scan : search)(station, request);
    }
}
