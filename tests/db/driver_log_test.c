/* SPDX-License-Identifier: Apache-2.0 */
/* Whose is the driver's log: the program's, if it says so. */
#include "db_fixture.h"
#include <stdio.h>

static char program_heard[200], gleaner_heard[2000];

static void hear(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level;
    (void)ctx;
    if (strcmp(domain, "test") == 0) {
        snprintf(program_heard, sizeof(program_heard), "%s", message);
    }
}

static void keep_line(void *ctx, enum gleaner_log_level level, const char *line)
{
    (void)ctx;
    if (level == GLEANER_LOG_DEBUG && strstr(line, "domain=test") != NULL) {
        snprintf(gleaner_heard, sizeof(gleaner_heard), "%s", line);
    }
}

static struct gleaner_db *open_nowhere(void)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options); /* no URI: no thread of the driver's says anything */
    gleaner_set_log(GLEANER_LOG_DEBUG, keep_line, NULL);
    return open_db(&options);
}

Test(db_driver_log, a_handler_of_the_programs_stays_when_it_says_so)
{
    mongoc_log_set_handler(hear, NULL);
    gleaner_leave_driver_log();
    struct gleaner_db *db = open_nowhere();
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "test", "the driver has something to say");
    cr_expect_str_eq(program_heard, "the driver has something to say");
    cr_expect_eq(gleaner_db_close(&db, PATIENCE_MS), GLEANER_OK);
}

Test(db_driver_log, else_it_is_part_of_ours)
{
    mongoc_log_set_handler(hear, NULL);
    struct gleaner_db *db = open_nowhere();
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "test", "the driver has something to say");
    cr_expect_str_eq(program_heard, "");
    cr_expect_not_null(strstr(gleaner_heard, "the driver has something to say"));
    cr_expect_eq(gleaner_db_close(&db, PATIENCE_MS), GLEANER_OK);
}

Test(db_driver_log, a_handler_that_is_set_after_the_first_opening_stays)
{
    struct gleaner_db *first = open_nowhere();
    mongoc_log_set_handler(hear, NULL);
    struct gleaner_db *second = open_nowhere();
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "test", "the driver has something to say");
    cr_expect_str_eq(program_heard, "the driver has something to say");
    cr_expect_eq(gleaner_db_close(&second, PATIENCE_MS), GLEANER_OK);
    cr_expect_eq(gleaner_db_close(&first, PATIENCE_MS), GLEANER_OK);
}
