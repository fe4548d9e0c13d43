/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <mongoc/mongoc.h>

struct error_case {
    uint32_t domain, code;
    enum mongo_error_class expected;
};

static struct error_case cases[] = {
    {MONGOC_ERROR_SERVER, 11600, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 11602, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 91, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 189, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 10107, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 13435, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 13436, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 10058, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 6, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 7, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 89, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 9001, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER, 50, MONGO_TIMEOUT},
    {MONGOC_ERROR_SERVER, 112, MONGO_RETRY},
    {MONGOC_ERROR_SERVER, 262, MONGO_RETRY},
    {MONGOC_ERROR_SERVER, 18, MONGO_AUTH},
    {MONGOC_ERROR_SERVER, 13, MONGO_AUTH},
    {MONGOC_ERROR_SERVER, 11000, MONGO_DUPLICATE},
    {MONGOC_ERROR_SERVER, 121, MONGO_DATA},
    {MONGOC_ERROR_SERVER, 59, MONGO_BUG},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, MONGO_RECONNECT},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, MONGO_RECONNECT},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE, MONGO_RECONNECT},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, MONGO_AUTH},
    {MONGOC_ERROR_SCRAM, MONGOC_ERROR_SCRAM_PROTOCOL_ERROR, MONGO_AUTH},
    {MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, MONGO_CONFIG},
};

ParameterizedTestParameters(mongo_errors, a_code_has_one_class_whatever_its_text)
{
    return cr_make_param_array(struct error_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct error_case *c, mongo_errors, a_code_has_one_class_whatever_its_text)
{
    bson_error_t error = {.domain = c->domain, .code = c->code};
    struct mongo_error out;
    snprintf(error.message, sizeof error.message, "not primary, socket timeout, duplicate key");
    mongo_classify(&error, NULL, &out);
    cr_expect_eq(out.error_class, c->expected, "domain %u code %u is %s", c->domain, c->code,
                 mongo_error_class_name(out.error_class));
}

Test(mongo_errors, no_error_is_ok)
{
    bson_error_t none = {0};
    struct mongo_error out;
    mongo_classify(&none, NULL, &out);
    cr_expect_eq(out.error_class, MONGO_OK);
    mongo_classify(NULL, NULL, &out);
    cr_expect_eq(out.error_class, MONGO_OK);
}

Test(mongo_errors, a_retryable_label_makes_an_unknown_code_a_retry)
{
    bson_error_t error = {.domain = MONGOC_ERROR_SERVER, .code = 999999};
    bson_t *reply = BCON_NEW("ok", BCON_INT32(0), "errorLabels", "[", "RetryableWriteError", "]");
    struct mongo_error out;
    mongo_classify(&error, NULL, &out);
    cr_expect_eq(out.error_class, MONGO_DATA);
    mongo_classify(&error, reply, &out);
    cr_expect_eq(out.error_class, MONGO_RETRY);
    cr_expect(out.retryable_write);
    bson_destroy(reply);
}

Test(mongo_errors, a_password_inside_a_driver_message_is_hidden)
{
    bson_error_t error = {.domain = MONGOC_ERROR_STREAM, .code = MONGOC_ERROR_STREAM_SOCKET};
    struct mongo_error out;
    snprintf(error.message, sizeof error.message, "cannot reach mongodb://app:topsecret@db/x now");
    mongo_classify(&error, NULL, &out);
    cr_expect_null(strstr(out.message, "topsecret"), "%s", out.message);
    cr_expect_not_null(strstr(out.message, "cannot reach"));
}

Test(mongo_errors, every_class_has_a_name_and_a_status)
{
    for (int c = MONGO_OK; c <= MONGO_BUG; c++) {
        cr_expect_str_neq(mongo_error_class_name((enum mongo_error_class)c), "unknown");
        cr_expect_eq(mongo_error_status((enum mongo_error_class)c) == GLEANER_OK, c == MONGO_OK);
    }
}
