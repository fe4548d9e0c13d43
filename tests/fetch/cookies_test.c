/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies go back to the host that set them, and to no other. */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, 3, HTTP_FIXTURE_PLAIN);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(cookies, .init = start, .fini = end, .timeout = 60);

static void set_cookie(unsigned host, const char *query)
{
    char path[400];
    snprintf(path, sizeof(path), "/cookie?%s", query);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, host, path));
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
    fetch_result_free(&r);
}

/* What the server is told, as /echo shows it; NULL = no Cookie header. */
static const char *sent_cookies(unsigned host, char *out, size_t size)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, host, "/echo"));
    const char *at = strstr(r->body, "cookie: ");
    if (at != NULL) {
        snprintf(out, size, "%.*s", (int)strcspn(at + 8, "\n"), at + 8);
    }
    fetch_result_free(&r);
    return at != NULL ? out : NULL;
}

Test(cookies, a_cookie_goes_back_to_its_host_alone)
{
    char text[200];
    rig_engine(&rig);
    set_cookie(0, "set=session=42");
    cr_expect_str_eq(sent_cookies(0, text, sizeof(text)), "session=42");
    cr_expect_null(sent_cookies(1, text, sizeof(text)), "another port is another host here");
    cr_expect_str_eq(sent_cookies(0, text, sizeof(text)), "session=42");
}

Test(cookies, a_cookie_for_a_path_stays_on_that_path)
{
    char text[200];
    rig_engine(&rig);
    set_cookie(0, "set=a=1;Path=/elsewhere");
    cr_expect_null(sent_cookies(0, text, sizeof(text)));
}

Test(cookies, a_cookie_that_expired_is_gone)
{
    char text[200];
    rig_engine(&rig);
    set_cookie(0, "set=a=1");
    set_cookie(0, "set=a=2;Max-Age=0");
    cr_expect_null(sent_cookies(0, text, sizeof(text)));
}

Test(cookies, a_jar_has_a_limit)
{
    char text[20000], query[100];
    rig_engine(&rig);
    for (int i = 0; i < 40; i++) {
        snprintf(query, sizeof(query), "count=40&set=c%d-%%3dx", i);
        set_cookie(0, query);
    }
    const char *sent = sent_cookies(0, text, sizeof(text));
    cr_expect(sent == NULL || strlen(sent) < 16384, "%zu", sent != NULL ? strlen(sent) : 0);
    set_cookie(0, "set=after=1");
    sent = sent_cookies(0, text, sizeof(text));
    cr_assert_not_null(sent);
    cr_expect_not_null(strstr(sent, "after=1"), "what comes after the limit is kept again");
}

Test(cookies, they_can_be_turned_off)
{
    char text[200];
    rig.options.use_cookies = false;
    rig_engine(&rig);
    set_cookie(0, "set=a=1");
    cr_expect_null(sent_cookies(0, text, sizeof(text)));
}
