/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner: where its log goes. */
#include "db_internal.h"

_Static_assert((int)GLEANER_LOG_ERROR == (int)BASE_LOG_ERROR &&
                   (int)GLEANER_LOG_WARN == (int)BASE_LOG_WARN &&
                   (int)GLEANER_LOG_INFO == (int)BASE_LOG_INFO &&
                   (int)GLEANER_LOG_DEBUG == (int)BASE_LOG_DEBUG,
               "one is handed on as the other");

/* The program's; written before threads are started, as base's own. */
static void (*program_sink)(void *ctx, enum gleaner_log_level level, const char *line);
static void *program_ctx;

static void hand_on(void *ctx, enum base_log_level level, const char *line)
{
    (void)ctx;
    program_sink(program_ctx, (enum gleaner_log_level)level, line);
}

void gleaner_leave_driver_log(void)
{
    mongo_leave_log();
}

void gleaner_set_log(enum gleaner_log_level most,
                     void (*sink)(void *ctx, enum gleaner_log_level level, const char *line),
                     void *ctx)
{
    if (sink != program_sink || ctx != program_ctx) { /* else only the level: threads may log now */
        program_sink = sink;
        program_ctx = ctx;
        base_log_set_sink(sink != NULL ? hand_on : NULL, NULL);
    }
    base_log_set_level((enum base_log_level)most);
}
