/* SPDX-License-Identifier: Apache-2.0 */
/* The document services of the host: BSON is appended straight to the batch's buffer. */
#include "document.h"
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    DOCUMENT_MAX_BYTES = 16 * 1024 * 1024 - 4096,
    PAGE_MAX_BYTES =
        256 * 1024 * 1024, /* of all documents of one page: a module must not eat all */
    KEEP_BYTES = 4 * 1024 * 1024,
    ROOM_TO_BEGIN = 64, /* the writer itself does not survive a failing realloc when it begins */
    FIELD_OVERHEAD = 16 /* type, NUL, length, value of fixed size */
};

static void *grow(void *memory, size_t bytes, void *ctx)
{
    (void)ctx;
    return realloc(memory, bytes);
}

/* Documents are written behind `offset`; what is there is thrown away. */
static void open_writer(struct document_list *list)
{
    if (list->writer != NULL) {
        bson_writer_destroy(list->writer);
    }
    list->writer = bson_writer_new(&list->bytes, &list->bytes_len, list->offset, grow, NULL);
}

void document_list_init(struct document_list *list)
{
    *list = (struct document_list){0};
    open_writer(list);
}

void document_list_fini(struct document_list *list)
{
    if (list->writer != NULL) {
        bson_writer_destroy(list->writer);
    }
    free(list->bytes);
    free(list->refs);
    base_buffer_fini(&list->names);
    *list = (struct document_list){0};
}

void document_list_reset(struct document_list *list)
{
    if (list->bytes_len > KEEP_BYTES) {
        free(list->bytes);
        list->bytes = NULL;
        list->bytes_len = 0;
    }
    list->count = 0;
    list->offset = 0;
    base_buffer_reset(&list->names, 65536);
    open_writer(list);
}

void document_list_truncate(struct document_list *list, size_t first)
{
    if (first < list->count) {
        list->count = first;
        list->offset = list->refs[first].offset;
        list->names.len = list->refs[first].collection; /* its first name */
        open_writer(list);
    }
}

static bool make_room_for(struct document_list *list, size_t more)
{
    size_t needed = list->offset + more;
    if (needed <= list->bytes_len) {
        return true;
    }
    size_t len = needed > 2 * list->bytes_len ? needed : 2 * list->bytes_len;
    uint8_t *bytes = realloc(list->bytes, len);
    if (bytes != NULL) {
        list->bytes = bytes;
        list->bytes_len = len;
    }
    return bytes != NULL;
}

static bool make_room(struct document_list *list)
{
    return make_room_for(list, ROOM_TO_BEGIN);
}

static void put_len(uint8_t *bson, uint32_t len)
{
    for (int i = 0; i < 4; i++) {
        bson[i] = (uint8_t)(len >> (8 * i));
    }
}

/* The fields go before its last byte; whatever documents are behind it move on. */
void document_extend(struct document_list *list, size_t index, const bson_t *more)
{
    struct document_ref *ref = &list->refs[index];
    size_t end = ref->offset + ref->len - 1;
    uint32_t added = more->len - 5; /* without length and last byte */
    if (ref->len + added > DOCUMENT_MAX_BYTES || !make_room_for(list, added)) {
        return;
    }
    memmove(list->bytes + end + added, list->bytes + end, list->offset - end);
    memcpy(list->bytes + end, bson_get_data(more) + 4, added);
    ref->len += added;
    put_len(list->bytes + ref->offset, ref->len);
    for (size_t i = index + 1; i < list->count; i++) {
        list->refs[i].offset += added;
    }
    list->offset += added;
    open_writer(list);
}

static struct document_ref *new_ref(struct document_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 128;
        struct document_ref *refs = realloc(list->refs, cap * sizeof(*refs));
        if (refs == NULL) {
            return NULL;
        }
        list->refs = refs;
        list->cap = cap;
    }
    return &list->refs[list->count];
}

static size_t keep_name(struct document_list *list, const char *text, size_t len)
{
    size_t at = list->names.len;
    base_buffer_append(&list->names, text, len);
    base_buffer_append_char(&list->names, '\0');
    return at;
}

static struct document_list *documents_of(struct gleaner_task *task)
{
    return &task->worker->batch.documents;
}

enum gleaner_status document_begin(struct gleaner_task *task, const char *collection,
                                   const char *key, size_t key_len)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct document_list *list = documents_of(task);
    const char *target = collection ? collection : task->worker->group->options.collection;

    if (task->levels[0] != NULL) {
        return GLEANER_E_BUSY;
    }
    if (!make_room(list) || !bson_writer_begin(list->writer, &task->levels[0])) {
        task->levels[0] = NULL;
        return GLEANER_E_NOMEM;
    }
    task->depth = 0;
    task->is_array[0] = false;
    task->document_status = GLEANER_OK;
    task->document_bytes = 0;
    task->pending = (struct document_ref){.collection = keep_name(list, target, strlen(target)),
                                          .url = SIZE_MAX};
    store_document_id(target, key, key_len, task->pending.id);
    return GLEANER_OK;
}

/* Where the next field goes and under which name: inside an array the index is the name. */
struct field_place {
    bson_t *into;
    const char *name;
    int name_len;
    char index[16];
};

/* The first thing that is wrong with the open document decides what its commit says. */
static void spoil(struct gleaner_task *task, enum gleaner_status status)
{
    if (task->document_status == GLEANER_OK) {
        task->document_status = status;
    }
}

static void note(struct gleaner_task *task, bool appended)
{
    if (!appended) {
        spoil(task, GLEANER_E_NOMEM);
    }
}

/* `value_bytes` count before they are appended: a module that goes on and on must not fill the
 * memory until its commit is refused. */
static bool place_field(struct gleaner_task *task, const char *name, size_t value_bytes,
                        struct field_place *place)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->levels[0] == NULL || task->document_status != GLEANER_OK) {
        return false;
    }
    place->into = task->levels[task->depth];
    if (task->is_array[task->depth]) {
        place->name_len = (int)bson_uint32_to_string(task->array_index[task->depth]++, &place->name,
                                                     place->index, sizeof(place->index));
    } else if (name == NULL || strlen(name) > DOCUMENT_MAX_BYTES) {
        spoil(task, GLEANER_E_INVALID);
        return false;
    } else {
        place->name = name;
        place->name_len = (int)strlen(name);
    }
    task->document_bytes += (size_t)place->name_len + FIELD_OVERHEAD + value_bytes;
    if (task->document_bytes > DOCUMENT_MAX_BYTES) {
        spoil(task, GLEANER_E_LIMIT);
    }
    return task->document_status == GLEANER_OK;
}

/* Every byte that is not UTF-8 becomes U+FFFD: one bad string would fail a whole batch at the
 * server. */
static struct base_slice repair(struct gleaner_task *task, const char *text, size_t len)
{
    if (base_utf8_valid(text, len)) {
        return (struct base_slice){text, len};
    }
    base_buffer_reset(&task->repaired, 65536);
    for (size_t i = 0; i < len;) {
        size_t step = 1;
        while (step <= 4 && i + step <= len && !base_utf8_valid(text + i, step)) {
            step++;
        }
        if (step <= 4 && i + step <= len) {
            base_buffer_append(&task->repaired, text + i, step);
            i += step;
        } else {
            base_buffer_append(&task->repaired, "\xEF\xBF\xBD", 3);
            i++;
        }
    }
    if (task->repaired.failed) {
        return (struct base_slice){NULL, 0};
    }
    return (struct base_slice){task->repaired.data, task->repaired.len};
}

void document_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    struct field_place place;
    if (len > DOCUMENT_MAX_BYTES) {
        spoil(task, GLEANER_E_LIMIT);
        return;
    }
    struct base_slice clean = repair(task, text, len);
    if (clean.data == NULL && clean.len < len) {
        spoil(task, GLEANER_E_NOMEM);
        return;
    }
    if (!place_field(task, name, clean.len, &place)) {
        return;
    }
    note(task, bson_append_utf8(place.into, place.name, place.name_len,
                                clean.data ? clean.data : "", (int)clean.len));
    if (task->depth == 0 && strcmp(place.name, "url") == 0) {
        task->pending.url = keep_name(documents_of(task), clean.data, clean.len);
    }
}

void document_int(struct gleaner_task *task, const char *name, int64_t value)
{
    struct field_place place;
    if (!place_field(task, name, 0, &place)) {
        return;
    }
    note(task, value >= INT32_MIN && value <= INT32_MAX
                   ? bson_append_int32(place.into, place.name, place.name_len, (int32_t)value)
                   : bson_append_int64(place.into, place.name, place.name_len, value));
}

void document_bool(struct gleaner_task *task, const char *name, bool value)
{
    struct field_place place;
    if (place_field(task, name, 0, &place)) {
        note(task, bson_append_bool(place.into, place.name, place.name_len, value));
    }
}

void document_date(struct gleaner_task *task, const char *name, int64_t ms_since_1970)
{
    struct field_place place;
    if (place_field(task, name, 0, &place)) {
        note(task, bson_append_date_time(place.into, place.name, place.name_len, ms_since_1970));
    }
}

void document_null(struct gleaner_task *task, const char *name)
{
    struct field_place place;
    if (place_field(task, name, 0, &place)) {
        note(task, bson_append_null(place.into, place.name, place.name_len));
    }
}

void document_open(struct gleaner_task *task, const char *name, bool is_array)
{
    struct field_place place;
    if (!place_field(task, name, 0, &place)) {
        return;
    }
    if (task->depth + 1 == DOCUMENT_MAX_DEPTH) {
        spoil(task, GLEANER_E_LIMIT);
        return;
    }
    bson_t *child = &task->children[task->depth + 1];
    bool opened = is_array
                      ? bson_append_array_begin(place.into, place.name, place.name_len, child)
                      : bson_append_document_begin(place.into, place.name, place.name_len, child);
    if (!opened) {
        spoil(task, GLEANER_E_NOMEM);
        return;
    }
    task->depth++;
    task->levels[task->depth] = child;
    task->is_array[task->depth] = is_array;
    task->array_index[task->depth] = 0;
}

static void close_level(struct gleaner_task *task)
{
    bson_t *parent = task->levels[task->depth - 1];
    bson_t *child = task->levels[task->depth];
    note(task, task->is_array[task->depth] ? bson_append_array_end(parent, child)
                                           : bson_append_document_end(parent, child));
    task->depth--;
}

void document_close(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->levels[0] != NULL && task->depth > 0) {
        close_level(task);
    }
}

void document_abort(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    if (task->levels[0] == NULL) {
        return;
    }
    while (task->depth > 0) {
        close_level(task);
    }
    struct document_list *list = documents_of(task);
    bson_writer_rollback(list->writer);
    list->names.len = task->pending.collection;
    list->names.failed = false;
    task->levels[0] = NULL;
}

static enum gleaner_status judge_document(struct gleaner_task *task)
{
    struct document_list *list = documents_of(task);
    uint32_t len = task->levels[0]->len;
    if (list->names.failed) {
        spoil(task, GLEANER_E_NOMEM);
    }
    if (len > DOCUMENT_MAX_BYTES || list->offset + len - task->first_offset > PAGE_MAX_BYTES) {
        spoil(task, GLEANER_E_LIMIT);
    }
    return task->document_status;
}

enum gleaner_status document_commit(struct gleaner_task *task)
{
    BASE_CHECK_MAGIC(task, TASK_MAGIC);
    struct document_list *list = documents_of(task);
    if (task->levels[0] == NULL) {
        return GLEANER_E_INVALID;
    }
    while (task->depth > 0) {
        close_level(task);
    }
    enum gleaner_status status = judge_document(task);
    struct document_ref *ref = status == GLEANER_OK ? new_ref(list) : NULL;
    if (ref == NULL) {
        document_abort(task);
        return status != GLEANER_OK ? status : GLEANER_E_NOMEM;
    }
    task->pending.len = task->levels[0]->len;
    task->pending.offset = list->offset;
    bson_writer_end(list->writer);
    list->offset += task->pending.len;
    *ref = task->pending;
    list->count++;
    task->levels[0] = NULL;
    return GLEANER_OK;
}

void document_task_reset(struct gleaner_task *task)
{
    document_abort(task);
    host_fetch_reset(task, false);
    task->first_document = documents_of(task)->count;
    task->first_offset = documents_of(task)->offset;
    base_buffer_reset(&task->links, 1 << 20);
    base_buffer_reset(&task->last_message, 4096);
    task->noindex = task->nofollow = task->has_found = task->found = false;
}
