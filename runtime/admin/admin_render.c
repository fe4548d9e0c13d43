/* SPDX-License-Identifier: Apache-2.0 */
/* Figures as text, JSON and Prometheus metrics. Tables say what is shown under which name; the
 * same tables feed JSON and metrics, so that neither knows a number that the other hides. */
#include "admin_internal.h"
#include <stdio.h>
#include <string.h>

enum figure_type { FIGURE_U64, FIGURE_U32, FIGURE_I64, FIGURE_BOOL };
enum figure_need { NEED_NOTHING, NEED_JOBS, NEED_SPOOL, NEED_DB };
enum figure_kind { KIND_GAUGE, KIND_COUNTER };

struct figure {
    const char *section; /* of the JSON */
    const char *name;
    const char *metric;
    const char *help;
    enum figure_kind kind;
    enum figure_type type;
    enum figure_need need;
    size_t offset;
};

#define AT(member) offsetof(struct admin_figures, member)

/* clang-format off */
static const struct figure figures_table[] = {
    { "process", "uptime_ms", "uptime_milliseconds", "age of this process' work", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(uptime_ms) },
    { "pages", "processed", "pages_total", "pages given to a module", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.pages) },
    { "pages", "redirects", "redirects_total", "redirects seen", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.redirects) },
    { "pages", "unchanged", "pages_unchanged_total", "pages asked for again that are as they are stored (304)", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.unchanged) },
    { "pages", "fresh", "pages_fresh_total", "stored pages that were not asked for again", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.fresh) },
    { "pages", "retries", "retries_total", "pages put back for another attempt", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.retries) },
    { "pages", "in_flight", "pages_in_flight", "claimed and not settled", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(workers.in_flight) },
    { "pages", "module_failures", "module_failures_total", "pages a module gave up on", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.module_failures) },
    { "documents", "new", "documents_new_total", "documents stored for the first time", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.documents_new) },
    { "documents", "replaced", "documents_replaced_total", "documents stored again", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.documents_replaced) },
    { "documents", "spooled", "documents_spooled_total", "documents that went to the spool", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.documents_spooled) },
    { "documents", "refused", "documents_refused_total", "documents wrong by themselves", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.documents_refused) },
    { "fetch", "active", "fetch_active", "transfers running", KIND_GAUGE, FIGURE_U32, NEED_NOTHING, AT(fetch.active) },
    { "fetch", "queued", "fetch_queued", "requests waiting for a transfer", KIND_GAUGE, FIGURE_U32, NEED_NOTHING, AT(fetch.queued) },
    { "fetch", "hosts", "fetch_hosts", "hosts known", KIND_GAUGE, FIGURE_U32, NEED_NOTHING, AT(fetch.hosts) },
    { "fetch", "requests", "fetch_requests_total", "requests sent", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(fetch.requests) },
    { "fetch", "connections", "fetch_connections_total", "connections made to sites", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(fetch.connections) },
    { "fetch", "wire_bytes", "fetch_wire_bytes_total", "bytes received", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(fetch.wire_bytes) },
    { "fetch", "body_bytes", "fetch_body_bytes_total", "bytes of pages after decompression", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(fetch.body_bytes) },
    { "queue", "held", "queue_held", "claimed and not settled", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(queue.held) },
    { "queue", "links_new", "queue_links_new_total", "new links", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(queue.links_new) },
    { "queue", "stale", "queue_stale_total", "outcomes refused because their lease had run out", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(queue.stale) },
    { "queue", "ready", "queue_ready", "jobs that can be claimed", KIND_GAUGE, FIGURE_U64, NEED_JOBS, AT(jobs.ready) },
    { "queue", "waiting", "queue_waiting", "jobs due later", KIND_GAUGE, FIGURE_U64, NEED_JOBS, AT(jobs.waiting) },
    { "queue", "leased", "queue_leased", "jobs in work", KIND_GAUGE, FIGURE_U64, NEED_JOBS, AT(jobs.leased) },
    { "queue", "done", "queue_done", "jobs done", KIND_GAUGE, FIGURE_U64, NEED_JOBS, AT(jobs.done) },
    { "queue", "dead", "queue_dead", "dead letters", KIND_GAUGE, FIGURE_U64, NEED_JOBS, AT(jobs.dead) },
    { "storage", "errors", "settle_errors_total", "batches that could not be stored at once", KIND_COUNTER, FIGURE_U64, NEED_NOTHING, AT(workers.settle_errors) },
    { "storage", "settle_p50_ns", "settle_p50_nanoseconds", "time to store a batch, median", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(workers.settle_p50_ns) },
    { "storage", "settle_p99_ns", "settle_p99_nanoseconds", "time to store a batch, 99 %", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(workers.settle_p99_ns) },
    { "latency", "p50_ns", "fetch_p50_nanoseconds", "time of a transfer, median", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(latency_p50_ns) },
    { "latency", "p95_ns", "fetch_p95_nanoseconds", "time of a transfer, 95 %", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(latency_p95_ns) },
    { "latency", "p99_ns", "fetch_p99_nanoseconds", "time of a transfer, 99 %", KIND_GAUGE, FIGURE_U64, NEED_NOTHING, AT(latency_p99_ns) },
    { "spool", "documents", "spool_documents", "documents waiting for the server", KIND_GAUGE, FIGURE_U64, NEED_SPOOL, AT(spool.documents) },
    { "spool", "bytes", "spool_bytes", "their size", KIND_GAUGE, FIGURE_U64, NEED_SPOOL, AT(spool.bytes) },
    { "spool", "max_bytes", "spool_max_bytes", "limit of their size", KIND_GAUGE, FIGURE_U64, NEED_SPOOL, AT(spool.max_bytes) },
    { "spool", "replayed", "spool_replayed_total", "documents replayed", KIND_COUNTER, FIGURE_U64, NEED_SPOOL, AT(spool.replayed) },
    { "spool", "oldest_age_ms", "spool_oldest_milliseconds", "age of the oldest", KIND_GAUGE, FIGURE_U64, NEED_SPOOL, AT(spool.oldest_age_ms) },
    { "pool", "total", "pool_total", "connections", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.total) },
    { "pool", "available", "pool_available", "idle connections", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.available) },
    { "pool", "in_use", "pool_in_use", "connections on loan", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.in_use) },
    { "pool", "pending", "pool_pending", "connections being made", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.pending) },
    { "pool", "waiting", "pool_waiting", "callers that wait", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.waiting) },
    { "pool", "max_size", "pool_max_size", "limit", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.max_size) },
    { "pool", "check_outs", "pool_check_outs_total", "check outs", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.check_outs) },
    { "pool", "timeouts", "pool_timeouts_total", "waits that ran out", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.timeouts) },
    { "pool", "connects", "pool_connects_total", "connections made", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.connects) },
    { "pool", "connect_failures", "pool_connect_failures_total", "connections that failed", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.connect_failures) },
    { "pool", "refreshes", "pool_refreshes_total", "rolling refreshes", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.refreshes) },
    { "health", "is_healthy", "db_healthy", "1 while the server passes its checks", KIND_GAUGE, FIGURE_BOOL, NEED_DB, AT(monitor.is_healthy) },
    { "health", "failed_checks_in_row", "db_failed_checks", "failed checks in a row", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.failed_checks_in_row) },
    { "health", "round_trip_us", "db_round_trip_microseconds", "last check", KIND_GAUGE, FIGURE_U64, NEED_DB, AT(monitor.last_round_trip_us) },
    { "health", "round_trip_average_us", "db_round_trip_average_microseconds", "moving average of our checks", KIND_GAUGE, FIGURE_U64, NEED_DB, AT(monitor.average_round_trip_us) },
    { "health", "round_trip_p95_us", "db_round_trip_p95_microseconds", "of our checks, 95 %", KIND_GAUGE, FIGURE_U64, NEED_DB, AT(monitor.p95_round_trip_us) },
    { "health", "heartbeats", "db_heartbeats_total", "heartbeats of the driver that passed", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.heartbeats) },
    { "health", "failed_heartbeats", "db_heartbeats_failed_total", "heartbeats of the driver that failed", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.failed_heartbeats) },
    { "health", "reconnects", "db_reconnects_total", "reconnects", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.reconnects) },
    { "health", "reconnect_tokens", "db_reconnect_tokens", "reconnects left in the window", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.reconnect_tokens) },
    { "health", "transitions", "db_transitions_total", "changes of state", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.transitions) },
    { "health", "alerts", "db_alerts", "alerts raised now", KIND_GAUGE, FIGURE_U32, NEED_DB, AT(monitor.alerts) },
    { "health", "server_connections", "db_server_connections", "connections of the whole server, -1 = not allowed to see", KIND_GAUGE, FIGURE_I64, NEED_DB, AT(monitor.server_current) },
    { "health", "server_queued", "db_server_queued", "operations that wait inside the server, -1 = not said", KIND_GAUGE, FIGURE_I64, NEED_DB, AT(monitor.server_queued) },
    { "health", "server_tickets_used", "db_server_tickets_used_percent", "of the server's read or write tickets, -1 = not said", KIND_GAUGE, FIGURE_I64, NEED_DB, AT(monitor.server_tickets_used) },
    { "health", "server_cache_used", "db_server_cache_used_percent", "of the server's cache, -1 = not said", KIND_GAUGE, FIGURE_I64, NEED_DB, AT(monitor.server_cache_used) },
    { "health", "majority_lag_ms", "db_majority_lag_milliseconds", "the majority behind the primary, -1 = no replica set", KIND_GAUGE, FIGURE_I64, NEED_DB, AT(monitor.majority_lag_ms) },
    { "operations", "count", "db_operations_total", "commands sent to the server", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.operations) },
    { "operations", "slow", "db_slow_operations_total", "commands that took slow_ms or longer", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.slow_operations) },
    { "operations", "explains", "db_explains_total", "slow shapes that were explained", KIND_COUNTER, FIGURE_U64, NEED_DB, AT(monitor.explains) },
};
/* clang-format on */

static bool is_there(const struct figure *figure, const struct admin_figures *figures)
{
    switch (figure->need) {
    case NEED_JOBS:
        return figures->has_jobs;
    case NEED_SPOOL:
        return figures->has_spool;
    case NEED_DB:
        return figures->has_db;
    case NEED_NOTHING:
        break;
    }
    return true;
}

static void append_value(const struct figure *figure, const struct admin_figures *figures,
                         struct base_buffer *out)
{
    const void *at = (const char *)figures + figure->offset;
    switch (figure->type) {
    case FIGURE_U64:
        base_buffer_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        return;
    case FIGURE_U32:
        base_buffer_printf(out, "%u", *(const uint32_t *)at);
        return;
    case FIGURE_I64:
        base_buffer_printf(out, "%lld", (long long)*(const int64_t *)at);
        return;
    case FIGURE_BOOL:
        base_buffer_append_str(out, *(const bool *)at ? "1" : "0");
        return;
    }
}

static void append_json_text(struct base_buffer *out, const char *name, const char *text)
{
    char shown[600];
    base_redact_uri(text != NULL ? text : "", shown, sizeof shown);
    base_buffer_printf(out, ",\"%s\":", name);
    base_buffer_append_json(out, shown, strlen(shown));
}

static void append_counter_json(void *ctx, const char *name, uint64_t value)
{
    struct base_buffer *out = ctx;
    if (out->len > 0 && out->data[out->len - 1] != '{') {
        base_buffer_append_char(out, ',');
    }
    base_buffer_append_json(out, name, strlen(name));
    base_buffer_printf(out, ":%llu", (unsigned long long)value);
}

static void append_alerts(const struct admin_sources *sources, char *out, size_t out_size)
{
    out[0] = '\0';
    if (sources->db != NULL) {
        (void)gleaner_monitor_alerts(sources->db, out, out_size);
    }
}

/* ---- JSON ---- */

static void append_failures_json(const struct admin_figures *figures, struct base_buffer *out)
{
    base_buffer_append_str(out, "},\"failures\":{");
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (figures->workers.failures[i] > 0) {
            append_counter_json(out, fetch_class_name((enum fetch_class)i),
                                figures->workers.failures[i]);
        }
    }
}

void admin_render_json(const struct admin_sources *sources, const struct admin_figures *figures,
                       struct base_buffer *out)
{
    char database[300];
    char alerts[8000];
    admin_describe_database(figures, database, sizeof database);
    append_alerts(sources, alerts, sizeof alerts);
    base_buffer_printf(out, "{\"version\":\"%s\"", GLEANER_VERSION);
    append_json_text(out, "command", sources->command);
    append_json_text(out, "target", sources->target);
    append_json_text(out, "data", sources->data);
    append_json_text(out, "database", database);
    append_json_text(out, "last_error", figures->workers.last_error);
    append_json_text(out, "alerts", alerts);
    base_buffer_printf(out, ",\"is_stopping\":%s,\"pages_per_s\":%.1f",
                       figures->is_stopping ? "true" : "false", figures->pages_per_s);
    if (figures->has_db) {
        append_json_text(out, "db_phase", figures->db.phase);
        append_json_text(out, "db_tier", figures->db.tier);
        append_json_text(out, "db_address", figures->db.address);
        append_json_text(out, "db_reason", figures->db.reason);
    }
    const char *section = "";
    for (size_t i = 0; i < BASE_ARRAY_LEN(figures_table); i++) {
        const struct figure *figure = &figures_table[i];
        if (!is_there(figure, figures)) {
            continue;
        }
        bool is_first = strcmp(section, figure->section) != 0;
        if (is_first) {
            base_buffer_printf(out, "%s,\"%s\":{", section[0] != '\0' ? "}" : "", figure->section);
            section = figure->section;
        }
        base_buffer_printf(out, "%s\"%s\":", is_first ? "" : ",", figure->name);
        append_value(figure, figures, out);
    }
    append_failures_json(figures, out);
    base_buffer_append_str(out, "},\"counters\":{");
    if (sources->workers != NULL) {
        worker_group_read_counters(sources->workers, append_counter_json, out);
    }
    base_buffer_append_char(out, '}');
    admin_append_operations_json(sources, out);
    base_buffer_append_str(out, "}\n");
}

/* ---- Prometheus ---- */

static void append_counter_metric(void *ctx, const char *name, uint64_t value)
{
    base_buffer_printf(ctx, "gleaner_module_counter_total{name=\"%s\"} %llu\n", name,
                       (unsigned long long)value);
}

static void append_state_metric(const struct admin_figures *figures, struct base_buffer *out)
{
    if (figures->has_db) {
        base_buffer_printf(out,
                           "# HELP gleaner_db_state where operations go now\n"
                           "# TYPE gleaner_db_state gauge\n"
                           "gleaner_db_state{phase=\"%s\",tier=\"%s\"} 1\n",
                           figures->db.phase, figures->db.tier);
    }
}

void admin_render_metrics(const struct admin_sources *sources, const struct admin_figures *figures,
                          struct base_buffer *out)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(figures_table); i++) {
        const struct figure *figure = &figures_table[i];
        if (!is_there(figure, figures)) {
            continue;
        }
        base_buffer_printf(out, "# HELP gleaner_%s %s\n# TYPE gleaner_%s %s\ngleaner_%s ",
                           figure->metric, figure->help, figure->metric,
                           figure->kind == KIND_COUNTER ? "counter" : "gauge", figure->metric);
        append_value(figure, figures, out);
        base_buffer_append_char(out, '\n');
    }
    base_buffer_append_str(out, "# HELP gleaner_failures_total pages given up, by class\n"
                                "# TYPE gleaner_failures_total counter\n");
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        base_buffer_printf(out, "gleaner_failures_total{class=\"%s\"} %llu\n",
                           fetch_class_name((enum fetch_class)i),
                           (unsigned long long)figures->workers.failures[i]);
    }
    append_state_metric(figures, out);
    admin_append_operations_metrics(sources, out);
    if (sources->workers != NULL) {
        base_buffer_append_str(out, "# HELP gleaner_module_counter_total counters of modules\n"
                                    "# TYPE gleaner_module_counter_total counter\n");
        worker_group_read_counters(sources->workers, append_counter_metric, out);
    }
}

/* ---- text ---- */

static void append_database_text(const struct admin_figures *figures, struct base_buffer *out)
{
    if (figures->has_db) {
        const struct gleaner_db_state *db = &figures->db;
        const struct gleaner_monitor_report *pool = &figures->monitor;
        const char *phase = admin_is_away(figures) ? "server away" : db->phase;
        bool has_tier = !admin_is_away(figures) && strcmp(db->tier, "none") != 0;
        base_buffer_printf(
            out, "database   %s%s%s for %llu s%s%s%s\n", phase, has_tier ? " on " : "",
            has_tier ? db->tier : "", (unsigned long long)db->since_ms / 1000,
            db->address[0] != '\0' ? ", " : "", db->address, pool->is_healthy ? ", healthy" : "");
        if (db->reason[0] != '\0') {
            base_buffer_printf(out, "           %s\n", db->reason);
        }
        base_buffer_printf(out,
                           "pool       %u of %u: %u idle, %u in use, %u connecting, %u waiting\n",
                           pool->total, pool->max_size, pool->available, pool->in_use,
                           pool->pending, pool->waiting);
    } else {
        base_buffer_append_str(out, "database   embedded\n");
    }
    if (figures->has_spool) {
        base_buffer_printf(out, "spool      %llu documents, %.1f of %.0f MiB, %llu replayed\n",
                           (unsigned long long)figures->spool.documents,
                           (double)figures->spool.bytes / 1048576.0,
                           (double)figures->spool.max_bytes / 1048576.0,
                           (unsigned long long)figures->spool.replayed);
    }
}

static void append_failures_text(const struct admin_figures *figures, struct base_buffer *out)
{
    if (admin_failures(figures) == 0) {
        return;
    }
    base_buffer_append_str(out, "failures  ");
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (figures->workers.failures[i] > 0) {
            base_buffer_printf(out, " %s %llu", fetch_class_name((enum fetch_class)i),
                               (unsigned long long)figures->workers.failures[i]);
        }
    }
    if (figures->workers.module_failures > 0) {
        base_buffer_printf(out, " module %llu",
                           (unsigned long long)figures->workers.module_failures);
    }
    base_buffer_append_char(out, '\n');
}

static void append_alerts_text(const struct admin_sources *sources, struct base_buffer *out)
{
    char alerts[8000];
    append_alerts(sources, alerts, sizeof alerts);
    for (char *rest = alerts; rest != NULL && *rest != '\0';) {
        char *line = strsep(&rest, "\n");
        if (*line != '\0') {
            base_buffer_printf(out, "alert      %s\n", line);
        }
    }
}

void admin_render_text(const struct admin_sources *sources, const struct admin_figures *figures,
                       struct base_buffer *out)
{
    base_buffer_printf(out, "gleaner %s, %s to %s, %llu s%s\n", GLEANER_VERSION, sources->command,
                       sources->target, (unsigned long long)figures->uptime_ms / 1000,
                       figures->is_stopping ? ", stopping" : "");
    base_buffer_printf(out, "pages      %llu (%.1f a second), %llu in flight, %llu retries\n",
                       (unsigned long long)figures->workers.pages, figures->pages_per_s,
                       (unsigned long long)figures->workers.in_flight,
                       (unsigned long long)figures->workers.retries);
    base_buffer_printf(out, "documents  %llu new, %llu replaced, %llu by way of the spool\n",
                       (unsigned long long)figures->workers.documents_new,
                       (unsigned long long)figures->workers.documents_replaced,
                       (unsigned long long)figures->workers.documents_spooled);
    if (figures->has_jobs) {
        base_buffer_printf(
            out, "queue      %llu ready, %llu later, %llu in work, %llu done, %llu dead\n",
            (unsigned long long)figures->jobs.ready, (unsigned long long)figures->jobs.waiting,
            (unsigned long long)figures->jobs.leased, (unsigned long long)figures->jobs.done,
            (unsigned long long)figures->jobs.dead);
    }
    base_buffer_printf(
        out, "transfers  %u running, %u waiting, %u hosts; p50 %.1f ms, p99 %.1f ms\n",
        figures->fetch.active, figures->fetch.queued, figures->fetch.hosts,
        (double)figures->latency_p50_ns / 1e6, (double)figures->latency_p99_ns / 1e6);
    append_failures_text(figures, out);
    append_database_text(figures, out);
    if (figures->workers.last_settle_status != GLEANER_OK) {
        base_buffer_printf(out, "storage    %s\n", figures->workers.last_error);
    }
    append_alerts_text(sources, out);
    admin_append_slow_text(sources, out);
}
