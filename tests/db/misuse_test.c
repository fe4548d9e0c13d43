/* SPDX-License-Identifier: Apache-2.0 */
/* What a program does that has not read the manual: fork, call back, leave too early. */
#include "db_fixture.h"
#include "db_internal.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gleaner_db *open_at(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    return open_db(&options);
}

/* ---- fork ---- */

static int in_child(struct gleaner_db *parents)
{
    struct gleaner_db *own = NULL;
    struct gleaner_db_options options;
    struct gleaner_error error = {0};
    gleaner_db_options_init(&options);
    if (gleaner_db_open(&options, &own, &error) != GLEANER_E_CLOSED || own != NULL) {
        return 1;
    }
    if (strstr(error.message, "fork") == NULL) {
        return 2;
    }
    if (gleaner_db_is_up(parents) || strcmp(read_state(parents).phase, "closed") != 0) {
        return 3;
    }
    if (gleaner_db_wait_up(parents, PATIENCE_MS) != GLEANER_E_CLOSED) {
        return 4;
    }
    return gleaner_db_close(&parents, 0) == GLEANER_OK ? 42 : 5;
}

/* One that opened in a child got a database that never had a client, and no word why. */
Test(db_misuse, a_forked_child_is_told_so_whatever_it_asks)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct gleaner_db *db = open_at(fixture_mongod_uri(server));
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    pid_t child = fork();
    if (child == 0) {
        _exit(in_child(db));
    }
    int state = 0;
    cr_assert_eq(waitpid(child, &state, 0), child);
    cr_expect(WIFEXITED(state) && WEXITSTATUS(state) == 42, "state %d", state);
    cr_expect(gleaner_db_is_up(db), "the parent's goes on");
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- on_state ---- */

struct listening {
    _Atomic(struct gleaner_db *) db;
    enum gleaner_status waited_up, closed, first, second;
    _Atomic bool is_done;
};

static void on_state(void *ctx, const char *phase, const char *tier, const char *reason)
{
    struct listening *listening = ctx;
    struct gleaner_db *db;
    (void)tier;
    (void)reason;
    if (strcmp(phase, "connected") != 0 || atomic_load(&listening->is_done)) {
        return;
    }
    while ((db = atomic_load(&listening->db)) == NULL) { /* gleaner_db_open() is about to return */
    }
    struct gleaner_client one, other;
    listening->first = gleaner_db_check_out(db, PATIENCE_MS, &one);
    listening->second = gleaner_db_check_out(db, 10 * PATIENCE_MS, &other);
    if (listening->first == GLEANER_OK) {
        (void)gleaner_db_check_in(db, &one, NULL);
    }
    listening->waited_up = gleaner_db_wait_up(db, PATIENCE_MS);
    listening->closed = gleaner_db_close(&db, 0);
    atomic_store(&listening->is_done, true);
}

/* The first ended the process, the second held up everybody's recovery for its time-out. */
Test(db_misuse, on_state_can_neither_close_nor_wait_for_itself, .timeout = 300)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    cr_assert_not_null(server);
    struct listening listening = {.db = NULL};
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(server);
    options.max_pool_size = 1;
    options.on_state = on_state;
    options.on_state_ctx = &listening;
    struct gleaner_db *db = open_db(&options);
    atomic_store(&listening.db, db);
    cr_assert(EVENTUALLY(atomic_load(&listening.is_done)));
    cr_expect_eq(listening.first, GLEANER_OK, "one is there");
    cr_expect_eq(listening.second, GLEANER_E_BUSY, "it is not waited for");
    cr_expect_eq(listening.waited_up, GLEANER_OK);
    cr_expect_eq(listening.closed, GLEANER_E_INVALID);
    cr_expect(gleaner_db_is_up(db));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- the log ---- */

struct lines {
    _Atomic uint32_t count;
    _Atomic bool is_marked; /* one of them is a transition's, with its level */
};

static void take_line(void *ctx, enum gleaner_log_level level, const char *line)
{
    struct lines *lines = ctx;
    atomic_fetch_add(&lines->count, 1);
    if (level == GLEANER_LOG_WARN && strstr(line, "to=embedded") != NULL &&
        strchr(line, '\n') == NULL) {
        atomic_store(&lines->is_marked, true);
    }
}

static void open_and_close(void)
{
    struct gleaner_db *db = open_at(NULL);
    cr_assert(EVENTUALLY(strcmp(read_state(db).phase, "embedded") == 0));
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
}

Test(db_misuse, a_program_gets_the_log_or_none)
{
    struct lines lines = {.count = 0};
    gleaner_set_log(GLEANER_LOG_INFO, take_line, &lines);
    open_and_close();
    cr_expect(lines.is_marked);
    uint32_t before = atomic_load(&lines.count);
    gleaner_set_log(GLEANER_LOG_NONE, take_line, &lines);
    open_and_close();
    cr_expect_eq(atomic_load(&lines.count), before);
    gleaner_set_log(GLEANER_LOG_INFO, NULL, NULL);
}

/* ---- closing ---- */

struct waiting {
    struct gleaner_db *db;
    enum gleaner_status status;
};

static void wait_up(void *arg)
{
    struct waiting *waiting = arg;
    waiting->status = gleaner_db_wait_up(waiting->db, 5 * PATIENCE_MS);
}

/* The owner asked for the end before the supervisor was awake to say that it comes: nobody who
 * waited for a state was told, and what he stood on was freed. */
Test(db_misuse, closing_answers_those_who_wait_for_a_state, .timeout = 120)
{
    for (int round = 0; round < 20; round++) {
        struct waiting waiting = {.db = open_at(NULL)};
        struct gleaner_db *closing = waiting.db;
        struct sync_thread *thread;
        cr_assert_eq(sync_thread_start(&thread, "waiting", SYNC_PLAIN, wait_up, &waiting),
                     GLEANER_OK);
        cr_assert(EVENTUALLY(atomic_load(&waiting.db->slow_callers) == 1));
        cr_expect_eq(gleaner_db_close(&closing, 0), GLEANER_OK);
        sync_thread_join(&thread);
        cr_expect_eq(waiting.status, GLEANER_E_CLOSED, "round %d", round);
    }
}

/* On a machine that is busy enough a caller that was answered needs longer than close waits. */
Test(db_misuse, closing_frees_nothing_that_a_caller_still_stands_on)
{
    struct gleaner_db *db = open_at(NULL), *kept = db;
    atomic_fetch_add(&kept->slow_callers, 1); /* what such a caller does first */
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_E_TIMEOUT);
    cr_expect_eq(kept->magic, DB_MAGIC);
    cr_expect_str_eq(read_state(kept).phase, "closed");
    atomic_fetch_sub(&kept->slow_callers, 1); /* ... and last */
}
