/* SPDX-License-Identifier: Apache-2.0 */
/* The table of shapes: open addressing over a fixed array; a place once taken is never given up, so
 * that readers and writers need no lock and no reclamation. */
#include "mongo_watch.h"
#include "mongo_request.h"
#include "mongo_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES_MAX 16 /* then it is counted as everything else */

/* Microseconds in 8 steps per power of two: right within 12.5 %. Up to 134 s. */
#define SUB_BITS 3
#define TOP_BIT 27
#define BUCKETS ((TOP_BIT - SUB_BITS + 1) << SUB_BITS)

/* Every field: writes: threads that run commands (relaxed), mongo_watch_turn() clears the older one
 * (relaxed); reads: reports (relaxed). Only reports depend on them; a command that ends while the
 * windows turn may be missing from both. */
struct window {
    _Atomic uint64_t sum_us;
    _Atomic uint64_t max_us;
    _Atomic uint64_t slow;
    _Atomic uint32_t buckets[BUCKETS];
};

struct shape {
    /* hash of the text, 0 = free. writes: the first thread that sees the shape (CAS, relaxed: it
     * publishes nothing but itself); reads: any (relaxed) */
    _Atomic uint64_t key;
    /* writes: who won the key (release), once; reads: reports (acquire): the text is complete */
    _Atomic bool is_named;
    /* enum sample_step. writes: see each step; order: acq_rel, it hands `sample` on */
    _Atomic uint32_t sample_step;
    struct mongo_sample *sample; /* plain; guarded by sample_step */

    _Atomic uint64_t count, failed; /* relaxed, as in windows */
    struct window windows[2];

    struct shape_text name; /* plain; written before is_named */
};

enum sample_step {
    STEP_NONE,
    STEP_WANTED,  /* the thread that saw it being slow; the next one to begin it takes a copy */
    STEP_COPYING, /* by the one that won */
    STEP_READY,
    STEP_TAKEN,
    STEP_IMPOSSIBLE
};

struct mongo_watch {
    /* writes: configuration (relaxed); reads: threads that run commands (relaxed) */
    _Atomic uint32_t slow_us;
    /* window that is written to now. writes: the one who turns (relaxed); reads: any (relaxed) */
    _Atomic uint32_t turn;
    _Atomic uint64_t slow; /* relaxed: in all */
    struct shape shapes[MONGO_SHAPES + 1];
};

/* The command that this thread has begun. The driver runs one at a time on a thread and ends it on
 * the same one; the request number tells a lost end. */
static _Thread_local struct {
    struct shape *shape;
    int64_t request_id;
} begun;

/* ---- life ---- */

static uint32_t microseconds(uint32_t ms)
{
    return ms > UINT32_MAX / 1000 ? UINT32_MAX : ms * 1000;
}

enum gleaner_status mongo_watch_create(uint32_t slow_ms, struct mongo_watch **out)
{
    struct mongo_watch *watch = calloc(1, sizeof *watch);
    *out = watch;
    if (watch == NULL) {
        return GLEANER_E_NOMEM;
    }
    struct shape *rest = &watch->shapes[MONGO_SHAPES];
    static const char text[] = "other everything else";
    memcpy(rest->name.text, text, sizeof text);
    rest->name.len = sizeof text - 1;
    rest->name.command_len = 5;
    rest->name.where_len = sizeof text - 1 - 6;
    atomic_store_explicit(&rest->sample_step, STEP_IMPOSSIBLE, memory_order_relaxed);
    atomic_store_explicit(&rest->is_named, true, memory_order_relaxed);
    mongo_watch_set_slow(watch, slow_ms);
    return GLEANER_OK;
}

void mongo_watch_destroy(struct mongo_watch **watch)
{
    if (*watch != NULL) {
        for (size_t i = 0; i < MONGO_SHAPES; i++) {
            mongo_sample_destroy(&(*watch)->shapes[i].sample);
        }
        free(*watch);
        *watch = NULL;
    }
}

void mongo_watch_set_slow(struct mongo_watch *watch, uint32_t slow_ms)
{
    atomic_store_explicit(&watch->slow_us, microseconds(slow_ms), memory_order_relaxed);
}

/* ---- the way of a command ---- */

static void name_shape(struct shape *shape, const struct shape_text *text)
{
    shape->name = *text;
    atomic_store_explicit(&shape->is_named, true, memory_order_release);
}

static struct shape *find_shape(struct mongo_watch *watch, const struct shape_text *text)
{
    uint64_t key = base_hash64(text->text, text->len) | 1;
    for (uint64_t i = 0; i < PROBES_MAX; i++) {
        struct shape *shape = &watch->shapes[((key >> 32) + i) % MONGO_SHAPES];
        uint64_t there = atomic_load_explicit(&shape->key, memory_order_relaxed);
        if (there == 0 &&
            atomic_compare_exchange_strong_explicit(&shape->key, &there, key, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            name_shape(shape, text);
            return shape;
        }
        if (there == key) {
            return shape;
        }
    }
    return &watch->shapes[MONGO_SHAPES];
}

static void copy_sample(struct shape *shape, const char *database, const char *name,
                        const struct _bson_t *command)
{
    uint32_t step = STEP_WANTED;
    if (!atomic_compare_exchange_strong_explicit(&shape->sample_step, &step, STEP_COPYING,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return; /* another thread is at it */
    }
    shape->sample = mongo_sample_create(database, name, command);
    atomic_store_explicit(&shape->sample_step, shape->sample != NULL ? STEP_READY : STEP_IMPOSSIBLE,
                          memory_order_release);
}

/* True: a copy of the command is wanted. */
static bool begin(struct mongo_watch *watch, const struct shape_text *text, int64_t request_id)
{
    struct shape *shape = find_shape(watch, text);
    begun.shape = shape;
    begun.request_id = request_id;
    return text->is_explainable &&
           atomic_load_explicit(&shape->sample_step, memory_order_relaxed) == STEP_WANTED;
}

void mongo_watch_begin(struct mongo_watch *watch, const char *database, const char *name,
                       const struct _bson_t *command, int64_t request_id)
{
    struct shape_text text;
    begun.shape = NULL;
    if (shape_write(database, name, command, &text) && begin(watch, &text, request_id)) {
        copy_sample(begun.shape, database, name, command);
    }
}

/* The command as the driver's own event would show it, with one statement. */
static void copy_request(struct shape *shape, const struct mongo_request *request)
{
    bson_t whole, list, first;
    bson_copy_to(&request->command, &whole);
    if (bson_init_static(&first, request->first, request->first_len)) {
        bson_append_array_begin(&whole, request->list, -1, &list);
        bson_append_document(&list, "0", 1, &first);
        bson_append_array_end(&whole, &list);
        copy_sample(shape, mongo_request_database(request), request->name, &whole);
    }
    bson_destroy(&whole);
}

void mongo_watch_begin_request(struct mongo_watch *watch, const struct mongo_request *request)
{
    struct shape_text text;
    const char *database = mongo_request_database(request);
    begun.shape = NULL;
    if (!shape_write(database, request->name, &request->command, &text)) {
        return;
    }
    if (request->list != NULL && strcmp(request->list, "documents") != 0) {
        shape_add_statement(&text, request->first, request->first_len);
    }
    if (!begin(watch, &text, request->id)) {
        return;
    }
    if (request->list != NULL) {
        copy_request(begun.shape, request);
    } else {
        copy_sample(begun.shape, database, request->name, &request->command);
    }
}

static size_t bucket_of(uint64_t us)
{
    if (us < (UINT64_C(1) << SUB_BITS)) {
        return (size_t)us;
    }
    unsigned exponent = 63U - (unsigned)__builtin_clzll(us);
    if (exponent >= TOP_BIT) {
        return BUCKETS - 1;
    }
    unsigned shift = exponent - SUB_BITS;
    return ((size_t)(shift + 1) << SUB_BITS) + (size_t)((us >> shift) & ((1U << SUB_BITS) - 1));
}

static void note_slow(struct mongo_watch *watch, struct shape *shape, struct window *window)
{
    atomic_fetch_add_explicit(&watch->slow, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&window->slow, 1, memory_order_relaxed);
    uint32_t step = STEP_NONE;
    (void)atomic_compare_exchange_strong_explicit(&shape->sample_step, &step, STEP_WANTED,
                                                  memory_order_relaxed, memory_order_relaxed);
}

void mongo_watch_end(struct mongo_watch *watch, int64_t request_id, int64_t duration_us,
                     enum mongo_outcome outcome)
{
    struct shape *shape = begun.shape;
    if (shape == NULL || begun.request_id != request_id) {
        return;
    }
    begun.shape = NULL;
    uint64_t us = duration_us > 0 ? (uint64_t)duration_us : 0;
    struct window *window =
        &shape->windows[atomic_load_explicit(&watch->turn, memory_order_relaxed) & 1];
    atomic_fetch_add_explicit(&shape->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&window->buckets[bucket_of(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&window->sum_us, us, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&window->max_us, memory_order_relaxed);
    /* repeats only when somebody else raised the maximum meanwhile */
    while (us > max && !atomic_compare_exchange_weak_explicit(
                           &window->max_us, &max, us, memory_order_relaxed, memory_order_relaxed)) {
    }
    if (outcome == MONGO_FAILED) {
        atomic_fetch_add_explicit(&shape->failed, 1, memory_order_relaxed);
    }
    if (us >= atomic_load_explicit(&watch->slow_us, memory_order_relaxed)) {
        note_slow(watch, shape, window);
    }
}

/* ---- windows ---- */

static void clear(struct window *window)
{
    atomic_store_explicit(&window->sum_us, 0, memory_order_relaxed);
    atomic_store_explicit(&window->max_us, 0, memory_order_relaxed);
    atomic_store_explicit(&window->slow, 0, memory_order_relaxed);
    for (size_t i = 0; i < BUCKETS; i++) {
        atomic_store_explicit(&window->buckets[i], 0, memory_order_relaxed);
    }
}

void mongo_watch_turn(struct mongo_watch *watch)
{
    uint32_t next = (atomic_load_explicit(&watch->turn, memory_order_relaxed) & 1) ^ 1;
    for (size_t i = 0; i <= MONGO_SHAPES; i++) {
        if (atomic_load_explicit(&watch->shapes[i].count, memory_order_relaxed) > 0) {
            clear(&watch->shapes[i].windows[next]);
        }
    }
    atomic_store_explicit(&watch->turn, next, memory_order_relaxed);
}

/* ---- reading ---- */

uint64_t mongo_watch_slow_count(const struct mongo_watch *watch)
{
    return atomic_load_explicit(&watch->slow, memory_order_relaxed);
}

uint64_t mongo_watch_count(const struct mongo_watch *watch)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= MONGO_SHAPES; i++) {
        sum += atomic_load_explicit(&watch->shapes[i].count, memory_order_relaxed);
    }
    return sum;
}

static uint64_t upper_bound(size_t bucket)
{
    if (bucket < (1U << SUB_BITS)) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
    return (((UINT64_C(1) << SUB_BITS) + (bucket & ((1U << SUB_BITS) - 1)) + 1) << shift) - 1;
}

/* Never more than was seen. */
static uint64_t quantile(const uint32_t *buckets, uint64_t total, double q, uint64_t max)
{
    uint64_t rank = (uint64_t)(q * (double)(total - 1));
    uint64_t below = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        below += buckets[i];
        if (below > rank) {
            uint64_t bound = upper_bound(i);
            return bound < max ? bound : max;
        }
    }
    return max;
}

static void read_windows(const struct shape *shape, struct mongo_shape *out)
{
    uint32_t buckets[BUCKETS] = {0};
    for (size_t w = 0; w < 2; w++) {
        const struct window *window = &shape->windows[w];
        uint64_t max = atomic_load_explicit(&window->max_us, memory_order_relaxed);
        out->max_us = max > out->max_us ? max : out->max_us;
        out->total_us += atomic_load_explicit(&window->sum_us, memory_order_relaxed);
        out->slow += atomic_load_explicit(&window->slow, memory_order_relaxed);
        for (size_t i = 0; i < BUCKETS; i++) {
            uint32_t here = atomic_load_explicit(&window->buckets[i], memory_order_relaxed);
            buckets[i] += here;
            out->recent += here;
        }
    }
    if (out->recent > 0) {
        out->p50_us = quantile(buckets, out->recent, 0.50, out->max_us);
        out->p95_us = quantile(buckets, out->recent, 0.95, out->max_us);
    }
}

bool mongo_watch_read(const struct mongo_watch *watch, uint32_t id, struct mongo_shape *out)
{
    const struct shape *shape = &watch->shapes[id <= MONGO_SHAPES ? id : MONGO_SHAPES];
    uint64_t count = atomic_load_explicit(&shape->count, memory_order_relaxed);
    if (count == 0 || !atomic_load_explicit(&shape->is_named, memory_order_acquire)) {
        return false;
    }
    *out = (struct mongo_shape){.id = id, .count = count};
    out->failed = atomic_load_explicit(&shape->failed, memory_order_relaxed);
    read_windows(shape, out);
    const struct shape_text *name = &shape->name;
    const char *where = name->text + name->command_len + 1;
    const char *rest = where + name->where_len;
    snprintf(out->command, sizeof out->command, "%.*s", (int)name->command_len, name->text);
    snprintf(out->where, sizeof out->where, "%.*s", (int)name->where_len, where);
    snprintf(out->text, sizeof out->text, "%s", rest[0] == ' ' ? rest + 1 : rest);
    return true;
}

enum mongo_sample_state mongo_watch_take_sample(struct mongo_watch *watch, uint32_t id,
                                                struct mongo_sample **out)
{
    struct shape *shape = &watch->shapes[id <= MONGO_SHAPES ? id : MONGO_SHAPES];
    *out = NULL;
    if (!atomic_load_explicit(&shape->is_named, memory_order_acquire)) {
        return MONGO_SAMPLE_NONE;
    }
    if (!shape->name.is_explainable) {
        return MONGO_SAMPLE_IMPOSSIBLE;
    }
    switch (atomic_load_explicit(&shape->sample_step, memory_order_acquire)) {
    case STEP_READY:
        *out = shape->sample;
        shape->sample = NULL;
        /* release: pairs with nobody; whoever destroys the watch comes after us anyway */
        atomic_store_explicit(&shape->sample_step, STEP_TAKEN, memory_order_release);
        return MONGO_SAMPLE_READY;
    case STEP_TAKEN:
        return MONGO_SAMPLE_TAKEN;
    case STEP_IMPOSSIBLE:
        return MONGO_SAMPLE_IMPOSSIBLE;
    default:
        return MONGO_SAMPLE_NONE;
    }
}

void mongo_watch_return_sample(struct mongo_watch *watch, uint32_t id, struct mongo_sample *sample)
{
    struct shape *shape = &watch->shapes[id];
    shape->sample = sample;
    atomic_store_explicit(&shape->sample_step, STEP_READY, memory_order_release);
}
