/* SPDX-License-Identifier: Apache-2.0 */
/* The thread's side: formatting and compressing happen here, outside the file's lock. */
#include "sink_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t sink_name_of_id(const uint8_t id[12])
{
    uint64_t name = base_hash64(id, 12);
    return name != 0 ? name : 1;
}

uint64_t sink_name_of_url(const char *url, size_t len)
{
    uint64_t name = base_hash64(url, len);
    return name != 0 ? name : 1;
}

enum gleaner_status sink_stage_create(struct sink *sink, struct sink_stage **out)
{
    struct sink_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL) {
        return GLEANER_E_NOMEM;
    }
    stage->sink = sink;
    *out = stage;
    return GLEANER_OK;
}

void sink_stage_destroy(struct sink_stage **stage)
{
    if (*stage != NULL) {
        base_buffer_fini(&(*stage)->bytes);
        free((*stage)->units);
        free(*stage);
        *stage = NULL;
    }
}

void sink_stage_drop_documents(struct sink_stage *stage)
{
    if (stage->sink->format != SINK_WARC) { /* those have nothing else */
        stage->count = 0;
        stage->bytes.len = 0;
    }
}

size_t sink_stage_bytes(const struct sink_stage *stage)
{
    return stage->bytes.len;
}

static bool make_room(struct sink_stage *stage)
{
    if (stage->count < stage->cap) {
        return true;
    }
    size_t cap = stage->cap > 0 ? 2 * stage->cap : 64;
    struct sink_unit *more = realloc(stage->units, cap * sizeof *more);
    if (more != NULL) {
        stage->units = more;
        stage->cap = cap;
    }
    return more != NULL;
}

/* What was appended from `start` on is one unit; what failed is taken back. */
static enum gleaner_status end_unit(struct sink_stage *stage, uint64_t name, size_t start,
                                    bool is_good)
{
    if (!is_good || stage->bytes.failed) {
        stage->bytes.len = start;
        stage->bytes.failed = false;
        return GLEANER_E_NOMEM;
    }
    stage->units[stage->count++] =
        (struct sink_unit){.name = name, .offset = start, .len = stage->bytes.len - start};
    return GLEANER_OK;
}

/* The first document of all decides the columns. */
static bool have_columns(struct sink *sink, const uint8_t id[12], const uint8_t *bson, uint32_t len)
{
    /* acquire: pairs with the release below; the columns are seen with it */
    if (atomic_load_explicit(&sink->has_columns, memory_order_acquire)) {
        return true;
    }
    sync_mutex_lock(sink->lock);
    bool is_good = atomic_load_explicit(&sink->has_columns, memory_order_relaxed);
    if (!is_good && sink_csv_header(&sink->csv, id, bson, len, &sink->csv_header)) {
        atomic_store_explicit(&sink->has_columns, true, memory_order_release);
        is_good = true;
    }
    sync_mutex_unlock(sink->lock);
    return is_good;
}

enum gleaner_status sink_stage_document(struct sink_stage *stage, const uint8_t id[12],
                                        const uint8_t *bson, uint32_t len)
{
    struct sink *sink = stage->sink;
    size_t start = stage->bytes.len;
    if (sink->format == SINK_WARC) {
        return GLEANER_OK;
    }
    if (!make_room(stage)) {
        return GLEANER_E_NOMEM;
    }
    bool is_good = sink->format == SINK_JSONL
                       ? sink_json(id, bson, len, &stage->bytes)
                       : have_columns(sink, id, bson, len) &&
                             sink_csv_row(&sink->csv, id, bson, len, &stage->bytes);
    return end_unit(stage, sink_name_of_id(id), start, is_good);
}

enum gleaner_status sink_stage_page(struct sink_stage *stage, const struct sink_page *page)
{
    size_t start = stage->bytes.len;
    if (stage->sink->format != SINK_WARC) {
        return GLEANER_OK;
    }
    if (!make_room(stage)) {
        return GLEANER_E_NOMEM;
    }
    bool is_good =
        sink_warc_page(page, stage->sink->request_headers, stage->sink->packing, &stage->bytes);
    return end_unit(stage, sink_name_of_url(page->url, strlen(page->url)), start, is_good);
}
