/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct guard_case {
    char address[48];
    int allowed;
};

static struct fetch_guard *make(const char *const *allow, size_t count)
{
    struct fetch_guard *guard;
    struct base_error error;
    cr_assert_eq(fetch_guard_create(allow, count, &guard, &error), GLEANER_OK);
    return guard;
}

ParameterizedTestParameters(guard, the_default_list_decides)
{
    static struct guard_case cases[] = {
        {"0.0.0.0", 0},
        {"0.255.1.2", 0},
        {"1.0.0.0", 1},
        {"9.255.255.255", 1},
        {"10.0.0.1", 0},
        {"11.0.0.0", 1},
        {"100.63.255.255", 1},
        {"100.64.0.0", 0},
        {"100.127.255.255", 0},
        {"100.128.0.0", 1},
        {"127.0.0.1", 0},
        {"127.255.255.255", 0},
        {"128.0.0.1", 1},
        {"169.253.0.1", 1},
        {"169.254.169.254", 0},
        {"172.15.255.255", 1},
        {"172.16.0.1", 0},
        {"172.31.255.255", 0},
        {"172.32.0.0", 1},
        {"192.0.0.8", 0},
        {"192.0.1.1", 1},
        {"192.168.1.1", 0},
        {"192.169.0.1", 1},
        {"198.17.255.255", 1},
        {"198.18.0.1", 0},
        {"198.19.255.255", 0},
        {"198.20.0.0", 1},
        {"223.255.255.255", 1},
        {"224.0.0.1", 0},
        {"240.0.0.1", 0},
        {"255.255.255.255", 0},
        {"8.8.8.8", 1},
        {"::", 0},
        {"::1", 0},
        {"::2", 0},
        {"fc00::1", 0},
        {"fdff::1", 0},
        {"fe00::1", 1},
        {"fe80::1", 0},
        {"fe80::1%eth0", 0},
        {"febf::1", 0},
        {"fec0::1", 1},
        {"ff02::1", 0},
        {"2001:db8::1", 1},
        {"::ffff:127.0.0.1", 0},
        {"::ffff:8.8.8.8", 1},
        {"::ffff:a00:1", 0},
        {"64:ff9b::7f00:1", 0},
        {"64:ff9b::808:808", 1},
        {"2002:7f00:1::", 0},
        {"2002:a00:1::1", 0},
        {"2002:808:808::1", 1},
        {"::127.0.0.1", 0},
        {"[::1]", 0},
        {"[2606:4700::1]", 1},
        {"", 0},
        {"localhost", 0},
        {"1.2.3", 0},
        {"1.2.3.4.5", 0},
        {"0x7f000001", 0},
    };
    return cr_make_param_array(struct guard_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct guard_case *c, guard, the_default_list_decides)
{
    struct fetch_guard *guard = make(NULL, 0);
    cr_expect_eq(fetch_guard_allows(guard, c->address), c->allowed != 0, "%s", c->address);
    fetch_guard_destroy(&guard);
}

Test(guard, allowed_blocks_open_just_themselves)
{
    static const char *const allow[] = {"127.0.0.0/8", "10.1.2.3", "fd00::/8"};
    struct fetch_guard *guard = make(allow, 3);
    cr_assert(fetch_guard_allows(guard, "127.9.9.9"));
    cr_assert(fetch_guard_allows(guard, "::ffff:127.0.0.1"));
    cr_assert(fetch_guard_allows(guard, "10.1.2.3"));
    cr_assert_not(fetch_guard_allows(guard, "10.1.2.4"));
    cr_assert(fetch_guard_allows(guard, "fd12::1"));
    cr_assert_not(fetch_guard_allows(guard, "fc00::1"));
    cr_assert_not(fetch_guard_allows(guard, "2002:7f00:1::"));
    cr_assert_not(fetch_guard_allows(guard, "::1"));
    fetch_guard_destroy(&guard);
}

Test(guard, a_bad_block_is_named_in_the_error)
{
    static const char *const bad[] = {"10.0.0.0/33", "::/129",   "ten", "10.0.0.0/",
                                      "10.0.0.0/x",  "10.0.0/8", "/8",  ""};
    for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) {
        struct fetch_guard *guard;
        struct base_error error;
        cr_assert_eq(fetch_guard_create(&bad[i], 1, &guard, &error), GLEANER_E_CONFIG, "%s",
                     bad[i]);
        cr_assert_not_null(strstr(error.message, bad[i]));
        cr_assert_null(guard);
    }
}
