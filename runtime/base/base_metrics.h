/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/* A counter: any thread adds, a report reads. Relaxed: nothing but a report depends on it. */
struct base_counter {
    _Atomic uint64_t value;
};
static inline void base_counter_add(struct base_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}
static inline uint64_t base_counter_get(const struct base_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* A log-linear histogram of nanoseconds (or any unsigned quantity): 16 steps per power of two,
 * so a quantile is right within 6.25 %. Writers add relaxed; a report may see a sum that is one
 * sample ahead of the buckets, which it tolerates. */
#define BASE_HISTOGRAM_SUB_BITS 4
#define BASE_HISTOGRAM_BUCKETS ((64 - BASE_HISTOGRAM_SUB_BITS + 1) << BASE_HISTOGRAM_SUB_BITS)
struct base_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
    _Atomic uint32_t buckets[BASE_HISTOGRAM_BUCKETS];
};
void base_histogram_add(struct base_histogram *histogram, uint64_t value);
/** Lower bound of the bucket that holds quantile q (0..1); 0 when empty. */
uint64_t base_histogram_quantile(const struct base_histogram *histogram, double q);
uint64_t base_histogram_count(const struct base_histogram *histogram);
uint64_t base_histogram_max(const struct base_histogram *histogram);
double base_histogram_mean(const struct base_histogram *histogram);
void base_histogram_reset(struct base_histogram *histogram);

#endif
