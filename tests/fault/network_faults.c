/* SPDX-License-Identifier: Apache-2.0 */
/* The network between us and a single server: cut by a namespace (packets dropped, nothing
 * refused), or spoilt by a toxiproxy. */
#include "rig.h"
#include "rig_proxy.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS = 10, WRITERS = 20, BACK_BAR_MS = 2000 };

/* libmongoc's own socket time-out is 300 s: without the application's, its writers would stand
 * until then. */
#define THEIR_TIMEOUTS                                                                             \
    "?socketTimeoutMS=45000&connectTimeoutMS=30000&serverSelectionTimeoutMS=15000"

static struct rig_trial plan(struct fixture_mongod *server, uint32_t hold_ms)
{
    return (struct rig_trial){.server = server,
                              .members = 1,
                              .threads = WRITERS,
                              .pause_us = 2000,
                              .patience_ms = hold_ms + 90000,
                              .warm_ms = 500,
                              .hold_ms = hold_ms,
                              .back_limit_ms = 90000};
}

/* ---- partition ---- */

static void cut(struct rig_trial *trial)
{
    fixture_mongod_cut(trial->server);
}
static void mend(struct rig_trial *trial)
{
    fixture_mongod_mend(trial->server);
}

static int run_partition(uint32_t seconds)
{
    if (!fixture_mongod_has_networks()) {
        return rig_skip("needs root and `ip` (package iproute2) for a network namespace");
    }
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.own_network = true});
    struct gleaner_db_options options;
    char their_uri[256], title[96];
    BASE_ASSERT(server != NULL);
    uint32_t length = seconds > 0 ? seconds : 12;
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    snprintf(their_uri, sizeof their_uri, "%s" THEIR_TIMEOUTS, options.uri);
    struct rig_trial trial = plan(server, length * 1000);
    trial.inject = cut;
    trial.heal = mend;
    trial.their_uri = their_uri;
    snprintf(title, sizeof title, "every packet dropped for %u s", length);
    (void)rig_both(&trial, &options, title, &(struct rig_bars){.back_ms = BACK_BAR_MS});
    fixture_mongod_end(&server);
    return 0;
}

/* ---- through a proxy ---- */

struct toxic {
    struct rig_proxy *proxy;
    const char *type, *attributes;
    bool refreshes;
};

static void poison(struct rig_trial *trial)
{
    struct toxic *toxic = trial->ctx;
    rig_proxy_poison(toxic->proxy, toxic->type, toxic->attributes);
    if (toxic->refreshes && trial->pool->db != NULL) {
        gleaner_db_refresh(trial->pool->db);
    }
}
static void cure(struct rig_trial *trial)
{
    struct toxic *toxic = trial->ctx;
    rig_proxy_cure(toxic->proxy);
}

/* All rest, every idle connection is closed from the other side; then they go on. */
static void cut_idle(struct rig_trial *trial)
{
    struct toxic *toxic = trial->ctx;
    rig_write_rest(trial->writers);
    rig_proxy_cut(toxic->proxy);
}
static void wake(struct rig_trial *trial)
{
    rig_write_resume(trial->writers);
}

static int through_proxy(struct toxic *toxic, const char *title, uint32_t hold_ms,
                         void (*inject)(struct rig_trial *), void (*heal)(struct rig_trial *),
                         const struct rig_bars *bars)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    BASE_ASSERT(server != NULL);
    toxic->proxy =
        rig_proxy_start(fixture_mongod_address(server, 0), fixture_mongod_port(server, 0));
    if (toxic->proxy == NULL) {
        fixture_mongod_end(&server);
        return rig_skip("needs toxiproxy-server (TOXIPROXY or PATH; `./dev fault` builds it)");
    }
    struct gleaner_db_options options;
    char uri[64], their_uri[256];
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%u/", (unsigned)rig_proxy_port(toxic->proxy));
    snprintf(their_uri, sizeof their_uri, "%s" THEIR_TIMEOUTS, uri);
    rig_options(&options, uri, CLIENTS);
    struct rig_trial trial = plan(server, hold_ms);
    trial.inject = inject;
    trial.heal = heal;
    trial.ctx = toxic;
    trial.their_uri = their_uri;
    trial.port = rig_proxy_port(toxic->proxy);
    (void)rig_both(&trial, &options, title, bars);
    rig_proxy_end(&toxic->proxy);
    fixture_mongod_end(&server);
    return 0;
}

static int run_latency(uint32_t seconds)
{
    struct toxic toxic = {.type = "latency", .attributes = "{\"latency\":150,\"jitter\":50}"};
    return through_proxy(&toxic, "150 ms +- 50 more each way: slow is not sick",
                         (seconds > 0 ? seconds : 5) * 1000, poison, cure,
                         &(struct rig_bars){.none_fails = true, .accepted = 4});
}

static int run_bandwidth(uint32_t seconds)
{
    struct toxic toxic = {.type = "bandwidth", .attributes = "{\"rate\":4}"};
    return through_proxy(&toxic, "4 KB/s for each connection: slow is not sick",
                         (seconds > 0 ? seconds : 5) * 1000, poison, cure,
                         &(struct rig_bars){.none_fails = true, .accepted = 4});
}

static int run_reset(uint32_t seconds)
{
    struct toxic toxic = {.type = "reset_peer", .attributes = "{\"timeout\":0}"};
    return through_proxy(&toxic, "every connection is reset, the new ones too",
                         (seconds > 0 ? seconds : 3) * 1000, poison, cure,
                         &(struct rig_bars){.back_ms = BACK_BAR_MS});
}

static int run_blackhole(uint32_t seconds)
{
    struct toxic toxic = {.type = "timeout", .attributes = "{\"timeout\":0}"};
    return through_proxy(&toxic, "connections are accepted, bytes vanish",
                         (seconds > 0 ? seconds : 8) * 1000, poison, cure,
                         &(struct rig_bars){.back_ms = BACK_BAR_MS});
}

static int run_slow_close(uint32_t seconds)
{
    struct toxic toxic = {
        .type = "slow_close", .attributes = "{\"delay\":3000}", .refreshes = true};
    return through_proxy(&toxic, "closing takes 3 s, while a refresh closes every connection",
                         (seconds > 0 ? seconds : 5) * 1000, poison, cure,
                         &(struct rig_bars){.none_fails = true, .longest_ms = 1000});
}

static int run_idle_cut(uint32_t seconds)
{
    struct toxic toxic = {0};
    return through_proxy(&toxic, "idle connections are cut by the other side; then work goes on",
                         (seconds > 0 ? seconds : 3) * 1000, cut_idle, wake,
                         &(struct rig_bars){.none_fails = true, .back_ms = BACK_BAR_MS});
}

static const struct rig_fault faults[] = {
    {"partition", "network namespace: every packet dropped [12 s]", run_partition},
    {"latency", "toxiproxy: latency", run_latency},
    {"bandwidth", "toxiproxy: bandwidth", run_bandwidth},
    {"reset", "toxiproxy: reset_peer", run_reset},
    {"blackhole", "toxiproxy: accepted and silent (timeout 0)", run_blackhole},
    {"slow-close", "toxiproxy: slow_close under a refresh", run_slow_close},
    {"idle-cut", "idle connections cut by the other side", run_idle_cut},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, sizeof faults / sizeof faults[0]);
}
