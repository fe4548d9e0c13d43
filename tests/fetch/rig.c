/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const loopback[] = {"127.0.0.0/8", "::1"};

void rig_start(struct rig *rig, unsigned hosts, enum http_fixture_tls tls)
{
    memset(rig, 0, sizeof(*rig));
    sync_init();
    cr_assert(http_fixture_start(&rig->http, hosts, tls));
    fetch_options_init(&rig->options);
    rig->options.allow_net = loopback;
    rig->options.allow_net_count = 2;
    rig->options.use_robots = false;
}

void rig_engine(struct rig *rig)
{
    struct base_error error;
    cr_assert_eq(fetch_engine_start(&rig->options, &rig->engine, &error), GLEANER_OK, "%s",
                 error.message);
}

void rig_end(struct rig *rig)
{
    fetch_engine_stop(&rig->engine);
    cr_assert_null(rig->engine);
    http_fixture_end(&rig->http);
}

void rig_submit(struct rig *rig, const char *url, void *user)
{
    struct fetch_request request = {.url = url, .user = user, .follow_redirects = true};
    cr_assert_eq(fetch_submit(rig->engine, &request), GLEANER_OK);
}

struct fetch_result *rig_take(struct rig *rig)
{
    struct fetch_result *result;
    cr_assert_eq(fetch_next(rig->engine, base_mono_ns() + 30 * BASE_NS_PER_S, &result), GLEANER_OK);
    return result;
}

struct fetch_result *rig_fetch(struct rig *rig, const char *url)
{
    rig_submit(rig, url, rig);
    struct fetch_result *result = rig_take(rig);
    cr_assert_eq(result->user, rig);
    return result;
}

void rig_expect(struct rig *rig, const char *path, enum fetch_class fetch_class, int status,
                const char *reason_part)
{
    struct fetch_result *r = rig_fetch(rig, rig_url(rig, 0, path));
    cr_expect_eq(r->fetch_class, fetch_class, "%s: %s (%s)", path, fetch_class_name(r->fetch_class),
                 r->reason);
    cr_expect_eq(r->http_status, status, "%s: %d", path, r->http_status);
    cr_expect_not_null(strstr(r->reason, reason_part), "%s: %s", path, r->reason);
    if (fetch_class == FETCH_OK) {
        cr_expect_str_empty(r->reason);
    }
    fetch_result_free(&r);
    cr_assert_null(r);
}

const char *rig_url(struct rig *rig, unsigned host, const char *path)
{
    return http_fixture_url(&rig->http, host, path);
}
