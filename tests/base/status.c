/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

Test(status, every_value_has_a_name_of_its_own)
{
    for (int a = 0; a < GLEANER_STATUS_COUNT; a++) {
        const char *name = gleaner_status_name((enum gleaner_status)a);
        cr_assert_str_neq(name, "unknown", "status %d", a);
        for (int b = 0; b < a; b++) {
            cr_assert_str_neq(name, gleaner_status_name((enum gleaner_status)b));
        }
    }
}

Test(status, a_value_from_outside_is_unknown)
{
    cr_assert_str_eq(gleaner_status_name(GLEANER_STATUS_COUNT), "unknown");
    cr_assert_str_eq(gleaner_status_name((enum gleaner_status) - 1), "unknown");
}

Test(error, carries_status_and_sentence)
{
    struct base_error error;
    cr_assert_eq(base_error_set(&error, GLEANER_E_IO, "%s: %d", "spool", 7), GLEANER_E_IO);
    cr_assert_eq(error.status, GLEANER_E_IO);
    cr_assert_str_eq(error.message, "spool: 7");
}

Test(error, may_be_null)
{
    cr_assert_eq(base_error_set(NULL, GLEANER_E_DOWN, "x"), GLEANER_E_DOWN);
}

Test(error, is_redacted_before_it_is_cut)
{
    /* The password straddles the end of the message, its '@' is behind it. */
    char filler[470];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    struct base_error error;
    (void)base_error_set(&error, GLEANER_E_CONFIG, "%s mongodb://u:hunter2secret@h/", filler);
    cr_assert_null(strstr(error.message, "hunter"), "%s", error.message);
    cr_assert_lt(strlen(error.message), sizeof(error.message));
}

Test(assertion, that_fails_aborts, .signal = SIGABRT)
{
    BASE_ASSERT(1 + 1 == 3);
}
