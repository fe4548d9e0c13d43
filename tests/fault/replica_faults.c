/* SPDX-License-Identifier: Apache-2.0 */
/* A replica set of three that elects: 20 writers with w:majority. A watcher beside them, with
 * connections of its own, measures how long there was no primary: that much stall is the server's.
 */
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum { MEMBERS = 3, CLIENTS = 10, WRITERS = 20, STALL_BAR_MS = 500 };

struct election {
    struct rig_admin *admins[MEMBERS];
    int old_primary;
    uint64_t began_ns;
    _Atomic uint64_t primary_ns, ended_ns; /* watcher -> main */
    _Atomic bool must_stop;
    struct sync_thread *watcher;
};

static bool is_primary(struct rig_admin *admin)
{
    bson_t reply;
    bson_iter_t iter;
    bool is = rig_admin_run(admin, "admin", &reply, "{\"hello\":1}") &&
              bson_iter_init_find(&iter, &reply, "isWritablePrimary") && bson_iter_as_bool(&iter);
    bson_destroy(&reply);
    return is;
}

/* Ends when another member has taken a write. */
static void watch(void *arg)
{
    struct election *election = arg;
    while (!atomic_load(&election->must_stop)) {
        for (int member = 0; member < MEMBERS; member++) {
            if (member == election->old_primary || !is_primary(election->admins[member])) {
                continue;
            }
            uint64_t none = 0, now_ns = base_mono_ns();
            (void)atomic_compare_exchange_strong(&election->primary_ns, &none, now_ns);
            if (rig_admin_run(election->admins[member], RIG_DATABASE, NULL,
                              "{\"insert\":\"watcher\",\"documents\":[{\"a\":1}],"
                              "\"writeConcern\":{\"w\":\"majority\",\"j\":true}}")) {
                atomic_store(&election->ended_ns, base_mono_ns());
                return;
            }
        }
        rig_sleep_ms(2);
    }
}

static void begin(struct rig_trial *trial)
{
    struct election *election = trial->ctx;
    election->old_primary = fixture_mongod_primary(trial->server);
    BASE_ASSERT(election->old_primary >= 0);
    atomic_store(&election->primary_ns, 0);
    atomic_store(&election->ended_ns, 0);
    election->began_ns = base_mono_ns();
    BASE_ASSERT(sync_thread_start(&election->watcher, "watcher", SYNC_PLAIN, watch, election) ==
                GLEANER_OK);
}

static void kill_primary(struct rig_trial *trial)
{
    struct election *election = trial->ctx;
    begin(trial);
    fixture_mongod_kill(trial->server, (unsigned)election->old_primary);
}

static void rejoin(struct rig_trial *trial)
{
    struct election *election = trial->ctx;
    sync_thread_join(&election->watcher);
    BASE_ASSERT(fixture_mongod_restart(trial->server, (unsigned)election->old_primary));
}

static void step_down(struct rig_trial *trial)
{
    struct election *election = trial->ctx;
    begin(trial);
    BASE_ASSERT(rig_admin_run(election->admins[election->old_primary], "admin", NULL,
                              "{\"replSetStepDown\":20,\"secondaryCatchUpPeriodSecs\":5}"));
}

static void wait_elected(struct rig_trial *trial)
{
    sync_thread_join(&((struct election *)trial->ctx)->watcher);
}

static double since_ms(const struct election *election, uint64_t at_ns)
{
    return (double)(at_ns - election->began_ns) / 1e6;
}

/* One pool's trial; the election's length comes back too. */
static struct rig_result try_one(struct rig_trial *trial, double *length_ms)
{
    struct election election = {0};
    char uri[128];
    for (unsigned i = 0; i < MEMBERS; i++) {
        snprintf(uri, sizeof uri, "mongodb://%s:%u/?directConnection=true",
                 fixture_mongod_address(trial->server, i),
                 (unsigned)fixture_mongod_port(trial->server, i));
        election.admins[i] = rig_admin_open(uri);
        BASE_ASSERT(rig_admin_run(election.admins[i], "admin", NULL, "{\"ping\":1}"));
    }
    trial->ctx = &election;
    struct rig_result result = rig_try(trial);
    *length_ms = since_ms(&election, atomic_load(&election.ended_ns));
    printf("%s: the servers: a new primary after %.0f ms, a majority write after %.0f ms\n",
           trial->pool->who, since_ms(&election, atomic_load(&election.primary_ns)), *length_ms);
    for (unsigned i = 0; i < MEMBERS; i++) {
        rig_admin_close(&election.admins[i]);
    }
    return result;
}

static int fail_over(const char *title, void (*inject)(struct rig_trial *),
                     void (*heal)(struct rig_trial *), uint32_t hold_ms)
{
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.members = MEMBERS});
    struct gleaner_db_options options;
    struct rig_pool ours, theirs;
    double mine_ms, other_ms;
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = {.server = server,
                              .members = MEMBERS,
                              .threads = WRITERS,
                              .pause_us = 2000,
                              .patience_ms = 60000,
                              .warm_ms = 1000,
                              .hold_ms = hold_ms,
                              .back_limit_ms = 60000,
                              .inject = inject,
                              .heal = heal,
                              .skips_kernel = true};
    rig_open_ours(&ours, &options);
    trial.pool = &ours;
    struct rig_result mine = try_one(&trial, &mine_ms);
    rig_close(&ours);
    rig_open_theirs(&theirs, options.uri, CLIENTS);
    trial.pool = &theirs;
    struct rig_result other = try_one(&trial, &other_ms);
    rig_close(&theirs);
    rig_print_header(title);
    trial.pool = &ours;
    rig_print_result(&trial, &mine);
    trial.pool = &theirs;
    rig_print_result(&trial, &other);
    rig_judge_common(&mine);
    printf("failed as seen by a module: %llu, bar 0, libmongoc %llu: %s\n",
           (unsigned long long)mine.ledger.failures, (unsigned long long)other.ledger.failures,
           rig_verdict(mine.ledger.failures == 0));
    printf("stall: %.0f ms with an election of %.0f ms, bar election + %d ms; libmongoc %.0f ms "
           "with one of %.0f ms: %s\n",
           mine.ledger.longest_ms, mine_ms, STALL_BAR_MS, other.ledger.longest_ms, other_ms,
           rig_verdict(mine.ledger.longest_ms <= mine_ms + STALL_BAR_MS));
    fixture_mongod_end(&server);
    return 0;
}

static int run_step_down(uint32_t seconds)
{
    return fail_over("the primary steps down, another is elected", step_down, wait_elected,
                     (seconds > 0 ? seconds : 4) * 1000);
}

static int run_primary_killed(uint32_t seconds)
{
    return fail_over("the primary is killed, another is elected, it rejoins", kill_primary, rejoin,
                     (seconds > 0 ? seconds : 5) * 1000);
}

static const struct rig_fault faults[] = {
    {"stepdown", "replica set of three: replSetStepDown", run_step_down},
    {"primary-killed", "replica set of three: the primary is killed and rejoins",
     run_primary_killed},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, sizeof faults / sizeof faults[0]);
}
