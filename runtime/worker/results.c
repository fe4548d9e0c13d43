/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `results` of a submission, made from the documents that the module emitted for it: what the
 * application's page shows is what was stored. Always the whole skeleton, since a missing array
 * makes a concurrent save of the application fail (reference/application.md).
 */
#include "worker_internal.h"

#include <string.h>

/* A submission has 16 MB for everything, its comments included. Text that is longer is cut here
 * (the content document has all of it), a list ends where it would pass this. */
enum { RESULTS_BYTES = 8 * 1024 * 1024, RESULTS_RESERVE = 4096 };

/* What the page of the application shows of an image or a video. */
static const char *const shown_fields[] = {"url", "embedUrl", "title", "metadata"};

static bool document_at(const struct batch *batch, size_t index, bson_t *out)
{
    const struct document_ref *ref = &batch->documents.refs[index];
    return bson_init_static(out, batch->documents.bytes + ref->offset, ref->len);
}

static size_t cut_at_character(const char *text, size_t len, size_t limit)
{
    if (len <= limit) {
        return len;
    }
    while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80) {
        limit--;
    }
    return limit;
}

/* The application's documents have their text in `content`, pages of a crawl in `text`. */
static void append_text(const struct worker *worker, bson_t *part)
{
    static const char *const names[] = {"content", "text"};
    const struct batch *batch = &worker->batch;
    const char *text = "";
    uint32_t len = 0;
    bson_t document;
    bson_iter_t field;
    bool has = batch->documents.count > worker->task.first_document &&
               document_at(batch, worker->task.first_document, &document);
    for (size_t i = 0; has && i < BASE_ARRAY_LEN(names); i++) {
        if (bson_iter_init_find(&field, &document, names[i]) && BSON_ITER_HOLDS_UTF8(&field)) {
            text = bson_iter_utf8(&field, &len);
            break;
        }
    }
    bson_append_utf8(part, "content", -1, text, (int)cut_at_character(text, len, RESULTS_BYTES));
}

static void append_item(const bson_t *document, bson_t *list, const char *index, int index_len)
{
    bson_t item;
    bson_iter_t field;
    bson_append_document_begin(list, index, index_len, &item);
    for (size_t i = 0; i < BASE_ARRAY_LEN(shown_fields); i++) {
        if (bson_iter_init_find(&field, document, shown_fields[i])) {
            bson_append_iter(&item, shown_fields[i], -1, &field);
        }
    }
    bson_append_document_end(list, &item);
}

static void append_list(const struct worker *worker, bson_t *part)
{
    const struct batch *batch = &worker->batch;
    size_t first = worker->task.first_document;
    bson_t list, document;
    bson_append_array_begin(part, "content", -1, &list);
    for (size_t i = first; i < batch->documents.count; i++) {
        char room[16];
        const char *index;
        int len = (int)bson_uint32_to_string((uint32_t)(i - first), &index, room, sizeof(room));
        if (list.len + batch->documents.refs[i].len + RESULTS_RESERVE > RESULTS_BYTES) {
            break;
        }
        if (document_at(batch, i, &document)) {
            append_item(&document, &list, index, len);
        }
    }
    bson_append_array_end(part, &list);
}

static void append_nothing(const char *kind, bson_t *part)
{
    bson_t list;
    if (strcmp(kind, "text") == 0) {
        BSON_APPEND_UTF8(part, "content", "");
        return;
    }
    bson_append_array_begin(part, "content", -1, &list);
    bson_append_array_end(part, &list);
}

void results_add(struct worker *worker, const struct held_job *held, struct store_outcome *outcome)
{
    static const char *const kinds[] = {"text", "image", "video"};
    bson_t results = BSON_INITIALIZER, part;
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        bool found = outcome->content_found && strcmp(kinds[i], held->job.type) == 0;
        bson_append_document_begin(&results, kinds[i], -1, &part);
        BSON_APPEND_BOOL(&part, "contentFound", found);
        if (!found) {
            append_nothing(kinds[i], &part);
        } else if (strcmp(kinds[i], "text") == 0) {
            append_text(worker, &part);
        } else {
            append_list(worker, &part);
        }
        bson_append_document_end(&results, &part);
    }
    uint8_t *copy = base_arena_alloc(&worker->batch.arena, results.len);
    if (copy != NULL) { /* without memory the store writes the empty skeleton */
        memcpy(copy, bson_get_data(&results), results.len);
        outcome->results = copy;
        outcome->results_len = results.len;
    }
    bson_destroy(&results);
}
