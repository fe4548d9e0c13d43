/* SPDX-License-Identifier: Apache-2.0 */
/* A single server that dies, freezes, answers errors, or takes no more connections: 20 writers,
 * with gleaner's pool and with mongoc_client_pool alone, each write tried until it is acknowledged.
 */
#include "rig.h"
#include "rig_jobs.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 10, WRITERS = 20, JOBS = 50, JOB_WORKERS = 4, JOB_MS = 150, BACK_BAR_MS = 2000 };

static struct rig_trial plan(struct fixture_mongod *server, struct rig_pool *pool)
{
    return (struct rig_trial){.server = server,
                              .pool = pool,
                              .members = 1,
                              .threads = WRITERS,
                              .pause_us = 2000,
                              .patience_ms = 60000,
                              .warm_ms = 500,
                              .back_limit_ms = 60000};
}

static void kill_server(struct rig_trial *trial)
{
    fixture_mongod_kill(trial->server, 0);
}
static void restart_server(struct rig_trial *trial)
{
    BASE_ASSERT(fixture_mongod_restart(trial->server, 0));
}
static void freeze_server(struct rig_trial *trial)
{
    fixture_mongod_freeze(trial->server, 0);
}
static void thaw_server(struct rig_trial *trial)
{
    fixture_mongod_thaw(trial->server, 0);
}

/* ---- kill -9 and restart ---- */

static void judge_jobs(const struct rig_jobs_result *jobs, uint64_t back_ns)
{
    double late_ms =
        jobs->last_done_ns > back_ns ? (double)(jobs->last_done_ns - back_ns) / 1e6 : 0;
    printf("jobs: %llu submitted, %llu completed, %llu documents, last done %.0f ms after the "
           "return; bar %d of %d, %d documents: %s\n",
           (unsigned long long)jobs->submitted, (unsigned long long)jobs->completed,
           (unsigned long long)jobs->documents, late_ms, JOBS, JOBS, JOBS,
           rig_verdict(jobs->completed == JOBS && jobs->documents == JOBS));
}

static int run_kill(uint32_t seconds)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    struct rig_pool ours, theirs;
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    rig_open_ours(&ours, &options);
    struct rig_trial trial = plan(server, &ours);
    trial.hold_ms = (seconds > 0 ? seconds : 3) * 1000;
    trial.inject = kill_server;
    trial.heal = restart_server;
    struct rig_jobs *jobs = rig_jobs_start(ours.db, options.uri, JOBS, JOB_WORKERS, JOB_MS);
    struct rig_result mine = rig_try(&trial);
    struct rig_jobs_result done = rig_jobs_end(&jobs, 30000);
    rig_close(&ours);
    rig_open_theirs(&theirs, options.uri, CLIENTS);
    trial.pool = &theirs;
    struct rig_result other = rig_try(&trial);
    rig_close(&theirs);
    rig_print_header("kill -9, restart; 20 writers and 50 jobs on 10 clients");
    trial.pool = &ours;
    rig_print_result(&trial, &mine);
    trial.pool = &theirs;
    rig_print_result(&trial, &other);
    rig_judge_common(&mine);
    judge_jobs(&done, mine.healed_ns);
    printf("all done after the outage: %.0f ms, bar %d ms, libmongoc %.0f ms: %s\n", mine.back_ms,
           BACK_BAR_MS, other.back_ms,
           rig_verdict(mine.back_ms >= 0 && mine.back_ms <= BACK_BAR_MS));
    printf("connections remade: %u, bar %d (pool + 4), libmongoc %u: %s\n", mine.accepted,
           CLIENTS + 4, other.accepted, rig_verdict(mine.accepted <= CLIENTS + 4));
    fixture_mongod_end(&server);
    return 0;
}

/* ---- a trial each way, with bars that most faults share ---- */

struct bars {
    double back_ms, longest_ms;
    unsigned accepted;
};

static void judge(const struct rig_result *mine, const struct rig_result *other,
                  const struct bars *bars)
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
    if (bars->accepted > 0) {
        printf("connections made meanwhile: %u, bar %u, libmongoc %u: %s\n", mine->accepted,
               bars->accepted, other->accepted, rig_verdict(mine->accepted <= bars->accepted));
    }
}

static void both(struct rig_trial *trial, const struct gleaner_db_options *options,
                 const char *title, const struct bars *bars)
{
    struct rig_pool ours, theirs;
    trial->foreign_sockets = rig_sockets_to(fixture_mongod_port(trial->server, 0));
    rig_open_ours(&ours, options);
    trial->pool = &ours;
    struct rig_result mine = rig_try(trial);
    rig_close(&ours);
    rig_open_theirs(&theirs, options->uri, options->max_pool_size);
    trial->pool = &theirs;
    struct rig_result other = rig_try(trial);
    rig_close(&theirs);
    rig_print_header(title);
    trial->pool = &ours;
    rig_print_result(trial, &mine);
    trial->pool = &theirs;
    rig_print_result(trial, &other);
    judge(&mine, &other, bars);
}

/* ---- SIGSTOP ---- */

static int run_freeze(uint32_t seconds)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    char title[96];
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = plan(server, NULL);
    trial.hold_ms = (seconds > 0 ? seconds : 20) * 1000;
    trial.patience_ms = trial.hold_ms + 60000;
    trial.inject = freeze_server;
    trial.heal = thaw_server;
    snprintf(title, sizeof title, "server frozen for %u s (scenario 7 names 90)",
             trial.hold_ms / 1000);
    both(&trial, &options, title, &(struct bars){.back_ms = BACK_BAR_MS});
    fixture_mongod_end(&server);
    return 0;
}

/* ---- error codes ---- */

/* What each must not do to others is the point: five inserts fail, the rest has to go on. */
static const struct {
    int code;
    const char *name;
    bool costs_client; /* the server is going away, or we are not who we were */
} codes[] = {
    {11600, "InterruptedAtShutdown", true},   {91, "ShutdownInProgress", true},
    {189, "PrimarySteppedDown", true},        {10107, "NotWritablePrimary", true},
    {13435, "NotPrimaryNoSecondaryOk", true}, {50, "MaxTimeMSExpired", false},
    {11000, "DuplicateKey", false},           {18, "AuthenticationFailed", true},
};

static void fail_inserts(struct rig_trial *trial)
{
    char json[256];
    snprintf(json, sizeof json,
             "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":5},\"data\":{"
             "\"failCommands\":[\"insert\"],\"errorCode\":%d}}",
             *(const int *)trial->ctx);
    BASE_ASSERT(fixture_mongod_command(trial->server, 0, "admin", json, NULL));
}

static int run_codes(uint32_t seconds)
{
    (void)seconds;
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    BASE_ASSERT(server != NULL);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct gleaner_db_options options;
        char title[128];
        int code = codes[i].code;
        rig_options(&options, fixture_mongod_uri(server), CLIENTS);
        struct rig_trial trial = plan(server, NULL);
        trial.hold_ms = 700;
        trial.warm_ms = 200;
        trial.inject = fail_inserts;
        trial.ctx = &code;
        snprintf(title, sizeof title, "error %d %s answered to five inserts", code, codes[i].name);
        /* What only answers costs nothing, not one new connection. The others make libmongoc forget
         * the server until its monitor's next answer, up to 10 s; here a fresh connection decides,
         * and nobody waits longer than the server selection of those that are on their way. */
        both(&trial, &options, title,
             &(struct bars){.longest_ms = 2500,
                            .accepted = codes[i].costs_client ? 2 * (CLIENTS + 4) : 1});
        BASE_ASSERT(fixture_mongod_command(server, 0, "fault", "{\"drop\":\"ours\"}", NULL));
        BASE_ASSERT(fixture_mongod_command(server, 0, "fault", "{\"drop\":\"theirs\"}", NULL));
    }
    fixture_mongod_end(&server);
    return 0;
}

/* ---- hello does not answer ---- */

/* Only connections with the appName to come, the refresh's generation, for gleaner; for libmongoc,
 * which has no refresh, whatever it connects anew, its monitors included. */
static void block_hello(struct rig_trial *trial)
{
    char app_name[96];
    snprintf(app_name, sizeof app_name, "%s", trial->pool->prefix);
    if (trial->pool->db != NULL) {
        struct gleaner_db_state state = {.size = sizeof state};
        gleaner_db_read_state(trial->pool->db, &state);
        snprintf(app_name, sizeof app_name, "%s%u", trial->pool->prefix, state.generation + 1);
    }
    BASE_ASSERT(rig_admin_run(trial->ctx, "admin", NULL,
                              "{\"configureFailPoint\":\"failCommand\",\"mode\":\"alwaysOn\","
                              "\"data\":{\"failCommands\":[\"hello\",\"isMaster\",\"ismaster\"],"
                              "\"appName\":\"%s\",\"blockConnection\":true,\"blockTimeMS\":3000}}",
                              app_name));
    if (trial->pool->db != NULL) {
        gleaner_db_refresh(trial->pool->db);
    }
}

static void let_hello(struct rig_trial *trial)
{
    struct rig_admin *admin = trial->ctx;
    BASE_ASSERT(rig_admin_run(admin, "admin", NULL,
                              "{\"configureFailPoint\":\"failCommand\",\"mode\":\"off\"}"));
}

static int run_hello(uint32_t seconds)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    BASE_ASSERT(server != NULL);
    struct rig_admin *admin = rig_admin_open(fixture_mongod_uri(server));
    BASE_ASSERT(rig_admin_run(admin, "admin", NULL, "{\"ping\":1}"));
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    options.connect_ms = 1000;
    struct rig_trial trial = plan(server, NULL);
    trial.hold_ms = (seconds > 0 ? seconds : 6) * 1000;
    trial.inject = block_hello;
    trial.heal = let_hello;
    trial.ctx = admin;
    both(&trial, &options,
         "hello blocked 3 s while a refresh wants new connections: nobody waits in a connect",
         &(struct bars){.longest_ms = 1000});
    rig_admin_close(&admin);
    fixture_mongod_end(&server);
    return 0;
}

static const struct rig_fault faults[] = {
    {"kill", "kill -9, back after 3 s: 20 writers, 50 jobs (scenario 5)", run_kill},
    {"freeze", "SIGSTOP [20 s], SIGCONT (scenario 7; 90 s there)", run_freeze},
    {"codes", "error codes 11600 91 189 10107 13435 50 11000 18 from a fail point", run_codes},
    {"hello", "blockConnection on hello while new connections are wanted", run_hello},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, sizeof faults / sizeof faults[0]);
}
