/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_test.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct uri_case {
    char uri[96];
    char says[40]; /* part of the message; "" = the URI is right */
};

static struct uri_case cases[] = {
    {"mongodb://127.0.0.1", ""},
    {"mongodb://u:p%40ss@127.0.0.1:27018,other/db?replicaSet=rs0", ""},
    {"", "empty"},
    {"http://127.0.0.1/", "'http'"},
    {"localhost:27017", "mongodb://"},
    {"mongodb://u:sec:ret@127.0.0.1/db", "%3A"},
    {"mongodb://u:sec@ret@127.0.0.1/db", ""}, /* the driver splits at the last one */
    {"mongodb://u:sec%ret@127.0.0.1/db", "%25"},
    {"mongodb://u:secret@127.0.0.1:99999/db", "mongodb://["},
    {"mongodb://u:secret@/db", "mongodb://["},
    {"mongodb://127.0.0.1/?w=0", "w=0"},
};

ParameterizedTestParameters(mongo_uri, a_wrong_uri_is_refused_with_a_remedy_and_no_password)
{
    return cr_make_param_array(struct uri_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct uri_case *c, mongo_uri,
                  a_wrong_uri_is_refused_with_a_remedy_and_no_password)
{
    struct base_error error = {0};
    mongo_init();
    enum gleaner_status status = mongo_uri_check(c->uri, &error);
    cr_expect_eq(status, c->says[0] == '\0' ? GLEANER_OK : GLEANER_E_CONFIG, "%s", c->uri);
    if (c->says[0] != '\0') {
        cr_expect_not_null(strstr(error.message, c->says), "%s -> %s", c->uri, error.message);
        cr_expect_null(strstr(error.message, "sec"), "%s", error.message);
    }
    mongo_cleanup();
}

Test(mongo_uri, an_endpoint_shows_hosts_and_database_without_the_user)
{
    mongo_init();
    struct mongo_endpoint *endpoint =
        open_endpoint("mongodb://u:hush@127.0.0.1:1,127.0.0.1:2/app", 1000);
    cr_assert_not_null(endpoint);
    cr_expect_str_eq(mongo_endpoint_address(endpoint), "127.0.0.1:1,127.0.0.1:2/app");
    cr_expect_str_eq(mongo_endpoint_database(endpoint), "app");
    mongo_endpoint_close(&endpoint);
    cr_expect_null(endpoint);
    mongo_cleanup();
}

Test(mongo_uri, an_application_name_over_128_bytes_is_refused)
{
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct mongo_options options = {.uri = "mongodb://127.0.0.1", .app_name = name};
    struct mongo_endpoint *endpoint = NULL;
    struct base_error error = {0};
    mongo_init();
    cr_expect_eq(mongo_endpoint_open(&options, &endpoint, &error), GLEANER_E_CONFIG);
    cr_expect_null(endpoint);
    cr_expect_not_null(strstr(error.message, "128"));
    mongo_cleanup();
}
