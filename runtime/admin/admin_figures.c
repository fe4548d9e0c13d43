/* SPDX-License-Identifier: Apache-2.0 */
/* Reading every door once, so that all renderers and the progress line say the same. */
#include "admin_internal.h"
#include <stdio.h>
#include <string.h>

static void read_database(const struct admin_sources *sources, struct admin_figures *out)
{
    out->has_db = sources->db != NULL;
    if (out->has_db) {
        out->db.size = sizeof out->db;
        gleaner_db_read_state(sources->db, &out->db);
        out->monitor.size = sizeof out->monitor;
        gleaner_monitor_read(sources->db, &out->monitor);
    }
    out->has_spool = sources->tiered != NULL;
    if (out->has_spool) {
        store_tiered_spool(sources->tiered, &out->spool);
        if (out->has_db) { /* the monitor's alert on it: whoever looks brings the news */
            gleaner_monitor_note_spool(sources->db, out->spool.bytes, out->spool.max_bytes);
        }
    }
}

static void read_fetch(const struct admin_sources *sources, struct admin_figures *out)
{
    if (sources->fetch == NULL) {
        return;
    }
    fetch_read_stats(sources->fetch, &out->fetch);
    const struct base_histogram *latency = fetch_latency(sources->fetch);
    out->latency_p50_ns = base_histogram_quantile(latency, 0.50);
    out->latency_p95_ns = base_histogram_quantile(latency, 0.95);
    out->latency_p99_ns = base_histogram_quantile(latency, 0.99);
}

void admin_read(const struct admin_sources *sources, enum admin_depth depth,
                struct admin_figures *out)
{
    memset(out, 0, sizeof *out);
    uint64_t age_ns = base_mono_ns() - sources->started_ns;
    out->uptime_ms = age_ns / BASE_NS_PER_MS;
    out->is_stopping = sources->is_stopping != NULL &&
                       atomic_load_explicit(sources->is_stopping, memory_order_relaxed);
    if (sources->workers != NULL) {
        worker_group_read_stats(sources->workers, &out->workers);
    }
    if (sources->queue != NULL) {
        queue_read_stats(sources->queue, &out->queue);
    }
    read_fetch(sources, out);
    read_database(sources, out);
    /* Jobs beside a spool are in the local store; those of a server that is away cannot be counted,
     * and who asks is not made to wait for that. */
    bool is_reachable =
        sources->db == NULL || sources->tiered != NULL || gleaner_db_is_up(sources->db);
    if (depth == ADMIN_WITH_STORE && sources->jobs != NULL && is_reachable) {
        out->has_jobs = store_count(sources->jobs, &out->jobs, NULL) == GLEANER_OK;
    }
    if (age_ns > 0) {
        out->pages_per_s = (double)out->workers.pages * 1e9 / (double)age_ns;
    }
}

uint64_t admin_failures(const struct admin_figures *figures)
{
    uint64_t sum = figures->workers.module_failures;
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        sum += figures->workers.failures[i];
    }
    return sum;
}

/* The local store is the last tier: to a person that is a server that is away. */
bool admin_is_away(const struct admin_figures *figures)
{
    return figures->has_db && strcmp(figures->db.tier, "embedded") == 0;
}

void admin_describe_database(const struct admin_figures *figures, char *out, size_t out_size)
{
    if (!figures->has_db) {
        (void)snprintf(out, out_size, "embedded");
        return;
    }
    bool is_away = admin_is_away(figures);
    int len = snprintf(out, out_size, "%s", is_away ? "server away" : figures->db.phase);
    bool is_elsewhere = strcmp(figures->db.tier, "primary") != 0;
    if (len > 0 && (size_t)len < out_size && is_elsewhere && !is_away) {
        len += snprintf(out + len, out_size - (size_t)len, " (%s)", figures->db.tier);
    }
    if (len > 0 && (size_t)len < out_size && figures->has_spool && figures->spool.documents > 0) {
        (void)snprintf(out + len, out_size - (size_t)len, ", spool %llu",
                       (unsigned long long)figures->spool.documents);
    }
}
