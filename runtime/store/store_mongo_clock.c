/* SPDX-License-Identifier: Apache-2.0 */
/* What makes jobs comparable between processes: the server's clock, and tokens. */
#include "store_mongo_internal.h"

/* ---- the server's clock ---- */

#define CLOCK_GOOD_FOR_NS (10 * BASE_NS_PER_S)
/* $$NOW comes from the server's coarse clock, which a thread of its sets every 10 ms or so; `hello`
 * tells the exact time. What is put in as due must be due for $$NOW at once. */
#define CLOCK_COARSE_MS 100

static enum gleaner_status measure_clock(const struct mongo_op *op)
{
    bson_t command = BSON_INITIALIZER, reply;
    bson_iter_t iter;
    BSON_APPEND_INT32(&command, "hello", 1);
    uint64_t before = base_mono_ns();
    enum gleaner_status status = store_mongo_run(op, MONGO_READ, &command, &reply);
    uint64_t after = base_mono_ns();
    if (status == GLEANER_OK && bson_iter_init_find(&iter, &reply, "localTime")) {
        int64_t server = bson_iter_date_time(&iter);
        struct store_mongo *m = op->m;
        /* The server looked at its clock between before and after; its date is cut to 1 ms. */
        atomic_store_explicit(&m->clock_low_ms,
                              server - (int64_t)(after / BASE_NS_PER_MS) - 1 - CLOCK_COARSE_MS,
                              memory_order_relaxed);
        atomic_store_explicit(&m->clock_high_ms, server + 1 - (int64_t)(before / BASE_NS_PER_MS),
                              memory_order_relaxed);
        atomic_store_explicit(&m->clock_measured_ns, after, memory_order_relaxed);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}

enum gleaner_status store_mongo_now(const struct mongo_op *op, int64_t *low_ms, int64_t *high_ms)
{
    struct store_mongo *m = op->m;
    uint64_t measured = atomic_load_explicit(&m->clock_measured_ns, memory_order_relaxed);
    if (measured == 0 || base_mono_ns() - measured > CLOCK_GOOD_FOR_NS) {
        enum gleaner_status status = measure_clock(op);
        if (status != GLEANER_OK) {
            return status;
        }
    }
    int64_t mono_ms = (int64_t)(base_mono_ns() / BASE_NS_PER_MS);
    *low_ms = atomic_load_explicit(&m->clock_low_ms, memory_order_relaxed) + mono_ms;
    *high_ms = atomic_load_explicit(&m->clock_high_ms, memory_order_relaxed) + mono_ms + 1;
    return GLEANER_OK;
}

/* Unique without asking the server: a hash of (random seed of this process, counter), 62 bits less
 * the lowest ten, which number the jobs of one claim. */
uint64_t store_mongo_token(struct store_mongo *m)
{
    uint64_t parts[2] = {m->token_seed,
                         atomic_fetch_add_explicit(&m->token_counter, 1, memory_order_relaxed)};
    return (base_hash64(parts, sizeof parts) >> 2) & ~(uint64_t)(STORE_MONGO_CLAIM_MAX - 1);
}
