/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_internal.h"
#include <criterion/criterion.h>
#include <string.h>

static const int64_t now_ms = INT64_C(1704067200000); /* Mon, 01 Jan 2024 00:00:00 GMT */

static uint64_t retry_after(const char *value)
{
    return fetch_parse_retry_after(value, strlen(value), now_ms);
}

Test(retry_after, seconds_and_dates_are_read)
{
    cr_assert_eq(retry_after("3"), 3000);
    cr_assert_eq(retry_after(" 120 "), 120000);
    cr_assert_eq(retry_after("0"), 0);
    cr_assert_eq(retry_after("Mon, 01 Jan 2024 00:00:10 GMT"), 10000);
    cr_assert_eq(retry_after("Monday, 01-Jan-24 00:01:00 GMT"), 60000);
    cr_assert_eq(retry_after("Mon Jan  1 00:00:30 2024"), 30000);
}

Test(retry_after, an_hour_is_the_most)
{
    cr_assert_eq(retry_after("3601"), FETCH_MAX_RETRY_AFTER_MS);
    cr_assert_eq(retry_after("99999999999999999999999999"), FETCH_MAX_RETRY_AFTER_MS);
    cr_assert_eq(retry_after("Fri, 01 Jan 2027 00:00:00 GMT"), FETCH_MAX_RETRY_AFTER_MS);
}

Test(retry_after, past_dates_and_nonsense_say_nothing)
{
    cr_assert_eq(retry_after("Sun, 31 Dec 2023 23:59:59 GMT"), 0);
    cr_assert_eq(retry_after(""), 0);
    cr_assert_eq(retry_after("soon"), 0);
    cr_assert_eq(retry_after("-5"), 0);
    cr_assert_eq(retry_after("1.5"), 0);
}

Test(classes, every_class_has_a_name_of_its_own)
{
    for (int i = 0; i < FETCH_CLASS_COUNT; i++) {
        const char *name = fetch_class_name((enum fetch_class)i);
        cr_assert_not_null(name);
        for (int k = 0; k < i; k++) {
            cr_assert_str_neq(name, fetch_class_name((enum fetch_class)k));
        }
    }
    cr_assert_str_eq(fetch_class_name((enum fetch_class)99), "unknown");
}

Test(classes, retries_are_for_what_may_pass)
{
    cr_assert(fetch_class_is_retryable(FETCH_HTTP_4XX, 408));
    cr_assert(fetch_class_is_retryable(FETCH_THROTTLED, 429));
    cr_assert(fetch_class_is_retryable(FETCH_HTTP_5XX, 500));
    cr_assert(fetch_class_is_retryable(FETCH_CONNECT, 0));
    cr_assert(fetch_class_is_retryable(FETCH_ROBOTS, 503));
    cr_assert_not(fetch_class_is_retryable(FETCH_ROBOTS, 0));
    cr_assert_not(fetch_class_is_retryable(FETCH_HTTP_4XX, 404));
    cr_assert_not(fetch_class_is_retryable(FETCH_GUARDED, 0));
    cr_assert_not(fetch_class_is_retryable(FETCH_TOO_LARGE, 200));
    cr_assert_not(fetch_class_is_retryable(FETCH_BAD_URL, 0));
}
