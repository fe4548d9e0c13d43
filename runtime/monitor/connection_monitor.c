/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own numbers, where the user may see them. The answer is a check of health too, so
 * that a period costs one command and not two. */
#include "monitor_internal.h"

#define CREATED_WINDOW_NS (60 * BASE_NS_PER_S)

static void show(struct monitors *monitors, const struct mongo_server_status *status)
{
#define SHOW(field, value)                                                                         \
    atomic_store_explicit(&monitors->field, (int64_t)(value), memory_order_relaxed)
    int64_t tickets_used = -1;
    if (status->read_tickets > 0 && status->write_tickets > 0) {
        int64_t reads = status->read_tickets_out * 100 / status->read_tickets;
        int64_t writes = status->write_tickets_out * 100 / status->write_tickets;
        tickets_used = reads > writes ? reads : writes;
    }
    SHOW(server_current, status->connections_current);
    SHOW(server_available, status->connections_available);
    SHOW(server_total_created, status->connections_created);
    SHOW(server_queued,
         status->queued_readers < 0 ? -1 : status->queued_readers + status->queued_writers);
    SHOW(server_tickets_used, tickets_used);
    SHOW(server_cache_used, status->cache_used_percent);
    SHOW(server_operations, status->operations);
#undef SHOW
}

/* Counters begin anew: a difference between two servers' is no number of anything. */
static void forget_counts(struct monitors *monitors)
{
    monitors->has_status = false;
    monitors->created[0].total = -1;
    monitors->created[1].total = -1;
}

static void forget(struct monitors *monitors)
{
    static const enum alert measured[] = {ALERT_CONNECTIONS_USED, ALERT_NEW_CONNECTIONS,
                                          ALERT_QUEUED, ALERT_CACHE};
    const struct mongo_server_status nothing = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    show(monitors, &nothing);
    forget_counts(monitors);
    for (size_t i = 0; i < BASE_ARRAY_LEN(measured); i++) {
        alerts_measure(&monitors->alerts, measured[i], 0);
    }
}

/* A new generation on the same tier may be to another member of the set; and what the user was
 * refused may have been granted since. */
void connection_monitor_follow(struct monitors *monitors)
{
    const struct connection_snapshot *now =
        connection_current(supervisor_connection(monitors->supervisor));
    if (now->tier != monitors->measured_tier) {
        forget(monitors);
    }
    if (now->tier != monitors->measured_tier || now->generation != monitors->measured_generation) {
        forget_counts(monitors);
        monitors->connection_is_refused = false;
    }
    monitors->measured_tier = now->tier;
    monitors->measured_generation = now->generation;
}

/* New connections in 60 s, whatever the period: counted from a mark one to two windows old (or a
 * period, if that is longer), scaled down to one window; a shorter time is never scaled up. */
static void measure_created(struct monitors *monitors, int64_t total)
{
    uint64_t now_ns = monitors_now(monitors);
    bool is_restarted = monitors->created[1].total > total;
    if (monitors->created[1].total < 0 || is_restarted) {
        for (int i = 0; i < 2; i++) {
            monitors->created[i].total = total;
            monitors->created[i].at_ns = now_ns;
        }
        return;
    }
    double grown = (double)(total - monitors->created[0].total);
    double past_ns = (double)(now_ns - monitors->created[0].at_ns);
    double share = past_ns > (double)CREATED_WINDOW_NS ? (double)CREATED_WINDOW_NS / past_ns : 1;
    alerts_measure(&monitors->alerts, ALERT_NEW_CONNECTIONS, (int64_t)(grown * share));
    if (now_ns - monitors->created[1].at_ns >= CREATED_WINDOW_NS) {
        monitors->created[0] = monitors->created[1];
        monitors->created[1].total = total;
        monitors->created[1].at_ns = now_ns;
    }
}

static void measure_status(struct monitors *monitors, const struct mongo_server_status *status)
{
    char words[ALERT_DETAIL];
    int64_t before = monitors->has_status ? monitors->status.evicted_by_operations : -1;
    int64_t now = status->evicted_by_operations;
    monitors->evicted = before >= 0 && now > before ? now - before : 0;
    monitors->status = *status;
    monitors->has_status = true;
    words_about_server(monitors, words, sizeof(words));
    int64_t queued = status->queued_readers + status->queued_writers;
    alerts_measure_with(&monitors->alerts, ALERT_QUEUED, queued > 0 ? queued : 0, words);
    alerts_measure_with(&monitors->alerts, ALERT_CACHE,
                        status->cache_used_percent > 0 ? status->cache_used_percent : 0, words);
}

static void take_status(struct monitors *monitors, const struct mongo_server_status *status)
{
    int64_t current = status->connections_current, available = status->connections_available;
    show(monitors, status);
    if (current >= 0 && available >= 0 && current + available > 0) {
        alerts_measure(&monitors->alerts, ALERT_CONNECTIONS_USED,
                       current * 100 / (current + available));
    }
    if (status->connections_created >= 0) {
        measure_created(monitors, status->connections_created);
    }
    measure_status(monitors, status);
}

/* The server answered, and what it said is no: its health is not in question. Not every server that
 * speaks the protocol knows serverStatus. */
static bool is_refusal(enum gleaner_status status)
{
    return status == GLEANER_E_AUTH || status == GLEANER_E_INVALID || status == GLEANER_E_CONFIG ||
           status == GLEANER_E_INTERNAL;
}

static void note_refused(struct monitors *monitors, const char *why)
{
    if (!monitors->connection_is_refused) {
        monitors->connection_is_refused = true;
        base_log_info("monitor",
                      "event=server_connections_hidden why=\"this user may not run serverStatus "
                      "(%.200s)\" todo=\"grant clusterMonitor to see them\"",
                      why);
    }
}

static void answered(void *ctx, const struct supervisor_answer *answer)
{
    struct monitors *monitors = ctx;
    monitors->health_is_asked = false;
    connection_monitor_follow(monitors);
    if (answer->status == GLEANER_OK) {
        const struct supervisor_server_connections *seen = &answer->connections;
        struct mongo_server_status bare = {seen->current,
                                           seen->available,
                                           seen->total_created,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1,
                                           -1};
        take_status(monitors, seen->has_status ? &seen->status : &bare);
    } else {
        forget(monitors);
    }
    if (is_refusal(answer->status)) { /* an answer all the same: the next ping is on time */
        note_refused(monitors, answer->error.message);
        return;
    }
    health_monitor_note(monitors, answer, 0);
}

uint64_t connection_monitor_run(void *ctx, uint64_t now_ns)
{
    struct monitors *monitors = ctx;
    uint64_t next_ns = now_ns + monitors->config.connection_interval_ms * BASE_NS_PER_MS;
    connection_monitor_follow(monitors);
    if (monitors->connection_is_refused) {
        return next_ns;
    }
    enum gleaner_status status =
        supervisor_call(monitors->supervisor, SUPERVISOR_SERVER_CONNECTIONS, answered, monitors);
    if (status == GLEANER_OK) { /* in the place of a ping */
        monitors->health_is_asked = true;
        supervisor_run_task_at(monitors->supervisor, monitors->health_task,
                               now_ns + monitors->config.health_interval_ms * BASE_NS_PER_MS);
    }
    return status == GLEANER_E_BUSY ? now_ns + BASE_NS_PER_S : next_ns;
}
