/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char last_line[4096];
static int line_count;

static void keep_line(void *ctx, enum base_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    line_count++;
    strcpy(last_line, line);
}

static void use_sink(void)
{
    base_log_set_sink(keep_line, NULL);
}

TestSuite(log, .init = use_sink);

Test(log, line_has_time_level_room_and_message)
{
    base_log_warn("pool", "slot=%d state=%s", 3, "retired");
    /* 2026-02-03T04:05:06.789Z warn  pool: slot=3 state=retired */
    int year, month, day, hour, minute, second, ms, end = 0;
    cr_assert_eq(sscanf(last_line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour,
                        &minute, &second, &ms, &end),
                 7, "%s", last_line);
    cr_assert_geq(year, 2025);
    cr_assert_str_eq(last_line + end, "warn  pool: slot=3 state=retired");
}

Test(log, level_decides_what_is_written)
{
    base_log_debug("a", "not at first");
    cr_assert_eq(line_count, 0);
    base_log_set_level(BASE_LOG_DEBUG);
    base_log_debug("a", "now");
    cr_assert_eq(line_count, 1);
    base_log_set_level(BASE_LOG_ERROR);
    base_log_warn("a", "no more");
    cr_assert_eq(line_count, 1);
}

Test(log, levels_are_read_by_name)
{
    enum base_log_level level = BASE_LOG_INFO;
    cr_assert(base_log_level_parse("debug", &level));
    cr_assert_eq(level, BASE_LOG_DEBUG);
    cr_assert_not(base_log_level_parse("loud", &level));
    cr_assert_not(base_log_level_parse("", &level));
    cr_assert_not(base_log_level_parse(NULL, &level));
    cr_assert_eq(level, BASE_LOG_DEBUG);
}

Test(log, password_in_a_message_is_hidden)
{
    base_log_error("mongo", "cannot open mongodb://app:hunter2@db/x");
    cr_assert_not_null(strstr(last_line, "mongodb://app:***@db/x"));
}

Test(log, password_that_the_limit_would_cut_is_hidden)
{
    char filler[1980];
    memset(filler, 'x', sizeof(filler) - 1);
    for (size_t len = 1850; len < sizeof(filler); len++) {
        base_log_info("r", "%.*s mongodb://app:hunter2hunter2hunter2hunter2@db/x", (int)len,
                      filler);
        cr_assert_null(strstr(last_line, "hunter"), "%zu", len);
    }
}

Test(log, message_cannot_forge_a_second_line)
{
    base_log_info("fetch", "title=%s", "a\nb\r\x1b[2Jc");
    cr_assert_not_null(strstr(last_line, "title=a b??[2Jc"), "%s", last_line);
}

Test(log, keeps_errno)
{
    errno = ENOSPC;
    base_log_info("a", "x");
    cr_assert_eq(errno, ENOSPC);
}

Test(log, each_line_is_one_write_to_standard_error)
{
    base_log_set_sink(NULL, NULL);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    base_log_info("a", "one");
    base_log_info("a", "two");
    dup2(saved, STDERR_FILENO);
    char got[512];
    ssize_t n = read(ends[0], got, sizeof(got) - 1);
    cr_assert_gt(n, 0);
    got[n] = '\0';
    cr_assert_not_null(strstr(got, "a: one\n"));
    cr_assert_str_eq(got + n - 7, "a: two\n");
}

Test(log_limit, swallows_after_the_burst_and_reports_how_many)
{
    struct base_log_limit limit = {.period_ns = 1000, .burst = 2};
    uint32_t suppressed = 9;
    cr_assert(base_log_allow(&limit, 5000, &suppressed));
    cr_assert_eq(suppressed, 0);
    cr_assert(base_log_allow(&limit, 5001, &suppressed));
    cr_assert_not(base_log_allow(&limit, 5002, &suppressed));
    cr_assert_not(base_log_allow(&limit, 5999, &suppressed));
    cr_assert_not(base_log_allow(&limit, 4000, &suppressed), "a clock read earlier elsewhere");
    cr_assert(base_log_allow(&limit, 6000, &suppressed));
    cr_assert_eq(suppressed, 3);
    cr_assert(base_log_allow(&limit, 6001, &suppressed));
    cr_assert_eq(suppressed, 0);
}
