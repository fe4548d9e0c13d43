/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts with hysteresis, published for readers that must never wait. */
#include "monitor_internal.h"
#include <stdio.h>
#include <string.h>

/* Levels: reference/application.md, connection monitor; the server's own are those at which
 * WiredTiger makes operations evict (95 %) and at which a queue is no chance any more. An alert
 * ends well below where it begins, so that a value that swings around the level is one alert. */
static const struct alert_rule {
    const char *what;
    int64_t above; /* raised when the value is above */
    int64_t until; /* ended when it is at or below */
    const char *todo;
} rules[ALERT_COUNT] = {
    [ALERT_CONNECTIONS_USED] = {"the server's connections in use (per cent)", 70, 60,
                                "lower max_pool_size of its users or raise the server's "
                                "net.maxIncomingConnections"},
    [ALERT_POOL_USED] = {"the pool in use (per cent)", 90, 75,
                         "raise max_pool_size, or look for loans that are held too long"},
    [ALERT_WAITING] = {"callers waiting for a client", 5, 2,
                       "raise max_pool_size or use fewer workers; see oldest_wait_ms"},
    [ALERT_NEW_CONNECTIONS] = {"connections made on the server in 60 s", 50, 25,
                               "look for a program that connects for each operation"},
    [ALERT_UNHEALTHY] = {"failed health checks in a row", 1, 0,
                         "look at the server and the network; recovery runs by itself"},
    [ALERT_STUCK] = {"connections in progress past their deadline", 0, 0,
                     "the server or the way to it accepts and stays silent: look at firewall, "
                     "DNS and load of the server"},
    [ALERT_TIER] = {"operations do not go to the primary", 0, 0,
                    "bring the primary back; the return is automatic and what was written "
                    "meanwhile is replayed"},
    [ALERT_SPOOL] = {"the spool in use (per cent)", 80, 60,
                     "bring the server back or raise spool_max_mb: a full spool stops the work"},
    [ALERT_STORM] = {"reconnects used of those allowed (per cent)", 79,
                     50, /* 2 of 10 are kept for evidence */
                     "connections break as soon as they are made: look at the server's log, at "
                     "firewalls and time-outs on the way"},
    [ALERT_SLOW] = {"slow operations in 60 s", 5, 1,
                    "`gleaner status` lists them with what would help each"},
    [ALERT_QUEUED] = {"operations that wait inside the server", 16, 4,
                      "the server has more work than it can do: find the slow operations, use "
                      "fewer workers, or give it more disk and memory"},
    [ALERT_CACHE] = {"the server's cache in use (per cent)", 95, 90,
                     "raise storage.wiredTiger.engineConfig.cacheSizeGB or add memory: operations "
                     "have to make room themselves"},
    [ALERT_LAG] = {"seconds that the majority is behind the primary", 10, 2,
                   "writes wait for the secondaries: look at their disk and network"},
    [ALERT_SILENT] = {"seconds without a heartbeat of the driver", 0, 0,
                      "the driver's monitor hangs, often in a name look-up: look at DNS"},
};

void alerts_init(struct alerts *alerts)
{
    (void)sync_publish(&alerts->published, &alerts->buffers[0]);
}

static void write_list(const struct alerts *alerts, struct alert_list *list)
{
    list->count = 0;
    for (int i = 0; i < ALERT_COUNT; i++) {
        if (alerts->is_raised[i]) {
            const char *detail = alerts->detail[i];
            snprintf(list->text[list->count++], sizeof(list->text[0]), "%s: %lld%s%s; %s",
                     rules[i].what, (long long)alerts->value[i], detail[0] != '\0' ? "; " : "",
                     detail, rules[i].todo);
        }
    }
}

/* Publish, wait for the grace period, keep the old one as the next turn's buffer. */
static void publish_list(struct alerts *alerts)
{
    const void *now = atomic_load_explicit(&alerts->published.pointer, memory_order_relaxed);
    struct alert_list *next =
        now == &alerts->buffers[0] ? &alerts->buffers[1] : &alerts->buffers[0];
    write_list(alerts, next);
    (void)sync_publish(&alerts->published, next);
    sync_wait_readers();
}

static void log_change(const struct alerts *alerts, enum alert alert)
{
    bool is = alerts->is_raised[alert];
    base_log(is ? BASE_LOG_WARN : BASE_LOG_INFO, "monitor",
             "alert=%s what=\"%s\" value=%lld detail=\"%s\" todo=\"%s\"", is ? "raised" : "ended",
             rules[alert].what, (long long)alerts->value[alert], is ? alerts->detail[alert] : "",
             is ? rules[alert].todo : "");
}

void alerts_measure_with(struct alerts *alerts, enum alert alert, int64_t value, const char *detail)
{
    const struct alert_rule *rule = &rules[alert];
    bool was = alerts->is_raised[alert];
    bool is = was ? value > rule->until : value > rule->above;
    bool says_other =
        is && (value != alerts->value[alert] || strcmp(detail, alerts->detail[alert]) != 0);
    alerts->value[alert] = value;
    alerts->is_raised[alert] = is;
    snprintf(alerts->detail[alert], sizeof(alerts->detail[alert]), "%s", detail);
    if (is != was) {
        log_change(alerts, alert);
    }
    if (is != was || says_other) {
        publish_list(alerts);
    }
}

void alerts_measure(struct alerts *alerts, enum alert alert, int64_t value)
{
    alerts_measure_with(alerts, alert, value, "");
}

/* ---- reading ---- */

static size_t append_line(char *buf, size_t buf_size, size_t len, const char *line)
{
    size_t room = len < buf_size ? buf_size - len : 0;
    int written = snprintf(room > 0 ? buf + len : NULL, room, "%s\n", line);
    return written > 0 ? (size_t)written : 0;
}

size_t monitors_alerts(struct monitors *monitors, char *buf, size_t buf_size)
{
    struct alert_list list; /* copied: formatting has no place in a read section */
    sync_reader_ensure();
    sync_read_lock();
    list = *(const struct alert_list *)sync_read(&monitors->alerts.published);
    sync_read_unlock();
    size_t len = 0;
    if (buf_size > 0) {
        buf[0] = '\0';
    }
    for (uint32_t i = 0; i < list.count; i++) {
        len += append_line(buf, buf_size, len, list.text[i]);
    }
    return len;
}
