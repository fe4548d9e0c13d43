/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that are stored already. What a page can be asked for again with stands in its own
 * document, as the field `revisit`, so that it is never there without the page, nor the page
 * without it:
 *
 *   by             hash of what made the document: module, version, settings. A page that another
 *                  one made is fetched whole.
 *   etag, last_modified
 *                  as the server sent them; not of an answer that is not to be kept (no-store).
 *   links          the links that were followed, if these are not the document's own `links`
 *                  (nofollow).
 *
 * Before the jobs of a claim are submitted, all their documents are looked up at once. A page that
 * has not changed (304), or is too young to be asked for, leads where its document says.
 */
#include "worker_internal.h"

#include <string.h>

enum { VALIDATOR_MAX = 1024, LINKS_MAX = 1 << 20 };

#define FIELD "revisit"
#define FETCHED_AT "fetched_at"

static const char *const looked_up[] = {FIELD, FETCHED_AT, NULL};
static const char *const followed[] = {FIELD, "links", NULL};

/* ---- what made a document ---- */

static uint64_t maker_of(const struct worker_group *group, const struct gleaner_module *module)
{
    struct {
        uint64_t name, version, settings, markdown;
    } all = {base_hash64(module->name, strlen(module->name)),
             base_hash64(module->version, strlen(module->version)), group->options.settings_hash,
             group->options.markdown};
    return base_hash64(&all, sizeof all);
}

/* ---- looking up ---- */

static bool note_any(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    (void)collection;
    (void)bson;
    (void)len;
    *(bool *)ctx = true;
    return false;
}

/* A first crawl looks nothing up. When the store cannot tell, the next claim asks again. */
static bool is_anything_stored(struct worker_group *group)
{
    bool any = false;
    struct base_error error = {0};
    if (group->stored != STORED_UNKNOWN) {
        return group->stored == STORED_SOME;
    }
    struct store *store = store_of_queue(queue_store(group->options.queue));
    if (store_documents_get(store, group->options.collection, NULL, 1, looked_up, note_any, &any,
                            &error) == GLEANER_OK) {
        group->stored = any ? STORED_SOME : STORED_NOTHING;
    }
    return any;
}

static bool finds(const bson_t *document, const char *name, bson_type_t type, bson_iter_t *out)
{
    return bson_iter_init_find(out, document, name) && bson_iter_type(out) == type;
}

static bool find_field(const bson_t *document, bson_t *out)
{
    bson_iter_t at;
    const uint8_t *data;
    uint32_t len;
    if (!finds(document, FIELD, BSON_TYPE_DOCUMENT, &at)) {
        return false;
    }
    bson_iter_document(&at, &len, &data);
    return bson_init_static(out, data, len);
}

static const char *copy_text(struct base_arena *arena, const bson_t *from, const char *name)
{
    bson_iter_t at;
    uint32_t len;
    if (!finds(from, name, BSON_TYPE_UTF8, &at)) {
        return NULL;
    }
    const char *text = bson_iter_utf8(&at, &len);
    return base_arena_strndup(arena, text, len);
}

static struct visit *find_visit(struct visits *visits, const bson_t *document)
{
    bson_iter_t at;
    if (!finds(document, "_id", BSON_TYPE_OID, &at)) {
        return NULL;
    }
    const bson_oid_t *id = bson_iter_oid(&at);
    for (size_t i = 0; i < visits->count; i++) {
        if (memcmp(visits->ids[i], id->bytes, STORE_ID_BYTES) == 0) {
            return &visits->visits[i];
        }
    }
    return NULL;
}

static bool read_visit(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct visits *visits = ctx;
    bson_t document, field;
    bson_iter_t at;
    (void)collection;
    struct visit *visit =
        bson_init_static(&document, bson, len) ? find_visit(visits, &document) : NULL;
    if (visit == NULL) {
        return true;
    }
    visit->is_stored = true;
    if (finds(&document, FETCHED_AT, BSON_TYPE_DATE_TIME, &at)) {
        visit->fetched_at_ms = bson_iter_date_time(&at);
    }
    if (find_field(&document, &field)) {
        visit->made_by =
            finds(&field, "by", BSON_TYPE_INT64, &at) ? (uint64_t)bson_iter_int64(&at) : 0;
        visit->etag = copy_text(&visits->arena, &field, "etag");
        visit->last_modified = copy_text(&visits->arena, &field, "last_modified");
    }
    return true;
}

static bool make_room(struct visits *visits, size_t count)
{
    base_arena_reset(&visits->arena);
    visits->count = 0;
    visits->visits = base_arena_alloc(&visits->arena, count * sizeof *visits->visits);
    visits->ids = base_arena_alloc(&visits->arena, count * sizeof *visits->ids);
    if (visits->visits == NULL || visits->ids == NULL) {
        return false;
    }
    memset(visits->visits, 0, count * sizeof *visits->visits);
    visits->count = count;
    return true;
}

/* Without an answer everything is fetched whole: more work, nothing wrong. */
void revisit_look(struct worker *worker)
{
    struct worker_group *group = worker->group;
    struct visits *visits = &worker->visits;
    struct base_error error = {0};
    const char *collection = group->options.collection;
    visits->count = 0;
    if (!group->options.is_crawl || group->options.revisit == WORKER_REVISIT_ALWAYS ||
        worker->claimed.count == 0 || !is_anything_stored(group) ||
        !make_room(visits, worker->claimed.count)) {
        return;
    }
    for (size_t i = 0; i < visits->count; i++) {
        const char *url = worker->claimed.jobs[i].url;
        store_document_id(collection, url, strlen(url), visits->ids[i]);
    }
    struct store *store = store_of_queue(queue_store(group->options.queue));
    enum gleaner_status status =
        store_documents_get(store, collection, (const uint8_t(*)[STORE_ID_BYTES])visits->ids,
                            visits->count, looked_up, read_visit, visits, &error);
    if (status != GLEANER_OK) {
        base_log_debug("worker", "event=stored_pages_not_found reason=\"%s\"", error.message);
    }
}

/* ---- what becomes of a job ---- */

static bool is_made_alike(const struct worker_group *group, const struct store_job *job,
                          const struct visit *visit)
{
    struct module_use use;
    if (module_acquire(group->options.modules, job->type, &use) != GLEANER_OK) {
        return false;
    }
    bool is_alike = maker_of(group, use.module) == visit->made_by;
    module_release(group->options.modules, &use);
    return is_alike;
}

static bool is_young(const struct worker_group *group, const struct visit *visit)
{
    int64_t age_ms = base_wall_ms() - visit->fetched_at_ms;
    return age_ms >= 0 && (uint64_t)age_ms < group->options.revisit_after_ms;
}

enum revisit_way revisit_choose(struct worker *worker, size_t index, struct fetch_request *request)
{
    const struct worker_group *group = worker->group;
    const struct store_job *job = &worker->claimed.jobs[index];
    const struct visit *visit = index < worker->visits.count ? &worker->visits.visits[index] : NULL;
    if (visit == NULL || !visit->is_stored || sitemap_is_one(job)) {
        return REVISIT_FETCH;
    }
    if (group->options.revisit == WORKER_REVISIT_NEVER) {
        return REVISIT_LEAVE;
    }
    if (!is_made_alike(group, job, visit)) {
        return REVISIT_FETCH;
    }
    if (is_young(group, visit)) {
        return REVISIT_LEAVE;
    }
    request->etag = visit->etag;
    request->last_modified = visit->last_modified;
    return REVISIT_FETCH;
}

/* ---- a page that stays as it is stored ---- */

struct following {
    struct gleaner_task *task;
    bool is_found;
};

static void follow_array(const bson_t *in, struct gleaner_task *task)
{
    bson_iter_t list, link;
    if (!finds(in, "links", BSON_TYPE_ARRAY, &list) || !bson_iter_recurse(&list, &link)) {
        return;
    }
    while (bson_iter_next(&link)) {
        if (BSON_ITER_HOLDS_UTF8(&link)) {
            uint32_t len;
            const char *url = bson_iter_utf8(&link, &len);
            base_buffer_append(&task->links, url, len + 1);
        }
    }
}

static bool read_links(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct following *following = ctx;
    bson_t document, field;
    bson_iter_t at;
    (void)collection;
    if (bson_init_static(&document, bson, len)) {
        bool has_own =
            find_field(&document, &field) && finds(&field, "links", BSON_TYPE_ARRAY, &at);
        following->is_found = true;
        follow_array(has_own ? &field : &document, following->task);
    }
    return true;
}

bool revisit_read_links(struct worker *worker, const struct held_job *held)
{
    struct worker_group *group = worker->group;
    struct following following = {.task = &worker->task};
    struct base_error error = {0};
    uint8_t id[1][STORE_ID_BYTES];
    document_task_reset(&worker->task);
    store_document_id(group->options.collection, held->job.url, strlen(held->job.url), id[0]);
    enum gleaner_status status = store_documents_get(
        store_of_queue(queue_store(group->options.queue)), group->options.collection,
        (const uint8_t(*)[STORE_ID_BYTES])id, 1, followed, read_links, &following, &error);
    return status == GLEANER_OK && following.is_found;
}

void revisit_renew(struct worker *worker, const struct held_job *held)
{
    const char *collection = worker->group->options.collection;
    struct store_touch touch = {
        .collection = collection, .field = FETCHED_AT, .ms_since_1970 = base_wall_ms()};
    store_document_id(collection, held->job.url, strlen(held->job.url), touch.id);
    batch_touch(&worker->batch, &touch);
}

/* ---- what a new document says ---- */

/* The document that the crawl keeps of this page, among those of the task; SIZE_MAX = none. */
static size_t find_own_document(const struct worker *worker, const struct held_job *held)
{
    const struct document_list *list = &worker->batch.documents;
    uint8_t id[STORE_ID_BYTES];
    const char *collection = worker->group->options.collection;
    store_document_id(collection, held->job.url, strlen(held->job.url), id);
    for (size_t i = list->count; i > worker->task.first_document; i--) {
        const struct document_ref *ref = &list->refs[i - 1];
        if (memcmp(ref->id, id, STORE_ID_BYTES) == 0 &&
            strcmp(list->names.data + ref->collection, collection) == 0) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

/* Are the links that were followed those of the document, one by one? */
static bool follows_own_links(const struct gleaner_task *task, const bson_t *document)
{
    const char *at = task->links.data, *end = at + (task->nofollow ? 0 : task->links.len);
    bson_iter_t list, link;
    if (finds(document, "links", BSON_TYPE_ARRAY, &list) && bson_iter_recurse(&list, &link)) {
        while (bson_iter_next(&link)) {
            uint32_t len = 0;
            const char *url = BSON_ITER_HOLDS_UTF8(&link) ? bson_iter_utf8(&link, &len) : NULL;
            if (url == NULL || at >= end || strlen(at) != len || memcmp(at, url, len) != 0) {
                return false;
            }
            at += len + 1;
        }
    }
    return at == end;
}

static bool append_links(const struct gleaner_task *task, bson_t *field)
{
    const char *at = task->links.data, *end = at + (task->nofollow ? 0 : task->links.len);
    bson_t list;
    bool is_good = bson_append_array_begin(field, "links", -1, &list);
    for (uint32_t i = 0; is_good && at < end; i++) {
        char room[16];
        const char *index;
        int len = (int)bson_uint32_to_string(i, &index, room, sizeof room);
        size_t url_len = strlen(at);
        is_good = bson_append_utf8(&list, index, len, at, (int)url_len);
        at += url_len + 1;
    }
    return is_good && bson_append_array_end(field, &list);
}

/* Bytes of anything may come from a server; what goes into a document and back into a header is
 * text of one line. */
static void append_validator(bson_t *field, const char *name, const char *value)
{
    size_t len = value != NULL ? strlen(value) : 0;
    bool is_plain = len > 0 && len <= VALIDATOR_MAX;
    for (size_t i = 0; is_plain && i < len; i++) {
        is_plain = value[i] >= ' ' && value[i] <= '~';
    }
    if (is_plain) {
        bson_append_utf8(field, name, -1, value, (int)len);
    }
}

void revisit_note(struct worker *worker, const struct held_job *held,
                  const struct fetch_result *result, const struct gleaner_module *module)
{
    struct document_list *list = &worker->batch.documents;
    const struct gleaner_task *task = &worker->task;
    size_t at = worker->group->options.is_crawl ? find_own_document(worker, held) : SIZE_MAX;
    bson_t document, whole = BSON_INITIALIZER, field;
    if (at == SIZE_MAX ||
        !bson_init_static(&document, list->bytes + list->refs[at].offset, list->refs[at].len)) {
        bson_destroy(&whole);
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(&whole, FIELD, &field);
    BSON_APPEND_INT64(&field, "by", (int64_t)maker_of(worker->group, module));
    if (!result->no_store) {
        append_validator(&field, "etag", result->etag);
        append_validator(&field, "last_modified", result->last_modified);
    }
    bool is_good = follows_own_links(task, &document) ||
                   (task->links.len <= LINKS_MAX && append_links(task, &field));
    bson_append_document_end(&whole, &field);
    if (is_good) { /* else it is fetched whole for ever */
        document_extend(list, at, &whole);
    }
    bson_destroy(&whole);
}
