/* SPDX-License-Identifier: Apache-2.0 */
/* The log-linear histogram. Everything is relaxed: nothing but a report depends on it. */
#include "base.h"

#define SUB_COUNT (UINT64_C(1) << BASE_HISTOGRAM_SUB_BITS)

static size_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return (size_t)value;
    }
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = exponent - BASE_HISTOGRAM_SUB_BITS;
    return ((size_t)(shift + 1) << BASE_HISTOGRAM_SUB_BITS) +
           (size_t)((value >> shift) & (SUB_COUNT - 1));
}

static uint64_t bucket_floor(size_t bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> BASE_HISTOGRAM_SUB_BITS) - 1;
    return (SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
}

void base_histogram_add(struct base_histogram *histogram, uint64_t value)
{
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    /* Repeats only when somebody else raised the maximum meanwhile. */
    while (value > max &&
           !atomic_compare_exchange_weak_explicit(&histogram->max, &max, value,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

uint64_t base_histogram_quantile(const struct base_histogram *histogram, double q)
{
    uint64_t total = 0;
    for (size_t i = 0; i < BASE_HISTOGRAM_BUCKETS; i++) {
        total += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    }
    if (total == 0) {
        return 0;
    }
    double clamped = q < 0 ? 0 : q > 1 ? 1 : q;
    uint64_t rank = (uint64_t)(clamped * (double)(total - 1));
    uint64_t below = 0;
    size_t last_used = 0;
    for (size_t i = 0; i < BASE_HISTOGRAM_BUCKETS; i++) {
        uint32_t here = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        if (here == 0) {
            continue;
        }
        last_used = i;
        below += here;
        if (below > rank) {
            break;
        }
    }
    return bucket_floor(last_used);
}

uint64_t base_histogram_count(const struct base_histogram *histogram)
{
    return atomic_load_explicit(&histogram->count, memory_order_relaxed);
}

uint64_t base_histogram_max(const struct base_histogram *histogram)
{
    return atomic_load_explicit(&histogram->max, memory_order_relaxed);
}

double base_histogram_mean(const struct base_histogram *histogram)
{
    uint64_t count = base_histogram_count(histogram);
    if (count == 0) {
        return 0;
    }
    return (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) / (double)count;
}

void base_histogram_reset(struct base_histogram *histogram)
{
    for (size_t i = 0; i < BASE_HISTOGRAM_BUCKETS; i++) {
        atomic_store_explicit(&histogram->buckets[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&histogram->count, 0, memory_order_relaxed);
    atomic_store_explicit(&histogram->sum, 0, memory_order_relaxed);
    atomic_store_explicit(&histogram->max, 0, memory_order_relaxed);
}
