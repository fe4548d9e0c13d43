/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_internal.h"
#include <criterion/criterion.h>
#include <string.h>

#define NOW_MS INT64_C(1700000000000) /* 2023-11-14 22:13:20 UTC */

static void expect(const char *line, bool noindex, bool nofollow)
{
    struct fetch_result result = {0};
    fetch_read_robots_tag(line, strlen(line), "gleaner", NOW_MS, &result);
    cr_expect_eq(result.noindex, noindex, "noindex of '%s'", line);
    cr_expect_eq(result.nofollow, nofollow, "nofollow of '%s'", line);
}

Test(robots_tag, words_between_commas_are_directives)
{
    expect("", false, false);
    expect("all", false, false);
    expect("noindex", true, false);
    expect("NoIndex,NOFOLLOW", true, true);
    expect(" , noarchive ,\tnofollow , ", false, true);
    expect("none", true, true);
    expect("noindexing, nofollows, nonesuch", false, false);
}

Test(robots_tag, a_name_limits_what_follows_to_its_agent)
{
    expect("gleaner: noindex", true, false);
    expect("Gleaner :nofollow", false, true);
    expect("googlebot: noindex, nofollow", false, false);
    expect("googlebot: noindex, gleaner: nofollow", false, true);
    expect("gleaner: noindex, otherbot: nofollow", true, false);
    expect("noindex, otherbot: nofollow", true, false);
    expect("gleaner-images: none", false, false);
    expect("*: none", true, true);
}

Test(robots_tag, a_directive_with_a_value_is_no_agent_and_says_nothing_else)
{
    expect("max-image-preview:none", false, false);
    expect("max-snippet: -1, max-image-preview: none, nofollow", false, true);
    expect("unavailable_after: Fri, 25 Jun 2040 15:00:00 GMT, nofollow", false, true);
    expect("unavailable_after: 25 Jun 2040 15:00:00 PST, nofollow", false, true);
}

Test(robots_tag, what_was_available_until_now_is_noindex)
{
    expect("unavailable_after: Tue, 14 Nov 2023 22:13:19 GMT", true, false);
    expect("unavailable_after: Tue, 14 Nov 2023 22:13:21 GMT", false, false);
    expect("unavailable_after: 14-Nov-23 22:13:19 GMT, nofollow", true, true);
    expect("unavailable_after: 25 Jun 2010 15:00:00 PST", true, false);
    expect("unavailable_after: 2023-11-14T22:13:19Z", true, false);
    expect("unavailable_after: 2023-11-14T22:13:21Z", false, false);
    expect("unavailable_after: 2023-11-15T00:13:19+02:00", true, false);
    expect("unavailable_after: 2023-11-15T00:13:21+02:00", false, false);
    expect("unavailable_after: 2010-06-25", true, false);
    expect("gleaner: unavailable_after: 2010-06-25", true, false);
    expect("otherbot: unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex", false, false);
    expect("unavailable_after:", false, false);
    expect("unavailable_after: Fri", false, false);
    expect("unavailable_after: soon, nofollow", false, false);
    expect("unavailable_after: 99999999999999999999", false, false);
}
