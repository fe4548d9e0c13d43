/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a driver's pool that stand in a URI. */
#include "db_fixture.h"
#include "db_internal.h"
#include <criterion/parameterized.h>
#include <stdio.h>

static char said[2000];

static void keep_line(void *ctx, enum gleaner_log_level level, const char *line)
{
    (void)ctx;
    cr_expect_eq(level, GLEANER_LOG_WARN);
    size_t length = strlen(said);
    snprintf(said + length, sizeof(said) - length, "%s\n", line);
}

static unsigned lines_said(void)
{
    unsigned lines = 0;
    for (const char *at = strchr(said, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        lines++;
    }
    return lines;
}

static struct gleaner_db_options take(const struct gleaner_db_options *given)
{
    struct db_settings settings = {0};
    struct base_error error = {0};
    gleaner_set_log(GLEANER_LOG_WARN, keep_line, NULL);
    said[0] = '\0';
    cr_assert_eq(db_settings_take(&settings, given, &error), GLEANER_OK, "%s", error.message);
    struct gleaner_db_options taken = settings.options; /* its numbers alone are looked at */
    db_settings_fini(&settings);
    return taken;
}

static struct gleaner_db_options take_uri(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    return take(&options);
}

Test(db_uri_options, the_pools_options_of_an_existing_application_hold)
{
    struct gleaner_db_options taken =
        take_uri("mongodb://u:p@h/db?retryWrites=true&MAXPOOLSIZE=20&minPoolSize=4&maxConnecting=3"
                 "&maxIdleTimeMS=120000&waitQueueTimeoutMS=2500&w=majority&appName=Cluster0");
    cr_expect_eq(taken.max_pool_size, 20);
    cr_expect_eq(taken.min_pool_size, 4);
    cr_expect_eq(taken.max_connecting, 3);
    cr_expect_eq(taken.max_idle_ms, 120000);
    cr_expect_eq(taken.wait_queue_timeout_ms, 2500);
    cr_expect_eq(taken.max_pool_size_limit, 40, "room to grow, as with max_pool_size = 20");
    cr_expect_str_eq(said, "");
}

Test(db_uri_options, a_number_of_the_programs_goes_before)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongodb://h/?maxPoolSize=20&maxIdleTimeMS=5";
    options.max_pool_size = 7;
    options.max_idle_ms = 8000;
    struct gleaner_db_options taken = take(&options);
    cr_expect_eq(taken.max_pool_size, 7);
    cr_expect_eq(taken.max_idle_ms, 8000);
    cr_expect_str_eq(said, "");
}

Test(db_uri_options, no_limit_is_the_most)
{
    struct gleaner_db_options taken = take_uri("mongodb://h/?maxPoolSize=0&maxIdleTimeMS=0");
    cr_expect_eq(taken.max_pool_size, 100);
    cr_expect_eq(taken.max_idle_ms, UINT32_MAX);
    cr_expect_eq(lines_said(), 1, "%s", said);
    cr_expect_not_null(strstr(said, "option=maxPoolSize value=0"), "%s", said);
}

Test(db_uri_options, the_limit_of_the_table_cuts_what_the_uri_wants)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongodb://h/?maxPoolSize=50";
    options.max_pool_size_limit = 12;
    cr_expect_eq(take(&options).max_pool_size, 12);
    cr_expect_not_null(strstr(said, "max_pool_size is 1..12: taken as 12"), "%s", said);
}

struct not_taken {
    char uri[80], fallback_uri[80], option[24], remedy[60];
};

ParameterizedTestParameters(db_uri_options, what_is_not_taken_is_said)
{
    static struct not_taken cases[] = {
        {"mongodb://h/?maxPoolSize=500", "", "maxPoolSize", "max_pool_size is 1..100"},
        {"mongodb://h/?minPoolSize=0", "", "minPoolSize", "taken as 1"},
        {"mongodb://h/?maxConnecting=0", "", "maxConnecting", "taken as 1"},
        {"mongodb://h/?maxIdleTimeMS=5", "", "maxIdleTimeMS", "taken as 100"},
        {"mongodb://h/?maxPoolSize=-4", "", "maxPoolSize", "write a number"},
        {"mongodb://h/?maxConnecting=9999999999999999999999", "", "maxConnecting", "taken as 16"},
        {"mongodb://h/?waitQueueMultiple=5", "", "waitQueueMultiple", "wait_queue_timeout_ms"},
        {"mongodb://h/?timeoutMS=5000", "", "timeoutMS", "socketTimeoutMS"},
        {"mongodb://h/", "mongodb://g/?maxPoolSize=5", "maxPoolSize", "in the first URI"},
    };
    return cr_make_param_array(struct not_taken, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct not_taken *c, db_uri_options, what_is_not_taken_is_said)
{
    struct gleaner_db_options options;
    char option[40];
    gleaner_db_options_init(&options);
    options.uri = c->uri;
    options.fallback_uri = c->fallback_uri[0] != '\0' ? c->fallback_uri : NULL;
    (void)take(&options);
    snprintf(option, sizeof(option), "option=%s ", c->option);
    cr_expect_eq(lines_said(), 1, "%s", said);
    cr_expect_not_null(strstr(said, option), "%s", said);
    cr_expect_not_null(strstr(said, c->remedy), "%s", said);
}

/* The driver skips what it does not know, and says so where nobody looks. */
Test(db_uri_options, an_option_that_nobody_knows_is_named)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = "mongodb://u:secret@h/?maxPoolSiz=20&maxPoolSize=9&maxConnecting=2";
    options.fallback_uri = "mongodb://g/?retryWritez=true";
    cr_expect_eq(take(&options).max_pool_size, 9);
    cr_expect_eq(lines_said(), 2, "%s", said);
    cr_expect_not_null(strstr(said, "uri=primary why=\"Unsupported URI option 'maxpoolsiz'\""),
                       "%s", said);
    cr_expect_not_null(strstr(said, "uri=fallback why=\"Unsupported URI option 'retrywritez'\""),
                       "%s", said);
    cr_expect_null(strstr(said, "secret"));
}
