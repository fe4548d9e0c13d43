/* SPDX-License-Identifier: Apache-2.0 */
/* A single server that dies, freezes, answers errors, or takes no more connections: 20 writers,
 * with gleaner's pool and with mongoc_client_pool alone, each write tried until it is acknowledged.
 */
#include "rig.h"
#include "rig_jobs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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
    rig_both(&trial, &options, title, &(struct rig_bars){.back_ms = BACK_BAR_MS});
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
         * the server until its monitor's next answer, up to 10 s; under our sockets (libmongoc 1)
         * they are answers, too, and a fresh connection decides what they mean. With libmongoc 2
         * who is on his way waits for a server selection. */
        double longest_ms = mongoc_get_major_version() < 2 ? 1000 : 3500;
        rig_both(&trial, &options, title,
                 &(struct rig_bars){.longest_ms = longest_ms,
                                    .accepted = codes[i].costs_client ? 3 * (CLIENTS + 4) : 1});
        BASE_ASSERT(fixture_mongod_command(server, 0, RIG_DATABASE, "{\"drop\":\"ours\"}", NULL));
        BASE_ASSERT(fixture_mongod_command(server, 0, RIG_DATABASE, "{\"drop\":\"theirs\"}", NULL));
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
    rig_both(&trial, &options,
             "hello blocked 3 s while a refresh wants new connections: nobody waits in a connect",
             &(struct rig_bars){.longest_ms = 1000});
    rig_admin_close(&admin);
    fixture_mongod_end(&server);
    return 0;
}

/* ---- no more connections ---- */

enum { MOST_CONNECTIONS = 60, HELD_MAX = 64 };

struct held {
    int fds[HELD_MAX];
    size_t count;
};

/* Take every place that is left, then ask for new connections. A socket that is over the limit is
 * accepted and closed by the server. */
static void take_all_places(struct rig_trial *trial)
{
    struct held *held = trial->ctx;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture_mongod_port(trial->server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (held->count = 0; held->count < HELD_MAX; held->count++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        BASE_ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
        held->fds[held->count] = fd;
    }
    rig_sleep_ms(200);
    if (trial->pool->db != NULL) {
        gleaner_db_refresh(trial->pool->db);
    }
}

static void give_places_back(struct rig_trial *trial)
{
    struct held *held = trial->ctx;
    for (size_t i = 0; i < held->count; i++) {
        close(held->fds[i]);
    }
    held->count = 0;
}

static int run_full(uint32_t seconds)
{
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.max_connections = MOST_CONNECTIONS});
    struct gleaner_db_options options;
    struct held held = {0};
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = plan(server, NULL);
    trial.hold_ms = (seconds > 0 ? seconds : 5) * 1000;
    trial.inject = take_all_places;
    trial.heal = give_places_back;
    trial.ctx = &held;
    rig_both(&trial, &options,
             "the server is full (maxConns) while a refresh wants new connections",
             &(struct rig_bars){.longest_ms = 1000, .accepted = 2 * (CLIENTS + 4)});
    fixture_mongod_end(&server);
    return 0;
}

/* ---- authentication refused ---- */

static void set_password(struct rig_trial *trial, const char *password)
{
    char json[128];
    snprintf(json, sizeof json, "{\"updateUser\":\"tester\",\"pwd\":\"%s\"}", password);
    BASE_ASSERT(fixture_mongod_command(trial->server, 0, "admin", json, NULL));
}
static void change_password(struct rig_trial *trial)
{
    set_password(trial, "another");
    if (trial->pool->db != NULL) {
        gleaner_db_refresh(trial->pool->db);
    }
}
static void restore_password(struct rig_trial *trial)
{
    set_password(trial, FIXTURE_MONGOD_PASSWORD);
}

static int run_auth(uint32_t seconds)
{
    struct fixture_mongod *server =
        fixture_mongod_start(&(struct fixture_mongod_options){.auth = true});
    struct gleaner_db_options options;
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = plan(server, NULL);
    trial.hold_ms = (seconds > 0 ? seconds : 5) * 1000;
    trial.inject = change_password;
    trial.heal = restore_password;
    rig_both(&trial, &options,
             "the password is changed, and back, while a refresh wants connections",
             &(struct rig_bars){.longest_ms = 1000});
    fixture_mongod_end(&server);
    return 0;
}

/* ---- the host program forks ---- */

/* What a careless child does with what it inherited: everything. It has to be refused, and to end
 * without a word on the parent's sockets. */
static _Noreturn void be_a_child(struct gleaner_db *db)
{
    struct gleaner_client client;
    alarm(10);
    bool refused = gleaner_db_check_out(db, 100, &client) != GLEANER_OK;
    gleaner_db_refresh(db);
    gleaner_db_check_now(db);
    _exit(refused ? 0 : 1);
}

static void fork_often(struct rig_trial *trial)
{
    for (int i = 0; i < 20; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            if (i % 2 == 0 && trial->pool->db != NULL) {
                be_a_child(trial->pool->db);
            }
            execl("/bin/true", "true", (char *)NULL);
            _exit(1);
        }
        BASE_ASSERT(waitpid(pid, &status, 0) == pid);
        *(int *)trial->ctx += status != 0;
    }
}

static int run_fork(uint32_t seconds)
{
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    int wrong = 0;
    (void)seconds;
    BASE_ASSERT(server != NULL);
    rig_options(&options, fixture_mongod_uri(server), CLIENTS);
    struct rig_trial trial = plan(server, NULL);
    trial.inject = fork_often;
    trial.ctx = &wrong;
    trial.hold_ms = 500;
    rig_both(&trial, &options, "20 forks under load: ten children use the pool, ten exec a program",
             &(struct rig_bars){.longest_ms = 1000, .accepted = 1});
    printf("children that were lent a client or died: %d, bar 0: %s\n", wrong,
           rig_verdict(wrong == 0));
    fixture_mongod_end(&server);
    return 0;
}

static const struct rig_fault faults[] = {
    {"kill", "kill -9, back after 3 s: 20 writers, 50 jobs (scenario 5)", run_kill},
    {"freeze", "SIGSTOP [20 s; `freeze 90` is scenario 7], SIGCONT", run_freeze},
    {"codes", "error codes 11600 91 189 10107 13435 50 11000 18 from a fail point", run_codes},
    {"hello", "blockConnection on hello while new connections are wanted", run_hello},
    {"full", "maxIncomingConnections reached", run_full},
    {"auth", "authentication refused to new connections", run_auth},
    {"fork", "the host program forks", run_fork},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, sizeof faults / sizeof faults[0]);
}
