/* SPDX-License-Identifier: Apache-2.0 */
/* The server's numbers in words: what of them explains that operations are slow. */
#include "monitor_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TICKETS_USED_HIGH 90 /* per cent */
#define CACHE_HIGH 95        /* WiredTiger's eviction_trigger */
#define DIRTY_HIGH 20        /* WiredTiger's eviction_dirty_trigger */
#define ROUND_TRIP_HIGH_MS 50
#define LAG_HIGH_MS 2000

struct words {
    char *out;
    size_t size, len;
};

static void GLEANER_PRINTF(2, 3) say(struct words *words, const char *fmt, ...)
{
    char text[160];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    int written = snprintf(words->out + words->len, words->size - words->len, "%s%s",
                           words->len > 0 ? ", " : "", text);
    size_t room = words->size - words->len - 1;
    words->len += written > 0 ? ((size_t)written < room ? (size_t)written : room) : 0;
}

static void say_tickets(struct words *words, const char *kind, int64_t used, int64_t all)
{
    if (all > 0 && used * 100 / all >= TICKETS_USED_HIGH) {
        say(words, "%lld of %lld %s tickets are out", (long long)used, (long long)all, kind);
    }
}

static void say_status(struct words *words, const struct monitors *monitors)
{
    const struct mongo_server_status *status = &monitors->status;
    int64_t queued = status->queued_readers + status->queued_writers;
    say_tickets(words, "read", status->read_tickets_out, status->read_tickets);
    say_tickets(words, "write", status->write_tickets_out, status->write_tickets);
    if (queued > 0) {
        say(words, "%lld operations wait for a lock or a ticket", (long long)queued);
    }
    if (status->cache_used_percent >= CACHE_HIGH) {
        say(words, "the cache is %lld %% full", (long long)status->cache_used_percent);
    }
    if (status->cache_dirty_percent >= DIRTY_HIGH) {
        say(words, "%lld %% of the cache wait to be written: the disk is slow",
            (long long)status->cache_dirty_percent);
    }
    if (monitors->evicted > 0) {
        say(words, "operations had to evict %lld pages themselves", (long long)monitors->evicted);
    }
}

void words_about_server(const struct monitors *monitors, char *out, size_t out_size)
{
    struct words words = {.out = out, .size = out_size};
    int64_t round_trip_ms =
        atomic_load_explicit(&monitors->driver_round_trip_ms, memory_order_relaxed);
    int64_t lag_ms = atomic_load_explicit(&monitors->majority_lag_ms, memory_order_relaxed);
    out[0] = '\0';
    if (monitors->has_status) {
        say_status(&words, monitors);
    }
    if (round_trip_ms >= ROUND_TRIP_HIGH_MS) {
        say(&words, "the way there and back takes %lld ms", (long long)round_trip_ms);
    }
    if (lag_ms >= LAG_HIGH_MS) {
        say(&words, "the majority is %lld ms behind the primary", (long long)lag_ms);
    }
    if (words.len == 0) {
        say(&words, "%s",
            monitors->has_status ? "nothing in the server's own numbers explains it"
            : monitors->connection_is_refused
                ? "the server's own numbers are hidden (grant clusterMonitor)"
                : "the server's own numbers were not read yet");
    }
}
