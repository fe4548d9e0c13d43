/* SPDX-License-Identifier: Apache-2.0 */
/* Finished results on their way to the consumers, and the boxes that come back. */
#include "fetch_internal.h"
#include <stdlib.h>
#include <string.h>

#define BOX_MAGIC 0xf37c4b01u
#define FREE_BOXES 64
#define KEEP_BODY_BYTES (192u * 1024) /* what a body within its own room may have grown to */
#define KEEP_TEXT_BYTES 4096u
#define MAX_WAITING_BYTES (UINT64_C(16) << 20) /* of bodies that nobody has taken yet */
#define MIN_WAITING_RESULTS 32u

/* Lock `mutex`: protects every field; taken under nothing, nothing is taken under it. A fetcher
 * takes it once per turn of its loop and once per transfer, a consumer once per result. */
struct fetch_results {
    struct sync_mutex *mutex;
    struct sync_cond *filled;
    struct fetch_box *head, *tail;
    struct fetch_box *free;
    uint32_t free_count;
    uint32_t waiting;  /* in the queue */
    uint32_t out;      /* boxes that are neither free nor queued */
    uint32_t expected; /* requests that have not been pushed yet */
    uint32_t sleepers; /* consumers in fetch_results_next */
    uint32_t nudges;
    uint32_t most;              /* results that may wait before fetchers pause */
    uint64_t bytes;             /* of queued bodies */
    bool finishing;             /* CLOSED once expected and waiting are 0 */
    bool closed;                /* the engine is gone; the last box to come home frees the rest */
    struct fetch_spills spills; /* not under the mutex: boxes point to it */
};

enum gleaner_status fetch_results_create(const char *spill_dir, uint64_t most_spilled,
                                         struct fetch_results **out)
{
    struct fetch_results *r = calloc(1, sizeof(*r));
    *out = NULL;
    if (r == NULL) {
        return GLEANER_E_NOMEM;
    }
    if (!fetch_spills_init(&r->spills, spill_dir, most_spilled) ||
        sync_mutex_create(&r->mutex) != GLEANER_OK || sync_cond_create(&r->filled) != GLEANER_OK) {
        sync_mutex_destroy(&r->mutex);
        fetch_spills_fini(&r->spills);
        free(r);
        return GLEANER_E_NOMEM;
    }
    *out = r;
    return GLEANER_OK;
}

/* ---- boxes ---------------------------------------------------------------------------------- */

static void box_destroy(struct fetch_box *box)
{
    fetch_body_drop(box);
    base_buffer_fini(&box->body);
    base_buffer_fini(&box->text);
    base_buffer_fini(&box->headers);
    free(box);
}

static void boxes_destroy(struct fetch_box *box)
{
    while (box != NULL) {
        struct fetch_box *next = box->next;
        box_destroy(box);
        box = next;
    }
}

static void results_destroy(struct fetch_results *r)
{
    boxes_destroy(r->free);
    boxes_destroy(r->head);
    fetch_spills_fini(&r->spills);
    sync_cond_destroy(&r->filled);
    sync_mutex_destroy(&r->mutex);
    free(r);
}

struct fetch_box *fetch_box_take(struct fetch_results *results)
{
    sync_mutex_lock(results->mutex);
    struct fetch_box *box = results->free;
    if (box != NULL) {
        results->free = box->next;
        results->free_count--;
    }
    results->out++;
    sync_mutex_unlock(results->mutex);
    if (box == NULL) {
        box = calloc(1, sizeof(*box));
    }
    if (box == NULL) {
        sync_mutex_lock(results->mutex);
        results->out--;
        sync_mutex_unlock(results->mutex);
        return NULL;
    }
    box->magic = BOX_MAGIC;
    box->home = results;
    box->spills = &results->spills;
    box->next = NULL;
    memset(&box->result, 0, sizeof(box->result));
    memset(box->field_at, 0, sizeof(box->field_at));
    return box;
}

void fetch_box_free(struct fetch_box *box)
{
    BASE_CHECK_MAGIC(box, BOX_MAGIC);
    struct fetch_results *r = box->home;
    fetch_body_drop(box);
    base_buffer_reset(&box->body, KEEP_BODY_BYTES);
    base_buffer_reset(&box->text, KEEP_TEXT_BYTES);
    base_buffer_reset(&box->headers, KEEP_TEXT_BYTES);
    sync_mutex_lock(r->mutex);
    bool keep = !r->closed && r->free_count < FREE_BOXES;
    if (keep) {
        box->next = r->free;
        r->free = box;
        r->free_count++;
    }
    bool last = --r->out == 0 && r->closed;
    sync_mutex_unlock(r->mutex);
    if (!keep) {
        box_destroy(box);
    }
    if (last) {
        results_destroy(r);
    }
}

void fetch_result_free(struct fetch_result **result)
{
    if (*result != NULL) {
        fetch_box_free(BASE_CONTAINER_OF(*result, struct fetch_box, result));
        *result = NULL;
    }
}

void fetch_box_set(struct fetch_box *box, enum fetch_field field, const char *text, size_t len)
{
    size_t at = box->text.len;
    if (base_buffer_append(&box->text, text, len) && base_buffer_append(&box->text, "", 1)) {
        box->field_at[field] = (uint32_t)at + 1;
    }
}

void fetch_box_clear_answer(struct fetch_box *box)
{
    box->text.len = 0;
    fetch_body_drop(box);
    box->headers.len = 0;
    memset(box->field_at, 0, sizeof(box->field_at));
}

static char *field_text(const struct fetch_box *box, enum fetch_field field)
{
    return box->field_at[field] == 0 ? NULL : box->text.data + box->field_at[field] - 1;
}

void fetch_box_seal(struct fetch_box *box)
{
    struct fetch_result *r = &box->result;
    r->url = field_text(box, FIELD_URL);
    r->location = field_text(box, FIELD_LOCATION);
    r->content_type = field_text(box, FIELD_CONTENT_TYPE);
    r->etag = field_text(box, FIELD_ETAG);
    r->last_modified = field_text(box, FIELD_LAST_MODIFIED);
    r->headers = box->headers.len > 0 ? box->headers.data : NULL;
    if (box->spill.map != NULL) {
        r->body = box->spill.map;
        r->body_len = (size_t)box->spill.bytes;
        return;
    }
    if (box->body.data == NULL) {
        base_buffer_append(&box->body, "", 0);
        base_buffer_reserve(&box->body, 1);
    }
    if (box->body.data != NULL) {
        box->body.data[box->body.len] = '\0';
    }
    r->body = box->body.data;
    r->body_len = box->body.len;
}

/* ---- the queue ------------------------------------------------------------------------------ */

/* What a waiting body costs, in memory or on disk. */
static uint64_t box_bytes(const struct fetch_box *box)
{
    return box->body.cap + box->spill.map_bytes;
}

static bool is_over_locked(const struct fetch_results *r)
{
    return r->finishing && r->expected == 0 && r->waiting == 0;
}

void fetch_results_push(struct fetch_results *r, struct fetch_box *first, struct fetch_box *last,
                        uint32_t count)
{
    uint64_t bytes = 0;
    last->next = NULL;
    for (struct fetch_box *box = first; box != NULL; box = box->next) {
        bytes += box_bytes(box);
    }
    sync_mutex_lock(r->mutex);
    if (r->tail != NULL) {
        r->tail->next = first;
    } else {
        r->head = first;
    }
    r->tail = last;
    r->waiting += count;
    r->out -= count;
    r->expected -= count;
    r->bytes += bytes;
    /* One sleeper is woken for the whole batch; it wakes the next one if it leaves something. */
    bool wake = r->sleepers > 0;
    sync_mutex_unlock(r->mutex);
    if (wake) {
        sync_cond_signal(r->filled);
    }
}

void fetch_results_expect(struct fetch_results *r)
{
    sync_mutex_lock(r->mutex);
    r->expected++;
    sync_mutex_unlock(r->mutex);
}

void fetch_results_unexpect(struct fetch_results *r)
{
    sync_mutex_lock(r->mutex);
    r->expected--;
    sync_mutex_unlock(r->mutex);
}

void fetch_results_finish(struct fetch_results *r)
{
    sync_mutex_lock(r->mutex);
    r->finishing = true;
    sync_cond_broadcast(r->filled);
    sync_mutex_unlock(r->mutex);
}

/* Wait until there is something to say. */
static enum gleaner_status wait_locked(struct fetch_results *r, uint64_t deadline_ns)
{
    while (r->head == NULL) {
        if (is_over_locked(r)) {
            return GLEANER_E_CLOSED;
        }
        if (r->nudges > 0) {
            r->nudges--;
            return GLEANER_E_CANCELLED;
        }
        r->sleepers++;
        bool in_time = sync_cond_wait(r->filled, r->mutex, deadline_ns);
        r->sleepers--;
        if (!in_time && r->head == NULL && r->nudges == 0 && !is_over_locked(r)) {
            return GLEANER_E_TIMEOUT;
        }
    }
    return GLEANER_OK;
}

enum gleaner_status fetch_results_next(struct fetch_results *r, uint64_t deadline_ns,
                                       struct fetch_box **out, bool *hungry)
{
    *out = NULL;
    sync_mutex_lock(r->mutex);
    enum gleaner_status status = wait_locked(r, deadline_ns);
    if (status == GLEANER_OK) {
        struct fetch_box *box = r->head;
        r->head = box->next;
        r->tail = r->head == NULL ? NULL : r->tail;
        r->waiting--;
        r->out++;
        r->bytes -= box_bytes(box);
        box->next = NULL;
        *out = box;
    }
    bool more = r->head != NULL && r->sleepers > 0;
    *hungry = r->waiting <= r->most / 2 && r->bytes < MAX_WAITING_BYTES;
    bool over = is_over_locked(r) && r->sleepers > 0;
    sync_mutex_unlock(r->mutex);
    if (over) {
        sync_cond_broadcast(r->filled);
    } else if (more) {
        sync_cond_signal(r->filled);
    }
    return status;
}

void fetch_results_nudge(struct fetch_results *r)
{
    sync_mutex_lock(r->mutex);
    r->nudges++;
    sync_cond_signal(r->filled);
    sync_mutex_unlock(r->mutex);
}

uint32_t fetch_results_waiting(struct fetch_results *r)
{
    sync_mutex_lock(r->mutex);
    uint32_t waiting = r->waiting;
    sync_mutex_unlock(r->mutex);
    return waiting;
}

static uint32_t most_results(uint32_t max_transfers)
{
    return max_transfers > MIN_WAITING_RESULTS ? max_transfers : MIN_WAITING_RESULTS;
}

bool fetch_results_have_room(struct fetch_results *r, uint32_t max_transfers, uint32_t more)
{
    sync_mutex_lock(r->mutex);
    r->most = most_results(max_transfers);
    bool room = r->waiting + more < r->most && r->bytes < MAX_WAITING_BYTES;
    sync_mutex_unlock(r->mutex);
    return room;
}

void fetch_results_close(struct fetch_results **results)
{
    struct fetch_results *r = *results;
    if (r == NULL) {
        return;
    }
    *results = NULL;
    sync_mutex_lock(r->mutex);
    r->closed = true;
    bool last = r->out == 0;
    sync_mutex_unlock(r->mutex);
    if (last) {
        results_destroy(r);
    }
}
