/* SPDX-License-Identifier: Apache-2.0 */
/* What a program does that has not read the manual: fork, call back, leave too early. */
#include "db_fixture.h"
#include "db_internal.h"

static struct gleaner_db *open_at(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    return open_db(&options);
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
