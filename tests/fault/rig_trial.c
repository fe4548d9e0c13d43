/* SPDX-License-Identifier: Apache-2.0 */
/* One fault with one of the two pools: writers run, the fault comes, it goes, all are back; then
 * everything is counted. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum { QUIET_LIMIT_MS = 15000, AFTER_MS = 300 };

static struct gleaner_monitor_report read_report(struct gleaner_db *db)
{
    struct gleaner_monitor_report report = {.size = sizeof report};
    gleaner_monitor_read(db, &report);
    return report;
}

static int count_sockets(const struct rig_trial *trial)
{
    int count = trial->port != 0 ? rig_sockets_to(trial->port) : 0;
    for (unsigned member = 0; trial->port == 0 && member < trial->members; member++) {
        count += rig_sockets_to(fixture_mongod_port(trial->server, member));
    }
    return count;
}

static struct rig_census take(const struct rig_trial *trial, const char *prefix)
{
    struct rig_census census = rig_take_census(trial->server, trial->members, prefix);
    census.sockets = count_sockets(trial) - trial->foreign_sockets;
    return census;
}

/* Server and kernel count the same, and no generation but the present one (and the probes, whose
 * name is a word) has a connection. Each driver pool has two connections of its own to each server,
 * besides its clients. */
static bool is_quiet(const struct rig_trial *trial, struct rig_census *census)
{
    *census = take(trial, trial->pool->prefix);
    bool agree = trial->skips_kernel || census->server == census->sockets;
    if (trial->pool->db == NULL || !agree) {
        return agree;
    }
    char present[96];
    struct gleaner_db_state state = {.size = sizeof state};
    struct gleaner_monitor_report report = read_report(trial->pool->db);
    gleaner_db_read_state(trial->pool->db, &state);
    snprintf(present, sizeof present, "%s(%u|[a-z]+)$", trial->pool->prefix, state.generation);
    int now = take(trial, present).server;
    return now == census->server && report.pending == 0 && (int)report.total <= now;
}

static void wait_quiet(const struct rig_trial *trial, struct rig_result *result)
{
    uint64_t until_ns = base_mono_ns() + QUIET_LIMIT_MS * BASE_NS_PER_MS;
    while (!(result->quiet = is_quiet(trial, &result->after)) && base_mono_ns() < until_ns) {
        rig_sleep_ms(50);
    }
}

static unsigned count_accepted(const struct rig_trial *trial, const long *from_byte)
{
    unsigned accepted = 0;
    for (unsigned member = 0; member < trial->members; member++) {
        accepted +=
            fixture_mongod_accepted(trial->server, member, trial->pool->prefix, from_byte[member]);
    }
    return accepted;
}

struct rig_result rig_try(struct rig_trial *trial)
{
    struct rig_result result = {0};
    struct rig_writers writers = {.pool = trial->pool,
                                  .collection = trial->pool->db != NULL ? "ours" : "theirs",
                                  .threads = trial->threads,
                                  .pause_us = trial->pause_us,
                                  .patience_ms = trial->patience_ms};
    long from_byte[3] = {0};
    trial->writers = &writers;
    rig_write_start(&writers);
    BASE_ASSERT(rig_write_all_back(&writers, trial->back_limit_ms));
    rig_sleep_ms(trial->warm_ms);
    result.before = take(trial, trial->pool->prefix);
    for (unsigned member = 0; member < trial->members; member++) {
        from_byte[member] = fixture_mongod_log_bytes(trial->server, member);
    }
    uint64_t reconnects = trial->pool->db != NULL ? read_report(trial->pool->db).reconnects : 0;
    result.injected_ns = base_mono_ns();
    trial->inject(trial);
    rig_sleep_ms(trial->hold_ms);
    if (trial->heal != NULL) {
        trial->heal(trial);
    }
    result.healed_ns = base_mono_ns();
    bool all_back = rig_write_all_back(&writers, trial->back_limit_ms);
    rig_sleep_ms(AFTER_MS);
    rig_write_stop(&writers);
    wait_quiet(trial, &result);
    result.accepted = count_accepted(trial, from_byte);
    result.back_ms = all_back ? rig_write_back_ms(&writers, result.healed_ns) : -1;
    result.ledger = rig_write_ledger(
        &writers, trial->uri != NULL ? trial->uri : fixture_mongod_admin_uri(trial->server));
    if (trial->pool->db != NULL) {
        struct gleaner_db_state state = {.size = sizeof state};
        gleaner_db_read_state(trial->pool->db, &state);
        snprintf(result.phase, sizeof result.phase, "%.15s", state.phase);
        result.reconnects = read_report(trial->pool->db).reconnects - reconnects;
    }
    rig_write_free(&writers);
    return result;
}

void rig_print_header(const char *what)
{
    printf("%s\n%-10s %8s %7s %7s %5s %7s %9s %8s %8s  %s\n", what, "", "acked", "failed",
           "givenup", "lost", "doubled", "longest", "back ms", "accepted",
           "census, sockets, descriptors, threads: before -> after");
}

void rig_print_result(const struct rig_trial *trial, const struct rig_result *r)
{
    const struct rig_ledger *ledger = &r->ledger;
    printf("%-10s %8llu %7llu %7llu %5llu %7llu %9.0f %8.0f %8u  %d/%d/%d/%d -> %d/%d/%d/%d %s\n",
           trial->pool->who, (unsigned long long)ledger->acknowledged,
           (unsigned long long)ledger->failures, (unsigned long long)ledger->given_up,
           (unsigned long long)ledger->lost, (unsigned long long)ledger->doubled,
           ledger->longest_ms, r->back_ms, r->accepted, r->before.server, r->before.sockets,
           r->before.descriptors, r->before.threads, r->after.server, r->after.sockets,
           r->after.descriptors, r->after.threads, r->phase);
}

void rig_judge_common(const struct rig_result *r)
{
    const struct rig_ledger *ledger = &r->ledger;
    printf("ledger: %llu acknowledged lost, %llu doubled, %llu given up, bar 0: %s\n",
           (unsigned long long)ledger->lost, (unsigned long long)ledger->doubled,
           (unsigned long long)ledger->given_up,
           rig_verdict(ledger->lost == 0 && ledger->doubled == 0 && ledger->given_up == 0 &&
                       ledger->acknowledged > 0));
    printf("in the end: server, kernel and our count agree, retired generations 0: %s\n",
           rig_verdict(r->quiet));
}

/* ---- a trial each way ---- */

static void judge(const struct rig_result *mine, const struct rig_result *other,
                  const struct rig_bars *bars)
{
    rig_judge_common(mine);
    if (bars->back_ms > 0) {
        printf("all back after the end of it: %.0f ms, bar %.0f ms, libmongoc %.0f ms: %s\n",
               mine->back_ms, bars->back_ms, other->back_ms,
               rig_verdict(mine->back_ms >= 0 && mine->back_ms <= bars->back_ms));
    }
    if (bars->longest_ms > 0) {
        printf("longest write: %.0f ms, bar %.0f ms, libmongoc %.0f ms: %s\n",
               mine->ledger.longest_ms, bars->longest_ms, other->ledger.longest_ms,
               rig_verdict(mine->ledger.longest_ms <= bars->longest_ms));
    }
    if (bars->none_fails) {
        printf("failed as seen by a module: %llu, bar 0, libmongoc %llu: %s\n",
               (unsigned long long)mine->ledger.failures,
               (unsigned long long)other->ledger.failures, rig_verdict(mine->ledger.failures == 0));
    }
    if (bars->accepted > 0) {
        printf("connections made meanwhile: %u, bar %u, libmongoc %u: %s\n", mine->accepted,
               bars->accepted, other->accepted, rig_verdict(mine->accepted <= bars->accepted));
    }
}

struct rig_result rig_both(struct rig_trial *trial, const struct gleaner_db_options *options,
                           const char *title, const struct rig_bars *bars)
{
    struct rig_pool ours, theirs;
    trial->foreign_sockets = count_sockets(trial);
    rig_open_ours(&ours, options);
    trial->pool = &ours;
    struct rig_result mine = rig_try(trial);
    rig_close(&ours);
    rig_open_theirs(&theirs, trial->their_uri != NULL ? trial->their_uri : options->uri,
                    options->max_pool_size);
    trial->pool = &theirs;
    struct rig_result other = rig_try(trial);
    rig_close(&theirs);
    rig_print_header(title);
    trial->pool = &ours;
    rig_print_result(trial, &mine);
    trial->pool = &theirs;
    rig_print_result(trial, &other);
    judge(&mine, &other, bars);
    return mine;
}
